"""Confirmation: who answers is connected when they confirm it, and it begins then; through daemons and links."""

from __future__ import annotations

from typing import Any

import pytest

from controller.calls.dialing import callee_id
from controller.documents.steps import DialStatus
from controller.recordings.model import State
from tests.calls.test_dialing import outcome
from tests.calls.test_runner import survived
from tests.calls.world import TOLD, Behaviour, World
from tests.recordings.virtual import run_virtually, virtual

CALLEES = {
    "yes": Behaviour(answers=1.0, confirms=3.0, talks=5.0),
    "silent": Behaviour(answers=1.0),
    "refuses": Behaviour(answers=1.0, ends=3.0, cause="NORMAL_CLEARING"),
    "late": Behaviour(answers=9.0, confirms=3.0, talks=5.0),
    "rings": Behaviour(),
    "busy": Behaviour(ends=0.5, cause="USER_BUSY"),
}
ASKS: list[Any] = [["say:press 5"], "5", 6.0]


def numbered(group: list[str]) -> list[str]:
    """Addresses of the behaviours: the world dials digits only."""
    return [str(list(CALLEES).index(name)) for name in group]


async def asking(*groups: list[str], seconds: float = 60.0, **fields: Any) -> World:
    """A world in which a call has dialled and asked for so long."""
    callees = {str(number): does for number, does in enumerate(CALLEES.values())}
    wished: dict[str, Any] = {"asks": ASKS, **fields}
    world = World([["dial", [numbered(group) for group in groups], wished]], callees=callees)
    await world.boot().connected()
    world.park()
    await world.settle(seconds)
    return world


@virtual
async def test_who_confirms_is_connected() -> None:
    """The conversation, its length and its recording begin with the key, three seconds after the answer."""
    world = await asking(["yes"], record="d")
    found = outcome(world)
    assert (found.status, found.call) == (DialStatus.ANSWERED, callee_id(world.call.id, 1, 0, 0))
    assert found.seconds == pytest.approx(5.0)
    assert world.call.connected_at == pytest.approx(world.call.started_at + 4.0, abs=0.2)
    [recording] = world.recordings.values()
    assert recording.state is State.COMPLETED
    assert recording.started_at == pytest.approx(world.call.connected_at, abs=0.2)


@virtual
async def test_without_a_key_everybody_is_connected() -> None:
    """As soon as they have heard all, whatever the time for a key would be."""
    world = await asking(["silent"], asks=[["say:a friend"], "", 0.5], limit=4.0)
    assert world.call.connected_at == pytest.approx(world.call.started_at + 1.0 + TOLD, abs=0.2)
    assert outcome(world).seconds == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(("name", "at"), [("silent", 7.0), ("refuses", 3.0)])
def test_who_does_not_confirm(name: str, at: float) -> None:
    """They are hung up when their time is over, or hang up: nobody answered, and the next group is rung."""

    async def run() -> None:
        alone = await asking([name], seconds=at - 0.3)
        assert not alone.outcomes
        await alone.settle(0.6)
        found = outcome(alone)
        assert (found.status, found.seconds) == (DialStatus.NO_ANSWER, 0.0)
        both = outcome(await asking([name], ["yes"]))
        assert both.status is DialStatus.ANSWERED
        assert both.party is not None
        assert both.party.address == "0"

    run_virtually(run())


@virtual
async def test_others_ring_on_meanwhile() -> None:
    """Of a group that is asked together the first to confirm is connected; the others lose."""
    world = await asking(["silent", "rings", "refuses", "late"])
    assert world.told == {0: "Dialled answered 3"}
    causes = [world.legs[callee.leg].cause for callee in world.rung[0].callees]
    assert causes == ["NO_ANSWER", "LOSE_RACE", "NORMAL_CLEARING", "NORMAL_CLEARING"]


@virtual
async def test_the_ringings_end_ends_nobody_who_is_asked() -> None:
    """Who rings is hung up when the time is over; who was asked just before has the rest of their own."""
    world = await asking(["late", "rings"], timeout=10.0, seconds=11.0)
    late, rings = (world.legs[callee.leg] for callee in world.rung[0].callees)
    assert (late.alive, rings.alive, rings.cause) == (True, False, "NO_ANSWER")
    await world.settle(30)
    assert outcome(world).seconds == pytest.approx(5.0)


@virtual
async def test_hangup_on_star_while_somebody_is_asked() -> None:
    """The caller calls it off."""
    world = await asking(["silent"], hangup_on_star=True, seconds=3.0)
    world.press("*")
    await world.settle(1)
    assert outcome(world).status is DialStatus.CANCELED


@virtual
async def test_a_leg_that_is_asked_is_answered() -> None:
    """It is found as one, though nobody is connected with it."""
    world = await asking(["silent"], seconds=3.0)
    assert world.daemon is not None
    found = world.daemon.desk.find(world.rung[0].callees[0].leg)
    assert found is not None
    assert found.info.answered
    assert world.call.connected_at is None


@pytest.mark.parametrize("lost", ["link", "daemon"])
@pytest.mark.parametrize("before", [0.5, 2.0, 6.0], ids=["while it rings", "while asked", "while they talk"])
@pytest.mark.parametrize("name", ["yes", "silent"])
def test_what_is_lost_meanwhile(lost: str, before: float, name: str) -> None:
    """The link or the daemon is away for five seconds: who confirmed then is connected, who never does is hung up."""

    async def run() -> None:
        world = await asking([name], seconds=before, limit=20.0)
        if lost == "daemon":
            await world.kill()
            await world.settle(5)
            await world.boot().connected()
        else:
            world.cut()
            await world.settle(5)
            await world.relink()
        await world.settle(60)
        expected = "answered" if name == "yes" else "no_answer"
        assert world.told[0].split()[:2] == ["Dialled", expected]
        assert len(world.rung) == 1

    run_virtually(run())


@pytest.mark.parametrize("names", [["yes"], ["silent", "late"], ["refuses"]])
def test_killed_at_every_point(names: list[str]) -> None:
    """However far it had got, the next daemon goes on: nobody is asked twice, and the same comes of it."""
    callees = {str(number): does for number, does in enumerate(CALLEES.values())}
    wished: dict[str, Any] = {"asks": [["a.wav"], "5", 6.0], "music": ["b.wav"], "record": "d"}
    document = [["answer"], ["dial", [numbered(names)], wished], ["wait", 1]]

    async def run() -> None:
        whole = await survived(document, None, callees=callees)
        for point in range(1, whole.points + 1):
            world = await survived(document, point, callees=callees)
            assert world.killed.is_set()
            assert world.told == whole.told, point
            assert len(world.rung) == len(whole.rung), point
            states = [[one.state for one in each.recordings.values()] for each in (world, whole)]
            assert states[0] == states[1], point

    run_virtually(run())
