"""Plivo's REST API of recordings and their transcriptions (``http.plivo``)."""

from __future__ import annotations

from collections.abc import Mapping

from controller.dialects.plivo import rest, shapes
from controller.http.openapi.parts import (
    FORM,
    JSON,
    Answer,
    Operation,
    Schema,
    errors,
    form,
    json_answer,
    listing,
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
from controller.http.openapi.service import PRECONDITIONS, media
from controller.http.plivo import PREFIX
from controller.media.copies import TYPES

TAG = "Plivo"
SECURITY = {"plivo": "Of an account of Plivo's: its auth id and its auth token."}

_DECIMAL = r"^[0-9]+\.00000$"
_API_ID = {"api_id": uuid("The request's own.")}
_RECORDING: dict[str, Schema] = {
    "add_time": text("When it became ready, in UTC."),
    "call_uuid": uuid(),
    "conference_name": text(),
    "from_number": text(),
    "monthly_recording_storage_amount": number(),
    "recording_duration_ms": text("", pattern=_DECIMAL),
    "recording_end_ms": text("", pattern=_DECIMAL),
    "recording_format": word("", rest.FORMATS),
    "recording_id": uuid(),
    "recording_start_ms": text("", pattern=_DECIMAL),
    "recording_storage_duration": whole("Days, of which the first is one.", 1),
    "recording_storage_rate": number(),
    "recording_type": word("", ("call",)),
    "recording_url": text("Its audio."),
    "resource_uri": text(),
    "rounded_recording_duration": whole("Seconds, to the nearest minute.", 0),
    "to_number": text(),
}
_META = struct(
    {
        "limit": whole("", 1, rest.LARGEST_PAGE),
        "next": nullable(text()),
        "offset": whole("", 0),
        "previous": nullable(text()),
        "total_count": whole("", 0),
    }
)
_TRANSCRIPTION: dict[str, Schema] = {
    "cost": number(),
    "rate": number(),
    "recording_duration_ms": whole("", 0),
    "recording_start_ms": whole("", 0),
    "status": word("", sorted(set(shapes.STATUS.values()))),
    "transcription": nullable(text("Null until there is one.")),
    "type": word("", ("auto",)),
    "error": text("Why there is none."),
}

SCHEMAS: dict[str, Schema] = {
    "PlivoError": struct({**_API_ID, "error": text("What is wrong, and what would be right.")}),
    "PlivoRecording": struct({**_API_ID, **_RECORDING}),
    "PlivoPage": struct({**_API_ID, "meta": _META, "objects": listing(struct(_RECORDING))}),
    "PlivoStarted": struct(
        {"url": text("Its audio, once it is ready."), "message": text(), "recording_id": uuid(), "api_id": uuid()}
    ),
    "PlivoTranscription": struct({**_API_ID, **_TRANSCRIPTION}, ("error",)),
    "PlivoMessage": struct({**_API_ID, "message": text()}),
}

_METHOD = word("", ("GET", "POST"), "POST")
_CREATION: dict[str, Schema] = {
    "time_limit": whole(f"Seconds; more than {rest.LONGEST} are as many.", 1, rest.ANY_NUMBER, rest.TIME_LIMIT),
    "file_format": word("", rest.FORMATS, rest.FORMATS[0]),
    "record_channel_type": word("", tuple(rest.CHANNELS), "mono"),
    "callback_url": url("Who is told when it is ready."),
    "callback_method": _METHOD,
    "transcription_type": word("That it is to be transcribed.", rest.TRANSCRIPTIONS),
    "transcription_url": url("Who is told what was said."),
    "transcription_method": _METHOD,
}
_TRANSCRIBE: dict[str, Schema] = {
    "type": word("", rest.TRANSCRIPTIONS, rest.TRANSCRIPTIONS[0]),
    "transcription_url": url("Who is told what was said."),
    "transcription_method": _METHOD,
}
_ROOT = f"{PREFIX}/{{auth_id}}"
_ACCOUNT = segment("auth_id", text("", pattern="^[0-9A-Za-z]{1,64}$"))
_CALL = segment("call_uuid", uuid())
_RECORDING_ID = segment("recording_id", uuid())
_TIME = {"pattern": r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8]) ([01][0-9]|2[0-3]):[0-5][0-9]$"}
_FILTERS = (
    query("call_uuid", uuid()),
    query("from_number", text("With or without its +.")),
    query("to_number", text("With or without its +.")),
    *(query(f"add_time{how}", text("A time in UTC.", **_TIME)) for how in rest.COMPARISONS),
    *(query(f"recording_storage_duration{how}", whole("Days.", 0, 10**6)) for how in rest.COMPARISONS),
    *(query(name, text("No recording has one.")) for name in rest.NOWHERE),
    query("limit", whole("", 1, rest.LARGEST_PAGE, rest.LARGEST_PAGE)),
    query("offset", whole("", 0, rest.ANY_NUMBER, 0)),
    query("cursor", text("As meta.next has it.", pattern=r"^[0-9]{1,9}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
)


def _wrong(*statuses: int) -> dict[int, Answer]:
    return errors("PlivoError", 400, 401, 404, 405, 429, 503, *statuses)


def _links(verb: str, place: str) -> Mapping[str, object]:
    parameters = {"auth_id": "$request.path.auth_id", "recording_id": place}
    return {verb: {"operationId": verb, "parameters": parameters}}


def _body(properties: Mapping[str, Schema]) -> dict[str, Schema]:
    return {JSON: form(properties), FORM: form(properties)}


OPERATIONS = (
    Operation(
        "post", f"{_ROOT}/Call/{{call_uuid}}/Record/", "plivoRecordCall", "Record a call that is up.", TAG,
        {
            202: json_answer(
                "It runs.", ref("PlivoStarted"), links=_links("plivoFetchRecording", "$response.body#/recording_id")
            ),
            **_wrong(408, 413, 415, 422),
        },
        "plivo", (_ACCOUNT, _CALL), _body(_CREATION),
    ),
    Operation(
        "delete", f"{_ROOT}/Call/{{call_uuid}}/Record/", "plivoStopRecording",
        "Stop the call's recordings, or the one whose URL is given.", TAG,
        {204: Answer("None of them runs any more."), **_wrong(408, 413, 415, 422)},
        "plivo", (_ACCOUNT, _CALL, query("URL", text("Of one of them."))), _body({"URL": text("Of one of them.")}),
    ),
    Operation(
        "get", f"{_ROOT}/Recording/", "plivoListRecordings", "The account's recordings that are ready, newest first.",
        TAG,
        {
            200: json_answer(
                "A page of them.", ref("PlivoPage"),
                links={
                    **_links("plivoFetchRecording", "$response.body#/objects/0/recording_id"),
                    **_links("plivoFetchMp3", "$response.body#/objects/0/recording_id"),
                    **_links("plivoTranscribe", "$response.body#/objects/0/recording_id"),
                    **_links("plivoDeleteRecording", "$response.body#/objects/0/recording_id"),
                },
            ),
            **_wrong(),
        },
        "plivo", (_ACCOUNT, *_FILTERS),
    ),
    Operation(
        "get", f"{_ROOT}/Recording/{{recording_id}}/", "plivoFetchRecording", "A recording that is ready.", TAG,
        {200: json_answer("It.", ref("PlivoRecording")), **_wrong()}, "plivo", (_ACCOUNT, _RECORDING_ID),
    ),
    Operation(
        "delete", f"{_ROOT}/Recording/{{recording_id}}/", "plivoDeleteRecording", "Delete one that has ended.", TAG,
        {204: Answer("It is deleted."), **_wrong(422)}, "plivo", (_ACCOUNT, _RECORDING_ID),
    ),
    *(
        Operation(
            "get", f"{_ROOT}/Recording/{{recording_id}}.{form_}", f"plivoFetch{form_.title()}",
            "A recording's audio, for whoever knows its id.", TAG,
            {**media(TYPES[form_], error="PlivoError"), **errors("PlivoError", 401, 422, 429)}, "",
            (_ACCOUNT, _RECORDING_ID, *PRECONDITIONS),
        )
        for form_ in rest.FORMATS
    ),
    Operation(
        "post", f"{_ROOT}/Transcription/{{recording_id}}/", "plivoTranscribe", "Have a recording transcribed.", TAG,
        {
            201: json_answer(
                "It is under way.", ref("PlivoMessage"),
                links=_links("plivoFetchTranscription", "$request.path.recording_id"),
            ),
            **_wrong(408, 413, 415, 422),
        },
        "plivo", (_ACCOUNT, _RECORDING_ID), _body(_TRANSCRIBE),
    ),
    Operation(
        "get", f"{_ROOT}/Transcription/{{recording_id}}/", "plivoFetchTranscription", "What was said.", TAG,
        {200: json_answer("It, as far as it is.", ref("PlivoTranscription")), **_wrong(422)},
        "plivo", (_ACCOUNT, _RECORDING_ID),
    ),
    Operation(
        "delete", f"{_ROOT}/Transcription/{{recording_id}}/", "plivoDeleteTranscription", "Forget it.", TAG,
        {202: json_answer("It is forgotten.", ref("PlivoMessage")), **_wrong(422)},
        "plivo", (_ACCOUNT, _RECORDING_ID),
    ),
)  # fmt: skip
