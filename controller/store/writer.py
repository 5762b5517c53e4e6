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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.store.database import Database, Fault
from controller.store.events import GroupCommitted, GroupRetried, WorkFailed
from controller.store.fence import Claim, held_by
from controller.store.transaction import Buffer, GroupBroken, Transaction
from controller.store.values import LeaseLost, OutcomeUnknown, StoreFailed
from controller.telemetry import Hook

Work = Callable[[Transaction], Any]


@dataclass(slots=True)
class _Waiting:
    work: Work
    future: asyncio.Future[Any]
    claim: Claim | None = None
    result: Any = None
    error: BaseException | None = None


_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5
"""Seconds between two tries to reach a database that is away."""
_IN_THE_WAY = 5  # times that others may be in the way, however long that takes
_TEXTS = 4096  # documents' texts that are known to be stored, as each call's first of them is
_AT_ONCE = 64  # works of one turn of the loop that are handed over before it ends


def pauses(until: float) -> Iterator[bool]:
    """Sleep and yield True, as long as that ends before ``until`` on the monotonic clock."""
    pause = _FIRST_PAUSE
    while time.monotonic() + pause <= until:
        time.sleep(pause)
        yield True
        pause = min(2 * pause, _LONGEST_PAUSE)


class _Unanswered(Exception):
    """A commit was sent, and the connection broke before its answer; ``mark`` is what can be asked after."""

    def __init__(self, mark: object) -> None:
        super().__init__("the connection broke before a commit was answered")
        self.mark = mark


def failure(error: BaseException, database: Database, what: str = "not stored") -> BaseException:
    """Return what a waiter is told: its own work's exception, or StoreFailed around the database's."""
    if isinstance(error, StopIteration):  # asyncio cannot raise it in a waiter
        return RuntimeError(f"a unit of work raised {error!r}")
    if isinstance(error, _Unanswered):
        failed: StoreFailed = OutcomeUnknown(f"store {database}: not known whether stored: {error}")
    elif isinstance(error, SQLAlchemyError):
        failed = StoreFailed(f"store {database}: {what}: {database.words(error)}")
    else:
        return error
    failed.__cause__ = error
    return failed


def _refused(waiting: _Waiting) -> bool:
    """Tell whether the database has refused a work, in that work's own savepoint."""
    return waiting.error is not None and isinstance(waiting.error.__cause__, SQLAlchemyError)


