"""How a leg is commanded over a link that comes and goes, and whose a leg is that was looked at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

from controller.calls.ports import ParkedLeg
from controller.calls.rooms import Rooms
from controller.documents.call import Call
from controller.recordings.ports import CommandFailed, LedgerFailed, NotHeld, SwitchAway

T = TypeVar("T")

HANG_UP_AGAIN = 5.0
"""Seconds after which a hangup that had no effect (the link broke on it) is commanded again."""

LINK_AGAIN = 0.25
"""Seconds between tries of a command while there is no link."""


class LegLost(Exception):
    """A call's leg is gone, and its end was told by nothing but that."""


class LegTaken(Exception):
    """A call's leg is not the call's any more: ``found`` is what it is now."""

    def __init__(self, found: ParkedLeg) -> None:
        super().__init__(found.leg)
        self.found = found


def belongs(call: Call, found: ParkedLeg) -> bool:
    """Tell whether a living leg is where its call left it: neither routed anew by others, nor without our marker.

    Whoever transfers a leg gives it a new caller profile; so has another leg of the same id.
    """
    if call.marked and found.marker != call.id:
        return False
    known, seen = call.info.profile_at, found.info.profile_at
    return known is None or seen is None or known == seen


def holds_limit(call: Call) -> bool:
    """Tell whether a leg may not be taken over again: that calls off what is scheduled, here a limit of ours.

    A marked leg needs it no more: its dialplan's hangup was called off before it was marked.
    """
    return call.marked and call.limited


async def hang_up(call: Call, rooms: Rooms) -> NoReturn:
    """End a call's leg with ``call.cause``, for as long as it takes; cancelled by the leg's end.

    The cause is durable first where that is possible: a ledger that fails, or a row that has no stored form, keeps
    nobody in silence. The leg is looked at first each time: others may have taken it while there was no link, and an
    end that was told while there was none is told by nothing else. Raises LegLost, LegTaken, NotHeld.
    """
    try:
        await rooms.ledger.save(call)
    except NotHeld:
        raise
    except LedgerFailed:
        pass  # the store has told it
    except Exception as error:
        report("a call that is hung up could not be stored", error)
    while True:
        with contextlib.suppress(CommandFailed):  # it cannot be told: the hangup is what matters
            found = await insist(lambda: rooms.legs.look(call.switch, call.leg))
            if found is None:
                raise LegLost
            if not belongs(call, found):
                raise LegTaken(found)
        with contextlib.suppress(CommandFailed):
            await insist(lambda: rooms.legs.hang_up(call.switch, call.leg, call.cause or "NORMAL_CLEARING"))
        await asyncio.sleep(HANG_UP_AGAIN)


async def insist(command: Callable[[], Awaitable[T]], sure: asyncio.Event | None = None) -> T:
    """Send a command again until there is a link that takes it; the leg's end cancels it. Raises CommandFailed.

    ``sure`` holds it back while it is not known whether the leg is still the call's.
    """
    while True:
        if sure is not None:
            await sure.wait()
        try:
            return await command()
        except SwitchAway:
            await asyncio.sleep(LINK_AGAIN)


def report(message: str, error: BaseException) -> None:
    """Tell an error of our own to whoever listens for those."""
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})


def unheard(command: Awaitable[None], taken: Callable[[], None] = lambda: None) -> None:
    """Send a command whose failure other facts tell (the leg's end, the link's loss); ``taken`` when it succeeded."""

    def done(future: asyncio.Future[None]) -> None:
        if not future.cancelled() and future.exception() is None:
            taken()

    asyncio.ensure_future(command).add_done_callback(done)
