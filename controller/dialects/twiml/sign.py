"""Twilio's signature, which LaML has too: base64 HMAC-SHA1 of the URL and the form (spec 1.7, swml.md 5.9).

What is signed is the URL as it was configured, its port kept, without fragment and ``user:password@``; of a POST also
its parameters, sorted by name, each name with each of its distinct values. Twilio's key is the account's auth token,
SignalWire's the project's signing key.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from urllib.parse import parse_qsl

from controller.documents.dialect import Account
from controller.documents.forms import signed_url

TWILIO = "X-Twilio-Signature"
SIGNALWIRE = "X-SignalWire-Signature"


def headers(account: Account, method: str, url: str, body: bytes) -> dict[str, str]:
    """Return the header that signs a request of an account; none where the account has no secret for it."""
    key = account.signing_key or account.token
    if not key:
        return {}
    form = parse_qsl(body.decode(), keep_blank_values=True) if method == "POST" else []
    name = SIGNALWIRE if account.vendor == "signalwire" else TWILIO
    return {name: signature(key, url, form)}


def signature(key: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """Return the signature of a request to ``url`` with the parameters ``form``."""
    signed = signed_url(url) + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(key.encode(), signed.encode(), "sha1").digest()).decode()
