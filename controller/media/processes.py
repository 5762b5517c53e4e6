"""Processes that work on one file each, a few at a time, and may crash or hang (DESIGN section 4).

A new process for each file needs no care: nothing of one file is left for the next, a crash or a kill hits one job,
and its memory goes with it. It costs some 100 ms, in which it loads FFmpeg. Where somebody waits for the files one is
``ready`` for the next file, from the end of the first one on: nothing is started before there is a file to work on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson

import controller

STALL = 60.0
"""Seconds without progress after which a process is taken for hung; it tells of each half minute of audio or so."""
REAP = 5.0
"""Seconds that a killed process may take to be gone; one whose disk hangs takes as long as the disk does."""
COMMAND = (sys.executable, "-P", "-m", "controller.media.worker")


class Task(Protocol):
    """What a process is asked to do."""

    def text(self) -> str:
        """Return JSON, without a line's end in it."""
        ...


class ProcessLost(Exception):
    """The process crashed or hung; the text says how, as the end of a sentence about it."""


class NoProcess(Exception):
    """No process can be started; the text says why."""


class Processes:
    """``workers`` processes at a time (half the processors, but two); more jobs wait for their turn.

    One that doesn't get on for ``stall`` seconds is killed. ``ready``: one more waits for the next job, idle.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        stall: float = STALL,
        command: Sequence[str] | None = None,
        ready: bool = False,
    ) -> None:
        self.room = asyncio.Semaphore(workers or max(2, (os.cpu_count() or 1) // 2))
        self._stall = stall
        self._command = tuple(command or COMMAND)
        self._ready = ready
        self._next: asyncio.Task[Process | None] | None = None
        self._leaving: set[asyncio.Task[int]] = set()

    async def run(self, task: Task, heard: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        """Have a job done by a process of its own, within ``room``; return its last message.

        ``heard`` gets those before it. Cancelling it kills the process. Raises ProcessLost, NoProcess.
        """
        process = await self._idle() or await self._start()
        try:
            assert process.stdin is not None  # noqa: S101 - it was asked for
            process.stdin.write(f"{task.text()}\n".encode())
            return await self._answer(process, heard)
        finally:
            self._end(process)
            if self._ready and self._next is None:
                self._next = asyncio.get_running_loop().create_task(self._prepared())

    async def close(self) -> None:
        """Wait for the ends of processes whose jobs were cancelled, and of the one that has none; take no more."""
        self._ready = False
        process = await self._idle()
        if process is not None:
            self._end(process)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=REAP)

    async def _start(self) -> Process:
        try:
            return await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, env=_environment())
        except OSError as error:
            raise NoProcess(str(error.strerror or error)) from error

    async def _prepared(self) -> Process | None:
        """Start one for the next job, which starts its own where that is not possible now."""
        with contextlib.suppress(NoProcess):
            return await self._start()
        return None

    async def _idle(self) -> Process | None:
        """Take the one that waits for a job; None where there is none, or it is gone."""
        coming, self._next = self._next, None
        process = None if coming is None else await coming
        return process if process is not None and process.returncode is None else None

    async def _answer(self, process: Process, heard: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        while True:
            try:
                async with asyncio.timeout(self._stall):
                    line = await process.stdout.readline()
                    if not line:
                        raise ProcessLost(_ending(await process.wait()))
                message = orjson.loads(line)
            except TimeoutError:
                raise ProcessLost(f"did not get on for {self._stall:g} s") from None
            except ValueError as error:  # also a line without an end
                raise ProcessLost(f"said what can't be read: {error}"[:200]) from None
            match message:
                case {"size": int()} | {"failed": str(), "fault": str()}:
                    return dict(message)
                case dict():
                    heard(message)
                    await asyncio.sleep(0)  # one that says much is not all that is listened to

    def _end(self, process: Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()  # having answered it ends anyhow; this is for one that didn't
        leaving = asyncio.get_running_loop().create_task(_gone(process))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


async def _gone(process: Process) -> int:
    """Wait until a killed process is gone, and read what it left: its pipe is held as long as there is some."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    while await process.stdout.read(1 << 16):
        pass
    return await process.wait()


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
