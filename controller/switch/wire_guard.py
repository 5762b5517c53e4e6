"""greenswitch's connection with its holes closed (spec anchors 3). Everything here runs in the hub's thread.

greenswitch 0.0.19 supplies the shape: connect, wait for the request, authenticate, a FIFO of what was sent. What
hangs, spins or dies in it is replaced: its reading (`receive_events`, `handle_event`), its sending (`send`, partial
and unlocked) and its end (`stop`). Whatever ends a connection ends it through `finish`, once, with one reason that a
person can read; that wakes every waiter.
"""

from __future__ import annotations

import contextlib
import socket as stdlib_socket
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, cast

import gevent
from gevent import socket
from gevent.event import AsyncResult, Event
from greenswitch import InboundESL

from controller.switch import facts_clean
from controller.switch.wire_codec import Frame, FrameError, FrameReader, Headers, Item, Limits, encode_packet

READ_SIZE: Final = 262_144
"""Bytes. The fewer reads, the less often the two threads pass the interpreter to one another: with 64 KiB an event of
2.4 kB took 0.5 to 1 µs more (docs/performance.md, row 1)."""
_AT_ONCE: Final = struct.pack("ii", 1, 0)
REPLIES: Final = frozenset({"command/reply", "api/response"})
Chunk: TypeAlias = tuple[list[Item], int, int]
"""Items of one read, the events among them, the bytes they came in."""

_OF_THE_LINK = ("HEARTBEAT", "BACKGROUND_JOB")  # no set: a hostile name may be a list


class WireClosed(Exception):
    """The connection is over, or never came to be; str() is the reason, for people."""


class WireRefused(WireClosed):
    """The switch will not have us, and asking again cannot change that; `fix` says what to change."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, as whom, and how long each step may take (seconds); how the switch is hurried (`Timings`)."""

    host: str
    port: int
    password: str = field(repr=False)
    connect_seconds: float
    auth_seconds: float
    hurry_every: float
    hurry_seconds: float
    awake_every: float = 0.0
    awake_seconds: float = 0.0


class Upward(Protocol):
    """What the connection reports to, from the hub's thread; wire.py implements it."""

    last_read: float

    def refusal(self) -> str | None:
        """Say why nothing may be written now; None where it may."""

    def above_high(self) -> bool:
        """Tell whether reading has to stop."""

    def above_low(self) -> bool:
        """Tell whether reading that stopped has to wait longer."""

    def deliver(self, chunk: Chunk) -> None:
        """Take what one read gave."""

    def tell_paused(self, paused: bool) -> None:
        """Learn that reading stopped or goes on."""

    def tell_opened(self, failure: WireClosed | None) -> None:
        """Learn how connecting ended."""

    def tell_ended(self, reason: str) -> None:
        """Learn that the connection is over. Once, and only if it was opened."""


