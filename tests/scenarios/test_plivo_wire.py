"""Plivo's requests on whole calls: what an application is asked and told, signed as Plivo's own package checks it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import pytest
from plivo import plivoxml
from plivo.utils import validate_signature, validate_v3_signature

from controller.calls.events import CallEnded
from controller.softswitch.script import Digits, Silence, Tone
from tests.dialects.plivo.seed_rows import ACTION_PARAMETERS, CALLBACK_PARAMETERS
from tests.dialects.plivo.wire_sample import names
from tests.harness.audio import read_wav
from tests.harness.receiver import Answer, Receiver, Request
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Daemon, late
from tests.scenarios.test_dial import DIALLING

AUTH_ID, AUTH_TOKEN, MAIN_TOKEN = "MA" + "X" * 18, "plivo-auth-token", "plivo-main-token"
VOICE = 440.0
CALLER = "15551230000"
STANDARD = {"CallUUID", "From", "To", "CallStatus", "Direction", "ParentAuthID", "SessionStart", "Event"}
TIMES = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@dataclass(slots=True)
class Application:
    """A web application as people write them for Plivo: documents by path, and what it was asked."""

    daemon: Daemon

    @property
    def receiver(self) -> Receiver:
        return self.daemon.receiver

    def answers(self, path: str, document: plivoxml.ResponseElement) -> None:
        """Give a path its document."""
        self.receiver.plan(path, Answer(200, document.to_string().encode(), {"Content-Type": "text/xml"}))

    async def start(self, account: dict[str, Any] | None = None, **route: Any) -> None:
        """Route destination 1001 to ``/answer/``, and start the daemon."""
        self.route(account, **route)
        await self.daemon.start()

    def route(self, account: dict[str, Any] | None = None, **route: Any) -> None:
        """Route destination 1001 to ``/answer/``."""
        own = {"name": "app", "vendor": "plivo", "auth_id": AUTH_ID, "auth_token": AUTH_TOKEN, **(account or {})}
        asked = {"document": self.receiver.url("/answer/"), **route}
        self.daemon.changes["accounts"] = [own]
        self.daemon.changes["routes"] = [{"destination": "^1001$", "account": "app", **asked}]

    def told(self, path: str) -> list[dict[str, str]]:
        """What a path was told so far."""
        return [parameters(request) for request in self.receiver.to(path)]

    def signed(self, main: str = AUTH_TOKEN) -> None:
        """Have Plivo's own package accept every request that came, by the account's token and by the main one's."""
        assert self.receiver.requests
        nonces = set()
        for request in self.receiver.requests:
            url = self.receiver.url(request.path) + (f"?{request.query}" if request.query else "")
            form = request.form if request.method == "POST" else {}
            nonce = request.header("X-Plivo-Signature-V3-Nonce")
            assert nonce is not None
            nonces.add(nonce)
            for name, token in (("X-Plivo-Signature-V3", AUTH_TOKEN), ("X-Plivo-Signature-Ma-V3", main)):
                assert validate_v3_signature(request.method, url, nonce, token, request.header(name), form), request
        assert len(nonces) == len(self.receiver.requests)


def parameters(request: Request) -> dict[str, str]:
    return request.form if request.method == "POST" else dict(parse_qsl(request.query, keep_blank_values=True))


@pytest.fixture
def app(daemon: Daemon) -> Application:
    return Application(daemon)


async def finished(app: Application, call: Call, timeout: float = 30.0) -> str:
    """Wait for a call's end, and until everything that it left is told."""
    cause = await call.ended(timeout)
    await app.daemon.until(lambda: bool(app.daemon.seen(CallEnded)))
    if "hangup_url" in app.daemon.changes["routes"][0]:
        await app.receiver.wait("/hangup/")
    await app.daemon.until(lambda: app.daemon.unfinished() == [] and app.daemon.quiet(), 20)
    return cause


