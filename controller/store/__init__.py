"""The store: calls, recordings, notices, outbox (DESIGN section 6). One thread writes, in groups, synced."""

from controller.store.codec import DecodeError
from controller.store.ledger import StoreLedger
from controller.store.outbox import Fetched, OwnQueue, SharedQueue, Wanted
from controller.store.reader import Page, Reader
from controller.store.store import Store, open_store
from controller.store.transaction import Transaction
from controller.store.values import (
    Attempt,
    DeliveryState,
    OutboxRow,
    OutcomeUnknown,
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
    "Fetched",
    "OutboxRow",
    "OutcomeUnknown",
    "OwnQueue",
    "Page",
    "Reader",
    "SharedQueue",
    "StaleRevision",
    "Store",
    "StoreError",
    "StoreFailed",
    "StoreLedger",
    "Transaction",
    "Verdict",
    "Wanted",
    "open_store",
    "origin_of",
]
