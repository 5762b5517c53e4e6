"""URLs of documents: resolved against the document's own, written as a request line can hold them."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

MAX_URL = 4_096
"""Characters of a URL."""

_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"
"""What is not percent-encoded, beside letters, digits, ``-``, ``.`` and ``_``: `%` too, which begins what is."""


class BadUrl(ValueError):
    """A URL that no request can be made to; the text says what would be right."""


def resolve(base: str, written: str) -> str:
    """Return the URL that ``written`` is in a document at ``base`` (empty: in a file). Raises BadUrl.

    What a URL cannot hold, a space for instance, is percent-encoded. An empty one is the document's own.
    """
    written = written.strip()
    if len(written) > MAX_URL:
        raise BadUrl(f"a URL has at most {MAX_URL} characters; got {len(written)}")
    bare = base.partition("#")[0]
    try:
        # One that is whole stays as it is written: its receiver may check a signature of it.
        joined = written if urlsplit(written).scheme else urljoin(bare, written)
        joined = quote(joined, safe=_AS_IT_IS, errors="replace")
        parts = urlsplit(joined)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good, parts = False, urlsplit("")
    if good:
        return joined
    if not base and not parts.scheme:
        raise BadUrl("a relative URL, and the document is a file: write the whole URL, https://…")
    raise BadUrl("must be an http or https URL with a host, or relative to the document's")
