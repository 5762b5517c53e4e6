"""Carries one document's steps out on one leg.

Before a step is carried out the call's row says so (its program's snapshot, its number, what it waits for), so that
after a restart the same step goes on: a wait ends when it would have ended, a recording that was asked for is the one
that is awaited. A step whose commands were lost is sent again; each is idempotent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeVar

from controller.calls.evaluate import Evaluator
from controller.calls.events import StepFailed
from controller.calls.ports import CallLedger, Legs, ParkedLeg
from controller.documents.call import Call
from controller.documents.dialect import Dialect, Program
from controller.documents.steps import (
    Answer,
    Done,
    End,
    Evaluate,
    Failed,
    Outcome,
    RecordingRefused,
    RecordingRuns,
    StartRecording,
    Step,
    StopRecording,
    Wait,
)
from controller.recordings.model import EndReason, Owner, Recording, RecordingRequest, State, new_id
from controller.recordings.ports import CommandFailed, LedgerFailed, NotPossible, SwitchAway
from controller.recordings.service import RecordingService
from controller.telemetry import Hook

T = TypeVar("T")

ANSWER_WITHIN = 10.0
"""Seconds from the answer command to CHANNEL_ANSWER; a leg that takes longer failed to answer."""

HANG_UP_AGAIN = 5.0
"""Seconds after which a hangup that had no effect (the link broke on it) is commanded again."""

LINK_AGAIN = 0.25
"""Seconds between tries of a command while there is no link."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a runner works with."""

    legs: Legs
    ledger: CallLedger
    recordings: RecordingService
    clock: Callable[[], float]
    evaluator: Evaluator = field(default_factory=Evaluator)


class LegLost(Exception):
    """A call's leg is gone, and its end was told by nothing but that."""


class LegTaken(Exception):
    """A call's leg is not the call's any more: ``found`` is what it is now."""

    def __init__(self, found: ParkedLeg) -> None:
        super().__init__(found.leg)
        self.found = found


def belongs(call: Call, found: ParkedLeg) -> bool:
    """Tell whether a living leg is where its call left it: neither routed anew by others, nor without our marker.

    Whoever transfers a leg gives it a new caller profile; so has another leg of the same id.
    """
    if call.marked and found.marker != call.id:
        return False
    known, seen = call.info.profile_at, found.info.profile_at
    return known is None or seen is None or known == seen


