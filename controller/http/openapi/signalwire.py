"""SignalWire's own: commands of the Calling API (``http.calling``), recordings of Relay REST (``http.relay``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.dialects.swml import commands, relay
from controller.dialects.swml.rows import Kind, Property
from controller.http import calling
from controller.http.openapi.parts import (
    JSON,
    Answer,
    Operation,
    Schema,
    errors,
    flag,
    json_answer,
    listing,
    null,
    nullable,
    number,
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
from controller.http.relay import ANY_NUMBER, LARGEST_PAGE, PAGE, PATH
from controller.recordings.model import PauseBehavior, Track

TAG = "SignalWire"
SECURITY = {"signalwire": "Of an account of SignalWire's: its project id and its API token."}


def _audio(row: Property) -> Schema:
    """Describe a property of ``record.audio`` by its row."""
    default = {} if (found := commands.DEFAULTS[row.name]) is None else {"default": found}
    limits = {"exclusiveMinimum": row.above, "minimum": row.at_least, "maximum": row.at_most}
    bounds: dict[str, Any] = {name: limit for name, limit in limits.items() if limit is not None}
    match row.kind:
        case Kind.BOOLEAN:
            return {**flag(row.row), **default}
        case Kind.INTEGER | Kind.NUMBER:
            return {**number(row.row, **bounds), **default}
        case Kind.DIGITS:
            return {**text(row.row, pattern="^[0-9A-Da-d*#]{0,64}$"), **default}
        case _:
            return {**word(row.row, row.choices), **default}


_AUDIO = {
    "type": "object",
    "properties": {name: _audio(commands.row(name)) for name in commands.DEFAULTS},
    "additionalProperties": False,
}
_PARAMS: Mapping[str, Schema] = {
    "control_id": text("The recording's name.", minLength=1, maxLength=calling.MAX_TEXT),
    "record": {"type": "object", "properties": {"audio": _AUDIO}, "additionalProperties": False},
    "audio": {**_AUDIO, "description": "Stands for record.audio."},
    "status_url": url("Who is told."),
    "behavior": word("Whether paused time is kept as silence.", PauseBehavior, PauseBehavior.SKIP),
}


def _command(name: str) -> Schema:
    params = {param: _PARAMS[param] for param in calling.PARAMS[name]}
    optional = [param for param in params if param != "control_id"]
    identity = text("The call's id.", minLength=1, maxLength=calling.MAX_TEXT)
    return struct({"command": {"const": name}, "id": identity, "params": struct(params, optional)})


_LEG = {
    "id": uuid(),
    "from": text(),
    "to": text(),
    "direction": text(),
    "status": word("", ("created", "answered", "ended")),
    "duration": nullable(whole("Seconds.", 0)),
    "duration_ms": nullable(whole("", 0)),
    "billing_ms": null(),
    "source": text(),
    "type": text(),
    "url": null(),
    "parent_id": null(),
    "charge": number(),
    "charge_details": listing({}),
    "created_at": text("ISO 8601."),
}
_RECORDING = {
    "id": uuid(),
    "project_id": text(),
    "created_at": text("ISO 8601."),
    "updated_at": text("ISO 8601."),
    "duration_in_seconds": whole("", 0),
    "price": number(),
    "price_unit": text(),
    "status": word("", sorted(set(relay.STATUS.values()))),
    "url": text("Its audio."),
    "stereo": flag(),
    "track": word("", Track),
    **{leg: uuid("The call.") for leg in relay.LEGS.values()},
    "byte_size": whole("", 0),
    "error_code": text(),
}
_ERROR = struct(
    {
        "error": text(),
        "errors": listing(
            struct(
                {
                    "type": word("", ("validation_error", "request_error")),
                    "code": text(),
                    "message": text("What is wrong, and what would be right."),
                    "attribute": nullable(text("What it is about.")),
                    "url": text(),
                }
            )
        ),
    },
    ("error",),
)

SCHEMAS: dict[str, Schema] = {
    "SignalWireError": _ERROR,
    "SignalWireCall": struct(_LEG),
    "SignalWireRecording": struct(_RECORDING, (*relay.LEGS.values(), "byte_size", "error_code")),
    "SignalWirePage": struct(
        {
            "links": struct({"self": text(), "first": text(), "next": text(), "prev": text()}, ("next", "prev")),
            "data": listing(ref("SignalWireRecording")),
        }
    ),
}


def _wrong(*statuses: int) -> dict[int, Answer]:
    return errors("SignalWireError", 400, 401, 404, 405, 429, 503, *statuses)


_ID = segment("id", uuid())
_LINKS = {
    verb: {"operationId": verb, "parameters": {"id": "$response.body#/data/0/id"}}
    for verb in ("relayFetchRecording", "relayDeleteRecording", "downloadRecording")
}

OPERATIONS = (
    Operation(
        "post", calling.PATH, "callingCommand", "Record a call that is up; pause, resume or stop a recording.", TAG,
        {200: json_answer("The call.", ref("SignalWireCall")), **_wrong(408, 413, 422)},
        "signalwire", body={JSON: {"oneOf": [_command(name) for name in calling.PARAMS]}}, body_required=True,
    ),
    Operation(
        "get", PATH, "relayListRecordings", "The project's recordings, newest first.", TAG,
        {200: json_answer("A page of them.", ref("SignalWirePage"), links=_LINKS), **_wrong(422)},
        "signalwire",
        (
            query("page_size", whole(f"How many; more than {LARGEST_PAGE} are as many.", 1, ANY_NUMBER, PAGE)),
            query("page_number", whole("", 0, ANY_NUMBER, 0)),
            query("page_token", text("As links has it.", pattern="^P[AB]")),
        ),
    ),
    Operation(
        "get", f"{PATH}/{{id}}", "relayFetchRecording", "A recording.", TAG,
        {200: json_answer("It.", ref("SignalWireRecording")), **_wrong()}, "signalwire", (_ID,),
    ),
    Operation(
        "delete", f"{PATH}/{{id}}", "relayDeleteRecording", "Delete one that is complete.", TAG,
        {204: Answer("It is deleted."), **_wrong(422)}, "signalwire", (_ID,),
    ),
)  # fmt: skip
