"""The one ordered stream of events between the link and its reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

from controller.switch.wire_codec import Event

Batch: TypeAlias = tuple[list[Event], int]
"""Events, and the bytes they came in."""
Mark: TypeAlias = asyncio.Future[None]
"""Is done once everything put before it has been taken."""


class EventQueue:
    """Batches and marks in, batches out, to one reader. Its length is bounded by the wire's marks, not here."""

    def __init__(self, taken: Callable[[int, int], None]) -> None:
        self._taken = taken  # is told events and bytes as a batch is handed over
        self._entries: deque[Batch | Mark] = deque()
        self._wake = asyncio.Event()
        self._ended = False
        self._has_reader = False

    def put(self, events: list[Event], size: int) -> None:
        """Append a batch; an empty one is none."""
        if events:
            self._entries.append((events, size))
            self._wake.set()

    def put_mark(self, mark: Mark) -> None:
        """Append a mark."""
        self._entries.append(mark)
        self._wake.set()

    def end(self) -> list[Mark]:
        """Let the reader end after what is there, and give back the marks: nobody may be left to reach them."""
        self._ended = True
        marks = [entry for entry in self._entries if isinstance(entry, asyncio.Future)]
        self._entries = deque(entry for entry in self._entries if not isinstance(entry, asyncio.Future))
        self._wake.set()
        return marks

    async def batches(self) -> AsyncGenerator[list[Event], None]:
        """Give batches until the end. A mark is passed when its reader, done with what came before, asks for more."""
        if self._has_reader:
            raise RuntimeError("events() has a reader already; events are given once")
        self._has_reader = True
        try:
            while self._entries or not self._ended:
                if not self._entries:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                entry = self._entries.popleft()
                if not isinstance(entry, asyncio.Future):
                    events, size = entry
                    self._taken(len(events), size)
                    yield events
                elif not entry.done():
                    entry.set_result(None)
        finally:
            self._has_reader = False
