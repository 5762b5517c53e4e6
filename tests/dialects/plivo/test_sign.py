"""What signs Plivo's requests: the spec's vectors, and what Plivo's own package says of whatever may be signed."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plivo.utils import validate_signature, validate_v3_signature

from controller.dialects.plivo import sign
from controller.documents.forms import signed_url
from tests.dialects.plivo.wire_sample import PLIVO, SUBACCOUNT, TOKEN

NONCE = "05429567804466091622"

URLS = [
    "https://app.example/cb/",
    "https://app.example/cb",
    "https://app.example/",
    "https://app.example/cb/?b=2&a=1",
    "https://app.example/cb/?a=2&a=1&b=&flag",
    "https://app.example/cb/?q=a%20b%26c%3Dd+e",
    "http://127.0.0.1:8080/cb",
    "https://app.example:8443/cb;v=1?a=1",
]


def accepts(
    method: str, url: str, pairs: list[tuple[str, str]], headers: dict[str, str], token: str, main: str
) -> bool:
    """What Plivo's package says of both V3 signatures of a request, as an application has it checked."""
    told: dict[str, list[str]] = {}
    for name, value in pairs:
        told.setdefault(name, []).append(value)
    nonce = headers["X-Plivo-Signature-V3-Nonce"]
    return all(
        validate_v3_signature(method, url, nonce, secret, headers[name], dict(told))
        for name, secret in (("X-Plivo-Signature-V3", token), ("X-Plivo-Signature-Ma-V3", main))
    )


@pytest.mark.parametrize(
    ("method", "url", "expected"),
    [
        ("POST", "https://foo.example/cb/", "qzIhP/nnwX1uaNWBzX4Vti6BWGV05R/k8wdltXGYC2Q="),
        ("GET", "https://foo.example/cb/?b=2&a=1", "li/djhZBYMZcvsFLaudmflDebeWtNvCcmlQ9d9nKcLc="),
    ],
)
def test_vectors(method: str, url: str, expected: str) -> None:
    """The spec's; neither credentials nor a fragment change them."""
    assert sign.signature_v3(TOKEN, method, url, (), NONCE) == expected
    dressed = url.replace("://", "://user:p%40ss@") + "#rc=3"
    assert sign.signature_v3(TOKEN, method, dressed, (), NONCE) == expected


def test_what_is_signed() -> None:
    """The parts in their order: a body without a query keeps the question mark, both are parted by a full stop."""

    def is_of(method: str, url: str, form: list[tuple[str, str]], text: str) -> bool:
        return sign.signature_v3("t", method, url, form, "1") == sign._digest("t", text)

    form = [("b", "2"), ("a", "1"), ("a", "0")]
    assert is_of("POST", "https://h/p", form, "https://h/p?a0a1b2.1")
    assert is_of("POST", "https://h/p?y=2&x=1", form, "https://h/p?x=1&y=2.a0a1b2.1")
    assert is_of("POST", "https://h/p?y=2&x=1", [], "https://h/p?x=1&y=2.1")
    assert is_of("POST", "https://h/p", [], "https://h/p.1")
    assert is_of("POST", "https://h/p", [("", "")], "https://h/p?.1")
    assert is_of("GET", "https://h/p", form, "https://h/p.1")
    assert is_of("GET", "https://h?x=%C3%BC", [], "https://h/?x=ü.1")


@pytest.mark.parametrize("account", [PLIVO, SUBACCOUNT], ids=lambda account: account.name)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("pairs", [[], [("To", "+1 555"), ("é", "ü&="), ("Digits", ""), ("a", "9"), ("a", "10")]])
def test_plivos_package_accepts_all(account: object, method: str, url: str, pairs: list[tuple[str, str]]) -> None:
    """GET and POST, a port, a query, repeated and empty parameters, what is not ASCII; by either token, and V2."""
    assert account in (PLIVO, SUBACCOUNT)
    signer = PLIVO if account is PLIVO else SUBACCOUNT
    main = signer.main_token or signer.token
    if method == "GET":
        pairs = [] if "?" in url else pairs  # the package cannot read a query itself that is not ASCII
        asked, body = (f"{url}?{urlencode(pairs)}" if pairs else url), b""
    else:
        asked, body = url, urlencode(pairs).encode()
    headers = sign.headers(signer, method, asked, body)
    assert accepts(method, url, pairs, headers, signer.token, main)
    assert not accepts(method, url, [*pairs, ("Extra", "1")], headers, signer.token, main)
    assert not accepts(method, url, pairs, headers, "other", main)
    assert not accepts(method, url, pairs, headers, signer.token, "other")
    if signer.older_signatures:
        nonce = headers["X-Plivo-Signature-V2-Nonce"]
        assert validate_signature(url, nonce, headers["X-Plivo-Signature-V2"], signer.token)
        assert validate_signature(url, nonce, headers["X-Plivo-Signature-Ma-V2"], main)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    st.lists(st.tuples(TEXTS, TEXTS), max_size=6),
    st.lists(st.tuples(st.text("abc=&. ", max_size=3), st.text("xyz=&.?+ ", max_size=4)), max_size=4),
)
def test_whatever_is_told_is_signed(pairs: list[tuple[str, str]], query: list[tuple[str, str]]) -> None:
    """What a caller or a document chose can be anything: the package, reading it, comes to what we signed."""
    url = f"https://app.example/cb?{urlencode(query, quote_via=quote)}" if query else "https://app.example/cb"
    headers = sign.headers(PLIVO, "POST", url, urlencode(pairs).encode())
    assert accepts("POST", url, pairs, headers, TOKEN, TOKEN)


def test_a_request_is_signed_as_its_receiver_reads_it() -> None:
    """Of credentials and fragment, which are not sent, nothing is signed; an empty path is the one that is sent."""
    headers = sign.headers(PLIVO, "GET", "https://u:p@app.example?a=1#rc=2", b"")
    seen = signed_url("https://u:p@app.example?a=1#rc=2").replace("example?", "example/?")
    assert accepts("GET", seen, [], headers, TOKEN, TOKEN)
    assert parse_qs(urlsplit(seen).query) == {"a": ["1"]}


def test_which_headers_there_are() -> None:
    """V3 by both tokens and its nonce; V2's where the account wishes them; none without a secret."""
    v3 = {"X-Plivo-Signature-V3", "X-Plivo-Signature-Ma-V3", "X-Plivo-Signature-V3-Nonce"}
    v2 = {name.replace("V3", "V2") for name in v3}
    assert set(sign.headers(PLIVO, "GET", URLS[0], b"")) == v3
    assert set(sign.headers(SUBACCOUNT, "POST", URLS[0], b"a=1")) == v3 | v2
    assert sign.headers(replace(PLIVO, token=""), "GET", URLS[0], b"") == {}
    own = sign.headers(PLIVO, "GET", URLS[0], b"")
    assert own["X-Plivo-Signature-V3"] == own["X-Plivo-Signature-Ma-V3"]


def test_nonces() -> None:
    """Twenty digits, never the same."""
    nonces = {sign.new_nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(len(nonce) == 20 and nonce.isdigit() for nonce in nonces)
