"""What goes for its age, in which portions, and what is left for later."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.recordings.ports import Aged, LedgerFailed, MediaAway, NotPossible
from controller.retention.clock import BelievedClock
from controller.retention.sweeper import TOGETHER, ExpiryFailed, RecordingExpired, RetentionHeld, Sweeper

NOW = 1_700_000_000.0
DAY = 86400.0


@dataclass
class Shelf:
    """Recordings by account, as their requested_at, which is also their end."""

    rows: dict[str, list[Aged]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    hanging: dict[str, asyncio.Event] = field(default_factory=dict)
    failing: list[Exception] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    largest: int = 0
    together: int = 0
    _now: int = 0

    async def newest(self) -> float | None:
        if self.failing:
            raise self.failing.pop(0)
        return None

    async def older(
        self, account: str, before: float, behind: tuple[float, str] | None, limit: int
    ) -> Sequence[Aged]:
        rows = sorted(row for row in self.rows.get(account, ()) if row.requested_at < before)
        page = [row for row in rows if behind is None or row[:2] > behind][:limit]
        self.largest = max(self.largest, len(page))
        return page

    async def delete(self, identity: str) -> object:
        self._now += 1
        self.together = max(self.together, self._now)
        try:
            await asyncio.sleep(0)
            row = next((row for rows in self.rows.values() for row in rows if row.id == identity), None)
            if row is not None and row.switch in self.hanging:
                await self.hanging[row.switch].wait()
            if identity in self.failures:
                raise self.failures[identity]
        finally:
            self._now -= 1
        for rows in self.rows.values():
            rows[:] = [row for row in rows if row.id != identity]
        self.gone.append(identity)
        return row


def aged(days: float, name: str, switch: str = "fs1") -> Aged:
    return Aged(NOW - days * DAY, name, switch)


@dataclass
class Bench:
    """A sweeper over a shelf."""

    shelf: Shelf
    sweeper: Sweeper
    events: list[object]


def bench(tmp_path: Path, shelf: Shelf, *, wall: list[float] | None = None, **changes: Any) -> Bench:
    times = wall or [NOW]
    clock = BelievedClock(tmp_path / "retention", lambda: times[0], lambda: 0.0)
    clock.begin(None)
    events: list[object] = []
    made = Sweeper({"acme": 30.0, "short": 0.5}, shelf, shelf.delete, clock, observe=events.append, **changes)
    return Bench(shelf, made, events)


async def test_each_account_keeps_for_its_own_time(tmp_path: Path) -> None:
    """What is older goes, what is younger stays; an account without a time keeps all."""
    shelf = Shelf(
        {
            "acme": [aged(31, "a"), aged(30.001, "b"), aged(29.999, "c")],
            "short": [aged(1, "d"), aged(0.4, "e")],
            "keeps": [aged(9999, "f")],
        }
    )
    one = bench(tmp_path, shelf)
    await one.sweeper.sweep()
    assert shelf.gone == ["a", "b", "d"]
    assert one.events == [
        RecordingExpired("a", "acme"),
        RecordingExpired("b", "acme"),
        RecordingExpired("d", "short"),
    ]


async def test_a_thousand_are_never_in_memory(tmp_path: Path) -> None:
    """Pages of ids, a few at a time: all of them go, each once."""
    shelf = Shelf({"acme": [aged(40 + n / 1000, f"{n:04}") for n in range(1000)]})
    one = bench(tmp_path, shelf, page=64)
    await one.sweeper.sweep()
    assert sorted(shelf.gone) == [f"{n:04}" for n in range(1000)]
    assert (shelf.largest, shelf.together) == (64, TOGETHER)


async def test_what_cannot_go_now_holds_up_nothing(tmp_path: Path) -> None:
    """Files away, a store that refuses: told, and the switch is left; a fault of one is its own. All go later."""
    switches = {"a": "1", "b": "2", "c": "3", "d": "3", "e": "3", "f": "4"}
    shelf = Shelf({"acme": [aged(40 - n, name, switch) for n, (name, switch) in enumerate(switches.items())]})
    shelf.failures = {
        "a": MediaAway("the mount is away"),
        "b": LedgerFailed("locked"),
        "c": NotPossible("it has not ended"),
        "d": ZeroDivisionError("ours"),
    }
    shelf.rows["acme"] += [aged(30.5, f"{switch}{n}", switch) for switch in "12" for n in range(50)]
    one = bench(tmp_path, shelf, page=2)
    await one.sweeper.sweep()
    assert shelf.gone == ["e", "f"]
    whys = [event.error for event in one.events if isinstance(event, ExpiryFailed)]
    assert whys == ["the mount is away", "locked", "it has not ended", "ZeroDivisionError: ours"]
    shelf.failures = {}
    await one.sweeper.sweep()
    assert len(shelf.gone) == 106


async def test_a_mount_that_hangs_costs_its_own_switch(tmp_path: Path) -> None:
    """Its deletions are left where they hang; others' go on, and its own when it answers."""
    shelf = Shelf(
        {"acme": [aged(50 - n / 10, f"dead-{n:02}", "dead") for n in range(20)] + [aged(40, "good", "good")]}
    )
    shelf.hanging["dead"] = asyncio.Event()
    one = bench(tmp_path, shelf, patience=0.01)
    await one.sweeper.sweep()
    assert shelf.gone == ["good"]
    await one.sweeper.sweep()
    assert shelf.together <= TOGETHER + 1
    shelf.hanging.pop("dead").set()
    async with asyncio.timeout(5):
        while len(shelf.gone) < 21:
            await one.sweeper.sweep()
    assert len(set(shelf.gone)) == 21


