"""What doctor says of a PostgreSQL."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from controller.doctor import store
from controller.doctor.findings import Level
from controller.settings import Settings, parse
from controller.store import open_store
from controller.store.tables import METADATA

GOOD = {
    "version": 16,
    "named": "16.1",
    "encoding": "UTF8",
    "standby": False,
    "read_only": False,
    "synced": True,
    "whole": True,
    "schema": "public",
    "creates": True,
    "made": False,
    "tables": 0,
    "denied": [],
    "written": None,
    "free": 90,
}


def naming(url: str) -> Settings:
    switch = "switches: [{name: fs1, password: x, switch_path: /r, local_path: /r}]\n"
    return parse(f"{switch}store: '{url}'")


async def test_an_embedded_store_is_no_server() -> None:
    """Nothing is said of it here: it lies in data_dir."""
    assert await store.database(naming("sqlite")) == []


async def test_a_database_before_and_after_its_first_daemon(new_postgres_url: str) -> None:
    """It says whether the tables are there; the tests' server is rightly said to sync nothing."""
    first, unsynced = await store.database(naming(new_postgres_url))
    assert (first.level, unsynced.level) == (Level.OK, Level.WARNING)
    assert "tables will be made" in first.what
    assert "fsync" in unsynced.what
    await (await open_store(new_postgres_url)).close()
    there = (await store.database(naming(new_postgres_url)))[0]
    assert (there.level, f"in public {len(METADATA.tables)} tables are there" in there.what) == (Level.OK, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO visitor", "may not use attempts, calls, "),
        ("GRANT ALL ON ALL TABLES IN SCHEMA public TO visitor", "may not use attempts_id_seq"),
        ("GRANT ALL ON ALL TABLES IN SCHEMA public TO visitor; UPDATE schema_version SET version = 99", "version 99"),
        ("DROP TABLE schema_version; CREATE TABLE schema_version (script TEXT)", "is another program's"),
    ],
)
async def test_tables_that_cannot_be_used(new_postgres_url: str, change: str, words: str) -> None:
    """Those of another user, of a newer fsrec, and of something else that has a table of that name."""
    await (await open_store(new_postgres_url)).close()
    connection = await asyncpg.connect(new_postgres_url)
    await connection.execute("CREATE ROLE visitor LOGIN")
    if "version" in change:
        await connection.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO visitor")
    await connection.execute(change)
    if "script" in change:
        await connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO visitor")
    try:
        found = (await store.database(naming(new_postgres_url.replace("postgres@", "visitor@"))))[0]
    finally:
        await connection.execute("DROP OWNED BY visitor")
        await connection.execute("DROP ROLE visitor")
        await connection.close()
    assert (found.level, words in found.what) == (Level.PROBLEM, True), found


async def test_a_user_who_may_not(new_postgres_url: str) -> None:
    """Who can connect and make no table is told what to be granted; the password is in no finding."""
    connection = await asyncpg.connect(new_postgres_url)
    await connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    await connection.execute("DROP ROLE IF EXISTS visitor")
    await connection.execute("CREATE ROLE visitor LOGIN")
    url = new_postgres_url.replace("postgres@", "visitor:s3cret@")
    try:
        found = (await store.database(naming(url)))[0]
    finally:
        await connection.execute("DROP ROLE visitor")
        await connection.close()
    assert found.level is Level.PROBLEM
    assert found.fix.startswith("GRANT CREATE ON SCHEMA public")
    assert "s3cret" not in str(found)


@pytest.mark.parametrize("url", ["postgresql://u:s3cret@127.0.0.1:1/db", "postgresql://u:s3cret@h.invalid/db"])
async def test_one_that_cannot_be_reached(url: str) -> None:
    """It says why, and not the password."""
    (found,) = await store.database(naming(url))
    assert found.level is Level.PROBLEM
    assert "can't be used: " in found.what
    assert "s3cret" not in str(found)


async def test_one_that_does_not_answer() -> None:
    """It is given up after its time."""
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (found,) = await store.database(naming(f"postgresql://u@127.0.0.1:{port}/db"), deadline=0.1)
    assert found.what.endswith("can't be used: no answer")
    server.close()
    for writer in taken:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("changes", "ahead", "level", "words"),
    [
        ({}, 0.0, Level.OK, "PostgreSQL 16.1; in public tables will be made"),
        ({"version": 12}, 0.0, Level.PROBLEM, "13 or newer is needed"),
        ({"encoding": "SQL_ASCII"}, 0.0, Level.PROBLEM, "create it with ENCODING 'UTF8'"),
        ({"standby": True}, 0.0, Level.PROBLEM, "the primary"),
        ({"read_only": True}, 0.0, Level.PROBLEM, "the primary"),
        ({"schema": None, "creates": None}, 0.0, Level.PROBLEM, "none of the schemas in search_path exists"),
        ({"creates": False}, 0.0, Level.PROBLEM, "GRANT CREATE"),
        ({"creates": False, "made": True, "tables": 3, "written": 6}, 0.0, Level.OK, "3 tables are there"),
        ({"synced": False}, 0.0, Level.WARNING, "lose what was acknowledged"),
        ({"whole": False}, 0.0, Level.WARNING, "lose what was acknowledged"),
        ({"free": 7}, 0.0, Level.WARNING, "raise max_connections"),
        ({}, 2.5, Level.WARNING, "2.5 s ahead of this machine's"),
        ({}, -2.5, Level.WARNING, "2.5 s behind this machine's"),
    ],
)
def test_what_is_wrong(changes: dict[str, Any], ahead: float, level: Level, words: str) -> None:
    """Each thing that keeps it from being used, or will hurt, with what mends it; a good one is told as such."""
    found = list(store._judged("postgresql://h/db", {**GOOD, **changes}, ahead, 0.1))
    assert [each for each in found if each.level is level and words in each.what + each.fix]
    assert (Level.PROBLEM in {each.level for each in found}) == (level is Level.PROBLEM)
