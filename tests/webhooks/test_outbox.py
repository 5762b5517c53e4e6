"""The outbox worker, against receivers on loopback and a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any, TypeVar

import pytest

from controller.recordings.model import Delivery, NoticeKind, Recording, new_id
from controller.store import (
    Attempt,
    DeliveryState,
    Fetched,
    OutboxRow,
    OwnQueue,
    SharedQueue,
    Store,
    StoreFailed,
    StoreLedger,
    Transaction,
    Verdict,
    Wanted,
    open_store,
    statements,
)
from controller.store.tables import DAEMONS
from controller.web.guard import AddressGuard
from controller.webhooks import IDENTITY_HEADER, CallbackClient, Outbox, Timeouts, WebhookSettings
from controller.webhooks.events import DeliveryAttempted, DeliveryGivenUp, DeliverySucceeded, OutboxStalled
from tests.harness.receiver import Answer, Receiver
from tests.recordings.virtual import virtual
from tests.store.values import call, notice, recording

DEADLINE = 20.0
T = TypeVar("T")


@dataclass
class Bench:
    """A store, a client and an outbox over them, with the test's own clock and everything that was observed."""

    store: Store
    client: CallbackClient
    now: float = 1000.0
    told: list[object] = field(default_factory=list)
    told_more: asyncio.Event = field(default_factory=asyncio.Event)
    signed: list[tuple[str, float]] = field(default_factory=list)
    queue: OwnQueue = field(init=False)
    outbox: Outbox = field(init=False)
    running: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.queue = SharedQueue(self.store, daemon="us") if self.store.shared else OwnQueue(self.store)
        self.use()

    def use(self, settings: WebhookSettings | None = None, **changes: Any) -> None:
        parts: dict[str, Any] = {"client": self.client, "sign": self.sign, **changes}
        self.outbox = Outbox(
            self.queue,
            settings=settings or WebhookSettings(),
            observe=self.observe,
            clock=lambda: self.now,
            chance=lambda: 0.5,
            **parts,
        )

    def sign(self, delivery: Delivery, now: float) -> Mapping[str, str]:
        self.signed.append((delivery.url, now))
        return {"X-Signature": f"{len(self.signed)}"}

    def observe(self, event: object) -> None:
        self.told.append(event)
        self.told_more.set()

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.told if isinstance(event, kind)]

    async def until(self, kind: type[T], count: int = 1) -> list[T]:
        """Wait until telemetry was told so many of a kind."""
        try:
            async with asyncio.timeout(DEADLINE):
                while len(self.of(kind)) < count:
                    self.told_more.clear()
                    await self.told_more.wait()
        except TimeoutError:
            raise TimeoutError(f"{len(self.of(kind))} of {count} {kind.__name__}; last: {self.told[-3:]}") from None
        return self.of(kind)

    def start(self) -> None:
        self.running = asyncio.create_task(self.outbox.run())

    async def finish(self) -> None:
        self.outbox.stop()
        assert self.running is not None
        await asyncio.wait_for(self.running, DEADLINE)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.outbox.wake()

    async def add(
        self, *urls: str, of: Recording | None = None, kinds: Mapping[int, NoticeKind] | None = None
    ) -> list[str]:
        """Store one recording's notices, a delivery to each URL; the deliveries' ids."""
        owner = of or recording()
        sent = [Delivery(new_id(), "acme", "swml", "POST", url, (), b"body") for url in urls]
        ready = iter(sent)
        ledger = StoreLedger(self.store, lambda _: (next(ready),), self.outbox.wake, self.observe)
        known = len(await self.store.read(lambda reader: reader.notices_of(owner.id)))
        notices = [
            notice(owner, known + index, (kinds or {}).get(index, NoticeKind.STARTED))
            for index in range(1, len(urls) + 1)
        ]
        await ledger.commit([owner], notices)
        return [one.id for one in sent]

    async def row(self, identity: str) -> OutboxRow:
        found = await self.store.read(lambda reader: reader.delivery(identity))
        assert found is not None
        return found


def live(transaction: Transaction, daemon: str, until: float = 1e12) -> None:
    """Make a daemon known, as the keeper of leases does."""
    statements.upsert(transaction.connection, DAEMONS, [{"id": daemon, "expires_at": until}])


