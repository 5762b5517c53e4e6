"""``sendmsg … execute``: applications that the leg's own thread carries out (spec 3.3, 4.2)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from controller.switch import commands_text as check
from controller.switch.commands_base import Command
from controller.switch.commands_sources import Source
from controller.switch.commands_values import (
    NET_LIMIT,
    RECORDING_EXTENSIONS,
    Cause,
    RecordingVariables,
)


@dataclass(frozen=True, slots=True)
class Execute(Command):
    """One application on one leg.

    ``+OK`` means queued; the event_uuid comes back as Application-UUID of CHANNEL_EXECUTE_COMPLETE. There is no way
    to name an application freely: an unknown one hangs the call up, ``set`` and ``system`` are not wanted.

    Attributes:
        leg: Unique-ID of the leg.
        event_uuid: a UUID of ours for this execution.
        event_lock: wait for what runs on the leg instead of running inside it.

    """

    application: ClassVar[str]

    leg: str
    event_uuid: str = field(kw_only=True)
    event_lock: bool = field(default=False, kw_only=True)
    _packet: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check.leg_id(self.leg, "leg")
        check.event_uuid(self.event_uuid, "event_uuid")
        self._check()
        object.__setattr__(self, "_packet", check.sealed(self._made()))

    def _check(self) -> None:
        """Check the fields that the application adds; raise ValueError."""

    @abstractmethod
    def argument(self) -> str:
        """Return the application's argument, empty for none."""

    def packet(self) -> str:
        """Return the sendmsg packet."""
        return self._packet

    def _made(self) -> str:
        lines = [f"sendmsg {self.leg}", "call-command: execute", f"execute-app-name: {self.application}"]
        if argument := self.argument():
            lines.append(f"execute-app-arg: {argument}")
        lines.append(f"Event-UUID: {self.event_uuid}")
        if self.event_lock:
            lines.append("event-lock: true")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class RecordSession(Execute):
    """Start a recording in the leg's thread (DESIGN 4).

    Attributes:
        path: where the switch writes: absolute, ``.wav``. The recording's identity on its leg (spec 1.2).
        variables: the whole block.
        limit: seconds after which FreeSWITCH stops by itself.

    """

    application: ClassVar[str] = "record_session"

    path: str
    variables: RecordingVariables
    limit: int = NET_LIMIT

    def _check(self) -> None:
        check.path(self.path, "path", RECORDING_EXTENSIONS)
        check.bounded(self.limit, "limit", 1, NET_LIMIT)

    def argument(self) -> str:
        """``<path> +<limit> {…}``: without the ``+`` FreeSWITCH reads the limit as variables."""
        return f"{self.path} +{self.limit} {self.variables}"


@dataclass(frozen=True, slots=True)
class Answer(Execute):
    """Answer the leg."""

    application: ClassVar[str] = "answer"

    def argument(self) -> str:
        """Return nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class Playback(Execute):
    """Play one source to the leg."""

    application: ClassVar[str] = "playback"

    source: Source

    def argument(self) -> str:
        """Return the file's path or the stream's URL."""
        return str(self.source)


@dataclass(frozen=True, slots=True)
class Hangup(Execute):
    """Hang the leg up, in its own thread; UuidKill does it from outside."""

    application: ClassVar[str] = "hangup"

    cause: Cause = Cause.NORMAL_CLEARING

    def _check(self) -> None:
        object.__setattr__(self, "cause", Cause(self.cause))

    def argument(self) -> str:
        """Return the cause's name (FreeSWITCH takes an unknown one for NORMAL_CLEARING)."""
        return self.cause.value
