"""Evaluates expressions of documents in processes of their own, so that none can hold or harm the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from controller.calls.events import EngineUnconfined
from controller.documents.steps import MOST_ANSWERED, Evaluate, Evaluated, Evaluation
from controller.telemetry import Hook
from controller.turns import Turns

WORKERS = 2
"""Processes at most: one runaway expression leaves the other calls one."""

PATIENCE = 3.0
"""Seconds on the clock that an answer is waited for; its process ends itself long before, by its processor time."""

LATE_ANSWER = 0.25
"""Seconds more: when the loop itself was late, the answer is there and only has to be read."""

STARTING = 10.0
"""Seconds that a new process is given to be ready."""

LONGEST_ANSWER = 1_048_576
"""Bytes of an answer; a value of 65,536 characters, every one escaped, is shorter."""

LONGEST_QUESTION = 4_194_304
"""Characters of an expression and its variables; the most that a call may have, all of them escaped, are less."""

RUNAWAY = 0.3
"""Seconds that an expression is counted with whose process gave no answer: its processor time."""

LEAST = 0.0005
"""Seconds that an expression is counted with at least: a kernel may count in ticks of some milliseconds."""

ENDING = 1.0
"""Seconds that a process has to be gone whose pipe is closed."""

REMEMBERED = 10_000
"""Calls of which is remembered how much engine time they had, the latest ones."""

_PROCESS = Path(__file__).with_name("evaluate_process.py")
_LATE = "it took longer than 150 ms"
_UNSTARTED = (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


def _unheard(_event: object) -> None:
    """Tell nobody."""


@dataclass(slots=True, eq=False)
class _Engine:
    """A process, and the variables that it had last."""

    process: asyncio.subprocess.Process
    scope: str = ""


@dataclass(slots=True)
class _Budget:
    """What is left for one step: expressions that may meet a limit, seconds of an engine, characters of values."""

    overruns: int
    seconds: float
    answers: int = MOST_ANSWERED

    def refusal(self) -> str | None:
        """Return why nothing more is evaluated, None while something is."""
        if self.overruns <= 0:
            return "too many expressions of this call met a limit"
        if self.seconds <= 0:
            return "the expressions of this call used too much time"
        if self.answers <= 0:
            return f"the values of the expressions before it are longer than {MOST_ANSWERED} characters"
        return None


@dataclass(slots=True)
class Evaluator:
    """A few processes, begun when they are first needed. The call that had the least of them goes first."""

    workers: int = WORKERS
    patience: float = PATIENCE
    observe: Hook = _unheard
    _idle: list[_Engine] = field(default_factory=list)
    _all: set[_Engine] = field(default_factory=set)
    _turns: Turns | None = None
    _had: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _told: bool = False
    _ending: set[asyncio.Task[int]] = field(default_factory=set)

    async def carry_out(self, step: Evaluate, call: str = "") -> Evaluated:
        """Return what became of the expressions of a call's step. Never raises for what an expression does.

        The first one that is left out for a bound of the step has that as its error; those after it lack.
        """
        await asyncio.sleep(0)  # others have their turn, even where nothing is asked
        if self._turns is None:
            self._turns = Turns(self.workers)
        scope = _text(step.scope)
        budget = _Budget(step.overruns_left, step.seconds_left)
        results: list[Evaluation] = []
        for expression in step.expressions:
            refusal = budget.refusal()
            if refusal is None and len(expression) + len(scope) > LONGEST_QUESTION:
                refusal = f"it and its variables are longer than {LONGEST_QUESTION} characters"
            if refusal is not None:
                results.append(Evaluation(error=refusal))
                break
            async with self._turns.turn(self._had.get(call, 0.0)):
                result, seconds, size = await self._one(expression, scope)
            self._spent(call, seconds)
            budget.seconds -= seconds
            budget.answers -= size
            budget.overruns -= result.overran
            results.append(result)
        return Evaluated(tuple(results), step.seconds_left - budget.seconds)

    async def close(self) -> None:
        """End every process."""
        for engine in list(self._all):
            self._kill(engine)
        self._idle.clear()
        await asyncio.gather(*self._ending)

    def _spent(self, call: str, seconds: float) -> None:
        self._had[call] = self._had.pop(call, 0.0) + seconds
        while len(self._had) > REMEMBERED:
            self._had.popitem(last=False)

    async def _one(self, expression: str, scope: str) -> tuple[Evaluation, float, int]:
        """Return what became of an expression, its seconds of an engine, and its value's characters of JSON."""
        try:
            engine = await self._engine()
        except _UNSTARTED as error:
            return Evaluation(error=f"no engine could be started: {type(error).__name__}"), 0.0, 0
        question = orjson.dumps([expression, None if engine.scope == scope else scope])
        try:
            answer: Mapping[str, Any] = orjson.loads(await self._in_time(_ask(engine.process, question)))
        except TimeoutError:  # its processor time was not over: what held it up was not the expression
            await self._kill(engine)
            return Evaluation(error=f"its engine gave no answer within {self.patience:g} s"), RUNAWAY, 0
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            with contextlib.suppress(TimeoutError):  # to kill it would take its true end away
                await asyncio.wait_for(engine.process.wait(), ENDING)
            await self._kill(engine)
            late = engine.process.returncode == -signal.SIGPROF
            return Evaluation(error=_LATE if late else "its engine ended", overran=True), RUNAWAY, 0
        except BaseException:  # cancelled: the process is in the middle of an answer
            self._kill(engine)
            raise
        engine.scope = scope
        self._idle.append(engine)
        result = Evaluation(answer.get("value"), answer.get("error"), bool(answer.get("overran")))
        return result, max(LEAST, float(answer.get("spent", 0.0))), int(answer.get("size", 0))

    async def _in_time(self, asked: asyncio.Future[bytes]) -> bytes:
        """Return an answer that is there in time, or was there when the loop came to look. Raises TimeoutError."""
        try:
            for seconds in (self.patience, LATE_ANSWER):
                done, _ = await asyncio.wait({asked}, timeout=seconds)
                if done:
                    return asked.result()
            raise TimeoutError
        finally:
            asked.cancel()

    async def _engine(self) -> _Engine:
        while self._idle:
            engine = self._idle.pop()
            if engine.process.returncode is None:
                return engine
            self._all.discard(engine)
        return await self._begin()

    async def _begin(self) -> _Engine:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_PROCESS),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={},
            limit=LONGEST_ANSWER,
            start_new_session=True,
        )
        engine = _Engine(process)
        self._all.add(engine)
        try:
            hello = orjson.loads(await asyncio.wait_for(_line(process), STARTING))
            unfiltered = str(hello["unfiltered"])
        except (KeyError, TypeError):
            self._kill(engine)
            raise ValueError("no process of ours") from None
        except BaseException:
            self._kill(engine)
            raise
        if unfiltered and not self._told:
            self._told = True
            self.observe(EngineUnconfined(unfiltered))
        return engine

    def _kill(self, engine: _Engine) -> asyncio.Task[int]:
        """End a process, now; the task is done when it is gone."""
        if engine.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                engine.process.kill()
        self._all.discard(engine)
        ended = asyncio.get_running_loop().create_task(engine.process.wait())
        self._ending.add(ended)
        ended.add_done_callback(self._ending.discard)
        return ended


def _text(scope: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(scope).decode()
    except TypeError:  # integers over 64 bits, lone surrogates
        return json.dumps(scope)


def _ask(process: asyncio.subprocess.Process, question: bytes) -> asyncio.Future[bytes]:
    async def asked() -> bytes:
        if process.stdin is None:
            raise ValueError("a process without pipes")
        process.stdin.write(question + b"\n")
        await process.stdin.drain()
        return await _line(process)

    return asyncio.ensure_future(asked())


async def _line(process: asyncio.subprocess.Process) -> bytes:
    """Return a line of a process. Raises ValueError, LimitOverrunError, IncompleteReadError."""
    if process.stdout is None:
        raise ValueError("a process without pipes")
    return await process.stdout.readuntil()
