"""A recording's file under its URL: whole or in part (RFC 9110 sections 13 and 14), as soon as it is announced.

aiohttp's FileResponse is not used: it follows links, serves a neighbour ``….gz``, knows no ETag of ours, ignores an
If-Range that holds an ETag, and lets a client take for ever.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Protocol

from aiohttp import web

from controller.http.base import DownloadBroken, error_response
from controller.http.basic import Authorize
from controller.media import wav
from controller.media.variants import Variant
from controller.recordings.model import Recording

CHUNK = 1 << 16
WRITE_TIMEOUT = 30.0
WORKERS = 8
TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "mp4": "audio/mp4"}
"""What the formats of recordings are called in HTTP."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE | re.ASCII)

Find = Callable[[str], Awaitable[Recording | None]]
Opened = Callable[[Recording], AbstractContextManager[int]]


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
    """

    def __init__(
        self,
        find: Find,
        opened: Opened,
        authorize: Authorize | None = None,
        *,
        observe: Callable[[object], None] = lambda _: None,
        write_timeout: float = WRITE_TIMEOUT,
    ) -> None:
        self._find = find
        self._opened = opened
        self._authorize = authorize
        self.public = authorize is None
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
        file = _File(self._pool, self._opened, recording, variant)
        try:
            version = await file.version()
            return await self._respond(request, recording, file, version, form, content_type or TYPES[form])
        except (FileNotFoundError, ValueError, KeyError) as error:
            self._broken(recording, 0, error)
            return failed(404, "the file of this recording is gone")
        except OSError as error:
            self._broken(recording, 0, error)
            return failed(503, "the file of this recording can't be read now", {"Retry-After": "60"})
        finally:
            file.close()

    async def _respond(
        self,
        request: web.Request,
        recording: Recording,
        file: _File,
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
        first = await file.read(min(CHUNK, end - start), start) if request.method == "GET" else b""
        await response.prepare(request)
        if request.method == "GET":
            await self._send(request, response, recording, file, first, start, end)
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        recording: Recording,
        file: _File,
        data: bytes,
        start: int,
        end: int,
    ) -> None:
        """Send [start, end), of which ``data`` has been read; break the connection where that isn't possible."""
        position = start
        try:
            while position < end:
                async with asyncio.timeout(self._write_timeout):
                    await response.write(data)
                position += len(data)
                data = await file.read(min(CHUNK, end - position), position) if position < end else b""
            async with asyncio.timeout(self._write_timeout):
                await response.write_eof()
        except OSError as error:  # TimeoutError, a lost client and a failing disk alike
            self._broken(recording, position - start, error)
            if request.transport is not None:
                request.transport.abort()

    def _broken(self, recording: Recording, sent: int, error: Exception) -> None:
        size = recording.measured.size if recording.measured is not None else 0
        self._observe(DownloadBroken(recording.id, sent, size, f"{type(error).__name__}: {error}"))


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

    async def version(self) -> _Version:
        """Return what it is. Raises as opening does."""
        size, modified = await asyncio.wrap_future(self._job)
        mark = "" if self._variant is None else f"{self._variant.mark}-"
        changed = datetime.fromtimestamp(int(modified), UTC)
        return _Version(f"{self._recording.revision}-{mark}{size}", changed, size)

    async def read(self, count: int, offset: int) -> bytes:
        """Return 1 to ``count`` bytes, none for a count of 0. Raises OSError, also where the file became shorter."""
        self._job = self._pool.submit(os.pread, self._descriptor, count, offset)
        data: bytes = await asyncio.wrap_future(self._job)
        if not data and count:
            raise OSError(f"the file ends before byte {offset}, it was longer")
        return data

    def close(self) -> None:
        """Close it: a descriptor closed under a read could be another file's by the time the read happens."""
        self._job.add_done_callback(lambda _: self._stack.close())

    def _open(self, opened: Opened) -> tuple[int, float]:
        file = opened(self._recording) if self._variant is None else wav.opened(self._variant.path)
        self._descriptor = self._stack.enter_context(file)
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime
