"""Transcriptions in the store: who waits, and that a row and what is told of it are one."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from functools import partial

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from controller.recordings.model import (
    Measured,
    Notice,
    NoticeKind,
    Recording,
    State,
    StatusTarget,
    Transcription,
    TranscriptionState,
    TranscriptionWish,
)
from controller.store import Attempt, DeliveryState, Reader, Store, StoreLedger, Transaction, Verdict, open_store
from controller.store.codec import decode, encode
from controller.store.events import RowUnreadable
from controller.store.tables import TRANSCRIPTIONS
from controller.store.transcriptions import StoreTranscriptions
from tests.store.conftest import Asked, Told, postgres_only, sqlite_only, until_waiting
from tests.store.values import NUMBER, REQUEST, TEXT, WHOLE, delivery, notice, recording, transcription

TARGET = StatusTarget("http://127.0.0.1:9/text", "GET")
WISHED = replace(REQUEST, transcription=TranscriptionWish(TARGET))
RUNNING, DONE, FAILED = TranscriptionState.RUNNING, TranscriptionState.DONE, TranscriptionState.FAILED
ORIGIN = "http://127.0.0.1:9"


@given(
    st.builds(
        Transcription,
        recording=TEXT,
        account=TEXT,
        state=st.sampled_from(TranscriptionState),
        requested_at=NUMBER,
        target=st.none() | st.builds(StatusTarget, TEXT, TEXT),
        finished_at=st.none() | NUMBER,
        progress=NUMBER,
        text=TEXT,
        error=TEXT,
        charge=NUMBER,
        tries=WHOLE,
    )
)
def test_transcriptions_come_back(value: Transcription) -> None:
    """Any transcription is decoded from its text as it was."""
    assert decode(Transcription, encode(value)) == value


def ledger(store: Store, told: Told) -> StoreLedger:
    return StoreLedger(store, lambda _: (delivery(),), lambda: None, told.append)


async def saved(store: Store, *values: Recording | Transcription) -> None:
    def work(transaction: Transaction) -> None:
        for value in values:
            if isinstance(value, Recording):
                transaction.save_recording(value)
            else:
                assert transaction.save_transcription(value)

    await store.write(work)


async def found(store: Store, identity: str) -> Transcription | None:
    return await store.read(partial(Reader.transcription, recording=identity))


async def waiting(store: Store, limit: int = 9, leaving_out: tuple[str, ...] = ()) -> list[str]:
    rows = await store.read(lambda reader: reader.transcriptions_waiting(limit, leaving_out))
    return [row.recording for row in rows]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (NoticeKind.COMPLETED, State.COMPLETED),
        (NoticeKind.NO_INPUT, State.NO_INPUT),
        (NoticeKind.ABSENT, State.ABSENT),
        (NoticeKind.FAILED, State.FAILED),
    ],
)
async def test_the_last_notice_makes_one(place: str, told: Told, kind: NoticeKind, state: State) -> None:
    """Whatever became of the recording; it waits from then on, for whom the request says, and the notice is sent."""
    store = await open_store(place, clock=lambda: 77.0)
    made = recording(request=WISHED, state=state, measured=Measured(4.5, 9))
    await ledger(store, told).commit([made], [notice(made, 1), notice(made, 2, kind)])
    assert await found(store, made.id) == Transcription(
        made.id, "acme", TranscriptionState.WAITING, 77.0, TARGET, seconds=4.5
    )
    assert len(await store.read(lambda reader: reader.deliveries_of(made.id))) == 2
    await store.close()


async def test_nobody_else_gets_one(store: Store, told: Told) -> None:
    """Not before the last notice, and not where nobody wishes it."""
    made, other = recording(request=WISHED), recording()
    await ledger(store, told).commit([made], [notice(made, 1), notice(made, 2, NoticeKind.PAUSED)])
    await ledger(store, told).commit([other], [notice(other, 1, NoticeKind.COMPLETED)])
    assert await found(store, made.id) is None
    assert await found(store, other.id) is None
    assert await store.read(lambda reader: reader.transcriptions_unfinished()) == 0


async def test_a_commit_that_is_repeated_begins_nothing_anew(store: Store, told: Told) -> None:
    """What became of the transcription meanwhile stays."""
    made = recording(request=WISHED, state=State.COMPLETED)
    last = notice(made, 1, NoticeKind.COMPLETED)
    await ledger(store, told).commit([made], [last])
    over = transcription(made, state=DONE, text="hello", finished_at=9.0)
    await saved(store, over)
    await ledger(store, told).commit([made], [last])
    assert await found(store, made.id) == over


async def test_it_is_told_behind_its_recording(store: Store, told: Told) -> None:
    """Row and delivery are stored together; that goes out after the recording's own first attempts, and once."""
    made, sent = recording(request=WISHED, state=State.COMPLETED), delivery()
    notices: list[Notice] = [notice(made, 1), notice(made, 2, NoticeKind.COMPLETED)]
    await ledger(store, told).commit([made], notices)
    before = await store.read(lambda reader: reader.deliveries_of(made.id))
    over = transcription(made, state=FAILED, error="it is silent", finished_at=9.0)
    for _ in range(2):
        assert await store.write(lambda transaction: transaction.save_transcription(over, sent))
    assert await found(store, made.id) == over
    rows = await store.read(lambda reader: reader.deliveries_of(made.id))
    assert [(row.id, row.sequence) for row in rows] == [*((row.id, row.sequence) for row in before), (sent.id, 3)]
    for row in rows:
        due = await store.read(lambda reader: reader.due(ORIGIN, 9e9, 9))
        assert [one.id for one in due] == [row.id]
        done = Verdict(DeliveryState.DELIVERED)
        await store.write(partial(Transaction.attempt_made, row=row, attempt=Attempt(1.0, 0.1, 200), verdict=done))


