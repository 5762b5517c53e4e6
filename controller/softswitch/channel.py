"""A channel: what FreeSWITCH knows of a leg, its two tracks of sound, its recorders, its events.

What it does, the channel's thread, is `leg.Leg`.
"""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from controller.softswitch.audio import FRAME, RATE, Segment, Sound, Track
from controller.softswitch.events import Header
from controller.softswitch.profile import Profile, number_of_state
from controller.softswitch.script import Script, render
from controller.softswitch.text import Variables

if TYPE_CHECKING:
    from controller.softswitch.leg import Leg
    from controller.softswitch.recorder import Recorder
    from controller.softswitch.switch import Softswitch

_FRAME_SECONDS = FRAME / RATE
_SPARSE = frozenset({"CHANNEL_STATE", "CHANNEL_CALLSTATE", "CHANNEL_OUTGOING", "DTMF", "CODEC", "PRIVATE_COMMAND"})
"""Events without `variable_*` headers (switch_channel.c:2771)."""


class Channel(ABC):
    """The passive half of a leg. `said` is what its party says (READ), `heard` what it hears (WRITE)."""

    def __init__(
        self,
        switch: "Softswitch",
        profile: Profile,
        *,
        script: Script = (),
        variables: Iterable[tuple[str, str]] = (),
        said: Track | None = None,
        heard: Track | None = None,
    ) -> None:
        self.switch = switch
        self.profile = profile
        self.uuid = profile.uuid
        self.variables = Variables(dict(variables))
        self.said = said or Track()
        self.heard = heard or Track()
        self.answered = False
        self.early = False
        self.ring_ready = False
        self.held = False
        self.hungup = False
        self.hangup_cause = "NONE"
        self.state = "CS_NEW"
        self.call_state = "DOWN"
        self.controlled = False
        self.partner: Leg | None = None
        self.peer: Leg | None = None
        self.dialled = False
        self.answer_partner: Leg | None = None
        self.on_answer: list[asyncio.Future[None]] = []
        self.on_answer_once: Callable[[], None] | None = None
        self.recorders: list[Recorder] = []
        self.idle_silence = False
        self._idle: Segment | None = None
        self._script = script
        self._private: dict[str, Recorder] = {}
        self._epoch = switch.now()
        self._position = switch.position(self._epoch)
        self._output: list[tuple[Segment, int]] = []
        self._timers: list[asyncio.TimerHandle] = []

    @abstractmethod
    def press(self, digits: str, source: str = "RTP") -> None:
        """Press keys, as the party; their DTMF events come when an application takes them."""

    @abstractmethod
    def hangup(self, cause: str = "NORMAL_CLEARING") -> None:
        """Hang up, as the party."""

    # -- time: frame numbers count from the leg's birth

    def frame_number(self, moment: float) -> int:
        """Whole frames between the leg's birth and `moment` (loop time, seconds)."""
        return math.floor((moment - self._epoch) / _FRAME_SECONDS + 1e-6)

    def frame_time(self, frame: int) -> float:
        """When frame `frame` begins, which is when the one before it is complete."""
        return self._epoch + frame * _FRAME_SECONDS

    def frame_position(self, frame: int) -> int:
        """Where frame `frame` begins on the switch's time line, in samples."""
        return self._position + frame * FRAME

    def written_from(self) -> int:
        """Where on the time line what is written now is heard from: with the frame that has begun."""
        return self.frame_position(self.frame_number(self.switch.now()))

    async def tick(self) -> None:
        """Wait for the leg's next frame."""
        now = self.switch.now()
        await asyncio.sleep(self.frame_time(self.frame_number(now) + 1) - now)

    # -- events

    @property
    def answer_state(self) -> str:
        """Answer-State."""
        if self.hungup:
            return "hangup"
        return "answered" if self.answered else "early" if self.early else "ringing"

    def fire(self, name: str, *, before: Sequence[Header] = (), after: Sequence[Header] = ()) -> None:
        """Fire an event about this leg: `before`, channel data, `after`."""
        if self.switch.wanted(name):
            self.switch.fire(name, [*before, *self.data(full=name not in _SPARSE), *after])

    def data(self, *, full: bool = True) -> list[Header]:
        """switch_channel_event_set_data: state, profile, with `full` every variable."""
        headers = [
            ("Channel-State", self.state),
            ("Channel-Call-State", self.call_state),
            ("Channel-State-Number", number_of_state(self.state)),
            *self.profile.identity(),
            ("Answer-State", self.answer_state),
        ]
        if self.hungup:
            headers.append(("Hangup-Cause", self.hangup_cause))
        if self.state != "CS_NEW":
            headers += self.profile.caller()
        if self.peer is not None:
            headers += self.peer.profile.other(originator=self.dialled)
        if self.switch.faults.bad_utf8:
            headers.append(("Caller-Username", "\udcff\udcfe"))
        if full:
            headers += [(f"variable_{name}", value) for name, value in self.variables.items()]
        return headers

    def set_state(self, state: str) -> None:
        """Enter a state and say so."""
        self.state = state
        self.fire("CHANNEL_STATE")

    def set_call_state(self, state: str) -> None:
        """Enter a call state and say so; nothing when it is the old one."""
        if state != self.call_state:
            before, self.call_state = self.call_state, state
            self.fire("CHANNEL_CALLSTATE", before=[("Original-Channel-Call-State", before)])

    # -- variables

    def variable(self, name: str) -> str | None:
        """Channel variable, else a field of the caller profile, else a global variable (chan:974)."""
        value = self.variables.get(name)
        if value is None:
            value = self.profile.field(name)
        return value if value is not None else self.switch.global_variables.get(name)

    # -- answer

    def answer(self) -> None:
        """Answer; the caller's script begins now: a phone says nothing while it rings.

        The other half of a loopback pair is answered with, and before, this one.
        """
        if self.answered or self.hungup:
            return
        render(self._script, RATE)  # kept: long work is done before the moment of the answer
        self._settle_recorders()
        self.answered = True
        if self.answer_partner is not None:
            self.answer_partner.answer()
        self.profile.stamp("Answered")
        self._begin_script()
        self.fire("CHANNEL_ANSWER")
        self.set_call_state("ACTIVE")
        self.variables.set("endpoint_disposition", "ANSWER")
        for waiting in self.on_answer:
            if not waiting.done():
                waiting.set_result(None)
        if self.on_answer_once is not None:  # bridged at early media: the dialler is answered with it
            self.switch.loop.call_soon(self.on_answer_once)
        self.keep_line_alive()
        self.reschedule_recorders()

    def pre_answer(self) -> None:
        """Early media."""
        if not self.answered and not self.early and not self.hungup:
            self.early = True
            self.profile.stamp("Progress-Media")
            if self.answer_partner is not None:
                self.answer_partner.pre_answer()
            self.fire("CHANNEL_PROGRESS_MEDIA")
            self.set_call_state("EARLY")
            self.keep_line_alive()

    def _begin_script(self) -> None:
        if self._script:
            self._play_script(self._script)

    def say(self, script: Script) -> None:
        """Do a script as the party, from now on, whatever the one of the call was."""
        self._settle_recorders()
        self._play_script(script)
        self.reschedule_recorders()

    def _play_script(self, script: Script) -> None:
        rendered = render(script, RATE)
        now = self.switch.now()
        self.said.play(Sound(rendered.samples), self.switch.position(now))
        loop = self.switch.loop
        self._timers += [loop.call_at(now + at, self.press, key) for at, key in rendered.digits]
        if rendered.hangup_at is not None:
            self._timers.append(loop.call_at(now + rendered.hangup_at, self.hangup, rendered.hangup_cause))

    # -- recorders

    def recorder(self, key: str) -> "Recorder | None":
        """Return the recorder found under a literal path in the channel's private hash."""
        return self._private.get(key)

    def add_recorder(self, recorder: "Recorder") -> None:
        """List the bug and set its key."""
        self.recorders.append(recorder)
        self._private[recorder.key] = recorder

    def forget_recorder(self, recorder: "Recorder") -> None:
        """Take the bug off the list and clear its key."""
        if recorder in self.recorders:
            self.recorders.remove(recorder)
        if self._private.get(recorder.key) is recorder:
            del self._private[recorder.key]

    def lose_recorder(self, recorder: "Recorder") -> None:
        """Take the bug off the list, for it is another channel's now; its key stays."""
        self.recorders.remove(recorder)

    def _settle_recorders(self) -> None:
        for recorder in list(self.recorders):
            recorder.settle()

    def hold(self, held: bool) -> None:
        """Hold, or hold no longer: no recorder gets a frame of what comes meanwhile."""
        self._settle_recorders()
        self.held = held
        self.reschedule_recorders()
        self.fire("CHANNEL_HOLD" if held else "CHANNEL_UNHOLD")

    def reschedule_recorders(self) -> None:
        """Let recorders look at their gates and timers again."""
        for recorder in list(self.recorders):
            recorder.reschedule()

    def set_partner(self, partner: "Leg | None") -> None:
        """Bridge to, or part from, another leg; the sound is crossed by who bridges."""
        self._settle_recorders()
        self.partner = partner
        self.reschedule_recorders()

    # -- sound

    def keep_line_alive(self) -> None:
        """send_silence_when_idle, which park reads when it begins: packets of silence are heard while parked."""
        if self.controlled and self._idle is None and (self.answered or self.early) and self.idle_silence:
            self._idle = self.heard.play(Track(), self.switch.position(self.switch.now()))

    def end_idle(self) -> None:
        """Park is over."""
        if self._idle is not None:
            Track.cut(self._idle, self.switch.position(self.switch.now()))
            self._idle = None

    def begin_output(self, segment: Segment) -> None:
        """Begin a playback; whatever was being played waits for its end."""
        self._output.append((segment, 0))

    def end_output(self) -> None:
        """End the innermost playback."""
        segment, _ = self._output.pop()
        Track.cut(segment, self.switch.position(self.switch.now()))

    def _suspend_output(self) -> None:
        if self._output:
            segment, _ = self._output[-1]
            now = self.written_from()
            played = min(now, segment.end if segment.end is not None else now) - segment.start
            Track.cut(segment, now)
            self._output[-1] = (segment, segment.offset + played)

    def _resume_output(self) -> None:
        if self._output:
            segment, offset = self._output[-1]
            source = segment.source
            if isinstance(source, Track) or offset < len(source):
                now = self.written_from()
                self._output[-1] = (self.heard.play(source, now, offset), 0)
