"""What a switch tells, as typed facts; untrusted JSON is checked here (DESIGN 2, 4, 5; spec 3.4, 4).

``parse`` takes one event as ``event json`` brought it and never raises. What cannot be a fact is None (not of our
events, or not ours), ``Unusable`` (of our events, but not as the core writes it: counted, and the leg is left
alone) or ``Forged``.

**Forgery.** Any ESL client may ``sendevent RECORD_STOP`` with any headers. Two forms were seen on a real switch:

* Without a living leg's Unique-ID the core appends its own Event-Name, Event-Date-Timestamp and Event-Calling-File
  (``mod_event_socket.c``) *behind* those of the sender, also behind lists (``Event-Calling-File[0]: …``). The JSON
  then has such keys twice and orjson keeps the last, the core's. So the calling file tells: ours come from
  ``switch_ivr_async.c``.
* With a living leg's Unique-ID the event goes through that leg's own queue, and nothing but the channel's data is
appended:
  the sender's Event-Name, time and calling file stand. But the first header is always the packet itself,
  ``Command``, which no event of the core has, and which the sender can repeat but not take away. So an event with a
  ``Command`` is forged.

What a script on the switch itself (Lua, …) fires is not told apart: who may run scripts there owns the switch.
The calling *function* is not compared: it was renamed between FreeSWITCH's versions, the file was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from controller.recordings.facts import Cause
from controller.switch import facts_clean as clean
from controller.switch.commands_text import is_hex_id, is_leg_id
from controller.switch.facts_legs import (
    BRIDGE_CAUSE,
    IS_HANGING_UP,
    LEG_INFO,
    bridge_cause,
    cause_of,
    is_hanging_up,
    leg_info,
    marker,
    wish,
)
from controller.switch.facts_replies import (
    BadReplyError,
    ChannelRow,
    LegSnapshot,
    NoCoreSqlError,
    NoSuchLegError,
    Refusal,
    ReplyError,
    parse_buglist,
    parse_channels,
    parse_dump,
    refusal,
)
from controller.switch.facts_types import (
    EVENTS,
    DigitPressed,
    Executed,
    Fact,
    Forged,
    Heartbeat,
    LegAnswered,
    LegBridged,
    LegGone,
    LegHangup,
    LegHeld,
    LegInfo,
    LegMoved,
    LegParked,
    LegUnparked,
    RecorderAttached,
    RecordStarted,
    RecordStopped,
    Unusable,
)

__all__ = [
    "EVENTS",
    "HEADERS",
    "BadReplyError",
    "ChannelRow",
    "DigitPressed",
    "Executed",
    "Fact",
    "Forged",
    "Heartbeat",
    "LegAnswered",
    "LegBridged",
    "LegGone",
    "LegHangup",
    "LegHeld",
    "LegInfo",
    "LegMoved",
    "LegParked",
    "LegSnapshot",
    "LegUnparked",
    "NoCoreSqlError",
    "NoSuchLegError",
    "RecordStarted",
    "RecordStopped",
    "RecorderAttached",
    "Refusal",
    "ReplyError",
    "Unusable",
    "parse",
    "parse_buglist",
    "parse_channels",
    "parse_dump",
    "refusal",
]

_Event = Mapping[str, object]


class _NoFactError(Exception):
    """Carries why an event is unusable."""


def _leg(event: _Event, header: str = "Unique-ID") -> str:
    value = event.get(header)
    if not is_leg_id(value):
        raise _NoFactError(f"{header} is missing or no leg id that a command could name")
    return value


def _path(event: _Event, header: str = "Record-File-Path") -> str:
    value = clean.string(event, header)
    if value is None or not clean.is_plain(value, clean.LONG):
        raise _NoFactError(f"{header} is missing or no path")
    return value


def _recording(event: _Event) -> str | None:
    value = event.get("Recording-Variable-fsrec_recording")
    return value if is_hex_id(value) else None


def _parked(event: _Event, at: float) -> Fact:
    try:
        account, document = wish(event, "fsrec_account"), wish(event, "fsrec_document")
    except ValueError as error:
        raise _NoFactError(str(error)) from None
    return LegParked(_leg(event), at, leg_info(event), marker(event), account, document)


def _executed(event: _Event, at: float) -> Fact:
    application = clean.text(event, "Application", clean.SHORT)
    return Executed(
        _leg(event),
        at,
        application,
        clean.text(event, "Application-UUID", clean.SHORT),
        clean.text(event, "Application-Response"),
        bridge_cause(event) if application == "bridge" else "",
    )


def _digit(event: _Event, at: float) -> Fact:
    digit = clean.string(event, "DTMF-Digit")
    if digit is None or len(digit) != 1 or digit.upper() not in "0123456789*#ABCD":
        raise _NoFactError("DTMF-Digit is missing or no digit")
    samples_at_8000 = clean.count(event, "DTMF-Duration") or 0
    return DigitPressed(_leg(event), at, digit.upper(), min(samples_at_8000 / 8000, 60.0))


_RECORD = ("Record-File-Path", "Recording-Variable-fsrec_recording")


def _started(event: _Event, at: float) -> Fact:
    return RecordStarted(_leg(event), at, _path(event), _recording(event))


def _stopped(event: _Event, at: float) -> Fact:
    try:
        cause = Cause(clean.string(event, "Record-Completion-Cause") or Cause.UNKNOWN)
    except ValueError:
        cause = Cause.UNKNOWN
    return RecordStopped(_leg(event), at, _path(event), _recording(event), cause, is_hanging_up(event))


def _gone(event: _Event, at: float) -> Fact:
    return LegGone(_leg(event), at, cause_of(event))


def _attached(event: _Event, at: float) -> Fact | None:
    if event.get("Media-Bug-Function") != "session_record":
        return None
    path = _path(event, "Media-Bug-Target")
    name = path.rpartition("/")[2]
    stem = (name.rpartition(".")[0] or name).replace("-", "")
    return RecorderAttached(_leg(event), at, path, stem if is_hex_id(stem) else None)


def _heartbeat(event: _Event, at: float) -> Fact:
    uptime_ms = clean.count(event, "Uptime-msec")
    return Heartbeat(
        at,
        clean.text(event, "Core-UUID", clean.SHORT),
        clean.count(event, "Session-Count"),
        clean.count(event, "Max-Sessions"),
        None if uptime_ms is None else uptime_ms / 1000,
        clean.text(event, "FreeSWITCH-Version"),
    )


_OWN_HOLD = "switch_channel.c"
"""Where the events of a phone come from that holds its own call."""


class _Kind(NamedTuple):
    """How events of one name are read.

    Attributes:
        files: the core's files that fire it; each place in its source was looked up.
        headers: what `read` reads of it, beside the leg.
        read: makes the fact, given the time.

    """

    files: frozenset[str]
    headers: tuple[str, ...]
    read: Callable[[_Event, float], Fact | None]


def _kind(files: str, headers: tuple[str, ...], read: Callable[[_Event, float], Fact | None]) -> _Kind:
    return _Kind(frozenset(files.split()), headers, read)


_KINDS: dict[str, _Kind] = {
    "CHANNEL_PARK": _kind(
        "switch_ivr.c",
        (*LEG_INFO, "variable_fsrec_call", "variable_fsrec_account", "variable_fsrec_document"),
        _parked,
    ),
    "CHANNEL_UNPARK": _kind("switch_ivr.c", (), lambda event, at: LegUnparked(_leg(event), at)),
    "CHANNEL_ANSWER": _kind("switch_channel.c", (), lambda event, at: LegAnswered(_leg(event), at)),
    "CHANNEL_BRIDGE": _kind(
        "switch_ivr_bridge.c",
        ("Bridge-B-Unique-ID",),
        lambda event, at: LegBridged(_leg(event), at, _leg(event, "Bridge-B-Unique-ID")),
    ),
    "CHANNEL_HANGUP": _kind(
        "switch_channel.c",
        ("Hangup-Cause",),
        lambda event, at: LegHangup(_leg(event), at, cause_of(event)),
    ),
    "CHANNEL_HANGUP_COMPLETE": _kind("switch_core_state_machine.c", ("Hangup-Cause",), _gone),
    "CHANNEL_DESTROY": _kind("switch_core_session.c", ("Hangup-Cause",), _gone),
    "CHANNEL_EXECUTE_COMPLETE": _kind(
        "switch_core_session.c",
        ("Application", "Application-UUID", "Application-Response", *BRIDGE_CAUSE),
        _executed,
    ),
    "CHANNEL_UUID": _kind(
        "switch_core_session.c",
        ("Old-Unique-ID",),
        lambda event, at: LegMoved(_leg(event), at, _leg(event, "Old-Unique-ID")),
    ),
    "CHANNEL_HOLD": _kind("switch_ivr.c", (), lambda event, at: LegHeld(_leg(event), at, held=True)),
    "CHANNEL_UNHOLD": _kind(f"switch_ivr.c {_OWN_HOLD}", (), lambda event, at: LegHeld(_leg(event), at, held=False)),
    "DTMF": _kind("switch_channel.c switch_ivr_async.c", ("DTMF-Digit", "DTMF-Duration"), _digit),
    "RECORD_START": _kind("switch_ivr_async.c", _RECORD, _started),
    "RECORD_STOP": _kind("switch_ivr_async.c", (*_RECORD, "Record-Completion-Cause", *IS_HANGING_UP), _stopped),
    "MEDIA_BUG_START": _kind("switch_core_media_bug.c", ("Media-Bug-Function", "Media-Bug-Target"), _attached),
    "HEARTBEAT": _kind(
        "switch_core.c",
        ("Core-UUID", "Session-Count", "Max-Sessions", "Uptime-msec", "FreeSWITCH-Version"),
        _heartbeat,
    ),
}
"""Event name → who fires it and how it is read."""

HEADERS: Mapping[str, tuple[str, ...]] = {
    name: ("Event-Name", "Event-Calling-File", "Event-Date-Timestamp", "Command", "Unique-ID", *kind.headers)
    for name, kind in _KINDS.items()
}
"""Event name → the headers that ``parse`` reads of it: without the others it makes the same fact."""

_FOREGROUND = "switch_ivr_play_say.c"


def parse(event: object) -> Fact | None:
    """Make a fact of one event, or None if it is none of ours; never raises, whatever JSON it is.

    RECORD_START and RECORD_STOP of the foreground application ``record`` are genuine but not of our recorder: None.
    So is the CHANNEL_HOLD of a phone that holds its own call.
    """
    if type(event) is not dict and not isinstance(event, Mapping):  # the ABC's word costs more than most headers
        return None
    name = event.get("Event-Name")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None or not isinstance(name, str):
        return None
    file = event.get("Event-Calling-File")
    if "Command" in event:
        return Forged(name)
    if file == _FOREGROUND and name in {"RECORD_START", "RECORD_STOP"}:
        return None
    if file == _OWN_HOLD and name == "CHANNEL_HOLD":
        return None
    if not isinstance(file, str) or file not in kind.files:
        return Forged(name)
    at = clean.moment(event, "Event-Date-Timestamp")
    if at is None:
        return Unusable(name, "Event-Date-Timestamp is missing or of no time in this century")
    try:
        return kind.read(event, at)
    except _NoFactError as error:
        return Unusable(name, str(error))
