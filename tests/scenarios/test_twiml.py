"""TwiML on whole calls: webhooks as Twilio and LaML make them, recordings, their callbacks, what is in the files."""

from __future__ import annotations

import asyncio
import re
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Gather, Start, Stop, VoiceResponse

from controller.calls.events import CallFailed, StepFailed
from controller.documents.events import DocumentWarned
from controller.softswitch.script import Digits, Silence, Tone
from tests.dialects.twiml.sample import AC, PROJECT
from tests.dialects.twiml.seed_rows import PARAMETERS, rows
from tests.harness.audio import read_wav
from tests.harness.receiver import Answer, Receiver, Request
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Daemon, late

AUTH_TOKEN = "twilio-auth-token"
SIGNING_KEY = "PSK_laml"
VOICE, PLAYED = 440.0, 1000.0
CALLER = "15551230000"
EVERY = "in-progress completed absent"
LAML = {"AccountSid", "CallSid", "RecordingSid", "RecordingUrl", "RecordingStatus", "RecordingDuration"} | {
    *("RecordingChannels", "RecordingSource")
}


@dataclass(slots=True)
class Application:
    """A web application as people write them for Twilio: documents by path, and what it was asked."""

    daemon: Daemon
    vendor: str = "twilio"
    paths: list[str] = field(default_factory=list)

    @property
    def receiver(self) -> Receiver:
        return self.daemon.receiver

    def answers(self, path: str, document: VoiceResponse | str, **more: Any) -> None:
        """Give a path its document."""
        self.receiver.plan(path, Answer(200, str(document).encode(), {"Content-Type": "text/xml"}, **more))

    async def start(self, path: str = "/voice", **route: Any) -> None:
        """Route destination 1001 to a path, and start the daemon."""
        accounts: dict[str, dict[str, Any]] = {
            "twilio": {"vendor": "twilio", "account_sid": AC, "auth_token": AUTH_TOKEN},
            "signalwire": {
                "vendor": "signalwire",
                "project_id": PROJECT,
                "api_token": "api-token",
                "signing_key": SIGNING_KEY,
            },
        }
        account = {"name": "app", **accounts[self.vendor]}
        asked = {"document": self.receiver.url(path), **route}
        self.daemon.changes["accounts"] = [account]
        self.daemon.changes["routes"] = [{"destination": "^1001$", "account": "app", **asked}]
        await self.daemon.start()

    def told(self, path: str = "/cb") -> list[dict[str, str]]:
        """What a path was told so far."""
        return [parameters(request) for request in self.receiver.to(path)]

    async def event(self, event: str, path: str = "/cb", timeout: float = 30.0) -> dict[str, str]:
        """Wait for the first callback of an event; its parameters."""
        found = await self.receiver.wait(
            lambda request: request.path == path and parameters(request)["RecordingStatus"] == event, timeout=timeout
        )
        return parameters(found[0])

    def signed(self) -> None:
        """Have the vendor's own validator accept every request that came."""
        laml = self.vendor == "signalwire"
        header, key = ("X-SignalWire-Signature", SIGNING_KEY) if laml else ("X-Twilio-Signature", AUTH_TOKEN)
        assert self.receiver.requests
        for request in self.receiver.requests:
            if request.path.endswith(".wav"):
                continue
            url = self.receiver.url(request.path) + (f"?{request.query}" if request.query else "")
            form = request.form if request.method == "POST" else {}
            assert RequestValidator(key).validate(url, form, request.header(header)), request


def parameters(request: Request) -> dict[str, str]:
    return request.form if request.method == "POST" else dict(parse_qsl(request.query, keep_blank_values=True))


def recording(start: Start, receiver: Receiver, **attributes: Any) -> Start:
    """A <Recording> whose callbacks all come."""
    start.recording(
        **{
            "recording_status_callback": receiver.url("/cb"),
            "recording_status_callback_event": EVERY,
            "trim": "do-not-trim",
            **attributes,
        }
    )
    return start


def tone_file(seconds: float = 1.0, hz: float = PLAYED) -> Answer:
    """A WAV that is loud from its first sample to its last."""
    import io

    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        samples = 16000 * np.cos(2 * np.pi * hz * np.arange(round(seconds * 8000)) / 8000)
        file.writeframes(samples.astype("<i2").tobytes())
    return Answer(200, made.getvalue(), {"Content-Type": "audio/wav"})


