"""Files fetched from servers that may be away, slow, endless or hostile, and kept as HTTP lets them be (RFC 9111).

A body goes to disk piece by piece and is cut off at the first byte too many. What is kept is found by its whole URL,
credentials included, in memory only: names on disk are random, so they tell nothing and a restart begins anew.
A file stays while somebody reads it, and after that, where it may be kept, until there is no more room.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import aiohttp
from yarl import URL

from controller.documents.fetch import DocumentRequest, FetchFailed, Patience
from controller.turns import Turns
from controller.web.client import WebClient, chunks
from controller.web.guard import AddressGuard

PATIENCE = Patience(5.0, 10.0, 30.0, 3)
LIMIT = 50 << 20
MOST_BYTES = 1 << 30
MOST_FILES = 20_000
IN_FLIGHT = 100
EACH = 25
"""Files that are fetched for one account at a time; from one origin a half of what may be from there."""
PER_ORIGIN = 20
_WRITTEN = 256 * 1024
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,500}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Download:
    """A file as it was fetched; ``digest`` is its content's SHA-256. ``fresh``: nobody was asked for it now."""

    path: Path
    digest: str
    size: int
    fresh: bool = False


@dataclass(slots=True, eq=False)
class _Entry:
    """A file that is there: where its URL led in the end, how it is validated, until when that isn't needed.

    ``held``: how many read it, or wait for it; ``url`` is by what it is found, None for one that isn't any more.
    """

    file: Download
    url: str | None = None
    located: str = ""
    validators: tuple[tuple[str, str], ...] = ()
    until: float = 0.0
    held: int = 0


@dataclass(slots=True)
class _Asking:
    """A fetch that is under way, and how many wait for it."""

    task: asyncio.Task[_Entry]
    waiting: int = 0


@dataclass(slots=True)
class _Origin:
    """The turns at one origin, and how many want or have one."""

    turns: Turns
    users: int = field(default=0)


