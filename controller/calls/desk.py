"""Who owns a leg: takes parked legs over, goes on with calls after a restart, lets go of what others take."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from controller.calls.commanding import LegLost, LegTaken, hang_up, report
from controller.calls.events import CallFailed, CallResumed, CallTaken, CallTurnedAway, LegLeftAlone
from controller.calls.living import LOST, SWITCH_LOST, Living, Run
from controller.calls.looks import PATROL, Looks
from controller.calls.opening import NotOpened, Opening
from controller.calls.ports import Claim, Claims, ParkedLeg
from controller.calls.rooms import Rooms
from controller.calls.runner import CallRunner
from controller.documents.call import Call, CallState
from controller.documents.dialect import Dialect, Program
from controller.documents.fetch import named
from controller.recordings.model import new_id
from controller.recordings.ports import CommandFailed, LedgerFailed, NotHeld, SwitchAway
from controller.telemetry import Telemetry

REFUSED = "NORMAL_TEMPORARY_FAILURE"
"""Cause of a call whose document is refused or cannot be had, and whose fallback is too (DESIGN section 9)."""

CONGESTED = "SWITCH_CONGESTION"
"""Cause of a call that is one too many (limits.calls), or comes when there is too much to do."""


@dataclass(slots=True)
class CallDesk:
    """All living calls of all switches: ``limit`` at once, none new of a switch while ``refuse`` says why."""

    rooms: Rooms
    claims: Claims
    telemetry: Telemetry
    limit: int = 2000
    refuse: Callable[[str], str | None] = lambda _switch: None
    patrol: float = PATROL
    _held: set[tuple[str, str]] = field(default_factory=set)
    _living: Living = field(init=False)
    _opening: Opening = field(init=False)
    _looks: Looks = field(init=False)

    def __post_init__(self) -> None:
        self._living = Living(self.rooms, self.telemetry.observe, self.parked, self._broken_off)
        self._opening = Opening(self.rooms, self.telemetry.observe)
        self._looks = Looks(self.rooms, self._living, self._opening, self.patrol)

    # --- what happens to legs ------------------------------------------------------------------------------------

    def parked(self, leg: ParkedLeg) -> None:
        """Take a parked leg over where somebody claims it; one that is ours already is parked again."""
        self._held.discard((leg.switch, leg.leg))  # a transfer ends the hold of a bridged leg, and no event tells
        ours = self._living.runs.get((leg.switch, leg.leg))
        if ours is not None:
            ours.again = leg
            return
        claim = self.claims(leg)
        lost = leg.marker is not None and not self._living.departed.holds(leg.switch, leg.leg, leg.marker)
        if not lost and not leg.parked:
            return  # it still carries the marker of a call that was let go
        if claim is None and not lost:
            self.telemetry.observe(LegLeftAlone(leg.switch, leg.leg, leg.info.destination))
            return
        why = self.refuse(leg.switch)
        if len(self._living.runs) >= self.limit:
            why = f"{self.limit} calls live, as many as limits.calls allows"
        if why is not None:
            self.telemetry.observe(CallTurnedAway(leg.switch, leg.leg, why))
            self._living.spawn(self._turn_away(leg), leg.switch)
            return
        call = Call(
            id=new_id(),
            switch=leg.switch,
            leg=leg.leg,
            account="" if claim is None else claim.account.name,
            dialect="",
            document="" if claim is None else claim.document,
            text="",
            info=leg.info,
            state=CallState.RUNNING,
            started_at=self.rooms.clock(),
            core_uuid=leg.core_uuid,
            method="POST" if claim is None else claim.method,
            hangup_url=None if claim is None else claim.hangup_url,
        )
        if leg.info.answered:
            call = call.as_answered(leg.at, call.started_at)
        run = self._living.runs[leg.switch, leg.leg] = Run(call)
        if claim is None or lost:
            # Marked, yet in no row of ours that lives: its row is lost, so nobody can say how it goes on, and the
            # hangup that the dialplan armed is disarmed.
            self._living.start(run, lambda: self._give_up(run, "the leg is marked as ours and its call is unknown"))
        else:
            self._living.start(run, lambda: self._take(run, claim))

    def answered(self, switch: str, leg: str, at: float = 0.0) -> None:
        """CHANNEL_ANSWER of a leg, dialled ones among them."""
        self._living.dialled.answered(switch, leg, at)
        run = self._living.runs.get((switch, leg))
        if run is not None:
            run.answered(at, self.rooms.clock())

    def hold(self, switch: str, leg: str, *, held: bool) -> None:
        """CHANNEL_HOLD and CHANNEL_UNHOLD: whether nothing of a leg's sound is read now."""
        (self._held.add if held else self._held.discard)((switch, leg))

    def held(self, switch: str, leg: str) -> bool:
        """Tell whether others are known to hold a leg; of one held while there was no link it is not known."""
        return (switch, leg) in self._held

    def executed(self, switch: str, leg: str, execution: str, problem: str) -> None:
        """CHANNEL_EXECUTE_COMPLETE of what was played, by its command's id; ``problem`` says why it was not heard."""
        run = self._living.runs.get((switch, leg))
        if run is not None and run.runner is not None:
            run.runner.executed(execution, problem)

    def talking(self, switch: str, leg: str, callee: str, at: float) -> None:
        """CHANNEL_BRIDGE of a leg that dialled."""
        self._living.dialled.talking(switch, leg, callee, at)

    def bridged(self, switch: str, leg: str, execution: str, at: float, cause: str) -> None:
        """CHANNEL_EXECUTE_COMPLETE of what dialled, by its command's id; ``cause`` says how it ended."""
        self._held.discard((switch, leg))
        run = self._living.runs.get((switch, leg))
        if run is not None and run.runner is not None:
            run.runner.bridged(execution, at, cause)

    def digit(self, switch: str, leg: str, digit: str) -> None:
        """DTMF from a leg's party, a dialled one's among them."""
        self._living.dialled.pressed(switch, leg, digit)
        run = self._living.runs.get((switch, leg))
        if run is not None and run.runner is not None:
            run.runner.pressed(digit)

    def hanging_up(self, switch: str, leg: str, cause: str) -> None:
        """CHANNEL_HANGUP of a leg: what follows (CHANNEL_UNPARK too) is its end, nobody took it."""
        run = self._living.runs.get((switch, leg))
        if run is not None and run.hangup_cause is None:
            run.hangup_cause = cause
            if run.runner is not None:
                run.runner.hanging_up()

    def unparked(self, switch: str, leg: str) -> None:
        """CHANNEL_UNPARK of a leg: where it does not hang up, others took it.

        The event alone does not tell: a leg that ends by its loopback partner fires it before CHANNEL_HANGUP.
        """
        run = self._living.runs.get((switch, leg))
        if run is not None and run.hangup_cause is None and run.latest.cause is None:
            run.again = None
            self._living.spawn(self._unparked(run), switch)

    def gone(self, switch: str, leg: str, cause: str) -> None:
        """CHANNEL_HANGUP_COMPLETE of a leg."""
        self._held.discard((switch, leg))
        for left in self._living.leaving:
            left.add((switch, leg))
        self._living.dialled.gone(switch, leg, cause)
        run = self._living.runs.get((switch, leg))
        if run is not None:
            self._living.end(run, CallState.ENDED, run.hangup_cause or cause)
        self._living.departed.leg_gone(switch, leg, cause)

    def connecting(self, switch: str) -> None:
        """Hear that a link is there: no step begins on a leg that may have been taken by others meanwhile."""
        self._looks.end_patrol(switch)
        self._held = {
            (place, leg) for place, leg in self._held if place != switch
        }  # what was let go is not told again
        for run in self._living.of(switch):
            run.unsure = True
            if run.runner is not None:
                run.runner.unsure()

    async def reconnected(self, switch: str, core_uuid: str) -> None:
        """Find out which calls of a switch are still ours, and send again what their legs lack. Raises SwitchAway.

        What a leg is told here goes before the start of a recording that is told again.
        """
        await self.lost(switch, but=core_uuid)
        await self._looks.all(switch)

    async def lost(self, switch: str, *, but: str | None = None) -> None:
        """End the calls of a switch that is no more, those of the life ``but`` (a Core-UUID) excepted."""
        await self.adopt(switch)
        for run in self._living.of(switch):
            if run.latest.core_uuid != but:
                self._living.end(run, CallState.ENDED, SWITCH_LOST)
        for call in self._living.departed.of(switch):
            if call.core_uuid != but:
                self._living.departed.forget(call, SWITCH_LOST)

    async def go_on(self, switch: str) -> None:
        """Go on with the documents of a switch's calls, and take the legs parked meanwhile. Raises SwitchAway.

        Those whose row came late are taken soon after: nobody waits for that look to find none.
        """
        for run in self._living.of(switch):
            if run.runner is None and run.task is None:
                self._living.start(run, functools.partial(self._resume, run))
        await self._looks.for_parked(switch)
        self._looks.begin_patrol(switch)

    async def adopt(self, switch: str) -> None:
        """Know the calls of a switch that have not ended, so that facts about their legs are understood."""
        departing = (
            self._living.departed.under_way
        )  # the rows that are read may be older than what is stored meanwhile
        with self._living.noting_who_leaves() as left:
            live = await self.rooms.ledger.live(switch)
        for call in sorted(live, key=lambda call: call.started_at, reverse=True):
            leg = (switch, call.leg)
            if leg in left or call.id in departing | self._living.departed.under_way:
                continue
            if call.state is CallState.RELEASED:
                self._living.departed.adopt(call)
            elif call.ended_at is not None:  # a former daemon saw its end, and not its farewell
                self._living.part(call, call.cause)
            elif (later := self._living.runs.setdefault(leg, Run(call)).latest).id == call.id:
                continue
            elif later.info.created_at == call.info.created_at:
                self._living.departed.let_go(call)  # a later call took its leg, and that was not stored
            else:
                self._living.part(call, LOST)  # another leg has its leg's id, whose end was not stored

    def find(self, call: str) -> Call | None:
        """Return a living call by our id; a dialled leg is one of its dialler's account."""
        living = self._living
        calls = (*(run.latest for run in living.runs.values()), *living.departed, *living.dialled)
        return next((living for living in calls if living.id == call), None)

    def past_leg(self, leg: str) -> Call | None:
        """Return a dialled leg that is over, one of the last, as a call that has ended: it has no row."""
        return self._living.dialled.past(leg)

    @property
    def count(self) -> int:
        """How many calls live."""
        return len(self._living.runs)

    def by_switch(self) -> Mapping[str, int]:
        """Return how many calls live on each switch that has any."""
        return Counter(switch for switch, _ in self._living.runs)

    def let_go(self, switch: str) -> None:
        """Forget the calls of a switch that another daemon may hold now; its rows say how they go on."""
        self._held = {held for held in self._held if held[0] != switch}
        self._looks.end_patrol(switch)
        self._living.let_go(switch)

    async def close(self) -> None:
        """Let go of every call without touching its leg: the rows say how they go on."""
        tasks = [*self._living.tasks, *(run.task for run in self._living.runs.values() if run.task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.rooms.evaluator.close()

    # --- one call's beginning, going on and end -------------------------------------------------------------------

    async def _take(self, run: Run, claim: Claim) -> NoReturn:
        try:
            dialect, program = await self._opening.begin(run, claim)
        except NotOpened as refusal:
            await self._give_up(run, str(refusal))
        await self._begin(run, dialect, program)

    async def _resume(self, run: Run) -> None:
        call = run.call
        if call.cause is not None:  # its document is over
            await hang_up(call, self.rooms)
        try:
            if not call.text:  # it ended with its daemon while its document was fetched
                dialect, program = await self._opening.begin_again(run)
            else:
                dialect, program = await self._opening.restore(call)
        except NotOpened as refusal:
            await self._give_up(run, str(refusal))
        if not call.text:
            await self._begin(run, dialect, program)
        self.telemetry.observe(CallResumed(call.id, call.step))
        await self._carry(run, dialect, program, resumed=True)

    async def _begin(self, run: Run, dialect: Dialect, program: Program) -> NoReturn:
        call = run.call
        self.telemetry.observe(CallTaken(call.id, call.switch, call.leg, call.account, named(call.document)))
        await self._carry(run, dialect, program, resumed=False)

    async def _carry(self, run: Run, dialect: Dialect, program: Program, *, resumed: bool) -> NoReturn:
        runner = run.runner = self._runner(run.call, dialect, program, taken=run.taken)
        if run.unsure:
            runner.unsure()
        if run.hangup_cause is not None:
            runner.hanging_up()
        try:
            await runner.run(resumed=resumed)
        except (LegLost, LegTaken, NotHeld):
            raise
        except LedgerFailed as failure:
            await self._give_up(run, f"the call could not be stored: {failure}")
        except Exception as error:
            report("a document's program failed", error)
            await self._give_up(run, "an error of fsrec's own")

    def _runner(self, call: Call, dialect: Dialect, program: Program, *, taken: bool) -> CallRunner:
        observe, dialled = self.telemetry.observe, self._living.dialled
        return CallRunner(call, dialect, program, self.rooms, observe, taken=taken, dialled=dialled)

    async def _broken_off(self, call: Call) -> CallRunner | None:
        """Return who knows the step of a call that a former daemon left; None where no step was carried out."""
        over = call.cause is not None and call.ended_at is None  # the cause is a hangup of ours
        if over or not call.program:
            return None
        try:
            dialect, program = await self._opening.restore(call)
        except NotOpened:
            return None
        runner = self._runner(call, dialect, program, taken=True)
        runner.find_step()
        return runner

    async def _give_up(self, run: Run, why: str) -> NoReturn:
        """Hang up a call that cannot go on; nobody is left in silence. Ends by cancellation, as a runner does."""
        call = run.latest
        self.telemetry.observe(CallFailed(call.id, why))
        run.runner, run.fetching, run.call = None, False, call.changed(cause=call.cause or REFUSED)
        await hang_up(run.call, self.rooms)

    async def _unparked(self, run: Run) -> None:
        call = run.latest
        try:
            found = await self.rooms.legs.look(call.switch, call.leg)
        except (CommandFailed, SwitchAway):
            return  # the next connect looks
        hanging_up = run.hangup_cause is not None or run.latest.cause is not None
        if found is None or hanging_up or not self._living.lives(run):
            return
        self._living.end(run, CallState.RELEASED, None)
        self._living.spawn(self._living.release(run.call), call.switch)
        if run.again is not None:  # others parked it again already: it is a leg like any other
            self.parked(replace(run.again, marker=None))

    async def _turn_away(self, leg: ParkedLeg) -> None:
        with contextlib.suppress(CommandFailed, SwitchAway):  # then the hangup that the dialplan armed ends it
            await self.rooms.legs.hang_up(leg.switch, leg.leg, CONGESTED)
