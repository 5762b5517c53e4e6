"""YAML text → nodes: the part of YAML that says the same in 1.1, in 1.2 and to its reader.

Plain words are read by YAML 1.2's core schema, so that a document and its JSON twin are one document: `on`, `yes`
and `1:30` are texts, not booleans or minutes. A leading zero (`010`: 8 in YAML 1.1, 10 in 1.2) is refused. Tags,
anchors, aliases and second documents are refused as well: SWML has no use for them, an attacker has.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from controller.dialects.swml.nodes import Budget, Entry, Mapping, Node, Plain, Scalar, Sequence, Unreadable, number

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it. Only its event stream is used: no object is ever constructed."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUES = frozenset({"true", "True", "TRUE"})
_FALSES = frozenset({"false", "False", "FALSE"})
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+\Z")


def read(text: str) -> Node:
    """Return the tree of a YAML text. Raises Unreadable."""
    try:
        return _build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        line = min(mark.line, text.count("\n")) + 1 if mark else 0
        raise Unreadable(line, f"not readable as YAML: {said}") from None
    except Unreadable:
        raise
    except (yaml.YAMLError, ValueError, OverflowError):  # the latter two are of PyYAML's own int() and chr()
        raise Unreadable(_line_of_unprintable(text), "a character that a document may not hold") from None


def _line_of_unprintable(text: str) -> int:
    found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    return text.count("\n", 0, found.start()) + 1 if found else 0


class _Open:
    """A list or object whose end has not come; ``parts`` of an object are keys and values in turn."""

    def __init__(self, line: int, mapping: bool) -> None:
        self.line = line
        self.mapping = mapping
        self.parts: list[Node] = []

    def close(self) -> Node:
        if not self.mapping:
            return Sequence(self.line, tuple(self.parts))
        pairs = zip(self.parts[::2], self.parts[1::2], strict=True)
        return Mapping(self.line, tuple(Entry(key.line, _key(key), value) for key, value in pairs))


def _build(text: str) -> Node:
    budget = Budget()
    stack: list[_Open] = []
    root: Node | None = None
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 0
        match event:
            case yaml.AliasEvent():
                raise Unreadable(line, "aliases (*name) are not part of SWML: write the value out")
            case yaml.ScalarEvent() | yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                if event.anchor is not None:
                    raise Unreadable(
                        line, "anchors (&name) are not part of SWML: write the value out where it is needed"
                    )
                if event.tag is not None:
                    raise Unreadable(
                        line, "tags (!name) are not part of SWML: quote what is text, leave plain what is not"
                    )
                budget.spend(line, len(stack))
                if isinstance(event, yaml.ScalarEvent):
                    node: Node = Scalar(line, _plain(event.value, line) if event.implicit[0] else event.value)
                else:
                    stack.append(_Open(line, isinstance(event, yaml.MappingStartEvent)))
                    continue
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                node = stack.pop().close()
            case yaml.DocumentStartEvent() if root is not None:
                raise Unreadable(line, "a second document begins here (---): one text is one SWML document")
            case _:
                continue
        if stack:
            stack[-1].parts.append(node)
        else:
            root = node
    if root is None:
        raise Unreadable(1, "the document is empty")
    return root


def _plain(text: str, line: int) -> Plain:
    if text in _NULLS:
        return None
    if text in _TRUES:
        return True
    if text in _FALSES:
        return False
    if _LEADING_ZERO.match(text):
        raise Unreadable(
            line, f"{text[:40]} is octal in YAML 1.1 and decimal in 1.2: drop the zero, or quote it if it is text"
        )
    value = number(text, line)
    return text if value is None else value


def _key(node: Node) -> str:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return node.value
    raise Unreadable(node.line, "a key must be text: quote it if it looks like a number, true, false or null")
