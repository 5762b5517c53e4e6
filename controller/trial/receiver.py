"""``fsrec receiver``: an application's end of the callbacks. It shows what came, answers 200, and serves nothing.

With a file it keeps each callback there, too, as a line of JSON. It believes nobody: a signature is checked where
there is a key, and told, but what is not signed is taken as well, for a developer wants to see it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from controller.trial.callbacks import Callback

BODY_LIMIT = 2**20
"""Bytes that are taken of a body; 413 beyond."""

WINDING_UP = 1.0
"""Seconds that requests under way have at its end."""


@asynccontextmanager
async def receiving(
    host: str, port: int, show: Callable[[str], None], key: str = "", file: Path | None = None
) -> AsyncIterator[int]:
    """Receive within the context, and give the port; each callback is shown, in lines of ASCII.

    Raises OSError where the port is taken, or the file can't be written.
    """
    if file is not None:
        await asyncio.to_thread(_keep, file, "")

    async def take(request: web.Request) -> web.Response:
        url = f"{request.scheme}://{request.host}{request.raw_path}"
        headers = {name.lower(): value for name, value in request.headers.items()}
        told = Callback(request.method, url, headers, await request.read()).told(key)
        show(_shown(told))
        if file is not None:
            await asyncio.to_thread(_keep, file, json.dumps({"at": time.time(), **told}) + "\n")
        return web.Response()

    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_route("*", "/{any:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=WINDING_UP)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _shown(told: dict[str, Any]) -> str:
    now = time.strftime("%H:%M:%S")
    head = f"{now} {json.dumps(told['method'])[1:-1]} {json.dumps(told['url'])[1:-1]} ({told['signature']})"
    return f"{head}\n{json.dumps(told['parameters'], indent=2)}"


def _keep(file: Path, line: str) -> None:
    """Append in one write, so that whoever reads along sees whole lines."""
    with file.open("a", encoding="ascii") as out:
        out.write(line)
