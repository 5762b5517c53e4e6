"""Carries recordings through their table: facts in, durable changes, then effects (DESIGN sections 1, 3, 6).

For each recording that is not final there is one ``Life``. A fact changes its value in memory at once, in the order
of arrival; the changes are made durable in that order; what they entail (commands, timers, media) is done only after.
All methods belong to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace

from controller.recordings import history
from controller.recordings.effects import Effects
from controller.recordings.facts import (
    Examined,
    Fact,
    LegEnded,
    Moved,
    NotThere,
    PauseWished,
    ResumeWished,
    StartOver,
    StillRuns,
    StopWished,
)
from controller.recordings.life import Life, Pending, Timings
from controller.recordings.lifecycle import Effect, advance, examination, expects
from controller.recordings.lives import Lives
from controller.recordings.model import (
    EndReason,
    HistoryEntry,
    Notice,
    Owner,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    new_id,
)
from controller.recordings.ports import (
    Along,
    Found,
    Ledger,
    LedgerFailed,
    Media,
    NoRoom,
    NotHeld,
    NotPossible,
    Recorder,
    TooMany,
)
from controller.telemetry import (
    FactOrphaned,
    FactUnexpected,
    LedgerStalled,
    RecordingChanged,
    RecordingFinished,
    RecordingStarted,
    Telemetry,
)

ELSEWHERE = "another daemon may hold the switch now: ask again"
NOT_CONFIRMED = "the store did not confirm the recording in time, so it did not begin"
Admit = Callable[[str, RecordingRequest], str | None]
"""Says why a request may not be carried out on a switch now, None where it may: then it is taken to begin."""


class RecordingService:
    """Starts, stops, pauses and resumes recordings of every switch, and lives through what happens to them."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        ledger: Ledger,
        media: Media,
        telemetry: Telemetry,
        path_of: Callable[[str, str], str],
        admit: Admit = lambda _switch, _request: None,
        per_call: int = 10,
        timings: Timings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make it of its ports.

        ``path_of(switch, recording id)`` names the master as the switch sees it, ``admit(switch, request)`` says why
        it may not start there now (a full disk), and ``per_call`` may run at once on a call. ``clock`` is this
        machine's (Unix seconds).
        """
        self._recorder = recorder
        self._ledger = ledger
        self._media = media
        self._observe = telemetry.observe
        self._path_of = path_of
        self._admit = admit
        self._per_call = per_call
        self._timings = timings or Timings()
        self._clock = clock
        self._effects = Effects(recorder, media, self._timings, self.apply, self._report, self._observe, clock)
        self._lives = Lives()
        self._tasks: set[asyncio.Task[None]] = set()
        self._doubts: set[str] = set()

    # --- what verbs and APIs ask ---------------------------------------------------------------------------------

    async def start(
        self,
        owner: Owner,
        request: RecordingRequest,
        *,
        core_uuid: str,
        identity: str | None = None,
        along: Along | None = None,
        prelude: Callable[[], None] | None = None,
        told: bool = False,
    ) -> Recording:
        """Make a recording durable, then ask the switch for it; ``begun`` tells how that went.

        ``along`` is done in the same transaction, ``prelude`` (commands that must precede) right before the command.
        ``identity`` is given where the id was made beforehand. Raises NotPossible, LedgerFailed. Where there is no
        room it raises NoRoom; or, with ``told``, makes a recording that failed, of which its receivers are told: a
        document's receiver has no other answer.
        """
        active = self.active(owner.call)
        if any(other.request.reference == request.reference for other in active):
            raise NotPossible(f"a recording named {request.reference!r} is active on this call already")
        if len(active) >= self._per_call:
            raise TooMany(f"{len(active)} recordings run on this call, as many as recordings_per_call allows")
        refusal = self._admit(owner.switch, request)
        if refusal is not None and not told:
            raise NoRoom(refusal)
        identity = identity or new_id()
        now = self._recorder.now(owner.switch)
        path = self._path_of(owner.switch, identity)
        recording = Recording(identity, owner, request, State.REQUESTED, path, now, core_uuid)
        life = self._lives.begin(recording)
        # A caller that is cancelled (its leg ended) leaves a row that may be durable: it must live to its end.
        begun = self._track(life, asyncio.get_running_loop().create_task(self._begin(life, along, prelude, refusal)))
        try:
            await asyncio.shield(begun)
        except asyncio.CancelledError:
            if life.let_go and begun.cancelled():
                raise NotHeld(ELSEWHERE) from None
            life.alone = True
            raise
        return life.recording

    async def _begin(
        self, life: Life, along: Along | None, prelude: Callable[[], None] | None, refusal: str | None
    ) -> None:
        recording = life.durable
        first = history.requested(recording, (Effect.START,) if refusal is None else ())
        try:
            async with life.commits:
                await self._ledger.commit((recording,), history=(first,), along=along)
        except Exception as failure:
            life.pending.clear()
            life.refuse(NotPossible("the recording could not be stored, so it did not begin"))
            self._lives.end(life)
            if not isinstance(failure, LedgerFailed):
                self._report(failure)
            elif not isinstance(failure, NotHeld):
                self._doubts.add(recording.id)
                self._spawn(None, self._clear_doubt(recording))
            if life.alone:
                return
            raise (NotHeld if isinstance(failure, NotHeld) else LedgerFailed)(str(failure)) from failure
        owner = recording.owner
        self._observe(
            RecordingChanged(recording.id, owner.call, owner.dialect, "", State.REQUESTED.value, "requested")
        )
        if refusal is not None:
            self.apply(recording.id, StartOver(recording.requested_at, refusal))
            return
        if prelude is not None and not life.alone:  # the call of one that is alone ended, or is no longer ours
            prelude()
        self._carry_out(life, Effect.START)

    async def _clear_doubt(self, recording: Recording) -> None:
        """Look whether a start that failed was stored after all: whoever asked for it was told that it wasn't.

        No command was sent, so it has ended by that; else its row would be of a recording that is asked for for ever.
        """
        delay = self._timings.retry
        try:
            while True:
                await asyncio.sleep(delay)
                delay = min(delay * 2, self._timings.retry_cap)
                with contextlib.suppress(LedgerFailed):
                    stored = await self._ledger.recording(recording.id)
                    if stored is not None or delay >= self._timings.retry_cap:  # a commit may still be under way
                        break
        finally:
            self._doubts.discard(recording.id)
        if stored is not None and not stored.state.final and self._lives.get(stored.id) is None:
            self._lives.begin(stored)
            self.apply(stored.id, StartOver(self._recorder.now(stored.owner.switch), NOT_CONFIRMED))

    async def stop(self, identity: str, reason: EndReason) -> Recording:
        """Stop a recording; returns once the wish is durable.

        Raises NotPossible where it has ended, LedgerFailed where the wish is not durable in good time.
        """
        life = self._living(identity)
        if life.recording.state is State.PROCESSING:
            raise NotPossible("the recording has ended")
        self.apply(identity, StopWished(self._recorder.now(life.recording.owner.switch), reason))
        return await self._in_time(life, lambda _: True)

    def let_end(self, identity: str, reason: EndReason) -> None:
        """Stop a recording that nobody waits for; one that has ended, or is none, is left as it is."""
        recording = self.get(identity)
        if recording is not None and recording.state.active:
            self.apply(identity, StopWished(self._recorder.now(recording.owner.switch), reason))

    async def pause(self, identity: str, behavior: PauseBehavior) -> Recording:
        """Pause a recording; returns once it is paused or has ended. Raises NotPossible, LedgerFailed as ``stop``."""
        life = self._living(identity)
        self._wish(
            life,
            PauseWished(self._recorder.now(life.recording.owner.switch), behavior),
            "only a running recording can be paused",
        )
        recording = await self._in_time(
            life, lambda seen: seen.state.final or (seen.state is not State.REQUESTED and seen.wish.pause is None)
        )
        if recording.wish.pause is not None:
            raise NotPossible("the recording is not paused yet: the switch has not answered")
        if recording.state is State.RECORDING:
            raise NotPossible("FreeSWITCH did not pause the recording")
        return recording

    async def resume(self, identity: str) -> Recording:
        """Resume a recording; returns once it runs or has ended. Raises NotPossible, LedgerFailed as ``stop``."""
        life = self._living(identity)
        self._wish(
            life,
            ResumeWished(self._recorder.now(life.recording.owner.switch)),
            "only a paused recording can be resumed",
        )
        recording = await self._in_time(
            life, lambda seen: seen.state.final or (not seen.wish.resume and seen.wish.pause is None)
        )
        if recording.wish.resume:
            raise NotPossible("the recording is not resumed yet: the switch has not answered")
        if recording.state is State.PAUSED:
            raise NotPossible("FreeSWITCH did not resume the recording")
        return recording

    async def delete(self, identity: str) -> Recording | None:
        """Delete a final recording: durably first, then its files. None where it is unknown or deleted already.

        Raises NotPossible while it is not final, LedgerFailed, MediaAway where its files can't be reached.
        """
        if self._lives.get(identity) is not None:
            raise NotPossible("the recording has not ended yet: stop it, and delete it once it is ready")
        recording = await self._ledger.recording(identity)
        if recording is None or recording.deleted_at is not None:
            return None
        if not recording.state.final:
            raise NotPossible("the recording has not ended yet: its switch is not served now")
        await self._media.condemn(recording)
        deleted = replace(
            recording,
            deleted_at=self._clock(),
            revision=recording.revision + 1,
            unstored=recording.unstored or bool(recording.stored),  # its objects: not known to be gone yet
        )
        step = history.deleted(deleted, self._recorder.now(deleted.owner.switch))
        await self._ledger.commit((deleted,), history=(step,))
        clearing = self._spawn(None, self._media.clear(deleted))  # also where whoever asked does not wait
        await asyncio.wait((clearing,))
        return deleted

    def clear_up(self) -> None:
        """Go on with what a stop or a crash kept from being removed. To be called once, after every ``adopt``."""
        self._spawn(None, self._clear_up())

    async def _clear_up(self) -> None:
        for identity in await self._media.to_clear():
            recording = await self._ledger.recording(identity)
            if recording is not None and recording.state.final:
                await self._media.clear(recording)

    async def begun(self, identity: str) -> Recording | None:
        """Return the recording as soon as it is no longer merely requested; None where it is unknown."""
        life = self._lives.get(identity)
        if life is None:
            return await self._ledger.recording(identity)
        return await life.until(lambda recording: recording.state is not State.REQUESTED)

    async def ended(self, identity: str) -> Recording | None:
        """Return the recording once nothing is recorded any more, examined or not; None where it is unknown."""
        life = self._lives.get(identity)
        if life is None:
            return await self._ledger.recording(identity)
        return await life.until(lambda recording: recording.state is State.PROCESSING or recording.state.final)

    async def playable(self, identity: str) -> Recording | None:
        """Return the recording as soon as its WAV can be played, as it will be but for the format asked for.

        That is sooner than it is final where another format is made. None where it is unknown.
        """
        life = self._lives.get(identity)
        if life is None:
            return await self._ledger.recording(identity)
        while True:
            recording = await life.until(
                lambda seen: seen.state.final or (seen.state is State.PROCESSING and life.early is not None)
            )
            if recording.state.final:
                return recording
            if life.early is not None:  # else it is measured again, since it was told
                examined = Examined(self._recorder.now(recording.owner.switch), Found(life.early))
                coming = advance(recording, examined)
                return recording if coming is None else coming.recording

    async def finished(self, identity: str) -> Recording | None:
        """Return the recording once it is final; None where it is unknown."""
        life = self._lives.get(identity)
        if life is None:
            return await self._ledger.recording(identity)
        return await life.until(lambda recording: recording.state.final)

    def active(self, call: str) -> list[Recording]:
        """Return a call's recordings that may still be stopped, the one started last at the end."""
        return [life.recording for life in self._lives.of_call(call) if life.recording.state.active]

    def living(self) -> Iterator[Recording]:
        """Return every recording that is not final, of all switches."""
        return (life.recording for life in self._lives)

    def writing(self, switch: str) -> list[Recording]:
        """Return the recordings of a switch for which audio is written, or soon may be."""
        return [life.recording for life in self._lives.of_switch(switch) if life.recording.state.active]

    def get(self, identity: str) -> Recording | None:
        """Return a recording that is not final, as it is now."""
        life = self._lives.get(identity)
        return None if life is None else life.recording

    # --- what happens -----------------------------------------------------------------------------------------

    def apply(self, identity: str, fact: Fact) -> None:
        """Take one fact. Never raises: what nobody expects is counted."""
        life = self._lives.get(identity)
        name = type(fact).__name__
        if life is None:
            self._observe(FactOrphaned("", identity, name))
            return
        transition = advance(life.recording, fact)
        if transition is None:
            self._observe(FactUnexpected(identity, life.recording.state.value, name))
            return
        if not transition.changed and not transition.effects:
            return
        notice = None
        if transition.notice is not None:
            after = transition.recording
            notice = Notice(new_id(), transition.notice, after, fact.at, after.sequence)
        before, life.recording = life.recording.leg, transition.recording
        if life.recording.leg != before:
            self._lives.move(life, before)
        life.pending.append((transition.recording, notice, transition.effects, fact))
        if not life.pumping:
            life.pumping = True
            self._spawn(life, self._pump(life))

    def knows(self, identity: str, switch: str, path: str | None = None) -> bool:
        """Whether a switch's event may speak for this recording: it is that switch's, by the path that we gave."""
        life = self._lives.get(identity)
        if life is None or life.recording.owner.switch != switch:
            return False
        return path is None or life.recording.path == path

    def leg_ended(self, switch: str, leg: str, at: float) -> None:
        """Tell every recording of a leg that it is gone."""
        for identity in self._lives.of_leg(switch, leg):
            self.apply(identity, LegEnded(at))

    def attached(self, identity: str, leg: str, at: float) -> None:
        """Hear on which leg a recorder is: as it starts, and whenever it follows a transfer."""
        recording = self.get(identity)
        if recording is not None and recording.leg != leg:
            self.apply(identity, Moved(at, leg))

    def pressed(self, switch: str, leg: str, digit: str, at: float) -> None:
        """Stop every active recording of a leg that has ``digit`` (A to D in either case) among its terminators.

        Before RECORD_START, during its beep, a press counts as well: it stops the recording as soon as it began, as
        FreeSWITCH's own ``record`` takes the digits that were queued before it.
        """
        for identity in self._lives.of_leg(switch, leg):
            recording = self.get(identity)
            if recording is not None and recording.state.active and _among(digit, recording.request.terminators):
                self.apply(identity, StopWished(at, EndReason.TERMINATOR, digit))

    async def confront(self, identity: str) -> StillRuns | NotThere | None:
        """Have what the switch says over a new link applied to a recording, and return it; None for one that ended.

        Raises SwitchAway.
        """
        life = self._lives.get(identity)
        if life is None:
            return None
        found = await self._effects.inquire(life, anew=True)
        self.apply(identity, found)
        return found

    async def adopt(self, switch: str) -> list[Recording]:
        """Return all that was not final on a switch when this was called, in memory or only in the ledger.

        The latter lives again. What is started meanwhile is left out: its command is on its way. Raises LedgerFailed.
        """
        known = self._lives.of_switch(switch)
        with self._lives.departures() as departed:
            unfinished = await self._ledger.unfinished(switch)
        for recording in unfinished:
            if self._lives.get(recording.id) is None and recording.id not in departed | self._doubts:
                life = self._lives.begin(recording)
                known.append(life)
                if recording.state is State.PROCESSING:
                    self._carry_out(life, examination(recording))
        return [life.recording for life in known if not life.recording.state.final]

    def let_go(self, switch: str) -> None:
        """Forget the recordings of a switch that another daemon may hold now: no command, no notice, no more writes.

        Whoever waits for one of them gets NotHeld. Their rows, and the switch, tell the next holder all.
        """
        for life in self._lives.of_switch(switch):
            self._let_go(life)

    def _let_go(self, life: Life) -> None:
        if life.let_go:
            return
        life.let_go = True
        life.pending.clear()
        self._lives.end(life)
        life.refuse(NotHeld(ELSEWHERE))
        for task in life.tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def close(self) -> None:
        """Let go of everything: nothing is stopped on the switch, the ledger has the truth."""
        for life in self._lives:
            life.disarm()
        while tasks := tuple(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # --- durability -------------------------------------------------------------------------------------------

    async def _pump(self, life: Life) -> None:
        """Make pending changes durable in order, then do what they entail."""
        try:
            while life.pending:
                async with life.commits:
                    batch, life.pending = life.pending, []
                    if not batch:  # the start itself could not be made durable: there is no recording
                        return
                    last = batch[-1][0]
                    notices = [notice for _, notice, _, _ in batch if notice is not None]
                    if last is not life.durable:
                        try:
                            await self._durable(last, notices, _steps(life.durable, batch))
                        except NotHeld:
                            self._let_go(life)
                            return
                before, life.durable = life.durable, last
                for recording, _, effects, fact in batch:
                    if recording.state is not before.state:
                        self._tell(before, recording, fact)
                        before = recording
                    for effect in effects:
                        self._carry_out(life, effect)
                life.wake()
                if last.state.final:
                    self._lives.end(life)
                    if last.stored or (last.measured is not None and last.measured.trimmed):
                        self._spawn(None, self._media.clear(last))
        finally:
            life.pumping = False

    async def _durable(self, recording: Recording, notices: Sequence[Notice], steps: Sequence[HistoryEntry]) -> None:
        delay = self._timings.retry
        while True:
            try:
                await self._ledger.commit((recording,), notices, history=steps)
            except NotHeld:
                raise
            except Exception as failure:  # whatever else it was: what happened must be kept
                if not isinstance(failure, LedgerFailed):
                    self._report(failure)
                self._observe(LedgerStalled(recording.id, str(failure)))
                await asyncio.sleep(delay)
                delay = min(delay * 2, self._timings.retry_cap)
            else:
                return

    def _tell(self, before: Recording, after: Recording, fact: Fact) -> None:
        owner = after.owner
        name = type(fact).__name__
        began = after.started_at if before.started_at is None else None
        told = after.state.final or (began is not None and after.state is State.RECORDING)
        self._observe(
            RecordingChanged(after.id, owner.call, owner.dialect, before.state.value, after.state.value, name, told)
        )
        if began is not None:
            latency = max(0.0, began - after.expected_at)
            self._observe(RecordingStarted(after.id, owner.call, owner.dialect, latency))
        if after.state.final:
            ended = after.ended_at if after.started_at is not None else None
            measured = after.measured
            self._observe(
                RecordingFinished(
                    recording=after.id,
                    call=owner.call,
                    dialect=owner.dialect,
                    outcome=after.state.value,
                    reason="" if after.reason is None else after.reason.value,
                    duration=0.0 if measured is None else measured.duration,
                    size=0 if measured is None else measured.size,
                    error=after.error,
                    processing=None if ended is None else max(0.0, self._recorder.now(owner.switch) - ended),
                )
            )

    def _carry_out(self, life: Life, effect: Effect) -> None:
        work = self._effects.work(life, effect)
        if work is not None:
            self._spawn(life, work)

    def _living(self, identity: str) -> Life:
        life = self._lives.get(identity)
        if life is None or life.recording.state.final:
            raise NotPossible("the recording has ended")
        return life

    def _wish(self, life: Life, fact: PauseWished | ResumeWished, otherwise: str) -> None:
        if not expects(life.recording, fact):
            raise NotPossible(f"{otherwise}; this one is {life.recording.state.value}")
        self.apply(life.recording.id, fact)

    async def _in_time(self, life: Life, true: Callable[[Recording], bool]) -> Recording:
        """Wait no longer than a caller may have to; past that return what is durable.

        Raises LedgerFailed where that is less than what was known.
        """
        revision = life.recording.revision
        try:
            return await asyncio.wait_for(life.until(true), self._timings.answer)
        except TimeoutError:
            if life.durable.revision < revision:
                raise LedgerFailed("the recording's change is not stored yet; it is tried again") from None
            return life.durable

    def _spawn(self, life: Life | None, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._done)
        return self._track(life, task)

    def _track(self, life: Life | None, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if life is not None:
            life.tasks.add(task)
            task.add_done_callback(life.tasks.discard)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(error)

    def _report(self, error: BaseException) -> None:
        asyncio.get_running_loop().call_exception_handler(
            {"message": "a recording's work failed", "exception": error}
        )


def _steps(before: Recording, batch: Sequence[Pending]) -> list[HistoryEntry]:
    """Return what is to be kept of changes that become durable together; what changes nothing is none."""
    steps = []
    for recording, _, effects, fact in batch:
        if recording.revision != before.revision:
            steps.append(history.step(recording, fact, effects))
        before = recording
    return steps


def _among(digit: str, terminators: str) -> bool:
    return len(digit) == 1 and digit.upper() in terminators.upper()
