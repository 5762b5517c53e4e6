"""Processes of their own, so that each side's processor time and memory are its own: Linux's /proc says them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.scenarios.daemon import KEY, PROJECT, SPACE, TOKEN

PASSWORD = "benchmark"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SCHEDULED = 2  # of a process's clocks that which counts nanoseconds, as clock_getcpuclockid(3) gives it
_ENOUGH = 10.0  # seconds that a process gets to end


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds so far and resident bytes now, of a process and those of its children that live."""

    cpu: float
    memory: int


def usage(pid: int) -> Usage:
    """Return what a process has used; one that has ended has used nothing."""
    cpu, memory = 0.0, 0
    for one in _family(pid):
        with contextlib.suppress(OSError):
            cpu += time.clock_gettime(~one << 3 | _SCHEDULED)
            memory += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * _PAGE
    return Usage(cpu, memory)


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, task.read_text().split())
    return found


class Peer:
    """A process of ``benchmarks.peers``. ``port`` is where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, command: str, timeout: float = 120.0) -> list[str]:
        """Have it do something; the words of its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        async with asyncio.timeout(timeout):
            return (await self._process.stdout.readline()).decode().split()


@contextlib.asynccontextmanager
async def peer(*arguments: str) -> AsyncIterator[Peer]:
    """Run one: ``receiver``, or ``softswitch PASSWORD``."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.peers", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Peer(process, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await _ended(process)


@dataclass(slots=True)
class Daemon:
    """``fsrec run`` in a directory, at a softswitch's ``esl`` port; what it logs goes into a file there."""

    directory: Path
    esl: int
    changes: dict[str, Any]
    port: int = 0
    process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def settings(self) -> str:
        """Return them, as fsrec.yaml says them: one account, and destination 1001."""
        recordings = str(self.directory / "recordings")
        switch = {"name": "fs1", "host": "127.0.0.1", "port": self.esl, "password": PASSWORD}
        account = {"name": "acme", "vendor": "signalwire", "project_id": PROJECT, "space_id": SPACE}
        return yaml.safe_dump(
            {
                "switches": [{**switch, "switch_path": recordings, "local_path": recordings}],
                "http": {"listen": f"127.0.0.1:{self.port}"},
                "data_dir": str(self.directory / "data"),
                "accounts": [{**account, "api_token": TOKEN, "signing_key": KEY}],
                "routes": [{"destination": "^1001$", "account": "acme", "document": "document.swml.yaml"}],
                "webhooks": {"allow_networks": ["127.0.0.0/8"]},
                "limits": {"min_free_disk": "1MiB"},
                **self.changes,
            }
        )

    async def start(self) -> None:
        """Start it; it needs some time until it is ready."""
        (self.directory / "recordings").mkdir(exist_ok=True)
        (self.directory / "document.swml.yaml").touch()
        self.port = free_port()
        config = self.directory / "fsrec.yaml"
        config.write_text(self.settings())
        with (self.directory / "daemon.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "controller.cli", "run", "--config", str(config)),
                stdout=log,
                stderr=log,
                env=as_installed(self.directory),
            )

    async def ready(self, timeout: float = 60.0) -> float:
        """Start it; the seconds until /readyz says 200."""
        started = time.monotonic()
        await self.start()
        assert self.process is not None
        async with asyncio.timeout(timeout):
            while b" 200 " not in await _first_line(self.port):
                assert self.process.returncode is None, (self.directory / "daemon.log").read_text()[-3000:]
                await asyncio.sleep(0.01)
        return time.monotonic() - started

    async def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            await _ended(self.process)
            self.process = None


@contextlib.asynccontextmanager
async def daemon(directory: Path, esl: int, **changes: Any) -> AsyncIterator[Daemon]:
    """Make one, not started yet, and stop it at the end; ``changes`` replace sections of its settings."""
    made = Daemon(directory, esl, changes)
    try:
        yield made
    finally:
        await made.stop()


def as_installed(directory: Path) -> dict[str, str]:
    """Return an environment in which Python keeps what it has compiled, as it does for what is installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(directory / "compiled")}


def free_port() -> int:
    """Return a port of loopback that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _first_line(port: int) -> bytes:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return b""
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return await reader.readline()
    except OSError:
        return b""
    finally:
        writer.close()


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), _ENOUGH)
    except TimeoutError:
        process.kill()
        await process.wait()
