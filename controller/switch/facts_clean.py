"""Reading single values out of what a switch sent: untrusted, of any JSON type, with anything inside.

Only strings count. FreeSWITCH writes every header as a string, except that a value beginning with ``ARRAY::`` (a
caller's display name may) becomes a list: such a value is treated as missing, never joined or indexed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT = 64
TEXT = 256
LONG = 2048

EARLIEST = 946_684_800.0
LATEST = 4_102_444_800.0
"""2000-01-01 and 2100-01-01 in Unix seconds: outside of them a clock is not believed."""

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]")


def string(source: Mapping[str, object], header: str) -> str | None:
    """Return a header's value if it is a string."""
    value = source.get(header)
    return value if isinstance(value, str) else None


def text(source: Mapping[str, object], header: str, limit: int = TEXT) -> str:
    """Return a header for people to see: at most ``limit`` characters; empty if missing.

    Control, direction and other invisible characters and lone surrogates become U+FFFD: taken out, they could join
    what was apart, and ``10<LF>01`` would match a route for 1001.
    """
    value = source.get(header)
    if not isinstance(value, str):
        return ""
    if len(value) <= limit and value.isascii() and value.isprintable():  # as nearly all are
        return value
    return seen(value, limit)


def seen(value: str, limit: int = TEXT) -> str:
    """Return a text as ``text`` does."""
    value = value[:limit]
    return value if value.isascii() and value.isprintable() else _UNSEEN.sub("\ufffd", value)


def is_plain(value: str, limit: int) -> bool:
    """Tell whether a value can be kept as it stands: not empty, not over-long, nothing invisible in it."""
    if not 0 < len(value) <= limit:
        return False
    return (value.isascii() and value.isprintable()) or not (_UNSEEN.search(value) or "\ufffd" in value)


def count(source: Mapping[str, object], header: str) -> int | None:
    """Return a header that is a whole number of at most 18 ASCII digits."""
    value = source.get(header)
    if isinstance(value, str) and len(value) <= 18 and value.isascii() and value.isdigit():
        return int(value)
    return None


def moment(source: Mapping[str, object], header: str) -> float | None:
    """Return a header in microseconds as Unix seconds, if it lies in this century."""
    microseconds = count(source, header)
    if microseconds is None:
        return None
    seconds = microseconds / 1e6
    return seconds if EARLIEST <= seconds < LATEST else None
