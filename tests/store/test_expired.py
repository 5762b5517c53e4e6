"""Which recordings may go for their age."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import insert

from controller.recordings.model import NoticeKind, Recording, State
from controller.store import Attempt, DeliveryState, Reader, Store, Transaction, Verdict
from controller.store.expired import StoreExpired, older_query
from controller.store.rows import recording_columns
from controller.store.tables import RECORDINGS
from tests.store.conftest import sqlite_only
from tests.store.values import delivery, notice, recording, transcription


def ended(at: float, **changes: Any) -> Recording:
    """A recording that was asked for ten seconds before its end."""
    return recording(**{"state": State.COMPLETED, "requested_at": at - 10, "finished_at": at, **changes})


async def ids(store: Store, before: float = 1000.0, **bounds: Any) -> list[str]:
    expired = StoreExpired(store, ["acme"])
    return [row.id for row in await expired.older("acme", before, bounds.get("behind"), bounds.get("limit", 50))]


async def test_those_that_ended_before_a_time(store: Store) -> None:
    """Final ones of every outcome, of the account, oldest first; none that runs, was deleted, or ended later."""
    old = [
        ended(100.0 + index, state=state)
        for index, state in enumerate((State.COMPLETED, State.ABSENT, State.NO_INPUT, State.FAILED))
    ]
    others = [
        ended(1005.0),
        ended(1000.0),
        ended(100.0, deleted_at=200.0),
        ended(100.0, account="other"),
        recording(requested_at=1.0, state=State.PROCESSING),
    ]

    def save(transaction: Transaction) -> None:
        for one in (*others, *old[::-1]):
            transaction.save_recording(one)

    await store.write(save)
    assert await ids(store) == [one.id for one in old]
    assert await ids(store, limit=2) == [one.id for one in old[:2]]
    behind = old[1].requested_at, old[1].id
    assert await ids(store, behind=behind) == [one.id for one in old[2:]]
    assert await StoreExpired(store, ["acme", "nobody"]).newest() == 995.0
    assert await StoreExpired(store, ["nobody"]).newest() is None


async def test_who_waits_keeps_it(store: Store) -> None:
    """A callback that is still to be delivered, and a transcription that is not over; given up or done, it may go."""
    told, heard = ended(100.0), ended(101.0)
    callback = delivery()
    wanted = transcription(heard)

    def save(transaction: Transaction) -> None:
        for one in (told, heard):
            transaction.save_recording(one)
        transaction.add_notice(notice(told, 1, NoticeKind.COMPLETED), [callback])
        transaction.add_transcription(wanted)

    await store.write(save)
    assert await ids(store) == []
    row = await store.read(lambda reader: reader.delivery(callback.id))
    assert row is not None
    attempt = Attempt(5.0, 0.1, 500, None, "", b"", None)
    await store.write(lambda transaction: transaction.attempt_made(row, attempt, Verdict(DeliveryState.PENDING, 9e9)))
    assert await ids(store) == []
    dead = Verdict(DeliveryState.DEAD, None, "given up")
    await store.write(lambda transaction: transaction.attempt_made(row, attempt, dead))
    assert await ids(store) == [told.id]
    done = replace(wanted, state=type(wanted.state).DONE, finished_at=7.0)
    await store.write(lambda transaction: transaction.save_transcription(done))
    assert await ids(store) == [told.id, heard.id]


@sqlite_only
async def test_its_index(store: Store) -> None:
    """A page is one walk along an index that deleted ones are not in, and sorts nothing, also with many rows."""

    def many(transaction: Transaction) -> None:
        rows = [recording_columns(ended(float(index))) for index in range(2000)]
        transaction.connection.execute(insert(RECORDINGS), rows)
        transaction.connection.exec_driver_sql("ANALYZE")

    await store.write(many)

    def planned(reader: Reader) -> list[str]:
        plans = []
        for behind in (None, (5.0, "x")):
            query = older_query("acme", 500.0, behind, 100)
            text = query.compile(reader.connection.engine, compile_kwargs={"literal_binds": True})
            plans.append("; ".join(row[3] for row in reader.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")))
        return plans

    for plan in await store.read(planned):
        assert plan.startswith("SEARCH recordings USING INDEX recordings_listed (account=? AND ")
        assert "requested_at<?)" in plan
        assert "deliveries_pending (subject=?" in plan
        assert "TEMP B-TREE" not in plan
