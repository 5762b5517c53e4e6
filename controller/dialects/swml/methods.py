"""SWML's methods and their properties: the one table that says what exists, what it may be, and what runs today.

Read a row as: the property, its type and default, its constraint, whether `${…}` may stand for it (SWML's
``SWMLVar``), how far this version serves it, and the reference's own words for it. ``values`` judges a document by
these rows and fills in their defaults; no other file than these tables (this one, and the ``rows_…`` that it puts
together) holds a default or a limit.
"""

from __future__ import annotations

from controller.dialects.swml.rows import Kind, Method, Property, Served
from controller.dialects.swml.rows_connect import CONNECT
from controller.dialects.swml.rows_flow import FLOW
from controller.dialects.swml.rows_media import MEDIA
from controller.dialects.swml.rows_recording import RECORDING

LONGEST_SLEEP = 2_147_483_647
"""Milliseconds: 24 days, the largest 32-bit number."""

LONGEST_CALL = 86_400
"""Seconds that a `max_duration` may be: a day, as for recordings."""

LONGEST_REQUEST = 600.0
USUAL_REQUEST = 15
"""Seconds of a request that names none: the reference has no limit then, but the caller hears nothing meanwhile."""
"""Seconds that a `request` may take: the reference's 0, no limit, means this one."""

_ANSWER = Method(
    "answer",
    (
        Property(
            "max_duration",
            Kind.INTEGER,
            "Maximum duration in seconds for the call.",
            default=14400,
            unit="seconds",
            above=0,
            at_most=LONGEST_CALL,
            variable=True,
        ),
        Property(
            "codecs",
            Kind.TEXT,
            "Comma-separated string of codecs to offer.",
            served=Served.NOT_YET,
        ),
        Property("username", Kind.TEXT, "Username to use for SIP authentication.", served=Served.NOT_YET),
        Property("password", Kind.TEXT, "Password to use for SIP authentication.", served=Served.NOT_YET),
    ),
)

_HANGUP = Method(
    "hangup",
    (
        Property(
            "reason",
            Kind.TEXT,
            "The reason for hanging up the call.",
            default="hangup",
            choices=("hangup", "busy", "decline"),
        ),
    ),
)

_DURATION = Property(
    "duration",
    Kind.INTEGER,
    "The amount of time to sleep in milliseconds. Must be a positive number. Can also be set to a `-1` integer for "
    "the sleep to never end.",
    unit="milliseconds, or -1 for ever",
    at_least=-1,
    at_most=LONGEST_SLEEP,
    required=True,
    variable=True,
)

_SLEEP = Method("sleep", (_DURATION,), bare=_DURATION)


def _seconds(name: str, row: str, nought: str) -> Property:
    return Property(
        name,
        Kind.NUMBER,
        row,
        default=0.0,
        unit=f"seconds, 0 for {nought}",
        at_least=0.0,
        at_most=LONGEST_REQUEST,
        variable=True,
    )


_REQUEST = Method(
    "request",
    (
        Property(
            "url",
            Kind.URL,
            "URL to send the HTTPS request to. Authentication can also be set in the url in the format of "
            "`username:password@url`.",
            required=True,
        ),
        Property(
            "method",
            Kind.TEXT,
            "Request type. `GET`|`POST`|`PUT`|`DELETE`",
            choices=("GET", "POST", "PUT", "DELETE"),
            required=True,
        ),
        Property(
            "headers",
            Kind.HEADERS,
            "Object containing HTTP headers to set. Valid header values are `Accept`, `Authorization`, "
            "`Content-Type`, `Range`, and custom `X-` headers",
        ),
        Property(
            "body",
            Kind.BODY,
            "Request body. `Content-Type` header should be explicitly set, but if not set, the most likely type will "
            "be set based on the first non-whitespace character.",
        ),
        _seconds(
            "connect_timeout",
            "Maximum time in seconds to wait for a connection. Default is `0` (no timeout).",
            "timeout",
        ),
        _seconds(
            "timeout",
            "Maximum time in seconds to wait for a response. Default is `0` (no timeout).",
            f"{USUAL_REQUEST}",
        ),
        Property(
            "save_variables",
            Kind.BOOLEAN,
            "Store parsed JSON response as variables",
            default=False,
            variable=True,
        ),
    ),
)

METHODS = {method.name: method for method in (_ANSWER, _HANGUP, _SLEEP, *RECORDING, *MEDIA, CONNECT, _REQUEST, *FLOW)}
"""The methods that run."""

DOCUMENTED = METHODS.keys() | {
    *("ai", "ai_sidecar", "amazon_bedrock", "denoise", "detect_machine", "enter_queue"),
    *("join_conference", "join_room", "live_transcribe", "live_translate", "pay", "receive_fax"),
    *("send_fax", "send_sms", "sip_refer", "stop_denoise", "stop_stream", "stop_tap", "stream", "tap"),
    *("transcribe", "transcribe_stop", "user_event"),
}
"""Every calling method of the SWML reference, so that a refusal can tell what is unknown from what is not served."""
