"""The callbacks' payloads and their signature. Which field is there when: test_callback_fields."""

import dataclasses
import hashlib
import hmac
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.dialects.swml.render import STATES
from controller.dialects.swml.sign import signature, signed_url
from controller.documents.dialect import Account, Dialect
from controller.recordings.model import (
    Channels,
    Measured,
    NoticeKind,
    Pause,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    StatusTarget,
    Track,
)
from tests.dialects.swml.sample import ACCOUNT, DIALECT, REQUEST, notice, recording

URL = "https://rec.example.com/api/v1/recordings/recording-1/download"
ENDED: dict[str, Any] = {"ended_at": 1_640_000_015.623, "measured": Measured(15.5, 248_320)}

# One recording for each notice, as the core would have it then.
MOMENTS: dict[NoticeKind, Recording] = {
    NoticeKind.STARTED: recording(),
    NoticeKind.PAUSED: recording(
        state=State.PAUSED,
        pauses=(
            Pause(1_640_000_001.0, PauseBehavior.SILENCE, 1_640_000_002.0),
            Pause(1_640_000_005.0, PauseBehavior.SKIP),
        ),
    ),
    NoticeKind.RESUMED: recording(pauses=(Pause(1_640_000_005.0, PauseBehavior.SKIP, 1_640_000_006.0),)),
    NoticeKind.COMPLETED: recording(state=State.COMPLETED, **ENDED),
    NoticeKind.NO_INPUT: recording(state=State.NO_INPUT, **ENDED),
    NoticeKind.ABSENT: recording(state=State.ABSENT, **ENDED),
    NoticeKind.FAILED: recording(state=State.FAILED, ended_at=1_640_000_015.623),
}


def params(kind: NoticeKind, of: Recording | None = None) -> dict[str, Any]:
    """The params of a notice's payload."""
    (delivery,) = DIALECT.render(notice(kind, of or MOMENTS[kind]), ACCOUNT)
    found: dict[str, Any] = orjson.loads(delivery.body)["params"]
    return found


ALL = set(NoticeKind)
FINISHED = {NoticeKind.COMPLETED, NoticeKind.NO_INPUT, NoticeKind.ABSENT}


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (NoticeKind.STARTED, "recording"),
        (NoticeKind.PAUSED, "paused"),
        (NoticeKind.RESUMED, "recording"),
        (NoticeKind.COMPLETED, "finished"),
        (NoticeKind.NO_INPUT, "no_input"),
        (NoticeKind.ABSENT, "finished"),
        (NoticeKind.FAILED, "error"),
    ],
)
def test_states(kind: NoticeKind, state: str) -> None:
    """Each notice has its SWML state; there are no others."""
    assert params(kind)["state"] == state
    assert STATES.keys() == ALL


def test_a_finished_recordings_payload() -> None:
    """The whole body of the reference's example, of both its pages, from a recording of ours."""
    (delivery,) = DIALECT.render(notice(NoticeKind.COMPLETED, MOMENTS[NoticeKind.COMPLETED]), ACCOUNT)
    assert orjson.loads(delivery.body) == {
        "event_type": "calling.call.record",
        "event_channel": "swml:session-1",
        "timestamp": 1_640_000_020.5,
        "project_id": "project-1",
        "space_id": "space-1",
        "params": {
            "call_id": "call-1",
            "node_id": "fs1",
            "control_id": "control-1",
            "state": "finished",
            "url": URL,
            "recording_id": "recording-1",
            "start_time": 1_640_000_000.123,
            "end_time": 1_640_000_015.623,
            "duration": 15.5,
            "size": 248_320,
            "record": {
                "audio": {"format": "wav", "direction": "speak", "stereo": False},
                "url": URL,
                "duration": 15.5,
                "size": 248_320,
                "format": "wav",
            },
        },
    }


def test_a_delivery_is_a_json_post_under_the_notices_id() -> None:
    """Receiver, method, type and account of the delivery; the body is the same at each rendering."""
    one, other = (DIALECT.render(notice(NoticeKind.STARTED), ACCOUNT)[0] for _ in range(2))
    assert one is not None
    assert one == other
    assert (one.id, one.account, one.dialect, one.method) == ("notice-1", "acme", "swml", "POST")
    assert one.url == "https://app.example.com/status?x=1"
    assert one.headers == (("Content-Type", "application/json"),)


def test_nobody_is_told_where_nobody_asked() -> None:
    """Without a status_url there is no delivery, whatever happens."""
    untold = recording(request=RecordingRequest(Channels.MONO, Track.BOTH, "wav", "a", "swml.record_call"))
    assert [DIALECT.render(notice(kind, untold), ACCOUNT) for kind in NoticeKind] == [()] * 7


