"""Collects what is wrong with a document, so that its author is told all of it at once."""

from __future__ import annotations

from collections.abc import Iterator

from controller.dialects.swml.blocks import place
from controller.dialects.swml.nodes import Entry, Mapping
from controller.documents.dialect import Problem

MAX_PROBLEMS = 50
"""Problems that are told of one document; the rest is counted."""


class Problems:
    """The problems of one document, in the order in which they were found."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, line: int, where: str, message: str) -> None:
        """Note one."""
        self.found.append(Problem(line, where, message))

    def entries(self, node: Mapping, where: str) -> Iterator[Entry]:
        """Yield each key's first entry; a second one is a problem, for readers differ on which of the two holds."""
        lines: dict[str, int] = {}
        for entry in node.entries:
            if entry.key in lines:
                self.add(entry.line, place(where, entry.key), f"written twice; first on line {lines[entry.key]}")
            else:
                lines[entry.key] = entry.line
                yield entry

    def inline(self, since: int, line: int, where: str) -> None:
        """Give those found after ``since`` others, which are of an inline document, the place of that document."""
        self.found[since:] = [
            Problem(
                line, f"{where}: {problem.where}", f"line {problem.line} of the inline document: {problem.message}"
            )
            for problem in self.found[since:]
        ]

    def told(self) -> tuple[Problem, ...]:
        """Return them by line; the many of a hostile document are counted."""
        ordered = sorted(self.found, key=lambda problem: problem.line)
        if len(ordered) <= MAX_PROBLEMS:
            return tuple(ordered)
        rest = len(ordered) - MAX_PROBLEMS
        return (*ordered[:MAX_PROBLEMS], Problem(0, "", f"and {rest} more problems"))