class Writer:
    """Runs units of work over one connection in a thread of its own.

    A group whose connection is lost is tried on another for up to ``patience`` seconds; whether a commit that was not
    answered took place is asked first. While the database stays away each later group is tried but once.
    """

    def __init__(
        self,
        database: Database,
        loop: asyncio.AbstractEventLoop,
        observe: Hook,
        clock: Callable[[], float],
        *,
        group: int,
        patience: float,
        durable: bool = True,
        lost: Callable[[LeaseLost], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._lost = lost
        self._engine: Engine = database.writer(durable=durable)
        self._patience = patience
        self._away = False
        self._loop = loop
        self._observe = observe
        self._clock = clock
        self._limit = group
        self._fresh: list[_Waiting] = []
        self._queue: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._texts: set[str] = set()
        self._closed = False
        self._submitted: deque[float] = (
            deque()
        )  # when, of each work that is not settled: the first one's is the oldest
        self._refusing: float | None = None
        self._thread = threading.Thread(
            target=database.run, args=(self._run,), name="fsrec-store-writer", daemon=True
        )
        self._thread.start()

    def submit(self, work: Work, claim: Claim | None = None) -> asyncio.Future[Any]:
        """Enqueue a work; the future ends when it is durable or failed. Raises StoreFailed once closed.

        Where its claim turns out to be void ``lost`` is told, before the waiter is.
        """
        if self._closed:
            raise StoreFailed("the store is closed")
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self._fresh:  # what this turn of the loop enqueues is handed over at once, for one commit
            self._loop.call_soon(self._hand_over)
        self._fresh.append(_Waiting(work, future, claim))
        self._submitted.append(time.monotonic())
        if len(self._fresh) >= _AT_ONCE:  # but where that is much, the thread need not wait for all of it
            self._hand_over()
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
        error = self._tried(group, started + (0.0 if self._away else self._patience))
        if error is None:
            self._tell(GroupCommitted(len(group), time.monotonic() - started))
            writable = self._writable() if any(map(_refused, group)) else True
            self._resolve(group, writable=writable)
            return writable
        writable = not self._away and self._writable()
        if writable and len(group) > 1:
            self._tell(GroupRetried(len(group), self._database.words(error)))
            while group and writable:
                writable = self._store(group[:1])
                group = group[1:]
        for waiting in group:
            waiting.error = failure(error, self._database)
        self._resolve(group, writable=writable)
        return writable

    def _tried(self, group: list[_Waiting], until: float) -> BaseException | None:
        """Run a group until it is stored or refused, or until the time is up; return why it is not stored."""
        rests, in_the_way = pauses(until), 0
        while True:
            known = self._connection is not None
            error, fault = self._transacted(group), Fault.REFUSED
            if isinstance(error, _Unanswered):
                self._disconnect()
                stored = self._outcome(error.mark, rests)
                self._away = stored is None
                if stored is not False:
                    return error if stored is None else None
                error, fault = error.__cause__, Fault.AGAIN
            elif error is not None:
                fault = self._database.fault(error)
                self._away = fault is Fault.LOST
                if self._away:
                    self._disconnect()
                    if known:  # it may have been lost long ago
                        continue
            else:
                self._away = False
            if fault is Fault.AGAIN and in_the_way < _IN_THE_WAY:
                in_the_way += 1
            elif fault is Fault.REFUSED or not next(rests, False):
                return error

    def _outcome(self, mark: object, rests: Iterator[bool]) -> bool | None:
        """Ask whether a transaction was committed; None if that can't be known in time."""
        while True:
            try:
                with self._connect().begin():
                    committed = self._database.committed(self._connect(), mark)
                if committed is not None:
                    return committed
            except SQLAlchemyError:
                self._disconnect()
            if not next(rests, False):
                return None

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
        buffer, mark = Buffer(self._texts), None
        try:
            with connection.begin():
                self._run_works(connection, buffer, group)
                buffer.write(connection)
                mark = self._database.mark(connection)
                texts = list(buffer.texts)
        except SQLAlchemyError as error:
            if mark is not None and self._database.fault(error) is Fault.LOST:
                raise _Unanswered(mark) from error
            raise
        if len(self._texts) + len(texts) > _TEXTS:
            self._texts.clear()
        self._texts.update(texts)

    def _run_works(self, connection: Connection, buffer: Buffer, group: list[_Waiting]) -> None:
        held = held_by(connection, [waiting.claim for waiting in group if waiting.claim is not None])
        for waiting in group:
            transaction = Transaction(connection, buffer, self._tell, self._clock)
            waiting.error = None
            try:
                if waiting.claim is not None:
                    waiting.claim.refuse_if_void(held)
                waiting.result = waiting.work(transaction)
                transaction.finish()
            except Exception as error:
                try:
                    transaction.abort()
                except SQLAlchemyError:  # the database has ended the whole transaction, on a full disk say
                    raise error from None
                if self._database.fault(error) is not Fault.REFUSED:
                    raise
                waiting.error = failure(error, self._database)

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._texts.clear()  # whoever answers next may have lost the last commits of who answered so far
        if connection is not None:
            try:
                connection.close()
            except (SQLAlchemyError, OSError) as error:
                self._tell(WorkFailed(self._database.words(error)))

    def _writable(self) -> bool:
        """Whether anything can be written at all: if not, trying each work alone only multiplies the waiting."""
        try:
            connection = self._connect()
            connection.connection.rollback()  # a commit that was refused leaves its transaction open
            with connection.begin():
                self._database.try_to_write(connection)
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
            self._disconnect()
            return False
        return True

    def _resolve(self, group: list[_Waiting], *, writable: bool) -> None:
        for waiting in group:
            if isinstance(waiting.error, LeaseLost):
                self._call(self._lost, waiting.error)
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
