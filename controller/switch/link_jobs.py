"""The jobs of one session, by Job-UUID, and small readers of what the switch says."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from controller.switch.wire_codec import Event


class Jobs:
    """bgapi jobs that run. All have ids of one prefix, so the late end of one that was given up is known for ours."""

    def __init__(self) -> None:
        self._prefix = f"{uuid.uuid4()}-"
        self._count = 0
        self._running: dict[str, asyncio.Future[Event]] = {}
        self._fences: dict[str, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, fence: asyncio.Future[None] | None) -> tuple[str, asyncio.Future[Event]]:
        """Count a job as running: its Job-UUID, and its BACKGROUND_JOB when that comes. It may carry a fence."""
        self._count += 1
        identity = f"{self._prefix}{self._count}"
        end: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        end.add_done_callback(look_at)
        self._running[identity] = end
        if fence is not None:
            self._fences[identity] = fence
        return identity, end

    def ended(self, event: Event) -> bool:
        """Take a BACKGROUND_JOB; False if it is of another client's job."""
        identity = text_of(event, "Job-UUID")
        if (end := self._running.pop(identity, None)) and not end.done():
            end.set_result(event)
        return identity.startswith(self._prefix)

    def fence(self, event: Event) -> asyncio.Future[None] | None:
        """Give the fence that came with this event, once."""
        return self._fences.pop(text_of(event, "Job-UUID"), None)

    def forget(self, identity: str) -> None:
        """Give a job up, or be done with it."""
        self._running.pop(identity, None)
        self._fences.pop(identity, None)

    def end(self, error: Exception) -> None:
        """Fail all. Whoever waits for a fence waits for its job first."""
        for end in self._running.values():
            fail(end, error)
        self._running.clear()
        self._fences.clear()


def look_at(future: asyncio.Future[Any]) -> None:
    """Take note of a failure that nobody awaits: LinkDown has told it."""
    if not future.cancelled():
        future.exception()


def fail(future: asyncio.Future[Any], error: Exception) -> None:
    """Fail a future that is not done."""
    if not future.done():
        future.set_exception(error)


def api_ok(text: str) -> bool:
    """Tell whether what an api command printed is no refusal."""
    return not text.startswith(("-ERR", "-USAGE"))


def text_of(event: Event, name: str) -> str:
    """Header of an event as text; "" if it is missing or, as a caller can bring about, a list."""
    value = event.get(name)
    return value if isinstance(value, str) else ""


def timestamp_of(event: Event) -> float:
    """Event-Date-Timestamp (µs since the epoch, by the switch's clock) in seconds; 0 if it is missing."""
    stamp = text_of(event, "Event-Date-Timestamp")
    return int(stamp) / 1_000_000 if len(stamp) <= 20 and stamp.isascii() and stamp.isdigit() else 0.0
