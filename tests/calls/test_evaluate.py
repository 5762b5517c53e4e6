"""Expressions in processes of their own: values, limits, hostile ones, and what stays of the loop meanwhile."""

from __future__ import annotations

import asyncio
import io
import json
import os
import platform
import re
import signal
import struct
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from controller.calls import evaluate, evaluate_process, evaluate_worker
from controller.calls.evaluate import Evaluator
from controller.calls.events import EngineUnconfined
from controller.documents.steps import Evaluate, Evaluation


@pytest_asyncio.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    """One process."""
    made = Evaluator(workers=1)
    yield made
    await made.close()


async def one(evaluator: Evaluator, expression: str, **scope: Any) -> Evaluation:
    """What becomes of one expression."""
    return (await evaluator.carry_out(Evaluate((expression,), scope))).results[0]


def process_of(evaluator: Evaluator) -> asyncio.subprocess.Process:
    (engine,) = evaluator._all
    return engine.process


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
    assert not evaluator._all
    await evaluator.close()


async def test_closing_ends_every_process() -> None:
    """Nothing of it is left when the daemon stops."""
    evaluator = Evaluator()
    await asyncio.gather(*(one(evaluator, "1") for _ in range(3)))
    processes = [engine.process for engine in evaluator._all]
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


async def test_a_process_has_limits() -> None:
    """It can open no file, and map no more than it needs, where there is no filter too."""
    evaluator = Evaluator()
    await one(evaluator, "1")
    limits = Path(f"/proc/{process_of(evaluator).pid}/limits")
    if not limits.exists():
        pytest.skip("no /proc here to read the limits of another process from")
    rows = {line[:26].strip(): line[26:].split()[:2] for line in limits.read_text().splitlines()}
    assert rows["Max open files"] == ["3", "3"]
    assert rows["Max file size"] == ["0", "0"]
    assert rows["Max address space"] == [str(evaluate_process.ADDRESS_SPACE)] * 2
    assert os.getpgid(process_of(evaluator).pid) != os.getpgid(0)
    await evaluator.close()


# --- what is left to what runs in the process ---

HOOK = """
import concurrent.futures, ctypes, mmap, os, resource, runpy, socket, subprocess
thread = concurrent.futures.ThreadPoolExecutor(1)
thread.submit(int).result()
libc = ctypes.CDLL(None, use_errno=True)
[getattr(libc, name) for name in ("ptrace", "process_vm_readv", "unshare")]

def call(name, *arguments):
    ctypes.set_errno(0)
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def python(expression, scope):
    try:
        return {"value": repr(eval(expression, globals()))}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"}

load = runpy.run_path

def hooked(path):
    worker = load(path)
    worker["serve"].__globals__["evaluate"] = python
    return worker

runpy.run_path = hooked
process = load(PROCESS)
BEFORE
process["main"]()
"""
"""Runs Python, as a code that broke out of the engine could do anything, in the process that the engine runs in."""

FILTERED = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in evaluate_process.ARCHITECTURES,
    reason="no filter of system calls is known for this system",
)


def hooked(monkeypatch: pytest.MonkeyPatch, directory: Path, before: str = "") -> None:
    """Have Python evaluated instead of JavaScript."""
    hook = directory / "hook.py"
    hook.write_text(HOOK.replace("PROCESS", repr(str(evaluate._PROCESS))).replace("BEFORE", before))
    monkeypatch.setattr(evaluate, "_PROCESS", hook)


ATTEMPTS = [
    "open('/etc/hostname')",
    "thread.submit(open, '/etc/hostname').result()",
    "os.listdir('/')",
    "os.stat('/')",
    "os.close(2)",
    "os.dup(0)",
    "os.mkdir('DIRECTORY/made')",
    "os.rename('DIRECTORY/hook.py', 'DIRECTORY/moved')",
    "os.unlink('DIRECTORY/hook.py')",
    "os.memfd_create('x')",
    "socket.socket()",
    "socket.socketpair()",
    "os.fork()",
    "os.execv('/bin/true', ['true'])",
    "os.posix_spawn('/bin/true', ['true'], {})",
    "subprocess.run(['/bin/true'])",
    "open('/proc/PARENT/environ')",
    "open('/proc/PARENT/mem', 'r+b')",
    "open('/proc/self/mem', 'r+b')",
    "os.kill(PARENT, 0)",
    "os.kill(1, 0)",
    "call('ptrace', 16, PARENT, 0, 0)",
    "call('process_vm_readv', PARENT, 0, 0, 0, 0, 0)",
    "call('unshare', 0x10000000)",
    "resource.prlimit(PARENT, resource.RLIMIT_NOFILE)",
    "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
]


