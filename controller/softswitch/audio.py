"""Sound in a leg: two tracks of segments, rendered only when somebody asks.

A position is a sample number on the switch's own time line, so tracks of different legs can be read side by side
and a bridge is one track played into another. No work is done per 20 ms frame: a recorder asks for the samples of
half a second or an hour at once and gets what frame by frame reading would have given.
"""

import re
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from controller.softswitch.script import Samples, silence, speech, tone

RATE = 8000
FRAME = RATE // 50
"""Samples in the 20 ms in which FreeSWITCH handles audio."""

_MAX_TONE_SECONDS = 24 * 3600
_LOOP_SECONDS = 100


@dataclass(slots=True)
class Segment:
    """A stretch of sound: `source` from its sample `offset` on, heard from position `start` to `end` (None: open)."""

    source: "Samples | Track"
    start: int
    end: int | None
    offset: int = 0


class Track:
    """One direction of a leg's audio: silence, except where a segment says otherwise. Later segments win."""

    __slots__ = ("_segments",)

    def __init__(self) -> None:
        self._segments: list[Segment] = []

    def play(self, source: "Samples | Track", start: int, offset: int = 0) -> Segment:
        """Let `source` be heard from `start` on; a `Track` source is heard live until `cut`."""
        end = None if isinstance(source, Track) else start + len(source) - offset
        segment = Segment(source, start, end, offset)
        self._segments.append(segment)
        return segment

    @staticmethod
    def cut(segment: Segment, position: int) -> None:
        """End `segment` at `position` unless it ended before."""
        if segment.end is None or segment.end > position:
            segment.end = max(position, segment.start)

    def read(self, start: int, end: int) -> Samples:
        """Render the samples of [start, end)."""
        out = np.zeros(end - start, np.int16)
        for segment in self._segments:
            a = max(start, segment.start)
            b = end if segment.end is None else min(end, segment.end)
            if a >= b:
                continue
            if isinstance(segment.source, Track):
                out[a - start : b - start] = segment.source.read(a, b)
            else:
                shift = segment.offset - segment.start
                out[a - start : b - start] = segment.source[a + shift : b + shift]
        return out

    def active(self, start: int, end: int) -> int:
        """How many of the positions [start, end) carry packets (sound or written silence)."""
        covered = 0
        reached = start
        for segment in sorted(self._segments, key=lambda s: s.start):
            a = max(reached, segment.start)
            b = end if segment.end is None else min(end, segment.end)
            if a < b:
                covered += b - a
                reached = b
        return covered


def resample(samples: Samples, rate: int) -> Samples:
    """Bring what is at RATE, (n,) or (n, 2), to another rate: linear, good enough for a stand-in."""
    wanted = np.arange(round(len(samples) * rate / RATE)) * (RATE / rate)
    columns = samples.reshape(len(samples), -1)
    out = [np.interp(wanted, np.arange(len(columns)), column) for column in columns.T]
    return np.column_stack(out).astype(np.int16).reshape(-1, *samples.shape[1:])


class SourceError(Exception):
    """A playback source that does not exist or cannot be played."""


def load(source: str, sounds: Path) -> Samples:
    """Load a `playback` argument as 8 kHz mono: a WAV file, `tone_stream://…` or `silence_stream://…`.

    Raises `SourceError` for everything else, a missing file first of all.
    """
    if source.startswith("tone_stream://"):
        return _tone_stream(source.removeprefix("tone_stream://"))
    if source.startswith("silence_stream://"):
        milliseconds = source.removeprefix("silence_stream://").split(",")[0]
        seconds = _number(milliseconds) / 1000
        return silence(_LOOP_SECONDS if seconds < 0 else seconds, RATE)
    if "://" in source:
        raise SourceError(f"no file format for {source!r}")
    path = Path(source) if source.startswith("/") else sounds / source
    return _wav(path)


@lru_cache(maxsize=16)
def babble(text: str) -> Samples:
    """Stand in for spoken `text`: voice-like sound, 60 ms a character, half a second at least."""
    return speech(max(0.5, 0.06 * len(text)), 0.2, RATE)


def _wav(path: Path) -> Samples:
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise SourceError(f"{path} is not 16 bit PCM")
            rate, channels = file.getframerate(), file.getnchannels()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    except (OSError, EOFError, wave.Error) as error:
        raise SourceError(f"cannot play {path}: {error}") from error
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1).astype(np.int16)
    if rate != RATE:
        wanted = np.arange(round(len(samples) * RATE / rate)) * (rate / RATE)
        samples = np.interp(wanted, np.arange(len(samples)), samples).astype(np.int16)
    return samples


_TONE = re.compile(r"%\(([^()]*)\)")
_SETTING = re.compile(r"(?:^|;)\s*(loops|v)=(-?\d+)")


@lru_cache(maxsize=16)
def _tone_stream(script: str) -> Samples:
    """Teletone's `%(on_ms,off_ms,hz[,hz…])`, with `loops=` and `v=`; other settings are ignored."""
    settings: Mapping[str, int] = {name: int(value) for name, value in _SETTING.findall(script)}
    parts: list[Samples] = []
    for inner in _TONE.findall(script):
        numbers = [_number(text) for text in inner.split(",")]
        if len(numbers) < 2:
            raise SourceError(f"a tone needs on and off times, not %({inner})")
        on, off = (min(value / 1000, _MAX_TONE_SECONDS) for value in numbers[:2])
        level = 0.25 * 10 ** (settings.get("v", 0) / 20)
        parts.append(tone(on, numbers[2:], min(level, 1.0), RATE))
        parts.append(silence(off, RATE))
    if not parts:
        raise SourceError(f"no tone in {script!r}")
    once = np.concatenate(parts)
    loops = settings.get("loops", 1)
    if loops < 0:
        loops = max(1, round(_LOOP_SECONDS * RATE / max(1, len(once))))
    return np.tile(once, loops)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise SourceError(f"not a number: {text!r}") from error
