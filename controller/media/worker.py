"""The process that works on one file: ``python -m controller.media.worker``, started by ``media.processes``.

One line of JSON, the job, comes on standard input, which then stays open: its end means that the daemon is gone, and
ends this process whatever it is doing. Answers are lines of JSON too: ``{"frames": n}`` while it gets on, then
``{"size": bytes}`` or ``{"failed": why, "fault": "source" | "target" | "encoder"}``.
Audio that comes from elsewhere is decoded confined: what takes this process over has nothing to take.
"""

from __future__ import annotations

import os
import sys

from controller.media import lame, pipe

NICENESS = 10
"""Calls come first, where a switch is on the same machine."""


def main() -> None:
    """Load all that jobs need, do the one that comes on standard input, and end."""
    os.nice(NICENESS)
    lame.prefer()
    from controller.media import work  # noqa: PLC0415 - loads FFmpeg: as nice as it works, and after that LAME

    pipe.serve(0, sys.stdout, os._exit, work.do)


if __name__ == "__main__":
    main()
