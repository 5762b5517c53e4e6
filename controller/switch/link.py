"""The link to a switch, asyncio side: connect, stay alive, reconnect (DESIGN 5). The only thing others import.

    link = Link(address, events=("CHANNEL_PARK", "RECORD_START", ...))
    async for session in link.sessions():
        ...  # serve it: session.events(), session.send(...), until session.closed
    await link.close()

Reconnecting is never hidden: ESL has no sequence numbers and no replay, so each connection is a new session, and its
user reconciles before it serves.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from controller.switch.link_session import OWN_EVENTS, OWN_HEADERS, Session
from controller.switch.link_values import (
    Command,
    CommandDone,
    CommandLost,
    ConnectFailed,
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
    LinkRefused,
    LinkUp,
    Observe,
    ReadingHeld,
    Reply,
    SwitchAddress,
    Timings,
)
from controller.switch.wire import Gate, Marks, WireClosed, WireRefused
from controller.switch.wire_codec import Headers, Limits, PacketRefused
from controller.switch.wire_thread import WireThread

__all__ = [
    "Command",
    "CommandDone",
    "CommandLost",
    "ConnectFailed",
    "EventUnreadable",
    "EventsRead",
    "FrameIgnored",
    "JobDone",
    "JobRefused",
    "JobResult",
    "JobTimeout",
    "Lack",
    "LegBusy",
    "Limits",
    "Link",
    "LinkDown",
    "LinkLost",
    "LinkRefused",
    "LinkUp",
    "Marks",
    "Observe",
    "PacketRefused",
    "ReadingHeld",
    "Reply",
    "Session",
    "SwitchAddress",
    "Timings",
]

_EVENT_NAME: Final = re.compile(r"[A-Z][A-Z_]{0,39}")


def _nobody(_fact: object) -> None:
    """No telemetry."""


class Link:
    """Sessions with one switch, one after another, for ever.

    Args:
        address: where the switch is.
        events: names to subscribe to (HEARTBEAT and BACKGROUND_JOB are added, and not given unless named here).
            To send a ``sendmsg``, CHANNEL_EXECUTE_COMPLETE and a hangup event must be among them: they end it.
        headers: of events of these names give only these headers, and what the link itself reads of them.
        observe: telemetry hook; see link_values.
        timings, limits, marks: every time, size and threshold.
        gate: see wire.py; where it refuses the session ends, and nothing more is written on it.
        core_uuid: of the switch when it was last seen, if that is known; the first session compares with it.
        chance: number in [0, 1), for the jitter.

    """

    def __init__(
        self,
        address: SwitchAddress,
        *,
        events: Sequence[str],
        headers: Headers | None = None,
        observe: Observe = _nobody,
        timings: Timings | None = None,
        limits: Limits | None = None,
        marks: Marks | None = None,
        gate: Gate = lambda: None,
        core_uuid: str | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        for name in events:
            if not _EVENT_NAME.fullmatch(name) or name in {"ALL", "CUSTOM"}:
                raise ValueError(f"switch {address.name}: {name!r} is no event to subscribe to; name single events")
        self.address = address
        self._events = tuple(events)
        self._headers = {
            name: (*kept, *OWN_HEADERS) for name, kept in (headers or {}).items() if name not in OWN_EVENTS
        }
        self._observe = observe
        self._timings = timings or Timings()
        self._limits = limits
        self._marks = marks
        self._gate = gate
        self._core_uuid = core_uuid
        self._chance = chance
        self._thread: WireThread | None = None
        self._session: Session | None = None
        self._closing = asyncio.Event()

    async def sessions(self) -> AsyncGenerator[Session, None]:
        """Connect, and again whenever the session before has ended; asking for the next one closes it if it hasn't.

        Ends after `close`. Raises LinkRefused when the switch refuses us for a reason that retrying cannot mend.
        """
        if self._thread is not None:
            raise RuntimeError(f"switch {self.address.name}: sessions() is in use already")
        self._thread = WireThread(self.address.name)
        failures = 0
        while not self._closing.is_set():
            try:
                session = await self._connect(self._thread)
            except (WireClosed, LinkLost, JobRefused, JobTimeout) as error:
                failures += 1
                pause = self._pause(failures)
                self._observe(ConnectFailed(self.address.name, str(error), pause))
            else:
                try:
                    yield session
                finally:
                    session.close("its user left it")
                failures = 1 if session.seconds >= self._timings.lived else failures + 1
                pause = self._pause(failures)
            try:
                await asyncio.wait_for(self._closing.wait(), pause)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """End the session and the thread; `sessions` ends. May be called at any time, and again."""
        self._closing.set()
        if self._session:
            self._session.close("the link was closed")
        if self._thread:
            await self._thread.close()

    async def _connect(self, thread: WireThread) -> Session:
        self._session = session = Session(
            self.address,
            thread,
            events=self._events,
            observe=self._observe,
            timings=self._timings,
            previous_core_uuid=self._core_uuid,
            limits=self._limits,
            headers=self._headers,
            marks=self._marks,
            gate=self._gate,
        )
        try:
            await session.open()
        except WireRefused as refused:
            raise LinkRefused(f"switch {self.address.name}: {refused}", refused.fix) from None
        except BaseException as error:
            session.close(f"connecting failed: {error}")
            raise
        self._core_uuid = session.core_uuid
        return session

    def _pause(self, failures: int) -> float:
        """Seconds before the next attempt: growing, capped, and less by chance so that many don't come at once."""
        timings = self._timings
        growth = min(failures - 1, 64)  # far beyond any cap, and short of an overflow
        pause = min(timings.backoff_cap, timings.backoff_first * timings.backoff_factor**growth)
        return pause * (1 - timings.backoff_jitter * self._chance())
