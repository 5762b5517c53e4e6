"""A real FreeSWITCH for tests: found, started with freeswitch-conf and dialplans as shipped, and called.

`FreeSwitch` is the process (one per test worker), `LiveSwitch` its use by one test, `LiveCall` a caller.

A caller is a loopback pair: its b leg goes through the dialplan and is parked, as an inbound call is; the a leg
is the caller. Nothing is played while the b leg is unanswered (`ignore_early_media`). At the answer `originate`
hands the a leg to an inline extension: the script's WAV, then endless silence. The a leg is never parked: the
product would see a CHANNEL_PARK of the caller's own leg, with the same variables.

The caller hangs up by killing the b leg, as a BYE would. Hanging up the a leg is a race that a BYE is not:
mod_loopback unlinks the b leg first, whose park may then end by itself (CHANNEL_UNPARK, NORMAL_CLEARING).
"""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
import wave
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from controller.softswitch.script import Rendered, Script, render
from tests.harness.esl import Address, EslClient, EslError, Event, Watch, connected
from tests.harness.proxy import Proxy
from tests.harness.switch import SWITCH_LOST, Abilities

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(__file__).with_name("data")
PREFIXES = ("/usr", "/usr/local", "/usr/local/freeswitch", "/opt/freeswitch")
EVENTS = (
    "CHANNEL_CREATE", "CHANNEL_PARK", "CHANNEL_UNPARK", "CHANNEL_ANSWER", "CHANNEL_HANGUP",
    "CHANNEL_HANGUP_COMPLETE", "DTMF", "PLAYBACK_START", "PLAYBACK_STOP", "RECORD_START", "RECORD_STOP", "BACKGROUND_JOB",
)  # fmt: skip
READY_SECONDS = 60.0
_PLAIN = re.compile(r"[^\x00-\x1f\x7f,'\"\\{}\[\]<>$^|]*")
_T = TypeVar("_T")


def find_binary() -> Path | None:
    """FSREC_FREESWITCH, or a freeswitch in PATH or under the usual prefixes."""
    if named := os.environ.get("FSREC_FREESWITCH"):
        binary = Path(named)
        if not os.access(binary, os.X_OK):
            raise FileNotFoundError(f"FSREC_FREESWITCH={named}: no such program")
        return binary
    if found := shutil.which("freeswitch"):
        return Path(found)
    candidates = (Path(prefix) / "bin" / "freeswitch" for prefix in PREFIXES)
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


