"""The facts: what a switch tells, as values. All times are Unix seconds by the switch's clock.

Structs, because one is made of each event: that takes a seventh of the time of a frozen dataclass. The collector of
cycles need not look at them, as nothing in a fact can refer to it.
"""

from __future__ import annotations

from msgspec import Struct

from controller.recordings.facts import Cause

EVENTS: tuple[str, ...] = (
    "CHANNEL_PARK",
    "CHANNEL_UNPARK",
    "CHANNEL_ANSWER",
    "CHANNEL_BRIDGE",
    "CHANNEL_HANGUP",
    "CHANNEL_HANGUP_COMPLETE",
    "CHANNEL_DESTROY",
    "CHANNEL_EXECUTE_COMPLETE",
    "CHANNEL_UUID",
    "CHANNEL_HOLD",
    "CHANNEL_UNHOLD",
    "DTMF",
    "RECORD_START",
    "RECORD_STOP",
    "MEDIA_BUG_START",
    "HEARTBEAT",
    "BACKGROUND_JOB",
)
"""The events to subscribe to. BACKGROUND_JOB is the link's own business and no fact."""


class LegInfo(Struct, frozen=True, gc=False):
    """What is known of a leg. All texts are the caller's or the operator's word: cleaned, at most 256 characters.

    Attributes:
        destination: the number dialled.
        caller_name: what the caller calls itself.
        caller_number: the number it gives.
        direction: ``inbound`` or ``outbound``, else empty.
        channel_name: e.g. ``sofia/internal/1000@host``; a caller may choose it (X-FS-Channel-Name).
        context: the dialplan's context.
        answered: whether the leg has been answered and not hung up.
        rate: samples a second of what is read from the leg; 8000 if not known.
        created_at: Unix seconds; None if not known.
        hostname: the switch's own name.
        profile_at: Unix seconds at which it was routed last (Caller-Profile-Created-Time); None if not known. It
            stays through park, answer and record_session, and is another after each uuid_transfer and uuid_bridge,
            on both legs of that (measured).
        clock: what the codec calls its rate where that may not be ``rate``, as G.722 does (RFC 3551, 4.5.2); else 0.
        ringback: whether its dialplan has said what it hears while it dials.

    """

    destination: str
    caller_name: str
    caller_number: str
    direction: str
    channel_name: str
    context: str
    answered: bool
    rate: int
    created_at: float | None
    hostname: str
    profile_at: float | None = None
    clock: int = 0
    ringback: bool = False


class LegParked(Struct, frozen=True, gc=False):
    """CHANNEL_PARK: a leg waits to be told what to do.

    Attributes:
        leg: Unique-ID.
        at: Unix seconds, by the switch's clock.
        info: what is known of it.
        marker: id of the call of ours that it belongs to (32 hex digits), None if it is not ours.
        account: channel variable fsrec_account.
        document: channel variable fsrec_document.

    """

    leg: str
    at: float
    info: LegInfo
    marker: str | None
    account: str | None
    document: str | None


class LegUnparked(Struct, frozen=True, gc=False):
    """CHANNEL_UNPARK: a transfer, a bridge or its hangup (after LegHangup then) took the leg out of park."""

    leg: str
    at: float


class LegAnswered(Struct, frozen=True, gc=False):
    """CHANNEL_ANSWER."""

    leg: str
    at: float


class LegHangup(Struct, frozen=True, gc=False):
    """CHANNEL_HANGUP: the leg begins to go; its recordings end after it."""

    leg: str
    at: float
    cause: str


class LegGone(Struct, frozen=True, gc=False):
    """CHANNEL_HANGUP_COMPLETE or CHANNEL_DESTROY: nothing more will happen on the leg. Both usually come."""

    leg: str
    at: float
    cause: str


class LegMoved(Struct, frozen=True, gc=False):
    """CHANNEL_UUID: the leg that was ``old`` is called ``leg`` now."""

    leg: str
    at: float
    old: str


class Executed(Struct, frozen=True, gc=False):
    """CHANNEL_EXECUTE_COMPLETE. Match it by event_uuid: the core gives what we did not order one of its own.

    ``cause`` is of ``bridge`` alone: the hangup cause of who answered, or why nobody did; empty if not told.
    """

    leg: str
    at: float
    application: str
    event_uuid: str
    response: str
    cause: str = ""


class DigitPressed(Struct, frozen=True, gc=False):
    """DTMF: one of 0-9 * # A-D, and how long it was held, in seconds (0 to 60)."""

    leg: str
    at: float
    digit: str
    duration_seconds: float


class RecordStarted(Struct, frozen=True, gc=False):
    """RECORD_START of the background recorder.

    Attributes:
        leg: where it records now.
        at: Unix seconds.
        path: the file, as the switch names it.
        recording: our id, as sent in the recording variables; None if the recording is not ours.

    """

    leg: str
    at: float
    path: str
    recording: str | None


class RecordStopped(Struct, frozen=True, gc=False):
    """RECORD_STOP of the background recorder: the file is closed.

    Attributes:
        leg: where it recorded; another leg than at its start if it followed a transfer.
        at: Unix seconds.
        path: the file, as the switch names it.
        recording: our id; None if the recording is not ours.
        cause: FreeSWITCH's word, not the reason the recording ended (DESIGN 3).
        hangup: whether the leg is hanging up.

    """

    leg: str
    at: float
    path: str
    recording: str | None
    cause: Cause
    hangup: bool


class Heartbeat(Struct, frozen=True, gc=False):
    """HEARTBEAT: the switch lives.

    Attributes:
        at: Unix seconds.
        core_uuid: a changed one means that the switch was restarted.
        sessions: legs now; max_sessions: the switch's limit; None if not told.
        uptime_seconds: since the switch started; None if not told.
        version: FreeSWITCH's version.

    """

    at: float
    core_uuid: str
    sessions: int | None
    max_sessions: int | None
    uptime_seconds: float | None
    version: str


class LegBridged(Struct, frozen=True, gc=False):
    """CHANNEL_BRIDGE: a leg is connected with the one that it dialled, answered or with early media alone."""

    leg: str
    at: float
    other: str


class RecorderAttached(Struct, frozen=True, gc=False):
    """MEDIA_BUG_START of a background recorder: at its start, and when it follows a transfer to another leg.

    Of that nothing else is told (spec 1.11). ``recording`` is our id, as its file is named; None if it isn't ours.
    """

    leg: str
    at: float
    path: str
    recording: str | None


class LegHeld(Struct, frozen=True, gc=False):
    """CHANNEL_HOLD or CHANNEL_UNHOLD: others hold a leg (``uuid_hold``), or let it go; nothing of its sound is read.

    Not what a phone does that holds its own call: of such a leg silence is read.
    """

    leg: str
    at: float
    held: bool


class Forged(Struct, frozen=True, gc=False):
    """An event of ours that the core did not write: to be counted, not believed."""

    kind: str


class Unusable(Struct, frozen=True, gc=False):
    """An event of ours of which no fact can be made; ``why`` names the header, and holds nothing of its value."""

    kind: str
    why: str


Fact = (
    LegParked
    | LegUnparked
    | LegAnswered
    | LegHangup
    | LegGone
    | LegMoved
    | LegBridged
    | LegHeld
    | Executed
    | DigitPressed
    | RecordStarted
    | RecordStopped
    | RecorderAttached
    | Heartbeat
    | Forged
    | Unusable
)
