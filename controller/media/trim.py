"""Where a recording's sound begins and ends: what is before and behind is trimmed (DESIGN section 9).

Silence is what stays, on every channel, under -50 dBFS of RMS over 20 ms. The recording is divided into windows of
that length from its first frame on, after skipped pauses are cut out and breaks are filled; what is kept goes from
the first window that is loud to the last one. 0 dBFS is the square of the largest sample, so a full sine has -3 dBFS.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from controller.media import edit
from controller.media.cut import CHUNK_FRAMES, Span
from controller.media.wav import Wav

WINDOWS = 50
"""Windows a second: 20 ms each."""
_FULL = 1 << 30
"""The square of the largest sample, 32768."""
_BELOW = 100_000
"""-50 dB as a part of power: one in so many."""


def window_frames(rate: int) -> int:
    """Return the frames of one window."""
    return max(1, rate // WINDOWS)


def loud_part(source: int, wav: Wav, pieces: Sequence[edit.Piece]) -> Span | None:
    """Return the frames, of all pieces together, from the first loud window to the last; None where all is silent.

    Only the silent ends are read, a bounded part at a time. Raises ReadError.
    """
    window, frames = window_frames(wav.rate), edit.length(pieces)
    count = -(-frames // window)
    step = max(1, CHUNK_FRAMES // window)

    def loud(first: int, last: int) -> npt.NDArray[np.intp]:
        """Return which windows from ``first`` up to, not including, ``last`` are loud."""
        span = Span(first * window, min(last * window, frames))
        data = b"".join(edit.chunks(source, wav, edit.part(pieces, span)))
        return np.flatnonzero(_loud(np.frombuffer(data, "<i2").reshape(-1, wav.channels), window)) + first

    for first in range(0, count, step):
        found = loud(first, min(count, first + step))
        if len(found):
            begin = int(found[0])
            break
    else:
        return None
    last = count
    while not len(found := loud(max(begin, last - step), last)):
        last -= step
    return Span(begin * window, min(frames, (int(found[-1]) + 1) * window))


def _loud(samples: npt.NDArray[np.int16], window: int) -> npt.NDArray[np.bool_]:
    """Return for each window, the last of which may be shorter, whether any of its channels is loud. Exact."""
    power = np.square(samples, dtype=np.int64)
    sums = np.add.reduceat(power, np.arange(0, len(power), window), axis=0)
    lengths = np.full(len(sums), window, np.int64)
    lengths[-1] = len(power) - (len(sums) - 1) * window
    loud: npt.NDArray[np.bool_] = np.any(sums * _BELOW >= lengths[:, None] * _FULL, axis=1)
    return loud
