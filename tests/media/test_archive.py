"""controller/media/archive.py and keeper.py: recordings go into the media store, and stay to be had all the while."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controller.media import wav
from controller.media.archive import Archive, RecordingStored, UploadFailed
from controller.media.clearing import ClearingFailed
from controller.media.encoders import Encoders
from controller.media.examine import DiskMedia
from controller.media.keeper import Keeper, UploadsResumed, UploadsStalled
from controller.media.objects import Objects, Patience
from controller.media.roots import Root
from controller.recordings.model import Measured, Recording, RecordingRequest, State, Stored, new_id
from controller.recordings.ports import LedgerFailed, MediaAway, NotPossible
from tests.harness.s3 import Bucket, FaultyS3
from tests.media.test_examine import START, SWITCH_PATH
from tests.media.test_trimmed import KNOWN, master_of
from tests.recordings.fakes import REQUEST, owner

PATIENCE = Patience(connect=0.5, answer=1.0, part=3.0, piece=1.0)
SOUND = master_of()


class World:
    """A switch's disk, a daemon's media with a media store, and the rows of its recordings.

    It is the shelf of a keeper: a row changes as the ledger would change it.
    """

    def __init__(self, base: Path, bucket: Bucket, endpoint: str, name: str = "a") -> None:
        self.base, self.bucket, self.endpoint = base, bucket, endpoint
        self.local = base / "masters"
        self.local.mkdir(exist_ok=True)
        self.derived = base / f"derived-{name}"
        self.events: list[object] = []
        self.rows: dict[str, Recording] = {}
        self.failing: list[Exception] = []
        self.wait, self.linger, self.settle = 5.0, 0.0, 0.0
        self.encoders = Encoders()
        self.media: DiskMedia
        self.start()

    def start(self, *, store: bool = True, keep_untrimmed: bool = False) -> None:
        """Media anew, as in a new process."""
        archive = Archive(
            Objects(self.bucket.place(self.endpoint), PATIENCE),
            wait=self.wait,
            pauses=(0.05,),
            observe=self.events.append,
        )
        self.media = DiskMedia(
            {"fs1": Root(SWITCH_PATH, self.local)},
            self.derived,
            settle=(),
            encoders=self.encoders,
            archive=archive if store else None,
            keep_untrimmed=keep_untrimmed,
            linger=self.linger,
            observe=self.events.append,
        )

    def again(self, **changes: bool) -> None:
        """Stop and start."""
        self.media.close()
        self.start(**changes)

    def recorded(self, form: str = "wav", content: bytes = SOUND, *, trim: bool = False) -> Recording:
        """A recording that ended, and its master."""
        identity = new_id()
        request: RecordingRequest = replace(REQUEST, format=form, trim=trim)
        path = self.media.master_path("fs1", identity)
        (self.local / f"{identity}.wav").write_bytes(content)
        return Recording(
            identity, owner(), request, State.PROCESSING, path, START, started_at=START, ended_at=START + 2
        )

    async def finished(self, recording: Recording) -> Recording:
        """What its examination makes of it, as a row; its files here are not cleared yet."""
        found = await self.media.examine(recording)
        assert found.problem is None
        made = replace(
            recording,
            state=State.COMPLETED,
            finished_at=START + 3,
            measured=found.measured,
            stored=found.stored,
            unstored=found.unstored,
        )
        self.rows[made.id] = made
        return made

    async def stored(self, identity: str, objects: tuple[Stored, ...]) -> Recording | None:
        """As the ledger's."""
        if self.failing:
            raise self.failing.pop(0)
        row = self.rows.get(identity)
        if row is not None and row.deleted_at is not None and objects:
            self.rows[identity] = replace(row, unstored=True)
        elif row is not None:
            self.rows[identity] = replace(row, stored=objects, unstored=False)
        return self.rows.get(identity)

    async def unstored(self, limit: int) -> Sequence[tuple[str, str]]:
        """As the ledger's."""
        return [(row.id, row.owner.switch) for row in self.rows.values() if row.unstored][:limit]

    async def recording(self, identity: str) -> Recording | None:
        """As the ledger's."""
        return self.rows.get(identity)

    async def delete(self, recording: Recording) -> Recording:
        """As the service does it."""
        await self.media.condemn(recording)
        row = self.rows[recording.id]
        row = replace(
            row, deleted_at=time.time(), revision=row.revision + 1, unstored=row.unstored or bool(row.stored)
        )
        self.rows[recording.id] = row
        await self.media.clear(row)
        return row

    @asynccontextmanager
    async def keeping(self, mine: Callable[[str], bool] = lambda _: True) -> AsyncIterator[Keeper]:
        """A keeper that runs meanwhile."""
        keeper = Keeper(
            self, self.media, mine=mine, look=0.05, pause=0.05, settle=self.settle, observe=self.events.append
        )
        task = asyncio.create_task(keeper.run())
        try:
            yield keeper
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def files(self) -> list[str]:
        """The names of all files but notes."""
        every = [*self.local.rglob("*"), *self.derived.rglob("*")]
        return sorted(path.name for path in every if path.is_file() and path.parent.name != "clearing")

    def notes(self) -> list[str]:
        """The names of the notes."""
        place = self.derived / "clearing"
        return sorted(path.name for path in place.iterdir()) if place.is_dir() else []

    def of(self, kind: type) -> list[object]:
        """What was told of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def close(self) -> None:
        """End all of it."""
        self.media.close()
        await self.encoders.close()


async def until(true: Callable[[], object]) -> None:
    """Wait for a fact."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
