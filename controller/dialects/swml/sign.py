"""SignalWire's signature: hex HMAC-SHA1 of the URL and the raw body, keyed by the account's signing key."""

from __future__ import annotations

import hashlib
import hmac

HEADER = "X-SignalWire-Signature"


def signature(signing_key: str, url: str, body: bytes) -> str:
    """Return the header's value for a request of ``body`` to ``url``, as configured by the document."""
    return hmac.new(signing_key.encode(), signed_url(url).encode() + body, hashlib.sha1).hexdigest()


def signed_url(url: str) -> str:
    """Return the URL as its receiver sees it: neither fragment nor `user:password@`, all else as it was written."""
    url = url.partition("#")[0]
    scheme, separator, rest = url.partition("://")
    ends = [at for at in (rest.find("/"), rest.find("?")) if at >= 0]
    authority = rest[: min(ends)] if ends else rest
    return scheme + separator + authority.rpartition("@")[2] + rest[len(authority) :]
