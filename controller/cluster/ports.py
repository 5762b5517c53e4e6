"""What the rooms around ask of the cluster."""

from __future__ import annotations

from typing import Protocol


class Holding(Protocol):
    """Which switches are this daemon's now."""

    def holds(self, switch: str) -> bool:
        """Tell whether this daemon holds the switch's lease, by a clock that goes on while the process is stopped.

        With a database of one's own (SQLite) it holds every switch of its settings.
        """
        ...
