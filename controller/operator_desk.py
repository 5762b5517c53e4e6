"""What operators ask, of whichever account and switch, and who of this daemon, or of another, answers it.

What has rows is read from the store, so every daemon knows all of it; of what runs here the value in memory is newer.
Verbs go the way of the APIs' verbs, to the daemon that holds the switch. Whose something is is looked at here alone:
what is another account's does not exist for whoever asks.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

from controller import __version__
from controller.api_desk import ApiDesk
from controller.calls.desk import CallDesk
from controller.cluster.ports import Cluster
from controller.console.ports import (
    Health,
    Live,
    NotAllowed,
    NotFound,
    Place,
    Running,
    Search,
    Story,
    SwitchStatus,
    Told,
    Viewer,
)
from controller.documents.call import Call
from controller.federated_desk import FederatedDesk
from controller.media.waveform import Waveform, waveform
from controller.overload.disks import Disks
from controller.recordings.model import EndReason, PauseBehavior, Recording
from controller.recordings.ports import NotPossible, SwitchAway
from controller.recordings.service import RecordingService
from controller.store import search as rows
from controller.store.codec import DecodeError
from controller.store.reader import Reader
from controller.store.search import identity_in, in_order
from controller.store.store import Store
from controller.store.values import DeliveryState, OutboxRow
from controller.switch.board import Switchboard
from controller.telemetry import RecordingChanged
from controller.webhooks.outbox import Outbox

ASKED = "an operator asked for a reconciliation"
OUTLINES = 2
"""Outlines that are drawn at a time: an hour of two channels is read in some 40 ms."""


@dataclass(slots=True)
class OperatorDesk:
    """Implements ``console.ports.Operations``.

    ``switches`` are those of the settings, ``problems`` and ``degraded`` what ``/readyz`` says. ``observe`` is to be
    subscribed to telemetry, and ``close`` to be called at the end.
    """

    switches: Sequence[str]
    api: ApiDesk | FederatedDesk
    recordings: RecordingService
    calls: CallDesk
    store: Store
    outbox: Outbox
    board: Switchboard
    cluster: Cluster
    disks: Disks
    problems: Callable[[], Sequence[str]]
    degraded: Callable[[], Sequence[str]]
    _changed: list[Callable[[], None]] = field(default_factory=list)
    _drawing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(OUTLINES, "outline"))

    def close(self) -> None:
        """Draw no more outlines."""
        self._drawing.shutdown(wait=False, cancel_futures=True)

    # --- what runs -------------------------------------------------------------------------------------------------

    async def live(self, viewer: Viewer, limit: int) -> Live:
        """Return what runs now, at whichever daemon."""

        def look(reader: Reader) -> tuple[int, list[Recording]]:
            places = reader.live(viewer.account)
            return len(places), in_order(reader, heapq.nlargest(limit, places))

        total, stored = await self.store.read(look)
        running = [self.recordings.get(one.id) or one for one in stored]
        over = sum(one.state.final for one in running)  # and not stored as that yet
        return Live([Running(one, self._elapsed(one)) for one in running if not one.state.final], total - over)

    def _elapsed(self, recording: Recording) -> float | None:
        if recording.started_at is None:
            return None
        end = self.board.now(recording.owner.switch) if recording.ended_at is None else recording.ended_at
        return max(0.0, end - recording.started_at)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Have ``changed`` called when a recording of this daemon's switches changes; the result ends it."""
        self._changed.append(changed)
        return lambda: self._changed.remove(changed)

    def observe(self, event: object) -> None:
        """Take telemetry."""
        if isinstance(event, RecordingChanged):
            for changed in tuple(self._changed):
                changed()

    # --- what was --------------------------------------------------------------------------------------------------

    async def search(
        self, viewer: Viewer, search: Search, *, limit: int, before: Place | None = None
    ) -> Sequence[Recording]:
        """Return a page of recordings, newest first, by when they were asked for."""
        asked = asdict(search)
        if viewer.account is not None:
            if search.account not in {None, viewer.account}:
                return ()
            asked["account"] = viewer.account
        return await self.store.read(lambda reader: rows.search(reader, limit=limit, before=before, **asked))

    async def recording(self, viewer: Viewer, identity: str) -> Recording:
        """Return one recording as it is stored, by its id in any vendor's form. Raises NotFound."""
        ours = identity_in(identity) or identity
        return _own(viewer, await self.store.read(lambda reader: reader.readable_recording(ours)))

    async def story(self, viewer: Viewer, identity: str) -> Story:
        """Return all about one recording. Raises NotFound."""
        ours = identity_in(identity) or identity

        def look(reader: Reader) -> Story:
            recording = _own(viewer, reader.readable_recording(ours))
            sent = reader.deliveries_of(recording.id)
            attempts = reader.attempts_of(row.id for row in sent)
            return Story(
                recording,
                _call(reader, recording.owner.call),
                history=reader.history(recording.id),
                notices=reader.notices_of(recording.id),
                unrendered=reader.notice_errors(recording.id),
                told=[Told(row, attempts.get(row.id, ())) for row in sent],
                transcription=reader.transcription(recording.id),
            )

        return await self.store.read(look)

    # --- deliveries ------------------------------------------------------------------------------------------------

    async def deliveries(
        self, viewer: Viewer, state: DeliveryState | None, *, limit: int, before: Place | None = None
    ) -> Sequence[OutboxRow]:
        """Return a page of deliveries, newest first, by (created_at, id)."""
        return await self.store.read(
            lambda reader: reader.deliveries(state, account=viewer.account, limit=limit, before=before)
        )

    async def told(self, viewer: Viewer, identity: str) -> Told:
        """Return one delivery with its attempts. Raises NotFound."""
        return await self.store.read(
            lambda reader: Told(_own_row(viewer, reader.delivery(identity)), reader.attempts(identity))
        )

    async def replay(self, viewer: Viewer, identity: str) -> OutboxRow:
        """Begin a delivery's schedule anew, at once, whatever became of it. Raises NotFound.

        One that was delivered is sent again, with the id by which its receiver knows it; one that is pending does
        not wait for its time any more, unless for an earlier one of its subject.
        """
        await self.told(viewer, identity)
        row = await self.outbox.replay(identity)
        return _own_row(viewer, row)  # gone meanwhile, it is none

    # --- verbs -----------------------------------------------------------------------------------------------------

    async def stop(self, viewer: Viewer, identity: str) -> Recording:
        """Stop a recording, as an API does. Raises NotFound."""
        return await self.api.stop((await self.recording(viewer, identity)).id, EndReason.API)

    async def pause(self, viewer: Viewer, identity: str, behavior: PauseBehavior) -> Recording:
        """Pause it. Raises NotFound."""
        return await self.api.pause((await self.recording(viewer, identity)).id, behavior)

    async def resume(self, viewer: Viewer, identity: str) -> Recording:
        """Resume it. Raises NotFound."""
        return await self.api.resume((await self.recording(viewer, identity)).id)

    # --- files -----------------------------------------------------------------------------------------------------

    async def waveform(self, viewer: Viewer, identity: str, columns: int) -> Waveform:
        """Return the outline of a ready recording. Raises NotFound, MediaAway; FileNotFoundError: it has none."""
        path = await self.api.wav(await self.recording(viewer, identity))
        return await asyncio.get_running_loop().run_in_executor(self._drawing, waveform, path, columns)

    async def derive(self, viewer: Viewer, identity: str, form: str) -> int:
        """Have a recording's file in a format, made where it is not there; return its bytes. As ``waveform``."""
        recording = await self.recording(viewer, identity)
        try:
            made = await self.api.variant(recording, form, None)
            return (await asyncio.to_thread(made.path.stat)).st_size
        except (FileNotFoundError, KeyError):  # only its own formats may be elsewhere
            return (await self.api.elsewhere(recording, form)).size

    # --- switches --------------------------------------------------------------------------------------------------

    async def reconcile(self, viewer: Viewer, switch: str) -> None:
        """Cut a switch's link, so that it connects and reconciles anew. Raises NotAllowed, NotFound, NotPossible."""
        if not viewer.operator:
            raise NotAllowed("only the operator may have a switch reconciled")
        if switch not in self.switches:
            raise NotFound(f"there is no switch {switch}")
        holder = self.cluster.elsewhere.get(switch)
        if holder is not None and not self.cluster.holds(switch):
            raise NotPossible(f"switch {switch} is served by another daemon, {holder}: ask that one")
        try:
            self.board.reconnect(switch, ASKED)
        except SwitchAway as away:
            raise NotPossible(f"{away}: it is reconciled as soon as it connects") from None

    async def health(self) -> Health:
        """Say how it goes; of deliveries, how many are pending and dead: those that were made may be millions."""
        backlog = await self.store.read(Reader.backlog)
        calls, free = self.calls.by_switch(), self.disks.free()
        return Health(
            [self._status(name, calls.get(name, 0), free.get(name)) for name in self.switches],
            tuple(self.problems()),
            tuple(self.degraded()),
            {DeliveryState.PENDING: backlog.pending, DeliveryState.DEAD: backlog.dead},
            backlog.oldest,
            __version__,
        )

    def _status(self, switch: str, calls: int, free: float | None) -> SwitchStatus:
        link = self.board.status(switch)
        holder = "" if self.cluster.holds(switch) else self.cluster.elsewhere.get(switch, "")
        known = SwitchStatus(
            switch,
            "away" if link.state == "detached" else link.state,
            link.why,
            core_uuid=link.core_uuid,
            version=link.version,
            connected_at=link.connected_at,
            last_event_at=link.last_event_at,
            calls=calls,
            recordings=len(self.recordings.writing(switch)),
            free=None if free is None else int(free),
        )
        if holder:
            return replace(known, state="elsewhere", why=f"another daemon serves it: {holder}", holder=holder)
        if link.state == "detached":
            return replace(known, why=self.cluster.unserved().get(switch, "no daemon serves it"))
        return known


def _own(viewer: Viewer, recording: Recording | None) -> Recording:
    if recording is None or viewer.account not in {None, recording.owner.account}:
        raise NotFound("there is no such recording")
    return recording


def _own_row(viewer: Viewer, row: OutboxRow | None) -> OutboxRow:
    if row is None or viewer.account not in {None, row.delivery.account}:
        raise NotFound("there is no such delivery")
    return row


def _call(reader: Reader, identity: str) -> Call | None:
    """Return a call; one that can't be read must not hide its recordings' stories."""
    try:
        return reader.call(identity)
    except (DecodeError, ValueError):
        return None
