"""Gives the engine its work: a few recordings at a time, the one that waits longest first, through restarts.

A transcription is a row of the store: waiting from the moment that its recording is told to be over, running, then
done or failed, which is told in the same transaction. What a daemon was at when it was killed is begun again by the
next one, three times at most: a recording that takes its daemon with it must not take all that follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from controller.recordings.model import Delivery, Recording, StatusTarget, Transcription, TranscriptionState
from controller.recordings.ports import LedgerFailed, MediaAway, NotPossible, TooMany
from controller.telemetry import Hook
from controller.transcription import refusals
from controller.transcription.events import (
    TranscriptionBegun,
    TranscriptionDropped,
    TranscriptionFinished,
    TranscriptionProgressed,
    TranscriptionStalled,
    TranscriptionUnrendered,
)
from controller.transcription.ports import Engine, Sounds, Told, TranscriptionFailed, TranscriptionLedger

T = TypeVar("T")

TRIES = 3
PROGRESS = 5.0
"""Seconds between two notes of one's progress in the store."""
STALLED = 5.0
"""Seconds after which the store is asked again that failed."""
BATCH = 50
"""Rows that are looked at together, beyond those that count: some may not be readable any more."""
LONGEST = 1_000_000
"""Characters of a text: four times what is said in four hours."""
OTHERWISE = "it is being transcribed already, and another URL is told, or none: ask again once that is over"
NO_ENGINE = "no transcription engine is configured: transcription.engine"


@dataclass(frozen=True, slots=True)
class Terms:
    """``workers`` transcribe at a time and ``queue`` may wait; one costs ``charge``, and ``rate`` for each minute."""

    workers: int = 1
    queue: int = 1000
    charge: float = 0.0
    rate: float = 0.0

    def cost(self, seconds: float) -> float:
        """Return what so many seconds cost: minutes that were begun are whole, as in Plivo's own bills."""
        return round(self.charge + self.rate * math.ceil(seconds / 60), 6)


