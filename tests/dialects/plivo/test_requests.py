"""Requests: the answer URL and actions, callbacks by seed 003's rows, what is told of a call and its dialling."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from plivo.utils import validate_v3_signature

from controller.dialects.plivo import fetch, render, tell, urls
from controller.dialects.plivo.causes import CAUSES, of_call, of_dialled
from controller.dialects.plivo.formats import amount
from controller.dialects.plivo.sources import API
from controller.documents.call import Call, CallState, Ending
from controller.documents.dialect import Account
from controller.documents.fragments import Retried
from controller.documents.messages import CallOver, DialConnected, DialDigits, DialOver, Message, Said
from controller.documents.steps import Party, PartyKind
from controller.recordings.model import (
    Delivery,
    EndReason,
    Measured,
    NoticeKind,
    Recording,
    State,
    StatusTarget,
    Transcription,
    TranscriptionState,
)
from tests.dialects.plivo.seed_rows import ACTION_PARAMETERS, CALLBACK_PARAMETERS, TRANSCRIPTION_PARAMETERS
from tests.dialects.plivo.wire_sample import (
    ACTION,
    ANSWER_URL,
    CALL,
    CALL_ID,
    CALLBACK,
    MA,
    PLIVO,
    PUBLIC,
    RECORDING,
    RECORDING_ID,
    SUBACCOUNT,
    TOKEN,
    form,
    names,
    notice,
)

URL = f"{PUBLIC}/v1/Account/{MA}/Recording/{RECORDING_ID}.mp3"
OF_THE_CALL = {
    "CallUUID": CALL_ID,
    "From": "15550100",
    "To": "15551002",
    "Direction": "inbound",
    "ParentAuthID": MA,
}
STANDARD = {
    **OF_THE_CALL,
    "CallStatus": "ringing",
    "SessionStart": "2021-12-20 11:33:20.250000",
    "CallerName": "Ada",
}


def rendered(
    kind: NoticeKind = NoticeKind.COMPLETED, recording: Recording = RECORDING, **request: Any
) -> list[Delivery]:
    return list(render.render(notice(kind, recording, **request), PLIVO, PUBLIC, "plivo"))


# --- requests for documents ---------------------------------------------------------------------------------


def test_what_the_answer_url_is_told() -> None:
    """Plivo's standard parameters as a form, Event=StartApp; nothing of bills and API calls that are not there."""
    asked = fetch.request(CALL, PLIVO, "POST", ANSWER_URL, None)
    assert (asked.method, asked.url) == ("POST", ANSWER_URL)
    assert form(asked) == {**STANDARD, "Event": "StartApp"}


def test_what_an_action_is_told() -> None:
    """The same beside what the program gives, Event=Redirect; a redirect that gives nothing has it too."""
    given = {"Digits": "12", "RecordUrl": URL}
    assert form(fetch.request(CALL, PLIVO, "POST", ANSWER_URL, given)) == {**STANDARD, "Event": "Redirect", **given}
    assert form(fetch.request(CALL, PLIVO, "POST", ANSWER_URL, {}))["Event"] == "Redirect"


def test_a_get_has_it_in_the_query() -> None:
    """Behind the URL's own; there is no body, no fragment, and both are signed as they are sent."""
    asked = fetch.request(CALL, PLIVO, "GET", f"{ANSWER_URL}#rc=2", {"Digits": "1"})
    assert asked.url.startswith(f"{ANSWER_URL}&CallUUID={CALL_ID}&")
    assert "#" not in asked.url
    assert form(asked) == {"x": "1", **STANDARD, "Event": "Redirect", "Digits": "1"}
    assert "Content-Type" not in dict(asked.headers)
    signed = dict(asked.headers)
    nonce = signed["X-Plivo-Signature-V3-Nonce"]
    assert validate_v3_signature("GET", asked.url, nonce, TOKEN, signed["X-Plivo-Signature-V3"])


def test_each_try_has_a_nonce_of_its_own() -> None:
    """A request that is made again is signed anew."""
    tries = [dict(fetch.request(CALL, PLIVO, "POST", ANSWER_URL, None).headers) for _ in range(2)]
    assert tries[0]["X-Plivo-Signature-V3-Nonce"] != tries[1]["X-Plivo-Signature-V3-Nonce"]


