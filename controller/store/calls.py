"""The calls room's ledger over the store."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from controller.documents.call import Call
from controller.recordings.ports import Along
from controller.store.store import Store


@dataclass(frozen=True, slots=True)
class StoreCalls:
    """Implements ``calls.ports.CallLedger``."""

    store: Store

    def save(self, call: Call) -> Awaitable[None]:
        """Store a call, enqueued at once. Raises StoreFailed when it could not be made durable."""
        return self.store.write(lambda transaction: transaction.save_call(call))

    def along(self, call: Call) -> Along:
        """Return the storing of a call as work for another room's transaction."""
        return lambda transaction: transaction.save_call(call)

    async def live(self, switch: str) -> Sequence[Call]:
        """Return every call of a switch that has not ended."""
        return await self.store.read(lambda reader: reader.live_calls(switch))
