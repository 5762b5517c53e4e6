"""Expressions in processes of their own: values, limits, hostile ones, and what stays of the loop meanwhile."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from controller.calls import evaluate_worker
from controller.calls.evaluate import Evaluator
from controller.documents.steps import Evaluate, Evaluation


@pytest_asyncio.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    """One process, and less patience than usual."""
    made = Evaluator(workers=1, patience=0.6)
    yield made
    await made.close()


async def one(evaluator: Evaluator, expression: str, **scope: Any) -> Evaluation:
    """What becomes of one expression."""
    return (await evaluator.carry_out(Evaluate((expression,), scope))).results[0]


def process_of(evaluator: Evaluator) -> asyncio.subprocess.Process:
    (process,) = evaluator._all
    return process


async def test_values_come_back_in_their_order_and_types(evaluator: Evaluator) -> None:
    """Several expressions of one step, over variables that no JSON of 64 bits could hold too."""
    expressions = ("a + 1", "[a, {b: null}]", "'ä😀' + '\\n'", "big > 1", "undefined", "a.b.c")
    found = await evaluator.carry_out(Evaluate(expressions, {"a": 41, "big": 10**30}))
    assert [result.value for result in found.results] == [42, [41, {"b": None}], "ä😀\n", True, None, None]
    assert [result.error is None for result in found.results] == [True] * 5 + [False]


RUNAWAYS = [
    "(() => { while (true); })()",
    "/(a+)+$/.test('a'.repeat(40) + 'b')",
    "(() => { throw {toString() { while (true); }} })()",
    "({toJSON() { while (true); }})",
    "(() => { const all = []; while (true) all.push('x'.repeat(1000)); })()",
    "'x'.repeat(1e9)",
    "[...'a'.repeat(1e7)]",
]


@pytest.mark.parametrize("expression", RUNAWAYS)
async def test_a_runaway_is_ended_and_the_next_one_served(evaluator: Evaluator, expression: str) -> None:
    """Time and memory end, in the engine or with its process; the next expression has an engine again."""
    result = await one(evaluator, expression)
    assert result.overran
    assert result.error is not None
    assert await one(evaluator, "1 + 1") == Evaluation(2)


async def test_the_loop_goes_on_while_an_expression_runs_away(evaluator: Evaluator) -> None:
    """Nothing of it happens on the loop: a timer fires many times while the expression is waited for."""
    runaway = asyncio.create_task(one(evaluator, RUNAWAYS[2]))
    beats = 0
    while not runaway.done():
        await asyncio.sleep(0.001)
        beats += 1
    assert (await runaway).overran
    assert beats > 20


async def test_contexts_are_apart(evaluator: Evaluator) -> None:
    """What one expression leaves behind, the next one of the same process does not find."""
    await one(evaluator, "(globalThis.left = 1, Array.prototype.map = 1, Object.prototype.x = 1)")
    assert (await one(evaluator, "typeof left + typeof [].map + typeof ({}).x")).value == "undefinedfunctionundefined"
    assert len(evaluator._all) == 1


REACHES = ["std", "os", "require", "process", "print", "console", "scriptArgs", "fetch", "setTimeout", "Deno"]


async def test_there_is_nothing_to_reach(evaluator: Evaluator) -> None:
    """No host function and no module: the language and the variables are all there is."""
    found = await evaluator.carry_out(Evaluate(tuple(f"typeof {name}" for name in REACHES), {}))
    assert [result.value for result in found.results] == ["undefined"] * len(REACHES)


NO_JSON = [
    "1n",
    "'\\ud800'",
    "['\\ud800']",
    "'x'.repeat(70000)",
    "['x'.repeat(70000)]",
    "a b",
    "null.x",
    "(() => f)()",
]


@pytest.mark.parametrize("expression", NO_JSON)
async def test_what_has_no_value_says_why(evaluator: Evaluator, expression: str) -> None:
    """An error is words, no exception; its process lives on."""
    await one(evaluator, "1")
    before = process_of(evaluator)
    result = await one(evaluator, expression)
    assert result.error
    assert not result.overran
    assert process_of(evaluator) is before


async def test_a_process_that_died_is_replaced(evaluator: Evaluator) -> None:
    """Killed while it was idle, or in the middle of an answer: the next expression is served."""
    await one(evaluator, "1")
    process = process_of(evaluator)
    process.kill()
    await process.wait()
    assert await one(evaluator, "2") == Evaluation(2)
    under_way = asyncio.create_task(one(evaluator, RUNAWAYS[2]))
    await asyncio.sleep(0)
    process_of(evaluator).kill()
    assert (await under_way).error
    assert await one(evaluator, "3") == Evaluation(3)


async def test_a_call_that_ends_while_its_expression_runs_leaves_no_process_in_doubt(evaluator: Evaluator) -> None:
    """A cancelled question's process, which would answer the next one with its answer, is ended."""
    await one(evaluator, "1")
    process = process_of(evaluator)
    under_way = asyncio.create_task(one(evaluator, RUNAWAYS[0]))
    while evaluator._idle:
        await asyncio.sleep(0)
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way
    assert await process.wait() == -signal.SIGKILL
    assert await one(evaluator, "7") == Evaluation(7)


