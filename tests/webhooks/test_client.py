"""One attempt: what goes out, and what is made of what comes back."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from controller.documents.fragments import Timeouts
from controller.recordings.model import Delivery
from controller.web.guard import AddressGuard
from controller.webhooks.client import ANSWER_KEPT, ANSWER_LIMIT, CallbackClient
from controller.webhooks.schedule import ErrorKind
from tests.harness.receiver import Answer, Receiver

LOOPBACK = [ip_network("127.0.0.0/8")]
SOON = Timeouts(0.2, 0.2, 0.4)
LONG = Timeouts(5.0, 5.0, 5.0)


def delivery(
    url: str, *, method: str = "POST", headers: tuple[tuple[str, str], ...] = (), body: bytes = b"a"
) -> Delivery:
    return Delivery("id", "acme", "swml", method, url, headers, body)


@pytest.fixture
async def client() -> AsyncIterator[CallbackClient]:
    async with CallbackClient(AddressGuard(LOOPBACK), clock=lambda: 123.0) as opened:
        yield opened


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw(serve: Serve, **options: Any) -> AsyncIterator[str]:
    """A server that speaks as ``serve`` says; its URL."""
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
            await over.wait()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    scheme = "https" if options else "http"
    yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    over.set()
    server.close()


async def test_a_request_goes_out_as_it_is_written() -> None:
    """Path and query go out byte for byte, because their receiver checks a signature of them; no fragment does."""
    lines: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with raw(take) as url:
        for path in ("a%2fb/../c?q=%C3%A9+x&r='1'#rc=3", "ä b?c=ü"):
            async with CallbackClient(AddressGuard(LOOPBACK)) as fresh:
                assert (await fresh.send(delivery(url + path), {}, LONG)).status == 200
    assert lines[0] == b"POST /a%2fb/../c?q=%C3%A9+x&r='1' HTTP/1.1"
    assert all(line.isascii() for line in lines)


async def test_headers_and_body_go_out(client: CallbackClient) -> None:
    """The delivery's headers and the attempt's, the body, our name; no cookie, no compression."""
    async with Receiver() as receiver:
        receiver.plan("/x", Answer(200, b"", {"Set-Cookie": "a=b"}))
        url = receiver.url("/x").replace("127.0.0.1", "localhost")  # addresses get no cookies anyway
        sent = delivery(url, headers=(("Content-Type", "x/y"),), body=b"\0body")
        for _ in range(2):
            await client.send(sent, {"X-Signature": "s"}, LONG)
        request = receiver.requests[1]
        assert (request.method, request.body) == ("POST", b"\0body")
        assert request.header("content-type") == "x/y"
        assert request.header("x-signature") == "s"
        assert (request.header("user-agent") or "").startswith("fsrec/")
        for absent in ("cookie", "accept-encoding", "authorization"):
            assert request.header(absent) is None


async def test_an_answer_is_kept(client: CallbackClient) -> None:
    """Status, head of the body, Retry-After, the clock's time and the duration are kept."""
    async with Receiver() as receiver:
        receiver.plan("/x", Answer(503, b"busy", {"Retry-After": "5"}))
        attempt = await client.send(delivery(receiver.url("/x")), {}, LONG)
    assert (attempt.status, attempt.first_bytes, attempt.retry_after) == (503, b"busy", "5")
    assert (attempt.at, attempt.error) == (123.0, None)
    assert 0 < attempt.duration < 5


async def test_a_get_has_no_body(client: CallbackClient) -> None:
    """An empty body is none: a GET carries neither length nor type."""
    async with Receiver() as receiver:
        attempt = await client.send(delivery(receiver.url("/x"), method="GET", body=b""), {}, LONG)
        assert attempt.status == 200
        assert receiver.requests[0].method == "GET"
        assert receiver.requests[0].header("content-type") is None
        assert receiver.requests[0].header("content-length") in {None, "0"}


async def test_redirects_are_answers(client: CallbackClient) -> None:
    """A redirect is not followed: its status is the answer."""
    async with Receiver() as receiver:
        receiver.plan("/x", Answer(307, b"", {"Location": receiver.url("/y")}))
        assert (await client.send(delivery(receiver.url("/x")), {}, LONG)).status == 307
        assert len(receiver.requests) == 1


async def test_credentials_in_the_url_become_basic_auth(client: CallbackClient) -> None:
    """They are decoded, taken out of the URL, and give way to an Authorization of the dialect's."""
    async with Receiver() as receiver:
        url = receiver.url("/x").replace("http://", "http://us%40er:p%C3%A4ss@")
        await client.send(delivery(url), {}, LONG)
        await client.send(delivery(url), {"authorization": "Bearer t"}, LONG)
        wanted = "Basic " + base64.b64encode("us@er:päss".encode()).decode()
        assert [request.header("authorization") for request in receiver.requests] == [wanted, "Bearer t"]


