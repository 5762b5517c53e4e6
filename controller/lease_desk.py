"""What begins and ends with a switch's lease: its calls and recordings are known, then it is connected, and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from controller.calls.desk import CallDesk
from controller.recordings.facts import SwitchLost
from controller.recordings.ports import LedgerFailed
from controller.recordings.service import RecordingService
from controller.store.store import Store
from controller.switch.board import Switchboard
from controller.telemetry import SwitchRemoved, Telemetry
from controller.webhooks.outbox import Outbox

FLUSH = 3.0
"""Seconds that what was enqueued is given to be stored before others may have the switches."""


@dataclass(slots=True)
class LeaseDesk:
    """Implements ``cluster.ports.Duties``; ``switches`` are those of the settings."""

    switches: Collection[str]
    board: Switchboard
    recordings: RecordingService
    desk: CallDesk
    store: Store
    outbox: Outbox
    telemetry: Telemetry
    clock: Callable[[], float]
    _given_up: set[str] = field(default_factory=set)

    async def begin(self, switch: str) -> None:
        """Adopt what the rows say, so that the first facts are understood, then connect."""
        await self.recordings.adopt(switch)
        await self.desk.adopt(switch)
        self.board.attach(switch)

    def let_go(self, switch: str, reason: str) -> Awaitable[None]:
        """Cut the link first: whatever is cancelled then has nothing to say on it."""
        ended = self.board.detach(switch, reason) if switch in self.switches else asyncio.sleep(0)
        self.recordings.let_go(switch)
        self.desk.let_go(switch)
        self._given_up.discard(switch)
        return ended

    def lapsed(self) -> None:
        """Deliver nothing that is queued: others may have claimed it."""
        self.outbox.forget()

    async def flush(self) -> None:
        """Wait until the writer has come by."""
        with contextlib.suppress(LedgerFailed, TimeoutError):
            async with asyncio.timeout(FLUSH):
                await self.store.write(lambda _: None)

    async def removed(self) -> Collection[str]:
        """Ask the store."""
        return await self.store.read(lambda reader: reader.switches()) - frozenset(self.switches)

    async def give_up(self, switch: str) -> None:
        """End what ran there: its recordings keep what was written, and are told."""
        for recording in await self.recordings.adopt(switch):
            self.recordings.apply(recording.id, SwitchLost(self.clock()))
        await self.desk.lost(switch)
        if switch not in self._given_up:
            self._given_up.add(switch)
            self.telemetry.observe(SwitchRemoved(switch))
