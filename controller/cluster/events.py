"""What the cluster tells telemetry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeaseTaken:
    """A switch is this daemon's from now on; ``former`` held it before, "" where nobody did or it gave it back."""

    switch: str
    epoch: int
    former: str


@dataclass(frozen=True, slots=True)
class LeaseEnded:
    """A switch is not this daemon's any more, which has let go of its calls and recordings."""

    switch: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class LeasesUnreachable:
    """The leases could not be renewed or looked at; it is tried again. Told once until it succeeds."""

    error: str


@dataclass(frozen=True, slots=True)
class CommandAsked:
    """Another daemon was asked: ``outcome`` is done, a refusal's name, void (never begun), unanswered, or failed.

    The last is the store's failure (telemetry).
    """

    verb: str
    switch: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CommandTaken:
    """Another daemon's command was carried out: ``outcome`` is done or the refusal's name (telemetry)."""

    verb: str
    switch: str
    outcome: str
    waited: float
    seconds: float


@dataclass(frozen=True, slots=True)
class CommandUnreadable:
    """A command or answer of another daemon is not what this release can read; it was refused (telemetry)."""

    command: str
    error: str


@dataclass(frozen=True, slots=True)
class CommandsStalled:
    """The store cannot be asked for commands now; it is asked again (telemetry)."""

    error: str
