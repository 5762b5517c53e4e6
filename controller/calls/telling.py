"""What is told of a call beside its recordings: made by its dialect, stored with the row that explains it.

Each has an id made of the call's and of what it tells: what is stored again, by a daemon that comes back, is the
same, and is not told twice.
"""

from __future__ import annotations

import hashlib
import uuid

from controller.calls.context import CallContext
from controller.calls.events import MessageUnrendered
from controller.calls.rooms import Rooms
from controller.calls.source import SourceFailed
from controller.documents.call import Call
from controller.documents.messages import CallOver, Message, Said
from controller.documents.steps import Done, Failed, Tell
from controller.recordings.model import Delivery, StatusTarget
from controller.telemetry import Hook


class Untold(Exception):
    """A message that could not be made; the text says why."""


def made_id(call: str, *parts: int | str) -> str:
    """Return the id, in a uuid4's form, of what a call has but one of: always the same for the same parts."""
    digest = hashlib.sha256(":".join(map(str, (call, *parts))).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def told(rooms: Rooms, observe: Hook, call: Call, identity: str, message: Message) -> tuple[Delivery, ...]:
    """Return what is stored with a call's row to have something told of it.

    Nothing where its vendor tells no such thing, or where it could not be made, which telemetry is told.
    """
    try:
        return made(rooms, call, identity, message)
    except Untold as failure:
        observe(MessageUnrendered(call.id, type(message).__name__, str(failure)))
        return ()


def made(rooms: Rooms, call: Call, identity: str, message: Message) -> tuple[Delivery, ...]:
    """Return the same. Raises Untold where it could not be made."""
    sources = rooms.sources
    try:
        account = sources.account(call.account)
    except SourceFailed as failure:
        raise Untold(str(failure)) from None
    dialect = sources.languages.asking(account.vendor, call.dialect)  # of one that never began: its vendor's own
    if dialect is None:
        raise Untold(f"{account.vendor} accounts have no dialect in this version")
    try:
        delivery = dialect.tell(identity, message, call, account)
    except Exception as error:  # a dialect's fault must not cost the call its row
        raise Untold(f"{type(error).__name__}: {error}") from None
    return () if delivery is None else (delivery,)


async def tell(context: CallContext, step: Tell, *, resumed: bool) -> Done | Failed:
    """Carry the step out: what it tells is stored with its row, and by nothing later. Raises LedgerFailed.

    The leg is not touched: it may not be known yet whether it is still the call's.
    """
    call, problem = context.call, ""
    deliveries: tuple[Delivery, ...] = ()
    try:
        deliveries = made(context.rooms, call, made_id(call.id, call.step, "told"), Said(step.target, step.given))
    except Untold as failure:
        problem = f"it could not be told: {failure}"
    if not resumed:
        await context.save(told=deliveries)
    return Failed(problem) if problem else Done()


def last_word(rooms: Rooms, observe: Hook, ended: Call, step: Tell) -> tuple[Delivery, ...]:
    """Return what is stored with an ended call to have its document's farewell told."""
    return told(rooms, observe, ended, made_id(ended.id, "farewell"), Said(step.target, step.given))


def over(rooms: Rooms, observe: Hook, ended: Call) -> tuple[Delivery, ...]:
    """Return what tells a call's ``hangup_url`` of its end: nothing where it has none."""
    if ended.hangup_url is None:
        return ()
    target = StatusTarget(ended.hangup_url, ended.method)
    return told(rooms, observe, ended, made_id(ended.id, "over"), CallOver(target))
