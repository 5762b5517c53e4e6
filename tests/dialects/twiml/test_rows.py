"""Seed 004, row by row: every attribute of ``<Recording>``, its values and its default, and what they come to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.dialects.twiml.asking import START_RECORDING
from controller.dialects.twiml.verbs import DIAL, GATHER, RECORD, RECORDING, SAY
from controller.documents.attributes import Kind, Verb
from controller.documents.steps import Record, StartRecording
from controller.recordings.model import Channels, RecordingRequest, StatusTarget, Track
from tests.dialects.twiml.sample import CALL, LAML, Heard, dialect
from tests.dialects.twiml.seed_rows import ATTRIBUTES, rows

RECORDING_ROWS = rows(ATTRIBUTES)
URL = "https://app.example/cb"


def started(attributes: str, heard: Heard | None = None, account: str = "acme") -> RecordingRequest:
    text = f"<Response><Start><Recording {attributes}/></Start></Response>"
    step = dialect(heard).start(text, "test", replace(CALL, account=account)).next(None)
    assert isinstance(step, StartRecording)
    return step.request


def told(attributes: str, heard: Heard | None = None) -> StatusTarget:
    status = started(f'recordingStatusCallback="{URL}" {attributes}', heard).status
    assert status is not None
    return status


@pytest.mark.parametrize(("name", "values", "default"), RECORDING_ROWS, ids=[row[0] for row in RECORDING_ROWS])
def test_each_row_is_there(name: str, values: str, default: str) -> None:
    """Allowed values and default are the seed's, in the seed's words."""
    row = RECORDING.by_name[name]
    assert (row.values, row.default_words) == (values, default)
    if row.kind in {Kind.CHOICE, Kind.EVENTS}:
        assert ", ".join(row.choices) == values
        assert row.default in (default, (default,))


def test_all_rows_and_no_others() -> None:
    """Beside the seed's there is only what its page has got since: a name, and a configuration that is ignored."""
    assert set(RECORDING.by_name) - {row[0] for row in RECORDING_ROWS} == {"name", "recordingConfigurationId"}


def test_defaults() -> None:
    """Both tracks, two channels, trimmed, nobody told."""
    request = started("")
    assert (request.track, request.channels, request.trim, request.status) == (
        Track.BOTH,
        Channels.DUAL,
        True,
        None,
    )
    assert (request.source, request.beep, request.max_length, request.terminators) == (
        START_RECORDING,
        False,
        None,
        "",
    )
    assert (request.initial_timeout, request.end_silence_timeout) == (0.0, 0.0)
    assert (request.absent_below, request.absent_when_silent) == (1.0, False)
    laml = started("", account="space")
    assert (laml.absent_below, laml.absent_when_silent) == (LAML.absent_below, True)


@pytest.mark.parametrize(
    ("attribute", "field", "value"),
    [
        ('trim="trim-silence"', "trim", True),
        ('trim="do-not-trim"', "trim", False),
        ('track="inbound"', "track", Track.INBOUND),
        ('track="outbound"', "track", Track.OUTBOUND),
        ('track="both"', "track", Track.BOTH),
        ('channels="mono"', "channels", Channels.MONO),
        ('channels="dual"', "channels", Channels.DUAL),
        ('name="my recording"', "reference", "my recording"),
    ],
)
def test_values(attribute: str, field: str, value: object) -> None:
    """Each value of each row, in the core's terms."""
    assert getattr(started(attribute), field) == value


def test_who_is_told_and_of_what() -> None:
    """Completed by POST unless the document says otherwise."""
    assert told("") == StatusTarget(URL, "POST", ("completed",))
    assert told('recordingStatusCallbackMethod="GET"').method == "GET"
    assert told('recordingStatusCallbackMethod="post"').method == "POST"


@pytest.mark.parametrize(
    "written",
    [
        "in-progress completed absent",
        "in-progress, completed, absent",
        "in-progress,completed,absent",
        "['in-progress', 'completed', 'absent']",
        "[&quot;in-progress&quot;, &quot;completed&quot;, &quot;absent&quot;]",
        "  In-Progress\n COMPLETED absent absent ",
    ],
)
def test_events_as_people_send_them(written: str) -> None:
    """With spaces, commas, and as Python prints a list."""
    heard = Heard()
    assert told(f'recordingStatusCallbackEvent="{written}"', heard).events == ("in-progress", "completed", "absent")
    assert heard == []


