"""PostgreSQL: what it needs, what it does otherwise than a file, and the ways in which it goes away."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from controller.store import (
    Attempt,
    DeliveryState,
    OutcomeUnknown,
    Reader,
    StaleRevision,
    Store,
    StoreError,
    StoreFailed,
    Transaction,
    Verdict,
    open_store,
    postgres,
)
from controller.store.database import Fault
from controller.store.events import GroupCommitted, GroupRetried
from controller.store.places import database_at
from controller.store.postgres import PostgresDatabase
from controller.store.search import search
from controller.store.tables import METADATA
from tests.harness.postgres import PostgresServer
from tests.store.conftest import Told, postgres_only, until_waiting
from tests.store.values import call, delivery, notice, recording

DEADLINE = 20.0
FULL = """CREATE FUNCTION filled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"""


@dataclass
class Wire:
    """Stands between a store and its server, and reads along: ``at_commit`` says what becomes of the next COMMIT.

    ``"lost"``: it doesn't arrive; ``"unanswered"``: it arrives, and its answer doesn't; ``"hung"``: neither, and the
    connection stays. ``away`` refuses connections, ``stalled`` takes them and says nothing.
    """

    target: int
    at_commit: str = ""
    away: bool = False
    stalled: bool = False
    port: int = 0
    met: int = 0

    async def __aenter__(self) -> Self:
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def between(self, url: str) -> str:
        """Return a URL that leads through here."""
        return url.replace(f":{urlsplit(url).port}/", f":{self.port}/")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        with suppress(OSError, asyncio.CancelledError):
            if self.away:
                writer.transport.abort()
                return
            if self.stalled:
                await asyncio.Event().wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(far_writer)
            back = asyncio.create_task(self._answers(far_reader, writer))
            self._tasks.add(back)
            while data := await reader.read(65536):
                if b"COMMIT;" in data and self.at_commit:
                    self.met += 1
                    how, self.at_commit = self.at_commit, ""
                    back.cancel()
                    if how == "unanswered":
                        far_writer.write(data)
                        await far_reader.read(65536)
                    if how == "hung":
                        await asyncio.Event().wait()
                    far_writer.transport.abort()
                    writer.transport.abort()
                    return
                far_writer.write(data)
            far_writer.transport.abort()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65536):
                writer.write(data)
            writer.transport.abort()


@pytest.fixture
async def wire(postgres: PostgresServer) -> AsyncIterator[Wire]:
    async with Wire(postgres.port) as wire:
        yield wire


@pytest.fixture
async def far(wire: Wire, postgres_url: str, told: Told) -> AsyncIterator[Store]:
    """A store behind the wire."""
    store = await open_store(wire.between(postgres_url), observe=told.append, patience=10.0)
    yield store
    await store.close()


async def attempted(store: Store, identity: str) -> tuple[int, int]:
    """How many attempts a delivery counts, and how many are kept."""
    row = await store.read(partial(Reader.delivery, identity=identity))
    assert row is not None
    return row.attempts, len(await store.read(partial(Reader.attempts, delivery=identity)))


# --- what it needs ------------------------------------------------------------------------------------------------


async def test_daemons_that_begin_at_once_make_the_tables_once(new_postgres_url: str) -> None:
    """All find the tables whole, and can use them."""
    stores = await asyncio.gather(*(open_store(new_postgres_url) for _ in range(4)))
    made = [recording() for _ in stores]
    await asyncio.gather(
        *(
            store.write(partial(Transaction.save_recording, recording=one))
            for store, one in zip(stores, made, strict=True)
        )
    )
    for store in stores:
        assert len(await store.read(lambda reader: reader.unfinished("fs1"))) == 4
        await store.close()


async def test_a_newer_database_is_refused(new_postgres_url: str) -> None:
    """With both versions, where it is, and nothing of a password."""
    await (await open_store(new_postgres_url)).close()
    connection = await asyncpg.connect(new_postgres_url)
    await connection.execute("UPDATE schema_version SET version = 99")
    await connection.close()
    url = new_postgres_url.replace("postgres@", "postgres:s3cret@")
    with pytest.raises(StoreError, match=r"postgresql://postgres@127.0.0.1.* version 99, this fsrec") as refused:
        await open_store(url)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("/test", "/none"), "does not exist"),
        (lambda url: url.replace("postgres@", "nobody:s3cret@"), 'role "nobody" does not exist'),
        (lambda url: url + "?no_such_setting=1", "no_such_setting"),
        (lambda url: url + "?sslmode=require", "(?i)ssl"),
        (lambda url: f"postgresql://u:s3cret@127.0.0.1:1{urlsplit(url).path}", "Connect call failed"),
        (lambda url: "postgresql://u:s3cret@h.invalid/db", "."),
        (lambda url: "postgresql://u:s3cret@h", "should be a URL as in"),
        (lambda url: "postgresql://u:s3cret@h:x/db", "should be a URL as in"),
    ],
)
async def test_what_cannot_be_opened_says_why(postgres_url: str, change: Callable[[str], str], words: str) -> None:
    """In one line, naming the place, without the password."""
    with pytest.raises(StoreError, match=words) as refused:
        await open_store(change(postgres_url))
    told = str(refused.value) + repr(database_at(change(postgres_url)))
    assert "s3cret" not in told
    assert "\n" not in told


async def test_an_encoding_that_is_not_utf8_is_refused(postgres: PostgresServer) -> None:
    """It could not hold what callers are called."""
    await postgres.executed("CREATE DATABASE narrow ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with pytest.raises(StoreError, match="encoding is LATIN1: create it with ENCODING 'UTF8'"):
            await open_store(postgres.url("narrow"))
    finally:
        await postgres.executed("DROP DATABASE narrow WITH (FORCE)")


async def test_a_schema_of_its_own(new_postgres_url: str) -> None:
    """Named in the URL, everything is in there and nothing elsewhere."""
    connection = await asyncpg.connect(new_postgres_url)
    await connection.execute("CREATE SCHEMA calls_of_acme")
    await (await open_store(f"{new_postgres_url}?search_path=calls_of_acme")).close()
    rows = await connection.fetch(
        "SELECT schemaname, tablename FROM pg_tables WHERE tablename = ANY($1)", [*METADATA.tables]
    )
    await connection.close()
    assert {row["schemaname"] for row in rows} == {"calls_of_acme"}
    assert len(rows) == len(METADATA.tables)


@postgres_only
async def test_sessions_are_as_they_must_be(store: Store) -> None:
    """A commit is synced, a reader cannot write, and a client that stops in a transaction holds its locks for 5 s."""
    names = (
        "synchronous_commit",
        "transaction_isolation",
        "transaction_read_only",
        "idle_in_transaction_session_timeout",
    )

    def settings(reader: Reader) -> list[object]:
        return [reader.connection.scalar(text(f"SHOW {name}")) for name in names]

    assert await store.write(settings) == ["on", "read committed", "off", "5s"]
    assert await store.aside(settings) == ["off", "read committed", "off", "5s"]
    assert await store.read(settings) == ["on", "repeatable read", "on", "5s"]


# --- what it does otherwise ---------------------------------------------------------------------------------------


@postgres_only
async def test_texts_of_any_length_are_found(store: Store) -> None:
    """Who called whom may be thousands of random characters, which no index could hold."""
    long = [os.urandom(4000).hex() for _ in range(2)]
    long.append(long[0][:-1] + "é")
    made = [recording(caller=one, called=one, leg=one) for one in long]
    runs = call(leg=long[0])

    def work(transaction: Transaction) -> None:
        for one in made:
            transaction.save_recording(replace(one, finished_at=5.0))
        transaction.save_call(runs)
        transaction.add_message(runs, delivery(f"http://{'é' * 2000}.example/{long[0]}"))

    await store.write(work)
    for one, text_of in zip(made, long, strict=True):
        found = await store.read(partial(Reader.recordings, account="acme", caller=text_of, called=(text_of,)))
        assert [each.id for each in found] == [one.id]
    assert await store.read(lambda reader: reader.live_calls("fs1")) == [runs]
    assert [each.id for each in await store.read(partial(search, text=long[2], limit=9))] == [made[2].id]


@postgres_only
async def test_text_is_ordered_by_its_bytes(store: Store) -> None:
    """As Python and SQLite do it, whatever the locale: turns of origins and pages rely on it."""
    names = ["a-b", "a.b", "aB", "ab", "Ab", "é", "z", "0", "~"]

    def work(transaction: Transaction) -> None:
        for name in names:
            transaction.save_recording(recording(id=name))

    await store.write(work)
    found = await store.read(lambda reader: reader.recordings("acme"))
    assert [one.id for one in found] == sorted(names, reverse=True)


@postgres_only
async def test_a_read_that_is_refused_harms_no_other(store: Store, told: Told) -> None:
    """It ends the transaction of its whole group there: each work is then tried alone, also where it is swallowed."""
    good = [recording(), recording()]

    def refused(transaction: Transaction) -> None:
        transaction.run(text("SELECT no_such_column"))

    def swallows(transaction: Transaction) -> str:
        with suppress(Exception):
            transaction.run(text("SELECT no_such_column"))
        return "swallowed"

    saves = [partial(Transaction.save_recording, recording=one) for one in good]
    works: list[Callable[[Transaction], Any]] = [saves[0], refused, swallows, saves[1]]
    results = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), StoreFailed, StoreFailed, type(None)]
    assert "no_such_column" in str(results[1])
    assert len(told.of(GroupRetried)) == 1
    assert len(await store.read(lambda reader: reader.unfinished("fs1"))) == 2


@postgres_only
async def test_a_deadlock_is_tried_again(store: Store, place: str, told: Told) -> None:
    """Two daemons that lock each other out both succeed in the end, without a word to their waiters."""
    other = await open_store(place)
    together = [asyncio.Event(), asyncio.Event()]
    loop = asyncio.get_running_loop()

    def locking(mine: int) -> Callable[[Transaction], None]:
        def work(transaction: Transaction) -> None:
            transaction.run(text(f"SELECT pg_advisory_xact_lock({100 + mine})"))
            loop.call_soon_threadsafe(together[mine].set)
            asyncio.run_coroutine_threadsafe(together[1 - mine].wait(), loop).result(DEADLINE)
            transaction.run(text(f"SELECT pg_advisory_xact_lock({101 - mine})"))

        return work

    await asyncio.gather(store.write(locking(0)), other.write(locking(1)))
    assert [event for event in told if isinstance(event, GroupRetried)] == []
    await other.close()


@postgres_only
async def test_two_writers_about_one_subject(store: Store, place: str) -> None:
    """While one daemon adds a notice another stores the attempt that it waits for: it is not left waiting."""
    other = await open_store(place)
    made, sent = recording(), [delivery(), delivery()]
    added, opened = threading.Event(), threading.Event()

    def add(transaction: Transaction) -> None:
        transaction.add_notice(notice(made, 2), (sent[1],))
        assert [row.due_at is None for row in transaction.deliveries_of(made.id)] == [False, True]
        added.set()
        assert opened.wait(4.0)  # the server ends a transaction that is idle for five seconds

    await store.write(lambda transaction: transaction.save_recording(made))
    await store.write(lambda transaction: transaction.add_notice(notice(made, 1), (sent[0],)))
    first = await other.read(lambda reader: reader.delivery(sent[0].id))
    assert first is not None
    adding = store.write(add)
    await asyncio.to_thread(added.wait, DEADLINE)
    done = Verdict(DeliveryState.DELIVERED)
    ending = other.write(partial(Transaction.attempt_made, row=first, attempt=Attempt(0.0, 0.0, 200), verdict=done))
    await asyncio.wait([ending], timeout=0.3)  # it gets in between, if nothing keeps it from that
    opened.set()
    await asyncio.gather(adding, ending)
    second = await store.read(lambda reader: reader.delivery(sent[1].id))
    assert second is not None
    assert second.due_at is not None
    await other.close()


@postgres_only
async def test_two_writers_of_one_recording(store: Store, place: str) -> None:
    """Who is late with an older revision is told so, also where the newer one was not there yet as it began."""
    made = recording()
    await store.write(partial(Transaction.save_recording, recording=made))
    connection = await asyncpg.connect(place)
    newer = connection.transaction()
    await newer.start()
    await connection.execute("UPDATE recordings SET revision = 9")
    late = store.write(partial(Transaction.save_recording, recording=replace(made, revision=5)))
    await until_waiting(store, late)
    await newer.commit()
    await connection.close()
    with pytest.raises(StaleRevision, match="revision 5 would overwrite revision 9"):
        await late


class Said(Exception):
    """What the server said, by its SQLSTATE."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.sqlstate = state


