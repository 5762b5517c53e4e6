"""The files of recordings: where they are, what is in them, and which copy is served (DESIGN sections 4 and 6).

A switch owns its masters; they are only read. Where one isn't fit to be served as it is (its header was never
finished, or it has skipped pauses in it), a copy is made under ``derived``, whole or not at all, and the same again
whenever an examination is repeated after a crash. Other formats than WAV are made there, of what would be served.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from controller.media import breaks, cut, durable, wav
from controller.media.encoders import DerivativeFailed, DerivativeMade, Encoders, Unencodable
from controller.media.job import Job
from controller.recordings.model import Measured, PauseBehavior, Recording
from controller.recordings.ports import Found, MediaAway, Unfinished

SETTLE = (0.05, 0.15, 0.3, 0.5)
"""Seconds between looks at a master that is missing or unfinished. On a local disk it is final when RECORD_STOP is
fired (spec/freeswitch.md 1.10); a shared one shows it here a little later. A second in all: callbacks wait."""
WORKERS = 4
"""Threads for each root: a mount that hangs holds up nothing but its own recordings."""
LOOK_WITHIN = 5.0
"""Seconds within which a directory answers, or is told as one that hangs."""
WAV = "wav"
FORMATS = (WAV, "mp3", "mp4")
RATE_DIRECTORIES = ("8000", "16000", "32000", "48000")
_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Root:
    """One directory as each side sees it: ``switch_path`` on the switch, ``local_path`` here.

    ``switch_path`` becomes part of commands: absolute, of letters, digits and ``. _ -`` only. Raises ValueError.
    """

    switch_path: str
    local_path: Path

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.switch_path) or ".." in PurePosixPath(self.switch_path).parts:
            raise ValueError(
                f"switch_path {self.switch_path!r} must be absolute, without a slash at its end or '..', and of "
                "letters, digits, '.', '_' and '-' only: it becomes part of commands to the switch"
            )

    def local(self, path: str) -> Path:
        """Map a master's path on the switch to where it is here. Raises ValueError for one that isn't inside."""
        pure = PurePosixPath(path)
        if not _PATH.fullmatch(path) or ".." in pure.parts or not pure.is_relative_to(self.switch_path):
            raise ValueError(
                f"its path {path[:200]!r} is not inside {self.switch_path}, the switch's recording directory"
            )
        found = self.local_path / pure.relative_to(self.switch_path)
        if not found.parent.resolve().is_relative_to(self.local_path.resolve()):
            raise ValueError(f"its directory {found.parent} leads out of {self.local_path}")
        return found


@dataclass(frozen=True, slots=True)
class MasterExamined:
    """A master was measured: what was mended, how many seconds of skipped pauses were cut, how many weren't found."""

    recording: str
    duration: float
    size: int
    mended: bool
    cut_seconds: float
    missed_pauses: int


