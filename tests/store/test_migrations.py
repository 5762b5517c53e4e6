"""A database is led to this version, or refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, inspect

from controller.recordings.model import NoticeKind, State
from controller.store import Attempt, DeliveryState, StoreError, Transaction, Verdict, open_store
from controller.store.codec import encode
from controller.store.migrations import STEPS, migrate
from controller.store.sqlite import SqliteDatabase
from controller.store.tables import LISTED, METADATA
from tests.store import older
from tests.store.values import call, delivery, notice, recording

NEWEST = len(STEPS) + 1


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """As the store opens it: foreign keys are on."""
    opened = SqliteDatabase(tmp_path / "a.db").writer()
    yield opened
    opened.dispose()


def _add_colour(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN colour TEXT")


def _break(_: Connection) -> None:
    raise RuntimeError("broken step")


def shape(connection: Connection) -> dict[str, Any]:
    """Everything that there is of tables: columns, keys, and indexes as they were written."""
    found = inspect(connection)
    indexes = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL")
    shown: dict[str, Any] = {row.name: row.sql for row in indexes}
    for table in found.get_table_names():
        columns = {
            column["name"]: (column["type"].python_type, column["nullable"]) for column in found.get_columns(table)
        }
        shown[table] = columns, found.get_pk_constraint(table), found.get_foreign_keys(table)
    return shown


def test_an_empty_database_gets_all_tables(engine: Engine) -> None:
    """A fresh database has every table and index and the newest version, and migrating again changes nothing."""
    with engine.begin() as connection:
        assert migrate(connection, (_break,)) == 2
        assert migrate(connection, (_break,)) == 2
        found = inspect(connection)
        assert set(found.get_table_names()) == set(METADATA.tables)
        for table in METADATA.tables.values():
            known = {index.name for index in table.indexes} | ({LISTED.name} if table is LISTED.table else set())
            assert {index["name"] for index in found.get_indexes(table.name)} == known


def test_an_older_database_is_led_through_the_steps(engine: Engine) -> None:
    """Only the steps that it lacks are run; one that fails leaves the database as it was."""
    with engine.begin() as connection:
        assert migrate(connection, ()) == 1
    with pytest.raises(RuntimeError, match="broken step"), engine.begin() as connection:
        migrate(connection, (_break,))
    with engine.begin() as connection:
        assert migrate(connection, (_add_colour,)) == 2
        assert migrate(connection, (_add_colour,)) == 2
        assert "colour" in {column["name"] for column in inspect(connection).get_columns("calls")}


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_an_older_database_comes_to_be_as_a_new_one(engine: Engine, tmp_path: Path, version: int) -> None:
    """From whatever version: the same tables, columns, keys and indexes, in which every key leads somewhere."""
    with engine.begin() as connection:
        older.make(connection, version)
    with engine.begin() as connection:
        assert migrate(connection) == NEWEST
        migrated = shape(connection)
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []
    new = SqliteDatabase(tmp_path / "new.db").writer()
    with new.begin() as connection:
        migrate(connection)
        assert migrated == shape(connection)
    new.dispose()


def test_calls_get_a_revision(engine: Engine) -> None:
    """From version 1 to 2: rows of calls that are there already keep what they say, at revision 0."""
    with engine.begin() as connection:
        older.make(connection, 1)
        connection.exec_driver_sql(
            "INSERT INTO calls (id, switch, leg, account, dialect, state, started_at, data)"
            " VALUES ('c', 'fs1', 'leg', 'acme', 'swml', 'running', 1.0, '{}')"
        )
    with engine.begin() as connection:
        assert migrate(connection, STEPS[:2]) == 3
        rows = connection.exec_driver_sql("SELECT id, revision FROM calls").fetchall()
        assert [tuple(row) for row in rows] == [("c", 0)]


async def test_texts_come_to_lie_apart(engine: Engine, tmp_path: Path) -> None:
    """From version 2 to 3: a call that was stored with its text within has it, and is then written without it."""
    path, old = tmp_path / "a.db", call(text="sections: {}")
    with engine.begin() as connection:
        older.make(connection, 2)
        connection.exec_driver_sql(
            "INSERT INTO calls (id, switch, leg, account, dialect, state, live_on, started_at, revision, data)"
            " VALUES (?, 'fs1', 'leg-1', 'acme', 'swml', 'running', 'fs1', 1000.0, 0, ?)",
            (old.id, encode(old)),
        )
    engine.dispose()
    store = await open_store(path)
    assert await store.read(lambda reader: reader.call(old.id)) == old
    new = old.changed(step=old.step + 1)
    await store.write(lambda transaction: transaction.save_call(new))
    assert await store.read(lambda reader: reader.call(old.id)) == new
    await store.close()
    with sqlite3.connect(path) as database:
        assert "sections" not in database.execute("SELECT data FROM calls").fetchone()[0]
    database.close()


def test_recordings_are_listed(engine: Engine) -> None:
    """From version 3 to 4: rows of recordings that are there already are not deleted, and are listed."""
    with engine.begin() as connection:
        older.make(connection, 3)
        connection.exec_driver_sql(
            "INSERT INTO recordings (id, switch, leg, call, account, dialect, state, reference, requested_at,"
            " revision, data) VALUES ('r', 'fs1', 'leg', 'c', 'acme', 'swml', 'completed', 'ref', 1.0, 1, '{}')"
        )
    with engine.begin() as connection:
        assert migrate(connection, STEPS[:3]) == 4
        rows = connection.exec_driver_sql("SELECT id FROM recordings WHERE deleted_at IS NULL").fetchall()
        assert [tuple(row) for row in rows] == [("r",)]
        assert "recordings_listed" in {index["name"] for index in inspect(connection).get_indexes("recordings")}


async def test_deliveries_are_of_more_than_notices(engine: Engine, tmp_path: Path) -> None:
    """From version 4 to 5: every row of every table is what it was, and what was under way goes on from there.

    Read through a store that was made by this version, as the rows of both are the same but for two columns.
    """
    path, made, runs = tmp_path / "a.db", recording(), call()
    sent, first, waiting = [delivery() for _ in range(2)], notice(made, 1), notice(made, 2, NoticeKind.COMPLETED)
    store = await open_store(tmp_path / "new.db", clock=lambda: 50.0)

    def fill(transaction: Transaction) -> None:
        transaction.save_call(runs)
        transaction.save_recording(made)
        transaction.add_notice(first, sent[:1])
        transaction.add_notice(waiting, sent[1:], "half of it")

    await store.write(fill)
    row = await store.read(lambda reader: reader.delivery(sent[0].id))
    assert row is not None
    attempts = [Attempt(1.0, 0.5, 500, None, "", b"\xff\0", "9"), Attempt(2.0, 0.5, None, "connection", "no", b"")]
    dead = Verdict(DeliveryState.DEAD, reason="why")
    for attempt in attempts:
        await store.write(partial(Transaction.attempt_made, row=row, attempt=attempt, verdict=dead))
    rows = await store.read(lambda reader: reader.deliveries_of(made.id))
    await store.close()
    with engine.begin() as connection:
        older.make(connection, 4)
    engine.dispose()
    with sqlite3.connect(path) as database:
        database.execute("ATTACH ? AS new", (str(tmp_path / "new.db"),))
        for table in ("texts", "calls", "recordings", "notices", "deliveries", "attempts"):
            old = [column[1] for column in database.execute(f"PRAGMA main.table_info({table})")]
            new = [{"recording": "subject"}.get(name, name) if table == "deliveries" else name for name in old]
            columns = f"({', '.join(old)}) SELECT {', '.join(new)}"
            database.execute(f"INSERT INTO main.{table} {columns} FROM new.{table}")
    database.close()
    store = await open_store(path, clock=lambda: 60.0)
    assert await store.read(lambda reader: reader.call(runs.id)) == runs
    assert await store.read(lambda reader: reader.recording(made.id)) == made
    assert await store.read(lambda reader: reader.notices_of(made.id)) == [first, waiting]
    assert await store.read(lambda reader: reader.notice_errors(made.id)) == {waiting.id: "half of it"}
    assert await store.read(lambda reader: reader.deliveries_of(made.id)) == rows
    assert [(row.subject, row.state, row.sequence) for row in rows] == [
        (made.id, DeliveryState.DEAD, 1),
        (made.id, DeliveryState.PENDING, 2),
    ]
    assert await store.read(lambda reader: reader.attempts(sent[0].id)) == attempts
    assert [row.id for row in await store.read(lambda reader: reader.due(rows[1].origin, 60.0, 9))] == [sent[1].id]
    # Attempts still hang on their deliveries, and these on their notices.
    await store.write(lambda transaction: transaction.connection.exec_driver_sql("DELETE FROM recordings") and None)
    assert await store.read(lambda reader: reader.deliveries_of(made.id)) == []
    assert await store.read(lambda reader: reader.attempts(sent[0].id)) == []
    await store.write(lambda transaction: transaction.add_message(runs, sent[0]))
    assert len(await store.read(lambda reader: reader.deliveries_of(runs.id))) == 1
    await store.close()


async def test_what_is_there_is_counted(tmp_path: Path) -> None:
    """From version 7 to 8: totals of recordings that have a file are those of the rows that are there."""
    store = await open_store(tmp_path / "a.db")

    def fill(transaction: Transaction) -> None:
        for at in (1.0, 2.0):
            transaction.save_recording(recording(state=State.COMPLETED, finished_at=at))
        transaction.save_recording(recording(state=State.FAILED, finished_at=3.0))
        transaction.save_recording(recording(state=State.ABSENT, finished_at=4.0, switch="fs2"))
        transaction.save_recording(recording(account="other"))

    await store.write(fill)
    await store.close()
    with sqlite3.connect(tmp_path / "a.db") as database:
        kept = database.execute("SELECT * FROM tallies ORDER BY switch").fetchall()
        database.execute("DROP TABLE tallies")
        database.execute("UPDATE schema_version SET version = 7")
    database.close()
    await (await open_store(tmp_path / "a.db")).close()
    with sqlite3.connect(tmp_path / "a.db") as database:
        assert database.execute("SELECT * FROM tallies ORDER BY switch").fetchall() == kept
    database.close()
    assert kept == [("acme", "fs1", 2), ("acme", "fs2", 1)]


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """The error names the file, both versions and what to do, and the file is not touched."""
    path = tmp_path / "a.db"
    await (await open_store(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 9")
    connection.close()
    with pytest.raises(StoreError, match=r"a\.db: the database has schema version 9, this fsrec knows .* 8: run"):
        await open_store(path)
