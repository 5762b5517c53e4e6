"""Links cut, switches and daemons killed: every recording reaches its true end and every callback arrives."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import numpy as np

from controller.softswitch.script import Tone
from tests.harness.audio import read_wav
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, late, record_call

FOREVER = {"sleep": -1}


async def test_a_cut_link_is_back_within_a_recording(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """The link breaks while it records: nothing is told twice, nothing is lost, the whole call is in the file."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    await callbacks.wait("recording")
    await asyncio.sleep(0.5)
    await switch.cut_links()
    await daemon.until(lambda: bool(daemon.problems()))
    await daemon.until(lambda: not daemon.problems())
    await asyncio.sleep(0.5)
    await call.hangup()
    end = await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    assert abs((end["end_time"] - end["start_time"]) - end["duration"]) < 0.1
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    assert abs(read_wav(tmp_path / "got.wav").seconds - end["duration"]) < 0.001
    assert end["duration"] > 1.0


async def test_a_call_that_ends_while_the_link_is_away_ends_truly(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """RECORD_STOP was never seen: reconciliation finds the recorder gone, and the file tells the length."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    await callbacks.wait("recording")
    await asyncio.sleep(0.7)
    await switch.refuse_links()
    await switch.cut_links()
    await call.hangup()
    await call.ended()
    await asyncio.sleep(0.5)
    await switch.refuse_links(False)
    end = await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    assert 0.6 < end["duration"] < 1.5 + late(switch)
    assert abs((end["end_time"] - end["start_time"]) - end["duration"]) < 0.1
    assert daemon.unfinished() == []


async def test_a_killed_switch_keeps_all_but_the_last_second(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """The switch dies mid-recording: the file is mended, what was written is told and served."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    await callbacks.wait("recording")
    began = time.monotonic()
    await asyncio.sleep(3.0)
    await switch.kill()
    heard = time.monotonic() - began
    assert await call.ended() == "SWITCH_LOST"
    await switch.restart()
    end = await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    assert heard - 1.0 <= end["duration"] <= heard + 0.3 + late(switch)
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    sound = read_wav(tmp_path / "got.wav")
    assert sound.finished
    assert abs(sound.seconds - end["duration"]) < 0.001
    assert abs(sound.hz() - 440) < 5
    again = await switch.call(script=(Tone(30.0),))
    await daemon.receiver.wait(lambda r: r.json["params"]["call_id"] != end["call_id"])
    await again.hangup()


async def test_a_killed_daemon_is_back_within_a_recording(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """kill -9 while it records and the document sleeps: the recording and the document go on as if nothing was."""
    daemon.say(record_call(daemon.receiver), {"sleep": 4000}, {"stop_record_call": {}}, {"hangup": {}})
    await daemon.spawn()
    call = await switch.call(script=(Tone(30.0),))
    await callbacks.wait("recording")
    await asyncio.sleep(0.3)
    callbacks.once = True
    await daemon.kill()
    await daemon.spawn()
    end = await callbacks.wait("finished")
    assert await call.ended() == "NORMAL_CLEARING"
    assert 3.5 < end["duration"] < 4.5 + 2 * late(switch)
    assert callbacks.states() == ["recording", "finished"]
    assert daemon.unfinished() == []


async def test_a_killed_daemon_is_back_within_a_pause(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """kill -9 while a recording is paused: it is resumed by the next daemon and the pause is cut out."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.spawn()
    call = await switch.call(script=(Tone(30.0),))
    began = await callbacks.wait("recording")
    await asyncio.sleep(0.5)
    answer = await daemon.command(began["call_id"], "calling.record.pause", control_id="rec", behavior="skip")
    assert answer[0] == 200
    await callbacks.wait("paused")
    callbacks.once = True
    await daemon.kill()
    await daemon.spawn()
    assert (await daemon.command(began["call_id"], "calling.record.resume", control_id="rec"))[0] == 200
    await asyncio.sleep(0.5)
    await call.hangup()
    end = await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "paused", "recording", "finished"]
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    served, master = read_wav(tmp_path / "got.wav"), read_wav(switch.recordings / f"{end['recording_id']}.wav")
    zeros = int(np.sum(~np.any(master.samples[master.rate // 3 :], axis=1)))
    assert zeros > 0.5 * master.rate
    assert abs((len(master.samples) - len(served.samples)) - zeros) < 0.05 * master.rate


async def test_kill_9_amid_fifty_recordings_and_fifty_documents(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """50 calls that record and 50 in the middle of their documents: all recordings true, all told, all calls end."""
    daemon.say(record_call(daemon.receiver), {"sleep": 9000}, {"stop_record_call": {}}, {"hangup": {}})
    other = tmp_path / "other.swml.yaml"
    daemon.document.rename(other)
    daemon.say({"answer": {}}, {"sleep": 300}, record_call(daemon.receiver), FOREVER)
    variables = {"fsrec_account": "acme", "fsrec_document": str(other)}
    await daemon.spawn()
    recording = [await switch.call(script=(Tone(60.0),), variables=variables) for _ in range(50)]
    await daemon.receiver.wait("/status", 50, timeout=30)
    walking = await asyncio.gather(*(switch.call(script=(Tone(60.0),)) for _ in range(50)))
    callbacks.once = True
    await daemon.kill()
    await daemon.spawn()
    await daemon.receiver.wait(lambda r: r.json["params"]["state"] == "recording", 100, timeout=30)
    causes = await asyncio.gather(*(call.ended(30) for call in recording))
    assert set(causes) == {"NORMAL_CLEARING"}
    for call in walking:
        assert call.alive
        await call.hangup()
    ends = await callbacks.ends(100, timeout=60)
    assert {end["state"] for end in ends} == {"finished"}
    by_recording: dict[str, list[str]] = {}
    for params in callbacks.params():
        by_recording.setdefault(params["recording_id"], []).append(params["state"])
    assert len(by_recording) == 100
    assert all(states == ["recording", "finished"] for states in by_recording.values())
    for end in ends:
        master = read_wav(switch.recordings / f"{end['recording_id']}.wav")
        assert abs(master.seconds - end["duration"]) < 0.001
        assert abs((end["end_time"] - end["start_time"]) - end["duration"]) < 0.5
    assert daemon.unfinished() == []


async def test_a_hangup_at_any_moment_leaves_a_true_end(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Callers hang up at random moments before, at, within and after their recordings, stopped ones too."""
    daemon.say(
        record_call(daemon.receiver, "a"),
        {"sleep": 120},
        record_call(daemon.receiver, "b", max_length=0.1),
        {"sleep": 120},
        {"stop_record_call": {"control_id": "a"}},
        {"sleep": 500},
        {"hangup": {}},
    )
    await daemon.start()
    chance = random.Random(4)  # noqa: S311 - moments, not secrets

    async def one() -> None:
        call = await switch.call(script=(Tone(5.0),))
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        if call.alive:
            await call.hangup()
        await call.ended()

    for _ in range(8):
        await asyncio.gather(*(one() for _ in range(8)))
    await daemon.until(lambda: daemon.unfinished() == [], timeout=30)
    await daemon.until(daemon.quiet, timeout=30)
    by_recording: dict[str, list[str]] = {}
    for params in callbacks.params():
        by_recording.setdefault(params["recording_id"], []).append(params["state"])
    assert len(by_recording) >= 64
    assert set(map(tuple, by_recording.values())) <= {("recording", "finished"), ("error",), ("finished",)}


async def test_a_stop_right_after_the_start_a_thousand_times(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """record_call and stop_record_call back to back, 1,000 times: each begins, ends, and is told of both."""
    pairs = [
        step
        for number in range(100)
        for step in (record_call(daemon.receiver, f"r{number}"), {"stop_record_call": {"control_id": f"r{number}"}})
    ]
    daemon.say({"answer": {}}, *pairs, {"hangup": {}})
    await daemon.start()
    calls = await asyncio.gather(*(switch.call(script=(Tone(30.0),)) for _ in range(10)))
    await callbacks.ends(1000, timeout=90)
    assert {await call.ended(30) for call in calls} == {"NORMAL_CLEARING"}
    by_recording: dict[str, list[str]] = {}
    for params in callbacks.params():
        by_recording.setdefault(params["recording_id"], []).append(params["state"])
    assert len(by_recording) == 1000
    assert set(map(tuple, by_recording.values())) == {("recording", "finished")}
    assert daemon.unfinished() == []
