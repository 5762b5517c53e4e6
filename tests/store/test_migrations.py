"""A database is led to this version, or refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect

from controller.store import StoreError, open_store
from controller.store.codec import encode
from controller.store.migrations import STEPS, migrate
from controller.store.tables import LISTED, METADATA
from tests.store.values import call


def _add_colour(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN colour TEXT")


def _break(_: Connection) -> None:
    raise RuntimeError("broken step")


def test_an_empty_database_gets_all_tables(tmp_path: Path) -> None:
    """A fresh database has every table and index and the newest version, and migrating again changes nothing."""
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        assert migrate(connection, (_break,)) == 2
        assert migrate(connection, (_break,)) == 2
        found = inspect(connection)
        assert set(found.get_table_names()) == set(METADATA.tables)
        for table in METADATA.tables.values():
            known = {index.name for index in table.indexes} | ({LISTED.name} if table is LISTED.table else set())
            assert {index["name"] for index in found.get_indexes(table.name)} == known
    engine.dispose()


def test_an_older_database_is_led_through_the_steps(tmp_path: Path) -> None:
    """Only the steps that it lacks are run; one that fails leaves the database as it was."""
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        assert migrate(connection, ()) == 1
    with pytest.raises(RuntimeError, match="broken step"), engine.begin() as connection:
        migrate(connection, (_break,))
    with engine.begin() as connection:
        assert migrate(connection, (_add_colour,)) == 2
        assert migrate(connection, (_add_colour,)) == 2
        assert "colour" in {column["name"] for column in inspect(connection).get_columns("calls")}
    engine.dispose()


def test_calls_get_a_revision(tmp_path: Path) -> None:
    """From version 1 to 2: rows of calls that are there already keep what they say, at revision 0."""
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        migrate(connection, ())
        connection.exec_driver_sql("DROP INDEX recordings_listed")
        connection.exec_driver_sql("ALTER TABLE recordings DROP COLUMN deleted_at")
        connection.exec_driver_sql("ALTER TABLE calls DROP COLUMN revision")
        connection.exec_driver_sql("ALTER TABLE calls DROP COLUMN text")
        connection.exec_driver_sql("DROP TABLE texts")
        connection.exec_driver_sql(
            "INSERT INTO calls (id, switch, leg, account, dialect, state, started_at, data)"
            " VALUES ('c', 'fs1', 'leg', 'acme', 'swml', 'running', 1.0, '{}')"
        )
    with engine.begin() as connection:
        assert migrate(connection, STEPS[:2]) == 3
        rows = connection.exec_driver_sql("SELECT id, revision FROM calls").fetchall()
        assert [tuple(row) for row in rows] == [("c", 0)]
    engine.dispose()


async def test_texts_come_to_lie_apart(tmp_path: Path) -> None:
    """From version 2 to 3: a call that was stored with its text within has it, and is then written without it."""
    path, old = tmp_path / "a.db", call(text="sections: {}")
    store = await open_store(path)
    await store.write(lambda transaction: transaction.save_call(old))
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE calls SET data = ?", (encode(old),))
        connection.execute("DROP INDEX recordings_listed")
        connection.execute("ALTER TABLE recordings DROP COLUMN deleted_at")
        connection.execute("ALTER TABLE calls DROP COLUMN text")
        connection.execute("DROP TABLE texts")
        connection.execute("UPDATE schema_version SET version = 2")
    connection.close()
    store = await open_store(path)
    assert await store.read(lambda reader: reader.call(old.id)) == old
    new = old.changed(step=old.step + 1)
    await store.write(lambda transaction: transaction.save_call(new))
    assert await store.read(lambda reader: reader.call(old.id)) == new
    await store.close()
    with sqlite3.connect(path) as connection:
        assert "sections" not in connection.execute("SELECT data FROM calls").fetchone()[0]
    connection.close()


def test_recordings_are_listed(tmp_path: Path) -> None:
    """From version 3 to 4: rows of recordings that are there already are not deleted, and are listed."""
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        migrate(connection, STEPS[:2])
        connection.exec_driver_sql("DROP INDEX recordings_listed")
        connection.exec_driver_sql("ALTER TABLE recordings DROP COLUMN deleted_at")
        connection.exec_driver_sql(
            "INSERT INTO recordings (id, switch, leg, call, account, dialect, state, reference, requested_at,"
            " revision, data) VALUES ('r', 'fs1', 'leg', 'c', 'acme', 'swml', 'completed', 'ref', 1.0, 1, '{}')"
        )
    with engine.begin() as connection:
        assert migrate(connection) == 4
        rows = connection.exec_driver_sql("SELECT id FROM recordings WHERE deleted_at IS NULL").fetchall()
        assert [tuple(row) for row in rows] == [("r",)]
        assert "recordings_listed" in {index["name"] for index in inspect(connection).get_indexes("recordings")}
    engine.dispose()


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """The error names the file, both versions and what to do, and the file is not touched."""
    path = tmp_path / "a.db"
    await (await open_store(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 7")
    connection.close()
    with pytest.raises(StoreError, match=r"a\.db: the database has schema version 7, this fsrec knows .* 4: run"):
        await open_store(path)
