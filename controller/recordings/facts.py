"""What can happen to a recording, as the lifecycle table knows it.

``at`` is Unix seconds on the switch's clock. Wishes (stop, pause, resume) are facts as well: somebody wished it. The
switch room makes these from FreeSWITCH's events, the service from commands, timers and media, reconcile from what it
finds; the table alone decides what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from controller.recordings.model import EndReason, PauseBehavior
from controller.recordings.ports import Found


class Cause(StrEnum):
    """``Record-Completion-Cause`` of a RECORD_STOP (FreeSWITCH switch_ivr_async.c; spec/freeswitch.md 1.8)."""

    MAXTIME = "success-maxtime"
    SILENCE = "success-silence"
    NO_INPUT = "no-input-timeout"
    EMPTY = "empty-file"
    TOO_SHORT = "input-too-short"
    WRITE_FAILED = "uri-failure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Started:
    """RECORD_START: the file is open and audio goes in."""

    at: float


@dataclass(frozen=True, slots=True)
class StartOver:
    """The application that starts it has returned, or was refused with ``why``: no RECORD_START comes any more."""

    at: float
    why: str = "FreeSWITCH could not open the file, or the leg had no media"


@dataclass(frozen=True, slots=True)
class Stopped:
    """RECORD_STOP: the file is closed. ``hangup`` says that the leg was hanging up."""

    at: float
    cause: Cause
    hangup: bool = False


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The leg is gone (CHANNEL_HANGUP_COMPLETE)."""

    at: float


@dataclass(frozen=True, slots=True)
class LegOverdue:
    """The grace after the leg's end is over and no RECORD_STOP came."""

    at: float


@dataclass(frozen=True, slots=True)
class StopOverdue:
    """A stop was commanded and no RECORD_STOP came in good time."""

    at: float


@dataclass(frozen=True, slots=True)
class StillRuns:
    """Asked, the switch says that its recorder is on a leg. ``began`` is since when, as far as its file tells."""

    at: float
    began: float | None = None


@dataclass(frozen=True, slots=True)
class NotThere:
    """Asked, the switch says that no recorder is there.

    ``leg``: the leg itself lives. ``master``: a file is there, or may be, so that a recorder was at work before.
    ``anew``: over a new link, so that a command given over the former one may never have reached the switch.
    """

    at: float
    leg: bool
    master: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True)
class LookDue:
    """Nothing was heard of a recording for a while: time to ask the switch whether it is true still."""

    at: float


@dataclass(frozen=True, slots=True)
class SwitchLost:
    """The switch that recorded is gone (another Core-UUID answers): every recorder of it ended."""

    at: float


@dataclass(frozen=True, slots=True)
class StopWished:
    """A verb, an API client or a terminator (``digit``) wants it stopped."""

    at: float
    reason: EndReason
    digit: str = ""


@dataclass(frozen=True, slots=True)
class PauseWished:
    """An API client wants it paused."""

    at: float
    behavior: PauseBehavior


@dataclass(frozen=True, slots=True)
class ResumeWished:
    """An API client wants it resumed."""

    at: float


@dataclass(frozen=True, slots=True)
class Masked:
    """The switch writes silence since ``at``, for a pause of that behaviour."""

    at: float
    behavior: PauseBehavior


@dataclass(frozen=True, slots=True)
class Unmasked:
    """The switch writes audio again since ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class MaskRefused:
    """The switch refused to mask or unmask: things stay as they are. ``unanswered``: it may have done it."""

    at: float
    why: str
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """The recorder followed a transfer: it records another leg's sound from ``at`` on (spec/freeswitch.md 1.11)."""

    at: float
    leg: str


@dataclass(frozen=True, slots=True)
class LimitReached:
    """``max_length`` seconds are recorded."""

    at: float


@dataclass(frozen=True, slots=True)
class Examined:
    """Media has opened and measured the master.

    ``known_at`` is when that was, by this machine's clock: a recording's age must not hang on that of a switch.
    """

    at: float
    found: Found
    known_at: float | None = None


Fact = (
    Started
    | StartOver
    | Stopped
    | LegEnded
    | LegOverdue
    | StopOverdue
    | StillRuns
    | NotThere
    | LookDue
    | SwitchLost
    | StopWished
    | PauseWished
    | ResumeWished
    | Masked
    | Unmasked
    | MaskRefused
    | LimitReached
    | Moved
    | Examined
)
