"""Units of work: what is written together. Plain synchronous functions over a connection.

Several works share one database transaction, for one fsync. A work that only writes leaves rows in a buffer, which
joins the group's when it is done and is written in one statement a table at the end: a work that raises has
touched nothing. A work that reads after writing, or asks for the connection, gets a savepoint of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Executable, NestedTransaction, Row, Select
from sqlalchemy.exc import SQLAlchemyError

from controller.documents.call import Call
from controller.recordings.model import Delivery, HistoryEntry, Notice, Recording, Transcription
from controller.store import statements
from controller.store.lanes import Lane, Place
from controller.store.reader import Reader
from controller.store.rows import (
    Columns,
    attempt_columns,
    call_columns,
    delivery_columns,
    history_columns,
    is_added,
    notice_columns,
    recording_columns,
    text_columns,
    transcription_columns,
)
from controller.store.tables import CALLS, DELIVERIES, HISTORY, NOTICES, RECORDINGS, TEXTS, TRANSCRIPTIONS
from controller.store.values import Attempt, DeliveryState, OutboxRow, StaleRevision, Verdict
from controller.telemetry import Hook

Move = Callable[[Lane], None] | Columns
"""What happens in a lane; the row of a delivery is one that takes its place there."""


class GroupBroken(BaseException):
    """What former works of the group left cannot be written: not this work's fault, nor its to catch."""


@dataclass(slots=True)
class Buffer:
    """Rows to be written, the newest of each recording and call, and what happens in the lanes.

    ``known`` are ids of texts that are stored: none is ever changed, nor deleted.
    """

    known: Collection[str] = ()
    texts: dict[str, Columns] = field(default_factory=dict)
    calls: dict[str, Columns] = field(default_factory=dict)
    recordings: dict[str, Columns] = field(default_factory=dict)
    history: list[Columns] = field(default_factory=list)
    notices: list[Columns] = field(default_factory=list)
    transcriptions: list[Columns] = field(default_factory=list)
    attempts: list[Columns] = field(default_factory=list)
    attempted: dict[str, Columns] = field(default_factory=dict)
    moves: list[tuple[str, Move]] = field(default_factory=list)

    def __bool__(self) -> bool:
        rows = self.calls or self.recordings or self.history or self.notices
        return bool(rows or self.transcriptions or self.moves)

    def merge(self, other: Buffer) -> None:
        """Take over what a later work wrote."""
        self.texts.update(other.texts)
        for row in other.calls.values():
            self.add_call(row)
        self.recordings.update(other.recordings)
        self.history += other.history
        self.notices += other.notices
        self.transcriptions += other.transcriptions
        self.attempts += other.attempts
        self.attempted.update(other.attempted)
        self.moves += other.moves

    def add_call(self, row: Columns) -> None:
        """Have a call's row written, unless a newer one is to be."""
        known = self.calls.get(row["id"])
        if known is None or known["revision"] <= row["revision"]:
            self.calls[row["id"]] = row

    def clear(self) -> None:
        """Forget everything."""
        for rows in (
            self.texts,
            self.calls,
            self.recordings,
            self.history,
            self.notices,
            self.transcriptions,
            self.attempts,
            self.attempted,
            self.moves,
        ):
            rows.clear()

    def write(self, connection: Connection) -> None:
        """Write all of it. Raises StaleRevision, or what the database says."""
        statements.insert_new(connection, TEXTS, list(self.texts.values()))
        statements.upsert(connection, CALLS, list(self.calls.values()))
        tallies = self._tallies(connection)
        statements.upsert(connection, RECORDINGS, list(self.recordings.values()))
        statements.insert_new(connection, HISTORY, self.history)
        statements.insert_new(connection, NOTICES, self.notices)
        statements.insert_new(connection, TRANSCRIPTIONS, self.transcriptions)
        deleted = [{"key": row["id"]} for row in self.recordings.values() if row["deleted_at"] is not None]
        statements.run(connection, statements.FORGET_TRANSCRIPTION, deleted)
        if self.moves:
            self._write_lanes(connection)
        statements.tally(connection, tallies)  # last: daemons that delete each other's wait for each other there

    def _tallies(self, connection: Connection) -> list[Columns]:
        """Return what the recordings change of the tallies; those rows stay as they are until they are written.

        Raises StaleRevision.
        """
        had: set[str] = set()
        for ids in statements.chunks(self.recordings):
            for known in connection.execute(statements.REVISIONS, {"ids": ids}):
                refuse_stale(known.id, known.revision, self.recordings[known.id]["revision"])
                if known.added:
                    had.add(known.id)
        changes: Counter[tuple[str, str]] = Counter()
        for identity, row in self.recordings.items():
            changes[row["account"], row["switch"]] += is_added(row) - (identity in had)
        return [
            {"account": account, "switch": switch, "added": change}
            for (account, switch), change in changes.items()
            if change
        ]

    def _write_lanes(self, connection: Connection) -> None:
        statements.lock_subjects(connection, {subject for subject, _ in self.moves})
        new = self._new_deliveries(connection)
        places: dict[str, Place] = {}
        lanes: dict[str, list[Place]] = {subject: [] for subject, _ in self.moves}
        for ids in statements.chunks(lanes):
            for row in connection.execute(statements.PLACES, {"ids": ids}):
                places[row.id] = Place(row.id, row.sequence, row.owed, row.due_at)
                lanes[row.subject].append(places[row.id])
        moved = {subject: Lane(members) for subject, members in lanes.items()}
        for subject, move in self.moves:
            if not isinstance(move, dict):
                move(moved[subject])
            elif move["id"] in new:
                moved[subject].add(move["id"], new[move["id"]]["sequence"], move["created_at"])
        for identity, attempted in self.attempted.items():
            if identity in places:
                places[identity] = Place(identity, places[identity].sequence, False, attempted["to_due_at"])
        changed = []
        for place in (place for lane in moved.values() for place in lane):
            if place.id in new:
                new[place.id].update(owed=place.owed, due_at=place.due_at)
            elif place != places[place.id]:
                changed.append({"key": place.id, "to_owed": place.owed, "to_due_at": place.due_at})
        statements.insert_new(connection, DELIVERIES, list(new.values()))
        statements.run(connection, statements.INSERT_ATTEMPT, self.attempts)
        statements.run(connection, statements.ATTEMPTED, list(self.attempted.values()))
        statements.run(connection, statements.MOVED, changed)

    def _new_deliveries(self, connection: Connection) -> dict[str, Columns]:
        """Return the rows of deliveries that are not stored yet, each with its sequence."""
        rows: dict[str, Columns] = {}
        for _, move in self.moves:
            if isinstance(move, dict):
                rows.setdefault(move["id"], move)
        for ids in statements.chunks(list(rows)):
            for known in connection.execute(statements.PRESENT, {"ids": ids}):
                del rows[known.id]
        last: dict[str, int] = {}
        for row in rows.values():
            if row["sequence"] is None:
                subject = row["subject"]
                if subject not in last:
                    last[subject] = connection.execute(statements.LAST_SEQUENCE, {"of": subject}).scalar() or 0
                last[subject] += 1
                row["sequence"] = last[subject]
        return rows


