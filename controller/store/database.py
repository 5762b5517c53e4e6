"""What the store needs of a database: engines, a way to run synchronous work over them, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from sqlalchemy import Connection, Engine


class Fault(Enum):
    """What an error says of the transaction that it ended, and of its connection."""

    REFUSED = auto()
    """The database is there and says no: the same again would fail again."""
    AGAIN = auto()
    """Others were in the way, and nothing was stored: the same again may do."""
    LOST = auto()
    """The connection is of no use any more, or there is none; another one may do."""


class Database(Protocol):
    """A kind of database, and where it is. Engines are used by one thread each, inside ``run``."""

    @property
    def shared(self) -> bool:
        """Whether other daemons may work on it at the same time."""
        ...

    def prepare(self) -> None:
        """Make what must be there before anything is opened. Raises StoreError."""
        ...

    def run(self, work: Callable[[], None]) -> None:
        """Run a thread's whole work in a way in which this database's engines can be used."""
        ...

    def writer(self, *, durable: bool = True) -> Engine:
        """Return an engine for writing; a crash may undo what is not to be ``durable``, whole transactions of it."""
        ...

    def reader(self) -> Engine:
        """Return an engine that reads, each transaction on one view of what is committed."""
        ...

    def begin_migration(self, connection: Connection) -> None:
        """Keep all others from migrating until this transaction ends. Raises StoreError where it can't be used."""
        ...

    def try_to_write(self, connection: Connection) -> None:
        """Write something in an open transaction, and undo it. Raises what the database says where that can't be."""
        ...

    def fault(self, error: BaseException) -> Fault:
        """Return what an error of the database means."""
        ...

    def words(self, error: BaseException) -> str:
        """Return what an error says, in one line, without a secret."""
        ...

    def mark(self, connection: Connection) -> object | None:
        """Return what the open transaction can be asked after by, should its commit not be answered; None if not."""
        ...

    def committed(self, connection: Connection, mark: object) -> bool | None:
        """Tell whether the transaction so marked was committed; None while it is not over."""
        ...

    def __str__(self) -> str:
        """Return its place as errors name it: without a password."""
        ...