async def test_voicemail(app: Application, switch: Switch) -> None:
    """Seed 003's voicemail: answer URL, action, callbackUrl and hangup URL, each with its parameters, all signed."""
    made = plivoxml.ResponseElement()
    made.add(
        plivoxml.RecordElement(
            action=app.receiver.url("/save-voicemail/"),
            max_length=120,
            finish_on_key="#",
            play_beep=True,
            file_format="wav",
            callback_url=app.receiver.url("/recording-ready/?k=v"),
        )
    )
    app.answers("/answer/", made)
    app.answers("/save-voicemail/", plivoxml.ResponseElement())
    await app.start(hangup_url=app.receiver.url("/hangup/"))
    call = await switch.call(script=(Silence(2.0), Tone(2.0, VOICE), Silence(0.5), Digits("#")), caller_name="Ada")
    assert await finished(app, call) == "NORMAL_CLEARING"

    (asked,) = app.told("/answer/")
    assert set(asked) == STANDARD | {"CallerName"}
    assert (asked["From"], asked["To"], asked["CallerName"]) == (CALLER, "1001", "Ada")
    assert (asked["Event"], asked["CallStatus"], asked["Direction"]) == ("StartApp", "ringing", "inbound")
    assert asked["ParentAuthID"] == AUTH_ID
    assert re.fullmatch(rf"{TIMES}\.\d{{6}}", asked["SessionStart"])

    (done,) = app.told("/save-voicemail/")
    assert set(done) == STANDARD | names(ACTION_PARAMETERS) | {"RecordFile", "CallerName"}
    assert (done["Event"], done["CallStatus"], done["Digits"]) == ("Redirect", "in-progress", "#")
    assert done["CallUUID"] == asked["CallUUID"]
    assert done["RecordFile"] == done["RecordUrl"]

    (ready,) = app.told("/recording-ready/")
    recorded = names(CALLBACK_PARAMETERS)
    assert set(ready) == recorded | {"CallUUID", "From", "To", "Direction", "ParentAuthID", "Event"}
    assert ready["RecordUrl"] == f"{app.daemon.url}/v1/Account/{AUTH_ID}/Recording/{ready['RecordingID']}.wav"
    assert {name: ready[name] for name in recorded} == {name: done[name] for name in recorded}
    assert int(ready["RecordingEndMs"]) - int(ready["RecordingStartMs"]) == pytest.approx(
        int(ready["RecordingDurationMs"]), abs=60
    )
    sound = read_wav(switch.recordings / f"{ready['RecordingID']}.wav")
    assert abs(int(ready["RecordingDurationMs"]) - 1000 * sound.seconds) <= 1
    assert abs(int(ready["RecordingDuration"]) - sound.seconds) <= 0.5

    (over,) = app.told("/hangup/")
    assert (over["Event"], over["CallStatus"], over["HangupCause"]) == ("Hangup", "completed", "NORMAL_CLEARING")
    assert (over["HangupCauseName"], over["HangupCauseCode"]) == ("End Of XML Instructions", "4010")
    assert over["HangupSource"] == "Answer XML"
    assert over["Duration"] == over["BillDuration"]
    assert int(over["Duration"]) >= int(ready["RecordingDuration"])
    assert all(re.fullmatch(TIMES, over[name]) for name in ("StartTime", "AnswerTime", "EndTime"))
    app.signed()


async def test_a_hangup_within_a_voicemail(app: Application, switch: Switch) -> None:
    """The action hears of it all the same, once, of a call that is completed; its answer means nothing."""
    made = plivoxml.ResponseElement()
    made.add(
        plivoxml.RecordElement(
            action=app.receiver.url("/done/"), method="GET", callback_url=app.receiver.url("/ready/")
        )
    )
    app.answers("/answer/", made)
    await app.start()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    await app.receiver.wait("/answer/")
    await asyncio.sleep(3.0)  # of the message
    await call.hangup()
    await app.receiver.wait("/done/", timeout=20)
    await finished(app, call)
    (done,) = app.told("/done/")
    (ready,) = app.told("/ready/")
    assert (done["CallStatus"], done["Event"], done["Digits"]) == ("completed", "Redirect", "")
    assert done["RecordingID"] == ready["RecordingID"]
    assert done["RecordingDurationMs"] == ready["RecordingDurationMs"]
    assert int(done["RecordingDurationMs"]) == pytest.approx(2500, abs=700 + 1000 * late(switch))
    app.signed()


async def test_a_subaccount(app: Application, switch: Switch) -> None:
    """By its own token and its main account's, V2 beside V3 where that is wished; a GET has all in its query."""
    made = plivoxml.ResponseElement()
    made.add(plivoxml.GetDigitsElement(app.receiver.url("/digits/?a=1"), method="GET", num_digits=2, timeout=9))
    app.answers("/answer/", made)
    app.answers("/digits/", plivoxml.ResponseElement())
    await app.start(
        {"auth_id": "SA" + "X" * 18, "main_auth_token": MAIN_TOKEN, "older_signatures": True},
        method="GET",
        hangup_url=app.receiver.url("/hangup/?b=2"),
    )
    call = await switch.call(script=(Silence(1.0), Digits("42")))
    assert await finished(app, call) == "NORMAL_CLEARING"
    assert {request.method for request in app.receiver.requests} == {"GET"}
    (pressed,) = app.told("/digits/")
    assert (pressed["Digits"], pressed["a"], pressed["Event"]) == ("42", "1", "Redirect")
    assert "ParentAuthID" not in pressed
    (over,) = app.told("/hangup/")
    assert (over["b"], over["CallStatus"]) == ("2", "completed")
    app.signed(MAIN_TOKEN)
    for request in app.receiver.requests:
        nonce = request.header("X-Plivo-Signature-V2-Nonce")
        url = app.receiver.url(request.path)
        assert validate_signature(url, nonce, request.header("X-Plivo-Signature-V2"), AUTH_TOKEN)
        assert validate_signature(url, nonce, request.header("X-Plivo-Signature-Ma-V2"), MAIN_TOKEN)


