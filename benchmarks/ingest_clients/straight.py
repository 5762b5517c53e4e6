"""asyncio streams and orjson, nothing else: what a straight client of event-json does. A dict an event, no fact."""

from __future__ import annotations

import asyncio

import orjson

from benchmarks.ingest_clients.meter import Meter


async def main() -> None:
    meter = Meter()
    reader, writer = await asyncio.open_connection("127.0.0.1", meter.port, limit=1 << 20)

    async def frame() -> tuple[bytes, bytes]:
        head = await reader.readuntil(b"\n\n")
        if not head.startswith(b"Content-Length: "):
            return head, b""
        return head, await reader.readexactly(int(head[16 : head.index(b"\n")]))

    async def command(text: str) -> None:
        writer.write(text.encode() + b"\n\n")
        await frame()

    await frame()
    await command("auth ClueCon")
    await command("event json CHANNEL_PARK RECORD_START RECORD_STOP")
    meter.begin()
    writer.write(b"api flood %d\n\n" % meter.events)
    await reader.readuntil(b"+OK\n")
    readuntil, readexactly, loads = reader.readuntil, reader.readexactly, orjson.loads
    for _ in range(meter.events):
        head = await readuntil(b"\n\n")
        event = loads(await readexactly(int(head[16 : head.index(b"\n")])))
        event["Event-Name"]
    meter.end()


if __name__ == "__main__":
    asyncio.run(main())
