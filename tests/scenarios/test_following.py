"""Recordings that follow a transfer to another leg (recording_follow_transfer; spec/freeswitch.md 1.11)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.softswitch.script import Tone
from tests.harness.audio import read_wav
from tests.harness.esl import connected
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call

DIALLING = {"dial": {"number": "loopback/{number}/fsrec-harness", "sip": "sofia/internal/{uri}"}}
FOREVER = {"sleep": -1}


async def followed(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, *, unseen: bool = False, **more: Any
) -> tuple[Call, str]:
    """A caller whose recording followed the transfer of whom it talked to; the caller, and that party's leg.

    `unseen`: there was no link meanwhile.
    """
    daemon.changes = dict(DIALLING)
    daemon.say(record_call(daemon.receiver, **more), {"connect": {"to": "2000"}}, FOREVER)
    await daemon.start()
    assert daemon.app is not None
    recordings = daemon.app.recordings
    call = await switch.call(script=(Tone(60.0, hz=1000.0),))
    began = await callbacks.wait("recording")
    async with connected(switch.direct) as esl:
        async with asyncio.timeout(10):
            while (partner := await esl.api(f"uuid_getvar {call.leg} bridge_uuid")) in {"", "_undef_"}:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        assert (await esl.api(f"uuid_setvar {call.leg} recording_follow_transfer true")).startswith("+OK")
        if unseen:
            await switch.refuse_links()
            await switch.cut_links()
            await daemon.until(lambda: bool(daemon.problems()))
        away = "set:app_disable_expand_variables=true,sleep:100000"
        assert (await esl.api(f"uuid_transfer {call.leg} -bleg {away} inline")).startswith("+OK")
        async with asyncio.timeout(10):
            while "session_record" not in await esl.api(f"uuid_buglist {partner}"):
                await asyncio.sleep(0.02)
        assert "session_record" not in await esl.api(f"uuid_buglist {call.leg}")
    if unseen:
        await switch.refuse_links(False)
        await daemon.until(lambda: not daemon.problems())

    def seen() -> bool:
        recording = recordings.get(began["recording_id"])
        return recording is not None and recording.leg == partner

    await daemon.until(seen)
    return call, partner


async def test_it_ends_with_the_leg_it_followed(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Its first leg's end is not its own: it is told once, with all that was recorded on both."""
    call, partner = await followed(daemon, switch, callbacks)
    await call.hangup()
    await call.ended()
    await asyncio.sleep(3)  # longer than a RECORD_STOP is waited for after a leg's end
    assert callbacks.states() == ["recording"]
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_kill {partner}")).startswith("+OK")
    end = await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    assert end["duration"] > 3
    assert abs((end["end_time"] - end["start_time"]) - end["duration"]) < 0.2
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    assert abs(read_wav(tmp_path / "got.wav").seconds - end["duration"]) < 0.001
    assert daemon.unfinished() == []


@pytest.mark.parametrize("by", ["command", "limit", "command, unseen"])
async def test_it_can_be_stopped(daemon: Daemon, switch: Switch, callbacks: Callbacks, by: str) -> None:
    """Its stop takes effect on the leg that it is on, also where no link saw it go there; that leg goes on."""
    more = {"max_length": 3.0} if by == "limit" else {}
    call, partner = await followed(daemon, switch, callbacks, unseen=by.endswith("unseen"), **more)
    if by != "limit":
        began = callbacks.params()[0]
        assert (await daemon.command(began["call_id"], "calling.record.stop", control_id="rec"))[0] == 200
    await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    async with connected(switch.direct) as esl:
        assert await esl.api(f"uuid_exists {partner}") == "true"
        assert "session_record" not in await esl.api(f"uuid_buglist {partner}")
    assert call.alive


async def test_others_recordings_on_that_leg_are_not_stopped_with_it(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """FreeSWITCH can only stop all of that leg: with others' it runs on until the leg ends, and is told."""
    _, partner = await followed(daemon, switch, callbacks)
    other = switch.recordings / "others.wav"
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_record {partner} start {other}")).startswith("+OK")
        began = callbacks.params()[0]
        await daemon.command(began["call_id"], "calling.record.stop", control_id="rec")
        await asyncio.sleep(1)
        assert str(other) in await esl.api(f"uuid_buglist {partner}")
        await esl.api(f"uuid_kill {partner}")
    await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    assert read_wav(other).seconds > 0.4  # FreeSWITCH's own pre-buffer loses half a second


async def test_a_pause_is_refused(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Its path names nothing on that leg: the API says so, the recording goes on."""
    _, partner = await followed(daemon, switch, callbacks)
    began = callbacks.params()[0]
    answer = await daemon.command(began["call_id"], "calling.record.pause", control_id="rec")
    assert answer[0] >= 400
    assert callbacks.states() == ["recording"]
    async with connected(switch.direct) as esl:
        await esl.api(f"uuid_kill {partner}")
    await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
