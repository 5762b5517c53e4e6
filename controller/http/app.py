"""The aiohttp application that every route lives in.

Whoever connects is hostile until shown otherwise: bodies and the time that they may take are bounded here, once, and
errors say no more than they must. Connections and headers are ``listener``'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from controller.http import health, media, metrics
from controller.http.base import EndlessResponse, RequestFailed, RequestServed, error_response
from controller.http.basic import DOOR, Authorize, Door, Network
from controller.http.listener import SERVER, Observe
from controller.recordings.ports import LedgerFailed

CLIENT_MAX_SIZE = 1 << 20
BODY_TIMEOUT = 15.0
MOST_AT_ONCE = 2000
"""Requests worked on at once, those of clients that are gone too: a store or disk that stalls collects them."""
TOO_MANY = "too many requests wait for an answer"
ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that wait for nothing, and are wanted then more than ever."""
KEPT = ("Allow", "WWW-Authenticate", "Retry-After")
"""Headers of an aiohttp error that ours keeps."""


@dataclass(frozen=True, slots=True)
class HttpRooms:
    """What the routes need of other rooms.

    ``find`` looks a recording up; ``opened`` opens its file (blocking, called in a thread), and ``elsewhere`` finds
    it where that does not; ``problems`` says why fsrec is not ready, nothing when it is, ``degraded`` what it does
    less well, ``held_elsewhere`` which switches other daemons serve; ``exposition`` gives the metrics' text;
    ``authorize``, if any, returns the answer that refuses a download, or None; ``register`` adds other routes, which
    may serve files too; ``proxies`` are the networks of those whose word on a client's address is believed;
    ``observe`` is telemetry.
    """

    find: media.Find
    opened: media.Opened
    problems: Callable[[], Sequence[str]]
    exposition: Callable[[], bytes]
    degraded: Callable[[], Sequence[str]] = lambda: ()
    authorize: Authorize | None = None
    elsewhere: media.Elsewhere | None = None
    held_elsewhere: Callable[[], Mapping[str, str]] = dict
    register: Iterable[Callable[[web.UrlDispatcher, media.Downloads], None]] = ()
    proxies: Sequence[Network] = ()
    observe: Observe = lambda _: None


def build_app(
    rooms: HttpRooms,
    *,
    client_max_size: int = CLIENT_MAX_SIZE,
    body_timeout: float = BODY_TIMEOUT,
    write_timeout: float = media.WRITE_TIMEOUT,
    most_at_once: int = MOST_AT_ONCE,
) -> web.Application:
    """Build the application.

    ``client_max_size`` bounds a body in bytes and ``body_timeout`` the seconds it may take: handlers find it read.
    ``write_timeout`` is what a client may take for 64 KiB of a download. Of requests that are worked on
    ``most_at_once``, all others are 503.
    """
    bounds = _bounds(rooms.observe, body_timeout, most_at_once)
    app = web.Application(client_max_size=client_max_size, middlewares=[bounds])
    app[DOOR] = Door(rooms.proxies)
    app.on_response_prepare.append(_headers)
    downloads = media.Downloads(
        rooms.find,
        rooms.opened,
        rooms.authorize,
        elsewhere=rooms.elsewhere,
        observe=rooms.observe,
        write_timeout=write_timeout,
    )
    app.on_cleanup.append(lambda _: downloads.close())
    downloads.register(app.router)
    health.register(app.router, rooms.problems, rooms.degraded, rooms.held_elsewhere)
    metrics.register(app.router, rooms.exposition)
    for register in rooms.register:
        register(app.router, downloads)
    return app


async def _headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")


def _bounds(observe: Observe, body_timeout: float, most_at_once: int) -> Middleware:
    under_way = 0

    @web.middleware
    async def bounds(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Read the body within its bounds, and make one shape of every error."""
        nonlocal under_way
        loop = asyncio.get_running_loop()
        began = loop.time()
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        under_way += 1
        response: web.StreamResponse
        try:
            if under_way > most_at_once and route not in ALWAYS:
                response = _closing(error_response(503, TOO_MANY, {"Retry-After": "10"}))
            else:
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
        finally:
            under_way -= 1
        answered = response.began if isinstance(response, EndlessResponse) else None
        observe(RequestServed(request.method, route, response.status, (answered or loop.time()) - began))
        return response

    return bounds


async def _answered(request: web.Request, handler: Handler, body_timeout: float) -> web.StreamResponse:
    if request.can_read_body:
        coding = request.headers.get("Content-Encoding", "identity")
        if coding.lower() != "identity":  # a small body may become a large one
            return _closing(error_response(415, "the body must be sent as it is, without a Content-Encoding"))
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
