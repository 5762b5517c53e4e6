"""Fetching a document: what goes out, which redirects are followed how, and that no answer can do harm."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest

from controller.documents.fetch import DocumentRequest, FetchFailed, Patience, Trouble
from controller.documents.fragments import Retried
from controller.web.fetch import DocumentClient
from controller.web.guard import AddressGuard
from tests.harness.receiver import Answer, Receiver

LOOPBACK = [ip_network("127.0.0.1/32")]
PATIENCE = Patience(5.0, 10.0, 10.0, 3)
LIMIT = 1000
DOCUMENT = b"\xef\xbb\xbfmain: \xc3\xa4"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def client() -> AsyncIterator[DocumentClient]:
    async with DocumentClient(AddressGuard(LOOPBACK)) as opened:
        yield opened


def render(method: str, url: str) -> DocumentRequest:
    """A request that says what it was made of, as a signed one does."""
    body = b"" if method == "GET" else f"body for {url}".encode()
    return DocumentRequest(method, url, (("X-Signature", f"{method} {url}"),), body)


async def got(
    client: DocumentClient, url: str, method: str = "POST", patience: Patience = PATIENCE, limit: int = LIMIT
) -> bytes:
    return await client.fetch(method, url, render, patience, limit)


async def refused(client: DocumentClient, url: str, patience: Patience = PATIENCE, limit: int = LIMIT) -> str:
    """Why a URL gives no document."""
    with pytest.raises(FetchFailed) as failed:
        await got(client, url, patience=patience, limit=limit)
    return str(failed.value)


@asynccontextmanager
async def raw(serve: Serve, *, heard: bool = True, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that speaks as ``serve`` says, after it has heard a request's head, or at once; its URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            if heard:
                await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def says(*parts: bytes, again: bytes = b"", hang: bool = False) -> Serve:
    """Say these, then ``again`` without end, or nothing more without closing."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        while again:
            writer.write(again)
            await writer.drain()
        if hang:
            await asyncio.Event().wait()

    return serve


# --- what goes out --------------------------------------------------------------------------------------------------


async def test_a_document_is_asked_for(client: DocumentClient) -> None:
    """As it was rendered, with our name, no compression, no cookies; what comes is given as it came, of any type."""
    async with Receiver() as receiver:
        receiver.plan(
            "/doc", Answer(200, DOCUMENT, {"Content-Type": "text/html; charset=latin-1", "Set-Cookie": "a=b"})
        )
        url = receiver.url("/doc?a=%2fb").replace("127.0.0.1", "localhost")
        for _ in range(2):
            assert await got(client, url) == DOCUMENT
        request = receiver.requests[1]
        assert (request.method, request.path, request.query) == ("POST", "/doc", "a=%2fb")
        assert request.body == f"body for {url}".encode()
        assert request.header("x-signature") == f"POST {url}"
        assert request.header("accept-encoding") == "identity"
        assert (request.header("user-agent") or "").startswith("fsrec/")
        assert request.header("cookie") is None
        assert request.header("authorization") is None


async def test_a_get_has_no_body(client: DocumentClient) -> None:
    """Nor a length or type of one."""
    async with Receiver() as receiver:
        assert await got(client, receiver.url("/doc"), "GET") == b""
        [request] = receiver.requests
        assert (request.method, request.body, request.header("content-type")) == ("GET", b"", None)


async def test_credentials_are_basic(client: DocumentClient) -> None:
    """They are decoded and leave the URL; a redirect within the origin carries them, one that leaves it does not."""
    wanted = "Basic " + base64.b64encode("us@er:päss".encode()).decode()
    async with Receiver() as receiver, Receiver() as other:
        receiver.plan("/a", Answer(307, b"", {"Location": "/b"}))
        receiver.plan("/b", Answer(307, b"", {"Location": other.url("/c")}))
        other.plan("/c", Answer(307, b"", {"Location": receiver.url("/d")}))
        await got(client, receiver.url("/a").replace("http://", "http://us%40er:p%C3%A4ss@"))
        assert [(one.path, one.header("authorization")) for one in receiver.requests] == [
            ("/a", wanted),
            ("/b", wanted),
            ("/d", None),
        ]
        assert [one.header("authorization") for one in other.requests] == [None]


