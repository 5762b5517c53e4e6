"""The rows of leases on PostgreSQL, and the fence that they are for what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import func, select, text

from controller.documents.call import CallState
from controller.recordings.model import NoticeKind, State
from controller.store import Store, StoreLedger, open_store
from controller.store.calls import StoreCalls
from controller.store.leases import DEADLINE, LeaseRows
from controller.store.postgres import PostgresDatabase
from controller.store.reader import Reader
from controller.store.tables import CALLS, DELIVERIES, NOTICES, RECORDINGS
from controller.store.transaction import Transaction
from controller.store.values import LeaseLost, StoreFailed
from tests.harness.postgres import PostgresServer
from tests.store.conftest import Told
from tests.store.values import call, delivery, notice, recording

Rows = Callable[..., LeaseRows]


async def take(daemon: LeaseRows, switch: str, epoch: int) -> int | None:
    """Take a lease as it stands now, if it does at that epoch."""
    standing = (await daemon.look([switch])).leases[switch]
    return await daemon.take(switch, standing) if standing.epoch == epoch else None


async def holders(daemon: LeaseRows) -> dict[str, str | None]:
    """Who has which lease."""
    return {switch: standing.holder for switch, standing in (await daemon.look([])).leases.items()}


@pytest.fixture
async def store(postgres_url: str, told: Told) -> AsyncIterator[Store]:
    opened = await open_store(postgres_url, observe=told.append, patience=0.5)
    yield opened
    await opened.close()


@pytest.fixture
async def rows(store: Store, postgres_url: str) -> AsyncIterator[Rows]:
    """Makes the rows as a daemon sees them."""
    made: list[LeaseRows] = []

    def of(daemon: str, lasts: float = 30.0) -> LeaseRows:
        made.append(LeaseRows(PostgresDatabase(postgres_url), daemon, lasts))
        return made[-1]

    yield of
    for one in made:
        await one.close()


# --- rows -----------------------------------------------------------------------------------------------------------


async def test_a_lease_is_taken_once(rows: Rows) -> None:
    """Of all that saw it alike one has it, with the next epoch; the others see whose it is."""
    daemons = [rows(f"d{number}") for number in range(8)]
    sight = await daemons[0].look(["fs1"])
    seen = sight.leases["fs1"]
    assert (seen.holder, seen.epoch, list(sight.valid), sight.daemons) == (None, 0, [], 0)
    taken = await asyncio.gather(*(daemon.take("fs1", seen) for daemon in daemons))
    assert sorted(taken, key=str) == [1, *[None] * 7]
    sight = await daemons[0].look(["fs2"])
    assert (sight.leases["fs1"].holder, sight.leases["fs1"].epoch) == (f"d{taken.index(1)}", 1)
    assert set(sight.valid) == {"fs1"}
    assert 25 < sight.leases["fs1"].expires_at - seen.expires_at < 60


async def test_a_lease_is_renewed_while_it_is_held(rows: Rows) -> None:
    """By its holder, at its epoch, and for so long; who asks for one that isn't its own is told so."""
    one, other = rows("one"), rows("other")
    await one.look(["fs1", "fs2"])
    assert (await take(one, "fs1", 0), await take(other, "fs2", 0)) == (1, 1)
    assert set(await one.renew({"fs1": 1, "fs2": 1, "fs3": 1})) == {"fs1"}
    assert set(await one.renew({"fs1": 2})) == set()
    await other.renew({})
    assert (await one.look([])).daemons == 2


async def test_a_lease_that_was_renewed_is_not_as_it_was_seen(rows: Rows) -> None:
    """Who saw it before does not have it; once it is another's its former holder cannot renew it."""
    brief, other = rows("brief", 0.4), rows("other")
    await brief.look(["fs1"])
    await brief.renew({})
    assert await take(brief, "fs1", 0) == 1
    seen = (await other.look(["fs1"])).leases["fs1"]
    assert await brief.renew({"fs1": 1}) == {"fs1"}
    assert await other.take("fs1", seen) is None
    async with asyncio.timeout(10):
        while (await other.look(["fs1"])).valid:
            await asyncio.sleep(0.02)
    assert await take(other, "fs1", 1) == 2
    assert await brief.renew({"fs1": 1}) == set()
    assert (await other.look([])).daemons == 1


