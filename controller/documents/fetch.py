"""Documents that lie at a URL: what a dialect says of the request, and who carries it out (DESIGN section 7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from controller.documents.fragments import Retried, Rules, Timeouts, split_url

_URL = re.compile(r"https?://", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/?#]*@")


def is_url(source: str) -> bool:
    """Tell whether a document's source is a URL; all others are files."""
    return _URL.match(source) is not None


def shown(source: str) -> str:
    """Return a document's source as its own document is told it: without the credentials of a URL."""
    return _USER_INFO.sub("", source, count=1) if is_url(source) else source


def named(source: str) -> str:
    """Return a source as logs and failures name it: without a URL's credentials, and without its query, as secret."""
    return re.split("[?#]", shown(source), maxsplit=1)[0] if is_url(source) else source


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """One request for a document, signed; ``url`` may hold ``user:password@``, which goes out as Basic."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a vendor waits for a document, in seconds: until connected, between two reads, in all.

    ``total`` counts from the first connect to the last byte, with all of the ``redirects`` that are followed, and
    with the ``retries`` after a failure of one of the kinds ``retried``.
    """

    connect: float
    read: float
    total: float
    redirects: int
    retries: int = 0
    retried: frozenset[Retried] = frozenset()


def as_wished(usual: Patience, url: str, rules: Rules) -> Patience:
    """Return a vendor's usual patience as a URL's fragment wishes it, by the vendor's rules."""
    times = Timeouts(usual.connect, usual.read, usual.total)
    _, wishes = split_url(url, replace(rules, usual=times))
    return replace(
        usual,
        connect=wishes.timeouts.connect,
        read=wishes.timeouts.read,
        total=wishes.timeouts.total,
        retries=usual.retries if wishes.retries is None else wishes.retries,
        retried=wishes.policy or usual.retried or frozenset({Retried.CONNECT}),
    )


class Trouble(StrEnum):
    """Why a document was not had, or not run, in one word.

    ``connect``: no connection, or it broke before an answer; ``address``: one that fsrec may not connect to;
    ``status``: another than 2xx; ``redirect``: too many, or one that leads nowhere or to plain HTTP; ``broken``: the
    answer ended early; ``size``: too large; ``encoding``: no UTF-8, or compressed; ``file``: a file that cannot be
    read; ``settings``: its account or kind is not, or no longer, in the settings; ``invalid``: its dialect refuses
    it; ``internal``: an error of fsrec's own.
    """

    CONNECT = "connect"
    TIMEOUT = "timeout"
    TLS = "tls"
    ADDRESS = "address"
    STATUS = "status"
    REDIRECT = "redirect"
    BROKEN = "broken"
    SIZE = "size"
    ENCODING = "encoding"
    FILE = "file"
    SETTINGS = "settings"
    INVALID = "invalid"
    INTERNAL = "internal"


class FetchFailed(Exception):
    """A document that its server did not give; the text says why, without naming the document.

    ``kind`` is what vendors' policies call such a failure, None for those that they have no name for.
    """

    def __init__(self, message: str, kind: Retried | None = None, trouble: Trouble = Trouble.CONNECT) -> None:
        super().__init__(message)
        self.kind = kind
        self.trouble = trouble


Render = Callable[[str, str], DocumentRequest]
"""(method, url) → the request, for the first URL and for each that a redirect leads to."""


class Fetcher(Protocol):
    """Carries such requests out."""

    async def fetch(self, method: str, url: str, render: Render, patience: Patience, limit: int) -> bytes:
        """Return the document, of at most ``limit`` bytes. Raises FetchFailed."""
        ...
