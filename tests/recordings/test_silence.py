"""controller/recordings/silence.py: which verdicts on silence are true after a pause, and what is left then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.recordings.facts import Cause, Stopped
from controller.recordings.model import Break, Owner, Pause, PauseBehavior, Recording, State
from controller.recordings.silence import LEAST, timeouts, too_early
from tests.recordings.fakes import REQUEST

SILENCE, NO_INPUT = Cause.SILENCE, Cause.NO_INPUT
HELD = replace(REQUEST, initial_timeout=4.0, end_silence_timeout=3.0)
BEGAN = 1000.0


def paused(*pauses: tuple[float, float | None], **fields: object) -> Recording:
    """A recording since BEGAN, with pauses at seconds from then."""
    made = tuple(
        Pause(BEGAN + start, PauseBehavior.SKIP, None if end is None else BEGAN + end) for start, end in pauses
    )
    owner = Owner("acme", "swml", "call", "fs1", "leg")
    recording = Recording("r", owner, HELD, State.RECORDING, "/r.wav", BEGAN, started_at=BEGAN, pauses=made)
    return replace(recording, **fields)  # type: ignore[arg-type]  # a table's columns


@pytest.mark.parametrize(
    ("recording", "at", "cause", "early"),
    [
        (paused(), 4.0, NO_INPUT, False),
        (paused(), 3.1, SILENCE, False),
        (paused((1.0, None)), 4.0, NO_INPUT, True),
        (paused((1.0, None)), 9.0, SILENCE, True),
        (paused((1.0, 2.0)), 4.0, NO_INPUT, True),
        (paused((1.0, 2.0)), 4.95, NO_INPUT, False),
        (paused((1.0, 2.0), (2.5, 3.5)), 5.5, NO_INPUT, True),
        (paused((1.0, 2.0), (2.5, 3.5)), 6.0, NO_INPUT, False),
        (paused((1.0, 2.0)), 4.0, SILENCE, True),
        (paused((1.0, 2.0)), 4.95, SILENCE, False),
        (paused((1.0, 2.0)), 60.0, SILENCE, False),
        (paused((1.0, 2.0), spoke=True), 3.0, NO_INPUT, True),
        (paused((1.0, 2.0), spoke=True), 5.0, NO_INPUT, False),
        (paused((1.0, None)), 4.0, Cause.MAXTIME, False),
        (paused((1.0, None)), 4.0, Cause.WRITE_FAILED, False),
        (paused((1.0, None), request=REQUEST), 4.0, SILENCE, False),
    ],
)
def test_what_is_believed(recording: Recording, at: float, cause: Cause, early: bool) -> None:
    """Without a pause all; with one only where the timeout ran out without it; a hangup and other ends always."""
    assert too_early(recording, Stopped(BEGAN + at, cause)) is early
    assert not too_early(recording, Stopped(BEGAN + at, cause, hangup=True))


@pytest.mark.parametrize(
    ("recording", "left"),
    [
        (paused(), (4.0, 3.0)),
        (paused((1.0, 2.0)), (4.0, 3.0)),
        (paused((1.0, None), breaks=(Break(BEGAN + 4.0),)), (3.0, 3.0)),
        (paused((1.0, None), breaks=(Break(BEGAN + 4.0),), spoke=True), (3.0, 3.0)),
        (paused((1.0, 2.0), breaks=(Break(BEGAN + 4.0),)), (1.0, 3.0)),
        (paused((1.0, 2.0), breaks=(Break(BEGAN + 4.0),), spoke=True), (1.0, 3.0)),
        (paused((1.0, 2.0), breaks=(Break(BEGAN + 9.0),)), (LEAST, 3.0)),
        (paused((1.0, 2.0), breaks=(Break(BEGAN + 9.0),), spoke=True), (LEAST, 3.0)),
        (
            paused((1.0, None), breaks=(Break(BEGAN + 4.0),), request=replace(HELD, end_silence_timeout=0.0)),
            (3.0, 0.0),
        ),
        (
            paused((1.0, None), breaks=(Break(BEGAN + 4.0),), request=replace(HELD, initial_timeout=0.0), spoke=True),
            (3.0, 3.0),
        ),
    ],
)
def test_what_is_left_of_the_timeouts(recording: Recording, left: tuple[float, float]) -> None:
    """A file that is continued gets what is left without the pauses, never 0, which would be none."""
    assert timeouts(recording) == pytest.approx(left)
