"""What a process that encodes is asked to do; no more than that, so that the daemon need not load FFmpeg."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Job:
    """Make ``target`` in ``format`` of the WAV ``source``, which has ``frames``."""

    source: str
    target: str
    format: str
    frames: int

    @property
    def unfinished(self) -> Path:
        """Where the derivative grows: one name for all attempts, so that nothing gathers."""
        return Path(f"{self.target}.part")

    def text(self) -> str:
        """Return JSON, without a line's end in it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str | bytes) -> Job:
        """Return the job that ``text`` says. Raises ValueError, TypeError."""
        return cls(**json.loads(text))