async def test_an_endless_answer_is_read_to_a_cap(client: CallbackClient) -> None:
    """An answer longer than the cap counts by its status; its head is kept, its connection dropped."""
    written = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
        while True:
            writer.write(b"x" * 1000)
            written += 1000
            await writer.drain()

    async with raw(endless) as url:
        attempt = await client.send(delivery(url), {}, LONG)
    assert (attempt.status, attempt.error, attempt.first_bytes) == (200, None, b"x" * ANSWER_KEPT)
    assert written >= ANSWER_LIMIT


async def test_a_body_that_breaks_off_does_not_take_the_status_back(client: CallbackClient) -> None:
    """Once the status is there the receiver has answered; what went wrong after it is noted."""

    async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc")
        await writer.drain()

    async with raw(breaks_off) as url:
        attempt = await client.send(delivery(url), {}, SOON)
    assert (attempt.status, attempt.error) == (200, None)
    assert attempt.detail != ""


async def _hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    return


async def _nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-x\r\n\r\n")


async def _shut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK" + b" " * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("serve", "kind"),
    [
        (_hang, ErrorKind.READ_TIMEOUT),
        (_drip, ErrorKind.READ_TIMEOUT),
        (_nonsense, ErrorKind.PROTOCOL),
        (_shut, ErrorKind.RESET),
    ],
)
async def test_what_is_no_answer(client: CallbackClient, serve: Serve, kind: ErrorKind) -> None:
    """Silence, a drip that outlasts the total, something that is no HTTP, a closed door: each has its kind."""
    async with raw(serve) as url:
        attempt = await client.send(delivery(url), {}, SOON)
    assert (attempt.status, attempt.error) == (None, kind)
    assert attempt.detail != ""


async def test_connections_that_do_not_come_about(client: CallbackClient) -> None:
    """A closed port, a refused address by number or name, a name that is none, and TLS that is none."""
    async with raw(_hang) as url:
        port = url.rsplit(":", 1)[1]
    kinds = {
        f"http://127.0.0.1:{port}": ErrorKind.CONNECTION,
        f"http://10.0.0.1:{port}": ErrorKind.REFUSED,
        f"http://[::1]:{port}": ErrorKind.REFUSED,
        "http://" + "a" * 70 + ".invalid/": ErrorKind.CONNECTION,
    }
    for target, kind in kinds.items():
        attempt = await client.send(delivery(target), {}, LONG)
        assert (attempt.status, attempt.error) == (None, kind), attempt
    async with raw(_nonsense) as url:
        attempt = await client.send(delivery(url.replace("http:", "https:")), {}, LONG)
        assert attempt.error == ErrorKind.TLS


async def test_a_certificate_of_nobody_is_refused(client: CallbackClient) -> None:
    """A receiver whose certificate no authority signed is told apart from one that is down."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "data" / "self_signed.pem")
    async with raw(_hang, ssl=context) as url:
        attempt = await client.send(delivery(url), {}, LONG)
    assert attempt.error == ErrorKind.TLS
    assert "certificate" in attempt.detail.lower()


async def test_a_connection_that_takes_too_long(client: CallbackClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not connect within its timeout is a connect timeout, looking the name up included."""
    import threading

    over = threading.Event()
    monkeypatch.setattr("controller.web.guard.socket.getaddrinfo", lambda *_, **__: over.wait(10) and [])
    attempt = await client.send(delivery("http://slow.example/"), {}, Timeouts(0.1, 5.0, 5.0))
    over.set()
    assert attempt.error == ErrorKind.CONNECT_TIMEOUT


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ftp://127.0.0.1/"},
        {"url": "//127.0.0.1/"},
        {"url": "http://"},
        {"url": "http:///x"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "http://[::1/"},
        {"url": ""},
        {"method": "PO ST"},
        {"method": "GET / HTTP/1.1\r\nX: y\r\n\r\nGET"},
        {"headers": (("X", "a\r\nY: b"),)},
        {"headers": (("X", "a\nY"),)},
        {"headers": (("X", "a\0"),)},
        {"headers": (("X", "a" * 9000),)},
        {"headers": (("X\r\nY", "a"),)},
        {"headers": (("", "a"),)},
        {"headers": (("Content-Length", "0"),)},
        {"headers": (("transfer-encoding", "chunked"),)},
        {"headers": (("Host", "other"),)},
    ],
)
async def test_what_cannot_be_sent_is_not_sent(client: CallbackClient, changes: dict[str, Any]) -> None:
    """A URL, method or header that is none is named, and nothing of it reaches anybody."""
    async with Receiver() as receiver:
        attempt = await client.send(delivery(**{"url": receiver.url(), **changes}), {}, LONG)
        assert (attempt.status, attempt.error) == (None, ErrorKind.INVALID)
        assert receiver.requests == []


async def test_faults_of_ours_are_told_apart(client: CallbackClient) -> None:
    """A bug while sending is an attempt that failed internally, not an exception."""
    await client.close()
    attempt = await client.send(delivery("http://127.0.0.1:9/"), {}, LONG)
    assert attempt.error == ErrorKind.INTERNAL
