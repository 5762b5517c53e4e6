"""What is refused, missing, full, away or wrong: a clear error or a true final state, nothing lost, nothing hung."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from controller.calls.desk import CallDesk
from controller.calls.events import CallFailed, CallTurnedAway, DocumentRefused
from controller.softswitch.script import Tone
from controller.switch.board import SwitchRefused
from controller.switch.link import LinkDown, LinkRefused, SwitchAddress
from controller.telemetry import LedgerStalled
from controller.webhooks import schedule
from tests.harness import command
from tests.harness.absent import absent
from tests.harness.audio import read_wav
from tests.harness.esl import Address
from tests.harness.proxy import Proxy
from tests.harness.receiver import Answer, Receiver
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call, swml

FOREVER = {"sleep": -1}
BUSY = {"hangup": {"reason": "busy"}}
LONG = (Tone(30.0),)
TEMPORARY = "NORMAL_TEMPORARY_FAILURE"


# What the scenarios stand on


def entry(daemon: Daemon, address: Address | None = None, **changes: Any) -> dict[str, Any]:
    """The settings of the daemon's switch, at another address or otherwise changed."""
    made: dict[str, Any] = {**daemon.raw()["switches"][0]}
    if address is not None:
        made |= {"host": address.host, "port": address.port, "password": address.password}
    return {**made, **changes}


async def run_to_its_end(daemon: Daemon) -> command.Finished:
    """`fsrec run`, which must end by itself."""
    config = daemon.directory / "fsrec.yaml"
    config.write_text(yaml.safe_dump(daemon.raw()))
    return await command.fsrec("run", "--config", config)


async def get(daemon: Daemon, path: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as client, client.get(f"{daemon.url}{path}") as response:
        return response.status, await response.json()


class Door(Proxy):
    """A proxy that counts who came."""

    def __init__(self, address: Address) -> None:
        super().__init__(address.host, address.port)
        self.came = 0
        self.password = address.password

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port, self.password)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        await super()._serve(reader, writer)

    async def away(self) -> None:
        """Nobody is let in any more, and who is in is thrown out."""
        self.refusing = True
        await self.cut()

    def back(self) -> None:
        self.refusing = False


@contextlib.asynccontextmanager
async def door(daemon: Daemon) -> AsyncIterator[Door]:
    """Stands between the daemon and its switch; closed when it is entered."""
    made = Door(daemon.switch.direct)
    made.refusing = True
    await made.start()
    daemon.changes["switches"] = [entry(daemon, made.address)]
    try:
        yield made
    finally:
        await daemon.close()
        await made.stop()


@contextlib.asynccontextmanager
async def refusing(switch: Switch, why: str) -> AsyncIterator[Address]:
    """An address where the switch refuses us for this reason."""
    if why == "password":
        yield Address(switch.address.host, switch.address.port, "not-the-password")
    elif isinstance(switch, SoftSwitch):
        switch.inner.acl_refuses = True
        yield switch.address
    else:
        stranger = Proxy(switch.direct.host, switch.direct.port, source="127.0.0.2")
        await stranger.start()
        try:
            yield Address("127.0.0.1", stranger.port, switch.direct.password)
        finally:
            await stranger.stop()


@dataclass(frozen=True, slots=True)
class Told:
    """A delivery as the store has it; `attempts` are (status, error) in their order."""

    control_id: str
    state: str
    reason: str
    attempts: tuple[tuple[int | None, str | None], ...]


def deliveries(daemon: Daemon) -> list[Told]:
    """All deliveries, in the order of their notices."""
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        rows = store.execute(
            "SELECT d.id, r.reference, d.state, coalesce(d.reason, '') FROM deliveries d"
            " JOIN recordings r ON r.id = d.subject ORDER BY d.created_at, d.sequence"
        ).fetchall()
        return [
            Told(
                reference,
                state,
                reason,
                tuple(
                    store.execute("SELECT status, error FROM attempts WHERE delivery = ? ORDER BY id", (identity,))
                ),
            )
            for identity, reference, state, reason in rows
        ]


def of(daemon: Daemon, control_id: str) -> list[Told]:
    return [told for told in deliveries(daemon) if told.control_id == control_id]


# The switch refuses us

WHYS = {"password": ("refused the password", "event_socket.conf.xml"), "acl": ("refused", "apply-inbound-acl")}


