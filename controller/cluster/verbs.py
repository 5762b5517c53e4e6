"""What may be asked of the daemon that holds a switch, what it answers, and how both are written in a row.

Both sides are daemons of one cluster, perhaps of two neighbouring releases: a key that this one does not know is
ignored, a verb or value that it does not know is refused. What is read is checked like any other input.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from controller.documents.call import Call
from controller.recordings import ports
from controller.recordings.model import EndReason, PauseBehavior, Recording, RecordingRequest
from controller.store.codec import DecodeError, decode, encode

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Start:
    """Start a recording of that ``identity`` on a call's own leg; told as it is after ``seconds``."""

    account: str
    call: str
    request: RecordingRequest
    dialect: str
    identity: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Pause a recording."""

    recording: str
    behavior: PauseBehavior


@dataclass(frozen=True, slots=True)
class Resume:
    """Resume a recording."""

    recording: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a recording."""

    recording: str
    reason: EndReason


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a final recording, with its files."""

    recording: str


@dataclass(frozen=True, slots=True)
class Recent:
    """Find a call's recordings on its own leg, asked for within the last ``seconds`` by the switch's clock."""

    account: str
    call: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Find:
    """Find an account's call that has no row: a leg that was dialled."""

    account: str
    call: str


Verb = Start | Pause | Resume | Stop | Delete | Recent | Find
VERBS: Mapping[str, type[Verb]] = {
    "start": Start,
    "pause": Pause,
    "resume": Resume,
    "stop": Stop,
    "delete": Delete,
    "recent": Recent,
    "find": Find,
}
_NAMES = {kind: name for name, kind in VERBS.items()}

REFUSALS: Mapping[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        ports.NotPossible,
        ports.LegGone,
        ports.TooMany,
        ports.NoRoom,
        ports.LedgerFailed,
        ports.NotHeld,
        ports.CommandFailed,
        ports.CommandUnanswered,
        ports.SwitchAway,
        ports.MediaAway,
    )
}
"""What a verb may raise, by the name under which it crosses; others cross as the nearest of these."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it: ``refusal`` (of REFUSALS) and its ``text``, or what the verb returns."""

    refusal: str = ""
    text: str = ""
    recordings: tuple[Recording, ...] = ()
    call: Call | None = None
    done: bool = False

    def checked(self) -> Answer:
        """Return it. Raises what it refuses with; a refusal that this release does not know is SwitchAway."""
        if self.refusal:
            raise REFUSALS.get(self.refusal, ports.SwitchAway)(self.text)
        return self

    @property
    def recording(self) -> Recording:
        """The one recording that it has. Raises SwitchAway where it has none or several."""
        if len(self.recordings) != 1:
            raise ports.SwitchAway(f"its daemon told of {len(self.recordings)} recordings instead of one")
        return self.recordings[0]


def refusal(error: Exception) -> Answer | None:
    """Return the answer that has another raise the same; None for what is no refusal but a fault."""
    name = next((kind.__name__ for kind in type(error).__mro__ if REFUSALS.get(kind.__name__) is kind), None)
    return None if name is None else Answer(refusal=name, text=str(error))


def written(verb: Verb) -> tuple[str, str]:
    """Return a verb's name and its data as text."""
    return _NAMES[type(verb)], encode(verb)


def read(name: str, data: str) -> Verb:
    """Return the verb of a row. Raises DecodeError, saying what was expected."""
    kind = VERBS.get(name)
    if kind is None:
        raise DecodeError(f"verb: expected one of {', '.join(VERBS)}, found {name[:40]!r}")
    verb = decode(kind, data)
    if isinstance(verb, Start):
        _check_id(verb.identity)  # a file is named after it
        _check_seconds(verb.seconds)
    elif isinstance(verb, Recent):
        _check_seconds(verb.seconds)
    elif not isinstance(verb, Find):
        _check_id(verb.recording)
    return verb


def read_answer(text: str) -> Answer:
    """Return the answer of a row. Raises DecodeError."""
    return decode(Answer, text)


def _check_id(identity: str) -> None:
    if not _ID.fullmatch(identity):
        raise DecodeError(f"recording: expected a uuid4, found {identity!r:.80}")


def _check_seconds(seconds: float) -> None:
    if not 0 <= seconds <= 60:
        raise DecodeError(f"seconds: expected 0 to 60, found {seconds}")
