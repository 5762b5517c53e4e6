"""The benchmarks of rows 2, 3 and 10 work: a few calls each on the softswitch, no figure judged."""

from __future__ import annotations

import pytest

from benchmarks import beside_httapi, start_latency, start_rate
from benchmarks.row import OURS, Scale
from tests.harness.freeswitch import FreeSwitch

QUICK = Scale(quick=True)


@pytest.fixture(autouse=True)
def _softswitch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FreeSwitch, "find", classmethod(lambda _: None))


async def test_starts_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 2 gives a rate for each side."""
    monkeypatch.setattr(start_rate, "CALLS", 50)
    monkeypatch.setattr(start_rate, "SETTLED", 2.0)
    (row,) = await start_rate.rows(QUICK)
    assert (row.number, row.switch) == (2, "softswitch")
    labels = [OURS, "raw, pipelined", "raw, arguments as bodies"]
    assert [(side.label, len(side.samples)) for side in row.sides] == [(label, 1) for label in labels]
    assert all(sample > 0 for side in row.sides for sample in side.samples)


async def test_latency_at_each_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 3 gives as many samples as there were calls, of each side, at each rate."""
    monkeypatch.setattr(start_latency, "SLOW", 2)
    rows = await start_latency.rows(QUICK)
    assert [row.number for row in rows] == [3, 3, 3]
    calls = [3, *[2 * (QUICK.of(start_latency.CALLS) // start_latency.ROUNDS)] * 2]
    assert [[len(side.samples) for side in row.sides] for row in rows] == [[count] * 2 for count in calls]


async def test_ours_alone_without_httapi() -> None:
    """Row 10 says what fsrec took, and why there is nothing beside it, where the switch has no mod_httapi."""
    start, told = await beside_httapi.rows(QUICK)
    assert [side.label for side in start.sides] == [side.label for side in told.sides] == [OURS]
    assert told.sides[0].median > 0
    assert start.verdicts == ()
    assert start.notes == told.notes != ()
