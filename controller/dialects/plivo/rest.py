"""What requests of Plivo's REST API ask for, and what is wrong with them (spec twiml_laml_plivo 3.5, 5.3).

Pure: parameters in, what is asked out. Unknown parameters are left alone, as Plivo does: its clients send what is in
the path in the body, too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controller.dialects.plivo.sources import API
from controller.dialects.plivo.urls import recording_of
from controller.documents.attributes import either, quoted
from controller.documents.dialect import Account
from controller.documents.urls import MAX_URL, BadUrl, resolve
from controller.recordings.model import Channels, RecordingRequest, StatusTarget, Track, TranscriptionWish

Parameters = Mapping[str, Sequence[str]]
"""A body or a query: each name's values in their order."""

FORMATS = ("mp3", "wav")
TIME_LIMIT, LONGEST = 60, 86_400
"""Seconds: of a recording that says nothing, and the longest: clients write more, and mean for ever."""
TRANSCRIPTIONS = ("auto", "hybrid")
"""The second is the first, since 2020."""
LARGEST_PAGE = 20
DAY = 86_400.0

ANY_NUMBER = 999_999_999
CHANNELS = {"mono": Channels.MONO, "stereo": Channels.DUAL}
_WHOLE = re.compile(r"[0-9]{1,9}\Z")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_CURSOR = re.compile(r"([0-9]{1,9})-([0-9a-f-]{36})\Z")
NOWHERE = ("subaccount", "conference_name", "conference_uuid", "mpc_name", "mpc_uuid")
"""Filters that no recording fits: there are neither conferences nor subaccounts here."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TOLD_APART = 10**15, 253 * 10**15
"""Microseconds, from 2001 to 9987, between which one is told from the next: no recording is beyond."""


class RestError(Exception):
    """A request that is answered with an error: HTTP's status, the text that clients show, further headers."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


# --- a call's recordings -------------------------------------------------------------------------------------------


def creation(parameters: Parameters, account: Account, api_id: str) -> RecordingRequest:
    """Return the recording that ``POST Call/{uuid}/Record/`` asks for. Raises RestError.

    It bears the id of its request, which its callback tells again. Plivo's page of this request has mono for its
    default, other than ``<Record>``'s.
    """
    form = _choice(parameters, "file_format", FORMATS, FORMATS[0])
    channels = _choice(parameters, "record_channel_type", tuple(CHANNELS), "mono")
    return RecordingRequest(
        channels=CHANNELS[channels],
        track=Track.BOTH,
        format=form,
        reference=api_id,
        source=API,
        max_length=float(min(LONGEST, _number(parameters, "time_limit", TIME_LIMIT, 1, ANY_NUMBER))),
        status=_target(parameters, ("callback_url",), "callback_method"),
        absent_below=account.absent_below,
        absent_when_silent=account.absent_when_silent,
        transcription=_transcription(parameters),
    )


def _transcription(parameters: Parameters) -> TranscriptionWish | None:
    kind = _choice(parameters, "transcription_type", TRANSCRIPTIONS, "")
    target = _target(parameters, ("transcription_url",), "transcription_method")
    return TranscriptionWish(target) if kind or target is not None else None


def stopped(parameters: Parameters, public_url: str) -> str | None:
    """Return which recording ``DELETE Call/{uuid}/Record/`` stops, None for all of the call. Raises RestError."""
    url = one(parameters, "URL") or one(parameters, "url")
    if not url:
        return None
    found = recording_of(public_url, url)
    if found is None:
        raise RestError(404, f"URL is of no recording: {quoted(url)}")
    return found


# --- recordings ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listing:
    """Which recordings a list asks for.

    ``cursor`` is the id of the recording behind which the page begins, instead of at ``offset``. ``since`` and
    ``until`` bound when they were added, in Unix seconds, both included. ``callers`` and ``callees`` are spellings of
    a number. ``nothing``: none can fit. ``filters`` are what was asked.
    """

    filters: tuple[tuple[str, str], ...] = ()
    limit: int = LARGEST_PAGE
    offset: int = 0
    cursor: str | None = None
    call: str | None = None
    since: float | None = None
    until: float | None = None
    callers: tuple[str, ...] = ()
    callees: tuple[str, ...] = ()
    nothing: bool = False


COMPARISONS = ("", "__gt", "__gte", "__lt", "__lte")
_FILTERS = (
    "call_uuid",
    "from_number",
    "to_number",
    *(f"{name}{how}" for name in ("add_time", "recording_storage_duration") for how in COMPARISONS),
    *NOWHERE,
)


