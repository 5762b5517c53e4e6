"""The desk: whose a leg is, from its park to its end, through lost links and restarts of daemon and switch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from controller.calls.desk import CONGESTED, REFUSED, CallDesk
from controller.calls.events import (
    CallEnded,
    CallFailed,
    CallReleased,
    CallResumed,
    CallTaken,
    CallTurnedAway,
    DocumentRefused,
    LegLeftAlone,
)
from controller.calls.living import LOST, SWITCH_LOST
from controller.calls.looks import AT_ONCE, PATROL, SECOND_LOOK
from controller.documents.call import Call, CallInfo, CallState
from controller.recordings.model import Delivery, Recording, State, new_id
from controller.recordings.ports import CommandFailed, NotHeld, SwitchAway
from tests.calls.world import FAILED_LEDGER, SWITCH, World, running
from tests.recordings.fakes import REQUEST, owner
from tests.recordings.virtual import run_virtually, settled, virtual

FOREVER = [["wait", None]]


def waiting_call(**fields: object) -> Call:
    """A row whose document waits for ever."""
    known: dict[str, object] = {"text": '[["wait", null]]', "program": {"position": 0, "waiting": True}, "step": 1}
    return running(**{**known, **fields})


async def started(document: object = FOREVER, **fields: object) -> World:
    """A world with a daemon and a call under way."""
    world = World(document, **fields)  # type: ignore[arg-type]  # a test's own fields, by name
    world.boot()
    world.park()
    await world.settle()
    return world


async def after_restart(*calls: Call, parked: bool = True, **fields: object) -> World:
    """A world whose daemon finds rows, and its leg parked and marked as the first row's, when it connects."""
    world = World(FOREVER, **fields)  # type: ignore[arg-type]  # as above
    world.calls = {call.id: call for call in calls}
    world.linked = False
    if parked:
        world.park(marker=calls[0].id if calls else None, armed=False)
    world.boot()
    await world.relink()
    await world.settle()
    return world


# --- whose it is ----------------------------------------------------------------------------------------------------


@virtual
async def test_a_leg_that_nobody_claims_is_left_alone() -> None:
    """No command, no row: it is told, and that is all."""
    world = await started(claimed=False)
    assert (world.log, world.calls) == ([], {})
    assert [event.destination for event in world.of(LegLeftAlone)] == ["1001"]


@virtual
async def test_a_claimed_leg_is_ours() -> None:
    """Taken over once, its row says whose it is; a second CHANNEL_PARK of it changes nothing."""
    world = await started()
    world.tell(lambda daemon: daemon.desk.parked(world.parked(world.legs["leg"])))
    await world.settle()
    call = world.call
    assert (call.switch, call.leg, call.account, call.dialect, call.document) == (
        SWITCH,
        "leg",
        "acme",
        "swml",
        "main",
    )
    assert (call.text, call.core_uuid, call.state) == ('[["wait", null]]', "core", CallState.RUNNING)
    assert world.log == ["take_over"]
    assert world.legs["leg"].marker == call.id
    assert [event.call for event in world.of(CallTaken)] == [call.id]
    assert world.daemon is not None
    assert world.daemon.desk.count == 1
    assert world.daemon.desk.find(call.id) == replace(call, marked=True)
    assert world.daemon.desk.find("another") is None


@pytest.mark.parametrize(
    ("happens", "held"),
    [
        (lambda _, desk: desk.hold(SWITCH, "leg", held=True), True),
        (lambda _, desk: desk.hold(SWITCH, "leg", held=False), False),
        (lambda world, desk: desk.parked(world.parked(world.legs["leg"])), False),
        (lambda _, desk: desk.bridged(SWITCH, "leg", "whose ever", 1.0, ""), False),
        (lambda _, desk: desk.gone(SWITCH, "leg", "NORMAL_CLEARING"), False),
        (lambda _, desk: desk.connecting(SWITCH), False),
        (lambda _, desk: desk.connecting("another"), True),
        (lambda _, desk: desk.gone(SWITCH, "another", "NORMAL_CLEARING"), True),
    ],
)
def test_how_long_a_leg_is_on_hold(happens: Callable[[World, CallDesk], None], held: bool) -> None:
    """Until it is let go, or whatever may have ended its hold without a word: no call is on hold for ever."""

    async def run() -> None:
        world = await started()
        assert world.daemon is not None
        desk = world.daemon.desk
        assert not desk.held(SWITCH, "leg")
        desk.hold(SWITCH, "leg", held=True)
        happens(world, desk)
        assert desk.held(SWITCH, "leg") is held

    run_virtually(run())


@virtual
async def test_one_call_too_many_is_turned_away() -> None:
    """Beyond the limit a leg is hung up with its own cause; a refused hangup is left to the dialplan's own."""
    world = await started(limit=1)
    world.park("second")
    await world.settle()
    world.refusals["hang_up"] = [CommandFailed("-ERR no")]
    third = world.park("third")
    await world.settle()
    assert world.legs["second"].cause == CONGESTED
    assert (third.alive, third.armed) == (True, True)
    assert [event.leg for event in world.of(CallTurnedAway)] == ["second", "third"]
    world.hang_up("leg")
    await world.settle()
    world.park("fourth")
    await world.settle()
    assert world.legs["fourth"].marker is not None


@virtual
async def test_when_there_is_too_much_to_do_new_legs_are_turned_away() -> None:
    """With why, and theirs alone: the call that lives goes on, and the next is taken when there is time again."""
    world = await started()
    world.busy = "the store has been stalled for 10 s"
    world.park("second")
    await world.settle()
    assert (world.legs["second"].cause, world.legs["leg"].alive) == (CONGESTED, True)
    assert world.of(CallTurnedAway) == [CallTurnedAway(SWITCH, "second", "the store has been stalled for 10 s")]
    world.busy = None
    world.park("third")
    await world.settle()
    assert world.legs["third"].marker is not None


# --- documents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"main": "{}"}, "main: line 1: top: no list"),
        ({}, "main: no such file"),
        ({"main": "<Response/>"}, "main: XML documents of signalwire accounts are not supported in this version"),
    ],
)
@virtual
async def test_a_document_that_is_refused(texts: dict[str, str], why: str) -> None:
    """Nothing of it runs: hung up as a temporary failure, with every reason told; never left parked."""
    world = await started(document=None, texts=texts)
    assert world.log == [f"hang_up {REFUSED}"]
    assert (world.call.state, world.call.cause) == (CallState.ENDED, REFUSED)
    assert [event.why for event in world.of(DocumentRefused)] == [why]
    assert [event.why for event in world.of(CallFailed)] == [why]


