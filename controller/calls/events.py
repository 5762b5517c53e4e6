"""What calls tell telemetry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallTaken:
    """A parked leg is ours (telemetry)."""

    call: str
    switch: str
    leg: str
    account: str
    document: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call's leg is gone; ``cause`` says why."""

    call: str
    cause: str


@dataclass(frozen=True, slots=True)
class CallReleased:
    """Others took a leg of ours; its document ended, its recordings go on."""

    call: str


@dataclass(frozen=True, slots=True)
class CallResumed:
    """A call's document goes on after a restart or a lost link."""

    call: str
    step: int


@dataclass(frozen=True, slots=True)
class LegLeftAlone:
    """A parked leg that no route claims."""

    switch: str
    leg: str
    destination: str


@dataclass(frozen=True, slots=True)
class DocumentFetched:
    """A URL gave its document, of ``size`` characters, ``duration`` seconds after it was asked in ``dialect``."""

    call: str
    document: str
    size: int
    duration: float
    dialect: str


@dataclass(frozen=True, slots=True)
class DocumentRefused:
    """A document could not be had, or was refused before anything of it ran; ``why`` names every problem.

    ``trouble`` says it in one word (``documents.fetch.Trouble``), ``dialect`` in which it was asked for or is
    written, as far as that is known.
    """

    call: str
    document: str
    why: str
    dialect: str
    trouble: str


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call could not go on for a reason of ours; it is hung up."""

    call: str
    why: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step of a call's document was refused or failed; the document goes on. ``number`` counts its steps from 1."""

    call: str
    number: int
    step: str
    why: str


@dataclass(frozen=True, slots=True)
class MessageUnrendered:
    """Something that is told of a call could not be made (``message`` is its kind), and nobody is told it."""

    call: str
    message: str
    error: str


@dataclass(frozen=True, slots=True)
class RingingShortened:
    """A document wished to ring for ``asked`` seconds; the settings' ``dial.timeout`` lets it ring for ``rings``."""

    call: str
    number: int
    asked: float
    rings: float


@dataclass(frozen=True, slots=True)
class CallTurnedAway:
    """A parked leg was hung up at once: there are too many calls, or there is too much to do; ``why`` says it."""

    switch: str
    leg: str
    why: str


@dataclass(frozen=True, slots=True)
class EngineUnconfined:
    """The processes that evaluate JavaScript have resource limits, and no filter of system calls; told once."""

    why: str
