"""The link: commands and replies, jobs, fences, the per-leg cap, events, life and reconnecting."""

from __future__ import annotations

import asyncio
import itertools
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.switch.link import (
    CommandDone,
    CommandLost,
    ConnectFailed,
    EventsRead,
    EventUnreadable,
    FrameIgnored,
    JobDone,
    JobRefused,
    JobTimeout,
    Lack,
    LegBusy,
    Link,
    LinkDown,
    LinkLost,
    LinkRefused,
    LinkUp,
    Marks,
    PacketRefused,
    ReadingHeld,
    Session,
    SwitchAddress,
    Timings,
)
from controller.switch.link_jobs import timestamp_of
from controller.switch.link_legs import CAP, LegQueues
from controller.switch.link_values import header_of, kind_of
from tests.switch.peer import CORE, Conn, Peer, Script, api, event, frame, notice, raw_event, reply

SECRET = "swordfish-7"
LEG = "5e0e1c8e-6d1c-4a4b-9f0f-0d2f6a3c7b11"
EVENTS = ("CHANNEL_PARK", "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_HANGUP_COMPLETE")
QUICK = Timings(backoff_first=0.001, backoff_cap=0.004, reply=5)


@dataclass(frozen=True)
class Text:
    text: str
    leg: str | None = None

    def packet(self) -> str:
        return self.text


def execute(key: str, leg: str = LEG, app: str = "playback") -> Text:
    return Text(f"sendmsg {leg}\ncall-command: execute\nexecute-app-name: {app}\nEvent-UUID: {key}", leg)


def completed(key: str, leg: str = LEG) -> bytes:
    return event("CHANNEL_EXECUTE_COMPLETE", Unique_ID=leg, Application_UUID=key)


def link_to(peer: Peer, observed: list[object] | None = None, **options: Any) -> Link:
    facts: list[object] = [] if observed is None else observed
    options = {"events": EVENTS, "timings": QUICK, "observe": facts.append, **options}
    return Link(SwitchAddress("fs1", "127.0.0.1", peer.port, SECRET), **options)


@asynccontextmanager
async def served(script: Script, observed: list[object] | None = None, **options: Any) -> AsyncIterator[Session]:
    """One session with a peer that, once set up, plays `script`. Everything in it has ten seconds."""

    begun = asyncio.Event()

    async def play(conn: Conn) -> None:
        await conn.setup()
        # Setting up awaits an answer and hurries; only when that is over do the marks mean what a test says.
        assert await conn.packet() == "api begin"
        await conn.send(api("+OK"))
        await begun.wait()
        await script(conn)

    async with asyncio.timeout(10), Peer(play) as peer:
        link = link_to(peer, observed, **options)
        try:
            async with aclosing(link.sessions()) as sessions:
                session = await anext(sessions)
                await session.send(Text("api begin"))
                begun.set()
                yield session
        finally:
            await link.close()


async def stays(conn: Conn) -> None:
    await conn.until_eof()


async def collect(session: Session, into: list[Any]) -> None:
    async for batch in session.events():
        into += [(entry.get("Event-Name"), entry.get("Number")) for entry in batch]


# Values


def test_password_is_hidden() -> None:
    """The password is in no repr, and in no complaint about itself."""
    assert SECRET not in repr(SwitchAddress("fs1", "h", 1, SECRET))
    with pytest.raises(ValueError, match="switch fs1: its password holds a line break") as refused:
        SwitchAddress("fs1", "h", 1, SECRET + "\nexit")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        ("api uuid_exists x", "api uuid_exists"),
        ("bgapi uuid_record x stop y\nJob-UUID: a", "bgapi uuid_record"),
        (execute("k").text, "sendmsg playback"),
        (f"sendmsg {LEG}\ncall-command: hangup", "sendmsg hangup"),
        ("event json A B", "event"),
    ],
)
def test_kind(packet: str, kind: str) -> None:
    """A command's kind is made of words that we choose, so it is fit for a metric's label."""
    assert kind_of(packet) == kind


def test_header_of() -> None:
    """A header is found without regard to case, and only after the command line."""
    assert header_of("sendmsg a\nevent-uuid: k", "Event-UUID") == "k"
    assert header_of("Event-UUID: k", "Event-UUID") == ""


@pytest.mark.parametrize("name", ["ALL", "CUSTOM", "channel_park", "CHANNEL_PARK ALL", "", "A\nexit"])
def test_subscription_is_closed(name: str) -> None:
    """Only names of single events can be subscribed to: never ALL, never more than one in a name."""
    with pytest.raises(ValueError, match="no event to subscribe to"):
        Link(SwitchAddress("fs1", "h", 1, ""), events=(name,))


# Legs


