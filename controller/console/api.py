"""The operators' API, ``/console/api/…``: what the command line and scripts ask, in JSON (``shapes``).

It is another face of what the pages show. An account finds what is its own, an operator everything; switches and
health are the operator's. Errors are ``{"code", "message"}``, as everywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aiohttp import web

from controller.console import asked, shapes
from controller.console.access import CrossSite, viewer_of
from controller.console.ports import NotAllowed, NotFound, Operations, Place, Viewer
from controller.http.base import error_response, json_response
from controller.http.basic import Throttled
from controller.http.openapi.operators import ROOT
from controller.recordings.ports import LedgerFailed, MediaAway, NotPossible, SwitchAway

CHALLENGE = 'Bearer realm="fsrec"'
"""Of a 401. Not Basic, though that is taken too: a browser that was asked for it sends it with others' requests."""

Handler = Callable[[web.Request, Viewer], Awaitable[web.StreamResponse]]
T = TypeVar("T")


def register(router: web.UrlDispatcher, operations: Operations) -> None:
    """Add every route; whose a request is, the application's ``access`` tells."""
    api = _Api(operations)
    get: dict[str, Handler] = {
        "/live": api.live,
        "/recordings": api.recordings,
        "/recordings/{id}": api.story,
        "/webhooks": api.webhooks,
        "/webhooks/{id}": api.told,
        "/switches": api.switches,
        "/health": api.health,
    }
    post: dict[str, Handler] = {
        "/recordings/{id}/stop": api.stop,
        "/recordings/{id}/pause": api.pause,
        "/recordings/{id}/resume": api.resume,
        "/recordings/{id}/derive": api.derive,
        "/webhooks/{id}/replay": api.replay,
        "/switches/{name}/reconcile": api.reconcile,
    }
    for path, handler in get.items():
        router.add_get(ROOT + path, _guarded(handler))
        router.add_route("*", ROOT + path, _only("GET", "HEAD"))
    for path, handler in post.items():
        router.add_post(ROOT + path, _guarded(handler))
        router.add_route("*", ROOT + path, _only("POST"))