@pytest.mark.parametrize("why", list(WHYS))
async def test_a_refusal_ends_the_daemon_with_the_fix(daemon: Daemon, switch: Switch, why: str) -> None:
    """`fsrec run` ends with 78; it names the switch and what to change there, and not the password."""
    async with refusing(switch, why) as address:
        daemon.changes["switches"] = [entry(daemon, address)]
        finished = await run_to_its_end(daemon)
    assert finished.code == 78, finished.text
    *_, last = finished.text.splitlines()
    for words in ("switch fs1", f"{address.host}:{address.port}", *WHYS[why]):
        assert words in last
    assert address.password not in finished.text
    assert "Traceback" not in finished.text


@pytest.mark.parametrize("why", list(WHYS))
async def test_one_switch_that_refuses_leaves_the_other_served(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, why: str
) -> None:
    """The refusal is told, once and by /readyz; the other switch's calls are recorded meanwhile."""
    daemon.say(record_call(daemon.receiver), {"sleep": 200}, {"hangup": {}})
    async with SoftSwitch(tmp_path / "refusing") as other, refusing(other, why) as address:
        daemon.changes["switches"] = [entry(daemon), entry(daemon, address, name="fs2")]
        await daemon.start(ready=False)
        assert daemon.app is not None
        degraded = daemon.app.degraded
        await daemon.until(lambda: not daemon.problems() and len(degraded()) == 1 and "refused" in degraded()[0])
        call = await switch.call()
        await callbacks.wait("finished")
        assert await call.ended() == "NORMAL_CLEARING"
        status, answer = await get(daemon, "/readyz")
        assert (status, answer["status"], answer["problems"]) == (200, "degraded", [])
        (told,) = answer["degraded"]
        for words in ("switch fs2", *WHYS[why], "its calls are not served"):
            assert words in told
        assert address.password not in str(answer)
        assert [refused.switch for refused in daemon.seen(SwitchRefused)] == ["fs2"]
        await daemon.close()


async def test_all_switches_refusing_end_the_waiting(daemon: Daemon, switch: Switch) -> None:
    """Whoever waits for the daemon learns of the refusal when nothing is left to serve."""
    async with refusing(switch, "password") as address:
        daemon.changes["switches"] = [entry(daemon, address), entry(daemon, address, name="fs2", host="localhost")]
        await daemon.start(ready=False)
        assert daemon.app is not None
        with pytest.raises(LinkRefused) as refusal:
            async with asyncio.timeout(10):
                await daemon.app.wait()
        assert "not-the-password" not in str(refusal.value)


# The switch is away


