"""Stores with so many finished recordings, made quickly: rows in bulk, then the indexes, as one made slowly has them.

What PostgreSQL does by itself in time (autovacuum: statistics, visibility) is done at the end. SQLite has nothing
of the kind, and fsrec asks for nothing.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.templates import ROWS, Templates
from controller.store import open_store
from controller.store.migrations import COUNTED

DAYS = 90.0
"""Over how long the recordings were made."""
_ROWS = 30_000  # at a time

Made = tuple[str, tuple[Any, ...]]


async def fill_sqlite(path: Path, templates: Templates, count: int) -> None:
    """Make a SQLite store of ``count`` finished recordings."""
    await (await open_store(path)).close()
    await asyncio.to_thread(_fill_sqlite, path, templates, count)


def _fill_sqlite(path: Path, templates: Templates, count: int) -> None:
    store = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-1000000"):
        store.execute(f"PRAGMA {pragma}")
    indexes = store.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid"
    )
    made = indexes.fetchall()
    for name, _ in made:
        store.execute(f"DROP INDEX {name}")
    for batch in _batches(templates, count):
        store.execute("BEGIN")
        for table, rows in batch.items():
            names = templates.columns[table]
            columns = ", ".join(f'"{name}"' for name in names)
            store.executemany(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(names))})", rows)
        store.execute("COMMIT")
    for _, statement in made:  # in their order: of two that would do, SQLite takes the newest
        store.execute(statement)
    store.execute(COUNTED)
    store.close()
    with path.open("rb") as written:
        os.fsync(written.fileno())


async def fill_postgres(url: str, templates: Templates, count: int) -> None:
    """Make a PostgreSQL store of ``count`` finished recordings; its user must be a superuser."""
    await (await open_store(url)).close()
    store = await asyncpg.connect(url, command_timeout=600)
    try:
        await store.execute("SET session_replication_role = replica")  # foreign keys are true as they are
        await store.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
        indexes = await store.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        )
        for index in indexes:
            await store.execute(f"DROP INDEX {index['indexname']}")
        booleans = await store.fetch(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'boolean'"
        )
        truths = [
            (one["table_name"], templates.columns[one["table_name"]].index(one["column_name"])) for one in booleans
        ]
        for batch in _batches(templates, count):
            for table, place in truths:  # SQLite has numbers
                rows = batch.get(table, [])
                batch[table] = [(*row[:place], bool(row[place]), *row[place + 1 :]) for row in rows]
            for table, rows in batch.items():
                await store.copy_records_to_table(table, records=rows, columns=templates.columns[table])
        for index in indexes:
            await store.execute(index["indexdef"])
        await store.execute(COUNTED)
        await store.execute("VACUUM (ANALYZE)")
        await store.execute("CHECKPOINT")
    finally:
        await store.close()


def _batches(templates: Templates, count: int) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    yield {"texts": list(templates.texts)}
    made: Iterable[Made] = templates.copies(count, time.time() - 3600.0, DAYS * 86400)
    rows = iter(made)
    while some := list(islice(rows, _ROWS)):
        batch: dict[str, list[tuple[Any, ...]]] = {table: [] for table in ROWS}
        for table, row in some:
            batch[table].append(row)
        yield batch
