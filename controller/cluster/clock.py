"""A clock that goes on while the process is stopped and while the machine is suspended."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Return its seconds. Where the system has no such clock it stands still while the machine is suspended."""
    return time.clock_gettime(_CLOCK)
