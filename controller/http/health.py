"""``/healthz``: the process answers. ``/readyz``: it can do its work, or why not, and who serves what it doesn't."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from controller.http.base import json_response


def register(
    router: web.UrlDispatcher,
    problems: Callable[[], Sequence[str]],
    degraded: Callable[[], Sequence[str]],
    elsewhere: Callable[[], Mapping[str, str]],
) -> None:
    """Add both routes.

    ``problems`` says what keeps fsrec from being ready, nothing when it is, ``degraded`` what it serves less well
    meanwhile; each names who suffers. ``elsewhere`` gives the switches that other daemons hold, and these daemons'
    ids: that is no problem.
    """

    async def healthz(_: web.Request) -> web.Response:
        return json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        found, less, others = list(problems()), list(degraded()), dict(elsewhere())
        status = "not ready" if found else "degraded" if less else "ready"
        answer: dict[str, Any] = {"status": status, "problems": found, "degraded": less}
        if others:
            answer["held_elsewhere"] = others
        return json_response(answer, 503 if found else 200)

    router.add_get("/healthz", healthz)
    router.add_get("/readyz", readyz)