def _only(*methods: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return what refuses all other methods, before a route for any path does."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMethodNotAllowed(request.method, methods)

    return refuse


def _guarded(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    @functools.wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            viewer = await viewer_of(request)
            if viewer is None:
                return error_response(401, UNKNOWN, {"WWW-Authenticate": CHALLENGE})
            return await handler(request, viewer)
        except asked.BadRequest as bad:
            return error_response(bad.status, str(bad))
        except Throttled as throttled:
            return error_response(429, str(throttled), throttled.headers)
        except (NotAllowed, CrossSite) as refused:
            return error_response(403, str(refused) or "only the operator may")
        except NotFound as none:
            return error_response(404, str(none) or "there is no such thing, or it is another account's")
        except NotPossible as reason:
            return error_response(409, str(reason))
        except SwitchAway:
            return error_response(503, "its switch cannot be reached now; try again later", SOON)
        except MediaAway as away:
            return error_response(503, str(away) or "its file cannot be reached now", SOON)
        except LedgerFailed:
            return error_response(503, "the store does not answer; try again", SOON)

    return guarded


UNKNOWN = (
    "this needs the operator's key or http.console_token as a Bearer token, or an account's id and token"
    " by HTTP Basic"
)
SOON = {"Retry-After": "2"}


class _Api:
    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    # --- recordings -------------------------------------------------------------------------------------------------

    async def live(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Return what runs now."""
        live = await self._operations.live(viewer, asked.limit(request))
        return json_response({"recordings": [shapes.running(one) for one in live.running], "total": live.total})

    async def recordings(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Return a page of recordings."""
        search, page = asked.recordings(request)
        found = await self._operations.search(viewer, search, limit=page.limit + 1, before=page.before)
        rows, following = _page(found, page.limit, lambda one: (one.requested_at, one.id))
        return json_response({"recordings": [shapes.recording(one) for one in rows], "next": following})

    async def story(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Return all about one recording."""
        asked.nothing(request)
        return json_response(
            shapes.story(await self._operations.story(viewer, await self._recording(request, viewer)))
        )

    async def stop(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Stop it."""
        await asked.empty(request)
        made = await self._operations.stop(viewer, await self._recording(request, viewer))
        return json_response(shapes.recording(made))

    async def pause(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Pause it."""
        behavior = await asked.behavior(request)
        made = await self._operations.pause(viewer, await self._recording(request, viewer), behavior)
        return json_response(shapes.recording(made))

    async def resume(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Resume it."""
        await asked.empty(request)
        made = await self._operations.resume(viewer, await self._recording(request, viewer))
        return json_response(shapes.recording(made))

    async def derive(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Have its file in a format, made where it is not there yet."""
        form = await asked.form(request)
        identity = await self._recording(request, viewer)
        try:
            size = await self._operations.derive(viewer, identity, form)
        except FileNotFoundError:
            return error_response(409, "the recording has no audio: it is not complete, or it was deleted")
        return json_response({"id": identity, "format": form, "size": size})

    # --- webhooks ---------------------------------------------------------------------------------------------------

    async def webhooks(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Return a page of deliveries."""
        wanted, page = asked.deliveries(request)
        if wanted.account is not None:
            if viewer.account not in {None, wanted.account}:
                return json_response({"webhooks": [], "next": None})
            viewer = Viewer(wanted.account)
        found = await self._operations.deliveries(viewer, wanted.state, limit=page.limit + 1, before=page.before)
        rows, following = _page(found, page.limit, lambda row: (row.created_at, row.id))
        if wanted.since is not None and rows and rows[-1].created_at < wanted.since:
            rows, following = [row for row in rows if row.created_at >= wanted.since], None
        return json_response({"webhooks": [shapes.webhook(row) for row in rows], "next": following})

    async def told(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Return one delivery."""
        asked.nothing(request)
        return json_response(shapes.told(await self._operations.told(viewer, await self._delivery(request, viewer))))

    async def replay(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Begin its schedule anew."""
        await asked.empty(request)
        row = await self._operations.replay(viewer, await self._delivery(request, viewer))
        return json_response(shapes.webhook(row))

    # --- switches ---------------------------------------------------------------------------------------------------

    async def switches(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Return every switch."""
        asked.nothing(request)
        _operators(viewer)
        found = await self._operations.health()
        return json_response({"switches": [shapes.switch(one) for one in found.switches]})

    async def reconcile(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Have a switch connected and reconciled anew; 202: it goes on behind the answer."""
        await asked.empty(request)
        name = request.match_info["name"]
        await self._operations.reconcile(viewer, name)
        return json_response({"name": name}, 202)

    async def health(self, request: web.Request, viewer: Viewer) -> web.Response:
        """Say how it goes."""
        asked.nothing(request)
        _operators(viewer)
        return json_response(shapes.health(await self._operations.health()))

    # --- ids --------------------------------------------------------------------------------------------------------

    async def _recording(self, request: web.Request, viewer: Viewer) -> str:
        return await self._named(request, functools.partial(self._operations.recordings_beginning, viewer))

    async def _delivery(self, request: web.Request, viewer: Viewer) -> str:
        return await self._named(request, functools.partial(self._operations.deliveries_beginning, viewer))

    async def _named(self, request: web.Request, beginning: Callable[[str, int], Awaitable[Sequence[str]]]) -> str:
        """Return the id that a path has, completed where it is the beginning of one. Raises NotFound."""
        given = request.match_info["id"]
        prefix = asked.prefix(given)
        if prefix is None:
            return given
        found = await beginning(prefix, 2)
        if len(found) > 1:
            raise NotPossible(f"{prefix} is the beginning of several ids, as {' and '.join(found)}; say more of it")
        if not found:
            raise NotFound
        return found[0]


def _operators(viewer: Viewer) -> None:
    if not viewer.operator:
        raise NotAllowed


def _page(found: Sequence[T], limit: int, place: Callable[[T], Place]) -> tuple[Sequence[T], str | None]:
    """Return a page's rows, of which one more was asked for, and where the next begins."""
    rows = found[:limit]
    return rows, asked.cursor(place(rows[-1])) if len(found) > limit else None
