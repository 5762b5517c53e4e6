"""Files fetched from servers that may be away, slow, endless or hostile, and kept as HTTP lets them be (RFC 9111).

A body goes to disk piece by piece and is cut off at the first byte too many. What is kept is found by its whole URL,
credentials included, in memory only: names on disk are random, so they tell nothing and a restart begins anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import aiohttp

from controller.documents.fetch import DocumentRequest, FetchFailed, Patience
from controller.web.client import WebClient, chunks
from controller.web.guard import AddressGuard

PATIENCE = Patience(5.0, 10.0, 30.0, 3)
LIMIT = 50 << 20
MOST_BYTES = 1 << 30
MOST_FILES = 500
KEPT = 120.0
"""Seconds for which a file stays after it was given: whoever got it is still reading it."""
_WRITTEN = 256 * 1024
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,500}")


@dataclass(frozen=True, slots=True)
class Download:
    """A file as it was fetched; ``digest`` is its content's SHA-256. ``fresh``: nobody was asked for it now."""

    path: Path
    digest: str
    size: int
    fresh: bool = False


@dataclass(slots=True)
class _Entry:
    """What is kept: the file, the URL it came from in the end, how it is validated, until when that isn't needed."""

    file: Download
    located: str
    validators: tuple[tuple[str, str], ...]
    until: float
    used: float


