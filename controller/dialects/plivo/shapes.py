"""Recordings, pages of them and transcriptions as Plivo's REST API shows them (spec twiml_laml_plivo 3.5).

Numbers and texts are each what Plivo's clients decode: times of a recording are texts with five decimals, those of a
transcription numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from controller.dialects.plivo.formats import exact, length_of, milliseconds
from controller.dialects.plivo.rest import DAY, Listing, cursor
from controller.dialects.plivo.urls import recording_url
from controller.documents.dialect import Account
from controller.recordings.model import Recording, Transcription, TranscriptionState

STARTED, TRANSCRIBING, ACCEPTED = "call recording started", "transcription in progress", "request accepted"

STATUS = {
    TranscriptionState.WAITING: "in-progress",
    TranscriptionState.RUNNING: "in-progress",
    TranscriptionState.DONE: "success",
    TranscriptionState.FAILED: "failed",
}
"""``success`` is Plivo's; its other words are in no source."""


def root(account: Account) -> str:
    """Return the account's own path."""
    return f"/v1/Account/{account.identity}"


def started(recording: Recording, account: Account, public_url: str) -> dict[str, Any]:
    """Return the answer of a start; ``api_id`` is that of the request which began it, its callback tells the same."""
    return {
        "url": recording_url(public_url, account, recording),
        "message": STARTED,
        "recording_id": recording.id,
        "api_id": recording.request.reference,
    }


def shape(recording: Recording, account: Account, public_url: str, now: float) -> dict[str, Any]:
    """Return the resource of a recording that has a file, at ``now`` (Unix seconds)."""
    owner, seconds = recording.owner, length_of(recording)
    began, ended = _span(recording)
    return {
        "add_time": f"{exact(added_at(recording))}+00:00",
        "call_uuid": owner.call,
        "conference_name": "",
        "from_number": owner.caller,
        "monthly_recording_storage_amount": 0,
        "recording_duration_ms": _decimals(milliseconds(seconds)),
        "recording_end_ms": _decimals(ended),
        "recording_format": recording.request.format,
        "recording_id": recording.id,
        "recording_start_ms": _decimals(began),
        "recording_storage_duration": 1 + max(0, math.floor((now - added_at(recording)) / DAY)),
        "recording_storage_rate": 0,
        "recording_type": "call",
        "recording_url": recording_url(public_url, account, recording),
        "resource_uri": f"{root(account)}/Recording/{recording.id}/",
        "rounded_recording_duration": _rounded(seconds),
        "to_number": owner.called,
    }


def page(
    found: Sequence[dict[str, Any]], account: Account, asked: Listing, *, total: int, more: bool
) -> dict[str, Any]:
    """Return a page of ``total`` recordings; ``more`` follow it.

    ``next`` has both, an offset and a cursor, which recordings that come in meanwhile do not move: newer clients
    follow that, older ones count.
    """

    def uri(offset: int, *place: tuple[str, str]) -> str:
        query = [*asked.filters, ("limit", str(asked.limit)), ("offset", str(offset)), *place]
        return f"{root(account)}/Recording/?{urlencode(query)}"

    behind = asked.offset + len(found)
    return {
        "meta": {
            "limit": asked.limit,
            "next": uri(behind, ("cursor", cursor(behind, found[-1]["recording_id"]))) if more and found else None,
            "offset": asked.offset,
            "previous": uri(max(0, asked.offset - asked.limit)) if asked.offset else None,
            "total_count": total,
        },
        "objects": list(found),
    }


def transcribed(transcription: Transcription, recording: Recording) -> dict[str, Any]:
    """Return the resource of a transcription; without a text yet, or for ever (``error``), that is null."""
    failed = {"error": transcription.error} if transcription.state is TranscriptionState.FAILED else {}
    return {
        "cost": transcription.charge,
        "rate": transcription.rate,
        "recording_duration_ms": milliseconds(length_of(recording)),
        "recording_start_ms": _span(recording)[0],
        "status": STATUS[transcription.state],
        "transcription": transcription.text if transcription.state is TranscriptionState.DONE else None,
        "type": "auto",
        **failed,
    }


def added_at(recording: Recording) -> float:
    """Return when a recording was added to the account: it has been ready since then."""
    return recording.requested_at if recording.finished_at is None else recording.finished_at


def _span(recording: Recording) -> tuple[int, int]:
    """Return when it began and ended, in milliseconds since the epoch."""
    began = recording.requested_at if recording.started_at is None else recording.started_at
    ended = began + length_of(recording) if recording.ended_at is None else recording.ended_at
    return milliseconds(began), milliseconds(ended)


def _rounded(seconds: float) -> int:
    """Return a length to the nearest minute, at least one; nothing is nothing."""
    return max(1, math.floor(seconds / 60 + 0.5)) * 60 if seconds else 0


def _decimals(number: int) -> str:
    return f"{number}.00000"
