"""Switch and daemon on machines whose clocks disagree."""

from __future__ import annotations

import time

import pytest

from controller.softswitch.script import Tone
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_restart_keeps_the_limit_by_the_switchs_clock(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, hours: int
) -> None:
    """With our clock an hour off, a limit that is re-armed after a restart ends the recording when it is due."""
    daemon.options = {"clock": lambda: time.time() + hours * 3600}
    daemon.say(record_call(daemon.receiver, max_length=2.5), {"sleep": -1})
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    await callbacks.wait("recording")
    await daemon.stop()
    await daemon.start()
    end = await callbacks.wait("finished")
    assert 2.0 < end["duration"] < 15.0
    assert call.alive
    await call.hangup()
