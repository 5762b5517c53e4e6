"""Confirmation: who answers is asked before being connected, and has a time of its own; others ring on meanwhile.

The switch asks, hears the key and connects (CHANNEL_BRIDGE): until then an attempt has nobody that answered, only
somebody that is asked. Who is not connected in time is hung up here, with the cause NO_ANSWER. When the ringing's
time is over those who are asked have the rest of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.calls.commanding import insist, unheard
from controller.calls.context import CallContext
from controller.calls.dialled import Ringing
from controller.documents.steps import Confirmation

AGAIN = 5.0
"""Seconds after which callees that should have been hung up are hung up again, and the legs looked at."""


class Asking:
    """What is asked within one attempt; without a ``confirmation`` nobody is."""

    def __init__(self, context: CallContext, confirmation: Confirmation | None, ringing: Ringing) -> None:
        self._context, self._ringing = context, ringing
        self._timeout = confirmation.timeout if confirmation is not None and confirmation.key else None
        self._deadlines: dict[str, float] = {}
        self._again = 0.0
        self._hung_up: set[str] = set()

    def until(self, ends: float | None) -> float | None:
        """Return when somebody is to be hung up next, where ``ends`` is the end of the ringing or conversation."""
        asked = self._asked()
        if not asked:
            return ends
        ringing = [] if ends is None or self._all_asked() else [max(ends, self._again)]
        return min([*self._times(asked), *ringing], default=None)

    def expired(self, ends: float | None) -> bool:
        """Hang up whose time is over; whether somebody was asked, and so the attempt is not over yet."""
        asked, now = self._asked(), self._context.rooms.clock()
        if not asked:
            return False
        for leg, deadline in zip(asked, self._times(asked), strict=False):
            if now >= deadline:
                self._hang_up(leg)
                self._deadlines[leg] = now + AGAIN
        if ends is not None and now >= max(ends, self._again):
            for callee in self._ringing.callees:
                if callee.leg not in asked:
                    self._hang_up(callee.leg)
            self._again = now + AGAIN
        return True

    def refused(self, cause: str) -> bool:
        """Whether an attempt that connected nobody, and ended by ``cause``, ended with who would not confirm.

        Of those that were asked while no daemon listened the cause alone tells: nobody clears a call normally that
        they did not answer.
        """
        return bool(self._ringing.asked) or (self._ringing.asks and cause == "NORMAL_CLEARING")

    async def look(self) -> None:
        """Find out from the dialling leg whether somebody was connected meanwhile. Raises CommandFailed."""
        context, ringing = self._context, self._ringing
        if not ringing.asks or ringing.answered:
            return
        call = context.call
        own = await insist(lambda: context.rooms.legs.look(call.switch, call.leg), context.sure)
        if own is not None and own.bridged:
            ringing.hear_talking(own.bridged, call.connected_at or own.at)

    def _asked(self) -> Sequence[str]:
        """Return the legs on which somebody is asked now."""
        ringing = self._ringing
        return [] if ringing.answered else [leg for leg in ringing.asked if leg not in ringing.gone]

    def _all_asked(self) -> bool:
        return all(callee.leg in {*self._ringing.asked, *self._ringing.gone} for callee in self._ringing.callees)

    def _times(self, asked: Sequence[str]) -> Sequence[float]:
        """Return until when each has time; without a key nobody is hurried."""
        if self._timeout is None:
            return ()
        begins = self._context.rooms.clock()
        return [self._deadlines.setdefault(leg, begins + self._timeout) for leg in asked]

    def _hang_up(self, leg: str) -> None:
        """Hang a callee up; a second time, and what may have been missed is looked for too."""
        if leg in self._ringing.gone:
            return
        call = self._context.call
        unheard(self._context.rooms.legs.hang_up(call.switch, leg, "NO_ANSWER"))
        if leg in self._hung_up:
            self._ringing.suspect()
        self._hung_up.add(leg)
