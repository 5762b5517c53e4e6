"""SignalWire's signatures: hex HMAC of the URL and the raw body, keyed by the account's signing key."""

from __future__ import annotations

import hmac

HEADER = "X-SignalWire-Signature"
SHA256_HEADER = "X-SignalWire-SHA256-Signature"
"""Beside the former on requests for a call's document."""


def signature(signing_key: str, url: str, body: bytes) -> str:
    """Return the header's value for a request of ``body`` to ``url``, as configured by the document."""
    return _hex(signing_key, url, body, "sha1")


def document_headers(signing_key: str, url: str, body: bytes) -> list[tuple[str, str]]:
    """Return both headers of a request for a call's document."""
    return [(HEADER, signature(signing_key, url, body)), (SHA256_HEADER, _hex(signing_key, url, body, "sha256"))]


def _hex(signing_key: str, url: str, body: bytes, digest: str) -> str:
    return hmac.new(signing_key.encode(), signed_url(url).encode() + body, digest).hexdigest()


def signed_url(url: str) -> str:
    """Return the URL as its receiver sees it: neither fragment nor `user:password@`, all else as it was written."""
    url = url.partition("#")[0]
    scheme, separator, rest = url.partition("://")
    ends = [at for at in (rest.find("/"), rest.find("?")) if at >= 0]
    authority = rest[: min(ends)] if ends else rest
    return scheme + separator + authority.rpartition("@")[2] + rest[len(authority) :]
