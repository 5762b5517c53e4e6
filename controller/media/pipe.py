"""How a process that works on one file talks to the daemon: a job comes on one line, answers go out as lines of JSON.

The job's pipe then stays open: its end means that the daemon is gone, and ends the process whatever it is doing.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import TextIO

Answer = Callable[[dict[str, object]], None]
"""Says something on the way."""


def serve(
    source: int,
    sink: TextIO,
    leave: Callable[[int], object],
    work: Callable[[bytes, Answer], dict[str, object]],
) -> None:
    """Do the job that comes on ``source``, answer on ``sink``, and ``leave`` as soon as ``source`` ends."""
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(source, 1 << 16)
        if not more:
            leave(1)
            return
        line += more
    threading.Thread(target=_watch, args=(source, leave), daemon=True).start()

    def answer(message: dict[str, object]) -> None:
        sink.write(json.dumps(message) + "\n")
        sink.flush()

    answer(work(line, answer))
    leave(0)


def failed(fault: str, error: Exception) -> dict[str, object]:
    """Return the last answer of a job that an error ended."""
    why = (error.strerror if isinstance(error, OSError) else None) or str(error) or "no reason given"
    return {"failed": f"{type(error).__name__}: {why}"[:500], "fault": fault}


def _watch(descriptor: int, leave: Callable[[int], object]) -> None:
    while os.read(descriptor, 1 << 16):
        pass
    leave(1)