@virtual
async def test_the_fallback_takes_the_place_of_a_refused_document() -> None:
    """Its document runs instead, under its own name; where it is refused too both reasons are told."""
    world = await started(document=None, texts={"main": "{}", "other": '[["hangup", "BUSY"]]'}, fallback="other")
    assert (world.call.document, world.call.cause) == ("other", "BUSY")
    assert len(world.of(DocumentRefused)) == 1
    assert world.of(CallFailed) == []
    world = await started(document=None, texts={"main": "{}"}, fallback="other")
    assert [event.why for event in world.of(CallFailed)] == ["main: line 1: top: no list; other: no such file"]


@pytest.mark.parametrize("text", ['"bug"', '[["bug"]]'])
def test_a_bug_keeps_nobody_in_silence(text: str) -> None:
    """A dialect or a program that raises: reported, and the leg is hung up."""

    async def run() -> None:
        world = await started(document=None, texts={"main": text})
        assert world.legs["leg"].cause == REFUSED
        [failed] = world.of(CallFailed)
        assert failed.why.endswith("an error of fsrec's own")

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_virtually(run())


def test_a_bug_in_going_on_keeps_nobody_in_silence() -> None:
    """A document that cannot be restored for a fault of ours: reported, and the leg is hung up."""

    async def run() -> None:
        world = await after_restart(waiting_call(text='"bug"'))
        assert world.legs["leg"].cause == REFUSED

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_virtually(run())


def test_a_row_without_a_stored_form_keeps_nobody_in_silence() -> None:
    """The hangup goes on whatever storing its cause raises, and that is reported."""

    async def run() -> None:
        world = await started([["wait", 1], ["hangup", "BUSY"]])
        world.refusals["save"] = [ValueError("Circular reference detected")]
        await world.settle()
        assert world.legs["leg"].cause == "BUSY"

    with pytest.raises(AssertionError, match="Circular reference detected"):
        run_virtually(run())


@virtual
async def test_calls_go_on_after_a_restart_with_the_loops_turns_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many: between the readings of any two documents others have their turn."""
    world = World(FOREVER)
    world.calls = {str(number): waiting_call(id=str(number), leg=str(number)) for number in range(20)}
    world.linked = False
    for number in world.calls:
        world.park(leg=number, marker=number, armed=False)
    world.boot()
    assert world.daemon is not None
    turns, at, dialect = 0, [], world.daemon.desk.rooms.sources.languages.dialects["swml"]
    restore = dialect.restore

    def turned() -> None:
        nonlocal turns
        turns += 1

    def noted(*arguments: Any) -> Any:
        at.append(turns)
        asyncio.get_running_loop().call_soon(turned)
        return restore(*arguments)

    monkeypatch.setattr(dialect, "restore", noted)
    await world.relink()
    await world.settle()
    assert len(at) == len(world.calls)
    assert len(set(at)) == len(at)
    assert len(world.of(CallResumed)) == len(at)


def test_a_bug_in_other_work_is_reported() -> None:
    """What nobody waits for is not silent when it fails."""

    async def run() -> None:
        world = await started(refusals={"look": [ZeroDivisionError("a bug")]})
        transfer(world)
        await world.settle()
        assert world.call.state is CallState.RUNNING

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_virtually(run())


@virtual
async def test_a_hangup_that_waits_for_the_link() -> None:
    """A call that is given up while there is no link is hung up when it is back; nothing else of it goes on."""
    world = await started(document=None, texts={}, refusals={"hang_up": [SwitchAway("gone")]}, held={})
    assert world.legs["leg"].cause == REFUSED
    world = World(None, texts={})
    world.boot()
    world.park()
    world.cut()
    await world.settle(20)
    assert world.log == []
    await world.relink()
    await world.settle()
    assert world.log == [f"hang_up {REFUSED}"]


# --- the end --------------------------------------------------------------------------------------------------------


@virtual
async def test_the_legs_end_ends_the_call() -> None:
    """The document is over where it stands; the first cause told is kept."""
    world = await started([["record", "a"], ["wait", 10]])
    world.hang_up(cause="USER_BUSY")
    world.tell(lambda daemon: daemon.desk.gone(SWITCH, "leg", "UNKNOWN"))  # CHANNEL_DESTROY
    await world.settle(60)
    call = world.call
    assert (call.state, call.cause, call.waiting, call.recording) == (CallState.ENDED, "USER_BUSY", None, None)
    assert [event.cause for event in world.of(CallEnded)] == ["USER_BUSY"]
    assert world.daemon is not None
    assert (world.daemon.desk.count, world.daemon.desk.find(call.id)) == (0, None)
    assert not world.daemon.desk._living.tasks
    assert "hang_up NORMAL_CLEARING" not in world.log
    assert [found.state.final for found in world.recordings.values()] == [True]


@virtual
async def test_facts_of_other_legs() -> None:
    """Events of legs that are not ours mean nothing."""
    world = await started()
    assert world.daemon is not None
    desk = world.daemon.desk
    desk.answered(SWITCH, "other")
    desk.hanging_up(SWITCH, "other", "BUSY")
    desk.unparked(SWITCH, "other")
    desk.gone(SWITCH, "other", "BUSY")
    desk.hanging_up(SWITCH, "leg", "FIRST")
    desk.hanging_up(SWITCH, "leg", "SECOND")
    desk.gone(SWITCH, "leg", "THIRD")
    await world.settle()
    assert world.call.cause == "FIRST"


@virtual
async def test_an_end_is_stored_in_the_end() -> None:
    """A ledger that fails for a while: the end is tried again until it is durable."""
    world = await started()
    world.refusals["save"] = [FAILED_LEDGER] * 8
    world.hang_up()
    await world.settle(60)
    assert world.call.state is CallState.ENDED


# --- others take it -------------------------------------------------------------------------------------------------


def transfer(world: World) -> None:
    """Somebody transfers the leg: it leaves park and lives."""
    world.legs["leg"].routed += 1
    world.legs["leg"].parked = False
    world.tell(lambda daemon: daemon.desk.unparked(SWITCH, "leg"))


@virtual
async def test_a_leg_that_others_take_is_let_go() -> None:
    """Its document ends, its marker is taken off, its recordings go on; its end is still noted, by leg."""
    world = await started([["record", "a"], ["wait", 1], ["hangup", "BUSY"]])
    transfer(world)
    await world.settle(30)
    assert (world.call.state, world.call.waiting) == (CallState.RELEASED, None)
    assert world.legs["leg"].marker is None
    assert world.log == ["take_over", "answer", "start a", "release"]
    assert [event.call for event in world.of(CallReleased)] == [world.call.id]
    assert world.daemon is not None
    assert world.daemon.desk.find(world.call.id) is not None
    assert len(world.recorders) == 1
    world.hang_up(cause="USER_BUSY")
    await world.settle(10)
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "USER_BUSY")
    assert [found.state.final for found in world.recordings.values()] == [True]


@virtual
async def test_unparked_by_its_own_hangup() -> None:
    """CHANNEL_UNPARK on the way out, before or after CHANNEL_HANGUP, by the caller or by us: nobody took it."""
    world = await started()
    world.legs["leg"].alive = False
    world.tell(lambda daemon: daemon.desk.unparked(SWITCH, "leg"))
    await settled()
    world.tell(lambda daemon: daemon.desk.hanging_up(SWITCH, "leg", "USER_BUSY"))
    world.tell(lambda daemon: daemon.desk.unparked(SWITCH, "leg"))
    await world.settle()
    assert world.of(CallReleased) == []
    world.tell(lambda daemon: daemon.desk.gone(SWITCH, "leg", "USER_BUSY"))
    await world.settle()
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "USER_BUSY")
    world = await started([["wait", 2]])
    world.held["hang_up"] = asyncio.Event()
    await world.settle(3)
    transfer(world)
    await world.settle()
    assert world.of(CallReleased) == []


@virtual
async def test_a_hangup_that_begins_during_the_look() -> None:
    """The leg lived when it was looked at, and its document has hung it up since: it is not let go."""
    world = await started([["wait", 2]])
    world.held["look"] = world.held["hang_up"] = asyncio.Event()
    world.tell(lambda daemon: daemon.desk.unparked(SWITCH, "leg"))  # on its way out
    await world.settle(3)
    world.held["look"].set()
    world.held.clear()
    await world.settle(10)
    assert world.of(CallReleased) == []
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "NORMAL_CLEARING")


@pytest.mark.parametrize("failure", [SwitchAway("gone"), CommandFailed("no dump")])
@virtual
async def test_a_look_that_fails_decides_nothing(failure: Exception) -> None:
    """Without an answer the call stays as it is."""
    world = await started(refusals={"look": [failure]})
    transfer(world)
    await world.settle()
    assert world.call.state is CallState.RUNNING


@virtual
async def test_a_leg_that_is_parked_again() -> None:
    """Others took it and parked it again, at once or later: it is a new call of ours, and the old one has its end."""
    for pause in (0.0, 5.0):
        world = await started()
        first = world.call
        transfer(world)
        await asyncio.sleep(pause)
        leg = world.legs["leg"]
        leg.parked = True
        world.tell(lambda daemon, w=world, leg=leg: daemon.desk.parked(w.parked(leg)))  # type: ignore[misc]
        await world.settle(5)
        assert world.calls[first.id].state is CallState.RELEASED
        [second] = [call for call in world.calls.values() if call.id != first.id]
        assert (second.state, leg.marker) == (CallState.RUNNING, second.id)
        assert world.log == ["take_over", "release", "take_over"]
        world.hang_up()
        await world.settle()
        assert {call.state for call in world.calls.values()} == {CallState.ENDED}


@virtual
async def test_a_leg_that_is_parked_again_before_its_marker_is_off() -> None:
    """The marker of the call that was let go is no stranger's: the leg is claimed, not hung up."""
    world = await started(refusals={"release": [SwitchAway("gone")]})
    transfer(world)
    await world.settle()
    leg = world.legs["leg"]
    assert leg.marker == world.call.id
    leg.parked = True
    world.tell(lambda daemon: daemon.desk.parked(world.parked(leg)))
    await world.settle()
    assert leg.alive
    assert len(world.calls) == 2