@asynccontextmanager
async def opened(place: str) -> AsyncIterator[Bench]:
    benches: list[Bench] = []
    store = await open_store(place, clock=lambda: benches[0].now)
    async with CallbackClient(AddressGuard([ip_network("127.0.0.0/8")])) as client:
        bench = Bench(store, client)
        benches.append(bench)
        await store.write(lambda transaction: live(transaction, "us"))
        yield bench
        if bench.running is not None:
            bench.running.cancel()
            with suppress(asyncio.CancelledError):
                await bench.running
    await store.close()


@pytest.fixture
async def bench(place: str) -> AsyncIterator[Bench]:
    async with opened(place) as made:
        yield made


async def test_a_commit_is_delivered(bench: Bench) -> None:
    """What a commit puts into the outbox goes out signed, with its id, and its attempt is kept."""
    async with Receiver() as receiver:
        bench.start()
        (one,) = await bench.add(receiver.url("/x?a=b#rc=2"))
        await bench.until(DeliverySucceeded)
        request = receiver.requests[0]
        assert (request.method, request.body, request.header("x-signature")) == ("POST", b"body", "1")
        assert request.header(IDENTITY_HEADER) == one
        assert bench.signed == [(receiver.url("/x?a=b"), 1000.0)]
        row = await bench.row(one)
        assert (row.state, row.attempts, row.finished_at) == (DeliveryState.DELIVERED, 1, 1000.0)
        kept = await bench.store.read(lambda reader: reader.attempts(one))
        assert [attempt.status for attempt in kept] == [200]
        told = bench.of(DeliveryAttempted)[0]
        assert (told.delivery, told.number, told.status, told.origin) == (one, 1, 200, receiver.url("").rstrip("/"))


async def test_failures_are_retried_on_schedule_and_signed_anew(bench: Bench) -> None:
    """Each retry comes when its time has come, not before, with the same id and a new signature; then it is dead."""
    async with Receiver() as receiver:
        receiver.plan("/x", 500)
        bench.use(WebhookSettings(max_attempts=3))
        bench.start()
        (one,) = await bench.add(receiver.url("/x"))
        await bench.until(DeliveryAttempted, 1)
        assert (await bench.row(one)).due_at == 1005.0
        bench.pass_time(4.9)
        (other,) = await bench.add(receiver.url("/other"))
        await bench.until(DeliverySucceeded)
        assert len(receiver.to("/x")) == 1
        bench.pass_time(0.2)
        await bench.until(DeliveryAttempted, 3)
        assert (await bench.row(one)).due_at == pytest.approx(1305.1)
        bench.pass_time(300)
        dead = await bench.until(DeliveryGivenUp)
        assert (dead[0].delivery, dead[0].attempts, dead[0].reason) == (
            one,
            3,
            "3 attempts, the last one: status 500",
        )
        requests = receiver.to("/x")
        assert {request.header(IDENTITY_HEADER) for request in requests} == {one}
        assert len({request.header("x-signature") for request in requests}) == 3
        given_up = await bench.store.read(lambda reader: reader.deliveries(DeliveryState.DEAD))
        assert [row.id for row in given_up] == [one]
        assert other != one


async def test_a_dead_one_can_be_replayed(bench: Bench) -> None:
    """A replay begins the schedule anew at once, under the same id; there is none of what does not exist."""
    async with Receiver() as receiver:
        receiver.plan("/x", 410, 200)
        bench.start()
        (one,) = await bench.add(receiver.url("/x"))
        await bench.until(DeliveryGivenUp)
        assert (await bench.row(one)).reason == "status 410: the receiver wants no more"
        row = await bench.outbox.replay(one)
        assert row is not None
        assert (row.state, row.tries) == (DeliveryState.PENDING, 0)
        await bench.until(DeliverySucceeded)
        assert [request.header(IDENTITY_HEADER) for request in receiver.requests] == [one, one]
        assert (await bench.row(one)).attempts == 2
        assert await bench.outbox.replay("none") is None


async def test_order_within_a_recording(bench: Bench) -> None:
    """The second's first attempt waits for the end of the first's, the last for one more try of those before it."""
    async with Receiver() as receiver:
        receiver.plan("/1", Answer(500, delay=0.05))
        receiver.plan("/2", Answer(500, delay=0.05))
        bench.start()
        owner = recording()
        await bench.add(receiver.url("/1"), receiver.url("/2"), of=owner)
        await bench.until(DeliveryAttempted, 2)
        assert [request.path for request in receiver.requests] == ["/1", "/2"]
        await bench.add(receiver.url("/3"), of=owner, kinds={1: NoticeKind.COMPLETED})
        await bench.until(DeliverySucceeded)
        assert [request.path for request in receiver.requests] == ["/1", "/2", "/1", "/2", "/3"]
        assert {row.due_at for row in await bench.store.read(lambda reader: reader.deliveries_of(owner.id))} == {
            None,
            1300.0,
        }


