"""The core's Recorder on FreeSWITCH's background recorder (DESIGN section 4; spec/freeswitch.md 1)."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from controller.recordings import model
from controller.recordings.ports import CommandFailed, CommandUnanswered, Presence, SwitchAway
from controller.recordings.silence import timeouts
from controller.switch.board import Switchboard
from controller.switch.commands import (
    Action,
    RecordingVariables,
    RecordSession,
    StopRecorders,
    UuidBuglist,
    UuidGetvar,
    UuidRecord,
)
from controller.switch.commands_values import Track, silence_threshold
from controller.switch.facts import BadReplyError, NoSuchLegError, ReplyError, parse_buglist
from controller.switch.link import JobRefused, JobTimeout, LegBusy, LinkLost, PacketRefused

JOB_WITHIN = 8.0
"""Seconds a job may take before its recording is given up to an inquiry: closing a file may block on a slow disk.
Shorter than a caller waits for its wish, so that it hears what became of it."""

SETTLE = 1.0
"""Seconds until an absent recorder is believed: the switch takes it off its list before it fires RECORD_STOP."""

LAST_PARTNER = "last_bridge_to"
"""The variable that names the leg which a leg was connected with last."""

_TRACKS = {
    model.Track.INBOUND: Track.READ,
    model.Track.OUTBOUND: Track.WRITE,
    model.Track.BOTH: Track.BOTH,
}


def recording_variables(recording: model.Recording) -> RecordingVariables:
    """Return the whole variable block of a recording; silence is judged on the recorded track(s).

    A start from outside may meet the leg's hangup: a thread that began then would wait for ever and hold the leg's
    lock, and FreeSWITCH could never be rid of the leg (measured). So the media thread writes that file.
    """
    request = recording.request
    initial, final = timeouts(recording)
    rate = recording.owner.clock or recording.owner.rate
    return RecordingVariables(
        recording=recording.id.replace("-", ""),
        track=_TRACKS[request.track],
        stereo=request.channel_count == 2,
        swap=request.channel_count == 2 and recording.owner.child,
        append=bool(recording.breaks),
        threaded=not recording.owner.outside,
        initial_timeout_ms=round(initial * 1000),
        final_timeout_ms=round(final * 1000),
        silence_threshold=silence_threshold(request.sensitivity, rate) if initial or final else 0,
    )


@lru_cache(maxsize=1024)  # each event of a recording names it
def recording_id(value: str | None) -> str | None:
    """Return our id from what came back as ``fsrec_recording`` or Application-UUID; None for anything else."""
    try:
        return None if value is None else str(uuid.UUID(value))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class EslRecorder:
    """Implements ``recordings.ports.Recorder`` over the switchboard's sessions."""

    board: Switchboard

    async def start(self, recording: model.Recording) -> None:
        """``sendmsg execute record_session``: in the leg's own thread, so it cannot race with the hangup.

        From outside it is ``bgapi uuid_record … start``, which waits for nothing that the leg is busy with.
        """
        if recording.owner.outside:
            await self._start_outside(recording)
            return
        try:
            command = RecordSession(
                leg=recording.leg,
                event_uuid=recording.id,
                path=recording.path,
                variables=recording_variables(recording),
            )
            reply = await self.board.session(recording.owner.switch).send(command)
        except LinkLost as lost:
            raise SwitchAway(str(lost)) from None
        except (LegBusy, PacketRefused, ValueError) as refusal:
            raise CommandFailed(str(refusal)) from None
        if not reply.ok:
            raise CommandFailed(reply.text.strip())

    async def _start_outside(self, recording: model.Recording) -> None:
        try:
            await self._act(recording, Action.START, recording_variables(recording))
        except CommandUnanswered as failure:  # it may record: whether it does is asked after, as of what is silent
            raise SwitchAway(str(failure)) from None

    async def stop(self, recording: model.Recording) -> float:
        """``bgapi uuid_record … stop``; of one that followed a transfer all of the leg, where it is the only one."""
        if not recording.followed:
            return await self._act(recording, Action.STOP)
        try:
            others = [path for path in await self._recorders(recording) if path != recording.path]
        except LinkLost as lost:
            raise SwitchAway(str(lost)) from None
        except (ValueError, ReplyError) as failure:
            raise CommandFailed(str(failure)) from None
        if others:
            raise CommandFailed("it followed a transfer to a leg with other recordings: it ends with that leg")
        return await self._run(recording, StopRecorders(recording.leg))

    async def mask(self, recording: model.Recording) -> float:
        """``bgapi uuid_record … mask``; it fires no event, the job's end tells when."""
        return await self._act(recording, Action.MASK)

    async def unmask(self, recording: model.Recording) -> float:
        """``bgapi uuid_record … unmask``."""
        return await self._act(recording, Action.UNMASK)

    async def inquire(self, recording: model.Recording) -> Presence:
        """``uuid_buglist``, and a fence: the reply overtakes the events that explain it (DESIGN section 5)."""
        try:
            session = self.board.session(recording.owner.switch)
            try:
                presence = await self._presence(recording)
            except NoSuchLegError:
                presence = Presence(recorder=False, leg=False)
            if not presence.recorder:
                await asyncio.sleep(SETTLE)
            await session.fence()
        except ValueError:  # no command can name such a leg, so none of ours ever did
            return Presence(recorder=False, leg=False)
        except (LinkLost, JobTimeout, JobRefused) as failure:
            raise SwitchAway(str(failure)) from None
        except BadReplyError as failure:
            raise SwitchAway(f"the switch gave no list of recorders: {failure}") from None
        return presence

    def now(self, switch: str) -> float:
        """Return the switch's clock."""
        return self.board.now(switch)

    async def _presence(self, recording: model.Recording) -> Presence:
        """Look on its leg, then on the one that this was connected with last: it may have followed a transfer."""
        if recording.path in await self._recorders(recording):
            return Presence(recorder=True, leg=True)
        reply = await self.board.session(recording.owner.switch).send(UuidGetvar(recording.leg, LAST_PARTNER))
        with contextlib.suppress(NoSuchLegError, ValueError):  # gone, or nobody
            if recording.path in await self._recorders(recording, reply.text.strip()):
                return Presence(recorder=True, leg=True, followed=reply.text.strip())
        return Presence(recorder=False, leg=True)

    async def _recorders(self, recording: model.Recording, leg: str = "") -> Collection[str]:
        """Return the paths recorded on a leg, its own by default.

        Raises LinkLost, ValueError, BadReplyError, NoSuchLegError.
        """
        reply = await self.board.session(recording.owner.switch).send(UuidBuglist(leg or recording.leg))
        return parse_buglist(reply.text)

    async def _act(
        self, recording: model.Recording, action: Action, variables: RecordingVariables | None = None
    ) -> float:
        if recording.followed:  # its path names nothing there (spec 1.11), and on its former leg what is no more
            raise CommandFailed("it followed a transfer to another leg, where FreeSWITCH can only stop it")
        try:
            command = UuidRecord(recording.leg, action, recording.path, variables)
        except (PacketRefused, ValueError) as failure:
            raise CommandFailed(str(failure)) from None
        return await self._run(recording, command)

    async def _run(self, recording: model.Recording, command: UuidRecord | StopRecorders) -> float:
        try:
            session = self.board.session(recording.owner.switch)
            async with session.urgent():
                result = await session.job(command, deadline=JOB_WITHIN)
        except LinkLost as lost:
            raise SwitchAway(str(lost)) from None
        except JobTimeout as failure:
            raise CommandUnanswered(str(failure)) from None
        except (JobRefused, PacketRefused, ValueError) as failure:
            raise CommandFailed(str(failure)) from None
        if not result.ok:
            raise CommandFailed(result.text.strip())
        return result.at or self.board.now(recording.owner.switch)
