"""controller/http/media.py: a recording's URL gives its file, whole or in part, and nothing else."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import threading
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.http.base import DownloadBroken, RequestServed, error_response
from controller.http.media import Downloads
from controller.media.variants import Variant
from controller.recordings.model import Measured, Recording, State
from tests.http.conftest import Rooms, Serve, ask, exchange, until

CONTENT = bytes(range(256)) * 1000
SIZE = len(CONTENT)


def url(recording: Recording) -> str:
    """Where a recording is fetched."""
    return f"/api/v1/recordings/{recording.id}/download"


async def test_the_whole_file(rooms: Rooms, serve: Serve) -> None:
    """GET gives every byte with the headers a client needs; HEAD gives the same headers and no byte."""
    recording = rooms.recording(CONTENT)
    port = (await serve()).port
    got = await ask(port, "GET", url(recording))
    assert (got.status, got.body) == (200, CONTENT)
    expected = {
        "Content-Type": "audio/wav",
        "Content-Length": str(SIZE),
        "Accept-Ranges": "bytes",
        "Etag": f'"7-{SIZE}"',
        "Content-Disposition": f'inline; filename="{recording.id}.wav"',
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Server": "fsrec",
    }
    assert expected.items() <= got.headers.items()
    modified = parsedate_to_datetime(got.headers["Last-Modified"]).timestamp()
    assert modified == int((rooms.base / recording.id).stat().st_mtime)
    head = await ask(port, "HEAD", url(recording))
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "Date": ""} == {**got.headers, "Date": ""}
    await until(lambda: rooms.open_now == 0)
    assert rooms.events_of(DownloadBroken) == []


@pytest.mark.parametrize(
    ("form", "kind"), [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("mp4", "audio/mp4")], ids=["wav", "mp3", "mp4"]
)
async def test_every_format_by_its_name(rooms: Rooms, serve: Serve, form: str, kind: str) -> None:
    """Type and file name are those of the format that is served, whole and in part, whatever was asked for."""
    recording = rooms.recording(CONTENT, measured=Measured(1.0, SIZE, format=form))
    port = (await serve()).port
    for headers, status, content in (({}, 200, CONTENT), ({"Range": "bytes=10-19"}, 206, CONTENT[10:20])):
        got = await ask(port, "GET", url(recording), headers)
        assert (got.status, got.headers["Content-Type"], got.body) == (status, kind, content)
        assert got.headers["Content-Disposition"] == f'inline; filename="{recording.id}.{form}"'
        assert got.headers["Etag"] == f'"7-{SIZE}"'


RANGES: list[tuple[str, int, tuple[int, int]]] = [
    ("bytes=0-0", 206, (0, 1)),
    ("bytes=0-99", 206, (0, 100)),
    ("bytes=100-", 206, (100, SIZE)),
    ("bytes=-100", 206, (SIZE - 100, SIZE)),
    ("bytes=70000-200000", 206, (70000, 200001)),
    (f"bytes=0-{SIZE * 9}", 206, (0, SIZE)),
    (f"bytes=-{SIZE * 9}", 206, (0, SIZE)),
    (f"bytes={SIZE - 1}-", 206, (SIZE - 1, SIZE)),
    (f"bytes={SIZE}-", 416, (0, 0)),
    ("bytes=-0", 416, (0, 0)),
    ("Bytes= 1-2 ", 206, (1, 3)),
    ("bytes=5-2", 200, (0, SIZE)),
    ("bytes=-", 200, (0, SIZE)),
    ("bytes=0-1,5-6", 200, (0, SIZE)),
    ("lines=0-1", 200, (0, SIZE)),
    ("bytes=x-y", 200, (0, SIZE)),
    ("bytes=" + "9" * 19 + "-", 200, (0, SIZE)),
]


@pytest.mark.parametrize(("asked", "status", "span"), RANGES, ids=[row[0][:24] for row in RANGES])
async def test_ranges(rooms: Rooms, serve: Serve, asked: str, status: int, span: tuple[int, int]) -> None:
    """One range is 206 with its place, one beyond the end 416 with the size, anything else the whole file."""
    recording = rooms.recording(CONTENT)
    got = await ask((await serve()).port, "GET", url(recording), {"Range": asked})
    assert got.status == status
    match status:
        case 416:
            assert got.headers["Content-Range"] == f"bytes */{SIZE}"
        case 206:
            assert got.headers["Content-Range"] == f"bytes {span[0]}-{span[1] - 1}/{SIZE}"
            assert got.body == CONTENT[span[0] : span[1]]
        case _:
            assert "Content-Range" not in got.headers
            assert got.body == CONTENT


@given(st.lists(st.integers(1, SIZE - 1), max_size=4, unique=True))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parts_make_the_whole(tmp_path_factory: pytest.TempPathFactory, borders: list[int]) -> None:
    """However a file is fetched in parts, put together they are the file."""
    from controller.http.app import build_app
    from controller.http.listener import Listener

    async def fetch() -> bytes:
        rooms = Rooms(tmp_path_factory.mktemp("parts"))
        recording = rooms.recording(CONTENT)
        listener = Listener(build_app(rooms.http()), "127.0.0.1", 0)
        await listener.start()
        edges = [0, *sorted(borders), SIZE]
        parts = [
            await ask(listener.port, "GET", url(recording), {"Range": f"bytes={start}-{end - 1}"})
            for start, end in itertools.pairwise(edges)
        ]
        await listener.stop()
        assert {part.status for part in parts} == {206}
        return b"".join(part.body for part in parts)

    assert asyncio.run(fetch()) == CONTENT


NOW = f'"7-{SIZE}"'
CONDITIONS: list[tuple[dict[str, str], int]] = [
    ({"If-None-Match": NOW}, 304),
    ({"If-None-Match": f"W/{NOW}"}, 304),
    ({"If-None-Match": f'"a", {NOW}'}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": '"6-1"'}, 200),
    ({"If-None-Match": '"6-1"', "If-Modified-Since": "{same}"}, 200),
    ({"If-Modified-Since": "{same}"}, 304),
    ({"If-Modified-Since": "{before}"}, 200),
    ({"If-Modified-Since": "yesterday"}, 200),
    ({"If-Match": NOW}, 200),
    ({"If-Match": "*"}, 200),
    ({"If-Match": f"W/{NOW}"}, 412),
    ({"If-Match": '"6-1"'}, 412),
    ({"If-Unmodified-Since": "{before}"}, 412),
    ({"If-Unmodified-Since": "{same}"}, 200),
    ({"If-Match": NOW, "If-Unmodified-Since": "{before}"}, 200),
    ({"Range": "bytes=0-9", "If-Range": NOW}, 206),
    ({"Range": "bytes=0-9", "If-Range": '"6-1"'}, 200),
    ({"Range": "bytes=0-9", "If-Range": f"W/{NOW}"}, 200),
    ({"Range": "bytes=0-9", "If-Range": "{same}"}, 206),
    ({"Range": "bytes=0-9", "If-Range": "{before}"}, 200),
    ({"Range": "bytes=0-9", "If-None-Match": NOW}, 304),
]


@pytest.mark.parametrize(("headers", "status"), CONDITIONS, ids=[str(row[0]) for row in CONDITIONS])
async def test_conditions(rooms: Rooms, serve: Serve, headers: dict[str, str], status: int) -> None:
    """Each precondition of RFC 9110 section 13, and their order."""
    recording = rooms.recording(CONTENT)
    os.utime(rooms.base / recording.id, (1_700_000_000.75, 1_700_000_000.75))
    from datetime import UTC, datetime

    times = {
        "same": format_datetime(datetime.fromtimestamp(1_700_000_000, UTC), usegmt=True),
        "before": format_datetime(datetime.fromtimestamp(1_699_999_999, UTC), usegmt=True),
    }
    filled = {name: value.format(**times) for name, value in headers.items()}
    got = await ask((await serve()).port, "GET", url(recording), filled)
    assert got.status == status
    assert got.headers["Etag"] == NOW
    if status == 304:
        assert got.body == b""


@pytest.mark.parametrize("state", [State.REQUESTED, State.RECORDING, State.PAUSED, State.STOPPING, State.PROCESSING])
async def test_not_before_it_is_ready(rooms: Rooms, serve: Serve, state: State) -> None:
    """A recording whose end isn't known yet is not found, though its file is there."""
    recording = rooms.recording(CONTENT, state)
    got = await ask((await serve()).port, "GET", url(recording))
    assert got.status == 404
    assert got.body == b'{"code":404,"message":"there is no such recording, or it is not ready"}'