class GuardedESL(InboundESL):  # type: ignore[misc]  # greenswitch has no types
    """greenswitch's inbound connection with its holes closed. Lives in the hub's thread; reports to its Wire."""

    def __init__(self, wire: Upward, target: Target, limits: Limits, headers: Headers) -> None:
        super().__init__(target.host, target.port, target.password, timeout=target.connect_seconds)
        self._wire = wire
        self._target = target
        self._reader = FrameReader(limits, headers)
        self._commands_sent: deque[AsyncResult[Frame] | None] = deque()  # None: its reply goes to the loop
        self._outgoing = bytearray()
        self._write_wanted = Event()
        self._resume = Event()
        self._opening = True
        self._ended: WireClosed | None = None
        self._hurry_until = self._awake_until = 0.0
        self._hurrying = self._waking = self._writing = self._held_back = False
        self._greenlets: set[gevent.Greenlet[..., object]] = set()

    def run(self) -> None:
        """Connect, and say how that went. One greenlet; reading and writing have their own."""
        failure: WireClosed | None = WireClosed("connecting was given up")
        try:
            self.connect()
            failure = self._ended
        except WireClosed as closed:
            failure = closed
        except Exception as error:
            failure = WireClosed(f"connecting failed: {_say(error)}")
        finally:
            if failure is not None:
                self.finish(failure)
            self._opening = False
            self._wire.tell_opened(failure)

    def connect(self) -> None:
        """As stock, but every step has its limit and each refusal its remedy."""
        host, port = self._target.host, self._target.port
        late = WireClosed(f"{host}:{port} did not accept a connection within {self._target.connect_seconds:g} s")
        with gevent.Timeout(self._target.connect_seconds, late):
            try:
                sock = socket.create_connection((host, port))
            except OSError as error:
                raise WireClosed(f"cannot connect to {host}:{port}: {error.strerror or error}") from None
        if self._ended is not None:
            sock.close()
            raise self._ended
        self.sock = sock
        sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
        self.connected = True
        self.start_event_handlers()
        mute = WireClosed(
            f"{host}:{port} accepted, then said nothing like ESL within {self._target.auth_seconds:g} s"
        )
        with gevent.Timeout(self._target.auth_seconds, mute):
            self._auth_request_event.wait()
            self._raise_if_ended()
            self.authenticate()

    def authenticate(self) -> None:
        """As stock; a refusal tells where the password is set."""
        try:
            super().authenticate()
        except (ValueError, KeyError):
            raise WireRefused(
                f"{self.host}:{self.port} refused the password",
                "set this switch's password to the one in event_socket.conf.xml there",
            ) from None

    def start_event_handlers(self) -> None:
        """One greenlet reads, one writes. Stock's third, which calls handlers, has no use: the loop does that."""
        self._greenlets = {gevent.spawn(self.receive_events), gevent.spawn(self._write_out)}

    def send(self, data: str) -> Frame:
        """Send one packet and wait for its reply; only for use inside the thread (stock's authenticate)."""
        waiting: AsyncResult[Frame] = AsyncResult()
        packet = encode_packet(data, kind="command of the link itself")
        self._raise_if_ended()
        self._commands_sent.append(waiting)
        self._queue(packet)
        return cast("Frame", waiting.get())  # gevent's types allow for None, which is never set

    def submit(self, packets: bytes, count: int) -> None:
        """Send packets whose replies go to the loop."""
        if self._ended is None:
            self._commands_sent.extend([None] * count)
            self._queue(packets)

    def resume(self) -> None:
        """Look again whether reading may go on."""
        self._resume.set()

    def hurry(self) -> None:
        """Begin, or prolong, the time in which line breaks hurry the switch."""
        self._hurry_until = time.monotonic() + self._target.hurry_seconds
        if not self._hurrying and self._ended is None:
            self._hurrying = True
            self._greenlets.add(gevent.spawn(self._hurry_along))

    def calm(self) -> None:
        """Stop sending line breaks."""
        self._hurry_until = 0.0

    def stop(self) -> None:
        """End the connection at once. Stock waits here for its greenlets, which may wait for ever."""
        self.finish(WireClosed("the connection was stopped"))

    def finish(self, end: WireClosed) -> None:
        """End the connection; only the first call counts. Wakes every waiter, ends every greenlet, never blocks."""
        if self._ended is not None:
            return
        self._ended = end
        self._run = self.connected = False
        self._auth_request_event.set()
        for waiting in self._commands_sent:
            if waiting is not None:
                waiting.set_exception(end)
        self._commands_sent.clear()
        this = gevent.getcurrent()
        for greenlet in self._greenlets:
            if greenlet is not this:
                greenlet.kill(block=False)
        self._greenlets.clear()
        if sock := getattr(self, "sock", None):
            with contextlib.suppress(OSError):  # what the switch has not taken by now it is not to hear later
                sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, _AT_ONCE)
            sock.close()
        if not self._opening:
            self._wire.tell_ended(str(end))

    def receive_events(self) -> None:
        """Read until the end, whatever ends it."""
        end = WireClosed("reading stopped")
        try:
            while self._ended is None:
                data = self.sock.recv(READ_SIZE)
                self._wire.last_read = time.monotonic()
                if not data:
                    cut = f" inside a frame, {self._reader.pending} bytes into it" if self._reader.pending else ""
                    end = WireClosed(f"the switch closed the connection{cut}")
                    break
                self._take(data)
                self._hold_back()
                gevent.sleep(0)  # a socket that always has data would keep the writer from its turn
        except WireClosed as closed:
            end = closed
        except FrameError as error:
            end = WireClosed(str(error))
        except OSError as error:
            end = WireClosed(f"the connection broke: {error.strerror or error}")
        except Exception as error:
            end = WireClosed(f"reading failed: {_say(error)}")
        self.finish(end)

    def _take(self, data: bytes) -> None:
        out: list[Item] = []
        events = 0
        try:
            for item in self._reader.feed(data):
                if type(item) is Frame:
                    if self.handle_event(item):
                        out.append(item)
                else:
                    events += 1
                    out.append(item)
        finally:
            if out:
                self._wire.deliver((out, events, len(data)))
            if any(map(_is_of_a_call, out)):
                self._keep_awake()
        if self._reader.error:
            raise self._reader.error

    def handle_event(self, event: Frame) -> bool:
        """Deal with what is no event; True if the loop is to have it. Its body was read already, as framed."""
        kind = event.header("Content-Type")
        if kind in REPLIES:
            if not self._commands_sent:
                raise FrameError("the switch sent a reply with nothing waiting for one; replies can't be told apart")
            waiting = self._commands_sent.popleft()
            if waiting is None:
                return True
            waiting.set(event)
        elif kind == "auth/request":
            self._auth_request_event.set()
        elif kind == "text/disconnect-notice":
            if event.header("Content-Disposition") != "linger":
                said = facts_clean.seen(" ".join((event.body or "").split()), 200)
                raise WireClosed(f"the switch disconnected us: {said}" if said else "the switch disconnected us")
        elif kind == "text/rude-rejection":
            raise WireRefused(
                f"{self.host}:{self.port} refused this machine's address",
                "let the list named by apply-inbound-acl in event_socket.conf.xml there (loopback.auto if none is) "
                "allow this machine's address",
            )
        else:
            return True
        return False

    def _hold_back(self) -> None:
        if not self._wire.above_high():
            return
        self._held_back = True
        self._wire.tell_paused(True)
        while True:
            # Cleared before looking: whoever takes events after this look sees `paused` and sets it again.
            self._resume.clear()
            if not self._wire.above_low():
                break
            self._resume.wait()
        self._held_back = False
        self._wire.last_read = time.monotonic()  # the silence while we didn't listen was ours
        self._wire.tell_paused(False)

    def _queue(self, packets: bytes) -> None:
        self._outgoing += packets
        self._write_wanted.set()

    def _write_out(self) -> None:
        """Write whole packets in order; a write that the kernel takes half of is finished before the next."""
        try:
            while True:
                self._write_wanted.wait()
                self._write_wanted.clear()
                data, self._outgoing = self._outgoing, bytearray()
                self._writing = True
                self._write_all(data)
                self._writing = False
        except WireClosed as closed:
            self.finish(closed)
        except OSError as error:
            self.finish(WireClosed(f"writing to the switch failed: {error.strerror or error}"))

    def _write_all(self, data: bytearray) -> None:
        """Write it, each part of it only where that may be: this process may have been stopped before any."""
        rest = memoryview(data)
        while rest:
            refusal = self._wire.refusal()
            if refusal is not None:
                raise WireClosed(refusal)
            try:
                # Without a timeout: whoever waited has to ask again. (gevent's types do not know of it.)
                rest = rest[self.sock.send(rest, 0, 0.0) :]  # type: ignore[call-arg]
            except BlockingIOError:
                socket.wait_write(self.sock.fileno())

    def _hurry_along(self) -> None:
        while self._ended is None and time.monotonic() < self._hurry_until:
            if not self._writing and not self._outgoing:
                self._queue(b"\n")
            gevent.sleep(self._target.hurry_every)
        self._hurrying = False
        self._greenlets.discard(gevent.getcurrent())

    def _keep_awake(self) -> None:
        if self._target.awake_every > 0:
            self._awake_until = time.monotonic() + self._target.awake_seconds
            if not self._waking and self._ended is None:
                self._waking = True
                self._greenlets.add(gevent.spawn(self._wake_along))

    def _wake_along(self) -> None:
        """Hurry a little while calls come and go: nobody can tell when the next one parks.

        Only a connection on which nothing is coming: where the switch says its last and closes, a write that crosses
        that ends the connection before it is read.
        """
        every = self._target.awake_every
        while self._ended is None and (now := time.monotonic()) < self._awake_until:
            idle = now - self._wire.last_read >= every and not self._held_back
            if idle and not self._hurrying and not self._writing and not self._outgoing:
                self._queue(b"\n")
            gevent.sleep(every)
        self._waking = False
        self._greenlets.discard(gevent.getcurrent())

    def _raise_if_ended(self) -> None:
        if self._ended is not None:
            raise self._ended


def _is_of_a_call(item: Item) -> bool:
    """Tell whether it is an event that comes by itself: neither the switch's pulse nor an answer to a command."""
    return isinstance(item, dict) and item.get("Event-Name") not in _OF_THE_LINK


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
