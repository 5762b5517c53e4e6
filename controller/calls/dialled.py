"""Dialled legs: what is heard of them, told to the call that dialled them, whose account they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from controller.calls.ports import Callee
from controller.documents.call import Call, CallState

REMEMBERED = 1_000
"""Dialled legs that are over, which still are found: clients go on under the id that they recorded under."""

LOST = "LOSE_RACE"
"""Cause of a callee that rang, or answered, while another was connected."""


@dataclass(slots=True)
class Ringing:
    """One attempt: callees that ring at once, and what became of them. Times are the switch's (Unix seconds).

    ``answered`` and ``gone`` are by leg, the latter with its cause. Where it ``asks``, who answers is ``asked``
    first, and has answered with the connection. ``over`` is when the bridge that rang them ended, and ``cause`` how.
    ``keys`` are the digits of their conversation that nobody has looked at yet, and whether the callee pressed them;
    ``tails`` those before them. ``doubt`` says that something may have been missed. ``news`` is set by whatever is
    heard.
    """

    execution: str
    callees: Sequence[Callee]
    dialler: Callable[[], Call]
    asks: bool = False
    asked: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    over: float | None = None
    cause: str = ""
    star: bool = False
    keys: list[tuple[str, bool]] = field(default_factory=list)
    tails: dict[bool, str] = field(default_factory=dict)
    doubt: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def winner(self) -> Callee | None:
        """Who answered first; of those who do so at once, the switch says who did not."""
        legs = [leg for leg in self.answered if self.gone.get(leg) != LOST]
        return next((callee for callee in self.callees if legs and callee.leg == legs[0]), None)

    def end(self, at: float, cause: str) -> None:
        """Hear that the bridge is over."""
        if self.over is None:
            self.over, self.cause = at, cause
        self.news.set()

    def hear_answer(self, leg: str, at: float) -> None:
        """Hear that a callee answered."""
        (self.asked if self.asks else self.answered).setdefault(leg, at)
        self.news.set()

    def hear_talking(self, leg: str, at: float) -> None:
        """Hear that a callee is connected; of one that was not asked its answer told as much, early media more."""
        if self.asks and any(callee.leg == leg for callee in self.callees):
            self.answered.setdefault(leg, at)
            self.news.set()

    def pressed(self, digit: str, leg: str = "") -> None:
        """Hear a digit of the dialling leg's party, or of the callee's on ``leg``."""
        if digit == "*" and not leg:
            self.star = True
            self.news.set()
        winner = self.winner
        if winner is not None and self.over is None and leg in {"", winner.leg}:
            self.keys.append((digit, bool(leg)))
            self.news.set()

    def matched(self, matches: Sequence[str], callee_matches: Sequence[str]) -> list[tuple[str, bool]]:
        """Return what of either side's ``matches`` was pressed since this was asked last, and by whom.

        With each digit at most one has been: the longest that the digits pressed so far end with.
        """
        found = []
        for digit, by_callee in self.keys:
            waited = callee_matches if by_callee else matches
            longest = max(map(len, waited), default=0)
            tail = self.tails[by_callee] = (self.tails.get(by_callee, "") + digit)[-longest:] if longest else ""
            ends = [match for match in waited if match and tail.endswith(match)]
            if ends:
                found.append((max(ends, key=len), by_callee))
        self.keys.clear()
        return found

    def suspect(self) -> None:
        """Hear that the legs should be looked at."""
        self.doubt = True
        self.news.set()


@dataclass(slots=True)
class DialledLegs:
    """The attempts under way, by the legs that they ring, and the legs of those that were last."""

    _attempts: dict[tuple[str, str], Ringing] = field(default_factory=dict)
    _past: dict[str, Call] = field(default_factory=dict)

    def begin(self, switch: str, ringing: Ringing) -> None:
        """Hear of these legs from now on."""
        self._attempts.update({(switch, callee.leg): ringing for callee in ringing.callees})

    def end(self, switch: str, ringing: Ringing) -> None:
        """Hear of them no more."""
        for callee in ringing.callees:
            if self._attempts.pop((switch, callee.leg), None) is not None:
                # Without its document's text, which may be long: nothing runs on it.
                self._past[callee.leg] = replace(_as_call(callee.leg, ringing), state=CallState.ENDED, text="")
        while len(self._past) > REMEMBERED:
            del self._past[next(iter(self._past))]

    def let_go(self, switch: str) -> None:
        """Forget what is under way on a switch: it is not over."""
        self._attempts = {place: ringing for place, ringing in self._attempts.items() if place[0] != switch}

    def past(self, leg: str) -> Call | None:
        """Return one of the last that are over, as a call that has ended, or None."""
        return self._past.get(leg)

    def answered(self, switch: str, leg: str, at: float) -> None:
        """CHANNEL_ANSWER."""
        ringing = self._attempts.get((switch, leg))
        if ringing is not None:
            ringing.hear_answer(leg, at)

    def pressed(self, switch: str, leg: str, digit: str) -> None:
        """DTMF from who was dialled."""
        ringing = self._attempts.get((switch, leg))
        if ringing is not None:
            ringing.pressed(digit, leg)

    def talking(self, switch: str, dialler: str, leg: str, at: float) -> None:
        """CHANNEL_BRIDGE of a dialling leg with a callee's."""
        ringing = self._attempts.get((switch, leg))
        if ringing is not None and ringing.dialler().leg == dialler:
            ringing.hear_talking(leg, at)

    def gone(self, switch: str, leg: str, cause: str) -> None:
        """CHANNEL_HANGUP_COMPLETE."""
        ringing = self._attempts.get((switch, leg))
        if ringing is not None:
            ringing.gone.setdefault(leg, cause)

    def __iter__(self) -> Iterator[Call]:
        """Give the legs that are dialled now, as calls of their own: each is its dialler's account's."""
        for (_, leg), ringing in self._attempts.items():
            yield _as_call(leg, ringing)


def _as_call(leg: str, ringing: Ringing) -> Call:
    parent = ringing.dialler()
    answered_at = ringing.answered.get(leg, ringing.asked.get(leg))
    answered = answered_at is not None
    info = replace(parent.info, direction="outbound", answered=answered, channel_name="", profile_at=None)
    return replace(parent, id=leg, leg=leg, info=info, parent=parent.id, hangup_url=None, answered_at=answered_at)
