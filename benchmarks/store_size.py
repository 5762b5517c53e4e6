"""Row 7: starting, finishing, listing and coming back with 100,000 and 1,000,000 finished recordings in the store.

Three daemons on softswitches of their own, with 1,000, 100,000 and 1,000,000 recordings in their stores, are asked
the same in turn. Everything goes the whole way: calls over the switch, callbacks to a receiver, lists over HTTP.
Needs 12 GB of disk for each kind of store; PostgreSQL where there is one (FSREC_POSTGRES, a wheel, an installed one).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from yarl import URL

from benchmarks.house import PLIVO, TOLD, house, templates
from benchmarks.row import Row, Scale, Side, Verdict
from benchmarks.stored import DAYS, fill_postgres, fill_sqlite
from benchmarks.templates import Templates
from controller.console.ports import Search, Viewer
from controller.recordings.model import State
from tests.harness.esl import EslClient
from tests.harness.postgres import PostgresServer
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
from tests.scenarios.daemon import Daemon
from tests.scenarios.rest import LAML, TWILIO
from tests.scenarios.tenants import login

SIZES = (1_000, 100_000, 1_000_000)
TARGET = 1.3
BYTES = 12_000
"""Of a recording's rows and their indexes, in either database."""
BURST, LEFT = 40, 5
"""Calls at once; calls that go on while a daemon is away."""

Taken = dict[str, dict[int, list[float]]]
"""What was asked, of which size: milliseconds."""


@dataclass(slots=True)
class House:
    """A daemon with a full store, its switch and its receiver."""

    size: int
    soft: SoftSwitch
    receiver: Receiver
    daemon: Daemon
    ears: EslClient
    query: Callable[[str], Awaitable[Sequence[Any]]]
    session: aiohttp.ClientSession
    middle: dict[str, str] = field(default_factory=dict)

    async def calls(self, count: int) -> tuple[list[Any], float]:
        """Have so many called at once; the calls, and seconds until every recorder runs."""
        legs: set[str] = set()
        with self.ears.watch() as watch:
            began = time.perf_counter()
            calls = await asyncio.gather(*(self.soft.call(LAML.destination, timeout=30) for _ in range(count)))
            wanted = {call.leg for call in calls}

            def running(event: Mapping[str, str]) -> bool:
                legs.add(event["Unique-ID"])
                return wanted <= legs

            await watch.wait(running, timeout=30)
            taken = time.perf_counter() - began
        await self.receiver.wait(TOLD, count, timeout=30)
        return calls, taken

    async def hang_up(self, calls: Sequence[Any]) -> float:
        """Hang them up; seconds until every recording's end was told."""
        before = len(self.receiver.to(TOLD))
        began = time.perf_counter()
        for call in calls:
            await call.hangup()
        await self.receiver.wait(TOLD, before + len(calls), timeout=30)
        taken = time.perf_counter() - began
        app = self.daemon.app
        assert app is not None
        await self.daemon.until(lambda: app.desk.count == 0 and app.store.waiting == 0)
        self.receiver.requests.clear()
        return taken

    async def list(self, name: str) -> float:
        """Ask for a page; seconds."""
        root = {
            one.name: f"{one.prefix}/Accounts/{one.identity}/Recordings.json?PageSize=50" for one in (LAML, TWILIO)
        }
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - DAYS * 43200))
        plivo, middle = f"/v1/Account/{PLIVO[1]}/Recording/?limit=20", self.middle
        path, known = {
            "Twilio, first page": (root[TWILIO.name], (TWILIO.identity, TWILIO.token)),
            "Twilio, page in the middle": (
                f"{root[TWILIO.name]}&Page=7&PageToken=PARE{middle[TWILIO.name].replace('-', '')}",
                (TWILIO.identity, TWILIO.token),
            ),
            "LaML, first page": (root[LAML.name], (LAML.identity, LAML.token)),
            "LaML, until a day in the middle": (
                f"{root[LAML.name]}&DateCreated%3C={day}",
                (LAML.identity, LAML.token),
            ),
            "Plivo, first page with total": (plivo, (PLIVO[1], PLIVO[2])),
            "Plivo, page in the middle with total": (
                f"{plivo}&cursor=99-{middle[PLIVO[0]]}",
                (PLIVO[1], PLIVO[2]),
            ),
        }[name]
        began = time.perf_counter()
        async with self.session.get(URL(self.daemon.url + path, encoded=True), headers=login(*known)) as answer:
            body = await answer.read()
            assert answer.status == 200, body
        assert len(body) > 2000, body
        return time.perf_counter() - began

    async def search(self, search: Search, *, middle: bool = False) -> float:
        """Ask for a page as the console does; seconds."""
        app = self.daemon.app
        assert app is not None
        before = (float(self.middle["requested_at"]), self.middle[TWILIO.name]) if middle else None
        began = time.perf_counter()
        await app.operations.search(Viewer(), search, limit=50, before=before)
        return time.perf_counter() - began

    async def back(self) -> float:
        """Stop the daemon and start it again; seconds until it has taken its calls up and is ready."""
        await self.daemon.stop()
        began = time.perf_counter()
        await self.daemon.start()
        return time.perf_counter() - began


