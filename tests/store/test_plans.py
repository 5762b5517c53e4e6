"""However many rows there are, nothing that is asked walks over a whole table, on either database."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from controller.recordings.model import HistoryEntry, NoticeKind, State, new_id
from controller.store import Attempt, DeliveryState, Reader, Store, Transaction, Verdict, claims
from controller.store.commands import CommandVoid, StoreCommands, still_wanted
from controller.store.expired import StoreExpired, older
from controller.store.search import in_order, search
from controller.store.tables import METADATA
from controller.store.transcriptions import StoreTranscriptions
from tests.store.conftest import postgres_only
from tests.store.values import call, delivery, notice, recording, transcription

SMALL = {"daemons", "leases", "schema_version"}
PARTIAL = {
    index.name
    for table in METADATA.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}


def walks(plan: str) -> Iterator[str]:
    """The tables that a plan of SQLite's walks over, or the indexes, where these hold a row for each of the table."""
    for line in plan.splitlines():
        found = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", line)
        if found and found[1] in METADATA.tables and found[1] not in SMALL and found[2] not in PARTIAL:
            yield found[2] or found[1]


def walks_in(node: dict[str, Any]) -> Iterator[str]:
    """The same of a plan of PostgreSQL's."""
    table, index = node.get("Relation Name"), node.get("Index Name")
    scan = "Scan" in node["Node Type"] and "Index Cond" not in node and (table or index)
    if scan and node["Node Type"] != "Bitmap Heap Scan" and table not in SMALL and index not in PARTIAL:
        yield str(index or table)
    for below in node.get("Plans", ()):
        yield from walks_in(below)


@contextmanager
def explained() -> Iterator[dict[str, set[str]]]:
    """Have each statement explained before it runs: what it walks over, and the statements that do."""
    found: dict[str, set[str]] = {}
    explaining = False

    def explain(connection: Connection, _: Any, statement: str, values: Any, __: Any, many: bool) -> None:
        nonlocal explaining
        if explaining or not re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)", statement):
            return
        explaining = True
        values = values[0] if many else values
        if connection.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            walked = [*walks("\n".join(row.detail for row in rows))]
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # no table is large enough here
            plans = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
            walked = [*walks_in((json.loads(plans) if isinstance(plans, str) else plans)[0]["Plan"])]
        for each in walked:
            found.setdefault(each, set()).add(statement)
        found.setdefault("", set()).add(statement)
        explaining = False

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


MADE, SENT = recording(), delivery()
PAGE = (5.0, "x")
READS: Sequence[Callable[[Reader], object]] = [
    lambda reader: reader.recording("x"),
    lambda reader: reader.readable_recording("x"),
    lambda reader: reader.unfinished("fs1"),
    lambda reader: reader.unfinished_of("x"),
    lambda reader: reader.unstored(5),
    lambda reader: [reader.recordings("acme", deleted=deleted, offset=3) for deleted in (True, False)],
    lambda reader: [reader.recordings("acme", deleted=False, added=added, before=PAGE) for added in (True, False)],
    lambda reader: [reader.recordings("acme", deleted=False, added=added, after=PAGE) for added in (True, False)],
    lambda reader: reader.recordings("acme", added=True, caller=("a", "b"), called="c", since=1.0, until=2.0),
    lambda reader: reader.recordings("acme", call="x"),
    lambda reader: reader.recordings_count("acme"),
    lambda reader: reader.recordings_count("acme", added=True, caller="a"),
    lambda reader: reader.transcription("x"),
    lambda reader: (reader.transcriptions_waiting(5), reader.transcriptions_unfinished()),
    lambda reader: reader.call("x"),
    lambda reader: reader.switches(),
    lambda reader: reader.live_calls("fs1"),
    lambda reader: reader.history("x"),
    lambda reader: [search(reader, limit=5, text=text, before=PAGE) for text in (new_id(), "RE" + "0" * 32)],
    lambda reader: [search(reader, limit=5, account="acme", text=text) for text in ("", "49", new_id())],
    lambda reader: search(reader, limit=5, account="acme", dialect="swml", states=(State.FAILED,), deleted=False),
    lambda reader: [search(reader, limit=5, text="49", deleted=False, before=PAGE), search(reader, limit=5, since=1)],
    lambda reader: reader.attempts_of("xy"),
    lambda reader: [in_order(reader, [PAGE]), reader.live(), reader.live("acme")],
    lambda reader: reader.deliveries(account="acme", before=PAGE),
    lambda reader: (reader.notices_of("x"), reader.notice_errors("x")),
    lambda reader: (reader.delivery("x"), reader.attempts("x"), reader.deliveries_of("x")),
    lambda reader: (reader.deliveries(before=PAGE), reader.backlog()),
    lambda reader: (reader.due_origins(9.0), reader.due("http://a:80", 9.0, 5), reader.next_due(9.0)),
    lambda reader: (older(reader, "acme", 9.0, None, 5), older(reader, "acme", 9.0, PAGE, 5)),
]


def told(transaction: Transaction) -> None:
    """Make a recording's last notice, and a call's message."""
    transaction.save_recording(MADE)
    transaction.add_history(HistoryEntry(MADE.id, 0, 0.0, "Requested", MADE.state))
    transaction.save_call(call(id=MADE.owner.call))
    transaction.add_notice(notice(MADE, 1, NoticeKind.COMPLETED), (SENT,))
    transaction.add_message(call(id=MADE.owner.call), delivery())
    transaction.add_transcription(transcription(MADE))


def tried(transaction: Transaction) -> None:
    """Make an attempt, and begin anew."""
    row = transaction.delivery(SENT.id)
    assert row is not None
    transaction.attempt_made(row, Attempt(0.0, 0.0, 500), Verdict(DeliveryState.PENDING, 9.0))
    transaction.replay(SENT.id)
    assert transaction.save_transcription(transcription(MADE))
    assert transaction.forget_transcription(MADE.id)


async def test_nothing_walks_over_a_table(store: Store) -> None:
    """What is read and written, but for the count of all deliveries, which says how many there are."""
    with explained() as found:
        for work in READS:
            await store.read(work)
        await StoreExpired(store, ("acme",)).newest()
        for change in (told, tried):
            await store.write(change)
    assert len(found.pop("")) > 50
    assert found == {}


@postgres_only
async def test_nothing_that_daemons_ask_of_each_other_does(store: Store) -> None:
    """Claims, transcriptions and commands."""
    await store.write(told)
    texts, commands = StoreTranscriptions(store, lambda: None, "one"), StoreCommands(store, "one")
    one = transcription(MADE)
    with explained() as found:
        await store.read(claims.void)
        for work in (
            claims.free_void,
            partial(claims.claim, daemon="one", origin="http://127.0.0.1:9", now=9e9, most=5),
            partial(claims.release, daemon="one", deliveries=["x"]),
            partial(claims.release_others, daemon="one", kept=()),
        ):
            await store.aside(work)
        await texts.unfinished(5)
        assert await texts.claim(one) == one
        assert await texts.save(one)
        await texts.leave(one)
        await commands.holders()
        await commands.ask("fs1", "stop", "{}", 5.0)
        await commands.asked()
        await commands.take(5)
        await commands.answer("x", "{}")
        await commands.answers(["x"])
        await commands.take_back("x", begun=False)
        await commands.clear(60.0)
        with pytest.raises(CommandVoid):
            await store.write(partial(still_wanted, identity="x"))
    assert len(found.pop("")) > 15
    assert found == {}
