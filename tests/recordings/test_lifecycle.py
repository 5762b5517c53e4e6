"""The lifecycle table: each row alone, then any sequence of facts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.recordings.facts import (
    Cause,
    Examined,
    Fact,
    LegEnded,
    LegOverdue,
    LimitReached,
    LookDue,
    Masked,
    MaskRefused,
    Moved,
    NotThere,
    PauseWished,
    ResumeWished,
    Started,
    StartOver,
    StillRuns,
    StopOverdue,
    Stopped,
    StopWished,
    SwitchLost,
    Unmasked,
)
from controller.recordings.lifecycle import TABLE, Effect, Row, advance, expects
from controller.recordings.model import (
    BEEP,
    FINAL_STATES,
    Absence,
    Break,
    Channels,
    EndReason,
    Measured,
    NoticeKind,
    Owner,
    Pause,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    Track,
    Wish,
)
from controller.recordings.ports import Found

REQUEST = RecordingRequest(Channels.DUAL, Track.BOTH, "wav", "ref", "swml.record_call")
OWNER = Owner("acme", "swml", "call", "fs1", "leg", rate=16000)
SKIP, SILENCE = PauseBehavior.SKIP, PauseBehavior.SILENCE
AT = 130.0
"""When each fact of the table below happens; the recording was asked for at 100 and began at 101."""

E, N, R = Effect, NoticeKind, EndReason


def recording(state: State, **fields: Any) -> Recording:
    """A recording as it is in `state`: begun where it must have, paused since 110 where it is."""
    known: dict[str, Any] = {"started_at": None if state is State.REQUESTED else 101.0, "sequence": 3, "revision": 7}
    if state is State.PAUSED:
        known["pauses"] = (Pause(110.0, SKIP),)
    if state in {State.STOPPING, State.PROCESSING}:
        known["reason"] = R.API
    return replace(Recording("r", OWNER, REQUEST, state, "/r.wav", 100.0), **{**known, **fields})


@dataclass(frozen=True)
class Case:
    """In `before`, `fact` takes the table's row number `row` to `to`, tells `notice`, asks for `effects`."""

    row: int
    before: Recording
    fact: Fact
    to: State
    notice: NoticeKind | None = None
    effects: tuple[Effect, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)


REQ, REC, PAU, STO, PRO = State.REQUESTED, State.RECORDING, State.PAUSED, State.STOPPING, State.PROCESSING
HELD = replace(REQUEST, end_silence_timeout=2.0, initial_timeout=3.0)
CHOOSY = replace(REQUEST, absent_below=1.0, absent_when_silent=True)
FOUND = Measured(5.0, 80044, 2, 16000)
EMPTY = Measured(0.0, 0, 2, 16000)
WAV_GONE = Found(None, "r.wav is not there")
ENDED = {"ended_at": AT, "wish": Wish()}
UNSEEN = {"ended_at": None, "wish": Wish()}


def wishing(state: State, **fields: Any) -> Recording:
    return recording(state, wish=Wish(**fields))


BROKEN, BROKEN_ROWS = 19, 36
"""The first row of what FreeSWITCH's silence timers broke off, and how many there are."""


def broken(state: State, **fields: Any) -> Recording:
    """A recording whose recorder is gone since 120: in a pause since 110, or after one that ended at 115."""
    pauses = (Pause(110.0, SILENCE),) if state is PAU else (Pause(110.0, SILENCE, 115.0),)
    known = {"request": HELD, "breaks": (Break(120.0),), "pauses": pauses, "spoke": True}
    return recording(state, **{**known, **fields})


