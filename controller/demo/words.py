"""Real words for the demo's caller, where an engine is to understand them: that engine's own sample of speech."""

from __future__ import annotations

import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from controller.softswitch import Pcm

PACKAGE, SAMPLE = "moonshine_voice", "assets/two_cities.wav"
SECONDS = 5.0
KNOWN = ("best of times", "worst of times")
"""What is said in the first five seconds of the sample."""

RATE = 8000


def sample() -> Pcm | None:
    """Return the sample's first seconds as a telephone hears them, None where the engine is not installed."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / SAMPLE
    with wave.open(str(path)) as file:
        step = file.getframerate() // RATE  # 48,000 a second, one channel
        sound = np.frombuffer(file.readframes(round(SECONDS * RATE) * step), "<i2").astype(np.float64)
    at = np.arange(-8 * step, 8 * step + 1)
    telephone = np.sinc(at / step) / step * np.hamming(len(at))  # nothing above half of RATE
    return Pcm(np.convolve(sound, telephone, "same")[::step].astype("<i2").tobytes(), RATE)
