"""Several daemons drain one outbox: processes of their own, on one PostgreSQL."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from controller.recordings.model import Delivery, NoticeKind, new_id
from controller.store import (
    Attempt,
    DeliveryState,
    OutboxRow,
    OutcomeUnknown,
    Reader,
    SharedQueue,
    Store,
    Transaction,
    Verdict,
    Wanted,
    open_store,
)
from controller.webhooks import IDENTITY_HEADER
from tests.harness.postgres import PostgresServer
from tests.harness.receiver import Receiver
from tests.store.values import notice, recording
from tests.webhooks.test_outbox import live

DEADLINE = 60.0

DAEMON = """
import asyncio, sys, time
from ipaddress import ip_network
from controller.store import SharedQueue, open_store
from controller.web.guard import AddressGuard
from controller.webhooks import CallbackClient, Outbox, WebhookSettings
from tests.webhooks.test_outbox import live

async def main(url, daemon, lasts):
    store = await open_store(url)
    def lives(transaction):
        live(transaction, daemon, time.time() + float(lasts))
    async def known():
        while True:
            await asyncio.sleep(0.3)
            await store.write(lives)
    await store.write(lives)
    known = asyncio.create_task(known())
    async with CallbackClient(AddressGuard([ip_network("127.0.0.0/8")])) as client:
        outbox = Outbox(SharedQueue(store, daemon=daemon), client, lambda *_: {"x-daemon": daemon}, WebhookSettings())
        running = asyncio.create_task(outbox.run())
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        outbox.stop()
        await running
    known.cancel()
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def daemons(url: str, *names: str, lasts: float) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Run daemons that do nothing but deliver; at the end each finishes what it has in flight, in order.

    ``lasts`` are the seconds for which the others believe that one lives of which they hear no more.
    """
    running = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", DAEMON, url, name, str(lasts)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for name in names
    ]
    try:
        for each in running:
            assert each.stdout is not None
            assert await asyncio.wait_for(each.stdout.readline(), DEADLINE) == b"ready\n"
        yield running
        for each in running:
            if each.returncode is None:
                assert each.stdin is not None
                each.stdin.close()
                assert await asyncio.wait_for(each.wait(), DEADLINE) == 0
    finally:
        for each in running:
            if each.returncode is None:
                each.kill()
                await each.wait()


async def told(store: Store, receiver: Receiver, recordings: int, notices: int) -> dict[str, list[str]]:
    """Store recordings with their notices, from two origins; the ids of the deliveries of each, in their order."""
    expected: dict[str, list[str]] = {}

    def work(transaction: Transaction) -> None:
        made = recording()
        transaction.save_recording(made)
        expected[made.id] = []
        for sequence in range(1, notices + 1):
            kind = NoticeKind.COMPLETED if sequence == notices else NoticeKind.STARTED
            url = receiver.url(f"/{made.id}")
            sent = Delivery(new_id(), "acme", "swml", "POST", url, (), b"body")
            transaction.add_notice(notice(made, sequence, kind), (sent,))
            expected[made.id].append(sent.id)

    await asyncio.gather(*(store.write(work) for _ in range(recordings)))
    return expected


async def until_delivered(store: Store, count: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while (await store.read(lambda reader: reader.counts()))[DeliveryState.DELIVERED] < count:
            await asyncio.sleep(0.1)


def received(receiver: Receiver) -> list[tuple[str, str]]:
    """Return the path and delivery of each request, in the order of their coming."""
    return [(request.path.removeprefix("/"), request.header(IDENTITY_HEADER) or "") for request in receiver.requests]


async def test_each_is_delivered_once_and_in_order(postgres_url: str) -> None:
    """By two daemons together: thousands of notices, none twice, none before its elder; both had their share."""
    store = await open_store(postgres_url)
    async with Receiver() as receiver:
        async with daemons(postgres_url, "one", "two", lasts=60.0):
            expected = await told(store, receiver, 700, 3)
            await until_delivered(store, 2100)
        assert Counter(identity for _, identity in received(receiver)).most_common(1)[0][1] == 1
        came: dict[str, list[str]] = {subject: [] for subject in expected}
        for subject, identity in received(receiver):
            came[subject].append(identity)
        assert came == expected
        assert {request.header("x-daemon") for request in receiver.requests} == {"one", "two"}
    await store.close()


async def test_what_a_killed_daemon_had_is_delivered_by_the_other(postgres_url: str) -> None:
    """Nothing is lost; only what was in flight at the kill may come twice; no first attempt overtakes another."""
    store = await open_store(postgres_url)
    async with Receiver() as receiver:
        async with daemons(postgres_url, "one", "two", lasts=4.0) as (one, _two):
            expected = await told(store, receiver, 500, 3)
            await receiver.wait(lambda _: True, 300, timeout=DEADLINE)
            one.send_signal(signal.SIGKILL)
            await one.wait()
            await until_delivered(store, 1500)
        first: dict[str, list[str]] = {subject: [] for subject in expected}
        for subject, identity in received(receiver):
            if identity not in first[subject]:
                first[subject].append(identity)
        assert first == expected
        twice = [name for name, times in Counter(identity for _, identity in received(receiver)).items() if times > 1]
        assert len(twice) <= 50 + 20  # sent and not stored, and being sent to one receiver
    await store.close()


# --- whose a delivery is ------------------------------------------------------------------------------------------

ALL = Wanted(room=99, origins={}, others=99, busy=frozenset(), last="")


@pytest.fixture
async def shared(postgres_url: str) -> AsyncIterator[Store]:
    store = await open_store(postgres_url, clock=lambda: 100.0)
    for name in ("one", "two"):
        await store.write(partial(live, daemon=name, until=1e12))
    yield store
    await store.close()


async def put(store: Store, *urls: str) -> list[str]:
    """Store a delivery to each, of a recording of its own; their ids."""
    sent = [Delivery(new_id(), "acme", "swml", "POST", url, (), b"") for url in urls]

    def work(transaction: Transaction) -> None:
        for one in sent:
            made = recording()
            transaction.save_recording(made)
            transaction.add_notice(notice(made), (one,))

    await store.write(work)
    return [one.id for one in sent]


def ids(rows: Sequence[OutboxRow]) -> set[str]:
    return {row.id for row in rows}


async def test_what_one_has_claimed_the_other_leaves(shared: Store) -> None:
    """Until it is given back, or an attempt was stored and the next is due."""
    one, two = SharedQueue(shared, daemon="one"), SharedQueue(shared, daemon="two")
    sent = await put(shared, *["http://a/x"] * 5)
    first = await one.fetch(100.0, Wanted(2, {}, 99, frozenset(), ""))
    assert len(first.rows) == 2
    second = await two.fetch(100.0, ALL)
    assert ids(first.rows) | ids(second.rows) == set(sent)
    assert len(second.rows) == 3
    assert (await one.fetch(100.0, ALL)).rows == ()
    await one.give_back([first.rows[0].id])
    assert ids((await two.fetch(100.0, ALL)).rows) == {first.rows[0].id}
    again = Verdict(DeliveryState.PENDING, 200.0)
    await one.attempted([(first.rows[1], Attempt(0.0, 0.0, 500), again)])
    assert (await two.fetch(199.0, ALL)).next_due == 200.0
    assert ids((await two.fetch(200.0, ALL)).rows) == {first.rows[1].id}


async def test_nobody_gives_back_what_is_anothers(shared: Store) -> None:
    """Who comes too late takes nothing from the one who has it now."""
    one, two = SharedQueue(shared, daemon="one"), SharedQueue(shared, daemon="two")
    (sent,) = await put(shared, "http://a/x")
    await two.fetch(100.0, ALL)
    await one.give_back([sent])
    await one.leave()
    assert (await one.fetch(100.0, ALL)).rows == ()


@pytest.mark.parametrize("how", ["expired", "gone"])
async def test_the_claims_of_a_daemon_that_is_no_more_are_void(shared: Store, how: str) -> None:
    """Whoever looks next frees them; those of the living stay."""
    one, two = SharedQueue(shared, daemon="one"), SharedQueue(shared, daemon="three")
    await shared.write(partial(live, daemon="three", until=1e12))
    lost, kept = await put(shared, "http://a/x"), await SharedQueue(shared, daemon="two").fetch(100.0, ALL)
    assert ids(kept.rows) == set(lost)
    (mine,) = await put(shared, "http://b/x")
    assert ids((await one.fetch(100.0, ALL)).rows) == {mine}
    if how == "expired":
        await shared.write(partial(live, daemon="two", until=5.0))
    else:
        await shared.write(
            lambda transaction: (
                transaction.connection.exec_driver_sql("DELETE FROM daemons WHERE id = 'two'") and None
            )
        )
    freed = await two.fetch(100.0, ALL)
    assert (freed.rows, freed.next_due) == ((), 100.0)  # look again at once
    assert ids((await two.fetch(100.0, ALL)).rows) == set(lost)


async def test_what_was_claimed_unawares_is_given_back(shared: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim whose commit seemed to fail holds up nothing: at the next look all goes back that is not in hand."""
    one = SharedQueue(shared, daemon="one")
    held = await put(shared, "http://a/x")
    await one.fetch(100.0, ALL)
    unknown = await put(shared, "http://b/x")
    claims = shared.aside

    async def unanswered(work: Callable[[Transaction], Any]) -> None:
        await claims(work)
        raise OutcomeUnknown("the connection broke")

    with monkeypatch.context() as broken:
        broken.setattr(shared, "aside", unanswered)
        with pytest.raises(OutcomeUnknown):
            await one.fetch(100.0, ALL)
    assert (await SharedQueue(shared, daemon="two").fetch(100.0, ALL)).rows == ()
    assert ids((await one.fetch(100.0, Wanted(9, {}, 9, frozenset(held), ""))).rows) == set(unknown)


