"""Where a switch's file stood still while its recording went on (``recordings.silence``).

FreeSWITCH's recorder was gone for a while and continued its file later, so later times lie nearer to the file's
beginning than the clock says. Where that while was no part of a skipping pause, silence of its length is put in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from controller.media.cut import Span
from controller.media.edit import Piece, Silence
from controller.media.wav import Wav
from controller.recordings.model import Break, Pause, PauseBehavior

EARLY = 0.1
"""Seconds before the estimated break at which silence is put in: what is around is silent before a break, masked or
by FreeSWITCH's verdict, but not behind it."""


class Gap(NamedTuple):
    """Silence of ``frames``, to be put in before frame ``at`` of the switch's file."""

    at: int
    frames: int


def on_file(at: float, started_at: float, breaks: Sequence[Break]) -> float:
    """Return the second of the file that the switch's time ``at`` lies at."""
    lost = sum(max(0.0, min(at, at if gap.end is None else gap.end) - gap.start) for gap in breaks)
    return at - started_at - lost


def pauses_on_file(pauses: Iterable[Pause], started_at: float, breaks: Sequence[Break]) -> tuple[Pause, ...]:
    """Return the pauses by the file's own time."""
    return tuple(
        replace(
            pause,
            start=on_file(pause.start, started_at, breaks),
            end=None if pause.end is None else on_file(pause.end, started_at, breaks),
            wished_at=None if pause.wished_at is None else on_file(pause.wished_at, started_at, breaks),
        )
        for pause in pauses
    )


def gaps(wav: Wav, pauses: Sequence[Pause], started_at: float, breaks: Sequence[Break]) -> tuple[Gap, ...]:
    """Return the silence that is to be put in: for each break, but what a skipping pause leaves out anyway."""
    found = []
    for gap in breaks:
        if gap.end is None or any(
            pause.behavior is PauseBehavior.SKIP and pause.start <= gap.start and (pause.end or gap.end) >= gap.end
            for pause in pauses
        ):
            continue
        at = round((on_file(gap.start, started_at, breaks) - EARLY) * wav.rate)
        found.append(Gap(min(max(0, at), wav.frames), round((gap.end - gap.start) * wav.rate)))
    return tuple(sorted(gap for gap in found if gap.frames > 0))


def pieces(kept: Iterable[Span], put_in: Sequence[Gap]) -> tuple[Piece, ...]:
    """Return the frames of ``kept``, and the silence where it belongs."""
    found: list[Piece] = []
    waiting = list(put_in)
    for span in kept:
        start = span.start
        while waiting and waiting[0].at <= span.end:
            gap = waiting.pop(0)
            border = max(start, gap.at)
            found += [Span(start, border), Silence(gap.frames)]
            start = border
        found.append(Span(start, span.end))
    found += [Silence(gap.frames) for gap in waiting]
    return tuple(piece for piece in found if piece.length > 0)
