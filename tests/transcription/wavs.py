"""Files to be transcribed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.media import wav

RATE = 8000


def tone(seconds: float, level: float = 0.2, rate: int = RATE) -> NDArray[np.int16]:
    """Something to hear."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * 32767 * np.sin(2 * np.pi * 400 * time)).astype(np.int16)


def write(path: Path, *channels: NDArray[np.int16], rate: int = RATE) -> Path:
    """A finished WAV of these channels."""
    frames = np.stack(channels, axis=1)
    path.write_bytes(wav.header(rate, len(channels), len(frames)) + frames.tobytes())
    return path
