"""The operator's key: a file in data_dir by which the command line on this machine is known to the daemon.

Whoever may read the file is the operator: it is its owner's alone. A daemon makes it at its start and keeps what is
there, so a command that has read it goes on over a restart. Loads fast: commands wait for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from pathlib import Path

NAME = "operator.key"
_MODE = 0o600
_KEY = re.compile(r"fsrec_[A-Za-z0-9_-]{43}")
_MOST = 256


class KeyUnusable(Exception):
    """The file is there, and is not taken for a key; the text says why."""


def key_file(data_dir: Path) -> Path:
    """Return where a daemon's key is."""
    return data_dir / NAME


def ensure_key(data_dir: Path) -> str:
    """Return the key that is there, or make one. Raises OSError where neither can be done.

    One that others may have read, or that is no key, is replaced: the new one is in its place at once and whole.
    """
    path = key_file(data_dir)
    with contextlib.suppress(FileNotFoundError, KeyUnusable):
        return read_key(data_dir)
    key = f"fsrec_{secrets.token_urlsafe(32)}"
    made = path.with_name(f".{NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{key}\n")
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    return key


def read_key(data_dir: Path) -> str:
    """Return the key. Raises OSError: it cannot be read. Raises KeyUnusable: it is none, or not its owner's alone."""
    path = key_file(data_dir)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeyUnusable(f"{path} is no regular file")
        if status.st_mode & 0o077:
            raise KeyUnusable(f"{path} may be read by others than its owner ({stat.filemode(status.st_mode)})")
        text = file.read(_MOST).decode("ascii", "replace").strip()
    if not _KEY.fullmatch(text):
        raise KeyUnusable(f"{path} holds no key")
    return text