@pytest.mark.parametrize(
    ("track", "channels", "direction", "stereo"),
    [
        (Track.INBOUND, Channels.MONO, "speak", False),
        (Track.OUTBOUND, Channels.MONO, "listen", False),
        (Track.BOTH, Channels.MONO, "both", False),
        (Track.BOTH, Channels.DUAL, "both", True),
        (Track.INBOUND, Channels.DUAL, "speak", False),
    ],
)
def test_audio_is_described_as_it_is_in_the_file(
    track: Track, channels: Channels, direction: str, stereo: bool
) -> None:
    """Directions come back in SWML's words; a single track is one channel, whatever was asked for."""
    request = RecordingRequest(channels, track, "wav", "a", "swml.record_call", status=StatusTarget("http://h/"))
    audio = params(NoticeKind.STARTED, recording(request=request))["record"]["audio"]
    assert audio == {"format": "wav", "direction": direction, "stereo": stereo}


@pytest.mark.parametrize("served", ["mp3", "mp4", "wav"])
def test_the_format_is_the_asked_one_and_in_the_end_the_served_one(served: str) -> None:
    """While it runs what was asked for is told; once it is there, in both shapes, what is there: it may be a WAV."""
    request = dataclasses.replace(REQUEST, format="mp3")
    running = recording(request=request)
    for kind in (NoticeKind.STARTED, NoticeKind.PAUSED, NoticeKind.RESUMED):
        assert params(kind, running)["record"]["audio"]["format"] == "mp3"
    ended = recording(request=request, measured=Measured(2.5, 9, format=served))
    for kind in FINISHED:
        found = params(kind, ended)["record"]
        assert (found["audio"]["format"], found["format"]) == (served, served)
    for lost in (recording(request=request), recording(request=request, measured=Measured(0.0, 0))):
        assert params(NoticeKind.FAILED, lost)["record"]["audio"]["format"] == "mp3"


def test_pause_behavior_is_the_lasting_pauses() -> None:
    """Of several pauses the open one is told; a paused notice of a recording with none open tells none."""
    assert params(NoticeKind.PAUSED)["pause_behavior"] == "skip"
    silence = recording(pauses=(Pause(1_640_000_005.0, PauseBehavior.SILENCE),))
    assert params(NoticeKind.PAUSED, silence)["pause_behavior"] == "silence"
    assert "pause_behavior" not in params(NoticeKind.PAUSED, recording())


def test_an_absent_recording_has_no_length() -> None:
    """Too short or silent: finished, of duration 0, in both shapes, with the size of what is served."""
    found = params(NoticeKind.ABSENT)
    assert (found["duration"], found["size"]) == (0.0, 248_320)
    assert (found["record"]["duration"], found["record"]["size"]) == (0.0, 248_320)


@pytest.mark.parametrize("kind", sorted(FINISHED))
def test_an_end_without_a_file_has_neither_length_nor_size(kind: NoticeKind) -> None:
    """Where nothing was measured the numbers are 0, not left out; the end is the notice's where none was told."""
    found = params(kind, recording())
    assert (found["duration"], found["size"], found["end_time"]) == (0.0, 0, 1_640_000_020.5)


def test_a_recording_that_never_started_has_no_times() -> None:
    """An error before RECORD_START tells no start and no end."""
    found = params(NoticeKind.FAILED, recording(started_at=None, state=State.FAILED))
    assert "start_time" not in found
    assert "end_time" not in found


def test_durations_are_floats_in_json() -> None:
    """A whole number of seconds is written as a float, as the reference types it."""
    whole = recording(measured=Measured(15.0, 1), ended_at=1_640_000_015.0)
    (delivery,) = DIALECT.render(notice(NoticeKind.COMPLETED, whole, at=1_640_000_016.0), ACCOUNT)
    assert b'"duration":15.0' in delivery.body
    assert b'"timestamp":1640000016.0' in delivery.body


def test_the_recordings_url_is_under_the_public_one() -> None:
    """A slash at the end of the setting makes no second one."""
    assert type(DIALECT)("https://rec.example.com/").recording_url(recording()) == URL
    dialect: Dialect = DIALECT
    assert dialect.name == "swml"


