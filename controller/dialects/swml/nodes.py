"""What a SWML text says, before anyone judges it: a tree in which everything knows its line.

Both readers, ``json_text`` and ``yaml_text``, give the same tree for the same document; nothing after them knows
which of the two it was. Text is hostile: its size, depth and count of nodes are bounded before they cost anything.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from controller.documents.dialect import Problem

MAX_CHARACTERS = 262_144
"""A document's longest text. The samples of a whole voice menu are under 20,000."""

MAX_DEPTH = 64
"""How deep lists and objects may lie in each other: a `cond` in a `cond` is four deeper."""

MAX_NODES = 20_000
"""How many values a document may have, keys included."""

MAX_NUMBER = 40
"""Characters of the longest number; what is longer means nothing to a call."""

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a number, true, false or null, as ``value``."""

    line: int
    value: Plain


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of an object, with the key's own line."""

    line: int
    key: str
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """An object, in the order of its text; a key that was written twice is here twice."""

    line: int
    entries: tuple[Entry, ...]


Node = Scalar | Sequence | Mapping


class Unreadable(ValueError):
    """A text that gives no tree; ``problem`` says where and why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, "", message)


class Budget:
    """Counts nodes and depth for a reader, and refuses the one too many."""

    def __init__(self) -> None:
        self._nodes = 0

    def spend(self, line: int, depth: int) -> None:
        """Count one node that lies ``depth`` lists and objects deep. Raises Unreadable."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Unreadable(line, f"more than {MAX_NODES} values in one document")
        if depth > MAX_DEPTH:
            raise Unreadable(line, f"lists and objects lie more than {MAX_DEPTH} deep in each other")


_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


def number(text: str, line: int) -> int | float | None:
    """Read a decimal number as JSON and YAML 1.2 do; None where ``text`` is none. Raises Unreadable."""
    whole = _INTEGER.match(text)
    if whole is None and _FLOAT.match(text) is None:
        return None
    if len(text) > MAX_NUMBER:
        raise Unreadable(line, f"a number of {len(text)} characters; at most {MAX_NUMBER}")
    value = int(text) if whole else float(text)
    if not math.isfinite(value):
        raise Unreadable(line, f"{text} is too large a number")
    return value
