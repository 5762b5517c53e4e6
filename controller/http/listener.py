"""The socket that an application listens on: who is let in, for how long, and over TLS where there is a certificate.

Connections are counted when they come, before TLS has cost anything: those beyond a limit are closed on arrival. What
is not a request, or not a whole one in time, is let go, and so is who does not take what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from controller.http.base import RequestRefused, error_response
from controller.http.basic import Network, client_group, trusted
from controller.http.tls import Certificate, CertificateChanged, CertificateRefused, TlsError

SERVER = "fsrec"
"""The Server header: aiohttp's own tells every version to whoever asks."""
MAX_LINE = 8190
MAX_HEADERS = 100
BACKLOG = 128
HANDSHAKE = 10.0
"""Seconds for TLS to be agreed upon, and for the client to take the rest and its end."""
RELOAD = 30.0
"""Seconds between looks at the certificate's files."""
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""Whoever is on this machine is not bound to one client's share of connections: a proxy here speaks for everybody."""
Observe = Callable[[object], None]
Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(web.RequestHandler):
    """aiohttp's connection, which tells a client that speaks no HTTP as little as all others."""

    def __init__(self, server: web.Server, observe: Observe, **options: Any) -> None:
        super().__init__(server, **options)
        self._observe = observe
        self._pipe: asyncio.Transport | None = None
        self._pending = 0
        self._stuck = 0.0
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._pipe = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.set()
        super().connection_lost(exc)

    def look(self, elapsed: float, patience: float) -> None:
        """Cut the client off where nothing of what waits for it has been taken for so many seconds.

        aiohttp would wait for ever, and a transport that is being closed as well.
        """
        if self._pipe is None:
            return
        pending = self._pipe.get_write_buffer_size()
        self._stuck = self._stuck + elapsed if pending and pending == self._pending else 0.0
        self._pending = pending
        if self._stuck >= patience:
            self._pipe.abort()

    def abort(self) -> None:
        """Cut the client off."""
        if self._pipe is not None:
            self._pipe.abort()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 # the signature is aiohttp's
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read; handlers' own errors never come here."""
        if isinstance(exc, UnicodeError):  # aiohttp quotes an Expect that it doesn't know, and can't always write it
            status = 400
        # Behind the colon the parser quotes what came, and that may be an Authorization header.
        reason = (message or type(exc).__name__).partition(":")[0]
        self._observe(RequestRefused(status, reason))
        response = error_response(status, "this is not a request that can be read", {"Server": SERVER})
        response.force_close()
        return response


