"""What a benchmark runs on: a real FreeSWITCH where there is one (FSREC_FREESWITCH), else the softswitch."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from tests.harness.freeswitch import FreeSwitch
from tests.harness.live import LiveSwitch
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Switch

QUIET = {"FSREC_LOG_LEVEL": "warning"}


def find() -> FreeSwitch | None:
    """The switch that there is, not yet started; it logs as in production, not as in the tests."""
    server = FreeSwitch.find()
    return server and FreeSwitch(server.binary, server.address if server.binary is None else None, QUIET)


@contextlib.asynccontextmanager
async def a_switch(server: FreeSwitch | None = None) -> AsyncIterator[tuple[str, Switch]]:
    """Start one for the time of a benchmark, or that ``server``; its name, and it."""
    server = server or find()
    if server is None:
        with tempfile.TemporaryDirectory() as place:
            async with SoftSwitch(Path(place)) as soft:
                yield "softswitch", soft
        return
    server.start()
    try:
        async with LiveSwitch(server, f"bench-{uuid.uuid4().hex[:8]}") as live:
            yield "FreeSWITCH", live
    finally:
        server.stop()
