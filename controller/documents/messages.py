"""What is told of a call beside its recordings: by its document, of its dialling, of its end. Each is told durably.

A dialect makes the request of one (``Dialect.tell``); it goes out by the outbox as callbacks of recordings do, those
of one call in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.documents.steps import Party
from controller.recordings.model import StatusTarget


@dataclass(frozen=True, slots=True)
class Said:
    """What the document itself has told (``Tell``): ``given`` in JSON types."""

    target: StatusTarget
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DialConnected:
    """A dialled party answered, and the conversation begins; ``leg`` is our id of its leg, ``at`` in Unix seconds.

    In this and the next two ``party.caller`` is what was shown to it, empty for the call's own number.
    """

    target: StatusTarget
    party: Party
    leg: str
    at: float


@dataclass(frozen=True, slots=True)
class DialOver:
    """A conversation ended after ``seconds``; ``cause`` is the switch's name for why."""

    target: StatusTarget
    party: Party
    leg: str
    seconds: float
    cause: str


@dataclass(frozen=True, slots=True)
class DialDigits:
    """Digits that were waited for were pressed in a conversation, ``by_callee`` or by the leg that dials."""

    target: StatusTarget
    party: Party
    leg: str
    digits: str
    by_callee: bool


@dataclass(frozen=True, slots=True)
class CallOver:
    """The call ended: the call that is told of it has the cause and the times."""

    target: StatusTarget


Message = Said | DialConnected | DialOver | DialDigits | CallOver
