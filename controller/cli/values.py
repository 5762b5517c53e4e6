"""How a command ends, and how one is named before it is loaded."""

from __future__ import annotations

import argparse
import gc
import importlib
from collections.abc import Callable
from typing import TypeAlias, cast

OK = 0
PROBLEM = 1
"""It found or met a problem."""
WRONG_USE = 2
"""The command was not used as it can be; argparse's own."""
CONFIG = 78
"""EX_CONFIG: settings or a switch refuse for a reason that trying again cannot mend: a supervisor need not loop."""

INTERRUPTED = 130
"""As of what SIGINT ended: stopped by Ctrl-C, before it was done."""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no other name
Run = Callable[[argparse.Namespace], int]


class CommandFailed(Exception):
    """What ends a command: its text is the whole of what is said, on standard error; ``code`` the exit code."""

    def __init__(self, text: str, code: int = PROBLEM) -> None:
        super().__init__(text)
        self.code = code


def lazily(module: str, name: str) -> Run:
    """Return a command's function of a module of this package, which is imported when it is called."""

    def run(options: argparse.Namespace) -> int:
        gc.disable()  # nearly all that importing makes is kept: looking for what is not takes a tenth of the time
        try:
            found = cast("Run", getattr(importlib.import_module(f"controller.cli.{module}"), name))
        finally:
            gc.freeze()
            gc.enable()
        return found(options)

    return run
