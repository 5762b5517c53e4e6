"""The status callback's fields, row by row as the reference's two pages have them, and what breaks these rows.

One table for payloads that a test renders and for those that a receiver got from a whole daemon.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.dialects.swml.seeds import RECORD, RECORD_CALL

ALWAYS = frozenset({"recording", "paused", "finished", "no_input", "error"})
ENDED = frozenset({"finished", "no_input"})
FILES = {"wav", "mp3", "mp4"}
"""The pages' rows of the payload leave mp4 out; the property's row has it."""

SIDES = {"speak", "listen", "both"}
"""As with mp4: `both` is in the property's row on the page of `record_call` alone."""

NEVER: frozenset[str] = frozenset()
Check = Callable[[Any], bool]


def text(value: Any) -> bool:
    """Some text."""
    return isinstance(value, str) and value != ""


def decimal(value: Any) -> bool:
    """A number that JSON wrote as a float, and no negative one."""
    return isinstance(value, float) and value >= 0.0


def moment(value: Any) -> bool:
    """Unix seconds with their fraction, of this century."""
    return isinstance(value, float) and value > 1_000_000_000.0


def count(value: Any) -> bool:
    """A whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def flag(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def mapping(value: Any) -> bool:
    """An object."""
    return isinstance(value, dict)


def among(*allowed: str) -> Check:
    """One of these."""
    return lambda value: value in allowed


def address(value: Any) -> bool:
    """An HTTP URL."""
    return isinstance(value, str) and re.fullmatch(r"https?://[^\s/]+/\S*", value) is not None


def channel(value: Any) -> bool:
    """`swml:` and a session's id."""
    return isinstance(value, str) and re.fullmatch(r"swml:\S+", value) is not None


@dataclass(frozen=True, slots=True)
class Field:
    """`path` from the body, the row as `seed` words it, what its value is, and the states in which it is there.

    In the states of `may` it may be there or not: it depends on what else happened (see `wrong`).
    """

    path: str
    seed: str
    row: str
    check: Check
    states: frozenset[str] = ALWAYS
    may: frozenset[str] = NEVER


FIELDS = (
    Field(
        "event_type",
        RECORD,
        "The type of event. Always `calling.call.record` for this method.",
        among("calling.call.record"),
    ),
    Field(
        "event_channel",
        RECORD,
        "The channel for the event, includes the SWML session ID.",
        channel,
    ),
    Field("timestamp", RECORD, "Unix timestamp (float) when the event was generated.", moment),
    Field("project_id", RECORD, "The project ID associated with the call.", text),
    Field("space_id", RECORD, "The Space ID associated with the call.", text),
    Field("params", RECORD, "An object containing recording-specific parameters.", mapping),
    Field("params.call_id", RECORD, "The call ID.", text),
    Field("params.node_id", RECORD, "The node handling the call.", text),
    Field("params.control_id", RECORD, "The control ID for this record operation.", text),
    Field(
        "params.state",
        RECORD,
        "The current recording state. **Valid values:** `recording`, `paused`, `finished`, `no_input`, `error`.",
        among(*ALWAYS),
    ),
    Field("params.url", RECORD, "URL to download the recording.", address),
    Field(
        "params.duration",
        RECORD,
        "Recording duration in seconds. Present when `state` is `finished` or `no_input`.",
        decimal,
        ENDED,
    ),
    Field(
        "params.size",
        RECORD,
        "Recording file size in bytes. Present when `state` is `finished` or `no_input`.",
        count,
        ENDED,
    ),
    Field("params.recording_id", RECORD, "The unique identifier for the recording. Present when available.", text),
    Field(
        "params.start_time",
        RECORD,
        "Unix timestamp (seconds, float) when the recording started. Present when the recording has ended.",
        moment,
        ENDED,
        frozenset({"error"}),
    ),
    Field(
        "params.end_time",
        RECORD,
        "Unix timestamp (seconds, float) when the recording ended. Present when the recording has ended.",
        moment,
        ENDED,
        frozenset({"error"}),
    ),
    Field(
        "params.pause_behavior",
        RECORD,
        "How paused recording handles audio. Only present when `state` is `paused`. **Valid values:** `silence`, "
        "`skip`.",
        among("silence", "skip"),
        frozenset({"paused"}),
    ),
    Field("params.record.audio", RECORD, "Recording configuration details.", mapping),
    Field("params.record.audio.format", RECORD, "Recording format. **Valid values:** `wav`, `mp3`.", among(*FILES)),
    Field(
        "params.record.audio.direction",
        RECORD,
        "Direction of the audio recorded: `speak` or `listen`.",
        among(*SIDES),
    ),
    Field("params.record.audio.stereo", RECORD, "Whether the recording was made in stereo mode.", flag),
    # The page of `record_call`: what it has beside the rows above. `record` itself is there in all states, since
    # the other page's `audio` is in it; these are with it once there is a file to tell of.
    Field(
        "params.record",
        RECORD_CALL,
        "Recording result details (present when state is `finished`).",
        mapping,
        ALWAYS,
    ),
    Field("params.record.url", RECORD_CALL, "URL to download the recording.", address, ENDED),
    Field("params.record.duration", RECORD_CALL, "Recording duration in seconds.", decimal, ENDED),
    Field("params.record.size", RECORD_CALL, "Recording file size in bytes.", count, ENDED),
    Field(
        "params.record.format",
        RECORD_CALL,
        "Recording format. **Valid values:** `wav`, `mp3`.",
        among(*FILES),
        ENDED,
    ),
)


def wrong(event: Mapping[str, Any], *, started: bool = True) -> list[str]:
    """What in a callback's body breaks the table, nothing when it is as the reference says.

    A recording whose `started` is False failed before its beginning: it has no times. Any other that has ended has.
    """
    found = values(event)
    state = event.get("params", {}).get("state")
    problems = [f"{path}: in no row" for path in found if path not in {field.path for field in FIELDS}]
    for field in FIELDS:
        due = state in field.states or (started and state in field.may)
        if due and field.path not in found:
            problems.append(f"{field.path}: missing in {state}: {field.row}")
        elif not due and field.path in found:
            problems.append(f"{field.path}: there in {state}: {field.row}")
        elif due and not field.check(found[field.path]):
            problems.append(f"{field.path}: {found[field.path]!r}: {field.row}")
    return problems


def values(body: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every field by its dotted path."""
    found: dict[str, Any] = {}
    for key, value in body.items():
        found[prefix + key] = value
        if isinstance(value, dict):
            found |= values(value, f"{prefix}{key}.")
    return found
