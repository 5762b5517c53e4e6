"""record_call from a parked leg to a delivered callback, on the softswitch and on a real FreeSWITCH alike."""

from __future__ import annotations

from pathlib import Path

from controller.softswitch.script import Hangup, Silence, Speech, Tone
from tests.harness.audio import read_wav
from tests.scenarios.daemon import Callbacks, Daemon, record_call
from tests.harness.switch import Switch


async def test_a_call_is_recorded_to_its_hangup(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """A parked call is answered, recorded, and its file is as long as it was and sounds as it did."""
    daemon.say(record_call(daemon.receiver), {"sleep": -1})
    await daemon.start()
    call = await switch.call(script=(Speech(1.0), Silence(0.5), Tone(0.5), Hangup()))
    end = await callbacks.wait("finished")
    assert await call.ended() == "NORMAL_CLEARING"
    assert callbacks.states() == ["recording", "finished"]
    assert abs(end["duration"] - 2.0) < 0.3
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    sound = read_wav(tmp_path / "got.wav")
    assert sound.finished
    assert sound.channels == 1
    assert abs(sound.seconds - end["duration"]) < 0.001
    assert len(sound.sounding()) == 2
    assert daemon.unfinished() == []
