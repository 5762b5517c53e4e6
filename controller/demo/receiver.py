"""The customer's application: it gets the callbacks, fetches what they tell of, and commands from outside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from controller.demo.sound import Sound
from controller.demo.timeline import Timeline


@dataclass(slots=True)
class Receiver:
    """What one call's callbacks told: each one's ``params`` with its ``timestamp``, in their order; the file's sound.

    ``problems`` is why the demo fails, whoever found it.
    """

    timeline: Timeline
    told: list[dict[str, Any]] = field(default_factory=list)
    sound: Sound | None = None
    over: bool = False
    problems: list[str] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    url: str = ""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Receiver]:
        """Listen on a free port of loopback."""
        app = web.Application()
        app.router.add_post("/status", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/status"
        try:
            yield self
        finally:
            await runner.cleanup()

    def begin(self) -> None:
        """Forget the call before."""
        self.told.clear()
        self.sound = None
        self.over = False

    @property
    def states(self) -> tuple[str, ...]:
        """The states that were told, in their order."""
        return tuple(params["state"] for params in self.told)

    def told_all(self, count: int) -> bool:
        """Whether so many callbacks came, and the file was fetched."""
        return len(self.told) >= count and self.sound is not None

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so, or there is a problem."""
        async with self.news:
            await self.news.wait_for(lambda: true() or bool(self.problems))

    async def tell(self, problem: str | None = None) -> None:
        """Wake whoever waits; with a problem, for good."""
        async with self.news:
            if problem is not None:
                self.problems.append(problem)
            self.news.notify_all()

    async def command(self, base: str, authorization: str, name: str, **params: str) -> None:
        """Send a command of SignalWire's Calling API about the recording that was told last."""
        about = self.told[-1]
        body = {"id": about["call_id"], "command": name, "params": {"control_id": about["control_id"], **params}}
        async with (
            aiohttp.ClientSession(headers={"Authorization": authorization}) as client,
            client.post(f"{base}/api/calling/calls", json=body) as response,
        ):
            self.timeline.say("rest", f"{name} → {response.status}")
            if response.status != 200:
                await self.tell(f"{name}: status {response.status}")

    async def _take(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        params = {**body["params"], "timestamp": body["timestamp"]}
        self.timeline.say("callback", f"{params['control_id']}: {params['state']} {params.get('duration', '')}")
        self.told.append(params)
        if params["state"] == "finished":
            await self._fetch(params)
        await self.tell()
        return web.Response(status=204)

    async def _fetch(self, params: dict[str, Any]) -> None:
        async with aiohttp.ClientSession() as client, client.get(str(params["url"])) as response:
            body = await response.read()
        if response.status != 200 or len(body) != params["size"]:
            await self.tell(f"{params['url']}: status {response.status}, {len(body)} bytes of {params['size']}")
            return
        try:
            self.sound = Sound.read(body)
        except ValueError as error:
            await self.tell(f"{params['url']}: {error}")
            return
        self.timeline.say("fetched", f"{params['control_id']}: {self.sound.seconds:.2f} s, {len(body)} bytes")
