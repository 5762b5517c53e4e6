"""What is heard while somebody is dialled: items made into sounds of the switch, files held until it is over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from controller.calls.commanding import insist
from controller.calls.context import CallContext
from controller.calls.playing import had, in_words
from controller.calls.ports import AudioFailed, Meanwhile, Question, Sound, SoundFile
from controller.documents.steps import Dial, Item, Ringing
from controller.recordings.ports import CommandFailed

RING: tuple[Sound, ...] = (Ringing("us"),)
"""What an answered leg hears unless a document says otherwise: a switch plays nothing by itself."""


class DialSounds:
    """Those of one step. ``over`` gives its files back, whatever becomes of the step."""

    def __init__(self, context: CallContext, step: Dial, *, resumed: bool) -> None:
        self._context, self._step = context, step
        self._rings = context.call.info.ringback and step.music is None  # as the switch's operator has said
        self._told = resumed and not (self._rings and step.confirmation is None)
        self._made: Meanwhile | None = None
        self._held: list[SoundFile] = []

    async def made(self) -> Meanwhile:
        """Return what is heard until somebody is connected. What cannot be had is told, and left out."""
        if self._made is None:
            step, asked = self._step, self._step.confirmation
            music: asyncio.Future[Sequence[Sound] | None] = asyncio.ensure_future(self._music())
            told = asyncio.ensure_future(self._all(() if asked is None else asked.items, "who answers"))
            try:
                sounds, question = await asyncio.gather(music, told)
            finally:
                for task in (music, told):
                    task.cancel()
                await asyncio.wait((music, told))
            self._made = Meanwhile(
                None if sounds is None else tuple(sounds),
                early=step.music is None,
                question=None if asked is None else Question(tuple(question), asked.key, asked.timeout),
            )
            self._told = self._told or sounds is not None or asked is not None
        return self._made

    async def taken_off(self) -> None:
        """Have nothing of it on the leg any more; done as soon as there is a link."""
        call, legs = self._context.call, self._context.rooms.legs
        if self._told:
            with contextlib.suppress(CommandFailed):  # the leg is gone
                await insist(lambda: legs.forget_ring(call.switch, call.leg), self._context.sure)

    def over(self) -> None:
        """Give the files back."""
        while self._held:
            self._context.rooms.audio.over(self._context.call, self._held.pop())

    async def _music(self) -> Sequence[Sound] | None:
        """Return what the leg hears; None for one that is not answered, which hears its own network.

        None also where the switch's operator has said what it hears, and the document says nothing else.
        """
        step = self._step
        if self._rings or not self._context.call.info.answered:
            return None
        if not step.music:
            return RING if step.music is None else ()
        return await self._all(step.music, "who dials") or RING

    async def _all(self, items: Sequence[Item], ears: str) -> Sequence[Sound]:
        """Return sounds for items, without those that cannot be had or played."""
        context, legs = self._context, self._context.rooms.legs
        taking = [asyncio.ensure_future(self._one(item)) for item in items]
        try:
            found = await asyncio.gather(*taking)
        finally:
            for task in taking:
                task.cancel()
            await asyncio.gather(*taking, return_exceptions=True)
        problems = [one for one in found if isinstance(one, str)]
        sounds = [one for one in found if not isinstance(one, str)]
        if problem := legs.unplayable(sounds):
            problems.append(problem)
            sounds = []
        if problems:
            context.failed(self._step, f"what {ears} should have heard: {'; '.join(problems)}")
        return sounds

    async def _one(self, item: Item) -> Sound | str:
        """Return the sound of an item, or in words why there is none."""
        sound = await had(self._context, item, 0.0)
        if isinstance(sound, AudioFailed):
            return str(sound)
        if isinstance(sound, SoundFile):
            self._held.append(sound)
        problem = self._context.rooms.legs.unplayable((sound,))
        return f"{in_words(item)}: {problem}" if problem else sound
