"""Runs the demo's calls on a softswitch and a daemon of their own, and judges what came of them."""

from __future__ import annotations

import asyncio
import base64
import itertools
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from controller.app import App
from controller.calls.events import CallEnded, CallFailed, DocumentRefused, MessageUnrendered, StepFailed
from controller.demo.parts import STATUS_URL, TRANSCRIBED, Part, shown
from controller.demo.receiver import Receiver
from controller.demo.timeline import Timeline
from controller.recordings.model import State
from controller.settings import parse
from controller.softswitch import Leg, Script, Softswitch
from controller.switch.board import SwitchReady
from controller.switch.facts import Fact, RecordStarted
from controller.telemetry import Telemetry

PASSWORD = "demo-only"  # noqa: S105 - of a softswitch that lives in this process, on loopback, for this run
PROJECT, SPACE = "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001", "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c002"
SID, AUTH_ID, TOKEN = "AC5f0c1e9a52f14b8e9a3e0d3a52d1c001", "MADEMODEMODEMODEMO00", "demo-token"
AUTHORIZATION = f"Basic {base64.b64encode(f'{PROJECT}:{TOKEN}'.encode()).decode()}"
DEADLINE = 80.0
"""Seconds that ``--once`` may take, and each call without it; all calls take some 45."""

READY = 8.0
"""Seconds within which the switch must be attached to."""

BETWEEN = 5.0
"""Seconds between two rounds without ``--once``."""

SETTINGS = """
switches:
  - {{name: demo, host: 127.0.0.1, port: {port}, password: {password},
      switch_path: "{recordings}", local_path: "{recordings}"}}
http: {{listen: "127.0.0.1:{console}", console_token: "{console_token}"}}
data_dir: "{data}"
accounts:
  - {{name: signalwire, vendor: signalwire, project_id: "{PROJECT}", space_id: "{SPACE}", api_token: "{TOKEN}",
      signing_key: demo-key}}
  - {{name: twilio, vendor: twilio, account_sid: "{SID}", auth_token: "{TOKEN}"}}
  - {{name: plivo, vendor: plivo, auth_id: "{AUTH_ID}", auth_token: "{TOKEN}"}}
routes: [{routes}]
transcription: {{engine: {engine}}}
webhooks: {{allow_networks: ["127.0.0.0/8"]}}
limits: {{min_free_disk: 1MiB}}
"""


async def demo(*, once: bool, out: Callable[[str], None] = print, port: int = 0) -> int:
    """Run the demo; return the exit code.

    Without ``once`` it calls until it is ended, whatever comes of a call: people stop and pause recordings in the
    console, which is at ``port`` where that is free.
    """
    timeline = Timeline(out)
    with tempfile.TemporaryDirectory(prefix="fsrec-demo-") as place:
        directory = Path(place)
        recordings = directory / "recordings"
        recordings.mkdir()
        receiver = Receiver(timeline)
        async with receiver.listening():
            switch = Softswitch(directory=recordings, password=PASSWORD)
            await switch.start()
            try:
                return await _serve(switch, receiver, directory, once=once, port=port)
            finally:
                await switch.stop()


async def _serve(switch: Softswitch, receiver: Receiver, directory: Path, *, once: bool, port: int) -> int:
    timeline, token = receiver.timeline, secrets.token_hex(8)
    telemetry, stage = Telemetry(), _Stage(switch, receiver, shown())
    telemetry.subscribe(timeline.observe)
    telemetry.subscribe(stage.observe)

    def watch(fact: Fact) -> None:
        timeline.fact(fact)
        stage.fact(fact)

    settings = parse(_settings(switch.port, directory, receiver.url, stage.parts, _free(port), token))
    app = App(settings, telemetry, watch=watch)
    async with app.running():
        try:
            await asyncio.wait_for(stage.ready.wait(), min(READY, DEADLINE))
        except TimeoutError:
            timeline.say("failed", f"no switch to be had: {'; '.join(app.problems())}")
            return 1
        stage.base = app.base_url
        timeline.say("ready", f"recordings under {app.base_url}; callbacks at {receiver.url}")
        if not once:
            stage.invitation = f"{app.base_url}/ is open: sign in with the token {token}, and no id"
        for round_number in itertools.count(1):
            problems = await stage.round(round_number, DEADLINE if once else None)
            if not problems:
                problems = await _unfinished(app)
            if problems:
                timeline.say("failed", "; ".join(problems))
            else:
                callbacks = sum(len(part.states) for part in stage.parts)
                timeline.say(
                    "done", f"{len(stage.parts)} recordings, {callbacks} callbacks, all there and as they should be"
                )
            if once:
                return 1 if problems else 0
            await asyncio.sleep(BETWEEN)
    return 0


