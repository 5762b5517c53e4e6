"""controller/media/encoders.py: processes that crash, hang or babble hurt their own job only."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from controller.media import wav
from controller.media.encoders import EncoderLost, Encoders, Unencodable
from controller.media.job import Job
from controller.recordings.ports import MediaAway

PRELUDE = """
import json, os, sys, time
from pathlib import Path
job = json.loads(sys.stdin.readline())
diary = Path(job["source"])
with diary.open("a") as file:
    file.write(f"{os.getpid()}\\n")
attempt = len(diary.read_text().split())
def say(**message):
    print(json.dumps(message), flush=True)
"""


@dataclass(slots=True)
class World:
    """Encoders whose processes run a script of the test's."""

    base: Path
    events: list[EncoderLost] = field(default_factory=list)
    made: list[Encoders] = field(default_factory=list)

    def encoders(self, script: str, **options: Any) -> Encoders:
        """Encoders that run `script` instead; it has `say`, `job`, and `attempt`, counted from 1."""
        command = (sys.executable, "-c", PRELUDE + script)
        made = Encoders(**{"command": command, "observe": self.events.append, **options})
        self.made.append(made)
        return made

    def job(self, name: str = "diary") -> Job:
        """A job whose source is a diary of the processes that it had."""
        return Job(str(self.base / name), str(self.base / "x.mp3"), "mp3", 1)

    def pids(self, name: str = "diary") -> list[int]:
        """The processes so far."""
        path = self.base / name
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    async def until(self, name: str = "diary", count: int = 1) -> None:
        """Wait for a number of processes."""
        async with asyncio.timeout(10):
            while len(self.pids(name)) < count:
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A directory, and the end of all that was made."""
    made = World(tmp_path)
    yield made
    for encoders in made.made:
        await encoders.close()


def alive(pid: int) -> bool:
    """Whether a process is there (a zombie isn't)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_the_real_thing(tmp_path: Path) -> None:
    """The command that is the default encodes, from any directory and whatever is importable here."""
    (tmp_path / "x.wav").write_bytes(wav.header(8000, 1, 800) + bytes(1600))
    encoders = Encoders()
    size = await encoders.encode("r", Job(str(tmp_path / "x.wav"), str(tmp_path / "x.mp3"), "mp3", 800))
    await encoders.close()
    assert size == (tmp_path / "x.mp3").stat().st_size > 100


async def test_progress_then_a_size(world: World) -> None:
    """Progress is not mistaken for the end."""
    assert await world.encoders("say(frames=1); say(frames=2); say(size=7)").encode("r", world.job()) == 7
    assert world.events == []


LOST: list[tuple[str, str]] = [
    ("os.kill(os.getpid(), 11)", "was killed by SIGSEGV"),
    ("os.kill(os.getpid(), 40)", "was killed by signal 40"),
    ("sys.exit(3)", "ended with status 3"),
    ("say(frames=1); sys.exit(0)", "ended with status 0"),
    ("print('{', flush=True)", "said what can't be read"),
    ("print('x' * 1_000_000, flush=True)", "said what can't be read"),
]


@pytest.mark.parametrize(("script", "why"), LOST, ids=[row[0][:30] for row in LOST])
async def test_a_process_that_crashes(world: World, script: str, why: str) -> None:
    """It is tried three times, each loss is told, and then it can't be encoded."""
    with pytest.raises(Unencodable, match=f"the process that encodes it {why}.*, 3 times"):
        await world.encoders(script).encode("r", world.job())
    assert len(world.pids()) == 3
    assert [(lost.recording, lost.attempt) for lost in world.events] == [("r", 1), ("r", 2), ("r", 3)]
    assert all(lost.reason.startswith(why) for lost in world.events)


async def test_a_crash_that_passes(world: World) -> None:
    """One that gets through at the third try is as good as any."""
    script = "os.kill(os.getpid(), 9) if attempt < 3 else say(size=5)"
    assert await world.encoders(script).encode("r", world.job()) == 5
    assert [lost.reason for lost in world.events] == ["was killed by SIGKILL"] * 2


async def test_a_process_that_hangs(world: World) -> None:
    """One that doesn't get on is killed, and not left behind."""
    encoders = world.encoders("say(frames=1)\nwhile True: time.sleep(60)", stall=0.4, tries=2)
    with pytest.raises(Unencodable, match=r"did not get on for 0\.4 s, 2 times"):
        await encoders.encode("r", world.job())
    await encoders.close()
    assert [lost.attempt for lost in world.events] == [1, 2]
    assert not any(alive(pid) for pid in world.pids())


async def test_a_slow_process_is_not_hung(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is progress: each line has the whole stall anew, so a job may take much longer."""
    limits: list[float | None] = []
    timeout = asyncio.timeout

    def watched(delay: float | None) -> asyncio.Timeout:
        limits.append(delay)
        return timeout(delay)

    monkeypatch.setattr(asyncio, "timeout", watched)
    encoders = world.encoders("for n in range(3):\n    say(frames=n)\nsay(size=1)", stall=45.0)
    assert await encoders.encode("r", world.job()) == 1
    assert limits == [45.0] * 4


FAULTS: list[tuple[str, type[Exception], str]] = [
    ("say(failed='gone', fault='source')", wav.ReadError, "gone"),
    ("say(failed='no room', fault='target')", MediaAway, "it can't be encoded now: no room"),
    ("say(failed='3 channels', fault='encoder')", Unencodable, "3 channels"),
]


@pytest.mark.parametrize(("script", "kind", "why"), FAULTS, ids=[row[0] for row in FAULTS])
async def test_whose_fault_it_is(world: World, script: str, kind: type[Exception], why: str) -> None:
    """What a process says of itself is believed and not tried again here."""
    with pytest.raises(kind, match=why):
        await world.encoders(script).encode("r", world.job())
    assert len(world.pids()) == 1
    assert world.events == []


async def test_no_process_to_be_had(world: World) -> None:
    """Where none can be started that is this machine's fault: the recording waits."""
    with pytest.raises(MediaAway, match="no process can be started to encode: No such file"):
        await world.encoders("", command=("/nonexistent/python",)).encode("r", world.job())


async def test_only_so_many_at_a_time(world: World) -> None:
    """More files than workers wait for their turn, and a crash of one is nothing to the others."""
    go_on = world.base / "go on"
    script = f"while not os.path.exists({str(go_on)!r}): time.sleep(0.01)\nsay(size=attempt)"
    encoders = world.encoders(script, workers=2)
    jobs = [asyncio.create_task(encoders.encode("r", world.job(f"diary{number}"))) for number in range(5)]
    await world.until("diary0")
    await world.until("diary1")
    os.kill(world.pids("diary0")[0], 9)
    await world.until("diary0", 2)
    begun = sum(bool(world.pids(f"diary{number}")) for number in range(5))
    assert begun == 2
    go_on.touch()
    assert await asyncio.gather(*jobs) == [2, 1, 1, 1, 1]


async def test_a_job_that_is_cancelled(world: World) -> None:
    """Its process is killed at once, those that wait for a turn never begin, and close waits for the end."""
    encoders = world.encoders("while True: time.sleep(60)", workers=1)
    jobs = [asyncio.create_task(encoders.encode("r", world.job(f"diary{number}"))) for number in range(2)]
    await world.until("diary0")
    for job in jobs:
        job.cancel()
    assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*jobs, return_exceptions=True))
    await encoders.close()
    assert not alive(world.pids("diary0")[0])
    assert world.pids("diary1") == []


