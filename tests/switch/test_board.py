"""The switchboard: facts in order, what is not believed, clocks, refusals, connects that fail."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.recordings.ports import LedgerFailed, SwitchAway
from controller.switch.board import (
    SKEW_WINDOW,
    EventForged,
    EventUnusable,
    LinkStatus,
    Switchboard,
    SwitchReady,
    SwitchRefused,
)
from controller.switch.commands_api import UuidExists
from controller.switch.facts import Fact, LegAnswered, LegParked, RecordStopped
from controller.switch.link import ConnectFailed, JobTimeout, LinkDown, LinkLost, LinkRefused, SwitchAddress
from controller.telemetry import Telemetry
from tests.recordings.fakes import Caught
from tests.switch.answering import LEG, QUICK, SWITCH, Answers, Heard, connected, core_event, eventually
from tests.switch.peer import CORE, Conn, Peer


async def say(answers: Answers, *events: bytes) -> None:
    assert answers.conn is not None
    await answers.conn.send(*events)


def board_of(*peers: Peer, seen: list[object] | None = None) -> Switchboard:
    telemetry = Telemetry()
    if seen is not None:
        telemetry.subscribe(seen.append)
    addresses = [SwitchAddress(f"fs{n}", "127.0.0.1", peer.port, "secret") for n, peer in enumerate(peers, 1)]
    board = Switchboard(addresses, telemetry, QUICK)
    for address in addresses:
        board.attach(address.name)
    return board


# --- what is told ---------------------------------------------------------------------------------------------------


async def test_facts_are_told_in_order() -> None:
    """A listener gets the facts as they were fired, with the core they are of; heartbeats are the board's own."""
    answers, heard, seen = Answers(), Heard(), list[object]()
    async with connected(answers, heard=heard, seen=seen) as board:
        assert heard.connects == [CORE]
        await say(
            answers,
            core_event("CHANNEL_PARK"),
            core_event("HEARTBEAT"),
            core_event("CHANNEL_ANSWER"),
            core_event("RECORD_STOP", Record_File_Path="/a/b.wav"),
        )
        await eventually(lambda: len(heard.facts) == 3)
        assert board.session(SWITCH).core_uuid == CORE
    assert [type(fact) for fact in heard.facts] == [LegParked, LegAnswered, RecordStopped]
    [ready] = [event for event in seen if isinstance(event, SwitchReady)]
    assert ready.switch == SWITCH
    assert ready.seconds >= 0


async def test_what_is_not_believed() -> None:
    """Forged and unusable events are counted with their kind, never told on; events of others are nothing."""
    answers, heard, seen = Answers(), Heard(), list[object]()
    async with connected(answers, heard=heard, seen=seen):
        await say(
            answers,
            core_event("RECORD_STOP", Command="sendevent RECORD_STOP"),
            core_event("RECORD_STOP", Event_Calling_File="mod_event_socket.c"),
            core_event("CHANNEL_PARK", Unique_ID="a b"),
            core_event("CHANNEL_ANSWER", at=1.0),
            core_event("RECORD_START", Event_Calling_File="switch_ivr_play_say.c"),  # the foreground recorder's
            core_event("CHANNEL_ANSWER"),
        )
        await eventually(lambda: heard.facts)
    assert [type(fact) for fact in heard.facts] == [LegAnswered]
    assert [event.kind for event in seen if isinstance(event, EventForged)] == ["RECORD_STOP"] * 2
    unusable = [event for event in seen if isinstance(event, EventUnusable)]
    assert [event.kind for event in unusable] == ["CHANNEL_PARK", "CHANNEL_ANSWER"]
    assert all(event.switch == SWITCH and event.why for event in unusable)


