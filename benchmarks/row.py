"""What a benchmark says: its sides, measured in turn in one run, and how fsrec stands beside its yardstick.

Machines differ, so what counts is a ratio of one run. A side is a set of samples, or one figure of a whole run;
what it cost (CPU, memory) stands beside it. A row says on which switch it was measured, and what is aimed at.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

OURS = "fsrec"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison, in the row's unit.

    ``cpu`` is seconds of processor time that it took in all its processes, ``memory`` its peak (or growth, as the row
    says) in bytes; None where the row has no use for it.
    """

    label: str
    samples: tuple[float, ...]
    cpu: float | None = None
    memory: int | None = None

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    @property
    def p99(self) -> float:
        """The sample that 99 % are not above."""
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target of a row: ``value`` is what was seen of it, ``met`` whether that is enough."""

    target: str
    value: str
    met: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A benchmark's result. ``switch`` is ``FreeSWITCH …``, ``softswitch`` or empty where there is none in it."""

    number: int
    what: str
    unit: str
    sides: tuple[Side, ...]
    verdicts: tuple[Verdict, ...]
    switch: str = ""
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for a file: the figures, and the samples that they are of."""
        sides = [
            {
                **asdict(side),
                "samples": [round(sample, 6) for sample in side.samples],
                "median": side.median,
                "p99": side.p99,
            }
            for side in self.sides
        ]
        return {**asdict(self), "sides": sides}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done: ``of(full)`` is all of it, or a tenth in a quick run, which proves that it works."""

    quick: bool = False

    def of(self, full: int, least: int = 1) -> int:
        """Return how many of ``full``."""
        return max(least, full // 10) if self.quick else full


Measure = Callable[[Scale], Coroutine[Any, Any, Sequence[Row]]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One that can be asked for by ``name``; ``numbers`` are the rows that it gives."""

    name: str
    numbers: tuple[int, ...]
    measure: Measure = field(repr=False)
