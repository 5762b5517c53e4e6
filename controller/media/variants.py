"""Other formats and channels of finished recordings, made when somebody asks for them, and kept for the next.

Each is made once, however many ask at the same time, by a process apart: not by those that encode what callbacks
wait for. Those kept are bounded in bytes and number; the ones longest not asked for go first. What nobody has asked
for in an hour goes too: another daemon may have deleted its recording.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from controller.media import durable
from controller.media.encoders import Encoders, Unencodable
from controller.media.job import Job
from controller.recordings.ports import MediaAway, NotPossible

MOST_BYTES = 2 << 30
MOST_FILES = 10_000
IDLE = 3600.0
"""Seconds for which a file stays that nobody asks for any more."""
WAITING = 64
"""Files that may be under way at the same time; who asks for one more is told to come again."""
_T = TypeVar("_T")


class Variant(NamedTuple):
    """A file that can be served: ``mark`` tells it from others of the same recording.

    ``own``: it is one of those that the recording is served from, which the media store may have instead.
    """

    path: Path
    format: str
    mark: str
    own: bool = False


class Variants:
    """Files in ``directory``, which is ours alone.

    At most ``most_bytes`` in ``most_files`` are kept, each for ``idle`` seconds after its last use, and none is made
    where less than ``least_free`` bytes are.
    ``waiting`` may be under way; ``encoders``, closed by whoever gave them, make them. ``busy`` says why there is no
    time for it now.
    """

    def __init__(
        self,
        directory: Path,
        encoders: Encoders,
        *,
        most_bytes: int = MOST_BYTES,
        most_files: int = MOST_FILES,
        idle: float = IDLE,
        waiting: int = WAITING,
        least_free: int = 0,
        busy: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._directory = directory
        self._encoders = encoders
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._idle = idle
        self._waiting = waiting
        self._least_free = least_free
        self._busy = busy
        self._making: dict[str, asyncio.Task[Path]] = {}
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="variants")

    def close(self) -> None:
        """Take no more, and give up what is under way."""
        for task in self._making.values():
            task.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def made(self, recording: str, source: Path, frames: int, form: str, channels: int, *, mono: bool) -> Path:
        """Return the file made of ``source``, a WAV of ``frames``; ``mono`` mixes it. Goes on when nobody waits.

        Raises NotPossible where it can't be made, MediaAway where it can't be made now, OSError about the source.
        """
        job = Job(str(source), str(self._directory / f"{recording}.{channels}.{form}"), form, frames, mono)
        return await self._once(Path(job.target), lambda _: self._encode(recording, job))

    async def fetched(self, recording: str, fetch: Callable[[Path], Awaitable[None]]) -> Path:
        """Return a recording's WAV, which ``fetch`` brings whole or not at all. Raises MediaAway, or as it."""
        return await self._once(self._directory / f"{recording}.wav", fetch)

    async def _once(self, target: Path, make: Callable[[Path], Awaitable[None]]) -> Path:
        name = target.name
        task = self._making.get(name)
        if task is None:
            if len(self._making) >= self._waiting:
                raise MediaAway(f"{self._waiting} files are being made already; come again in a minute")
            task = asyncio.get_running_loop().create_task(self._make(target, make))
            self._making[name] = task
            task.add_done_callback(lambda done: self._done(name, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # not who asks, but the making of it: the recording was deleted, or we stop
                raise FileNotFoundError(f"{name} is not made any more") from None
            raise

    async def forget(self, recording: str) -> None:
        """Remove all files of a recording, and make no more of those under way. Raises OSError."""
        mine = [task for name, task in self._making.items() if name.startswith(recording)]
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)
        await self._in_thread(lambda: self._remove(recording))

    async def tidy(self) -> None:
        """Remove what has been idle for long. To be called now and then. Raises OSError."""
        await self._in_thread(lambda: self._bound(time.time() - self._idle))

    async def _make(self, target: Path, make: Callable[[Path], Awaitable[None]]) -> Path:
        if await self._in_thread(lambda: self._kept(target)):
            return target
        await make(target)
        await self._in_thread(self._bound)
        return target

    async def _encode(self, recording: str, job: Job) -> None:
        busy = self._busy()
        if busy is not None:
            raise MediaAway(f"{busy}; come again in a minute")
        try:
            await self._encoders.encode(recording, job)
        except Unencodable as error:
            await self._in_thread(lambda: job.unfinished.unlink(missing_ok=True))
            raise NotPossible(f"it can't be had as {job.format}: {error}") from None

    def _done(self, name: str, task: asyncio.Task[Path]) -> None:
        self._making.pop(name, None)
        if not task.cancelled():
            task.exception()  # told to who waits; it may be that nobody does

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _kept(self, path: Path) -> bool:
        """Tell whether a file is there, which then counts as used; look for room where it is not."""
        with suppress(FileNotFoundError, NotADirectoryError):
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
            return True
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._directory).free
        except OSError as error:
            raise MediaAway(f"{self._directory}: {error.strerror or error}") from error
        if free < self._least_free:
            raise MediaAway(f"{free} bytes are free in {self._directory}; {self._least_free} are to stay free")
        return False

    def _bound(self, oldest: float = 0.0) -> None:
        """Remove what is too much, or older, and what crashes left half made."""
        found = []
        for path in self._directory.iterdir() if self._directory.is_dir() else ():
            if path.suffix == ".part":
                if path.stem not in self._making:
                    path.unlink(missing_ok=True)
                continue
            with suppress(FileNotFoundError):
                known = path.stat()
                if known.st_atime < oldest and path.name not in self._making:
                    path.unlink()
                else:
                    found.append((known.st_atime, known.st_size, path))
        found.sort(reverse=True)
        most, left = self._most_files, self._most_bytes
        for position, (_, size, path) in enumerate(found):
            most, left = most - 1, left - size
            # The newest stays however large it is: somebody waits for it.
            if position and (most < 0 or left < 0) and path.name not in self._making:
                path.unlink(missing_ok=True)

    def _remove(self, recording: str) -> None:
        if self._directory.is_dir():
            for path in self._directory.glob(f"{recording}.*"):
                durable.remove(path)