@FILTERED
async def test_nothing_can_be_reached_by_what_breaks_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files, connections, processes, other processes' memory and signals, pages of code: every one is refused."""
    hooked(monkeypatch, tmp_path)
    evaluator = Evaluator()
    known = {"DIRECTORY": str(tmp_path), "PARENT": str(os.getpid())}
    tried = [re.sub("|".join(known), lambda found: known[found[0]], attempt) for attempt in ATTEMPTS]
    found = (await evaluator.carry_out(Evaluate(("1 + 1", *tried), {}))).results
    assert found[0] == Evaluation("2")
    refused = [result.error is not None and "Operation not permitted" in result.error for result in found[1:]]
    assert dict(zip(ATTEMPTS, refused, strict=True)) == dict.fromkeys(ATTEMPTS, True), found
    await evaluator.close()


@FILTERED
async def test_the_process_takes_no_new_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even within itself anything can be begun."""
    hooked(monkeypatch, tmp_path)
    evaluator = Evaluator()
    assert "can't start new thread" in str((await one(evaluator, "__import__('_thread').start_new(int, ())")).error)
    await evaluator.close()


@pytest.mark.parametrize("workers", [1, 2])
async def test_where_there_is_no_filter_it_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int
) -> None:
    """Another system or machine: expressions are evaluated within the limits, and telemetry says what is missing."""
    hooked(monkeypatch, tmp_path, before="process['_filter'].__globals__['ARCHITECTURES'].clear()")
    seen: list[object] = []
    evaluator = Evaluator(workers=workers, observe=seen.append)
    found = await asyncio.gather(*(one(evaluator, "6 * 7") for _ in range(3)))
    assert [result.value for result in found] == ["42"] * 3
    assert [type(event) for event in seen] == [EngineUnconfined]
    assert (await one(evaluator, "open('/etc/hostname')")).error
    await evaluator.close()


def judged(program: bytes, architecture: int, number: int, protection: int) -> int:
    """What a filter says of a call: the few instructions of classic BPF that it is made of."""
    data = struct.pack("=iIQ6Q", number, architecture, 0, 0, 0, protection, 0, 0, 0)
    held, at = 0, 0
    while True:
        code, then, otherwise, value = struct.unpack_from("=HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            at += then if (held == value if code == 0x15 else bool(held & value)) else otherwise


@pytest.mark.parametrize("machine", sorted(evaluate_process.ARCHITECTURES))
def test_the_filter_leaves_what_it_lists(machine: str) -> None:
    """Of every number those of the list alone, memory never executable; of another architecture's calls none."""
    architecture, seccomp, left = evaluate_process.ARCHITECTURES[machine]
    program = evaluate_process.instructions(architecture, left)
    allow, refuse, kill = 0x7FFF0000, 0x00050001, 0x80000000
    assert seccomp not in left.values()
    for number in (*range(600), *(0x40000000 | number for number in range(600))):
        expected = allow if number in left.values() else refuse
        executable = refuse if number in {left["mmap"], left["mprotect"]} else expected
        assert judged(program, architecture, number, 3) == expected
        assert judged(program, architecture, number, 4 | 1) == executable
        assert judged(program, architecture ^ 1, number, 3) == kill


# --- engines that do not begin, and a loop that is late ---


