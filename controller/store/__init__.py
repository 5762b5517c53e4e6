"""The store: calls, recordings, notices, outbox (DESIGN section 6). One thread writes, in groups, synced."""

from controller.store.codec import DecodeError
from controller.store.ledger import StoreLedger
from controller.store.reader import Page, Reader
from controller.store.store import Store, open_store
from controller.store.transaction import Transaction
from controller.store.values import (
    Attempt,
    DeliveryState,
    OutboxRow,
    StaleRevision,
    StoreError,
    StoreFailed,
    Verdict,
    origin_of,
)

__all__ = [
    "Attempt",
    "DecodeError",
    "DeliveryState",
    "OutboxRow",
    "Page",
    "Reader",
    "StaleRevision",
    "Store",
    "StoreError",
    "StoreFailed",
    "StoreLedger",
    "Transaction",
    "Verdict",
    "open_store",
    "origin_of",
]
