"""controller/media/variants.py and DiskMedia.variant: other formats and channels, made when they are asked for."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.media import encode, wav
from controller.media.copies import FORMATS
from controller.media.encoders import Encoders
from controller.media.job import Job
from controller.media.variants import Variants
from controller.recordings.model import Measured, Recording, State, new_id
from controller.recordings.ports import MediaAway, NotPossible
from tests.harness.listen import read_audio, tagged
from tests.media.test_derive import Deriving

FRAMES = 4000


def tones(channels: int) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """Half a second of another tone on each channel."""
    seconds = np.arange(FRAMES)[:, None] / 8000
    made: np.ndarray[tuple[int, int], np.dtype[np.int16]] = (
        8000 * np.sin(2 * np.pi * seconds * np.array([[440.0, 1000.0]]))
    ).astype("<i2")[:, :channels]
    return made


class Asked(Deriving):
    """A recording directory of finished recordings."""

    async def ready(self, channels: int = 2, form: str = "wav") -> Recording:
        """A final recording."""
        samples = tones(channels)
        recording = self.wanted(form, wav.header(8000, channels, FRAMES) + samples.tobytes())
        found = await self.media.examine(recording)
        return replace(recording, measured=found.measured, state=State.COMPLETED)

    def made(self) -> list[str]:
        """Names of what was made on demand."""
        return sorted(path.name for path in (self.derived / "variants").glob("*"))


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Asked]:
    """A disk, all that works on it closed afterwards."""
    made = Asked(tmp_path)
    yield made
    made.media.close()
    await made.encoders.close()


@pytest.mark.parametrize("own", FORMATS)
@pytest.mark.parametrize(("recorded", "asked"), [(1, None), (1, 1), (2, None), (2, 1), (2, 2)])
async def test_every_format_of_every_recording(disk: Asked, own: str, recorded: int, asked: int | None) -> None:
    """As it was recorded or mixed, each as long as the recording; what is there already is served, not made."""
    recording = await disk.ready(recorded, own)
    channels = asked or recorded
    for form in FORMATS:
        got = await disk.media.variant(recording, form, asked)
        assert (got.format, got.mark) == (form, f"{form}-{channels}")
        heard = tagged(got.path)
        assert heard.channels == channels
        assert abs(heard.seconds - 0.5) < 0.001
        again = await disk.media.variant(recording, form, asked)
        assert again == got
    there = {own, "wav"} if channels == recorded else set()
    assert disk.made() == sorted(f"{recording.id}.{channels}.{form}" for form in FORMATS if form not in there)


async def test_mono_has_both_parties(disk: Asked) -> None:
    """Both tones are in it, each as loud as before: a mix, not one of the channels."""
    got = await disk.media.variant(await disk.ready(), "mp3", 1)
    spectrum = np.abs(np.fft.rfft(read_audio(got.path).channel(0)[-3600 * 3 :]))
    strongest = sorted(np.argsort(spectrum)[-2:] * 24000 / (3600 * 3))
    assert strongest == pytest.approx([440, 1000], abs=5)


def test_a_mix_is_the_sum_held_at_the_loudest(tmp_path: Path) -> None:
    """To the sample, as a switch mixes: nothing wraps round, nothing is halved."""
    samples = np.array([[1, 2], [-5, 3], [30000, 30000], [-30000, -30000], [32767, -32768]], "<i2")
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_bytes(wav.header(8000, 2, 5) + samples.tobytes())
    job = Job(str(source), str(target), "wav", 5, mono=True)
    assert encode.encode(job, lambda _: None) == 54
    mixed = np.array([3, -2, 32767, -32768, -1], "<i2")
    assert target.read_bytes() == wav.header(8000, 1, 5) + mixed.tobytes()
    with pytest.raises(ValueError, match="only to mix it"):
        encode.encode(replace(job, mono=False), lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("recorded", "form", "channels", "words"),
    [
        (1, "wav", 2, "only one that was made dual"),
        (1, "mp3", 2, "only one that was made dual"),
        (2, "wav", 3, "1 or 2, not 3"),
        (2, "wav", 0, "1 or 2, not 0"),
        (2, "ogg", None, "the formats are wav, mp3, mp4"),
        (2, "../wav", 1, "the formats are wav, mp3, mp4"),
    ],
)
async def test_what_there_is_not(disk: Asked, recorded: int, form: str, channels: int | None, words: str) -> None:
    """Refused with what would be right, and nothing is made."""
    recording = await disk.ready(recorded)
    with pytest.raises(NotPossible, match=words):
        await disk.media.variant(recording, form, channels)
    assert disk.made() == []


async def test_only_what_is_ready(disk: Asked) -> None:
    """None of a recording that is not final, was never measured, or is deleted."""
    ready = await disk.ready()
    for one in (
        replace(ready, state=State.PROCESSING),
        replace(ready, measured=None, state=State.FAILED),
        replace(ready, deleted_at=1.0),
    ):
        with pytest.raises(FileNotFoundError):
            await disk.media.variant(one, "mp3")


async def test_many_who_ask_at_once_have_one_made(disk: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process for all of them; those who go away meanwhile stop nothing."""
    recording = await disk.ready()
    jobs: list[Job] = []
    real = disk.encoders.encode

    async def encoded(identity: str, job: Job) -> int:
        jobs.append(job)
        return await real(identity, job)

    monkeypatch.setattr(disk.encoders, "encode", encoded)
    asking = [asyncio.create_task(disk.media.variant(recording, "mp3")) for _ in range(20)]
    while not jobs:
        await asyncio.sleep(0.001)
    for task in asking[:19]:
        task.cancel()
    got = await asking[19]
    assert tagged(got.path).channels == 2
    assert len(jobs) == 1


