"""A recording as it is served, made of parts of the switch's file and of silence, before it is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from controller.media.cut import CHUNK_FRAMES, Span
from controller.media.wav import Wav, read_frames


class Silence(NamedTuple):
    """So many frames of digital silence."""

    length: int


Piece = Span | Silence
"""Frames of the switch's file, or silence that it lacks."""


def length(pieces: Sequence[Piece]) -> int:
    """Return how many frames all of them have."""
    return sum(piece.length for piece in pieces)


def part(pieces: Sequence[Piece], span: Span) -> tuple[Piece, ...]:
    """Return what lies in ``span`` of all of them together."""
    found: list[Piece] = []
    position = 0
    for piece in pieces:
        first = max(0, span.start - position)
        last = min(piece.length, span.end - position)
        position += piece.length
        if first < last:
            if isinstance(piece, Silence):
                found.append(Silence(last - first))
            else:
                found.append(Span(piece.start + first, piece.start + last))
    return tuple(found)


def chunks(source: int, wav: Wav, pieces: Sequence[Piece]) -> Iterator[bytes]:
    """Yield the bytes of the pieces of an open file, a bounded part at a time. Raises ReadError."""
    for piece in pieces:
        if isinstance(piece, Silence):
            for done in range(0, piece.length, CHUNK_FRAMES):
                yield bytes(min(CHUNK_FRAMES, piece.length - done) * wav.frame_bytes)
        else:
            for first in range(piece.start, piece.end, CHUNK_FRAMES):
                yield read_frames(source, wav, first, min(piece.end, first + CHUNK_FRAMES))


def copy(source: int, wav: Wav, pieces: Sequence[Piece], target: int) -> None:
    """Append the pieces of an open file to the open file ``target``. Raises OSError."""
    for data in chunks(source, wav, pieces):
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
