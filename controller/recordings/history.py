"""What is kept of each step of a recording's life, in words: made here alone, whatever the fact was.

A detail has our own words, and of others' only what ``Recording.error`` may have too. It is short: there are five or
so in each recording's life, and they are written with what they tell of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from controller.recordings.facts import (
    Examined,
    Fact,
    LimitReached,
    Masked,
    MaskRefused,
    NotThere,
    PauseWished,
    StartOver,
    StillRuns,
    Stopped,
    StopWished,
)
from controller.recordings.lifecycle import Effect
from controller.recordings.model import HistoryEntry, Recording

DETAIL = 300
"""Characters that a detail has at most."""
REQUESTED, DELETED = "Requested", "Deleted"
"""The first step, which no fact makes, and the one that comes after the end."""


def step(recording: Recording, fact: Fact, effects: Sequence[Effect] = ()) -> HistoryEntry:
    """Return the step that a fact made; ``recording`` is as it is after it."""
    tell = _DETAILS.get(type(fact))
    return _entry(recording, fact.at, type(fact).__name__, "" if tell is None else tell(recording, fact), effects)


def requested(recording: Recording, effects: Sequence[Effect]) -> HistoryEntry:
    """Return the first step of a recording, whose detail is what asked for it."""
    return _entry(recording, recording.requested_at, REQUESTED, recording.request.source, effects)


def deleted(recording: Recording, at: float) -> HistoryEntry:
    """Return the step of a deletion, by the switch's clock like all others."""
    return _entry(recording, at, DELETED, "", ())


def _entry(recording: Recording, at: float, fact: str, detail: str, effects: Sequence[Effect]) -> HistoryEntry:
    short = detail if len(detail) <= DETAIL else f"{detail[: DETAIL - 1]}…"
    names = tuple(effect.name.lower() for effect in effects)
    return HistoryEntry(recording.id, recording.revision, at, fact, recording.state, short, names)


def _stop_wished(_: Recording, fact: StopWished) -> str:
    return f"{fact.reason.value} {fact.digit}" if fact.digit else fact.reason.value


def _stopped(_: Recording, fact: Stopped) -> str:
    return f"{fact.cause.value}, the leg hangs up" if fact.hangup else fact.cause.value


def _not_there(_: Recording, fact: NotThere) -> str:
    return "the leg lives" if fact.leg else "the leg is gone"


def _still_runs(_: Recording, fact: StillRuns) -> str:
    return "" if fact.began is None else "since when, its file tells"


def _limit(recording: Recording, _: LimitReached) -> str:
    limit = recording.request.max_length
    return "" if limit is None else f"max_length {limit:g} s"


def _examined(_: Recording, fact: Examined) -> str:
    measured, problem = fact.found.measured, fact.found.problem
    if measured is None:
        return problem or ""
    said = f"{measured.duration:.3f} s, {measured.size} bytes, {measured.format}"
    for seconds, what in ((measured.trimmed, "trimmed"), (measured.cut, "cut out")):
        if seconds:
            said += f", {seconds:.3f} s {what}"
    if measured.derived:
        said += ", a copy"
    return f"{said}: {problem}" if problem else said


_DETAILS: dict[type, Callable[[Recording, Any], str]] = {
    StopWished: _stop_wished,
    PauseWished: lambda _, fact: fact.behavior.value,
    Masked: lambda _, fact: fact.behavior.value,
    MaskRefused: lambda _, fact: fact.why,
    StartOver: lambda _, fact: fact.why,
    Stopped: _stopped,
    NotThere: _not_there,
    StillRuns: _still_runs,
    LimitReached: _limit,
    Examined: _examined,
}
