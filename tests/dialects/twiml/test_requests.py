"""Requests: the voice webhook, callbacks by seed 004's rows and by LaML's, and what signs them all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from controller.dialects.twiml import sign
from controller.dialects.twiml.formats import rfc2822
from controller.dialects.twiml.render import event_of
from controller.dialects.twiml.sids import call_of, call_sid, recording_of, recording_sid
from controller.documents.call import CallState
from controller.documents.dialect import Account, Problem
from controller.documents.fetch import DocumentRequest
from controller.documents.forms import signed_url, whole_seconds
from controller.documents.fragments import Retried
from controller.recordings.model import (
    Absence,
    Channels,
    Delivery,
    Measured,
    NoticeKind,
    State,
    StatusTarget,
    Track,
    new_id,
)
from tests.dialects.twiml.sample import (
    AC,
    BASE,
    CA,
    CALL,
    CALL_ID,
    LAML,
    PROJECT,
    PUBLIC,
    RE,
    RECORDING,
    RECORDING_ID,
    TWILIO,
    dialect,
    notice,
)
from tests.dialects.twiml.seed_rows import EVENTS, PARAMETERS, rows

LAML_PARAMETERS = (
    *("AccountSid", "CallSid", "RecordingSid", "RecordingUrl", "RecordingStatus", "RecordingDuration"),
    *("RecordingChannels", "RecordingSource"),
)
VECTOR = [
    ("AccountSid", AC),
    ("CallSid", "CA" + "b" * 32),
    ("ErrorCode", "0"),
    ("RecordingChannels", "2"),
    ("RecordingDuration", "13"),
    ("RecordingSid", "RE" + "c" * 32),
    ("RecordingSource", "StartCallRecordingTwiML"),
    ("RecordingStartTime", "Tue, 24 Mar 2026 18:15:40 +0000"),
    ("RecordingStatus", "completed"),
    ("RecordingTrack", "both"),
    ("RecordingUrl", "https://api.example.com/2010-04-01/Accounts/AC/Recordings/RE"),
]


def form(request: Delivery | DocumentRequest) -> dict[str, str]:
    """What a request tells, wherever it tells it."""
    written = request.body.decode() if request.method == "POST" else urlsplit(request.url).query
    pairs = parse_qsl(written, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a parameter is told twice"
    return dict(pairs)


def rendered(kind: NoticeKind = NoticeKind.COMPLETED, account: Account = TWILIO, **request: Any) -> Delivery:
    (found,) = dialect().render(notice(kind, **request), account)
    return found


def valid(account: Account, request: Delivery | DocumentRequest, headers: dict[str, str]) -> bool:
    """What Twilio's own validator says, which SignalWire's scheme shares."""
    name = "X-SignalWire-Signature" if account is LAML else "X-Twilio-Signature"
    told = dict(parse_qsl(request.body.decode(), keep_blank_values=True)) if request.method == "POST" else {}
    bare = signed_url(request.url)
    return bool(RequestValidator(account.signing_key).validate(bare, told, headers[name]))


# --- signatures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "pairs", "expected"),
    [
        ("https://app.example/cb?x=1&y=2", VECTOR, "urrrlNc7EcEDYpPl5K2Z2aOQef8="),
        ("http://127.0.0.1:8080/cb", VECTOR, "+makXtqlJQWXe28pBzkSNyB7bFM="),
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            [
                ("CallSid", "CA1234567890ABCDE"),
                ("Caller", "+14158675309"),
                ("Digits", "1234"),
                ("From", "+14158675309"),
                ("To", "+18005551212"),
            ],
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
    ],
)
def test_vectors(url: str, pairs: list[tuple[str, str]], expected: str) -> None:
    """The spec's, whatever the order, and however often a pair is there; credentials and fragment are not signed."""
    assert sign.signature("12345", url, pairs) == expected
    assert sign.signature("12345", url, [*reversed(pairs), pairs[0]]) == expected
    assert sign.signature("12345", url.replace("://", "://user:p%40ss@") + "#rc=3", pairs) == expected


