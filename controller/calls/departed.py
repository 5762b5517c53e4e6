"""Calls that are over for fsrec: let go while their legs live on, or ended, until their rows say so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from controller.calls.events import CallEnded, CallReleased
from controller.calls.ports import CallLedger
from controller.documents.call import Call, CallState
from controller.recordings.model import Delivery
from controller.recordings.ports import LedgerFailed, NotHeld
from controller.telemetry import Hook

T = TypeVar("T")

FIRST_AGAIN, LAST_AGAIN = 0.1, 5.0
"""Seconds after which a row that could not be stored is tried again: at first, and at most."""

SOON = 0.1
"""Seconds after which what is known of a call's end is stored, where its document's farewell is not there by then."""

FAREWELL = 20.0
"""Seconds that the hangup URL waits for the farewell, which is to go before it: as long as a recording may take to be
made ready, and a little more."""

Farewell = Callable[[Call], Coroutine[None, None, Sequence[Delivery]]]
"""What a document still has to tell of its call, which has ended so."""


class Spawn(Protocol):
    """Does work that nobody waits for, or somebody now and then."""

    def __call__(self, work: Coroutine[None, None, T], switch: str, /) -> asyncio.Task[T]:
        """Begin it; it ends where the switch is let go."""
        ...


@dataclass(slots=True)
class Departed:
    """Calls let go, by leg, and the last word on each call until it is durable.

    A row may say ``running`` for as long as its last word cannot be stored: who reads rows looks at ``under_way``.
    With the end of a call is stored what is told of it: by its document, and (``over``) to its hangup URL. So a
    daemon that comes back has either both, or a call whose end is still to be told. Of one that waits for its
    farewell the row says ``running``, with cause and time of its end.
    """

    ledger: CallLedger
    clock: Callable[[], float]
    observe: Hook
    spawn: Spawn
    over: Callable[[Call], Sequence[Delivery]]
    _released: dict[tuple[str, str], dict[str, Call]] = field(default_factory=dict)
    _closing: dict[str, Call] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Call]:
        """Every call that was let go and has not ended."""
        return (call for calls in self._released.values() for call in calls.values())

    def of(self, switch: str) -> list[Call]:
        """Return those of a switch."""
        return [call for call in self if call.switch == switch]

    @property
    def under_way(self) -> frozenset[str]:
        """The calls whose last word is not durable yet."""
        return frozenset(self._closing)

    def holds(self, switch: str, leg: str, call: str) -> bool:
        """Tell whether a leg was let go by that call."""
        return call in self._released.get((switch, leg), {})

    def adopt(self, call: Call) -> None:
        """Take over a row that says that its call was let go."""
        self._released.setdefault((call.switch, call.leg), {})[call.id] = call

    def let_go(self, call: Call, told: Sequence[Delivery] = ()) -> None:
        """Others have the call's leg, and ``told`` is told of it.

        A hangup of ours that did not come to pass is no cause of its end.
        """
        released = call.changed(state=CallState.RELEASED, waiting=None, recording=None, cause=None, ending=None)
        self.adopt(released)
        self.observe(CallReleased(call.id))
        self._close(released, told)

    def end(self, call: Call, cause: str | None, farewell: Farewell | None = None) -> None:
        """Note the end of a call; its own cause, of a hangup of ours, goes before what the switch told.

        So does what a former daemon has noted of it.
        """
        ended = call.changed(
            state=CallState.ENDED,
            ended_at=self.clock() if call.ended_at is None else call.ended_at,
            cause=call.cause or cause,
            waiting=None,
            recording=None,
        )
        self.observe(CallEnded(call.id, ended.cause or ""))
        if farewell is None:
            self._close(ended)
        else:
            self._closing[call.id] = ended
            self.spawn(self._part(call, ended, farewell), call.switch)

    def leg_gone(self, switch: str, leg: str, cause: str) -> None:
        """Note the end of all calls that let this leg go."""
        for call in self._released.pop((switch, leg), {}).values():
            self.end(call, cause)

    def forget(self, call: Call, cause: str) -> None:
        """Note the end of one call that was let go, unless that is done already."""
        known = self._released.get((call.switch, call.leg), {}).pop(call.id, None)
        if known is not None:
            self.end(known, cause)
        if not self._released.get((call.switch, call.leg), True):
            del self._released[call.switch, call.leg]

    def drop(self, switch: str) -> None:
        """Forget the calls of a switch, and what is not stored of them yet: the next who holds it finds it out."""
        self._released = {place: calls for place, calls in self._released.items() if place[0] != switch}
        self._closing = {identity: call for identity, call in self._closing.items() if call.switch != switch}

    def _close(self, call: Call, told: Sequence[Delivery] = ()) -> None:
        """Store what became of a call, until it is stored; of one call never an older value after a newer."""
        under_way = call.id in self._closing
        self._closing[call.id] = call
        if not under_way:
            self.spawn(self._store(call.id, told), call.switch)

    async def _part(self, call: Call, ended: Call, farewell: Farewell) -> None:
        """Store an ended call with its farewell.

        Where that takes a while the row says how and when the call ended, and its step, of which the farewell is
        made: a daemon that comes back makes it. Where it takes long the hangup URL is told before it.
        """
        last = self.spawn(farewell(ended), call.switch)
        parting = replace(ended, state=call.state, waiting=call.waiting, recording=call.recording)
        for seconds, late in ((SOON, False), (FAREWELL, True)):
            await asyncio.wait((last,), timeout=seconds)
            if not last.done():
                with contextlib.suppress(LedgerFailed):  # the last word is tried until it is stored
                    await self.ledger.save(parting, self.over(ended) if late else ())
        await asyncio.wait((last,))
        await self._store(ended.id, last.result())

    async def _store(self, identity: str, farewell: Sequence[Delivery] = ()) -> None:
        delay = FIRST_AGAIN
        while identity in self._closing:
            call = self._closing[identity]
            over = self.over(call) if call.state is CallState.ENDED else ()
            try:
                await self.ledger.save(call, (*farewell, *over))
            except NotHeld:
                self._closing.pop(identity, None)
            except LedgerFailed:
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_AGAIN)
            else:
                if self._closing[identity] is call:
                    del self._closing[identity]
