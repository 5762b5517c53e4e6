"""record_call in mp3 and mp4: fetchable, true and whole when it is announced, on the softswitch and live alike."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from controller.media.encoders import DerivativeFailed
from controller.recordings.model import PauseBehavior
from controller.softswitch.script import Digits, Hangup, Silence, Tone
from tests.harness.audio import Sound, read_wav
from tests.harness.listen import read_audio, tagged
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, late, record_call
from tests.scenarios.ending import NEAR, PRESS

FOREVER = {"sleep": -1}
ONLY_SOFT = pytest.mark.parametrize("switch", ["soft"], indirect=True)
"""What happens to files is the same on either switch."""
TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "mp4": "audio/mp4"}


async def got(daemon: Daemon, end: dict[str, Any], directory: Path) -> Sound:
    """Fetch a recording as soon as it is announced; what it holds. Its headers and sizes must be the callback's."""
    form = end["record"]["format"]
    path = directory / f"{end['control_id']}.{form}"
    async with aiohttp.ClientSession() as client:
        async with client.get(end["url"]) as response:
            assert (response.status, response.headers["Content-Type"]) == (200, TYPES[form])
            tag = response.headers["ETag"]
            path.write_bytes(await response.read())
        async with client.get(end["url"], headers={"Range": "bytes=5-20", "If-Range": tag}) as part:
            assert (part.status, await part.read()) == (206, path.read_bytes()[5:21])
            assert part.headers["Content-Range"] == f"bytes 5-20/{end['size']}"
        async with client.head(end["url"]) as head:
            assert head.headers["Content-Length"] == str(end["size"])
    assert end["size"] == end["record"]["size"] == path.stat().st_size
    assert end["record"]["audio"]["format"] == form
    if form == "wav":
        return read_wav(path)
    assert abs(tagged(path).seconds - end["duration"]) < 0.001
    return read_audio(path)


def loudness_of_tone(sound: Sound) -> float:
    """Of the one tone that is heard, without its edges."""
    (heard,) = sound.sounding()
    part = sound.channel(0)[round((heard.start + 0.2) * sound.rate) : round((heard.end - 0.2) * sound.rate)]
    return float(np.sqrt(np.mean(part**2)))


