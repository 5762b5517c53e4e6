"""The runner: each step, each step gone on with after a kill at any point, and a link that comes and goes."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.calls.commanding import HANG_UP_AGAIN, LINK_AGAIN
from controller.calls.context import ANSWER_WITHIN
from controller.calls.events import CallEnded, CallFailed, CallResumed, StepFailed
from controller.documents.call import CallState
from controller.recordings.model import EndReason, State
from controller.recordings.ports import CommandFailed, SwitchAway
from tests.calls.world import FAILED_LEDGER, World
from tests.recordings.virtual import run_virtually, settled, virtual

REFUSED = "NORMAL_TEMPORARY_FAILURE"


async def played(document: object, seconds: float = 60.0, **fields: Any) -> World:
    """A world in which a call ran its document."""
    world = World(document, **fields)
    world.boot()
    world.park()
    await world.settle(seconds)
    return world


# --- each step ------------------------------------------------------------------------------------------------------


@virtual
async def test_every_step_in_its_order() -> None:
    """The leg is taken over first, answered before it is recorded, and each command is sent once."""
    world = await played(
        [["answer"], ["record", "a"], ["wait", 2], ["record", "b"], ["stop", "a"], ["stop", None], ["hangup", "BUSY"]]
    )
    expected = ["take_over", "answer", "start a", "start b", "stop a", "stop b", "hang_up BUSY"]
    assert world.log == expected
    assert world.told == dict.fromkeys(range(6), "good")
    assert world.call.state is CallState.ENDED
    assert (world.call.cause, world.call.step, world.call.waiting, world.call.recording) == ("BUSY", 6, None, None)
    assert [event.cause for event in world.of(CallEnded)] == ["BUSY"]
    assert {found.reason for found in world.recordings.values()} == {EndReason.VERB}


@virtual
async def test_a_document_ends_in_a_hangup() -> None:
    """The end of a document hangs up, even an empty one's: nobody is left parked."""
    world = await played([])
    assert world.log == ["hang_up NORMAL_CLEARING"]
    assert world.call.state is CallState.ENDED


@virtual
async def test_recording_answers_first() -> None:
    """On an unanswered leg take-over, answer and start go out in this order; an answered one is left so."""
    assert (await played([["record", "a"]])).log[:3] == ["take_over", "answer", "start a"]
    world = World([["record", "a"]])
    world.boot()
    world.park(answered=True)
    await world.settle()
    assert world.log[:2] == ["take_over", "start a"]


@virtual
async def test_an_answered_leg_needs_no_answer() -> None:
    """The step is done at once, whether the leg was answered before it was parked or since."""
    world = World([["wait", 1], ["answer"], ["wait", 1]])
    world.boot()
    world.park()
    assert world.daemon is not None
    world.daemon.desk.answered("fs1", "leg")  # before there is a runner
    await world.settle(30)
    assert world.log == ["take_over", "hang_up NORMAL_CLEARING"]


@virtual
async def test_an_answer_that_fails() -> None:
    """Refused: the step failed at once. Not answered in time: failed after ten seconds. The document goes on."""
    world = await played([["answer"]], refusals={"answer": [CommandFailed("-ERR no")]})
    assert world.told == {0: "Failed: the leg could not be answered: -ERR no"}
    assert world.call.state is CallState.ENDED
    began = asyncio.get_running_loop().time()
    world = await played([["answer"]], answers=False)
    assert world.told == {0: "Failed: the leg was not answered within 10 s"}
    assert world.call.ended_at == pytest.approx(began + ANSWER_WITHIN, abs=0.1)


@virtual
async def test_an_answer_nobody_told() -> None:
    """CHANNEL_ANSWER was lost with the link: past the deadline the leg itself is looked at."""
    assert (await played([["answer"]], deaf={"answered"})).told == {0: "good"}
    refusals: dict[str, list[Exception]] = {"look": [SwitchAway("gone")]}
    assert (await played([["answer"]], deaf={"answered"}, refusals=refusals)).told == {0: "good"}
    refusals = {"look": [CommandFailed("no dump")]}
    world = await played([["answer"]], deaf={"answered"}, refusals=refusals)
    assert world.told == {0: "Failed: the leg was not answered within 10 s"}


@virtual
async def test_an_answer_told_by_the_links_return() -> None:
    """CHANNEL_ANSWER was lost with the link: the look at its return tells it, long before the deadline."""
    world = World([["answer"], ["wait", None]], deaf={"answered"})
    world.boot()
    world.park()
    await world.settle(1)
    assert world.told == {}
    world.cut()
    await world.relink()
    await settled()
    assert world.told == {0: "good"}


