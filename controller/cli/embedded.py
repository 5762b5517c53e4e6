"""``fsrec softswitch`` and ``fsrec demo``: the embedded softswitch, alone or with everything on it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any

from controller.cli.values import OK
from controller.demo import demo
from controller.softswitch import serve


def show(options: argparse.Namespace) -> int:
    """Run the demo."""
    return _wait(demo(once=options.once))


def softswitch(options: argparse.Namespace) -> int:
    """Serve an event socket until a signal."""
    options.directory.mkdir(parents=True, exist_ok=True)

    def tell(port: int) -> None:
        print(f"event socket on {options.host}:{port}, recordings under {options.directory}", flush=True)

    async def work() -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is not None:
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await serve(options.port, options.directory, options.password, host=options.host, ready=tell)
        return OK

    return _wait(work())


def _wait(work: Coroutine[Any, Any, int]) -> int:
    """Run to the end, or until Ctrl-C, which is no error."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return OK
