"""The core's ledger: state, notices and deliveries in one transaction."""

from __future__ import annotations

import asyncio

import pytest

from controller.recordings.model import Delivery, Notice, NoticeKind, State
from controller.recordings.ports import Ledger
from controller.store import Store, StoreFailed, StoreLedger, Transaction
from controller.store.calls import StoreCalls
from controller.store.events import NoticeUnrendered
from tests.store.conftest import Told
from tests.store.values import call, delivery, notice, recording


class Fixture:
    def __init__(self, store: Store, told: Told) -> None:
        self.woken = 0
        self.rendered: dict[str, Delivery] = {}
        self.ledger: Ledger = StoreLedger(store, self._render, self._wake, told.append)

    def _wake(self) -> None:
        self.woken += 1

    def _render(self, of: Notice) -> tuple[Delivery, ...]:
        if of.kind is NoticeKind.FAILED:
            raise ValueError("no template")
        if of.kind is NoticeKind.RESUMED:
            return ()
        return (self.rendered.setdefault(of.id, delivery()),)


@pytest.fixture
def fixture(store: Store, told: Told) -> Fixture:
    return Fixture(store, told)


async def test_a_commit_is_all_of_it(store: Store, fixture: Fixture) -> None:
    """Recordings, notices, deliveries and the work along are there together, and the outbox is woken after them."""
    made, runs = recording(), call()
    notices = [notice(made, 1), notice(made, 2, NoticeKind.RESUMED)]
    await fixture.ledger.commit([made], notices, along=lambda transaction: transaction.save_call(runs))
    assert fixture.woken == 1
    assert await fixture.ledger.recording(made.id) == made
    assert await fixture.ledger.unfinished("fs1") == [made]
    assert await store.read(lambda reader: reader.notices_of(made.id)) == notices
    assert await store.read(lambda reader: reader.call(runs.id)) == runs
    rows = await store.read(lambda reader: reader.deliveries_of(made.id))
    assert [row.delivery for row in rows] == [fixture.rendered[notices[0].id]]


async def test_a_commit_is_nothing_of_it(store: Store, fixture: Fixture) -> None:
    """When the work along raises nothing is stored, the caller is told, and the outbox sleeps on."""
    made = recording()

    def along(transaction: Transaction) -> None:
        raise LookupError("along")

    with pytest.raises(LookupError):
        await fixture.ledger.commit([made], [notice(made)], along=along)
    assert await fixture.ledger.recording(made.id) is None
    assert fixture.woken == 0


async def test_commits_are_enqueued_when_called(store: Store, fixture: Fixture) -> None:
    """Their order is that of the calls, not of the awaits; without notices the outbox is not woken."""
    made = recording()
    later = recording(id=made.id, revision=1, state=State.RECORDING)
    first, second = fixture.ledger.commit([made]), fixture.ledger.commit([later])
    await second
    await first
    assert await fixture.ledger.recording(made.id) == later
    assert fixture.woken == 0


async def test_a_notice_that_cannot_be_rendered_costs_nothing_else(
    store: Store, fixture: Fixture, told: Told
) -> None:
    """The recording and the notice are stored, with the error, and telemetry is told."""
    made = recording(state=State.FAILED)
    failed = notice(made, 1, NoticeKind.FAILED)
    await fixture.ledger.commit([made], [failed])
    assert await fixture.ledger.recording(made.id) == made
    assert await store.read(lambda reader: reader.notices_of(made.id)) == [failed]
    assert await store.read(lambda reader: reader.notice_errors(made.id)) == {failed.id: "ValueError: no template"}
    assert await store.read(lambda reader: reader.deliveries_of(made.id)) == []
    assert told.of(NoticeUnrendered) == [NoticeUnrendered(failed.id, made.id, "failed", "ValueError: no template")]


async def test_a_waiter_that_gave_up_does_not_keep_the_outbox_asleep(store: Store, fixture: Fixture) -> None:
    """The outbox is woken although the caller was cancelled; its work is stored all the same."""
    made = recording()
    waiting = asyncio.ensure_future(fixture.ledger.commit([made], [notice(made)]))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await store.write(lambda _: None)
    assert fixture.woken == 1
    assert await fixture.ledger.recording(made.id) == made


async def test_the_same_notice_again_changes_nothing(store: Store, fixture: Fixture) -> None:
    """A commit that is repeated after it seemed to fail stores the notice and its delivery once."""
    made = recording()
    told_once = notice(made)
    await fixture.ledger.commit([made], [told_once])
    await fixture.ledger.commit([made], [told_once])
    assert await store.read(lambda reader: reader.notices_of(made.id)) == [told_once]
    assert len(await store.read(lambda reader: reader.deliveries_of(made.id))) == 1


async def test_a_failed_commit_says_so(store: Store, fixture: Fixture) -> None:
    """A notice of a recording that is nowhere stored is refused by the database."""
    with pytest.raises(StoreFailed, match=r"(?i)foreign key"):
        await fixture.ledger.commit([], [notice(recording())])


async def test_calls_are_kept(store: Store) -> None:
    """The calls room's ledger stores a call alone or along with others' work, and finds what lives."""
    calls, one, two = StoreCalls(store, lambda: None), call(started_at=1.0), call(started_at=2.0)
    await calls.save(one)
    await store.write(calls.along(two))
    assert await calls.live("fs1") == [one, two]
