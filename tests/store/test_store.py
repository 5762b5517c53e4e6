"""Writing and reading: order, grouping, isolation, durability of what was acknowledged, and faults."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from controller.documents.call import Call, CallState
from controller.store import DecodeError, Reader, StaleRevision, Store, StoreFailed, Transaction, open_store
from controller.store.events import GroupCommitted, GroupRetried, WorkFailed
from tests.store.conftest import Told, sqlite_only
from tests.store.values import call, delivery, notice, recording

DEADLINE = 10.0


class Gate:
    """Holds the writer's thread inside a work until opened, so that what comes behind it becomes one group."""

    def __init__(self, store: Store) -> None:
        self._entered, self._open = threading.Event(), threading.Event()
        self.passed = store.write(self._work)

    def _work(self, _: Transaction) -> None:
        self._entered.set()
        assert self._open.wait(DEADLINE)

    async def entered(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, DEADLINE)

    def open(self) -> None:
        self._open.set()


BREAKS_COMMIT = {
    "sqlite": (
        "PRAGMA defer_foreign_keys=ON",
        "INSERT INTO notices (id, recording, sequence, kind, at, data) VALUES ('n', 'none', 1, 'x', 0, '')",
    ),
    "postgresql": (
        "CREATE TEMPORARY TABLE known (id text PRIMARY KEY)",
        "CREATE TEMPORARY TABLE deferred (id text, FOREIGN KEY (id) REFERENCES known INITIALLY DEFERRED)",
        "INSERT INTO deferred VALUES ('none')",
    ),
}
"""What is only found wrong when it is committed."""


def save(value: object) -> Callable[[Transaction], None]:
    return lambda transaction: transaction.save_recording(value)  # type: ignore[arg-type]


def one(reader: Reader, query: str) -> int:
    return int(reader.connection.exec_driver_sql(query).scalar_one())


def page_count(transaction: Transaction) -> int:
    return int(transaction.connection.exec_driver_sql("PRAGMA page_count").scalar_one())


async def test_works_run_in_the_order_of_their_writing(store: Store) -> None:
    """Works run in the order of the calls, awaited or not, whatever group they fall into."""
    ran: list[int] = []

    def work(number: int) -> Callable[[Transaction], None]:
        return lambda _: ran.append(number)

    gate = Gate(store)
    await gate.entered()
    waiting = []
    for number in range(1500):
        waiting.append(store.write(work(number)))
        if number % 100 == 0:
            await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(gate.passed, *waiting)
    assert ran == list(range(1500))


async def test_a_work_returns_its_result_and_reads_follow(store: Store) -> None:
    """A result comes back, and a read after it sees what was written."""
    made = recording()
    assert await store.write(lambda transaction: save(made)(transaction) or 5) == 5
    assert await store.read(lambda reader: reader.recording(made.id)) == made


async def test_what_waits_shares_a_commit(store: Store, told: Told) -> None:
    """Everything that came while the writer was busy becomes durable in one commit."""
    gate = Gate(store)
    await gate.entered()
    made = [recording() for _ in range(50)]
    waiting = [store.write(save(one)) for one in made]
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(gate.passed, *waiting)
    assert [event.works for event in told.of(GroupCommitted)] == [1, 50]
    assert len(await store.read(lambda reader: reader.unfinished("fs1"))) == 50


async def test_much_of_one_turn_is_begun_within_it(store: Store) -> None:
    """The writer's thread doesn't wait for a turn of the loop that enqueues hundreds: it is busy with the first."""
    began = threading.Event()
    works = [store.write(lambda _: began.set()) for _ in range(100)]
    assert began.wait(DEADLINE)  # the loop stands still meanwhile
    works += [store.write(lambda _: None) for _ in range(100)]
    await asyncio.gather(*works)