class FreeSwitch:
    """A FreeSWITCH process of ours, or one that runs already (FSREC_ESL=host:port:password).

    An attached one must have the shipped dialplan, and write where we can read: FSREC_RECORDINGS names that
    directory, under the path that both see.
    """

    def __init__(
        self,
        binary: Path | None,
        attached: Address | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` are environment variables of freeswitch-conf/vars.xml that win over the harness's own."""
        self.binary = binary
        self._settings = settings or {}
        self.process: subprocess.Popen[bytes] | None = None
        if attached is not None:
            self.home = Path(os.environ.get("FSREC_RECORDINGS", "/var/lib/fsrec/recordings"))
            self.address = attached
            self.sip_port = int(os.environ.get("FSREC_SIP_PORT", "5060"))
        else:
            self.home = Path(tempfile.mkdtemp(prefix="fsrec-live-"))
            self.address = Address("127.0.0.1", _free_port(socket.SOCK_STREAM), secrets.token_hex(12))
            self.sip_port = _free_port(socket.SOCK_DGRAM)
        self.recordings = self.home / "recordings" if binary else self.home
        self.scripts = self.recordings / "scripts"

    @classmethod
    def find(cls) -> FreeSwitch | None:
        """The switch that this machine and its environment offer, not yet started."""
        if named := os.environ.get("FSREC_ESL"):
            host, port, password = named.split(":", 2)
            return cls(None, Address(host, int(port), password))
        binary = find_binary()
        return cls(binary) if binary else None

    def start(self) -> None:
        """Start unless it runs, and wait until it serves. RuntimeError with the log when it does not."""
        self.scripts.mkdir(parents=True, exist_ok=True)
        if self.binary is not None and (self.process is None or self.process.poll() is not None):
            self.spawn()
        _outside(self._ready())

    def spawn(self) -> None:
        """Start our process; it does not serve yet on return."""
        for name in ("log", "db", "run"):
            (self.home / name).mkdir(exist_ok=True)
        rtp = random.randrange(20000, 60000, 2)  # noqa: S311 - spreads the workers' ranges; no secret
        settings = {
            "FSREC_ESL_PORT": self.address.port, "FSREC_ESL_PASSWORD": self.address.password,
            "FSREC_SIP_PORT": self.sip_port, "FSREC_RTP_START": rtp, "FSREC_RTP_END": rtp + 400,
            "FSREC_RECORDINGS": self.recordings, "FSREC_LOG_LEVEL": "debug",
            "FSREC_DIALPLAN_MORE": DATA / "dialplan-harness.xml",
            # The dangerous setting on purpose: the product has to be safe on a switch that expands ${command …}.
            "FSREC_API_EXPANSION": "true",
        }  # fmt: skip
        places = ["-log", self.home / "log", "-db", self.home / "db", "-run", self.home / "run"]
        if self.binary is None:
            raise RuntimeError("an attached FreeSWITCH is not ours to start")
        command = [self.binary, "-nf", "-nonat", "-nocal", "-conf", REPOSITORY / "freeswitch-conf", *places]
        with (self.home / "stdout").open("wb") as out:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **{name: str(value) for name, value in settings.items()}, **self._settings},
                umask=0o022,
            )
        atexit.register(self.kill)

    async def _ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with suppress(OSError, EslError, asyncio.IncompleteReadError):
                async with connected(self.address) as client:
                    status, sip = await client.api("status"), await client.api("sofia status")
                    if status.startswith("UP") and "RUNNING" in sip:
                        return
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"FreeSWITCH exited with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"FreeSWITCH not ready within {READY_SECONDS} s:\n{self.log()}")
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        """End our process (at once: in good order takes seconds) and remove what it wrote; leave an attached one."""
        if self.process is None:
            return
        self.kill()
        atexit.unregister(self.kill)
        shutil.rmtree(self.home, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL, and wait for the end. RuntimeError for an attached switch: it isn't ours."""
        if self.process is None:
            raise RuntimeError("this FreeSWITCH was not started by the tests")
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def log(self, lines: int = 80) -> str:
        """The last lines of its log."""
        path = self.home / "log" / "freeswitch.log"
        if not path.exists():
            path = self.home / "stdout"
        if self.process is None or not path.exists():
            return "(no log of an attached FreeSWITCH)"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


class LiveCall:
    """A loopback caller; `a` is its own leg, `leg` the parked one."""

    def __init__(self, client: EslClient, a: str, leg: str, sound: Rendered) -> None:
        self._client, self._a, self._sound = client, a, sound
        self.leg = leg
        self.began: float | None = None
        self._cause: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._acts: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return not self._cause.done()

    async def hangup(self, cause: str = "NORMAL_CLEARING") -> None:
        with suppress(EslError):
            await self._client.api(f"uuid_kill {self.leg} {cause}")

    async def press(self, digits: str) -> None:
        """By `uuid_send_dtmf` on the caller's leg, which hands them to the parked leg as an endpoint's."""
        reply = await self._client.api(f"uuid_send_dtmf {self._a} {digits}@100")
        if not reply.startswith("+OK"):
            raise EslError(f"digits {digits!r} not sent: {reply}")

    async def ended(self, timeout: float = 10.0) -> str:
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._cause)

    def hear(self, event: Event) -> None:
        """Take a fact of either leg."""
        name, leg = event.get("Event-Name"), event.get("Unique-ID")
        if name == "PLAYBACK_START" and leg == self._a and self._acts is None:
            # Events come up to 20 ms late; the switch's own clock says when the script began.
            self.began = int(event["Event-Date-Timestamp"]) / 1e6
            self._acts = asyncio.create_task(self._act(self.began))
        elif name == "CHANNEL_HANGUP_COMPLETE" and leg == self.leg:
            self.end(event.get("Hangup-Cause", ""))

    def end(self, cause: str) -> None:
        """The leg is gone."""
        if not self._cause.done():
            self._cause.set_result(cause)
        if self._acts is not None:
            self._acts.cancel()

    async def _act(self, began: float) -> None:
        """Press the script's keys, and hang up, at their times."""
        for offset, digit in self._sound.digits:
            await asyncio.sleep(max(0.0, began + offset - time.time()))
            with suppress(EslError):
                await self.press(digit)
        if self._sound.hangup_at is not None:
            await asyncio.sleep(max(0.0, began + self._sound.hangup_at - time.time()))
            await self.hangup(self._sound.hangup_cause)


class LiveSwitch:
    """`switch.Switch` on a `FreeSwitch`, for one test; `async with` it."""

    def __init__(self, server: FreeSwitch, directory: str) -> None:
        self._server = server
        self._proxy = Proxy(server.address.host, server.address.port)
        self._client: EslClient | None = None
        self._listener: asyncio.Task[None] | None = None
        self._calls: list[LiveCall] = []
        self.recordings = server.recordings / directory
        self.abilities = Abilities(kill=server.binary is not None, sip=True)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._server.start)
        self.recordings.mkdir(parents=True)
        if self._server.binary is None:
            self.recordings.chmod(0o777)  # an attached switch may run as somebody else
        await self._proxy.start()
        await self._listen()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._hang_up_all()
        await self._deafen()
        await self._proxy.stop()
        shutil.rmtree(self.recordings, ignore_errors=True)

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self._proxy.port, self._server.address.password)

    @property
    def direct(self) -> Address:
        return self._server.address

    @property
    def sip_port(self) -> int:
        return self._server.sip_port

    @property
    def client(self) -> EslClient:
        """The harness's own connection to the switch."""
        if self._client is None:
            raise EslError("the switch is down")
        return self._client

    async def call(
        self,
        destination: str = "1001",
        script: Script = (),
        *,
        caller_name: str = "",
        caller_number: str = "15551230000",
        variables: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> LiveCall:
        a, sound = str(uuid.uuid4()), render(script)
        settings = {
            **(variables or {}),
            "origination_uuid": a,
            "origination_caller_id_name": caller_name or caller_number,
            "origination_caller_id_number": caller_number,
            "ignore_early_media": "true",
            "originate_timeout": "3600",
            "loopback_bowout": "false",
        }
        for text in (destination, *settings, *settings.values()):
            if not _PLAIN.fullmatch(text):
                raise ValueError(f"{text!r} cannot be said to originate: plain text only, see Switch.call")
        braces = ",".join(f"{name}='{value}'" for name, value in settings.items())
        command = f"originate {{{braces}}}loopback/{destination}/fsrec '{self._sayings(a, sound)}' inline"
        with self.client.watch() as seen:
            job = str(uuid.uuid4())
            await self.client.command(f"bgapi {command}\nJob-UUID: {job}")
            event = await seen.wait(lambda e: _parked(e, a) or _job(e, job), timeout)
            if event["Event-Name"] == "BACKGROUND_JOB":
                raise EslError(f"no call to {destination}: {event.get('_body', '').strip()}")
            call = LiveCall(self.client, a, event["Unique-ID"], sound)
            self._calls.append(call)
            for heard in seen.events:  # what happened before the listener knew this call
                call.hear(heard)
        return call

    def _sayings(self, a: str, sound: Rendered) -> str:
        """The inline extension that is the caller."""
        steps = []
        if len(sound.samples):
            path = self._server.scripts / f"{a}.wav"
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(sound.samples.tobytes())
            steps.append(f"playback:{path}")
        return ",".join([*steps, "playback:silence_stream://-1"])

    async def kill(self) -> None:
        await asyncio.to_thread(self._server.kill)
        await self._deafen()

    async def restart(self) -> None:
        if self._client is not None:
            await self.kill()
        await asyncio.to_thread(self._server.start)
        await self._listen()

    async def cut_links(self) -> None:
        await self._proxy.cut()

    async def refuse_links(self, refuse: bool = True) -> None:
        self._proxy.refusing = refuse

    def log(self) -> str:
        return self._server.log()

    async def _listen(self) -> None:
        self._client = await EslClient.connect(self._server.address, *EVENTS)
        ready = asyncio.Event()
        self._listener = asyncio.create_task(self._follow(self._client, ready))
        await ready.wait()

    async def _follow(self, client: EslClient, ready: asyncio.Event) -> None:
        with client.watch() as seen:
            ready.set()
            with suppress(EslError):
                while True:
                    event = await _next(seen)
                    for call in self._calls:
                        call.hear(event)
        for call in self._calls:
            call.end(SWITCH_LOST)

    async def _deafen(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
            self._listener = None
        for call in self._calls:
            call.end(SWITCH_LOST)
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _hang_up_all(self) -> None:
        if self._client is None:
            return
        with suppress(EslError):
            if self._server.binary is not None:
                await self.client.api("hupall NORMAL_CLEARING")
            for call in self._calls:
                await call.hangup()
        for call in self._calls:
            await call.ended(20.0)


async def _next(seen: Watch) -> Event:
    """Take the oldest event off a watch that only one reader has."""
    event = await seen.wait(lambda _: True, timeout=86400.0)
    seen.events.pop(0)
    return event


def _parked(event: Event, a: str) -> bool:
    return event.get("Event-Name") == "CHANNEL_PARK" and event.get("variable_other_loopback_leg_uuid") == a


def _job(event: Event, job: str) -> bool:
    return event.get("Event-Name") == "BACKGROUND_JOB" and event.get("Job-UUID") == job


def _free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _outside(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine from plain code, whether or not a loop runs in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