async def test_a_listener_that_fails_costs_one_fact() -> None:
    """It is reported, and the next fact is told over the same connection."""
    answers, heard = Answers(), Heard(fault=ZeroDivisionError("a bug"))
    async with connected(answers, heard=heard):
        with Caught() as caught:
            await say(answers, core_event("CHANNEL_ANSWER"), core_event("CHANNEL_PARK"))
            await eventually(lambda: len(heard.facts) == 2)
    assert [type(error) for error in caught.errors] == [ZeroDivisionError] * 2
    assert heard.connects == [CORE]


async def test_many_events_leave_others_their_turn() -> None:
    """A flood is taken a few milliseconds at a time: whatever else the loop has to do comes in between."""
    turns, taken = 0, list[int]()

    class Slow(Heard):
        def fact(self, switch: str, core_uuid: str, fact: Fact) -> None:
            time.sleep(0.0005)  # of a turn of two milliseconds: it has five of these at most
            taken.append(turns)

    answers = Answers()
    async with connected(answers, heard=Slow()):

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count())
        await say(answers, core_event("CHANNEL_ANSWER") * 200)
        await eventually(lambda: len(taken) == 200)
        counting.cancel()
    assert max(taken.count(turn) for turn in set(taken)) <= 6


async def test_what_is_known_of_a_link() -> None:
    """Connected since when, to what, and when it last said something; why, where it is not; not of a former one."""
    gate, heard = asyncio.Event(), Heard()
    heard.connecting = [gate]
    async with asyncio.timeout(10), Peer(first := Answers(), second := Answers()) as peer:
        board = board_of(peer)
        assert board.status(SWITCH) == LinkStatus("away", "not connected yet")
        serving = asyncio.create_task(board.run(heard))
        await eventually(lambda: board.status(SWITCH).state == "reconciling")
        began = board.status(SWITCH)
        assert began.why
        assert (began.core_uuid, began.version, began.last_event_at) == (CORE, "FreeSWITCH Version 1.11.2", None)
        gate.set()
        await eventually(lambda: board.status(SWITCH).state == "serving")
        await say(first, core_event("CHANNEL_ANSWER"))
        await eventually(lambda: heard.facts)
        now = board.status(SWITCH)
        assert (now.why, now.core_uuid, now.connected_at) == ("", CORE, began.connected_at)
        assert now.connected_at is not None
        assert now.last_event_at is not None
        assert now.connected_at <= now.last_event_at <= time.time()
        board.reconnect(SWITCH, "a test asked for it")
        assert board.status(SWITCH) == LinkStatus("away", "a test asked for it", last_event_at=now.last_event_at)
        with pytest.raises(SwitchAway):
            board.reconnect(SWITCH, "again")
        await eventually(lambda: len(heard.connects) == 2 and second.conn is not None)
        await board.detach(SWITCH, "it is another's now")
        assert board.status(SWITCH) == LinkStatus("detached", last_event_at=now.last_event_at)
        await board.close()
        await serving
    with pytest.raises(KeyError):
        board.status("unknown")


async def test_why_a_link_is_away_or_refused() -> None:
    """In the words of its last try; a refusal says what to change."""
    async with asyncio.timeout(10), Peer(refuses) as bad, Peer(Answers()) as good:
        ports = {"fs1": bad.port, "fs2": 1, "fs3": good.port}
        addresses = [SwitchAddress(name, "127.0.0.1", port, "secret") for name, port in ports.items()]
        board = Switchboard(addresses, Telemetry(), QUICK)
        for name in ports:
            board.attach(name)
        serving = asyncio.create_task(board.run(Heard()))
        await eventually(lambda: board.status("fs3").state == "serving")
        await eventually(lambda: board.status("fs1").state == "refused")
        assert "password" in board.status("fs1").why
        await eventually(lambda: "refused" in board.status("fs2").why.lower())
        assert board.status("fs2").state == "away"
        await board.close()
        await serving


# --- sessions -------------------------------------------------------------------------------------------------------