def broken_cases(row: Callable[..., None]) -> None:
    """The rows of rule 5."""
    ran_out, nothing_said = Stopped(AT, Cause.SILENCE), Stopped(AT, Cause.NO_INPUT)
    stop, pause, resume = StopWished(AT, R.TERMINATOR, "#"), PauseWished(AT, SKIP), ResumeWished(AT)
    resuming, whole = Wish(resume=True), (Break(120.0, AT),)
    resumed = recording(REC, request=HELD, pauses=(Pause(110.0, SKIP, 129.0),))
    row(0, resumed, ran_out, REC, None, (E.START,), breaks=(Break(AT),), spoke=True, reason=None)
    early = recording(REC, request=HELD, pauses=(Pause(102.0, SKIP, 129.0),))
    row(0, early, nothing_said, REC, None, (E.START,), breaks=(Break(AT),), spoke=False)
    paused = recording(PAU, request=HELD)
    row(1, replace(paused, wish=resuming), ran_out, PAU, None, (E.START,), breaks=(Break(AT),), wish=resuming)
    row(2, paused, nothing_said, PAU, None, (), breaks=(Break(AT),), spoke=False)
    row(2, paused, ran_out, PAU, None, (), breaks=(Break(AT),), spoke=True)
    row(3, broken(PAU), resume, PAU, None, (E.START,), wish=resuming)
    for first, seen, watch in ((4, Started(AT), ()), (9, StillRuns(AT), (E.WATCH,))):
        stopping, hashed = Wish(stop=R.TERMINATOR, digit="#"), {"reason": R.TERMINATOR, "digit": "#", "wish": Wish()}
        row(first, broken(REC, wish=stopping), seen, STO, None, (E.STOP,), **hashed, breaks=whole)
        pausing = Wish(pause=SKIP)
        row(first + 1, broken(REC, wish=pausing), seen, REC, None, (E.MASK, E.TIME, *watch), wish=pausing)
        row(first + 2, broken(REC), seen, REC, None, (E.TIME, *watch), breaks=whole, started_at=101.0)
        stopping = replace(stopping, resume=True)
        row(first + 3, broken(PAU, wish=stopping), seen, STO, None, (E.STOP,), **hashed, breaks=whole)
        ended = (Pause(110.0, SILENCE, AT),)
        again = broken(PAU, wish=resuming)
        row(first + 4, again, seen, REC, N.RESUMED, (E.TIME, *watch), wish=Wish(), breaks=whole, pauses=ended)
    row(14, broken(PAU), StillRuns(AT), PAU, None, (E.TIME, E.WATCH), revision=7)
    row(15, broken(REC), stop, REC, wish=Wish(stop=R.TERMINATOR, digit="#"))
    row(16, broken(PAU, wish=resuming), stop, PAU, wish=Wish(stop=R.TERMINATOR, resume=True, digit="#"))
    over = {**ENDED, "breaks": whole, "error": None}
    row(17, broken(PAU), stop, PRO, None, (E.EXAMINE,), **over, reason=R.TERMINATOR, digit="#")
    row(18, broken(REC), LimitReached(AT), REC, wish=Wish(stop=R.MAX_LENGTH))
    row(19, broken(PAU, wish=resuming), LimitReached(AT), PAU, wish=Wish(stop=R.MAX_LENGTH, resume=True))
    row(20, broken(PAU), LimitReached(AT), PRO, None, (E.EXAMINE,), **over, reason=R.MAX_LENGTH)
    for number, state in ((21, REC), (22, PAU)):
        row(number, broken(state), LegEnded(AT), PRO, None, (E.EXAMINE,), **over, reason=R.HANGUP)
    lost, there, gone = NotThere(AT, leg=True, anew=True), NotThere(AT, leg=True), NotThere(AT, leg=False)
    for first, state in ((23, REC), (26, PAU)):
        row(first, broken(state, wish=resuming), lost, state, None, (E.START, E.TIME), revision=7)
        row(first + 1, broken(state), there, state, None, (E.TIME, E.WATCH), revision=7)
        row(first + 2, broken(state), gone, PRO, None, (E.EXAMINE,), **over, reason=R.HANGUP)
    row(27, broken(PAU), lost, PAU, None, (E.TIME, E.WATCH), revision=7)
    why = "the recording could not be continued after a pause: no"
    for number, state in ((29, REC), (30, PAU)):
        refused = broken(state, wish=resuming)
        told = {**over, "error": why}
        row(number, refused, StartOver(AT, "no"), PRO, None, (E.EXAMINE,), **told, reason=R.ERROR)
        stopped = broken(state, wish=Wish(stop=R.TERMINATOR, resume=True, digit="#"))
        row(number, stopped, StartOver(AT, "no"), PRO, None, (E.EXAMINE,), **over, reason=R.TERMINATOR, digit="#")
    row(31, broken(REC), pause, REC, wish=Wish(pause=SKIP))
    row(32, broken(REC, wish=Wish(pause=SKIP)), Masked(AT, SKIP), REC, revision=7)
    row(33, broken(REC, wish=Wish(pause=SKIP)), MaskRefused(AT, "no"), REC, revision=7)
    row(34, broken(PAU, wish=resuming), MaskRefused(AT, "no"), PAU, revision=7)
    row(35, broken(PAU, wish=resuming), Unmasked(AT), PAU, revision=7)


