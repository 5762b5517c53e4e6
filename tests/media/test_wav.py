"""controller/media/wav.py: headers from others, believed as far as the file bears them out."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.media import wav

LIST = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def fmt(tag: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, block: int | None = None) -> bytes:
    """A fmt chunk of 16 bytes."""
    align = channels * bits // 8 if block is None else block
    return b"fmt " + struct.pack("<IHHIIHH", 16, tag, channels, rate, rate * align, align, bits)


def extensible(guid: bytes = GUID) -> bytes:
    """A fmt chunk of WAVE_FORMAT_EXTENSIBLE, stereo."""
    body = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 16000, 64000, 4, 16, 22, 16, 3) + guid
    return b"fmt " + struct.pack("<I", len(body)) + body


def data(declared: int, present: int) -> bytes:
    """A data chunk that says ``declared`` bytes and has ``present``."""
    return b"data" + struct.pack("<I", declared) + b"\1" * present


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    """A RIFF file; its size is the true one unless given."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


GOOD: list[tuple[str, bytes, tuple[int, int, int, int, int, bool]]] = [
    ("finished", riff(fmt(), data(320, 320)), (8000, 1, 44, 160, 160, True)),
    ("stereo", riff(fmt(channels=2), data(320, 320)), (8000, 2, 44, 80, 80, True)),
    ("finished and empty", riff(fmt(), data(0, 0)), (8000, 1, 44, 0, 0, True)),
    ("recording: header alone", riff(fmt(), data(0, 0), size=8), (8000, 1, 44, 0, 0, False)),
    ("recording: audio after sizes of nothing", riff(fmt(), data(0, 320), size=8), (8000, 1, 44, 160, 0, False)),
    ("full disk: less audio than declared", riff(fmt(), data(640, 320), size=676), (8000, 1, 44, 160, 320, False)),
    ("grown after its header", riff(fmt(), data(160, 320), size=196), (8000, 1, 44, 160, 80, False)),
    ("RIFF size alone is wrong", riff(fmt(), data(320, 320), size=8), (8000, 1, 44, 160, 160, False)),
    ("trailing half frame", riff(fmt(channels=2), data(322, 322)), (8000, 2, 44, 80, 80, False)),
    ("tags before", riff(fmt(), LIST, data(320, 320)), (8000, 1, 58, 160, 160, True)),
    ("tags after", riff(fmt(), data(320, 320), LIST), (8000, 1, 44, 160, 160, True)),
    ("tags after, padding forgotten", riff(fmt(), data(320, 320), LIST[:-1]), (8000, 1, 44, 160, 160, True)),
    ("tags after, unfinished", riff(fmt(), data(0, 320), LIST, size=8), (8000, 1, 44, 167, 0, False)),
    ("extensible PCM", riff(extensible(), data(320, 320)), (16000, 2, 68, 80, 80, True)),
    ("ends after the size of data", riff(fmt(), data(320, 0)), (8000, 1, 44, 0, 160, False)),
    ("audio poses as a chunk", riff(fmt(), data(0, 0), b"abcd\0\0\0\0", size=8), (8000, 1, 44, 4, 0, False)),
    ("unprintable chunk after", riff(fmt(), data(2, 2), b"\1\2\3\4\0\0\0\0"), (8000, 1, 44, 5, 1, False)),
    ("half a chunk head after", riff(fmt(), data(2, 2), b"LIST"), (8000, 1, 44, 3, 1, False)),
    ("chunk after is cut short", riff(fmt(), data(2, 2), b"LIST\x09\0\0\0"), (8000, 1, 44, 5, 1, False)),
]


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_what_is_there_is_measured(tmp_path: Path, content: bytes, expected: tuple[int, ...]) -> None:
    """(rate, channels, data offset, frames present, frames declared, finished) of each form of file."""
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    found = wav.read(path)
    assert (
        found.rate, found.channels, found.data_offset, found.frames, found.declared_frames, found.finished,
    ) == expected  # fmt: skip
    assert found.size == len(content)
    assert found.duration == found.frames / found.rate