async def test_a_lease_is_given_back(rows: Rows) -> None:
    """By its holder alone; a holder that leaves gives back all, and is known no more."""
    one, other = rows("one"), rows("other")
    await one.renew({})
    await one.look(["fs1", "fs2", "fs3"])
    for switch in ("fs1", "fs2", "fs3"):
        assert await take(one, switch, 0) == 1
    await other.give_back({"fs1": 1})
    assert (await holders(one)) == {"fs1": "one", "fs2": "one", "fs3": "one"}
    await one.give_back({"fs1": 1, "fs2": 7})
    assert (await holders(one)) == {"fs1": None, "fs2": "one", "fs3": "one"}
    assert await take(other, "fs1", 1) == 2
    await one.give_back_all()
    assert (await holders(one)) == {"fs1": "other", "fs2": None, "fs3": None}
    assert (await other.look([])).daemons == 1
    await one.leave()
    assert (await other.look([])).daemons == 0


async def test_its_own_lease_is_had_anew(rows: Rows) -> None:
    """A taking whose answer was lost: the row says that it is this daemon's, which takes it with the next epoch."""
    one = rows("one")
    await one.look(["fs1"])
    assert await take(one, "fs1", 0) == 1
    assert await take(one, "fs1", 1) == 2


async def test_a_server_that_does_not_answer(postgres: PostgresServer, postgres_url: str, rows: Rows) -> None:
    """Each question has its time, and the next one a connection of its own."""
    one = rows("one")
    await one.look(["fs1"])
    async with asyncio.timeout(20):
        blocked = await PostgresDatabase(postgres_url).connect()
        try:
            async with blocked.transaction():
                await blocked.execute("LOCK TABLE leases, daemons IN ACCESS EXCLUSIVE MODE")
                began = asyncio.get_running_loop().time()
                with pytest.raises(StoreFailed, match="no answer within 2 s"):
                    await one.renew({})
                assert asyncio.get_running_loop().time() - began < DEADLINE + 1
        finally:
            await blocked.close()
        assert await take(one, "fs1", 0) == 1
    nowhere = LeaseRows(PostgresDatabase(postgres.url(port=1).replace("postgres@", "who:secret@")), "one", 30.0)
    with pytest.raises(StoreFailed, match=r"store postgresql://who@127\.0\.0\.1:1/postgres: ") as failed:
        await nowhere.renew({})
    assert "secret" not in str(failed.value)


# --- the fence ------------------------------------------------------------------------------------------------------


@dataclass
class Held:
    """`store.fence.Fence`."""

    daemon: str
    epochs: dict[str, int]
    told: list[tuple[str, int]] = field(default_factory=list)

    def lost(self, switch: str, epoch: int) -> None:
        self.told.append((switch, epoch))


def saves(identity: str, switch: str = "fs1") -> Callable[[Transaction], None]:
    return lambda transaction: transaction.save_recording(replace(recording(switch=switch), id=identity))


async def stored(store: Store, *identities: str) -> list[bool]:
    found = await store.read(lambda reader: [reader.recording(identity) for identity in identities])
    return [row is not None for row in found]


async def test_what_is_held_is_stored(store: Store, rows: Rows) -> None:
    """In one group with what is not: that alone is refused, nothing of it is stored, and the fence told."""
    one, other = rows("one"), rows("other")
    await one.look(["fs1", "fs2", "fs3"])
    assert [await take(one, "fs1", 0), await take(other, "fs2", 0), await take(one, "fs3", 0)] == [1] * 3
    store.fence = held = Held("one", {"fs1": 1, "fs2": 1, "fs3": 9})
    works = [("a", "fs1"), ("b", "fs2"), ("c", "fs3"), ("d", "fs1"), ("e", "fs4")]
    results = await asyncio.gather(
        *(store.write(saves(name, switch), about=(switch,)) for name, switch in works), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), LeaseLost, LeaseLost, type(None), LeaseLost]
    assert await stored(store, *"abcde") == [True, False, False, True, False]
    assert held.told == [("fs2", 1), ("fs3", 9)]
    assert "switch fs2" in str(results[1])


