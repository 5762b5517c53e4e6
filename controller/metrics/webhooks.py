"""Callbacks.

What lies in the outbox is the store's: all daemons that share it say the same, so the largest counts, not the sum.
"""

from __future__ import annotations

from controller.metrics.registry import FETCHES, Metric, Names, On, counter, gauge, histogram
from controller.store.events import NoticeUnrendered
from controller.webhooks.events import DeliveryAttempted, DeliveryGivenUp, DeliverySucceeded, OutboxStalled
from controller.webhooks.schedule import FAILURES, failure


def _failure(event: DeliveryAttempted) -> str | None:
    return failure(event.dialect, event.status, event.error)


def webhooks(names: Names) -> tuple[Metric, ...]:
    """Return the families."""
    of_dialect = {"dialect": names.dialects}
    return (
        counter(
            "webhook_attempts_total",
            "Requests made to deliver callbacks.",
            On(DeliveryAttempted, lambda event: (event.dialect,)),
            labels=of_dialect,
        ),
        counter(
            "webhook_failures_total",
            "Those of them that failed: by the status they were answered with (gone: 410), or by why they were not "
            "answered (refused: an address that fsrec may not connect to).",
            On(
                DeliveryAttempted,
                lambda event: (event.dialect, _failure(event) or ""),
                lambda event: None if _failure(event) is None else 1.0,
            ),
            labels={**of_dialect, "reason": FAILURES},
        ),
        histogram(
            "webhook_duration_seconds",
            "Time that such a request took, answered or not.",
            On(DeliveryAttempted, amount=lambda event: event.duration),
            buckets=FETCHES,
        ),
        counter(
            "webhooks_delivered_total",
            "Callbacks that their receiver has.",
            On(DeliverySucceeded, lambda event: (event.dialect,)),
            labels=of_dialect,
        ),
        histogram(
            "webhook_age_seconds",
            "Age of callbacks when their receiver had them.",
            On(DeliverySucceeded, amount=lambda event: event.age),
            buckets=(0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 600.0, 3600.0, 21600.0, 86400.0),
        ),
        counter(
            "webhooks_given_up_total",
            "Callbacks that died undelivered: they are kept, and can be replayed.",
            On(DeliveryGivenUp, lambda event: (event.dialect,)),
            labels=of_dialect,
        ),
        counter(
            "webhooks_unrendered_total",
            "Notices of which no callback could be made, for a fault of fsrec's.",
            On(NoticeUnrendered),
        ),
        gauge("webhooks_pending", "Callbacks in the store that have attempts ahead of them."),
        gauge("webhooks_dead", "Callbacks in the store that died undelivered."),
        gauge(
            "webhooks_oldest_pending_timestamp_seconds",
            "When the oldest callback was made that has attempts ahead of it; 0: there is none.",
        ),
        counter(
            "outbox_stalls_total",
            "Times that the store did not answer who delivers callbacks.",
            On(OutboxStalled),
        ),
    )