def listing(parameters: Parameters, now: float) -> Listing:
    """Return what a list asks for at ``now`` (Unix seconds). Raises RestError."""
    filters = tuple((name, value) for name in _FILTERS if (value := one(parameters, name)))
    since, until = _bounds(parameters, now)
    call = one(parameters, "call_uuid")
    offset, cursor = _number(parameters, "offset", 0, 0, ANY_NUMBER), None
    if written := one(parameters, "cursor"):
        matched = _CURSOR.match(written)
        if matched is None:
            raise RestError(400, f"cursor is none that was given out: {quoted(written)}; follow meta.next")
        offset, cursor = int(matched[1]), matched[2]
    return Listing(
        filters=filters,
        limit=_number(parameters, "limit", LARGEST_PAGE, 1, LARGEST_PAGE),
        offset=offset,
        cursor=cursor,
        call=identity(call) if call else None,
        since=since,
        until=until,
        callers=_spellings(one(parameters, "from_number")),
        callees=_spellings(one(parameters, "to_number")),
        nothing=any(one(parameters, name) for name in NOWHERE) or bool(call and identity(call) is None),
    )


def cursor(offset: int, recording: str) -> str:
    """Return what ``listing`` reads a place from: behind that recording, the ``offset`` before it."""
    return f"{offset}-{recording}"


def identity(written: str) -> str | None:
    """Return our id of a call or recording that a client names, None where it is no such id."""
    lower = written.lower()
    return lower if _ID.match(lower) else None


def _spellings(number: str | None) -> tuple[str, ...]:
    """Return how a number may stand in a recording: with or without the ``+``, as Plivo finds it."""
    if not number:
        return ()
    bare = number.removeprefix("+")
    return (bare, f"+{bare}") if bare.isdecimal() else (number,)


def _bounds(parameters: Parameters, now: float) -> tuple[float | None, float | None]:
    since: list[float] = []
    until: list[float] = []
    for how in COMPARISONS:
        if value := one(parameters, f"add_time{how}"):
            moment = _moment(f"add_time{how}", value)
            if how in {"", "__gt", "__gte"}:
                since.append(_first(moment + (how == "__gt")))
            if how in {"", "__lt", "__lte"}:
                until.append(math.nextafter(_first(moment + (how != "__lt")), -math.inf))
        name = f"recording_storage_duration{how}"
        if one(parameters, name):  # day 1 is the first 24 hours
            days = _number(parameters, name, 0, 0, 10**6) + {"__gt": 1, "__lt": -1}.get(how, 0)
            if how in {"", "__gt", "__gte"}:
                until.append(now - max(0, days - 1) * DAY)
            if how in {"", "__lt", "__lte"}:
                since.append(math.nextafter(now - max(0, days) * DAY, math.inf))
    return max(since, default=None), min(until, default=None)


def _moment(name: str, value: str) -> int:
    """Return a time in microseconds since the epoch. Raises RestError."""
    try:
        found = datetime.fromisoformat(value.strip()[:64])
        microseconds = ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise RestError(
            400, f"{name} must be a time as 2026-11-20 09:30[:15[.250000]], in UTC; got {quoted(value)}"
        ) from None
    return min(max(microseconds, _TOLD_APART[0]), _TOLD_APART[1])


def _first(microseconds: int) -> float:
    """Return the first of the times (Unix seconds) that are written with these microseconds, or with more."""
    moment = (microseconds - 1) / 1e6
    while (datetime.fromtimestamp(moment, UTC) - _EPOCH) // _MICROSECOND < microseconds:
        moment = math.nextafter(moment, math.inf)
    return moment


# --- transcriptions ------------------------------------------------------------------------------------------------


def transcription(parameters: Parameters) -> StatusTarget | None:
    """Return who is told a transcription that ``POST Transcription/{id}/`` asks for. Raises RestError.

    Plivo's clients call its URL ``transcription_callback_url``.
    """
    _choice(parameters, "type", TRANSCRIPTIONS, "auto")
    names = ("transcription_url", "transcription_callback_url")
    return _target(parameters, names, "transcription_method", "method")


# --- values --------------------------------------------------------------------------------------------------------


def one(parameters: Parameters, name: str) -> str | None:
    """Return a parameter's value, the last where it was given several times."""
    values = parameters.get(name)
    return values[-1] if values else None


def _target(parameters: Parameters, names: Sequence[str], *methods: str) -> StatusTarget | None:
    method = "POST"
    for name in methods:
        method = _choice(parameters, name, ("GET", "POST"), method)
    name, url = next(((name, url) for name in names if (url := one(parameters, name))), ("", ""))
    if not url:
        return None
    try:
        return StatusTarget(resolve("", url), method)
    except BadUrl:
        right = f"an absolute http or https URL of at most {MAX_URL} characters"
        raise RestError(400, f"{name} must be {right}; got {quoted(url)}") from None


def _choice(parameters: Parameters, name: str, allowed: Sequence[str], default: str) -> str:
    value = one(parameters, name)
    if not value:
        return default
    found = next((word for word in allowed if word.lower() == value.strip().lower()), None)
    if found is None:
        raise RestError(400, f"{name} must be {either(allowed)}; got {quoted(value)}")
    return found


def _number(parameters: Parameters, name: str, default: int, least: int, most: int) -> int:
    value = one(parameters, name)
    if not value:
        return default
    if not _WHOLE.match(value) or not least <= int(value) <= most:
        raise RestError(400, f"{name} must be a whole number from {least} to {most}; got {quoted(value)}")
    return int(value)