def file_of(switch: Switch, told: dict[str, str]) -> Path:
    """The file that the switch wrote for a recording."""
    sid = told["RecordingSid"].removeprefix("RE").replace("-", "")
    (found,) = [path for path in switch.recordings.glob("*.wav") if path.stem.replace("-", "") == sid]
    return found


@pytest.fixture
def app(daemon: Daemon) -> Application:
    return Application(daemon)


async def finished(app: Application, call: Call, timeout: float = 30.0) -> str:
    """Wait for a call's end, and until everything that it left is told."""
    cause = await call.ended(timeout)
    await app.daemon.until(lambda: app.daemon.unfinished() == [] and app.daemon.quiet(), 20)
    return cause


async def test_a_call_that_is_recorded_as_a_whole(app: Application, switch: Switch) -> None:
    """Seed 004's example: the webhook, the callbacks with every row of the table, in order, all signed."""
    made = VoiceResponse()
    made.append(recording(Start(), app.receiver, recording_status_callback_event=["in-progress", "completed"]))
    made.say("The recording has started.")
    made.pause(length=1)
    app.answers("/voice", made)
    await app.start()
    call = await switch.call(script=(Tone(30.0, VOICE),), caller_name="Ada")
    assert await finished(app, call) == "NORMAL_CLEARING"
    (asked,) = app.told("/voice")
    assert asked["From"] == asked["Caller"] == CALLER
    assert (asked["To"], asked["CallStatus"], asked["Direction"]) == ("1001", "ringing", "inbound")
    assert (asked["AccountSid"], asked["ApiVersion"], asked["CallerName"]) == (AC, "2010-04-01", "Ada")
    began, ended = app.told()
    assert [began["RecordingStatus"], ended["RecordingStatus"]] == ["in-progress", "completed"]
    assert began["RecordingSid"] == ended["RecordingSid"]
    assert re.fullmatch("RE[0-9a-f]{32}", ended["RecordingSid"])
    assert ended["CallSid"] == began["CallSid"] == asked["CallSid"]
    seeds = {row[0] for row in rows(PARAMETERS)}
    assert set(ended) == seeds | {"ErrorCode"}
    assert set(began) == seeds - {"RecordingDuration"} | {"ErrorCode"}
    assert ended["RecordingUrl"] == f"{app.daemon.url}/2010-04-01/Accounts/{AC}/Recordings/{ended['RecordingSid']}"
    assert (ended["RecordingChannels"], ended["RecordingTrack"]) == ("2", "both")
    assert (ended["RecordingSource"], ended["ErrorCode"]) == ("StartCallRecordingTwiML", "0")
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", ended["RecordingStartTime"])
    sound = read_wav(file_of(switch, ended))
    assert sound.channels == 2
    assert abs(int(ended["RecordingDuration"]) - sound.seconds) <= 0.5 + late(switch)
    assert sound.hz(0) == pytest.approx(VOICE, abs=5)
    app.signed()


async def test_the_first_20_ms_after_the_start_are_in_the_file(app: Application, switch: Switch) -> None:
    """What is played next begins only when the recording runs: every sample of it is there."""
    app.receiver.plan("/tone.wav", tone_file(1.0))
    made = VoiceResponse()
    made.append(recording(Start(), app.receiver, track="outbound"))
    made.play("/tone.wav")
    made.pause(length=1)
    app.answers("/voice", made)
    await app.start()
    assert await finished(app, await switch.call()) == "NORMAL_CLEARING"
    told = await app.event("completed")
    sound = read_wav(file_of(switch, told))
    (tone,) = sound.sounding()
    samples = np.abs(sound.channel(0))
    loud = np.flatnonzero(samples > 0.1 * samples.max())
    assert (loud[-1] - loud[0] + 1) / sound.rate == pytest.approx(1.0, abs=0.004 + late(switch) / 100)
    assert sound.hz(0, tone) == pytest.approx(PLAYED, abs=5)
    assert (told["RecordingChannels"], told["RecordingTrack"]) == ("1", "outbound")


