"""A console over a fake of the operations, behind a listener, and a browser's part of a client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.console.access import Access
from controller.console.routes import register
from controller.http.app import build_app
from controller.http.base import RequestFailed
from controller.http.listener import Listener
from tests.console.world import ACME, CONSOLE, OTHER, Fake
from tests.http.conftest import Rooms


@dataclass
class Served:
    """A console that listens, and a client that keeps cookies as a browser does."""

    fake: Fake
    rooms: Rooms
    listener: Listener
    client: aiohttp.ClientSession
    csrf: str = ""
    others: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.listener.url

    async def get(self, path: str, **more: Any) -> tuple[int, str]:
        async with self.client.get(self.url + path, **more) as answer:
            return answer.status, await answer.text()

    async def post(
        self, path: str, *, headers: dict[str, str] | None = None, **fields: Any
    ) -> aiohttp.ClientResponse:
        """Post a form as a page of ours would, and don't follow where it leads."""
        given = {"csrf": self.csrf, **fields}
        answer = await self.client.post(self.url + path, data=given, headers=headers, allow_redirects=False)
        await answer.read()
        return answer

    async def sign_in(self, name: str = "", token: str = CONSOLE) -> None:
        answer = await self.post("/console/sign-in", id=name, token=token)
        assert (answer.status, answer.headers["Location"]) == (303, "../")
        _, page = await self.get("/")
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
        assert found is not None
        self.csrf = found[1]

    def failures(self) -> list[RequestFailed]:
        return self.rooms.events_of(RequestFailed)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Nobody is signed in yet. That a handler raised what it should not fails every test."""
    rooms, fake = Rooms(tmp_path), Fake()
    app = build_app(rooms.http())
    register(app, fake, Access((ACME, OTHER), (CONSOLE,), "http://rec.example.com/fsrec"), has_token=True)
    listener = Listener(app, "127.0.0.1", 0, observe=rooms.events.append)
    await listener.start()
    jar = aiohttp.CookieJar(unsafe=True)  # loopback is an address
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(20)) as client:
        yield Served(fake, rooms, listener, client)
    await listener.stop()
    assert rooms.events_of(RequestFailed) == []
