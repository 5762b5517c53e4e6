"""A media store for the tests: a server that speaks S3, in a process of its own, and a proxy that makes it fail."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import aiohttp
from aiohttp import web

from controller.media.objects import Place

KEY_ID, SECRET = "AKIAFSRECTESTS000000", "fsrec/tests/secret/key/0123456789"
START_WITHIN = 30.0
HANG = 60.0


class S3Server:
    """moto's server on a free port of loopback; `stop` it."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_WITHIN
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class Bucket:
    """A bucket of its own for a test, seen from outside: over HTTP, with no code of fsrec's."""

    server: str
    name: str = field(default_factory=lambda: f"fsrec-{uuid4()}")

    def place(self, endpoint: str | None = None) -> Place:
        return Place(self.name, "rec", endpoint or self.server, "us-east-1", KEY_ID, SECRET)

    def settings(self, endpoint: str | None = None) -> dict[str, Any]:
        """The section `media` of the settings."""
        reached = {
            "endpoint": endpoint or self.server,
            "region": "us-east-1",
            "access_key_id": KEY_ID,
            "secret_access_key": SECRET,
        }
        return {"store": f"s3://{self.name}/rec", "s3": reached}

    async def make(self) -> Self:
        await self._ask("PUT", "")
        return self

    async def names(self) -> list[str]:
        """The names of all objects."""
        _, text = await self._ask("GET", "?list-type=2")
        return [name.decode() for name in re.findall(rb"<Key>([^<]*)</Key>", text)]

    async def uploads(self) -> int:
        """How many multipart uploads are not complete."""
        _, text = await self._ask("GET", "?uploads")
        return text.count(b"<Upload>")

    async def get(self, name: str) -> tuple[str, bytes]:
        """An object's media type and content."""
        headers, content = await self._ask("GET", f"/{name}")
        return headers["Content-Type"], content

    async def put(self, name: str, content: bytes) -> None:
        await self._ask("PUT", f"/{name}", content)

    async def remove(self, name: str) -> None:
        await self._ask("DELETE", f"/{name}")

    async def _ask(self, method: str, path: str, content: bytes | None = None) -> tuple[Any, bytes]:
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"AWS {KEY_ID}:unchecked"}) as client,
            client.request(
                method, f"{self.server}/{self.name}{path}", data=content and io.BytesIO(content)
            ) as response,
        ):
            body = await response.read()
            assert response.status < 300, (method, path, response.status, body)
            return response.headers, body


@dataclass(frozen=True)
class Asked:
    """A request that the proxy saw: what kind, and of which object's end of the name."""

    method: str
    name: str
    query: str

    @property
    def part(self) -> bool:
        return self.method == "PUT" and "partNumber" in self.query


Fault = str | float
"""`503`: that status. `hang`: no answer. `reset`: the connection ends. `lost`: done, and then the connection ends.

`damage`: fewer bytes are stored, and success is told. `cut`: half of the body is sent, `stall`: and then nothing.
A number: so many seconds later."""


@dataclass
class FaultyS3:
    """A proxy before a server; `rule` says what goes wrong with each request."""

    server: str
    rule: Callable[[Asked], Fault | None] = lambda _: None
    asked: list[Asked] = field(default_factory=list)
    obeyed: list[Asked] = field(default_factory=list)
    """Requests that the server has answered, whether or not anybody still waited for that."""
    url: str = ""
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def seen(self, fits: Callable[[Asked], bool], timeout: float = 20.0) -> None:
        """Wait until a request has come."""
        async with asyncio.timeout(timeout):
            while not any(map(fits, self.asked)):
                self._heard.clear()
                await self._heard.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession(auto_decompress=False) as self._client:
            try:
                yield self
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(request.method, request.path.rpartition("/")[2], request.query_string)
        self.asked.append(asked)
        self._heard.set()
        fault = self.rule(asked)
        if isinstance(fault, float):
            await asyncio.sleep(fault)
        elif fault is not None and fault.isdigit():
            secret = f"<Error><Code>SlowDown</Code><AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId></Error>"
            return web.Response(status=int(fault), text=secret)
        elif fault == "hang":
            await asyncio.sleep(HANG)
        elif fault == "reset":
            return _gone(request)
        elif fault == "damage":
            body = body[:-2]
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower()
            not in {"host", "content-length", "transfer-encoding", "connection", "x-amz-content-sha256"}
        }
        async with self._client.request(
            request.method,
            f"{self.server}{request.path_qs}",
            data=io.BytesIO(body) if body else None,
            headers=headers,
        ) as answer:
            self.obeyed.append(asked)
            if fault == "lost":
                await answer.read()
                return _gone(request)
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in {"connection", "transfer-encoding", "server", "date"}
            }
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            content = await answer.read()
            if request.method != "HEAD":
                half = content[: len(content) // 2] if fault in {"cut", "stall"} else content
                await response.write(half)
            if fault == "stall":
                await asyncio.sleep(HANG)
            if fault == "cut":
                return _gone(request)
            await response.write_eof()
            return response


def _gone(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
