"""``/healthz``: the process answers. ``/readyz``: it can do its work, or why it can't."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web

from controller.http.base import json_response


def register(
    router: web.UrlDispatcher, problems: Callable[[], Sequence[str]], degraded: Callable[[], Sequence[str]]
) -> None:
    """Add both routes.

    ``problems`` says what keeps fsrec from being ready, nothing when it is, ``degraded`` what it serves less well
    meanwhile; each names who suffers.
    """

    async def healthz(_: web.Request) -> web.Response:
        return json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        found, less = list(problems()), list(degraded())
        status = "not ready" if found else "degraded" if less else "ready"
        return json_response({"status": status, "problems": found, "degraded": less}, 503 if found else 200)

    router.add_get("/healthz", healthz)
    router.add_get("/readyz", readyz)
