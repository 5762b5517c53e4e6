"""Recordings that have a file, in the order in which they came to have it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.recordings.model import Recording, State
from controller.store import Reader, Store, Transaction
from tests.store.conftest import sqlite_only
from tests.store.test_reader import saved
from tests.store.values import recording


def ready(at: float, caller: str = "", called: str = "", **changes: Any) -> Recording:
    made = recording(**{"state": State.COMPLETED, "finished_at": at, "requested_at": 1000.0 - at, **changes})
    return replace(made, owner=replace(made.owner, caller=caller, called=called))


async def added(store: Store, **chosen: Any) -> list[Recording]:
    return await store.read(lambda reader: reader.recordings("acme", added=True, **chosen))


async def test_what_was_added_last_comes_first(store: Store) -> None:
    """By when it was ready, whenever it was begun; without what runs, failed, is deleted or another's."""
    first, second, third = (ready(at) for at in (1.0, 2.0, 3.0))
    others = [
        recording(state=State.PROCESSING),
        ready(4.0, state=State.FAILED),
        ready(5.0, deleted_at=6.0),
        ready(6.0, account="other"),
    ]
    silent, empty = ready(0.5, state=State.NO_INPUT), ready(0.4, state=State.ABSENT)
    await saved(store, second, *others, third, empty, first, silent)
    assert await added(store) == [third, second, first, silent, empty]
    assert await added(store, since=1.0, until=2.0) == [second, first]
    assert await added(store, limit=2, offset=1) == [second, first]
    assert await added(store, before=(2.0, second.id)) == [first, silent, empty]
    assert await store.read(lambda reader: reader.recordings_count("acme", added=True, since=1.0)) == 3


async def test_numbers_in_several_spellings(store: Store) -> None:
    """A recording is found by any of them, and by both parties together."""
    plus, bare, other = ready(1.0, "+1415", "7"), ready(2.0, "1415", "8"), ready(3.0, "1416", "8")
    await saved(store, plus, bare, other)
    assert await added(store, caller=("1415", "+1415")) == [bare, plus]
    assert await added(store, caller=("1415", "+1415"), called=("8", "+8")) == [bare]
    assert await added(store, called=()) == []
    counted = await store.read(lambda reader: reader.recordings_count("acme", added=True, called=("8", "+8")))
    assert counted == 2


@sqlite_only
@pytest.mark.parametrize("bounds", [{}, {"before": (5.0, "x")}, {"since": 1.0, "until": 2.0}], ids=str)
async def test_its_index(store: Store, bounds: dict[str, Any]) -> None:
    """A page is one walk along the index and sorts nothing; the count does not read a row."""
    plans: list[str] = []

    def planned(reader: Reader) -> None:
        asked: list[Any] = []
        reader._recordings = lambda query: asked.append(query) or []  # type: ignore[method-assign,func-returns-value]
        reader._scalar = lambda query, _=None: asked.append(query)  # type: ignore[method-assign,assignment]
        reader.recordings("acme", added=True, **bounds)
        reader.recordings_count("acme", added=True, called="c")
        for query in asked:
            compiled = query.compile(reader.connection.engine, compile_kwargs={"literal_binds": True})
            plans.extend(row[3] for row in reader.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))

    await store.read(planned)
    page, count = plans
    assert "INDEX recordings_added (" in page
    assert "COVERING INDEX recordings_added (" in count


CHANGES: dict[str, dict[str, Any]] = {
    "runs": {"state": State.PROCESSING, "finished_at": None},
    "completed": {},
    "empty": {"state": State.ABSENT},
    "failed": {"state": State.FAILED},
    "deleted": {"deleted_at": 9.0},
    "failed, deleted": {"state": State.FAILED, "deleted_at": 9.0},
}


@pytest.mark.parametrize("former", CHANGES)
@pytest.mark.parametrize("later", CHANGES)
async def test_a_total_is_kept_with_the_rows(store: Store, former: str, later: str) -> None:
    """Whatever becomes of a recording, the total is how many have a file; each account has its own."""
    kept, other = ready(1.0), ready(1.0, account="other")
    made, elsewhere = ready(2.0, revision=1, **CHANGES[former]), ready(3.0, switch="fs2", revision=1)
    await saved(store, kept, made, other, elsewhere)
    await saved(store, replace(made, revision=2), replace(kept))  # the same again is no other
    await saved(store, ready(2.0, id=made.id, revision=3, **CHANGES[later]))
    wanted = len(await added(store))
    assert wanted == 2 + (later in {"completed", "empty"})
    total = await store.read(lambda reader: reader.recordings_count("acme", added=True, call=None, caller=None))
    assert total == wanted
    assert await store.read(lambda reader: reader.recordings_count("nobody", added=True)) == 0


async def test_a_total_is_undone_with_the_work(store: Store) -> None:
    """A work that raises has counted nothing, whether its row was written already or not."""

    def work(transaction: Transaction) -> None:
        transaction.save_recording(ready(1.0))
        assert transaction.connection
        raise KeyError

    with pytest.raises(KeyError):
        await store.write(work)
    kept = await store.read(lambda reader: reader.recordings_count("acme", added=True))
    assert (kept, await added(store)) == (0, [])
