"""A raw event socket client for the tests: asyncio streams, `event json`, no code of controller/switch.

The tests judge the product by what this client hears, so it shares nothing with the product's own link.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

Event = dict[str, str]
Predicate = Callable[[Event], bool]


class EslError(Exception):
    """The switch refused, answered -ERR, or hung up the connection."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an event socket listens, and its password."""

    host: str
    port: int
    password: str = field(repr=False)


class Watch:
    """Events since it was opened; `wait` returns the first one that fits, heard already or yet to come."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._heard = asyncio.Event()
        self._lost = False

    def add(self, event: Event) -> None:
        self.events.append(event)
        self._heard.set()

    def lose(self) -> None:
        """The connection is gone: nothing more will be heard."""
        self._lost = True
        self._heard.set()

    def all(self, name: str) -> list[Event]:
        return [event for event in self.events if event.get("Event-Name") == name]

    async def wait(self, fits: Predicate, timeout: float = 10.0) -> Event:
        """First fitting event. TimeoutError names what was heard instead; EslError when the link went."""
        judged = 0
        try:
            async with asyncio.timeout(timeout):
                while True:
                    while judged < len(self.events):
                        event = self.events[judged]
                        judged += 1
                        if fits(event):
                            return event
                    if self._lost:
                        raise EslError("connection lost while waiting for an event")
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            heard = ", ".join(f"{e.get('Event-Name')} {e.get('Unique-ID', '')[:8]}" for e in self.events[-30:])
            raise TimeoutError(f"no such event within {timeout} s; heard: {heard or 'nothing'}") from None

    async def named(self, name: str, leg: str | None = None, timeout: float = 10.0) -> Event:
        """First event of this name, of this leg if one is given."""
        return await self.wait(
            lambda e: e.get("Event-Name") == name and (leg is None or e.get("Unique-ID") == leg), timeout
        )


class EslClient:
    """One authenticated connection. Replies are matched in order; events go to every open watch."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._replies: deque[asyncio.Future[str]] = deque()
        self._watches: list[Watch] = []
        self._task = asyncio.create_task(self._read())
        self.closed = asyncio.Event()

    @classmethod
    async def connect(cls, address: Address, *events: str) -> Self:
        """Log in and subscribe to `events`. OSError when nobody listens, EslError when refused."""
        reader, writer = await asyncio.open_connection(address.host, address.port, limit=2**24)
        try:
            await _greeted(reader)
        except BaseException:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
            raise
        client = cls(reader, writer)
        try:
            await client.command(f"auth {address.password}")
            if events:
                await client.command("event json " + " ".join(events))
        except BaseException:
            await client.close()
            raise
        return client

    async def command(self, text: str) -> str:
        """Send one command; its Reply-Text, or the body for `api`. EslError for -ERR on a command/reply."""
        if self.closed.is_set():
            raise EslError("connection closed")
        reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._replies.append(reply)
        self._writer.write(text.encode() + b"\n\n")
        return await reply

    async def api(self, text: str) -> str:
        return (await self.command(f"api {text}")).strip()

    async def bgapi(self, text: str, timeout: float = 60.0) -> str:
        """Run in the switch's own thread and wait for its answer (needs BACKGROUND_JOB subscribed)."""
        job = str(uuid.uuid4())
        with self.watch() as seen:
            await self.command(f"bgapi {text}\nJob-UUID: {job}")
            done = await seen.wait(
                lambda e: e.get("Event-Name") == "BACKGROUND_JOB" and e.get("Job-UUID") == job, timeout
            )
        return done.get("_body", "").strip()

    async def execute(self, leg: str, application: str, argument: str = "") -> None:
        """`sendmsg execute` on a leg; queued when this returns."""
        headers = f"call-command: execute\nexecute-app-name: {application}"
        await self.command(f"sendmsg {leg}\n{headers}" + (f"\nexecute-app-arg: {argument}" if argument else ""))

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Hear every event from here to the end of the block."""
        watch = Watch()
        self._watches.append(watch)
        if self.closed.is_set():
            watch.lose()
        try:
            yield watch
        finally:
            self._watches.remove(watch)

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while True:
                headers, body = await _frame(self._reader)
                match headers.get("Content-Type"):
                    case "command/reply":
                        self._answer(headers.get("Reply-Text", ""), refuse=True)
                    case "api/response":
                        self._answer(body.decode(errors="replace"), refuse=False)
                    case "text/event-json":
                        event: Event = json.loads(body.decode(errors="replace"))
                        for watch in tuple(self._watches):
                            watch.add(event)
                    case _:
                        pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()
            for reply in self._replies:
                if not reply.done():
                    reply.set_exception(EslError("connection lost before the reply"))
            for watch in self._watches:
                watch.lose()

    def _answer(self, text: str, *, refuse: bool) -> None:
        if not self._replies or (reply := self._replies.popleft()).done():
            return
        if refuse and text.startswith("-ERR"):
            reply.set_exception(EslError(text.strip()))
        else:
            reply.set_result(text)


@asynccontextmanager
async def connected(address: Address, *events: str) -> AsyncIterator[EslClient]:
    """`EslClient.connect` for a `with` block."""
    client = await EslClient.connect(address, *events)
    try:
        yield client
    finally:
        await client.close()


async def _greeted(reader: asyncio.StreamReader) -> None:
    headers, _ = await _frame(reader)
    if headers.get("Content-Type") != "auth/request":
        raise EslError(f"not let in: {headers.get('Content-Type')}")


async def _frame(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    head = await reader.readuntil(b"\n\n")
    headers = dict(line.split(": ", 1) for line in head.decode(errors="replace").splitlines() if ": " in line)
    return headers, await reader.readexactly(int(headers.get("Content-Length", "0")))
