"""One run of a SWML document: instructions → neutral steps, outcomes → the document's variables.

The program knows outcomes only. Whether a control_id is active already, or anything runs that could be stopped, is
judged by whoever carries the steps out; a step that fails sets its method's result and the script goes on
(DESIGN section 9). A snapshot may be taken at any time: before ``next`` it repeats the step that ``next`` gives,
after it it waits for that step's outcome, and ``next(None)`` then gives the very same step again. So what is
generated on the way (control ids) comes from a secret of the run, which is part of the snapshot.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any, cast

from controller.dialects.swml.document import MAIN, Document, Instruction
from controller.dialects.swml.values import Value
from controller.documents.steps import (
    Answer,
    Done,
    End,
    Outcome,
    RecordingRuns,
    StartRecording,
    Step,
    StopRecording,
    Wait,
)
from controller.recordings.model import Channels, RecordingRequest, StatusTarget, Track, new_id

SOURCE = "swml.record_call"

TRACKS = {"speak": Track.INBOUND, "listen": Track.OUTBOUND, "both": Track.BOTH}
"""SWML's directions, seen from the leg's party: `speak` is what it says, `listen` what it hears."""

CAUSES = {"hangup": "NORMAL_CLEARING", "busy": "USER_BUSY", "decline": "CALL_REJECTED"}
"""SWML's reasons to hang up as FreeSWITCH's causes."""


class BadSnapshot(ValueError):
    """A snapshot that is not one of this document on this call."""


class SwmlProgram:
    """Steps of a document's section ``main`` in their order."""

    def __init__(self, document: Document, call: str) -> None:
        self.session = new_id()
        self._call = call
        self._secret = new_id()
        self._steps = document.sections[MAIN]
        self._position = 0
        self._waiting = False
        self._variables: dict[str, str] = {}

    def next(self, outcome: Outcome | None) -> Step | End:
        """Return what to do next; None as outcome begins, or repeats the step that waits. Never raises."""
        if self._waiting and outcome is not None:
            self._take(self._steps[self._position], outcome)
            self._position += 1
            self._waiting = False
        if self._position >= len(self._steps):
            return End()
        step = self._step(self._steps[self._position])
        self._waiting = not isinstance(step, End)
        return step

    @property
    def variables(self) -> Mapping[str, str]:
        """What the document's `${…}` would see."""
        return dict(self._variables)

    def snapshot(self) -> Mapping[str, Any]:
        """Return the state in JSON types; it holds no secret of the account."""
        return {
            "session": self.session,
            "call": self._call,
            "secret": self._secret,
            "section": MAIN,
            "position": self._position,
            "waiting": self._waiting,
            "variables": dict(self._variables),
        }

    @classmethod
    def restored(cls, document: Document, call: str, snapshot: Mapping[str, Any]) -> SwmlProgram:
        """Return the program that ``snapshot`` was taken of. Raises BadSnapshot."""
        program = cls(document, call)
        match snapshot:
            case {
                "session": str(session),
                "call": str(owner),
                "secret": str(secret),
                "section": str(section),
                "position": int(position),
                "waiting": bool(waiting),
                "variables": dict(variables),
            }:
                pass
            case _:
                raise BadSnapshot("a field is missing or of another type")
        if owner != call:
            raise BadSnapshot("it was taken on another call")
        last = len(program._steps) - (1 if waiting else 0)
        if section != MAIN or not 0 <= position <= last:
            raise BadSnapshot(f"the document has no step {section}[{position}]")
        if not all(isinstance(value, str) for value in variables.values()):
            raise BadSnapshot("a variable is no text")
        program.session, program._secret = session, secret
        program._position, program._waiting = position, waiting
        program._variables = dict(variables)
        return program

    def _step(self, instruction: Instruction) -> Step | End:
        values = instruction.values
        match instruction.method:
            case "answer":
                return Answer()
            case "hangup":
                return End(CAUSES[str(values["reason"])])
            case "sleep":
                milliseconds = cast("int", values["duration"])
                return Wait(None if milliseconds < 0 else milliseconds / 1000)
            case "stop_record_call":
                named = values.get("control_id") or self._variables.get("record_control_id")
                return StopRecording(None if named is None else str(named))
            case _:
                return StartRecording(recording_request(values, self._control_id(values)))

    def _take(self, instruction: Instruction, outcome: Outcome) -> None:
        if instruction.method == "sleep":
            return
        good = isinstance(outcome, Done)
        if instruction.method == "record_call":
            good = isinstance(outcome, RecordingRuns)
            if isinstance(outcome, RecordingRuns):
                self._variables["record_call_url"] = outcome.url
                self._variables["record_control_id"] = self._control_id(instruction.values)
                self._variables["record_call_start"] = str(round(outcome.started_at * 1_000_000))
        self._variables[f"{instruction.method}_result"] = "success" if good else "failed"

    def _control_id(self, values: Mapping[str, Value]) -> str:
        given = values.get("control_id")
        if given is not None:
            return str(given)
        digest = hashlib.sha256(f"{self._secret}:{self._position}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


def recording_request(values: Mapping[str, Value], control_id: str) -> RecordingRequest:
    """Return what a record_call's values ask for, in the core's terms."""
    numbers = cast("Mapping[str, float]", values)
    url = values.get("status_url")
    return RecordingRequest(
        channels=Channels.DUAL if values["stereo"] else Channels.MONO,
        track=TRACKS[str(values["direction"])],
        format=str(values["format"]),
        reference=control_id,
        source=SOURCE,
        beep=bool(values["beep"]),
        terminators=str(values["terminators"]),
        initial_timeout=numbers["initial_timeout"],
        end_silence_timeout=numbers["end_silence_timeout"],
        max_length=numbers.get("max_length"),
        sensitivity=numbers["input_sensitivity"],
        status=None if url is None else StatusTarget(str(url)),
    )
