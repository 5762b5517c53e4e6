"""The store: durable truth behind an asyncio face (DESIGN section 6)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from controller.store.database import Database
from controller.store.fence import Fence, claim
from controller.store.migrations import migrate
from controller.store.places import database_at
from controller.store.reader import Reader
from controller.store.reads import ReadThreads
from controller.store.transaction import Transaction
from controller.store.values import LeaseLost, StoreError
from controller.store.writer import Writer
from controller.telemetry import Hook

T = TypeVar("T")

GROUP = 512
"""Most works in one commit: enough to share the fsync, few enough to bound what a failure makes us repeat."""

READERS = 3
"""Threads that read, each over its own connection."""


def _ignore(_: object) -> None:
    return


async def open_store(
    place: str | Path,
    *,
    observe: Hook = _ignore,
    clock: Callable[[], float] = time.time,
    patience: float = 5.0,
) -> Store:
    """Open the store at a path, ``sqlite:///path`` or ``postgresql://…``, creating or migrating its tables.

    ``observe`` is called on this event loop; ``clock`` gives Unix seconds; ``patience`` (seconds) is how long another
    process's lock on a file is waited for, and a server that is away. Raises StoreError, saying what would be right.
    """
    database = database_at(place, patience)
    database.prepare()
    await asyncio.to_thread(database.run, lambda: _migrate(database))
    return Store(database, observe=observe, clock=clock, patience=patience)


def _migrate(database: Database) -> None:
    engine = database.writer()
    try:
        with engine.begin() as connection:
            database.begin_migration(connection)
            migrate(connection)
    except StoreError as error:
        raise StoreError(f"store {database}: {error}") from error
    except (SQLAlchemyError, OSError, ValueError) as error:  # a value of the URL's that the driver can't take, too
        raise StoreError(f"store {database}: {database.words(error)}") from error
    finally:
        engine.dispose()


class Store:
    """A database: a thread that writes, in groups, and some that read. Made by ``open_store``.

    ``fence`` is set where other daemons work on it too: what they hold is not written.
    """

    fence: Fence | None = None

    def __init__(self, database: Database, *, observe: Hook, clock: Callable[[], float], patience: float) -> None:
        loop = asyncio.get_running_loop()
        self.shared = database.shared
        self._database = database
        self._writer = Writer(database, loop, observe, clock, group=GROUP, patience=patience, lost=self._lost)
        self._aside = (
            Writer(database, loop, observe, clock, group=GROUP, patience=patience, durable=False)
            if database.shared
            else None
        )
        self._reads = ReadThreads(database, loop, observe, threads=READERS, patience=patience)
        self._closed = False

    def write(self, work: Callable[[Transaction], T], *, about: Collection[str] = ()) -> asyncio.Future[T]:
        """Enqueue a unit of work at once; awaiting it returns its result when it is durable.

        ``about`` are the switches of the calls and recordings that it changes: it is refused with LeaseLost where
        the leases under which it was enqueued are not this daemon's any more.

        Works run in the order of these calls. Raises what the work raised, or StoreFailed; then nothing of the work
        is stored, unless it is OutcomeUnknown. A work may be run again when a commit fails, so it must have no effect
        but through its argument.
        """
        if self.fence is None or not about:
            return self._writer.submit(work)
        try:
            return self._writer.submit(work, claim(self.fence, about))
        except LeaseLost as lost:
            refused: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            refused.set_exception(lost)
            return refused

    def _lost(self, lost: LeaseLost) -> None:
        if self.fence is not None and lost.epoch is not None:
            self.fence.lost(lost.switch, lost.epoch)

    def aside(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Do as ``write`` does, on a connection of its own, for what a crash of the server may undo: a claim, say.

        It waits for nothing that is written, and nothing waits for it. There is none where the store is not shared.
        """
        if self._aside is None:
            raise StoreError("this store is one daemon's own: there is nothing to be written aside")
        return self._aside.submit(work)

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run a read on one consistent view of everything committed before the call. Raises StoreFailed.

        It may be run again where a connection is lost, and several are run at a time, in threads.
        """
        result: T = await self._reads.submit(work)
        return result

    @property
    def waiting(self) -> int:
        """How many works are neither durable nor failed."""
        return self._writer.waiting

    @property
    def stalled(self) -> float:
        """Seconds since the oldest work that waits was enqueued, or since which all were refused; 0 if neither."""
        return self._writer.stalled

    async def probe(self) -> None:
        """Write something, and undo it: after refusals ``stalled`` then says whether it can be written again."""
        with contextlib.suppress(StoreError):
            await self.write(lambda transaction: self._database.try_to_write(transaction.connection))

    async def close(self) -> None:
        """Finish what was enqueued, then close the database. Writes and reads after it raise StoreFailed."""
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        if self._aside is not None:
            await self._aside.close()
        await self._reads.close()
