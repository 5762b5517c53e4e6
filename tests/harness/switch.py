"""What a scenario may ask of a switch, whichever it runs on.

One definition both keep, so that a scenario runs unchanged on the embedded softswitch and on a real FreeSWITCH:

* `call` returns when the leg is parked by the dialplan: unanswered, its hangup armed (`sched_hangup`).
* **The script's clock starts when the leg is answered**, never before: until then a caller hears ringing and says
  nothing. On a real switch the first sample comes some 20 ms after the answer, at the latest SCRIPT_LATENCY: the
  calling leg notices the answer between two ticks and then opens the file. Judge lengths and distances within a
  recording, not the distance from the answer.
* After the script's last step the caller stays on the line, sending silence, until somebody hangs up; `Hangup`
  hangs up. A digit takes the time that the script's rendering gives it.
* What the caller says is what the parked leg reads; what the switch plays to the leg is what it writes.
* `ended` gives the cause by which the leg ended, or SWITCH_LOST when the switch died under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.softswitch.script import Script
from tests.harness.esl import Address

SCRIPT_LATENCY = 0.2
"""Seconds within which a caller's script has begun after the leg's answer."""

SWITCH_LOST = "SWITCH_LOST"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this switch can be made to suffer, and do."""

    kill: bool
    sip: bool


class Call(Protocol):
    """A caller on the line."""

    @property
    def leg(self) -> str:
        """Unique-ID of the parked leg."""
        ...

    @property
    def alive(self) -> bool:
        """Whether the leg has not ended yet."""
        ...

    @property
    def heard_digits(self) -> str:
        """The digits that the leg sent to the caller, so far."""
        ...

    async def hangup(self, cause: str = "NORMAL_CLEARING") -> None:
        """The caller hangs up."""
        ...

    async def press(self, digits: str) -> None:
        """The caller presses keys, now."""
        ...

    async def ended(self, timeout: float = 10.0) -> str:
        """Wait for the leg's end; its cause."""
        ...


class Switch(Protocol):
    """A running switch, for one test."""

    @property
    def abilities(self) -> Abilities: ...

    @property
    def address(self) -> Address:
        """Where the product connects. On a live switch a proxy stands there, so that the link can be cut."""
        ...

    @property
    def direct(self) -> Address:
        """The switch itself, without a proxy: for measuring, and for the test's own ears."""
        ...

    @property
    def recordings(self) -> Path:
        """A directory of this test that the switch writes and the test reads, under one path."""
        ...

    async def call(
        self,
        destination: str = "1001",
        script: Script = (),
        *,
        caller_name: str = "",
        caller_number: str = "15551230000",
        variables: Mapping[str, str] | None = None,
        rate: int = 8000,
        timeout: float = 10.0,
    ) -> Call:
        """Somebody calls `destination` of the context fsrec; returns when that leg is parked.

        `variables` are channel variables of the leg, as a dialplan would set them (fsrec_account …): plain text
        without control characters, quotes, braces, commas, backslashes, $; ValueError otherwise on a live switch.
        `rate` is the leg's, 8000 or 16000 Hz: its recordings have it too.
        """
        ...

    async def kill(self) -> None:
        """The switch dies at once (SIGKILL), with all its calls."""
        ...

    async def restart(self) -> None:
        """A new life (another Core-UUID) at the same address, after `kill` or instead of it; serving on return."""
        ...

    async def cut_links(self) -> None:
        """Every connection at `address` breaks, mid-frame if need be; calls go on."""
        ...

    async def refuse_links(self, refuse: bool = True) -> None:
        """From now on (until `refuse_links(False)`) connections to `address` break at once."""
        ...

    def log(self) -> str:
        """The end of what the switch logged, for a failure's report."""
        ...
