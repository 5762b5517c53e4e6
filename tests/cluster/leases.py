"""Leases and daemons of the tests' own making."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, update

from controller.store import Store
from controller.store.statements import database_now
from controller.store.tables import DAEMONS, LEASES


async def hold(store: Store, switch: str, holder: str | None, seconds: float = 60.0) -> None:
    """Give a daemon a switch's lease for so many seconds of the database's clock."""

    def work(transaction: Any) -> None:
        values = {"holder": holder, "expires_at": database_now() + seconds}
        changed = transaction.connection.execute(update(LEASES).where(LEASES.c.switch == switch).values(**values))
        if not changed.rowcount:
            transaction.connection.execute(insert(LEASES).values(switch=switch, epoch=1, **values))

    await store.write(work)


async def alive(store: Store, *daemons: str) -> None:
    """Make these the daemons that live, and no others."""

    def work(transaction: Any) -> None:
        transaction.connection.execute(delete(DAEMONS))
        for name in daemons:
            transaction.connection.execute(insert(DAEMONS).values(id=name, expires_at=database_now() + 60))

    await store.write(work)
