"""Judges one value of a document by its row in ``methods``."""

from __future__ import annotations

import json
import re
from typing import Any

from controller.dialects.swml import callees
from controller.dialects.swml.messages import Wrong, either, nearest, quoted, shown
from controller.dialects.swml.nodes import Node, Scalar
from controller.dialects.swml.rows import Kind, Property, Served
from controller.dialects.swml.scope import text as in_words
from controller.dialects.swml.sounds import MOST_SOUNDS, sound
from controller.dialects.swml.templates import Malformed, Template, condition, path, template
from controller.dialects.swml.urls import check_body, check_header, check_url, encoded, is_url

Value = bool | int | float | str | list[Any] | dict[str, Any]
"""What a property is when its method runs."""

MAX_TEXT = 256
"""Characters of a control_id or another short text."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9A-Da-d*#]{0,64}\Z")
_TONES = re.compile(r"[0-9A-D*#wW]{1,256}\Z")
_PLACEHOLDER = re.compile(r"[$%]\{")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,127}\Z")
_NUMBER = re.compile(r"\s*-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?\s*\Z", re.ASCII)
_WORDS = {"true": True, "false": False}
_RESERVED = frozenset({"vars", "envs", "call", "params", "__proto__", "__scope__"})


def judge(prop: Property, node: Node) -> Value | Template:
    """Return the value that ``node`` gives ``prop``, in the row's type, or the template of it. Raises Wrong."""
    if prop.served is Served.NOT_YET:
        raise Wrong("not supported in this version: leave it out")
    if not isinstance(node, Scalar):
        raise Wrong(f"must be {wanted(prop)}; got {shown(node)}")
    if isinstance(node.value, str) and _PLACEHOLDER.search(node.value):
        placed = _placed(prop, node.value)
        if placed is not None:
            return placed
    value = _typed(prop, node)
    if prop.served is Served.AT_DEFAULT and value != prop.default:
        raise Wrong(_not_default(prop))
    return value


def settle(prop: Property, value: object) -> Value:
    """Return the value that a property has once its variables are known, in the row's type. Raises Wrong.

    A variable may hold a number or a boolean as text (what a section is given, what a caller pressed): that is taken
    for what it says where a number or a boolean is wanted.
    """
    match prop.kind:
        case Kind.BOOLEAN | Kind.INTEGER | Kind.NUMBER:
            return _plain(prop, value)
        case Kind.SOUND:
            return _sound(value)
        case Kind.SOUNDS | Kind.PROMPT:
            return _sounds(prop, value)
        case Kind.CALLEE | Kind.CALLEES | Kind.CALLEE_GROUPS:
            found: Value = callees.settled(prop, value)
            return found
        case Kind.HEADERS if isinstance(value, dict):
            return {name: _header(text) for name, text in value.items()}
        case Kind.BODY:
            body: Value = value if isinstance(value, dict) else in_words(value)
            check_body(body if isinstance(body, str) else json.dumps(body))
            return body
        case Kind.URL:
            return _typed(prop, Scalar(0, encoded(in_words(value))))
        case _:
            return _typed(prop, Scalar(0, in_words(value)))


def _plain(prop: Property, value: object) -> Value:
    if isinstance(value, (dict, list)):
        gave = "an object" if isinstance(value, dict) else "a list"
        raise Wrong(f"must be {wanted(prop)}; its variables gave {gave}")
    plain = value if isinstance(value, (bool, int, float, str)) else None
    if isinstance(plain, str) and prop.kind is Kind.BOOLEAN:
        plain = _WORDS.get(plain.strip(), plain)
    elif isinstance(plain, str) and prop.kind in {Kind.INTEGER, Kind.NUMBER} and _NUMBER.match(plain):
        plain = float(plain)
    return _typed(prop, Scalar(0, plain))


def _sound(value: object) -> str:
    text = in_words(value)
    if is_url(text):
        text = encoded(text)
    sound(text)
    return text


def _sounds(prop: Property, value: object) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not 0 < len(items) <= MOST_SOUNDS:
        raise Wrong(f"must be {wanted(prop)}, 1 to {MOST_SOUNDS} of them; got {len(items)}")
    found = []
    for index, item in enumerate(items):
        try:
            found.append(_sound(item))
        except Wrong as wrong:
            raise Wrong(f"[{index}] {wrong}") from None
    return found


def _header(value: object) -> str:
    text = in_words(value)
    check_header(text)
    return text


