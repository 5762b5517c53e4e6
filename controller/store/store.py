"""The store: durable truth behind an asyncio face (DESIGN section 6)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.store.migrations import migrate
from controller.store.reader import Reader
from controller.store.sqlite import database_path, open_engine, prepare
from controller.store.transaction import Transaction
from controller.store.values import StoreError, StoreFailed
from controller.store.writer import Writer, failure
from controller.telemetry import Hook

T = TypeVar("T")

GROUP = 512
"""Most works in one commit: enough to share the fsync, few enough to bound what a failure makes us repeat."""


def _ignore(_: object) -> None:
    return


async def open_store(
    place: str | Path,
    *,
    observe: Hook = _ignore,
    clock: Callable[[], float] = time.time,
    busy_timeout: float = 5.0,
) -> Store:
    """Open the store at a path or ``sqlite:///path``, creating or migrating it.

    ``observe`` is called on this event loop; ``clock`` gives Unix seconds; ``busy_timeout`` (seconds) is how long
    another process's lock is waited for. Raises StoreError, saying what would be right.
    """
    path = database_path(place)
    await asyncio.to_thread(_migrate, path, busy_timeout)
    return Store(path, observe=observe, clock=clock, busy_timeout=busy_timeout)


def _migrate(path: Path, busy_timeout: float) -> None:
    prepare(path)
    engine = open_engine(path, writer=True, busy_timeout=busy_timeout)
    try:
        with engine.begin() as connection:
            migrate(connection)
    except StoreError as error:
        raise StoreError(f"store {path}: {error}") from error
    except SQLAlchemyError as error:
        raise StoreError(f"store {path}: {getattr(error, 'orig', None) or error}") from error
    finally:
        engine.dispose()


class Store:
    """One SQLite file: a thread that writes, in groups, and a thread that reads. Made by ``open_store``."""

    def __init__(self, path: Path, *, observe: Hook, clock: Callable[[], float], busy_timeout: float) -> None:
        self.path = path
        self._loop = asyncio.get_running_loop()
        self._observe = observe
        writing = open_engine(path, writer=True, busy_timeout=busy_timeout)
        self._writer = Writer(writing, self._loop, observe, clock, GROUP)
        self._engine: Engine = open_engine(path, writer=False, busy_timeout=busy_timeout)
        self._connection: Connection | None = None
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="fsrec-store-reader")
        self._closed = False

    def write(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Enqueue a unit of work at once; awaiting it returns its result when it is durable.

        Works run in the order of these calls. Raises what the work raised, or StoreFailed; then nothing of the work
        is stored. A work may be run again when a commit fails, so it must have no effect but through its argument.
        """
        return self._writer.submit(work)

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run a read on one consistent view of everything committed before the call. Raises StoreFailed."""
        if self._closed:
            raise StoreFailed("the store is closed")
        return await self._loop.run_in_executor(self._reads, self._read, work)

    @property
    def waiting(self) -> int:
        """How many works are neither durable nor failed."""
        return self._writer.waiting

    @property
    def stalled(self) -> float:
        """Seconds since the oldest work that waits was enqueued, or since which all were refused; 0 if neither."""
        return self._writer.stalled

    async def probe(self) -> None:
        """Write nothing: after refusals ``stalled`` then says whether the database can be written again."""
        with contextlib.suppress(StoreError):
            await self.write(lambda transaction: transaction.recording(""))

    async def close(self) -> None:
        """Finish what was enqueued, then close the file. Writes and reads after it raise StoreFailed."""
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        await self._loop.run_in_executor(self._reads, self._disconnect)
        self._reads.shutdown()

    def _read(self, work: Callable[[Reader], T]) -> T:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            with self._connection.begin():
                return work(Reader(self._connection, self._tell))
        except SQLAlchemyError as error:
            self._disconnect()
            raise failure(error) from error

    def _tell(self, event: object) -> None:
        self._loop.call_soon_threadsafe(self._observe, event)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._engine.dispose()
