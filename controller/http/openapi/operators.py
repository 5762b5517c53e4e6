"""The operators' API, below ``/console/api`` (``console.api``): what the command line asks."""

from __future__ import annotations

from collections.abc import Sequence

from controller.http.openapi.parts import (
    JSON,
    PROBLEM,
    UUID,
    Answer,
    Operation,
    Schema,
    errors,
    flag,
    json_answer,
    listing,
    nullable,
    number,
    query,
    ref,
    segment,
    struct,
    text,
    uuid,
    whole,
    word,
)
from controller.media.copies import FORMATS
from controller.recordings.model import (
    Absence,
    EndReason,
    NoticeKind,
    PauseBehavior,
    State,
    Track,
    TranscriptionState,
)

TAG = "Operators"
ROOT = "/console/api"
PAGE, LARGEST_PAGE, MOST_LIVE = 50, 200, 2000
MOST_TEXT = 256
"""Characters of a value that is looked for."""

SECURITY = {"operator": "The operator's key of a daemon's data_dir, or http.console_token. Accounts may use Basic."}
BEARER = frozenset(SECURITY)

_DELIVERY = word("", ("pending", "delivered", "dead"))


def _at(words: str) -> Schema:
    return number(f"{words} In Unix seconds.")


def _no(schema: Schema) -> Schema:
    """Return the schema of what is null where it is not known, or there is none."""
    wide = nullable(schema)
    return {**wide, "enum": [*schema["enum"], None]} if "enum" in schema else wide


_RECORDING: dict[str, Schema] = {
    "id": uuid(),
    "state": word("", State),
    "account": text("Its name in the settings."),
    "dialect": text("swml, twiml or plivo."),
    "switch": text(),
    "call": text("The call's id."),
    "leg": text("The switch's Unique-ID of the leg that is recorded."),
    "direction": text(),
    "caller": text(),
    "called": text(),
    "source": text("What started it."),
    "reference": text("The dialect's name for it: control_id, name."),
    "track": word("", Track),
    "requested_at": _at("When it was asked for."),
    "started_at": _no(_at("")),
    "ended_at": _no(_at("")),
    "finished_at": _no(_at("When its file was examined.")),
    "deleted_at": _no(_at("")),
    "paused": _no(word("What the pause that lasts leaves in the file.", PauseBehavior)),
    "reason": _no(word("Why it ended.", EndReason)),
    "absence": _no(word("Why it is absent.", Absence)),
    "error": _no(text("What went wrong.")),
    "format": text(),
    "duration": _no(number("Seconds of audio.")),
    "size": _no(whole("Bytes.", 0)),
    "channels": _no(whole("", 1)),
    "rate": _no(whole("Samples per second.", 1)),
}
_WEBHOOK: dict[str, Schema] = {
    "id": text(),
    "state": _DELIVERY,
    "account": text(),
    "dialect": text(),
    "subject": text("The recording or call that it is about."),
    "sequence": whole("Its place among those of its subject."),
    "method": text(),
    "url": text("Where it goes, without credentials."),
    "created_at": _at(""),
    "due_at": _no(_at("Its next attempt; null while an earlier one goes first, and once it is over.")),
    "finished_at": _no(_at("")),
    "attempts": whole("", 0),
    "reason": _no(text("Why it was given up.")),
}
_ATTEMPT: dict[str, Schema] = {
    "at": _at("Its start."),
    "duration": number("Seconds."),
    "status": _no(whole("What the receiver answered.")),
    "error": _no(text("The kind of failure, where it did not.")),
    "detail": text(),
    "first_bytes": text("The beginning of the answer."),
    "retry_after": _no(text()),
}
_SWITCH: dict[str, Schema] = {
    "name": text(),
    "state": word("", ("serving", "reconciling", "away", "refused", "elsewhere")),
    "why": text("Of all but serving."),
    "holder": _no(text("The daemon that serves it, where that is another.")),
    "core_uuid": _no(text()),
    "version": _no(text("FreeSWITCH's.")),
    "connected_at": _no(_at("")),
    "last_event_at": _no(_at("")),
    "calls": whole("", 0),
    "recordings": whole("Those that run.", 0),
    "free": _no(whole("Bytes free where it records.", 0)),
}
_CALL: dict[str, Schema] = {
    **{name: text() for name in ("id", "leg", "switch", "account", "dialect", "document", "state", "caller")},
    **{name: text() for name in ("caller_name", "called", "direction")},
    "started_at": _at(""),
    "answered_at": _no(_at("")),
    "ended_at": _no(_at("")),
    "cause": _no(text()),
}
_STEP: dict[str, Schema] = {
    "revision": whole(),
    "at": _at(""),
    "fact": text("What happened."),
    "state": word("The state after it.", State),
    "detail": text(),
    "effects": listing(text("What was commanded or begun because of it.")),
}
_NOTICE: dict[str, Schema] = {
    "id": text(),
    "kind": word("", NoticeKind),
    "at": _at(""),
    "sequence": whole(),
    "unrendered": _no(text("Why nobody was told.")),
}
_TRANSCRIPTION: dict[str, Schema] = {
    "state": word("", TranscriptionState),
    "requested_at": _at(""),
    "finished_at": _no(_at("")),
    "progress": number("Seconds that have been heard."),
    "seconds": number("Seconds that it has."),
    "text": text(),
    "error": _no(text()),
}


