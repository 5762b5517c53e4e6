"""Dialling: groups of parties in turn, who answers is connected with the leg, until they part.

Each callee's leg has an id of ours before it is dialled, made of the call's, the step's and its place: so a daemon
that comes back knows whom to look for, and what is heard of a leg finds its call. Timeouts and limits are kept here,
and end by hanging the callees up: a break ends no ringing. The row says how far it is: which group (``item``), the
time at which its ringing or the conversation is to end (``waiting``), since when they talk (``connected_at``) and
what is recorded (``recording``). What may have been missed, while link or daemon were away, is asked of the legs.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import replace
from functools import partial

from controller.calls import conversing
from controller.calls.commanding import LINK_AGAIN, insist, unheard
from controller.calls.confirming import Asking
from controller.calls.context import CallContext
from controller.calls.dial_recording import DialRecorder
from controller.calls.dialled import Ringing
from controller.calls.events import RingingShortened
from controller.calls.meanwhile import DialSounds
from controller.calls.ports import Callee
from controller.calls.telling import made_id
from controller.documents.call import Call
from controller.documents.steps import Dial, Dialled, DialStatus, Failed
from controller.recordings.model import Delivery
from controller.recordings.ports import CommandFailed, SwitchAway

END_AGAIN = 5.0
"""Seconds after which callees that should have been hung up are looked at, and hung up again."""

YOUNG = 2.0
"""Seconds from its command in which a bridge may not have made its legs yet."""

SETTLE = 1.0
"""Seconds in which the end of a bridge whose legs are gone is told by itself."""

_NO_ANSWER = frozenset(
    {"NO_ANSWER", "NO_USER_RESPONSE", "ALLOTTED_TIMEOUT", "PROGRESS_TIMEOUT", "RECOVERY_ON_TIMER_EXPIRE"}
)
_LEFT = Dialled(DialStatus.CANCELED, reason="the leg that dialled ended")
_BUSY = frozenset({"USER_BUSY", "CALL_REJECTED", "BUSY_EVERYWHERE", "DECLINE"})


async def dial(context: CallContext, step: Dial, *, resumed: bool) -> Dialled:
    """Try the groups in turn until one answers; return when they have parted. Raises LedgerFailed, LegTaken."""
    await context.begin(resumed=resumed)
    if step.answer and isinstance(answered := await context.answer(), Failed):
        return Dialled(DialStatus.FAILED, reason=answered.reason)
    if math.inf > step.timeout > context.rooms.rings and not resumed:
        context.observe(RingingShortened(context.call.id, context.call.step, step.timeout, context.rooms.rings))
    outcome = Dialled(DialStatus.FAILED, reason="there is nobody to dial")
    recorder = DialRecorder(context, step.recording)
    sounds = DialSounds(context, step, resumed=resumed)
    try:
        for number in range(context.call.item, len(step.groups)):
            if number != context.call.item:
                await context.save(item=number, waiting=None, connected_at=None)
            outcome = await _Attempt(context, step, number, recorder, sounds).carry_out(resumed=resumed)
            resumed = False
            if outcome.status in {DialStatus.ANSWERED, DialStatus.CANCELED}:
                break
    except asyncio.CancelledError:
        if context.released:  # the leg is others' now; what they say is not what was dialled
            recorder.stop()
        raise
    finally:
        sounds.over()
    recorder.stop()
    await sounds.taken_off()
    await context.stay()
    return await recorder.told(outcome)


async def left(context: CallContext, step: Dial, ended: Call) -> Dialled:
    """Return how a dialling ended that the end of its own leg broke off."""
    return await DialRecorder(context, step.recording).told(_broken_off(context, step, ended))


def parting(context: CallContext, step: Dial, call: Call) -> tuple[Delivery, ...]:
    """Return what is still told of a conversation that the end of the leg broke off, or others who took it.

    It is stored with ``call``, which is the call since then.
    """
    ringing, outcome = context.rung, _broken_off(context, step, call)
    told: tuple[Delivery, ...] = ()
    if ringing is not None:
        if ringing.winner is not None and context.call.connected_at is None:  # the leg ended before a row said so
            told = conversing.begun(context, step, ringing.winner, ringing.answered[ringing.winner.leg])
        told += conversing.pressed(context, step, ringing)
    return *told, *conversing.over(context, step, outcome, call)


def _broken_off(context: CallContext, step: Dial, after: Call) -> Dialled:
    """Return what became of a dialling with its leg. Its cause is the leg's own where the callee's is not heard yet.

    Of a leg that ended while no daemon ran it is not known when, nor which of several was connected.
    """
    call, ringing, clock = context.call, context.rung, context.rooms.clock
    if ringing is not None and ringing.execution == callee_id(call.id, call.step, call.item, -1):
        winner = ringing.winner
        if winner is not None:
            since, until = call.connected_at or ringing.answered[winner.leg], ringing.over or clock()
            talked = Dialled(DialStatus.ANSWERED, winner.party, winner.leg, max(0.0, until - since))
            return replace(talked, cause=ringing.gone.get(winner.leg) or ringing.cause or after.cause or "")
    if call.connected_at is None:
        return _LEFT
    talked = Dialled(DialStatus.ANSWERED, seconds=max(0.0, (after.ended_at or clock()) - call.connected_at))
    if len(step.groups[call.item]) > 1:
        return talked
    return replace(talked, party=step.groups[call.item][0], call=callee_id(call.id, call.step, call.item, 0))


def callee_id(call: str, step: int, group: int, place: int) -> str:
    """Return the id of a leg to be dialled, or with place -1 of the command that dials its group."""
    return made_id(call, step, group, place)


class _Attempt:
    """One group: rung at once, for as long as the step says, until a conversation with one of them is over."""

    def __init__(
        self, context: CallContext, step: Dial, group: int, recorder: DialRecorder, sounds: DialSounds
    ) -> None:
        call = context.call
        self._context, self._step, self._recorder = context, step, recorder
        self._sounds = sounds
        self._problems: list[str] = []
        callees = []
        for place, party in enumerate(step.groups[group]):
            problem = context.rooms.legs.undialable(party)
            if problem:
                self._problems.append(problem)
            else:
                callees.append(Callee(callee_id(call.id, call.step, group, place), party))
        execution = callee_id(call.id, call.step, group, -1)
        asks = step.confirmation is not None
        self._ringing = Ringing(execution, tuple(callees), lambda: context.call, asks=asks)
        self._asking = Asking(context, step.confirmation, self._ringing)
        self._rings = min(step.timeout, context.rooms.rings)
        self._told_at = 0.0
        self._ending = ""

    async def carry_out(self, *, resumed: bool) -> Dialled:
        """Ring, and wait; return how it ended. Raises LedgerFailed."""
        if not self._ringing.callees:
            return self._failed("; ".join(self._problems) or "there is nobody to dial")
        if self._problems:
            self._context.failed(self._step, "; ".join(self._problems))
        with self._context.dialling(self._ringing):
            try:
                await self._command(resumed=resumed)
            except CommandFailed as failure:
                return self._failed(f"the switch did not dial: {failure}")
            await self._wait()
        outcome = self._outcome()
        told = (
            *conversing.pressed(self._context, self._step, self._ringing),
            *conversing.over(self._context, self._step, outcome),
        )
        if told:
            await self._context.save(told=told)
        return outcome

    def _failed(self, reason: str) -> Dialled:
        """Tell why nobody was rung: an action hears only that it failed."""
        self._context.failed(self._step, reason)
        return Dialled(DialStatus.FAILED, reason=reason)

    # --- the command ----------------------------------------------------------------------------------------------

    async def _command(self, *, resumed: bool) -> None:
        """Have the switch ring; not again where it rings, talks or has done so. Raises CommandFailed."""
        context, step = self._context, self._step
        if resumed and (context.call.waiting is not None or context.call.connected_at is not None):
            self._ringing.suspect()
        else:
            await self._send(doubtful=resumed)
            await context.save(waiting=context.rooms.clock() + self._rings)
        if step.recording is not None and step.recording.early:
            await self._recorder.start()

    async def _send(self, *, doubtful: bool) -> None:
        context, legs, step = self._context, self._context.rooms.legs, self._step
        call, meanwhile = context.call, await self._sounds.made()
        while True:
            await context.sure.wait()
            try:
                if doubtful and await self._stands():
                    return
                await legs.dial(
                    call.switch,
                    call.leg,
                    self._ringing.callees,
                    call=call.id,
                    caller=step.caller,
                    caller_name=step.caller_name,
                    rings=self._rings,
                    execution=self._ringing.execution,
                    meanwhile=meanwhile,
                )
            except SwitchAway:
                doubtful = True
                await asyncio.sleep(LINK_AGAIN)
            else:
                self._told_at = context.rooms.clock()
                return

    async def _stands(self) -> bool:
        """Whether a command that may have been lost was carried out. Raises SwitchAway, CommandFailed."""
        call, legs = self._context.call, self._context.rooms.legs
        alive = [await legs.look(call.switch, callee.leg) for callee in self._ringing.callees]
        own = await legs.look(call.switch, call.leg)
        bridged = own is not None and own.bridged in {callee.leg for callee in self._ringing.callees}
        if bridged or any(found is not None for found in alive):
            self._ringing.suspect()
            return True
        return False

    # --- the waiting ----------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Return when the bridge is over. Raises LedgerFailed."""
        ringing, context = self._ringing, self._context
        clock = context.rooms.clock
        while ringing.over is None:
            if ringing.doubt:
                await self._look()
                continue
            if ringing.winner is not None and context.call.connected_at is None:
                await self._connected()
                continue
            if ringing.keys and (told := conversing.pressed(context, self._step, ringing)):
                await context.save(told=told)
                continue
            if ringing.star and self._step.hangup_on_star and not self._ending:
                await self._end("NORMAL_CLEARING")
            until = self._asking.until(context.call.waiting)
            if until is not None and clock() >= until:
                if self._asking.expired(context.call.waiting):
                    continue
                await self._end("NORMAL_CLEARING" if ringing.winner is not None else "NO_ANSWER")
                continue
            ringing.news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if until is None else until - clock()):
                    await ringing.news.wait()
        if ringing.winner is not None and context.call.connected_at is None:
            await self._connected()

    async def _connected(self) -> None:
        """Somebody answered: from now on the conversation is what lasts, and is recorded."""
        context, step, ringing = self._context, self._step, self._ringing
        winner, recorder = ringing.winner, self._recorder
        assert winner is not None  # noqa: S101 - who calls this has seen one
        at = ringing.answered[winner.leg]
        limit = None if step.limit is None else context.rooms.clock() + step.limit
        told = conversing.begun(context, step, winner, at)
        if ringing.over is None or recorder.lasting:
            await recorder.start(told=told, connected_at=at, waiting=limit)
        if context.call.connected_at is None:
            await context.save(told=told, connected_at=at, waiting=limit)
        if ringing.over is None:
            conversing.send_digits(context, step, winner)

    async def _end(self, cause: str) -> None:
        """Hang the callees up, and look whether that helped in a while."""
        context, legs = self._context, self._context.rooms.legs
        call = context.call
        if self._ending:
            self._ringing.suspect()
        self._ending = self._ending or cause
        for callee in self._ringing.callees:
            if callee.leg not in self._ringing.gone:
                unheard(legs.hang_up(call.switch, callee.leg, self._ending))
        await context.save(waiting=context.rooms.clock() + END_AGAIN)

    async def _look(self) -> None:
        """Find out from the legs what was missed."""
        context, ringing = self._context, self._ringing
        call, legs, clock = context.call, context.rooms.legs, context.rooms.clock
        ringing.doubt = False
        with contextlib.suppress(CommandFailed):
            await self._asking.look()
            alive = False
            for callee in ringing.callees:
                found = await insist(partial(legs.look, call.switch, callee.leg), context.sure)
                alive = alive or found is not None
                if found is not None and found.info.answered and not ringing.answered:
                    ringing.hear_answer(callee.leg, call.connected_at or found.at)
            if alive:
                return
            young = YOUNG - (clock() - self._told_at)
            if young > 0:  # nobody is there yet, or any more
                await asyncio.sleep(young)
                ringing.doubt = True
                return
            await asyncio.sleep(SETTLE)  # the end of it may be on its way
            own = await insist(lambda: legs.look(call.switch, call.leg), context.sure)
            if own is None or ringing.over is not None:
                return  # the leg's end is told, and ends this
            if own.bridged in {callee.leg for callee in ringing.callees}:
                ringing.hear_answer(own.bridged, call.connected_at or own.at)
            ringing.end(own.at, own.bridge_cause)

    def _outcome(self) -> Dialled:
        ringing, winner = self._ringing, self._ringing.winner
        if winner is not None:
            since = self._context.call.connected_at or ringing.answered[winner.leg]
            seconds = max(0.0, (ringing.over or since) - since)
            cause = ringing.gone.get(winner.leg, ringing.cause)
            return Dialled(DialStatus.ANSWERED, winner.party, winner.leg, seconds, cause=cause)
        causes = {ringing.gone[callee.leg] for callee in ringing.callees if callee.leg in ringing.gone}
        only = next(iter(causes)) if len(causes) == 1 else ""
        cause = only or ringing.cause
        callee = ringing.callees[0] if len(ringing.callees) == 1 else None
        return Dialled(
            self._status(cause),
            None if callee is None else callee.party,
            "" if callee is None else callee.leg,
            reason="; ".join([*self._problems, cause or "nobody answered"]),
            cause=only or ("" if callee is None else cause),
        )

    def _status(self, cause: str) -> DialStatus:
        if self._ending == "NORMAL_CLEARING" or cause == "ORIGINATOR_CANCEL":
            return DialStatus.CANCELED
        if self._ending or self._asking.refused(cause) or cause in _NO_ANSWER:
            return DialStatus.NO_ANSWER
        return DialStatus.BUSY if cause in _BUSY else DialStatus.FAILED
