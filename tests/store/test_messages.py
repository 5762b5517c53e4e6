"""What is told of calls: in the order in which it was put there, once, and with the call or not at all."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.documents.call import Call
from controller.recordings.model import Delivery
from controller.store import Attempt, DeliveryState, Reader, Store, StoreFailed, Transaction, Verdict, open_store
from controller.store.calls import StoreCalls
from controller.store.statements import LAST_SEQUENCE, PLACES, PRESENT
from tests.store.conftest import sqlite_only
from tests.store.values import call, delivery, notice, recording

DONE = Verdict(DeliveryState.DELIVERED)
LATER = Verdict(DeliveryState.PENDING, due_at=9e9)


async def tell(store: Store, runs: Call, *sent: Delivery) -> None:
    def work(transaction: Transaction) -> None:
        for each in sent:
            transaction.add_message(runs, each)

    await store.write(work)


async def attempted(store: Store, one: Delivery, verdict: Verdict) -> None:
    def work(transaction: Transaction) -> None:
        row = transaction.delivery(one.id)
        assert row is not None
        transaction.attempt_made(row, Attempt(1.0, 0.5, 200), verdict)

    await store.write(work)


async def due(store: Store) -> list[str]:
    return [row.id for row in await store.read(lambda reader: reader.due("http://127.0.0.1:9", 8e9, 99))]


async def told_of(store: Store, subject: str) -> list[tuple[str, int]]:
    rows = await store.read(lambda reader: reader.deliveries_of(subject))
    return [(row.id, row.sequence) for row in rows]


async def test_messages_keep_their_order_over_restarts(place: str) -> None:
    """First attempts happen in the order of telling, also within one work, in one commit, and after a restart."""
    runs, sent = call(), [delivery() for _ in range(6)]
    store = await open_store(place)
    await tell(store, runs, *sent[:2])
    await asyncio.gather(tell(store, runs, sent[2]), tell(store, call(), delivery()), tell(store, runs, sent[3]))
    await attempted(store, sent[0], DONE)
    await store.close()
    store = await open_store(place)
    await tell(store, runs, *sent[4:])
    assert await told_of(store, runs.id) == [(one.id, index) for index, one in enumerate(sent, 1)]
    for one, verdict in zip(sent[1:], (LATER, DONE, LATER, DONE, DONE), strict=True):
        assert one.id in await due(store)
        assert not {other.id for other in sent[sent.index(one) + 1 :]} & set(await due(store))
        await attempted(store, one, verdict)
    await store.close()


async def test_the_same_message_is_not_sent_again(store: Store) -> None:
    """Whether it waits, is due or was delivered: told again it stays as it was, and holds up nothing behind it."""
    runs, first, second, third = call(), delivery(), delivery(), delivery(body=b"third")
    await tell(store, runs, first, first)
    await attempted(store, first, DONE)
    await tell(store, runs, first, second)
    assert await due(store) == [second.id]
    another = delivery(id=third.id, body=b"another")
    await tell(store, runs, second, first, third, another)
    await tell(store, runs, another)
    assert await told_of(store, runs.id) == [(first.id, 1), (second.id, 2), (third.id, 3)]
    await attempted(store, second, DONE)
    assert await due(store) == [third.id]
    row = await store.read(lambda reader: reader.delivery(third.id))
    assert row is not None
    assert (row.delivery, row.subject, row.attempts) == (third, runs.id, 0)


async def test_the_same_notice_holds_up_nothing_behind_it(store: Store) -> None:
    """A notice that is stored again after its delivery succeeded leaves the next one's turn as it was."""
    made, sent = recording(), [delivery(), delivery()]
    first, second = notice(made, 1), notice(made, 2)

    def work(transaction: Transaction) -> None:
        transaction.save_recording(made)
        transaction.add_notice(first, sent[:1])

    await store.write(work)
    await attempted(store, sent[0], DONE)
    await asyncio.gather(store.write(work), store.write(lambda transaction: transaction.add_notice(second, sent[1:])))
    assert await due(store) == [sent[1].id]


