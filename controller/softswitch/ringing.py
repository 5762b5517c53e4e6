"""What is heard while a `bridge` rings: the dialling leg's ringback, and what who answers is asked."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from controller.softswitch.audio import RATE, Sound
from controller.softswitch.script import silence
from controller.softswitch.sources import SourceError, load
from controller.softswitch.text import is_true, number
from controller.softswitch.waking import Woken

if TYPE_CHECKING:
    from controller.softswitch.leg import Leg

_FOR_EVER_SECONDS = 24 * 3600
_READ_TIMEOUT_MS = 5000
_SET_UP_FRAMES = 2


class Ringback:
    """What a leg hears until somebody is connected, from its end on anew (setup_ringback).

    An answered leg's `transfer_ringback`, else `ringback`: a file, teletone's script, or `silence`. It begins at
    once with `instant_ringback` (some frames go by in setting it up), else when a callee rings or has early media;
    what cannot be played is silence.
    """

    def __init__(self, leg: "Leg", shared: Mapping[str, str]) -> None:
        found = leg.variables.get("transfer_ringback") if leg.answered else None
        self._data = found or leg.variables.get("ringback")
        self._leg = leg
        self._instant = is_true(shared.get("instant_ringback"))
        self._plays = False
        self._frames = 0

    def look(self, callees: Sequence["Leg"]) -> None:
        """Begin when it is time, once a frame."""
        leg = self._leg
        if self._data is None or leg.hungup:
            return
        self._frames += 1
        if self._frames <= _SET_UP_FRAMES:
            return
        if self._instant or any(callee.ring_ready or callee.early for callee in callees):
            leg.pre_answer()
            data, self._data = self._data, None
            if sound := _looped(leg, data):
                leg.begin_output(leg.heard.play(sound, leg.written_from()))
                self._plays = True

    def end(self) -> None:
        """Be heard no more."""
        self._data = None
        if self._plays:
            self._leg.end_output()
        self._plays = False


def _looped(leg: "Leg", data: str) -> Sound | None:
    if data.lower().startswith("silence") and "://" not in data:
        once = silence(1.0, RATE)
    else:
        source = data if data.startswith("/") or "://" in data else f"tone_stream://{data}"
        try:
            sound = load(source, leg.switch.sounds).sound
        except SourceError:
            return None
        once = sound.read(0, len(sound))
    return Sound(once, max(1, _FOR_EVER_SECONDS * RATE // len(once))) if len(once) else None


class Confirmation:
    """`group_confirm_*`: who answers hears a file until a key is pressed, or all of it where the key is `exec`.

    Taken from the dial string's `{…}`, else from the dialling leg (switch_ivr_originate); in `winners` are those that
    may be connected.
    """

    def __init__(self, leg: "Leg", shared: Mapping[str, str]) -> None:
        def said(name: str) -> str:
            return shared.get(f"group_confirm_{name}") or leg.variables.get(f"group_confirm_{name}") or ""

        self._key, self._file = said("key"), said("file")
        self._read_timeout = (number(said("read_timeout")) or _READ_TIMEOUT_MS) / 1000
        self._limit = number(said("timeout")) or None
        self._asked: set[str] = set()
        self.winners: set[str] = set()

    @property
    def wished(self) -> bool:
        """Whether anybody is asked."""
        return bool(self._key)

    def ask(self, callee: "Leg") -> None:
        """Ask who has answered, once, in a thread of its own (collect_thread_run)."""
        if callee.uuid not in self._asked:
            self._asked.add(callee.uuid)
            callee.switch.spawn(self._collect(callee))

    async def _collect(self, callee: "Leg") -> None:
        try:
            async with asyncio.timeout(self._limit):
                confirmed = await (self._executed(callee) if self._key == "exec" else self._pressed(callee))
        except TimeoutError:
            callee.hang_up("ALLOTTED_TIMEOUT")
            return
        if confirmed and not callee.hungup:
            self.winners.add(callee.uuid)

    async def _executed(self, callee: "Leg") -> bool:
        application, _, argument = self._file.partition(" ")
        await callee.execute(application, argument)
        return True

    async def _pressed(self, callee: "Leg") -> bool:
        """Play the file and read one digit, again and again."""
        while not callee.hungup:
            digit = await self._read(callee)
            if digit == self._key:
                return True
        return False

    async def _read(self, callee: "Leg") -> str:
        try:
            sound = load(self._file, callee.switch.sounds).sound if self._file else Sound(np.zeros(0, np.int16))
        except SourceError:
            callee.hang_up("DESTINATION_OUT_OF_ORDER")
            return ""
        about = [("Playback-File-Path", self._file)]
        callee.fire("PLAYBACK_START", after=about)
        callee.begin_output(callee.heard.play(sound, callee.written_from()))
        try:
            woken, digit = await callee.wait(len(sound) / RATE)
        finally:
            callee.end_output()
        status = "break" if woken is Woken.DIGIT else "done"
        callee.fire("PLAYBACK_STOP", after=[*about, ("Playback-Status", status)])
        if woken is Woken.DONE:
            woken, digit = await callee.wait(self._read_timeout)
        return digit if woken is Woken.DIGIT else ""
