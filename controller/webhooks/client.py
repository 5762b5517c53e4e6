"""One attempt at a callback: the request as it goes out, and what came of it, whatever the receiver does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Self

import aiohttp

from controller.documents.fragments import Timeouts
from controller.recordings.model import Delivery
from controller.store import Attempt
from controller.web.guard import AddressGuard, refusal
from controller.web.request import CannotSend, headers_of, method_of, target_of
from controller.webhooks.schedule import ErrorKind

ANSWER_LIMIT = 20_000
"""Bytes of an answer that are read; the connection is dropped after them."""

ANSWER_KEPT = 1_000
"""Bytes of an answer that are kept with the attempt."""


class CallbackClient:
    """Sends callbacks over one session: connections shared and limited, no redirects, cookies or proxies.

    An ``async with`` block, or ``close``, gives the connections back. ``clock`` is in Unix seconds.
    """

    def __init__(
        self,
        guard: AddressGuard,
        *,
        in_flight: int = 200,
        per_origin: int = 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._session = aiohttp.ClientSession(
            connector=guard.connector(limit=in_flight, per_host=per_origin),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding", "Content-Type"),
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

    async def send(self, delivery: Delivery, headers: Mapping[str, str], timeouts: Timeouts) -> Attempt:
        """Make one attempt, with ``headers`` added to the delivery's own."""
        at, started = self._clock(), time.monotonic()
        status: int | None = None
        body = b""
        wait: str | None = None
        error: tuple[ErrorKind, str] | None = None
        try:
            url, authorization = target_of(delivery.url)
            async with self._session.request(
                method_of(delivery.method),
                url,
                data=delivery.body or None,
                headers=headers_of((*delivery.headers, *headers.items()), authorization),
                allow_redirects=False,
                timeout=_timeout_of(timeouts),
            ) as response:
                status, wait = response.status, response.headers.get("Retry-After")
                body = await _head(response)
        except Exception as raised:
            error = _kind(raised), _words(raised)
        duration = time.monotonic() - started
        if status is not None:  # an answer whose body breaks off is still that answer
            return Attempt(at, duration, status, None, error[1] if error else "", body, wait and wait[:200])
        assert error is not None  # noqa: S101 - no status means that something was raised
        return Attempt(at, duration, None, error[0].value, error[1])


@lru_cache
def _timeout_of(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeouts.total, connect=timeouts.connect, sock_read=timeouts.read)


async def _head(response: aiohttp.ClientResponse) -> bytes:
    head, read = b"", 0
    while read < ANSWER_LIMIT and (chunk := await response.content.read(ANSWER_LIMIT - read)):
        read += len(chunk)
        head += chunk[: ANSWER_KEPT - len(head)]
    if not response.content.at_eof():
        response.close()
    return head


def _kind(error: Exception) -> ErrorKind:
    if isinstance(error, CannotSend | aiohttp.InvalidURL):
        return ErrorKind.INVALID
    if refusal(error) is not None:
        return ErrorKind.REFUSED
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ErrorKind.CONNECT_TIMEOUT
    if isinstance(error, TimeoutError):
        return ErrorKind.READ_TIMEOUT
    if isinstance(error, aiohttp.ClientSSLError):
        return ErrorKind.TLS
    if isinstance(error, aiohttp.ClientConnectorError):
        return ErrorKind.CONNECTION
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return ErrorKind.RESET
    if isinstance(error, aiohttp.ClientError):
        return ErrorKind.PROTOCOL
    return ErrorKind.INTERNAL


def _words(error: Exception) -> str:
    return f"{refusal(error) or error or type(error).__name__}"[:500] or type(error).__name__