def _or_null(name: str) -> Schema:
    return {"anyOf": [ref(name), {"type": "null"}]}


_NEXT = _no(text("What to send as before for the next page; null: this is the last."))
SCHEMAS: dict[str, Schema] = {
    "OperatorRecording": struct(_RECORDING),
    "OperatorRunning": struct({**_RECORDING, "elapsed": _no(number("Seconds that it has run."))}),
    "OperatorWebhook": struct(_WEBHOOK),
    "OperatorTold": struct({**_WEBHOOK, "body": text(), "tried": listing(struct(_ATTEMPT))}),
    "OperatorSwitch": struct(_SWITCH),
    "OperatorCall": struct(_CALL),
    "OperatorTranscription": struct(_TRANSCRIPTION),
    "OperatorStory": struct(
        {
            "recording": ref("OperatorRecording"),
            "call": _or_null("OperatorCall"),
            "history": listing(struct(_STEP)),
            "notices": listing(struct(_NOTICE)),
            "webhooks": listing(ref("OperatorTold")),
            "transcription": _or_null("OperatorTranscription"),
        }
    ),
}

_COUNT = query("limit", whole("At most so many.", 1, LARGEST_PAGE, PAGE))
_LIVE_COUNT = query("limit", whole("At most so many.", 1, MOST_LIVE, PAGE))
_BEFORE = query("before", text("next of the page before.", pattern=rf"^[0-9]{{1,12}}(\.[0-9]{{1,9}})?~{UUID[1:]}"))
_ACCOUNT = query("account", text("An account's, by its name in the settings.", maxLength=MOST_TEXT))
_SINCE = query("since", number("Not before, in Unix seconds."))
_ID = segment("id", text("An id in any vendor's form, or 6 of its digits or more.", pattern="^[0-9A-Za-z-]{1,36}$"))
_RECORDINGS = (
    _ACCOUNT,
    query("dialect", text("", maxLength=MOST_TEXT)),
    query("state", listing(word("In one of these states.", State))),
    query("text", text("An id of it, its call or leg, or a part of a number.", maxLength=MOST_TEXT)),
    _SINCE,
    query("until", number("Not after, in Unix seconds.")),
    query("deleted", flag("Deleted ones, too.", True)),
    _COUNT,
    _BEFORE,
)


