"""controller/media/decode.py: what others encoded sounds as they meant it, and nothing but audio is read."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.media import decode, wav
from controller.media.decode import Undecodable
from controller.media.job import DecodeJob
from tests.harness.audio import Sound, read_wav
from tests.harness.sounds import FORMS, tone


def job(source: Path, rate: int = 8000, gain: float = 0.0) -> DecodeJob:
    """A job whose target lies in a directory of its own."""
    out = source.parent / "out"
    out.mkdir(exist_ok=True)
    return DecodeJob(str(source), str(out / "x.wav"), str(out / "x.part"), rate, gain)


def heard(asked: DecodeJob) -> Sound:
    """Decode, and listen; nothing but the target is left."""
    told: list[int] = []
    size = decode.decode(asked, told.append)
    target = Path(asked.target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert size == target.stat().st_size
    found = wav.read(target)
    assert (found.channels, found.rate, found.finished) == (1, asked.rate, True)
    return read_wav(target)


def refused(asked: DecodeJob) -> str:
    """Why it can't be decoded; nothing is left."""
    with pytest.raises(Undecodable) as failed:
        decode.decode(asked, lambda _: None)
    assert list(Path(asked.target).parent.iterdir()) == []
    return str(failed.value)


# format, rate, channels, what a decoder can't know of its length
SOURCES = [
    ("wav", 8000, 1, 0.001),
    ("wav", 44100, 2, 0.001),
    ("mulaw.wav", 8000, 1, 0.001),
    ("float.wav", 44100, 2, 0.001),
    ("mp3", 44100, 2, 0.05),
    ("mp3", 24000, 1, 0.05),
    ("ogg", 48000, 2, 0.05),
    ("flac", 44100, 2, 0.001),
    ("m4a", 44100, 2, 0.05),
    ("aac", 44100, 1, 0.05),
    ("aiff", 22050, 1, 0.001),
    ("au", 8000, 1, 0.001),
]


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize(("form", "of", "channels", "within"), SOURCES, ids=[f"{row[0]}-{row[1]}" for row in SOURCES])
def test_length_and_sound(tmp_path: Path, form: str, of: int, channels: int, within: float, rate: int) -> None:
    """Each format gives a mono WAV at the leg's rate: as long, as loud, at its frequency."""
    sound = heard(job(tone(tmp_path / f"x.{form}", form, rate=of, channels=channels, seconds=1.234), rate))
    assert abs(sound.seconds - 1.234) <= within
    assert abs(sound.hz() - 1000) < 3
    assert abs(sound.loudness() - 0.5 / 2**0.5) < 0.03


def test_nothing_changes_where_nothing_need(tmp_path: Path) -> None:
    """A mono WAV of the leg's rate comes out sample by sample."""
    source = tone(tmp_path / "x.wav", "wav", seconds=0.5)
    assert np.array_equal(heard(job(source)).samples, read_wav(source).samples)


@pytest.mark.parametrize("gain", [-40.0, -6.0, 3.0, 40.0])
def test_gain(tmp_path: Path, gain: float) -> None:
    """Louder or softer by as many dB, saturating: nothing wraps over."""
    plain = read_wav(tone(tmp_path / "x.wav", "wav", seconds=0.5)).samples
    louder = heard(job(tmp_path / "x.wav", gain=gain)).samples
    wanted = np.clip(plain * 10 ** (gain / 20), -1, 32767 / 32768)
    assert np.max(np.abs(louder - wanted)) <= 1 / 32768


def test_channels_are_averaged(tmp_path: Path) -> None:
    """One silent channel halves the other; two opposite ones are silent."""
    time = np.arange(8000) / 8000
    left = (16000 * np.sin(2 * np.pi * 440 * time)).astype("<i2")
    for other, loudness in ((np.zeros(8000, "<i2"), 0.5), (-left, 0.0)):
        path = tmp_path / "x.wav"
        path.write_bytes(wav.header(8000, 2, 8000) + np.stack([left, other], axis=1).tobytes())
        sound = heard(job(path))
        assert abs(sound.loudness() - loudness * 16000 / 32768 / 2**0.5) < 0.001
        (tmp_path / "out" / "x.wav").unlink()


def test_a_wav_whose_header_lies(tmp_path: Path) -> None:
    """One that claims 4 GB is as long as what is there."""
    (tmp_path / "x.wav").write_bytes(wav.header(8000, 1, 1 << 40) + b"\x00\x10" * 4000)
    assert heard(job(tmp_path / "x.wav")).seconds == 0.5


