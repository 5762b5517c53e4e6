"""The WAVs that switches play: made here of any audio, in a directory that a switch sees (DESIGN section 4).

They lie in ``played`` in the switch's recording directory, under names made of hashes alone. A file stays until its
plays are over, and then an hour: what it was made of may be a recording that was deleted. Where there is no more
room, those not asked for longest go before.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import stat
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from controller.media.decoders import Decoders
from controller.media.job import DecodeJob
from controller.media.roots import Root
from controller.recordings.ports import MediaAway

DIRECTORY = "played"
RATES = (8000, 16000, 32000, 48000)
"""Samples per second of what is made: those that FreeSWITCH's legs have."""
MOST_BYTES = 1 << 30
MOST_FILES = 20_000
IDLE = 3600.0
"""Seconds for which a file stays that nobody plays any more."""
KEPT = 60.0
"""Seconds for which a file stays that another daemon asked for: a switch may not have opened it yet."""
_T = TypeVar("_T")


@dataclass(slots=True)
class _File:
    """One file: its bytes, when it was asked for last (monotonic), whether this daemon has made it."""

    size: int
    used: float
    ours: bool = True


@dataclass(slots=True)
class _Shelf:
    """One directory and what is in it, the least lately used first; how many hold a file or wait for it."""

    path: Path
    files: OrderedDict[str, _File] = field(default_factory=OrderedDict)
    held: Counter[str] = field(default_factory=Counter)
    making: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)
    ready: asyncio.Lock = field(default_factory=asyncio.Lock)
    listed: bool = False
    size: int = 0

    def put(self, name: str, file: _File) -> None:
        """Have a file there, used last of all, instead of one of that name."""
        self.forget(name)
        self.files[name] = file
        self.size += file.size

    def forget(self, name: str) -> None:
        """Have no file of that name there."""
        file = self.files.pop(name, None)
        self.size -= 0 if file is None else file.size

    def let_go(self, name: str) -> None:
        """Have one holder less."""
        self.held[name] -= 1
        if self.held[name] <= 0:
            del self.held[name]


