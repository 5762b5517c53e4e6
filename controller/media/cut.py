"""Takes the skipped pauses out of a recording, to the sample (DESIGN section 4).

While FreeSWITCH masks a recording it writes zeros in place of whole frames (20 ms; 10, 30 … on legs of that
packet time), all channels at once. When a pause began and ended is known on the switch's clock only, a frame or
several off the file's own time. So a pause is looked for near its estimate as a run of digital zeros, and the run
is what is cut: no sample that is not zero ever is. Where true digital silence borders on a pause the run is longer
than the pause; then the border that fits, or else the estimate, places a cut of the pause's length inside the run,
on the frame grid.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from controller.media.wav import Wav, read_frames
from controller.recordings.model import Pause, PauseBehavior

TOLERANCE = 0.25
"""Seconds that an estimate may be off: clock of the event against the frame, scheduling, command round trip."""
DRIFT = 0.0002
"""What the leg's media clock may run off the switch's, a part of the time since the start; added to the tolerance."""
GRID = 100
"""Frames begin on multiples of 1/100 s of the file: every packet time in use is a multiple of 10 ms."""
SHORTEST = 0.06
"""Seconds below which a pause may have masked no frame at all: nothing of it in the file is nothing missed."""
CHUNK_FRAMES = 1 << 18


class Span(NamedTuple):
    """Frames from ``start`` up to, not including, ``end``."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many frames."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Cuts:
    """Spans to take out (sorted, apart from each other), and how many pauses were found nowhere."""

    spans: tuple[Span, ...]
    missed: int = 0

    @property
    def frames(self) -> int:
        """How many frames go."""
        return sum(span.length for span in self.spans)

    def kept(self, frames: int) -> tuple[Span, ...]:
        """Return what stays of a file of ``frames``."""
        borders = [0, *(border for span in self.spans for border in span), frames]
        pairs = zip(borders[::2], borders[1::2], strict=True)
        return tuple(Span(start, end) for start, end in pairs if end > start)


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Where a pause should be, in frames; ``tolerance`` and ``early`` likewise.

    A ``lasting`` one ends where the file does. It may begin ``early``: a mask whose answer was lost with its link is
    commanded again, and only the second one's time is known.
    """

    span: Span
    skip: bool
    tolerance: int
    lasting: bool
    early: int

    def moved(self, offset: int, frames: int) -> _Estimate:
        """Return it ``offset`` frames later, its end within a file of ``frames``."""
        end = frames if self.lasting else min(self.span.end + offset, frames)
        return replace(self, span=Span(self.span.start + offset, end))

    @property
    def window(self) -> Span:
        """Where its run's borders may lie."""
        return Span(self.span.start - self.early - self.tolerance, self.span.end + self.tolerance)

    def left(self, run: Span) -> bool:
        """Whether the run begins where the pause should."""
        return -self.early - self.tolerance <= run.start - self.span.start <= self.tolerance

    def right(self, run: Span) -> bool:
        """Whether the run ends where the pause should."""
        return abs(run.end - self.span.end) <= self.tolerance


