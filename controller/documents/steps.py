"""Neutral steps that a dialect's program asks for, and the outcomes it is told.

A program is sans-IO: ``next(outcome)`` gives a step or the end; the call runner carries the step out and comes
back with its outcome. Later verbs (dial) add steps here, never knowledge to the runner's callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from controller.recordings.model import EndReason, RecordingRequest, State, StatusTarget

MOST_ANSWERED = 262_144
"""Characters of JSON that the values of one ``Evaluate`` may have together."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the leg; done at once where it is answered already.

    ``longest`` seconds after it the switch ends the call by itself (cause ALLOTTED_TIMEOUT); None is no limit.
    """

    longest: float | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """End the call ``seconds`` from now, whatever it does then; a later limit is instead of it. Done at once."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Let ``seconds`` pass; None waits until the leg ends."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Start a background recording; the outcome comes with its RECORD_START or its failure. Answers first."""

    request: RecordingRequest


@dataclass(frozen=True, slots=True)
class StopRecording:
    """Stop the call's running recording named ``reference``; None means the one started last."""

    reference: str | None


@dataclass(frozen=True, slots=True)
class AudioAt:
    """A sound file at an http or https URL: a recording of ours, or anybody's."""

    url: str


@dataclass(frozen=True, slots=True)
class Speech:
    """A text to be said. ``voice``, ``language`` and ``gender`` are the document's wishes, empty for none."""

    text: str
    voice: str = ""
    language: str = ""
    gender: str = ""


@dataclass(frozen=True, slots=True)
class Quiet:
    """So many seconds of silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ringing:
    """The ringing of a ``country`` (two letters, or ``us-old``) to a caller; None ``seconds`` is one ring."""

    country: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Beep:
    """The tone that tells a caller to speak, or to press."""


Item = AudioAt | Speech | Quiet | Ringing | Beep


@dataclass(frozen=True, slots=True)
class Play:
    """Play items one after the other, ``gain`` dB louder than they are (-40 to 40). Answers first where ``answer``.

    An item that cannot be had is left out; the outcome is then Failed and says so, after the others have been played.
    """

    items: tuple[Item, ...]
    gain: float = 0.0
    answer: bool = True


@dataclass(frozen=True, slots=True)
class Gather:
    """Play items, and collect digits from the first moment on: the first one ends what plays. Answers first.

    It is over with ``most`` digits, with one of ``terminators`` (which is none of the digits), ``digit_timeout``
    seconds after the last digit, or ``initial_timeout`` seconds after the last item without any.
    """

    items: tuple[Item, ...] = ()
    gain: float = 0.0
    most: int = 1
    terminators: str = ""
    initial_timeout: float = 5.0
    digit_timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Send digits (0-9 * # A-D) to the leg's party; ``w`` is a pause of half a second, ``W`` of one."""

    digits: str


@dataclass(frozen=True, slots=True)
class Record:
    """Record, and go on when it has ended; the outcome is RecordingEnded or RecordingRefused. Answers first.

    It can be played then, and with ``fetchable`` also be fetched in its own format; neither is waited for very long.
    """

    request: RecordingRequest
    fetchable: bool = False


