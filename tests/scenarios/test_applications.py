"""The documents that we ship, as applications on whole calls: what their callers do, and what comes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.softswitch.script import Digits, Script, Silence, Tone
from controller.telemetry import RecordingStarted
from tests.dialects.swml.callback_fields import wrong
from tests.harness.audio import read_wav
from tests.harness.receiver import Answer
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Callbacks, Daemon, late, swml
from tests.scenarios.swml_runs import heard_at

DOCUMENTS = Path(__file__).parents[2] / "dialplans" / "documents"
SHIPPED = "http://127.0.0.1:9000"
"""The application's address in the documents."""

VOICE = 440.0
LONG: Script = (Tone(60.0, VOICE),)


def route(daemon: Daemon, name: str) -> None:
    """Give destination 1001 a document of ours, as it is but for the application's address."""
    text = (DOCUMENTS / f"{name}.swml.yaml").read_text()
    assert SHIPPED in text
    daemon.document.write_text(text.replace(SHIPPED, daemon.receiver.url("")))


def told(daemon: Daemon) -> list[dict[str, Any]]:
    """The recordings' callbacks, each right by the reference's rows."""
    events = [request.json for request in daemon.receiver.to("/recording-status")]
    assert [problem for event in events for problem in wrong(event)] == []
    return [event["params"] for event in events]


@pytest.fixture
def callbacks(daemon: Daemon) -> Callbacks:
    """Those of our documents go to another path."""
    return Callbacks(daemon.receiver, "/recording-status")