async def test_only_ones_own(tmp_path: Path) -> None:
    """Where several daemons share the rows each deletes those of the switches that it holds."""
    shelf = Shelf({"acme": [aged(40, "mine", "fs1"), aged(41, "theirs", "fs2")]})
    one = bench(tmp_path, shelf, mine=lambda switch: switch == "fs1")
    await one.sweeper.sweep()
    assert shelf.gone == ["mine"]


async def test_a_clock_that_is_not_believed_deletes_nothing(tmp_path: Path) -> None:
    """Three years ahead, all would be too old: nothing goes, why is told once and kept, until the clock is right."""
    shelf = Shelf({"acme": [aged(1, "young"), aged(31, "old")]})
    wall = [NOW - 3600]
    one = bench(tmp_path, shelf, wall=wall)
    await one.sweeper.sweep()
    assert shelf.gone == ["old"]
    wall[0] = NOW + 3 * 365 * DAY
    for _ in range(2):
        await one.sweeper.sweep()
    assert shelf.gone == ["old"]
    assert one.sweeper.problem is not None
    assert "days ahead" in one.sweeper.problem
    assert len([event for event in one.events if isinstance(event, RetentionHeld)]) == 1
    wall[0] = NOW
    await one.sweeper.sweep()
    assert one.sweeper.problem is None


async def test_it_goes_on_after_a_store_that_failed(tmp_path: Path) -> None:
    """What cannot be looked up is told, and looked up again."""
    shelf = Shelf({"acme": [aged(31, "old")]}, failing=[LedgerFailed("locked")])
    one = bench(tmp_path, shelf, look=0.0)
    running = asyncio.create_task(one.sweeper.run())
    async with asyncio.timeout(5):
        while not shelf.gone:
            await asyncio.sleep(0)
    assert [event for event in one.events if isinstance(event, RetentionHeld)] == [
        RetentionHeld("it can't be looked up: locked")
    ]
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("ended", [0, 1])
async def test_a_stop_leaves_nothing_behind(tmp_path: Path, ended: int) -> None:
    """Deletions that hang end with it."""
    shelf = Shelf({"acme": [aged(31, "old", "dead")]})
    shelf.hanging["dead"] = asyncio.Event()
    one = bench(tmp_path, shelf, patience=0.01, look=60.0)
    before = len(asyncio.all_tasks())
    running = asyncio.create_task(one.sweeper.run())
    async with asyncio.timeout(5):
        while not one.sweeper._hanging:
            await asyncio.sleep(0.005)
    if ended:
        shelf.hanging["dead"].set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(asyncio.all_tasks()) == before
