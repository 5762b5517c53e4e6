"""What happens in one run: calls, what their callers and clients do, and faults. One seed gives one plan, always."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

Store = Literal["sqlite", "postgresql"]

KINDS = (
    *("swml_stop", "swml_end", "swml_record", "swml_two", "swml_pause", "swml_limit"),
    *("twiml_start", "twiml_rest", "laml_rest"),
    *("plivo_record", "plivo_session", "plivo_rest"),
)
"""What a call's document does: ``documents``."""

RECEIVERS = 4
"""Origins of a run; each call tells one of them."""


class Fault(StrEnum):
    """What goes wrong."""

    CUT = "link cut"
    HALF = "frame halved, link cut"
    STALL = "link stalled"
    DELAY = "link delayed"
    REFUSE = "link refused"
    KILL_DAEMON = "daemon killed"
    RESTART = "daemon restarted"
    KILL_SWITCH = "switch killed"
    KILL_STORE = "database killed"
    HANG = "receiver hangs"
    RESET = "receiver resets"
    ERROR = "receiver answers 500"
    BUSY = "receiver answers 429"
    GONE = "receiver answers 410"


MOMENTS = (
    *("record_session", "uuid_record", "uuid_setvar", "uuid_buglist", "uuid_kill"),
    *("CHANNEL_PARK", "CHANNEL_ANSWER", "RECORD_START", "RECORD_STOP", "CHANNEL_HANGUP_COMPLETE", "BACKGROUND_JOB"),
)
"""What commands and events say at moments that matter."""

NOTICE = "notice"
"""The moment in which a receiver has a request, and has not answered."""

LINK = (Fault.CUT, Fault.HALF, Fault.STALL, Fault.DELAY, Fault.REFUSE)
RECEIVER = (Fault.HANG, Fault.RESET, Fault.ERROR, Fault.BUSY, Fault.GONE)


@dataclass(frozen=True, slots=True)
class Act:
    """What a client asks over REST, ``at`` seconds after the call's take-over: start, pause, resume, stop."""

    at: float
    what: Literal["start", "pause", "resume", "stop"]


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call, ``at`` seconds after the begin. ``length`` (s) is what its document records or waits.

    The caller speaks for ``speech`` seconds, then presses ``key`` (if any), and hangs up ``hangup`` seconds after the
    answer (None: the document ends the call). ``behavior`` is a pause's.
    """

    at: float
    number: int
    kind: str
    length: float
    speech: float
    key: str
    hangup: float | None
    receiver: int
    form: Literal["wav", "mp3"]
    stereo: bool
    behavior: Literal["silence", "skip"]
    acts: tuple[Act, ...] = ()

    @property
    def bound(self) -> float:
        """Seconds that the call lasts at most when nothing goes wrong."""
        return 2 * self.length + 6.0

    def __str__(self) -> str:
        acts = "".join(f", {act.what} at {act.at:.2f}" for act in self.acts)
        key = f", presses {self.key}" if self.key else ""
        ends = "" if self.hangup is None else f", hangs up at {self.hangup:.2f}"
        return f"{self.number} {self.kind} of {self.length:.2f} s, tells {self.receiver}{acts}{key}{ends}"


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One fault, ``at`` seconds after the begin, for ``seconds``; ``target`` is a receiver's number.

    With a ``moment`` it waits until these words go by on the link, or a request comes to a receiver (``notice``), and
    strikes before they are forwarded, or answered.
    """

    at: float
    what: Fault
    seconds: float
    target: int = 0
    moment: str = ""

    def __str__(self) -> str:
        target = f" {self.target}" if self.what in RECEIVER else ""
        moment = f" at the next {self.moment}" if self.moment else ""
        return f"{self.what}{target}{moment}, {self.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class Plan:
    """A run."""

    seed: int
    store: Store
    calls: tuple[CallPlan, ...]
    faults: tuple[FaultPlan, ...]

    def __str__(self) -> str:
        lines = [f"seed {self.seed}, {self.store}: {len(self.calls)} calls, {len(self.faults)} faults"]
        happens: list[CallPlan | FaultPlan] = [*self.calls, *self.faults]
        return "\n".join((*lines, *(f"  {one.at:6.2f} {one}" for one in sorted(happens, key=lambda one: one.at))))


