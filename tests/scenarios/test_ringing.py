"""What is heard while a dial rings, over the whole daemon: the ring, early media, music; and who answers is asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.calls.events import CallResumed, StepFailed
from controller.dialects.swml import asking, program
from controller.documents.steps import AudioAt, Confirmation, Item, Quiet, Ringing, Speech
from tests.harness.audio import Interval, Sound, read_wav
from tests.harness.esl import Event, connected
from tests.harness.receiver import Answer
from tests.harness.sounds import tone
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, late, record_call
from tests.scenarios.test_dial import (
    CALLEE,
    EARLY,
    END,
    SHORT,
    SPEAKING,
    changed,
    dialling,
    heard,
    near,
    recorded,
    result,
    told,
)

__all__ = ["dialling"]

RING = (440.0, 480.0)
"""Hz of the American ring: two seconds of it, four of silence."""

MUSIC, QUESTION = 1850.0, 800.0
WINDOW = 0.1
"""Seconds in which a tone is looked for."""

STRONG = 0.02
"""Amplitude, of full scale, from which on a tone is heard."""


def hears(sound: Sound, *tones: float, channel: int = 0) -> list[Interval]:
    """When these tones were heard together, to a tenth of a second."""
    size = round(WINDOW * sound.rate)
    samples = sound.channel(channel)
    windows = samples[: len(samples) // size * size].reshape(-1, size) * np.hanning(size) * 2
    phases = np.exp(-2j * np.pi * np.outer(np.asarray(tones), np.arange(size)) / sound.rate)
    strengths = 2 * np.abs(windows @ phases.T) / size
    found: list[Interval] = []
    for at in np.flatnonzero(np.all(strengths > STRONG, axis=1)).tolist():
        start = at * WINDOW
        if found and start - found[-1].end < WINDOW / 2:
            found[-1] = Interval(found[-1].start, start + WINDOW)
        else:
            found.append(Interval(start, start + WINDOW))
    return found


def seconds(sound: Sound, *tones: float) -> float:
    return sum(interval.seconds for interval in hears(sound, *tones))


async def ears(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, path: Path, connect: dict[str, Any], rate: int = 8000
) -> Sound:
    """What an answered caller hears of a connect, whose document then ends."""
    dialling.say(record_call(dialling.receiver, direction="listen"), {"connect": connect}, told(dialling), END)
    await dialling.start()
    call = await switch.call(script=SPEAKING, rate=rate)
    end = await callbacks.wait("finished")
    await call.ended()
    return await heard(dialling, end["url"], path)


def wishing(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """Have each connect wish what other dialects can say of it."""
    monkeypatch.setattr(program, "step", changed(asking.step, **fields))


def at(dialling: Daemon, directory: Path, name: str, hz: float, length: float = 0.4) -> AudioAt:
    """A tone that the receiver serves."""
    made = tone(directory / name, "wav", seconds=length, hz=hz)
    dialling.receiver.plan(f"/{name}", Answer(200, made.read_bytes()))
    return AudioAt(dialling.receiver.url(f"/{name}"))


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_the_ring_is_heard_until_the_answer(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, rate: int
) -> None:
    """An answered caller hears it while 2001 rings for a second, and then 2001 alone."""
    sound = await ears(dialling, switch, callbacks, tmp_path / "got.wav", {"to": "2001"}, rate)
    [ring], [callee] = hears(sound, *RING), hears(sound, SHORT)
    assert abs(ring.seconds - 1.0) < 0.25 + late(switch)
    assert abs(callee.seconds - 2.0) < 0.25 + late(switch)
    assert abs(callee.start - ring.end) < 0.3


async def test_the_ring_has_its_cadence(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Two seconds of it, four of silence, and on; with the ringing it is over."""
    sound = await ears(dialling, switch, callbacks, tmp_path / "got.wav", {"to": "2003", "timeout": 7})
    first, second = hears(sound, *RING)
    assert abs(first.seconds - 2.0) < 0.25
    assert abs(second.start - first.start - 6.0) < 0.25
    assert abs(second.seconds - 1.0) < 0.3 + late(switch)
    assert await result(dialling) == ("failed", "no_answer")


async def test_a_single_callees_early_media_is_heard_instead(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """The announcement at once, without a ring before or under it."""
    connect = {"to": "2004", "max_duration": 1}
    sound = await ears(dialling, switch, callbacks, tmp_path / "got.wav", connect)
    assert abs(seconds(sound, EARLY) - 1.0) < 0.25 + late(switch)
    assert hears(sound, CALLEE)
    assert hears(sound, *RING) == []


async def test_of_several_callees_the_ring_is_heard(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Until one answers, whatever others of them announce."""
    connect = {"parallel": [{"to": "2003"}, {"to": "2004"}, {"to": "2006"}], "max_duration": 1}
    sound = await ears(dialling, switch, callbacks, tmp_path / "got.wav", connect)
    [ring], [callee] = hears(sound, *RING), hears(sound, CALLEE)
    assert abs(ring.seconds - 1.0) < 0.25 + late(switch)
    assert ring.end <= callee.start + WINDOW
    assert hears(sound, EARLY) == []


async def test_a_conversations_recording_has_no_ring(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins with the answer: no sample of what was heard before is in it."""
    recorded(monkeypatch, dialling)
    dialling.say({"answer": {}}, {"connect": {"to": "2001"}}, END)
    await dialling.start()
    await switch.call(script=SPEAKING)
    sound = await heard(dialling, (await callbacks.wait("finished", "dial"))["url"], tmp_path / "dial.wav")
    assert hears(sound, *RING, channel=1) == []
    assert near(sound.hz(1), SHORT)


async def test_an_operators_own_ring(dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path) -> None:
    """What a dialplan has said that an answered caller hears is heard, and is left on the leg."""
    dialling.say(
        record_call(dialling.receiver, direction="listen"),
        {"connect": {"to": "2003", "timeout": 3}},
        told(dialling),
        {"sleep": -1},
    )
    await dialling.start()
    ring = str(tone(tmp_path / "ring.wav", "wav", seconds=0.5, hz=MUSIC))
    call = await switch.call(script=SPEAKING, variables={"transfer_ringback": ring})
    assert await result(dialling) == ("failed", "no_answer")
    async with connected(switch.direct) as esl:
        assert await esl.api(f"uuid_getvar {call.leg} transfer_ringback") == ring
    await call.hangup()
    sound = await heard(dialling, (await callbacks.wait("finished"))["url"], tmp_path / "got.wav")
    assert hears(sound, *RING) == []
    assert seconds(sound, MUSIC) > 0.6


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "not answered"])
async def test_nothing_is_left_on_the_leg(dialling: Daemon, switch: Switch, answered: bool) -> None:
    """What it hears is said for an answered leg, for as long as it dials; of another nothing is said."""
    dialling.say(
        {"connect": {"to": "2003", "timeout": 3, "answer_on_bridge": not answered}}, told(dialling), {"sleep": -1}
    )
    await dialling.start()
    async with connected(switch.direct, "CHANNEL_ORIGINATE") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=SPEAKING)
            await watch.wait(lambda event: "variable_fsrec_dialler" in event)
        ringback = await esl.api(f"uuid_getvar {call.leg} transfer_ringback")
        assert ringback == ("%(2000,4000,440,480)" if answered else "_undef_")
        assert await result(dialling) == ("failed", "no_answer")
        assert await esl.api(f"uuid_getvar {call.leg} transfer_ringback") == "_undef_"
    await call.hangup()


# --- music ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [((), ()), ((), (Quiet(0.3),)), ((Ringing("fr", 0.5),), (Speech("You are the first"), Quiet(0.3)))],
    ids=["a file", "a file and a pause", "a ring, a file, speech and a pause"],
)
async def test_music_is_heard_over_and_over(
    dialling: Daemon,
    switch: Switch,
    callbacks: Callbacks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: tuple[Item, ...],
    after: tuple[Item, ...],
) -> None:
    """Its items in turn, from the first again, until the time is over; no ring, and no early media."""
    wishing(monkeypatch, music=(*before, at(dialling, tmp_path, "music.wav", MUSIC), *after))
    connect = {"to": "2006", "timeout": 5}
    sound = await ears(dialling, switch, callbacks, tmp_path / "got.wav", connect)
    music = hears(sound, MUSIC)
    alone = len(before) + len(after) == 0
    assert len(music) == 1 if alone else len(music) >= 2
    if alone:
        assert abs(music[0].seconds - 5.0) < 0.4 + late(switch)
    assert bool(hears(sound, 440.0)) is bool(before)
    if not before:  # what is said may have all tones in it
        assert hears(sound, *RING) == []
        assert hears(sound, EARLY) == []


