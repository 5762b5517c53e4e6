"""Silence that ends a recording, and pauses: what FreeSWITCH's silence timers may be believed.

FreeSWITCH hears silence on the leg's own audio, masked or not, and by its wall clock: its timers run on through a
pause (docs/freeswitch-notes.md). While a recording was never paused its verdict is the truth. Afterwards it is one
only where the timeout would have run out without the pause:

* ``initial_timeout`` counts from RECORD_START, pauses left out;
* ``end_silence_timeout`` counts anew from a resume.

A verdict that comes too early breaks the file off, not the recording: the same file is continued (RECORD_APPEND) at
once, or at the resume, with what is left of the timeouts.
"""

from __future__ import annotations

from controller.recordings.facts import Cause, Stopped
from controller.recordings.model import Recording

SLACK = 0.1
"""Seconds by which a timeout may seem too short: frames, and times of events on either side of a command."""

LEAST = 0.02
"""Seconds, one frame: the least that a timeout can be, since 0 is none."""


def too_early(recording: Recording, fact: Stopped) -> bool:
    """Whether FreeSWITCH ended a recording for a silence that a pause made out of less."""
    if fact.hangup or fact.cause not in {Cause.SILENCE, Cause.NO_INPUT} or not recording.pauses:
        return False
    request = recording.request
    if not (request.initial_timeout > 0 or request.end_silence_timeout > 0):
        return False
    if recording.paused_behavior is not None:
        return True
    if fact.cause is Cause.NO_INPUT and not recording.spoke:
        return recording.unpaused(fact.at) < request.initial_timeout - SLACK
    resumed = recording.pauses[-1].end or 0.0
    return fact.at - resumed < request.end_silence_timeout - SLACK


def timeouts(recording: Recording) -> tuple[float, float]:
    """Return (initial, final) in seconds for the next start of the recorder; 0 is none.

    FreeSWITCH takes the first silence of each file for the initial one. So where speech was heard before the break,
    what is left of ``end_silence_timeout`` is asked for as initial timeout; ``spoke`` then tells what its end means.
    """
    request = recording.request
    if not recording.breaks:
        return request.initial_timeout, request.end_silence_timeout
    broken = recording.breaks[-1].start
    if not recording.spoke:
        left = request.initial_timeout - recording.unpaused(broken)
        wanted = request.initial_timeout
    else:
        resumed = recording.pauses[-1].end if recording.pauses else None
        left = request.end_silence_timeout - (0.0 if resumed is None else max(0.0, broken - resumed))
        wanted = request.end_silence_timeout
    return (max(LEAST, left) if wanted > 0 else 0.0), request.end_silence_timeout
