"""controller/media/encode.py: a derivative sounds as its WAV, is as long, and is whole or not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.media import wav
from controller.media.encode import CHUNK_FRAMES, CODECS, _keep, bit_rate, encode
from controller.media.job import Job
from tests.harness.listen import boxes, read_audio, tagged

FORMATS = ("mp3", "mp4")


def tones(path: Path, rate: int, channels: int, frames: int) -> Job:
    """A WAV with 440 Hz on the left and 1000 Hz on the right; a job whose format is the caller's to fill in."""
    time = np.arange(frames) / rate
    sound = np.stack([8000 * np.sin(2 * np.pi * hz * time) for hz in (440, 1000, 600)[:channels]], axis=1)
    path.write_bytes(wav.header(rate, channels, frames) + sound.astype("<i2").tobytes())
    return Job(str(path), "", "", frames)


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return [path.name for path in directory.iterdir()]


def derive(job: Job, form: str, target: Path) -> list[int]:
    """Encode; the progress that was told."""
    told: list[int] = []
    size = encode(Job(job.source, str(target), form, job.frames), told.append)
    assert size == target.stat().st_size
    assert names(target.parent) == [target.name]
    return told


# WAV's rate → the rate of mp3, of mp4
RATES = [
    (8000, 24000, 8000),
    (12000, 24000, 12000),
    (16000, 24000, 16000),
    (32000, 32000, 32000),
    (44100, 44100, 44100),
    (48000, 48000, 48000),
    (7000, 24000, 8000),
    (50000, 48000, 64000),
]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("row", RATES, ids=[str(row[0]) for row in RATES])
def test_length_channels_and_sound(tmp_path: Path, row: tuple[int, int, int], form: str, channels: int) -> None:
    """Tags tell the WAV's length to the millisecond, frames to 0.1 s; each channel has its tone where the WAV has."""
    rate, seconds = row[0], 1.2345
    frames = round(seconds * rate)
    target = tmp_path / "out" / f"x.{form}"
    derive(tones(tmp_path / "x.wav", rate, channels, frames), form, target)
    found = tagged(target)
    assert (found.codec.removesuffix("float"), found.channels) == ("aac" if form == "mp4" else "mp3", channels)
    assert found.rate == row[1 + FORMATS.index(form)]
    assert abs(found.seconds - frames / rate) < 0.001
    assert found.frame_seconds >= frames / rate
    if form == "mp3":
        assert found.frame_seconds - frames / rate < 0.1
        assert found.title_length == round(frames / rate, 3)
    sound = read_audio(target)
    assert abs(sound.hz(0) - 440) < 5
    assert abs(sound.loudness(0) - 8000 / 32768 / 2**0.5) < 0.02
    if channels == 2:
        assert abs(sound.hz(1) - 1000) < 5
    # No delay: the first period begins where the WAV's does. A shift of a codec frame would be 20 times as much.
    first = np.flatnonzero(np.abs(sound.channel(0)) > 0.1)[0] / sound.rate
    assert first < 0.003


@pytest.mark.parametrize("form", FORMATS)
def test_one_leg_is_not_heard_in_the_other(tmp_path: Path, form: str) -> None:
    """A leg that is silent while the other speaks stays silent: 60 dB and more between them."""
    rate, frames = 8000, 16000
    noise = np.random.default_rng(1).normal(0, 6000, frames).clip(-32000, 32000)
    sound = np.stack([noise, np.zeros(frames)], axis=1).astype("<i2")
    (tmp_path / "x.wav").write_bytes(wav.header(rate, 2, frames) + sound.tobytes())
    derive(Job(str(tmp_path / "x.wav"), "", "", frames), form, tmp_path / "out" / f"x.{form}")
    heard = read_audio(tmp_path / "out" / f"x.{form}")
    assert heard.loudness(0) > 0.1
    assert heard.loudness(1) < heard.loudness(0) / 1000