@pytest.mark.parametrize(
    ("written", "events", "warned"),
    [
        ("in-progress failed", ("in-progress",), 1),
        ("paused resumed", ("completed",), 2),
        ("", ("completed",), 0),
    ],
)
def test_unknown_events_are_warned_of(written: str, events: tuple[str, ...], warned: int) -> None:
    """13621, and those that are known go on; without any, the default does."""
    heard = Heard()
    assert told(f'recordingStatusCallbackEvent="{written}"', heard).events == events
    assert heard.codes == [13621] * warned


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ('trim="true"', 13699),
        ('track="left"', 12200),
        ('channels="stereo"', 12200),
        ('channels="2"', 12200),
        ('recordingStatusCallbackMethod="PUT"', 13221),
        ('recordingTrack="inbound"', 12200),
        ('Trim="do-not-trim"', 12200),
        ('recordingConfigurationId="x"', 12200),
    ],
)
def test_what_is_not_allowed_is_as_if_not_written(attribute: str, code: int) -> None:
    """An unknown attribute or value is warned of, and the default goes."""
    heard = Heard()
    assert replace(started(attribute, heard), reference="") == replace(started(""), reference="")
    assert heard.codes == [code]


@pytest.mark.parametrize("written", ["tel:+15551002", "localhost:8080/cb", "ftp://a/b", "http://", "http://[x/"])
def test_a_callback_that_cannot_be_asked(written: str) -> None:
    """It is a bad value as any other: the call is recorded, and its author warned that nobody is told."""
    heard = Heard()
    assert started(f'recordingStatusCallback="{written}"', heard).status is None
    assert heard.codes == [11100]


def test_names_of_those_without() -> None:
    """Unguessable, each run its own, the same however often one asks."""
    text = "<Response><Start><Recording/></Start></Response>"
    one, other = dialect().start(text, "test", CALL), dialect().start(text, "test", CALL)
    first = one.next(None)
    assert isinstance(first, StartRecording)
    assert one.next(None) == first
    assert other.next(None) != first


@pytest.mark.parametrize(
    ("verb", "name", "default"),
    [
        (SAY, "loop", 1),
        (GATHER, "timeout", 5),
        (GATHER, "finishOnKey", "#"),
        (GATHER, "numDigits", None),
        (GATHER, "actionOnEmptyResult", False),
        (GATHER, "method", "POST"),
        (RECORD, "timeout", 5),
        (RECORD, "finishOnKey", "1234567890*#"),
        (RECORD, "maxLength", 3600),
        (RECORD, "playBeep", True),
        (RECORD, "trim", "trim-silence"),
        (RECORD, "transcribe", False),
        (RECORD, "recordingStatusCallbackEvent", ("completed",)),
        (DIAL, "timeout", 30),
        (DIAL, "timeLimit", 14400),
        (DIAL, "hangupOnStar", False),
        (DIAL, "record", "do-not-record"),
        (DIAL, "trim", "do-not-trim"),
        (DIAL, "recordingTrack", "both"),
    ],
)
def test_defaults_of_the_other_verbs(verb: Verb, name: str, default: object) -> None:
    """Spec 1.4's table."""
    assert verb.by_name[name].default == default


def test_record_verb() -> None:
    """Its defaults: beep, any key ends it, five seconds of silence, an hour, trimmed, mono."""
    step = dialect().start("<Response><Record/></Response>", "test", CALL).next(None)
    assert isinstance(step, Record)
    request = step.request
    assert (request.beep, request.terminators, request.max_length) == (True, "1234567890*#", 3600.0)
    assert (request.initial_timeout, request.end_silence_timeout) == (5.0, 5.0)
    assert (request.trim, request.channels, request.source) == (True, Channels.MONO, "RecordVerb")
    assert request.track is Track.INBOUND


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60))
def test_any_value_leaves_a_recording(value: str) -> None:
    """Whatever is written, the recording runs, and each field has a value that it can have."""
    from xml.sax.saxutils import quoteattr

    if any(ord(character) < 32 or ord(character) in {0xFFFE, 0xFFFF} for character in value):
        return
    written = quoteattr(value)
    request = started(
        f"trim={written} track={written} channels={written} name={written} "
        f"recordingStatusCallbackEvent={written} recordingStatusCallbackMethod={written}"
    )
    assert request.channels in Channels
    assert request.reference
