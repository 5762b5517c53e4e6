"""A real FreeSWITCH, killed and started again amid running recordings: the last second of each is lost, no more."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from controller.softswitch.script import Tone
from tests.faults.audio import audio_of
from tests.faults.documents import document
from tests.faults.evidence import Audio
from tests.faults.judge import LAST
from tests.faults.plan import CallPlan
from tests.faults.run import accounts
from tests.faults.told import Told, told_of
from tests.harness.esl import connected
from tests.harness.live import LiveSwitch
from tests.harness.receiver import Receiver
from tests.scenarios.daemon import Daemon

ROUNDS = 4
SEED = 6

PLAIN = CallPlan(
    at=0.0,
    number=1000,
    kind="swml_end",
    length=100.0,
    speech=100.0,
    key="",
    hangup=None,
    receiver=0,
    form="wav",
    stereo=False,
    behavior="skip",
)
CALLS = (
    PLAIN,
    replace(PLAIN, number=1001, stereo=True),
    replace(PLAIN, number=1002, kind="swml_two"),
    replace(PLAIN, number=1003, kind="twiml_start"),
    replace(PLAIN, number=1004, kind="twiml_start", stereo=True),
    replace(PLAIN, number=1005, kind="plivo_session", stereo=True),
    replace(PLAIN, number=1006, kind="plivo_record"),
)
"""Two of each are up at a kill, the second of which began at a moment of its own."""


@pytest_asyncio.fixture
async def daemon(live: LiveSwitch, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon that is not running yet, with a route and a document for each of the calls."""
    made = Daemon(live, tmp_path, receiver)
    routes = []
    for call in CALLS:
        written = document(call, receiver.url(""))
        (tmp_path / written.name).write_text(written.text)
        routes.append(
            {"destination": f"^{call.number}$", "account": written.account, "document": str(tmp_path / written.name)}
        )
    made.changes = {"accounts": accounts(), "routes": routes}
    try:
        yield made
    finally:
        await made.close()


def tellings(receiver: Receiver) -> list[Told]:
    """What was told of recordings, each delivery once."""
    seen = {
        request.header("webhook-id"): told_of(request.path, request.header("Content-Type") or "", request.body)
        for request in receiver.requests
    }
    return [told for told in seen.values() if told is not None]


async def fetched(url: str) -> Audio | None:
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        return audio_of(await response.read()) if response.status == 200 else None


def living_calls(daemon: Daemon) -> int:
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        return int(store.execute("SELECT count(*) FROM calls WHERE live_on IS NOT NULL").fetchone()[0])


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_a_switch_that_is_killed_again_and_again(daemon: Daemon, live: LiveSwitch) -> None:
    """Each kill takes the last second of what ran, at most: the rest is told, served and true; every call ends."""
    chance = random.Random(SEED)  # noqa: S311 - moments, no secret
    lived: dict[str, float] = {}
    await daemon.start()
    for round_ in range(ROUNDS):
        began: dict[str, float] = {}
        async with connected(live.direct, "RECORD_START") as esl:
            with esl.watch() as watch:
                for again in range(2):
                    for call in CALLS:
                        await live.call(str(call.number), (Tone(100.0),))
                        await asyncio.sleep(chance.uniform(0.0, 0.2) * again)
                wanted = 2 * (len(CALLS) + 1)
                async with asyncio.timeout(20):
                    while len(watch.events) < wanted:
                        await asyncio.sleep(0.02)
                await asyncio.sleep(chance.uniform(0.2, 4.0))
                killed = time.time()
                await live.kill()
                for event in watch.events:
                    began[Path(event["Record-File-Path"]).stem] = int(event["Event-Date-Timestamp"]) / 1e6
        lived |= {recording: killed - at for recording, at in began.items()}
        await asyncio.sleep(chance.uniform(0.0, 2.0))
        await live.restart()
        async with asyncio.timeout(30):
            while not lived.keys() <= {told.recording for told in tellings(daemon.receiver) if told.final}:
                await asyncio.sleep(0.05)
        await daemon.until(lambda: not daemon.problems())
        assert living_calls(daemon) == 0, f"round {round_}"
    assert daemon.unfinished() == []
    ends = [told for told in tellings(daemon.receiver) if told.final]
    assert sorted(told.recording for told in ends) == sorted(lived)
    lost = []
    for told in ends:
        assert told.state == "completed"
        sound = await fetched(told.url)
        assert sound is not None
        assert told.seconds is not None
        assert abs(sound.seconds - told.seconds) <= told.exact + 0.001
        assert told.size in {None, sound.size}
        lost.append(lived[told.recording] - sound.seconds)
    assert min(lost) > -0.1
    assert max(lost) < LAST
