"""What a recording is, in the terms that all dialects come to (DESIGN section 3).

Durations are float seconds, times are Unix seconds on the switch's clock unless a name says otherwise, ids
are uuid4 text made by us before any command is sent. Everything here is a frozen value: a recording that
changes is a new value, so that what is stored, rendered and carried out is one and the same thing.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from enum import StrEnum

BEEP = 0.5
"""Seconds by which RECORD_START comes later where there is a beep: the length of its tone."""


_DRAWN: list[bytes] = []
"""Random bytes of ids to come. Each draw lets other threads have the interpreter, which takes longer than the id."""
_AT_ONCE = 256

os.register_at_fork(after_in_child=_DRAWN.clear)


def new_id() -> str:
    """Return a new id: uuid4 in its canonical form, unguessable, safe in paths, URLs and ESL. For any thread."""
    try:
        drawn = _DRAWN.pop()
    except IndexError:
        many = os.urandom(16 * _AT_ONCE)
        drawn, *others = (many[at : at + 16] for at in range(0, len(many), 16))
        _DRAWN.extend(others)
    return str(uuid.UUID(bytes=drawn, version=4))


class Channels(StrEnum):
    """How many channels the file has. A single track is always one channel (DESIGN section 9)."""

    MONO = "mono"
    DUAL = "dual"


class Track(StrEnum):
    """Which side of the leg is recorded: what its party says, what it hears, or both."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "both"


class PauseBehavior(StrEnum):
    """What a pause leaves in the file: silence of its length, or nothing."""

    SILENCE = "silence"
    SKIP = "skip"


class State(StrEnum):
    """Where a recording is in its life; ``lifecycle.TABLE`` says how it moves."""

    REQUESTED = "requested"
    RECORDING = "recording"
    PAUSED = "paused"
    STOPPING = "stopping"
    PROCESSING = "processing"
    COMPLETED = "completed"
    NO_INPUT = "no_input"
    ABSENT = "absent"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing leaves this state any more."""
        return self in FINAL_STATES

    @property
    def active(self) -> bool:
        """Whether it may still be stopped: nobody has stopped it and nothing has ended it."""
        return self in ACTIVE_STATES


FINAL_STATES = frozenset({State.COMPLETED, State.NO_INPUT, State.ABSENT, State.FAILED})
ACTIVE_STATES = frozenset({State.REQUESTED, State.RECORDING, State.PAUSED})


class EndReason(StrEnum):
    """Why a recording ended: ours, because FreeSWITCH's cause says ``success-maxtime`` for a manual stop."""

    TERMINATOR = "terminator"
    VERB = "verb"
    API = "api"
    MAX_LENGTH = "max_length"
    END_SILENCE = "end_silence"
    NO_INPUT = "no_input"
    HANGUP = "hangup"
    SWITCH_LOST = "switch_lost"
    ERROR = "error"


class Absence(StrEnum):
    """Why a recording is absent: it has too little in it (or nothing), or nothing but silence."""

    TOO_SHORT = "too_short"
    SILENT = "silent"


class NoticeKind(StrEnum):
    """What the world may be told about a recording; the dialects map it to their own events."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    COMPLETED = "completed"
    NO_INPUT = "no_input"
    ABSENT = "absent"
    FAILED = "failed"

    @property
    def last(self) -> bool:
        """Whether a recording has no notice after this one."""
        return self in {NoticeKind.COMPLETED, NoticeKind.NO_INPUT, NoticeKind.ABSENT, NoticeKind.FAILED}


@dataclass(frozen=True, slots=True)
class StatusTarget:
    """Who is told about a recording: url, HTTP method, and the dialect's own event names (empty = all)."""

    url: str
    method: str = "POST"
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TranscriptionWish:
    """That a recording's words are wanted as text, and who is told it (None: whoever asks for it)."""

    target: StatusTarget | None = None


