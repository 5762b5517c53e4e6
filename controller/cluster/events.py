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