# The vendor's own published example of its scheme.
VECTOR_KEY = "PSK_7TruNcSNTxp4zNrykMj4EPzF"
VECTOR_URL = "https://81f2-2-45-18-191.ngrok-free.app/"
VECTOR_BODY = (
    b'{"call":{"call_id":"b5d63b2e-f75b-4dc8-b6d4-269b635f96c0",'
    b'"node_id":"fa3570ae-f8bd-42c2-83f4-9950d906c91b@us-west",'
    b'"segment_id":"b5d63b2e-f75b-4dc8-b6d4-269b635f96c0","call_state":"created","direction":"inbound",'
    b'"type":"phone","from":"+12135877632","to":"+12089806814","from_number":"+12135877632",'
    b'"to_number":"+12089806814","project_id":"4b7ae78a-d02e-4889-a63b-08b156d5916e",'
    b'"space_id":"62615f44-2a34-4235-b38b-76b5a1de6ef8"},"vars":{}}'
)
VECTOR = "b18500437ebb010220ddd770cbe6fd531ea0ba0d"


@pytest.mark.parametrize(
    "url", [VECTOR_URL, VECTOR_URL + "#rc=3&rp=5xx", VECTOR_URL.replace("://", "://user:pa@ss@")]
)
def test_the_vendors_vector(url: str) -> None:
    """The published signature comes out, with and without what its receiver never sees of a URL."""
    assert signature(VECTOR_KEY, url, VECTOR_BODY) == VECTOR


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://h/a?b=c#d", "https://h/a?b=c"),
        ("https://u:p@h:8443/a", "https://h:8443/a"),
        ("https://h/a@b?c=@d", "https://h/a@b?c=@d"),
        ("https://u@h?c=@d/e", "https://h?c=@d/e"),
        ("https://u:p@h", "https://h"),
        ("https://h#@x", "https://h"),
        ("HTTP://H:80/%7Ea//b/../c?", "HTTP://H:80/%7Ea//b/../c?"),
    ],
)
def test_the_signed_url(url: str, signed: str) -> None:
    """Fragment and userinfo are dropped, nothing else of the URL is touched."""
    assert signed_url(url) == signed


def test_a_delivery_is_signed_with_the_accounts_key() -> None:
    """The header's value is the HMAC of URL and body; an account without a key sends none."""
    (delivery,) = DIALECT.render(notice(NoticeKind.STARTED), ACCOUNT)
    expected = hmac.new(b"PSK_1", b"https://app.example.com/status?x=1" + delivery.body, hashlib.sha1).hexdigest()
    assert DIALECT.sign(delivery, ACCOUNT, 0.0) == {"X-SignalWire-Signature": expected}
    assert DIALECT.sign(delivery, Account("acme", "signalwire", "project-1"), 0.0) == {}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats(0, 1e6), st.integers(0, 2**40))
def test_any_text_of_a_document_is_json_in_the_body(reference: str, duration: float, size: int) -> None:
    """Whatever a control_id says, the body is JSON that says the same."""
    request = RecordingRequest(Channels.MONO, Track.BOTH, "wav", reference, "swml.record_call", status=REQUEST.status)
    of = recording(request=request, measured=Measured(duration, size))
    found = params(NoticeKind.COMPLETED, of)
    assert (found["control_id"], found["duration"], found["size"]) == (reference, duration, size)


ID = "0b6c2c3e-53a1-4a9e-8c0c-1d1f6a0f4f11"
OURS: list[tuple[str, str | None]] = [
    (f"https://rec.example.com/api/v1/recordings/{ID}/download", ID),
    (f"https://rec.example.com/api/v1/recordings/{ID}/download?format=mp3#x", ID),
    (f"https://user:token@rec.example.com/api/v1/recordings/{ID}/download", ID),
    (f"https://rec.example.com.evil.com/api/v1/recordings/{ID}/download", None),
    (f"https://rec.example.com@evil.com/api/v1/recordings/{ID}/download", None),
    (f"http://rec.example.com/api/v1/recordings/{ID}/download", None),
    (f"https://rec.example.com/api/v1/recordings/{ID}/download/../x", None),
    ("https://rec.example.com/api/v1/recordings/../../etc/passwd/download", None),
    (f"https://rec.example.com/api/v1/recordings/{ID.upper()}/download", None),
    ("say:x", None),
]


@pytest.mark.parametrize(("url", "found"), OURS)
def test_our_own_urls_mean_their_recordings(url: str, found: str | None) -> None:
    """What `recording_url` gives is known again, whatever credentials or query it has; nobody else's is."""
    assert DIALECT.recording_of(url) == found
    assert DIALECT.recording_of(DIALECT.recording_url(recording(id=ID))) == ID
