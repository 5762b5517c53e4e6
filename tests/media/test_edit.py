"""controller/media/edit.py: what is served, made of parts of a file and of silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.media import edit, wav
from controller.media.cut import Span
from controller.media.edit import Piece, Silence

FRAMES = 500
spans = st.tuples(st.integers(0, FRAMES), st.integers(0, FRAMES)).map(lambda pair: Span(min(pair), max(pair)))
pieces = st.lists(st.one_of(spans, st.integers(0, 90).map(Silence)), max_size=6)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which each frame is another."""
    path = tmp_path_factory.mktemp("edit") / "a.wav"
    path.write_bytes(wav.header(8000, 2, FRAMES) + np.arange(1, 2 * FRAMES + 1, dtype="<i2").tobytes())
    return path


@given(pieces, spans, st.integers(1, 200))
def test_a_part_is_that_part_of_the_whole(file: Path, made: list[Piece], span: Span, chunk: int) -> None:
    """Whatever the pieces, and however much is read at a time."""
    with wav.opened(file) as source, pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit, "CHUNK_FRAMES", chunk)
        measured = wav.measure(source)
        whole = b"".join(edit.chunks(source, measured, made))
        assert len(whole) == 4 * edit.length(made)
        part = edit.part(made, span)
        assert b"".join(edit.chunks(source, measured, part)) == whole[4 * span.start : 4 * span.end]
        assert all(piece.length > 0 for piece in part)


def test_a_copy(file: Path, tmp_path: Path) -> None:
    """Silence is zeros on every channel, the rest is what was there."""
    target = tmp_path / "b"
    with wav.opened(file) as source, target.open("wb") as made:
        edit.copy(source, wav.measure(source), (Span(3, 5), Silence(2), Span(0, 1)), made.fileno())
    assert np.frombuffer(target.read_bytes(), "<i2").tolist() == [7, 8, 9, 10, 0, 0, 0, 0, 1, 2]