def _operation(
    method: str,
    path: str,
    identity: str,
    summary: str,
    schema: Schema,
    *parameters: Schema,
    status: int = 200,
    body: Schema | None = None,
    verb: bool = False,
    more: Sequence[int] = (),
) -> Operation:
    wrong = (400, 401, 404, 405, 429, 503, *((403, 408, 409, 413, 415) if verb else ()), *more)
    answers: dict[int, Answer] = {status: json_answer("It.", schema), **errors(PROBLEM, *wrong)}
    taken = {JSON: body if body is not None else struct({})} if verb else {}
    required = body is not None and "required" in body and bool(body["required"])
    return Operation(
        method, ROOT + path, identity, summary, TAG, answers,
        security="operator", parameters=parameters, body=taken, body_required=required,
    )  # fmt: skip


_PAUSE = struct({"behavior": word("What it leaves in the file.", PauseBehavior, PauseBehavior.SKIP)}, ("behavior",))
_DERIVE = struct({"format": word("", FORMATS)})
_DERIVED = struct({"id": uuid(), "format": word("", FORMATS), "size": whole("Bytes.", 0)})
_HEALTH = struct(
    {
        "status": word("As /readyz says it.", ("ready", "degraded", "not ready")),
        "version": text(),
        "problems": listing(text()),
        "degraded": listing(text()),
        "switches": listing(ref("OperatorSwitch")),
        "webhooks": struct({"pending": whole("", 0), "dead": whole("", 0)}),
        "oldest_pending": _no(_at("Since when the oldest one waits.")),
    }
)

OPERATIONS = (
    _operation(
        "get", "/recordings", "operatorListRecordings", "Recordings, newest first.",
        struct({"recordings": listing(ref("OperatorRecording")), "next": _NEXT}), *_RECORDINGS,
    ),
    _operation(
        "get", "/live", "operatorListLive", "Recordings that run now, newest first.",
        struct({"recordings": listing(ref("OperatorRunning")), "total": whole("How many run.", 0)}), _LIVE_COUNT,
    ),
    _operation(
        "get", "/recordings/{id}", "operatorFetchRecording", "All about one recording.", ref("OperatorStory"), _ID,
        more=(409,),
    ),
    _operation(
        "post", "/recordings/{id}/stop", "operatorStopRecording", "Stop it.", ref("OperatorRecording"), _ID, verb=True
    ),
    _operation(
        "post", "/recordings/{id}/pause", "operatorPauseRecording", "Pause it.", ref("OperatorRecording"), _ID,
        body=_PAUSE, verb=True,
    ),
    _operation(
        "post", "/recordings/{id}/resume", "operatorResumeRecording", "Resume it.", ref("OperatorRecording"), _ID,
        verb=True,
    ),
    _operation(
        "post", "/recordings/{id}/derive", "operatorDeriveRecording", "Have its file in a format.", _DERIVED, _ID,
        body=_DERIVE, verb=True,
    ),
    _operation(
        "get", "/webhooks", "operatorListWebhooks", "Deliveries, newest first.",
        struct({"webhooks": listing(ref("OperatorWebhook")), "next": _NEXT}),
        query("state", _DELIVERY), _ACCOUNT, _SINCE, _COUNT, _BEFORE,
    ),
    _operation(
        "get", "/webhooks/{id}", "operatorFetchWebhook", "One delivery with each attempt.", ref("OperatorTold"), _ID,
        more=(409,),
    ),
    _operation(
        "post", "/webhooks/{id}/replay", "operatorReplayWebhook", "Begin it anew, at once.", ref("OperatorWebhook"),
        _ID, verb=True,
    ),
    _operation(
        "get", "/switches", "operatorListSwitches", "Each switch and how it is; the operator's alone.",
        struct({"switches": listing(ref("OperatorSwitch"))}), more=(403,),
    ),
    _operation(
        "post", "/switches/{name}/reconcile", "operatorReconcileSwitch",
        "Connect anew, and look at everything there; the operator's alone.", struct({"name": text()}),
        segment("name", text("The switch.", pattern="^[A-Za-z0-9_.-]{1,64}$")), status=202, verb=True,
    ),
    _operation("get", "/health", "operatorHealth", "How it goes; the operator's alone.", _HEALTH, more=(403,)),
)  # fmt: skip
