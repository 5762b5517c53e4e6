"""Two daemons on one PostgreSQL: what one of them leaves, however it does, the other brings to its true end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from controller.cluster.events import LeaseEnded, LeaseTaken
from controller.store.values import StoreError
from tests.harness.postgres import PostgresServer
from tests.harness.proxy import Proxy
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Switch
from tests.scenarios.cluster import Pair, paired, readiness, until_ready, until_unready
from tests.scenarios.daemon import Daemon


@pytest_asyncio.fixture
async def pair(switch: Switch, receiver: Receiver, postgres_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    async with paired(switch, receiver, postgres_url, tmp_path) as made:
        yield made


async def test_a_daemon_that_is_killed(pair: Pair, tmp_path: Path) -> None:
    """Its recordings run on, its documents go on where they were, and every end is told once, of a whole file."""
    await pair.one.spawn()
    await until_ready(pair.one, serving=True)
    await pair.other.start()
    await until_ready(pair.other, serving=False)
    calls = await pair.calls()
    await pair.began()
    await pair.one.kill()
    await until_ready(pair.other, serving=True)
    for _, call in calls:
        await call.ended(30)
    await pair.ended()
    await pair.true(tmp_path)


async def test_a_daemon_that_stops(pair: Pair, tmp_path: Path) -> None:
    """The other has the switch before a lease could have run out, and goes on with all; nothing is told twice."""
    await pair.one.start()
    await until_ready(pair.one, serving=True)
    await pair.other.start()
    await until_ready(pair.other, serving=False)
    calls = await pair.calls()
    await pair.began()
    before = len(pair.other.seen(LeaseTaken))
    await pair.one.stop()
    [ended] = pair.one.seen(LeaseEnded)
    assert ended.reason == "this daemon stops"
    await until_ready(pair.other, serving=True)
    [taken] = pair.other.seen(LeaseTaken)[before:]
    assert (taken.epoch, taken.former) == (2, "")
    for _, call in calls:
        await call.ended(30)
    await pair.ended()
    await pair.true(tmp_path)
    ids = [request.header("webhook-id") for request in pair.receiver.requests if request.path != "/action"]
    assert len(ids) == len(set(ids))


async def test_calls_that_come_while_nobody_serves(pair: Pair, switch: Switch, tmp_path: Path) -> None:
    """A call that is parked between a kill and the taking of the lease has its document run by the next holder."""
    await pair.one.spawn()
    await until_ready(pair.one, serving=True)
    await pair.other.start()
    await pair.one.kill()
    calls = await pair.calls()
    await pair.began()
    for _, call in calls:
        await call.ended(30)
    await pair.ended()
    await pair.true(tmp_path)


@contextlib.asynccontextmanager
async def proxied(postgres: PostgresServer, url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before the database, and the URL through it."""
    proxy = Proxy("127.0.0.1", postgres.port)
    await proxy.start()
    try:
        yield proxy, url.replace(f":{postgres.port}/", f":{proxy.port}/")
    finally:
        await proxy.stop()


async def test_a_database_that_goes_away(
    switch: Switch, receiver: Receiver, postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    """Longer than a lease: its holder lets go and says why; calls and recordings go on, all is had again."""
    async with (
        proxied(postgres, postgres_url) as (proxy, through),
        paired(switch, receiver, through, tmp_path, alone=True) as pair,
    ):
        await pair.one.start()
        await until_ready(pair.one, serving=True)
        calls = await pair.calls()
        await pair.began()
        proxy.refusing = True
        await proxy.cut()
        await pair.one.until(lambda: bool(pair.one.seen(LeaseEnded)), timeout=20)
        said = await readiness(pair.one)
        assert said["status"] == "not ready"
        assert "switch fs1: no daemon is known to hold it: store postgresql://" in said["problems"][0]
        assert pair.one.app is not None
        assert pair.one.app.desk.count == 0
        assert pair.one.app.recordings.writing("fs1") == []
        assert all(call.alive for _, call in calls)
        proxy.refusing = False
        await until_ready(pair.one, serving=True)
        for _, call in calls:
            await call.ended(30)
        await pair.ended()
        pair.url = postgres_url
        await pair.true(tmp_path)


async def test_a_database_that_is_away_for_a_moment(
    switch: Switch, receiver: Receiver, postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    """Shorter than a lease: nothing is let go, and what could not be stored is stored then."""
    async with (
        proxied(postgres, postgres_url) as (proxy, through),
        paired(switch, receiver, through, tmp_path, lasts=12.0, alone=True) as pair,
    ):
        await pair.one.start()
        await until_ready(pair.one, serving=True)
        calls = await pair.calls()
        await pair.began()
        proxy.refusing = True
        await proxy.cut()
        await asyncio.sleep(2)
        proxy.refusing = False
        for _, call in calls:
            await call.ended(30)
        await pair.ended()
        assert pair.one.seen(LeaseEnded) == []
        pair.url = postgres_url
        await pair.true(tmp_path)


@pytest.mark.parametrize(
    ("lasts", "watch"), [(4.0, "60"), pytest.param(8.0, "0.2", marks=pytest.mark.faults)], ids=["quick", "true"]
)
async def test_a_daemon_that_is_stopped_and_continued(
    soft: SoftSwitch, receiver: Receiver, postgres_url: str, tmp_path: Path, lasts: float, watch: str
) -> None:
    """It finds its lease gone: whatever its timers wanted to command by then, the switch hears nothing of it."""
    async with paired(soft, receiver, postgres_url, tmp_path, lasts=lasts, seconds=8) as pair:
        pair.one.environment["FSREC_TEST_WATCH"] = watch
        await pair.one.spawn()
        await until_ready(pair.one, serving=True)
        await pair.other.start()
        await until_ready(pair.other, serving=False)
        calls = await pair.calls(each=3)
        await pair.began(each=3)
        commands = soft.inner.journal.commands
        await (
            soft.cut_links()
        )  # the next link begins with calls, whose legs are looked at now and then, without a row
        await until_unready(pair.one)
        await until_ready(pair.one, serving=True)
        theirs = {entry.client for entry in commands}
        assert pair.one.process is not None
        pair.one.process.send_signal(signal.SIGSTOP)
        said = len(commands)
        await asyncio.sleep(30 if lasts == 8.0 else lasts + 3)
        assert [entry.text for entry in commands[said:] if entry.client in theirs] == []
        assert {entry.client for entry in commands[said:]} - theirs  # the other's
        pair.one.process.send_signal(signal.SIGCONT)
        await until_ready(pair.one, serving=False)
        for _, call in calls:
            await call.ended(30)
        await pair.ended(each=3)
        await asyncio.sleep(2)  # for its timers that were due meanwhile
        ours = {entry.client for entry in commands[said:]} - theirs
        assert [entry.text for entry in commands[said:] if entry.client in theirs] == []
        assert len(ours) == 1, "who was stopped came back to the switch"
        log = (pair.one.directory / "daemon.log").read_text()
        assert "lease.ended" in log
        assert "Traceback" not in log
        await pair.true(tmp_path, each=3)


async def test_a_second_daemon_on_one_file(daemon: Daemon, receiver: Receiver, tmp_path: Path) -> None:
    """SQLite is one daemon's own: another is refused, with what to do; once the first is gone it may be next."""
    second = Daemon(daemon.switch, tmp_path, receiver, options={"store_patience": 0.2})
    await daemon.start()
    with pytest.raises(StoreError, match=r"another fsrec daemon uses it \(process \d+\): give each a data_dir"):
        await second.start()
    assert daemon.problems() == []
    await daemon.stop()
    await second.start()
    await second.close()
