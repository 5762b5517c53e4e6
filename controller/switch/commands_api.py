"""Commands of FreeSWITCH's API that the daemon uses (spec 1.1, 4.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from controller.switch import commands_text as check
from controller.switch.commands_base import ApiCommand
from controller.switch.commands_values import (
    MARKER,
    NET_LIMIT,
    RECORDING_EXTENSIONS,
    RELEASE_VARIABLES,
    TAKEOVER_VARIABLES,
    Cause,
    RecordingVariables,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class LegCommand(ApiCommand):
    """An API command about a leg: its id is checked, then the whole packet."""

    __slots__ = ()

    def __post_init__(self) -> None:
        check.leg_id(self.leg or "", "leg")
        self._check()
        check.sealed(self.packet())

    def _check(self) -> None:
        """Check the fields that the command adds; raise ValueError."""


class Action(StrEnum):
    """What uuid_record does to a recording. ``pause`` and ``resume`` are left out: DESIGN 4, Pause."""

    START = "start"
    STOP = "stop"
    MASK = "mask"
    UNMASK = "unmask"


@dataclass(frozen=True, slots=True)
class UuidRecord(LegCommand):
    """Start, stop, mask or unmask a recording from outside the leg's thread; for bgapi (DESIGN 4).

    ``variables`` belong to a start, and to nothing else. A start always carries its limit: FreeSWITCH reads
    variables only as the fifth argument.
    """

    leg: str
    action: Action
    path: str
    variables: RecordingVariables | None = None
    limit: int = NET_LIMIT

    def _check(self) -> None:
        object.__setattr__(self, "action", Action(self.action))
        check.path(self.path, "path", RECORDING_EXTENSIONS)
        check.bounded(self.limit, "limit", 1, NET_LIMIT)
        if self.action is Action.START and self.variables is None:
            raise ValueError("variables: None for a start; right is the whole block")
        if self.action is not Action.START and (self.variables is not None or self.limit != NET_LIMIT):
            raise ValueError(f"variables, limit: given for {self.action}; right is to leave them out")

    def api_text(self) -> str:
        """``uuid_record <leg> <action> <path>[ <limit> {…}]``."""
        tail = f" {self.limit} {self.variables}" if self.action is Action.START else ""
        return f"uuid_record {self.leg} {self.action} {self.path}{tail}"


@dataclass(frozen=True, slots=True)
class StopRecorders(LegCommand):
    """Stop every recording of a leg; the only way to stop one that followed a transfer to it (spec 1.11)."""

    leg: str

    def api_text(self) -> str:
        """``uuid_record <leg> stop all``."""
        return f"uuid_record {self.leg} stop all"

    @classmethod
    def parse(cls, leg: str, action: str, which: str) -> StopRecorders:
        """Read back from the arguments that printing made; ValueError for anything else."""
        if (action, which) != ("stop", "all"):
            raise ValueError("uuid_record: of all recordings it is stop")
        return cls(leg)


_SETTABLE: Mapping[str, frozenset[str | None]] = {
    **{name: frozenset({None}) for name in RELEASE_VARIABLES},
    **{name: frozenset({value, None}) for name, value in TAKEOVER_VARIABLES.items()},
}


@dataclass(frozen=True, slots=True)
class UuidSetvars(LegCommand):
    """Set and unset channel variables in one packet; names and values are those of DESIGN 4 and no others.

    ``uuid_setvar_multi``: an empty value unsets, all happen at once (both seen on a real switch). Its values are
    stored as they stand, where the application ``set`` would expand them.
    """

    leg: str
    variables: tuple[tuple[str, str | None], ...]

    @classmethod
    def of(cls, leg: str, variables: Mapping[str, str | None]) -> Self:
        """Make one of a mapping; None unsets."""
        return cls(leg, tuple(variables.items()))

    @classmethod
    def takeover(cls, leg: str, call: str) -> Self:
        """Mark a leg as that of our call (32 hex digits) and lock expansion."""
        return cls.of(leg, {MARKER: call, **TAKEOVER_VARIABLES})

    @classmethod
    def release(cls, leg: str) -> Self:
        """Take marker and lock off a leg that is let go."""
        return cls.of(leg, RELEASE_VARIABLES)

    def _check(self) -> None:
        if not self.variables or len(dict(self.variables)) != len(self.variables):
            raise ValueError("variables: none, or one twice; right is each of them once")
        for name, value in self.variables:
            if name == MARKER:
                if value is not None:
                    check.hex_id(value, MARKER)
            elif value not in _SETTABLE.get(name, frozenset()):
                raise ValueError(
                    f"variables: {check.shown(name)}={check.shown(value)} is not ours to set; see DESIGN 4"
                )

    def api_text(self) -> str:
        """``uuid_setvar_multi <leg> a=1;b=;c=2``."""
        return f"uuid_setvar_multi {self.leg} " + ";".join(f"{name}={value or ''}" for name, value in self.variables)


@dataclass(frozen=True, slots=True)
class SchedDel(LegCommand):
    """Call off what is scheduled for a leg: the hangup that the dialplan armed before parking."""

    leg: str

    def api_text(self) -> str:
        """``sched_del <leg>``: the tasks of a leg form a group of its name."""
        return f"sched_del {self.leg}"


@dataclass(frozen=True, slots=True)
class SchedHangup(LegCommand):
    """Hang a leg up in so many seconds, unless called off."""

    leg: str
    seconds: int
    cause: Cause = Cause.ALLOTTED_TIMEOUT

    def _check(self) -> None:
        check.bounded(self.seconds, "seconds", 1, NET_LIMIT)
        object.__setattr__(self, "cause", Cause(self.cause))

    def api_text(self) -> str:
        """``sched_hangup +<seconds> <leg> <cause>``."""
        return f"sched_hangup +{self.seconds} {self.leg} {self.cause}"


@dataclass(frozen=True, slots=True)
class UuidKill(LegCommand):
    """Hang a leg up from outside its thread."""

    leg: str
    cause: Cause = Cause.NORMAL_CLEARING

    def _check(self) -> None:
        object.__setattr__(self, "cause", Cause(self.cause))

    def api_text(self) -> str:
        """``uuid_kill <leg> <cause>``."""
        return f"uuid_kill {self.leg} {self.cause}"


@dataclass(frozen=True, slots=True)
class UuidBuglist(LegCommand):
    """Ask which recordings run on a leg; the reply is for facts.parse_buglist."""

    leg: str

    def api_text(self) -> str:
        """``uuid_buglist <leg>``."""
        return f"uuid_buglist {self.leg}"


@dataclass(frozen=True, slots=True)
class UuidExists(LegCommand):
    """Ask whether a leg lives: ``true`` or ``false``, the latter as soon as it is hanging up."""

    leg: str

    def api_text(self) -> str:
        """``uuid_exists <leg>``."""
        return f"uuid_exists {self.leg}"


@dataclass(frozen=True, slots=True)
class UuidDump(LegCommand):
    """Ask for all that is known of a leg; the reply is for facts.parse_dump."""

    leg: str

    def api_text(self) -> str:
        """``uuid_dump <leg> json``: the other forms are ambiguous."""
        return f"uuid_dump {self.leg} json"


@dataclass(frozen=True, slots=True)
class UuidBreak(LegCommand):
    """End what plays on a leg (not what is queued behind it)."""

    leg: str

    def api_text(self) -> str:
        """``uuid_break <leg>``."""
        return f"uuid_break {self.leg}"


_DIGITS = re.compile(r"[0-9A-D*#wW]{1,64}")


@dataclass(frozen=True, slots=True)
class UuidSendDtmf(LegCommand):
    """Send digits to a leg's party; ``w`` is a pause of half a second, ``W`` of one."""

    leg: str
    digits: str

    def _check(self) -> None:
        check.matching(self.digits, "digits", _DIGITS, "1 to 64 of 0-9 A-D * # w W")

    def api_text(self) -> str:
        """``uuid_send_dtmf <leg> <digits>``."""
        return f"uuid_send_dtmf {self.leg} {self.digits}"


