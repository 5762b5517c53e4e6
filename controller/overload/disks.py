"""Whether a recording may begin: refused beforehand, rather than truncated when its disk is full.

Each recording that runs, and each that begins, is promised room for what it may write in the next ``AHEAD`` seconds.
What a disk has beyond its promises must be more than ``limits.min_free_disk``. Disks are looked at now and then; what
begins in between is counted at once, so a thousand starts in one breath do not all believe in the same free byte, and
what ended in between before one is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from controller.media.room import Room
from controller.overload.levels import Shed
from controller.recordings.model import Channels, Recording, RecordingRequest

AHEAD = 600.0
"""Seconds of every recording for which there is to be room: an operator has that long to make some."""
BYTES = 32_000
"""That a channel writes a second: 16 bits at 16 kHz. Most telephone calls need half of it, Opus up to thrice."""
LEAST_FILES = 1000
"""Files that stay free: a recording is up to five (master, copy, format, two notes)."""
LAST = 64 << 20
"""Bytes free in data_dir, or an eighth of min_free_disk, below which calls are turned away: what runs has rows."""

Look = Callable[[], Awaitable[Room]]
"""Looks at a disk, within seconds. Raises OSError where the directory is not as it should be."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A directory in words, and how to look at its disk."""

    name: str
    look: Look


@dataclass(slots=True)
class Disks:
    """``switches`` has each switch's directory of recordings, ``data`` is data_dir; ``least`` bytes are to stay free.

    ``running`` returns a switch's recordings that may still write, those that were admitted among them.
    """

    switches: Mapping[str, Volume]
    data: Volume
    least: int
    running: Callable[[str], Iterable[Recording]]
    _rooms: dict[str, Room] = field(default_factory=dict)
    _away: dict[str, str] = field(default_factory=dict)
    _promised: dict[int, int] = field(default_factory=dict)
    _data: Room | None = None
    _data_away: str | None = None

    async def look(self) -> None:
        """Look at every disk."""
        data, *rooms = await asyncio.gather(_seen(self.data), *map(_seen, self.switches.values()))
        self._data, self._data_away = (None, data) if isinstance(data, str) else (data, None)
        self._away, self._rooms = {}, {}
        for switch, room in zip(self.switches, rooms, strict=True):
            if isinstance(room, str):
                self._away[switch] = room
            else:
                self._rooms[switch] = room
        self._count()

    def admit(self, switch: str, request: RecordingRequest) -> str | None:
        """Say why a recording may not begin on a switch; None where it may, and then has its promise."""
        wanted = needs(request)
        refusal = self.data_problem() or self._problem(switch, wanted)
        if refusal is not None and self._promised:  # to recordings that have ended since, it may be
            self._count()
            refusal = self.data_problem() or self._problem(switch, wanted)
        room = self._rooms.get(switch)
        if refusal is None and room is not None:
            self._promised[room.device] = self._promised.get(room.device, 0) + wanted
        return refusal

    def problems(self) -> dict[str, str]:
        """Return the switches on which none may begin, and why."""
        found = {switch: self._problem(switch) for switch in self.switches}
        return {switch: why for switch, why in found.items() if why is not None}

    def free(self) -> dict[str, float]:
        """Return the bytes free on the disk of each switch's directory, when it was last looked at."""
        return {switch: float(room.free) for switch, room in self._rooms.items()}

    def data_free(self) -> float:
        """Return those of data_dir; 0 where it can't be looked at."""
        return 0.0 if self._data is None else float(self._data.free)

    def away(self, switch: str) -> bool:
        """Tell whether a switch's directory is not as it should be: what lies there can't be removed."""
        return switch in self._away

    def data_problem(self) -> str | None:
        """Say why none may begin on any switch: its copies and rows would have no room."""
        if self._data_away is not None:
            return self._data_away
        return None if self._data is None else self._too_little(self._data, self.data.name, 0, 0)

    def shed(self) -> Shed:
        """Return what data_dir alone asks to give up: recordings that are to begin, then calls."""
        if self.data_problem() is None:
            return Shed.NOTHING
        room = self._data
        return Shed.CALLS if room is not None and room.free < min(LAST, self.least // 8) else Shed.STARTS

    def _count(self) -> None:
        """Promise each recording that runs its room, and no other."""
        self._promised = {}
        for switch, room in self._rooms.items():
            needed = sum(needs(recording.request) for recording in self.running(switch))
            self._promised[room.device] = self._promised.get(room.device, 0) + needed

    def _problem(self, switch: str, wanted: int = 0) -> str | None:
        if switch in self._away:
            return self._away[switch]
        room = self._rooms.get(switch)
        if room is None:
            return None
        return self._too_little(room, self.switches[switch].name, self._promised.get(room.device, 0), wanted)

    def _too_little(self, room: Room, name: str, promised: int, wanted: int) -> str | None:
        if room.files is not None and room.files < LEAST_FILES:
            return f"{room.files} files can still be made on the disk of {name}; {LEAST_FILES} are to stay free"
        if room.free - promised - wanted >= self.least:
            return None
        said = f"{room.free} bytes are free in {name}"
        if promised:
            said += f", {promised} of them for {AHEAD / 60:g} more minutes of the recordings that run"
        if wanted:
            said += f", {wanted} would be for this one"
        return f"{said}; limits.min_free_disk wants {self.least}"


async def _seen(place: Volume) -> Room | str:
    try:
        return await place.look()
    except OSError as error:
        why = error.strerror or str(error)
        return why if place.name in why else f"{place.name}: {why}"


def needs(request: RecordingRequest) -> int:
    """Return the bytes that a recording may write within ``AHEAD``."""
    channels = 2 if request.channels is Channels.DUAL else 1
    seconds = min(AHEAD, request.max_length) if request.max_length else AHEAD
    return round(seconds * channels * BYTES)
