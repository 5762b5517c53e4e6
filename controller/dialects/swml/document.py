"""SWML text → sections of instructions, every one checked before anything runs; all problems are found at once."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from typing import Any

from controller.dialects.swml import callees, json_text, yaml_text
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
from controller.dialects.swml.messages import Wrong, nearest, quoted, shown
from controller.dialects.swml.methods import DOCUMENTED, METHODS
from controller.dialects.swml.nodes import MAX_CHARACTERS, Entry, Mapping, Node, Scalar, Sequence, Unreadable
from controller.dialects.swml.problems import Problems
from controller.dialects.swml.rows import Kind, Method, Property
from controller.dialects.swml.rows_flow import RESULT_SWITCH
from controller.dialects.swml.templates import Template
from controller.dialects.swml.urls import check_url, is_url
from controller.dialects.swml.values import judge, script, wanted
from controller.dialects.swml.written import (
    anything,
    body,
    headers,
    names,
    sounds,
    text_or_template,
    variables,
    whole_object,
)
from controller.documents.dialect import DocumentError

VERSION = "1.0.0"
MAIN = "main"
MAX_INLINE = 4
"""How many inline documents may lie in each other: each is text within a text."""

_JSON = re.compile(r"[ \t\r\n]*\{[ \t\r\n]*[\"}]")
_SUPPORTED = ", ".join(METHODS)


def read(text: str, source: str, scope: str = "") -> Document:
    """Return a text's document, its blocks under ``scope``. Raises DocumentError with every problem found."""
    checker = _Checker(scope)
    try:
        checker.document(parse(text))
    except Unreadable as error:
        raise DocumentError(source, (error.problem,)) from None
    checker.settle_names()
    if checker.problems.found:
        raise DocumentError(source, checker.problems.told())
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

    def __init__(self, scope: str) -> None:
        self.problems = Problems()
        self.blocks: dict[str, Block] = {}
        self._jumps: list[tuple[Instruction, str]] = []
        self._calls: list[tuple[Instruction, str]] = []
        self._scope = scope
        self._depth = 0

    def document(self, root: Node) -> None:
        """Check a whole document; its blocks are added under the scope of now."""
        if not isinstance(root, Mapping):
            self.problems.add(
                root.line, "", f"a document is an object with `version` and `sections`; got {shown(root)}"
            )
            return
        found = False
        for entry in self.problems.entries(root, ""):
            if entry.key == "version":
                self._version(entry.value)
            elif entry.key == "sections":
                found = True
                self._sections(entry.value)
            else:
                hint = nearest(entry.key, ("version", "sections"))
                self.problems.add(
                    entry.line, place("", entry.key), f"unknown; only `version` and `sections` may be here{hint}"
                )
        if not found:
            self.problems.add(root.line, "sections", f"missing: an object with at least the list `{MAIN}`")

    def settle_names(self) -> None:
        """Check what can be only when all is read: that what is jumped to and called is there."""
        for jump, block in self._jumps:
            label = jump.values.get("label")
            if label is not None and find_label(self.blocks, block, label) is None:
                self.problems.add(
                    jump.line,
                    f"{jump.where}.label",
                    f"no label {quoted(label)} in its list of steps, or one around it in the same section",
                )
        for call, scope in self._calls:
            dest = call.values.get("dest")
            if isinstance(dest, str) and not is_url(dest) and section_block(scope, dest) not in self.blocks:
                there = [block.section for block in self.blocks.values() if block.scope == scope]
                known = f"{', '.join(quoted(name) for name in there[:10])}{nearest(dest, there)}"
                self.problems.add(call.line, f"{call.where}.dest", f"no section {quoted(dest)}; there are {known}")

    def _version(self, node: Node) -> None:
        if not (isinstance(node, Scalar) and node.value == VERSION):
            self.problems.add(node.line, "version", f'must be "{VERSION}", or left out; got {shown(node)}')

    def _sections(self, node: Node) -> None:
        if not isinstance(node, Mapping):
            self.problems.add(node.line, "sections", f"must be an object of lists of steps; got {shown(node)}")
            return
        names = []
        for entry in self.problems.entries(node, "sections"):
            names.append(entry.key)
            name = section_block(self._scope, entry.key)
            self._block(entry.value, _Open(name, entry.key, self._scope, self._depth), place("", entry.key))
        if MAIN not in names:
            self.problems.add(node.line, f"sections.{MAIN}", "missing: the list of steps that a call begins with")

    def _block(self, node: Node, block: _Open, where: str) -> None:
        if not isinstance(node, Sequence):
            self.problems.add(node.line, where, f"must be a list of steps; got {shown(node)}")
            return
        if not node.items:
            self.problems.add(node.line, where, "has no steps")
        steps: list[Instruction] = []
        labels: dict[str, int] = {}
        for index, item in enumerate(node.items):
            step = self._step(item, f"{where}[{index}]", replace(block, parent=(block.name, len(steps))))
            if step is None:
                continue
            if step.method == "label" and "value" in step.values:
                label = step.values["value"]
                if label in labels:
                    self.problems.add(step.line, step.where, f"a second label {quoted(label)} in one list of steps")
                labels.setdefault(label, len(steps))
            steps.append(step)
        self.blocks[block.name] = Block(tuple(steps), block.section, block.scope, labels, block.parent)

    def _step(self, node: Node, where: str, around: _Open) -> Instruction | None:
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            self.problems.add(node.line, where, _not_a_step(node))
            return None
        (entry,) = node.entries
        method = METHODS.get(entry.key)
        if method is None:
            self.problems.add(entry.line, where, _unknown_method(entry.key))
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
            self.problems.add(entry.value.line, where, _not_properties(method, entry.value))
        return Instruction(method.name, {**method.defaults, **given}, entry.line, where)

    def _properties(self, method: Method, node: Mapping, where: str, around: _Open) -> dict[str, object]:
        given: dict[str, object] = {}
        for entry in self.problems.entries(node, where):
            known = method.property(entry.key)
            if known is None:
                rows = [row.name for row in method.properties]
                message = f"unknown; {method.name} knows {', '.join(rows)}{nearest(entry.key, rows)}"
                self.problems.add(entry.line, place(where, entry.key), message)
            else:
                given |= self._value(known, entry.value, f"{where}.{known.name}", around)
        for row in method.properties:
            if row.required and not any(entry.key == row.name for entry in node.entries):
                self.problems.add(node.line, f"{where}.{row.name}", f"missing: {wanted(row)}")
        self._one_of(method, node, where)
        return given

    def _one_of(self, method: Method, node: Mapping, where: str) -> None:
        found = [entry for entry in node.entries if entry.key in method.one_of]
        if method.one_of and len({entry.key for entry in found}) != 1:
            right = " or ".join(f"`{name}`" for name in method.one_of)
            got = " and ".join(f"`{entry.key}`" for entry in found) or "neither"
            line = found[-1].line if found else node.line
            self.problems.add(line, where, f"must have either {right}; got {got}")

    # --- values that hold other values, or steps -------------------------------------------------------------------

    def _value(self, row: Property, node: Node, where: str, around: _Open) -> dict[str, object]:
        value: object
        try:
            match row.kind:
                case Kind.ANYTHING:
                    value = anything(node, where, self.problems)
                case Kind.OBJECT:
                    value = whole_object(node, where, self.problems)
                case Kind.VARIABLES:
                    value = variables(node, where, self.problems)
                case Kind.NAMES:
                    value = names(row, node)
                case Kind.SOUND | Kind.SOUNDS | Kind.PROMPT:
                    value = sounds(row, node, where, self.problems)
                case Kind.CALLEE | Kind.CALLEES | Kind.CALLEE_GROUPS:
                    value = callees.written(row, node, where, self.problems)
                case Kind.HEADERS:
                    value = headers(node, where, self.problems)
                case Kind.BODY:
                    value = body(node, where, self.problems)
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
            self.problems.add(node.line, where, str(wrong))
            return {}
        return {row.name: value}

    def _nested(self, node: Node, where: str, around: _Open) -> str:
        name = f"{around.scope}{where}"
        self._block(node, replace(around, name=name), where)
        return name

    def _cases(self, row: Property, node: Node, where: str, around: _Open) -> dict[str, str]:
        if not isinstance(node, Mapping):
            raise Wrong(f"must be {wanted(row)}; got {shown(node)}")
        entries = self.problems.entries(node, where)
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
                parts = {entry.key: entry.value for entry in self.problems.entries(item, at)}
            if not parts.keys() <= {"when", "then", "else"} or ("when" in parts) != ("then" in parts) or not parts:
                self.problems.add(item.line, at, "must be an object of `when` and `then`, or of `else` alone")
                continue
            if other is not None:
                self.problems.add(item.line, at, "nothing can follow `else`")
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
            self.problems.add(parts["when"].line, f"{at}.when", str(wrong))
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
        if dest.lower().startswith("relay:"):
            raise Wrong("relay: destinations are not supported in this version")
        if _JSON.match(dest):
            return self._inline(dest, node, where, around)
        placed = text_or_template(dest)
        if isinstance(placed, str) and is_url(placed):
            check_url(placed)
        return placed

    def _inline(self, dest: str, node: Scalar, where: str, around: _Open) -> Inline:
        """Read an inline document; its sections have a scope of their own, its problems this place."""
        if around.depth >= MAX_INLINE:
            raise Wrong(f"inline documents lie more than {MAX_INLINE} deep in each other")
        former = self._scope, self._depth
        since = len(self.problems.found)
        self._scope, self._depth = f"{around.scope}{where}:", around.depth + 1
        try:
            self.document(parse(dest))
        except Unreadable as error:
            raise Wrong(f"an inline document: {error}") from None
        finally:
            scope, (self._scope, self._depth) = self._scope, former
            self.problems.inline(since, node.line, where)
        return Inline(section_block(scope, MAIN))

    def _judged(self, row: Property, node: Node, where: str) -> dict[str, object]:
        try:
            return {row.name: judge(row, node)}
        except Wrong as wrong:
            self.problems.add(node.line, where, str(wrong))
            return {}


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
