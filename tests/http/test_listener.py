"""controller/http/listener.py: what clients that are slow, greedy, silent or many get, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from controller.http.base import RequestRefused
from controller.http.listener import MAX_HEADERS, Listener
from tests.harness import certificates
from tests.http.conftest import Rooms, Serve, ask, exchange, parse, until

LARGE = 8 << 20
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def routes(router: web.UrlDispatcher, _: object) -> None:
    async def large(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * LARGE)

    async def medium(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 300_000, headers={"Connection": "close"})

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=str(len(await request.read())).encode())

    router.add_get("/large", large)
    router.add_get("/medium", medium)
    router.add_post("/echo", echo)


@asynccontextmanager
async def narrow(port: int, sent: bytes) -> AsyncIterator[socket.socket]:
    """A client with the smallest buffer that sends and takes nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, sent)
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize("path", ["large", "medium"])
async def test_a_client_that_takes_nothing_is_cut_off(serve: Serve, path: str) -> None:
    """Whether its handler still writes or its connection is closing already; whoever takes it all has it all."""
    listener = await serve(register=[routes], listener={"stall": 0.3})
    request = f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    async with narrow(listener.port, request):
        await until(lambda: listener.connections == 1)
        whole = parse(await exchange(listener.port, request))
        assert len(whole.body) == int(whole.headers["Content-Length"])
        await until(lambda: listener.connections == 0)


