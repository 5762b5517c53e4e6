"""The store."""

from __future__ import annotations

from controller.metrics.registry import LATENCIES, Metric, Names, On, counter, gauge, histogram
from controller.store.bell import BellLost
from controller.store.events import GroupCommitted, GroupRetried, RowUnreadable, WorkFailed


def store(_names: Names) -> tuple[Metric, ...]:
    """Return the families."""
    return (
        gauge("store_waiting", "Changes that wait for the store."),
        histogram(
            "store_commit_duration_seconds",
            "Time that a transaction took, until it was durable.",
            On(GroupCommitted, amount=lambda event: event.duration),
            buckets=LATENCIES,
        ),
        histogram(
            "store_commit_writes",
            "Changes that were made durable together.",
            On(GroupCommitted, amount=lambda event: event.works),
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        ),
        counter("store_failures_total", "Changes that were not made durable.", On(WorkFailed)),
        counter(
            "store_retries_total",
            "Transactions that failed, so that each of their changes was tried alone.",
            On(GroupRetried),
        ),
        counter("store_rows_unreadable_total", "Rows that this version could not read.", On(RowUnreadable)),
        counter(
            "store_bells_lost_total",
            "Times that the connection was lost over which daemons on one database wake each other.",
            On(BellLost),
        ),
    )
