"""controller/media/breaks.py: silence where the switch's file stood still, and pauses by the file's own time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from controller.media import breaks, cut, edit, wav
from controller.recordings.model import Break, Pause, PauseBehavior

START = 1_700_000_000.25
SKIP, SILENCE = PauseBehavior.SKIP, PauseBehavior.SILENCE


def at(seconds: float) -> float:
    return START + seconds


def test_times_on_the_file() -> None:
    """Each break that is over, or as much of it as is, brings later times nearer to the beginning."""
    gone = (Break(at(2), at(5)), Break(at(8), at(9)), Break(at(12)))
    for clock, file in ((0, 0), (2, 2), (3, 2), (5, 2), (8, 5), (8.5, 5), (10, 6), (12, 8), (20, 8)):
        assert breaks.on_file(at(clock), START, gone) == pytest.approx(file)
    paused = breaks.pauses_on_file((Pause(at(1), SKIP, at(5)), Pause(at(10), SILENCE)), START, gone)
    assert [(round(one.start, 6), one.end and round(one.end, 6)) for one in paused] == [(1, 2), (6, None)]
    (wished,) = breaks.pauses_on_file((Pause(at(10), SKIP, wished_at=at(9.5)),), START, gone)
    assert [wished.start, wished.wished_at] == pytest.approx([6, 5.5])


def test_silence_is_put_in_but_where_it_is_skipped() -> None:
    """A break in a skipping pause leaves nothing to fill; any other does, a little before its estimate."""
    file = wav.Wav(8000, 1, 44, 8 * 8000, 8 * 8000, finished=True, size=0)
    gone = (Break(at(2), at(5)), Break(at(8), at(9)), Break(at(11), at(11.04)), Break(at(40), at(41)), Break(at(42)))
    pauses = (Pause(at(1), SKIP, at(5)), Pause(at(7), SILENCE, at(9)))
    assert breaks.gaps(file, pauses, START, gone) == (
        breaks.Gap(round((5 - breaks.EARLY) * 8000), 8000),
        breaks.Gap(round((7 - breaks.EARLY) * 8000), 320),
        breaks.Gap(8 * 8000, 8000),
    )
    lasting = (Pause(at(1), SKIP),)
    assert breaks.gaps(file, lasting, START, (Break(at(2), at(5)),)) == ()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_copy_with_silence(tmp_path: Path, channels: int) -> None:
    """Cuts and silence at once, at the beginning, between kept spans, within one and behind the last."""
    sound = np.arange(1, 1000 * channels + 1, dtype=np.int16).reshape(-1, channels)
    master, target = tmp_path / "a.wav", tmp_path / "b"
    master.write_bytes(wav.header(8000, channels, 1000) + sound.tobytes())
    put_in = [breaks.Gap(*gap) for gap in ((0, 3), (250, 4), (500, 5), (500, 1), (1000, 6))]
    kept = (cut.Span(0, 200), cut.Span(300, 900))
    with wav.opened(master) as source, target.open("wb") as file:
        edit.copy(source, wav.measure(source), breaks.pieces(kept, put_in), file.fileno())

    def zeros(frames: int) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
        return np.zeros((frames, channels), np.int16)

    expected = np.concatenate((zeros(3), sound[:200], zeros(4), sound[300:500], zeros(6), sound[500:900], zeros(6)))
    assert np.array_equal(np.frombuffer(target.read_bytes(), "<i2").reshape(-1, channels), expected)
