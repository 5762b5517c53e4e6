"""What the outbox is made of: a delivery's place in it, its attempts, and what decides where it goes next."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from controller.recordings.model import Delivery
from controller.recordings.ports import LedgerFailed, NotHeld


class StoreError(Exception):
    """The store cannot be opened or used as asked; the text says what would be right."""


class StoreFailed(StoreError, LedgerFailed):
    """A write or read did not happen; ``__cause__`` is what the database said. Nothing of it was stored."""


class OutcomeUnknown(StoreFailed):
    """A commit was sent and not answered, and nobody could be asked: whether it was stored is not known.

    The same again is safe: what is stored already is not stored twice.
    """


class StaleRevision(StoreFailed):
    """A recording was saved with a lower revision than the stored one: two writers disagree about it."""


class LeaseLost(StoreFailed, NotHeld):
    """A write about a switch whose lease this daemon does not hold, or no longer at ``epoch``: nothing was stored."""

    def __init__(self, switch: str, epoch: int | None) -> None:
        super().__init__(f"switch {switch}: not stored: this daemon does not hold its lease any more")
        self.switch = switch
        self.epoch = epoch


class DeliveryState(StrEnum):
    """``pending``: attempts lie ahead. ``delivered``: the receiver has it. ``dead``: given up, kept, replayable."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A delivery as it lies in the outbox.

    ``subject`` is the id of the recording or call that it is about: those of one subject keep their order, by
    ``sequence``. ``origin`` is scheme://host:port, whose attempts are capped together. ``due_at`` is None while an
    earlier one of its subject goes first, and once it is over. ``attempts`` counts all of them, ``tries`` those of
    this schedule (a replay begins anew). ``reason`` says why it is dead. Times are Unix seconds of this machine.
    """

    delivery: Delivery
    subject: str
    sequence: int
    origin: str
    state: DeliveryState
    created_at: float
    due_at: float | None
    attempts: int
    tries: int
    finished_at: float | None = None
    reason: str | None = None

    @property
    def id(self) -> str:
        """The delivery's id, the same over all attempts."""
        return self.delivery.id


class Backlog(NamedTuple):
    """How many deliveries have attempts ahead of them, when the oldest of these was made, how many are dead."""

    pending: int
    oldest: float | None
    dead: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver: ``status`` if the receiver answered, else ``error`` (its kind) and ``detail`` in words.

    ``at`` is its start in Unix seconds, ``duration`` in seconds; ``first_bytes`` the head of the answer's body.
    ``retry_after`` is that header as received.
    """

    at: float
    duration: float
    status: int | None = None
    error: str | None = None
    detail: str = ""
    first_bytes: bytes = b""
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a delivery goes after an attempt: pending until ``due_at``, delivered, or dead for ``reason``."""

    state: DeliveryState
    due_at: float | None = None
    reason: str | None = None


def origin_of(url: str) -> str:
    """Return ``scheme://host:port`` of a URL in lower case; URLs that cannot be read share an origin."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return "invalid:"
    return f"{parts.scheme}://{parts.hostname or ''}:{port}"[:300]


def index_text(text: str) -> str:
    """Return ``column_text`` short enough for an index: PostgreSQL's rows of one have at most 2,700 bytes.

    A longer text keeps its beginning and is told apart by its hash.
    """
    kept = column_text(text)
    data = kept.encode()
    if len(data) <= _INDEXED:
        return kept
    return f"{data[: _INDEXED - 80].decode(errors='ignore')}#{hashlib.sha256(data).hexdigest()}"


_INDEXED = 512


def column_text(text: str) -> str:
    """Return text that every database takes in a text column: lone surrogates and NUL replaced."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
