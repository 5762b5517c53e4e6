"""What every script of this directory is told, as JSON in its one argument, and how it waits and downloads.

The scripts run in the environments of the vendors' own clients: of ours they import nothing but this.
"""

from __future__ import annotations

import io
import json
import sys
import time
import urllib.request
import wave
from collections.abc import Callable
from typing import Any

TOLD: dict[str, str] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
"""``url`` of the daemon, ``account`` and ``token``, ``call``: sid of one that is up, ``status``: a receiver's URL."""


SECONDS = 1.5
"""How long something is recorded: what is shorter than a second is told as absent."""


def until(true: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Ask again until the answer is true; return it."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.05)
    return found


def download(url: str) -> bytes:
    """Fetch what anybody may."""
    assert url.startswith("http"), url
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - http, as asserted
        return bytes(answer.read())


def channels(sound: bytes) -> int:
    """Channels of a WAV file."""
    with wave.open(io.BytesIO(sound)) as file:
        assert file.getnframes() > 0
        return int(file.getnchannels())


def tell(**seen: Any) -> None:
    """Say what was seen, to the test that started this."""
    json.dump(seen, sys.stdout)