@virtual
async def test_an_answer_with_a_longest_duration() -> None:
    """The switch is told after the answer, anew by each such step; one that it refuses fails the step."""
    world = await played([["answer", 60.0], ["wait", 1], ["answer", 30.0], ["answer"]])
    assert world.log == ["take_over", "answer", "limit 60", "limit 30", "hang_up NORMAL_CLEARING"]
    assert world.call.limited
    assert not (await played([["answer"]])).call.limited
    world = await played([["answer", 60.0]], refusals={"limit": [CommandFailed("-ERR no")]})
    assert world.told == {0: "Failed: the call's longest duration could not be set: -ERR no"}
    world = await played([["answer", 60.0]], refusals={"answer": [CommandFailed("-ERR no")]})
    assert world.log == ["take_over", "hang_up NORMAL_CLEARING"]


@virtual
async def test_a_limit() -> None:
    """The row says so before the switch is told; the leg is not answered by it; a later one is instead of it."""
    world = World([["limit", 60], ["limit", 30.5], ["wait", None]])
    world.boot()
    world.held["take_over"] = asyncio.Event()  # a switch answers in order: what is held holds all
    world.held["limit"] = world.held["take_over"]
    world.park()
    await world.settle()
    assert (world.call.limited, world.log) == (True, [])
    world.held["limit"].set()
    await world.settle()
    assert world.log == ["take_over", "limit 60", "limit 31"]
    leg = world.legs["leg"]
    assert (leg.limit, leg.answered, world.told) == (31, False, {0: "good", 1: "good"})
    world = await played([["limit", 60]], refusals={"limit": [CommandFailed("-ERR no")]})
    assert world.told == {0: "Failed: the call's longest duration could not be set: -ERR no"}


@virtual
async def test_a_limit_counts_on_while_nobody_is_there() -> None:
    """A daemon that comes back tells the switch what is left of it, at least a second: not once more the whole."""
    for away, left in ((20.0, 40), (100.0, 1)):
        world = World([["limit", 60], ["wait", None]])
        world.boot()
        world.held["limit"] = asyncio.Event()
        world.park()
        await world.settle()
        await world.kill()
        await world.settle(away - 1)
        world.held.clear()
        await world.boot().connected()
        await world.settle(0.5)
        assert world.log == ["take_over", f"limit {left}"]


@virtual
async def test_a_step_that_does_nothing_takes_the_leg_over() -> None:
    """Whatever a document begins with: the leg is ours from its first step on."""
    expected = ["take_over", "hang_up NORMAL_CLEARING"]
    assert (await played([["stop", None]])).log == expected
    world = await played([["record", "a"]], full="the disk is full")
    assert (world.log, world.told) == (expected, {0: "RecordingRefused: the disk is full"})


@virtual
async def test_waits() -> None:
    """A wait lasts as long as it says; one without end lasts until the leg's."""
    began = asyncio.get_running_loop().time()
    world = await played([["wait", 7.5]])
    assert world.call.ended_at == pytest.approx(began + 7.5, abs=0.1)
    world = await played([["wait", None]], 86400)
    assert (world.call.state, world.call.waiting) == (CallState.RUNNING, None)
    world.hang_up()
    await world.settle()
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "NORMAL_CLEARING")


@virtual
async def test_recordings_that_cannot_be() -> None:
    """A name in use, a start that the switch refuses: the step is refused with the reason, the document goes on."""
    world = await played([["record", "a"], ["record", "a"]])
    assert world.told[1] == "RecordingRefused: a recording named 'a' is active on this call already"
    refusals: dict[str, list[Exception]] = {"start": [CommandFailed("-ERR full")]}
    world = await played([["record", "a"], ["wait", 1]], refusals=refusals)
    assert world.told == {0: "RecordingRefused: -ERR full", 1: "good"}
    assert world.call.state is CallState.ENDED


@virtual
async def test_stops_that_find_nothing() -> None:
    """No recording, none of that name, one that has ended: the step fails, saying which."""
    world = await played([["stop", None], ["record", "a"], ["stop", "b"], ["stop", "a"], ["stop", "a"]])
    assert world.told == {
        0: "Failed: no recording is active",
        1: "good",
        2: "Failed: no recording is active under the name 'b'",
        3: "good",
        4: "Failed: no recording is active under the name 'a'",
    }


