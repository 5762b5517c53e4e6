"""The living calls of all switches by leg, how they end, and the work that is done for them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from controller.calls import telling
from controller.calls.commanding import LegLost, LegTaken, report
from controller.calls.departed import Departed
from controller.calls.dialled import DialledLegs
from controller.calls.ports import ParkedLeg
from controller.calls.rooms import Rooms
from controller.calls.runner import CallRunner
from controller.documents.call import Call, CallState
from controller.documents.steps import Tell
from controller.recordings.model import Delivery
from controller.recordings.ports import CommandFailed, NotHeld, SwitchAway
from controller.telemetry import Hook

T = TypeVar("T")

SWITCH_LOST = "SWITCH_LOST"
"""Cause of a call whose switch was restarted."""

LOST = "LOST_MEANWHILE"
"""Cause of a call whose leg ended while no daemon was connected: the switch does not tell its cause any more."""

LegId = tuple[str, str]
"""The switch's name, and the leg's Unique-ID on it."""


@dataclass(slots=True)
class Run:
    """One living call: its value before a runner has it, then its runner and task.

    ``again`` is the leg as it was parked once more, where that may be after others took it. ``taken`` says that the
    leg was seen to carry the call's marker, or was told to; ``fetching`` that its row is stored while its document is
    fetched; ``unsure`` that the leg was not looked at since the link came back.
    """

    call: Call
    runner: CallRunner | None = None
    task: asyncio.Task[None] | None = None
    hangup_cause: str | None = None
    again: ParkedLeg | None = None
    taken: bool = False
    fetching: bool = False
    unsure: bool = False

    @property
    def latest(self) -> Call:
        """The call as it is now, whoever has it."""
        return self.call if self.runner is None else self.runner.call

    def answered(self, at: float, now: float) -> None:
        """CHANNEL_ANSWER came, or was seen to have come, at that time of the switch's; ``now`` is this machine's."""
        if self.runner is not None:
            self.runner.answered(at)
        else:
            self.call = self.call.as_answered(at, now)


@dataclass(slots=True)
class Living:
    """``parked`` takes a leg that turned out to be parked by others; what ends is handed over to ``departed``.

    ``broken_off`` returns who knows the step of a call that ended before it could go on after a restart.
    """

    rooms: Rooms
    observe: Hook
    parked: Callable[[ParkedLeg], None]
    broken_off: Callable[[Call], Awaitable[CallRunner | None]]
    runs: dict[LegId, Run] = field(default_factory=dict)
    departed: Departed = field(init=False)
    dialled: DialledLegs = field(default_factory=DialledLegs)
    tasks: dict[asyncio.Task[Any], str] = field(default_factory=dict)
    leaving: list[set[LegId]] = field(default_factory=list)

    def __post_init__(self) -> None:
        over = functools.partial(telling.over, self.rooms, self.observe)
        self.departed = Departed(self.rooms.ledger, self.rooms.clock, self.observe, self.spawn, over)

    def of(self, switch: str) -> list[Run]:
        """Return the calls of a switch."""
        return [run for (name, _), run in self.runs.items() if name == switch]

    @contextlib.contextmanager
    def noting_who_leaves(self) -> Iterator[set[LegId]]:
        """Collect the legs that end or are released meanwhile: an answer that is under way may be older."""
        left: set[LegId] = set()
        self.leaving.append(left)
        try:
            yield left
        finally:
            self.leaving.remove(left)

    def lives(self, run: Run) -> bool:
        """Tell whether that call is still its leg's."""
        return self.runs.get((run.call.switch, run.call.leg)) is run

    def end(self, run: Run, state: CallState, cause: str | None) -> None:
        """End a call here: its leg is gone, or others took it. Its task is cancelled, unless that is who tells."""
        call = run.latest
        self.runs.pop((call.switch, call.leg), None)
        for left in self.leaving:
            left.add((call.switch, call.leg))
        if state is CallState.RELEASED and run.runner is not None:
            run.runner.released()
        if run.task is not None and run.task is not asyncio.current_task():
            run.task.cancel()
        runner, run.call, run.runner = run.runner, call, None
        if state is CallState.ENDED:
            self.part(call, cause, runner)
        else:
            self.departed.let_go(call, () if runner is None else runner.parting(call))

    def part(self, call: Call, cause: str | None, runner: CallRunner | None = None) -> None:
        """Note the end of a call that has no run any more, or none yet, and have its document's farewell told."""
        self.departed.end(call, cause, functools.partial(self._farewell, runner, call))

    async def _farewell(self, runner: CallRunner | None, call: Call, ended: Call) -> tuple[Delivery, ...]:
        """Return what is stored with an ended call to have told what its document still tells; begin what it asks."""
        told: tuple[Delivery, ...] = ()
        try:
            found = runner or await self.broken_off(call)
            if found is None:
                return ()
            told = found.parting(ended)
            last = await found.farewell(ended)
        except NotHeld:
            return told
        except Exception as error:  # whatever else it is, the call has ended
            report("a document's farewell failed", error)
            return told
        if isinstance(last, Tell):
            return *told, *telling.last_word(self.rooms, self.observe, ended, last)
        if last is not None and runner is not None:  # a former daemon may have asked it
            self.spawn(runner.ask(ended, last))  # also where the switch is let go: who comes next does not ask
        return told

    def taken_by_others(self, run: Run, found: ParkedLeg) -> None:
        """Let go of a leg that is not where the call left it, or end the call where the leg is another."""
        call = run.latest
        if found.info.created_at != call.info.created_at:
            self.end(run, CallState.ENDED, run.hangup_cause or LOST)
        else:
            self.end(run, CallState.RELEASED, None)
        if found.marker == call.id:
            self.spawn(self.release(call), call.switch)
            found = replace(found, marker=None)
        if found.parked:
            self.parked(found)

    async def release(self, call: Call) -> None:
        """Take marker, lock and limit off a leg that is no longer the call's."""
        with contextlib.suppress(CommandFailed, SwitchAway):  # the leg is gone, or the link
            await self.rooms.legs.release(call.switch, call.leg, limited=call.limited)

    def start(self, run: Run, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Do a call's own work; where that finds the leg gone or taken the call ends."""
        run.task = self.spawn(self._watched(run, work), run.call.switch)

    async def _watched(self, run: Run, work: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await work()
        except NotHeld:
            if self.lives(run):
                del self.runs[run.call.switch, run.call.leg]
        except LegLost:
            if self.lives(run):
                self.end(run, CallState.ENDED, run.hangup_cause or LOST)
        except LegTaken as taken:
            if self.lives(run):
                self.taken_by_others(run, taken.found)

    def let_go(self, switch: str) -> None:
        """Forget the calls of a switch: nothing is commanded, stored or told of them any more."""
        for task in [task for task, place in self.tasks.items() if place == switch]:
            task.cancel()
        self.runs = {leg: run for leg, run in self.runs.items() if leg[0] != switch}
        self.departed.drop(switch)
        self.dialled.let_go(switch)

    def spawn(self, work: Coroutine[None, None, T], switch: str = "") -> asyncio.Task[T]:
        """Do work that nobody waits for; it ends where the switch is let go."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks[task] = switch
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            report("a call's work failed", error)
