"""What a switch has scheduled."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.switch.facts_replies import BadReplyError, NoCoreSqlError
from controller.switch.facts_tasks import parse_armed_hangups

LEG = "facdfb25-0067-4bd2-bda4-60f3ceb62477"
ROW = {
    "task_id": "4",
    "task_desc": "switch_ivr_schedule_hangup",
    "task_group": LEG,
    "task_runtime": "1795148199",
    "task_sql_manager": "0",
    "hostname": "vm",
}
"""As a real switch said it, for a call that dialplans/fsrec.xml parked."""


@pytest.mark.parametrize(
    ("rows", "legs"),
    [
        (None, set()),
        ([], set()),
        ([ROW], {LEG}),
        ([ROW, {**ROW, "task_desc": "heartbeat"}, {**ROW, "task_group": "core"}], {LEG}),
        ([{**ROW, "task_group": None}, "x", None, {}, {**ROW, "task_group": "a b\n"}], set()),
    ],
)
def test_armed(rows: list[Any] | None, legs: set[str]) -> None:
    """Scheduled hangups are told by leg; other tasks, and groups that no command could name, are left out."""
    reply = {"row_count": len(rows or ())} | ({} if rows is None else {"rows": rows})
    assert parse_armed_hangups(json.dumps(reply)) == legs


@pytest.mark.parametrize(
    "reply", ["", "x", "[]", "{}", '{"row_count": 1, "rows": {}}', "-ERR permission denied\n", "\ud800"]
)
def test_no_list(reply: str) -> None:
    """What is no list of tasks is refused."""
    with pytest.raises(BadReplyError, match="show tasks"):
        parse_armed_hangups(reply)


def test_no_core_sql() -> None:
    """A switch without core SQL is told as such."""
    with pytest.raises(NoCoreSqlError):
        parse_armed_hangups("-ERR SQL disabled, no data available!\n")


@given(st.text())
def test_any_reply(text: str) -> None:
    """No reply makes anything but legs or a refusal."""
    try:
        assert isinstance(parse_armed_hangups(text), frozenset)
    except (BadReplyError, NoCoreSqlError):
        return
