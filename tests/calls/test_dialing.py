"""Dialling: groups in turn, who answers, how long, what is recorded of it; through lost links, events and daemons."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest

from controller.calls.dialing import callee_id
from controller.calls.dialled import REMEMBERED, DialledLegs, Ringing
from controller.calls.events import CallReleased, CallResumed, RingingShortened, StepFailed
from controller.calls.looks import PATROL
from controller.calls.ports import Callee
from controller.documents.call import CallState
from controller.documents.steps import Dialled, DialStatus, Party, PartyKind
from controller.recordings.model import EndReason, State
from controller.recordings.ports import CommandFailed, SwitchAway
from tests.calls.test_runner import survived
from tests.calls.world import SWITCH, Behaviour, World, running
from tests.recordings.virtual import run_virtually, virtual

TALKS = Behaviour(answers=1.0, talks=5.0)
CALLEES = {
    "1": TALKS,
    "2": Behaviour(ends=0.5, cause="USER_BUSY"),
    "3": Behaviour(),
    "4": Behaviour(ends=0.2, cause="UNALLOCATED_NUMBER"),
    "5": Behaviour(answers=2.0),
    "6": Behaviour(ends=3.0, cause="NO_ANSWER"),
}


async def dialling(groups: list[list[str]], seconds: float = 60.0, **fields: Any) -> World:
    """A world in which a call has dialled for so long."""
    world = World([["dial", groups, fields]], callees=CALLEES)
    await world.boot().connected()
    world.park()
    await world.settle(seconds)
    return world


def outcome(world: World) -> Dialled:
    [found] = world.outcomes
    assert isinstance(found, Dialled)
    return found


@virtual
async def test_who_answers_is_connected_until_they_part() -> None:
    """The outcome says with whom, on which leg, for how long; the leg was not answered before."""
    world = await dialling([["1"]], caller="777")
    assert world.log == ["take_over", "dial 1 777", "hang_up NORMAL_CLEARING"]
    found = outcome(world)
    assert (found.status, found.party and found.party.address) == (DialStatus.ANSWERED, "1")
    assert found.call == callee_id(world.call.id, 1, 0, 0)
    assert found.seconds == pytest.approx(5.0)
    assert (found.recording, found.url) == ("", "")
    assert world.legs["leg"].answered


@pytest.mark.parametrize(
    ("groups", "status", "cause"),
    [
        ([["2"]], DialStatus.BUSY, "USER_BUSY"),
        ([["4"]], DialStatus.FAILED, "UNALLOCATED_NUMBER"),
        ([["6"]], DialStatus.NO_ANSWER, "NO_ANSWER"),
        ([["3"]], DialStatus.NO_ANSWER, "NO_ANSWER"),
        ([["x,y"]], DialStatus.FAILED, "x,y is no number"),
        ([], DialStatus.FAILED, "there is nobody to dial"),
        ([[]], DialStatus.FAILED, "there is nobody to dial"),
    ],
)
def test_nobody_is_connected(groups: list[list[str]], status: DialStatus, cause: str) -> None:
    """Busy, unreachable, silent, or no number at all: each has its status, and why."""

    async def run() -> None:
        found = outcome(await dialling(groups, timeout=10.0))
        assert (found.status, found.reason, found.seconds) == (status, cause, 0.0)

    run_virtually(run())


@virtual
async def test_groups_are_tried_in_turn() -> None:
    """The next one rings when the former is over, for as long as it may itself; after an answer nobody is rung."""
    world = await dialling([["2"], ["3"], ["4", "5"], ["1"]], timeout=4.0)
    assert [entry for entry in world.log if entry.startswith("dial ")] == ["dial 2", "dial 3", "dial 4,5"]
    found = world.legs["leg"]
    assert found.bridged == callee_id(world.call.id, 1, 2, 1)
    assert 6.4 < world.call.connected_at - world.call.started_at < 6.7  # type: ignore[operator]  # it has one


@pytest.mark.parametrize(("timeout", "told"), [(60.0, []), (90.0, [(90.0, 60.0)])])
def test_nobody_rings_longer_than_the_settings_say(timeout: float, told: list[tuple[float, float]]) -> None:
    """A document that wishes more is told of, once; it is rung for as long as may be."""

    async def run() -> None:
        world = await dialling([["3"], ["2"]], 150.0, timeout=timeout)
        assert outcome(world).status is DialStatus.BUSY
        assert [(shortened.asked, shortened.rings) for shortened in world.of(RingingShortened)] == told

    run_virtually(run())


@virtual
async def test_a_group_rings_together() -> None:
    """The first to answer is connected, the others stop ringing; those that cannot be dialled are left out."""
    world = await dialling([["3", "no", "1", "5"]])
    assert outcome(world).party is not None
    assert world.told == {0: "Dialled answered 1"}
    assert [failed.why for failed in world.of(StepFailed)] == ["no is no number"]
    causes = {world.legs[callee.leg].cause for callee in world.rung[0].callees}
    assert causes == {"LOSE_RACE", "NORMAL_CLEARING"}


@virtual
async def test_two_that_answer_at_once() -> None:
    """The switch connects one of them, not always the first to be told; the other has lost."""
    first, second = (Callee(leg, Party(PartyKind.NUMBER, leg)) for leg in ("1", "2"))
    ringing = Ringing("execution", (first, second), running)
    ringing.hear_answer("2", 1.0)
    ringing.hear_answer("1", 1.1)
    assert ringing.winner is second
    ringing.gone["2"] = "LOSE_RACE"
    assert ringing.winner is first
    ringing.gone["1"] = "NORMAL_CLEARING"
    assert ringing.winner is first


@virtual
async def test_a_conversation_has_a_limit() -> None:
    """Its seconds count from the answer; whoever rang long is not cut short."""
    found = outcome(await dialling([["5"]], limit=30.0))
    assert found.status is DialStatus.ANSWERED
    assert found.seconds == pytest.approx(30.0, abs=0.05)


@pytest.mark.parametrize("wished", [True, False])
def test_hangup_on_star(wished: bool) -> None:
    """Only where it is wished, and only by the star; the document goes on with the leg."""

    async def run() -> None:
        world = await dialling([["5"]], 5.0, hangup_on_star=wished)
        world.press("5")
        world.press("#")
        await world.settle(0.1)
        assert not world.outcomes
        world.press("*")
        await world.settle(0.5)
        assert bool(world.outcomes) is wished
        if wished:
            assert outcome(world).status is DialStatus.ANSWERED
            assert outcome(world).seconds == pytest.approx(3.1, abs=0.1)

    run_virtually(run())


@virtual
async def test_the_caller_hangs_up_while_it_rings() -> None:
    """Whoever rings is hung up by the switch; there is no outcome any more, and nothing is left behind."""
    world = await dialling([["3"]], 3.0)
    world.hang_up("leg")
    await world.settle()
    assert world.outcomes == []
    assert world.call.state is CallState.ENDED
    assert {world.legs[callee.leg].cause for callee in world.rung[0].callees} == {"ORIGINATOR_CANCEL"}
    assert world.daemon is not None
    assert world.daemon.desk.find(world.rung[0].callees[0].leg) is None
    past = world.daemon.desk.past_leg(world.rung[0].callees[0].leg)
    assert past is not None
    assert (past.state, past.told_as) == (CallState.ENDED, world.call.id)


@virtual
async def test_a_switch_that_is_let_go_while_it_rings() -> None:
    """Its dialled legs are another daemon's to tell of: they are not found here, and not as ended."""
    world = await dialling([["3"]], 3.0)
    assert world.daemon is not None
    leg = world.rung[0].callees[0].leg
    world.cut()
    world.daemon.desk.let_go(world.call.switch)
    await world.settle()
    assert (world.daemon.desk.find(leg), world.daemon.desk.past_leg(leg)) == (None, None)


