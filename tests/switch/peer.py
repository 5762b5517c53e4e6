"""A scripted ESL peer: what a switch might send, byte by byte, and what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

CORE = "11111111-1111-4111-8111-111111111111"
ACCEPTED = "+OK accepted"


def frame(headers: dict[str, str], body: bytes | None = None) -> bytes:
    """Headers, an empty line, the body with its Content-Length first where the switch puts it."""
    if body is not None:
        headers = {**headers, "Content-Length": str(len(body))}
    return "".join(f"{name}: {value}\n" for name, value in headers.items()).encode() + b"\n" + (body or b"")


def reply(text: str, **headers: str) -> bytes:
    return frame({"Content-Type": "command/reply", "Reply-Text": text, **headers})


def api(body: str | bytes) -> bytes:
    return frame({"Content-Type": "api/response"}, body if isinstance(body, bytes) else body.encode())


def raw_event(body: bytes) -> bytes:
    return b"Content-Length: %d\nContent-Type: text/event-json\n\n" % len(body) + body


def event(name: str, **headers: Any) -> bytes:
    """An event as the switch sends it; headers with dashes are given with underscores, `_body` as it is."""
    named = {key if key == "_body" else key.replace("_", "-"): value for key, value in headers.items()}
    return raw_event(json.dumps({"Event-Name": name, "Core-UUID": CORE, **named}, separators=(",", ":")).encode())


def notice(body: bytes | None = b"Disconnected, goodbye.\nSee you at ClueCon!\n", **headers: str) -> bytes:
    return frame({"Content-Type": "text/disconnect-notice", **headers}, body)


class Conn:
    """One accepted connection, from the switch's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.line_breaks = 0
        self.reset = False

    async def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def packet(self) -> str:
        """The next packet, without its end; bare line breaks before it are counted and skipped.

        A body is given as the header that it stands for.
        """
        lines: list[bytes] = []
        while line := await self.reader.readline():
            if line != b"\n":
                lines.append(line)
            elif lines:
                if lines[-1].startswith(b"content-length: "):
                    body = await self.reader.readexactly(int(lines.pop()[16:]))
                    assert lines.pop() == b"content-type: text/plain\n"
                    lines.insert(3, b"execute-app-arg: %s\n" % body)
                return b"".join(lines).decode().removesuffix("\n")
            else:
                self.line_breaks += 1
        raise EOFError

    async def until_eof(self) -> bytes:
        """Return what still comes until the other side has closed, or reset, the connection."""
        came = b""
        try:
            while part := await self.reader.read(65536):
                came += part
        except ConnectionError:
            self.reset = True
        return came

    async def auth(self, answer: str = ACCEPTED) -> str:
        """Ask for the password and answer it; gives the packet."""
        await self.send(frame({"Content-Type": "auth/request"}))
        packet = await self.packet()
        await self.send(reply(answer))
        return packet

    async def setup(self, core: str = CORE, version: str = "FreeSWITCH Version 1.11.2\n") -> str:
        """Authenticate, take the subscription, tell who we are; gives the subscription."""
        await self.auth()
        subscription = await self.packet()
        await self.send(reply("+OK event listener enabled json"))
        job = await self.job()
        await self.send(
            event("BACKGROUND_JOB", Job_UUID=job, Core_UUID=core, FreeSWITCH_Switchname="fs", _body=version)
        )
        return subscription

    async def job(self) -> str:
        """Take a bgapi packet and acknowledge it; gives its Job-UUID."""
        packet = await self.packet()
        assert packet.startswith("bgapi "), packet
        job = packet.partition("\nJob-UUID: ")[2]
        await self.send(reply(f"+OK Job-UUID: {job}", **{"Job-UUID": job}))
        return job

    async def end_job(self, job: str, body: str = "+OK\n", **headers: Any) -> None:
        await self.send(event("BACKGROUND_JOB", Job_UUID=job, _body=body, **headers))


Script = Callable[[Conn], Awaitable[None]]


class Peer:
    """Listens on a free port of `host` and plays one script a connection, the last one for all that follow.

    A script's failure is raised when the `async with` ends, so what it expects is asserted in it.
    """

    def __init__(self, *scripts: Script, host: str = "127.0.0.1") -> None:
        self._host = host
        self._scripts: Sequence[Script] = scripts
        self._tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0
        self.failure: BaseException | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.failure and error is None:
            raise self.failure

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
        self.accepted += 1
        try:
            await script(Conn(reader, writer))
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass  # the other side left first; what was asserted before that held
        except BaseException as failure:
            self.failure = failure
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)
