"""A switch that left the settings."""

from __future__ import annotations

from pathlib import Path

from controller.softswitch.script import Tone
from tests.harness.audio import read_wav
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call


async def test_what_ran_on_a_removed_switch_ends_truly(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Renamed in the settings: its recording is told to its end, and what was written is served."""
    daemon.say(record_call(daemon.receiver), {"sleep": -1})
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    await callbacks.wait("recording")
    await daemon.stop()
    await call.hangup()
    await call.ended()
    daemon.changes = {"switches": [{**daemon.raw()["switches"][0], "name": "renamed"}]}
    await daemon.start()
    end = await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    assert abs(read_wav(tmp_path / "got.wav").seconds - end["duration"]) < 0.001
    assert daemon.unfinished() == []
