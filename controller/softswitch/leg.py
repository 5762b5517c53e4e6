"""A leg: a channel with its caller, and the task that plays the part of the channel's thread.

An application runs in that task. While it waits it does what FreeSWITCH does once a frame: runs the commands sent
by sendmsg (nested, unless one of them holds the event lock), takes a digit from the queue, sees a break or a
hangup. All of that happens on the leg's own 20 ms frames.
"""

import asyncio
import contextlib
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from controller.softswitch import applications
from controller.softswitch.audio import FRAME, RATE, Track
from controller.softswitch.channel import Channel
from controller.softswitch.events import Header
from controller.softswitch.expansion import expand
from controller.softswitch.journal import ExecutedEntry, HangupEntry
from controller.softswitch.profile import CAUSES, Profile, final_variables
from controller.softswitch.script import Script
from controller.softswitch.text import is_true, number
from controller.softswitch.waking import Woken

if TYPE_CHECKING:
    from controller.softswitch.switch import Softswitch

QUEUE_LENGTH = 256
_DEEPEST = 32
_LOOP_FLOOR_SECONDS = 0.5


@dataclass(slots=True)
class _Message:
    headers: list[Header]
    body: str
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.headers:
            self.values.setdefault(name.lower(), value)


class Leg(Channel):
    """One leg, alive."""

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
        super().__init__(switch, profile, script=script, variables=variables, said=said, heard=heard)
        self.transfer_to: Sequence[tuple[str, str]] | None = None
        self.transferred = False
        self.hung_up_itself = False
        self.hung_up_within = False
        self._task: asyncio.Task[Any] | None = None
        self.nested_seconds = 0.0
        self.wake_on_hangup: Leg | None = None
        self.on_hangup: Callable[[Leg], None] | None = None
        self.parked = asyncio.Event()
        self._messages: deque[_Message] = deque()
        self._keys: deque[tuple[str, str]] = deque()
        self._pressed = ""
        self.digits_sent = ""
        self._wake = asyncio.Event()
        self._broken = False
        self._broadcasting = False
        self._broadcast_stopped = False
        self._locked = False
        self._depth = 0
        self._gone = asyncio.Event()
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._last_application: tuple[str, str] = ("", "")

    # -- for tests and callers

    async def wait_hangup(self) -> str:
        """Return the hangup cause once the leg is gone for good (or the switch died under it)."""
        await self._gone.wait()
        return self.hangup_cause

    async def wait_parked(self) -> None:
        """Return once the leg is, or was, parked, or is hung up instead."""
        await self.parked.wait()

    @property
    def gone(self) -> bool:
        """Whether CHANNEL_DESTROY is behind it."""
        return self._gone.is_set()

    def hangup(self, cause: str = "NORMAL_CLEARING") -> None:
        """Hang up, as the party."""
        self.hang_up(cause, by_party=True)

    def press(self, digits: str, source: str = "RTP") -> None:
        """Press keys, as the party; their DTMF events come when an application takes them."""
        if not self.hungup:
            self._keys.extend((digit, source) for digit in digits)
            self._wake.set()

    async def send_digits(self, digits: str) -> bool:
        """Send digits to the party; False when there is none among them.

        Pauses (w, W) are queued with the digits on a SIP leg, and slept by who sends on a loopback one, whose other
        half takes the digits. This leg itself tells nothing of them.
        """
        sent = False
        for digit in digits:
            if digit not in "0123456789ABCDabcd*#wW":
                continue
            sent = True
            if digit not in "wW":
                self.digits_sent += digit
                if self.answer_partner is not None:
                    self.answer_partner.press(digit, "UNKNOWN")
            elif self.answer_partner is not None:
                await asyncio.sleep(0.5 if digit == "w" else 1.0)
        return sent

    # -- the channel's thread

    async def run(self, dialplan: Sequence[tuple[str, str]] | None, *, born: bool = True) -> None:
        """Live the leg's whole life: the applications of `dialplan`, or None: the far end of a bridge; then the end.

        `born` false leaves out CS_NEW, which only a call from outside shows.
        """
        self._task = asyncio.current_task()
        try:
            if self.state == "CS_NEW":
                if born:
                    self.set_state("CS_NEW")
                self.set_state("CS_INIT")
                self.fire("CHANNEL_CREATE")
                self.state = "CS_ROUTING"
                self.set_call_state("RINGING")
                self.fire("CHANNEL_STATE")
            if dialplan is None:
                self.set_state("CS_EXCHANGE_MEDIA")
                while self.transfer_to is None and (await self.wait(None, stops=False))[0] is not Woken.HANGUP:
                    pass
                dialplan = self.transfer_to
            if dialplan is not None:
                await self.execute_plan(dialplan)
            await self.tear_down()
        finally:
            self._gone.set()

    async def execute_plan(self, dialplan: Sequence[tuple[str, str]]) -> None:
        """CS_EXECUTE: run applications until the leg is down or they are used up, and hang up then."""
        plan: Sequence[tuple[str, str]] | None = dialplan
        while plan is not None and not self.hungup:
            self.transfer_to = None
            self.set_state("CS_EXECUTE")
            for application, argument in plan:
                if self._interrupted():
                    break
                await self.execute(application, argument)
            plan = self.transfer_to
        if not self.hungup:
            self.hang_up("NORMAL_CLEARING")

    def _interrupted(self) -> bool:
        return self.hungup or self.transfer_to is not None

    async def execute(self, name: str, argument: str, event_uuid: str | None = None) -> None:
        """switch_core_session_execute_application: an unknown name hangs the leg up, unanswered or not."""
        if self.hungup and name not in applications.RUN_WHEN_HUNG_UP:
            return
        found = applications.find(name)
        if found is None or self._depth >= _DEEPEST:
            self.hang_up("DESTINATION_OUT_OF_ORDER")
            return
        application, needs_media = found
        if needs_media:
            self.pre_answer()
        if not is_true(self.variables.get("app_disable_expand_variables")):
            argument = expand(self.switch, self, argument)
        event_uuid = event_uuid or self.variables.get("app_uuid") or str(uuid.uuid4())
        self.variables.set("app_uuid", None)
        self.switch.journal.note(ExecutedEntry(time.time(), self.uuid, name, argument, event_uuid))
        self._last_application = (name, argument)
        self.variables.set("current_application_data", argument or None)
        self.variables.set("current_application_response", None)
        self.variables.set("current_application", name)
        about = [("Application", name)]
        if argument:
            about.append(("Application-Data", argument))
        self.fire("CHANNEL_EXECUTE", after=[*about, ("Application-UUID", event_uuid)])
        self._broken = False
        self._depth += 1
        try:
            await application(self, argument)
        finally:
            self._depth -= 1
        response = self.variables.get("current_application_response") or "_none_"
        self.fire(
            "CHANNEL_EXECUTE_COMPLETE",
            after=[*about, ("Application-Response", response), ("Application-UUID", event_uuid)],
        )

    async def wait(self, seconds: float | None, *, take_digits: bool = True, stops: bool = True) -> tuple[Woken, str]:
        """Wait as an application that reads frames does; `seconds` leaves out the time of nested commands.

        A digit is taken from the queue, told as a DTMF event and returned; with `take_digits` false it stays queued
        and is only reported, as the empty string.
        `stops` false lets a break pass unnoticed.
        """
        deadline = None if seconds is None else self.switch.now() + seconds
        aligned = nested = False
        while True:
            if self.hungup:
                self.hung_up_within = nested
                return Woken.HANGUP, ""
            if self._broken and stops:
                if not aligned:
                    await self.tick()
                    aligned = True
                    continue
                self._broken = False
                return Woken.BREAK, ""
            if self.transfer_to is not None:
                return Woken.BREAK, ""
            if self._messages and not self._locked:
                if not aligned:
                    await self.tick()
                    aligned = True
                    continue
                began = self.switch.now()
                await self._run_messages()
                nested = True
                spent = self.switch.now() - began
                self.nested_seconds += spent
                if deadline is not None:
                    deadline += spent
                if self._messages and self._broken and not self.hungup:
                    # A break ends this frame's turn of commands: a digit comes before the rest (switch_ivr.c:793)
                    if self._keys and take_digits:
                        return Woken.DIGIT, self._take_digit()
                    aligned = nested = False
                continue
            if self._keys and not take_digits:
                return Woken.DIGIT, ""
            if self._keys:
                if not aligned:
                    await self.tick()
                    aligned = True
                    continue
                return Woken.DIGIT, self._take_digit()
            now = self.switch.now()
            if deadline is not None and now >= deadline:
                return Woken.DONE, ""
            aligned = nested = False
            self._wake.clear()
            await self._sleep_until(deadline)

    async def _sleep_until(self, deadline: float | None) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()
        except TimeoutError:
            return

    @property
    def has_keys(self) -> bool:
        """Whether digits wait to be taken."""
        return bool(self._keys)

    def _take_digit(self) -> str:
        digit, source = self._keys.popleft()
        self._pressed += digit
        if not is_true(self.variables.get("sensitive_dtmf")):
            about = [("DTMF-Digit", digit), ("DTMF-Duration", "2000"), ("DTMF-Source", source)]
            self.fire("DTMF", after=about)
        return digit

    # -- commands sent to the leg

    def queue_message(self, headers: list[Header], body: str) -> bool:
        """Queue a sendmsg; False when 256 wait already."""
        if len(self._messages) >= QUEUE_LENGTH:
            return False
        self._messages.append(_Message(headers, body))
        self._wake.set()
        return True

    def break_out(self, *, everything: bool = False) -> None:
        """uuid_break: what runs stops; where that was sent to the leg, all that it was nested in does too."""
        if everything:
            self._messages.clear()
        self._broadcast_stopped = self._broadcast_stopped or self._broadcasting
        self._broken = True
        self._wake.set()

    def transfer(self, dialplan: Sequence[tuple[str, str]]) -> None:
        """Leave what is running and go on with another dialplan."""
        self.transfer_to = dialplan
        self.transferred = True
        self._wake.set()
        if self.wake_on_hangup is not None:
            self.wake_on_hangup.break_out()

    async def run_leftovers(self) -> None:
        """Finish the frame in which a parked leg was hung up, as park does: its commands, and one digit.

        Where a command ran when it was hung up, the frame's turn of commands is over.
        """
        if not self.hung_up_within:
            await self.run_queued()
        if self._keys:
            self._take_digit()

    async def run_queued(self) -> None:
        """Run what was sent to the leg, as what waits without reading frames does once a frame."""
        if self._messages and not self._locked:
            await self._run_messages()

    async def _run_messages(self) -> None:
        self._suspend_output()
        # A hangup meanwhile does not end this: what is queued is run, as far as it can be on a dead channel
        while self._messages and not self._locked:
            await self._run_message(self._messages.popleft())
            if self._broken:
                break
        if not self.hungup:
            self._resume_output()

    async def _run_message(self, message: _Message) -> None:
        values = message.values
        command = values.get("call-command", "")
        # Parked without media, a leg looks for commands in a loop that tells no PRIVATE_COMMAND.
        told = self.answered or self.early
        if lead := number(values.get("lead-frames")):
            await asyncio.sleep(lead * FRAME / RATE)
        self._locked = is_true(values.get("event-lock")) or is_true(values.get("event-lock-pri"))
        if command == "execute" and "execute-app-name" in values:
            await self._run_application(message)
        elif command == "hangup":
            self.hang_up(values.get("hangup-cause", "NORMAL_CLEARING"))
        self._locked = False
        if told and self.switch.wanted("PRIVATE_COMMAND"):
            self.switch.fire("PRIVATE_COMMAND", self.data(full=False), first=message.headers)

    async def _run_application(self, message: _Message) -> None:
        values = message.values
        argument = values.get("execute-app-arg", "")
        if not argument and values.get("content-type") == "text/plain":
            argument = message.body
        loops = number(values.get("loops", "1"))
        self._broadcast_stopped = False
        outermost, self._broadcasting = not self._broadcasting, True
        done = 0
        while done < loops or loops < 0:
            done += 1
            began = self.switch.now()
            self.variables.set("current_loop", str(done))
            self.variables.set("total_loops", str(loops))
            await self.execute(values["execute-app-name"], argument, values.get("event-uuid"))
            if self.hungup or self._broadcast_stopped or self.switch.now() - began < _LOOP_FLOOR_SECONDS:
                break
        self.variables.set("current_loop", None)
        self.variables.set("total_loops", None)
        if outermost or self._broadcast_stopped:
            self._broadcasting = False
        if self._broadcast_stopped:
            self._broken = True

    # -- the end

    def hang_up(self, cause: str, *, by_party: bool = False) -> None:
        """Hang up; CHANNEL_HANGUP is told at once, the rest by the channel's thread. An unknown cause: 16."""
        if self.hungup:
            return
        self.hungup = True
        self.parked.set()
        self.hangup_cause = cause.upper() if cause.upper() in CAUSES else "NORMAL_CLEARING"
        self.profile.stamp("Hangup")
        self.switch.journal.note(HangupEntry(time.time(), self.uuid, self.hangup_cause))
        self.switch.unschedule(self.uuid)
        for timer in self._timers:
            timer.cancel()
        self.fire("CHANNEL_HANGUP")
        if by_party:
            self.variables.set("sip_hangup_disposition", "recv_bye")
        self.hung_up_itself = self._task is not None and asyncio.current_task() is self._task
        if by_party:
            self._wake.set()
        else:
            # The channel's thread sees it at its next frame.
            self.switch.loop.call_at(self.frame_time(self.frame_number(self.switch.now()) + 1), self._wake.set)
        if self.on_hangup is not None:
            self.on_hangup(self)
        if self.wake_on_hangup is not None:
            self.wake_on_hangup.break_out()

    async def tear_down(self) -> None:
        """From CS_HANGUP to CS_DESTROY, in the order of spec 4.5."""
        self._messages.clear()
        self.set_state("CS_HANGUP")
        zombie = self.switch.faults.zombie and bool(self.recorders)
        if zombie:
            for recorder in list(self.recorders):
                recorder.abandon("lost")
        await self._close_recorders()
        self.set_call_state("HANGUP")
        self.set_state("CS_REPORTING")
        for name, value in final_variables(self.profile, self.hangup_cause, self._pressed, self._last_application):
            self.variables.set(name, value)
        hook, _, argument = (self.variables.get("api_reporting_hook") or "").partition(" ")
        if hook == "msleep":  # the only one there is, as whoever reports the call to a slow server
            await asyncio.sleep(int(argument) / 1000)
        self.fire("CHANNEL_HANGUP_COMPLETE", before=[("Hangup-Cause", self.hangup_cause)])
        if zombie:
            return
        # A recorder whose start raced with the hangup is closed only now.
        await self._unused.wait()
        await self._close_recorders()
        self.fire("CHANNEL_DESTROY")
        self.set_state("CS_DESTROY")
        self.switch.forget(self)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Hold the leg's lock as a command from outside does: it may hang up, but is not destroyed meanwhile."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def _close_recorders(self) -> None:
        finished = [recorder for recorder in list(self.recorders) if await recorder.finish("hangup")]
        for recorder in reversed(finished):
            recorder.tell_bug_stopped()

    def vanish(self) -> None:
        """Die with the switch: nobody is told anything."""
        for timer in self._timers:
            timer.cancel()
        for recorder in list(self.recorders):
            recorder.abandon("crash")
        self.recorders.clear()
        self.hungup = True
        self.parked.set()
        self._gone.set()

    def export(self) -> Mapping[str, str]:
        """Its variables, a copy."""
        return self.variables.as_dict()
