from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

import pytest
from sqlalchemy import Row, Select, text

from controller.store import Reader, Store, open_store

T = TypeVar("T")

sqlite_only = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
postgres_only = pytest.mark.parametrize("place", ["postgresql"], indirect=True)


class Told(list[object]):
    """What telemetry was told; ``of(kind)`` picks."""

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self if isinstance(event, kind)]


class Asked(Reader):
    """Carries no query out: ``explained`` says how the database would."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader.connection, lambda _: None)
        self.queries: list[Select[Any]] = []

    def _rows(self, query: Select[Any], values: Mapping[str, Any] | None = None) -> list[Row[Any]]:
        self.queries.append(query)
        return []

    def _scalar(self, query: Select[Any], values: Mapping[str, Any] | None = None) -> Any:
        self.queries.append(query)

    def explained(self, how: str) -> list[list[Row[Any]]]:
        """Return the rows of EXPLAIN, or EXPLAIN QUERY PLAN, of each query that was asked."""
        engine = self.connection.engine
        texts = [query.compile(engine, compile_kwargs={"literal_binds": True}) for query in self.queries]
        return [list(self.connection.exec_driver_sql(f"{how} {text}")) for text in texts]


_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def until_waiting(store: Store, work: asyncio.Future[Any], deadline: float = 20.0) -> None:
    """Wait until something waits for a lock in PostgreSQL, which is what ``work`` should do, and not be done."""
    async with asyncio.timeout(deadline):
        while not await store.read(lambda reader: reader.connection.scalar(_WAITING)):
            assert not work.done()
            await asyncio.sleep(0.01)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def store(place: str, told: Told) -> AsyncIterator[Store]:
    opened = await open_store(place, observe=told.append, patience=0.05 if place.startswith("/") else 0.5)
    yield opened
    await opened.close()