class TranscriptionDesk:
    """Transcribes what waits in the ledger, by ``engine`` (None: everything fails, and says why).

    ``told`` renders what is over. ``run`` does the work; ``wake`` says that there may be some, or time for it again:
    while ``busy`` none is begun.
    """

    def __init__(
        self,
        ledger: TranscriptionLedger,
        engine: Engine | None,
        sounds: Sounds,
        told: Told,
        terms: Terms | None = None,
        *,
        clock: Callable[[], float] = time.time,
        observe: Hook = lambda _: None,
        stalled: float = STALLED,
        progress: float = PROGRESS,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._sounds = sounds
        self._told = told
        self._terms = terms or Terms()
        self._clock = clock
        self._observe = observe
        self._stalled = stalled
        self._progress = progress
        self._busy = busy
        self._awake = asyncio.Event()
        self._asked = asyncio.Lock()  # of two who ask at once, the second finds what the first has begun
        self._given = asyncio.Lock()  # while work is given out nothing is deleted: it would come back
        self._running: dict[str, asyncio.Task[None]] = {}
        self._heard: dict[str, float] = {}
        self._unfinished = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn, as of the last look."""
        return max(0, self._unfinished - len(self._running))

    @property
    def running(self) -> int:
        """How many are being transcribed."""
        return len(self._running)

    def wake(self) -> None:
        """Say that something may be waiting."""
        self._awake.set()

    # --- what APIs ask -------------------------------------------------------------------------------------------

    async def request(self, recording: str, account: str, target: StatusTarget | None = None) -> Transcription | None:
        """Have a recording transcribed, and ``target`` told; return it as it waits. None where there is none.

        One that is under way already goes on as it is; one that is over is begun anew. Raises NotPossible where the
        recording is not over yet, or another ``target`` than this one would be told of what is under way, TooMany
        where the queue is full, LedgerFailed.
        """
        found = await self._of(recording, account)
        if found is None:
            return None
        if not found.state.final:
            raise NotPossible("the recording has not ended yet: it can be transcribed once it is ready")
        async with self._asked:
            known = await self.get(recording, account)
            if known is not None and not known.state.final:
                if target not in {None, known.target}:
                    raise NotPossible(OTHERWISE)
                return known
            if await self._ledger.count() >= self._terms.queue + self._terms.workers:
                raise TooMany(self._full())
            wanted = Transcription(recording, account, TranscriptionState.WAITING, self._clock(), target)
            if not await self._ledger.save(wanted):
                return None
        self.wake()
        return wanted

    async def get(self, recording: str, account: str) -> Transcription | None:
        """Return the transcription of an account's recording as it is, None where there is none."""
        found = await self._ledger.transcription(recording)
        if found is None or found.account != account:
            return None
        heard = self._heard.get(recording)
        return found if heard is None or found.state.final else replace(found, progress=heard)

    async def delete(self, recording: str, account: str) -> bool:
        """Delete a transcription, also one that is under way, of which nobody is told; False where there is none."""
        async with self._given:
            if await self.get(recording, account) is None:
                return False
            task = self._running.get(recording)
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
            return await self._ledger.forget(recording)

    # --- the work ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Transcribe until cancelled. What was under way then waits for the next daemon, at no cost of a try."""
        self.wake()
        try:
            while True:
                await self._awake.wait()
                self._awake.clear()
                await self._surely("", self._give_out_alone)
        finally:
            running = tuple(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _give_out_alone(self) -> None:
        async with self._given:
            await self._give_out()

    async def _give_out(self) -> None:
        """Begin as many as may run; fail those that are too many."""
        terms = self._terms
        self._unfinished = await self._ledger.count()
        most = terms.queue + terms.workers
        if self._unfinished > most:
            excess = (await self._ledger.unfinished(most + BATCH))[most:]
            for one in excess:
                await self._finish(one, await self._ledger.recording(one.recording), error=self._full())
            self.wake()
        if len(self._running) == terms.workers or self._busy():
            return
        for one in await self._ledger.unfinished(terms.workers + len(self._running) + BATCH):
            if len(self._running) == terms.workers:
                return
            if one.recording not in self._running:
                task = asyncio.get_running_loop().create_task(self._work(one))
                self._running[one.recording] = task
                task.add_done_callback(lambda done, name=one.recording: self._ended(name, done))  # type: ignore[misc]

    def _ended(self, recording: str, task: asyncio.Task[None]) -> None:
        del self._running[recording]
        self._heard.pop(recording, None)
        self._unfinished = max(0, self._unfinished - 1)
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a transcription ended by a fault of ours", "exception": error, "task": task}
            )
        self.wake()

    async def _work(self, one: Transcription) -> None:
        recording = await self._surely(one.recording, lambda: self._ledger.recording(one.recording))
        seconds = 0.0 if recording is None or recording.measured is None else recording.measured.duration
        refused = self._refused(one, recording)
        if refused is not None or recording is None:
            await self._finish(replace(one, seconds=seconds), recording, error=refused or "")
            return
        begun = replace(
            one, state=TranscriptionState.RUNNING, tries=one.tries + 1, seconds=seconds, progress=0.0, error=""
        )
        if not await self._save(begun):
            return
        self._observe(TranscriptionBegun(one.recording, one.account, seconds, begun.tries))
        try:
            text = await self._transcribed(begun, recording)
        except TranscriptionFailed as failure:
            await self._finish(begun, recording, error=str(failure))
        except asyncio.CancelledError:
            with contextlib.suppress(LedgerFailed):  # then the next daemon takes it for one more try
                await self._ledger.save(replace(one, state=TranscriptionState.WAITING))
            raise
        except Exception as error:
            await self._finish(begun, recording, error="the engine failed, for a fault of fsrec's: see its log")
            raise RuntimeError(f"recording {one.recording} could not be transcribed") from error
        else:
            await self._finish(begun, recording, text=text)

    def _refused(self, one: Transcription, recording: Recording | None) -> str | None:
        if recording is None:
            return "the recording is gone, or its row can't be read"
        if self._engine is None:
            return NO_ENGINE
        if one.tries >= TRIES:
            return f"it was begun {one.tries} times, and each time fsrec was stopped by force before it was done"
        return refusals.of_recording(recording)

    async def _transcribed(self, one: Transcription, recording: Recording) -> str:
        """Return what is said. Raises TranscriptionFailed."""
        assert self._engine is not None  # noqa: S101 - looked at by _refused
        try:
            path = await self._surely(one.recording, lambda: self._sounds.wav_of(recording))
        except (OSError, KeyError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "its switch is no longer served"
            raise TranscriptionFailed(f"the recording's file can't be had: {why}") from None
        refused = await asyncio.to_thread(refusals.of_file, path, one.seconds)
        if refused is not None:
            raise TranscriptionFailed(refused)
        noting = asyncio.get_running_loop().create_task(self._note(one))
        try:
            text = _clean(await self._engine.transcribe(path, one.seconds, lambda heard: self._hear(one, heard)))
        finally:
            noting.cancel()
            await asyncio.gather(noting, return_exceptions=True)
        if not text:
            raise TranscriptionFailed(refusals.NOTHING_HEARD)
        return text

    def _hear(self, one: Transcription, heard: float) -> None:
        self._heard[one.recording] = heard
        self._observe(TranscriptionProgressed(one.recording, heard, one.seconds))

    async def _note(self, one: Transcription) -> None:
        """Keep the progress in the store, now and then."""
        kept = 0.0
        while True:
            await asyncio.sleep(self._progress)
            heard = self._heard.get(one.recording, 0.0)
            if heard > kept:
                kept = heard
                with contextlib.suppress(LedgerFailed):
                    await self._ledger.save(replace(one, progress=heard))

    async def _finish(
        self, one: Transcription, recording: Recording | None, *, text: str = "", error: str = ""
    ) -> None:
        """Store the end of one and tell it."""
        terms = self._terms
        done = TranscriptionState.FAILED if error else TranscriptionState.DONE
        now = self._clock()
        over = replace(
            one,
            state=done,
            finished_at=now,
            text=text,
            error=error,
            progress=0.0 if error else one.seconds,
            rate=terms.rate,
            charge=0.0 if error else terms.cost(one.seconds),
        )
        told = None if recording is None else self._rendered(over, recording)
        if await self._save(over, told):
            took = max(0.0, now - one.requested_at)
            self._observe(
                TranscriptionFinished(one.recording, one.account, done.value, one.seconds, len(text), took, error)
            )

    def _rendered(self, over: Transcription, recording: Recording) -> Delivery | None:
        try:
            return self._told(over, recording)
        except Exception as error:  # a renderer's fault must not cost the text
            self._observe(TranscriptionUnrendered(over.recording, f"{type(error).__name__}: {error}"))
            return None

    async def _save(self, one: Transcription, told: Delivery | None = None) -> bool:
        """Store one, however long that takes; False where its recording is gone."""
        stored = await self._surely(one.recording, lambda: self._ledger.save(one, told))
        if not stored:
            await self._surely(one.recording, lambda: self._ledger.forget(one.recording))
            self._observe(TranscriptionDropped(one.recording))
        return stored

    async def _surely(self, recording: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the ledger, or the media, until they answer."""
        while True:
            try:
                return await ask()
            except (LedgerFailed, MediaAway) as failure:
                self._observe(TranscriptionStalled(recording, str(failure)))
                await asyncio.sleep(self._stalled)

    async def _of(self, recording: str, account: str) -> Recording | None:
        found = await self._ledger.recording(recording)
        if found is None or found.owner.account != account or found.deleted_at is not None:
            return None
        return found

    def _full(self) -> str:
        return f"the queue is full: {self._terms.queue} recordings wait to be transcribed (transcription.queue)"


def _clean(text: str) -> str:
    """Return a text that any form and any store takes: one line, without control characters."""
    words = " ".join(text.encode("utf-8", "replace").decode().split())
    return "".join(char for char in words if char.isprintable())[:LONGEST]
