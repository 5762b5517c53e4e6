"""docs/moving-from-….md: every row that an application may rely on is there, and true of the tables of the code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from controller.dialects.plivo import verbs as plivo
from controller.dialects.plivo.shapes import shape
from controller.dialects.swml.methods import DOCUMENTED, METHODS
from controller.dialects.swml.rows import Served as SwmlServed
from controller.dialects.twiml import rest
from controller.dialects.twiml import verbs as twiml
from controller.dialects.twiml.shapes import STATUS
from controller.documents.attributes import Served, Verb
from controller.http.calling import DOCUMENTED as DOCUMENTED_COMMANDS
from controller.http.calling import PARAMS as COMMANDS
from tests.dialects.plivo import seed_rows as plivo_seed
from tests.dialects.plivo.test_rest import ACCOUNT, NOW
from tests.dialects.plivo.test_shapes import READY
from tests.dialects.swml.callback_fields import FIELDS
from tests.dialects.twiml import seed_rows as twiml_seed
from tests.dialects.twiml.rest_fields import LAML_PARAMETERS, LAML_SCHEMA, TWILIO_OF_ACCOUNT, TWILIO_OF_CALL
from tests.manual.pages import ROOT, VERDICTS, Section, sections

TWILIO, SIGNALWIRE, PLIVO = (ROOT / f"docs/moving-from-{vendor}.md" for vendor in ("twilio", "signalwire", "plivo"))
THERE = {"same", "differs"}


def section(page: Path, title: str) -> Section:
    """The only section of a title."""
    (found,) = (one for one in sections(page) if one.title == title)
    return found


def judged(verdicts: dict[str, str], verb: Verb, prefix: str = "") -> Iterable[str]:
    """What a page says wrongly of a verb's attributes."""
    for row in verb.attributes:
        verdict = verdicts.get(f"{prefix}{row.name}")
        if verdict is None:
            yield f"{verb.name} {row.name} has no row"
        elif row.served is Served.YES and verdict not in THERE:
            yield f"{verb.name} {row.name} is carried out, and {verdict}"
        elif row.served in {Served.IGNORED, Served.REFUSED} and verdict in THERE:
            yield f"{verb.name} {row.name} is {row.served}, and {verdict}"


@pytest.mark.parametrize("page", [TWILIO, SIGNALWIRE, PLIVO], ids=lambda page: page.stem)
def test_rows(page: Path) -> None:
    """Every row has one verdict, what is not the same says how, and no name has two in one section."""
    found = sections(page)
    assert sum(len(one.rows) for one in found) > 60
    for one in found:
        one.verdicts()
        for names, verdict, words in one.rows:
            assert verdict in VERDICTS
            assert words or verdict != "differs", (one.title, names)


@pytest.mark.parametrize("page", [TWILIO, SIGNALWIRE, PLIVO], ids=lambda page: page.stem)
def test_tables(page: Path) -> None:
    """No row of a table of three columns is without a verdict: a typing error must not hide it from these tests."""
    text = page.read_text()
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    stray = [cells for cells in rows if cells[1].strip() not in {*VERDICTS, "", "---"} or len(cells) != 3]
    assert stray == []


WORDS = {Served.IGNORED: "warned of", Served.REFUSED: "refused", Served.MOOT: "mean"}
"""What a row says of an attribute that is not carried out: a warning, a refusal, or that it means nothing."""


@pytest.mark.parametrize(
    ("page", "verbs", "title"),
    [
        (TWILIO, (*twiml.VERBS.values(), twiml.NUMBER, twiml.SIP), "Other verbs"),
        (PLIVO, (*plivo.VERBS.values(), plivo.NUMBER, plivo.USER), "Other elements"),
    ],
    ids=["twilio", "plivo"],
)
def test_what_becomes_of_it(page: Path, verbs: Iterable[Verb], title: str) -> None:
    """What is left out is said to be warned of, refused, or without a meaning, as `fsrec check` has it."""
    says = {
        name: words for names, verdict, words in section(page, title).rows if verdict == "left out" for name in names
    }
    left = {f"{verb.name}.{row.name}": row.served for verb in verbs for row in verb.attributes}
    wrong = [name for name, words in says.items() if name in left and WORDS[left[name]] not in words]
    assert len(says.keys() & left.keys()) > 5
    assert wrong == []


# --- Twilio ---------------------------------------------------------------------------------------------------------


def test_recording_noun() -> None:
    """Each attribute of <Recording> that is read, and each of the seed's, has its row."""
    verdicts = section(TWILIO, "<Start><Recording>").verdicts()
    assert list(judged(verdicts, twiml.RECORDING)) == []
    assert {name for name, *_ in twiml_seed.rows(twiml_seed.ATTRIBUTES)} <= verdicts.keys()


def test_twiml_verbs() -> None:
    """Each attribute of each other verb has its row, and each verb of Twilio's that is refused."""
    verdicts = section(TWILIO, "Other verbs").verdicts()
    others = [verb for verb in twiml.VERBS.values() if verb not in (twiml.START, twiml.STOP) and verb.attributes]
    wrong = [words for verb in others for words in judged(verdicts, verb, f"{verb.name}.")]
    wrong += [words for verb in (twiml.NUMBER, twiml.SIP) for words in judged(verdicts, verb, f"{verb.name}.")]
    assert wrong == []
    whole = {name for name, verdict in verdicts.items() if verdict == "left out" and "." not in name}
    assert set(twiml.DIAL.refused) <= whole
    assert not whole & twiml.VERBS.keys()
    assert {"Connect", "Enqueue", "Leave", "Pay", "Refer", "Sms"} <= whole


