"""Asks servers that may be away, slow, endless or hostile, and follows where they lead (DESIGN section 7).

Of a redirect only status and Location count. A body is taken as it comes, so that no compression can make it grow,
and with all redirects must be whole in time. The address guard sees each connection, so each redirect's too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from yarl import URL

from controller.documents.fetch import DocumentRequest, FetchFailed, Patience, Render, Trouble
from controller.documents.fragments import Retried
from controller.web.guard import AddressGuard, refusal
from controller.web.request import CannotSend, headers_of, method_of, parsed_url, target_of, told

T = TypeVar("T")
Take = Callable[[aiohttp.ClientResponse], Awaitable[T]]
"""Makes what is wanted of an answer that leads nowhere else, whatever its status; raises FetchFailed."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
CHUNK = 64 * 1024
_IDENTITY = (("Accept-Encoding", "identity"),)


@dataclass(frozen=True, slots=True)
class _Redirect:
    """An answer that leads elsewhere; ``location`` as the server wrote it."""

    status: int
    location: str | None


class WebClient:
    """One session: no cookies, no proxies, a connection for each request.

    ``in_flight`` requests go on at once, ``per_origin`` of them to one origin; what waits for its turn longer than a
    connect may take has failed. An ``async with`` block, or ``close``, gives the connections back.
    """

    def __init__(self, guard: AddressGuard, *, in_flight: int = 1000, per_origin: int = 200) -> None:
        self._session = aiohttp.ClientSession(
            # There is one try: a server that closes an idle connection while we send would cost a call its document.
            connector=guard.connector(limit=in_flight, per_host=per_origin, reuse=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Content-Type",),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def ask(self, method: str, url: str, render: Render, patience: Patience, take: Take[T]) -> T:
        """Return what ``take`` makes of the answer that is no redirect. Raises FetchFailed.

        303, and 301 and 302 of a POST, are followed by GET, the others by the same method and a body of its own;
        each request is rendered for the URL it goes to. Credentials go to the origin they were given for, and none
        is told in clear what was asked for over TLS.
        """
        try:
            async with asyncio.timeout(patience.total):
                return await self._follow(method, url, render, patience, take)
        except TimeoutError:
            raise FetchFailed(f"no whole answer within {patience.total:g} s", Retried.READ, Trouble.TIMEOUT) from None

    async def _follow(self, method: str, url: str, render: Render, patience: Patience, take: Take[T]) -> T:
        here: URL | None = None
        carried: str | None = None
        for _ in range(patience.redirects + 1):
            request = render(method, url)
            try:
                target, own = target_of(request.url)
                _check_step(here, target)
                if own is not None or here is None or here.origin() != target.origin():
                    carried = own
                here = target
                answer = await self._send(request, target, carried, patience, take)
                if not isinstance(answer, _Redirect):
                    return answer
                method, url = _next(request.method, here, answer)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise _failure(error, patience) from None
        many = f"more than {patience.redirects} redirects, the last one to {told(url)!r:.200}"
        raise FetchFailed(many, trouble=Trouble.REDIRECT)

    async def _send(
        self, request: DocumentRequest, target: URL, authorization: str | None, patience: Patience, take: Take[T]
    ) -> T | _Redirect:
        async with self._session.request(
            method_of(request.method),
            target,
            data=request.body or None,
            headers=headers_of((*request.headers, *_IDENTITY), authorization),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=patience.connect, sock_read=patience.read),
        ) as response:
            if response.status not in REDIRECTS:
                return await take(response)
            response.close()  # whatever else it would say
            return _Redirect(response.status, response.headers.get("Location"))


async def chunks(response: aiohttp.ClientResponse, limit: int, what: str) -> AsyncIterator[bytes]:
    """Give a body of at most ``limit`` bytes piece by piece. Raises FetchFailed at the first byte too many."""
    had = 0
    while chunk := await response.content.read(CHUNK):
        had += len(chunk)
        if had > limit:
            response.close()
            raise FetchFailed(f"more than {limit} bytes; {what} may have {limit}", trouble=Trouble.SIZE)
        yield chunk


def _next(method: str, here: URL, answer: _Redirect) -> tuple[str, str]:
    if not answer.location:
        raise FetchFailed(f"answered with status {answer.status} and no Location", trouble=Trouble.REDIRECT)
    following = here.join(parsed_url(answer.location)).with_fragment(None)
    as_get = method != "HEAD" if answer.status == 303 else method == "POST" and answer.status in {301, 302}
    return ("GET" if as_get else method), str(following)


def _check_step(here: URL | None, target: URL) -> None:
    if here is not None and here.scheme == "https" and target.scheme != "https":
        clear = f"redirected from https to {told(str(target))!r:.200}, which is not"
        raise FetchFailed(clear, trouble=Trouble.REDIRECT)


def _failure(error: Exception, patience: Patience) -> FetchFailed:
    refused = refusal(error)
    if refused is not None:
        return FetchFailed(str(refused), trouble=Trouble.ADDRESS)
    if isinstance(error, CannotSend):
        return FetchFailed(str(error), trouble=Trouble.ADDRESS)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return FetchFailed(f"no connection within {patience.connect:g} s", Retried.CONNECT, Trouble.TIMEOUT)
    if isinstance(error, TimeoutError):
        return FetchFailed(f"nothing was heard for {patience.read:g} s", Retried.READ, Trouble.TIMEOUT)
    if isinstance(error, aiohttp.ClientPayloadError):
        # half an answer is one: it is not asked for again
        return FetchFailed("the answer broke off before its end", trouble=Trouble.BROKEN)
    words = str(error) or type(error).__name__
    connecting = isinstance(error, aiohttp.ClientConnectorError)
    trouble = Trouble.TLS if isinstance(error, aiohttp.ClientSSLError) else Trouble.CONNECT
    return FetchFailed(f"no answer: {words:.300}", Retried.CONNECT if connecting else Retried.READ, trouble)
