"""A daemon whose database is its own: it holds every switch of its settings, always."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from controller.cluster.ports import Duties


@dataclass(slots=True)
class Alone:
    """Implements ``Cluster`` without rows and renewals."""

    switches: Collection[str]
    duties: Duties

    def holds(self, switch: str) -> bool:
        """Tell whether it is one of the settings."""
        return switch in self.switches

    def foreign(self, _switch: str) -> bool:
        """There are no other daemons."""
        return False

    def refusal(self, _switch: str) -> str | None:
        """Refuse nothing."""
        return None

    def renounce(self, _switch: str) -> None:
        """Nobody else is there to have it."""

    def unserved(self) -> Mapping[str, str]:
        """None."""
        return MappingProxyType({})

    @property
    def held(self) -> Collection[str]:
        """All of them."""
        return self.switches

    @property
    def elsewhere(self) -> Mapping[str, str]:
        """None."""
        return MappingProxyType({})

    async def start(self) -> None:
        """Begin with every switch, and end what ran on those that left the settings. Raises LedgerFailed."""
        for switch in self.switches:
            await self.duties.begin(switch)
        for switch in await self.duties.removed():
            await self.duties.give_up(switch)

    async def run(self) -> None:
        """There is nothing to be renewed."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Let go of every switch."""
        await asyncio.gather(*(self.duties.let_go(switch, "this daemon stops") for switch in self.switches))

    async def leave(self) -> None:
        """Nobody is there to know."""
