"""REST at a daemon that does not hold the call's switch: it works as at the one that does (DESIGN section 6).

Two daemons of this process share a PostgreSQL, a switch and its recordings; `a` was there first and holds the switch.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from controller.app import App
from controller.cluster.events import CommandAsked, CommandTaken
from controller.cluster.keeper import LeaseTerms
from controller.console.ports import NotFound, Viewer
from controller.documents.call import Call
from controller.recordings.model import EndReason, PauseBehavior, State
from controller.recordings.ports import MediaAway, NotPossible
from tests.harness.audio import read_wav
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Call as Caller
from tests.harness.switch import Switch
from tests.scenarios import plivo, rest
from tests.scenarios.daemon import Daemon
from tests.scenarios.rest import LAML, TALK, TENANTS, TWILIO, Api, Line, Tenant

SECONDS = 1.5
"""How long something is recorded."""
each_tenant = pytest.mark.parametrize("tenant", TENANTS, ids=lambda one: one.name)


async def call_on(app: App, leg: str) -> Call | None:
    """The live call of a leg, as it is stored."""
    live = await app.store.read(lambda reader: reader.live_calls("fs1"))
    return next((one for one in live if one.leg == leg), None)


@dataclass(slots=True)
class Pair:
    """`a` holds the switch, `b` is asked."""

    a: Daemon
    b: Daemon
    switch: Switch

    async def start(self) -> None:
        await self.a.start()
        assert self.a.app is not None
        assert self.a.app.cluster.holds("fs1")
        await self.b.start()
        assert self.b.app is not None
        assert not self.b.app.cluster.holds("fs1")

    async def call(self, destination: str) -> tuple[Caller, str]:
        """Call a destination; returns when its call is answered and in the store, and its id."""
        assert self.a.app is not None
        caller = await self.switch.call(destination, TALK)
        async with asyncio.timeout(15):
            while True:
                stored = await call_on(self.a.app, caller.leg)
                found = None if stored is None else self.a.app.desk.find(stored.id)
                if found is not None and found.info.answered:
                    return caller, found.id
                await asyncio.sleep(0.01)

    async def line(self, tenant: Tenant) -> Line:
        caller, identity = await self.call(tenant.destination)
        return Line(caller, tenant, identity)

    def crossed(self) -> list[tuple[str, str]]:
        """The verbs that b asked, and what came of them; a carried out as many."""
        asked = [(one.verb, one.outcome) for one in self.b.seen(CommandAsked)]
        assert len([one for one in asked if one[1] not in {"void", "unanswered"}]) <= len(self.a.seen(CommandTaken))
        assert self.a.seen(CommandAsked) == self.b.seen(CommandTaken) == []
        return asked


@pytest_asyncio.fixture
async def pair(switch: Switch, receiver: Receiver, tmp_path: Path, postgres_url: str) -> AsyncIterator[Pair]:
    """Two daemons that are not running yet, with their settings but for the store's."""
    made = []
    for name in "ab":
        (tmp_path / name).mkdir()
        made.append(Daemon(switch, tmp_path / name, receiver, options={"terms": LeaseTerms(look=0.1)}))
    found = Pair(made[0], made[1], switch)
    try:
        yield found
    finally:
        await found.b.close()
        await found.a.close()


def prepare(pair: Pair, url: str) -> None:
    """Give both the same settings: the store, and one directory for copies."""
    for daemon in (pair.a, pair.b):
        rest.prepare(daemon, store=url, media={"directory": str(pair.switch.recordings.parent / "copies")})


