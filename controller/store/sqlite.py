"""SQLite as fsrec uses it: one file, write-ahead log, every commit synced, foreign keys kept."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL

from controller.store.database import Fault
from controller.store.values import StoreError

OLDEST = (3, 35, 0)  # upserts and row values are older; ALTER TABLE DROP COLUMN, which migrations need, is not


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """One file. ``busy_timeout`` (seconds) is how long a lock held by another process is waited for."""

    path: Path
    busy_timeout: float = 5.0
    shared: ClassVar[bool] = False

    def prepare(self) -> None:
        """Create the directory and the file so that others on this machine cannot read them. Raises StoreError."""
        if sqlite3.sqlite_version_info < OLDEST:
            raise StoreError(
                f"SQLite {sqlite3.sqlite_version} is too old: {'.'.join(map(str, OLDEST))} or newer is needed"
            )
        path = self.path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(f"store {path}: {error.strerror}: a writable file in a directory is needed") from error

    def run(self, work: Callable[[], None]) -> None:
        """Run a thread's work."""
        work()

    def writer(self, *, durable: bool = True) -> Engine:  # noqa: ARG002 - all of it is
        """Return an engine whose transactions take the lock at once."""
        return self._engine("BEGIN IMMEDIATE", read_only=False)

    def reader(self) -> Engine:
        """Return an engine that cannot write."""
        return self._engine("BEGIN", read_only=True)

    def begin_migration(self, connection: Connection) -> None:
        """Do nothing: a writer's transaction has the lock."""

    def try_to_write(self, _: Connection) -> None:
        """Do nothing: that a disk is full shows at a commit alone, and data_dir's is looked at by itself."""

    def fault(self, _: BaseException) -> Fault:
        """Call all errors refusals: a lock has been waited for already, and there is no connection to lose."""
        return Fault.REFUSED

    def words(self, error: BaseException) -> str:
        """Return what SQLite said."""
        return str(getattr(error, "orig", None) or error)

    def mark(self, _: Connection) -> None:
        """Return None: a commit's answer doesn't get lost."""

    def committed(self, _: Connection, mark: object) -> bool | None:
        """Refuse: nothing was marked."""
        raise AssertionError(f"SQLite marks no transaction, as {mark!r}")

    def __str__(self) -> str:
        return str(self.path)

    def _engine(self, begin: str, *, read_only: bool) -> Engine:
        url = URL.create("sqlite+pysqlite", database=str(self.path))
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": self.busy_timeout})

        @event.listens_for(engine, "connect")
        def configure(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None  # else the driver begins and ends transactions as it likes
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            if mode != "wal":
                raise StoreError(
                    f"store {self.path}: SQLite cannot keep a write-ahead log there: use a local file system"
                )
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            if read_only:
                connection.execute("PRAGMA query_only=ON")

        @event.listens_for(engine, "begin")
        def begins(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine
