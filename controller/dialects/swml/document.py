"""SWML text → sections of instructions, every one checked before anything runs; all problems are found at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from typing import Any

from controller.dialects.swml import json_text, yaml_text
from controller.dialects.swml.blocks import (
    Block,
    Branch,
    Cond,
    Document,
    Inline,
    Instruction,
    Switch,
    find_label,
    place,
    section_block,
)
from controller.dialects.swml.methods import DOCUMENTED, METHODS, RESULT_SWITCH, Kind, Method, Property
from controller.dialects.swml.nodes import (
    MAX_CHARACTERS,
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Unreadable,
)
from controller.dialects.swml.templates import Malformed, Template, template
from controller.dialects.swml.values import (
    Wrong,
    judge,
    nearest,
    quoted,
    script,
    shown,
    variable_name,
    wanted,
)
from controller.documents.dialect import DocumentError, Problem

VERSION = "1.0.0"
MAIN = "main"
MAX_PROBLEMS = 50
"""Problems that are told of one document; the rest is counted."""

MAX_WHOLE = 2**53
"""Above it JavaScript has no exact whole numbers, and JSON none of 64 bits."""

MAX_INLINE = 4
"""How many inline documents may lie in each other: each is text within a text."""

_JSON = re.compile(r"[ \t\r\n]*\{[ \t\r\n]*[\"}]")
_SUPPORTED = ", ".join(METHODS)


def read(text: str, source: str) -> Document:
    """Return the document of a JSON or YAML text. Raises DocumentError with every problem found."""
    checker = _Checker()
    try:
        checker.document(parse(text))
    except Unreadable as error:
        raise DocumentError(source, (error.problem,)) from None
    checker.settle_names()
    if checker.problems:
        raise DocumentError(source, _told(checker.problems))
    return Document(checker.blocks, text)


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


@dataclass(slots=True)
class _Open:
    """A block that is being read. ``depth`` counts the inline documents around it."""

    name: str
    section: str
    scope: str
    depth: int
    parent: tuple[str, int] | None = None


class _Checker:
    """Walks a tree and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.blocks: dict[str, Block] = {}
        self._jumps: list[tuple[Instruction, str]] = []
        self._calls: list[tuple[Instruction, str]] = []
        self._scope = ""
        self._depth = 0

    def document(self, root: Node) -> None:
        """Check a whole document; its blocks are added under the scope of now."""
        if not isinstance(root, Mapping):
            self._add(root.line, "", f"a document is an object with `version` and `sections`; got {shown(root)}")
            return
        found = False
        for entry in self._entries(root, ""):
            if entry.key == "version":
                self._version(entry.value)
            elif entry.key == "sections":
                found = True
                self._sections(entry.value)
            else:
                hint = nearest(entry.key, ("version", "sections"))
                self._add(
                    entry.line, place("", entry.key), f"unknown; only `version` and `sections` may be here{hint}"
                )
        if not found:
            self._add(root.line, "sections", f"missing: an object with at least the list `{MAIN}`")

    def settle_names(self) -> None:
        """Check what can be only when all is read: that what is jumped to and called is there."""
        for jump, block in self._jumps:
            label = jump.values.get("label")
            if label is not None and find_label(self.blocks, block, label) is None:
                self._add(
                    jump.line,
                    f"{jump.where}.label",
                    f"no label {quoted(label)} in its list of steps, or one around it in the same section",
                )
        for call, scope in self._calls:
            dest = call.values.get("dest")
            if isinstance(dest, str) and section_block(scope, dest) not in self.blocks:
                names = [block.section for block in self.blocks.values() if block.scope == scope]
                known = f"{shown_names(names)}{nearest(dest, names)}"
                self._add(call.line, f"{call.where}.dest", f"no section {quoted(dest)}; there are {known}")

    def _version(self, node: Node) -> None:
        if not (isinstance(node, Scalar) and node.value == VERSION):
            self._add(node.line, "version", f'must be "{VERSION}", or left out; got {shown(node)}')

    def _sections(self, node: Node) -> None:
        if not isinstance(node, Mapping):
            self._add(node.line, "sections", f"must be an object of lists of steps; got {shown(node)}")
            return
        names = []
        for entry in self._entries(node, "sections"):
            names.append(entry.key)
            name = section_block(self._scope, entry.key)
            self._block(entry.value, _Open(name, entry.key, self._scope, self._depth), place("", entry.key))
        if MAIN not in names:
            self._add(node.line, f"sections.{MAIN}", "missing: the list of steps that a call begins with")

    def _block(self, node: Node, block: _Open, where: str) -> None:
        if not isinstance(node, Sequence):
            self._add(node.line, where, f"must be a list of steps; got {shown(node)}")
            return
        if not node.items:
            self._add(node.line, where, "has no steps")
        steps: list[Instruction] = []
        labels: dict[str, int] = {}
        for index, item in enumerate(node.items):
            step = self._step(item, f"{where}[{index}]", replace(block, parent=(block.name, len(steps))))
            if step is None:
                continue
            if step.method == "label" and "value" in step.values:
                label = step.values["value"]
                if label in labels:
                    self._add(step.line, step.where, f"a second label {quoted(label)} in one list of steps")
                labels.setdefault(label, len(steps))
            steps.append(step)
        self.blocks[block.name] = Block(tuple(steps), block.section, block.scope, labels, block.parent)

    def _step(self, node: Node, where: str, around: _Open) -> Instruction | None:
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            self._add(node.line, where, _not_a_step(node))
            return None
        (entry,) = node.entries
        method = METHODS.get(entry.key)
        if method is None:
            self._add(entry.line, where, _unknown_method(entry.key))
            return None
        step = self._instruction(method, entry, f"{where}.{method.name}", around)
        if step.method == "goto":
            self._jumps.append((step, around.name))
        elif step.method in {"execute", "transfer"}:
            self._calls.append((step, around.scope))
        return step

    def _instruction(self, method: Method, entry: Entry, where: str, around: _Open) -> Instruction:
        given: dict[str, object] = {}
        if method.whole and method.bare is not None:
            given = self._value(method.bare, entry.value, where, around)
        elif isinstance(entry.value, Mapping):
            given = self._properties(method, entry.value, where, around)
        elif method.bare is not None and isinstance(entry.value, Scalar) and entry.value.value is not None:
            given = self._judged(method.bare, entry.value, where)
        else:
            self._add(entry.value.line, where, _not_properties(method, entry.value))
        defaults = {row.name: row.default for row in method.properties if row.default is not None}
        return Instruction(method.name, {**defaults, **given}, entry.line, where)

    def _properties(self, method: Method, node: Mapping, where: str, around: _Open) -> dict[str, object]:
        given: dict[str, object] = {}
        for entry in self._entries(node, where):
            known = method.property(entry.key)
            if known is None:
                names = [row.name for row in method.properties]
                message = f"unknown; {method.name} knows {', '.join(names)}{nearest(entry.key, names)}"
                self._add(entry.line, place(where, entry.key), message)
            else:
                given |= self._value(known, entry.value, f"{where}.{known.name}", around)
        for row in method.properties:
            if row.required and not any(entry.key == row.name for entry in node.entries):
                self._add(node.line, f"{where}.{row.name}", f"missing: {wanted(row)}")
        return given

    # --- values that hold other values, or steps -------------------------------------------------------------------

    def _value(self, row: Property, node: Node, where: str, around: _Open) -> dict[str, object]:
        value: object
        try:
            match row.kind:
                case Kind.ANYTHING:
                    value = self._any(node, where)
                case Kind.OBJECT:
                    value = self._object(node, where)
                case Kind.VARIABLES:
                    value = self._variables(node, where)
                case Kind.NAMES:
                    value = _names(row, node)
                case Kind.CONDITION:
                    value = script(node)
                case Kind.STEPS:
                    value = self._nested(node, where, around)
                case Kind.CASES:
                    value = self._cases(row, node, where, around)
                case Kind.BRANCHES:
                    value = self._cond(row, node, where, around)
                case Kind.RESULT:
                    value = self._result(row, node, where, around)
                case Kind.DESTINATION:
                    value = self._destination(row, node, where, around)
                case _:
                    return self._judged(row, node, where)
        except Wrong as wrong:
            self._add(node.line, where, str(wrong))
            return {}
        return {row.name: value}

    def _nested(self, node: Node, where: str, around: _Open) -> str:
        name = f"{around.scope}{where}"
        self._block(node, replace(around, name=name), where)
        return name

    def _cases(self, row: Property, node: Node, where: str, around: _Open) -> dict[str, str]:
        if not isinstance(node, Mapping):
            raise Wrong(f"must be {wanted(row)}; got {shown(node)}")
        entries = self._entries(node, where)
        return {entry.key: self._nested(entry.value, place(where, entry.key), around) for entry in entries}

    def _cond(self, row: Property, node: Node, where: str, around: _Open) -> Cond:
        if not isinstance(node, Sequence) or not node.items:
            raise Wrong(f"must be {wanted(row)}; got {shown(node)}")
        branches: list[Branch] = []
        other: str | None = None
        for index, item in enumerate(node.items):
            at = f"{where}[{index}]"
            parts: dict[str, Node] = {}
            if isinstance(item, Mapping):
                parts = {entry.key: entry.value for entry in self._entries(item, at)}
            if not parts.keys() <= {"when", "then", "else"} or ("when" in parts) != ("then" in parts) or not parts:
                self._add(item.line, at, "must be an object of `when` and `then`, or of `else` alone")
                continue
            if other is not None:
                self._add(item.line, at, "nothing can follow `else`")
            if "when" in parts:
                branches.append(self._branch(parts, at, around))
            if "else" in parts:
                other = self._nested(parts["else"], f"{at}.else", around)
        return Cond(tuple(branches), other)

    def _branch(self, parts: MappingOf[str, Node], at: str, around: _Open) -> Branch:
        when = ""
        try:
            when = script(parts["when"])
        except Wrong as wrong:
            self._add(parts["when"].line, f"{at}.when", str(wrong))
        return Branch(when, self._nested(parts["then"], f"{at}.then", around))

    def _result(self, row: Property, node: Node, where: str, around: _Open) -> Cond | Switch:
        if isinstance(node, Sequence):
            return self._cond(row, node, where, around)
        if not isinstance(node, Mapping):
            raise Wrong(f"must be {wanted(row)}; got {shown(node)}")
        given = self._properties(RESULT_SWITCH, node, where, around)
        values: dict[str, Any] = {"variable": RESULT_SWITCH.properties[0].default, **given}
        return Switch(values["variable"], values.get("case", {}), values.get("default"))

    def _destination(self, row: Property, node: Node, where: str, around: _Open) -> str | Template | Inline:
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
            raise Wrong(f"must be {wanted(row)}; got {shown(node)}")
        dest = node.value.strip()
        if dest.lower().startswith(("http:", "https:", "relay:")):
            raise Wrong(f"{dest.partition(':')[0].lower()}: destinations are not supported in this version")
        if _JSON.match(dest):
            return self._inline(dest, node, where, around)
        placed = _template(dest)
        return dest if isinstance(placed, str) else placed

    def _inline(self, dest: str, node: Scalar, where: str, around: _Open) -> Inline:
        """Read an inline document; its sections have a scope of their own, its problems this place."""
        if around.depth >= MAX_INLINE:
            raise Wrong(f"inline documents lie more than {MAX_INLINE} deep in each other")
        former = self._scope, self._depth
        told = len(self.problems)
        self._scope, self._depth = f"{around.scope}{where}:", around.depth + 1
        try:
            self.document(parse(dest))
        except Unreadable as error:
            raise Wrong(f"an inline document: {error}") from None
        finally:
            scope, (self._scope, self._depth) = self._scope, former
            self.problems[told:] = [
                Problem(node.line, f"{where}: {problem.where}", problem.message) for problem in self.problems[told:]
            ]
        return Inline(section_block(scope, MAIN))

    def _any(self, node: Node, where: str) -> object:
        match node:
            case Mapping():
                return {entry.key: self._any(entry.value, where) for entry in self._entries(node, where)}
            case Sequence():
                return [self._any(item, where) for item in node.items]
            case Scalar(value=str() as text):
                try:
                    return _template(text)
                except Wrong as wrong:
                    self._add(node.line, where, str(wrong))
                    return text
            case Scalar(value=int() as whole) if abs(whole) > MAX_WHOLE:
                return float(whole)
            case Scalar(value=value):
                return value

    def _object(self, node: Node, where: str) -> object:
        if not isinstance(node, Mapping):
            raise Wrong(f"must be {Kind.OBJECT}; got {shown(node)}")
        return self._any(node, where)

    def _variables(self, node: Node, where: str) -> tuple[tuple[str, object], ...]:
        if not isinstance(node, Mapping):
            raise Wrong(f"must be {Kind.VARIABLES}; got {shown(node)}")
        given: dict[str, object] = {}
        for entry in self._entries(node, where):
            try:
                name = variable_name(entry.key)
            except Wrong as wrong:
                self._add(entry.line, where, str(wrong))
            else:
                given[name] = self._any(entry.value, place(where, entry.key))
        return tuple(given.items())

    def _judged(self, row: Property, node: Node, where: str) -> dict[str, object]:
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
                self._add(entry.line, place(where, entry.key), f"written twice; first on line {lines[entry.key]}")
            else:
                lines[entry.key] = entry.line
                yield entry

    def _add(self, line: int, where: str, message: str) -> None:
        self.problems.append(Problem(line, where, message))


def shown_names(names: list[str]) -> str:
    """Return names for a message."""
    return ", ".join(quoted(name) for name in names[:10])


def _template(text: str) -> str | Template:
    try:
        return template(text)
    except Malformed as malformed:
        raise Wrong(f"{malformed}; got {quoted(text)}") from None


def _names(row: Property, node: Node) -> list[str]:
    items = node.items if isinstance(node, Sequence) else (node,)
    names = [item.value for item in items if isinstance(item, Scalar) and isinstance(item.value, str)]
    if not items or len(names) < len(items):
        raise Wrong(f"must be {wanted(row)}; got {shown(node)}")
    return [variable_name(name) for name in names]


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
