"""Plivo's signatures, which its own package checks (spec 3.7): base64 HMAC-SHA256 of URL, parameters and a nonce.

V3 signs ``scheme://host[:port]/path``, then ``?`` and the query's parameters as ``k=v`` joined by ``&``, then those
of a body as ``kv`` joined by nothing, ``.`` between the two where both are there, then ``.`` and the nonce; each
sorted by name, the values of one name among themselves. A POST that has a body and no query keeps the ``?``. Values are those
that a receiver reads, decoded. Neither fragment, nor ``user:password@``, nor what follows ``;`` in the last part of a
path is signed: Plivo's package leaves the latter out. A path that is empty is ``/``, as it is on the wire.

``X-Plivo-Signature-V3`` is by the account's own token, ``-Ma-V3`` by its main account's. V2, of URL without query and
nonce, is for applications that are old (``Account.older_signatures``).
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlparse, urlunparse

from controller.documents.dialect import Account
from controller.documents.forms import signed_url

V3, MAIN_V3, NONCE_V3 = "X-Plivo-Signature-V3", "X-Plivo-Signature-Ma-V3", "X-Plivo-Signature-V3-Nonce"
V2, MAIN_V2, NONCE_V2 = "X-Plivo-Signature-V2", "X-Plivo-Signature-Ma-V2", "X-Plivo-Signature-V2-Nonce"

NONCE_DIGITS = 20

Pairs = Iterable[tuple[str, str]]


def headers(account: Account, method: str, url: str, body: bytes) -> dict[str, str]:
    """Return the headers that sign one attempt of a request, with a new nonce; none where there is no token."""
    if not account.token:
        return {}
    nonce = new_nonce()
    form = parse_qsl(body.decode(), keep_blank_values=True) if method == "POST" else []
    main = account.main_token or account.token
    found = {
        V3: signature_v3(account.token, method, url, form, nonce),
        MAIN_V3: signature_v3(main, method, url, form, nonce),
        NONCE_V3: nonce,
    }
    if account.older_signatures:
        found |= {
            V2: signature_v2(account.token, url, nonce),
            MAIN_V2: signature_v2(main, url, nonce),
            NONCE_V2: nonce,
        }
    return found


def new_nonce() -> str:
    """Return digits that nobody can foretell."""
    return f"{secrets.randbelow(10**NONCE_DIGITS):0{NONCE_DIGITS}}"


def signature_v3(token: str, method: str, url: str, form: Pairs, nonce: str) -> str:
    """Return the V3 signature of a GET or POST to ``url`` with the parameters ``form`` in its body."""
    base, query = _split(url)
    asked = "&".join(f"{name}={value}" for name, value in sorted(query))
    told = "".join(name + value for name, value in sorted(form))
    signed = base
    if asked or (method == "POST" and told):
        signed += f"?{asked}"
    if asked and told:
        signed += "."
    return _digest(token, f"{signed}{told}.{nonce}")


def signature_v2(token: str, url: str, nonce: str) -> str:
    """Return the V2 signature of any request to ``url``."""
    return _digest(token, _split(url)[0] + nonce)


def _split(url: str) -> tuple[str, list[tuple[str, str]]]:
    """Return a URL up to its path, and the parameters of its query."""
    parts = urlparse(signed_url(url))
    return urlunparse((parts.scheme, parts.netloc, parts.path or "/", "", "", "")), parse_qsl(
        parts.query, keep_blank_values=True
    )


def _digest(token: str, text: str) -> str:
    return base64.b64encode(hmac.new(token.encode(), text.encode(), "sha256").digest()).decode()
