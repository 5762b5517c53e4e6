"""What operators are told of what a daemon has in memory; scenarios/test_operators.py asks whole ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from controller.console.ports import Viewer
from controller.operator_desk import OperatorDesk
from controller.recordings.model import Recording, State
from controller.store import Store, open_store
from controller.switch.board import LinkStatus
from controller.telemetry import RecordingChanged, RecordingFinished
from tests.store.values import recording

NOW = 5000.0
CHANGED = RecordingChanged("r", "c", "swml", "requested", "recording", "Started")


@dataclass
class Daemon:
    """The rooms around: one switch, whose clock stands still, and what is in memory."""

    memory: dict[str, Recording] = field(default_factory=dict)
    link: LinkStatus = field(default_factory=lambda: LinkStatus("serving", core_uuid="core"))
    held: bool = True
    elsewhere: dict[str, str] = field(default_factory=dict)
    unheld: dict[str, str] = field(default_factory=dict)

    def get(self, identity: str) -> Recording | None:
        return self.memory.get(identity)

    def writing(self, _switch: str) -> list[Recording]:
        return [one for one in self.memory.values() if one.state.active]

    def now(self, _switch: str) -> float:
        return NOW

    def status(self, _switch: str) -> LinkStatus:
        return self.link

    def holds(self, _switch: str) -> bool:
        return self.held

    def unserved(self) -> dict[str, str]:
        return self.unheld

    def by_switch(self) -> dict[str, int]:
        return {"fs1": 2}

    def free(self) -> dict[str, float]:
        return {"fs1": 7.0}


@dataclass
class World:
    """A desk, what surrounds it, and its store."""

    desk: OperatorDesk
    daemon: Daemon
    store: Store

    async def save(self, *made: Recording) -> None:
        def work(transaction: Any) -> None:
            for one in made:
                transaction.save_recording(one)

        await self.store.write(work)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store, daemon = await open_store(tmp_path / "a.db"), Daemon()
    room = cast("Any", daemon)
    desk = OperatorDesk(["fs1"], room, room, room, store, room, room, room, room, lambda: ["a"], lambda: ["b"])
    yield World(desk, daemon, store)
    desk.close()
    await store.close()


async def test_what_is_in_memory_is_newer(world: World) -> None:
    """A recording is shown as it is now; one that has just ended is shown no more, and not counted."""
    newer, over, elsewhere = (recording(requested_at=float(at)) for at in (1, 2, 3))
    await world.save(newer, over, elsewhere, recording(state=State.COMPLETED))
    now = replace(newer, state=State.RECORDING, started_at=NOW - 2, revision=1)
    world.daemon.memory = {newer.id: now, over.id: replace(over, state=State.FAILED, revision=1)}
    live = await world.desk.live(Viewer(), 10)
    assert live.total == 2
    assert [(one.recording, one.elapsed) for one in live.running] == [(elsewhere, None), (now, 2.0)]
    assert [one.recording for one in (await world.desk.live(Viewer(), 1)).running] == [elsewhere]


@pytest.mark.parametrize(
    ("state", "started_at", "ended_at", "elapsed"),
    [
        (State.REQUESTED, None, None, None),
        (State.RECORDING, NOW - 3, None, 3.0),
        (State.RECORDING, NOW + 1, None, 0.0),
        (State.PROCESSING, NOW - 9, NOW - 5, 4.0),
        (State.PROCESSING, None, NOW - 5, None),
    ],
)
async def test_for_how_long_it_has_run(
    world: World, state: State, started_at: float | None, ended_at: float | None, elapsed: float | None
) -> None:
    """By its switch's clock, and no longer once it has ended; a clock that is behind makes no time less than none."""
    await world.save(recording(state=state, started_at=started_at, ended_at=ended_at))
    [running] = (await world.desk.live(Viewer(), 1)).running
    assert running.elapsed == elapsed


def test_whoever_subscribed_hears_of_changes_of_state(world: World) -> None:
    """Each of them, of nothing else, and until it has had enough: also where that is while it is told."""
    heard: list[str] = []

    def once() -> None:
        heard.append("once")
        stop_once()

    stop_once, stop = world.desk.subscribe(once), world.desk.subscribe(lambda: heard.append("all"))
    for _ in range(2):
        world.desk.observe(CHANGED)
    world.desk.observe(RecordingFinished("r", "c", "swml", "completed", "api", 1.0, 44))
    stop()
    world.desk.observe(CHANGED)
    assert heard == ["once", "all", "all"]


async def test_the_health_of_a_switch(world: World) -> None:
    """As its link is, unless another daemon has it, or none."""

    async def status() -> tuple[str, str, str]:
        health = await world.desk.health()
        assert (health.problems, health.degraded) == (("a",), ("b",))
        [one] = health.switches
        assert (one.name, one.calls, one.recordings, one.free) == ("fs1", 2, 0, 7)
        return one.state, one.why, one.holder

    daemon = world.daemon
    assert await status() == ("serving", "", "")
    daemon.link = LinkStatus("refused", "its password")
    assert await status() == ("refused", "its password", "")
    daemon.link, daemon.held = LinkStatus("detached"), False
    assert await status() == ("away", "no daemon serves it", "")
    daemon.unheld = {"fs1": "its lease is free"}
    assert await status() == ("away", "its lease is free", "")
    daemon.elsewhere = {"fs1": "d2"}
    assert await status() == ("elsewhere", "another daemon serves it: d2", "d2")
    daemon.held = True  # taken since the others were looked at
    daemon.link = LinkStatus("reconciling", "soon")
    assert await status() == ("reconciling", "soon", "")