async def test_each_receiver_of_a_notice_for_itself(bench: Bench) -> None:
    """One that hangs holds up the other receiver of the same notice no more than a stranger; the next notice it does.

    And a message of a call does not wait for what is told of its recordings.
    """
    client = Scripted("dead.example")
    bench.use(client=client)
    made, runs = recording(), call()
    first = _to("http://dead.example/1"), _to("http://alive.example/1")
    second, said = _to("http://alive.example/2"), _to("http://alive.example/said")

    def work(transaction: Transaction) -> None:
        transaction.save_recording(made)
        transaction.save_call(runs)
        transaction.add_notice(notice(made, 1), first)
        transaction.add_notice(notice(made, 2), [second])
        transaction.add_message(runs, said)

    await bench.store.write(work)
    bench.start()
    told = await bench.until(DeliverySucceeded, 2)
    assert {(event.delivery, event.subject) for event in told} == {(first[1].id, made.id), (said.id, runs.id)}
    assert (await bench.row(second.id)).due_at is None
    client.let_go.set()
    await bench.until(DeliverySucceeded, 3)
    assert (await bench.row(second.id)).state is DeliveryState.DELIVERED
    assert (await bench.row(first[0].id)).due_at == 1005.0


async def test_a_vendors_rules_are_kept(bench: Bench) -> None:
    """Timeouts, success and what is retried are those of the delivery's dialect, as its URL wishes them."""
    patience: list[Timeouts] = []

    class Answering:
        async def send(self, delivery: Delivery, headers: Mapping[str, str], timeouts: Timeouts) -> Attempt:
            patience.append(timeouts)
            return Attempt(0.0, 0.0, 204)

    bench.use(client=Answering())
    bench.start()
    runs, urls = call(), ("http://a.example/", "http://a.example/#tt=50000", "http://a.example/#rc=1")
    sent = [replace(_to(url), dialect=dialect) for dialect in ("swml", "plivo") for url in urls]

    def work(transaction: Transaction) -> None:
        for one in sent:
            transaction.add_message(runs, one)

    await bench.store.write(work)
    bench.outbox.wake()
    await bench.until(DeliveryAttempted, 6)
    own, plivos = Timeouts(5.0, 15.0, 15.0), Timeouts(2.0, 40.0, 55.0)
    assert patience == [own, own, own, plivos, replace(plivos, total=50.0), plivos]
    assert [(await bench.row(one.id)).state for one in sent] == [
        *[DeliveryState.DELIVERED] * 3,
        *[DeliveryState.PENDING] * 2,
        DeliveryState.DEAD,
    ]


async def test_a_worker_that_was_killed_leaves_everything_due(place: str) -> None:
    """What was in flight when the worker was cancelled is attempted by the next one."""
    async with Receiver() as receiver:
        receiver.plan("/x", Answer(hang=True), Answer(200))
        async with opened(place) as bench:
            bench.start()
            (one,) = await bench.add(receiver.url("/x"))
            await receiver.wait("/x")
            assert bench.running is not None
            bench.running.cancel()
            await asyncio.wait({bench.running}, timeout=5)  # the attempt itself would hang for 15 s
            assert bench.running.cancelled()
        async with opened(place) as bench:
            assert (await bench.row(one)).attempts == 0
            bench.start()
            assert (await bench.until(DeliverySucceeded))[0].delivery == one


async def test_stopping_finishes_what_is_in_flight(bench: Bench) -> None:
    """A stop starts nothing more, waits for what is in flight, and its result is stored."""
    async with Receiver() as receiver:
        receiver.plan("/slow", Answer(200, delay=0.1))
        bench.use(WebhookSettings(per_origin=1))
        bench.start()
        (one,) = await bench.add(receiver.url("/slow"))
        (two,) = await bench.add(receiver.url("/slow"))
        await receiver.wait("/slow")
        await bench.finish()
        states = {(await bench.row(one)).state, (await bench.row(two)).state}
        assert states == {DeliveryState.DELIVERED, DeliveryState.PENDING}
        assert len(receiver.requests) == 1


