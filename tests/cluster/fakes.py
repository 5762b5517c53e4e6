"""A table of leases and the duties of daemons, in memory; the daemons' clock is the (virtual) loop's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass, field

from controller.cluster.keeper import LeaseKeeper, LeaseTerms
from controller.recordings.ports import LedgerFailed
from controller.store.leases import Sight, Standing


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Table:
    """What all daemons share."""

    leases: dict[str, tuple[str | None, int, float]] = field(default_factory=dict)
    daemons: dict[str, float] = field(default_factory=dict)
    lasts: float = 8.0
    set_by: float = 0.0

    def clock(self) -> float:
        """The database's, which may be set."""
        return now() + self.set_by


@dataclass
class TableLeases:
    """`cluster.ports.Leases`; `away` refuses, `hung` keeps whoever renews waiting, what is `stuck` is not taken."""

    table: Table
    daemon: str
    away: bool = False
    slow: float = 0.0
    hung: asyncio.Event | None = None
    stuck: Collection[str] = ()
    asked: list[str] = field(default_factory=list)

    async def _pass(self, what: str) -> None:
        self.asked.append(what)
        await asyncio.sleep(self.slow)
        if self.away:
            raise LedgerFailed("the database is away")

    async def renew(self, held: Mapping[str, int]) -> Collection[str]:
        await self._pass("renew")
        self.table.daemons[self.daemon] = now() + self.table.lasts
        kept = [name for name, epoch in held.items() if self.table.leases[name][:2] == (self.daemon, epoch)]
        for name in kept:
            self.table.leases[name] = (self.daemon, held[name], self.table.clock() + self.table.lasts)
        if self.hung is not None:
            await self.hung.wait()
        return kept

    async def look(self, switches: Collection[str]) -> Sight:
        await self._pass("look")
        for switch in switches:
            self.table.leases.setdefault(switch, (None, 0, self.table.clock()))
        leases = {name: Standing(*row) for name, row in self.table.leases.items()}
        valid = [name for name, row in leases.items() if row.expires_at > self.table.clock()]
        return Sight(leases, valid, sum(until > now() for until in self.table.daemons.values()))

    async def take(self, switch: str, seen: Standing) -> int | None:
        await self._pass(f"take {switch}")
        if switch in self.stuck:
            raise LedgerFailed("its row is locked")
        if Standing(*self.table.leases[switch]) != seen:
            return None
        self.table.leases[switch] = (self.daemon, seen.epoch + 1, self.table.clock() + self.table.lasts)
        return seen.epoch + 1

    async def give_back(self, held: Mapping[str, int]) -> None:
        await self._pass("give_back")
        for switch, epoch in held.items():
            if self.table.leases[switch][:2] == (self.daemon, epoch):
                self.table.leases[switch] = (None, epoch, self.table.clock())

    async def give_back_all(self) -> None:
        await self.give_back({name: row[1] for name, row in self.table.leases.items() if row[0] == self.daemon})

    async def leave(self) -> None:
        self.table.daemons.pop(self.daemon, None)

    async def close(self) -> None:
        self.asked.append("close")


@dataclass
class Log:
    """`cluster.ports.Duties`: what was begun and let go, with the time since the loop's beginning."""

    serving: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    given_up: list[str] = field(default_factory=list)
    ends: float = 0.0
    lapses: int = 0

    async def begin(self, switch: str) -> None:
        await asyncio.sleep(0)
        if self.failing:
            raise self.failing.pop(0)
        self.serving.add(switch)
        self.told.append(f"begin {switch}")

    def let_go(self, switch: str, reason: str) -> Awaitable[None]:
        self.serving.discard(switch)
        self.told.append(f"let go {switch}: {reason}")
        return asyncio.sleep(self.ends)

    def lapsed(self) -> None:
        self.lapses += 1

    async def flush(self) -> None:
        self.told.append("flush")

    async def removed(self) -> Collection[str]:
        return set(self.gone)

    async def give_up(self, switch: str) -> None:
        self.given_up.append(switch)


class Daemon:
    """A keeper that runs, its rows and duties."""

    def __init__(self, table: Table, name: str, switches: Collection[str], terms: LeaseTerms | None = None) -> None:
        self.rows = TableLeases(table, name)
        self.duties = Log()
        self.seen: list[object] = []
        self.frozen: float | None = None
        self.keeper = LeaseKeeper(
            name,
            switches,
            self.rows,
            self.duties,
            self.seen.append,
            terms or LeaseTerms(lasts=table.lasts),
            clock=now,
        )
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> Daemon:
        await self.keeper.start()
        self.task = asyncio.create_task(self.keeper.run())
        return self

    async def kill(self) -> None:
        """As kill -9: its rows stay as they are."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def stop(self) -> None:
        """In order."""
        await self.kill()
        await self.keeper.close()
        await self.keeper.leave()
