"""ESL commands as values: the only place where ESL text is made (DESIGN 2, 4, 5).

A command that exists is fit to be sent: each field is of a closed alphabet or was made so (``Spoken``), and the
packet as a whole was looked at once more. ``parse`` is the exact inverse of ``packet``. What is missing is missing
on purpose: ``set``, ``system`` and any application or API command by a free name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.switch import commands_text as check
from controller.switch.commands_api import (
    Action,
    GlobalGetvar,
    ModuleExists,
    SchedDel,
    SchedHangup,
    ShowChannels,
    Status,
    StopRecorders,
    UuidBreak,
    UuidBuglist,
    UuidDump,
    UuidExists,
    UuidGetvar,
    UuidKill,
    UuidRecord,
    UuidSendDtmf,
    UuidSetvars,
    Version,
)
from controller.switch.commands_base import ApiCommand, Command
from controller.switch.commands_dial import DIALLER, Bridge, Callee, Templates
from controller.switch.commands_execute import Answer, Execute, Hangup, Playback, RecordSession
from controller.switch.commands_heard import (
    CONFIRMING_KEYS,
    LONGEST_CONFIRMATION,
    Confirmed,
    SetQuestion,
    SetRingback,
)
from controller.switch.commands_probe import Originate, ShowTasks, SipConfiguration, UuidDisplace
from controller.switch.commands_sources import (
    Joined,
    LocalFile,
    SilenceStream,
    Source,
    Spoken,
    Tone,
    parse_source,
)
from controller.switch.commands_text import is_leg_id
from controller.switch.commands_values import (
    MARKER,
    NET_LIMIT,
    QUESTION,
    RELEASE_VARIABLES,
    RINGBACK,
    TAKEOVER_VARIABLES,
    Cause,
    RecordingVariables,
    Track,
    silence_threshold,
)

__all__ = [
    "CONFIRMING_KEYS",
    "DIALLER",
    "LONGEST_CONFIRMATION",
    "MARKER",
    "NET_LIMIT",
    "QUESTION",
    "RELEASE_VARIABLES",
    "RINGBACK",
    "TAKEOVER_VARIABLES",
    "Action",
    "Answer",
    "ApiCommand",
    "Bridge",
    "Callee",
    "Cause",
    "Command",
    "Confirmed",
    "Execute",
    "GlobalGetvar",
    "Hangup",
    "Joined",
    "LocalFile",
    "ModuleExists",
    "Originate",
    "Playback",
    "RecordSession",
    "RecordingVariables",
    "SchedDel",
    "SchedHangup",
    "SetQuestion",
    "SetRingback",
    "ShowChannels",
    "ShowTasks",
    "SilenceStream",
    "SipConfiguration",
    "Source",
    "Spoken",
    "Status",
    "StopRecorders",
    "Subscribe",
    "Templates",
    "Tone",
    "Track",
    "UuidBreak",
    "UuidBuglist",
    "UuidDisplace",
    "UuidDump",
    "UuidExists",
    "UuidGetvar",
    "UuidKill",
    "UuidRecord",
    "UuidSendDtmf",
    "UuidSetvars",
    "Version",
    "is_leg_id",
    "parse",
    "silence_threshold",
]

_EVENT = re.compile(r"[A-Z][A-Z_]{0,39}")


@dataclass(frozen=True, slots=True)
class Subscribe(Command):
    """Ask for events as JSON (additive). Never ALL (DESIGN 5); CUSTOM would make what follows subclasses."""

    leg: None = field(default=None, init=False)
    events: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.events:
            raise ValueError("events: none; right is at least one name")
        for event in self.events:
            check.matching(event, "events", _EVENT, "a name of A-Z _")
            if event in {"ALL", "CUSTOM"}:
                raise ValueError(f"events: {event} is too much; right are names of single events")

    def packet(self) -> str:
        """``event json A B …``."""
        return f"event json {' '.join(self.events)}"


_HEARD: dict[str, Callable[[str, str], ApiCommand]] = {RINGBACK: SetRingback.parse, QUESTION: SetQuestion.parse}

_API: dict[str, Callable[..., ApiCommand]] = {
    "sched_del": SchedDel,
    "sched_hangup": lambda seconds, leg, cause: SchedHangup(leg, int(seconds), Cause(cause)),
    "uuid_record": lambda leg, action, path, limit=NET_LIMIT, variables=None: (
        StopRecorders.parse(leg, action, path)
        if path == "all"
        else UuidRecord(
            leg,
            Action(action),
            path,
            None if variables is None else RecordingVariables.parse(variables),
            int(limit),
        )
    ),
    "uuid_setvar_multi": lambda leg, pairs: UuidSetvars(
        leg,
        tuple((name, value or None) for name, _, value in (pair.partition("=") for pair in pairs.split(";"))),
    ),
    "uuid_setvar": lambda leg, name, *words: _HEARD[name](leg, " ".join(words)),
    "uuid_kill": UuidKill,
    "uuid_buglist": UuidBuglist,
    "uuid_exists": UuidExists,
    "uuid_dump": lambda leg, _form: UuidDump(leg),
    "uuid_break": UuidBreak,
    "uuid_send_dtmf": UuidSendDtmf,
    "uuid_getvar": UuidGetvar,
    "show": lambda what, _as, _form: ShowTasks() if what == "tasks" else ShowChannels(),
    "originate": Originate.parse,
    "uuid_displace": UuidDisplace.parse,
    "xml_locate": lambda *_words: SipConfiguration(),
    "module_exists": ModuleExists,
    "global_getvar": GlobalGetvar,
    "version": Version,
    "status": Status,
}


def _record_session(leg: str, argument: str, event_uuid: str, event_lock: bool) -> Execute:
    path, limit, variables = argument.split(" ")
    return RecordSession(
        leg, path, RecordingVariables.parse(variables), int(limit), event_uuid=event_uuid, event_lock=event_lock
    )


def _playback(leg: str, argument: str, event_uuid: str, event_lock: bool) -> Execute:
    return Playback(leg, parse_source(argument), event_uuid=event_uuid, event_lock=event_lock)


def _hangup(leg: str, argument: str, event_uuid: str, event_lock: bool) -> Execute:
    return Hangup(leg, Cause(argument), event_uuid=event_uuid, event_lock=event_lock)


def _answer(leg: str, _argument: str, event_uuid: str, event_lock: bool) -> Execute:
    return Answer(leg, event_uuid=event_uuid, event_lock=event_lock)


def _bridge(leg: str, argument: str, event_uuid: str, event_lock: bool) -> Execute:
    return Bridge.parse(leg, argument, event_uuid=event_uuid, event_lock=event_lock)


_EXECUTE: dict[str, Callable[[str, str, str, bool], Execute]] = {
    RecordSession.application: _record_session,
    Answer.application: _answer,
    Playback.application: _playback,
    Hangup.application: _hangup,
    Bridge.application: _bridge,
}


NAMES = (*_API, *_EXECUTE)
"""What all of them are called: commands of the API, applications."""


def _parsed(packet: str) -> Command:
    first, *rest = packet.split("\n")
    verb, _, tail = first.partition(" ")
    if verb == "event":
        return Subscribe(tuple(tail.removeprefix("json ").split(" ")))
    if verb == "api":
        name, *arguments = tail.split(" ")
        return _API[name](*arguments)
    headers = dict(line.split(": ", 1) for line in rest)
    return _EXECUTE[headers["execute-app-name"]](
        tail, headers.get("execute-app-arg", ""), headers["Event-UUID"], "event-lock" in headers
    )


def parse(packet: str) -> Command:
    """Read back what ``packet()`` printed, for any command of this module.

    Raises:
        ValueError: the text is not, letter for letter, what one of the commands prints.

    """
    try:
        command = _parsed(packet)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"packet: {check.shown(packet)} is no command of ours ({error}); right is what one prints"
        ) from None
    if command.packet() != packet:
        raise ValueError(
            f"packet: {check.shown(packet)} is not what prints; right is {check.shown(command.packet())}"
        )
    return command
