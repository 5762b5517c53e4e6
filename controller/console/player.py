"""What a recording's page needs to show its sound and have it heard: one outline a channel, and where the audio is.

The page works without scripts (outline, the browser's own controls, downloads); ``static/player.js`` adds the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.console.ports import Operations, Viewer
from controller.media.waveform import Waveform
from controller.recordings.model import Absence, PauseBehavior, Recording, State, Track
from controller.recordings.ports import MediaAway

COLUMNS = 240
"""Bars of an outline: three to four pixels each on a page as wide as ours, an even shape on a telephone."""
FORMATS = ("wav", "mp3")
"""What can be downloaded; the first one is what the page plays."""
MOST_MARKS = 2 * COLUMNS
_HEIGHT = 100
_BEFORE = {
    State.REQUESTED: "It has not begun yet: there is nothing to hear.",
    State.RECORDING: "It is being recorded. It can be heard once it has ended.",
    State.PAUSED: "It is paused. It can be heard once it has ended.",
    State.STOPPING: "It is being stopped. It can be heard in a moment.",
    State.PROCESSING: "It has ended, and its file is being examined. It can be heard in a moment.",
}
_ABSENT = {
    Absence.TOO_SHORT: "It counts as absent: too little was recorded.",
    Absence.SILENT: "It counts as absent: nothing but silence was recorded.",
}


@dataclass(frozen=True, slots=True)
class Outline:
    """One channel: whose voice it is (``label``, ``number``: text of others), and its bars as an SVG path.

    The path lies in a box of ``COLUMNS`` by 100.
    """

    channel: int
    label: str
    number: str
    path: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A span in which the recording was paused, in columns."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Player:
    """A recording's sound of ``seconds``, or, where there is none to be heard, ``why``. ``note`` is of what there is.

    ``sources`` are (format, path below the console's root); the first is played.
    """

    seconds: float = 0.0
    outlines: Sequence[Outline] = ()
    pauses: Sequence[Mark] = ()
    sources: Sequence[tuple[str, str]] = ()
    note: str = ""
    why: str = ""

    @property
    def columns(self) -> int:
        """The width of the box that outlines and marks lie in."""
        return COLUMNS


async def context(operations: Operations, viewer: Viewer, recording: Recording) -> Mapping[str, Any]:
    """Return what ``player.html`` needs of a viewer's recording. Raises NotFound, LedgerFailed."""
    return {"player": await player_of(operations, viewer, recording)}


async def player_of(operations: Operations, viewer: Viewer, recording: Recording) -> Player:
    """Return the player of a viewer's recording. Raises NotFound, LedgerFailed."""
    why = unheard(recording)
    if why:
        return Player(why=why)
    try:
        found = await operations.waveform(viewer, recording.id, COLUMNS)
    except FileNotFoundError:
        return Player(why="Its file is gone.")
    except MediaAway as away:
        return Player(why=f"Its file can't be read now: {away}")
    voices = _voices(recording, len(found.peaks))
    return Player(
        found.seconds,
        [
            Outline(channel, label, number, bars(peaks))
            for channel, ((label, number), peaks) in enumerate(zip(voices, found.peaks, strict=True), 1)
        ],
        _marks(recording, found),
        [(form, f"console/recordings/{recording.id}/audio.{form}") for form in FORMATS],
        note="" if recording.absence is None else _ABSENT[recording.absence],
    )


def unheard(recording: Recording) -> str:
    """Say why a recording has nothing to be heard; empty where it has, as far as its row knows."""
    if recording.deleted_at is not None:
        return "Its audio was deleted."
    if not recording.state.final:
        return _BEFORE[recording.state]
    if recording.measured is None:
        return f"There is no audio of it: {recording.error or 'nothing was recorded'}."
    if recording.measured.duration <= 0:
        return "It is empty: not a sample was recorded."
    return ""


def bars(peaks: bytes) -> str:
    """Return one channel's outline as an SVG path of upright bars about the middle of a box 100 high.

    Heights are the square root of loudness: telephone speech, at a tenth of full scale, would else hardly be seen.
    """
    middle = _HEIGHT / 2
    halves = [max(0.5, (middle - 2) * (peak / 255) ** 0.5) for peak in peaks]
    return "".join(f"M{x}.5 {middle - half:.1f}v{2 * half:.1f}" for x, half in enumerate(halves))


def _voices(recording: Recording, channels: int) -> list[tuple[str, str]]:
    """Return whom each channel of a file is of: a label, and a number or nothing.

    The first of two is the call's own party, whichever leg is recorded (DESIGN section 4); a single track is of the
    leg itself, which may be one that the call dialled.
    """
    owner = recording.owner
    sides = [("caller", owner.caller), ("called", owner.called)]
    own, other = sides if owner.direction == "inbound" else sides[::-1]
    if channels == 2:
        return [own, other]
    if recording.request.track is Track.BOTH:
        return [("both sides", "")]
    says = recording.request.track is Track.INBOUND
    return [own if says is not owner.child else other]


def _marks(recording: Recording, waveform: Waveform) -> list[Mark]:
    """Return the pauses that left silence in the file, where its time is the switch's: not trimmed, cut or broken."""
    measured, started = recording.measured, recording.started_at
    if measured is None or started is None or measured.trimmed or measured.cut or recording.breaks:
        return []
    marks = []
    for pause in recording.pauses[-MOST_MARKS:]:
        start = max(0.0, pause.start - started)
        end = min(waveform.seconds, waveform.seconds if pause.end is None else pause.end - started)
        if pause.behavior is PauseBehavior.SILENCE and start < end:
            scale = COLUMNS / waveform.seconds
            marks.append(Mark(round(start * scale, 2), round((end - start) * scale, 2)))
    return marks
