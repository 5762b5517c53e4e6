"""HTTP Basic: which account a request's credentials are of."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from controller.documents.dialect import Account

CHALLENGE = 'Basic realm="fsrec", charset="UTF-8"'
"""What a 401 has as WWW-Authenticate."""


def account_of(header: str, accounts: Sequence[Account]) -> Account | None:
    """Return the account whose id and token an Authorization header has, in a time that tells nothing; else None."""
    scheme, _, encoded = header.partition(" ")
    credentials = b""
    if scheme.lower() == "basic":
        try:
            credentials = base64.b64decode(encoded.strip().encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            credentials = b""
    found: Account | None = None
    for account in accounts:
        if hmac.compare_digest(credentials, f"{account.identity}:{account.token}".encode()):
            found = account
    return found
