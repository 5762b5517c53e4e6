"""What actions are told in Plivo's terms, and what callbacks share with them: a recording's URL and parameters."""

from __future__ import annotations

import math

from controller.documents.forms import whole_seconds
from controller.documents.steps import Dialled, DialStatus, RecordingEnded
from controller.recordings.model import State

UNKNOWN = -1
"""Of each time and length of a recording that goes on, or has not begun (seed 003)."""

STATUSES = {
    DialStatus.ANSWERED: "completed",
    DialStatus.BUSY: "busy",
    DialStatus.NO_ANSWER: "no-answer",
    DialStatus.FAILED: "failed",
    DialStatus.CANCELED: "cancel",
}
"""DialStatus of each end of a dialling (Plivo's page of Dial; ``timeout`` is of its own network)."""

CAUSES = {
    DialStatus.ANSWERED: "NORMAL_CLEARING",
    DialStatus.BUSY: "USER_BUSY",
    DialStatus.NO_ANSWER: "NO_ANSWER",
    DialStatus.FAILED: "NORMAL_TEMPORARY_FAILURE",
    DialStatus.CANCELED: "ORIGINATOR_CANCEL",
}
"""DialHangupCause where the switch told none, or several."""


def recording_url(public_url: str, auth_id: str, recording: str, fmt: str) -> str:
    """Return where a recording is, or will be: from before it begins until it is deleted (DESIGN section 8)."""
    return f"{public_url.rstrip('/')}/v1/Account/{auth_id}/Recording/{recording}.{fmt}"


def running(recording: str, url: str) -> dict[str, str]:
    """Return what the action of a recording is told that goes on, or will begin: times and lengths are -1."""
    return {**_parameters(recording, url, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN), "RecordFile": url, "Digits": ""}


def ended(
    recording: str, url: str, seconds: float, started_at: float | None, ended_at: float | None
) -> dict[str, str]:
    """Return what is told of a recording that is over. Times are Unix seconds; one that is not known is -1."""
    milliseconds = math.floor(seconds * 1000 + 0.5)
    return _parameters(recording, url, whole_seconds(seconds), milliseconds, _epoch(started_at), _epoch(ended_at))


def is_told(ended_: RecordingEnded) -> bool:
    """Tell whether an action hears of a recording: not of one that is absent or failed (DESIGN section 9)."""
    return ended_.state not in {State.ABSENT, State.FAILED}


def recorded(outcome: RecordingEnded) -> dict[str, str]:
    """Return what the action of a recording in the foreground is told."""
    times = _length(outcome), outcome.started_at, outcome.ended_at
    given = ended(outcome.recording, outcome.url, *times)
    return {**given, "RecordFile": outcome.url, "Digits": outcome.digit}


def dialled(call: str, outcome: Dialled) -> dict[str, str]:
    """Return what the action of a Dial is told; ``call`` is the id of the call that dialled.

    Whether it rang is not known of each end: what was answered, waited for or given up is taken to have rung.
    """
    rang = outcome.status in {DialStatus.ANSWERED, DialStatus.NO_ANSWER, DialStatus.CANCELED}
    return {
        "DialRingStatus": str(rang).lower(),
        "DialHangupCause": outcome.cause or CAUSES[outcome.status],
        "DialStatus": STATUSES[outcome.status],
        "DialALegUUID": call,
        "DialBLegUUID": outcome.call if outcome.status is DialStatus.ANSWERED else "",
    }


def _length(outcome: RecordingEnded) -> float:
    """Return a recording's seconds; of one that is not measured yet, those between its start and its end."""
    if outcome.seconds is not None:
        return outcome.seconds
    if outcome.started_at is None or outcome.ended_at is None:
        return 0.0
    return max(0.0, outcome.ended_at - outcome.started_at)


def _parameters(recording: str, url: str, duration: int, duration_ms: int, start: int, end: int) -> dict[str, str]:
    return {
        "RecordUrl": url,
        "RecordingID": recording,
        "RecordingDuration": str(duration),
        "RecordingDurationMs": str(duration_ms),
        "RecordingStartMs": str(start),
        "RecordingEndMs": str(end),
    }


def _epoch(at: float | None) -> int:
    return UNKNOWN if at is None else math.floor(at * 1000 + 0.5)
