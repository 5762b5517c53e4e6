"""The request for a SWML document: which fields the call has, of which types, and that both signatures hold."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.dialects.swml import sign
from controller.documents.call import CallInfo
from controller.documents.dialect import Account, Dialect
from tests.dialects.swml.sample import ACCOUNT, CALL, DIALECT
from tests.dialects.swml.test_render import VECTOR, VECTOR_BODY, VECTOR_KEY, VECTOR_URL

URL = "https://user:pass@app.example.com/swml?tenant=1#fragment"
SIGNED = "https://app.example.com/swml?tenant=1"


def asked(account: Account = ACCOUNT, **info: Any) -> dict[str, Any]:
    """The body, read back."""
    call = replace(CALL, info=replace(CALL.info, **info))
    body: dict[str, Any] = json.loads(DIALECT.fetch(call, account, "POST", URL).body)
    return body


def test_the_whole_body() -> None:
    """A call from one number to another, as the vendor documents it, field by field, in its order."""
    body = asked(destination="+12089806814", caller_number="+12135877632", caller_name="Ada")
    assert list(body.items()) == [
        (
            "call",
            {
                "call_id": "call-1",
                "node_id": "fs1",
                "segment_id": "call-1",
                "call_state": "created",
                "direction": "inbound",
                "type": "phone",
                "from": "+12135877632",
                "to": "+12089806814",
                "from_number": "+12135877632",
                "to_number": "+12089806814",
                "headers": [],
                "project_id": "project-1",
                "space_id": "space-1",
            },
        ),
        ("vars", {}),
        ("envs", {}),
        ("params", {}),
    ]


@pytest.mark.parametrize(
    ("info", "fields"),
    [
        ({"answered": True}, {"call_state": "answered"}),
        ({"direction": "outbound"}, {"direction": "outbound"}),
        ({"destination": "1001"}, {"type": "phone", "to": "1001", "to_number": "1001"}),
        ({"caller_number": ""}, {"type": "phone", "from": "", "from_number": None}),
        ({"caller_number": "anonymous"}, {"type": "phone", "from": "anonymous", "from_number": None}),
        ({"destination": "support"}, {"type": "sip", "to": "support", "to_number": None, "from_number": None}),
        ({"destination": "1001\n"}, {"type": "sip", "to": "1001\n", "to_number": None}),
        ({"destination": "\u0661\u0662\u0663"}, {"type": "sip", "to_number": None}),
        ({"channel_name": "verto.rtc/1001"}, {"type": "webrtc", "to_number": None, "from_number": None}),
        ({"channel_name": "sofia/internal/x@y"}, {"type": "phone"}),
    ],
)
def test_what_the_call_says(info: dict[str, Any], fields: dict[str, Any]) -> None:
    """Optional fields are there for the kind of leg that has them; None here means that it is not."""
    call = asked(**info)["call"]
    assert {name: call.get(name) for name in fields} == fields
    assert all(name in call for name, value in fields.items() if value is not None)
    assert all(value is not None for value in call.values())


@given(st.text(), st.text(), st.text())
def test_what_callers_say_is_text(number: str, destination: str, channel: str) -> None:
    """Whatever they say, half characters included: the body is UTF-8 JSON, with the same fields and no others."""
    body = asked(caller_number=number, destination=destination, channel_name=channel, caller_name=number)
    known = {*asked()["call"], "from_number", "to_number"}
    assert set(body["call"]) <= known
    assert body["call"]["from"] == number.encode("utf-8", "replace").decode()
    assert body["call"]["to"] == destination.encode("utf-8", "replace").decode()


def test_half_a_character_is_replaced() -> None:
    """JSON cannot hold a lone surrogate."""
    assert asked(caller_number="a\ud800b")["call"]["from"] == "a?b"


def test_the_request() -> None:
    """The URL as it was configured, its JSON named so, both signatures over what the receiver sees of the URL."""
    request = DIALECT.fetch(CALL, ACCOUNT, "POST", URL)
    assert (request.method, request.url) == ("POST", URL)
    signed = SIGNED.encode() + request.body
    assert request.headers == (
        ("Content-Type", "application/json"),
        ("X-SignalWire-Signature", hmac.new(b"PSK_1", signed, hashlib.sha1).hexdigest()),
        ("X-SignalWire-SHA256-Signature", hmac.new(b"PSK_1", signed, hashlib.sha256).hexdigest()),
    )


def test_a_get_says_nothing_of_the_call() -> None:
    """No body and no type of one; signed all the same."""
    request = DIALECT.fetch(CALL, ACCOUNT, "GET", URL)
    assert (request.method, request.body) == ("GET", b"")
    assert dict(request.headers) == {
        "X-SignalWire-Signature": hmac.new(b"PSK_1", SIGNED.encode(), hashlib.sha1).hexdigest(),
        "X-SignalWire-SHA256-Signature": hmac.new(b"PSK_1", SIGNED.encode(), hashlib.sha256).hexdigest(),
    }


def test_an_account_without_a_key_signs_nothing() -> None:
    """No header rather than one that everybody could make."""
    request = DIALECT.fetch(CALL, Account("acme", "signalwire", "project-1"), "POST", URL)
    assert request.headers == (("Content-Type", "application/json"),)


def test_the_vendors_vector() -> None:
    """A real first request of the vendor's gives its published signature; the other header is its SHA-256 twin."""
    headers = dict(sign.document_headers(VECTOR_KEY, VECTOR_URL.replace("://", "://u:p@"), VECTOR_BODY))
    assert headers["X-SignalWire-Signature"] == VECTOR
    twin = hmac.new(VECTOR_KEY.encode(), VECTOR_URL.encode() + VECTOR_BODY, hashlib.sha256).hexdigest()
    assert headers["X-SignalWire-SHA256-Signature"] == twin


def test_the_vendors_real_fields_are_ours() -> None:
    """Each field of the vendor's real request is in ours for the same call, in its order and of its type."""
    real = json.loads(VECTOR_BODY)["call"]
    info = CallInfo(real["to"], caller_number=real["from"])
    call = replace(CALL, id=real["call_id"], switch=real["node_id"], info=info)
    account = Account("acme", "signalwire", real["project_id"], real["space_id"])
    ours = json.loads(DIALECT.fetch(call, account, "POST", VECTOR_URL).body)["call"]
    assert [(key, value) for key, value in ours.items() if key in real] == list(real.items())
    assert set(ours) - set(real) == {"headers"}


def test_how_long_the_vendor_waits() -> None:
    """5 s to connect, 15 s in all, three redirects."""
    dialect: Dialect = DIALECT
    patience = dialect.patience(ACCOUNT, "https://app.example.com/doc")
    assert (patience.connect, patience.read, patience.total, patience.redirects) == (5.0, 15.0, 15.0, 3)
