"""The calls room's ledger over the store."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from controller.documents.call import Call
from controller.recordings.model import Delivery
from controller.recordings.ports import Along
from controller.store.store import Store
from controller.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class StoreCalls:
    """Implements ``calls.ports.CallLedger``."""

    store: Store

    def save(self, call: Call, told: Sequence[Delivery] = ()) -> Awaitable[None]:
        """Store a call and what is told of it, enqueued at once. Raises StoreFailed where that is not durable."""
        return self.store.write(self.along(call, told))

    def along(self, call: Call, told: Sequence[Delivery] = ()) -> Along:
        """Return the same as work for another room's transaction."""

        def work(transaction: Transaction) -> None:
            transaction.save_call(call)
            for delivery in told:
                transaction.add_message(call, delivery)

        return work

    async def live(self, switch: str) -> Sequence[Call]:
        """Return every call of a switch that has not ended."""
        return await self.store.read(lambda reader: reader.live_calls(switch))
