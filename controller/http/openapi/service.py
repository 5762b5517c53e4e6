"""What belongs to no vendor: a recording's file under its SWML URL, health, metrics, and this description."""

from __future__ import annotations

from controller.http.openapi.parts import (
    JSON,
    PROBLEM,
    Answer,
    Operation,
    Schema,
    errors,
    header,
    json_answer,
    listing,
    segment,
    struct,
    text,
    uuid,
    whole,
    word,
)
from controller.media.copies import TYPES

TAG = "Service"
SECURITY: dict[str, str] = {}

SCHEMAS: dict[str, Schema] = {
    PROBLEM: struct({"code": whole("The status."), "message": text("What is wrong, and what would be right.")}),
    "Readiness": struct(
        {
            "status": word("", ("ready", "degraded", "not ready")),
            "problems": listing(text("What keeps it from its work, or from all new work, and who suffers.")),
            "degraded": listing(text("What it serves less well meanwhile, and who suffers.")),
        }
    ),
}

PRECONDITIONS = (
    header("Range", text("A part of it (RFC 9110 14), as bytes=0-1023.")),
    header("If-None-Match", text("The ETag of what is there already.")),
)

_FILE = {"ETag": text(), "Accept-Ranges": text(), "Content-Disposition": text()}


def media(*types: str, error: str = PROBLEM) -> dict[int, Answer]:
    """Return what a path of audio answers, in one of the media types, errors in a vendor's shape."""
    content: dict[str, Schema] = {kind: {} for kind in types}
    return {
        200: Answer("All of it.", content, _FILE),
        206: Answer("The part.", content, {**_FILE, "Content-Range": text()}),
        304: Answer("It has not changed."),
        **errors(error, 400, 404, 405, 503),
        **errors(PROBLEM, 412, 416),
    }


OPERATIONS = (
    Operation(
        "get", "/api/v1/recordings/{id}/download", "downloadRecording", "A recording's file, in its own format.", TAG,
        {**media(*TYPES.values()), **errors(PROBLEM, 401, 429)},
        parameters=(segment("id", uuid("The recording.")), *PRECONDITIONS),
    ),
    Operation(
        "get", "/healthz", "health", "The process answers.", TAG,
        {200: json_answer("It lives.", struct({"status": word("", ("alive",))})), **errors(PROBLEM, 400, 405)},
    ),
    Operation(
        "get", "/readyz", "readiness", "Whether it can do its work, or why it can't.", TAG,
        {
            200: json_answer("It can.", {"$ref": "#/components/schemas/Readiness"}),
            503: json_answer("It can't.", {"$ref": "#/components/schemas/Readiness"}),
            **errors(PROBLEM, 400, 405),
        },
    ),
    Operation(
        "get", "/metrics", "metrics", "Prometheus' text format 0.0.4.", TAG,
        {200: Answer("All metrics.", {"text/plain": text()}), **errors(PROBLEM, 400, 405)},
    ),
    Operation(
        "get", "/openapi.json", "describe", "This description.", TAG,
        {200: Answer("It.", {JSON: {"type": "object"}}), **errors(PROBLEM, 400, 405)},
    ),
)  # fmt: skip