async def test_a_recording_survives_redirects_and_actions(app: Application, switch: Switch) -> None:
    """It lives to the call's end, whatever documents follow; each is asked for with the call's parameters."""
    made = VoiceResponse()
    made.append(recording(Start(), app.receiver, channels="mono"))
    made.redirect("/next?a=1", method="GET")
    app.answers("/voice", made)
    following = VoiceResponse()
    gather = Gather(action="digits", num_digits=2, timeout=10)
    following.append(gather)
    app.answers("/next", following)
    last = VoiceResponse()
    last.pause(length=1)
    app.answers("/digits", last)
    await app.start()
    call = await switch.call(script=(Silence(1.0), Digits("42"), Tone(30.0, VOICE)))
    assert await finished(app, call) == "NORMAL_CLEARING"
    assert [entry["RecordingStatus"] for entry in app.told()] == ["in-progress", "completed"]
    (redirected,) = app.receiver.to("/next")
    assert (redirected.method, redirected.query[:4]) == ("GET", "a=1&")
    assert parameters(redirected)["CallStatus"] == "in-progress"
    (pressed,) = app.told("/digits")
    assert pressed["Digits"] == "42"
    sound = read_wav(file_of(switch, app.told()[-1]))
    assert sound.channels == 1
    assert sound.sounding()[-1].seconds == pytest.approx(1.0, abs=0.5 + late(switch))
    app.signed()


async def test_stop_by_name(app: Application, switch: Switch) -> None:
    """The named one ends at its <Stop>, another goes on; a name that is none is a warning, and the call goes on."""
    made = VoiceResponse()
    start = recording(Start(), app.receiver, name="one", recording_status_callback=app.receiver.url("/one"))
    made.append(recording(start, app.receiver, name="two", recording_status_callback=app.receiver.url("/two")))
    made.pause(length=2)
    stop = Stop()
    stop.nest(Start().recording(name="one"))
    stop.nest(Start().recording(name="nobody"))
    made.append(stop)
    made.pause(length=2)
    app.answers("/voice", made)
    await app.start()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    stopped = await app.event("completed", "/one")
    assert call.alive
    assert await finished(app, call) == "NORMAL_CLEARING"
    lasting = await app.event("completed", "/two")
    assert read_wav(file_of(switch, stopped)).seconds == pytest.approx(2.0, abs=0.3 + late(switch))
    assert read_wav(file_of(switch, lasting)).seconds == pytest.approx(4.0, abs=0.5 + 2 * late(switch))
    (failed,) = app.daemon.seen(StepFailed)
    assert "'nobody'" in failed.why
    app.signed()


async def test_voicemail(app: Application, switch: Switch) -> None:
    """<Record>: the action hears where the message is and which key ended it, and its document plays it back."""
    app.receiver.plan("/greeting.wav", tone_file(0.5))
    made = VoiceResponse()
    made.play("greeting.wav")
    made.record(
        action="/done",
        timeout=10,
        finish_on_key="#",
        trim="do-not-trim",
        recording_status_callback="/cb",
        recording_status_callback_event=EVERY,
    )
    made.say("Nobody said anything.")
    app.answers("/voice", made)
    waiting = VoiceResponse()
    waiting.pause(length=2)
    waiting.redirect("/play")
    app.answers("/done", waiting)
    await app.start()
    call = await switch.call(script=(Silence(3.0), Tone(2.0, VOICE), Silence(0.5), Digits("#")))
    done = (await app.receiver.wait("/done", timeout=20))[0].form
    after = VoiceResponse()
    ear = app.receiver.url("/ear")
    after.append(recording(Start(), app.receiver, track="outbound", recording_status_callback=ear))
    after.play(done["RecordingUrl"])
    app.answers("/play", after)
    assert await finished(app, call) == "NORMAL_CLEARING"
    told = await app.event("completed")
    assert done["RecordingSid"] == told["RecordingSid"]
    assert done["RecordingUrl"] == told["RecordingUrl"]
    assert (done["Digits"], done["CallStatus"]) == ("#", "in-progress")
    assert done["RecordingDuration"] == told["RecordingDuration"]
    assert (told["RecordingSource"], told["RecordingChannels"], told["RecordingTrack"]) == ("RecordVerb", "1", "both")
    sound = read_wav(file_of(switch, told))
    (spoken,) = sound.sounding()
    assert spoken.seconds == pytest.approx(2.0, abs=0.1)
    assert sound.hz(0, spoken) == pytest.approx(VOICE, abs=5), "neither the greeting nor the beep is in the message"
    heard = read_wav(file_of(switch, await app.event("completed", "/ear")))
    (again,) = heard.sounding()
    assert again.seconds == pytest.approx(2.0, abs=0.1)
    assert heard.hz(0, again) == pytest.approx(VOICE, abs=5)
    app.signed()


