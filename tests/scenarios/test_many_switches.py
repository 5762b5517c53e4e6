"""Many switches in one daemon: what one of them does is nobody else's matter (issue: hangs, floods, lies)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from controller.softswitch.script import Tone
from controller.switch.board import EventForged, SwitchReady
from controller.switch.link import LinkDown
from controller.telemetry import FactOrphaned
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
from tests.scenarios.daemon import Daemon, record_call
from tests.switch.peer import CORE, Conn, Peer, api, event, raw_event, reply

FOREVER = {"sleep": -1}
TALKING = (Tone(60.0),)


@contextlib.asynccontextmanager
async def served(directory: Path, receiver: Receiver, *names: str) -> AsyncIterator[tuple[Daemon, list[SoftSwitch]]]:
    """A daemon that is not running yet, with so many softswitches of those names."""
    async with contextlib.AsyncExitStack() as stack:
        switches = [await stack.enter_async_context(SoftSwitch(directory / name)) for name in names]
        daemon = Daemon(switches[0], directory, receiver)
        stack.push_async_callback(daemon.close)
        daemon.changes = {"switches": [entry(name, switch) for name, switch in zip(names, switches, strict=True)]}
        daemon.say(record_call(receiver), FOREVER)
        yield daemon, switches


def entry(name: str, switch: SoftSwitch, port: int | None = None) -> dict[str, Any]:
    """A switch as the settings say it."""
    return {
        "name": name,
        "host": switch.address.host,
        "port": switch.address.port if port is None else port,
        "password": switch.address.password,
        "switch_path": str(switch.recordings),
        "local_path": str(switch.recordings),
    }


async def ready(daemon: Daemon, *names: str) -> None:
    await daemon.until(lambda: {one.switch for one in daemon.seen(SwitchReady)} >= set(names))


@pytest_asyncio.fixture
async def good(tmp_path: Path, receiver: Receiver) -> AsyncIterator[tuple[Daemon, SoftSwitch]]:
    """A daemon that is not running yet, and the one good switch among those it will have."""
    async with served(tmp_path, receiver, "good") as (daemon, [switch]):
        yield daemon, switch


async def recorded(daemon: Daemon, switch: SoftSwitch, told: int) -> dict[str, Any]:
    """One call of a switch is recorded, beside ``told`` others that ended before; its end."""
    call = await switch.call(script=TALKING)
    await daemon.receiver.wait("/status", 2 * told + 1)
    await call.hangup()
    return (await daemon.callbacks.ends(told + 1))[told]


async def test_one_that_hangs(good: tuple[Daemon, SoftSwitch], tmp_path: Path, receiver: Receiver) -> None:
    """It takes connections and says nothing: the other is served, and it is named as what is not."""
    daemon, switch = good
    async with SoftSwitch(tmp_path / "mute") as mute:
        mute.inner.faults.mute = True
        daemon.changes = {"switches": [entry("mute", mute), entry("good", switch)]}
        await daemon.start(ready=False)
        await ready(daemon, "good")
        for told in range(3):
            assert (await recorded(daemon, switch, told))["state"] == "finished"
        assert daemon.app is not None
        assert (daemon.problems(), len(daemon.app.degraded())) == ([], 1)
        assert daemon.app.degraded()[0].startswith("switch mute: ")
        mute.inner.faults.mute = False
        await mute.cut_links()
        await ready(daemon, "mute", "good")
        assert (await recorded(daemon, mute, 3))["state"] == "finished"
    assert not [down for down in daemon.seen(LinkDown) if down.switch == "good"]


async def test_one_that_dies_and_comes_back(tmp_path: Path, receiver: Receiver) -> None:
    """Its calls and recordings end as lost, those of the other go on; it is served again."""
    async with served(tmp_path, receiver, "one", "two") as (daemon, [one, two]):
        await daemon.start()
        calls = [await switch.call(script=TALKING) for switch in (one, two, one, two)]
        await receiver.wait("/status", 4)
        await asyncio.sleep(0.5)
        await one.kill()
        await one.restart()
        lost = await daemon.callbacks.ends(2)
        assert {end["node_id"] for end in lost} == {"one"}
        assert [call.alive for call in calls[1::2]] == [True, True]
        await daemon.until(lambda: daemon.app is not None and not daemon.app.degraded())
        again = await one.call(script=TALKING)
        await receiver.wait("/status", 7)
        for call in (*calls[1::2], again):
            await call.hangup()
        ends = await daemon.callbacks.ends(5)
        assert sorted(end["node_id"] for end in ends) == ["one", "one", "one", "two", "two"]
        assert daemon.unfinished() == []


def genuine(name: str, file: str, leg: str, headers: dict[str, str]) -> bytes:
    """An event as a core writes it."""
    about = {"Unique-ID": leg, "Event-Calling-File": file, "Event-Date-Timestamp": str(round(time.time() * 1e6))}
    return raw_event(json.dumps({"Event-Name": name, "Core-UUID": CORE, **about, **headers}).encode())


async def flooding(conn: Conn) -> None:
    """Answers what it is asked, and between that sends as many events as anybody takes."""
    await conn.setup()

    async def answer() -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            while packet := await conn.packet():
                if packet.startswith("bgapi"):
                    job = packet.partition("\nJob-UUID: ")[2]
                    conn.writer.write(reply(f"+OK Job-UUID: {job}", **{"Job-UUID": job}))
                    conn.writer.write(event("BACKGROUND_JOB", Job_UUID=job, _body="+OK"))
                elif packet.startswith("api"):
                    conn.writer.write(api('{"row_count":0}\n'))
                else:
                    conn.writer.write(reply("+OK"))

    answering = asyncio.create_task(answer())
    many = genuine("CHANNEL_ANSWER", "switch_channel.c", "nobody", {"pad": "x" * 2000}) * 50
    try:
        while True:
            await conn.send(many)
            await asyncio.sleep(0)
    except ConnectionError:
        return
    finally:
        answering.cancel()


async def test_one_that_floods(good: tuple[Daemon, SoftSwitch]) -> None:
    """Events without end, as fast as they are taken: the other's calls are recorded, and its link holds."""
    daemon, switch = good
    async with Peer(flooding) as peer:
        daemon.changes = {"switches": [entry("flood", switch, peer.port), entry("good", switch)]}
        await daemon.start(ready=False)
        await ready(daemon, "good", "flood")
        for told in range(5):
            assert (await recorded(daemon, switch, told))["state"] == "finished"
        assert daemon.seen(LinkDown) == []
        await daemon.stop()


