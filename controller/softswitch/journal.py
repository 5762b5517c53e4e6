"""What truly happened in the switch: the truth that tests compare a controller's word with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

EndedBy = Literal[
    "stop", "limit", "silence", "no-input", "hangup", "crash", "write-error", "lost", "terminator", "break"
]


@dataclass(slots=True)
class RecordingEntry:
    """One recording that was opened. Times are Unix seconds; spans in `masked`/`paused` are seconds of recorded file.

    `frames_written` counts samples per channel offered to the file; a full disk may hold fewer.
    """

    leg: str
    path: str
    started_at: float
    rate: int
    channels: int
    variables: Mapping[str, str]
    foreground: bool = False
    stopped_at: float | None = None
    frames_written: int = 0
    cause: str | None = None
    reason: EndedBy | None = None
    masked: list[tuple[float, float]] = field(default_factory=list)
    paused_seconds: float = 0.0
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command packet as a client sent it; ``client`` numbers its connection, from 1."""

    at: float
    text: str
    client: int = 0


@dataclass(frozen=True, slots=True)
class ExecutedEntry:
    """An application that ran on a leg, its argument after expansion."""

    at: float
    leg: str
    application: str
    argument: str
    event_uuid: str


@dataclass(frozen=True, slots=True)
class HangupEntry:
    """The end of a leg."""

    at: float
    leg: str
    cause: str


@dataclass(frozen=True, slots=True)
class ExpansionEntry:
    """A `${…}` that a real switch would have expanded; `leg` is empty for API text."""

    at: float
    leg: str
    text: str
    value: str


@dataclass(frozen=True, slots=True)
class SystemEntry:
    """A shell command that a real switch would have run. Here nothing is ever run."""

    at: float
    leg: str
    command: str


Entry = RecordingEntry | CommandEntry | ExecutedEntry | HangupEntry | ExpansionEntry | SystemEntry


@dataclass(slots=True)
class Journal:
    """Everything in the order it happened; survives `crash` and `restart`.

    `tell` hears each entry as it is made, and a recording's once more when it is over: whoever writes them down at
    once has what happened before a kill -9, too.
    """

    recordings: list[RecordingEntry] = field(default_factory=list)
    commands: list[CommandEntry] = field(default_factory=list)
    executed: list[ExecutedEntry] = field(default_factory=list)
    hangups: list[HangupEntry] = field(default_factory=list)
    expansions: list[ExpansionEntry] = field(default_factory=list)
    system: list[SystemEntry] = field(default_factory=list)
    tell: Callable[[Entry], None] = lambda _entry: None

    def note(self, entry: Entry) -> None:
        """Write an entry down."""
        match entry:
            case RecordingEntry():
                self.recordings.append(entry)
            case CommandEntry():
                self.commands.append(entry)
            case ExecutedEntry():
                self.executed.append(entry)
            case HangupEntry():
                self.hangups.append(entry)
            case ExpansionEntry():
                self.expansions.append(entry)
            case SystemEntry():
                self.system.append(entry)
        self.tell(entry)

    def recording(self, path: str) -> RecordingEntry:
        """Return the last recording opened at `path`; KeyError when there was none."""
        for entry in reversed(self.recordings):
            if entry.path == path:
                return entry
        raise KeyError(f"nothing was recorded to {path!r}; there are {[entry.path for entry in self.recordings]}")
