"""Encoding outside the daemon, each file in a process of its own (DESIGN section 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.media import wav
from controller.media.job import Job
from controller.media.processes import STALL, NoProcess, Processes, ProcessLost
from controller.recordings.ports import MediaAway

TRIES = 3


class Unencodable(Exception):
    """The file can't be encoded, and trying again is pointless; the text says why."""


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

    One that doesn't get on for ``stall`` seconds is killed; ``ready``: one more waits for the next file, so that it
    is loaded by then. ``observe`` gets ``EncoderLost``.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        tries: int = TRIES,
        stall: float = STALL,
        command: Sequence[str] | None = None,
        ready: bool = False,
        observe: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._processes = Processes(workers=workers, stall=stall, command=command, ready=ready)
        self._tries = tries
        self._observe = observe

    async def encode(self, recording: str, job: Job) -> int:
        """Have a file encoded; return its bytes. Cancelling it kills its process.

        Raises Unencodable, MediaAway where the fault is this machine's (no room, no process), wav.ReadError where
        the source can't be read.
        """
        async with self._processes.room:
            attempt = 0
            while True:
                attempt += 1
                try:
                    return await self._attempt(job)
                except ProcessLost as lost:
                    self._observe(EncoderLost(recording, attempt, str(lost)))
                    if attempt == self._tries:
                        raise Unencodable(f"the process that encodes it {lost}, {attempt} times") from None

    async def close(self) -> None:
        """Wait for the ends of processes whose jobs were cancelled, and take no more."""
        await self._processes.close()

    async def _attempt(self, job: Job) -> int:
        try:
            message = await self._processes.run(job)
        except NoProcess as error:
            raise MediaAway(f"no process can be started to encode: {error}") from error
        match message:
            case {"size": int(size)}:
                return size
            case {"failed": str(why), "fault": "source"}:
                raise wav.ReadError(why)
            case {"failed": str(why), "fault": "target"}:
                raise MediaAway(f"it can't be encoded now: {why}")
        raise Unencodable(str(message["failed"]))