async def test_a_call_and_what_is_told_of_it_are_one(store: Store) -> None:
    """Both are stored or neither; the outbox is woken once they are durable, and only where something is told."""
    woken: list[None] = []
    calls = StoreCalls(store, lambda: woken.append(None))
    runs, sent = call(), delivery()
    await calls.save(call())
    assert woken == []
    await calls.save(runs, (sent,))
    assert (len(woken), await told_of(store, runs.id)) == (1, [(sent.id, 1)])
    other, unsent = call(), delivery()

    def fails(transaction: Transaction) -> None:
        calls.along(other, (unsent,))(transaction)
        raise LookupError("along")

    with pytest.raises(LookupError):
        await store.write(fails)
    assert await told_of(store, other.id) == []
    await store.close()
    with pytest.raises(StoreFailed):
        await calls.save(other, (unsent,))
    assert len(woken) == 1


async def test_what_is_told_with_an_older_value_of_a_call_is_told(store: Store) -> None:
    """The newer call stays, the message is on its way: what happened, happened."""
    calls, runs, sent = StoreCalls(store, lambda: None), call(revision=3), delivery()
    await calls.save(runs)
    await calls.save(call(id=runs.id, revision=2), (sent,))
    assert await store.read(lambda reader: reader.call(runs.id)) == runs
    assert await told_of(store, runs.id) == [(sent.id, 1)]


async def test_two_receivers_of_one_notice(store: Store) -> None:
    """Neither waits for the other; the next notice of the recording waits for both, and goes out to both."""
    made = recording()
    sent = [delivery(f"http://127.0.0.1:9/{name}") for name in ("a1", "a2", "b1", "b2")]

    def work(transaction: Transaction) -> None:
        transaction.save_recording(made)
        transaction.add_notice(notice(made, 1), sent[:2])
        transaction.add_notice(notice(made, 2), sent[2:])

    await store.write(work)
    assert set(await due(store)) == {sent[0].id, sent[1].id}
    await attempted(store, sent[1], DONE)
    assert await due(store) == [sent[0].id]
    await attempted(store, sent[0], LATER)
    assert set(await due(store)) == {sent[2].id, sent[3].id}


@sqlite_only
async def test_a_long_call_costs_what_a_short_one_does(store: Store) -> None:
    """What a message looks at is what waits and the end of an index, however many were told before it."""

    def plans(reader: Reader) -> list[str]:
        found = []
        for statement in (PLACES, PRESENT, LAST_SEQUENCE):
            values = {"ids": ["a"], "of": "a"}
            compiled = statement.params(**{key: values[key] for key in statement.compile().params}).compile(
                reader.connection.engine, compile_kwargs={"literal_binds": True}
            )
            rows = reader.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").fetchall()
            found.append("; ".join(row[3] for row in rows))
        return found

    places, present, last = await store.read(plans)
    assert "USING INDEX deliveries_pending (" in places
    assert "sqlite_autoindex_deliveries_1 (" in present
    assert "COVERING INDEX deliveries_by_subject (subject=?)" in last


@settings(max_examples=25)
@given(moves=st.lists(st.tuples(st.sampled_from(["tell", "again", "try"]), st.integers(0, 99)), max_size=25))
def test_whatever_happens_order_holds(moves: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Over a real store: told once each, numbered as they came, first attempts in that order, and nothing stuck."""

    async def run() -> None:
        store = await open_store(tmp_path_factory.mktemp("order") / "a.db")
        runs, sent, tried = call(), list[Delivery](), list[int]()
        for move, pick in moves:
            if move == "tell" or not sent:
                sent.append(delivery())
                await tell(store, runs, sent[-1], sent[pick % len(sent)])
            elif move == "again":
                await tell(store, runs, sent[pick % len(sent)])
            elif ready := await due(store):
                one = next(each for each in sent if each.id == ready[0])
                tried.append(sent.index(one))
                await attempted(store, one, DONE if pick % 2 else LATER)
        while ready := await due(store):
            tried.append(next(index for index, each in enumerate(sent) if each.id == ready[0]))
            await attempted(store, sent[tried[-1]], DONE)
        assert tried == list(range(len(sent)))
        assert await told_of(store, runs.id) == [(one.id, index) for index, one in enumerate(sent, 1)]
        await store.close()

    asyncio.run(run())
