"""Recordings as steps: beeps before them, and those that are waited for until they have ended and can be fetched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller.calls.recording import READY_WITHIN
from controller.documents.call import CallState
from controller.documents.steps import RecordingEnded
from controller.recordings.facts import Cause, Stopped
from controller.recordings.model import EndReason, State
from controller.recordings.ports import CommandFailed, Found
from tests.calls.test_playing import ended, playing
from tests.calls.test_runner import played
from tests.calls.world import World
from tests.recordings.virtual import virtual

SHORT = {"max_length": 2.0}


def outcome(world: World) -> RecordingEnded:
    [found] = world.outcomes
    assert isinstance(found, RecordingEnded)
    return found


# --- record ---------------------------------------------------------------------------------------------------------


@virtual
async def test_a_recording_that_is_waited_for() -> None:
    """Answered first; the document goes on when it has ended and can be fetched, and knows all about it."""
    world = await played([["take", "a", SHORT], ["hangup", "BUSY"]])
    assert world.log == ["take_over", "answer", "start a", "stop a", "hang_up BUSY"]
    [recording] = world.recordings.values()
    assert recording.state is State.COMPLETED
    assert outcome(world) == RecordingEnded(
        recording.id,
        f"http://127.0.0.1/{recording.id}",
        EndReason.MAX_LENGTH,
        good=True,
        seconds=2.0,
        state=State.COMPLETED,
        started_at=recording.started_at,
        ended_at=recording.ended_at,
    )
    assert recording.started_at is not None
    assert world.call.ended_at == pytest.approx(world.call.started_at + 2.0, abs=0.2)


@pytest.mark.parametrize(
    ("cause", "reason", "good"),
    [
        (Cause.SILENCE, EndReason.END_SILENCE, True),
        (Cause.NO_INPUT, EndReason.NO_INPUT, False),
    ],
)
@virtual
async def test_how_it_ended(cause: Cause, reason: EndReason, good: bool) -> None:
    """A recording without input is none that is good; one that a silence ended is."""
    world = await playing([["take", "a", {"initial_timeout": 3.0, "end_silence_timeout": 3.0}]], 1.0)
    assert world.told == {}
    [path] = world.recorders
    recording = world.recorders.pop(path)
    world.tell(lambda daemon: daemon.service.apply(recording.id, Stopped(world.now, cause, hangup=False)))
    await ended(world)
    assert (outcome(world).reason, outcome(world).good, outcome(world).digit) == (reason, good, "")


@virtual
async def test_one_that_cannot_be_read() -> None:
    """Failed: it is not good, and has no length."""
    world = World([["take", "a", SHORT]])
    world.media.found = Found(None, "no audio")
    world.boot()
    world.park()
    await world.settle(60)
    assert [found.state for found in world.recordings.values()] == [State.FAILED]
    assert (outcome(world).good, outcome(world).seconds) == (False, None)


@virtual
async def test_one_that_does_not_start() -> None:
    """Refused, with the reason; the document goes on."""
    world = await played([["take", "a", SHORT]], refusals={"start": [CommandFailed("-ERR full")]})
    assert world.told == {0: "RecordingRefused: -ERR full"}
    world = await played([["take", "a", SHORT]], full="the disk is full")
    assert world.told == {0: "RecordingRefused: the disk is full"}
    world = await played([["record", "a"], ["take", "a", SHORT]])
    assert world.told[1] == "RecordingRefused: a recording named 'a' is active on this call already"


@pytest.mark.parametrize("seconds", [5.0, 60.0])
@virtual
async def test_one_that_is_not_ready_at_once(seconds: float) -> None:
    """It is waited for so that its URL can be played; but not for ever."""
    world = World([["take", "a", SHORT]])
    world.media.holder.held.add("examine")
    world.boot()
    world.park()
    await world.settle(0.1)
    world.later(2.0 + seconds, lambda: world.media.holder.let_go("examine"))
    await ended(world)
    waited = min(seconds, READY_WITHIN)
    assert world.call.ended_at == pytest.approx(world.call.started_at + 2.0 + waited, abs=0.3)
    assert outcome(world).good
    assert outcome(world).seconds == (2.0 if seconds < READY_WITHIN else None)
    await world.settle(60)
    assert [found.state for found in world.recordings.values()] == [State.COMPLETED]


@pytest.mark.parametrize("form", ["mp3", "mp4"])
@virtual
async def test_one_that_is_encoded_still(form: str) -> None:
    """It is not waited for: its WAV is what is played. What it will be is known; it is told to nobody yet."""
    world = World([["take", "a", {**SHORT, "format": form}]])
    world.media.holder.held.add("encode")
    world.boot()
    world.park()
    await world.settle(0.1)
    await ended(world)
    assert world.call.ended_at == pytest.approx(world.call.started_at + 2.0, abs=0.3)
    assert (outcome(world).good, outcome(world).seconds) == (True, 2.0)
    [found] = world.recordings.values()
    assert (found.state, found.measured) == (State.PROCESSING, None)
    world.media.holder.let_go("encode")
    await world.settle(1)
    assert [found.state for found in world.recordings.values()] == [State.COMPLETED]


@pytest.mark.parametrize("seconds", [5.0, 60.0])
@virtual
async def test_one_that_is_to_be_fetched(seconds: float) -> None:
    """It is waited for in its own format, as long as one that is to be played is."""
    world = World([["message", "a", {**SHORT, "format": "mp3"}]])
    world.media.holder.held.add("encode")
    world.boot()
    world.park()
    await world.settle(0.1)
    world.later(2.0 + seconds, lambda: world.media.holder.let_go("encode"))
    await ended(world)
    waited = min(seconds, READY_WITHIN)
    assert world.call.ended_at == pytest.approx(world.call.started_at + 2.0 + waited, abs=0.3)
    assert outcome(world).state is (State.COMPLETED if seconds < READY_WITHIN else State.PROCESSING)


@virtual
async def test_a_hangup_while_it_records() -> None:
    """The document is over where it stands; the recording comes to its own end."""
    world = await playing([["take", "a", {}], ["record", "b"]], 1.0)
    world.hang_up()
    await world.settle(10)
    assert world.call.state is CallState.ENDED
    assert world.log == ["take_over", "start a"]
    assert [found.state.final for found in world.recordings.values()] == [True]
    assert world.told == {}


@pytest.mark.parametrize("away", [0.5, 10.0])
@virtual
async def test_a_restart_while_it_records(away: float) -> None:
    """The next daemon waits for the same recording, also where that ended meanwhile."""
    world = await playing([["take", "a", {"max_length": 5.0}], ["hangup", "BUSY"]], 1.0)
    [identity] = world.recordings
    await world.kill()
    if away > 5:
        [path] = world.recorders
        world.later(4.0, lambda: world.recorders.pop(path))
    await world.settle(away)
    await world.boot().connected()
    await ended(world)
    assert outcome(world).recording == identity
    assert outcome(world).good
    assert [*world.recordings] == [identity]
    assert [entry for entry in world.log if entry.startswith("start")] == ["start a"]
    assert world.legs["leg"].cause == "BUSY"


@virtual
async def test_a_link_that_goes_while_it_records() -> None:
    """Its end was told while there was none: the reconciling tells it."""
    world = await playing([["take", "a", {}]], 1.0)
    world.cut()
    world.recorders.clear()
    await world.settle(3)
    await world.relink()
    await ended(world)
    assert outcome(world).good


# --- beeps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [["beep", "a"], ["take", "a", {**SHORT, "beep": True}]])
@virtual
async def test_a_beep_goes_before_the_recording(step: list[Any]) -> None:
    """Behind the answer, before the start, in one breath; the recording begins when the beep is over."""
    world = await played([step], lengths={"beep": 0.5})
    assert world.log[:4] == ["take_over", "answer", "play beep", "start a"]
    [recording] = world.recordings.values()
    [(_, began, over)] = world.heard
    assert over - began == pytest.approx(0.5)
    assert recording.started_at is not None
    assert recording.started_at >= over
    assert world.told[0].split()[0] in {"good", "RecordingEnded"}


@virtual
async def test_a_restart_does_not_beep_again() -> None:
    """Not where the beep's command may be lost, nor where it is heard just now."""
    for amid in (0.0, 0.2):
        world = World([["beep", "a"], ["wait", 1]], lengths={"beep": 0.5})
        world.boot()
        world.park(answered=True)
        while "start a" not in world.log:
            await world.settle(0.001)
        await world.settle(amid)
        await world.kill()
        await world.settle(0.1)
        await world.boot().connected()
        await ended(world)
        assert world.sounds == ["beep"]
        assert world.log.count("play beep") == 1
        assert world.told == {0: "good", 1: "good"}


@virtual
async def test_a_beep_that_is_refused() -> None:
    """The recording begins without one."""
    world = await played([["beep", "a"], ["wait", 1]], refusals={"play": [CommandFailed("busy")]})
    assert world.told == {0: "good", 1: "good"}


@virtual
async def test_a_sound_before_a_recording() -> None:
    """A prompt's end that nobody told does not hold the recording's beep up for ever."""
    world = World([["gather", ["ask"], {}], ["beep", "a"]], presses={"ask": "1"}, lengths={"ask": 30.0})
    await world.boot().connected()
    world.park()
    async with asyncio.timeout(20):
        while "start a" not in world.log:
            await world.settle(0.1)
    assert world.sounds == ["ask"]


@virtual
async def test_a_hangup_that_is_told_late() -> None:
    """CHANNEL_HANGUP_COMPLETE waits for the switch's call records: the document goes no further meanwhile."""
    world = await playing([["take", "a", {}], ["tell", "http://app/told", 1], ["fetch", "http://app/next"]], 1.0)
    world.reports = 3.0
    world.hang_up()
    await world.settle(10)
    assert world.call.state is CallState.ENDED
    assert (world.outcomes, world.spoken, world.asked) == ([], [], [])
