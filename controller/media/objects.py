"""Objects in S3-compatible storage. It alone knows obstore; what it raises is ours, bounded and without keys.

Each request is signed with the SHA-256 of what it carries, so a server takes no body that was damaged on its way;
what it then has is looked at once more. Every wait has an end: a store that hangs is one that is away.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from controller.recordings.ports import MediaAway

PART = 8 << 20
"""Bytes of one part of a long object, and of the longest that goes in one request. S3 takes 10,000 of 5 MiB on."""
PARTS_AT_ONCE = 2
CHUNK = 1 << 16
_STATUS = re.compile(r"status code: ([0-9]{3}(?: [A-Za-z -]{1,40})?)")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_CAUSE = re.compile(
    r"(connection refused|connection reset|operation timed out|timed out|dns error|certificate|"
    r"broken pipe|connection closed|error decoding response body)",
    re.IGNORECASE,
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the objects are, and how they are reached; what is None is as the environment has it, as for S3's tools.

    ``endpoint`` is the URL of a server that isn't Amazon's; ``path_style``: its path names the bucket, not its host.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    path_style: bool | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: to connect, until a short request is answered, until a part is taken, between pieces of a body."""

    connect: float = 5.0
    answer: float = 15.0
    part: float = 120.0
    piece: float = 20.0


class Head(NamedTuple):
    """What a store tells of an object; ``modified`` in Unix seconds."""

    size: int
    etag: str
    modified: float


class Damaged(MediaAway):
    """What the store has is not what was put there."""


Read = Callable[[int, int], Awaitable[bytes]]
"""Gives so many bytes (count) from an offset on, fewer only at the end. Raises OSError."""


