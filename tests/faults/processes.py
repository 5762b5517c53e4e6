"""The processes of a run: started, killed, started again, and ended with the run whatever happens."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp


def free_port() -> int:
    """A port that stays free while its process is away: below those that outgoing connections take."""
    while True:
        port = random.randrange(20000, 32000)  # noqa: S311 - spreads runs; no secret
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(slots=True)
class Process:
    """A module run as a process of its own; it ends when its standard input does."""

    arguments: Sequence[str]
    log: Path
    running: asyncio.subprocess.Process | None = None
    deaths: list[float] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _struck: bool = False

    async def start(self) -> None:
        self._struck = False
        with self.log.open("ab") as out:
            self.running = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self.arguments, stdin=asyncio.subprocess.PIPE, stdout=out, stderr=out
            )

    def strike(self) -> None:
        """kill -9, at once."""
        process = self.running
        if process is not None and process.returncode is None and not self._struck:
            self._struck = True
            process.send_signal(signal.SIGKILL)
            self.deaths.append(time.time())

    async def kill(self) -> None:
        """kill -9, and wait for its end."""
        self.strike()
        if self.running is not None:
            await self.running.wait()
        self.running = None

    async def end(self, seconds: float = 60.0) -> str | None:
        """End it in order; what was wrong with that. One that has only begun may die of the signal."""
        process, self.running = self.running, None
        if process is None:
            return None
        if process.returncode is not None:
            return f"it had ended by itself, with {process.returncode}"
        process.terminate()
        try:
            code = await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
            return f"it did not end within {seconds:.0f} s of SIGTERM"
        return None if code in {0, -signal.SIGTERM} else f"it ended with {code}"


@dataclass(slots=True)
class SwitchProcess(Process):
    """The softswitch; ``journal`` is read as it grows."""

    journal: Path = Path()
    facts: list[dict[str, Any]] = field(default_factory=list)
    _read: int = 0

    async def up(self, seconds: float = 30.0) -> None:
        """Wait until it listens."""
        before = sum(fact["kind"] == "up" for fact in self.facts)
        async with asyncio.timeout(seconds):
            while sum(fact["kind"] == "up" for fact in self.look()) <= before:
                await asyncio.sleep(0.05)

    def look(self) -> list[dict[str, Any]]:
        """Everything in the journal so far."""
        if self.journal.exists():
            with self.journal.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read += len(line)
                    self.facts.append(json.loads(line))
        return self.facts

    async def order(self, **what: Any) -> bool:
        """Have it place a call; False when it is away."""
        process = self.running
        if process is None or process.returncode is not None or process.stdin is None:
            return False
        try:
            process.stdin.write((json.dumps(what) + "\n").encode())
            await process.stdin.drain()
        except OSError:
            return False
        return True

    async def end(self, seconds: float = 20.0) -> str | None:
        """End it by its standard input."""
        process, self.running = self.running, None
        if process is None or process.stdin is None:
            return None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
        return None


@dataclass(slots=True)
class DaemonProcess(Process):
    """The daemon, at ``port``."""

    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ready(self, client: aiohttp.ClientSession) -> bool:
        """Whether it says that it is."""
        try:
            async with client.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(2)) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