def test_what_a_redirect_turned_leaves_the_form_behind() -> None:
    """What was posted gets into no URL."""
    asked = fetch.request(CALL, PLIVO, "GET", ANSWER_URL, {"Digits": "1"}, turned=True)
    assert (asked.url, asked.body) == (ANSWER_URL, b"")


CONNECT_AND_READ = frozenset({Retried.CONNECT, Retried.READ})


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", (2.0, 40.0, 55.0, 0, 1, CONNECT_AND_READ)),
        ("#ct=5000&rt=30000&tt=50000&rc=3&rp=5xx", (5.0, 30.0, 50.0, 0, 3, {Retried.STATUS_5XX})),
        ("#rc=0", (2.0, 40.0, 55.0, 0, 0, CONNECT_AND_READ)),
        ("#ct=1&rt=99999&tt=99999&rc=9&rp=nonsense", (0.1, 40.0, 55.0, 0, 5, CONNECT_AND_READ)),
        ("#ct=99999&er=nearest", (10.0, 40.0, 55.0, 0, 1, CONNECT_AND_READ)),
    ],
)
def test_patience(fragment: str, expected: tuple[object, ...]) -> None:
    """Spec 3.6: Plivo's defaults and bounds, no redirects; a URL's fragment wishes otherwise, and is not sent."""
    found = fetch.patience(ANSWER_URL + fragment)
    assert (found.connect, found.read, found.total, found.redirects, found.retries, found.retried) == expected
    assert fetch.request(CALL, PLIVO, "POST", ANSWER_URL + fragment, None).url == ANSWER_URL


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        (CALL, {}),
        (replace(CALL, info=replace(CALL.info, answered=True)), {"CallStatus": "in-progress"}),
        (replace(CALL, info=replace(CALL.info, answered=True), state=CallState.ENDED), {"CallStatus": "completed"}),
        (replace(CALL, info=replace(CALL.info, created_at=0.0)), {"SessionStart": "2021-12-20 11:33:21.500000"}),
        (
            replace(CALL, info=replace(CALL.info, direction="outbound")),
            {"Direction": "outbound", "ALegUUID": CALL_ID},
        ),
        (replace(CALL, id="x", parent=CALL_ID), {}),
    ],
)
def test_other_calls(changed: Call, differs: dict[str, str]) -> None:
    """CallStatus as the call goes on; ALegUUID of outbound calls alone, as Plivo's page has it."""
    assert fetch.parameters(changed, PLIVO) == {**STANDARD, **differs}


def test_what_is_not_known_is_left_out() -> None:
    """A caller without a name, and a subaccount, whose main account's id nobody told."""
    told = fetch.parameters(replace(CALL, info=replace(CALL.info, caller_name="")), SUBACCOUNT)
    assert set(STANDARD) - set(told) == {"CallerName", "ParentAuthID"}


def test_hostile_texts_stay_text() -> None:
    """What a caller chose is one parameter's value, percent-encoded."""
    hostile = "\r\nX: y&CallStatus=completed${system x}"
    call = replace(CALL, info=replace(CALL.info, caller_number=hostile, caller_name="\ud800"))
    for method in ("GET", "POST"):
        asked = fetch.request(call, PLIVO, method, ANSWER_URL, None)
        assert form(asked)["From"] == hostile
        assert (asked.url.encode() + asked.body).isascii()
        assert "\n" not in asked.url


# --- callbacks ----------------------------------------------------------------------------------------------


def test_callback_url_is_told_the_seeds_rows() -> None:
    """ "Sent when recording file is ready": all of them, beside whose call it is and which event."""
    (told,) = rendered()
    assert (told.id, told.account, told.dialect) == ("6f2d0000-0000-4000-8000-000000000001", "acme", "plivo")
    assert (told.method, told.url) == ("POST", CALLBACK.url)
    assert form(told) == {
        "RecordUrl": URL,
        "RecordingID": RECORDING_ID,
        "RecordingDuration": "13",
        "RecordingDurationMs": "12600",
        "RecordingStartMs": "1774376140900",
        "RecordingEndMs": "1774376153500",
        **OF_THE_CALL,
        "Event": "RecordStop",
    }
    assert names(CALLBACK_PARAMETERS) == set(form(told)) - set(OF_THE_CALL) - {"Event"}


