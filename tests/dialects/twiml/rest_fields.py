"""Seed 002, row by row, and Twilio's own description of its two shapes of a recording, as tables.

Each row: the key, the type that the source prints, its example, and the values that it allows where it lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RFC_2822 = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
                      r"\d\d:\d\d:\d\d \+0000")  # fmt: skip

LAML_PARAMETERS: tuple[tuple[str, str, tuple[str, ...], str | None], ...] = (
    # name, type, "Possible values", "Defaults to", "Default is"
    ("RecordingChannels", "string", ("mono", "dual"), None),
    ("RecordingStatusCallback", "string", (), None),
    ("RecordingStatusCallbackEvent", "string", ("completed", "in-progress", "absent"), "completed"),
    ("RecordingStatusCallbackMethod", "string", ("GET", "POST"), "POST"),
    ("RecordingTrack", "string", ("inbound", "outbound", "both"), "both"),
    ("Trim", "string", ("trim-silence", "do-not-trim"), "trim-silence"),
)
"""Seed 002, "Body"."""

LAML_SCHEMA: tuple[tuple[str, str, object, tuple[object, ...]], ...] = (
    ("account_sid", "uuid", "720796a0-8ee9-4350-83bd-2d07a3121f1e", ()),
    ("api_version", "string", "2010-04-01", ()),
    ("call_sid", "string", "43bb71ee-553f-4074-bb20-8e2747647cce", ()),
    ("conference_sid", "string", "2071320d-ee82-4578-84e0-379fb227eb77", ()),
    ("channels", "integer", 1, (1, 2)),
    ("date_created", "string", "Tue, 25 Sept 2018 23:00:00 +0000", ()),
    ("date_updated", "string", "Wed, 26 Sept 2018 23:00:04 +0000", ()),
    ("end_time", "string", "Wed, 26 Sept 2018 23:00:04 +0000", ()),
    ("price", "string", "-0.0025", ()),
    ("price_unit", "string", "USD", ()),
    ("duration", "string", "4", ()),
    ("sid", "string", "19e436af-5688-4307-b03b-bdb2b42b8142", ()),
    (
        "source",
        "string",
        "DialVerb",
        (
            *("DialVerb", "Conference", "OutBoundApi", "Trunking", "RecordVerb"),
            *("StartCallRecordingApi", "StartConferenceRecording"),
        ),
    ),
    ("status", "string", "stopped", ("paused", "in-progress", "stopped")),
    ("error_code", "string", None, ()),
    (
        "uri",
        "string",
        (
            "/api/laml/2010-04-01/Accounts/720796a0-8ee9-4350-83bd-2d07a3121f1e/Calls"
            "/058a869c-d387-4bef-8e62-6b0bc0895bed/Recordings/19e436af-5688-4307-b03b-bdb2b42b8142.json"
        ),
        (),
    ),
    (
        "subresource_uris",
        "object",
        {
            "transcriptions": "/api/laml/2010-04-01/Accounts/720796a0-8ee9-4350-83bd-2d07a3121f1e/Recordings/"
            "19e436af-5688-4307-b03b-bdb2b42b8142/Transcriptions.json"
        },
        (),
    ),
)
"""Seed 002, "Schema": key, type, example, possible values. Its dates are RFC 2822, in which September is Sep."""

LAML_MORE = ("start_time",)
"""What SignalWire's own client reads beside the seed's keys."""

LAML_NULL = {"conference_sid", "end_time", "price", "duration", "error_code", "start_time"}
"""What is null while it is not known, or never is: a seed's type says what it is once it is there."""

TWILIO_OF_CALL: tuple[tuple[str, str, bool], ...] = (
    # key, type, nullable: api.v2010.account.call.recording
    ("account_sid", "AC", False),
    ("api_version", "string", False),
    ("call_sid", "CA", False),
    ("conference_sid", "string", True),
    ("date_created", "date", False),
    ("date_updated", "date", False),
    ("start_time", "date", True),
    ("duration", "string", True),
    ("sid", "RE", False),
    ("price", "string", True),
    ("uri", "string", False),
    ("encryption_details", "object", True),
    ("price_unit", "string", True),
    ("status", "string", False),
    ("channels", "integer", False),
    ("source", "string", False),
    ("error_code", "integer", True),
    ("track", "string", False),
)
TWILIO_OF_ACCOUNT: tuple[tuple[str, str, bool], ...] = (
    # api.v2010.account.recording
    *(row for row in TWILIO_OF_CALL if row[0] != "track"),
    ("subresource_uris", "object", False),
    ("media_url", "string", False),
)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _sid(prefix: str, value: Any) -> bool:
    return _text(value) and re.fullmatch(prefix + "[0-9a-f]{32}", value) is not None


KINDS: Mapping[str, Callable[[Any], bool]] = {
    "uuid": lambda value: _text(value) and UUID.fullmatch(value) is not None,
    "string": _text,
    "integer": lambda value: type(value) is int,
    "object": lambda value: isinstance(value, dict),
    "date": lambda value: _text(value) and RFC_2822.fullmatch(value) is not None,
    **{prefix: partial(_sid, prefix) for prefix in ("AC", "CA", "RE")},
}


def wrong_laml(shown: Mapping[str, Any]) -> list[str]:
    """What in a LaML recording is not as the seed's rows say."""
    found = [f"{key}: missing" for key, *_ in LAML_SCHEMA if key not in shown]
    known = {key for key, *_ in LAML_SCHEMA} | set(LAML_MORE)
    found += [f"{key}: unknown" for key in shown if key not in known]
    for key, kind, example, possible in LAML_SCHEMA:
        value = shown.get(key)
        if value is None and key in LAML_NULL:
            continue
        if not KINDS[kind](value):
            found.append(f"{key}: {value!r} is no {kind}")
        if isinstance(example, str) and example.endswith("+0000") and not KINDS["date"](value):
            found.append(f"{key}: {value!r} is no date as {example!r}")
        if possible and key != "status" and value not in possible:
            found.append(f"{key}: {value!r} is none of {possible}")
        if isinstance(example, dict) and set(example) != set(value or {}):
            found.append(f"{key}: {value!r} has other keys than {example!r}")
    return found


def wrong_twilio(shown: Mapping[str, Any], rows: tuple[tuple[str, str, bool], ...]) -> list[str]:
    """What in a Twilio recording is not as the rows say."""
    found = [f"{key}: missing" for key, *_ in rows if key not in shown]
    found += [f"{key}: unknown" for key in shown if key not in {row[0] for row in rows}]
    for key, kind, nullable in rows:
        value = shown.get(key)
        if not (nullable and value is None) and not KINDS[kind](value):
            found.append(f"{key}: {value!r} is no {kind}")
    return found
