"""Dialling over the whole daemon: who is heard on which side, who does not answer, and hostile numbers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.calls.events import CallReleased, CallResumed
from controller.dialects.swml import asking, program
from controller.documents.steps import Dial, DialRecording, Party, PartyKind
from controller.recordings.model import Channels, RecordingRequest, StatusTarget, Track
from controller.softswitch.script import Digits, Silence, Tone
from tests.harness.audio import Interval, Sound, read_wav
from tests.harness.esl import Event, connected
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, late, record_call

CALLER, CALLEE, EARLY, SHORT = 1000.0, 600.0, 900.0, 700.0
"""Whose tone is which, in Hz: the caller's, 2000's and 2004's, an announcement's, 2001's."""

SPEAKING = (Tone(60.0, hz=CALLER),)
DIALLING = {"dial": {"number": "loopback/{number}/fsrec-harness", "sip": "sofia/internal/{uri}"}}
END: dict[str, Any] = {"hangup": {}}
FOREVER = {"sleep": -1}


@pytest.fixture
def dialling(daemon: Daemon) -> Daemon:
    """A daemon that dials the harness's callees."""
    daemon.changes = dict(DIALLING)
    return daemon


def told(daemon: Daemon, name: str = "connect_result") -> dict[str, Any]:
    """A step that tells the receiver a variable."""
    return {
        "request": {
            "url": daemon.receiver.url("/told"),
            "method": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": {"result": f"%{{{name}}}", "reason": "%{connect_failed_reason}"},
        }
    }


async def result(daemon: Daemon, timeout: float = 20.0) -> tuple[str, str | None]:
    """What a document told of its connect."""
    [request] = await daemon.receiver.wait(lambda request: request.path == "/told", timeout=timeout)
    return request.json["result"], request.json["reason"]


async def heard(daemon: Daemon, url: str, path: Path) -> Sound:
    assert await daemon.fetch(url, path) == 200
    return read_wav(path)


def loud(sound: Sound, channel: int) -> Interval:
    """The longest stretch in which a channel is not silent, without its edges."""
    longest = max(sound.sounding(channel), key=lambda interval: interval.seconds)
    return Interval(longest.start + 0.05, longest.end - 0.05)


def near(found: float, hz: float) -> bool:
    return abs(found - hz) < 12


async def test_two_legs_are_two_channels(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """In stereo the caller is left and who was dialled right; mono has both, one direction one of them each."""
    receiver = dialling.receiver
    dialling.say(
        record_call(receiver, "stereo", stereo=True),
        record_call(receiver, "mono"),
        record_call(receiver, "in", direction="speak"),
        record_call(receiver, "out", direction="listen"),
        {"connect": {"to": "2000", "max_duration": 2}},
        END,
    )
    await dialling.start()
    call = await switch.call(script=SPEAKING)
    ends = {end["control_id"]: end for end in await callbacks.ends(4)}
    assert await call.ended() == "NORMAL_CLEARING"
    sounds = {name: await heard(dialling, end["url"], tmp_path / f"{name}.wav") for name, end in ends.items()}
    stereo = sounds["stereo"]
    assert stereo.channels == 2
    assert near(stereo.hz(0, loud(stereo, 0)), CALLER)
    assert near(stereo.hz(1, loud(stereo, 1)), CALLEE)
    assert abs(loud(stereo, 1).seconds + 0.1 - 2.0) < 0.3 + late(switch)
    both = loud(stereo, 1)
    for hz in (CALLER, CALLEE):
        assert strength(sounds["mono"], both, hz) > 20 * strength(sounds["mono"], both, 1300.0)
    assert near(sounds["in"].hz(0, loud(sounds["in"], 0)), CALLER)
    assert near(sounds["out"].hz(0, loud(sounds["out"], 0)), CALLEE)


def strength(sound: Sound, within: Interval, hz: float) -> float:
    """How strong a frequency is within a stretch of a mono file."""
    samples = sound.channel(0)[round(within.start * sound.rate) : round(within.end * sound.rate)]
    wave = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / sound.rate)
    return float(abs(np.dot(samples * np.hanning(len(samples)), wave)))


