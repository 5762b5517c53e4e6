"""What the webhooks room tells telemetry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryAttempted:
    """An attempt ended; ``number`` counts from 1 over the delivery's life, ``duration`` is in seconds.

    ``subject`` is the id of the recording or call that it is about, here and below.
    """

    delivery: str
    subject: str
    account: str
    dialect: str
    origin: str
    number: int
    status: int | None
    error: str | None
    duration: float


@dataclass(frozen=True, slots=True)
class DeliverySucceeded:
    """The receiver has it, ``age`` seconds after it was made."""

    delivery: str
    subject: str
    account: str
    dialect: str
    attempts: int
    age: float


@dataclass(frozen=True, slots=True)
class DeliveryGivenUp:
    """It is dead, for ``reason``; kept, listed, replayable."""

    delivery: str
    subject: str
    account: str
    dialect: str
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class OutboxStalled:
    """The store did not answer the outbox (``error``); it tries again in ``delay`` seconds."""

    error: str
    delay: float
