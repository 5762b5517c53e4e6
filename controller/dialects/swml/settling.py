"""An instruction's values once its variables are known: what to evaluate for them, and what they come to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.dialects.swml.messages import Wrong
from controller.dialects.swml.methods import METHODS
from controller.dialects.swml.scope import LONGEST_TEXT, Scope, Unfit, join
from controller.dialects.swml.templates import Path, Script, Template
from controller.dialects.swml.values import Value, settle
from controller.documents.steps import Evaluation

MOST_SCRIPTS = 200
"""Expressions of one value; those of the samples have two."""

LONGEST_SCRIPTS = 65_536
"""Characters of JavaScript of one value."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What goes into `script_error`: the reference's code, and words."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Values in their rows' types. ``wrong`` says why the method cannot run; ``problems`` is all that went wrong."""

    values: Mapping[str, Value] = field(default_factory=dict)
    problems: tuple[Complaint, ...] = ()
    wrong: Complaint | None = None


def templates(value: object) -> Iterator[Template]:
    """Yield the templates in a written value, in the order in which ``fill`` fills them."""
    match value:
        case Template():
            yield value
        case dict():
            for item in value.values():
                yield from templates(item)
        case list():
            for item in value:
                yield from templates(item)
        case _:
            pass


def templated(value: object) -> bool:
    """Tell whether there is a template in a written value; most are neither texts with one nor made of others."""
    return isinstance(value, Template | dict | list) and next(templates(value), None) is not None


def scripts(value: object) -> Iterator[str]:
    """Yield the JavaScript in a written value, in the order in which ``fill`` uses it."""
    for template in templates(value):
        yield from template.scripts


def check_amount(value: object) -> None:
    """Refuse a value whose JavaScript is more than one ``Evaluate`` may hold. Raises Wrong."""
    values = [entry for _, entry in value] if isinstance(value, tuple) else [value]
    for one in values:
        sources = list(scripts(one))
        if len(sources) > MOST_SCRIPTS or sum(map(len, sources)) > LONGEST_SCRIPTS:
            raise Wrong(
                f"has {len(sources)} expressions of {sum(map(len, sources))} characters together; at most "
                f"{MOST_SCRIPTS} of {LONGEST_SCRIPTS} are evaluated for one value"
            )


class Filling:
    """Puts values into templates; takes the results of the scripts one after the other."""

    def __init__(self, scope: Scope, results: Sequence[Evaluation]) -> None:
        self.problems: list[Complaint] = []
        self._scope = scope
        self._results = iter(results)
        self.used = 0

    def fill(self, value: object) -> Any:
        """Return a written value with its variables in place. Raises Unfit."""
        match value:
            case Template():
                return self._spent(
                    join(value, [self._part(part) for part in value.parts if not isinstance(part, str)])
                )
            case dict():
                return {key: self.fill(item) for key, item in value.items()}
            case list():
                return [self.fill(item) for item in value]
            case _:
                return value

    def _spent(self, value: Any) -> Any:
        """Count what was put in: a long value may be asked for many times over. Raises Unfit."""
        if isinstance(value, (str, list, dict)):
            self.used += len(value) if isinstance(value, str) else len(json.dumps(value))
        if self.used > 2 * LONGEST_TEXT:
            raise Unfit(f"more than {2 * LONGEST_TEXT} characters came of its variables")
        return value

    def _part(self, part: Path | Script) -> Any:
        if isinstance(part, Path):
            return self._scope.find(part)
        result = next(self._results, Evaluation(error="it was not evaluated"))
        if result.error is None:
            return result.value
        self.problems.append(js_error(part.source, result.error))
        return part.text  # what cannot be evaluated stays as it was written


def js_error(source: str, error: str) -> Complaint:
    """Return the warning of an expression that has no value."""
    return Complaint("relay_script_js_eval_error", f'JavaScript "{source[:200]}": {error}')


def settled(method: str, written: Mapping[str, Any], scope: Scope, results: Sequence[Evaluation]) -> Settled:
    """Return a method's values, in the types of its rows.

    A row that reads the variable of its name does so where the document gives no value, or an empty one.
    """
    filling = Filling(scope, results)
    values: dict[str, Value] = {}
    wrong: Complaint | None = None
    rows = {row.name: row for row in METHODS[method].properties}
    read = [name for name, row in rows.items() if row.read and name not in written]
    for name in (*written, *read):
        row, value = rows[name], written.get(name)
        if value is not None and not templated(value):
            values[name] = value
            continue
        try:
            found = filling.fill(value)
            if row.read and found in (None, ""):
                found = scope.vars.get(name)
                if found in (None, ""):
                    continue
            values[name] = settle(row, found)
        except (Wrong, Unfit) as unfit:
            wrong = Complaint("relay_script_method_parameter_invalid_value", f'Method "{method}": {name} {unfit}')
            filling.problems.append(wrong)
    return Settled(values, tuple(filling.problems), wrong)
