"""The outline of a recording, as a player shows it: for each channel, how loud it was in each stretch of time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waveform:
    """``seconds`` of audio in columns of equal time; ``peaks`` has one byte a column for each channel.

    A byte is the column's greatest magnitude, 0 (silence) to 255 (full scale), in linear terms.
    """

    seconds: float
    peaks: tuple[bytes, ...]