async def test_one_that_lies(good: tuple[Daemon, SoftSwitch]) -> None:
    """What a switch says of another's recordings and legs is not believed, however genuine its events look."""
    daemon, switch = good
    lies: asyncio.Queue[bytes] = asyncio.Queue()

    async def lying(conn: Conn) -> None:
        await conn.setup()
        listed = 0
        while listed < 2:
            packet = await conn.packet()
            listed += packet.startswith("api show channels")
            await conn.send(api('{"row_count":0}\n'))
        while True:
            await conn.send(await lies.get())

    async with Peer(lying) as peer:
        daemon.changes = {"switches": [entry("liar", switch, peer.port), entry("good", switch)]}
        await daemon.start(ready=False)
        await ready(daemon, "good", "liar")
        call = await switch.call(script=TALKING)
        began = await daemon.callbacks.wait("recording")
        identity, path = began["recording_id"], str(switch.recordings / f"{began['recording_id']}.wav")
        for name, file, headers in (
            (
                "RECORD_STOP",
                "switch_ivr_async.c",
                {"Record-File-Path": path, "Recording-Variable-fsrec_recording": identity.replace("-", "")},
            ),
            (
                "CHANNEL_EXECUTE_COMPLETE",
                "switch_core_session.c",
                {"Application": "record_session", "Application-UUID": identity},
            ),
            (
                "MEDIA_BUG_START",
                "switch_core_media_bug.c",
                {"Unique-ID": identity, "Media-Bug-Function": "session_record", "Media-Bug-Target": path},
            ),
            ("CHANNEL_HANGUP", "switch_channel.c", {"Hangup-Cause": "LIE"}),
            ("CHANNEL_HANGUP_COMPLETE", "switch_core_state_machine.c", {"Hangup-Cause": "LIE"}),
        ):
            lies.put_nowait(genuine(name, file, call.leg, headers))
        await daemon.until(lambda: bool([one for one in daemon.seen(FactOrphaned) if one.switch == "liar"]))
        await asyncio.sleep(0.5)
        assert daemon.seen(EventForged) == []
        assert call.alive
        assert daemon.callbacks.states() == ["recording"]
        assert (await daemon.command(began["call_id"], "calling.record.stop", control_id="rec"))[0] == 200
        await daemon.callbacks.wait("finished")
        await call.hangup()
        await daemon.stop()
