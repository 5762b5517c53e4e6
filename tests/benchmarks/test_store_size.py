"""The benchmark of full stores, on a few rows: that it works, and that its copies are what the daemon writes."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from benchmarks.house import templates
from benchmarks.store_size import LISTS, SEARCHES, measure
from benchmarks.stored import fill_sqlite
from controller.store import open_store
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch


async def test_each_row_is_measured() -> None:
    """Every question is asked of each size, on each kind of store there is."""
    rows = await measure((60, 90), rounds=1, burst=2, kinds=("SQLite",))
    assert len(rows) == 3 + len(LISTS) + len(SEARCHES)
    for row in rows:
        assert [side.label for side in row.sides] == ["60 stored", "90 stored"]
        assert len(row.verdicts) == 1
        assert all(sample > 0 for side in row.sides for sample in side.samples)


async def test_copies_are_other_recordings(tmp_path: Path) -> None:
    """Every copy can be read, has ids and times of its own, and rows that lead to each other; totals are true."""
    async with SoftSwitch(tmp_path / "recordings") as soft, Receiver() as receiver:
        made = await templates(soft, tmp_path / "template", receiver)
    await fill_sqlite(tmp_path / "a.db", made, 30)
    store = await open_store(tmp_path / "a.db")
    accounts = ("acme", "acme-twilio", "acme-plivo")
    for account in accounts:
        found = await store.read(lambda reader, account=account: reader.recordings(account))  # type: ignore[misc]
        count = await store.read(
            lambda reader, account=account: reader.recordings_count(account, added=True)  # type: ignore[misc]
        )
        assert count == len(found) == len({one.id for one in found}) == len({one.requested_at for one in found}) == 10
        for one in found:
            history = await store.read(lambda reader, one=one: reader.history(one.id))  # type: ignore[misc]
            notices = await store.read(lambda reader, one=one: reader.notices_of(one.id))  # type: ignore[misc]
            assert [entry.state for entry in history][-1] is one.state
            assert notices[-1].recording.id == one.id
            assert one.requested_at <= notices[-1].at
            assert await store.read(lambda reader, one=one: reader.call(one.owner.call))  # type: ignore[misc]
    await store.close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as rows:
        assert rows.execute("PRAGMA foreign_key_check").fetchall() == []
    drawn = Counter(table for table, _ in made.found[0].copy(1_700_000_000.0, random.Random(1)))  # noqa: S311
    assert drawn["recordings"] == drawn["calls"] == 1
