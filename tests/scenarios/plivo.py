"""A daemon with one Plivo account, whose calls run a document of Plivo XML, and what its application is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.harness.audio import Sound, read_wav
from tests.harness.receiver import Request
from tests.scenarios.daemon import Daemon
from tests.scenarios.test_dial import DIALLING

AUTH_ID, AUTH_TOKEN = "MA5F0C1E9A52F14B8E9A", "plivo-token"
ANSWERED = "/ready"
"""Where recordings are told when they are ready."""


def prepare(daemon: Daemon, document: str, **changes: Any) -> None:
    """Have destination 1001 answered by a document: what stands between its Response tags."""
    path = daemon.directory / "document.xml"
    path.write_text(f"<Response>{document}</Response>")
    account = {"name": "acme-plivo", "vendor": "plivo", "auth_id": AUTH_ID, "auth_token": AUTH_TOKEN}
    routes = [{"destination": "^1001$", "account": "acme-plivo", "document": str(path)}]
    daemon.changes = {"accounts": [account], "routes": routes, **DIALLING, **changes}


def record(daemon: Daemon, **attributes: str) -> str:
    """A ``<Record>`` whose recording is told at ``ANSWERED`` when it is ready."""
    given = {"fileFormat": "wav", "callbackUrl": daemon.receiver.url(ANSWERED), **attributes}
    return f"<Record {' '.join(f'{name}={text!r}' for name, text in given.items())}/>".replace('"', "'")


async def ready(daemon: Daemon, count: int = 1) -> list[Request]:
    """Wait for so many recordings to be told as ready."""
    return await daemon.receiver.wait(ANSWERED, count, timeout=30)


async def sound(daemon: Daemon, told: Request, path: Path) -> Sound:
    """Fetch what was told of as ready; it is as long as was told."""
    assert await daemon.fetch(told.form["RecordUrl"], path) == 200
    found = read_wav(path)
    assert abs(found.seconds * 1000 - int(told.form["RecordingDurationMs"])) < 2
    return found