def test_who_signs() -> None:
    """Twilio's accounts by their token, SignalWire's by the signing key or else the token; none without a secret."""
    assert list(sign.headers(TWILIO, "GET", BASE, b"")) == ["X-Twilio-Signature"]
    assert list(sign.headers(LAML, "GET", BASE, b"")) == ["X-SignalWire-Signature"]
    unsigned = replace(LAML, signing_key="")
    key = sign.signature("token-1", BASE)
    assert sign.headers(unsigned, "GET", BASE, b"") == {"X-SignalWire-Signature": key}
    assert sign.headers(replace(unsigned, token=""), "GET", BASE, b"") == {}


@pytest.mark.parametrize("account", [TWILIO, LAML], ids=["twilio", "laml"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "url",
    [
        "https://app.example/cb",
        "https://app.example/cb?x=1&y=%20",
        "http://127.0.0.1:8080/cb",
        "https://app.example:8443/cb",
        "https://user:p%40ss@app.example/cb#rc=3&rp=all",
    ],
)
def test_twilios_validator_accepts_all(account: Account, method: str, url: str) -> None:
    """GET and POST, a port, a query, credentials, a fragment: callbacks and requests for documents alike."""
    callback = rendered(account=account, status=StatusTarget(url, method, ("completed",)))
    sent = replace(callback, url=callback.url.partition("#")[0])
    assert valid(account, sent, dict(dialect().sign(sent, account, 0.0)))
    asked = dialect().fetch(CALL, account, method, url, {"Digits": "1 2", "é": "ü&="})
    assert valid(account, asked, dict(asked.headers))
    assert not valid(
        replace(account, signing_key="other") if account is TWILIO else account,
        asked,
        {
            "X-Twilio-Signature": "x",
            "X-SignalWire-Signature": "x",
        },
    )


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=8))
def test_whatever_is_told_is_signed(given_: dict[str, str]) -> None:
    """What a caller or a document chose can be anything; the receiver reads what was signed."""
    kept = {key.encode("utf-8", "replace").decode(): value for key, value in given_.items()}
    asked = dialect().fetch(CALL, TWILIO, "POST", BASE, kept)
    assert valid(TWILIO, asked, dict(asked.headers))
    assert asked.body.isascii()
    assert "\n" not in asked.url


# --- callbacks ------------------------------------------------------------------------------------------------------


def test_parameters_are_the_seeds_rows() -> None:
    """All of them, in the vendor's formats, and ErrorCode, which Twilio sends and its page lacks."""
    delivery = rendered()
    assert delivery.method == "POST"
    assert dict(delivery.headers)["Content-Type"] == "application/x-www-form-urlencoded"
    assert dict(delivery.headers)["I-Twilio-Idempotency-Token"] == delivery.id
    assert (delivery.account, delivery.dialect, delivery.url) == ("acme", "twiml", "https://app.example/cb?x=1&y=2")
    told = form(delivery)
    assert set(told) == {row[0] for row in rows(PARAMETERS)} | {"ErrorCode"}
    assert told == {
        "AccountSid": AC,
        "CallSid": CA,
        "RecordingSid": RE,
        "RecordingUrl": f"{PUBLIC}/2010-04-01/Accounts/{AC}/Recordings/{RE}",
        "RecordingStatus": "completed",
        "RecordingDuration": "13",
        "RecordingChannels": "2",
        "RecordingStartTime": "Tue, 24 Mar 2026 18:15:40 +0000",
        "RecordingSource": "StartCallRecordingTwiML",
        "RecordingTrack": "both",
        "ErrorCode": "0",
    }


