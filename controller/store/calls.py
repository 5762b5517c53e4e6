"""The calls room's ledger over the store."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from controller.documents.call import Call
from controller.recordings.model import Delivery
from controller.recordings.ports import Along
from controller.store.store import Store
from controller.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class StoreCalls:
    """Implements ``calls.ports.CallLedger``.

    ``after_commit`` is called on the event loop when what is told of a call is durable.
    """

    store: Store
    after_commit: Callable[[], None]

    def save(self, call: Call, told: Sequence[Delivery] = ()) -> Awaitable[None]:
        """Store a call and what is told of it, enqueued at once. Raises StoreFailed where that is not durable."""
        stored = self.store.write(self.along(call, told), about=(call.switch,))
        if told:
            stored.add_done_callback(self._stored)
        return stored

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

    def _stored(self, stored: Future[None]) -> None:
        if stored.cancelled() or stored.exception() is None:  # cancelled: its waiter gave up, the work did not
            self.after_commit()