async def test_what_is_given_back_is_so_after_a_crash_of_the_server() -> None:
    """It undoes what was not synced: a claim that came back would be nobody's to deliver while its daemon lives."""
    server = PostgresServer.find(durable=True)
    assert server is not None
    try:
        await asyncio.to_thread(server.start)
        await server.executed("ALTER SYSTEM SET wal_writer_delay = '10s'")  # nothing is synced meanwhile
        await server.executed("SELECT pg_reload_conf()")
        store = await open_store(server.url(), clock=lambda: 100.0)
        one, two = (SharedQueue(store, daemon=name) for name in ("one", "two"))
        for name in ("one", "two"):
            await store.write(partial(live, daemon=name, until=1e12))
        sent = await put(store, "http://a/x")
        assert ids((await one.fetch(100.0, ALL)).rows) == set(sent)
        await server.executed("CHECKPOINT")
        await one.give_back(sent)
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        await asyncio.to_thread(server.start)
        assert ids((await two.fetch(100.0, ALL)).rows) == set(sent)
        await store.close()
    finally:
        server.remove()


async def test_origins_take_turns_over_daemons(shared: Store) -> None:
    """Of each origin no more than is wanted, beginning after the one that was last."""
    one = SharedQueue(shared, daemon="one")
    await put(shared, *["http://a/x", "http://b/x", "http://c/x"] * 3)
    fetched = await one.fetch(100.0, Wanted(4, {"http://b:80": (0, 1)}, 2, frozenset(), "http://a:80"))
    assert [row.origin for row in fetched.rows] == ["http://b:80", "http://c:80", "http://c:80", "http://a:80"]
    assert fetched.last == "http://a:80"


async def test_looking_in_vain_writes_nothing(shared: Store) -> None:
    """A daemon that polls costs reads alone."""
    one = SharedQueue(shared, daemon="one")
    await put(shared, "http://a/x")
    await SharedQueue(shared, daemon="two").fetch(100.0, ALL)

    def number(reader: Reader) -> object:
        return reader.connection.exec_driver_sql("SELECT pg_snapshot_xmax(pg_current_snapshot())").scalar()

    before = await shared.read(number)
    for _ in range(5):
        assert (await one.fetch(100.0, ALL)).rows == ()
    assert await shared.read(number) == before
