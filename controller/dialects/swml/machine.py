"""Where a run is, and how it moves: a stack of frames over a document's blocks, and the methods that only move it.

A frame is a block (a section, or a list of steps within a step), the place in it, and the phase of that place's
instruction, for those that take several: `set` counts its entries, `cond` its branches, `execute` knows whether it
has returned. A section's frame has the section's params. `execute` pushes one, `return` pops to it, `transfer`
replaces them all, `goto` pops to the block that has its label. Every move costs one of a run's moves, so that no
document keeps the machine busy for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from controller.dialects.swml.blocks import Cond, Document, Inline, Instruction, Switch, find_label, section_block
from controller.dialects.swml.document import MAIN
from controller.dialects.swml.fetch import call_object
from controller.dialects.swml.methods import METHODS
from controller.dialects.swml.scope import LONGEST_TEXT, Scope, Unfit, fit, text, truth
from controller.dialects.swml.settling import Complaint, Filling, Settled, js_error, scripts, settled
from controller.dialects.swml.templates import Path, Template, path
from controller.dialects.swml.values import Wrong, settle
from controller.documents.call import Call
from controller.documents.steps import Evaluate, Evaluation

MAX_TRANSFERS = 32
"""SWML: transfers and gotos of a call."""

MAX_NESTING = 32
"""Sections that may be executing each other."""

MAX_MOVES = 10_000
"""Moves of a run: steps, branches and entries of `set`. The longest menu of the samples has a few hundred."""

MAX_EFFORT = 200
"""Moves after which others have their turn; about as many as take 5 ms."""

EFFORT_OF = 1000
"""Characters of a value that are as much effort as a move."""

MAX_OVERRUNS = 10
"""Expressions that may meet a limit in one run; after them nothing is evaluated for it any more."""

LONGEST_DOCUMENT = 8192
"""Characters of the document that `script_error` shows."""

DONE = -1
"""The phase of an instruction whose block ran."""

_FLOW = frozenset({"set", "unset", "label", "goto", "cond", "switch", "execute", "return", "transfer"})
_GOTO = {row.name: row for row in METHODS["goto"].properties}


class BadSnapshot(ValueError):
    """A snapshot that is not one of this document on this call."""


class Ended(Exception):
    """The script is over; ``cause`` is that of the hangup."""

    def __init__(self, cause: str = "NORMAL_CLEARING") -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(slots=True)
class Frame:
    """One block that runs. ``params`` are a section's, None in a block within one; ``jumps`` count its gotos'."""

    block: str
    at: int = 0
    phase: int = 0
    params: dict[str, Any] | None = None
    jumps: dict[str, int] = field(default_factory=dict)


class Machine:
    """The frames, the variables and what is counted."""

    def __init__(self, document: Document, call: Call) -> None:
        self.scope = Scope(call=call_object(call))
        self._document = document
        self._frames = [Frame(MAIN, params={})]
        self._results: list[Evaluation] | None = None
        self._transfers = 0
        self._moves = 0
        self._overruns = 0
        self._effort = 0

    # --- where it is -----------------------------------------------------------------------------------------------

    def instruction(self) -> Instruction:
        """Return the instruction that runs."""
        frame = self._frames[-1]
        return self._document.blocks[frame.block].steps[frame.at]

    def next_instruction(self) -> Instruction:
        """Return the instruction that runs, after leaving the blocks that are done. Raises Ended."""
        while self._frames:
            frame = self._frames[-1]
            if frame.at < len(self._document.blocks[frame.block].steps):
                instruction = self.instruction()
                if self._moves > MAX_MOVES:
                    message = f"the script made more than {MAX_MOVES} moves"
                    self._stop(instruction, Complaint("relay_script_internal_error", message))
                return instruction
            if frame.params is None:
                self._frames.pop()
            else:
                self._return(None)
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
        if sources and self._overruns < MAX_OVERRUNS:
            return Evaluate(sources, self.scope.names())
        self._results = [Evaluation(error=f"{MAX_OVERRUNS} expressions of this call met a limit")] * len(sources)
        return None

    def settle(self, instruction: Instruction) -> Settled:
        """Return the values of an instruction that lacks nothing."""
        return settled(instruction.method, instruction.values, self.scope, self._results or [])

    def know(self, outcome: Sequence[Evaluation] | None) -> None:
        """Take the results of what was asked for; None means that there are none."""
        sources = len(list(self._sources(self.instruction())))
        missing = Evaluation(error="it was not evaluated")
        given = [] if outcome is None else list(outcome[:sources])
        self._overruns += sum(result.overran for result in given)
        self._results = given + [missing] * (sources - len(given))

    def tell(self, instruction: Instruction, problems: Sequence[Complaint]) -> None:
        """Leave the last problem in `script_error`, as the reference has it."""
        for problem in problems[-1:]:
            told = {
                "document": self._document.text[:LONGEST_DOCUMENT],
                "section": self._section(),
                "method": instruction.method,
                "warning": problem.code,
                "message": problem.message,
            }
            self.scope.note("script_error", json.dumps(told, ensure_ascii=False))

    def note(self, found: Mapping[str, str]) -> None:
        """Set variables that are a method's own."""
        for name, value in found.items():
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
            case "execute" if phase >= 2:
                result = values.get("result")
                return _condition(result, phase - 2) if isinstance(result, Cond) else []
            case "execute" if phase != 0:
                return []
            case "execute" | "transfer":
                return [*scripts(values["dest"]), *scripts(values.get("params"))]
            case _:
                return list(scripts(dict(values)))

    # --- moves -----------------------------------------------------------------------------------------------------

    def flows(self, instruction: Instruction) -> bool:
        """Tell whether an instruction only moves the run or its variables."""
        return instruction.method in _FLOW

    def flow(self, instruction: Instruction) -> None:
        """Carry out one phase of an instruction that ``flows``. Raises Ended."""
        values, frame = instruction.values, self._frames[-1]
        filling = Filling(self.scope, self._results or [])
        try:
            match instruction.method:
                case "set":
                    self._set(instruction, filling)
                case "unset":
                    for name in values["value"]:
                        self.scope.drop(name)
                    self.advance()
                case "goto":
                    self._goto(instruction, filling)
                case "cond":
                    self._cond(instruction, values["value"], frame.phase)
                case "switch":
                    choice = Switch(values["variable"], values["case"], values.get("default"))
                    self._switch(instruction, choice, frame.phase)
                case "execute":
                    self._execute(instruction, filling)
                case "return":
                    value = filling.fill(values["value"])
                    self.tell(instruction, filling.problems)
                    filling.used += fit(value)
                    self._return(value)
                case "transfer":
                    self._transfer(instruction, filling)
                case _:
                    self.advance()
        except (Unfit, Wrong) as unfit:
            filling.used += LONGEST_TEXT
            message = f'Method "{instruction.method}": {unfit}'
            self.tell(instruction, [Complaint("relay_script_method_parameter_invalid_value", message)])
            if self._frames[-1] is frame:
                self._skip(instruction)
        finally:
            self._effort += filling.used // EFFORT_OF

    def _skip(self, instruction: Instruction) -> None:
        """Go on after what failed: the next entry of a `set`, a return without a value, the next instruction."""
        if instruction.method == "set":
            self._phase(self._frames[-1].phase + 1)
        elif instruction.method == "return":
            self._return(None)
        else:
            self.advance()

    def _set(self, instruction: Instruction, filling: Filling) -> None:
        """Set one variable: the next one of the same `set` may need it."""
        entries, phase = instruction.values["value"], self._frames[-1].phase
        if phase >= len(entries):
            self.advance()
            return
        name, written = entries[phase]
        value = filling.fill(written)
        self.tell(instruction, filling.problems)
        filling.used += self.scope.put(name, value)
        self._phase(phase + 1)

    def _goto(self, instruction: Instruction, filling: Filling) -> None:
        values = instruction.values
        most = values["max"]
        if isinstance(most, Template):
            most = settle(_GOTO["max"], filling.fill(most))
        if "when" in values and not self._holds(instruction, values["when"]):
            self.advance()
            return
        section = next(frame for frame in reversed(self._frames) if frame.params is not None)
        jumps = section.jumps.get(instruction.where, 0)
        target = find_label(self._document.blocks, self._frames[-1].block, values["label"])
        if jumps >= most or target is None:
            self.advance()
            return
        self._count_transfer(instruction)
        section.jumps[instruction.where] = jumps + 1
        while self._frames[-1].block != target[0]:
            self._frames.pop()
        self._moved()
        self._frames[-1].at, self._frames[-1].phase = target[1], 0

    def _cond(self, instruction: Instruction, cond: Cond, phase: int, base: int = 0) -> None:
        """Try one branch. ``base`` is the phase of the first one."""
        if phase == DONE:
            self.advance()
        elif phase - base >= len(cond.branches):
            self._enter(cond.other)
        elif self._holds(instruction, cond.branches[phase - base].when):
            self._enter(cond.branches[phase - base].then)
        else:
            self._phase(phase + 1)

    def _holds(self, instruction: Instruction, when: str) -> bool:
        """Return what a condition came to: its result is the last one of this phase. What has none is not true."""
        result = self._results[-1] if self._results else Evaluation(error="it was not evaluated")
        if result.error is not None:
            self.tell(instruction, [js_error(when, result.error)])
            return False
        return truth(result.value)

    def _switch(self, instruction: Instruction, choice: Switch, phase: int) -> None:
        if phase == DONE:
            self.advance()
            return
        found = self.scope.find(path(choice.variable) or Path(choice.variable, (choice.variable,)))
        block = choice.cases.get(text(found), choice.default)
        if block is None:
            message = f'Method "{instruction.method}" has no case for "{text(found)[:200]}", and no default'
            self.tell(instruction, [Complaint("relay_script_method_no_matching_condition", message)])
        self._enter(block)

    def _execute(self, instruction: Instruction, filling: Filling) -> None:
        values, phase = instruction.values, self._frames[-1].phase
        if phase == 0:
            block = self._destination(instruction, values["dest"], filling)
            params = self._params(instruction, filling)
            if sum(frame.params is not None for frame in self._frames) >= MAX_NESTING:
                message = f"sections execute each other more than {MAX_NESTING} deep"
                self.tell(instruction, [Complaint("relay_script_nested_too_deep", message)])
                block = None
            if block is None:
                self.scope.drop("return_value")
                self.advance()
                return
            self._phase(1)
            self._push(Frame(block, params=params))
        elif phase == 1:
            self._phase(2)
            if "on_return" in values:
                self._push(Frame(values["on_return"]))
        elif "result" not in values:
            self.advance()
        elif isinstance(values["result"], Cond):
            self._cond(instruction, values["result"], phase, base=2)
        else:
            self._switch(instruction, values["result"], phase)

    def _transfer(self, instruction: Instruction, filling: Filling) -> None:
        block = self._destination(instruction, instruction.values["dest"], filling)
        params = self._params(instruction, filling)
        if block is None:
            self.advance()
            return
        self._count_transfer(instruction)
        self._frames.clear()
        self._push(Frame(block, params=params))

    def _destination(self, instruction: Instruction, dest: object, filling: Filling) -> str | None:
        """Return the block that a destination means. A text that came of variables is a section's name or nothing."""
        if isinstance(dest, Inline):
            return dest.block
        name = text(filling.fill(dest))
        self.tell(instruction, filling.problems)
        block = section_block(self._document.blocks[self._frames[-1].block].scope, name)
        if block in self._document.blocks:  # by its section's name: a list of steps has no such name
            return block
        message = f'Method "{instruction.method}": the document has no section "{name[:200]}"'
        self.tell(instruction, [Complaint("relay_script_section_parameter_undefined", message)])
        return None

    def _params(self, instruction: Instruction, filling: Filling) -> dict[str, Any]:
        """Return a section's params: numbers are text there, as the reference's samples show. Raises Unfit."""
        given = filling.fill(instruction.values.get("params", {}))
        self.tell(instruction, filling.problems)
        params = {key: text(value) if _is_number(value) else value for key, value in given.items()}
        filling.used += fit([*(frame.params for frame in self._frames if frame.params is not None), params])
        return params

    def _return(self, value: Any) -> None:
        """Leave the section that runs; without a value there is no `return_value`. Raises Unfit, before it leaves."""
        outermost = sum(frame.params is not None for frame in self._frames) == 1
        if value not in (None, {}):
            self.scope.put("return_value", value)
        elif not outermost:
            self.scope.drop("return_value")
        while self._frames.pop().params is None:
            pass
        self._moved()

    def _count_transfer(self, instruction: Instruction) -> None:
        self._transfers += 1
        if self._transfers > MAX_TRANSFERS:
            message = f"more than {MAX_TRANSFERS} transfers and gotos in one call"
            self._stop(instruction, Complaint("relay_script_too_many_transfers", message))

    def _stop(self, instruction: Instruction, problem: Complaint) -> NoReturn:
        """End the script, which would never end by itself. Raises Ended."""
        self.tell(instruction, [problem])
        self._frames.clear()
        raise Ended

    def _enter(self, block: str | None) -> None:
        self._phase(DONE)
        if block is not None:
            self._push(Frame(block))

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
        return self._document.blocks[self._frames[-1].block].section

    # --- snapshots -------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state in JSON types, apart from the document's."""
        return {
            "frames": [
                {"block": f.block, "at": f.at, "phase": f.phase, "params": f.params, "jumps": dict(f.jumps)}
                for f in self._frames
            ],
            "variables": dict(self.scope.vars),
            "known": dict(self.scope.call),
            "results": None if self._results is None else [[r.value, r.error, r.overran] for r in self._results],
            "counts": [self._transfers, self._moves, self._overruns, self._effort],
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
        self._frames = [_frame(stored) for stored in frames]
        self._check_frames(within=within)
        self.scope = Scope(dict(known), dict(variables))
        try:
            self._results = None if results is None else [Evaluation(*stored) for stored in results]
        except TypeError:
            raise BadSnapshot("a result is of another type") from None
        self._transfers, self._moves, self._overruns, self._effort = transfers, moves, overruns, effort
        self._see()

    def _check_frames(self, *, within: bool) -> None:
        below: Frame | None = None
        for frame in self._frames:
            block = self._document.blocks.get(frame.block)
            inner = within or frame is not self._frames[-1]
            if block is None or not 0 <= frame.at <= len(block.steps) - (1 if inner else 0):
                raise BadSnapshot(f"the document has no step {frame.block}[{frame.at}]")
            if frame.params is None and (below is None or block.parent is None or block.parent[0] != below.block):
                raise BadSnapshot(f"{frame.block} does not lie in what runs")
            below = frame
        if within and below is None:
            raise BadSnapshot("nothing runs")


def _frame(stored: object) -> Frame:
    match stored:
        case {
            "block": str(block),
            "at": int(at),
            "phase": int(phase),
            "params": None | dict() as params,
            "jumps": dict(jumps),
        } if all(isinstance(count, int) for count in jumps.values()):
            return Frame(block, at, phase, params, dict(jumps))
    raise BadSnapshot("a field is missing or of another type")


def _boolean(when: str) -> str:
    return f"!!({when}\n)"


def _condition(cond: Cond, branch: int) -> list[str]:
    return [_boolean(cond.branches[branch].when)] if 0 <= branch < len(cond.branches) else []


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
