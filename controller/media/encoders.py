"""Encoding outside the daemon: a process for each file, a few at a time, that may crash or hang (DESIGN section 4).

A new process for each file costs some 80 ms and needs no care: nothing of one file is left for the next, a crash or a
kill hits one job, and its memory goes with it. Nothing is started before there is a file to encode.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

import controller
from controller.media import wav
from controller.media.job import Job
from controller.recordings.ports import MediaAway

TRIES = 3
STALL = 60.0
"""Seconds without progress after which a process is taken for hung; it tells of each half minute of audio or so."""
REAP = 5.0
"""Seconds that a killed process may take to be gone; one whose disk hangs takes as long as the disk does."""
COMMAND = (sys.executable, "-P", "-m", "controller.media.worker")


class Unencodable(Exception):
    """The file can't be encoded, and trying again is pointless; the text says why."""


class _Lost(Exception):
    """The process crashed or hung."""


@dataclass(frozen=True, slots=True)
class EncoderLost:
    """A process that encoded a recording crashed or hung; ``attempt`` counts from 1."""

    recording: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class DerivativeMade:
    """A recording was encoded as it was asked for: ``size`` bytes in ``format``, after ``duration`` seconds."""

    recording: str
    format: str
    size: int
    duration: float


@dataclass(frozen=True, slots=True)
class DerivativeFailed:
    """A recording could not be encoded as ``format``; it is served, and told, as WAV."""

    recording: str
    format: str
    reason: str


class Encoders:
    """Processes that encode: ``workers`` at a time (half the processors, but two), ``tries`` for each file.

    One that doesn't get on for ``stall`` seconds is killed; ``observe`` gets ``EncoderLost``.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        tries: int = TRIES,
        stall: float = STALL,
        command: Sequence[str] | None = None,
        observe: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._room = asyncio.Semaphore(workers or max(2, (os.cpu_count() or 1) // 2))
        self._tries = tries
        self._stall = stall
        self._command = tuple(command or COMMAND)
        self._observe = observe
        self._leaving: set[asyncio.Task[int]] = set()

    async def encode(self, recording: str, job: Job) -> int:
        """Have a file encoded; return its bytes. Cancelling it kills its process.

        Raises Unencodable, MediaAway where the fault is this machine's (no room, no process), wav.ReadError where
        the source can't be read.
        """
        async with self._room:
            attempt = 0
            while True:
                attempt += 1
                try:
                    return await self._attempt(job)
                except _Lost as lost:
                    self._observe(EncoderLost(recording, attempt, str(lost)))
                    if attempt == self._tries:
                        raise Unencodable(f"the process that encodes it {lost}, {attempt} times") from None

    async def close(self) -> None:
        """Wait for the ends of processes whose jobs were cancelled."""
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=REAP)

    async def _attempt(self, job: Job) -> int:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, env=_environment()
            )
        except OSError as error:
            raise MediaAway(f"no process can be started to encode: {error.strerror or error}") from error
        try:
            assert process.stdin is not None  # noqa: S101 - it was asked for
            process.stdin.write(f"{job.text()}\n".encode())
            return await self._answer(process)
        finally:
            self._end(process)

    async def _answer(self, process: Process) -> int:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        while True:
            try:
                async with asyncio.timeout(self._stall):
                    line = await process.stdout.readline()
                    if not line:
                        raise _Lost(_ending(await process.wait()))
                message = orjson.loads(line)
            except TimeoutError:
                raise _Lost(f"did not get on for {self._stall:g} s") from None
            except ValueError as error:  # also a line without an end
                raise _Lost(f"said what can't be read: {error}"[:200]) from None
            match message:
                case {"size": int(size)}:
                    return size
                case {"failed": str(why), "fault": "source"}:
                    raise wav.ReadError(why)
                case {"failed": str(why), "fault": "target"}:
                    raise MediaAway(f"it can't be encoded now: {why}")
                case {"failed": str(why)}:
                    raise Unencodable(why)

    def _end(self, process: Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()  # having answered it ends anyhow; this is for one that didn't
        leaving = asyncio.get_running_loop().create_task(process.wait())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


def _ending(code: int) -> str:
    """Say how a process ended that gave no answer."""
    if code >= 0:
        return f"ended with status {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


def _environment() -> dict[str, str]:
    """Return ours, in which the process finds this very package, whatever made it importable here."""
    package = str(Path(controller.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))}
