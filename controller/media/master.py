"""What is in a master, and the copy of it that is served where it can't be served as it is.

A copy is made where the header was never finished, skipped pauses are cut out, breaks filled, silent ends trimmed:
in that order, in one go, whole or not at all, and the same again whenever it is repeated.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from controller.media import breaks, cut, durable, edit, trim, wav
from controller.recordings.model import Measured, PauseBehavior, Recording
from controller.recordings.ports import MediaAway


@dataclass(frozen=True, slots=True)
class MasterExamined:
    """A master was measured: what was mended, how many seconds of skipped pauses were cut, how many weren't found.

    ``trimmed_seconds`` went from its silent ends.
    """

    recording: str
    duration: float
    size: int
    mended: bool
    cut_seconds: float
    missed_pauses: int
    trimmed_seconds: float = 0.0


def measure(recording: Recording, master: Path | None, target: Path) -> tuple[Measured, MasterExamined]:
    """Measure a master (None: the switch deleted it, being empty), and make its copy ``target`` if one is needed.

    Raises wav.ReadError and OSError about the master, MediaAway where no copy can be made now.
    """
    with nullcontext(-1) if master is None else wav.opened(master) as source:
        if master is None or os.fstat(source).st_size == 0:
            # The switch wrote nothing, not even a header, or deleted it: length zero, in the form asked for.
            channels = recording.request.channel_count
            found = wav.Wav(recording.owner.rate, channels, 0, 0, 0, finished=False, size=0)
        else:
            found = wav.measure(source)
        cuts = _cuts(recording, source, found)
        put_in: tuple[breaks.Gap, ...] = ()
        if recording.started_at is not None:
            put_in = breaks.gaps(found, recording.pauses, recording.started_at, recording.breaks)
        whole = breaks.pieces(cuts.kept(found.frames), put_in)
        kept, silent = _trimmed(recording, source, found, whole)
        frames, size = edit.length(kept), found.size
        trimmed = edit.length(whole) - frames
        derived = bool(cuts.spans) or bool(put_in) or trimmed > 0 or not found.finished
        if derived:
            size = _copied(source, found, kept, target)
    measured = Measured(
        frames / found.rate,
        size,
        found.channels,
        found.rate,
        derived,
        trimmed=trimmed / found.rate,
        silent=silent,
        cut=cuts.frames / found.rate,
    )
    return measured, MasterExamined(
        recording=recording.id,
        duration=measured.duration,
        size=size,
        mended=not found.finished,
        cut_seconds=measured.cut,
        missed_pauses=cuts.missed,
        trimmed_seconds=measured.trimmed,
    )


def _cuts(recording: Recording, source: int, found: wav.Wav) -> cut.Cuts:
    """Find what the skipped pauses left in the file."""
    if not any(pause.behavior is PauseBehavior.SKIP for pause in recording.pauses):
        return cut.Cuts(())
    if recording.started_at is None:
        return cut.Cuts((), missed=len(recording.pauses))
    began, gone = recording.started_at, recording.breaks
    pauses = breaks.pauses_on_file(recording.pauses, began, gone)
    ended = None if recording.ended_at is None else breaks.on_file(recording.ended_at, began, gone)
    return cut.find_cuts(source, found, pauses, 0.0, ended)


def _trimmed(
    recording: Recording, source: int, found: wav.Wav, whole: tuple[edit.Piece, ...]
) -> tuple[tuple[edit.Piece, ...], bool]:
    """Return what is left without silent ends, where that is wished, and whether all of it is silent.

    What is silent altogether is kept as it is: whether it is wanted is not for media to say.
    """
    request = recording.request
    if not (request.trim or request.absent_when_silent) or not whole:
        return whole, False
    loud = trim.loud_part(source, found, whole)
    if loud is None:
        return whole, True
    return (edit.part(whole, loud) if request.trim else whole), False


def _copied(source: int, found: wav.Wav, kept: Sequence[edit.Piece], target: Path) -> int:
    # One name for all attempts: what a crash left half written is overwritten, never gathered.
    unfinished = target.with_suffix(".part")
    try:
        return _write(source, found, kept, unfinished, target)
    except wav.ReadError:
        raise
    except OSError as error:
        raise MediaAway(f"no copy can be made in {target.parent.parent}: {error.strerror or error}") from error


def _write(source: int, found: wav.Wav, kept: Sequence[edit.Piece], unfinished: Path, path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    target = os.open(unfinished, flags, 0o640)
    try:
        os.write(target, wav.header(found.rate, found.channels, edit.length(kept)))
        edit.copy(source, found, kept, target)
        os.fsync(target)
        size = os.fstat(target).st_size
    finally:
        os.close(target)
    durable.keep(unfinished, path)
    return size
