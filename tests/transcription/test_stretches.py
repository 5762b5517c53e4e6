"""controller/transcription/stretches.py: every sample once, a bounded part at a time, cut where it is quiet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.media import wav
from controller.media.wav import ReadError, Wav
from controller.transcription.stretches import LONGEST, QUIET, SHORTEST, Samples, channel_of, stretches
from tests.transcription.wavs import tone, write

LOW = 100
"""Samples a second that keep the tests of lengths quick."""


def form(frames: int, rate: int = LOW) -> Wav:
    return Wav(rate, 1, 44, frames, frames, finished=True, size=44 + 2 * frames)


@given(st.integers(0, 200 * LOW), st.integers(0, 2**32 - 1))
def test_every_sample_once(frames: int, seed: int) -> None:
    """Whatever is said: the stretches put together are the channel, and none is longer than may be held."""
    sound = np.random.default_rng(seed).standard_normal(frames).astype(np.float32)
    found = list(stretches(form(frames), lambda first, count: sound[first : first + count]))
    assert np.array_equal(np.concatenate([np.zeros(0, np.float32), *(samples for _, samples in found)]), sound)
    assert [first for first, _ in found] == np.cumsum([0, *(len(samples) for _, samples in found)])[:-1].tolist()
    lengths = [len(samples) for _, samples in found]
    assert all(SHORTEST * LOW <= length <= LONGEST * LOW for length in lengths[:-1])
    assert all(0 < length <= LONGEST * LOW for length in lengths[-1:])


@given(st.floats(SHORTEST, LONGEST - 2 * QUIET), st.sampled_from([8000, 16000, 11025]))
def test_no_word_is_cut(pause: float, rate: int) -> None:
    """Where there is one pause between words a stretch may end in, it ends there, not within a word."""
    sound = np.ones(40 * rate, np.float32)
    begin = round(pause * rate)
    sound[begin : begin + round(2 * QUIET * rate)] = 0.0
    (_, first), *_ = stretches(form(40 * rate, rate), lambda first, count: sound[first : first + count])
    assert begin < len(first) < begin + 2 * QUIET * rate


def read_all(path: Path, channel: int) -> Samples:
    with wav.opened(path) as descriptor:
        measured = wav.measure(descriptor)
        return channel_of(descriptor, measured, channel)(0, measured.frames)


def test_each_channel_apart(tmp_path: Path) -> None:
    """Of a file with two parties each is read alone, from -1 to 1."""
    loud, quiet = tone(1.0, 1.0), tone(1.0, 0.1)
    path = write(tmp_path / "a.wav", loud, quiet)
    assert np.array_equal(read_all(path, 0), loud.astype(np.float32) / 32768)
    assert np.array_equal(read_all(path, 1), quiet.astype(np.float32) / 32768)


def test_a_file_that_becomes_shorter(tmp_path: Path) -> None:
    """What was there when it was measured and is no more is told, not taken for silence."""
    path = write(tmp_path / "a.wav", tone(1.0))
    with wav.opened(path) as descriptor:
        read = channel_of(descriptor, wav.measure(descriptor), 0)
        with path.open("r+b") as file:
            file.truncate(44 + 1000)
        with pytest.raises(ReadError, match="1000 of 16000 bytes"):
            read(0, 8000)
