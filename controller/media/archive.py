"""The media store: finished recordings as objects, put there while callbacks wait, or later (DESIGN section 6).

An object's name is the recording's id and its format: whoever knows the recording knows the object, also one that a
daemon put there before it was killed. Names count from ``media.store``, so a bucket may be moved.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import BufferedWriter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from controller.media import durable, wav
from controller.media.copies import TYPES, WAV
from controller.media.objects import Objects
from controller.recordings.model import Recording, Stored
from controller.recordings.ports import MediaAway

WAIT = 30.0
"""Seconds that the last notice of a recording waits for its upload."""
AT_ONCE, LATER = 8, 2
"""Uploads at a time: those that callbacks wait for, and those that have waited too long already."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries while a callback waits; the last one repeats."""
THREADS = 4
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RecordingStored:
    """A recording is in the media store: ``size`` bytes in ``objects``, ``duration`` seconds for this upload."""

    recording: str
    size: int
    objects: int
    duration: float


@dataclass(frozen=True, slots=True)
class UploadFailed:
    """A recording could not be put into the media store now; it is served from here, and tried again."""

    recording: str
    reason: str


class File(NamedTuple):
    """A file to be put: which format of its recording it is."""

    format: str
    path: Path


class Archive:
    """Recordings in ``objects``.

    ``wait`` is how many seconds an upload holds examinations up; none, once the store has been away for as long.
    ``pauses`` are those between tries meanwhile. ``observe`` gets ``RecordingStored`` and ``UploadFailed``.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        wait: float = WAIT,
        pauses: Sequence[float] = PAUSES,
        observe: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._objects = objects
        self._wait = wait
        self._pauses = tuple(pauses)
        self._observe = observe
        self._uploads: dict[str, asyncio.Task[tuple[Stored, ...]]] = {}
        self._at_once, self._later = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(LATER)
        self._away_since: float | None = None
        # Its own threads: a disk that hangs must not hold up whoever uses the media's.
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="upload")

    def close(self) -> None:
        """Give up what is under way: the next daemon does it. Reads that hang are not waited for."""
        for task in self._uploads.values():
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def away(self) -> float:
        """Return for how many seconds nothing could be put; 0 where the last one could."""
        return 0.0 if self._away_since is None else max(1e-9, _now() - self._away_since)

    # --- in ------------------------------------------------------------------------------------------------------

    async def soon(self, recording: str, files: Sequence[File]) -> tuple[Stored, ...]:
        """Put files there within the time that callbacks wait; () where it takes longer, and then goes on.

        They replace those of a former upload, which is waited for: a request that is given up may be obeyed later.
        """
        former = self._uploads.get(recording)
        if former is None and self.away > self._wait:
            return ()
        deadline = _now() + self._wait
        task = self._begin(recording, self._persist(recording, files, deadline, former))
        done, _ = await asyncio.wait((task,), timeout=self._wait)
        try:
            return task.result() if done else ()
        except MediaAway:
            return ()
        except (OSError, ValueError) as error:
            self._observe(UploadFailed(recording, f"{type(error).__name__}: {error}"))
            return ()
        except asyncio.CancelledError:  # the upload, not who waits: the recording was deleted, or we stop
            return ()

    async def surely(self, recording: str, files: Sequence[File]) -> tuple[Stored, ...]:
        """Put files there, in one try or the one that goes on.

        Raises MediaAway, which is told, and OSError and ValueError about the files, which are not.
        """
        task = self._uploads.get(recording) or self._begin(recording, self._put(recording, files, self._later))
        await asyncio.wait((task,))
        if task.cancelled():
            raise MediaAway("the upload was given up: the recording was deleted, or examined again")
        return task.result()

    def _begin(
        self, recording: str, work: Coroutine[None, None, tuple[Stored, ...]]
    ) -> asyncio.Task[tuple[Stored, ...]]:
        task = asyncio.get_running_loop().create_task(work)
        self._uploads[recording] = task
        task.add_done_callback(lambda done: self._done(recording, done))
        return task

    def _done(self, recording: str, task: asyncio.Task[tuple[Stored, ...]]) -> None:
        if self._uploads.get(recording) is task:
            del self._uploads[recording]
        if not task.cancelled():
            task.exception()  # told to who waits; it may be that nobody does

    async def _persist(
        self, recording: str, files: Sequence[File], deadline: float, former: asyncio.Task[Any] | None
    ) -> tuple[Stored, ...]:
        if former is not None:
            await asyncio.wait((former,))
        tries = 0
        while True:
            try:
                return await self._put(recording, files, self._at_once)
            except MediaAway:
                pause = self._pauses[min(tries, len(self._pauses) - 1)]
                if _now() + pause >= deadline:
                    raise
                tries += 1
                await asyncio.sleep(pause)

    async def _put(self, recording: str, files: Sequence[File], room: asyncio.Semaphore) -> tuple[Stored, ...]:
        async with room:
            began = _now()
            try:
                stored = tuple([await self._put_one(recording, file) for file in files])
            except MediaAway as away:
                self._away_since = self._away_since or _now()
                self._observe(UploadFailed(recording, str(away)))
                raise
            self._away_since = None
        size = sum(one.size for one in stored)
        self._observe(RecordingStored(recording, size, len(stored), _now() - began))
        return stored

    async def _put_one(self, recording: str, file: File) -> Stored:
        stack = ExitStack()
        job: Future[Any] = self._pool.submit(lambda: stack.enter_context(wav.opened(file.path)))
        try:
            descriptor = await asyncio.wrap_future(job)
            known = os.fstat(descriptor)

            async def read(count: int, offset: int) -> bytes:
                nonlocal job
                job = self._pool.submit(os.pread, descriptor, count, offset)
                return await asyncio.wrap_future(job)

            head = await self._objects.put(name_of(recording, file.format), read, known.st_size, TYPES[file.format])
        finally:  # only after a read that goes on: by then the descriptor could be another file's
            job.add_done_callback(lambda _: stack.close())
        return Stored(file.format, head.size, head.etag, float(int(known.st_mtime)))

    async def remote(self, recording: Recording, form: str) -> Remote:
        """Return a recording's object to be served. Raises FileNotFoundError, MediaAway."""
        return Remote(self, recording.id, await self.find(recording, form))

    # --- out -----------------------------------------------------------------------------------------------------

    async def find(self, recording: Recording, form: str) -> Stored:
        """Return the object of a recording in a format. Raises FileNotFoundError, MediaAway."""
        known = next((one for one in recording.stored if one.format == form), None)
        if known is None and recording.unstored:  # it may be there, of a daemon that could not say so yet
            head = await self._objects.head(name_of(recording.id, form))
            if head is None:
                raise MediaAway("the recording is not in the media store yet, and its file is not here")
            return Stored(form, head.size, head.etag, head.modified)
        if known is None:
            raise FileNotFoundError(f"the media store has no {form} of it")
        return known

    def pieces(self, recording: str, form: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Give [start, end) of an object, piece by piece. Raises MediaAway, FileNotFoundError."""
        return self._objects.pieces(name_of(recording, form), start, end)

    async def fetch(self, recording: Recording, form: str, target: Path) -> None:
        """Have an object as a file, whole or not at all. Raises FileNotFoundError, MediaAway."""
        known = await self.find(recording, form)
        unfinished = Path(f"{target}.part")
        try:
            file = await self._in_thread(lambda: unfinished.open("wb"))
            try:
                if known.size:
                    async for piece in self.pieces(recording.id, form, 0, known.size):
                        await self._in_thread(partial(file.write, piece))
                await self._in_thread(lambda: _synced(file))
            finally:
                await self._in_thread(file.close)
            await self._in_thread(lambda: durable.keep(unfinished, target))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise MediaAway(f"{target.parent}: {error.strerror or error}") from error

    # --- away ----------------------------------------------------------------------------------------------------

    async def forget(self, recording: str) -> None:
        """Give up an upload that is under way. The store may still obey it, for as long as requests take."""
        task = self._uploads.get(recording)
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    async def delete(self, recording: Recording) -> None:
        """Have no object of a recording, which is forgotten, in any format that it may have. Raises MediaAway."""
        forms = {WAV, recording.request.format, *(one.format for one in recording.stored)}
        await self._objects.delete([name_of(recording.id, form) for form in TYPES if form in forms])

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


@dataclass(frozen=True, slots=True)
class Remote:
    """An object as it is served: ``size`` bytes, last changed at ``modified`` (Unix seconds)."""

    archive: Archive
    recording: str
    object: Stored

    @property
    def size(self) -> int:
        """Return its bytes."""
        return self.object.size

    @property
    def modified(self) -> float:
        """Return when the file that it was made of was changed."""
        return self.object.modified

    def pieces(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Give [start, end), which is not empty. Raises FileNotFoundError, MediaAway."""
        return self.archive.pieces(self.recording, self.object.format, start, end)


def name_of(recording: str, form: str) -> str:
    """Return an object's name, of a recording's id and a format of ours."""
    return f"{recording}.{form}"


def _synced(file: BufferedWriter) -> None:
    file.flush()
    os.fsync(file.fileno())


def _now() -> float:
    return asyncio.get_running_loop().time()