def test_a_file_that_breaks_off(tmp_path: Path) -> None:
    """What there is of it is heard."""
    whole = tone(tmp_path / "x.mp3", "mp3", rate=44100, seconds=2).read_bytes()
    (tmp_path / "y.mp3").write_bytes(whole[: len(whole) // 2])
    sound = heard(job(tmp_path / "y.mp3"))
    assert abs(sound.seconds - 1) < 0.1
    assert abs(sound.hz() - 1000) < 3


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """NaN and infinity among floats are silence and full scale, and no error."""
    source = tone(tmp_path / "x.float.wav", "float.wav", seconds=0.1)
    data = bytearray(source.read_bytes())
    data[-16:] = np.array([np.nan, np.inf, -np.inf, 0], "<f4").tobytes()
    source.write_bytes(data)
    assert heard(job(source)).samples[-4:, 0].tolist() == [0.0, 32767 / 32768, -1.0, 0.0]


HTML = b"<!DOCTYPE html><html><head><title>404</title></head><body>" + b"<p>Not here.</p>" * 200 + b"</body></html>"
NOT_AUDIO: list[tuple[str, bytes, str]] = [
    ("html", HTML, "is no audio that can be read"),
    ("html that looks like amr", b"<html>" + b"<p>x</p>" * 999, "is no audio that can be read"),
    ("empty", b"", "is no audio that can be read"),
    ("m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///SOUND\n#EXT-X-ENDLIST\n", "is no audio"),
    ("m3u8 of addresses", b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:9,\nhttp://127.0.0.1:1/x.ts\n", "is no audio"),
    ("concat", b"ffconcat version 1.0\nfile 'SOUND'\n", "is no audio"),
    (
        "sdp",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "is no audio",
    ),
    ("wav of nothing", wav.header(8000, 1, 0), "holds no audio"),
    ("wav at 10 Hz", wav.header(10, 1, 1000) + bytes(2000), "has 1 channels at 10 Hz; 8 at 4000 to 384000"),
    ("wav of 9 channels", wav.header(8000, 9, 1000) + bytes(18000), "has 9 channels at 8000 Hz"),
    ("noise", bytes(np.random.default_rng(1).bytes(50_000)), "is no audio that can be read"),
]


@pytest.mark.parametrize(("content", "why"), [row[1:] for row in NOT_AUDIO], ids=[row[0] for row in NOT_AUDIO])
def test_what_is_no_audio_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    """By its content, whatever it is called; a playlist of a sound that is there is not followed."""
    sound = tone(tmp_path / "sound.wav", "wav")
    (tmp_path / "x.mp3").write_bytes(content.replace(b"SOUND", str(sound).encode()))
    assert why in refused(job(tmp_path / "x.mp3"))


@given(piece=st.text(st.characters(codec="ascii"), min_size=1, max_size=40), times=st.integers(1, 2000))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_is_audio(tmp_path: Path, piece: str, times: int) -> None:
    """Whatever it says, and however regular it is: none is taken for sound that needs no mark."""
    (tmp_path / "x").write_text(piece * times)
    assert "is no audio" in refused(job(tmp_path / "x"))


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    """By what comes out of it: a few bytes can be hours."""
    source = tone(tmp_path / "x.flac", "flac", seconds=2)
    assert refused(replace(job(source), longest=1.5)) == "is longer than 1.5 s"
    assert heard(replace(job(source), longest=2.0)).seconds == 2.0


def test_progress_is_told(tmp_path: Path) -> None:
    """Each half minute or so: a process that does not get on is taken for hung."""
    (tmp_path / "x.wav").write_bytes(wav.header(8000, 1, 8000 * 100) + bytes(1_600_000))
    told: list[int] = []
    decode.decode(job(tmp_path / "x.wav"), told.append)
    assert [round(frames / 8000) for frames in told] == [30, 60, 90]


@pytest.mark.parametrize("mode", [0o750, 0o755, 0o700])
def test_who_may_read_the_directory_may_read_the_file(tmp_path: Path, mode: int) -> None:
    """The switch is another user: group and others are as for the directory, and nobody else may write."""
    asked = job(tone(tmp_path / "x.wav", "wav"))
    out = Path(asked.target).parent
    out.chmod(mode)
    heard(asked)
    found = Path(asked.target).stat()
    assert found.st_mode & 0o777 == 0o600 | mode & 0o044
    assert found.st_gid == out.stat().st_gid


def test_a_source_is_a_file(tmp_path: Path) -> None:
    """No link, no FIFO is opened."""
    (tmp_path / "link").symlink_to(tone(tmp_path / "x.wav", "wav"))
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo"):
        with pytest.raises(wav.WavError):
            decode.decode(job(tmp_path / name), lambda _: None)


CONFINED = """
import socket, sys
from controller.media import decode
from controller.media.job import DecodeJob
def more():
    decode.confine()
    for what in (lambda: open("/etc/passwd"), socket.socket):
        try:
            what()
        except OSError as error:
            print(error.errno)
    try:
        bytearray(1 << 30)
    except MemoryError:
        print("no memory")
print(decode.decode(DecodeJob(*sys.argv[1:4], 8000), lambda _: None, more))
"""


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_confined_process_decodes_and_opens_nothing(tmp_path: Path, form: str) -> None:
    """Whatever the audio makes of the decoder: no file, no socket, bounded memory; every format is decoded so."""
    asked = job(tone(tmp_path / "x", form, rate=48000 if form == "ogg" else 8000))
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, asked.source, asked.target, asked.growing],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *limits, size = done.stdout.split("\n")[:-1]
    assert limits == ["24", "24", "no memory"]
    assert int(size) == Path(asked.target).stat().st_size > 15000


def film(path: Path, *, audio: str | None) -> Path:
    """An mp4 with a picture, and with a tone coded as `audio` where that is given."""
    with av.open(str(path), "w", format="mov") as container:
        pictures = container.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        assert isinstance(pictures, av.VideoStream)
        sound = None if audio is None else container.add_stream(audio, rate=8000, layout="mono", format="s16")
        if isinstance(sound, av.AudioStream):
            frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 5000, "<i2"), "s16", "mono")
            frame.sample_rate, frame.pts = 8000, 0
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        for number in range(5):
            picture = av.VideoFrame(64, 64, "yuv420p")
            picture.pts = number
            container.mux(pictures.encode(picture))
        container.mux(pictures.encode(None))
    return path


