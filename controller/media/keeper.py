"""Puts into the media store what is not there yet, for days if need be, and takes out what was deleted meanwhile.

What is to be done is in the rows (``unstored``), so a restart, or a daemon that took a switch over, goes on with it.
While the store is away one recording at a time is tried, the one that was tried last at the end.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.media.archive import UploadFailed
from controller.media.clearing import ClearingFailed
from controller.recordings.model import Recording, Stored
from controller.recordings.ports import LedgerFailed, MediaAway, Shelf

LOOK = 30.0
"""Seconds between looks at what is to be done, where nobody says that there is something."""
PAUSE, PAUSE_CAP = 1.0, 60.0
"""Seconds that a store which was away is left alone, doubled each time."""
SETTLE = 300.0
"""Seconds after which no upload that was given up when its recording was deleted can come true any more."""
LATER = 600.0
"""Seconds until a recording is tried again that is at fault itself: its files can't be read, or made again."""
AT_ONCE = 2
MOST = 10_000
STALLED = 300.0
"""Seconds for which the store may be away until that is told."""


@dataclass(frozen=True, slots=True)
class UploadsStalled:
    """The media store has taken nothing for ``seconds``; ``waiting`` recordings are served from here."""

    seconds: float
    waiting: int


@dataclass(frozen=True, slots=True)
class UploadsResumed:
    """The media store takes recordings again."""

    waiting: int


class Files(Protocol):
    """What keeping needs of the media (``examine.DiskMedia``)."""

    @property
    def away(self) -> float:
        """Return for how many seconds the store took nothing; 0 where it takes what it is given."""
        ...

    def keep(self, recording: Recording) -> Awaitable[tuple[Stored, ...]]:
        """Put a recording there, and note that its files here may go. Raises MediaAway where the store is away."""
        ...

    def delete(self, recording: Recording) -> Awaitable[None]:
        """Remove every file and object of a recording. Raises MediaAway where the store is away."""
        ...

    def clear(self, recording: Recording) -> Awaitable[None]:
        """Remove what a recording has no use for."""
        ...

    def uncleared(self) -> Sequence[str]:
        """Return, once, the ids of recordings of which something could not be removed when that was tried."""
        ...


