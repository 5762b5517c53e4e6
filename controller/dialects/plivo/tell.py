"""What is told of a call beside its recordings: by its document, of its dialling, of its end (spec 3.3).

Event and parameter names of the dialling are those of plivo.com's "Dial" and "Hangup Causes".
"""

from __future__ import annotations

from typing import Any

from controller.dialects.plivo.causes import of_call, of_dialled
from controller.dialects.plivo.fetch import IN_PROGRESS, REDIRECTED, parameters
from controller.dialects.plivo.formats import moment
from controller.documents.call import Call
from controller.documents.dialect import Account
from controller.documents.forms import delivery, whole_seconds
from controller.documents.messages import CallOver, DialConnected, DialDigits, DialOver, Message, Said
from controller.recordings.model import Delivery

HUNG_UP = "Hangup"


def tell(identity: str, message: Message, call: Call, account: Account, dialect: str) -> Delivery:
    """Return the request that tells a message, under the id ``identity``."""
    told = {**parameters(call, account), **_told(message, call)}
    return delivery(identity, account.name, dialect, message.target, told)


def _told(message: Message, call: Call) -> dict[str, str]:
    match message:
        case Said(given=given):
            return {"Event": REDIRECTED, **{name: _text(value) for name, value in given.items()}}
        case DialConnected():
            return {
                "CallStatus": IN_PROGRESS,  # who is connected with somebody is answered, seen or not
                "Event": "DialAnswer",
                "DialAction": "answer",
                "DialBLegStatus": "answer",
                **_legs(message, call),
            }
        case DialOver():
            return {
                "Event": "DialHangup",
                "DialAction": "hangup",
                "DialBLegStatus": "hangup",
                **_legs(message, call),
                **_over(message),
            }
        case DialDigits():
            return {
                "Event": "DialDigitsMatch",
                "DialAction": "digits",
                **_legs(message, call),
                "DialDigitsMatch": message.digits,
                "DialDigitsPressedBy": "BLeg" if message.by_callee else "ALeg",
            }
        case CallOver():
            return {"Event": HUNG_UP, **_ended(call)}


def _legs(message: DialConnected | DialOver | DialDigits, call: Call) -> dict[str, str]:
    return {
        "DialALegUUID": call.told_as,
        "DialBLegUUID": message.leg,
        "DialBLegFrom": message.party.caller or call.info.caller_number,
        "DialBLegTo": message.party.address,
    }


def _over(message: DialOver) -> dict[str, str]:
    length = str(whole_seconds(message.seconds))
    code, name, source = of_dialled(message.cause)
    return {
        "DialBLegDuration": length,
        "DialBLegBillDuration": length,
        "DialBLegHangupCause": message.cause,
        "DialBLegHangupCauseName": name,
        "DialBLegHangupCauseCode": code,
        "DialBLegHangupSource": source,
    }


def _ended(call: Call) -> dict[str, str]:
    """Return what is told of a call that is over.

    Nobody bills here: ``BillDuration`` is the time for which it was answered, as ``Duration`` is.
    """
    info, ended_at = call.info, call.ended_at
    code, name, source = of_call(call)
    answered_at = call.answered_at if call.answered_at is not None else call.started_at if info.answered else None
    lasted = 0.0 if answered_at is None or ended_at is None else max(0.0, ended_at - answered_at)
    told = {
        "HangupCause": call.cause or "",
        "HangupCauseName": name,
        "HangupCauseCode": code,
        "HangupSource": source,
        "Duration": str(whole_seconds(lasted)),
        "BillDuration": str(whole_seconds(lasted)),
        "StartTime": moment(info.created_at or call.started_at),
    }
    if call.answered_at is not None:
        told["AnswerTime"] = moment(call.answered_at)
    if ended_at is not None:
        told["EndTime"] = moment(ended_at)
    return told


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
