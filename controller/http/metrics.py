"""``/metrics``: the text that Prometheus reads. What is counted, and how, is ``controller.metrics``' matter."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def register(router: web.UrlDispatcher, exposition: Callable[[], bytes]) -> None:
    """Add the route; ``exposition`` returns the text format 0.0.4."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE})

    router.add_get("/metrics", metrics)