async def test_credentials_of_a_redirect_are_its_own(client: DocumentClient) -> None:
    """What a Location says is meant for where it leads."""
    async with Receiver() as receiver:
        location = receiver.url("/b").replace("http://", "http://u:p@")
        receiver.plan("/a", Answer(302, b"", {"Location": location}))
        await got(client, receiver.url("/a"))
        assert receiver.requests[1].header("authorization") == "Basic " + base64.b64encode(b"u:p").decode()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://127.0.0.1/", "not an http or https URL"),
        ("http://", "not an http or https URL"),
        ("http://[::1/", "is not a URL"),
        ("http://127.0.0.1:99999/", "is not a URL"),
        ("http://10.0.0.1/", "10.0.0.1 is refused (private)"),
        ("http://127.0.0.2/", "127.0.0.2 is refused (loopback)"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254 is refused (link-local)"),
        ("http://" + "a" * 70 + ".invalid/", "no answer: "),
    ],
)
async def test_where_nothing_is_asked(client: DocumentClient, url: str, why: str) -> None:
    """What is no URL, and addresses that the settings do not allow."""
    assert why in await refused(client, url)


async def test_requests_that_cannot_be_sent(client: DocumentClient) -> None:
    """A method or header that would end the head is named, and nobody hears of it."""
    async with Receiver() as receiver:
        for request in (
            DocumentRequest("PO ST", receiver.url()),
            DocumentRequest("POST", receiver.url(), (("X", "a\r\nY: b"),)),
        ):
            with pytest.raises(FetchFailed):
                await client.fetch("POST", receiver.url(), lambda *_, found=request: found, PATIENCE, LIMIT)
        assert receiver.requests == []


async def test_a_fault_of_the_renderer_is_not_the_servers(client: DocumentClient) -> None:
    """It is raised as what it is."""

    def broken(_: str, __: str) -> DocumentRequest:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await client.fetch("POST", "http://127.0.0.1/", broken, PATIENCE, LIMIT)


# --- redirects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (302, "GET", "GET"),
        (308, "GET", "GET"),
    ],
)
async def test_redirects_are_rendered_anew(client: DocumentClient, status: int, method: str, then: str) -> None:
    """By the method that the status says, with a body and signature for where they lead; fragments are dropped."""
    async with Receiver() as receiver:
        receiver.plan("/a/b", Answer(status, b"elsewhere", {"Location": "../c?d=%2f#e"}))
        receiver.plan("/c", Answer(200, DOCUMENT))
        assert await got(client, receiver.url("/a/b"), method) == DOCUMENT
        url = receiver.url("/c?d=%2f")
        last = receiver.requests[-1]
        assert (last.method, last.path, last.query) == (then, "/c", "d=%2f")
        assert last.header("x-signature") == f"{then} {url}"
        assert last.body == (f"body for {url}".encode() if then == "POST" else b"")


