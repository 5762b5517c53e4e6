"""controller/media/examine.py: what is announced of a recording is there, and true."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.media import roots, wav
from controller.media.examine import DiskMedia
from controller.media.master import MasterExamined
from controller.media.roots import Root
from controller.recordings.model import (
    Break,
    Channels,
    Measured,
    Owner,
    Pause,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    Track,
    new_id,
)
from controller.recordings.ports import Media, MediaAway, Unfinished

SWITCH_PATH = "/var/lib/fsrec/recordings"
START = 1_700_000_000.0
UUID = "c0ffee00-1111-4222-8333-44445555aaaa"


class Disk:
    """A recording directory, and media on it."""

    def __init__(self, base: Path) -> None:
        self.local = base / "masters"
        self.local.mkdir()
        self.derived = base / "derived"
        self.events: list[MasterExamined] = []
        self.media = DiskMedia(
            {"fs1": Root(SWITCH_PATH, self.local)},
            self.derived,
            settle=(0.001, 0.001),
            workers=2,
            observe=self.observe,
        )

    def observe(self, event: object) -> None:
        """Keep what media tells."""
        assert isinstance(event, MasterExamined)
        self.events.append(event)

    def recording(self, content: bytes | None = None, **changes: object) -> Recording:
        """A recording that ended, and its master."""
        identity = new_id()
        request = RecordingRequest(Channels.DUAL, Track.BOTH, "wav", "r", "test")
        recording = Recording(
            id=identity, owner=Owner("acme", "swml", new_id(), "fs1", "leg"), request=request,
            state=State.PROCESSING, path=self.media.master_path("fs1", identity), requested_at=START,
            started_at=START, ended_at=START + 3,
        )  # fmt: skip
        if content is not None:
            (self.local / f"{identity}.wav").write_bytes(content)
        return replace(recording, **changes)  # type: ignore[arg-type]  # a table's columns

    def copies(self) -> list[Path]:
        """Files among the derived ones."""
        return sorted(path for path in self.derived.rglob("*") if path.is_file())


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    """A disk, its media closed afterwards."""
    made = Disk(tmp_path)
    yield made
    made.media.close()


def audio(frames: int, channels: int = 1) -> bytes:
    """Sound without a zero."""
    return np.random.default_rng(1).integers(1, 900, frames * channels, dtype=np.int16).tobytes()


async def test_a_good_master_is_served_as_it_is(disk: Disk) -> None:
    """A finished file is measured where it lies, nothing is copied, nothing touched."""
    content = wav.header(8000, 2, 12345) + audio(12345, 2)
    recording = disk.recording(content)
    media: Media = disk.media
    found = await media.examine(recording, closed=True)
    assert found.problem is None
    assert found.measured == Measured(12345 / 8000, len(content), 2, 8000, derived=False)
    path = disk.media.path_of(replace(recording, measured=found.measured))
    assert path == disk.local / f"{recording.id}.wav"
    with disk.media.opened(replace(recording, measured=found.measured)) as descriptor:
        assert os.pread(descriptor, len(content) + 1, 0) == content
    assert disk.copies() == []
    assert disk.events == [MasterExamined(recording.id, 12345 / 8000, len(content), False, 0.0, 0)]


@pytest.mark.parametrize("frames", [0, 7])
async def test_an_unfinished_header_is_mended_in_a_copy(disk: Disk, frames: int) -> None:
    """What a crash of the switch left is served with a true header; its own file stays as it was."""
    unfinished = bytearray(wav.header(16000, 1, 0))
    struct.pack_into("<I", unfinished, 4, 8)
    content = bytes(unfinished) + audio(frames)
    recording = disk.recording(content)
    found = await disk.media.examine(recording)
    assert found.measured == Measured(frames / 16000, 44 + 2 * frames, 1, 16000, derived=True)
    assert found.written_at == (disk.local / f"{recording.id}.wav").stat().st_mtime
    served = disk.media.path_of(replace(recording, measured=found.measured))
    assert served.is_relative_to(disk.derived)
    assert served.read_bytes() == wav.header(16000, 1, frames) + audio(frames)
    assert (disk.local / f"{recording.id}.wav").read_bytes() == content
    assert disk.events[0].mended


async def test_a_file_without_a_byte_is_a_recording_of_length_zero(disk: Disk) -> None:
    """An empty file is served as a WAV of no frames in the form that was asked for."""
    recording = disk.recording(b"")
    found = await disk.media.examine(recording)
    assert found.measured == Measured(0.0, 44, 2, 8000, derived=True)
    assert wav.read(disk.media.path_of(replace(recording, measured=found.measured))).finished


async def test_skipped_pauses_are_cut_from_a_copy(disk: Disk) -> None:
    """Skipping pauses go, silent ones stay; duration and size are those of what is served."""
    sound = np.frombuffer(audio(32000), "<i2").copy()
    sound[8000:16000] = 0
    sound[20000:24000] = 0
    pauses = (
        Pause(START + 1.03, PauseBehavior.SKIP, START + 1.98),
        Pause(START + 2.5, PauseBehavior.SILENCE, START + 3),
    )
    recording = disk.recording(wav.header(8000, 1, 32000) + sound.tobytes(), pauses=pauses)
    found = await disk.media.examine(recording)
    assert found.measured == Measured(3.0, 44 + 48000, 1, 8000, derived=True, cut=1.0)
    served = disk.media.path_of(replace(recording, measured=found.measured))
    assert served.read_bytes() == wav.header(8000, 1, 24000) + sound[:8000].tobytes() + sound[16000:].tobytes()
    assert disk.events == [MasterExamined(recording.id, 3.0, 48044, False, 1.0, 0)]


async def test_a_file_that_was_broken_off_in_its_pauses(disk: Disk) -> None:
    """A skipping pause goes though the file has only its beginning; a silent one gets the length that it had."""
    sound = np.frombuffer(audio(40000), "<i2").copy()
    sound[8000:12000] = 0  # 1.0 to 1.5 of a skipping pause of 4 s
    sound[20000:24000] = 0  # 2.5 to 3.0, by the clock 6.0 to 6.5, of a silent pause of 2 s
    recording = disk.recording(
        wav.header(8000, 1, 40000) + sound.tobytes(),
        pauses=(Pause(START + 1, PauseBehavior.SKIP, START + 5), Pause(START + 6, PauseBehavior.SILENCE, START + 8)),
        breaks=(Break(START + 1.5, START + 5), Break(START + 6.5, START + 8)),
        ended_at=START + 10,
    )
    found = await disk.media.examine(recording)
    assert found.measured == Measured(6.0, 44 + 96000, 1, 8000, derived=True, cut=0.5)
    served = disk.media.path_of(replace(recording, measured=found.measured))
    silence = bytes(2 * 12000)
    assert served.read_bytes() == (
        wav.header(8000, 1, 48000)
        + sound[:8000].tobytes() + sound[12000:23200].tobytes() + silence + sound[23200:].tobytes()
    )  # fmt: skip
    assert disk.events == [MasterExamined(recording.id, 6.0, 96044, False, 0.5, 0)]


async def test_a_master_deleted_for_being_empty_is_replaced(disk: Disk) -> None:
    """Of length zero by the switch's word, its file gone: an empty one is served. One that is there is measured."""
    empty = disk.recording(measured=Measured(0.0, 0, 2, 8000))
    found = await disk.media.examine(empty)
    assert found.measured == Measured(0.0, 44, 2, 8000, derived=True)
    served = disk.media.path_of(replace(empty, measured=found.measured))
    assert served.read_bytes() == wav.header(8000, 2, 0)
    there = disk.recording(wav.header(8000, 1, 100) + audio(100), measured=Measured(0.0, 0, 1, 8000))
    assert (await disk.media.examine(there)).measured == Measured(100 / 8000, 244, 1, 8000)


