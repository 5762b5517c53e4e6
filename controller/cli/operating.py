"""What can be said to ``fsrec`` of a daemon that runs: ``recordings``, ``webhooks``, ``switches``."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.cli.filters import add_recordings, count, moment
from controller.cli.values import Commands, lazily
from controller.recordings.model import PauseBehavior

DELIVERIES = ("pending", "delivered", "dead")
FORMATS = ("mp3", "wav", "mp4")
LIMIT = 50
ID = "an id in any vendor's form, or the first 6 characters or more of it"


def add(commands: Commands) -> None:
    """Add the commands."""
    _recordings(_group(commands, "recordings", "find recordings, look into them, stop, pause and resume them"))
    _webhooks(_group(commands, "webhooks", "what was told to whom, and telling it again"))
    _switches(_group(commands, "switches", "the switches and how they are"))


def _group(commands: Commands, name: str, words: str) -> Commands:
    return commands.add_parser(name, help=words, description=words).add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )


def _recordings(commands: Commands) -> None:
    listed = _command(commands, "list", "recordings, newest first", "recordings", "show_list")
    add_recordings(listed)
    listed.add_argument("--live", action="store_true", help="those that run now")
    _pages(listed)
    shown = _command(commands, "show", "all about one: what happened, who was told", "recordings", "show")
    shown.add_argument("id", metavar="ID", help=ID)
    for verb, words in (("stop", "stop"), ("pause", "pause"), ("resume", "resume")):
        changed = _command(commands, verb, f"{words} recordings that run", "recordings", verb)
        changed.add_argument("id", metavar="ID", nargs="+", help=ID)
        if verb == "pause":
            changed.add_argument(
                "--behavior",
                choices=tuple(PauseBehavior),
                default=PauseBehavior.SKIP,
                help="what it leaves in the file",
            )
    derived = _command(commands, "derive", "have files in a format, made where they are not", "backfill", "derive")
    derived.add_argument("id", metavar="ID", nargs="*", help=ID)
    derived.add_argument("--format", choices=FORMATS, required=True)
    derived.add_argument("--jobs", type=count, default=2, metavar="N", help="so many at once (2)")
    derived.add_argument("--all", action="store_true", help="every recording that is complete")
    add_recordings(derived)


def _webhooks(commands: Commands) -> None:
    listed = _command(commands, "list", "deliveries, newest first", "webhooks", "show_list")
    listed.add_argument("--state", choices=DELIVERIES)
    _chosen(listed)
    _pages(listed)
    shown = _command(commands, "show", "one delivery with each attempt", "webhooks", "show")
    shown.add_argument("id", metavar="ID", help=ID)
    again = _command(commands, "replay", "begin deliveries anew, at once", "webhooks", "replay")
    again.add_argument("id", metavar="ID", nargs="*", help=ID)
    again.add_argument("--dead", action="store_true", help="all that were given up")
    _chosen(again)
    again.add_argument("--wait", action="store_true", help="until each is delivered, or has failed once more")
    _timeout(again)


def _switches(commands: Commands) -> None:
    _command(commands, "list", "each switch and how it is", "switches", "show_list")
    anew = _command(commands, "reconcile", "connect anew and look at everything there", "switches", "reconcile")
    anew.add_argument("name", metavar="NAME", nargs="*")
    anew.add_argument("--all", action="store_true", help="all that this daemon serves")
    _timeout(anew)


def _command(commands: Commands, name: str, words: str, module: str, function: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=words, description=words)
    reach = parser.add_argument_group("which daemon")
    reach.add_argument(
        "--config", type=Path, default=Path("fsrec.yaml"), help="settings of this machine's (fsrec.yaml)"
    )
    reach.add_argument("--url", help="of another; needs a token")
    reach.add_argument("--token", help="http.console_token, or with --user an account's (FSREC_TOKEN is better: "
                       "others on this machine see arguments)")  # fmt: skip
    reach.add_argument(
        "--user", metavar="ID", help="an account's project_id, account_sid or auth_id: it sees its own"
    )
    parser.add_argument("--json", action="store_true", help="JSON, of a list one object a line")
    parser.set_defaults(run=lazily(module, function))
    return parser


def _pages(parser: argparse.ArgumentParser) -> None:
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--limit", type=count, default=LIMIT, metavar="N", help=f"at most so many ({LIMIT})")
    many.add_argument("--all", action="store_true", help="however many there are, as they come")


def _chosen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="NAME", help="an account's, by its name in the settings")
    parser.add_argument("--since", type=moment, metavar="TIME", help="made since: 2h, 7d, 2026-11-20T10:00")


def _timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=count, default=60, metavar="SECONDS", help="how long to wait for each (60)")