class PartyKind(StrEnum):
    """What an address is."""

    NUMBER = "number"
    SIP = "sip"


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody to dial: a number (digits, ``*``, ``#``, a leading ``+``) or a SIP URI. Hostile text.

    ``caller`` is shown to this one instead of the step's. ``digits`` are sent to it once it is connected (as
    ``SendDigits`` has them). ``headers`` are SIP headers of its INVITE: names and values, hostile text too.
    """

    kind: PartyKind
    address: str
    caller: str = ""
    digits: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DialRecording:
    """A recording of a dialled conversation, from its answer on, or with ``early`` from the ringing on.

    Its first channel is the leg that dials, its second one who is dialled. A ``lasting`` one does not end with the
    conversation, but with the call. ``identity`` is its id where that was told to somebody before.
    """

    request: RecordingRequest
    early: bool = False
    lasting: bool = False
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What who answers hears before being connected, while the caller goes on hearing it ring.

    Only who presses ``key`` meanwhile, or within ``timeout`` seconds of the first item, is connected; without a key
    everybody is, once the items are over. Who does not is hung up.
    """

    items: tuple[Item, ...]
    key: str = ""
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the leg with somebody, and go on when they part: the outcome is Dialled.

    Answers first where ``answer``; else the leg is answered when somebody is connected with it.
    ``groups`` are tried in turn until one answers; the parties of one group ring together. Each group rings for
    ``timeout`` seconds at most (infinite: as long as the settings let anybody), a conversation lasts ``limit``
    seconds at most (None: for ever). ``caller`` is shown to who is dialled, empty: the leg's own number;
    ``caller_name`` beside it. With ``hangup_on_star`` the leg's party ends it by ``*``.

    While nobody talks an answered leg hears ``music``, in the place of what callees send themselves; with None it
    hears these, or a ring where they send nothing. ``confirmation`` is asked of who answers. ``status`` is told
    (messages of ``documents.messages``) of the conversation's begin and end, and each time that the leg's party has
    pressed one of ``matches``, or the other party one of ``callee_matches``, within it.
    """

    groups: tuple[tuple[Party, ...], ...]
    timeout: float = 30.0
    limit: float | None = None
    caller: str = ""
    hangup_on_star: bool = False
    recording: DialRecording | None = None
    answer: bool = False
    caller_name: str = ""
    music: tuple[Item, ...] | None = None
    confirmation: Confirmation | None = None
    status: StatusTarget | None = None
    matches: tuple[str, ...] = ()
    callee_matches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """Ask a URL for something; the outcome is Response, or Failed where no whole answer came. At least once.

    ``connect`` and ``total`` bound it, in seconds.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    connect: float = 5.0
    total: float = 15.0


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch a document to go on with, in the dialect's own way; the outcome is Fetched or Failed.

    ``given`` (JSON types) is what the dialect's request for it tells beside the call: SWML's ``vars`` and ``params``.
    """

    url: str
    given: Mapping[str, Any]
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell a URL something in the dialect's own way, and go on: it is durable with the step, nobody minds its answer.

    ``given`` (JSON types) is what is told beside the call.
    """

    target: StatusTarget
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Evaluate JavaScript expressions away from everything: each sees ``scope``'s names (JSON types) and no more.

    Nothing of the call changes by it, so it is no step of the call's row: it may be done again after a restart. A
    program that moved for long without a step asks for none at all: the other calls have their turn.

    Once ``overruns_left`` of them have met a limit, ``seconds_left`` of an engine are used up, or their values have
    more than ``MOST_ANSWERED`` characters of JSON together, the rest is not evaluated.
    """

    expressions: tuple[str, ...]
    scope: Mapping[str, Any]
    overruns_left: int = 10
    seconds_left: float = 10.0


@dataclass(frozen=True, slots=True)
class End:
    """The program is over: hang the leg up with a FreeSWITCH ``cause`` name (documents never leave a leg parked).

    ``spent``: because nothing of the document is left, not because it says so.
    """

    cause: str = "NORMAL_CLEARING"
    spent: bool = False


Step = (
    Answer
    | Limit
    | Wait
    | Play
    | Gather
    | SendDigits
    | Record
    | StartRecording
    | StopRecording
    | Dial
    | Request
    | Fetch
    | Tell
    | Evaluate
)


@dataclass(frozen=True, slots=True)
class Done:
    """The step did what it says."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The step could not be carried out; ``reason`` in words. The program decides whether to go on."""

    reason: str


@dataclass(frozen=True, slots=True)
class RecordingRuns:
    """The recording started: its id, URL and start (Unix seconds on the switch's clock)."""

    recording: str
    url: str
    started_at: float


@dataclass(frozen=True, slots=True)
class RecordingRefused:
    """The recording did not start; ``reason`` in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """A foreground recording is over: its id and URL, why it ended, and whether it is good (DESIGN section 9).

    ``digit`` is the terminator that ended it, empty where none did; ``seconds`` is its length, None while unknown.
    ``state`` is how far it was when the document went on, ``started_at`` and ``ended_at`` are the switch's times.
    """

    recording: str
    url: str
    reason: EndReason
    good: bool
    digit: str = ""
    seconds: float | None = None
    state: State = State.COMPLETED
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """The digits that were pressed, and the terminator that ended them; both empty where nobody pressed any."""

    digits: str
    terminator: str = ""


class DialStatus(StrEnum):
    """How a dialling ended; ``ANSWERED`` says that there was a conversation."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Dialled:
    """How a dialling ended, who answered, on which leg, and how many seconds they talked.

    ``call`` is our id of the dialled leg (made before it is dialled), ``recording`` and ``url`` are those of its
    recording; empty where there was none. ``reason`` is in words, for what failed; ``cause`` is the switch's name for
    why the dialled leg ended, empty where there was none, or several.
    """

    status: DialStatus
    party: Party | None = None
    call: str = ""
    seconds: float = 0.0
    recording: str = ""
    url: str = ""
    reason: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of any status: its headers with names in lower case, its body as text, cut where it was too long."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The document that a URL gave; ``url`` is where it lay in the end, after redirects."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One expression's value (JSON types), or in words why it has none; ``overran`` says that it met a limit."""

    value: Any = None
    error: str | None = None
    overran: bool = False


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What became of each expression of an ``Evaluate``, in their order; those at the end that were left out lack.

    ``seconds`` is what they took of an engine, without the waiting for one.
    """

    results: tuple[Evaluation, ...]
    seconds: float = 0.0


Outcome = (
    Done
    | Failed
    | RecordingRuns
    | RecordingRefused
    | RecordingEnded
    | Gathered
    | Dialled
    | Response
    | Fetched
    | Evaluated
)


def soundless(outcome: Outcome) -> bool:
    """Tell whether a step failed or was refused, so that its caller cannot be taken to have heard anything of it."""
    match outcome:
        case Failed() | RecordingRefused() | RecordingEnded(state=State.FAILED) | Dialled(status=DialStatus.FAILED):
            return True
        case _:
            return False
