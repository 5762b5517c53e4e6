"""What can be asked of the store."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from controller.documents.call import CallState
from controller.recordings.model import NoticeKind, Recording, State
from controller.store import DecodeError, DeliveryState, Page, Reader, Store, Transaction
from controller.store.events import RowUnreadable
from controller.store.reader import Chosen
from controller.store.search import search
from controller.store.tables import CALLS, RECORDINGS
from tests.store.conftest import Asked, Told, sqlite_only
from tests.store.values import call, delivery, notice, recording


async def saved(store: Store, *values: Any) -> None:
    def work(transaction: Transaction) -> None:
        for value in values:
            (transaction.save_call if hasattr(value, "document") else transaction.save_recording)(value)

    await store.write(work)


async def test_recordings_are_found(store: Store) -> None:
    """By id, as unfinished of a switch oldest first, and as a call's newest first."""
    late = recording(requested_at=3.0, state=State.PAUSED)
    early = recording(requested_at=1.0, state=State.RECORDING)
    over = recording(requested_at=2.0, state=State.COMPLETED)
    other = recording(switch="fs2", call="call-2")
    await saved(store, late, early, over, other)
    assert await store.read(lambda reader: reader.recording(over.id)) == over
    assert await store.read(lambda reader: reader.recording("no\ud800ne")) is None
    assert await store.read(lambda reader: reader.unfinished("fs1")) == [early, late]
    assert await store.read(lambda reader: reader.recordings("acme", call="call-1")) == [late, over, early]
    await saved(store, recording(id=early.id, requested_at=1.0, state=State.FAILED, revision=1))
    assert await store.read(lambda reader: reader.unfinished("fs1")) == [late]