@pytest.mark.parametrize(
    ("connect", "reason"),
    [
        ({"to": "2002"}, "busy"),
        ({"to": "2003", "timeout": 1}, "no_answer"),
        ({"to": "2006", "timeout": 1}, "no_answer"),
        ({"to": "2005"}, "busy"),
        ({"to": "2007"}, "UNALLOCATED_NUMBER"),
        ({"parallel": [{"to": "2003"}, {"to": "2003"}], "timeout": 1}, "no_answer"),
        ({"serial": [{"to": "2007"}, {"to": "2002"}]}, "busy"),
    ],
    ids=["busy", "no answer", "only announced", "announced busy", "unknown", "all silent", "the last one's"],
)
@pytest.mark.parametrize("answered", [True, False], ids=["answered", "not answered"])
async def test_nobody_answers(
    dialling: Daemon, switch: Switch, connect: dict[str, Any], reason: str, answered: bool
) -> None:
    """The document goes on with the leg, answered or not, and knows why."""
    dialling.say({"connect": {**connect, "answer_on_bridge": not answered}}, told(dialling), END)
    await dialling.start()
    call = await switch.call(script=SPEAKING)
    assert await result(dialling) == ("failed", reason)
    assert await call.ended() == "NORMAL_CLEARING"


@pytest.mark.parametrize(
    "connect",
    [
        {"to": "2001"},
        {"serial": [{"to": "2002"}, {"to": "2003"}, {"to": "2001"}], "timeout": 2},
        {"parallel": [{"to": "2003"}, {"to": "2001"}, {"to": "2002"}, {"to": "2006"}]},
        {"serial_parallel": [[{"to": "2002"}, {"to": "2007"}], [{"to": "2003"}, {"to": "2001"}]]},
    ],
    ids=["one", "the third", "the first of many", "of the second group"],
)
async def test_somebody_answers(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, connect: dict[str, Any]
) -> None:
    """Who answers first is heard, the others stop ringing, and the document goes on when they part."""
    dialling.say(
        record_call(dialling.receiver, direction="listen"),
        {"connect": {**connect, "answer_on_bridge": True}},
        told(dialling),
        END,
    )
    await dialling.start()
    call = await switch.call(script=SPEAKING)
    assert await result(dialling) == ("connected", "")
    assert await call.ended() == "NORMAL_CLEARING"
    sound = await heard(dialling, (await callbacks.wait("finished"))["url"], tmp_path / "got.wav")
    end = sound.sounding(0)[-1].end  # the ring was heard before
    assert near(sound.hz(0, Interval(end - 1.5, end - 0.05)), SHORT)
    async with connected(switch.direct) as esl:
        await nobody_left(esl)


async def nobody_left(esl: Any) -> None:
    """Wait until the switch has no leg at all."""
    async with asyncio.timeout(15):
        while json.loads(await esl.api("show channels as json"))["row_count"]:
            await asyncio.sleep(0.05)


