"""controller/media/objects.py: objects go to a server that speaks S3 and come back; what fails says so in time."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.media.objects import PART, Damaged, Objects, Patience, Place, Read
from controller.recordings.ports import MediaAway
from tests.harness.s3 import KEY_ID, SECRET, Bucket, FaultyS3

QUICK = Patience(connect=0.5, answer=0.5, part=1.0, piece=0.4)


def of(content: bytes) -> Read:
    """Reads of a content."""

    async def read(count: int, offset: int) -> bytes:
        return content[offset : offset + count]

    return read


async def everything(objects: Objects, name: str, start: int, end: int) -> bytes:
    """What comes of a range."""
    return b"".join([piece async for piece in objects.pieces(name, start, end)])


@pytest.mark.parametrize("size", [0, 1, 70_000, PART, PART + 1, 2 * PART + 12_345])
async def test_what_is_put_is_there(bucket: Bucket, size: int) -> None:
    """Whatever its length an object is there whole, with its type, under its name, and any part of it comes back."""
    content = os.urandom(size)
    objects = Objects(bucket.place())
    head = await objects.put("a.mp3", of(content), size, "audio/mpeg")
    assert head.size == size
    assert await bucket.get("rec/a.mp3") == ("audio/mpeg", content)
    assert await objects.head("a.mp3") == head
    for start, end in ((0, size), (size // 3, size // 3 + 1), (size // 2, size)):
        if start < end <= size:
            assert await everything(objects, "a.mp3", start, end) == content[start:end]
    assert await bucket.uploads() == 0


async def test_what_is_not_there(bucket: Bucket) -> None:
    """A missing object is one that is missing, to be removed as well; a missing bucket is a store that is away."""
    objects = Objects(bucket.place())
    assert await objects.head("no.wav") is None
    with pytest.raises(FileNotFoundError):
        await everything(objects, "no.wav", 0, 1)
    await objects.put("a.wav", of(b"a"), 1, "audio/wav")
    await objects.delete(["no.wav", "a.wav"])
    assert await bucket.names() == []
    nowhere = Objects(Place("fsrec-no-bucket", "", bucket.server, "us-east-1", KEY_ID, SECRET))
    with pytest.raises(MediaAway, match="NoSuchBucket"):
        await nowhere.put("a.wav", of(b"a"), 1, "audio/wav")
    with pytest.raises(MediaAway, match="NoSuchBucket"):
        await everything(nowhere, "a.wav", 0, 1)


async def test_deleting_is_one_plain_request_each(bucket: Bucket, faulty: FaultyS3) -> None:
    """Not every S3 knows how to remove several at once, so not even one is removed that way."""
    await Objects(bucket.place(faulty.url)).delete(["a.wav", "a.mp3"])
    assert [(asked.method, asked.name, asked.query) for asked in faulty.asked] == [
        ("DELETE", "a.wav", ""),
        ("DELETE", "a.mp3", ""),
    ]


@pytest.mark.parametrize("fault", ["500", "503", "403", "hang", "reset"])
@pytest.mark.parametrize("what", ["put", "head", "get", "delete"])
async def test_a_store_that_fails(bucket: Bucket, faulty: FaultyS3, fault: str, what: str) -> None:
    """Each request to a store that fails or hangs ends soon, and says why without keys and without the answer."""
    objects = Objects(bucket.place(faulty.url), QUICK)
    faulty.rule = lambda _: fault
    work: dict[str, Callable[[], object]] = {
        "put": lambda: objects.put("a.wav", of(b"a"), 1, "audio/wav"),
        "head": lambda: objects.head("a.wav"),
        "get": lambda: everything(objects, "a.wav", 0, 1),
        "delete": lambda: objects.delete(["a.wav"]),
    }
    async with asyncio.timeout(15):
        with pytest.raises(MediaAway) as caught:
            await work[what]()  # type: ignore[misc]
    told = str(caught.value)
    assert told.startswith(f"s3://{bucket.name}/rec")
    assert fault in told or fault in {"hang", "reset"}
    assert not re.search(rf"{KEY_ID}|{re.escape(SECRET)}|<|\n", told)


async def test_a_server_that_is_not_there() -> None:
    """Nobody listens: told at once, in words."""
    objects = Objects(Place("bucket", "", "http://127.0.0.1:9", "us-east-1", KEY_ID, SECRET), QUICK)
    with pytest.raises(MediaAway, match="a head failed"):
        await objects.head("a.wav")


@pytest.mark.parametrize("size", [1000, PART + 1000])
async def test_what_was_stored_otherwise_is_found_out(bucket: Bucket, faulty: FaultyS3, size: int) -> None:
    """A store that says yes and has something else is not believed."""
    objects = Objects(bucket.place(faulty.url), QUICK)
    faulty.rule = lambda asked: "damage" if asked.method == "PUT" else None
    with pytest.raises(Damaged):
        await objects.put("a.wav", of(os.urandom(size)), size, "audio/wav")


async def test_what_another_wrote_meanwhile_is_found_out(bucket: Bucket, faulty: FaultyS3) -> None:
    """An object of the same size that is not the one that was put is none."""
    objects = Objects(bucket.place(faulty.url), Patience())
    faulty.rule = lambda asked: 0.5 if asked.method == "HEAD" else None
    putting = asyncio.create_task(objects.put("a.wav", of(b"aaaa"), 4, "audio/wav"))
    await faulty.seen(lambda asked: asked.method == "HEAD")
    await bucket.put("rec/a.wav", b"bbbb")
    with pytest.raises(Damaged):
        await putting


async def test_an_object_that_is_shorter_than_it_was(bucket: Bucket) -> None:
    """Its end is not taken for the end of what was asked for."""
    objects = Objects(bucket.place())
    await objects.put("a.wav", of(b"a" * 100), 100, "audio/wav")
    with pytest.raises(MediaAway, match="of 200 bytes that were asked for 100 came"):
        await everything(objects, "a.wav", 0, 200)


@pytest.mark.parametrize("fault", ["cut", "stall"])
async def test_a_body_that_breaks_off(bucket: Bucket, faulty: FaultyS3, fault: str) -> None:
    """What came of it is given, and then it fails: never an end that looks like one."""
    objects = Objects(bucket.place(faulty.url), QUICK)
    content = os.urandom(400_000)
    await objects.put("a.wav", of(content), len(content), "audio/wav")
    faulty.rule = lambda asked: fault if asked.method == "GET" else None
    got = bytearray()

    async def take() -> None:
        async for piece in objects.pieces("a.wav", 0, len(content)):
            got.extend(piece)

    async with asyncio.timeout(15):
        with pytest.raises(MediaAway):
            await take()
    assert content.startswith(got)
    assert len(got) < len(content)


async def test_one_part_that_fails_is_put_again(bucket: Bucket, faulty: FaultyS3) -> None:
    """A single fault in a long upload costs that part, not the upload."""
    objects = Objects(bucket.place(faulty.url))
    faults = ["503"]
    faulty.rule = lambda asked: faults.pop() if asked.part and faults else None
    content = os.urandom(2 * PART + 5)
    await objects.put("a.wav", of(content), len(content), "audio/wav")
    assert (await bucket.get("rec/a.wav"))[1] == content


@pytest.mark.parametrize("size", [1000, PART + 1000])
async def test_a_file_that_can_not_be_read(bucket: Bucket, size: int) -> None:
    """What is wrong with the file is told as the file's fault, and nothing is there under its name."""

    async def short(count: int, offset: int) -> bytes:
        return bytes(min(count, 500 - offset)) if offset < 500 else b""

    async def broken(_count: int, _offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    for read, words in ((short, "ends at byte 500"), (broken, "Input/output error")):
        with pytest.raises(OSError, match=words) as caught:
            await Objects(bucket.place()).put("a.wav", read, size, "audio/wav")
        assert not isinstance(caught.value, MediaAway)
    assert await bucket.names() == []


def test_no_secret_is_shown(bucket: Bucket) -> None:
    """Neither a place nor what is made of it shows a key."""
    place = bucket.place()
    shown = f"{place!r} {place} {Objects(place)!r}"
    assert KEY_ID not in shown
    assert SECRET not in shown


MEASURED = """
import asyncio, os, resource, sys
from controller.media.archive import Archive, File
from controller.media.objects import Objects, Place
from pathlib import Path

async def main(path, target, *place):
    archive = Archive(Objects(Place(*place)))
    identity = "7b0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stored = await archive.surely(identity, [File("wav", Path(path))])
    uploaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = 0
    async for piece in archive.pieces(identity, "wav", 0, stored[0].size):
        seen += len(piece)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    archive.close()
    print(stored[0].size, seen, (uploaded - before) // 1024, (after - before) // 1024, flush=True)
    os._exit(0)  # as the daemon does (cli.daemon.ended)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_memory_does_not_grow_with_the_file(bucket: Bucket, tmp_path: Path) -> None:
    """A recording of 300 MiB goes up and comes down through a process that grows by a fraction of it."""
    size = 300 << 20
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.truncate(size)  # silence takes no disk
    place = bucket.place()
    told = (place.bucket, place.prefix, place.endpoint, place.region, place.access_key_id, place.secret_access_key)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEASURED, str(path), str(tmp_path / "b.wav"), *map(str, told),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    put, got, up, both = map(int, out.split())
    assert (put, got) == (size, size)
    assert up < 100
    assert both < 130
    await bucket.remove("rec/7b0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001.wav")
