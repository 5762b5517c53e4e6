"""Which recordings are older than their account keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, exists, func, literal, select, tuple_

from controller.recordings.ports import Aged
from controller.store.reader import Page, Reader
from controller.store.store import Store
from controller.store.tables import DELIVERIES, RECORDINGS, TRANSCRIPTIONS
from controller.store.values import column_text


class StoreExpired:
    """Implements ``retention.sweeper.Expired``. Both raise StoreFailed."""

    def __init__(self, store: Store, accounts: Sequence[str]) -> None:
        self._store = store
        self._accounts = tuple(accounts)

    async def newest(self) -> float | None:
        """Return when the newest recording of the accounts was asked for."""
        return await self._store.read(self._newest)

    async def older(self, account: str, before: float, behind: Page | None, limit: int) -> Sequence[Aged]:
        """Return a page of those that are final, ended before a time, and that nobody waits for, oldest first."""
        return await self._store.read(lambda reader: older(reader, account, before, behind, limit))

    def _newest(self, reader: Reader) -> float | None:
        made = RECORDINGS.c.requested_at
        found = [
            reader.connection.execute(
                select(func.max(made)).where(RECORDINGS.c.account == column_text(name))
            ).scalar()
            for name in self._accounts
        ]
        return max((moment for moment in found if moment is not None), default=None)


def older(reader: Reader, account: str, before: float, behind: Page | None, limit: int) -> list[Aged]:
    """Return a page; ``behind`` is where the last one ended."""
    rows = reader.connection.execute(older_query(account, before, behind, limit))
    return [Aged(row.requested_at, row.id, row.switch) for row in rows]


def older_query(account: str, before: float, behind: Page | None, limit: int) -> Select[tuple[float, str, str]]:
    """Return the query: a walk along the index of what is listed, by when it was asked for."""
    order = RECORDINGS.c.requested_at, RECORDINGS.c.id
    awaited = exists(literal(1)).where(DELIVERIES.c.subject == RECORDINGS.c.id, DELIVERIES.c.finished_at.is_(None))
    heard = exists(literal(1)).where(
        TRANSCRIPTIONS.c.recording == RECORDINGS.c.id, TRANSCRIPTIONS.c.finished_at.is_(None)
    )
    query = (
        select(RECORDINGS.c.requested_at, RECORDINGS.c.id, RECORDINGS.c.switch)
        .where(
            RECORDINGS.c.account == column_text(account),
            RECORDINGS.c.deleted_at.is_(None),
            RECORDINGS.c.requested_at < before,
            RECORDINGS.c.finished_at < before,
            ~awaited,
            ~heard,
        )
        .order_by(*order)
        .limit(limit)
    )
    return query if behind is None else query.where(tuple_(*order) > tuple_(*behind))
