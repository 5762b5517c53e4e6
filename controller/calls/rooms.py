"""What calls work with: the rooms around them, as the composition root gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.calls.evaluate import Evaluator
from controller.calls.ports import Audio, CallLedger, Legs, Requests
from controller.calls.source import Sources
from controller.recordings.service import RecordingService


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a call's document is carried out with. ``rings`` are the longest seconds that anybody is rung."""

    legs: Legs
    ledger: CallLedger
    recordings: RecordingService
    clock: Callable[[], float]
    sources: Sources
    audio: Audio
    requests: Requests
    evaluator: Evaluator = field(default_factory=Evaluator)
    rings: float = 60.0
