"""Whole calls whose words come back as text: heard by the real engine, through silence, faults and restarts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from plivo import plivoxml

from controller.calls.events import CallTaken
from controller.composition import aftermath
from controller.softswitch.script import Digits, Hangup, Pcm, Script, Silence, Speech
from controller.transcription.events import TranscriptionBegun
from tests.harness.speech import need_speech, spoken, word_error_rate
from tests.harness.switch import Call, Switch
from tests.scenarios.sentences import SENTENCES
from tests.scenarios.test_plivo_wire import Application, app

__all__ = ["app"]  # pytest finds it by its name

TEXT = "/text/"
COLUMNS = {
    *(
        "transcription",
        "transcription_charge",
        "transcription_rate",
        "duration",
        "call_uuid",
        "recording_id",
        "error",
    ),
}
"""Seed 003, "Transcription URL Parameters"."""
DRAWN = 10
MOST = 0.25
"""Of the words that a caller says, how many may come back wrong (issue 5)."""


@dataclass(slots=True)
class Gated:
    """An engine that hears nothing before its gate is opened."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def transcribe(self, wav: Path, seconds: float, progress: Callable[[float], None]) -> str:
        progress(0.1)
        await self.gate.wait()
        return "Hello."

    async def close(self) -> None:
        """Nothing to close."""


def wanted(app: Application, workers: int = 4) -> None:
    """A message's words are wanted: seed 003, "transcriptionType | string | - | Set to auto for transcription"."""
    made = plivoxml.ResponseElement()
    made.add(
        plivoxml.RecordElement(
            file_format="wav",
            play_beep=False,
            transcription_type="auto",
            transcription_url=app.receiver.url(TEXT),
            callback_url=app.receiver.url("/ready/"),
        )
    )
    app.answers("/answer/", made)
    app.daemon.changes["transcription"] = {"engine": "moonshine", "workers": workers}


async def call(switch: Switch, *script: Any) -> Call:
    """A caller who says something, presses the key, and hangs up."""
    steps: Script = (*script, Silence(0.3), Digits("#"), Silence(5.0), Hangup())
    return await switch.call(script=steps)


async def texts(app: Application, count: int = 1, timeout: float = 200.0) -> dict[str, dict[str, str]]:
    """What was told of transcriptions, by the leg of the call."""
    requests = await app.receiver.wait(TEXT, count, timeout)
    app.signed()
    legs = {taken.call: taken.leg for taken in app.daemon.seen(CallTaken)}
    told = [request.form for request in requests]
    assert all(set(one) == COLUMNS for one in told)
    return {legs[one["call_uuid"]]: one for one in told}


@pytest.mark.timeout(300)  # the engine makes way for all that runs on the machine, other tests included
async def test_words_come_back(app: Application, switch: Switch) -> None:
    """Ten of fifty sentences, drawn anew at each run, said at 8 kHz: at most a quarter of the words are wrong."""
    need_speech()
    seed = random.randrange(2**32)  # noqa: S311 - not for secrets
    drawn = random.Random(seed).sample(SENTENCES, DRAWN)  # noqa: S311
    wanted(app)
    await app.start()
    said: dict[str, str] = {}
    for sentence in drawn:
        made = await call(switch, Silence(0.6), Pcm(spoken(sentence).tobytes()))
        said[made.leg] = sentence
    told = await texts(app, DRAWN)
    assert [one["error"] for one in told.values()] == [""] * DRAWN, f"seed {seed}: {told}"
    rates = {leg: word_error_rate(sentence, told[leg]["transcription"]) for leg, sentence in said.items()}
    mean = sum(rates.values()) / DRAWN
    heard = "\n".join(
        f"{rates[leg]:.0%} {sentence!r} → {told[leg]['transcription']!r}" for leg, sentence in said.items()
    )
    assert mean < MOST, f"seed {seed}: {mean:.1%} of the words are wrong\n{heard}"


async def test_what_can_not_be_understood(app: Application, switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent caller, and one of a moment: an error each is told, and the calls are unharmed."""
    wanted(app)
    engine = Gated()
    engine.gate.set()
    monkeypatch.setattr(aftermath, "engine_of", lambda *_, **__: engine)
    await app.start()
    silent = await call(switch, Silence(1.5))
    short = await call(switch)
    assert await silent.ended(timeout=20) == "NORMAL_CLEARING"
    assert await short.ended(timeout=20) == "NORMAL_CLEARING"
    told = await texts(app, 2)
    assert told[silent.leg]["error"] == "nothing was said: the recording is silent"
    assert "0.5 s are the least" in told[short.leg]["error"]
    assert all(one["transcription"] == "" for one in told.values())
    assert len(await app.receiver.wait("/ready/", 2)) == 2
    assert app.daemon.unfinished() == []


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda file: file.unlink(), id="missing"),
        pytest.param(lambda file: file.write_bytes(file.read_bytes()[:4_044]), id="truncated"),
        pytest.param(lambda file: file.write_bytes(b"RIFF" + b"\0" * 4_000), id="no-audio"),
    ],
)
async def test_a_file_that_was_lost_meanwhile(
    app: Application, switch: Switch, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None]
) -> None:
    """Issue 5: "transcription of a silent, too short, truncated or missing file: `error`, the call unharmed"."""
    wanted(app, workers=1)
    engine = Gated()
    monkeypatch.setattr(aftermath, "engine_of", lambda *_, **__: engine)
    await app.start()
    first = await call(switch, Speech(1.0))
    await app.daemon.until(lambda: bool(app.daemon.seen(TranscriptionBegun)), timeout=20)
    second = await call(switch, Speech(1.0))
    ready = await app.receiver.wait("/ready/", 2, 20)
    harm(switch.recordings / f"{ready[-1].form['RecordingID']}.wav")
    engine.gate.set()
    told = await texts(app, 2)
    assert (told[first.leg]["error"], told[first.leg]["transcription"]) == ("", "Hello.")
    assert told[second.leg]["error"] != ""
    assert told[second.leg]["transcription"] == ""
    assert await second.ended(timeout=20) == "NORMAL_CLEARING"


async def test_through_a_restart(app: Application, switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that stops amid a transcription leaves it to the next one, which tells it, once."""
    wanted(app)
    engine = Gated()
    monkeypatch.setattr(aftermath, "engine_of", lambda *_, **__: engine)
    await app.start()
    made = await call(switch, Speech(1.0))
    await app.daemon.until(lambda: bool(app.daemon.seen(TranscriptionBegun)), timeout=20)
    await app.daemon.stop()
    assert app.receiver.to(TEXT) == []
    engine.gate.set()
    await app.daemon.start()
    told = await texts(app)
    assert told[made.leg]["transcription"] == "Hello."
    await app.daemon.until(app.daemon.quiet)
    assert len(app.receiver.to(TEXT)) == 1
