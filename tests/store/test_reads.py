"""The threads that read, where their database is away."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from controller.store.database import Fault
from controller.store.reads import ReadThreads
from controller.store.sqlite import SqliteDatabase
from controller.store.values import StoreFailed

SLOW = 0.1


@dataclass(frozen=True, slots=True)
class Frozen(SqliteDatabase):
    """One that does not answer while it is `frozen`: each connection takes its time, then fails."""

    frozen: list[bool] = field(default_factory=lambda: [True])
    tried: list[float] = field(default_factory=list)

    def reader(self) -> Engine:
        engine = create_engine("sqlite://")

        @event.listens_for(engine, "do_connect")
        def connecting(*_: object) -> None:
            if self.frozen[0]:
                self.tried.append(time.monotonic())
                time.sleep(SLOW)
                raise OperationalError(None, None, Exception("no answer"))

        return engine

    def fault(self, error: BaseException) -> Fault:
        return Fault.LOST


async def test_what_waits_for_a_database_that_is_away_fails_together(tmp_path: Path) -> None:
    """Not one after the other, each after its own time; what comes later tries again."""
    database = Frozen(tmp_path / "x.db")
    reads = ReadThreads(database, asyncio.get_running_loop(), lambda _: None, threads=2, patience=0.0)
    waiting = [reads.submit(lambda _: 1) for _ in range(200)]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, StoreFailed) and "no answer" in str(one) for one in found)
    assert len(database.tried) <= 4
    with pytest.raises(StoreFailed):
        await reads.submit(lambda _: 1)
    database.frozen[0] = False
    assert await reads.submit(lambda _: 1) == 1
    await reads.close()
