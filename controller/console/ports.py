"""What the console and the operators' API ask of the rooms, and in what terms they are answered.

Both are faces of the same ``Operations``: a page and an answer in JSON say the same of the same recording. Times are
Unix seconds, durations float seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from controller.documents.call import Call
from controller.media.waveform import Waveform
from controller.recordings.model import HistoryEntry, Notice, PauseBehavior, Recording, State, Transcription
from controller.store.values import Attempt, DeliveryState, OutboxRow

Place = tuple[float, str]
"""Where a page of a list ended: the time and id of its last row. The next page begins after it."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: an account, for which nothing but its own exists, or (None) the operator, who sees all."""

    account: str | None = None

    @property
    def operator(self) -> bool:
        """Whether it is the operator."""
        return self.account is None


@dataclass(frozen=True, slots=True)
class Search:
    """Which recordings; what is None or empty asks nothing.

    ``text`` finds by what people paste: a recording's id (in any vendor's form), a call's or a leg's, or a part of
    the caller's or called number. ``since`` and ``until`` bound when it was asked for, both included.
    """

    account: str | None = None
    dialect: str | None = None
    states: tuple[State, ...] = ()
    text: str = ""
    since: float | None = None
    until: float | None = None
    deleted: bool = True


@dataclass(frozen=True, slots=True)
class Running:
    """A recording that is not final, and for how many seconds it has run, or ran, by its switch (None: not begun)."""

    recording: Recording
    elapsed: float | None


@dataclass(frozen=True, slots=True)
class Live:
    """What is going on: some of what runs, newest first, and how many there are in all."""

    running: Sequence[Running]
    total: int


@dataclass(frozen=True, slots=True)
class Told:
    """A delivery, and each attempt at it in order."""

    row: OutboxRow
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one recording, each list in its order.

    ``unrendered`` says why a notice made no delivery: notice id to the error.
    """

    recording: Recording
    call: Call | None = None
    history: Sequence[HistoryEntry] = ()
    notices: Sequence[Notice] = ()
    unrendered: Mapping[str, str] = field(default_factory=dict)
    told: Sequence[Told] = ()
    transcription: Transcription | None = None


@dataclass(frozen=True, slots=True)
class SwitchStatus:
    """One switch's health, as this daemon knows it.

    ``state``: ``serving`` (connected and reconciled), ``reconciling``, ``away`` (not connected), ``refused`` (it
    will not have us), ``elsewhere`` (``holder``, another daemon, serves it). ``why`` is told of all but ``serving``.
    What is not known is None: ``last_event_at`` is this machine's time, ``free`` bytes of its recordings' disk.
    """

    name: str
    state: Literal["serving", "reconciling", "away", "refused", "elsewhere"]
    why: str = ""
    holder: str = ""
    core_uuid: str = ""
    version: str = ""
    connected_at: float | None = None
    last_event_at: float | None = None
    calls: int = 0
    recordings: int = 0
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What ``/readyz`` says, with every switch, and the outbox in figures.

    ``deliveries`` counts what is pending and what is dead; those that were delivered may be millions.
    """

    switches: Sequence[SwitchStatus]
    problems: Sequence[str]
    degraded: Sequence[str]
    deliveries: Mapping[DeliveryState, int]
    oldest_pending: float | None
    version: str


class NotFound(Exception):
    """There is none of that id, or it is not the viewer's: the two are told alike."""


class NotAllowed(Exception):
    """Only the operator may."""


class Operations(Protocol):
    """What operators ask. What is another account's does not exist: NotFound.

    Reads raise LedgerFailed where the store does not answer. Verbs raise what ``recordings.ports`` says too:
    NotPossible (its text is for people), SwitchAway, LedgerFailed, MediaAway.
    """

    async def live(self, viewer: Viewer, limit: int) -> Live:
        """Return what runs now, at whichever daemon."""
        ...

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Have ``changed`` called when a recording of this daemon's switches changes; the result ends it."""
        ...

    async def search(
        self, viewer: Viewer, search: Search, *, limit: int, before: Place | None = None
    ) -> Sequence[Recording]:
        """Return a page of recordings, newest first, by when they were asked for."""
        ...

    async def recording(self, viewer: Viewer, identity: str) -> Recording:
        """Return one recording as it is stored, by its id in any vendor's form. Raises NotFound."""
        ...

    async def story(self, viewer: Viewer, identity: str) -> Story:
        """Return all about one recording. Raises NotFound."""
        ...

    async def deliveries(
        self, viewer: Viewer, state: DeliveryState | None, *, limit: int, before: Place | None = None
    ) -> Sequence[OutboxRow]:
        """Return a page of deliveries, newest first, by (created_at, id)."""
        ...

    async def told(self, viewer: Viewer, identity: str) -> Told:
        """Return one delivery with its attempts. Raises NotFound."""
        ...

    async def replay(self, viewer: Viewer, identity: str) -> OutboxRow:
        """Begin a delivery's schedule anew, at once, whatever became of it. Raises NotFound.

        One that was delivered is sent again, with the id by which its receiver knows it; one that is pending does
        not wait for its time any more, unless for an earlier one of its subject.
        """
        ...

    async def stop(self, viewer: Viewer, identity: str) -> Recording:
        """Stop a recording, as an API does. Raises NotFound."""
        ...

    async def pause(self, viewer: Viewer, identity: str, behavior: PauseBehavior) -> Recording:
        """Pause it. Raises NotFound."""
        ...

    async def resume(self, viewer: Viewer, identity: str) -> Recording:
        """Resume it. Raises NotFound."""
        ...

    async def waveform(self, viewer: Viewer, identity: str, columns: int) -> Waveform:
        """Return the outline of a ready recording. Raises NotFound, MediaAway; FileNotFoundError: it has none."""
        ...

    async def derive(self, viewer: Viewer, identity: str, form: str) -> int:
        """Have a recording's file in a format, made where it is not there; return its bytes. As ``waveform``."""
        ...

    async def reconcile(self, viewer: Viewer, switch: str) -> None:
        """Cut a switch's link, so that it connects and reconciles anew. Raises NotAllowed, NotFound, NotPossible."""
        ...

    async def health(self) -> Health:
        """Say how it goes."""
        ...