class CallRunner:
    """One call's document, from its first step to the hangup.

    ``call`` is the value that was stored last, or is being stored. ``taken`` says that the leg carries our marker.
    """

    def __init__(
        self, call: Call, dialect: Dialect, program: Program, rooms: Rooms, observe: Hook, *, taken: bool
    ) -> None:
        self.call = call
        self._observe = observe
        self._dialect = dialect
        self._program = program
        self._rooms = rooms
        self._taken = taken
        self._starting = False
        self._sure = asyncio.Event()
        self._sure.set()
        self._answered = asyncio.Event()
        if call.info.answered:
            self._answered.set()

    def answered(self) -> None:
        """CHANNEL_ANSWER came."""
        self._answered.set()

    def unsure(self) -> None:
        """Begin no step until the leg has been looked at: others may have taken it while there was no link."""
        self._sure.clear()

    def relinked(self, *, answered: bool) -> None:
        """Send again what may have been lost with the link, now that it is back and the leg is still ours."""
        self._sure.set()
        if answered:
            self._answered.set()
        if self._taken:
            self._taken = False
            self._arrive()
            if self._starting:
                self._answerunheard()

    async def run(self, *, resumed: bool) -> NoReturn:
        """Carry the document out to its end, then hang up. Ends by cancellation when the leg is gone or released.

        Raises LedgerFailed, LegLost, LegTaken.
        """
        step = self._program.next(None)
        if resumed:
            self._arrive()
        while not isinstance(step, End):
            if isinstance(step, Evaluate):  # pure: the row keeps the step before it, which is idempotent
                step = self._program.next(await self._rooms.evaluator.carry_out(step))
                continue
            await self._sure.wait()
            if not resumed:
                self.call = replace(
                    self.call,
                    step=self.call.step + 1,
                    program=self._program.snapshot(),
                    waiting=None,
                    recording=None,
                )
            outcome = await self._carry_out(step, resumed=resumed)
            if isinstance(outcome, Failed | RecordingRefused):
                self._observe(StepFailed(self.call.id, self.call.step, type(step).__name__, outcome.reason))
            resumed = False
            step = self._program.next(outcome)
        self.call = self.call.changed(cause=self.call.cause or step.cause)
        await hang_up(self.call, self._rooms)

    # --- the steps ---------------------------------------------------------------------------------------------

    async def _carry_out(self, step: Step, *, resumed: bool) -> Outcome:
        match step:
            case Answer():
                await self._save()
                self._arrive()
                return await self._answer()
            case Wait(seconds):
                return await self._wait(seconds, resumed=resumed)
            case StartRecording(request):
                return await self._start(request, resumed=resumed)
            case StopRecording(reference):
                return await self._stop(reference, resumed=resumed)
            case _:
                return Failed("no program asks for this yet")

    async def _answer(self) -> Outcome:
        if not self._answered.is_set():
            try:
                await _insist(lambda: self._rooms.legs.answer(self.call.switch, self.call.leg), self._sure)
                await asyncio.wait_for(self._answered.wait(), ANSWER_WITHIN)
            except CommandFailed as failure:
                return Failed(f"the leg could not be answered: {failure}")
            except TimeoutError:
                if not await self._is_answered():
                    return Failed(f"the leg was not answered within {ANSWER_WITHIN:.0f} s")
        return Done()

    async def _is_answered(self) -> bool:
        """Look at the leg itself: its CHANNEL_ANSWER may have been fired while there was no link."""
        try:
            found = await _insist(lambda: self._rooms.legs.look(self.call.switch, self.call.leg))
        except CommandFailed:
            return False
        return found is not None and found.info.answered

    async def _wait(self, seconds: float | None, *, resumed: bool) -> Outcome:
        if not resumed:
            until = None if seconds is None else self._rooms.clock() + seconds
            await self._save(waiting=until)
            self._arrive()
        if self.call.waiting is None:
            await asyncio.Event().wait()  # until the leg's end cancels it
        else:
            await asyncio.sleep(max(0.0, self.call.waiting - self._rooms.clock()))
        return Done()

    async def _start(self, request: RecordingRequest, *, resumed: bool) -> Outcome:
        recordings = self._rooms.recordings
        identity = self.call.recording if resumed else None
        if identity is None:
            identity = new_id()
            call = self.call = self.call.changed(recording=identity)
            owner = Owner(
                account=call.account,
                dialect=call.dialect,
                call=call.id,
                switch=call.switch,
                leg=call.leg,
                session=self._program.session,
                rate=call.info.rate,
                clock=call.info.clock,
            )
            try:
                await recordings.start(
                    owner,
                    request,
                    core_uuid=call.core_uuid,
                    identity=identity,
                    along=self._rooms.ledger.along(call),
                    prelude=self._before_recording,
                )
            except NotPossible as refusal:
                await self._save(recording=None)
                self._arrive()
                return RecordingRefused(str(refusal))
        else:
            self._answerunheard()  # a crash came between the row and the commands, or after them
        self._starting = True
        try:
            recording = await recordings.begun(identity)
        finally:
            self._starting = False
        return self._outcome(recording)

    def _before_recording(self) -> None:
        """Take over and answer in the same breath as the recording's command; the leg keeps their order."""
        self._arrive()
        self._answerunheard()

    def _answerunheard(self) -> None:
        if not self._answered.is_set():
            unheard(self._rooms.legs.answer(self.call.switch, self.call.leg))

    def _outcome(self, recording: Recording | None) -> Outcome:
        if recording is None:
            return RecordingRefused("the recording is unknown")
        if recording.started_at is None:
            return RecordingRefused(recording.error or "the recording did not start")
        return RecordingRuns(recording.id, self._dialect.recording_url(recording), recording.started_at)

    async def _stop(self, reference: str | None, *, resumed: bool) -> Outcome:
        recordings = self._rooms.recordings
        identity = self.call.recording if resumed else None
        again = identity is not None
        if identity is None:
            active = [
                recording.id
                for recording in recordings.active(self.call.id)
                if reference is None or recording.request.reference == reference
            ]
            identity = active[-1] if active else None
            await self._save(recording=identity)
            self._arrive()
        if identity is None:
            return Failed("no recording is active" + ("" if reference is None else f" under the name {reference!r}"))
        try:
            stopped = await recordings.stop(identity, EndReason.VERB)
        except NotPossible as refusal:
            # Before a restart it may have been this step that ended it.
            ended = await recordings.begun(identity) if again else None
            if ended is None:
                return Failed(str(refusal))
            stopped = ended
        return Failed(stopped.error or "the recording failed") if stopped.state is State.FAILED else Done()

    # --- the leg -------------------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        """Take the leg over, once, after the call's row is durable."""
        if not self._taken:
            self._taken = True
            unheard(self._rooms.legs.take_over(self.call.switch, self.call.leg, self.call.id), self.arrived)

    def arrived(self) -> None:
        """Note that the leg carries our marker from now on; the next row says so."""
        self.call = replace(self.call, marked=True)

    async def _save(self, **fields: Any) -> None:
        call = self.call.changed(**fields)
        await self._rooms.ledger.save(call)
        self.call = replace(call, marked=self.call.marked)


async def hang_up(call: Call, rooms: Rooms) -> NoReturn:
    """End a call's leg with ``call.cause``, for as long as it takes; cancelled by the leg's end.

    The cause is durable first where that is possible: a ledger that fails keeps nobody in silence. The leg is looked
    at first each time: others may have taken it while there was no link, and an end that was told while there was
    none is told by nothing else. Raises LegLost, LegTaken.
    """
    with contextlib.suppress(LedgerFailed):
        await rooms.ledger.save(call)
    while True:
        with contextlib.suppress(CommandFailed):  # it cannot be told: the hangup is what matters
            found = await _insist(lambda: rooms.legs.look(call.switch, call.leg))
            if found is None:
                raise LegLost
            if not belongs(call, found):
                raise LegTaken(found)
        with contextlib.suppress(CommandFailed):
            await _insist(lambda: rooms.legs.hang_up(call.switch, call.leg, call.cause or "NORMAL_CLEARING"))
        await asyncio.sleep(HANG_UP_AGAIN)


async def _insist(command: Callable[[], Awaitable[T]], sure: asyncio.Event | None = None) -> T:
    """Send a command again until there is a link that takes it; the leg's end cancels it."""
    while True:
        if sure is not None:
            await sure.wait()
        try:
            return await command()
        except SwitchAway:
            await asyncio.sleep(LINK_AGAIN)


def unheard(command: Awaitable[None], taken: Callable[[], None] = lambda: None) -> None:
    """Send a command whose failure other facts tell (the leg's end, the link's loss); ``taken`` when it succeeded."""

    def done(future: asyncio.Future[None]) -> None:
        if not future.cancelled() and future.exception() is None:
            taken()

    asyncio.ensure_future(command).add_done_callback(done)
