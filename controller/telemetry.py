"""Hooks: the core calls them with frozen dataclasses; logging and metrics subscribe (DESIGN section 2, STYLE).

An event's class name read as ``noun.verb_past`` is its log event; a hook must not raise or block, and one that
raises is reported once by the standard logger and never disturbs a call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

Hook = Callable[[object], None]


class Telemetry:
    """Fans each observed event out to its subscribers, in order of subscription."""

    def __init__(self) -> None:
        self._hooks: list[Hook] = []

    def subscribe(self, hook: Hook) -> Callable[[], None]:
        """Add ``hook``; the returned function takes it away again."""
        self._hooks.append(hook)
        return lambda: self._hooks.remove(hook)

    def observe(self, event: object) -> None:
        """Tell every subscriber."""
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:
                logging.getLogger(__name__).exception("telemetry hook failed on %r", type(event).__name__)


@dataclass(frozen=True, slots=True)
class RecordingChanged:
    """A recording moved from one state to another, and why; ``told``: the event that comes next tells more of it."""

    recording: str
    call: str
    dialect: str
    before: str
    after: str
    fact: str
    told: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class FactUnexpected:
    """A fact that no row of the table expects: counted and logged, never raised."""

    recording: str
    state: str
    fact: str


@dataclass(frozen=True, slots=True)
class FactOrphaned:
    """A fact about a recording that is not ours (started by a dialplan, a phone, another client)."""

    switch: str
    leg: str
    fact: str


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    """A recording's audio is being written, ``latency`` seconds after that was expected at the soonest.

    That is when it was asked for, or the end of its beep, by the switch's clock.
    """

    recording: str
    call: str
    dialect: str
    latency: float


@dataclass(frozen=True, slots=True)
class RecordingFinished:
    """A recording reached its true end; ``error`` says in words what went wrong on the way, if anything did.

    ``processing`` is how many seconds after the end of its audio that was; None where none was written.
    """

    recording: str
    call: str
    dialect: str
    outcome: str
    reason: str
    duration: float
    size: int
    error: str | None = None
    processing: float | None = None


@dataclass(frozen=True, slots=True)
class MediaStalled:
    """A recording's file could not be examined for a reason that is not its own; it is tried until that is mended."""

    recording: str
    error: str


@dataclass(frozen=True, slots=True)
class LedgerStalled:
    """A change of a recording could not be made durable; it is tried again."""

    recording: str
    error: str


@dataclass(frozen=True, slots=True)
class SwitchRemoved:
    """What ran on a switch that is no longer in the settings was ended; its recordings keep what was written."""

    switch: str