def find_cuts(
    descriptor: int,
    wav: Wav,
    pauses: Sequence[Pause],
    started_at: float,
    ended_at: float | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> Cuts:
    """Find what the skipping pauses left in an open file; ``started_at`` and ``ended_at`` are the switch's times.

    Times count from the start. A pause that isn't there is looked for once more, counted from the end or as far off
    as its predecessor was: a leg on hold isn't read, and its file stands still meanwhile (spec/freeswitch.md 1.11).
    Memory is bounded whatever the file's length. Raises OSError.
    """
    estimates = sorted(
        (_estimate(pause, wav, started_at, tolerance) for pause in pauses), key=lambda estimate: estimate.span
    )
    found: list[Span] = []
    missed = 0
    offsets = [wav.frames - round((ended_at - started_at) * wav.rate)] if ended_at is not None else [0]
    for group in _groups(estimates):
        if not any(estimate.skip for estimate in group):
            continue
        result = _search(descriptor, wav, [one.moved(0, wav.frames) for one in group])
        # Those that a file cut short doesn't reach are not missed, unless the end shows that it stood still.
        excused = sum(
            one.skip and (one.span.start >= wav.frames - one.tolerance or one.span.length < SHORTEST * wav.rate)
            for one in group
        )
        for offset in offsets:
            if not result.doubts:
                break
            again = _search(descriptor, wav, [one.moved(offset, wav.frames) for one in group])
            result = min(result, again, key=lambda one: one.doubts)
        missed += max(0, result.absent - excused)
        found += result.spans
        if len(group) == len(result.spans) == 1 and not result.unsure:
            offsets[1:] = [result.spans[0].start - group[0].span.start]
    return Cuts(tuple(_union(found)), missed)


def copy(source: int, wav: Wav, kept: Iterable[Span], target: int) -> int:
    """Append the frames of ``kept`` to the open file ``target``; return how many. Raises OSError."""
    written = 0
    for start, end in kept:
        for first in range(start, end, CHUNK_FRAMES):
            data = read_frames(source, wav, first, min(end, first + CHUNK_FRAMES))
            view = memoryview(data)
            while view:
                view = view[os.write(target, view) :]
            written += len(data) // wav.frame_bytes
    return written


def zero_runs(descriptor: int, wav: Wav, window: Span) -> Iterator[Span]:
    """Yield the runs of digital zeros (all channels) of at least 1/100 s in a part of the file."""
    shortest = max(1, wav.rate // GRID)
    since: int | None = None
    position = max(0, window.start)
    stop = min(window.end, wav.frames)
    while position < stop:
        data = read_frames(descriptor, wav, position, min(stop, position + CHUNK_FRAMES))
        sounding: npt.NDArray[np.bool_] = np.any(np.frombuffer(data, "<i2").reshape(-1, wav.channels), axis=1)
        # A sounding frame is imagined before and after, unless a run comes over from the former chunk.
        bounded = np.concatenate(([since is None], sounding, [True]))
        steps = np.diff(bounded.astype(np.int8))
        starts = np.flatnonzero(steps == -1) + position
        ends = np.flatnonzero(steps == 1) + position
        if since is not None:
            starts = np.concatenate(([since], starts))
        position += len(sounding)
        since = None
        if len(ends) and ends[-1] == position and position < stop:
            since, starts, ends = int(starts[-1]), starts[:-1], ends[:-1]
        long_enough = ends - starts >= shortest
        for start, end in zip(starts[long_enough], ends[long_enough], strict=True):
            yield Span(int(start), int(end))


def _estimate(pause: Pause, wav: Wav, started_at: float, tolerance: float) -> _Estimate:
    start = pause.start - started_at
    first = round(start * wav.rate)
    end = wav.frames if pause.end is None else round((pause.end - started_at) * wav.rate)
    allowed = round((tolerance + DRIFT * max(0.0, start)) * wav.rate)
    skip = pause.behavior is PauseBehavior.SKIP
    wished = first if pause.wished_at is None else round((max(pause.wished_at, started_at) - started_at) * wav.rate)
    early = first - wished if first - wished > allowed else 0
    return _Estimate(Span(first, max(first, end)), skip, allowed, pause.end is None, early)


def _groups(estimates: Sequence[_Estimate]) -> Iterator[list[_Estimate]]:
    """Yield neighbours whose windows overlap together: one's run may lie in the other's window."""
    group: list[_Estimate] = []
    reach = 0
    for estimate in estimates:
        if group and estimate.window.start > reach:
            yield group
            group = []
        group.append(estimate)
        reach = max(reach, estimate.window.end) if len(group) > 1 else estimate.window.end
    if group:
        yield group


@dataclass(frozen=True, slots=True)
class _Result:
    """Spans of a group's pauses; how many pauses are nowhere, and how many have neither border where it should be."""

    spans: list[Span]
    absent: int = 0
    unsure: int = 0

    @property
    def doubts(self) -> int:
        """None when every pause was found for certain."""
        return 2 * self.absent + self.unsure


def _search(descriptor: int, wav: Wav, group: Sequence[_Estimate]) -> _Result:
    """Look for a group's skipping pauses."""
    grid = max(1, wav.rate // GRID) if wav.rate % GRID == 0 else 1
    # A grid step more than any tolerance: a run that goes on beyond the window must not seem to end at its border.
    first = min(estimate.window.start for estimate in group) - grid - 1
    last = max(estimate.window.end for estimate in group) + grid + 1
    runs = list(zero_runs(descriptor, wav, Span(first, last)))
    if len(runs) == len(group):
        pairs = list(zip(group, runs, strict=True))
        if all(estimate.left(run) and estimate.right(run) for estimate, run in pairs):
            return _Result([_framed(run, grid, wav.frames) for estimate, run in pairs if estimate.skip])
    spans: list[Span] = []
    absent = unsure = 0
    for estimate in group:
        if not estimate.skip:
            continue
        span, sure = _one(estimate, [other for other in group if other is not estimate], runs, grid, wav.frames)
        if span is None:
            absent += 1
        else:
            spans.append(span)
            unsure += not sure
    return _Result(spans, absent, unsure)


def _one(
    estimate: _Estimate, others: Sequence[_Estimate], runs: Sequence[Span], grid: int, frames: int
) -> tuple[Span | None, bool]:
    """Return what to cut for one pause (None where no run may be it), and whether a border of it is certain."""
    start, end = estimate.span
    candidates = [run for run in runs if run.start < estimate.window.end and estimate.window.start < run.end]
    if not candidates:
        return None, False
    run = min(candidates, key=lambda run: abs(run.start - start) + abs(run.end - end))
    left, right = estimate.left(run), estimate.right(run)
    shared = any(other.span.start < run.end and run.start < other.span.end for other in others)
    length = (max(0, end - start) + grid // 2) // grid * grid
    if left and right and not shared:
        return _framed(run, grid, frames), True
    run = _framed(run, grid, frames)
    part = min(length, run.length)
    if left and (not right or abs(run.start - start) <= abs(run.end - end)):
        return Span(run.start, run.start + part), True
    if right:
        return Span(run.end - part, run.end), True
    first = max(run.start, start // grid * grid)
    inside = Span(first, min(run.end, first + length))
    return (inside if inside.length > max(0, length - 2 * estimate.tolerance) else None), False


def _framed(run: Span, grid: int, frames: int) -> Span:
    """Return a run without the zeros that the audio beside it had by chance: masked frames begin and end on the grid.

    A run of whole frames is left as it is: some switches' files don't begin on the grid.
    """
    if run.length % grid == 0:
        return run
    start = -(-run.start // grid) * grid
    end = run.end if run.end == frames else run.end // grid * grid
    return Span(start, max(start, end))


def _union(spans: Iterable[Span]) -> Iterator[Span]:
    last: Span | None = None
    for span in sorted(span for span in spans if span.length > 0):
        if last is not None and span.start <= last.end:
            last = Span(last.start, max(last.end, span.end))
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last