async def test_early_media_is_heard_and_not_recorded_as_a_conversation(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An announcement is heard before the answer; a dial's own recording begins with the answer, not with it."""
    recorded(monkeypatch, dialling)
    dialling.say(
        record_call(dialling.receiver, direction="listen"),
        {"connect": {"to": "2004", "max_duration": 2}},
        told(dialling),
        END,
    )
    await dialling.start()
    await switch.call(script=SPEAKING)
    assert await result(dialling) == ("connected", "")
    ends = {end["control_id"]: end for end in await callbacks.ends(2)}
    whole = await heard(dialling, ends["rec"]["url"], tmp_path / "whole.wav")
    early = whole.sounding(0)[0]
    assert near(whole.hz(0, Interval(early.start + 0.1, early.start + 0.8)), EARLY)
    of_dial = await heard(dialling, ends["dial"]["url"], tmp_path / "dial.wav")
    assert of_dial.channels == 2
    assert near(of_dial.hz(0, loud(of_dial, 0)), CALLER)
    assert near(of_dial.hz(1), CALLEE)
    assert abs(of_dial.seconds - 2.0) < 0.3 + late(switch)


def recorded(monkeypatch: pytest.MonkeyPatch, daemon: Daemon, *, early: bool = False) -> None:
    """Have each connect record what is dialled, as other dialects' verbs wish it."""
    request = RecordingRequest(
        *(Channels.DUAL, Track.BOTH, "wav", "dial", "swml.record_call"),
        status=StatusTarget(daemon.receiver.url("/status")),
    )
    monkeypatch.setattr(program, "step", changed(asking.step, recording=DialRecording(request, early)))


async def test_a_conversation_is_recorded(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its answer to its end alone, parent left, child right; the call goes on, and so does its own recording."""
    recorded(monkeypatch, dialling)
    dialling.say(
        record_call(dialling.receiver),
        {"connect": {"serial": [{"to": "2002"}, {"to": "2001"}]}},
        {"sleep": 1500},
        END,
    )
    await dialling.start()
    await switch.call(script=SPEAKING)
    end = await callbacks.wait("finished", "dial")
    whole = await callbacks.wait("finished")
    sound = await heard(dialling, end["url"], tmp_path / "dial.wav")
    assert (near(sound.hz(0), CALLER), near(sound.hz(1), SHORT)) == (True, True)
    assert abs(sound.seconds - 2.0) < 0.3 + late(switch)
    assert whole["duration"] > sound.seconds + 2.0
    assert dialling.unfinished() == []


async def test_the_ringing_is_recorded_too(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is wished, from the first ringing on."""
    recorded(monkeypatch, dialling, early=True)
    dialling.say({"connect": {"to": "2001"}}, END)
    await dialling.start()
    await switch.call(script=SPEAKING)
    sound = await heard(dialling, (await callbacks.wait("finished", "dial"))["url"], tmp_path / "dial.wav")
    assert abs(sound.seconds - 3.0) < 0.4 + late(switch)
    assert near(sound.hz(1, loud(sound, 1)), SHORT)


async def test_a_conversation_has_a_limit(dialling: Daemon, switch: Switch) -> None:
    """Who was dialled is hung up when it is over, and the document goes on."""
    dialling.say({"connect": {"to": "2000", "max_duration": 1}}, told(dialling), END)
    await dialling.start()
    call = await switch.call(script=SPEAKING)
    assert await result(dialling) == ("connected", "")
    assert await call.ended() == "NORMAL_CLEARING"


@pytest.mark.parametrize("when", ["while it rings", "while they talk"])
async def test_hangup_on_star(dialling: Daemon, switch: Switch, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """A star ends the conversation and not the call; pressed while it rings, it does so as soon as it is heard."""
    monkeypatch.setattr(program, "step", changed(asking.step, hangup_on_star=True))
    rings = when == "while it rings"
    dialling.say({"connect": {"to": "2001" if rings else "2000"}}, told(dialling), END)
    await dialling.start()
    pause = 0.3 if rings else 1.0
    call = await switch.call(script=(Silence(pause), Digits("7*"), Tone(60.0, hz=CALLER)))
    assert await result(dialling) == ("connected", "")
    assert await call.ended() == "NORMAL_CLEARING"


@pytest.mark.parametrize("callee", ["2003", "2000"])
async def test_the_caller_hangs_up(dialling: Daemon, switch: Switch, callee: str) -> None:
    """While it rings, or while they talk: nobody is left on the line, and nothing runs on."""
    dialling.say({"answer": {}}, {"connect": {"to": callee}}, told(dialling), END)
    await dialling.start()
    async with connected(switch.direct, "CHANNEL_ORIGINATE", "CHANNEL_ANSWER") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=SPEAKING)

            def dialled(event: Event) -> bool:
                name = "CHANNEL_ANSWER" if callee == "2000" else "CHANNEL_ORIGINATE"
                return event["Event-Name"] == name and "variable_fsrec_dialler" in event

            await watch.wait(dialled)
        await asyncio.sleep(0.3)
        await call.hangup()
        await call.ended()
        await nobody_left(esl)
    assert dialling.receiver.to("/told") == []


async def test_a_leg_that_is_taken_from_its_conversation(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transfer ends the document and the recording of what was dialled; that of the leg goes on."""
    recorded(monkeypatch, dialling)
    dialling.say(record_call(dialling.receiver), {"connect": {"to": "2000"}}, told(dialling), END)
    await dialling.start()
    call = await switch.call(script=SPEAKING)
    await callbacks.wait("recording", "dial")
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_transfer {call.leg} sleep:100000 inline")).startswith("+OK")
    await callbacks.wait("finished", "dial")
    await dialling.until(lambda: len(dialling.seen(CallReleased)) == 1)
    assert call.alive
    assert callbacks.states() == ["recording"]
    assert dialling.receiver.to("/told") == []
    await call.hangup()
    await callbacks.wait("finished")


@pytest.mark.parametrize("callee", ["2003", "2000"], ids=["while it rings", "while they talk"])
@pytest.mark.parametrize("lost", ["link", "daemon"])
async def test_what_is_lost_meanwhile(
    dialling: Daemon,
    switch: Switch,
    callbacks: Callbacks,
    monkeypatch: pytest.MonkeyPatch,
    callee: str,
    lost: str,
) -> None:
    """The link or the daemon goes and comes back: who rings rings on, who talks talks on, with timeout and limit."""
    recorded(monkeypatch, dialling)
    dialling.say({"connect": {"to": callee, "timeout": 4, "max_duration": 4}}, told(dialling), END)
    await dialling.start()
    async with connected(switch.direct, "CHANNEL_ORIGINATE") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=SPEAKING)
            await watch.wait(lambda event: "variable_fsrec_dialler" in event)
            if callee == "2000":
                await callbacks.wait("recording", "dial")
            await asyncio.sleep(0.5)
            if lost == "daemon":
                await dialling.stop()
                await asyncio.sleep(0.5)
                await dialling.start()
                await dialling.until(lambda: len(dialling.seen(CallResumed)) == 1)
            else:
                await switch.refuse_links()
                await switch.cut_links()
                await dialling.until(lambda: bool(dialling.problems()))
                await switch.refuse_links(False)
                await dialling.until(lambda: not dialling.problems())
            expected = ("connected", "") if callee == "2000" else ("failed", "no_answer")
            assert await result(dialling) == expected
            dialled = [event for event in watch.events if "variable_fsrec_dialler" in event]
    assert len(dialled) == 1
    assert await call.ended() == "NORMAL_CLEARING"
    if callee == "2000":
        assert abs((await callbacks.wait("finished", "dial"))["duration"] - 4.0) < 0.5 + late(switch)


HOSTILE = [
    "2000,loopback/app=system:touch {file}",
    "[execute_on_answer=system touch {file}]2000",
    "{{execute_on_answer='system touch {file}'}}2000",
    "2000|loopback/app=system:touch {file}",
    "2000:_:loopback/app=system:touch {file}",
    "app=system:touch {file}",
    "${{system touch {file}}}",
    "sip:2000@127.0.0.1,loopback/app=system:touch {file}",
    "sip:2000@127.0.0.1;x=[execute_on_answer=system touch {file}]",
    "sip:2000@127.0.0.1^sip:9@127.0.0.1",
    "<execute_on_answer='system touch {file}'>2000",
]


async def test_hostile_numbers_run_nothing(
    dialling: Daemon, switch: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As numbers and as SIP URIs, past every check of a dialect: nobody is dialled, and nothing is run."""
    file = tmp_path / "run"
    parties = tuple((Party(kind, text.format(file=file)),) for text in HOSTILE for kind in PartyKind)
    monkeypatch.setattr(program, "step", changed(asking.step, groups=parties))
    dialling.say({"connect": {"to": "2000", "timeout": 2}}, told(dialling), END)
    await dialling.start()
    async with connected(switch.direct, "CHANNEL_ORIGINATE") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=SPEAKING)
            assert (await result(dialling))[0] == "failed"
            await call.ended()
            assert [event for event in watch.events if "variable_fsrec_dialler" in event] == []
    assert not file.exists()


def changed(plain: Any, **fields: Any) -> Any:
    """Have each dialling be another one, as other dialects' verbs wish it."""

    def step(*given: Any) -> Any:
        made = plain(*given)
        return replace(made, **fields) if isinstance(made, Dial) else made

    return step
