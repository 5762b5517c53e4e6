"""Row 1: events off the wire, the whole way to a typed fact on the loop, beside three other clients.

One feeder (benchmarks/ingest_feeder.py) sends the same recorded events to each client in turn, each a process of its
own: fsrec's switchboard and link, asyncio streams with orjson (a dict for each event, and no fact: less than fsrec
does), stock greenswitch and stock Genesis (plain events, as they ask for; no fact either). No switch is in it. A
target is judged by the median of the rounds' ratios, because a round's sides ran within seconds of one another.
Genesis has an environment of its own (`make bench` makes it): it wants another rich than fsrec does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ingest_events import SIZES, in_block
from benchmarks.row import OURS, Row, Scale, Side, Verdict

_ROOT = Path(__file__).parent.parent
GENESIS = _ROOT / ".venvs" / "genesis" / "bin" / "python"
ROUNDS = 5
PATIENCE = 60.0
"""Seconds that a client may take for its flood."""


@dataclass(frozen=True)
class _Client:
    """One that reads: its module, how many 2.4 kB events it is given (half a second's), what is aimed at."""

    label: str
    module: str
    events: int
    target: float | None = None
    python: str = sys.executable


@dataclass(frozen=True)
class _Flood:
    """What one client took for one flood: events a second, processor seconds for 100,000 events, peak bytes."""

    rate: float
    cpu: float
    memory: int


CLIENTS = (
    _Client(OURS, "ours", 48_000),
    _Client("asyncio streams + orjson", "straight", 48_000, 0.65),
    _Client("greenswitch", "stock_greenswitch", 9_600, 5),
    _Client("Genesis", "stock_genesis", 4_800, 10, str(GENESIS)),
)
_DRAIN = _Client("reads, and throws away", "drain", 48_000)


@contextlib.asynccontextmanager
async def feeder(size: int) -> AsyncIterator[int]:
    """Run a feeder of events of `size` bytes; its port. It ends with us, whatever ends us."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.ingest_feeder", str(size)),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


async def flood(client: _Client, port: int, events: int, size: int) -> _Flood:
    """Run one client over one flood."""
    process = await asyncio.create_subprocess_exec(
        client.python,
        *("-m", f"benchmarks.ingest_clients.{client.module}", str(port), str(events), str(size)),
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"{client.label} ended with {process.returncode}")
    found = json.loads(said)
    return _Flood(events / found["seconds"], found["cpu"] * 100_000 / events, found["memory"])


def _present() -> list[_Client]:
    return [one for one in CLIENTS if Path(one.python).exists()]


async def _row(size: int, scale: Scale) -> Row:
    clients = _present()
    taken: dict[str, list[_Flood]] = {one.label: [] for one in clients}

    def share(client: _Client) -> int:
        wanted = scale.of(client.events) * SIZES[0] // size
        return max(1, wanted // in_block()) * in_block()

    async with feeder(size) as port:
        ceiling = await flood(_DRAIN, port, share(_DRAIN), size)
        for _ in range(scale.of(ROUNDS, 1)):
            for client in clients:
                taken[client.label].append(await flood(client, port, share(client), size))
    sides = tuple(
        Side(
            label,
            tuple(one.rate for one in floods),
            statistics.median(one.cpu for one in floods),
            max(one.memory for one in floods),
        )
        for label, floods in taken.items()
    )
    verdicts, by_cpu = [], []
    for client in clients:
        if client.target is not None:
            pairs = list(zip(taken[OURS], taken[client.label], strict=True))
            ratio = statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)
            by_cpu.append(f"{statistics.median(theirs.cpu / ours.cpu for ours, theirs in pairs):.2f} x")
            verdicts.append(
                Verdict(f">= {client.target:g} x {client.label}", f"{ratio:.2f} x", ratio >= client.target)
            )
    notes = [
        f"feeder: {ceiling.rate:,.0f}/s to who only reads; CPU s is for 100,000 events",
        "fsrec alone makes typed facts; the others a dict",
        f"by processor time, which a busy machine disturbs less: {', '.join(by_cpu)}",
    ]
    if len(clients) < len(CLIENTS):
        notes.append("no Genesis here: `make bench` sets it up, for Python 3.12 at most")
    return Row(1, f"ESL ingest, {size / 1000:g} kB events", "events/s", sides, tuple(verdicts), "", tuple(notes))


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure, a row for each size."""
    return [await _row(size, scale) for size in SIZES]
