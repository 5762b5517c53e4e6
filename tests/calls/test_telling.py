"""What is told of calls: by their documents, of their ends; durable with the rows that explain it, and once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from controller.calls import departed
from controller.calls.departed import Departed
from controller.calls.desk import REFUSED
from controller.calls.events import CallFailed, MessageUnrendered, StepFailed
from controller.calls.living import LOST, SWITCH_LOST
from controller.calls.looks import PATROL
from controller.calls.telling import made_id
from controller.documents.call import Call, CallState
from controller.recordings.model import Delivery, State
from tests.calls.test_desk import started, transfer
from tests.calls.test_fetching import URL, asking
from tests.calls.test_runner import played
from tests.calls.world import FAILED_LEDGER, SWITCH, Behaviour, World, running
from tests.recordings.virtual import run_virtually, virtual

APP, HANGUP, BYE = "http://app/told", "http://app/hangup", "http://app/bye"
FOREVER = [["wait", None]]


def bodies(world: World, kind: str = "CallOver") -> list[dict[str, Any]]:
    """What was told of that kind, as the dialect was given it."""
    found = [json.loads(delivery.body) for delivery in world.messages.values()]
    return [body for body in found if body["message"] == kind]


# --- ids ------------------------------------------------------------------------------------------------------------


def test_made_ids() -> None:
    """In a uuid4's form, the same for the same parts and for no others."""
    parts: list[tuple[int | str, ...]] = [(), (1,), (1, "told"), ("told", 1), (1, 0, -1), (10, -1), ("over",)]
    made = [made_id(call, *of) for call in ("one", "other") for of in parts]
    assert len(set(made)) == len(made) == 2 * len(parts)
    assert made_id("one", 1, "told") == made[2]
    assert {UUID(identity).version for identity in made} == {4}


# --- a document's own words -----------------------------------------------------------------------------------------


@virtual
async def test_a_document_tells() -> None:
    """Stored with the step's row, about the call as it is; the document goes on, and the leg is not answered."""
    world = await played([["tell", APP, 1], ["answer"], ["tell", APP, 2], ["wait", 1]])
    assert world.spoken == [("Said", APP, '{"number": 1}'), ("Said", APP, '{"number": 2}')]
    assert [body["call"]["info"]["answered"] for body in bodies(world, "Said")] == [False, True]
    assert [*world.messages] == [made_id(world.call.id, step, "told") for step in (1, 3)]
    assert world.told == dict.fromkeys(range(4), "good")
    assert world.log == ["take_over", "answer", "hang_up NORMAL_CLEARING"]


@virtual
async def test_what_is_told_is_durable_with_its_step() -> None:
    """A row that cannot be stored tells nothing, and the document ends there."""
    world = await played([["tell", APP, 1]], refusals={"save": [FAILED_LEDGER]})
    assert world.spoken == []
    assert [event.why for event in world.of(CallFailed)] == ["the call could not be stored: disk full"]


@virtual
async def test_what_became_of_a_step_while_a_link_came_back() -> None:
    """Where its leg turns out to have ended meanwhile, the farewell tells it."""
    world = World([["take", "a", {"max_length": 2.0}], ["bye", BYE], ["answer"]])
    world.media.holder.held.add("examine")
    world.boot()
    world.park()
    await world.settle(3)
    world.cut()
    world.hang_up()
    world.held["look"] = asyncio.Event()
    again = asyncio.ensure_future(world.relink())
    await world.settle(0.1)
    world.media.holder.let_go("examine")
    await world.settle(0.5)
    world.held["look"].set()
    await again
    await world.settle(30)
    assert world.call.state is CallState.ENDED
    assert world.told == {}
    assert world.spoken == [("Said", BYE, '{"outcome": "RecordingEnded"}')]


@virtual
async def test_what_cannot_be_told() -> None:
    """A dialect's bug fails the step, a vendor that tells no such thing does not: the document goes on."""
    world = await played([["tell", "http://bug", 1], ["tell", "http://mute", 2], ["tell", APP, 3]])
    why = "it could not be told: ZeroDivisionError: a message's bug"
    assert world.told == {0: f"Failed: {why}", 1: "good", 2: "good"}
    assert world.of(StepFailed) == [StepFailed(world.call.id, 1, "Tell", why)]
    assert world.spoken == [("Said", APP, '{"number": 3}')]