@virtual
async def test_a_dialled_leg_is_its_diallers_accounts() -> None:
    """While it lives it can be found by its id, as a call of that account."""
    world = await dialling([["5"]], 4.0)
    assert world.daemon is not None
    found = world.daemon.desk.find(world.rung[0].callees[0].leg)
    assert found is not None
    assert (found.account, found.leg, found.info.direction) == ("acme", found.id, "outbound")
    assert found.parent == world.call.id
    assert found.info.answered


# --- the recording --------------------------------------------------------------------------------------------------


@virtual
async def test_a_conversation_is_recorded() -> None:
    """From the answer to its end, from outside the leg's thread, which is busy; the outcome names it."""
    world = await dialling([["2"], ["1"]], record="d")
    [recording] = world.recordings.values()
    assert recording.owner.outside
    assert recording.owner.leg == "leg"
    assert recording.state is State.COMPLETED
    assert recording.reason is EndReason.HANGUP
    assert recording.started_at is not None
    assert recording.ended_at is not None
    assert recording.ended_at - recording.started_at == pytest.approx(5.0, abs=0.1)
    found = outcome(world)
    assert (found.recording, found.url) == (recording.id, f"http://127.0.0.1/{recording.id}")


@virtual
async def test_the_ringing_is_recorded_too_where_it_is_wished() -> None:
    """From the first ringing on, through all groups: one recording."""
    world = await dialling([["2"], ["5"]], record="d", early=True, limit=3.0)
    [recording] = world.recordings.values()
    assert recording.started_at is not None
    assert recording.ended_at is not None
    assert recording.ended_at - recording.started_at == pytest.approx(5.5, abs=0.2)
    assert outcome(world).recording == recording.id