async def test_a_work_that_raises_fails_alone(store: Store, told: Told) -> None:
    """Its own writes are gone, before and after a savepoint; those around it in the group stay."""
    good, lost, gone = recording(), recording(), recording()

    def raises(transaction: Transaction) -> None:
        transaction.save_recording(lost)
        raise LookupError("mine")

    def raises_after_reading(transaction: Transaction) -> None:
        transaction.save_recording(gone)
        assert transaction.recording(gone.id) == gone
        assert transaction.recording(good.id) == good
        raise LookupError("mine too")

    results = await asyncio.gather(
        store.write(save(good)), store.write(raises), store.write(raises_after_reading), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), LookupError, LookupError]
    assert await store.read(lambda reader: reader.unfinished("fs1")) == [good]
    assert [event.works for event in told.of(GroupCommitted)] == [3]
    assert {event.error for event in told.of(WorkFailed)} == {"mine", "mine too"}


async def test_a_work_sees_its_own_writes_and_its_groups(store: Store) -> None:
    """Reads inside a work see everything written before it, grouped or not, and its own writes."""
    one, two = recording(requested_at=1.0), recording(requested_at=2.0)

    def looks(transaction: Transaction) -> tuple[int, int, int]:
        before = len(transaction.unfinished("fs1"))
        transaction.save_recording(two)
        during = len(transaction.unfinished("fs1"))
        transaction.save_call(call(id="c"))
        return before, during, len(transaction.live_calls("fs1"))

    _, seen = await asyncio.gather(store.write(save(one)), store.write(looks))
    assert seen == (1, 2, 1)
    assert await store.read(lambda reader: reader.unfinished("fs1")) == [one, two]
    assert await store.read(lambda reader: reader.call("c")) is not None


async def test_an_older_value_of_a_call_is_passed_over(store: Store) -> None:
    """In the same work, in the same group and against the stored one: the newer stays, and the work succeeds."""
    old = call(revision=1)
    new = replace(old, revision=3, state=CallState.ENDED)

    def save_calls(*calls: Call) -> Callable[[Transaction], None]:
        def work(transaction: Transaction) -> None:
            for each in calls:
                transaction.save_call(each)

        return work

    for works in ([(new, old)], [(new,), (old,)]):
        await asyncio.gather(*(store.write(save_calls(*work)) for work in works))
        assert await store.read(lambda reader: reader.call(old.id)) == new
    await store.write(save_calls(old))
    assert await store.read(lambda reader: reader.call(old.id)) == new
    assert await store.read(lambda reader: reader.live_calls("fs1")) == []
    other, same = call(), replace(new, cause="USER_BUSY")
    await asyncio.gather(store.write(save_calls(old, other)), store.write(save_calls(same)))
    assert await store.read(lambda reader: reader.call(old.id)) == same
    assert await store.read(lambda reader: reader.call(other.id)) == other


async def test_an_older_revision_never_overwrites(store: Store) -> None:
    """A lower revision is refused in the same work, group, and against the stored one; an equal one is not."""
    old = recording(revision=1)
    new = replace(old, revision=3, path="/new")

    def both(transaction: Transaction) -> None:
        transaction.save_recording(replace(new, path="/never"))
        transaction.save_recording(old)

    with pytest.raises(StaleRevision, match="revision 1 would overwrite revision 3"):
        await store.write(both)
    assert await store.read(lambda reader: reader.recording(old.id)) is None
    results = await asyncio.gather(store.write(save(new)), store.write(save(old)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), StaleRevision]
    other = recording()
    results = await asyncio.gather(store.write(save(old)), store.write(save(other)), return_exceptions=True)
    assert [type(result) for result in results] == [StaleRevision, type(None)]
    await store.write(save(replace(new, path="/same")))
    found = await store.read(lambda reader: reader.recording(old.id))
    assert found is not None
    assert (found.revision, found.path) == (3, "/same")
    assert await store.read(lambda reader: reader.recording(other.id)) == other


async def test_a_commit_that_fails_fails_only_its_cause(store: Store, told: Told) -> None:
    """When the commit itself is refused each work is tried alone, and only the culprit fails, with the cause."""
    made = [recording() for _ in range(3)]

    def breaks_commit(transaction: Transaction) -> None:
        for statement in BREAKS_COMMIT[transaction.connection.dialect.name]:
            transaction.connection.exec_driver_sql(statement)

    works = [save(made[0]), breaks_commit, save(made[1]), save(made[2])]
    results = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), StoreFailed, type(None), type(None)]
    assert "foreign key" in str(results[1]).lower()
    assert [event.works for event in told.of(GroupRetried)] == [4]
    assert len(await store.read(lambda reader: reader.unfinished("fs1"))) == 3


