"""The threads that read: each has a connection of its own, so that a long list holds up no small read."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from controller.store.database import Database, Fault
from controller.store.reader import Reader
from controller.store.values import StoreFailed
from controller.store.writer import failure, pauses
from controller.telemetry import Hook

Read = Callable[[Reader], Any]


@dataclass(frozen=True, slots=True)
class _Waiting:
    work: Read
    future: asyncio.Future[Any]
    since: float


class ReadThreads:
    """Runs reads in ``threads`` threads; one whose connection is lost is tried on others for ``patience`` seconds.

    Where the database does not come back meanwhile, all that waited fail with it: to try each would take its time.
    """

    def __init__(
        self, database: Database, loop: asyncio.AbstractEventLoop, observe: Hook, *, threads: int, patience: float
    ) -> None:
        self._database = database
        self._loop = loop
        self._observe = observe
        self._patience = patience
        self._away: tuple[float, BaseException] | None = None  # when a read last failed by that, and how
        self._closed = False
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=database.run, args=(self._run,), name=f"fsrec-store-reader-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Read) -> asyncio.Future[Any]:
        """Enqueue a read. Raises StoreFailed once closed."""
        if self._closed:
            raise StoreFailed("the store is closed")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put(_Waiting(work, future, time.monotonic()))
        return future

    async def close(self) -> None:
        """Finish what was enqueued and end the threads."""
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _run(self) -> None:
        line = _Line(self._database)
        while (waiting := self._queue.get()) is not None:
            if waiting.future.cancelled():
                continue
            result, error, away = None, None, self._away
            if away is not None and waiting.since < away[0]:
                error = failure(away[1], self._database, "not read")
            else:
                try:
                    result = self._read(line, waiting.work)
                except BaseException as raised:  # whatever it is belongs to the waiter, the thread goes on
                    error = failure(raised, self._database, "not read")
            self._call(_settle, waiting.future, result, error)
        line.close()

    def _read(self, line: _Line, work: Read) -> Any:
        rests = pauses(time.monotonic() + (self._patience if self._away is None else 0.0))
        while True:
            known = line.connected
            try:
                connection = line.connect()
                with connection.begin():
                    result = work(Reader(connection, self._tell))
            except SQLAlchemyError as error:
                line.disconnect()
                fault = self._database.fault(error)
                if fault is Fault.LOST and known:  # it may have been lost long ago
                    continue
                if fault is Fault.REFUSED or not next(rests, False):
                    self._away = (time.monotonic(), error) if fault is Fault.LOST else None
                    raise
            else:
                self._away = None
                return result

    def _tell(self, event: object) -> None:
        self._call(self._observe, event)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return


class _Line:
    """A thread's connection, made when it is needed."""

    def __init__(self, database: Database) -> None:
        self._engine = database.reader()
        self._connection: Connection | None = None

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (SQLAlchemyError, OSError):  # it is given up because it failed
                return

    def close(self) -> None:
        self.disconnect()
        self._engine.dispose()


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
