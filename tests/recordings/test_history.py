"""What is kept of each step, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from controller.recordings import history
from controller.recordings.facts import (
    Cause,
    Examined,
    Fact,
    LegEnded,
    LimitReached,
    Masked,
    MaskRefused,
    Moved,
    NotThere,
    PauseWished,
    StartOver,
    StillRuns,
    Stopped,
    StopWished,
)
from controller.recordings.lifecycle import Effect
from controller.recordings.model import EndReason, HistoryEntry, Measured, PauseBehavior, Recording, State
from controller.recordings.ports import Found
from tests.recordings.fakes import REQUEST, owner

MADE = Recording(
    "r", owner(), replace(REQUEST, max_length=60.0), State.STOPPING, "/fs1/r.wav", 5.0, revision=3, digit="9"
)


@pytest.mark.parametrize(
    ("fact", "detail"),
    [
        (StopWished(7.0, EndReason.TERMINATOR, "#"), "terminator #"),
        (StopWished(7.0, EndReason.API), "api"),
        (PauseWished(7.0, PauseBehavior.SKIP), "skip"),
        (Masked(7.0, PauseBehavior.SILENCE), "silence"),
        (MaskRefused(7.0, "-ERR no such file"), "-ERR no such file"),
        (StartOver(7.0, "no media"), "no media"),
        (Stopped(7.0, Cause.NO_INPUT), "no-input-timeout"),
        (Stopped(7.0, Cause.UNKNOWN, hangup=True), "unknown, the leg hangs up"),
        (NotThere(7.0, leg=True), "the leg lives"),
        (NotThere(7.0, leg=False), "the leg is gone"),
        (StillRuns(7.0), ""),
        (StillRuns(7.0, 6.0), "since when, its file tells"),
        (LimitReached(7.0), "max_length 60 s"),
        (LegEnded(7.0), ""),
        (Moved(7.0, "a leg's id, which its caller may have chosen"), ""),
        (Examined(7.0, Found(None, "it is missing")), "it is missing"),
        (Examined(7.0, Found(None)), ""),
        (
            Examined(7.0, Found(Measured(1.5, 99, derived=True, format="mp3", trimmed=0.25, cut=2.0), "odd")),
            "1.500 s, 99 bytes, mp3, 0.250 s trimmed, 2.000 s cut out, a copy: odd",
        ),
    ],
)
def test_a_step_says_what_its_fact_says(fact: Fact, detail: str) -> None:
    """By the fact's time, and the recording as it is after it."""
    step = history.step(MADE, fact, (Effect.STOP, Effect.TIME))
    name = type(fact).__name__
    assert step == HistoryEntry("r", 3, 7.0, name, State.STOPPING, detail, ("stop", "time"))


def test_details_are_of_facts_that_there_are() -> None:
    """None is made for what no longer happens."""
    assert set(history._DETAILS) <= set(get_args(Fact))


def test_a_detail_is_short() -> None:
    """However much a switch has to say; what is cut off is seen to be."""
    step = history.step(MADE, StartOver(7.0, "x" * 10_000))
    assert step.detail == "x" * (history.DETAIL - 1) + "…"
    assert history.step(MADE, StartOver(7.0, "x" * history.DETAIL)).detail == "x" * history.DETAIL


def test_the_first_and_the_last_step() -> None:
    """Its request, by whoever asked, and its deletion."""
    assert history.requested(replace(MADE, revision=0, state=State.REQUESTED), (Effect.START,)) == HistoryEntry(
        "r", 0, 5.0, "Requested", State.REQUESTED, REQUEST.source, ("start",)
    )
    assert history.deleted(MADE, 9.0) == HistoryEntry("r", 3, 9.0, "Deleted", State.STOPPING)