EMPTY = replace(RECORDING, measured=Measured(0.0, 44))
NEVER = replace(RECORDING, measured=None, started_at=None, ended_at=None, reason=EndReason.ERROR)


@pytest.mark.parametrize(
    ("kind", "recording", "told"),
    [
        (NoticeKind.STARTED, replace(RECORDING, state=State.RECORDING), None),
        (NoticeKind.PAUSED, replace(RECORDING, state=State.PAUSED), None),
        (NoticeKind.RESUMED, replace(RECORDING, state=State.RECORDING), None),
        (NoticeKind.COMPLETED, RECORDING, ("13", "12600", "1774376140900", "1774376153500")),
        (NoticeKind.NO_INPUT, RECORDING, ("13", "12600", "1774376140900", "1774376153500")),
        (NoticeKind.NO_INPUT, EMPTY, ("0", "0", "1774376140900", "1774376153500")),
        (NoticeKind.ABSENT, RECORDING, ("0", "0", "1774376140900", "1774376153500")),
        (NoticeKind.ABSENT, replace(RECORDING, measured=None), ("0", "0", "1774376140900", "1774376153500")),
        (NoticeKind.FAILED, RECORDING, ("0", "0", "1774376140900", "1774376153500")),
        (NoticeKind.FAILED, NEVER, ("0", "0", "-1", "-1")),
    ],
)
def test_outcomes(kind: NoticeKind, recording: Recording, told: tuple[str, ...] | None) -> None:
    """DESIGN section 9's table: callbackUrl hears of each end, with length 0 of what is absent or failed."""
    if kind.last:
        recording = replace(recording, state=State(str(kind)))
    found = rendered(kind, recording)
    if told is None:
        assert found == []
        return
    (only,) = found
    heard = form(only)
    rows = ("RecordingDuration", "RecordingDurationMs", "RecordingStartMs", "RecordingEndMs")
    assert tuple(heard[name] for name in rows) == told
    assert heard["Event"] == "RecordStop"


def test_nobody_asked() -> None:
    """Without callbackUrl and action nobody is told."""
    assert rendered(status=None) == []


def test_a_get_tells_the_same_in_its_query() -> None:
    """callbackMethod GET: behind what the URL has, with the fragment kept for who sends it."""
    (told,) = rendered(status=StatusTarget("https://app.example/cb?x=1#rc=2", "GET"))
    assert (told.method, told.body, told.headers) == ("GET", b"", ())
    bare, _, fragment = told.url.partition("#")
    assert fragment == "rc=2"
    (posted,) = rendered()
    assert dict(parse_qsl(urlsplit(bare).query)) == {"x": "1", **form(posted)}


HUNG_UP = replace(RECORDING, reason=EndReason.HANGUP, digit="")


def test_the_action_of_a_recording_that_the_hangup_ended() -> None:
    """ "Sent when recording completes", CallStatus=completed, beside the callback, under an id of its own."""
    callback, action = rendered(recording=HUNG_UP, at_hangup=ACTION)
    assert form(callback)["Event"] == "RecordStop"
    assert (action.method, action.url) == ("POST", ACTION.url)
    told = form(action)
    assert names(ACTION_PARAMETERS) <= set(told)
    assert told == {
        **OF_THE_CALL,
        "CallStatus": "completed",
        "Event": "Redirect",
        "RecordUrl": URL,
        "RecordFile": URL,
        "RecordingID": RECORDING_ID,
        "RecordingDuration": "13",
        "RecordingDurationMs": "12600",
        "RecordingStartMs": "1774376140900",
        "RecordingEndMs": "1774376153500",
        "Digits": "",
    }
    assert uuid.UUID(action.id) != uuid.UUID(callback.id)
    assert [one.id for one in rendered(recording=HUNG_UP, at_hangup=ACTION)] == [callback.id, action.id]
    (alone,) = rendered(recording=HUNG_UP, at_hangup=replace(ACTION, method="GET"), status=None)
    assert (alone.id, alone.method, parse_qs(urlsplit(alone.url).query)["Event"]) == (action.id, "GET", ["Redirect"])


