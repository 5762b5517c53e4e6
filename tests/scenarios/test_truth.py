"""What is told of a recording is what is on the disk, whatever was slow, full, away or lost meanwhile."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from controller.media import wav
from controller.recordings import service
from controller.recordings.life import Timings
from controller.recordings.model import Recording
from controller.softswitch.script import Tone
from controller.switch import recorder
from controller.switch.commands import RecordingVariables
from controller.switch.recorder import EslRecorder
from controller.telemetry import MediaStalled, RecordingFinished
from tests.harness.audio import read_wav
from tests.harness.esl import connected
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
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
    assert end["end_time"] - end["start_time"] == pytest.approx(first, abs=0.001)
    assert read_wav(master).seconds == first


@pytest_asyncio.fixture
async def soft_daemon(soft: SoftSwitch, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon for a switch whose faults can be chosen."""
    made = Daemon(soft, tmp_path, receiver)
    try:
        yield made
    finally:
        await made.close()


async def test_a_file_that_is_closed_late_is_told_whole(soft_daemon: Daemon, soft: SoftSwitch) -> None:
    """A disk takes 9 s to close the file, long after the stop was asked after: the whole recording is told."""
    daemon = soft_daemon
    daemon.say(record_call(daemon.receiver), {"sleep": 2500}, {"stop_record_call": {}}, FOREVER)
    await daemon.start()
    soft.inner.faults.slow_close = 9.0
    await soft.call(script=(Tone(30.0),))
    end = await daemon.callbacks.wait("finished")
    path = soft.recordings / f"{end['recording_id']}.wav"
    master = read_wav(path)
    assert master.finished
    assert end["duration"] == pytest.approx(master.seconds, abs=0.001)
    assert end["size"] == path.stat().st_size


async def test_an_empty_recording_can_be_fetched(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch deletes a file for being too short: it is told as finished, of length zero, and is there."""
    real = RecordingVariables.__str__
    monkeypatch.setattr(
        RecordingVariables, "__str__", lambda block: real(block).replace("RECORD_MIN_SEC=0", "RECORD_MIN_SEC=5")
    )
    daemon.say(record_call(daemon.receiver), {"sleep": 300}, {"stop_record_call": {}}, FOREVER)
    await daemon.start()
    await switch.call(script=(Tone(30.0),))
    end = await callbacks.wait("finished")
    assert list(switch.recordings.glob("*.wav")) == []
    assert (end["duration"], end["size"]) == (0.0, 44)
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    assert read_wav(tmp_path / "got.wav").seconds == 0


async def test_a_full_disk_of_our_own_is_outlasted(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room for the copy without its pause, until somebody makes some: the master is good, and told as finished."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    began = await callbacks.wait("recording")
    assert (await daemon.command(began["call_id"], "calling.record.pause", control_id="rec", behavior="skip"))[
        0
    ] == 200
    await asyncio.sleep(0.5)  # what is cut
    assert (await daemon.command(began["call_id"], "calling.record.resume", control_id="rec"))[0] == 200
    await asyncio.sleep(0.3)  # what is kept
    real = wav.header
    full = True

    def header(*form: int) -> bytes:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*form)

    monkeypatch.setattr(wav, "header", header)
    await call.hangup()
    await daemon.until(lambda: bool(daemon.seen(MediaStalled)))
    assert "No space left on device" in daemon.seen(MediaStalled)[0].error
    await asyncio.sleep(3)  # longer than anything is tried that is not outlasted
    assert len(callbacks.states()) == 3
    full = False
    end = await callbacks.wait("finished")
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    assert read_wav(tmp_path / "got.wav").seconds == pytest.approx(end["duration"], abs=0.001)


async def test_a_mount_that_comes_later_than_the_daemon(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """After a reboot the daemon is up before the recordings' mount: no master is taken for lost."""
    local = tmp_path / "mount"
    local.symlink_to(switch.recordings)
    raw = daemon.raw()["switches"][0]
    daemon.changes = {"switches": [{**raw, "local_path": str(local)}]}
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    await callbacks.wait("recording")
    await asyncio.sleep(0.5)  # what is recorded
    await daemon.stop()
    await call.hangup()
    await call.ended()
    local.unlink()
    await daemon.start(ready=False)
    await daemon.until(lambda: bool(daemon.seen(MediaStalled)))
    await asyncio.sleep(3)  # longer than a missing master is looked for
    assert callbacks.states() == ["recording"]
    local.symlink_to(switch.recordings)
    end = await callbacks.wait("finished")
    assert end["duration"] > 0.4


async def test_an_end_that_nobody_was_told_of_is_found(
    soft_daemon: Daemon, soft: SoftSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others stop a recorder and its RECORD_STOP is lost, on a link that stays up: asked after, it ends."""
    daemon = soft_daemon
    monkeypatch.setattr(service, "Timings", partial(Timings, watch=0.5))
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await soft.call(script=(Tone(30.0),))
    await daemon.callbacks.wait("recording")
    await asyncio.sleep(0.5)  # what is recorded
    soft.inner.faults.lose_record_stop = True
    async with connected(soft.direct) as esl:
        assert (await esl.api(f"uuid_record {call.leg} stop all")).startswith("+OK")
    end = await daemon.callbacks.wait("finished")
    assert call.alive
    master = read_wav(soft.recordings / f"{end['recording_id']}.wav")
    assert end["duration"] == pytest.approx(master.seconds, abs=0.001)


async def test_a_pause_that_was_never_confirmed_is_told(
    soft_daemon: Daemon, soft: SoftSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a pause's job is lost: refused, taken back, and the recording says that it may have left silence."""
    daemon = soft_daemon
    monkeypatch.setattr(recorder, "JOB_WITHIN", 0.5)
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await soft.call(script=(Tone(30.0),))
    began = await daemon.callbacks.wait("recording")
    soft.inner.faults.job_never = True
    status, _ = await daemon.command(began["call_id"], "calling.record.pause", control_id="rec")
    assert status == 422
    await call.hangup()
    await daemon.callbacks.wait("finished")
    await daemon.until(lambda: bool(daemon.seen(RecordingFinished)))
    assert "did not confirm a pause" in daemon.seen(RecordingFinished)[0].error
