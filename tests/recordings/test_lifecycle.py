"""The lifecycle table: each row alone, then any sequence of facts."""

from __future__ import annotations

import math
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
    FINAL_STATES,
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
FOUND = Measured(5.0, 80044, 2, 16000)
EMPTY = Measured(0.0, 0, 2, 16000)
WAV_GONE = Found(None, "r.wav is not there")
ENDED = {"ended_at": AT, "wish": Wish()}
UNSEEN = {"ended_at": None, "wish": Wish()}


def wishing(state: State, **fields: Any) -> Recording:
    return recording(state, wish=Wish(**fields))


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

    stop, pause, resume = StopWished(AT, R.VERB), PauseWished(AT, SKIP), ResumeWished(AT)
    # requested
    for first, seen, since in ((0, Started(AT), AT), (3, StillRuns(AT), 100.0)):
        stopping = wishing(REQ, stop=R.API, pause=SKIP)
        row(first, stopping, seen, STO, N.STARTED, (E.STOP,), started_at=since, reason=R.API, wish=Wish())
        row(first + 1, wishing(REQ, pause=SKIP), seen, REC, N.STARTED, (E.MASK, E.TIME, E.WATCH), started_at=since)
        row(first + 2, recording(REQ), seen, REC, N.STARTED, (E.TIME, E.WATCH), started_at=since, reason=None)
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
    # recording
    row(19, wishing(REC, pause=SILENCE), pause, REC, wish=Wish(pause=SILENCE), revision=7)
    row(20, recording(REC), pause, REC, None, (E.MASK,), wish=Wish(pause=SKIP))
    masked = wishing(REC, pause=SKIP)
    row(21, masked, Masked(AT, SKIP), PAU, N.PAUSED, (E.TIME,), wish=Wish(), pauses=(Pause(AT, SKIP),))
    row(22, masked, MaskRefused(AT, "no"), REC, None, (E.UNMASK,), wish=Wish())
    doubt = "FreeSWITCH did not confirm a pause (late): it was taken back, but may have left silence"
    row(22, masked, MaskRefused(AT, "no"), REC, None, (E.UNMASK,), wish=Wish(), error=None)
    row(22, masked, MaskRefused(AT, "late", unanswered=True), REC, None, (E.UNMASK,), wish=Wish(), error=doubt)
    full = replace(masked, error="full")
    row(22, full, MaskRefused(AT, "late", unanswered=True), REC, None, (E.UNMASK,), wish=Wish(), error="full")
    row(23, recording(REC), MaskRefused(AT, "no"), REC, revision=7)
    row(24, recording(REC), Unmasked(AT), REC, revision=7)
    row(25, recording(REC), stop, STO, None, (E.STOP,), reason=R.VERB)
    row(26, recording(REC), LimitReached(AT), STO, None, (E.STOP,), reason=R.MAX_LENGTH)
    row(27, recording(REC), Stopped(AT, Cause.TOO_SHORT), PRO, None, (E.EXAMINE,), measured=EMPTY, finished_at=None)
    for cause, hangup, reason in (
        (Cause.SILENCE, False, R.END_SILENCE),
        (Cause.SILENCE, True, R.HANGUP),
        (Cause.NO_INPUT, False, R.NO_INPUT),
        (Cause.NO_INPUT, True, R.HANGUP),
        (Cause.MAXTIME, False, R.API),
        (Cause.UNKNOWN, False, R.API),
    ):
        row(
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
    row(
        28,
        recording(REC),
        unwritten,
        PRO,
        None,
        (E.EXAMINE,),
        reason=R.ERROR,
        error="FreeSWITCH could not write the file",
    )
    row(29, recording(REC), LegEnded(AT), STO, None, (E.GRACE,), reason=R.HANGUP)
    row(30, recording(REC), LegOverdue(AT), PRO, None, (E.SETTLE,), **UNSEEN, reason=R.HANGUP)
    row(31, wishing(REC, pause=SKIP), StillRuns(AT), REC, None, (E.MASK, E.TIME, E.WATCH), revision=7)
    row(32, recording(REC), StillRuns(AT), REC, None, (E.TIME, E.WATCH), revision=7)
    row(33, recording(REC), NotThere(AT, leg=False), PRO, None, (E.SETTLE,), **UNSEEN, reason=R.HANGUP)
    gone = NotThere(AT, leg=True)
    row(33, recording(REC), gone, PRO, None, (E.SETTLE,), **UNSEEN, reason=R.API)
    row(33, recording(REC, request=HELD), gone, PRO, None, (E.SETTLE,), **UNSEEN, reason=R.END_SILENCE)
    initial = replace(HELD, end_silence_timeout=0.0)
    row(33, recording(REC, request=initial), gone, PRO, None, (E.SETTLE,), **UNSEEN, reason=R.NO_INPUT)
    row(34, recording(REC), SwitchLost(AT), PRO, None, (E.EXAMINE,), **UNSEEN, reason=R.SWITCH_LOST)
    row(35, recording(REC), LookDue(AT), REC, None, (E.INQUIRE,), revision=7)
    row(36, recording(REC), StartOver(AT), REC, revision=7)
    row(37, recording(REC), Started(AT), REC, revision=7, started_at=101.0)
    # paused
    closed, lasting = (Pause(110.0, SKIP, AT),), (Pause(110.0, SKIP),)
    row(38, wishing(PAU, resume=True), resume, PAU, revision=7)
    row(39, recording(PAU), resume, PAU, None, (E.UNMASK,), wish=Wish(resume=True))
    row(40, wishing(PAU, resume=True), Unmasked(AT), REC, N.RESUMED, (E.TIME,), wish=Wish(), pauses=closed)
    row(41, wishing(PAU, resume=True), MaskRefused(AT, "no"), PAU, None, (E.MASK,), wish=Wish(), pauses=lasting)
    doubt = "FreeSWITCH did not confirm a resume (late): it was taken back, but may have left sound"
    late_resume = MaskRefused(AT, "late", unanswered=True)
    row(41, wishing(PAU, resume=True), late_resume, PAU, None, (E.MASK,), wish=Wish(), error=doubt)
    row(42, recording(PAU), MaskRefused(AT, "no"), PAU, revision=7)
    row(43, recording(PAU), Masked(AT, SKIP), PAU, revision=7)
    row(44, recording(PAU), stop, STO, None, (E.STOP,), reason=R.VERB, pauses=lasting)
    row(45, recording(PAU), LimitReached(AT), STO, None, (E.STOP,), reason=R.MAX_LENGTH)
    row(46, recording(PAU), Stopped(AT, Cause.EMPTY), PRO, None, (E.EXAMINE,), **ENDED, pauses=closed)
    row(47, recording(PAU), Stopped(AT, Cause.SILENCE), PRO, None, (E.EXAMINE,), **ENDED, pauses=closed)
    row(48, recording(PAU), LegEnded(AT), STO, None, (E.GRACE,), reason=R.HANGUP)
    row(49, recording(PAU), LegOverdue(AT), PRO, None, (E.SETTLE,), **UNSEEN, pauses=lasting)
    row(50, wishing(PAU, resume=True), StillRuns(AT), PAU, None, (E.UNMASK, E.TIME, E.WATCH), revision=7)
    row(51, recording(PAU), StillRuns(AT), PAU, None, (E.TIME, E.WATCH), revision=7)
    row(52, recording(PAU), NotThere(AT, leg=False), PRO, None, (E.SETTLE,), **UNSEEN, pauses=lasting)
    row(53, recording(PAU), SwitchLost(AT), PRO, None, (E.EXAMINE,), **UNSEEN, reason=R.SWITCH_LOST)
    row(54, recording(PAU), LookDue(AT), PAU, None, (E.INQUIRE,), revision=7)
    row(55, recording(PAU), StartOver(AT), PAU, revision=7)
    # stopping
    paused = recording(STO, pauses=lasting)
    row(56, recording(STO), Stopped(AT, Cause.EMPTY), PRO, None, (E.EXAMINE,), measured=EMPTY, reason=R.API)
    row(57, paused, Stopped(AT, Cause.NO_INPUT), PRO, None, (E.EXAMINE,), **ENDED, reason=R.API, pauses=closed)
    row(58, recording(STO), stop, STO, revision=7, reason=R.API)
    row(59, recording(STO), LimitReached(AT), STO, revision=7, reason=R.API)
    row(60, wishing(STO, pause=SKIP), Masked(AT, SKIP), STO, wish=Wish(), pauses=(Pause(AT, SKIP),))
    row(61, replace(paused, wish=Wish(resume=True)), Masked(AT, SKIP), STO, wish=Wish(), pauses=lasting)
    row(62, replace(paused, wish=Wish(resume=True)), Unmasked(AT), STO, wish=Wish(), pauses=closed)
    row(63, wishing(STO, pause=SKIP), MaskRefused(AT, "no"), STO, wish=Wish())
    row(64, recording(STO), LegEnded(AT), STO, None, (E.GRACE,), revision=7, reason=R.API)
    row(65, recording(STO), LegOverdue(AT), PRO, None, (E.SETTLE,), **UNSEEN, reason=R.API)
    row(66, recording(STO), StopOverdue(AT), STO, None, (E.INQUIRE,), revision=7)
    row(67, recording(STO), StillRuns(AT), STO, None, (E.STOP,), revision=7)
    row(68, recording(STO), NotThere(AT, leg=True), PRO, None, (E.SETTLE,), **UNSEEN, reason=R.API)
    row(69, recording(STO), SwitchLost(AT), PRO, None, (E.EXAMINE,), **UNSEEN, reason=R.API)
    row(70, recording(STO), LookDue(AT), STO, revision=7)
    row(71, recording(STO), StartOver(AT), STO, revision=7)
    # processing
    stopped, lost = recording(PRO, ended_at=120.0), recording(PRO)
    row(72, stopped, Examined(AT, WAV_GONE), State.FAILED, N.FAILED, (), error=WAV_GONE.problem, ended_at=120.0)
    row(72, lost, Examined(AT, Found(None)), State.FAILED, N.FAILED, (), error=None, ended_at=101.0, finished_at=AT)
    row(72, replace(lost, started_at=None), Examined(AT, WAV_GONE), State.FAILED, N.FAILED, (), ended_at=100.0)
    silent = replace(stopped, reason=R.NO_INPUT)
    row(73, silent, Examined(AT, Found(FOUND)), State.NO_INPUT, N.NO_INPUT, (), measured=FOUND, ended_at=120.0)
    row(74, stopped, Examined(AT, Found(EMPTY)), State.ABSENT, N.ABSENT, (), measured=EMPTY, finished_at=AT)
    row(75, stopped, Examined(AT, Found(FOUND)), State.COMPLETED, N.COMPLETED, (), ended_at=120.0, error=None)
    row(75, stopped, Examined(AT, Found(FOUND, "odd")), State.COMPLETED, N.COMPLETED, (), error="odd", measured=FOUND)
    known = replace(stopped, error="full")
    row(75, known, Examined(AT, Found(FOUND, "odd")), State.COMPLETED, N.COMPLETED, (), error="full")
    # 5 s of file after 4 s of closed skips: lost at 110, where the last pause, which never ended, began or earlier
    broken = replace(lost, pauses=(Pause(102.0, SKIP, 106.0), Pause(107.0, SILENCE, 108.0), Pause(110.0, SKIP)))
    closed_pauses = (*broken.pauses[:2], Pause(110.0, SKIP, 110.0))
    completed = Examined(AT, Found(FOUND))
    row(75, broken, completed, State.COMPLETED, N.COMPLETED, (), ended_at=110.0, pauses=closed_pauses)
    row(76, stopped, Masked(115.0, SKIP), PRO, pauses=(Pause(115.0, SKIP, 120.0),))
    row(76, stopped, Masked(120.0, SKIP), PRO, revision=7, pauses=())
    row(76, lost, Masked(115.0, SKIP), PRO, pauses=(Pause(115.0, SKIP),))
    row(76, replace(lost, pauses=lasting), Masked(115.0, SKIP), PRO, revision=7, pauses=lasting)
    once = replace(stopped, pauses=(Pause(110.0, SKIP, 120.0),))
    row(77, once, Unmasked(112.0), PRO, pauses=(Pause(110.0, SKIP, 112.0),))
    row(77, once, Unmasked(109.0), PRO, pauses=(Pause(110.0, SKIP, 110.0),))
    row(77, once, Unmasked(125.0), PRO, revision=7)
    row(77, replace(lost, pauses=lasting), Unmasked(112.0), PRO, pauses=(Pause(110.0, SKIP, 112.0),))
    row(77, stopped, Unmasked(112.0), PRO, revision=7)
    row(78, stopped, Stopped(AT, Cause.MAXTIME), PRO, revision=7)
    row(79, lost, Stopped(AT, Cause.EMPTY), PRO, None, (E.EXAMINE,), **ENDED, measured=EMPTY)
    unseen = replace(lost, pauses=lasting)
    row(80, unseen, Stopped(AT, Cause.SILENCE), PRO, None, (E.EXAMINE,), **ENDED, reason=R.API, pauses=closed)
    late: tuple[Fact, ...] = (
        LegEnded(AT),
        LegOverdue(AT),
        StopOverdue(AT),
        LimitReached(AT),
        stop,
        MaskRefused(AT, "no"),
        SwitchLost(AT),
    )
    for number, fact in enumerate(late, 81):
        row(number, stopped, fact, PRO, revision=7)
    row(88, lost, SwitchLost(AT), PRO, None, (E.EXAMINE,), revision=7, ended_at=None)
    row(89, stopped, NotThere(AT, leg=False), PRO, revision=7)
    row(90, stopped, StillRuns(AT), PRO, revision=7)
    row(91, stopped, LookDue(AT), PRO, revision=7)
    row(92, stopped, StartOver(AT), PRO, revision=7)
    unstarted = replace(stopped, started_at=None)
    row(75, unstarted, Examined(AT, Found(FOUND)), State.COMPLETED, N.COMPLETED, (), started_at=115.0, ended_at=120.0)
    longer = Examined(AT, Found(replace(FOUND, duration=50.0)))
    row(75, unstarted, longer, State.COMPLETED, N.COMPLETED, (), started_at=100.0)
    row(72, unstarted, Examined(AT, WAV_GONE), State.FAILED, N.FAILED, (), started_at=None)
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
            assert asked == ({Effect.EXAMINE} if row.fact in {Stopped, SwitchLost} else {Effect.SETTLE}), row
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
    st.floats(0.0, 200.0).map(lambda seconds: Found(Measured(seconds, round(seconds * 16000) + 44))),
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
    st.builds(StopWished, moments, st.sampled_from(EndReason)),
    st.builds(PauseWished, moments, behaviors),
    st.builds(ResumeWished, moments),
    st.builds(Masked, moments, behaviors),
    st.builds(Unmasked, moments),
    st.builds(MaskRefused, moments, st.just("no"), st.booleans()),
    st.builds(LimitReached, moments),
)
longer = st.one_of(  # as facts, but those that end a life are seldom
    *(st.builds(kind, moments) for kind in (Started, StillRuns, ResumeWished, Unmasked, LimitReached)),
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
        assert seen.wish == Wish()
    else:
        assert seen.finished_at is None


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(facts, longer), max_size=25), founds, moments)
def test_every_life_ends_truly_once_its_leg_is_gone(story: list[Fact], found: Found, end: float) -> None:
    """Whatever happened, in whatever order: leg's end, grace and examination lead to one final state, told once."""
    life = Recording("r", OWNER, REQUEST, REQ, "/r.wav", 100.0)
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
