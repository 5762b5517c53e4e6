"""The reference's own example documents on whole calls: files, variables, callbacks, and what is heard."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from controller.softswitch.script import Digits, Script, Silence, Tone
from tests.dialects.swml.callback_fields import ALWAYS, wrong
from tests.dialects.swml.seeds import DATA, EXAMPLES, kept
from tests.harness.audio import Sound, read_wav
from tests.harness.listen import read_audio, tagged
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Callbacks, Daemon, late, record_call
from tests.scenarios.swml_runs import BEEP_HZ, audio_file, heard_at, level, recorded, variables, watched

FOREVER = {"sleep": -1}
VOICE = 440.0
"""The caller's tone."""

SPOKEN = 2.0
MESSAGE: Script = (Silence(7.0), Tone(SPOKEN, VOICE), Silence(0.5), Digits("#"))
"""To `record`: the announcement and the beep are over well before it, and the beep less than 4 s before it."""

REMARK: Script = (Silence(4.0), Tone(SPOKEN, VOICE))
"""To `record_call`: within the ten seconds of silence that are played."""

SCRIPTS = {"record": MESSAGE, "record_call_mp3": (), "record_call_both": REMARK, "record_call_speak": REMARK}
OWN = {
    "record": "record",
    "record_call_mp3": "record_call",
    "record_call_both": "record_call",
    "record_call_speak": "record_call",
}
"""Which method records in an example: its variables' names begin with it."""


def spoken(sound: Sound) -> list[float]:
    """How long the caller's tone is, each time that it is there."""
    return [interval.seconds for interval in heard_at(sound, VOICE) if interval.seconds > 0.3]


async def served(daemon: Daemon, url: str, path: Path) -> Sound:
    """What a receiver of the URL gets, as sound."""
    assert await daemon.fetch(url, path) == 200
    return read_audio(path) if path.suffix == ".mp3" else read_wav(path)


def judge(name: str, sound: Sound, slack: float) -> None:
    """Whether an example's recording holds what was said and played while it ran, and nothing else."""
    assert sound.channels == 1
    if name == "record":
        (tone,) = heard_at(sound, VOICE)
        assert tone.seconds == pytest.approx(SPOKEN, abs=0.1)
        assert len(sound.sounding()) == 1
        assert sound.seconds - tone.end == pytest.approx(0.5, abs=0.1 + slack)
    elif name == "record_call_both":
        announced, tone = sound.sounding(gap=0.6)
        assert announced.start < 0.6 + slack  # an engine may begin with silence
        assert sound.hz(within=tone) == pytest.approx(VOICE, abs=5)
        assert tone.seconds == pytest.approx(SPOKEN, abs=0.1)
        assert sound.seconds - announced.end == pytest.approx(10.0, abs=0.4 + slack)
    elif name == "record_call_speak":
        (tone,) = sound.sounding()
        assert sound.hz(within=tone) == pytest.approx(VOICE, abs=5)
        assert tone.seconds == pytest.approx(SPOKEN, abs=0.1)
        assert 10.5 < sound.seconds < 13.5 + slack


def check_variables(name: str, found: Any, url_of: str) -> None:
    """The out variables of the example's own recording."""
    method = OWN[name]
    assert found[f"{method}_result"] == "success"
    assert found[f"{method}_url"].startswith(url_of)
    if name in {"record_call_both", "record_call_speak"}:
        assert found["stop_record_call_result"] == "success"


