"""The lives of all recordings that are not final: found by id, by leg, by call, by switch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from controller.recordings.life import Life
from controller.recordings.model import Recording


class Lives:
    """Each recording's life, from its request until it is final. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._by_id: dict[str, Life] = {}
        self._by_leg: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._by_call: defaultdict[str, list[str]] = defaultdict(list)
        self._departures: list[set[str]] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Life]:
        return iter(tuple(self._by_id.values()))

    def __contains__(self, identity: str) -> bool:
        return identity in self._by_id

    def get(self, identity: str) -> Life | None:
        """Return a recording's life; None once it is final, or where it never was."""
        return self._by_id.get(identity)

    def of_leg(self, switch: str, leg: str) -> tuple[str, ...]:
        """Return the ids of the recordings of a leg."""
        return tuple(self._by_leg.get((switch, leg), ()))

    def of_call(self, call: str) -> list[Life]:
        """Return a call's, the one begun last at the end."""
        return [self._by_id[identity] for identity in self._by_call.get(call, ())]

    def of_switch(self, switch: str) -> list[Life]:
        """Return a switch's."""
        return [life for life in self._by_id.values() if life.recording.owner.switch == switch]

    def begin(self, recording: Recording) -> Life:
        """Give a recording its life."""
        life = Life(recording, recording)
        owner = recording.owner
        self._by_id[recording.id] = life
        self._by_leg[owner.switch, recording.leg].add(recording.id)
        self._by_call[owner.call].append(recording.id)
        return life

    def end(self, life: Life) -> None:
        """Forget a life and whatever would wake it."""
        life.disarm()
        identity, owner = life.recording.id, life.recording.owner
        self._by_id.pop(identity, None)
        for departed in self._departures:
            departed.add(identity)
        self._leave(owner.switch, life.recording.leg, identity)
        of_call = self._by_call[owner.call]
        of_call.remove(identity)
        if not of_call:
            del self._by_call[owner.call]

    def move(self, life: Life, leg: str) -> None:
        """Find a life by its recording's leg, which was ``leg`` until now."""
        recording = life.recording
        self._leave(recording.owner.switch, leg, recording.id)
        self._by_leg[recording.owner.switch, recording.leg].add(recording.id)

    def _leave(self, switch: str, leg: str, identity: str) -> None:
        of_leg = self._by_leg[switch, leg]
        of_leg.discard(identity)
        if not of_leg:
            del self._by_leg[switch, leg]

    @contextmanager
    def departures(self) -> Iterator[set[str]]:
        """Gather the ids of the lives that end inside: what is read meanwhile may not know of their end yet."""
        departed: set[str] = set()
        self._departures.append(departed)
        try:
            yield departed
        finally:
            self._departures.remove(departed)
