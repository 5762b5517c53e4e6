"""What the core asks of the rooms around it: a recorder on the switch, a ledger that makes things durable, media.

The core declares these protocols and imports none of their implementations (DESIGN section 2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from controller.recordings.model import HistoryEntry, Measured, Notice, Recording, Stored

Along = Callable[[Any], None]
"""Work of another room to be done in the same transaction; it gets the store's own transaction."""


class Recorder(Protocol):
    """The switch, as far as recordings go. Commands return when the switch has taken them, not when they took effect.

    Each raises ``CommandFailed`` when the switch refuses (``CommandUnanswered`` when it may have obeyed),
    ``SwitchAway`` when the link is down or breaks meanwhile.
    """

    def start(self, recording: Recording) -> Awaitable[None]:
        """Ask for a recorder on the leg; RECORD_START or a refusal follows as a fact.

        Where it has begun before (``breaks``) it continues its file, with the timeouts that ``silence`` leaves it.
        """
        ...

    def stop(self, recording: Recording) -> Awaitable[float]:
        """Ask for its end; RECORD_STOP follows as a fact. Returns the switch's time of the command's end."""
        ...

    def mask(self, recording: Recording) -> Awaitable[float]:
        """Write silence from now on; returns the switch's time at which it took effect."""
        ...

    def unmask(self, recording: Recording) -> Awaitable[float]:
        """Write audio again; returns the switch's time at which it took effect."""
        ...

    def inquire(self, recording: Recording) -> Awaitable[Presence]:
        """Ask whether the recorder is there, after every event fired before the answer has been delivered."""
        ...

    def now(self, switch: str) -> float:
        """Return the switch's clock, as well as its events let us know it."""
        ...


@dataclass(frozen=True, slots=True)
class Presence:
    """What an inquiry found: whether the recorder is there, and whether the leg itself lives.

    ``followed`` is the leg that it was found on, where that is another than was believed.
    """

    recorder: bool
    leg: bool
    followed: str = ""


class NotPossible(Exception):
    """What is wished does not fit what is; the text says why and what would."""


class LegGone(NotPossible):
    """The call has ended."""


class TooMany(NotPossible):
    """As many recordings run on the call as may."""


class NoRoom(NotPossible):
    """None may start now: a disk is full, or away, or there is too much to do already. Later it may."""


class LedgerFailed(Exception):
    """The ledger could not make a change durable; nothing of it happened."""


class NotHeld(LedgerFailed):
    """Another daemon holds the switch now: what is known of it here is no longer true, and nothing of it is kept."""


class CommandFailed(Exception):
    """The switch refused a command; the text is its own, cleaned."""


class CommandUnanswered(CommandFailed):
    """The switch took a command and did not say in time what became of it: it may have taken effect."""


class SwitchAway(Exception):
    """There is no link to the recording's switch, or it broke before the answer came."""


class MediaAway(Exception):
    """Nothing can be made of a file now, and it says why: its directory is away, there is no room for a copy."""


class Unfinished(Exception):
    """A master of ``size`` bytes whose header isn't finished: the switch may be writing it still."""

    def __init__(self, size: int) -> None:
        super().__init__(f"its header is not finished; {size} bytes are there")
        self.size = size


class Ledger(Protocol):
    """Where truth is kept. A commit is all or nothing, and returns only when it is durable."""

    def commit(
        self,
        recordings: Sequence[Recording],
        notices: Sequence[Notice] = (),
        *,
        history: Sequence[HistoryEntry] = (),
        along: Along | None = None,
    ) -> Awaitable[None]:
        """Store recordings, their notices, the outbox rows of these and what happened in one transaction.

        Raises LedgerFailed. The same again changes nothing.
        """
        ...

    async def recording(self, identity: str) -> Recording | None:
        """Return one recording, or None."""
        ...

    async def unfinished(self, switch: str) -> Sequence[Recording]:
        """Return every recording of a switch whose state is not final."""
        ...


class Aged(NamedTuple):
    """A recording that may go for its age: its place in the order (``requested_at``, ``id``), and its switch."""

    requested_at: float
    id: str
    switch: str


class Shelf(Protocol):
    """Which recordings the media store is to have, as the ledger knows it."""

    def unstored(self, limit: int) -> Awaitable[Sequence[tuple[str, str]]]:
        """Return ids and switches of those that it is to have, or to lose, and how it is not known; oldest first."""
        ...

    def recording(self, identity: str) -> Awaitable[Recording | None]:
        """Return one recording, or None."""
        ...

    def stored(self, identity: str, objects: tuple[Stored, ...]) -> Awaitable[Recording | None]:
        """Make durable that the media store has these objects, and no others; return the recording as it is then.

        Of one that was deleted meanwhile they are to be removed still, unless there are none. Raises LedgerFailed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What media found of a master: measured, or None with the ``problem`` in words (missing, unreadable).

    Measured with a ``problem``: it is served, but not in the format asked for, and why. ``stored`` in the media
    store; ``unstored``: not there yet, though it is to be. ``written_at`` is when the switch wrote to
    it last, by the clock of its disk.
    """

    measured: Measured | None
    problem: str | None = None
    written_at: float | None = None
    stored: tuple[Stored, ...] = ()
    unstored: bool = False


class Media(Protocol):
    """The files."""

    def began(self, recording: Recording) -> Awaitable[float | None]:
        """Return since when its master is written, by what is in it and the clock of its disk; None if unknown."""
        ...

    def begun(self, recording: Recording) -> Awaitable[bool]:
        """Tell whether a master is there, or may be: also true while its directory cannot be looked at."""
        ...

    def examine(
        self, recording: Recording, *, closed: bool, playable: Callable[[Measured], None] = lambda _: None
    ) -> Awaitable[Found]:
        """Open, measure, mend and cut the master, make the format asked for: so what is announced is there.

        Where there is a media store it is put there too, unless that takes longer than callbacks may wait.

        ``playable`` is called with the WAV's measures once that can be played, before another format is made of it.
        ``closed``: nobody writes it any more, so an unfinished one is mended. A recording whose ``measured`` is known
        already was empty: where its master was deleted an empty file is made. Raises Unfinished where it is not
        ``closed``, MediaAway where the fault is not the master's as far as is known, OSError when it can't be read.
        """
        ...

    async def condemn(self, recording: Recording) -> None:
        """Note durably that a recording is about to be deleted, so that ``clear`` is called for it after a crash.

        Raises MediaAway.
        """
        ...

    async def clear(self, recording: Recording) -> None:
        """Remove what a final recording has no use for.

        All of a deleted one; the files here of one that the media store has; else the master of a trimmed one, where
        the settings don't keep it. What can't be removed now is noted, and told; it never raises for it.
        """
        ...

    async def to_clear(self) -> Sequence[str]:
        """Return the ids of recordings for which ``clear`` is, or may be, still to be called."""
        ...
