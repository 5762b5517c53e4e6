"""The one thread that writes. What waits is committed together; a work that fails, fails alone.

Order of enqueuing is order of execution. Nothing here blocks the event loop: a disk that stalls delays the waiters.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.store.events import GroupCommitted, GroupRetried, WorkFailed
from controller.store.transaction import Buffer, GroupBroken, Transaction
from controller.store.values import StoreFailed
from controller.telemetry import Hook

Work = Callable[[Transaction], Any]


@dataclass(slots=True)
class _Waiting:
    work: Work
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


def failure(error: BaseException) -> BaseException:
    """Return what a waiter is told: its own work's exception, or StoreFailed around the database's."""
    if isinstance(error, StopIteration):  # asyncio cannot raise it in a waiter
        return RuntimeError(f"a unit of work raised {error!r}")
    if not isinstance(error, SQLAlchemyError):
        return error
    failed = StoreFailed(f"not stored: {getattr(error, 'orig', None) or error}")
    failed.__cause__ = error
    return failed


class Writer:
    """Runs units of work over one connection in a thread of its own."""

    def __init__(
        self, engine: Engine, loop: asyncio.AbstractEventLoop, observe: Hook, clock: Callable[[], float], group: int
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._observe = observe
        self._clock = clock
        self._limit = group
        self._fresh: list[_Waiting] = []
        self._queue: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._closed = False
        self._submitted: deque[float] = (
            deque()
        )  # when, of each work that is not settled: the first one's is the oldest
        self._refusing: float | None = None
        self._thread = threading.Thread(target=self._run, name="fsrec-store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> asyncio.Future[Any]:
        """Enqueue a work; the future ends when it is durable or failed. Raises StoreFailed once closed."""
        if self._closed:
            raise StoreFailed("the store is closed")
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self._fresh:  # what this turn of the loop enqueues is handed over at once, for one commit
            self._loop.call_soon(self._hand_over)
        self._fresh.append(_Waiting(work, future))
        self._submitted.append(time.monotonic())
        return future

    @property
    def waiting(self) -> int:
        """How many works are neither durable nor failed."""
        return len(self._submitted)

    @property
    def stalled(self) -> float:
        """Seconds since the oldest work that waits was enqueued, or the oldest since which all were refused."""
        since = [*itertools.islice(self._submitted, 1), *(() if self._refusing is None else (self._refusing,))]
        return time.monotonic() - min(since) if since else 0.0

    async def close(self) -> None:
        """Finish what was enqueued and end the thread."""
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self) -> None:
        fresh, self._fresh = self._fresh, []
        if fresh:
            self._queue.put(fresh)

    def _run(self) -> None:
        going = True
        while going:
            handed = self._queue.get()
            group: list[_Waiting] = []
            while handed is not None:
                group += handed
                if len(group) >= self._limit or self._queue.empty():
                    break
                handed = self._queue.get()
            going = handed is not None
            for start in range(0, len(group), self._limit):
                self._store(group[start : start + self._limit])
        self._disconnect()
        self._engine.dispose()

    def _store(self, group: list[_Waiting]) -> bool:
        """Store a group, or else each of its works alone; return whether the database can be written at all."""
        started = time.monotonic()
        error = self._transacted(group)
        if error is None:
            self._tell(GroupCommitted(len(group), time.monotonic() - started))
            self._resolve(group, writable=True)
            return True
        writable = self._writable()
        if writable and len(group) > 1:
            self._tell(GroupRetried(len(group), str(error)))
            while group and writable:
                writable = self._store(group[:1])
                group = group[1:]
        for waiting in group:
            waiting.error = failure(error)
        self._resolve(group, writable=writable)
        return writable

    def _transacted(self, group: list[_Waiting]) -> BaseException | None:
        try:
            self._transact(group)
        except GroupBroken as error:
            return error.__cause__
        except BaseException as error:  # whatever it is belongs to the waiters, the thread goes on
            return error
        return None

    def _transact(self, group: list[_Waiting]) -> None:
        connection = self._connect()
        buffer = Buffer()
        with connection.begin():
            for waiting in group:
                transaction = Transaction(connection, buffer, self._tell, self._clock)
                waiting.error = None
                try:
                    waiting.result = waiting.work(transaction)
                    transaction.finish()
                except Exception as error:
                    try:
                        transaction.abort()
                    except SQLAlchemyError:  # the database has ended the whole transaction, on a full disk say
                        raise error from None
                    waiting.error = failure(error)
            buffer.write(connection)

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except SQLAlchemyError as error:
                self._tell(WorkFailed(str(error)))

    def _writable(self) -> bool:
        """Whether a transaction can begin at all: if not, trying each work alone only multiplies the waiting."""
        try:
            connection = self._connect()
            connection.connection.rollback()  # a commit that was refused leaves its transaction open
            with connection.begin():
                return True
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
            self._disconnect()
            return False

    def _resolve(self, group: list[_Waiting], *, writable: bool) -> None:
        for waiting in group:
            if waiting.error is not None:
                self._tell(WorkFailed(str(waiting.error)))
        self._call(partial(self._settle, writable=writable), group)

    def _settle(self, group: list[_Waiting], *, writable: bool) -> None:
        since = [self._submitted.popleft() for _ in group]
        if writable:
            self._refusing = None
        elif self._refusing is None:
            self._refusing = since[0]
        for waiting in group:
            if waiting.future.done():  # its waiter gave up; the work is done all the same
                continue
            if waiting.error is None:
                waiting.future.set_result(waiting.result)
            else:
                waiting.future.set_exception(waiting.error)

    def _tell(self, event: object) -> None:
        self._call(self._observe, event)

    def _call(self, function: Callable[[Any], None], argument: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError:  # the loop is closed: nobody waits any more, but what was enqueued is still stored
            return
