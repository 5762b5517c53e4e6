"""A dialled conversation: the digits that who answered is sent, and what is told of it while and when it is over.

Each telling is stored with a row of the call's. Begin and end have ids made of the call's and the step's, so that a
daemon that comes back and finds them out again tells nothing twice; a digit is heard once, and not made up for.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from controller.calls.context import CallContext
from controller.calls.dialled import Ringing
from controller.calls.ports import Callee
from controller.calls.telling import made_id, told
from controller.documents.call import Call
from controller.documents.messages import DialConnected, DialDigits, DialOver, Message
from controller.documents.steps import Dial, Dialled, DialStatus, Party
from controller.recordings.model import Delivery, new_id

Told = tuple[Delivery, ...]


def begun(context: CallContext, step: Dial, winner: Callee, at: float) -> Told:
    """Return how the begin of the conversation is told."""
    if step.status is None:
        return ()
    return _told(context, "connected", DialConnected(step.status, _shown(step, winner.party), winner.leg, at))


def pressed(context: CallContext, step: Dial, ringing: Ringing) -> Told:
    """Return how the digits that were waited for, and were pressed since this was asked last, are told."""
    winner, found = ringing.winner, ringing.matched(step.matches, step.callee_matches)
    if step.status is None or winner is None:
        return ()
    made: Told = ()
    for digits, by_callee in found:
        message = DialDigits(step.status, _shown(step, winner.party), winner.leg, digits, by_callee)
        made += _told(context, "", message)
    return made


def over(context: CallContext, step: Dial, outcome: Dialled, call: Call | None = None) -> Told:
    """Return how the end of the conversation is told, of the call as it is or of ``call``; nothing if it was none."""
    if step.status is None or outcome.status is not DialStatus.ANSWERED or outcome.party is None:
        return ()
    party = _shown(step, outcome.party)
    message = DialOver(step.status, party, outcome.call, outcome.seconds, outcome.cause)
    return _told(context, "parted", message, call)


def send_digits(context: CallContext, step: Dial, winner: Callee) -> None:
    """Send who answered the digits that are meant for it; nobody waits for that, and a failure is told.

    They are not sent again, since they may have been heard.
    """
    if winner.party.digits:
        sending = asyncio.ensure_future(
            context.rooms.legs.send_digits(context.call.switch, winner.leg, winner.party.digits)
        )

        def sent(future: asyncio.Future[None]) -> None:
            if not future.cancelled() and (error := future.exception()) is not None:
                context.failed(step, f"who answered was not sent its digits: {error}")

        sending.add_done_callback(sent)


def _shown(step: Dial, party: Party) -> Party:
    """Return a party with the number that was shown to it, where that is not the leg's own."""
    return replace(party, caller=party.caller or step.caller)


def _told(context: CallContext, kind: str, message: Message, call: Call | None = None) -> Told:
    call = call or context.call
    identity = made_id(call.id, call.step, kind) if kind else new_id()
    return told(context.rooms, context.observe, call, identity, message)
