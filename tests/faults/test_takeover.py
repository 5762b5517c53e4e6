"""Two daemons, one database, 200 running recordings, kill -9 of one: all end true, and how long nobody served."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
from tests.scenarios.cluster import DIALECTS, paired, until_ready

EACH = 67
WITHIN = 15.0
"""Seconds after which a killed daemon's switch is served again, reconciled."""


@pytest.mark.faults
@pytest.mark.timeout(400)
async def test_two_hundred_recordings_and_a_daemon_that_is_killed(
    soft: SoftSwitch, receiver: Receiver, postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each vendor a third; with the times that an operator has."""
    async with paired(soft, receiver, postgres_url, tmp_path, lasts=8.0, seconds=45) as pair:
        await pair.one.spawn()
        await until_ready(pair.one, serving=True)
        await pair.other.spawn()
        await until_ready(pair.other, serving=False)
        calls = await pair.calls(EACH)
        await pair.began(EACH)
        await pair.quiet()
        killed = time.monotonic()
        await pair.one.kill()
        await until_ready(pair.other, serving=True)
        took = time.monotonic() - killed
        assert all(call.alive for _, call in calls)
        for _, call in calls:
            await call.ended(120)
        await pair.ended(EACH, timeout=120)
        await pair.true(tmp_path, EACH)
        ids = [request.header("webhook-id") for request in receiver.requests if request.header("webhook-id")]
    again = len(ids) - len(set(ids))
    with capsys.disabled():
        sys.stdout.write(
            f"\ntakeover: {EACH * len(DIALECTS)} recordings, served again after {took:.1f} s;"
            f" {len(set(ids))} notices, {again} told again\n"
        )
    assert took < WITHIN
    assert again == 0
