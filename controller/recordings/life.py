"""One recording that is not final: its value, what waits for it to be durable, its timers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.recordings.facts import Fact
from controller.recordings.lifecycle import Effect
from controller.recordings.model import Measured, Notice, Recording


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds. ``stop``: until a commanded stop is asked after; ``grace``: for RECORD_STOP after the leg's end.

    ``answer`` bounds how long a caller waits for a wish to come true; ``retry`` and ``retry_cap`` pace what must
    succeed in the end (the ledger, a file that cannot be opened just now); ``examine`` counts media's tries;
    ``still``: until a file that was never closed and does not grow is taken for all there will be; ``watch``: until a
    recording of which nothing is heard is asked after (None: never).
    """

    stop: float = 5.0
    grace: float = 2.0
    answer: float = 10.0
    retry: float = 0.1
    retry_cap: float = 5.0
    examine: int = 20
    still: float = 30.0
    watch: float | None = 60.0


Pending = tuple[Recording, Notice | None, tuple[Effect, ...], Fact]
"""A change: the recording after it, what is told of it, what follows once it is durable, what made it."""


@dataclass(slots=True)
class Life:
    """One recording that is not final.

    ``recording`` is its value now, ``durable`` what the ledger has of it, ``pending`` leads from one to the other.
    ``commits`` and ``commands`` let one of each kind go at a time. ``closed``: nobody writes its file any more.
    ``tasks``: what is done for it. ``alone``: who asked for its start is gone. ``let_go``: it is another's now.
    ``early``: what media says of its WAV while another format is made.
    """

    recording: Recording
    durable: Recording
    pending: list[Pending] = field(default_factory=list)
    commits: asyncio.Lock = field(default_factory=asyncio.Lock)
    commands: asyncio.Lock = field(default_factory=asyncio.Lock)
    timers: dict[Effect, asyncio.TimerHandle] = field(default_factory=dict)
    waiters: list[tuple[Callable[[Recording], bool], asyncio.Future[Recording]]] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    pumping: bool = False
    let_go: bool = False
    stop_refused: bool = False
    alone: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    examining: bool = False
    early: Measured | None = None

    async def until(self, true: Callable[[Recording], bool]) -> Recording:
        """Return the durable value as soon as all that is known now is in it, and it fits."""
        revision = self.recording.revision
        if self.durable.revision >= revision and true(self.durable):
            return self.durable
        future: asyncio.Future[Recording] = asyncio.get_running_loop().create_future()
        self.waiters.append((lambda seen: seen.revision >= revision and true(seen), future))
        return await future

    def wake(self) -> None:
        """Tell those who wait for what is durable now."""
        waiting, self.waiters = self.waiters, []
        for true, future in waiting:
            if future.done():
                continue
            if true(self.durable):
                future.set_result(self.durable)
            else:
                self.waiters.append((true, future))

    def refuse(self, error: Exception) -> None:
        """Tell those who wait that it never will be."""
        for _, future in self.waiters:
            if not future.done():
                future.set_exception(error)

    def arm(self, name: Effect, seconds: float, action: Callable[[], None]) -> None:
        """Do ``action`` after ``seconds``, in place of what the timer of this name would have done."""
        self.cancel(name)
        self.timers[name] = asyncio.get_running_loop().call_later(seconds, action)

    def cancel(self, name: Effect) -> None:
        """Stop one timer, if it runs."""
        timer = self.timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def disarm(self) -> None:
        """Stop every timer."""
        for name in tuple(self.timers):
            self.cancel(name)
