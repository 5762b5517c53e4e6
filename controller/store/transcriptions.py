"""The transcription room's ledger over the store."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence

from controller.recordings.model import Delivery, Recording, Transcription
from controller.store.store import Store


class StoreTranscriptions:
    """Implements ``transcription.ports.TranscriptionLedger``. All raise StoreFailed.

    ``after_commit`` is called on the event loop when a commit that filled the outbox is durable.
    """

    def __init__(self, store: Store, after_commit: Callable[[], None]) -> None:
        self._store = store
        self._after_commit = after_commit

    async def recording(self, identity: str) -> Recording | None:
        """Return one recording, None also where its row can't be read: that must not hold up all others."""
        return await self._store.read(lambda reader: reader.readable_recording(identity))

    async def transcription(self, recording: str) -> Transcription | None:
        """Return the transcription of a recording, or None."""
        return await self._store.read(lambda reader: reader.transcription(recording))

    async def unfinished(self, limit: int) -> Sequence[Transcription]:
        """Return those that are waiting or running, the one asked for first before all others."""
        return await self._store.read(lambda reader: reader.transcriptions_waiting(limit))

    async def count(self) -> int:
        """Return how many are waiting or running."""
        return await self._store.read(lambda reader: reader.transcriptions_unfinished())

    def save(self, transcription: Transcription, told: Delivery | None = None) -> Awaitable[bool]:
        """Store one as it is now and what is told of it, enqueued at once; False where its recording is gone."""
        stored = self._store.write(lambda transaction: transaction.save_transcription(transcription, told))
        if told is not None:
            stored.add_done_callback(self._stored)
        return stored

    def forget(self, recording: str) -> Awaitable[bool]:
        """Delete a recording's transcription; False where there was none."""
        return self._store.write(lambda transaction: transaction.forget_transcription(recording))

    def _stored(self, stored: Future[bool]) -> None:
        if stored.cancelled() or stored.exception() is None:  # cancelled: its waiter gave up, the work did not
            self._after_commit()
