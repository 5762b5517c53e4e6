"""fsrec doctor on sound: encoders that do their work, voices that there are."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from controller import doctor_media
from controller.doctor_findings import Finding, Level
from controller.settings import SpeechSettings


def judged(**speech: Any) -> list[Finding]:
    return list(doctor_media.voices(SpeechSettings.model_validate(speech)))


def test_voices() -> None:
    """Voices that the engine has are ok, upper or lower case; of an unknown engine that is said."""
    (found,) = judged(voice="SLT", voices={"male": "rms", "en-GB": "awb"})
    assert (found.level, found.what) == (Level.OK, "flite with SLT, rms, awb")
    (found,) = judged(engine="cepstral", voice="Allison-8k")
    assert (found.level, "not known" in found.what) == (Level.OK, True)
    (found,) = judged(engine="none")
    assert (found.level, "there is none" in found.what) == (Level.OK, True)


def test_voices_that_there_are_not() -> None:
    """Each voice that flite hasn't is named with its key and those that it has."""
    found = judged(voice="Polly.Salli", voices={"male": "rms", "de-DE": "vicki"})
    assert [(one.level, one.subject) for one in found] == [
        (Level.WARNING, "speech.voice"),
        (Level.WARNING, "speech.voices.de-DE"),
    ]
    assert all("awb, kal, kal16, rms, slt" in one.fix for one in found)


async def test_encoders() -> None:
    """An mp3 and an mp4 are really made, by a process as the daemon starts them."""
    (found,) = await doctor_media.encoders()
    assert found.level is Level.OK


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit(3)", "ended with status 3"),
        ('print(\'{"failed": "ModuleNotFoundError: av", "fault": "encoder"}\')', "ModuleNotFoundError: av"),
        ('print(\'{"failed": "no room", "fault": "target"}\')', "no room"),
        ('print(\'{"failed": "odd", "fault": "source"}\')', "odd"),
    ],
)
async def test_no_encoders(program: str, words: str) -> None:
    """A process that ends, that lacks PyAV, or that has no room is a problem for each format, with the fix."""
    found = await doctor_media.encoders((sys.executable, "-c", program))
    assert [(one.level, one.subject) for one in found] == [
        (Level.PROBLEM, "encoder mp3"),
        (Level.PROBLEM, "encoder mp4"),
    ]
    assert all(words in one.what and "pip install av" in one.fix for one in found)


async def test_no_program() -> None:
    """A process that can't be started at all is told, not raised."""
    found = await doctor_media.encoders(("/nonexistent/python",))
    assert {one.level for one in found} == {Level.PROBLEM}
