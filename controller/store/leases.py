"""The rows of daemons and leases, over connections of their own: no queue of writes delays a renewal.

Times in them are the database's, taken when a statement runs; no lease ends by them (``cluster.keeper``). Statements
are few and short; each has its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

from controller.store.postgres import PostgresDatabase
from controller.store.values import StoreFailed

T = TypeVar("T")

DEADLINE = 2.0
"""Seconds for each question, connecting included: several fit into the time for which a lease is believed in."""

FORGOTTEN = 3600.0
"""Seconds after which the row of a daemon that has gone goes too."""


def _sql(text: str) -> str:
    return text.replace(":now", "extract(epoch FROM clock_timestamp())::float8")


_BEAT = _sql("""INSERT INTO daemons (id, expires_at) VALUES ($1, :now + $2)
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at""")
_RENEW = _sql("""UPDATE leases SET expires_at = :now + $2 FROM unnest($3::text[], $4::int[]) AS ours (name, stood)
    WHERE switch = name AND epoch = stood AND holder = $1 RETURNING switch""")
_ADD = _sql("""INSERT INTO leases (switch, epoch, expires_at) SELECT name, 0, :now FROM unnest($1::text[]) AS name
    ON CONFLICT (switch) DO NOTHING""")
_LOOK = _sql("SELECT switch, holder, epoch, expires_at, expires_at - :now AS remains FROM leases")
_LIVING = _sql("SELECT count(*) FROM daemons WHERE expires_at > :now")
_LAPSED = _sql("DELETE FROM daemons WHERE expires_at < :now - $1::float8")
_PATIENCE = "SET LOCAL lock_timeout = '1500ms'"
# Locked for more than the change needs: that waits for transactions which the former holder has under way.
_AS_SEEN = """SELECT 1 FROM leases WHERE switch = $1 AND epoch = $2 AND holder IS NOT DISTINCT FROM $3::text
    AND expires_at = $4 FOR UPDATE"""
_TAKE = _sql("""UPDATE leases SET holder = $2, epoch = epoch + 1, expires_at = :now + $3
    WHERE switch = $1 RETURNING epoch""")
_GIVE_BACK = _sql("""UPDATE leases SET holder = NULL, expires_at = :now
    FROM unnest($2::text[], $3::int[]) AS ours (name, stood)
    WHERE switch = name AND epoch = stood AND holder = $1""")
_GIVE_BACK_ALL = _sql("UPDATE leases SET holder = NULL, expires_at = :now WHERE holder = $1")
_LEAVE = "DELETE FROM daemons WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Standing:
    """A lease as its row says it: each renewal makes it another. ``expires_at`` is of the database's clock.

    ``holder`` is None where it was given back.
    """

    holder: str | None
    epoch: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Sight:
    """All leases, those of them that have not expired, and how many daemons live, this one included."""

    leases: Mapping[str, Standing]
    valid: Collection[str]
    daemons: int


@dataclass(slots=True)
class _Line:
    """A connection that is made when it is needed, and anew after a failure; one question at a time."""

    database: PostgresDatabase
    _connection: Any = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(self, question: Callable[[Any], Awaitable[T]]) -> T:
        """Ask in one transaction. Raises StoreFailed, also where there is no answer in time."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            until = loop.time() + DEADLINE
            try:
                async with asyncio.timeout_at(until):
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await self.database.connect()
                limit = loop.call_at(until, self._connection.terminate)  # its end is not waited for, as a cancel's is
                try:
                    async with self._connection.transaction():
                        return await question(self._connection)
                finally:
                    limit.cancel()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.close()
                said = str(error) if loop.time() < until else f"no answer within {DEADLINE:g} s"
                raise StoreFailed(f"store {self.database}: {' '.join(said.split())}") from error
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the connection at once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


@dataclass(slots=True)
class LeaseRows:
    """The rows as ``daemon`` sees and changes them; its leases last for ``lasts`` seconds. All raise StoreFailed."""

    database: PostgresDatabase
    daemon: str
    lasts: float
    _renewing: _Line = field(init=False)
    _looking: _Line = field(init=False)

    def __post_init__(self) -> None:
        self._renewing, self._looking = _Line(self.database), _Line(self.database)

    async def renew(self, held: Mapping[str, int]) -> Collection[str]:
        """Prolong this daemon's own row and the leases it holds (switch, epoch); return those that still are its."""

        async def ask(connection: Any) -> Collection[str]:
            await connection.execute(_BEAT, self.daemon, self.lasts)
            if not held:
                return ()
            kept = await connection.fetch(_RENEW, self.daemon, self.lasts, list(held), list(held.values()))
            return {row["switch"] for row in kept}

        return await self._renewing.ask(ask)

    async def look(self, switches: Collection[str]) -> Sight:
        """Look at all leases; a switch that has none gets one that nobody holds. Forgets daemons long gone."""

        async def ask(connection: Any) -> Sight:
            rows = await connection.fetch(_LOOK)
            if not {row["switch"] for row in rows}.issuperset(switches):
                await connection.execute(_ADD, sorted(switches))
                rows = await connection.fetch(_LOOK)
            leases = {row["switch"]: Standing(row["holder"], row["epoch"], row["expires_at"]) for row in rows}
            valid = frozenset(row["switch"] for row in rows if row["remains"] > 0)
            await connection.execute(_LAPSED, FORGOTTEN)
            return Sight(leases, valid, await connection.fetchval(_LIVING))

        return await self._looking.ask(ask)

    async def take(self, switch: str, seen: Standing) -> int | None:
        """Take a lease that still stands as it was ``seen``; whether it may be taken is for who has seen it.

        Returns the new epoch; None where another was quicker. Waits for transactions that the former holder has
        under way.
        """

        async def ask(connection: Any) -> int | None:
            await connection.execute(_PATIENCE)
            if await connection.fetchval(_AS_SEEN, switch, seen.epoch, seen.holder, seen.expires_at) is None:
                return None
            taken: int = await connection.fetchval(_TAKE, switch, self.daemon, self.lasts)
            return taken

        return await self._looking.ask(ask)

    async def give_back(self, held: Mapping[str, int]) -> None:
        """Let others have leases at once."""
        switches, epochs = list(held), list(held.values())
        await self._looking.ask(lambda connection: connection.execute(_GIVE_BACK, self.daemon, switches, epochs))

    async def give_back_all(self) -> None:
        """Let others have all leases of this daemon's at once, also those that it does not know to be its."""
        await self._looking.ask(lambda connection: connection.execute(_GIVE_BACK_ALL, self.daemon))

    async def leave(self) -> None:
        """Remove this daemon's own row."""
        await self._looking.ask(lambda connection: connection.execute(_LEAVE, self.daemon))

    async def close(self) -> None:
        """Close both connections."""
        self._renewing.close()
        self._looking.close()
