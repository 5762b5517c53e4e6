"""Whole calls whose words come back as text: heard by the real engine, through silence, faults and restarts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from controller import app
from controller.dialects.swml import SwmlDialect
from controller.documents.dialect import Account
from controller.recordings.model import (
    Delivery,
    Owner,
    Recording,
    RecordingRequest,
    StatusTarget,
    Transcription,
    TranscriptionWish,
)
from controller.softswitch.script import Hangup, Pcm, Script, Silence, Speech
from controller.transcription.events import TranscriptionBegun
from tests.harness.receiver import Receiver
from tests.harness.speech import need_speech, spoken, word_error_rate
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Daemon
from tests.scenarios.sentences import SENTENCES

TEXT = "/text"
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


@pytest.fixture
def wished(daemon: Daemon, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has the words of every recording of a started daemon wished for, and told to the receiver as JSON."""

    def transcribed(_: SwmlDialect, one: Transcription, of: Recording, account: Account) -> Delivery | None:
        assert one.target is not None
        body = orjson.dumps({"text": one.text, "error": one.error, "call": of.owner.call, "leg": of.owner.leg})
        headers = (("Content-Type", "application/json"),)
        return Delivery(f"text-{of.id}", account.name, "swml", "POST", one.target.url, headers, body)

    def wish() -> None:
        service = daemon.app.recordings if daemon.app is not None else None
        assert service is not None
        start = service.start

        async def start_with_it(owner: Owner, request: RecordingRequest, **options: Any) -> Recording:
            wanted = TranscriptionWish(StatusTarget(receiver.url(TEXT)))
            return await start(owner, replace(request, transcription=wanted), **options)

        monkeypatch.setattr(service, "start", start_with_it)

    monkeypatch.setattr(SwmlDialect, "transcribed", transcribed)
    daemon.changes["transcription"] = {"engine": "moonshine", "workers": 4}
    return wish


def say(daemon: Daemon) -> None:
    """The caller's side of the call is recorded until the caller hangs up."""
    daemon.say({"record_call": {"direction": "speak", "format": "wav"}}, {"sleep": 60_000})


async def call(switch: Switch, *script: Any) -> Call:
    """A caller who says something and hangs up."""
    steps: Script = (*script, Silence(0.3), Hangup())
    return await switch.call(script=steps)


async def texts(receiver: Receiver, count: int = 1, timeout: float = 200.0) -> dict[str, dict[str, str]]:
    """What was told of transcriptions, by the leg of the call."""
    requests = await receiver.wait(TEXT, count, timeout)
    return {request.json["leg"]: request.json for request in requests}


@pytest.mark.timeout(300)  # the engine makes way for all that runs on the machine, other tests included
async def test_words_come_back(
    daemon: Daemon, switch: Switch, receiver: Receiver, wished: Callable[[], None]
) -> None:
    """Ten of fifty sentences, drawn anew at each run, said at 8 kHz: at most a quarter of the words are wrong."""
    need_speech()
    seed = random.randrange(2**32)  # noqa: S311 - not for secrets
    drawn = random.Random(seed).sample(SENTENCES, DRAWN)  # noqa: S311
    say(daemon)
    await daemon.start()
    wished()
    said: dict[str, str] = {}
    for sentence in drawn:
        made = await call(switch, Silence(0.6), Pcm(spoken(sentence).tobytes()))
        said[made.leg] = sentence
    told = await texts(receiver, DRAWN)
    assert [one["error"] for one in told.values()] == [""] * DRAWN, f"seed {seed}: {told}"
    rates = {leg: word_error_rate(sentence, told[leg]["text"]) for leg, sentence in said.items()}
    mean = sum(rates.values()) / DRAWN
    heard = "\n".join(f"{rates[leg]:.0%} {sentence!r} → {told[leg]['text']!r}" for leg, sentence in said.items())
    assert mean < MOST, f"seed {seed}: {mean:.1%} of the words are wrong\n{heard}"


async def test_what_can_not_be_understood(
    daemon: Daemon, switch: Switch, receiver: Receiver, wished: Callable[[], None]
) -> None:
    """A silent caller, and one of a moment: an error each is told, and the calls are unharmed."""
    say(daemon)
    engine = Gated()
    engine.gate.set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "engine_of", lambda *_, **__: engine)
        await daemon.start()
    wished()
    silent = await call(switch, Silence(1.5))
    short = await call(switch)
    assert await silent.ended(timeout=20) == "NORMAL_CLEARING"
    assert await short.ended(timeout=20) == "NORMAL_CLEARING"
    told = await texts(receiver, 2)
    assert told[silent.leg]["error"] == "nothing was said: the recording is silent"
    assert "0.5 s are the least" in told[short.leg]["error"]
    assert daemon.unfinished() == []


async def test_through_a_restart(
    daemon: Daemon, switch: Switch, receiver: Receiver, wished: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that stops amid a transcription leaves it to the next one, which tells it, once."""
    say(daemon)
    engine = Gated()
    monkeypatch.setattr(app, "engine_of", lambda *_, **__: engine)
    await daemon.start()
    wished()
    made = await call(switch, Speech(1.0))
    await daemon.until(lambda: bool(daemon.seen(TranscriptionBegun)), timeout=20)
    await daemon.stop()
    assert receiver.to(TEXT) == []
    engine.gate.set()
    await daemon.start()
    told = await texts(receiver)
    assert told[made.leg]["text"] == "Hello."
    await daemon.until(daemon.quiet)
    assert len(receiver.to(TEXT)) == 1
