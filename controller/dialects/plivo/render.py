"""Notice → the requests that it makes: ``callbackUrl``, and the ``action`` of a recording that a hangup ended.

Both by seed 003's tables; recordings that the REST API started are told in snake_case (spec 3.5). A transcription
that is over is told to ``transcriptionUrl``, all of the seed's parameters always.
"""

from __future__ import annotations

import uuid

from controller.dialects.plivo import sources
from controller.dialects.plivo.fetch import REDIRECTED, party_parameters
from controller.dialects.plivo.formats import amount, length_of, lengths
from controller.dialects.plivo.urls import recording_url
from controller.documents.dialect import Account
from controller.documents.forms import delivery, whole_seconds
from controller.recordings.model import (
    Delivery,
    EndReason,
    Notice,
    NoticeKind,
    Recording,
    Transcription,
)

STOPPED = "RecordStop"
"""``Event`` of what ``callbackUrl`` is told."""

_DERIVED = uuid.UUID("7b0f0f3a-6f0e-4c38-9d0e-8f6b6c1f6f51")


def render(notice: Notice, account: Account, public_url: str, dialect: str) -> tuple[Delivery, ...]:
    """Return what a notice tells, once the file is ready or it is sure that there is none; before, nobody is told.

    The action of a recording that the hangup ended is asked as that of any other is (DESIGN section 9): only where
    something was recorded, or could have been.
    """
    if not notice.kind.last:
        return ()
    recording = notice.recording
    request = recording.request
    found = []
    if request.status is not None:
        told = _of_the_api if request.source == sources.API else _of_a_document
        found.append(delivery(notice.id, account.name, dialect, request.status, told(recording, account, public_url)))
    heard = notice.kind in {NoticeKind.COMPLETED, NoticeKind.NO_INPUT}
    if request.at_hangup is not None and recording.reason is EndReason.HANGUP and heard:
        told_to_action = _to_action(recording, account, public_url)
        found.append(delivery(derived(notice.id, "action"), account.name, dialect, request.at_hangup, told_to_action))
    return tuple(found)


def transcribed(
    transcription: Transcription, recording: Recording, account: Account, dialect: str
) -> Delivery | None:
    """Return what ``transcriptionUrl`` is told, None where there is none; each transcription has an id of its own."""
    if transcription.target is None:
        return None
    measured = recording.measured
    told = {
        "transcription": transcription.text,
        "transcription_charge": amount(transcription.charge),
        "transcription_rate": amount(transcription.rate),
        "duration": str(whole_seconds(transcription.seconds if measured is None else measured.duration)),
        "call_uuid": recording.owner.call,
        "recording_id": recording.id,
        "error": transcription.error,
    }
    identity = derived(recording.id, f"transcription {transcription.requested_at!r}")
    return delivery(identity, account.name, dialect, transcription.target, told)


def derived(identity: str, what: str) -> str:
    """Return the id of something that belongs to another: always the same."""
    return str(uuid.uuid5(_DERIVED, f"{identity} {what}"))


def _of_a_document(recording: Recording, account: Account, public_url: str) -> dict[str, str]:
    return {**_recorded(recording, account, public_url), **_call(recording, account), "Event": STOPPED}


def _to_action(recording: Recording, account: Account, public_url: str) -> dict[str, str]:
    told = _recorded(recording, account, public_url)
    return {
        **_call(recording, account),
        "CallStatus": "completed",
        "Event": REDIRECTED,
        **told,
        "RecordFile": told["RecordUrl"],
        "Digits": recording.digit,
    }


def _of_the_api(recording: Recording, account: Account, public_url: str) -> dict[str, str]:
    return {
        "api_id": recording.request.reference,
        "record_url": recording_url(public_url, account, recording),
        "call_uuid": recording.owner.call,
        "recording_id": recording.id,
        **lengths(length_of(recording), recording.started_at, recording.ended_at, api=True),
    }


def _recorded(recording: Recording, account: Account, public_url: str) -> dict[str, str]:
    return {
        "RecordUrl": recording_url(public_url, account, recording),
        "RecordingID": recording.id,
        **lengths(length_of(recording), recording.started_at, recording.ended_at),
    }


def _call(recording: Recording, account: Account) -> dict[str, str]:
    owner = recording.owner
    return party_parameters(owner.call, owner.caller, owner.called, owner.direction, account)
