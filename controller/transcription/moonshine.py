"""Moonshine's small English model, which its package carries: offline, each recording in a process of its own.

A process and its model are there in a third of a second, so none is kept for the next recording: two hundred
megabytes go with it, and what one file makes of it no other file meets. It transcribes some fifty seconds a second,
on one thread, and makes way for everything else on the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from controller.media.processes import NoProcess, Processes, ProcessLost
from controller.transcription.events import TranscriberLost
from controller.transcription.job import TranscriptionJob
from controller.transcription.ports import TranscriptionFailed

TRIES = 2
STALL = 180.0
"""Seconds without progress after which a process is taken for hung: it tells of each half minute of audio, which is
half a second's work on a machine that has nothing better to do."""
MOST, EACH = 4 << 20, 40
"""Characters that a process may say, and those that each of its messages counts beyond what it says: nobody speaks so
much in four hours, on two channels, in sentences of a second each."""
COMMAND = (sys.executable, "-P", "-m", "controller.transcription.moonshine_worker")
INSTALL = "pip install 'fsrec[transcription]'"


def missing() -> str | None:
    """Return why the engine can't be had, with what mends it; None where it can."""
    if find_spec("moonshine_voice") is not None:
        return None
    return f"the moonshine engine is not installed: {INSTALL}"


class Moonshine:
    """Implements ``ports.Engine``: ``workers`` processes at a time, ``TRIES`` for each file.

    One that does not get on for ``stall`` seconds is killed; ``observe`` gets ``TranscriberLost``.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        stall: float = STALL,
        command: Sequence[str] = COMMAND,
        observe: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._processes = Processes(workers=workers, stall=stall, command=command)
        self._observe = observe

    async def transcribe(self, wav: Path, seconds: float, progress: Callable[[float], None]) -> str:
        """Return what is said in a WAV. Cancelling it kills its process. Raises TranscriptionFailed."""
        async with self._processes.room:
            attempt = 0
            while True:
                attempt += 1
                try:
                    return await self._attempt(TranscriptionJob(str(wav)), seconds, progress)
                except ProcessLost as lost:
                    self._observe(TranscriberLost(wav.stem, attempt, str(lost)))
                    if attempt == TRIES:
                        raise TranscriptionFailed(
                            f"the process that transcribes it {lost}, {attempt} times"
                        ) from None

    async def close(self) -> None:
        """Wait for the ends of processes whose jobs were cancelled."""
        await self._processes.close()

    async def _attempt(self, job: TranscriptionJob, seconds: float, progress: Callable[[float], None]) -> str:
        said: list[str] = []
        left = MOST

        def hear(message: dict[str, Any]) -> None:
            nonlocal left
            left -= EACH
            match message:
                case {"said": str(text)}:
                    left -= len(text)
                    said.append(text)
                case {"heard": float(heard)}:
                    progress(min(heard, seconds))
            if left < 0:
                raise ProcessLost("said more than anybody says in four hours")

        try:
            last = await self._processes.run(job, hear)
        except NoProcess as error:
            raise TranscriptionFailed(f"no process can be started to transcribe it: {error}") from error
        match last:
            case {"failed": str(why), "fault": "source"}:
                raise TranscriptionFailed(f"its file can't be read: {why}")
            case {"failed": str(why)}:
                raise TranscriptionFailed(missing() or f"the moonshine engine failed: {why}")
        return " ".join(said)
