"""What requests of the Recordings REST API ask for, and what is wrong with them (Twilio's API 2010-04-01; seed 002).

Twilio and SignalWire's LaML share paths, parameters and codes; their defaults differ, and belong to the account.
Pure: parameters in, what is asked out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from controller.dialects.twiml import sids
from controller.documents.dialect import Account
from controller.documents.urls import MAX_URL, BadUrl, resolve
from controller.recordings.model import Channels, PauseBehavior, RecordingRequest, StatusTarget, Track

Parameters = Mapping[str, Sequence[str]]
"""A body or a query: each name's values in their order."""

EVENTS = ("in-progress", "completed", "absent")
LARGEST_PAGE = 1000
PAGE = 50
ANY_NUMBER = 999_999_999
"""What a number of a query may be: of nine digits."""
STATUSES = ("paused", "in-progress", "stopped")
"""What an update may make of a recording."""
TRIMS = CUT, KEPT = "trim-silence", "do-not-trim"
CURRENT = "Twilio.CURRENT"
"""In place of a recording's sid: the only one that runs on the call."""

NOT_FOUND, AUTHENTICATE, MISSING, INVALID = 20404, 20003, 20001, 20001
METHOD_NOT_ALLOWED, UNFINISHED, BUSY, AWAY = 20004, 20009, 20429, 20503
NOT_IN_PROGRESS, WRONG_STATE, BAD_EVENT, BAD_TRIM = 21220, 16114, 13621, 13699
BAD_METHOD, BAD_URL, BAD_PAGE_TOKEN, BAD_PAGE_SIZE = 21209, 21402, 21481, 54454
"""Twilio's codes, and those that SignalWire's list of errors adds (spec twiml_laml_plivo 1.5, swml 5.2)."""