class Slow(Encoders):
    """Makes nothing until it may; then a file of 100 bytes."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.free = asyncio.Event()
        self.error = error
        self.began = 0

    async def encode(self, recording: str, job: Job) -> int:
        """Wait."""
        self.began += 1
        await self.free.wait()
        if self.error is not None:
            raise self.error
        Path(job.target).write_bytes(bytes(100))
        return 100


async def ask(variants: Variants, recording: str) -> Path:
    return await variants.made(recording, Path("/a.wav"), 1, "mp3", 1, mono=False)


async def test_more_than_may_wait_are_told_to_come_again(tmp_path: Path) -> None:
    """Others who want what is under way already are none of them."""
    slow = Slow()
    variants = Variants(tmp_path / "v", slow, waiting=2)
    first, second = new_id(), new_id()
    asking = [asyncio.create_task(ask(variants, one)) for one in (first, second, first)]
    while slow.began < 2:
        await asyncio.sleep(0.001)
    with pytest.raises(MediaAway, match="2 files are being made already"):
        await ask(variants, new_id())
    slow.free.set()
    assert await asyncio.gather(*asking)
    await ask(variants, new_id())
    variants.close()


async def test_none_is_made_while_there_is_too_much_to_do(tmp_path: Path) -> None:
    """Who asks is told why; what is there already is had all the same."""
    quick = Slow()
    quick.free.set()
    busy: list[str | None] = [None]
    variants = Variants(tmp_path / "v", quick, busy=lambda: busy[0])
    kept = new_id()
    await ask(variants, kept)
    busy[0] = "fsrec is 2 s late all the time"
    assert (await ask(variants, kept)).exists()
    with pytest.raises(MediaAway, match="fsrec is 2 s late all the time; come again in a minute"):
        await ask(variants, new_id())
    assert quick.began == 1
    variants.close()


async def test_those_kept_are_bounded(tmp_path: Path) -> None:
    """In bytes and in number: the ones longest not asked for go; what a crash left half made goes too."""
    quick = Slow()
    quick.free.set()
    variants = Variants(tmp_path / "v", quick, most_bytes=350)
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / f"{new_id()}.1.mp3.part").write_bytes(bytes(999))
    names = [new_id() for _ in range(5)]

    def asked_for(name: str, at: int) -> None:
        os.utime(tmp_path / "v" / f"{name}.1.mp3", (at, 5))

    for at, name in enumerate(names[:3]):
        await ask(variants, name)
        asked_for(name, at)
    kept = await ask(variants, names[0])  # used again: no longer the oldest
    assert (kept.stat().st_mtime, quick.began) == (5, 3)
    await ask(variants, names[3])
    left = {path.name.split(".")[0] for path in (tmp_path / "v").iterdir()}
    assert left == {names[0], names[2], names[3]}
    few = Variants(tmp_path / "v", quick, most_files=1)
    last = await ask(few, names[4])
    assert list((tmp_path / "v").iterdir()) == [last]
    variants.close()
    few.close()


async def test_what_nobody_asks_for_goes(tmp_path: Path) -> None:
    """An hour after the last request: its recording may have been deleted by another daemon."""
    quick = Slow()
    quick.free.set()
    variants = Variants(tmp_path / "v", quick)
    await variants.tidy()  # nothing was made yet
    old, used = new_id(), new_id()
    for name in (old, used):
        await ask(variants, name)
        os.utime(tmp_path / "v" / f"{name}.1.mp3", (time.time() - 3700, 5))
    kept = await ask(variants, used)
    await variants.tidy()
    assert list((tmp_path / "v").iterdir()) == [kept]
    variants.close()


async def test_no_room(tmp_path: Path) -> None:
    """Nothing is made on a disk that has to keep room for recordings."""
    quick = Slow()
    variants = Variants(tmp_path / "v", quick, least_free=1 << 62)
    with pytest.raises(MediaAway, match="are to stay free"):
        await ask(variants, new_id())
    (tmp_path / "file").touch()
    with pytest.raises(MediaAway, match="Not a directory"):
        await ask(Variants(tmp_path / "file" / "v", quick), new_id())
    assert quick.began == 0


async def test_what_can_not_be_made(disk: Asked) -> None:
    """An encoder that crashes is told to who asks, nothing is left, and the next one may ask again."""
    recording = await disk.ready()
    disk.encode_with(Encoders(command=(sys.executable, "-c", "import os; os.abort()"), tries=2))
    for _ in range(2):
        with pytest.raises(NotPossible, match="can't be had as mp3: the process that encodes it was killed"):
            await disk.media.variant(recording, "mp3")
    assert disk.made() == []


@pytest.mark.parametrize("error", [MediaAway("no room"), OSError(errno.EIO, "unreadable")])
async def test_faults_that_may_pass(tmp_path: Path, error: Exception) -> None:
    """Are told as what they are."""
    slow = Slow(error)
    slow.free.set()
    variants = Variants(tmp_path / "v", slow)
    with pytest.raises(type(error)):
        await ask(variants, new_id())
    variants.close()


async def test_deleting_stops_what_is_under_way(tmp_path: Path) -> None:
    """Who waits is told that it is gone; nothing of it comes up later."""
    slow = Slow()
    variants = Variants(tmp_path / "v", slow)
    mine, other = new_id(), new_id()
    asking, others = (asyncio.create_task(ask(variants, one)) for one in (mine, other))
    while slow.began < 2:
        await asyncio.sleep(0.001)
    await variants.forget(mine)
    with pytest.raises(FileNotFoundError):
        await asking
    slow.free.set()
    assert (await others).exists()
    variants.close()


async def test_a_file_that_is_gone(disk: Asked) -> None:
    """Is told as gone."""
    recording = await disk.ready()
    (disk.local / f"{recording.id}.wav").unlink()
    with pytest.raises(wav.ReadError, match="No such file"):
        await disk.media.variant(recording, "mp3")
    assert recording.measured == Measured(0.5, 44 + 4 * FRAMES, 2, 8000)
