"""How problems are said: what a message may show of a hostile text, and hints at what was meant."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches

from controller.dialects.swml.nodes import Mapping, Node, Scalar, Sequence

_SHOWN = 40


class Wrong(ValueError):
    """A value that its row does not allow; the text says what it is and what would be right."""


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


def either(choices: Iterable[str]) -> str:
    """Return choices as a message lists them."""
    *first, last = (json.dumps(choice) for choice in choices)
    return f"{', '.join(first)} or {last}" if first else last
