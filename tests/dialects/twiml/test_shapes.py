"""A recording and a page as the REST API shows them, held by the tables that quote the sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from controller.dialects.twiml import rest, shapes
from controller.documents.dialect import Account
from controller.recordings.model import (
    Absence,
    Channels,
    Measured,
    Owner,
    Pause,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    Track,
)
from tests.dialects.swml.seeds import seed
from tests.dialects.twiml.rest_fields import (
    LAML_PARAMETERS,
    LAML_SCHEMA,
    TWILIO_OF_ACCOUNT,
    TWILIO_OF_CALL,
    wrong_laml,
    wrong_twilio,
)

URL = "https://rec.example.com"
CALL = "43bb71ee-553f-4074-bb20-8e2747647cce"
ID = "19e436af-5688-4307-b03b-bdb2b42b8142"
LAML = Account("acme", "signalwire", "720796a0-8ee9-4350-83bd-2d07a3121f1e")
TWILIO = Account("t", "twilio", "AC" + "0" * 32)
REQUEST = RecordingRequest(Channels.DUAL, Track.BOTH, "wav", ID, "StartCallRecordingAPI")
BASE = 1537916400.0  # Tue, 25 Sep 2018 23:00:00 +0000
RUNNING = Recording(
    ID, Owner("acme", "twiml", CALL, "fs1", "leg"), REQUEST, State.RECORDING, f"/r/{ID}.wav", BASE + 0.7,
    started_at=BASE + 1.2,
)  # fmt: skip
DONE = replace(
    RUNNING, state=State.COMPLETED, ended_at=BASE + 5.4, finished_at=BASE + 6, measured=Measured(4.2, 67244, 2)
)


def all_states() -> list[Recording]:
    """A recording in each state, with what is known then."""
    made = [replace(RUNNING, state=state) for state in State if state.active or not state.final]
    made += [replace(DONE, state=state) for state in State if state.final]
    made.append(replace(DONE, state=State.FAILED, measured=None))
    made.append(replace(RUNNING, state=State.REQUESTED, started_at=None))
    return made


@pytest.mark.parametrize("recording", all_states(), ids=lambda one: f"{one.state}-{one.measured is not None}")
def test_the_rows(recording: Recording) -> None:
    """In every state all keys are there, none beside them, each of its row's type."""
    for of_call in (True, False):
        assert wrong_laml(shapes.shape(recording, LAML, URL, of_call=of_call)) == []
    assert wrong_twilio(shapes.shape(recording, TWILIO, URL, of_call=True), TWILIO_OF_CALL) == []
    assert wrong_twilio(shapes.shape(recording, TWILIO, URL, of_call=False), TWILIO_OF_ACCOUNT) == []


def test_the_rows_are_the_seeds() -> None:
    """Every key and parameter of the tables stands in the page, with its type right behind it."""
    page = seed("002")
    for name, kind, *_ in (*LAML_PARAMETERS, *LAML_SCHEMA[:-1]):
        assert f"    {name}{kind}\n" in page


def test_laml_as_the_seed_shows_it() -> None:
    """The seed's own example, as far as it fits together, comes out of a recording like it."""
    shown = shapes.shape(DONE, replace(LAML, price_per_minute=0.0025), URL, of_call=True)
    for key, _, example, _ in LAML_SCHEMA:
        if key in {"account_sid", "api_version", "call_sid", "price", "price_unit", "duration", "sid", "status"}:
            assert shown[key] == example, key
    assert shown["date_created"] == "Tue, 25 Sep 2018 23:00:00 +0000"
    assert (shown["channels"], shown["error_code"], shown["source"]) == (2, None, "StartCallRecordingApi")
    assert shown["uri"] == f"/api/laml/2010-04-01/Accounts/{LAML.identity}/Calls/{CALL}/Recordings/{ID}.json"
    assert shown["end_time"] == "Tue, 25 Sep 2018 23:00:05 +0000"


WORDS = {
    # state: Twilio's word, LaML's (DESIGN section 9)
    State.REQUESTED: ("in-progress", "in-progress"),
    State.RECORDING: ("in-progress", "in-progress"),
    State.PAUSED: ("paused", "paused"),
    State.STOPPING: ("stopped", "stopped"),
    State.PROCESSING: ("processing", "stopped"),
    State.COMPLETED: ("completed", "stopped"),
    State.NO_INPUT: ("completed", "stopped"),
    State.ABSENT: ("absent", "absent"),
    State.FAILED: ("absent", "absent"),
}


@pytest.mark.parametrize("state", State)
def test_status(state: State) -> None:
    """Each state has its vendor's word; a deleted one is that first."""
    recording = replace(DONE, state=state)
    found = tuple(shapes.status(recording, vendor) for vendor in (rest.TWILIO, rest.LAML))
    assert found == WORDS[state]
    assert shapes.status(replace(recording, deleted_at=1.0), rest.TWILIO) == "deleted"


def test_error_codes() -> None:
    """Why one is absent: too short, silent, or a fault; one without speech, trimmed to nothing, is too short."""
    assert shapes.error_code(DONE) is None
    absent = replace(DONE, state=State.ABSENT, absence=Absence.TOO_SHORT)
    assert shapes.error_code(absent) == 16101
    assert shapes.error_code(replace(absent, absence=Absence.SILENT)) == 16102
    assert shapes.error_code(replace(DONE, state=State.FAILED)) not in {None, 0}
    nothing = replace(DONE, state=State.NO_INPUT, measured=Measured(0.0, 44))
    assert (shapes.error_code(nothing), shapes.status(nothing, rest.LAML)) == (16101, "absent")
    assert shapes.error_code(replace(DONE, state=State.NO_INPUT)) is None
    assert shapes.shape(absent, LAML, URL, of_call=True)["error_code"] == "16101"


