"""A run's variables: SWML's scopes vars, envs, call and params, what a path finds in them, values as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from controller.dialects.swml.templates import Path, Template

LONGEST_TEXT = 65_536
"""Characters that a string may have after substitution, and a value as JSON."""

MOST_VARIABLES = 262_144
"""Characters that all variables may have together as JSON: they are stored with every step."""

DEEPEST = 32
"""How deep lists and objects of a value may lie in each other."""

SCOPES = ("vars", "envs", "call", "params")


class Unfit(ValueError):
    """A value that a variable cannot hold, or a text that became too long."""


@dataclass(slots=True)
class Scope:
    """What `${…}` sees. ``params`` is that of the section which runs."""

    call: dict[str, Any]
    vars: dict[str, Any] = field(default_factory=dict)
    envs: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _size: int = 0

    def __post_init__(self) -> None:
        """Measure what is there."""
        self._sizes = {name: len(json.dumps(value)) for name, value in self.vars.items()}
        self._size = sum(self._sizes.values())

    def find(self, path: Path) -> Any:
        """Return the value at a path, an empty text where there is none; a whole scope as it is now."""
        first, *rest = path.steps
        value: Any
        if first in SCOPES:
            value = dict(getattr(self, first))  # a variable that held its own scope would hold itself
        else:
            value = next((known[first] for known in (self.vars, self.envs, self.call) if first in known), "")
        for step in rest:
            value = _member(value, step)
        return value

    def names(self) -> dict[str, Any]:
        """Return what a script sees: every scope by its name, and every variable by its own."""
        scopes = {"vars": self.vars, "envs": self.envs, "call": self.call, "params": self.params}
        return {**self.call, **self.envs, **self.vars, **scopes}

    def put(self, name: str, value: Any) -> int:
        """Set a variable, and return its size in characters of JSON. Raises Unfit, and leaves it as it was."""
        size = fit(value)
        if self._size - self._sizes.get(name, 0) + size > MOST_VARIABLES:
            raise Unfit(f"all variables together would be longer than {MOST_VARIABLES} characters")
        self._keep(name, value, size)
        return size

    def note(self, name: str, value: Any) -> None:
        """Set a variable that is a method's own and bounded by it, whatever there is already."""
        self._keep(name, value, len(json.dumps(value)))

    def drop(self, name: str) -> None:
        """Remove a variable, if there is one of that name."""
        self.vars.pop(name, None)
        self._size -= self._sizes.pop(name, 0)

    def _keep(self, name: str, value: Any, size: int) -> None:
        self._size += size - self._sizes.get(name, 0)
        self.vars[name], self._sizes[name] = value, size


def fit(value: Any) -> int:
    """Return a value's size in characters of JSON. Raises Unfit for one that is too large or too deep."""
    if _deeper_than(value, DEEPEST):
        raise Unfit(f"lists and objects lie more than {DEEPEST} deep in each other")
    size = len(json.dumps(value))
    if size > LONGEST_TEXT:
        raise Unfit(f"a value is longer than {LONGEST_TEXT} characters")
    return size


def text(value: Any) -> str:
    """Return a value as it stands in a string: as JavaScript has it, objects as JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return _number(value)
        case str():
            return value
        case list():
            return ",".join(text(item) for item in value)
        case dict():
            return _json(value)
        case _:
            return str(value)


def truth(value: Any) -> bool:
    """Return what JavaScript takes a value for."""
    return value is not None and value is not False and value not in (0, "")


def join(template: Template, values: list[Any]) -> Any:
    """Return a template with its placeholders' values in place: alone, the value itself. Raises Unfit."""
    if template.alone:
        return values[0]
    given = iter(values)
    parts, length = [], 0
    for part in template.parts:
        parts.append(part if isinstance(part, str) else text(next(given)))
        length += len(parts[-1])
        if length > LONGEST_TEXT:
            raise Unfit(f"a text of more than {LONGEST_TEXT} characters came of its variables")
    return "".join(parts)


def _json(value: Any) -> str:
    """Return a value as JSON.stringify has it."""
    match value:
        case dict():
            return "{" + ",".join(f"{_json(str(key))}:{_json(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(_json(item) for item in value) + "]"
        case float():
            return _number(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """Return a number as JavaScript has it: its digits at length from 1e-6 to below 1e21, 1e-7 and 1e+21 beyond."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    exact = Decimal(repr(value)).normalize()
    if -7 < exact.adjusted() < 21:
        return f"{exact:f}"
    digits, _, exponent = f"{exact:e}".partition("e")
    return f"{digits}e{int(exponent):+d}"


def _member(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step, "")
    if isinstance(value, list) and step.isdigit() and int(step) < len(value):
        return value[int(step)]
    return ""


def _deeper_than(value: Any, levels: int) -> bool:
    if isinstance(value, Mapping):
        return levels == 0 or any(_deeper_than(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_deeper_than(item, levels - 1) for item in value)
    return False
