"""Events that another client of the event socket invents: counted, and never believed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from controller.calls.events import CallEnded
from controller.softswitch.script import Tone
from controller.switch.board import EventForged
from tests.harness.audio import read_wav
from tests.harness.esl import EslClient, connected
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call

FOREVER = {"sleep": -1}
FILES = {
    "RECORD_START": "switch_ivr_async.c",
    "RECORD_STOP": "switch_ivr_async.c",
    "CHANNEL_HANGUP": "switch_channel.c",
    "CHANNEL_HANGUP_COMPLETE": "switch_core_state_machine.c",
    "CHANNEL_DESTROY": "switch_core_session.c",
    "CHANNEL_PARK": "switch_ivr.c",
    "CHANNEL_UNPARK": "switch_ivr.c",
    "CHANNEL_EXECUTE_COMPLETE": "switch_core_session.c",
}
"""Event → the file of the core that fires the true one: a forger would name it."""

DEAD = "00000000-0000-4000-8000-00000000dead"


def forgery(name: str, leg: str | None, recording: str, path: Path, header: str = "Unique-ID") -> str:
    """A sendevent that says all that the true event would say."""
    lines = [f"sendevent {name}", f"Event-Name: {name}", f"Event-Date-Timestamp: {int(time.time() * 1e6)}"]
    if leg is not None:
        lines.append(f"{header}: {leg}")
    lines += [
        f"Event-Calling-File: {FILES[name]}",
        "Channel-State: CS_HANGUP",
        "Answer-State: hangup",
        "Hangup-Cause: NORMAL_CLEARING",
        "Application: record_session",
        f"Application-UUID: {recording}",
        f"Record-File-Path: {path}",
        f"Recording-Variable-fsrec_recording: {recording}",
        "Record-Completion-Cause: success-maxtime",
    ]
    return "\n".join(lines)


async def deceive(client: EslClient, recording: str, path: Path, leg: str) -> list[str]:
    """Send every forgery; the names of those sent."""
    sent = []
    for name in FILES:
        for target, header in ((leg, "Unique-ID"), (leg, "unique-id"), (DEAD, "Unique-ID"), (None, "Unique-ID")):
            await client.command(forgery(name, target, recording, path, header))
            sent.append(name)
        # A list stands before the core's own header of that name.
        listed = forgery(name, None, recording, path).replace("Event-Calling-File:", "Event-Calling-File[0]:")
        await client.command(listed)
        sent.append(name)
    return sent


async def test_forged_events_end_no_recording(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """With and without a living leg's Unique-ID, all the true event's headers repeated: the recording runs on."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    began = await callbacks.wait("recording")
    recording, path = began["recording_id"], switch.recordings / f"{began['recording_id']}.wav"
    async with connected(switch.direct) as forger:
        sent = await deceive(forger, recording.replace("-", ""), path, call.leg)
        await daemon.until(lambda: len(daemon.seen(EventForged)) >= len(sent))
        assert sorted(event.kind for event in daemon.seen(EventForged)) == sorted(sent)
        assert callbacks.states() == ["recording"]
        # The harness's own ears believe forgeries, so the switch itself is asked.
        assert await forger.api(f"uuid_exists {call.leg}") == "true"
        at = asyncio.get_running_loop().time()
        await asyncio.sleep(0.5)
        status, _ = await daemon.command(began["call_id"], "calling.record.stop", control_id="rec")
        assert status == 200
        end = await callbacks.wait("finished")
        assert end["duration"] > asyncio.get_running_loop().time() - at - 0.3
        assert abs(read_wav(path).seconds - end["duration"]) < 0.001
        # Nor is one that is over woken up, or its call ended.
        count = len(daemon.seen(EventForged))
        sent = await deceive(forger, recording.replace("-", ""), path, call.leg)
        await daemon.until(lambda: len(daemon.seen(EventForged)) >= count + len(sent))
        assert await forger.api(f"uuid_exists {call.leg}") == "true"
    await call.hangup()
    await daemon.until(lambda: bool(daemon.seen(CallEnded)))
    assert callbacks.states() == ["recording", "finished"]
    assert daemon.unfinished() == []


@pytest.mark.parametrize("name", ["RECORD_STOP", "RECORD_START"])
async def test_a_true_event_still_counts_after_its_forgery(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, name: str
) -> None:
    """A storm of forgeries of one kind while the caller hangs up: the true end is told once, with the true length."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    began = await callbacks.wait("recording")
    path = switch.recordings / f"{began['recording_id']}.wav"
    async with connected(switch.direct) as forger:
        identity = began["recording_id"].replace("-", "")
        for _ in range(40):
            await forger.command(forgery(name, call.leg, identity, path))
        await daemon.until(lambda: len(daemon.seen(EventForged)) == 40)
        assert callbacks.states() == ["recording"]
        await asyncio.sleep(0.4)
        await call.hangup()
        for _ in range(40):
            await forger.command(forgery(name, call.leg, identity, path))
        end = await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    assert abs(read_wav(path).seconds - end["duration"]) < 0.001
    assert end["duration"] > 0.4