def refuse_stale(recording: str, stored: int, offered: int) -> None:
    """Raise StaleRevision if the offered revision is older than the stored one."""
    if offered < stored:
        raise StaleRevision(f"recording {recording}: revision {offered} would overwrite revision {stored}")


class Transaction(Reader):
    """One unit of work: reads see its own writes. ``now`` is the store's clock, in Unix seconds."""

    def __init__(self, connection: Connection, group: Buffer, observe: Hook, clock: Callable[[], float]) -> None:
        super().__init__(connection, observe)
        self._group = group
        self._own = Buffer()
        self._savepoint: NestedTransaction | None = None
        self.now = clock()

    def save_recording(self, recording: Recording) -> None:
        """Store a recording as it is now. Raises StaleRevision, here or when the work ends."""
        for buffer in (self._group, self._own):
            if recording.id in buffer.recordings:
                refuse_stale(recording.id, buffer.recordings[recording.id]["revision"], recording.revision)
        self._own.recordings[recording.id] = recording_columns(recording)

    def save_call(self, call: Call) -> None:
        """Store a call as it is now; one that was stored with a higher revision stays as it is."""
        text = None
        if call.text:
            row = text_columns(call.text)
            text = row["id"]
            if text not in self._group.known:
                self._own.texts[text] = row
        self._own.add_call(call_columns(call, text))

    def add_history(self, entry: HistoryEntry) -> None:
        """Keep what happened to a stored recording; the same revision again changes nothing."""
        self._own.history.append(history_columns(entry))

    def add_notice(self, notice: Notice, deliveries: Sequence[Delivery], error: str | None = None) -> None:
        """Store a notice of a stored recording and put its deliveries into the outbox.

        Those of one notice do not wait for each other. ``error`` says why there are none though there should be. The
        same ids again change nothing.
        """
        recording, now, sequence = notice.recording.id, self.now, notice.sequence
        self._own.notices.append(notice_columns(notice, error))
        if notice.kind.last:
            self._own.moves.append((recording, lambda lane: lane.hurry(sequence, now)))
        for delivery in deliveries:
            row = delivery_columns(recording, delivery, now, notice=notice.id, sequence=sequence)
            self._own.moves.append((recording, row))

    def add_message(self, call: Call, delivery: Delivery) -> None:
        """Put something that is told of a call into the outbox, behind what was told of it before.

        The same delivery's id again changes nothing, also when it was delivered long ago.
        """
        self._own.moves.append((call.id, delivery_columns(call.id, delivery, self.now)))

    def add_transcription(self, transcription: Transcription) -> None:
        """Store a transcription of a stored recording, unless that has one already."""
        self._own.transcriptions.append(transcription_columns(transcription))

    def save_transcription(
        self, transcription: Transcription, told: Delivery | None = None, *, claimed_by: str | None = None
    ) -> bool:
        """Store a transcription as it is now, and put what is ``told`` of it behind what its recording was told of.

        Returns False where its recording is gone or deleted: then nothing is stored, and nobody is told.
        """
        recording, database = transcription.recording, self.connection
        if database.execute(statements.KEPT_RECORDING, {"key": recording}).scalar() is None:
            return False
        statements.upsert(database, TRANSCRIPTIONS, [transcription_columns(transcription, claimed_by)])
        if told is not None:
            self._own.moves.append((recording, delivery_columns(recording, told, self.now)))
        return True

    def forget_transcription(self, recording: str) -> bool:
        """Delete a recording's transcription; return whether there was one."""
        return self.connection.execute(statements.FORGET_TRANSCRIPTION, {"key": recording}).rowcount > 0

    def attempt_made(self, row: OutboxRow, attempt: Attempt, verdict: Verdict) -> None:
        """Keep an attempt of a pending delivery and what follows from it; the next of its subject may go now."""
        now, identity, due_at = self.now, row.id, verdict.due_at
        self._own.attempts.append(attempt_columns(identity, attempt))
        self._own.attempted[identity] = {
            "key": identity,
            "to_state": verdict.state.value,
            "to_due_at": due_at,
            "to_finished_at": None if verdict.state is DeliveryState.PENDING else now,
            "to_reason": verdict.reason,
        }
        self._own.moves.append((row.subject, lambda lane: lane.attempted(identity, due_at, now)))

    def replay(self, identity: str) -> OutboxRow | None:
        """Begin a delivery's schedule anew, at once, whatever became of it; None if there is no such delivery.

        It owes an attempt again: it waits for an earlier one of its subject that owes one, and later ones for it.
        """
        row = self.delivery(identity)
        if row is None or (row.state is DeliveryState.PENDING and row.due_at is None):
            return row
        statements.lock_subjects(self.connection, [row.subject])
        self.connection.execute(statements.REPLAYED, {"key": identity})
        now = self.now
        self._own.moves.append((row.subject, lambda lane: lane.again(identity, now)))
        return self.delivery(identity)

    @property
    def connection(self) -> Connection:
        """The connection, in a savepoint of this work; statements see all of its writes."""
        if self._savepoint is None:
            self._write_group()
            self._savepoint = self._database.begin_nested()
        own, self._own = self._own, Buffer()
        own.write(self._database)
        return self._database

    def run(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[Row[Any]]:
        """Run a statement that returns rows, after all that was written before, without a savepoint of its own.

        One that the database refuses breaks the whole group, whose works are then tried one by one.
        """
        with self._unbroken():
            return list(self._view().execute(statement, values))

    def _rows(self, query: Select[Any], values: Mapping[str, Any] | None = None) -> list[Row[Any]]:
        with self._unbroken():
            return super()._rows(query, values)

    def _scalar(self, query: Select[Any], values: Mapping[str, Any] | None = None) -> Any:
        with self._unbroken():
            return super()._scalar(query, values)

    @contextmanager
    def _unbroken(self) -> Iterator[None]:
        """Break the group where a read is refused outside of a savepoint: that may have ended its transaction."""
        try:
            yield
        except SQLAlchemyError as error:
            if self._savepoint is None:
                raise GroupBroken from error
            raise

    def _view(self) -> Connection:
        if self._own:
            return self.connection
        self._write_group()
        return self._database

    def _write_group(self) -> None:
        if self._group:
            try:
                self._group.write(self._database)
            except Exception as error:
                raise GroupBroken from error
            self._group.clear()

    def finish(self) -> None:
        """Hand what is left to the group; called by the writer when the work returned."""
        if self._savepoint is None:
            self._group.merge(self._own)
        else:
            self._own.write(self._database)
            self._savepoint.commit()

    def abort(self) -> None:
        """Forget everything of this work; called by the writer when the work raised."""
        if self._savepoint is not None:
            self._savepoint.rollback()
