"""Row 8: an hour of dual audio trimmed and made mp3, beside ffmpeg's command line; and calls while that goes on.

Nobody waits an hour: a caller is recorded for a moment, and before he hangs up the switch's file is replaced by one
of an hour, in which two speak in turn between ten seconds of silence before and behind. fsrec's time is from
RECORD_STOP to the callback: the file verified, its trimmed WAV written and synced, that encoded, both named, the end
committed and told. ffmpeg trims in memory and writes an mp3 of the same rates, as nice as fsrec's worker is.

Calls are those of row 3, at 20 a second, in rounds: with nothing else to do, and while an hour is derived.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.row import OURS as LABEL
from benchmarks.row import Row, Scale, Side, Verdict
from benchmarks.stage import OURS, Stage, on_time, stage, stamp
from benchmarks.start_latency import one_call
from controller.media import wav
from controller.media.encode import CODECS, bit_rate
from controller.media.worker import NICENESS
from controller.softswitch.script import speech
from tests.harness.receiver import Request
from tests.scenarios.daemon import record_call, swml

LONG = "1002"
RATE, CHANNELS = 8000, 2
SECONDS = 3600
SILENT = 10
ROUNDS = 3
CALLS_A_SECOND = 20
CALLS = 240
"""In a round."""
WITHIN = 120.0
"""Seconds that an hour may take."""
ENDS = "silenceremove=start_periods=1:start_threshold=-50dB:detection=rms:window=0.02"


def an_hour(path: Path, seconds: int = SECONDS) -> None:
    """Write a dual WAV whose channels speak in turn, five seconds each, over the faint noise of a line."""
    voices = [speech(5.0, level, RATE) for level in (0.25, 0.15)]
    noise = np.random.default_rng(8).normal(0, 20, (10 * RATE, CHANNELS))
    turn = noise.copy()
    turn[: 5 * RATE, 0] += voices[0]
    turn[5 * RATE :, 1] += voices[1]
    silent = bytes(SILENT * RATE * CHANNELS * 2)
    frames = max(2, seconds // 10) * 10 * RATE + 2 * SILENT * RATE
    with path.open("wb") as file:
        file.write(wav.header(RATE, CHANNELS, frames) + silent)
        for _ in range(max(2, seconds // 10)):
            file.write(turn.astype("<i2").tobytes())
        file.write(silent)


@dataclass(frozen=True, slots=True)
class Derived:
    """What an hour took: seconds, and processor seconds and resident bytes where they were looked at."""

    seconds: float
    cpu: float = 0.0
    memory: int = 0


def resident(process: int) -> int:
    """Bytes of memory that a process and its children have now."""
    found = 0
    with contextlib.suppress(OSError):
        found = int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for task in Path(f"/proc/{process}/task").iterdir():
            found += sum(resident(int(child)) for child in (task / "children").read_text().split())
    return found


async def fsrec_derives(here: Stage, hour: Path, stopped: asyncio.Event | None = None) -> Derived:
    """Have a recording of an hour; ``stopped`` is set when it has ended on the switch."""
    assert here.daemon.process is not None
    with here.ears.client.watch() as watch:
        await here.call(LONG)
        began = await watch.wait(
            lambda event: event["Event-Name"] == "RECORD_START" and event["Caller-Destination-Number"] == LONG
        )
        path = Path(began["Record-File-Path"])
        await asyncio.sleep(0.5)  # a switch deletes an empty file
        hour.with_suffix(".link").hardlink_to(hour)
        hour.with_suffix(".link").replace(path)
        cpu, memory = here.cpu(OURS), resident(here.daemon.process.pid)
        await here.ears.client.api(f"uuid_kill {began['Unique-ID']}")
        stop = await watch.named("RECORD_STOP", began["Unique-ID"])
    if stopped is not None:
        stopped.set()

    def fits(request: Request) -> bool:
        if request.path != "/long":
            return False
        told = request.json["params"]
        return bool(told["recording_id"] == path.stem and told["state"] == "finished")

    peak = memory
    waiting = asyncio.create_task(here.receiver.wait(fits, timeout=WITHIN))
    while not waiting.done():
        peak = max(peak, resident(here.daemon.process.pid))
        await asyncio.wait((waiting,), timeout=0.2)
    (told,) = await waiting
    return Derived(told.at - stamp(stop), here.cpu(OURS) - cpu, peak - memory)


async def ffmpeg_derives(program: str, hour: Path) -> Derived:
    """The same by ffmpeg. The end is trimmed as the reverse's beginning: no other way of it leaves the pauses."""
    rate = bit_rate(RATE, CHANNELS)
    options = f"-ar {CODECS['mp3'].rates[0]} -c:a libmp3lame -b:a {rate} -joint_stereo 0 -id3v2_version 3".split()
    command = [program, "-nostdin", "-v", "error", "-y", "-i", str(hour)]
    command += ["-af", f"{ENDS},areverse,{ENDS},areverse", *options, str(hour.with_suffix(".mp3"))]

    def run() -> Derived:
        began = time.monotonic()
        process = subprocess.Popen(["nice", "-n", str(NICENESS), *command])
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return Derived(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    return await asyncio.to_thread(run)


@contextlib.asynccontextmanager
async def _long(seconds: int) -> AsyncIterator[tuple[Stage, Path]]:
    """Set it up: calls to 1001 are recorded as WAV, those to 1002 are long."""
    async with stage() as here:
        (route,) = here.daemon.raw()["routes"]
        document = here.place / "long.swml.yaml"
        asked = record_call(here.receiver, path="/long", format="mp3", stereo=True)
        document.write_text(swml(asked, {"sleep": -1}))
        here.daemon.changes["routes"] = [route, {**route, "destination": f"^{LONG}$", "document": str(document)}]
        here.daemon.module = "benchmarks.trimming"
        here.daemon.say(record_call(here.receiver), {"sleep": -1})
        await here.daemon.spawn()
        hour = here.switch.recordings / "hour.wav"
        await asyncio.to_thread(an_hour, hour, seconds)
        yield here, hour


async def rows(scale: Scale) -> Sequence[Row]:
    """Derive in turn."""
    seconds = scale.of(SECONDS)
    program = shutil.which("ffmpeg")
    ours: list[Derived] = []
    theirs: list[Derived] = []
    async with _long(seconds) as (here, hour):
        for _ in range(1 if scale.quick else ROUNDS):
            ours.append(await fsrec_derives(here, hour))
            if program is not None:
                theirs.append(await ffmpeg_derives(program, hour))
        name = here.name
    sides = tuple(
        Side(label, tuple(one.seconds for one in all_), sum(one.cpu for one in all_), max(one.memory for one in all_))
        for label, all_ in ((LABEL, ours), ("ffmpeg", theirs))
        if all_
    )
    what = f"{seconds / 60:g} min of dual audio trimmed, mp3"
    if not theirs:
        return (Row(8, what, "s", sides, (), name, ("there is no ffmpeg to compare with",)),)
    ratio = sides[0].median / sides[1].median
    return (Row(8, what, "s", sides, (Verdict("<= 1.1 x", f"{ratio:.2f} x", ratio <= 1.1),), name),)


async def _calls(here: Stage, count: int) -> dict[float, float]:
    """Let so many call, 20 a second: milliseconds from CHANNEL_PARK to RECORD_START, by when they parked."""
    here.ears.legs.clear()
    began = time.monotonic()
    calls = []
    for nth in range(count):
        await on_time(began, nth / CALLS_A_SECOND)
        calls.append(asyncio.create_task(one_call(here, OURS, nth)))
    await asyncio.gather(*calls)
    return {
        heard.times["CHANNEL_PARK"]: heard.since("CHANNEL_PARK", "RECORD_START") * 1000
        for heard in here.ears.legs.values()
        if heard.destination == OURS
    }


async def calls_beside(scale: Scale) -> Sequence[Row]:
    """Let people call, in turn with nothing else to do and while an hour is derived."""
    alone: list[float] = []
    beside: list[float] = []
    async with _long(scale.of(SECONDS)) as (here, hour):
        await _calls(here, 10)
        for _ in range(1 if scale.quick else ROUNDS):
            await here.quiet()
            alone += (await _calls(here, scale.of(CALLS))).values()
            await here.quiet()
            stopped = asyncio.Event()
            deriving = asyncio.create_task(fsrec_derives(here, hour, stopped))
            await stopped.wait()
            began = time.time()
            calls = await _calls(here, scale.of(CALLS))
            derived = await deriving
            beside += [taken for parked, taken in calls.items() if parked < began + derived.seconds]
        name = here.name
    sides = (Side("20 calls/s", tuple(alone)), Side("while an hour is derived", tuple(beside)))
    ratio = sides[1].p99 / sides[0].p99
    verdicts = (Verdict("p99 within 20 %", f"{ratio:.2f} x", ratio <= 1.2),)
    return (Row(8, "CHANNEL_PARK to RECORD_START meanwhile", "ms by the switch's clock", sides, verdicts, name),)