async def test_each_attempt_is_signed_anew(app: Application, switch: Switch) -> None:
    """A callback that failed is told again with another nonce, as its URL wishes; 201 is no success."""
    made = plivoxml.ResponseElement()
    made.add(
        plivoxml.RecordElement(
            max_length=2, callback_url=app.receiver.url("/ready/#rc=2&rp=all"), play_beep=False, timeout=10
        )
    )
    app.answers("/answer/", made)
    app.receiver.plan("/ready/", 201, 200)
    await app.start()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    await call.ended(30)
    first, second = await app.receiver.wait("/ready/", 2, timeout=30)
    assert first.body == second.body
    assert first.header("webhook-id") == second.header("webhook-id")
    await app.daemon.until(app.daemon.quiet)
    app.signed()


async def test_the_fallback_is_asked_as_the_answer_url_is(app: Application, switch: Switch) -> None:
    """A document that is refused: the fallback gets the same parameters, and its document runs."""
    app.receiver.plan("/answer/", Answer(200, b"<Response><Nothing/></Response>"))
    made = plivoxml.ResponseElement()
    made.add(plivoxml.HangupElement(reason="busy"))
    app.answers("/spare/", made)
    await app.start(fallback=app.receiver.url("/spare/"), hangup_url=app.receiver.url("/hangup/"))
    call = await switch.call()
    assert await finished(app, call) == "USER_BUSY"
    (refused,), (asked,) = app.told("/answer/"), app.told("/spare/")
    assert asked == refused
    (over,) = app.told("/hangup/")
    assert (over["HangupCauseName"], over["HangupSource"], over["Duration"]) == ("Busy Line", "Answer XML", "0")
    assert "AnswerTime" not in over
    app.signed()


async def test_what_a_dialling_tells(app: Application, switch: Switch) -> None:
    """callbackUrl of Dial: the answer, digits that were waited for, the end; then the action, and the hangup URL."""
    made = plivoxml.ResponseElement()
    dial = plivoxml.DialElement(
        action=app.receiver.url("/parted/"),
        redirect=False,
        caller_id="15559990000",
        callback_url=app.receiver.url("/dial-events/"),
        digits_match="42,7",
    )
    dial.add(plivoxml.NumberElement("2001"))
    made.add(dial)
    app.answers("/answer/", made)
    app.daemon.changes.update(DIALLING)
    await app.start(hangup_url=app.receiver.url("/hangup/"))
    call = await switch.call(script=(Silence(1.0), Digits("42"), Tone(30.0, VOICE)))
    assert await finished(app, call) == "NORMAL_CLEARING"
    events = app.told("/dial-events/")
    assert [(told["Event"], told["DialAction"]) for told in events] == [
        ("DialAnswer", "answer"),
        ("DialDigitsMatch", "digits"),
        ("DialHangup", "hangup"),
    ]
    answered, pressed, over = events
    (asked,) = app.told("/answer/")
    assert {told["DialALegUUID"] for told in events} == {asked["CallUUID"]}
    assert len({told["DialBLegUUID"] for told in events}) == 1
    assert {(told["DialBLegFrom"], told["DialBLegTo"]) for told in events} == {("15559990000", "2001")}
    assert {told["CallStatus"] for told in events} == {"in-progress"}
    assert (answered["DialBLegStatus"], over["DialBLegStatus"]) == ("answer", "hangup")
    assert (pressed["DialDigitsMatch"], pressed["DialDigitsPressedBy"]) == ("42", "ALeg")
    assert int(over["DialBLegDuration"]) == pytest.approx(2, abs=1 + late(switch))
    assert over["DialBLegBillDuration"] == over["DialBLegDuration"]
    assert over["DialBLegHangupCause"] == "NORMAL_CLEARING"
    assert (over["DialBLegHangupCauseName"], over["DialBLegHangupCauseCode"]) == ("Normal Hangup", "4000")
    (parted,) = app.told("/parted/")
    assert (parted["DialStatus"], parted["DialHangupCause"]) == ("completed", "NORMAL_CLEARING")
    assert parted["DialBLegUUID"] == answered["DialBLegUUID"]
    app.signed()
