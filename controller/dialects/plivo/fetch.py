"""The request for a document: the call as a form or a query, in Plivo's parameters (spec 3.3), signed.

What would be invented here is left out: what Plivo bills (``BillRate``, ``TotalCost``), the ids of its API's calls
(``RequestUUID``, ``ALegRequestUUID``: no call of ours comes from there), ``ForwardedFrom``, what it makes of STIR.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.dialects.plivo import sign
from controller.dialects.plivo.formats import exact
from controller.documents.call import Call
from controller.documents.dialect import Account
from controller.documents.fetch import DocumentRequest, Patience, as_wished
from controller.documents.forms import FORM, call_status, encoded, with_query
from controller.documents.fragments import Retried, rules_of

ANSWERED, REDIRECTED = "StartApp", "Redirect"
"""``Event`` of the request for the call's own document, and of those that come in the call: actions, redirects."""

IN_PROGRESS = "in-progress"

PLIVO = Patience(
    connect=2.0, read=40.0, total=55.0, redirects=0, retries=1, retried=frozenset({Retried.CONNECT, Retried.READ})
)
"""DESIGN section 7, spec 3.6."""

MAIN_ACCOUNT = "MA"
"""What the id of an account begins with that is no part of another."""


def patience(url: str) -> Patience:
    """Return how long Plivo waits, as far as the URL's fragment wishes nothing else."""
    return as_wished(PLIVO, url, rules_of("plivo"))


def request(
    call: Call, account: Account, method: str, url: str, given: Mapping[str, Any] | None, *, turned: bool = False
) -> DocumentRequest:
    """Return the request that asks a URL for a document of a call.

    ``given`` is what an action is told beside it, None for the call's own document.
    """
    event = ANSWERED if given is None else REDIRECTED
    pairs = [] if turned else list({**parameters(call, account), "Event": event, **(given or {})}.items())
    bare = url.partition("#")[0]
    if method == "GET":
        target, body = with_query(bare, pairs), b""
    else:
        target, body = bare, encoded(pairs)
    headers = [("Content-Type", FORM)] if body else []
    headers += sign.headers(account, method, target, body).items()
    return DocumentRequest(method, target, tuple(headers), body)


def parameters(call: Call, account: Account) -> dict[str, str]:
    """Return the standard parameters of every request about a call. What a caller chose is text."""
    info = call.info
    told = party_parameters(call.told_as, info.caller_number, info.destination, info.direction, account)
    told["CallStatus"] = call_status(call)
    told["SessionStart"] = exact(info.created_at or call.started_at)
    if info.caller_name:
        told["CallerName"] = info.caller_name
    return told


def party_parameters(call: str, caller: str, called: str, direction: str, account: Account) -> dict[str, str]:
    """Return what is told of a call whatever has become of it; its first leg is told of outbound ones alone."""
    told = {
        "CallUUID": call,
        "From": caller,
        "To": called,
        "Direction": "inbound" if direction == "inbound" else "outbound",
    }
    if direction != "inbound":
        told["ALegUUID"] = call
    if account.identity.startswith(MAIN_ACCOUNT):
        told["ParentAuthID"] = account.identity
    return told