class Downloads(WebClient):
    """Files by URL, in ``directory``, which is this object's alone; ``start`` empties it.

    A file has ``limit`` bytes at most, all together, those arriving included, ``most_bytes`` and ``most_files``;
    ``least_free`` bytes of the disk stay free. Those not asked for longest go, none that is read.
    ``in_flight`` are fetched at a time, ``per_origin`` of them from one origin, ``each`` of them for one account
    (from one origin a half); the account that has the fewest goes first.
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
        least_free: int = 0,
        in_flight: int = IN_FLIGHT,
        each: int = EACH,
        per_origin: int = PER_ORIGIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Turns are taken here; redirects lead where they want, as many as ``each`` for an account.
        super().__init__(guard, in_flight=in_flight, per_origin=in_flight)
        self._directory = directory
        self._patience = patience
        self._limit = limit
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._least_free = least_free
        self._per_origin = per_origin
        self._clock = clock
        self._turns = Turns(in_flight, each)
        self._origins: dict[str, _Origin] = {}
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._found: dict[str, _Entry] = {}
        self._asking: dict[tuple[str, str], _Asking] = {}
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
        asking = [asking.task for asking in self._asking.values()]
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await super().close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    @asynccontextmanager
    async def get(self, url: str, account: str = "") -> AsyncIterator[Download]:
        """Give what lies at a URL, as long as that is fresh without asking; ``user:password@`` goes out as Basic.

        What is wanted by several of an account at once is asked for once. The file is there within the block.
        Raises FetchFailed.
        """
        entry = self._found.get(url)
        fresh = entry is not None and self._clock() < entry.until
        if entry is None or not fresh:
            entry = await self._fetched(url, account, entry)
        else:
            entry.held += 1
            self._entries.move_to_end(entry.file.path.name)
        try:
            yield replace(entry.file, fresh=fresh)
        finally:
            self._let_go(entry)

    async def _fetched(self, url: str, account: str, known: _Entry | None) -> _Entry:
        """Return what a fetch for an account brings, held once more for whoever asked."""
        key = (account, url)
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = _Asking(asyncio.create_task(self._led(key, known)))
            asking.task.add_done_callback(lambda done: done.cancelled() or done.exception())
            asking.task.add_done_callback(lambda done: self._over(key, done))
        asking.waiting += 1
        try:
            return await asyncio.shield(asking.task)
        except BaseException:
            asking.waiting -= 1
            task = asking.task
            if task.done() and not task.cancelled() and task.exception() is None:  # it was held for us already
                self._let_go(task.result())
            raise

    async def _led(self, key: tuple[str, str], known: _Entry | None) -> _Entry:
        """Fetch in turn, and hold what comes for all who wait: nobody may remove it before they are awake."""
        account, url = key
        if known is not None:
            known.held += 1
        try:
            entry = await self._in_turn(url, account, known)
            entry.held += self._asking.pop(key).waiting
            self._let_go(entry)  # those who wait have it now
            return entry
        finally:
            if known is not None:
                self._let_go(known)

    def _over(self, key: tuple[str, str], task: asyncio.Task[_Entry]) -> None:
        asking = self._asking.get(key)
        if asking is not None and asking.task is task:
            del self._asking[key]

    async def _in_turn(self, url: str, account: str, known: _Entry | None) -> _Entry:
        try:
            async with (
                asyncio.timeout(self._patience.total),
                self._turn_at(_origin(url), account),
                self._turns.turn(party=account),
            ):
                return await self._fetch(url, known)
        except TimeoutError:
            raise FetchFailed(f"no whole answer within {self._patience.total:g} s") from None

    @asynccontextmanager
    async def _turn_at(self, name: str, account: str) -> AsyncIterator[None]:
        origin = self._origins.setdefault(name, _Origin(Turns(self._per_origin, max(1, self._per_origin // 2))))
        origin.users += 1
        try:
            async with origin.turns.turn(party=account):
                yield
        finally:
            origin.users -= 1
            if not origin.users:
                del self._origins[name]

    async def _fetch(self, url: str, known: _Entry | None) -> _Entry:
        """Return what a URL has, held once."""
        visited: list[str] = []
        taken: list[_Entry] = []

        def had(entry: _Entry) -> _Entry:
            entry.held += 1
            taken.append(entry)
            return entry

        def render(method: str, url: str) -> DocumentRequest:
            visited.append(url)
            headers = known.validators if known is not None and known.located == url else ()
            return DocumentRequest(method, url, headers)

        async def take(response: aiohttp.ClientResponse) -> _Entry:
            # What is at the end of a redirect is asked for each time: where it leads may change.
            lasting = self._lasting(response) if len(visited) == 1 else 0.0
            if response.status == 304 and known is not None and known.located == visited[-1]:
                known.until = self._clock() + (lasting or 0.0)
                self._entries.move_to_end(known.file.path.name)
                return had(known)
            if response.status != 200:
                response.close()
                raise FetchFailed(f"answered with status {response.status}; audio comes with 200")
            if response.content_length is not None and response.content_length > self._limit:
                response.close()
                raise FetchFailed(f"{response.content_length} bytes; audio may have {self._limit}")
            entry = had(_Entry(await self._stored(response)))
            self._entries[entry.file.path.name] = entry
            validators = _validators(response)
            self._drop(url)
            if lasting or (lasting is not None and validators):  # else it could not be given to anybody else
                entry.url, entry.located, entry.validators = url, visited[-1], validators
                entry.until = self._clock() + lasting
                self._found[url] = entry
            return entry

        try:
            return await self.ask("GET", url, render, self._patience, take)
        except BaseException:
            for entry in taken:
                self._let_go(entry)
            raise

    def _drop(self, url: str) -> None:
        """Find no more what a URL had; its file stays while somebody reads it."""
        entry = self._found.pop(url, None)
        if entry is not None:
            entry.url = None
            if not entry.held:
                self._remove(entry)

    def _let_go(self, entry: _Entry) -> None:
        """Have one holder less; a file that nobody holds or finds goes."""
        entry.held -= 1
        if not entry.held and entry.url is None:
            self._remove(entry)

    def _remove(self, entry: _Entry) -> Future[None]:
        del self._entries[entry.file.path.name]
        self._bytes -= entry.file.size
        if entry.url is not None:
            del self._found[entry.url]
        try:
            return self._threads.submit(entry.file.path.unlink, missing_ok=True)
        except RuntimeError:  # closed meanwhile: the next start empties the directory
            gone: Future[None] = Future()
            gone.set_result(None)
            return gone

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
            await self._make_room()
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

    async def _make_room(self) -> None:
        """Remove what is not read until all is within its bounds. Raises FetchFailed where it can't be."""
        while True:
            free = await self._in_thread(self._free)
            much = self._bytes > self._most_bytes or len(self._entries) >= self._most_files
            if not much and free >= self._least_free:
                return
            unread = next((entry for entry in self._entries.values() if not entry.held), None)
            if unread is None:
                raise FetchFailed(
                    "there is no room for it now: the disk is too full"
                    if not much
                    else f"there is no room for it: {len(self._entries)} files are in use, {self._bytes} bytes with "
                    f"those that arrive; {self._most_files} and {self._most_bytes} are the bounds"
                )
            await asyncio.wrap_future(self._remove(unread))

    def _free(self) -> int:
        try:
            return shutil.disk_usage(self._directory).free
        except OSError as error:
            raise FetchFailed(f"can't be kept in data_dir: {error.strerror or 'no reason given'}") from error

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

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


def _origin(url: str) -> str:
    """Return a URL's origin; what is none is refused later, in words."""
    try:
        return str(URL(url).origin())
    except ValueError:
        return ""


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0.0


def _validators(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    pairs = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
    found = ((asked, response.headers.get(given, "")) for given, asked in pairs)
    return tuple((asked, value) for asked, value in found if _VALIDATOR.fullmatch(value))
