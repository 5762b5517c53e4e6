"""A clock that is believed before anything is deleted by it.

Nothing says of a machine whose clock went years ahead that it is wrong: its own rows are dated by it. But a true
clock does not get ahead of what was last believed by more than the time in between. So that is kept in a file; a
clock that is a day ahead of it is watched for a day before it is believed, in which an operator can see what
``/readyz`` says of it, and set it right. A clock that is set back deletes less and is believed at once.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

AHEAD = 86400.0
"""Seconds that a clock may be ahead of what is believed."""
WATCHED = 86400.0
"""Seconds for which one that is further ahead goes on steadily before it is believed all the same."""


def steady() -> float:
    """Return seconds that go on while the machine sleeps, and that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME if hasattr(time, "CLOCK_BOOTTIME") else time.CLOCK_MONOTONIC)


@dataclass(slots=True)
class BelievedClock:
    """``file`` keeps what was believed last, in Unix seconds, as its text."""

    file: Path
    clock: Callable[[], float] = time.time
    steady: Callable[[], float] = steady
    _believed: float | None = field(default=None, init=False)
    _at: float = field(default=0.0, init=False)
    _doubted: float | None = field(default=None, init=False)
    _since: float = field(default=0.0, init=False)

    def begin(self, newest: float | None) -> None:
        """Read what was believed last; ``newest`` is when the newest row was made, believed where there is no file.

        It blocks. Raises OSError.
        """
        kept: float | None = None
        with contextlib.suppress(FileNotFoundError, ValueError):
            kept = float(self.file.read_text())
        self._believed, self._at = newest if kept is None else kept, self.steady()

    def now(self) -> float | None:
        """Return the time by which may be deleted, None while it is not believed. It blocks. Raises OSError."""
        now, at = self.clock(), self.steady()
        if self._believed is not None and now - self._believed - (at - self._at) > AHEAD:
            if self._doubted is None or abs((now - at) - self._doubted) > AHEAD:  # it was set once more
                self._doubted, self._since = now - at, at
            if at - self._since < WATCHED:
                return None
        self._believed, self._at, self._doubted = now, at, None
        self._keep(now)
        return now

    @property
    def problem(self) -> str | None:
        """Say what is wrong with the clock, None where nothing is."""
        if self._doubted is None or self._believed is None:
            return None
        days = (self.clock() - self._believed - (self.steady() - self._at)) / 86400
        left = max(0.0, WATCHED - (self.steady() - self._since)) / 3600
        return f"the clock is {days:.1f} days ahead of what was stored last; it is believed in {left:.1f} h"

    def _keep(self, now: float) -> None:
        unfinished = self.file.with_suffix(".part")
        with unfinished.open("w") as file:
            file.write(f"{now:.0f}\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.file)
