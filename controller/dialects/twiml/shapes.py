"""A recording, and a page of them, as the Recordings REST API shows it to an account.

Twilio's keys are those of its API 2010-04-01, which differ on the call and on the account (spec
twiml_laml_plivo 1.5); LaML's are those of seed 002, with ``start_time``, which SignalWire's own client reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from controller.dialects.twiml import sids
from controller.dialects.twiml.formats import rfc2822
from controller.dialects.twiml.render import (
    LAML_SOURCES,
    SILENT,
    SYSTEM_ERROR,
    TOO_SHORT,
    channels,
    recording_url,
)
from controller.dialects.twiml.rest import LAML, TWILIO, Listing, Vendor, vendor_of
from controller.documents.dialect import Account
from controller.documents.forms import whole_seconds
from controller.recordings.model import Absence, Recording, State

VERSION = "2010-04-01"
STATUS: dict[str, dict[State, str]] = {
    TWILIO.name: {
        State.REQUESTED: "in-progress",
        State.RECORDING: "in-progress",
        State.PAUSED: "paused",
        State.STOPPING: "stopped",
        State.PROCESSING: "processing",
        State.COMPLETED: "completed",
        State.NO_INPUT: "completed",
        State.ABSENT: "absent",
        State.FAILED: "absent",
    },
    LAML.name: {
        State.REQUESTED: "in-progress",
        State.RECORDING: "in-progress",
        State.PAUSED: "paused",
        State.STOPPING: "stopped",
        State.PROCESSING: "stopped",
        State.COMPLETED: "stopped",
        State.NO_INPUT: "stopped",
        State.ABSENT: "absent",
        State.FAILED: "absent",
    },
}
"""Status words by vendor (DESIGN section 9)."""

_OTHERS = {"swml.record": "RecordVerb", "swml.record_call": TWILIO.source, "calling.record": TWILIO.source}
"""What started a recording of SWML's, in the nearest word that the API has."""


def recording_uri(recording: Recording, account: Account, *, of_call: bool) -> str:
    """Return the resource's own path: on the call, or on the account."""
    call = f"/Calls/{sids.call_sid(account.vendor, recording.owner.call)}" if of_call else ""
    return f"{_root(account)}{call}/Recordings/{sids.recording_sid(account.vendor, recording.id)}"


def shape(recording: Recording, account: Account, public_url: str, *, of_call: bool) -> dict[str, Any]:
    """Return a recording's JSON; ``of_call`` says that it was asked for on its call."""
    vendor = vendor_of(account)
    price = _price(recording, account)
    shared = {
        "account_sid": account.identity,
        "api_version": VERSION,
        "call_sid": sids.call_sid(account.vendor, recording.owner.call),
        "conference_sid": None,
        "channels": channels(recording),
        "date_created": _date(recording.requested_at),
        "date_updated": _date(_updated(recording)),
        "start_time": _date(recording.started_at),
        "price": price,
        "duration": duration(recording),
        "sid": sids.recording_sid(account.vendor, recording.id),
        "source": source(recording, vendor),
        "status": status(recording, vendor),
    }
    code = error_code(recording)
    if vendor is LAML:
        return {
            **shared,
            "end_time": _date(recording.ended_at),
            "price_unit": "USD",
            "error_code": None if code is None else str(code),
            "uri": f"{recording_uri(recording, account, of_call=True)}.json",
            "subresource_uris": {
                "transcriptions": f"{recording_uri(recording, account, of_call=False)}/Transcriptions.json"
            },
        }
    uri = recording_uri(recording, account, of_call=of_call)
    twilio = {
        **shared,
        "price_unit": None if price is None else "USD",
        "error_code": code,
        "encryption_details": None,
        "uri": f"{uri}.json",
    }
    if of_call:
        return {**twilio, "track": recording.request.track.value}
    return {
        **twilio,
        "media_url": recording_url(public_url, account, recording),
        "subresource_uris": {
            "add_on_results": f"{uri}/AddOnResults.json",
            "transcriptions": f"{uri}/Transcriptions.json",
        },
    }


def page(
    recordings: Sequence[dict[str, Any]], account: Account, path: str, asked: Listing, *, more: bool, earlier: bool
) -> dict[str, Any]:
    """Return a page; ``path`` is the list's, after the account's, and ``more`` and ``earlier`` say what is around it.

    There are no keys but the documented ones: Twilio's clients take a second one that they don't know for a fault.
    """
    root = f"{_root(account)}{path}.json"

    def uri(number: int, token: str = "") -> str:
        query = [*asked.filters, ("PageSize", str(asked.size)), ("Page", str(number))]
        return f"{root}?{urlencode([*query, ('PageToken', token)] if token else query)}"

    first = asked.page * asked.size
    bounds = {"start": first, "end": first + max(0, len(recordings) - 1)}
    return {
        **(bounds if vendor_of(account) is TWILIO else {}),
        "uri": uri(asked.page, asked.token),
        "first_page_uri": uri(0),
        "next_page_uri": uri(asked.page + 1, f"PA{recordings[-1]['sid']}") if more and recordings else None,
        "previous_page_uri": (
            uri(max(0, asked.page - 1), f"PB{recordings[0]['sid']}") if earlier and recordings else None
        ),
        "page": asked.page,
        "page_size": asked.size,
        "recordings": list(recordings),
    }


def status(recording: Recording, vendor: Vendor) -> str:
    """Return the status in the vendor's word."""
    if recording.deleted_at is not None:
        return "deleted"
    return STATUS[vendor.name][State.ABSENT if absent(recording) else recording.state]


def absent(recording: Recording) -> bool:
    """Tell whether there is nothing in it, for whatever reason: without speech and trimmed to nothing is one."""
    if recording.state is State.NO_INPUT:
        return recording.measured is None or not recording.measured.duration
    return recording.state in {State.ABSENT, State.FAILED}


def source(recording: Recording, vendor: Vendor) -> str:
    """Return what started it in the vendor's word."""
    word = _OTHERS.get(recording.request.source, recording.request.source)
    return LAML_SOURCES.get(word, word) if vendor is LAML else word


def duration(recording: Recording) -> str | None:
    """Return the length in whole seconds, once it is known: an absent one has none, however little was heard."""
    if absent(recording):
        return "0"
    return None if recording.measured is None else str(whole_seconds(recording.measured.duration))


def error_code(recording: Recording) -> int | None:
    """Return why a recording is absent, None for any other."""
    if not absent(recording):
        return None
    if recording.state is State.FAILED:
        return SYSTEM_ERROR
    return SILENT if recording.absence is Absence.SILENT else TOO_SHORT


def _price(recording: Recording, account: Account) -> str | None:
    """Return what it costs, a minute begun being a minute; None while it is not known, and of what is absent."""
    if recording.measured is None or not recording.state.final or absent(recording):
        return None
    minutes = math.ceil(recording.measured.duration / 60)
    return f"{-account.price_per_minute * minutes:.4f}" if account.price_per_minute and minutes else "0.0"


def _updated(recording: Recording) -> float:
    times = [recording.started_at, recording.ended_at, recording.finished_at, recording.deleted_at]
    times += [moment for pause in recording.pauses for moment in (pause.start, pause.end)]
    return max([recording.requested_at, *(moment for moment in times if moment is not None)])


def _date(moment: float | None) -> str | None:
    return None if moment is None else rfc2822(moment)


def _root(account: Account) -> str:
    return f"{vendor_of(account).base}/Accounts/{account.identity}"
