"""What a request of fsrec's looks like on the wire, whoever supplied its URL and headers."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import unquote

from multidict import CIMultiDict
from yarl import URL

from controller import __version__

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{0,8000}")
_METHOD = re.compile(r"[A-Z]{1,16}")
_USER_INFO = re.compile(r"(?<=//)[^/?#]*@")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer"})


class CannotSend(ValueError):
    """What is no HTTP request, whatever the receiver does; says what is wrong with it."""


def told(url: str) -> str:
    """Return a URL, or what should be one, as people are told it: without credentials, and without a query's."""
    return _USER_INFO.sub("", url, count=1).partition("?")[0]


def parsed_url(text: str) -> URL:
    """Return a URL, absolute or not; one of visible ASCII stays as it is written. Raises ValueError."""
    return URL(text, encoded=_VISIBLE.fullmatch(text) is not None)


def target_of(url: str) -> tuple[URL, str | None]:
    """Return where to send, without fragment and credentials, and the Authorization that the latter make.

    Raises CannotSend. A URL of visible ASCII goes out as it is written: its receiver checks a signature of it.
    """
    try:
        parsed = parsed_url(url).with_fragment(None)
        known = parsed.scheme in {"http", "https"} and parsed.port is not None
        good = known and _VISIBLE.fullmatch(parsed.raw_host or "") is not None  # URL lets a host have spaces
        user, password = parsed.raw_user, parsed.raw_password
        bare = parsed.with_user(None) if good and (user, password) != (None, None) else parsed
    except ValueError as error:
        raise CannotSend(f"{told(url)!r:.100} is not a URL: {error}") from error
    if not good:
        raise CannotSend(f"{told(url)!r:.100} is not an http or https URL with a host")
    if bare is parsed:
        return parsed, None
    pair = f"{unquote(user or '')}:{unquote(password or '')}"
    return bare, "Basic " + b64encode(pair.encode("utf-8", "replace")).decode()


def headers_of(pairs: Iterable[tuple[str, str]], authorization: str | None) -> CIMultiDict[str]:
    """Return the headers of a request. Raises CannotSend for any that could end a header or frame a message."""
    headers: CIMultiDict[str] = CIMultiDict({"User-Agent": f"fsrec/{__version__}", "Accept": "*/*"})
    if authorization is not None:
        headers["Authorization"] = authorization
    for name, value in pairs:
        if _TOKEN.fullmatch(name) is None or name.lower() in _OURS:
            raise CannotSend(f"header name {name!r:.100} cannot be sent")
        if _VALUE.fullmatch(value) is None:
            raise CannotSend(f"the value of header {name} has control characters or is too long")
        headers[name] = value
    return headers


def method_of(name: str) -> str:
    """Return the method of a request. Raises CannotSend."""
    if _METHOD.fullmatch(name) is None:
        raise CannotSend(f"{name!r:.40} is not an HTTP method")
    return name
