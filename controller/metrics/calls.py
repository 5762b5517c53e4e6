"""Calls, their documents, and the sounds of those."""

from __future__ import annotations

from controller.calls.audio import AudioFetched, AudioRefused
from controller.calls.events import (
    CallEnded,
    CallFailed,
    CallReleased,
    CallResumed,
    CallTaken,
    CallTurnedAway,
    DocumentFetched,
    DocumentRefused,
    LegLeftAlone,
    MessageUnrendered,
    StepFailed,
)
from controller.documents.events import DocumentWarned
from controller.documents.fetch import Trouble
from controller.metrics.registry import FETCHES, Metric, Names, On, counter, gauge, histogram
from controller.telemetry import SwitchRemoved

TROUBLES = tuple(trouble.value for trouble in Trouble)


def calls(names: Names) -> tuple[Metric, ...]:
    """Return the families."""
    of_switch, of_dialect = {"switch": names.switches}, {"dialect": names.dialects}
    return (
        gauge("calls_active", "Calls that fsrec serves.", labels=of_switch),
        gauge("calls_limit", "Calls that may be served at a time (limits.calls)."),
        counter(
            "calls_taken_total",
            "Calls whose document began.",
            On(CallTaken, lambda event: (event.switch,)),
            labels=of_switch,
        ),
        counter("calls_ended_total", "Calls whose leg is gone.", On(CallEnded)),
        counter("calls_released_total", "Calls that others took, so that their document ended.", On(CallReleased)),
        counter("calls_resumed_total", "Calls that went on after a restart or a lost link.", On(CallResumed)),
        counter("calls_failed_total", "Calls hung up because their document could not go on.", On(CallFailed)),
        counter(
            "calls_turned_away_total",
            "Calls hung up at once: too many, or too much to do.",
            On(CallTurnedAway, lambda event: (event.switch,)),
            labels=of_switch,
        ),
        counter(
            "legs_left_alone_total",
            "Parked legs that no route claims.",
            On(LegLeftAlone, lambda event: (event.switch,)),
            labels=of_switch,
        ),
        counter(
            "switches_removed_total",
            "Switches that left the settings while calls or recordings of them had not ended.",
            On(SwitchRemoved),
        ),
        counter("steps_failed_total", "Steps of documents that failed; the documents went on.", On(StepFailed)),
        counter(
            "messages_unrendered_total",
            "Callbacks about a call that could not be made, for a fault of fsrec's.",
            On(MessageUnrendered),
        ),
        counter(
            "documents_fetched_total",
            "Documents that were had from a URL.",
            On(DocumentFetched, lambda event: (event.dialect,)),
            labels=of_dialect,
        ),
        histogram(
            "document_fetch_duration_seconds",
            "Time that this took, retries and redirects included.",
            On(DocumentFetched, amount=lambda event: event.duration),
            buckets=FETCHES,
        ),
        counter(
            "documents_refused_total",
            "Documents that could not be had, or were refused before anything of them ran.",
            On(DocumentRefused, lambda event: (event.dialect, event.trouble)),
            labels={**of_dialect, "reason": TROUBLES},
        ),
        counter("document_warnings_total", "What documents say and is not done as they say it.", On(DocumentWarned)),
        counter(
            "audio_fetched_total", "Sounds of documents' URLs that were made ready to be played.", On(AudioFetched)
        ),
        histogram(
            "audio_fetch_duration_seconds",
            "Time until a URL's sound could be played, fetching and decoding included.",
            On(AudioFetched, amount=lambda event: event.duration),
            buckets=FETCHES,
        ),
        counter("audio_refused_total", "Sounds of documents' URLs that could not be had.", On(AudioRefused)),
    )