async def test_rows_that_cannot_be_written_fail_their_own_work(store: Store) -> None:
    """A notice of an unknown recording fails its work, also when a later work of the group makes it be written."""
    orphan, made = notice(recording()), recording()

    def reads_after_writing(transaction: Transaction) -> int:
        transaction.save_recording(made)
        return len(transaction.unfinished("fs1"))

    results = await asyncio.gather(
        store.write(lambda transaction: transaction.add_notice(orphan, (delivery(),))),
        store.write(reads_after_writing),
        return_exceptions=True,
    )
    assert isinstance(results[0], StoreFailed)
    assert results[1] == 1
    only = await asyncio.gather(
        store.write(lambda transaction: transaction.add_notice(orphan, ())), return_exceptions=True
    )
    assert isinstance(only[0], StoreFailed)
    assert "foreign key" in str(only[0]).lower()


async def test_a_work_cannot_hide_that_its_group_is_broken(store: Store) -> None:
    """A work that swallows every exception does not swallow the fault of one before it."""
    orphan = notice(recording())

    def swallows(transaction: Transaction) -> str:
        try:
            transaction.unfinished("fs1")
        except Exception:
            return "swallowed"
        return "read"

    results = await asyncio.gather(
        store.write(lambda transaction: transaction.add_notice(orphan, ())),
        store.write(swallows),
        return_exceptions=True,
    )
    assert (type(results[0]), results[1]) == (StoreFailed, "read")


async def test_a_stalled_disk_delays_only_its_waiters(store: Store) -> None:
    """While the writer hangs, the loop turns and reads are answered."""
    made = recording()
    await store.write(save(made))
    gate = Gate(store)
    await gate.entered()
    waiting = store.write(save(replace(made, revision=9)))
    assert await store.read(lambda reader: reader.recording(made.id)) == made
    assert not waiting.done()
    gate.open()
    await waiting
    await gate.passed


async def test_a_long_read_holds_up_no_other(store: Store) -> None:
    """While a list is read that takes its time, small reads are answered."""
    entered, opened = threading.Event(), threading.Event()

    def long(reader: Reader) -> bool:
        reader.unfinished("fs1")
        entered.set()
        return opened.wait(DEADLINE)

    waiting = asyncio.ensure_future(store.read(long))
    assert await asyncio.to_thread(entered.wait, DEADLINE)
    for _ in range(5):
        assert await store.read(lambda reader: reader.unfinished("fs1")) == []
    opened.set()
    assert await waiting


@sqlite_only
async def test_a_full_disk_fails_writes_until_there_is_room(store: Store) -> None:
    """Waiters get the cause, what was stored stays readable, and writing goes on when there is room."""
    kept, big = recording(), recording(error="x" * 400_000)
    await store.write(save(kept))
    pages = await store.write(page_count)

    def limit(most: int) -> Callable[[Transaction], object]:
        return lambda transaction: transaction.connection.exec_driver_sql(f"PRAGMA max_page_count={most}").scalar()

    await store.write(limit(pages + 5))
    small = recording()
    results = await asyncio.gather(store.write(save(big)), store.write(save(small)), return_exceptions=True)
    assert isinstance(results[0], StoreFailed)
    assert "full" in str(results[0])
    assert results[0].__cause__ is not None
    assert results[1] is None
    await store.write(limit(10**9))
    await store.write(save(big))
    for one in (kept, small, big):
        assert await store.read(partial(Reader.recording, identity=one.id)) == one


@sqlite_only
async def test_a_full_disk_in_a_savepoint_fails_alone(store: Store) -> None:
    """The same when the work that fills the disk has read after writing."""
    pages = await store.write(page_count)
    await store.write(lambda t: t.connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 5}").scalar())
    small = recording()

    def fills(transaction: Transaction) -> object:
        transaction.save_recording(recording(error="x" * 400_000))
        return transaction.unfinished("fs1")

    results = await asyncio.gather(store.write(save(small)), store.write(fills), return_exceptions=True)
    assert results[0] is None
    assert "full" in str(results[1])
    assert await store.read(lambda reader: reader.unfinished("fs1")) == [small]