@pytest.mark.parametrize("state", [State.COMPLETED, State.NO_INPUT, State.ABSENT, State.FAILED])
async def test_every_end_with_a_file_is_served(rooms: Rooms, serve: Serve, state: State) -> None:
    """What counts is the file: an end without one is not found."""
    port = (await serve()).port
    assert (await ask(port, "GET", url(rooms.recording(b"RIFF", state)))).body == b"RIFF"
    assert (await ask(port, "GET", url(rooms.recording(None, state, measured=None)))).status == 404


async def test_a_deleted_one_is_gone(rooms: Rooms, serve: Serve) -> None:
    """As if it had never been, though its file may not be removed yet."""
    recording = rooms.recording(CONTENT, deleted_at=5.0)
    got = await ask((await serve()).port, "GET", url(recording))
    assert (got.status, rooms.open_now) == (404, 0)


async def test_a_variant_is_served_as_the_recording_is(rooms: Rooms, serve: Serve, tmp_path: Path) -> None:
    """Whole, in part and by its own ETag, under its own format's type or the one that is given; gone is 404."""
    recording = rooms.recording(b"its own file")
    path = tmp_path / "other.mp3"
    path.write_bytes(CONTENT)
    kind: list[str | None] = [None]

    def register(router: web.UrlDispatcher, downloads: Downloads) -> None:
        async def other(request: web.Request) -> web.StreamResponse:
            return await downloads.serve(request, recording, Variant(path, "mp3", "mp3-1"), content_type=kind[0])

        router.add_get("/other", other)

    port = (await serve(register=[register])).port
    got = await ask(port, "GET", "/other")
    assert (got.status, got.body) == (200, CONTENT)
    assert (got.headers["Content-Type"], got.headers["Etag"]) == ("audio/mpeg", f'"7-mp3-1-{SIZE}"')
    assert got.headers["Content-Disposition"] == f'inline; filename="{recording.id}.mp3"'
    part = await ask(port, "GET", "/other", {"Range": "bytes=3-9", "If-Range": got.headers["Etag"]})
    assert (part.status, part.body) == (206, CONTENT[3:10])
    assert (await ask(port, "GET", "/other", {"If-None-Match": got.headers["Etag"]})).status == 304
    kind[0] = "audio/x-other"
    head = await ask(port, "HEAD", "/other")
    assert (head.status, head.headers["Content-Type"], head.body) == (200, "audio/x-other", b"")
    path.unlink()
    assert (await ask(port, "GET", "/other")).status == 404