class Scripted:
    """A client whose attempts hang for hosts of ``dead`` until let go, and succeed elsewhere; counts both."""

    def __init__(self, dead: str) -> None:
        self.dead = dead
        self.let_go = asyncio.Event()
        self.flying: dict[bool, int] = {True: 0, False: 0}
        self.most: dict[bool, int] = {True: 0, False: 0}
        self.failing: Exception | None = None

    async def send(self, delivery: Delivery, headers: Mapping[str, str], timeouts: Timeouts) -> Attempt:
        dead = self.dead in delivery.url
        self.flying[dead] += 1
        self.most[dead] = max(self.most[dead], self.flying[dead])
        if self.failing is not None:
            raise self.failing
        if dead:
            await self.let_go.wait()
        else:
            await asyncio.sleep(0)
        self.flying[dead] -= 1
        return Attempt(0.0, 0.0, None, "read_timeout", "") if dead else Attempt(0.0, 0.0, 200)


async def test_a_dead_receiver_starves_nobody(bench: Bench) -> None:
    """Thousands of rows for an origin that hangs hold up no other; caps hold, and memory stays bounded."""
    client = Scripted("dead.example")
    bench.use(WebhookSettings(per_origin=5, in_flight=20), client=client)
    ledger = StoreLedger(bench.store, lambda of: (_to(of.recording.path),), bench.outbox.wake, bench.observe)
    dead = [recording(path="http://dead.example/") for _ in range(3000)]
    await asyncio.gather(*(ledger.commit([one], [notice(one)]) for one in dead))
    alive = [recording(path=f"http://alive{index % 7}.example/") for index in range(300)]
    await asyncio.gather(*(ledger.commit([one], [notice(one)]) for one in alive))
    bench.start()
    await bench.until(DeliverySucceeded, 300)
    assert client.flying[True] == 5
    assert client.most[True] == 5
    assert client.most[False] <= 20
    assert len(bench.outbox._busy) <= 4 * 20 + 2 * 20
    client.let_go.set()
    await bench.until(DeliveryAttempted, 340)
    assert await bench.store.read(lambda reader: len(reader.attempts(alive[0].id))) == 0


async def test_a_full_origin_gives_its_queue_up_and_gets_it_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When memory runs short a hanging origin's queue makes room for others; its rows go out when it answers."""
    client = Scripted("dead")
    bench.use(WebhookSettings(per_origin=1, in_flight=2), client=client)
    for _ in range(20):
        await bench.add("http://dead.example/")
    bench.start()
    for index in range(20):
        await bench.add(f"http://alive{index}.example/")
    await bench.until(DeliverySucceeded, 20)
    async with asyncio.timeout(10):  # its last rows are fetched by a look that may still be under way
        while list(bench.outbox._turns) != ["http://dead.example:80"] or client.flying != {True: 1, False: 0}:
            await asyncio.sleep(0.01)
    with monkeypatch.context() as short:
        short.setattr("controller.webhooks.outbox._ROWS", 1)
        assert bench.outbox._room() == 2
    assert (bench.outbox._turns, len(bench.outbox._busy)) == ({}, 1)
    client.dead = "nobody"
    client.let_go.set()
    await bench.until(DeliverySucceeded, 39)
    await bench.finish()
    assert bench.outbox._turns == {}


async def test_many_dead_receivers_leave_room(bench: Bench) -> None:
    """Origins that have not answered for long get a quarter of their cap, and the whole again when they answer."""
    client = Scripted("dead")
    client.let_go.set()
    bench.use(WebhookSettings(per_origin=8, in_flight=16, max_attempts=1), client=client)
    ledger = StoreLedger(bench.store, lambda of: (_to(of.recording.path),), bench.outbox.wake, bench.observe)

    async def add(host: str, count: int) -> None:
        made = [recording(path=f"http://{host}/") for _ in range(count)]
        await asyncio.gather(*(ledger.commit([one], [notice(one)]) for one in made))

    bench.start()
    for host in ("dead1", "dead2"):
        await add(host, 8)
    await bench.until(DeliveryGivenUp, 16)
    client.let_go.clear()
    client.most[True] = 0
    for host in ("dead1", "dead2"):
        await add(host, 50)
    async with asyncio.timeout(DEADLINE):
        while client.flying[True] < 4:
            await asyncio.sleep(0.005)
    await add("alive", 40)
    await bench.until(DeliverySucceeded, 40)
    assert client.most[True] == 4
    client.dead = "nobody"
    client.let_go.set()
    await bench.until(DeliveryAttempted, 156)
    assert client.most[False] > 4


