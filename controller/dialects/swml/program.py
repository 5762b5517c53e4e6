"""One run of a SWML document: instructions → neutral steps, outcomes → the document's variables.

The program knows outcomes only. Whether a control_id is active already, or anything runs that could be stopped, is
judged by whoever carries the steps out; a step that fails sets its method's result and the script goes on
(DESIGN section 9). A snapshot may be taken at any time: before ``next`` it repeats the step that ``next`` gives,
after it it waits for that step's outcome, and ``next(None)`` then gives the very same step again. So what is
generated on the way (control ids) comes from a secret of the run, which is part of the snapshot; and nothing of a
step's making changes a variable before its outcome is there.

JavaScript is not evaluated here: an instruction that needs some asks for ``Evaluate`` first, and is then made of the
results, which are part of the snapshot until the instruction is done. Where the run is, is a stack of frames
(``machine``); what an instruction's values are, ``settling`` knows.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any, cast

from controller.dialects.swml.blocks import Document, Instruction
from controller.dialects.swml.machine import BadSnapshot, Ended, Machine
from controller.dialects.swml.settling import Settled
from controller.dialects.swml.values import Value
from controller.documents.call import Call
from controller.documents.steps import (
    Answer,
    Done,
    End,
    Evaluate,
    Evaluated,
    Outcome,
    RecordingRuns,
    StartRecording,
    Step,
    StopRecording,
    Wait,
)
from controller.recordings.model import Channels, RecordingRequest, StatusTarget, Track, new_id

__all__ = ["BadSnapshot", "SwmlProgram", "recording_request"]

SOURCE = "swml.record_call"

TRACKS = {"speak": Track.INBOUND, "listen": Track.OUTBOUND, "both": Track.BOTH}
"""SWML's directions, seen from the leg's party: `speak` is what it says, `listen` what it hears."""

CAUSES = {"hangup": "NORMAL_CLEARING", "busy": "USER_BUSY", "decline": "CALL_REJECTED"}
"""SWML's reasons to hang up as FreeSWITCH's causes."""

SILENT = frozenset({"sleep", "hangup"})
"""Methods without a result variable."""


class SwmlProgram:
    """A document's run on a call."""

    def __init__(self, document: Document, call: Call) -> None:
        self.session = new_id()
        self._call = call.id
        self._secret = new_id()
        self._asked = ""
        self._started = 0
        self._machine = Machine(document, call)

    def next(self, outcome: Outcome | None) -> Step | End:
        """Return what to do next; None as outcome begins, or repeats the step that waits. Never raises."""
        if self._asked and outcome is not None:
            match self._asked:
                case "step":
                    self._take(self._machine.instruction(), outcome)
                    self._machine.advance()
                case "turn":
                    self._machine.rest()
                case _:
                    self._machine.know(outcome.results if isinstance(outcome, Evaluated) else None)
            self._asked = ""
        try:
            return self._run()
        except Ended as ended:
            self._asked = ""
            return End(ended.cause)

    @property
    def variables(self) -> Mapping[str, Any]:
        """The document's variables, in JSON types."""
        return dict(self._machine.scope.vars)

    def snapshot(self) -> Mapping[str, Any]:
        """Return the state in JSON types; it holds no secret of the account."""
        return {
            "session": self.session,
            "call": self._call,
            "secret": self._secret,
            "asked": self._asked,
            "started": self._started,
            **self._machine.snapshot(),
        }

    @classmethod
    def restored(cls, document: Document, call: Call, snapshot: Mapping[str, Any]) -> SwmlProgram:
        """Return the program that ``snapshot`` was taken of. Raises BadSnapshot."""
        program = cls(document, call)
        match snapshot:
            case {
                "session": str(session),
                "call": str(owner),
                "secret": str(secret),
                "asked": "" | "step" | "evaluation" | "turn" as asked,
                "started": int(started),
            }:
                pass
            case _:
                raise BadSnapshot("a field is missing or of another type")
        if owner != call.id:
            raise BadSnapshot("it was taken on another call")
        program._machine.restore(snapshot, within=bool(asked))
        program.session, program._secret = session, secret
        program._asked, program._started = asked, started
        return program

    def _run(self) -> Step | End:
        """Go through the instructions up to the next one that somebody else has to carry out. Raises Ended."""
        while True:
            instruction = self._machine.next_instruction()
            if self._machine.tired:
                self._asked = "turn"
                return Evaluate((), {})
            wanted = self._machine.lacks(instruction)
            if wanted is not None:
                self._asked = "evaluation"
                return wanted
            if self._machine.flows(instruction):
                self._machine.flow(instruction)
                continue
            settled = self._machine.settle(instruction)
            if settled.wrong is None:
                step = self._step(instruction, settled.values)
                self._asked = "" if isinstance(step, End) else "step"
                return step
            self._fail(instruction, settled)
            self._machine.advance()

    def _step(self, instruction: Instruction, values: Mapping[str, Value]) -> Step | End:
        match instruction.method:
            case "answer":
                return Answer()
            case "hangup":
                return End(CAUSES[str(values["reason"])])
            case "sleep":
                milliseconds = cast("int", values["duration"])
                return Wait(None if milliseconds < 0 else milliseconds / 1000)
            case "stop_record_call":
                named = values.get("control_id") or self._machine.scope.vars.get("record_control_id")
                return StopRecording(None if named is None else str(named))
            case _:
                return StartRecording(recording_request(values, self._control_id(values)))

    def _take(self, instruction: Instruction, outcome: Outcome) -> None:
        """Set the variables that a step's outcome leaves, after those that its making left."""
        settled = self._machine.settle(instruction)
        if instruction.method in SILENT:
            self._machine.tell(instruction, settled.problems)
            return
        method = instruction.method
        found: dict[str, str] = {}
        good = isinstance(outcome, Done)
        if method == "record_call":
            control_id = self._control_id(settled.values)
            self._started += 1
            good = isinstance(outcome, RecordingRuns)
            if isinstance(outcome, RecordingRuns):
                found["record_call_url"] = outcome.url
                found["record_control_id"] = control_id
                found["record_call_start"] = str(round(outcome.started_at * 1_000_000))
        if good and method in {"answer", "record_call"}:
            self._machine.scope.call["call_state"] = "answered"
        self._machine.tell(instruction, settled.problems)
        self._machine.note(found | {f"{method}_result": "success" if good else "failed"})

    def _fail(self, instruction: Instruction, settled: Settled) -> None:
        """Go on after a method whose variables gave it a value that it cannot have."""
        self._machine.tell(instruction, settled.problems)
        if instruction.method not in SILENT:
            self._machine.note({f"{instruction.method}_result": "failed"})

    def _control_id(self, values: Mapping[str, Value]) -> str:
        given = values.get("control_id")
        if given is not None:
            return str(given)
        digest = hashlib.sha256(f"{self._secret}:{self._started}".encode()).digest()
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
