"""controller/transcription.py: whether the engine that is named can be had, and what to do where it can't."""

from __future__ import annotations

import pytest

from controller.doctor.findings import Level
from controller.doctor.transcription import engine
from controller.settings import TranscriptionSettings
from controller.transcription import moonshine
from tests.harness.receiver import Receiver
from tests.harness.speech import need_engine


async def test_none() -> None:
    """Nothing is wrong without one; what it means is said."""
    finding = await engine(TranscriptionSettings())
    assert (finding.level, finding.subject) == (Level.OK, "transcription")
    assert "it fails" in finding.what


async def test_moonshine() -> None:
    """The engine is made to hear a moment of silence."""
    need_engine()
    finding = await engine(TranscriptionSettings(engine="moonshine"))
    assert (finding.level, finding.what) == (Level.OK, "moonshine hears")


async def test_moonshine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fix is what is to be typed."""
    monkeypatch.setattr(moonshine, "find_spec", lambda _: None)
    finding = await engine(TranscriptionSettings(engine="moonshine"))
    assert (finding.level, finding.fix) == (Level.PROBLEM, "pip install 'fsrec[transcription]'")
    assert "every transcription fails" in finding.what


async def test_moonshine_that_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is there and can't be used is a problem as well."""
    monkeypatch.setattr(moonshine, "find_spec", lambda _: object())
    monkeypatch.setattr(
        moonshine.Moonshine.__init__,
        "__kwdefaults__",
        {
            **(moonshine.Moonshine.__init__.__kwdefaults__ or {}),
            "command": ("/bin/false",),
        },
    )
    finding = await engine(TranscriptionSettings(engine="moonshine"))
    assert finding.level is Level.PROBLEM
    assert "does not work" in finding.what


async def test_a_server(receiver: Receiver) -> None:
    """Is connected to, and not asked anything; one that is away is a problem with its URL."""
    there = TranscriptionSettings(engine="openai", url=receiver.url("/v1"))
    assert (await engine(there)).level is Level.OK
    assert receiver.requests == []
    finding = await engine(TranscriptionSettings(engine="openai", url="http://127.0.0.1:9"))
    assert (finding.level, finding.subject) == (Level.PROBLEM, "transcription.url")
    assert "http://127.0.0.1:9 can't be connected to" in finding.what
