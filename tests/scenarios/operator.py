"""`fsrec` as an operator runs it beside a daemon of a scenario: a process, its outputs a terminal or none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.scenarios.daemon import Daemon, _free_port

PATIENCE = 60.0
_OWN = frozenset({"FSREC_TOKEN", "NO_COLOR", "COLUMNS"})
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document on its output."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The objects on its output, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OWN}
    return {**kept, "TZ": "UTC", **more}


async def start(*arguments: object, **environment: str) -> asyncio.subprocess.Process:
    """Start `fsrec`, its outputs apart."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controller.cli", *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=_environment(environment),
    )  # fmt: skip


@dataclass(slots=True)
class Operator:
    """Someone with a shell on the daemon's machine."""

    daemon: Daemon

    @property
    def config(self) -> Path:
        return self.daemon.directory / "fsrec.yaml"

    async def start(self, *arguments: object, config: bool = True, **environment: str) -> asyncio.subprocess.Process:
        """Start it, on this daemon's settings."""
        named = ("--config", self.config) if config else ()
        return await start(*arguments, *named, **environment)

    async def fsrec(self, *arguments: object, config: bool = True, **environment: str) -> Said:
        """Run it to its end."""
        return await said(await self.start(*arguments, config=config, **environment))

    async def on_terminal(self, *arguments: object, columns: int = 100, **environment: str) -> Said:
        """Run it with all its outputs on one terminal; what was written there is `out`, as it came."""
        master, slave = pty.openpty()
        with open_descriptors(master, slave):
            given = {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "50", **environment}
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "controller.cli", *map(str, arguments), "--config", str(self.config)),
                stdin=slave, stdout=slave, stderr=slave, env=_environment(given),
            )  # fmt: skip
            reading = asyncio.get_running_loop().run_in_executor(None, _read_all, master)
            async with asyncio.timeout(PATIENCE):
                code = await process.wait()
            os.write(slave, b"\x04end")
            return Said(code, (await reading).decode(errors="replace"), "")


@contextlib.contextmanager
def open_descriptors(*descriptors: int) -> Iterator[None]:
    try:
        yield
    finally:
        for one in descriptors:
            os.close(one)


def _read_all(master: int) -> bytes:
    text = b""
    while not text.endswith(b"\x04end"):
        text += os.read(master, 65536)
    return text.removesuffix(b"\x04end")


async def said(process: asyncio.subprocess.Process) -> Said:
    """Wait for a command's end."""
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


async def interrupted(process: asyncio.subprocess.Process) -> Said:
    """Press Ctrl-C."""
    process.send_signal(signal.SIGINT)
    return await said(process)


async def operator(daemon: Daemon) -> Operator:
    """Start a daemon in this process, at a port that its settings file names; return who operates it."""
    daemon.port = _free_port()
    made = Operator(daemon)
    made.config.write_text(yaml.safe_dump(daemon.raw()))
    await daemon.start()
    return made


def plain(text: str) -> str:
    """What a terminal shows, without its colours."""
    return _ESCAPES.sub("", text).replace("\r\n", "\n")
