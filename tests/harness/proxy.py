"""A TCP proxy before a switch's event socket, so that a test can cut the link in mid-frame."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Proxy:
    """Forwards 127.0.0.1:`port` to a target; `cut` drops every connection, `refusing` turns new ones away.

    With `source`, it connects from that address: 127.0.0.2 is a stranger to the shipped access list.
    """

    def __init__(self, host: str, port: int, source: str | None = None) -> None:
        self._target = (host, port)
        self._source = (source, 0) if source else None
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self.port = 0
        self.refusing = False

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self.cut()
            await self._server.wait_closed()
            self._server = None

    async def cut(self) -> int:
        """Reset every connection at once (what was not yet forwarded is lost); how many there were."""
        links, self._links = self._links, {}
        for task, writers in links.items():
            for writer in writers:
                writer.transport.abort()
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        return len(links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = (writer,)
        try:
            if self.refusing:
                return
            try:
                far_reader, far_writer = await asyncio.open_connection(*self._target, local_addr=self._source)
            except OSError:
                return
            self._links[task] = (writer, far_writer)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except asyncio.CancelledError:
            # Swallowed: asyncio's server logs a cancelled connection as an error.
            pass
        finally:
            for each in self._links.pop(task, (writer,)):
                each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()
