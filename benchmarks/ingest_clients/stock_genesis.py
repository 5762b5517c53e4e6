"""Stock Genesis, as its documentation shows it: plain events, a coroutine that handles all of them."""

from __future__ import annotations

import asyncio

from genesis import ESLEvent, Inbound

from benchmarks.ingest_clients.meter import Meter


async def main() -> None:
    meter = Meter()

    async def heard(event: ESLEvent) -> None:
        if "Event-Name" in event:
            meter.left -= 1
            if not meter.left:
                meter.end()

    async with Inbound("127.0.0.1", meter.port, "ClueCon") as client:
        client.on("*", heard)
        await client.send("events plain ALL")
        meter.begin()
        await client.send(f"api flood {meter.events}")
        await asyncio.sleep(300)


if __name__ == "__main__":
    asyncio.run(main())