# --- the end of a call ----------------------------------------------------------------------------------------------


async def hung_up(document: object = FOREVER, **fields: Any) -> World:
    """A call whose caller hangs up after a second."""
    world = await started(document, hangup_url=HANGUP, **fields)
    world.hang_up(cause="USER_BUSY")
    await world.settle(30)
    return world


async def refused() -> World:
    return await started(None, hangup_url=HANGUP, texts={"main": "{}"})


async def while_fetched() -> World:
    world = await asking(hangup_url=HANGUP)
    world.hang_up(cause="USER_BUSY")
    await world.settle(30)
    return world


async def switch_restarted() -> World:
    world = await started(FOREVER, hangup_url=HANGUP)
    world.restart_switch()
    await world.relink()
    await world.settle(30)
    return world


async def taken_by_others() -> World:
    world = await started(FOREVER, hangup_url=HANGUP)
    transfer(world)
    await world.settle(30)
    assert world.call.state is CallState.RELEASED
    assert world.spoken == []  # its leg lives on, and so does its call
    world.hang_up(cause="USER_BUSY")
    await world.settle(30)
    return world


async def taken_and_restarted() -> World:
    world = await started(FOREVER, hangup_url=HANGUP)
    transfer(world)
    await world.settle(30)
    await world.kill()
    world.hang_up(cause="USER_BUSY")
    await world.boot().connected()
    await world.settle(30)
    return world


async def while_nobody_was_there() -> World:
    world = await started(FOREVER, hangup_url=HANGUP)
    await world.kill()
    world.hang_up(cause="USER_BUSY")
    await world.boot().connected()
    await world.settle(30)
    return world


async def ledger_away() -> World:
    world = await started(FOREVER, hangup_url=HANGUP)
    world.refusals["save"] = [FAILED_LEDGER] * 4
    world.hang_up(cause="USER_BUSY")
    await world.settle(30)
    return world


ENDS: tuple[tuple[Callable[[], Coroutine[None, None, World]], str], ...] = (
    (hung_up, "USER_BUSY"),
    (lambda: played([["wait", 1]], hangup_url=HANGUP), "NORMAL_CLEARING"),
    (lambda: played([["hangup", "CALL_REJECTED"]], hangup_url=HANGUP), "CALL_REJECTED"),
    (refused, REFUSED),
    (while_fetched, "USER_BUSY"),
    (switch_restarted, SWITCH_LOST),
    (taken_by_others, "USER_BUSY"),
    (taken_and_restarted, LOST),
    (while_nobody_was_there, LOST),
    (ledger_away, "USER_BUSY"),
)


@pytest.mark.parametrize(("end", "cause"), ENDS)
def test_the_end_of_a_call_is_told(end: Callable[[], Coroutine[None, None, World]], cause: str) -> None:
    """Whatever ended it, once, by the document's method, about the call as its last row has it."""

    async def run() -> None:
        world = await end()
        [body] = bodies(world)
        assert body["target"] == {"url": HANGUP, "method": "POST", "events": []}
        assert (world.call.state, world.call.cause, world.call.hangup_url) == (CallState.ENDED, cause, HANGUP)
        told = body["call"]
        assert (told["state"], told["cause"]) == ("ended", cause)
        assert (told["ended_at"], told["revision"]) == (world.call.ended_at, world.call.revision)
        assert [*world.messages] == [made_id(world.call.id, "over")]

    run_virtually(run())


@virtual
async def test_who_is_told_of_no_end() -> None:
    """Nobody where no URL was given, and nobody of a call whose account is gone or whose telling fails: it ends."""
    world = await played([["wait", 1]])
    assert world.spoken == []
    gone = await started(FOREVER, hangup_url=HANGUP)
    gone.accounts.clear()
    gone.hang_up()
    buggy = await started(FOREVER, hangup_url="http://bug")
    buggy.hang_up()
    await buggy.settle()
    for world, why in (
        (gone, "account 'acme' is no longer in the settings"),
        (buggy, "ZeroDivisionError: a message's bug"),
    ):
        assert world.spoken == []
        assert world.call.state is CallState.ENDED
        assert world.of(MessageUnrendered) == [MessageUnrendered(world.call.id, "CallOver", why)]


