"""Who owns a leg: takes parked legs over, goes on with calls after a restart, lets go of what others take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import NoReturn

from controller.calls.events import (
    CallEnded,
    CallFailed,
    CallReleased,
    CallResumed,
    CallTaken,
    CallTurnedAway,
    DocumentRefused,
    LegLeftAlone,
)
from controller.calls.ports import Claim, Claims, Languages, ParkedLeg
from controller.calls.runner import CallRunner, Rooms, hang_up
from controller.calls.source import Files, SourceFailed
from controller.documents.call import Call, CallState
from controller.documents.dialect import Dialect, DocumentError
from controller.recordings.model import new_id
from controller.recordings.ports import CommandFailed, LedgerFailed, SwitchAway
from controller.telemetry import Telemetry

REFUSED = "NORMAL_TEMPORARY_FAILURE"
"""Cause of a call whose document is refused or cannot be had, and whose fallback is too (DESIGN section 9)."""

CONGESTED = "SWITCH_CONGESTION"
"""Cause of a call that is one too many (limits.calls)."""

SECOND_LOOK = 1.0
"""Seconds between the two looks for legs parked meanwhile: a new row is up to 290 ms late (spec/measured.md)."""

SWITCH_LOST = "SWITCH_LOST"
"""Cause of a call whose switch was restarted."""

LOST = "LOST_MEANWHILE"
"""Cause of a call whose leg ended while no daemon was connected: the switch does not tell its cause any more."""

AT_ONCE = 32
"""Legs looked at at the same time."""


@dataclass(slots=True)
class _Run:
    """One living call: its value before a runner has it, then its runner and task.

    ``again`` is the leg as it was parked once more, where that may be after others took it.
    """

    call: Call
    runner: CallRunner | None = None
    task: asyncio.Task[None] | None = None
    hangup_cause: str | None = None
    again: ParkedLeg | None = None

    @property
    def latest(self) -> Call:
        return self.call if self.runner is None else self.runner.call


@dataclass(slots=True)
class CallDesk:
    """All living calls of all switches."""

    rooms: Rooms
    claims: Claims
    languages: Languages
    telemetry: Telemetry
    limit: int = 2000
    files: Files = field(default_factory=Files)
    second_look: float = SECOND_LOOK
    _runs: dict[tuple[str, str], _Run] = field(default_factory=dict)
    _released: dict[tuple[str, str], Call] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _leaving: list[set[tuple[str, str]]] = field(default_factory=list)

    # --- what happens to legs ------------------------------------------------------------------------------------

    def parked(self, leg: ParkedLeg) -> None:
        """Take a parked leg over where somebody claims it; one that is ours already is parked again."""
        ours = self._runs.get((leg.switch, leg.leg))
        if ours is not None:
            ours.again = leg
            return
        claim = self.claims(leg)
        released = self._released.get((leg.switch, leg.leg))
        lost = leg.marker is not None and (released is None or released.id != leg.marker)
        if claim is None and not lost:
            self.telemetry.observe(LegLeftAlone(leg.switch, leg.leg, leg.info.destination))
            return
        if len(self._runs) >= self.limit:
            self.telemetry.observe(CallTurnedAway(leg.switch, leg.leg, self.limit))
            self._spawn(self._turn_away(leg))
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
        )
        run = self._runs[leg.switch, leg.leg] = _Run(call)
        if claim is None or lost:
            # Marked, yet in no row of ours that lives: its row is lost, so nobody can say how it goes on, and the
            # hangup that the dialplan armed is disarmed.
            self._start(run, self._give_up(run, "the leg is marked as ours and its call is unknown"))
        else:
            self._start(run, self._take(run, claim))

    def answered(self, switch: str, leg: str) -> None:
        """CHANNEL_ANSWER of a leg."""
        run = self._runs.get((switch, leg))
        if run is None:
            return
        if run.runner is not None:
            run.runner.answered()
        else:
            run.call = replace(run.call, info=replace(run.call.info, answered=True))

    def hanging_up(self, switch: str, leg: str, cause: str) -> None:
        """CHANNEL_HANGUP of a leg: what follows (CHANNEL_UNPARK too) is its end, nobody took it."""
        run = self._runs.get((switch, leg))
        if run is not None and run.hangup_cause is None:
            run.hangup_cause = cause

    def unparked(self, switch: str, leg: str) -> None:
        """CHANNEL_UNPARK of a leg: where it does not hang up, others took it.

        The event alone does not tell: a leg that ends by its loopback partner fires it before CHANNEL_HANGUP.
        """
        run = self._runs.get((switch, leg))
        if run is not None and run.hangup_cause is None and run.latest.cause is None:
            run.again = None
            self._spawn(self._unparked(run))

    def gone(self, switch: str, leg: str, cause: str) -> None:
        """CHANNEL_HANGUP_COMPLETE of a leg."""
        for left in self._leaving:
            left.add((switch, leg))
        run = self._runs.get((switch, leg))
        if run is not None:
            self._end(run, CallState.ENDED, run.hangup_cause or cause)
        released = self._released.pop((switch, leg), None)
        if released is not None:
            self._record_end(released, cause)

    async def reconnected(self, switch: str, core_uuid: str) -> None:
        """Go on with the calls of a switch, and take the legs that were parked meanwhile. Raises SwitchAway."""
        gate = asyncio.Semaphore(AT_ONCE)
        await self.adopt(switch)

        async def look(run: _Run) -> None:
            call = run.latest
            answered, taken = call.info.answered, False
            with contextlib.suppress(CommandFailed):  # it cannot be told: what is commanded will show
                async with gate:
                    found = await self.rooms.legs.look(switch, call.leg)
                if found is not None:
                    answered, taken = found.info.answered, found.marker == call.id
                elif self._lives(run):
                    self._end(run, CallState.ENDED, run.hangup_cause or LOST)
            if not self._lives(run):
                return
            if run.runner is not None:
                run.runner.relinked(answered=answered)
            elif run.task is None:
                run.call = replace(run.call, info=replace(run.call.info, answered=answered))
                self._start(run, self._resume(run, taken=taken))

        async def look_at_released(call: Call) -> None:
            async with gate:
                found = await self.rooms.legs.look(switch, call.leg)
            if found is None and self._released.pop((switch, call.leg), None) is not None:
                self._record_end(call, LOST)
            elif found is not None and found.marker == call.id:
                await self._release(call)  # the link went before it was let go

        mine = [run for (name, _), run in self._runs.items() if name == switch]
        for run in [run for run in mine if run.latest.core_uuid != core_uuid]:
            self._end(run, CallState.ENDED, SWITCH_LOST)
        released = [call for (name, _), call in self._released.items() if name == switch]
        for call in [call for call in released if call.core_uuid != core_uuid]:
            del self._released[switch, call.leg]
            self._record_end(call, SWITCH_LOST)
        looks = [look(run) for run in mine if run.latest.core_uuid == core_uuid]
        looks += [look_at_released(call) for call in released if call.core_uuid == core_uuid]
        for failure in await asyncio.gather(*looks, return_exceptions=True):
            if failure is not None:
                raise failure
        for wait in (0.0, self.second_look):
            await asyncio.sleep(wait)
            with self._noting_who_leaves() as left:
                waiting = await self.rooms.legs.waiting(switch)
            for leg in waiting:
                if (switch, leg.leg) not in left:
                    self.parked(leg)

    async def adopt(self, switch: str) -> None:
        """Know the calls of a switch that have not ended, so that facts about their legs are understood."""
        with self._noting_who_leaves() as left:
            live = await self.rooms.ledger.live(switch)
        for call in live:
            if (switch, call.leg) in left:
                continue
            if call.state is CallState.RELEASED:
                self._released.setdefault((switch, call.leg), call)
            else:
                self._runs.setdefault((switch, call.leg), _Run(call))

    @contextlib.contextmanager
    def _noting_who_leaves(self) -> Iterator[set[tuple[str, str]]]:
        """Collect the legs that end or are released meanwhile: an answer that is under way may be older."""
        left: set[tuple[str, str]] = set()
        self._leaving.append(left)
        try:
            yield left
        finally:
            self._leaving.remove(left)

    def find(self, call: str) -> Call | None:
        """Return a living call by our id."""
        calls = (*(run.latest for run in self._runs.values()), *self._released.values())
        return next((living for living in calls if living.id == call), None)

    @property
    def count(self) -> int:
        """How many calls live."""
        return len(self._runs)

    async def close(self) -> None:
        """Let go of every call without touching its leg: the rows say how they go on."""
        tasks = [*self._tasks, *(run.task for run in self._runs.values() if run.task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- one call's beginning, going on and end -------------------------------------------------------------------

    async def _take(self, run: _Run, claim: Claim) -> None:
        problems = []
        for source in (claim.document, claim.fallback):
            if source is None:
                continue
            try:
                text = await self.files.read(source)
                run.call = replace(run.call, document=source, text=text)
                dialect = self._dialect(text, claim.account.vendor, source)
                run.call = replace(run.call, dialect=dialect.name)
                program = dialect.start(text, source, run.call)
            except (SourceFailed, DocumentError) as refusal:
                problems.append(str(refusal))
                self.telemetry.observe(DocumentRefused(run.call.id, source, str(refusal)))
            except Exception as error:  # whatever it is, the caller must not be left in silence for it
                problems.append(f"{source}: an error of fsrec's own")
                self._report("a document could not be begun", error)
            else:
                self._tell_taken(run)
                runner = CallRunner(run.call, dialect, program, self.rooms, taken=False)
                await self._carry(run, runner, resumed=False)
        await self._give_up(run, "; ".join(problems))

    async def _resume(self, run: _Run, *, taken: bool) -> None:
        call = run.call
        if call.cause is not None:  # its document is over
            await hang_up(call, self.rooms)
        dialect = self.languages.dialects.get(call.dialect)
        if dialect is None or not call.program:
            await self._give_up(run, "the call's document had not begun")
        try:
            program = dialect.restore(call.text, call.document, call, call.program)
        except DocumentError as refusal:
            await self._give_up(run, str(refusal))
        except Exception as error:
            self._report("a document could not be gone on with", error)
            await self._give_up(run, "an error of fsrec's own")
        self.telemetry.observe(CallResumed(call.id, call.step))
        runner = CallRunner(run.call, dialect, program, self.rooms, taken=taken)
        await self._carry(run, runner, resumed=True)

    async def _carry(self, run: _Run, runner: CallRunner, *, resumed: bool) -> NoReturn:
        run.runner = runner
        try:
            await runner.run(resumed=resumed)
        except LedgerFailed as failure:
            await self._give_up(run, f"the call could not be stored: {failure}")
        except Exception as error:
            self._report("a document's program failed", error)
            await self._give_up(run, "an error of fsrec's own")

    async def _give_up(self, run: _Run, why: str) -> NoReturn:
        """Hang up a call that cannot go on; nobody is left in silence. Ends by cancellation, as a runner does."""
        call = run.latest
        self.telemetry.observe(CallFailed(call.id, why))
        run.runner, run.call = None, replace(call, cause=call.cause or REFUSED)
        await hang_up(run.call, self.rooms)

    def _lives(self, run: _Run) -> bool:
        return self._runs.get((run.call.switch, run.call.leg)) is run

    def _end(self, run: _Run, state: CallState, cause: str | None) -> None:
        call = run.latest
        self._runs.pop((call.switch, call.leg), None)
        for left in self._leaving:
            left.add((call.switch, call.leg))
        if run.task is not None:
            run.task.cancel()
        run.runner = None
        if state is CallState.ENDED:
            self._record_end(call, cause)
        else:
            run.call = replace(call, state=state, waiting=None, recording=None)
            self._released[call.switch, call.leg] = run.call
            self.telemetry.observe(CallReleased(call.id))
            self._spawn(self._close(run.call))

    def _record_end(self, call: Call, cause: str | None) -> None:
        ended = replace(
            call,
            state=CallState.ENDED,
            ended_at=self.rooms.clock(),
            cause=call.cause or cause,
            waiting=None,
            recording=None,
        )
        self.telemetry.observe(CallEnded(call.id, ended.cause or ""))
        self._spawn(self._close(ended))

    async def _unparked(self, run: _Run) -> None:
        call = run.latest
        try:
            found = await self.rooms.legs.look(call.switch, call.leg)
        except (CommandFailed, SwitchAway):
            return  # the next connect looks
        hanging_up = run.hangup_cause is not None or run.latest.cause is not None
        if found is None or hanging_up or not self._lives(run):
            return
        self._end(run, CallState.RELEASED, None)
        self._spawn(self._release(run.call))
        if run.again is not None:  # others parked it again already: it is a leg like any other
            self.parked(replace(run.again, marker=None))

    async def _close(self, call: Call) -> None:
        delay = 0.1
        while True:
            try:
                await self.rooms.ledger.save(call)
            except LedgerFailed:
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                return

    async def _turn_away(self, leg: ParkedLeg) -> None:
        with contextlib.suppress(CommandFailed, SwitchAway):  # then the hangup that the dialplan armed ends it
            await self.rooms.legs.hang_up(leg.switch, leg.leg, CONGESTED)

    async def _release(self, call: Call) -> None:
        with contextlib.suppress(CommandFailed, SwitchAway):  # the leg is gone, or the link
            await self.rooms.legs.release(call.switch, call.leg)

    def _dialect(self, text: str, vendor: str, source: str) -> Dialect:
        dialect = self.languages.of(text, vendor)
        if dialect is None:
            raise SourceFailed(f"{source}: XML documents of {vendor} accounts are not supported in this version")
        return dialect

    def _tell_taken(self, run: _Run) -> None:
        call = run.call
        self.telemetry.observe(CallTaken(call.id, call.switch, call.leg, call.account, call.document))

    def _start(self, run: _Run, work: Coroutine[None, None, None]) -> None:
        run.task = self._spawn(work)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report("a call's work failed", error)

    def _report(self, message: str, error: BaseException) -> None:
        asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
