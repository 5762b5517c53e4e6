"""Ears: what is in a recording, finished or broken off."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WINDOW = 0.01
"""Seconds over which loudness is judged; intervals are exact to this."""

GAP = 0.15
"""Seconds of silence that part two sounds; shorter dips belong to speech."""

LOUD = 0.003
"""Root mean square, of full scale, above which a window is sound (-50 dBFS)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` to `end`, in seconds from the file's beginning."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Sound:
    """A file's audio: `samples` (frames, channels) as -1..1; `finished` unless the header does not fit the data."""

    rate: int
    samples: NDArray[np.float64]
    finished: bool

    @property
    def channels(self) -> int:
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def channel(self, index: int) -> NDArray[np.float64]:
        """One channel's samples; 0 is left."""
        column: NDArray[np.float64] = self.samples[:, index]
        return column

    def loudness(self, channel: int = 0) -> float:
        """Root mean square of a whole channel, of full scale."""
        samples = self.channel(channel)
        return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0

    def sounding(self, channel: int = 0, *, loud: float = LOUD, gap: float = GAP) -> list[Interval]:
        """Where the channel is not silent."""
        size = max(1, round(self.rate * WINDOW))
        samples = self.channel(channel)
        count = -(-len(samples) // size)
        padded = np.zeros(count * size)
        padded[: len(samples)] = samples
        windows = np.flatnonzero(np.sqrt(np.mean(padded.reshape(count, size) ** 2, axis=1)) > loud)
        found: list[Interval] = []
        for window in windows.tolist():
            start, end = window * WINDOW, min((window + 1) * WINDOW, self.seconds)
            if found and start - found[-1].end < gap:
                found[-1] = Interval(found[-1].start, end)
            else:
                found.append(Interval(start, end))
        return found

    def silent(self, channel: int = 0, *, loud: float = LOUD, gap: float = GAP) -> list[Interval]:
        """The rest: where the channel is silent, beginning and end included."""
        edges = [0.0]
        for interval in self.sounding(channel, loud=loud, gap=gap):
            edges += [interval.start, interval.end]
        edges.append(self.seconds)
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [Interval(start, end) for start, end in pairs if end - start >= WINDOW]

    def hz(self, channel: int = 0, within: Interval | None = None) -> float:
        """The strongest frequency of a channel, or of a stretch of it; 0.0 for silence."""
        samples = self.channel(channel)
        if within is not None:
            samples = samples[round(within.start * self.rate) : round(within.end * self.rate)]
        if not len(samples) or float(np.max(np.abs(samples))) < LOUD:
            return 0.0
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        return float(np.argmax(spectrum)) * self.rate / len(samples)


class NotAudio(ValueError):
    """The file is no PCM WAV, not even a broken-off one."""


def read_wav(path: Path) -> Sound:
    """A 16-bit PCM WAV. What the header says of lengths is not believed: a killed switch leaves it unfinished."""
    data = path.read_bytes()
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise NotAudio(f"{path}: no RIFF/WAVE header in its first 12 of {len(data)} bytes")
    at, rate, channels = 12, 0, 0
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        at += 8
        if name == b"fmt ":
            _, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, at)
            if bits != 16:
                raise NotAudio(f"{path}: {bits} bits a sample, 16 are read here")
        elif name == b"data":
            if not channels:
                raise NotAudio(f"{path}: data before fmt")
            there = len(data) - at
            finished = size <= there and struct.unpack_from("<I", data, 4)[0] + 8 == len(data)
            body = data[at : at + size] if finished else data[at:]
            frames = len(body) // (2 * channels)
            pcm = np.frombuffer(body, "<i2", frames * channels).reshape(frames, channels)
            return Sound(rate, pcm / 32768.0, finished)
        at += size + size % 2
    raise NotAudio(f"{path}: no data chunk in {len(data)} bytes")