class Listener:
    """An application on a socket.

    ``port`` 0 takes a free one; ``port`` then tells which. ``bound`` is a socket that has its address already.
    ``certificate`` and ``key`` (PEM paths, both or none) make it TLS; they are looked at each ``reload`` seconds.
    ``idle_timeout`` bounds, in seconds, the wait for a complete request, ``stall`` the time in which a client takes
    nothing of what it is sent. Connections beyond ``max_connections`` at once, or ``per_address`` of one client that
    is neither on this machine nor one of the ``proxies``, are closed on arrival.
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
        reload: float = RELOAD,
        idle_timeout: float = 30.0,
        stall: float = 60.0,
        max_connections: int = 1000,
        per_address: int = 200,
        proxies: Sequence[Network] = LOOPBACK,
        shutdown_timeout: float = 10.0,
        observe: Observe = lambda _: None,
        bound: socket.socket | None = None,
    ) -> None:
        if (certificate is None) != (key is None):
            raise ValueError("TLS needs both, tls_certificate and tls_key; one is missing")
        self.host = host
        self.port = port
        self.max_connections = max_connections
        self._tls = Certificate(certificate, key) if certificate is not None and key is not None else None
        self._reload = reload
        self._idle_timeout = idle_timeout
        self._stall = stall
        self._per_address = per_address
        self._proxies = tuple(proxies)
        self._observe = observe
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
        self._bound = bound
        self._socket: socket.socket | None = None
        self._context: ssl.SSLContext | None = None
        self._open: dict[asyncio.Task[None], Hashable] = {}
        self._shares: Counter[Hashable] = Counter()
        self._connections: set[_Connection] = set()
        self._work: list[asyncio.Task[None]] = []

    @property
    def connections(self) -> int:
        """How many there are, those that are still agreeing upon TLS included."""
        return len(self._open)

    @property
    def url(self) -> str:
        """Where it listens, as a URL without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises OSError that names the address, TlsError that names the certificate."""
        if self._tls is not None:
            self._context = await asyncio.to_thread(self._tls.load)
        taken = self._bound or bound(self.host, self.port)
        try:
            taken.listen(BACKLOG)
        except OSError as error:
            taken.close()
            raise _cannot_listen(self.host, self.port, error) from error
        taken.setblocking(False)
        await self._runner.setup()
        server = cast("web.Server", self._runner.server)
        server.request_handler = _expecting(server.request_handler)
        self._socket, self.port = taken, taken.getsockname()[1]
        self._work.append(asyncio.create_task(self._accept(taken)))
        self._work.append(asyncio.create_task(self._look_after()))
        if self._tls is not None:
            self._work.append(asyncio.create_task(self._renew(self._tls)))

    async def stop(self) -> None:
        """Accept no more, let running requests end, close all."""
        work, self._work = self._work, []
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        await self._runner.cleanup()
        for connection in tuple(self._connections):
            connection.abort()
        for task in self._open:  # who is agreeing upon TLS still
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    # --- connections --------------------------------------------------------------------------------------------

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, peer = await loop.sock_accept(listening)
            except OSError:  # no descriptors left, or a client that was gone before it was here
                await asyncio.sleep(0.1)
                continue
            address = str(peer[0]) if isinstance(peer, tuple) else ""
            group = client_group(address)
            share = self._shares[group] < self._per_address or trusted(address, self._proxies)
            if len(self._open) >= self.max_connections or not share:
                _reset(client)
                continue
            client.setblocking(False)
            self._shares[group] += 1
            task = asyncio.create_task(self._serve(client))
            self._open[task] = group
            task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        group = self._open.pop(task)
        self._shares[group] -= 1
        if not self._shares[group]:
            del self._shares[group]

    async def _serve(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        server = cast("web.Server", self._runner.server)
        connection = _Connection(
            server, self._observe, loop=loop, access_log=None, keepalive_timeout=self._idle_timeout,
            max_line_size=MAX_LINE, max_field_size=MAX_LINE, max_headers=MAX_HEADERS, lingering_time=1.0,
            auto_decompress=False,
        )  # fmt: skip
        try:
            with contextlib.suppress(OSError):  # of TLS too: who it is speaks none, or is gone
                await loop.connect_accepted_socket(
                    lambda: connection,
                    client,
                    ssl=self._context,
                    ssl_handshake_timeout=HANDSHAKE if self._context else None,
                    ssl_shutdown_timeout=HANDSHAKE if self._context else None,
                )
                self._connections.add(connection)
                await connection.lost.wait()
        finally:
            self._connections.discard(connection)

    async def _look_after(self) -> None:
        pause = self._stall / 6
        while True:
            await asyncio.sleep(pause)
            for connection in tuple(self._connections):
                connection.look(pause, self._stall)

    # --- the certificate ----------------------------------------------------------------------------------------

    async def _renew(self, tls: Certificate) -> None:
        while True:
            await asyncio.sleep(self._reload)
            try:
                context = await asyncio.to_thread(tls.reload)
            except TlsError as error:
                self._observe(CertificateRefused(str(tls.certificate), str(error)))
                continue
            if context is not None:
                self._context = context
                self._observe(CertificateChanged(str(tls.certificate)))


def _expecting(handle: Serve) -> Serve:
    """Answer an Expect that nobody can meet as any other error: aiohttp's own answer, before all middlewares, is not.

    It is plain text that quotes the client.
    """

    async def answered(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handle(request)
        except web.HTTPExpectationFailed:
            response = error_response(417, "nothing but 100-continue can be expected of this server")
            response.force_close()
            return response

    return answered


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


def _reset(client: socket.socket) -> None:
    """Close at once, so that no half-closed connection stays with us."""
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