async def test_the_examples_as_they_are(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """All at once, JSON and YAML, not a byte changed: each runs to its end, with its file and its variables."""
    numbers = {
        f"{language}{place}": (name, DATA / f"{name}.swml.{text}")
        for language, text in ((2, "json"), (3, "yaml"))
        for place, name in enumerate(EXAMPLES, 100)
    }
    daemon.changes["routes"] = [
        {"destination": f"^{number}$", "account": "acme", "document": str(path)}
        for number, (_, path) in numbers.items()
    ]
    await daemon.start()
    calls: dict[str, Call] = {}
    for number, (name, _) in numbers.items():
        calls[number] = await switch.call(number, script=SCRIPTS[name])
    ends = await asyncio.gather(*(call.ended(90) for call in calls.values()))
    assert set(ends) == {"NORMAL_CLEARING"}
    await daemon.until(lambda: daemon.unfinished() == [], 20)
    for number, call in calls.items():
        name, _ = numbers[number]
        (url,) = recorded(daemon, call.leg)
        if name != "record_call_mp3":  # whose one step is its last
            found = variables(daemon, call.leg)
            check_variables(name, found, url)
        sound = await served(daemon, url, tmp_path / f"{number}.{'mp3' if name.endswith('mp3') else 'wav'}")
        judge(name, sound, late(switch))


async def test_a_message_is_recorded_and_played_back(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Seed 000 with ears: announcement, beep, the caller's message, and the caller hears that message again."""
    daemon.document.write_text(watched(kept("record", "json"), daemon.receiver))
    await daemon.start()
    call = await switch.call(script=MESSAGE)
    ends = {end["record"]["audio"]["direction"]: end for end in await callbacks.ends(2, 60)}
    assert await call.ended() == "NORMAL_CLEARING"
    said, heard = ends["speak"], ends["listen"]
    assert callbacks.states(said["control_id"]) == ["recording", "finished"]
    message = await served(daemon, said["url"], tmp_path / "message.wav")
    judge("record", message, late(switch))
    assert said["duration"] == pytest.approx(message.seconds, abs=0.001)
    ear = await served(daemon, heard["url"], tmp_path / "heard.wav")
    beep, *_ = [interval for interval in heard_at(ear, BEEP_HZ) if interval.seconds > 0.3]
    assert said["start_time"] - heard["start_time"] == pytest.approx(beep.end, abs=0.15 + late(switch))
    assert ear.sounding()[0].start < beep.start - 1.0, "nothing was announced"
    again = spoken(ear)
    assert again == [pytest.approx(SPOKEN, abs=0.1)]
    assert heard_at(ear, VOICE)[-1].start > beep.end + message.seconds
    check_everything(daemon, "record", callbacks)


@pytest.mark.parametrize("name", ["record_call_both", "record_call_speak"])
async def test_a_call_is_recorded_stopped_and_played_back(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, name: str
) -> None:
    """Seed 001 with ears: what was recorded until the stop is what the caller hears after it."""
    daemon.document.write_text(watched(kept(name, "json"), daemon.receiver))
    await daemon.start()
    call = await switch.call(script=REMARK)
    ends = {end["record"]["audio"]["direction"]: end for end in await callbacks.ends(2, 60)}
    assert await call.ended() == "NORMAL_CLEARING"
    own, heard = ends["both" if name.endswith("both") else "speak"], ends["listen"]
    recorded = await served(daemon, own["url"], tmp_path / "own.wav")
    judge(name, recorded, late(switch))
    ear = await served(daemon, heard["url"], tmp_path / "heard.wav")
    assert spoken(ear) == [pytest.approx(SPOKEN, abs=0.1)]
    tone, replayed = heard_at(recorded, VOICE)[-1], heard_at(ear, VOICE)[-1]
    assert ear.seconds - replayed.end == pytest.approx(recorded.seconds - tone.end, abs=0.4 + late(switch))
    check_everything(daemon, name, callbacks)


async def test_an_mp3_of_the_call(daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path) -> None:
    """Seed 001's first example on a call that goes on for two seconds: an mp3, tagged with its length."""
    document = orjson.loads(kept("record_call_mp3", "json"))
    document["sections"]["main"][0]["record_call"]["status_url"] = daemon.receiver.url("/status")
    document["sections"]["main"].append({"sleep": 2000})
    daemon.document.write_bytes(orjson.dumps(document))
    await daemon.start()
    call = await switch.call(script=(Tone(9.0, VOICE),))
    (end,) = await callbacks.ends(1)
    assert await call.ended() == "NORMAL_CLEARING"
    sound = await served(daemon, end["url"], tmp_path / "call.mp3")
    assert (tagged(tmp_path / "call.mp3").codec, end["record"]["format"]) == ("mp3float", "mp3")
    assert sound.seconds == pytest.approx(2.0, abs=0.1 + late(switch))
    assert tagged(tmp_path / "call.mp3").seconds == pytest.approx(end["duration"], abs=0.05)
    assert sound.hz() == pytest.approx(VOICE, abs=5)
    assert [problem for request in daemon.receiver.to("/status") for problem in wrong(request.json)] == []


def check_everything(daemon: Daemon, name: str, callbacks: Callbacks) -> None:
    """Callbacks against the reference's rows, and the variables as the document itself told them at its end."""
    for request in daemon.receiver.to("/status"):
        assert wrong(request.json) == []
    (told,) = daemon.receiver.to("/vars")
    check_variables(name, told.json, f"{daemon.url}/api/v1/recordings/")
    assert set(callbacks.states("heard")) == {"recording", "finished"}


async def test_each_direction_holds_its_side(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """By tone: `speak` the caller alone, `listen` what was played alone, `both` the two, stereo one on each side."""
    played = 1200.0
    daemon.receiver.plan("/tone.wav", audio_file((Tone(2.0, played),)))
    daemon.say(
        record_call(daemon.receiver, "speak", direction="speak"),
        record_call(daemon.receiver, "listen", direction="listen"),
        record_call(daemon.receiver, "both", direction="both"),
        record_call(daemon.receiver, "stereo", direction="both", stereo=True),
        {"play": {"url": daemon.receiver.url("/tone.wav")}},
        {"hangup": {}},
    )
    await daemon.start()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    ends = {end["control_id"]: end for end in await callbacks.ends(4)}
    assert await call.ended() == "NORMAL_CLEARING"
    sounds = {name: await served(daemon, end["url"], tmp_path / f"{name}.wav") for name, end in ends.items()}
    assert {name: sound.channels for name, sound in sounds.items()} == {
        "speak": 1,
        "listen": 1,
        "both": 1,
        "stereo": 2,
    }
    sides = {("speak", 0): (True, False), ("listen", 0): (False, True), ("both", 0): (True, True)}
    sides |= {("stereo", 0): (True, False), ("stereo", 1): (False, True)}
    for (name, channel), expected in sides.items():
        sound = sounds[name]
        heard = [level(sound, hz, channel) > 0.02 for hz in (VOICE, played)]
        assert tuple(heard) == expected, (name, channel)
        for hz, there in zip((VOICE, played), expected, strict=True):
            assert there or level(sound, hz, channel) < 0.001, (name, channel, hz)
    for name, channel in (("listen", 0), ("stereo", 1)):
        (tone,) = heard_at(sounds[name], played, channel)
        assert tone.seconds == pytest.approx(2.0, abs=0.1)


async def test_callbacks_of_all_five_states_keep_the_references_rows(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """Real ones: started, paused, resumed, finished; nobody spoke; the file was lost. Each field by its row."""
    url = daemon.receiver.url("/status")
    silent = daemon.directory / "silent.swml.json"
    silent.write_bytes(
        orjson.dumps({"sections": {"main": [{"record": {"status_url": url, "initial_timeout": 1.0}}]}})
    )
    lost = daemon.directory / "lost.swml.json"
    lost.write_bytes(
        orjson.dumps(
            {"sections": {"main": [record_call(daemon.receiver, "lost"), {"sleep": 600}, {"stop_record_call": {}}]}}
        )
    )
    daemon.say(record_call(daemon.receiver), FOREVER)
    daemon.changes["routes"] = [
        {"destination": f"^{number}$", "account": "acme", "document": str(path)}
        for number, path in (("1001", daemon.document), ("1002", silent), ("1003", lost))
    ]
    await daemon.start()
    whole = await switch.call("1001", script=(Tone(30.0),))
    began = await callbacks.wait("recording")
    await switch.call("1003", script=(Tone(30.0),))
    doomed = await callbacks.wait("recording", "lost")
    (switch.recordings / f"{doomed['recording_id']}.wav").unlink()
    await callbacks.wait("error", "lost")
    quiet = await switch.call("1002")
    steps: list[tuple[str, dict[str, Any]]] = [("pause", {"behavior": "skip"}), ("resume", {}), ("stop", {})]
    for told, (command, more) in enumerate(steps, 2):
        await daemon.command(began["call_id"], f"calling.record.{command}", control_id="rec", **more)
        await daemon.receiver.wait(lambda request: request.json["params"]["control_id"] == "rec", told)
    assert callbacks.states() == ["recording", "paused", "recording", "finished"]
    assert await quiet.ended(20) == "NORMAL_CLEARING"
    await daemon.until(lambda: "no_input" in [params["state"] for params in callbacks.params()])
    await whole.hangup()
    requests = daemon.receiver.to("/status")
    assert {request.json["params"]["state"] for request in requests} == ALWAYS
    for request in requests:
        assert request.header("Content-Type") == "application/json"
        assert wrong(request.json) == [], request.json