async def test_a_work_that_fails_stores_neither(store: Store) -> None:
    """Row and delivery are gone together."""
    made, sent = recording(), delivery()
    await saved(store, made, transcription(made))

    def fails(transaction: Transaction) -> None:
        transaction.save_transcription(transcription(made, state=DONE, finished_at=9.0), sent)
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(fails)
    assert await found(store, made.id) == transcription(made)
    assert await store.read(lambda reader: reader.delivery(sent.id)) is None


async def test_a_deleted_recordings_goes_too(store: Store) -> None:
    """With the deletion, in one commit with its making too; one that runs is neither stored nor told afterwards."""
    made, both, other = recording(state=State.COMPLETED), recording(state=State.COMPLETED), recording()
    await saved(store, made, other, transcription(made, state=RUNNING), transcription(other))
    gone = [replace(one, deleted_at=5.0, revision=one.revision + 1) for one in (made, both)]

    def makes(transaction: Transaction) -> None:
        transaction.save_recording(both)
        transaction.add_transcription(transcription(both))

    first = store.write(makes)
    for one in gone:
        await store.write(partial(Transaction.save_recording, recording=one))
    await first
    assert [await found(store, one.id) for one in (made, both)] == [None, None]
    late, sent = transcription(made, state=DONE, finished_at=6.0), delivery()
    assert await store.write(lambda transaction: transaction.save_transcription(late, sent)) is False
    assert await found(store, made.id) is None
    assert await store.read(lambda reader: reader.delivery(sent.id)) is None
    stranger = recording()
    assert await store.write(lambda t: t.save_transcription(transcription(stranger), delivery())) is False
    assert await waiting(store) == [other.id]


