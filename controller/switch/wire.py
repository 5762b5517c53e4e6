"""One ESL connection, seen from the asyncio loop: the crossing into greenswitch's thread and out of it.

In with `WireThread.call`, out with `call_soon_threadsafe`, one call for all that has gathered since the loop last
looked. Parsed events are counted until the consumer has taken them:

* above the high mark reading stops, and goes on below the low mark. The switch then buffers, 100,000 events;
* replies share the socket with events, and a consumer may await a reply before it takes more events. So while a
  reply or a job is awaited reading goes on above the high mark, up to the ceiling: deadlines therefore run while we
  read, and nothing waits for bytes that we refuse to read;
* at the ceiling reading stops in any case. If the reply still doesn't come, its deadline closes the connection.

Nothing is dropped at any of these marks.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from controller.switch.wire_codec import Headers, Limits
from controller.switch.wire_guard import REPLIES, Chunk, GuardedESL, Target, WireClosed, WireRefused
from controller.switch.wire_thread import WireThread

__all__ = ["REPLIES", "Chunk", "Gate", "Marks", "Receiver", "Target", "Wire", "WireClosed", "WireRefused"]


Gate = Callable[[], str | None]
"""Says why nothing may be written now, None where it may. Called in the hub's thread, right before each write."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Events, and bytes of them, read but not yet taken: where reading stops, goes on, and stops whoever waits."""

    high_events: int = 5_000
    low_events: int = 1_000
    ceiling_events: int = 50_000
    high_bytes: int = 16 * 1024 * 1024
    low_bytes: int = 4 * 1024 * 1024
    ceiling_bytes: int = 128 * 1024 * 1024


class Receiver(Protocol):
    """Who is told, always in the loop's thread."""

    def received(self, chunks: list[Chunk]) -> None:
        """Take what was read, in order."""

    def ended(self, reason: str) -> None:
        """Learn that nothing more will come. Once, after the last `received`, and only if `Wire.open` succeeded."""

    def held(self, paused: bool, events: int) -> None:
        """Learn that reading stopped, or goes on, with so many events not taken."""


class Wire:
    """The loop's end of one connection. All methods are for the loop's thread, except those of `GuardedESL`."""

    def __init__(
        self,
        thread: WireThread,
        target: Target,
        receiver: Receiver,
        *,
        limits: Limits | None = None,
        headers: Headers | None = None,
        marks: Marks | None = None,
        gate: Gate = lambda: None,
    ) -> None:
        self.marks = marks or Marks()
        self.refusal = gate
        self._awaited = 0
        self.paused = False
        self.last_read = time.monotonic()
        self._thread = thread
        self._receiver = receiver
        self._asyncio = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._asyncio.create_future()
        self._lock = threading.Lock()
        self._chunks: list[Chunk] = []
        self._end: str | None = None
        self._scheduled = False
        # Each of these is written by one thread alone: the first pair by the hub's, the second by the loop's.
        self._read_events = self._read_bytes = 0
        self._taken_events = self._taken_bytes = 0
        self._esl = GuardedESL(self, target, limits or Limits(), headers or {})

    @property
    def untaken(self) -> int:
        """Events read and not yet taken."""
        return self._read_events - self._taken_events

    async def open(self) -> None:
        """Connect and authenticate, within the target's two limits. Raises WireRefused or WireClosed."""
        if not self._thread.spawn(self._esl.run):
            raise WireClosed("the link is closed")
        try:
            await self._opened
        except asyncio.CancelledError:
            self.close("connecting was given up")
            raise

    def write(self, packets: bytes, count: int) -> None:
        """Send `count` closed packets in one write, after all that was written before; each gets one reply."""
        self._thread.call(self._esl.submit, packets, count)

    def expect(self, awaited: int) -> None:
        """Say how many replies, jobs and events of its own the link waits for; while it does, reading goes on."""
        self._awaited = awaited
        if awaited and self.paused:
            self._thread.call(self._esl.resume)

    def hurry(self) -> None:
        """For a while, send a bare line break whenever nothing else is sent: it makes the switch look for events.

        The switch polls an idle connection every 20 ms; a byte wakes it (measured: 11 ms to 1.5 ms). It skips line
        breaks between packets, answering nothing.
        """
        self._thread.call(self._esl.hurry)

    def calm(self) -> None:
        """Stop hurrying."""
        self._thread.call(self._esl.calm)

    def close(self, reason: str) -> None:
        """End the connection; harmless if it ended already."""
        if not self._opened.done():
            self._opened.set_exception(WireClosed(reason))
            self._opened.exception()  # seen: open() may not be waiting any more
        self._thread.call(self._esl.finish, WireClosed(reason))

    def taken(self, events: int, size: int) -> None:
        """Count events as consumed; lets reading go on if it had stopped."""
        self._taken_events += events
        self._taken_bytes += size
        if self.paused and not self.above_low():
            self._thread.call(self._esl.resume)

    # What follows is called in the hub's thread.

    def above_high(self) -> bool:
        """Whether reading has to stop."""
        return self._above(self.marks.high_events, self.marks.high_bytes)

    def above_low(self) -> bool:
        """Whether reading that stopped has to wait longer."""
        return self._above(self.marks.low_events, self.marks.low_bytes)

    def _above(self, events: int, size: int) -> bool:
        if self._awaited:
            events, size = self.marks.ceiling_events, self.marks.ceiling_bytes
        return self.untaken > events or self._read_bytes - self._taken_bytes > size

    def deliver(self, chunk: Chunk) -> None:
        """Hand over what one read gave."""
        self._read_events += chunk[1]
        self._read_bytes += chunk[2]
        with self._lock:
            self._chunks.append(chunk)
            if self._scheduled:
                return
            self._scheduled = True
        self._into_loop(self._cross)

    def tell_paused(self, paused: bool) -> None:
        """Say that reading stopped or goes on."""
        self.paused = paused
        self._into_loop(self._receiver.held, paused, self.untaken)

    def tell_opened(self, failure: WireClosed | None) -> None:
        """Say how connecting ended."""
        self._into_loop(self._settle_open, failure)

    def tell_ended(self, reason: str) -> None:
        """Say that the connection is over."""
        with self._lock:
            self._end = reason
        self._into_loop(self._cross)

    def _into_loop(self, function: Any, *args: object) -> None:
        try:
            self._asyncio.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            self._esl.finish(WireClosed("the event loop is closed"))

    # And these again in the loop's.

    def _cross(self) -> None:
        with self._lock:
            chunks, self._chunks = self._chunks, []
            self._scheduled = False
            end, self._end = self._end, None
        if chunks:
            self._receiver.received(chunks)
        if end is not None:
            self._receiver.ended(end)

    def _settle_open(self, failure: WireClosed | None) -> None:
        if self._opened.done():
            return
        if failure is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(failure)
