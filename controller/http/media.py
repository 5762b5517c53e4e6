"""A recording's file under its URL: whole or in part (RFC 9110 sections 13 and 14), as soon as it is announced.

aiohttp's FileResponse is not used: it follows links, serves a neighbour ``….gz``, knows no ETag of ours, ignores an
If-Range that holds an ETag, and lets a client take for ever.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from controller.http.base import DownloadBroken, error_response
from controller.http.basic import Authorize
from controller.media import wav
from controller.media.copies import TYPES
from controller.media.variants import Variant
from controller.recordings.model import Recording
from controller.recordings.ports import MediaAway

CHUNK = 1 << 16
WRITE_TIMEOUT = 30.0
WORKERS = 8
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE | re.ASCII)

Find = Callable[[str], Awaitable[Recording | None]]
Opened = Callable[[Recording], AbstractContextManager[int]]
Elsewhere = Callable[[Recording, str], Awaitable["Remote"]]


class Remote(Protocol):
    """What serves a recording's file that is not here (``media.archive.Remote``)."""

    @property
    def size(self) -> int:
        """Return its bytes."""
        ...

    @property
    def modified(self) -> float:
        """Return when it was last changed, in Unix seconds."""
        ...

    def pieces(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Give [start, end), which is not empty. Raises FileNotFoundError, MediaAway."""
        ...


class Fail(Protocol):
    """Makes an error's answer, as ``base.error_response`` does."""

    def __call__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
        """Return it."""
        ...


@dataclass(frozen=True, slots=True)
class _Version:
    """What a client may have already: the strong ETag, and the time of the last change in whole seconds."""

    etag: str
    modified: datetime
    size: int

    def unmet(self, request: web.Request) -> int | None:
        """Return the status that a precondition demands instead of the file, in the order of RFC 9110 13.2.2."""
        if request.if_match is not None:
            if not any(tag.value in {"*", self.etag} and not tag.is_weak for tag in request.if_match):
                return 412
        elif request.if_unmodified_since is not None and self.modified > request.if_unmodified_since:
            return 412
        if request.if_none_match is not None:
            return 304 if any(tag.value in {"*", self.etag} for tag in request.if_none_match) else None
        if request.if_modified_since is not None and self.modified <= request.if_modified_since:
            return 304
        return None

    def part(self, request: web.Request) -> tuple[int, int] | None:
        """Return [start, end) of the range asked for, None for the whole. Raises ValueError for one that isn't there.

        Several ranges, other units and ranges of another version are answered with the whole, as the RFC allows.
        """
        matched = _RANGE.fullmatch(request.headers.get("Range", ""))
        if matched is None or matched.groups() == ("", "") or not self._current(request):
            return None
        first, last = matched.groups()
        if not first:
            start, end = max(0, self.size - int(last)), self.size
        else:
            start, end = int(first), min(self.size, int(last) + 1 if last else self.size)
            if last and int(last) < start:
                return None
        if start >= end:
            raise ValueError(f"bytes {start} and on of {self.size}")
        return start, end

    def _current(self, request: web.Request) -> bool:
        condition = request.headers.get("If-Range")
        if condition is None:
            return True
        return condition.strip() == f'"{self.etag}"' or request.if_range == self.modified


def ready(recording: Recording) -> bool:
    """Tell whether a recording's file can be had."""
    return recording.state.final and recording.measured is not None and recording.deleted_at is None


class Downloads:
    """The route. ``write_timeout`` is the seconds that a client may take for 64 KiB.

    ``authorize`` answers whom it refuses, before they learn whether there is such a recording; without it downloads
    are ``public``: an unguessable URL is enough.
    ``elsewhere`` finds a recording's own file, in a format, where ``opened`` finds that it is not here.
    """

    def __init__(
        self,
        find: Find,
        opened: Opened,
        authorize: Authorize | None = None,
        *,
        elsewhere: Elsewhere | None = None,
        observe: Callable[[object], None] = lambda _: None,
        write_timeout: float = WRITE_TIMEOUT,
    ) -> None:
        self._find = find
        self._opened = opened
        self._authorize = authorize
        self.public = authorize is None
        self._elsewhere = elsewhere
        self._observe = observe
        self._write_timeout = write_timeout
        # Its own threads: a disk that hangs must not hold up whoever uses the loop's.
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="download")

    def register(self, router: web.UrlDispatcher) -> None:
        """Add GET and HEAD of ``/api/v1/recordings/{id}/download``."""
        router.add_get("/api/v1/recordings/{id}/download", self.download)

    async def close(self) -> None:
        """End the threads; reads that hang are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Answer with a recording that is ready, in its own format; 404 for any other."""
        identity = request.match_info["id"]
        recording = await self._find(identity) if _ID.fullmatch(identity) else None
        if self._authorize is not None:
            refusal = await self._authorize(request, recording)
            if refusal is not None:
                return refusal
        if recording is None or not ready(recording):
            return error_response(404, "there is no such recording, or it is not ready")
        return await self.serve(request, recording)

    async def serve(
        self,
        request: web.Request,
        recording: Recording,
        variant: Variant | None = None,
        *,
        content_type: str | None = None,
        failed: Fail = error_response,
    ) -> web.StreamResponse:
        """Answer GET or HEAD with a final recording's own file, or with a ``variant`` of it.

        ``content_type`` stands in for the one that its format has here; ``failed`` makes what is answered where there
        is no file to be had. Whether it may be had is not looked at.
        """
        own = recording.measured.format if recording.measured is not None else "wav"
        form = own if variant is None else variant.format
        file: _File | _Object = _File(self._pool, self._opened, recording, variant)
        try:
            try:
                found = await file.found()
            except (FileNotFoundError, KeyError):  # or of a switch that is in no settings of ours
                if self._elsewhere is None or not (variant is None or variant.own):
                    raise
                file = _Object(await self._elsewhere(recording, form))
                found = await file.found()
            mark = "" if variant is None else f"{variant.mark}-"
            changed = datetime.fromtimestamp(int(found.modified), UTC)
            version = _Version(f"{recording.revision}-{mark}{found.size}", changed, found.size)
            return await self._respond(request, recording, file, version, form, content_type or TYPES[form])
        except (FileNotFoundError, ValueError, KeyError) as error:
            self._broken(recording, 0, error)
            return failed(404, "the file of this recording is gone")
        except (OSError, MediaAway) as error:
            if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
                raise  # the client left before its answer began, as players do that look for their place
            self._broken(recording, 0, error)
            return failed(503, "the file of this recording can't be read now", {"Retry-After": "60"})
        finally:
            file.close()

    async def _respond(
        self,
        request: web.Request,
        recording: Recording,
        file: _File | _Object,
        version: _Version,
        form: str,
        content_type: str,
    ) -> web.StreamResponse:
        headers = {
            "ETag": f'"{version.etag}"',
            "Last-Modified": format_datetime(version.modified, usegmt=True),
            "Cache-Control": "private, no-cache",
            "Accept-Ranges": "bytes",
        }
        unmet = version.unmet(request)
        if unmet == 412:
            return error_response(412, "this is not the version that was asked for", headers)
        if unmet is not None:
            return web.Response(status=unmet, headers=headers)
        try:
            part = version.part(request) if request.method == "GET" else None
        except ValueError as error:
            headers["Content-Range"] = f"bytes */{version.size}"
            return error_response(416, f"there are no {error}", headers)
        start, end = part or (0, version.size)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{version.size}"
        headers["Content-Type"] = content_type
        headers["Content-Disposition"] = f'inline; filename="{recording.id}.{form}"'
        response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
        response.content_length = end - start
        # The first bytes are read before the status is sent: a file that can't be read must not be promised.
        if request.method != "GET":
            await response.prepare(request)
            return response
        async with aclosing(file.pieces(start, end)) as pieces:
            first = await anext(pieces, b"")
            await response.prepare(request)
            await self._send(request, response, recording, first, pieces)
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        recording: Recording,
        data: bytes,
        pieces: AsyncIterator[bytes],
    ) -> None:
        """Send ``data`` and the pieces that follow it; break the connection where that isn't possible."""
        sent = 0
        try:
            while data:
                for part in (data[at : at + CHUNK] for at in range(0, len(data), CHUNK)):
                    async with asyncio.timeout(self._write_timeout):
                        await response.write(part)
                    sent += len(part)
                data = await anext(pieces, b"")
            async with asyncio.timeout(self._write_timeout):
                await response.write_eof()
        except (OSError, MediaAway) as error:  # TimeoutError, a lost client, a failing disk or media store alike
            self._broken(recording, sent, error)
            if request.transport is not None:
                request.transport.abort()

    def _broken(self, recording: Recording, sent: int, error: Exception) -> None:
        size = recording.measured.size if recording.measured is not None else 0
        self._observe(DownloadBroken(recording.id, sent, size, f"{type(error).__name__}: {error}"))


