"""How a run moves: the methods that only move it over a document's blocks, or change its variables.

`execute` pushes a section's frame, `return` pops to it, `transfer` replaces them all, `goto` pops to the block that
has its label.

`execute` and `transfer` to a URL ask for ``Fetch`` first: nothing changes before its outcome is there, and then they
move as they do to a section.
"""

from __future__ import annotations

from typing import Any

from controller.dialects.swml.blocks import Cond, Inline, Instruction, Switch, find_label, section_block
from controller.dialects.swml.frames import Frame
from controller.dialects.swml.library import Unusable
from controller.dialects.swml.messages import Wrong
from controller.dialects.swml.methods import METHODS
from controller.dialects.swml.progress import Progress
from controller.dialects.swml.scope import LONGEST_TEXT, Unfit, fit, text, truth
from controller.dialects.swml.settling import Complaint, Filling, js_error
from controller.dialects.swml.templates import Path, Template, path
from controller.dialects.swml.urls import check_url, is_url
from controller.dialects.swml.values import settle
from controller.documents.fetch import named
from controller.documents.steps import Evaluation, Failed, Fetch, Fetched, Outcome

MAX_TRANSFERS = 32
"""SWML: transfers and gotos of a call."""

MAX_FETCHES = 100
"""Documents that a run may ask URLs for: each is a request to somebody's server."""

MAX_NESTING = 32
"""Sections that may be executing each other."""

EFFORT_OF = 1000
"""Characters of a value that are as much effort as a move."""

DONE = -1
"""The phase of an instruction whose block ran."""

RESULT = 2
"""The first phase of what follows on a result."""

_FLOW = frozenset({"set", "unset", "label", "goto", "cond", "switch", "execute", "return", "transfer"})
_GOTO = {row.name: row for row in METHODS["goto"].properties}


class Machine(Progress):
    """A run that moves. ``refused`` says why the document that came last is not run."""

    refused = ""

    # --- moves -----------------------------------------------------------------------------------------------------

    def flows(self, instruction: Instruction) -> bool:
        """Tell whether an instruction only moves the run or its variables."""
        return instruction.method in _FLOW or (instruction.method == "connect" and self._frames[-1].phase != 0)

    def done(self, instruction: Instruction) -> None:
        """Go on after an instruction whose step is over: with its `result`, where it has one."""
        if instruction.method == "connect" and "result" in instruction.values:
            self._phase(RESULT)
        else:
            self.advance()

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
                case "connect":
                    self._result(instruction, frame.phase)
                case "return":
                    value = filling.fill(values["value"])
                    self.tell(instruction, filling.problems)
                    filling.used += fit(value)
                    self._leave(value)
                case "transfer":
                    block = self._destination(instruction, filling)
                    self._transfer(instruction, block, self._params(instruction, filling))
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
            self._leave(None)
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
        target = find_label(self._library.blocks, self._frames[-1].block, values["label"])
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
        said = text(found)
        self._effort += len(said) // EFFORT_OF
        block = choice.cases.get(said, choice.default)
        if block is None:
            message = f'Method "{instruction.method}" has no case for "{said[:200]}", and no default'
            self.tell(instruction, [Complaint("relay_script_method_no_matching_condition", message)])
        self._enter(block)

    def _execute(self, instruction: Instruction, filling: Filling) -> None:
        values, phase = instruction.values, self._frames[-1].phase
        if phase == 0:
            block = self._destination(instruction, filling)
            self._call(instruction, block, self._params(instruction, filling))
        elif phase == 1:
            self._phase(RESULT)
            if "on_return" in values:
                self._push(Frame(values["on_return"]))
        else:
            self._result(instruction, phase)

    def _result(self, instruction: Instruction, phase: int) -> None:
        """Carry out one phase of what follows on a result."""
        result = instruction.values.get("result")
        if result is None:
            self.advance()
        elif isinstance(result, Cond):
            self._cond(instruction, result, phase, base=RESULT)
        else:
            self._switch(instruction, result, phase)

    def _call(self, instruction: Instruction, block: str | None, params: dict[str, Any]) -> None:
        """Begin a section that `execute` names; without one, go on as after one that returned nothing."""
        if self._depth() >= MAX_NESTING:
            message = f"sections execute each other more than {MAX_NESTING} deep"
            self.tell(instruction, [Complaint("relay_script_nested_too_deep", message)])
            block = None
        if block is None:
            self.scope.drop("return_value")
            self.advance()
            return
        self._phase(1)
        self._push(Frame(block, params=params))

    def _transfer(self, instruction: Instruction, block: str | None, params: dict[str, Any]) -> None:
        if block is None:
            self.advance()
            return
        self._count_transfer(instruction)
        self._frames = [Frame(block, params=params)]
        self._forget()
        self._moved()

    def _destination(self, instruction: Instruction, filling: Filling) -> str | None:
        """Return the block that a destination means. A text that came of variables is no inline document."""
        dest = instruction.values["dest"]
        if isinstance(dest, Inline):
            return dest.block
        name = text(filling.fill(dest))
        self.tell(instruction, filling.problems)
        block = section_block(self._library.blocks[self._frames[-1].block].scope, name)
        if is_url(name):
            complaint = self._unfetchable(name)
        elif block in self._library.blocks:  # by its section's name: a list of steps has no such name
            return block
        else:
            message = f'Method "{instruction.method}": the document has no section "{name[:200]}"'
            complaint = Complaint("relay_script_section_parameter_undefined", message)
        self.tell(instruction, [] if complaint is None else [complaint])
        return None

    # --- documents at URLs -----------------------------------------------------------------------------------------

    def fetch(self, instruction: Instruction) -> Fetch | None:
        """Return the request for the document that an instruction goes on with, None where it needs none.

        It is the same however often one asks, and changes nothing. Raises Ended.
        """
        if instruction.method not in {"execute", "transfer"} or self._frames[-1].phase != 0:
            return None
        dest = instruction.values["dest"]
        if isinstance(dest, Inline) or (instruction.method == "execute" and self._depth() >= MAX_NESTING):
            return None
        filling = Filling(self.scope, self._results or [])
        try:
            url = text(filling.fill(dest))
            params = self._filled(instruction, filling)
        except (Unfit, Wrong):
            return None  # ``flow`` says so
        if not is_url(url) or self._unfetchable(url) is not None:
            return None
        if instruction.method == "transfer" and self._transfers >= MAX_TRANSFERS:
            self._count_transfer(instruction)
        known = {"call_state": self.scope.call["call_state"]}
        return Fetch(url, {"call": known, "vars": dict(self.scope.vars), "params": params})

    def fetched(self, instruction: Instruction, outcome: Outcome) -> None:
        """Go on with the document that came; without one, as after a section that is not there. Raises Ended."""
        filling = Filling(self.scope, self._results or [])
        url = text(filling.fill(instruction.values["dest"]))
        params = self._params(instruction, filling)
        self._fetches += 1
        self._effort += filling.used // EFFORT_OF
        block, complaint = None, None
        if isinstance(outcome, Fetched):
            self._effort += len(outcome.text) // EFFORT_OF
            try:
                block = self._library.add(outcome.text)
            except Unusable as unusable:
                self.refused = f"{named(url)}: {unusable}"
                complaint = Complaint("relay_script_parse_error", f"the document that came: {str(unusable)[:1000]}")
        else:
            reason = outcome.reason if isinstance(outcome, Failed) else "no document came"
            complaint = Complaint("relay_script_method_execute_failed", reason[:500])
        if complaint is not None:
            message = f'Method "{instruction.method}": {complaint.message}'
            self.tell(instruction, [Complaint(complaint.code, message)])
        if instruction.method == "execute":
            self._call(instruction, block, params)
        else:
            self._transfer(instruction, block, params)

    def _unfetchable(self, url: str) -> Complaint | None:
        """Return why a URL is not asked at all, None where it may be."""
        try:
            check_url(url)
        except Wrong as wrong:
            return Complaint("relay_script_parse_error", f"the destination {wrong}")
        if self._fetches >= MAX_FETCHES:
            return Complaint("relay_script_internal_error", f"more than {MAX_FETCHES} documents in one call")
        return None

    def _depth(self) -> int:
        """Return how many sections are executing each other."""
        return sum(frame.params is not None for frame in self._frames)

    def _params(self, instruction: Instruction, filling: Filling) -> dict[str, Any]:
        """Return a section's params, and tell what was wrong with them. Raises Unfit."""
        params = self._filled(instruction, filling)
        self.tell(instruction, filling.problems)
        return params

    def _filled(self, instruction: Instruction, filling: Filling) -> dict[str, Any]:
        """Return a section's params: numbers are text there, as the reference's samples show. Raises Unfit."""
        given = filling.fill(instruction.values.get("params", {}))
        params = {key: text(value) if _is_number(value) else value for key, value in given.items()}
        filling.used += fit([*(frame.params for frame in self._frames if frame.params is not None), params])
        return params

    def _count_transfer(self, instruction: Instruction) -> None:
        self._transfers += 1
        if self._transfers > MAX_TRANSFERS:
            message = f"more than {MAX_TRANSFERS} transfers and gotos in one call"
            self._stop(instruction, Complaint("relay_script_too_many_transfers", message))

    def _enter(self, block: str | None) -> None:
        self._phase(DONE)
        if block is not None:
            self._push(Frame(block))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