def cases() -> list[Case]:
    made: list[Case] = []

    def row(
        number: int,
        before: Recording,
        fact: Fact,
        to: State,
        notice: NoticeKind | None = None,
        effects: tuple[Effect, ...] = (),
        **fields: Any,
    ) -> None:
        made.append(Case(number, before, fact, to, notice, effects, fields))

    def broken_row(number: int, *case: Any, **fields: Any) -> None:
        row(BROKEN + number, *case, **fields)

    def row_after(number: int, *case: Any, **fields: Any) -> None:
        row(BROKEN_ROWS + number, *case, **fields)

    stop, pause, resume = StopWished(AT, R.VERB), PauseWished(AT, SKIP), ResumeWished(AT)
    # requested
    begins: tuple[tuple[int, Fact, float], ...] = (
        (0, Started(AT), AT),
        (3, StillRuns(AT), 100.0),
        (3, StillRuns(AT, 101.5), 101.5),
        (3, StillRuns(AT, 99.0), 100.0),  # by clocks that are off
        (3, StillRuns(AT, AT + 9), AT),
    )
    for first, seen, since in begins:
        stopping = wishing(REQ, stop=R.API, pause=SKIP)
        row(first, stopping, seen, STO, N.STARTED, (E.STOP,), started_at=since, reason=R.API, wish=Wish())
        row(first + 1, wishing(REQ, pause=SKIP), seen, REC, N.STARTED, (E.MASK, E.TIME, E.WATCH), started_at=since)
        row(first + 2, recording(REQ), seen, REC, N.STARTED, (E.TIME, E.WATCH), started_at=since, reason=None)
    beeping = recording(REQ, request=replace(REQUEST, beep=True))
    row(2, beeping, Started(AT), REC, N.STARTED, (E.TIME, E.WATCH), started_at=AT)
    row(5, beeping, StillRuns(AT), REC, N.STARTED, (E.TIME, E.WATCH), started_at=100.0 + BEEP)
    row(6, recording(REQ), stop, REQ, wish=Wish(stop=R.VERB))
    row(6, wishing(REQ, stop=R.API), stop, REQ, wish=Wish(stop=R.API))
    row(7, wishing(REQ, pause=SILENCE), pause, REQ, wish=Wish(pause=SKIP))
    row(8, wishing(REQ, pause=SKIP), resume, REQ, wish=Wish())
    row(9, recording(REQ), StartOver(AT, "no"), State.FAILED, N.FAILED, (), reason=R.ERROR, error="no", ended_at=AT)
    row(10, recording(REQ), NotThere(AT, leg=True, anew=True), REQ, None, (E.START,), revision=7)
    row(11, recording(REQ), NotThere(AT, leg=True), REQ, None, (E.WATCH,), revision=7)
    began = NotThere(AT, leg=True, master=True, anew=True)
    row(12, recording(REQ), began, PRO, None, (E.SETTLE,), **UNSEEN, reason=R.API, started_at=None)
    row(12, recording(REQ), NotThere(AT, leg=False), PRO, None, (E.SETTLE,), **UNSEEN, reason=R.HANGUP)
    row(13, recording(REQ), Stopped(AT, Cause.EMPTY), PRO, None, (E.EXAMINE,), measured=EMPTY, reason=R.API)
    row(14, recording(REQ), Stopped(AT, Cause.SILENCE, hangup=True), PRO, None, (E.EXAMINE,), reason=R.HANGUP)
    row(15, recording(REQ), LegEnded(AT), REQ, None, (E.GRACE,), revision=7)
    row(16, recording(REQ), LegOverdue(AT), State.FAILED, N.FAILED, (), reason=R.HANGUP, finished_at=AT)
    row(17, recording(REQ), LookDue(AT), REQ, None, (E.INQUIRE,), revision=7)
    row(18, recording(REQ), SwitchLost(AT), PRO, None, (E.EXAMINE,), **UNSEEN, reason=R.SWITCH_LOST)
    # broken
    broken_cases(broken_row)
    # recording
    row_after(19, wishing(REC, pause=SILENCE), pause, REC, wish=Wish(pause=SILENCE), revision=7)
    row_after(20, recording(REC), pause, REC, None, (E.MASK,), wish=Wish(pause=SKIP))
    masked = wishing(REC, pause=SKIP)
    row_after(21, masked, Masked(AT, SKIP), PAU, N.PAUSED, (E.TIME,), wish=Wish(), pauses=(Pause(AT, SKIP),))
    row_after(22, masked, MaskRefused(AT, "no"), REC, None, (E.UNMASK,), wish=Wish())
    doubt = "FreeSWITCH did not confirm a pause (late): it was taken back, but may have left silence"
    row_after(22, masked, MaskRefused(AT, "no"), REC, None, (E.UNMASK,), wish=Wish(), error=None)
    row_after(22, masked, MaskRefused(AT, "late", unanswered=True), REC, None, (E.UNMASK,), wish=Wish(), error=doubt)
    full = replace(masked, error="full")
    row_after(22, full, MaskRefused(AT, "late", unanswered=True), REC, None, (E.UNMASK,), wish=Wish(), error="full")
    row_after(23, recording(REC), MaskRefused(AT, "no"), REC, revision=7)
    row_after(24, recording(REC), Unmasked(AT), REC, revision=7)
    row_after(25, recording(REC), stop, STO, None, (E.STOP,), reason=R.VERB)
    row_after(26, recording(REC), LimitReached(AT), STO, None, (E.STOP,), reason=R.MAX_LENGTH)
    row_after(
        27, recording(REC), Stopped(AT, Cause.TOO_SHORT), PRO, None, (E.EXAMINE,), measured=EMPTY, finished_at=None
    )
    for cause, hangup, reason in (
        (Cause.SILENCE, False, R.END_SILENCE),
        (Cause.SILENCE, True, R.HANGUP),
        (Cause.NO_INPUT, False, R.NO_INPUT),
        (Cause.NO_INPUT, True, R.HANGUP),
        (Cause.MAXTIME, False, R.API),
        (Cause.UNKNOWN, False, R.API),
    ):
        row_after(
            28,
            recording(REC),
            Stopped(AT, cause, hangup),
            PRO,
            None,
            (E.EXAMINE,),
            **ENDED,
            reason=reason,
            error=None,
        )
    unwritten = Stopped(AT, Cause.WRITE_FAILED)
    row_after(
        28,
        recording(REC),
        unwritten,
        PRO,
        None,
        (E.EXAMINE,),
        reason=R.ERROR,
        error="FreeSWITCH could not write the file",
    )
    row_after(29, recording(REC), LegEnded(AT), STO, None, (E.GRACE,), reason=R.HANGUP)
    row_after(30, recording(REC), LegOverdue(AT), PRO, None, (E.SETTLE,), **UNSEEN, reason=R.HANGUP)
    row_after(31, wishing(REC, pause=SKIP), StillRuns(AT), REC, None, (E.MASK, E.TIME, E.WATCH), revision=7)
    row_after(32, recording(REC), StillRuns(AT), REC, None, (E.TIME, E.WATCH), revision=7)
    row_after(33, recording(REC), NotThere(AT, leg=False), PRO, None, (E.SETTLE,), **UNSEEN, reason=R.HANGUP)
    gone = NotThere(AT, leg=True)
    row_after(33, recording(REC), gone, PRO, None, (E.SETTLE,), **UNSEEN, reason=R.API)
    row_after(33, recording(REC, request=HELD), gone, PRO, None, (E.SETTLE,), **UNSEEN, reason=R.END_SILENCE)
    initial = replace(HELD, end_silence_timeout=0.0)
    row_after(33, recording(REC, request=initial), gone, PRO, None, (E.SETTLE,), **UNSEEN, reason=R.NO_INPUT)
    row_after(34, recording(REC), SwitchLost(AT), PRO, None, (E.EXAMINE,), **UNSEEN, reason=R.SWITCH_LOST)
    row_after(35, recording(REC), LookDue(AT), REC, None, (E.INQUIRE,), revision=7)
    row_after(36, recording(REC), StartOver(AT), REC, revision=7)
    row_after(37, recording(REC), Started(AT), REC, revision=7, started_at=101.0)
    # paused
    closed, lasting = (Pause(110.0, SKIP, AT),), (Pause(110.0, SKIP),)
    row_after(38, wishing(PAU, resume=True), resume, PAU, revision=7)
    row_after(39, recording(PAU), resume, PAU, None, (E.UNMASK,), wish=Wish(resume=True))
    row_after(40, wishing(PAU, resume=True), Unmasked(AT), REC, N.RESUMED, (E.TIME,), wish=Wish(), pauses=closed)
    row_after(41, wishing(PAU, resume=True), MaskRefused(AT, "no"), PAU, None, (E.MASK,), wish=Wish(), pauses=lasting)
    doubt = "FreeSWITCH did not confirm a resume (late): it was taken back, but may have left sound"
    late_resume = MaskRefused(AT, "late", unanswered=True)
    row_after(41, wishing(PAU, resume=True), late_resume, PAU, None, (E.MASK,), wish=Wish(), error=doubt)
    row_after(42, recording(PAU), MaskRefused(AT, "no"), PAU, revision=7)
    row_after(43, recording(PAU), Masked(AT, SKIP), PAU, revision=7)
    row_after(44, recording(PAU), stop, STO, None, (E.STOP,), reason=R.VERB, pauses=lasting)
    row_after(45, recording(PAU), LimitReached(AT), STO, None, (E.STOP,), reason=R.MAX_LENGTH)
    row_after(46, recording(PAU), Stopped(AT, Cause.EMPTY), PRO, None, (E.EXAMINE,), **ENDED, pauses=closed)
    row_after(47, recording(PAU), Stopped(AT, Cause.SILENCE), PRO, None, (E.EXAMINE,), **ENDED, pauses=closed)
    row_after(48, recording(PAU), LegEnded(AT), STO, None, (E.GRACE,), reason=R.HANGUP)
    row_after(49, recording(PAU), LegOverdue(AT), PRO, None, (E.SETTLE,), **UNSEEN, pauses=lasting)
    row_after(50, wishing(PAU, resume=True), StillRuns(AT), PAU, None, (E.UNMASK, E.TIME, E.WATCH), revision=7)
    row_after(51, recording(PAU), StillRuns(AT), PAU, None, (E.TIME, E.WATCH), revision=7)
    row_after(52, recording(PAU), NotThere(AT, leg=False), PRO, None, (E.SETTLE,), **UNSEEN, pauses=lasting)
    row_after(53, recording(PAU), SwitchLost(AT), PRO, None, (E.EXAMINE,), **UNSEEN, reason=R.SWITCH_LOST)
    row_after(54, recording(PAU), LookDue(AT), PAU, None, (E.INQUIRE,), revision=7)
    row_after(55, recording(PAU), StartOver(AT), PAU, revision=7)
    # stopping
    paused = recording(STO, pauses=lasting)
    row_after(56, recording(STO), Stopped(AT, Cause.EMPTY), PRO, None, (E.EXAMINE,), measured=EMPTY, reason=R.API)
    row_after(57, paused, Stopped(AT, Cause.NO_INPUT), PRO, None, (E.EXAMINE,), **ENDED, reason=R.API, pauses=closed)
    row_after(58, recording(STO), stop, STO, revision=7, reason=R.API)
    row_after(59, recording(STO), LimitReached(AT), STO, revision=7, reason=R.API)
    row_after(60, wishing(STO, pause=SKIP), Masked(AT, SKIP), STO, wish=Wish(), pauses=(Pause(AT, SKIP),))
    row_after(61, replace(paused, wish=Wish(resume=True)), Masked(AT, SKIP), STO, wish=Wish(), pauses=lasting)
    row_after(62, replace(paused, wish=Wish(resume=True)), Unmasked(AT), STO, wish=Wish(), pauses=closed)
    row_after(63, wishing(STO, pause=SKIP), MaskRefused(AT, "no"), STO, wish=Wish())
    row_after(64, recording(STO), LegEnded(AT), STO, None, (E.GRACE,), revision=7, reason=R.API)
    row_after(65, recording(STO), LegOverdue(AT), PRO, None, (E.SETTLE,), **UNSEEN, reason=R.API)
    row_after(66, recording(STO), StopOverdue(AT), STO, None, (E.INQUIRE,), revision=7)
    row_after(67, recording(STO), StillRuns(AT), STO, None, (E.STOP,), revision=7)
    row_after(68, recording(STO), NotThere(AT, leg=True), PRO, None, (E.SETTLE,), **UNSEEN, reason=R.API)
    row_after(69, recording(STO), SwitchLost(AT), PRO, None, (E.EXAMINE,), **UNSEEN, reason=R.API)
    row_after(70, recording(STO), LookDue(AT), STO, revision=7)
    row_after(71, recording(STO), StartOver(AT), STO, revision=7)
    # processing
    stopped, lost = recording(PRO, ended_at=120.0), recording(PRO)
    row_after(72, stopped, Examined(AT, WAV_GONE), State.FAILED, N.FAILED, (), error=WAV_GONE.problem, ended_at=120.0)
    row_after(
        72, lost, Examined(AT, Found(None)), State.FAILED, N.FAILED, (), error=None, ended_at=101.0, finished_at=AT
    )
    row_after(72, replace(lost, started_at=None), Examined(AT, WAV_GONE), State.FAILED, N.FAILED, (), ended_at=100.0)
    # ... and nobody saw it begin: written to last at 112, so it began at 107; by a late clock, when asked for
    unseen = replace(lost, started_at=None)
    for written, since in ((112.0, 107.0), (90.0, unseen.requested_at)):
        by_file = Examined(AT, Found(FOUND, written_at=written))
        row_after(76, unseen, by_file, State.COMPLETED, N.COMPLETED, (), started_at=since, ended_at=since + 5.0)
    silent = replace(stopped, reason=R.NO_INPUT)
    row_after(74, silent, Examined(AT, Found(FOUND)), State.NO_INPUT, N.NO_INPUT, (), measured=FOUND, ended_at=120.0)
    # 5 s, or none: too little for what was asked for; silent; both; and what nobody minds
    few, some = Absence.TOO_SHORT, Absence.SILENT
    quiet = replace(FOUND, silent=True)
    for before, found, below, unwanted, absence in (
        (stopped, FOUND, 5.001, False, few),
        (silent, FOUND, 5.001, False, few),
        (stopped, quiet, 5.0, True, some),
        (silent, quiet, 0.0, True, some),
        (stopped, quiet, 5.001, True, few),
        (stopped, replace(EMPTY, silent=True), 0.0, True, few),
        (stopped, EMPTY, 1.0, False, few),
    ):
        wanted = replace(before.request, absent_below=below, absent_when_silent=unwanted)
        demanding = replace(before, request=wanted)
        told = Examined(AT, Found(found))
        row_after(73, demanding, told, State.ABSENT, N.ABSENT, (), measured=found, absence=absence)
    choosy = replace(stopped, request=replace(stopped.request, absent_below=5.0, absent_when_silent=True))
    row_after(76, choosy, Examined(AT, Found(FOUND)), State.COMPLETED, N.COMPLETED, (), absence=None)
    row_after(76, stopped, Examined(AT, Found(quiet)), State.COMPLETED, N.COMPLETED, (), absence=None)
    row_after(75, stopped, Examined(AT, Found(EMPTY)), State.ABSENT, N.ABSENT, (), measured=EMPTY, absence=few)
    trimmed = Examined(AT, Found(replace(FOUND, duration=3.0, trimmed=2.0)))
    row_after(76, lost, trimmed, State.COMPLETED, N.COMPLETED, (), ended_at=106.0)
    row_after(76, stopped, Examined(AT, Found(FOUND)), State.COMPLETED, N.COMPLETED, (), ended_at=120.0, error=None)
    row_after(
        76, stopped, Examined(AT, Found(FOUND, "odd")), State.COMPLETED, N.COMPLETED, (), error="odd", measured=FOUND
    )
    known = replace(stopped, error="full")
    row_after(76, known, Examined(AT, Found(FOUND, "odd")), State.COMPLETED, N.COMPLETED, (), error="full")
    # 5 s of file without 7 s of skips, of which 4 s were of the pause that ended: lost 3 s into the last one
    broken = replace(lost, pauses=(Pause(102.0, SKIP, 106.0), Pause(107.0, SILENCE, 108.0), Pause(110.0, SKIP)))
    closed_pauses = (*broken.pauses[:2], Pause(110.0, SKIP, 113.0))
    cut = Examined(AT, Found(replace(FOUND, cut=7.0)))
    row_after(76, broken, cut, State.COMPLETED, N.COMPLETED, (), ended_at=113.0, pauses=closed_pauses)
    without = (*broken.pauses[:2], Pause(110.0, SKIP, 110.0))  # the file had nothing of it, or of the others
    found_all = Examined(AT, Found(FOUND))
    row_after(76, broken, found_all, State.COMPLETED, N.COMPLETED, (), ended_at=110.0, pauses=without)
    told_late = replace(lost, pauses=(Pause(102.0, SKIP, 130.0),))  # its resume was: the file has 7 s of mask
    row_after(76, told_late, cut, State.COMPLETED, N.COMPLETED, (), ended_at=113.0)
    row_after(77, stopped, Masked(115.0, SKIP), PRO, pauses=(Pause(115.0, SKIP, 120.0),))
    row_after(77, stopped, Masked(120.0, SKIP), PRO, revision=7, pauses=())
    row_after(77, lost, Masked(115.0, SKIP), PRO, pauses=(Pause(115.0, SKIP),))
    row_after(77, replace(lost, pauses=lasting), Masked(115.0, SKIP), PRO, revision=7, pauses=lasting)
    once = replace(stopped, pauses=(Pause(110.0, SKIP, 120.0),))
    row_after(78, once, Unmasked(112.0), PRO, pauses=(Pause(110.0, SKIP, 112.0),))
    row_after(78, once, Unmasked(109.0), PRO, pauses=(Pause(110.0, SKIP, 110.0),))
    row_after(78, once, Unmasked(125.0), PRO, revision=7)
    row_after(78, replace(lost, pauses=lasting), Unmasked(112.0), PRO, pauses=(Pause(110.0, SKIP, 112.0),))
    row_after(78, stopped, Unmasked(112.0), PRO, revision=7)
    row_after(79, stopped, Stopped(AT, Cause.MAXTIME), PRO, revision=7)
    row_after(80, lost, Stopped(AT, Cause.EMPTY), PRO, None, (E.EXAMINE,), **ENDED, measured=EMPTY)
    unseen = replace(lost, pauses=lasting)
    row_after(81, unseen, Stopped(AT, Cause.SILENCE), PRO, None, (E.EXAMINE,), **ENDED, reason=R.API, pauses=closed)
    late: tuple[Fact, ...] = (
        LegEnded(AT),
        LegOverdue(AT),
        StopOverdue(AT),
        LimitReached(AT),
        stop,
        MaskRefused(AT, "no"),
        SwitchLost(AT),
    )
    for number, fact in enumerate(late, 82):
        row_after(number, stopped, fact, PRO, revision=7)
    row_after(89, lost, SwitchLost(AT), PRO, None, (E.EXAMINE,), revision=7, ended_at=None)
    row_after(90, stopped, NotThere(AT, leg=False), PRO, revision=7)
    row_after(91, stopped, StillRuns(AT), PRO, revision=7)
    row_after(92, stopped, LookDue(AT), PRO, revision=7)
    row_after(93, stopped, StartOver(AT), PRO, revision=7)
    # followed a transfer
    for number, state in enumerate((REQ, REC, PAU, STO), 94):
        row_after(number, recording(state), Moved(AT, "other"), state, followed="other", leg="other")
        home = replace(recording(state), followed="other")
        row_after(number, home, Moved(AT, home.owner.leg), state, followed="", leg=home.owner.leg)
    row_after(98, stopped, Moved(AT, "other"), PRO, revision=7)
    unstarted = replace(stopped, started_at=None)
    row_after(
        76, unstarted, Examined(AT, Found(FOUND)), State.COMPLETED, N.COMPLETED, (), started_at=115.0, ended_at=120.0
    )
    longer = Examined(AT, Found(replace(FOUND, duration=50.0)))
    row_after(76, unstarted, longer, State.COMPLETED, N.COMPLETED, (), started_at=100.0)
    row_after(72, unstarted, Examined(AT, WAV_GONE), State.FAILED, N.FAILED, (), started_at=None)
    return made


