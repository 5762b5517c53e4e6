"""A real FreeSWITCH for one test, and its callers.

A caller is a loopback pair: its b leg goes through the dialplan and is parked, as an inbound call is; the a leg
is the caller. Nothing is played while the b leg is unanswered (`ignore_early_media`). At the answer `originate`
hands the a leg to an inline extension: the script's WAV, then endless silence. The a leg is never parked: the
product would see a CHANNEL_PARK of the caller's own leg, with the same variables.

The caller hangs up by killing the b leg, as a BYE would. Hanging up the a leg is a race that a BYE is not:
mod_loopback unlinks the b leg first, whose park may then end by itself (CHANNEL_UNPARK, NORMAL_CLEARING).
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
import uuid
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Self

from controller.softswitch.script import Rendered, Script, render
from tests.harness.esl import Address, EslClient, EslError, Event, Watch
from tests.harness.freeswitch import FreeSwitch
from tests.harness.proxy import Proxy
from tests.harness.switch import SWITCH_LOST, Abilities

EVENTS = (
    *("CHANNEL_CREATE", "CHANNEL_PARK", "CHANNEL_UNPARK", "CHANNEL_ANSWER"),
    *("CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "DTMF", "PLAYBACK_START", "PLAYBACK_STOP"),
    *("RECORD_START", "RECORD_STOP", "BACKGROUND_JOB"),
)
_PLAIN = re.compile(r"[^\x00-\x1f\x7f,'\"\\{}\[\]<>$^|]*")


class LiveCall:
    """A loopback caller; `a` is its own leg, `leg` the parked one."""

    def __init__(self, client: EslClient, a: str, leg: str, sound: Rendered) -> None:
        self._client, self._a, self._sound = client, a, sound
        self.leg = leg
        self.began: float | None = None
        self.heard_digits = ""
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
        elif name == "DTMF" and leg == self._a:
            self.heard_digits += event.get("DTMF-Digit", "")
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
        self._turns, self._dialling, self._rate = asyncio.Condition(), 0, 8000
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
        if self._rate != 8000 and self._client is not None:
            await self._client.api("global_setvar loopback_initial_codec=")
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
        rate: int = 8000,
        timeout: float = 10.0,
    ) -> LiveCall:
        a, sound = str(uuid.uuid4()), render(script, rate)
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
        command = f"originate {{{braces}}}loopback/{destination}/fsrec '{self._sayings(a, sound, rate)}' inline"
        async with self._dialling_at(rate):
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

    @asynccontextmanager
    async def _dialling_at(self, rate: int) -> AsyncIterator[None]:
        """Within it loopback legs are made at `rate`; those of another rate wait for their turn.

        mod_loopback has no other way: when it makes a leg, only global variables are there to be read.
        """
        async with self._turns:
            await self._turns.wait_for(lambda: not self._dialling or self._rate == rate)
            self._dialling += 1
            if rate != self._rate:
                codec = "" if rate == 8000 else f"L16@{rate}h"
                await self.client.api(f"global_setvar loopback_initial_codec={codec}")
                self._rate = rate
        try:
            yield
        finally:
            async with self._turns:
                self._dialling -= 1
                self._turns.notify_all()

    def _sayings(self, a: str, sound: Rendered, rate: int) -> str:
        """The inline extension that is the caller."""
        steps = []
        if len(sound.samples):
            path = self._server.scripts / f"{a}.wav"
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(rate)
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
        self._rate = 8000
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
