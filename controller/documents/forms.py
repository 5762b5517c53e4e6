"""What vendors' form webhooks share: parameters in a body or a query, lengths in seconds, URLs as they are signed."""

from __future__ import annotations

import math
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"


def encoded(pairs: list[tuple[str, str]]) -> bytes:
    """Return parameters as a form's body."""
    return urlencode(pairs, errors="replace").encode()


def with_query(url: str, pairs: list[tuple[str, str]]) -> str:
    """Return a URL (without a fragment) with parameters put behind those that it has."""
    if not pairs:
        return url
    separator = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return url + separator + urlencode(pairs, errors="replace")


def whole_seconds(duration: float) -> int:
    """Return a length in whole seconds, rounded; what has any length is at least 1.

    No source says how the vendors round; an application that divides by it must not meet 0 for what can be heard.
    """
    return max(math.floor(duration + 0.5), 1 if duration > 0 else 0)


def signed_url(url: str) -> str:
    """Return the URL as its receiver sees it: neither fragment nor ``user:password@``, all else as it was written."""
    url = url.partition("#")[0]
    scheme, separator, rest = url.partition("://")
    ends = [at for at in (rest.find("/"), rest.find("?")) if at >= 0]
    authority = rest[: min(ends)] if ends else rest
    return scheme + separator + authority.rpartition("@")[2] + rest[len(authority) :]
