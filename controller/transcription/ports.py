"""What the desk asks of the rooms around it: an engine that hears, a ledger that keeps, the files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from controller.recordings.model import Delivery, Recording, Transcription


class TranscriptionFailed(Exception):
    """There will be no text, and trying again is pointless; the words say why, to whoever asked for it."""


class Engine(Protocol):
    """What makes text of sound."""

    async def transcribe(self, wav: Path, seconds: float, progress: Callable[[float], None]) -> str:
        """Return what is said in a WAV of 16-bit PCM that has ``seconds``; empty where nothing is.

        ``progress`` gets the seconds heard so far. Cancelling it ends the work. Raises TranscriptionFailed.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class TranscriptionLedger(Protocol):
    """Where transcriptions are kept. Writes return when durable; all raise ``recordings.ports.LedgerFailed``."""

    async def recording(self, identity: str) -> Recording | None:
        """Return one recording, None also where its row can't be read: that must not hold up all others."""
        ...

    async def transcription(self, recording: str) -> Transcription | None:
        """Return the transcription of a recording, or None."""
        ...

    async def unfinished(self, limit: int) -> Sequence[Transcription]:
        """Return those that are waiting or running, the one asked for first before all others."""
        ...

    async def count(self) -> int:
        """Return how many are waiting or running."""
        ...

    def save(self, transcription: Transcription, told: Delivery | None = None) -> Awaitable[bool]:
        """Store one as it is now and what is told of it, in one transaction.

        False where its recording is gone: then nothing is stored, and nobody is told.
        """
        ...

    def forget(self, recording: str) -> Awaitable[bool]:
        """Delete a recording's transcription; False where there was none."""
        ...


class Sounds(Protocol):
    """The files of recordings (``media.examine.DiskMedia``)."""

    def wav_of(self, recording: Recording) -> Awaitable[Path]:
        """Return the WAV of a recording as it is served. Raises KeyError, ValueError, OSError, MediaAway."""
        ...


Told = Callable[[Transcription, Recording], Delivery | None]
"""How a transcription that is over is told, by the dialect and account of its recording; None where nobody asked."""
