"""Recordings, pages of them and transcriptions as Plivo's REST API shows them (spec twiml_laml_plivo 3.5).

Numbers and texts are each what Plivo's clients decode: times of a recording are texts with five decimals, those of a
transcription numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from controller.dialects.plivo.rest import DAY, Listing, cursor
from controller.documents.dialect import Account
from controller.recordings.model import Recording, Transcription, TranscriptionState

VERSION = "v1"
STARTED, TRANSCRIBING, ACCEPTED = "call recording started", "transcription in progress", "request accepted"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = {
    TranscriptionState.WAITING: "in-progress",
    TranscriptionState.RUNNING: "in-progress",
    TranscriptionState.DONE: "success",
    TranscriptionState.FAILED: "failed",
}
"""``success`` is Plivo's; its other words are in no source."""


def root(account: Account) -> str:
    """Return the account's own path."""
    return f"/{VERSION}/Account/{account.identity}"


def recording_url(recording: Recording, account: Account, public_url: str) -> str:
    """Return where a recording's file will be, in the format asked for (DESIGN section 8)."""
    return f"{public_url}{root(account)}/Recording/{recording.id}.{recording.request.format}"


def started(recording: Recording, account: Account, public_url: str) -> dict[str, Any]:
    """Return the answer of a start; ``api_id`` is that of the request which began it, its callback tells the same."""
    return {
        "url": recording_url(recording, account, public_url),
        "message": STARTED,
        "recording_id": recording.id,
        "api_id": recording.request.reference,
    }


def shape(recording: Recording, account: Account, public_url: str, now: float) -> dict[str, Any]:
    """Return the resource of a recording that has a file, at ``now`` (Unix seconds)."""
    owner, seconds = recording.owner, _seconds(recording)
    began, ended = _span(recording)
    return {
        "add_time": _written(added_at(recording)),
        "call_uuid": owner.call,
        "conference_name": "",
        "from_number": owner.caller,
        "monthly_recording_storage_amount": 0,
        "recording_duration_ms": _decimals(round(seconds * 1000)),
        "recording_end_ms": _decimals(ended),
        "recording_format": recording.request.format,
        "recording_id": recording.id,
        "recording_start_ms": _decimals(began),
        "recording_storage_duration": 1 + max(0, math.floor((now - added_at(recording)) / DAY)),
        "recording_storage_rate": 0,
        "recording_type": "call",
        "recording_url": recording_url(recording, account, public_url),
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
        "recording_duration_ms": round(_seconds(recording) * 1000),
        "recording_start_ms": _span(recording)[0],
        "status": _STATUS[transcription.state],
        "transcription": transcription.text if transcription.state is TranscriptionState.DONE else None,
        "type": "auto",
        **failed,
    }


def added_at(recording: Recording) -> float:
    """Return when a recording was added to the account: it has been ready since then."""
    return recording.requested_at if recording.finished_at is None else recording.finished_at


def _seconds(recording: Recording) -> float:
    return 0.0 if recording.measured is None else recording.measured.duration


def _span(recording: Recording) -> tuple[int, int]:
    """Return when it began and ended, in milliseconds since the epoch."""
    began = recording.requested_at if recording.started_at is None else recording.started_at
    ended = began + _seconds(recording) if recording.ended_at is None else recording.ended_at
    return round(began * 1000), round(ended * 1000)


def _rounded(seconds: float) -> int:
    """Return a length to the nearest minute, at least one; nothing is nothing."""
    return max(1, math.floor(seconds / 60 + 0.5)) * 60 if seconds else 0


def _decimals(number: int) -> str:
    return f"{number}.00000"


def _written(moment: float) -> str:
    """Return a time as Plivo writes it, to the microsecond; it is in UTC."""
    written = _EPOCH + timedelta(microseconds=round(moment * 1e6))
    return written.strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