_BETWEEN = re.compile(r"[\s,]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


class RestError(Exception):
    """A request that is answered with an error; ``body`` is Twilio's shape of it, ``headers`` go with it."""

    def __init__(self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}

    def body(self, vendor: Vendor) -> dict[str, Any]:
        """Return the error as the vendor writes it."""
        return {
            "code": self.code,
            "message": str(self),
            "more_info": vendor.more_info.format(code=self.code),
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Vendor:
    """What the account decides: ``base`` of paths, defaults of a create and its status, the names of sources."""

    name: str
    base: str
    created: int
    trim: bool
    source: str
    more_info: str


TWILIO = Vendor(
    "twilio", "/2010-04-01", 201, False, "StartCallRecordingAPI", "https://www.twilio.com/docs/errors/{code}"
)
LAML = Vendor(
    "signalwire",
    "/api/laml/2010-04-01",
    200,
    True,
    "StartCallRecordingApi",
    "https://signalwire.com/docs/compatibility-api/reference/errors",
)
VENDORS = {vendor.name: vendor for vendor in (TWILIO, LAML)}


def vendor_of(account: Account) -> Vendor:
    """Return the account's vendor. Raises KeyError for one without this API."""
    return VENDORS[account.vendor]


# --- create and update ---------------------------------------------------------------------------------------------


def creation(parameters: Parameters, account: Account, reference: str) -> RecordingRequest:
    """Return the recording that a create asks for. Raises RestError."""
    vendor = vendor_of(account)
    if one(parameters, "RecordingConfigurationId"):
        raise RestError(400, INVALID, "RecordingConfigurationId is not supported: there are no configurations here")
    track = _word(parameters, "RecordingTrack", tuple(Track), Track.BOTH)
    channels = _word(parameters, "RecordingChannels", tuple(Channels), Channels.MONO)
    trim = _word(parameters, "Trim", TRIMS, CUT if vendor.trim else KEPT, BAD_TRIM)
    return RecordingRequest(
        channels=Channels(channels),
        track=Track(track),
        format="wav",
        reference=reference,
        source=vendor.source,
        trim=trim == CUT,
        status=_status(parameters),
        absent_below=account.absent_below,
        absent_when_silent=account.absent_when_silent,
    )


def _status(parameters: Parameters) -> StatusTarget | None:
    method = (one(parameters, "RecordingStatusCallbackMethod") or "POST").upper()
    if method not in {"GET", "POST"}:
        raise RestError(400, BAD_METHOD, "RecordingStatusCallbackMethod must be GET or POST")
    names = "RecordingStatusCallbackEvent"
    given = [word for value in parameters.get(names, ()) for word in _BETWEEN.split(value) if word]
    for word in given:
        if word not in EVENTS:
            raise RestError(400, BAD_EVENT, f"{names} must be of {', '.join(EVENTS)}; got {word[:64]!r}")
    url = one(parameters, "RecordingStatusCallback")
    if not url:
        return None
    try:
        url = resolve("", url)
    except BadUrl:
        right = f"an absolute http or https URL of at most {MAX_URL} characters"
        raise RestError(400, BAD_URL, f"RecordingStatusCallback must be {right}") from None
    return StatusTarget(url, method, tuple(dict.fromkeys(given)) or ("completed",))


@dataclass(frozen=True, slots=True)
class Update:
    """``status`` is paused, in-progress or stopped; ``behavior`` means something to the first alone."""

    status: str
    behavior: PauseBehavior


def update(parameters: Parameters) -> Update:
    """Return what an update asks for. Raises RestError."""
    if not one(parameters, "Status"):
        raise RestError(400, MISSING, "Missing required parameter Status in the post body")
    status = _word(parameters, "Status", STATUSES, "")
    behavior = _word(parameters, "PauseBehavior", tuple(PauseBehavior), PauseBehavior.SILENCE)
    return Update(status, PauseBehavior(behavior))


def one(parameters: Parameters, name: str) -> str | None:
    """Return a parameter's value, the last where it was given several times."""
    values = parameters.get(name)
    return values[-1] if values else None


def flag(parameters: Parameters, name: str) -> bool:
    """Return whether a parameter says true. Raises RestError for what says neither."""
    return _word(parameters, name, ("true", "false"), "false", INVALID, fold=True) == "true"


def _word(
    parameters: Parameters,
    name: str,
    allowed: Sequence[str],
    default: str,
    code: int = INVALID,
    *,
    fold: bool = False,
) -> str:
    value = one(parameters, name)
    if not value:
        return default
    value = value.lower() if fold else value
    if value not in tuple(allowed):
        raise RestError(400, code, f"{name} must be one of {', '.join(allowed)}; got {value[:64]!r}")
    return value


def wanted_channels(parameters: Parameters) -> int | None:
    """Return the channels that a download asks for, None for those of the file. Raises RestError."""
    value = _word(parameters, "RequestedChannels", ("1", "2"), "")
    return int(value) if value else None


# --- lists ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listing:
    """Which recordings a list asks for.

    ``call`` is our id, ``since`` and ``until`` are Unix seconds, both included. ``cursor`` is the recording's id that
    ``token`` names: the page begins after it, or with ``backwards`` ends before it. ``nothing``: none can fit.
    ``filters`` are what was asked.
    """

    filters: tuple[tuple[str, str], ...]
    call: str | None = None
    since: float | None = None
    until: float | None = None
    page: int = 0
    size: int = PAGE
    token: str = ""
    cursor: str | None = None
    backwards: bool = False
    deleted: bool = False
    nothing: bool = False


_FILTERS = ("DateCreated", "DateCreated<", "DateCreated>", "CallSid", "ConferenceSid", "IncludeSoftDeleted")


def listing(parameters: Parameters, account: Account) -> Listing:
    """Return what a list asks for. Raises RestError."""
    filters = tuple((name, value) for name in _FILTERS if (value := one(parameters, name)))
    token = one(parameters, "PageToken")
    page = _number(parameters, "Page", 0, 0, INVALID)
    if page and not token:
        raise RestError(400, BAD_PAGE_TOKEN, "PageToken is missing; follow next_page_uri instead of counting pages")
    call = one(parameters, "CallSid")
    since, until = _times(parameters)
    return Listing(
        filters=filters,
        call=None if not call else sids.call_of(account.vendor, call),
        since=since,
        until=until,
        page=page,
        size=min(LARGEST_PAGE, _number(parameters, "PageSize", PAGE, 1, BAD_PAGE_SIZE)),
        token=token or "",
        cursor=_cursor(token, account) if token else None,
        backwards=bool(token) and str(token).startswith("PB"),
        deleted=flag(parameters, "IncludeSoftDeleted") and account.vendor == TWILIO.name,
        nothing=bool(one(parameters, "ConferenceSid") or (call and sids.call_of(account.vendor, call) is None)),
    )


def _cursor(token: str, account: Account) -> str:
    found = sids.recording_of(account.vendor, token[2:]) if token[:2] in {"PA", "PB"} else None
    if found is None:
        raise RestError(400, BAD_PAGE_TOKEN, "PageToken is none that was given out; follow next_page_uri")
    return found


def _number(parameters: Parameters, name: str, default: int, least: int, code: int) -> int:
    value = one(parameters, name)
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < least:
        raise RestError(400, code, f"{name} must be a whole number from {least} to {ANY_NUMBER}; got {value[:64]!r}")
    return int(value)


def _times(parameters: Parameters) -> tuple[float | None, float | None]:
    """Return the bounds: a bare date is its whole day; before (<) and after (>) include the moment itself."""
    since: list[float] = []
    until: list[float] = []
    if value := one(parameters, "DateCreated"):
        moment, length = _moment("DateCreated", value)
        since.append(moment)
        until.append(moment + length - 1e-6)
    if value := one(parameters, "DateCreated>"):
        since.append(_moment("DateCreated>", value)[0])
    if value := one(parameters, "DateCreated<"):
        until.append(_moment("DateCreated<", value)[0])
    return max(since, default=None), min(until, default=None)


def _moment(name: str, value: str) -> tuple[float, float]:
    """Return a time in Unix seconds, and how many it lasts as it is written. Raises RestError."""
    text = value.strip()[:64]
    try:
        if _DATE.match(text):
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
            return day.timestamp(), timedelta(days=1).total_seconds()
        found = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        raise RestError(
            400, INVALID, f"{name} must be a date as 2026-11-20, or a time in ISO 8601 or RFC 2822; got {text!r}"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp(), 1.0