@virtual
async def test_nothing_is_recorded_of_nobody() -> None:
    """Where nobody answers there is no conversation, and no recording of it."""
    world = await dialling([["2"], ["3"]], record="d", timeout=2.0)
    assert world.recordings == {}
    assert outcome(world).recording == ""


@virtual
async def test_a_recording_that_is_refused_ends_no_conversation() -> None:
    """It is told, and they talk on."""
    world = World([["dial", [["1"]], {"record": "d"}]], callees=CALLEES, full="the disk is full")
    world.boot()
    world.park()
    await world.settle(30)
    assert world.told == {0: "Dialled answered 1"}
    assert [failed.why for failed in world.of(StepFailed)] == ["the disk is full"]


@pytest.mark.parametrize("told", [("bridged", "unparked"), ("unparked",), ("bridged",)], ids="+".join)
def test_a_leg_that_is_taken_away(told: tuple[str, ...]) -> None:
    """Its document is over, and the recording of what was dialled with the conversation; whichever event is heard."""

    async def run() -> None:
        world = World([["dial", [["5"]], {"record": "d"}], ["play", "a"]], callees=CALLEES)
        await world.boot().connected()
        world.park()
        await world.settle(5)
        leg, rung = world.legs["leg"], world.rung[0]
        leg.routed, leg.parked, rung.winner = 2.0, False, ""
        if "bridged" in told:
            world.end_bridge(rung, "NORMAL_CLEARING")
        if "unparked" in told:
            world.tell(lambda daemon: daemon.desk.unparked(SWITCH, "leg"))
        await world.settle(5)
        assert (world.outcomes, world.sounds) == ([], [])
        assert len(world.of(CallReleased)) == 1
        [recording] = world.recordings.values()
        assert (recording.state, recording.reason) == (State.COMPLETED, EndReason.HANGUP)
        assert leg.alive

    run_virtually(run())


# --- a lasting one --------------------------------------------------------------------------------------------------

SESSION = "7c0d60f5-3ad7-4c11-9be5-1d30a2f49c17"
LASTING: dict[str, Any] = {"record": "s", "lasting": SESSION}


@virtual
async def test_a_lasting_recording_ends_with_the_call() -> None:
    """It begins with the answer under the id that was told before, and goes on when they part."""
    world = World([["dial", [["2"], ["1"]], LASTING], ["wait", 3]], callees=CALLEES)
    await world.boot().connected()
    world.park()
    await world.settle(60)
    [recording] = world.recordings.values()
    assert (recording.id, recording.state, recording.reason) == (SESSION, State.COMPLETED, EndReason.HANGUP)
    assert recording.owner.outside
    assert recording.started_at is not None
    assert recording.ended_at is not None
    assert recording.started_at - world.rung[-1].began == pytest.approx(1.0, abs=0.1)
    assert recording.ended_at - recording.started_at == pytest.approx(8.0, abs=0.1)
    [found] = [outcome for outcome in world.outcomes if isinstance(outcome, Dialled)]
    assert (found.recording, found.url) == (SESSION, f"http://127.0.0.1/{SESSION}")


