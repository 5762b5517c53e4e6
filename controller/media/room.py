"""How much room a directory's disk has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Room(NamedTuple):
    """``free`` bytes and ``files`` (None: as many as one likes) that any writer may still use on ``device``."""

    free: int
    files: int | None
    device: int


def room_of(directory: Path) -> Room:
    """Look at a directory, or what is there of the way to it. It blocks, and raises OSError."""
    place = next(place for place in (directory, *directory.parents) if place.exists())
    found = os.statvfs(place)
    files = found.f_favail if found.f_files else None  # of file systems that don't number their files it is 0
    return Room(found.f_bavail * found.f_frsize, files, place.stat().st_dev)
