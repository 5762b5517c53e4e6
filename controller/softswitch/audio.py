"""Sound in a leg: two tracks of segments, rendered only when somebody asks.

A position is a sample number on the switch's own time line, so tracks of different legs can be read side by side
and a bridge is one track played into another. No work is done per 20 ms frame: a recorder asks for the samples of
half a second or an hour at once and gets what frame by frame reading would have given.
"""

from dataclasses import dataclass

import numpy as np

from controller.softswitch.script import Samples

RATE = 8000
FRAME = RATE // 50
"""Samples in the 20 ms in which FreeSWITCH handles audio."""


class Sound:
    """Samples that may be repeated many times, and several of these in a row; never rendered as a whole."""

    __slots__ = ("_length", "_parts")

    def __init__(self, samples: Samples, loops: int = 1) -> None:
        self._parts: list[tuple[Samples, int]] = [(samples, loops)]
        self._length = len(samples) * loops

    def __add__(self, other: "Sound") -> "Sound":
        both = Sound(np.zeros(0, np.int16))
        both._parts = [*self._parts, *other._parts]
        both._length = len(self) + len(other)
        return both

    def __len__(self) -> int:
        return self._length

    def read(self, start: int, end: int) -> Samples:
        """Render the samples of [start, end), which must lie within."""
        out = np.zeros(end - start, np.int16)
        begin = 0
        for samples, loops in self._parts:
            length = len(samples) * loops
            a, b = max(start, begin) - begin, min(end, begin + length) - begin
            if a < b:
                once = samples[a:b] if loops == 1 else np.resize(np.roll(samples, -(a % len(samples))), b - a)
                out[a + begin - start : b + begin - start] = once
            begin += length
        return out


@dataclass(slots=True)
class Segment:
    """A stretch of sound: `source` from its sample `offset` on, heard from position `start` to `end` (None: open)."""

    source: "Sound | Track"
    start: int
    end: int | None
    offset: int = 0


class Track:
    """One direction of a leg's audio: silence, except where a segment says otherwise. Later segments win."""

    __slots__ = ("_segments",)

    def __init__(self) -> None:
        self._segments: list[Segment] = []

    def play(self, source: "Sound | Track", start: int, offset: int = 0) -> Segment:
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
                out[a - start : b - start] = segment.source.read(a + shift, b + shift)
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
