"""The process that works on one file: ``python -m controller.media.worker``, started by ``media.processes``.

One line of JSON, the job, comes on standard input, which then stays open: its end means that the daemon is gone, and
ends this process whatever it is doing. Answers are lines of JSON too: ``{"frames": n}`` while it gets on, then
``{"size": bytes}`` or ``{"failed": why, "fault": "source" | "target" | "encoder"}``.
Audio that comes from elsewhere is decoded ``confined``: what takes this process over has nothing to take.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

from controller.media import decode, encode, pipe, wav
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
    pipe.serve(
        source, sink, leave, lambda line, answer: work(line, lambda frames: answer({"frames": frames}), confined)
    )


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
        return pipe.failed("source", error)
    except OSError as error:
        return pipe.failed("target", error)
    except Exception as error:
        return pipe.failed("encoder", error)


if __name__ == "__main__":
    main()
