"""controller/media/waveform.py: exact peaks, in columns of equal time, of whatever was recorded."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.media import wav
from controller.media.cut import CHUNK_FRAMES
from controller.media.waveform import MOST_COLUMNS, Waveform, waveform
from tests.harness.audio import read_wav

Samples = npt.NDArray[np.int16]
EACH = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def written(directory: Path, samples: Samples, rate: int = 8000) -> Path:
    path = directory / "a.wav"
    path.write_bytes(wav.header(rate, samples.shape[1], len(samples)) + samples.tobytes())
    return path


def by_definition(samples: Samples, columns: int) -> tuple[bytes, ...]:
    """The greatest magnitude of every frame of which some part lies in the column's time."""
    each = Fraction(len(samples), columns)
    spans = [
        samples[math.floor(column * each) : math.ceil((column + 1) * each)].astype(int) for column in range(columns)
    ]
    return tuple(
        bytes(round(max((abs(one) for one in span[:, channel]), default=0) * 255 / 32768) for span in spans)
        for channel in range(samples.shape[1])
    )


@EACH
@given(
    frames=st.integers(0, 1500),
    channels=st.integers(1, 2),
    columns=st.integers(1, 700),
    seed=st.integers(0, 1 << 30),
    level=st.sampled_from([1, 200, 32768]),
)
def test_peaks_are_exact(tmp_path: Path, frames: int, channels: int, columns: int, seed: int, level: int) -> None:
    """Each column of each channel is the greatest magnitude in its time, also of fewer frames than columns."""
    samples = np.random.default_rng(seed).integers(-level, level, (frames, channels)).astype("<i2")
    found = waveform(written(tmp_path, samples), columns)
    assert found == Waveform(frames / 8000, by_definition(samples, columns))


@pytest.mark.parametrize("frame", [0, 1, 5000, CHUNK_FRAMES - 1, CHUNK_FRAMES, 2 * CHUNK_FRAMES + 99])
@pytest.mark.parametrize("value", [-32768, 32767])
@pytest.mark.parametrize("channel", [0, 1])
def test_one_sample_is_found(tmp_path: Path, frame: int, value: int, channel: int) -> None:
    """A single click shows, wherever it is in a column of several reads, and in its own channel alone."""
    samples = np.zeros((2 * CHUNK_FRAMES + 100, 2), "<i2")
    samples[frame, channel] = value
    peaks = waveform(written(tmp_path, samples), 1).peaks
    assert peaks[channel] == b"\xff"
    assert peaks[1 - channel] == b"\0"


def test_an_unfinished_header(tmp_path: Path) -> None:
    """A killed switch leaves sizes of nothing: what is there is shown."""
    samples = np.full((800, 1), 16384, "<i2")
    path = tmp_path / "a.wav"
    path.write_bytes(wav.header(8000, 1, 0) + samples.tobytes())
    assert not read_wav(path).finished
    assert waveform(path, 4) == Waveform(0.1, (b"\x80" * 4,))


@pytest.mark.parametrize("columns", [0, -1, MOST_COLUMNS + 1])
def test_columns_are_bounded(tmp_path: Path, columns: int) -> None:
    """Too many, or none, are refused before anything is read."""
    with pytest.raises(ValueError, match=f"1 to {MOST_COLUMNS} columns, not {columns}"):
        waveform(tmp_path / "none.wav", columns)


def test_what_is_no_recording(tmp_path: Path) -> None:
    """Links, other files and missing ones are told apart from silence."""
    (tmp_path / "text.wav").write_text("this is no audio at all")
    (tmp_path / "link.wav").symlink_to(tmp_path / "text.wav")
    for name in ("text.wav", "link.wav"):
        with pytest.raises(wav.WavError):
            waveform(tmp_path / name, 10)
    with pytest.raises(FileNotFoundError):
        waveform(tmp_path / "none.wav", 10)


def test_a_file_that_shrinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short while it is read (a disk's clearing, a foreign hand): an error, not a dead process."""
    path = written(tmp_path, np.ones((8000, 1), "<i2"))
    measure = wav.measure

    def shrinking(descriptor: int) -> wav.Wav:
        found = measure(descriptor)
        os.truncate(path, 400)
        return found

    monkeypatch.setattr(wav, "measure", shrinking)
    with pytest.raises(wav.ReadError, match="shrank"):
        waveform(path, 10)
