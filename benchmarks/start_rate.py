"""Row 2: recordings started per second, 500 parked calls, fsrec beside raw pipelined ``record_session``.

fsrec's recordings are the next step of each call's document, which sleeps until one moment for all of them: so what
is measured is the whole stack (timer, step, row, command, RECORD_START, callback in the outbox) and no HTTP server or
client: the receiver answers no callback before all are queued. The clock starts at that moment, at which no sleep is
over yet, and stops at the last RECORD_START by the switch's clock, or the last callback's row, whichever is later.

The raw client holds 500 legs taken over alike, and writes all its commands at once: until the last RECORD_START.
It does so with arguments as headers, which is what people write and the target is of, and, in rounds of their own, as
bodies, as fsrec does: the switch reads those sooner.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Sequence

from benchmarks.row import OURS as LABEL
from benchmarks.row import Row, Scale, Side, Verdict
from benchmarks.stage import OURS, RAW, Stage, stage
from tests.harness.receiver import Answer
from tests.scenarios.daemon import record_call, swml

CALLS = 500
ROUNDS = 9
ARRIVING = 100
"""Calls a second, while they are set up."""
BODIES = "bodies"
CALLBACKS = "/status"
SETTLED = 5.0
"""Seconds from the last call's arrival until all record."""


async def _arrive(here: Stage, destination: str, calls: int, sleeping: float) -> float:
    """Park so many calls; the moment until which fsrec's documents sleep."""
    moment = time.time() + sleeping
    began = time.monotonic()
    for nth in range(calls):
        await asyncio.sleep(max(0.0, began + nth / ARRIVING - time.monotonic()))
        variables = {}
        if destination == OURS:
            document = here.place / f"{nth}.swml.yaml"
            rest = round((moment - time.time()) * 1000)
            document.write_text(swml({"answer": {}}, {"sleep": rest}, record_call(here.receiver), {"sleep": -1}))
            variables = {"fsrec_account": "acme", "fsrec_document": str(document)}
        await here.call(destination, variables)
    await here.ears.until("CHANNEL_PARK", destination, calls)
    return moment


async def _round(here: Stage, side: str, calls: int) -> tuple[float, float]:
    """Starts per second of one round, and processor seconds that they took."""
    destination = OURS if side == OURS else RAW
    queued_all = asyncio.Event()
    here.receiver.plan(CALLBACKS, Answer(after=queued_all))
    here.ears.legs.clear()
    moment = await _arrive(here, destination, calls, calls / ARRIVING + SETTLED)
    if destination == OURS:
        assert time.time() < moment - 0.5, "not all calls were parked in time"
        await asyncio.sleep(moment - 0.2 - time.time())
        before = here.cpu(destination)
    else:
        await asyncio.sleep(SETTLED)
        before = here.cpu(destination)
        moment = await here.go(calls, bodies=side == BODIES)
    legs = await here.ears.until("RECORD_START", destination, calls)
    last = max(here.ears.legs[leg].times["RECORD_START"] for leg in legs)
    if destination == OURS:
        queued = await _queued(here, calls)
        last = max(last, queued)
    spent = here.cpu(destination) - before
    queued_all.set()
    await here.hang_up(legs)
    await here.quiet()
    if destination == RAW:
        await here.tell_raw("forget")
    return calls / (last - moment), spent


async def _queued(here: Stage, calls: int) -> float:
    """When the last of these calls' first callbacks was queued, in Unix seconds."""
    asked = "SELECT count(*), max(created_at) FROM (SELECT created_at FROM deliveries ORDER BY rowid DESC LIMIT ?)"
    told = "SELECT count(*) FROM recordings WHERE state = 'recording'"
    async with asyncio.timeout(30):
        while True:
            with contextlib.closing(sqlite3.connect(here.daemon.data / "fsrec.db")) as store:
                if store.execute(told).fetchone()[0] >= calls:
                    return float(store.execute(asked, (calls,)).fetchone()[1])
            await asyncio.sleep(0.05)


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure in turn."""
    calls = scale.of(CALLS)
    taken: dict[str, list[tuple[float, float]]] = {OURS: [], RAW: [], BODIES: []}
    async with stage() as here:
        here.daemon.say({"sleep": -1})
        await here.daemon.spawn()
        await here.spawn_raw(hold=True)
        for nth in range(len(taken) * (1 if scale.quick else ROUNDS)):
            side = list(taken)[nth % len(taken)]
            taken[side].append(await _round(here, side, calls))
    ours, raw, bodies = (
        Side(label, tuple(rate for rate, _ in taken[side]), sum(cpu for _, cpu in taken[side]))
        for label, side in ((LABEL, OURS), ("raw, pipelined", RAW), ("raw, arguments as bodies", BODIES))
    )
    ratio = ours.median / raw.median
    verdicts = (Verdict(">= 0.5 x", f"{ratio:.2f} x", ratio >= 0.5),)
    what = f"recordings started, {calls} parked calls"
    return (Row(2, what, "starts/s", (ours, raw, bodies), verdicts, here.name),)
