"""What a process that works on a file is asked to do; no more than that, so that the daemon need not load FFmpeg."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Job:
    """Make ``target`` in ``format`` of the WAV ``source``, which has ``frames``; ``mono`` of both its channels."""

    source: str
    target: str
    format: str
    frames: int
    mono: bool = False

    @property
    def unfinished(self) -> Path:
        """Where the derivative grows: one name for all attempts, so that nothing gathers."""
        return Path(f"{self.target}.part")

    def text(self) -> str:
        """Return JSON, without a line's end in it."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """Make ``target``, a mono WAV of ``rate`` samples per second, of audio of any format, ``gain`` dB louder.

    It grows as ``growing``, in the same directory. More than ``longest`` seconds are refused.
    """

    source: str
    target: str
    growing: str
    rate: int
    gain: float = 0.0
    longest: float = 3600.0

    def text(self) -> str:
        """Return JSON, without a line's end in it."""
        return json.dumps(asdict(self))


def parse(text: str | bytes) -> Job | DecodeJob:
    """Return the job that ``text`` says. Raises ValueError, TypeError."""
    fields = json.loads(text)
    return DecodeJob(**fields) if "growing" in fields else Job(**fields)