class PlayedSounds:
    """Makes and keeps the files; ``roots`` maps a switch's name to its ``Root``.

    At most ``most_files`` of ``most_bytes`` together (and one more for each process of ``decoders``) lie in each
    directory, as long as ``least_free`` bytes of its disk stay free. What another daemon has used stays ``kept``
    seconds after that, what nobody plays ``idle``.
    """

    def __init__(
        self,
        roots: Mapping[str, Root],
        decoders: Decoders,
        *,
        most_bytes: int = MOST_BYTES,
        most_files: int = MOST_FILES,
        least_free: int = 0,
        kept: float = KEPT,
        idle: float = IDLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = dict(roots)
        self._decoders = decoders
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._least_free = least_free
        self._kept = kept
        self._idle = idle
        self._clock = clock
        self._shelves = {root.local_path: _Shelf(root.local_path / DIRECTORY) for root in self._roots.values()}
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="played")

    async def start(self) -> None:
        """Remove what another daemon has left; what it used lately a switch may still be about to open. Never raises.

        A directory that is away, or hangs, is looked at again when it is wanted.
        """
        looks = [asyncio.create_task(self._listed(shelf, make=False)) for shelf in self._shelves.values()]
        if looks:
            _, late = await asyncio.wait(looks, timeout=1.0)
            for look in late:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)

    async def tidy(self) -> None:
        """Remove what has been idle for long. To be called now and then. Raises OSError."""
        for shelf in self._shelves.values():
            oldest = self._clock() - self._idle
            for name in tuple(shelf.files):
                file = shelf.files.get(name)
                if file is not None and file.used < oldest and self._unused(shelf, name):
                    shelf.forget(name)
                    await self._in_thread(partial((shelf.path / name).unlink, missing_ok=True))

    async def close(self) -> None:
        """Give up what is being made."""
        making = [task for shelf in self._shelves.values() for task in shelf.making.values()]
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def made(self, switch: str, source: Path, mark: str, rate: int, gain: float, account: str = "") -> str:
        """Return the path on a switch of ``source``'s audio, mono, about at ``rate`` and ``gain`` dB louder.

        It stays until it is given to ``over``. ``mark`` tells one content from another: two sources of the same mark
        sound the same. What is wanted by several of an account at once is made once. Raises KeyError for an unknown
        switch, NotPossible where ``source`` is no audio, MediaAway where this machine can't.
        """
        root = self._roots[switch]
        shelf = self._shelves[root.local_path]
        rate = min(RATES, key=lambda known: abs(known - rate))
        name = hashlib.sha256(f"{mark}\n{rate}\n{gain:.6g}".encode()).hexdigest()[:40] + ".wav"
        shelf.held[name] += 1
        try:
            if not await self._there(shelf, name):
                key = (account, name)
                if key not in shelf.making:
                    job = DecodeJob(str(source), str(shelf.path / name), str(_growing(shelf, name)), rate, gain)
                    shelf.making[key] = _task(self._make(shelf, name, job, account))
                    shelf.making[key].add_done_callback(lambda _: shelf.making.pop(key, None))
                await asyncio.shield(shelf.making[key])
        except BaseException as error:
            shelf.let_go(name)
            if not isinstance(error, OSError):
                raise
            raise MediaAway(
                f"{shelf.path} can't be used: {error.strerror or error}; this daemon must be able to make it and the "
                "switch to read it"
            ) from error
        return f"{root.switch_path}/{DIRECTORY}/{name}"

    def over(self, switch: str, path: str) -> None:
        """Let a file go whose play is over, or can no longer begin: once for each time that it was had.

        Paths that are none of ours do nothing.
        """
        root = self._roots.get(switch)
        above, _, name = path.rpartition("/")
        if root is not None and above == f"{root.switch_path}/{DIRECTORY}":
            self._shelves[root.local_path].let_go(name)

    async def _there(self, shelf: _Shelf, name: str) -> bool:
        """Tell whether a file is there, as this daemon made it; then it is used now."""
        file = shelf.files.get(name)
        if file is None or not file.ours:
            return False
        file.used = self._clock()
        shelf.files.move_to_end(name)
        if await self._in_thread(lambda: _touched(shelf.path / name)):
            return True
        shelf.forget(name)  # somebody else tidied up
        return False

    async def _make(self, shelf: _Shelf, name: str, job: DecodeJob, account: str) -> None:
        await self._listed(shelf, make=True)
        try:
            # Room is made when its turn has come: those that wait for theirs have taken none yet.
            size = await self._decoders.decode(job, lambda: self._make_room(shelf), account)
        except BaseException:
            # A process that was killed leaves it; here and now, because nobody else would know of it.
            self._threads.submit(partial(Path(job.growing).unlink, missing_ok=True))
            raise
        shelf.put(name, _File(size, self._clock()))

    async def _listed(self, shelf: _Shelf, *, make: bool) -> None:
        async with shelf.ready:
            if make:
                await self._in_thread(lambda: _make_directory(shelf.path))
            if shelf.listed:
                return
            now, oldest = self._clock(), time.time() - self._kept
            left = await self._in_thread(lambda: _tidied(shelf.path, oldest))
            for name, size, age in left:
                if name not in shelf.files:
                    shelf.put(name, _File(size, now - age, ours=False))
            shelf.listed = True

    async def _make_room(self, shelf: _Shelf) -> None:
        """Remove what is not in use until one more file fits. Raises MediaAway where that isn't enough."""
        while True:
            free = await self._in_thread(lambda: shutil.disk_usage(shelf.path).free)
            if len(shelf.files) < self._most_files and shelf.size < self._most_bytes and free >= self._least_free:
                return
            unused = next((name for name in shelf.files if self._unused(shelf, name)), None)
            if unused is None:
                raise MediaAway(
                    f"there is no room for another sound in {shelf.path}: {len(shelf.files)} files of {shelf.size} "
                    f"bytes are in use, {free} bytes are free"
                )
            shelf.forget(unused)
            await self._in_thread(partial((shelf.path / unused).unlink, missing_ok=True))

    def _unused(self, shelf: _Shelf, name: str) -> bool:
        file = shelf.files[name]
        return not shelf.held[name] and (file.ours or self._clock() - file.used >= self._kept)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _task(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    task.add_done_callback(
        lambda done: done.cancelled() or done.exception()
    )  # known also where nobody waits any more
    return task


def _growing(shelf: _Shelf, name: str) -> Path:
    return shelf.path / f"{name}.{uuid4().hex}.part"


def _touched(path: Path) -> bool:
    try:
        os.utime(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _make_directory(path: Path) -> None:
    """Make a directory that those may read who may read the one above."""
    if path.is_symlink():
        raise NotADirectoryError(20, "it is a symbolic link")
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    above = path.parent.stat()
    if path.stat().st_gid != above.st_gid:
        os.chown(path, -1, above.st_gid)
    if os.geteuid() == 0:
        os.chown(path, above.st_uid, -1)
    path.chmod(0o700 | stat.S_IMODE(above.st_mode) & 0o055)


def _tidied(path: Path, oldest: float) -> list[tuple[str, int, float]]:
    """Remove our files that were used last before ``oldest`` (Unix), and return the others: name, bytes, age."""
    left = []
    now = time.time()
    try:
        found = list(os.scandir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    for entry in found:
        if not entry.is_file(follow_symlinks=False) or not entry.name.endswith((".wav", ".part")):
            continue
        seen = entry.stat(follow_symlinks=False)
        if seen.st_mtime < oldest:
            Path(entry.path).unlink(missing_ok=True)
        else:
            left.append((seen.st_mtime, entry.name, seen.st_size))
    return [(name, size, max(0.0, now - used)) for used, name, size in sorted(left)]
