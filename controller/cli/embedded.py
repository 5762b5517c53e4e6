"""``fsrec softswitch`` and ``fsrec demo``: the embedded softswitch, alone or with everything on it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from functools import partial
from typing import Any

from controller.cli.values import INTERRUPTED, OK
from controller.demo import demo
from controller.softswitch import Digits, Hangup, Script, Silence, Softswitch, Speech, serve

CALLER: Script = (*((Speech(2.0), Silence(1.0)) * 8), Digits("#"), Silence(10.0), Hangup())
"""Talks in bursts, so that no silence ends what records it, then presses hash, and hangs up ten seconds later."""

CALLING = "+15551230000"

LONGEST = 60.0
"""Seconds after which the caller hangs up whatever the call does."""

BETWEEN = 5.0
"""Seconds between two calls."""


def show(options: argparse.Namespace) -> int:
    """Run the demo; one that shall come to an end is not done when it is ended before."""
    out = partial(print, flush=True)  # it may be looked at through a pipe
    return _wait(demo(once=options.once, port=options.port, out=out), ended=INTERRUPTED if options.once else OK)


def softswitch(options: argparse.Namespace) -> int:
    """Serve an event socket until a signal; with ``--call`` a caller dials, again and again."""
    options.directory.mkdir(parents=True, exist_ok=True)

    async def meanwhile(switch: Softswitch) -> None:
        print(f"event socket on {options.host}:{switch.port}, recordings under {options.directory}", flush=True)
        await (asyncio.Event().wait() if options.call is None else _dial(switch, options.call))

    async def work() -> int:
        await serve(options.port, options.directory, options.password, host=options.host, work=meanwhile)
        return OK

    return _wait(work())


async def _dial(switch: Softswitch, number: str) -> None:
    """Place one call after the other."""
    while True:
        await asyncio.sleep(BETWEEN)
        leg = await switch.call(number, CALLER, caller_name="Test caller", caller_number=CALLING)
        print(f"{CALLING} calls {number}: leg {leg.uuid}", flush=True)
        try:
            async with asyncio.timeout(LONGEST):
                cause = await leg.wait_hangup()
        except TimeoutError:
            leg.hangup()
            cause = await leg.wait_hangup()
        print(f"leg {leg.uuid} ended: {cause}", flush=True)


def _wait(work: Coroutine[Any, Any, int], *, ended: int = OK) -> int:
    """Run to the end, or until Ctrl-C, SIGTERM or the terminal's end: then clean up, and return ``ended``."""

    async def until_told() -> int:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is one
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
        return await work

    with contextlib.suppress(asyncio.CancelledError):
        return asyncio.run(until_told())
    return ended
