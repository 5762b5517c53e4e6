"""What every builder works with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from controller.settings import Settings
from controller.telemetry import Hook, Telemetry


@dataclass(frozen=True, slots=True)
class Site:
    """``stack`` is what is taken down at a stop, in reverse; ``work`` what goes on until then.

    ``daemon`` is this one's id among those that share its store, ``clock`` is this machine's.
    """

    settings: Settings
    telemetry: Telemetry
    clock: Callable[[], float]
    daemon: str
    stack: contextlib.AsyncExitStack
    work: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def observe(self) -> Hook:
        """Where telemetry goes."""
        return self.telemetry.observe

    @property
    def switches(self) -> list[str]:
        """The switches of the settings."""
        return [switch.name for switch in self.settings.switches]

    def subscribe(self, hook: Hook) -> None:
        """Hand telemetry to ``hook``, until the stop."""
        self.stack.callback(self.telemetry.subscribe(hook))

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin what goes on until the stop. Where it ends before, the daemon ends with it."""
        task = asyncio.create_task(work)
        self.work.append(task)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.stack.push_async_callback(end)
        return task
