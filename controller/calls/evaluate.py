"""Evaluates expressions of documents in processes of their own, so that none can hold or harm the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from controller.documents.steps import Evaluate, Evaluated, Evaluation

WORKERS = 2
"""Processes at most: one runaway expression leaves the other calls one."""

PATIENCE = 1.0
"""Seconds on the clock that an expression is waited for. Its 150 ms are of processor time, on a machine with more
to do; what is not there after this is ended with its process."""

STARTING = 10.0
"""Seconds that a new process is given for its first answer."""

LONGEST_ANSWER = 1_048_576
"""Bytes of an answer; a value of 65,536 characters, every one escaped, is shorter."""

_WORKER = Path(__file__).with_name("evaluate_worker.py")
_LATE = Evaluation(error="it took longer than 150 ms", overran=True)


@dataclass(slots=True)
class Evaluator:
    """A few processes, begun when they are first needed; calls are served in the order in which they ask."""

    workers: int = WORKERS
    patience: float = PATIENCE
    _idle: list[asyncio.subprocess.Process] = field(default_factory=list)
    _all: set[asyncio.subprocess.Process] = field(default_factory=set)
    _gate: asyncio.Semaphore | None = None

    async def carry_out(self, step: Evaluate) -> Evaluated:
        """Return what became of each expression. Never raises for what an expression does."""
        await asyncio.sleep(0)  # others have their turn, even where nothing is asked
        scope = json.dumps(step.scope)
        if self._gate is None:
            self._gate = asyncio.Semaphore(self.workers)
        results = []
        for expression in step.expressions:
            async with self._gate:
                results.append(await self._one(expression, scope))
        return Evaluated(tuple(results))

    async def close(self) -> None:
        """End every process."""
        for process in list(self._all):
            await self._end(process)
        self._idle.clear()

    async def _one(self, expression: str, scope: str) -> Evaluation:
        try:
            process = await self._worker()
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            return Evaluation(error=f"no engine could be started: {type(error).__name__}")
        try:
            answer = await asyncio.wait_for(_ask(process, expression, scope), self.patience)
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
            await self._end(process)
            return _LATE
        except BaseException:  # cancelled: the process is in the middle of an answer
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            self._all.discard(process)
            raise
        self._idle.append(process)
        return Evaluation(answer.get("value"), answer.get("error"), bool(answer.get("overran")))

    async def _worker(self) -> asyncio.subprocess.Process:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
            self._all.discard(process)
        return await self._begin()

    async def _begin(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_WORKER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={},
            limit=LONGEST_ANSWER,
            start_new_session=True,
        )
        self._all.add(process)
        await asyncio.wait_for(_ask(process, "1", "{}"), STARTING)
        return process

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        self._all.discard(process)


async def _ask(process: asyncio.subprocess.Process, expression: str, scope: str) -> Mapping[str, Any]:
    """Return a process's answer. Raises ValueError where it is none, IncompleteReadError where there is none."""
    pipe, answers = process.stdin, process.stdout
    if pipe is None or answers is None:
        raise ValueError("a process without pipes")
    pipe.write(orjson.dumps([expression, scope]) + b"\n")
    await pipe.drain()
    line = await answers.readuntil()
    answer: Mapping[str, Any] = orjson.loads(line)
    return answer
