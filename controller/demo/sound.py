"""A WAV as the demo listens to it: how long it is, and where it is loud."""

from __future__ import annotations

import array
import io
import math
import sys
import wave
from dataclasses import dataclass

WINDOW = 0.02
LOUD = 200.0
"""RMS of a window, of 32,768, from which on it is loud: far below speech, far above line noise."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A file's ``seconds`` and ``channels``, and for each channel whether each window of 20 ms is loud."""

    seconds: float
    channels: int
    windows: tuple[tuple[bool, ...], ...]

    @classmethod
    def read(cls, body: bytes) -> Sound:
        """Return what a WAV of 16 bits holds. Raises ValueError."""
        try:
            with wave.open(io.BytesIO(body)) as file:
                channels, rate = file.getnchannels(), file.getframerate()
                if file.getsampwidth() != 2:
                    raise ValueError(f"{8 * file.getsampwidth()} bits a sample, not 16")
                samples = array.array("h", file.readframes(file.getnframes()))
        except (wave.Error, EOFError) as error:
            raise ValueError(f"no WAV: {error}") from None
        if sys.byteorder == "big":
            samples.byteswap()
        size = round(rate * WINDOW)
        tracks = [samples[channel::channels] for channel in range(channels)]
        windows = tuple(
            tuple(_rms(track[start : start + size]) >= LOUD for start in range(0, len(track) - size + 1, size))
            for track in tracks
        )
        return cls(len(tracks[0]) / rate, channels, windows)

    def loud(self, start: float, end: float, channel: int = 0) -> float:
        """Return the share of the windows between two moments (seconds) that are loud; 0 where there are none."""
        found = self.windows[channel][math.ceil(start / WINDOW) : math.floor(end / WINDOW)]
        return sum(found) / len(found) if found else 0.0


def _rms(samples: array.array[int]) -> float:
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))
