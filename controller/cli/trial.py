"""``fsrec receiver`` and ``fsrec call``: what developers try fsrec with (docs/containers.md)."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from functools import partial

from controller.cli.configured import settings_of
from controller.cli.values import OK, PROBLEM, CommandFailed
from controller.doctor.switches import Unreachable
from controller.trial.callbacks import ended
from controller.trial.caller import CallFailed
from controller.trial.caller import call as place
from controller.trial.receiver import receiving


def receiver(options: argparse.Namespace) -> int:
    """Print callbacks until a signal."""

    async def work() -> None:
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        show = partial(print, flush=True)
        async with receiving(options.host, options.port, show, options.key, options.file) as port:
            checked = "signatures are checked" if options.key else "signatures are not checked: there is no key"
            print(f"callbacks to http://{options.host}:{port}/… are printed here; {checked}", flush=True)
            await over.wait()

    asyncio.run(work())
    return OK


def call(options: argparse.Namespace) -> int:
    """Call a number, and print the callback that tells of its recording's end; a problem where none is told."""
    settings = settings_of(options)
    number, _, context = options.number.partition("@")
    try:
        told = asyncio.run(place(settings.switches[0], number, context or "fsrec", options.callbacks, options.within))
    except Unreachable as unreachable:
        raise CommandFailed(f"{unreachable.finding.what}\n{unreachable.finding.fix}") from None
    except CallFailed as failed:
        raise CommandFailed(str(failed)) from None
    print(json.dumps(told, indent=2))
    return OK if ended(told["parameters"]) else PROBLEM
