"""What actions are told in Plivo's terms: of a recording (seed 003), of a dialling (spec 3.3, the page of Dial)."""

from __future__ import annotations

from controller.dialects.plivo.formats import UNKNOWN, lengths
from controller.documents.steps import Dialled, DialStatus, RecordingEnded
from controller.recordings.model import State

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


def running(recording: str, url: str) -> dict[str, str]:
    """Return what the action of a recording is told that goes on, or will begin: times and lengths are -1."""
    return _recording(recording, url, dict.fromkeys(lengths(0.0, None, None), UNKNOWN), "")


def is_told(ended_: RecordingEnded) -> bool:
    """Tell whether an action hears of a recording: not of one that is absent or failed (DESIGN section 9)."""
    return ended_.state not in {State.ABSENT, State.FAILED}


def recorded(outcome: RecordingEnded) -> dict[str, str]:
    """Return what the action of a recording in the foreground is told."""
    times = lengths(_length(outcome), outcome.started_at, outcome.ended_at)
    return _recording(outcome.recording, outcome.url, times, outcome.digit)


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


def _recording(recording: str, url: str, times: dict[str, str], digits: str) -> dict[str, str]:
    return {"RecordUrl": url, "RecordFile": url, "RecordingID": recording, **times, "Digits": digits}