class Downloads(WebClient):
    """Files by URL, in ``directory``, which is this object's alone; ``start`` empties it.

    A file has ``limit`` bytes at most, all together, those arriving included, ``most_bytes`` and ``most_files``.
    Those not asked for longest go, none ``kept`` seconds after it was given.
    """

    def __init__(
        self,
        guard: AddressGuard,
        directory: Path,
        *,
        patience: Patience = PATIENCE,
        limit: int = LIMIT,
        most_bytes: int = MOST_BYTES,
        most_files: int = MOST_FILES,
        kept: float = KEPT,
        in_flight: int = 100,
        per_origin: int = 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(guard, in_flight=in_flight, per_origin=per_origin)
        self._directory = directory
        self._patience = patience
        self._limit = limit
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._kept = kept
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Download]] = {}
        self._bytes = 0
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="downloads")

    async def start(self) -> None:
        """Make the directory, empty. Raises OSError."""

        def work() -> None:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in self._directory.iterdir():
                if not path.is_dir():
                    path.unlink(missing_ok=True)

        await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def close(self) -> None:
        """Give up what is being fetched, and close the connections."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await super().close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def get(self, url: str) -> Download:
        """Return what lies at a URL, as long as that is fresh without asking; ``user:password@`` goes out as Basic.

        What is wanted by several at once is asked for once. The file may be read for ``kept`` seconds.
        Raises FetchFailed.
        """
        entry = self._entries.get(url)
        if entry is not None and self._clock() < entry.until:
            return replace(self._given(url, entry), fresh=True)
        if url not in self._asking:
            task = asyncio.create_task(self._fetch(url, entry))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            task.add_done_callback(lambda _: self._asking.pop(url, None))
            self._asking[url] = task
        return await asyncio.shield(self._asking[url])

    async def _fetch(self, url: str, known: _Entry | None) -> Download:
        visited: list[str] = []

        def render(method: str, url: str) -> DocumentRequest:
            visited.append(url)
            headers = known.validators if known is not None and known.located == url else ()
            return DocumentRequest(method, url, headers)

        async def take(response: aiohttp.ClientResponse) -> Download:
            # What is at the end of a redirect is asked for each time: where it leads may change.
            lasting = self._lasting(response) if len(visited) == 1 else 0.0
            if response.status == 304 and known is not None and known.located == visited[-1]:
                known.until = self._clock() + (lasting or 0.0)
                return self._given(url, known)
            if response.status != 200:
                response.close()
                raise FetchFailed(f"answered with status {response.status}; audio comes with 200")
            if response.content_length is not None and response.content_length > self._limit:
                response.close()
                raise FetchFailed(f"{response.content_length} bytes; audio may have {self._limit}")
            file = await self._stored(response)
            validators = _validators(response)
            kept = self._alike(file, None if lasting is None else url)
            if kept is not None:
                self._remove(file)
                file, kept.used = kept.file, self._clock()
            if lasting is None:  # not to be kept: whoever asked has it, and nobody finds it any more
                if kept is None:
                    self._entries[file.path.name] = _Entry(file, "", (), 0.0, self._clock())
            else:
                if kept is None:
                    self._drop(url)
                now = self._clock()
                self._entries[url] = _Entry(file, visited[-1], validators, now + lasting, now)
                self._entries.move_to_end(url)
            return file

        if known is not None:
            known.used = self._clock()
        return await self.ask("GET", url, render, self._patience, take)

    def _given(self, url: str, entry: _Entry) -> Download:
        entry.used = self._clock()
        if url in self._entries:
            self._entries.move_to_end(url)
        return entry.file

    def _alike(self, file: Download, url: str | None) -> _Entry | None:
        """Return what holds the same bytes already, of ``url`` or, without one, of any: one file of them is enough.

        A greeting that no server lets be kept would else be as many files as calls hear it.
        """
        if url is None:
            return next((entry for entry in self._entries.values() if entry.file.digest == file.digest), None)
        entry = self._entries.get(url)
        return entry if entry is not None and entry.file.digest == file.digest else None

    def _drop(self, url: str) -> None:
        """Forget what a URL had; its file stays while somebody may read it."""
        entry = self._entries.pop(url, None)
        if entry is not None:
            self._entries[entry.file.path.name] = entry

    async def _stored(self, response: aiohttp.ClientResponse) -> Download:
        path = self._directory / uuid4().hex
        digest, size, waiting = hashlib.sha256(), 0, bytearray()
        writing: Future[None] | None = None

        def work(data: bytes) -> None:
            digest.update(data)
            try:
                with open(path, "ab", opener=_private) as file:
                    file.write(data)
            except OSError as error:
                # Applications are told it: no path of this machine.
                raise FetchFailed(f"can't be kept in data_dir: {error.strerror or 'no reason given'}") from error

        async def write() -> None:
            nonlocal writing
            self._make_room()
            writing = self._threads.submit(work, bytes(waiting))
            waiting.clear()
            await asyncio.wrap_future(writing)

        try:
            async for chunk in chunks(response, self._limit, "audio"):
                size += len(chunk)
                self._bytes += len(chunk)
                waiting += chunk
                if len(waiting) >= _WRITTEN:
                    await write()
            await write()
        except BaseException:
            self._bytes -= size
            if writing is not None:  # it may go on, though nobody waits for it
                writing.add_done_callback(lambda _: path.unlink(missing_ok=True))
            raise
        return Download(path, digest.hexdigest(), size)

    def _make_room(self) -> None:
        """Remove what was not given lately until all is within its bounds. Raises FetchFailed where it can't be."""
        now = self._clock()
        for key in [key for key, entry in self._entries.items() if key == entry.file.path.name]:
            if now - self._entries[key].used >= self._kept:  # nobody finds it any more
                self._forget(key)
        while self._bytes > self._most_bytes or len(self._entries) >= self._most_files:
            url = next((url for url, entry in self._entries.items() if now - entry.used >= self._kept), None)
            if url is None:
                raise FetchFailed(
                    f"there is no room for it: {len(self._entries)} files are in use, {self._bytes} bytes with those "
                    f"that arrive; {self._most_files} and {self._most_bytes} are the bounds"
                )
            self._forget(url)

    def _forget(self, key: str) -> None:
        self._remove(self._entries.pop(key).file)

    def _remove(self, file: Download) -> None:
        self._bytes -= file.size
        self._threads.submit(file.path.unlink, missing_ok=True)

    def _lasting(self, response: aiohttp.ClientResponse) -> float | None:
        """Return the seconds for which an answer is fresh, None where it must not be kept at all."""
        said: dict[str, str] = {}
        for line in response.headers.getall("Cache-Control", []):
            for directive in line.lower().split(","):
                name, _, value = directive.strip().partition("=")
                said[name.strip()] = value.strip().strip('"')
        if "no-store" in said:
            return None
        if "no-cache" in said:
            return 0.0
        return max(0.0, _seconds(said.get("max-age", "")) - _seconds(response.headers.get("Age", "")))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0.0


def _validators(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    pairs = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
    found = ((asked, response.headers.get(given, "")) for given, asked in pairs)
    return tuple((asked, value) for asked, value in found if _VALIDATOR.fullmatch(value))