async def world(tmp_path: Path, bucket: Bucket, faulty: FaultyS3) -> AsyncIterator[World]:
    """All of it, before a store that can be made to fail."""
    made = World(tmp_path, bucket, faulty.url)
    yield made
    await made.close()


async def served(world: World, recording: Recording, form: str = "wav") -> bytes:
    """What a recording is served with."""
    try:
        return (await world.media.variant(recording, form)).path.read_bytes()
    except FileNotFoundError:
        remote = await world.media.elsewhere(recording, form)
        return b"".join([piece async for piece in remote.pieces(0, remote.size)])


@pytest.mark.parametrize(("form", "trim"), [("wav", False), ("wav", True), ("mp3", False), ("mp4", True)])
async def test_what_is_served_is_in_the_store_before_it_is_told(
    world: World, bucket: Bucket, form: str, trim: bool
) -> None:
    """When an examination is over, WAV and derivative are objects with their types; then the files here go."""
    recording = await world.finished(world.recorded(form, trim=trim))
    here = {one: await served(world, recording, one) for one in {"wav", form}}
    assert {one.format for one in recording.stored} == {"wav", form}
    assert not recording.unstored
    for one in recording.stored:
        kind = {"wav": "audio/wav", "mp3": "audio/mpeg", "mp4": "audio/mp4"}[one.format]
        assert await bucket.get(f"rec/{recording.id}.{one.format}") == (kind, here[one.format])
        assert one.size == len(here[one.format])
    assert world.notes()
    await world.media.clear(recording)
    assert (world.files(), world.notes()) == ([], [])
    assert {one.format: await served(world, recording, one.format) for one in recording.stored} == here
    assert [event.objects for event in world.of(RecordingStored)] == [len(here)]  # type: ignore[attr-defined]


async def test_files_stay_a_while(world: World) -> None:
    """What the store has is served from here while its receivers fetch it."""
    world.linger = 0.3
    world.again()
    recording = await world.finished(world.recorded())
    clearing = asyncio.create_task(world.media.clear(recording))
    await asyncio.sleep(0)
    assert world.files() == [f"{recording.id}.wav"]
    await clearing
    assert world.files() == []


async def test_what_a_former_daemon_left_goes_at_once(world: World) -> None:
    """Files of what was stored before a start have been here long enough, however many there are."""
    world.linger = 60.0
    world.again()
    recording = await world.finished(world.recorded())
    world.again()
    assert list(await world.media.to_clear()) == [recording.id]
    async with asyncio.timeout(5):
        await world.media.clear(recording)
    assert (world.files(), world.notes()) == ([], [])


async def test_an_untrimmed_master_may_be_kept(world: World, bucket: Bucket) -> None:
    """With `keep_untrimmed` the master of a trimmed recording stays, the copy of it goes; another's master goes."""
    world.again(keep_untrimmed=True)
    trimmed, plain = await world.finished(world.recorded(trim=True)), await world.finished(world.recorded())
    for recording in (trimmed, plain):
        await world.media.clear(recording)
    assert world.files() == [f"{trimmed.id}.wav"]
    assert (world.local / f"{trimmed.id}.wav").read_bytes() == SOUND
    assert sorted(await bucket.names()) == sorted(f"rec/{one.id}.wav" for one in (trimmed, plain))


