"""JavaScript expressions and their values: requests as lines, one answer a line.

Loaded by its path in a process of its own (``evaluate_process``), never imported by the daemon's own code: it knows
an engine and nothing of fsrec. A context is made for each expression and thrown away after it. The engine bounds time
and memory; what slips through it (a `toString` that is called while an exception is shown is not timed) ends with the
process, by the processor time it has for an answer.
"""

from __future__ import annotations

import json
import math
import signal
import time
from typing import Any, BinaryIO

import quickjs

TIME = 0.15
"""Seconds of processor time that an expression may take: SWML's documented limit."""

MEMORY = 64 * 2**20
"""Bytes that an expression may hold at a time, its variables included, which are more than their text."""

STACK = 256 * 1024
"""Bytes of C stack: a deep recursion is an exception long before it is a crash."""

MAX_WHOLE = 2**53
"""Above it JavaScript has no exact whole numbers, and JSON none of 64 bits."""

RESULT = 65_536
"""Characters of a value's JSON text."""

LIMITS = {
    "null": "it took too much memory",
    "InternalError: out of memory": "it took too much memory",
    "InternalError: interrupted": "it took longer than 150 ms",
}
"""What the engine says when one of its limits ended an expression: there, and in our words."""

PROCESSOR = 0.3
"""Seconds of processor time for an answer, its variables' reading and its value's writing included; the process ends
itself with SIGPROF when they are over. They are the same on a machine with more to do."""

ALARM = 5.0
"""Seconds after which the process ends itself in the middle of an expression, should nobody else end it."""

LOCALES = """(() => {
  const guard = (prototype, names, allowed) => {
    for (const name of names) {
      const original = prototype[name];
      const {[name]: guarded} = {[name](...given) {
        if (!given.slice(allowed).every((one) => one === undefined))
          throw new Error(name + ' with a locale or options is not supported: there are no languages and time zones');
        return original.apply(this, given);
      }};
      Object.defineProperty(prototype, name, {value: guarded, writable: true, configurable: true, enumerable: false});
    }
  };
  guard(Date.prototype, ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString'], 0);
  guard(Number.prototype, ['toLocaleString'], 0);
  guard(BigInt.prototype, ['toLocaleString'], 0);
  guard(Array.prototype, ['toLocaleString'], 0);
  guard(Object.getPrototypeOf(Int8Array.prototype), ['toLocaleString'], 0);
  guard(String.prototype, ['toLocaleLowerCase', 'toLocaleUpperCase'], 0);
  guard(String.prototype, ['localeCompare'], 1);
})()"""
"""The engine has no Intl and ignores what it is given of it: an error instead of a value that is silently another."""


def evaluate(expression: str, scope: str) -> dict[str, Any]:
    """Return ``{"value": …}``, or ``{"error": …, "overran": …}``; ``scope`` is a JSON object."""
    context = quickjs.Context()
    context.set_max_stack_size(STACK)
    context.set_memory_limit(MEMORY)
    try:
        context.set("__scope__", context.parse_json(scope))
        context.eval(LOCALES)
        # Names come from the scope and the language alone, not from the prototype that every object has.
        context.eval("Object.setPrototypeOf(__scope__, null), Object.setPrototypeOf(globalThis, null)")
        context.set_time_limit(TIME)
        return _value(context.eval(f"with (__scope__) {{ ({expression}\n) }}"))
    except quickjs.JSException as error:
        said = str(error).partition("\n")[0][:200]
        return {"error": LIMITS.get(said, said), "overran": said in LIMITS}
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
    """Answer requests until there are no more.

    A request is ``[expression, scope as JSON text]``, its scope null where it is that of the request before. An
    answer tells beside ``evaluate``'s the processor time it took (``spent``, in seconds), and its value's ``size`` in
    characters of JSON.
    """
    scope = "{}"
    for line in requests:
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, PROCESSOR)
        signal.setitimer(signal.ITIMER_REAL, ALARM)
        expression, given = json.loads(line)
        scope = scope if given is None else given
        answer = evaluate(expression, scope)
        size = len(json.dumps(answer.get("value"), ensure_ascii=False))
        answer |= {"size": size, "spent": time.process_time() - began}
        text = json.dumps(answer).encode() + b"\n"
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(text)
        answers.flush()


def warm_up() -> None:
    """Have everything loaded that an expression may need, the time zone too: no file can be opened later."""
    for expression in ("new Date().toString()", "({a: 1.5})", "'\\ud800'", "['\\ud800']", "f()", "1n"):
        json.dumps(evaluate(expression, "{}"))
