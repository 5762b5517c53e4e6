"""The order of one subject's deliveries (DESIGN section 7), apart from any database.

A lane holds the pending deliveries of one subject: a recording, or a call. Each one *owes* an attempt from the time
it is added; only the first that owes one may go, the others wait without a due time. So first attempts happen in
order, whatever comes of them. Those of one sequence are one notice to several receivers, who do not wait for each
other. When a recording's last notice exists, those before it owe one more attempt, and it waits for these; after that
everyone is on a schedule of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Place:
    """A pending delivery's place: while it is ``owed`` those behind it wait; without ``due_at`` it waits itself."""

    id: str
    sequence: int
    owed: bool
    due_at: float | None


class Lane:
    """The pending deliveries of one subject, in order of ``sequence``."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._places = {place.id: place for place in sorted(places, key=lambda place: place.sequence)}

    def __iter__(self) -> Iterator[Place]:
        return iter(list(self._places.values()))

    def get(self, identity: str) -> Place | None:
        """Return one place, or None."""
        return self._places.get(identity)

    def add(self, identity: str, sequence: int, now: float) -> None:
        """Take in a new delivery; one that is already there stays as it is."""
        if identity not in self._places:
            self._places[identity] = Place(identity, sequence, True, None)
            self._places = {place.id: place for place in sorted(self._places.values(), key=lambda p: p.sequence)}
        self._release(now)

    def hurry(self, sequence: int, now: float) -> None:
        """Let those before the last notice, which has this sequence, owe one immediate attempt, in order."""
        for place in list(self._places.values()):
            if place.sequence < sequence and not place.owed:
                self._places[place.id] = replace(place, owed=True, due_at=None)
        self._release(now)

    def again(self, identity: str, now: float) -> None:
        """Let a delivery owe an attempt anew, at once but for those before it that owe one."""
        self._places[identity] = replace(self._places[identity], owed=True, due_at=None)
        self._release(now)

    def attempted(self, identity: str, due_at: float | None, now: float) -> None:
        """Note that an attempt of this delivery ended; it tries again at ``due_at``, or is over (None)."""
        place = self._places.pop(identity, None)
        if place is not None and due_at is not None:
            self._places[identity] = replace(place, owed=False, due_at=due_at)
        self._release(now)

    def _release(self, now: float) -> None:
        owing = [place for place in self._places.values() if place.owed]
        first = min((place.sequence for place in owing), default=0)
        for place in owing:
            if place.sequence == first and place.due_at is None:
                self._places[place.id] = replace(place, due_at=now)
