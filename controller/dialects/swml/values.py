"""Judges one value of a document by its row in ``methods``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import urlsplit

from controller.dialects.swml.methods import Kind, Property, Served
from controller.dialects.swml.nodes import Mapping, Node, Scalar, Sequence

Value = bool | int | float | str

MAX_TEXT = 256
"""Characters of a control_id or another short text."""

MAX_URL = 2048
"""Characters of a URL."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9A-Da-d*#]{0,64}\Z")
_URL = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+\Z")
_PLACEHOLDER = re.compile(r"[$%]\{")
_SHOWN = 40


class Wrong(ValueError):
    """A value that its row does not allow; the text says what it is and what would be right."""


def judge(prop: Property, node: Node) -> Value:
    """Return the value that ``node`` gives ``prop``, in the row's type. Raises Wrong."""
    if prop.served is Served.NOT_YET:
        raise Wrong("not supported in this version: leave it out")
    if not isinstance(node, Scalar):
        raise Wrong(f"must be {wanted(prop)}; got {shown(node)}")
    if (prop.variable or not prop.choices) and isinstance(node.value, str) and _PLACEHOLDER.search(node.value):
        raise Wrong("variables (${…}, %{…}) are not supported in this version: write the value itself")
    value = _typed(prop, node)
    if prop.served is Served.AT_DEFAULT and value != prop.default:
        raise Wrong(f"not supported in this version unless at its default, {json.dumps(prop.default)}")
    return value


def wanted(prop: Property) -> str:
    """Say what a property may be, for people."""
    if prop.choices:
        return _either(prop.choices)
    limits = [
        *([f"above {prop.above:g}"] if prop.above is not None else []),
        *([f"at least {prop.at_least:g}"] if prop.at_least is not None else []),
        *([f"at most {prop.at_most:.10g}"] if prop.at_most is not None else []),
    ]
    range_ = " and ".join(limits)
    return " ".join(part for part in (str(prop.kind), range_, f"({prop.unit})" if prop.unit else "") if part)


def shown(node: Node) -> str:
    """Return what a message may show of a hostile value: short, on one line, printable."""
    match node:
        case Mapping():
            return "an object"
        case Sequence():
            return "a list"
        case Scalar(value=str() as text):
            return quoted(text)
        case Scalar(value=value):
            return json.dumps(value)


def quoted(text: str) -> str:
    """Return a hostile text quoted, escaped and cut, fit for a message."""
    return json.dumps(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that was probably meant, or nothing."""
    close = get_close_matches(name[:64].lower(), sorted(known), n=1, cutoff=0.6)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _typed(prop: Property, node: Scalar) -> Value:
    value = node.value
    match prop.kind:
        case Kind.BOOLEAN:
            if isinstance(value, bool):
                return value
        case Kind.INTEGER | Kind.NUMBER:
            if isinstance(value, (int, float)) and not isinstance(value, bool) and _within(prop, value):
                if prop.kind is Kind.NUMBER:
                    return float(value)
                if value == int(value):
                    return int(value)
        case Kind.TEXT | Kind.DIGITS | Kind.URL:
            if isinstance(value, str):
                _check_text(prop, value)
                return value
            if isinstance(value, (bool, int, float)) and not prop.choices:
                raise Wrong(f"must be {wanted(prop)}; got {shown(node)}: put it in quotes")
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
        _check_url(text)
    elif prop.kind is Kind.DIGITS:
        if not _DIGITS.match(text):
            raise Wrong(f"must be {wanted(prop)}, at most 64 of them; got {quoted(text)}")
    elif not text or len(text) > MAX_TEXT:
        raise Wrong(f"must have 1 to {MAX_TEXT} characters; got {len(text)}")
    elif _UNPRINTABLE.search(text):
        raise Wrong(f"must be printable text on one line; got {quoted(text)}")


def _check_url(text: str) -> None:
    if len(text) > MAX_URL:
        raise Wrong(f"must have at most {MAX_URL} characters; got {len(text)}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    else:
        if parts.scheme not in {"http", "https"}:
            host = None
    if not host or port == 0:
        raise Wrong(f"must be {Kind.URL} with a host; got {quoted(text)}")
    if not _URL.match(text):
        raise Wrong(f"must be {Kind.URL} whose other characters are percent-encoded; got {quoted(text)}")


def _either(choices: Iterable[str]) -> str:
    *first, last = (json.dumps(choice) for choice in choices)
    return f"{', '.join(first)} or {last}" if first else last