@virtual
async def test_the_method_of_the_end() -> None:
    """GET where the document is asked by GET, from the beginning: also where there is no document at all."""
    for document in (FOREVER, None):
        world = await started(document, hangup_url=HANGUP, method="GET")
        world.hang_up()
        await world.settle()
        assert [body["target"]["method"] for body in bodies(world)] == ["GET"]


@virtual
async def test_a_call_of_a_vendor_whose_dialect_is_unknown() -> None:
    """Its document is refused, its end is stored, and why nobody is told of it is said."""
    world = World(None, hangup_url=HANGUP)
    daemon = world.boot()
    world.accounts["acme"] = replace(world.accounts["acme"], vendor="nobody")
    daemon.rooms.sources.languages.dialects.clear()
    world.park()
    await world.settle(5)
    assert world.call.state is CallState.ENDED
    assert [event.error for event in world.of(MessageUnrendered)] == [
        "nobody accounts have no dialect in this version"
    ]


# --- what a document tells at last ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "came"),
    [
        (["wait", None], "NoneType"),
        (["gather", ["a"], {"initial_timeout": 50.0}], "NoneType"),
        (["take", "a", {}], "RecordingEnded"),
        (["dial", [["1"]], {"timeout": 30.0}], "Dialled"),
    ],
)
@virtual
async def test_the_farewell_of_a_document_is_told(step: list[Any], came: str) -> None:
    """With what became of the step, about the call as it ended, before the end of the call is told."""
    world = await hung_up([step, ["bye", BYE]], callees={"1": Behaviour()})
    given = json.dumps({"outcome": came})
    assert world.spoken == [("Said", BYE, given), ("CallOver", HANGUP, "")]
    [said] = bodies(world, "Said")
    assert (said["call"]["state"], said["call"]["cause"], said["target"]["method"]) == ("ended", "USER_BUSY", "GET")
    assert [*world.messages] == [made_id(world.call.id, "farewell"), made_id(world.call.id, "over")]


@virtual
async def test_no_farewell() -> None:
    """After a document that ended by itself, of a leg that others took, or by a dialect's bug: the call ends."""
    assert (await played([["wait", 1], ["bye", BYE]], hangup_url=HANGUP)).spoken == [("CallOver", HANGUP, "")]
    world = await started([["wait", None], ["bye", BYE]])
    transfer(world)
    await world.settle(1)
    world.hang_up()
    await world.settle(30)
    assert (world.spoken, world.call.state) == ([], CallState.ENDED)
    world = await hung_up([["wait", None], ["bye", "http://bug"]])
    assert world.spoken == [("CallOver", HANGUP, "")]
    assert [event.message for event in world.of(MessageUnrendered)] == ["Said"]


def test_a_farewell_that_is_broken() -> None:
    """A program's own error is reported, and keeps no call from ending."""

    async def run() -> None:
        world = await hung_up([["wait", None], ["bye"]])
        assert (world.spoken, world.call.state) == ([("CallOver", HANGUP, "")], CallState.ENDED)

    with pytest.raises(AssertionError, match="a document's farewell failed"):
        run_virtually(run())


