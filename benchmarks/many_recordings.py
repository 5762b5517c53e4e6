"""What a daemon costs while 100 and while 1,000 recordings run, and nothing else happens.

The softswitch, the receiver of callbacks and the daemon are processes of their own. Each recording belongs to a call
of its own, whose document waits. Memory is counted from what the daemon has after the first calls have come and gone.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.apart import PASSWORD, Daemon, Peer, daemon, peer, usage
from benchmarks.row import OURS, Row, Scale, Side, Verdict
from tests.scenarios.daemon import swml

_FEW, _MANY = 100, 1000
_SECONDS = 120  # of either: calls and recordings are looked after once a minute, which must be in both
_SAMPLE = 5.0  # seconds over which processor time is taken
_SETTLE = 3.0  # seconds that a burst of calls gets to be over
_MOST_BYTES = 20_000
_MOST_CPU = 15.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """While ``count`` recordings run: percents of a core, each over some seconds, and bytes resident."""

    count: int
    percents: tuple[float, ...]
    memory: int
    cpu: float


async def _watch(ours: Daemon, count: int, seconds: float) -> _Seen:
    await asyncio.sleep(_SETTLE)
    percents: list[float] = []
    memory, first = 0, usage(ours.pid).cpu
    for _ in range(max(2, round(seconds / _SAMPLE))):
        before, began = usage(ours.pid).cpu, time.monotonic()
        await asyncio.sleep(_SAMPLE if seconds >= 2 * _SAMPLE else seconds / 2)
        now = usage(ours.pid)
        percents.append(100 * (now.cpu - before) / (time.monotonic() - began))
        memory = max(memory, now.memory)
    return _Seen(count, tuple(percents), memory, usage(ours.pid).cpu - first)


async def _calls(switch: Peer, more: int, total: int) -> None:
    await switch.ask(f"call {more} 1001")
    await switch.ask(f"recording {total}")


async def measure(few: int, many: int, scale: float) -> tuple[int, _Seen, _Seen]:
    """Return the bytes of a daemon that has seen some calls, and what it uses for few and for many recordings."""
    with tempfile.TemporaryDirectory() as place:
        async with (
            peer("receiver") as receiver,
            peer("softswitch", PASSWORD) as switch,
            daemon(Path(place), switch.port) as ours,
        ):
            url = f"http://127.0.0.1:{receiver.port}/status"
            document = swml({"record_call": {"control_id": "rec", "status_url": url}}, {"sleep": -1})
            (ours.directory / "document.swml.yaml").write_text(document)
            await ours.ready()
            await _calls(switch, few, few)
            await switch.ask("hangup")
            await receiver.ask(f"wait {2 * few}")
            await asyncio.sleep(_SETTLE)
            base = usage(ours.pid).memory
            await _calls(switch, few, few)
            some = await _watch(ours, few, _SECONDS * scale)
            await _calls(switch, many - few, many)
            return base, some, await _watch(ours, many, _SECONDS * scale)


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure in one life of the daemon."""
    few, many = scale.of(_FEW), scale.of(_MANY)
    base, some, all_ = await measure(few, many, 1 / 30 if scale.quick else 1.0)
    each = (all_.memory - base) / many
    later = (all_.memory - some.memory) / (many - few)
    sides = tuple(
        Side(f"{OURS}, {seen.count:,} recordings", seen.percents, cpu=seen.cpu, memory=max(0, seen.memory - base))
        for seen in (some, all_)
    )
    growth = (sum(all_.percents) / len(all_.percents)) / (sum(some.percents) / len(some.percents))
    linear = many / few
    verdicts = (
        Verdict(f"CPU grows <= {linear:.0f} x", f"{growth:.1f} x", growth <= linear),
        Verdict("<= 20 kB a recording", f"{max(each, later) / 1000:.1f} kB", max(each, later) <= _MOST_BYTES),
        Verdict("< 15 % of a core", f"{sides[1].median:.1f} %", sides[1].median < _MOST_CPU),
    )
    notes = (
        f"memory: growth over {base / (1 << 20):.0f} MiB after {few:,} calls had come and gone",
        f"of the last {many - few:,} recordings each took {later / 1000:.1f} kB",
    )
    return (Row(5, "recordings that run", "% of a core", sides, verdicts, "softswitch", notes),)
