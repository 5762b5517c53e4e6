"""Who owns a leg: takes parked legs over, goes on with calls after a restart, lets go of what others take."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from controller.calls.departed import Departed
from controller.calls.events import (
    CallFailed,
    CallResumed,
    CallTaken,
    CallTurnedAway,
    DocumentFetched,
    DocumentRefused,
    LegLeftAlone,
)
from controller.calls.ports import Claim, Claims, Languages, ParkedLeg
from controller.calls.runner import CallRunner, LegLost, LegTaken, Rooms, belongs, hang_up, unheard
from controller.calls.source import Files, SourceFailed, fetched
from controller.documents.call import Call, CallState
from controller.documents.dialect import Account, Dialect, DocumentError, Program
from controller.documents.fetch import Fetcher, is_url, shown
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

PATROL = 60.0
"""Seconds in which each living call's leg is looked at once, one after the other: an event may be lost."""

_LARGE = 16_384
"""Characters of a document from which on reading it would hold up other calls, and is left to a thread."""

GONE_FOR = 1.0
"""Seconds that a leg which a patrol finds gone is given to have its end told, before nobody waits for that."""

_Leg = tuple[str, str]


@dataclass(slots=True)
class _Run:
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
    fetcher: Fetcher | None = None
    accounts: Mapping[str, Account] = field(default_factory=dict)
    second_look: float = SECOND_LOOK
    patrol: float = PATROL
    _runs: dict[_Leg, _Run] = field(default_factory=dict)
    _departed: Departed = field(init=False)
    _patrols: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _leaving: list[set[_Leg]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._departed = Departed(self.rooms.ledger, self.rooms.clock, self.telemetry.observe, self._spawn)

    # --- what happens to legs ------------------------------------------------------------------------------------

    def parked(self, leg: ParkedLeg) -> None:
        """Take a parked leg over where somebody claims it; one that is ours already is parked again."""
        ours = self._runs.get((leg.switch, leg.leg))
        if ours is not None:
            ours.again = leg
            return
        claim = self.claims(leg)
        lost = leg.marker is not None and not self._departed.holds(leg.switch, leg.leg, leg.marker)
        if not lost and not leg.parked:
            return  # it still carries the marker of a call that was let go
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
            self._start(run, lambda: self._give_up(run, "the leg is marked as ours and its call is unknown"))
        else:
            self._start(run, lambda: self._take(run, claim))

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
        self._departed.leg_gone(switch, leg, cause)

    def connecting(self, switch: str) -> None:
        """Hear that a link is there: no step begins on a leg that may have been taken by others meanwhile."""
        for run in self._of(switch):
            run.unsure = True
            if run.runner is not None:
                run.runner.unsure()

    async def reconnected(self, switch: str, core_uuid: str) -> None:
        """Find out which calls of a switch are still ours, and send again what their legs lack. Raises SwitchAway.

        What a leg is told here goes before the start of a recording that is told again.
        """
        await self.lost(switch, but=core_uuid)
        gate = asyncio.Semaphore(AT_ONCE)
        looks = [self._look(run, gate) for run in self._of(switch)]
        looks += [self._look_at_released(call, gate) for call in self._departed.of(switch)]
        for failure in await asyncio.gather(*looks, return_exceptions=True):
            if failure is not None:
                raise failure

    async def lost(self, switch: str, *, but: str | None = None) -> None:
        """End the calls of a switch that is no more, those of the life ``but`` (a Core-UUID) excepted."""
        await self.adopt(switch)
        for run in self._of(switch):
            if run.latest.core_uuid != but:
                self._end(run, CallState.ENDED, SWITCH_LOST)
        for call in self._departed.of(switch):
            if call.core_uuid != but:
                self._departed.forget(call, SWITCH_LOST)

    async def go_on(self, switch: str) -> None:
        """Go on with the documents of a switch's calls, and take the legs parked meanwhile. Raises SwitchAway."""
        for run in self._of(switch):
            if run.runner is None and run.task is None:
                self._start(run, functools.partial(self._resume, run))
        for wait in (0.0, self.second_look):
            await asyncio.sleep(wait)
            with self._noting_who_leaves() as left:
                waiting = await self.rooms.legs.waiting(switch)
            for leg in waiting:
                if (switch, leg.leg) not in left:
                    self.parked(leg)
        former = self._patrols.get(switch)
        if former is not None:
            former.cancel()
        self._patrols[switch] = self._spawn(self._patrol(switch))

    async def _look(self, run: _Run, gate: asyncio.Semaphore) -> None:
        call = run.latest
        answered, run.taken = call.info.answered, False
        with contextlib.suppress(CommandFailed):  # it cannot be told: what is commanded will show
            async with gate:
                found = await self.rooms.legs.look(call.switch, call.leg)
            if not self._lives(run):
                return
            if found is None:
                self._end(run, CallState.ENDED, run.hangup_cause or LOST)
                return
            if not belongs(run.latest, found):
                self._taken_by_others(run, found)
                return
            answered, run.taken = found.info.answered, found.marker == call.id
        if not self._lives(run):
            return
        run.unsure = False
        if run.runner is not None:
            run.runner.relinked(answered=answered)
        elif run.task is None or run.fetching:
            run.call = replace(
                run.call, info=replace(run.call.info, answered=answered), marked=run.call.marked or run.taken
            )
            if run.fetching:
                self._tell_whose(run)
            elif run.call.recording is not None and run.call.cause is None:
                self._prepare(run)

    def _prepare(self, run: _Run) -> None:
        """Tell a leg of a former daemon's what goes before a recording's start, which may be told again."""
        call, legs = run.call, self.rooms.legs
        if not run.taken:
            run.taken = True
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
            self._departed.forget(call, LOST)
        elif found.marker == call.id and (call.switch, call.leg) not in self._runs:
            await self._release(call)  # the link went before it was let go

    async def _patrol(self, switch: str) -> None:
        """Look at each call's leg now and then, evenly: an end or an answer that was not told is seen at last."""
        with contextlib.suppress(SwitchAway):  # the next connect looks at all, and begins anew
            while True:
                calls = [*(run.latest for run in self._of(switch)), *self._departed.of(switch)]
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
        run = self._runs.get(leg)
        if self._departed.holds(*leg, call.id):
            if found is None:
                self._departed.forget(call, LOST)
        elif run is None or run.latest.id != call.id:
            return
        elif found is None:
            self._end(run, CallState.ENDED, run.hangup_cause or LOST)
        elif not belongs(run.latest, found):
            self._taken_by_others(run, found)
        elif found.info.answered:
            self.answered(*leg)

    def _of(self, switch: str) -> list[_Run]:
        return [run for (name, _), run in self._runs.items() if name == switch]

    async def adopt(self, switch: str) -> None:
        """Know the calls of a switch that have not ended, so that facts about their legs are understood."""
        departing = self._departed.under_way  # the rows that are read may be older than what is stored meanwhile
        with self._noting_who_leaves() as left:
            live = await self.rooms.ledger.live(switch)
        for call in sorted(live, key=lambda call: call.started_at, reverse=True):
            leg = (switch, call.leg)
            if leg in left or call.id in departing | self._departed.under_way:
                continue
            if call.state is CallState.RELEASED:
                self._departed.adopt(call)
            elif self._runs.setdefault(leg, _Run(call)).call.id != call.id:
                self._departed.let_go(call)  # a later call took its leg, and its own end was not stored

    @contextlib.contextmanager
    def _noting_who_leaves(self) -> Iterator[set[_Leg]]:
        """Collect the legs that end or are released meanwhile: an answer that is under way may be older."""
        left: set[_Leg] = set()
        self._leaving.append(left)
        try:
            yield left
        finally:
            self._leaving.remove(left)

    def find(self, call: str) -> Call | None:
        """Return a living call by our id."""
        calls = (*(run.latest for run in self._runs.values()), *self._departed)
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
        await self.rooms.evaluator.close()

    # --- one call's beginning, going on and end -------------------------------------------------------------------

    async def _take(self, run: _Run, claim: Claim) -> NoReturn:
        problems = []
        for source in (claim.document, claim.fallback):
            if source is None:
                continue
            try:
                text = await (self._fetch(run, claim, source) if is_url(source) else self.files.read(source))
                run.call = replace(run.call, document=source, text=text)
                dialect = self._dialect(text, claim.account.vendor, shown(source))
                run.call = replace(run.call, dialect=dialect.name)
                program = await _begun(dialect, run.call)
            except (SourceFailed, DocumentError) as refusal:
                problems.append(str(refusal))
                self.telemetry.observe(DocumentRefused(run.call.id, shown(source), str(refusal)))
            except LedgerFailed as failure:
                await self._give_up(run, f"the call could not be stored: {failure}")
            except Exception as error:  # whatever it is, the caller must not be left in silence for it
                problems.append(f"{shown(source)}: an error of fsrec's own")
                self._report("a document could not be begun", error)
            else:
                self._tell_taken(run)
                runner = CallRunner(run.call, dialect, program, self.rooms, self.telemetry.observe, taken=run.taken)
                await self._carry(run, runner, resumed=False)
        await self._give_up(run, "; ".join(problems))

    async def _fetch(self, run: _Run, claim: Claim, url: str) -> str:
        """Return what a URL gives, while the leg waits as it is. Raises SourceFailed, LedgerFailed.

        The call is ours before: its row says what to fetch anew after a restart, and the dialplan's hangup would come
        in the midst of it.
        """
        dialect = self.languages.asking(claim.account.vendor)
        if dialect is None or self.fetcher is None:
            raise SourceFailed(f"{shown(url)}: {claim.account.vendor} accounts have documents in files only")
        if not run.fetching:
            run.call = run.call.changed(
                document=claim.document, fallback=claim.fallback, method=claim.method, text="", dialect=""
            )
            await self.rooms.ledger.save(run.call)
            run.fetching = True
            self._tell_whose(run)
        began = self.rooms.clock()
        text = await fetched(url, claim.method, run.call, claim.account, dialect, self.fetcher)
        self.telemetry.observe(DocumentFetched(run.call.id, shown(url), len(text), self.rooms.clock() - began))
        return text

    def _tell_whose(self, run: _Run) -> None:
        """Take a leg over whose runner is still to come."""
        if run.taken:
            return

        def told() -> None:
            if run.runner is not None:
                run.runner.arrived()
            else:
                run.call = replace(run.call, marked=True)

        run.taken = True
        unheard(self.rooms.legs.take_over(run.call.switch, run.call.leg, run.call.id), told)

    async def _resume(self, run: _Run) -> None:
        call = run.call
        if call.cause is not None:  # its document is over
            await hang_up(call, self.rooms)
        if not call.text:  # it ended with its daemon while its document was fetched
            await self._take_again(run)
        dialect = self.languages.dialects.get(call.dialect)
        if dialect is None or not call.program:
            await self._give_up(run, "the call's document had not begun")
        try:
            program = dialect.restore(call.text, shown(call.document), call, call.program)
        except DocumentError as refusal:
            await self._give_up(run, str(refusal))
        except Exception as error:
            self._report("a document could not be gone on with", error)
            await self._give_up(run, "an error of fsrec's own")
        self.telemetry.observe(CallResumed(call.id, call.step))
        runner = CallRunner(run.call, dialect, program, self.rooms, self.telemetry.observe, taken=run.taken)
        await self._carry(run, runner, resumed=True)

    async def _take_again(self, run: _Run) -> NoReturn:
        call = run.call
        account = self.accounts.get(call.account)
        if account is None:
            await self._give_up(run, f"account {call.account!r} is no longer in the settings")
        await self._take(run, Claim(account, call.document, call.fallback, call.method))

    async def _carry(self, run: _Run, runner: CallRunner, *, resumed: bool) -> NoReturn:
        run.runner = runner
        if run.unsure:
            runner.unsure()
        try:
            await runner.run(resumed=resumed)
        except (LegLost, LegTaken):
            raise
        except LedgerFailed as failure:
            await self._give_up(run, f"the call could not be stored: {failure}")
        except Exception as error:
            self._report("a document's program failed", error)
            await self._give_up(run, "an error of fsrec's own")

    async def _give_up(self, run: _Run, why: str) -> NoReturn:
        """Hang up a call that cannot go on; nobody is left in silence. Ends by cancellation, as a runner does."""
        call = run.latest
        self.telemetry.observe(CallFailed(call.id, why))
        run.runner, run.fetching, run.call = None, False, call.changed(cause=call.cause or REFUSED)
        await hang_up(run.call, self.rooms)

    def _lives(self, run: _Run) -> bool:
        return self._runs.get((run.call.switch, run.call.leg)) is run

    def _end(self, run: _Run, state: CallState, cause: str | None) -> None:
        call = run.latest
        self._runs.pop((call.switch, call.leg), None)
        for left in self._leaving:
            left.add((call.switch, call.leg))
        if run.task is not None and run.task is not asyncio.current_task():
            run.task.cancel()
        run.call, run.runner = call, None
        if state is CallState.ENDED:
            self._departed.end(call, cause)
        else:
            self._departed.let_go(call)

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

    def _taken_by_others(self, run: _Run, found: ParkedLeg) -> None:
        """Let go of a leg that is not where the call left it, or end the call where the leg is another."""
        call = run.latest
        if found.info.created_at != call.info.created_at:
            self._end(run, CallState.ENDED, run.hangup_cause or LOST)
        else:
            self._end(run, CallState.RELEASED, None)
        if found.marker == call.id:
            self._spawn(self._release(call))
            found = replace(found, marker=None)
        if found.parked:
            self.parked(found)

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
        self.telemetry.observe(CallTaken(call.id, call.switch, call.leg, call.account, shown(call.document)))

    def _start(self, run: _Run, work: Callable[[], Coroutine[None, None, None]]) -> None:
        run.task = self._spawn(self._watched(run, work))

    async def _watched(self, run: _Run, work: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await work()
        except LegLost:
            if self._lives(run):
                self._end(run, CallState.ENDED, run.hangup_cause or LOST)
        except LegTaken as taken:
            if self._lives(run):
                self._taken_by_others(run, taken.found)

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


async def _begun(dialect: Dialect, call: Call) -> Program:
    """Begin a call's document. Raises DocumentError."""
    source = shown(call.document)
    if len(call.text) < _LARGE:
        return dialect.start(call.text, source, call)
    return await asyncio.to_thread(dialect.start, call.text, source, call)
