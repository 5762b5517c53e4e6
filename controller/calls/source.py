"""Reads documents: from files bounded and only once while they do not change, from URLs each time anew."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from controller.calls.ports import Languages
from controller.documents.call import Call
from controller.documents.dialect import Account, Dialect
from controller.documents.fetch import DocumentRequest, Fetcher, FetchFailed, Patience, Render, Trouble, named
from controller.documents.fragments import Retried
from controller.documents.steps import Fetched

LIMIT = 1 << 20
"""Bytes a document may have."""

KEPT = 256
"""Documents kept in memory; beyond it, the one that was asked for the longest ago is forgotten."""

_GZIP = b"\x1f\x8b"
_OPENED_AT_ONCE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class SourceFailed(Exception):
    """A document that could not be had; the text says which, why, and what would be right, ``trouble`` in a word."""

    def __init__(self, message: str, trouble: Trouble = Trouble.FILE) -> None:
        super().__init__(message)
        self.trouble = trouble


@dataclass(slots=True)
class Files:
    """Documents from files. A file is read again as soon as its size, time or inode change."""

    _known: dict[str, tuple[tuple[int, int, int], str]] = field(default_factory=dict)

    async def read(self, source: str) -> str:
        """Return a document's text; known ones cost one stat. Raises SourceFailed."""
        if "://" in source:
            raise SourceFailed(f"{named(source)}: documents come from files, or from http and https URLs")
        known = self._known.get(source)
        try:
            mark = _mark(os.stat(source))  # noqa: PTH116 - one stat of a local file, on the way to a start
        except (OSError, ValueError) as error:
            raise _unreadable(source, error) from None
        if known is None or known[0] != mark:
            known = await asyncio.to_thread(_read, source)
        self._known.pop(source, None)
        self._known[source] = known
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return known[1]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where documents come from, and whose they are: files, URLs, the accounts by name."""

    languages: Languages
    accounts: Mapping[str, Account] = field(default_factory=dict)
    fetcher: Fetcher | None = None
    files: Files = field(default_factory=Files)

    def account(self, name: str) -> Account:
        """Return an account. Raises SourceFailed for one that the settings do not have (any more)."""
        found = self.accounts.get(name)
        if found is None:
            raise SourceFailed(f"account {name!r} is no longer in the settings", Trouble.SETTINGS)
        return found

    def asking(self, account: Account, url: str, dialect: str = "") -> Dialect:
        """Return the dialect in which an account's documents are asked for: its vendor's own where none is named.

        Raises SourceFailed where there is none.
        """
        found = self.languages.asking(account.vendor, dialect)
        if found is None or self.fetcher is None:
            only = f"{named(url)}: {account.vendor} accounts have documents in files only"
            raise SourceFailed(only, Trouble.SETTINGS)
        return found

    async def fetched(
        self,
        url: str,
        method: str,
        call: Call,
        account: Account,
        dialect: Dialect,
        given: Mapping[str, Any] | None = None,
    ) -> Fetched:
        """Return the text that a URL gives for a call, whatever its content type. Raises SourceFailed."""
        told = named(url)
        if self.fetcher is None:
            raise SourceFailed(f"{told}: documents come from files only", Trouble.SETTINGS)
        last = url

        def render(by: str, url: str) -> DocumentRequest:
            nonlocal last
            last = url
            return dialect.fetch(call, account, by, url, given, turned=by != method)

        patience = dialect.patience(account, url)
        try:
            raw = await _tried(self.fetcher, method, url, render, patience)
        except FetchFailed as failure:
            raise SourceFailed(f"{told}: {failure}", failure.trouble) from None
        if raw.startswith(_GZIP):
            raise SourceFailed(
                f"{told}: compressed by gzip; answer without Content-Encoding, which is what was asked for",
                Trouble.ENCODING,
            )
        return Fetched(_decoded(told, raw, "answer in UTF-8"), last)


async def _tried(fetcher: Fetcher, method: str, url: str, render: Render, patience: Patience) -> bytes:
    """Ask as often as the vendor does, in the time that it has for all of it. Raises FetchFailed."""
    clock = asyncio.get_running_loop().time
    deadline, left = clock() + patience.total, patience.retries
    while True:
        try:
            return await fetcher.fetch(method, url, render, patience, LIMIT)
        except FetchFailed as failure:
            again = failure.kind is not None and not patience.retried.isdisjoint({failure.kind, Retried.ALL})
            if left == 0 or not again or clock() >= deadline:
                raise
        left -= 1
        patience = replace(patience, total=deadline - clock())


def read_file(source: str | Path) -> str:
    """Return a file's text; never waits for a writer (a FIFO), never reads beyond the limit. Raises SourceFailed."""
    return _read(os.fspath(source))[1]


def _mark(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(source: str) -> tuple[tuple[int, int, int], str]:
    try:
        handle = os.open(source, _OPENED_AT_ONCE)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise SourceFailed(f"{source}: not a regular file; name one that fsrec may read")
            with os.fdopen(handle, "rb", closefd=False) as file:
                raw = file.read(LIMIT + 1)
        finally:  # not left to the file: one of a directory cannot be made, and would not close it
            os.close(handle)
    except (OSError, ValueError) as error:
        raise _unreadable(source, error) from None
    if len(raw) > LIMIT:
        raise SourceFailed(
            f"{source}: {max(found.st_size, len(raw))} bytes; a document may have {LIMIT}", Trouble.SIZE
        )
    return _mark(found), _decoded(source, raw, "save the document as UTF-8")


def _decoded(source: str, raw: bytes, remedy: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceFailed(f"{source}: byte {error.start} is not UTF-8; {remedy}", Trouble.ENCODING) from None


def _unreadable(source: str, error: OSError | ValueError) -> SourceFailed:
    """Say why a file cannot be had; ValueError is what a name with a NUL or half a surrogate pair gives."""
    why = error.strerror if isinstance(error, OSError) else "no file has such a name"
    return SourceFailed(f"{source}: {why}; name a file that fsrec may read")