LISTS = (
    "Twilio, first page",
    "Twilio, page in the middle",
    "LaML, first page",
    "LaML, until a day in the middle",
    "Plivo, first page with total",
    "Plivo, page in the middle with total",
)
SEARCHES: dict[str, tuple[Search, bool]] = {
    "console, first page": (Search(), False),
    "console, an account's page in the middle": (Search(account=TWILIO.name, deleted=False), True),
    "console, one dialect's completed ones": (Search(dialect="plivo", states=(State.COMPLETED,)), True),
}


async def take(houses: Sequence[House], rounds: int, burst: int) -> Taken:
    """Ask each house in turn, each round anew."""
    taken: Taken = {}

    def note(what: str, one: House, seconds: float, of: int = 1) -> None:
        taken.setdefault(what, {}).setdefault(one.size, []).append(seconds * 1000 / of)

    for number in range(rounds + 1):
        for one in houses:
            calls, seconds = await one.calls(burst)
            ended = await one.hang_up(calls)
            if number:  # the first round warms up
                note("start", one, seconds, burst)
                note("finish", one, ended, burst)
    for number in range(4 * rounds + 1):
        for one in houses:
            for name in LISTS:
                seconds = await one.list(name)
                if number:
                    note(name, one, seconds)
            for name, (search, middle) in SEARCHES.items():
                seconds = await one.search(search, middle=middle)
                if number:
                    note(name, one, seconds)
    for _ in range(rounds):
        for one in houses:
            left, _ = await one.calls(LEFT)
            note("back and ready, 5 recordings in hand", one, await one.back())
            await one.hang_up(left)
    return taken


@contextlib.asynccontextmanager
async def sqlite_house(size: int, place: Path, made: Templates, path: Path | None = None) -> AsyncIterator[House]:
    """A daemon on a SQLite store of that size."""
    async with _house(size, place) as (soft, receiver, session):
        daemon = house(soft, place, receiver)
        daemon.data.mkdir(parents=True)
        file = daemon.data / "fsrec.db"
        if path is not None:
            file.symlink_to(path)
        else:
            await fill_sqlite(file, made, size)

        async def query(text: str) -> Sequence[Any]:
            with contextlib.closing(sqlite3.connect(file)) as store:
                return store.execute(text).fetchall()

        async with _open(House(size, soft, receiver, daemon, await _ears(soft), query, session)) as one:
            yield one