# --- others take it while nobody sees -------------------------------------------------------------------------------


def away(world: World, **fields: object) -> None:
    """The link goes, and while it is away the leg becomes what the fields say."""
    world.cut()
    for name, value in fields.items():
        setattr(world.legs["leg"], name, value)


@virtual
async def test_a_leg_taken_while_the_link_was_away() -> None:
    """Routed anew by others: let go of, its marker taken off, and nothing of its document happens to it any more."""
    world = await started([["wait", 5], ["record", "a"], ["hangup", "BUSY"]])
    away(world, parked=False, routed=2.0)
    await world.relink()
    await world.settle(60)
    assert world.log == ["take_over", "release"]
    assert (world.call.state, world.call.cause, world.legs["leg"].alive) == (CallState.RELEASED, None, True)
    assert len(world.of(CallReleased)) == 1
    world.hang_up(cause="USER_BUSY")
    await world.settle()
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "USER_BUSY")


@pytest.mark.parametrize("seconds", [0, 10])
@virtual
async def test_a_document_that_ended_while_others_took_the_leg(seconds: float) -> None:
    """Its hangup waited for the link, or begins before the leg was looked at: nobody else's call is hung up."""
    world = await started([["wait", 5], ["hangup", "BUSY"]])
    away(world, parked=False, routed=2.0)
    await world.settle(seconds)
    world.held["live"] = asyncio.Event()  # the connect takes its time
    connecting = asyncio.get_running_loop().create_task(world.relink())
    await world.settle(10)
    world.held.pop("live").set()
    await connecting
    await world.settle(60)
    assert world.log == ["take_over", "release"]
    assert (world.call.state, world.call.cause) == (CallState.RELEASED, None)


@virtual
async def test_no_step_begins_before_the_leg_was_looked_at() -> None:
    """The wait was over while the connect had not looked at the leg yet: no recording begins on others' call."""
    world = await started([["wait", 5], ["record", "a"], ["wait", None]])
    away(world, parked=False, routed=2.0)
    world.held["live"] = asyncio.Event()
    connecting = asyncio.get_running_loop().create_task(world.relink())
    await world.settle(30)
    assert world.log == ["take_over"]
    world.held.pop("live").set()
    await connecting
    await world.settle(30)
    assert world.log == ["take_over", "release"]
    assert world.recordings == {}


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("marker", ["kept", None])
@virtual
async def test_a_leg_parked_anew_while_nobody_was_there(restart: bool, marker: str | None) -> None:
    """Transferred away and back: a new call of its route, and the old document is over."""
    world = await started([["wait", 1], ["wait", None]])
    first = world.call
    fields = {} if marker == "kept" else {"marker": None}
    away(world, routed=2.0, armed=True, **fields)
    if restart:
        await world.kill()
        world.boot()
    await world.relink()
    await world.settle(5)
    leg = world.legs["leg"]
    [second] = [call for call in world.calls.values() if call.id != first.id]
    assert world.calls[first.id].state is CallState.RELEASED
    assert (second.state, leg.marker, leg.armed) == (CallState.RUNNING, second.id, False)
    assert (world.of(CallResumed), world.of(CallFailed)) == ([], [])


