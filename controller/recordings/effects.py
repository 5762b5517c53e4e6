"""What the table's effects do: commands to the switch, timers, media. What comes of each is a fact again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine

from controller.recordings.facts import (
    Examined,
    Fact,
    LegOverdue,
    LimitReached,
    LookDue,
    Masked,
    MaskRefused,
    Moved,
    NotThere,
    StartOver,
    StillRuns,
    StopOverdue,
    Unmasked,
)
from controller.recordings.life import Life, Timings
from controller.recordings.lifecycle import Effect
from controller.recordings.model import Measured, PauseBehavior, Recording, State
from controller.recordings.ports import (
    CommandFailed,
    CommandUnanswered,
    Found,
    Media,
    MediaAway,
    Recorder,
    SwitchAway,
    Unfinished,
)
from controller.telemetry import MediaStalled

LOOKS = 8
"""How many recordings of which nothing is heard are asked after at the same time, whatever their number."""


class Effects:
    """Carries effects out on the switch and on files.

    ``apply(recording id, fact)`` takes what comes of them, ``report`` errors that are a fault of ours, ``observe``
    telemetry. ``clock`` is this machine's (Unix seconds).
    """

    def __init__(
        self,
        recorder: Recorder,
        media: Media,
        timings: Timings,
        apply: Callable[[str, Fact], None],
        report: Callable[[BaseException], None],
        observe: Callable[[object], None],
        clock: Callable[[], float],
    ) -> None:
        self._recorder = recorder
        self._media = media
        self._timings = timings
        self._apply = apply
        self._report = report
        self._observe = observe
        self._clock = clock
        self._looks = asyncio.Semaphore(LOOKS)

    def work(self, life: Life, effect: Effect) -> Coroutine[None, None, None] | None:
        """Set a timer now, and return None; or return the work to be run."""
        if effect is Effect.TIME:
            self._time(life)
            return None
        if effect is Effect.WATCH:
            self._watch(life)
            return None
        if effect is Effect.GRACE:
            self._arm(life, Effect.GRACE, self._timings.grace, LegOverdue)
            return None
        work: dict[Effect, Callable[[Life, Recording], Coroutine[None, None, None]]] = {
            Effect.START: self._start,
            Effect.STOP: self._stop,
            Effect.MASK: self._mask,
            Effect.UNMASK: self._unmask,
            Effect.INQUIRE: self._inquire,
            Effect.SETTLE: self._settle,
            Effect.EXAMINE: self._examine,
        }
        return work[effect](life, life.recording)

    async def _start(self, life: Life, recording: Recording) -> None:
        self._watch(life)
        try:
            await self._recorder.start(recording)
        except CommandFailed as failure:
            self._apply(recording.id, StartOver(self._now(life), str(failure)))
        except SwitchAway:
            return  # the reconciliation at the next connect asks the switch, and commands again if it must

    async def _stop(self, life: Life, recording: Recording) -> None:
        async with life.commands:
            if life.recording.state is not State.STOPPING:
                return
            self._arm(life, Effect.STOP, self._timings.stop, StopOverdue)
            try:
                await self._recorder.stop(recording)
            except CommandFailed:
                if not life.stop_refused:  # it may have ended already; refused again, the timer asks, in its own time
                    life.stop_refused = True
                    self._apply(recording.id, StopOverdue(self._now(life)))
            except SwitchAway:
                return

    async def _mask(self, life: Life, recording: Recording) -> None:
        behavior = recording.wish.pause or recording.paused_behavior
        if behavior is not None:
            await self._switch_mask(life, recording, self._recorder.mask, lambda at: Masked(at, behavior))

    async def _unmask(self, life: Life, recording: Recording) -> None:
        await self._switch_mask(life, recording, self._recorder.unmask, Unmasked)

    async def _switch_mask(
        self,
        life: Life,
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
                unanswered = isinstance(failure, CommandUnanswered)
                self._apply(recording.id, MaskRefused(self._now(life), str(failure), unanswered))
            except SwitchAway:
                return
            else:
                self._apply(recording.id, fact(at))

    async def _inquire(self, life: Life, recording: Recording) -> None:
        urgent = recording.state is State.STOPPING
        try:
            async with contextlib.nullcontext() if urgent else self._looks:
                found = await self.inquire(life)
        except SwitchAway:  # the link may be up for all that: ask again
            if life.recording.state is State.STOPPING:
                self._arm(life, Effect.STOP, self._timings.stop, StopOverdue)
            elif life.recording.state.active:
                self._watch(life)
            return
        self._apply(recording.id, found)

    async def inquire(self, life: Life, *, anew: bool = False) -> StillRuns | NotThere:
        """Ask the switch for a recording's recorder; where it should have begun on a live leg, look for its file.

        ``anew``: the link is a new one. Raises SwitchAway.
        """
        recording = life.recording
        presence = await self._recorder.inquire(recording)
        master = False
        if presence.leg and not presence.recorder and recording.state is State.REQUESTED:
            master = await self._media.begun(recording)
            if master or life.recording.state is not State.REQUESTED:  # it may have begun since it was asked after
                presence = await self._recorder.inquire(recording)
        began = None
        if presence.recorder and life.recording.state is State.REQUESTED:
            began = await self._media.began(recording)
        at = self._now(life)
        if presence.followed:
            self._apply(recording.id, Moved(at, presence.followed))
        return StillRuns(at, began) if presence.recorder else NotThere(at, presence.leg, master, anew)

    async def _examine(self, life: Life, recording: Recording) -> None:
        life.closed.set()
        await self._settle(life, recording)

    async def _settle(self, life: Life, _recording: Recording) -> None:
        if life.examining or life.recording.state is not State.PROCESSING:
            return  # the one under way sees what changed
        life.examining = True
        try:
            found = await self._found(life)
        finally:
            life.examining = False
        self._apply(life.recording.id, Examined(self._now(life), found, self._clock()))

    async def _found(self, life: Life) -> Found:
        delay = self._timings.retry
        tries = 1
        clock = asyncio.get_running_loop().time
        size, since = -1, clock()
        told = ""
        while True:
            recording = life.recording
            closed = life.closed.is_set() or clock() - since >= self._timings.still
            life.early = None
            try:
                found = await self._media.examine(
                    recording, closed=closed, playable=lambda measured: _tell_early(life, measured)
                )
            except Unfinished as file:
                if file.size != size:
                    size, since = file.size, clock()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(life.closed.wait(), delay)
                delay = min(delay * 2, self._timings.retry_cap)
                continue
            except MediaAway as away:
                if str(away) != told:
                    told = str(away)
                    self._observe(MediaStalled(recording.id, told))
                await asyncio.sleep(delay)
                delay = min(delay * 2, self._timings.retry_cap)
                continue
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
            now = life.recording  # a late Masked changes what must be cut, a late Stopped when it ended
            if (now.pauses, now.ended_at) == (recording.pauses, recording.ended_at):
                return found

    def _time(self, life: Life) -> None:
        """Arm the timer of max_length, or disarm it while a skipping pause holds it still."""
        life.cancel(Effect.TIME)
        recording = life.recording
        limit = recording.request.max_length
        running = recording.state in {State.RECORDING, State.PAUSED}
        if limit is not None and running and recording.paused_behavior is not PauseBehavior.SKIP:
            left = limit - recording.recorded(self._now(life))
            self._arm(life, Effect.TIME, max(0.0, left), LimitReached)

    def _watch(self, life: Life) -> None:
        if self._timings.watch is not None:
            self._arm(life, Effect.WATCH, self._timings.watch, LookDue)

    def _arm(self, life: Life, name: Effect, seconds: float, fact: Callable[[float], Fact]) -> None:
        identity = life.recording.id
        life.arm(name, seconds, lambda: self._apply(identity, fact(self._now(life))))

    def _now(self, life: Life) -> float:
        return self._recorder.now(life.recording.owner.switch)


def _tell_early(life: Life, measured: Measured) -> None:
    """Tell those who wait for its WAV alone; where what is cut from it has changed, it is measured again."""
    life.early = measured
    life.wake()
