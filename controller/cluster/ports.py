"""What the rooms around ask of the cluster, and what it asks of them."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping
from typing import Protocol

from controller.store.leases import Sight, Standing


class Holding(Protocol):
    """Which switches are this daemon's now."""

    def holds(self, switch: str) -> bool:
        """Tell whether this daemon holds the switch's lease, by a clock that goes on while the process is stopped.

        With a database of one's own (SQLite) it holds every switch of its settings.
        """
        ...

    def foreign(self, switch: str) -> bool:
        """Tell whether a switch that is not in this daemon's settings is, or may be, in those of another."""
        ...


class Cluster(Holding, Protocol):
    """The whole of it, as the composition root sees it: ``LeaseKeeper`` or ``Alone``."""

    def refusal(self, switch: str) -> str | None:
        """Say why nothing may be commanded on a switch now; None where it may. From any thread."""
        ...

    def renounce(self, switch: str) -> None:
        """Leave a switch, which will not have us, to others."""
        ...

    def unserved(self) -> Mapping[str, str]:
        """Return the switches that nobody holds as far as is known, and why."""
        ...

    @property
    def held(self) -> Collection[str]:
        """The switches of which this daemon has the lease."""
        ...

    @property
    def elsewhere(self) -> Mapping[str, str]:
        """The switches that other daemons hold, and their ids, as last seen."""
        ...

    async def start(self) -> None:
        """Begin. Raises StoreError."""
        ...

    async def run(self) -> None:
        """Go on until cancelled; ends before that with an error of fsrec's own alone."""
        ...

    async def close(self) -> None:
        """Let go of every switch, and let others have it at once. To be called when ``run`` has ended."""
        ...

    async def leave(self) -> None:
        """Be gone: what else this daemon claimed is anybody's. The last thing of all."""
        ...


class Duties(Protocol):
    """What is done for the switches that are held."""

    async def begin(self, switch: str) -> None:
        """Know its calls and recordings, then connect it. Raises LedgerFailed; cancelled where the lease is lost."""
        ...

    def let_go(self, switch: str, reason: str) -> Awaitable[None]:
        """Forget all of it at once, without a command; awaiting it waits for the end of what that leaves behind."""
        ...

    def lapsed(self) -> None:
        """Hear that other daemons may have taken this one for gone: what it claimed may be theirs."""
        ...

    async def flush(self) -> None:
        """Return when all that was to be stored is, or can't be."""
        ...

    async def removed(self) -> Collection[str]:
        """Return the switches that are in nobody's settings here and have calls or recordings that have not ended.

        Raises LedgerFailed.
        """
        ...

    async def give_up(self, switch: str) -> None:
        """End what ran on a switch of which nobody will hear any more. Raises LedgerFailed."""
        ...


class Leases(Protocol):
    """The rows (``store.leases``). All raise LedgerFailed; each has its time, after which it does that too."""

    async def renew(self, held: Mapping[str, int]) -> Collection[str]:
        """Prolong this daemon's own row and the leases it holds (switch, epoch); return those that still are its."""
        ...

    async def look(self, switches: Collection[str]) -> Sight:
        """Look at all leases; a switch that has none gets one that nobody holds."""
        ...

    async def take(self, switch: str, seen: Standing) -> int | None:
        """Take a lease that still stands as it was ``seen``; whether it may be taken is for who has seen it.

        Returns the new epoch; None where another was quicker. Waits for transactions that the former holder has
        under way.
        """
        ...

    async def give_back(self, held: Mapping[str, int]) -> None:
        """Let others have leases at once."""
        ...

    async def give_back_all(self) -> None:
        """Let others have all leases of this daemon's at once, also those that it does not know to be its."""
        ...

    async def leave(self) -> None:
        """Remove this daemon's own row."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