@pytest.mark.parametrize("fault", ["503", "reset", "hang", "lost"])
async def test_a_fault_of_a_moment_is_waited_out(world: World, faulty: FaultyS3, fault: str) -> None:
    """A store that fails once has it before it is told."""
    faults = [fault]
    faulty.rule = lambda asked: faults.pop() if asked.method == "PUT" and faults else None
    recording = await world.finished(world.recorded())
    assert recording.stored
    assert faults == []


async def test_a_store_that_is_away_holds_up_nothing_for_long(world: World, faulty: FaultyS3) -> None:
    """Within the time the end is told all the same; the file here serves, and those that come after do not wait."""
    world.wait = 0.4
    world.again()
    faulty.rule = lambda _: "503"
    first = await world.finished(world.recorded())
    assert (first.stored, first.unstored) == ((), True)
    await until(lambda: world.media.away > world.wait)
    asked, began = len(faulty.asked), time.monotonic()
    second = await world.finished(world.recorded())
    assert second.unstored
    assert time.monotonic() - began < world.wait
    assert len(faulty.asked) == asked
    for recording in (first, second):
        await world.media.clear(recording)
        assert await served(world, recording) == SOUND


async def test_what_waits_is_put_there_when_the_store_is_back(world: World, bucket: Bucket, faulty: FaultyS3) -> None:
    """For as long as it takes, over a restart, and then the files here go."""
    world.wait = 0.1
    world.again()
    faulty.rule = lambda _: "503"
    waiting = [await world.finished(world.recorded("mp3" if index else "wav", trim=True)) for index in range(3)]
    async with world.keeping() as keeper:
        await until(lambda: len(world.of(UploadFailed)) > 5)
        assert keeper.waiting == 3
    world.again()
    async with world.keeping() as keeper:
        faulty.rule = lambda _: None
        await until(lambda: not any(row.unstored for row in world.rows.values()))
        await until(lambda: not world.files() and not world.notes())
        await until(lambda: not keeper.waiting)
    assert len(await bucket.names()) == 5
    for recording in waiting:
        assert {one.format for one in world.rows[recording.id].stored} == {"wav", recording.request.format}


async def test_a_store_that_is_away_is_asked_by_one(world: World, faulty: FaultyS3) -> None:
    """While it is away one recording at a time is tried, a different one each time, and less and less often."""
    faulty.rule = lambda _: "503"
    world.wait = 0.0
    world.again()
    for _ in range(4):
        await world.finished(world.recorded())
    async with world.keeping():
        await until(lambda: len({asked.name for asked in faulty.asked}) == 4)


