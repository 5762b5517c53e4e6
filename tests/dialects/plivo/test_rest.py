"""What requests of Plivo's REST API ask for: every parameter, its default, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.dialects.plivo import rest, shapes
from controller.dialects.plivo.formats import exact
from controller.dialects.plivo.rest import DAY, Listing, RestError
from controller.documents.dialect import Account
from controller.recordings.model import (
    Channels,
    Measured,
    Owner,
    Recording,
    RecordingRequest,
    State,
    StatusTarget,
    Track,
    TranscriptionWish,
)

ACCOUNT = Account("p", "plivo", "MAXXXXXXXXXXXXXXXXXX", token="t")
PUBLIC = "https://rec.example.com"
CALL = "43bb71ee-553f-4074-bb20-8e2747647cce"
ID = "19e436af-5688-4307-b03b-bdb2b42b8142"
NOW = 1_790_000_000.0
DEFAULT = RecordingRequest(Channels.MONO, Track.BOTH, "mp3", "api-1", "PlivoRecordAPI", max_length=60.0)
CB, TR = "https://app.example/cb", "https://app.example/t"


def given_as(**fields: Any) -> dict[str, list[str]]:
    return {name: [str(value)] for name, value in fields.items()}


STARTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"time_limit": "1"}, {"max_length": 1.0}),
    ({"time_limit": "86400"}, {"max_length": 86400.0}),
    ({"time_limit": "999999999"}, {"max_length": 86400.0}),
    ({"time_limit": ""}, {}),
    ({"file_format": "wav"}, {"format": "wav"}),
    ({"file_format": "MP3"}, {}),
    ({"record_channel_type": "stereo"}, {"channels": Channels.DUAL}),
    ({"record_channel_type": "mono"}, {}),
    ({"callback_url": CB}, {"status": StatusTarget(CB)}),
    ({"callback_url": CB, "callback_method": "GET"}, {"status": StatusTarget(CB, "GET")}),
    ({"callback_method": "GET"}, {}),
    ({"transcription_type": "auto"}, {"transcription": TranscriptionWish()}),
    ({"transcription_type": "hybrid"}, {"transcription": TranscriptionWish()}),
    ({"transcription_url": TR}, {"transcription": TranscriptionWish(StatusTarget(TR))}),
    (
        {"transcription_type": "auto", "transcription_url": TR, "transcription_method": "GET"},
        {"transcription": TranscriptionWish(StatusTarget(TR, "GET"))},
    ),
    ({"callback_url": f"{CB}#rc=3"}, {"status": StatusTarget(f"{CB}#rc=3")}),
    ({"call_uuid": CALL, "unknown": "x"}, {}),
]


@pytest.mark.parametrize(("fields", "changes"), STARTS)
def test_starts(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    """What spec 3.5 has: "time_limit (60), file_format (mp3), transcription_type, transcription_url,
    transcription_method, callback_url, callback_method (POST), record_channel_type"."""
    assert rest.creation(given_as(**fields), ACCOUNT, "api-1") == replace(DEFAULT, **changes)


REFUSED: list[tuple[str, str]] = [
    ("time_limit", "0"),
    ("time_limit", "9999999999"),
    ("time_limit", "-1"),
    ("time_limit", "40.5"),
    ("time_limit", "٤٠"),
    ("time_limit", "9" * 400),
    ("file_format", "ogg"),
    ("file_format", "mp3\r\nX: y"),
    ("record_channel_type", "dual"),
    ("transcription_type", "human"),
    ("transcription_method", "PUT"),
    ("transcription_url", "file:///etc/passwd"),
    ("callback_method", "DELETE"),
    ("callback_url", "/relative"),
    ("callback_url", "https://"),
    ("callback_url", "https://x/" + "a" * 5000),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_starts_that_are_refused(name: str, value: str) -> None:
    """400 that names the parameter, what would be right and what came, escaped and cut."""
    with pytest.raises(RestError) as caught:
        rest.creation({name: [value]}, ACCOUNT, "api-1")
    assert caught.value.status == 400
    assert str(caught.value).startswith(f"{name} must be ")
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def test_the_last_of_several_values() -> None:
    """A parameter that is given several times is its last."""
    assert rest.creation({"time_limit": ["5", "7"]}, ACCOUNT, "a").max_length == 7.0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", None),
        (f"{PUBLIC}/v1/Account/MAXXXXXXXXXXXXXXXXXX/Recording/{ID}.mp3", ID),
        (f"{PUBLIC}/v1/Account/MAXXXXXXXXXXXXXXXXXX/Recording/{ID}.wav?x=1#y", ID),
    ],
)
def test_stops(url: str, expected: str | None) -> None:
    """As spec 3.5 has it: "optional `URL` stops just one, default all" (spec 3.5)."""
    assert rest.stopped(given_as(URL=url), PUBLIC) == expected
    assert rest.stopped(given_as(url=url), PUBLIC) == expected


