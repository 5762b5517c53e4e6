"""One daemon for each store that is a file: two would each believe that every switch is theirs."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path

from controller.store.values import StoreError

LOOK_AGAIN = 0.1
"""Seconds between tries to have it, while a former daemon stops."""


@contextlib.asynccontextmanager
async def sole_user(path: Path, patience: float) -> AsyncIterator[None]:
    """Be the only daemon that uses the store at ``path``, or raise StoreError after ``patience`` seconds.

    By a lock on a file beside it, which ends with the process, however that ends: SQLite's own locks would be lost
    with any other file handle on the store itself.
    """
    place = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{place}: {error.strerror}: a writable file in a directory is needed") from error
    try:
        await _lock(handle, path, patience)
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


async def _lock(handle: int, path: Path, patience: float) -> None:
    until = asyncio.get_running_loop().time() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if asyncio.get_running_loop().time() >= until:
                break
            await asyncio.sleep(LOOK_AGAIN)
        except OSError as error:
            raise StoreError(f"store {path}: {error.strerror}: no lock can be had there; use a local disk") from error
        else:
            return
    holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
    who = f" (process {holder})" if holder.isdigit() else ""
    raise StoreError(
        f"store {path}: another fsrec daemon uses it{who}: give each a data_dir of its own, or have them share a"
        " PostgreSQL (store: postgresql://…)"
    )
