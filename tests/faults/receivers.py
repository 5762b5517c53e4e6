"""Receivers of callbacks and actions: each an origin of its own, well or ill for a while, with a log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from tests.faults.evidence import Received
from tests.faults.plan import Fault
from tests.faults.told import told_of

ENDED = "<Response/>"
"""What an action is answered: a document that is over."""


class FaultyReceiver:
    """One origin. ``log`` is what came, in the order of arrival; ``trap`` is called when something does."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.port = 0
        self.log: list[Received] = []
        self.trap: Callable[[], object] | None = None
        self._ill: Fault | None = None
        self._runner: web.AppRunner | None = None
        self._over = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{any:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self._over.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def be_ill(self, how: Fault, seconds: float) -> None:
        """Misbehave for a while."""
        self._ill = how
        await asyncio.sleep(seconds)
        self._ill = None

    async def _take(self, request: web.Request) -> web.StreamResponse:
        at, body = time.time(), await request.read()
        told = told_of(request.path, request.headers.get("Content-Type", ""), body)
        place = len(self.log)
        self.log.append(Received(at, self.number, request.path, request.headers.get("webhook-id", ""), told))
        if self.trap is not None:
            self.trap()
        ill = self._ill
        if ill is Fault.HANG:
            await self._over.wait()
        if ill in {Fault.HANG, Fault.RESET}:
            if request.transport is not None:  # else who asked is gone
                request.transport.abort()
            return web.Response()
        status = {Fault.ERROR: 500, Fault.BUSY: 429, Fault.GONE: 410}.get(ill or Fault.CUT, 200)
        headers = {"Retry-After": "1"} if ill is Fault.BUSY else {}
        text = ENDED if request.path.startswith("/action") else ""
        response = web.Response(status=status, headers=headers, text=text, content_type="text/xml")
        await response.prepare(request)
        await response.write_eof()
        self.log[place] = replace(self.log[place], answered=status)
        return response
