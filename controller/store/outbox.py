"""The queue that the outbox is fed from: what is due, and whose it is to deliver.

Who is alone with the database takes what is due by reading it: what is in hand is known to this process alone.
Where daemons share one, each claims what it takes, in a transaction that skips what others are claiming. So a
delivery is in one daemon's hands; what a daemon claimed that is not there any more (``daemons``) is free again. A
crash of the server that undoes a claim costs a duplicate at most, so it is made aside; one that undid a release would
leave a delivery to nobody, so that is synced. Caps of origins are a daemon's own: two send twice as much at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from controller.store import claims
from controller.store.reader import Reader
from controller.store.store import Store
from controller.store.transaction import Transaction
from controller.store.values import Attempt, OutboxRow, StoreError, Verdict

POLL = 1.0
"""Seconds between looks for what another daemon put there and can't deliver itself."""

_SLEEP = 60.0  # longest sleep of who is alone, so that a clock that was set forward is noticed


@dataclass(frozen=True, slots=True)
class Wanted:
    """What there is room for: ``room`` rows in all, and of each origin (rows in hand, rows wanted).

    ``others`` are wanted of an origin that is not known; ``busy`` are the ids of all that is in hand. Origins take
    turns, beginning after ``last``.
    """

    room: int
    origins: Mapping[str, tuple[int, int]]
    others: int
    busy: frozenset[str]
    last: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows to deliver, the origin that had the last turn, and when the next row is due; None: none is known."""

    rows: Sequence[OutboxRow]
    last: str
    next_due: float | None


@dataclass(slots=True)
class OwnQueue:
    """Implements ``webhooks.ports.Queue`` for a daemon that is alone with its database. All raise StoreFailed."""

    store: Store
    rest: float = _SLEEP

    async def fetch(self, now: float, wanted: Wanted) -> Fetched:
        """Return what is due at ``now`` and wanted."""

        def look(reader: Reader) -> Fetched:
            def take(origin: str, taken: int, most: int) -> list[OutboxRow]:
                # The rows that are taken are due in the store as well, and the longest: ask for more than them.
                return reader.due(origin, now, taken + most, wanted.busy)

            rows, last = _in_turns(reader.due_origins(now), wanted, take)
            return Fetched(rows, last, reader.next_due(now))

        return await self.store.read(look)

    async def give_back(self, deliveries: Collection[str]) -> None:
        """Do nothing: the store never knew that they were taken."""

    async def leave(self) -> None:
        """Do nothing, likewise."""

    async def attempted(self, ended: Sequence[tuple[OutboxRow, Attempt, Verdict]]) -> None:
        """Store what came of attempts; these rows are in nobody's hands any more."""

        def work(transaction: Transaction) -> None:
            for row, attempt, verdict in ended:
                transaction.attempt_made(row, attempt, verdict)

        await self.store.write(work)

    async def replay(self, identity: str) -> OutboxRow | None:
        """Begin a delivery's schedule anew, at once; None if there is no such delivery."""
        return await self.store.write(lambda transaction: transaction.replay(identity))


@dataclass(slots=True)
class SharedQueue(OwnQueue):
    """The same for a daemon that shares its database. ``daemon`` is its id: claims hold while it lives."""

    daemon: str = field(kw_only=True)
    rest: float = POLL
    _doubtful: bool = False  # whether rows may be claimed of which the outbox does not know

    async def fetch(self, now: float, wanted: Wanted) -> Fetched:
        """Claim what is due at ``now``, wanted and free, and return it; writes nothing where nothing is."""
        if self._doubtful:
            await self.store.write(lambda transaction: claims.release_others(transaction, self.daemon, wanted.busy))
            self._doubtful = False
        void, origins, next_due = await self.store.read(
            lambda reader: (claims.void(reader), reader.due_origins(now), reader.next_due(now))
        )
        if void:
            await self.store.aside(claims.free_void)
            return Fetched((), wanted.last, now)

        def take(transaction: Transaction) -> tuple[list[OutboxRow], str]:
            return _in_turns(
                origins, wanted, lambda origin, _, most: claims.claim(transaction, self.daemon, origin, now, most)
            )

        if wanted.room <= 0 or not any(wanted.origins.get(name, (0, wanted.others))[1] > 0 for name in origins):
            return Fetched((), wanted.last, next_due)
        self._doubtful = True
        rows, last = await self.store.aside(take)
        self._doubtful = False
        return Fetched(rows, last, next_due)

    async def give_back(self, deliveries: Collection[str]) -> None:
        """Let others have what was claimed."""
        if deliveries:
            try:
                await self.store.write(lambda transaction: claims.release(transaction, self.daemon, deliveries))
            except StoreError:
                self._doubtful = True
                raise

    async def leave(self) -> None:
        """Let others have all that was claimed and not delivered."""
        await self.store.write(lambda transaction: claims.release_others(transaction, self.daemon, ()))


def _in_turns(
    origins: Sequence[str], wanted: Wanted, take: Callable[[str, int, int], list[OutboxRow]]
) -> tuple[list[OutboxRow], str]:
    """Take of each origin what it wants, in turn, while there is room; return the rows and the last origin."""
    rows: list[OutboxRow] = []
    room, last = wanted.room, wanted.last
    turn = bisect_right(origins, last)
    for name in [*origins[turn:], *origins[:turn]]:
        if room <= 0:
            break
        taken, most = wanted.origins.get(name, (0, wanted.others))
        if most > 0:
            found = take(name, taken, min(most, room))
            rows += found
            room -= len(found)
            last = name
    return rows, last