async def test_music_ends_with_the_answer(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the callee is heard, and nothing else."""
    wishing(monkeypatch, music=(at(dialling, tmp_path, "music.wav", MUSIC), Quiet(0.1)))
    sound = await ears(dialling, switch, callbacks, tmp_path / "got.wav", {"to": "2001"})
    music, [callee] = hears(sound, MUSIC), hears(sound, SHORT)
    assert music
    assert music[-1].end <= callee.start + WINDOW
    assert abs(callee.seconds - 2.0) < 0.25 + late(switch)


async def test_no_music_is_silence(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is wished that nothing be heard, not even early media."""
    wishing(monkeypatch, music=())
    sound = await ears(dialling, switch, callbacks, tmp_path / "got.wav", {"to": "2006", "timeout": 2})
    assert sound.sounding() == []


async def test_music_that_cannot_be_had(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is dialled all the same, its caller hears the ring, and the log says what was missing."""
    dialling.receiver.plan("/none.wav", 404)
    wishing(monkeypatch, music=(AudioAt(dialling.receiver.url("/none.wav")),))
    sound = await ears(dialling, switch, callbacks, tmp_path / "got.wav", {"to": "2001"})
    assert hears(sound, *RING)
    assert hears(sound, SHORT)
    assert "none.wav" in str([failed.why for failed in dialling.seen(StepFailed)])


HOSTILE = [
    "It's ${system touch FILE} you",
    "a!/etc/passwd!{x=y}b\\'; touch FILE",
    "' ${system touch FILE} '",
    "%20;transfer_ringback=x,]loopback/app=system:touch FILE",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_texts_are_said_and_nothing_else(
    dialling: Daemon, switch: Switch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    """To who dials and to who answers: nothing is run, and the switch has the text that it was to have."""
    file = tmp_path / "run"
    said = Speech(text.replace("FILE", str(file)))
    wishing(monkeypatch, music=(said, Quiet(0.1)), confirmation=Confirmation((said,), "", 30.0))
    dialling.say({"answer": {}}, {"connect": {"to": "2010", "max_duration": 1, "timeout": 60}}, told(dialling), END)
    await dialling.start()
    async with connected(switch.direct, "CHANNEL_EXECUTE", "CHANNEL_ORIGINATE") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=SPEAKING)
            await watch.wait(lambda event: "variable_fsrec_dialler" in event)
            ringback = await esl.api(f"uuid_getvar {call.leg} transfer_ringback")
            assert (await result(dialling, timeout=60.0))[0] == "connected"
            executed = {event["Application"] for event in watch.events if "Application" in event}
    assert ringback.startswith("file_string://tts://flite|kal|")
    assert ringback.endswith("!silence_stream://100")
    assert "{" not in ringback
    assert "bridge" in executed
    assert "system" not in executed
    assert not file.exists()


# --- confirmation ---------------------------------------------------------------------------------------------------


async def test_who_confirms_is_connected(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller hears the ring until the key; the conversation, its recording and its limit begin then."""
    question = at(dialling, tmp_path, "question.wav", QUESTION, 1.0)
    recorded_and_asked(monkeypatch, dialling, Confirmation((question,), "5", 10.0))
    dialling.say(
        record_call(dialling.receiver, direction="listen"),
        {"connect": {"to": "2010", "max_duration": 2}},
        told(dialling),
        END,
    )
    await dialling.start()
    await switch.call(script=SPEAKING)
    assert await result(dialling) == ("connected", "")
    ends = {end["control_id"]: end for end in await callbacks.ends(2)}
    caller = await heard(dialling, ends["rec"]["url"], tmp_path / "caller.wav")
    [ring], [callee] = hears(caller, *RING), hears(caller, CALLEE)
    assert abs(ring.seconds - 1.5) < 0.35 + late(switch)
    assert ring.end <= callee.start + WINDOW
    assert abs(callee.seconds - 2.0) < 0.35 + late(switch)
    assert hears(caller, QUESTION) == []
    dialled = await heard(dialling, ends["dial"]["url"], tmp_path / "dial.wav")
    assert abs(dialled.seconds - 2.0) < 0.35 + late(switch)
    assert hears(dialled, *RING, channel=1) == []


def recorded_and_asked(monkeypatch: pytest.MonkeyPatch, dialling: Daemon, confirmation: Confirmation) -> None:
    """Have each connect ask who answers, and record the conversation."""
    recorded(monkeypatch, dialling)
    recording = program.__dict__["step"]
    monkeypatch.setattr(program, "step", changed(recording, confirmation=confirmation))


@pytest.mark.parametrize(
    ("connect", "timeout", "expected"),
    [
        ({"to": "2012"}, 10.0, ("connected", "")),
        ({"to": "2011"}, 10.0, ("failed", "no_answer")),
        ({"to": "2000"}, 2.0, ("failed", "no_answer")),
        ({"to": "2004", "timeout": 2}, 2.0, ("failed", "no_answer")),
        ({"parallel": [{"to": "2000"}, {"to": "2011"}, {"to": "2010"}, {"to": "2003"}]}, 10.0, ("connected", "")),
        ({"serial": [{"to": "2011"}, {"to": "2010"}]}, 10.0, ("connected", "")),
    ],
    ids=["a wrong key first", "hangs up", "says nothing", "early media is no answer", "one of many", "the second"],
)
async def test_who_is_connected(
    dialling: Daemon,
    switch: Switch,
    monkeypatch: pytest.MonkeyPatch,
    connect: dict[str, Any],
    timeout: float,
    expected: tuple[str, str],
) -> None:
    """Whoever presses the key in time, and nobody else: to who does not it is as if nobody had answered."""
    wishing(monkeypatch, confirmation=Confirmation((Speech("Press five"),), "5", timeout))
    dialling.say({"answer": {}}, {"connect": {"max_duration": 1, **connect}}, told(dialling), END)
    await dialling.start()
    call = await switch.call(script=SPEAKING)
    assert await result(dialling) == expected
    assert await call.ended() == "NORMAL_CLEARING"


async def test_what_is_asked(
    dialling: Daemon, switch: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who answers hears it once, in its order, and then the caller; without a key they are connected at its end."""
    items = (at(dialling, tmp_path, "a.wav", QUESTION, 1.0), at(dialling, tmp_path, "b.wav", MUSIC, 1.0))
    wishing(monkeypatch, confirmation=Confirmation(items, "", 1.0))
    dialling.say({"answer": {}}, {"connect": {"to": "2000", "max_duration": 1}}, told(dialling), END)
    await dialling.start()
    path = switch.recordings / "callee.wav"
    async with connected(switch.direct, "CHANNEL_ANSWER") as esl:
        with esl.watch() as watch:
            await switch.call(script=SPEAKING)

            def answered(event: Event) -> bool:
                return event.get("variable_loopback_leg") == "A" and "variable_fsrec_dialler" in event

            callee = (await watch.wait(answered))["Unique-ID"]
            await esl.api(f"uuid_record {callee} start {path} 60 {{RECORD_STEREO=true,RECORD_PRE_BUFFER_FRAMES=0}}")
        assert await result(dialling) == ("connected", "")
    sound = await finished(path)
    channel = 1
    [first], [second], [caller] = (hears(sound, hz, channel=channel) for hz in (QUESTION, MUSIC, 1000.0))
    assert first.end <= second.start + WINDOW
    assert second.end <= caller.start + WINDOW
    assert abs(second.seconds - 1.0) < 0.25
    assert abs(caller.seconds - 1.0) < 0.35 + late(switch)


async def finished(path: Path) -> Sound:
    """A recording of nobody's, once it is closed."""
    async with asyncio.timeout(5):
        while not (found := read_wav(path)).finished:
            await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize("lost", ["link", "daemon"])
async def test_what_is_lost_while_somebody_is_asked(
    dialling: Daemon, switch: Switch, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """The link or the daemon goes before the key and comes back after it: they talk, with their limit."""
    recorded_and_asked(monkeypatch, dialling, Confirmation((Quiet(0.5),), "5", 10.0))
    dialling.say({"answer": {}}, {"connect": {"to": "2012", "max_duration": 3}}, told(dialling), END)
    await dialling.start()
    async with connected(switch.direct, "CHANNEL_ANSWER", "CHANNEL_BRIDGE") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=SPEAKING)
            await watch.wait(lambda event: "variable_fsrec_dialler" in event)
            if lost == "daemon":
                await dialling.stop()
            else:
                await switch.refuse_links()
                await switch.cut_links()
            await watch.wait(lambda event: event["Event-Name"] == "CHANNEL_BRIDGE")
    if lost == "daemon":
        await dialling.start()
        await dialling.until(lambda: len(dialling.seen(CallResumed)) == 1)
    else:
        await switch.refuse_links(False)
    assert await result(dialling) == ("connected", "")
    assert await call.ended() == "NORMAL_CLEARING"
    assert (await callbacks.wait("finished", "dial"))["duration"] > 1.0