@pytest.mark.parametrize("restart", [False, True])
@virtual
async def test_a_leg_whose_marker_others_took_off(restart: bool) -> None:
    """It was seen to be marked, and is not any more: what is parked there is a leg like any other."""
    world = await started([["wait", 1], ["wait", None]])
    await world.settle(2)  # the second step's row says that it is marked
    first = world.call
    assert first.marked
    away(world, marker=None)
    if restart:
        await world.kill()
        world.boot()
    await world.relink()
    await world.settle(5)
    assert world.calls[first.id].state is CallState.RELEASED
    assert len(world.calls) == 2


@virtual
async def test_a_marker_that_was_seen_and_is_gone() -> None:
    """The row does not say that the leg was marked, but the look after the restart did."""
    first = waiting_call()
    world = await after_restart(first)
    away(world, marker=None)
    await world.relink()
    await world.settle(5)
    assert world.calls[first.id].state is CallState.RELEASED
    assert len(world.calls) == 2


@virtual
async def test_a_marker_that_is_told_while_a_row_is_stored() -> None:
    """It is not forgotten with the row's older value."""
    world = await started([["stop", None]] * 5 + FOREVER)
    assert world.daemon is not None
    found = world.daemon.desk.find(world.call.id)
    assert found is not None
    assert found.marked


@pytest.mark.parametrize("restart", [False, True])
@virtual
async def test_another_leg_of_the_same_id(restart: bool) -> None:
    """The leg ended while nobody watched, and a caller chose its id again: the old call ended, a new one begins."""
    world = await started([["wait", 1], ["wait", None]])
    first = world.call
    away(world, born=2.0, routed=2.0, marker=None, armed=True)
    if restart:
        await world.kill()
        world.boot()
    await world.relink()
    await world.settle(5)
    assert (world.calls[first.id].state, world.calls[first.id].cause) == (CallState.ENDED, LOST)
    assert len(world.calls) == 2
    assert world.of(CallReleased) == []


@virtual
async def test_another_leg_of_a_released_ones_id() -> None:
    """A call that was let go ends with its leg, not with another of the same id."""
    released = waiting_call(state=CallState.RELEASED)
    world = World(FOREVER)
    world.calls = {released.id: released}
    world.linked = False
    world.park(born=2.0, routed=2.0)
    world.boot()
    await world.relink()
    await world.settle()
    assert (world.calls[released.id].state, world.calls[released.id].cause) == (CallState.ENDED, LOST)
    assert len(world.calls) == 2


@virtual
async def test_a_profile_that_is_not_told_takes_nothing_away() -> None:
    """A row of a former version knows no caller profile: its document goes on."""
    world = await after_restart(waiting_call(info=CallInfo("1001", created_at=1.0)))
    assert len(world.of(CallResumed)) == 1
    assert world.of(CallReleased) == []


@virtual
async def test_a_released_leg_that_still_carries_its_marker() -> None:
    """It is others', so it is not claimed, though it is told among the legs that carry our marker."""
    world = await started(refusals={"release": [SwitchAway("gone")] * 2})
    transfer(world)
    await world.settle()
    world.cut()
    await world.relink()
    await world.settle()
    assert world.log == ["take_over"]
    assert list(world.calls) == [world.call.id]
    assert world.legs["leg"].alive


@virtual
async def test_a_released_leg_that_is_ours_again() -> None:
    """Its new call has not marked it yet: the old marker is left to be overwritten, not taken off behind it."""
    world = await started(refusals={"release": [SwitchAway("gone")]})
    transfer(world)
    await world.settle()
    world.held["take_over"] = asyncio.Event()
    world.legs["leg"].parked = True
    world.tell(lambda daemon: daemon.desk.parked(world.parked(world.legs["leg"])))
    await world.settle()
    world.cut()
    world.held.pop("take_over").set()
    await world.relink()
    await world.settle()
    assert world.log == ["take_over", "take_over"]


@virtual
async def test_a_marked_leg_that_runs_something_without_a_row() -> None:
    """What was executed within park hides that it is parked: it is hung up all the same."""
    world = World(FOREVER)
    world.linked = False
    world.park(marker=new_id(), armed=False, parked=False)
    world.boot()
    await world.relink()
    await world.settle()
    assert world.log == [f"hang_up {REFUSED}"]


# --- rows -----------------------------------------------------------------------------------------------------------


@virtual
async def test_a_released_call_does_not_run_again() -> None:
    """Its row could not be written yet and still says running: the next connect revives nothing."""
    world = await started([["wait", 20], ["hangup", "BUSY"]])
    world.refusals["save"] = [FAILED_LEDGER] * 8
    transfer(world)
    await asyncio.sleep(0.05)
    assert len(world.of(CallReleased)) == 1
    world.legs["leg"].routed = 1.0  # no look would tell
    world.cut()
    await world.relink()
    await world.settle(60)
    assert world.log == ["take_over", "release"]
    assert (world.call.state, len(world.of(CallReleased))) == (CallState.RELEASED, 1)


@virtual
async def test_an_ended_call_does_not_run_again() -> None:
    """Its row could not be written yet: the next connect neither revives it nor forgets its cause."""
    world = await started()
    world.refusals["save"] = [FAILED_LEDGER] * 8
    world.hang_up(cause="USER_BUSY")
    world.cut()
    await world.relink()
    await world.settle(60)
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "USER_BUSY")
    assert len(world.of(CallEnded)) == 1


@pytest.mark.parametrize("how", ["released", "ended"])
@virtual
async def test_rows_that_are_older_than_what_was_stored(how: str) -> None:
    """They were read before the call's last word was stored, and arrive after it: nothing is revived."""
    world = await started()
    assert world.daemon is not None
    world.refusals["save"] = [FAILED_LEDGER]
    if how == "released":
        transfer(world)
    else:
        world.hang_up(cause="USER_BUSY")
    await asyncio.sleep(0.05)
    world.held["live"] = asyncio.Event()
    adopting = asyncio.get_running_loop().create_task(world.daemon.desk.adopt(SWITCH))
    await world.settle(5)
    assert world.call.state.value == how
    world.held["live"].set()
    await adopting
    assert world.daemon.desk.count == 0


