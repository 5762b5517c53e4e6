"""``fsrec recordings derive``: have recordings' files in a format, made where they are not there yet.

The daemon makes nothing twice: the same command again goes on where one was stopped.
"""

from __future__ import annotations

import argparse

from controller.cli import output
from controller.cli.client import Client, Refused, segment
from controller.cli.filters import of_recordings
from controller.cli.reaching import client_of
from controller.cli.values import INTERRUPTED, OK, PROBLEM, WRONG_USE, CommandFailed
from controller.cli.working import bar, each, everything, patiently

WITHIN = 900.0
"""Seconds that one may take: hours of audio, on a machine that has more to do."""


def derive(options: argparse.Namespace) -> int:
    """Derive files; one that fails does not keep the others from theirs."""
    query = of_recordings(options)
    if not options.id and not query and not options.all:
        raise CommandFailed("fsrec: name recordings, say which by options, or --all", WRONG_USE)
    if options.id and (query or options.all):
        raise CommandFailed("fsrec: name recordings, or say which by options: not both", WRONG_USE)
    client = client_of(options)
    made = failed = 0
    size = 0
    ids: list[str] = list(options.id)
    try:
        if not ids:
            ids = _complete(client, query)
        with bar(f"deriving {options.format}", len(ids)) as drawn:
            for identity, came in each(ids, lambda one: _derived(client, one, options.format), at_once=options.jobs):
                drawn.advance()
                if isinstance(came, CommandFailed):
                    failed += 1
                    drawn.say(f"{identity}: {came.message if isinstance(came, Refused) else came}")
                    continue
                made += 1
                size += came["size"]
                if options.json:
                    drawn.result(output.in_line(came))
    except KeyboardInterrupt:
        output.tell(f"stopped: {made} of {len(ids)} have their {options.format}; the same command goes on from there")
        return INTERRUPTED
    if not options.json:
        worse = f"; {failed} failed" if failed else ""
        print(f"{made} of {len(ids)} have their {options.format}, {output.size(size)}{worse}")
    return PROBLEM if failed else OK


def _complete(client: Client, query: dict[str, object]) -> list[str]:
    """Return the ids of those that have a file."""
    asked = {"deleted": "false", "state": ["completed"], **query}
    rows = everything(client, "/recordings", "recordings", asked)
    return [str(row["id"]) for row in rows if row["size"] and row["deleted_at"] is None]


def _derived(client: Client, identity: str, form: str) -> dict[str, int]:
    path = f"/recordings/{segment(identity)}/derive"
    made: dict[str, int] = patiently(lambda: client.post(path, {"format": form}, timeout=WITHIN))
    return made
