"""What a process that transcribes is asked to do, so that the daemon need load no engine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class TranscriptionJob:
    """Say what is said in the WAV ``source``."""

    source: str

    def text(self) -> str:
        """Return JSON, without a line's end in it."""
        return json.dumps(asdict(self))


def parse(text: str | bytes) -> TranscriptionJob:
    """Return the job that ``text`` says. Raises ValueError, TypeError."""
    return TranscriptionJob(**json.loads(text))