CASES = cases()


def name(case: Case) -> str:
    return f"{case.row}-{case.before.state}-{type(case.fact).__name__}-{case.to}"


def row_of(before: Recording, fact: Fact) -> Row:
    return next(
        row for row in TABLE if row.state is before.state and row.fact is type(fact) and row.guard(before, fact)
    )


@pytest.mark.parametrize("case", CASES, ids=name)
def test_each_row(case: Case) -> None:
    """A row leads where the table says, tells and asks for what it says, and changes the fields it should."""
    assert row_of(case.before, case.fact) is TABLE[case.row]
    assert expects(case.before, case.fact)
    transition = advance(case.before, case.fact)
    assert transition is not None
    after = transition.recording
    assert (after.state, transition.notice, transition.effects) == (case.to, case.notice, case.effects)
    assert {key: getattr(after, key) for key in case.fields} == case.fields
    if transition.changed:
        assert after.revision == case.before.revision + 1
        assert after.sequence == case.before.sequence + (case.notice is not None)
    else:
        assert after is case.before


def test_every_row_has_a_case() -> None:
    """No row is shadowed by those above it or forgotten by the cases."""
    assert {case.row for case in CASES} == set(range(len(TABLE)))


def test_a_way_into_processing_always_examines() -> None:
    """Who enters processing asks media, at once only where the end is known; only a final state has a last notice."""
    for row in TABLE:
        asked = {Effect.EXAMINE, Effect.SETTLE} & set(row.effects)
        assert len(asked) == (row.to is PRO and row.state is not PRO) or row.state is PRO, row
        if row.to is PRO and asked:
            known = row.fact in {Stopped, SwitchLost} or BROKEN <= TABLE.index(row) < BROKEN + BROKEN_ROWS
            assert asked == ({Effect.EXAMINE} if known else {Effect.SETTLE}), row
        assert (row.notice is not None and row.notice.last) == row.to.final, row