async def test_voicemail_of_nobody(app: Application, switch: Switch) -> None:
    """A message in which nobody speaks goes to no action: the next verb runs."""
    made = VoiceResponse()
    made.record(action="/done", timeout=2, recording_status_callback="/cb", recording_status_callback_event=EVERY)
    made.redirect("/silence")
    app.answers("/voice", made)
    app.answers("/silence", VoiceResponse())
    await app.start()
    assert await finished(app, await switch.call()) == "NORMAL_CLEARING", app.daemon.events
    assert len(app.told("/silence")) == 1
    assert app.told("/done") == []
    assert [entry["RecordingStatus"] for entry in app.told()] == ["in-progress", "completed"]


async def test_hangup_within_a_message(app: Application, switch: Switch) -> None:
    """The action still hears of it, with ``hangup`` for its digits and a call that is completed."""
    made = VoiceResponse()
    made.record(action="/done", timeout=0, recording_status_callback="/cb")
    app.answers("/voice", made)
    await app.start()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    await app.receiver.wait("/voice")
    await asyncio.sleep(3.0)  # of the message
    await call.hangup()
    (done,) = await app.receiver.wait("/done", timeout=20)
    told = await app.event("completed")
    assert (done.form["Digits"], done.form["CallStatus"]) == ("hangup", "completed")
    assert done.form["RecordingSid"] == told["RecordingSid"]
    await app.daemon.until(lambda: app.daemon.unfinished() == [])
    app.signed()


async def test_laml(app: Application, switch: Switch) -> None:
    """A SignalWire account's XML: asked for by a form, told LaML's parameters, signed by the signing key."""
    app.vendor = "signalwire"
    made = VoiceResponse()
    made.append(recording(Start(), app.receiver, recording_status_callback_method="GET"))
    made.pause(length=2)
    app.answers("/voice", made)
    await app.start(dialect="twiml", method="GET")
    assert await finished(app, await switch.call(script=(Tone(30.0, VOICE),))) == "NORMAL_CLEARING"
    (asked,) = app.told("/voice")
    began, ended = app.told()
    assert set(ended) == LAML
    assert set(began) == LAML - {"RecordingDuration"}
    assert ended["AccountSid"] == PROJECT
    assert re.fullmatch("[0-9a-f-]{36}", ended["RecordingSid"])
    assert ended["CallSid"] == asked["CallSid"]
    url = f"{app.daemon.url}/api/laml/2010-04-01/Accounts/{PROJECT}/Recordings/{ended['RecordingSid']}"
    assert ended["RecordingUrl"] == url
    assert {request.method for request in app.receiver.requests} == {"GET"}
    app.signed()


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_of_a_post(app: Application, switch: Switch, status: int) -> None:
    """It is followed by a GET without what was posted; what was asked for by GET keeps the call in its query."""
    app.receiver.plan("/voice", Answer(status, b"", {"Location": "/led?a=1"}))
    made = VoiceResponse()
    made.redirect("/asked", method="GET")
    app.answers("/led", made)
    app.receiver.plan("/asked", Answer(status, b"", {"Location": "/kept"}))
    app.answers("/kept", VoiceResponse())
    await app.start()
    assert await finished(app, await switch.call()) == "NORMAL_CLEARING"
    (led,) = app.receiver.to("/led")
    assert (led.method, led.query, led.body) == ("GET", "a=1", b"")
    (kept,) = app.receiver.to("/kept")
    assert (kept.method, parameters(kept)["CallSid"]) == ("GET", parameters(app.receiver.to("/voice")[0])["CallSid"])
    app.signed()


