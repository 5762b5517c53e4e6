"""The files of recordings: where they are, what is in them, and which copy is served (DESIGN sections 4 and 6).

A switch owns its masters; they are only read, and removed once nobody needs them (``clearing``): with a media store
(``archive``) when that has what is served, which is then had from there. Where one isn't fit
to be served as it is (its header was never finished, it has skipped pauses in it, or silent ends that go), a copy
is made under ``derived``, whole or not at all, and the same again whenever an examination is repeated after a crash.
Other formats than WAV are made there, of what would be served; those that somebody asks for later, in ``variants``.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from controller.media import durable, master, roots, wav
from controller.media.archive import Archive, File, Remote
from controller.media.clearing import ClearingFailed, Doomed, Removal
from controller.media.copies import FORMATS, WAV, copy_of, is_id
from controller.media.encoders import DerivativeFailed, DerivativeMade, Encoders, Unencodable
from controller.media.job import Job
from controller.media.room import Room, room_of
from controller.media.roots import Root
from controller.media.variants import Variant, Variants
from controller.recordings.model import Measured, Recording, Stored
from controller.recordings.ports import Found, MediaAway, NotPossible, Unfinished

SETTLE = (0.05, 0.15, 0.3, 0.5)
"""Seconds between looks at a master that is missing or unfinished. On a local disk it is final when RECORD_STOP is
fired (spec/freeswitch.md 1.10); a shared one shows it here a little later. A second in all: callbacks wait."""
WORKERS = 4
"""Threads for each root: a mount that hangs holds up nothing but its own recordings."""
LOOK_WITHIN = 5.0
"""Seconds within which a directory answers, or is told as one that hangs."""
LINGER = 60.0
"""Seconds that the files of a recording stay once the media store has it: receivers fetch it then, from here."""
_T = TypeVar("_T")


class DiskMedia:
    """Masters on disks that switch and daemon share; satisfies ``recordings.ports.Media``.

    ``roots`` maps a switch's name to its ``Root``; ``derived`` holds copies of ours, made when needed, ``variants``
    (in there) those that somebody asks for later; ``settle`` are
    the seconds between looks at a master that isn't there or isn't finished; ``workers`` threads work for each
    directory, which answers a look at itself ``look_within`` seconds; ``encoders``, closed by whoever gave them, make
    other formats than WAV, and ``on_demand`` those that somebody asks for later. ``least_free`` bytes stay free of
    the latter, and ``busy`` says why there is no time for them now. ``keep_untrimmed``: the master of a trimmed
    recording stays. ``archive``, closed by us, is the media store; the files of what it has stay ``linger`` seconds.
    ``observe`` gets ``MasterExamined``,
    ``DerivativeMade``, ``DerivativeFailed`` and ``ClearingFailed``.
    """

    def __init__(
        self,
        roots: Mapping[str, Root],
        derived: Path,
        *,
        variants: Path | None = None,
        settle: Sequence[float] = SETTLE,
        workers: int = WORKERS,
        look_within: float = LOOK_WITHIN,
        encoders: Encoders | None = None,
        on_demand: Encoders | None = None,
        least_free: int = 0,
        keep_untrimmed: bool = False,
        busy: Callable[[], str | None] = lambda: None,
        archive: Archive | None = None,
        linger: float = LINGER,
        observe: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._roots = dict(roots)
        self._derived = derived
        self._settle = tuple(settle)
        self._observe = observe
        self._look_within = look_within
        self._encoders = encoders or Encoders()
        self._variants = Variants(
            variants or derived / "variants", on_demand or self._encoders, least_free=least_free, busy=busy
        )
        self._removal = Removal(derived, keep_untrimmed=keep_untrimmed)
        self._archive = archive
        self._linger = linger
        self._uncleared: set[str] = set()
        self._fresh: set[str] = set()  # stored by this process, and not cleared yet
        paths = {root.local_path for root in self._roots.values()}
        self._pools = {path: ThreadPoolExecutor(workers, thread_name_prefix="media") for path in paths}
        self._looks = {path: ThreadPoolExecutor(1, thread_name_prefix="disk") for path in {*paths, derived}}

    def close(self) -> None:
        """Let running work end and take no more."""
        self._variants.close()
        if self._archive is not None:
            self._archive.close()
        for pool in (*self._pools.values(), *self._looks.values()):
            pool.shutdown(wait=True, cancel_futures=True)

    def master_path(self, switch: str, identity: str) -> str:
        """Return the path on the switch for a recording's master, made of its id alone. Raises KeyError, ValueError.

        All lie in one directory: FreeSWITCH makes a missing one with mode 0750, owned by itself, so files in any
        below it would be out of the reader's reach, and one that can't be made fails the start. Nothing lists it.
        """
        if not is_id(identity):
            raise ValueError(f"{identity!r} is no recording id (uuid4)")
        return f"{self._roots[switch].switch_path}/{identity}.wav"

    def path_of(self, recording: Recording) -> Path:
        """Return the file that is served; it looks at the disk.

        Raises KeyError for an unknown switch, ValueError for a path outside its root.
        """
        measured = recording.measured
        if measured is not None and measured.format != WAV:
            return self._copy_of(recording, measured.format)
        return self._wav_of(recording, measured)

    @contextmanager
    def opened(self, recording: Recording) -> Iterator[int]:
        """Open the file that is served and give its descriptor; it blocks. Raises KeyError, ValueError, OSError."""
        with wav.opened(self.path_of(recording)) as descriptor:
            yield descriptor

    async def wav_of(self, recording: Recording) -> Path:
        """Return the WAV that is served, or that what is served was made of, fetched where it isn't here.

        With a media store it is a link or copy of our own: its file here may go before it is opened.
        Raises KeyError, ValueError, OSError, MediaAway where it can't be had now.
        """
        path = await self._local_wav(recording)
        archive = self._archive
        if archive is None or not (recording.stored or recording.unstored):
            return path

        async def bring(target: Path) -> None:
            if not await self._in_thread(self._root_of(recording), lambda: durable.linked(path, target)):
                await archive.fetch(recording, WAV, target)

        return await self._variants.fetched(recording.id, bring)

    async def elsewhere(self, recording: Recording, form: str) -> Remote:
        """Return a recording's object in a format, for what is not here. Raises FileNotFoundError, MediaAway."""
        if self._archive is not None:
            return await self._archive.remote(recording, form)
        if recording.stored:
            raise MediaAway("the recording is in a media store, and there is none in the settings (media.store)")
        raise FileNotFoundError(errno.ENOENT, "its file is not there")

    async def _local_wav(self, recording: Recording) -> Path:
        return await self._in_thread(self._root_of(recording), lambda: self._wav_of(recording, recording.measured))

    def seen_by(self, switch: str, recording: Recording) -> str | None:
        """Return the path on a switch of a master that is served as it is; None where the switch does not see it.

        A copy of ours (mended, or cut) lies where no switch need see it; where there is a media store a master may go
        while it is played.
        """
        if self._archive is not None:
            return None
        root, own = self._roots.get(switch), self._root_of(recording)
        if root is None or own is None or recording.measured is None or recording.measured.derived:
            return None
        if root.local_path != own.local_path:
            return None
        path = PurePosixPath(recording.path)
        inside = path.is_relative_to(own.switch_path) and roots.plain(recording.path)
        return f"{root.switch_path}/{path.relative_to(own.switch_path)}" if inside else None

    async def examine(
        self,
        recording: Recording,
        *,
        closed: bool = True,
        playable: Callable[[Measured], None] = lambda _: None,
    ) -> Found:
        """Measure the master, and make the copy that is served where it isn't fit to be or was deleted, being empty.

        Then encode what would be served, where another format is asked for; if that can't be, it is served as it is.
        What is wrong with the master is told in ``Found.problem``. One that is missing or unfinished is looked at
        again for about a second; an unfinished one that isn't ``closed`` raises Unfinished at once. MediaAway tells
        of what isn't the master's fault: no room for a copy, no process to encode it, a directory that isn't as it
        should be and has no master that can be read. OSError is about reading the master.
        """
        root = self._root_of(recording)
        if root is None:
            return Found(None, f"its switch {recording.owner.switch!r} has no recording directory in the settings")
        for delay in (*self._settle, None):
            look = await self._in_thread(root, lambda: roots.look(root, recording.path))
            deleted = look.missing and recording.measured is not None  # for being empty: the switch said so
            if look.final or deleted or delay is None:
                break
            if look.problem is None and not closed:
                raise Unfinished(look.size)
            await asyncio.sleep(delay)
        if look.problem is not None and not deleted:
            return Found(None, look.problem)
        path = None if deleted else root.local(recording.path)
        measured, examined = await self._in_thread(root, lambda: self._measure(recording, path))
        self._observe(examined)
        if recording.request.format != WAV or self._archive is not None:
            playable(measured)
        found = replace(await self._derive(recording, measured, root), written_at=look.written_at)
        return await self._archived(recording, found)

    async def _derive(self, recording: Recording, measured: Measured, root: Root) -> Found:
        wanted = recording.request.format
        if wanted == WAV:
            return Found(measured)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            size = await self._encoded(recording, measured, root)
        except Unencodable as error:
            self._observe(DerivativeFailed(recording.id, wanted, str(error)))
            return Found(measured, f"it is served as {WAV}, it could not be made {wanted}: {error}")
        self._observe(DerivativeMade(recording.id, wanted, size, clock() - began))
        return Found(replace(measured, size=size, format=wanted))

    async def _archived(self, recording: Recording, found: Found) -> Found:
        """Put what is served into the media store, where there is one and it takes it in time."""
        if self._archive is None or found.measured is None:
            return found
        ready = replace(recording, measured=found.measured)
        stored = await self._archive.soon(recording.id, await self._files(ready))
        if stored:
            await self._note_stored(recording)
        return replace(found, stored=stored, unstored=not stored)

    async def _files(self, recording: Recording) -> list[File]:
        """Return what is served: the WAV, and the format asked for."""
        files = [File(WAV, await self._local_wav(recording))]
        measured = recording.measured
        if measured is not None and measured.format != WAV:
            files.append(File(measured.format, self._copy_of(recording, measured.format)))
        return files

    # --- the media store --------------------------------------------------------------------------------------

    @property
    def away(self) -> float:
        """Return for how many seconds the media store took nothing; 0 where it takes what it is given."""
        return 0.0 if self._archive is None else self._archive.away

    async def keep(self, recording: Recording) -> tuple[Stored, ...]:
        """Put a final recording into the media store, and note that its files here may go.

        Copies that another daemon made, elsewhere, are made again of the master. Raises MediaAway, and OSError,
        KeyError and ValueError about its files.
        """
        if self._archive is None or recording.measured is None:
            raise MediaAway("there is no media store in the settings (media.store)")
        files = await self._files(recording)
        root = self._root_of(recording)
        if not await self._in_thread(root, lambda: all(file.path.exists() for file in files)):
            await self._remade(recording, root)
        stored = await self._archive.surely(recording.id, files)
        await self._note_stored(recording)
        return stored

    async def _note_stored(self, recording: Recording) -> None:
        await self._in_thread(self._root_of(recording), lambda: self._note(recording, Doomed.STORED))
        self._fresh.add(recording.id)

    async def _remade(self, recording: Recording, root: Root | None) -> None:
        told = recording.measured
        if root is None or told is None:
            raise KeyError(recording.owner.switch)
        path = root.local(recording.path)
        empty = not told.duration and not await self._in_thread(root, path.exists)  # the switch deleted it
        measured, _ = await self._in_thread(root, lambda: self._measure(recording, None if empty else path))
        if told.format != WAV:
            measured = replace(measured, size=await self._encoded(recording, measured, root), format=told.format)
        if measured != told:
            raise wav.WavError(
                f"{recording.id} is not what it was when its end was told: {measured} instead of {told}"
            )

    def uncleared(self) -> Sequence[str]:
        """Return, once, the ids of recordings of which something could not be removed when that was tried."""
        found, self._uncleared = tuple(self._uncleared), set()
        return found

    async def _encoded(self, recording: Recording, measured: Measured, root: Root) -> int:
        form = recording.request.format
        if form not in FORMATS:
            raise Unencodable(f"the formats are {', '.join(FORMATS)}")
        source = await self._in_thread(root, lambda: self._wav_of(recording, measured))
        frames = round(measured.duration * measured.rate)
        job = Job(str(source), str(self._copy_of(recording, form)), form, frames)
        try:
            return await self._encoders.encode(recording.id, job)
        except Unencodable:
            await self._in_thread(root, lambda: job.unfinished.unlink(missing_ok=True))
            raise

    async def variant(self, recording: Recording, form: str = WAV, channels: int | None = None) -> Variant:
        """Return a final recording in a format, as it was recorded or with 1 (both mixed) or 2 ``channels``.

        What is not there yet is made. Raises NotPossible where there is no such thing (two channels of one, a format
        that is none), MediaAway where it can't be had now, and OSError, KeyError, ValueError where its file is gone.
        """
        measured = recording.measured
        if measured is None or not recording.state.final or recording.deleted_at is not None:
            raise FileNotFoundError(errno.ENOENT, "the recording is not ready, or was deleted")
        if form not in FORMATS:
            raise NotPossible(f"there is no format {form[:20]!r}: the formats are {', '.join(FORMATS)}")
        wanted = measured.channels if channels is None else channels
        if wanted not in {1, 2}:
            raise NotPossible(f"the channels of a recording are 1 or 2, not {wanted}")
        if wanted > measured.channels:
            raise NotPossible("the recording has one channel; only one that was made dual can be had with two")
        mark, same = f"{form}-{wanted}", wanted == measured.channels
        if same and form == WAV:
            return Variant(await self._local_wav(recording), form, mark, own=True)
        if same and form == measured.format:
            return Variant(self._copy_of(recording, form), form, mark, own=True)
        source = await self.wav_of(recording)
        frames = round(measured.duration * measured.rate)
        path = await self._variants.made(recording.id, source, frames, form, wanted, mono=not same)
        return Variant(path, form, mark)

    async def tidy(self) -> None:
        """Remove variants that nobody has asked for lately. Raises OSError."""
        await self._variants.tidy()

    # --- what is removed --------------------------------------------------------------------------------------

    async def delete(self, recording: Recording) -> None:
        """Remove every file and object of a deleted recording, also those being made. Raises OSError, MediaAway."""
        if self._archive is not None:
            await self._archive.forget(recording.id)
        await self._variants.forget(recording.id)
        root = self._root_of(recording)
        try:
            left = await self._in_thread(root, lambda: self._removal.delete(recording, root))
            if left is not None:
                self._observe(ClearingFailed(recording.id, left))
        finally:
            if recording.stored or recording.unstored:
                await self._delete_objects(recording)
        await self._in_thread(root, lambda: self._removal.clear(recording, root))

    async def _delete_objects(self, recording: Recording) -> None:
        if self._archive is None:
            raise MediaAway("its objects are in a media store, and there is none in the settings (media.store)")
        await self._archive.delete(recording)

    async def condemn(self, recording: Recording) -> None:
        """Note that a recording is about to be deleted. Raises MediaAway."""
        if recording.stored and self._archive is None:
            raise MediaAway("its objects are in a media store, and there is none in the settings (media.store)")
        await self._in_thread(self._root_of(recording), lambda: self._note(recording, Doomed.DELETED))
        self._removal.condemned.add(recording.id)

    async def clear(self, recording: Recording) -> None:
        """Remove all of a deleted recording; the files of one that the media store has; a master no longer needed.

        Never raises: what could not be removed is ``uncleared``.
        """
        root = self._root_of(recording)
        try:
            if recording.deleted_at is not None:
                self._fresh.discard(recording.id)
                await self.delete(recording)
                return
            if recording.id in self._fresh:
                self._fresh.discard(recording.id)
                if recording.stored:
                    await asyncio.sleep(self._linger)
            await self._in_thread(root, lambda: self._removal.clear(recording, root))
        except (OSError, ValueError, MediaAway) as error:
            if not recording.unstored:  # else its row says what is left to do
                self._uncleared.add(recording.id)
            self._observe(ClearingFailed(recording.id, f"{type(error).__name__}: {error}"))

    async def to_clear(self) -> Sequence[str]:
        """Return the ids of recordings for which something is noted."""
        try:
            return await self._in_thread(None, self._removal.notes.recordings)
        except OSError as error:
            self._observe(ClearingFailed("", f"{type(error).__name__}: {error}"))
            return ()

    async def began(self, recording: Recording) -> float | None:
        """Return since when a master is written, in Unix seconds; None where it does not tell."""
        root = self._root_of(recording)
        if root is None:
            return None
        try:
            return await self._in_time(root.local_path, lambda: roots.since(root, recording.path))
        except OSError:
            return None

    async def begun(self, recording: Recording) -> bool:
        """Tell whether a master is there; true as well where that cannot be known."""
        root = self._root_of(recording)
        if root is None:
            return True
        try:
            return await self._in_time(root.local_path, lambda: roots.may_be_there(root, recording.path))
        except OSError:
            return True

    def _root_of(self, recording: Recording) -> Root | None:
        """Return the directory that a recording lies in, its switch's first; that one where it lies in none."""
        own = self._roots.get(recording.owner.switch)
        if own is not None and own.has(recording.path):
            return own
        return next((root for root in self._roots.values() if root.has(recording.path)), own)

    async def room(self, switch: str) -> Room:
        """Return the room on the disk where a switch's masters lie.

        Raises KeyError, and OSError, with the fix, where the directory is not as it should be or does not answer in
        time (a dead mount).
        """
        root = self._roots[switch]

        def look() -> Room:
            problems = roots.directory_problems(root)
            if problems:
                raise OSError(errno.ENOTDIR, "; ".join(problems))
            return room_of(root.local_path)

        return await self._in_time(root.local_path, look)

    async def room_for_copies(self) -> Room:
        """Return the room on the disk of our own copies. Raises OSError."""
        return await self._in_time(self._derived, lambda: room_of(self._derived))

    async def _in_thread(self, root: Root | None, work: Callable[[], _T]) -> _T:
        """Work in the threads of a directory; without one, in those of all that has none."""
        pool = None if root is None else self._pools[root.local_path]
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    async def _in_time(self, directory: Path, work: Callable[[], _T]) -> _T:
        """Look at a directory, apart from other work there. A look that is given up is not begun later."""
        looking = asyncio.get_running_loop().run_in_executor(self._looks[directory], work)
        done, _ = await asyncio.wait((looking,), timeout=self._look_within)
        if not done:
            looking.cancel()
            raise OSError(errno.ETIMEDOUT, f"does not answer within {self._look_within:g} s: is its mount dead?")
        return looking.result()

    def _wav_of(self, recording: Recording, measured: Measured | None) -> Path:
        if measured is not None and measured.derived:
            return self._copy_of(recording)
        root = self._root_of(recording)
        if recording.stored and (root is None or not root.has(recording.path)):
            return self._copy_of(recording)  # its directory left the settings: the media store has it
        if root is None:
            raise KeyError(recording.owner.switch)
        return root.local(recording.path)

    def _measure(self, recording: Recording, path: Path | None) -> tuple[Measured, master.MasterExamined]:
        measured, examined = master.measure(recording, path, self._copy_of(recording))
        if measured.trimmed and not self._removal.keep_untrimmed:
            self._note(recording, Doomed.UNTRIMMED)
        return measured, examined

    def _note(self, recording: Recording, what: Doomed) -> None:
        try:
            self._removal.notes.make(recording.id, what)
        except OSError as error:
            raise MediaAway(f"nothing can be noted in {self._derived}: {error.strerror or error}") from error

    def _copy_of(self, recording: Recording, form: str = WAV) -> Path:
        return copy_of(self._derived, recording, form)
