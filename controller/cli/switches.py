"""``fsrec switches``: how it is with each, and having one looked at anew."""

from __future__ import annotations

import argparse
import time
from typing import Any

from controller.cli import output
from controller.cli.client import Client, Refused, segment
from controller.cli.output import Column, Table
from controller.cli.reaching import client_of
from controller.cli.values import INTERRUPTED, OK, PROBLEM, WRONG_USE, CommandFailed
from controller.cli.working import bar, each

LOOK = 0.2
"""Seconds between two looks at a switch that is waited for."""
_COLUMNS = (
    Column("NAME", lambda row, _: row["name"]),
    Column("STATE", lambda row, _: row["state"]),
    Column("CALLS", lambda row, _: str(row["calls"]), right=True),
    Column("RECORDINGS", lambda row, _: str(row["recordings"]), right=True),
    Column("CONNECTED", lambda row, _: output.minute(row["connected_at"]), loose=True),
    Column("LAST EVENT", lambda row, _: output.minute(row["last_event_at"])),
    Column("FREE", lambda row, _: output.size(row["free"]), right=True),
    Column("WHY", lambda row, _: row["why"] + (f" ({row['holder']})" if row["holder"] else ""), loose=True),
)


def show_list(options: argparse.Namespace) -> int:
    """List them; a problem where one is not served that nobody else serves."""
    rows = client_of(options).get("/switches")["switches"]
    Table(_COLUMNS, lines=options.json).page(rows)
    return PROBLEM if any(row["state"] in {"away", "refused"} for row in rows) else OK


def reconcile(options: argparse.Namespace) -> int:
    """Have links cut and everything on their switches looked at anew; wait until they are served again."""
    if bool(options.name) == options.all:
        raise CommandFailed("fsrec: name the switches, or say --all", WRONG_USE)
    client = client_of(options)
    before = _switches(client)
    names = list(options.name)
    if options.all:
        names = [name for name, row in before.items() if row["state"] != "elsewhere"]
    failed = done = 0

    def one(name: str) -> dict[str, Any]:
        client.post(f"/switches/{segment(name)}/reconcile")
        until = time.monotonic() + options.timeout
        return _served(client, name, before.get(name, {}).get("connected_at"), until)

    try:
        with bar("reconciling", len(names)) as drawn:
            for name, came in each(names, one, at_once=4):
                done += 1
                drawn.advance()
                if isinstance(came, CommandFailed):
                    failed += 1
                    drawn.say(f"{name}: {came.message if isinstance(came, Refused) else came}")
                elif options.json:
                    drawn.result(output.in_line(came))
                else:
                    drawn.result(f"{output.safe(name)}  {came['state']}")
    except KeyboardInterrupt:
        output.tell(f"stopped waiting: {done} of {len(names)} are served again; the daemon goes on with the others")
        return INTERRUPTED
    return PROBLEM if failed else OK


def _served(client: Client, name: str, before: float | None, until: float) -> dict[str, Any]:
    """Return a switch once it is served by a new connection. Raises CommandFailed."""
    while True:
        row = _switches(client).get(name)
        if row is None:
            raise CommandFailed("there is no such switch any more")
        if row["state"] == "serving" and row["connected_at"] != before:
            return row
        if time.monotonic() >= until:
            why = f": {output.safe(row['why'])}" if row["why"] else ""
            raise CommandFailed(f"it is {row['state']} still{why}")
        time.sleep(LOOK)


def _switches(client: Client) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in client.get("/switches")["switches"]}