@virtual
async def test_a_farewell_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row says how the call ended, and its step, until then; its end is told first, and once."""
    monkeypatch.setattr(departed, "FAREWELL", 20.0)
    world = World(FOREVER)
    daemon = world.boot()
    late = Delivery("late", "acme", "swml", "POST", BYE, (), b'{"message": "Said", "target": {"url": "bye"}}')

    async def farewell(ended: Call) -> Sequence[Delivery]:
        assert ended.state is CallState.ENDED
        await asyncio.sleep(90)
        return (late,)

    def over(ended: Call) -> tuple[Delivery, ...]:
        return (replace(late, id=f"over {ended.id}"),)

    spawn = daemon.desk._living.spawn
    gone = Departed(daemon.rooms.ledger, lambda: world.now, world.seen.append, spawn, over)
    call = running()
    gone.end(call, "USER_BUSY", farewell)
    await world.settle(19)
    known = replace(call, revision=1, ended_at=world.call.ended_at, cause="USER_BUSY")
    assert (world.call, [*world.messages], set(gone.under_way)) == (known, [], {call.id})
    await world.settle(2)
    assert (world.call, [*world.messages], set(gone.under_way)) == (known, [f"over {call.id}"], {call.id})
    await world.settle(90)
    assert [*world.messages] == [f"over {call.id}", "late"]
    assert (world.call.state, world.call.ended_at) == (CallState.ENDED, known.ended_at)
    assert set(gone.under_way) == set()


@virtual
async def test_a_farewell_after_a_restart() -> None:
    """The leg ended while nobody was there: its document still tells, about the step it was in, and asks nobody."""
    for last, told in (("bye", [("Said", BYE, '{"outcome": "RecordingEnded"}')]), ("farewell", [])):
        world = await started([["take", "a", {}], [last, BYE]], texts={BYE: "nobody minds"})
        await world.kill()
        world.hang_up()
        await world.boot().connected()
        await world.settle(60)
        assert world.spoken == told
        assert (world.asked, world.call.state) == ([], CallState.ENDED)


async def broken_off() -> World:
    """A caller hangs up within a recording, which takes a while to be made ready."""
    world = await started([["take", "a", {}], ["bye", BYE]], hangup_url=HANGUP)
    examine = world.media.examine

    async def slowly(*given: Any, **named: Any) -> Any:
        await asyncio.sleep(5)
        return await examine(*given, **named)

    world.media.examine = slowly  # type: ignore[method-assign]
    world.hang_up(cause="USER_BUSY")
    return world


LAST_WORDS = [("Said", BYE, '{"outcome": "RecordingEnded"}'), ("CallOver", HANGUP, "")]


@virtual
async def test_a_daemon_that_ends_before_the_farewell() -> None:
    """The next one tells it, and how and when the call ended, as the former knew: not when it came back itself."""
    world = await broken_off()
    ended_at = world.now
    await world.settle(2)
    assert (world.call.state, world.spoken) == (CallState.RUNNING, [])
    await world.kill()
    await world.settle(3600)
    await world.boot().connected()
    await world.settle(30)
    assert world.spoken == LAST_WORDS
    assert (world.call.state, world.call.cause, world.call.ended_at) == (CallState.ENDED, "USER_BUSY", ended_at)
    assert {body["call"]["cause"] for kind in ("Said", "CallOver") for body in bodies(world, kind)} == {"USER_BUSY"}
    assert {body["call"]["ended_at"] for body in bodies(world)} == {ended_at}


@pytest.mark.parametrize("killed_after", [0.05, 2.0])
@virtual
async def test_a_leg_that_comes_again_before_the_farewell(killed_after: float) -> None:
    """Its id is the caller's choice: of two calls the former has ended, each has its own end, and its last word."""
    world = await broken_off()
    world.park(born=50.0, routed=50.0)
    await world.settle(killed_after)
    await world.kill()
    await world.boot().connected()
    await world.settle(30)
    assert world.spoken == LAST_WORDS
    assert [call.state for call in world.calls.values()] == [CallState.ENDED, CallState.RUNNING]
    world.hang_up(cause="CALL_REJECTED")
    await world.settle(30)
    assert world.spoken == [*LAST_WORDS, *LAST_WORDS]
    causes = [call.cause for call in world.calls.values()]
    assert causes == ["USER_BUSY" if killed_after > departed.SOON else LOST, "CALL_REJECTED"]


@virtual
async def test_a_switch_that_dies_before_it_tells_of_a_recording() -> None:
    """What there is of it is found in its file, and the farewell waits for that."""
    world = World([["take", "a", {}], ["bye", BYE]], hangup_url=HANGUP)
    world.boot()
    world.park()
    while "start a" not in world.log:
        await world.settle(0.001)
    world.restart_switch()
    await world.relink()
    await world.settle(30)
    assert [recording.state for recording in world.recordings.values()] == [State.COMPLETED]
    assert world.spoken == LAST_WORDS


@virtual
async def test_a_leg_that_is_gone_before_the_next_step() -> None:
    """What a document was about to tell, and did not while the leg was looked at, it tells all the same."""
    world = await started([["wait", 5], ["tell", APP, 1], ["wait", None]], hangup_url=HANGUP)
    world.cut()
    world.hang_up()
    world.held["look"] = asyncio.Event()
    back = asyncio.ensure_future(world.relink())
    await world.settle(10)
    assert (world.told, world.spoken) == ({0: "good"}, [])
    world.held.pop("look").set()
    await back
    await world.settle()
    assert world.spoken == [("Said", APP, '{"number": 1}'), ("CallOver", HANGUP, "")]


