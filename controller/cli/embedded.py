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
from controller.softswitch import Digits, Hangup, Script, Silence, Softswitch, Speech, serve

CALLER: Script = (*((Speech(2.0), Silence(1.0)) * 8), Digits("#"), Silence(10.0), Hangup())
"""Talks in bursts, so that no silence ends what records it, then presses hash, and hangs up ten seconds later."""

CALLING = "+15551230000"

LONGEST = 60.0
"""Seconds after which the caller hangs up whatever the call does."""

BETWEEN = 5.0
"""Seconds between two calls."""


def show(options: argparse.Namespace) -> int:
    """Run the demo."""
    return _wait(demo(once=options.once, port=options.port))


def softswitch(options: argparse.Namespace) -> int:
    """Serve an event socket until a signal; with ``--call`` a caller dials, again and again."""
    options.directory.mkdir(parents=True, exist_ok=True)

    async def meanwhile(switch: Softswitch) -> None:
        print(f"event socket on {options.host}:{switch.port}, recordings under {options.directory}", flush=True)
        await (asyncio.Event().wait() if options.call is None else _dial(switch, options.call))

    async def work() -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is not None:
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
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


def _wait(work: Coroutine[Any, Any, int]) -> int:
    """Run to the end, or until Ctrl-C, which is no error."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return OK
