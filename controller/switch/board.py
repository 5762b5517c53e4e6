"""All switches at once: their links, who listens to their facts, and which session speaks for a switch now."""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from controller.recordings.ports import LedgerFailed, SwitchAway
from controller.switch.facts import EVENTS, HEADERS, Fact, Forged, Heartbeat, Unusable, parse
from controller.switch.link import (
    ConnectFailed,
    JobRefused,
    JobTimeout,
    Link,
    LinkDown,
    LinkLost,
    LinkRefused,
    Session,
    SwitchAddress,
    Timings,
)
from controller.telemetry import Telemetry

SKEW_WINDOW = 60.0
"""Seconds: the clocks' difference is the greatest seen in this one and the last. A heartbeat comes every 20 s."""

TURN = 0.002
"""Seconds of a switch's events that are taken in one go: one that floods leaves the others theirs."""


class Listener(Protocol):
    """Who is told what a switch says."""

    def fact(self, switch: str, core_uuid: str, fact: Fact) -> None:
        """Take one fact, in the switch's order. Must not raise or block."""
        ...

    async def connected(self, switch: str, core_uuid: str) -> None:
        """Find out what is true after a connect, while facts come already. Raises SwitchAway when the link goes."""
        ...


@dataclass(frozen=True, slots=True)
class SwitchReady:
    """A switch is connected and reconciled (telemetry)."""

    switch: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SwitchRefused:
    """A switch refuses us for good; ``fix`` says what to change (telemetry)."""

    switch: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class EventForged:
    """An event that the switch's core did not write was counted and not believed (telemetry)."""

    switch: str
    kind: str


