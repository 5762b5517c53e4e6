"""How a URL wants to be called, which it may say by its fragment (spec: twiml_laml_plivo.md 1.6 and 3.6).

Retries (``rc``), what is retried (``rp``), connect, read and total timeout in milliseconds, as in
``#rc=3&rp=5xx,ct&ct=2000&rt=4000&tt=9000``; LaML calls the connect timeout ``ot``. The fragment is never sent, nor is
it part of what is signed. What it may say, and what holds where it says nothing, are its vendor's ``Rules``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

MAX_RETRIES = 5  # what a URL may ask for, at any vendor's
_SHORTEST = 100  # milliseconds, of each timeout


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


@dataclass(frozen=True, slots=True)
class Rules:
    """How a vendor calls URLs: ``usual`` timeouts, and the longest (``most``) that a URL may wish.

    ``policy`` is what is retried where a URL wishes how often and not what; None is everything. ``success`` are the
    statuses that mean that the receiver has it.
    """

    usual: Timeouts = Timeouts()
    most: Timeouts = Timeouts(10.0, 15.0, 15.0)
    policy: frozenset[Retried] | None = None
    success: range = range(200, 300)


COMMON = Rules()
_RULES = {
    "plivo": Rules(
        Timeouts(2.0, 40.0, 55.0),
        Timeouts(10.0, 40.0, 55.0),
        frozenset({Retried.CONNECT, Retried.READ}),
        range(200, 201),
    )
}


def rules_of(dialect: str) -> Rules:
    """Return the rules of the vendor that speaks a dialect."""
    return _RULES.get(dialect, COMMON)


def split_url(url: str, rules: Rules = COMMON) -> tuple[str, Wishes]:
    """Return the URL without its fragment, and what the fragment wishes by a vendor's rules.

    Numbers are brought into their bounds; what is not understood is as if it weren't there.
    """
    usual, most = rules.usual, rules.most
    bare, _, fragment = url.partition("#")
    if not fragment:
        return bare, Wishes(timeouts=usual)
    pairs = dict(pair.partition("=")[::2] for pair in fragment.split("&"))
    if "ot" in pairs:
        pairs.setdefault("ct", pairs["ot"])
    timeouts = Timeouts(
        _seconds(pairs.get("ct"), usual.connect, most.connect),
        _seconds(pairs.get("rt"), usual.read, most.read),
        _seconds(pairs.get("tt"), usual.total, most.total),
    )
    policy = frozenset(item for item in Retried if item.value in pairs.get("rp", "").split(",")) or None
    retries = whole(pairs.get("rc"))
    if retries is None:
        return bare, Wishes(None, policy, timeouts)
    return bare, Wishes(min(retries, MAX_RETRIES), policy or rules.policy, timeouts)


def _seconds(wished: str | None, usual: float, most: float) -> float:
    """Return a timeout that is wished in milliseconds, within its bounds."""
    number = whole(wished)
    return usual if number is None else min(max(number, _SHORTEST) / 1000, most)


def whole(text: str | None) -> int | None:
    """Return the whole number that a text is, None for any other."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else None