async def test_no_engine_is_an_error_of_the_expression(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the process cannot be started, or is none, the expression has an error and the call goes on."""
    evaluator = Evaluator()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    assert (await one(evaluator, "1")).error == "no engine could be started: FileNotFoundError"
    monkeypatch.setattr(sys, "executable", "/bin/true")
    assert "no engine could be started" in str((await one(evaluator, "1")).error)
    await evaluator.close()


async def test_closing_ends_every_process() -> None:
    """Nothing of it is left when the daemon stops."""
    evaluator = Evaluator()
    await asyncio.gather(*(one(evaluator, "1") for _ in range(3)))
    processes = list(evaluator._all)
    assert len(processes) == evaluator.workers
    await evaluator.close()
    assert [process.returncode for process in processes] == [-signal.SIGKILL] * len(processes)


async def test_a_process_whose_parent_is_gone_ends() -> None:
    """Its requests end with the pipe; the alarm is for one in the middle of an expression."""
    evaluator = Evaluator()
    await one(evaluator, "1")
    process = process_of(evaluator)
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 5) == 0
    await evaluator.close()


SHOWN = [
    ("1", {"value": 1}),
    ("-0.5", {"value": -0.5}),
    ("2**60", {"value": 2.0**60}),
    ("[2**60]", {"value": [2.0**60]}),
    ("0/0", {"value": "NaN"}),
    ("-1/0", {"value": "-Infinity"}),
    ("1/0", {"value": "Infinity"}),
    ("() => 1", {"value": None}),
    ("'x'", {"value": "x"}),
]


@pytest.mark.parametrize(("expression", "answer"), SHOWN)
def test_values_as_json(expression: str, answer: dict[str, Any]) -> None:
    """Every value has a JSON form that a stored call can hold, whole numbers as such where they are exact."""
    found = evaluate_worker.evaluate(expression, "{}")
    assert found == answer
    assert type(found["value"]) is type(answer["value"])


REFUSED = [
    ("(() => { while (true); })()", True),
    ("'x'.repeat(1e9)", True),
    ("[...'a'.repeat(1e7)]", True),
    ("a b", False),
    ("1n", False),
    ("['x'.repeat(70000)]", False),
    ("'x'.repeat(70000)", False),
]


@pytest.mark.parametrize(("expression", "overran"), REFUSED)
def test_what_is_refused_met_a_limit_or_not(expression: str, overran: bool) -> None:
    """Only what met the limit of time or memory is counted as such."""
    found = evaluate_worker.evaluate(expression, "{}")
    assert found["overran"] is overran
    assert found["error"]


def test_requests_are_served_one_a_line() -> None:
    """One answer a request, in their order; no alarm is left behind."""
    requests = b"".join(json.dumps([text, '{"a": 2}']).encode() + b"\n" for text in ("a", "a+1", "("))
    answers = io.BytesIO()
    evaluate_worker.serve(io.BytesIO(requests), answers)
    found = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [answer.get("value") for answer in found] == [2, 3, None]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


async def test_a_process_is_confined() -> None:
    """It can open no file, and map no more than it needs."""
    evaluator = Evaluator()
    await one(evaluator, "1")
    limits = Path(f"/proc/{process_of(evaluator).pid}/limits")
    if not limits.exists():
        pytest.skip("no /proc here to read the limits of another process from")
    rows = {line[:26].strip(): line[26:].split()[:2] for line in limits.read_text().splitlines()}
    assert rows["Max open files"] == ["3", "3"]
    assert rows["Max file size"] == ["0", "0"]
    assert rows["Max address space"] == [str(evaluate_worker.ADDRESS_SPACE)] * 2
    assert os.getpgid(process_of(evaluator).pid) != os.getpgid(0)
    await evaluator.close()