@virtual
async def test_a_stop_that_the_end_overtakes() -> None:
    """While the step is being stored the recording ends by itself: the step says that it has ended."""
    world = World([["record", "a"], ["wait", 1], ["stop", "a"], ["wait", None]])
    world.boot()
    world.park()
    await world.settle(0.5)
    world.held["save"] = asyncio.Event()
    await world.settle(1)
    [path] = world.recorders
    world.end_recorder(path)
    await world.settle()
    world.held["save"].set()
    await world.settle()
    assert world.told[2] == "Failed: the recording has ended"


# --- ledger and program faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["save", "commit"])
@virtual
async def test_a_step_that_cannot_be_stored_ends_the_call(name: str) -> None:
    """Nothing is carried out that is not durable: the call is hung up with a stated cause."""
    step = ["wait", 5] if name == "save" else ["record", "a"]
    world = await played([step], refusals={name: [FAILED_LEDGER]})
    assert world.log == [f"hang_up {REFUSED}"]
    assert world.call.cause == REFUSED
    assert [event.why for event in world.of(CallFailed)] == ["the call could not be stored: disk full"]


@virtual
async def test_a_ledger_that_is_away_keeps_nobody_in_silence() -> None:
    """Not even the cause can be stored: the leg is hung up all the same, its end is stored when that works again."""
    world = await played([["wait", 5]], 10, refusals={"save": [FAILED_LEDGER] * 6})
    assert world.log == [f"hang_up {REFUSED}"]
    assert world.legs["leg"].cause == REFUSED
    assert (world.call.state, world.call.cause) == (CallState.ENDED, REFUSED)


# --- a link that comes and goes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["take_over", "answer", "limit", "start", "stop", "hang_up"])
@pytest.mark.parametrize("when", ["before", "after"])
@virtual
async def test_a_link_that_goes_at_a_command(name: str, when: str) -> None:
    """Before or after it took effect: once the link is back the command has happened, and the document goes on."""
    world = World([["answer", 60.0], ["record", "a"], ["wait", 5], ["stop", "a"], ["wait", 2], ["hangup", "BUSY"]])
    world.boot()
    if when == "before":
        world.held[name] = asyncio.Event()
        if name == "take_over":  # a switch answers in order: this one before the limit
            world.held["limit"] = world.held[name]
    world.park()
    async with asyncio.timeout(60):
        while not (any(entry.startswith(name) for entry in world.log) or when == "before"):
            await asyncio.sleep(0.001)
    if when == "before":
        await world.settle({"stop": 6, "hang_up": 9}.get(name, 2))
    world.cut()
    if when == "before":
        world.held.pop(name).set()
    await world.settle(3)
    await world.relink()
    await world.settle(60)
    assert world.told == dict.fromkeys(range(5), "good")
    legs = world.legs["leg"]
    assert (legs.cause, legs.answered, legs.armed, legs.limit) == ("BUSY", True, False, 60.0)
    assert world.call.state is CallState.ENDED
    assert [found.state for found in world.recordings.values()] == [State.COMPLETED]


@virtual
async def test_a_link_that_is_away_at_every_step() -> None:
    """A document that runs while there is no link waits for it where it must, and goes on at once when it is back."""
    world = World([["answer"], ["record", "a"], ["hangup", "BUSY"]])
    world.boot()
    world.cut()
    world.linked = True
    world.park()
    world.linked = False
    await world.settle(60)
    assert world.log == []
    await world.relink()
    await world.settle(LINK_AGAIN + 1)
    assert [world.told, world.legs["leg"].cause] == [{0: "good", 1: "good"}, "BUSY"]
    assert world.log[-1] == "hang_up BUSY"


@virtual
async def test_a_link_that_goes_before_anything_was_commanded() -> None:
    """A leg that carries no marker yet is not taken over by the link's return, but by its first step."""
    world = World([["wait", 5]])
    world.boot()
    world.held["save"] = asyncio.Event()
    world.park()
    await world.settle(1)
    world.cut()
    await world.relink()
    assert world.log == []
    world.held.pop("save").set()
    await world.settle(1)
    assert world.log == ["take_over"]


@virtual
async def test_a_lost_answer_is_sent_again_while_a_recording_starts() -> None:
    """Take-over, answer and start were lost together: all three are sent again, in this order."""
    world = World([["record", "a"], ["wait", None]])
    world.boot()
    world.held["take_over"] = world.held["answer"] = world.held["start"] = asyncio.Event()
    world.park()
    await world.settle(1)
    world.cut()
    world.held.pop("start").set()
    world.held.clear()
    await world.settle(1)
    assert world.log == []
    await world.relink()
    await world.settle(1)
    assert world.log == ["take_over", "answer", "start a"]
    assert world.legs["leg"].answered