async def test_an_empty_file(rooms: Rooms, serve: Serve) -> None:
    """A file without a byte is served as such, and has no range."""
    recording = rooms.recording(b"")
    port = (await serve()).port
    got = await ask(port, "GET", url(recording))
    assert (got.status, got.headers["Content-Length"], got.body) == (200, "0", b"")
    assert (await ask(port, "GET", url(recording), {"Range": "bytes=0-"})).status == 416


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/recordings/x/download",
        "/api/v1/recordings/..%2f..%2fetc%2fpasswd/download",
        "/api/v1/recordings/%00/download",
        "/api/v1/recordings/{upper}/download",
        "/api/v1/recordings/{id}%0a/download",
        "/api/v1/recordings/{id}/../{id}x/download",
    ],
)
async def test_ids_of_another_form_are_looked_up_nowhere(rooms: Rooms, serve: Serve, path: str) -> None:
    """Nothing but a uuid4 in our form reaches the store, let alone the disk."""
    identity = rooms.recording(CONTENT).id
    got = await ask((await serve()).port, "GET", path.format(id=identity, upper=identity.upper()))
    assert got.status == 404
    assert rooms.lookups == []


async def test_unknown_ids_and_other_methods(rooms: Rooms, serve: Serve) -> None:
    """An unknown id is not found; only reading is allowed."""
    port = (await serve()).port
    assert (await ask(port, "GET", "/api/v1/recordings/11111111-1111-4111-8111-111111111111/download")).status == 404
    got = await ask(port, "DELETE", url(rooms.recording(CONTENT)))
    assert (got.status, sorted(got.headers["Allow"].split(","))) == (405, ["GET", "HEAD"])
    assert got.body == b'{"code":405,"message":"Method Not Allowed"}'


async def test_downloads_may_need_leave(rooms: Rooms, serve: Serve) -> None:
    """The hook sees request and recording; its answer is sent instead of the file, which isn't opened."""
    seen = []

    async def authorize(request: web.Request, recording: Recording | None) -> web.StreamResponse | None:
        seen.append(recording and recording.id)
        if request.headers.get("Authorization") == "Basic eDp5":
            return None
        return error_response(401, "who is it?", {"WWW-Authenticate": 'Basic realm="fsrec"'})

    recording = rooms.recording(CONTENT)
    opened: list[int] = []
    rooms.opening = lambda: opened.append(1)
    port = (await serve(authorize=authorize)).port
    refused = await ask(port, "GET", url(recording))
    assert (refused.status, refused.headers["Www-Authenticate"]) == (401, 'Basic realm="fsrec"')
    assert opened == []
    assert (await ask(port, "GET", url(recording), {"Authorization": "Basic eDp5"})).body == CONTENT
    unknown = "/api/v1/recordings/11111111-1111-4111-8111-111111111111/download"
    assert (await ask(port, "GET", unknown)).status == 401, "whether it exists is told before who asks is known"
    assert seen == [recording.id, recording.id, None]


