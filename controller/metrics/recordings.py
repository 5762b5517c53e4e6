"""Recordings, from what asks for them to their true end."""

from __future__ import annotations

from controller.metrics.registry import LATENCIES, LENGTHS, Metric, Names, On, counter, gauge, histogram
from controller.recordings.model import FINAL_STATES, EndReason, State
from controller.retention.sweeper import ExpiryFailed, RecordingExpired, RetentionHeld
from controller.telemetry import (
    FactOrphaned,
    FactUnexpected,
    LedgerStalled,
    RecordingChanged,
    RecordingFinished,
    RecordingStarted,
)

STATES = tuple(state.value for state in State)
OUTCOMES = tuple(sorted(state.value for state in FINAL_STATES))
REASONS = tuple(reason.value for reason in EndReason)


def recordings(names: Names) -> tuple[Metric, ...]:
    """Return the families."""
    of_dialect = {"dialect": names.dialects}
    return (
        gauge(
            "recordings_active",
            "Recordings that are asked for, run, are paused or are being stopped.",
            labels=of_dialect,
        ),
        gauge(
            "recordings_processing",
            "Recordings that have ended and are being measured, mended, cut, trimmed or encoded.",
            labels=of_dialect,
        ),
        counter(
            "recordings_started_total",
            "Recordings whose audio began to be written.",
            On(RecordingStarted, lambda event: (event.dialect,)),
            labels=of_dialect,
        ),
        histogram(
            "recording_start_latency_seconds",
            "Time from the wish for a recording, or the end of its beep, to its first audio.",
            On(RecordingStarted, amount=lambda event: event.latency),
            buckets=LATENCIES,
        ),
        counter(
            "recording_changes_total",
            "Recordings that entered a state.",
            On(RecordingChanged, lambda event: (event.dialect, event.after)),
            labels={**of_dialect, "state": STATES},
        ),
        counter(
            "recordings_finished_total",
            "Recordings that reached their true end.",
            On(RecordingFinished, lambda event: (event.dialect, event.outcome)),
            labels={**of_dialect, "outcome": OUTCOMES},
        ),
        counter(
            "recordings_ended_total",
            "Recordings that reached their true end, by why.",
            On(RecordingFinished, lambda event: (event.reason,)),
            labels={"reason": REASONS},
        ),
        histogram(
            "recording_duration_seconds",
            "Length of recordings as served.",
            On(RecordingFinished, amount=lambda event: event.duration),
            buckets=LENGTHS,
        ),
        counter(
            "recording_bytes_total",
            "Size of recordings as served.",
            On(RecordingFinished, amount=lambda event: event.size),
        ),
        histogram(
            "recording_processing_duration_seconds",
            "Time from the end of a recording's audio until it was ready to be served and told of.",
            On(RecordingFinished, amount=lambda event: event.processing),
            buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0),
        ),
        counter(
            "facts_unexpected_total",
            "Facts about a recording that no row of its table expects.",
            On(FactUnexpected, lambda event: (event.state,)),
            labels={"state": STATES},
        ),
        counter(
            "facts_orphaned_total",
            "Facts about recordings that are not fsrec's.",
            On(FactOrphaned, lambda event: (event.switch,)),
            labels={"switch": names.switches},
        ),
        counter(
            "ledger_stalls_total",
            "Changes of a recording that had to be made durable again.",
            On(LedgerStalled),
        ),
        counter("recordings_expired_total", "Recordings deleted for their age.", On(RecordingExpired)),
        counter("recordings_expiry_failed_total", "Deletions for age that are to be tried again.", On(ExpiryFailed)),
        counter(
            "retention_holds_total",
            "Times that deletion for age stopped because this machine's clock is not to be believed.",
            On(RetentionHeld),
        ),
    )
