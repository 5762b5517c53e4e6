"""How a URL wants to be called, which it may say by its fragment in Twilio's own way (spec: twiml_laml_plivo.md 1.6).

Retries (``rc``), what is retried (``rp``), connect, read and total timeout in milliseconds, as in
``#rc=3&rp=5xx,ct&ct=2000&rt=4000&tt=9000``; LaML calls the connect timeout ``ot``. The fragment is never sent, nor is
it part of what is signed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

MAX_RETRIES = 5  # what a URL may ask for; so are the bounds of its timeouts, in milliseconds
_BOUNDS = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000)}


class Retried(StrEnum):
    """What a URL's policy may name."""

    STATUS_4XX = "4xx"
    STATUS_5XX = "5xx"
    CONNECT = "ct"
    READ = "rt"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for one attempt: until connected, between two reads, in all."""

    connect: float = 5.0
    read: float = 15.0
    total: float = 15.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a URL's fragment asks for; None leaves it to the settings. ``policy`` holds what is retried."""

    retries: int | None = None
    policy: frozenset[Retried] | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)


def split_url(url: str, usual: Timeouts = Timeouts()) -> tuple[str, Wishes]:
    """Return the URL without its fragment, and what the fragment wishes, beside the ``usual`` timeouts.

    Numbers are brought into their bounds; what is not understood is as if it weren't there.
    """
    bare, _, fragment = url.partition("#")
    if not fragment:
        return bare, Wishes(timeouts=usual)
    pairs = dict(pair.partition("=")[::2] for pair in fragment.split("&"))
    if "ot" in pairs:
        pairs.setdefault("ct", pairs["ot"])
    milliseconds = {
        key: min(max(number, low), high)
        for key, (low, high) in _BOUNDS.items()
        if (number := whole(pairs.get(key))) is not None
    }
    timeouts = Timeouts(
        connect=milliseconds["ct"] / 1000 if "ct" in milliseconds else usual.connect,
        read=milliseconds["rt"] / 1000 if "rt" in milliseconds else usual.read,
        total=milliseconds["tt"] / 1000 if "tt" in milliseconds else usual.total,
    )
    retries = whole(pairs.get("rc"))
    named = frozenset(item for item in Retried if item.value in pairs.get("rp", "").split(","))
    return bare, Wishes(None if retries is None else min(retries, MAX_RETRIES), named or None, timeouts)


def whole(text: str | None) -> int | None:
    """Return the whole number that a text is, None for any other."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else None
