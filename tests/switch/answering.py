"""A peer that answers every command by a table, and a switchboard connected to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from controller.switch.board import Switchboard
from controller.switch.facts import Fact
from controller.switch.link import SwitchAddress, Timings
from controller.telemetry import Telemetry
from tests.switch.peer import Conn, Peer, Script, api, event, reply

QUICK = Timings(backoff_first=0.001, backoff_cap=0.01, reply=5)
SWITCH = "fs1"
LEG = "5e0e1c8e-6d1c-4a4b-9f0f-0d2f6a3c7b11"

FILES = {
    "CHANNEL_PARK": "switch_ivr.c",
    "CHANNEL_UNPARK": "switch_ivr.c",
    "CHANNEL_ANSWER": "switch_channel.c",
    "CHANNEL_HANGUP_COMPLETE": "switch_core_state_machine.c",
    "CHANNEL_EXECUTE_COMPLETE": "switch_core_session.c",
    "RECORD_START": "switch_ivr_async.c",
    "RECORD_STOP": "switch_ivr_async.c",
    "HEARTBEAT": "switch_core.c",
}


def core_event(name: str, at: float | None = None, **headers: Any) -> bytes:
    """An event as the core writes it."""
    stamp = str(round((time.time() if at is None else at) * 1e6))
    known = {"Event_Calling_File": FILES[name], "Event_Date_Timestamp": stamp, "Unique_ID": LEG}
    return event(name, **{**known, **headers})


async def eventually(true: Callable[[], object], within: float = 8.0) -> None:
    """Wait for a fact; fails after a deadline."""
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.001)


@dataclass
class Answers:
    """Plays the switch: the first entry of `table` that a packet begins with says what it answers.

    Text is a reply or an api's body, of a bgapi what its job prints; a callable does what it likes with the
    connection. Without an entry all is well.
    """

    table: dict[str, str | Callable[[Conn], Any]] = field(default_factory=dict)
    packets: list[str] = field(default_factory=list)
    conn: Conn | None = None
    at: float | None = None

    async def __call__(self, conn: Conn) -> None:
        await conn.setup()
        self.conn = conn
        while True:
            packet = await conn.packet()
            self.packets.append(packet)
            answer = next((told for start, told in self.table.items() if packet.startswith(start)), "+OK\n")
            if not isinstance(answer, str):
                await answer(conn)
            elif packet.startswith("api "):
                await conn.send(api(answer))
            elif packet.startswith("bgapi "):
                job = packet.partition("\nJob-UUID: ")[2]
                stamp = {} if self.at is None else {"Event_Date_Timestamp": str(round(self.at * 1e6))}
                await conn.send(reply(f"+OK Job-UUID: {job}", **{"Job-UUID": job}))
                await conn.end_job(job, answer, **stamp)
            else:
                await conn.send(reply(answer))

    @property
    def lines(self) -> list[str]:
        """The first line of each packet."""
        return [packet.split("\n")[0] for packet in self.packets]


async def dies(conn: Conn) -> None:
    """The connection breaks."""
    conn.writer.close()


@dataclass
class Heard:
    """A listener that keeps what it is told; `connecting` does what a connect is to do, in their order."""

    facts: list[Fact] = field(default_factory=list)
    connects: list[str] = field(default_factory=list)
    connecting: list[Exception | asyncio.Event] = field(default_factory=list)
    fault: Exception | None = None

    def fact(self, switch: str, core_uuid: str, fact: Fact) -> None:
        self.facts.append(fact)
        if self.fault is not None:
            raise self.fault

    async def connected(self, switch: str, core_uuid: str) -> None:
        self.connects.append(core_uuid)
        step = self.connecting.pop(0) if self.connecting else None
        if isinstance(step, asyncio.Event):
            await step.wait()
        elif step is not None:
            raise step


@asynccontextmanager
async def connected(
    *scripts: Script, heard: Heard | None = None, seen: list[object] | None = None, timings: Timings = QUICK
) -> AsyncIterator[Switchboard]:
    """A switchboard that serves one switch and is ready; everything in it has ten seconds."""
    telemetry = Telemetry()
    if seen is not None:
        telemetry.subscribe(seen.append)
    async with asyncio.timeout(10), Peer(*scripts) as peer:
        board = Switchboard([SwitchAddress(SWITCH, "127.0.0.1", peer.port, "secret")], telemetry, timings)
        board.attach(SWITCH)
        serving = asyncio.create_task(board.run(heard or Heard()))
        try:
            await eventually(lambda: not board.problems())
            yield board
        finally:
            await board.close()
            await serving
