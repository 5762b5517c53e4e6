"""Databases as older versions made them: version 4 as it was, those before it by what they lacked, later by steps."""

from __future__ import annotations

from sqlalchemy import Connection

from controller.store.migrations import STEPS

VERSION_4 = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
CREATE TABLE texts (id TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (id));
CREATE TABLE calls (id TEXT NOT NULL, switch TEXT NOT NULL, leg TEXT NOT NULL, account TEXT NOT NULL, dialect
    TEXT NOT NULL, state TEXT NOT NULL, live_on TEXT, started_at DOUBLE NOT NULL, ended_at DOUBLE, revision
    INTEGER NOT NULL, data TEXT NOT NULL, text TEXT, PRIMARY KEY (id));
CREATE INDEX calls_live ON calls (live_on) WHERE live_on IS NOT NULL;
CREATE INDEX calls_by_account ON calls (account, started_at, id);
CREATE INDEX calls_by_leg ON calls (switch, leg, started_at);
CREATE TABLE recordings (id TEXT NOT NULL, switch TEXT NOT NULL, leg TEXT NOT NULL, call TEXT NOT NULL,
    account TEXT NOT NULL, dialect TEXT NOT NULL, state TEXT NOT NULL, unfinished_on TEXT, reference TEXT NOT
    NULL, requested_at DOUBLE NOT NULL, finished_at DOUBLE, revision INTEGER NOT NULL, data TEXT NOT NULL,
    deleted_at DOUBLE, PRIMARY KEY (id));
CREATE INDEX recordings_by_call ON recordings (call, requested_at, id);
CREATE INDEX recordings_unfinished ON recordings (unfinished_on) WHERE unfinished_on IS NOT NULL;
CREATE INDEX recordings_by_account ON recordings (account, requested_at, id);
CREATE TABLE notices (id TEXT NOT NULL, recording TEXT NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT
    NULL, at DOUBLE NOT NULL, error TEXT, data TEXT NOT NULL, PRIMARY KEY (id), FOREIGN KEY(recording)
    REFERENCES recordings (id) ON DELETE CASCADE);
CREATE INDEX notices_by_recording ON notices (recording, sequence);
CREATE TABLE deliveries (id TEXT NOT NULL, notice TEXT NOT NULL, recording TEXT NOT NULL, sequence INTEGER NOT
    NULL, account TEXT NOT NULL, dialect TEXT NOT NULL, method TEXT NOT NULL, url TEXT NOT NULL, origin TEXT
    NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL, owed BOOLEAN NOT NULL, due_at
    DOUBLE, attempts INTEGER NOT NULL, tries INTEGER NOT NULL, created_at DOUBLE NOT NULL, finished_at DOUBLE,
    reason TEXT, PRIMARY KEY (id), FOREIGN KEY(notice) REFERENCES notices (id) ON DELETE CASCADE);
CREATE INDEX deliveries_by_recording ON deliveries (recording, sequence);
CREATE INDEX deliveries_due_by_origin ON deliveries (origin, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_state ON deliveries (state, created_at, id);
CREATE TABLE attempts (id INTEGER NOT NULL, delivery TEXT NOT NULL, at DOUBLE NOT NULL, duration DOUBLE NOT
    NULL, status INTEGER, error TEXT, detail TEXT NOT NULL, first_bytes BLOB NOT NULL, retry_after TEXT,
    PRIMARY KEY (id), FOREIGN KEY(delivery) REFERENCES deliveries (id) ON DELETE CASCADE);
CREATE INDEX attempts_by_delivery ON attempts (delivery, id);
CREATE INDEX recordings_listed ON recordings (account, requested_at, id) WHERE deleted_at IS NULL;
INSERT INTO schema_version (version) VALUES (4);
"""

BACK = {
    3: ("DROP INDEX recordings_listed", "ALTER TABLE recordings DROP COLUMN deleted_at"),
    2: ("ALTER TABLE calls DROP COLUMN text", "DROP TABLE texts"),
    1: ("ALTER TABLE calls DROP COLUMN revision",),
}


def make(connection: Connection, version: int) -> None:
    """Make an empty database of that version (1 to 6), SQLite's."""
    for statement in VERSION_4.split(";"):
        connection.exec_driver_sql(statement)
    for step in STEPS[3 : version - 1]:
        step(connection)
    for former in range(3, version - 1, -1):
        for statement in BACK[former]:
            connection.exec_driver_sql(statement)
    connection.exec_driver_sql("UPDATE schema_version SET version = ?", (version,))