@each_tenant
async def test_the_life_of_a_recording(pair: Pair, postgres_url: str, tenant: Tenant, tmp_path: Path) -> None:
    """Created, paused, resumed, stopped, downloaded, listed, deleted: all at the daemon that lacks the switch."""
    prepare(pair, postgres_url)
    await pair.start()
    up, api = await pair.line(tenant), Api(pair.b, tenant)
    made = await api.create(up, RecordingChannels="dual")
    assert made.status == (201 if tenant is TWILIO else 200), made.json
    sid = made.json["sid"]
    assert (made.json["status"], made.json["call_sid"]) == ("in-progress", up.sid)
    assert (await api.ask("DELETE", f"/Recordings/{sid}.json")).status == 409
    await asyncio.sleep(SECONDS)
    paused = await api.update(up, sid, Status="paused", PauseBehavior="skip")
    assert (paused.status, paused.json["status"]) == (200, "paused")
    again = await api.update(up, sid, Status="paused", PauseBehavior="skip")
    assert (again.status, again.json["status"]) == (200, "paused")
    resumed = await api.update(up, "Twilio.CURRENT", Status="in-progress")
    assert (resumed.status, resumed.json["status"]) == (200, "in-progress")
    stopped = await api.update(up, sid, Status="stopped")
    assert (stopped.status, stopped.json["status"]) == (200, "stopped")
    done = await api.until(sid, "completed" if tenant is TWILIO else "stopped")
    assert done["duration"].isdigit()
    assert (await api.update(up, sid, Status="stopped")).status == 400
    for at in (pair.a, pair.b):
        sound = await Api(at, tenant).ask("GET", f"/Recordings/{sid}.wav", auth=False)
        assert sound.status == 200
        (tmp_path / "got.wav").write_bytes(sound.body)
        assert read_wav(tmp_path / "got.wav").channels == 2
    assert (await api.ask("GET", f"/Recordings/{sid}.mp3", auth=False)).status == 200
    assert [one["sid"] for one in (await api.ask("GET", "/Recordings.json")).json["recordings"]] == [sid]
    assert (await api.ask("DELETE", f"/Recordings/{sid}.json")).status == 204
    for at in (pair.a, pair.b):
        assert (await Api(at, tenant).fetch(sid)).status == 404
        assert (await Api(at, tenant).ask("GET", f"/Recordings/{sid}.wav", auth=False)).status == 404
    assert list(pair.switch.recordings.glob("*.wav")) == []
    verbs = ["start", "delete", "pause", "resume", "stop", "delete"]
    assert pair.crossed() == [(verb, "NotPossible" if at == 1 else "done") for at, verb in enumerate(verbs)]
    assert up.caller.alive


async def test_callbacks(pair: Pair, postgres_url: str) -> None:
    """Each event is told once, whichever daemon was asked, and by the sid that was answered."""
    prepare(pair, postgres_url)
    await pair.start()
    up, api = await pair.line(LAML), Api(pair.b, LAML)
    made = await api.create(up, RecordingStatusCallback=pair.a.receiver.url("/cb"))
    await asyncio.sleep(SECONDS)
    await api.update(up, made.json["sid"], Status="stopped")
    [told] = await pair.a.receiver.wait("/cb")
    assert told.form["RecordingSid"] == made.json["sid"]


async def test_commands_of_swml(pair: Pair, postgres_url: str) -> None:
    """record, pause, resume and stop by `POST /api/calling/calls`; what is refused is refused in the same words."""
    prepare(pair, postgres_url)
    await pair.start()
    _, call = await pair.call(LAML.destination)
    told = pair.a.receiver.url("/status")
    start: dict[str, Any] = {"control_id": "rest", "status_url": told, "record": {"audio": {"format": "wav"}}}
    status, answer = await pair.b.command(call, "calling.record", **start)
    assert (status, answer["id"], answer["status"]) == (200, call, "answered")
    refused = [await at.command(call, "calling.record", **start) for at in (pair.a, pair.b)]
    assert refused[0] == refused[1]
    assert refused[0][0] == 422
    await asyncio.sleep(SECONDS)
    for name, more in (("pause", {"behavior": "silence"}), ("resume", {}), ("stop", {})):
        status, answer = await pair.b.command(call, f"calling.record.{name}", control_id="rest", **more)
        assert (status, answer["id"]) == (200, call), answer
    ended = await pair.a.callbacks.wait("finished", "rest")
    assert await pair.b.fetch(ended["url"].replace(pair.a.url, pair.b.url), pair.b.directory / "got.wav") == 200
    gone = await pair.b.command(call, "calling.record.stop", control_id="rest")
    assert gone[0] == 404
    unknown = await pair.b.command("00000000-0000-4000-8000-000000000000", "calling.record", **start)
    assert unknown[0] == 404


