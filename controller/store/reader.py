"""What can be asked of the store. Plain synchronous functions over a SQLAlchemy connection, none of one database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

from sqlalchemy import ColumnElement, Connection, Row, Select, Tuple, func, select, tuple_

from controller.documents.call import Call
from controller.recordings.model import HistoryEntry, Notice, Recording, Transcription
from controller.store.codec import DecodeError, decode
from controller.store.events import RowUnreadable
from controller.store.rows import attempt_of, call_of, history_of, notice_of, outbox_row
from controller.store.statements import DELIVERIES_BY_ID, DUE_IDS, DUE_ORIGINS, NEXT_DUE, chunks
from controller.store.tables import (
    ADDED,
    ATTEMPTS,
    CALLS,
    DELIVERIES,
    HISTORY,
    NOTICES,
    RECORDINGS,
    TALLIES,
    TEXTS,
    TRANSCRIPTIONS,
)
from controller.store.values import Attempt, Backlog, DeliveryState, OutboxRow, column_text, index_text
from controller.telemetry import Hook

T = TypeVar("T")
_CALL = select(CALLS.c.id, CALLS.c.data, CALLS.c.text, TEXTS.c.data.label("written")).select_from(
    CALLS.outerjoin(TEXTS, CALLS.c.text == TEXTS.c.id)
)
Page = tuple[float, str]
"""Where a page ended: the time and id of its last row; given as ``before``, the next page begins after it."""


class Chosen(TypedDict, total=False):
    """Which recordings: ``since`` and ``until`` bound requested_at, both included.

    ``call``, ``caller`` and ``called`` leave out those of others, where a number may be written in several ways;
    ``deleted`` False leaves out those that are deleted. ``added`` True leaves out all that have no file, and what is
    said of requested_at is true of finished_at instead; among these alone the parties are found without reading rows.
    """

    call: str | None
    caller: str | Collection[str] | None
    called: str | Collection[str] | None
    since: float | None
    until: float | None
    deleted: bool
    added: bool


_UNDONE = TRANSCRIPTIONS.c.finished_at.is_(None)


def _chosen(account: str, **chosen: Unpack[Chosen]) -> list[ColumnElement[bool]]:
    """Return what is asked of a row, so that one index has all of it."""
    # Of one call's, the database shall walk the index by call: an expression of the account has none.
    owner = RECORDINGS.c.account if chosen.get("call") is None else RECORDINGS.c.account + ""
    asked = [owner == column_text(account)]
    for name in ("call", "caller", "called"):
        texts = chosen.get(name)
        if isinstance(texts, str):
            asked.append(RECORDINGS.c[name] == index_text(texts))
        elif isinstance(texts, Collection):
            asked.append(RECORDINGS.c[name].in_([index_text(text) for text in texts]))
    if not chosen.get("deleted", True):
        asked.append(RECORDINGS.c.deleted_at.is_(None))
    if chosen.get("added", False):
        asked.append(ADDED)
    since, until, moment = chosen.get("since"), chosen.get("until"), _order(**chosen)[0]
    if since is not None:
        asked.append(moment >= since)
    if until is not None:
        asked.append(moment <= until)
    return asked


def _order(**chosen: Unpack[Chosen]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return RECORDINGS.c.finished_at if chosen.get("added", False) else RECORDINGS.c.requested_at, RECORDINGS.c.id


def _place(page: Page) -> Tuple:
    moment, identity = page
    return tuple_(moment, column_text(identity))


class Reader:
    """Reads over one connection.

    A list leaves out a row that cannot be read (and tells so), because one bad row must not hide the others; a
    single value that cannot be read raises DecodeError.
    """

    def __init__(self, connection: Connection, observe: Hook) -> None:
        self._database = connection
        self._observe = observe

    @property
    def connection(self) -> Connection:
        """The connection, for statements of one's own; in a transaction they see all of its writes."""
        return self._database

    def _view(self) -> Connection:
        return self._database

    def recording(self, identity: str) -> Recording | None:
        """Return one recording, or None."""
        text = self._scalar(select(RECORDINGS.c.data).where(RECORDINGS.c.id == column_text(identity)))
        return None if text is None else decode(Recording, text)

    def readable_recording(self, identity: str) -> Recording | None:
        """Return one recording, None (and tell so) also where it can't be read."""
        query = select(RECORDINGS.c.id, RECORDINGS.c.data).where(RECORDINGS.c.id == column_text(identity))
        return next(iter(self._recordings(query)), None)

    def recordings_by_id(self, identities: Sequence[str]) -> list[Recording]:
        """Return some recordings, in no order."""
        return self._recordings(select(RECORDINGS.c.id, RECORDINGS.c.data).where(RECORDINGS.c.id.in_(identities)))

    def live(self, account: str | None = None) -> list[Page]:
        """Return the places (requested_at, id) of all recordings that are not final, one account's or of all."""
        query = select(RECORDINGS.c.requested_at, RECORDINGS.c.id).where(RECORDINGS.c.unfinished_on.is_not(None))
        if account is not None:  # an expression of it has no index: there are few that are not final
            query = query.where(RECORDINGS.c.account + "" == column_text(account))
        return [(row.requested_at, row.id) for row in self._rows(query)]

    def unfinished(self, switch: str) -> list[Recording]:
        """Return every recording of a switch whose state is not final, oldest first."""
        query = select(RECORDINGS.c.id, RECORDINGS.c.data).where(RECORDINGS.c.unfinished_on == column_text(switch))
        return self._recordings(query.order_by(RECORDINGS.c.requested_at, RECORDINGS.c.id))

    def unstored(self, limit: int) -> list[tuple[str, str]]:
        """Return ids and switches of recordings that the media store is to have, or to lose, oldest first."""
        query = select(RECORDINGS.c.id, RECORDINGS.c.unstored_on).where(RECORDINGS.c.unstored_on.is_not(None))
        ordered = query.order_by(RECORDINGS.c.finished_at, RECORDINGS.c.id)
        return [(row.id, row.unstored_on) for row in self._rows(ordered.limit(limit))]

    def unfinished_of(self, call: str) -> list[Recording]:
        """Return the recordings told as a call's whose state is not final, oldest first."""
        query = select(RECORDINGS.c.id, RECORDINGS.c.data).where(
            RECORDINGS.c.call == column_text(call), RECORDINGS.c.unfinished_on.is_not(None)
        )
        return self._recordings(query.order_by(RECORDINGS.c.requested_at, RECORDINGS.c.id))

    def recordings(
        self,
        account: str,
        *,
        limit: int = 50,
        offset: int = 0,
        before: Page | None = None,
        after: Page | None = None,
        **chosen: Unpack[Chosen],
    ) -> list[Recording]:
        """Return a page of those of an account's recordings that are ``chosen``, newest first.

        ``before`` and ``after`` are (requested_at, id): the page begins after that row, or ends before it, and costs
        the same wherever it is. ``offset`` leaves out so many of the first: a step along an index for each.
        """
        order = _order(**chosen)
        query = select(RECORDINGS.c.id, RECORDINGS.c.data).where(*_chosen(account, **chosen)).limit(limit)
        if offset:
            query = query.offset(offset)
        if before is not None:
            query = query.where(tuple_(*order) < _place(before))
        if after is not None:
            query = query.where(tuple_(*order) > _place(after))
            return self._recordings(query.order_by(*order))[::-1]
        return self._recordings(query.order_by(*(column.desc() for column in order)))

    def recordings_count(self, account: str, **chosen: Unpack[Chosen]) -> int:
        """Return how many of an account's recordings are ``chosen``: a walk along an index over all of them.

        Those that have a file are counted already, if nothing else is asked.
        """
        if [name for name, asked in chosen.items() if asked is not None] == ["added"] and chosen["added"]:
            own = TALLIES.c.account == column_text(account)
            return int(self._scalar(select(func.sum(TALLIES.c.added)).where(own)) or 0)
        count: int = self._scalar(select(func.count()).select_from(RECORDINGS).where(*_chosen(account, **chosen)))
        return count

    def transcription(self, recording: str) -> Transcription | None:
        """Return a recording's transcription, or None."""
        query = select(TRANSCRIPTIONS.c.data).where(TRANSCRIPTIONS.c.recording == column_text(recording))
        text = self._scalar(query)
        return None if text is None else decode(Transcription, text)

    def transcriptions_waiting(
        self, limit: int, leaving_out: Collection[str] = (), *asked: ColumnElement[bool]
    ) -> list[Transcription]:
        """Return transcriptions that are not over and of which all is true that is ``asked``, longest wanted first.

        Those that run are among them: what this process did not begin, a former one did. So ``leaving_out`` are the
        recordings whose transcriptions are in hand, which ``limit`` does not count.
        """
        query = select(TRANSCRIPTIONS.c.recording.label("id"), TRANSCRIPTIONS.c.data).where(_UNDONE, *asked)
        query = query.order_by(TRANSCRIPTIONS.c.requested_at, TRANSCRIPTIONS.c.recording)
        rows = self._rows(query.limit(limit + len(leaving_out)))
        left = [row for row in rows if row.id not in leaving_out][:limit]
        return self._readable("transcriptions", left, lambda row: decode(Transcription, row.data))

    def transcriptions_unfinished(self) -> int:
        """Return how many transcriptions are not over, running ones included."""
        count: int = self._scalar(select(func.count()).select_from(TRANSCRIPTIONS).where(_UNDONE))
        return count

    def call(self, identity: str) -> Call | None:
        """Return one call, or None."""
        rows = self._rows(_CALL.where(CALLS.c.id == column_text(identity)))
        return call_of(rows[0]) if rows else None

    def switches(self) -> set[str]:
        """Return the names of the switches that have unfinished recordings or calls that have not ended."""
        recordings = select(RECORDINGS.c.unfinished_on).where(RECORDINGS.c.unfinished_on.is_not(None)).distinct()
        calls = select(CALLS.c.live_on).where(CALLS.c.live_on.is_not(None)).distinct()
        return {row[0] for query in (recordings, calls) for row in self._rows(query)}

    def live_calls(self, switch: str) -> list[Call]:
        """Return the calls of a switch that have not ended, oldest first."""
        query = _CALL.where(CALLS.c.live_on == column_text(switch))
        rows = self._rows(query.order_by(CALLS.c.started_at, CALLS.c.id))
        return self._readable("calls", rows, call_of)

    def history(self, recording: str) -> list[HistoryEntry]:
        """Return what happened to a recording, in its order; nothing is known of what an older fsrec stored."""
        query = select(HISTORY, HISTORY.c.recording.label("id")).where(HISTORY.c.recording == column_text(recording))
        return self._readable("history", self._rows(query.order_by(HISTORY.c.revision)), history_of)

    def notices_of(self, recording: str) -> list[Notice]:
        """Return a recording's notices in their order."""
        query = select(NOTICES).where(NOTICES.c.recording == column_text(recording)).order_by(NOTICES.c.sequence)
        return self._readable("notices", self._rows(query), notice_of)

    def notice_errors(self, recording: str) -> dict[str, str]:
        """Return why notices of a recording could not be rendered: notice id to the error."""
        query = select(NOTICES.c.id, NOTICES.c.error).where(
            NOTICES.c.recording == column_text(recording), NOTICES.c.error.is_not(None)
        )
        return {row.id: row.error for row in self._rows(query)}

    def delivery(self, identity: str) -> OutboxRow | None:
        """Return one delivery's outbox row, or None."""
        rows = self._rows(select(DELIVERIES).where(DELIVERIES.c.id == column_text(identity)))
        return outbox_row(rows[0]) if rows else None

    def attempts(self, delivery: str) -> list[Attempt]:
        """Return the attempts of a delivery in their order."""
        query = select(ATTEMPTS).where(ATTEMPTS.c.delivery == column_text(delivery)).order_by(ATTEMPTS.c.id)
        return [attempt_of(row) for row in self._rows(query)]

    def attempts_of(self, deliveries: Iterable[str]) -> dict[str, list[Attempt]]:
        """Return the attempts of several deliveries, each one's in their order."""
        found: dict[str, list[Attempt]] = {}
        for ids in chunks(deliveries):
            for row in self._rows(select(ATTEMPTS).where(ATTEMPTS.c.delivery.in_(ids)).order_by(ATTEMPTS.c.id)):
                found.setdefault(row.delivery, []).append(attempt_of(row))
        return found

    def deliveries_of(self, subject: str) -> list[OutboxRow]:
        """Return the deliveries that are about a recording or a call, in their order."""
        query = select(DELIVERIES).where(DELIVERIES.c.subject == column_text(subject))
        return self._outbox(query.order_by(DELIVERIES.c.sequence, DELIVERIES.c.id))

    def deliveries(
        self,
        state: DeliveryState | None = None,
        *,
        account: str | None = None,
        limit: int = 50,
        before: Page | None = None,
    ) -> list[OutboxRow]:
        """Return a page of deliveries, newest first, of all accounts or of one; ``before`` is (created_at, id).

        Those of others in between are steps along the index.
        """
        newest = DELIVERIES.c.created_at.desc(), DELIVERIES.c.id.desc()
        rows: list[OutboxRow] = []
        for wanted in [state] if state is not None else list(DeliveryState):  # each is one walk along the index
            query = select(DELIVERIES).where(DELIVERIES.c.state == wanted.value).order_by(*newest)
            if account is not None:
                query = query.where(DELIVERIES.c.account == column_text(account))
            rows += self._deliveries(query, before, limit)
        return sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)[:limit]

    def _deliveries(self, query: Select[Any], before: Page | None, limit: int) -> list[OutboxRow]:
        """Return so many, if there are, also where rows among them can't be read."""
        made: list[OutboxRow] = []
        while True:
            behind = query
            if before is not None:
                behind = query.where(tuple_(DELIVERIES.c.created_at, DELIVERIES.c.id) < _place(before))
            wanted = limit - len(made)
            rows = self._rows(behind.limit(wanted))
            made += self._readable("deliveries", rows, outbox_row)
            if len(made) == limit or len(rows) < wanted:
                return made
            before = rows[-1].created_at, rows[-1].id

    def counts(self) -> dict[DeliveryState, int]:
        """Return how many deliveries are in each state."""
        query = select(DELIVERIES.c.state, func.count().label("rows")).group_by(DELIVERIES.c.state)
        found = {row.state: row.rows for row in self._rows(query)}
        return {state: found.get(state.value, 0) for state in DeliveryState}

    def backlog(self) -> Backlog:
        """Return what is not delivered: three walks along the index by state, of which delivered rows are no part."""

        def rows(state: DeliveryState) -> int:
            query = select(func.count()).select_from(DELIVERIES).where(DELIVERIES.c.state == state.value)
            count: int = self._scalar(query)
            return count

        return Backlog(rows(DeliveryState.PENDING), self.oldest_pending(), rows(DeliveryState.DEAD))

    def oldest_pending(self) -> float | None:
        """Return when the oldest pending delivery was made, or None."""
        query = select(func.min(DELIVERIES.c.created_at)).where(DELIVERIES.c.state == DeliveryState.PENDING.value)
        moment: float | None = self._scalar(query)
        return moment

    def due_origins(self, now: float) -> list[str]:
        """Return the origins that have deliveries due at ``now`` that no daemon has claimed, in order of their names.

        One step along the index for each origin that has any released delivery, however many rows each has.
        """
        return [row.origin for row in self._rows(DUE_ORIGINS, {"now": now})]

    def due(self, origin: str, now: float, limit: int, leaving_out: Collection[str] = ()) -> list[OutboxRow]:
        """Return deliveries of an origin that are due at ``now`` and claimed by no daemon, longest due first.

        ``limit`` counts those whose ids are in ``leaving_out``, too.
        """
        ids = [row.id for row in self._rows(DUE_IDS, {"of": origin, "now": now, "most": limit})]
        return self.deliveries_by_id(identity for identity in ids if identity not in leaving_out)

    def deliveries_by_id(self, identities: Iterable[str]) -> list[OutboxRow]:
        """Return some deliveries, longest due first."""
        found: list[OutboxRow] = []
        for ids in chunks(identities):
            found += self._readable("deliveries", self._rows(DELIVERIES_BY_ID, {"ids": ids}), outbox_row)
        return sorted(found, key=lambda row: (row.due_at or 0.0, row.id))

    def next_due(self, after: float) -> float | None:
        """Return the earliest due time later than ``after``, or None."""
        moment: float | None = self._scalar(NEXT_DUE, {"after": after})
        return moment

    def rows(self, query: Select[Any]) -> list[Row[Any]]:
        """Return the rows of a query of one's own."""
        return self._rows(query)

    def _rows(self, query: Select[Any], values: Mapping[str, Any] | None = None) -> list[Row[Any]]:
        return list(self._view().execute(query, values))

    def _scalar(self, query: Select[Any], values: Mapping[str, Any] | None = None) -> Any:
        return self._view().execute(query, values).scalar()

    def _recordings(self, query: Select[Any]) -> list[Recording]:
        return self._readable("recordings", self._rows(query), lambda row: decode(Recording, row.data))

    def _outbox(self, query: Select[Any]) -> list[OutboxRow]:
        return self._readable("deliveries", self._rows(query), outbox_row)

    def _readable(self, table: str, rows: Iterable[Row[Any]], read: Callable[[Row[Any]], T]) -> list[T]:
        values = []
        for row in rows:
            try:
                values.append(read(row))
            except (DecodeError, ValueError) as error:
                self._observe(RowUnreadable(table, row.id, str(error)))
        return values
