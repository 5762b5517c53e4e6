"""Asks the daemon that holds a switch, and answers what others ask of us (DESIGN section 6).

A command must be begun within a short while or never is. Once begun, its answer is waited for as long as its verb
may take; then it is made void where it can be, and what is not known is said to be not known. The database tells at
once of what is asked and answered; it is looked at every half second besides, for what was not told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from controller.cluster import verbs
from controller.cluster.events import CommandAsked, CommandsStalled, CommandTaken, CommandUnreadable
from controller.cluster.verbs import Answer, Verb
from controller.recordings.ports import LedgerFailed, SwitchAway
from controller.store.codec import DecodeError, encode
from controller.store.commands import StoreCommands, Taken
from controller.telemetry import Hook

BEGIN_WITHIN = 2.0
"""Seconds within which a command is begun, or is void: a person waits, and the holder needs milliseconds."""
POLL = 0.5
"""Seconds between looks at the rows, whatever the database tells."""
AT_ONCE = 64
"""Commands of others that are carried out at the same time; what is more waits, and is void in the end."""
KEPT = 120.0
"""Seconds that rows stay after their deadline: longer than any answer is waited for."""
CLEARED = 30.0
"""Seconds between removals of old rows."""
LAST = 3.0
"""Seconds that what was begun is given at a stop."""
TRIES = (0.1, 0.5, 2.0)
"""Seconds between tries to store an answer."""
FAULT = "the daemon that holds its switch failed, for a fault of fsrec's: see its log"


class Unanswered(SwitchAway):
    """A command was begun, its answer did not come: it may have taken effect."""


class Unheld(SwitchAway):
    """No daemon holds the switch now."""


CarryOut = Callable[[Verb, Taken], Awaitable[Answer]]
"""Carries a verb out and returns the answer; raises what the verb refuses with."""


@dataclass(slots=True)
class Commands:
    """Asks, while ``run`` runs, and answers meanwhile. ``wake`` says that there may be news.

    A command is begun within ``begin_within`` seconds or never; ``poll`` are those between two looks, and of others'
    commands ``at_once`` are carried out at a time.
    """

    rows: StoreCommands
    observe: Hook = lambda _: None
    begin_within: float = BEGIN_WITHIN
    poll: float = POLL
    at_once: int = AT_ONCE
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: dict[str, asyncio.Future[str]] = field(default_factory=dict)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _stalled: bool = False

    def wake(self) -> None:
        """Say that something may have been asked or answered."""
        self._news.set()

    # --- asking ----------------------------------------------------------------------------------------------------

    async def ask(self, switch: str, verb: Verb, within: float) -> Answer:
        """Have the switch's holder carry a verb out, and return its answer within so many seconds.

        Raises what the holder refused with, LedgerFailed, SwitchAway where nobody holds the switch or begins it in
        time, Unanswered where it was begun and is not known to be done. From then on nothing of it may begin that
        looks at its row (``store.commands.still_wanted``).
        """
        clock = asyncio.get_running_loop().time
        began, outcome = clock(), "failed"
        name, data = verbs.written(verb)
        try:
            answer = await self._asked(switch, name, data, within)
            outcome = answer.refusal or "done"
        except Unanswered:
            outcome = "unanswered"
            raise
        except SwitchAway:
            outcome = "void"
            raise
        finally:
            self.observe(CommandAsked(name, switch, outcome, clock() - began))
        return answer.checked()

    async def _asked(self, switch: str, name: str, data: str, within: float) -> Answer:
        soon = min(within, self.begin_within)
        identity = await self.rows.ask(switch, name, data, soon)
        if identity is None:
            raise Unheld(f"no daemon holds switch {switch} now")
        coming = self._waiting[identity] = asyncio.get_running_loop().create_future()
        try:
            text = await _within(coming, soon)
            if text is None and await self.rows.take_back(identity, begun=False):
                raise SwitchAway(f"the daemon that holds switch {switch} did not take the command in time")
            text = text or await _within(coming, within - soon)
            if text is None and not await self.rows.take_back(identity, begun=True):
                text = (await self.rows.answers((identity,))).get(identity)
        finally:
            del self._waiting[identity]
        if text is None:
            raise Unanswered(f"the daemon that holds switch {switch} did not answer in time; it may have done it")
        try:
            return verbs.read_answer(text)
        except DecodeError as error:
            self.observe(CommandUnreadable(identity, str(error)))
            raise Unanswered(f"what the daemon that holds switch {switch} answered cannot be read") from None

    # --- answering -------------------------------------------------------------------------------------------------

    async def run(self, carry_out: CarryOut) -> None:
        """Have what others ask carried out, until cancelled; what was begun by then is given a moment."""
        clock = asyncio.get_running_loop().time
        clear_at = clock()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.poll):
                        await self._news.wait()
                self._news.clear()
                try:
                    await self._look(carry_out)
                    if clock() >= clear_at:
                        clear_at = clock() + CLEARED
                        await self.rows.clear(KEPT)
                except LedgerFailed as failure:
                    self.observe(CommandsStalled(str(failure)))
                    await asyncio.sleep(self.poll)
        finally:
            if self._running:
                await asyncio.wait(self._running, timeout=LAST)
            for task in self._running:
                task.cancel()

    async def _look(self, carry_out: CarryOut) -> None:
        if self._waiting:
            for identity, text in (await self.rows.answers(tuple(self._waiting))).items():
                coming = self._waiting.get(identity)
                if coming is not None and not coming.done():
                    coming.set_result(text)
        room = self.at_once - len(self._running)
        if room > 0 and await self.rows.asked():
            for taken in await self.rows.take(room):
                task = asyncio.get_running_loop().create_task(self._work(taken, carry_out))
                self._running.add(task)
                task.add_done_callback(self._done)

    async def _work(self, taken: Taken, carry_out: CarryOut) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        answer = await self._answer(taken, carry_out)
        self.observe(
            CommandTaken(taken.verb[:40], taken.switch, answer.refusal or "done", taken.age, clock() - began)
        )
        text = encode(answer)
        for pause in (*TRIES, None):
            try:
                await self.rows.answer(taken.id, text)
            except LedgerFailed as failure:
                self.observe(CommandsStalled(str(failure)))
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return

    async def _answer(self, taken: Taken, carry_out: CarryOut) -> Answer:
        try:
            verb = verbs.read(taken.verb, taken.data)
        except DecodeError as error:
            self.observe(CommandUnreadable(taken.id, str(error)))
            return Answer(
                SwitchAway.__name__, f"the daemon that holds switch {taken.switch} does not know it: {error}"
            )
        try:
            return await carry_out(verb, taken)
        except Exception as error:
            refused = verbs.refusal(error)
            if refused is None:
                _report("another daemon's command failed", error)
            return refused or Answer(SwitchAway.__name__, FAULT)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self.wake()  # there may be more than could be carried out at once
        if not task.cancelled() and (error := task.exception()) is not None:
            _report("a command could not be answered", error)


async def _within(coming: asyncio.Future[str], seconds: float) -> str | None:
    """Return an answer that comes in time, else None."""
    await asyncio.wait((coming,), timeout=max(0.0, seconds))
    return coming.result() if coming.done() else None


def _report(message: str, error: BaseException) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
