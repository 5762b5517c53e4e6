"""Runs whole documents to their end, with the real engine, restored at every point."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from typing import Any

from controller.calls.evaluate_worker import evaluate
from controller.dialects.swml.program import SwmlProgram
from controller.documents.call import Call
from controller.documents.steps import (
    Done,
    End,
    Evaluate,
    Evaluated,
    Evaluation,
    Failed,
    Fetch,
    Fetched,
    Gather,
    Gathered,
    Outcome,
    Record,
    RecordingEnded,
    RecordingRuns,
    Request,
    Response,
    StartRecording,
    Step,
    Wait,
)
from controller.recordings.model import EndReason
from tests.dialects.swml.sample import CALL, DIALECT

FETCHED = """
sections:
  main:
    - label: top
    - set: {a: "${(params.p || 0) + 1}"}
    - goto: {label: top, max: 1}
    - execute: {dest: sub, params: {p: "${a}"}}
    - return: "${params.p}"
  sub:
    - sleep: 3
"""
"""What a URL gives where a test says nothing else: its sections have the names of the caller's."""

URL = "https://rec.example.com/api/v1/recordings/recording-1/download"


def outcome_of(step: Step) -> Outcome:
    """What becomes of a step where all goes well."""
    match step:
        case Evaluate(expressions, scope):
            found = [evaluate(expression, json.dumps(scope)) for expression in expressions]
            return Evaluated(tuple(Evaluation(**one) for one in found))
        case StartRecording():
            return RecordingRuns("recording-1", URL, 1771539204.530007)
        case Record():
            return RecordingEnded("recording-2", URL, EndReason.TERMINATOR, good=True, digit="#", seconds=2.5)
        case Gather():
            return Gathered("12", "#")
        case Request():
            return Response(200, (("content-type", "application/json"),), '{"title": "a title", "n": [1]}')
        case Fetch(url) if url.endswith("wrong"):
            return Failed("answered 404")
        case Fetch():
            return Fetched(FETCHED)
        case _:
            return Done()


def restored(program: SwmlProgram, text: str, call: Call) -> SwmlProgram:
    """The program as a restart finds it."""
    return DIALECT.restore(text, "test", call, json.loads(json.dumps(program.snapshot())))


def run(
    body: str, call: Call = CALL, outcome_of: Callable[[Step], Outcome] = outcome_of
) -> tuple[list[Step], SwmlProgram, End]:
    """Run ``sections`` to the end: its steps (without evaluations), the program, the end.

    At each point a restored twin must ask for the same step, again when asked again, and be in the same state.
    """
    text = "sections:\n" + textwrap.indent(textwrap.dedent(body), "  ")
    program = DIALECT.start(text, "test", call)
    steps: list[Step] = []
    outcome: Outcome | None = None
    for _ in range(20_000):
        twin = restored(program, text, call)
        step = program.next(outcome)
        assert twin.next(outcome) == step
        assert twin.snapshot() == program.snapshot()
        again = restored(program, text, call)
        assert again.next(None) == step
        assert again.snapshot() == program.snapshot()
        if isinstance(step, End):
            return steps, program, step
        if not isinstance(step, Evaluate):
            steps.append(step)
        outcome = outcome_of(step)
    raise AssertionError("the document does not end")


def slept(body: str, call: Call = CALL) -> list[int]:
    """The milliseconds of every sleep of a run: the markers of where it went."""
    return [round(step.seconds * 1000) for step in run(body, call)[0] if isinstance(step, Wait) and step.seconds]


def left(body: str, call: Call = CALL, outcome_of: Callable[[Step], Outcome] = outcome_of) -> dict[str, Any]:
    """The variables at the end of a run."""
    return dict(run(body, call, outcome_of)[1].variables)
