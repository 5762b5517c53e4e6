"""Carries recordings through their table: facts in, durable changes, then effects (DESIGN sections 1, 3, 6).

For each recording that is not final there is one ``_Life``. A fact changes its value in memory at once, in the order
of arrival; the changes are made durable in that order; what they entail (commands, timers, media) is done only after.
All methods belong to the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from controller.recordings.facts import (
    Examined,
    Fact,
    LegEnded,
    LegOverdue,
    LimitReached,
    Masked,
    MaskRefused,
    NotThere,
    PauseWished,
    ResumeWished,
    StartOver,
    StillRuns,
    StopOverdue,
    StopWished,
    Unmasked,
)
from controller.recordings.lifecycle import Effect, advance, expects
from controller.recordings.model import (
    EndReason,
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
    CommandFailed,
    Found,
    Ledger,
    LedgerFailed,
    Media,
    NotPossible,
    Recorder,
    SwitchAway,
)
from controller.telemetry import (
    FactOrphaned,
    FactUnexpected,
    LedgerStalled,
    RecordingChanged,
    RecordingFinished,
    Telemetry,
)


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds. ``stop``: until a commanded stop is asked after; ``grace``: for RECORD_STOP after the leg's end.

    ``answer`` bounds how long a caller waits for a wish to come true; ``retry`` and ``retry_cap`` pace what must
    succeed in the end (the ledger, a file that cannot be opened just now); ``examine`` counts media's tries.
    """

    stop: float = 5.0
    grace: float = 2.0
    answer: float = 10.0
    retry: float = 0.1
    retry_cap: float = 5.0
    examine: int = 5


