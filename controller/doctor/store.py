"""What can be seen of the store: whether a PostgreSQL can be used as fsrec uses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg

from controller.doctor.findings import Finding, ok, problem, warning
from controller.settings import Settings
from controller.settings_values import PostgresUrl
from controller.store.migrations import NEWEST
from controller.store.postgres import OLDEST
from controller.store.store import READERS
from controller.store.tables import METADATA, VERSION

_SKEW = 1.0
"""Seconds by which clocks may differ: what one daemon makes due another looks for by its own."""

_CONNECTIONS = READERS + 5
"""Those of one daemon: some read, two write, two look after leases, one listens."""

_SEQUENCE = "attempts_id_seq"

_ABOUT = """SELECT
    current_setting('server_version_num')::int / 10000 AS version, current_setting('server_version') AS named,
    current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,
    current_setting('default_transaction_read_only') = 'on' AS read_only,
    current_setting('fsync') = 'on' AS synced, current_setting('full_page_writes') = 'on' AS whole,
    current_schema() AS schema, has_schema_privilege(current_schema(), 'CREATE') AS creates,
    to_regclass($1) IS NOT NULL AS made,
    (SELECT count(to_regclass(name)) FROM unnest($2::text[]) AS name) AS tables,
    ARRAY(SELECT name FROM unnest($2::text[]) AS name, to_regclass(name) AS there
        WHERE NOT (has_table_privilege(there, 'SELECT') AND has_table_privilege(there, 'INSERT')
            AND has_table_privilege(there, 'UPDATE') AND has_table_privilege(there, 'DELETE'))
    UNION ALL SELECT sequencename FROM pg_sequences WHERE schemaname = current_schema()
        AND sequencename = $3 AND NOT has_sequence_privilege(to_regclass(sequencename), 'USAGE')) AS denied,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - (SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL) AS free,
    extract(epoch FROM clock_timestamp())::float8 AS clock"""


async def database(settings: Settings, *, deadline: float = 5.0) -> list[Finding]:
    """Look at the database that the settings name; an embedded store is looked at with data_dir."""
    place = settings.store
    if not isinstance(place, PostgresUrl):
        return []
    try:
        async with asyncio.timeout(2 * deadline):
            connection = await asyncpg.connect(
                place.url.get_secret_value(), timeout=deadline, command_timeout=deadline
            )
            try:
                before = time.time()
                about = dict(await connection.fetchrow(_ABOUT, VERSION.name, sorted(METADATA.tables), _SEQUENCE))
                after = time.time()
                about["written"] = await _written(connection) if about["made"] and not about["denied"] else None
            finally:
                await connection.close(timeout=deadline)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        what = "no answer" if isinstance(error, TimeoutError) else " ".join(str(error).split())
        fix = "look at the server, its pg_hba.conf, and the user, password and database in store"
        return [problem("store", f"{place} can't be used: {what}", fix)]
    return list(_judged(str(place), about, about["clock"] - (before + after) / 2, (after - before) / 2))


async def _written(connection: Any) -> int | None:
    """Return the version of the tables, None where these are none of fsrec's."""
    try:
        version = await connection.fetchval("SELECT version FROM schema_version")
    except asyncpg.PostgresError:
        return None
    return version if isinstance(version, int) else None


def _judged(place: str, about: Mapping[str, Any], ahead: float, uncertain: float) -> Iterator[Finding]:
    """Tell what is wrong with a database of which this is known; ``ahead`` is its clock, in seconds."""
    if about["version"] < OLDEST:
        yield problem("store", f"{place}: PostgreSQL {about['named']}", f"{OLDEST} or newer is needed")
    elif about["encoding"] != "UTF8":
        yield problem("store", f"{place} is encoded in {about['encoding']}", "create it with ENCODING 'UTF8'")
    elif about["standby"] or about["read_only"]:
        yield problem("store", f"{place} can only be read", "name an address that leads to the primary")
    elif about["schema"] is None:
        yield problem("store", f"{place}: none of the schemas in search_path exists", "create it, or name another")
    elif not about["made"] and not about["creates"]:
        fix = f"GRANT CREATE ON SCHEMA {about['schema']} to the user, or make it the schema's owner"
        yield problem("store", f"{place}: the user may not create tables in {about['schema']}", fix)
    elif about["denied"]:
        fix = "make the user their owner, or grant it SELECT, INSERT, UPDATE, DELETE on tables and USAGE on sequences"
        yield problem("store", f"{place}: the user may not use {', '.join(about['denied'])}", fix)
    elif about["made"] and about["written"] is None:
        fix = "give fsrec a database, or a schema (?search_path=…), of its own"
        yield problem("store", f"{place}: the table {VERSION.name} is another program's", fix)
    elif about["made"] and about["written"] > NEWEST:
        what = f"{place} was written by a newer fsrec: version {about['written']}, this one knows up to {NEWEST}"
        yield problem("store", what, "run that one, or a newer one")
    else:
        tables = f"{about['tables']} tables are there" if about["made"] else "tables will be made"
        yield ok("store", f"{place}: PostgreSQL {about['named']}; in {about['schema']} {tables}")
    if not (about["synced"] and about["whole"]):
        what = "fsync or full_page_writes is off: a crash of the server may lose what was acknowledged, or all"
        yield warning("store", what, "set both to on in postgresql.conf")
    if about["free"] < _CONNECTIONS:
        what = f"{about['free']} connections are free; each daemon has {_CONNECTIONS}"
        yield warning("store", what, "raise max_connections")
    if abs(ahead) - uncertain > _SKEW:
        what = f"its clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
        yield warning("store clock", what, "keep the clocks of all machines that share it together (NTP)")
