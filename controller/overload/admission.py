"""Who may come in: looks at every signal, gives up in the order of ``levels``, takes back by itself, and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from controller.overload.levels import SUFFERS, Shed, Signal
from controller.telemetry import Hook

LOOK = 0.5
"""Seconds between looks at the signals."""


@dataclass(frozen=True, slots=True)
class OverloadBegan:
    """A signal asks to give more up than before (telemetry): all up to ``shed``; ``why`` says it."""

    signal: str
    shed: str
    why: str


@dataclass(frozen=True, slots=True)
class OverloadEnded:
    """A signal asks to give nothing up any more, ``seconds`` after it began to (telemetry)."""

    signal: str
    seconds: float


@dataclass(slots=True)
class Admission:
    """``signals`` are of the whole daemon; ``by_switch`` returns those of one switch, which cost no other.

    ``clock`` counts seconds, from anywhere.
    """

    signals: Sequence[Signal]
    by_switch: dict[str, Signal]
    observe: Hook
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            self.look()

    def look(self) -> None:
        """Look at every signal once."""
        for signal in (*self.signals, *self.by_switch.values()):
            before = signal.level
            now = signal.look()
            if now > before:
                self._since.setdefault(signal.name, self.clock())
                self.observe(OverloadBegan(signal.name, now.name.lower(), str(signal)))
            elif before and not now:
                self.observe(OverloadEnded(signal.name, self.clock() - self._since.pop(signal.name)))

    @property
    def level(self) -> Shed:
        """What the whole daemon gives up now."""
        return max((signal.level for signal in self.signals), default=Shed.NOTHING)

    def refusal(self, what: Shed, switch: str | None = None) -> str | None:
        """Say why something is given up now, None where it is not."""
        for signal in self.signals:
            if signal.level >= what:
                return str(signal)
        one = None if switch is None else self.by_switch.get(switch)
        return str(one) if one is not None and one.level >= what else None

    def problems(self) -> list[tuple[Shed, str]]:
        """Return what asks to give something up in the whole daemon: what it gives up, and who suffers, in words."""
        return [(signal.level, f"{signal}: {SUFFERS[signal.level]}") for signal in self.signals if signal.level]

    def switch_problems(self) -> dict[str, str]:
        """Return the switches whose new calls are turned away, and why."""
        return {
            switch: f"{signal}: {SUFFERS[signal.level]}" for switch, signal in self.by_switch.items() if signal.level
        }
