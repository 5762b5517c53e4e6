"""Callbacks delivered per second: the daemon, whose outbox is durable, beside an aiohttp client in a loop.

Each side is a process of its own, and sends to the same receiver, another one. The daemon finds the callbacks in its
store, as it does after a restart, and stores each attempt before it is done with it; the client posts the same body
as often, as many at a time, and keeps nothing. Times are the receiver's.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.apart import PASSWORD, Daemon, Peer, daemon, peer, usage
from benchmarks.outboxes import fill
from benchmarks.row import OURS, Row, Scale, Side, Verdict
from controller.webhooks.outbox import WebhookSettings

_ROUNDS = 5
_CALLBACKS = 4000
_CONCURRENCY = WebhookSettings().per_origin


class _Bench:
    """``rates`` are callbacks per second, a round each; ``cpu`` seconds of all rounds, by side."""

    def __init__(self, count: int, receiver: Peer, sender: Peer) -> None:
        self.rates: dict[str, list[float]] = {"ours": [], "client": []}
        self.cpu = {"ours": 0.0, "client": 0.0}
        self._count = count
        self._receiver = receiver
        self._sender = sender

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._receiver.port}/status"

    async def measure(self, side: str, pid: int) -> None:
        """Take the time from the first request to the last one."""
        await self._receiver.ask("wait 1")
        before = usage(pid).cpu
        count, first, last = map(float, await self._receiver.ask(f"wait {self._count}"))
        self.cpu[side] += usage(pid).cpu - before
        self.rates[side].append((count - 1) / (last - first))

    async def ours(self, daemon: Daemon, seed: Path) -> None:
        """One round of the daemon, from a copy of the store."""
        data = daemon.directory / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(seed, data)
        await self._receiver.ask("reset")
        await daemon.start()
        await self.measure("ours", daemon.pid)
        await daemon.stop()

    async def client(self, body: Path) -> None:
        """One round of the client."""
        await self._receiver.ask("reset")
        posting = asyncio.create_task(self._sender.ask(f"post {self._count} {self.url} {_CONCURRENCY} {body}"))
        await self.measure("client", self._sender.pid)
        await posting


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure both, in turn."""
    count = scale.of(_CALLBACKS, 200)
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        async with (
            peer("softswitch", PASSWORD) as switch,
            peer("receiver") as receiver,
            peer("sender") as sender,
            daemon(directory, switch.port) as ours,
        ):
            bench = _Bench(count, receiver, sender)
            body = directory / "body"
            body.write_bytes(await fill(directory / "seed" / "fsrec.db", ours.settings(), bench.url, count))
            for _ in range(1 if scale.quick else _ROUNDS):
                await bench.ours(ours, directory / "seed")
                await bench.client(body)
    sides = tuple(
        Side(label, tuple(bench.rates[side]), cpu=bench.cpu[side])
        for label, side in ((OURS, "ours"), ("aiohttp client in a loop, nothing kept", "client"))
    )
    ratio = sides[0].median / sides[1].median
    verdicts = (Verdict(">= 0.4 x", f"{ratio:.2f} x", ratio >= 0.4),)
    what = f"callbacks delivered, {_CONCURRENCY} at a time"
    return (Row(6, what, "callbacks/s", sides, verdicts, notes=(f"rounds of {count:,}",)),)
