"""One connection to a switch, as the rest of fsrec sees it: commands in order, jobs, one stream of events.

Replies come in the order of the commands, so a FIFO matches them (spec freeswitch 3.1), and a reply that comes too
late would answer the next command: its deadline closes the connection. A job is known by its own UUID; its deadline
fails that job alone. A session never outlives its connection; nothing is resent on the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from controller.switch.link_events import EventQueue
from controller.switch.link_jobs import Jobs, api_ok, fail, look_at, text_of, timestamp_of
from controller.switch.link_legs import LegQueues
from controller.switch.link_values import (
    Command,
    CommandDone,
    CommandLost,
    EventsRead,
    EventUnreadable,
    FrameIgnored,
    JobDone,
    JobRefused,
    JobResult,
    JobTimeout,
    Lack,
    LegBusy,
    LinkDown,
    LinkLost,
    LinkUp,
    Observe,
    ReadingHeld,
    Reply,
    SwitchAddress,
    Timings,
    header_of,
    kind_of,
)
from controller.switch.wire import REPLIES, Chunk, Gate, Marks, Target, Wire
from controller.switch.wire_codec import Event, Frame, Headers, Limits, PacketRefused, Unreadable, encode_packet
from controller.switch.wire_thread import WireThread

OWN_EVENTS: Final = ("HEARTBEAT", "BACKGROUND_JOB")
OWN_HEADERS: Final = ("Event-Name", "Unique-ID", "Application-UUID")
"""What a session reads of its user's events; of its own it reads more, so they are always whole."""
HANGUPS: Final = frozenset({"CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY"})
COMPLETE: Final = "CHANNEL_EXECUTE_COMPLETE"

_AT_ONCE = 64  # commands of one turn of the loop that go out before it ends


@dataclass(frozen=True, slots=True)
class _Text:
    """A command of the link's own."""

    text: str
    leg: None = None

    def packet(self) -> str:
        return self.text


@dataclass(slots=True, eq=False)
class _Pending:
    """A command on its way: waiting for its leg, or for its reply."""

    kind: str
    packet: bytes
    deadline: float
    future: asyncio.Future[Reply]
    leg: str | None = None
    key: str = ""
    timer: asyncio.TimerHandle | None = None
    since: float = field(default_factory=time.monotonic)

    def stop_timer(self) -> None:
        if self.timer:
            self.timer.cancel()
            self.timer = None