LATE = (
    Stopped(AT, Cause.SILENCE),
    StartOver(AT),
    LegEnded(AT),
    LegOverdue(AT),
    StopOverdue(AT),
    SwitchLost(AT),
    NotThere(AT, leg=True),
    LookDue(AT),
    StillRuns(AT),
    LimitReached(AT),
    StopWished(AT, R.API),
    Masked(AT, SKIP),
    Unmasked(AT),
    MaskRefused(AT, "no"),
    Moved(AT, "other"),
)


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
@pytest.mark.parametrize("fact", LATE, ids=lambda fact: type(fact).__name__)
def test_late_facts_are_a_defined_nothing(state: State, fact: Fact) -> None:
    """What comes after the end is taken, and changes, tells and asks nothing."""
    before = recording(state)
    transition = advance(before, fact)
    assert transition is not None
    assert transition.recording is before
    assert (transition.notice, transition.effects, transition.changed) == (None, (), False)
    assert not expects(before, fact)


UNEXPECTED: tuple[tuple[State, Fact], ...] = (
    *((state, fact) for state in sorted(FINAL_STATES) for fact in (Started(AT), PauseWished(AT, SKIP))),
    (State.COMPLETED, ResumeWished(AT)),
    (State.COMPLETED, Examined(AT, Found(FOUND))),
    (REQ, ResumeWished(AT)),
    (REQ, Masked(AT, SKIP)),
    (REQ, LimitReached(AT)),
    (REC, ResumeWished(AT)),
    (REC, Examined(AT, Found(FOUND))),
    (PAU, PauseWished(AT, SKIP)),
    (STO, PauseWished(AT, SKIP)),
    (STO, ResumeWished(AT)),
    (PRO, PauseWished(AT, SKIP)),
    (PRO, Started(AT)),
)


