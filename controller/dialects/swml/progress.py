"""A run's progress: where it is, what it knows, what it has cost so far; the ground that ``machine`` moves on.

A frame is a block (a section, or a list of steps within a step), the place in it, and the phase of that place's
instruction, for those that take several: `set` counts its entries, `cond` its branches, `execute` knows whether it
has returned. A section's frame has the section's params. Every move costs one of a run's moves, so that no document
keeps the machine busy for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from controller.dialects.swml.blocks import Cond, Document, Instruction
from controller.dialects.swml.document import MAIN
from controller.dialects.swml.fetch import call_object
from controller.dialects.swml.frames import BadSnapshot, Frame, restored
from controller.dialects.swml.library import Library
from controller.dialects.swml.scope import Scope
from controller.dialects.swml.settling import Complaint, Settled, scripts, settled, templated
from controller.documents.call import Call
from controller.documents.dialect import Account
from controller.documents.steps import Evaluate, Evaluated, Evaluation

MAX_MOVES = 10_000
"""Moves of a run: steps, branches and entries of `set`. The longest menu of the samples has a few hundred."""

MAX_EFFORT = 200
"""Moves after which others have their turn; about as many as take 5 ms."""

MAX_OVERRUNS = 10
"""Expressions that may meet a limit in one run; after them nothing is evaluated for it any more."""

MAX_ENGINE = 10.0
"""Seconds of an engine that one run may use: an ordinary expression takes one or two milliseconds."""

LONGEST_DOCUMENT = 8192
"""Characters of the document that `script_error` shows."""


class Ended(Exception):
    """The script is over; ``cause`` is that of the hangup."""

    def __init__(self, cause: str = "NORMAL_CLEARING") -> None:
        super().__init__(cause)
        self.cause = cause


class Progress:
    """The frames, the variables and what is counted."""

    def __init__(self, document: Document, call: Call, account: Account | None = None) -> None:
        self.scope = Scope(call=call_object(call, account))
        self._library = Library(document)
        self._frames = [Frame(MAIN, params={})]
        self._results: list[Evaluation] | None = None
        self._transfers = 0
        self._fetches = 0
        self._moves = 0
        self._overruns = 0
        self._engine = 0.0
        self._effort = 0

    # --- where it is -----------------------------------------------------------------------------------------------

    def instruction(self) -> Instruction:
        """Return the instruction that runs."""
        frame = self._frames[-1]
        return self._library.blocks[frame.block].steps[frame.at]

    def next_instruction(self) -> Instruction:
        """Return the instruction that runs, after leaving the blocks that are done. Raises Ended."""
        while self._frames:
            frame = self._frames[-1]
            if frame.at < len(self._library.blocks[frame.block].steps):
                instruction = self.instruction()
                if self._moves > MAX_MOVES:
                    message = f"the script made more than {MAX_MOVES} moves"
                    self._stop(instruction, Complaint("relay_script_internal_error", message))
                return instruction
            if frame.params is None:
                self._frames.pop()
            else:
                self._leave(None)
        raise Ended

    def advance(self) -> None:
        """Go on to the next instruction of the block."""
        self._moved()
        self._frames[-1].at += 1
        self._frames[-1].phase = 0

    # --- what an instruction needs and has -------------------------------------------------------------------------

    def lacks(self, instruction: Instruction) -> Evaluate | None:
        """Return what has to be evaluated before an instruction's values are known, if anything."""
        if self._results is not None:
            return None
        sources = tuple(self._sources(instruction))
        overruns, seconds = MAX_OVERRUNS - self._overruns, MAX_ENGINE - self._engine
        if sources and overruns > 0 and seconds > 0:
            return Evaluate(sources, self.scope.names(), overruns, seconds)
        error = f"{MAX_OVERRUNS} expressions of this call met a limit"
        if overruns > 0:
            error = f"the expressions of this call took more than {MAX_ENGINE:g} s"
        self._results = [Evaluation(error=error)] * len(sources)
        return None

    def settle(self, instruction: Instruction) -> Settled:
        """Return the values of an instruction that lacks nothing."""
        return settled(instruction.method, instruction.values, self.scope, self._results or [])

    def know(self, outcome: Evaluated | None) -> None:
        """Take the results of what was asked for; None means that there are none."""
        sources = len(list(self._sources(self.instruction())))
        missing = Evaluation(error="it was not evaluated")
        given = [] if outcome is None else list(outcome.results[:sources])
        self._engine += 0.0 if outcome is None else max(0.0, outcome.seconds)
        self._overruns += sum(result.overran for result in given)
        self._results = given + [missing] * (sources - len(given))

    def tell(self, instruction: Instruction, problems: Sequence[Complaint]) -> None:
        """Leave the last problem in `script_error`, as the reference has it."""
        for problem in problems[-1:]:
            told = {
                "document": self._library.text_of(self._frames[-1].block)[:LONGEST_DOCUMENT],
                "section": self._section(),
                "method": instruction.method,
                "warning": problem.code,
                "message": problem.message,
            }
            self.scope.note("script_error", json.dumps(told, ensure_ascii=False))

    def note(self, found: Mapping[str, Any]) -> None:
        """Set variables that are a method's own; None removes one."""
        for name, value in found.items():
            if value is None:
                self.scope.drop(name)
            else:
                self.scope.note(name, value)

    @property
    def tired(self) -> bool:
        """Whether it has moved for so long that others should have their turn."""
        return self._effort > MAX_EFFORT

    def rest(self) -> None:
        """Others had their turn."""
        self._effort = 0

    def _sources(self, instruction: Instruction) -> list[str]:
        values, phase = instruction.values, self._frames[-1].phase
        match instruction.method:
            case "set":
                entries = values["value"]
                return list(scripts(entries[phase][1])) if phase < len(entries) else []
            case "cond":
                return _condition(values["value"], phase)
            case "goto":
                return [*scripts(values["max"]), *([_boolean(values["when"])] if "when" in values else [])]
            case "execute" | "connect" if phase >= 2:
                result = values.get("result")
                return _condition(result, phase - 2) if isinstance(result, Cond) else []
            case "execute" | "connect" if phase != 0:
                return []
            case "execute" | "transfer":
                return [*scripts(values["dest"]), *scripts(values.get("params"))]
            case _:
                return [source for value in values.values() if templated(value) for source in scripts(value)]

    # --- moves -----------------------------------------------------------------------------------------------------

    def _leave(self, value: Any) -> None:
        """Leave the section that runs; without a value there is no `return_value`. Raises Unfit, before it leaves."""
        outermost = sum(frame.params is not None for frame in self._frames) == 1
        if value not in (None, {}):
            self.scope.put("return_value", value)
        elif not outermost:
            self.scope.drop("return_value")
        while self._frames.pop().params is None:
            pass
        self._forget()
        self._moved()

    def _forget(self) -> None:
        """Forget the fetched documents that were left."""
        if self._library.changing:
            self._library.keep({frame.block for frame in self._frames})

    def _stop(self, instruction: Instruction, problem: Complaint) -> NoReturn:
        """End the script, which would never end by itself. Raises Ended."""
        self.tell(instruction, [problem])
        self._frames.clear()
        raise Ended

    def _push(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._moved()

    def _phase(self, phase: int) -> None:
        self._frames[-1].phase = phase
        self._moved()

    def _moved(self) -> None:
        self._moves += 1
        self._effort += 1
        self._results = None
        self._see()

    def _see(self) -> None:
        """See the params of the section that runs."""
        params = (frame.params for frame in reversed(self._frames) if frame.params is not None)
        self.scope.params = next(params, {})

    def _section(self) -> str:
        return self._library.blocks[self._frames[-1].block].section

    # --- snapshots -------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state in JSON types, apart from the document's."""
        return {
            "frames": [frame.stored() for frame in self._frames],
            "documents": self._library.snapshot(),
            "variables": dict(self.scope.vars),
            "known": dict(self.scope.call),
            "results": None if self._results is None else [[r.value, r.error, r.overran] for r in self._results],
            "counts": [self._transfers, self._moves, self._overruns, self._effort],
            "fetches": self._fetches,
            "engine": self._engine,
        }

    def restore(self, snapshot: Mapping[str, Any], *, within: bool) -> None:
        """Take a snapshot's state; ``within`` an instruction. Raises BadSnapshot."""
        match snapshot:
            case {
                "frames": list(frames),
                "variables": dict(variables),
                "known": dict(known),
                "results": None | list() as results,
                "counts": [int(transfers), int(moves), int(overruns), int(effort)],
            }:
                pass
            case _:
                raise BadSnapshot("a field is missing or of another type")
        fetches, engine = snapshot.get("fetches", 0), snapshot.get("engine", 0.0)
        if not isinstance(fetches, int) or not isinstance(engine, (int, float)):
            raise BadSnapshot("a field is missing or of another type")
        self._fetches, self._engine = fetches, float(engine)
        self._library.restore(snapshot.get("documents", []))
        self._frames = restored(frames, self._library.blocks, within=within)
        self.scope = Scope(dict(known), dict(variables))
        try:
            self._results = None if results is None else [Evaluation(*stored) for stored in results]
        except TypeError:
            raise BadSnapshot("a result is of another type") from None
        self._transfers, self._moves, self._overruns, self._effort = transfers, moves, overruns, effort
        self._see()


def _boolean(when: str) -> str:
    return f"!!({when}\n)"


def _condition(cond: Cond, branch: int) -> list[str]:
    return [_boolean(cond.branches[branch].when)] if 0 <= branch < len(cond.branches) else []
