"""What an examination finds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, what it is about, what was seen, and how to mend it (empty when nothing is)."""

    level: Level
    subject: str
    what: str
    fix: str = ""


def ok(subject: str, what: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, subject, what)


def warning(subject: str, what: str, fix: str) -> Finding:
    """Return a finding of what may be meant, or will hurt some day."""
    return Finding(Level.WARNING, subject, what, fix)


def problem(subject: str, what: str, fix: str) -> Finding:
    """Return a finding of what keeps recordings or callbacks from working."""
    return Finding(Level.PROBLEM, subject, what, fix)


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 1 when anything is a problem, else 0."""
    return int(any(finding.level is Level.PROBLEM for finding in findings))


def render(findings: Iterable[Finding], width: int = 100) -> str:
    """Return a table for people: level, subject, what; each fix below it. ``width`` is in characters.

    What the switch said is in it: control characters are shown as ``?``.
    """
    rows = list(findings)
    column = max((len(_plain(row.subject)) for row in rows), default=0)
    indent = " " * (len(Level.PROBLEM) + column + 4)
    lines: list[str] = []
    for row in rows:
        head = f"{row.level:<{len(Level.PROBLEM)}}  {_plain(row.subject):<{column}}  "
        lines += _wrapped(row.what, head, indent, width)
        if row.fix:
            lines += _wrapped(row.fix, f"{indent}fix: ", f"{indent}     ", width)
    counts = {level: sum(row.level is level for row in rows) for level in Level}
    lines.append(", ".join(f"{count} {_plural(level, count)}" for level, count in counts.items()))
    return "\n".join(lines)


def _plural(level: Level, count: int) -> str:
    return level.value if level is Level.OK or count == 1 else f"{level.value}s"


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _wrapped(text: str, head: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(
        _plain(text),
        max(width, len(indent) + 20),
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