async def test_fallbacks(app: Application, switch: Switch) -> None:
    """Of the first document, and of one that follows: asked for with why, by the route's own URL."""
    app.receiver.plan("/voice", 500)
    rescue = VoiceResponse()
    rescue.redirect("/gone")
    app.receiver.plan(
        "/fallback",
        Answer(200, str(rescue).encode()),
        Answer(200, b"<Response><Hangup/></Response>"),
    )
    app.receiver.plan("/gone", Answer(200, b"<Response><Say>"))
    await app.start(fallback=app.receiver.url("/fallback"))
    assert await finished(app, await switch.call()) == "NORMAL_CLEARING"
    first, second = app.told("/fallback")
    assert (first["ErrorCode"], first["ErrorUrl"]) == ("11200", app.receiver.url("/voice"))
    assert (second["ErrorCode"], second["ErrorUrl"]) == ("12100", app.receiver.url("/gone"))
    assert len(app.receiver.to("/voice")) == 1, "a 500 is not tried again"
    app.signed()


@pytest.mark.parametrize(
    "document",
    [
        "",
        "Not found",
        ' <?xml version="1.0"?><Response/>',
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><Response><Say>&x;</Say></Response>',
        "<Response><Enqueue>x</Enqueue></Response>",
        "<Response>" * 5_000,
        "<Response><Say>" + "x" * 2**20 + "</Say></Response>",
        "<Response><Say>\xff</Say></Response>",
        '{"version": "1.0.0", "sections": {"main": []}}',
    ],
)
async def test_documents_that_are_refused(app: Application, switch: Switch, document: str) -> None:
    """The caller is not left in silence, and nothing of it runs."""
    app.receiver.plan("/voice", Answer(200, document.encode("latin-1")))
    await app.start()
    assert await finished(app, await switch.call()) == "NORMAL_TEMPORARY_FAILURE"
    assert len(app.daemon.seen(CallFailed)) == 1
    assert list(switch.recordings.glob("*.wav")) == []


async def test_what_is_wrong_in_a_document_that_runs(app: Application, switch: Switch) -> None:
    """Wrong values and unknown attributes are warned of, with codes, and the defaults go."""
    cb = app.receiver.url("/cb")
    app.answers(
        "/voice",
        f'<Response><Start><Recording recordingStatusCallback="{cb}" trim="x" recordingStatusCallbackEvent="done" '
        'channels="7" colour="red"/></Start><Pause length="2"/></Response>',
    )
    await app.start()
    assert await finished(app, await switch.call(script=(Tone(30.0, VOICE),))) == "NORMAL_CLEARING"
    assert [entry["RecordingStatus"] for entry in app.told()] == ["completed"]
    assert app.told()[0]["RecordingChannels"] == "2"
    assert sorted(event.code for event in app.daemon.seen(DocumentWarned)) == [12200, 12200, 13621, 13699]


async def test_a_restart_amid_a_document_that_followed(app: Application, switch: Switch) -> None:
    """The daemon is killed: the same document goes on, at its verb, and the recording is told to its end, once."""
    made = VoiceResponse()
    made.append(recording(Start(), app.receiver))
    made.redirect("/next")
    app.answers("/voice", made)
    following = VoiceResponse()
    following.play("/tone.wav")
    following.pause(length=6)
    following.redirect("/last")
    app.answers("/next", following)
    app.answers("/last", VoiceResponse())
    app.receiver.plan("/tone.wav", tone_file(2.0))
    await app.start()
    await app.daemon.stop()
    await app.daemon.spawn()
    call = await switch.call(script=(Tone(60.0, VOICE),))
    await app.receiver.wait("/tone.wav", timeout=20)
    await app.daemon.kill()
    await app.daemon.spawn()
    assert await call.ended(30) == "NORMAL_CLEARING"
    told = await app.event("completed")
    assert [len(app.receiver.to(path)) for path in ("/voice", "/next", "/last")] == [1, 1, 1]
    assert read_wav(file_of(switch, told)).seconds > 5.0
    await app.daemon.until(lambda: app.daemon.unfinished() == [])
