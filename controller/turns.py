"""Taking turns at something that few can have at a time: who has had the least of it goes first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_Waiting = tuple[float, int, asyncio.Future[None]]


class Turns:
    """``places`` can be had at a time, ``each`` of them (None: all) by one party.

    The party that has the fewest goes first, of those that have as many the one whose last turn is longest ago. Among
    the asking of one party it is who had less of it before, then the order.
    """

    def __init__(self, places: int, each: int | None = None) -> None:
        self._places = self._free = places
        self._each = places if each is None else each
        self._order = itertools.count()
        self._held: Counter[str] = Counter()
        self._last: dict[str, int] = {}
        self._waiting: dict[str, list[_Waiting]] = {}

    @property
    def taken(self) -> int:
        """Return how many places are had."""
        return self._places - self._free

    @asynccontextmanager
    async def turn(self, had: float = 0.0, party: str = "") -> AsyncIterator[None]:
        """Have a place; ``had`` is what this one had of it up to now, in any unit."""
        await self.take(had, party)
        try:
            yield
        finally:
            self.give(party)

    async def take(self, had: float = 0.0, party: str = "") -> None:
        """Have a place until ``give`` is called for that party: for who gives it back elsewhere."""
        if self._free and self._held[party] < self._each:
            self._serve(party)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting.setdefault(party, []), (had, next(self._order), place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # given in the same moment
                self.give(party)
            raise

    def _serve(self, party: str) -> None:
        self._free -= 1
        self._held[party] += 1
        self._last[party] = next(self._order)

    def give(self, party: str) -> None:
        """Give a place back."""
        self._free += 1
        self._held[party] -= 1
        if not self._held[party]:
            del self._held[party]
        following = self._following()
        if not self._held[party] and party not in self._waiting:
            self._last.pop(party, None)
        if following is not None:
            self._serve(following)
            heapq.heappop(self._waiting[following])[2].set_result(None)
            self._forget_gone(following)

    def _following(self) -> str | None:
        """Return the party whose turn it is, None where nobody who waits may have one."""
        for party in tuple(self._waiting):
            self._forget_gone(party)
        open_to = (party for party in self._waiting if self._held[party] < self._each)
        return min(open_to, key=lambda party: (self._held[party], self._last.get(party, -1)), default=None)

    def _forget_gone(self, party: str) -> None:
        """Leave out those at the head who gave up waiting."""
        waiting = self._waiting[party]
        while waiting and waiting[0][2].done():
            heapq.heappop(waiting)
        if not waiting:
            del self._waiting[party]
