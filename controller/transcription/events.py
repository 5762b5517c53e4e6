"""What the transcription room tells: telemetry as frozen values. Never the text: it is what callers say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TranscriptionBegun:
    """A recording of ``seconds`` is being transcribed; ``tries`` counts the daemons that began it."""

    recording: str
    account: str
    seconds: float
    tries: int


@dataclass(frozen=True, slots=True)
class TranscriptionProgressed:
    """``heard`` of the recording's ``seconds`` have been transcribed."""

    recording: str
    heard: float
    seconds: float


@dataclass(frozen=True, slots=True)
class TranscriptionFinished:
    """A transcription is over: ``outcome`` is done or failed, and why if it failed.

    ``seconds`` are the recording's, ``characters`` the text's; ``duration`` is how long it took, in seconds, since it
    was asked for.
    """

    recording: str
    account: str
    outcome: str
    seconds: float
    characters: int
    duration: float
    error: str


@dataclass(frozen=True, slots=True)
class TranscriptionDropped:
    """A recording was deleted, or its transcription, before that was over: nobody is told."""

    recording: str


@dataclass(frozen=True, slots=True)
class TranscriptionUnrendered:
    """A transcription is over and its receiver can't be told, for a fault of ours."""

    recording: str
    error: str


@dataclass(frozen=True, slots=True)
class TranscriptionStalled:
    """The store, or the media store, did not take or give what is transcribed; it is tried again.

    ``recording`` is empty for the queue.
    """

    recording: str
    error: str


@dataclass(frozen=True, slots=True)
class TranscriberLost:
    """A process that transcribed a recording crashed or hung; ``attempt`` counts from 1."""

    recording: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class EngineRefused:
    """The server of an engine did not transcribe a recording; ``reason`` has what it said."""

    recording: str
    reason: str
