"""A call as it is stored: the run of one document on one leg (DESIGN section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from controller.recordings.model import Owner


class CallState(StrEnum):
    """``running``: its document runs. ``released``: others took it, recordings go on. ``ended``: leg gone."""

    RUNNING = "running"
    RELEASED = "released"
    ENDED = "ended"


class Ending(StrEnum):
    """Why a document's own end hung its call up: it ``said`` so, or nothing of it was left."""

    SAID = "said"
    SPENT = "spent"


@dataclass(frozen=True, slots=True)
class CallInfo:
    """What is known of a leg when it is taken over; texts come from callers and are shown, never trusted.

    ``direction`` is inbound or outbound as the switch sees it, ``rate`` its codec's samples per second.
    ``profile_at`` is when the leg got its caller profile (Unix seconds, None if not told): each transfer or bridge
    by others gives it another, and nothing that is done to a parked leg does. ``clock`` is the codec's own word for
    its rate, 0 where that is ``rate``. ``ringback``: the switch's operator has said what it hears while it dials.
    """

    destination: str
    caller_name: str = ""
    caller_number: str = ""
    direction: str = "inbound"
    channel_name: str = ""
    answered: bool = False
    rate: int = 8000
    created_at: float = 0.0
    profile_at: float | None = None
    clock: int = 0
    ringback: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call's whole truth.

    ``id`` is ours; ``leg`` is the switch's Unique-ID, which a caller may have chosen. ``document`` names the source,
    ``text`` is the document as it was read (so that a restart goes on with the same one), ``program`` the dialect
    program's snapshot (JSON types) while ``step`` (counted from 1) is carried out. ``waiting`` is the Unix time at
    which that step's waiting ends, ``recording`` the id of the recording that it starts or stops, ``item`` which of
    its items plays, or which of its groups is dialled (counted from 0), ``connected_at`` since when one of that group
    talks (the switch's time). ``cause`` says why fsrec hung it up, or the switch's cause once it is gone; ``ending``
    is how its document did, where that is why. ``marked`` says that the leg was seen to carry our marker, ``limited``
    that the switch is told to end it after a time. ``revision`` grows with each change that is stored: no older value
    overwrites a newer one.

    ``parent`` is of a dialled leg, which has no row of its own: the call that dialled it.

    A row without ``text`` is one whose document is still being fetched; ``method`` is how URLs are asked for it, and
    ``fallback`` what is tried after ``document``, so that after a restart it is fetched anew. ``hangup_url`` is told
    of its end by the same method. ``answered_at`` is when the leg was answered, as far as it is known.
    """

    id: str
    switch: str
    leg: str
    account: str
    dialect: str
    document: str
    text: str
    info: CallInfo
    state: CallState
    started_at: float
    program: Mapping[str, Any] = field(default_factory=dict)
    waiting: float | None = None
    recording: str | None = None
    step: int = 0
    core_uuid: str = ""
    ended_at: float | None = None
    cause: str | None = None
    marked: bool = False
    revision: int = 0
    method: str = "POST"
    fallback: str | None = None
    item: int = 0
    limited: bool = False
    connected_at: float | None = None
    parent: str = ""
    hangup_url: str | None = None
    answered_at: float | None = None
    ending: Ending | None = None

    @property
    def told_as(self) -> str:
        """The call under whose id its recordings are told and found: of a dialled leg, the one that dialled it."""
        return self.parent or self.id

    def owner(self, session: str, **fields: Any) -> Owner:
        """Return whose a recording is that is started on the call's own leg; ``fields`` are those of others' legs."""
        whose = Owner(
            self.account,
            self.dialect,
            self.told_as,
            self.switch,
            self.leg,
            session=session,
            rate=self.info.rate,
            clock=self.info.clock,
            child=bool(self.parent),
            caller=self.info.caller_number,
            called=self.info.destination,
            direction=self.info.direction,
        )
        return replace(whose, **fields) if fields else whose

    def as_answered(self, at: float, now: float) -> Call:
        """Return the call as it is once its leg is answered, ``at`` a time of the switch's (0: not told).

        Of two answers the first counts. It lies between the call's begin and ``now``, which are this machine's times.
        """
        when = self.answered_at or min(max(at or now, self.started_at), now)
        return replace(self, info=replace(self.info, answered=True), answered_at=when)

    def changed(self, **fields: Any) -> Call:
        """Return the call as it is with these fields, one revision later."""
        return replace(self, revision=self.revision + 1, **fields)