@pytest.mark.parametrize(("state", "fact"), UNEXPECTED)
def test_what_no_row_expects_changes_nothing(state: State, fact: Fact) -> None:
    """A fact without a row is told apart (None), and `expects` says no."""
    before = recording(state)
    assert advance(before, fact) is None
    assert not expects(before, fact)


def test_a_pause_knows_when_it_was_wished() -> None:
    """Also where its mask is confirmed late, or it was wished twice: it may be masked from the first wish on."""
    life = recording(REC)
    for fact in (PauseWished(110.0, SKIP), PauseWished(111.0, SKIP), StillRuns(112.0), Masked(113.0, SKIP)):
        transition = advance(life, fact)
        assert transition is not None
        life = transition.recording
    (pause,) = life.pauses
    assert (pause.start, pause.wished_at) == (113.0, 110.0)


def test_no_pause_of_what_is_to_be_stopped() -> None:
    """A pause wished after a stop, before RECORD_START, is refused."""
    assert not expects(wishing(REQ, stop=R.API), PauseWished(AT, SKIP))


# --- any sequence of facts ------------------------------------------------------------------------------------------

plausible = st.floats(100.0, 200.0, allow_nan=False)
absurd = st.sampled_from((-1e12, 0.0, 99.0, 4e9))
moments = st.one_of(plausible, plausible, plausible, absurd)
behaviors = st.sampled_from(PauseBehavior)
founds = st.one_of(
    st.just(Found(None, "unreadable")),
    st.builds(
        lambda seconds, silent: Found(Measured(seconds, round(seconds * 16000) + 44, silent=silent)),
        st.floats(0.0, 200.0),
        st.booleans(),
    ),
)
facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(Started, moments),
    st.builds(StartOver, moments),
    st.builds(Stopped, moments, st.sampled_from(Cause), st.booleans()),
    st.builds(LegEnded, moments),
    st.builds(LegOverdue, moments),
    st.builds(StopOverdue, moments),
    st.builds(StillRuns, moments),
    st.builds(NotThere, moments, st.booleans(), st.booleans(), st.booleans()),
    st.builds(LookDue, moments),
    st.builds(SwitchLost, moments),
    st.builds(StopWished, moments, st.sampled_from(EndReason), st.sampled_from(("", "#"))),
    st.builds(PauseWished, moments, behaviors),
    st.builds(ResumeWished, moments),
    st.builds(Masked, moments, behaviors),
    st.builds(Unmasked, moments),
    st.builds(MaskRefused, moments, st.just("no"), st.booleans()),
    st.builds(LimitReached, moments),
    st.builds(Moved, moments, st.sampled_from(("other", "leg"))),
)
longer = st.one_of(  # as facts, but those that end a life are seldom
    *(st.builds(kind, moments) for kind in (Started, StillRuns, ResumeWished, Unmasked, LimitReached)),
    st.builds(Stopped, moments, st.sampled_from((Cause.SILENCE, Cause.NO_INPUT))),
    st.builds(PauseWished, moments, behaviors),
    st.builds(Masked, moments, behaviors),
    st.builds(MaskRefused, moments, st.just("no")),
    facts,
)


