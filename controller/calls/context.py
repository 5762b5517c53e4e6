"""What the steps of one call share: its row, its leg, and what is heard of both while they are carried out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from controller.calls.commanding import LegTaken, belongs, holds_limit, insist, unheard
from controller.calls.dialled import DialledLegs, Ringing
from controller.calls.events import StepFailed
from controller.calls.rooms import Rooms
from controller.calls.sounds import Sounds
from controller.documents.call import Call
from controller.documents.dialect import Dialect
from controller.documents.steps import Done, Failed
from controller.recordings.model import Delivery
from controller.recordings.ports import CommandFailed
from controller.telemetry import Hook

ANSWER_WITHIN = 10.0
"""Seconds from the answer command to CHANNEL_ANSWER; a leg that takes longer failed to answer."""


class CallContext:
    """One call, as its steps see it.

    ``call`` is the value that was stored last, or is being stored; ``session`` the id of its document's run.
    ``sure`` is set while the leg is known to be the call's: no step begins, and no sound, while it is not.
    ``released`` says that others took the leg, ``hanging_up`` that its end has begun.
    """

    def __init__(
        self,
        call: Call,
        dialect: Dialect,
        session: str,
        rooms: Rooms,
        observe: Hook,
        *,
        taken: bool,
        dialled: DialledLegs | None = None,
    ) -> None:
        self.call = call
        self.dialect = dialect
        self.session = session
        self.rooms = rooms
        self.sure = asyncio.Event()
        self.sure.set()
        self.sounds = Sounds(rooms.legs, call.switch, call.leg, self.sure)
        self._observe = observe
        self._taken = taken
        self._starting = False
        self._answered = asyncio.Event()
        if call.info.answered:
            self._answered.set()
        self._digits: asyncio.Queue[str] | None = None
        self._dialled = DialledLegs() if dialled is None else dialled
        self._ringing: Ringing | None = None
        self.rung: Ringing | None = None
        self.released = False
        self.hanging_up = False

    # --- what is heard -------------------------------------------------------------------------------------------

    def answered(self, at: float = 0.0) -> None:
        """CHANNEL_ANSWER came, at that time of the switch's; 0 where that is not told."""
        self._answered.set()
        self.call = self.call.as_answered(at, self.rooms.clock())

    def pressed(self, digit: str) -> None:
        """Hear a digit of the leg's party; nobody's where none is listened for."""
        if self._digits is not None:
            self._digits.put_nowait(digit)
        if self._ringing is not None:
            self._ringing.pressed(digit)

    def bridged(self, execution: str, at: float, cause: str) -> None:
        """Hear the end of what was dialled."""
        if self._ringing is not None and self._ringing.execution == execution:
            self._ringing.end(at, cause)

    def visited(self) -> None:
        """Hear that the leg was looked at, and lives."""
        self.sounds.visited()
        if self._ringing is not None:
            self._ringing.suspect()

    def relinked(self, *, answered: float | None) -> None:
        """Send again what may have been lost with the link, now that it is back and the leg is still ours.

        ``answered`` is when the leg was seen to be answered; None: it is not.
        """
        self.sure.set()
        if answered is not None:
            self.answered(answered)
        if self._taken:
            self._taken = False
            self.arrive()
            if self._starting:
                self.answer_unheard()
        self.sounds.relinked()
        if self._ringing is not None:
            self._ringing.suspect()

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Queue[str]]:
        """Collect the digits that are pressed from now on."""
        digits: asyncio.Queue[str] = asyncio.Queue()
        self._digits = digits
        try:
            yield digits
        finally:
            self._digits = None

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Have the answer that goes before a recording's start told again when the link was lost meanwhile."""
        self._starting = True
        try:
            yield
        finally:
            self._starting = False

    @contextlib.contextmanager
    def dialling(self, ringing: Ringing) -> Iterator[None]:
        """Hear of dialled legs."""
        self._ringing = self.rung = ringing
        self._dialled.begin(self.call.switch, ringing)
        try:
            yield
        finally:
            self._ringing = None
            self._dialled.end(self.call.switch, ringing)

    def failed(self, step: object, reason: str) -> None:
        """Tell that a step failed, wholly or in part; the document goes on."""
        self._observe(StepFailed(self.call.id, self.call.step, type(step).__name__, reason))

    def observe(self, event: object) -> None:
        """Tell anything else."""
        self._observe(event)

    # --- the row and the leg -------------------------------------------------------------------------------------

    async def save(self, *, told: Sequence[Delivery] = (), **fields: Any) -> None:
        """Make the call's row durable with these fields, and what is told along with it. Raises LedgerFailed."""
        before, call = self.call, self.call.changed(**fields)
        await self.rooms.ledger.save(call, told)
        heard = self.call
        if heard is not before:
            call = replace(call, marked=heard.marked, info=heard.info, answered_at=heard.answered_at)
        self.call = call

    def arrive(self) -> None:
        """Take the leg over, once, after the call's row is durable."""
        if not self._taken:
            self._taken = True
            if holds_limit(self.call):
                return
            unheard(self.rooms.legs.take_over(self.call.switch, self.call.leg, self.call.id), self.arrived)

    def arrived(self) -> None:
        """Note that the leg carries our marker from now on; the next row says so."""
        self.call = replace(self.call, marked=True)

    async def at_hand(self) -> None:
        """Return when the leg is known to be the call's; never where it hangs up: its end cancels this."""
        await self.sure.wait()
        if self.hanging_up:
            await asyncio.Event().wait()

    async def begin(self, *, resumed: bool, told: Sequence[Delivery] = (), **fields: Any) -> None:
        """Make the step durable and take the leg over; one that goes on after a restart is durable already."""
        if not resumed:
            await self.save(told=told, **fields)
        self.arrive()

    async def stay(self) -> None:
        """Go on with a leg that is still the call's. Raises LegTaken.

        What a hangup or a transfer ends is over before that is told itself: a switch writes its call records first.
        """
        call = self.call
        with contextlib.suppress(CommandFailed):
            found = await insist(lambda: self.rooms.legs.look(call.switch, call.leg), self.sure)
            if found is None:
                await asyncio.Event().wait()  # its end is told, and cancels this
            elif not belongs(self.call, found):
                raise LegTaken(found)

    async def limit(self, seconds: float) -> Done | Failed:
        """Have the switch end the call so many seconds from now; the row says that it is ``limited`` before."""
        try:
            await insist(lambda: self.rooms.legs.limit(self.call.switch, self.call.leg, seconds), self.sure)
        except CommandFailed as failure:
            return Failed(f"the call's longest duration could not be set: {failure}")
        return Done()

    async def answer(self) -> Done | Failed:
        """Answer the leg, and wait for it; done at once where it is answered."""
        if not self._answered.is_set():
            try:
                await insist(lambda: self.rooms.legs.answer(self.call.switch, self.call.leg), self.sure)
                await asyncio.wait_for(self._answered.wait(), ANSWER_WITHIN)
            except CommandFailed as failure:
                return Failed(f"the leg could not be answered: {failure}")
            except TimeoutError:
                if not await self._is_answered():
                    return Failed(f"the leg was not answered within {ANSWER_WITHIN:.0f} s")
        return Done()

    def answer_unheard(self) -> None:
        """Answer in the same breath as what is commanded next; the leg keeps their order."""
        if not self._answered.is_set():
            unheard(self.rooms.legs.answer(self.call.switch, self.call.leg))

    async def _is_answered(self) -> bool:
        """Look at the leg itself: its CHANNEL_ANSWER may have been fired while there was no link."""
        try:
            found = await insist(lambda: self.rooms.legs.look(self.call.switch, self.call.leg))
        except CommandFailed:
            return False
        return found is not None and found.info.answered
