"""The benchmarks of rows 4 and 8 work: a few seconds of audio on the softswitch, no figure judged."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import an_hour, derived
from benchmarks.row import OURS, Scale
from tests.harness.freeswitch import FreeSwitch

QUICK = Scale(quick=True)


@pytest.fixture(autouse=True)
def _softswitch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FreeSwitch, "find", classmethod(lambda _: None))


async def test_stop_to_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 4 has as many samples of each side as it had calls."""
    monkeypatch.setattr(derived, "CALLS", 20)
    monkeypatch.setattr(derived, "APART", 0.3)
    (row,) = await derived.rows(QUICK)
    assert (row.number, row.switch) == (4, "softswitch")
    assert [(side.label, len(side.samples)) for side in row.sides] == [(OURS, 2), ("straight script", 2)]
    assert all(sample > 0 for side in row.sides for sample in side.samples)


async def test_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 8 has a time of each side; ours alone, and why, where there is no ffmpeg."""
    monkeypatch.setattr(an_hour, "SECONDS", 300)
    (row,) = await an_hour.rows(QUICK)
    sides = [OURS, "ffmpeg"] if shutil.which("ffmpeg") else [OURS]
    assert (row.number, [side.label for side in row.sides]) == (8, sides)
    assert bool(row.notes) == (len(sides) == 1)
    assert all(side.median > 0 for side in row.sides)


async def test_calls_beside_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 8 has samples of calls with nothing else to do, and of those that parked while it derived."""
    monkeypatch.setattr(an_hour, "SECONDS", 3000)
    (row,) = await an_hour.calls_beside(QUICK)
    alone, beside = row.sides
    assert len(alone.samples) == 24
    assert 0 < len(beside.samples) <= 24
