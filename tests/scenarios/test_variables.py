"""Variables that a dialplan left on the leg: our recordings are what their documents ask for, whatever these say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from controller.softswitch.script import Tone
from tests.harness.audio import read_wav
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Callbacks, Daemon, late, record_call

STRAY: tuple[dict[str, str], ...] = (
    {"RECORD_STEREO": "true"},
    {"RECORD_STEREO_SWAP": "true"},
    {"RECORD_READ_ONLY": "true"},
    {"RECORD_WRITE_ONLY": "true"},
    {"RECORD_MIN_SEC": "3"},
    {"RECORD_APPEND": "true"},
    {"RECORD_ANSWER_REQ": "true"},
    {"RECORD_BRIDGE_REQ": "true"},
    {"RECORD_INITIAL_TIMEOUT_MS": "200"},
    {"RECORD_FINAL_TIMEOUT_MS": "200"},
    {"RECORD_INITIAL_TIMEOUT_MS": "200", "RECORD_SILENCE_THRESHOLD": "30000"},
    {"RECORD_PRE_BUFFER_FRAMES": "100"},
    {"record_sample_rate": "16000"},
    {"RECORD_TOGGLE_ON_REPEAT": "true"},
    {"RECORD_CHECK_BRIDGE": "true"},
    {"RECORD_USE_THREAD": "false"},
    {"RECORD_HANGUP_ON_ERROR": "true"},
    {"enable_file_write_buffering": "false"},
    {"sound_prefix": "/nowhere"},
    {"record_completion_cause": "uri-failure", "RECORD_DISCARDED": "true", "record_ms": "4711"},
    {"execute_on_record_start": "set stray=1", "execute_on_record_stop": "set stray=2"},
    {"fsrec_recording": "0" * 32},
)


async def test_variables_of_the_leg_change_no_recording(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Each known recording variable on a leg of its own: channels, rate, length and content stay as asked for."""
    daemon.say(
        {"answer": {}},
        record_call(daemon.receiver, "mono"),
        record_call(daemon.receiver, "stereo", stereo=True),
        record_call(daemon.receiver, "says", direction="speak"),
        record_call(daemon.receiver, "hears", direction="listen"),
        {"sleep": 800},
        {"stop_record_call": {"control_id": "mono"}},
        {"stop_record_call": {"control_id": "stereo"}},
        {"stop_record_call": {"control_id": "says"}},
        {"stop_record_call": {"control_id": "hears"}},
        {"hangup": {}},
    )
    await daemon.start()
    calls: list[Call] = await asyncio.gather(
        *(switch.call(script=(Tone(30.0),), variables=variables) for variables in STRAY)
    )
    ends = await callbacks.ends(4 * len(STRAY), timeout=60)
    assert [await call.ended() for call in calls] == ["NORMAL_CLEARING"] * len(STRAY)
    assert {end["state"] for end in ends} == {"finished"}
    assert sorted(callbacks.states("mono")) == sorted(["recording", "finished"] * len(STRAY))
    await asyncio.gather(*(_judge(daemon, tmp_path, end) for end in ends))
    assert daemon.unfinished() == []


async def _judge(daemon: Daemon, tmp_path: Path, end: dict[str, Any]) -> None:
    """One recording is what its record_call asked for."""
    path = tmp_path / f"{end['recording_id']}.wav"
    assert await daemon.fetch(end["url"], path) == 200
    sound, control = read_wav(path), end["control_id"]
    assert sound.rate == 8000
    assert sound.channels == (2 if control == "stereo" else 1)
    assert 0.7 < sound.seconds < 1.6 + late(daemon.switch)
    assert abs(sound.seconds - end["duration"]) < 0.001
    heard = sound.channels - 1 if control in ("stereo", "hears") else None
    said = 0 if control != "hears" else None
    if said is not None:
        assert abs(sound.hz(said) - 440) < 5
        assert sum(interval.seconds for interval in sound.sounding(said)) > sound.seconds - 2 * 0.2
    if heard is not None:
        assert sound.loudness(heard) < 0.001