@virtual
async def test_an_old_row_does_not_come_after_a_newer() -> None:
    """Let go, but not stored, and ended meanwhile: the row says ended, and each stored value is a later one."""
    world = await started()
    saved: list[Call] = []
    assert world.daemon is not None
    ledger, first = world.daemon.rooms.ledger, world.daemon.rooms.ledger.save

    async def save(call: Call, told: Sequence[Delivery] = ()) -> None:
        await first(call, told)
        saved.append(call)

    ledger.save = save  # type: ignore[method-assign]  # to see what is stored, in its order
    world.refusals["save"] = [FAILED_LEDGER] * 2
    transfer(world)
    await settled()
    await asyncio.sleep(0.05)
    world.hang_up(cause="USER_BUSY")
    await world.settle(10)
    assert [(call.state, call.cause) for call in saved] == [(CallState.ENDED, "USER_BUSY")]
    assert world.call.state is CallState.ENDED


@virtual
async def test_revisions_grow() -> None:
    """Each value of a call that is stored has a higher revision than the one before."""
    world = World([["answer"], ["record", "a"], ["wait", 1], ["stop", None], ["hangup", "BUSY"]])
    revisions: list[int] = []
    calls = world.calls = Noted(revisions)
    world.boot()
    world.park()
    await world.settle(30)
    assert world.call.state is CallState.ENDED
    assert revisions == sorted(set(revisions))
    assert len(revisions) == 6
    assert calls


class Noted(dict[str, Call]):
    """Rows that note the revision of each call that is stored."""

    def __init__(self, revisions: list[int]) -> None:
        super().__init__()
        self.revisions = revisions

    def __setitem__(self, key: str, call: Call) -> None:
        self.revisions.append(call.revision)
        super().__setitem__(key, call)

    def update(self, other: dict[str, Call]) -> None:  # type: ignore[override]  # the only form that is used
        for key, call in other.items():
            self[key] = call


@virtual
async def test_two_calls_of_one_leg_end_with_it() -> None:
    """A leg that was let go twice: both rows end."""
    world = await started()
    transfer(world)
    await world.settle()
    world.legs["leg"].parked = True
    world.tell(lambda daemon: daemon.desk.parked(world.parked(world.legs["leg"])))
    await world.settle()
    transfer(world)
    await world.settle()
    assert [call.state for call in world.calls.values()] == [CallState.RELEASED] * 2
    world.hang_up(cause="USER_BUSY")
    await world.settle()
    assert [(call.state, call.cause) for call in world.calls.values()] == [(CallState.ENDED, "USER_BUSY")] * 2


@virtual
async def test_two_rows_of_one_leg() -> None:
    """A crash before the older call's end was stored: the newer one goes on, the older one is let go."""
    older, newer = waiting_call(started_at=1.0), waiting_call(started_at=2.0)
    world = World(FOREVER)
    world.calls = {call.id: call for call in (older, newer)}
    world.linked = False
    world.park(marker=newer.id)
    world.boot()
    await world.relink()
    await world.settle()
    assert len(world.of(CallResumed)) == 1
    assert [world.calls[call.id].state for call in (older, newer)] == [CallState.RELEASED, CallState.RUNNING]
    world.hang_up()
    await world.settle()
    assert {call.state for call in world.calls.values()} == {CallState.ENDED}


# --- events that were lost ------------------------------------------------------------------------------------------


def lose(world: World, leg: str = "leg") -> None:
    """The leg ends, and nobody is told."""
    world.linked = False
    world.hang_up(leg)
    world.linked = True


@virtual
async def test_a_hangup_of_a_leg_that_is_gone() -> None:
    """Its end was never told: the document's hangup sees it, and the call ends without a command."""
    world = await started([["wait", 5], ["hangup", "BUSY"]])
    lose(world)
    await world.settle(10)
    assert world.log == ["take_over"]
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "BUSY")
    assert world.daemon is not None
    assert (world.daemon.desk.count, world.daemon.desk._living.tasks) == (0, {})


@virtual
async def test_a_hangup_whose_end_is_not_told() -> None:
    """It took effect, and its event was lost: seen when it would be repeated, and not repeated."""
    world = await started([["wait", 5], ["hangup", "BUSY"]])
    world.held["hang_up"] = asyncio.Event()
    await world.settle(5)
    original = world.hang_up
    world.hang_up = lambda leg="leg", cause="": lose_by(world, original, cause)  # type: ignore[method-assign]
    world.held["hang_up"].set()
    await world.settle(20)
    assert world.log == ["take_over", "hang_up BUSY"]
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "BUSY")


def lose_by(world: World, hang_up: object, cause: str) -> None:
    world.linked = False
    hang_up("leg", cause)  # type: ignore[operator]  # the world's own
    world.linked = True


@virtual
async def test_what_a_patrol_sees() -> None:
    """While the link stays up: an end, a release's end, a transfer, one back, that nobody told, are seen at last."""
    world = World([["answer"], ["wait", None]], deaf={"answered"}, answers=False)
    for name in ("ends", "released", "moved", "again", "stays"):
        world.linked = False
        world.park(name)
    world.linked = True
    world.boot()
    await world.relink()
    await world.settle(12)  # the answers failed, the documents wait
    world.legs["released"].parked = False
    world.tell(lambda daemon: daemon.desk.unparked(SWITCH, "released"))
    await world.settle()
    lose(world, "ends")
    lose(world, "released")
    world.legs["moved"].routed, world.legs["moved"].parked = 2.0, False
    world.legs["again"].routed = 2.0
    await world.settle(2 * PATROL)
    [anew] = [call.id for call in world.calls.values() if call.leg == "again" and call.state is CallState.RUNNING]
    assert world.legs["again"].marker == anew
    assert world.calls.pop(anew).info.profile_at == 2.0
    states = {call.leg: (call.state, call.cause) for call in world.calls.values()}
    assert states == {
        "ends": (CallState.ENDED, LOST),
        "released": (CallState.ENDED, LOST),
        "moved": (CallState.RELEASED, None),
        "again": (CallState.RELEASED, None),
        "stays": (CallState.RUNNING, None),
    }
    assert world.daemon is not None
    assert world.daemon.desk.count == 2


@virtual
async def test_one_patrol_a_switch() -> None:
    """However often it connects."""
    world = World(FOREVER)
    world.boot()
    for _ in range(3):
        await world.relink()
    await world.settle()
    assert world.daemon is not None
    assert len(world.daemon.desk._living.tasks) == 1