@pytest.mark.parametrize(
    ("states", "fault"),
    [
        (("40001", "40P01", "55P03"), Fault.AGAIN),
        (("25006", "25P03", "53300", "57P01", "57P03", "08006"), Fault.LOST),
        (("53100", "22P02", "42501", ""), Fault.REFUSED),
    ],
)
def test_what_errors_mean(states: Sequence[str], fault: Fault) -> None:
    """Others in the way, a server or a connection that is of no use now, and what would be refused again."""
    database = PostgresDatabase("postgresql://h/db")
    assert {database.fault(DBAPIError(None, None, Said(state))) for state in states} == {fault}


async def test_what_a_failover_has_lost_is_not_committed(postgres_url: str) -> None:
    """The new primary does not know a number so high yet."""
    database = PostgresDatabase(postgres_url)
    told: list[bool | None] = []

    def ask() -> None:
        with database.writer().connect() as connection, connection.begin():
            told.append(database.committed(connection, "99999999999"))

    await asyncio.to_thread(database.run, ask)
    assert told == [False]


async def test_a_server_that_syncs_no_commit_syncs_ours(postgres_url: str) -> None:
    """Whatever it is set to do for others."""
    store = await open_store(f"{postgres_url}?synchronous_commit=off")
    asked = text("SHOW synchronous_commit")
    assert await store.write(lambda transaction: transaction.connection.scalar(asked)) == "on"
    await store.close()


