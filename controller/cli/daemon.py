"""``fsrec run``: the daemon, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path

from controller import logs
from controller.app import App
from controller.cli.configured import settings_of
from controller.cli.values import CONFIG, OK, CommandFailed
from controller.http.tls import TlsError
from controller.settings import Settings
from controller.store import StoreError
from controller.supervisor import supervised
from controller.switch.link import LinkRefused
from controller.telemetry import Telemetry

GARBAGE = 10_000
"""So many objects more, and garbage is looked for: by Python's own 700 a busy daemon stops for 0.1 s and longer."""


def run(options: argparse.Namespace) -> int:
    """Serve until a signal; what a switch or the settings refuse for good ends it with ``CONFIG``."""
    gc.set_threshold(GARBAGE)
    settings = settings_of(options)
    logs.configure(settings.log, logs.secrets_of(settings))
    try:
        code = asyncio.run(serve(settings, options.config.absolute().parent))
    except (LinkRefused, TlsError) as error:
        raise CommandFailed(str(error), CONFIG) from None
    except StoreError as error:
        raise CommandFailed(f"fsrec: {error}") from None
    return ended(settings, code)


def ended(settings: Settings, code: int) -> int:
    """Return a command's exit code, or end with it at once where the media store was used.

    The threads of obstore's runtime outlive its last answer, and may touch an interpreter that is being taken down,
    which aborts the process (github.com/PyO3/pyo3-async-runtimes/issues/40): one in twenty ends did.
    """
    if settings.media.store is not None:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


async def serve(settings: Settings, base: Path) -> int:
    """Be the daemon until SIGTERM or SIGINT; relative paths of documents count from ``base``."""
    telemetry = Telemetry()
    telemetry.subscribe(logs.telemetry_hook())
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with App(settings, telemetry, base=base).running() as app, supervised():
        until = (asyncio.create_task(app.wait()), asyncio.create_task(stopped.wait()))
        done, rest = await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        for task in done:
            task.result()
    return OK
