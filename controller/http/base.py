"""What all routes share: the shape of an error, and what is told of each request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return ``body`` as JSON."""
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=headers)


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return the error every route of ours answers with: ``{"code": status, "message": …}``."""
    return json_response({"code": status, "message": message}, status, headers)


class EndlessResponse(web.StreamResponse):
    """An answer that goes on for as long as somebody looks; ``began`` is when, in its loop's time."""

    began: float | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send what stands before the body."""
        writer = await super().prepare(request)
        self.began = asyncio.get_running_loop().time()
        return writer


@dataclass(frozen=True, slots=True)
class RequestServed:
    """A request was answered. ``route`` is the pattern that matched, never the path; ``duration`` is in seconds.

    Of an endless one that is the time until it began.
    """

    method: str
    route: str
    status: int
    duration: float


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A handler raised what it shouldn't; the client was told 500 and no more."""

    method: str
    route: str
    error: Exception


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """What came was no HTTP, or too large to be read as such; ``reason`` is the parser's, without what came."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class DownloadBroken:
    """A download ended early: the client took too long, or the file couldn't be read to its end."""

    recording: str
    sent: int
    size: int
    reason: str
