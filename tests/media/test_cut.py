"""controller/media/cut.py: skipped pauses go to the sample, and nothing else does."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.media import cut, wav
from controller.recordings.model import Pause, PauseBehavior

Audio = npt.NDArray[np.int16]
START = 1_700_000_000.25
SKIP, SILENCE = PauseBehavior.SKIP, PauseBehavior.SILENCE


def sound(frames: int, channels: int = 1, seed: int = 0) -> Audio:
    """Random audio in which no frame is zero."""
    random = np.random.default_rng(seed)
    audio: Audio = random.integers(1, 3000, (frames, channels), dtype=np.int16)
    audio *= random.choice(np.array([-1, 1], np.int16), (frames, channels))
    return audio


def save(path: Path, audio: Audio, rate: int = 8000) -> Path:
    """Write ``audio`` as FreeSWITCH finishes a file."""
    path.write_bytes(wav.header(rate, audio.shape[1], len(audio)) + audio.astype("<i2").tobytes())
    return path


def pause(start: float, end: float | None, behavior: PauseBehavior = SKIP) -> Pause:
    """A pause ``start`` to ``end`` seconds after the recording's start."""
    return Pause(START + start, behavior, None if end is None else START + end)


def cuts_of(path: Path, pauses: Sequence[Pause], *, ended: float | None = None, **options: Any) -> cut.Cuts:
    """What is found in the file at ``path``."""
    with wav.opened(path) as descriptor:
        end = None if ended is None else START + ended
        return cut.find_cuts(descriptor, wav.measure(descriptor), pauses, START, end, **options)


def cut_copy(path: Path, cuts: cut.Cuts) -> Audio:
    """The audio of a copy without the cuts."""
    target = path.with_suffix(".cut")
    with wav.opened(path) as source, target.open("wb") as file:
        found = wav.measure(source)
        written = cut.copy(source, found, cuts.kept(found.frames), file.fileno())
    audio = np.frombuffer(target.read_bytes(), "<i2").reshape(-1, found.channels)
    assert written == len(audio)
    return audio.astype(np.int16)


@st.composite
def masked(draw: st.DrawFn) -> tuple[int, int, int, int, list[tuple[int, int, PauseBehavior, float, float]]]:
    """Rate, channels, frames, seed; and masks on frame borders, each with errors of its two estimated times."""
    rate = draw(st.sampled_from([8000, 16000]))
    step = rate // 50
    position = 0
    masks: list[tuple[int, int, PauseBehavior, float, float]] = []
    for _ in range(draw(st.integers(1, 4))):
        position += draw(st.integers(0, 5) | st.integers(10, 120)) * step
        if masks:
            position += step
        length = (draw(st.integers(1, 10) | st.integers(10, 150))) * step
        behavior = draw(st.sampled_from([SKIP, SKIP, SILENCE]))
        early, late = draw(st.floats(-0.15, 0.15)), draw(st.floats(-0.15, 0.15))
        masks.append((position, position + length, behavior, early, late))
        position += length
    rest = draw(st.integers(0, 100)) * step + draw(st.integers(0, step - 1))
    return rate, draw(st.integers(1, 2)), position + rest, draw(st.integers(0, 1000)), masks


@given(masked())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_masked_is_cut_and_nothing_else(tmp_path: Path, case: Any) -> None:
    """cut(mask(audio)) is audio without exactly the skipped frames, with estimates off by up to 150 ms each way."""
    rate, channels, frames, seed, masks = case
    audio = sound(frames, channels, seed)
    stays = np.ones(frames, bool)
    pauses = []
    finish = 0.0
    for start, end, behavior, early, late in masks:
        audio[start:end] = 0
        stays[start:end] = behavior is SILENCE
        begin = max(finish, start / rate + early)
        finish = max(begin, end / rate + late)
        pauses.append(pause(begin, finish, behavior))
    path = save(tmp_path / "a.wav", audio, rate)
    cuts = cuts_of(path, pauses)
    assert cuts.missed == 0
    assert np.array_equal(cut_copy(path, cuts), audio[stays])


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 900)), max_size=6),
    st.lists(
        st.tuples(st.floats(-1, 6), st.none() | st.floats(-1, 7), st.sampled_from([SKIP, SILENCE])),
        min_size=1, max_size=5,
    ),
    st.none() | st.floats(0, 8),
)  # fmt: skip
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_sound_is_ever_cut(
    tmp_path: Path,
    zeros: list[tuple[int, int]],
    pauses: list[tuple[float, float | None, PauseBehavior]],
    ended: float | None,
) -> None:
    """Whatever a file's pauses and digital silence, what is cut is zero, and the spans stay in order inside it."""
    audio = sound(5003, 1)
    for start, length in zeros:
        audio[start : start + length] = 0
    path = save(tmp_path / "a.wav", audio, 1000)
    cuts = cuts_of(path, [pause(*one) for one in pauses], ended=ended)
    assert all(not audio[span.start : span.end].any() and span.length > 0 for span in cuts.spans)
    borders = [0, *itertools.chain.from_iterable(cuts.spans), 5003]
    assert borders == sorted(borders)
    assert 0 <= cuts.missed <= sum(one[2] is SKIP for one in pauses)
    assert len(cut_copy(path, cuts)) == 5003 - cuts.frames


