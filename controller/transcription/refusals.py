"""What is not transcribed, and why, in words for whoever asked for it.

Plivo's limits (seed 003, "With Transcription"): from 500 ms to 4 hours, under 2 GB. What is silent is not given to an
engine: some make words of silence.
"""

from __future__ import annotations

from pathlib import Path

from controller.media import trim, wav
from controller.media.cut import Span
from controller.recordings.model import Absence, Measured, Recording, State

SHORTEST = 0.5
LONGEST = 4 * 3600.0
LARGEST = 2_000_000_000
"""Bytes that a file is to be under."""
LOOK = 60
"""Seconds in which something to hear is looked for at a time."""
FRAME = 0.02
"""Seconds by which a file may be shorter than was measured and still be whole: what rounding makes."""
MISSING = "the recording's file is missing"
NOTHING = "nothing was said: the recording is silent"
NOTHING_HEARD = "nothing was said: the recording has sound in it, but no words that were understood"


def of_recording(recording: Recording) -> str | None:
    """Return why a recording can't be transcribed, as far as its row tells; None where it may be."""
    match recording:
        case Recording(deleted_at=float()):
            return "the recording was deleted"
        case Recording(state=State.FAILED):
            return "the recording failed"  # and why is the operator's to know
        case Recording(state=State.ABSENT, absence=Absence.SILENT):
            return NOTHING
        case Recording(state=State.ABSENT):
            return "the recording is too short, or empty"
        case Recording(measured=Measured(duration=seconds)):
            return of_length(seconds)
    return "the recording has no file"


def of_length(seconds: float) -> str | None:
    """Return why a recording of this length can't be transcribed, None where it can."""
    if seconds < SHORTEST:
        return f"the recording has {seconds:.2f} s; {SHORTEST:g} s are the least that is transcribed"
    if seconds > LONGEST:
        return f"the recording has {seconds / 3600:.2f} h; {LONGEST / 3600:g} h are the most that is transcribed"
    return None


def of_file(path: Path, seconds: float) -> str | None:
    """Return why a file, measured as having ``seconds``, can't be transcribed; None where it can. It blocks."""
    try:
        with wav.opened(path) as descriptor:
            found = wav.measure(descriptor)
            if found.size >= LARGEST:
                return f"the recording's file has {found.size} bytes; it must have fewer than {LARGEST}"
            if found.duration < seconds - FRAME:
                return f"the recording's file is truncated: {found.duration:.2f} of {seconds:.2f} s are there"
            if not _sounds(descriptor, found):
                return NOTHING
    except FileNotFoundError:
        return MISSING
    except wav.WavError as error:
        return f"the recording's file can't be read: it {error}"
    except OSError as error:
        return f"the recording's file can't be read: {error.strerror or error}"
    return None


def _sounds(descriptor: int, found: wav.Wav) -> bool:
    """Tell whether anything in an open file is loud, reading no more of it than that takes."""
    step = LOOK * found.rate
    spans = (Span(first, min(found.frames, first + step)) for first in range(0, found.frames, step))
    return any(trim.loud_part(descriptor, found, (span,)) is not None for span in spans)
