"""What a step's outcome leaves: the variables that the reference names, and a warning where something failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from controller.dialects.swml.scope import LONGEST_TEXT, Unfit, fit
from controller.dialects.swml.settling import Complaint
from controller.dialects.swml.values import Value
from controller.documents.fetch import shown
from controller.documents.steps import (
    Dialled,
    DialStatus,
    Done,
    Failed,
    Gathered,
    Outcome,
    RecordingEnded,
    RecordingRefused,
    RecordingRuns,
    Response,
)

SILENT = frozenset({"sleep", "hangup", "play"})
"""Methods without a result variable."""

MOST_HEADERS = 64
"""SWML: headers of a response that are kept."""

REASONS = {DialStatus.BUSY: "busy", DialStatus.NO_ANSWER: "no_answer", DialStatus.CANCELED: "cancel"}
"""The reference's words for why nobody was connected."""

SUCCESS, FAILED = "success", "failed"


@dataclass(slots=True)
class Left:
    """Variables to set; None is one to remove. ``answered`` says that the leg is known to be."""

    variables: dict[str, Any] = field(default_factory=dict)
    complaint: Complaint | None = None
    answered: bool = False


def left(method: str, values: Mapping[str, Value], outcome: Outcome | None, control_id: str) -> Left:
    """Return what a method leaves whose step had this outcome; None is a method that did not run at all.

    An outcome that does not fit the method is a failure of it.
    """
    leaves = _leaves(method, values, outcome, control_id)
    if isinstance(outcome, Failed | RecordingRefused):
        message = f'Method "{method}": {outcome.reason[:500]}'
        leaves.complaint = Complaint("relay_script_method_execute_failed", message)
    return leaves


def _leaves(method: str, values: Mapping[str, Value], outcome: Outcome | None, control_id: str) -> Left:
    match method:
        case "record":
            return _recorded(outcome)
        case "record_call":
            return _recording(outcome, control_id)
        case "prompt":
            return _gathered(outcome)
        case "connect":
            return _connected(outcome)
        case "request":
            return _responded(values, outcome)
        case "play":
            # One that failed has answered as well: it is its sounds that could not be had.
            return Left(answered=isinstance(outcome, Done | Failed) and bool(values["auto_answer"]))
    good = isinstance(outcome, Done)
    result = {} if method in SILENT else {f"{method}_result": SUCCESS if good else FAILED}
    return Left(result, answered=good and method == "answer")


def _recording(outcome: Outcome | None, control_id: str) -> Left:
    """Leave the former recording's variables where one failed to start: it can still be stopped."""
    if not isinstance(outcome, RecordingRuns):
        return Left({"record_call_result": FAILED})
    return Left(
        {
            "record_call_url": outcome.url,
            "record_call_result": SUCCESS,
            "record_control_id": control_id,
            "record_call_start": str(round(outcome.started_at * 1_000_000)),
        },
        answered=True,
    )


def _recorded(outcome: Outcome | None) -> Left:
    """Leave no URL of what was not recorded: nobody is played the recording before it instead."""
    if not isinstance(outcome, RecordingEnded):
        return Left({"record_url": None, "record_result": FAILED})
    good = SUCCESS if outcome.good else FAILED
    return Left({"record_url": outcome.url or None, "record_result": good}, answered=True)


def _gathered(outcome: Outcome | None) -> Left:
    if not isinstance(outcome, Gathered):
        digits, terminator, result = "", "", FAILED
    else:
        digits, terminator = outcome.digits, outcome.terminator
        result = "match_digits" if digits or terminator else "no_input"
    return Left(
        {
            "prompt_result": result,
            "prompt_value": digits,
            "prompt_value_raw": digits,
            "prompt_digit_terminator": terminator,
        },
        answered=isinstance(outcome, Gathered),
    )


def _connected(outcome: Outcome | None) -> Left:
    if isinstance(outcome, Dialled) and outcome.status is DialStatus.ANSWERED:
        return Left(
            {"connect_result": "connected", "connect_failed_reason": None, "return_value": "connected"}, None, True
        )
    reason = outcome.reason if isinstance(outcome, Dialled) else "nobody was dialled"
    if isinstance(outcome, Dialled):
        reason = REASONS.get(outcome.status, reason)
    return Left({"connect_result": FAILED, "connect_failed_reason": reason[:500], "return_value": FAILED})


def _responded(values: Mapping[str, Value], outcome: Outcome | None) -> Left:
    """Remove the last answer's variables where there is none; the URL is told without its credentials.

    Fields are another matter: they are what the last request left that was to save them.
    """
    url = values.get("url")
    leaves = Left(
        {
            "request_url": shown(str(url)) if url is not None else None,
            "request_response_code": None,
            "request_response_headers": None,
            "request_response_body": None,
        }
    )
    if values.get("save_variables"):
        leaves.variables["request_response"] = None
    good = False
    if isinstance(outcome, Response):
        good = 200 <= outcome.status < 300
        leaves.variables["request_response_code"] = outcome.status
        leaves.variables["request_response_headers"] = _headers(outcome)
        leaves.variables["request_response_body"] = _cut(outcome.body)
        if values["save_variables"]:
            _save(leaves, outcome.body)
    result = SUCCESS if good else FAILED
    leaves.variables |= {"request_result": result, "return_value": result}
    return leaves


def _headers(response: Response) -> dict[str, str]:
    found: dict[str, str] = {}
    room = LONGEST_TEXT
    for name, value in response.headers[:MOST_HEADERS]:
        room -= len(json.dumps([name, value]))
        if room < 0:
            break
        found[name.strip().lower()] = value.strip()
    return found


def _cut(body: str) -> str:
    """Return what of a body is kept: SWML's 64 kB, and no more than twice that as JSON."""
    kept = body[:LONGEST_TEXT]
    while (size := len(json.dumps(kept))) > 2 * LONGEST_TEXT:
        kept = kept[: len(kept) * 2 * LONGEST_TEXT // size]
    return kept


def _save(leaves: Left, body: str) -> None:
    """Keep what a body says in JSON; a body that is none leaves nothing."""
    try:
        parsed = orjson.loads(body)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return
    if not isinstance(parsed, (dict, list)):
        return
    try:
        fit(parsed)
    except Unfit as unfit:
        leaves.complaint = Complaint("relay_script_method_execute_failed", f'Method "request": the response: {unfit}')
    else:
        leaves.variables["request_response"] = parsed
