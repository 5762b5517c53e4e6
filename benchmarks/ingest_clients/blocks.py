"""asyncio streams and orjson by large reads: a buffer searched for frames by hand. A dict for each event, no fact."""

from __future__ import annotations

import asyncio

import orjson

from benchmarks.ingest_clients.meter import Meter

_BEGIN = b"Content-Length: "


async def main() -> None:
    meter = Meter()
    reader, writer = await asyncio.open_connection("127.0.0.1", meter.port, limit=1 << 20)
    await reader.readuntil(b"\n\n")
    for command in (b"auth ClueCon", b"event json CHANNEL_PARK RECORD_START RECORD_STOP"):
        writer.write(command + b"\n\n")
        await reader.readuntil(b"\n\n")
    meter.begin()
    writer.write(b"api flood %d\n\n" % meter.events)
    await reader.readuntil(b"+OK\n")
    left, rest, loads = meter.events, b"", orjson.loads
    while left:
        rest += await reader.read(1 << 18)
        view, start, end = memoryview(rest), 0, len(rest)
        while (blank := rest.find(b"\n\n", start)) > 0:
            stop = blank + 2 + int(rest[start + len(_BEGIN) : rest.index(b"\n", start)])
            if stop > end:
                break
            event = loads(view[blank + 2 : stop])
            event["Event-Name"]
            left -= 1
            start = stop
        rest = rest[start:]
    meter.end()


if __name__ == "__main__":
    asyncio.run(main())
