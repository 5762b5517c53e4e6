"""What a service manager is told (sd_notify(3)): that the daemon serves, that it lives, that it stops.

Without ``NOTIFY_SOCKET`` in the environment nobody is told anything. The name is taken out of it, so that no process
of ours speaks for the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, MutableMapping


def _tell(address: str, state: str) -> None:
    """Send a state; a manager that is away is no reason to fail."""
    place = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.connect(place)
        sender.send(state.encode())


@contextlib.asynccontextmanager
async def supervised(environ: MutableMapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Tell that the daemon is ready and, as often as is asked for, that its loop runs; behind it, that it stops."""
    address = environ.pop("NOTIFY_SOCKET", "")
    wanted = environ.pop("WATCHDOG_USEC", "")
    ours = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not address:
        yield
        return
    _tell(address, "READY=1")
    seconds = int(wanted) / 1e6 if wanted.isdecimal() and ours else 0.0
    beating = asyncio.create_task(_beat(address, seconds / 3)) if seconds else None
    try:
        yield
    finally:
        if beating is not None:
            beating.cancel()
        _tell(address, "STOPPING=1")


async def _beat(address: str, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        _tell(address, "WATCHDOG=1")
