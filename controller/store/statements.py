"""Statements that are run often or for many rows, built once. The one place where databases differ in their SQL.

Rows of several are written in the order of their keys, so that two daemons wait for each other in one direction only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Double,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from controller.store.tables import ADDED, ATTEMPTS, DAEMONS, DELIVERIES, FIXED, RECORDINGS, TALLIES, TRANSCRIPTIONS
from controller.store.values import DeliveryState

T = TypeVar("T")

_INSERT: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_CHUNK = 512  # ids in one IN list; SQLite takes 32766 parameters, PostgreSQL 32767


class database_now(GenericFunction[float]):  # noqa: N801 - it is a function of SQL
    """The database's clock, in Unix seconds, which goes on within a transaction."""

    type = Double()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "EXTRACT(EPOCH FROM clock_timestamp())::double precision"


LIVING = select(DAEMONS.c.id).where(DAEMONS.c.expires_at > database_now())
"""The daemons that share this database now."""

# What is locked is PostgreSQL's alone, here and below: SQLite's writers never meet.
REVISIONS = (
    select(RECORDINGS.c.id, RECORDINGS.c.revision, ADDED.label("added"))
    .where(RECORDINGS.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(RECORDINGS.c.id)
    .with_for_update(key_share=True)
)
PLACES = select(
    DELIVERIES.c.id,
    DELIVERIES.c.subject,
    DELIVERIES.c.sequence,
    DELIVERIES.c.owed,
    DELIVERIES.c.due_at,
).where(DELIVERIES.c.finished_at.is_(None), DELIVERIES.c.subject.in_(bindparam("ids", expanding=True)))
PRESENT = select(DELIVERIES.c.id).where(DELIVERIES.c.id.in_(bindparam("ids", expanding=True)))
LAST_SEQUENCE = select(func.max(DELIVERIES.c.sequence)).where(DELIVERIES.c.subject == bindparam("of"))
FREE = DELIVERIES.c.claimed_by.is_(None)
DUE_IDS = (
    select(DELIVERIES.c.id)
    .where(DELIVERIES.c.origin == bindparam("of"), DELIVERIES.c.due_at <= bindparam("now"), FREE)
    .order_by(DELIVERIES.c.due_at, DELIVERIES.c.id)
    .limit(bindparam("most", type_=Integer))
)
DELIVERIES_BY_ID = select(DELIVERIES).where(DELIVERIES.c.id.in_(bindparam("ids", expanding=True)))
NEXT_DUE = select(func.min(DELIVERIES.c.due_at)).where(DELIVERIES.c.due_at > bindparam("after"), FREE)


def _due_origins() -> Select[Any]:
    released = and_(DELIVERIES.c.due_at.is_not(None), FREE)
    walk = select(func.min(DELIVERIES.c.origin).label("origin")).where(released).cte("walk", recursive=True)
    following = select(func.min(DELIVERIES.c.origin)).where(released, DELIVERIES.c.origin > walk.c.origin)
    walk = walk.union_all(select(following.scalar_subquery()).where(walk.c.origin.is_not(None)))
    earliest = select(func.min(DELIVERIES.c.due_at)).where(DELIVERIES.c.origin == walk.c.origin, released)
    return (
        select(walk.c.origin)
        .where(walk.c.origin.is_not(None), earliest.scalar_subquery() <= bindparam("now"))
        .order_by(walk.c.origin)
    )


DUE_ORIGINS = _due_origins()
KEPT_RECORDING = (
    select(RECORDINGS.c.id)
    .where(RECORDINGS.c.id == bindparam("key"), RECORDINGS.c.deleted_at.is_(None))
    .with_for_update(read=True)
)
FORGET_TRANSCRIPTION = delete(TRANSCRIPTIONS).where(TRANSCRIPTIONS.c.recording == bindparam("key"))
INSERT_ATTEMPT = insert(ATTEMPTS)
ATTEMPTED = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("key"), DELIVERIES.c.state == DeliveryState.PENDING.value)
    .values(
        state=bindparam("to_state"),
        owed=False,
        due_at=bindparam("to_due_at"),
        attempts=DELIVERIES.c.attempts + 1,
        tries=DELIVERIES.c.tries + 1,
        finished_at=bindparam("to_finished_at"),
        reason=bindparam("to_reason"),
        claimed_by=None,
    )
)
MOVED = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("key"), DELIVERIES.c.state == DeliveryState.PENDING.value)
    .values(owed=bindparam("to_owed"), due_at=bindparam("to_due_at"))
)
REPLAYED = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("key"))
    .values(
        state=DeliveryState.PENDING.value,
        owed=True,
        due_at=None,
        tries=0,
        finished_at=None,
        reason=None,
    )
)


@cache
def _upsert(dialect: str, table: Table) -> Any:
    statement = _INSERT[dialect](table)
    changing = (column for column in table.columns if not column.primary_key and FIXED not in column.info)
    columns = {column.name: statement.excluded[column.name] for column in changing}
    # A recording's revision is compared before, with an error; here it only guards against what came in between.
    # A call's is compared here alone: an older value of it has nothing to say any more. Transcriptions have none.
    newer = table.c.revision <= statement.excluded.revision if "revision" in table.c else None
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=columns, where=newer)


@cache
def _insert_new(dialect: str, table: Table) -> Any:
    return _INSERT[dialect](table).on_conflict_do_nothing(index_elements=list(table.primary_key))


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or replace those with the same key, unless they have a higher revision."""
    if rows:
        connection.execute(_upsert(connection.dialect.name, table), _in_order(table, rows))


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; one whose key is there already is the same row, stored by a commit that seemed to fail."""
    if rows:
        connection.execute(_insert_new(connection.dialect.name, table), _in_order(table, rows))


@cache
def _tally(dialect: str) -> Any:
    statement = _INSERT[dialect](TALLIES)
    more = {"added": TALLIES.c.added + statement.excluded.added}
    return statement.on_conflict_do_update(index_elements=list(TALLIES.primary_key), set_=more)


def tally(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add to accounts' tallies, or take away."""
    if rows:
        connection.execute(_tally(connection.dialect.name), _in_order(TALLIES, rows))


def _in_order(table: Table, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = [column.name for column in table.primary_key]
    return sorted(rows, key=lambda row: [row[key] for key in keys])


def run(connection: Connection, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Run a statement for each of the rows."""
    if rows:
        connection.execute(statement, rows)


def lock_subjects(connection: Connection, subjects: Iterable[str]) -> None:
    """Keep others from these subjects' deliveries until the transaction ends: their order is read, then written.

    Two subjects may share a lock, which costs no more than some waiting.
    """
    if connection.dialect.name != "postgresql":  # SQLite's writer is alone
        return
    digests = (hashlib.blake2b(subject.encode(errors="replace"), digest_size=8).digest() for subject in subjects)
    keys = sorted({int.from_bytes(digest, signed=True) for digest in digests})
    connection.execute(_LOCK_KEYS, {"keys": keys})


_LOCK_KEYS = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS BIGINT[])) AS key")


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """Cut ids into lists short enough for one IN, of few different lengths: the last id is repeated.

    Each length is a statement of its own, which the database prepares and the driver keeps.
    """
    remaining = iter(items)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk + chunk[-1:] * ((1 << (len(chunk) - 1).bit_length()) - len(chunk))
