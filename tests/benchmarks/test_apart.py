"""The benchmarks whose sides are processes of their own run, and give their rows; how fast is not asked here."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks import callbacks, many_recordings, startup
from benchmarks.apart import usage
from benchmarks.outboxes import fill
from benchmarks.row import Row, Scale
from controller.store.store import open_store
from controller.store.values import DeliveryState

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what processes use is read from Linux's /proc")
TINY = Scale(quick=True)
SETTINGS = """
switches: [{name: fs1, host: 127.0.0.1, port: 8021, password: p, switch_path: /r, local_path: /r}]
accounts: [{name: acme, vendor: signalwire, project_id: 5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001,
  space_id: 5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c002, api_token: t, signing_key: k}]
"""


def row_of(rows: object) -> Row:
    assert isinstance(rows, tuple)
    (row,) = rows
    assert isinstance(row, Row)
    assert all(sample >= 0 for side in row.sides for sample in side.samples)
    assert row.as_json()["number"] == row.number
    return row


async def test_many_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 5 has a side for few and one for many recordings, each with what it took."""
    monkeypatch.setattr(many_recordings, "_SETTLE", 0.2)
    row = row_of(await many_recordings.rows(TINY))
    assert row.number == 5
    assert [side.label for side in row.sides] == ["fsrec, 10 recordings", "fsrec, 100 recordings"]
    assert len(row.verdicts) == 3


async def test_callbacks() -> None:
    """Row 6 has a rate of each side."""
    row = row_of(await callbacks.rows(TINY))
    assert row.number == 6
    assert [len(side.samples) for side in row.sides] == [1, 1]
    assert all(sample > 0 for side in row.sides for sample in side.samples)


async def test_startup() -> None:
    """Row 9 has the start with and without an outbox, and the import."""
    row = row_of(await startup.rows(TINY))
    assert row.number == 9
    assert [len(side.samples) for side in row.sides] == [1, 1, 1]


async def test_an_outbox_is_filled(tmp_path: Path) -> None:
    """Each recording is over and has one callback that is still to be delivered."""
    body = await fill(tmp_path / "fsrec.db", SETTINGS, "http://127.0.0.1:9/status", 7)
    store = await open_store(tmp_path / "fsrec.db")
    counts = await store.read(lambda reader: reader.counts())
    unfinished = await store.read(lambda reader: reader.unfinished("fs1"))
    await store.close()
    assert counts[DeliveryState.PENDING] == 7
    assert unfinished == []
    assert b'"finished"' in body


async def test_usage_counts_children() -> None:
    """What a process's children use is counted with it."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass\nprint(1, flush=True)\ninput()"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    await child.stdout.readline()
    with_it, of_it = usage(os.getpid()), usage(child.pid)
    assert of_it.cpu >= 0.3
    assert with_it.cpu >= time.process_time() - 0.1 + of_it.cpu - 0.1
    assert with_it.memory > of_it.memory > 0
    child.stdin.close()
    await child.wait()
