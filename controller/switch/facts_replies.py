"""Replies of API commands as typed results (spec 4.7). The API's status is always success: only the text tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import orjson

from controller.switch import facts_clean as clean
from controller.switch.commands_text import is_leg_id, shown
from controller.switch.facts_legs import bridge_cause, bridged_to, is_hanging_up, leg_info, marker, wish
from controller.switch.facts_types import LegInfo


class ReplyError(Exception):
    """A reply that does not hold what was asked for; its text is in the message, shortened."""


class NoSuchLegError(ReplyError):
    """The leg is gone, or hanging up."""


class NoCoreSqlError(ReplyError):
    """The switch runs without its core database (``-nosql``): legs cannot be listed."""


class BadReplyError(ReplyError):
    """Neither the answer nor a refusal that is known."""


class Refusal(StrEnum):
    """Why an API command or a sendmsg was refused."""

    NO_SUCH_LEG = "no such leg"
    NO_REPLY = "no reply"
    NO_SUCH_COMMAND = "no such command"
    NO_CORE_SQL = "no core SQL"
    NOT_PERMITTED = "not permitted"
    NOT_STARTED = "recording not started"
    NOT_STOPPED = "recording not stopped"
    NOT_MASKED = "recording not masked or unmasked"
    USAGE = "usage"
    OTHER = "other"


_REFUSALS = (
    (
        re.compile(r"-ERR (?:No such channel!|Cannot locate session!|invalid session id|invalid uuid)"),
        Refusal.NO_SUCH_LEG,
    ),
    (re.compile(r"-ERR no reply"), Refusal.NO_REPLY),
    (re.compile(r"-ERR \S* ?Command not found!|-ERR command not found", re.IGNORECASE), Refusal.NO_SUCH_COMMAND),
    (re.compile(r"-ERR SQL disabled"), Refusal.NO_CORE_SQL),
    (re.compile(r"-ERR permission denied"), Refusal.NOT_PERMITTED),
    (re.compile(r"-ERR Cannot record session!"), Refusal.NOT_STARTED),
    (re.compile(r"-ERR Cannot stop record session!"), Refusal.NOT_STOPPED),
    (re.compile(r"-ERR Cannot (?:un)?mask recording session!"), Refusal.NOT_MASKED),
    (re.compile(r"-USAGE"), Refusal.USAGE),
    (re.compile(r"-"), Refusal.OTHER),
)


def refusal(reply: str) -> Refusal | None:
    """Tell why a reply is a refusal; None for one that is not.

    ``-ERR no reply`` means that the command printed nothing: for uuid_buglist that the leg is gone, for
    global_getvar that the variable is not set.
    """
    return next((kind for pattern, kind in _REFUSALS if pattern.match(reply)), None)


_TARGET = re.compile(r"^  <function>session_record</function>\n  <target>(/[^<>\n]*)</target>$", re.MULTILINE)


def parse_buglist(reply: str) -> frozenset[str]:
    """Read the paths that are being recorded on a leg from the reply to uuid_buglist.

    A recording may be gone from it before its RECORD_STOP event was delivered (DESIGN 5: a verdict from it waits
    for a fence).

    Raises:
        NoSuchLegError: the leg is gone.
        BadReplyError: the reply is no list.

    """
    if refusal(reply) in {Refusal.NO_REPLY, Refusal.NO_SUCH_LEG}:
        raise NoSuchLegError("uuid_buglist: the leg is gone")
    if not reply.startswith("<media-bugs>"):
        raise BadReplyError(f"uuid_buglist: {shown(reply)}; right is <media-bugs>")
    return frozenset(_TARGET.findall(reply))


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One leg of ``show channels``. The application lags and is not reliable (measured): ask the leg itself.

    Attributes:
        leg: Unique-ID.
        created_at: Unix seconds (whole), None if not told.
        direction: ``inbound`` or ``outbound``.
        state: e.g. CS_EXECUTE.
        application: what ran on it when the list was last written.

    """

    leg: str
    created_at: float | None
    direction: str
    state: str
    application: str


def parse_channels(reply: str) -> list[ChannelRow]:
    """Read the legs from the reply to ``show channels as json``; those whose id no command could name are left out.

    Raises:
        NoCoreSqlError: the switch keeps no list.
        BadReplyError: the reply is no list.

    """
    if refusal(reply) is Refusal.NO_CORE_SQL:
        raise NoCoreSqlError("show channels: the switch runs without core SQL; right is to start it without -nosql")
    answer = _json_object(reply, "show channels")
    rows = answer.get("rows", [])
    if "row_count" not in answer or not isinstance(rows, list):
        raise BadReplyError(f"show channels: {shown(reply)}; right is row_count and rows")
    return [_row(row, leg) for row in rows if isinstance(row, dict) and is_leg_id(leg := row.get("uuid"))]


def _row(row: Mapping[str, object], leg: str) -> ChannelRow:
    created = clean.count(row, "created_epoch")
    return ChannelRow(
        leg,
        float(created) if created is not None and clean.EARLIEST <= created < clean.LATEST else None,
        clean.text(row, "direction", clean.SHORT),
        clean.text(row, "state", clean.SHORT),
        clean.text(row, "application", clean.SHORT),
    )


@dataclass(frozen=True, slots=True)
class LegSnapshot:
    """What uuid_dump tells of a leg.

    Attributes:
        leg: Unique-ID.
        at: Unix seconds, by the switch's clock.
        info: as in LegParked.
        marker: id of the call of ours that it belongs to, None if it is not ours.
        account: channel variable fsrec_account.
        document: channel variable fsrec_document.
        application: what runs on the leg, e.g. ``park``; empty if nothing.
        hanging_up: whether it is going already.
        bridged: the leg that a ``bridge`` of it connected it with last, empty if none.
        bridge_cause: how its last ``bridge`` ended, as in Executed.

    """

    leg: str
    at: float
    info: LegInfo
    marker: str | None
    account: str | None
    document: str | None
    application: str
    hanging_up: bool
    bridged: str = ""
    bridge_cause: str = ""


def parse_dump(reply: str) -> LegSnapshot:
    """Read the reply to ``uuid_dump <leg> json``.

    Raises:
        NoSuchLegError: the leg is gone.
        BadReplyError: the reply is no dump, or names a leg, time, account or document that cannot be used.

    """
    if refusal(reply) is Refusal.NO_SUCH_LEG:
        raise NoSuchLegError("uuid_dump: the leg is gone")
    dump = _json_object(reply, "uuid_dump")
    leg, at = dump.get("Unique-ID"), clean.moment(dump, "Event-Date-Timestamp")
    if not is_leg_id(leg) or at is None:
        raise BadReplyError("uuid_dump: Unique-ID or Event-Date-Timestamp is missing or not usable")
    try:
        account, document = wish(dump, "fsrec_account"), wish(dump, "fsrec_document")
    except ValueError as error:
        raise BadReplyError(f"uuid_dump: {error}") from None
    application = clean.text(dump, "variable_current_application", clean.SHORT)
    return LegSnapshot(
        leg,
        at,
        leg_info(dump),
        marker(dump),
        account,
        document,
        application,
        is_hanging_up(dump),
        bridged_to(dump),
        bridge_cause(dump),
    )


def _json_object(reply: str, command: str) -> dict[str, object]:
    try:
        answer = orjson.loads(reply)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise BadReplyError(f"{command}: {shown(reply)}; right is a JSON object")
    return answer