@dataclass(frozen=True, slots=True)
class UuidGetvar(LegCommand):
    """Ask for one channel variable: its value, or ``_undef_``."""

    leg: str
    name: str

    def _check(self) -> None:
        check.name(self.name, "name")

    def api_text(self) -> str:
        """``uuid_getvar <leg> <name>``."""
        return f"uuid_getvar {self.leg} {self.name}"


@dataclass(frozen=True, slots=True)
class ShowChannels(ApiCommand):
    """Ask for all legs; the reply is for facts.parse_channels. The list lags by up to 0.3 s (measured)."""

    leg: None = field(default=None, init=False)

    def api_text(self) -> str:
        """``show channels as json``: the CSV form is unescaped."""
        return "show channels as json"


@dataclass(frozen=True, slots=True)
class ModuleExists(ApiCommand):
    """Ask whether a module is loaded: ``true`` or ``false``."""

    leg: None = field(default=None, init=False)
    name: str

    def __post_init__(self) -> None:
        check.matching(self.name, "name", re.compile("mod_[a-z0-9_]{1,60}"), "mod_ and a-z 0-9 _")
        check.sealed(self.packet())

    def api_text(self) -> str:
        """``module_exists <name>``."""
        return f"module_exists {self.name}"


@dataclass(frozen=True, slots=True)
class GlobalGetvar(ApiCommand):
    """Ask for one global variable: its value, or ``-ERR no reply``."""

    leg: None = field(default=None, init=False)
    name: str

    def __post_init__(self) -> None:
        check.name(self.name, "name")
        check.sealed(self.packet())

    def api_text(self) -> str:
        """``global_getvar <name>``."""
        return f"global_getvar {self.name}"


@dataclass(frozen=True, slots=True)
class Version(ApiCommand):
    """Ask for FreeSWITCH's version."""

    leg: None = field(default=None, init=False)

    def api_text(self) -> str:
        """``version``."""
        return "version"


@dataclass(frozen=True, slots=True)
class Status(ApiCommand):
    """Ask for up time and load, in words."""

    leg: None = field(default=None, init=False)

    def api_text(self) -> str:
        """``status``."""
        return "status"
