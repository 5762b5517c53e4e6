"""The outline of a recording, as a player shows it: for each channel, how loud it was in each stretch of time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from controller.media import wav
from controller.media.cut import CHUNK_FRAMES

MOST_COLUMNS = 10_000
"""More than any screen has, and few enough for a page."""
_WIDE = 256
"""Frames that are compared side by side: numpy is only fast along rows that are long."""
_FULL = 1 << 15


@dataclass(frozen=True, slots=True)
class Waveform:
    """``seconds`` of audio in columns of equal time; ``peaks`` has one byte a column for each channel.

    A byte is the column's greatest magnitude, 0 (silence) to 255 (full scale), in linear terms.
    """

    seconds: float
    peaks: tuple[bytes, ...]


def waveform(path: Path, columns: int) -> Waveform:
    """Return the outline of a WAV in ``columns``; it blocks, and reads every sample, a bounded part at a time.

    Frames are counted as they are there, whatever an unfinished header says. A frame that two columns share counts in
    both, so where there are fewer frames than columns one fills several; of no audio all are silent.
    It is not mapped into memory: a file that shrinks meanwhile would end the process.
    Raises WavError, OSError, and ValueError for columns that are not 1 to ``MOST_COLUMNS``.
    """
    if not 1 <= columns <= MOST_COLUMNS:
        raise ValueError(f"a waveform has 1 to {MOST_COLUMNS} columns, not {columns}")
    with wav.opened(path) as source:
        found = wav.measure(source)
        greatest = np.zeros((columns, found.channels), np.int64)
        for column in range(columns):
            end = -(-(column + 1) * found.frames // columns)
            for first in range(column * found.frames // columns, end, CHUNK_FRAMES):
                data = wav.read_frames(source, found, first, min(end, first + CHUNK_FRAMES))
                samples = np.frombuffer(data, "<i2").reshape(-1, found.channels)
                np.maximum(greatest[column], _magnitude(samples), out=greatest[column])
    heights = ((greatest * 255 + _FULL // 2) // _FULL).astype(np.uint8)
    return Waveform(found.duration, tuple(heights[:, channel].tobytes() for channel in range(found.channels)))


def _magnitude(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """Return each channel's greatest magnitude, 0 to 32768, of frames of which there is one at least."""
    frames, channels = samples.shape
    whole = frames - frames % _WIDE
    parts = [samples[whole:]] if whole < frames else []
    if whole:
        rows = samples[:whole].reshape(-1, _WIDE * channels)
        parts += [rows.max(axis=0).reshape(-1, channels), rows.min(axis=0).reshape(-1, channels)]
    greatest: npt.NDArray[np.int64] = np.abs(np.concatenate(parts).astype(np.int64)).max(axis=0)
    return greatest
