"""Carries out the requests that documents ask for themselves: any method, any status, an answer as text."""

from __future__ import annotations

import aiohttp

from controller.documents.fetch import DocumentRequest, FetchFailed, Patience
from controller.documents.steps import Request, Response
from controller.web.client import CHUNK, WebClient
from controller.web.request import CannotSend, target_of

BODY = 65_536
"""Bytes of an answer's body that are kept: as many as SignalWire keeps (spec/swml.md, ``request``)."""
HEADERS = 64
"""Headers of an answer that are kept, by the same source."""
REDIRECTS = 3
_ELSEWHERE = frozenset({"accept", "content-type", "content-language"})
_OF_A_BODY = frozenset({"content-type", "content-language", "content-encoding"})


class RequestClient(WebClient):
    """Implements ``calls.ports.Requests``."""

    async def send(self, request: Request) -> Response:
        """Return the answer, whatever its status; a body that is too long is cut. Raises FetchFailed.

        What the document put into headers (keys, cookies) stays with the origin that it named, as its credentials do.
        """
        patience = Patience(request.connect, request.total, request.total, REDIRECTS)
        return await self.ask(request.method, request.url, _Rendering(request), patience, _taken)


class _Rendering:
    """Renders the request for each URL that it is led to: with less of it once it has left its origin."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._headers = request.headers
        self._origin = _origin(request.url)

    def __call__(self, method: str, url: str) -> DocumentRequest:
        if _origin(url) != self._origin:
            self._headers = tuple(pair for pair in self._headers if pair[0].lower() in _ELSEWHERE)
        if method == self._request.method:
            return DocumentRequest(method, url, self._headers, self._request.body)
        return DocumentRequest(
            method, url, tuple(pair for pair in self._headers if pair[0].lower() not in _OF_A_BODY)
        )


def _origin(url: str) -> object:
    try:
        return target_of(url)[0].origin()
    except CannotSend as error:
        raise FetchFailed(str(error)) from None


async def _taken(response: aiohttp.ClientResponse) -> Response:
    body = bytearray()
    while len(body) < BODY and (chunk := await response.content.read(CHUNK)):
        body += chunk
    if len(body) >= BODY:
        response.close()  # however much more it would say
    headers = tuple((name.lower(), _clean(value)) for name, value in response.headers.items())[:HEADERS]
    return Response(response.status, headers, bytes(body[:BODY]).decode("utf-8", "replace"))


def _clean(value: str) -> str:
    """Return a header's value without halves of characters, which no store and no JSON would take."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