@contextlib.asynccontextmanager
async def postgres_house(
    size: int, place: Path, made: Templates, server: PostgresServer, name: str | None = None
) -> AsyncIterator[House]:
    """A daemon on a PostgreSQL store of that size."""
    async with _house(size, place) as (soft, receiver, session):
        if name is None:
            name = await asyncio.to_thread(server.create)
            await fill_postgres(server.url(name), made, size)
        url = server.url(name)
        daemon = house(soft, place, receiver, store=url)

        async def query(text: str) -> Sequence[Any]:
            store = await asyncpg.connect(url)
            try:
                return [tuple(row) for row in await store.fetch(text)]
            finally:
                await store.close()

        async with _open(House(size, soft, receiver, daemon, await _ears(soft), query, session)) as one:
            yield one


async def _ears(soft: SoftSwitch) -> EslClient:
    return await EslClient.connect(soft.direct, "RECORD_START")


@contextlib.asynccontextmanager
async def _house(size: int, place: Path) -> AsyncIterator[tuple[SoftSwitch, Receiver, aiohttp.ClientSession]]:
    async with (
        SoftSwitch(place / f"recordings-{size}") as soft,
        Receiver() as receiver,
        aiohttp.ClientSession() as session,
    ):
        yield soft, receiver, session


@contextlib.asynccontextmanager
async def _open(one: House) -> AsyncIterator[House]:
    for account in (TWILIO.name, PLIVO[0]):
        moment = time.time() - DAYS * 43200
        found = await one.query(
            f"SELECT id, requested_at FROM recordings WHERE account = '{account}'"
            f" AND requested_at < {moment} ORDER BY requested_at DESC LIMIT 1"
        )
        one.middle[account], one.middle["requested_at"] = found[0][0], str(found[0][1])
    await one.daemon.start()
    try:
        yield one
    finally:
        await one.daemon.close()
        await one.ears.close()


def verdicts(sides: Sequence[Side]) -> tuple[Verdict, ...]:
    """Judge each size beside the smallest."""
    least, *others = sides
    return tuple(
        Verdict(
            f"{side.label} <= {TARGET} x", f"{side.median / least.median:.2f} x", side.median <= TARGET * least.median
        )
        for side in others
    )


def told(taken: Taken, kind: str) -> list[Row]:
    """Return the rows."""
    rows = []
    for what, by_size in taken.items():
        sides = tuple(Side(f"{size:,} stored", tuple(samples)) for size, samples in sorted(by_size.items()))
        unit = "ms each" if what in {"start", "finish"} else "ms"
        rows.append(Row(7, f"{kind}: {what}", unit, sides, verdicts(sides), "softswitch"))
    return rows


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure on each kind of store there is, one after the other: a million recordings are 12 GB."""
    return await measure(tuple(scale.of(size) for size in SIZES), scale.of(7, 2), BURST)


async def measure(
    sizes: Sequence[int], rounds: int, burst: int, kinds: Sequence[str] = ("SQLite", "PostgreSQL")
) -> list[Row]:
    """Measure stores of these sizes; those that the disk has no room for are left out."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="fsrec-bench-") as directory:
        place = Path(directory)
        room = shutil.disk_usage(place).free // 2
        fit = [size for size in sizes if size * BYTES < room]
        async with SoftSwitch(place / "recordings") as soft, Receiver() as receiver:
            made = await templates(soft, place / "template", receiver)
        if "SQLite" in kinds:
            async with contextlib.AsyncExitStack() as stack:
                entered = [sqlite_house(size, place / f"{size}", made) for size in fit]
                houses = [await stack.enter_async_context(one) for one in entered]
                found += told(await take(houses, rounds, burst), "SQLite")
            for size in fit:
                shutil.rmtree(place / f"{size}")
        server = PostgresServer.find(durable=True) if "PostgreSQL" in kinds else None
        if server is not None:
            try:
                await asyncio.to_thread(server.start)
                async with contextlib.AsyncExitStack() as stack:
                    shared = [postgres_house(size, place / f"pg-{size}", made, server) for size in fit]
                    houses = [await stack.enter_async_context(one) for one in shared]
                    found += told(await take(houses, rounds, burst), "PostgreSQL")
            finally:
                await asyncio.to_thread(server.remove)
    return found