class Session:
    """See the module. Made by Link; every method is for the loop's thread.

    Attributes:
        core_uuid: of the running switch process; another one than before means it restarted, its calls gone.
        previous_core_uuid: of the session before this one, None if there was none that we know of.
        switchname: as the switch calls itself; hostname: of its machine; version: its own text, "" if it has none.
        greeted_at: Unix seconds by the switch's clock of its first answer; 0.0 if it told none.
        closed: why the connection is over, None while it is not.

    """

    def __init__(
        self,
        address: SwitchAddress,
        thread: WireThread,
        *,
        events: Sequence[str],
        observe: Observe,
        timings: Timings,
        previous_core_uuid: str | None = None,
        limits: Limits | None = None,
        headers: Headers | None = None,
        marks: Marks | None = None,
        gate: Gate = lambda: None,
    ) -> None:
        self.address = address
        self.core_uuid = self.hostname = self.switchname = self.version = ""
        self.previous_core_uuid = previous_core_uuid
        self.greeted_at = 0.0
        self.closed: str | None = None
        self._loop = asyncio.get_running_loop()
        self._observer = observe
        self._timings = timings
        self._events = frozenset(events)
        self._subscription = tuple(dict.fromkeys((*OWN_EVENTS, *events)))
        self._special = frozenset({*OWN_EVENTS, COMPLETE, *HANGUPS})
        self._fifo: deque[_Pending] = deque()
        self._legs: LegQueues[_Pending] = LegQueues()
        self._in_line = 0  # commands that wait for their leg
        self._outgoing: list[bytes] = []
        self._jobs = Jobs()
        self._ended = asyncio.Event()
        self._liveness: asyncio.TimerHandle | None = None
        self._urgent = 0
        self._late: _Pending | None = None  # whose reply did not come in time
        self._replies: asyncio.TimerHandle | None = None
        self._began: float | None = None
        self._over: float | None = None
        target = Target(
            address.host,
            address.port,
            address.password,
            timings.connect,
            timings.auth,
            timings.hurry_every,
            timings.hurry_for,
            timings.awake_every,
            timings.awake_for,
        )
        self._wire = Wire(thread, target, self, limits=limits, headers=headers, marks=marks, gate=gate)
        self._queue = EventQueue(self._wire.taken)

    # Beginning and end

    async def open(self) -> None:
        """Connect, subscribe, learn who the switch is. Raises WireRefused, WireClosed, LinkLost; Link calls it."""
        await self._wire.open()
        self._watch()
        subscribed = self.post(_Text(f"event json {' '.join(self._subscription)}"))
        async with self.urgent():
            # Any event would do: all carry the identity of the switch.
            about = await self._run_job(_Text("api version"), self._timings.reply)
        if not (reply := await subscribed).ok:
            raise LinkLost(f"the switch refused the subscription: {reply.text}")
        self.core_uuid = text_of(about, "Core-UUID")
        if not self.core_uuid:
            raise LinkLost("the switch sent an event without Core-UUID; is this FreeSWITCH?")
        self.greeted_at = timestamp_of(about)
        self.hostname = text_of(about, "FreeSWITCH-Hostname")
        self.switchname = text_of(about, "FreeSWITCH-Switchname")
        body = text_of(about, "_body")
        self.version = "" if body.startswith("-") else body.strip()
        if self.closed is not None:
            raise LinkLost(self.closed)
        self._began = time.monotonic()
        self._observe(LinkUp(self.address.name, self.core_uuid, self.previous_core_uuid, self.version))

    @property
    def seconds(self) -> float:
        """How long it is, or was, open; 0 if it never was."""
        return 0.0 if self._began is None else (self._over or time.monotonic()) - self._began

    @property
    def restarted(self) -> bool:
        """Whether the switch is another process than in the session before."""
        return self.previous_core_uuid not in {None, self.core_uuid}

    def close(self, reason: str) -> None:
        """End the connection. What waits for an answer gets LinkLost; events that came are still to be had."""
        self._end(reason)
        self._wire.close(reason)

    async def wait_closed(self) -> str:
        """Wait for the end; give its reason."""
        await self._ended.wait()
        return self.closed or ""

    # Commands

    async def send(self, command: Command, *, deadline: float | None = None) -> Reply:
        """Send one command and give its reply, whatever it says.

        Raises LinkLost when the connection goes, or the reply doesn't come within `deadline` seconds (Timings.reply),
        which closes it; LegBusy when its turn on the leg doesn't come within them; PacketRefused or ValueError when
        it may not be sent at all. Cancelling doesn't take back what was sent.
        """
        return await self.post(command, deadline=deadline)

    def post(self, command: Command, *, deadline: float | None = None) -> asyncio.Future[Reply]:
        """Queue a command: what one turn of the loop queues goes out in one write, in order. Errors as of `send`.

        Much of it goes in several: the switch begins with the first while the loop still asks for the rest.
        Those of sending at all are raised here, the others come with the future; it may be left alone.
        """
        text = command.packet()
        pending = _Pending(
            kind := kind_of(text),
            encode_packet(text, kind=kind),
            self._timings.reply if deadline is None else deadline,
            self._loop.create_future(),
        )
        if text.startswith("sendmsg"):
            pending.leg, pending.key = self._leg_and_key(command, text)
        pending.future.add_done_callback(look_at)
        if self.closed is not None:
            pending.future.set_exception(LinkLost(self.closed))
        elif pending.leg is None or self._legs.admit(pending.leg, pending.key, pending):
            self._send(pending)
        else:
            self._in_line += 1
            self._count_awaited()
            pending.timer = self._loop.call_later(pending.deadline, self._leg_too_busy, pending, pending.leg)
        return pending.future

    async def job(self, command: Command, *, deadline: float) -> JobResult:
        """Run an ``api`` command as a bgapi job and give what it printed.

        Raises JobTimeout after `deadline` seconds, JobRefused when the switch doesn't take it, and as `send`.
        """
        event = await self._run_job(command, deadline)
        text = text_of(event, "_body")
        return JobResult(api_ok(text), text, timestamp_of(event))

    async def fence(self, *, deadline: float | None = None) -> None:
        """Return when every event that the switch fired before this call has been taken from `events`.

        Replies overtake events: the switch answers on this connection at once, while events pass its dispatch queue
        (DESIGN 5). A job's end passes that queue too, behind all that was fired before, so one is sent through. Taken
        means that the reader of `events` asked for more after getting them; so it must not itself wait for a fence.

        What the switch has done but not fired yet is not covered: it takes a recorder off the list of `uuid_buglist`
        before it closes the file and fires RECORD_STOP (seen, 6 of 600), so absence there needs a grace as well.
        Neither is order with more than one dispatch thread (``initial-event-threads``; 1 by default).
        Raises JobTimeout after `deadline` seconds (Timings.reply) and as `send`.
        """
        passed: asyncio.Future[None] = self._loop.create_future()
        passed.add_done_callback(look_at)
        limit = self._timings.reply if deadline is None else deadline
        try:
            async with asyncio.timeout(limit), self.urgent():
                await self._run_job(_Text("api echo fence"), limit, passed)
                await passed
        except TimeoutError:
            raise JobTimeout(f"the events before a fence were not taken within {limit:g} s") from None

    @asynccontextmanager
    async def urgent(self) -> AsyncIterator[None]:
        """While in this context, hurry the switch, which polls an idle connection for events every 20 ms only.

        For what a caller hears or a person waits for. Costs a byte every Timings.hurry_every, and stops by itself
        Timings.hurry_for after the last one entered.
        """
        if self._timings.hurry_every > 0 and self.closed is None:
            self._wire.hurry()
        self._urgent += 1
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._wire.calm()

    # Events

    def events(self) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Give events in the switch's order, in batches, to one reader; end with the connection (see `closed`).

        Events of the names asked for only. Ends of our own jobs are taken out. Those that came before the end are
        all given. A slow reader makes the link stop reading, and the switch keeps up to 100,000 (see wire.py).
        """
        return self._queue.batches()

    # Called by the wire

    def received(self, chunks: list[Chunk]) -> None:
        """Sort what was read: replies to who waits, events to the queue."""
        if self.closed is not None:
            return
        count = size = 0
        for items, events, bytes_read in chunks:
            count += events
            size += bytes_read
            batch: list[Event] = []
            kept = 0
            for item in items:
                if type(item) is dict:
                    name = item.get("Event-Name")
                    if type(name) is str and name in self._special and not self._note(name, item):
                        if fence := self._jobs.fence(item):
                            self._queue.put(batch, 0)
                            batch = []
                            self._queue.put_mark(fence)
                        continue
                    batch.append(item)
                    kept += 1
                elif isinstance(item, Frame):
                    self._on_frame(item)
                elif isinstance(item, Unreadable):
                    self._observe(EventUnreadable(self.address.name, item.size, item.error))
            self._wire.taken(events - kept, 0 if batch else bytes_read)
            self._queue.put(batch, bytes_read)
        if count:
            self._observe(EventsRead(self.address.name, count, size))

    def ended(self, reason: str) -> None:
        """Learn that the connection is over."""
        self._end(reason)

    def held(self, paused: bool, events: int) -> None:
        """Pass on that reading stopped, or goes on."""
        self._observe(ReadingHeld(self.address.name, paused, events))

    # Inside

    def _end(self, reason: str) -> None:
        if self.closed is not None:
            return
        self.closed = reason
        self._over = time.monotonic()
        for timer in (self._liveness, self._replies):
            if timer is not None:
                timer.cancel()
        for pending in (*self._fifo, *self._legs.clear()):
            pending.stop_timer()
            fail(pending.future, LinkLost(reason))
            lack = Lack.TIMEOUT if pending is self._late else Lack.LOST
            self._observe(CommandLost(self.address.name, pending.kind, lack))
        self._fifo.clear()
        self._jobs.end(LinkLost(reason))
        for mark in self._queue.end():
            fail(mark, LinkLost(reason))
        self._ended.set()
        if self._began is not None:
            self._observe(LinkDown(self.address.name, reason, self.seconds))

    def _note(self, name: str, event: Event) -> bool:
        """Look at an event that concerns the link itself; True if the reader is to have it."""
        if name == COMPLETE:
            self._send_all(self._legs.done(text_of(event, "Unique-ID"), text_of(event, "Application-UUID")))
        elif name in HANGUPS:
            self._send_all(self._legs.gone(text_of(event, "Unique-ID")))
        elif name == "BACKGROUND_JOB" and self._jobs.ended(event):
            return False
        return name in self._events

    def _on_frame(self, frame: Frame) -> None:
        kind = frame.header("Content-Type")
        if kind not in REPLIES:
            self._observe(FrameIgnored(self.address.name, kind[:80]))
            return
        if not self._fifo:  # the wire knows of one, so the session was closed while this chunk was looked at
            return
        pending = self._fifo.popleft()
        self._count_awaited()
        if kind == "api/response":
            text = frame.body or ""
            ok = api_ok(text)
        else:
            text = frame.header("Reply-Text")
            ok = text.startswith("+OK")
        if not ok and pending.leg is not None:  # not queued, so nothing will complete
            self._send_all(self._legs.done(pending.leg, pending.key))
        self._observe(CommandDone(self.address.name, pending.kind, time.monotonic() - pending.since, ok))
        if not pending.future.done():
            pending.future.set_result(Reply(ok, text, frame.headers))

    def _leg_and_key(self, command: Command, text: str) -> tuple[str, str]:
        leg, key = command.leg, header_of(text, "Event-UUID")
        if not leg or text.partition("\n")[0] != f"sendmsg {leg}":
            raise PacketRefused("sendmsg: its first line must be 'sendmsg ' and the command's leg, to count it there")
        if not key:
            raise PacketRefused("sendmsg: has no Event-UUID; without one its end can't be recognised")
        if COMPLETE not in self._events or not self._events & HANGUPS:
            raise PacketRefused(f"sendmsg: this link must subscribe to {COMPLETE} and CHANNEL_HANGUP_COMPLETE first")
        return leg, key

    def _send_all(self, ready: Sequence[_Pending]) -> None:
        self._in_line -= len(ready)
        for pending in ready:
            pending.stop_timer()
            self._send(pending)

    def _send(self, pending: _Pending) -> None:
        pending.since = time.monotonic()
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._fifo.append(pending)
        self._look_after_replies(pending)
        self._outgoing.append(pending.packet)
        self._count_awaited()
        if len(self._outgoing) >= _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        packets, self._outgoing = self._outgoing, []
        if packets and self.closed is None:
            self._wire.write(b"".join(packets), len(packets))

    def _count_awaited(self) -> None:
        self._wire.expect(len(self._fifo) + len(self._jobs) + self._in_line)

    def _look_after_replies(self, sent: _Pending) -> None:
        """Look when the first of those that wait is due: one timer for all, since nearly all come in time."""
        if self._replies is not None and self._replies.when() > self._loop.time() + sent.deadline:
            self._replies.cancel()
            self._replies = None
        if self._replies is None:
            self._replies = self._loop.call_later(sent.deadline, self._look_at_replies)

    def _look_at_replies(self) -> None:
        self._replies = None
        first = min(self._fifo, key=lambda pending: pending.since + pending.deadline, default=None)
        if first is None:
            return
        left = first.since + first.deadline - time.monotonic()
        if left > 0:
            self._replies = self._loop.call_later(left, self._look_at_replies)
            return
        self._late = first
        self.close(f"no reply to {first.kind} within {first.deadline:g} s{self._held_up()}")

    def _held_up(self) -> str:
        return f"; {self._wire.untaken} events wait to be taken, so reading is stopped" if self._wire.paused else ""

    def _leg_too_busy(self, pending: _Pending, leg: str) -> None:
        self._legs.withdraw(leg, pending.key)
        self._in_line -= 1
        self._count_awaited()
        late = f"{pending.kind}: {self._legs.cap} commands of its leg did not end within {pending.deadline:g} s"
        fail(pending.future, LegBusy(late))
        self._observe(CommandLost(self.address.name, pending.kind, Lack.BUSY))

    async def _run_job(self, command: Command, limit: float, fence: asyncio.Future[None] | None = None) -> Event:
        verb, _, text = command.packet().partition(" ")
        if verb != "api" or "\n" in text:
            raise PacketRefused(f"{kind_of(command.packet())}: only an api command of one line can run as a job")
        identity, ended = self._jobs.begin(fence)
        packet = _Text(f"bgapi {text}\nJob-UUID: {identity}")
        kind, began = kind_of(packet.text), time.monotonic()
        ok: bool | None = None
        lack: Lack | None = None
        try:
            reply = self.post(packet)
            async with asyncio.timeout(limit):
                if not (taken := await reply).ok:
                    lack = Lack.REFUSED
                    raise JobRefused(f"{kind}: {taken.text}")
                event = await ended
            ok, lack = api_ok(text_of(event, "_body")), None
        except TimeoutError:
            lack = Lack.TIMEOUT
            raise JobTimeout(f"{kind} did not end within {limit:g} s{self._held_up()}") from None
        except LinkLost:
            lack = Lack.LOST
            raise
        else:
            return event
        finally:
            self._jobs.forget(identity)
            self._count_awaited()
            self._observe(JobDone(self.address.name, kind, time.monotonic() - began, ok, lack))

    def _watch(self) -> None:
        """Look whether the switch has been silent for too long, and when to look again."""
        limit = self._timings.heartbeat_silence
        silent = 0.0 if self._wire.paused else time.monotonic() - self._wire.last_read
        if silent >= limit:
            self.close(f"nothing came from the switch for {limit:g} s; a heartbeat is due every 20 s")
        else:
            self._liveness = self._loop.call_later(limit - silent, self._watch)

    def _observe(self, fact: object) -> None:
        try:
            self._observer(fact)
        except Exception as error:  # telemetry must not end a connection
            self._loop.call_exception_handler({"message": "telemetry raised", "exception": error})
