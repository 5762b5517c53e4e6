"""A listener on a free port of loopback, rooms behind it, and a client that sends exactly the bytes it is given."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from controller.http.app import HttpRooms, build_app
from controller.http.listener import Listener
from controller.recordings.model import (
    Channels,
    Measured,
    Owner,
    Recording,
    RecordingRequest,
    State,
    Track,
    new_id,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent until it closed the connection."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def exchange(port: int, sent: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """Send bytes, return all that comes until the other side closes."""
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        writer.write(sent)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


def parse(received: bytes) -> Answer:
    """Read one answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.title(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Answer(int(first.split()[1]), headers, body)


async def ask(
    port: int,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One request on a connection of its own."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return parse(await exchange(port, "\r\n".join([*lines, "", ""]).encode() + body, tls))


@dataclass
class Rooms:
    """Other rooms, as the routes see them."""

    base: Path
    recordings: dict[str, Recording] = field(default_factory=dict)
    lookups: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    held_elsewhere: dict[str, str] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)
    open_now: int = 0
    opening: Callable[[], None] = lambda: None

    def recording(self, content: bytes | None, state: State = State.COMPLETED, **changes: Any) -> Recording:
        """A recording with its file."""
        identity = new_id()
        recording = Recording(
            id=identity, owner=Owner("acme", "swml", new_id(), "fs1", "leg"),
            request=RecordingRequest(Channels.MONO, Track.BOTH, "wav", "r", "test"), state=state,
            path=f"/r/{identity}.wav", requested_at=1.0, revision=7,
            **{"measured": Measured(1.0, len(content or b"")), **changes},
        )  # fmt: skip
        self.recordings[identity] = recording
        if content is not None:
            (self.base / identity).write_bytes(content)
        return recording

    async def find(self, identity: str) -> Recording | None:
        """Look one up."""
        self.lookups.append(identity)
        return self.recordings.get(identity)

    @contextmanager
    def opened(self, recording: Recording) -> Iterator[int]:
        """Open a file, and count those open."""
        self.opening()
        with (self.base / recording.id).open("rb", buffering=0) as file:
            self.open_now += 1
            try:
                yield file.fileno()
            finally:
                self.open_now -= 1

    def http(self, **changes: Any) -> HttpRooms:
        """All of it, as the application takes it."""
        rooms: dict[str, Any] = {
            "find": self.find,
            "opened": self.opened,
            "problems": lambda: self.problems,
            "held_elsewhere": lambda: self.held_elsewhere,
            "exposition": lambda: b"# nothing\n",
            "observe": self.events.append,
        }
        return HttpRooms(**(rooms | changes))

    def events_of(self, kind: type) -> list[Any]:
        """What was told of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


async def until(fact: Callable[[], object]) -> None:
    """Wait for a fact, possibly another thread's, with a deadline."""
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0.002)


Serve = Callable[..., Awaitable[Listener]]


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    """Rooms on a temporary directory."""
    return Rooms(tmp_path)


@pytest.fixture
async def serve(rooms: Rooms) -> AsyncIterator[Serve]:
    """Start listeners that are stopped afterwards; options go to the application or the listener."""
    listeners: list[Listener] = []

    async def start(
        *, app: web.Application | None = None, listener: Mapping[str, Any] | None = None, **options: Any
    ) -> Listener:
        bounds = {
            name: options.pop(name)
            for name in ("client_max_size", "body_timeout", "write_timeout", "most_at_once")
            if name in options
        }
        built = app or build_app(rooms.http(**options), **bounds)
        made = Listener(built, "127.0.0.1", 0, observe=rooms.events.append, **(listener or {}))
        await made.start()
        listeners.append(made)
        return made

    yield start
    for one in listeners:
        await one.stop()