@sqlite_only
async def test_a_database_locked_by_another_fails_all_once(store: Store, told: Told, place: str) -> None:
    """While another process holds the lock all waiters fail together, not one after the other; then it goes on."""
    await store.write(lambda transaction: None)
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(store.write(save(recording())) for _ in range(30)), return_exceptions=True)
    assert {type(result) for result in results} == {StoreFailed}
    assert "locked" in str(results[0])
    assert told.of(GroupRetried) == []
    other.execute("ROLLBACK")
    other.close()
    await store.write(save(recording()))
    assert len(await store.read(lambda reader: reader.unfinished("fs1"))) == 1


@sqlite_only
async def test_a_stall_is_counted_until_it_ends(store: Store, place: str) -> None:
    """From the oldest work that waits, on through refusals, until one is taken; a work's own fault is no stall."""
    await store.write(save(recording()))
    assert (store.waiting, store.stalled) == (0, 0.0)
    entered, go_on = threading.Event(), threading.Event()

    def slow(_: Transaction) -> None:
        entered.set()
        go_on.wait(20)

    first, second = store.write(slow), store.write(save(recording()))
    await asyncio.to_thread(entered.wait, 20)
    assert (store.waiting, store.stalled > 0) == (2, True)
    go_on.set()
    await asyncio.gather(first, second)
    assert (store.waiting, store.stalled) == (0, 0.0)
    with pytest.raises(ZeroDivisionError):
        await store.write(lambda _: 1 / 0)
    assert store.stalled == 0.0
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed):
        await store.write(save(recording()))
    await store.probe()  # refused as well, and tells nobody
    stalled = store.stalled
    assert stalled >= 0.1  # two patiences
    assert store.waiting == 0
    other.execute("ROLLBACK")
    other.close()
    await store.probe()
    assert store.stalled == 0.0


