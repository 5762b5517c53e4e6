"""The `fsrec` command as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass

PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: its exit code, and all that it wrote to either output."""

    code: int
    text: str


async def start(*arguments: object, **environment: str) -> asyncio.subprocess.Process:
    """Start `fsrec` with these arguments; both outputs come from `stdout`."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controller.cli", *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )  # fmt: skip


async def ended(process: asyncio.subprocess.Process, timeout: float = PATIENCE) -> Finished:
    """Wait for a command's own end; one that does not end is killed, and a TimeoutError."""
    try:
        async with asyncio.timeout(timeout):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Finished(process.returncode, out.decode())


async def fsrec(*arguments: object, timeout: float = PATIENCE) -> Finished:
    """Run `fsrec` to its end."""
    return await ended(await start(*arguments), timeout)


async def terminated(process: asyncio.subprocess.Process, timeout: float = PATIENCE) -> Finished:
    """Send SIGTERM, and wait for the end."""
    process.send_signal(signal.SIGTERM)
    return await ended(process, timeout)
