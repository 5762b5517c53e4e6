"""What a switch has scheduled, from the reply to ``show tasks as json``."""

from __future__ import annotations

import orjson

from controller.switch.commands_text import is_leg_id, shown
from controller.switch.facts_replies import BadReplyError, NoCoreSqlError, Refusal, refusal


def parse_armed_hangups(reply: str) -> frozenset[str]:
    """Return the legs for which a hangup is scheduled: ``sched_hangup`` makes a task in a group of the leg's name.

    Raises:
        NoCoreSqlError: the switch keeps no list.
        BadReplyError: the reply is no list.

    """
    if refusal(reply) is Refusal.NO_CORE_SQL:
        raise NoCoreSqlError("show tasks: the switch runs without core SQL; right is to start it without -nosql")
    try:
        answer = orjson.loads(reply)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        answer = None
    rows = answer.get("rows", []) if isinstance(answer, dict) and "row_count" in answer else None
    if not isinstance(rows, list):
        raise BadReplyError(f"show tasks: {shown(reply)}; right is row_count and rows")
    return frozenset(
        group
        for row in rows
        if isinstance(row, dict)
        and row.get("task_desc") == "switch_ivr_schedule_hangup"
        and is_leg_id(group := row.get("task_group"))
    )
