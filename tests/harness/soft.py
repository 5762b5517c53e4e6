"""The embedded softswitch behind the same interface as a real one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from controller.softswitch import Leg, Script, Softswitch
from tests.harness.esl import Address
from tests.harness.proxy import Proxy
from tests.harness.switch import SWITCH_LOST, Abilities

CALLEES: dict[str, tuple[tuple[str, str], ...]] = {
    "2000": (("answer", ""), ("playback", "tone_stream://%(600000,0,600)")),
    "2001": (
        *(("ring_ready", ""), ("sleep", "1000"), ("answer", "")),
        *(("playback", "tone_stream://%(2000,0,700)"), ("hangup", "NORMAL_CLEARING")),
    ),
    "2002": (("hangup", "USER_BUSY"),),
    "2003": (("ring_ready", ""), ("park", "")),
    "2004": (
        *(("pre_answer", ""), ("playback", "tone_stream://%(1000,0,900)"), ("answer", "")),
        ("playback", "tone_stream://%(600000,0,600)"),
    ),
    "2005": (("pre_answer", ""), ("playback", "tone_stream://%(1000,0,900)"), ("hangup", "USER_BUSY")),
    "2006": (("pre_answer", ""), ("playback", "tone_stream://%(600000,0,900)")),
    "2007": (("hangup", "UNALLOCATED_NUMBER"),),
    "2010": (
        *(("answer", ""), ("sleep", "1500"), ("send_dtmf", "5@100")),
        ("playback", "tone_stream://%(600000,0,600)"),
    ),
    "2011": (("answer", ""), ("sleep", "1500"), ("hangup", "NORMAL_CLEARING")),
    "2012": (
        *(("answer", ""), ("sleep", "1000"), ("send_dtmf", "7@100"), ("sleep", "1500"), ("send_dtmf", "5@100")),
        ("playback", "tone_stream://%(600000,0,600)"),
    ),
}
"""Whom the tests dial, as in data/dialplan-harness.xml."""


class SoftCall:
    """A caller of the softswitch; `inner` is its leg."""

    def __init__(self, inner: Leg) -> None:
        self.inner = inner
        self.leg = inner.uuid
        self._lost = False

    @property
    def alive(self) -> bool:
        return not self._lost and not self.inner.hungup

    @property
    def heard_digits(self) -> str:
        return self.inner.digits_sent

    async def hangup(self, cause: str = "NORMAL_CLEARING") -> None:
        self.inner.hangup(cause)

    async def press(self, digits: str) -> None:
        self.inner.press(digits)

    async def ended(self, timeout: float = 10.0) -> str:
        async with asyncio.timeout(timeout):
            await self.inner.wait_hangup()
        return SWITCH_LOST if self._lost else self.inner.hangup_cause

    def lose(self) -> None:
        """The switch dies."""
        self._lost = self._lost or not self.inner.gone


class SoftSwitch:
    """`switch.Switch` on a `Softswitch`; `async with` it. `inner` gives its journal and faults."""

    def __init__(self, recordings: Path) -> None:
        self.recordings = recordings
        self.abilities = Abilities(kill=True, sip=False)
        self._password = secrets.token_hex(12)
        self._calls: list[SoftCall] = []
        self._proxy: Proxy | None = None
        self._up = False
        self.inner = Softswitch(directory=recordings, host="127.0.0.1", port=0, password=self._password)
        self.inner.extensions.update(CALLEES)

    async def __aenter__(self) -> Self:
        self.recordings.mkdir(parents=True, exist_ok=True)
        await self.inner.start()
        self._up = True
        self._proxy = Proxy("127.0.0.1", self.inner.port)
        await self._proxy.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._proxy is not None:
            await self._proxy.stop()
        if self._up:
            await self.inner.stop()

    @property
    def address(self) -> Address:
        if self._proxy is None:
            raise RuntimeError("the softswitch is not started")
        return Address("127.0.0.1", self._proxy.port, self._password)

    @property
    def direct(self) -> Address:
        return Address("127.0.0.1", self.inner.port, self._password)

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
    ) -> SoftCall:
        async with asyncio.timeout(timeout):
            inner = await self.inner.call(
                destination,
                script,
                caller_name=caller_name or caller_number,
                caller_number=caller_number,
                variables=variables or {},
                rate=rate,
            )
            while not inner.controlled and not inner.gone:
                await asyncio.sleep(0.001)
        call = SoftCall(inner)
        self._calls.append(call)
        return call

    async def kill(self) -> None:
        for call in self._calls:
            call.lose()
        await self.inner.crash()
        self._up = False

    async def restart(self) -> None:
        if self._up:
            await self.kill()
        await self.inner.restart()
        self._up = True

    async def cut_links(self) -> None:
        if self._proxy is not None:
            await self._proxy.cut()

    async def refuse_links(self, refuse: bool = True) -> None:
        if self._proxy is not None:
            self._proxy.refusing = refuse

    def log(self) -> str:
        return "\n".join(repr(entry) for entry in self.inner.journal.commands[-80:])