def _rows_in_all(reader: Reader) -> int:
    tables = (RECORDINGS, CALLS, NOTICES, DELIVERIES)
    return sum(reader.connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


RUNNING = recording(state=State.RECORDING)
OVER = recording(state=State.COMPLETED, finished_at=1002.0)
CALL = call()
WRITERS: dict[str, Callable[[StoreLedger, StoreCalls], Awaitable[object]]] = {
    "a start": lambda ledger, calls: ledger.commit((recording(),), along=calls.along(CALL)),
    "a change": lambda ledger, _: ledger.commit((RUNNING,)),
    "a notice": lambda ledger, _: ledger.commit((RUNNING,), (notice(RUNNING),)),
    "an end": lambda ledger, _: ledger.commit((OVER,), (notice(OVER, kind=NoticeKind.COMPLETED),)),
    "a call": lambda _, calls: calls.save(CALL),
    "a call's end": lambda _, calls: calls.save(replace(CALL, state=CallState.ENDED), (delivery(),)),
}


@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.parametrize("here", [True, False], ids=["was held", "never held"])
async def test_who_writes_about_a_switch_is_fenced(store: Store, rows: Rows, what: str, here: bool) -> None:
    """Everything that rooms store of calls and recordings: of a switch that another holds nothing of it is stored."""
    one, other = rows("one"), rows("other")
    await one.look(["fs1"])
    assert (await take(one, "fs1", 0), await take(other, "fs1", 1)) == (1, 2)
    store.fence = Held("one", {"fs1": 1} if here else {})
    ledger = StoreLedger(store, lambda _: (delivery(),), lambda: None, lambda _: None)
    with pytest.raises(LeaseLost):
        await WRITERS[what](ledger, StoreCalls(store, lambda: None))
    assert await store.read(_rows_in_all) == 0
    store.fence = Held("other", {"fs1": 2})
    await WRITERS[what](ledger, StoreCalls(store, lambda: None))


async def test_what_is_over_and_told_of_needs_no_lease(store: Store) -> None:
    """Whoever deletes it may hold nothing."""
    store.fence = Held("one", {})
    ledger = StoreLedger(store, lambda _: (), lambda: None, lambda _: None)
    await ledger.commit((replace(OVER, deleted_at=2000.0),))
    assert await stored(store, OVER.id) == [True]


async def test_what_is_about_no_switch_is_not_fenced(store: Store, rows: Rows) -> None:
    """An attempt, a transcription, a deletion: nobody need hold anything. Neither where there is no fence."""
    await store.write(saves("a"), about=("fs1",))
    store.fence = Held("one", {})
    await store.write(saves("b"))
    assert await stored(store, *"ab") == [True, True]


async def test_a_write_claims_what_was_held_when_it_was_enqueued(store: Store, rows: Rows) -> None:
    """One that waited while the lease was lost and had again is of the former time: it is refused."""
    one = rows("one")
    await one.look(["fs1"])
    assert await take(one, "fs1", 0) == 1
    store.fence = held = Held("one", {"fs1": 1})
    late = store.write(saves("late"), about=("fs1",))  # not handed to the writer before the loop's next turn
    held.epochs = {"fs1": 3}
    await late
    assert await take(one, "fs1", 1) == 2
    held.epochs = {"fs1": 1}
    late = store.write(saves("later"), about=("fs1",))
    held.epochs = {"fs1": 2}
    with pytest.raises(LeaseLost):
        await late
    await store.write(saves("latest"), about=("fs1",))
    assert await stored(store, "late", "later", "latest") == [True, False, True]


async def test_taking_waits_for_what_the_holder_stores(store: Store, rows: Rows) -> None:
    """A transaction that has looked keeps its leases, renewing does not wait: no row comes after a taking."""
    one, other = rows("one", 0.5), rows("other")
    await one.look(["fs1"])
    assert await take(one, "fs1", 0) == 1
    store.fence = Held("one", {"fs1": 1})

    def slowly(transaction: Transaction) -> None:
        saves("slow")(transaction)
        transaction.connection.execute(text("SELECT pg_sleep(1.2)"))

    storing = store.write(slowly, about=("fs1",))
    await asyncio.sleep(0.3)
    assert await one.renew({"fs1": 1}) == {"fs1"}
    assert not storing.done()
    async with asyncio.timeout(10):
        while await take(other, "fs1", 1) is None:
            await asyncio.sleep(0.02)
    assert await stored(store, "slow") == [True]
    await storing
    with pytest.raises(LeaseLost):
        await store.write(saves("never"), about=("fs1",))
    assert await stored(store, "slow", "never") == [True, False]
