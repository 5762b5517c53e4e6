"""PostgreSQL as fsrec uses it: through asyncpg, whose coroutines the store's threads wait for in greenlets.

Nothing waits without end: connecting, each command and each lock has its time, and the server ends a transaction that
its client has stopped in (a process that was halted must not hold locks that others need). A commit that is not
answered is asked after by its transaction's number.

The driver is imported where it is used: with SQLite a daemon would start a tenth later for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from sqlalchemy import BigInteger, Connection, Engine, NullPool, bindparam, event, insert, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.util import greenlet_spawn

from controller.store.database import Fault
from controller.store.tables import TEXTS
from controller.store.values import StoreError

OLDEST = 13
"""pg_xact_status and its kind are older; before that version its functions have other names."""

CONNECTING = 5.0
COMMAND = 10.0
"""Seconds that a connection, or the answer to one command, is waited for."""

_SESSION = """SELECT
    set_config('idle_in_transaction_session_timeout', '5000', false), set_config('lock_timeout', '8000', false),
    set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '10000', false),
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END"""

_STATEMENTS = 256  # prepared ones that a connection keeps: all of ours, with lists of every length that is used
_MIGRATING = 0x66737265  # the advisory lock of who makes or changes tables: "fsre"
_IN_THE_WAY = frozenset({"40001", "40P01", "55P03"})  # serialization failure, deadlock, lock not available
_UNUSABLE = frozenset({"25006", "25P03", "53300", "57P01", "57P02", "57P03", "57P05"})
"""Read-only (a standby), ended while idle, too many connections, shut down or restarting."""

_PAGES = 16_384  # bytes that hardly compress: more than a page has room for

_MARK = text("SELECT CAST(pg_current_xact_id_if_assigned() AS TEXT)")
_STATUS = text("SELECT pg_xact_status(CAST(CAST(:mark AS TEXT) AS xid8))")
_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_xid = CAST(CAST(CAST(:mark AS TEXT) AS xid8) AS xid)"
)
_LOCK = text("SELECT pg_advisory_xact_lock(:key)").bindparams(bindparam("key", type_=BigInteger))
_ABOUT = text(
    "SELECT current_setting('server_version_num')::int / 10000 AS version, pg_is_in_recovery() AS standby,"
    " current_setting('server_encoding') AS encoding"
)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A database at a URL, as asyncpg reads it; what it doesn't know of the query is set in each session."""

    url: str = field(repr=False)
    shared: ClassVar[bool] = True

    def prepare(self) -> None:
        """Look whether the URL names a database. Raises StoreError, without repeating what may be a password."""
        try:
            parts = urlsplit(self.url)
            named = parts.scheme in {"postgresql", "postgres"} and len(parts.path) > 1
            parts.port  # noqa: B018 - it is read here, and refused
        except ValueError:
            named = False
        if not named:
            raise StoreError("store: should be a URL as in postgresql://user:password@host:5432/database")

    def run(self, work: Callable[[], None]) -> None:
        """Run a thread's work on an event loop of its own, which turns while it waits for the database."""
        asyncio.run(greenlet_spawn(work))

    def writer(self, *, durable: bool = True) -> Engine:
        """Return an engine for READ COMMITTED: what must not change once it was read is locked."""
        return self._engine("READ COMMITTED", read_only=False, durable=durable)

    def reader(self) -> Engine:
        """Return an engine that reads, each transaction on one view."""
        return self._engine("REPEATABLE READ", read_only=True)

    def begin_migration(self, connection: Connection) -> None:
        """Take the lock of who migrates. Raises StoreError for a server that can't be used."""
        about = connection.execute(_ABOUT).one()
        if about.version < OLDEST:
            raise StoreError(f"PostgreSQL {about.version} is too old: {OLDEST} or newer is needed")
        if about.encoding != "UTF8":
            raise StoreError(f"the database's encoding is {about.encoding}: create it with ENCODING 'UTF8'")
        if about.standby:
            raise StoreError("the server is a standby, which can't be written: name the primary")
        connection.execute(_LOCK, {"key": _MIGRATING})

    def try_to_write(self, connection: Connection) -> None:
        """Write and undo what no page that is there has room for: the server's disk may be full."""
        with connection.begin_nested() as trial:
            row = {"id": f"trial {secrets.token_hex(16)}", "data": secrets.token_hex(_PAGES)}
            connection.execute(insert(TEXTS), row)
            trial.rollback()

    def fault(self, error: BaseException) -> Fault:
        """Return what an error means, by its SQLSTATE."""
        if isinstance(error, DBAPIError):
            state = getattr(error.orig, "sqlstate", None) or ""
            if state in _IN_THE_WAY:
                return Fault.AGAIN
            if error.connection_invalidated or state in _UNUSABLE or state.startswith("08"):
                return Fault.LOST
        return Fault.REFUSED

    def words(self, error: BaseException) -> str:
        """Return what the server or the driver said, in one line."""
        import asyncpg

        said = getattr(error, "orig", None) or error
        said = said.__cause__ if isinstance(said.__cause__, asyncpg.PostgresError | asyncpg.InterfaceError) else said
        return " ".join(str(said).split())

    def mark(self, connection: Connection) -> object | None:
        """Return the transaction's number; None for one that has written nothing."""
        return connection.execute(_MARK).scalar()

    def committed(self, connection: Connection, mark: object) -> bool | None:
        """Ask the server what became of a transaction; one that is still open, on a dead connection, is ended."""
        try:
            status = connection.execute(_STATUS, {"mark": mark}).scalar()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == "22023":  # a number of the future: a failover has lost it
                return False
            raise
        if status == "in progress":
            connection.execute(_END, {"mark": mark})
        return {"committed": True, "aborted": False}.get(status or "")

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        user = f"{unquote(parts.username)}@" if parts.username else ""
        port = f":{parts.port}" if parts.port else ""
        return f"postgresql://{user}{parts.hostname or ''}{port}{parts.path}"

    def _engine(self, isolation: str, *, read_only: bool, durable: bool = True) -> Engine:
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(
            "postgresql+asyncpg://",
            poolclass=NullPool,
            isolation_level=isolation,
            execution_options={"postgresql_readonly": True} if read_only else {},
            hide_parameters=True,
            connect_args={
                "async_creator_fn": self.connect,
                "durable": durable,
                "prepared_statement_cache_size": _STATEMENTS,
            },
        ).sync_engine

        @event.listens_for(engine, "handle_error")
        def lost(context: ExceptionContext) -> Exception | None:
            """Call a connection lost that was reset, or on which nothing came in time: the driver doesn't."""
            error = context.original_exception
            if not isinstance(error, OSError):
                return None
            context.is_disconnect = True
            if context.connection is not None and not context.connection.invalidated:
                driver: Any = context.connection.connection.driver_connection
                driver.terminate()  # a farewell would be waited for as well
            said = f"no answer within {COMMAND:g} s" if isinstance(error, TimeoutError) else str(error)
            return OperationalError(None, None, Exception(said), connection_invalidated=True)

        return engine

    async def connect(self, *, durable: bool = True, **_: Any) -> Any:
        """Return a connection of asyncpg's with our times. Raises what asyncpg does."""
        import asyncpg

        try:
            async with asyncio.timeout(CONNECTING):
                connection = await asyncpg.connect(self.url, timeout=CONNECTING, command_timeout=COMMAND)
                await connection.execute(_SESSION)
                if not durable:
                    await connection.execute("SET synchronous_commit = off")
        except OSError as error:
            what = f"no answer within {CONNECTING:g} s" if isinstance(error, TimeoutError) else str(error)
            raise asyncpg.exceptions.ClientCannotConnectError(what) from error
        return connection
