"""What stands on the other side of a daemon, as processes of their own: ``python -m benchmarks.peers ROLE``.

Each prints its port, then answers the commands that it reads from its standard input, a line each, and ends with it.
They are driven by ``apart.Peer``.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp

from controller.softswitch import Softswitch

Answer = Callable[[list[str]], Awaitable[str]]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_CALLS = 60  # calls a second that are placed


class Requests:
    """Those that came; the least that a receiver can do, so that it is the senders who are measured."""

    def __init__(self) -> None:
        self.count = 0
        self._first = self._last = 0.0
        self._more = asyncio.Event()

    def take(self) -> None:
        self._last = time.monotonic()
        self._first = self._first if self.count else self._last
        self.count += 1
        self._more.set()

    async def answer(self, words: list[str]) -> str:
        """``wait N``: the time of the first and the last, on the machine's monotonic clock, once there are N."""
        match words:
            case ["wait", number]:
                while self.count < int(number):
                    self._more.clear()
                    await self._more.wait()
            case ["reset"]:
                self.count = 0
        return f"{self.count} {self._first} {self._last}"


class _Http(asyncio.Protocol):
    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._held, 0, end)
            end += 4 + (int(length[1]) if length else 0)
            if len(self._held) < end:
                return
            self._held = self._held[end:]
            self._requests.take()
            self._transport.write(_OK)


async def receiver() -> None:
    """Answer every request with 200."""
    requests = Requests()
    server = await asyncio.get_running_loop().create_server(lambda: _Http(requests), "127.0.0.1", 0, backlog=512)
    await _obey(server.sockets[0].getsockname()[1], requests.answer)
    server.close()


async def softswitch(password: str) -> None:
    """Run a softswitch; ``call N NUMBER`` places calls, and answers once they are parked."""
    with tempfile.TemporaryDirectory() as place:
        switch = Softswitch(directory=Path(place), password=password)

        async def answer(words: list[str]) -> str:
            match words:
                case ["call", number, destination]:
                    for _ in range(int(number)):
                        await switch.call(destination, caller_number="15551230000")
                        await asyncio.sleep(1 / _CALLS)
                case ["recording", number]:
                    while sum(len(leg.recorders) for leg in switch.legs.values()) < int(number):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                case ["hangup"]:
                    for leg in list(switch.legs.values()):
                        leg.hangup("NORMAL_CLEARING")
                case ["directory"]:
                    return place
            return str(len(switch.legs))

        await switch.start()
        await _obey(switch.port, answer)
        await switch.crash()


async def sender() -> None:
    """``post N URL CONCURRENCY FILE``: an aiohttp client in a loop, with nothing kept and nothing signed."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post(numbers: Iterator[int], url: str, body: bytes) -> None:
            for number in numbers:
                headers = {"Content-Type": "application/json", "webhook-id": f"{number:032x}"}
                async with session.post(url, data=body, headers=headers) as response:
                    assert response.status == 200
                    await response.read()

        async def answer(words: list[str]) -> str:
            _, number, url, concurrency, file = words
            numbers, body = iter(range(int(number))), await asyncio.to_thread(Path(file).read_bytes)
            await asyncio.gather(*(post(numbers, url, body) for _ in range(int(concurrency))))
            return number

        await _obey(0, answer)


async def _obey(port: int, answer: Answer) -> None:
    print(port, flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(await answer(line.decode().split()), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        match sys.argv[1:]:
            case ["receiver"]:
                asyncio.run(receiver())
            case ["sender"]:
                asyncio.run(sender())
            case ["softswitch", password]:
                asyncio.run(softswitch(password))
