"""``fsrec alive``: whether the daemon of this machine answers: containers ask it every few seconds."""

from __future__ import annotations

import argparse

from controller.cli.client import Client
from controller.cli.configured import reach_of
from controller.cli.reaching import near
from controller.cli.values import OK, PROBLEM

WITHIN = 3.0


def alive(options: argparse.Namespace) -> int:
    """Ask it."""
    return OK if Client(near(reach_of(options)), timeout=WITHIN).alive() else PROBLEM