@given(
    st.lists(st.tuples(st.sampled_from(["admit", "done", "gone", "withdraw"]), st.integers(0, 1), st.integers(0, 30)))
)
def test_leg_queues(steps: list[tuple[str, int, int]]) -> None:
    """However commands come, end and leave: at most the cap are out, none is lost, each leg keeps its order."""
    queues: LegQueues[tuple[str, int]] = LegQueues(cap=3)
    out: dict[str, set[int]] = {"a": set(), "b": set()}
    waiting: dict[str, list[int]] = {"a": [], "b": []}
    numbers = itertools.count()

    def released(leg: str, commands: list[tuple[str, int]]) -> None:
        for owner, number in commands:
            assert owner == leg
            assert waiting[leg].pop(0) == number
            out[leg].add(number)

    for step, which, pick in steps:
        leg = "ab"[which]
        if step == "admit":
            number = next(numbers)
            if queues.admit(leg, str(number), (leg, number)):
                assert not waiting[leg]
                out[leg].add(number)
            else:
                assert len(out[leg]) == 3
                waiting[leg].append(number)
        elif step == "done":
            known = sorted(out[leg])
            key = known[pick % len(known)] if known else -1
            out[leg].discard(key)
            released(leg, queues.done(leg, str(key)))
        elif step == "gone":
            out[leg].clear()
            released(leg, queues.gone(leg))
            out[leg].clear()
        elif waiting[leg]:
            queues.withdraw(leg, str(waiting[leg].pop(pick % len(waiting[leg]))))
        assert len(out[leg]) <= 3
        assert not waiting[leg] or len(out[leg]) == 3
    queues.withdraw("c", "x")
    assert sorted(queues.clear()) == sorted((leg, number) for leg, line in waiting.items() for number in line)


async def test_leg_cap() -> None:
    """The 33rd sendmsg of a leg waits for an end there, in order; other legs and api commands pass."""
    keys = [f"k{number}" for number in range(CAP + 3)]

    async def script(conn: Conn) -> None:
        seen = [header_of(await conn.packet(), "Event-UUID") for _ in range(CAP)]
        assert seen == keys[:CAP]
        assert await conn.packet() == execute("other", "leg-b").text
        assert await conn.packet() == "api uuid_exists x"
        await conn.send(*[reply("+OK")] * (CAP + 1), api("true"))
        assert await conn.packet() == "api after the replies"
        await conn.send(api("true"))  # +OK ended nothing; this does, and no foreign end does:
        await conn.send(completed(keys[5], "leg-b"), completed("theirs"), completed(keys[5]))
        assert header_of(await conn.packet(), "Event-UUID") == keys[CAP]
        await conn.send(reply("+OK"), event("CHANNEL_HANGUP_COMPLETE", Unique_ID=LEG))
        assert [header_of(await conn.packet(), "Event-UUID") for _ in range(2)] == keys[CAP + 1 :]
        await conn.send(*[reply("-ERR invalid session id")] * 2)
        await conn.until_eof()

    async with served(script) as session:
        futures = [session.post(execute(key)) for key in keys]
        other = session.post(execute("other", "leg-b"))
        assert (await session.send(Text("api uuid_exists x"))).text == "true"
        assert (await other).ok
        await session.send(Text("api after the replies"))
        replies = await asyncio.gather(*futures)
        assert [each.ok for each in replies] == [True] * (CAP + 1) + [False] * 2


async def test_refused_sendmsg_gives_its_place_back() -> None:
    """-ERR means not queued: nothing will complete, so the place is free at once."""

    async def script(conn: Conn) -> None:
        for _ in range(CAP):
            await conn.packet()
        await conn.send(reply("-ERR invalid session id [x]"))
        assert header_of(await conn.packet(), "Event-UUID") == "last"
        await conn.send(*[reply("+OK")] * CAP)
        await conn.until_eof()

    async with served(script) as session:
        first, *_ = [session.post(execute(str(number))) for number in range(CAP)]
        last = session.post(execute("last"))
        assert (await first).text == "-ERR invalid session id [x]"
        assert (await last).ok


def lost(observed: list[object]) -> list[tuple[str, Lack]]:
    """Which commands got no reply, and why."""
    return [(fact.kind, fact.lack) for fact in observed if isinstance(fact, CommandLost)]


async def test_leg_busy() -> None:
    """A command whose turn never comes fails alone, unsent; its place in the line goes to the next."""

    async def script(conn: Conn) -> None:
        for _ in range(CAP):
            await conn.packet()
            await conn.send(reply("+OK"))
        assert await conn.packet() == "api go"
        await conn.send(api("x"), completed("0"))
        assert header_of(await conn.packet(), "Event-UUID") == "patient"
        await conn.send(reply("+OK"))
        await conn.until_eof()

    observed: list[object] = []
    async with served(script, observed) as session:
        for number in range(CAP):
            session.post(execute(str(number)))
        hasty = session.post(execute("hasty"), deadline=0.01)
        patient = session.post(execute("patient"))
        with pytest.raises(LegBusy, match=rf"sendmsg playback: {CAP} commands of its leg did not end within 0\.01 s"):
            await hasty
        await session.send(Text("api go"))
        assert (await patient).ok
        assert session.closed is None
        assert lost(observed) == [("sendmsg playback", Lack.BUSY)]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (Text(f"sendmsg {LEG}\nEvent-UUID: k"), "first line"),
        (Text(f"sendmsg {LEG}\nEvent-UUID: k", "another"), "first line"),
        (Text(f"sendmsg {LEG}\ncall-command: execute", LEG), "no Event-UUID"),
        (Text("api a\n\napi b"), "empty line"),
        (Text("api reload mod_event_socket"), "every client"),
    ],
)
async def test_refused_before_sending(command: Text, why: str) -> None:
    """What can't be counted, or isn't one packet, is refused when it is posted, and nothing is sent."""

    async def script(conn: Conn) -> None:
        assert await conn.packet() == "api next"
        await conn.send(api("x"))
        await conn.until_eof()

    async with served(script) as session:
        with pytest.raises(PacketRefused, match=why):
            session.post(command)
        await session.send(Text("api next"))


