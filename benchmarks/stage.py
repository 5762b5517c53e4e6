"""A stage for what happens on a switch: fsrec and a raw client as processes of their own, callers, and ears.

fsrec is ``fsrec run`` as shipped, straight on the switch; its documents lie beside it and its callbacks come here.
The raw client takes the legs of its own destination. The ears subscribe on a third connection and note nothing but
the switch's own times, so it does not matter how late an event reaches them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.switches import a_switch
from tests.harness.esl import EslClient, Event
from tests.harness.freeswitch import FreeSwitch
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Switch
from tests.scenarios.daemon import Daemon

OURS = "1001"
RAW = "2001"
HEARD = ("CHANNEL_CREATE", "CHANNEL_PARK", "CHANNEL_ANSWER", "RECORD_START", "RECORD_STOP", "CHANNEL_HANGUP_COMPLETE")
LONGEST = 60.0
"""Seconds that anything is waited for."""
_TICKS = os.sysconf("SC_CLK_TCK")


def stamp(event: Event) -> float:
    """When the switch fired it, in Unix seconds by its own clock."""
    return int(event["Event-Date-Timestamp"]) / 1e6


def cpu_of(process: int) -> float:
    """Seconds of processor time that a process took, and its children, those that live and those waited for."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    seconds = sum(map(int, fields[11:15])) / _TICKS
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):
            seconds += sum(cpu_of(int(child)) for child in (task / "children").read_text().split())
    return seconds


@dataclass(slots=True)
class Heard:
    """When the switch fired what concerns a leg: the first event of each name."""

    destination: str
    times: dict[str, float] = field(default_factory=dict)

    def since(self, first: str, then: str) -> float:
        """Seconds from one event to another."""
        return self.times[then] - self.times[first]


@dataclass(slots=True)
class Ears:
    """Legs by their Unique-ID, in the order of their first events."""

    client: EslClient
    legs: dict[str, Heard] = field(default_factory=dict)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self) -> None:
        """Note events for ever."""
        with self.client.watch() as watch:
            while True:
                await watch.wait(lambda _: True, 3600)
                events, watch.events[:] = watch.events[:], []
                for event in events:
                    destination = event.get("Caller-Destination-Number", "")
                    heard = self.legs.setdefault(event.get("Unique-ID", ""), Heard(destination))
                    heard.times.setdefault(event["Event-Name"], stamp(event))
                async with self._came:
                    self._came.notify_all()

    def having(self, name: str, destination: str) -> list[str]:
        """The legs of a destination of which such an event was heard."""
        return [leg for leg, heard in self.legs.items() if heard.destination == destination and name in heard.times]

    async def until(self, name: str, destination: str, count: int) -> list[str]:
        """Wait until so many legs of a destination have fired such an event; which."""
        async with asyncio.timeout(LONGEST), self._came:
            await self._came.wait_for(lambda: len(self.having(name, destination)) >= count)
        return self.having(name, destination)

    async def of(self, name: str, leg: str) -> None:
        """Wait for an event of one leg."""
        async with asyncio.timeout(LONGEST), self._came:
            await self._came.wait_for(lambda: leg in self.legs and name in self.legs[leg].times)


@dataclass(slots=True)
class Stage:
    """See the module. ``legs`` of the ears may be cleared between rounds."""

    name: str
    switch: Switch
    place: Path
    receiver: Receiver
    daemon: Daemon
    ears: Ears
    raw: asyncio.subprocess.Process | None = None

    async def call(
        self, destination: str, variables: Mapping[str, str] | None = None, context: str = "fsrec"
    ) -> None:
        """Let somebody call; nothing is waited for.

        On FreeSWITCH it is one leg of the endpoint ``null``, which costs it half of what a loopback pair does: that
        runs at realtime priority, and 500 pairs leave a machine of two cores to nobody else.
        """
        if isinstance(self.switch, SoftSwitch):
            await self.switch.inner.call(destination, (), variables=variables or {}, context=context)
            return
        braces = ",".join(f"{name}='{value}'" for name, value in (variables or {}).items())
        command = f"originate {{{braces}}}null/{destination} {destination} XML {context}"
        await self.ears.client.command(f"bgapi {command}\nJob-UUID: {uuid.uuid4()}")

    async def hang_up(self, legs: Iterable[str]) -> None:
        """End legs, and wait until they are gone."""
        gone = list(legs)
        for leg in gone:
            await self.ears.client.api(f"uuid_kill {leg}")
        for leg in gone:
            await self.ears.of("CHANNEL_HANGUP_COMPLETE", leg)

    async def quiet(self) -> None:
        """Wait until fsrec has nothing to do: every recording is final and every callback delivered."""
        async with asyncio.timeout(LONGEST):
            while self.daemon.unfinished() or not self.daemon.quiet():  # noqa: ASYNC110 - its store is asked
                await asyncio.sleep(0.05)

    async def go(self, legs: int, *, bodies: bool = False) -> float:
        """Have the raw client record its legs, when it holds so many; the Unix time of its first command."""
        return float(await self.tell_raw(f"go {legs} bodies" if bodies else f"go {legs}"))

    async def tell_raw(self, line: str) -> str:
        """Say a line to the raw client; its answer, where it gives one."""
        assert self.raw is not None
        assert self.raw.stdin is not None
        assert self.raw.stdout is not None
        self.raw.stdin.write(f"{line}\n".encode())
        return (await self.raw.stdout.readline()).decode() if line.startswith("go ") else ""

    def cpu(self, destination: str) -> float:
        """Seconds of processor time that a side's own processes took so far."""
        process = self.daemon.process if destination == OURS else self.raw
        return 0.0 if process is None else cpu_of(process.pid)

    async def spawn_raw(self, *, hold: bool, module: str = "benchmarks.raw") -> None:
        """Start the raw client, or another that is told the same; it serves on return."""
        where = self.switch.direct
        self.raw = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self.raw.stdin is not None
        assert self.raw.stdout is not None
        about: dict[str, Any] = {"host": where.host, "port": where.port, "password": where.password}
        about |= {"destination": RAW, "recordings": str(self.switch.recordings), "hold": hold}
        about |= {"callback": self.receiver.url("/raw")}
        self.raw.stdin.write(json.dumps(about).encode() + b"\n")
        assert await self.raw.stdout.readline() == b"ready\n"


@contextlib.asynccontextmanager
async def stage(server: FreeSwitch | None = None, **changes: Any) -> AsyncIterator[Stage]:
    """Set it up: a switch, a receiver, ears; fsrec's settings with ``changes``, to be spawned by who uses it."""
    async with a_switch(server) as (name, switch), Receiver() as receiver:
        with tempfile.TemporaryDirectory(prefix="fsrec-bench-") as place:
            daemon = Daemon(switch, Path(place), receiver)
            where = switch.direct
            (about,) = daemon.raw()["switches"]
            about |= {"host": where.host, "port": where.port, "password": where.password}
            daemon.changes = {"switches": [about], **changes}
            ears = Ears(await EslClient.connect(where, *HEARD))
            made = Stage(name, switch, Path(place), receiver, daemon, ears)
            listening = asyncio.create_task(ears.listen())
            try:
                yield made
            finally:
                listening.cancel()
                if made.raw is not None and made.raw.returncode is None:
                    made.raw.terminate()
                    await made.raw.wait()
                await daemon.close()
                await ears.client.close()


async def on_time(began: float, after: float) -> None:
    """Sleep until so many seconds after a moment of ``time.monotonic``."""
    await asyncio.sleep(max(0.0, began + after - time.monotonic()))