@virtual
async def test_a_leg_that_is_gone_before_its_step_goes_on() -> None:
    """The link went once more while a restarted daemon restored the document: its farewell is that of the step."""
    world = await started([["wait", None], ["bye", BYE]], hangup_url=HANGUP)
    await world.kill()
    desk = world.boot().desk
    desk.connecting(SWITCH)
    await desk.reconnected(SWITCH, world.core)
    going_on = asyncio.ensure_future(desk.go_on(SWITCH))
    await asyncio.sleep(0)
    desk.connecting(SWITCH)
    await going_on
    world.legs["leg"].alive = False
    await world.relink()
    await world.settle()
    assert world.spoken == [("Said", BYE, '{"outcome": "NoneType"}'), ("CallOver", HANGUP, "")]


@pytest.mark.parametrize(
    ("document", "texts", "told", "spoken"),
    [
        ([["take", "a", {}], ["tell", APP, 1], ["wait", None], ["bye", BYE]], {}, {}, LAST_WORDS),
        ([["take", "a", {}]], {}, {}, [("CallOver", HANGUP, "")]),
        ([["wait", 1.5]], {}, {0: "good"}, [("CallOver", HANGUP, "")]),
        (
            [["wait", 1.5], ["tell", APP, 1], ["wait", None]],
            {},
            {0: "good"},
            [("Said", APP, '{"number": 1}'), ("CallOver", HANGUP, "")],
        ),
        ([["wait", 1.5], ["fetch", URL], ["wait", None]], {URL: "[]"}, {0: "good"}, [("CallOver", HANGUP, "")]),
        (
            [["answer"], ["dial", [["1"]], {"timeout": 2.0}], ["tell", APP, 1], ["bye", BYE]],
            {},
            {0: "good"},
            [("Said", BYE, '{"outcome": "Dialled"}'), ("CallOver", HANGUP, "")],
        ),
    ],
    ids=["recording", "last recording", "end", "telling", "fetching", "dialling"],
)
@virtual
async def test_an_end_that_is_told_late(
    document: list[Any], texts: dict[str, str], told: dict[int, str], spoken: list[tuple[str, str, str]]
) -> None:
    """From the hangup on no step begins, and no document ends: its farewell tells, the cause is the caller's."""
    world = await started(document, hangup_url=HANGUP, texts=texts, callees={"1": Behaviour(answers=0.5)})
    world.reports = 5.0
    world.hang_up(cause="USER_BUSY")
    await world.settle(4)
    assert (world.spoken, world.asked) == ([], [])
    await world.settle(30)
    assert (world.told, world.spoken, world.asked) == (told, spoken, [])
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "USER_BUSY")


DEPARTURES: tuple[tuple[list[list[Any]], list[str]], ...] = (
    ([["wait", None]], ["CallOver"]),
    ([["tell", APP, 1], ["gather", ["a"], {"initial_timeout": 50.0}], ["bye", BYE]], ["Said", "Said", "CallOver"]),
    ([["take", "a", {"beep": True}], ["bye", BYE]], ["Said", "CallOver"]),
    ([["answer"], ["dial", [["1"]], {"timeout": 30.0}], ["bye", BYE]], ["Said", "CallOver"]),
)


@pytest.mark.parametrize(("document", "expected"), DEPARTURES)
def test_killed_at_every_point_of_a_call_that_ends(document: list[list[Any]], expected: list[str]) -> None:
    """The caller hangs up meanwhile: whichever daemon finds that out, each call is told of once, and in order."""

    async def run(kill_at: int | None) -> World:
        world = World(document, kill_at=kill_at, hangup_url=HANGUP, callees={"1": Behaviour()})
        world.boot()
        world.park()
        world.later(2.5, lambda: world.hang_up(cause="USER_BUSY"))
        ended = asyncio.ensure_future(world.settle(60))
        killed = asyncio.ensure_future(world.killed.wait())
        await asyncio.wait({ended, killed}, return_when=asyncio.FIRST_COMPLETED)
        if world.killed.is_set():
            await world.kill()
            await world.settle(0.5)
            await world.boot().connected()
            await world.settle(60)
        for task in (ended, killed):
            task.cancel()
        assert world.call.state is CallState.ENDED
        assert world.call.cause in {"USER_BUSY", LOST}
        assert [kind for kind, _, _ in world.spoken] == expected, kill_at
        return world

    async def all_points() -> None:
        whole = await run(None)
        causes: Counter[str | None] = Counter()
        for point in range(1, whole.points + 1):
            causes[(await run(point)).call.cause] += 1
        assert len(causes) == 2, causes  # killed before and after the end of the leg

    run_virtually(all_points())