@dataclass(frozen=True, slots=True)
class RecordingRequest:
    """What a dialect asks for. The dialects hold the defaults; the core has none to speak of.

    ``reference`` is the dialect's own name for it (SWML control_id, TwiML name), unique among a call's running
    recordings. ``max_length`` counts recorded audio: skipped spans excluded, silenced ones included; None is no
    limit. ``initial_timeout`` and ``end_silence_timeout`` of 0 never end it. ``sensitivity`` is 0 to 100. One that
    has less than ``absent_below`` seconds (after ``trim``), or is silent where ``absent_when_silent``, is ``absent``.
    ``at_hangup`` is told beside ``status`` when the leg's end ended it: nobody else is left to tell of it.
    """

    channels: Channels
    track: Track
    format: str
    reference: str
    source: str
    beep: bool = False
    terminators: str = ""
    initial_timeout: float = 0.0
    end_silence_timeout: float = 0.0
    max_length: float | None = None
    sensitivity: float = 44.0
    trim: bool = False
    status: StatusTarget | None = None
    absent_below: float = 0.0
    absent_when_silent: bool = False
    at_hangup: StatusTarget | None = None
    transcription: TranscriptionWish | None = None

    @property
    def channel_count(self) -> int:
        """Channels of the file: two only for both tracks of a dual recording."""
        return 2 if self.channels is Channels.DUAL and self.track is Track.BOTH else 1


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause on the switch's clock; ``end`` is None while it lasts.

    ``wished_at``, where it is known: its mask may be as early, if that was commanded again and only then confirmed.
    """

    start: float
    behavior: PauseBehavior
    end: float | None = None
    wished_at: float | None = field(default=None, compare=False)  # where to look for it, not what it is


@dataclass(frozen=True, slots=True)
class Break:
    """A time, on the switch's clock, in which its recorder was gone and the recording was not over.

    Nothing of it is in the master. ``end`` is None until the file is continued.
    """

    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose recording it is: account and dialect, our call id, the switch and the leg it runs on.

    ``session`` is the dialect's id of the document run (SWML's session id); ``rate`` the leg's samples per second;
    ``clock`` what its codec calls its rate where that is another (G.722), else 0. ``outside``: its recorder is
    started from outside the leg's thread, which is busy with what must not be waited for (a bridge, a playback).
    ``child``: the leg is one that the call dialled; the call's own party is still the first channel. ``caller``,
    ``called`` and ``direction`` are the call's, as its document is told them: text of others.
    """

    account: str
    dialect: str
    call: str
    switch: str
    leg: str
    session: str = ""
    rate: int = 8000
    clock: int = 0
    outside: bool = False
    child: bool = False
    caller: str = ""
    called: str = ""
    direction: str = "inbound"


