"""Neutral steps that a dialect's program asks for, and the outcomes it is told.

A program is sans-IO: ``next(outcome)`` gives a step or the end; the call runner carries the step out and comes
back with its outcome. Later verbs (play, gather, dial) add steps here, never knowledge to the runner's callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.recordings.model import RecordingRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the leg; done at once where it is answered already."""


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
class Evaluate:
    """Evaluate JavaScript expressions away from everything: each sees ``scope``'s names (JSON types) and no more.

    Nothing of the call changes by it, so it is no step of the call's row: it may be done again after a restart. A
    program that moved for long without a step asks for none at all: the other calls have their turn.
    """

    expressions: tuple[str, ...]
    scope: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """The program is over: hang the leg up with a FreeSWITCH ``cause`` name (documents never leave a leg parked)."""

    cause: str = "NORMAL_CLEARING"


Step = Answer | Wait | StartRecording | StopRecording | Evaluate


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
class Evaluation:
    """One expression's value (JSON types), or in words why it has none; ``overran`` says that it met a limit."""

    value: Any = None
    error: str | None = None
    overran: bool = False


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What became of each expression of an ``Evaluate``, in their order."""

    results: tuple[Evaluation, ...]


Outcome = Done | Failed | RecordingRuns | RecordingRefused | Evaluated
