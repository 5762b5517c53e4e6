"""A recording's life, in one table.

The theory. A recording is *ours* from the moment its row is durable (``requested``), the *switch's* from
RECORD_START to RECORD_STOP, and *media's* from then until its file has been opened and measured (``processing``).
Only media's word ends it well: RECORD_STOP is not proof. Where it was not seen, the file may still be being closed (a
slow disk): media waits until it is closed or stands still (``SETTLE``), and a RECORD_STOP that comes meanwhile tells
when it ended. Five rules make the table:

1. Nothing is commanded before RECORD_START. A stop or pause wished earlier is kept in ``wish`` and carried out then.
   A wish is durable before its command is sent, so a restart sends it again; each command is idempotent. One that
   was refused or not answered in time may take effect all the same, so a mask or unmask is then taken back; what was
   not answered is said in ``error``, for the file may have silence, or sound, that nobody was told of.
2. The first reason wins. FreeSWITCH reports ``success-maxtime`` for a manual stop and ``success-silence`` for a
   hangup, so what *we* did decides, and its cause only where we did nothing.
3. Every state that waits for the switch has a way out without it: the leg's end plus a grace (``LegOverdue``), a
   stop that is never confirmed (``StopOverdue`` asks the switch), the switch's own end (``SwitchLost``), and what an
   inquiry finds (``StillRuns``, ``NotThere``). So every sequence of facts ends in a final state once the leg is gone.
   A start is commanded again only over a new link (over the same one it cannot have been lost) and where there is no
   master: the switch would overwrite what it recorded before. Events may be lost while a link stays up, so what runs
   is asked after now and then (``LookDue``).
4. A file that was deleted for being empty is a true recording of length zero (``absent``), not an error: ``measured``
   is then known before media, which makes an empty file to serve. So is one that its request does not want: shorter
   than ``absent_below``, however it ended, or silent. ``absence`` says which.
5. FreeSWITCH's silence timers run through a pause. Where one of them ends the recorder too early (``silence``), the
   recording is *broken*: it goes on without a recorder, and its file is continued at once, or at the resume where
   it is paused. What is wished meanwhile waits for the RECORD_START of that, or ends it where none is under way.
6. A final state is left by nothing. A late fact there is a defined nothing; a fact that no row expects changes
   nothing and is reported as unexpected by ``advance``, never raised.

Read the table top to bottom: the first row whose state, fact and guard fit is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

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
from controller.recordings.model import (
    Absence,
    Break,
    EndReason,
    Measured,
    NoticeKind,
    Pause,
    PauseBehavior,
    Recording,
    State,
    Wish,
)
from controller.recordings.silence import too_early


class Effect(StrEnum):
    """What the service does once the change is durable."""

    START = "command the start"
    STOP = "command the stop, and expect RECORD_STOP in good time"
    MASK = "command the mask"
    UNMASK = "command the unmask"
    TIME = "arm or disarm the timer of max_length"
    GRACE = "wait a grace for RECORD_STOP"
    WATCH = "after a while in which nothing is heard of it, look whether it is true still"
    INQUIRE = "ask the switch whether its recorder is there"
    SETTLE = "have media open and measure the file once it is closed, or nobody writes it any more"
    EXAMINE = "have media open and measure the file: it is closed, or never will be"


@dataclass(frozen=True, slots=True)
class Transition:
    """What a fact made of a recording: the new value, what to tell, what to do once both are durable."""

    recording: Recording
    notice: NoticeKind | None
    effects: tuple[Effect, ...]
    changed: bool


Guard = Callable[[Recording, Any], bool]
Change = Callable[[Recording, Any], Recording]


# --- guards: which of two rows fits ------------------------------------------------------------------------------


def _always(_recording: Recording, _fact: Fact) -> bool:
    return True


def _stop_wished(recording: Recording, _fact: Fact) -> bool:
    return recording.wish.stop is not None


def _pause_wished(recording: Recording, _fact: Fact) -> bool:
    return recording.wish.pause is not None


def _not_stop_wished(recording: Recording, _fact: Fact) -> bool:
    return recording.wish.stop is None


def _resume_wished(recording: Recording, _fact: Fact) -> bool:
    return recording.wish.resume


def _unmasked_now(recording: Recording, _fact: Fact) -> bool:
    return recording.paused_behavior is None


def _empty(_recording: Recording, fact: Stopped) -> bool:
    return fact.cause in {Cause.EMPTY, Cause.TOO_SHORT}


def _nothing_began(_recording: Recording, fact: NotThere) -> bool:
    return fact.leg and not fact.master


def _start_was_lost(recording: Recording, fact: NotThere) -> bool:
    return fact.anew and _nothing_began(recording, fact)


def _broken(recording: Recording, _fact: Fact) -> bool:
    return recording.broken


def _too_early_resuming(recording: Recording, fact: Stopped) -> bool:
    return recording.wish.resume and too_early(recording, fact)


def _continuing(recording: Recording, _fact: Fact) -> bool:
    """Whether the file of a broken recording is being continued."""
    return recording.broken and (recording.state is State.RECORDING or recording.wish.resume)


def _broken_for_long(recording: Recording, _fact: Fact) -> bool:
    return recording.broken and not recording.wish.resume


def _continuing_to_stop(recording: Recording, fact: Fact) -> bool:
    return _continuing(recording, fact) and recording.wish.stop is not None


def _continuing_to_pause(recording: Recording, fact: Fact) -> bool:
    return _continuing(recording, fact) and recording.wish.pause is not None


def _continuation_was_lost(recording: Recording, fact: NotThere) -> bool:
    return fact.anew and fact.leg and _continuing(recording, fact)


def _broken_on_a_leg(recording: Recording, fact: NotThere) -> bool:
    return fact.leg and recording.broken


def _end_known(recording: Recording, _fact: Fact) -> bool:
    return recording.ended_at is not None


def _unreadable(_recording: Recording, fact: Examined) -> bool:
    return fact.found.measured is None


def _no_input(recording: Recording, _fact: Examined) -> bool:
    return recording.reason is EndReason.NO_INPUT


def _unwanted(recording: Recording, fact: Examined) -> bool:
    """Whether the request does not want what is in it: too little, or nothing but silence."""
    measured, request = fact.found.measured, recording.request
    if measured is None:
        return False
    return measured.duration < request.absent_below or (measured.silent and request.absent_when_silent)


def _nothing_in_it(_recording: Recording, fact: Examined) -> bool:
    return fact.found.measured is not None and fact.found.measured.duration <= 0


# --- changes: what a fact makes of the value ---------------------------------------------------------------------


def _same(recording: Recording, _fact: Fact) -> Recording:
    return recording


def _started(recording: Recording, fact: Started | StillRuns) -> Recording:
    if isinstance(fact, Started):
        return replace(recording, started_at=fact.at)
    # Nobody saw it begin: its file tells, or it was when it was to be expected: nearer than the time of the inquiry.
    began = recording.expected_at if fact.began is None else max(recording.requested_at, min(fact.began, fact.at))
    return replace(recording, started_at=began)


def _started_to_stop(recording: Recording, fact: Started | StillRuns) -> Recording:
    wish = recording.wish
    return replace(_started(recording, fact), reason=wish.stop, digit=wish.digit, wish=Wish())


def _refused(recording: Recording, fact: StartOver) -> Recording:
    return _never_was(recording, fact, EndReason.ERROR, fact.why)


def _never_began(recording: Recording, fact: LegOverdue) -> Recording:
    return _never_was(recording, fact, EndReason.HANGUP, "the leg ended before the recording began")


def _never_was(recording: Recording, fact: Fact, reason: EndReason, why: str) -> Recording:
    return replace(recording, reason=reason, error=why, ended_at=fact.at, finished_at=fact.at, wish=Wish())


def _wish_stop(recording: Recording, fact: StopWished) -> Recording:
    if recording.wish.stop is not None:
        return recording
    return replace(recording, wish=replace(recording.wish, stop=fact.reason, digit=fact.digit))


def _wish_pause(recording: Recording, fact: PauseWished) -> Recording:
    since = fact.at if recording.wish.pause is None else recording.wish.since
    return replace(recording, wish=replace(recording.wish, pause=fact.behavior, since=since))


def _wish_resume(recording: Recording, _fact: ResumeWished) -> Recording:
    return replace(recording, wish=replace(recording.wish, resume=True))


def _drop_pause(recording: Recording, _fact: ResumeWished) -> Recording:
    return replace(recording, wish=replace(recording.wish, pause=None))


def _drop_wishes(recording: Recording, _fact: Fact) -> Recording:
    return replace(recording, wish=Wish())


def _doubt(recording: Recording, fact: MaskRefused) -> Recording:
    """Take a pause or resume back; say so where it may have had its effect for a while."""
    error = recording.error
    if fact.unanswered and error is None:
        what, left = ("resume", "sound") if recording.wish.resume else ("pause", "silence")
        error = f"FreeSWITCH did not confirm a {what} ({fact.why}): it was taken back, but may have left {left}"
    return replace(recording, wish=Wish(), error=error)


def _masked(recording: Recording, fact: Masked) -> Recording:
    floor = recording.pauses[-1].end if recording.pauses else recording.started_at
    start = fact.at if floor is None else max(fact.at, floor)
    pause = Pause(start, fact.behavior, wished_at=recording.wish.since)
    return replace(recording, wish=Wish(), pauses=(*recording.pauses, pause))


def _unmasked(recording: Recording, fact: Unmasked) -> Recording:
    return replace(recording, wish=Wish(), pauses=_closed(recording, fact.at))


def _masked_late(recording: Recording, fact: Masked) -> Recording:
    """Keep a mask whose confirmation was overtaken by RECORD_STOP: media must know of it all the same."""
    end = recording.ended_at
    if recording.paused_behavior is not None or (end is not None and fact.at >= end):
        return recording
    late = _masked(recording, fact)
    return late if end is None else replace(late, pauses=_closed(late, end))


def _unmasked_late(recording: Recording, fact: Unmasked) -> Recording:
    """End a pause where it truly ended: RECORD_STOP had overtaken that news and ended it later."""
    if not recording.pauses:
        return recording
    last = recording.pauses[-1]
    end = max(fact.at, last.start)
    if last.end is not None:
        end = min(end, last.end)
    return replace(recording, pauses=(*recording.pauses[:-1], replace(last, end=end)))


def _stop_because(recording: Recording, fact: StopWished) -> Recording:
    if recording.reason is not None:
        return recording
    return replace(recording, reason=fact.reason, digit=fact.digit)


def _stop_at_limit(recording: Recording, _fact: LimitReached) -> Recording:
    return replace(recording, reason=recording.reason or EndReason.MAX_LENGTH)


def _leg_ended(recording: Recording, _fact: LegEnded) -> Recording:
    return replace(recording, reason=recording.reason or EndReason.HANGUP)


def _stopped(recording: Recording, fact: Stopped) -> Recording:
    error = "FreeSWITCH could not write the file" if fact.cause is Cause.WRITE_FAILED else recording.error
    return _ended(recording, fact.at, recording.reason or _reason_of(recording, fact), error)


def _stopped_empty(recording: Recording, fact: Stopped) -> Recording:
    recording = _ended(recording, fact.at, recording.reason or _reason_of(recording, fact), recording.error)
    return replace(recording, measured=Measured(0.0, 0, recording.request.channel_count, recording.owner.rate))


def _ended_unseen(recording: Recording, fact: LegOverdue | NotThere | SwitchLost) -> Recording:
    # When it ended, and a lasting pause with it, the file's length will tell: the inquiry's time would not be true.
    return replace(recording, reason=recording.reason or _reason_unseen(recording, fact), wish=Wish())


def _reason_unseen(recording: Recording, fact: LegOverdue | NotThere | SwitchLost) -> EndReason:
    if isinstance(fact, SwitchLost):
        return EndReason.SWITCH_LOST
    if isinstance(fact, NotThere) and fact.leg:  # it ended by itself on a leg that lives
        if recording.request.end_silence_timeout > 0:
            return EndReason.END_SILENCE
        return EndReason.NO_INPUT if recording.request.initial_timeout > 0 else EndReason.API
    return EndReason.HANGUP


def _break(recording: Recording, fact: Stopped) -> Recording:
    if recording.broken:
        return recording
    spoke = recording.spoke or fact.cause is Cause.SILENCE
    return replace(recording, breaks=(*recording.breaks, Break(fact.at)), spoke=spoke)


def _continued(recording: Recording, fact: Started | StillRuns) -> Recording:
    """Go on with the file, and with a recording whose resume waited for that; a wished pause is to be commanded."""
    wish = replace(recording.wish, resume=False)
    return replace(recording, wish=wish, breaks=_mended(recording, fact.at), pauses=_closed(recording, fact.at))


def _continued_to_stop(recording: Recording, fact: Started | StillRuns) -> Recording:
    wish = recording.wish
    return replace(_continued(recording, fact), reason=wish.stop, digit=wish.digit, wish=Wish())


def _wish_limit(recording: Recording, _fact: LimitReached) -> Recording:
    return replace(recording, wish=replace(recording.wish, stop=recording.wish.stop or EndReason.MAX_LENGTH))


def _stopped_broken(recording: Recording, fact: StopWished) -> Recording:
    return replace(_ended(recording, fact.at, fact.reason, recording.error), digit=fact.digit)


def _limit_broken(recording: Recording, fact: LimitReached) -> Recording:
    return _ended(recording, fact.at, EndReason.MAX_LENGTH, recording.error)


def _leg_gone_broken(recording: Recording, fact: LegEnded | NotThere) -> Recording:
    return _ended(recording, fact.at, EndReason.HANGUP, recording.error)


def _not_continued(recording: Recording, fact: StartOver) -> Recording:
    if (reason := recording.wish.stop) is not None:
        return replace(_ended(recording, fact.at, reason, recording.error), digit=recording.wish.digit)
    error = f"the recording could not be continued after a pause: {fact.why}"
    return _ended(recording, fact.at, EndReason.ERROR, recording.error or error)


def _measured(recording: Recording, fact: Examined) -> Recording:
    found = fact.found
    known = replace(recording, measured=found.measured, stored=found.stored, unstored=found.unstored)
    recording = _finished(known, fact)
    if fact.found.problem is not None:
        recording = replace(recording, error=recording.error or fact.found.problem)
    return recording


def _measured_absent(recording: Recording, fact: Examined) -> Recording:
    measured = fact.found.measured
    long_enough = (
        measured is not None and measured.duration > 0 and measured.duration >= recording.request.absent_below
    )
    return replace(_measured(recording, fact), absence=Absence.SILENT if long_enough else Absence.TOO_SHORT)


def _lost(recording: Recording, fact: Examined) -> Recording:
    return _finished(replace(recording, error=fact.found.problem or recording.error), fact)


def _finished(recording: Recording, fact: Examined) -> Recording:
    ended, measured = recording.ended_at, recording.measured
    if ended is None:
        lasted = _lasted(recording, measured or Measured(0.0, 0))
        started = recording.started_at
        if started is None:
            written_at = None if measured is None else fact.found.written_at
            # Nobody saw it begin, and a link that hung may have told the switch late: its file says when.
            started = (
                recording.expected_at if written_at is None else max(recording.requested_at, written_at - lasted)
            )
        ended = started + lasted
        recording = replace(
            recording, ended_at=ended, pauses=_closed(recording, ended), breaks=_mended(recording, ended)
        )
    began = recording.started_at
    if began is None and measured is not None:  # RECORD_START was never seen
        began = max(recording.requested_at, ended - measured.untrimmed)
    return replace(recording, started_at=began, finished_at=fact.at if fact.known_at is None else fact.known_at)


def _lasted(recording: Recording, measured: Measured) -> float:
    """Return the seconds from its beginning to its end, which nobody saw, as its file tells."""
    skipped = sum(
        pause.end - pause.start
        for pause in recording.pauses
        if pause.behavior is PauseBehavior.SKIP and pause.end is not None
    )
    # What was cut tells how long the masks were: of a pause that lasted to the end nothing else does, and a resume
    # may have been told late, over a new link.
    return measured.untrimmed + (measured.cut or skipped)


def _closed(recording: Recording, at: float) -> tuple[Pause, ...]:
    if recording.paused_behavior is None:
        return recording.pauses
    return (*recording.pauses[:-1], replace(recording.pauses[-1], end=max(at, recording.pauses[-1].start)))


def _mended(recording: Recording, at: float) -> tuple[Break, ...]:
    if not recording.broken:
        return recording.breaks
    last = recording.breaks[-1]
    return (*recording.breaks[:-1], replace(last, end=max(at, last.start)))


def _ended(recording: Recording, at: float, reason: EndReason, error: str | None) -> Recording:
    pauses, breaks = _closed(recording, at), _mended(recording, at)
    return replace(recording, ended_at=at, reason=reason, error=error, pauses=pauses, breaks=breaks, wish=Wish())


def _reason_of(recording: Recording, fact: Stopped) -> EndReason:
    if fact.hangup:
        return EndReason.HANGUP
    if fact.cause is Cause.NO_INPUT and recording.spoke:
        return EndReason.END_SILENCE
    return {
        Cause.SILENCE: EndReason.END_SILENCE,
        Cause.NO_INPUT: EndReason.NO_INPUT,
        Cause.WRITE_FAILED: EndReason.ERROR,
    }.get(fact.cause, EndReason.API)


def _moved(recording: Recording, fact: Moved) -> Recording:
    return replace(recording, followed="" if fact.leg == recording.owner.leg else fact.leg)


# --- the table -----------------------------------------------------------------------------------------------------

_REQ, _REC, _PAU, _STO, _PRO = State.REQUESTED, State.RECORDING, State.PAUSED, State.STOPPING, State.PROCESSING
_E = Effect
_N = NoticeKind


@dataclass(frozen=True, slots=True)
class Row:
    """In ``state``, a ``fact`` that passes ``guard`` leads ``to`` another by ``change``, with what then follows."""

    state: State
    fact: type
    guard: Guard
    to: State
    change: Change
    effects: tuple[Effect, ...] = ()
    notice: NoticeKind | None = None


TABLE: tuple[Row, ...] = (
    # state, fact, guard → state, change, effects, notice
    Row(_REQ, Started, _stop_wished, _STO, _started_to_stop, (_E.STOP,), _N.STARTED),
    Row(_REQ, Started, _pause_wished, _REC, _started, (_E.MASK, _E.TIME, _E.WATCH), _N.STARTED),
    Row(_REQ, Started, _always, _REC, _started, (_E.TIME, _E.WATCH), _N.STARTED),
    Row(_REQ, StillRuns, _stop_wished, _STO, _started_to_stop, (_E.STOP,), _N.STARTED),
    Row(_REQ, StillRuns, _pause_wished, _REC, _started, (_E.MASK, _E.TIME, _E.WATCH), _N.STARTED),
    Row(_REQ, StillRuns, _always, _REC, _started, (_E.TIME, _E.WATCH), _N.STARTED),
    Row(_REQ, StopWished, _always, _REQ, _wish_stop),
    Row(_REQ, PauseWished, _not_stop_wished, _REQ, _wish_pause),
    Row(_REQ, ResumeWished, _pause_wished, _REQ, _drop_pause),
    Row(_REQ, StartOver, _always, State.FAILED, _refused, (), _N.FAILED),
    Row(_REQ, NotThere, _start_was_lost, _REQ, _same, (_E.START,)),
    Row(_REQ, NotThere, _nothing_began, _REQ, _same, (_E.WATCH,)),
    Row(_REQ, NotThere, _always, _PRO, _ended_unseen, (_E.SETTLE,)),
    Row(_REQ, Stopped, _empty, _PRO, _stopped_empty, (_E.EXAMINE,)),
    Row(_REQ, Stopped, _always, _PRO, _stopped, (_E.EXAMINE,)),
    Row(_REQ, LegEnded, _always, _REQ, _same, (_E.GRACE,)),
    Row(_REQ, LegOverdue, _always, State.FAILED, _never_began, (), _N.FAILED),
    Row(_REQ, LookDue, _always, _REQ, _same, (_E.INQUIRE,)),
    Row(_REQ, SwitchLost, _always, _PRO, _ended_unseen, (_E.EXAMINE,)),
    # broken: FreeSWITCH's silence timers ran through a pause, and ended the recorder too early
    Row(_REC, Stopped, too_early, _REC, _break, (_E.START,)),
    Row(_PAU, Stopped, _too_early_resuming, _PAU, _break, (_E.START,)),
    Row(_PAU, Stopped, too_early, _PAU, _break),
    Row(_PAU, ResumeWished, _broken_for_long, _PAU, _wish_resume, (_E.START,)),
    Row(_REC, Started, _continuing_to_stop, _STO, _continued_to_stop, (_E.STOP,)),
    Row(_REC, Started, _continuing_to_pause, _REC, _continued, (_E.MASK, _E.TIME)),
    Row(_REC, Started, _continuing, _REC, _continued, (_E.TIME,)),
    Row(_PAU, Started, _continuing_to_stop, _STO, _continued_to_stop, (_E.STOP,)),
    Row(_PAU, Started, _continuing, _REC, _continued, (_E.TIME,), _N.RESUMED),
    Row(_REC, StillRuns, _continuing_to_stop, _STO, _continued_to_stop, (_E.STOP,)),
    Row(_REC, StillRuns, _continuing_to_pause, _REC, _continued, (_E.MASK, _E.TIME, _E.WATCH)),
    Row(_REC, StillRuns, _continuing, _REC, _continued, (_E.TIME, _E.WATCH)),
    Row(_PAU, StillRuns, _continuing_to_stop, _STO, _continued_to_stop, (_E.STOP,)),
    Row(_PAU, StillRuns, _continuing, _REC, _continued, (_E.TIME, _E.WATCH), _N.RESUMED),
    Row(_PAU, StillRuns, _broken, _PAU, _same, (_E.TIME, _E.WATCH)),
    Row(_REC, StopWished, _broken, _REC, _wish_stop),
    Row(_PAU, StopWished, _continuing, _PAU, _wish_stop),
    Row(_PAU, StopWished, _broken, _PRO, _stopped_broken, (_E.EXAMINE,)),
    Row(_REC, LimitReached, _broken, _REC, _wish_limit),
    Row(_PAU, LimitReached, _continuing, _PAU, _wish_limit),
    Row(_PAU, LimitReached, _broken, _PRO, _limit_broken, (_E.EXAMINE,)),
    Row(_REC, LegEnded, _broken, _PRO, _leg_gone_broken, (_E.EXAMINE,)),
    Row(_PAU, LegEnded, _broken, _PRO, _leg_gone_broken, (_E.EXAMINE,)),
    Row(_REC, NotThere, _continuation_was_lost, _REC, _same, (_E.START, _E.TIME)),
    Row(_REC, NotThere, _broken_on_a_leg, _REC, _same, (_E.TIME, _E.WATCH)),
    Row(_REC, NotThere, _broken, _PRO, _leg_gone_broken, (_E.EXAMINE,)),
    Row(_PAU, NotThere, _continuation_was_lost, _PAU, _same, (_E.START, _E.TIME)),
    Row(_PAU, NotThere, _broken_on_a_leg, _PAU, _same, (_E.TIME, _E.WATCH)),
    Row(_PAU, NotThere, _broken, _PRO, _leg_gone_broken, (_E.EXAMINE,)),
    Row(_REC, StartOver, _continuing, _PRO, _not_continued, (_E.EXAMINE,)),
    Row(_PAU, StartOver, _continuing, _PRO, _not_continued, (_E.EXAMINE,)),
    Row(_REC, PauseWished, _broken, _REC, _wish_pause),
    Row(_REC, Masked, _broken, _REC, _same),
    Row(_REC, MaskRefused, _broken, _REC, _same),
    Row(_PAU, MaskRefused, _broken, _PAU, _same),
    Row(_PAU, Unmasked, _broken, _PAU, _same),
    # recording
    Row(_REC, PauseWished, _pause_wished, _REC, _same),
    Row(_REC, PauseWished, _always, _REC, _wish_pause, (_E.MASK,)),
    Row(_REC, Masked, _always, _PAU, _masked, (_E.TIME,), _N.PAUSED),
    Row(_REC, MaskRefused, _pause_wished, _REC, _doubt, (_E.UNMASK,)),
    Row(_REC, MaskRefused, _always, _REC, _same),
    Row(_REC, Unmasked, _always, _REC, _same),
    Row(_REC, StopWished, _always, _STO, _stop_because, (_E.STOP,)),
    Row(_REC, LimitReached, _always, _STO, _stop_at_limit, (_E.STOP,)),
    Row(_REC, Stopped, _empty, _PRO, _stopped_empty, (_E.EXAMINE,)),
    Row(_REC, Stopped, _always, _PRO, _stopped, (_E.EXAMINE,)),
    Row(_REC, LegEnded, _always, _STO, _leg_ended, (_E.GRACE,)),
    Row(_REC, LegOverdue, _always, _PRO, _ended_unseen, (_E.SETTLE,)),
    Row(_REC, StillRuns, _pause_wished, _REC, _same, (_E.MASK, _E.TIME, _E.WATCH)),
    Row(_REC, StillRuns, _always, _REC, _same, (_E.TIME, _E.WATCH)),
    Row(_REC, NotThere, _always, _PRO, _ended_unseen, (_E.SETTLE,)),
    Row(_REC, SwitchLost, _always, _PRO, _ended_unseen, (_E.EXAMINE,)),
    Row(_REC, LookDue, _always, _REC, _same, (_E.INQUIRE,)),
    Row(_REC, StartOver, _always, _REC, _same),
    Row(_REC, Started, _always, _REC, _same),
    # paused
    Row(_PAU, ResumeWished, _resume_wished, _PAU, _same),
    Row(_PAU, ResumeWished, _always, _PAU, _wish_resume, (_E.UNMASK,)),
    Row(_PAU, Unmasked, _always, _REC, _unmasked, (_E.TIME,), _N.RESUMED),
    Row(_PAU, MaskRefused, _resume_wished, _PAU, _doubt, (_E.MASK,)),
    Row(_PAU, MaskRefused, _always, _PAU, _same),
    Row(_PAU, Masked, _always, _PAU, _same),
    Row(_PAU, StopWished, _always, _STO, _stop_because, (_E.STOP,)),
    Row(_PAU, LimitReached, _always, _STO, _stop_at_limit, (_E.STOP,)),
    Row(_PAU, Stopped, _empty, _PRO, _stopped_empty, (_E.EXAMINE,)),
    Row(_PAU, Stopped, _always, _PRO, _stopped, (_E.EXAMINE,)),
    Row(_PAU, LegEnded, _always, _STO, _leg_ended, (_E.GRACE,)),
    Row(_PAU, LegOverdue, _always, _PRO, _ended_unseen, (_E.SETTLE,)),
    Row(_PAU, StillRuns, _resume_wished, _PAU, _same, (_E.UNMASK, _E.TIME, _E.WATCH)),
    Row(_PAU, StillRuns, _always, _PAU, _same, (_E.TIME, _E.WATCH)),
    Row(_PAU, NotThere, _always, _PRO, _ended_unseen, (_E.SETTLE,)),
    Row(_PAU, SwitchLost, _always, _PRO, _ended_unseen, (_E.EXAMINE,)),
    Row(_PAU, LookDue, _always, _PAU, _same, (_E.INQUIRE,)),
    Row(_PAU, StartOver, _always, _PAU, _same),
    # stopping
    Row(_STO, Stopped, _empty, _PRO, _stopped_empty, (_E.EXAMINE,)),
    Row(_STO, Stopped, _always, _PRO, _stopped, (_E.EXAMINE,)),
    Row(_STO, StopWished, _always, _STO, _same),
    Row(_STO, LimitReached, _always, _STO, _same),
    Row(_STO, Masked, _unmasked_now, _STO, _masked),
    Row(_STO, Masked, _always, _STO, _drop_wishes),
    Row(_STO, Unmasked, _always, _STO, _unmasked),
    Row(_STO, MaskRefused, _always, _STO, _doubt),
    Row(_STO, LegEnded, _always, _STO, _same, (_E.GRACE,)),
    Row(_STO, LegOverdue, _always, _PRO, _ended_unseen, (_E.SETTLE,)),
    Row(_STO, StopOverdue, _always, _STO, _same, (_E.INQUIRE,)),
    Row(_STO, StillRuns, _always, _STO, _same, (_E.STOP,)),
    Row(_STO, NotThere, _always, _PRO, _ended_unseen, (_E.SETTLE,)),
    Row(_STO, SwitchLost, _always, _PRO, _ended_unseen, (_E.EXAMINE,)),
    Row(_STO, LookDue, _always, _STO, _same),
    Row(_STO, StartOver, _always, _STO, _same),
    # processing
    Row(_PRO, Examined, _unreadable, State.FAILED, _lost, (), _N.FAILED),
    Row(_PRO, Examined, _unwanted, State.ABSENT, _measured_absent, (), _N.ABSENT),
    Row(_PRO, Examined, _no_input, State.NO_INPUT, _measured, (), _N.NO_INPUT),
    Row(_PRO, Examined, _nothing_in_it, State.ABSENT, _measured_absent, (), _N.ABSENT),
    Row(_PRO, Examined, _always, State.COMPLETED, _measured, (), _N.COMPLETED),
    Row(_PRO, Masked, _always, _PRO, _masked_late),
    Row(_PRO, Unmasked, _always, _PRO, _unmasked_late),
    Row(_PRO, Stopped, _end_known, _PRO, _same),
    Row(_PRO, Stopped, _empty, _PRO, _stopped_empty, (_E.EXAMINE,)),
    Row(_PRO, Stopped, _always, _PRO, _stopped, (_E.EXAMINE,)),
    Row(_PRO, LegEnded, _always, _PRO, _same),
    Row(_PRO, LegOverdue, _always, _PRO, _same),
    Row(_PRO, StopOverdue, _always, _PRO, _same),
    Row(_PRO, LimitReached, _always, _PRO, _same),
    Row(_PRO, StopWished, _always, _PRO, _same),
    Row(_PRO, MaskRefused, _always, _PRO, _same),
    Row(_PRO, SwitchLost, _end_known, _PRO, _same),
    Row(_PRO, SwitchLost, _always, _PRO, _same, (_E.EXAMINE,)),
    Row(_PRO, NotThere, _always, _PRO, _same),
    Row(_PRO, StillRuns, _always, _PRO, _same),
    Row(_PRO, LookDue, _always, _PRO, _same),
    Row(_PRO, StartOver, _always, _PRO, _same),
    # followed a transfer to another leg, or back
    Row(_REQ, Moved, _always, _REQ, _moved),
    Row(_REC, Moved, _always, _REC, _moved),
    Row(_PAU, Moved, _always, _PAU, _moved),
    Row(_STO, Moved, _always, _STO, _moved),
    Row(_PRO, Moved, _always, _PRO, _same),
)
"""All that decides a recording's life. Final states have no rows: see rule 5."""

