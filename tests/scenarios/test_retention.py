"""Recordings that are older than their account keeps them go: files at once, what is known of them never."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.recordings.ports import Aged
from controller.retention.sweeper import Expired
from controller.softswitch.script import Tone
from controller.telemetry import RecordingFinished
from tests.harness.receiver import Answer
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call
from tests.scenarios.rest import LAML, Api, accounts

SECOND = 1 / 86400
TALK = (Tone(60.0),)


def keep(daemon: Daemon, days: float | None) -> None:
    """Have the account keep its recordings so long."""
    laml, twilio = accounts()
    daemon.changes["accounts"] = [{**laml, "retention_days": days}, twilio]


def rows(daemon: Daemon) -> list[tuple[str, str, float | None]]:
    """Id, state and time of deletion of every recording."""
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        return store.execute("SELECT id, state, deleted_at FROM recordings ORDER BY requested_at").fetchall()


def gone(daemon: Daemon) -> int:
    return sum(deleted is not None for _, _, deleted in rows(daemon))


@dataclass
class Looks:
    """Notes how many each of the first three sweeps found."""

    inner: Expired
    found: list[int] = field(default_factory=list)

    async def newest(self) -> float | None:
        return await self.inner.newest()

    async def older(self, *wanted: Any) -> Sequence[Aged]:
        page = await self.inner.older(*wanted)
        if len(self.found) < 3:
            self.found.append(len(page))
        return page


async def recorded(daemon: Daemon, switch: Switch, callbacks: Callbacks, count: int) -> list[dict[str, Any]]:
    calls = [await switch.call(script=TALK) for _ in range(count)]
    ends = await callbacks.ends(count)
    for call in calls:
        await call.ended()
    return ends


async def test_an_old_recording_goes(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Master, derivative and URL go, the callback had come before; its row stays and says when."""
    daemon.say(
        {"answer": {}}, record_call(daemon.receiver, format="mp3"), {"sleep": 500}, {"stop_record_call": {}},
        {"sleep": 300}, {"hangup": {}},
    )  # fmt: skip
    keep(daemon, 2 * SECOND)
    daemon.options["look_at_age"] = 0.1
    await daemon.start()
    (end,) = await recorded(daemon, switch, callbacks, 1)
    await daemon.until(lambda: gone(daemon) == 1)
    assert [(name, state) for name, state, _ in rows(daemon)] == [(end["recording_id"], "completed")]

    def kept() -> list[Path]:
        places = switch.recordings, daemon.data / "media"
        return [path for place in places for path in place.rglob(f"{end['recording_id']}*")]

    await daemon.until(lambda: not kept())
    assert await daemon.fetch(end["url"], daemon.directory / "got") == 404
    listed = await Api(daemon, LAML).ask("GET", "/Recordings.json")
    assert listed.json["recordings"] == []
    assert callbacks.states() == ["recording", "finished"]


async def test_what_is_still_to_be_told_is_kept(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """A receiver that hangs will yet fetch it: it stays while its callback is due, and goes once that is told."""
    daemon.receiver.plan("/status", Answer(hang=True))
    daemon.say(record_call(daemon.receiver), {"sleep": 300}, {"hangup": {}})
    keep(daemon, None)
    await daemon.start()
    await (await switch.call(script=TALK)).ended()
    await daemon.until(lambda: bool(daemon.seen(RecordingFinished)))
    await daemon.stop()
    keep(daemon, SECOND)
    daemon.options["look_at_age"] = 0.1
    await daemon.start()
    await daemon.until(lambda: rows(daemon)[0][1] == "completed")
    assert daemon.app is not None
    looks = Looks(daemon.app.retention.expired)
    daemon.app.retention.expired = looks
    await daemon.until(lambda: looks.found == [0, 0, 0])
    assert gone(daemon) == 0
    await daemon.stop()
    daemon.receiver.plan("/status", 200)
    await daemon.start()
    await daemon.until(daemon.quiet)
    await daemon.until(lambda: gone(daemon) == 1)


async def test_a_kill_in_the_midst_of_it(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """kill -9 while it deletes: a recording is there, or its row says that it is not; the rest follows."""
    daemon.say(record_call(daemon.receiver), {"sleep": 200}, {"hangup": {}})
    keep(daemon, None)
    await daemon.start()
    count = 24
    await recorded(daemon, switch, callbacks, count)
    await daemon.until(daemon.quiet)
    await daemon.stop()
    keep(daemon, SECOND)
    while gone(daemon) < count:
        await daemon.spawn()
        before = gone(daemon)

        def went(before: int = before) -> bool:
            return gone(daemon) > before or gone(daemon) == count

        await daemon.until(went, 75)  # what can't be deleted now is tried a minute later
        await daemon.kill()
        there = {path.stem for path in switch.recordings.glob("*.wav")}
        assert {name for name, _, deleted in rows(daemon) if deleted is None} <= there
    await daemon.spawn()
    await daemon.until(lambda: list(switch.recordings.glob("*.wav")) == [])
    assert [state for _, state, _ in rows(daemon)] == ["completed"] * count
    assert list((daemon.data / "media" / "clearing").glob("*")) == []


async def test_a_switch_whose_clock_is_behind(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Its recordings are as old as they are, not as its clock says: none goes on the day that it was made."""
    daemon.say(record_call(daemon.receiver), {"sleep": 300}, {"hangup": {}})
    keep(daemon, 30.0)
    daemon.options = {"look_at_age": 0.1, "clock": lambda: time.time() + 40 * 86400}
    await daemon.start()
    await recorded(daemon, switch, callbacks, 1)
    await daemon.until(daemon.quiet)
    assert daemon.app is not None
    looks = Looks(daemon.app.retention.expired)
    daemon.app.retention.expired = looks
    await daemon.until(lambda: len(looks.found) == 3)
    assert (gone(daemon), len(rows(daemon))) == (0, 1)