def _placed(prop: Property, text: str) -> Template | None:
    """Return the template of a value with placeholders, None where the property is taken as it is written."""
    if prop.kind is Kind.NAME:
        raise Wrong(f"must be {wanted(prop)}: no variable may stand for it; got {quoted(text)}")
    if prop.served is Served.AT_DEFAULT:
        raise Wrong(_not_default(prop))
    try:
        placed = template(text)
    except Malformed as malformed:
        raise Wrong(f"{malformed}; got {quoted(text)}") from None
    if isinstance(placed, Template) and prop.variable and not placed.alone:
        raise Wrong(f"must be {wanted(prop)} or one ${{…}} and nothing else; got {quoted(text)}")
    return placed if isinstance(placed, Template) else None


def _not_default(prop: Property) -> str:
    return f"not supported in this version unless at its default, {json.dumps(prop.default)}"


def variable_name(text: str) -> str:
    """Return the name of a variable that may be set or unset. Raises Wrong."""
    name = text.removeprefix("vars.")
    if not _NAME.match(name) or name in _RESERVED:
        right = "a name of letters, digits, _, - and $, none of call, envs, params and vars"
        raise Wrong(f"a variable has {right}; got {quoted(text)}")
    return name


def script(node: Node) -> str:
    """Return the JavaScript of a bare condition. Raises Wrong."""
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return "true" if node.value else "false"
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        raise Wrong(f"must be {Kind.CONDITION}, as text; got {shown(node)}")
    try:
        return condition(node.value)
    except Malformed as malformed:
        raise Wrong(f"{malformed}; got {quoted(node.value)}") from None


def wanted(prop: Property) -> str:
    """Say what a property may be, for people."""
    if prop.choices:
        return either(prop.choices)
    limits = [
        *([f"above {prop.above:g}"] if prop.above is not None else []),
        *([f"at least {prop.at_least:g}"] if prop.at_least is not None else []),
        *([f"at most {prop.at_most:.10g}"] if prop.at_most is not None else []),
    ]
    range_ = " and ".join(limits)
    return " ".join(part for part in (str(prop.kind), range_, f"({prop.unit})" if prop.unit else "") if part)


def _typed(prop: Property, node: Scalar) -> Value:
    value = node.value
    match prop.kind:
        case Kind.BOOLEAN:
            if isinstance(value, bool):
                return value
            if isinstance(value, str) and value in _WORDS:
                return _WORDS[value]
        case Kind.INTEGER | Kind.NUMBER:
            if isinstance(value, (int, float)) and not isinstance(value, bool) and _within(prop, value):
                if prop.kind is Kind.NUMBER:
                    return float(value)
                if value == int(value):
                    return int(value)
        case Kind.TEXT | Kind.DIGITS | Kind.TONES | Kind.URL | Kind.NAME | Kind.VARIABLE | Kind.CALLER:
            if isinstance(value, str):
                _check_text(prop, value)
                return value
            if isinstance(value, (bool, int, float)) and not prop.choices:
                raise Wrong(f"must be {wanted(prop)}; got {shown(node)}: put it in quotes")
        case _:
            pass
    raise Wrong(f"must be {wanted(prop)}; got {shown(node)}")


def _within(prop: Property, value: float) -> bool:
    return (
        (prop.above is None or value > prop.above)
        and (prop.at_least is None or value >= prop.at_least)
        and (prop.at_most is None or value <= prop.at_most)
    )


def _check_text(prop: Property, text: str) -> None:
    if prop.choices:
        if text not in prop.choices:
            raise Wrong(f"must be {wanted(prop)}; got {quoted(text)}{nearest(text, prop.choices)}")
    elif prop.kind is Kind.URL:
        check_url(text)
    elif prop.kind is Kind.VARIABLE:
        if path(text) is None:
            raise Wrong(f"must be {wanted(prop)}; got {quoted(text)}")
    elif prop.kind is Kind.CALLER:
        callees.shown_caller(text)
    elif prop.kind is Kind.DIGITS:
        if not _DIGITS.match(text):
            raise Wrong(f"must be {wanted(prop)}, at most 64 of them; got {quoted(text)}")
    elif prop.kind is Kind.TONES:
        if not _TONES.match(text):
            raise Wrong(f"must be {wanted(prop)}, 1 to 256 of them; got {quoted(text)}")
    elif not text or len(text) > MAX_TEXT:
        raise Wrong(f"must have 1 to {MAX_TEXT} characters; got {len(text)}")
    elif _UNPRINTABLE.search(text):
        raise Wrong(f"must be printable text on one line; got {quoted(text)}")
