"""controller/http/media.py: a file that is not here is served from the media store, as it would be from here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from controller.http.base import DownloadBroken
from controller.media.archive import Archive
from controller.media.objects import Objects, Patience
from controller.recordings.model import Measured, Recording, State, Stored
from tests.harness.s3 import Bucket, FaultyS3
from tests.http.conftest import Rooms, Serve, ask
from tests.http.test_media import RANGES, SIZE, url

CONTENT = os.urandom(SIZE)
QUICK = Patience(connect=0.5, answer=0.5, part=1.0, piece=0.4)
CHANGED = 1_700_000_000.0


@pytest.fixture
async def archive(bucket: Bucket, faulty: FaultyS3) -> AsyncIterator[Archive]:
    """A media store that can be made to fail."""
    made = Archive(Objects(bucket.place(faulty.url), QUICK))
    yield made
    made.close()


async def stored(rooms: Rooms, bucket: Bucket, content: bytes = CONTENT) -> Recording:
    """A recording that is in the media store alone."""
    made = rooms.recording(None, measured=Measured(1.0, len(content)))
    made = replace(made, stored=(Stored("wav", len(content), "", CHANGED),))
    rooms.recordings[made.id] = made
    await bucket.put(f"rec/{made.id}.wav", content)
    return made


async def test_it_is_served_as_from_here(rooms: Rooms, serve: Serve, bucket: Bucket, archive: Archive) -> None:
    """The same headers, the same bytes, the same answers to conditions, whether the file is here or there."""
    recording = await stored(rooms, bucket)
    port = (await serve(elsewhere=archive.remote)).port
    headers: list[dict[str, str]] = [
        {},
        *({"Range": asked} for asked, _, _ in RANGES),
        {"If-None-Match": f'"7-{SIZE}"'},
        {"If-Match": '"other"'},
        {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT"},
        {"Range": "bytes=5-9", "If-Range": f'"7-{SIZE}"'},
        {"Range": "bytes=5-9", "If-Range": '"other"'},
    ]
    there = [await ask(port, method, url(recording), more) for more in headers for method in ("GET", "HEAD")]
    path = rooms.base / recording.id
    path.write_bytes(CONTENT)
    os.utime(path, (CHANGED, CHANGED))
    here = [await ask(port, method, url(recording), more) for more in headers for method in ("GET", "HEAD")]
    assert [replace(one, headers={**one.headers, "Date": ""}) for one in there] == [
        replace(one, headers={**one.headers, "Date": ""}) for one in here
    ]
    assert there[0].body == CONTENT


async def test_an_empty_object(rooms: Rooms, serve: Serve, bucket: Bucket, archive: Archive) -> None:
    """Nothing is asked of the store for it."""
    recording = await stored(rooms, bucket, b"")
    got = await ask((await serve(elsewhere=archive.remote)).port, "GET", url(recording))
    assert (got.status, got.headers["Content-Length"], got.body) == (200, "0", b"")


@pytest.mark.parametrize("fault", ["503", "hang", "reset"])
async def test_a_store_that_is_away(
    rooms: Rooms, serve: Serve, bucket: Bucket, faulty: FaultyS3, archive: Archive, fault: str
) -> None:
    """Before the first byte it is 503 and when to come again, within a bound."""
    recording = await stored(rooms, bucket)
    faulty.rule = lambda _: fault
    port = (await serve(elsewhere=archive.remote)).port
    async with asyncio.timeout(10):
        got = await ask(port, "GET", url(recording))
    assert (got.status, got.headers["Retry-After"]) == (503, "60")
    assert rooms.events_of(DownloadBroken)


@pytest.mark.parametrize("fault", ["cut", "stall"])
async def test_a_body_that_breaks_off(
    rooms: Rooms, serve: Serve, bucket: Bucket, faulty: FaultyS3, archive: Archive, fault: str
) -> None:
    """After the first byte the connection breaks: no client takes a part for the whole."""
    content = os.urandom(2_000_000)
    recording = await stored(rooms, bucket, content)
    faulty.rule = lambda asked: fault if asked.method == "GET" else None
    port = (await serve(elsewhere=archive.remote)).port
    async with asyncio.timeout(15):
        got = await ask(port, "GET", url(recording))
    assert (got.status, got.headers["Content-Length"]) == (200, str(len(content)))
    assert content.startswith(got.body)
    assert len(got.body) < len(content)
    (told,) = rooms.events_of(DownloadBroken)
    assert told.sent < len(content)


async def test_an_object_that_is_gone(rooms: Rooms, serve: Serve, bucket: Bucket, archive: Archive) -> None:
    """What neither place has is 404; so is what the row does not know to be there."""
    recording = await stored(rooms, bucket)
    await bucket.remove(f"rec/{recording.id}.wav")
    unknown = rooms.recording(None, measured=Measured(1.0, 5))
    port = (await serve(elsewhere=archive.remote)).port
    for one in (recording, unknown):
        assert (await ask(port, "GET", url(one))).status == 404


async def test_one_that_another_daemon_has(rooms: Rooms, serve: Serve, bucket: Bucket, archive: Archive) -> None:
    """Before its upload it is 503, for it is to come; once the object is there it is served."""
    recording = rooms.recording(None, State.COMPLETED, measured=Measured(1.0, SIZE), unstored=True)
    port = (await serve(elsewhere=archive.remote)).port
    assert (await ask(port, "GET", url(recording))).status == 503
    await bucket.put(f"rec/{recording.id}.wav", CONTENT)
    got = await ask(port, "GET", url(recording))
    assert (got.status, got.body) == (200, CONTENT)
