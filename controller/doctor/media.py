"""Sound: the voices that are named, encoders on this machine, and what a switch plays that was made here."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from controller.doctor.findings import Finding, ok, problem, warning
from controller.doctor.local import ownership, user
from controller.media import wav
from controller.media.decoders import Decoders
from controller.media.encoders import Encoders, Unencodable
from controller.media.job import Job
from controller.media.played import DIRECTORY, PlayedSounds
from controller.media.roots import Root
from controller.recordings.ports import MediaAway, NotPossible
from controller.settings import SpeechSettings, SwitchSettings
from controller.switch import commands
from controller.switch.commands_text import shown
from controller.switch.facts_replies import Refusal, refusal
from controller.switch.link import Session

VOICES = {"flite": frozenset({"kal", "kal16", "slt", "rms", "awb"})}
"""The voices of the engines whose voices are known (mod_flite.c: it has no others, upper and lower case are one)."""

FORMATS = ("mp3", "mp4")
STALL = 30.0
"""Seconds that a process may take to load FFmpeg and encode a moment of silence; it takes a tenth of one."""

JOB_SECONDS = 10.0

_RATE, _FRAMES = 8000, 800
_SILENCE = wav.header(_RATE, 1, _FRAMES) + bytes(2 * _FRAMES)


def voices(speech: SpeechSettings) -> Iterator[Finding]:
    """Compare the voices that are named with those that the engine has, where these are known."""
    if speech.engine == "none":
        yield ok("speech", "there is none: what documents say (say:…) is left out")
        return
    known = VOICES.get(speech.engine)
    named = {
        "speech.voice": speech.voice,
        **{f"speech.voices.{name}": voice for name, voice in speech.voices.items()},
    }
    wrong = {key: voice for key, voice in named.items() if known is not None and voice.lower() not in known}
    for key, voice in wrong.items():
        what = f"{speech.engine} has no voice {voice}: what it would say is not heard"
        yield warning(key, what, f"name one of {', '.join(sorted(known or ()))}")
    if not wrong:
        unknown = "" if known is not None else "; whether the engine has them is not known here"
        spoken = ", ".join(dict.fromkeys(named.values()))
        yield ok("speech", f"{speech.engine} with {spoken}{unknown}")


async def encoders(command: Sequence[str] | None = None) -> list[Finding]:
    """Let a process of its own, as the daemon starts them, make an mp3 and an mp4 of a moment of silence."""
    trials = Encoders(workers=1, tries=1, stall=STALL, command=command)
    found: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="fsrec-doctor-") as place:
        source = Path(place) / "silence.wav"
        source.write_bytes(_SILENCE)
        for form in FORMATS:
            job = Job(str(source), str(Path(place) / f"silence.{form}"), form, _FRAMES)
            try:
                await trials.encode("doctor", job)
            except (Unencodable, MediaAway, wav.ReadError) as error:
                what = f"no {form} can be made: {error}"
                fix = (
                    f"install PyAV for {sys.executable} (pip install av), with room in {tempfile.gettempdir()}; "
                    f"until then such recordings are served as wav"
                )
                found.append(problem(f"encoder {form}", what, fix))
    await trials.close()
    return found or [ok("encoders", f"{' and '.join(FORMATS)} can be made, in a process apart")]


async def playing(switch: SwitchSettings, session: Session, leg: str) -> list[Finding]:
    """Make a moment of silence as the daemon makes what documents play, and let a leg of ours open it."""
    subject, directory = f"{switch.name} playing", switch.local_path / DIRECTORY
    there = await asyncio.to_thread(directory.exists)
    decoders = Decoders(workers=1)
    sounds = PlayedSounds({switch.name: Root(switch.switch_path, switch.local_path)}, decoders)
    path = ""
    try:
        with tempfile.TemporaryDirectory(prefix="fsrec-doctor-") as place:
            source = Path(place) / "silence.wav"
            await asyncio.to_thread(source.write_bytes, _SILENCE)
            path = await sounds.made(switch.name, source, f"doctor {uuid.uuid4()}", _RATE, 0.0)
        opened = await session.job(commands.UuidDisplace(leg, path), deadline=JOB_SECONDS)
        local = directory / Path(path).name
        return [_opened(subject, local, path, opened.text)]
    except (MediaAway, NotPossible) as error:
        what = f"what documents play can't be made: {error}"
        fix = (
            f"let {user()} write {switch.local_path}: one group for its user and FreeSWITCH's, and "
            f"chmod 2770 {switch.local_path}"
        )
        return [warning(subject, what, fix)]
    finally:
        await sounds.close()
        await decoders.close()
        await asyncio.to_thread(_tidy, directory, Path(path).name, there)


def _opened(subject: str, local: Path, path: str, said: str) -> Finding:
    if said.startswith("+OK"):
        return ok(subject, f"FreeSWITCH can play what is made in {local.parent} ({ownership(local)})")
    if refusal(said) is Refusal.NO_SUCH_COMMAND:
        return ok(subject, f"sounds can be made in {local.parent}; this switch can't be asked whether it plays them")
    what = f"FreeSWITCH can't play {path}, made here as {local} ({ownership(local)}): {shown(said.strip())}"
    fix = (
        f"let FreeSWITCH's user read {local.parent}: a group of both users, with chmod 2770 {local.parent.parent}; "
        "switch_path and local_path must be one directory; mod_sndfile must be loaded"
    )
    return warning(subject, what, fix)


def _tidy(directory: Path, name: str, there: bool) -> None:
    with contextlib.suppress(OSError):
        if name:
            (directory / name).unlink(missing_ok=True)
        if not there:
            directory.rmdir()