def _to(url: str) -> Delivery:
    return Delivery(new_id(), "acme", "swml", "POST", url, (), b"")


async def test_every_row_goes_out_once(bench: Bench) -> None:
    """However many looks into the store overlap with ending attempts, no delivery that succeeded is sent again."""
    async with Receiver() as receiver:
        bench.use(WebhookSettings(per_origin=7, in_flight=9))
        bench.start()
        ledger = StoreLedger(bench.store, lambda of: (_to(receiver.url("/x")),), bench.outbox.wake, bench.observe)
        made = [recording() for _ in range(600)]
        await asyncio.gather(*(ledger.commit([one], [notice(one), notice(one, 2)]) for one in made))
        await bench.until(DeliverySucceeded, 1200)
        await bench.finish()
        sent = [request.header(IDENTITY_HEADER) for request in receiver.requests]
        assert (len(sent), len(set(sent))) == (1200, 1200)
        counts = await bench.store.read(lambda reader: reader.counts())
        assert counts[DeliveryState.DELIVERED] == 1200
        assert bench.outbox._busy == set()
        assert bench.outbox._origins == {}


async def test_what_cannot_be_signed_waits(bench: Bench) -> None:
    """A signer that raises costs an attempt, says why, and reaches nobody."""

    def sign(delivery: Delivery, now: float) -> Mapping[str, str]:
        raise KeyError("no account acme")

    async with Receiver() as receiver:
        bench.use(sign=sign)
        bench.start()
        (one,) = await bench.add(receiver.url("/x"))
        await bench.until(DeliveryAttempted)
        kept = await bench.store.read(lambda reader: reader.attempts(one))
        assert [(attempt.error, attempt.detail) for attempt in kept] == [("unsigned", "KeyError: 'no account acme'")]
        assert (await bench.row(one)).due_at == 1005.0
        assert receiver.requests == []


async def test_a_client_that_raises_costs_an_attempt(bench: Bench) -> None:
    """A fault of ours neither loses the delivery nor stops the worker."""
    client = Scripted("dead")
    client.failing = RuntimeError("bug")
    bench.use(client=client)
    bench.start()
    (one,) = await bench.add("http://a.example/")
    await bench.until(DeliveryAttempted)
    kept = await bench.store.read(lambda reader: reader.attempts(one))
    assert [(attempt.error, attempt.detail) for attempt in kept] == [("internal", "RuntimeError: bug")]
    client.failing = None
    bench.pass_time(10)
    await bench.until(DeliverySucceeded)


async def test_a_refused_address_is_told(bench: Bench) -> None:
    """A private host is an attempt that says so, and is given up with that reason."""
    bench.use(WebhookSettings(max_attempts=1))
    bench.start()
    await bench.add("http://10.1.2.3/x")
    dead = (await bench.until(DeliveryGivenUp))[0]
    assert "refused: 10.1.2.3 is refused (private): webhooks.allow_networks" in dead.reason


async def test_an_attempt_that_cannot_be_stored_is_not_made_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store fails the delivery is held, not sent again; it is stored when the store is back."""
    monkeypatch.setattr("controller.webhooks.outbox._STALLED", (0.01,))
    async with Receiver() as receiver:
        added = [(await bench.add(receiver.url("/x")))[0] for _ in range(3)]
        real, failures = bench.store.write, iter(range(3))

        def write(work: Any) -> Any:
            if next(failures, None) is None:
                return real(work)
            raise StoreFailed("disk full")

        monkeypatch.setattr(bench.store, "write", write)
        bench.start()
        await bench.until(DeliverySucceeded, 3)
        await bench.finish()
        assert [event.error for event in bench.of(OutboxStalled)] == ["disk full"] * 3
        for one in added:
            assert (await bench.row(one)).state is DeliveryState.DELIVERED
        assert len(receiver.requests) == 3
        assert (bench.outbox._storing, bench.outbox._busy) == (0, set())


async def test_stopping_does_not_wait_for_a_store_that_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that cannot be stored is due again after a restart; the stop is not held up by it."""
    monkeypatch.setattr("controller.webhooks.outbox._STALLED", (0.01,))

    def write(_: Any) -> Any:
        raise StoreFailed("disk full")

    async with Receiver() as receiver:
        (one,) = await bench.add(receiver.url("/x"))
        monkeypatch.setattr(bench.store, "write", write)
        bench.start()
        await bench.until(OutboxStalled)
        await bench.finish()
        assert (await bench.row(one)).state is DeliveryState.PENDING


