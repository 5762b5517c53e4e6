"""What can be said to ``fsrec``: its commands and their options, read without loading what carries them out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from controller import __version__
from controller.cli import operating
from controller.cli.values import Commands, lazily
from controller.documents.dialect import VENDORS


def build() -> argparse.ArgumentParser:
    """Return the parser of the whole command; ``run`` of what it reads carries the command out."""
    parser = argparse.ArgumentParser(
        prog="fsrec", description="Call-recording verbs of CPaaS dialects for FreeSWITCH."
    )
    parser.add_argument("--version", action="version", version=f"fsrec {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _run(commands)
    _demo(commands)
    _softswitch(commands)
    _check(commands)
    _doctor(commands)
    _alive(commands)
    operating.add(commands)
    _receiver(commands)
    _call(commands)
    _completion(commands)
    return parser


def _run(commands: Commands) -> None:
    run = commands.add_parser("run", help="the daemon")
    _settings(run)
    run.set_defaults(run=lazily("daemon", "run"))


def _demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="everything on the embedded softswitch, with a live timeline")
    demo.add_argument(
        "--once", action="store_true", help="one round; exit 0 only if everything arrived and sounds as it should"
    )
    demo.add_argument(
        "--port", type=int, default=8080, help="of 127.0.0.1, for the console (8080; another where that is taken)"
    )
    demo.set_defaults(run=lazily("embedded", "show"))


def _softswitch(commands: Commands) -> None:
    switch = commands.add_parser("softswitch", help="the embedded softswitch alone")
    switch.add_argument("--host", default="127.0.0.1")
    switch.add_argument("--port", type=int, default=8021)
    switch.add_argument("--directory", type=Path, required=True, help="where it may write recordings")
    switch.add_argument("--password", default=os.environ.get("FSREC_ESL_PASSWORD", "ClueCon"))
    switch.add_argument(
        "--call", metavar="NUMBER", help="have a caller dial it again and again, who talks, presses # and hangs up"
    )
    switch.set_defaults(run=lazily("embedded", "softswitch"))


def _check(commands: Commands) -> None:
    check = commands.add_parser("check", help="validate documents or settings")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    check.add_argument("--vendor", choices=VENDORS, help="whose XML it is; without it, whoever's it can be")
    check.set_defaults(run=lazily("check", "check"))


def _doctor(commands: Commands) -> None:
    doctor = commands.add_parser("doctor", help="what is wrong between fsrec and its switches, with the fix")
    _settings(doctor)
    doctor.add_argument(
        "--call",
        metavar="NUMBER[@CONTEXT]",
        help="place a call to try the dialplan too; a running daemon takes it and runs its document",
    )
    doctor.set_defaults(run=lazily("doctor", "doctor"))


def _alive(commands: Commands) -> None:
    alive = commands.add_parser("alive", help="exit 0 where a daemon with these settings answers on this machine")
    _settings(alive)
    alive.set_defaults(run=lazily("alive", "alive"))


def _completion(commands: Commands) -> None:
    completion = commands.add_parser("completion", help="what a shell needs to complete this command")
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"))
    completion.set_defaults(run=lazily("completion", "completion"))


def _receiver(commands: Commands) -> None:
    receiver = commands.add_parser("receiver", help="print the callbacks that come, for developers")
    receiver.add_argument("--host", default="127.0.0.1")
    receiver.add_argument("--port", type=int, default=9000)
    receiver.add_argument("--file", type=Path, help="where each is kept, too, as a line of JSON")
    receiver.add_argument(
        "--key",
        default=os.environ.get("FSREC_SIGNING_KEY", ""),
        help="what signs them, to check their signatures; better said by FSREC_SIGNING_KEY",
    )
    receiver.set_defaults(run=lazily("trial", "receiver"))


def _call(commands: Commands) -> None:
    call = commands.add_parser("call", help="call a number on the first switch, and wait for the callback")
    _settings(call)
    call.add_argument("number", metavar="NUMBER[@CONTEXT]")
    call.add_argument("--callbacks", type=Path, required=True, help="the --file of a receiver")
    call.add_argument("--within", type=float, default=60.0, metavar="SECONDS", help="how long the callback may take")
    call.set_defaults(run=lazily("trial", "call"))


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("fsrec.yaml"), help="settings (fsrec.yaml)")