@dataclass(frozen=True, slots=True)
class Measured:
    """What media found: float seconds after cuts, bytes of the file as served, which is in ``format``.

    ``derived`` says that its WAV is a copy of ours (header mended, skipped spans cut, silent ends trimmed), not the
    switch's own file. ``trimmed`` seconds went from both ends together; ``silent``: there is nothing but silence in
    it, which is looked for only where the request has a use for it. ``cut`` seconds of skipped pauses were cut out.
    """

    duration: float
    size: int
    channels: int = 1
    rate: int = 8000
    derived: bool = False
    format: str = "wav"
    trimmed: float = 0.0
    silent: bool = False
    cut: float = 0.0

    @property
    def untrimmed(self) -> float:
        """Seconds it had before its ends were trimmed."""
        return self.duration + self.trimmed


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the media store that holds a recording in ``format``: verified, ``size`` bytes.

    ``etag`` is the store's word for its content, ``modified`` (Unix seconds) when the file that it was made of was.
    """

    format: str
    size: int
    etag: str = ""
    modified: float = 0.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wished and not yet true: commanded at RECORD_START or at once, and again after a restart.

    ``digit`` is the terminator that wishes the stop; ``since`` is when the pause was wished.
    """

    stop: EndReason | None = None
    pause: PauseBehavior | None = None
    resume: bool = False
    digit: str = ""
    since: float | None = field(default=None, compare=False)  # wished again, it is the same wish


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording's whole truth, as it is stored.

    ``path`` is the master's absolute path as the switch sees it. ``started_at`` and ``ended_at`` are the switch's
    times of RECORD_START and RECORD_STOP. ``reason`` is set as soon as we know why it will end, ``digit`` is the
    terminator that ended it, ``error`` says in words what went wrong. ``sequence`` counts its notices; ``revision``
    counts its changes. ``breaks`` are explained in ``silence``; ``spoke``: speech was heard before the last of them.
    ``absence`` is why one is ``absent``. ``finished_at``, when it was examined, and ``deleted_at``, since when its
    files are gone, or will be, are times of this machine. ``followed`` is the leg to
    which its recorder followed a transfer, empty where it never did. ``stored``: the media store has it, whole;
    ``unstored``: it is to be put there still, or its objects are to be looked for and removed. Both say where it is,
    not what: they change without its revision.
    """

    id: str
    owner: Owner
    request: RecordingRequest
    state: State
    path: str
    requested_at: float
    core_uuid: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    finished_at: float | None = None
    pauses: tuple[Pause, ...] = ()
    wish: Wish = field(default_factory=Wish)
    reason: EndReason | None = None
    measured: Measured | None = None
    error: str | None = None
    sequence: int = 0
    revision: int = 0
    digit: str = ""
    breaks: tuple[Break, ...] = ()
    spoke: bool = False
    absence: Absence | None = None
    deleted_at: float | None = None
    followed: str = ""
    stored: tuple[Stored, ...] = ()
    unstored: bool = False

    @property
    def leg(self) -> str:
        """The leg whose sound it records: its owner's, until its recorder follows a transfer."""
        return self.followed or self.owner.leg

    @property
    def expected_at(self) -> float:
        """When its recorder begins where nobody saw it: a frame or two after its request, or after its beep."""
        return self.requested_at + (BEEP if self.request.beep else 0.0)

    @property
    def broken(self) -> bool:
        """Whether the switch's recorder is gone, to be started again."""
        return bool(self.breaks) and self.breaks[-1].end is None

    @property
    def paused_behavior(self) -> PauseBehavior | None:
        """The behaviour of the pause that lasts, or None."""
        if self.pauses and self.pauses[-1].end is None:
            return self.pauses[-1].behavior
        return None

    def skipped(self, now: float) -> float:
        """Seconds that pauses of behaviour skip take out of the file, up to ``now`` or the recording's end."""
        end = self.ended_at if self.ended_at is not None else now
        return sum(
            max(0.0, (pause.end if pause.end is not None else end) - pause.start)
            for pause in self.pauses
            if pause.behavior is PauseBehavior.SKIP
        )

    def unpaused(self, now: float) -> float:
        """Seconds since the start, up to ``now``, without any pause."""
        if self.started_at is None:
            return 0.0
        paused = sum(
            max(0.0, min(now, pause.end if pause.end is not None else now) - pause.start) for pause in self.pauses
        )
        return max(0.0, now - self.started_at - paused)

    def recorded(self, now: float) -> float:
        """Seconds of audio that count towards ``max_length`` at ``now``: skipped spans excluded."""
        if self.started_at is None:
            return 0.0
        end = self.ended_at if self.ended_at is not None else now
        return max(0.0, end - self.started_at - self.skipped(now))


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of a recording's life, as it is told to whoever looks into it: what happened, and what followed.

    ``revision`` and ``state`` are the recording's after it: steps are in the order of revisions. ``at`` is when it
    happened by the switch's clock, which is known to some milliseconds where the switch itself told no time. ``fact``
    is the fact's name, ``detail`` its words (why it was refused, for which reason it is stopped). ``effects`` names
    what was commanded or begun because of it (``lifecycle.Effect``), in order.
    """

    recording: str
    revision: int
    at: float
    fact: str
    state: State
    detail: str = ""
    effects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the world is told: the recording as it was at ``at``, and which of its notices this is."""

    id: str
    kind: NoticeKind
    recording: Recording
    at: float
    sequence: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice rendered for its receiver, unsigned; signed at each attempt with the account's secret.

    ``headers`` are those the dialect fixes (content type …), ``account`` names whose secret signs. The ``id`` is the
    same on all attempts.
    """

    id: str
    account: str
    dialect: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class TranscriptionState(StrEnum):
    """``waiting`` for its turn (or its recording), ``running``, then ``done`` or ``failed``."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing leaves this state any more."""
        return self in {TranscriptionState.DONE, TranscriptionState.FAILED}


@dataclass(frozen=True, slots=True)
class Transcription:
    """The text of one recording, whose id it has, as it is stored.

    ``requested_at`` and ``finished_at`` are Unix seconds of this machine; ``progress`` is how many seconds of the
    recording have been heard, ``seconds`` how many it has. ``text`` is what was said, ``error`` why it is not known.
    ``charge`` is what it cost, ``rate`` what a minute costs. ``tries`` counts the daemons that began it,
    ``left_by`` names those that cannot do it and left it to others.
    """

    recording: str
    account: str
    state: TranscriptionState
    requested_at: float
    target: StatusTarget | None = None
    finished_at: float | None = None
    progress: float = 0.0
    seconds: float = 0.0
    text: str = ""
    error: str = ""
    charge: float = 0.0
    rate: float = 0.0
    tries: int = 0
    left_by: tuple[str, ...] = ()
