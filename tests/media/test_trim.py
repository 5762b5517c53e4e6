"""controller/media/trim.py: cut at the first and the last loud window, exactly as the definition says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.media import edit, trim, wav
from controller.media.cut import CHUNK_FRAMES, Span
from controller.media.edit import Silence
from controller.media.wav import read_frames

Samples = npt.NDArray[np.int16]
LEAST = math.ceil(32768 * 10 ** (-50 / 20))
"""The smallest sample whose square, all over a window, is -50 dBFS: 104."""


def by_definition(samples: Samples, rate: int) -> Span | None:
    """DESIGN section 9, word for word: RMS in dBFS of each 20 ms of each channel, one after the other."""
    window = rate // 50
    loud = []
    for first in range(0, len(samples), window):
        part = samples[first : first + window].astype(np.float64) / 32768
        levels = [20 * math.log10(rms) if rms else -math.inf for rms in np.sqrt(np.mean(part**2, axis=0))]
        if not all(level < -50 for level in levels):
            loud.append(first)
    return Span(loud[0], min(len(samples), loud[-1] + window)) if loud else None


def found(directory: Path, samples: Samples, rate: int) -> Span | None:
    """What is found in a file of these samples."""
    path = directory / "a.wav"
    path.write_bytes(wav.header(rate, samples.shape[1], len(samples)) + samples.tobytes())
    with wav.opened(path) as source:
        measured = wav.measure(source)
        return trim.loud_part(source, measured, [Span(0, measured.frames)])


def sound(*parts: tuple[int, int], channels: int = 1) -> Samples:
    """(frames, amplitude of a square wave) one after the other, on the last channel alone."""
    made = np.zeros((sum(frames for frames, _ in parts), channels), np.int16)
    position = 0
    for frames, amplitude in parts:
        made[position : position + frames, -1] = np.resize([amplitude, -amplitude], frames)
        position += frames
    return made


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        pytest.param([(1600, 0), (800, 5000), (1600, 0)], (1600, 2400), id="on the grid"),
        pytest.param([(1601, 0), (800, 5000), (1599, 0)], (1600, 2560), id="whole windows are kept"),
        pytest.param([(4000, 5000)], (0, 4000), id="loud throughout"),
        pytest.param([(160, 9000), (8000, 0), (160, 9000)], (0, 8320), id="a pause between stays"),
        pytest.param([(3200, 0), (7, 9000)], (3200, 3207), id="a last window that is shorter"),
        pytest.param([(3200, 9000), (7, 0)], (0, 3200), id="a silent one that is shorter"),
        pytest.param([(800, 0), (160, LEAST), (800, 0)], (800, 960), id="the least that is loud"),
        pytest.param([(800, 0), (160, LEAST - 1), (800, 0)], None, id="the most that is silent"),
        pytest.param([(800, 0), (1, 9000), (800, 0)], (800, 960), id="a click"),
        pytest.param([(800, 0), (1, 1000), (800, 0)], None, id="a click that the window drowns"),
        pytest.param([(5, LEAST)], (0, 5), id="shorter than a window, loud"),
        pytest.param([(5, 1)], None, id="shorter than a window, silent"),
        pytest.param([(8000, 0)], None, id="digital silence"),
        pytest.param([], None, id="nothing"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_known_samples(
    tmp_path: Path, parts: list[tuple[int, int]], kept: tuple[int, int] | None, channels: int
) -> None:
    """To the sample, and one channel that is loud is enough."""
    assert found(tmp_path, sound(*parts, channels=channels), 8000) == (None if kept is None else Span(*kept))


@pytest.mark.parametrize(("rate", "window"), [(8000, 160), (16000, 320), (44100, 882), (48000, 960), (20, 1)])
def test_a_window_is_20_ms(tmp_path: Path, rate: int, window: int) -> None:
    """At every rate that a leg may have."""
    assert trim.window_frames(rate) == window
    samples = sound((3 * window, 0), (1, 32767), (5 * window, 0))
    assert found(tmp_path, samples, rate) == Span(3 * window, 4 * window)


def test_full_scale_does_not_overflow(tmp_path: Path) -> None:
    """The largest sample at the highest rate, where the sums are the largest."""
    samples = np.full((3 * trim.window_frames(wav.MAX_RATE), 8), -32768, np.int16)
    assert found(tmp_path, samples, wav.MAX_RATE) == Span(0, len(samples))


levels = st.sampled_from([0, 1, 50, LEAST - 2, LEAST - 1, LEAST, LEAST + 1, 147, 148, 400, 32767])
noises = st.lists(st.tuples(st.integers(1, 700), levels, levels), max_size=12)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noises, st.integers(1, 2), st.sampled_from([8000, 16000]), st.integers(1, 1000), st.integers(0, 2**32 - 1))
def test_as_the_definition_says(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[int, int, int]],
    channels: int,
    rate: int,
    chunk: int,
    seed: int,
) -> None:
    """Noise of levels about the limit, in either channel, read in parts of any size: the definition's own cut."""
    random = np.random.default_rng(seed)
    made = [
        (random.choice((-1, 1), (frames, 2)) * (left, right)).clip(-32768, 32767).astype("<i2")
        for frames, left, right in parts
    ]
    samples = np.concatenate([np.zeros((0, 2), "<i2"), *made])[:, :channels]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trim, "CHUNK_FRAMES", chunk)
        assert found(tmp_path_factory.mktemp("trim"), samples, rate) == by_definition(samples, rate)


def test_after_cuts_and_fillings(tmp_path: Path) -> None:
    """Windows are counted on what is served: where skipped pauses are gone, and breaks are filled."""
    samples = sound((100, 0), (50, 9000), (10000, 0), (50, 9000), (4000, 0))
    path = tmp_path / "a.wav"
    path.write_bytes(wav.header(8000, 1, len(samples)) + samples.tobytes())
    pieces = (Silence(60), Span(0, 125), Span(10_175, 10_180), Silence(400), Span(12_000, 12_005))
    with wav.opened(path) as source:
        # 160 frames of silence, 25 loud ones to 185, 5 more to 190, then silence
        kept = trim.loud_part(source, wav.measure(source), pieces)
        assert kept == Span(160, 320)
        assert edit.part(pieces, kept) == (Span(100, 125), Span(10_175, 10_180), Silence(130))


def test_only_the_ends_of_a_long_file_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour that is loud at both ends costs two reads, and none is larger than its bound."""
    path = tmp_path / "a.wav"
    frames = 3600 * 8000
    loud = np.full(160, 5000, "<i2").tobytes()
    with path.open("wb") as file:
        file.write(wav.header(8000, 1, frames) + loud)
        file.seek(44 + 2 * frames - len(loud))
        file.write(loud)
    read: list[int] = []

    def counted(source: int, measured: wav.Wav, start: int, end: int) -> bytes:
        read.append(end - start)
        return read_frames(source, measured, start, end)

    monkeypatch.setattr(edit, "read_frames", counted)
    with wav.opened(path) as source:
        assert trim.loud_part(source, wav.measure(source), [Span(0, frames)]) == Span(0, frames)
    assert len(read) == 2
    assert max(read) <= CHUNK_FRAMES
