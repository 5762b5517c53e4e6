"""fsrec doctor on sound: encoders that do their work, voices that there are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from controller.doctor import examine, media
from controller.doctor.findings import Finding, Level
from controller.media.played import DIRECTORY
from controller.settings import SpeechSettings
from tests.doctor_fake import bad, fake, leftovers, look, made
from tests.harness.live import LiveSwitch


def judged(**speech: Any) -> list[Finding]:
    return list(media.voices(SpeechSettings.model_validate(speech)))


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
    (found,) = await media.encoders()
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
    found = await media.encoders((sys.executable, "-c", program))
    assert [(one.level, one.subject) for one in found] == [
        (Level.PROBLEM, "encoder mp3"),
        (Level.PROBLEM, "encoder mp4"),
    ]
    assert all(words in one.what and "pip install av" in one.fix for one in found)


async def test_no_program() -> None:
    """A process that can't be started at all is told, not raised."""
    found = await media.encoders(("/nonexistent/python",))
    assert {one.level for one in found} == {Level.PROBLEM}


# What a switch plays that was made here


@pytest.mark.parametrize(
    ("said", "words"),
    [("+OK Success\n", "can play"), ("-ERR uuid_displace Command not found!\n", "can't be asked")],
)
async def test_playing(tmp_path: Path, said: str, words: str) -> None:
    """A sound is made as documents' are, opened by a leg of ours, and nothing of it stays behind."""
    async with fake(tmp_path, answers={"uuid_displace": said}) as (switch, settings):
        findings = await look(settings)
    (found,) = [one for one in findings if one.subject == "fs1 playing"]
    assert (found.level, words in found.what) == (Level.OK, True)
    (asked,) = [text for text in switch.heard if text.startswith("uuid_displace")]
    assert f" start {tmp_path}/recordings/{DIRECTORY}/" in asked
    assert leftovers(tmp_path) == []


async def test_not_playable_there(tmp_path: Path) -> None:
    """A switch that can't open what is made here: who owns it, and what lets both read; others' files stay."""
    shelf = tmp_path / "recordings" / DIRECTORY
    shelf.mkdir(parents=True)
    (shelf / "other.wav").write_bytes(b"x")
    async with fake(tmp_path, answers={"uuid_displace": "-ERR Cannot displace session!\n"}) as (_, settings):
        found = bad(await look(settings), "fs1 playing")
    assert (found.level, "rw" in found.what, "chmod 2770" in found.fix) == (Level.WARNING, True, True)
    assert [path.name for path in shelf.iterdir()] == ["other.wav"]


async def test_no_directory_to_play_from(tmp_path: Path) -> None:
    """Where no sound can be made, that is said with the mode that is needed, and the switch is not asked."""
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / DIRECTORY).write_text("mine")
    async with fake(tmp_path) as (switch, settings):
        found = bad(await look(settings), "fs1 playing")
    assert (found.level, f"chmod 2770 {tmp_path}/recordings" in found.fix) == (Level.WARNING, True)
    assert not any(text.startswith("uuid_displace") for text in switch.heard)
    assert (tmp_path / "recordings" / DIRECTORY).read_text() == "mine"


@pytest.mark.live
async def test_live_playing(tmp_path: Path, live: LiveSwitch) -> None:
    """A real FreeSWITCH opens what is made in its directory, and says so of one that it sees elsewhere."""
    address = live.direct
    settings = made(tmp_path, address.port, password=address.password)
    for path, level in ((tmp_path / "recordings", Level.OK), (tmp_path / "elsewhere", Level.WARNING)):
        there = settings.switches[0].model_copy(update={"switch_path": str(path)})
        findings = await examine(settings.model_copy(update={"switches": (there,)}), heartbeat=0)
        assert [one.level for one in findings if one.subject == "fs1 playing"] == [level]
    assert leftovers(tmp_path) == []
