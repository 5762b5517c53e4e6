"""Deletes what is older than its account keeps it, a little at a time and never at the cost of a call.

A recording goes when it ended longer ago than ``retention_days``, is final, and nobody waits for it: no callback that
tells of it is still to be delivered (its receiver would fetch it), and no transcription. It goes as by REST's DELETE:
durably first, then its files; what is known of it stays. So a kill at any point leaves a recording that is there, or
one whose files the next start removes.

A switch whose files or rows cannot be had now is left until the next sweep, after one try of each few.

Of all that may be gone only a page of ids is in memory. The work takes a quarter of the time: after each few it rests
for three times as long as they took, so a slow disk is asked less.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from controller.recordings.ports import Aged, LedgerFailed, MediaAway, NotPossible
from controller.retention.clock import BelievedClock
from controller.telemetry import Hook

DAY = 86400.0
LOOK = 60.0
"""Seconds between two sweeps: one step along an index for each account, where nothing is too old."""
PAGE = 100
TOGETHER = 8
"""Recordings that go at the same time, for one commit."""
REST = 3.0
"""Times as long as the work took it is rested."""
PATIENCE = 30.0
"""Seconds for which a deletion is waited for; after that (a dead mount) its switch is left until it ends."""


class Expired(Protocol):
    """Where recordings are looked up."""

    async def newest(self) -> float | None:
        """Return when the newest recording was asked for. Raises LedgerFailed."""
        ...

    async def older(
        self, account: str, before: float, behind: tuple[float, str] | None, limit: int
    ) -> Sequence[Aged]:
        """Return final recordings of an account that ended before a time and that nobody waits for, oldest first.

        ``behind`` is where the last page ended. Raises LedgerFailed.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecordingExpired:
    """A recording was deleted because its account keeps none as long (telemetry)."""

    recording: str
    account: str


@dataclass(frozen=True, slots=True)
class ExpiryFailed:
    """A recording that is too old could not be deleted; it is tried at the next sweep (telemetry)."""

    recording: str
    account: str
    error: str


@dataclass(frozen=True, slots=True)
class RetentionHeld:
    """Nothing is deleted for its age, and why (telemetry)."""

    why: str


@dataclass(slots=True)
class Sweeper:
    """``keeps`` has the days for which accounts keep recordings; those that are not in it keep all.

    ``delete`` deletes one for good, as ``RecordingService.delete``; ``mine`` says whether this daemon is to do it for
    the recordings of a switch.
    """

    keeps: Mapping[str, float]
    expired: Expired
    delete: Callable[[str], Awaitable[object]]
    clock: BelievedClock
    mine: Callable[[str], bool] = lambda _switch: True
    observe: Hook = lambda _: None
    look: float = LOOK
    patience: float = PATIENCE
    page: int = PAGE
    _left: set[str] = field(default_factory=set, init=False)
    _hanging: dict[asyncio.Task[None], str] = field(default_factory=dict, init=False)
    _held: str | None = field(default=None, init=False)

    @property
    def problem(self) -> str | None:
        """Say why nothing goes now, None where nothing is wrong."""
        return self._held

    async def run(self) -> None:
        """Sweep until cancelled; without an account that keeps for a time there is nothing to do."""
        begun = False
        try:
            while self.keeps:
                try:
                    if not begun:
                        await asyncio.to_thread(self.clock.begin, await self.expired.newest())
                        begun = True
                    await self.sweep()
                except (LedgerFailed, OSError) as failure:
                    self._hold(f"it can't be looked up: {failure}")
                await asyncio.sleep(self.look)
        finally:
            for task in self._hanging:
                task.cancel()
            await asyncio.gather(*self._hanging, return_exceptions=True)

    async def sweep(self) -> None:
        """Delete what is too old now. Raises LedgerFailed, OSError."""
        now = await asyncio.to_thread(self.clock.now)
        if now is None:
            self._hold(self.clock.problem)
            return
        self._hold(None)
        self._left = set()
        for account, days in self.keeps.items():
            behind: tuple[float, str] | None = None
            while True:
                began = time.monotonic()
                page = await self.expired.older(account, now - days * DAY, behind, self.page)
                await asyncio.sleep(REST * (time.monotonic() - began))
                await self._remove(account, page)
                if len(page) < self.page:
                    break
                behind = page[-1].requested_at, page[-1].id

    async def _remove(self, account: str, page: Sequence[Aged]) -> None:
        left = [old for old in page if self.mine(old.switch)]
        while left:
            some, left = left[:TOGETHER], left[TOGETHER:]
            began = time.monotonic()
            left_alone = self._left.union(self._hanging.values())
            await asyncio.gather(*(self._expire(account, old) for old in some if old.switch not in left_alone))
            await asyncio.sleep(REST * (time.monotonic() - began))

    async def _expire(self, account: str, old: Aged) -> None:
        task = asyncio.get_running_loop().create_task(self._delete(account, old))
        done, _ = await asyncio.wait((task,), timeout=self.patience)
        if not done:
            self._hanging[task] = old.switch
            task.add_done_callback(lambda ended: self._hanging.pop(ended, None))

    async def _delete(self, account: str, old: Aged) -> None:
        try:
            deleted = await self.delete(old.id)
        except (LedgerFailed, MediaAway) as failure:  # so it would be with all of them: the next sweep tries again
            self._left.add(old.switch)
            self.observe(ExpiryFailed(old.id, account, str(failure)))
        except Exception as error:  # one row that breaks us must not keep all others
            words = str(error) if isinstance(error, NotPossible) else f"{type(error).__name__}: {error}"
            self.observe(ExpiryFailed(old.id, account, words))
        else:
            if deleted is not None:
                self.observe(RecordingExpired(old.id, account))

    def _hold(self, why: str | None) -> None:
        if why is not None and self._held is None:
            self.observe(RetentionHeld(why))
        self._held = why
