"""How often somebody may fail to log in: a bucket for each who tries, in a table that does not grow."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

BURST = 10
"""Failures at once."""
INTERVAL = 6.0
"""Seconds after which one more is forgiven."""
MOST = 10_000
"""Who is remembered at once; beyond it, who failed longest ago is forgotten."""


class Throttle:
    """Counts failures by key; ``clock`` is in seconds and never goes back.

    What is kept of a key is when its bucket will be full again, so whoever has not failed for long needs no entry.
    """

    def __init__(
        self,
        *,
        burst: int = BURST,
        interval: float = INTERVAL,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = (burst - 1) * interval
        self._interval = interval
        self._most = most
        self._clock = clock
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, key: Hashable) -> float:
        """Return the seconds until a key may try again; 0 where it may now."""
        return max(0.0, self._full_at.get(key, 0.0) - self._clock() - self._allowed)

    def failed(self, key: Hashable) -> None:
        """Count a failure."""
        now = self._clock()
        self._full_at[key] = max(now, self._full_at.pop(key, now)) + self._interval
        while len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
