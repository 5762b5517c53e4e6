"""The calls room's Legs on FreeSWITCH: taking over, answering, hanging up, looking (DESIGN section 4)."""

from __future__ import annotations

import asyncio
import contextlib
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from controller.calls import ports
from controller.calls.ports import Meanwhile, ParkedLeg, Sound
from controller.documents.call import CallInfo
from controller.documents.steps import Party, PartyKind
from controller.recordings.ports import CommandFailed, SwitchAway
from controller.switch.board import Switchboard
from controller.switch.commands import (
    Answer,
    Bridge,
    Callee,
    Cause,
    Command,
    Confirmed,
    Playback,
    SchedDel,
    SchedHangup,
    SetQuestion,
    SetRingback,
    ShowChannels,
    Templates,
    UuidBreak,
    UuidDump,
    UuidKill,
    UuidSendDtmf,
    UuidSetvars,
)
from controller.switch.commands_dial import LONGEST_RINGING, headers
from controller.switch.commands_heard import LONGEST_CONFIRMATION, taken_off
from controller.switch.facts import (
    BadReplyError,
    LegInfo,
    LegParked,
    LegSnapshot,
    NoCoreSqlError,
    NoSuchLegError,
    Refusal,
    parse_channels,
    parse_dump,
    refusal,
)
from controller.switch.link import JobRefused, JobTimeout, LegBusy, LinkLost, PacketRefused, Reply
from controller.switch.recorder import recording_id
from controller.switch.sounds import SpeechSettings, asked, looped, source

JOB_WITHIN = 10.0
"""Seconds in which a job that has nothing to wait for is done."""

RING_NET = 10
"""Seconds that FreeSWITCH rings on where nobody ends it: no daemon runs, or its link is away."""

DIGITS_AT_ONCE = 64

GONE = {Refusal.NO_SUCH_LEG, Refusal.NO_REPLY}


ASKED_NET = 300
"""Seconds in which FreeSWITCH ends what is told to who answers, where no key is waited for: no text takes as long."""

ASKED_LATER = 5
"""Seconds that FreeSWITCH gives who was asked for a key beyond those that we do."""


def _confirmed(question: ports.Question) -> Confirmed:
    """Return how a question is put. Raises ValueError."""
    seconds = math.ceil(question.timeout) + ASKED_LATER if question.key else ASKED_NET
    return Confirmed(question.key, min(max(1, seconds), LONGEST_CONFIRMATION))


def call_info(info: LegInfo) -> CallInfo:
    """Return what calls keep of a leg."""
    return CallInfo(
        destination=info.destination,
        caller_name=info.caller_name,
        caller_number=info.caller_number,
        direction=info.direction or "inbound",
        channel_name=info.channel_name,
        answered=info.answered,
        rate=info.rate,
        created_at=info.created_at or 0.0,
        profile_at=info.profile_at,
        clock=info.clock,
        ringback=info.ringback,
    )


def parked_leg(switch: str, core_uuid: str, fact: LegParked | LegSnapshot) -> ParkedLeg:
    """Return a leg as the calls room takes it.

    ``variable_current_application`` tells that a leg is parked as long as nothing was executed on it since; what is
    executed within park (answer, record_session) stands there ever after.
    """
    return ParkedLeg(
        switch=switch,
        leg=fact.leg,
        at=fact.at,
        info=call_info(fact.info),
        core_uuid=core_uuid,
        marker=recording_id(fact.marker),
        account=fact.account,
        document=fact.document,
        parked=isinstance(fact, LegParked) or fact.application == "park",
        bridged="" if isinstance(fact, LegParked) else fact.bridged,
        bridge_cause="" if isinstance(fact, LegParked) else fact.bridge_cause,
    )