async def test_sessions_of_now_only() -> None:
    """An unknown switch, one not connected, and one whose session is closed are away; the error names it."""
    board = Switchboard([SwitchAddress("dead", "127.0.0.1", 1, "secret")], Telemetry(), QUICK)
    board.attach("dead")
    for name in ("unknown", "dead"):
        with pytest.raises(SwitchAway, match=f"switch {name} is not connected"):
            board.session(name)
    assert board.problems() == ["switch dead: not connected"]
    async with connected(Answers()) as board:
        session = board.session(SWITCH)
        session.close("a test")
        with pytest.raises(SwitchAway):
            board.session(SWITCH)
        assert board.problems() == [f"switch {SWITCH}: not connected"]
        await eventually(lambda: not board.problems() and board.session(SWITCH) is not session)


async def test_a_link_that_breaks_is_made_again() -> None:
    """A new session is reconciled before it is served; meanwhile the switch is not ready, and it says why."""
    first, second, gate, heard = Answers(), Answers(), asyncio.Event(), Heard()
    async with connected(first, second, heard=heard) as board:
        heard.connecting.append(gate)
        assert first.conn is not None
        first.conn.writer.close()
        await eventually(lambda: len(heard.connects) == 2)
        assert board.problems() == [f"switch {SWITCH}: reconciling"]
        await say(second, core_event("CHANNEL_ANSWER"))
        await eventually(lambda: heard.facts)  # facts come while it reconciles
        gate.set()
        await eventually(lambda: not board.problems())


async def test_reconciling_ends_with_its_link() -> None:
    """A connect's work is cancelled when its link goes, and begun anew on the next."""
    first, second, heard = Answers(), Answers(), Heard(connecting=[asyncio.Event()])
    async with Peer(first, second) as peer:
        board = board_of(peer)
        serving = asyncio.create_task(board.run(heard))
        await eventually(lambda: heard.connects)
        assert first.conn is not None
        first.conn.writer.close()
        await eventually(lambda: not board.problems())
        assert heard.connects == [CORE, CORE]
        await board.close()
        await serving


