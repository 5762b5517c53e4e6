"""Hears what PostgreSQL tells (NOTIFY), over a connection of its own. Who listens must look by itself as well.

A notification says that there may be news, no more: what is missed while there is no connection is found by the next
look at the tables.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from controller.telemetry import Hook

RETRY, RETRY_CAP = 0.5, 15.0
"""Seconds between tries to connect: the first, and the most."""
LOOK = 15.0
"""Seconds between looks whether a silent connection still is one."""
ANSWER = 5.0
"""Seconds that the database is given to answer such a look."""
Connect = Callable[[], Awaitable[Any]]
"""Makes a connection of asyncpg's, in a time of its own (``PostgresDatabase.connect``)."""


@dataclass(frozen=True, slots=True)
class BellLost:
    """News come late for a while, by looks alone: the connection that tells of them is lost (telemetry)."""

    error: str


async def listen(
    connect: Connect, channel: str, ring: Callable[[str], None], *, observe: Hook = lambda _: None, look: float = LOOK
) -> None:
    """Call ``ring`` with the payload of each notification of a channel, and once with "" at each connect.

    Runs until cancelled, connecting again whenever the connection is lost.
    """
    delay = RETRY
    while True:
        try:
            connection = await connect()
            try:
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _: lost.set())  # noqa: B023 - of this very connection
                await connection.add_listener(channel, lambda *told: ring(str(told[-1])))
                ring("")
                delay = RETRY
                await _until_lost(connection, lost, look)
            finally:
                connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            observe(BellLost(f"{type(error).__name__}: {error}"))
        await asyncio.sleep(delay)
        delay = min(2 * delay, RETRY_CAP)


async def _until_lost(connection: Any, lost: asyncio.Event, look: float) -> None:
    """Watch a connection. Raises what ends it, which a silent one tells when it is asked."""
    while not lost.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(look):
                await lost.wait()
            break
        await connection.execute("SELECT 1", timeout=ANSWER)
    raise ConnectionError("the database closed the connection")
