"""Speech of a known text, and how much of it was understood."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import wave
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.harness.absent import absent

VOICE = "rms"
"""Of flite's voices the one that small models understand best: 6 % of the words wrong; kal 17 %, espeak-ng 41 %."""
REQUIRED = "FSREC_REQUIRE_TRANSCRIPTION"
_TAPS = 129


def need_speech() -> None:
    """Skip without flite or the engine; fail where FSREC_REQUIRE_TRANSCRIPTION=1."""
    if shutil.which("flite") is None:
        absent("no flite (Debian: apt install flite)", REQUIRED)
    need_engine()


def need_engine() -> None:
    """Skip without the engine moonshine; fail where FSREC_REQUIRE_TRANSCRIPTION=1."""
    if find_spec("moonshine_voice") is None:
        absent("no moonshine-voice (pip install 'fsrec[transcription]')", REQUIRED)


@lru_cache(maxsize=64)
def spoken(text: str, rate: int = 8000) -> NDArray[np.int16]:
    """A text, said by flite, at 8000 or 16000 samples a second."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "said.wav"
        subprocess.run(["flite", "-voice", VOICE, "-t", text, "-o", str(path)], check=True, timeout=30)
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    return sound if rate == 16000 else _halved(sound)


def _halved(sound: NDArray[np.int16]) -> NDArray[np.int16]:
    """Half the samples, of what a telephone line carries: below 3.8 kHz."""
    at = np.arange(_TAPS) - _TAPS // 2
    low = np.sinc(at * 0.475) * 0.475 * np.hamming(_TAPS)
    kept: NDArray[np.float64] = np.convolve(sound.astype(np.float64), low, "same")[::2]
    return np.clip(np.round(kept), -32768, 32767).astype(np.int16)


def word_error_rate(said: str, understood: str) -> float:
    """Words that were changed, lost or invented (the least number of them), by those that were said."""
    wanted, got = _words(said), _words(understood)
    row = list(range(len(got) + 1))
    for number, word in enumerate(wanted, 1):
        before, row = row, [number]
        for place, other in enumerate(got, 1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (word != other)))
    return row[-1] / len(wanted)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())