@virtual
async def test_a_daemon_killed_before_a_recordings_commands() -> None:
    """The row was durable, nothing was sent: the next daemon takes over and answers before it starts."""
    world = World([["record", "a"], ["wait", None]])
    world.boot()
    held = asyncio.Event()  # kept: with it its waiters would be collected, and complain
    world.held["take_over"] = world.held["answer"] = world.held["start"] = held
    world.park()
    await world.settle(1)
    assert len(world.recordings) == 1
    await world.kill()
    world.held.clear()
    await world.boot().connected()
    await world.settle(1)
    assert [*dict.fromkeys(world.log)] == ["take_over", "answer", "start a"]
    assert world.told == {0: "good"}


@virtual
async def test_steps_that_fail_are_told() -> None:
    """Each refused or failed step: whose, its number, its kind and why; those that did well are not told."""
    world = await played([["record", "a"], ["record", "a"], ["stop", "b"], ["wait", 1]])
    assert world.of(StepFailed) == [
        StepFailed(world.call.id, 2, "StartRecording", "a recording named 'a' is active on this call already"),
        StepFailed(world.call.id, 3, "StopRecording", "no recording is active under the name 'b'"),
    ]


@virtual
async def test_a_hangup_without_effect_is_repeated() -> None:
    """Refused, or taken and then nothing: commanded again every few seconds, until the leg's end is seen."""
    world = await played([], 1, refusals={"hang_up": [CommandFailed("-ERR no")]})
    assert world.log == []
    await world.settle(HANG_UP_AGAIN)
    assert world.log == ["hang_up NORMAL_CLEARING"]
    assert world.legs["leg"].cause == "NORMAL_CLEARING"
    await world.settle(60)
    assert len(world.log) == 1


# --- killed and back ------------------------------------------------------------------------------------------------


async def survived(document: object, kill_at: int | None, away: float = 0.5, **fields: Any) -> World:
    """A world in which the daemon was killed at a point, and another came after a while."""
    world = World(document, kill_at=kill_at, **fields)
    world.boot()
    world.park()
    ended = asyncio.get_running_loop().create_task(world.settle(60))
    killed = asyncio.get_running_loop().create_task(world.killed.wait())
    done, _ = await asyncio.wait({ended, killed}, return_when=asyncio.FIRST_COMPLETED)
    killed.cancel()
    if killed in done:
        ended.cancel()
        await world.kill()
        await world.settle(away)
        await world.boot().connected()
        await world.settle(60)
    return world


QUIETLY = ("take", "answer", "stop_playing", "fence", "play beep")


def effects(world: World) -> list[str]:
    """What was done for the caller to notice: repeats told once; take-over and answer are told by the leg.

    A beep is not made up for: nobody beeps into a recording that may run.
    """
    return list(dict.fromkeys(entry for entry in world.log if not entry.startswith(QUIETLY)))


def heard(world: World) -> list[str]:
    """What the caller heard to its end, in order: what was played once more told once. Not what digits end."""
    whole = [
        name
        for name, begin, end in world.heard
        if name not in {"fence", "beep", *world.presses} and end - begin > world.lengths.get(name, 1.0) - 0.001
    ]
    return [name for name, _ in itertools.groupby(whole)]


def same(world: World, whole: World, away: float = 0.5, again: float = 0.0) -> None:
    """A killed run came to what an uninterrupted one came to; ``again`` are the seconds that it may repeat."""
    assert heard(world) == heard(whole)
    assert effects(world) == effects(whole)
    assert world.told == whole.told
    assert world.spoken == whole.spoken
    leg, untouched = world.legs["leg"], whole.legs["leg"]
    assert (leg.cause, leg.answered, leg.limit) == (untouched.cause, untouched.answered, untouched.limit)
    assert not (leg.armed and world.of(CallResumed))
    assert world.call.state is CallState.ENDED
    assert (world.call.cause, world.call.step) == (whole.call.cause, whole.call.step)
    outcomes = [[(one.request.reference, one.state) for one in each.recordings.values()] for each in (world, whole)]
    assert outcomes[0] == outcomes[1]
    assert world.call.ended_at is not None
    assert whole.call.ended_at is not None
    began = [each.call.started_at for each in (world, whole)]
    late = (world.call.ended_at - began[0]) - (whole.call.ended_at - began[1])
    assert -0.1 - BEEP < late < away + again + 0.5


