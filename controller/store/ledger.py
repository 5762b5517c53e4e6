"""The core's ledger over the store: state, notices and their deliveries in one transaction (DESIGN section 6)."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from controller.recordings.model import (
    Delivery,
    HistoryEntry,
    Notice,
    Recording,
    Stored,
    Transcription,
    TranscriptionState,
)
from controller.recordings.ports import Along
from controller.store.events import NoticeUnrendered
from controller.store.store import Store
from controller.store.transaction import Transaction
from controller.telemetry import Hook

Render = Callable[[Notice], Sequence[Delivery]]


class StoreLedger:
    """Implements ``recordings.ports.Ledger`` and ``recordings.ports.Shelf``.

    ``render`` makes the deliveries of a notice; it is called before the transaction, in the caller's task.
    ``after_commit`` is called on the event loop when a commit that may have filled the outbox is durable.
    """

    def __init__(self, store: Store, render: Render, after_commit: Callable[[], None], observe: Hook) -> None:
        self._store = store
        self._render = render
        self._after_commit = after_commit
        self._observe = observe

    def commit(
        self,
        recordings: Sequence[Recording],
        notices: Sequence[Notice] = (),
        *,
        history: Sequence[HistoryEntry] = (),
        along: Along | None = None,
    ) -> Awaitable[None]:
        """Store recordings, notices, their deliveries and history, do ``along``: one transaction, enqueued at once.

        A notice that cannot be rendered is stored with the error: the recording's truth never depends on a renderer.
        With its last notice a recording whose words are wanted as text gets a transcription, which waits.
        Raises StoreFailed when nothing was stored. One that is over and told of (it is deleted, say) may be stored by
        whoever does not hold its switch.
        """
        rendered = [self._rendered(notice) for notice in notices]

        def work(transaction: Transaction) -> None:
            for recording in recordings:
                transaction.save_recording(recording)
            for entry in history:
                transaction.add_history(entry)
            for notice, deliveries, error in rendered:
                transaction.add_notice(notice, deliveries, error)
                if notice.kind.last and notice.recording.request.transcription is not None:
                    transaction.add_transcription(wanted(notice.recording, transaction.now))
            if along is not None:
                along(transaction)

        stored = self._store.write(
            work, about={row.owner.switch for row in recordings if notices or not row.state.final}
        )
        if notices or along is not None:
            stored.add_done_callback(self._stored)
        return stored

    async def recording(self, identity: str) -> Recording | None:
        """Return one recording, or None."""
        return await self._store.read(lambda reader: reader.recording(identity))

    async def unfinished(self, switch: str) -> Sequence[Recording]:
        """Return every recording of a switch whose state is not final."""
        return await self._store.read(lambda reader: reader.unfinished(switch))

    async def unstored(self, limit: int) -> Sequence[tuple[str, str]]:
        """Return ids and switches of recordings that the media store is to have, or to lose, oldest first."""
        return await self._store.read(lambda reader: reader.unstored(limit))

    async def stored(self, identity: str, objects: tuple[Stored, ...]) -> Recording | None:
        """Make durable that the media store has these objects, and no others; return the recording as it is then.

        Of one that was deleted meanwhile they are to be removed still, unless there are none. Raises StoreFailed.
        """

        def work(transaction: Transaction) -> Recording | None:
            recording = transaction.recording(identity)
            if recording is None:
                return None
            if recording.deleted_at is not None and objects:
                recording = replace(recording, unstored=True)
            else:
                recording = replace(recording, stored=objects, unstored=False)
            transaction.save_recording(recording)
            return recording

        return await self._store.write(work)

    def _rendered(self, notice: Notice) -> tuple[Notice, Sequence[Delivery], str | None]:
        try:
            return notice, self._render(notice), None
        except Exception as error:  # a renderer's fault must not cost the recording its truth
            text = f"{type(error).__name__}: {error}"
            self._observe(NoticeUnrendered(notice.id, notice.recording.id, notice.kind.value, text))
            return notice, (), text

    def _stored(self, stored: Future[None]) -> None:
        if stored.cancelled() or stored.exception() is None:  # cancelled: its waiter gave up, the work did not
            self._after_commit()


def wanted(recording: Recording, now: float) -> Transcription:
    """Return the transcription that a recording's own request wishes, as it waits from ``now`` on (Unix seconds)."""
    wish, measured = recording.request.transcription, recording.measured
    return Transcription(
        recording.id,
        recording.owner.account,
        TranscriptionState.WAITING,
        now,
        target=None if wish is None else wish.target,
        seconds=0.0 if measured is None else measured.duration,
    )
