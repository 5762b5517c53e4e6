"""Parameters of the REST APIs: a body's fields, of a form or of JSON alike, and a query's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

MAX_BODY = 65_536
"""Bytes of a request's body."""
MOST_FIELDS = 100

Parameters = Mapping[str, Sequence[str]]
"""Each name's values in their order."""


class BadBody(Exception):
    """A body that has no parameters in it; ``status`` is HTTP's, the text says what would be right."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def of_body(request: web.Request) -> Parameters:
    """Return a body's fields; a list in JSON is a field that is given several times. Raises BadBody."""
    body = await request.read()  # bounded and timed by the application already
    if len(body) > MAX_BODY:
        raise BadBody(413, f"The body has more than {MAX_BODY} bytes")
    found: dict[str, list[str]] = {}
    if request.content_type.startswith("multipart/"):  # read as a form it would be one without a field
        raise BadBody(415, "The body must be application/x-www-form-urlencoded or application/json, not multipart")
    if request.content_type == "application/json":
        for name, value in _json_object(body).items():
            values = value if isinstance(value, list) else [value]
            found[name] = [_text(name, item) for item in values if item is not None]
        return found
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadBody(400, f"The body must be a form in UTF-8, of at most {MOST_FIELDS} fields") from None
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def of_query(request: web.Request) -> Parameters:
    """Return a query's fields."""
    return {name: request.query.getall(name) for name in request.query}


def _json_object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict) or len(read) > MOST_FIELDS:
        raise BadBody(400, f"The body must be a JSON object of at most {MOST_FIELDS} fields")
    return read


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int)):
        raise BadBody(400, f"{name[:64]} must be text, or a list of texts")
    return str(value)