@virtual
async def test_a_patrol_hears_an_answer() -> None:
    """CHANNEL_ANSWER was lost: the runner knows it from the patrol, so no recording answers again."""
    world = World([["wait", 2 * PATROL], ["record", "a"], ["wait", None]])
    world.boot()
    await world.relink()
    world.park()
    await world.settle()
    world.legs["leg"].answered = True
    await world.settle(3 * PATROL)
    assert world.log == ["take_over", "start a"]


@virtual
async def test_an_end_told_during_a_patrols_look() -> None:
    """The leg is gone when it is looked at, its end is told within the grace: told once, with its own cause."""
    world = World(FOREVER)
    world.boot()
    await world.relink()
    world.park()
    await world.settle()
    world.held["look"] = asyncio.Event()
    await world.settle(2 * PATROL)
    world.legs["leg"].alive = False
    world.held.pop("look").set()
    await world.settle(0.5)
    world.tell(lambda daemon: daemon.desk.gone(SWITCH, "leg", "USER_BUSY"))
    await world.settle(10)
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "USER_BUSY")
    assert len(world.of(CallEnded)) == 1


@virtual
async def test_a_patrol_that_cannot_look() -> None:
    """A dump that cannot be read decides nothing and ends nothing; a lost link ends a patrol, the next begins one."""
    world = World(FOREVER)
    world.boot()
    await world.relink()
    world.park()
    await world.settle()
    world.refusals["look"] = [CommandFailed("no dump")] * 3
    await world.settle(4 * PATROL)
    assert (world.call.state, world.refusals["look"]) == (CallState.RUNNING, [])
    world.cut()
    await world.settle(2 * PATROL)
    await world.relink()
    lose(world)
    await world.settle(3 * PATROL)
    assert world.call.state is CallState.ENDED


@virtual
async def test_a_released_leg_that_cannot_be_looked_at() -> None:
    """It stays as it is, and the connect is none the worse for it."""
    released = waiting_call(state=CallState.RELEASED)
    world = World(FOREVER)
    world.calls = {released.id: released}
    world.refusals["look"] = [CommandFailed("no dump")]
    world.boot()
    await world.relink()
    assert world.call.state is CallState.RELEASED


# --- a new connect --------------------------------------------------------------------------------------------------


@virtual
async def test_legs_parked_while_nobody_was_there() -> None:
    """Those parked now are taken, and, a second later, those whose row came late; each once, and no connect waits."""
    world = World(FOREVER)
    world.boot()
    world.linked = False
    world.park("early")
    world.linked = True
    async with asyncio.timeout(SECOND_LOOK / 2):
        await world.relink()
    await world.settle(SECOND_LOOK / 2)
    assert {call.leg for call in world.calls.values()} == {"early"}
    world.linked = False
    world.park("late")
    world.linked = True
    await world.settle()
    assert world.log == ["take_over", "take_over"]
    assert {call.leg for call in world.calls.values()} == {"early", "late"}


@virtual
async def test_a_second_look_of_a_former_link() -> None:
    """It is not made once the link has come back: what the new connect has not looked at would be misjudged."""
    world = World(FOREVER)
    daemon = world.boot()
    await world.relink()
    await world.settle(SECOND_LOOK / 2)
    world.linked = False
    world.park("late")
    world.linked = True
    daemon.desk.connecting(SWITCH)
    await world.settle()
    assert not world.calls
    await world.relink()
    await world.settle(SECOND_LOOK / 2)
    assert {call.leg for call in world.calls.values()} == {"late"}


@virtual
async def test_a_parked_leg_that_ends_before_it_is_looked_up() -> None:
    """The list of parked legs is older than a leg's end: no call comes of it that would never end."""
    world = World(FOREVER)
    daemon = world.boot()
    world.linked = False
    world.park()
    world.linked = True
    legs = daemon.rooms.legs
    original = legs.waiting

    async def slowly(switch: str) -> object:
        found = await original(switch)
        world.hang_up()
        return found

    legs.waiting = slowly  # type: ignore[assignment,method-assign]  # the switch's answer takes its time
    await world.relink()
    await world.settle()
    assert (world.calls, daemon.desk.count) == ({}, 0)


@virtual
async def test_a_call_goes_on_after_a_restart() -> None:
    """Its leg lives and carries its marker: the document goes on where it stood, and is not taken over again."""
    world = await after_restart(waiting_call())
    assert world.log == []
    assert [event.step for event in world.of(CallResumed)] == [1]
    assert world.call.state is CallState.RUNNING


@virtual
async def test_a_call_whose_marker_is_missing() -> None:
    """The crash came between the row and the take-over: it is taken over now, disarmed and marked."""
    call = waiting_call()
    world = World(FOREVER)
    world.calls = {call.id: call}
    world.linked = False
    world.park()
    world.boot()
    await world.relink()
    await world.settle()
    assert world.log == ["take_over"]
    assert (world.legs["leg"].marker, world.legs["leg"].armed) == (call.id, False)
    assert list(world.calls) == [call.id]


@virtual
async def test_a_call_whose_leg_is_gone() -> None:
    """It ended while nobody watched: its row says so, once."""
    call = waiting_call(cause=None)
    world = await after_restart(call, parked=False)
    assert (world.call.state, world.call.cause) == (CallState.ENDED, LOST)
    assert len(world.of(CallEnded)) == 1
    assert world.log == []


@virtual
async def test_a_leg_that_ends_while_it_is_looked_at() -> None:
    """Its end is heard before the look's answer: the end's own cause is kept, told once, and nothing goes on."""
    for answer in ([], [CommandFailed("no dump")]):
        world = World(FOREVER)
        call = waiting_call()
        world.calls = {call.id: call}
        world.linked = False
        world.park(marker=call.id)
        daemon = world.boot()
        await daemon.desk.adopt(SWITCH)
        world.refusals["look"] = list(answer)
        world.held["look"] = asyncio.Event()
        connecting = asyncio.get_running_loop().create_task(world.relink())
        await world.settle(0.5)
        world.hang_up(cause="USER_BUSY")
        await world.settle(0.5)
        world.held["look"].set()
        await connecting
        await world.settle()
        assert (world.call.state, world.call.cause) == (CallState.ENDED, "USER_BUSY")
        assert len(world.of(CallEnded)) == 1
        assert world.of(CallResumed) == []


@virtual
async def test_a_leg_that_was_hanging_up_when_the_link_went() -> None:
    """CHANNEL_HANGUP was heard, its end was not: the cause that was told is kept."""
    world = await started()
    world.tell(lambda daemon: daemon.desk.hanging_up(SWITCH, "leg", "USER_BUSY"))
    world.cut()
    world.legs.clear()
    await world.relink()
    await world.settle()
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "USER_BUSY")


