"""Lives through a plan: real processes, real faults, and at the end the evidence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from controller.documents.fetch import Trouble
from tests.faults import stored
from tests.faults.audio import audio_of
from tests.faults.clients import AUTH_ID, AUTH_TOKEN, PROJECT, SID, SID_TOKEN, SPACE, TOKEN, Client
from tests.faults.documents import PLIVO, SWML, TWIML, document
from tests.faults.evidence import Evidence, LegLife, Ran, Served, Span
from tests.faults.plan import NOTICE, RECEIVER, RECEIVERS, CallPlan, Fault, FaultPlan, Plan
from tests.faults.processes import DaemonProcess, SwitchProcess, free_port
from tests.faults.proxy import FaultyLink
from tests.faults.receivers import FaultyReceiver
from tests.faults.stored import Database, PostgresDatabase, SqliteFile
from tests.harness.postgres import PostgresServer

PASSWORD = "faults"
ILL = frozenset({Trouble.CONNECT, Trouble.TIMEOUT, Trouble.STATUS, Trouble.BROKEN})
"""Why an ill receiver does not give a document; that it is wrong in itself is never a fault of the plan."""

MOMENT = 5.0
"""Seconds that a fault waits for its moment."""

SETTLE = 180.0
"""Seconds in which everything must come to its end once all faults are over."""


@dataclass(slots=True)
class Run:
    """One plan, carried out in ``directory``, which it may fill; on ``server`` where its store is PostgreSQL.

    ``settle`` seconds after the last fault all must have come to its end.
    """

    plan: Plan
    directory: Path
    server: PostgresServer | None = None
    settle: float = SETTLE
    faults: Counter[Fault] = field(default_factory=Counter)
    receivers: list[FaultyReceiver] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    switch: SwitchProcess = field(init=False)
    daemon: DaemonProcess = field(init=False)
    link: FaultyLink = field(init=False)
    client: aiohttp.ClientSession = field(init=False)
    database: Database = field(init=False)
    began: float = 0.0
    trouble: list[str] = field(default_factory=list)
    ready: list[Span] = field(default_factory=list)

    async def live(self) -> Evidence:
        """Carry it out."""
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            watching = asyncio.create_task(self._watch())
            stack.callback(watching.cancel)
            self.began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for call in self.plan.calls:
                    group.create_task(self._call(call))
                for fault in self.plan.faults:
                    group.create_task(self._fault(fault))
            await self._settle()
            return await self._evidence()

    # --- before ---------------------------------------------------------------------------------------------------

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        self.client = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        )
        for number in range(RECEIVERS):
            receiver = FaultyReceiver(number)
            await receiver.start()
            stack.push_async_callback(receiver.stop)
            self.receivers.append(receiver)
        self.database = SqliteFile(self.directory / "data" / "fsrec.db")
        if self.server is not None:
            name = await asyncio.to_thread(self.server.create)
            stack.push_async_callback(self._drop, self.server, name)
            self.database = PostgresDatabase(self.server.url(name))
        recordings, journal, port = self.directory / "recordings", self.directory / "journal", free_port()
        recordings.mkdir(parents=True)
        journal.touch()
        self.switch = SwitchProcess(
            ("tests.faults.softswitch", str(port), str(recordings), str(journal), PASSWORD),
            self.directory / "switch.log",
            journal=journal,
        )
        stack.push_async_callback(self.switch.kill)
        await self.switch.start()
        await self.switch.up()
        self.link = FaultyLink(port)
        await self.link.start()
        stack.push_async_callback(self.link.stop)
        config = self.directory / "fsrec.yaml"
        self.daemon = DaemonProcess(
            ("tests.faults.daemon", str(config)), self.directory / "daemon.log", port=free_port()
        )
        config.write_text(yaml.safe_dump(self._settings(recordings)))
        stack.push_async_callback(self.daemon.kill)
        await self.daemon.start()
        await self._ready(60.0)

    async def _drop(self, server: PostgresServer, name: str) -> None:
        with contextlib.suppress(OSError):  # where it is away, it is removed with all that is in it
            await asyncio.to_thread(server.drop, name)

    def _settings(self, recordings: Path) -> dict[str, Any]:
        switch = {"name": "fs1", "host": "127.0.0.1", "port": self.link.port, "password": PASSWORD}
        routes = []
        for call in self.plan.calls:
            written = document(call, self.receivers[call.receiver].url)
            path = self.directory / written.name
            path.write_text(written.text)
            routes.append({"destination": f"^{call.number}$", "account": written.account, "document": str(path)})
        database = self.database
        return {
            **({"store": database.url} if isinstance(database, PostgresDatabase) else {}),
            "switches": [{**switch, "switch_path": str(recordings), "local_path": str(recordings)}],
            "http": {"listen": f"127.0.0.1:{self.daemon.port}"},
            "data_dir": str(self.directory / "data"),
            "accounts": accounts(),
            "routes": routes,
            "webhooks": {"allow_networks": ["127.0.0.0/8"]},
            "limits": {"min_free_disk": "1MiB"},
        }

    async def _ready(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not await self.daemon.ready(self.client):
                    await asyncio.sleep(0.1)
                return True
        return False

    async def _watch(self) -> None:
        """Note when the daemon says that it is ready, and nothing is wrong with its link that it cannot know."""
        since: float | None = None
        while True:
            at = time.time()
            if not await self.daemon.ready(self.client) or not self.link.well:
                since = None
            elif since is None:
                since = at
                self.ready.append((since, at))
            else:
                self.ready[-1] = (since, at)
            await asyncio.sleep(0.25)

    # --- calls ----------------------------------------------------------------------------------------------------

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, self.began + at - time.monotonic()))

    async def _call(self, call: CallPlan) -> None:
        await self._until(call.at)
        leg = str(uuid.uuid4())
        async with asyncio.timeout(30):
            while not await self.switch.order(leg=leg, number=str(call.number), script=_script(call)):
                await asyncio.sleep(0.1)
        if not call.acts:
            return
        marker = await self._owned(leg)
        if marker is None:
            return
        owned = time.monotonic()
        status = f"{self.receivers[call.receiver].url}/status/{call.number}"
        client = Client(self.client, self.daemon.url, call, marker, status)
        for act in call.acts:
            await asyncio.sleep(max(0.0, owned + act.at - time.monotonic()))
            await client.act(act)
            self.accepted.update(client.accepted)

    async def _owned(self, leg: str) -> str | None:
        """Wait until the leg carries the daemon's marker, and return it; None when that does not come to be."""
        for _ in range(150):
            for fact in self.switch.look():
                if fact["kind"] == "owned" and fact["leg"] == leg:
                    return str(fact["call"])
            await asyncio.sleep(0.1)
        return None

    # --- faults ---------------------------------------------------------------------------------------------------

    async def _fault(self, fault: FaultPlan) -> None:
        await self._until(fault.at)
        if fault.what in RECEIVER:
            work: Coroutine[Any, Any, None] = self.receivers[fault.target].be_ill(fault.what, fault.seconds)
        else:
            work = self._broken(fault)
        self.faults[fault.what] += 1
        await work

    async def _broken(self, fault: FaultPlan) -> None:
        match fault.what:
            case Fault.CUT:
                await self._moment(fault, self.link.drop)
                await self.link.cut()
            case Fault.HALF:
                await self._moment(fault, self.link.halve)
                if not fault.moment:
                    self.link.halve()
            case Fault.STALL:
                await self.link.stall(fault.seconds)
            case Fault.DELAY:
                await self.link.delay(fault.seconds)
            case Fault.REFUSE:
                await self.link.refuse(fault.seconds)
            case Fault.KILL_DAEMON:
                async with self.daemon.lock:
                    self._seen_alive("the daemon", self.daemon)
                    await self._moment(fault, self.daemon.strike)
                    await self.daemon.kill()
                    await asyncio.sleep(fault.seconds)
                    await self.daemon.start()
            case Fault.RESTART:
                async with self.daemon.lock:
                    why = await self.daemon.end()
                    if why is not None:
                        self.trouble.append(why)
                    await asyncio.sleep(fault.seconds)
                    await self.daemon.start()
            case Fault.KILL_STORE:
                if self.server is not None:
                    await asyncio.to_thread(self.server.stop, signal.SIGQUIT)
                    await asyncio.sleep(fault.seconds)
                    await asyncio.to_thread(self.server.start)
            case _:
                async with self.switch.lock:
                    await self._moment(fault, self.switch.strike)
                    await self.switch.kill()
                    await asyncio.sleep(fault.seconds)
                    await self.switch.start()
                    await self.switch.up()

    async def _moment(self, fault: FaultPlan, strike: Callable[[], object]) -> None:
        """Wait for the fault's moment, and strike in it; but no longer than a while."""
        if not fault.moment:
            return
        came = asyncio.Event()

        def now() -> None:
            strike()
            came.set()

        if fault.moment == NOTICE:
            for receiver in self.receivers:
                receiver.trap = now
        else:
            take_away = self.link.trap(fault.moment, now)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(came.wait(), MOMENT)
        if fault.moment == NOTICE:
            for receiver in self.receivers:
                receiver.trap = None
        else:
            take_away()

    def _seen_alive(self, name: str, process: DaemonProcess) -> None:
        if process.running is not None and process.running.returncode is not None:
            self.trouble.append(f"{name} had ended by itself, with {process.running.returncode}")

    # --- after ----------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Wait until nothing is left to be done, or for so long that what is left is stuck."""
        deadline = time.monotonic() + self.settle
        if not await self._ready(self.settle / 2):
            self.trouble.append(f"it was not ready within {self.settle / 2:.0f} s after the last fault")
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if not await stored.waiting(self.database) and not self._living():
                    return
            await asyncio.sleep(0.25)

    def _living(self) -> list[str]:
        """Legs that are up."""
        deaths = self.switch.deaths
        up: dict[str, float] = {}
        for fact in self.switch.look():
            if fact["kind"] == "leg":
                up[fact["leg"]] = fact["at"]
            elif fact["kind"] == "hangup":
                up.pop(fact["leg"], None)
        return [leg for leg, born in up.items() if not any(death > born for death in deaths)]

    async def _evidence(self) -> Evidence:
        ended_at = time.time()
        deliveries = await stored.deliveries(self.database)
        tellings = (*(one.told for one in deliveries), *(got.told for box in self.receivers for got in box.log))
        served = {}
        for told in tellings:
            if told is not None and told.state == "completed" and told.recording not in served:
                served[told.recording] = await self._fetch(told.url)
        why = await self.daemon.end()
        if why is not None:
            self.trouble.append(why)
        self.trouble += troubles(self.directory / "daemon.log")
        masters = {}
        for path in (self.directory / "recordings").glob("*.wav"):
            found = audio_of(path.read_bytes())
            if found is not None:
                masters[path.stem] = found
        ran, legs = self._journal(ended_at)
        kinds = {call.number: call for call in self.plan.calls}
        calls = {one.recording: kinds[one.number] for one in ran}
        return Evidence(
            ran=ran,
            masters=masters,
            received=tuple(sorted((one for box in self.receivers for one in box.log), key=lambda one: one.at)),
            served=served,
            rows=await stored.recordings(self.database),
            deliveries=deliveries,
            legs=legs,
            accepted=frozenset(self.accepted),
            skipping=frozenset(
                recording
                for recording, call in calls.items()
                if call.behavior == "skip" and any(act.what == "pause" for act in call.acts)
            ),
            trimmed=frozenset(recording for recording, call in calls.items() if call.kind == "laml_rest"),
            ended_at=ended_at,
            ready=tuple(self.ready),
            trouble=tuple(self.trouble),
        )

    async def _fetch(self, url: str) -> Served:
        try:
            async with self.client.get(url, timeout=aiohttp.ClientTimeout(30)) as response:
                data = await response.read()
                return Served(response.status, audio_of(data) if response.status == 200 else None)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Served(0, None)

    def _journal(self, ended_at: float) -> tuple[tuple[Ran, ...], tuple[LegLife, ...]]:
        """Read the switch's journal: what was recorded, and how legs fared."""
        numbers: dict[str, int] = {}
        born: dict[str, float] = {}
        ended: dict[str, float] = {}
        idle: dict[str, dict[float, float]] = {}
        stretches: dict[str, dict[float, dict[str, Any]]] = {}
        for fact in self.switch.look():
            leg = fact.get("leg", "")
            match fact["kind"]:
                case "leg":
                    numbers[leg], born[leg] = int(fact["number"]), fact["at"]
                case "hangup":
                    ended.setdefault(leg, fact["at"])
                case "idle":
                    idle.setdefault(leg, {})[fact["since"]] = fact["at"]
                case "recording":
                    stretches.setdefault(Path(fact["path"]).stem, {})[fact["started_at"]] = fact
        for leg, at in born.items():
            death = self._death_after(at)
            if leg not in ended and death is not None:
                ended[leg] = death
        calls = {call.number: call for call in self.plan.calls}
        legs = tuple(
            LegLife(
                leg,
                numbers[leg],
                calls[numbers[leg]].kind,
                at,
                ended.get(leg),
                calls[numbers[leg]].bound,
                tuple(idle.get(leg, {}).items()),
            )
            for leg, at in born.items()
        )
        ran = tuple(self._ran(recording, list(found.values()), numbers) for recording, found in stretches.items())
        return ran, legs

    def _ran(self, recording: str, stretches: list[dict[str, Any]], numbers: dict[str, int]) -> Ran:
        last = stretches[-1]
        over = last["stopped_at"] is not None
        death = None if over else self._death_after(last["started_at"])
        return Ran(
            recording=recording,
            leg=last["leg"],
            number=numbers[last["leg"]],
            started_at=stretches[0]["started_at"],
            rate=last["rate"],
            channels=last["channels"],
            stopped_at=last["stopped_at"] if over else death,
            frames=last["frames_written"] if over else None,
            masked=sum(end - start for start, end in last["masked"]) if over else None,
            discarded=last["discarded"],
            lived=None if death is None else death - last["started_at"],
            stretches=len(stretches),
        )

    def _death_after(self, at: float) -> float | None:
        return next((death for death in sorted(self.switch.deaths) if death > at), None)