@pytest.mark.parametrize("url", ["x", ID, f"https://other.example/{ID}.mp3", f"{PUBLIC}/{ID}.mp3"])
def test_stops_of_what_is_no_recording(url: str) -> None:
    """404 rather than all: whoever names one does not mean the others."""
    with pytest.raises(RestError) as caught:
        rest.stopped(given_as(URL=url), PUBLIC)
    assert caught.value.status == 404


def seconds(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def near(moment: float) -> Any:
    return pytest.approx(moment, abs=2e-6)


LISTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"limit": "5", "offset": "40"}, {"limit": 5, "offset": 40}),
    ({"call_uuid": CALL.upper()}, {"call": CALL}),
    ({"call_uuid": "x"}, {"nothing": True}),
    ({"from_number": "919768368717"}, {"callers": ("919768368717", "+919768368717")}),
    ({"from_number": "+919768368717"}, {"callers": ("919768368717", "+919768368717")}),
    ({"to_number": "sip:ajay@phone.plivo.com"}, {"callees": ("sip:ajay@phone.plivo.com",)}),
    ({"conference_name": "room"}, {"nothing": True}),
    ({"conference_uuid": "1"}, {"nothing": True}),
    ({"mpc_name": "1"}, {"nothing": True}),
    ({"mpc_uuid": "1"}, {"nothing": True}),
    ({"subaccount": "SAXXXXXXXXXXXXXXXXXX"}, {"nothing": True}),
    ({"subaccount": ""}, {}),
    ({"add_time__gte": "2026-03-21 11:47"}, {"since": near(seconds(2026, 3, 21, 11, 47))}),
    ({"add_time__gt": "2026-03-21 11:47:30.250000"}, {"since": near(seconds(2026, 3, 21, 11, 47, 30) + 0.25)}),
    ({"add_time__lt": "2026-03-21"}, {"until": near(seconds(2026, 3, 21))}),
    ({"add_time__lte": "2026-03-21 11:47:00+05:30"}, {"until": near(seconds(2026, 3, 21, 6, 17))}),
    ({"recording_storage_duration": "1"}, {"since": near(NOW - DAY), "until": NOW}),
    ({"recording_storage_duration": "3"}, {"since": near(NOW - 3 * DAY), "until": NOW - 2 * DAY}),
    ({"recording_storage_duration__gte": "100"}, {"until": NOW - 99 * DAY}),
    ({"recording_storage_duration__gt": "100"}, {"until": NOW - 100 * DAY}),
    ({"recording_storage_duration__lte": "120"}, {"since": near(NOW - 120 * DAY)}),
    ({"recording_storage_duration__lt": "120"}, {"since": near(NOW - 119 * DAY)}),
    ({"cursor": f"40-{ID}"}, {"cursor": ID, "offset": 40}),
    ({"cursor": f"40-{ID}", "offset": "3"}, {"cursor": ID, "offset": 40}),
]


