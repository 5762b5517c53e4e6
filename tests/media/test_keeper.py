"""controller/media/keeper.py: what it is to do comes of rows alone, and nothing that it meets ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from controller.media import durable
from controller.media.archive import Archive, File, UploadFailed
from controller.media.encoders import Encoders, Unencodable
from controller.media.job import Job
from controller.media.keeper import Keeper
from controller.media.objects import Objects
from controller.recordings.model import Recording, State, Stored, new_id
from controller.recordings.ports import LedgerFailed, MediaAway
from tests.harness.s3 import Asked, Bucket, FaultyS3
from tests.media.test_archive import SOUND, World, until


@pytest.fixture
async def world(tmp_path: Path, bucket: Bucket, faulty: FaultyS3) -> AsyncIterator[World]:
    """A daemon whose media store can be made to fail, and which waits for none."""
    made = World(tmp_path, bucket, faulty.url)
    yield made
    await made.close()


class Unable(Encoders):
    """Encoders that can't: on another machine, say."""

    async def encode(self, recording: str, job: Job) -> int:
        raise Unencodable("no codec")


async def test_what_can_not_be_made_again_holds_up_nobody(
    world: World, tmp_path: Path, bucket: Bucket, faulty: FaultyS3
) -> None:
    """A derivative that another daemon had and this one can't make is told, and left for later."""
    faulty.rule = lambda _: "503"
    world.wait = 0.0
    world.again()
    lost, plain = await world.finished(world.recorded("mp3")), await world.finished(world.recorded())
    other = World(tmp_path, bucket, faulty.url, "b")
    await other.encoders.close()
    other.encoders = Unable()
    other.again()
    other.rows = world.rows
    faulty.rule = lambda _: None
    try:
        async with other.keeping() as keeper:
            await until(lambda: world.rows[plain.id].stored)
            await until(lambda: [event for event in other.of(UploadFailed) if "no codec" in str(event)])
            await until(lambda: keeper.waiting == 1)
    finally:
        await other.close()
    assert world.rows[lost.id].unstored


async def test_objects_of_a_deleted_recording_go_by_its_row(
    world: World, tmp_path: Path, bucket: Bucket, faulty: FaultyS3
) -> None:
    """The store is away and the disk with the note is lost: who takes the switch over removes them."""
    recording = await world.finished(world.recorded())
    await world.media.clear(recording)
    faulty.rule = lambda _: "503"
    await world.delete(recording)
    other = World(tmp_path, bucket, faulty.url, "b")
    other.rows = world.rows
    other.settle = 300.0  # is for uploads that may not be over
    faulty.rule = lambda _: None
    try:
        async with other.keeping():
            async with asyncio.timeout(5):
                while await bucket.names():
                    await asyncio.sleep(0.02)
            await until(lambda: not world.rows[recording.id].unstored)
    finally:
        await other.close()


async def test_many_deletions_are_few_requests_at_a_time(world: World, bucket: Bucket, faulty: FaultyS3) -> None:
    """What could not be removed while the store was away is not all asked for at once when it is back."""
    made = [await world.finished(world.recorded()) for _ in range(30)]
    for recording in made:
        await world.media.clear(recording)
    faulty.rule = lambda _: "503"
    for recording in made:
        await world.delete(recording)
    faulty.rule = lambda _: 0.1
    most = 0

    def seen(asked: Asked) -> float:
        nonlocal most
        most = max(most, len([one for one in faulty.asked if one.method == "DELETE"]) - done())
        return 0.1

    def done() -> int:
        return len([one for one in faulty.obeyed if one.method == "DELETE"])

    faulty.asked.clear()
    faulty.rule = seen
    async with world.keeping():
        async with asyncio.timeout(20):
            while await bucket.names():
                await asyncio.sleep(0.02)
    assert most <= 4


async def test_a_ledger_that_fails_costs_no_removal(world: World) -> None:
    """What is to be removed again is not forgotten where its row can't be read just then."""
    recording = await world.finished(world.recorded())
    world.media._uncleared.add(recording.id)
    failing = [LedgerFailed("away")]
    known = world.recording

    async def flaky(identity: str) -> Recording | None:
        if failing:
            raise failing.pop()
        return await known(identity)

    world.recording = flaky  # type: ignore[method-assign]
    async with world.keeping():
        await until(lambda: not world.files() and not world.notes())


async def test_a_lost_file_is_told(world: World, faulty: FaultyS3) -> None:
    """A recording that can't be put there for lack of its file: whoever watches hears which and why."""
    faulty.rule = lambda _: "503"
    world.wait = 0.0
    world.again()
    lost = await world.finished(world.recorded())
    (world.local / f"{lost.id}.wav").unlink()
    faulty.rule = lambda _: None
    async with world.keeping():
        await until(lambda: [event for event in world.of(UploadFailed) if "No such file" in str(event)])