async def test_recordings_are_paged_newest_first(store: Store) -> None:
    """Pages follow each other without gap or repeat, equal times included, and never show another account's."""
    made = [recording(requested_at=float(index // 3)) for index in range(10)]
    await saved(store, *made, recording(account="other"))
    seen: list[Recording] = []
    before: Page | None = None
    while page := await store.read(partial(Reader.recordings, account="acme", limit=4, before=before)):
        seen += page
        before = page[-1].requested_at, page[-1].id
    assert seen == sorted(made, key=lambda one: (one.requested_at, one.id), reverse=True)


async def test_pages_both_ways(store: Store) -> None:
    """Back from a page is the page before it, and what comes in front meanwhile shifts neither."""
    made = [recording(requested_at=float(index)) for index in range(9)]
    await saved(store, *made)
    newest = made[::-1]

    async def page(**bounds: Any) -> list[Recording]:
        return await store.read(lambda reader: reader.recordings("acme", limit=3, **bounds))

    second = await page(before=(newest[2].requested_at, newest[2].id))
    assert second == newest[3:6]
    await saved(store, recording(requested_at=99.0))
    assert await page(before=(newest[2].requested_at, newest[2].id)) == second
    assert await page(after=(second[0].requested_at, second[0].id)) == newest[:3]
    assert await page(after=(newest[2].requested_at, newest[2].id)) != newest[:3]


async def test_recordings_are_chosen(store: Store) -> None:
    """By call, by time with both ends, and without those that are deleted; another account's call has none here."""
    first, second = recording(requested_at=1.0), recording(requested_at=2.0, call="call-2")
    gone = recording(requested_at=3.0, state=State.COMPLETED, deleted_at=4.0)
    await saved(store, first, second, gone, recording(requested_at=5.0, account="other", call="call-2"))

    async def chosen(**bounds: Any) -> list[Recording]:
        return await store.read(lambda reader: reader.recordings("acme", **bounds))

    assert await chosen() == [gone, second, first]
    assert await chosen(deleted=False) == [second, first]
    assert await chosen(call="call-2") == [second]
    assert await chosen(call="call-1", deleted=False) == [first]
    assert await chosen(since=2.0, until=3.0) == [gone, second]
    assert await chosen(since=2.1, until=2.9) == []


async def test_recordings_are_chosen_by_who_called_whom(store: Store) -> None:
    """By caller and called, exactly, whatever text that is, and whatever became of them."""
    made = [
        recording(requested_at=1.0, caller="+1415", called="1001", state=State.COMPLETED),
        recording(requested_at=2.0, caller="+1415", called="1002", state=State.RECORDING),
        recording(requested_at=3.0, caller="a\0b\ud800'--", called="1001", state=State.FAILED),
        recording(requested_at=4.0, caller="+1415", called="1001", state=State.COMPLETED, deleted_at=5.0),
        recording(requested_at=5.0, caller="+1415", called="1001", account="other", state=State.COMPLETED),
    ]
    await saved(store, *made)

    async def chosen(**bounds: Any) -> list[Recording]:
        page = await store.read(lambda reader: reader.recordings("acme", **bounds))
        assert await store.read(lambda reader: reader.recordings_count("acme", **bounds)) == len(page)
        return page

    assert await chosen(caller="+1415", deleted=False) == [made[1], made[0]]
    assert await chosen(caller="+1415") == [made[3], made[1], made[0]]
    assert await chosen(called="1001", deleted=False) == [made[2], made[0]]
    assert await chosen(caller="a\0b\ud800'--") == [made[2]]
    assert await chosen(caller="+1415", called="1001", deleted=False) == [made[0]]
    assert await chosen(caller="+1415", call="call-1", since=2.0, until=2.0) == [made[1]]
    assert await chosen(caller="1415") == []
    assert await chosen(caller="") == []


async def test_recordings_are_paged_by_number(store: Store) -> None:
    """An offset leaves out so many of the newest; what is beyond the end is empty, and the count is of all."""
    made = [recording(requested_at=float(index // 2)) for index in range(7)]
    await saved(store, *made, recording(account="other"))
    newest = sorted(made, key=lambda one: (one.requested_at, one.id), reverse=True)
    for offset in range(9):
        page = await store.read(partial(Reader.recordings, account="acme", limit=3, offset=offset))
        assert page == newest[offset : offset + 3]
    assert await store.read(lambda reader: reader.recordings_count("acme")) == 7
    assert await store.read(lambda reader: reader.recordings_count("acme", since=1.0, until=2.0)) == 4
    assert await store.read(lambda reader: reader.recordings_count("nobody")) == 0


@sqlite_only
@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"since": 1.0, "until": 2.0},
        {"caller": ("1415", "+1415")},
        {"caller": ("1415",), "called": ("8", "+8"), "since": 1.0},
    ],
    ids=str,
)
async def test_what_is_chosen_by_is_in_the_index(store: Store, bounds: Chosen) -> None:
    """A page reads no row but those it shows, and sorts nothing; the count reads none, and of all it is kept."""

    def planned(reader: Reader) -> tuple[list[str], set[int]]:
        asked = Asked(reader)
        asked.recordings("acme", offset=5, added=True, **bounds)  # type: ignore[misc]
        asked.recordings_count("acme", added=True, **bounds)  # type: ignore[misc]
        plans = ["; ".join(row.detail for row in rows) for rows in asked.explained("EXPLAIN QUERY PLAN")]
        table = 0  # the cursor of a statement's first table
        steps = asked.explained("EXPLAIN")[0]
        return plans, {step.p2 for step in steps if step.opcode == "Column" and step.p1 == table}

    (page, count), read = await store.read(planned)
    assert "INDEX recordings_added (account=?" in page
    assert "TEMP B-TREE" not in page
    assert ("COVERING INDEX recordings_added (" if bounds else "SEARCH tallies USING INDEX") in count
    assert read == {list(RECORDINGS.c).index(RECORDINGS.c.data)}


@sqlite_only
@pytest.mark.parametrize(
    ("bounds", "index"),
    [
        ({}, "recordings_by_account"),
        ({"deleted": False, "called": "a", "call": "call-1"}, "recordings_by_call"),
        ({"deleted": False}, "recordings_listed"),
        ({"deleted": False, "before": (5.0, "x")}, "recordings_listed"),
        ({"deleted": False, "after": (5.0, "x")}, "recordings_listed"),
        ({"deleted": False, "since": 1.0, "until": 2.0}, "recordings_listed"),
        ({"deleted": False, "call": "call-1", "before": (5.0, "x")}, "recordings_by_call"),
    ],
)
async def test_a_page_costs_the_same_anywhere(store: Store, bounds: dict[str, Any], index: str) -> None:
    """It is one walk along an index, from where it begins, and sorts nothing."""
    plans: list[str] = []

    def planned(reader: Reader) -> None:
        asked: list[Any] = []
        reader._recordings = lambda query: asked.append(query) or []  # type: ignore[method-assign,func-returns-value]
        reader.recordings("acme", **bounds)
        compiled = asked[0].compile(reader.connection.engine, compile_kwargs={"literal_binds": True})
        plans.extend(row[3] for row in reader.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))

    await store.read(planned)
    assert len(plans) == 1
    assert f"INDEX {index} (" in plans[0]
    assert ("requested_at" in plans[0]) == bool({"before", "after", "since"} & bounds.keys())


async def test_calls_are_found(store: Store) -> None:
    """By id, and as live on a switch."""
    live = call(started_at=1.0)
    ended = call(started_at=2.0, state=CallState.ENDED)
    released = call(started_at=3.0, leg="leg-2", state=CallState.RELEASED)
    await saved(store, live, ended, released, call(switch="fs2"))
    assert await store.read(lambda reader: reader.call(ended.id)) == ended
    assert await store.read(lambda reader: reader.call("none")) is None
    assert await store.read(lambda reader: reader.live_calls("fs1")) == [live, released]
    newest = call(id=live.id, started_at=1.0, state=CallState.ENDED, cause="NORMAL_CLEARING")
    await saved(store, newest)
    assert await store.read(lambda reader: reader.live_calls("fs1")) == [released]


async def test_hostile_texts_are_stored_and_found(store: Store) -> None:
    """A leg id or name with NUL, surrogates or quotes is stored exactly, and found by it."""
    odd = "a\0b\ud800'\";--é"
    made, runs = recording(leg=odd, account=odd), call(leg=odd, account=odd)
    await saved(store, made, runs)
    assert await store.read(lambda reader: reader.recordings(odd)) == [made]
    assert await store.read(partial(search, text=odd, limit=9)) == [made]
    assert await store.read(lambda reader: reader.call(runs.id)) == runs


async def test_one_bad_row_hides_no_other(store: Store, told: Told) -> None:
    """A list leaves an unreadable row out and tells telemetry; asked for alone it raises."""
    good, bad, runs = recording(), recording(), call()
    await saved(store, good, bad, runs)

    def spoil(transaction: Transaction) -> None:
        transaction.connection.execute(update(RECORDINGS).where(RECORDINGS.c.id == bad.id).values(data="{}"))
        transaction.connection.execute(update(CALLS).values(data="["))

    await store.write(spoil)
    assert await store.read(lambda reader: reader.unfinished("fs1")) == [good]
    assert await store.read(lambda reader: reader.live_calls("fs1")) == []
    assert [(event.table, event.row) for event in told.of(RowUnreadable)] == [
        ("recordings", bad.id),
        ("calls", runs.id),
    ]
    with pytest.raises(DecodeError, match=r"Recording\.id: missing"):
        await store.read(lambda reader: reader.recording(bad.id))


async def test_notices_and_deliveries_are_found(store: Store) -> None:
    """A recording's notices come in their order with the recording as it was; deliveries are paged by state."""
    first = recording(revision=1)
    last = recording(id=first.id, revision=2, state=State.FAILED)
    notices = notice(first, 1), notice(last, 2, NoticeKind.FAILED)
    sent = [delivery(), delivery("https://Example.com/x")]

    def work(transaction: Transaction) -> None:
        transaction.save_recording(last)
        transaction.add_notice(notices[1], sent[1:])
        transaction.add_notice(notices[0], sent[:1])

    await store.write(work)
    assert await store.read(lambda reader: reader.notices_of(first.id)) == list(notices)
    assert await store.read(lambda reader: reader.notice_errors(first.id)) == {}
    rows = await store.read(lambda reader: reader.deliveries_of(first.id))
    assert [row.delivery for row in rows] == sent
    assert [row.origin for row in rows] == ["http://127.0.0.1:9", "https://example.com:443"]
    assert await store.read(lambda reader: reader.delivery(sent[0].id)) == rows[0]
    assert await store.read(lambda reader: reader.delivery("none")) is None
    assert await store.read(lambda reader: reader.attempts(sent[0].id)) == []
    assert await store.read(lambda reader: reader.oldest_pending()) == rows[0].created_at
    assert await store.read(lambda reader: reader.backlog()) == (2, rows[0].created_at, 0)
    counts = await store.read(lambda reader: reader.counts())
    assert counts == {DeliveryState.PENDING: 2, DeliveryState.DELIVERED: 0, DeliveryState.DEAD: 0}
    page = await store.read(lambda reader: reader.deliveries(limit=1))
    more = await store.read(lambda reader: reader.deliveries(limit=9, before=(page[0].created_at, page[0].id)))
    assert sorted(row.id for row in page + more) == sorted(one.id for one in sent)
    assert await store.read(lambda reader: reader.deliveries(DeliveryState.DEAD)) == []
    for account, known in (("acme", 2), ("other", 0), ("", 0)):
        mine = await store.read(partial(Reader.deliveries, account=account))
        assert [row.delivery.account for row in mine] == [account] * known


@sqlite_only
async def test_plans_use_the_indexes(store: Store) -> None:
    """The queries that run all day search an index, so a million finished rows cost them nothing."""
    from controller.store import statements

    queries = {
        "recordings_unfinished": "SELECT data FROM recordings WHERE unfinished_on = 'a'",
        "recordings_by_account": "SELECT data FROM recordings WHERE account = 'a' "
        "AND (requested_at, id) < (1, 'x') ORDER BY requested_at DESC, id DESC LIMIT 5",
        "recordings_by_call": "SELECT data FROM recordings WHERE call = 'a' ORDER BY requested_at, id",
        "calls_live": "SELECT data FROM calls WHERE live_on = 'a'",
        "recordings_by_leg": "SELECT data FROM recordings WHERE leg = 'b' ORDER BY requested_at DESC, id DESC",
        "recordings_searched": "SELECT id FROM recordings WHERE (requested_at, id) < (1, 'x') AND state = 'failed' "
        "AND deleted_at IS NULL AND caller LIKE '%1%' ORDER BY requested_at DESC, id DESC LIMIT 5",
        "deliveries_by_state": "SELECT data FROM deliveries WHERE state = 'dead' ORDER BY created_at DESC, id DESC",
        "deliveries_due_by_origin": str(statements.DUE_IDS),
        "deliveries_due": str(statements.NEXT_DUE),
    }
    queries = {
        name: text.replace("SELECT data FROM deliveries", "SELECT id FROM deliveries")
        for name, text in queries.items()
    }

    def plans(reader: Reader) -> dict[str, str]:
        values = {"of": "a", "now": 1, "most": 1, "after": 1}
        cursor = reader.connection.connection.cursor()
        return {
            index: "; ".join(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall())
            for index, text in queries.items()
        }

    for index, found in (await store.read(plans)).items():
        assert f"INDEX {index} " in found, (index, found)
        assert "TEMP B-TREE" not in found, (index, found)
