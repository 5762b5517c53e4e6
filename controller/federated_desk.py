"""What the HTTP APIs ask, at whichever daemon of a cluster they ask it: which verb is for whom is decided here.

What has rows is read from the store, at any daemon: calls, recordings, lists. What needs the switch, its clock, the
legs that it dialled or its recordings' files to be removed is the holder's to do, and asked of it. Without a cluster
nothing of this is there: the ``ApiDesk`` serves alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from controller.api_desk import BEGIN_WITHIN, ApiDesk
from controller.cluster.commands import Commands, Unanswered, Unheld
from controller.cluster.ports import Holding
from controller.cluster.verbs import Answer, Delete, Find, Pause, Recent, Resume, Start, Stop, Verb
from controller.documents.call import Call, CallState
from controller.http import plivo
from controller.http.recordings import Wanted
from controller.media.archive import Remote
from controller.media.variants import Variant
from controller.recordings.model import EndReason, PauseBehavior, Recording, RecordingRequest
from controller.recordings.ports import LegGone, MediaAway, NotPossible, SwitchAway
from controller.store.commands import Taken, still_wanted

LOOK_WITHIN, ANSWER_WITHIN = 2.0, 12.0
"""Seconds that a holder is given to look something up, and to carry out what waits for its switch."""
MARGIN = 0.5
"""Seconds that a start's answer may take longer than the start itself; Plivo's clients wait five in all."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class FederatedDesk:
    """Implements the protocols of ``http.calling``, ``http.recordings``, ``http.relay`` and ``http.plivo``.

    ``local`` does what is this daemon's, ``commands`` asks the others; ``carry_out`` is what these ask of us.
    """

    local: ApiDesk
    holding: Holding
    commands: Commands

    # --- what has rows ---------------------------------------------------------------------------------------------

    async def recording_of(self, account: str, recording_id: str) -> Recording | None:
        """Return the account's recording of that id as it is stored."""
        return await self.local.recording_of(account, recording_id)

    async def page(self, account: str, wanted: Wanted) -> Sequence[Recording]:
        """Return recordings of the account, newest first."""
        return await self.local.page(account, wanted)

    async def added(
        self, account: str, fitting: plivo.Fitting, *, limit: int, offset: int, behind: tuple[float, str] | None
    ) -> plivo.Page:
        """Return recordings of the account that have a file, those added last first, and how many there are."""
        return await self.local.added(account, fitting, limit=limit, offset=offset, behind=behind)

    async def call_of(self, account: str, call_id: str) -> Call | None:
        """Return the account's call of that id; of one without a row, a leg that was dialled, all holders are asked.

        Raises SwitchAway and LedgerFailed where one of them that may know it did not answer.
        """
        found = await self.local.call_of(account, call_id)
        if found is not None or not _ID.fullmatch(call_id):
            return found
        if await self.local.store.read(lambda reader: reader.call(call_id)) is not None:  # it is another account's
            return None
        asked = {
            daemon: switch
            for switch, daemon in (await self.commands.rows.holders()).items()
            if not self.holding.holds(switch)
        }
        verb = Find(account, call_id)
        answers = await asyncio.gather(
            *(self.commands.ask(switch, verb, LOOK_WITHIN) for switch in asked.values()), return_exceptions=True
        )
        calls = [answer.call for answer in answers if isinstance(answer, Answer) and answer.call is not None]
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures and not calls:
            raise failures[0]
        return next((call for call in calls if call.account == account and call.id == call_id), None)

    async def active(self, call_id: str) -> Sequence[Recording]:
        """Return the call's recordings that may still be stopped: of one held elsewhere, as they are stored."""
        here = await self.local.active(call_id)
        if here:
            return here
        rows = await self.local.store.read(lambda reader: reader.unfinished_of(call_id))
        return [row for row in rows if row.state.active and self.local.recordings.get(row.id) is None]

    async def running(self, call_id: str, reference: str) -> Recording | None:
        """Return the call's recording of that name that has not ended, or None."""
        active = await self.active(call_id)
        return next((found for found in reversed(active) if found.request.reference == reference), None)

    # --- what is the holder's --------------------------------------------------------------------------------------

    async def recent(self, call: Call, seconds: float) -> Sequence[Recording]:
        """Return the recordings of the call's leg that were asked for within the last seconds, by its switch."""
        if self.holding.holds(call.switch):
            return await self.local.recent(call, seconds)
        verb = Recent(call.account, call.id, seconds)
        return (await self.commands.ask(call.switch, verb, LOOK_WITHIN)).recordings

    async def start(
        self, call: Call, request: RecordingRequest, dialect: str, identity: str, *, within: float = BEGIN_WITHIN
    ) -> Recording:
        """Start a recording on the call's own leg, as ``ApiDesk.start``.

        Where the holder does not answer in time, what is durable by then counts, and nothing becomes so any more.
        """
        if self.holding.holds(call.switch):
            return await self.local.start(call, request, dialect, identity, within=within)
        verb = Start(call.account, call.id, request, dialect, identity, within)
        try:
            return (await self.commands.ask(call.switch, verb, within + MARGIN)).recording
        except Unanswered:
            made = await self.local.store.read(lambda reader: reader.recording(identity))
            if made is None:
                raise
            if made.started_at is None and made.state.final:
                gone = made.reason is EndReason.HANGUP
                raise (LegGone if gone else NotPossible)(made.error or "the recording did not start") from None
            return made

    async def pause(self, recording_id: str, behavior: PauseBehavior) -> Recording:
        """Pause it."""
        switch = await self._elsewhere(recording_id)
        if switch is None:
            return await self.local.pause(recording_id, behavior)
        return (await self.commands.ask(switch, Pause(recording_id, behavior), ANSWER_WITHIN)).recording

    async def resume(self, recording_id: str) -> Recording:
        """Resume it."""
        switch = await self._elsewhere(recording_id)
        if switch is None:
            return await self.local.resume(recording_id)
        return (await self.commands.ask(switch, Resume(recording_id), ANSWER_WITHIN)).recording

    async def stop(self, recording_id: str, reason: EndReason) -> Recording:
        """Stop it."""
        switch = await self._elsewhere(recording_id)
        if switch is None:
            return await self.local.stop(recording_id, reason)
        return (await self.commands.ask(switch, Stop(recording_id, reason), ANSWER_WITHIN)).recording

    async def delete(self, recording_id: str) -> bool:
        """Delete one that is final; False where it is deleted already. Raises MediaAway, too."""
        recording = await self.local.store.read(lambda reader: reader.recording(recording_id))
        if recording is None or self.holding.holds(recording.owner.switch):
            return await self.local.delete(recording_id)
        try:
            return (await self.commands.ask(recording.owner.switch, Delete(recording_id), ANSWER_WITHIN)).done
        except Unheld as unheld:
            if self.holding.foreign(recording.owner.switch):  # its files may be where only that daemon looks
                raise MediaAway(str(unheld)) from None
            return await self.local.delete(recording_id)  # the store says whether it may be
        except SwitchAway as away:
            raise MediaAway(str(away)) from None

    # --- files -----------------------------------------------------------------------------------------------------

    async def wav(self, recording: Recording) -> Path:
        """Have the WAV that a recording is served as; MediaAway, too, where only another daemon's disk has it."""
        held = self.holding.holds(recording.owner.switch)
        try:
            path = await self.local.wav(recording)
            if not held:
                await asyncio.to_thread(path.stat)
        except FileNotFoundError:
            if held or recording.measured is None or recording.deleted_at is not None:
                raise
            raise MediaAway(_on_another_disk(recording)) from None
        return path

    async def variant(self, recording: Recording, form: str, channels: int | None) -> Variant:
        """Have a ready recording's audio in a format; MediaAway, too, where only another daemon's disk has it."""
        held = self.holding.holds(recording.owner.switch)
        try:
            if not held and not recording.stored:
                await asyncio.to_thread((await self.local.media.wav_of(recording)).stat)
            return await self.local.variant(recording, form, channels)
        except (FileNotFoundError, KeyError):
            if held:
                raise
            raise MediaAway(_on_another_disk(recording)) from None

    async def elsewhere(self, recording: Recording, form: str) -> Remote:
        """Return a file that is not here from the media store; MediaAway where only another daemon's disk has it."""
        try:
            return await self.local.elsewhere(recording, form)
        except FileNotFoundError:
            if self.holding.holds(recording.owner.switch):
                raise
            raise MediaAway(_on_another_disk(recording)) from None

    # --- what others ask -------------------------------------------------------------------------------------------

    async def carry_out(self, verb: Verb, taken: Taken) -> Answer:
        """Do what another daemon asked of a switch that we hold; raises what the verb refuses with."""
        match verb:
            case Start():
                return Answer(recordings=(await self._started(verb, taken),))
            case Pause():
                await self._own(verb.recording)
                return Answer(recordings=(await self.local.pause(verb.recording, verb.behavior),))
            case Resume():
                await self._own(verb.recording)
                return Answer(recordings=(await self.local.resume(verb.recording),))
            case Stop():
                await self._own(verb.recording)
                return Answer(recordings=(await self.local.stop(verb.recording, verb.reason),))
            case Delete():
                return Answer(done=await self.local.delete(verb.recording))
            case Recent():
                call = await self._call(verb.account, verb.call, taken.switch)
                return Answer(recordings=tuple(await self.local.recent(call, verb.seconds)))
            case Find():
                found = await self.local.call_of(verb.account, verb.call)
                return Answer(call=None if found is None else replace(found, text="", program={}))

    async def _started(self, verb: Start, taken: Taken) -> Recording:
        call = await self._call(verb.account, verb.call, taken.switch)
        return await self.local.start(
            call,
            verb.request,
            verb.dialect,
            verb.identity,
            within=max(0.0, verb.seconds - taken.age),
            along=lambda transaction: still_wanted(transaction, taken.id),
        )

    async def _call(self, account: str, call_id: str, switch: str) -> Call:
        """Return a call that we have in hand. Raises LegGone, SwitchAway."""
        call = await self.local.call_of(account, call_id)
        if call is None or call.state is CallState.ENDED:
            raise LegGone("the call has ended")
        if call.switch != switch or not self.holding.holds(switch):
            raise SwitchAway(f"switch {call.switch} is held by another daemon now")
        return call

    async def _own(self, recording_id: str) -> None:
        """Raise SwitchAway for a recording that has not ended, and that we do not have in hand."""
        switch = await self._elsewhere(recording_id)
        if switch is not None:
            raise SwitchAway(f"switch {switch} is held by another daemon now")

    async def _elsewhere(self, recording_id: str) -> str | None:
        """Return the switch whose holder is to be asked; None where we do it, or know why it can't be done.

        Raises SwitchAway where we hold the switch, and are not done yet with taking it over.
        """
        if self.local.recordings.get(recording_id) is not None:
            return None
        recording = await self.local.store.read(lambda reader: reader.recording(recording_id))
        if recording is None or recording.state.final:
            return None
        switch = recording.owner.switch
        if self.holding.holds(switch):
            raise SwitchAway(f"switch {switch} is being taken over by this daemon")
        return switch


def _on_another_disk(recording: Recording) -> str:
    return (
        f"its file is on a disk of another daemon, that of switch {recording.owner.switch}: daemons that share a "
        "store share its recordings' directory and media.directory too, or keep media in S3 (media.store)"
    )