@virtual
async def test_a_limit_of_ours_stands() -> None:
    """A limited leg is never taken over again, which would call its limit off: not after a restart or a lost link."""
    world = await after_restart(
        waiting_call(limited=True, marked=True), refusals={"look": [CommandFailed("no dump")]}
    )
    world.legs["leg"].limit = 60.0
    world.cut()
    world.refusals["look"] = [CommandFailed("no dump")]
    await world.relink()
    await world.settle()
    world.cut()
    await world.relink()
    await world.settle()
    assert (world.log, world.legs["leg"].limit) == ([], 60.0)


@pytest.mark.parametrize("link", ["up", "away"])
@virtual
async def test_others_take_a_leg_without_its_limit(link: str) -> None:
    """What we have scheduled for a leg is called off when others have it; what they schedule is left alone."""
    world = await started([["answer", 60.0], ["wait", None]])
    assert world.log[-1] == "limit 60"
    if link == "up":
        transfer(world)
    else:
        away(world, parked=False, routed=2.0)
        await world.relink()
    await world.settle()
    assert world.log[-1] == "release"
    assert world.legs["leg"].limit is None
    other = await started([["answer"], ["wait", None]])
    other.legs["leg"].limit = 5.0
    transfer(other)
    await other.settle()
    assert (other.log[-1], other.legs["leg"].limit) == ("release", 5.0)


@virtual
async def test_a_leg_that_cannot_be_looked_at_goes_on() -> None:
    """A dump that cannot be read is no end: the document goes on, after a restart and after a lost link."""
    world = await after_restart(waiting_call(), refusals={"look": [CommandFailed("no dump")]})
    assert world.log == ["take_over"]
    world.cut()
    world.refusals["look"] = [CommandFailed("no dump")]
    await world.relink()
    await world.settle()
    assert world.log == ["take_over", "take_over"]
    assert world.call.state is CallState.RUNNING


@virtual
async def test_a_link_that_goes_during_the_looks() -> None:
    """SwitchAway reaches who connects; the next connect looks again."""
    call = waiting_call()
    world = World(FOREVER)
    world.calls = {call.id: call}
    world.linked = False
    world.park(marker=call.id)
    world.boot()
    world.refusals["look"] = [SwitchAway("gone")]
    with pytest.raises(SwitchAway):
        await world.relink()
    assert world.log == []
    await world.relink()
    await world.settle()
    assert len(world.of(CallResumed)) == 1


@virtual
async def test_a_switch_that_restarted() -> None:
    """Another Core-UUID: every call of it has ended, released ones too; no leg of that name is taken for them."""
    gone, released = waiting_call(), waiting_call(leg="other", state=CallState.RELEASED)
    world = await after_restart(gone, released, core="another core")
    assert {call.cause for call in world.calls.values() if call.id in {gone.id, released.id}} == {SWITCH_LOST}
    assert world.daemon is not None
    assert world.daemon.desk.find(released.id) is None
    assert world.of(CallResumed) == []
    world = await started()
    world.restart_switch()
    await world.relink()
    await world.settle()
    assert (world.call.state, world.call.cause) == (CallState.ENDED, SWITCH_LOST)


@virtual
async def test_a_marked_leg_without_a_row() -> None:
    """Marked as ours and unknown: disarmed, so it is hung up, even where no route claims it any more."""
    for claimed in (True, False):
        world = World(FOREVER, claimed=claimed)
        world.linked = False
        world.park(marker=new_id(), armed=False)
        world.boot()
        await world.relink()
        await world.settle()
        assert world.log == [f"hang_up {REFUSED}"]
        assert (world.call.state, world.call.cause) == (CallState.ENDED, REFUSED)
        assert [event.why for event in world.of(CallFailed)] == ["the leg is marked as ours and its call is unknown"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"program": {}}, "the call's document had not begun"),
        ({"dialect": "plivo"}, "the call's document had not begun"),
        ({"text": "{}"}, "main: line 1: top: no list"),
    ],
)
@virtual
async def test_a_call_that_cannot_go_on(fields: dict[str, object], why: str) -> None:
    """It is hung up with a stated cause."""
    world = await after_restart(waiting_call(**fields))
    assert (world.call.state, world.call.cause) == (CallState.ENDED, REFUSED)
    assert [event.why for event in world.of(CallFailed)] == [why]


@virtual
async def test_a_hangup_goes_on_after_a_restart() -> None:
    """A call that was being hung up is hung up with its own cause, which is no failure."""
    world = await after_restart(waiting_call(cause="USER_BUSY"))
    assert world.log == ["hang_up USER_BUSY"]
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "USER_BUSY")
    assert world.of(CallFailed) == []


@virtual
async def test_a_recording_that_no_row_knows() -> None:
    """A step that waits for a recording which is in no row is refused, and the document goes on."""
    world = await after_restart(
        waiting_call(text='[["record", "a"]]', recording=new_id(), info=CallInfo("1001", answered=True))
    )
    assert world.told == {0: "RecordingRefused: the recording is unknown"}
    assert world.call.state is CallState.ENDED


@pytest.mark.parametrize(("error", "why"), [("disk full", "disk full"), (None, "the recording failed")])
@virtual
async def test_a_stop_whose_recording_failed_meanwhile(error: str | None, why: str) -> None:
    """Before the restart the step had begun to stop it; it has failed since: the step fails, with the reason."""
    made = Recording("r", owner(), REQUEST, State.FAILED, "/r.wav", 1.0, error=error)
    call = waiting_call(text='[["stop", "ref"]]', recording=made.id)
    world = World(FOREVER)
    world.calls, world.recordings = {call.id: call}, {made.id: made}
    world.linked = False
    world.park(marker=call.id)
    world.boot()
    await world.relink()
    await world.settle()
    assert world.told == {0: f"Failed: {why}"}


@virtual
async def test_released_calls_after_a_restart() -> None:
    """Gone: ended. Alive and still marked: let go of again. Alive and not ours any more: left; its end is heard."""
    gone = waiting_call(leg="gone", state=CallState.RELEASED)
    marked = waiting_call(leg="marked", state=CallState.RELEASED)
    free = waiting_call(leg="free", state=CallState.RELEASED)
    world = World(FOREVER)
    world.calls = {call.id: call for call in (gone, marked, free)}
    world.linked = False
    world.park("marked", marker=marked.id, parked=False)
    world.park("free", parked=False)
    world.boot()
    await world.relink()
    await world.settle()
    assert world.log == ["release"]
    assert world.legs["marked"].marker is None
    states = {call.leg: call.state for call in world.calls.values()}
    assert states == {"gone": CallState.ENDED, "marked": CallState.RELEASED, "free": CallState.RELEASED}
    assert world.calls[gone.id].cause == LOST
    world.hang_up("free", "USER_BUSY")
    await world.settle()
    assert world.calls[free.id].cause == "USER_BUSY"


