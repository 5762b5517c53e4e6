"""The tables, as SQLAlchemy Core sees them. What is searched is a column; the whole value is JSON text beside it.

``live_on``, ``unfinished_on`` and ``unstored_on`` hold the switch's name as long as the row is that, so that the
partial indexes on them stay as small as what is going on. A call's row is written at each of its steps: its
document's text lies apart, once for all calls that run it. Times are Unix seconds.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    and_,
    literal_column,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.dialects import postgresql

METADATA = MetaData()

Text = AnyText().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Whole = BigInteger().with_variant(
    Integer(), "sqlite"
)  # SQLite's has 64 bits, and counts up a key under this name alone

VERSION = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

TEXTS = Table(
    "texts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("data", Text, nullable=False),
)
CALLS = Table(
    "calls",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("switch", Text, nullable=False),
    Column("leg", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("live_on", Text),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("revision", Whole, nullable=False),
    Column("data", Text, nullable=False),
    Column("text", Text),
)
_LIVE = CALLS.c.live_on.is_not(None)
Index("calls_live", CALLS.c.live_on, sqlite_where=_LIVE, postgresql_where=_LIVE)

FIXED = "fixed"
"""Marks columns that never change once a row is there: a replacement leaves them, and the indexes on them, alone."""
_FIXED = {FIXED: True}

RECORDINGS = Table(
    "recordings",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("switch", Text, nullable=False, info=_FIXED),
    Column("leg", Text, nullable=False, info=_FIXED),
    Column("call", Text, nullable=False, info=_FIXED),
    Column("account", Text, nullable=False, info=_FIXED),
    Column("dialect", Text, nullable=False, info=_FIXED),
    Column("state", Text, nullable=False),
    Column("unfinished_on", Text),
    Column("reference", Text, nullable=False, info=_FIXED),
    Column("requested_at", Double, nullable=False, info=_FIXED),
    Column("finished_at", Double),
    Column("revision", Whole, nullable=False),
    Column("data", Text, nullable=False),
    Column("deleted_at", Double),
    Column("caller", Text, nullable=False, info=_FIXED),
    Column("called", Text, nullable=False, info=_FIXED),
    Column("unstored_on", Text),
)
Index("recordings_by_call", RECORDINGS.c.call, RECORDINGS.c.requested_at, RECORDINGS.c.id)
Index("recordings_by_leg", RECORDINGS.c.leg, RECORDINGS.c.requested_at, RECORDINGS.c.id)
_SEARCHED = (
    RECORDINGS.c.state,
    RECORDINGS.c.dialect,
    RECORDINGS.c.deleted_at,
    RECORDINGS.c.caller,
    RECORDINGS.c.called,
)
"""All that a search asks: in both of its indexes, so that what is not shown is no row that is read."""
Index("recordings_by_account", RECORDINGS.c.account, RECORDINGS.c.requested_at, RECORDINGS.c.id, *_SEARCHED)
Index("recordings_searched", RECORDINGS.c.requested_at, RECORDINGS.c.id, *_SEARCHED)
_LISTED = RECORDINGS.c.deleted_at.is_(None)
LISTED = Index(
    "recordings_listed",
    RECORDINGS.c.account,
    RECORDINGS.c.requested_at,
    RECORDINGS.c.id,
    sqlite_where=_LISTED,
    postgresql_where=_LISTED,
)
RECORDINGS.indexes.discard(LISTED)
"""It is created after all others (``migrations``): of two indexes that would do, SQLite takes the newest."""

ADDED = and_(
    RECORDINGS.c.deleted_at.is_(None),
    RECORDINGS.c.finished_at.is_not(None),
    RECORDINGS.c.state != literal_column("'failed'"),
)
"""What is asked of recordings that have a file: in these words, which the database finds in its index."""
Index(  # with all that is asked, so that counting and choosing them reads no row that is not shown
    "recordings_added",
    RECORDINGS.c.account,
    RECORDINGS.c.finished_at,
    RECORDINGS.c.id,
    RECORDINGS.c.state,
    RECORDINGS.c.deleted_at,
    RECORDINGS.c.caller,
    RECORDINGS.c.called,
    sqlite_where=ADDED,
    postgresql_where=ADDED,
)

TALLIES = Table(  # how many of each account are ``ADDED``; by switch, so that daemons seldom write the same row
    "tallies",
    METADATA,
    Column("account", Text, primary_key=True),
    Column("switch", Text, primary_key=True),
    Column("added", Whole, nullable=False),
)

_UNFINISHED = RECORDINGS.c.unfinished_on.is_not(None)
Index(
    "recordings_unfinished",
    RECORDINGS.c.unfinished_on,
    RECORDINGS.c.requested_at,
    RECORDINGS.c.id,
    RECORDINGS.c.account,
    sqlite_where=_UNFINISHED,
    postgresql_where=_UNFINISHED,
)

_UNSTORED = RECORDINGS.c.unstored_on.is_not(None)
Index(
    "recordings_unstored",
    RECORDINGS.c.finished_at,
    RECORDINGS.c.id,
    RECORDINGS.c.unstored_on,
    sqlite_where=_UNSTORED,
    postgresql_where=_UNSTORED,
)

HISTORY = Table(  # a row for each durable change; in SQLite the key is the table, so that it is written once
    "history",
    METADATA,
    Column("recording", Text, ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Whole, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("fact", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("effects", Text, nullable=False),
    sqlite_with_rowid=False,
)

NOTICES = Table(
    "notices",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("recording", Text, ForeignKey("recordings.id", ondelete="CASCADE"), nullable=False),
    Column("sequence", Whole, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("error", Text),
    Column("data", Text, nullable=False),
)
Index("notices_by_recording", NOTICES.c.recording, NOTICES.c.sequence)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("notice", Text, ForeignKey("notices.id", ondelete="CASCADE")),
    Column("subject", Text, nullable=False),
    Column("sequence", Whole, nullable=False),
    Column("account", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("owed", Boolean, nullable=False),
    Column("due_at", Double),
    Column("attempts", Whole, nullable=False),
    Column("tries", Whole, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("reason", Text),
    Column("claimed_by", Text),
)
Index("deliveries_by_subject", DELIVERIES.c.subject, DELIVERIES.c.sequence)
_PENDING = DELIVERIES.c.finished_at.is_(None)
Index(  # a long call's next message costs no look at all that were told before it; SQLite takes the longer index
    "deliveries_pending",
    DELIVERIES.c.subject,
    DELIVERIES.c.finished_at,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index(
    "deliveries_by_state",
    DELIVERIES.c.state,
    DELIVERIES.c.created_at,
    DELIVERIES.c.id,
    DELIVERIES.c.account,
)
_CLAIMED = DELIVERIES.c.claimed_by.is_not(None)
Index("deliveries_claimed", DELIVERIES.c.claimed_by, sqlite_where=_CLAIMED, postgresql_where=_CLAIMED)
_DUE = and_(DELIVERIES.c.due_at.is_not(None), DELIVERIES.c.claimed_by.is_(None))
Index("deliveries_due", DELIVERIES.c.due_at, sqlite_where=_DUE, postgresql_where=_DUE)
Index(  # with the id, so that looking for what is due touches no row
    "deliveries_due_by_origin",
    DELIVERIES.c.origin,
    DELIVERIES.c.due_at,
    DELIVERIES.c.id,
    sqlite_where=_DUE,
    postgresql_where=_DUE,
)

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("id", Whole, primary_key=True),
    Column("delivery", Text, ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False),
    Column("at", Double, nullable=False),
    Column("duration", Double, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Column("detail", Text, nullable=False),
    Column("first_bytes", LargeBinary, nullable=False),
    Column("retry_after", Text),
)
Index("attempts_by_delivery", ATTEMPTS.c.delivery, ATTEMPTS.c.id)

TRANSCRIPTIONS = Table(
    "transcriptions",
    METADATA,
    Column("recording", Text, ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    Column("account", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("data", Text, nullable=False),
    Column("claimed_by", Text),
)
_UNDONE = TRANSCRIPTIONS.c.finished_at.is_(None)
Index(
    "transcriptions_unfinished",
    TRANSCRIPTIONS.c.requested_at,
    TRANSCRIPTIONS.c.recording,
    sqlite_where=_UNDONE,
    postgresql_where=_UNDONE,
)

DAEMONS = Table(  # those that share this database; ``expires_at`` by the database's clock, in Unix seconds
    "daemons",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("expires_at", Double, nullable=False),
)
LEASES = Table(  # ``epoch`` grows with each taking; a row stays when nobody holds the switch (``holder`` is null)
    "leases",
    METADATA,
    Column("switch", Text, primary_key=True),
    Column("holder", Text),
    Column("epoch", Whole, nullable=False),
    Column("expires_at", Double, nullable=False),
)
COMMANDS = Table(  # what a daemon asks the holder of a switch; ``taken_by`` once, ``result`` when ``answered_at``
    "commands",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("switch", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("deadline", Double, nullable=False),
    Column("taken_by", Text),
    Column("answered_at", Double),
    Column("result", Text),
)
_ASKED = COMMANDS.c.taken_by.is_(None)
Index("commands_asked", COMMANDS.c.switch, COMMANDS.c.asked_at, sqlite_where=_ASKED, postgresql_where=_ASKED)
Index("commands_by_deadline", COMMANDS.c.deadline)
