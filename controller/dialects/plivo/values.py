"""Written values of attributes → what they come to, or what would be right. Sources: spec 3.1, 3.4, Plivo's pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from controller.documents.attributes import Attribute, Kind, Value, quoted, value_of, wanted
from controller.documents.urls import BadUrl, resolve

REAL, NONE = "real", "none"
"""What ``dialMusic`` says instead of a URL: what the other side sends, and nothing."""

PREFIX = "X-PH-"
"""Begins the name of each SIP header that a document sends."""

MOST_HEADERS = 24
"""SIP headers that one party is sent, those of its Dial with them."""

MOST_PATTERNS = 50

_NAME = re.compile(r"(?=.{1,50}\Z)(?:[^\W_]|\+)(?:(?:[^\W_]|[ .+&()-])*(?:[^\W_]|[.+)-]))?")
_NAME_RIGHT = "1 to 50 letters, digits, blanks and . + & ( ) -, a letter, a digit or + first"
_HEADER = re.compile(r"(?:X-PH-)?([A-Za-z0-9]{1,48})=([A-Za-z0-9%]{1,256})", re.IGNORECASE)
_HEADER_RIGHT = "name=value pairs separated by commas, names of letters and digits, values of these and %"
_PATTERN = re.compile(r"[0-9*#]{1,24}")
_PATTERN_RIGHT = "1 to 24 of 0-9 * # each, separated by commas"


class BadValue(ValueError):
    """A value that an attribute cannot have; the text says what would be right."""


def read(row: Attribute, written: str) -> Value | None:
    """Return what a written value comes to, None where it is as if it were not written. Raises BadValue."""
    text = written.strip()
    if row.kind is Kind.KEYS:
        return _keys(row, text)
    if not text and row.kind is not Kind.INTEGER:
        return None  # samples of many applications are written so
    special = _SPECIAL.get(row.name)
    if special is not None:
        return special(text)
    if row.kind is Kind.URL:
        return url(text)
    value = value_of(row, text)
    if value is None:
        raise BadValue(f"must be {wanted(row)}; got {quoted(written)}")
    return value


def url(text: str) -> str:
    """Return a URL that is whole and that can be asked. Raises BadValue."""
    try:
        return resolve("", text)
    except BadUrl:
        raise BadValue(f"must be a whole URL of http or https with a host; got {quoted(text)}") from None


def headers(text: str) -> tuple[str, ...]:
    """Return ``X-PH-name=value`` of each SIP header. Raises BadValue."""
    found: dict[str, str] = {}
    pairs = text.split(",")
    if len(pairs) > MOST_HEADERS:
        raise BadValue(f"at most {MOST_HEADERS} headers; got {len(pairs)}")
    for pair in pairs:
        match = _HEADER.fullmatch(pair.strip())
        if match is None:
            raise BadValue(f"must be {_HEADER_RIGHT}; got {quoted(pair)}")
        found[match[1].lower()] = f"{PREFIX}{match[1]}={match[2]}"
    return tuple(found.values())


def _keys(row: Attribute, text: str) -> Value | None:
    ends = row.name == "finishOnKey"
    if ends and text.lower() in {"", NONE}:  # both say so (Plivo's page of GetDigits; the seed has the second)
        return ""
    if not text:
        return None
    value = value_of(row, text)
    if value is None:
        raise BadValue(f"must be {wanted(row)}" + (f', or "{NONE}"' if ends else "") + _got(text))
    return value


def _music(text: str) -> str:
    if text.lower() in {REAL, NONE}:
        return text.lower()
    try:
        return url(text)
    except BadValue:
        raise BadValue(f"must be {REAL}, {NONE}, or a whole URL of http or https{_got(text)}") from None


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise BadValue(f"must be {_NAME_RIGHT}{_got(text)}")
    return text


def _patterns(text: str) -> tuple[str, ...]:
    patterns = [pattern.strip() for pattern in text.split(",")]
    if len(patterns) > MOST_PATTERNS:
        raise BadValue(f"at most {MOST_PATTERNS} patterns; got {len(patterns)}")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise BadValue(f"must be {_PATTERN_RIGHT}{_got(pattern)}")
    return tuple(dict.fromkeys(patterns))


def _got(text: str) -> str:
    return f"; got {quoted(text)}"


_SPECIAL: Mapping[str, Callable[[str], Value]] = {
    "callerName": _name,
    "dialMusic": _music,
    "digitsMatch": _patterns,
    "digitsMatchBLeg": _patterns,
    "sipHeaders": headers,
}