@pytest.mark.parametrize(
    "failure",
    [
        SwitchAway("gone"),
        LinkLost("gone"),
        JobTimeout("late"),
        LedgerFailed("disk full"),
        ZeroDivisionError("a bug"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_connect_that_fails_is_tried_again(failure: Exception) -> None:
    """The session is closed with the reason, so the next connect begins anew; a bug is reported besides."""
    heard, seen = Heard(connecting=[failure, failure]), list[object]()
    with Caught() as caught:
        async with connected(Answers(), heard=heard, seen=seen):
            assert len(heard.connects) == 3
    downs = [event.reason for event in seen if isinstance(event, LinkDown)]
    bug = isinstance(failure, ZeroDivisionError)
    why = "by an error of fsrec's own" if bug else f": {failure}"
    assert downs[:2] == [f"reconciling failed{'' if not bug else ' '}{why}"] * 2
    assert len(caught.errors) == (2 if bug else 0)
    assert len([event for event in seen if isinstance(event, SwitchReady)]) == 1


# --- refusals -------------------------------------------------------------------------------------------------------


async def refuses(conn: Conn) -> None:
    await conn.auth("-ERR invalid")


async def test_one_switch_that_refuses_of_two() -> None:
    """It is told with its fix and given up; the other is served, and `run` goes on until it is closed."""
    seen: list[object] = []
    answers, heard = Answers(), Heard()
    async with asyncio.timeout(10), Peer(refuses) as bad, Peer(answers) as good:
        board = board_of(bad, good, seen=seen)
        serving = asyncio.create_task(board.run(heard))
        await eventually(lambda: heard.connects and any(isinstance(event, SwitchRefused) for event in seen))
        [refused] = [event for event in seen if isinstance(event, SwitchRefused)]
        assert refused.switch == "fs1"
        await eventually(lambda: len(board.problems()) == 1 and "fs1" in board.problems()[0])
        assert refused.reason in board.problems()[0]
        assert "password" in refused.fix
        await say(answers, core_event("CHANNEL_ANSWER"))
        await eventually(lambda: heard.facts)
        assert not serving.done()
        assert bad.accepted == 1
        await board.close()
        await serving


async def test_switches_that_all_refuse() -> None:
    """Nothing is left to serve: `run` raises what the first said."""
    async with asyncio.timeout(10), Peer(refuses) as one, Peer(refuses) as other:
        board = board_of(one, other)
        with pytest.raises(LinkRefused, match="switch fs1"):
            await board.run(Heard())
        await board.close()


async def test_a_switch_that_is_not_there_is_dialled_again() -> None:
    """No switch, then one: it is served as soon as it comes, and a close ends the waiting for one that doesn't."""
    seen: list[object] = []
    async with asyncio.timeout(10):
        async with Peer(Answers()) as peer:
            port = peer.port
        board = Switchboard([SwitchAddress("fs1", "127.0.0.1", port, "secret")], Telemetry(), QUICK)
        board.telemetry.subscribe(seen.append)
        board.attach("fs1")
        serving = asyncio.create_task(board.run(Heard()))
        await eventually(lambda: any(isinstance(event, ConnectFailed) for event in seen))
        await board.close()
        await serving


# --- clocks ---------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


def clocked() -> tuple[Switchboard, Clock]:
    clock = Clock()
    return Switchboard([SwitchAddress("fs1", "h", 1, "secret")], Telemetry(), QUICK, clock), clock


def test_a_switch_nobody_heard_of_has_our_clock() -> None:
    """Before an event, and for an unknown name."""
    board, clock = clocked()
    assert board.now("fs1") == board.now("unknown") == clock.now


lateness = st.one_of(st.floats(0, 0.02), st.floats(0, 30))


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(st.floats(0, SKEW_WINDOW / 3), lateness), min_size=1, max_size=40))
def test_the_switchs_clock_is_never_ahead_and_as_near_as_its_best_event(
    ahead: float, heard: list[tuple[float, float]]
) -> None:
    """An event is late, never early: the estimate is behind the truth, by the least lateness of a while at most."""
    board, clock = clocked()
    line = board._lines["fs1"]
    recent: list[tuple[float, float]] = []
    for pause, late in heard:
        clock.now += pause
        board._set_clock(line, clock.now + ahead - late)
        recent = [(at, one) for at, one in [*recent, (clock.now, late)] if at >= clock.now - SKEW_WINDOW]
        behind = clock.now + ahead - board.now("fs1")
        assert -1e-6 <= behind <= min(one for _, one in recent) + 1e-6


@pytest.mark.parametrize("step", [-3600.0, -10.0, 10.0, 3600.0])
@pytest.mark.parametrize("whose", ["switch", "ours"])
def test_a_clock_that_is_set(step: float, whose: str) -> None:
    """After two windows of heartbeats at the latest the estimate is right again, whoever's clock was set."""
    board, clock = clocked()
    line, truth = board._lines["fs1"], 8000.0
    for _ in range(10):
        clock.now, truth = clock.now + 20, truth + 20
        board._set_clock(line, truth - 0.01)
    assert board.now("fs1") == pytest.approx(truth, abs=0.011)
    if whose == "switch":
        truth += step
    else:
        clock.now += step
    for _ in range(round(2 * SKEW_WINDOW / 20) + 1):
        clock.now, truth = clock.now + 20, truth + 20
        board._set_clock(line, truth - 0.01)
    assert board.now("fs1") == pytest.approx(truth, abs=0.011)


def test_a_clock_after_a_long_silence() -> None:
    """What was seen long ago counts no more."""
    board, clock = clocked()
    line = board._lines["fs1"]
    board._set_clock(line, clock.now + 100)
    clock.now += 10 * SKEW_WINDOW
    board._set_clock(line, clock.now + 50)
    assert board.now("fs1") == clock.now + 50


async def test_events_set_the_clock() -> None:
    """A heartbeat tells the switch's time; a forged event does not."""
    answers, seen = Answers(), list[object]()
    async with connected(answers, seen=seen) as board:
        await say(answers, core_event("HEARTBEAT", at=time.time() + 5000, Command="sendevent HEARTBEAT"))
        await eventually(lambda: any(isinstance(event, EventForged) for event in seen))
        assert abs(board.now(SWITCH) - time.time()) < 60
        await say(answers, core_event("HEARTBEAT", at=time.time() + 5000))
        await eventually(lambda: board.now(SWITCH) - time.time() > 4000)


# --- what is ours ---------------------------------------------------------------------------------------------------


async def test_a_switch_is_served_while_it_is_attached() -> None:
    """Not before; detached, its link is cut at once with the reason, nothing of it is told, and it is no problem."""
    answers, heard, seen = Answers(), Heard(), list[object]()
    async with asyncio.timeout(10), Peer(answers) as peer:
        telemetry = Telemetry()
        telemetry.subscribe(seen.append)
        board = Switchboard([SwitchAddress(SWITCH, "127.0.0.1", peer.port, "secret")], telemetry, QUICK)
        serving = asyncio.create_task(board.run(heard))
        await asyncio.sleep(0)
        assert peer.accepted == 0
        for _ in range(2):
            heard.connects.clear()
            board.attach(SWITCH)
            await eventually(lambda: heard.connects and not board.problems())
            session = board.session(SWITCH)
            ended = board.detach(SWITCH, "another daemon holds it")
            assert session.closed == "another daemon holds it"
            with pytest.raises(SwitchAway):
                board.session(SWITCH)
            await ended
            assert board.problems() == []
        assert peer.accepted == 2
        assert [event.reason for event in seen if isinstance(event, LinkDown)] == ["another daemon holds it"] * 2
        await board.close()
        await serving


async def test_a_reconciliation_ends_with_its_attachment() -> None:
    """What was found out is not acted on by who does not serve the switch any more."""
    heard = Heard(connecting=[asyncio.Event()])
    async with asyncio.timeout(10), Peer(Answers(), Answers()) as peer:
        board = board_of(peer)
        serving = asyncio.create_task(board.run(heard))
        await eventually(lambda: heard.connects)
        prepared = board._lines["fs1"].prepared
        assert prepared is not None
        await board.detach("fs1", "a test")
        assert prepared.cancelled()
        await board.close()
        await serving


async def test_a_closed_gate_lets_nothing_out_and_nothing_in() -> None:
    """Whatever was queued before is not written, the session ends with the reason, and what comes is not told."""
    answers, heard, closed = Answers(), Heard(), list[str]()
    async with asyncio.timeout(10), Peer(answers, answers) as peer:
        board = Switchboard(
            [SwitchAddress(SWITCH, "127.0.0.1", peer.port, "secret")],
            Telemetry(),
            QUICK,
            gate=lambda _: closed[0] if closed else None,
        )
        board.attach(SWITCH)
        serving = asyncio.create_task(board.run(heard))
        await eventually(lambda: not board.problems())
        said, session = len(answers.packets), board.session(SWITCH)
        answer = session.post(UuidExists(LEG))
        closed.append("its lease has ended")
        with pytest.raises(LinkLost, match="its lease has ended"):
            await answer
        assert session.closed == "its lease has ended"
        await board.close()
        await serving
        assert len(answers.packets) == said
        assert heard.facts == []


async def test_what_comes_through_a_closed_gate_is_not_told() -> None:
    """An event that waited while the process was stopped may be another daemon's to answer."""
    answers, heard, closed = Answers(), Heard(), list[str]()
    async with connected(answers, heard=heard) as board:
        board.gate = lambda _: closed[0] if closed else None
        await say(answers, core_event("CHANNEL_ANSWER"))
        await eventually(lambda: heard.facts)
        closed.append("its lease has ended")
        session = board.session(SWITCH)
        await say(answers, core_event("CHANNEL_PARK"))
        assert await session.wait_closed() == "its lease has ended"
    assert [type(fact) for fact in heard.facts] == [LegAnswered]
