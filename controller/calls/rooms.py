"""What calls work with: the rooms around them, as the composition root gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.calls.evaluate import Evaluator
from controller.calls.ports import Audio, AudioFailed, CallLedger, Legs, Requests, SoundFile
from controller.calls.source import Sources
from controller.documents.call import Call
from controller.documents.fetch import FetchFailed, named
from controller.documents.steps import Request, Response
from controller.recordings.service import RecordingService


class NoAudio:
    """Implements ``ports.Audio`` where nobody has sounds: every one is refused."""

    async def file(self, call: Call, url: str, gain: float) -> SoundFile:
        """Raise AudioFailed."""
        raise AudioFailed(f"{named(url)}: nobody has sounds for call {call.id}, at {gain:g} dB or any other gain")

    def over(self, call: Call, sound: SoundFile) -> None:
        """Do nothing: no sound was had."""


class NoRequests:
    """Implements ``ports.Requests`` where nobody carries requests out: every one is refused."""

    async def send(self, request: Request) -> Response:
        """Raise FetchFailed."""
        raise FetchFailed(f"no {request.method} requests are sent")


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a call's document is carried out with. ``rings`` are the longest seconds that anybody is rung."""

    legs: Legs
    ledger: CallLedger
    recordings: RecordingService
    clock: Callable[[], float]
    sources: Sources
    audio: Audio = field(default_factory=NoAudio)
    requests: Requests = field(default_factory=NoRequests)
    evaluator: Evaluator = field(default_factory=Evaluator)
    rings: float = 60.0
