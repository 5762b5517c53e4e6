"""fsrec: the switchboard with its link, as the daemon has it; every event becomes a fact that a listener is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks.ingest_clients.meter import Meter
from controller.switch.board import Switchboard
from controller.switch.facts import Fact
from controller.switch.link import SwitchAddress
from controller.telemetry import Telemetry


@dataclass(frozen=True)
class _Flood:
    events: int
    leg: None = None

    def packet(self) -> str:
        return f"api flood {self.events}"


class _Listener:
    """Asks for the flood when connected, and counts facts."""

    def __init__(self) -> None:
        self.meter = Meter()
        self.board: Switchboard | None = None

    def fact(self, switch: str, core_uuid: str, fact: Fact) -> None:
        self.meter.left -= 1
        if not self.meter.left:
            self.meter.end()

    async def connected(self, switch: str, core_uuid: str) -> None:
        assert self.board is not None
        self.meter.begin()
        self.board.session(switch).post(_Flood(self.meter.events))


async def main() -> None:
    listener = _Listener()
    address = SwitchAddress("fs1", "127.0.0.1", listener.meter.port, "ClueCon")
    listener.board = Switchboard((address,), Telemetry())
    listener.board.attach("fs1")
    await listener.board.run(listener)


if __name__ == "__main__":
    asyncio.run(main())
