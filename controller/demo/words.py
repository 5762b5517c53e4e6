"""Real words for the demo's caller, where an engine is to understand them: that engine's own sample of speech."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from controller.softswitch import Pcm

PACKAGE, SAMPLE = "moonshine_voice", "assets/two_cities.wav"
SECONDS = 5.0
KNOWN = ("best of times", "worst of times")
"""What is said in the first five seconds of the sample."""


def sample() -> Pcm | None:
    """Return the sample's first seconds as a telephone hears them, None where the engine is not installed."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    return Pcm.of(Path(found.submodule_search_locations[0]) / SAMPLE, SECONDS)