def test_recording_status_callback() -> None:
    """Each parameter of the seed is told; each event and status too."""
    verdicts = section(TWILIO, "What recordingStatusCallback is told").verdicts()
    assert {name: verdicts.get(name) in THERE for name, *_ in twiml_seed.rows(twiml_seed.PARAMETERS)} == {
        name: True for name, *_ in twiml_seed.rows(twiml_seed.PARAMETERS)
    }
    page = TWILIO.read_text()
    assert all(event in page for event, *_ in twiml_seed.rows(twiml_seed.EVENTS))


def test_twilio_rest() -> None:
    """Each key of a recording has its row, and each status that it may have."""
    keys = section(TWILIO, "Keys of a recording").verdicts()
    assert {name for name, *_ in (*TWILIO_OF_CALL, *TWILIO_OF_ACCOUNT)} <= keys.keys()
    statuses = section(TWILIO, "Statuses of a recording").verdicts()
    there = {name for name, verdict in statuses.items() if verdict in THERE}
    assert there == {*STATUS[rest.TWILIO.name].values(), "stopped", "deleted"}


# --- SignalWire -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["record", "record_call", "stop_record_call"])
def test_swml_recording_methods(method: str) -> None:
    """Each property of the methods that record has its row."""
    verdicts = section(SIGNALWIRE, method).verdicts()
    rows = METHODS[method].properties
    assert list(verdicts) == [row.name for row in rows]
    assert all(verdicts[row.name] in THERE for row in rows if row.served is SwmlServed.FULLY)


def test_swml_methods() -> None:
    """Each method of the reference is served and said so, or refused and said so."""
    verdicts = section(SIGNALWIRE, "SWML's other methods").verdicts()
    recorders = {"record", "record_call", "stop_record_call"}
    methods = {name: verdict for name, verdict in verdicts.items() if re.fullmatch("[a-z_]+", name)}
    assert methods.keys() == DOCUMENTED - recorders
    assert {name for name, verdict in methods.items() if verdict in THERE} == METHODS.keys() - recorders
    for name, verdict in methods.items():
        whole = name in METHODS and all(row.served is SwmlServed.FULLY for row in METHODS[name].properties)
        assert whole or verdict != "same", f"{name} has properties that are refused"


def test_swml_callback() -> None:
    """Each field and each state of the status callback has its row."""
    verdicts = section(SIGNALWIRE, "What status_url is told").verdicts()
    leaves = {one.path for one in FIELDS} - {"params", "params.record", "params.record.audio"}
    assert leaves <= verdicts.keys()
    assert {"recording", "paused", "finished", "no_input", "error"} <= verdicts.keys()


def test_commands() -> None:
    """Each command that is served has its row, and those that are refused are."""
    verdicts = section(SIGNALWIRE, "SignalWire's commands over REST").verdicts()
    served = {name for name, verdict in verdicts.items() if verdict in THERE and re.fullmatch("[a-z.]+", name)}
    assert served == COMMANDS.keys()
    assert {name for name, verdict in verdicts.items() if verdict == "left out"} <= DOCUMENTED_COMMANDS


def test_laml() -> None:
    """Each parameter and key of the seed has its row."""
    asked = section(SIGNALWIRE, "Parameters of LaML's requests").verdicts()
    assert {name for name, *_ in LAML_PARAMETERS} <= asked.keys()
    shown = section(SIGNALWIRE, "Keys of LaML's recording").verdicts()
    assert {name for name, *_ in LAML_SCHEMA} == shown.keys() - {"start_time"}


# --- Plivo ----------------------------------------------------------------------------------------------------------


def test_plivo_record() -> None:
    """Each attribute of <Record> that is read, and each of the seed's, has its row."""
    verdicts = section(PLIVO, "<Record>").verdicts()
    assert list(judged(verdicts, plivo.RECORD)) == []
    seed = plivo_seed
    for table in (seed.BASIC, seed.TIMING, seed.SESSION, seed.TRANSCRIPTION, seed.CALLBACKS):
        assert {name for name, *_ in seed.rows(table)} <= verdicts.keys()


def test_plivo_rest() -> None:
    """Each key of a recording has its row."""
    shown = shape(READY, ACCOUNT, "https://rec.example.com", NOW)
    assert section(PLIVO, "Keys of a recording").verdicts().keys() == shown.keys()


def test_plivo_elements() -> None:
    """Each attribute of each other element has its row, and each element that is refused."""
    verdicts = section(PLIVO, "Other elements").verdicts()
    others = [verb for verb in (*plivo.VERBS.values(), plivo.NUMBER, plivo.USER) if verb is not plivo.RECORD]
    assert [words for verb in others for words in judged(verdicts, verb, f"{verb.name}.")] == []
    assert {name for name in verdicts if "." not in name} == set(plivo.LATER)


@pytest.mark.parametrize(
    ("title", "table"),
    [
        ("What action is told", plivo_seed.ACTION_PARAMETERS),
        ("What callbackUrl is told", plivo_seed.CALLBACK_PARAMETERS),
        ("What transcriptionUrl is told", plivo_seed.TRANSCRIPTION_PARAMETERS),
    ],
)
def test_plivo_parameters(title: str, table: str) -> None:
    """Each parameter of the seed is told."""
    verdicts = section(PLIVO, title).verdicts()
    assert {name for name, *_ in plivo_seed.rows(table) if verdicts.get(name) not in THERE} == set()
