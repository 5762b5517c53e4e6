"""What vendors' form webhooks share: parameters in a body or a query, states of calls, lengths, URLs as signed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from urllib.parse import urlencode

from controller.documents.call import Call, CallState
from controller.recordings.model import Delivery, StatusTarget

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


def delivery(
    identity: str,
    account: str,
    dialect: str,
    target: StatusTarget,
    told: Mapping[str, str],
    headers: tuple[tuple[str, str], ...] = (),
) -> Delivery:
    """Return parameters as the request that their receiver wants: a form, or a query behind the URL's own."""
    pairs = list(told.items())
    if target.method == "GET":
        bare, hash_, fragment = target.url.partition("#")
        url = with_query(bare, pairs) + hash_ + fragment
        return Delivery(identity, account, dialect, "GET", url, headers, b"")
    form = (("Content-Type", FORM), *headers)
    return Delivery(identity, account, dialect, target.method, target.url, form, encoded(pairs))


def call_status(call: Call) -> str:
    """Return a call's ``CallStatus``."""
    if call.state is CallState.ENDED:
        return "completed"
    return "in-progress" if call.info.answered else "ringing"


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