@pytest.mark.parametrize(
    ("kind", "reason", "asked"),
    [
        (NoticeKind.COMPLETED, EndReason.HANGUP, True),
        (NoticeKind.NO_INPUT, EndReason.HANGUP, True),
        (NoticeKind.ABSENT, EndReason.HANGUP, False),
        (NoticeKind.FAILED, EndReason.HANGUP, False),
        *((NoticeKind.COMPLETED, reason, False) for reason in EndReason if reason is not EndReason.HANGUP),
    ],
)
def test_when_the_action_is_asked_here(kind: NoticeKind, reason: EndReason, asked: bool) -> None:
    """Only where the hangup ended it: all other ends the document itself tells; nothing came of absent ones."""
    recording = replace(RECORDING, state=State(str(kind)), reason=reason)
    told = [one.url for one in rendered(kind, recording, at_hangup=ACTION)]
    assert told == [CALLBACK.url, *([ACTION.url] if asked else [])]


def test_recordings_of_the_api_are_told_in_snake_case() -> None:
    """Spec 3.5, with the api_id of the request that started it."""
    (told,) = rendered(source=API, reference="5cc54a9e-9a1c-11e4-b932-22000ac50fac", format="wav")
    assert form(told) == {
        "api_id": "5cc54a9e-9a1c-11e4-b932-22000ac50fac",
        "record_url": URL.replace(".mp3", ".wav"),
        "call_uuid": CALL_ID,
        "recording_id": RECORDING_ID,
        "recording_duration": "13",
        "recording_duration_ms": "12600",
        "recording_start_ms": "1774376140900",
        "recording_end_ms": "1774376153500",
    }


# --- transcriptions -----------------------------------------------------------------------------------------

DONE = Transcription(
    RECORDING_ID,
    "acme",
    TranscriptionState.DONE,
    1_774_376_156.0,
    StatusTarget("https://app.example/text/"),
    seconds=12.6,
    text="Bitte rufen Sie zurück & danke",
    charge=0.0125,
    rate=0.05,
)


def transcribed(transcription: Transcription = DONE, account: Account = PLIVO) -> Delivery | None:
    return render.transcribed(transcription, RECORDING, account, "plivo")


def test_what_transcription_url_is_told() -> None:
    """The seed's rows, all of them, ``error`` empty where nothing failed."""
    told = transcribed()
    assert told is not None
    assert (told.method, told.url) == ("POST", "https://app.example/text/")
    assert form(told) == {
        "transcription": "Bitte rufen Sie zurück & danke",
        "transcription_charge": "0.01250",
        "transcription_rate": "0.05000",
        "duration": "13",
        "call_uuid": CALL_ID,
        "recording_id": RECORDING_ID,
        "error": "",
    }
    assert set(form(told)) == names(TRANSCRIPTION_PARAMETERS)


def test_a_transcription_that_failed() -> None:
    """The same rows, without a text, and why."""
    failed = replace(DONE, state=TranscriptionState.FAILED, text="", charge=0.0, error="shorter than 0.5 s")
    told = transcribed(failed)
    assert told is not None
    heard = form(told)
    assert set(heard) == names(TRANSCRIPTION_PARAMETERS)
    assert (heard["transcription"], heard["error"], heard["transcription_charge"]) == (
        "",
        "shorter than 0.5 s",
        "0.00000",
    )


def test_each_transcription_is_told_once() -> None:
    """Under an id that is the same whenever it is rendered, and another for one that is asked for later."""
    first, again, later = transcribed(), transcribed(), transcribed(replace(DONE, requested_at=1_774_377_000.0))
    assert first is not None
    assert again is not None
    assert later is not None
    assert uuid.UUID(first.id) == uuid.UUID(again.id) != uuid.UUID(later.id)
    assert first.id != RECORDING_ID


def test_a_transcription_that_nobody_is_told() -> None:
    """transcriptionType without transcriptionUrl: whoever asks for it."""
    assert transcribed(replace(DONE, target=None)) is None


def test_amounts() -> None:
    """Five decimals, as Plivo writes money."""
    assert [amount(value) for value in (0, 0.003, 1.5)] == ["0.00000", "0.00300", "1.50000"]


# --- URLs ---------------------------------------------------------------------------------------------------