async def test_a_long_outage_is_told_once(world: World, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing is taken is told when it lasts, with how many wait; and so is its end."""
    monkeypatch.setattr("controller.media.keeper.STALLED", 0.2)
    world.wait = 0.0
    world.again()
    faulty.rule = lambda _: "503"
    await world.finished(world.recorded())
    async with world.keeping():
        await until(lambda: world.of(UploadsStalled))
        failed = len(world.of(UploadFailed))
        await until(lambda: len(world.of(UploadFailed)) > failed + 1)
        faulty.rule = lambda _: None
        await until(lambda: world.of(UploadsResumed))
    (told,) = world.of(UploadsStalled)
    assert told.waiting == 1  # type: ignore[attr-defined]


async def test_one_whose_file_is_gone_holds_up_nobody(world: World, faulty: FaultyS3) -> None:
    """What can't be read is told and left for later; all others get there."""
    faulty.rule = lambda _: "503"
    world.wait = 0.0
    world.again()
    lost, other = await world.finished(world.recorded()), await world.finished(world.recorded())
    (world.local / f"{lost.id}.wav").unlink()
    faulty.rule = lambda _: None
    async with world.keeping():
        await until(lambda: world.rows[other.id].stored)
    assert world.rows[lost.id].unstored


async def test_what_is_not_ours_is_left(world: World, faulty: FaultyS3) -> None:
    """A recording of a switch that another daemon holds is that one's to put there."""
    faulty.rule = lambda _: "503"
    world.wait = 0.0
    world.again()
    await world.finished(world.recorded())
    await until(lambda: world.of(UploadFailed))
    asked = len(faulty.asked)
    async with world.keeping(mine=lambda _: False) as keeper:
        await asyncio.sleep(0.2)
        assert keeper.waiting == 0
    assert len(faulty.asked) == asked


async def test_a_ledger_that_fails_is_asked_again(world: World, bucket: Bucket, faulty: FaultyS3) -> None:
    """An upload that could not be said to be done is done again, and no file here goes before it was."""
    faulty.rule = lambda _: "503"
    world.wait = 0.0
    world.again()
    recording = await world.finished(world.recorded())
    faulty.rule = lambda _: None
    world.failing = [LedgerFailed("disk full")] * 2
    async with world.keeping():
        await until(lambda: len(world.failing) < 2)
        assert world.files() == [f"{recording.id}.wav"]
        await until(lambda: world.rows[recording.id].stored)
    assert await bucket.names() == [f"rec/{recording.id}.wav"]


@pytest.mark.parametrize(("form", "trim"), [("mp3", False), ("wav", True), ("mp3", True)])
async def test_another_daemon_goes_on_with_it(
    world: World, tmp_path: Path, bucket: Bucket, faulty: FaultyS3, form: str, trim: bool
) -> None:
    """Who takes a switch over has its masters, and makes again what the former daemon had made for itself."""
    faulty.rule = lambda _: "503"
    world.wait = 0.0
    world.again()
    recording = await world.finished(world.recorded(form, trim=trim))
    await world.media.clear(recording)
    here = await served(world, recording, form)
    other = World(tmp_path, bucket, faulty.url, "b")
    other.rows = world.rows
    with pytest.raises(MediaAway):
        await other.media.elsewhere(recording, form)
    faulty.rule = lambda _: None
    try:
        async with other.keeping():
            await until(lambda: world.rows[recording.id].stored)
            await until(lambda: not list(other.local.iterdir()))
        assert (await bucket.get(f"rec/{recording.id}.{form}"))[1] == here
    finally:
        await other.close()


# --- deleting ------------------------------------------------------------------------------------------------------


async def test_deleting_takes_the_objects(world: World, bucket: Bucket) -> None:
    """Nothing is left of it, here or there."""
    recording, other = await world.finished(world.recorded("mp3")), await world.finished(world.recorded())
    await world.media.variant(recording, "mp4")
    await world.delete(recording)
    assert await bucket.names() == [f"rec/{other.id}.wav"]
    assert world.files() == [f"{other.id}.wav"]
    assert [note for note in world.notes() if recording.id in note] == []


async def test_objects_of_a_deleted_recording_go_when_the_store_is_back(
    world: World, bucket: Bucket, faulty: FaultyS3
) -> None:
    """That they are to go is noted until the store said yes, and tried without a restart, or after one."""
    one, two = await world.finished(world.recorded()), await world.finished(world.recorded())
    for recording in (one, two):
        await world.media.clear(recording)
    faulty.rule = lambda _: "503"
    await world.delete(one)
    assert world.of(ClearingFailed)
    assert world.notes() == [f"{one.id}.deleted"]
    async with world.keeping():
        faulty.rule = lambda _: None
        await until(lambda: not world.notes())
    assert await bucket.names() == [f"rec/{two.id}.wav"]
    faulty.rule = lambda _: "503"
    await world.delete(two)
    world.again()
    assert list(await world.media.to_clear()) == [two.id]
    faulty.rule = lambda _: None
    await world.media.clear(world.rows[two.id])
    assert (await bucket.names(), world.notes()) == ([], [])


async def test_what_is_being_deleted_stays_noted(world: World) -> None:
    """Files that go meanwhile, as the store has them, take no note of a deletion along; a start without one does."""
    recording = await world.finished(world.recorded())
    await world.media.condemn(recording)
    await world.media.clear(recording)
    assert world.notes() == [f"{recording.id}.deleted"]
    world.again()
    await world.media.clear(recording)
    assert world.notes() == []


async def test_a_recording_deleted_within_its_upload(world: World, bucket: Bucket, faulty: FaultyS3) -> None:
    """The upload is given up, and what comes of it all the same is undone: no object outlives its recording."""
    faulty.rule = lambda asked: 0.3 if asked.method == "PUT" else None
    world.wait, world.settle = 0.05, 1.0
    world.again()
    recording = await world.finished(world.recorded())
    assert recording.unstored
    async with world.keeping():
        await world.delete(recording)
        await until(lambda: not world.files())
        assert world.rows[recording.id].unstored
        await until(lambda: not world.rows[recording.id].unstored)
        await until(lambda: any(asked.method == "PUT" for asked in faulty.obeyed))
    assert (await bucket.names(), world.files(), world.notes()) == ([], [], [])


async def test_a_file_that_goes_while_it_is_put_there(
    world: World, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that fails because its recording was deleted is not put off as one whose files are bad."""
    world.wait, world.settle = 0.0, 0.2
    world.again()
    monkeypatch.setattr(world.media, "keep", lambda _: gone())
    recording = await world.finished(world.recorded())

    async def gone() -> tuple[Stored, ...]:
        await world.delete(recording)
        raise FileNotFoundError(recording.id)

    async with world.keeping():
        await until(lambda: not world.files())
        await until(lambda: not world.rows[recording.id].unstored)
    assert (await bucket.names(), world.of(UploadFailed)) == ([], [])


async def test_another_daemon_deletes_what_is_being_put_there(
    world: World, tmp_path: Path, bucket: Bucket, faulty: FaultyS3
) -> None:
    """Whoever put it there finds that it was deleted, and takes it out, its files here too."""
    world.wait = 0.0
    world.again()
    faulty.rule = lambda _: "503"
    recording = await world.finished(world.recorded("mp3"))
    faulty.rule = lambda asked: 0.3 if asked.method == "PUT" else None
    other = World(tmp_path, bucket, bucket.server, "b")
    other.rows = world.rows
    try:
        async with world.keeping():
            await faulty.seen(lambda asked: asked.method == "PUT")
            await other.delete(recording)
            await until(lambda: not world.rows[recording.id].unstored)
            await until(lambda: not world.files() and not world.notes())
    finally:
        await other.close()
    assert await bucket.names() == []


async def test_without_a_store_its_recordings_are_not_forgotten(world: World) -> None:
    """Settings that no longer name it: neither told as gone, nor deleted by halves."""
    recording = await world.finished(world.recorded())
    await world.media.clear(recording)
    world.again(store=False)
    with pytest.raises(MediaAway, match=r"media\.store"):
        await world.media.elsewhere(recording, "wav")
    with pytest.raises(MediaAway, match=r"media\.store"):
        await world.media.condemn(recording)


# --- what is asked for ---------------------------------------------------------------------------------------------


async def test_other_formats_are_made_of_what_the_store_has(world: World, faulty: FaultyS3) -> None:
    """It is fetched once, kept for the next who asks, and what is made of it is as it was from the file here."""
    content = wav.header(8000, 2, 12000) + os.urandom(48000)
    recording = await world.finished(world.recorded(content=content))
    made = {(form, channels): await world.media.variant(recording, form, channels) for form, channels in WANTED}
    before = {wanted: variant.path.read_bytes() for wanted, variant in made.items()}
    await world.media._variants.forget(recording.id)
    await world.media.clear(recording)
    assert world.files() == []
    for form, channels in WANTED:
        assert (await world.media.variant(recording, form, channels)).path.read_bytes() == before[(form, channels)]
    assert len([asked for asked in faulty.asked if asked.method == "GET"]) == 1
    assert (await world.media.wav_of(recording)).read_bytes() == content


WANTED = (("mp3", None), ("wav", 1), ("mp3", 1))


async def test_what_can_not_be_fetched(world: World, bucket: Bucket, faulty: FaultyS3) -> None:
    """A store that is away is told as away, an object that is gone as gone; nothing of either is kept."""
    recording = await world.finished(world.recorded())
    await world.media.clear(recording)
    faulty.rule = lambda asked: "cut" if asked.method == "GET" else None
    with pytest.raises(MediaAway):
        await world.media.variant(recording, "mp3")
    faulty.rule = lambda _: "503"
    with pytest.raises(MediaAway):
        await world.media.wav_of(recording)
    faulty.rule = lambda _: None
    await bucket.remove(f"rec/{recording.id}.wav")
    with pytest.raises(FileNotFoundError):
        await world.media.variant(recording, "mp3")
    with pytest.raises(NotPossible):
        await world.media.variant(recording, "ogg")
    assert [name for name in world.files() if not name.endswith(".part")] == []


async def test_a_switch_plays_a_copy(world: World) -> None:
    """With a media store masters go, so no switch is told to play one."""
    recording = await world.finished(world.recorded())
    assert world.media.seen_by("fs1", recording) is None
    world.again(store=False)
    assert world.media.seen_by("fs1", replace(recording, stored=())) == recording.path


async def test_an_empty_recording_is_stored(world: World, bucket: Bucket) -> None:
    """A recording of length zero, whose master the switch deleted, is there as a WAV of no frames."""
    recording = world.recorded()
    (world.local / f"{recording.id}.wav").unlink()
    row = await world.finished(replace(recording, measured=Measured(0.0, 0)))
    assert row.stored
    await world.media.clear(row)
    assert len(await served(world, row)) == wav.HEADER_BYTES
    assert len(KNOWN) > 0