_LATE = (
    Stopped,
    StartOver,
    LegEnded,
    LegOverdue,
    StopOverdue,
    SwitchLost,
    NotThere,
    LookDue,
    StillRuns,
    LimitReached,
    StopWished,
    Masked,
    Unmasked,
    MaskRefused,
    Moved,
)
"""Facts that may come after the end: a defined nothing."""

_INDEX: dict[tuple[State, type], tuple[Row, ...]] = {}
for _row in TABLE:
    _INDEX[_row.state, _row.fact] = (*_INDEX.get((_row.state, _row.fact), ()), _row)


def examination(recording: Recording) -> Effect:
    """Return what a recording in ``processing`` that comes from the ledger needs to go on."""
    return Effect.SETTLE if recording.ended_at is None else Effect.EXAMINE


def advance(recording: Recording, fact: Fact) -> Transition | None:
    """Return what ``fact`` makes of ``recording``, or None where no row expects it. Never raises.

    A transition whose ``changed`` is false needs no commit: only its effects are carried out.
    """
    if recording.state.final:
        return Transition(recording, None, (), changed=False) if isinstance(fact, _LATE) else None
    for row in _INDEX.get((recording.state, type(fact)), ()):
        if row.guard(recording, fact):
            after = row.change(recording, fact)
            if row.to is recording.state and (after is recording or after == recording):
                return Transition(recording, None, row.effects, changed=False)
            notices = recording.sequence + (row.notice is not None)
            after = replace(after, state=row.to, revision=recording.revision + 1, sequence=notices)
            return Transition(after, row.notice, row.effects, changed=True)
    return None


def expects(recording: Recording, fact: Fact) -> bool:
    """Whether some row would take ``fact`` now: how the API knows that a pause or resume is possible."""
    if recording.state.final:
        return False
    return any(row.guard(recording, fact) for row in _INDEX.get((recording.state, type(fact)), ()))
