"""Tracks, playback sources, WAV files."""

import wave
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controller.softswitch.audio import Sound, Track
from controller.softswitch.wavfile import HEADER, WavFile, header


def ramp(length: int, base: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return (np.arange(length) + base).astype(np.int16)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 200), st.integers(0, 50)), max_size=5),
    st.lists(st.integers(0, 500), min_size=2, max_size=6).map(sorted),
)
def test_reading_in_pieces_is_reading_at_once(plays: list[tuple[int, int, int]], cuts: list[int]) -> None:
    """However a stretch is divided, its pieces are the same sound; later segments win."""
    track = Track()
    for number, (start, length, offset) in enumerate(plays):
        track.play(Sound(ramp(length, 1000 * number)), start, min(offset, length))
    whole = track.read(0, 600)
    pieces = [track.read(a, b) for a, b in zip([0, *cuts], [*cuts, 600], strict=True)]
    assert np.array_equal(np.concatenate(pieces), whole)
    active = sum(track.active(a, b) for a, b in zip([0, *cuts], [*cuts, 600], strict=True))
    assert active == track.active(0, 600) >= np.count_nonzero(whole)


def test_a_track_in_a_track_and_its_end() -> None:
    """A bridge: one track heard live in another until it is cut; cutting again later changes nothing."""
    said, heard = Track(), Track()
    said.play(Sound(ramp(100, 1)), 50)
    crossing = heard.play(said, 60)
    assert np.array_equal(heard.read(55, 70), np.r_[np.zeros(5), ramp(10, 11)])
    Track.cut(crossing, 80)
    assert not heard.read(80, 120).any()
    Track.cut(crossing, 90)
    assert not heard.read(80, 120).any()


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), min_size=1, max_size=4),
    st.integers(0, 500),
    st.integers(0, 500),
)
def test_a_sound_is_read_anywhere(parts: list[tuple[int, int]], a: int, b: int) -> None:
    """Joined and repeated sounds read like the one array they stand for."""
    pieces = [(ramp(length, 100 * number), loops) for number, (length, loops) in enumerate(parts)]
    whole = np.concatenate([np.tile(samples, loops) for samples, loops in pieces])
    sound = sum((Sound(samples, loops) for samples, loops in pieces), Sound(ramp(0, 0)))
    assert len(sound) == len(whole)
    start, end = sorted((min(a, len(whole)), min(b, len(whole))))
    assert np.array_equal(sound.read(start, end), whole[start:end])


def test_wav_grows_in_whole_buffers(tmp_path: Path) -> None:
    """Until closed the header promises nothing and only whole buffers are on disk; closing completes both."""
    path = tmp_path / "a.wav"
    file = WavFile(path, rate=8000, channels=1, chunk=1000, budget=None)
    # The header that libsndfile writes at the opening, byte for byte as seen on a real switch
    assert path.read_bytes().hex() == (
        "524946460800000057415645666d74201000000001000100401f0000803e0000020010006461746100000000"
    )
    assert file.write(bytes(2500))
    assert path.stat().st_size == HEADER + 2000
    assert file.bytes_until_flush == 500
    assert file.close() == HEADER + 2500
    assert path.read_bytes()[:HEADER] == header(8000, 1, 2500)
    with wave.open(str(path)) as read:
        assert read.getnframes() == 1250


def test_wav_on_a_full_disk(tmp_path: Path) -> None:
    """A refused buffer is told, a refused rest at closing is not; the header tells what is there."""
    file = WavFile(tmp_path / "a.wav", rate=8000, channels=1, chunk=1000, budget=1500)
    assert file.write(bytes(1000))
    assert not file.write(bytes(1000))
    assert file.close() == HEADER + 1500
    rest = WavFile(tmp_path / "b.wav", rate=8000, channels=1, chunk=1000, budget=100)
    assert rest.write(bytes(500))
    assert rest.close() == HEADER + 100


def test_wav_appended(tmp_path: Path) -> None:
    """Appending keeps what was there, and its rate and channels; on nothing it begins as usual."""
    path = tmp_path / "a.wav"
    for size in (2000, 400):
        file = WavFile(path, rate=8000, channels=1, chunk=65536, budget=None, append=True)
        file.write(bytes(size))
        file.close()
    other = WavFile(path, rate=16000, channels=2, chunk=65536, budget=None, append=True)
    assert (other.rate, other.channels) == (8000, 1)
    assert other.close() == HEADER + 2400


def test_wav_abandoned(tmp_path: Path) -> None:
    """As a crash leaves it: whole buffers only, and a header that promises nothing."""
    file = WavFile(tmp_path / "a.wav", rate=8000, channels=1, chunk=8192, budget=None)
    file.write(bytes(55000))
    file.abandon()
    data = (tmp_path / "a.wav").read_bytes()
    assert len(data) == HEADER + 6 * 8192
    assert data[:HEADER] == header(8000, 1, 0, 8)
