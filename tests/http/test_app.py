"""controller/http/app.py, health.py, metrics.py: what every route may rely on, over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from controller.http.app import HttpRooms, build_app
from controller.http.base import RequestFailed, RequestRefused, RequestServed, json_response
from controller.http.listener import Listener
from controller.recordings.ports import LedgerFailed
from tests.http.conftest import Rooms, Serve, ask, exchange, parse, until

DATA = Path(__file__).parent / "data"


def routes(router: web.UrlDispatcher, _: object) -> None:
    """Routes of another room, one for each thing that may happen."""

    async def echo(request: web.Request) -> web.Response:
        return json_response({"body": (await request.text())})

    async def raises(_: web.Request) -> web.Response:
        raise RuntimeError("secret /etc/path")

    async def refuses(_: web.Request) -> web.Response:
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Basic", "X-Inside": "1"}, text="inside")

    async def own(_: web.Request) -> web.Response:
        raise web.HTTPConflict(text='{"own":1}', content_type="application/json")

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("/healthz")

    async def broken_link(_: web.Request) -> web.Response:
        raise ConnectionRefusedError("the store is down")

    async def stalled(_: web.Request) -> web.Response:
        raise LedgerFailed("postgresql://db.internal is away")

    async def cached(_: web.Request) -> web.Response:
        return web.Response(headers={"Cache-Control": "max-age=5"})

    router.add_post("/echo/{id}", echo)
    for name, handler in {
        "raises": raises, "refuses": refuses, "own": own, "moved": moved, "link": broken_link, "cached": cached,
        "stalled": stalled,
    }.items():  # fmt: skip
        router.add_get(f"/{name}", handler)


@pytest.fixture
async def port(serve: Serve) -> int:
    """The port of an application with another room's routes and small bounds."""
    return (await serve(register=[routes], client_max_size=100_000, body_timeout=0.1)).port


ANSWERS: list[tuple[str, str, int, object]] = [
    ("GET", "/nowhere", 404, {"code": 404, "message": "Not Found"}),
    ("PUT", "/echo/1", 405, {"code": 405, "message": "Method Not Allowed"}),
    ("GET", "/raises", 500, {"code": 500, "message": "internal error"}),
    ("GET", "/stalled", 503, {"code": 503, "message": "the store does not answer; try again"}),
    ("GET", "/link", 500, {"code": 500, "message": "internal error"}),
    ("GET", "/refuses", 401, {"code": 401, "message": "Unauthorized"}),
    ("GET", "/own", 409, {"own": 1}),
    ("GET", "/healthz", 200, {"status": "alive"}),
    ("GET", "/readyz", 200, {"status": "ready", "problems": [], "degraded": []}),
]


@pytest.mark.parametrize(("method", "path", "status", "body"), ANSWERS, ids=[row[1] for row in ANSWERS])
async def test_answers_have_one_shape(port: int, method: str, path: str, status: int, body: object) -> None:
    """Every answer is JSON, says no more than it must and carries the same safe headers."""
    got = await ask(port, method, path)
    assert (got.status, orjson.loads(got.body)) == (status, body)
    assert got.headers["Content-Type"].startswith("application/json")
    assert got.headers["Server"] == "fsrec"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/nowhere"])
async def test_an_expectation_that_nobody_meets(port: int, path: str) -> None:
    """It is refused as everything else is, and not quoted."""
    got = await ask(port, "GET", path, {"Expect": "<b>"})
    assert (got.status, orjson.loads(got.body)["code"], got.headers["Server"]) == (417, 417, "fsrec")
    assert b"<b>" not in got.body


async def test_headers_that_matter_are_kept(port: int) -> None:
    """Allow and the like survive, others of an error don't; a redirect and a route's own caching are left alone."""
    assert (await ask(port, "GET", "/echo/1")).headers["Allow"] == "POST"
    refused = await ask(port, "GET", "/refuses")
    assert refused.headers["Www-Authenticate"] == "Basic"
    assert "X-Inside" not in refused.headers
    moved = await ask(port, "GET", "/moved")
    assert (moved.status, moved.headers["Location"]) == (302, "/healthz")
    assert (await ask(port, "GET", "/cached")).headers["Cache-Control"] == "max-age=5"


