"""``fsrec completion``: what a shell needs to complete the command, made of its own parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import shtab

from controller.cli.values import OK


def completion(options: argparse.Namespace) -> int:
    """Print a shell's script."""
    from controller.cli.parser import build  # which names this module

    parser = build()
    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab looks for it there
    print(shtab.complete(parser, options.shell))
    return OK


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield every option and argument of a parser and of its commands."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - nor here
            for inner in action.choices.values():
                yield from _actions(inner)