STARTED = """
import os, sys
with open({started!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
"""


def prepared(world: World) -> Encoders:
    """Encoders that have a process ready for the next job; each writes itself down as it begins, in "started"."""
    command = (sys.executable, "-c", STARTED.format(started=str(world.base / "started")) + PRELUDE + "say(size=7)")
    return world.encoders("", command=command, ready=True)


async def test_the_next_process_is_ready(world: World) -> None:
    """None before the first job; after each, one that has none yet, which does the next; close ends it."""
    encoders = prepared(world)
    assert world.pids("started") == []
    for count in (1, 2, 3):
        assert await encoders.encode("r", world.job()) == 7
        await world.until("started", count + 1)
        assert world.pids() == world.pids("started")[:count]
    idle = world.pids("started")[-1]
    assert alive(idle)
    await encoders.close()
    assert not alive(idle)
    assert world.events == []


async def test_a_ready_process_that_is_gone(world: World) -> None:
    """Whatever became of it while it had nothing to do, the next file is encoded."""
    encoders = prepared(world)
    assert await encoders.encode("r", world.job()) == 7
    await world.until("started", 2)
    os.kill(world.pids("started")[-1], 9)
    assert await encoders.encode("r", world.job()) == 7


async def test_no_process_to_be_had_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none can be started to be ready, that is nothing to the job before, and the next one tries for itself."""
    encoders = prepared(world)
    start, starts = asyncio.create_subprocess_exec, 0

    async def once_not(*words: Any, **options: Any) -> Any:
        nonlocal starts
        starts += 1
        if starts == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return await start(*words, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", once_not)
    for _ in range(2):
        assert await encoders.encode("r", world.job()) == 7
    assert len(world.pids()) == 2
    await encoders.close()
    assert starts >= 3
