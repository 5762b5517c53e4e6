"""How Plivo writes lengths, times and amounts in parameters: all of them are text (spec 3.3)."""

from __future__ import annotations

from datetime import UTC, datetime

from controller.documents.forms import whole_seconds
from controller.recordings.model import Recording, State

UNKNOWN = "-1"
"""What a length or time is told as that is not known yet: of a recording that goes on (seed 003)."""

_STORED = ("RecordingDuration", "RecordingDurationMs", "RecordingStartMs", "RecordingEndMs")
_API = ("recording_duration", "recording_duration_ms", "recording_start_ms", "recording_end_ms")


def milliseconds(seconds: float) -> int:
    """Return seconds, of a length or since the epoch, in milliseconds."""
    return round(seconds * 1000)


def lengths(seconds: float, started_at: float | None, ended_at: float | None, *, api: bool = False) -> dict[str, str]:
    """Return the four rows of seed 003 about a recording's length and times, in snake_case for the API's (spec 3.5).

    Length in seconds, times in Unix seconds on the switch's clock; a time that is not known is ``-1``.
    """
    values = (
        str(whole_seconds(seconds)),
        str(milliseconds(seconds)),
        UNKNOWN if started_at is None else str(milliseconds(started_at)),
        UNKNOWN if ended_at is None else str(milliseconds(ended_at)),
    )
    return dict(zip(_API if api else _STORED, values, strict=True))


def length_of(recording: Recording) -> float:
    """Return the seconds that a finished recording is told to have: none where there is nothing to hear of it."""
    if recording.state in {State.COMPLETED, State.NO_INPUT} and recording.measured:
        return recording.measured.duration
    return 0.0


def moment(at: float) -> str:
    """Return a time (Unix seconds) as ``2024-10-25 14:13:37``, in UTC; fractions are dropped."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%d %H:%M:%S")


def exact(at: float) -> str:
    """Return a time (Unix seconds) as ``2024-10-25 14:13:37.779297``, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def amount(value: float) -> str:
    """Return an amount of money as ``0.00300``."""
    return f"{value:.5f}"
