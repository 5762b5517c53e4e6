"""What is told of a recording is what is on the disk, whatever was slow, full, away or lost meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from controller.recordings.model import Recording
from controller.softswitch.script import Tone
from controller.switch.recorder import EslRecorder
from tests.harness.audio import read_wav
from tests.harness.esl import connected
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call

FOREVER = {"sleep": -1}


async def test_what_was_recorded_while_the_link_was_away_is_not_overwritten(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link breaks right after the start's command, others end the recorder: what it wrote is kept and told."""
    daemon.say({"answer": {}}, {"sleep": 200}, record_call(daemon.receiver), FOREVER)
    await daemon.start()
    real = EslRecorder.start
    asked = asyncio.Event()

    async def start(self: EslRecorder, recording: Recording) -> None:
        await real(self, recording)
        await switch.refuse_links()
        self.board.session("fs1").close("cut by the test")
        asked.set()

    monkeypatch.setattr(EslRecorder, "start", start)
    call = await switch.call(script=(Tone(60.0),))
    await asyncio.wait_for(asked.wait(), 10)
    monkeypatch.setattr(EslRecorder, "start", real)
    await asyncio.sleep(1.5)  # what is recorded meanwhile
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_record {call.leg} stop all")).startswith("+OK")
    (master,) = switch.recordings.glob("*.wav")
    first = read_wav(master).seconds
    assert first > 1.0
    await switch.refuse_links(False)
    await daemon.until(lambda: not daemon.problems())
    end = await callbacks.wait("finished")
    assert callbacks.states() == ["finished"]
    assert end["duration"] == pytest.approx(first, abs=0.001)
    assert read_wav(master).seconds == first
