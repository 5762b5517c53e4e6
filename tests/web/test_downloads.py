"""controller/web/downloads.py: files come whole or not at all, once, are kept as servers say, and are bounded."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from controller.documents.fetch import FetchFailed, Patience
from controller.web.downloads import Download, Downloads
from controller.web.guard import AddressGuard
from tests.harness.receiver import Answer, Receiver
from tests.web.test_fetch import LOOPBACK, raw, says

BODY = bytes(range(256)) * 4


class World:
    """Downloads, a server, a clock of the test's."""

    def __init__(self, directory: Path, receiver: Receiver) -> None:
        self.directory = directory
        self.receiver = receiver
        self.now = 1000.0
        self.all: list[Downloads] = []
        self.reading = AsyncExitStack()

    async def open(self, **options: Any) -> Downloads:
        """Downloads that may go to loopback."""
        made = Downloads(AddressGuard(LOOPBACK), self.directory, clock=lambda: self.now, **options)
        self.all.append(made)
        await made.start()
        self.downloads = made
        return made

    async def get(self, path: str = "/a") -> Download:
        """What is there; it is read until `read`."""
        return await self.had(self.receiver.url(path))

    async def had(self, url: str, account: str = "acme") -> Download:
        return await self.reading.enter_async_context(self.downloads.get(url, account))

    async def read(self) -> None:
        """Everything has been read."""
        await self.reading.aclose()

    async def refused(self, url: str) -> str:
        with pytest.raises(FetchFailed) as failed:
            await self.had(url)
        return str(failed.value)

    def plan(self, path: str = "/a", body: bytes = BODY, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.receiver.plan(path, Answer(status, body, named))

    async def files(self, count: int) -> list[Path]:
        """The files, as soon as there are so many: unlinking is nobody's to wait for."""
        async with asyncio.timeout(5):
            while len(found := list(self.directory.iterdir())) != count:
                await asyncio.sleep(0.005)
        return found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with Receiver() as receiver:
        made = World(tmp_path / "deep" / "fetched", receiver)
        await made.open()
        yield made
        await made.read()
        for downloads in made.all:
            await downloads.close()


async def test_a_file_is_fetched(world: World) -> None:
    """By GET, whole, whatever its type, readable for us alone; its URL's credentials are Basic and in no name."""
    world.plan(Content_Type="text/html")
    url = world.receiver.url("/a?b=%2f").replace("http://", "http://user:secret@")
    found = await world.had(url)
    assert (found.path.read_bytes(), found.size) == (BODY, len(BODY))
    assert found.digest == hashlib.sha256(BODY).hexdigest()
    assert (found.path.parent, found.path.stat().st_mode & 0o777) == (world.directory, 0o600)
    assert "secret" not in found.path.name
    [request] = world.receiver.requests
    assert (request.method, request.body, request.header("accept-encoding")) == ("GET", b"", "identity")
    assert request.header("authorization") == "Basic " + base64.b64encode(b"user:secret").decode()


async def test_credentials_are_part_of_what_is_kept(world: World) -> None:
    """Who names none, or others, is not given what they opened."""
    world.plan(Cache_Control="max-age=60")
    url = world.receiver.url("/a")
    for source in (url.replace("//", "//user:secret@"), url.replace("//", "//user:other@"), url):
        await world.had(source)
    assert len(world.receiver.requests) == 3


async def test_what_several_want_is_asked_for_once(world: World) -> None:
    """Though it must not be stored, and though the first of them goes away."""
    world.receiver.plan("/a", Answer(200, BODY, {"Cache-Control": "no-store"}, delay=0.2))
    asking = [asyncio.create_task(world.get()) for _ in range(10)]
    await world.receiver.wait("/a")
    asking[0].cancel()
    _, *found = await asyncio.gather(*asking, return_exceptions=True)
    assert len({one.path for one in found if isinstance(one, Download)}) == 1
    assert len(world.receiver.requests) == 1


async def test_a_failure_is_everybodys(world: World) -> None:
    """And the next one asks again."""
    world.receiver.plan("/a", Answer(500, delay=0.1), 200)
    both = await asyncio.gather(world.get(), world.get(), return_exceptions=True)
    assert [str(one) for one in both] == ["answered with status 500; audio comes with 200"] * 2
    await world.get()


FRESH: list[tuple[dict[str, str], float]] = [
    ({"Cache-Control": "max-age=60"}, 60),
    ({"Cache-Control": 'public, MAX-AGE="60"'}, 60),
    ({"Cache-Control": "max-age=60", "Age": "20"}, 40),
    ({"Cache-Control": "max-age=60", "Age": "90"}, 0),
    ({"Cache-Control": "no-cache, max-age=60"}, 0),
    ({"Cache-Control": "no-store, max-age=60"}, 0),
    ({"Cache-Control": "max-age=-1"}, 0),
    ({"Cache-Control": "max-age=x"}, 0),
    ({"Cache-Control": "max-age=" + "9" * 400}, 0),
    ({}, 0),
]


@pytest.mark.parametrize(("headers", "seconds"), FRESH, ids=[str(row[0])[:60] for row in FRESH])
async def test_how_long_it_is_fresh(world: World, headers: dict[str, str], seconds: float) -> None:
    """As long as its server says, nobody is asked; what says nothing is asked for each time."""
    world.receiver.plan("/a", Answer(200, BODY, headers))
    await world.get()
    if seconds:
        world.now += seconds - 1
        assert (await world.get()).fresh
        world.now += 1
    assert not (await world.get()).fresh
    assert len(world.receiver.requests) == 2


@pytest.mark.parametrize(
    ("given", "asked"), [("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")], ids=["etag", "date"]
)
async def test_what_is_stale_is_validated(world: World, given: str, asked: str) -> None:
    """What has not changed is not sent again, and is fresh for as long as it says then; what has is the new one."""
    world.receiver.plan(
        "/a",
        Answer(200, BODY, {given: '"v1"'}),
        Answer(304, b"", {"Cache-Control": "max-age=60"}),
        Answer(200, b"new", {given: '"v2"'}),
    )
    first = await world.get()
    second = await world.get()
    assert (second.path, second.fresh) == (first.path, False)
    assert (await world.get()).fresh
    world.now += 60
    third = await world.get()
    assert third.path.read_bytes() == b"new"
    assert first.path.exists()  # whoever got it may be reading it
    assert [request.header(asked) for request in world.receiver.requests] == [None, '"v1"', '"v1"']


async def test_a_304_that_nobody_asked_for(world: World) -> None:
    """Is no audio."""
    world.receiver.plan("/a", 304)
    assert "status 304" in await world.refused(world.receiver.url("/a"))


async def test_redirects(world: World) -> None:
    """They are asked for each time, and a validator goes only to the URL that gave it; credentials stay at home."""
    world.receiver.plan(
        "/a",
        Answer(302, b"", {"Location": "/b"}),
        Answer(302, b"", {"Location": "/b"}),
        Answer(302, b"", {"Location": "/c"}),
    )
    world.receiver.plan("/b", Answer(200, b"b", {"ETag": '"b"', "Cache-Control": "max-age=60"}), Answer(304))
    world.plan("/c", b"c")
    contents = [(await world.get()).path.read_bytes() for _ in range(3)]
    assert contents == [b"b", b"b", b"c"]
    asked = [(request.path, request.header("if-none-match")) for request in world.receiver.requests]
    assert asked == [("/a", None), ("/b", None), ("/a", None), ("/b", '"b"'), ("/a", None), ("/c", None)]


async def test_where_it_may_not_go(world: World) -> None:
    """A private address is refused wherever it is named, and so is what is no http."""
    world.receiver.plan("/a", Answer(302, b"", {"Location": "http://10.0.0.1/x.wav"}))
    assert "10.0.0.1 is refused (private)" in await world.refused(world.receiver.url("/a"))
    assert "is refused (link-local)" in await world.refused("http://169.254.169.254/latest/meta-data")
    world.receiver.plan("/a", Answer(302, b"", {"Location": "file:///etc/passwd"}))
    assert "is not an http or https URL" in await world.refused(world.receiver.url("/a"))


HEAD = b"HTTP/1.1 200 OK\r\n"
BAD: list[tuple[str, Any, str]] = [
    ("endless", says(HEAD + b"\r\n", again=b"x" * 4096), "more than 100000 bytes; audio may have 100000"),
    (
        "too long by its word",
        says(HEAD + b"Content-Length: 100001\r\n\r\n", hang=True),
        "100001 bytes; audio may have",
    ),
    ("shorter than its word", says(HEAD + b"Content-Length: 99\r\n\r\nRIFF"), "the answer broke off before its end"),
    ("silent", says(hang=True), "nothing was heard for 0.3 s"),
    ("stuck", says(HEAD + b"Content-Length: 99\r\n\r\nRIFF", hang=True), "nothing was heard for 0.3 s"),
    ("no HTTP", says(b"RIFF....WAVE" * 10), "no answer: "),
    ("part", says(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx"), "answered with status 206"),
]


@pytest.mark.parametrize(("serve", "why"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_bad_servers(world: World, serve: Any, why: str) -> None:
    """Each is refused in time, and nothing of it stays."""
    await world.open(limit=100_000, patience=Patience(5.0, 0.3, 10.0, 3))
    async with raw(serve) as url:
        assert (await world.refused(url)).startswith(why)
    await world.files(0)
    assert world.downloads._bytes == 0


async def test_a_trickle(world: World) -> None:
    """One that says a little now and then, for ever, is given up when its time is over."""
    await world.open(patience=Patience(5.0, 5.0, 0.5, 3))

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw(serve) as url:
        assert await world.refused(url) == "no whole answer within 0.5 s"
    await world.files(0)


@pytest.mark.parametrize("bounds", [{"most_files": 2}, {"most_bytes": 2500}], ids=["files", "bytes"])
async def test_beyond_the_bound_those_not_given_longest_go(world: World, bounds: dict[str, int]) -> None:
    """But none that is read: where all are, another one has no room."""
    await world.open(**bounds)
    for name in "abc":
        world.plan(f"/{name}", Cache_Control="max-age=9999")
    found = {name: (await world.get(f"/{name}")).path for name in "ab"}
    assert "there is no room for it: 2 files are in use" in await world.refused(world.receiver.url("/c"))
    await world.read()
    await world.get("/a")
    found["c"] = (await world.get("/c")).path
    assert set(await world.files(2)) == {found["a"], found["c"]}
    assert (await world.get("/a")).fresh
    assert world.downloads._bytes == 2 * len(BODY)


@pytest.mark.parametrize("kept", ["", "no-store", "max-age=60"])
@pytest.mark.parametrize("bounds", [{"most_files": 2}, {"most_bytes": 2500}], ids=["files", "bytes"])
async def test_distinct_sounds_without_end(world: World, bounds: dict[str, int], kept: str) -> None:
    """However many in whatever time: what was read makes room for what comes."""
    await world.open(**bounds)
    for number in range(20):
        world.plan(f"/{number}", body=BODY[number:], Cache_Control=kept)
        assert (await world.get(f"/{number}")).path.read_bytes() == BODY[number:]
        await world.read()
    await world.files(2 if kept == "max-age=60" else 0)


async def test_what_must_not_be_stored_goes_when_it_was_read(world: World) -> None:
    """It is there for whoever asked, is never found again, and goes with the last who reads it."""
    world.receiver.plan("/a", Answer(200, BODY, {"Cache-Control": "no-store"}, delay=0.1))
    url = world.receiver.url("/a")
    async with world.downloads.get(url, "acme") as one:
        other = await world.get()
        assert one.path != other.path
        await world.read()
        assert await world.files(1) == [one.path]
    await world.files(0)


async def test_what_is_read_when_it_is_closed(world: World) -> None:
    """Who reads it then lets it go without a fault; the next start removes it."""
    world.plan(Cache_Control="no-store")
    found = await world.get()
    await world.downloads.close()
    await world.read()
    assert found.path.exists()
    await world.open()
    await world.files(0)


async def test_a_full_disk_is_left_to_the_store(world: World) -> None:
    """Where less than that is free nothing is fetched, and what nobody reads goes."""
    world.plan(Cache_Control="max-age=9999")
    world.plan("/b")
    await world.get()
    world.downloads._least_free = 1 << 60
    refused = "there is no room for it now: the disk is too full"
    assert await world.refused(world.receiver.url("/b")) == refused
    await world.files(1)
    await world.read()
    assert await world.refused(world.receiver.url("/b")) == refused
    await world.files(0)
    assert world.downloads._bytes == 0


@pytest.mark.parametrize("others", [0, 2])
async def test_one_who_gives_up_holds_nothing(world: World, others: int) -> None:
    """Others read what comes all the same; without any it is not kept."""
    world.receiver.plan("/a", Answer(200, BODY, {"Cache-Control": "no-store"}, delay=0.1))
    asking = [asyncio.create_task(world.get()) for _ in range(1 + others)]
    await world.receiver.wait("/a")
    asking[0].cancel()
    _, *found = await asyncio.gather(*asking, return_exceptions=True)
    assert [one.path.exists() for one in found if isinstance(one, Download)] == [True] * others
    await world.read()
    async with asyncio.timeout(5):
        while world.downloads._asking:
            await asyncio.sleep(0.001)
    await world.files(0)


async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer, and never end."""
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(b"R")
        await writer.drain()
        await asyncio.sleep(0.5)


@pytest.mark.parametrize(("origins", "most"), [(1, 2), (3, 4)], ids=["of one origin", "in all"])
async def test_one_account_takes_no_others_turns(world: World, origins: int, most: int) -> None:
    """Slow origins of one account leave places to others, at that very origin and in all."""
    downloads = await world.open(in_flight=6, each=4, per_origin=4)
    world.plan()

    async def taken(count: int) -> None:
        async with asyncio.timeout(5):
            while downloads._turns.taken < count:
                await asyncio.sleep(0.001)

    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(raw(slow)) for _ in range(origins)]
        hung = [asyncio.create_task(world.had(f"{url}/{n}")) for url in urls for n in range(8)]
        await taken(most)
        assert (await world.had(world.receiver.url("/a"), "other")).size == len(BODY)
        assert downloads._turns.taken == most
        hung.append(asyncio.create_task(world.had(f"{urls[0]}/x", "other")))
        await taken(most + 1)
        await downloads.close()
        await asyncio.gather(*hung, return_exceptions=True)


@pytest.mark.parametrize("kept", ["", "no-cache", "no-store"])
async def test_the_same_bytes_again_take_no_more_room(world: World, kept: str) -> None:
    """Whoever asks for a sound that may not be kept gets it, however many do; other bytes are another file."""
    await world.open(most_files=2, most_bytes=3 * len(BODY))
    world.plan(Cache_Control=kept)
    for _ in range(20):
        await world.read()
        found = await world.get()
        assert found.path.read_bytes() == BODY
    assert len(world.receiver.requests) == 20
    world.plan(body=BODY[::-1], Cache_Control=kept)
    other = await world.get()
    assert (found.path.read_bytes(), other.path.read_bytes()) == (BODY, BODY[::-1])
    await world.files(2)


async def test_a_restart_begins_with_nothing(world: World) -> None:
    """Whatever a daemon left, names tell nobody what it was."""
    await world.get()
    (world.directory / "half").write_bytes(b"x")
    await world.open()
    await world.files(0)
    assert (await world.get()).path.exists()


async def test_no_room_on_the_disk(world: World) -> None:
    """It is said where, and what of it was written goes."""
    world.directory.rmdir()
    assert await world.refused(world.receiver.url("/a")) == ("can't be kept in data_dir: No such file or directory")


async def test_closing_gives_up(world: World) -> None:
    """What is being fetched is left, and its file goes."""
    world.receiver.plan("/a", Answer(hang=True))
    asking = asyncio.create_task(world.get())
    await world.receiver.wait("/a")
    await world.downloads.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