async def test_a_database_that_stops_being_writable_fails_the_rest_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it stops while works are tried one by one, those that are left fail without a try of their own."""
    tried: list[int] = []

    def breaks(transaction: Transaction) -> None:
        tried.append(0)
        transaction.add_notice(notice(recording()), ())

    monkeypatch.setattr(store._writer, "_writable", iter([True, False]).__next__)
    works = [breaks, lambda _: tried.append(1), lambda _: tried.append(2)]
    results = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
    assert {type(result) for result in results} == {StoreFailed}
    assert tried == [0, 1, 2, 0]


@sqlite_only
async def test_a_database_locked_at_opening_is_named(place: str) -> None:
    """A store that cannot be migrated because another holds it says so."""
    await (await open_store(place)).close()
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed.__base__ or StoreFailed, match=r"fsrec\.db: database is locked"):
        await open_store(place, patience=0.01)
    other.close()


async def test_a_read_that_fails_leaves_the_reader_working(store: Store) -> None:
    """What the database refuses is StoreFailed, what the work raises is its own, and neither harms the next."""
    with pytest.raises(StoreFailed, match=r"read-?only"):
        await store.read(lambda reader: reader.connection.exec_driver_sql("DELETE FROM calls"))
    with pytest.raises(KeyError):
        await store.read(lambda reader: os.environ["NO SUCH"])
    assert await store.read(lambda reader: reader.unfinished("fs1")) == []


async def test_what_asyncio_cannot_raise_reaches_the_waiter(store: Store) -> None:
    """A work that raises StopIteration fails its own waiter and no other."""
    results = await asyncio.gather(
        store.write(lambda _: next(iter(()))), store.write(save(recording())), return_exceptions=True
    )
    assert [type(result) for result in results] == [RuntimeError, type(None)]


async def test_a_waiter_that_gave_up_is_written_all_the_same(store: Store) -> None:
    """Cancelling the waiter cancels nothing that was enqueued, and disturbs no other."""
    gate = Gate(store)
    await gate.entered()
    made = recording()
    waiting, behind = store.write(save(made)), store.write(lambda _: 7)
    waiting.cancel()
    gate.open()
    assert await behind == 7
    assert await store.read(lambda reader: reader.recording(made.id)) == made
    await gate.passed


async def test_closing_finishes_what_was_enqueued(place: str) -> None:
    """Everything enqueued before the close is stored; afterwards writes and reads are refused."""
    store = await open_store(place)
    made = [recording() for _ in range(600)]
    waiting = [store.write(save(one)) for one in made]
    await store.close()
    await asyncio.gather(*waiting)
    await store.close()
    with pytest.raises(StoreFailed, match="closed"):
        store.write(save(made[0]))
    with pytest.raises(StoreFailed, match="closed"):
        await store.read(lambda reader: None)
    again = await open_store(place)
    assert len(await again.read(lambda reader: reader.unfinished("fs1"))) == 600
    await again.close()


def test_a_loop_that_ended_takes_nothing_with_it(place: str) -> None:
    """A work that was handed over is stored even if the loop is closed before it is done."""
    made = recording()
    gates: list[Gate] = []
    stores: list[Store] = []

    async def leave() -> None:
        stores.append(await open_store(place))
        gates.append(Gate(stores[0]))
        await gates[0].entered()
        stores[0].write(save(made))
        await asyncio.sleep(0)

    asyncio.run(leave())
    gates[0].open()

    async def look() -> object:
        store = await open_store(place)
        try:
            async with asyncio.timeout(DEADLINE):
                while not (found := await store.read(lambda reader: reader.recording(made.id))):
                    await asyncio.sleep(0.01)
            return found
        finally:
            await store.close()

    assert asyncio.run(look()) == made


async def test_the_texts_of_calls_are_stored_once(place: str) -> None:
    """However many calls and steps: a row is small, and each call has its text, whatever characters it is of."""
    texts = ["sections: {}\n" * 1000, "\ud800\0ä", ""]
    calls = [call(id=f"{number}", leg=f"{number}", text=texts[number % 3]) for number in range(6)]
    store = await open_store(place)
    for step in range(3):
        for each in calls:
            stored = replace(each, step=step, revision=step)
            await store.write(partial(Transaction.save_call, call=stored))
    live = await store.read(lambda reader: reader.live_calls(calls[0].switch))
    assert {each.id: each.text for each in live} == {each.id: each.text for each in calls}

    assert await store.read(lambda reader: one(reader, "SELECT count(*) FROM texts")) == 2
    assert await store.read(lambda reader: one(reader, "SELECT max(length(data)) FROM calls")) < 2000
    await store.close()


async def test_a_text_is_known_only_once_it_is_stored(store: Store) -> None:
    """One whose first commit was refused, for another work of its group or its own, is written with the next."""
    stored, other = call(text="sections: {}"), call(id="other", leg="other", text="sections: {main: []}")

    def breaks_commit(transaction: Transaction) -> None:
        for statement in BREAKS_COMMIT[transaction.connection.dialect.name]:
            transaction.connection.exec_driver_sql(statement)

    def fails_after_saving(transaction: Transaction) -> None:
        transaction.save_call(other)
        raise KeyError

    gate = Gate(store)
    await gate.entered()
    works: list[Callable[[Transaction], None]]
    works = [breaks_commit, partial(Transaction.save_call, call=stored), fails_after_saving]
    writing = [store.write(work) for work in works]
    gate.open()
    results = await asyncio.gather(*writing, return_exceptions=True)
    assert [type(result) for result in results] == [StoreFailed, type(None), KeyError]
    await store.write(partial(Transaction.save_call, call=other))
    assert await store.read(lambda reader: reader.call(stored.id)) == stored
    assert await store.read(lambda reader: reader.call(other.id)) == other


async def test_a_call_whose_text_is_gone_is_unreadable(place: str) -> None:
    """It is no call without a document, which would be fetched anew."""
    store = await open_store(place)
    stored = call(text="sections: {}")
    await store.write(lambda transaction: transaction.save_call(stored))
    await store.write(lambda transaction: transaction.connection.exec_driver_sql("DELETE FROM texts") and None)
    with pytest.raises(DecodeError, match="there is no text"):
        await store.read(lambda reader: reader.call(stored.id))
    await store.close()