def test_lamls_parameters() -> None:
    """LaML's eight, with ids that are uuids, and its own spelling of sources."""
    told = form(rendered(account=LAML, source="StartCallRecordingAPI"))
    assert told == {
        "AccountSid": PROJECT,
        "CallSid": CALL_ID,
        "RecordingSid": RECORDING_ID,
        "RecordingUrl": f"{PUBLIC}/api/laml/2010-04-01/Accounts/{PROJECT}/Recordings/{RECORDING_ID}",
        "RecordingStatus": "completed",
        "RecordingDuration": "13",
        "RecordingChannels": "2",
        "RecordingSource": "StartCallRecordingApi",
    }
    assert set(told) == set(LAML_PARAMETERS)


EMPTY = replace(RECORDING, measured=Measured(0.0, 44), state=State.NO_INPUT)
OUTCOMES = [
    (NoticeKind.STARTED, RECORDING, "in-progress", 0),
    (NoticeKind.PAUSED, RECORDING, None, 0),
    (NoticeKind.RESUMED, RECORDING, None, 0),
    (NoticeKind.COMPLETED, RECORDING, "completed", 0),
    (NoticeKind.NO_INPUT, RECORDING, "completed", 0),
    (NoticeKind.NO_INPUT, EMPTY, "absent", 16101),
    (NoticeKind.NO_INPUT, replace(EMPTY, measured=None), "absent", 16101),
    (NoticeKind.ABSENT, replace(RECORDING, absence=Absence.TOO_SHORT), "absent", 16101),
    (NoticeKind.ABSENT, replace(RECORDING, absence=Absence.SILENT), "absent", 16102),
    (NoticeKind.ABSENT, replace(RECORDING, measured=None), "absent", 16101),
    (NoticeKind.FAILED, replace(RECORDING, measured=None, started_at=None), "absent", 16100),
]
"""DESIGN section 9's table of outcomes: the notice, and what Twilio's receiver hears of it."""


@pytest.mark.parametrize(("kind", "recording", "event", "code"), OUTCOMES)
def test_outcomes(kind: NoticeKind, recording: Any, event: str | None, code: int) -> None:
    """Each notice is one of the seed's events or none; a length is told of what is complete alone."""
    told = notice(kind, recording)
    assert event_of(told) == event
    deliveries = dialect().render(told, TWILIO)
    if event is None:
        assert deliveries == ()
        return
    (delivery,) = deliveries
    assert event in {row[0] for row in rows(EVENTS)}
    found = form(delivery)
    assert (found["RecordingStatus"], found["ErrorCode"]) == (event, str(code))
    assert ("RecordingDuration" in found) == (event == "completed")
    assert found["RecordingStartTime"].endswith(" +0000")


@pytest.mark.parametrize("asked", [("in-progress",), ("completed",), ("absent",), ("completed", "absent"), ()])
def test_only_events_that_were_asked_for(asked: tuple[str, ...]) -> None:
    """The others make no request; without a list it is completed alone, and without a URL nothing."""
    for kind, recording, event, _ in OUTCOMES:
        one = notice(kind, recording, status=StatusTarget("https://app.example/", "POST", asked))
        wanted = event in (asked or ("completed",))
        assert len(dialect().render(one, TWILIO)) == wanted
        assert dialect().render(notice(kind, recording, status=None), TWILIO) == ()


def test_a_get_tells_the_same_in_its_query() -> None:
    """Behind what the URL has already, with the fragment kept for who sends it."""
    target = StatusTarget("https://app.example/cb?x=1#rc=2", "GET", ("completed",))
    delivery = rendered(status=target)
    assert (delivery.method, delivery.body) == ("GET", b"")
    bare, _, fragment = delivery.url.partition("#")
    assert fragment == "rc=2"
    assert dict(parse_qsl(urlsplit(bare).query)) == {"x": "1", **form(rendered())}


@pytest.mark.parametrize(
    ("channels", "track", "expected"),
    [
        (Channels.DUAL, Track.BOTH, "2"),
        (Channels.MONO, Track.BOTH, "1"),
        (Channels.DUAL, Track.INBOUND, "1"),
        (Channels.DUAL, Track.OUTBOUND, "1"),
    ],
)
def test_channels_and_tracks(channels: Channels, track: Track, expected: str) -> None:
    """While it runs what it will have, a single track always one; the track is the seed's."""
    running = replace(RECORDING, state=State.RECORDING, measured=None)
    (delivery,) = dialect().render(notice(NoticeKind.STARTED, running, channels=channels, track=track), TWILIO)
    told = form(delivery)
    assert (told["RecordingChannels"], told["RecordingTrack"]) == (expected, track.value)


