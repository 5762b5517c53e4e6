"""Values to rows and back. The only place that knows which columns a value is spread over."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Row

from controller.documents.call import Call, CallState
from controller.recordings.model import (
    Delivery,
    HistoryEntry,
    Notice,
    NoticeKind,
    Recording,
    State,
    Transcription,
)
from controller.store.codec import DecodeError, decode, encode
from controller.store.values import Attempt, DeliveryState, OutboxRow, column_text, index_text, origin_of

Columns = dict[str, Any]


def recording_columns(recording: Recording) -> Columns:
    """Return the row of a recording."""
    owner = recording.owner
    switch = column_text(owner.switch)
    return {
        "id": recording.id,
        "switch": switch,
        "leg": index_text(owner.leg),
        "call": owner.call,
        "account": column_text(owner.account),
        "dialect": owner.dialect,
        "state": recording.state.value,
        "unfinished_on": None if recording.state.final else switch,
        "reference": column_text(recording.request.reference),
        "requested_at": recording.requested_at,
        "finished_at": recording.finished_at,
        "revision": recording.revision,
        "data": encode(recording),
        "deleted_at": recording.deleted_at,
        "caller": index_text(owner.caller),
        "called": index_text(owner.called),
        "unstored_on": switch if recording.unstored else None,
    }


def is_added(row: Columns) -> bool:
    """Tell whether a recording has a file, by its row: what ``tables.ADDED`` says in SQL."""
    return row["finished_at"] is not None and row["deleted_at"] is None and row["state"] != State.FAILED.value


def text_columns(text: str) -> Columns:
    """Return the row of a document's text, the same for the same text."""
    data = encode(text)
    return {"id": hashlib.sha256(data.encode()).hexdigest(), "data": data}


def call_columns(call: Call, text: str | None) -> Columns:
    """Return the row of a call without its document's text, which is the row ``text``; None where it has none."""
    switch = column_text(call.switch)
    return {
        "id": call.id,
        "switch": switch,
        "leg": index_text(call.leg),
        "account": column_text(call.account),
        "dialect": call.dialect,
        "state": call.state.value,
        "live_on": None if call.state is CallState.ENDED else switch,
        "started_at": call.started_at,
        "ended_at": call.ended_at,
        "revision": call.revision,
        "data": encode(replace(call, text="")),
        "text": text,
    }


def call_of(row: Row[Any]) -> Call:
    """Return the call of a row with ``data``, ``text`` and its text's own ``written``. Raises DecodeError."""
    call = decode(Call, row.data)
    if row.text is None:
        return call
    if row.written is None:
        raise DecodeError(f"Call.text: there is no text {row.text}")
    return replace(call, text=decode(str, row.written))


def history_columns(entry: HistoryEntry) -> Columns:
    """Return the row of a step of a recording's life."""
    return {
        "recording": entry.recording,
        "revision": entry.revision,
        "at": entry.at,
        "fact": entry.fact,
        "state": entry.state.value,
        "detail": column_text(entry.detail),
        "effects": " ".join(entry.effects),
    }


def history_of(row: Row[Any]) -> HistoryEntry:
    """Return the step of a row. Raises ValueError for a state that is none."""
    effects = tuple(row.effects.split())
    return HistoryEntry(row.recording, row.revision, row.at, row.fact, State(row.state), row.detail, effects)


def notice_columns(notice: Notice, error: str | None) -> Columns:
    """Return the row of a notice; ``error`` says why it could not be rendered."""
    return {
        "id": notice.id,
        "recording": notice.recording.id,
        "sequence": notice.sequence,
        "kind": notice.kind.value,
        "at": notice.at,
        "error": None if error is None else column_text(error),
        "data": encode(notice.recording),
    }


def notice_of(row: Row[Any]) -> Notice:
    """Return the notice of a row. Raises DecodeError."""
    return Notice(row.id, NoticeKind(row.kind), decode(Recording, row.data), row.at, row.sequence)


def delivery_columns(
    subject: str, delivery: Delivery, now: float, *, notice: str | None = None, sequence: int | None = None
) -> Columns:
    """Return the row of a new delivery, before its place in its subject's lane is known.

    Without a ``sequence`` it gets the next one of its subject when it is written.
    """
    return {
        "id": delivery.id,
        "notice": notice,
        "subject": subject,
        "sequence": sequence,
        "account": column_text(delivery.account),
        "dialect": delivery.dialect,
        "method": column_text(delivery.method),
        "url": column_text(delivery.url),
        "origin": column_text(origin_of(delivery.url)),
        "headers": encode(delivery.headers),
        "body": delivery.body,
        "state": DeliveryState.PENDING.value,
        "owed": True,
        "due_at": None,
        "attempts": 0,
        "tries": 0,
        "created_at": now,
        "finished_at": None,
        "reason": None,
    }


def transcription_columns(transcription: Transcription, claimed_by: str | None = None) -> Columns:
    """Return the row of a transcription; ``finished_at`` is there exactly when it is over."""
    over = transcription.state.final
    return {
        "recording": transcription.recording,
        "account": column_text(transcription.account),
        "state": transcription.state.value,
        "requested_at": transcription.requested_at,
        "finished_at": (transcription.finished_at or transcription.requested_at) if over else None,
        "data": encode(transcription),
        "claimed_by": claimed_by,
    }


_HEADERS = tuple[tuple[str, str], ...]


@lru_cache(256)  # a dialect's headers are the same on nearly all of its deliveries
def _headers(text: str) -> tuple[tuple[str, str], ...]:
    return decode(_HEADERS, text)


def outbox_row(row: Row[Any]) -> OutboxRow:
    """Return the outbox row of a deliveries row. Raises DecodeError."""
    delivery = Delivery(row.id, row.account, row.dialect, row.method, row.url, _headers(row.headers), bytes(row.body))
    return OutboxRow(
        delivery,
        row.subject,
        row.sequence,
        row.origin,
        DeliveryState(row.state),
        row.created_at,
        row.due_at,
        row.attempts,
        row.tries,
        row.finished_at,
        row.reason,
    )


def attempt_columns(delivery: str, attempt: Attempt) -> Columns:
    """Return the row of an attempt of that delivery."""
    return {
        "delivery": delivery,
        "at": attempt.at,
        "duration": attempt.duration,
        "status": attempt.status,
        "error": attempt.error,
        "detail": column_text(attempt.detail),
        "first_bytes": attempt.first_bytes,
        "retry_after": None if attempt.retry_after is None else column_text(attempt.retry_after),
    }


def attempt_of(row: Row[Any]) -> Attempt:
    """Return the attempt of a row."""
    return Attempt(row.at, row.duration, row.status, row.error, row.detail, bytes(row.first_bytes), row.retry_after)