async def test_headers_byte_by_byte(serve: Serve) -> None:
    """A request that is never complete is let go after the idle time, however busily it comes."""
    listener = await serve(listener={"idle_timeout": 0.3})
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    sent = 0
    try:
        async with asyncio.timeout(10):
            while not reader.at_eof():
                writer.write(b"X")
                await writer.drain()
                sent += 1
                await asyncio.sleep(0.01)
                if listener.connections == 0:
                    break
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert sent > 3
    await until(lambda: listener.connections == 0)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"X: " + b"a" * 100_000, "one header"),
        (b"\r\n".join(b"X-%d: a" % number for number in range(MAX_HEADERS + 10)), "many headers"),
        (b"X" * 100_000 + b": a", "a name"),
        (b"X: a\r\n b\r\n c", "folded"),
        (b"X: a\x00b", "a NUL"),
        (b"X: a\rb", "a lone CR"),
        (b"Content-Length: -1", "a negative length"),
        (b"Content-Length: 1\r\nContent-Length: 2", "two lengths"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3", "two framings"),
        (b"Transfer-Encoding: gzip, chunked, x", "odd codings"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_heads_that_are_none(serve: Serve, rooms: Rooms, head: bytes, why: str) -> None:
    """Refused with 400 before any handler, and told; the connection is closed."""
    port = (await serve(register=[routes])).port
    got = parse(await exchange(port, b"POST /echo HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n"))
    assert got.status == 400, why
    (told,) = rooms.events_of(RequestRefused)
    assert told.reason[:1].isupper()
    assert not set(told.reason) & set(":\n"), "what came is quoted, and may be a secret"
    assert (await ask(port, "GET", "/healthz")).status == 200


async def test_an_endless_header_is_not_kept(serve: Serve, rooms: Rooms) -> None:
    """A header without an end is refused at its limit: nothing collects it."""
    port = (await serve()).port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nX: ")
    sent = 0

    async def send() -> None:
        nonlocal sent
        while True:
            writer.write(b"a" * 65_536)
            await writer.drain()
            sent += 65_536

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(send(), 20)
    assert sent < 16 << 20
    assert rooms.events_of(RequestRefused)
    writer.close()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, gzip", "x"])
async def test_compressed_bodies_are_refused_unread(serve: Serve, coding: str) -> None:
    """A bomb is not even opened: 415 says what would be right."""
    port = (await serve(register=[routes])).port
    bomb = gzip.compress(bytes(50 << 20), 9)
    got = await ask(port, "POST", "/echo", {"Content-Encoding": coding}, bomb)
    assert got.status == 415
    assert b"without a Content-Encoding" in got.body
    assert (await ask(port, "POST", "/echo", {"Content-Encoding": "identity"}, b"abc")).body == b"3"


async def test_chunks_are_bounded(serve: Serve) -> None:
    """A body in chunks ends at the limit as any other; a size that no body has is no request."""
    port = (await serve(register=[routes], client_max_size=10_000, body_timeout=0.3)).port
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    many = parse(await exchange(port, head + b"1\r\na\r\n" * 10_001 + b"0\r\n\r\n"))
    assert many.status == 413
    for bad in (b"fffffffffffffffff\r\n", b"-1\r\n", b"2\r\nabc\r\n"):
        assert parse(await exchange(port, head + bad)).status == 400, bad
    endless = parse(await exchange(port, head + b"1;" + b"x" * 1_000_000))
    assert endless.status == 408, "an extension, of which nothing is kept"


async def test_expectations(serve: Serve) -> None:
    """100-continue is answered, what is too large all the same refused; any other expectation is 417."""
    port = (await serve(register=[routes], client_max_size=100)).port
    head = (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    )
    got = await exchange(port, head % 3 + b"abc")
    assert got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert b"HTTP/1.1 413 " in await exchange(port, head % 101 + b"a" * 101)
    odd = parse(await exchange(port, HEALTH[:-2] + b"Connection: close\r\nExpect: the unexpected\r\n\r\n"))
    assert odd.status == 417


async def test_upgrades_are_not_made(serve: Serve) -> None:
    """There is no WebSocket and no HTTP/2: who asks for them is answered as if not."""
    port = (await serve()).port
    for protocol in (b"websocket", b"h2c"):
        asked = HEALTH[:-2] + b"Connection: upgrade, close\r\nUpgrade: " + protocol + b"\r\n\r\n"
        assert parse(await exchange(port, asked)).body == b'{"status":"alive"}'
    assert parse(await exchange(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).status in {400, 404, 505}


async def test_a_pipeline_waits_in_the_network(serve: Serve) -> None:
    """Requests beyond a few are not read while none is taken: the client's own buffers fill up, not ours."""
    listener = await serve(register=[routes], listener={"stall": 1.0})
    async with narrow(listener.port, b"") as client:
        sent = 0

        async def send() -> None:
            nonlocal sent
            while sent < 256 << 20:
                await asyncio.get_running_loop().sock_sendall(
                    client, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
                )
                sent += 35_000

        with pytest.raises(ConnectionError):  # the listener's, for nothing of what it answers is taken
            await asyncio.wait_for(send(), 20)
        assert sent < 64 << 20
    await until(lambda: listener.connections == 0)
    assert (await ask(listener.port, "GET", "/healthz")).status == 200


async def test_one_client_has_a_share(serve: Serve) -> None:
    """Connections of one address are limited apart, but for proxies; when one goes the next one is let in."""
    listener = await serve(listener={"per_address": 2, "proxies": ()})
    kept = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(2)]
    await until(lambda: listener.connections == 2)
    assert await exchange(listener.port, HEALTH) == b""
    kept[0][1].close()
    await until(lambda: listener.connections == 1)
    assert (await ask(listener.port, "GET", "/healthz")).status == 200
    kept[1][1].close()
    trusted = await serve(listener={"per_address": 1})
    _, writer = await asyncio.open_connection("127.0.0.1", trusted.port)
    await until(lambda: trusted.connections == 1)
    assert (await ask(trusted.port, "GET", "/healthz")).status == 200
    writer.close()


async def test_who_never_speaks_tls_is_counted_and_let_go(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that are still agreeing count from their first moment, and have little time."""
    monkeypatch.setattr("controller.http.listener.HANDSHAKE", 0.3)
    pair = certificates.made(tmp_path)
    listener = await serve(listener={**pair.files, "max_connections": 2})
    silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(2)]
    await until(lambda: listener.connections == 2)
    assert await exchange(listener.port, HEALTH) == b""
    await until(lambda: listener.connections == 0)
    for reader, writer in silent:
        assert await reader.read() == b""
        writer.close()
    trust = ssl.create_default_context(cafile=str(pair.certificate))
    trust.check_hostname = False
    assert (await ask(listener.port, "GET", "/healthz", tls=trust)).status == 200
    assert await exchange(listener.port, HEALTH) == b"", "no answer in clear"


@pytest.mark.parametrize("path", ["large", "medium", "healthz"])
async def test_over_tls_nobody_stays_either(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Who takes nothing of what is sent, and who has it all and does not agree upon the end."""
    monkeypatch.setattr("controller.http.listener.HANDSHAKE", 0.3)
    pair = certificates.made(tmp_path)
    listener = await serve(register=[routes], listener={**pair.files, "stall": 0.3, "idle_timeout": 0.3})
    trust = ssl.create_default_context(cafile=str(pair.certificate))
    trust.check_hostname = False

    def asked() -> ssl.SSLSocket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.settimeout(10)
        client.connect(("127.0.0.1", listener.port))
        secret = trust.wrap_socket(client)
        secret.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return secret

    with await asyncio.to_thread(asked):
        await until(lambda: listener.connections == 0)


async def test_stopping_leaves_nobody(serve: Serve, tmp_path: Path) -> None:
    """A stop ends connections that take nothing, that say nothing, and that are agreeing upon TLS."""
    plain = await serve(register=[routes], listener={"shutdown_timeout": 0.1})
    async with narrow(plain.port, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"):
        await until(lambda: plain.connections == 1)
        await plain.stop()
        assert plain.connections == 0
    secret = await serve(listener={**certificates.made(tmp_path).files, "shutdown_timeout": 0.1})
    _, writer = await asyncio.open_connection("127.0.0.1", secret.port)
    await until(lambda: secret.connections == 1)
    await secret.stop()
    assert secret.connections == 0
    writer.close()


async def test_a_machine_without_descriptors_goes_on(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """An accept that fails is tried again: whoever waits then is served."""
    loop = asyncio.get_running_loop()
    real, failures = loop.sock_accept, [OSError(24, "Too many open files")] * 3

    async def failing(listening: socket.socket) -> object:
        if failures:
            raise failures.pop()
        return await real(listening)

    monkeypatch.setattr(loop, "sock_accept", failing)
    listener: Listener = await serve()
    assert (await ask(listener.port, "GET", "/healthz")).status == 200
    assert failures == []