@given(frames=st.integers(0, 400), form=st.sampled_from(FORMATS), rate=st.sampled_from([8000, 16000, 48000]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_short_it_can_be_played(
    tmp_path_factory: pytest.TempPathFactory, frames: int, form: str, rate: int
) -> None:
    """An empty or nearly empty recording has a frame that players can play, and is not longer than it must be."""
    base = tmp_path_factory.mktemp("short")
    derive(tones(base / "x.wav", rate, 1, frames), form, base / "out" / f"x.{form}")
    found = tagged(base / "out" / f"x.{form}")
    assert found.frame_seconds > 0
    assert abs(found.seconds - frames / rate) <= 0.0105
    assert len(read_audio(base / "out" / f"x.{form}").samples) > 0


def test_progress_is_told_by_the_chunk(tmp_path: Path) -> None:
    """Each chunk is told, and a file of several is as long as one of one: nothing is lost between them."""
    frames = 2 * CHUNK_FRAMES + 12345
    told = derive(tones(tmp_path / "x.wav", 48000, 1, frames), "mp3", tmp_path / "out" / "x.mp3")
    assert told == [CHUNK_FRAMES, 2 * CHUNK_FRAMES, frames]
    sound = read_audio(tmp_path / "out" / "x.mp3")
    assert abs(sound.seconds - frames / 48000) < 0.001
    assert len(sound.sounding()) == 1


def test_an_mp4s_index_is_in_front(tmp_path: Path) -> None:
    """A player that gets the file from its beginning can begin at once."""
    derive(tones(tmp_path / "x.wav", 8000, 1, 8000), "mp4", tmp_path / "out" / "x.mp4")
    found = boxes(tmp_path / "out" / "x.mp4")
    assert found.index("moov") < found.index("mdat")


def test_the_same_again(tmp_path: Path) -> None:
    """What is made again after a crash is the same file, byte for byte, over whatever was left half made."""
    job = tones(tmp_path / "x.wav", 8000, 2, 12345)
    for form in FORMATS:
        target = tmp_path / form / f"x.{form}"
        derive(job, form, target)
        before = target.read_bytes()
        target.with_name(f"{target.name}.part").write_bytes(b"half" * 100_000)
        derive(job, form, target)
        assert target.read_bytes() == before


def test_bit_rates_are_codecs_own() -> None:
    """Every rate and channel count has a bit rate that MPEG-1 and MPEG-2 layer III know; so the rate is constant."""
    second = {kbit * 1000 for kbit in (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)}
    first = {kbit * 1000 for kbit in (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)}
    for rate in (8000, 12000, 16000, 24000, 32000, 44100, 48000):
        assert {bit_rate(rate, 1), bit_rate(rate, 2)} <= (second if rate <= 24000 else first)
    assert min(CODECS["mp3"].rates) == 24000


BAD_SOURCES: list[tuple[str, bytes | None, str]] = [
    ("missing", None, "No such file or directory"),
    ("no WAV", b"ID3" + bytes(100), "x.wav begins with"),
    ("another length", wav.header(8000, 1, 99) + bytes(198), "has 99 frames now, 100 were measured"),
]


@pytest.mark.parametrize(("content", "why"), [row[1:] for row in BAD_SOURCES], ids=[row[0] for row in BAD_SOURCES])
def test_sources_that_are_not_as_measured(tmp_path: Path, content: bytes | None, why: str) -> None:
    """It is told as the source's fault, and nothing is left."""
    if content is not None:
        (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(wav.ReadError) as caught:
        derive(Job(str(tmp_path / "x.wav"), "", "", 100), "mp3", tmp_path / "out" / "x.mp3")
    assert why in str(caught.value)
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize(("channels", "form"), [(3, "mp3"), (1, "ogg")])
def test_what_can_not_be_made(tmp_path: Path, channels: int, form: str) -> None:
    """More than two channels, or a format that is none of ours."""
    job = tones(tmp_path / "x.wav", 8000, channels, 100)
    with pytest.raises(ValueError, match=f"{channels} channels as '{form}': 1 or 2 as mp3 or mp4 are made"):
        derive(job, form, tmp_path / "out" / f"x.{form}")
    assert names(tmp_path / "out") == []


def test_what_is_not_all_there_is_not_kept(tmp_path: Path) -> None:
    """A file with fewer bytes than were written to it doesn't get the name."""
    (tmp_path / "x.mp3.part").write_bytes(bytes(99))
    with pytest.raises(OSError, match="99 bytes are there of 100 and more"):
        _keep(tmp_path / "x.mp3.part", tmp_path / "x.mp3", 100)
    assert names(tmp_path) == ["x.mp3.part"]


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    """A link in place of the growing file is replaced, what it points to untouched."""
    (tmp_path / "out").mkdir()
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "out" / "x.mp3.part").symlink_to(tmp_path / "victim")
    derive(tones(tmp_path / "x.wav", 8000, 1, 100), "mp3", tmp_path / "out" / "x.mp3")
    assert (tmp_path / "victim").read_text() == "mine"


LIMITED = """
import resource, signal, sys
from pathlib import Path
from controller.media.encode import encode
from controller.media.job import Job
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
source, target, form, frames, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    encode(Job(source, target, form, int(frames)), lambda _: None)
except OSError as error:
    print(type(error).__mro__[-4].__name__, error.errno)
# Its own most: ru_maxrss begins with that of the process it was forked from.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def limited(job: Job, form: str, target: Path, limit: int = 0) -> list[str]:
    """Encode in a process that may write files of `limit` bytes; its error, and the most memory it had (KiB)."""
    words = [sys.executable, "-c", LIMITED, job.source, str(target), form, str(job.frames), str(limit)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("limit", [1, 4096, 20000])
def test_no_room_at_any_point(tmp_path: Path, form: str, limit: int) -> None:
    """A file that can't be written to its end is an OSError, and neither it nor a part of it is there."""
    job = tones(tmp_path / "x.wav", 8000, 1, 80000)
    (tmp_path / "out").mkdir()
    answer = limited(job, form, tmp_path / "out" / f"x.{form}", limit)
    assert answer[0] == "OSError"
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize("form", FORMATS)
def test_memory_does_not_grow_with_the_length(tmp_path: Path, form: str) -> None:
    """Ten minutes of both legs take no more memory than one minute, give or take an index."""
    most = []
    for minutes in (1, 10):
        frames = minutes * 60 * 8000
        with (tmp_path / "x.wav").open("wb") as file:
            file.write(wav.header(8000, 2, frames))
            file.truncate(wav.HEADER_BYTES + frames * 4)
        job = Job(str(tmp_path / "x.wav"), "", "", frames)
        most.append(int(limited(job, form, tmp_path / f"x{minutes}.{form}")[0]))
    assert most[1] - most[0] < 8 * 1024
    assert most[1] < 300 * 1024