def test_a_message_has_both_tracks_for_twilio() -> None:
    """It has no such attribute, and tells its default."""
    told = form(rendered(source="RecordVerb", track=Track.INBOUND, channels=Channels.MONO))
    assert (told["RecordingTrack"], told["RecordingSource"]) == ("both", "RecordVerb")


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.0, 0), (0.2, 1), (0.5, 1), (1.4, 1), (1.5, 2), (12.6, 13), (3600.2, 3600)]
)
def test_lengths_are_whole_seconds(seconds: float, written: int) -> None:
    """Rounded, and at least one for what can be heard."""
    assert whole_seconds(seconds) == written


def test_times() -> None:
    """RFC 2822, in UTC, fractions dropped."""
    assert rfc2822(1774376140.9) == "Tue, 24 Mar 2026 18:15:40 +0000"


# --- ids and URLs ------------------------------------------------------------------------------------------


@given(st.uuids(version=4))
def test_sids_are_read_back(identity: object) -> None:
    """Each id has one sid, and each sid that id, in both vendors' forms."""
    own = str(identity)
    for vendor in ("twilio", "signalwire"):
        assert call_of(vendor, call_sid(vendor, own)) == own
        assert recording_of(vendor, recording_sid(vendor, own)) == own


@pytest.mark.parametrize(
    "sid", ["", "RE", "CA" + "a" * 32, "RE" + "A" * 32, "RE" + "a" * 31, "RE" + "a" * 33, "../x"]
)
def test_what_is_no_sid(sid: str) -> None:
    """Neither vendor's recording."""
    assert recording_of("twilio", sid) is None
    assert recording_of("signalwire", sid) is None


@pytest.mark.parametrize("account", [TWILIO, LAML])
def test_recording_urls_are_read_back(account: Account) -> None:
    """With either extension, credentials, a query; a URL elsewhere is none of ours."""
    spoken = dialect()
    recording = replace(RECORDING, id=new_id(), owner=replace(RECORDING.owner, account=account.name))
    url = spoken.recording_url(recording)
    for one in (url, f"{url}.wav", f"{url}.mp3?x=1", url.replace("://", "://a:b@"), f"{url}#x"):
        assert spoken.recording_of(one) == recording.id
    for other in (url.replace("rec.example.com", "example.com"), f"{url}/Media", f"{url}.json", "https://x/", ""):
        assert spoken.recording_of(other) is None


# --- the voice webhook ------------------------------------------------------------------------------------------


def test_what_an_application_is_told() -> None:
    """Twilio's standard parameters as a form, beside those of an action."""
    asked = dialect().fetch(CALL, TWILIO, "POST", BASE, {"Digits": "12"})
    assert (asked.method, asked.url) == ("POST", BASE)
    assert dict(asked.headers)["Content-Type"] == "application/x-www-form-urlencoded"
    assert form(asked) == {
        "CallSid": CA,
        "AccountSid": AC,
        "From": "+15550100",
        "To": "+15551002",
        "CallStatus": "ringing",
        "ApiVersion": "2010-04-01",
        "Direction": "inbound",
        "Caller": "+15550100",
        "Called": "+15551002",
        "CallerName": "Ada",
        "Digits": "12",
    }


def test_a_get_has_it_in_the_query() -> None:
    """Behind the URL's own; there is no body."""
    asked = dialect().fetch(CALL, TWILIO, "GET", BASE)
    assert asked.body == b""
    assert asked.url.startswith(f"{BASE}&CallSid={CA}&")
    assert "Content-Type" not in dict(asked.headers)


