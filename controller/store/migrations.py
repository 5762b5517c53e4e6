"""Bringing a database to this version's tables.

An empty database gets ``tables`` as they are, at the newest version; an older one is led through ``STEPS``, one
after the other. Each run is one transaction: it happens whole or not at all. The first five steps are SQLite's: there
is no older PostgreSQL database.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, inspect, select, update
from sqlalchemy import text as sql

from controller.store.tables import LISTED, METADATA, VERSION
from controller.store.values import StoreError, index_text

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


def _tell_of_calls(connection: Connection) -> None:
    """Deliveries may be of a call or a transcription as well as of a notice: they have a subject.

    Attempts go first: with foreign keys on, to drop a table deletes its rows, and with them all that hang on them.
    """
    for statement in _REBUILT_DELIVERIES:
        connection.exec_driver_sql(statement)


_REBUILT_DELIVERIES = (
    """CREATE TABLE deliveries_5 (
        id TEXT NOT NULL, notice TEXT, subject TEXT NOT NULL, sequence INTEGER NOT NULL, account TEXT NOT NULL,
        dialect TEXT NOT NULL, method TEXT NOT NULL, url TEXT NOT NULL, origin TEXT NOT NULL, headers TEXT NOT NULL,
        body BLOB NOT NULL, state TEXT NOT NULL, owed BOOLEAN NOT NULL, due_at DOUBLE, attempts INTEGER NOT NULL,
        tries INTEGER NOT NULL, created_at DOUBLE NOT NULL, finished_at DOUBLE, reason TEXT,
        PRIMARY KEY (id), FOREIGN KEY(notice) REFERENCES notices (id) ON DELETE CASCADE)""",
    """CREATE TABLE attempts_5 (
        id INTEGER NOT NULL, delivery TEXT NOT NULL, at DOUBLE NOT NULL, duration DOUBLE NOT NULL, status INTEGER,
        error TEXT, detail TEXT NOT NULL, first_bytes BLOB NOT NULL, retry_after TEXT,
        PRIMARY KEY (id), FOREIGN KEY(delivery) REFERENCES deliveries_5 (id) ON DELETE CASCADE)""",
    """INSERT INTO deliveries_5 (id, notice, subject, sequence, account, dialect, method, url, origin, headers, body,
            state, owed, due_at, attempts, tries, created_at, finished_at, reason)
        SELECT id, notice, recording, sequence, account, dialect, method, url, origin, headers, body,
            state, owed, due_at, attempts, tries, created_at, finished_at, reason FROM deliveries""",
    """INSERT INTO attempts_5 (id, delivery, at, duration, status, error, detail, first_bytes, retry_after)
        SELECT id, delivery, at, duration, status, error, detail, first_bytes, retry_after FROM attempts""",
    "DROP TABLE attempts",
    "DROP TABLE deliveries",
    "ALTER TABLE deliveries_5 RENAME TO deliveries",
    "ALTER TABLE attempts_5 RENAME TO attempts",
    "CREATE INDEX deliveries_by_subject ON deliveries (subject, sequence)",
    "CREATE INDEX deliveries_pending ON deliveries (subject, finished_at) WHERE finished_at IS NULL",
    "CREATE INDEX deliveries_by_state ON deliveries (state, created_at, id)",
    "CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX deliveries_due_by_origin ON deliveries (origin, due_at, id) WHERE due_at IS NOT NULL",
    "CREATE INDEX attempts_by_delivery ON attempts (delivery, id)",
)


def _list_what_was_added(connection: Connection) -> None:
    """Find recordings that have a file, also by who called whom; of those that are there already, nobody knows."""
    for party in ("caller", "called"):
        connection.exec_driver_sql(f"ALTER TABLE recordings ADD COLUMN {party} TEXT NOT NULL DEFAULT ''")
    connection.exec_driver_sql(
        "CREATE INDEX recordings_added ON recordings"
        " (account, finished_at, id, state, deleted_at, caller, called)"
        " WHERE deleted_at IS NULL AND finished_at IS NOT NULL AND state != 'failed'"
    )


def _keep_transcriptions(connection: Connection) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE transcriptions (recording TEXT NOT NULL, account TEXT NOT NULL, state TEXT NOT NULL,"
        " requested_at DOUBLE NOT NULL, finished_at DOUBLE, data TEXT NOT NULL, PRIMARY KEY (recording),"
        " FOREIGN KEY(recording) REFERENCES recordings (id) ON DELETE CASCADE)"
    )
    connection.exec_driver_sql(
        "CREATE INDEX transcriptions_unfinished ON transcriptions (requested_at, recording) WHERE finished_at IS NULL"
    )


def _serve_plivo(connection: Connection) -> None:
    _tell_of_calls(connection)
    _list_what_was_added(connection)
    _keep_transcriptions(connection)


def _share(connection: Connection) -> None:
    """Several daemons may work on one database: who holds which switch, who delivers what, what one asks another.

    And what is to be put into the media store that they share.
    """
    for statement in _SHARED:
        connection.exec_driver_sql(statement)


_FREE = "due_at IS NOT NULL AND claimed_by IS NULL"
_SHARED = (
    "ALTER TABLE deliveries ADD COLUMN claimed_by TEXT",
    "CREATE INDEX deliveries_claimed ON deliveries (claimed_by) WHERE claimed_by IS NOT NULL",
    "DROP INDEX deliveries_due",
    "DROP INDEX deliveries_due_by_origin",
    f"CREATE INDEX deliveries_due ON deliveries (due_at) WHERE {_FREE}",
    f"CREATE INDEX deliveries_due_by_origin ON deliveries (origin, due_at, id) WHERE {_FREE}",
    "ALTER TABLE transcriptions ADD COLUMN claimed_by TEXT",
    "CREATE TABLE daemons (id TEXT NOT NULL, expires_at DOUBLE PRECISION NOT NULL, PRIMARY KEY (id))",
    """CREATE TABLE leases (switch TEXT NOT NULL, holder TEXT, epoch INTEGER NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL, PRIMARY KEY (switch))""",
    """CREATE TABLE commands (id TEXT NOT NULL, switch TEXT NOT NULL, asked_by TEXT NOT NULL, verb TEXT NOT NULL,
        data TEXT NOT NULL, asked_at DOUBLE PRECISION NOT NULL, deadline DOUBLE PRECISION NOT NULL, taken_by TEXT,
        answered_at DOUBLE PRECISION, result TEXT, PRIMARY KEY (id))""",
    "CREATE INDEX commands_asked ON commands (switch, asked_at) WHERE taken_by IS NULL",
    "CREATE INDEX commands_by_deadline ON commands (deadline)",
    "ALTER TABLE recordings ADD COLUMN unstored_on TEXT",
    "CREATE INDEX recordings_unstored ON recordings (finished_at, id, unstored_on) WHERE unstored_on IS NOT NULL",
)


def _show(connection: Connection) -> None:
    """Keep what happens to a recording, and find recordings of all accounts.

    Of recordings that are there nothing is known but their rows. A leg's id is written as it can be in an index.
    """
    postgres = connection.dialect.name == "postgresql"
    text, whole, real = (
        ('TEXT COLLATE "C"', "BIGINT", "DOUBLE PRECISION") if postgres else ("TEXT", "INTEGER", "DOUBLE")
    )
    connection.exec_driver_sql(
        f"CREATE TABLE history (recording {text} NOT NULL, revision {whole} NOT NULL, at {real} NOT NULL,"
        f" fact {text} NOT NULL, state {text} NOT NULL, detail {text} NOT NULL, effects {text} NOT NULL,"
        " PRIMARY KEY (recording, revision),"
        " FOREIGN KEY(recording) REFERENCES recordings (id) ON DELETE CASCADE)"
        f"{'' if postgres else ' WITHOUT ROWID'}"
    )
    long = connection.exec_driver_sql("SELECT id, leg FROM recordings WHERE length(leg) > 120").all()
    for row in long:
        connection.execute(_SHORTEN, {"key": row.id, "short": index_text(row.leg)})
    for statement in _SEARCHED:
        connection.exec_driver_sql(statement)
    LISTED.create(connection)


_SHORTEN = sql("UPDATE recordings SET leg = :short WHERE id = :key")
_RUNS = "unfinished_on IS NOT NULL"
_ASKED = "state, dialect, deleted_at, caller, called"
_SEARCHED = (
    "DROP INDEX calls_by_leg",  # which nobody asked, at each step of a call
    "DROP INDEX calls_by_account",
    "CREATE INDEX recordings_by_leg ON recordings (leg, requested_at, id)",
    "DROP INDEX recordings_by_account",
    f"CREATE INDEX recordings_by_account ON recordings (account, requested_at, id, {_ASKED})",
    f"CREATE INDEX recordings_searched ON recordings (requested_at, id, {_ASKED})",
    "DROP INDEX recordings_unfinished",
    f"CREATE INDEX recordings_unfinished ON recordings (unfinished_on, requested_at, id, account) WHERE {_RUNS}",
    "DROP INDEX deliveries_by_state",
    "CREATE INDEX deliveries_by_state ON deliveries (state, created_at, id, account)",
    "DROP INDEX recordings_listed",
)


def _tally(connection: Connection) -> None:
    """Keep count of the recordings that have a file, beside their rows."""
    postgres = connection.dialect.name == "postgresql"
    text, whole = ('TEXT COLLATE "C"', "BIGINT") if postgres else ("TEXT", "INTEGER")
    connection.exec_driver_sql(
        f"CREATE TABLE tallies (account {text} NOT NULL, switch {text} NOT NULL, added {whole} NOT NULL,"
        " PRIMARY KEY (account, switch))"
    )
    connection.exec_driver_sql(COUNTED)


COUNTED = (
    "INSERT INTO tallies (account, switch, added) SELECT account, switch, count(*) FROM recordings"
    " WHERE deleted_at IS NULL AND finished_at IS NOT NULL AND state != 'failed' GROUP BY account, switch"
)

STEPS: tuple[Step, ...] = (
    *(_revise_calls, _put_texts_apart, _list_recordings, _serve_plivo, _share, _show),
    _tally,
)
"""The first one leads from version 1 to 2, and so on. A step is never changed once it was released."""
NEWEST = len(STEPS) + 1


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