@pytest.mark.parametrize("error", [-0.15, 0.0, 0.15])
def test_a_pause_that_lasts_to_the_end(tmp_path: Path, error: float) -> None:
    """A pause that nobody ended is cut to the last frame, whole or not."""
    audio = sound(8000 * 3 + 77)
    audio[8000:] = 0
    path = save(tmp_path / "a.wav", audio)
    assert cuts_of(path, [pause(1.0 + error, None)]).spans == ((8000, 24077),)


@pytest.mark.parametrize("until", [5.0, None, 8.0], ids=["resumed", "to the end", "resumed and told late"])
def test_a_mask_that_was_confirmed_late(tmp_path: Path, until: float | None) -> None:
    """Its first answer was lost with the link, and it was commanded again: it is cut from its true beginning.

    Without the time of its wish less is cut, and one that was confirmed at once is cut as without.
    """
    audio = sound(48_000)
    audio[16_000 : 48_000 if until is None else 40_000] = 0
    path = save(tmp_path / "a.wav", audio)
    told = pause(2.7, until)
    (span,) = cuts_of(path, [replace(told, wished_at=START + 1.99)]).spans
    assert span == (16_000, 48_000 if until is None else 40_000)
    assert cuts_of(path, [told]).frames < span.length
    soon = cuts_of(path, [replace(told, wished_at=START + 2.69)])
    assert soon.spans == cuts_of(path, [told]).spans


def test_silence_is_left_in(tmp_path: Path) -> None:
    """A pause of silence behaviour leaves its zeros, even where a skipping one follows it at once."""
    audio = sound(8000 * 6)
    audio[8000:24000] = 0
    path = save(tmp_path / "a.wav", audio)
    assert cuts_of(path, [pause(1, 3, SILENCE)]).spans == ()
    after = cuts_of(path, [pause(1, 2, SILENCE), pause(2, 3)])
    before = cuts_of(path, [pause(1, 2), pause(2.02, 3, SILENCE)])
    short = cuts_of(path, [pause(1, 2.9), pause(2.9, 3.0, SILENCE)])
    assert after.spans == ((16000, 24000),)
    assert before.spans == ((8000, 16000),)
    assert short.spans == ((8000, 23200),)


TABLE: list[tuple[str, list[tuple[int, int]], tuple[float, float], tuple[tuple[int, int], ...]]] = [
    ("silence goes on before: the end's border counts", [(2000, 16000)], (1.0, 2.0), ((8000, 16000),)),
    ("silence goes on after: the start's border counts", [(8000, 30000)], (1.01, 2.01), ((8000, 16000),)),
    ("silence on both sides: the estimate on the frame grid", [(0, 40000)], (1.003, 2.003), ((8000, 16000),)),
    ("silence on both sides of a pause too short for a frame", [(0, 40000)], (1.003, 1.006), ()),
    ("zeros by chance beside the pause stay", [(7990, 16033)], (1.0, 2.0), ((8000, 16000),)),
    ("too short a run of zeros is no pause", [(8000, 8079)], (1.0, 1.02), ()),
    ("a run without one whole frame is no pause", [(8041, 8159)], (1.0, 1.02), ()),
    ("a file that doesn't begin on the grid", [(8007, 16007)], (1.0, 2.0), ((8007, 16007),)),
    ("a leg on hold meanwhile: shorter than the clock says", [(8000, 12000)], (1.0, 9.0), ((8000, 12000),)),
    ("zeros elsewhere aren't taken for the pause", [(30000, 31000)], (1.0, 2.0), ()),
    ("short silence within where the pause should be", [(11000, 11800)], (0.5, 3.5), ()),
    ("a pause after the end of a file cut short", [(100, 900)], (7.0, 8.0), ()),
]


