"""What happened to a recording: kept with the change itself, once, as long as its row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from controller.recordings.model import HistoryEntry, State, Stored
from controller.store import StaleRevision, Store, StoreFailed, StoreLedger, Transaction
from controller.store.events import RowUnreadable
from controller.store.migrations import NEWEST, migrate
from controller.store.tables import METADATA
from tests.store.conftest import Told, postgres_only
from tests.store.values import recording


def ledger(store: Store) -> StoreLedger:
    return StoreLedger(store, lambda _: (), lambda: None, lambda _: None)


def step(of: str, revision: int, fact: str = "Started", **more: object) -> HistoryEntry:
    return replace(HistoryEntry(of, revision, 7.0 + revision, fact, State.RECORDING), **more)  # type: ignore[arg-type]


async def test_steps_are_kept_in_their_order(store: Store) -> None:
    """Each recording's own, as they were, whatever order they were written in; of others there are none."""
    one, other = recording(revision=2), recording()
    steps = [
        step(one.id, 0, "Requested", state=State.REQUESTED, effects=("start",)),
        step(one.id, 1, effects=("time", "watch"), detail="a ☎ number"),
        step(one.id, 2, "Stopped", detail="x" * 300),
    ]
    await ledger(store).commit((one, other), history=(steps[2], step(other.id, 0), steps[0], steps[1]))
    assert await store.read(lambda reader: reader.history(one.id)) == steps
    assert await store.read(lambda reader: reader.history(other.id)) == [step(other.id, 0)]
    assert await store.read(lambda reader: reader.history("nobody")) == []


async def test_a_step_is_kept_once(store: Store) -> None:
    """A commit that is repeated after it seemed to fail says the same; the first word stays."""
    made = recording(revision=1)
    for _ in range(2):
        await ledger(store).commit((made,), history=(step(made.id, 0), step(made.id, 1)))
    await ledger(store).commit((made,), history=(step(made.id, 1, "Another"),))
    assert await store.read(lambda reader: reader.history(made.id)) == [step(made.id, 0), step(made.id, 1)]


async def test_a_change_of_its_place_is_no_step(store: Store) -> None:
    """Where a recording is stored changes without a revision, and fails on no key."""
    made = recording(state=State.COMPLETED, revision=1, unstored=True)
    await ledger(store).commit((made,), history=(step(made.id, 1),))
    assert await ledger(store).stored(made.id, (Stored("wav", 44),)) is not None
    assert await store.read(lambda reader: reader.history(made.id)) == [step(made.id, 1)]


async def test_a_step_is_of_its_change(store: Store) -> None:
    """Of a change that is refused there is none, nor of a recording that is not stored."""
    made = recording(revision=5)
    await ledger(store).commit((made,), history=(step(made.id, 5),))
    with pytest.raises(StaleRevision):
        await ledger(store).commit((replace(made, revision=4),), history=(step(made.id, 4),))
    with pytest.raises(StoreFailed, match=r"(?i)foreign key"):
        await ledger(store).commit((), history=(step(recording().id, 0),))
    assert [one.revision for one in await store.read(lambda reader: reader.history(made.id))] == [5]


async def test_steps_go_with_their_recording(store: Store) -> None:
    """No row hangs on one that is gone."""
    made = recording()
    await ledger(store).commit((made,), history=(step(made.id, 0),))
    await store.write(lambda transaction: transaction.connection.execute(text("DELETE FROM recordings")) and None)
    assert await store.read(lambda reader: reader.history(made.id)) == []


async def test_hostile_text_is_kept_as_it_can_be(store: Store) -> None:
    """What no database takes in a text is replaced."""
    made = recording()
    await ledger(store).commit((made,), history=(step(made.id, 0, detail="a\0b\ud800"),))
    [kept] = await store.read(lambda reader: reader.history(made.id))
    assert kept.detail == "a\ufffdb?"


async def test_a_step_that_cannot_be_read_hides_no_other(store: Store, told: Told) -> None:
    """A newer fsrec may know of states that this one doesn't."""
    made = recording()
    await ledger(store).commit((made,), history=(step(made.id, 0), step(made.id, 1)))
    await store.write(
        lambda transaction: (
            transaction.connection.execute(text("UPDATE history SET state = 'x' WHERE revision = 0")) and None
        )
    )
    assert await store.read(lambda reader: reader.history(made.id)) == [step(made.id, 1)]
    assert [event.row for event in told.of(RowUnreadable)] == [made.id]


_SHAPE = text(
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL"
    " SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, collation_name)"
    " FROM information_schema.columns WHERE table_schema = 'public' UNION ALL"
    " SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace ORDER BY 1"
)
_BACK_TO_6 = (
    "DROP TABLE tallies",
    "DROP TABLE history",
    "CREATE INDEX calls_by_leg ON calls (switch, leg, started_at)",
    "CREATE INDEX calls_by_account ON calls (account, started_at, id)",
    "DROP INDEX recordings_by_leg",
    "DROP INDEX recordings_searched",
    "DROP INDEX recordings_by_account",
    "CREATE INDEX recordings_by_account ON recordings (account, requested_at, id)",
    "DROP INDEX recordings_unfinished",
    "CREATE INDEX recordings_unfinished ON recordings (unfinished_on) WHERE unfinished_on IS NOT NULL",
    "DROP INDEX deliveries_by_state",
    "CREATE INDEX deliveries_by_state ON deliveries (state, created_at, id)",
    "UPDATE schema_version SET version = 6",
)


@postgres_only
async def test_a_postgresql_of_version_6_comes_to_be_as_a_new_one(store: Store) -> None:
    """The same columns, keys and indexes; a leg's id that no index takes is one that it takes, and is found by it."""
    long = "é" * 4000
    made = recording(leg=long)
    await store.write(lambda transaction: transaction.save_recording(made))

    def there_and_back(transaction: Transaction) -> tuple[list[str], list[str]]:
        connection = transaction.connection
        new = [*connection.execute(_SHAPE).scalars()]
        for statement in _BACK_TO_6:
            connection.exec_driver_sql(statement)
        connection.execute(text("UPDATE recordings SET leg = :leg"), {"leg": long})
        assert migrate(connection) == NEWEST
        return new, [*connection.execute(_SHAPE).scalars()]

    new, migrated = await store.write(there_and_back)
    assert migrated == new
    assert len(new) > len(METADATA.tables) * 3
    legs = await store.read(lambda reader: [*reader.connection.execute(text("SELECT leg FROM recordings")).scalars()])
    assert [len(leg.encode()) for leg in legs] == [len(legs[0].encode())]
    assert len(legs[0].encode()) <= 512