@dataclass(frozen=True, slots=True)
class EslLegs:
    """Implements ``calls.ports.Legs`` over the switchboard's sessions.

    Each command is posted as soon as its method is called, so that those of one turn of the loop go out together.
    """

    board: Switchboard
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    templates: Templates = field(default_factory=Templates)

    def take_over(self, switch: str, leg: str, call: str) -> asyncio.Future[None]:
        """Disarm the dialplan's hangup first, then mark and lock: a marked leg is one whose hangup is disarmed."""
        marker = uuid.UUID(call).hex
        return self._post(switch, lambda: (SchedDel(leg), UuidSetvars.takeover(leg, marker)))

    def release(self, switch: str, leg: str, *, limited: bool = False) -> asyncio.Future[None]:
        """Unset marker and lock: with the lock on, the next dialplan's ``${…}`` would stay as it stands.

        What others scheduled for the leg has the group of its name too, so that is only called off with a limit.
        """
        return self._post(switch, lambda: (*([SchedDel(leg)] if limited else []), UuidSetvars.release(leg)))

    def limit(self, switch: str, leg: str, seconds: float) -> asyncio.Future[None]:
        """``sched_hangup``, instead of what was scheduled before: of two the earlier one would hold."""
        return self._post(switch, lambda: (SchedDel(leg), SchedHangup(leg, max(1, math.ceil(seconds)))))

    def answer(self, switch: str, leg: str) -> asyncio.Future[None]:
        """Answer in the leg's own thread, so that what is queued behind it finds it answered."""
        return self._post(switch, lambda: (Answer(leg=leg, event_uuid=str(uuid.uuid4())),))

    def hang_up(self, switch: str, leg: str, cause: str) -> asyncio.Future[None]:
        """``uuid_kill``; a leg that is gone already is no failure."""
        named = Cause(cause) if cause in Cause.__members__ else Cause.NORMAL_CLEARING
        return self._post(switch, lambda: (UuidKill(leg, named),), gone_is_fine=True)

    def play(self, switch: str, leg: str, sound: Sound, *, gain: float, execution: str) -> asyncio.Future[None]:
        """``playback``, event-locked: what is sent after it waits, as a recording behind its beep."""
        return self._post(
            switch,
            lambda: (
                Playback(leg=leg, event_uuid=execution, event_lock=True, source=source(sound, gain, self.speech)),
            ),
        )

    def stop_playing(self, switch: str, leg: str) -> asyncio.Future[None]:
        """``uuid_break``; a leg that is gone already is no failure."""
        return self._post(switch, lambda: (UuidBreak(leg),), gone_is_fine=True)

    def send_digits(self, switch: str, leg: str, digits: str) -> asyncio.Future[None]:
        """``bgapi uuid_send_dtmf``, 64 digits at once: FreeSWITCH ignores more than 99.

        A job, since where the endpoint has no queue of digits the pauses are slept by who runs the command. A SIP leg
        queues them and the job is done at once: who asked waits until they are heard.
        None of them is a DTMF event of the leg.
        """
        return asyncio.ensure_future(self._send_digits(switch, leg, digits))

    def undialable(self, party: Party) -> str:
        """Tell what is wrong with an address or its headers, in words that say what would be right."""
        try:
            self._endpoint(party)
            headers(party.headers)
        except ValueError as wrong:
            return str(wrong)
        return ""

    def dial(
        self,
        switch: str,
        leg: str,
        callees: Sequence[ports.Callee],
        *,
        call: str,
        caller: str,
        caller_name: str = "",
        rings: float,
        execution: str,
        meanwhile: Meanwhile,
    ) -> asyncio.Future[None]:
        """``bridge``, in the leg's own thread; park goes on when it is over.

        FreeSWITCH's own limit is a net some seconds later: its whole seconds are up to two, and our limits end by the
        callees' hangup. It would also be counted anew for early media. It counts on while somebody is asked.
        """

        def make() -> Sequence[Command]:
            made = tuple(self._callee(callee, caller, caller_name) for callee in callees)
            marker = uuid.UUID(call).hex
            question, heard = meanwhile.question, meanwhile.sounds
            confirmed = None if question is None else _confirmed(question)
            net = math.ceil(rings) + RING_NET + (0 if confirmed is None else confirmed.seconds)
            commands: list[Command] = []
            if heard is not None:
                commands.append(SetRingback(leg, looped(heard, self.speech)))
            if question is not None:
                commands.append(SetQuestion(leg, asked(question.sounds, self.speech), executed=not question.key))
            bridge = Bridge(
                *(leg, made, marker, min(net, LONGEST_RINGING)),
                early=meanwhile.early,
                ringback=heard is not None,
                confirmed=confirmed,
                event_uuid=execution,
            )
            return (*commands, bridge)

        return self._post(switch, make)

    def _callee(self, callee: ports.Callee, caller: str, caller_name: str) -> Callee:
        party = callee.party
        return Callee(callee.leg, self._endpoint(party), party.caller or caller, caller_name, party.headers)

    def forget_ring(self, switch: str, leg: str) -> asyncio.Future[None]:
        """``uuid_setvar_multi``: FreeSWITCH has read them as its bridge began, and keeps them for the next."""
        return self._post(switch, lambda: (taken_off(leg),))

    def unplayable(self, sounds: Sequence[Sound]) -> str:
        """Tell what is wrong with sounds, in words that say what would be right."""
        try:
            asked(sounds, self.speech)
        except ValueError as wrong:
            return str(wrong)
        return ""

    def _endpoint(self, party: Party) -> str:
        """Return an address as FreeSWITCH dials it. Raises ValueError."""
        if party.kind is PartyKind.NUMBER:
            return self.templates.of_number(party.address)
        return self.templates.of_sip(party.address)

    async def look(self, switch: str, leg: str) -> ParkedLeg | None:
        """``uuid_dump``; one that cannot be read is no word of the leg's end."""
        try:
            snapshot = await self._dump(switch, leg)
        except BadReplyError as unreadable:
            raise CommandFailed(str(unreadable)) from None
        return None if snapshot is None else self._as_parked(switch, snapshot)

    async def waiting(self, switch: str) -> Sequence[ParkedLeg]:
        """``show channels``, then each leg itself, since the list's application is not reliable (measured).

        One that carries our marker is among them whatever is executed on it.
        """
        try:
            reply = await self.board.session(switch).send(ShowChannels())
            rows = parse_channels(reply.text)
        except LinkLost as lost:
            raise SwitchAway(str(lost)) from None
        except (NoCoreSqlError, BadReplyError):
            return ()  # doctor says so; calls that park from now on are seen all the same
        found = []
        for row in rows:
            with contextlib.suppress(BadReplyError):  # left alone, as a CHANNEL_PARK that cannot be used is
                snapshot = await self._dump(switch, row.leg)
                if snapshot is not None and (snapshot.application == "park" or snapshot.marker is not None):
                    found.append(self._as_parked(switch, snapshot))
        return found

    async def _send_digits(self, switch: str, leg: str, digits: str) -> None:
        pauses = digits.count("w") * 0.5 + digits.count("W")
        try:
            parts = [digits[at : at + DIGITS_AT_ONCE] for at in range(0, len(digits), DIGITS_AT_ONCE)]
            commands = [UuidSendDtmf(leg, part) for part in parts]
            session = self.board.session(switch)
            for command in commands:
                result = await session.job(command, deadline=JOB_WITHIN + pauses)
                if not result.ok:
                    raise CommandFailed(result.text.strip())
        except LinkLost as lost:
            raise SwitchAway(str(lost)) from None
        except (JobTimeout, JobRefused, PacketRefused, ValueError) as failure:
            raise CommandFailed(str(failure)) from None

    async def _dump(self, switch: str, leg: str) -> LegSnapshot | None:
        """Return a living leg, or None. Raises SwitchAway, BadReplyError."""
        try:
            reply = await self.board.session(switch).send(UuidDump(leg))
            snapshot = parse_dump(reply.text)
        except LinkLost as lost:
            raise SwitchAway(str(lost)) from None
        except NoSuchLegError:
            return None
        return None if snapshot.hanging_up else snapshot

    def _as_parked(self, switch: str, snapshot: LegSnapshot) -> ParkedLeg:
        return parked_leg(switch, self.board.session(switch).core_uuid, snapshot)

    def _post(
        self, switch: str, make: Callable[[], Sequence[Command]], *, gone_is_fine: bool = False
    ) -> asyncio.Future[None]:
        """Post commands now; the future is done with the last reply."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            commands: Sequence[Command] = make()
            session = self.board.session(switch)
            *_, last = [session.post(command) for command in commands]
        except SwitchAway as away:
            done.set_exception(away)
            return done
        except (LegBusy, PacketRefused, ValueError) as refused:
            done.set_exception(CommandFailed(str(refused)))
            return done

        def finish(replied: asyncio.Future[Reply]) -> None:
            if done.done():
                return
            error = None if replied.cancelled() else replied.exception()
            if replied.cancelled() or isinstance(error, LinkLost):
                done.set_exception(SwitchAway(str(error or "cancelled")))
            elif error is not None:
                done.set_exception(CommandFailed(str(error)))
            elif replied.result().ok or (gone_is_fine and refusal(replied.result().text) in GONE):
                done.set_result(None)
            else:
                done.set_exception(CommandFailed(replied.result().text.strip()))

        last.add_done_callback(finish)
        return done
