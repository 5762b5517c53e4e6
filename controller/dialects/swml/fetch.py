"""The request for a SWML document: the call as JSON, with SignalWire's two signatures (spec: swml.md 3.1, 3.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from controller.dialects.swml import sign
from controller.documents.call import Call
from controller.documents.dialect import Account
from controller.documents.fetch import DocumentRequest, Patience

PATIENCE = Patience(connect=5.0, read=15.0, total=15.0, redirects=3)

_NUMBER = re.compile(r"\+?[0-9]{2,32}")


def request(call: Call, account: Account, method: str, url: str, given: Mapping[str, Any]) -> DocumentRequest:
    """Return the request that asks a URL for a call's document; a GET says nothing of the call."""
    body = b"" if method == "GET" else orjson.dumps(payload(call, account, given))
    headers = [("Content-Type", "application/json")] if body else []
    if account.signing_key:
        headers += sign.document_headers(account.signing_key, url, body)
    return DocumentRequest(method, url, tuple(headers), body)


def payload(call: Call, account: Account, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole body in JSON types.

    ``given`` has ``vars`` and ``params``, which a call's beginning lacks, and what of ``call`` has changed since.
    """
    described = {**call_object(call, account), **given.get("call", {})}
    return {"call": described, "vars": {}, "envs": {}, "params": {}} | {**given, "call": described}


def call_object(call: Call, account: Account | None) -> dict[str, Any]:
    """Return the object ``call``, with the ids of its account where it is known. What a caller chose is text.

    Of the optional fields those are there that are known of a call's first leg. Its ``segment_id`` is its own id.
    """
    info = call.info
    caller, dialled = _text(info.caller_number), _text(info.destination)
    described: dict[str, Any] = {
        "call_id": call.id,
        "node_id": call.switch,
        "segment_id": call.id,
        "call_state": "answered" if info.answered else "created",
        "direction": info.direction,
        "type": leg_type(call),
        "from": caller,
        "to": dialled,
    }
    if described["type"] == "phone":
        if _NUMBER.fullmatch(caller):
            described["from_number"] = caller
        described["to_number"] = dialled
    described["headers"] = []
    if account is not None:
        described |= {"project_id": account.identity, "space_id": account.space}
    return described


def leg_type(call: Call) -> str:
    """Return the kind of leg as an application that comes from SignalWire means it.

    To a switch a call from a carrier is a SIP call; to SignalWire's applications a dialled number makes it a phone's.
    """
    if call.info.channel_name.startswith("verto."):
        return "webrtc"
    return "phone" if _NUMBER.fullmatch(_text(call.info.destination)) else "sip"


def _text(value: str) -> str:
    """Return a text that JSON can hold: half a surrogate pair becomes a question mark."""
    return value.encode("utf-8", "replace").decode()