BAD: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "0 bytes, too few"),
    ("a few bytes", b"RIFF", "4 bytes, too few"),
    ("mp3", b"ID3\4" + bytes(100), "begins with b'ID3"),
    ("big-endian", b"RIFX" + riff(fmt(), data(0, 0))[4:], "begins with b'RIFX"),
    ("not WAVE", b"RIFF\0\0\0\0AVI " + bytes(40), "begins with"),
    ("no chunk", riff(), "ends at byte 12"),
    ("half a chunk", riff(b"fmt"), "ends at byte 15"),
    ("no data", riff(fmt()), "ends at byte 36"),
    ("data first", riff(data(4, 4), fmt()), "before any fmt"),
    ("two fmt", riff(fmt(), fmt(), data(0, 0)), "two fmt"),
    ("short fmt", riff(b"fmt \4\0\0\0" + bytes(4), data(0, 0)), "fmt chunk of 4 bytes"),
    ("float", riff(fmt(tag=3), data(0, 0)), "format tag 3"),
    ("mu-law", riff(fmt(tag=7, bits=8), data(0, 0)), "format tag 7"),
    ("extensible float", riff(extensible(b"\3" + GUID[1:]), data(0, 0)), "not PCM"),
    ("extensible cut short", riff(fmt(tag=0xFFFE), data(0, 0)), "not PCM"),
    ("8 bits", riff(fmt(bits=8), data(0, 0)), "8 bits a sample"),
    ("no channel", riff(fmt(channels=0), data(0, 0)), "0 channels"),
    ("many channels", riff(fmt(channels=9), data(0, 0)), "9 channels"),
    ("no rate", riff(fmt(rate=0), data(0, 0)), "0 samples a second"),
    ("wild rate", riff(fmt(rate=400_000), data(0, 0)), "400000 samples a second"),
    ("wrong block", riff(fmt(block=4), data(0, 0)), "4 bytes a frame"),
    ("endless header", riff(fmt(), b"junk\xff\xff\xff\x7f"), "first 1048576 bytes"),
    ("endless chunks", riff(fmt(), b"junk\0\0\0\0" * 70, data(0, 0)), "first 64 chunks"),
]


@pytest.mark.parametrize(("content", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_no_wav_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    """A file that can't be read says what is wrong with it."""
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(wav.WavError) as caught:
        wav.read(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "device"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    """Links aren't followed and a FIFO isn't waited for."""
    path = tmp_path / "a.wav"
    match kind:
        case "link":
            (tmp_path / "b.wav").write_bytes(riff(fmt(), data(0, 0)))
            path.symlink_to("b.wav")
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case _:
            path = Path(os.devnull)
    with pytest.raises(wav.WavError, match="symbolic link" if kind == "link" else "no regular file"):
        wav.read(path)


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket in a recording's place is no recording; a missing file stays a missing file."""
    import socket

    monkeypatch.chdir(tmp_path)  # keeps the name within a socket address
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.wav")
        with pytest.raises(wav.WavError, match="socket or device"):
            wav.read(tmp_path / "a.wav")
    with pytest.raises(FileNotFoundError):
        wav.read(tmp_path / "b.wav")


@pytest.mark.parametrize("tail", [b"", LIST])
def test_more_than_32_bits_count(tmp_path: Path, tail: bytes) -> None:
    """Sizes that wrapped at 4 GiB are unwrapped by the file's own size, tags after the audio left out."""
    frames = (1 << 31) + 1000
    size = 44 + frames * 2 + len(tail)
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", (size - 8) % (1 << 32)) + b"WAVE" + fmt())
        file.write(b"data" + struct.pack("<I", frames * 2 % (1 << 32)))
        file.seek(size - len(tail))
        file.write(tail)
        file.truncate(size)
    found = wav.read(path)
    assert (found.frames, found.declared_frames, found.finished) == (frames, 1000, False)


@given(st.integers(1, 48000), st.integers(1, 8), st.integers(0, 5000))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_reads_back(tmp_path: Path, rate: int, channels: int, frames: int) -> None:
    """A header of ours is read as what it was made of, and finished."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav.header(rate, channels, frames) + bytes(frames * channels * 2))
    found = wav.read(path)
    assert (found.rate, found.channels, found.frames, found.finished) == (rate, channels, frames, True)
    assert found.data_offset == wav.HEADER_BYTES == found.size - frames * found.frame_bytes


def test_a_header_for_more_than_32_bits_is_clamped() -> None:
    """Sizes that don't fit are the largest that do."""
    content = wav.header(48000, 2, 1 << 31)
    assert struct.unpack_from("<I", content, 4)[0] == struct.unpack_from("<I", content, 40)[0] == (1 << 32) - 1


@given(st.binary(max_size=200), st.integers(0, 60))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_measured_or_refused(tmp_path: Path, noise: bytes, keep: int) -> None:
    """Noise after any part of a true header never gives anything but a sane measure or a WavError."""
    path = tmp_path / "a.wav"
    path.write_bytes(riff(fmt(), data(320, 0))[:keep] + noise)
    try:
        found = wav.read(path)
    except wav.WavError:
        return
    assert 0 <= found.data_offset + found.frames * found.frame_bytes <= max(found.size, found.data_offset)
