"""Whether the engine that the settings name for transcriptions can be had."""

from __future__ import annotations

import tempfile
from pathlib import Path

from controller.doctor.findings import Finding, ok, problem
from controller.media import wav
from controller.settings import TranscriptionSettings
from controller.transcription import engines, moonshine
from controller.transcription.moonshine import Moonshine
from controller.transcription.ports import TranscriptionFailed

STALL = 30.0
"""Seconds that a process may take to load the engine and hear a moment of silence; it takes half of one."""
_RATE, _FRAMES = 8000, 8000
_SUBJECT = "transcription"


async def engine(settings: TranscriptionSettings) -> Finding:
    """Have the engine hear a moment of silence where it is on this machine; connect to it where it is not."""
    match settings.engine:
        case "none":
            return ok(_SUBJECT, "there is no engine: where a transcription is asked for, it fails")
        case "moonshine":
            return await _moonshine()
    url = settings.url or ""
    why = await engines.unreachable(url)
    if why is not None:
        what = f"{url} can't be connected to: {why}"
        return problem(f"{_SUBJECT}.url", what, "start that server, or correct transcription.url")
    return ok(f"{_SUBJECT}.url", f"{url} can be connected to; nothing was sent there")


async def _moonshine() -> Finding:
    why = moonshine.missing()
    if why is not None:
        what = "the moonshine engine is not installed, so every transcription fails"
        return problem(f"{_SUBJECT}.engine", what, moonshine.INSTALL)
    trial = Moonshine(stall=STALL)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "silence.wav"
        path.write_bytes(wav.header(_RATE, 1, _FRAMES) + bytes(2 * _FRAMES))
        try:
            await trial.transcribe(path, _FRAMES / _RATE, lambda _: None)
        except TranscriptionFailed as failure:
            fix = f"install it anew: {moonshine.INSTALL}"
            return problem(f"{_SUBJECT}.engine", f"the moonshine engine does not work: {failure}", fix)
        finally:
            await trial.close()
    return ok(f"{_SUBJECT}.engine", "moonshine hears")
