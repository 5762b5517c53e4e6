"""A file under its name whole or not at all, also after a crash."""

from __future__ import annotations

import os
from pathlib import Path


def keep(unfinished: Path, path: Path) -> None:
    """Give a file that is synced its name, durably. Raises OSError."""
    unfinished.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
