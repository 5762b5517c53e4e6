"""The signals: each says what it measures, what its bounds are made of, and what bounds the memory meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from controller.overload.admission import LOOK, Admission
from controller.overload.disks import Disks
from controller.overload.levels import NEVER, Shed, Signal
from controller.switch.link import LinkDown, ReadingHeld
from controller.telemetry import Hook

SUSTAINED = 6
"""Looks in a row, three seconds: the least delay among them counts, as in CoDel. A burst has a moment without one."""


class Stalls(Protocol):
    """The store, as far as its stalling goes."""

    @property
    def stalled(self) -> float:
        """Seconds for which it has taken nothing of what waits; 0 while nothing waits and all was taken."""
        ...

    @property
    def waiting(self) -> int:
        """Units of work that wait for it."""
        ...

    def probe(self) -> Awaitable[None]:
        """Write something that is undone, to learn whether it can."""
        ...


def store_age(store: Stalls) -> Signal:
    """Return the signal of a store that takes nothing.

    A call whose row does not become durable is in silence: it gives up after the store's own patience (5 s), and the
    dialplan's hangup ends it where the store says nothing at all. So calls are turned away when most would end so.
    """
    return Signal(
        "store_age",
        lambda: store.stalled,
        (2.0, 5.0, 10.0),
        lambda age: f"the store has been stalled for {age:.0f} s",
    )


def store_backlog(store: Stalls) -> Signal:
    """Return the signal of a store that is too slow.

    A work is 2 to 20 kB. Each call and recording waits for one at a time, so new ones alone make more of them: beyond
    the last bound there are none, and memory grows no further.
    """
    return Signal(
        "store_backlog",
        lambda: store.waiting,
        (2000, 5000, 10_000),
        lambda waiting: f"{waiting:.0f} changes wait for the store",
    )


class Lag:
    """How late the event loop is, all the time: everything that fsrec does waits that long."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: float | None = None
        self._late: deque[float] = deque(maxlen=SUSTAINED)

    def value(self) -> float:
        """Return the least delay of the last looks, which are meant to be ``LOOK`` apart; this is one."""
        now = self._clock()
        if self._due is not None:
            self._late.append(max(0.0, now - self._due))
        self._due = now + LOOK
        return min(self._late) if len(self._late) == SUSTAINED else 0.0


def loop_lag(clock: Callable[[], float]) -> Signal:
    """Return the signal of a loop that does not get on: a processor too few."""
    return Signal(
        "loop_lag", Lag(clock).value, (0.5, 1.0, 2.0), lambda late: f"fsrec is {late:.1f} s late all the time"
    )


def data_disk(disks: Disks) -> Signal:
    """Return the signal of data_dir's disk, where the rows and copies of what has begun must have room."""
    return Signal(
        "data_disk", disks.shed, (NEVER, Shed.STARTS, Shed.CALLS), lambda _: disks.data_problem() or "", calm=1.0
    )


@dataclass(slots=True)
class Held:
    """Seconds for which reading from a switch was held in every look: its events come faster than they are taken.

    Of a switch 5,000 events or 16 MiB are read ahead, 50,000 or 128 MiB while a reply is waited for among them
    (``switch.wire.Marks``); then the switch keeps them. As objects they are five times as large.
    """

    switch: str
    looks: int = 0
    held: bool = False
    _seen: bool = field(default=False)

    def observe(self, event: object) -> None:
        """Take telemetry."""
        if isinstance(event, ReadingHeld) and event.switch == self.switch:
            self.held = event.paused
            self._seen = self._seen or event.paused
        elif isinstance(event, LinkDown) and event.switch == self.switch:
            self.held = False

    def value(self) -> float:
        """Return the seconds; this is one look."""
        self.looks = self.looks + 1 if self.held or self._seen else 0
        self._seen = False
        return self.looks * LOOK

    def signal(self) -> Signal:
        """Return the signal: of its switch alone."""
        return Signal(
            f"events of {self.switch}",
            self.value,
            (NEVER, 2.0, 5.0),
            lambda seconds: f"it has sent events faster than they are taken for {seconds:.0f} s",
        )


def admission(
    store: Stalls, disks: Disks, switches: Sequence[str], observe: Hook
) -> tuple[Admission, Sequence[Held]]:
    """Return the admission with every signal there is, and those of them that want to be told telemetry."""
    held = [Held(switch) for switch in switches]
    signals = store_age(store), store_backlog(store), loop_lag(time.monotonic), data_disk(disks)
    return Admission(signals, {one.switch: one.signal() for one in held}, observe), held


async def probe(store: Stalls) -> None:
    """Try a store that has refused what it was given, so that it is known when it takes something again."""
    while True:
        await asyncio.sleep(LOOK)
        if store.stalled and not store.waiting:
            await store.probe()
