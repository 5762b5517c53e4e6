"""The recording directories, as the switches and this daemon see them, and a look at a master in one."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from controller.media import wav
from controller.recordings.ports import MediaAway

RATE_DIRECTORIES = ("8000", "16000", "32000", "48000")
_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+")


def plain(path: str) -> bool:
    """Whether a path may be part of a command: absolute, of letters, digits, and ``. _ -`` only, without ``..``."""
    return _PATH.fullmatch(path) is not None and ".." not in PurePosixPath(path).parts


@dataclass(frozen=True, slots=True)
class Root:
    """One directory as each side sees it: ``switch_path`` on the switch, ``local_path`` here.

    ``switch_path`` becomes part of commands: absolute, of letters, digits and ``. _ -`` only. Raises ValueError.
    """

    switch_path: str
    local_path: Path

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.switch_path) or ".." in PurePosixPath(self.switch_path).parts:
            raise ValueError(
                f"switch_path {self.switch_path!r} must be absolute, without a slash at its end or '..', and of "
                "letters, digits, '.', '_' and '-' only: it becomes part of commands to the switch"
            )

    def has(self, path: str) -> bool:
        """Tell whether a master's path on the switch is right in this directory, by its name alone."""
        return PurePosixPath(path).parent == PurePosixPath(self.switch_path)

    def local(self, path: str) -> Path:
        """Map a master's path on the switch to where it is here. Raises ValueError for one that isn't inside."""
        pure = PurePosixPath(path)
        if not _PATH.fullmatch(path) or ".." in pure.parts or not pure.is_relative_to(self.switch_path):
            raise ValueError(
                f"its path {path[:200]!r} is not inside {self.switch_path}, the switch's recording directory"
            )
        found = self.local_path / pure.relative_to(self.switch_path)
        if not found.parent.resolve().is_relative_to(self.local_path.resolve()):
            raise ValueError(f"its directory {found.parent} leads out of {self.local_path}")
        return found


class Look(NamedTuple):
    """What a look at a master found: what is wrong, if looking again is pointless, its bytes, if it's missing.

    ``written_at`` is when it was last written to, in Unix seconds.
    """

    problem: str | None
    final: bool
    size: int = 0
    missing: bool = False
    written_at: float | None = None


def look(root: Root, path: str) -> Look:
    """Look at a master without waiting. Raises MediaAway where its directory is not as it should be, OSError."""
    try:
        master = root.local(path)
    except ValueError as error:
        return Look(str(error), True)
    try:
        with wav.opened(master) as descriptor:
            state = os.fstat(descriptor)
            final = state.st_size > 0 and wav.measure(descriptor).finished
            return Look(None, final, state.st_size, written_at=state.st_mtime)
    except wav.WavError as error:
        return Look(f"{master.name} {error}", False)
    except OSError as error:
        gone = away(root)
        if gone is not None:
            raise MediaAway(gone) from error
        if isinstance(error, FileNotFoundError):
            return Look(f"{master.name} is not there", False, missing=True)
        if isinstance(error, PermissionError):  # a shared disk may show the mode late, too
            return Look(f"{master.name} may not be read: give this daemon the group of FreeSWITCH", False)
        if isinstance(error, NotADirectoryError):
            return Look(f"{master.parent} is no directory", True)
        raise


def away(root: Root) -> str | None:
    """Return what is wrong with the directory: then nothing that it does not show is believed missing."""
    try:
        problems = directory_problems(root)
    except OSError as error:
        return f"{root.local_path}: {error.strerror or error}"
    return problems[0] if problems else None


def since(root: Root, path: str) -> float | None:
    """Return when what is in a master began: as long before it was last written to as it is long. None if unread."""
    try:
        with wav.opened(root.local(path)) as descriptor:
            written_at, found = os.fstat(descriptor).st_mtime, wav.measure(descriptor)
    except (OSError, ValueError, wav.WavError):
        return None
    return written_at - found.frames / found.rate


def may_be_there(root: Root, path: str) -> bool:
    """Tell whether a master is there; true as well where that cannot be known."""
    try:
        root.local(path).lstat()
    except FileNotFoundError:
        return away(root) is not None
    except (OSError, ValueError):
        return True
    return True


def directory_problems(root: Root) -> Sequence[str]:
    """Return what is wrong with a directory as seen from here, each with its fix. Raises OSError."""
    local = root.local_path
    if not local.exists():
        return [
            f"{local} does not exist: make it, writable for FreeSWITCH, or mount {root.switch_path} of the switch"
        ]
    if not local.is_dir():
        return [f"{local} is no directory: local_path names the directory that the switch sees as {root.switch_path}"]
    found = []
    if not os.access(local, os.R_OK | os.X_OK):
        found.append(f"{local} may not be read: give this daemon the group of FreeSWITCH")
    found += [
        f"{local / name} exists: FreeSWITCH would record there instead of in {local}; remove it"
        for name in RATE_DIRECTORIES
        if (local / name).is_dir()
    ]
    return found