async def test_sendmsg_needs_its_events() -> None:
    """Without the events that end a sendmsg none can be sent: its leg's places would never be given back."""
    async with served(stays, events=("CHANNEL_PARK",)) as session:
        with pytest.raises(PacketRefused, match="must subscribe to CHANNEL_EXECUTE_COMPLETE"):
            session.post(execute("k"))


# Commands


async def test_replies_in_order() -> None:
    """Pipelined commands get the replies in the order of sending, api and command alike, whole."""
    body = "a\n\nb\n"

    async def script(conn: Conn) -> None:
        for _ in range(3):
            await conn.packet()
        await conn.send(api(body), reply("+OK done", **{"X-More": "1"}), api("-ERR no reply\n"))
        await conn.until_eof()

    async with served(script) as session:
        first, second, third = await asyncio.gather(*(session.send(Text(f"api {n}")) for n in range(3)))
        assert (first.ok, first.text) == (True, body)
        assert (second.ok, second.text, second.headers["X-More"]) == (True, "+OK done", "1")
        assert (third.ok, third.text) == (False, "-ERR no reply\n")


async def test_one_turn_is_one_write() -> None:
    """All that one turn of the loop posts goes out together, in order."""

    async def script(conn: Conn) -> None:
        assert await conn.reader.read(65536) == b"api 0\n\napi 1\n\napi 2\n\n"
        await conn.send(*[api("x")] * 3)
        await conn.until_eof()

    async with served(script) as session:
        await asyncio.gather(*[session.post(Text(f"api {number}")) for number in range(3)])


@pytest.mark.parametrize("ending", [notice(), b"Content-Length: 50\n\nx", b"", reply("+OK") * 3])
async def test_pending_commands_at_the_end(ending: bytes) -> None:
    """However a connection ends, everyone who waits is told: sent, waiting for a leg, a job, a fence."""

    async def script(conn: Conn) -> None:
        for _ in range(CAP + 2):
            await conn.packet()
        await conn.send(*[reply("+OK")] * CAP, ending)

    observed: list[object] = []
    async with served(script, observed) as session:
        waiting: list[Awaitable[Any]] = [session.post(execute(str(number))) for number in range(CAP + 1)]
        waiting += [session.job(Text("api status"), deadline=60), session.fence(deadline=60)]
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        in_line, job, fence = ends[CAP:]
        assert [type(end) for end in (in_line, job, fence)] == [LinkLost] * 3
        assert {str(in_line), str(job), str(fence)} == {session.closed}
        assert await session.wait_closed() == session.closed
        with pytest.raises(LinkLost):
            await session.send(Text("api too late"))
    assert lost(observed)[-1] == ("sendmsg playback", Lack.LOST)  # those before it are the jobs'
    jobs = [fact for fact in observed if isinstance(fact, JobDone) and fact.ok is None]
    assert sorted((fact.kind, fact.lack) for fact in jobs) == [("bgapi echo", Lack.LOST), ("bgapi status", Lack.LOST)]


async def test_reply_deadline_closes() -> None:
    """A late reply would answer the next command, so its deadline ends the connection, saying for what."""
    late = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.packet()
        await late.wait()
        await conn.send(api("late"))
        await conn.until_eof()

    observed: list[object] = []
    async with served(script, observed) as session:
        other = session.post(Text("api other"))
        with pytest.raises(LinkLost, match=r"no reply to api slow within 0\.01 s"):
            await session.send(Text("api slow"), deadline=0.01)
        with pytest.raises(LinkLost):
            await other
        assert session.closed is not None
        late.set()
    assert lost(observed) == [("api other", Lack.LOST), ("api slow", Lack.TIMEOUT)]


async def test_each_reply_has_its_deadline() -> None:
    """One that waits behind others which came in time is missed at its own, the earlier ones first."""
    answered = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.packet()
        await conn.send(api("in time"))
        await conn.packet()
        await answered.wait()
        await conn.packet()
        await conn.until_eof()

    observed: list[object] = []
    async with served(script, observed) as session:
        assert (await session.send(Text("api first"), deadline=0.2)).text == "in time"
        patient = session.post(Text("api patient"), deadline=30)
        hasty = session.post(Text("api hasty"), deadline=0.3)
        answered.set()
        with pytest.raises(LinkLost, match=r"no reply to api hasty within 0\.3 s"):
            await asyncio.wait_for(hasty, 10)
        with pytest.raises(LinkLost):
            await patient
    assert lost(observed) == [("api patient", Lack.LOST), ("api hasty", Lack.TIMEOUT)]