WHOLE = (
    [["record", "a"], ["wait", 2], ["record", "b"], ["answer"], ["stop", "a"], ["wait", 1], ["hangup", "BUSY"]],
    [["record", "a"], ["record", "a"], ["wait", 1]],
    [["answer"], ["stop", None], ["wait", 1]],
    [["answer", 60.0], ["wait", 1], ["record", "a"], ["answer", 30.0], ["wait", 1]],
    [["play", "a", "say:b", "silence:1"], ["early", "a"], ["hangup", "BUSY"]],
    [["beep", "x"], ["play", "a", "b"], ["take", "y", {"max_length": 2.0}], ["play", "c"]],
    [["gather", ["a", "ask"], {"most": 2}], ["gather", [], {"initial_timeout": 1.0}], ["play", "a"]],
    [["digits", "1w2"], ["request", "http://app/x"], ["fetch", "http://app/y"], ["wait", 1]],
    [["take", "y", {"max_length": 1.0, "beep": True}], ["stop", None], ["digits", "#"]],
    [["limit", 60], ["wait", 1], ["tell", "http://app/t", 1], ["record", "a"], ["limit", 30], ["wait", 1]],
    [["tell", "http://app/t", 1], ["tell", "http://bug", 2], ["tell", "http://app/t", 3], ["hangup", "BUSY"]],
)
BEEP = 0.3
PARTY: dict[str, Any] = {"presses": {"ask": "12"}, "lengths": {"ask": 5.0, "beep": BEEP}}
"""What the party does and hears: it presses two digits soon after it is asked."""

AGAIN = 7.0
"""Seconds that a restart may repeat: a prompt and the wait for digits behind it."""


@pytest.mark.parametrize("document", WHOLE)
def test_killed_at_every_point(document: list[list[Any]]) -> None:
    """However far a step had got, between row and command, command and event: the next daemon goes on from there."""

    async def run() -> None:
        whole = await survived(document, None, **PARTY)
        for point in range(1, whole.points + 1):
            world = await survived(document, point, **PARTY)
            assert world.killed.is_set()
            same(world, whole, again=AGAIN)
            assert len(world.of(CallResumed)) <= 1

    run_virtually(run())


steps = st.one_of(
    st.just(["answer"]),
    st.sampled_from((0, 0.5, 3)).map(lambda seconds: ["wait", seconds]),
    st.sampled_from("ab").map(lambda name: ["record", name]),
    st.sampled_from(("a", "b", None)).map(lambda name: ["stop", name]),
    st.lists(st.sampled_from(("m", "say:n", "silence:1")), max_size=3, unique=True).map(
        lambda items: ["play", *items]
    ),
    st.sampled_from(([], ["m"], ["ask"], ["m", "ask"])).map(lambda items: ["gather", items, {"most": 2}]),
    st.just(["take", "c", {"max_length": 1.5, "beep": True}]),
    st.just(["digits", "1w2"]),
    st.sampled_from((["request", "http://app/x"], ["fetch", "http://app/y"])),
    st.sampled_from((1, 2)).map(lambda number: ["tell", "http://app/t", number]),
)
documents = st.tuples(st.lists(steps, max_size=5), st.sampled_from(([], [["hangup", "BUSY"]]))).map(
    lambda parts: parts[0] + parts[1]
)


@settings(max_examples=60)
@given(documents, st.floats(0, 1), st.sampled_from((0.0, 0.5, 5.0)))
def test_any_document_killed_anywhere(document: list[list[Any]], share: float, away: float) -> None:
    """Commands, outcomes, recordings and cause of a killed run are those of an uninterrupted one, but for repeats."""

    async def run() -> None:
        whole = await survived(document, None, **PARTY)
        world = await survived(document, 1 + round(share * (whole.points - 1)), away, **PARTY)
        same(world, whole, away, AGAIN)

    run_virtually(run())


@settings(max_examples=60)
@given(documents, st.floats(0, 15), st.sampled_from((0.0, 0.3, 3.0)), st.sampled_from((0, 1, 5)))
def test_any_document_with_links_lost_anywhere(
    document: list[list[Any]], first: float, away: float, more: int
) -> None:
    """Links that go, however often: what was done and what came of it is the same, but for digits nobody heard."""

    async def run() -> None:
        whole = await survived(document, None, **PARTY)
        world = World(document, **PARTY)
        await world.boot().connected()
        world.park()
        await world.settle(first)
        for _ in range(1 + more):
            world.cut()
            await world.settle(away)
            await world.relink()
            await world.settle(0.1)
        await world.settle(120)
        assert world.call.state is CallState.ENDED
        assert (world.call.cause, world.call.step) == (whole.call.cause, whole.call.step)
        assert effects(world) == effects(whole)
        assert world.spoken == whole.spoken
        told = [[text.split("/")[0][:8] for text in each.told.values()] for each in (world, whole)]
        assert told[0] == told[1]

    run_virtually(run())