class DiskMedia:
    """Masters on disks that switch and daemon share; satisfies ``recordings.ports.Media``.

    ``roots`` maps a switch's name to its ``Root``; ``derived`` holds copies of ours, made when needed; ``settle`` are
    the seconds between looks at a master that isn't there or isn't finished; ``workers`` threads work for each
    directory, which answers a look at itself ``look_within`` seconds; ``encoders``, closed by whoever gave them, make
    other formats than WAV; ``observe`` gets ``MasterExamined``, ``DerivativeMade`` and ``DerivativeFailed``.
    """

    def __init__(
        self,
        roots: Mapping[str, Root],
        derived: Path,
        *,
        settle: Sequence[float] = SETTLE,
        workers: int = WORKERS,
        look_within: float = LOOK_WITHIN,
        encoders: Encoders | None = None,
        observe: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._roots = dict(roots)
        self._derived = derived
        self._settle = tuple(settle)
        self._observe = observe
        self._look_within = look_within
        self._encoders = encoders or Encoders()
        paths = {root.local_path for root in self._roots.values()}
        self._pools = {path: ThreadPoolExecutor(workers, thread_name_prefix="media") for path in paths}
        self._looks = {path: ThreadPoolExecutor(1, thread_name_prefix="disk") for path in paths}

    def close(self) -> None:
        """Let running work end and take no more."""
        for pool in (*self._pools.values(), *self._looks.values()):
            pool.shutdown(wait=True, cancel_futures=True)

    def master_path(self, switch: str, identity: str) -> str:
        """Return the path on the switch for a recording's master, made of its id alone. Raises KeyError, ValueError.

        All lie in one directory: FreeSWITCH makes a missing one with mode 0750, owned by itself, so files in any
        below it would be out of the reader's reach, and one that can't be made fails the start. Nothing lists it.
        """
        if not _ID.fullmatch(identity):
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
        """Return the WAV that is served, or that what is served was made of. Raises KeyError, ValueError, OSError."""
        root = self._root_of(recording)
        if root is None:
            raise KeyError(recording.owner.switch)
        return await self._in_thread(root, lambda: self._wav_of(recording, recording.measured))

    def seen_by(self, switch: str, recording: Recording) -> str | None:
        """Return the path on a switch of a master that is served as it is; None where the switch does not see it.

        A copy of ours (mended, or cut) lies where no switch need see it.
        """
        root, own = self._roots.get(switch), self._root_of(recording)
        if root is None or own is None or recording.measured is None or recording.measured.derived:
            return None
        if root.local_path != own.local_path:
            return None
        path = PurePosixPath(recording.path)
        inside = path.is_relative_to(own.switch_path) and ".." not in path.parts and _PATH.fullmatch(recording.path)
        return f"{root.switch_path}/{path.relative_to(own.switch_path)}" if inside else None

    async def examine(self, recording: Recording, *, closed: bool = True) -> Found:
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
            look = await self._in_thread(root, lambda: _look(root, recording.path))
            deleted = look.missing and recording.measured is not None  # for being empty: the switch said so
            if look.final or deleted or delay is None:
                break
            if look.problem is None and not closed:
                raise Unfinished(look.size)
            await asyncio.sleep(delay)
        if look.problem is not None and not deleted:
            return Found(None, look.problem)
        master = None if deleted else root.local(recording.path)
        measured, examined = await self._in_thread(root, lambda: self._measure(recording, master))
        self._observe(examined)
        return await self._derive(recording, measured, root)

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

    async def discard(self, recording: Recording) -> None:
        """Remove a recording's master and every copy of ours. Raises OSError where one can't be removed."""
        root = self._root_of(recording)
        if root is None:
            await asyncio.get_running_loop().run_in_executor(None, self._discard_copies, recording)
        else:
            await self._in_thread(root, lambda: self._discard(recording, root))

    def _discard(self, recording: Recording, root: Root) -> None:
        try:
            master = root.local(recording.path)
        except ValueError:
            master = None  # it was never there
        if master is not None:
            master.unlink(missing_ok=True)
        self._discard_copies(recording)

    def _discard_copies(self, recording: Recording) -> None:
        directory = self._copy_of(recording).parent
        for copy in directory.glob(f"{recording.id}*") if directory.is_dir() else ():
            copy.unlink(missing_ok=True)

    async def begun(self, recording: Recording) -> bool:
        """Tell whether a master is there; true as well where that cannot be known."""
        root = self._root_of(recording)
        if root is None:
            return True
        try:
            return await self._in_time(root, lambda: _may_be_there(root, recording.path))
        except OSError:
            return True

    def _root_of(self, recording: Recording) -> Root | None:
        """Return the directory of a recording's switch, or, where that left the settings, the one it lies in."""
        root = self._roots.get(recording.owner.switch)
        if root is None:
            above = PurePosixPath(recording.path).parent
            root = next((known for known in self._roots.values() if above == PurePosixPath(known.switch_path)), None)
        return root

    async def free_bytes(self, switch: str) -> int:
        """Return the bytes an ordinary writer may still use where the masters lie. Raises OSError, KeyError."""
        root = self._roots[switch]
        return await self._in_time(root, lambda: shutil.disk_usage(root.local_path).free)

    async def problems(self, switch: str) -> tuple[str, ...]:
        """Return what is wrong with a switch's directory as seen from here, each with its fix.

        Raises KeyError, and OSError where it does not answer in time (a dead mount).
        """
        root = self._roots[switch]
        return await self._in_time(root, lambda: tuple(_directory_problems(root)))

    async def _in_thread(self, root: Root, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pools[root.local_path], work)

    async def _in_time(self, root: Root, work: Callable[[], _T]) -> _T:
        """Look at a directory, apart from other work there. A look that is given up is not begun later."""
        looking = asyncio.get_running_loop().run_in_executor(self._looks[root.local_path], work)
        done, _ = await asyncio.wait((looking,), timeout=self._look_within)
        if not done:
            looking.cancel()
            raise OSError(errno.ETIMEDOUT, f"does not answer within {self._look_within:g} s: is its mount dead?")
        return looking.result()

    def _wav_of(self, recording: Recording, measured: Measured | None) -> Path:
        if measured is not None and measured.derived:
            return self._copy_of(recording)
        root = self._root_of(recording)
        if root is None:
            raise KeyError(recording.owner.switch)
        return root.local(recording.path)

    def _copy_of(self, recording: Recording, form: str = WAV) -> Path:
        if not _ID.fullmatch(recording.id):
            raise ValueError(f"{recording.id!r} is no recording id (uuid4)")
        return self._derived / recording.id[:2] / f"{recording.id}.{form}"

    def _measure(self, recording: Recording, master: Path | None) -> tuple[Measured, MasterExamined]:
        with nullcontext(-1) if master is None else wav.opened(master) as source:
            if master is None or os.fstat(source).st_size == 0:
                # The switch wrote nothing, not even a header, or deleted it: length zero, in the form asked for.
                channels = recording.request.channel_count
                found = wav.Wav(recording.owner.rate, channels, 0, 0, 0, finished=False, size=0)
            else:
                found = wav.measure(source)
            cuts = cut.Cuts(())
            put_in: tuple[breaks.Gap, ...] = ()
            if recording.started_at is not None:
                put_in = breaks.gaps(found, recording.pauses, recording.started_at, recording.breaks)
            if any(pause.behavior is PauseBehavior.SKIP for pause in recording.pauses):
                if recording.started_at is None:
                    cuts = cut.Cuts((), missed=len(recording.pauses))
                else:
                    began, gone = recording.started_at, recording.breaks
                    pauses = breaks.pauses_on_file(recording.pauses, began, gone)
                    ended = None if recording.ended_at is None else breaks.on_file(recording.ended_at, began, gone)
                    cuts = cut.find_cuts(source, found, pauses, 0.0, ended)
            derived = bool(cuts.spans) or bool(put_in) or not found.finished
            frames = found.frames - cuts.frames + sum(gap.frames for gap in put_in)
            size = found.size
            if derived:
                size = self._write_copy(self._copy_of(recording), source, found, cuts, put_in)
        measured = Measured(frames / found.rate, size, found.channels, found.rate, derived)
        return measured, MasterExamined(
            recording=recording.id,
            duration=measured.duration,
            size=size,
            mended=not found.finished,
            cut_seconds=cuts.frames / found.rate,
            missed_pauses=cuts.missed,
        )

    def _write_copy(
        self, path: Path, source: int, found: wav.Wav, cuts: cut.Cuts, put_in: Sequence[breaks.Gap]
    ) -> int:
        # One name for all attempts: what a crash left half written is overwritten, never gathered.
        unfinished = path.with_suffix(".part")
        try:
            return self._write(path, unfinished, source, found, cuts, put_in)
        except wav.ReadError:
            raise
        except OSError as error:
            raise MediaAway(f"no copy can be made in {self._derived}: {error.strerror or error}") from error

    def _write(
        self,
        path: Path,
        unfinished: Path,
        source: int,
        found: wav.Wav,
        cuts: cut.Cuts,
        put_in: Sequence[breaks.Gap],
    ) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(unfinished, flags, 0o640)
        try:
            frames = found.frames - cuts.frames + sum(gap.frames for gap in put_in)
            os.write(target, wav.header(found.rate, found.channels, frames))
            breaks.copy_with(source, found, cuts.kept(found.frames), put_in, target)
            os.fsync(target)
            size = os.fstat(target).st_size
        finally:
            os.close(target)
        durable.keep(unfinished, path)
        return size


class Look(NamedTuple):
    """What a look at a master found: what is wrong, if looking again is pointless, its bytes, if it's missing."""

    problem: str | None
    final: bool
    size: int = 0
    missing: bool = False


def _look(root: Root, path: str) -> Look:
    try:
        master = root.local(path)
    except ValueError as error:
        return Look(str(error), True)
    try:
        with wav.opened(master) as descriptor:
            size = os.fstat(descriptor).st_size
            return Look(None, size > 0 and wav.measure(descriptor).finished, size)
    except wav.WavError as error:
        return Look(f"{master.name} {error}", False)
    except OSError as error:
        away = _away(root)
        if away is not None:
            raise MediaAway(away) from error
        if isinstance(error, FileNotFoundError):
            return Look(f"{master.name} is not there", False, missing=True)
        if isinstance(error, PermissionError):  # a shared disk may show the mode late, too
            return Look(f"{master.name} may not be read: give this daemon the group of FreeSWITCH", False)
        if isinstance(error, NotADirectoryError):
            return Look(f"{master.parent} is no directory", True)
        raise


def _away(root: Root) -> str | None:
    """Return what is wrong with the directory: then nothing that it does not show is believed missing."""
    try:
        problems = _directory_problems(root)
    except OSError as error:
        return f"{root.local_path}: {error.strerror or error}"
    return problems[0] if problems else None


def _may_be_there(root: Root, path: str) -> bool:
    try:
        root.local(path).lstat()
    except FileNotFoundError:
        return _away(root) is not None
    except (OSError, ValueError):
        return True
    return True


def _directory_problems(root: Root) -> Sequence[str]:
    local = root.local_path
    if not local.exists():
        return [
            f"{local} does not exist: make it, writable for FreeSWITCH, or mount {root.switch_path} of the switch"
        ]
    if not local.is_dir():
        return [f"{local} is no directory: local_path names the directory that the switch sees as {root.switch_path}"]
    found = []
    if not os.access(local, os.R_OK | os.X_OK):
        found.append(f"{local} may not be read: give this daemon the group of FreeSWITCH")
    found += [
        f"{local / name} exists: FreeSWITCH would record there instead of in {local}; remove it"
        for name in RATE_DIRECTORIES
        if (local / name).is_dir()
    ]
    return found
