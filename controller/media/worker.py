"""The process that works on one file: ``python -m controller.media.worker``, started by ``media.processes``.

One line of JSON, the job, comes on standard input, which then stays open: its end means that the daemon is gone, and
ends this process whatever it is doing. Answers are lines of JSON too: ``{"frames": n}`` while it gets on, then
``{"size": bytes}`` or ``{"failed": why, "fault": "source" | "target" | "encoder"}``.
Audio that comes from elsewhere is decoded ``confined``: what takes this process over has nothing to take.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import TextIO

from controller.media import decode, encode, wav
from controller.media.job import Job, parse

NICENESS = 10
"""Calls come first, where a switch is on the same machine."""


def main() -> None:
    """Do the job on standard input, and end."""
    os.nice(NICENESS)
    run(0, sys.stdout, os._exit, decode.confine)


def run(
    source: int, sink: TextIO, leave: Callable[[int], object], confined: Callable[[], None] = lambda: None
) -> None:
    """Do the job that comes on ``source``, answer on ``sink``, and ``leave`` as soon as ``source`` ends."""
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(source, 1 << 16)
        if not more:
            leave(1)
            return
        line += more
    threading.Thread(target=watch, args=(source, leave), daemon=True).start()

    def answer(message: dict[str, object]) -> None:
        sink.write(json.dumps(message) + "\n")
        sink.flush()

    answer(work(line, lambda frames: answer({"frames": frames}), confined))
    leave(0)


def watch(descriptor: int, leave: Callable[[int], object]) -> None:
    """Call ``leave`` as soon as the other side of a pipe is gone."""
    while os.read(descriptor, 1 << 16):
        pass
    leave(1)


def work(
    line: bytes, progress: Callable[[int], None], confined: Callable[[], None] = lambda: None
) -> dict[str, object]:
    """Do a job and say what came of it. Never raises an Exception."""
    try:
        job = parse(line)
        if isinstance(job, Job):
            return {"size": encode.encode(job, progress)}
        return {"size": decode.decode(job, progress, confined)}
    except decode.Undecodable as error:
        return {"failed": str(error)[:500], "fault": "source"}
    except wav.ReadError as error:
        return _failed("source", error)
    except OSError as error:
        return _failed("target", error)
    except Exception as error:
        return _failed("encoder", error)


def _failed(fault: str, error: Exception) -> dict[str, object]:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error) or "no reason given"
    return {"failed": f"{type(error).__name__}: {why}"[:500], "fault": fault}


if __name__ == "__main__":
    main()