@pytest.mark.parametrize(
    ("error", "status"),
    [(FileNotFoundError(2, "gone"), 404), (ValueError("x"), 404), (PermissionError(13, "no"), 503)],
)
async def test_a_file_that_can_not_be_opened(rooms: Rooms, serve: Serve, error: Exception, status: int) -> None:
    """The client learns that it is gone or not to be had now, telemetry learns why, and no path is told."""

    def fail() -> None:
        raise error

    rooms.opening = fail
    got = await ask((await serve()).port, "GET", url(rooms.recording(CONTENT)))
    assert got.status == status
    assert str(rooms.base).encode() not in got.body
    assert [event.sent for event in rooms.events_of(DownloadBroken)] == [0]


async def test_a_file_that_shrinks_while_it_is_sent(
    rooms: Rooms, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that ends before its promised length breaks the connection: a short body must not look whole."""
    recording = rooms.recording(CONTENT)
    real = os.pread

    def pread(descriptor: int, count: int, offset: int) -> bytes:
        return real(descriptor, count, offset) if offset < 100_000 else b""

    monkeypatch.setattr(os, "pread", pread)
    received = await exchange((await serve()).port, f"GET {url(recording)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert len(received) < SIZE
    await until(lambda: rooms.events_of(DownloadBroken))
    assert "the file ends before byte" in rooms.events_of(DownloadBroken)[0].reason
    await until(lambda: rooms.open_now == 0)


async def test_a_disk_that_fails_before_the_first_byte(
    rooms: Rooms, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the disk is told as long as nothing was promised."""

    def pread(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", pread)
    got = await ask((await serve()).port, "GET", url(rooms.recording(CONTENT)))
    assert (got.status, got.headers["Retry-After"]) == (503, "60")


async def test_a_client_that_does_not_read(rooms: Rooms, serve: Serve) -> None:
    """A client that stops reading loses its connection after the write timeout, and its file is closed."""
    recording = rooms.recording(bytes(40_000_000))
    port = (await serve(write_timeout=0.05)).port
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        await asyncio.get_running_loop().sock_sendall(
            client, f"GET {url(recording)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        await until(lambda: rooms.events_of(DownloadBroken))
        await until(lambda: rooms.open_now == 0)
    broken = rooms.events_of(DownloadBroken)[0]
    assert broken.recording == recording.id
    assert broken.reason.startswith("TimeoutError")
    assert broken.sent < broken.size == 40_000_000


async def test_a_client_that_leaves(rooms: Rooms, serve: Serve) -> None:
    """A connection that ends amid the file is told and the file closed."""
    recording = rooms.recording(bytes(40_000_000))
    port = (await serve()).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {url(recording)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readexactly(100_000)
    writer.transport.abort()
    await until(lambda: rooms.events_of(DownloadBroken))
    await until(lambda: rooms.open_now == 0)


async def test_a_client_that_leaves_before_the_first_byte(
    rooms: Rooms, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Players open a file and leave it at once: that is no answer of ours, and no download that broke."""
    recording = rooms.recording(CONTENT)
    reading, go_on = threading.Event(), threading.Event()
    real = os.pread

    def pread(descriptor: int, count: int, offset: int) -> bytes:
        reading.set()
        go_on.wait(10)
        return real(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    _, writer = await asyncio.open_connection("127.0.0.1", (await serve()).port)
    writer.write(f"GET {url(recording)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await asyncio.to_thread(reading.wait, 10)
    writer.transport.abort()
    await asyncio.sleep(0.05)  # the listener learns of it in its own time; early, it answers as to anybody
    go_on.set()
    await until(lambda: rooms.events_of(RequestServed))
    await until(lambda: rooms.open_now == 0)
    assert [event.status for event in rooms.events_of(RequestServed)] == [499]
    assert rooms.events_of(DownloadBroken) == []


async def test_stopping_amid_a_hanging_read(rooms: Rooms, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop isn't held up by a disk that hangs, and the descriptor stays open until the read is over."""
    recording = rooms.recording(CONTENT)
    reading, go_on = threading.Event(), threading.Event()
    real = os.pread

    def pread(descriptor: int, count: int, offset: int) -> bytes:
        reading.set()
        go_on.wait(10)
        return real(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    listener = await serve(listener={"shutdown_timeout": 0.05})
    client = asyncio.create_task(
        exchange(listener.port, f"GET {url(recording)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    )
    await until(reading.is_set)
    async with asyncio.timeout(5):
        await listener.stop()
    assert await client == b""
    assert rooms.open_now == 1
    go_on.set()
    await until(lambda: rooms.open_now == 0)
