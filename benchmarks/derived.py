"""Row 4: RECORD_STOP → callback received, of 30 seconds verified, trimmed and made mp3: beside a straight script.

Callers speak for 28 seconds with a second of silence before and behind, and hang up; legs of both sides in turn, all
of them staggered, so that one recording's end is over before the next one comes. RECORD_STOP is taken by the switch's
clock, the callback's arrival by the machine's. The script does the same steps in one process that has all loaded, and
keeps nothing (``benchmarks.straight``); fsrec is ``fsrec run`` with all that it does: what it tells of is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from benchmarks.row import OURS as LABEL
from benchmarks.row import Row, Scale, Side, Verdict
from benchmarks.stage import OURS, RAW, Stage, on_time, stage, stamp
from controller.softswitch.script import Hangup, Script, Silence, Speech
from tests.harness.esl import Watch
from tests.harness.receiver import Request
from tests.scenarios.daemon import record_call

CALLS = 24
"""Of each side."""
SECONDS = 30.0
APART = 0.8
"""Seconds between two calls, of whichever side."""
AIMED = 1.5


def script(seconds: float) -> Script:
    """A caller who is silent for a second, speaks, is silent and hangs up."""
    return (Silence(1.0), Speech(seconds - 2.0), Silence(1.0), Hangup())


def ended(request: Request) -> bool:
    """Whether a callback tells of a recording's end."""
    return request.path == "/raw" or (request.path == "/status" and request.json["params"]["state"] == "finished")


def told(request: Request) -> str:
    """The id of the recording that a callback tells of."""
    found = request.json if request.path == "/raw" else request.json["params"]
    return str(found["recording_id"])


async def _calls(here: Stage, count: int, seconds: float) -> None:
    """Let each side have ``count`` calls, and wait until all are told."""
    here.receiver.requests.clear()
    began = asyncio.get_running_loop().time()
    for nth in range(2 * count):
        await on_time(began, nth * APART)
        await here.switch.call((OURS, RAW)[nth % 2], script(seconds))
    await here.receiver.wait(ended, 2 * count, timeout=seconds + 60)


def _taken(here: Stage, stops: Watch) -> dict[str, list[float]]:
    """Milliseconds of each side's recordings."""
    at = {Path(event["Record-File-Path"]).stem: stamp(event) for event in stops.all("RECORD_STOP")}
    found: dict[str, list[float]] = {OURS: [], RAW: []}
    for request in here.receiver.to(ended):
        side = RAW if request.path == "/raw" else OURS
        found[side].append((request.at - at[told(request)]) * 1000)
    return found


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure, in the time that recordings take."""
    seconds = 3.0 if scale.quick else SECONDS
    async with stage() as here:
        here.daemon.module = "benchmarks.trimming"
        here.daemon.say(record_call(here.receiver, format="mp3"), {"sleep": -1})
        await here.daemon.spawn()
        await here.spawn_raw(hold=False, module="benchmarks.straight")
        await _calls(here, 1, 3.0)  # what is loaded and compiled at the first one
        cpu = {side: here.cpu(side) for side in (OURS, RAW)}
        with here.ears.client.watch() as stops:
            count = scale.of(CALLS)
            await _calls(here, count, seconds)
            await stops.wait(lambda _: len(stops.all("RECORD_STOP")) >= 2 * count)
            taken = _taken(here, stops)
        await here.quiet()
        sides = tuple(
            Side(label, tuple(taken[side]), here.cpu(side) - cpu[side])
            for label, side in ((LABEL, OURS), ("straight script", RAW))
        )
    ours, straight = sides
    ratio = ours.median / straight.median
    verdicts = (Verdict(f"p50 <= {AIMED} x", f"{ratio:.2f} x", ratio <= AIMED),)
    return (Row(4, f"RECORD_STOP to callback, {seconds:g} s trimmed, mp3", "ms", sides, verdicts, here.name),)
