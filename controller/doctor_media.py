"""What becomes of sound on this machine and what it is asked to be: encoders, voices."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from controller.doctor_findings import Finding, ok, problem, warning
from controller.media import wav
from controller.media.encoders import Encoders, Unencodable
from controller.media.job import Job
from controller.recordings.ports import MediaAway
from controller.settings import SpeechSettings

VOICES = {"flite": frozenset({"kal", "kal16", "slt", "rms", "awb"})}
"""The voices of the engines whose voices are known (mod_flite.c: it has no others, upper and lower case are one)."""

FORMATS = ("mp3", "mp4")
STALL = 30.0
"""Seconds that a process may take to load FFmpeg and encode a moment of silence; it takes a tenth of one."""

_RATE, _FRAMES = 8000, 800


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
        source.write_bytes(wav.header(_RATE, 1, _FRAMES) + bytes(2 * _FRAMES))
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
