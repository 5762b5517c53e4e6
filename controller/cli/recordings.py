"""``fsrec recordings``: find them, look into one, stop, pause and resume."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from controller.cli import output
from controller.cli.client import Client, Refused, segment
from controller.cli.filters import of_recordings
from controller.cli.output import Column, Table
from controller.cli.reaching import client_of
from controller.cli.values import OK, PROBLEM, CommandFailed
from controller.cli.webhooks import attempt_line

MOST_LIVE = 2000
_COLUMNS = (
    Column("ID", lambda row, whole: output.identity(row["id"], whole)),
    Column("STATE", lambda row, _: row["state"]),
    Column("REQUESTED", lambda row, _: output.minute(row["requested_at"])),
    Column("LENGTH", lambda row, _: output.length(row["duration"]), right=True),
    Column("DIALECT", lambda row, _: row["dialect"]),
    Column("ACCOUNT", lambda row, _: row["account"], loose=True),
    Column("CALLER", lambda row, _: row["caller"], loose=True),
    Column("CALLED", lambda row, _: row["called"], loose=True),
)
_LIVE = tuple(
    Column("RUNS", lambda row, _: output.length(row["elapsed"]), right=True) if column.title == "LENGTH" else column
    for column in _COLUMNS
)


def show_list(options: argparse.Namespace) -> int:
    """List recordings, newest first."""
    client = client_of(options)
    if options.live:
        return _live(client, options)
    table = Table(_COLUMNS, lines=options.json)
    most = None if options.all else options.limit
    for rows in client.pages("/recordings", "recordings", of_recordings(options), most):
        table.page(rows)
    return OK


def _live(client: Client, options: argparse.Namespace) -> int:
    if of_recordings(options):
        raise CommandFailed("fsrec: --live lists all that runs now; it takes none of the options that say which", 2)
    found = client.get("/live", {"limit": MOST_LIVE if options.all else min(options.limit, MOST_LIVE)})
    Table(_LIVE, lines=options.json).page(found["recordings"])
    shown = len(found["recordings"])
    if shown < found["total"]:
        output.tell(f"{shown} of {found['total']} that run")
    return OK


def show(options: argparse.Namespace) -> int:
    """Show all about one recording."""
    story = named(options.id, client_of(options).get, f"/recordings/{segment(options.id)}")
    if options.json:
        output.as_json(story)
    else:
        _story(story)
    return OK


def _story(story: dict[str, Any]) -> None:
    one, call = story["recording"], story["call"]
    paused = f" ({one['paused']})" if one["paused"] else ""
    audio = ""
    if one["size"] is not None:
        audio = f"{one['format']}, {output.size(one['size'])}, {one['channels']} channel(s), {one['rate']} Hz"
    output.fields(
        [
            ("recording", one["id"]),
            ("state", one["state"] + paused),
            ("why", " ".join(filter(None, (one["reason"], one["absence"], one["error"])))),
            ("account", one["account"]),
            ("dialect", one["dialect"]),
            ("name", one["reference"]),
            ("caller", one["caller"]),
            ("called", one["called"]),
            ("direction", one["direction"]),
            ("requested", output.when(one["requested_at"])),
            ("started", output.when(one["started_at"])),
            ("ended", output.when(one["ended_at"])),
            ("deleted", output.when(one["deleted_at"])),
            ("length", output.length(one["duration"])),
            ("audio", audio),
            ("switch", one["switch"]),
            ("call", one["call"]),
            ("leg", one["leg"]),
            ("document", "" if call is None else call["document"]),
            ("caller name", "" if call is None else call["caller_name"]),
            ("call ended", "" if call is None else f"{output.when(call['ended_at'])} {call['cause'] or ''}".strip()),
        ]
    )
    if story["history"]:
        output.heading("What happened")
        output.lines([_step(step) for step in story["history"]])
    for notice in story["notices"]:
        if notice["unrendered"]:
            output.lines([f"{output.clock(notice['at'])}  {notice['kind']} was told nobody: {notice['unrendered']}"])
    if story["webhooks"]:
        output.heading("Who was told")
        kinds = {notice["sequence"]: f"{notice['kind']}  " for notice in story["notices"]}
        for webhook in story["webhooks"]:
            kind = kinds.get(webhook["sequence"], "")  # what else is told of a recording comes behind its notices
            output.lines([f"{webhook['id']}  {webhook['state']}  {kind}{webhook['method']} {webhook['url']}"])
            output.lines([attempt_line(attempt) for attempt in webhook["tried"]], "    ")
            if webhook["reason"]:
                output.lines([f"given up: {webhook['reason']}"], "    ")
    if story["transcription"] is not None:
        words = story["transcription"]
        output.heading(f"Transcription: {words['state']}")
        output.lines([words["error"] or words["text"]])


def _step(step: dict[str, Any]) -> str:
    detail = f" ({step['detail']})" if step["detail"] else ""
    effects = f": {', '.join(step['effects'])}" if step["effects"] else ""
    return f"{output.clock(step['at'])}  {step['fact']}{detail} → {step['state']}{effects}"


def stop(options: argparse.Namespace) -> int:
    """Stop recordings."""
    return _each(options, "stop")


def pause(options: argparse.Namespace) -> int:
    """Pause recordings."""
    return _each(options, "pause", {"behavior": options.behavior})


def resume(options: argparse.Namespace) -> int:
    """Resume recordings."""
    return _each(options, "resume")


def _each(options: argparse.Namespace, verb: str, body: dict[str, Any] | None = None) -> int:
    client, code = client_of(options), OK
    for identity in options.id:
        try:
            made = named(identity, client.post, f"/recordings/{segment(identity)}/{verb}", body)
        except Refused as refused:
            output.tell(str(refused))
            code = PROBLEM
            continue
        if options.json:
            print(output.in_line(made))
        else:
            print(f"{made['id']}  {made['state']}")
    return code


def named(identity: str, ask: Callable[..., Any], path: str, *given: Any) -> Any:
    """Return what is answered about one thing; a refusal names it. Raises Refused."""
    try:
        return ask(path, *given)
    except Refused as refused:
        raise Refused(refused.status, f"{output.safe(identity)}: {refused.message}", refused.retry_after) from None
