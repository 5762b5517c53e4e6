"""The customer's applications: they get the callbacks, fetch what these tell of, and command from outside.

One for each vendor: SignalWire's is told in JSON, Twilio's and Plivo's by forms.
"""

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

ANSWER = "<Response><Hangup/></Response>"
"""What an action is answered with."""

Told = dict[str, Any]
"""A callback's parameters as they came; and for all vendors ``state``, ``about``, ``url``, ``duration`` (seconds)."""


@dataclass(slots=True)
class Receiver:
    """What one call's callbacks told, in their order, and the sound of the file that they tell of.

    ``ended`` is the callback that told of it. ``problems`` is what went wrong with the call, whoever found it;
    ``url`` is where all of their URLs begin.
    """

    timeline: Timeline
    told: list[Told] = field(default_factory=list)
    sound: Sound | None = None
    ended: Told | None = None
    over: bool = False
    problems: list[str] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    url: str = ""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Receiver]:
        """Listen on a free port of loopback."""
        app = web.Application()
        app.router.add_post("/swml", self._swml)
        app.router.add_post("/twiml", self._twiml)
        app.router.add_post("/plivo/{state}", self._plivo)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def begin(self) -> None:
        """Forget the call before."""
        self.told.clear()
        self.problems.clear()
        self.sound = self.ended = None
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
        """Wake whoever waits; with a problem, for the rest of the call."""
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

    # --- what comes ----------------------------------------------------------------------------------------------

    async def _swml(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        params = {**body["params"], "timestamp": body["timestamp"]}
        await self._take({**params, "about": params["control_id"]}, last="finished")
        return web.Response(status=204)

    async def _twiml(self, request: web.Request) -> web.Response:
        params = dict((await request.post()).items())
        told = {
            "state": params["RecordingStatus"],
            "about": params["RecordingSid"],
            "url": params["RecordingUrl"],
            "duration": float(str(params.get("RecordingDuration", 0))),
        }
        await self._take({**params, **told}, last="completed")
        return web.Response(status=204)

    async def _plivo(self, request: web.Request) -> web.Response:
        params = dict((await request.post()).items())
        told = {
            "state": request.match_info["state"],
            "about": params.get("RecordingID", params.get("recording_id")),
            "url": params.get("RecordUrl"),
            "duration": float(str(params.get("RecordingDurationMs", 0))) / 1000,
        }
        await self._take({**params, **told}, last="callback")
        return web.Response(text=ANSWER, content_type="text/xml")

    async def _take(self, told: Told, *, last: str) -> None:
        """Note a callback; with the state ``last`` the file must be there."""
        words = told["transcription"] if "transcription" in told else told.get("duration", "")
        self.timeline.say("callback", f"{told['about']}: {told['state']} {words}")
        self.told.append(told)
        if told["state"] == last:
            self.ended = told
            await self._fetch(told)
        await self.tell()

    async def _fetch(self, told: Told) -> None:
        async with aiohttp.ClientSession() as client, client.get(str(told["url"])) as response:
            body = await response.read()
        if response.status != 200 or len(body) != told.get("size", len(body)):
            await self.tell(f"{told['url']}: status {response.status}, {len(body)} bytes of {told.get('size')}")
            return
        try:
            self.sound = Sound.read(body)
        except ValueError as error:
            await self.tell(f"{told['url']}: {error}")
            return
        self.timeline.say("fetched", f"{told['about']}: {self.sound.seconds:.2f} s, {len(body)} bytes")