@pytest.mark.parametrize(("fields", "expected"), LISTS)
def test_lists(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """What spec 3.5 has: "limit(≤20)&offset&call_uuid&subaccount&add_time__gt/gte/lt/lte&from_number&to_number&
    conference_name&mpc_name&conference_uuid&mpc_uuid&recording_storage_duration(__…)&cursor"."""
    found = rest.listing(given_as(**fields), NOW)
    kept = tuple(
        (name, value) for name, value in fields.items() if value and name not in {"limit", "offset", "cursor"}
    )
    assert found == Listing(**{"filters": kept, "limit": 20, **expected})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "21"),
        ("limit", "0"),
        ("limit", "-3"),
        ("offset", "-1"),
        ("offset", "1e3"),
        ("offset", "9999999999"),
        ("cursor", ID),
        ("cursor", "x" * 3000),
        ("add_time__gt", "yesterday"),
        ("add_time__lte", "2026-13-01"),
        ("add_time__lte", "0000-01-01"),
        ("recording_storage_duration__gt", "a"),
        ("recording_storage_duration", "9999999"),
    ],
)
def test_lists_that_are_refused(name: str, value: str) -> None:
    """400 that names the parameter: a filter that cannot be read is never one that does not filter."""
    with pytest.raises(RestError) as caught:
        rest.listing({name: [value]}, NOW)
    assert caught.value.status == 400
    assert str(caught.value).startswith(name)


@given(st.floats(1_000_000_000, 4_000_000_000))
def test_the_time_shown_is_the_time_asked_for(moment: float) -> None:
    """Whoever asks for what came after the last that was shown gets neither that again, nor misses the next."""
    shown = exact(moment)

    def fits(how: str) -> bool:
        found = rest.listing({f"add_time{how}": [shown]}, NOW)
        return (found.since is None or moment >= found.since) and (found.until is None or moment <= found.until)

    assert [fits(how) for how in ("", "__gte", "__lte", "__gt", "__lt")] == [True, True, True, False, False]
    after = moment + 2e-6
    found = rest.listing({"add_time__gt": [shown]}, NOW)
    assert found.since is not None
    assert after >= found.since


@pytest.mark.parametrize("value", ["0001-01-01 00:00+23:59", "9999-12-31 23:59:59.999999-23:59", "1969-07-20"])
@pytest.mark.parametrize("how", ["", "__gt", "__gte", "__lt", "__lte"])
def test_times_before_and_beyond_all_recordings(how: str, value: str) -> None:
    """They filter as any other."""
    found = rest.listing({f"add_time{how}": [value]}, NOW)
    inside = (found.since is None or found.since <= NOW) and (found.until is None or found.until >= NOW)
    assert inside is (how.startswith("__g") if value < "2" else how.startswith("__l"))


@given(st.floats(0, 400 * DAY), st.integers(0, 400))
def test_the_days_shown_are_the_days_asked_for(age: float, days: int) -> None:
    """Each comparison of recording_storage_duration finds just what shows such a number."""
    added = NOW - age
    made = Recording(
        ID, Owner("p", "plivo", CALL, "fs1", "leg"), DEFAULT, State.COMPLETED, "/r", 1.0, finished_at=added,
        measured=Measured(1.0, 1),
    )  # fmt: skip
    shown = shapes.shape(made, ACCOUNT, PUBLIC, NOW)["recording_storage_duration"]
    for how, expected in {
        "": shown == days,
        "__gt": shown > days,
        "__gte": shown >= days,
        "__lt": shown < days,
        "__lte": shown <= days,
    }.items():
        found = rest.listing({f"recording_storage_duration{how}": [str(days)]}, NOW)
        inside = (found.since is None or added >= found.since) and (found.until is None or added <= found.until)
        assert inside is expected, how


def test_transcriptions() -> None:
    """Its type, URL and method; Plivo's clients call the URL `transcription_callback_url`."""
    assert rest.transcription({}) is None
    for name in ("transcription_url", "transcription_callback_url"):
        assert rest.transcription(given_as(type="auto", **{name: TR})) == StatusTarget(TR)
    assert rest.transcription(given_as(transcription_url=TR, method="GET")) == StatusTarget(TR, "GET")
    for name, value in {"type": "human", "method": "PUT", "transcription_url": "x"}.items():
        with pytest.raises(RestError):
            rest.transcription({name: [value]})
