"""Attributes of the XML dialects: a row of a reference's table, what is made of a written value, words about both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from controller.documents.addresses import bare_number

LONGEST_SHOWN = 40
"""Characters of a hostile text that a message shows."""

_KEYS = re.compile(r"[0-9*#]{0,12}\Z")
_TONES = re.compile(r"[0-9A-D*#wW]{1,256}\Z")
_WHOLE = re.compile(r"[0-9]{1,9}\Z")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,256}\Z")
_CALLER = re.compile(r"\+?[0-9*#]{1,32}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FLAGS = {"true": True, "false": False}


class Kind(StrEnum):
    """What an attribute's value is, in words for people."""

    TEXT = "text"
    URL = "a relative or absolute URL"
    CHOICE = "one of its values"
    INTEGER = "a whole number"
    BOOLEAN = "true or false"
    KEYS = "keys among 0-9, * and #"
    CALLER = "a number, or a name of letters, digits and . _ -"
    TONES = "digits among 0-9, A-D, *, #, w and W"
    EVENTS = "events, separated by spaces"


class Served(StrEnum):
    """Whether an attribute is carried out.

    ``MOOT`` ones mean nothing for what is carried out (a speech model where only digits are gathered); of those that
    are ``IGNORED`` the document's author is warned, and for those that are ``REFUSED`` the document is.
    """

    YES = "yes"
    MOOT = "moot"
    IGNORED = "ignored"
    REFUSED = "refused"


Value = str | int | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A row: its allowed values and default in the source's words, then what they come to.

    ``code`` is the vendor's number for a value that is not allowed, 0 for its usual one or none.
    """

    name: str
    kind: Kind
    values: str
    default_words: str
    default: Value | None = None
    choices: tuple[str, ...] = ()
    at_least: int | None = None
    at_most: int | None = None
    code: int = 0
    served: Served = Served.YES


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb or noun: its attributes, what may be nested in it, and whether it has a text of its own.

    ``refused`` are known nouns that are not carried out.
    """

    name: str
    attributes: tuple[Attribute, ...] = ()
    nested: tuple[str, ...] = ()
    text: bool = False
    refused: tuple[str, ...] = ()

    @property
    def by_name(self) -> Mapping[str, Attribute]:
        """Its attributes by their names."""
        return {attribute.name: attribute for attribute in self.attributes}


def value_of(row: Attribute, written: str) -> Value | None:
    """Return what a written value comes to, None where it cannot be one. URLs and events are the dialects' own."""
    text = written.strip()
    match row.kind:
        case Kind.CHOICE:
            return next((choice for choice in row.choices if choice.lower() == text.lower()), None)
        case Kind.BOOLEAN:
            return _FLAGS.get(text.lower())
        case Kind.INTEGER:
            return int(text) if _WHOLE.match(text) and _within(row, int(text)) else None
        case Kind.KEYS:
            return text if _KEYS.match(text) else None
        case Kind.TONES:
            return text if _TONES.match(text) else None
        case Kind.CALLER:
            return bare if _CALLER.fullmatch(bare := bare_number(text)) else None
        case Kind.TEXT:
            return text if _NAME.match(text) else None
        case Kind.URL | Kind.EVENTS:
            raise AssertionError(f"{row.kind} is read by its dialect")


def wanted(row: Attribute) -> str:
    """Return what would be right for an attribute."""
    if row.choices:
        return either(row.choices)
    if row.kind is Kind.INTEGER:
        return f"{row.kind} from {row.at_least} to {row.at_most}"
    return "text of 1 to 256 printable characters" if row.kind is Kind.TEXT else str(row.kind)


def either(choices: Iterable[str]) -> str:
    """Return ``a, b or c``."""
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last


def cut(text: str) -> str:
    """Return a hostile text short enough for a message."""
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."


def quoted(text: str) -> str:
    """Return a hostile text quoted, escaped and cut, fit for a message."""
    return json.dumps(cut(text))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that a wrong one is most like, empty where none is."""
    by_lower = {one.lower(): one for one in known}
    close = get_close_matches(name[:64].lower(), sorted(by_lower), n=1, cutoff=0.6)
    return f" (did you mean {by_lower[close[0]]}?)" if close else ""


def _within(row: Attribute, number: int) -> bool:
    return (row.at_least is None or number >= row.at_least) and (row.at_most is None or number <= row.at_most)