# --- when it was answered -------------------------------------------------------------------------------------------


@virtual
async def test_when_a_call_was_answered() -> None:
    """When the switch says so, as soon as it does; stored with the rows that follow, and told of the end."""
    world = await started([["wait", 3], ["answer"], ["wait", 5], ["wait", None]], hangup_url=HANGUP)
    began = world.call.started_at
    assert world.call.answered_at is None
    await world.settle(9)
    assert world.call.answered_at == pytest.approx(began + 3, abs=0.1)
    answered_at = world.call.answered_at
    world.tell(lambda daemon: daemon.desk.answered(SWITCH, "leg", world.now))  # once more: by a dialplan's bridge
    world.hang_up()
    await world.settle()
    [body] = bodies(world)
    assert body["call"]["answered_at"] == world.call.answered_at == answered_at


@pytest.mark.parametrize(("at", "expected"), [(0.0, 1.0), (0.5, 0.5), (-3600.0, 0.0), (3600.0, 1.0)])
@virtual
async def test_an_answer_by_another_clock(at: float, expected: float) -> None:
    """A switch's time is taken as far as it can be true: between the call's begin and now; 0 tells none."""
    world = await started(FOREVER, hangup_url=HANGUP)
    began = world.call.started_at
    when = 0.0 if at == 0.0 else began + at
    world.tell(lambda daemon: daemon.desk.answered(SWITCH, "leg", when))
    world.hang_up()
    await world.settle()
    assert world.call.answered_at == pytest.approx(began + expected, abs=0.01)


@virtual
async def test_an_answer_that_was_seen() -> None:
    """Answered before it was parked: from the beginning. Told to nobody: since a look or a patrol saw it."""
    world = World(FOREVER)
    world.boot()
    world.park(answered=True)
    await world.settle()
    assert world.call.answered_at == world.call.started_at

    async def end(world: World) -> float:
        world.hang_up()
        await world.settle()
        assert world.call.answered_at is not None
        return world.call.answered_at - world.call.started_at

    relinked = await started(FOREVER)
    relinked.cut()
    relinked.legs["leg"].answered = True
    await relinked.settle(4)
    await relinked.relink()
    assert await end(relinked) == pytest.approx(5, abs=0.1)

    patrolled = World(FOREVER)
    await patrolled.boot().connected()
    patrolled.park()
    await patrolled.settle(1)
    patrolled.legs["leg"].answered = True
    await patrolled.settle(2 * PATROL)
    assert 0 < await end(patrolled) < 2 * PATROL

    restarted = await started(FOREVER)
    await restarted.kill()
    restarted.legs["leg"].answered = True
    await restarted.settle(4)
    await restarted.boot().connected()
    await restarted.settle()
    assert await end(restarted) == pytest.approx(5, abs=0.1)


@virtual
async def test_an_answer_while_a_document_is_fetched_or_a_row_is_stored() -> None:
    """It is kept by whoever has the call then."""
    world = await asking(source=URL)
    world.tell(lambda daemon: daemon.desk.answered(SWITCH, "leg", world.now))
    world.held["fetch"].set()
    await world.settle()
    assert world.call.answered_at == pytest.approx(world.call.started_at + 1, abs=0.1)
    stored = World([["wait", 5], ["wait", None]])  # beside the other: what nobody holds any more is told by the loop
    stored.boot()
    stored.held["save"] = asyncio.Event()
    stored.park()
    await stored.settle(1)
    stored.tell(lambda daemon: daemon.desk.answered(SWITCH, "leg", stored.now))
    stored.held.pop("save").set()
    await stored.settle(7)
    assert stored.call.answered_at == pytest.approx(stored.call.started_at + 1, abs=0.1)
