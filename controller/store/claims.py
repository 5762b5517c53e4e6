"""Which daemon delivers what, where several share a PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam, select, update

from controller.store.reader import Reader
from controller.store.statements import DUE_IDS, LIVING, chunks
from controller.store.tables import DELIVERIES
from controller.store.transaction import Transaction
from controller.store.values import OutboxRow

_VOID = DELIVERIES.c.claimed_by.is_not(None) & DELIVERIES.c.claimed_by.not_in(LIVING)
_OURS = DELIVERIES.c.claimed_by == bindparam("daemon")
_FREE_DUE = DUE_IDS.with_for_update(skip_locked=True).cte("free_due")
_ANY_VOID = select(DELIVERIES.c.id).where(_VOID).limit(1)
_LOCK_VOID = select(DELIVERIES.c.id).where(_VOID).with_for_update(skip_locked=True)
_FREE = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id.in_(bindparam("ids", expanding=True)))
    .values(claimed_by=None)
    .returning(DELIVERIES.c.id)
)
_RELEASE = _FREE.where(_OURS)
_CLAIM = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == _FREE_DUE.c.id)
    .values(claimed_by=bindparam("daemon"))
    .returning(DELIVERIES.c.id)
)
_CLAIMED = select(DELIVERIES.c.id).where(_OURS)


def void(reader: Reader) -> bool:
    """Tell whether a daemon that is not there any more has claimed anything."""
    return reader.connection.execute(_ANY_VOID).scalar() is not None


def free_void(transaction: Transaction) -> None:
    """Take back what daemons claimed that are not there any more."""
    for ids in chunks(row.id for row in transaction.run(_LOCK_VOID)):
        transaction.run(_FREE, {"ids": ids})


def claim(transaction: Transaction, daemon: str, origin: str, now: float, most: int) -> list[OutboxRow]:
    """Claim and return deliveries of an origin that are due at ``now`` and nobody's, longest due first."""
    found = transaction.run(_CLAIM, {"daemon": daemon, "of": origin, "now": now, "most": most})
    return transaction.deliveries_by_id(row.id for row in found)


def release(transaction: Transaction, daemon: str, deliveries: Collection[str]) -> None:
    """Give back some of what a daemon has claimed, if it still has."""
    for ids in chunks(sorted(deliveries)):
        transaction.run(_RELEASE, {"daemon": daemon, "ids": ids})


def release_others(transaction: Transaction, daemon: str, kept: Collection[str]) -> None:
    """Give back all that a daemon has claimed but those."""
    claimed = transaction.run(_CLAIMED, {"daemon": daemon})
    release(transaction, daemon, {row.id for row in claimed}.difference(kept))