async def test_so_many_redirects_and_no_more(client: DocumentClient) -> None:
    """Three are followed; a loop ends there."""
    async with Receiver() as receiver:
        for number in range(3):
            receiver.plan(f"/{number}", Answer(302, b"", {"Location": f"/{number + 1}"}))
        receiver.plan("/3", Answer(200, DOCUMENT))
        assert await got(client, receiver.url("/0")) == DOCUMENT
        receiver.plan("/3", Answer(302, b"", {"Location": "/3"}))
        assert await refused(client, receiver.url("/1")) == (
            f"more than 3 redirects, the last one to {receiver.url('/3')!r}"
        )
        assert len(receiver.requests) == 4 + 4
        none = Patience(5.0, 5.0, 5.0, 0)
        assert "more than 0 redirects" in await refused(client, receiver.url("/0"), none)


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://10.0.0.1/x", "10.0.0.1 is refused (private)"),
        ("http://127.0.0.2:1/x", "127.0.0.2 is refused (loopback)"),
        ("http://[::1]:1/x", "::1 is refused (loopback)"),
        ("//169.254.169.254/latest", "169.254.169.254 is refused (link-local)"),
        ("http://2130706434/x", "canonical"),
        ("file:///etc/passwd", "not an http or https URL"),
        ("javascript:alert(1)", "not an http or https URL"),
        ("http://[::1", "no answer: "),
        ("http://u:secret@[::1", "no answer: "),
        ("", "status 302 and no Location"),
        (None, "status 302 and no Location"),
    ],
)
async def test_redirects_that_lead_nowhere(client: DocumentClient, location: str | None, why: str) -> None:
    """Each hop is guarded; what is no URL is no hop."""
    async with Receiver() as receiver:
        receiver.plan("/a", Answer(302, b"", {} if location is None else {"Location": location}))
        assert why in await refused(client, receiver.url("/a"))
        assert len(receiver.requests) == 1


async def test_nothing_goes_from_tls_to_clear_text(client: DocumentClient) -> None:
    """What was asked for over TLS is asked for in clear nowhere; the other way is no harm."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parents[1] / "webhooks" / "data" / "self_signed.pem")
    await client._session.close()
    client._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))  # its certificate is nobody's
    async with Receiver() as receiver:
        head = f"HTTP/1.1 307 Moved\r\nLocation: {receiver.url('/clear')}\r\n\r\n"
        async with raw(says(head.encode()), tls=context) as url:
            assert await refused(client, url) == (
                f"redirected from https to {receiver.url('/clear')!r}, which is not"
            )
        assert receiver.requests == []
        async with raw(says(OK + b"\r\n" + DOCUMENT), tls=context) as url:
            receiver.plan("/up", Answer(307, b"", {"Location": url}))
            assert await got(client, receiver.url("/up")) == DOCUMENT


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 500, 503])
async def test_a_status_that_is_no_document(client: DocumentClient, status: int) -> None:
    """Whatever its body says."""
    async with Receiver() as receiver:
        receiver.plan("/a", Answer(status, b"" if status == 304 else DOCUMENT, {"Location": "/b"}))
        why = await refused(client, receiver.url("/a"))
        assert why == f"answered with status {status}; a document comes with 200"
        assert len(receiver.requests) == 1


async def test_nothing_is_decompressed(client: DocumentClient) -> None:
    """A body is given as it came, whatever its encoding is called."""
    packed = gzip.compress(DOCUMENT)
    async with raw(says(OK + b"Content-Encoding: gzip\r\n\r\n" + packed)) as url:
        assert await got(client, url) == packed


async def test_bodies_have_a_limit(client: DocumentClient) -> None:
    """Exactly so many bytes pass, one more does not."""
    async with Receiver() as receiver:
        receiver.plan("/a", Answer(200, b"x" * LIMIT), Answer(200, b"x" * (LIMIT + 1)))
        assert len(await got(client, receiver.url("/a"))) == LIMIT
        assert await refused(client, receiver.url("/a")) == "more than 1000 bytes; a document may have 1000"


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b"\0" * 10_000_000)


@pytest.mark.parametrize(
    ("serve", "why"),
    [
        (says(OK + b"\r\n", again=b"x" * 4096), "more than 1000 bytes"),
        (says(CHUNKED, again=b"5\r\nxxxxx\r\n" * 500), "more than 1000 bytes"),
        (says(CHUNKED + b"fffffffff\r\n", again=b"x" * 4096), "more than 1000 bytes"),
        (says(OK + b"Content-Length: 99999999999\r\n\r\n", again=b"x" * 4096), "more than 1000 bytes"),
        (says(OK + b"Content-Encoding: gzip\r\n\r\n" + BOMB), "more than 1000 bytes"),
        (says(OK + b"Content-Length: 50\r\n\r\nabc"), "broke off"),
        (says(CHUNKED + b"5\r\nab"), "broke off"),
        (says(CHUNKED + b"zz\r\nab"), "no answer: "),
        (says(OK + b"X: ", again=b"x" * 4096), "no answer: "),
        (says(OK, again=b"X: y\r\n" * 500), "no answer: "),
        (says(b"SSH-2.0-x\r\n\r\n"), "no answer: "),
        (says(), "no answer: "),
        (says(OK + b"Content-Length: x\r\n\r\n"), "no answer: "),
        (says(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", again=b"x" * 4096), "more than 3 redirects"),
        (says(b"HTTP/1.1 500 No\r\n\r\n", again=b"x" * 4096), "status 500"),
    ],
)
async def test_hostile_answers(client: DocumentClient, serve: Serve, why: str) -> None:
    """Endless, compressed, truncated, malformed ones: each ends soon, with its reason."""
    async with raw(serve) as url:
        assert why in await refused(client, url)


@pytest.mark.parametrize(
    ("serve", "kind"),
    [
        (says(OK + b"Content-Length: 50\r\n\r\nabc"), None),
        (says(CHUNKED + b"5\r\nab"), None),
        (says(), Retried.READ),
        (says(b"HTTP/1.1 500 No\r\n\r\n"), Retried.STATUS_5XX),
    ],
)
async def test_what_may_be_asked_for_again(client: DocumentClient, serve: Serve, kind: Retried | None) -> None:
    """Vendors' policies name silence and statuses, and no answer that broke off: Plivo excludes it (spec 3.6)."""
    async with raw(serve) as url:
        with pytest.raises(FetchFailed) as failed:
            await got(client, url)
    assert failed.value.kind is kind


