"""Events that the switch drops because nobody took them in time (spec/freeswitch.md 3.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from controller.softswitch.script import Tone
from controller.switch.link import LinkDown
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
from tests.scenarios.daemon import Daemon, record_call

FOREVER = {"sleep": -1}
CALLS, LATER = 120, 20


@pytest_asyncio.fixture
async def soft_daemon(soft: SoftSwitch, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Daemon]:
    """A real switch drops nothing before 100,000 events wait."""
    made = Daemon(soft, tmp_path, receiver)
    yield made
    await made.close()


async def test_dropped_events_are_made_up_for(soft_daemon: Daemon, soft: SoftSwitch) -> None:
    """The switch drops the ends of 120 recordings, and kills the link for it: all ends are told once and truly.

    Calls that were parked meanwhile are taken.
    """
    daemon, callbacks = soft_daemon, soft_daemon.callbacks
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    calls = await asyncio.gather(*(soft.call(script=(Tone(60.0),)) for _ in range(CALLS)))
    await daemon.receiver.wait("/status", CALLS, timeout=30)
    soft.inner.faults.queue_size = 0
    for call in calls:
        await call.hangup()
    others = await asyncio.gather(*(soft.call(script=(Tone(60.0),)) for _ in range(LATER)))
    await daemon.until(lambda: bool(daemon.seen(LinkDown)))
    soft.inner.faults.queue_size = 100_000
    ends = await callbacks.ends(CALLS, timeout=60)
    assert all(end["state"] == "finished" for end in ends)
    entries = {Path(entry.path).stem: entry for entry in soft.inner.journal.recordings}
    for end in ends:
        entry = entries[end["recording_id"]]
        assert abs(end["duration"] - entry.frames_written / entry.rate) < 0.001
    await daemon.receiver.wait("/status", 2 * CALLS + LATER, timeout=30)
    for call in others:
        await call.hangup()
    assert len(await callbacks.ends(CALLS + LATER, timeout=60)) == CALLS + LATER
    told = [(one["recording_id"], one["state"]) for one in callbacks.params()]
    assert len(told) == len(set(told)) == 2 * (CALLS + LATER)
    assert daemon.unfinished() == []