# --- how it goes away ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["lost", "unanswered"])
async def test_a_commit_without_an_answer_is_asked_after(far: Store, wire: Wire, told: Told, how: str) -> None:
    """What was committed is not done twice, what was not is done, and the waiter hears of neither."""
    made, sent = recording(), delivery()
    await far.write(lambda transaction: transaction.save_recording(made))
    await far.write(lambda transaction: transaction.add_notice(notice(made), (sent,)))
    row = await far.read(lambda reader: reader.delivery(sent.id))
    assert row is not None
    later = Verdict(DeliveryState.PENDING, 9e9)
    wire.at_commit = how
    await far.write(partial(Transaction.attempt_made, row=row, attempt=Attempt(0.0, 0.0, 500), verdict=later))
    assert wire.met == 1
    assert await attempted(far, sent.id) == (1, 1)
    assert told.of(GroupRetried) == []


async def test_a_commit_that_nobody_can_be_asked_after_is_not_known(
    postgres_url: str, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The waiter is told just that, not that nothing was stored; and the same again is safe."""
    store = await open_store(wire.between(postgres_url), patience=0.2)
    made = recording()
    wire.at_commit = "unanswered"
    refused = asyncio.ensure_future(store.write(lambda transaction: transaction.save_recording(made)))
    while wire.met == 0:
        await asyncio.sleep(0)
    wire.away = True
    with pytest.raises(OutcomeUnknown, match="not known whether stored"):
        await refused
    wire.away = False
    await store.write(lambda transaction: transaction.save_recording(made))
    assert await store.read(lambda reader: reader.unfinished("fs1")) == [made]
    await store.close()


async def test_a_server_that_restarts_costs_time_alone(
    far: Store, wire: Wire, postgres: PostgresServer, told: Told
) -> None:
    """Connections that were cut, and some seconds without a server, are outlasted by writes and reads."""
    made = [recording() for _ in range(3)]
    await far.write(lambda transaction: transaction.save_recording(made[0]))
    assert await far.read(lambda reader: reader.unfinished("fs1")) == [made[0]]
    wire.away = True
    wire.cut()
    waiting = [far.write(partial(Transaction.save_recording, recording=one)) for one in made[1:]]
    reading = asyncio.ensure_future(far.read(lambda reader: reader.unfinished("fs1")))
    everything: list[asyncio.Future[Any]] = [*waiting, reading]
    done, _ = await asyncio.wait(everything, timeout=0.3)
    assert done == set()
    later = [asyncio.ensure_future(far.read(lambda reader: reader.unfinished("fs1"))) for _ in range(4)]
    done, _ = await asyncio.wait(later, timeout=0.3)
    assert done == set()
    wire.away = False
    await asyncio.gather(*waiting)
    for each in (reading, *later):
        assert made[0] in await each
    assert len(await far.read(lambda reader: reader.unfinished("fs1"))) == 3
    assert told.of(GroupRetried) == []
    assert sum(event.works for event in told.of(GroupCommitted)) == 3


async def test_a_server_that_stays_away_is_told_at_once_the_second_time(postgres_url: str, wire: Wire) -> None:
    """The first waiters wait in vain for all of the patience, later ones for one try; then it goes on by itself."""
    store = await open_store(wire.between(postgres_url), patience=1.0)
    made = recording()
    await store.read(lambda reader: reader.unfinished("fs1"))
    wire.away = True
    wire.cut()
    for _ in range(3):
        with pytest.raises(StoreFailed, match=r"store postgresql://postgres@127.0.0.1:\d+/\w+: not stored: "):
            await store.write(lambda transaction: transaction.save_recording(made))
    with pytest.raises(StoreFailed, match="not read: "):
        await store.read(lambda reader: reader.unfinished("fs1"))
    wire.away = False
    await store.write(lambda transaction: transaction.save_recording(made))
    assert await store.read(lambda reader: reader.unfinished("fs1")) == [made]
    await store.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a server that hangs less long, and have it end no transaction by itself."""
    monkeypatch.setattr(postgres, "_SESSION", postgres._SESSION.replace("'5000'", "'60000'"))
    monkeypatch.setattr(postgres, "CONNECTING", 0.5)
    monkeypatch.setattr(postgres, "COMMAND", 0.5)


@pytest.mark.usefixtures("quick")
async def test_a_network_that_hangs_is_given_up(postgres_url: str, wire: Wire) -> None:
    """A command that is not answered, and a connection that never comes, have their time; then another is tried."""
    store = await open_store(wire.between(postgres_url), patience=10.0)
    made = recording()
    wire.at_commit = "hung"
    await store.write(lambda transaction: transaction.save_recording(made))
    assert wire.met == 1
    wire.stalled = True
    wire.cut()
    waiting = asyncio.ensure_future(store.write(partial(Transaction.save_recording, recording=recording())))
    await asyncio.wait([waiting], timeout=0.7)
    assert not waiting.done()
    wire.stalled = False
    wire.cut()
    await waiting
    assert len(await store.read(lambda reader: reader.unfinished("fs1"))) == 2
    await store.close()


async def test_a_server_without_room_is_stalled_until_there_is_some(
    new_postgres_url: str, postgres: PostgresServer
) -> None:
    """Where every write is refused, in whichever way it writes, it says so, as where there is no server."""
    store = await open_store(new_postgres_url)
    database = urlsplit(new_postgres_url).path[1:]
    await postgres.executed(FULL, database)
    for table in ("recordings", "texts"):
        await postgres.executed(f"CREATE TRIGGER filled BEFORE INSERT ON {table} EXECUTE FUNCTION filled()", database)

    def reads_too(transaction: Transaction) -> None:
        transaction.save_recording(recording())
        transaction.recording("")

    for work in (partial(Transaction.save_recording, recording=recording()), reads_too):
        with pytest.raises(StoreFailed, match="No space left"):
            await store.write(work)
        assert store.stalled > 0
        await store.probe()
        assert store.stalled > 0
    await postgres.executed("DROP FUNCTION filled CASCADE", database)
    await store.probe()
    assert store.stalled == 0
    assert await store.read(lambda reader: reader.connection.scalar(text("SELECT count(*) FROM texts"))) == 0
    await store.close()


async def test_a_standby_is_left_for_the_primary(postgres_url: str, told: Told) -> None:
    """After a failover the old connection may lead to a server that only reads: it is given up, and another made."""
    store = await open_store(postgres_url, patience=10.0, observe=told.append)

    def demote(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql("SET SESSION default_transaction_read_only = on")

    await store.write(demote)
    await store.write(partial(Transaction.save_recording, recording=recording()))
    assert len(await store.read(lambda reader: reader.unfinished("fs1"))) == 1
    assert told.of(GroupRetried) == []
    await store.close()


async def test_a_client_that_stops_in_a_transaction_loses_it(
    postgres_url: str, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks are free within seconds, and its own work is done again when it goes on."""
    monkeypatch.setattr(postgres, "_SESSION", postgres._SESSION.replace("'5000'", "'200'"))
    stopped, other = await open_store(postgres_url), await open_store(postgres_url)
    made, entered = recording(), asyncio.Event()
    loop = asyncio.get_running_loop()
    tries: list[int] = []

    def stops(transaction: Transaction) -> None:
        transaction.save_recording(made)
        transaction.recording(made.id)
        tries.append(1)
        loop.call_soon_threadsafe(entered.set)
        if len(tries) == 1:
            asyncio.run_coroutine_threadsafe(free.wait(), loop).result(DEADLINE)

    free = asyncio.Event()
    waiting = asyncio.ensure_future(stopped.write(stops))
    await entered.wait()
    newer = replace(made, path="/other")
    await other.write(lambda transaction: transaction.save_recording(newer))
    free.set()
    await waiting
    assert len(tries) == 2
    assert await other.read(lambda reader: reader.recording(made.id)) == made
    await stopped.close()
    await other.close()
