"""What the outbox worker asks of the store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from controller.store import Attempt, Fetched, OutboxRow, Verdict, Wanted


class Queue(Protocol):
    """What is due, and whose it is to deliver. All raise StoreError."""

    @property
    def rest(self) -> float:
        """Longest seconds between two fetches: others may have put something there."""
        ...

    async def fetch(self, now: float, wanted: Wanted) -> Fetched:
        """Return rows that are due at ``now`` (Unix seconds) and wanted: they are ours until they are given back."""
        ...

    async def give_back(self, deliveries: Collection[str]) -> None:
        """Let others have rows that were fetched, by their ids."""
        ...

    async def leave(self) -> None:
        """Let others have all that was fetched and not attempted: no more is fetched."""
        ...

    async def attempted(self, ended: Sequence[tuple[OutboxRow, Attempt, Verdict]]) -> None:
        """Store what came of attempts; these rows are ours no more."""
        ...

    async def replay(self, identity: str) -> OutboxRow | None:
        """Begin a delivery's schedule anew, at once; None if there is no such delivery."""
        ...
