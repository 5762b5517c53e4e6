"""The outbox in the store: what is due, in which order, and what an attempt leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from controller.recordings.model import NoticeKind, Recording, State
from controller.store import Attempt, DeliveryState, OutboxRow, Store, Transaction, Verdict, open_store, origin_of
from tests.store.values import delivery, notice, recording

ORIGIN = "http://127.0.0.1:9"
LATER = Verdict(DeliveryState.PENDING, due_at=500.0)
DONE = Verdict(DeliveryState.DELIVERED)
DEAD = Verdict(DeliveryState.DEAD, reason="why")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(place: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await open_store(place, clock=clock)
    yield opened
    await opened.close()


async def add(
    store: Store, of: Recording, sequence: int, kind: NoticeKind = NoticeKind.STARTED, url: str = f"{ORIGIN}/x"
) -> str:
    """Store a notice with its delivery; the delivery's id."""
    sent = delivery(url)

    def work(transaction: Transaction) -> None:
        transaction.save_recording(of)
        transaction.add_notice(notice(of, sequence, kind), (sent,))

    await store.write(work)
    return sent.id


async def due(store: Store, at: float, origin: str = ORIGIN) -> list[str]:
    return [row.id for row in await store.read(lambda reader: reader.due(origin, at, 99))]


async def row(store: Store, identity: str) -> OutboxRow:
    found = await store.read(lambda reader: reader.delivery(identity))
    assert found is not None
    return found


async def attempt(store: Store, identity: str, verdict: Verdict, made: Attempt | None = None) -> None:
    before = await row(store, identity)
    made = made or Attempt(1.0, 0.5, 500)
    await store.write(lambda transaction: transaction.attempt_made(before, made, verdict))


async def test_an_attempt_is_kept_with_what_follows(store: Store, clock: Clock) -> None:
    """Attempts are listed in order with all they say; the row counts them and is due when the verdict says."""
    one = await add(store, recording(), 1)
    assert await due(store, 99.9) == []
    assert await due(store, 100.0) == [one]
    refused = Attempt(1.0, 0.5, None, "connection", "refu\0sed", b"", None)
    answered = Attempt(2.0, 0.5, 503, None, "", b"\xff\0busy", "120")
    await attempt(store, one, LATER, refused)
    assert await store.read(lambda reader: reader.next_due(100.0)) == 500.0
    await attempt(store, one, LATER, answered)
    assert await due(store, 499.0) == []
    assert await due(store, 500.0) == [one]
    clock.now = 501.0
    await attempt(store, one, DEAD)
    found = await row(store, one)
    assert (found.state, found.reason, found.finished_at) == (DeliveryState.DEAD, "why", 501.0)
    assert (found.attempts, found.tries, found.due_at) == (3, 3, None)
    kept = await store.read(lambda reader: reader.attempts(one))
    assert await store.read(lambda reader: reader.attempts_of([one, "none"])) == {one: kept}
    assert kept[:2] == [Attempt(1.0, 0.5, None, "connection", "refu\ufffdsed"), answered]
    assert [found.id for found in await store.read(lambda reader: reader.deliveries(DeliveryState.DEAD))] == [one]
    assert await store.read(lambda reader: reader.next_due(0.0)) is None


async def test_what_is_over_is_not_revived_by_a_late_attempt(store: Store) -> None:
    """An attempt that ends after its delivery succeeded is kept and changes nothing."""
    one = await add(store, recording(), 1)
    stale = await row(store, one)
    await attempt(store, one, DONE)
    await store.write(lambda transaction: transaction.attempt_made(stale, Attempt(1.0, 1.0, 500), LATER))
    assert (await row(store, one)).state is DeliveryState.DELIVERED
    assert len(await store.read(lambda reader: reader.attempts(one))) == 2


async def test_order_within_a_recording(store: Store) -> None:
    """First attempts go one after the other; the last notice makes the earlier ones due at once, then goes itself."""
    of, other = recording(), recording()
    first = await add(store, of, 1)
    second = await add(store, of, 2, NoticeKind.PAUSED)
    alone = await add(store, other, 1)
    assert sorted(await due(store, 100.0)) == sorted([first, alone])
    await attempt(store, first, LATER)
    assert sorted(await due(store, 100.0)) == sorted([second, alone])
    await attempt(store, second, LATER)
    last = await add(store, of, 3, NoticeKind.COMPLETED)
    assert sorted(await due(store, 100.0)) == sorted([first, alone])
    await attempt(store, first, DONE)
    assert sorted(await due(store, 100.0)) == sorted([second, alone])
    await attempt(store, second, LATER)
    assert sorted(await due(store, 100.0)) == sorted([last, alone])
    await attempt(store, last, LATER)
    assert await due(store, 100.0) == [alone]
    assert sorted(await due(store, 500.0)) == sorted([second, last, alone])