@dataclass(slots=True)
class _Life:
    """One recording that is not final: its value now, what waits to become durable, its timers."""

    recording: Recording
    durable: Recording
    pending: list[tuple[Recording, Notice | None, tuple[Effect, ...], Fact]] = field(default_factory=list)
    commits: asyncio.Lock = field(default_factory=asyncio.Lock)
    commands: asyncio.Lock = field(default_factory=asyncio.Lock)
    timers: dict[Effect, asyncio.TimerHandle] = field(default_factory=dict)
    waiters: list[tuple[Callable[[Recording], bool], asyncio.Future[Recording]]] = field(default_factory=list)
    pumping: bool = False
    stop_refused: bool = False
    alone: bool = False


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
        admit: Callable[[str], str | None] = lambda _switch: None,
        per_call: int = 10,
        timings: Timings | None = None,
    ) -> None:
        """Make it of its ports.

        ``path_of(switch, recording id)`` names the master as the switch sees it, ``admit(switch)`` says why none may
        start there now (a full disk), and ``per_call`` may run at once on a call.
        """
        self._recorder = recorder
        self._ledger = ledger
        self._media = media
        self._observe = telemetry.observe
        self._path_of = path_of
        self._admit = admit
        self._per_call = per_call
        self._timings = timings or Timings()
        self._lives: dict[str, _Life] = {}
        self._by_leg: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._by_call: defaultdict[str, list[str]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: list[set[str]] = []

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
    ) -> Recording:
        """Make a recording durable, then ask the switch for it; ``begun`` tells how that went.

        ``along`` is done in the same transaction, ``prelude`` (commands that must precede) right before the command.
        ``identity`` is given where the id was made beforehand. Raises NotPossible, LedgerFailed.
        """
        active = self.active(owner.call)
        if any(other.request.reference == request.reference for other in active):
            raise NotPossible(f"a recording named {request.reference!r} is active on this call already")
        if len(active) >= self._per_call:
            raise NotPossible(f"{len(active)} recordings run on this call, as many as recordings_per_call allows")
        refusal = self._admit(owner.switch)
        if refusal is not None:
            raise NotPossible(refusal)
        identity = identity or new_id()
        now = self._recorder.now(owner.switch)
        path = self._path_of(owner.switch, identity)
        recording = Recording(identity, owner, request, State.REQUESTED, path, now, core_uuid)
        life = self._adopt(recording)
        # A caller that is cancelled (its leg ended) leaves a row that may be durable: it must live to its end.
        begun = asyncio.get_running_loop().create_task(self._begin(life, along, prelude))
        self._tasks.add(begun)
        begun.add_done_callback(self._tasks.discard)
        try:
            await asyncio.shield(begun)
        except asyncio.CancelledError:
            life.alone = True
            raise
        return recording

    async def _begin(self, life: _Life, along: Along | None, prelude: Callable[[], None] | None) -> None:
        recording = life.durable
        try:
            async with life.commits:
                await self._ledger.commit((recording,), along=along)
        except LedgerFailed:
            life.pending.clear()
            for _, future in life.waiters:
                if not future.done():
                    future.set_exception(NotPossible("the recording could not be stored, so it did not begin"))
            self._forget(life)
            if life.alone:
                return
            raise
        owner = recording.owner
        self._observe(
            RecordingChanged(recording.id, owner.call, owner.dialect, "", State.REQUESTED.value, "requested")
        )
        if prelude is not None and not life.alone:  # the call of one that is alone ended, or is no longer ours
            prelude()
        self._carry_out(life, Effect.START, recording)

    async def stop(self, identity: str, reason: EndReason) -> Recording:
        """Stop a recording; returns once the wish is durable.

        Raises NotPossible where it has ended, LedgerFailed where the wish is not durable in good time.
        """
        life = self._living(identity)
        if life.recording.state is State.PROCESSING:
            raise NotPossible("the recording has ended")
        self.apply(identity, StopWished(self._now(life), reason))
        return await self._until(life, lambda _: True)

    async def pause(self, identity: str, behavior: PauseBehavior) -> Recording:
        """Pause a recording; returns once it is paused or has ended. Raises NotPossible, LedgerFailed as ``stop``."""
        life = self._living(identity)
        self._wish(life, PauseWished(self._now(life), behavior), "only a running recording can be paused")
        recording = await self._until(
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
        self._wish(life, ResumeWished(self._now(life)), "only a paused recording can be resumed")
        recording = await self._until(
            life, lambda seen: seen.state.final or (not seen.wish.resume and seen.wish.pause is None)
        )
        if recording.wish.resume:
            raise NotPossible("the recording is not resumed yet: the switch has not answered")
        if recording.state is State.PAUSED:
            raise NotPossible("FreeSWITCH did not resume the recording")
        return recording

    async def begun(self, identity: str) -> Recording | None:
        """Return the recording as soon as it is no longer merely requested; None where it is unknown."""
        life = self._lives.get(identity)
        if life is None:
            return await self._ledger.recording(identity)
        return await self._until(life, lambda recording: recording.state is not State.REQUESTED, for_ever=True)

    async def finished(self, identity: str) -> Recording | None:
        """Return the recording once it is final; None where it is unknown."""
        life = self._lives.get(identity)
        if life is None:
            return await self._ledger.recording(identity)
        return await self._until(life, lambda recording: recording.state.final, for_ever=True)

    def active(self, call: str) -> list[Recording]:
        """Return a call's recordings that may still be stopped, the one started last at the end."""
        lives = (self._lives[identity] for identity in self._by_call.get(call, ()))
        return [life.recording for life in lives if life.recording.state.active]

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
        life.recording = transition.recording
        life.pending.append((transition.recording, notice, transition.effects, fact))
        if not life.pumping:
            life.pumping = True
            self._spawn(self._pump(life))

    def knows(self, identity: str, path: str) -> bool:
        """Whether a recorder's event may speak for this recording: we have it, and the path is the one we gave."""
        life = self._lives.get(identity)
        return life is not None and life.recording.path == path

    def leg_ended(self, switch: str, leg: str, at: float) -> None:
        """Tell every recording of a leg that it is gone."""
        for identity in tuple(self._by_leg.get((switch, leg), ())):
            self.apply(identity, LegEnded(at))

    async def adopt(self, switch: str) -> list[Recording]:
        """Return all that was not final on a switch when this was called, in memory or only in the ledger.

        The latter lives again. What is started meanwhile is left out: its command is on its way. Raises LedgerFailed.
        """
        known = [life for life in self._lives.values() if life.recording.owner.switch == switch]
        left: set[str] = set()  # what ended meanwhile: the ledger's answer may be older
        self._leaving.append(left)
        try:
            unfinished = await self._ledger.unfinished(switch)
        finally:
            self._leaving.remove(left)
        for recording in unfinished:
            if recording.id not in self._lives and recording.id not in left:
                life = self._adopt(recording)
                known.append(life)
                if recording.state is State.PROCESSING:
                    self._carry_out(life, Effect.EXAMINE, recording)
        return [life.recording for life in known if not life.recording.state.final]

    async def close(self) -> None:
        """Let go of everything: nothing is stopped on the switch, the ledger has the truth."""
        for life in self._lives.values():
            self._disarm(life)
        while tasks := tuple(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # --- durability -------------------------------------------------------------------------------------------

    async def _pump(self, life: _Life) -> None:
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
                        await self._durable(last, notices)
                before, life.durable = life.durable, last
                for recording, _, effects, fact in batch:
                    if recording.state is not before.state:
                        self._tell(before, recording, fact)
                        before = recording
                    for effect in effects:
                        self._carry_out(life, effect, life.recording)
                self._wake(life)
                if last.state.final:
                    self._forget(life)
        finally:
            life.pumping = False

    async def _durable(self, recording: Recording, notices: Sequence[Notice]) -> None:
        delay = self._timings.retry
        while True:
            try:
                await self._ledger.commit((recording,), notices)
            except LedgerFailed as failure:
                self._observe(LedgerStalled(recording.id, str(failure)))
                await asyncio.sleep(delay)
                delay = min(delay * 2, self._timings.retry_cap)
            else:
                return

    def _tell(self, before: Recording, after: Recording, fact: Fact) -> None:
        owner = after.owner
        name = type(fact).__name__
        self._observe(
            RecordingChanged(after.id, owner.call, owner.dialect, before.state.value, after.state.value, name)
        )
        if after.state.final:
            reason = "" if after.reason is None else after.reason.value
            duration, size = (0.0, 0) if after.measured is None else (after.measured.duration, after.measured.size)
            self._observe(
                RecordingFinished(after.id, owner.call, owner.dialect, after.state.value, reason, duration, size)
            )

    # --- effects ----------------------------------------------------------------------------------------------

    def _carry_out(self, life: _Life, effect: Effect, recording: Recording) -> None:
        if effect is Effect.TIME:
            self._time(life)
        elif effect is Effect.GRACE:
            self._arm(life, Effect.GRACE, self._timings.grace, LegOverdue)
        else:
            work: dict[Effect, Callable[[_Life, Recording], Coroutine[None, None, None]]] = {
                Effect.START: self._start,
                Effect.STOP: self._stop,
                Effect.MASK: self._mask,
                Effect.UNMASK: self._unmask,
                Effect.INQUIRE: self._inquire,
                Effect.EXAMINE: self._examine,
            }
            self._spawn(work[effect](life, recording))

    async def _start(self, life: _Life, recording: Recording) -> None:
        try:
            await self._recorder.start(recording)
        except CommandFailed as failure:
            self.apply(recording.id, StartOver(self._now(life), str(failure)))
        except SwitchAway:
            return  # the reconciliation at the next connect asks the switch, and commands again if it must

    async def _stop(self, life: _Life, recording: Recording) -> None:
        async with life.commands:
            if life.recording.state is not State.STOPPING:
                return
            self._arm(life, Effect.STOP, self._timings.stop, StopOverdue)
            try:
                await self._recorder.stop(recording)
            except CommandFailed:
                if not life.stop_refused:  # it may have ended already; refused again, the timer asks, in its own time
                    life.stop_refused = True
                    self.apply(recording.id, StopOverdue(self._now(life)))
            except SwitchAway:
                return

    async def _mask(self, life: _Life, recording: Recording) -> None:
        behavior = recording.wish.pause or recording.paused_behavior
        if behavior is not None:
            await self._switch_mask(life, recording, self._recorder.mask, lambda at: Masked(at, behavior))

    async def _unmask(self, life: _Life, recording: Recording) -> None:
        await self._switch_mask(life, recording, self._recorder.unmask, Unmasked)

    async def _switch_mask(
        self,
        life: _Life,
        recording: Recording,
        command: Callable[[Recording], Awaitable[float]],
        fact: Callable[[float], Fact],
    ) -> None:
        async with life.commands:
            if not life.recording.state.active:
                return
            try:
                at = await command(recording)
            except CommandFailed as failure:
                self.apply(recording.id, MaskRefused(self._now(life), str(failure)))
            except SwitchAway:
                return
            else:
                self.apply(recording.id, fact(at))

    async def _inquire(self, life: _Life, recording: Recording) -> None:
        try:
            presence = await self._recorder.inquire(recording)
        except SwitchAway:
            if life.recording.state is State.STOPPING:  # the link may be up for all that: ask again
                self._arm(life, Effect.STOP, self._timings.stop, StopOverdue)
            return
        at = self._now(life)
        self.apply(recording.id, StillRuns(at) if presence.recorder else NotThere(at, presence.leg))

    async def _examine(self, life: _Life, recording: Recording) -> None:
        delay = self._timings.retry
        tries = 1
        while True:
            recording = life.recording
            try:
                found = await self._media.examine(recording)
            except Exception as error:
                if isinstance(error, OSError):
                    found = Found(None, f"the file could not be read: {error.strerror or error}")
                else:
                    found = Found(None, f"the file could not be examined: {type(error).__name__}")
                    self._report(error)
                if tries < self._timings.examine:
                    tries += 1
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, self._timings.retry_cap)
                    continue
            if life.recording.pauses == recording.pauses:  # a late Masked changes what must be cut
                break
        self.apply(recording.id, Examined(self._now(life), found))

    def _time(self, life: _Life) -> None:
        """Arm the timer of max_length, or disarm it while a skipping pause holds it still."""
        self._cancel(life, Effect.TIME)
        recording = life.recording
        limit = recording.request.max_length
        running = recording.state in {State.RECORDING, State.PAUSED}
        if limit is not None and running and recording.paused_behavior is not PauseBehavior.SKIP:
            left = limit - recording.recorded(self._now(life))
            self._arm(life, Effect.TIME, max(0.0, left), LimitReached)

    def _arm(self, life: _Life, name: Effect, seconds: float, fact: Callable[[float], Fact]) -> None:
        self._cancel(life, name)
        identity = life.recording.id
        loop = asyncio.get_running_loop()
        life.timers[name] = loop.call_later(seconds, lambda: self.apply(identity, fact(self._now(life))))

    def _cancel(self, life: _Life, name: Effect) -> None:
        timer = life.timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _disarm(self, life: _Life) -> None:
        for name in tuple(life.timers):
            self._cancel(life, name)

    # --- the lives --------------------------------------------------------------------------------------------

    def _adopt(self, recording: Recording) -> _Life:
        life = _Life(recording, recording)
        owner = recording.owner
        self._lives[recording.id] = life
        self._by_leg[owner.switch, owner.leg].add(recording.id)
        self._by_call[owner.call].append(recording.id)
        return life

    def _forget(self, life: _Life) -> None:
        self._disarm(life)
        identity, owner = life.recording.id, life.recording.owner
        self._lives.pop(identity, None)
        for left in self._leaving:
            left.add(identity)
        of_leg = self._by_leg[owner.switch, owner.leg]
        of_leg.discard(identity)
        if not of_leg:
            del self._by_leg[owner.switch, owner.leg]
        of_call = self._by_call[owner.call]
        of_call.remove(identity)
        if not of_call:
            del self._by_call[owner.call]

    def _living(self, identity: str) -> _Life:
        life = self._lives.get(identity)
        if life is None or life.recording.state.final:
            raise NotPossible("the recording has ended")
        return life

    def _wish(self, life: _Life, fact: PauseWished | ResumeWished, otherwise: str) -> None:
        if not expects(life.recording, fact):
            raise NotPossible(f"{otherwise}; this one is {life.recording.state.value}")
        self.apply(life.recording.id, fact)

    async def _until(self, life: _Life, true: Callable[[Recording], bool], *, for_ever: bool = False) -> Recording:
        """Wait until all that is known now is durable, and fits; past the deadline return what is durable.

        Raises LedgerFailed where that is less than what was known.
        """
        revision = life.recording.revision
        if life.durable.revision >= revision and true(life.durable):
            return life.durable
        future: asyncio.Future[Recording] = asyncio.get_running_loop().create_future()
        life.waiters.append((lambda seen: seen.revision >= revision and true(seen), future))
        if for_ever:
            return await future
        try:
            return await asyncio.wait_for(future, self._timings.answer)
        except TimeoutError:
            if life.durable.revision < revision:
                raise LedgerFailed("the recording's change is not stored yet; it is tried again") from None
            return life.durable

    def _wake(self, life: _Life) -> None:
        waiting, life.waiters = life.waiters, []
        for true, future in waiting:
            if future.done():
                continue
            if true(life.durable):
                future.set_result(life.durable)
            else:
                life.waiters.append((true, future))

    def _now(self, life: _Life) -> float:
        return self._recorder.now(life.recording.owner.switch)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(error)

    def _report(self, error: BaseException) -> None:
        asyncio.get_running_loop().call_exception_handler(
            {"message": "a recording's work failed", "exception": error}
        )