async def test_what_happens_is_told(rooms: Rooms, port: int) -> None:
    """Each request is told by its route's pattern; a handler's error goes to telemetry whole."""
    await ask(port, "POST", "/echo/secret-id", body=b"x")
    await ask(port, "GET", "/raises")
    await ask(port, "GET", "/moved")
    await ask(port, "PROPFIND", "/nowhere")
    served = [(event.method, event.route, event.status) for event in rooms.events_of(RequestServed)]
    assert served == [
        ("POST", "/echo/{id}", 200),
        ("GET", "/raises", 500),
        ("GET", "/moved", 302),
        ("PROPFIND", "none", 404),
    ]
    (failed,) = rooms.events_of(RequestFailed)
    assert (failed.route, str(failed.error)) == ("/raises", "secret /etc/path")


async def test_bodies_are_bounded(port: int) -> None:
    """A body at its limit is read; one beyond, one that doesn't come, and one that lies are refused and cut off."""
    limit = b"x" * 100_000
    assert orjson.loads((await ask(port, "POST", "/echo/1", body=limit)).body)["body"] == limit.decode()
    start = b"POST /echo/1 HTTP/1.1\r\nHost: x\r\n"
    large = parse(await exchange(port, start + b"Content-Length: 100001\r\n\r\n" + limit + b"x"))
    assert (large.status, orjson.loads(large.body)["message"]) == (413, "the body is larger than 100000 bytes")
    slow = parse(await exchange(port, start + b"Content-Length: 10\r\n\r\nabc"))
    assert (slow.status, orjson.loads(slow.body)["message"]) == (408, "the body did not arrive within 0.1 s")
    got = parse(await exchange(port, start + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"))
    assert got.status == 400


async def test_requests_that_wait_are_bounded(serve: Serve) -> None:
    """Whoever waits for what stalls is counted though he left; beyond the bound 503, while /readyz answers."""
    release, waiting = asyncio.Event(), list[web.Request]()

    def slow(router: web.UrlDispatcher, _: object) -> None:
        async def wait(request: web.Request) -> web.Response:
            waiting.append(request)
            await release.wait()
            return json_response({})

        router.add_get("/slow", wait)

    port = (await serve(register=[slow], most_at_once=3)).port
    for count in range(1, 4):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: len(waiting) >= count)  # noqa: B023 - it is awaited here
        writer.close()
    for path, status in (("/slow", 503), ("/nowhere", 503), ("/healthz", 200), ("/readyz", 200), ("/metrics", 200)):
        assert (await ask(port, "GET", path)).status == status, path
    release.set()
    assert (await ask(port, "GET", "/slow")).status == 200


async def test_a_client_that_leaves_amid_its_body(rooms: Rooms, port: int) -> None:
    """A body that breaks off is nobody's failure and leaves nothing behind."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /echo/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    await writer.drain()
    writer.transport.abort()
    await until(lambda: rooms.events_of(RequestServed))
    assert rooms.events_of(RequestServed)[0].status in {400, 499}
    assert rooms.events_of(RequestFailed) == []


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: <script>\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["tls", "header", "long line", "long header", "many headers", "smuggling"],
)
async def test_what_is_no_http_learns_nothing(
    rooms: Rooms, port: int, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Unreadable requests get a plain 400, with no version or echo in it, and are told to telemetry, not to a log."""
    with caplog.at_level(logging.DEBUG):
        got = parse(await exchange(port, sent))
    assert got.status == 400
    assert got.body == b'{"code":400,"message":"this is not a request that can be read"}'
    assert got.headers["Server"] == "fsrec"
    assert len(rooms.events_of(RequestRefused)) == 1
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_a_silent_client_is_let_go(rooms: Rooms, serve: Serve) -> None:
    """A connection that never completes a request is closed after the idle timeout."""
    listener = await serve(listener={"idle_timeout": 0.05})
    assert await exchange(listener.port, b"") == b""
    assert await exchange(listener.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""
    await until(lambda: listener.connections == 0)


async def test_connections_are_counted(serve: Serve) -> None:
    """One connection more than allowed is closed on arrival; when one goes, the next one is served."""
    listener = await serve(listener={"max_connections": 1})
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    await until(lambda: listener.connections == 1)
    assert await exchange(listener.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    writer.close()
    await until(lambda: listener.connections == 0)
    assert (await ask(listener.port, "GET", "/healthz")).status == 200


async def test_readiness_says_what_is_missing(rooms: Rooms, serve: Serve) -> None:
    """Not ready is 503 with the reasons; the process is alive all the same."""
    rooms.problems = ["switch fs1 is away", "no free disk"]
    port = (await serve()).port
    got = await ask(port, "GET", "/readyz")
    said = {"status": "not ready", "problems": rooms.problems, "degraded": []}
    assert (got.status, json.loads(got.body)) == (503, said)
    rooms.problems, rooms.held_elsewhere = [], {"fs2": "web2-6c0e"}
    told = {"status": "ready", "problems": [], "degraded": [], "held_elsewhere": rooms.held_elsewhere}
    got = await ask(port, "GET", "/readyz")
    assert (got.status, json.loads(got.body)) == (200, told)
    assert (await ask(port, "HEAD", "/healthz")).status == 200


async def test_the_metrics_route(serve: Serve) -> None:
    """The exposition is served as it is, under the type Prometheus asks for."""
    got = await ask((await serve()).port, "GET", "/metrics")
    assert (got.status, got.body) == (200, b"# nothing\n")
    assert got.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_stopping_lets_a_request_end(serve: Serve) -> None:
    """A stop accepts no more, closes idle connections, and waits for the request that runs."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    def slow(router: web.UrlDispatcher, _: object) -> None:
        async def handler(_: web.Request) -> web.Response:
            entered.set()
            await go_on.wait()
            return web.Response(text="done")

        router.add_get("/slow", handler)

    listener = await serve(register=[slow])
    idle = asyncio.create_task(exchange(listener.port, b""))
    running = asyncio.create_task(ask(listener.port, "GET", "/slow"))
    await entered.wait()
    stopping = asyncio.create_task(listener.stop())
    assert await idle == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", listener.port)
    assert not stopping.done()
    go_on.set()
    assert (await running).body == b"done"
    await stopping
    await listener.stop()


async def test_tls(serve: Serve) -> None:
    """With certificate and key it speaks TLS, shows that certificate, and nothing older than 1.2."""
    listener = await serve(listener={"certificate": DATA / "certificate.pem", "key": DATA / "key.pem"})
    assert listener.url == f"https://127.0.0.1:{listener.port}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # its dates would be judged by this machine's clock
    assert (await ask(listener.port, "GET", "/healthz", tls=context)).status == 200
    shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", listener.port))
    expected = (DATA / "certificate.pem").read_text()
    assert ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(expected)


def test_half_a_certificate_is_refused(rooms: Rooms) -> None:
    """A certificate without its key is an error of the settings."""
    with pytest.raises(ValueError, match="both, tls_certificate and tls_key"):
        Listener(build_app(rooms.http()), "127.0.0.1", 0, certificate=DATA / "certificate.pem")


@pytest.mark.parametrize("key", ["certificate.pem", "missing.pem"])
async def test_a_wrong_key_is_named(rooms: Rooms, key: str) -> None:
    """Files that don't go together, or aren't there, are named."""
    app = build_app(rooms.http())
    listener = Listener(app, "127.0.0.1", 0, certificate=DATA / "certificate.pem", key=DATA / key)
    with pytest.raises(ValueError, match=f"tls_key .*{key} can't be used"):
        await listener.start()


async def test_a_port_in_use_is_named(rooms: Rooms, serve: Serve) -> None:
    """Listening where another does fails with the address in words; stopping what never started is nothing."""
    first = await serve()
    second = Listener(build_app(rooms.http()), "127.0.0.1", first.port)
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{first.port}"):
        await second.start()
    await second.stop()


def test_a_url_of_ipv6(rooms: Rooms) -> None:
    """An IPv6 address is bracketed."""
    assert Listener(build_app(rooms.http()), "::1", 8080).url == "http://[::1]:8080"


async def test_telemetry_is_optional(rooms: Rooms) -> None:
    """Rooms without observe serve as well."""
    listener = Listener(build_app(HttpRooms(rooms.find, rooms.opened, list, lambda: b"")), "127.0.0.1", 0)
    await listener.start()
    assert (await ask(listener.port, "GET", "/healthz")).status == 200
    assert parse(await exchange(listener.port, b"nonsense\r\n\r\n")).status == 400
    await listener.stop()
