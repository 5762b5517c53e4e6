"""The softswitch as a process that can be killed: it does what its standard input says, and writes down what happens.

Each line of its journal file is one fact as JSON, written at once, so a kill -9 takes none of them away. It ends with
its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from controller.softswitch import Digits, Hangup, Leg, RecordingEntry, Silence, Softswitch, Speech
from controller.softswitch.journal import Entry, HangupEntry
from controller.softswitch.script import Step

LOOK = 0.2
"""Seconds between two looks at each leg."""

IDLE = 5.0
"""Seconds of silence, with nothing that runs on a leg, from which on it is written down."""

MARKER = "fsrec_call"


class Host:
    """A softswitch, its callers, and its journal file."""

    def __init__(self, port: int, directory: Path, journal: Path, password: str) -> None:
        self._out = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._switch = Softswitch(directory=directory, port=port, password=password)
        self._switch.journal.tell = self._noted
        self._owned: set[str] = set()
        self._idle: dict[str, float] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        await self._switch.start()
        self.write("up", port=self._switch.port)
        looking = asyncio.create_task(self._look())
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            task = asyncio.create_task(self._call(json.loads(line)))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        looking.cancel()
        await self._switch.stop()

    def write(self, kind: str, **fact: Any) -> None:
        os.write(self._out, (json.dumps({"kind": kind, "at": time.time(), **fact}) + "\n").encode())

    def _noted(self, entry: Entry) -> None:
        if isinstance(entry, RecordingEntry):
            self.write("recording", **asdict(entry))
        elif isinstance(entry, HangupEntry):
            self.write("hangup", leg=entry.leg, cause=entry.cause)

    async def _call(self, order: dict[str, Any]) -> None:
        self.write("leg", leg=order["leg"], number=order["number"])
        await self._switch.call(
            order["number"],
            [_step(*step) for step in order["script"]],
            leg=order["leg"],
            caller_number="15551230000",
        )

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for leg in tuple(self._switch.legs.values()):
                self._look_at(leg)

    def _look_at(self, leg: Leg) -> None:
        marker = leg.variables.get(MARKER)
        if marker and leg.uuid not in self._owned:
            self._owned.add(leg.uuid)
            self.write("owned", leg=leg.uuid, call=marker)
        if leg.hungup or leg.sounding or leg.recorders or leg.peer is not None:
            self._idle.pop(leg.uuid, None)
            return
        since = self._idle.setdefault(leg.uuid, time.time())
        if time.time() - since > IDLE:
            self.write("idle", leg=leg.uuid, since=since)


def _step(name: str, value: Any) -> Step:
    match name:
        case "speech":
            return Speech(value)
        case "silence":
            return Silence(value)
        case "digits":
            return Digits(value)
        case _:
            return Hangup()


if __name__ == "__main__":
    asyncio.run(Host(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]).run())
