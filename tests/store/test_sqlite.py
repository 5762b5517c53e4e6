"""The file: where it is, who may read it, how it is kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from controller.store import Store, StoreError, open_store, sqlite
from controller.store.places import database_at
from controller.store.sqlite import SqliteDatabase
from tests.store.conftest import sqlite_only


@pytest.mark.parametrize(
    ("place", "path"),
    [("a/b.db", "a/b.db"), ("sqlite:///a/b.db", "a/b.db"), ("sqlite:////a/b.db", "/a/b.db")],
)
def test_places(place: str, path: str) -> None:
    """A path or a SQLite URL names the file."""
    assert database_at(place) == SqliteDatabase(Path(path))


@pytest.mark.parametrize("place", ["mysql://u:p@h/db", "sqlite://", "sqlite:///", "sqlite://h/a"])
def test_other_places_are_refused(place: str) -> None:
    """Any other URL is refused, without repeating what may be a password."""
    with pytest.raises(StoreError, match=r"://…: a path, sqlite:///path or postgresql://") as refused:
        database_at(place)
    assert "u:p" not in str(refused.value)


async def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """The directory and every file of the database are the owner's alone."""
    store = await open_store(tmp_path / "new" / "deep" / "fsrec.db")
    await store.write(lambda transaction: None)
    assert (tmp_path / "new" / "deep").stat().st_mode & 0o777 == 0o700
    files = list((tmp_path / "new" / "deep").iterdir())
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    await store.close()


@sqlite_only
async def test_every_commit_is_synced(store: Store) -> None:
    """The connections keep a write-ahead log, sync at each commit and keep foreign keys."""

    def pragmas(reader: Any) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "query_only")
        return [reader.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await store.write(pragmas) == ["wal", 2, 1, 0]
    assert await store.read(pragmas) == ["wal", 2, 1, 1]


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the directory should be, and a directory where the file should be, say so."""
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file" / "a.db", tmp_path):
        with pytest.raises(StoreError, match=f"store {place}: .*: a writable file in a directory is needed"):
            await open_store(place)


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A file of something else is left alone and named."""
    path = tmp_path / "a.db"
    path.write_text("this is no database, " * 100)
    with pytest.raises(StoreError, match=r"a\.db: file is not a database"):
        await open_store(path)
    assert path.read_text().startswith("this is no database")


async def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is too old is named with what is needed."""
    monkeypatch.setattr(sqlite, "OLDEST", (99, 1, 0))
    with pytest.raises(StoreError, match=r"SQLite .* is too old: 99\.1\.0 or newer is needed"):
        await open_store(tmp_path / "a.db")


async def test_a_place_without_a_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite cannot keep a write-ahead log the store does not open."""
    real = sqlite3.connect

    class NoLog(sqlite3.Connection):
        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("=WAL", "=DELETE"), *rest)

    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *a, **k: real(*a, **{**k, "factory": NoLog}))
    with pytest.raises(StoreError, match=r"a\.db: SQLite cannot keep a write-ahead log there"):
        await open_store(tmp_path / "a.db")
