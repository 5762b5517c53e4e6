"""The transcription room's ledger over the store.

Where several daemons share it, each transcription is one daemon's at a time: it is claimed before it is begun, and
what is stored of it is refused once the claim is another's. A daemon that is gone (``daemons``) has no claims.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, select, update

from controller.recordings.model import Delivery, Recording, Transcription, TranscriptionState
from controller.store.codec import DecodeError, decode
from controller.store.statements import LIVING
from controller.store.store import Store
from controller.store.tables import DAEMONS, TRANSCRIPTIONS
from controller.store.transaction import Transaction

LEFT = 10_000
"""Transcriptions left to others that are remembered: one that is forgotten is looked at once more."""


class StoreTranscriptions:
    """Implements ``transcription.ports.TranscriptionLedger``. All raise StoreFailed.

    ``after_commit`` is called on the event loop when a commit that filled the outbox is durable. ``daemon`` is this
    daemon's id where it shares the store with others; without one nothing is claimed.
    """

    def __init__(self, store: Store, after_commit: Callable[[], None], daemon: str | None = None) -> None:
        self._store = store
        self._after_commit = after_commit
        self._daemon = daemon
        self._left: dict[str, None] = {}

    async def recording(self, identity: str) -> Recording | None:
        """Return one recording, None also where its row can't be read: that must not hold up all others."""
        return await self._store.read(lambda reader: reader.readable_recording(identity))

    async def transcription(self, recording: str) -> Transcription | None:
        """Return the transcription of a recording, or None."""
        return await self._store.read(lambda reader: reader.transcription(recording))

    async def unfinished(self, limit: int) -> Sequence[Transcription]:
        """Return those that are waiting or running, and no other daemon's, the one asked for first before all."""
        asked = () if self._daemon is None else (_free_for(self._daemon),)
        left = tuple(self._left)
        return await self._store.read(lambda reader: reader.transcriptions_waiting(limit, left, *asked))

    async def count(self) -> int:
        """Return how many are waiting or running."""
        return await self._store.read(lambda reader: reader.transcriptions_unfinished())

    async def claim(self, transcription: Transcription) -> Transcription | None:
        """Make one this daemon's, and return it as it is now; None where it is over, gone, or another's."""
        daemon = self._daemon
        if daemon is None:
            return transcription
        statement = (
            update(TRANSCRIPTIONS)
            .where(TRANSCRIPTIONS.c.recording == transcription.recording)
            .where(TRANSCRIPTIONS.c.finished_at.is_(None), _free_for(daemon))
            .values(claimed_by=daemon)
            .returning(TRANSCRIPTIONS.c.data)
        )

        text = await self._store.write(lambda transaction: transaction.connection.execute(statement).scalar())
        try:
            return None if text is None else decode(Transcription, text)
        except DecodeError:  # written since by who knows more; ``unfinished`` leaves it out, and tells
            return None

    def want(self, transcription: Transcription) -> Awaitable[bool]:
        """Store one that waits, whosever a former one was; False where its recording is gone."""
        return self._store.write(lambda transaction: transaction.save_transcription(transcription))

    def save(self, transcription: Transcription, told: Delivery | None = None) -> Awaitable[bool]:
        """Store one as it is now and what is told of it, enqueued at once.

        False where its recording is gone, with which it goes, or where it is another daemon's now: then nothing is
        stored, and nobody is told. One that does not run is nobody's any more.
        """
        stored = self._store.write(lambda transaction: self._saved(transaction, transcription, told))
        if told is not None:
            stored.add_done_callback(self._stored)
        return stored

    async def leave(self, transcription: Transcription) -> bool:
        """Have another daemon do what this one cannot; False where none is left that may."""
        daemon = self._daemon
        if daemon is None:
            return False

        def work(transaction: Transaction) -> bool:
            rows = transaction.connection.execute(LIVING.where(DAEMONS.c.id != daemon))
            others = {row.id for row in rows}
            left_by = others & {*transcription.left_by}
            if others == left_by:
                return False
            left = replace(transcription, state=TranscriptionState.WAITING, left_by=(*sorted(left_by), daemon))
            self._saved(transaction, left)
            return True

        left = await self._store.write(work)
        if left:
            self._left[transcription.recording] = None
            while len(self._left) > LEFT:
                del self._left[next(iter(self._left))]
        return left

    def forget(self, recording: str) -> Awaitable[bool]:
        """Delete a recording's transcription; False where there was none."""
        return self._store.write(lambda transaction: transaction.forget_transcription(recording))

    def _saved(self, transaction: Transaction, one: Transcription, told: Delivery | None = None) -> bool:
        claimed_by = None
        if self._daemon is not None:
            mine = select(TRANSCRIPTIONS.c.recording).where(
                TRANSCRIPTIONS.c.recording == one.recording, TRANSCRIPTIONS.c.claimed_by == self._daemon
            )
            if transaction.connection.execute(mine.with_for_update()).scalar() is None:
                return False
            claimed_by = self._daemon if one.state is TranscriptionState.RUNNING else None
        stored = transaction.save_transcription(one, told, claimed_by=claimed_by)
        if not stored:
            transaction.forget_transcription(one.recording)
        return stored

    def _stored(self, stored: Future[bool]) -> None:
        if stored.cancelled() or stored.exception() is None:  # cancelled: its waiter gave up, the work did not
            self._after_commit()


def _free_for(daemon: str) -> ColumnElement[bool]:
    """Return what is true of a transcription that a daemon may claim: its own, nobody's, or one of who is gone."""
    claimer = TRANSCRIPTIONS.c.claimed_by
    living = LIVING.where(DAEMONS.c.id == claimer).exists()
    return claimer.is_(None) | (claimer == daemon) | ~living
