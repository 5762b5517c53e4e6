"""``fsrec webhooks``: what was told to whom, and telling it again."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from typing import Any

from controller.cli import output
from controller.cli.client import Client, Refused, segment
from controller.cli.output import Column, Table
from controller.cli.reaching import client_of
from controller.cli.values import INTERRUPTED, OK, PROBLEM, WRONG_USE, CommandFailed
from controller.cli.working import bar, each_in_order, everything, patiently

LOOK = 0.5
"""Seconds between two looks at a delivery that is waited for."""
_COLUMNS = (
    Column("ID", lambda row, whole: output.identity(row["id"], whole)),
    Column("STATE", lambda row, _: row["state"]),
    Column("CREATED", lambda row, _: output.minute(row["created_at"])),
    Column("TRIES", lambda row, _: str(row["attempts"]), right=True),
    Column("ACCOUNT", lambda row, _: row["account"], loose=True),
    Column("ABOUT", lambda row, whole: output.identity(row["subject"], whole)),
    Column("URL", lambda row, _: row["url"], loose=True),
    Column("REASON", lambda row, _: row["reason"] or "", loose=True),
)


def show_list(options: argparse.Namespace) -> int:
    """List deliveries, newest first."""
    client = client_of(options)
    table = Table(_COLUMNS, lines=options.json)
    query = {"state": options.state, "account": options.account, "since": options.since}
    for rows in client.pages("/webhooks", "webhooks", query, None if options.all else options.limit):
        table.page(rows)
    return OK


def show(options: argparse.Namespace) -> int:
    """Show one with every attempt."""
    try:
        told = client_of(options).get(f"/webhooks/{segment(options.id)}")
    except Refused as refused:
        raise Refused(refused.status, f"{output.safe(options.id)}: {refused.message}") from None
    if options.json:
        output.as_json(told)
        return OK
    output.fields(
        [
            ("webhook", told["id"]),
            ("state", told["state"]),
            ("why", told["reason"] or ""),
            ("account", told["account"]),
            ("dialect", told["dialect"]),
            ("about", told["subject"]),
            ("request", f"{told['method']} {told['url']}"),
            ("created", output.when(told["created_at"])),
            ("next try", output.when(told["due_at"])),
            ("finished", output.when(told["finished_at"])),
        ]
    )
    if told["tried"]:
        output.heading("Attempts")
        output.lines([attempt_line(attempt) for attempt in told["tried"]])
    if told["body"]:
        output.heading("What it says")
        output.lines(told["body"].splitlines())
    return OK


def attempt_line(attempt: dict[str, Any]) -> str:
    """Return an attempt in a line."""
    came = attempt["status"] if attempt["status"] is not None else attempt["error"] or "no answer"
    said = " ".join(filter(None, (attempt["detail"], attempt["first_bytes"][:200])))
    return f"{output.when(attempt['at'])}  {came}  {attempt['duration']:.3f} s  {said}"


def replay(options: argparse.Namespace) -> int:
    """Tell again what was not taken, or what is named."""
    if bool(options.id) == options.dead:
        raise CommandFailed("fsrec: name the webhooks, or say --dead for all that were given up", WRONG_USE)
    if options.id and (options.account or options.since is not None):
        raise CommandFailed("fsrec: --account and --since choose among the --dead", WRONG_USE)
    client = client_of(options)
    if options.id:
        return _replayed(client, [options.id], options)
    query = {"state": "dead", "account": options.account, "since": options.since}
    return _replayed(client, _oldest_first(everything(client, "/webhooks", "webhooks", query)), options)


def _oldest_first(newest_first: Iterable[dict[str, Any]]) -> list[list[str]]:
    """Return the ids of deliveries, what is about the same thing in a row: it is told in the order it happened."""
    rows: dict[str, list[str]] = {}
    for told in reversed(list(newest_first)):
        rows.setdefault(told["subject"], []).append(told["id"])
    return list(rows.values())


def _replayed(client: Client, rows: Sequence[Sequence[str]], options: argparse.Namespace) -> int:
    failed = done = 0
    count = sum(map(len, rows))

    def again(identity: str) -> dict[str, Any]:
        row: dict[str, Any] = patiently(lambda: client.post(f"/webhooks/{segment(identity)}/replay"))
        return _awaited(client, row, time.monotonic() + options.timeout) if options.wait else row

    try:
        with bar("replaying", count) as drawn:
            for identity, came in each_in_order(rows, again, at_once=8 if options.wait else 4):
                done += 1
                drawn.advance()
                if isinstance(came, CommandFailed):
                    failed += 1
                    drawn.say(f"{identity}: {came.message if isinstance(came, Refused) else came}")
                    continue
                if options.wait and came["state"] != "delivered":
                    failed += 1
                    drawn.say(f"{came['id']}: {_why(came)}")
                if options.json:
                    drawn.result(output.in_line(came))
                elif options.id:
                    drawn.result(f"{came['id']}  {came['state']}")
    except KeyboardInterrupt:
        output.tell(f"stopped: {done} of {count} replayed; the others are as they were")
        return INTERRUPTED
    if options.dead and not options.json:
        print(f"{done - failed} of {count} {'delivered' if options.wait else 'begun anew'}")
    return PROBLEM if failed else OK


def _awaited(client: Client, row: dict[str, Any], until: float) -> dict[str, Any]:
    """Return a delivery once it is over, has failed once more, or is not waited for any longer."""
    while row["state"] == "pending" and time.monotonic() < until:
        time.sleep(LOOK)
        before, row = row, client.get(f"/webhooks/{segment(row['id'])}")
        if row["attempts"] > before["attempts"]:
            break
    return row


def _why(row: dict[str, Any]) -> str:
    tried = row.get("tried") or []
    last = f", last {attempt_line(tried[-1])}" if tried else ""
    if row["state"] == "dead":
        return f"given up again: {row['reason'] or 'no reason is known'}{last}"
    return f"not delivered yet{last}; next try {output.when(row['due_at']) or 'after an earlier one'}"
