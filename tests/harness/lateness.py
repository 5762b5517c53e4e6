"""How late this process was: what other work makes of a clock that the tests share with the softswitch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

EVERY = 0.01


@dataclass(slots=True)
class Lateness:
    """``worst`` is by how many seconds the event loop was late at most."""

    worst: float = 0.0


@contextlib.asynccontextmanager
async def lateness() -> AsyncIterator[Lateness]:
    """Look meanwhile."""
    late, loop = Lateness(), asyncio.get_running_loop()

    async def look() -> None:
        while True:
            due = loop.time() + EVERY
            await asyncio.sleep(EVERY)
            late.worst = max(late.worst, loop.time() - due)

    looking = asyncio.create_task(look())
    try:
        yield late
    finally:
        looking.cancel()
