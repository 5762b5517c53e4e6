"""A callback receiver on loopback: logs every request, answers by plan."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came. `at` is the time of day, in seconds; query and header names are as they were sent.

    Lookups of headers ignore case.
    """

    at: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body as a form; the last value of a repeated field."""
        fields = parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body))
        return {name: values[-1] for name, values in fields.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request is answered: `delay` s later and `after` that, or never (`hang`), or by closing (`close`)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang: bool = False
    close: bool = False
    after: asyncio.Event | None = None


OK = Answer()
Which = str | Callable[[Request], bool] | None


class Receiver:
    """`async with Receiver() as receiver`: `receiver.url("/status")` is where to send."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._plans: dict[str, list[Answer]] = {}
        self._came = asyncio.Condition()
        self._over = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=2**26)
        application.router.add_route("*", "/{any:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._over.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def plan(self, path: str, *answers: Answer | int) -> None:
        """Answer requests to `path` one after the other like this; the last answer stands for all later ones."""
        self._plans[path] = [Answer(a) if isinstance(a, int) else a for a in answers]

    def to(self, which: Which = None) -> list[Request]:
        """Requests so far: to a path, or that fit a predicate, or all."""
        if which is None:
            return list(self.requests)
        fits = (lambda r: r.path == which) if isinstance(which, str) else which
        return [request for request in self.requests if fits(request)]

    async def wait(self, which: Which = None, count: int = 1, timeout: float = 10.0) -> list[Request]:
        """Wait until `count` such requests have come; all of them. TimeoutError says what came instead."""
        try:
            async with asyncio.timeout(timeout), self._came:
                await self._came.wait_for(lambda: len(self.to(which)) >= count)
        except TimeoutError:
            came = ", ".join(f"{r.method} {r.path}" for r in self.requests) or "nothing"
            raise TimeoutError(
                f"{len(self.to(which))} of {count} requests within {timeout} s; came: {came}"
            ) from None
        return self.to(which)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        at, body = time.time(), await request.read()
        headers = dict(request.headers.items())
        seen = Request(at, request.method, request.path, request.rel_url.raw_query_string, headers, body)
        plan = self._plans.get(request.path, [OK])
        answer = plan.pop(0) if len(plan) > 1 else plan[0]
        async with self._came:
            self.requests.append(seen)
            self._came.notify_all()
        if answer.hang:
            await self._over.wait()
        elif answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.after is not None:
            await answer.after.wait()
        if (answer.close or answer.hang) and request.transport is not None:
            request.transport.close()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