def test_recording_urls_are_read_back() -> None:
    """With either extension, credentials, a query; URLs of other hosts, of no file, or of no id are none of ours."""
    url = urls.recording_url(PUBLIC, PLIVO, RECORDING)
    assert url == URL
    for one in (url, url.replace(".mp3", ".wav"), f"{url}?x=1", url.replace("://", "://a:b@"), f"{url}#x"):
        assert urls.recording_of(PUBLIC, one) == RECORDING_ID
    for other in (
        url.replace("rec.example.com", "example.com"),
        url.removesuffix(".mp3") + "/",
        f"{url}x",
        url.replace(RECORDING_ID, "../x"),
        url.removeprefix(PUBLIC),
        "",
    ):
        assert urls.recording_of(PUBLIC, other) is None
    assert urls.recording_url(PUBLIC, None, RECORDING) == URL.replace(MA, "acme")


# --- what is told of a call ---------------------------------------------------------------------------------

TARGET = StatusTarget("https://app.example/events/", "POST")
PARTY = Party(PartyKind.NUMBER, "+15553333", caller="15554444")
LEG = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"
ANSWERED = replace(CALL, info=replace(CALL.info, answered=True), answered_at=1_640_000_002.0)
IN_PROGRESS = {**STANDARD, "CallStatus": "in-progress"}
LEGS = {"DialALegUUID": CALL_ID, "DialBLegUUID": LEG, "DialBLegFrom": "15554444", "DialBLegTo": "+15553333"}


def told_of(message: Message, call: Call = ANSWERED) -> dict[str, str]:
    return form(tell.tell("id-1", message, call, PLIVO, "plivo"))


def test_a_message_is_a_request() -> None:
    """Under the id that it is given, to its target, by its method."""
    delivery = tell.tell("id-1", Said(TARGET, {}), CALL, PLIVO, "plivo")
    assert (delivery.id, delivery.account, delivery.dialect) == ("id-1", "acme", "plivo")
    assert (delivery.method, delivery.url) == ("POST", TARGET.url)
    by_get = tell.tell("id-1", Said(replace(TARGET, method="GET"), {"Digits": ""}), CALL, PLIVO, "plivo")
    assert form(by_get) == {**STANDARD, "Event": "Redirect", "Digits": ""}


def test_what_a_document_tells() -> None:
    """An action with redirect="false" is told what any action is."""
    assert told_of(Said(TARGET, {"Digits": "12", "RecordingDuration": -1})) == {
        **IN_PROGRESS,
        "Event": "Redirect",
        "Digits": "12",
        "RecordingDuration": "-1",
    }


def test_a_dialled_party_answers() -> None:
    """DialAction=answer, with both legs; the call is in progress then, whether its own answer was seen or not."""
    assert told_of(DialConnected(TARGET, PARTY, LEG, 1.0), CALL) == {
        **IN_PROGRESS,
        "Event": "DialAnswer",
        "DialAction": "answer",
        "DialBLegStatus": "answer",
        **LEGS,
    }


def test_a_conversation_ends() -> None:
    """DialAction=hangup: how long it was, and why it ended in the switch's word and in Plivo's."""
    assert told_of(DialOver(TARGET, PARTY, LEG, 10.6, "NORMAL_CLEARING")) == {
        **IN_PROGRESS,
        "Event": "DialHangup",
        "DialAction": "hangup",
        "DialBLegStatus": "hangup",
        **LEGS,
        "DialBLegDuration": "11",
        "DialBLegBillDuration": "11",
        "DialBLegHangupCause": "NORMAL_CLEARING",
        "DialBLegHangupCauseName": "Normal Hangup",
        "DialBLegHangupCauseCode": "4000",
        "DialBLegHangupSource": "Unknown",
    }


@pytest.mark.parametrize(("by_callee", "by"), [(False, "ALeg"), (True, "BLeg")])
def test_digits_that_were_waited_for(by_callee: bool, by: str) -> None:
    """DialAction=digits, which, and whose."""
    assert told_of(DialDigits(TARGET, PARTY, LEG, "123", by_callee)) == {
        **IN_PROGRESS,
        "Event": "DialDigitsMatch",
        "DialAction": "digits",
        **LEGS,
        "DialDigitsMatch": "123",
        "DialDigitsPressedBy": by,
    }