class Objects:
    """The objects of one place. Names are ours: letters, digits and ``-``, ``.``, ``/``.

    Everything raises MediaAway, with words for the operator, where the store does not do it.
    """

    def __init__(self, place: Place, patience: Patience | None = None) -> None:
        self.place = place
        self._patience = patience or Patience()
        # Of obstore's own tries those that mend a connection that was closed meanwhile; all else is tried by us. Its
        # clocks run longer than ours, which have the words for the operator.
        self._writing = self._store(2 * self._patience.part)
        self._reading = self._store(24 * 3600.0)  # a body may take as long as its client; its pieces may not

    def _store(self, whole: float) -> S3Store:
        place, patience = self.place, self._patience
        config: dict[str, Any] = {"unsigned_payload": False, "disable_bulk_delete": True}
        path_style = place.endpoint is not None if place.path_style is None else place.path_style
        config["virtual_hosted_style_request"] = not path_style
        if place.endpoint is not None:
            config["endpoint"] = place.endpoint if path_style else _of_bucket(place.endpoint, place.bucket)
        for key in ("region", "access_key_id", "secret_access_key", "session_token"):
            if getattr(place, key) is not None:
                config[key] = getattr(place, key)
        http = (place.endpoint or "").startswith("http://")
        try:
            return S3Store(
                place.bucket,
                prefix=place.prefix or None,
                config=config,  # type: ignore[arg-type] # a TypedDict
                client_options={
                    **({"allow_http": True} if http else {}),
                    "connect_timeout": timedelta(seconds=patience.connect),
                    "timeout": timedelta(seconds=whole),
                    "read_timeout": timedelta(seconds=min(whole, 2 * max(patience.piece, patience.answer))),
                },
                retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=2 * patience.answer)},
            )
        except (BaseError, ValueError) as error:
            raise ValueError(f"{place} can't be used: {_why(error)}") from None

    async def put(self, name: str, read: Read, size: int, kind: str) -> Head:
        """Have an object of ``size`` bytes of media type ``kind``, whole or not at all; return what is there then.

        Long ones go in parts, a few of which are in memory. Raises OSError about what is read.
        """
        failed: list[OSError] = []

        async def parts() -> AsyncIterator[bytes]:
            offset = 0
            while offset < size:
                try:
                    async with asyncio.timeout(self._patience.part):
                        data = await read(min(PART, size - offset), offset)
                except OSError as error:
                    failed.append(error)
                    raise
                if not data:
                    failed.append(OSError(f"the file ends at byte {offset} of {size}"))
                    raise failed[0]
                offset += len(data)
                yield data

        attributes = {"Content-Type": kind}
        try:
            if size <= PART:
                data = b"".join([part async for part in parts()])
                putting = obstore.put_async(self._writing, name, data, attributes=attributes, use_multipart=False)
                made = await self._answered("put", self._patience.part, putting)
            else:
                putting = obstore.put_async(
                    self._writing,
                    name,
                    parts(),
                    attributes=attributes,
                    chunk_size=PART,
                    max_concurrency=PARTS_AT_ONCE,
                )
                made = await self._answered("put", None, putting)  # each part has its own time
        except MediaAway:
            if failed:
                raise failed[0] from None
            raise
        found = await self.head(name)
        if found is None or found.size != size or found.etag != (made["e_tag"] or ""):
            raise Damaged(f"{self.place}: an object of {size} bytes was put, and is not there as such: {found}")
        return found

    async def head(self, name: str) -> Head | None:
        """Look at an object; None where there is none."""
        try:
            meta = await self._answered("head", self._patience.answer, obstore.head_async(self._reading, name))
        except FileNotFoundError:
            return None
        return Head(meta["size"], meta["e_tag"] or "", meta["last_modified"].timestamp())

    async def pieces(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Give [start, end) of an object, which is not empty, piece by piece. Raises FileNotFoundError."""
        options: Any = {"range": (start, end)}
        got = await self._answered(
            "get", self._patience.answer, obstore.get_async(self._reading, name, options=options)
        )
        stream, given = aiter(got.stream(min_chunk_size=CHUNK)), 0
        while True:
            try:
                piece = bytes(await self._answered("get", self._patience.piece, anext(stream)))
            except StopAsyncIteration:
                break
            given += len(piece)
            if given > end - start:
                break
            yield piece
        if given != end - start:
            raise MediaAway(f"{self.place}: of {end - start} bytes that were asked for {given} came")

    async def delete(self, names: Sequence[str]) -> None:
        """Have none of these objects. One request each: not every S3 knows how to remove several at once."""
        for name in names:
            try:
                await self._answered("delete", self._patience.answer, obstore.delete_async(self._writing, name))
            except FileNotFoundError:
                continue

    async def _answered(self, what: str, within: float | None, work: Awaitable[_T]) -> _T:
        """Wait for an answer, in time. Raises MediaAway, FileNotFoundError for an object that isn't there."""
        try:
            async with asyncio.timeout(within):
                return await work
        except StopAsyncIteration:
            raise
        except TimeoutError:
            raise MediaAway(f"{self.place} does not answer a {what} in time") from None
        except FileNotFoundError as error:
            if _CODE.search(str(error)) and "NoSuchBucket" in str(error):
                raise MediaAway(f"{self.place}: a {what} failed: {_why(error)}") from None
            raise FileNotFoundError(f"{self.place} has no such object") from None
        except (BaseError, OSError, ValueError, RuntimeError) as error:
            if (why := _why(error)).endswith("timed out"):  # obstore's own clock, which may be the first to run out
                raise MediaAway(f"{self.place} does not answer a {what} in time") from None
            raise MediaAway(f"{self.place}: a {what} failed: {why}") from None


def _of_bucket(endpoint: str, bucket: str) -> str:
    parts = urlsplit(endpoint)
    return parts._replace(netloc=f"{bucket}.{parts.netloc}").geturl()


def _why(error: BaseException) -> str:
    """Return what an operator needs of obstore's text, which quotes answers that name keys and what was signed."""
    text = str(error)
    found = [match[1] for match in (_STATUS.search(text), _CODE.search(text)) if match is not None]
    if not found and (cause := _CAUSE.search(text)) is not None:
        found = [cause[1].lower()]
    return ", ".join(found) or f"{type(error).__name__}"
