"""controller/web/ask.py: a document's own request goes out as it says, and any answer comes back bounded."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest

from controller.documents.fetch import FetchFailed
from controller.documents.steps import Request
from controller.web.ask import BODY, HEADERS, RequestClient
from controller.web.guard import AddressGuard
from tests.harness.receiver import Answer, Receiver
from tests.web.test_fetch import LOOPBACK, raw, says


@pytest.fixture
async def client() -> AsyncIterator[RequestClient]:
    async with RequestClient(AddressGuard(LOOPBACK)) as opened:
        yield opened


async def refused(client: RequestClient, request: Request) -> str:
    """Why there is no answer."""
    with pytest.raises(FetchFailed) as failed:
        await client.send(request)
    return str(failed.value)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
async def test_it_goes_out_as_the_document_says(client: RequestClient, method: str) -> None:
    """Method, headers and body; credentials of the URL as Basic; nothing compressed is asked for."""
    async with Receiver() as receiver:
        receiver.plan("/x", Answer(201, b"\xc3\xa4", {"X-Answer": "1"}))
        url = receiver.url("/x?a=%20b").replace("http://", "http://us%40er:pw@")
        headers = (("X-Mine", "1"), ("Content-Type", "text/x"), ("accept-encoding", "gzip"))
        response = await client.send(Request(method, url, headers, b"body"))
        [seen] = receiver.requests
    assert (seen.method, seen.path, seen.query, seen.body) == (method, "/x", "a=%20b", b"body")
    assert (seen.header("x-mine"), seen.header("content-type")) == ("1", "text/x")
    assert seen.header("authorization") == "Basic " + base64.b64encode(b"us@er:pw").decode()
    assert seen.header("accept-encoding") == "identity"
    assert (response.status, response.body) == (201, "" if method == "HEAD" else "ä")
    assert ("x-answer", "1") in response.headers


@pytest.mark.parametrize("status", [204, 304, 400, 404, 500, 503])
async def test_any_status_is_an_answer(client: RequestClient, status: int) -> None:
    """The document decides what it thinks of it."""
    async with Receiver() as receiver:
        receiver.plan("/", status)
        assert (await client.send(Request("POST", receiver.url()))).status == status


REDIRECTS = [
    ("POST", 301, "GET"),
    ("POST", 302, "GET"),
    ("POST", 303, "GET"),
    ("POST", 307, "POST"),
    ("PUT", 301, "PUT"),
    ("PUT", 303, "GET"),
    ("DELETE", 308, "DELETE"),
    ("HEAD", 303, "HEAD"),
]


@pytest.mark.parametrize(("method", "status", "then"), REDIRECTS)
async def test_redirects(client: RequestClient, method: str, status: int, then: str) -> None:
    """They are followed as browsers do; a GET that came of something else has no body and no type of one."""
    async with Receiver() as receiver:
        receiver.plan("/", Answer(status, b"", {"Location": "/b"}))
        await client.send(Request(method, receiver.url(), (("Content-Type", "a/b"), ("X-Key", "k")), b"body"))
        second = receiver.requests[1]
    kept = method == then
    assert (second.method, second.path, second.body) == (then, "/b", b"body" if kept else b"")
    assert (second.header("content-type"), second.header("x-key")) == ("a/b" if kept else None, "k")


async def test_secrets_stay_with_their_origin(client: RequestClient) -> None:
    """Headers of the document do as well as credentials of the URL, also when the way leads back."""
    async with Receiver() as receiver, Receiver() as other:
        receiver.plan("/", Answer(307, b"", {"Location": other.url("/b")}))
        other.plan("/b", Answer(307, b"", {"Location": receiver.url("/c")}))
        headers = (("X-Key", "k"), ("Authorization", "Bearer t"), ("Cookie", "a=b"), ("Accept", "a/b"))
        await client.send(Request("POST", receiver.url(), headers, b"{}"))
        first, last = receiver.requests
        [between] = other.requests
    names = ("x-key", "authorization", "cookie", "accept")
    assert [first.header(name) for name in names] == ["k", "Bearer t", "a=b", "a/b"]
    assert [between.header(name) for name in names] == [None, None, None, "a/b"]
    assert [last.header(name) for name in names] == [None, None, None, "a/b"]


async def test_too_many_redirects(client: RequestClient) -> None:
    """Three are followed."""
    async with Receiver() as receiver:
        receiver.plan("/", Answer(302, b"", {"Location": "/"}))
        assert "more than 3 redirects" in await refused(client, Request("GET", receiver.url()))
        assert len(receiver.requests) == 4


async def test_an_endless_body_is_cut(client: RequestClient) -> None:
    """What was had of it is the answer's."""
    async with raw(says(b"HTTP/1.1 200 OK\r\n\r\n", again=b"x" * 5000)) as url:
        response = await client.send(Request("GET", url))
    assert response.body == "x" * BODY


async def test_odd_bytes_are_replaced(client: RequestClient) -> None:
    """In a body and in a header: all of it can be stored as text."""
    async with raw(says(b"HTTP/1.1 200 OK\r\nX-A: \xff\xc3\xa4\r\nContent-Length: 2\r\n\r\n\xff\x00")) as url:
        response = await client.send(Request("GET", url))
    assert response.body == "\ufffd\x00"
    assert dict(response.headers)["x-a"] == "\ufffdä"


async def test_only_so_many_headers_are_kept(client: RequestClient) -> None:
    """As many as the source says."""
    lines = b"".join(b"X-%d: 1\r\n" % number for number in range(100))
    async with raw(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + lines + b"\r\n")) as url:
        assert len((await client.send(Request("GET", url))).headers) == HEADERS


async def test_no_answer(client: RequestClient) -> None:
    """Silence, a broken answer, a refused address, a header that cannot be sent: each is told in words."""
    async with raw(says(hang=True)) as url:
        assert await refused(client, Request("GET", url, total=0.3)) == "no whole answer within 0.3 s"
    async with raw(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")) as url:
        assert await refused(client, Request("GET", url)) == "the answer broke off before its end"
    assert "is refused (link-local)" in await refused(client, Request("GET", "http://169.254.169.254/latest"))
    async with Receiver() as receiver:
        receiver.plan("/", Answer(302, b"", {"Location": "http://10.0.0.1/"}))
        assert "is refused (private)" in await refused(client, Request("GET", receiver.url()))
    assert "cannot be sent" in await refused(client, Request("GET", "http://127.0.0.1:1/", (("Host", "x"),)))
    assert "control characters" in await refused(client, Request("GET", "http://127.0.0.1:1/", (("X", "a\r\nb"),)))
    assert "not an http" in await refused(client, Request("GET", "file:///etc/passwd"))
    assert "not an HTTP method" in await refused(client, Request("get it", "http://127.0.0.1:1/"))