@pytest.mark.parametrize(("zeros", "when", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_where_silence_is_ambiguous(tmp_path: Path, zeros: Any, when: Any, expected: Any) -> None:
    """Runs of zeros that are longer, shorter or elsewhere than a pause give the stated cut."""
    audio = sound(40000)
    for start, end in zeros:
        audio[start:end] = 0
    assert cuts_of(save(tmp_path / "a.wav", audio), [pause(*when)]).spans == expected


@pytest.mark.parametrize(
    ("when", "frames", "missed"),
    [
        ((1.0, 2.0), 40000, 1),
        ((1.0, 1.06), 40000, 1),
        ((1.0, 1.05), 40000, 0),
        ((4.9, 5.5), 40000, 0),
        ((9.0, None), 40000, 0),
    ],
)
def test_pauses_that_are_nowhere_are_counted(tmp_path: Path, when: Any, frames: int, missed: int) -> None:
    """A pause without its zeros is reported, unless it was too short for a frame or the file ended before it."""
    path = save(tmp_path / "a.wav", sound(frames))
    assert cuts_of(path, [pause(*when)]) == cut.Cuts((), missed)


def test_a_leg_on_hold_before_the_pauses(tmp_path: Path) -> None:
    """Pauses are found from the end where the file stood still before them, each next one as far off as the last."""
    audio = sound(8000 * 10)
    audio[16000:24000] = 0
    audio[40000:48000] = 0
    path = save(tmp_path / "a.wav", audio)
    late = [pause(32, 33), pause(35, 36)]
    assert cuts_of(path, late, ended=40).spans == ((16000, 24000), (40000, 48000))
    assert cuts_of(path, late).missed == 0, "the file was cut short before them, as far as anyone can tell"
    held_again = [pause(2.0, 3.0), pause(6.0, 7.0)]
    assert cuts_of(path, held_again, ended=50.0).missed == 1


def test_clocks_that_drift(tmp_path: Path) -> None:
    """A file's clock may run off the switch's: the tolerance grows with time, and each pause corrects the next."""
    audio = sound(4_000_000)
    audio[3_000_000:3_010_000] = 0
    path = save(tmp_path / "long.wav", audio, 1000)
    assert cuts_of(path, [pause(3000.6, 3010.6)]).spans == ((3_000_000, 3_010_000),)
    audio = sound(8000 * 32)
    for second in (10, 20, 30):
        audio[8000 * second : 8000 * (second + 1)] = 0
    path = save(tmp_path / "short.wav", audio)
    late = [pause(second * 1.02, second * 1.02 + 1) for second in (10, 20, 30)]
    cuts = cuts_of(path, late)
    assert (cuts.spans, cuts.missed) == (((80000, 88000), (160000, 168000), (240000, 248000)), 0)


def test_chunks_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file longer than a chunk is searched and copied like a short one, wherever the borders of the chunks lie."""
    audio = sound(9000, 2)
    for start, end in [(160, 1600), (3200, 6400), (8000, 9000)]:
        audio[start:end] = 0
    path = save(tmp_path / "a.wav", audio)
    with wav.opened(path) as descriptor:
        found = wav.measure(descriptor)
        for size in (1, 97, 160, 1600, 3200, 9000, 1 << 18):
            monkeypatch.setattr(cut, "CHUNK_FRAMES", size)
            runs = list(cut.zero_runs(descriptor, found, cut.Span(-5, 10**9)))
            assert runs == [(160, 1600), (3200, 6400), (8000, 9000)], size
    monkeypatch.setattr(cut, "CHUNK_FRAMES", 97)
    cuts = cuts_of(path, [pause(0.02, 0.2), pause(0.4, 0.8), pause(1.0, None)])
    assert np.array_equal(cut_copy(path, cuts), np.concatenate([audio[:160], audio[1600:3200], audio[6400:8000]]))


def test_one_silent_channel_is_no_pause(tmp_path: Path) -> None:
    """Zeros count in all channels at once only."""
    audio = sound(24000, 2)
    audio[8000:16000, 0] = 0
    assert cuts_of(save(tmp_path / "a.wav", audio), [pause(1, 2)]) == cut.Cuts((), 1)


def test_a_rate_without_a_grid(tmp_path: Path) -> None:
    """Where 1/100 s is no whole number of frames the run is taken as it stands."""
    audio = sound(44000)
    audio[11025:22051] = 0
    assert cuts_of(save(tmp_path / "a.wav", audio, 11025), [pause(1, 2)]).spans == ((11025, 22051),)


def test_a_file_that_shrinks_is_an_error(tmp_path: Path) -> None:
    """Audio that vanishes between measuring and copying is an OSError, never a short copy."""
    path = save(tmp_path / "a.wav", sound(8000))
    with wav.opened(path) as source, (tmp_path / "b").open("wb") as target:
        found = wav.measure(source)
        os.truncate(path, 4000)
        with pytest.raises(OSError, match="shrank"):
            cut.copy(source, found, [cut.Span(0, 8000)], target.fileno())