async def test_a_store_that_cannot_be_read_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker outlives a store that fails, and tells."""
    monkeypatch.setattr("controller.webhooks.outbox._STALLED", (0.01, 0.02))
    async with Receiver() as receiver:
        await bench.add(receiver.url("/x"))
        real, failures = bench.store.read, iter(range(3))

        async def read(work: Any) -> Any:
            if next(failures, None) is None:
                return await real(work)
            raise StoreFailed("gone")

        monkeypatch.setattr(bench.store, "read", read)
        bench.start()
        await bench.until(DeliverySucceeded)
        assert [event.delay for event in bench.of(OutboxStalled)] == [0.01, 0.02, 0.02]


async def test_it_sleeps_until_the_next_is_due(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any wake-up a retry goes out when its time has come."""
    monkeypatch.setattr("controller.webhooks.schedule.DELAYS", (0.0, 0.1))
    async with Receiver() as receiver:
        receiver.plan("/x", 500, 200)
        (one,) = await bench.add(receiver.url("/x"))
        bench.outbox = Outbox(bench.queue, bench.client, bench.sign, observe=bench.observe)
        bench.start()
        await bench.until(DeliverySucceeded)
        assert (await bench.row(one)).attempts == 2
        assert receiver.requests[1].at - receiver.requests[0].at >= 0.08


async def test_nobody_needs_to_observe(bench: Bench) -> None:
    """Without an observer the outbox works as well; a clock and a dice of its own are enough."""
    async with Receiver() as receiver:
        bench.outbox = Outbox(bench.queue, bench.client, bench.sign)
        bench.start()
        await bench.add(receiver.url("/x"))
        await receiver.wait("/x")
        await bench.finish()
        counts = await bench.store.read(lambda reader: reader.counts())
        assert counts[DeliveryState.DELIVERED] == 1


class Shelf:
    """A queue of rows to one receiver; it notes how many attempts were stored together, and when."""

    def __init__(self, count: int) -> None:
        url, origin = "http://127.0.0.1/status", "http://127.0.0.1:80"
        self.rows = [
            OutboxRow(delivery, delivery.id, 1, origin, DeliveryState.PENDING, 0.0, 0.0, 0, 0)
            for delivery in (Delivery(f"{number}", "acme", "swml", "POST", url, (), b"") for number in range(count))
        ]
        self.stored: list[tuple[float, int]] = []
        self.rest = 60.0

    async def fetch(self, now: float, wanted: Wanted) -> Fetched:
        rows, self.rows = self.rows, []
        return Fetched(rows, "", None)

    async def give_back(self, deliveries: Collection[str]) -> None:
        assert not deliveries

    async def leave(self) -> None:
        return

    async def replay(self, identity: str) -> OutboxRow | None:
        raise AssertionError(identity)

    async def attempted(self, ended: Sequence[tuple[OutboxRow, Attempt, Verdict]]) -> None:
        await asyncio.sleep(0.1)
        self.stored.append((asyncio.get_running_loop().time(), len(ended)))


class Prompt:
    """A client whose receivers answer at once."""

    async def send(self, *_: object) -> Attempt:
        return Attempt(0.0, 0.0, 200, None, "", b"", None)


@virtual
async def test_attempts_are_stored_together() -> None:
    """Half of those that may wait is stored at once, while the other half ends; a few wait a moment for others."""
    shelf, began = Shelf(105), asyncio.get_running_loop().time()
    outbox = Outbox(shelf, Prompt(), lambda *_: {})
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(1.0)
    outbox.stop()
    await running
    sizes = [size for _, size in shelf.stored]
    assert sum(sizes) == 105
    assert max(sizes) == 25
    assert [round(at - began, 2) for at, _ in shelf.stored][:2] == [0.1, 0.1]
    assert shelf.stored[-1][0] - began < 0.4