async def test_the_daemon_starts_without_a_switch(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """It serves HTTP, tells what it waits for, asks with growing pauses, and takes the waiting call when it can."""
    daemon.say(record_call(daemon.receiver), {"sleep": 300}, {"hangup": {}})
    async with door(daemon) as there:
        await daemon.start(ready=False)
        call = await switch.call()
        assert (await get(daemon, "/healthz"))[0] == 200
        assert await get(daemon, "/readyz") == (
            503,
            {
                "status": "not ready",
                "problems": ["switch fs1: not connected: its calls are not served"],
                "degraded": [],
            },
        )
        before, began = there.came, time.monotonic()
        await asyncio.sleep(3.0)
        # Pauses grow from 0.05 to 0.5 s, each less by up to a half.
        assert 3 <= there.came - before <= 4 + (time.monotonic() - began) / 0.25
        assert call.alive
        there.back()
        end = await callbacks.wait("finished")
        assert await call.ended() == "NORMAL_CLEARING"
        assert end["duration"] > 0.2
        assert callbacks.states() == ["recording", "finished"]


async def test_documents_go_on_while_the_switch_is_away(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """A stop, a start and a hangup that fall into the absence are carried out after it; every end is true."""
    daemon.say(
        record_call(daemon.receiver, "a"),
        {"sleep": 600},
        {"stop_record_call": {"control_id": "a"}},
        record_call(daemon.receiver, "b"),
        {"sleep": 400},
        {"hangup": {}},
    )
    async with door(daemon) as there:
        there.back()
        await daemon.start()
        call = await switch.call(script=LONG)
        await callbacks.wait("recording", "a")
        await there.away()
        await asyncio.sleep(1.5)
        there.back()
        await callbacks.ends(2)
        assert await call.ended(15) == "NORMAL_CLEARING"
        for name in ("a", "b"):
            assert callbacks.states(name) == ["recording", "finished"]
            end = callbacks.params(name)[-1]
            master = read_wav(switch.recordings / f"{end['recording_id']}.wav")
            assert abs(master.seconds - end["duration"]) < 0.001
            assert abs((end["end_time"] - end["start_time"]) - end["duration"]) < 0.2
        assert callbacks.params("a")[-1]["duration"] > 1.3
        assert daemon.unfinished() == []


async def test_a_hangup_that_falls_into_an_absence_is_made_up_for(daemon: Daemon, switch: Switch) -> None:
    """A document that ends while the switch is away leaves nobody in silence once it is back."""
    daemon.say({"answer": {}}, {"sleep": 300}, BUSY)
    async with door(daemon) as there:
        there.back()
        await daemon.start()
        call = await switch.call(script=LONG)
        await daemon.until(lambda: daemon.app is not None and daemon.app.desk.count == 1)
        await asyncio.sleep(0.15)
        await there.away()
        await asyncio.sleep(1.0)
        there.back()
        assert await call.ended(15) == "USER_BUSY"


async def test_commands_while_the_switch_is_away_are_refused_at_once(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """Pause, resume and stop answer 503 and leave nothing behind that would happen later; then they work again."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    async with door(daemon) as there:
        there.back()
        await daemon.start()
        call = await switch.call(script=LONG)
        began = await callbacks.wait("recording")
        await there.away()
        await daemon.until(lambda: bool(daemon.problems()))
        async with asyncio.timeout(5):  # a wish that is waited for takes 10 s
            for name in ("pause", "resume", "stop"):
                status, answer = await daemon.command(began["call_id"], f"calling.record.{name}", control_id="rec")
                assert (status, answer["errors"][0]["code"]) == (503, "switch_unavailable")
        there.back()
        await daemon.until(lambda: not daemon.problems())
        assert callbacks.states() == ["recording"]
        assert (await daemon.command(began["call_id"], "calling.record.pause", control_id="rec"))[0] == 200
        await callbacks.wait("paused")
        assert (await daemon.command(began["call_id"], "calling.record.stop", control_id="rec"))[0] == 200
        await callbacks.wait("finished")
        await call.hangup()


# The recording directory


async def test_a_missing_directory_fails_the_method_until_it_is_there(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """local_path does not exist: told by /readyz, record_call fails and the document goes on; mended, it records."""
    daemon.say(record_call(daemon.receiver), {"sleep": 200}, BUSY)
    place = tmp_path / "elsewhere"
    daemon.changes["switches"] = [entry(daemon, local_path=str(place))]
    daemon.options["look_at_disks"] = 0.1
    await daemon.start(ready=False)
    await daemon.until(lambda: daemon.problems() != [] and "not connected" not in daemon.problems()[0])
    await daemon.until(lambda: len(daemon.problems()) == 1 and "does not exist" in daemon.problems()[0])
    assert str(place) in daemon.problems()[0]
    first = await switch.call()
    assert await first.ended() == "USER_BUSY"
    await callbacks.wait("error")
    place.symlink_to(switch.recordings)
    await daemon.until(lambda: not daemon.problems())
    second = await switch.call()
    assert await second.ended() == "USER_BUSY"
    await callbacks.wait("finished")
    assert callbacks.states() == ["error", "recording", "finished"]


async def test_a_directory_removed_under_the_daemon(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """The switch makes it again: what it recorded is told as it is."""
    daemon.say(record_call(daemon.receiver), {"sleep": 400}, BUSY)
    await daemon.start()
    switch.recordings.rmdir()
    call = await switch.call(script=LONG)
    assert await call.ended() == "USER_BUSY"
    end = await callbacks.wait("finished")
    master = read_wav(switch.recordings / f"{end['recording_id']}.wav")
    assert abs(master.seconds - end["duration"]) < 0.001
    assert end["duration"] > 0.3


async def test_a_master_removed_while_it_is_written(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Whoever deletes a running recording's file makes it an error, told once; the call is not disturbed."""
    daemon.say(record_call(daemon.receiver), {"sleep": 400}, {"stop_record_call": {}}, {"sleep": 100}, BUSY)
    await daemon.start()
    call = await switch.call(script=LONG)
    began = await callbacks.wait("recording")
    (switch.recordings / f"{began['recording_id']}.wav").unlink()
    await callbacks.wait("error")
    assert await call.ended() == "USER_BUSY"
    assert callbacks.states() == ["recording", "error"]
    assert await daemon.fetch(began["url"], daemon.directory / "got.wav") == 404


@pytest.mark.parametrize("place", ["a file", "/proc/fsrec"])
async def test_a_directory_that_the_switch_cannot_write(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, place: str
) -> None:
    """The start fails: an error callback, a failed method, and the document goes on."""
    taken = tmp_path / "taken"
    taken.write_text("no directory")
    path = place if place.startswith("/") else str(taken)
    daemon.say(record_call(daemon.receiver), {"sleep": 100}, BUSY)
    daemon.changes["switches"] = [entry(daemon, switch_path=path)]
    await daemon.start()
    call = await switch.call(script=LONG)
    await callbacks.wait("error")
    assert await call.ended() == "USER_BUSY"
    assert callbacks.states() == ["error"]
    assert daemon.unfinished() == []


async def test_too_little_free_space_refuses_recordings(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Below limits.min_free_disk nothing starts: told with both numbers, and its receiver; the document goes on."""
    daemon.say(record_call(daemon.receiver), {"sleep": 100}, BUSY)
    daemon.changes["limits"] = {"min_free_disk": "900TiB"}
    await daemon.start(ready=False)
    await daemon.until(lambda: len(daemon.problems()) > 0 and "bytes are free" in daemon.problems()[0])
    assert str(900 * 1024**4) in daemon.problems()[0]
    call = await switch.call()
    assert await call.ended() == "USER_BUSY"
    await callbacks.wait("error")
    assert callbacks.states() == ["error"]
    assert list(switch.recordings.glob("*.wav")) == []


@contextlib.contextmanager
def small_disk(directory: Path, size: str) -> Iterator[None]:
    """A file system of this size in place of a directory."""
    mounted = (
        os.geteuid() == 0
        and (
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(directory)], check=False
            )
        ).returncode
        == 0
    )
    if not mounted:
        absent("no file system can be mounted here: a full disk cannot be made")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_a_disk_that_fills_up(daemon: Daemon, switch: SoftSwitch, callbacks: Callbacks) -> None:
    """The switch tells more than the disk took: the callback tells what is in the file, and it can be fetched."""
    switch.inner.faults.disk_full_after = 16384
    await daemon.start()
    await _fill(daemon, switch, callbacks)


@pytest.mark.parametrize("switch", ["soft", pytest.param("live", marks=pytest.mark.live)], indirect=True)
async def test_a_file_system_that_fills_up(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """As before, on a file system of 16 KiB."""
    daemon.options["look_at_disks"] = 3600.0  # what it believes is the disk that was there before
    await daemon.start()
    with small_disk(switch.recordings, "16k"):
        await _fill(daemon, switch, callbacks)


async def _fill(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    daemon.say(record_call(daemon.receiver), {"sleep": 2500}, {"stop_record_call": {}}, {"sleep": 100}, BUSY)
    call = await switch.call(script=LONG)
    end = await callbacks.wait("finished")
    assert await call.ended() == "USER_BUSY"
    assert callbacks.states() == ["recording", "finished"]
    assert 0.5 < end["duration"] < 1.1
    got = daemon.directory / "got.wav"
    assert await daemon.fetch(end["url"], got) == 200
    sound = read_wav(got)
    assert sound.finished
    assert abs(sound.seconds - end["duration"]) < 0.001
    assert end["size"] == got.stat().st_size


# The callbacks' receiver


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class Trouble:
    """How a receiver fails: its answers, its URL if it is another one, and what the store says in the end.

    `state` and `attempts` are of the first callback, once as many attempts are made.
    """

    state: str
    attempts: tuple[tuple[int | None, str | None], ...]
    answers: tuple[Answer | int, ...] = ()
    url: Callable[[Receiver], str] = lambda receiver: receiver.url("/bad")
    reason: str = ""


TROUBLES = {
    "dead": Trouble("pending", ((None, "connection"),) * 2, url=lambda _: f"http://127.0.0.1:{closed_port()}/bad"),
    "hanging": Trouble(
        "pending",
        ((None, "read_timeout"),) * 2,
        (Answer(hang=True),),
        lambda receiver: receiver.url("/bad#rt=200&tt=200"),
    ),
    "closing": Trouble("pending", ((None, "reset"),) * 2, (Answer(close=True),)),
    "mending": Trouble("delivered", ((500, None), (200, None)), (500, 200)),
    "gone": Trouble("dead", ((410, None),), (410,), reason="410"),
    "redirecting": Trouble("pending", ((302, None),) * 2, (Answer(302, headers={"Location": "/status"}),)),
    "private": Trouble("pending", ((None, "refused"),) * 2, url=lambda _: "http://10.1.2.3/bad"),
    "loopback": Trouble(
        "pending", ((None, "refused"),) * 2, url=lambda receiver: f"http://127.0.0.2:{receiver.port}/bad"
    ),
    "once": Trouble("dead", ((503, None),), (503,), lambda receiver: receiver.url("/bad#rc=0"), reason="1 attempts"),
    "credentials": Trouble(
        "delivered",
        ((200, None),),
        url=lambda receiver: f"http://user:se%20cret@127.0.0.1:{receiver.port}/bad",
    ),
}


@pytest.mark.parametrize("trouble", list(TROUBLES))
async def test_a_receiver_in_trouble_disturbs_nobody(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """The store says what became of each attempt; another receiver gets all of its callbacks meanwhile."""
    case = TROUBLES[trouble]
    monkeypatch.setattr(schedule, "DELAYS", (0.0, 0.2, 3600.0))
    daemon.changes["webhooks"] = {"allow_networks": ["127.0.0.1/32"]}
    if case.answers:
        daemon.receiver.plan("/bad", *case.answers)
    bad = {"record_call": {"control_id": "bad", "status_url": case.url(daemon.receiver)}}
    daemon.say(bad, record_call(daemon.receiver), {"sleep": 600}, {"hangup": {}})
    await daemon.start()
    call = await switch.call(script=LONG)
    await callbacks.wait("finished")
    assert await call.ended() == "NORMAL_CLEARING"
    assert callbacks.states() == ["recording", "finished"]
    assert callbacks.states("bad") == []
    await daemon.until(
        lambda: len(of(daemon, "bad")) == 2 and len(of(daemon, "bad")[0].attempts) >= len(case.attempts)
    )
    await daemon.until(lambda: all(told.attempts for told in of(daemon, "bad")))
    first = of(daemon, "bad")[0]
    assert first.state == case.state
    assert first.attempts[: len(case.attempts)] == case.attempts
    assert case.reason in first.reason
    await daemon.until(lambda: [told.state for told in of(daemon, "rec")] == ["delivered"] * 2)
    assert daemon.unfinished() == []
    if trouble == "credentials":
        sent = daemon.receiver.to("/bad")
        assert {request.header("Authorization") for request in sent} == {"Basic dXNlcjpzZSBjcmV0"}
        assert {request.header("Host") for request in sent} == {f"127.0.0.1:{daemon.receiver.port}"}


async def test_a_name_of_this_machine_is_refused_where_nothing_is_allowed(daemon: Daemon, switch: Switch) -> None:
    """Without allow_networks neither a literal nor a name leads to loopback; nothing reaches the receiver."""
    daemon.changes["webhooks"] = {}
    named = f"http://localhost:{daemon.receiver.port}/status"
    daemon.say(
        record_call(daemon.receiver, "literal"),
        {"record_call": {"control_id": "named", "status_url": named}},
        {"sleep": 200},
        {"hangup": {}},
    )
    await daemon.start()
    await (await switch.call()).ended()
    await daemon.until(lambda: len(deliveries(daemon)) == 4 and all(told.attempts for told in deliveries(daemon)))
    assert {told.state for told in deliveries(daemon)} == {"pending"}
    assert {attempt for told in deliveries(daemon) for attempt in told.attempts} == {(None, "refused")}
    assert daemon.receiver.to() == []


async def test_what_a_receiver_missed_is_delivered_after_a_restart(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """A receiver that never answered, then a restart: all of its callbacks come, in their order."""
    daemon.receiver.plan("/status", Answer(hang=True))
    daemon.say(record_call(daemon.receiver), {"sleep": 300}, {"hangup": {}})
    await daemon.start()
    call = await switch.call()
    await daemon.receiver.wait("/status")
    assert await call.ended() == "NORMAL_CLEARING"
    await daemon.until(lambda: len(deliveries(daemon)) == 2)
    await daemon.stop()
    assert [told.state for told in deliveries(daemon)] == ["pending", "pending"]
    daemon.receiver.plan("/status", 200)
    before = len(daemon.receiver.to("/status"))
    await daemon.start()
    await daemon.until(daemon.quiet)
    assert [one["state"] for one in callbacks.params()[before:]] == ["recording", "finished"]
    assert [told.state for told in deliveries(daemon)] == ["delivered", "delivered"]


# Documents


def fifo(path: Path) -> None:
    os.mkfifo(path)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
DOCUMENTS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "missing": (lambda path: None, ("No such file",)),
    "a directory": (lambda path: path.mkdir(), ("not a regular file",)),
    "a FIFO": (fifo, ("not a regular file",)),
    "not UTF-8": (lambda path: path.write_bytes(b"version: \xff\xfe"), ("byte 9 is not UTF-8",)),
    "empty": (lambda path: path.write_text(""), ("the document is empty",)),
    "oversized": (lambda path: path.write_text("#" * (1 << 20) + "\n"), ("1048577 bytes", "1048576")),
    "not YAML": (lambda path: path.write_text("version: 1.0.0\nsections: {main: [\n"), ("line",)),
    "unknown XML": (
        lambda path: path.write_text("<Response>\n<Rejoice/></Response>"),
        ("line 2", "Rejoice", "Reject"),
    ),
    "unknown verb": (
        lambda path: path.write_text("version: 1.0.0\nsections:\n  main:\n    - recrod_call: {}\n"),
        ("line 4", "recrod_call", "record_call"),
    ),
    "several errors": (
        lambda path: path.write_text("sections:\n  main:\n    - sleep: x\n    - hangup: {reason: none}\nmore: 1\n"),
        ("line 3", "line 4", "line 5"),
    ),
    "an alias bomb": (lambda path: path.write_text(BOMB), ("line 1", "anchors")),
    "too deep": (lambda path: path.write_text("[" * 20000), ("line 1", "64 deep")),
}


async def test_a_wrong_document_hangs_the_call_up(daemon: Daemon, switch: Switch) -> None:
    """Whatever a document is, its caller is hung up with a temporary failure, and the problem is told."""
    await daemon.start()
    for name, (write, words) in DOCUMENTS.items():
        write(daemon.document)
        call = await switch.call()
        assert await call.ended() == TEMPORARY, name
        refusal = daemon.seen(DocumentRefused)[-1]
        assert refusal.document == str(daemon.document), name
        for word in words:
            assert word in refusal.why, (name, refusal.why)
        assert daemon.seen(CallFailed)[-1].call == refusal.call, name
        if daemon.document.is_dir():
            daemon.document.rmdir()
        else:
            daemon.document.unlink(missing_ok=True)
    assert len(daemon.seen(DocumentRefused)) == len(DOCUMENTS)
    daemon.say(BUSY)
    assert await (await switch.call()).ended() == "USER_BUSY"


async def test_a_document_that_breaks_its_reader_hangs_the_call_up(
    daemon: Daemon, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of fsrec's own in reading a document is no reason to leave the caller in silence either."""
    daemon.say(FOREVER)
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    await daemon.start()
    assert daemon.app is not None
    monkeypatch.setattr(type(daemon.app.tenants.dialects["swml"]), "start", lambda *_: 1 / 0)
    assert await (await switch.call()).ended() == TEMPORARY
    assert reported == ["a document could not be begun"]


async def test_one_event_that_breaks_us_costs_no_other_call(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of fsrec's own with one call's event is reported; the link and the running recording live on."""
    daemon.say(record_call(daemon.receiver), {"sleep": 600}, {"hangup": {}})
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    await daemon.start()
    assert daemon.app is not None
    first = await switch.call(script=LONG)
    await callbacks.wait("recording")
    parked = CallDesk.parked
    monkeypatch.setattr(CallDesk, "parked", lambda *_: 1 / 0)
    poison = await switch.call()
    await daemon.until(lambda: bool(reported))
    monkeypatch.setattr(CallDesk, "parked", parked)
    assert await first.ended() == "NORMAL_CLEARING"
    await callbacks.wait("finished")
    assert reported == ["an event was not taken"]
    assert daemon.seen(LinkDown) == []
    await poison.hangup()


async def test_descriptors_are_given_back(daemon: Daemon, switch: Switch) -> None:
    """A route that leads to a directory costs nothing but the calls: no descriptor is kept."""
    daemon.document.mkdir()
    await daemon.start()
    open_before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(8):
        await (await switch.call()).ended()
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) <= open_before + 2


async def test_a_fallback_takes_the_place_of_a_refused_document(
    daemon: Daemon, switch: Switch, tmp_path: Path
) -> None:
    """The route's fallback runs where the document is refused; where both are, both problems are told."""
    fallback = tmp_path / "fallback.swml.yaml"
    fallback.write_text(swml(BUSY))
    daemon.document.write_text("sections: {main: [{dance: {}}]}")
    daemon.changes["routes"] = [
        {
            "destination": "^1001$",
            "account": "acme",
            "document": str(daemon.document),
            "fallback": str(fallback),
        }
    ]
    await daemon.start()
    assert await (await switch.call()).ended() == "USER_BUSY"
    fallback.unlink()
    assert await (await switch.call()).ended() == TEMPORARY
    why = daemon.seen(CallFailed)[-1].why
    assert "dance" in why
    assert "No such file" in why


async def test_a_changed_document_is_read_anew_and_a_running_call_keeps_its_own(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """The next call gets the new text at once; one that runs keeps what it began with, over a restart too."""
    daemon.say(record_call(daemon.receiver), {"sleep": 1500}, BUSY)
    await daemon.start()
    running = await switch.call(script=LONG)
    await callbacks.wait("recording")
    daemon.say({"hangup": {"reason": "decline"}})
    assert await (await switch.call()).ended() == "CALL_REJECTED"
    await daemon.stop()
    daemon.document.write_text("nothing of use")
    await daemon.start()
    assert await running.ended() == "USER_BUSY"
    await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    assert await (await switch.call()).ended() == TEMPORARY


# The store

LOCK = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
store.execute("ROLLBACK")
print("open", flush=True)
"""


@contextlib.asynccontextmanager
async def locked(daemon: Daemon) -> AsyncIterator[None]:
    """Another process holds the store's lock inside."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOCK, str(daemon.data / "fsrec.db"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    try:
        yield
    finally:
        await process.communicate(b"\n")


async def test_a_store_that_is_locked_for_a_while_delays_and_loses_nothing(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """Another process locks the database for 3 s: calls wait, what ended meanwhile is told after."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    first = await switch.call(script=LONG)
    began = await callbacks.wait("recording")
    async with locked(daemon):
        second = await switch.call(script=LONG)
        await first.hangup()
        await asyncio.sleep(3.0)
        assert second.alive
        assert callbacks.states() == ["recording"]
    await daemon.receiver.wait(lambda r: r.json["params"]["call_id"] != began["call_id"])
    await second.hangup()
    ends = await callbacks.ends(2)
    assert {end["state"] for end in ends} == {"finished"}
    assert sorted(callbacks.states()) == ["finished", "finished", "recording", "recording"]
    assert daemon.unfinished() == []


async def test_a_store_that_stays_locked_ends_new_calls_and_keeps_the_old(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """Locked beyond all patience: a new call is hung up, not left in silence; a recording's end is kept for later."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    daemon.options["store_patience"] = 0.2
    await daemon.start()
    first = await switch.call(script=LONG)
    began = await callbacks.wait("recording")
    async with locked(daemon):
        second = await switch.call(script=LONG)
        assert await second.ended() == TEMPORARY
        await first.hangup()
        await daemon.until(lambda: bool(daemon.seen(LedgerStalled)))
    end = await callbacks.wait("finished")
    assert end["recording_id"] == began["recording_id"]
    assert abs((end["end_time"] - end["start_time"]) - end["duration"]) < 0.1
    await daemon.until(lambda: daemon.unfinished() == [])


@pytest.mark.parametrize("switch", ["soft"], indirect=True)  # ends before it looks for any switch
async def test_a_store_that_cannot_be_used_is_told(daemon: Daemon, switch: Switch) -> None:
    """A data_dir that is none, a database of a newer fsrec, one that is no database: exit 1 and what is wrong."""
    daemon.data.write_text("no directory")
    finished = await run_to_its_end(daemon)
    assert finished.code == 1
    assert str(daemon.data) in finished.text
    assert "Traceback" not in finished.text
    daemon.data.unlink()
    await daemon.start()
    await daemon.stop()
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        store.execute("UPDATE schema_version SET version = 99")
        store.commit()
    finished = await run_to_its_end(daemon)
    assert finished.code == 1
    assert "schema version 99" in finished.text
    assert "Traceback" not in finished.text
    for leftover in daemon.data.glob("fsrec.db*"):
        leftover.unlink()
    (daemon.data / "fsrec.db").write_bytes(b"this is no database" * 100)
    finished = await run_to_its_end(daemon)
    assert finished.code == 1
    assert "not a database" in finished.text
    assert "Traceback" not in finished.text


# Stopping, and too many


async def test_sigterm_leaves_calls_and_recordings_to_the_next_daemon(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """It ends well and soon, with a callback hanging too; the switch is not touched, the next start goes on."""
    daemon.receiver.plan("/other", Answer(hang=True))
    daemon.say(record_call(daemon.receiver), record_call(daemon.receiver, "other", "/other"), FOREVER)
    await daemon.spawn()
    call = await switch.call(script=LONG)
    began = await callbacks.wait("recording")
    await daemon.receiver.wait("/other")
    assert daemon.process is not None
    daemon.process.terminate()
    async with asyncio.timeout(10):
        assert await daemon.process.wait() == 0
    written = switch.recordings / f"{began['recording_id']}.wav"
    assert call.alive
    assert written.exists()
    daemon.receiver.plan("/other", 200)
    await daemon.spawn()
    assert (await daemon.command(began["call_id"], "calling.record.stop", control_id="rec"))[0] == 200
    end = await callbacks.wait("finished")
    assert call.alive
    await call.hangup()
    assert callbacks.states() == ["recording", "finished"]
    assert abs((end["end_time"] - end["start_time"]) - end["duration"]) < 0.1
    other = await daemon.receiver.wait(lambda r: r.path == "/other" and r.json["params"]["state"] == "finished")
    assert other[0].json["params"]["duration"] > end["duration"] - 0.1
    assert "Traceback" not in (daemon.directory / "daemon.log").read_text()


async def test_one_call_too_many_is_turned_away(daemon: Daemon, switch: Switch) -> None:
    """Beyond limits.calls a call is hung up with its cause; the others go on, and a place that is free is given."""
    daemon.say({"answer": {}}, FOREVER)
    daemon.changes["limits"] = {"calls": 2, "min_free_disk": "1MiB"}
    await daemon.start()
    first, second = await switch.call(), await switch.call()
    third = await switch.call()
    assert await third.ended() == "SWITCH_CONGESTION"
    assert first.alive
    assert second.alive
    assert [turned.leg for turned in daemon.seen(CallTurnedAway)] == [third.leg]
    await first.hangup()
    await first.ended()
    await daemon.until(lambda: daemon.app is not None and daemon.app.desk.count == 1)
    daemon.say(BUSY)
    assert await (await switch.call()).ended() == "USER_BUSY"
    await second.hangup()


async def test_one_recording_too_many_fails_alone(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Beyond limits.recordings_per_call the method fails and the document goes on; the first one is not disturbed."""
    daemon.say(record_call(daemon.receiver), record_call(daemon.receiver, "two"), {"sleep": 300}, BUSY)
    daemon.changes["limits"] = {"recordings_per_call": 1, "min_free_disk": "1MiB"}
    await daemon.start()
    call = await switch.call()
    end = await callbacks.wait("finished")
    assert await call.ended() == "USER_BUSY"
    assert end["duration"] > 0.2
    assert callbacks.states("two") == []


async def test_a_switch_that_refuses_when_it_is_back(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Its password changed while the link was away: told and final; recordings run on for the next daemon."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    async with door(daemon) as there:
        there.back()
        daemon.changes["http"] = {"listen": "127.0.0.1:0"}
        await daemon.start()
        call = await switch.call(script=LONG)
        began = await callbacks.wait("recording")
        assert daemon.app is not None
        link = daemon.app.board._lines["fs1"].link
        assert link is not None
        link.address = SwitchAddress("fs1", "127.0.0.1", there.port, "changed")
        await there.cut()
        with pytest.raises(LinkRefused):
            async with asyncio.timeout(10):
                await daemon.app.wait()
        assert "refused the password" in daemon.problems()[0]
        await daemon.stop()
        assert call.alive
        await daemon.start()
        assert (await daemon.command(began["call_id"], "calling.record.stop", control_id="rec"))[0] == 200
        end = await callbacks.wait("finished")
        await call.hangup()
        assert callbacks.states() == ["recording", "finished"]
        assert abs((end["end_time"] - end["start_time"]) - end["duration"]) < 0.1


async def test_a_data_directory_that_fills_up(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """No room for the store: a new call is hung up; what ends meanwhile is told once there is room again."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    daemon.data.mkdir()
    with small_disk(daemon.data, "2m"):
        await daemon.start()
        first = await switch.call(script=LONG)
        began = await callbacks.wait("recording")
        await daemon.until(daemon.quiet)
        filler = daemon.data / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        second = await switch.call(script=LONG)
        cause = await second.ended()
        await first.hangup()
        await daemon.until(lambda: bool(daemon.seen(LedgerStalled)))
        filler.unlink()
        end = await callbacks.wait("finished")
        await daemon.until(lambda: daemon.quiet() and daemon.unfinished() == [])
        await daemon.stop()
    assert cause == TEMPORARY
    assert end["recording_id"] == began["recording_id"]
    assert callbacks.states() == ["recording", "finished"]
    assert abs((end["end_time"] - end["start_time"]) - end["duration"]) < 0.1