@pytest.mark.parametrize("content", [b"", wav.header(8000, 1, 900) + audio(500)])
async def test_an_unfinished_master_is_not_mended_while_it_may_grow(disk: Disk, content: bytes) -> None:
    """Not closed as far as is known: its size is told, and nothing is made of it."""
    with pytest.raises(Unfinished) as told:
        await disk.media.examine(disk.recording(content), closed=False)
    assert told.value.size == len(content)
    assert disk.copies() == []


@pytest.mark.parametrize("started", [START, None])
async def test_pauses_that_left_nothing_are_told(disk: Disk, started: float | None) -> None:
    """A skipping pause that isn't in the file changes nothing of it and is reported."""
    pauses = (Pause(START + 0.2, PauseBehavior.SKIP, START + 0.7),)
    recording = disk.recording(wav.header(8000, 1, 16000) + audio(16000), pauses=pauses, started_at=started)
    found = await disk.media.examine(recording)
    assert found.measured == Measured(2.0, 32044, 1, 8000, derived=False)
    assert disk.events[0].missed_pauses == 1


async def test_repeating_after_a_crash_gives_the_same(disk: Disk) -> None:
    """A half-written copy of an earlier attempt is overwritten; doing all again changes nothing."""
    recording = disk.recording(wav.header(8000, 1, 500) + audio(400))
    part = disk.derived / recording.id[:2] / f"{recording.id}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half" * 1000)
    first = await disk.media.examine(recording)
    served = disk.media.path_of(replace(recording, measured=first.measured))
    content = served.read_bytes()
    assert content == wav.header(8000, 1, 400) + audio(400)
    assert await disk.media.examine(recording) == first
    assert served.read_bytes() == content
    assert disk.copies() == [served]


async def test_a_copy_is_durable_before_it_is_told_of(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is synced under its unfinished name, then its directory under the final one."""
    synced = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), [path.suffix for path in disk.copies()]))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    recording = disk.recording(b"")
    await disk.media.examine(recording)
    directory = disk.derived / recording.id[:2]
    assert synced == [(str(directory / f"{recording.id}.part"), [".part"]), (str(directory), [".wav"])]


async def test_no_room_for_a_copy_is_not_the_masters_fault(disk: Disk) -> None:
    """A copy that can't be made is told as what may be mended, and leaves nothing that could be served."""
    disk.derived.write_text("a file where the directory should be")
    with pytest.raises(MediaAway, match=r"no copy can be made in .*derived: Not a directory"):
        await disk.media.examine(disk.recording(b""))


async def test_a_master_that_cannot_be_copied_is_an_oserror(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of reading while a copy is written is the master's own."""
    recording = disk.recording(wav.header(8000, 1, 900) + audio(500))
    real = os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        if length > 100:
            raise OSError(5, "Input/output error")
        return real(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(wav.ReadError, match="Input/output"):
        await disk.media.examine(recording)


async def test_nothing_is_missing_while_the_directory_is_away(disk: Disk, tmp_path: Path) -> None:
    """Directory away, in the way or out of reach: no word about any master in it; once it is back it is measured."""
    recording = disk.recording(wav.header(8000, 1, 100) + audio(100))
    disk.local.rename(tmp_path / "unmounted")
    with pytest.raises(MediaAway, match="does not exist"):
        await disk.media.examine(recording)
    disk.local.touch()
    with pytest.raises(MediaAway, match="no directory"):
        await disk.media.examine(recording)
    disk.local.unlink()
    (tmp_path / "unmounted").rename(disk.local)
    (disk.local / "8000").mkdir()
    assert (await disk.media.examine(recording)).measured is not None
    with pytest.raises(MediaAway, match="8000 exists"):
        await disk.media.examine(disk.recording())


async def test_a_directory_that_gives_errors_is_away(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stale handle of the directory itself is not taken for missing masters."""

    def stale(*_: object, **__: object) -> bool:
        raise OSError(116, "Stale file handle")

    missing = disk.recording()
    monkeypatch.setattr(roots, "directory_problems", stale)
    with pytest.raises(MediaAway, match="Stale file handle"):
        await disk.media.examine(missing)
    assert await disk.media.begun(missing)


async def test_a_mount_that_hangs_holds_up_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every thread of one directory hangs: another one's master is measured, and a look at the first has an end."""
    (tmp_path / "dead").mkdir()
    (tmp_path / "good").mkdir()
    known = {"dead": Root("/dead", tmp_path / "dead"), "good": Root("/good", tmp_path / "good")}
    media = DiskMedia(known, tmp_path / "derived", workers=1, look_within=0.5)
    freed = threading.Event()
    real = os.open
    real_problems = roots.directory_problems

    def hang(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).is_relative_to(tmp_path / "dead"):
            freed.wait(20)
        return real(path, flags, mode)

    def problems(root: Root) -> Sequence[str]:
        if root.switch_path == "/dead":
            freed.wait(20)
        return real_problems(root)

    monkeypatch.setattr(os, "open", hang)
    monkeypatch.setattr(roots, "directory_problems", problems)
    made = []
    for switch in ("dead", "good"):
        identity = new_id()
        (tmp_path / switch / f"{identity}.wav").write_bytes(wav.header(8000, 1, 100) + audio(100))
        owner = Owner("acme", "swml", new_id(), switch, "leg")
        request = RecordingRequest(Channels.MONO, Track.BOTH, "wav", "r", "test")
        path = media.master_path(switch, identity)
        made.append(Recording(identity, owner, request, State.PROCESSING, path, START))
    hanging = asyncio.ensure_future(media.examine(made[0]))
    async with asyncio.timeout(10):
        assert (await media.examine(made[1])).measured is not None
        for _ in range(2):
            with pytest.raises(OSError, match="does not answer"):
                await media.room("dead")
        assert await media.room("good")
    assert not hanging.done()
    freed.set()
    assert (await hanging).measured is not None
    async with asyncio.timeout(10):
        while True:  # it answers again, as soon as the machine comes to it
            with contextlib.suppress(TimeoutError):
                assert await media.room("dead")
                break
    media.close()


async def test_a_late_master_is_waited_for(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A master that a shared disk shows late, first not at all and then unfinished, is measured when it is whole."""
    recording = disk.recording()
    path = disk.local / f"{recording.id}.wav"
    real = roots.look
    seen: list[roots.Look] = []

    def look(root: Root, name: str) -> roots.Look:
        seen.append(real(root, name))
        path.write_bytes(wav.header(8000, 1, 100) + audio(100 if len(seen) > 1 else 0))
        return seen[-1]

    monkeypatch.setattr(roots, "look", look)
    found = await disk.media.examine(recording)
    assert [one[:4] for one in seen] == [
        (f"{recording.id}.wav is not there", False, 0, True),
        (None, False, 44, False),
        (None, True, 244, False),
    ]
    assert found.measured == Measured(100 / 8000, 244, 1, 8000, derived=False)


async def test_a_master_of_a_switch_that_left_the_settings_is_found_by_its_directory(disk: Disk) -> None:
    """A renamed switch keeps its directory: what lies in it is measured and served as before."""
    recording = disk.recording(wav.header(8000, 1, 800) + bytes(1600))
    renamed = replace(recording, owner=replace(recording.owner, switch="fs9"))
    found = await disk.media.examine(renamed)
    assert found.measured is not None
    assert found.measured.duration == 0.1
    assert disk.media.path_of(renamed) == disk.media.path_of(recording)
    with pytest.raises(KeyError):
        disk.media.path_of(replace(renamed, path="/elsewhere/x.wav"))


@pytest.mark.parametrize(
    ("content", "path", "switch", "problem"),
    [
        (None, None, "fs1", "is not there"),
        (b"RIFF" + bytes(100), None, "fs1", "begins with b'RIFF"),
        (b"x", None, "fs1", "1 bytes, too few"),
        (None, "/etc/passwd", "fs1", "not inside"),
        (None, SWITCH_PATH + "/../x.wav", "fs1", "not inside"),
        (None, SWITCH_PATH + "/a b.wav", "fs1", "not inside"),
        (None, SWITCH_PATH + "/{x}.wav", "fs1", "not inside"),
        (None, "x.wav", "fs1", "not inside"),
        (None, SWITCH_PATH + "/out/x.wav", "fs1", "leads out"),
        (None, SWITCH_PATH + "/file/x.wav", "fs1", "is no directory"),
        (None, "/elsewhere/x.wav", "fs9", "no recording directory in the settings"),
    ],
)
async def test_a_master_that_cannot_be_served_says_why(
    disk: Disk, content: bytes | None, path: str | None, switch: str, problem: str
) -> None:
    """Missing, broken and foreign masters are found wanting, in words, and nothing outside the root is opened."""
    (disk.local / "out").symlink_to("/etc")
    (disk.local / "file").touch()
    recording = disk.recording(content)
    owner = replace(recording.owner, switch=switch)
    found = await disk.media.examine(replace(recording, owner=owner, path=path or recording.path))
    assert found.measured is None
    assert problem in (found.problem or "")
    assert disk.events == []


async def test_a_master_without_permission_says_what_to_do(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another owner's is told with the fix. The refusal is injected: whoever runs this may be root."""
    recording = disk.recording(b"")
    real = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).parent == disk.local:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    found = await disk.media.examine(recording)
    assert "give this daemon the group" in (found.problem or "")


async def test_other_trouble_with_the_disk_is_an_oserror(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error is raised: the file may be good."""

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    recording = disk.recording(b"")
    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match="Input/output"):
        await disk.media.examine(recording)


@pytest.mark.parametrize(
    "path", ["", "/", "relative", "/a/../b", "/a/", "/a b", "/a/{b}", "/a\n", "/a,b", "/é", "//a", "/a'b"]
)
def test_a_switch_path_that_would_not_print_is_refused(path: str) -> None:
    """What goes into commands is of a closed alphabet."""
    with pytest.raises(ValueError, match="switch_path"):
        Root(path, Path())


@pytest.mark.parametrize("identity", ["", "x", "../../etc/passwd", "0" * 32, UUID.upper(), UUID + "\n"])
async def test_names_are_made_of_ids_alone(disk: Disk, identity: str) -> None:
    """Nothing but a uuid4 becomes part of a path."""
    with pytest.raises(ValueError, match="no recording id"):
        disk.media.master_path("fs1", identity)
    recording = replace(disk.recording(), id=identity, measured=Measured(0, 0, derived=True))
    with pytest.raises(ValueError, match="no recording id"):
        disk.media.path_of(recording)


async def test_the_directory_is_checked(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing wrong with a recording directory is told with its fix; free space is what is free."""
    whole = os.statvfs(disk.local)
    room = await disk.media.room("fs1")
    assert 0 < room.free <= whole.f_blocks * whole.f_frsize
    assert room.files is None or 0 < room.files <= whole.f_files
    assert room.device == disk.local.stat().st_dev
    assert (await disk.media.room_for_copies()).device == room.device
    (disk.local / "8000").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OSError, match=r"group of FreeSWITCH.*; .*8000 exists"):
        await disk.media.room("fs1")
    (tmp_path / "plain").touch()
    others = DiskMedia({"gone": Root("/r", tmp_path / "gone"), "plain": Root("/r", tmp_path / "plain")}, disk.derived)
    with pytest.raises(OSError, match="does not exist"):
        await others.room("gone")
    with pytest.raises(OSError, match="no directory"):
        await others.room("plain")
    others.close()


async def test_a_file_tells_since_when_it_is_written(disk: Disk) -> None:
    """As long before it was last written to as it is long, finished or not; a file that is none does not tell."""
    growing = bytearray(wav.header(8000, 1, 0))
    struct.pack_into("<I", growing, 4, 8)
    for frames in (0, 12000):
        recording = disk.recording(bytes(growing) + audio(frames))
        os.utime(disk.local / f"{recording.id}.wav", (2000.0, 2000.0))
        assert await disk.media.began(recording) == 2000.0 - frames / 8000
    missing = disk.recording()
    assert await disk.media.began(missing) is None
    assert await disk.media.began(disk.recording(b"RIFF")) is None
    assert await disk.media.began(replace(missing, path="/etc/passwd")) is None
    gone = replace(missing, owner=replace(missing.owner, switch="fs9"), path="/elsewhere/x.wav")
    assert await disk.media.began(gone) is None


async def test_what_began_is_told_by_its_file(disk: Disk, tmp_path: Path) -> None:
    """A master of any size has begun; so may one that can't be looked at: directory away, no such path, no root."""
    assert await disk.media.begun(disk.recording(b""))
    missing = disk.recording()
    assert not await disk.media.begun(missing)
    assert await disk.media.begun(replace(missing, path="/etc/passwd"))
    gone = replace(missing, owner=replace(missing.owner, switch="fs9"))
    assert await disk.media.begun(replace(gone, path="/elsewhere/x.wav"))
    disk.local.rename(tmp_path / "unmounted")
    assert await disk.media.begun(missing)
