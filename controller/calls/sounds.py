"""One sound after the other on one leg: each is over for certain, whatever becomes of the link and of its events.

A sound's end is told by CHANNEL_EXECUTE_COMPLETE with the id that its command was given. Where that may have been
missed (the link was away, or nothing was heard for long) a moment of silence is queued behind the sound: the switch
plays them in order, so when the silence is over the sound is. Whichever is told first counts. A sound whose command
itself may have been lost, and of which its silence tells nothing, is commanded again.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from controller.calls.commanding import insist
from controller.calls.ports import Legs, Sound
from controller.documents.steps import Quiet
from controller.recordings.model import new_id
from controller.recordings.ports import CommandFailed, SwitchAway

FENCE = Quiet(0.02)
"""The silence that is queued behind a sound: one frame."""

FENCES = 32
"""Silences behind one sound. A leg queues 256 commands; past this many lost links the sound is ended instead."""

HUSH_AGAIN, HUSHES = 0.25, 4
"""Seconds after which a sound that should have ended is told so again (a break that comes before the switch has begun
it is without effect), and how often."""


class Sounds:
    """What plays on a leg. One sound at a time; ``sure`` holds commands back as for every other step."""

    def __init__(self, legs: Legs, switch: str, leg: str, sure: asyncio.Event) -> None:
        self._legs = legs
        self._switch = switch
        self._leg = leg
        self._sure = sure
        self._ends: dict[str, asyncio.Future[str]] = {}
        self._doubt = asyncio.Event()
        self._visits = 0

    # --- what is heard of them -----------------------------------------------------------------------------------

    def executed(self, execution: str, problem: str) -> None:
        """Hear the end of something that was played, and why it was not heard; nothing where it was."""
        end = self._ends.pop(execution, None)
        if end is not None and not end.done():
            end.set_result(problem)

    def relinked(self) -> None:
        """Hear that the link is back: what ended meanwhile was told to nobody."""
        self._doubt.set()

    def visited(self) -> None:
        """Hear that the leg was looked at and lives; now and then what plays on it is doubted, ever more seldom."""
        self._visits += 1
        if self._visits & (self._visits - 1) == 0:
            self._doubt.set()

    # --- what is done --------------------------------------------------------------------------------------------

    async def play(self, sound: Sound, gain: float) -> str:
        """Play one sound to its end; return why it was not heard; nothing where it was, or where that was lost.

        Raises CommandFailed where the switch, or whoever makes the command, refuses it.
        """
        self._ends.clear()
        self._doubt.clear()
        self._visits = 0
        execution = new_id()
        over = self._expected(execution)
        taken = await self._told(sound, gain, execution)
        while await self._behind(over) is not over:
            if taken:
                return ""
            taken = await self._told(sound, gain, execution)
        return over.result()

    async def stop(self) -> None:
        """End what plays, whoever had it played."""
        with contextlib.suppress(CommandFailed):  # nothing plays that could be ended
            await insist(lambda: self._legs.stop_playing(self._switch, self._leg), self._sure)

    async def hush(self) -> None:
        """End what ``play``, which was cancelled, left playing; return when it has ended, or will not be told to."""
        for _ in range(HUSHES):
            ends = [end for end in self._ends.values() if not end.done()]
            if not ends:
                return
            await self.stop()
            await asyncio.wait(ends, timeout=HUSH_AGAIN)

    def _expected(self, execution: str) -> asyncio.Future[str]:
        end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ends[execution] = end
        return end

    async def _told(self, sound: Sound, gain: float, execution: str) -> bool:
        """Command a sound; whether the switch has it for certain. Raises CommandFailed."""
        await self._sure.wait()
        try:
            await self._legs.play(self._switch, self._leg, sound, gain=gain, execution=execution)
        except SwitchAway:
            self._doubt.set()
            return False
        except CommandFailed:
            self._ends.pop(execution, None)
            raise
        return True

    async def _behind(self, over: asyncio.Future[str]) -> asyncio.Future[str] | None:
        """Wait until a sound is over, or a silence behind it; return which. None: it had too many, and was ended."""
        fences: list[asyncio.Future[str]] = []
        while True:
            doubt = asyncio.ensure_future(self._doubt.wait())
            waited: set[asyncio.Future[Any]] = {over, doubt, *fences}
            try:
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            finally:
                doubt.cancel()
            for end in (over, *fences):
                if end.done():
                    return end
            self._doubt.clear()
            if len(fences) == FENCES:
                await self.stop()
                return None
            fences.append(await self._fence())

    async def _fence(self) -> asyncio.Future[str]:
        """Queue a silence behind what plays; it is told again for as long as there is no link that takes it."""
        execution = new_id()
        end = self._expected(execution)
        with contextlib.suppress(CommandFailed):  # the leg is gone, or has no room for it: the next doubt tries again
            await insist(
                lambda: self._legs.play(self._switch, self._leg, FENCE, gain=0.0, execution=execution), self._sure
            )
        return end
