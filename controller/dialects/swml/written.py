"""Judges values that hold other values: objects, lists of sounds, headers, bodies; each part has its own problem."""

from __future__ import annotations

import json
from collections.abc import Mapping as MappingOf

from controller.dialects.swml.blocks import place
from controller.dialects.swml.messages import Wrong, quoted, shown
from controller.dialects.swml.nodes import Mapping, Node, Scalar, Sequence
from controller.dialects.swml.problems import Problems
from controller.dialects.swml.rows import Kind, Property
from controller.dialects.swml.scope import text as in_words
from controller.dialects.swml.sounds import MOST_SOUNDS, check_beginning, sound
from controller.dialects.swml.templates import Malformed, Template, template
from controller.dialects.swml.urls import MOST_HEADERS, check_body, check_header, check_header_name
from controller.dialects.swml.values import variable_name, wanted

MAX_WHOLE = 2**53
"""Above it JavaScript has no exact whole numbers, and JSON none of 64 bits."""


def text_or_template(text: str) -> str | Template:
    """Return a text, or the template that it is. Raises Wrong."""
    try:
        return template(text)
    except Malformed as malformed:
        raise Wrong(f"{malformed}; got {quoted(text)}") from None


def anything(node: Node, where: str, problems: Problems) -> object:
    """Return any value in JSON types, with templates in it."""
    match node:
        case Mapping():
            return {entry.key: anything(entry.value, where, problems) for entry in problems.entries(node, where)}
        case Sequence():
            return [anything(item, where, problems) for item in node.items]
        case Scalar(value=str() as text):
            try:
                return text_or_template(text)
            except Wrong as wrong:
                problems.add(node.line, where, str(wrong))
                return text
        case Scalar(value=int() as whole) if abs(whole) > MAX_WHOLE:
            return float(whole)
        case Scalar(value=value):
            return value


def whole_object(node: Node, where: str, problems: Problems) -> object:
    """Return an object of anything. Raises Wrong."""
    if not isinstance(node, Mapping):
        raise Wrong(f"must be {Kind.OBJECT}; got {shown(node)}")
    return anything(node, where, problems)


def variables(node: Node, where: str, problems: Problems) -> tuple[tuple[str, object], ...]:
    """Return the entries of a `set`. Raises Wrong."""
    if not isinstance(node, Mapping):
        raise Wrong(f"must be {Kind.VARIABLES}; got {shown(node)}")
    given: dict[str, object] = {}
    for entry in problems.entries(node, where):
        try:
            name = variable_name(entry.key)
        except Wrong as wrong:
            problems.add(entry.line, where, str(wrong))
        else:
            given[name] = anything(entry.value, place(where, entry.key), problems)
    return tuple(given.items())


def names(row: Property, node: Node) -> list[str]:
    """Return the names of an `unset`. Raises Wrong."""
    items = node.items if isinstance(node, Sequence) else (node,)
    found = [item.value for item in items if isinstance(item, Scalar) and isinstance(item.value, str)]
    if not items or len(found) < len(items):
        raise Wrong(f"must be {wanted(row)}; got {shown(node)}")
    return [variable_name(name) for name in found]


def sounds(row: Property, node: Node, where: str, problems: Problems) -> object:
    """Return a sound, or the list of those that its row wants. Raises Wrong."""
    if row.kind is not Kind.SOUNDS and not isinstance(node, Sequence):
        return _sound(row, node)
    if row.kind is Kind.SOUND or not isinstance(node, Sequence) or not node.items:
        said = "an empty list" if isinstance(node, Sequence) and not node.items else shown(node)
        raise Wrong(f"must be {wanted(row)}; got {said}")
    if len(node.items) > MOST_SOUNDS:
        raise Wrong(f"must have at most {MOST_SOUNDS} sounds; got {len(node.items)}")
    found: list[object] = []
    for index, item in enumerate(node.items):
        try:
            found.append(_sound(row, item))
        except Wrong as wrong:
            problems.add(item.line, f"{where}[{index}]", str(wrong))
    return found


def headers(node: Node, where: str, problems: Problems) -> MappingOf[str, object]:
    """Return headers and their values. Raises Wrong."""
    if not isinstance(node, Mapping):
        raise Wrong(f"must be {Kind.HEADERS}; got {shown(node)}")
    if len(node.entries) > MOST_HEADERS:
        raise Wrong(f"must have at most {MOST_HEADERS} headers; got {len(node.entries)}")
    found: dict[str, object] = {}
    lines: dict[str, int] = {}
    for entry in problems.entries(node, where):
        at, name = place(where, entry.key), entry.key.lower()
        if name in lines:
            problems.add(entry.line, at, f"written twice; first on line {lines[name]}")
            continue
        lines[name] = entry.line
        try:
            check_header_name(entry.key)
            found[entry.key] = _header(entry.value)
        except Wrong as wrong:
            problems.add(entry.value.line, at, str(wrong))
    return found


def body(node: Node, where: str, problems: Problems) -> object:
    """Return a request's body: a text or an object. Raises Wrong."""
    if isinstance(node, Mapping):
        known = len(problems.found)
        value = anything(node, where, problems)
        if isinstance(value, dict) and len(problems.found) == known:
            check_body(json.dumps(value, default=_as_written))
        return value
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        raise Wrong(f"must be {Kind.BODY}; got {shown(node)}")
    found = text_or_template(node.value)
    check_body(node.value)
    return found


def _sound(row: Property, node: Node) -> str | Template:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        raise Wrong(f"must be {Kind.SOUND if isinstance(node, Scalar) else wanted(row)}; got {shown(node)}")
    found = text_or_template(node.value)
    if isinstance(found, Template):
        check_beginning(found)
    else:
        sound(found)
    return found


def _header(node: Node) -> str | Template:
    if not isinstance(node, Scalar) or node.value is None:
        raise Wrong(f"must be text; got {shown(node)}")
    found = text_or_template(in_words(node.value))
    if isinstance(found, str):
        check_header(found)
    return found


def _as_written(value: object) -> str:
    return value.text if isinstance(value, Template) else ""