@virtual
async def test_a_lasting_recording_begins_at_the_first_answer() -> None:
    """Dialling after dialling asks for it; once one has begun it, the next has it and begins none."""
    steps = [["dial", [[number]], LASTING] for number in ("2", "3", "1", "1")]
    world = World([*steps, ["wait", 1]], callees=CALLEES)
    await world.boot().connected()
    world.park()
    await world.settle(200)
    assert world.log.count("start s") == 1
    assert [bool(found.recording) for found in world.outcomes[:4]] == [False, False, True, True]  # type: ignore[union-attr]
    [recording] = world.recordings.values()
    assert recording.state is State.COMPLETED
    assert recording.started_at is not None
    assert recording.started_at > world.rung[2].began + 1.0


@virtual
async def test_a_lasting_recording_that_was_stopped_does_not_begin_again() -> None:
    """Who stops it over the API has stopped it; a later conversation names it all the same."""
    world = World([["dial", [["1"]], LASTING], ["dial", [["1"]], LASTING]], callees=CALLEES)
    daemon = world.boot()
    await daemon.connected()
    world.park()
    await world.settle(3)
    await daemon.service.stop(SESSION, EndReason.API)
    await world.settle(60)
    [recording] = world.recordings.values()
    assert recording.reason is EndReason.API
    assert [found.recording for found in world.outcomes] == [SESSION, SESSION]  # type: ignore[union-attr]
    assert world.log.count("start s") == 1


@virtual
async def test_a_lasting_recording_goes_on_on_a_leg_that_is_taken_away() -> None:
    """It is the call's, as any that a document starts: the leg's end ends it."""
    world = World([["dial", [["5"]], LASTING]], callees=CALLEES)
    await world.boot().connected()
    world.park()
    await world.settle(5)
    leg = world.legs["leg"]
    leg.routed, leg.parked, world.rung[0].winner = 2.0, False, ""
    world.tell(lambda daemon: daemon.desk.unparked(SWITCH, "leg"))
    await world.settle(5)
    assert len(world.of(CallReleased)) == 1
    assert world.recordings[SESSION].state is State.RECORDING
    world.hang_up("leg")
    await world.settle(5)
    assert world.recordings[SESSION].state is State.COMPLETED


# --- who answered is sent digits ------------------------------------------------------------------------------------


@virtual
async def test_who_answers_is_sent_digits() -> None:
    """Its own ones, on its own leg, once it is connected; whoever else rang is sent none."""
    world = await dialling([["3/99", "1/12w3"]])
    sent = [entry for entry in world.log if entry.startswith("send_digits")]
    assert sent == ["send_digits 12w3"]
    assert world.digits == [(callee_id(world.call.id, 1, 0, 1), "12w3")]
    assert world.told == {0: "Dialled answered 1"}


@virtual
async def test_digits_that_are_not_sent() -> None:
    """It is told, and they talk on."""
    world = World([["dial", [["1/12"]], {}]], callees=CALLEES, refusals={"send_digits": [CommandFailed("-ERR no")]})
    world.boot()
    world.park()
    await world.settle(30)
    assert world.told == {0: "Dialled answered 1"}
    assert [failed.why for failed in world.of(StepFailed)] == ["who answered was not sent its digits: -ERR no"]


# --- what is told of it ---------------------------------------------------------------------------------------------

TOLD: dict[str, Any] = {"status": "http://app/dial", "matches": ["1", "2", "12", "#"], "callee_matches": ["9"]}


def messages(world: World) -> list[dict[str, Any]]:
    """What was told of the dialling, in the order in which it was stored."""
    return [json.loads(delivery.body) for delivery in world.messages.values()]


@virtual
async def test_a_conversation_is_told_of() -> None:
    """Its begin and its end, of the leg that was dialled; not the ringing of others."""
    world = await dialling([["2"], ["1"]], **TOLD)
    begun, over = messages(world)
    leg = callee_id(world.call.id, 1, 1, 0)
    assert (begun["message"], begun["leg"], begun["party"]["address"]) == ("DialConnected", leg, "1")
    assert begun["at"] == pytest.approx(world.rung[1].began + 1.0, abs=0.1)
    assert (over["message"], over["leg"], over["cause"]) == ("DialOver", leg, "NORMAL_CLEARING")
    assert over["seconds"] == pytest.approx(5.0, abs=0.1)
    assert {delivery.url for delivery in world.messages.values()} == {"http://app/dial"}


