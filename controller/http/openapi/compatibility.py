"""The Recordings REST API as Twilio's applications use it, and SignalWire's of LaML (``http.recordings``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from controller.dialects.twiml import rest, shapes
from controller.dialects.twiml.rest import LAML, TWILIO, Vendor
from controller.http.openapi.parts import (
    FORM,
    JSON,
    UUID,
    Answer,
    Operation,
    Schema,
    date,
    errors,
    form,
    json_answer,
    listing,
    null,
    nullable,
    query,
    ref,
    segment,
    struct,
    text,
    url,
    uuid,
    whole,
    word,
)
from controller.http.openapi.service import PRECONDITIONS, media
from controller.http.recordings import TYPES
from controller.recordings.model import Channels, PauseBehavior, Track

TAGS = {TWILIO.name: "Twilio", LAML.name: "LaML"}
SECURITY = {
    "twilio": "Of an account of Twilio's: its AC… and its auth token.",
    "laml": "Of an account of SignalWire's: its project id and its API token.",
}
_SCHEMES = {TWILIO.name: "twilio", LAML.name: "laml"}
_HEX = "[0-9a-f]{32}"

_CREATION = {
    "RecordingStatusCallback": url("Who is told."),
    "RecordingStatusCallbackMethod": word("How.", ("GET", "POST"), "POST"),
    "RecordingStatusCallbackEvent": text(
        f"Of what: {', '.join(rest.EVENTS)}, with blanks or commas between them; completed where none is named.",
        pattern=f"^({'|'.join(rest.EVENTS)})([ ,]+({'|'.join(rest.EVENTS)}))*$",
    ),
    "RecordingChannels": word("One channel for both parties, or one each.", Channels, Channels.MONO),
    "RecordingTrack": word("Whose voice: what the party says, what it hears, or both.", Track, Track.BOTH),
    "Trim": word("Whether silence at the ends is cut off.", rest.TRIMS),
}
_UPDATE = {
    "Status": word("What it is to become.", rest.STATUSES),
    "PauseBehavior": word("Whether paused time is kept as silence.", PauseBehavior, PauseBehavior.SILENCE),
}


def _sid(vendor: Vendor, prefix: str) -> Schema:
    if vendor is LAML:
        return uuid()
    return text("", pattern=f"^{prefix}{_HEX}$")


def _recording(vendor: Vendor, *, of_call: bool) -> Schema:
    """Describe what ``shapes.shape`` makes."""
    words = sorted({*shapes.STATUS[vendor.name].values(), "deleted"})
    shared = {
        "account_sid": text(),
        "api_version": word("", (shapes.VERSION,)),
        "call_sid": _sid(vendor, "CA"),
        "conference_sid": null("There are no conferences."),
        "channels": whole("", 1, 2),
        "date_created": date("RFC 2822."),
        "date_updated": date("RFC 2822."),
        "start_time": nullable(date("RFC 2822; null before it has begun.")),
        "price": nullable(text("Null until it is complete.")),
        "duration": nullable(text("Whole seconds; null until it has ended.", pattern="^[0-9]+$")),
        "sid": _sid(vendor, "RE"),
        "source": text("What started it."),
        "status": word("", words),
    }
    if vendor is LAML:
        return struct(
            {
                **shared,
                "end_time": nullable(date("RFC 2822.")),
                "price_unit": text(),
                "error_code": nullable(text("Why it is absent.")),
                "uri": text(),
                "subresource_uris": struct({"transcriptions": text()}),
            }
        )
    twilio = {
        **shared,
        "price_unit": nullable(text()),
        "error_code": nullable(whole("Why it is absent.")),
        "encryption_details": null(),
        "uri": text(),
    }
    if of_call:
        return struct({**twilio, "track": word("", Track)})
    paths = struct({"add_on_results": text(), "transcriptions": text()})
    return struct({**twilio, "media_url": text("Its audio."), "subresource_uris": paths})


def _page(vendor: Vendor, recording: str) -> Schema:
    """Describe what ``shapes.page`` makes."""
    bounds = {"start": whole("", 0), "end": whole("", 0)} if vendor is TWILIO else {}
    return struct(
        {
            **bounds,
            "uri": text(),
            "first_page_uri": text(),
            "next_page_uri": nullable(text()),
            "previous_page_uri": nullable(text()),
            "page": whole("", 0),
            "page_size": whole("", 1, rest.LARGEST_PAGE),
            "recordings": listing(ref(recording)),
        }
    )


def _filters(vendor: Vendor, *, of_call: bool) -> tuple[Schema, ...]:
    words = "A date (its whole day), or a time in ISO 8601 or RFC 2822"
    day = {"pattern": r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$"}
    call = () if of_call else (query("CallSid", _sid(vendor, "CA")),)
    deleted = (query("IncludeSoftDeleted", word("Deleted ones as well.", ("true", "false"), "false")),)
    return (
        query("DateCreated", text(f"{words}: of then.", **day)),
        query("DateCreated<", text(f"{words}: until then.", **day)),
        query("DateCreated>", text(f"{words}: since then.", **day)),
        *call,
        *(deleted if vendor is TWILIO else ()),
        query("PageSize", whole("How many; more are taken for the most.", 1, rest.ANY_NUMBER, rest.PAGE)),
        query("Page", whole("The page's number, which goes with PageToken.", 0, rest.ANY_NUMBER, 0)),
        query("PageToken", text("As next_page_uri has it.", pattern="^P[AB]")),
    )


SCHEMAS: dict[str, Schema] = {
    "CompatibilityError": struct(
        {
            "code": whole("Twilio's number of it."),
            "message": text("What is wrong, and what would be right."),
            "more_info": text("Where the code is explained."),
            "status": whole("The status."),
        }
    )
}
for _vendor, _name in ((TWILIO, "Twilio"), (LAML, "Laml")):
    SCHEMAS[f"{_name}Recording"] = _recording(_vendor, of_call=False)
    SCHEMAS[f"{_name}CallRecording"] = _recording(_vendor, of_call=True)
    SCHEMAS[f"{_name}Page"] = _page(_vendor, f"{_name}Recording")
    SCHEMAS[f"{_name}CallPage"] = _page(_vendor, f"{_name}CallRecording")


def _operations(vendor: Vendor, name: str) -> Iterator[Operation]:
    tag, scheme, lower = TAGS[vendor.name], _SCHEMES[vendor.name], _SCHEMES[vendor.name]
    account = segment("AccountSid", uuid() if vendor is LAML else text("", pattern="^AC[0-9A-Za-z]{1,64}$"))
    root = f"{vendor.base}/Accounts/{{AccountSid}}"
    call, sid = segment("CallSid", _sid(vendor, "CA")), segment("Sid", _sid(vendor, "RE"))
    current = f"^{rest.CURRENT}$|{UUID if vendor is LAML else f'^RE{_HEX}$'}"
    on_call = segment("Sid", text(f"{rest.CURRENT} is the only one that runs.", pattern=current))
    listed, of_call = f"{root}/Recordings", f"{root}/Calls/{{CallSid}}/Recordings"

    def wrong(*statuses: int) -> dict[int, Answer]:
        return errors("CompatibilityError", 400, 401, 404, 405, 429, *statuses)

    def next_steps(**given: str) -> dict[str, object]:
        return {
            f"{lower}{verb}": {"operationId": f"{lower}{verb}", "parameters": given}
            for verb in ("FetchRecording", "DeleteRecording", "FetchMedia")
        }

    one = next_steps(AccountSid="$request.path.AccountSid", Sid="$response.body#/sid")
    first = next_steps(AccountSid="$request.path.AccountSid", Sid="$response.body#/recordings/0/sid")
    of_one = {
        f"{lower}UpdateCallRecording": {
            "operationId": f"{lower}UpdateCallRecording",
            "parameters": {
                "AccountSid": "$request.path.AccountSid",
                "CallSid": "$request.path.CallSid",
                "Sid": "$response.body#/sid",
            },
        }
    }
    gone = {204: Answer("It is deleted."), **wrong(409, 503)}
    yield Operation(
        "get", f"{listed}.json", f"{lower}ListRecordings", "The account's recordings, newest first.", tag,
        {200: json_answer("A page of them.", ref(f"{name}Page"), links=first), **wrong()},
        scheme, (account, *_filters(vendor, of_call=False)),
    )  # fmt: skip
    yield Operation(
        "get", f"{listed}/{{Sid}}.json", f"{lower}FetchRecording", "A recording.", tag,
        {200: json_answer("It.", ref(f"{name}Recording")), **wrong()},
        scheme, (account, sid, *_filters(vendor, of_call=True)[3:4][: vendor is TWILIO]),
    )  # fmt: skip
    for ending, identity in ((".json", "DeleteRecording"), ("", "RemoveRecording")):
        yield Operation(
            "delete", f"{listed}/{{Sid}}{ending}", f"{lower}{identity}", "Delete a recording that is complete.", tag,
            gone, scheme, (account, sid),
        )  # fmt: skip
    channels = query("RequestedChannels", whole("As many as it has, where none are asked for.", 1, 2))
    for ending, identity in (("", "FetchMedia"), (".wav", "FetchWav"), (".mp3", "FetchMp3")):
        form_ = ending.removeprefix(".") or "wav"
        heard = media(TYPES[form_], error="CompatibilityError")
        if not ending:  # whoever accepts JSON alone is shown the recording, as at .json
            heard[200] = replace(
                heard[200], content={**heard[200].content, JSON: ref(f"{name}Recording")}, headers={}
            )
        yield Operation(
            "get", f"{listed}/{{Sid}}{ending}", f"{lower}{identity}", "Its audio, for whoever knows its sid.",
            tag, {**heard, **errors("CompatibilityError", 401, 429)}, "",
            (account, sid, channels, *PRECONDITIONS),
        )  # fmt: skip
    yield Operation(
        "get", f"{of_call}.json", f"{lower}ListCallRecordings", "The call's recordings, newest first.", tag,
        {200: json_answer("A page of them.", ref(f"{name}CallPage")), **wrong()},
        scheme, (account, call, *_filters(vendor, of_call=True)),
    )  # fmt: skip
    yield Operation(
        "post", f"{of_call}.json", f"{lower}CreateCallRecording", "Record a call that is up.", tag,
        {
            vendor.created: json_answer("It runs.", ref(f"{name}CallRecording"), links={**one, **of_one}),
            **wrong(408, 413, 415, 503),
        },
        scheme, (account, call), {FORM: form(_CREATION), JSON: form(_CREATION)},
    )  # fmt: skip
    yield Operation(
        "get", f"{of_call}/{{Sid}}.json", f"{lower}FetchCallRecording", "A recording of the call.", tag,
        {200: json_answer("It.", ref(f"{name}CallRecording")), **wrong()},
        scheme, (account, call, sid),
    )  # fmt: skip
    yield Operation(
        "post", f"{of_call}/{{Sid}}.json", f"{lower}UpdateCallRecording", "Pause, resume or stop a recording.", tag,
        {200: json_answer("As it is then.", ref(f"{name}CallRecording")), **wrong(408, 413, 415, 503)},
        scheme, (account, call, on_call),
        {FORM: form(_UPDATE, ("Status",)), JSON: form(_UPDATE, ("Status",))}, body_required=True,
    )  # fmt: skip
    yield Operation(
        "delete", f"{of_call}/{{Sid}}.json", f"{lower}DeleteCallRecording", "Delete one that is complete.", tag,
        gone, scheme, (account, call, sid),
    )  # fmt: skip


OPERATIONS = (*_operations(TWILIO, "Twilio"), *_operations(LAML, "Laml"))
