"""Dialling in TwiML, and recordings over REST of a call that is bridged: the same two legs, heard by frequency."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from controller.calls.events import CallEnded, StepFailed
from tests.harness.audio import read_wav
from tests.harness.esl import connected
from tests.harness.receiver import Answer
from tests.harness.switch import Switch
from tests.scenarios.daemon import Daemon, late
from tests.scenarios.rest import TALK, TWILIO, Api, line, prepare
from tests.scenarios.test_dial import CALLEE, DIALLING, SHORT, loud, near, strength

CALLER = 440.0
"""The caller's tone, in Hz."""

HANGUP = Answer(200, b"<Response><Hangup/></Response>", {"Content-Type": "text/xml"})


async def test_a_dialled_conversation(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """Both recordings have the parent left and the child right; the action knows what became of the dialling."""
    receiver = daemon.receiver
    start = f'<Start><Recording channels="dual" recordingStatusCallback="{receiver.url("/start")}"/></Start>'
    dial = (
        f'<Dial record="record-from-answer-dual" recordingStatusCallback="{receiver.url("/dial")}" '
        f'action="{receiver.url("/after")}" sequential="true"><Number>2002</Number><Number>2001</Number></Dial>'
    )
    receiver.plan("/after", HANGUP)
    prepare(daemon, twiml=f"<Response>{start}{dial}</Response>", **DIALLING)
    await daemon.start()
    call = await switch.call(TWILIO.destination, TALK)
    assert await call.ended() == "NORMAL_CLEARING"
    [after] = await receiver.wait("/after")
    told = after.form
    assert told["DialCallStatus"] == "completed"
    assert told["DialCallSid"].startswith("CA")
    assert told["DialCallSid"] != told["CallSid"]
    assert abs(int(told["DialCallDuration"]) - 2) <= 1
    for path, source in (("/start", "StartCallRecordingTwiML"), ("/dial", "DialVerb")):
        [request] = await receiver.wait(path)
        form = request.form
        assert (form["CallSid"], form["RecordingSource"]) == (told["CallSid"], source)
        assert (form["RecordingStatus"], form["RecordingChannels"]) == ("completed", "2")
        assert await daemon.fetch(f"{form['RecordingUrl']}.wav", tmp_path / "got.wav") == 200
        sound = read_wav(tmp_path / "got.wav")
        assert near(sound.hz(0, loud(sound, 0)), CALLER)
        assert near(sound.hz(1, loud(sound, 1)), SHORT)
        if path == "/dial":
            assert abs(sound.seconds - 2.0) < 0.3 + late(switch)
            assert told["RecordingUrl"] == form["RecordingUrl"]


async def test_the_caller_hangs_up_amid_it(daemon: Daemon, switch: Switch) -> None:
    """The action still hears with whom they talked, and how long, of a call that is completed."""
    receiver = daemon.receiver
    dial = f'<Dial record="record-from-answer" action="{receiver.url("/after")}">2000</Dial>'
    prepare(daemon, twiml=f"<Response>{dial}</Response>", **DIALLING)
    await daemon.start()
    talking = await line(daemon, switch, TWILIO)
    await asyncio.sleep(2.0)  # of the conversation
    await talking.caller.hangup()
    [after] = await receiver.wait("/after", timeout=20)
    told = after.form
    assert (told["CallStatus"], told["DialCallStatus"], told["DialBridged"]) == ("completed", "completed", "true")
    assert int(told["DialCallDuration"]) >= 1
    assert told["DialCallSid"] != told["CallSid"]
    assert told["RecordingUrl"].startswith(daemon.url)
    await daemon.until(lambda: daemon.unfinished() == [])


@pytest.mark.parametrize(
    ("number", "status"), [("2002", "busy"), ("2003", "no-answer"), ("2007", "failed"), ("20-05", "busy")]
)
async def test_nobody_answers(daemon: Daemon, switch: Switch, number: str, status: str) -> None:
    """The action is asked with the status; nothing was recorded, and the caller was never answered for it."""
    receiver = daemon.receiver
    receiver.plan("/after", HANGUP)
    prepare(
        daemon,
        twiml=f'<Response><Dial timeout="2" record="true" action="{receiver.url("/after")}">{number}'
        "</Dial></Response>",
        **DIALLING,
    )
    await daemon.start()
    call = await switch.call(TWILIO.destination, TALK)
    [after] = await receiver.wait("/after")
    assert after.form["DialCallStatus"] == status
    assert "RecordingUrl" not in after.form
    assert await call.ended() == "NORMAL_CLEARING"


@pytest.mark.parametrize("number", ["2000,loopback/app=system:touch {file}", "[execute_on_answer=touch {file}]2000"])
@pytest.mark.parametrize("kind", ["Number", "Sip"])
async def test_hostile_numbers(daemon: Daemon, switch: Switch, tmp_path: Path, number: str, kind: str) -> None:
    """The dialling has failed, and nothing was run."""
    receiver, file = daemon.receiver, tmp_path / "run"
    receiver.plan("/after", HANGUP)
    dialled = number.format(file=file)
    prepare(
        daemon,
        twiml=f'<Response><Dial action="{receiver.url("/after")}"><{kind}>{dialled}</{kind}></Dial></Response>',
        **DIALLING,
    )
    await daemon.start()
    call = await switch.call(TWILIO.destination, TALK)
    [after] = await receiver.wait("/after")
    assert after.form["DialCallStatus"] == "failed"
    await call.ended()
    assert not file.exists()
    (failed,) = daemon.seen(StepFailed)
    assert "SIP URI" in failed.why if kind == "Sip" else "number" in failed.why


async def test_a_bridged_call_is_recorded_over_rest(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """Dual: parent left, child right, whichever leg is recorded; mono has both; one track has one of them each."""
    prepare(daemon, twiml="<Response><Dial>2000</Dial></Response>", **DIALLING)
    await daemon.start()
    async with connected(switch.direct, "CHANNEL_ANSWER") as esl:
        with esl.watch() as watch:
            talking = await line(daemon, switch, TWILIO)
            other = await watch.wait(
                lambda event: "variable_fsrec_dialler" in event and "Other-Leg-Unique-ID" in event
            )
    child = replace(talking, identity=other["Unique-ID"])
    api = Api(daemon, TWILIO)
    wishes = {
        "dual": {"RecordingChannels": "dual"},
        "mono": {},
        "inbound": {"RecordingTrack": "inbound"},
        "outbound": {"RecordingTrack": "outbound"},
        "child": {"RecordingChannels": "dual"},
    }
    sids = {}
    for name, wish in wishes.items():
        created = await api.create(child if name == "child" else talking, **wish)
        assert created.status == 201, created.body
        assert created.json["call_sid"] == talking.sid
        sids[name] = created.json["sid"]
    await asyncio.sleep(1.5)
    sounds = {}
    current = await api.update(child, "Twilio.CURRENT", Status="stopped")
    assert (current.status, current.json["code"]) == (400, 20001), "the recordings of both legs are the call's"
    listed = await api.ask("GET", f"/Calls/{child.sid}/Recordings.json")
    assert {one["sid"] for one in listed.json["recordings"]} == set(sids.values())
    for name, sid in sids.items():
        assert (await api.ask("GET", f"/Calls/{child.sid}/Recordings/{sid}.json")).json["sid"] == sid
        found_at = child if name == "child" else talking  # a client goes on where it created
        assert (await api.update(found_at, sid, Status="stopped")).status == 200
        await api.until(sid, "completed")
        url = f"{daemon.url}{TWILIO.prefix}/Accounts/{TWILIO.identity}/Recordings/{sid}.wav"
        assert await daemon.fetch(url, tmp_path / name) == 200
        sounds[name] = read_wav(tmp_path / name)
    for name in ("dual", "child"):
        assert near(sounds[name].hz(0), CALLER)
        assert near(sounds[name].hz(1), CALLEE)
    assert near(sounds["inbound"].hz(0), CALLER)
    assert near(sounds["outbound"].hz(0), CALLEE)
    assert [sounds[name].channels for name in wishes] == [2, 1, 1, 1, 2]
    for hz in (CALLER, CALLEE):
        assert strength(sounds["mono"], loud(sounds["mono"], 0), hz) > 20 * strength(
            sounds["mono"], loud(sounds["mono"], 0), 1300.0
        )
    await talking.caller.hangup()
    await daemon.until(lambda: len(daemon.seen(CallEnded)) == 1)
    for name, sid in sids.items():
        after = await api.ask("GET", f"/Calls/{child.sid}/Recordings/{sid}.json")
        assert (after.status, after.json["status"]) == (200, "completed"), name
    refused = await api.create(child)
    assert (refused.status, refused.json["code"]) == (400, 21220), "what is over is no longer in progress"