@pytest_asyncio.fixture
async def begun(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.subprocess.Process]:
    """Every process that is begun."""
    processes: list[asyncio.subprocess.Process] = []
    begin = asyncio.create_subprocess_exec

    async def noted(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        processes.append(await begin(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    return processes


SILENT = "import time; time.sleep(60)"
NO_ENGINES = [
    SILENT,
    "print('x'); " + SILENT,
    "print('{}', flush=True); " + SILENT,
    "print('[]', flush=True); " + SILENT,
]


@pytest.mark.parametrize("program", NO_ENGINES)
async def test_a_start_that_fails_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begun: list[asyncio.subprocess.Process], program: str
) -> None:
    """It is silent, or says something else: its process is ended, as the expression's error tells."""
    (tmp_path / "other.py").write_text(program)
    monkeypatch.setattr(evaluate, "_PROCESS", tmp_path / "other.py")
    monkeypatch.setattr(evaluate, "STARTING", 0.3)
    evaluator = Evaluator()
    found = await evaluator.carry_out(Evaluate(("1", "2"), {}))
    assert all("no engine could be started" in str(result.error) for result in found.results)
    assert [await asyncio.wait_for(process.wait(), 5) for process in begun] == [-signal.SIGKILL] * 2
    assert not evaluator._all


async def test_a_call_that_ends_while_its_engine_begins_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begun: list[asyncio.subprocess.Process]
) -> None:
    """A hangup in that moment: its process is ended, and the place is another call's."""
    real = evaluate._PROCESS
    (tmp_path / "silent.py").write_text(SILENT)
    monkeypatch.setattr(evaluate, "_PROCESS", tmp_path / "silent.py")
    evaluator = Evaluator(workers=1)
    under_way = asyncio.create_task(one(evaluator, "1"))
    while not begun:
        await asyncio.sleep(0.001)
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way
    assert await asyncio.wait_for(begun[0].wait(), 5) == -signal.SIGKILL
    monkeypatch.setattr(evaluate, "_PROCESS", real)
    assert await one(evaluator, "1") == Evaluation(1)
    await evaluator.close()


async def test_an_answer_that_is_there_is_taken_however_late_the_loop_is() -> None:
    """A loop that was held up for longer than an answer is waited for: it was given in time."""
    evaluator = Evaluator(workers=1, patience=0.2)
    await one(evaluator, "1")
    asked = asyncio.create_task(one(evaluator, "1 + 1"))
    while evaluator._idle:
        await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251 - the loop is to be held up
    assert await asked == Evaluation(2)
    await evaluator.close()


async def test_a_process_that_is_held_up_is_no_overrun(evaluator: Evaluator) -> None:
    """An engine that is not let run (a machine with more to do): an error, which does not count as met limit."""
    await one(evaluator, "1")
    evaluator.patience = 0.2
    os.kill(process_of(evaluator).pid, signal.SIGSTOP)
    result = await one(evaluator, "1 + 1")
    assert "no answer" in str(result.error)
    assert not result.overran
    evaluator.patience = 5.0
    assert await one(evaluator, "1 + 1") == Evaluation(2)


# --- what one step may take ---


async def test_a_step_stops_at_the_limits_that_are_left(evaluator: Evaluator) -> None:
    """Two more may meet a limit: of thirty, two are evaluated, and the third says why it was not."""
    found = await evaluator.carry_out(Evaluate((RUNAWAYS[0],) * 30, {}, overruns_left=2))
    assert [result.overran for result in found.results] == [True, True, False]
    assert found.results[-1].error == "too many expressions of this call met a limit"
    assert found.seconds > 0.2


async def test_a_step_stops_when_its_seconds_are_used(evaluator: Evaluator) -> None:
    """Expressions that all end in time, and take long: after the seconds that are left no more of them is begun."""
    busy = "(() => { const end = Date.now() + 60; while (Date.now() < end); return 1; })()"
    found = await evaluator.carry_out(Evaluate((busy,) * 100, {}, seconds_left=0.1))
    assert len(found.results) < 20
    assert found.results[0] == Evaluation(1)
    assert found.results[-1].error == "the expressions of this call used too much time"


async def test_a_step_stops_when_its_values_are_too_long(evaluator: Evaluator) -> None:
    """Five thousand long values are never held: what a step may have of them is what a call may keep."""
    found = await evaluator.carry_out(Evaluate(("'a'.repeat(65000)",) * 5000, {}))
    assert len(found.results) < 10
    assert "longer than" in str(found.results[-1].error)


async def test_too_large_a_question_is_not_asked(evaluator: Evaluator) -> None:
    """It is refused before a process has to hold it."""
    result = await one(evaluator, "1", text="a" * evaluate.LONGEST_QUESTION)
    assert "longer than" in str(result.error)
    assert not evaluator._all


DENSE: list[list[Any]] = [[{}] * 15000, [[]] * 15000, ["a"] * 13000, [1] * 25000, [{"a": 1}] * 8000]


@pytest.mark.parametrize("value", DENSE)
async def test_variables_as_dense_as_a_call_may_have_them_leave_memory(
    evaluator: Evaluator, value: list[Any]
) -> None:
    """Each is seen by its name and in `vars`: they are no reason for an expression to have no value."""
    variables = {f"v{number}": value for number in range(4)}
    found = await one(evaluator, "v0.length + [...v1].length", **variables, vars=variables)
    assert found == Evaluation(2 * len(value))


async def test_the_variables_of_each_step_are_its_own(evaluator: Evaluator) -> None:
    """A process keeps the variables that it had last, whichever call they are of."""
    for number in (1, 2, 2, 3):
        found = await evaluator.carry_out(Evaluate(("a", "(a = 9)", "a"), {"a": number}), f"call {number}")
        assert [result.value for result in found.results] == [number, 9, number]


async def test_another_calls_expression_goes_before_the_rest_of_a_long_step(evaluator: Evaluator) -> None:
    """A call that had more of the engines waits for one that had less, at each of its expressions."""
    await one(evaluator, "1")
    long = [asyncio.create_task(evaluator.carry_out(Evaluate((RUNAWAYS[0],) * 4, {}), name)) for name in "abcd"]
    while len(evaluator._had) < 2:
        await asyncio.sleep(0.001)
    had = sum(evaluator._had.values())
    assert (await evaluator.carry_out(Evaluate(("1 + 1",), {}), "e")).results == (Evaluation(2),)
    assert sum(evaluator._had.values()) - had < 4 * evaluate_worker.TIME
    for task in long:
        task.cancel()
    await asyncio.gather(*long, return_exceptions=True)


# --- languages ---

LOCAL = [
    "new Date(0).toLocaleTimeString('en-US', {timeZone: 'America/New_York'})",
    "new Date(0).toLocaleDateString('de')",
    "new Date(0).toLocaleString(undefined, {timeZone: 'UTC'})",
    "(1234.5).toLocaleString('en-US')",
    "1n.toLocaleString('en-US')",
    "[1].toLocaleString('en-US')",
    "new Int8Array(1).toLocaleString('en-US')",
    "'i'.toLocaleUpperCase('tr')",
    "'I'.toLocaleLowerCase('tr')",
    "'a'.localeCompare('b', 'sv')",
]


@pytest.mark.parametrize("expression", LOCAL)
def test_a_language_or_time_zone_is_an_error_that_names_it(expression: str) -> None:
    """The engine knows none and would give another value in silence."""
    found = evaluate_worker.evaluate(expression, "{}")
    name = re.search(r"(to)?[lL]ocale\w+", expression)
    assert name is not None
    assert f"Error: {name[0]} with a locale or options is not supported" in found["error"]
    assert not found["overran"]


PLAIN = [
    ("new Date(86400000).toLocaleString().length > 9", True),
    ("new Date(0).toLocaleTimeString(undefined).length > 3", True),
    ("(1234.5).toLocaleString()", "1234.5"),
    ("[1, 2].toLocaleString()", "1,2"),
    ("'i'.toLocaleUpperCase()", "I"),
    ("['b', 'a'].sort((x, y) => x.localeCompare(y)).join()", "a,b"),
    ("Date.prototype.toLocaleString.name", "toLocaleString"),
    ("Object.keys(Date.prototype).length", 0),
]


@pytest.mark.parametrize(("expression", "value"), PLAIN)
def test_without_a_language_they_stay(expression: str, value: Any) -> None:
    """What the engine does by itself is documented to be its own."""
    assert evaluate_worker.evaluate(expression, "{}") == {"value": value}
