"""Recordings as operators look for them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from controller.recordings.model import Recording, State, new_id
from controller.store import Page, Reader, Store, Transaction
from controller.store.events import RowUnreadable
from controller.store.search import identity_in, in_order, search
from controller.store.tables import RECORDINGS
from tests.store.conftest import Asked, Told, sqlite_only
from tests.store.values import recording

HEX = "0123456789abcdef0123456789abcdef"


async def saved(store: Store, *made: Recording) -> None:
    def work(transaction: Transaction) -> None:
        for one in made:
            transaction.save_recording(one)

    await store.write(work)


async def found(store: Store, limit: int = 50, **asked: Any) -> list[Recording]:
    return await store.read(partial(search, limit=limit, **asked))


@pytest.mark.parametrize(
    ("pasted", "identity"),
    [
        (f"RE{HEX}", str(UUID(HEX))),
        (f"CA{HEX.upper()}", str(UUID(HEX))),
        (HEX, str(UUID(HEX))),
        (str(UUID(HEX)).upper(), str(UUID(HEX))),
        ("", None),
        ("+4930123", None),
        (f"{HEX}0", None),
        (f"R3{HEX}", None),
        ("sip:bob@example.com", None),
    ],
)
def test_ids_of_any_vendor_are_known(pasted: str, identity: str | None) -> None:
    """Ours, with two letters or dashes or none, in either case."""
    assert identity_in(pasted) == identity


async def test_pages_of_all_accounts_follow_each_other(store: Store) -> None:
    """Newest first, without gap or repeat, equal times included; of one account nothing else is shown."""
    made = [recording(requested_at=float(index // 3), account=f"a{index % 2}") for index in range(10)]
    await saved(store, *made)
    for account in (None, "a0", "a1", "nobody"):
        seen: list[Recording] = []
        before: Page | None = None
        while page := await found(store, 4, account=account, before=before):
            seen += page
            before = page[-1].requested_at, page[-1].id
        wanted = [one for one in made if account in {None, one.owner.account}]
        assert seen == sorted(wanted, key=lambda one: (one.requested_at, one.id), reverse=True)


@pytest.mark.parametrize(
    ("asked", "times"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"dialect": "swml"}, [5, 4, 2, 1]),
        ({"dialect": "plivo"}, [3]),
        ({"states": (State.FAILED,)}, [4]),
        ({"states": (State.FAILED, State.REQUESTED)}, [5, 4, 3, 2]),
        ({"since": 2.0}, [5, 4, 3, 2]),
        ({"until": 2.0}, [2, 1]),
        ({"since": 2.0, "until": 4.0}, [4, 3, 2]),
        ({"deleted": False}, [5, 4, 3, 2]),
        ({"text": "4930"}, [5, 2]),
        ({"text": " 4930 "}, [5, 2]),
        ({"text": "4930", "account": "other"}, [5]),
        ({"text": "BOB@"}, [4]),
        ({"text": "50%_"}, [1]),
        ({"text": "%"}, [1]),
        ({"text": "leg-4"}, [4]),
        ({"text": "leg-"}, []),
        ({"text": "4930", "since": 3.0, "dialect": "swml", "states": (State.REQUESTED,), "deleted": False}, [5]),
    ],
)
async def test_each_filter(store: Store, asked: dict[str, Any], times: list[int]) -> None:
    """Alone and together, over all accounts and for one; a text's own signs are no pattern."""
    await saved(
        store,
        recording(requested_at=1.0, state=State.COMPLETED, deleted_at=9.0, called="50%_", leg="leg-1"),
        recording(requested_at=2.0, caller="+49301234", leg="leg-2"),
        recording(requested_at=3.0, leg="leg-3", dialect="plivo"),
        recording(requested_at=4.0, state=State.FAILED, called="sip:bob@example.com", leg="leg-4"),
        recording(requested_at=5.0, called="+49305678", account="other", leg="leg-5"),
    )
    assert [one.requested_at for one in await found(store, **asked)] == times


