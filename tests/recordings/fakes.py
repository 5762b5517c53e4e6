"""The ports of the core, in memory: each tells what it was asked, holds and fails where a test says."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from controller.recordings.model import (
    Channels,
    HistoryEntry,
    Measured,
    Notice,
    NoticeKind,
    Owner,
    Recording,
    RecordingRequest,
    Track,
)
from controller.recordings.ports import Along, Found, LedgerFailed, Presence, Unfinished

REQUEST = RecordingRequest(Channels.MONO, Track.BOTH, "wav", "ref", "swml.record_call")


def owner(call: str = "call", leg: str = "leg", switch: str = "fs1") -> Owner:
    return Owner("acme", "swml", call, switch, leg)


@dataclass
class Holder:
    """Things that wait until they are let go, in order."""

    held: set[str] = field(default_factory=set)
    waiting: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)

    async def pass_by(self, name: str) -> None:
        if name in self.held:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.setdefault(name, deque()).append(future)
            await future

    def let_go(self, name: str) -> None:
        self.held.discard(name)
        for future in self.waiting.pop(name, ()):
            if not future.done():
                future.set_result(None)


@dataclass
class FakeRecorder:
    """A switch that takes commands; its clock is the (virtual) loop's."""

    log: list[str] = field(default_factory=list)
    failures: dict[str, list[Exception]] = field(default_factory=dict)
    presence: Presence = field(default_factory=lambda: Presence(recorder=True, leg=True))
    presences: dict[str, Presence | Exception] = field(default_factory=dict)
    holder: Holder = field(default_factory=Holder)
    ledger: FakeLedger | None = None

    async def _do(self, name: str, recording: Recording) -> float:
        if self.ledger is not None:
            stored = self.ledger.rows.get(recording.id)
            assert stored is not None, f"{name} before its row is durable"
            assert stored.revision >= recording.revision, f"{name} before its change is durable"
        self.log.append(name)
        await self.holder.pass_by(name)
        if self.failures.get(name):
            raise self.failures[name].pop(0)
        return asyncio.get_running_loop().time()

    async def start(self, recording: Recording) -> None:
        await self._do("start", recording)

    async def stop(self, recording: Recording) -> float:
        return await self._do("stop", recording)

    async def mask(self, recording: Recording) -> float:
        return await self._do("mask", recording)

    async def unmask(self, recording: Recording) -> float:
        return await self._do("unmask", recording)

    async def inquire(self, recording: Recording) -> Presence:
        await self._do("inquire", recording)
        found = self.presences.get(recording.id, self.presence)
        if isinstance(found, Exception):
            raise found
        return found

    def now(self, switch: str) -> float:
        return asyncio.get_running_loop().time()


@dataclass
class FakeLedger:
    """Rows that are durable when their commit returns; a commit is refused while `failing` is not empty."""

    rows: dict[str, Recording] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    history: dict[tuple[str, int], HistoryEntry] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)
    holder: Holder = field(default_factory=Holder)
    alongs: list[Any] = field(default_factory=list)
    lie: bool = False
    """Whether the next commit is stored and said to have failed, as where the link to a database breaks on it."""

    def commit(
        self,
        recordings: Sequence[Recording],
        notices: Sequence[Notice] = (),
        *,
        history: Sequence[HistoryEntry] = (),
        along: Along | None = None,
    ) -> Awaitable[None]:
        return asyncio.ensure_future(self._commit(tuple(recordings), tuple(notices), tuple(history), along))

    async def _commit(
        self,
        recordings: tuple[Recording, ...],
        notices: tuple[Notice, ...],
        history: tuple[HistoryEntry, ...],
        along: Along | None,
    ) -> None:
        await self.holder.pass_by("commit")
        if self.failing:
            raise self.failing.pop(0)
        for recording in recordings:
            before = self.rows.get(recording.id)
            assert before is None or before.revision < recording.revision, "a commit out of order"
            since = 0 if before is None else before.revision + 1
            steps = [entry.revision for entry in history if entry.recording == recording.id]
            assert steps == [*range(since, recording.revision + 1)], "a change of which nothing is kept, or too much"
            self.rows[recording.id] = recording
            self.commits.append(recording.state.value)
        self.notices += notices
        self.history.update({(entry.recording, entry.revision): entry for entry in history})
        if along is not None:
            along(self.alongs)
        if self.lie:
            self.lie = False
            raise LedgerFailed("the connection broke")

    async def recording(self, identity: str) -> Recording | None:
        return self.rows.get(identity)

    async def unfinished(self, switch: str) -> Sequence[Recording]:
        found = [row for row in self.rows.values() if not row.state.final and row.owner.switch == switch]
        await self.holder.pass_by("unfinished")
        return found

    @property
    def told(self) -> list[NoticeKind]:
        return [notice.kind for notice in self.notices]

    def fail(self, times: int = 1) -> None:
        self.failing += [LedgerFailed("disk full")] * times


@dataclass
class FakeMedia:
    """Files whose measure is `found`, or an error first."""

    found: Found = field(default_factory=lambda: Found(Measured(2.0, 32044)))
    errors: list[Exception] = field(default_factory=list)
    asked: list[Recording] = field(default_factory=list)
    sizes: deque[int] = field(default_factory=deque)
    """Of a file that is not closed: one for each look, the last for all that follow."""
    masters: set[str] = field(default_factory=set)
    """Ids of recordings whose file is there already when that is asked."""
    since: float | None = None
    """Since when a file is written, by its own word."""
    noted: list[str] = field(default_factory=list)
    cleared: list[Recording] = field(default_factory=list)
    holder: Holder = field(default_factory=Holder)

    async def began(self, recording: Recording) -> float | None:
        return self.since

    async def begun(self, recording: Recording) -> bool:
        return recording.id in self.masters

    async def condemn(self, recording: Recording) -> None:
        await self.holder.pass_by("condemn")
        if self.errors:
            raise self.errors.pop(0)
        self.noted.append(recording.id)

    async def clear(self, recording: Recording) -> None:
        await self.holder.pass_by("clear")
        self.cleared.append(recording)

    async def to_clear(self) -> Sequence[str]:
        return self.noted

    async def examine(
        self, recording: Recording, *, closed: bool, playable: Callable[[Measured], None] = lambda _: None
    ) -> Found:
        self.asked.append(recording)
        await self.holder.pass_by("examine")
        if recording.request.format != "wav" and self.found.measured is not None:
            playable(self.found.measured)
            await self.holder.pass_by("encode")
        if self.errors:
            raise self.errors.pop(0)
        if not closed and self.sizes:
            raise Unfinished(self.sizes.popleft() if len(self.sizes) > 1 else self.sizes[0])
        return self.found if recording.measured is None else Found(replace(recording.measured, size=44, derived=True))


@dataclass
class Caught:
    """What reached the loop's exception handler."""

    errors: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: self.errors.append(context.get("exception", RuntimeError(context["message"])))
        )
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().set_exception_handler(None)


def task_of(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)