async def test_much_of_one_turn_goes_out_in_order() -> None:
    """Also where it is written before the turn is over: each command gets its own reply."""
    many = 300

    async def script(conn: Conn) -> None:
        for number in range(many):
            assert await conn.packet() == f"api {number}"
            await conn.send(api(f"to {number}"))
        await conn.until_eof()

    async with served(script) as session:
        posted = [session.post(Text(f"api {number}")) for number in range(many)]
        assert len(session._outgoing) < 64
        replies = await asyncio.wait_for(asyncio.gather(*posted), 10)
        assert [answer.text for answer in replies] == [f"to {number}" for number in range(many)]


async def test_cancelled_command_keeps_its_place() -> None:
    """A command whose sender was cancelled still takes its own reply; the next gets the next."""
    go = asyncio.Event()

    async def script(conn: Conn) -> None:
        assert await conn.packet() == "api given up"
        await go.wait()
        assert await conn.packet() == "api wanted"
        await conn.send(api("for the first"), api("for the second"))
        await conn.until_eof()

    async with served(script) as session:
        task = asyncio.create_task(session.send(Text("api given up")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        assert (await session.send(Text("api wanted"))).text == "for the second"


# Jobs


async def test_job() -> None:
    """A job's text and time are the switch's; its end is no event of the reader's; ends may come in any order."""
    observed: list[object] = []

    async def script(conn: Conn) -> None:
        one, two = await conn.job(), await conn.job()
        assert one != two
        await conn.end_job(two, "-ERR no\n", Event_Date_Timestamp="1795144240824777")
        await conn.end_job(one, "+OK yes\n", Event_Date_Timestamp="nonsense")
        await conn.send(event("CHANNEL_PARK", Number="1"), notice())

    async with served(script, observed) as session:
        one = asyncio.create_task(session.job(Text("api uuid_record a stop b"), deadline=5))
        two = asyncio.create_task(session.job(Text("api uuid_record a mask b"), deadline=5))
        first, second = await asyncio.gather(one, two)
        assert (first.ok, first.text, first.at) == (True, "+OK yes\n", 0.0)
        assert (second.ok, second.text, second.at) == (False, "-ERR no\n", 1795144240.824777)
        seen: list[Any] = []
        await collect(session, seen)
        assert seen == [("CHANNEL_PARK", "1")]
    done = [fact for fact in observed if isinstance(fact, JobDone) and fact.kind == "bgapi uuid_record"]
    assert sorted(fact.ok is True for fact in done) == [False, True]


async def test_job_timeout_fails_one() -> None:
    """A job's deadline fails that job; its late end reaches nobody; the connection and other jobs go on."""
    observed: list[object] = []

    async def script(conn: Conn) -> None:
        slow = await conn.job()
        quick = await conn.job()
        await conn.end_job(slow)
        await conn.end_job(quick, "quick")
        await conn.send(event("CHANNEL_PARK"), notice())

    async with served(script, observed, events=(*EVENTS, "BACKGROUND_JOB")) as session:
        with pytest.raises(JobTimeout, match=r"bgapi originate did not end within 0\.01 s"):
            await session.job(Text("api originate x"), deadline=0.01)
        assert (await session.job(Text("api status"), deadline=5)).text == "quick"
        seen: list[Any] = []
        await collect(session, seen)
        assert seen == [("CHANNEL_PARK", None)]
    jobs = [fact for fact in observed if isinstance(fact, JobDone)]
    assert [(fact.ok, fact.lack) for fact in jobs] == [(True, None), (None, Lack.TIMEOUT), (True, None)]


async def test_job_refused() -> None:
    """A job that the switch doesn't take fails with the switch's words."""

    async def script(conn: Conn) -> None:
        await conn.packet()
        await conn.send(reply("-ERR permission denied"))
        await conn.until_eof()

    observed: list[object] = []
    async with served(script, observed) as session:
        with pytest.raises(JobRefused, match="bgapi status: -ERR permission denied"):
            await session.job(Text("api status"), deadline=5)
    assert [fact.lack for fact in observed if isinstance(fact, JobDone)] == [None, Lack.REFUSED]


@pytest.mark.parametrize("text", ["bgapi status", "api a\nJob-UUID: b", execute("k").text])
async def test_only_api_commands_are_jobs(text: str) -> None:
    """Only an api command of one line can be wrapped as a job: its headers are ours."""
    async with served(stays) as session:
        with pytest.raises(PacketRefused, match="only an api command"):
            await session.job(Text(text), deadline=5)


async def test_refused_job_leaves_nothing() -> None:
    """A job whose packet may not be sent is not counted as running."""
    async with served(stays) as session:
        with pytest.raises(PacketRefused, match="every client"):
            await session.job(Text("api reload mod_event_socket"), deadline=5)
        assert len(session._jobs) == 0
        assert session._wire._awaited == 0


@pytest.mark.parametrize(
    ("stamp", "at"),
    [("1795144240824777", 1795144240.824777), ("", 0.0), ("9" * 5000, 0.0), ("٣", 0.0), (["1"], 0.0), ("-1", 0.0)],
)
def test_timestamp(stamp: object, at: float) -> None:
    """The switch's clock in seconds; whatever is no time of it is 0."""
    assert timestamp_of({"Event-Date-Timestamp": stamp}) == at


@pytest.mark.parametrize(("asked", "seen"), [(EVENTS, 0), ((*EVENTS, "BACKGROUND_JOB", "HEARTBEAT"), 2)])
async def test_own_subscriptions_are_not_shown(asked: tuple[str, ...], seen: int) -> None:
    """HEARTBEAT and other clients' jobs are given only to who asked; our own jobs to nobody; CHANNEL_PARK to all."""

    async def script(conn: Conn) -> None:
        await conn.send(
            event("HEARTBEAT"), event("BACKGROUND_JOB", Job_UUID="theirs"), event("CHANNEL_PARK"), notice()
        )

    async with served(script, events=asked) as session:
        events: list[Any] = []
        await collect(session, events)
        assert len(events) == seen + 1


# Events


async def test_events_in_order_then_the_end() -> None:
    """Events come in order; those that came before the end are all given; then the stream ends, with a reason."""

    async def script(conn: Conn) -> None:
        for number in range(500):
            await conn.send(event("CHANNEL_PARK", Number=number))
        await conn.send(notice(b"The system is being shut down.\n"))

    async with served(script) as session:
        assert await session.wait_closed() == "the switch disconnected us: The system is being shut down."
        seen: list[Any] = []
        await collect(session, seen)
        assert seen == [("CHANNEL_PARK", number) for number in range(500)]


async def test_one_reader() -> None:
    """A second reader is refused while the first reads; events are given once. After it another may go on."""
    go = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.send(event("CHANNEL_PARK", Number=1))
        await go.wait()
        await conn.send(event("CHANNEL_PARK", Number=2), notice())

    async with served(script) as session:
        async with aclosing(session.events()) as first:
            assert [entry["Number"] for entry in await anext(first)] == [1]
            with pytest.raises(RuntimeError, match="has a reader already"):
                await anext(session.events())
        go.set()
        seen: list[Any] = []
        await collect(session, seen)
        assert seen == [("CHANNEL_PARK", 2)]


HOSTILE = [
    b'{"Event-Name":["CHANNEL_PARK","X"]}',
    b'{"Event-Name":7}',
    b"{}",
    b'{"Event-Name":"CHANNEL_EXECUTE_COMPLETE","Unique-ID":[1],"Application-UUID":{}}',
    b'{"Event-Name":"BACKGROUND_JOB","Job-UUID":["a"]}',
]


@pytest.mark.parametrize("body", HOSTILE)
async def test_hostile_events_break_nothing(body: bytes) -> None:
    """Lists and numbers where texts belong are passed on or ignored; nothing of the link's trips over them."""

    async def script(conn: Conn) -> None:
        await conn.send(raw_event(body), event("CHANNEL_PARK"), notice())

    async with served(script) as session:
        names: list[Any] = []
        async for batch in session.events():
            names += [entry.get("Event-Name") for entry in batch]
        assert names[-1] == "CHANNEL_PARK"
        assert "disconnected us" in (session.closed or "")


async def test_telemetry() -> None:
    """What is read, ignored, unreadable, done, up and down is told; a hook that raises harms nothing."""
    observed: list[object] = []
    complaints: list[dict[str, Any]] = []

    def observe(fact: object) -> None:
        observed.append(fact)
        raise RuntimeError("telemetry is ill")

    async def script(conn: Conn) -> None:
        await conn.packet()
        await conn.send(api("x"), raw_event(b"["), frame({"Content-Type": "log/data"}, b"hi"), event("CHANNEL_PARK"))
        await conn.send(notice())

    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    async with served(script, observe=observe) as session:
        await session.send(Text("api status"))
        await session.wait_closed()
    kinds = {type(fact) for fact in observed}
    assert kinds == {LinkUp, LinkDown, CommandDone, JobDone, EventsRead, EventUnreadable, FrameIgnored}
    assert any(isinstance(f, CommandDone) and f.kind == "api status" and f.ok and f.seconds > 0 for f in observed)
    assert sum(fact.count for fact in observed if isinstance(fact, EventsRead)) == 3
    assert len(complaints) == len(observed)
    up, down = observed[-len(observed) :], observed[-1]
    assert LinkUp("fs1", CORE, None, "FreeSWITCH Version 1.11.2") in up
    assert isinstance(down, LinkDown)
    assert "goodbye" in down.reason


async def test_closed_by_what_it_is_told() -> None:
    """Telemetry may close the session in the middle of what was read: the rest of it trips over nothing."""
    sessions: list[Session] = []

    def observe(fact: object) -> None:
        if isinstance(fact, CommandDone) and fact.kind == "api a":
            sessions[0].close("told to")

    async def script(conn: Conn) -> None:
        await conn.packet()
        await conn.packet()
        await conn.send(api("a"), api("b"), event("CHANNEL_PARK"))
        await conn.until_eof()

    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    async with served(script, observe=observe) as session:
        sessions.append(session)
        ends = await asyncio.gather(*(session.send(Text(f"api {name}")) for name in "ab"), return_exceptions=True)
        assert [type(end).__name__ for end in ends] == ["Reply", "LinkLost"]
        assert session.closed == "told to"
    assert complaints == []


async def test_the_end_that_a_command_waits_for_is_read() -> None:
    """A reader that waits for its turn on a leg needs us to read the end that gives it, above the high mark too."""
    held = asyncio.Event()

    def observe(fact: object) -> None:
        if isinstance(fact, ReadingHeld) and fact.paused:
            held.set()

    async def script(conn: Conn) -> None:
        for _ in range(CAP):
            await conn.packet()
        await conn.send(*[reply("+OK")] * CAP)
        assert await conn.packet() == "api replies were read"
        await conn.send(api("x"))
        await flood.wait()
        for number in range(1000):
            await conn.send(event("CHANNEL_PARK", Number=number, Padding="x" * 2000))
        await conn.send(completed("0"))
        assert header_of(await conn.packet(), "Event-UUID") == "last"
        await conn.send(reply("+OK"))
        await conn.until_eof()

    flood = asyncio.Event()
    async with served(script, observe=observe, marks=Marks(high_events=10, low_events=1)) as session:
        await asyncio.gather(*(session.post(execute(str(number))) for number in range(CAP)))
        await session.send(Text("api replies were read"))
        flood.set()
        await held.wait()
        assert (await session.send(execute("last"))).ok


async def test_a_slow_reader_holds_the_socket() -> None:
    """Back pressure through the whole link: held at the mark, going on with the reader, nothing lost."""
    observed: list[object] = []
    count = 20_000
    held = asyncio.Event()

    def observe(fact: object) -> None:
        observed.append(fact)
        if isinstance(fact, ReadingHeld):
            held.set()

    async def script(conn: Conn) -> None:
        padding = "x" * 2000
        for number in range(count):
            await conn.send(event("CHANNEL_PARK", Number=number, Padding=padding))
        await conn.send(notice())

    async with served(script, observe=observe, marks=Marks(high_events=100, low_events=10)) as session:
        await held.wait()
        assert sum(fact.count for fact in observed if isinstance(fact, EventsRead)) < count
        seen: list[Any] = []
        await collect(session, seen)
        assert seen == [("CHANNEL_PARK", number) for number in range(count)]


async def test_reply_behind_the_ceiling() -> None:
    """A reader that waits for a reply which lies beyond the ceiling is not left hanging: the deadline says why."""

    async def script(conn: Conn) -> None:
        await conn.packet()
        for number in range(20_000):
            await conn.send(event("CHANNEL_PARK", Number=number, Padding="x" * 2000))

    marks = Marks(high_events=10, low_events=1, ceiling_events=50)
    async with served(script, marks=marks) as session:
        with pytest.raises(LinkLost, match=r"no reply to api a within 1 s; \d+ events wait to be taken"):
            await session.send(Text("api a"), deadline=1)


# Fences


async def test_fence() -> None:
    """A fence waits for what was fired before it to be taken, not only read; what follows it doesn't matter."""
    order: list[str] = []
    taking = asyncio.Event()

    async def script(conn: Conn) -> None:
        job = await conn.job()
        await conn.send(event("CHANNEL_PARK", Number=1), event("CHANNEL_PARK", Number=2))
        await conn.end_job(job)
        await conn.send(event("CHANNEL_PARK", Number=3))
        await conn.until_eof()

    async with served(script) as session:

        async def read() -> None:
            async for batch in session.events():
                await taking.wait()
                order.extend(str(entry["Number"]) for entry in batch)

        async def fence() -> None:
            await session.fence()
            order.append("fence")

        reader, fenced = asyncio.create_task(read()), asyncio.create_task(fence())
        while not session._queue._entries:
            await asyncio.sleep(0)
        assert not fenced.done()
        taking.set()
        await fenced
        assert order.index("fence") >= order.index("2")
        assert order[:2] == ["1", "2"]
        reader.cancel()


async def test_fence_without_a_reader() -> None:
    """A fence that nobody's reading can pass fails at its deadline, alone; the queue goes on past its mark."""

    async def script(conn: Conn) -> None:
        job = await conn.job()
        await conn.send(event("CHANNEL_PARK", Number=1))
        await conn.end_job(job)
        await conn.packet()
        await conn.send(event("CHANNEL_PARK", Number=2), notice())

    async with served(script) as session:
        with pytest.raises(JobTimeout, match="fence"):
            await session.fence(deadline=0.05)
        session.post(Text("api go"))
        seen: list[Any] = []
        await collect(session, seen)
        assert [number for _, number in seen] == [1, 2]


async def test_fence_at_the_end() -> None:
    """A fence in the queue when the connection ends fails: nobody may be left to pass it."""

    async def script(conn: Conn) -> None:
        job = await conn.job()
        await conn.send(event("CHANNEL_PARK", Number=1))
        await conn.end_job(job)
        await conn.packet()
        await conn.send(notice())

    async with served(script) as session:
        fenced = asyncio.create_task(session.fence())
        while len(session._queue._entries) < 2:
            await asyncio.sleep(0)
        session.post(Text("api go"))
        with pytest.raises(LinkLost):
            await fenced


# Hurrying


async def test_urgent() -> None:
    """While something is urgent line breaks come; they are answered by nothing and shift no reply."""

    async def script(conn: Conn) -> None:
        for _ in range(3):
            assert await conn.reader.readline() == b"\n"
        await conn.send(event("CHANNEL_PARK"))
        assert await conn.packet() == "api a"
        await conn.send(api("a"))
        await conn.until_eof()

    async with served(script) as session:
        async with session.urgent(), session.urgent():
            assert await anext(session.events())
        assert (await session.send(Text("api a"))).text == "a"


async def test_never_hurried() -> None:
    """With hurry_every and awake_every 0 nothing is ever sent but commands."""
    checked = asyncio.Event()

    async def script(conn: Conn) -> None:
        assert await conn.packet() == "api a"
        assert conn.line_breaks == 0
        checked.set()
        await conn.send(api("a"))
        await conn.until_eof()

    async with served(script, timings=Timings(hurry_every=0, awake_every=0)) as session:
        async with session.urgent():
            await session.send(Text("api a"))
        assert checked.is_set()


# Life


async def test_session_knows_its_switch() -> None:
    """The first thing a session knows is who the switch is; it subscribes to what was asked and two more, only."""
    subscription: list[str] = []

    async def play(conn: Conn) -> None:
        subscription.append(await conn.setup())
        await conn.until_eof()

    async with asyncio.timeout(10), Peer(play) as peer:
        link = link_to(peer)
        async with aclosing(link.sessions()) as sessions:
            session = await anext(sessions)
            assert subscription == [f"event json HEARTBEAT BACKGROUND_JOB {' '.join(EVENTS)}"]
            assert (session.core_uuid, session.switchname, session.hostname) == (CORE, "fs", "")
            assert (session.version, session.previous_core_uuid, session.restarted) == (
                "FreeSWITCH Version 1.11.2",
                None,
                False,
            )
            with pytest.raises(RuntimeError, match="in use already"):
                await anext(link.sessions())
        await link.close()


async def test_reconnects_and_sees_a_restart() -> None:
    """After the end comes a new session; a Core-UUID that changed since, or since the one given, is told."""
    observed: list[object] = []

    def lives(core: str, version: str = "-ERR version Command not found!\n") -> Script:
        async def script(conn: Conn) -> None:
            await conn.setup(core, version)
            await conn.packet()
            await conn.send(notice())

        return script

    async with asyncio.timeout(10), Peer(lives("a"), lives("a"), lives("b")) as peer:
        link = link_to(peer, observed, core_uuid="stored")
        told = []
        async for session in link.sessions():
            assert session.version == ""
            told.append((session.previous_core_uuid, session.core_uuid, session.restarted))
            if len(told) == 3:
                await link.close()
            else:
                session.post(Text("api go"))
                await session.wait_closed()
    assert told == [("stored", "a", True), ("a", "a", False), ("a", "b", True)]
    assert [fact.reason for fact in observed if isinstance(fact, LinkDown)][:2] == [
        "the switch disconnected us: Disconnected, goodbye. See you at ClueCon!"
    ] * 2


async def test_connecting_goes_on_for_ever() -> None:
    """Attempts that fail, however, are told with their reasons and followed by others, ever later up to a cap."""
    observed: list[object] = []

    async def mute(conn: Conn) -> None:
        await conn.until_eof()

    async def no_subscription(conn: Conn) -> None:
        await conn.auth()
        await conn.packet()
        await conn.send(reply("-ERR no keywords supplied"))
        await conn.end_job(await conn.job(), Core_UUID=CORE)
        await conn.until_eof()

    async def no_core(conn: Conn) -> None:
        await conn.setup(core="")
        await conn.until_eof()

    async def no_job(conn: Conn) -> None:
        await conn.auth()
        await conn.packet()
        await conn.send(reply("+OK"))
        await conn.packet()
        await conn.send(reply("-ERR permission denied"))
        await conn.until_eof()

    async def cut(conn: Conn) -> None:
        await conn.auth()

    async def good(conn: Conn) -> None:
        await conn.setup()
        await conn.until_eof()

    timings = Timings(auth=0.05, backoff_first=0.001, backoff_cap=0.004, backoff_jitter=0.5)
    async with asyncio.timeout(10), Peer(mute, no_subscription, no_core, no_job, cut, good) as peer:
        link = link_to(peer, observed, timings=timings, chance=lambda: 0.5)
        async with aclosing(link.sessions()) as sessions:
            assert (await anext(sessions)).core_uuid == CORE
        await link.close()
    failed = [fact for fact in observed if isinstance(fact, ConnectFailed)]
    for fact, why in zip(
        failed,
        ["nothing like ESL", "refused the subscription", "without Core-UUID", "permission", "closed"],
        strict=True,
    ):
        assert why in fact.reason
    assert [fact.retry_in for fact in failed] == pytest.approx([0.00075, 0.0015, 0.003, 0.003, 0.003])


@given(st.integers(1, 10_000), st.floats(0, 0.999999))
def test_backoff(failures: int, chance: float) -> None:
    """Every pause is positive, at most the cap, and no less than the jitter's share of it; no count overflows."""

    async def pause() -> float:
        link = Link(SwitchAddress("fs1", "h", 1, ""), events=(), chance=lambda: chance)
        return link._pause(failures)

    whole = min(5.0, 0.5 * 2.0 ** min(failures - 1, 64))
    assert whole * 0.5 <= asyncio.run(pause()) <= whole


@pytest.mark.parametrize(("lived", "pauses"), [(0.0, [0.001, 0.001, 0.001]), (1000.0, [0.001, 0.002, 0.004])])
async def test_backoff_forgets_after_a_session_that_lived(
    lived: float, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions that end at once make the pauses grow; one that lived long enough begins anew."""

    async def script(conn: Conn) -> None:
        await conn.setup()
        await conn.packet()
        await conn.send(notice())

    asked: list[float] = []
    original = Link._pause

    def pause(link: Link, failures: int) -> float:
        asked.append(original(link, failures))
        return asked[-1]

    monkeypatch.setattr(Link, "_pause", pause)
    timings = Timings(backoff_first=0.001, backoff_cap=0.004, backoff_jitter=0, lived=lived)
    async with asyncio.timeout(10), Peer(script) as peer:
        link = link_to(peer, timings=timings)
        count = 0
        async for session in link.sessions():
            session.post(Text("api go"))
            await session.wait_closed()
            count += 1
            if count == 4:
                break
        await link.close()
    assert asked == pauses


@pytest.mark.parametrize(
    ("rude", "fix"),
    [(True, "apply-inbound-acl"), (False, "set this switch's password to the one in event_socket.conf.xml")],
)
async def test_refusals_are_final(rude: bool, fix: str, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal ends it all, saying what to change where, and the password is in no word of it, log or traceback."""
    caplog.set_level(logging.DEBUG)

    async def script(conn: Conn) -> None:
        if rude:
            await conn.send(frame({"Content-Type": "text/rude-rejection"}, b"Access Denied, go away.\n"))
        else:
            await conn.auth("-ERR invalid")
            await conn.send(notice())
        await conn.until_eof()

    observed: list[object] = []
    async with asyncio.timeout(10), Peer(script) as peer:
        link = link_to(peer, observed)
        with pytest.raises(LinkRefused, match="switch fs1") as refused:
            await anext(link.sessions())
        await link.close()
        assert peer.accepted == 1
    assert fix in refused.value.fix
    assert fix in str(refused.value)
    text = "".join(traceback.format_exception(refused.value)) + repr(refused.value) + caplog.text + repr(observed)
    assert SECRET not in text


async def test_silence_closes() -> None:
    """A switch that says nothing for too long is given up, with the reason; any byte counts as life."""
    async with served(stays, timings=Timings(heartbeat_silence=0.05)) as session:
        assert await session.wait_closed() == "nothing came from the switch for 0.05 s; a heartbeat is due every 20 s"


async def test_bytes_are_life() -> None:
    """Bytes that complete no frame yet are life as well: a long body may be on its way."""

    async def script(conn: Conn) -> None:
        await conn.packet()
        await conn.send(b"Content-Le")
        await conn.until_eof()

    async with served(script) as session:
        session._wire.last_read = before = session._wire.last_read - 1000  # as if time had passed
        session.post(Text("api go"))
        while session._wire.last_read == before:
            await asyncio.sleep(0)
        session._watch()
        assert session.closed is None


async def test_silence_of_our_own_making() -> None:
    """While we ourselves hold the socket no silence is counted against the switch."""
    held = asyncio.Event()

    async def script(conn: Conn) -> None:
        for number in range(500):
            await conn.send(event("CHANNEL_PARK", Number=number))
        await conn.until_eof()

    def observe(fact: object) -> None:
        if isinstance(fact, ReadingHeld):
            held.set()

    timings = Timings(heartbeat_silence=20.0)  # no silence of a busy machine is one
    async with served(script, observe=observe, timings=timings, marks=Marks(high_events=5, low_events=1)) as session:
        await held.wait()
        session._watch()
        session._wire.last_read -= 1000  # as if time had passed
        session._watch()
        assert session.closed is None


async def test_leaving_closes() -> None:
    """Asking for the next session closes the one before: a connection nobody serves takes nothing in."""

    async def script(conn: Conn) -> None:
        await conn.setup()
        await conn.until_eof()

    async with asyncio.timeout(10), Peer(script) as peer:
        link = link_to(peer)
        seen: list[Session] = []
        async for session in link.sessions():
            seen.append(session)
            if len(seen) == 2:
                break
        assert seen[0].closed == "its user left it"
        await link.close()
        assert seen[1].closed is not None


async def test_close_while_connecting_or_pausing() -> None:
    """close() ends `sessions` at once, be it connecting or between two attempts; closing twice is harmless."""
    accepted = asyncio.Event()

    async def mute(conn: Conn) -> None:
        accepted.set()
        await conn.until_eof()

    async def all_of(link: Link) -> int:
        return len([session async for session in link.sessions()])

    async with asyncio.timeout(10), Peer(mute) as peer:
        connecting = link_to(peer)
        task = asyncio.create_task(all_of(connecting))
        await accepted.wait()
        await connecting.close()
        assert await task == 0

        observed: list[object] = []
        pausing = link_to(peer, observed, timings=Timings(auth=0.01, backoff_first=1000, backoff_cap=1000))
        task = asyncio.create_task(all_of(pausing))
        while not observed:
            await asyncio.sleep(0)
        await pausing.close()
        await pausing.close()
        assert await task == 0

        await link_to(peer).close()  # never used
