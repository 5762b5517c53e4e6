"""What the store tells telemetry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupCommitted:
    """A group of ``works`` became durable together; ``duration`` is in seconds, from the first statement on."""

    works: int
    duration: float


@dataclass(frozen=True, slots=True)
class GroupRetried:
    """A group of ``works`` could not be stored together (``error``), so each is tried alone."""

    works: int
    error: str


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """A unit of work was not stored; its waiter knows."""

    error: str


@dataclass(frozen=True, slots=True)
class RowUnreadable:
    """A stored row is not what this version can read; it is left out of the list it belongs to."""

    table: str
    row: str
    error: str


@dataclass(frozen=True, slots=True)
class NoticeUnrendered:
    """A notice could not be rendered for its receiver; it is kept with the error, and nobody is told."""

    notice: str
    recording: str
    kind: str
    error: str