async def test_stored_ones_of_a_switch_that_left_the_settings(world: World) -> None:
    """What the media store has is served in every format, whatever has become of its switch."""
    recording = await world.finished(world.recorded())
    await world.media.clear(recording)
    gone = replace(recording, owner=replace(recording.owner, switch="fs9"), path=f"/elsewhere/{recording.id}.wav")
    for form in ("wav", "mp3"):
        variant = await world.media.variant(gone, form)
        assert variant.own == (form == "wav")
    assert (await world.media.wav_of(gone)).exists()


class Slower(Encoders):
    """Encoders whose turn comes when the master has been moved to the media store."""

    def __init__(self, world: World, recording: Recording) -> None:
        super().__init__()
        self.world, self.recording = world, recording

    async def encode(self, recording: str, job: Job) -> int:
        await self.world.media.clear(self.recording)
        return await super().encode(recording, job)


async def test_one_that_moves_before_it_is_encoded(world: World) -> None:
    """What is asked for while its file goes is made of what the media store has."""
    recording = await world.finished(world.recorded())
    await world.encoders.close()
    world.encoders = Slower(world, recording)
    world.again()
    assert (await world.media.variant(recording, "mp3")).path.exists()


async def test_a_second_examination_has_the_last_word(
    world: World, tmp_path: Path, bucket: Bucket, faulty: FaultyS3
) -> None:
    """An upload that hangs is waited for before the next one of the same recording: it can't come after that."""
    archive = Archive(Objects(bucket.place(faulty.url)), wait=0.2)
    identity, first, second = new_id(), tmp_path / "1.wav", tmp_path / "2.wav"
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    slow = [1.0]
    faulty.rule = lambda asked: slow.pop() if slow and asked.method == "PUT" else None
    assert await archive.soon(identity, [File("wav", first)]) == ()
    await archive.soon(identity, [File("wav", second)])
    await until(lambda: len([asked for asked in faulty.obeyed if asked.method == "PUT"]) == 2)
    assert (await bucket.get(f"rec/{identity}.wav"))[1] == b"second"
    archive.close()


async def test_what_is_just_being_stored_stays_noted(world: World, faulty: FaultyS3) -> None:
    """What else is removed meanwhile takes no note along that the files here are to go."""
    faulty.rule = lambda _: "503"
    world.wait = 0.0
    world.again()
    recording = await world.finished(world.recorded(trim=True))
    faulty.rule = lambda _: None
    while True:
        try:
            await world.media.keep(recording)
        except MediaAway:
            continue
        break
    await world.media.clear(recording)
    assert world.notes() == [f"{recording.id}.stored"]


async def test_what_is_not_what_was_told_is_not_stored(
    world: World, tmp_path: Path, bucket: Bucket, faulty: FaultyS3
) -> None:
    """A master that changed after its end was told makes another copy: not that of this recording."""
    faulty.rule = lambda _: "503"
    world.wait = 0.0
    world.again()
    recording = await world.finished(world.recorded(trim=True))
    (world.local / f"{recording.id}.wav").write_bytes(SOUND[: len(SOUND) // 2])
    other = World(tmp_path, bucket, bucket.server, "b")
    try:
        with pytest.raises(ValueError, match="is not what it was"):
            await other.media.keep(recording)
    finally:
        await other.close()
    assert await bucket.names() == []


class Refusing:
    """A store that refuses all, after a moment; `tried` is what was asked for, and how many of it at a time."""

    away = 1.0

    def __init__(self) -> None:
        self.tried: list[tuple[str, int]] = []
        self.now = 0

    async def keep(self, recording: Recording) -> tuple[Stored, ...]:
        self.now += 1
        self.tried.append((recording.id, self.now))
        await asyncio.sleep(0.005)
        self.now -= 1
        raise MediaAway("no")

    def uncleared(self) -> Sequence[str]:
        return ()


async def test_a_store_that_is_away_is_asked_by_one_at_a_time(world: World) -> None:
    """Once it has refused, one recording is tried at each look, each of them in its turn."""
    for _ in range(4):
        made = replace(world.recorded(), state=State.COMPLETED, unstored=True)
        world.rows[made.id] = made
    files = Refusing()
    keeper = Keeper(world, files, look=0.01, pause=0.01)  # type: ignore[arg-type] # it is asked for no more than that
    running = asyncio.create_task(keeper.run())
    await until(lambda: len(files.tried) >= 10)
    running.cancel()
    later = files.tried[2:10]
    assert {together for _, together in later} == {1}
    assert {name for name, _ in later[:4]} == set(world.rows)


def test_a_second_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link, or a copy where none can be made; nothing of what isn't there."""
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    assert not durable.linked(source, target)
    source.write_bytes(b"sound")
    assert durable.linked(source, target)
    assert source.stat().st_ino == target.stat().st_ino

    def refused(_target: Path, _path: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    assert durable.linked(source, target)
    assert source.stat().st_ino != target.stat().st_ino
    source.unlink()
    assert target.read_bytes() == b"sound"
    assert not durable.linked(source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.wav"]
