"""Looks at legs: at all of a switch when its link is back, at each now and then. Events may be lost, legs tell."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace

from controller.calls.commanding import belongs, holds_limit, unheard
from controller.calls.living import LOST, Living, Run
from controller.calls.opening import Opening
from controller.calls.rooms import Rooms
from controller.documents.call import Call, CallState
from controller.recordings.ports import CommandFailed, SwitchAway

AT_ONCE = 32
"""Legs looked at at the same time."""

SECOND_LOOK = 1.0
"""Seconds between the two looks for legs parked meanwhile: a new row is up to 290 ms late (spec/measured.md)."""

PATROL = 60.0
"""Seconds in which each living call's leg is looked at once, one after the other: an event may be lost."""

GONE_FOR = 1.0
"""Seconds that a leg which a patrol finds gone is given to have its end told, before nobody waits for that."""


@dataclass(slots=True)
class Looks:
    """``patrol`` are the seconds in which each call of a switch is visited once."""

    rooms: Rooms
    living: Living
    opening: Opening
    patrol: float = PATROL
    _patrols: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def all(self, switch: str) -> None:
        """Find out which calls of a switch are still ours, and send again what their legs lack. Raises SwitchAway."""
        gate = asyncio.Semaphore(AT_ONCE)
        looks = [self._look(run, gate) for run in self.living.of(switch)]
        looks += [self._look_at_released(call, gate) for call in self.living.departed.of(switch)]
        for failure in await asyncio.gather(*looks, return_exceptions=True):
            if failure is not None:
                raise failure

    async def for_parked(self, switch: str) -> None:
        """Take the legs that were parked while nobody was told of it. Raises SwitchAway."""
        with self.living.noting_who_leaves() as left:
            waiting = await self.rooms.legs.waiting(switch)
        for leg in waiting:
            if (switch, leg.leg) not in left:
                self.living.parked(leg)

    def begin_patrol(self, switch: str) -> None:
        """Look for parked legs once more, and visit a switch's calls from then on, until its link goes."""
        self.end_patrol(switch)
        self._patrols[switch] = self.living.spawn(self._patrol(switch), switch)

    def end_patrol(self, switch: str) -> None:
        """Visit them no more."""
        former = self._patrols.pop(switch, None)
        if former is not None:
            former.cancel()

    async def _look(self, run: Run, gate: asyncio.Semaphore) -> None:
        call = run.latest
        answered: float | None = 0.0 if call.info.answered else None
        run.taken = False
        with contextlib.suppress(CommandFailed):  # it cannot be told: what is commanded will show
            async with gate:
                found = await self.rooms.legs.look(call.switch, call.leg)
            if not self.living.lives(run):
                return
            if found is None:
                self.living.end(run, CallState.ENDED, run.hangup_cause or LOST)
                return
            if not belongs(run.latest, found):
                self.living.taken_by_others(run, found)
                return
            answered, run.taken = found.at if found.info.answered else None, found.marker == call.id
        if not self.living.lives(run):
            return
        run.unsure = False
        if run.runner is not None:
            run.runner.relinked(answered=answered)
        elif run.task is None or run.fetching:
            if answered is not None:
                run.answered(answered, self.rooms.clock())
            run.call = replace(run.call, marked=run.call.marked or run.taken)
            if run.fetching:
                self.opening.tell_whose(run)
            elif run.call.recording is not None and run.call.cause is None:
                self._prepare(run)

    def _prepare(self, run: Run) -> None:
        """Tell a leg of a former daemon's what goes before a recording's start, which may be told again."""
        call, legs = run.call, self.rooms.legs
        if not run.taken:
            run.taken = True
            if not holds_limit(call):
                unheard(legs.take_over(call.switch, call.leg, call.id))
        if not call.info.answered:
            unheard(legs.answer(call.switch, call.leg))

    async def _look_at_released(self, call: Call, gate: asyncio.Semaphore) -> None:
        try:
            async with gate:
                found = await self.rooms.legs.look(call.switch, call.leg)
        except CommandFailed:
            return  # it cannot be told; its end is heard, or seen later
        if found is None or found.info.created_at != call.info.created_at:
            self.living.departed.forget(call, LOST)
        elif found.marker == call.id and (call.switch, call.leg) not in self.living.runs:
            await self.living.release(call)  # the link went before it was let go

    async def _patrol(self, switch: str) -> None:
        """Look for late rows, then at each call's leg now and then, evenly: what was not told is seen at last."""
        with contextlib.suppress(SwitchAway):  # the next connect looks at all, and begins anew
            await asyncio.sleep(SECOND_LOOK)
            await self.for_parked(switch)
            while True:
                calls = [*(run.latest for run in self.living.of(switch)), *self.living.departed.of(switch)]
                if not calls:
                    await asyncio.sleep(self.patrol)
                for call in calls:
                    await asyncio.sleep(self.patrol / len(calls))
                    with contextlib.suppress(CommandFailed):
                        await self._visit(call)

    async def _visit(self, call: Call) -> None:
        leg = call.switch, call.leg
        found = await self.rooms.legs.look(*leg)
        if found is None:
            await asyncio.sleep(GONE_FOR)  # its end may be on its way
        run = self.living.runs.get(leg)
        if self.living.departed.holds(*leg, call.id):
            if found is None:
                self.living.departed.forget(call, LOST)
        elif run is None or run.latest.id != call.id:
            return
        elif found is None:
            self.living.end(run, CallState.ENDED, run.hangup_cause or LOST)
        elif not belongs(run.latest, found):
            self.living.taken_by_others(run, found)
        else:
            if found.info.answered:
                run.answered(found.at, self.rooms.clock())
            if run.runner is not None:
                run.runner.visited()
