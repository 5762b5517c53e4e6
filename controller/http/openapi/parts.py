"""What descriptions are made of: schemas, parameters, answers and operations, in OpenAPI's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.documents.urls import MAX_URL
from controller.http.parameters import MOST_FIELDS

Schema = dict[str, Any]

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def text(words: str = "", **limits: Any) -> Schema:
    """Return a text's schema; ``limits`` as JSON Schema names them."""
    return {"type": "string", **({"description": words} if words else {}), **limits}


def uuid(words: str = "") -> Schema:
    """Return the schema of an id of ours."""
    return text(words, pattern=UUID)


def word(words: str, allowed: Iterable[str], default: str | None = None) -> Schema:
    """Return the schema of one of some words."""
    return text(words, enum=list(allowed), **({} if default is None else {"default": default}))


def whole(words: str = "", least: int | None = None, most: int | None = None, default: int | None = None) -> Schema:
    """Return a whole number's schema."""
    limits = {"minimum": least, "maximum": most, "default": default}
    said = {"description": words} if words else {}
    return {"type": "integer", **said, **{name: value for name, value in limits.items() if value is not None}}


def number(words: str = "", **limits: float) -> Schema:
    """Return a number's schema."""
    return {"type": "number", **({"description": words} if words else {}), **limits}


def flag(words: str = "", default: bool | None = None) -> Schema:
    """Return the schema of true or false."""
    return {"type": "boolean", "description": words, **({} if default is None else {"default": default})}


def url(words: str) -> Schema:
    """Return the schema of a URL that is asked or told."""
    return text(f"{words} An absolute http or https URL.", format="uri", pattern="^https?://", maxLength=MAX_URL)


def date(words: str) -> Schema:
    """Return the schema of a text that is a time."""
    return text(words)


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    return {**schema, "type": [schema["type"], "null"]}


def null(words: str = "") -> Schema:
    """Return the schema of what is always null."""
    return {"type": "null", "description": words}


def listing(items: Schema) -> Schema:
    """Return a list's schema."""
    return {"type": "array", "items": items}


def struct(properties: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """Return an object's schema: these properties and no others, all of them but ``optional`` always there."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


_FIELD = ["string", "integer", "boolean", "null"]


def form(properties: Mapping[str, Schema], required: Sequence[str] = ()) -> Schema:
    """Return the schema of a body's fields, as ``http.parameters`` reads them; others are left alone."""
    needed = {"required": list(required)} if required else {}
    return {
        "type": "object",
        "properties": dict(properties),
        "maxProperties": MOST_FIELDS,
        "additionalProperties": {"type": [*_FIELD, "array"], "items": {"type": _FIELD}},
        **needed,
    }


def ref(name: str) -> Schema:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


PROBLEM = "Problem"
"""The error that every route may answer with, whatever vendor's it is."""


def query(name: str, schema: Schema) -> Schema:
    """Return a parameter of a query."""
    return {"name": name, "in": "query", "required": False, "schema": schema}


def segment(name: str, schema: Schema) -> Schema:
    """Return a parameter of a path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


def header(name: str, schema: Schema) -> Schema:
    """Return a parameter that is a request's header."""
    return {"name": name, "in": "header", "required": False, "schema": schema}


@dataclass(frozen=True, slots=True)
class Answer:
    """What may be answered: in words, its schemas by media type, the headers that it always has.

    One with a ``name`` is that of many operations.
    """

    words: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    links: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def referred(self) -> dict[str, Any]:
        """Return it, or where many answer it, what refers to it."""
        return {"$ref": f"#/components/responses/{self.name}"} if self.name else self.described()

    def described(self) -> dict[str, Any]:
        """Return it in OpenAPI's words."""
        content = {kind: {"schema": schema} for kind, schema in self.content.items()}
        headers = {name: {"required": True, "schema": schema} for name, schema in self.headers.items()}
        found: dict[str, Any] = {"description": self.words}
        parts = {"content": content, "headers": headers, "links": dict(self.links)}
        return found | {name: part for name, part in parts.items() if part}


def json_answer(words: str, schema: Schema, **more: Any) -> Answer:
    """Return an answer in JSON."""
    return Answer(words, {JSON: schema}, **more)


_WORDS = {
    400: "Something in the request is wrong; the message says what would be right.",
    401: "These are not the credentials of an account.",
    403: "That is not for this account, or not meant by who seems to send it.",
    404: "There is no such thing, or it is not ready, or another account's.",
    405: "This is not done with this path.",
    408: "The body did not arrive in time, or what was asked for did not become true in time.",
    409: "Not as it is now: not before it is complete, or not any more.",
    412: "This is not the version that was asked for.",
    413: "The body is too large.",
    415: "The body is of a kind that is not read.",
    416: "There are no such bytes.",
    422: "It is understood and not possible; the message says why.",
    429: "Too much at once; later it may be possible.",
    503: "Not now; the message says why. Later it may be possible.",
}
_ALWAYS: dict[int, dict[str, Schema]] = {
    401: {"WWW-Authenticate": text()},
    405: {"Allow": text()},
}


def errors(vendors: str, *statuses: int) -> dict[int, Answer]:
    """Return answers of these statuses, in the vendor's shape or in the one that all routes share."""
    schema = ref(PROBLEM) if vendors == PROBLEM else {"anyOf": [ref(vendors), ref(PROBLEM)]}
    return {
        status: Answer(_WORDS[status], {JSON: schema}, _ALWAYS.get(status, {}), name=f"{vendors}{status}")
        for status in statuses
    }


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path. ``security`` names whose credentials it needs, empty for anyone's."""

    method: str
    path: str
    identity: str
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    security: str = ""
    parameters: Sequence[Schema] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    body_required: bool = False

    def described(self) -> dict[str, Any]:
        """Return it in OpenAPI's words."""
        found: dict[str, Any] = {
            "operationId": self.identity,
            "summary": self.summary,
            "tags": [self.tag],
            "security": [{self.security: []}] if self.security else [],
            "parameters": list(self.parameters),
            "responses": {str(status): answer.referred() for status, answer in sorted(self.answers.items())},
        }
        if self.body:
            content = {kind: {"schema": schema} for kind, schema in self.body.items()}
            found["requestBody"] = {"required": self.body_required, "content": content}
        return found