async def test_what_people_paste(store: Store) -> None:
    """A recording, all of a call's, or of a leg's: by whichever vendor's form; never another account's."""
    call, leg = new_id(), new_id()
    made = [
        recording(requested_at=float(index), call=call, leg=leg if index else "another", state=state)
        for index, state in enumerate((State.COMPLETED, State.FAILED, State.COMPLETED))
    ]
    await saved(store, *made, recording(call=leg.swapcase(), caller=call.replace("-", "")[:20]))
    of_call, of_leg = made[::-1], made[:0:-1]
    for pasted, wanted in (
        (made[1].id, [made[1]]),
        ("RE" + made[1].id.replace("-", ""), [made[1]]),
        (call, of_call),
        ("CA" + call.replace("-", "").upper(), of_call),
        (leg, of_leg),
        (new_id(), []),
    ):
        assert await found(store, text=pasted) == wanted
        assert await found(store, text=pasted, account="acme") == wanted
        assert await found(store, text=pasted, account="other") == []
    assert await found(store, text=call, states=(State.FAILED,)) == [made[1]]
    assert await found(store, 1, text=call) == of_call[:1]
    assert await found(store, text=call, before=(made[2].requested_at, made[2].id)) == of_call[1:]


async def test_what_runs_is_found(store: Store) -> None:
    """The places of all that is not final, of all accounts or of one, which lead to them in the order asked for."""
    one, other = recording(requested_at=1.0), recording(requested_at=2.0, account="other", state=State.PROCESSING)
    await saved(store, one, other, recording(state=State.COMPLETED))
    assert sorted(await store.read(Reader.live)) == [(1.0, one.id), (2.0, other.id)]
    assert await store.read(partial(Reader.live, account="acme")) == [(1.0, one.id)]
    places = [(2.0, other.id), (0.0, "gone"), (1.0, one.id)]
    assert await store.read(partial(in_order, places=places)) == [other, one]


async def test_one_bad_row_hides_no_other(store: Store, told: Told) -> None:
    """A row that cannot be read is left out, and told."""
    good, bad = recording(), recording()
    await saved(store, good, bad)
    spoil = update(RECORDINGS).where(RECORDINGS.c.id == bad.id).values(data="{}")
    await store.write(lambda transaction: transaction.connection.execute(spoil) and None)
    assert await found(store) == [good]
    assert [event.row for event in told.of(RowUnreadable)] == [bad.id]


async def test_a_replacement_leaves_what_never_changes(store: Store) -> None:
    """A recording's account, call, leg and parties are written once: its rows are found by them as they were."""
    made = recording(caller="1", called="2")
    await saved(store, made)
    over = replace(made, state=State.COMPLETED, finished_at=7.0, revision=1)
    await saved(store, over)
    assert await found(store, account="acme", text="leg-1", states=(State.COMPLETED,)) == [over]
    row = await store.read(lambda reader: reader.connection.execute(text("SELECT * FROM recordings")).one())
    assert (row.state, row.unfinished_on, row.finished_at, row.revision) == ("completed", None, 7.0, 1)


@sqlite_only
@pytest.mark.parametrize("account", [None, "acme"])
@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("words", ["", "49"])
async def test_an_index_has_all_that_is_asked(
    store: Store, account: str | None, words: str, *, deleted: bool
) -> None:
    """No row is read that is not shown, and nothing is sorted."""
    index = "recordings_searched" if account is None else "recordings_by_account"

    def plans(reader: Reader) -> list[str]:
        asked = Asked(reader)
        search(
            asked,
            limit=5,
            account=account,
            text=words,
            states=(State.FAILED, State.ABSENT),
            dialect="swml",
            deleted=deleted,
            before=(5.0, "x"),
        )
        return ["; ".join(row.detail for row in plan) for plan in asked.explained("EXPLAIN QUERY PLAN")]

    *_, plan = await store.read(plans)
    assert f"USING COVERING INDEX {index} (" in plan
    assert "TEMP B-TREE" not in plan
