"""``fsrec demo``: everything on the embedded softswitch, with a live timeline (DESIGN section 8).

A caller is a script of speech; a SWML document records it; a receiver on loopback gets the callbacks and fetches the
recordings. ``--once`` places one call and ends well only if every recording and every callback arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
from aiohttp import web

from controller.app import App
from controller.calls.events import CallEnded, CallFailed, CallTaken, DocumentRefused
from controller.media import wav
from controller.recordings.model import State
from controller.settings import parse
from controller.softswitch import Silence, Softswitch, Speech, Tone
from controller.switch.board import SwitchReady
from controller.switch.facts import Fact, LegInfo
from controller.switch.link import CommandDone, JobDone, LinkUp
from controller.telemetry import RecordingChanged, Telemetry
from controller.webhooks.events import DeliveryAttempted

PASSWORD = "demo-only"  # noqa: S105 - of a softswitch that lives in this process, on loopback, for this run
DESTINATION = "1001"
SCRIPT = (Speech(2.0), Silence(0.6), Tone(1.0), Silence(0.4), Speech(1.5))
RECORDINGS = 2
DEADLINE = 60.0
"""Seconds that one call of ``--once`` may take to be told to its end; it takes some seven."""

BETWEEN = 5.0
"""Seconds between two calls without ``--once``."""

SETTINGS = """
switches:
  - {{name: demo, host: 127.0.0.1, port: {port}, password: {password},
      switch_path: "{recordings}", local_path: "{recordings}"}}
http: {{listen: "127.0.0.1:0"}}
data_dir: "{data}"
accounts:
  - {{name: demo, vendor: signalwire, project_id: "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001",
      space_id: "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c002", api_token: demo-token, signing_key: demo-key}}
routes:
  - {{destination: "^1001$", account: demo, document: "{document}"}}
webhooks: {{allow_networks: ["127.0.0.0/8"]}}
limits: {{min_free_disk: 1MiB}}
"""

DOCUMENT = """
version: 1.0.0
sections:
  main:
    - answer: {{}}
    - record_call: {{control_id: whole-call, stereo: true, status_url: "{url}"}}
    - sleep: 2000
    - record_call: {{control_id: one-second, direction: speak, max_length: 1.0, status_url: "{url}"}}
    - sleep: 2500
    - stop_record_call: {{control_id: whole-call}}
    - sleep: 300
    - hangup: {{}}