class _Found(NamedTuple):
    size: int
    modified: float


class _File:
    """A recording's file, opened and read in the pool; it is closed only after a read that goes on has ended."""

    def __init__(
        self, pool: ThreadPoolExecutor, opened: Opened, recording: Recording, variant: Variant | None
    ) -> None:
        self._pool = pool
        self._recording = recording
        self._variant = variant
        self._stack = ExitStack()
        self._descriptor = -1
        self._job: Future[Any] = pool.submit(self._open, opened)

    async def found(self) -> _Found:
        """Return what it is. Raises as opening does."""
        found: _Found = await asyncio.wrap_future(self._job)
        return found

    async def pieces(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Give [start, end) in pieces of up to 64 KiB. Raises OSError, also where the file became shorter."""
        while start < end:
            self._job = self._pool.submit(os.pread, self._descriptor, min(CHUNK, end - start), start)
            data: bytes = await asyncio.wrap_future(self._job)
            if not data:
                raise OSError(f"the file ends before byte {start}, it was longer")
            start += len(data)
            yield data

    def close(self) -> None:
        """Close it: a descriptor closed under a read could be another file's by the time the read happens."""
        self._job.add_done_callback(lambda _: self._stack.close())

    def _open(self, opened: Opened) -> _Found:
        file = opened(self._recording) if self._variant is None else wav.opened(self._variant.path)
        self._descriptor = self._stack.enter_context(file)
        known = os.fstat(self._descriptor)
        return _Found(known.st_size, known.st_mtime)


class _Object:
    """A recording's file that the media store has."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def found(self) -> _Found:
        return _Found(self._remote.size, self._remote.modified)

    async def pieces(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        if start < end:
            async for piece in self._remote.pieces(start, end):
                yield piece

    def close(self) -> None:
        """Do nothing: it ends with its pieces."""
