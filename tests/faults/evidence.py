"""What is known after a run: from the switch's journal and disk, the receivers' logs, the served media, the store."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.told import Told

Span = tuple[float, float]
"""From when to when, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A recorder that ran on the switch: its last stretch, as the journal has it.

    ``frames`` is what it wrote and ``masked`` the seconds of it that were masked, both None where the switch was
    killed (``lived`` seconds after its start) under it.
    """

    recording: str
    leg: str
    number: int
    started_at: float
    rate: int
    channels: int
    stopped_at: float | None
    frames: int | None
    masked: float | None
    discarded: bool
    lived: float | None
    stretches: int = 1


@dataclass(frozen=True, slots=True)
class Audio:
    """A sound as it lies on the disk or was served. ``digest`` is of its samples."""

    size: int
    seconds: float
    digest: str


@dataclass(frozen=True, slots=True)
class Received:
    """A request that a receiver got. ``answered`` is the status that went out whole, None where none did."""

    at: float
    receiver: int
    path: str
    identity: str
    told: Told | None
    answered: int | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What the URL of a recording gave in the end."""

    status: int
    audio: Audio | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as the store lists it."""

    identity: str
    recording: str
    sequence: int
    state: str
    reason: str
    told: Told | None


@dataclass(frozen=True, slots=True)
class LegLife:
    """A call's leg: ``bound`` is how long it may last, in ``idle`` nothing at all ran on it.

    ``ended_at`` is None for one that still lives when the run is over.
    """

    leg: str
    number: int
    kind: str
    born_at: float
    ended_at: float | None
    bound: float
    idle: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of a run.

    ``skipping`` are recordings whose pauses are cut out, ``trimmed`` those whose silence is. In ``ready`` the daemon
    said that it is, and its link was well.
    """

    ran: tuple[Ran, ...]
    masters: dict[str, Audio]
    received: tuple[Received, ...]
    served: dict[str, Served]
    rows: dict[str, str]
    deliveries: tuple[Delivery, ...]
    legs: tuple[LegLife, ...]
    accepted: frozenset[str]
    skipping: frozenset[str]
    trimmed: frozenset[str]
    ended_at: float
    ready: tuple[Span, ...] = ()
    trouble: tuple[str, ...] = ()
