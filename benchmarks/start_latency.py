"""Row 3: CHANNEL_PARK → RECORD_START, fsrec beside a raw client that does the same, in turn on one switch.

By the switch's clock alone (Event-Date-Timestamp of both events). At 1 call/s each side has a call a second, half a
second after the other's; at 20 and 50 the sides have rounds in turn. A call lasts half a second, so that in a round
as many end as begin: fsrec verifies the files and delivers the callbacks of those meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.row import OURS as LABEL
from benchmarks.row import Row, Scale, Side, Verdict
from benchmarks.stage import OURS, RAW, Stage, on_time, stage
from tests.scenarios.daemon import record_call

CALLS = 240
ROUNDS = 6
SLOW = 100
"""Calls of a side at 1 call/s, which take as many seconds."""
LASTS = 0.5
"""Seconds from a call's RECORD_START to its hangup."""

Taken = dict[str, list[float]]


async def one_call(here: Stage, destination: str, nth: int) -> None:
    """Call, and hang up; ``nth`` of its side since the ears forgot."""
    await here.call(destination)
    leg = (await here.ears.until("CHANNEL_PARK", destination, nth + 1))[nth]
    await here.ears.of("RECORD_START", leg)
    await asyncio.sleep(LASTS)
    await here.hang_up([leg])


async def _round(here: Stage, turns: Sequence[tuple[float, str]], taken: Taken, cpu: dict[str, float]) -> None:
    """Call at ``(seconds, destination)``; note seconds from park to start."""
    before = {side: here.cpu(side) for side in cpu}
    here.ears.legs.clear()
    began = time.monotonic()
    calls, counts = [], dict.fromkeys(taken, 0)
    for after, destination in turns:
        await on_time(began, after)
        calls.append(asyncio.create_task(one_call(here, destination, counts[destination])))
        counts[destination] += 1
    await asyncio.gather(*calls)
    await here.quiet()
    for heard in here.ears.legs.values():
        if {"CHANNEL_PARK", "RECORD_START"} <= heard.times.keys():
            taken[heard.destination].append(heard.since("CHANNEL_PARK", "RECORD_START") * 1000)
    for side in {destination for _, destination in turns}:
        cpu[side] += here.cpu(side) - before[side]


def _row(rate: int, taken: Taken, cpu: dict[str, float], switch: str) -> Row:
    ours, raw = (Side(label, tuple(taken[side]), cpu[side]) for label, side in ((LABEL, OURS), ("raw client", RAW)))
    verdicts = (
        Verdict("p50 <= 1.2 x", f"{ours.median / raw.median:.2f} x", ours.median <= 1.2 * raw.median),
        Verdict("p99 <= 2 x", f"{ours.p99 / raw.p99:.2f} x", ours.p99 <= 2 * raw.p99),
    )
    what = f"CHANNEL_PARK to RECORD_START, {rate} call{'s' * (rate > 1)}/s"
    return Row(3, what, "ms by the switch's clock", (ours, raw), verdicts, switch)


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure at each rate."""
    found = []
    async with stage() as here:
        here.daemon.say(record_call(here.receiver), {"sleep": -1})
        await here.daemon.spawn()
        await here.spawn_raw(hold=False)
        await _round(here, [(n / 10, (OURS, RAW)[n % 2]) for n in range(8)], {OURS: [], RAW: []}, {OURS: 0, RAW: 0})
        for rate in (1, 20, 50):
            taken: Taken = {OURS: [], RAW: []}
            cpu = {OURS: 0.0, RAW: 0.0}
            if rate == 1:
                turns = [(n / 2, (OURS, RAW)[n % 2]) for n in range(2 * scale.of(SLOW, 3))]
                await _round(here, turns, taken, cpu)
            else:
                for nth in range(2 * (2 if scale.quick else ROUNDS)):
                    side = (OURS, RAW)[nth % 2]
                    turns = [(n / rate, side) for n in range(scale.of(CALLS) // ROUNDS)]
                    await _round(here, turns, taken, cpu)
            found.append(_row(rate, taken, cpu, here.name))
    return found