"""


@dataclass(slots=True)
class Timeline:
    """Prints what happens: seconds since the start, what kind of thing, and what it says."""

    out: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)

    def say(self, kind: str, text: str) -> None:
        """Print one line."""
        self.out(f"{time.monotonic() - self.began:8.3f}  {kind:<9} {text}")

    def observe(self, event: object) -> None:
        """Print what telemetry tells, as far as a reader wants it."""
        match event:
            case LinkUp():
                self.say("link", f"connected to {event.switch}: {event.version}")
            case CallTaken():
                self.say("call", f"{event.call} is ours: leg {event.leg}, account {event.account}")
            case CallEnded():
                self.say("call", f"{event.call} ended: {event.cause}")
            case CallFailed() | DocumentRefused():
                self.say("problem", event.why)
            case CommandDone() if event.kind not in {"event json", "event"}:
                self.say(
                    "command", f"{event.kind} → {'+OK' if event.ok else 'refused'} in {event.seconds * 1000:.1f} ms"
                )
            case JobDone() if event.kind != "api version":
                self.say("job", f"{event.kind} → {'done' if event.ok else 'failed'} in {event.seconds * 1000:.1f} ms")
            case RecordingChanged():
                self.say("state", f"{event.recording}: {event.before or 'new'} → {event.after} ({event.fact})")
            case DeliveryAttempted():
                self.say("delivery", f"{event.status or event.error} in {event.duration * 1000:.1f} ms")
            case _:
                pass

    def fact(self, fact: Fact) -> None:
        """Print what a switch says."""
        shown = {
            name: value
            for name in fact.__slots__
            if name not in {"at", "leg"}
            and not isinstance(value := getattr(fact, name), LegInfo)
            and value is not None
        }
        self.say("event", f"{type(fact).__name__} {' '.join(f'{name}={value}' for name, value in shown.items())}")


@dataclass(slots=True)
class Receiver:
    """A customer's application: takes callbacks, and fetches each finished recording."""

    timeline: Timeline
    states: dict[str, list[str]] = field(default_factory=dict)
    lengths: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Receiver]:
        """Listen on a free port of loopback."""
        app = web.Application()
        app.router.add_post("/status", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/status"
        try:
            yield self
        finally:
            await runner.cleanup()

    def complete(self) -> bool:
        """Whether every recording of one call has been told to its end."""
        ended = [name for name, states in self.states.items() if states == ["recording", "finished"]]
        return len(ended) == RECORDINGS and len(self.lengths) == RECORDINGS

    async def _take(self, request: web.Request) -> web.Response:
        params = orjson.loads(await request.read())["params"]
        self.states.setdefault(params["control_id"], []).append(params["state"])
        self.timeline.say("callback", f"{params['control_id']}: {params['state']} {params.get('duration', '')}")
        if params["state"] == "finished":
            await self._fetch(params)
        self.news.set()
        return web.Response(status=204)

    async def _fetch(self, params: dict[str, object]) -> None:
        async with aiohttp.ClientSession() as client, client.get(str(params["url"])) as response:
            body = await response.read()
        if response.status != 200 or len(body) != params["size"]:
            self.problems.append(f"{params['url']}: status {response.status}, {len(body)} bytes of {params['size']}")
            return
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            file.write(body)
            file.flush()
            found = wav.read(Path(file.name))
        self.lengths[str(params["control_id"])] = found.frames / found.rate
        self.timeline.say("fetched", f"{params['control_id']}: {found.frames / found.rate:.2f} s, {len(body)} bytes")


async def demo(*, once: bool, out: Callable[[str], None] = print) -> int:
    """Run the demo; return the exit code."""
    timeline = Timeline(out)
    with tempfile.TemporaryDirectory(prefix="fsrec-demo-") as place:
        directory = Path(place)
        recordings, data = directory / "recordings", directory / "data"
        recordings.mkdir()
        receiver = Receiver(timeline)
        async with receiver.listening():
            document = directory / "demo.swml.yaml"
            document.write_text(DOCUMENT.format(url=receiver.url))
            switch = Softswitch(directory=recordings, password=PASSWORD)
            await switch.start()
            try:
                settings = parse(
                    SETTINGS.format(
                        port=switch.port, password=PASSWORD, recordings=recordings, data=data, document=document
                    )
                )
                telemetry = Telemetry()
                telemetry.subscribe(timeline.observe)
                ready = asyncio.Event()
                telemetry.subscribe(lambda event: ready.set() if isinstance(event, SwitchReady) else None)
                app = App(settings, telemetry, watch=timeline.fact)
                async with app.running():
                    try:
                        await asyncio.wait_for(ready.wait(), DEADLINE)
                    except TimeoutError:
                        timeline.say("failed", f"no switch within {DEADLINE:.0f} s: {'; '.join(app.problems())}")
                        return 1
                    timeline.say("ready", f"recordings under {app.base_url}; callbacks at {receiver.url}")
                    return await _call(switch, receiver, timeline, app, once=once)
            finally:
                await switch.stop()


async def _call(switch: Softswitch, receiver: Receiver, timeline: Timeline, app: App, *, once: bool) -> int:
    for number in itertools.count(1):
        receiver.states.clear()
        receiver.lengths.clear()
        timeline.say("caller", f"call {number} to {DESTINATION}")
        await switch.call(DESTINATION, SCRIPT, caller_name="Demo caller", caller_number="15551230000")
        try:
            async with asyncio.timeout(DEADLINE):
                while not receiver.complete() and not receiver.problems:
                    receiver.news.clear()
                    await receiver.news.wait()
        except TimeoutError:
            receiver.problems.append(f"not complete within {DEADLINE:.0f} s: {receiver.states}")
        if receiver.problems:
            timeline.say("failed", "; ".join(receiver.problems))
            return 1
        unfinished = [r.id for r in await app.store.read(lambda reader: reader.unfinished("demo"))]
        if unfinished:
            timeline.say("failed", f"recordings that are not {State.COMPLETED}: {unfinished}")
            return 1
        timeline.say("done", f"{RECORDINGS} recordings, {2 * RECORDINGS} callbacks, all there")
        if once:
            return 0
        await asyncio.sleep(BETWEEN)
    return 0
