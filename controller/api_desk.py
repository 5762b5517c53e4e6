"""What the HTTP APIs ask of the rooms: calls, recordings, their files (``http.calling.CallControl`` and the like)."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from controller.calls.commanding import unheard
from controller.calls.desk import CallDesk
from controller.documents.call import Call, CallState
from controller.documents.steps import Beep
from controller.http import plivo
from controller.http.recordings import Wanted
from controller.media.archive import Remote
from controller.media.examine import DiskMedia
from controller.media.variants import Variant
from controller.overload.admission import Admission
from controller.overload.levels import Shed
from controller.recordings.model import EndReason, PauseBehavior, Recording, RecordingRequest, new_id
from controller.recordings.ports import (
    Along,
    CommandFailed,
    LedgerFailed,
    LegGone,
    NoRoom,
    NotPossible,
    SwitchAway,
)
from controller.recordings.service import RecordingService
from controller.store.reader import Chosen, Reader
from controller.store.store import Store
from controller.switch.board import Switchboard

BEGIN_WITHIN, BEEP_WITHIN = 10.0, 2.0
"""Seconds that a request waits for its recording to begin, after its beep; then it is told as one that does."""


@dataclass(frozen=True, slots=True)
class ApiDesk:
    """Implements the protocols of ``http.calling``, ``http.recordings`` and ``http.plivo``."""

    desk: CallDesk
    recordings: RecordingService
    store: Store
    media: DiskMedia
    board: Switchboard
    admission: Admission

    # --- what is there ---------------------------------------------------------------------------------------------

    async def call_of(self, account: str, call_id: str) -> Call | None:
        """Return the account's call of that id, as it is now or, once it is over, was."""
        call = self.desk.find(call_id)
        if call is None:
            call = self.desk.past_leg(call_id) or await self.store.read(lambda reader: reader.call(call_id))
        return call if call is not None and call.account == account else None

    async def recording_of(self, account: str, recording_id: str) -> Recording | None:
        """Return the account's recording of that id as it is stored."""
        recording = await self.store.read(lambda reader: reader.recording(recording_id))
        return recording if recording is not None and recording.owner.account == account else None

    async def page(self, account: str, wanted: Wanted) -> Sequence[Recording]:
        """Return recordings of the account, newest first."""
        return await self.store.read(lambda reader: reader.recordings(account, **asdict(wanted)))

    async def added(
        self,
        account: str,
        fitting: plivo.Fitting,
        *,
        limit: int,
        offset: int,
        behind: tuple[float, str] | None,
    ) -> plivo.Page:
        """Return recordings of the account that have a file, those added last first, and how many there are."""
        which: Chosen = {
            "added": True,
            "call": fitting.call,
            "since": fitting.since,
            "until": fitting.until,
            "caller": fitting.callers or None,
            "called": fitting.callees or None,
        }

        def both(reader: Reader) -> plivo.Page:  # of one moment
            rows = reader.recordings(account, limit=limit, offset=offset, before=behind, **which)
            return plivo.Page(rows, reader.recordings_count(account, **which))

        return await self.store.read(both)

    async def recent(self, call: Call, seconds: float) -> Sequence[Recording]:
        """Return the recordings of the call's leg that were asked for within the last seconds."""
        since = self.board.now(call.switch) - seconds
        rows = await self.store.read(
            lambda reader: reader.recordings(call.account, call=call.told_as, since=since, deleted=False)
        )
        return [row for row in rows if (row.owner.switch, row.owner.leg) == (call.switch, call.leg)]

    async def active(self, call_id: str) -> Sequence[Recording]:
        """Return the call's recordings that may still be stopped."""
        return self.recordings.active(call_id)

    async def running(self, call_id: str, reference: str) -> Recording | None:
        """Return the call's recording of that name that has not ended, or None."""
        active = self.recordings.active(call_id)
        return next((found for found in reversed(active) if found.request.reference == reference), None)

    # --- verbs -----------------------------------------------------------------------------------------------------

    async def start(
        self,
        call: Call,
        request: RecordingRequest,
        dialect: str,
        identity: str,
        *,
        within: float = BEGIN_WITHIN,
        along: Along | None = None,
    ) -> Recording:
        """Start a recording on the call's own leg; done when it runs, or is refused (NotPossible).

        From outside the leg's thread, which may be playing, holding or bridged, whoever does that to it. Only a beep
        must end before the recorder begins: both are queued in that thread, behind what plays, which is not waited
        for. One that has not begun ``within`` so many seconds is returned as it is. ``along`` is done in the
        transaction that makes it durable. Raises NoRoom where there is too much to do, SwitchAway, LedgerFailed, none
        of them once it is durable.
        """
        busy = self.admission.refusal(Shed.STARTS, call.switch)
        if busy is not None:
            raise NoRoom(busy)
        self.board.session(call.switch)
        await self._check(call)
        owner = call.owner(call.id, dialect=dialect, outside=not request.beep)

        def beep() -> None:
            unheard(self.desk.rooms.legs.play(call.switch, call.leg, Beep(), gain=0.0, execution=new_id()))

        made = await self.recordings.start(
            owner,
            request,
            core_uuid=call.core_uuid,
            identity=identity,
            along=along,
            prelude=beep if request.beep else None,
        )
        within = min(within, BEEP_WITHIN) if request.beep else within
        try:
            begun = await asyncio.wait_for(self.recordings.begun(identity), within) or made
        except (TimeoutError, LedgerFailed):  # it is durable: how it went is told by its callback
            return made
        if begun.started_at is None and begun.state.final:
            gone = begun.reason is EndReason.HANGUP or await self._gone(call)
            raise (LegGone if gone else NotPossible)(begun.error or "the recording did not start")
        return begun

    async def _gone(self, call: Call) -> bool:
        """Tell whether the call's leg has ended, of which we may not have heard yet."""
        try:
            return await self.desk.rooms.legs.look(call.switch, call.leg) is None
        except (CommandFailed, SwitchAway):
            return False

    async def _check(self, call: Call) -> None:
        """Refuse a call that cannot be recorded now. Raises NotPossible, SwitchAway."""
        if call.state is CallState.ENDED or call.cause is not None:
            raise LegGone("the call has ended")
        if self.desk.held(call.switch, call.leg):
            raise NotPossible("the call is on hold, where nothing can be recorded; take it off hold first")
        if call.info.answered:
            return
        try:  # what others did to a leg since it was let go, nobody told us
            found = await self.desk.rooms.legs.look(call.switch, call.leg)
        except CommandFailed as failure:
            raise NotPossible(f"the switch does not tell of its leg: {failure}") from None
        if found is None:
            raise LegGone("the call has ended")
        if not found.info.answered:
            raise NotPossible("the call is not in progress: it is not answered yet")

    async def pause(self, recording_id: str, behavior: PauseBehavior) -> Recording:
        """Pause it."""
        self._reachable(recording_id)
        return await self.recordings.pause(recording_id, behavior)

    async def resume(self, recording_id: str) -> Recording:
        """Resume it."""
        self._reachable(recording_id)
        return await self.recordings.resume(recording_id)

    async def stop(self, recording_id: str, reason: EndReason) -> Recording:
        """Stop it."""
        self._reachable(recording_id)
        return await self.recordings.stop(recording_id, reason)

    def _reachable(self, recording_id: str) -> None:
        """Raise SwitchAway rather than keep a wish for later: whoever asked means now, and would be told too late."""
        recording = self.recordings.get(recording_id)
        if recording is not None:
            self.board.session(recording.owner.switch)

    # --- files -----------------------------------------------------------------------------------------------------

    async def delete(self, recording_id: str) -> bool:
        """Delete one that is final; False where it is deleted already."""
        return await self.recordings.delete(recording_id) is not None

    async def elsewhere(self, recording: Recording, form: str) -> Remote:
        """Return a file that is not here from the media store. Raises FileNotFoundError, MediaAway."""
        return await self.media.elsewhere(recording, form)

    async def wav(self, recording: Recording) -> Path:
        """Have the WAV that a recording is served as, or from, fetched where the media store alone has it.

        Raises FileNotFoundError for one that is not ready, or whose file is gone; MediaAway, OSError.
        """
        if recording.measured is None or not recording.state.final or recording.deleted_at is not None:
            raise FileNotFoundError(errno.ENOENT, "the recording is not ready, or was deleted")
        try:
            return await self.media.wav_of(recording)
        except (KeyError, ValueError) as error:
            raise FileNotFoundError(errno.ENOENT, f"its file is in no directory of the settings: {error}") from None

    async def variant(self, recording: Recording, form: str, channels: int | None) -> Variant:
        """Have a ready recording's audio in a format, made where it is not there, unless there is too much to do."""
        return await self.media.variant(recording, form, channels)
