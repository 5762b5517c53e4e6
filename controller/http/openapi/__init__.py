"""The description of the HTTP service, OpenAPI 3.1: every path, what it takes, and all that it may answer.

One module describes each vendor's API, by hand and beside nothing else: words, bounds and defaults come from the
tables that the routes themselves use. Tests hold it to the router both ways, and to what the service answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from controller.http.base import json_response
from controller.http.openapi import compatibility, operators, plivo, service, signalwire
from controller.http.openapi.parts import Operation

PATH = "/openapi.json"

_VENDORS = (compatibility, signalwire, plivo, operators, service)
_ABOUT = (
    "The REST APIs with which applications of Twilio, SignalWire (LaML, Calling API, Relay REST) and Plivo start, "
    "change, find, fetch and delete recordings; and what operators look at. HTTP Basic names the account; what "
    "another account owns does not exist. A path may be asked with HEAD wherever it may be with GET; "
    "any Expect but 100-continue is answered with 417."
)


def operations() -> Iterable[Operation]:
    """Yield everything that is described."""
    for vendor in _VENDORS:
        yield from vendor.OPERATIONS


def description(version: str, url: str = "/") -> dict[str, Any]:
    """Return the document; ``version`` is fsrec's, ``url`` where it is served."""
    paths: dict[str, dict[str, Any]] = {}
    responses: dict[str, Any] = {}
    for operation in operations():
        responses |= {one.name: one.described() for one in operation.answers.values() if one.name}
        paths.setdefault(operation.path, {})[operation.method] = operation.described()
    schemas: dict[str, Any] = {}
    security: dict[str, Any] = {}
    for vendor in _VENDORS:
        schemas |= vendor.SCHEMAS
        security |= {name: _scheme(name, words) for name, words in vendor.SECURITY.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "fsrec", "version": version, "description": _ABOUT},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": schemas, "responses": responses, "securitySchemes": security},
    }


def _scheme(name: str, words: str) -> Mapping[str, str]:
    return {"type": "http", "scheme": "bearer" if name in operators.BEARER else "basic", "description": words}


def register(router: web.UrlDispatcher, version: str) -> None:
    """Add the route that serves it."""
    answer = description(version)

    async def described(_: web.Request) -> web.Response:
        return json_response(answer)

    router.add_get(PATH, described)
