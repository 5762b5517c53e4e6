"""The request for a document: the call as a form or a query, in Twilio's parameters (spec 1.3), signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from controller.dialects.twiml import sign
from controller.dialects.twiml.sids import call_sid
from controller.documents.call import Call
from controller.documents.dialect import Account
from controller.documents.fetch import DocumentRequest, Patience, as_wished
from controller.documents.forms import FORM, call_status, encoded, with_query
from controller.documents.fragments import Retried, rules_of

API_VERSION = "2010-04-01"

TWILIO = Patience(connect=5.0, read=15.0, total=15.0, redirects=3, retries=1, retried=frozenset({Retried.CONNECT}))
LAML = Patience(connect=2.0, read=5.0, total=15.0, redirects=3)
"""DESIGN section 7: LaML's documents and actions are not tried again, its fallback is."""


def patience(account: Account, url: str) -> Patience:
    """Return how long an account's vendor waits, as far as the URL's fragment wishes nothing else."""
    return as_wished(LAML if account.vendor == "signalwire" else TWILIO, url, rules_of("twiml"))


def request(
    call: Call, account: Account, method: str, url: str, given: Mapping[str, Any], *, turned: bool = False
) -> DocumentRequest:
    """Return the request that asks a URL for a document of a call; ``given`` is what an action is told beside it.

    One that a redirect ``turned`` from POST to GET leaves the form behind (spec 1.3).
    """
    pairs = [] if turned else list({**parameters(call, account), **given}.items())
    if method == "GET":
        bare = url.partition("#")[0]
        kept = set(parse_qsl(bare.partition("?")[2], keep_blank_values=True))  # what a redirect led on with its query
        target, body = with_query(bare, [pair for pair in pairs if pair not in kept]), b""
    else:
        target, body = url.partition("#")[0], encoded(pairs)
    headers = [("Content-Type", FORM)] if body else []
    headers += sign.headers(account, method, target, body).items()
    return DocumentRequest(method, target, tuple(headers), body)


def parameters(call: Call, account: Account) -> dict[str, str]:
    """Return the standard parameters of every request about a call. What a caller chose is text."""
    info = call.info
    described = {
        "CallSid": call_sid(account.vendor, call.id),
        "AccountSid": account.identity,
        "From": info.caller_number,
        "To": info.destination,
        "CallStatus": call_status(call),
        "ApiVersion": API_VERSION,
        "Direction": "inbound" if info.direction == "inbound" else "outbound-api",
        "Caller": info.caller_number,
        "Called": info.destination,
    }
    if info.caller_name:
        described["CallerName"] = info.caller_name
    return described
