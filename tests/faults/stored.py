"""The store as it lies there, read past fsrec: what is unfinished, and what became of each delivery."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import asyncpg

from tests.faults.evidence import Delivery
from tests.faults.told import told_of

_RECORDINGS = "SELECT id, state FROM recordings"
_LIVE = "SELECT id FROM calls WHERE live_on IS NOT NULL"
_DELIVERIES = (
    "SELECT id, subject, sequence, state, reason, url, headers, body FROM deliveries ORDER BY subject, sequence, id"
)
_WAITING = (
    "SELECT (SELECT count(*) FROM recordings WHERE unfinished_on IS NOT NULL) + "
    "(SELECT count(*) FROM calls WHERE live_on IS NOT NULL) + "
    "(SELECT count(*) FROM deliveries WHERE state = 'pending')"
)


class Database(Protocol):
    """Answers a query; raises OSError where it cannot now."""

    async def rows(self, query: str) -> Sequence[Sequence[Any]]: ...


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """The embedded store's file."""

    path: Path

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=5.0)) as database:
                return database.execute(query).fetchall()
        except sqlite3.Error as error:
            raise OSError(str(error)) from error


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A database of a server."""

    url: str

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        try:
            connection = await asyncpg.connect(self.url, timeout=5.0)
            try:
                return [tuple(row) for row in await connection.fetch(query)]
            finally:
                await connection.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise OSError(str(error)) from error


async def waiting(database: Database) -> int:
    """How many rows are not final."""
    ((count,),) = await database.rows(_WAITING)
    return int(count)


async def recordings(database: Database) -> dict[str, str]:
    """Each recording's state."""
    return {str(row[0]): str(row[1]) for row in await database.rows(_RECORDINGS)}


async def live_calls(database: Database) -> list[str]:
    """Calls that have not ended."""
    return [str(row[0]) for row in await database.rows(_LIVE)]


async def deliveries(database: Database) -> tuple[Delivery, ...]:
    """Each delivery, with what it tells."""
    found = []
    for identity, subject, sequence, state, reason, url, headers, body in await database.rows(_DELIVERIES):
        kind = next((value for name, value in json.loads(headers) if name.lower() == "content-type"), "")
        told = told_of(urlsplit(url).path, kind, bytes(body))
        found.append(Delivery(identity, subject, sequence, state, reason or "", told))
    return tuple(found)
