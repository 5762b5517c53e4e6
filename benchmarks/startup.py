"""From the start of ``fsrec run`` to /readyz saying 200, with callbacks of 10,000 recordings still to be delivered.

Their receiver is there, and they begin to be delivered while the daemon starts. Beside it the start with an empty
store, and what Python takes to import the program.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.apart import PASSWORD, Daemon, as_installed, daemon, peer, usage
from benchmarks.outboxes import fill
from benchmarks.row import OURS, Row, Scale, Side, Verdict

_RECORDINGS = 10_000
_ROUNDS = 7
_MOST = 2.0


async def _importing(directory: Path) -> float:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import gc; gc.disable(); import controller.cli, controller.cli.daemon"),
        env=as_installed(directory),
    )
    await process.wait()
    return time.monotonic() - began


async def _started(ours: Daemon, seed: Path | None) -> tuple[float, float]:
    """Return the seconds until it was ready, and the processor's."""
    data = ours.directory / "data"
    shutil.rmtree(data, ignore_errors=True)
    if seed is not None:
        shutil.copytree(seed, data)
    seconds = await ours.ready()
    cpu = usage(ours.pid).cpu
    await ours.stop()
    return seconds, cpu


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure all three in turn."""
    count = scale.of(_RECORDINGS)
    full: list[tuple[float, float]] = []
    empty: list[tuple[float, float]] = []
    imports: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        async with (
            peer("softswitch", PASSWORD) as switch,
            peer("receiver") as receiver,
            daemon(directory, switch.port) as ours,
        ):
            seed = directory / "seed"
            await fill(seed / "fsrec.db", ours.settings(), f"http://127.0.0.1:{receiver.port}/status", count)
            await _started(ours, None)  # compiles the program, once
            for _ in range(1 if scale.quick else _ROUNDS):
                full.append(await _started(ours, seed))
                empty.append(await _started(ours, None))
                imports.append(await _importing(directory))
    sides = (
        _side(f"{OURS}, {count:,} recordings in the outbox", full),
        _side(f"{OURS}, empty store", empty),
        Side("importing it alone", tuple(imports)),
    )
    verdicts = (Verdict("< 2 s", f"{sides[0].median:.2f} s", sides[0].median < _MOST),)
    return (Row(9, "start to ready", "s", sides, verdicts, "softswitch"),)


def _side(label: str, taken: Sequence[tuple[float, float]]) -> Side:
    return Side(label, tuple(seconds for seconds, _ in taken), cpu=sum(cpu for _, cpu in taken) / len(taken))
