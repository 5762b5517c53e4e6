"""What the operators' API shows, as JSON: a contract, which docs/cli.md tells with examples.

Times are Unix seconds (``…_at``), durations float seconds, sizes bytes; what is not known is null, and no key is ever
left out. Texts that came from callers and receivers are theirs: whoever shows them takes care of that. A URL is shown
without the credentials that it may hold.
"""

from __future__ import annotations

from typing import Any

from controller.console.ports import Health, Running, Story, SwitchStatus, Told
from controller.documents.call import Call
from controller.documents.fetch import shown
from controller.recordings.model import HistoryEntry, Recording, Transcription
from controller.store.values import Attempt, DeliveryState, OutboxRow

Shape = dict[str, Any]


def recording(one: Recording) -> Shape:
    """Return a recording; what media found is null until it has looked."""
    owner, measured = one.owner, one.measured
    return {
        "id": one.id,
        "state": one.state.value,
        "account": owner.account,
        "dialect": owner.dialect,
        "switch": owner.switch,
        "call": owner.call,
        "leg": _text(one.leg),
        "direction": _text(owner.direction),
        "caller": _text(owner.caller),
        "called": _text(owner.called),
        "source": one.request.source,
        "reference": _text(one.request.reference),
        "track": one.request.track.value,
        "requested_at": one.requested_at,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "finished_at": one.finished_at,
        "deleted_at": one.deleted_at,
        "paused": None if one.paused_behavior is None else one.paused_behavior.value,
        "reason": None if one.reason is None else one.reason.value,
        "absence": None if one.absence is None else one.absence.value,
        "error": None if one.error is None else _text(one.error),
        "format": one.request.format if measured is None else measured.format,
        "duration": None if measured is None else measured.duration,
        "size": None if measured is None else measured.size,
        "channels": None if measured is None else measured.channels,
        "rate": None if measured is None else measured.rate,
    }


def running(one: Running) -> Shape:
    """Return a recording that is not final, and for how many seconds it has run."""
    return {**recording(one.recording), "elapsed": one.elapsed}


def story(one: Story) -> Shape:
    """Return all that is known of a recording."""
    return {
        "recording": recording(one.recording),
        "call": None if one.call is None else call(one.call),
        "history": [_step(entry) for entry in one.history],
        "notices": [
            {
                "id": notice.id,
                "kind": notice.kind.value,
                "at": notice.at,
                "sequence": notice.sequence,
                "unrendered": _maybe(one.unrendered.get(notice.id)),
            }
            for notice in one.notices
        ],
        "webhooks": [told(each) for each in one.told],
        "transcription": None if one.transcription is None else _transcription(one.transcription),
    }


def call(one: Call) -> Shape:
    """Return the call that a recording is of."""
    return {
        "id": one.id,
        "leg": _text(one.leg),
        "switch": one.switch,
        "account": one.account,
        "dialect": one.dialect,
        "document": _text(shown(one.document)),
        "state": one.state.value,
        "caller": _text(one.info.caller_number),
        "caller_name": _text(one.info.caller_name),
        "called": _text(one.info.destination),
        "direction": _text(one.info.direction),
        "started_at": one.started_at,
        "answered_at": one.answered_at,
        "ended_at": one.ended_at,
        "cause": _maybe(one.cause),
    }


def _step(entry: HistoryEntry) -> Shape:
    return {
        "revision": entry.revision,
        "at": entry.at,
        "fact": entry.fact,
        "state": entry.state.value,
        "detail": _text(entry.detail),
        "effects": list(entry.effects),
    }


def _transcription(one: Transcription) -> Shape:
    return {
        "state": one.state.value,
        "requested_at": one.requested_at,
        "finished_at": one.finished_at,
        "progress": one.progress,
        "seconds": one.seconds,
        "text": _text(one.text),
        "error": _text(one.error) or None,
    }


def webhook(row: OutboxRow) -> Shape:
    """Return a delivery; ``attempts`` counts those of all its schedules, ``subject`` is its recording or call."""
    return {
        "id": row.id,
        "state": row.state.value,
        "account": row.delivery.account,
        "dialect": row.delivery.dialect,
        "subject": row.subject,
        "sequence": row.sequence,
        "method": row.delivery.method,
        "url": _text(shown(row.delivery.url)),
        "created_at": row.created_at,
        "due_at": row.due_at,
        "finished_at": row.finished_at,
        "attempts": row.attempts,
        "reason": _maybe(row.reason),
    }


def told(one: Told) -> Shape:
    """Return a delivery with what it says and each attempt at it, in their order."""
    return {
        **webhook(one.row),
        "body": one.row.delivery.body.decode(errors="replace"),
        "tried": [_attempt(each) for each in one.attempts],
    }


def _attempt(one: Attempt) -> Shape:
    return {
        "at": one.at,
        "duration": one.duration,
        "status": one.status,
        "error": _maybe(one.error),
        "detail": _text(one.detail),
        "first_bytes": one.first_bytes.decode(errors="replace"),
        "retry_after": _maybe(one.retry_after),
    }


def switch(one: SwitchStatus) -> Shape:
    """Return how it is with a switch."""
    return {
        "name": one.name,
        "state": one.state,
        "why": _text(one.why),
        "holder": one.holder or None,
        "core_uuid": one.core_uuid or None,
        "version": _text(one.version) or None,
        "connected_at": one.connected_at,
        "last_event_at": one.last_event_at,
        "calls": one.calls,
        "recordings": one.recordings,
        "free": one.free,
    }


def health(one: Health) -> Shape:
    """Return how it goes with this daemon."""
    return {
        "status": "not ready" if one.problems else "degraded" if one.degraded else "ready",
        "version": one.version,
        "problems": [_text(words) for words in one.problems],
        "degraded": [_text(words) for words in one.degraded],
        "switches": [switch(each) for each in one.switches],
        "webhooks": {
            state.value: one.deliveries.get(state, 0) for state in (DeliveryState.PENDING, DeliveryState.DEAD)
        },
        "oldest_pending": one.oldest_pending,
    }


def _text(text: str) -> str:
    """Return text that JSON can hold: lone surrogates, which no UTF-8 has, replaced."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _maybe(text: str | None) -> str | None:
    return None if text is None else _text(text)