def accounts() -> list[dict[str, Any]]:
    """One account of each vendor; no recording is too short for them."""
    signalwire = {"project_id": PROJECT, "space_id": SPACE, "api_token": TOKEN, "signing_key": "PSK_signing"}
    twilio = {"account_sid": SID, "auth_token": SID_TOKEN}
    return [
        {"name": SWML, "vendor": "signalwire", **signalwire, "absent_below_seconds": 0},
        {"name": TWIML, "vendor": "twilio", **twilio, "absent_below_seconds": 0},
        {"name": PLIVO, "vendor": "plivo", "auth_id": AUTH_ID, "auth_token": AUTH_TOKEN},
    ]


def _script(call: CallPlan) -> list[tuple[str, Any]]:
    """What the caller does, from the answer on."""
    acts: list[tuple[float, tuple[str, Any]]] = []
    speech = call.speech if call.hangup is None else min(call.speech, call.hangup)
    acts.append((speech, ("speech", speech)))
    at = speech
    if call.key and (call.hangup is None or call.hangup > at + 0.3):
        acts.append((0.2, ("digits", call.key)))
        at += 0.2
    if call.hangup is not None:
        if call.hangup > at:
            acts.append((call.hangup - at, ("silence", call.hangup - at)))
        acts.append((0.0, ("hangup", None)))
    return [step for _, step in acts]


def troubles(log: Path) -> list[str]:
    """What a daemon's log has of errors that no operator should see."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            found.append(f"no log line: {line[:300]}")
            continue
        if isinstance(entry, dict) and (
            "exception" in entry
            or entry.get("level") in {"error", "critical"}
            or (entry.get("event") == "document.refused" and entry.get("trouble") not in ILL)
            or entry.get("event") == "document.warned"
        ):
            found.append(line[:600])
    return found


def clean(directory: Path) -> None:
    """Remove what a run left."""
    shutil.rmtree(directory, ignore_errors=True)
