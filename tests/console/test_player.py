"""controller/console/player.py: whose voice a channel is, what is shown of it, and why there is nothing to hear."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.console.player import COLUMNS, Mark, Player, bars, player_of
from controller.console.ports import Operations, Viewer
from controller.media.waveform import Waveform
from controller.recordings.model import (
    Absence,
    Break,
    Channels,
    Measured,
    Owner,
    Pause,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    Track,
    new_id,
)
from controller.recordings.ports import MediaAway

CALLER, CALLED = ("caller", "+15551230000"), ("called", "+15559870000")
OWNER = Owner("acme", "swml", new_id(), "fs1", "leg", caller=CALLER[1], called=CALLED[1])
REQUEST = RecordingRequest(Channels.DUAL, Track.BOTH, "wav", "r", "test")
ONE = Recording(
    *(new_id(), OWNER, REQUEST, State.COMPLETED, "/r/a.wav", 99.0),
    started_at=100.0,
    measured=Measured(10.0, 160044, 2),
)


class Desk:
    """Operations of which only the outline is asked."""

    def __init__(self, waveform: Waveform | Exception) -> None:
        self._waveform = waveform

    async def waveform(self, viewer: Viewer, identity: str, columns: int) -> Waveform:
        assert columns == COLUMNS
        if isinstance(self._waveform, Exception):
            raise self._waveform
        return self._waveform


async def shown(recording: Recording, waveform: Waveform | Exception | None = None) -> Player:
    channels = recording.measured.channels if recording.measured is not None else 1
    desk: Any = Desk(waveform or Waveform(10.0, (bytes(COLUMNS),) * channels))
    operations: Operations = desk
    return await player_of(operations, Viewer(), recording)


@pytest.mark.parametrize(
    ("owner", "request_", "channels", "voices"),
    [
        pytest.param({}, {}, 2, [CALLER, CALLED], id="dual: the caller first"),
        pytest.param({"child": True}, {}, 2, [CALLER, CALLED], id="dual of a dialled leg: the caller first"),
        pytest.param({"direction": "outbound"}, {}, 2, [CALLED, CALLER], id="dual of a call made: its party first"),
        pytest.param({}, {}, 1, [("both sides", "")], id="mono"),
        pytest.param({}, {"track": Track.INBOUND}, 1, [CALLER], id="what the caller says"),
        pytest.param({}, {"track": Track.OUTBOUND}, 1, [CALLED], id="what the caller hears"),
        pytest.param({"child": True}, {"track": Track.INBOUND}, 1, [CALLED], id="what the dialled leg says"),
        pytest.param({"child": True}, {"track": Track.OUTBOUND}, 1, [CALLER], id="what the dialled leg hears"),
        pytest.param({"direction": "outbound"}, {"track": Track.INBOUND}, 1, [CALLED], id="what a called party says"),
    ],
)
async def test_whose_voice(
    owner: dict[str, Any], request_: dict[str, Any], channels: int, voices: list[tuple[str, str]]
) -> None:
    """As the dialects define the first channel (DESIGN section 4)."""
    recording = replace(
        ONE,
        owner=replace(OWNER, **owner),
        request=replace(REQUEST, **request_),
        measured=Measured(10.0, 160044, channels),
    )
    player = await shown(recording)
    assert [(outline.label, outline.number) for outline in player.outlines] == voices
    assert [outline.channel for outline in player.outlines] == list(range(1, channels + 1))
    assert player.sources == [(form, f"console/recordings/{recording.id}/audio.{form}") for form in ("wav", "mp3")]


GONE = replace(ONE, deleted_at=5.0)
NONE: Any = {"measured": None, "started_at": None}


@pytest.mark.parametrize(
    ("recording", "why"),
    [
        (GONE, "deleted"),
        (replace(ONE, state=State.REQUESTED, **NONE), "not begun"),
        (replace(ONE, state=State.RECORDING, measured=None), "being recorded"),
        (replace(ONE, state=State.PAUSED, measured=None), "paused"),
        (replace(ONE, state=State.STOPPING, measured=None), "being stopped"),
        (replace(ONE, state=State.PROCESSING, measured=None), "being examined"),
        (replace(ONE, state=State.FAILED, error="the file is no WAV", **NONE), "no audio of it: the file is no WAV."),
        (replace(ONE, state=State.NO_INPUT, **NONE), "no audio of it: nothing was recorded."),
        (replace(ONE, state=State.ABSENT, measured=Measured(0.0, 44)), "empty"),
    ],
)
async def test_why_there_is_nothing(recording: Recording, why: str) -> None:
    """In words, and no file is looked for."""
    player = await shown(recording, AssertionError("a file was looked for"))
    assert why in player.why
    assert not player.sources


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (FileNotFoundError("no"), "Its file is gone."),
        (MediaAway("the disk hangs"), "can't be read now: the disk hangs"),
    ],
)
async def test_a_file_that_is_not_to_be_had(error: Exception, why: str) -> None:
    """Gone for good, or away for now."""
    assert why in (await shown(ONE, error)).why


@pytest.mark.parametrize(
    ("absence", "words"), [(Absence.TOO_SHORT, "too little"), (Absence.SILENT, "nothing but silence"), (None, "")]
)
async def test_what_counts_as_absent_can_be_heard(absence: Absence | None, words: str) -> None:
    """Its file is kept until it is deleted: who operates the switch may listen to what nobody was told of."""
    player = await shown(replace(ONE, state=State.ABSENT, absence=absence))
    assert len(player.outlines) == 2
    assert words in player.note
    assert bool(player.note) is bool(words)


def pause(start: float, end: float | None, behavior: PauseBehavior = PauseBehavior.SILENCE) -> Pause:
    return Pause(start, behavior, end)


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        pytest.param({"pauses": (pause(102, 103),)}, [Mark(48, 24)], id="one"),
        pytest.param({"pauses": (pause(108, None),)}, [Mark(192, 48)], id="to the end"),
        pytest.param({"pauses": (pause(99.5, 101), pause(109, 200))}, [Mark(0, 24), Mark(216, 24)], id="kept inside"),
        pytest.param({"pauses": (pause(111, 112),)}, [], id="beyond the end"),
        pytest.param({"pauses": (pause(102, 103, PauseBehavior.SKIP),)}, [], id="skipped: not in the file"),
        pytest.param(
            {"pauses": (pause(102, 103),), "measured": Measured(10.0, 160044, 2, trimmed=1.0)}, [], id="trimmed"
        ),
        pytest.param({"pauses": (pause(102, 103),), "measured": Measured(10.0, 160044, 2, cut=1.0)}, [], id="cut"),
        pytest.param({"pauses": (pause(102, 103),), "breaks": (Break(104, 105),)}, [], id="broken"),
        pytest.param({"pauses": (pause(102, 103),), "started_at": None}, [], id="begun unseen"),
    ],
)
async def test_pauses_are_marked(changes: dict[str, Any], marks: list[Mark]) -> None:
    """Where they left silence, and the file's time is the switch's; else rather nothing than something wrong."""
    assert (await shown(replace(ONE, **changes))).pauses == marks


@given(st.binary(max_size=300))
def test_bars(peaks: bytes) -> None:
    """One for each peak, in order, in the box, about its middle; the louder the higher, and silence can be seen."""
    drawn = re.findall(r"M(\d+)\.5 ([0-9.]+)v([0-9.]+)", bars(peaks))
    assert [int(x) for x, _, _ in drawn] == list(range(len(peaks)))
    heights = [float(height) for _, _, height in drawn]
    for (_, top, _), height in zip(drawn, heights, strict=True):
        assert 0 <= float(top) <= float(top) + height <= 100
        assert float(top) + height / 2 == pytest.approx(50, abs=0.11)
    order = sorted(range(len(peaks)), key=lambda index: peaks[index])
    assert [heights[index] for index in order] == sorted(heights)
    assert all(height >= 1 for height in heights)
