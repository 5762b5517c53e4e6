"""All switches at once: their links, who listens to their facts, and which session speaks for a switch now."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from controller.recordings.ports import LedgerFailed, SwitchAway
from controller.switch.facts import EVENTS, Fact, Forged, Heartbeat, Unusable, parse
from controller.switch.link import (
    JobRefused,
    JobTimeout,
    Link,
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


@dataclass(slots=True)
class _Line:
    """One switch's link and what is known of it now."""

    link: Link
    session: Session | None = None
    ready: bool = False
    refused: str | None = None
    skew: float = 0.0
    window: float | None = None
    newer: float = -math.inf
    older: float = -math.inf


@dataclass(slots=True)
class Switchboard:
    """Keeps every switch connected, told apart by name; the only place that knows the current sessions.

    Without ``listener`` nothing runs; ``run`` ends when ``close`` is called, or with LinkRefused once every switch
    has refused us for good.
    """

    addresses: Sequence[SwitchAddress]
    telemetry: Telemetry
    timings: Timings | None = None
    clock: Callable[[], float] = time.time
    _lines: dict[str, _Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for address in self.addresses:
            link = Link(address, events=EVENTS, observe=self.telemetry.observe, timings=self.timings)
            self._lines[address.name] = _Line(link)

    async def run(self, listener: Listener) -> None:
        """Serve all switches until closed. An error of fsrec's own with one of them is raised at once."""
        ended = await asyncio.gather(*(self._serve(name, line, listener) for name, line in self._lines.items()))
        refusals = [refusal for refusal in ended if refusal is not None]
        if refusals and len(refusals) == len(self._lines):
            raise refusals[0]

    async def close(self) -> None:
        """End every link."""
        await asyncio.gather(*(line.link.close() for line in self._lines.values()))

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
        """Say which switches are not served now, and why; none when all are."""
        return [f"switch {name}: {why}" for name, why in self.unserved().items()]

    def unserved(self) -> dict[str, str]:
        """Return why a switch is not served now, of each that is not."""
        found = {}
        for name, line in self._lines.items():
            if line.refused is not None:
                found[name] = line.refused
            elif line.session is None or line.session.closed is not None:
                found[name] = "not connected"
            elif not line.ready:
                found[name] = "reconciling"
        return found

    # --- one switch --------------------------------------------------------------------------------------------

    async def _serve(self, name: str, line: _Line, listener: Listener) -> LinkRefused | None:
        try:
            async for session in line.link.sessions():
                line.session = session
                if session.greeted_at:  # before anything is reconciled: timers are armed by the switch's clock
                    self._set_clock(line, session.greeted_at)
                prepared = asyncio.create_task(self._prepare(name, line, session, listener))
                try:
                    turn = time.monotonic()
                    async for batch in session.events():
                        for event in batch:
                            self._hear(name, line, session, event, listener)
                            if time.monotonic() - turn > TURN:
                                await asyncio.sleep(0.0 if len(self._lines) == 1 else TURN)
                                turn = time.monotonic()
                finally:
                    line.session, line.ready = None, False
                    prepared.cancel()
                    await asyncio.gather(prepared, return_exceptions=True)
        except LinkRefused as refusal:
            line.refused = str(refusal)
            self.telemetry.observe(SwitchRefused(name, refusal.reason, refusal.fix))
            return refusal
        return None

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
            line.ready = True
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
        windows = 2.0 if line.window is None else (now - line.window) / SKEW_WINDOW
        if not 0 <= windows < 1:
            line.older = line.newer if 1 <= windows < 2 else -math.inf
            line.newer, line.window = -math.inf, now
        line.newer = max(line.newer, at - now)
        line.skew = max(line.older, line.newer)
