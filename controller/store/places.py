"""Which database a place names."""

from __future__ import annotations

import os
from pathlib import Path

from controller.store.database import Database
from controller.store.postgres import PostgresDatabase
from controller.store.sqlite import SqliteDatabase
from controller.store.values import StoreError


def database_at(place: str | Path, patience: float = 5.0) -> Database:
    """Return the database that a path, ``sqlite:///path`` or ``postgresql://…`` names.

    ``patience`` (seconds) is how long a lock that another process has on a file is waited for. Raises StoreError,
    without repeating what may be a password.
    """
    text = os.fspath(place)
    scheme, mark, rest = text.partition("://")
    if not mark:
        return SqliteDatabase(Path(text), patience)
    if scheme in {"postgresql", "postgres"}:
        return PostgresDatabase(text)
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return SqliteDatabase(Path(rest[1:]), patience)
    raise StoreError(f"store {scheme}://…: a path, sqlite:///path or postgresql://user@host/database is supported")