@virtual
async def test_a_released_leg_whose_end_is_heard_while_it_is_looked_at() -> None:
    """Told once."""
    call = waiting_call(state=CallState.RELEASED)
    world = World(FOREVER)
    world.calls = {call.id: call}
    world.linked = False
    world.park(marker=None, parked=False)
    daemon = world.boot()
    await daemon.desk.adopt(SWITCH)
    world.held["look"] = asyncio.Event()
    connecting = asyncio.get_running_loop().create_task(world.relink())
    await world.settle(0.5)
    world.hang_up(cause="USER_BUSY")
    world.held["look"].set()
    await connecting
    await world.settle()
    assert [event.cause for event in world.of(CallEnded)] == ["USER_BUSY"]


@virtual
async def test_adopt_revives_nothing_that_ended_meanwhile() -> None:
    """The ledger's answer may be older than an end: the call stays ended, and nothing of it runs again."""
    world = await started()
    assert world.daemon is not None
    world.held["live"] = asyncio.Event()
    adopting = asyncio.get_running_loop().create_task(world.daemon.desk.adopt(SWITCH))
    await world.settle()
    world.hang_up()
    await world.settle()
    world.held["live"].set()
    await adopting
    assert world.daemon.desk.count == 0
    assert not world.daemon.desk._living.leaving
    assert world.call.state is CallState.ENDED


@virtual
async def test_adopt_takes_back_nothing_that_was_let_go_meanwhile() -> None:
    """Nor does a call that others took meanwhile become ours again."""
    world = await started()
    assert world.daemon is not None
    world.held["live"] = asyncio.Event()
    adopting = asyncio.get_running_loop().create_task(world.daemon.desk.adopt(SWITCH))
    await world.settle()
    transfer(world)
    await world.settle()
    world.held["live"].set()
    await adopting
    assert world.daemon.desk.count == 0
    assert world.call.state is CallState.RELEASED


@virtual
async def test_many_calls_after_a_restart() -> None:
    """More than are looked at at once: all go on, and none twice."""
    calls = [waiting_call(leg=f"leg{number}") for number in range(AT_ONCE + 10)]
    world = World(FOREVER)
    world.calls = {call.id: call for call in calls}
    world.linked = False
    for call in calls:
        world.park(call.leg, marker=call.id)
    world.boot()
    await world.relink()
    await world.settle()
    assert len(world.of(CallResumed)) == len(calls)
    await world.relink()
    await world.settle()
    assert len(world.of(CallResumed)) == len(calls)


@virtual
async def test_close_touches_no_leg() -> None:
    """A daemon that stops lets go of everything: no task is left, rows and legs stay as they are."""
    world = await started([["record", "a"], ["wait", 10]])
    world.park("second")
    world.held["look"] = asyncio.Event()
    transfer(world)
    await settled()
    log, calls = list(world.log), dict(world.calls)
    assert world.daemon is not None
    await world.daemon.desk.close()
    assert not world.daemon.desk._living.tasks
    await world.daemon.service.close()
    world.held["look"].set()
    await world.settle(100)
    assert (world.log, world.calls) == (log, calls)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- what another daemon holds --------------------------------------------------------------------------------------


async def let_go(world: World) -> None:
    """As where the lease is lost: the link is cut first."""
    assert world.daemon is not None
    world.cut()
    world.daemon.service.let_go(SWITCH)
    world.daemon.desk.let_go(SWITCH)
    await world.settle()


@pytest.mark.parametrize("after", [0.0, 0.01, 0.05, 2.0, 6.0])
def test_calls_of_a_switch_that_is_let_go(after: float) -> None:
    """Wherever their documents are: nothing is commanded, stored or told of them, and no work is left."""

    async def test() -> None:
        world = World([["wait", 1], ["play", "a"], ["wait", 3], ["hangup", "BUSY"]])
        daemon = world.boot()
        world.park()
        await asyncio.sleep(after)
        await let_go(world)
        log, calls, seen = list(world.log), dict(world.calls), len(world.seen)
        await world.settle(300)
        assert (world.log, world.calls, len(world.seen)) == (log, calls, seen)
        assert (daemon.desk.count, daemon.desk._living.tasks) == (0, {})

    run_virtually(test())


@virtual
async def test_an_end_that_is_let_go_before_it_is_stored() -> None:
    """The next holder finds the leg gone; who let it go stores nothing of it, however long it could not."""
    world = await started()
    world.refusals["save"] = [FAILED_LEDGER] * 3
    world.hang_up()
    await asyncio.sleep(0.2)
    await let_go(world)
    await world.settle(60)
    assert world.call.state is CallState.RUNNING
    assert world.daemon is not None
    assert world.daemon.desk._living.departed.under_way == frozenset()


@virtual
async def test_calls_that_come_back() -> None:
    """A lease that is had again: they are adopted from their rows, and their documents go on."""
    world = await started([["wait", 5], ["hangup", "BUSY"]])
    await let_go(world)
    await world.relink()
    await world.settle(10)
    assert [entry for entry in world.log if entry.startswith("hang_up")] == ["hang_up BUSY"]
    assert world.call.state is CallState.ENDED


@pytest.mark.parametrize("moment", ["its beginning", "a step", "its hangup", "its end"])
def test_a_row_that_another_daemon_forestalls(moment: str) -> None:
    """A call whose lease is found gone by a write is let go: no hangup, no try again, no error of ours."""

    async def test() -> None:
        world = World([["wait", 2], ["wait", 3], ["hangup", "BUSY"]])
        refused = [NotHeld("held by another")] * 9
        daemon = world.boot()
        if moment == "its beginning":
            world.refusals["save"] = list(refused)
        world.park()
        await world.settle()
        if moment == "its end":
            world.refusals["save"] = list(refused)
            world.hang_up()
        elif moment != "its beginning":
            await asyncio.sleep(0 if moment == "a step" else 3)
            world.refusals["save"] = list(refused)
        await world.settle(60)
        assert not [entry for entry in world.log if entry.startswith("hang_up")]
        assert (daemon.desk.count, daemon.desk._living.tasks) == (0, {})
        assert len(world.refusals["save"]) >= 7

    run_virtually(test())
