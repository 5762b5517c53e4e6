"""The process in which JavaScript runs: requests as lines on stdin, one answer a line on stdout.

Run by its path, never imported by the daemon's own code: it knows an engine and nothing of fsrec. A context is made
for each expression and thrown away after it. The engine bounds time and memory; what slips through it (a `toString`
that is called while an exception is shown is not timed) ends with the process, by its parent or by its own alarm.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
from typing import Any, BinaryIO

import quickjs

TIME = 0.15
"""Seconds of processor time that an expression may take: SWML's documented limit."""

MEMORY = 16 * 2**20
"""Bytes that an expression may hold at a time."""

STACK = 256 * 1024
"""Bytes of C stack: a deep recursion is an exception long before it is a crash."""

MAX_WHOLE = 2**53
"""Above it JavaScript has no exact whole numbers, and JSON none of 64 bits."""

RESULT = 65_536
"""Characters of a value's JSON text."""

ADDRESS_SPACE = 512 * 2**20
"""Bytes that the process may map at all, its interpreter included."""

ALARM = 5.0
"""Seconds after which the process ends itself in the middle of an expression, should nobody else end it."""


def evaluate(expression: str, scope: str) -> dict[str, Any]:
    """Return ``{"value": …}``, or ``{"error": …, "overran": …}``; ``scope`` is a JSON object."""
    context = quickjs.Context()
    context.set_max_stack_size(STACK)
    context.set_memory_limit(MEMORY)
    try:
        context.set("__scope__", context.parse_json(scope))
        # Names come from the scope and the language alone, not from the prototype that every object has.
        context.eval("Object.setPrototypeOf(__scope__, null), Object.setPrototypeOf(globalThis, null)")
        context.set_time_limit(TIME)
        return _value(context.eval(f"with (__scope__) {{ ({expression}\n) }}"))
    except quickjs.JSException as error:
        said = str(error).partition("\n")[0][:200]
        overran = said in {"null", "InternalError: interrupted", "InternalError: out of memory"}
        reasons = {"null": "it took too much memory", "InternalError: interrupted": "it took longer than 150 ms"}
        return {"error": reasons.get(said, said), "overran": overran}
    except (TypeError, ValueError, RecursionError, MemoryError) as error:
        return {"error": f"its value has no JSON form: {type(error).__name__}", "overran": False}


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, quickjs.Object):
        text = value.json()
        if text is not None and len(text) > RESULT:
            return {"error": f"its value is longer than {RESULT} characters", "overran": False}
        value = None if text is None else json.loads(text, parse_int=_whole)
        json.dumps(value, ensure_ascii=False).encode()  # half a character (a lone surrogate) has no JSON form
    elif isinstance(value, str) and len(value) > RESULT:
        return {"error": f"its value is longer than {RESULT} characters", "overran": False}
    elif isinstance(value, float) and not math.isfinite(value):
        value = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    elif isinstance(value, float) and value == int(value) and abs(value) <= MAX_WHOLE:
        value = int(value)
    return {"value": value}


def _whole(text: str) -> float:
    value = int(text)
    return value if abs(value) <= MAX_WHOLE else float(value)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests (``[expression, scope as JSON text]``) until there are no more."""
    for line in requests:
        expression, scope = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, ALARM)
        answer = json.dumps(evaluate(expression, scope))
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(answer.encode() + b"\n")
        answers.flush()


def confine() -> None:
    """Give up what an engine that was broken out of could use: memory, files, processes."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine()
    serve(sys.stdin.buffer, sys.stdout.buffer)
