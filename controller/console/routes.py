"""The web console as one thing: its access, pages, verbs, stream and files, put into an application."""

from __future__ import annotations

from aiohttp import web

from controller.console.access import ACCESS, Access
from controller.console.assets import Assets
from controller.console.frame import Frame, Problem, problem
from controller.console.live import Hub
from controller.console.pages import Pages
from controller.console.ports import NotFound, Operations, Viewer
from controller.console.render import SAFE, Templates, redirect
from controller.console.signing import register as register_signing
from controller.console.verbs import Verbs
from controller.http.base import json_response


def register(app: web.Application, operations: Operations, access: Access, *, has_token: bool) -> None:
    """Add the console to an application that has a ``Door``, before it starts.

    ``has_token``: the settings have a token for operators; without one the sign-in page tells how to get it.
    """
    app[ACCESS] = access
    assets = Assets.load()
    frame = Frame(access, Templates(assets), operations)
    hub = Hub(frame)
    app.on_shutdown.append(hub.close)

    async def static(request: web.Request) -> web.StreamResponse:
        found = assets.answer(request.match_info["name"], SAFE)
        return found or frame.failed(request, problem(NotFound()))

    async def index(request: web.Request) -> web.StreamResponse:
        return redirect(request, "/")

    async def session(_: web.Request, viewer: Viewer) -> web.StreamResponse:
        return json_response({"account": viewer.account}, headers=SAFE)  # 401 tells a page why its stream ended

    async def nothing(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/console/api/"):
            raise web.HTTPNotFound
        text = "There is no such page."
        return frame.failed(request, Problem(404, "Not found", text))

    router = app.router
    register_signing(router, frame, has_token=has_token)
    Pages(frame).register(router)
    Verbs(frame).register(router)
    hub.register(router)
    router.add_get("/console", index)
    router.add_get("/console/", index)
    router.add_get("/console/session", frame.signed_in(session))
    router.add_get("/console/static/{name}", static)
    router.add_route("*", "/console/{rest:.*}", frame.anybody(nothing))