@pytest.mark.parametrize("recorded", [{"record": "d"}, LASTING], ids=["its own", "a lasting one"])
def test_a_conversation_that_is_recorded_is_told_of(recorded: dict[str, Any]) -> None:
    """Its begin is stored with the recording's."""

    async def run() -> None:
        world = await dialling([["1"]], **TOLD, **recorded)
        assert [told["message"] for told in messages(world)] == ["DialConnected", "DialOver"]

    run_virtually(run())


@virtual
async def test_a_conversation_that_nobody_heard_of() -> None:
    """The link was away from its begin to its end: it is told all the same, and what lasts begins. No digits."""
    document: list[list[Any]] = [["dial", [["1/12"]], {**LASTING, **TOLD}], ["wait", 3]]
    world = World(document, callees=CALLEES)
    await world.boot().connected()
    world.park()
    await world.settle(0.5)
    world.cut()
    await world.settle(8)
    await world.relink()
    await world.settle(30)
    assert world.told == {0: "Dialled answered 1 recorded", 1: "good"}
    assert [told["message"] for told in messages(world)] == ["DialConnected", "DialOver"]
    assert world.recordings[SESSION].state is State.COMPLETED
    assert (world.digits, world.of(StepFailed)) == ([], [])


@virtual
async def test_nothing_is_told_where_nobody_answers() -> None:
    """There was no conversation."""
    world = await dialling([["2"], ["3"]], timeout=2.0, **TOLD)
    assert messages(world) == []


@virtual
async def test_digits_are_told_of() -> None:
    """What was waited for, each side's own; the longest of those that the pressed digits end with."""
    world = await dialling([["3", "5"]], 4.0, **TOLD)
    winner, loser = callee_id(world.call.id, 1, 0, 1), callee_id(world.call.id, 1, 0, 0)
    for digit in "912#3":
        world.press(digit)
    for digit in "192":
        world.press(digit, winner)
    world.press("9", loser)
    await world.settle(0.1)
    found = [(told["digits"], told["by_callee"]) for told in messages(world) if told["message"] == "DialDigits"]
    assert found == [("1", False), ("12", False), ("#", False), ("9", True)]


@virtual
async def test_digits_before_and_after_the_conversation_are_none_of_it() -> None:
    """Neither while it rings nor once they have parted."""
    world = World([["dial", [["1"]], TOLD], ["wait", 5]], callees=CALLEES)
    await world.boot().connected()
    world.park()
    await world.settle(0.5)
    world.press("1")
    await world.settle(2.0)
    world.press("2")
    await world.settle(4.5)
    pressed = ["DialConnected", "DialDigits", "DialOver"]
    assert [told["message"] for told in messages(world)] == pressed
    assert messages(world)[1]["digits"] == "2"
    world.press("1")
    await world.settle(1)
    assert [told["message"] for told in messages(world)] == pressed


@virtual
async def test_the_last_digit_is_told_before_the_end() -> None:
    """Also where they part in the same breath."""
    world = await dialling([["5"]], 4.0, **TOLD)
    world.press("#")
    world.hang_up(callee_id(world.call.id, 1, 0, 0))
    await world.settle(1)
    assert [told["message"] for told in messages(world)] == ["DialConnected", "DialDigits", "DialOver"]


@pytest.mark.parametrize("told", [("bridged", "unparked"), ("unparked",)], ids="+".join)
def test_the_end_by_a_transfer_is_told(told: tuple[str, ...]) -> None:
    """The conversation is over, whoever ended it."""

    async def run() -> None:
        world = World([["dial", [["5"]], TOLD]], callees=CALLEES)
        await world.boot().connected()
        world.park()
        await world.settle(5)
        leg, rung = world.legs["leg"], world.rung[0]
        leg.routed, leg.parked, rung.winner = 2.0, False, ""
        if "bridged" in told:
            world.end_bridge(rung, "NORMAL_CLEARING")
        world.tell(lambda daemon: daemon.desk.unparked(SWITCH, "leg"))
        await world.settle(5)
        assert [one["message"] for one in messages(world)] == ["DialConnected", "DialOver"]
        assert messages(world)[1]["seconds"] == pytest.approx(3.0, abs=0.2)

    run_virtually(run())


@virtual
async def test_a_daemon_that_stops_ends_no_conversation() -> None:
    """Nothing is told of an end that did not come; the next one goes on listening."""
    world = await dialling([["5"]], 4.0, **TOLD)
    await world.kill()
    assert [told["message"] for told in messages(world)] == ["DialConnected"]
    await world.boot().connected()
    await world.settle(5)
    world.press("#")
    world.hang_up(callee_id(world.call.id, 1, 0, 0))
    await world.settle(5)
    assert [told["message"] for told in messages(world)] == ["DialConnected", "DialDigits", "DialOver"]