@dataclass(frozen=True, slots=True)
class Plivo:
    """Requests of Plivo's clients to one daemon."""

    daemon: Daemon

    async def ask(self, method: str, path: str, **fields: Any) -> tuple[int, Any]:
        headers = {"Authorization": aiohttp.encode_basic_auth(plivo.AUTH_ID, plivo.AUTH_TOKEN)}
        url = f"{self.daemon.url}/v1/Account/{plivo.AUTH_ID}/{path}"
        async with (
            aiohttp.ClientSession(headers=headers) as client,
            client.request(method, url, json=fields or None) as response,
        ):
            body = await response.read()
            return response.status, await response.json() if response.content_type == "application/json" else body

    async def until_listed(self, recording: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                status, found = await self.ask("GET", f"Recording/{recording}/")
                if status == 200:
                    return dict(found)
                await asyncio.sleep(0.05)


async def test_plivo(pair: Pair, postgres_url: str) -> None:
    """The same start again is the same recording, at either daemon; stopped, listed, got, downloaded and deleted."""
    for daemon in (pair.a, pair.b):
        plivo.prepare(daemon, "<GetDigits timeout='120'/>", store=postgres_url)
    await pair.start()
    _, call = await pair.call("1001")
    here, there = Plivo(pair.a), Plivo(pair.b)
    status, made = await there.ask("POST", f"Call/{call}/Record/", time_limit=300, file_format="wav")
    assert status == 202, made
    recording = made["recording_id"]
    for at in (there, here):
        status, same = await at.ask("POST", f"Call/{call}/Record/", time_limit=300, file_format="wav")
        assert (status, same["recording_id"]) == (202, recording)
    await asyncio.sleep(SECONDS)
    assert (await there.ask("DELETE", f"Call/{call}/Record/"))[0] == 204
    got = await there.until_listed(recording)
    assert got["recording_id"] == recording
    for at in (there, here):
        status, listed = await at.ask("GET", "Recording/")
        assert (status, [one["recording_id"] for one in listed["objects"]]) == (200, [recording])
        status, sound = await at.ask("GET", f"Recording/{recording}.wav")
        assert (status, sound[:4]) == (200, b"RIFF")
    assert (await there.ask("DELETE", f"Recording/{recording}/"))[0] == 204
    assert [(await at.ask("GET", f"Recording/{recording}/"))[0] for at in (here, there)] == [404, 404]
    assert {outcome for _, outcome in pair.crossed()} == {"done"}


async def test_who_was_dialled(pair: Pair, postgres_url: str) -> None:
    """A leg that was dialled has no row: its holder finds it, records it and stops it; others go on."""
    told = pair.a.receiver.url("/dial")
    document = f"<Record recordSession='true'/><Dial callbackUrl='{told}'><Number>2001</Number></Dial>"
    for daemon in (pair.a, pair.b):
        plivo.prepare(daemon, document, store=postgres_url)
    await pair.start()
    _, call = await pair.call("1001")
    [answered] = await pair.a.receiver.wait("/dial", 1)
    leg, there = answered.form["DialBLegUUID"], Plivo(pair.b)
    status, made = await there.ask("POST", f"Call/{leg}/Record/", time_limit=300)
    assert status == 202, made
    await asyncio.sleep(0.6)  # the callee hangs up after three seconds
    assert pair.a.app is not None
    found = pair.a.app.recordings.active(call)
    [session] = [one for one in found if one.id != made["recording_id"]]
    assert (await there.ask("DELETE", f"Call/{leg}/Record/"))[0] == 204
    after = pair.a.app.recordings.get(session.id)
    assert after is not None
    assert not after.wish.stop
    assert (await there.ask("DELETE", f"Call/{call}/Record/"))[0] == 204
    for recording in (made["recording_id"], session.id):
        await there.until_listed(recording)
    assert pair.crossed() == [
        *[("find", "done"), ("recent", "done"), ("start", "done")],
        *[("find", "done"), ("stop", "done"), ("stop", "done")],
    ]


async def test_a_disk_that_is_not_shared(pair: Pair, postgres_url: str) -> None:
    """Whoever does not see the file says so and that it may be had later; it is neither gone nor an error."""
    prepare(pair, postgres_url)
    apart = pair.b.directory / "apart"
    apart.mkdir()
    [switch] = pair.b.raw()["switches"]
    pair.b.changes["switches"] = [{**switch, "local_path": str(apart)}]
    await pair.start()
    up, api = await pair.line(TWILIO), Api(pair.b, TWILIO)
    sid = (await api.create(up)).json["sid"]
    await asyncio.sleep(SECONDS)
    await api.update(up, sid, Status="stopped")
    await api.until(sid, "completed")
    for ending in (".wav", ".mp3"):
        away = await api.ask("GET", f"/Recordings/{sid}{ending}", auth=False)
        assert (away.status, ending, "share its recordings' directory" in away.json["message"]) == (503, ending, True)
        assert (await Api(pair.a, TWILIO).ask("GET", f"/Recordings/{sid}{ending}", auth=False)).status == 200
    assert (await api.ask("DELETE", f"/Recordings/{sid}.json")).status == 204
    assert list(pair.switch.recordings.glob("*.wav")) == []


async def test_nobody_holds_the_switch(pair: Pair, postgres_url: str) -> None:
    """While its holder has gone and nobody has taken it over it is 503 at once; what has rows is still served."""
    prepare(pair, postgres_url)
    await pair.start()
    up, api = await pair.line(TWILIO), Api(pair.b, TWILIO)
    sid = (await api.create(up)).json["sid"]
    assert pair.b.app is not None
    keeper: Any = pair.b.app.cluster
    keeper.switches = ()  # it takes none
    await pair.a.stop()
    refused = await api.update(up, sid, Status="stopped")
    assert (refused.status, refused.json["code"]) == (503, 20503)
    assert "no daemon holds switch fs1 now" in refused.json["message"]
    assert (await api.create(up)).status == 503
    assert (await api.fetch(sid)).json["status"] == "in-progress"
    assert up.caller.alive


async def test_past_its_deadline(postgres_url: str, soft: SoftSwitch, receiver: Receiver, tmp_path: Path) -> None:
    """A holder that stands still is answered for in time, and what it then finds asked of it is not done any more."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = Daemon(soft, tmp_path / "a", receiver), Daemon(soft, tmp_path / "b", receiver)
    pair = Pair(a, b, soft)
    prepare(pair, postgres_url)
    try:
        await a.spawn()
        await b.start()
        assert a.process is not None
        assert b.app is not None
        assert not b.app.cluster.holds("fs1")
        caller, call = await stored(b, soft, TWILIO.destination)
        up, api = Line(caller, TWILIO, call), Api(b, TWILIO)
        kept = (await api.create(up)).json["sid"]
        a.process.send_signal(signal.SIGSTOP)
        began, changed = await asyncio.gather(
            api.create(up, RecordingTrack="inbound"), api.update(up, kept, Status="stopped")
        )
        a.process.send_signal(signal.SIGCONT)
        assert [(one.status, one.json["code"]) for one in (began, changed)] == [(503, 20503)] * 2
        assert [one.outcome for one in b.seen(CommandAsked)[-2:]] == ["void", "void"]
        assert (await api.update(up, kept, Status="paused")).status == 200  # it goes on, or another does by now
        sent = [entry.text for entry in soft.inner.journal.commands if " uuid_record " in entry.text]
        assert [text.split()[3] for text in sent] == ["start", "mask"]
        listed = (await api.ask("GET", f"/Calls/{up.sid}/Recordings.json")).json["recordings"]
        assert [one["sid"] for one in listed] == [kept]
    finally:
        await b.close()
        if a.process is not None:
            a.process.send_signal(signal.SIGCONT)
        await a.close()


async def test_a_holder_that_is_killed_amid_a_command(
    postgres_url: str, soft: SoftSwitch, receiver: Receiver, tmp_path: Path
) -> None:
    """Whoever asked is told that it records, since that is durable, and so it is: the next holder goes on with it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = Daemon(soft, tmp_path / "a", receiver), Daemon(soft, tmp_path / "b", receiver)
    for daemon in (a, b):
        plivo.prepare(daemon, "<Speak>Hello.</Speak><GetDigits timeout='120'/>", store=postgres_url)
    try:
        await a.spawn()
        await b.start()
        assert b.app is not None
        assert not b.app.cluster.holds("fs1")
        (_, call), there = await stored(b, soft, "1001"), Plivo(b)
        asking = asyncio.create_task(there.ask("POST", f"Call/{call}/Record/", time_limit=300, file_format="wav"))
        async with asyncio.timeout(10):
            while not any(" uuid_record " in entry.text for entry in soft.inner.journal.commands):
                await asyncio.sleep(0)
        await a.kill()
        status, made = await asking
        assert status == 202, made
        await b.until(lambda: b.app is not None and b.app.cluster.holds("fs1") and not b.problems(), 30)
        again, same = await there.ask("POST", f"Call/{call}/Record/", time_limit=300, file_format="wav")
        assert (again, same["recording_id"]) == (202, made["recording_id"])
        assert (await there.ask("DELETE", f"Call/{call}/Record/"))[0] == 204
        done = await there.until_listed(made["recording_id"])
        assert float(done["recording_duration_ms"]) > 1000
    finally:
        await b.close()
        await a.close()


async def test_operators_at_either_daemon(pair: Pair, postgres_url: str) -> None:
    """Both see what runs and what was, and the verbs work at both; a switch is reconciled at its holder's alone."""
    prepare(pair, postgres_url)
    await pair.start()
    assert pair.a.app is not None
    assert pair.b.app is not None
    here, there, owner = pair.a.app.operations, pair.b.app.operations, Viewer("acme-twilio")
    up, api = await pair.line(TWILIO), Api(pair.b, TWILIO)
    sid = (await api.create(up)).json["sid"]
    for desk in (here, there):
        live = await desk.live(owner, 5)
        assert live.total == 1
        assert (live.running[0].elapsed or -1) >= 0
        assert (await desk.live(Viewer("acme"), 5)).total == 0
    identity = live.running[0].recording.id
    assert (await there.pause(owner, identity, PauseBehavior.SILENCE)).state is State.PAUSED
    assert (await here.live(owner, 5)).running[0].recording.state is State.PAUSED
    assert (await there.resume(owner, identity)).state is State.RECORDING
    for asked in (there.stop(Viewer("acme"), identity), there.story(Viewer("acme"), identity)):
        with pytest.raises(NotFound):
            await asked
    await asyncio.sleep(SECONDS)
    assert (await there.stop(Viewer(), sid)).reason is EndReason.API
    await api.until(sid, "completed")
    stories = [await desk.story(owner, sid) for desk in (here, there)]
    assert stories[0] == stories[1]
    assert [step.fact for step in stories[0].history][-1] == "Examined"
    outlines = [await desk.waveform(owner, identity, 20) for desk in (here, there)]
    assert outlines[0] == outlines[1]
    assert await there.derive(owner, identity, "mp3") == await here.derive(owner, identity, "mp3")
    [at_holder], [elsewhere] = (await here.health()).switches, (await there.health()).switches
    assert (at_holder.state, at_holder.holder) == ("serving", "")
    assert (elsewhere.state, elsewhere.holder) == ("elsewhere", pair.a.app.daemon)
    assert pair.a.app.daemon in elsewhere.why
    with pytest.raises(NotPossible, match=f"served by another daemon, {pair.a.app.daemon}: ask that one"):
        await there.reconcile(Viewer(), "fs1")
    await here.reconcile(Viewer(), "fs1")


async def test_an_outline_of_what_is_on_anothers_disk(pair: Pair, postgres_url: str, tmp_path: Path) -> None:
    """The daemon that cannot see the file says where it is, rather than that there is none."""
    prepare(pair, postgres_url)
    [switch] = pair.b.raw()["switches"]
    (tmp_path / "other").mkdir()
    pair.b.changes["switches"] = [{**switch, "local_path": str(tmp_path / "other")}]
    await pair.start()
    assert pair.a.app is not None
    assert pair.b.app is not None
    up, api = await pair.line(TWILIO), Api(pair.a, TWILIO)
    sid = (await api.create(up)).json["sid"]
    await asyncio.sleep(SECONDS)
    await api.update(up, sid, Status="stopped")
    await api.until(sid, "completed")
    assert (await pair.a.app.operations.waveform(Viewer(), sid, 20)).seconds > 1
    for asked in (
        pair.b.app.operations.waveform(Viewer(), sid, 20),
        pair.b.app.operations.derive(Viewer(), sid, "wav"),
        pair.b.app.operations.derive(Viewer(), sid, "mp3"),
    ):
        with pytest.raises(MediaAway, match="on a disk of another daemon, that of switch fs1"):
            await asked


async def stored(daemon: Daemon, switch: Switch, destination: str) -> tuple[Caller, str]:
    """Call a destination; returns when a daemon knows from the store that it is answered, and the call's id."""
    assert daemon.app is not None
    caller = await switch.call(destination, TALK)
    async with asyncio.timeout(15):
        while True:
            found = await call_on(daemon.app, caller.leg)
            if found is not None and found.info.answered:
                return caller, found.id
            await asyncio.sleep(0.01)
