"""Carries one document's steps out on one leg.

Before a step is carried out the call's row says so (its program's snapshot, its number, what it waits for), so that
after a restart the same step goes on: a wait ends when it would have ended, a recording that was asked for is the one
that is awaited, an item that played begins anew. A step whose commands were lost is sent again; each is idempotent,
or says what a restart repeats of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import NoReturn

from controller.calls import asking, dialing, playing, recording, telling
from controller.calls.commanding import hang_up
from controller.calls.context import CallContext
from controller.calls.dialled import DialledLegs
from controller.calls.events import DocumentRefused
from controller.calls.rooms import Rooms
from controller.calls.source import SourceFailed
from controller.documents.call import Call, Ending
from controller.documents.dialect import Dialect, Program
from controller.documents.fetch import Trouble, named
from controller.documents.steps import (
    Answer,
    Dial,
    Done,
    End,
    Evaluate,
    Failed,
    Fetch,
    Fetched,
    Gather,
    Limit,
    Outcome,
    Play,
    Record,
    RecordingRefused,
    Request,
    SendDigits,
    StartRecording,
    Step,
    StopRecording,
    Tell,
    Wait,
)
from controller.recordings.model import Delivery
from controller.telemetry import Hook

LARGE = 16_384
"""Characters of a document from which on reading it would hold up other calls, and is left to a thread."""


class CallRunner:
    """One call's document, from its first step to the hangup. ``taken`` says that the leg carries our marker."""

    def __init__(
        self,
        call: Call,
        dialect: Dialect,
        program: Program,
        rooms: Rooms,
        observe: Hook,
        *,
        taken: bool,
        dialled: DialledLegs | None = None,
    ) -> None:
        self._program = program
        self._rooms = rooms
        self._step: Step | End | None = None
        self._coming: Step | None = None
        self._context = CallContext(call, dialect, program.session, rooms, observe, taken=taken, dialled=dialled)

    @property
    def call(self) -> Call:
        """The value that was stored last, or is being stored."""
        return self._context.call

    # --- what is heard of its leg --------------------------------------------------------------------------------

    def answered(self, at: float) -> None:
        """CHANNEL_ANSWER came, at that time of the switch's; 0 where that is not told."""
        self._context.answered(at)

    def arrived(self) -> None:
        """Note that the leg carries our marker from now on; the next row says so."""
        self._context.arrived()

    def executed(self, execution: str, problem: str) -> None:
        """CHANNEL_EXECUTE_COMPLETE of what was played, by its id, and what the switch says of it."""
        self._context.sounds.executed(execution, problem)

    def bridged(self, execution: str, at: float, cause: str) -> None:
        """CHANNEL_EXECUTE_COMPLETE of what dialled, by its id, and how it ended."""
        self._context.bridged(execution, at, cause)

    def released(self) -> None:
        """Hear that others took the leg, right before this ends."""
        self._context.released = True

    def pressed(self, digit: str) -> None:
        """DTMF came from the leg's party."""
        self._context.pressed(digit)

    def hanging_up(self) -> None:
        """Hear that the leg's end has begun, which may take the switch seconds: no step is begun on it any more."""
        self._context.hanging_up = True

    def unsure(self) -> None:
        """Begin no step until the leg has been looked at: others may have taken it while there was no link."""
        self._context.sure.clear()

    def relinked(self, *, answered: float | None) -> None:
        """Send again what may have been lost with the link, now that it is back and the leg is still ours.

        ``answered`` is when the leg was seen to be answered; None: it is not.
        """
        self._context.relinked(answered=answered)

    def visited(self) -> None:
        """Hear that the leg was looked at, and lives."""
        self._context.visited()

    # --- the loop ------------------------------------------------------------------------------------------------

    async def run(self, *, resumed: bool) -> NoReturn:
        """Carry the document out to its end, then hang up. Ends by cancellation when the leg is gone or released.

        Raises LedgerFailed, LegLost, LegTaken.
        """
        context = self._context
        step = self._program.next(None)
        if resumed:
            context.arrive()
        while not isinstance(step, End):
            if isinstance(step, Evaluate):  # pure: the row keeps the step before it, which is idempotent
                step = self._program.next(await self._rooms.evaluator.carry_out(step, context.call.id))
                continue
            if resumed:
                self._step = step  # as the row says
            else:
                self._coming = step
            await context.at_hand()
            if not resumed:
                context.call = replace(
                    context.call,
                    step=context.call.step + 1,
                    program=self._program.snapshot(),
                    waiting=None,
                    recording=None,
                    item=0,
                    connected_at=None,
                )
            self._step, self._coming = step, None
            outcome = await self._carry_out(step, resumed=resumed)
            if isinstance(outcome, Failed | RecordingRefused):
                context.failed(step, outcome.reason)
            resumed = False
            if isinstance(step, Record | Dial):  # what the hangup ended is the farewell's to tell
                await context.at_hand()
            came, step = step, await self._next(outcome)
            if self._program.refused and isinstance(came, Fetch):
                self._refused(came, outcome)
        self._step = None
        await context.at_hand()
        ending = Ending.SPENT if step.spent else Ending.SAID
        context.call = context.call.changed(cause=context.call.cause or step.cause, ending=ending)
        await hang_up(context.call, self._rooms)

    def find_step(self) -> None:
        """Know the step that a former daemon carried out, where the leg ended before it could go on."""
        self._step = self._program.next(None)

    def parting(self, after: Call) -> tuple[Delivery, ...]:
        """Return what is told of the step that the leg's end broke off, or others who took the leg.

        ``after`` is the call since then.
        """
        return dialing.parting(self._context, self._step, after) if isinstance(self._step, Dial) else ()

    async def farewell(self, ended: Call) -> Fetch | Tell | None:
        """Return what the document still asks or tells when its leg ended within a step, or before the next began."""
        if self._step is None or isinstance(self._step, End):  # the document ended by itself, or did not begin
            return None
        if self._coming is not None:
            return self._coming if isinstance(self._coming, Tell) else self._program.farewell(None)
        outcome: Outcome | None = None
        if isinstance(self._step, Record):
            outcome = await recording.left(self._context, self._step)
        elif isinstance(self._step, Dial):
            outcome = await dialing.left(self._context, self._step, ended)
        return self._program.farewell(outcome)

    async def ask(self, ended: Call, last: Fetch) -> None:
        """Ask the last that the document asks. Once, and nobody minds the answer; who is asked is told of the end."""
        with contextlib.suppress(SourceFailed):
            await asking.ask(self._context, ended, last)

    async def _next(self, outcome: Outcome) -> Step | End:
        if isinstance(outcome, Fetched) and len(outcome.text) >= LARGE:
            return await asyncio.to_thread(self._program.next, outcome)
        return self._program.next(outcome)

    def _refused(self, step: Fetch, outcome: Outcome) -> None:
        """Tell of a document that came in the call and is not run."""
        call, url = self._context.call, outcome.url if isinstance(outcome, Fetched) else ""
        told = (call.id, named(url or step.url), self._program.refused, call.dialect, Trouble.INVALID.value)
        self._context.observe(DocumentRefused(*told))

    async def _carry_out(self, step: Step, *, resumed: bool) -> Outcome:
        context = self._context
        match step:
            case Answer(longest):
                await context.begin(resumed=resumed, limited=context.call.limited or longest is not None)
                outcome = await context.answer()
                return outcome if longest is None or isinstance(outcome, Failed) else await context.limit(longest)
            case Limit(seconds):
                return await self._limit(seconds, resumed=resumed)
            case Wait(seconds):
                return await self._wait(seconds, resumed=resumed)
            case Play():
                return await playing.play(context, step, resumed=resumed)
            case Gather():
                return await playing.gather(context, step, resumed=resumed)
            case SendDigits():
                return await playing.send_digits(context, step, resumed=resumed)
            case StartRecording():
                return await recording.start(context, step, resumed=resumed)
            case Record():
                return await recording.record(context, step, resumed=resumed)
            case StopRecording():
                return await recording.stop(context, step, resumed=resumed)
            case Dial():
                return await dialing.dial(context, step, resumed=resumed)
            case Request():
                return await asking.request(context, step, resumed=resumed)
            case Fetch():
                return await asking.fetch(context, step, resumed=resumed)
            case Tell():
                return await telling.tell(context, step, resumed=resumed)
            case Evaluate():
                raise AssertionError("the loop's own")

    async def _limit(self, seconds: float, *, resumed: bool) -> Done | Failed:
        """Have the switch end the call; after a restart in as many seconds as are left."""
        context, clock = self._context, self._rooms.clock
        await context.begin(resumed=resumed, limited=True, waiting=clock() + seconds)
        if resumed and context.call.waiting is not None:
            seconds = max(0.0, context.call.waiting - clock())
        return await context.limit(seconds)

    async def _wait(self, seconds: float | None, *, resumed: bool) -> Done:
        context, clock = self._context, self._rooms.clock
        if not resumed:
            await context.save(waiting=None if seconds is None else clock() + seconds)
            context.arrive()
        if context.call.waiting is None:
            await asyncio.Event().wait()  # until the leg's end cancels it
        else:
            await asyncio.sleep(max(0.0, context.call.waiting - clock()))
        return Done()
