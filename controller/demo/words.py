"""Real words for the demo's caller, where an engine is to understand them: that engine's own sample of speech."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import av

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
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    sound = b""
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            sound += b"".join(piece.to_ndarray().tobytes() for piece in resampler.resample(frame))
            if len(sound) >= 2 * RATE * SECONDS:
                break
    return Pcm(sound[: int(2 * RATE * SECONDS)], RATE)
