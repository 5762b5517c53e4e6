"""The aiohttp application that every route lives in, and the socket it listens on.

Whoever connects is hostile until shown otherwise: headers, bodies, connections and the time that any of them may
take are bounded here, once, and errors say no more than they must.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from controller.http import health, media, metrics
from controller.http.base import RequestFailed, RequestRefused, RequestServed, error_response
from controller.recordings.ports import LedgerFailed

SERVER = "fsrec"
"""The Server header: aiohttp's own tells every version to whoever asks."""
CLIENT_MAX_SIZE = 1 << 20
BODY_TIMEOUT = 15.0
MAX_LINE = 8190
MAX_HEADERS = 100
KEPT = ("Allow", "WWW-Authenticate", "Retry-After")
"""Headers of an aiohttp error that ours keeps."""
Observe = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class HttpRooms:
    """What the routes need of other rooms.

    ``find`` looks a recording up; ``opened`` opens its file (blocking, called in a thread); ``problems`` says why
    fsrec is not ready, nothing when it is; ``exposition`` gives the metrics' text; ``authorize``, if any, returns the
    answer that refuses a download, or None; ``register`` adds other routes, which may serve files too; ``observe`` is
    telemetry.
    """

    find: media.Find
    opened: media.Opened
    problems: Callable[[], Sequence[str]]
    exposition: Callable[[], bytes]
    authorize: media.Authorize | None = None
    register: Iterable[Callable[[web.UrlDispatcher, media.Downloads], None]] = ()
    observe: Observe = lambda _: None


def build_app(
    rooms: HttpRooms,
    *,
    client_max_size: int = CLIENT_MAX_SIZE,
    body_timeout: float = BODY_TIMEOUT,
    write_timeout: float = media.WRITE_TIMEOUT,
) -> web.Application:
    """Build the application.

    ``client_max_size`` bounds a body in bytes and ``body_timeout`` the seconds it may take: handlers find it read.
    ``write_timeout`` is what a client may take for 64 KiB of a download.
    """
    app = web.Application(client_max_size=client_max_size, middlewares=[_bounds(rooms.observe, body_timeout)])
    app.on_response_prepare.append(_headers)
    downloads = media.Downloads(
        rooms.find, rooms.opened, rooms.authorize, observe=rooms.observe, write_timeout=write_timeout
    )
    app.on_cleanup.append(lambda _: downloads.close())
    downloads.register(app.router)
    health.register(app.router, rooms.problems)
    metrics.register(app.router, rooms.exposition)
    for register in rooms.register:
        register(app.router, downloads)
    return app


async def _headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")


def _bounds(observe: Observe, body_timeout: float) -> Middleware:
    @web.middleware
    async def bounds(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Read the body within its bounds, and make one shape of every error."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        try:
            response = await _answered(request, handler, body_timeout)
        except web.HTTPException as answer:
            if answer.status < 400 or answer.content_type == "application/json":
                observe(RequestServed(request.method, route, answer.status, loop.time() - began))
                raise
            kept = {name: answer.headers[name] for name in KEPT if name in answer.headers}
            response = error_response(answer.status, answer.reason, kept)
        except LedgerFailed:  # a read's: what a verb may meet, its route tells in its own words
            response = error_response(503, "the store does not answer; try again", {"Retry-After": "1"})
        except Exception as error:  # nothing of it may reach the client
            if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
                response = error_response(499, "the client went away")
            else:
                observe(RequestFailed(request.method, route, error))
                response = error_response(500, "internal error")
        observe(RequestServed(request.method, route, response.status, loop.time() - began))
        return response

    return bounds


async def _answered(request: web.Request, handler: Handler, body_timeout: float) -> web.StreamResponse:
    if request.can_read_body:
        try:
            async with asyncio.timeout(body_timeout):
                await request.read()
        except TimeoutError:
            return _closing(error_response(408, f"the body did not arrive within {body_timeout:g} s"))
        except web.HTTPRequestEntityTooLarge:
            return _closing(error_response(413, f"the body is larger than {request.client_max_size} bytes"))
        except web.RequestPayloadError:
            return _closing(error_response(400, "the body could not be read as its headers say"))
    return await handler(request)


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response


class _Connection(web.RequestHandler):
    """aiohttp's connection, which tells a client that speaks no HTTP as little as all others, and is counted."""

    def __init__(self, listener: Listener, server: web.Server, observe: Observe, **options: Any) -> None:
        super().__init__(server, **options)
        self._listener = listener
        self._observe = observe

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.connections += 1
        if self._listener.connections > self._listener.max_connections:
            cast("asyncio.Transport", transport).abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._listener.connections -= 1
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 # the signature is aiohttp's
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read; handlers' own errors never come here."""
        self._observe(RequestRefused(status, message or repr(exc)))
        response = error_response(status, "this is not a request that can be read", {"Server": SERVER})
        response.force_close()
        return response


class Listener:
    """An application on a socket.

    ``port`` 0 takes a free one; ``port`` then tells which. ``bound`` is a socket that has its address already.
    ``certificate`` and ``key`` (PEM paths, both or none) make it TLS. ``idle_timeout`` bounds, in seconds, the wait
    for a complete request; beyond ``max_connections`` at once, connections are closed on arrival.
    ``shutdown_timeout`` is what running requests are given by ``stop``.
    """

    def __init__(
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        idle_timeout: float = 30.0,
        max_connections: int = 1000,
        shutdown_timeout: float = 10.0,
        observe: Observe = lambda _: None,
        bound: socket.socket | None = None,
    ) -> None:
        if (certificate is None) != (key is None):
            raise ValueError("TLS needs both, tls_certificate and tls_key; one is missing")
        self.host = host
        self.port = port
        self.connections = 0
        self.max_connections = max_connections
        self._tls = (certificate, key) if certificate is not None and key is not None else None
        self._idle_timeout = idle_timeout
        self._observe = observe
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
        self._server: asyncio.Server | None = None
        self._bound = bound

    @property
    def url(self) -> str:
        """Where it listens, as a URL without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises OSError that names the address, ValueError that names the certificate."""
        context = None if self._tls is None else await asyncio.to_thread(_tls_context, *self._tls)
        await self._runner.setup()
        server, loop = cast("web.Server", self._runner.server), asyncio.get_running_loop()

        def connection() -> _Connection:
            return _Connection(
                self, server, self._observe, loop=loop, access_log=None, keepalive_timeout=self._idle_timeout,
                max_line_size=MAX_LINE, max_field_size=MAX_LINE, max_headers=MAX_HEADERS, lingering_time=1.0,
            )  # fmt: skip

        try:
            place = {"host": self.host, "port": self.port} if self._bound is None else {"sock": self._bound}
            self._server = await loop.create_server(
                connection, **place, ssl=context, ssl_handshake_timeout=10.0 if context else None
            )
        except OSError as error:
            await self._runner.cleanup()
            raise _cannot_listen(self.host, self.port, error) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Accept no more, let running requests end, close all."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._runner.cleanup()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address before anything listens: its port is known, and nobody else's.

    Port 0 takes a free one. Raises OSError that names the address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise _cannot_listen(host, port, error) from error
    return taken


def _cannot_listen(host: str, port: int, error: OSError) -> OSError:
    return OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}")


def _tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"tls_certificate {certificate} with tls_key {key} can't be used: {error}") from error
    return context