@virtual
async def test_the_end_by_the_callers_hangup_is_told() -> None:
    """With the call that has ended, and the callee's own cause."""
    world = await dialling([["5"]], 4.0, **TOLD)
    world.hang_up("leg")
    await world.settle(5)
    over = messages(world)[-1]
    assert (over["message"], over["call"]["state"], over["cause"]) == ("DialOver", "ended", "ORIGINATOR_CANCEL")
    assert over["seconds"] == pytest.approx(2.0, abs=0.2)
    assert len(world.messages) == 2


@virtual
async def test_the_end_while_no_daemon_runs_is_told() -> None:
    """Of who was dialled alone: of several nobody knows which one talked."""
    for group in (["5"], ["3", "5"]):
        world = await dialling([group], 4.0, **TOLD)
        await world.kill()
        world.hang_up("leg")
        await world.boot().connected()
        await world.settle(30)
        assert world.call.state is CallState.ENDED
        assert [told["message"] for told in messages(world)] == ["DialConnected", "DialOver"][: 3 - len(group)]


@virtual
async def test_the_end_before_what_was_missed_is_found_out_is_told() -> None:
    """They parted while no daemon ran, and the caller hangs up as the next one looks: they had talked."""
    world = await dialling([["5"]], 4.0, **TOLD)
    since = world.call.connected_at
    assert since is not None
    await world.kill()
    world.hang_up(callee_id(world.call.id, 1, 0, 0))
    await world.boot().connected()
    world.hang_up("leg")
    await world.settle(30)
    assert [told["message"] for told in messages(world)] == ["DialConnected", "DialOver"]
    assert world.call.ended_at is not None
    assert messages(world)[-1]["seconds"] == pytest.approx(world.call.ended_at - since)


@virtual
async def test_an_end_that_comes_before_the_begin_is_stored() -> None:
    """The caller hangs up as soon as somebody has answered: the begin is told too, and first."""
    world = await dialling([["5"]], 1.0, **TOLD)
    world.held["save"] = asyncio.Event()
    await world.settle(1.1)
    world.hang_up("leg")
    world.held.pop("save").set()
    await world.settle(5)
    assert [told["message"] for told in messages(world)] == ["DialConnected", "DialOver"]
    assert world.call.state is CallState.ENDED


@pytest.mark.parametrize(
    ("groups", "cause"),
    [
        ([["1"]], "NORMAL_CLEARING"),
        ([["2"]], "USER_BUSY"),
        ([["4"]], "UNALLOCATED_NUMBER"),
        ([["3"]], "NO_ANSWER"),
        ([["2", "4"]], ""),
        ([["x"]], ""),
        ([["2"], ["4"]], "UNALLOCATED_NUMBER"),
    ],
)
def test_the_cause_of_its_end(groups: list[list[str]], cause: str) -> None:
    """The switch's name for why the dialled leg ended; none where there was none, or several that differ."""

    async def run() -> None:
        assert outcome(await dialling(groups, timeout=10.0)).cause == cause

    run_virtually(run())


# --- what is lost ---------------------------------------------------------------------------------------------------


@virtual
async def test_an_end_that_nobody_told_is_seen() -> None:
    """Legs are looked at now and then; who ended the conversation did so all the same."""
    world = World([["dial", [["1"]], {}]], callees=CALLEES, deaf={"bridged"})
    await world.boot().connected()
    world.park()
    await world.settle(PATROL + 10)
    assert world.told == {0: "Dialled answered 1"}


@virtual
async def test_a_refused_command() -> None:
    """The switch would not dial: the outcome says so, and the document goes on."""
    world = World([["dial", [["1"]], {}]], callees=CALLEES, refusals={"dial": [CommandFailed("-ERR no")]})
    world.boot()
    world.park()
    await world.settle(5)
    assert world.told == {0: "Dialled failed "}
    assert outcome(world).reason == "the switch did not dial: -ERR no"