@dataclass(frozen=True, slots=True)
class EventUnusable:
    """An event that cannot be used; ``why`` names the header (telemetry)."""

    switch: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How a switch's link is: ``serving`` is connected and reconciled, ``detached`` is not to be connected here.

    ``why`` it is not serving. ``core_uuid``, ``version`` and ``connected_at`` are of the link that is there now;
    times are Unix seconds of this machine. The last event may have come over a former link.
    """

    state: Literal["serving", "reconciling", "away", "refused", "detached"]
    why: str = ""
    core_uuid: str = ""
    version: str = ""
    connected_at: float | None = None
    last_event_at: float | None = None


@dataclass(slots=True)
class _Line:
    """One switch, its link where it is attached, and what is known of it now."""

    address: SwitchAddress
    link: Link | None = None
    serving: asyncio.Task[LinkRefused | None] | None = None
    prepared: asyncio.Task[None] | None = None
    session: Session | None = None
    ready: bool = False
    refusal: LinkRefused | None = None
    trouble: str = "not connected yet"
    connected_at: float | None = None
    heard_at: float | None = None
    skew: float = 0.0
    window: float | None = None
    newer: float = -math.inf
    older: float = -math.inf


async def _ended(link: Link | None, serving: asyncio.Task[LinkRefused | None] | None) -> None:
    """Return when a link has ended, and whoever served it."""
    if link is not None:
        await link.close()
    if serving is not None:
        await asyncio.wait((serving,))


@dataclass(slots=True)
class Switchboard:
    """Keeps attached switches connected, told apart by name; the only place that knows the current sessions.

    ``gate`` says why nothing may be said to a switch now (None: it may); it is asked in the links' threads before
    each write. ``refused`` hears of a switch that will not have us, for good.
    """

    addresses: Sequence[SwitchAddress]
    telemetry: Telemetry
    timings: Timings | None = None
    clock: Callable[[], float] = time.time
    gate: Callable[[str], str | None] = lambda _switch: None
    refused: Callable[[str], None] = lambda _switch: None
    _lines: dict[str, _Line] = field(default_factory=dict)
    _listener: Listener | None = None
    _over: asyncio.Future[None] | None = None

    def __post_init__(self) -> None:
        self._lines = {address.name: _Line(address) for address in self.addresses}

    async def run(self, listener: Listener) -> None:
        """Serve what is attached, until closed.

        Raises LinkRefused once every switch has refused us for good, and an error of fsrec's own with one at once.
        """
        self._listener = listener
        self._over = asyncio.get_running_loop().create_future()
        for line in self._lines.values():
            self._begin(line)
        await self._over

    def attach(self, switch: str) -> None:
        """Connect a switch, now or as soon as ``run`` is; harmless where it is attached."""
        line = self._lines[switch]
        if line.link is None:
            gate = functools.partial(self.gate, switch)
            observe = functools.partial(self._overhear, line)
            line.link = Link(
                line.address, events=EVENTS, headers=HEADERS, observe=observe, timings=self.timings, gate=gate
            )
            line.refusal = None
            self._begin(line)

    def detach(self, switch: str, reason: str) -> Awaitable[None]:
        """Cut a switch's link at once, telling nothing more of what came over it; awaiting waits for its thread."""
        line = self._lines[switch]
        link, serving = line.link, line.serving
        line.link = line.serving = None
        if line.session is not None:
            line.session.close(reason)
        if line.prepared is not None:
            line.prepared.cancel()
        line.session, line.prepared, line.ready = None, None, False
        return asyncio.ensure_future(_ended(link, serving))

    async def close(self) -> None:
        """End every link."""
        await asyncio.gather(*(self.detach(name, "the link was closed") for name in self._lines))
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def session(self, switch: str) -> Session:
        """Return the switch's session. Raises SwitchAway where there is none."""
        line = self._lines.get(switch)
        if line is None or line.session is None or line.session.closed is not None:
            raise SwitchAway(f"switch {switch} is not connected")
        return line.session

    def now(self, switch: str) -> float:
        """Return the switch's clock: ours, put right by what its events said last."""
        line = self._lines.get(switch)
        return self.clock() + (0.0 if line is None else line.skew)

    def problems(self) -> list[str]:
        """Say which attached switches are not served now, and why; none when all are."""
        return [f"switch {name}: {why}" for name, why in self.unserved().items()]

    def unserved(self) -> dict[str, str]:
        """Return why an attached switch is not served now, of each that is not."""
        found = {}
        for name, line in self._lines.items():
            if line.refusal is not None:
                found[name] = str(line.refusal)
            elif line.link is None:
                continue
            elif line.session is None or line.session.closed is not None:
                found[name] = "not connected"
            elif not line.ready:
                found[name] = "reconciling"
        return found

    def status(self, switch: str) -> LinkStatus:
        """Return how a switch's link is. Raises KeyError for one that is not in the settings."""
        line = self._lines[switch]
        session, heard_at = line.session, line.heard_at
        if line.refusal is not None:
            return LinkStatus("refused", str(line.refusal), last_event_at=heard_at)
        if line.link is None:
            return LinkStatus("detached", last_event_at=heard_at)
        if session is None or session.closed is not None:
            why = line.trouble if session is None else session.closed or ""
            return LinkStatus("away", why, last_event_at=heard_at)
        if line.ready:
            return LinkStatus("serving", "", session.core_uuid, session.version, line.connected_at, heard_at)
        why = "what is true of its calls and recordings is being found out"
        return LinkStatus("reconciling", why, session.core_uuid, session.version, line.connected_at, heard_at)

    def reconnect(self, switch: str, reason: str) -> None:
        """Cut a switch's link: it connects, and is reconciled, anew. Raises SwitchAway where there is none."""
        self.session(switch).close(reason)

    def _overhear(self, line: _Line, event: object) -> None:
        """Tell telemetry what a link tells, and keep why it is away."""
        if isinstance(event, ConnectFailed | LinkDown):
            line.trouble = event.reason
        self.telemetry.observe(event)

    # --- one switch --------------------------------------------------------------------------------------------

    def _begin(self, line: _Line) -> None:
        if self._listener is not None and line.link is not None and line.serving is None:
            line.serving = asyncio.create_task(self._serve(line.address.name, line, line.link, self._listener))
            line.serving.add_done_callback(self._served)

    def _served(self, serving: asyncio.Task[LinkRefused | None]) -> None:
        """Look how serving a switch ended; where nothing is left to serve, so does ``run``."""
        if serving.cancelled() or self._over is None or self._over.done():
            return
        if (error := serving.exception()) is not None:
            self._over.set_exception(error)
        else:
            refusals = [line.refusal for line in self._lines.values() if line.refusal is not None]
            if len(refusals) == len(self._lines):
                self._over.set_exception(refusals[0])

    async def _serve(self, name: str, line: _Line, link: Link, listener: Listener) -> LinkRefused | None:
        try:
            async for session in link.sessions():
                if line.link is not link:
                    continue
                line.session, line.connected_at = session, self.clock()
                if session.greeted_at:  # before anything is reconciled: timers are armed by the switch's clock
                    self._set_clock(line, session.greeted_at)
                prepared = line.prepared = asyncio.create_task(self._prepare(name, line, session, listener))
                try:
                    await self._listen(name, line, session, listener)
                finally:
                    if line.session is session:
                        line.session, line.ready = None, False
                    prepared.cancel()
                    await asyncio.gather(prepared, return_exceptions=True)
        except LinkRefused as refusal:
            if line.link is link:
                line.refusal = refusal
                self.telemetry.observe(SwitchRefused(name, refusal.reason, refusal.fix))
                self.refused(name)
            return refusal
        return None

    async def _listen(self, name: str, line: _Line, session: Session, listener: Listener) -> None:
        turn = time.monotonic()
        async for batch in session.events():
            line.heard_at = self.clock()
            refusal = self.gate(name)
            if refusal is not None:  # what is said to us is no longer ours to act on
                session.close(refusal)
            for event in batch:
                if refusal is None and line.session is session:
                    self._hear(name, line, session, event, listener)
                if time.monotonic() - turn > TURN:
                    await asyncio.sleep(0.0 if len(self._lines) == 1 else TURN)
                    turn, refusal = time.monotonic(), self.gate(name)

    async def _prepare(self, name: str, line: _Line, session: Session, listener: Listener) -> None:
        began = time.monotonic()
        try:
            await listener.connected(name, session.core_uuid)
        except (SwitchAway, LedgerFailed, LinkLost, JobTimeout, JobRefused) as failure:
            session.close(f"reconciling failed: {failure}")  # the next connect begins anew
        except Exception as error:
            session.close("reconciling failed by an error of fsrec's own")
            asyncio.get_running_loop().call_exception_handler({"message": "reconciling failed", "exception": error})
        else:
            line.ready = line.session is session
            self.telemetry.observe(SwitchReady(name, time.monotonic() - began))

    def _hear(self, name: str, line: _Line, session: Session, event: Mapping[str, Any], listener: Listener) -> None:
        """Take one event. One that we fail at must not cost the calls of all others their link."""
        try:
            fact = parse(event)
            if fact is not None:
                self._take(name, line, session, fact, listener)
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "an event was not taken", "exception": error}
            )

    def _take(self, name: str, line: _Line, session: Session, fact: Fact, listener: Listener) -> None:
        if isinstance(fact, Forged):
            self.telemetry.observe(EventForged(name, fact.kind))
        elif isinstance(fact, Unusable):
            self.telemetry.observe(EventUnusable(name, fact.kind, fact.why))
        else:
            self._set_clock(line, fact.at)
            if not isinstance(fact, Heartbeat):
                listener.fact(name, session.core_uuid, fact)

    def _set_clock(self, line: _Line, at: float) -> None:
        """Learn the difference of the clocks: an event is late by 0 to 20 ms and more, never early.

        So the greatest difference is the truest: a late event doesn't move it, a clock that was set does, in time.
        """
        now = self.clock()
        window = line.window
        if window is None or not 0 <= now - window < SKEW_WINDOW:
            recent = window is not None and SKEW_WINDOW <= now - window < 2 * SKEW_WINDOW
            line.older = line.newer if recent else -math.inf
            line.newer, line.window = at - now, now
        elif at - now > line.newer:
            line.newer = at - now
        else:
            return
        line.skew = max(line.older, line.newer)
