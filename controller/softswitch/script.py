"""What a caller does, as values, and the sound it makes.

A script knows nothing of any switch: the embedded one plays it into its legs, a live harness writes it to a file
for a real phone. After the last step without a `Hangup` the caller stays on the line, silent.
"""

from __future__ import annotations

import math
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

DIGIT_SECONDS = 0.1
"""A pressed digit takes this long, and the gap after it as long again; both are silent (RFC 2833)."""

_FULL_SCALE = 32767
_PITCH_HZ = 125.0
_SYLLABLES_PER_SECOND = 4.0
_DIGITS = frozenset("0123456789*#ABCD")


@dataclass(frozen=True, slots=True)
class Speech:
    """Voice-like sound: modulated harmonics with a little noise. `level` is the peak, 0..1 of full scale."""

    seconds: float
    level: float = 0.2


@dataclass(frozen=True, slots=True)
class Tone:
    """A sine of `hz`. `level` is the peak, 0..1 of full scale."""

    seconds: float
    hz: float = 440.0
    level: float = 0.25


@dataclass(frozen=True, slots=True)
class Silence:
    """Samples of value 0."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Pcm:
    """Sound as it is: 16-bit mono samples, little-endian, ``rate`` a second, which must be the leg's."""

    samples: bytes
    rate: int = 8000

    def __post_init__(self) -> None:
        if len(self.samples) % 2:
            raise ValueError(f"samples of 16 bits have an even number of bytes, not {len(self.samples)}")

    @classmethod
    def of(cls, path: Path, seconds: float, rate: int = 8000) -> Pcm:
        """Return the first seconds of a WAV file (one channel, 16 bits, a multiple of ``rate``) at ``rate``."""
        with wave.open(str(path)) as file:
            step, rest = divmod(file.getframerate(), rate)
            if rest or file.getsampwidth() != 2 or file.getnchannels() != 1:
                raise ValueError(f"{path}: not one channel of 16 bits at a multiple of {rate} samples a second")
            sound = np.frombuffer(file.readframes(round(seconds * rate) * step), "<i2").astype(np.float64)
        at = np.arange(-8 * step, 8 * step + 1)
        telephone = np.sinc(at / step) / step * np.hamming(len(at))  # nothing above half of the rate
        return cls(np.convolve(sound, telephone, "same")[::step].astype("<i2").tobytes(), rate)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / 2 / self.rate


@dataclass(frozen=True, slots=True)
class Digits:
    """Keys pressed one after the other (0-9 * # A-D)."""

    keys: str

    def __post_init__(self) -> None:
        if not self.keys or not set(self.keys) <= _DIGITS:
            raise ValueError(f"digits must be one or more of 0-9 * # A-D, not {self.keys!r}")


@dataclass(frozen=True, slots=True)
class Hangup:
    """The caller hangs up; steps after it are not reached."""

    cause: str = "NORMAL_CLEARING"


Step = Speech | Tone | Silence | Pcm | Digits | Hangup
Script = Sequence[Step]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A script as sound: `samples` mono int16, `digits` as (offset in seconds, key), `hangup_at` in seconds."""

    samples: Samples
    digits: tuple[tuple[float, str], ...]
    hangup_at: float | None
    hangup_cause: str


def render(script: Script, rate: int = 8000) -> Rendered:
    """Render `script` at `rate` samples a second; the same script gives the same samples, always."""
    return _render(tuple(script), rate)


@lru_cache(maxsize=32)
def _render(script: tuple[Step, ...], rate: int) -> Rendered:
    parts: list[Samples] = []
    digits: list[tuple[float, str]] = []
    position = 0
    hangup_at: float | None = None
    hangup_cause = "NORMAL_CLEARING"
    for step in script:
        match step:
            case Hangup(cause):
                hangup_at, hangup_cause = position / rate, cause
                break
            case Digits(keys):
                for key in keys:
                    digits.append((position / rate, key))
                    parts.append(silence(2 * DIGIT_SECONDS, rate))
                    position += len(parts[-1])
                continue
            case Speech(seconds, level):
                parts.append(speech(seconds, level, rate))
            case Tone(seconds, hz, level):
                parts.append(tone(seconds, (hz,), level, rate))
            case Silence(seconds):
                parts.append(silence(seconds, rate))
            case Pcm(data, own):
                if own != rate:
                    raise ValueError(f"sound of {own} samples a second can't be said on a leg of {rate}")
                parts.append(np.frombuffer(data, "<i2").astype(np.int16))
        position += len(parts[-1])
    samples = np.concatenate(parts) if parts else silence(0.0, rate)
    samples.setflags(write=False)
    return Rendered(samples, tuple(digits), hangup_at, hangup_cause)


def silence(seconds: float, rate: int) -> Samples:
    """`seconds` of zeros."""
    return np.zeros(round(seconds * rate), np.int16)


def tone(seconds: float, frequencies: Sequence[float], level: float, rate: int) -> Samples:
    """Add up sines; the peak is at most `level` of full scale."""
    count = round(seconds * rate)
    # Sines of whole hertz repeat together after so many samples: a long tone is one period, repeated
    whole = all(float(hz).is_integer() for hz in frequencies)
    period = rate // math.gcd(rate, *(int(hz) for hz in frequencies)) if whole else count
    time = np.arange(min(count, period)) / rate
    wave = np.zeros(len(time))
    for hz in frequencies:
        wave += np.sin(2 * np.pi * hz * time)
    scale = level * _FULL_SCALE / max(1, len(frequencies))
    once = (wave * scale).astype(np.int16)
    return np.resize(once, count) if count else once


def speech(seconds: float, level: float, rate: int) -> Samples:
    """Voice-like sound whose every 20 ms stays well above FreeSWITCH's silence threshold of 200 at usual levels."""
    count = round(seconds * rate)
    time = np.arange(count) / rate
    phase = 2 * np.pi * np.cumsum(_PITCH_HZ * (1 + 0.08 * np.sin(2 * np.pi * 0.7 * time))) / rate
    voice = np.zeros(count)
    for harmonic in range(1, 13):
        if harmonic * _PITCH_HZ * 1.1 < rate / 2:
            voice += np.sin(harmonic * phase) / harmonic
    voice += 0.1 * np.random.default_rng(20).standard_normal(count)
    # The envelope never falls below a third: a dip within a word must not look like its end.
    envelope = 1 / 3 + (1 - np.cos(2 * np.pi * _SYLLABLES_PER_SECOND * time)) / 3
    shaped = voice * envelope
    peak = float(np.max(np.abs(shaped))) if count else 1.0
    return (shaped * (level * _FULL_SCALE / peak)).astype(np.int16)
