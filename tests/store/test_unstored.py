"""What the media store is to have, in the rows: found, changed without losing what else changed, migrated."""

from __future__ import annotations

from dataclasses import replace

from controller.recordings.model import Recording, State, Stored
from controller.recordings.ports import Shelf
from controller.store import Store, StoreLedger
from controller.store.reader import Reader
from tests.store.values import recording

THERE = (Stored("wav", 44, '"e"', 1000.0),)


def ended(at: float, **changes: object) -> Recording:
    """A recording that is to be put there."""
    return recording(state=State.COMPLETED, finished_at=at, unstored=True, **changes)


def shelf_of(store: Store) -> tuple[StoreLedger, Shelf]:
    """The ledger, as both that it is."""
    ledger = StoreLedger(store, lambda _: (), lambda: None, lambda _: None)
    return ledger, ledger


async def test_what_waits_is_found_oldest_first(store: Store) -> None:
    """Ids and switches of those that wait, no others, deleted ones as well; as many as are asked for."""
    ledger, shelf = shelf_of(store)
    new, old, deleted = ended(30.0, switch="fs2"), ended(10.0), ended(20.0, deleted_at=25.0)
    await ledger.commit((new, old, deleted, recording(state=State.COMPLETED, finished_at=5.0, stored=THERE)))
    assert await shelf.unstored(10) == [(old.id, "fs1"), (deleted.id, "fs1"), (new.id, "fs2")]
    assert await shelf.unstored(1) == [(old.id, "fs1")]


async def test_what_is_there_is_kept_in_the_row(store: Store) -> None:
    """It does not wait any more, and its revision is as it was: what it is did not change."""
    ledger, shelf = shelf_of(store)
    made = ended(10.0, revision=7)
    await ledger.commit((made,))
    assert await shelf.stored(made.id, THERE) == replace(made, stored=THERE, unstored=False)
    assert await ledger.recording(made.id) == replace(made, stored=THERE, unstored=False)
    assert await shelf.unstored(10) == []
    assert await shelf.stored("nobody", THERE) is None


async def test_a_deleted_one_is_not_there(store: Store) -> None:
    """What was put there while it was deleted is not said to be: it still waits, until there is nothing."""
    ledger, shelf = shelf_of(store)
    made = ended(10.0, deleted_at=20.0)
    await ledger.commit((made,))
    assert await shelf.stored(made.id, THERE) == made
    assert await shelf.unstored(10) == [(made.id, "fs1")]
    assert await shelf.stored(made.id, ()) == replace(made, unstored=False)
    assert await shelf.unstored(10) == []


async def test_they_are_found_along_an_index(store: Store) -> None:
    """Looking for them touches no other row, however many there are."""
    text = "SELECT id, unstored_on FROM recordings WHERE unstored_on IS NOT NULL ORDER BY finished_at, id LIMIT 5"

    def explained(reader: Reader) -> str:
        if not store.shared:
            return str(reader.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all())
        reader.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # as where there are many
        reader.connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        return str(reader.connection.exec_driver_sql(f"EXPLAIN {text}").all())

    plan = await store.read(explained)
    assert "recordings_unstored" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