@pytest.mark.parametrize(
    ("source", "twilio", "laml"),
    [
        ("StartCallRecordingAPI", "StartCallRecordingAPI", "StartCallRecordingApi"),
        ("StartCallRecordingTwiML", "StartCallRecordingTwiML", "StartCallRecordingTwiML"),
        ("RecordVerb", "RecordVerb", "RecordVerb"),
        ("DialVerb", "DialVerb", "DialVerb"),
        ("swml.record", "RecordVerb", "RecordVerb"),
        ("swml.record_call", "StartCallRecordingAPI", "StartCallRecordingApi"),
        ("calling.record", "StartCallRecordingAPI", "StartCallRecordingApi"),
    ],
)
def test_sources(source: str, twilio: str, laml: str) -> None:
    """What started it, in the vendor's spelling; SWML's methods in the nearest word."""
    recording = replace(RUNNING, request=replace(REQUEST, source=source))
    assert (shapes.source(recording, rest.TWILIO), shapes.source(recording, rest.LAML)) == (twilio, laml)


def test_twilio_on_call_and_account() -> None:
    """On its call a recording has its track, on the account its media's URL, and either its own path."""
    call = shapes.shape(DONE, TWILIO, URL, of_call=True)
    own = shapes.shape(DONE, TWILIO, URL, of_call=False)
    sid, call_sid = "RE" + ID.replace("-", ""), "CA" + CALL.replace("-", "")
    root = f"/2010-04-01/Accounts/{TWILIO.identity}"
    assert (call["uri"], call["track"]) == (f"{root}/Calls/{call_sid}/Recordings/{sid}.json", "both")
    assert (own["uri"], own["media_url"]) == (f"{root}/Recordings/{sid}.json", f"{URL}{root}/Recordings/{sid}")


def test_what_is_not_known_yet() -> None:
    """While it runs there is neither length nor price, and the last change is its last pause."""
    paused = replace(RUNNING, state=State.PAUSED, pauses=(Pause(BASE + 9.9, PauseBehavior.SKIP),))
    shown = shapes.shape(paused, TWILIO, URL, of_call=True)
    assert (shown["duration"], shown["price"], shown["price_unit"]) == (None, None, None)
    assert shown["date_updated"] == "Tue, 25 Sep 2018 23:00:09 +0000"
    assert shown["channels"] == 2


@pytest.mark.parametrize(("seconds", "price"), [(0.0, "0.0"), (4.2, "-0.0025"), (60.0, "-0.0025"), (60.1, "-0.0050")])
def test_price(seconds: float, price: str) -> None:
    """A minute that has begun is a minute."""
    account = replace(TWILIO, price_per_minute=0.0025)
    shown = shapes.shape(replace(DONE, measured=Measured(seconds, 1, 2)), account, URL, of_call=False)
    assert shown["price"] == price


@pytest.mark.parametrize("account", [TWILIO, LAML], ids=["twilio", "laml"])
@pytest.mark.parametrize("state", [State.ABSENT, State.FAILED])
def test_what_is_absent_costs_nothing(state: State, account: Account) -> None:
    """However much was heard, it has no length and no price."""
    absent = replace(DONE, state=state, absence=Absence.TOO_SHORT, measured=Measured(0.6, 1, 1))
    shown = shapes.shape(absent, replace(account, price_per_minute=0.0025), URL, of_call=True)
    assert (shown["status"], shown["duration"], shown["price"]) == ("absent", "0", None)


META = {"end", "first_page_uri", "next_page_uri", "page", "page_size", "previous_page_uri", "start", "uri"}


def test_pages() -> None:
    """A page leads on and back by the sids at its ends, with what was asked; no key is there but the documented."""
    asked = rest.listing({"PageSize": ["2"], "DateCreated>": ["2018-09-01"], "Other": ["x"]}, TWILIO)
    rows: list[dict[str, Any]] = [{"sid": "RE1"}, {"sid": "RE2"}]
    page = shapes.page(rows, TWILIO, "/Recordings", asked, more=True, earlier=False)
    assert set(page) == META | {"recordings"}
    root = f"/2010-04-01/Accounts/{TWILIO.identity}/Recordings.json"
    following = urlsplit(page["next_page_uri"])
    assert (following.path, page["previous_page_uri"]) == (root, None)
    query = dict(parse_qsl(following.query))
    assert query == {"DateCreated>": "2018-09-01", "PageSize": "2", "Page": "1", "PageToken": "PARE2"}
    assert (page["page"], page["start"], page["end"], page["page_size"]) == (0, 0, 1, 2)
    assert page["first_page_uri"] == page["uri"] == f"{root}?DateCreated%3E=2018-09-01&PageSize=2&Page=0"
    second = replace(asked, page=1, token="PARE2")
    page = shapes.page(rows, TWILIO, "/Recordings", second, more=False, earlier=True)
    assert (page["next_page_uri"], page["start"], page["end"]) == (None, 2, 3)
    assert page["previous_page_uri"].endswith("&Page=0&PageToken=PBRE1")
    laml = shapes.page([], LAML, "/Recordings", asked, more=False, earlier=False)
    assert set(laml) == META - {"start", "end"} | {"recordings"}
    assert laml["uri"].startswith("/api/laml/2010-04-01/Accounts/")
