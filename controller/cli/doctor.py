"""``fsrec doctor`` and ``fsrec alive``: how it goes with a daemon, its switches, and this machine."""

from __future__ import annotations

import argparse
import asyncio

from controller.checking import problems
from controller.cli.configured import settings_of
from controller.cli.daemon import ended
from controller.cli.values import OK, PROBLEM
from controller.doctor import Call, examine, exit_code, render
from controller.doctor.local import is_alive

ALIVE_WITHIN = 3.0


def doctor(options: argparse.Namespace) -> int:
    """Examine all, and print the findings."""
    settings = settings_of(options)
    number, _, context = (options.call or "").partition("@")
    call = Call(number, context or "fsrec") if number else None
    findings = asyncio.run(examine(settings, check=problems, call=call))
    print(render(findings))
    return ended(settings, exit_code(findings))


def alive(options: argparse.Namespace) -> int:
    """Ask whether a daemon answers."""
    return OK if asyncio.run(is_alive(settings_of(options).http, ALIVE_WITHIN)) else PROBLEM
