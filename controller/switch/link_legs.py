"""How many commands may be outstanding on one leg, and who is next.

A channel queues 256 messages; at the 257th the switch closes the *connection* (spec freeswitch 3.3). ``+OK`` only
says queued, so it ends nothing here. What does is the application's CHANNEL_EXECUTE_COMPLETE, recognised by its
Application-UUID, or the leg's hangup, after which a COMPLETE may never come. The queue is shorter than that by what
runs, so this is conservative; it also keeps within the 32 messages that the switch carries out nested in each other.
A COMPLETE that is never sent (its Event-UUID can be stolen by an `execute_on_…` of the dialplan) keeps its place
until the hangup: 31 are left.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

CAP: Final = 32

T = TypeVar("T")


@dataclass(slots=True)
class _Leg(Generic[T]):
    outstanding: set[str] = field(default_factory=set)
    waiting: deque[tuple[str, T]] = field(default_factory=deque)


class LegQueues(Generic[T]):
    """Per leg: the keys (Event-UUIDs) of what is outstanding, and what waits, in order."""

    def __init__(self, cap: int = CAP) -> None:
        self.cap = cap
        self._legs: dict[str, _Leg[T]] = {}

    def admit(self, leg: str, key: str, command: T) -> bool:
        """Count `command` as outstanding, or put it last in its leg's line; True if it may be sent now."""
        entry = self._legs.setdefault(leg, _Leg())
        if entry.waiting or len(entry.outstanding) >= self.cap:
            entry.waiting.append((key, command))
            return False
        entry.outstanding.add(key)
        return True

    def done(self, leg: str, key: str) -> list[T]:
        """End one; give those that are to be sent now."""
        entry = self._legs.get(leg)
        if entry is None or key not in entry.outstanding:
            return []
        entry.outstanding.remove(key)
        return self._advance(leg, entry)

    def gone(self, leg: str) -> list[T]:
        """Count nothing on a leg that hung up; give what waited: the switch refuses it, harmlessly."""
        entry = self._legs.pop(leg, None)
        return [command for _, command in entry.waiting] if entry else []

    def withdraw(self, leg: str, key: str) -> None:
        """Take one that still waits out of the line."""
        if entry := self._legs.get(leg):
            entry.waiting = deque(pair for pair in entry.waiting if pair[0] != key)

    def clear(self) -> list[T]:
        """Forget everything; give all that waited."""
        legs, self._legs = self._legs, {}
        return [command for entry in legs.values() for _, command in entry.waiting]

    def _advance(self, leg: str, entry: _Leg[T]) -> list[T]:
        ready: list[T] = []
        while entry.waiting and len(entry.outstanding) < self.cap:
            key, command = entry.waiting.popleft()
            entry.outstanding.add(key)
            ready.append(command)
        if not entry.outstanding:
            del self._legs[leg]
        return ready