@pytest.mark.parametrize(
    ("serve", "trouble"),
    [
        (says(OK + b"Content-Length: 50\r\n\r\nabc"), Trouble.BROKEN),
        (says(), Trouble.CONNECT),
        (says(hang=True), Trouble.TIMEOUT),
        (says(b"HTTP/1.1 404 No\r\n\r\n"), Trouble.STATUS),
        (says(OK + b"Content-Length: 5\r\n\r\nabcde"), Trouble.SIZE),
        (says(b"HTTP/1.1 302 There\r\nLocation: /\r\n\r\n"), Trouble.REDIRECT),
        (says(b"HTTP/1.1 302 Nowhere\r\n\r\n"), Trouble.REDIRECT),
        (says(b"HTTP/1.1 302 Inside\r\nLocation: http://10.0.0.1/\r\n\r\n"), Trouble.ADDRESS),
        (says(b"HTTP/1.1 302 Elsewhere\r\nLocation: ftp://x/\r\n\r\n"), Trouble.ADDRESS),
    ],
)
async def test_why_in_a_word(client: DocumentClient, serve: Serve, trouble: Trouble) -> None:
    """Each failure has one of few words, by which it is counted."""
    async with raw(serve) as url:
        with pytest.raises(FetchFailed) as failed:
            await got(client, url, patience=Patience(5.0, 0.1, 5.0, 3), limit=4)
    assert failed.value.trouble is trouble


@pytest.mark.parametrize(
    ("serve", "patience", "why"),
    [
        (says(hang=True), Patience(5.0, 0.1, 5.0, 3), "nothing was heard for 0.1 s"),
        (
            says(OK + b"Content-Length: 5\r\n\r\nab", hang=True),
            Patience(5.0, 0.1, 5.0, 3),
            "nothing was heard for 0.1 s",
        ),
        (says(hang=True), Patience(5.0, 5.0, 0.2, 3), "no whole answer within 0.2 s"),
        (says(b"HTTP/1.1 100 Continue\r\n\r\n", again=b"HTTP/1.1 103 Hi\r\n\r\n"), Patience(5, 5, 0.3, 3), "no "),
    ],
)
async def test_slow_answers(client: DocumentClient, serve: Serve, patience: Patience, why: str) -> None:
    """Silence between two reads, and the whole that lasts too long, are told apart."""
    async with raw(serve) as url:
        assert why in await refused(client, url, patience)


