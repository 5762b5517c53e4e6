"""controller/transcription/refusals.py: the seed's limits, and files that are not what their recording says."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.media import wav
from controller.recordings.model import Absence, Measured, Recording, State
from controller.transcription import refusals
from tests.store.values import recording
from tests.transcription.wavs import tone, write

SEED = """With Transcription
Get automatic speech-to-text:- English only
- Duration: 500ms to 4 hours
- File size: under 2GB
"""


def done(seconds: float = 5.0, **changes: Any) -> Recording:
    return recording(state=State.COMPLETED, measured=Measured(seconds, 1000), **changes)


@pytest.mark.parametrize("seconds", [0.5, 5.0, 4 * 3600.0])
def test_duration(seconds: float) -> None:
    """`Duration: 500ms to 4 hours`: both ends are within."""
    assert "Duration: 500ms to 4 hours" in SEED
    assert refusals.of_recording(done(seconds)) is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (done(0.499), "the recording has 0.50 s; 0.5 s are the least that is transcribed"),
        (done(0.0), "the recording has 0.00 s; 0.5 s are the least"),
        (done(4 * 3600.0 + 60), "the recording has 4.02 h; 4 h are the most that is transcribed"),
        (replace(done(), state=State.FAILED, error="/srv/rec is no directory"), "the recording failed"),
        (replace(done(), state=State.ABSENT, absence=Absence.SILENT), "nothing was said: the recording is silent"),
        (replace(done(), state=State.ABSENT, absence=Absence.TOO_SHORT), "the recording is too short, or empty"),
        (replace(done(), measured=None), "the recording has no file"),
        (replace(done(), deleted_at=1.0), "the recording was deleted"),
    ],
)
def test_recordings(found: Recording, words: str) -> None:
    """What is not transcribed says why, and nothing of this machine."""
    refused = refusals.of_recording(found)
    assert refused is not None
    assert words in refused
    assert "/srv" not in refused


def test_no_input_is_heard_all_the_same() -> None:
    """One that ended by its initial silence may have a word in it that was no speech to the switch."""
    assert refusals.of_recording(replace(done(), state=State.NO_INPUT)) is None


def test_a_good_file(tmp_path: Path) -> None:
    """Finished, as long as was measured, with a sound on one of its channels."""
    path = write(tmp_path / "a.wav", np.zeros(8000, np.int16), tone(1.0))
    assert refusals.of_file(path, 1.0) is None
    assert refusals.of_file(path, 1.01) is None


def test_file_size(tmp_path: Path) -> None:
    """`File size: under 2GB`: the last byte that may be, and the first that may not."""
    assert "File size: under 2GB" in SEED
    path = write(tmp_path / "a.wav", tone(1.0))
    os.truncate(path, 1_999_999_999)
    assert refusals.of_file(path, 1.0) is None
    os.truncate(path, 2_000_000_000)
    assert (
        refusals.of_file(path, 1.0) == "the recording's file has 2000000000 bytes; it must have fewer than 2000000000"
    )


def test_files(tmp_path: Path) -> None:
    """A file that is silent, truncated, missing, or no recording."""
    silent = write(tmp_path / "silent.wav", np.zeros(8000, np.int16))
    assert refusals.of_file(silent, 1.0) == "nothing was said: the recording is silent"
    hiss = write(tmp_path / "hiss.wav", (np.random.default_rng(1).standard_normal(8000) * 20).astype(np.int16))
    assert refusals.of_file(hiss, 1.0) == "nothing was said: the recording is silent"
    short = write(tmp_path / "short.wav", tone(2.0))
    os.truncate(short, 44 + 16000)
    assert refusals.of_file(short, 2.0) == "the recording's file is truncated: 1.00 of 2.00 s are there"
    assert refusals.of_file(tmp_path / "missing.wav", 1.0) == "the recording's file is missing"
    (tmp_path / "text.wav").write_text("x" * 100)
    assert "not with RIFF and WAVE" in str(refusals.of_file(tmp_path / "text.wav", 1.0))
    (tmp_path / "link.wav").symlink_to("/etc/passwd")
    assert "is a symbolic link" in str(refusals.of_file(tmp_path / "link.wav", 1.0))
    assert "no regular file" in str(refusals.of_file(tmp_path, 1.0))
    (tmp_path / "empty.wav").write_bytes(wav.header(8000, 1, 0))
    assert refusals.of_file(tmp_path / "empty.wav", 0.0) == "nothing was said: the recording is silent"