def test_pictures_are_left_out(tmp_path: Path) -> None:
    """The sound of a film, or of a song with its cover, is heard; a film without any is no audio."""
    assert heard(job(film(tmp_path / "x.mov", audio="pcm_s16le"))).seconds == 1.0
    (tmp_path / "out" / "x.wav").unlink()
    assert refused(job(film(tmp_path / "y.mov", audio=None))) == "holds no audio"


def test_a_codec_that_nobody_plays(tmp_path: Path) -> None:
    """It is named; decoders are many, and few of them are looked after."""
    with av.open(str(tmp_path / "x.wav"), "w", format="wav") as container:
        stream = container.add_stream("adpcm_yamaha", rate=8000, layout="mono", format="s16")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 5000, "<i2"), "s16", "mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert "is coded as 'adpcm_yamaha'; what can be read: wav, mp3" in refused(job(tmp_path / "x.wav"))
    content = bytearray((tmp_path / "x.wav").read_bytes())
    content[20:22] = b"\xee\xee"
    (tmp_path / "x.wav").write_bytes(content)
    assert "is coded as 'an unknown codec'" in refused(job(tmp_path / "x.wav"))


def test_a_hole_in_the_middle(tmp_path: Path) -> None:
    """What is before and behind it is heard."""
    content = bytearray(tone(tmp_path / "x.mp3", "mp3", rate=44100, seconds=2).read_bytes())
    content[10_000:12_000] = np.random.default_rng(1).bytes(2000)
    (tmp_path / "x.mp3").write_bytes(content)
    sound = heard(job(tmp_path / "x.mp3"))
    assert 1.5 < sound.seconds < 2.1
    assert abs(sound.hz() - 1000) < 3


@pytest.mark.parametrize("form", sorted(FORMS))
@given(seed=st.integers(0, 2**32))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_of_any_kind(tmp_path_factory: pytest.TempPathFactory, form: str, seed: int) -> None:
    """Whatever bytes are changed: it is decoded, or refused in words; nothing else is raised, nothing is left."""
    base = tmp_path_factory.mktemp("damage")
    random = np.random.default_rng(seed)
    content = np.frombuffer(
        tone(base / "x", form, rate=48000 if form == "ogg" else 8000, seconds=0.3).read_bytes(), "u1"
    ).copy()
    where = random.integers(0, len(content), random.integers(1, 30))
    content[where] = random.integers(0, 256, len(where))
    (base / "x").write_bytes(content[: random.integers(1, len(content) + 1)].tobytes())
    asked = job(base / "x")
    try:
        decode.decode(asked, lambda _: None)
    except Undecodable:
        assert list(Path(asked.target).parent.iterdir()) == []