@pytest.mark.parametrize("head", [b"", OK, OK + b"\r\n"])
async def test_a_drip_has_an_end(client: DocumentClient, head: bytes) -> None:
    """Byte by byte, in status line, headers or body, never silent for long: the total ends it."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for byte in (OK if head == b"" else b"X: ") + b"x" * 10_000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw(drip) as url:
        assert await refused(client, url, Patience(5.0, 5.0, 0.3, 3)) == "no whole answer within 0.3 s"


async def test_redirects_share_one_total(client: DocumentClient) -> None:
    """Each hop within its time, and all of them not."""
    async with Receiver() as receiver:
        receiver.plan("/a", Answer(302, b"", {"Location": "/a"}, delay=0.15))
        assert (
            await refused(client, receiver.url("/a"), Patience(5.0, 5.0, 0.4, 30)) == "no whole answer within 0.4 s"
        )
        assert len(receiver.requests) >= 2


async def test_a_server_that_is_away(client: DocumentClient) -> None:
    """A closed port, and one whose connection does not come about in time (its backlog is full)."""
    async with raw(says()) as url:
        pass
    assert "no answer: " in await refused(client, url)


async def test_a_connection_that_takes_too_long(client: DocumentClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking the name up counts."""
    import threading

    over = threading.Event()
    monkeypatch.setattr("controller.web.guard.socket.getaddrinfo", lambda *_, **__: over.wait(10) and [])
    why = await refused(client, "http://slow.example/", Patience(0.1, 5.0, 5.0, 3))
    over.set()
    assert why == "no connection within 0.1 s"


async def test_tls_that_is_none(client: DocumentClient) -> None:
    """Told as what it is."""
    async with raw(says(b"SSH-2.0-x\r\n\r\n"), heard=False) as url:
        assert "no answer: " in await refused(client, url.replace("http:", "https:"))


async def test_one_origin_takes_no_more_than_its_share() -> None:
    """A server that never answers holds up neither another origin, nor for long who waits for their turn."""
    came = asyncio.Semaphore(0)

    async def serve(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        came.release()
        await asyncio.Event().wait()

    async with (
        DocumentClient(AddressGuard(LOOPBACK), in_flight=10, per_origin=2) as client,
        Receiver() as good,
        raw(serve) as dead,
    ):
        stuck = [asyncio.create_task(got(client, dead)) for _ in range(2)]
        for _ in stuck:
            await asyncio.wait_for(came.acquire(), 5)
        assert await refused(client, dead, Patience(0.2, 5.0, 5.0, 3)) == "no connection within 0.2 s"
        assert await got(client, good.url("/")) == b""
        for task in stuck:
            task.cancel()
        ends = await asyncio.gather(*stuck, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)


async def test_each_request_has_a_connection_of_its_own(client: DocumentClient) -> None:
    """A server that keeps connections open and closes them at the next request loses nobody a document."""
    came = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        came += 1
        writer.write(OK + b"Content-Length: 1\r\nConnection: keep-alive\r\n\r\nx")
        await writer.drain()
        await reader.read(10_000)  # the body
        await reader.read(1)

    async with raw(serve) as url:
        assert [await got(client, url) for _ in range(3)] == [b"x"] * 3
    assert came == 3


async def test_what_is_given_up_leaves_no_connection(client: DocumentClient) -> None:
    """A caller who hangs up: the server sees the connection end."""
    came, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        came.set()
        while await reader.read(1000):
            pass
        gone.set()

    async with raw(serve) as url:
        asking = asyncio.create_task(got(client, url))
        await asyncio.wait_for(came.wait(), 5)
        asking.cancel()
        await asyncio.wait_for(gone.wait(), 5)