class Keeper:
    """Works on what ``shelf`` says, of switches that are ``mine``. ``run`` it; ``wake`` it when something may wait.

    ``look``, ``pause`` and ``settle`` are the seconds above, ``clock`` is this machine's (Unix seconds).
    ``observe`` gets ``UploadsStalled``, ``UploadsResumed``, ``UploadFailed`` and ``ClearingFailed``.
    """

    def __init__(
        self,
        shelf: Shelf,
        files: Files,
        *,
        mine: Callable[[str], bool] = lambda _: True,
        look: float = LOOK,
        pause: float = PAUSE,
        settle: float = SETTLE,
        clock: Callable[[], float] = time.time,
        observe: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._shelf = shelf
        self._files = files
        self._mine = mine
        self._look = look
        self._first_pause = pause
        self._settle = settle
        self._clock = clock
        self._observe = observe
        self._awake = asyncio.Event()
        self._not_before: dict[str, float] = {}
        self._tried: dict[str, float] = {}
        self._removals: set[asyncio.Future[None]] = set()
        self._again: set[str] = set()
        self._clearers: set[asyncio.Future[None]] = set()
        self._stalled = False
        self.waiting = 0
        """How many recordings the store does not have yet, or has still, as last looked; up to 10,000."""

    def wake(self) -> None:
        """Look soon."""
        self._awake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        pause = 0.0
        while True:
            self._awake.clear()
            due: list[str] = []
            try:
                due = await self._due()
                self._clear_again()
                good = await self._work(due if not pause else due[:1])
            except LedgerFailed:
                good = False
            pause = 0.0 if good else min(PAUSE_CAP, max(self._first_pause, 2 * pause))
            self._tell()
            if pause:
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
                continue
            if due:
                continue
            try:
                async with asyncio.timeout(self._look):
                    await self._awake.wait()
            except TimeoutError:
                continue

    async def _due(self) -> list[str]:
        """Return what may be tried now: first what was never tried, then what was tried longest ago."""
        known = [identity for identity, switch in await self._shelf.unstored(MOST) if self._mine(switch)]
        self.waiting = len(known)
        there = frozenset(known)
        self._not_before = {identity: at for identity, at in self._not_before.items() if identity in there}
        self._tried = {identity: at for identity, at in self._tried.items() if identity in there}
        now = _now()
        due = [identity for identity in known if self._not_before.get(identity, 0.0) <= now]
        return sorted(due, key=lambda identity: self._tried.get(identity, 0.0))

    async def _work(self, due: Sequence[str]) -> bool:
        """Try these, a few at a time; stop where the store is away, and return whether it was there."""
        left = iter(due)
        away = False

        async def some() -> None:
            nonlocal away
            for identity in left:
                if away:
                    return
                self._tried[identity] = _now()
                try:
                    await self._one(identity)
                except (MediaAway, LedgerFailed):
                    away = True

        await asyncio.gather(*(some() for _ in range(min(AT_ONCE, len(due)))))
        return not away

    async def _one(self, identity: str) -> None:
        told: type[UploadFailed | ClearingFailed] = UploadFailed
        try:
            recording = await self._shelf.recording(identity)
            if recording is None or not recording.unstored:
                return
            if recording.deleted_at is not None:
                told = ClearingFailed
                await self._remove(recording, recording.deleted_at)
            else:
                await self._keep(recording)
        except (MediaAway, LedgerFailed):
            raise
        except Exception as error:  # one that breaks us must not keep all others
            now = await self._shelf.recording(identity)
            if told is UploadFailed and now is not None and now.deleted_at is not None:
                return  # its files went while they were read; what is there of it is to go at once
            self._not_before[identity] = _now() + LATER
            self._observe(told(identity, f"{type(error).__name__}: {error}"))

    async def _keep(self, recording: Recording) -> None:
        stored = await self._files.keep(recording)
        now = await self._shelf.stored(recording.id, stored)
        if now is not None and now.deleted_at is None:
            self._clearing(now)

    async def _remove(self, recording: Recording, deleted_at: float) -> None:
        await self._files.delete(recording)
        left = 0.0 if recording.stored else deleted_at + self._settle - self._clock()  # its upload was over, or not
        if left > 0:
            self._not_before[recording.id] = _now() + min(left, self._settle)
        else:
            await self._shelf.stored(recording.id, ())

    def _clearing(self, recording: Recording) -> None:
        """Have the files here go, when they may."""
        task = asyncio.ensure_future(self._files.clear(recording))
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)

    def _clear_again(self) -> None:
        """Have tried again what could not be removed, a few at a time, apart from uploads: a disk may hang."""
        self._again.update(self._files.uncleared())
        while self._again and len(self._clearers) < AT_ONCE:
            clearer = asyncio.ensure_future(self._clear_some({self._again.pop()}))
            self._clearers.add(clearer)
            clearer.add_done_callback(self._clearers.discard)

    async def _clear_some(self, taken: set[str]) -> None:
        while taken or self._again:
            identity = taken.pop() if taken else self._again.pop()
            try:
                recording = await self._shelf.recording(identity)
            except LedgerFailed:
                self._again.add(identity)  # at the next look
                return
            if recording is not None and recording.state.final:
                await self._files.clear(recording)

    def _tell(self) -> None:
        away = self._files.away
        if away >= STALLED and not self._stalled:
            self._stalled = True
            self._observe(UploadsStalled(round(away), self.waiting))
        elif not away and self._stalled:
            self._stalled = False
            self._observe(UploadsResumed(self.waiting))


def _now() -> float:
    return asyncio.get_running_loop().time()