async def test_voicemail(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """A message ended by hash is told to the mailbox with its URL, and is an mp3 there."""
    route(daemon, "voicemail")
    await daemon.start()
    call = await switch.call(script=(Silence(10.0), Tone(1.5, VOICE), Silence(0.3), Digits("#")))
    (end,) = await callbacks.ends(1, 60)
    (kept,) = await daemon.receiver.wait("/mailbox")
    assert await call.ended(20) == "NORMAL_CLEARING"
    assert kept.json == {"from": "15551230000", "to": "1001", "message": end["url"]}
    assert (end["state"], end["record"]["format"]) == ("finished", "mp3")
    assert [params["state"] for params in told(daemon)] == ["recording", "finished"]


async def test_voicemail_without_a_word(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Nobody speaks: the recording tells no_input, the mailbox is told nothing, and the call ends by itself."""
    route(daemon, "voicemail")
    await daemon.start()
    call = await switch.call()
    (end,) = await callbacks.ends(1, 60)
    assert await call.ended(20) == "NORMAL_CLEARING"
    assert end["state"] == "no_input"
    assert daemon.receiver.to("/mailbox") == []
    told(daemon)


async def test_a_menu(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Two leads to the message, pressed while the menu plays; no key at all leads to the end, after three times."""
    route(daemon, "menu")
    await daemon.start()
    call = await switch.call(script=(Silence(1.5), Digits("2"), Tone(60.0, VOICE)))
    began = await callbacks.receiver.wait("/recording-status", timeout=30)
    assert began[0].json["params"]["state"] == "recording"
    await call.hangup()
    (end,) = await callbacks.ends(1)
    assert end["state"] == "finished"
    silent = await switch.call()
    assert await silent.ended(60) == "NORMAL_CLEARING"
    assert len(callbacks.params()) == len(told(daemon)) == 2


async def pressed(call: Call, digit: str, true: Callable[[], bool]) -> None:
    """Press a key until it has done what it does: a prompt takes none before it is heard."""
    async with asyncio.timeout(60):
        while not true():
            await call.press(digit)
            await asyncio.sleep(0.5)


async def test_a_message_that_is_spoken_anew(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """Two speaks again, one keeps: what is kept is the second take."""
    route(daemon, "review")
    await daemon.start()
    call = await switch.call(script=LONG)
    await daemon.until(lambda: len(daemon.seen(RecordingStarted)) == 1, 60)
    await asyncio.sleep(1.0)  # the message
    await call.press("#")
    await pressed(call, "2", lambda: len(daemon.seen(RecordingStarted)) == 2)
    await asyncio.sleep(1.0)
    await call.press("#")
    await pressed(call, "1", lambda: daemon.receiver.to("/keep") != [])
    (kept,) = daemon.receiver.to("/keep")
    assert await call.ended(20) == "NORMAL_CLEARING"
    assert str(kept.json["takes"]) == "2"
    _, second = daemon.seen(RecordingStarted)
    assert second.recording in kept.json["message"]
    assert await daemon.fetch(kept.json["message"], tmp_path / "kept.wav") == 200
    (tone,) = heard_at(read_wav(tmp_path / "kept.wav"), VOICE)
    assert tone.seconds > 0.5


async def test_a_recorded_line(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Two recordings; one ends by its own key or the stop, the other goes on in another application's document."""
    route(daemon, "recorded_line")
    support = swml({"sleep": 1500}, {"stop_record_call": {"control_id": "whole"}}, {"hangup": {"reason": "busy"}})
    daemon.receiver.plan("/support", Answer(200, support.encode()))
    await daemon.start()
    call = await switch.call(script=LONG)
    ends = {end["control_id"]: end for end in await callbacks.ends(2, 60)}
    assert await call.ended(20) == "USER_BUSY"
    (asked,) = daemon.receiver.to("/support")
    assert asked.json["params"] == {"order_recording": ends["caller"]["url"]}
    assert asked.json["vars"]["record_control_id"] == "caller"
    whole, caller = ends["whole"], ends["caller"]
    assert (whole["record"]["format"], whole["record"]["audio"]["stereo"]) == ("mp3", True)
    assert (caller["record"]["format"], caller["record"]["audio"]["direction"]) == ("wav", "speak")
    assert whole["duration"] - caller["duration"] > 1.4
    told(daemon)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Answer(200, json.dumps({"decision": "accept"}).encode(), {"Content-Type": "application/json"}), "recorded"),
        (Answer(200, json.dumps({"decision": "refuse"}).encode(), {"Content-Type": "application/json"}), "USER_BUSY"),
        (Answer(500), "recorded"),
    ],
    ids=["accepted", "refused", "no answer"],
)
async def test_screening(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, answer: Answer, cause: str
) -> None:
    """The application hears the name and decides; where it does not, a message is taken."""
    route(daemon, "screening")
    daemon.receiver.plan("/screening", answer)
    await daemon.start()
    call = await switch.call(script=(Silence(4.5), Tone(1.0, VOICE), Silence(0.2), Digits("5"), Tone(6.0, VOICE)))
    (asked,) = await daemon.receiver.wait("/screening", timeout=30)
    assert asked.json["spoke"] == "success"
    assert await daemon.fetch(asked.json["name"], tmp_path / "name.wav") == 200
    (tone,) = heard_at(read_wav(tmp_path / "name.wav"), VOICE)
    assert tone.seconds == pytest.approx(1.0, abs=0.1)
    ended = await call.ended(60)
    if cause == "recorded":
        (end,) = await callbacks.ends(1)
        assert (ended, end["state"]) == ("NORMAL_CLEARING", "finished")
    else:
        assert ended == cause
        assert callbacks.params() == []
    told(daemon)


async def test_a_whisper(daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path) -> None:
    """One takes the call: the recording begins after it and holds nothing of the whisper; another key declines."""
    route(daemon, "whisper")
    await daemon.start()
    taken = await switch.call(script=(Silence(1.0), Digits("1"), *LONG))
    (end,) = await callbacks.ends(1, 60)
    assert await taken.ended(20) == "NORMAL_CLEARING"
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    sound = read_wav(tmp_path / "got.wav")
    assert sound.channels == 2
    assert len(sound.sounding(1, gap=0.6)) <= 2  # the digit that is sent, and the one sentence; then two seconds
    assert sound.seconds - sound.sounding(1)[-1].end == pytest.approx(2.0, abs=0.4 + late(switch))
    declined = await switch.call(script=(Silence(1.0), Digits("3")))
    assert await declined.ended(20) == "CALL_REJECTED"
    assert [params["state"] for params in told(daemon)] == ["recording", "finished"]