def test_a_redirect_from_post_to_get_leaves_the_form_behind() -> None:
    """What was posted of a call gets into no URL, and so into nobody's log; the request is signed as it is."""
    asked = dialect().fetch(CALL, TWILIO, "GET", f"{BASE}#x", {"Digits": "12"}, turned=True)
    assert (asked.url, asked.body) == (BASE, b"")
    assert valid(TWILIO, asked, dict(asked.headers))


def test_a_redirect_that_keeps_the_query_tells_nothing_twice() -> None:
    """Servers lead on with the query that they were asked by; each parameter comes once, beside the own ones."""
    asked = dialect().fetch(CALL, TWILIO, "GET", "https://app.example/voice?To=%2B1555", {"Digits": "1 2"})
    followed = asked.url.replace("/voice?", "/voice/?")
    again = dialect().fetch(CALL, TWILIO, "GET", followed, {"Digits": "1 2"})
    assert again.url == followed
    assert valid(TWILIO, again, dict(again.headers))
    assert parse_qsl(urlsplit(again.url).query).count(("CallSid", CA)) == 1
    assert [value for name, value in parse_qsl(urlsplit(again.url).query) if name == "To"] == [
        "+1555",
        CALL.info.destination,
    ]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        (CALL, "ringing"),
        (replace(CALL, info=replace(CALL.info, answered=True)), "in-progress"),
        (replace(CALL, info=replace(CALL.info, answered=True), state=CallState.ENDED), "completed"),
    ],
)
def test_call_status(changed: Any, status: str) -> None:
    """Ringing until it is answered, completed when it is over."""
    assert form(dialect().fetch(changed, TWILIO, "POST", BASE))["CallStatus"] == status


def test_other_calls() -> None:
    """An outbound leg is one of the API's; nobody has a name without one."""
    call = replace(CALL, info=replace(CALL.info, direction="outbound", caller_name=""))
    told = form(dialect().fetch(call, TWILIO, "POST", BASE))
    assert told["Direction"] == "outbound-api"
    assert "CallerName" not in told


CONNECT = frozenset({Retried.CONNECT})


@pytest.mark.parametrize(
    ("account", "fragment", "expected"),
    [
        (TWILIO, "", (5.0, 15.0, 15.0, 3, 1, CONNECT)),
        (LAML, "", (2.0, 5.0, 15.0, 3, 0, CONNECT)),
        (TWILIO, "#ct=2000&rt=4000&rc=3&rp=5xx,rt", (2.0, 4.0, 15.0, 3, 3, {Retried.READ, Retried.STATUS_5XX})),
        (TWILIO, "#rc=0&tt=9000", (5.0, 15.0, 9.0, 3, 0, CONNECT)),
        (LAML, "#ot=1000&rt=1000&tt=3000", (1.0, 1.0, 3.0, 3, 0, CONNECT)),
        (LAML, "#rc=2&rp=all", (2.0, 5.0, 15.0, 3, 2, {Retried.ALL})),
        (TWILIO, "#ct=1&rt=99999&rc=9&rp=nonsense", (0.1, 15.0, 15.0, 3, 5, CONNECT)),
    ],
)
def test_patience(account: Account, fragment: str, expected: tuple[object, ...]) -> None:
    """DESIGN 7's table; a URL's fragment wishes otherwise within the vendor's bounds, and is not sent."""
    found = dialect().patience(account, BASE + fragment)
    assert (found.connect, found.read, found.total, found.redirects, found.retries, found.retried) == expected
    assert dialect().fetch(CALL, account, "POST", BASE + fragment).url == BASE


def test_what_a_fallback_is_told() -> None:
    """Why it is asked, and what for: ErrorCode and ErrorUrl."""
    spoken = dialect()
    assert spoken.failed("https://a:b@h/x", ()) == {"ErrorCode": "11200", "ErrorUrl": "https://h/x"}
    problem = Problem(1, "", "no element", 12100)
    assert spoken.failed("https://h/x", (problem,))["ErrorCode"] == "12100"
