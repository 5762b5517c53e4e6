"""``fsrec doctor``: what is wrong between fsrec, its switches, and this machine."""

from __future__ import annotations

import argparse
import asyncio

from controller.checking import problems
from controller.cli.configured import settings_of
from controller.cli.daemon import ended
from controller.doctor import Call, examine, exit_code, render


def doctor(options: argparse.Namespace) -> int:
    """Examine all, and print the findings."""
    settings = settings_of(options)
    number, _, context = (options.call or "").partition("@")
    call = Call(number, context or "fsrec") if number else None
    findings = asyncio.run(examine(settings, check=problems, call=call))
    print(render(findings))
    return ended(settings, exit_code(findings))
