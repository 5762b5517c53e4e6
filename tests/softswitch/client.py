"""A bare event socket client for the softswitch's own tests: frames as they come, nothing forgiven."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from controller.softswitch import Leg, Softswitch

PASSWORD = "ClueCon"
DEADLINE = 10.0
Event = dict[str, Any]


@dataclass
class Frame:
    """One frame from the switch: headers in order of arrival, and body."""

    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        return self.headers.get("Content-Type", "")

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def reply(self) -> str:
        return self.headers["Reply-Text"]


@dataclass
class Client:
    """A connection; replies and events are kept apart, in order."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[Event] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    closed: bool = False
    _replies: asyncio.Queue[Frame] = field(default_factory=asyncio.Queue)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read_frame(self) -> Frame:
        headers: dict[str, str] = {}
        while (line := await self.reader.readline()) != b"\n":
            if not line.endswith(b"\n"):
                raise EOFError
            name, _, value = line.decode("utf-8", "surrogateescape").rstrip("\n").partition(": ")
            headers[name] = value
        length = int(headers.get("Content-Length", "0"))
        return Frame(headers, await self.reader.readexactly(length))

    async def listen(self) -> None:
        try:
            while True:
                frame = await self.read_frame()
                self.frames.append(frame)
                if frame.kind == "text/event-json":
                    self.events.append(json.loads(frame.body.decode("utf-8", "surrogateescape")))
                elif not frame.kind.startswith("text/event"):
                    self._replies.put_nowait(frame)
                self._news.set()
        except (EOFError, OSError, asyncio.IncompleteReadError):
            self.closed = True
            self._news.set()

    def send(self, text: str) -> None:
        self.writer.write(text.encode("utf-8", "surrogateescape") + b"\n\n")

    async def next_reply(self) -> Frame:
        async with asyncio.timeout(DEADLINE):
            return await self._replies.get()

    async def command(self, text: str) -> Frame:
        self.send(text)
        return await self.next_reply()

    async def api(self, text: str) -> str:
        return (await self.command(f"api {text}")).text

    async def execute(self, leg: Leg | str, app: str, arg: str = "", **more: str) -> str:
        lines = [f"sendmsg {leg if isinstance(leg, str) else leg.uuid}", "call-command: execute"]
        lines.append(f"execute-app-name: {app}")
        if arg:
            lines.append(f"execute-app-arg: {arg}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        return (await self.command("\n".join(lines))).reply

    async def until(self, fits: Callable[[], Any]) -> None:
        """Wait until `fits()` is true, looking again whenever something has come in."""
        async with asyncio.timeout(DEADLINE):
            while not fits():
                assert not self.closed, "the connection closed while waiting"
                self._news.clear()
                await self._news.wait()

    async def event(self, name: str, count: int = 1, **headers: str) -> Event:
        """The `count`-th event of that name whose headers (underscores for hyphens) have these values."""

        def found() -> list[Event]:
            wanted = {key.replace("_", "-"): value for key, value in headers.items()}
            return [
                event
                for event in self.events
                if event["Event-Name"] == name and all(event.get(key) == value for key, value in wanted.items())
            ]

        await self.until(lambda: len(found()) >= count)
        return found()[count - 1]

    async def gone(self) -> None:
        """Wait for the end of the connection."""
        async with asyncio.timeout(DEADLINE):
            while not self.closed:
                self._news.clear()
                await self._news.wait()

    def names(self, leg: Leg | str) -> list[str]:
        uuid = leg if isinstance(leg, str) else leg.uuid
        return [event["Event-Name"] for event in self.events if event.get("Unique-ID") == uuid]


class Listening(Protocol):
    """Whoever can be connected to: a softswitch, or the address of any switch."""

    @property
    def port(self) -> int: ...

    @property
    def password(self) -> str: ...


@asynccontextmanager
async def connect(switch: Listening, subscribe: str | None = "json ALL") -> AsyncIterator[Client]:
    """An authenticated client that listens in the background; `subscribe` None asks for no events."""
    async with raw(switch) as client:
        listening = asyncio.create_task(client.listen())
        try:
            assert (await client.next_reply()).kind == "auth/request"
            assert (await client.command(f"auth {switch.password}")).reply == "+OK accepted"
            if subscribe is not None:
                assert (await client.command(f"event {subscribe}")).reply.startswith("+OK")
            yield client
        finally:
            listening.cancel()


@asynccontextmanager
async def raw(switch: Listening) -> AsyncIterator[Client]:
    """A connection on which nothing was read yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", switch.port, limit=1 << 22)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def running(directory: Path, **options: Any) -> AsyncIterator[Softswitch]:
    """A started softswitch that is stopped at the end."""
    switch = Softswitch(directory=directory, **options)
    await switch.start()
    try:
        yield switch
    finally:
        await switch.stop()


async def eventually(fact: Callable[[], Any]) -> None:
    """Wait, with a deadline, until something that tells nobody is so."""
    async with asyncio.timeout(DEADLINE):
        while not fact():
            await asyncio.sleep(0.005)


@contextmanager
def no_events_of(client: Client, leg: Leg) -> Iterator[None]:
    """Nothing is told of `leg` meanwhile."""
    before = len(client.names(leg))
    yield
    assert client.names(leg)[before:] == []
