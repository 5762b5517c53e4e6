"""A raw client, as a process of its own: what a hand-written controller would do at least, keeping nothing.

``python -m benchmarks.raw`` reads one line of JSON (host, port, password, destination, recordings, hold) and takes
every leg over that parks at that destination, with fsrec's own commands in one write: disarm, mark and lock, answer,
``record_session``. With ``hold`` it does not record at once, but all of them, pipelined, at a line ``go N``, as
soon as it has N, or ``go N bodies``: with arguments as the messages' bodies, as fsrec sends long ones; it then writes
the Unix time of the first command. A line ``forget`` forgets the legs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson

VARIABLES = "{RECORD_PRE_BUFFER_FRAMES=0,enable_file_write_buffering=8192,RECORD_MIN_SEC=0}"


@dataclass(slots=True)
class RawClient:
    """One connection; replies are read and thrown away."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    destination: str
    recordings: str
    hold: bool
    legs: list[str] = field(default_factory=list)

    async def login(self, password: str) -> None:
        await self.reader.readuntil(b"\n\n")
        self.writer.write(f"auth {password}\n\nevent json {self.events()}\n\n".encode())

    def events(self) -> str:
        """The events that it listens to."""
        return "CHANNEL_PARK"

    async def serve(self) -> None:
        """Take legs over until the connection ends."""
        while True:
            head = await self.reader.readuntil(b"\n\n")
            length = head.find(b"Content-Length: ")
            if length < 0:
                continue
            body = await self.reader.readexactly(int(head[length + 16 :].partition(b"\n")[0]))
            if b"text/event-json" in head:
                self.take(orjson.loads(body))

    def take(self, event: dict[str, Any]) -> None:
        """Take a leg over."""
        if event.get("Caller-Destination-Number") != self.destination:
            return
        leg = event["Unique-ID"]
        taken = (
            f"api sched_del {leg}\n\n"
            f"api uuid_setvar_multi {leg} app_disable_expand_variables=true;raw=1\n\n"
            f"sendmsg {leg}\ncall-command: execute\nexecute-app-name: answer\n\n"
        )
        if self.hold:
            self.legs.append(leg)
            self.writer.write(taken.encode())
        else:
            self.writer.write((taken + self._record(leg)).encode())

    def _record(self, leg: str, *, body: bool = False) -> str:
        message = f"sendmsg {leg}\ncall-command: execute\nexecute-app-name: record_session\n"
        argument = f"{self.recordings}/{uuid.uuid4()}.wav +86400 {VARIABLES}"
        if body:
            return f"{message}content-type: text/plain\ncontent-length: {len(argument)}\n\n{argument}"
        return f"{message}execute-app-arg: {argument}\n\n"

    def go(self, *, bodies: bool) -> float:
        """Record all held legs; the time of the first command."""
        began = time.time()
        self.writer.write("".join(self._record(leg, body=bodies) for leg in self.legs).encode())
        return began


async def lines() -> asyncio.StreamReader:
    """The standard input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main() -> None:
    """Serve until the standard input ends."""
    told = await lines()
    about = json.loads(await told.readline())
    reader, writer = await asyncio.open_connection(about["host"], about["port"], limit=1 << 24)
    client = RawClient(reader, writer, about["destination"], about["recordings"], about["hold"])
    await client.login(about["password"])
    serving = asyncio.create_task(client.serve())
    print("ready", flush=True)
    while line := await told.readline():
        if line.startswith(b"go "):
            while len(client.legs) < int(line.split()[1]):  # noqa: ASYNC110 - its own wait is not measured
                await asyncio.sleep(0.01)
            print(client.go(bodies=line.endswith(b" bodies\n")), flush=True)
        else:
            client.legs.clear()
    serving.cancel()
    writer.close()


if __name__ == "__main__":
    asyncio.run(main())