@virtual
async def test_a_command_that_was_lost_is_sent_again() -> None:
    """The link went before the switch heard of it."""
    world = World([["dial", [["1"]], {}]], callees=CALLEES, refusals={"dial": [SwitchAway("gone")]})
    world.boot()
    world.park()
    await world.settle(30)
    assert world.told == {0: "Dialled answered 1"}
    assert world.log.count("dial 1") == 1


def test_a_reply_that_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch rings and the link went before it said so: whoever rings is looked for, and not rung again."""

    async def run() -> None:
        world = World([["dial", [["5"]], {"limit": 3.0}]], callees=CALLEES)
        await world.boot().connected()
        ring = world.ring

        def lost(*given: Any) -> None:
            ring(*given)
            world.cut()

        monkeypatch.setattr(world, "ring", lost)
        world.park()
        await world.settle(0.5)
        await world.relink()
        await world.settle(30)
        assert world.told == {0: "Dialled answered 5"}
        assert world.log.count("dial 5") == 1

    run_virtually(run())


DOCUMENTS = (
    [["dial", [["1"]], {}], ["wait", 1]],
    [["dial", [["2"], ["3"], ["1"]], {"timeout": 3.0, "record": "d"}], ["wait", 1]],
    [["record", "a"], ["dial", [["3", "5", "4"]], {"limit": 4.0, "record": "d", "early": True}], ["hangup", "BUSY"]],
    [
        *(
            ["dial", [[numbers]], {"record": "s", "lasting": SESSION, "status": "http://app/dial"}]
            for numbers in "21"
        ),
        ["wait", 1],
    ],
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_killed_at_every_point(document: list[list[Any]]) -> None:
    """However far it had got, the next daemon goes on: who answered is not rung again, talks on, and is recorded.

    Who was busy before the row said that they were dialled may be rung once more.
    """

    async def run() -> None:
        whole = await survived(document, None, callees=CALLEES)
        for point in range(1, whole.points + 1):
            world = await survived(document, point, callees=CALLEES)
            assert world.killed.is_set()
            assert world.told == whole.told, point
            rung = [[entry for entry in each.log if entry.startswith("dial ")] for each in (world, whole)]
            dialled = [[entry for entry, _ in itertools.groupby(entries)] for entries in rung]
            assert dialled[0] == dialled[1], point
            assert world.call.state is CallState.ENDED
            assert world.legs["leg"].cause == whole.legs["leg"].cause
            states = [[one.state for one in each.recordings.values()] for each in (world, whole)]
            assert states[0] == states[1], point
            told = [[one["message"] for one in messages(each)] for each in (world, whole)]
            assert told[0] == told[1], point
            starts = [sum(entry.startswith("start") for entry in each.log) for each in (world, whole)]
            assert starts[0] <= starts[1] + 1, point  # once more where it was not seen to have begun
            assert len(world.of(CallResumed)) <= 1

    run_virtually(run())


@pytest.mark.parametrize("away", [0.3, 3.0, 20.0])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lost_anywhere(document: list[list[Any]], away: float) -> None:
    """Whatever is missed meanwhile is found out: what came of it is the same."""

    async def run() -> None:
        whole = await survived(document, None, callees=CALLEES)
        for tenths in range(0, 120, 3):
            world = World(document, callees=CALLEES)
            await world.boot().connected()
            world.park()
            await world.settle(tenths / 10)
            world.cut()
            await world.settle(away)
            await world.relink()
            async with asyncio.timeout(300):
                while world.call.state is not CallState.ENDED:
                    await world.settle(0.5)
            told = [{number: text.split()[:3] for number, text in each.told.items()} for each in (world, whole)]
            assert told[0] == told[1], tenths

    run_virtually(run())


def test_the_last_legs_are_remembered() -> None:
    """As ended calls of their dialler, with no document's text; only so many of them."""
    legs, dialler = DialledLegs(), running()
    for number in range(REMEMBERED + 1):
        ringing = Ringing(f"e-{number}", (Callee(f"leg-{number}", Party(PartyKind.NUMBER, "1")),), lambda: dialler)
        legs.begin(SWITCH, ringing)
        assert legs.past(f"leg-{number}") is None
        legs.end(SWITCH, ringing)
    assert legs.past("leg-0") is None
    found = legs.past("leg-1")
    assert found is not None
    assert (found.id, found.told_as, found.state, found.text) == ("leg-1", dialler.id, CallState.ENDED, "")
    assert list(legs) == []
