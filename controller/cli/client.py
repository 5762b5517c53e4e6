"""A daemon, as a command asks it: one request a connection, JSON both ways (``console.api``), each failure in words.

Plain ``http.client``, which loads in a few milliseconds, and may be used by several threads.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from controller.cli.output import safe
from controller.cli.values import WRONG_USE, CommandFailed

ROOT = "/console/api"
MOST = 64 * 1024 * 1024
"""Bytes of an answer; the largest page has a few hundred kilobytes."""
PAGE = 200

Query = Mapping[str, str | int | float | Sequence[str] | None]


class NoAnswer(CommandFailed):
    """Nobody answers, or nobody who is a daemon."""


class Refused(CommandFailed):
    """The daemon's own refusal: HTTP's ``status``, its words, and in how many seconds it may be otherwise."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"fsrec: {message}")
        self.status = status
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Address:
    """Where a daemon is. ``own``: on this machine, with a certificate that is made out to another name."""

    host: str
    port: int
    tls: bool = False
    path: str = ""
    own: bool = False

    @classmethod
    def parse(cls, url: str) -> Address:
        """Return what a URL names. Raises CommandFailed."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username is not None:
            words = f"fsrec: --url {url!r} should be http(s)://host[:port], as https://rec.example.com"
            raise CommandFailed(words, WRONG_USE)
        tls = parts.scheme == "https"
        return cls(parts.hostname, port or (443 if tls else 80), tls, parts.path.rstrip("/"))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Client:
    """Asks a daemon. ``mend`` says what would be right where nobody answers, ``whose`` whose credentials it has."""

    address: Address
    authorization: str = field(default="", repr=False)
    mend: str = ""
    whose: str = ""
    timeout: float = 30.0

    def get(self, path: str, query: Query | None = None) -> Any:
        """Return what is at a path of the API. Raises NoAnswer, Refused."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        asked = f"?{urlencode(given, doseq=True)}" if given else ""
        return self._asked("GET", f"{ROOT}{path}{asked}", None, self.timeout)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, timeout: float | None = None) -> Any:
        """Have something done, and return the answer. Raises NoAnswer, Refused."""
        return self._asked("POST", f"{ROOT}{path}", body or {}, timeout or self.timeout)

    def alive(self) -> bool:
        """Tell whether a daemon answers."""
        try:
            return self._request("GET", "/healthz", None, self.timeout)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def pages(self, path: str, key: str, query: Query, most: int | None) -> Iterator[list[dict[str, Any]]]:
        """Yield a list's pages, of ``most`` rows in all (None: however many there are)."""
        left, before = most, None
        while left is None or left > 0:
            limit = PAGE if left is None else min(PAGE, left)
            found = self.get(path, {**query, "limit": limit, "before": before})
            rows = found[key]
            yield rows
            before = found["next"]
            left = None if left is None else left - len(rows)
            if before is None:
                return

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float) -> Any:
        try:
            status, headers, text = self._request(method, path, body, timeout)
        except ssl.SSLCertVerificationError as error:
            why = f"{error.verify_message}; name its authority in SSL_CERT_FILE"
            raise NoAnswer(f"fsrec: {self.address} is not trusted: {why}") from None
        except TimeoutError:
            raise NoAnswer(f"fsrec: {self.address} did not answer within {timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NoAnswer(f"fsrec: no daemon answers at {self.address}: {why}; {self.mend}") from None
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if status < 300 and answer is not None:
            return answer
        if status == 401 and self.whose:
            raise Refused(status, f"{self.address} does not take {self.whose}")
        if not isinstance(answer, dict) or "message" not in answer:
            raise NoAnswer(f"fsrec: {self.address} answers {status}, and not as a fsrec of this version; {self.mend}")
        message = answer["message"]
        if status == 404 and message == "Not Found":  # of a path, not of a thing
            message = f"{self.address} has no {ROOT}: it is a fsrec of another version, or something else"
        raise Refused(status, safe(message), _seconds(headers.get("Retry-After")))

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self._connection(timeout)
        headers = {"Accept": "application/json", "Connection": "close"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, self.address.path + path, data, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read(MOST)
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        address = self.address
        if not address.tls:
            return http.client.HTTPConnection(address.host, address.port, timeout=timeout)
        context = ssl.create_default_context()
        if address.own:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(address.host, address.port, timeout=timeout, context=context)


def segment(text: str) -> str:
    """Return text as one segment of a path. Raises CommandFailed for what can be none."""
    if text in {"", ".", ".."}:
        raise CommandFailed(f"fsrec: {text!r} is no id and no name", WRONG_USE)
    return quote(text, safe="")


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
