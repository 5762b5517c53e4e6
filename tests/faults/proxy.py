"""The network between daemon and switch: it cuts, halves, stalls, delays and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress


class FaultyLink:
    """Forwards 127.0.0.1:``port`` to a target on loopback, as badly as it is told to."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._flows = asyncio.Event()
        self._flows.set()
        self._lag = 0.0
        self._halves = False
        self._refuses = 0
        self._traps: list[tuple[bytes, Callable[[], object]]] = []
        self.port = 0

    @property
    def well(self) -> bool:
        """Whether it forwards what it is given, at once."""
        return self._flows.is_set() and not self._lag and not self._refuses

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self.cut()

    def trap(self, words: str, strike: Callable[[], object]) -> Callable[[], None]:
        """Strike when these words come by, before they are forwarded; return what takes the trap away."""
        trap = (words.encode(), strike)
        self._traps.append(trap)

        def take_away() -> None:
            if trap in self._traps:
                self._traps.remove(trap)

        return take_away

    async def cut(self) -> None:
        """Reset every connection; what was not yet forwarded is lost."""
        self.drop()
        links, self._links = self._links, {}
        for task in links:
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def drop(self) -> None:
        """Do so at once."""
        for writers in self._links.values():
            for writer in writers:
                writer.transport.abort()

    def halve(self) -> None:
        """Forward but half of what comes next from the switch, then cut."""
        self._halves = True

    async def stall(self, seconds: float) -> None:
        """Forward nothing for a while; nobody is told."""
        self._flows.clear()
        await asyncio.sleep(seconds)
        self._flows.set()

    async def delay(self, seconds: float, lag: float = 0.3) -> None:
        """Forward everything later for a while."""
        self._lag = lag
        await asyncio.sleep(seconds)
        self._lag = 0.0

    async def refuse(self, seconds: float) -> None:
        """Cut, and drop whoever connects, for a while."""
        self._refuses += 1
        await self.cut()
        await asyncio.sleep(seconds)
        self._refuses -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = (writer,)
        try:
            if self._refuses:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._links[task] = (writer, far_writer)
            both = asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer, told=True))
            await both
        except (OSError, asyncio.CancelledError):
            pass  # swallowed: asyncio's server logs a cancelled connection as an error
        finally:
            for each in self._links.pop(task, (writer,)):
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, told: bool = False) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                for trap in [trap for trap in self._traps if trap[0] in data]:
                    self._traps.remove(trap)
                    trap[1]()
                await self._flows.wait()
                if self._lag:
                    await asyncio.sleep(self._lag)
                if told and self._halves:
                    self._halves = False
                    writer.write(data[: len(data) // 2])
                    with suppress(TimeoutError):
                        await asyncio.wait_for(writer.drain(), 1.0)
                    await asyncio.sleep(0.05)  # until the half is there: a reset drops what is not read
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
