"""Bringing a database to this version's tables.

An empty database gets ``tables`` as they are, at the newest version; an older one is led through ``STEPS``, one
after the other. Each run is one transaction: it happens whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, inspect, select, update

from controller.store.tables import LISTED, METADATA, VERSION
from controller.store.values import StoreError

Step = Callable[[Connection], None]


def _revise_calls(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN revision INTEGER NOT NULL DEFAULT 0")


def _put_texts_apart(connection: Connection) -> None:
    """Rows that are there keep their text within, and are read so, until they are written again."""
    connection.exec_driver_sql("CREATE TABLE texts (id TEXT NOT NULL PRIMARY KEY, data TEXT NOT NULL)")
    connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN text TEXT")


def _list_recordings(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE recordings ADD COLUMN deleted_at DOUBLE PRECISION")
    LISTED.create(connection)


STEPS: tuple[Step, ...] = (_revise_calls, _put_texts_apart, _list_recordings)
"""The first one leads from version 1 to 2, and so on. A step is never changed once it was released."""


def migrate(connection: Connection, steps: tuple[Step, ...] = STEPS) -> int:
    """Bring the database of an open transaction to the newest version and return that.

    Raises StoreError for a database that a newer fsrec has written: going on would damage it.
    """
    newest = len(steps) + 1
    if not inspect(connection).has_table(VERSION.name):
        METADATA.create_all(connection)
        LISTED.create(connection)
        connection.execute(insert(VERSION).values(version=newest))
        return newest
    version: int = connection.execute(select(VERSION.c.version)).scalar_one()
    if version > newest:
        raise StoreError(
            f"the database has schema version {version}, this fsrec knows versions up to {newest}: "
            "run the fsrec that wrote it, or a newer one"
        )
    for step in steps[version - 1 :]:
        step(connection)
    connection.execute(update(VERSION).values(version=newest))
    return newest
