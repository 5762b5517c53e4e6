"""SQLite as fsrec uses it: one file, write-ahead log, every commit synced, foreign keys kept."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL

from controller.store.values import StoreError

OLDEST = (3, 35, 0)  # upserts and row values are older; ALTER TABLE DROP COLUMN, which migrations need, is not


def database_path(place: str | Path) -> Path:
    """Return the file that a path or ``sqlite:///path`` names. Raises StoreError for any other kind of URL."""
    text = os.fspath(place)
    scheme, mark, rest = text.partition("://")
    if not mark:
        path = Path(text)
    elif scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        path = Path(rest[1:])
    else:
        raise StoreError(f"store {scheme}://…: only sqlite:///path or a path is supported")
    return path


def prepare(path: Path) -> None:
    """Create the directory and the file so that others on this machine cannot read them. Raises StoreError."""
    if sqlite3.sqlite_version_info < OLDEST:
        raise StoreError(
            f"SQLite {sqlite3.sqlite_version} is too old: {'.'.join(map(str, OLDEST))} or newer is needed"
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"store {path}: {error.strerror}: a writable file in a directory is needed") from error


def open_engine(path: Path, *, writer: bool, busy_timeout: float) -> Engine:
    """Return an engine whose connections begin transactions as stated: a writer's takes the lock at once.

    ``busy_timeout`` (seconds) is how long a lock held by another process is waited for.
    """
    url = URL.create("sqlite+pysqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": busy_timeout})

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # else the driver begins and ends transactions as it likes
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise StoreError(f"store {path}: SQLite cannot keep a write-ahead log there: use a local file system")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        if not writer:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine
