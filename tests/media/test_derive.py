"""controller/media/examine.py, formats other than WAV: made of what would be served, or it is told why not."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.media import wav
from controller.media.encoders import DerivativeFailed, DerivativeMade, Encoders
from controller.media.examine import DiskMedia
from controller.media.job import Job
from controller.media.master import MasterExamined
from controller.media.roots import Root
from controller.recordings.model import Measured, Pause, PauseBehavior, Recording
from controller.recordings.ports import MediaAway
from tests.harness.listen import read_audio, tagged
from tests.media.test_examine import START, SWITCH_PATH, Disk, audio

FORMATS = ("mp3", "mp4")


class Deriving(Disk):
    """A recording directory, and media that encodes."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.all: list[object] = []
        self.encoders = Encoders(observe=self.all.append)
        self.encode_with(self.encoders)

    def encode_with(self, encoders: Encoders) -> None:
        """Let others do the encoding."""
        self.media.close()
        roots = {"fs1": Root(SWITCH_PATH, self.local)}
        self.media = DiskMedia(roots, self.derived, settle=(), encoders=encoders, observe=self.all.append)

    def wanted(self, form: str, content: bytes | None, **changes: object) -> Recording:
        """A recording that ended and was asked for in `form`."""
        recording = self.recording(content, **changes)
        return replace(recording, request=replace(recording.request, format=form))

    def served(self, recording: Recording, measured: Measured | None) -> Path:
        """The file that is served."""
        return self.media.path_of(replace(recording, measured=measured))

    def of(self, kind: type) -> list[object]:
        """What was told of one kind."""
        return [event for event in self.all if isinstance(event, kind)]


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Deriving]:
    """A disk, all that works on it closed afterwards."""
    made = Deriving(tmp_path)
    yield made
    made.media.close()
    await made.encoders.close()


@pytest.mark.parametrize("form", FORMATS)
async def test_a_good_master_is_encoded(disk: Deriving, form: str) -> None:
    """Size and format are the derivative's, the length is the master's, which nobody touches."""
    content = wav.header(8000, 2, 12345) + audio(12345, 2)
    recording = disk.wanted(form, content)
    found = await disk.media.examine(recording)
    assert found.problem is None
    assert found.measured is not None
    path = disk.served(recording, found.measured)
    assert path == disk.derived / recording.id[:2] / f"{recording.id}.{form}"
    assert found.measured == Measured(12345 / 8000, path.stat().st_size, 2, 8000, format=form)
    assert abs(tagged(path).seconds - 12345 / 8000) < 0.001
    assert disk.copies() == [path]
    assert (disk.local / f"{recording.id}.wav").read_bytes() == content
    assert len(disk.of(MasterExamined)) == 1
    (made,) = disk.of(DerivativeMade)
    assert isinstance(made, DerivativeMade)
    assert (made.recording, made.format, made.size) == (recording.id, form, path.stat().st_size)
    assert made.duration > 0


@pytest.mark.parametrize("form", FORMATS)
async def test_the_cut_and_mended_copy_is_encoded(disk: Deriving, form: str) -> None:
    """What a skipped pause left isn't in the derivative either, and a header that was never finished is no matter."""
    sound = np.sin(np.arange(32000) * 2 * np.pi * 440 / 8000) * 8000
    sound = sound.astype("<i2")
    sound[8000:16000] = 0
    head = bytearray(wav.header(8000, 1, 0))
    struct.pack_into("<I", head, 4, 8)
    pause = Pause(START + 1.03, PauseBehavior.SKIP, START + 1.98)
    recording = disk.wanted(form, bytes(head) + sound.tobytes(), pauses=(pause,))
    found = await disk.media.examine(recording)
    assert found.measured is not None
    path = disk.served(recording, found.measured)
    assert found.measured == Measured(3.0, path.stat().st_size, 1, 8000, derived=True, format=form, cut=1.0)
    heard = read_audio(path)
    assert abs(tagged(path).seconds - 3.0) < 0.001
    assert len(heard.sounding()) == 1
    assert disk.copies() == sorted([path, path.with_suffix(".wav")])


async def test_an_empty_recording_has_its_format(disk: Deriving) -> None:
    """Deleted by the switch for being empty: what is served can be played, as the format that was asked for."""
    recording = disk.wanted("mp3", None, measured=Measured(0.0, 0, 1, 8000))
    found = await disk.media.examine(recording)
    assert found.measured is not None
    assert (found.measured.duration, found.measured.format, found.problem) == (0.0, "mp3", None)
    assert tagged(disk.served(recording, found.measured)).codec.startswith("mp3")


async def test_what_can_not_be_encoded_is_served_as_wav(disk: Deriving) -> None:
    """The audio is there and true: it is told in the format that it has, with the reason; nothing is left over."""
    script = "import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 11)"
    disk.encode_with(Encoders(command=(sys.executable, "-c", script), tries=2))
    content = wav.header(8000, 1, 800) + audio(800)
    recording = disk.wanted("mp3", content)
    leftover = disk.derived / recording.id[:2] / f"{recording.id}.mp3.part"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    found = await disk.media.examine(recording)
    assert found.measured == Measured(0.1, len(content), 1, 8000)
    why = "the process that encodes it was killed by SIGSEGV, 2 times"
    assert found.problem == f"it is served as wav, it could not be made mp3: {why}"
    assert disk.served(recording, found.measured) == disk.local / f"{recording.id}.wav"
    assert disk.copies() == []
    assert disk.of(DerivativeFailed) == [DerivativeFailed(recording.id, "mp3", why)]
    assert disk.of(DerivativeMade) == []


@pytest.mark.parametrize("form", ["ogg", "../../x", ""])
async def test_a_format_that_is_none(disk: Deriving, form: str) -> None:
    """No path is made of what isn't one of the formats; the WAV is served."""
    found = await disk.media.examine(disk.wanted(form, wav.header(8000, 1, 8) + audio(8)))
    assert found.measured == Measured(0.001, 60, 1, 8000)
    assert found.problem is not None
    assert "the formats are wav, mp3, mp4" in found.problem
    assert disk.copies() == []


class Refusing(Encoders):
    """Fails with what it is given."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def encode(self, recording: str, job: Job) -> int:
        """Fail."""
        raise self._error


@pytest.mark.parametrize("error", [MediaAway("no room"), wav.ReadError("gone")])
async def test_what_may_pass_is_tried_again_by_the_core(disk: Deriving, error: Exception) -> None:
    """No room, no process, a master that is gone: media says so, and the recording waits or is examined again."""
    disk.encode_with(Refusing(error))
    with pytest.raises(type(error)):
        await disk.media.examine(disk.wanted("mp3", wav.header(8000, 1, 8) + audio(8)))


async def test_a_full_disk_is_waited_for(disk: Deriving) -> None:
    """A directory that can't be written is not the master's fault."""
    disk.derived.write_text("a file where a directory should be")
    with pytest.raises(MediaAway, match="it can't be encoded now: "):
        await disk.media.examine(disk.wanted("mp3", wav.header(8000, 1, 8) + audio(8)))


async def test_examined_again_after_a_crash(disk: Deriving) -> None:
    """The same file over what was left, as often as it is asked for."""
    recording = disk.wanted("mp3", wav.header(8000, 1, 8000) + audio(8000))
    first = await disk.media.examine(recording)
    path = disk.served(recording, first.measured)
    before = path.read_bytes()
    path.with_name(f"{path.name}.part").write_bytes(b"half" * 999_999)
    assert await disk.media.examine(recording) == first
    assert path.read_bytes() == before
    assert disk.copies() == [path]


async def test_calls_go_on_meanwhile(disk: Deriving) -> None:
    """The loop, and the threads of the recordings' disk, are free while a file is encoded."""
    script = "import sys; sys.stdin.readline(); sys.stdin.readline()"
    disk.encode_with(Encoders(command=(sys.executable, "-c", script)))
    waiting = [
        asyncio.create_task(disk.media.examine(disk.wanted("mp3", wav.header(8000, 1, 8) + audio(8))))
        for _ in range(12)
    ]
    plain = disk.recording(wav.header(8000, 1, 8) + audio(8))
    async with asyncio.timeout(10):
        assert (await disk.media.examine(plain)).measured == Measured(0.001, 60, 1, 8000)
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    assert {type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)} == {asyncio.CancelledError}


class HeldEncoders(Encoders):
    """Encoders that wait for `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def encode(self, recording: str, job: Job) -> int:
        await self.go.wait()
        return await super().encode(recording, job)


@pytest.mark.parametrize("copied", [False, True], ids=["the master", "a copy"])
async def test_the_wav_can_be_played_while_another_format_is_made(disk: Deriving, copied: bool) -> None:
    """It is told once it is there, with its own measures; a WAV that was asked for is told only as found."""
    head = bytearray(wav.header(8000, 1, 0 if copied else 16000))
    if copied:  # it was never finished
        struct.pack_into("<I", head, 4, 8)
    content = bytes(head) + audio(16000, 1)
    encoders = HeldEncoders()
    disk.encode_with(encoders)
    recording = disk.wanted("mp3", content)
    early: asyncio.Queue[Measured] = asyncio.Queue()
    examining = asyncio.create_task(disk.media.examine(recording, playable=early.put_nowait))
    measured = await asyncio.wait_for(early.get(), 5)
    path = disk.served(recording, measured)
    assert (measured.format, measured.derived, path.stat().st_size) == ("wav", copied, measured.size)
    assert not examining.done()
    encoders.go.set()
    found = (await examining).measured
    assert found is not None
    assert (found.format, found.duration) == ("mp3", measured.duration)
    await disk.media.examine(disk.recording(content), playable=early.put_nowait)
    assert early.empty()
    await encoders.close()
