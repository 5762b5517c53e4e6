"""Values that the tests of Plivo's documents begin with, and runs of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from controller.dialects.plivo import PlivoDialect
from controller.dialects.plivo.program import PlivoProgram
from controller.documents.call import Call, CallInfo, CallState
from controller.documents.dialect import Account
from controller.documents.events import DocumentWarned
from controller.documents.steps import (
    Dial,
    Dialled,
    DialStatus,
    Done,
    End,
    Fetch,
    Fetched,
    Gather,
    Gathered,
    Outcome,
    Record,
    RecordingEnded,
    RecordingRuns,
    StartRecording,
    Step,
)
from controller.recordings.model import EndReason, Measured, Owner, Recording, RecordingRequest, State

PUBLIC = "https://rec.example.com"
AUTH_ID = "MAXXXXXXXXXXXXXXXXXX"
PLIVO = Account("acme", "plivo", AUTH_ID, token="12345")
BASE = "https://app.example/answer"
CALL_ID = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
B_LEG = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"
RECORDING_ID = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
STARTED, ENDED = 1_439_288_662.625, 1_439_288_665.25

CALL = Call(
    id=CALL_ID,
    switch="fs1",
    leg="leg-1",
    account="acme",
    dialect="plivo",
    document=BASE,
    text="",
    info=CallInfo("+15551002", caller_name="Ada", caller_number="+15550100"),
    state=CallState.RUNNING,
    started_at=1_439_288_660.0,
)
ANSWER = "<Response><Hangup/></Response>"
Outcomes = Callable[[Step], Outcome]
S = TypeVar("S", bound=Step)


def media(recording: str = RECORDING_ID, fmt: str = "mp3") -> str:
    """The URL of a recording."""
    return f"{PUBLIC}/v1/Account/{AUTH_ID}/Recording/{recording}.{fmt}"


RECORDED = RecordingEnded(
    RECORDING_ID,
    media(),
    EndReason.TERMINATOR,
    good=True,
    digit="5",
    seconds=2.625,
    state=State.COMPLETED,
    started_at=STARTED,
    ended_at=ENDED,
)
TOLD = {
    "RecordUrl": media(),
    "RecordFile": media(),
    "RecordingID": RECORDING_ID,
    "RecordingDuration": "3",
    "RecordingDurationMs": "2625",
    "RecordingStartMs": "1439288662625",
    "RecordingEndMs": "1439288665250",
    "Digits": "5",
}
"""What the action of ``RECORDED`` is told."""

RUNNING = {
    **dict.fromkeys(("RecordingDuration", "RecordingDurationMs", "RecordingStartMs", "RecordingEndMs"), "-1"),
    "RecordUrl": media(),
    "RecordFile": media(),
    "RecordingID": RECORDING_ID,
    "Digits": "",
}
"""What the action of a recording in the background is told."""


class Heard(list[DocumentWarned]):
    """What a dialect told telemetry."""


def dialect(heard: Heard | None = None) -> PlivoDialect:
    """The dialect, of one account."""
    events = Heard() if heard is None else heard

    def observe(event: object) -> None:
        assert isinstance(event, DocumentWarned)
        events.append(event)

    return PlivoDialect(PUBLIC, {"acme": PLIVO}, observe)


def outcome_of(step: Step) -> Outcome:
    """What becomes of a step where all goes well."""
    match step:
        case StartRecording():
            return RecordingRuns(RECORDING_ID, media(fmt=step.request.format), STARTED)
        case Record():
            return RECORDED
        case Gather():
            return Gathered("12", "#")
        case Dial():
            recording = step.recording.identity if step.recording else ""
            return Dialled(DialStatus.ANSWERED, step.groups[0][0], B_LEG, 12.4, recording)
        case Fetch():
            return Fetched(ANSWER)
        case _:
            return Done()


def having(**by_step: Any) -> Outcomes:
    """Outcomes by the name of their step; all else goes well."""
    return lambda step: by_step.get(type(step).__name__) or outcome_of(step)


def pages(**documents: str) -> Outcomes:
    """Outcomes of an application whose URLs end so; the bodies of its documents."""

    def outcome(step: Step) -> Outcome:
        if isinstance(step, Fetch):
            return Fetched(f"<Response>{documents[step.url.rpartition('/')[2]]}</Response>", step.url)
        return outcome_of(step)

    return outcome


@dataclass
class Ran:
    """A run that is over: its steps, how it ended, and what was warned of."""

    steps: list[Step]
    end: End
    heard: Heard


def run(body: str, outcomes: Outcomes = outcome_of, call: Call = CALL, most: int = 2_000) -> Ran:
    """Run a document to its end.

    At each point a restored twin must ask for the same step, again when asked again, and be in the same state.
    """
    text, heard = f"<Response>{body}</Response>", Heard()
    program = dialect(heard).start(text, "test", call)
    steps: list[Step] = []
    outcome: Outcome | None = None
    for _ in range(most):
        twin = restored(program, text, call)
        step = program.next(outcome)
        assert twin.next(outcome) == step
        assert twin.snapshot() == program.snapshot()
        again = restored(program, text, call)
        assert (again.next(None), again.session) == (step, program.session) or isinstance(step, End)
        if isinstance(step, End):
            return Ran(steps, step, heard)
        steps.append(step)
        outcome = outcomes(step)
    raise AssertionError("the document does not end")


def restored(program: PlivoProgram, text: str, call: Call = CALL) -> PlivoProgram:
    """The program as a restart finds it."""
    snapshot: Mapping[str, Any] = json.loads(json.dumps(program.snapshot()))
    return dialect().restore(text, "test", call, snapshot)


def steps(body: str, outcomes: Outcomes = outcome_of, call: Call = CALL) -> list[Step]:
    """The steps of a run."""
    return run(body, outcomes, call).steps


def first(kind: type[S], body: str, outcomes: Outcomes = outcome_of) -> S:
    """The first step of a kind."""
    return next(step for step in steps(body, outcomes) if isinstance(step, kind))


def finished(request: RecordingRequest) -> Recording:
    """A recording as it is when its file is ready."""
    return Recording(
        id=RECORDING_ID,
        owner=Owner("acme", "plivo", CALL_ID, "fs1", "leg-1", "session-1", caller="+15550100", called="+15551002"),
        request=request,
        state=State.COMPLETED,
        path="/r/x.wav",
        requested_at=STARTED - 0.5,
        started_at=STARTED,
        ended_at=ENDED,
        reason=EndReason.TERMINATOR,
        measured=Measured(2.625, 42_044),
        digit="5",
    )
