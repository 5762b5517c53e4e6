"""The steps that are heard: playing items, gathering digits meanwhile, sending digits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from controller.calls.commanding import insist
from controller.calls.context import CallContext
from controller.calls.ports import AudioFailed, Sound, SoundFile
from controller.documents.fetch import named
from controller.documents.steps import (
    AudioAt,
    Beep,
    Done,
    Failed,
    Gather,
    Gathered,
    Item,
    Outcome,
    Play,
    Quiet,
    Ringing,
    SendDigits,
)
from controller.recordings.ports import CommandFailed

PAUSES = {"w": 0.5, "W": 1.0}
"""Seconds that pauses among sent digits take."""

DIGIT = 0.28
"""Seconds that one sent digit is on the line, with its gap (RFC 2833, measured)."""


async def play(context: CallContext, step: Play, *, resumed: bool) -> Done | Failed:
    """Play items in turn; after a restart, on from the one that played, from its beginning."""
    await context.begin(resumed=resumed)
    if step.answer and isinstance(answered := await context.answer(), Failed):
        return answered
    if resumed:
        await context.sounds.stop()
    problems = await _items(context, step.items, step.gain, noted=True)
    return Failed("; ".join(problems)) if problems else Done()


async def gather(context: CallContext, step: Gather, *, resumed: bool) -> Gathered | Failed:
    """Collect digits while items play and after; after a restart it begins anew, without those pressed before."""
    with context.listening() as digits:
        await context.begin(resumed=resumed)
        if isinstance(answered := await context.answer(), Failed):
            return answered
        if resumed:
            await context.sounds.stop()
        prompt = asyncio.ensure_future(_prompt(context, step))
        hush: asyncio.Future[None] | None = None
        try:
            digit = await _first(prompt, digits, step.initial_timeout)
            if not prompt.done():
                prompt.cancel()
                await asyncio.wait((prompt,))
                hush = asyncio.ensure_future(context.sounds.hush())
            gathered = await _collected(digit, digits, step)
            if hush is not None:
                await hush
        finally:
            prompt.cancel()
            if hush is not None:
                hush.cancel()
    return gathered


async def send_digits(context: CallContext, step: SendDigits, *, resumed: bool) -> Outcome:
    """Send digits, and let the time pass that they take: what came behind would be heard before them."""
    if not resumed or context.call.waiting is None:
        await context.begin(resumed=resumed)
        call, legs = context.call, context.rooms.legs
        began = 0.0

        def send() -> Awaitable[None]:
            nonlocal began
            began = context.rooms.clock()
            return legs.send_digits(call.switch, call.leg, step.digits)

        try:
            await insist(send, context.sure)
        except CommandFailed as failure:
            return Failed(f"the digits were not sent: {failure}")
        seconds = sum(PAUSES.get(digit, DIGIT) for digit in step.digits)
        await context.save(waiting=began + seconds)  # after a restart they are not sent twice
    assert context.call.waiting is not None  # noqa: S101 - as saved, now or by a former daemon
    await asyncio.sleep(max(0.0, context.call.waiting - context.rooms.clock()))
    return Done()


# --- digits ---------------------------------------------------------------------------------------------------------


async def _first(prompt: asyncio.Future[None], digits: asyncio.Queue[str], timeout: float) -> str | None:
    """Return the first digit; None where none came until ``timeout`` seconds after the last item."""
    pressed = asyncio.ensure_future(digits.get())
    try:
        await asyncio.wait((prompt, pressed), return_when=asyncio.FIRST_COMPLETED)
        if prompt.done():
            prompt.result()  # whatever a bug or the ledger made of it
            await asyncio.wait((pressed,), timeout=timeout)
        return pressed.result() if pressed.done() else None
    finally:
        pressed.cancel()


async def _collected(digit: str | None, digits: asyncio.Queue[str], step: Gather) -> Gathered:
    """Collect on from the first digit."""
    collected, terminators = "", step.terminators.upper()
    while digit is not None:
        if digit in terminators:
            return Gathered(collected, digit)
        collected += digit
        if len(collected) >= step.most:
            break
        try:
            async with asyncio.timeout(step.digit_timeout):
                digit = await digits.get()
        except TimeoutError:
            digit = None
    return Gathered(collected)


async def _prompt(context: CallContext, step: Gather) -> None:
    problems = await _items(context, step.items, step.gain, noted=False)
    if problems:
        context.failed(step, "; ".join(problems))


# --- items ----------------------------------------------------------------------------------------------------------


async def _items(context: CallContext, items: Sequence[Item], gain: float, *, noted: bool) -> list[str]:
    """Play items one after the other; return what could not be played, and why. Raises LedgerFailed.

    ``noted``: the row says which one plays. The next one is fetched while the one before it plays.
    """
    problems: list[str] = []
    first = context.call.item if noted else 0
    coming: asyncio.Future[Sound | AudioFailed] | None = None
    playing: Sound | AudioFailed | None = None
    try:
        for position in range(first, len(items)):
            if coming is None:
                coming = asyncio.ensure_future(had(context, items[position], gain))
            sound = await coming
            coming, playing = None, sound
            if position + 1 < len(items):
                coming = asyncio.ensure_future(had(context, items[position + 1], gain))
            if noted and position != context.call.item:
                await context.save(item=position)
            if isinstance(sound, AudioFailed):
                problems.append(str(sound))
            elif problem := await _played(context, sound, gain):
                problems.append(f"{in_words(items[position])}: {problem}")
            _over(context, sound)
            playing = None
    finally:
        _over(context, playing)
        if coming is not None and not coming.cancel() and not coming.cancelled() and coming.exception() is None:
            _over(context, coming.result())
    return problems


def _over(context: CallContext, sound: Sound | AudioFailed | None) -> None:
    """Let a file go; what is left of it in the leg's queue is stopped, or the leg is gone."""
    if isinstance(sound, SoundFile):
        context.rooms.audio.over(context.call, sound)


async def had(context: CallContext, item: Item, gain: float) -> Sound | AudioFailed:
    """Return what is to be played for an item, or why it cannot be had."""
    if not isinstance(item, AudioAt):
        return item
    try:
        return await context.rooms.audio.file(context.call, item.url, gain)
    except AudioFailed as failure:
        return failure


async def _played(context: CallContext, sound: Sound, gain: float) -> str:
    """Play a sound to its end; return why it was not heard, nothing where it was."""
    try:
        return await context.sounds.play(sound, gain)
    except CommandFailed as failure:
        return str(failure)


def in_words(item: Item) -> str:
    """Return an item as people are told it."""
    match item:
        case AudioAt(url):
            return named(url)
        case Quiet(seconds):
            return f"{seconds:g} s of silence"
        case Ringing(country):
            return f"the ring of {country!r}"
        case Beep():
            return "the beep"
    return f"speech {item.text[:40]!r}"