def test_the_callers_own_number_is_shown_where_nobody_chose_another() -> None:
    """DialBLegFrom is what the callee saw."""
    assert told_of(DialConnected(TARGET, replace(PARTY, caller=""), LEG, 1.0))["DialBLegFrom"] == "15550100"


OVER = replace(
    ANSWERED, state=CallState.ENDED, cause="NORMAL_CLEARING", ended_at=1_640_000_012.4, answered_at=1_640_000_002.0
)


def test_a_call_ends() -> None:
    """The hangup URL: why, how long it was answered, and when what happened, in UTC."""
    assert told_of(CallOver(TARGET), OVER) == {
        **STANDARD,
        "CallStatus": "completed",
        "Event": "Hangup",
        "HangupCause": "NORMAL_CLEARING",
        "HangupCauseName": "Normal Hangup",
        "HangupCauseCode": "4000",
        "HangupSource": "Caller",
        "Duration": "10",
        "BillDuration": "10",
        "StartTime": "2021-12-20 11:33:20",
        "AnswerTime": "2021-12-20 11:33:22",
        "EndTime": "2021-12-20 11:33:32",
    }


def test_a_call_that_was_never_answered() -> None:
    """No AnswerTime, and no seconds."""
    call = replace(OVER, info=replace(CALL.info, answered=False), answered_at=None, cause="ORIGINATOR_CANCEL")
    told = told_of(CallOver(TARGET), call)
    assert "AnswerTime" not in told
    assert (told["Duration"], told["BillDuration"]) == ("0", "0")
    assert (told["HangupCauseName"], told["HangupSource"]) == ("Canceled", "Caller")


def test_a_call_that_came_answered() -> None:
    """Nobody saw when: its seconds count from its document's begin, and no AnswerTime is told."""
    told = told_of(CallOver(TARGET), replace(OVER, answered_at=None))
    assert "AnswerTime" not in told
    assert told["Duration"] == "11"


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ("USER_BUSY", ("3010", "Busy Line", "Unknown")),
        ("ALLOTTED_TIMEOUT", ("6000", "Scheduled Hangup", "Plivo")),
        ("LOSE_RACE", ("9000", "Lost Race", "Plivo")),
        ("", ("0", "Unknown", "Unknown")),
    ],
)
def test_causes_of_dialled_legs(cause: str, expected: tuple[str, str, str]) -> None:
    """Plivo's code, name and source of FreeSWITCH's causes; what they do not tell is unknown."""
    assert of_dialled(cause) == expected


@pytest.mark.parametrize(
    ("cause", "ending", "direction", "expected"),
    [
        ("NORMAL_CLEARING", None, "inbound", ("4000", "Normal Hangup", "Caller")),
        ("NORMAL_CLEARING", None, "outbound", ("4000", "Normal Hangup", "Call recipient")),
        ("NORMAL_CLEARING", Ending.SAID, "inbound", ("4000", "Normal Hangup", "Answer XML")),
        ("NORMAL_CLEARING", Ending.SPENT, "inbound", ("4010", "End Of XML Instructions", "Answer XML")),
        ("CALL_REJECTED", Ending.SAID, "inbound", ("3020", "Rejected", "Answer XML")),
        ("USER_BUSY", Ending.SAID, "inbound", ("3010", "Busy Line", "Answer XML")),
        ("NORMAL_TEMPORARY_FAILURE", Ending.SAID, "inbound", ("5010", "Internal Error", "Error")),
        ("NORMAL_TEMPORARY_FAILURE", None, "inbound", ("5010", "Internal Error", "Error")),
        ("ALLOTTED_TIMEOUT", None, "inbound", ("6000", "Scheduled Hangup", "Plivo")),
        ("ATTENDED_TRANSFER", None, "inbound", ("0", "Unknown", "Unknown")),
    ],
)
def test_causes_of_calls(cause: str, ending: Ending | None, direction: str, expected: tuple[str, str, str]) -> None:
    """A document's end is told from its <Hangup>, and both from the party's own."""
    call = replace(OVER, cause=cause, ending=ending, info=replace(OVER.info, direction=direction))
    assert of_call(call) == expected


def test_one_code_has_one_name() -> None:
    """The table is Plivo's own numbering."""
    named: dict[int, str] = {}
    for code, name in CAUSES.values():
        assert named.setdefault(code, name) == name