def _free(port: int) -> int:
    """Return a port of loopback that can be listened on: this one, or 0, any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


async def _unfinished(app: App) -> list[str]:
    left = [recording.id for recording in await app.store.read(lambda reader: reader.unfinished("demo"))]
    return [f"recordings that are not {State.COMPLETED}: {left}"] if left else []


def _settings(
    port: int, directory: Path, status_url: str, shown: Sequence[Part], console: int, console_token: str
) -> str:
    routes = []
    for part in shown:
        document = directory / part.number
        document.write_text(part.document.replace(STATUS_URL, status_url))
        routes.append(f'{{destination: "^{part.number}$", account: {part.account}, document: "{document}"}}')
    return SETTINGS.format(
        port=port,
        password=PASSWORD,
        console=console,
        console_token=console_token,
        recordings=directory / "recordings",
        data=directory / "data",
        PROJECT=PROJECT,
        SPACE=SPACE,
        SID=SID,
        AUTH_ID=AUTH_ID,
        TOKEN=TOKEN,
        routes=", ".join(routes),
        engine="moonshine" if TRANSCRIBED in shown else "none",
    )


class _Stage:
    """Implements ``parts.Stage`` for one call after the other."""

    def __init__(self, switch: Softswitch, receiver: Receiver, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.base = ""
        self.invitation = ""
        self.ready = asyncio.Event()
        self._switch = switch
        self._receiver = receiver
        self._leg: Leg | None = None
        self._recording = asyncio.Event()
        self._waking: set[asyncio.Task[None]] = set()

    # --- what is seen ----------------------------------------------------------------------------------------

    def observe(self, event: object) -> None:
        """Take from telemetry what the calls wait for."""
        match event:
            case SwitchReady():
                self.ready.set()
            case CallEnded():
                self._receiver.over = True
                self._wake()
            case CallFailed() | DocumentRefused() | StepFailed():
                self._wake(event.why)
            case MessageUnrendered():
                self._wake(event.error)

    def fact(self, fact: Fact) -> None:
        """Notice the start of the recording, as the caller does by the end of the beep."""
        if isinstance(fact, RecordStarted):
            self._recording.set()

    def _acted(self, acting: asyncio.Future[None]) -> None:
        if not acting.cancelled() and (error := acting.exception()) is not None:
            self._wake(f"{type(error).__name__}: {error}")

    def _wake(self, problem: str | None = None) -> None:
        task = asyncio.get_running_loop().create_task(self._receiver.tell(problem))
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)

    # --- what a part can do ----------------------------------------------------------------------------------

    def say(self, script: Script) -> None:
        """Let the caller speak."""
        if self._leg is not None:
            self._leg.say(script)

    def hang_up(self) -> None:
        """Let the caller hang up."""
        if self._leg is not None:
            self._leg.hangup()

    async def recording(self) -> None:
        """Wait for RECORD_START."""
        await self._recording.wait()

    async def told(self, *states: str) -> None:
        """Wait for callbacks."""
        await self._receiver.until(lambda: self._receiver.states == states)

    async def command(self, name: str, **params: str) -> None:
        """Send a REST command."""
        await self._receiver.command(self.base, AUTHORIZATION, name, **params)

    # --- rounds ----------------------------------------------------------------------------------------------

    async def round(self, number: int, deadline: float | None) -> list[str]:
        """Place each call; return what is wrong.

        ``deadline`` seconds are for all of them, and the first that fails is the last; None: each has its own.
        """
        found: list[str] = []
        until = None if deadline is None else asyncio.get_running_loop().time() + deadline
        for part in self.parts:
            if self.invitation:
                self._receiver.timeline.say("console", self.invitation)
            try:
                async with asyncio.timeout_at(until), asyncio.timeout(DEADLINE):
                    found += await self._call(number, part)
            except TimeoutError:
                found.append(f"{part.title}: not complete within {DEADLINE:.0f} s, told were {self._receiver.states}")
            if found and deadline is not None:
                break
        return found

    async def _call(self, number: int, part: Part) -> list[str]:
        receiver = self._receiver
        receiver.begin()
        self._recording.clear()
        receiver.timeline.say("caller", f"call {number} to {part.number}: {part.title}")
        self._leg = await self._switch.call(part.number, caller_name="Demo caller", caller_number="15551230000")
        acting = asyncio.ensure_future(part.act(self))
        acting.add_done_callback(self._acted)
        try:
            await receiver.until(lambda: receiver.over and receiver.told_all(len(part.states)))
            return [f"{part.title}: {problem}" for problem in (*receiver.problems, *self._judged(part))]
        finally:
            acting.cancel()
            await asyncio.gather(acting, return_exceptions=True)
            self.hang_up()

    def _judged(self, part: Part) -> Iterator[str]:
        receiver = self._receiver
        if receiver.problems:
            return
        told, right = receiver.states, part.states
        if told != right if part.ordered else sorted(told) != sorted(right):
            yield f"told were {told}, not {right}"
        elif receiver.sound is None or receiver.ended is None:
            yield "there is no file"
        else:
            seconds = receiver.ended["duration"]
            if abs(receiver.sound.seconds - seconds) > 1:
                yield f"{receiver.sound.seconds:.2f} s, and {seconds} s were told"
            yield from part.judge(receiver.sound, receiver.told)
            if part.plays_back and not self._played_back():
                yield "the recording was not played back"

    def _played_back(self) -> bool:
        assert self._leg is not None  # noqa: S101 - there was a call
        ran = [entry for entry in self._switch.journal.executed if entry.leg == self._leg.uuid]
        return any(entry.application == "playback" and entry.argument.startswith("/") for entry in ran)
