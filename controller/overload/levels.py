"""The order in which things are given up, and signals that ask for it.

The order is one of harm. Who asks for another format of an old recording can ask again in a minute; an application
that is refused a start by REST learns so at once; a caller who is turned away hears it, and may call again. What has
begun is never given up: the ends of recordings, documents that run and the recordings that they start, and callbacks,
of which the rows are on disk and few are in memory however many are due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Shed(IntEnum):
    """What is given up; each includes those before it."""

    NOTHING = 0
    EXTRAS = 1
    """Formats and channels that somebody asks for later, to be asked for again; the begin of transcriptions."""
    STARTS = 2
    """Recordings that an API asks for: refused, to be asked for again."""
    CALLS = 3
    """Calls that arrive: hung up with SWITCH_CONGESTION."""


SUFFERS: dict[Shed, str] = {
    Shed.EXTRAS: "transcriptions and other formats of recordings wait",
    Shed.STARTS: "recordings asked for by REST are refused",
    Shed.CALLS: "new calls are turned away",
}
"""Who suffers, in the words of ``/readyz``."""

NEVER = float("inf")


@dataclass(slots=True)
class Signal:
    """One thing that can become too much: ``value`` at each look, against a bound for each thing to give up.

    ``bounds`` are for EXTRAS, STARTS, CALLS, rising, NEVER for what it does not ask for. What was given up comes back
    when the value falls below ``calm`` times its bound. ``words`` say it of a value, at each look.
    """

    name: str
    value: Callable[[], float]
    bounds: Sequence[float]
    words: Callable[[float], str]
    calm: float = 0.5
    level: Shed = Shed.NOTHING
    said: str = ""

    def look(self) -> Shed:
        """Read the value; return what it asks for now."""
        value = self.value()
        while self.level and value < self.bounds[self.level - 1] * self.calm:
            self.level = Shed(self.level - 1)
        for asked, bound in zip((Shed.EXTRAS, Shed.STARTS, Shed.CALLS), self.bounds, strict=True):
            if value >= bound:
                self.level = max(self.level, asked)
        self.said = self.words(value) if self.level else ""
        return self.level

    def __str__(self) -> str:
        return self.said