@postgres_only
async def test_deleting_waits_for_what_is_being_stored(place: str, store: Store) -> None:
    """Of a recording that another daemon deletes meanwhile no transcription stays."""
    made, other = recording(state=State.COMPLETED), await open_store(place)
    await saved(store, made)
    entered, go = threading.Event(), threading.Event()

    def stores(transaction: Transaction) -> None:
        assert transaction.save_transcription(transcription(made, state=DONE, finished_at=6.0))
        entered.set()
        go.wait(4.0)  # the server ends a transaction that is idle for five seconds

    storing = store.write(stores)
    await asyncio.to_thread(entered.wait, 10)
    gone = replace(made, deleted_at=5.0, revision=made.revision + 1)
    deleting = other.write(partial(Transaction.save_recording, recording=gone))
    await until_waiting(other, deleting)
    go.set()
    await asyncio.gather(storing, deleting)
    assert await found(store, made.id) is None
    await other.close()


@postgres_only
async def test_what_is_another_daemons_meanwhile_is_not_stored(place: str, store: Store) -> None:
    """Whoever claims it while its former daemon is about to store it has it."""
    made = recording()
    row = transcription(made)
    await saved(store, made, row)
    one = StoreTranscriptions(store, lambda: None, "one")
    assert await one.claim(row) == row
    connection = await asyncpg.connect(place)
    claiming = connection.transaction()
    await claiming.start()
    await connection.execute("UPDATE transcriptions SET claimed_by = 'two'")
    saving = asyncio.ensure_future(one.save(replace(row, state=DONE, finished_at=9.0), delivery()))
    await until_waiting(store, saving)
    await claiming.commit()
    await connection.close()
    assert not await saving
    assert await found(store, made.id) == row
    assert await store.read(lambda reader: reader.deliveries_of(made.id)) == []


async def test_one_is_forgotten(store: Store) -> None:
    """And its recording stays; what is not there says so."""
    made = recording()
    await saved(store, made, transcription(made))
    assert await store.write(lambda transaction: transaction.forget_transcription(made.id)) is True
    assert await store.write(lambda transaction: transaction.forget_transcription(made.id)) is False
    assert await found(store, made.id) is None
    assert await store.read(lambda reader: reader.recording(made.id)) == made


async def test_who_waits(store: Store, told: Told) -> None:
    """Longest wanted first, running ones among them, those in hand left out; what is over waits no more."""
    made = [recording() for _ in range(5)]
    times = [transcription(one, requested_at=float(5 - index)) for index, one in enumerate(made)]
    await saved(store, *made, *times)
    order = [one.id for one in made[::-1]]
    assert await waiting(store) == order
    await saved(store, replace(times[4], state=RUNNING, tries=1), replace(times[3], state=DONE))
    await saved(store, replace(times[0], state=FAILED, finished_at=9.0))
    assert await waiting(store) == [order[0], order[2], order[3]]
    assert await waiting(store, 1) == [order[0]]
    assert await waiting(store, 2, (order[0],)) == [order[2], order[3]]
    assert await store.read(lambda reader: reader.transcriptions_unfinished()) == 3
    await store.write(
        lambda t: (
            t.connection.execute(
                update(TRANSCRIPTIONS).where(TRANSCRIPTIONS.c.recording == order[0]).values(data="{}")
            )
            and None
        )
    )
    assert await waiting(store) == [order[2], order[3]]
    assert [(event.table, event.row) for event in told.of(RowUnreadable)] == [("transcriptions", order[0])]


@sqlite_only
async def test_what_is_over_costs_nothing(store: Store) -> None:
    """Looking for work is a walk along an index of what is not over."""

    def plans(reader: Reader) -> list[str]:
        asked = Asked(reader)
        asked.transcriptions_waiting(5)
        asked.transcriptions_unfinished()
        return ["; ".join(row.detail for row in rows) for rows in asked.explained("EXPLAIN QUERY PLAN")]

    found = await store.read(plans)
    assert len(found) == 2
    for plan in found:
        assert "INDEX transcriptions_unfinished" in plan
        assert "TEMP B-TREE" not in plan