async def test_every_format_of_one_leg_at_once(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Stereo and mono mp3 and mp4 beside a wav on one leg: as long as told, as loud and in the wav's channels."""
    daemon.say(
        record_call(daemon.receiver, "wav", stereo=True),
        record_call(daemon.receiver, "mp3-stereo", stereo=True, format="mp3"),
        record_call(daemon.receiver, "mp3-mono", format="mp3"),
        record_call(daemon.receiver, "mp3-speak", format="mp3", direction="speak", stereo=True),
        record_call(daemon.receiver, "mp4-stereo", stereo=True, format="mp4"),
        record_call(daemon.receiver, "mp4-listen", format="mp4", direction="listen"),
        FOREVER,
    )
    await daemon.start()
    await switch.call(script=(Silence(2.5), Tone(1.5), Silence(0.5), Hangup()))  # they begin one after the other
    ends = {end["control_id"]: end for end in await callbacks.ends(6)}
    assert {name: end["record"]["format"] for name, end in ends.items()} == {name: name[:3] for name in ends}
    sounds = {name: await got(daemon, end, tmp_path) for name, end in ends.items()}
    channels = {"wav": 2, "mp3-stereo": 2, "mp3-mono": 1, "mp3-speak": 1, "mp4-stereo": 2, "mp4-listen": 1}
    assert {name: sound.channels for name, sound in sounds.items()} == channels
    wav = sounds["wav"]
    for name in ("mp3-stereo", "mp4-stereo"):
        assert abs(sounds[name].hz(0) - 440) < 5
        assert abs(loudness_of_tone(sounds[name]) / loudness_of_tone(wav) - 1) < 0.05
        assert abs(sounds[name].loudness(1) - wav.loudness(1)) < 0.001
    assert sounds["mp3-speak"].sounding()
    assert not sounds["mp4-listen"].sounding()
    for name, sound in sounds.items():
        assert abs(ends[name]["duration"] - sound.seconds) < 0.3
        if sound.sounding():
            (heard,) = sound.sounding()
            assert abs(heard.seconds - 1.5) < 0.1, name
    # A master for each, untouched, and what was made of it; nothing else.
    masters = sorted(path.name for path in switch.recordings.glob("*.wav"))
    assert masters == sorted(f"{end['recording_id']}.wav" for end in ends.values())
    derived = sorted(path.name for path in (daemon.data / "media").rglob("*") if path.is_file())
    assert derived == sorted(f"{end['recording_id']}.{name[:3]}" for name, end in ends.items() if name != "wav")
    assert daemon.unfinished() == []


async def test_a_skipped_pause_is_not_in_an_mp3(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """The derivative is made of the cut copy: a tone without a gap, as long as the callback says."""
    daemon.say(record_call(daemon.receiver, format="mp3"), FOREVER)
    await daemon.start()
    await switch.call(script=(Tone(30.0),))
    began = await callbacks.wait("recording")
    await asyncio.sleep(0.6)
    pause = {"control_id": "rec", "behavior": PauseBehavior.SKIP.value}
    assert (await daemon.command(began["call_id"], "calling.record.pause", **pause))[0] == 200
    await callbacks.wait("paused")
    await asyncio.sleep(0.8)
    assert (await daemon.command(began["call_id"], "calling.record.resume", control_id="rec"))[0] == 200
    await asyncio.sleep(0.5)
    assert (await daemon.command(began["call_id"], "calling.record.stop", control_id="rec"))[0] == 200
    end = await callbacks.wait("finished")
    assert end["end_time"] - end["start_time"] - end["duration"] > 0.7
    sound = await got(daemon, end, tmp_path)
    (heard,) = sound.sounding()
    assert abs(heard.seconds - end["duration"]) < 0.1


@ONLY_SOFT
async def test_a_recording_that_can_not_be_encoded_is_told_as_what_it_is(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoders that crash whenever they are started: the audio is served as WAV, and said to be WAV."""
    monkeypatch.setattr("controller.media.processes.COMMAND", ("/bin/false",))
    daemon.say(record_call(daemon.receiver, format="mp3"), {"sleep": 300}, {"hangup": {}})
    await daemon.start()
    await switch.call(script=(Tone(5.0),))
    began = await callbacks.wait("recording")
    assert began["record"]["audio"]["format"] == "mp3"
    end = await callbacks.wait("finished")
    assert end["record"]["format"] == "wav"
    assert (await got(daemon, end, tmp_path)).finished
    (failed,) = daemon.seen(DerivativeFailed)
    assert (failed.recording, failed.format) == (end["recording_id"], "mp3")


HELD = """
import os, sys, time
if "controller.media.worker" in sys.orig_argv:
    synced = os.fsync
    def fsync(descriptor):
        with open({diary!r}, "a") as diary:
            diary.write(f"{{os.getpid()}}\\n")
        while os.path.exists({held!r}):
            time.sleep(0.05)
        synced(descriptor)
    os.fsync = fsync
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """Encoders stand still right before they are done, until `release`; `diary` has their process ids."""

    base: Path

    @property
    def diary(self) -> Path:
        return self.base / "diary"

    def release(self) -> None:
        (self.base / "held").unlink()

    async def reached(self) -> int:
        """Wait for one that stands still; its process."""
        async with asyncio.timeout(20):
            while not self.diary.exists() or not self.diary.read_text().endswith("\n"):
                await asyncio.sleep(0.01)
        return int(self.diary.read_text())


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Every Python that begins from now on and is an encoder."""
    base = tmp_path / "hold"
    base.mkdir()
    (base / "held").touch()
    (base / "sitecustomize.py").write_text(HELD.format(diary=str(base / "diary"), held=str(base / "held")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(base), os.environ.get("PYTHONPATH")))))
    return Hold(base)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def derived(daemon: Daemon) -> list[str]:
    """What the daemon made, by the ends of the names."""
    return sorted(path.name.partition(".")[2] for path in (daemon.data / "media").rglob("*") if path.is_file())


@ONLY_SOFT
async def test_a_message_is_played_while_it_is_encoded(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, hold: Hold
) -> None:
    """The WAV is played at once; the callback comes when the format asked for is there."""
    variables = {"error": "${script_error}", "played": "${play_result}"}
    daemon.say(
        {"record": {"format": "mp3", "status_url": daemon.receiver.url("/status")}},
        {"play": {"url": "${record_url}"}},
        {"request": {"url": daemon.receiver.url("/vars"), "method": "POST", "body": variables}},
        {"hangup": {}},
    )
    await daemon.start()
    await switch.call(script=(Tone(1.0), Digits("#"), Silence(60)))
    [request] = await daemon.receiver.wait("/vars", timeout=12.0)
    assert request.json["error"] in {"", "${script_error}"}
    assert [params["state"] for params in callbacks.params()] == ["recording"]
    hold.release()
    [end] = await callbacks.ends(1)
    assert end["record"]["audio"]["format"] == "mp3"


@ONLY_SOFT
async def test_a_daemon_killed_while_it_encodes(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, hold: Hold
) -> None:
    """No process outlives it; what was half made has no name, and the next daemon makes it whole."""
    daemon.say(record_call(daemon.receiver, format="mp4"), {"sleep": 300}, {"hangup": {}})
    await daemon.spawn()
    await switch.call(script=(Tone(5.0),))
    encoder = await hold.reached()
    assert derived(daemon) == ["mp4.part"]
    await daemon.kill()
    async with asyncio.timeout(20):
        while not gone(encoder):
            await asyncio.sleep(0.01)
    assert callbacks.states() == ["recording"]
    assert derived(daemon) == ["mp4.part"]
    hold.release()
    await daemon.spawn()
    end = await callbacks.wait("finished")
    assert end["record"]["format"] == "mp4"
    await got(daemon, end, tmp_path)
    assert derived(daemon) == ["mp4"]


@ONLY_SOFT
async def test_a_daemon_that_stops_while_it_encodes(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, hold: Hold
) -> None:
    """A stop doesn't wait for an encoder, nor leave it behind; the next start makes the file."""
    daemon.say(record_call(daemon.receiver, format="mp3"), {"sleep": 300}, {"hangup": {}})
    await daemon.start()
    await switch.call(script=(Tone(5.0),))
    encoder = await hold.reached()
    async with asyncio.timeout(10):
        await daemon.stop()
    assert gone(encoder)
    assert callbacks.states() == ["recording"]
    hold.release()
    await daemon.start()
    end = await callbacks.wait("finished")
    assert end["record"]["format"] == "mp3"
    await got(daemon, end, tmp_path)
    assert derived(daemon) == ["mp3"]


@ONLY_SOFT
async def test_nothing_is_told_or_served_before_it_is_made(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, hold: Hold
) -> None:
    """While it is encoded its URL is not found, and other recordings of the leg begin and end as ever."""
    daemon.say(
        record_call(daemon.receiver, "slow", format="mp3"),
        {"sleep": 200},
        {"stop_record_call": {"control_id": "slow"}},
        FOREVER,
    )
    await daemon.start()
    await switch.call(script=(Tone(0.8), Hangup()))
    await hold.reached()
    began = (await callbacks.wait("recording", "slow"))["url"]
    assert await daemon.fetch(began, tmp_path / "early") == 404
    daemon.say(record_call(daemon.receiver, "quick"), {"sleep": 200}, {"hangup": {}})
    await switch.call(script=(Tone(5.0),))
    await callbacks.wait("finished", "quick")
    assert callbacks.states("slow") == ["recording"]
    hold.release()
    await got(daemon, await callbacks.wait("finished", "slow"), tmp_path)


async def test_a_stereo_mp3_with_a_terminator_beside_a_mono_wav(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Two recordings of one leg: the key ends the one that has it, the other runs to the hangup."""
    daemon.say(
        record_call(daemon.receiver, "mp3", stereo=True, format="mp3", terminators="#"),
        record_call(daemon.receiver, "wav"),
        FOREVER,
    )
    await daemon.start()
    await switch.call(script=(Tone(1.0), Digits("#"), Tone(1.0, hz=600), Hangup()))
    ends = {end["control_id"]: end for end in await callbacks.ends(2)}
    for name, end in ends.items():
        assert await daemon.fetch(end["url"], tmp_path / name) == 200
        assert (tmp_path / name).stat().st_size == end["size"]
        assert end["record"]["format"] == name
        assert end["record"]["audio"] == {"format": name, "direction": "both", "stereo": name == "mp3"}
    mp3, wav = read_audio(tmp_path / "mp3"), read_audio(tmp_path / "wav")
    assert (mp3.channels, wav.channels) == (2, 1)
    (tone,) = mp3.sounding(0)
    assert abs(mp3.hz(0, tone) - 440) < 10
    assert mp3.sounding(1) == []
    assert abs(ends["mp3"]["duration"] - tone.end) < PRESS + NEAR + late(switch)
    first, second = wav.sounding()
    assert abs(wav.hz(0, first) - 440) < 10
    assert abs(wav.hz(0, second) - 600) < 10
    assert callbacks.states("mp3") == callbacks.states("wav") == ["recording", "finished"]
    assert daemon.unfinished() == []
