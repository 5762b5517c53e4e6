"""SWML text → sections of instructions, every one checked before anything runs; all problems are found at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from controller.dialects.swml import json_text, yaml_text
from controller.dialects.swml.methods import DOCUMENTED, METHODS, Method, Property
from controller.dialects.swml.nodes import (
    MAX_CHARACTERS,
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Unreadable,
)
from controller.dialects.swml.values import Value, Wrong, judge, nearest, quoted, shown, wanted
from controller.documents.dialect import DocumentError, Problem

VERSION = "1.0.0"
MAIN = "main"
MAX_PROBLEMS = 50
"""Problems that are told of one document; the rest is counted."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")
_JSON = re.compile(r"[ \t\r\n]*\{[ \t\r\n]*[\"}]")
_SUPPORTED = ", ".join(METHODS)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step as written: its method, the values of all its properties that have one (defaults filled in)."""

    method: str
    values: MappingOf[str, Value]
    line: int
    where: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may run: its sections by name, ``main`` among them."""

    sections: MappingOf[str, tuple[Instruction, ...]]


def read(text: str, source: str) -> Document:
    """Return the document of a JSON or YAML text. Raises DocumentError with every problem found."""
    checker = _Checker()
    try:
        sections = checker.document(parse(text))
    except Unreadable as error:
        raise DocumentError(source, (error.problem,)) from None
    if checker.problems:
        raise DocumentError(source, _told(checker.problems))
    return Document(sections)


def parse(text: str) -> Node:
    """Return the tree of a text. Raises Unreadable.

    What begins with a brace and a quote is JSON and held to it; everything else is YAML, whose flow style with
    unquoted keys begins with a brace too.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(0, f"{len(text)} characters; at most {MAX_CHARACTERS} are read")
    return json_text.read(text) if _JSON.match(text) else yaml_text.read(text)


def _told(problems: list[Problem]) -> tuple[Problem, ...]:
    ordered = sorted(problems, key=lambda problem: problem.line)
    if len(ordered) <= MAX_PROBLEMS:
        return tuple(ordered)
    rest = len(ordered) - MAX_PROBLEMS
    return (*ordered[:MAX_PROBLEMS], Problem(0, "", f"and {rest} more problems"))


class _Checker:
    """Walks a tree and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def document(self, root: Node) -> dict[str, tuple[Instruction, ...]]:
        if not isinstance(root, Mapping):
            self._add(root.line, "", f"a document is an object with `version` and `sections`; got {shown(root)}")
            return {}
        sections: dict[str, tuple[Instruction, ...]] | None = None
        for entry in self._entries(root, ""):
            if entry.key == "version":
                self._version(entry.value)
            elif entry.key == "sections":
                sections = self._sections(entry.value)
            else:
                hint = nearest(entry.key, ("version", "sections"))
                self._add(
                    entry.line, _path("", entry.key), f"unknown; only `version` and `sections` may be here{hint}"
                )
        if sections is None:
            self._add(root.line, "sections", f"missing: an object with at least the list `{MAIN}`")
        return sections or {}

    def _version(self, node: Node) -> None:
        if not (isinstance(node, Scalar) and node.value == VERSION):
            self._add(node.line, "version", f'must be "{VERSION}", or left out; got {shown(node)}')

    def _sections(self, node: Node) -> dict[str, tuple[Instruction, ...]]:
        if not isinstance(node, Mapping):
            self._add(node.line, "sections", f"must be an object of lists of steps; got {shown(node)}")
            return {}
        sections = {entry.key: self._section(entry) for entry in self._entries(node, "sections")}
        if MAIN not in sections:
            self._add(node.line, f"sections.{MAIN}", "missing: the list of steps that a call begins with")
        return sections

    def _section(self, section: Entry) -> tuple[Instruction, ...]:
        where = _path("", section.key)
        if not isinstance(section.value, Sequence):
            self._add(section.value.line, where, f"must be a list of steps; got {shown(section.value)}")
            return ()
        if not section.value.items:
            self._add(section.value.line, where, "has no steps")
        steps = (self._step(node, f"{where}[{index}]") for index, node in enumerate(section.value.items))
        return tuple(step for step in steps if step is not None)

    def _step(self, node: Node, where: str) -> Instruction | None:
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            self._add(node.line, where, _not_a_step(node))
            return None
        (entry,) = node.entries
        method = METHODS.get(entry.key)
        if method is None:
            self._add(entry.line, where, _unknown_method(entry.key))
            return None
        return self._instruction(method, entry, f"{where}.{method.name}")

    def _instruction(self, method: Method, entry: Entry, where: str) -> Instruction:
        given: dict[str, Value] = {}
        if isinstance(entry.value, Mapping):
            given = self._properties(method, entry.value, where)
        elif method.bare is not None and isinstance(entry.value, Scalar) and entry.value.value is not None:
            given = self._judged(method.bare, entry.value, where)
        else:
            self._add(entry.value.line, where, _not_properties(method, entry.value))
        defaults = {row.name: row.default for row in method.properties if row.default is not None}
        return Instruction(method.name, {**defaults, **given}, entry.line, where)

    def _properties(self, method: Method, node: Mapping, where: str) -> dict[str, Value]:
        given: dict[str, Value] = {}
        for entry in self._entries(node, where):
            known = method.property(entry.key)
            if known is None:
                names = [row.name for row in method.properties]
                message = f"unknown; {method.name} knows {', '.join(names)}{nearest(entry.key, names)}"
                self._add(entry.line, _path(where, entry.key), message)
            else:
                given |= self._judged(known, entry.value, f"{where}.{known.name}")
        for row in method.properties:
            if row.required and not any(entry.key == row.name for entry in node.entries):
                self._add(node.line, f"{where}.{row.name}", f"missing: {wanted(row)}")
        return given

    def _judged(self, row: Property, node: Node, where: str) -> dict[str, Value]:
        try:
            return {row.name: judge(row, node)}
        except Wrong as wrong:
            self._add(node.line, where, str(wrong))
            return {}

    def _entries(self, node: Mapping, where: str) -> Iterator[Entry]:
        """Yield each key's first entry; a second one is a problem, for readers differ on which of the two holds."""
        lines: dict[str, int] = {}
        for entry in node.entries:
            if entry.key in lines:
                self._add(entry.line, _path(where, entry.key), f"written twice; first on line {lines[entry.key]}")
            else:
                lines[entry.key] = entry.line
                yield entry

    def _add(self, line: int, where: str, message: str) -> None:
        self.problems.append(Problem(line, where, message))


def _path(where: str, key: str) -> str:
    if _NAME.match(key):
        return f"{where}.{key}" if where else key
    return f"{where}[{quoted(key)}]"


def _not_a_step(node: Node) -> str:
    right = "a step is an object with one key, its method, as in `hangup: {}`"
    if isinstance(node, Mapping):
        keys = ", ".join(quoted(entry.key) for entry in node.entries[:4])
        return f"{right}; got {len(node.entries)} keys{f' ({keys})' if keys else ''}"
    return f"{right}; got {shown(node)}"


def _unknown_method(name: str) -> str:
    if name in DOCUMENTED:
        return f"the method `{name}` is not supported in this version; supported are {_SUPPORTED}"
    return f"unknown method {quoted(name)}{nearest(name, DOCUMENTED)}; supported are {_SUPPORTED}"


def _not_properties(method: Method, node: Node) -> str:
    short = f", or the {method.bare.name} alone" if method.bare else ""
    return f"must be an object of properties, as in `{method.name}: {{}}`{short}; got {shown(node)}"