def plan_of(seed: int, store: Store, *, calls: int = 30, faults: int = 8, seconds: float = 16.0) -> Plan:
    """Draw a run: so many calls and faults within ``seconds``; a fifth of the calls come after all faults."""
    chance = random.Random(f"{seed} {store}")  # noqa: S311 - a plan, no secret
    drawn = tuple(_call(chance, 1000 + number, seconds) for number in range(calls))
    return Plan(seed, store, drawn, tuple(_faults(chance, store, faults, seconds)))


def _call(chance: random.Random, number: int, seconds: float) -> CallPlan:
    kind = chance.choice(KINDS)
    length = round(chance.uniform(1.0, 6.0), 2)
    hangup = round(chance.uniform(0.05, length + 1.0), 2) if chance.random() < 0.35 else None
    at = chance.uniform(0.0, seconds) if number % 5 else chance.uniform(seconds + 4.0, seconds + 7.0)
    call = CallPlan(
        at=round(at, 2),
        number=number,
        kind=kind,
        length=length,
        speech=round(chance.uniform(0.5, length + 2.0), 2),
        key="#" if chance.random() < 0.3 else "",
        hangup=hangup,
        receiver=chance.randrange(RECEIVERS),
        form="mp3" if chance.random() < 0.15 else "wav",
        stereo=chance.random() < 0.3,
        behavior=chance.choice(("silence", "skip")),
    )
    call = replace(call, acts=_acts(chance, call))
    # Beside a pause a caller is never silent to the digit: nobody could tell the one from the other.
    pauses = any(act.what == "pause" for act in call.acts)
    return replace(call, speech=2 * length + 10.0, key="") if pauses else call


def _acts(chance: random.Random, call: CallPlan) -> tuple[Act, ...]:
    def moments(count: int) -> list[float]:
        return sorted(round(chance.uniform(0.1, call.length), 2) for _ in range(count))

    if call.kind == "swml_pause":
        pause, resume = moments(2)
        return (Act(pause, "pause"), Act(resume, "resume")) if chance.random() < 0.7 else (Act(pause, "pause"),)
    if call.kind in {"twiml_rest", "laml_rest"} and chance.random() < 0.4:
        start, pause, resume, stop = moments(4)
        return Act(start, "start"), Act(pause, "pause"), Act(resume, "resume"), Act(stop, "stop")
    if call.kind.endswith("_rest"):
        start, stop = moments(2)
        return (Act(start, "start"), Act(stop, "stop")) if chance.random() < 0.8 else (Act(start, "start"),)
    return ()


def _faults(chance: random.Random, store: Store, count: int, seconds: float) -> list[FaultPlan]:
    """Draw faults: some of the link, of processes and of receivers in each run."""
    found = []
    for number in range(count):
        room = number % 3
        at = round(chance.uniform(0.5, seconds + 2.0), 2)
        if room == 0:
            what = chance.choice(LINK)
            moment = chance.choice(MOMENTS) if what in {Fault.CUT, Fault.HALF} and chance.random() < 0.6 else ""
            lasts = round(_LINK_SECONDS[what] * chance.uniform(0.1, 1.0), 2)
            found.append(FaultPlan(at, what, lasts, moment=moment))
        elif room == 1:
            kills = [Fault.KILL_DAEMON, Fault.KILL_DAEMON, Fault.RESTART, Fault.KILL_SWITCH, Fault.KILL_SWITCH]
            if store == "postgresql":
                kills.append(Fault.KILL_STORE)
            what, moments = chance.choice(kills), (*MOMENTS, NOTICE)
            moment = (
                chance.choice(moments)
                if what in {Fault.KILL_DAEMON, Fault.KILL_SWITCH} and chance.random() < 0.6
                else ""
            )
            found.append(FaultPlan(at, what, round(chance.uniform(0.0, 2.0), 2), moment=moment))
        else:
            target = chance.randrange(RECEIVERS)
            found.append(FaultPlan(at, chance.choice(RECEIVER), round(chance.uniform(0.5, 5.0), 2), target))
    return sorted(found, key=lambda fault: fault.at)


_LINK_SECONDS = {Fault.CUT: 0.0, Fault.HALF: 0.0, Fault.STALL: 12.0, Fault.DELAY: 6.0, Fault.REFUSE: 4.0}
"""The longest of each."""
