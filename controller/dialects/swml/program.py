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
from typing import Any

from controller.dialects.swml.asking import SOURCES, step
from controller.dialects.swml.blocks import Document, Instruction
from controller.dialects.swml.frames import BadSnapshot
from controller.dialects.swml.leaving import left
from controller.dialects.swml.machine import Machine
from controller.dialects.swml.progress import Ended
from controller.dialects.swml.settling import Settled
from controller.documents.call import Call
from controller.documents.dialect import Account
from controller.documents.steps import End, Evaluate, Evaluated, Outcome, Step
from controller.recordings.model import new_id

__all__ = ["BadSnapshot", "SwmlProgram"]


class SwmlProgram:
    """A document's run on a call."""

    def __init__(self, document: Document, call: Call, account: Account | None = None) -> None:
        self.session = new_id()
        self._call = call.id
        self._secret = new_id()
        self._asked = ""
        self._started = 0
        self._made: tuple[Settled, str] | None = None
        self._machine = Machine(document, call, account)

    def next(self, outcome: Outcome | None) -> Step | End:
        """Return what to do next; None as outcome begins, or repeats the step that waits. Never raises."""
        self._machine.refused = ""
        try:
            if self._asked and outcome is not None:
                asked, self._asked = self._asked, ""
                self._hear(asked, outcome)
            return self._run()
        except Ended as ended:
            self._asked = ""
            return End(ended.cause)

    def farewell(self, outcome: Outcome | None) -> None:
        """Ask nothing: a script ends with its call."""

    @property
    def refused(self) -> str:
        """Why the document that came last is not run; "" where it is."""
        return self._machine.refused

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
                "asked": "" | "step" | "evaluation" | "turn" | "fetch" as asked,
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

    def _hear(self, asked: str, outcome: Outcome) -> None:
        """Take the outcome of what was asked for. Raises Ended."""
        match asked:
            case "step":
                instruction = self._machine.instruction()
                self._take(instruction, outcome)
                self._machine.done(instruction)
            case "fetch":
                self._machine.fetched(self._machine.instruction(), outcome)
            case "turn":
                self._machine.rest()
            case _:
                self._machine.know(outcome if isinstance(outcome, Evaluated) else None)

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
                fetch = self._machine.fetch(instruction)
                if fetch is not None:
                    self._asked = "fetch"
                    return fetch
                self._machine.flow(instruction)
                continue
            settled, control_id = self._made = self._make(instruction)
            if settled.wrong is None or instruction.method == "hangup":
                asked = step(instruction.method, settled.values, control_id)
                self._asked = "" if isinstance(asked, End) else "step"
                return asked
            self._leave(instruction, None)
            self._machine.done(instruction)

    def _take(self, instruction: Instruction, outcome: Outcome) -> None:
        """Set the variables that a step's outcome leaves, after those that its making left."""
        self._leave(instruction, outcome)
        if instruction.method in SOURCES:
            self._started += 1

    def _leave(self, instruction: Instruction, outcome: Outcome | None) -> None:
        """Set what a method leaves; None is one whose variables gave it a value that it cannot have."""
        settled, control_id = self._made or self._make(instruction)
        self._made = None
        leaves = left(instruction.method, settled.values, outcome, control_id)
        complaints = settled.problems if leaves.complaint is None else (*settled.problems, leaves.complaint)
        self._machine.tell(instruction, complaints)
        self._machine.note(leaves.variables)
        if leaves.answered:
            self._machine.scope.call["call_state"] = "answered"

    def _make(self, instruction: Instruction) -> tuple[Settled, str]:
        """Return an instruction's values and the name of its recording: the same until its outcome is there."""
        settled = self._machine.settle(instruction)
        return settled, self._control_id(instruction, settled)

    def _control_id(self, instruction: Instruction, settled: Settled) -> str:
        """Return the name of the recording that an instruction starts or stops, empty where there is none."""
        given = settled.values.get("control_id")
        if given is not None:
            return str(given)
        if instruction.method == "stop_record_call":
            return str(self._machine.scope.vars.get("record_control_id") or "")
        if instruction.method not in SOURCES:
            return ""
        digest = hashlib.sha256(f"{self._secret}:{self._started}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))
