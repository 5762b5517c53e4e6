"""A file under its name whole or not at all, also after a crash."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def keep(unfinished: Path, path: Path) -> None:
    """Give a file that is synced its name, durably. Raises OSError."""
    unfinished.replace(path)
    _sync(path.parent)


def linked(path: Path, target: Path) -> bool:
    """Have a finished file under a second name, or a copy of it; False where it isn't there. Raises OSError.

    Not durably: it is one that can be had again.
    """
    unfinished = Path(f"{target}.part")
    unfinished.unlink(missing_ok=True)
    try:
        try:
            unfinished.hardlink_to(path)
        except FileNotFoundError:
            return False
        except OSError:  # another disk, or another's file
            shutil.copyfile(path, unfinished, follow_symlinks=False)
    except FileNotFoundError:
        return False
    unfinished.replace(target)
    return True


def note(path: Path) -> None:
    """Have an empty file there, durably. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640))
    _sync(path.parent)


def remove(path: Path) -> None:
    """Have no file there, durably. Raises OSError."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
