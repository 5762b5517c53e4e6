"""The rows of commands: who may take one, once; when it is void; what is asked when nobody is there."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import select, text

from controller.recordings.ports import LedgerFailed
from controller.store import Store, Transaction, open_store
from controller.store.bell import BellLost, listen
from controller.store.commands import CHANNEL, StoreCommands, still_wanted
from controller.store.postgres import PostgresDatabase
from controller.store.statements import database_now
from controller.store.tables import COMMANDS
from tests.cluster.leases import hold
from tests.store.conftest import postgres_only

END_LISTENING = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")


async def rows(store: Store) -> list[Any]:
    return await store.read(lambda reader: list(reader.connection.execute(select(COMMANDS))))


async def expire(store: Store, seconds: float) -> None:
    """Let so many seconds pass for all commands."""
    passed = text("UPDATE commands SET deadline = deadline - :seconds, asked_at = asked_at - :seconds")
    await store.write(lambda transaction: transaction.connection.execute(passed, {"seconds": seconds}) and None)


async def test_the_databases_clock(store: Store) -> None:
    """It counts Unix seconds."""
    import time

    now = await store.read(lambda reader: reader.connection.execute(select(database_now())).scalar_one())
    assert abs(now - time.time()) < 60


async def test_one_is_asked_taken_and_answered(store: Store) -> None:
    """The holder gets it, once, and the asker its answer."""
    await hold(store, "fs1", "b")
    asker, holder, other = (StoreCommands(store, name) for name in "abc")
    assert await asker.holders() == {"fs1": "b"}
    identity = await asker.ask("fs1", "stop", '{"a":"\\u0000"}', 5.0)
    assert identity is not None
    assert not await other.asked()
    assert await other.take(9) == []
    assert await holder.asked()
    (taken,) = await holder.take(9)
    assert (taken.id, taken.switch, taken.verb, taken.data) == (identity, "fs1", "stop", '{"a":"\\u0000"}')
    assert 0 <= taken.age < 5
    assert not await holder.asked()
    assert await holder.take(9) == []
    assert await asker.answers([identity]) == {}
    assert not await other.answer(identity, "lies")
    assert await holder.answer(identity, "done")
    assert await asker.answers([identity, "unknown"]) == {identity: "done"}
    assert await asker.answers([]) == {}


async def test_the_oldest_first_and_no_more_than_asked_for(store: Store) -> None:
    """What is left waits."""
    await hold(store, "fs1", "b")
    asker, holder = StoreCommands(store, "a"), StoreCommands(store, "b")
    asked = []
    for _ in range(3):
        asked.append(await asker.ask("fs1", "stop", "{}", 5.0))
        await expire(store, 0.1)
    assert [one.id for one in await holder.take(2)] == asked[:2]
    assert [one.id for one in await holder.take(2)] == asked[2:]


@pytest.mark.parametrize(("holder", "seconds"), [(None, 60.0), ("b", -0.001)])
async def test_nobody_holds_it(store: Store, holder: str | None, seconds: float) -> None:
    """Nothing is asked, so that nothing is waited for: no lease, none that is held, one that is over."""
    asker = StoreCommands(store, "a")
    assert await asker.ask("fs1", "stop", "{}", 5.0) is None
    await hold(store, "fs1", holder, seconds)
    assert await asker.ask("fs1", "stop", "{}", 5.0) is None
    assert await asker.holders() == {}
    assert await rows(store) == []


async def test_whose_lease_is_over(store: Store) -> None:
    """It takes nothing any more, and who holds the switch now takes it."""
    await hold(store, "fs1", "b")
    asker, former, latter = (StoreCommands(store, name) for name in "abc")
    identity = await asker.ask("fs1", "stop", "{}", 5.0)
    await hold(store, "fs1", "b", -0.001)
    assert not await former.asked()
    assert await former.take(9) == []
    await hold(store, "fs1", "c")
    assert await former.take(9) == []
    assert [one.id for one in await latter.take(9)] == [identity]


async def test_past_its_deadline(store: Store) -> None:
    """Nobody takes it, and it is removed in the end."""
    await hold(store, "fs1", "b")
    asker, holder = StoreCommands(store, "a"), StoreCommands(store, "b")
    await asker.ask("fs1", "stop", "{}", 5.0)
    await expire(store, 5.0)
    assert not await holder.asked()
    assert await holder.take(9) == []
    assert await holder.clear(60.0) == 0
    await expire(store, 60.0)
    assert await holder.clear(60.0) == 1
    assert await rows(store) == []


async def test_one_is_taken_back(store: Store) -> None:
    """Before it is begun, or before it is answered; then nothing of it becomes durable any more."""
    await hold(store, "fs1", "b")
    asker, holder = StoreCommands(store, "a"), StoreCommands(store, "b")
    first = await asker.ask("fs1", "stop", "{}", 5.0)
    assert first is not None
    assert await asker.take_back(first, begun=False)
    assert await holder.take(9) == []
    second = await asker.ask("fs1", "start", "{}", 5.0)
    assert second is not None
    await holder.take(9)
    assert not await asker.take_back(second, begun=False)
    await store.write(lambda transaction: still_wanted(transaction, second))
    assert await asker.take_back(second, begun=True)
    with pytest.raises(LedgerFailed, match="waits no more"):
        await store.write(lambda transaction: still_wanted(transaction, second))
    assert not await holder.answer(second, "done")
    third = await asker.ask("fs1", "stop", "{}", 5.0)
    assert third is not None
    await holder.take(9)
    await holder.answer(third, "done")
    assert not await asker.take_back(third, begun=True)
    assert await asker.answers([third]) == {third: "done"}


@postgres_only
async def test_taking_back_waits_for_what_becomes_durable(place: str, store: Store) -> None:
    """Either it is durable when it was taken back, or it never is: there is no time between."""
    await hold(store, "fs1", "b")
    asker = StoreCommands(store, "a")
    other = await open_store(place)
    holder = StoreCommands(other, "b")
    identity = await asker.ask("fs1", "start", "{}", 5.0)
    assert identity is not None
    await holder.take(1)
    looked, go = threading.Event(), threading.Event()

    def work(transaction: Transaction) -> None:
        still_wanted(transaction, identity)
        looked.set()
        go.wait(10)

    storing = other.write(work)
    await asyncio.to_thread(looked.wait, 10)
    taking = asyncio.ensure_future(asker.take_back(identity, begun=True))
    _, waiting = await asyncio.wait((taking,), timeout=0.1)
    assert waiting
    go.set()
    await storing
    assert await taking
    await other.close()


@postgres_only
async def test_the_database_tells_whom_it_concerns(place: str, store: Store) -> None:
    """The holder of what is asked, the asker of what is answered; and again after its connection was lost."""
    told: asyncio.Queue[str] = asyncio.Queue()
    lost: list[object] = []
    hearing = asyncio.ensure_future(
        listen(PostgresDatabase(place).connect, CHANNEL, told.put_nowait, observe=lost.append)
    )
    asker, holder = StoreCommands(store, "a"), StoreCommands(store, "b")
    await hold(store, "fs1", "b")
    for _ in range(2):
        assert await asyncio.wait_for(told.get(), 10) == ""
        identity = await asker.ask("fs1", "stop", "{}", 5.0)
        assert identity is not None
        assert await asyncio.wait_for(told.get(), 10) == "b"
        await holder.take(1)
        await holder.answer(identity, "done")
        assert await asyncio.wait_for(told.get(), 10) == "a"
        await store.write(lambda transaction: transaction.connection.execute(END_LISTENING) and None)
    async with asyncio.timeout(10):
        while not lost:
            await asyncio.sleep(0.01)
    assert isinstance(lost[0], BellLost)
    hearing.cancel()
    await asyncio.wait((hearing,))


async def test_a_database_that_is_away_is_asked_again(unused_tcp_port: int) -> None:
    """Until it is there; whoever listens goes on by looking."""
    lost: asyncio.Queue[object] = asyncio.Queue()
    url = f"postgresql://postgres@127.0.0.1:{unused_tcp_port}/x"
    hearing = asyncio.ensure_future(
        listen(PostgresDatabase(url).connect, CHANNEL, lambda _: None, observe=lost.put_nowait)
    )
    assert isinstance(await asyncio.wait_for(lost.get(), 10), BellLost)
    assert not hearing.done()
    hearing.cancel()
    await asyncio.wait((hearing,))