def check(seen: Recording) -> None:
    """What holds of a recording at every moment of its life."""
    assert (seen.paused_behavior is not None) == (seen.state is PAU) or not seen.state.active
    edges = [edge for pause in seen.pauses for edge in (pause.start, math.inf if pause.end is None else pause.end)]
    assert edges == sorted(edges)
    gone = [edge for gap in seen.breaks for edge in (gap.start, math.inf if gap.end is None else gap.end)]
    assert all(start <= end for start, end in zip(gone[::2], gone[1::2], strict=True))
    assert all(gap.end is not None for gap in seen.breaks[:-1])
    assert seen.digit == "" or seen.reason is not None
    assert all(pause.end is not None for pause in seen.pauses[:-1])
    for now in (0.0, 150.0, 4e9):
        assert seen.recorded(now) >= 0
        assert seen.skipped(now) >= 0
    if seen.state in {STO, PRO} or seen.state.final:
        assert seen.reason is not None
    if seen.state.final:
        assert seen.ended_at is not None
        assert seen.finished_at is not None
        assert seen.paused_behavior is None
        assert not seen.broken
        assert seen.wish == Wish()
        assert (seen.absence is not None) == (seen.state is State.ABSENT)
    else:
        assert seen.finished_at is None


@settings(max_examples=400)
@given(st.sampled_from((REQUEST, HELD, CHOOSY)), st.lists(st.one_of(facts, longer), max_size=25), founds, moments)
def test_every_life_ends_truly_once_its_leg_is_gone(
    request: RecordingRequest, story: list[Fact], found: Found, end: float
) -> None:
    """Whatever happened, in whatever order: leg's end, grace and examination lead to one final state, told once."""
    life = Recording("r", OWNER, request, REQ, "/r.wav", 100.0)
    told: list[NoticeKind] = []

    def take(fact: Fact) -> None:
        nonlocal life
        before = life
        transition = advance(life, fact)
        if transition is None:
            assert not expects(life, fact)
            return
        life = transition.recording
        check(life)
        if transition.changed:
            assert life.revision == before.revision + 1
        else:
            assert life is before
        if transition.notice is not None:
            told.append(transition.notice)
            assert life.sequence == len(told)
        if {Effect.EXAMINE, Effect.SETTLE} & set(transition.effects) and not pending:
            pending.append(Examined(fact.at, found))

    pending: list[Fact] = []
    for number, fact in enumerate(story):
        take(fact)
        if pending and number % 3 == 0:  # media takes its time, so facts come between
            take(pending.pop())
    for fact in (LegEnded(end), LegOverdue(end)):
        take(fact)
    for fact in tuple(pending):
        take(fact)
    assert life.state.final
    assert life.sequence == len(told)
    assert [notice.last for notice in told] == [False] * (len(told) - 1) + [True]
    assert told.count(N.STARTED) <= 1
    assert told[-1].value == life.state.value
    for kind in (N.PAUSED, N.RESUMED):
        assert kind not in told or told[0] is N.STARTED
    assert told.count(N.PAUSED) - told.count(N.RESUMED) in {0, 1}