async def test_order_holds_within_one_work(store: Store) -> None:
    """Notices that are stored together are attempted one after the other as well."""
    of = recording(state=State.COMPLETED)
    sent = [delivery(f"{ORIGIN}/x") for _ in range(3)]

    def work(transaction: Transaction) -> None:
        transaction.save_recording(of)
        for sequence, kind in ((1, NoticeKind.STARTED), (2, NoticeKind.PAUSED), (3, NoticeKind.COMPLETED)):
            transaction.add_notice(notice(of, sequence, kind), sent[sequence - 1 : sequence])

    await store.write(work)
    for one in sent:
        assert await due(store, 100.0) == [one.id]
        await attempt(store, one.id, DONE)


async def test_a_last_notice_that_nobody_asked_for_hurries_too(store: Store) -> None:
    """The earlier ones get their immediate attempt although no callback follows them."""
    of = recording()
    first = await add(store, of, 1)
    await attempt(store, first, LATER)
    await store.write(lambda transaction: transaction.add_notice(notice(of, 2, NoticeKind.FAILED), ()))
    assert await due(store, 100.0) == [first]


async def test_replay(store: Store, clock: Clock) -> None:
    """A dead or delivered one begins anew at once and keeps its history; one that waits its turn goes on waiting."""
    of = recording()
    first, second = await add(store, of, 1), await add(store, of, 2)
    assert await store.write(lambda transaction: transaction.replay("none")) is None
    waiting = await store.write(lambda transaction: transaction.replay(second))
    assert waiting is not None
    assert waiting.due_at is None
    await attempt(store, first, DEAD)
    clock.now = 200.0
    again = await store.write(lambda transaction: transaction.replay(first))
    assert again is not None
    assert (again.state, again.due_at, again.reason, again.finished_at) == (DeliveryState.PENDING, 200.0, None, None)
    assert (again.attempts, again.tries) == (1, 0)
    await attempt(store, first, LATER)
    assert ((await row(store, first)).attempts, (await row(store, first)).tries) == (2, 1)
    early = await store.write(lambda transaction: transaction.replay(first))
    assert early is not None
    assert early.due_at == 200.0


async def test_origins_with_something_due(store: Store) -> None:
    """Each origin is listed once, in order, when anything of it is due, however many rows another has."""
    for index in range(30):
        await add(store, recording(), 1, url=f"http://a.example:8{index % 3}/{index}")
    late = await add(store, recording(), 1, url="https://B.example/x")
    await attempt(store, late, LATER)
    waiting = recording()
    await add(store, waiting, 1, url="http://c.example/")
    await add(store, waiting, 2, url="http://d.example/")
    wanted = [f"http://a.example:8{port}" for port in range(3)] + ["http://c.example:80"]
    assert await store.read(lambda reader: reader.due_origins(100.0)) == wanted
    assert await store.read(lambda reader: reader.due_origins(99.0)) == []
    assert "https://b.example:443" in await store.read(lambda reader: reader.due_origins(500.0))
    some = await due(store, 100.0, "http://a.example:80")
    rest = await store.read(lambda reader: reader.due("http://a.example:80", 100.0, 99, set(some[:4])))
    assert [one.id for one in rest] == some[4:]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://Example.COM/a?b#c", "http://example.com:80"),
        ("HTTPS://u:p@example.com", "https://example.com:443"),
        ("http://[::1]:81/", "http://::1:81"),
        ("http://h:99999/", "invalid:"),
        ("http://[::1/", "invalid:"),
        ("nonsense", "://:0"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    """Scheme, host and port make the origin; what is no URL has one, too."""
    assert origin_of(url) == origin


async def test_the_backlog(store: Store, clock: Clock) -> None:
    """What has attempts ahead of it and what is dead are counted, what was delivered is neither."""
    assert await store.read(lambda reader: reader.backlog()) == (0, None, 0)
    of = recording()
    first = await add(store, of, 1)
    clock.now = 150.0
    second = await add(store, of, 2, NoticeKind.COMPLETED)
    assert await store.read(lambda reader: reader.backlog()) == (2, 100.0, 0)
    for identity, verdict, left in ((first, DEAD, (1, 150.0, 1)), (second, DONE, (0, None, 1))):
        sent = await row(store, identity)
        await store.write(partial(Transaction.attempt_made, row=sent, attempt=Attempt(1.0, 0.1), verdict=verdict))
        assert await store.read(lambda reader: reader.backlog()) == left
    await store.write(lambda transaction: transaction.replay(first))
    assert (await store.read(lambda reader: reader.backlog())).pending == 1
