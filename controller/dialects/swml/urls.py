"""What of a request a document may choose: its URL, its headers, its body."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from controller.dialects.swml.messages import Wrong, quoted
from controller.dialects.swml.rows import Kind

MAX_URL = 2048
"""Characters of a URL."""

MOST_HEADERS = 32
LONGEST_HEADER = 4_096
"""Characters of a header's value: a bearer token has a thousand or two."""

LONGEST_BODY = 65_536
"""Characters of a body."""

_URL = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+\Z")
_AUTHORITY = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_UNWRITTEN = re.compile(r'[ "<>\\^`{|}]|[^\x00-\x7f\ud800-\udfff]')
_HEADER = re.compile(r"(?:accept|authorization|content-type|range|x-[a-z0-9!#$%&'*+.^_`|~-]{1,62})\Z", re.IGNORECASE)
_VALUE = re.compile(r"[\x20-\x7e\t]*\Z")


def is_url(text: str) -> bool:
    """Tell whether a text begins as an http or https URL does."""
    return text[:8].lower().startswith(("http://", "https://"))


def check_url(text: str) -> None:
    """Refuse what is no http or https URL that a request line can hold. Raises Wrong."""
    if len(text) > MAX_URL:
        raise Wrong(f"must have at most {MAX_URL} characters; got {len(text)}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    else:
        if parts.scheme not in {"http", "https"}:
            host = None
    if not host or port == 0:
        raise Wrong(f"must be {Kind.URL} with a host; got {quoted(text)}")
    if not _URL.match(text):
        raise Wrong(f"must be {Kind.URL} whose other characters are percent-encoded; got {quoted(text)}")


def encoded(text: str) -> str:
    """Return a URL in which variables left what it cannot hold, as browsers send it: percent-encoded behind its host.

    Control characters stay as they are: nobody means them.
    """
    authority = _AUTHORITY.match(text)
    if authority is None:
        return text
    rest = text[authority.end() :]
    return authority[0] + _UNWRITTEN.sub(lambda found: quote(found[0], safe=""), rest)


def check_header_name(name: str) -> None:
    """Refuse a header that a document may not set. Raises Wrong."""
    if not _HEADER.match(name):
        raise Wrong(f"must be Accept, Authorization, Content-Type, Range or an X- header; got {quoted(name)}")


def check_header(value: str) -> None:
    """Refuse a header's value that would be more than one, or that is too long. Raises Wrong."""
    if len(value) > LONGEST_HEADER:
        raise Wrong(f"must have at most {LONGEST_HEADER} characters; got {len(value)}")
    if not _VALUE.match(value):
        raise Wrong(f"must be printable ASCII on one line; got {quoted(value)}")


def check_body(text: str) -> None:
    """Refuse a body that is too long. Raises Wrong."""
    if len(text) > LONGEST_BODY:
        raise Wrong(f"must have at most {LONGEST_BODY} characters; got {len(text)}")
