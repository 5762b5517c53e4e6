"""Instructions become neutral steps, outcomes become variables, and a snapshot is the whole of a run."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dialects.swml.program import SwmlProgram
from controller.documents.dialect import DocumentError
from controller.documents.steps import (
    Answer,
    Done,
    End,
    Failed,
    Fetched,
    Gathered,
    Outcome,
    RecordingEnded,
    RecordingRefused,
    RecordingRuns,
    Response,
    StartRecording,
    Step,
    StopRecording,
    Wait,
)
from controller.recordings.model import Channels, EndReason, RecordingRequest, StatusTarget, Track
from tests.dialects.swml.running import FETCHED
from tests.dialects.swml.sample import CALL, DIALECT, document

RUNS = RecordingRuns(
    "recording-1", "https://rec.example.com/api/v1/recordings/recording-1/download", 1771539204.530007
)


def started(steps: str) -> SwmlProgram:
    """A program of these steps, at its beginning."""
    return DIALECT.start(document(steps), "test", CALL)


def request(step: str) -> RecordingRequest:
    """What a record_call asks for."""
    begun = started(step).next(None)
    assert isinstance(begun, StartRecording)
    return begun.request


STEPS: list[tuple[str, Step | End]] = [
    ("answer: {}", Answer(14400.0)),
    ("answer: {max_duration: 90}", Answer(90.0)),
    ("sleep: 1500", Wait(1.5)),
    ("sleep: {duration: 0}", Wait(0.0)),
    ("sleep: -1", Wait(None)),
    ("stop_record_call: {}", StopRecording(None)),
    ("stop_record_call: {control_id: a}", StopRecording("a")),
    ("hangup: {}", End("NORMAL_CLEARING")),
    ("hangup: {reason: hangup}", End("NORMAL_CLEARING")),
    ("hangup: {reason: busy}", End("USER_BUSY")),
    ("hangup: {reason: decline}", End("CALL_REJECTED")),
    (
        "record_call: {control_id: a}",
        StartRecording(
            RecordingRequest(
                channels=Channels.MONO,
                track=Track.BOTH,
                format="wav",
                reference="a",
                source="swml.record_call",
                beep=False,
                terminators="",
                initial_timeout=0.0,
                end_silence_timeout=0.0,
                max_length=None,
                sensitivity=44.0,
                trim=False,
                status=None,
            )
        ),
    ),
]


@pytest.mark.parametrize(("written", "step"), STEPS)
def test_a_method_is_a_step(written: str, step: Step | End) -> None:
    """Each method asks for one neutral step, with every default that the reference gives it."""
    assert started(written).next(None) == step


REQUESTS: list[tuple[str, str, object]] = [
    ("direction: speak", "track", Track.INBOUND),
    ("direction: listen", "track", Track.OUTBOUND),
    ("direction: both", "track", Track.BOTH),
    ("stereo: true", "channels", Channels.DUAL),
    ("stereo: false", "channels", Channels.MONO),
    ("max_length: 60", "max_length", 60.0),
    ("status_url: 'https://h/s?a=b#rc=1'", "status", StatusTarget("https://h/s?a=b#rc=1", "POST", ())),
]


@pytest.mark.parametrize(("written", "field", "value"), REQUESTS)
def test_a_property_is_a_wish(written: str, field: str, value: object) -> None:
    """Each property reaches the core's request in its terms."""
    assert getattr(request(f"record_call: {{{written}}}"), field) == value


# What each outcome leaves in the variables that the reference names.
VARIABLES: list[tuple[str, Outcome, dict[str, str]]] = [
    ("answer: {}", Done(), {"answer_result": "success"}),
    ("answer: {}", Failed("gone"), {"answer_result": "failed"}),
    ("sleep: 1", Done(), {}),
    ("sleep: 1", Failed("cut short"), {}),
    ("stop_record_call: {}", Done(), {"stop_record_call_result": "success"}),
    ("stop_record_call: {}", Failed("nothing is recording"), {"stop_record_call_result": "failed"}),
    (
        "record_call: {control_id: a}",
        RUNS,
        {
            "record_call_url": RUNS.url,
            "record_call_result": "success",
            "record_control_id": "a",
            "record_call_start": "1771539204530007",
        },
    ),
    (
        "record_call: {control_id: a}",
        RecordingRefused("a recording of this control_id is running"),
        {"record_call_result": "failed"},
    ),
    ("record_call: {control_id: a}", Failed("the switch is away"), {"record_call_result": "failed"}),
    ("record_call: {control_id: a}", Done(), {"record_call_result": "failed"}),
    ("stop_record_call: {}", RUNS, {"stop_record_call_result": "failed"}),
]


@pytest.mark.parametrize(("written", "outcome", "variables"), VARIABLES)
def test_an_outcome_sets_the_methods_variables_and_the_script_goes_on(
    written: str, outcome: Outcome, variables: dict[str, str]
) -> None:
    """Good or bad, an outcome sets its method's variables, and the next step comes; a failure is told as well."""
    program = started(f"{written}, sleep: 7")
    program.next(None)
    assert program.next(outcome) == Wait(0.007)
    left = dict(program.variables)
    told = left.pop("script_error", None)
    assert left == variables
    if isinstance(outcome, (Failed, RecordingRefused)):
        error = json.loads(str(told))
        assert error["warning"] == "relay_script_method_execute_failed"
        assert error["message"] == f'Method "{written.partition(":")[0]}": {outcome.reason}'
    else:
        assert told is None


def test_a_failed_start_leaves_the_former_recordings_variables() -> None:
    """`record_control_id` stays that of the recording that was started last, so that it can still be stopped."""
    program = started("record_call: {control_id: a}, record_call: {control_id: b}, stop_record_call: {}")
    program.next(None)
    program.next(RUNS)
    assert program.next(RecordingRefused("limit")) == StopRecording("a")
    assert program.variables["record_call_result"] == "failed"
    assert program.variables["record_call_url"] == RUNS.url


def test_a_control_id_is_generated_where_none_is_given() -> None:
    """It is a uuid4, another at each record_call and in each run, and `record_control_id` and stop name it."""
    seen = []
    for _ in range(2):
        program = started("record_call: {}, record_call: {}, stop_record_call: {}")
        for outcome in (None, RUNS):
            step = program.next(outcome)
            assert isinstance(step, StartRecording)
            seen.append(step.request.reference)
        assert program.next(RUNS) == StopRecording(seen[-1])
        assert program.variables["record_control_id"] == seen[-1]
    assert len(set(seen)) == 4
    assert {str(uuid.UUID(reference, version=4)) for reference in seen} == set(seen)


def test_the_session_is_one_uuid_a_run() -> None:
    """Each run has its own, and a restored one keeps it."""
    one, other = started("hangup: {}"), started("hangup: {}")
    assert one.session != other.session
    assert str(uuid.UUID(one.session, version=4)) == one.session
    assert DIALECT.restore(document("hangup: {}"), "test", CALL, one.snapshot()).session == one.session


def test_the_end_of_the_document_hangs_up_and_stays_the_end() -> None:
    """After the last step comes a normal hangup, however often one asks."""
    program = started("sleep: 1")
    program.next(None)
    assert [program.next(Done()), program.next(Done()), program.next(None)] == [End("NORMAL_CLEARING")] * 3


def test_nothing_runs_after_hangup() -> None:
    """A hangup is the end of the run, whatever stands behind it, restored or not."""
    program = started("hangup: {reason: busy}, answer: {}")
    assert [program.next(None), program.next(Done())] == [End("USER_BUSY")] * 2
    restored = DIALECT.restore(document("hangup: {reason: busy}, answer: {}"), "test", CALL, program.snapshot())
    assert restored.next(Done()) == End("USER_BUSY")


def test_without_an_outcome_the_waiting_step_comes_again() -> None:
    """A restart may ask again for the step whose outcome never came: it is the same step, control_id included."""
    program = started("record_call: {}, hangup: {}")
    step = program.next(None)
    restored = DIALECT.restore(document("record_call: {}, hangup: {}"), "test", CALL, program.snapshot())
    assert restored.next(None) == program.next(None) == step
    assert restored.next(RUNS) == End()


WRITTEN = ["answer: {}", "sleep: 5", "sleep: -1", "record_call: {}", "record_call: {control_id: x, stereo: true}"]
WRITTEN += ["record: {}", "record: {direction: listen}", "play: {url: 'say:hi'}", "prompt: {play: 'ring:us'}"]
WRITTEN += ["play: {urls: ['${record_url}', 'say:${prompt_value}']}", "send_digits: {digits: 12w}"]
WRITTEN += ["request: {url: 'http://h/', method: GET, save_variables: true}"]
WRITTEN += ["execute: {dest: 'http://h/'}", "transfer: {dest: 'http://h/'}", "sleep: 6"]
WRITTEN += ["stop_record_call: {}", "stop_record_call: {control_id: x}", "hangup: {reason: busy}"]
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.just(Done()),
    st.builds(Failed, st.text(max_size=5)),
    st.builds(RecordingRefused, st.text(max_size=5)),
    st.builds(RecordingRuns, st.text(max_size=5), st.text(max_size=5), st.floats(0, 4e9)),
    st.builds(RecordingEnded, st.text(max_size=5), st.text(max_size=5), st.sampled_from(EndReason), st.booleans()),
    st.builds(Gathered, st.text("12#", max_size=3), st.sampled_from(["", "#"])),
    st.builds(
        Response,
        st.integers(100, 599),
        st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=3).map(tuple),
        st.text(max_size=9) | st.just('{"a": [1, {"b": null}]}'),
    ),
    st.builds(Fetched, st.text(max_size=9) | st.sampled_from([FETCHED, document("sleep: 8, return: 5")])),
)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=8),
    st.lists(OUTCOMES, max_size=10),
    st.sets(st.integers(0, 20)),
)
def test_a_run_restored_anywhere_is_the_same_run(
    steps: list[str], outcomes: list[Outcome], restarts: set[int]
) -> None:
    """Restored before or after any step from its stored snapshot, a run gives the same steps and variables."""
    text = document(", ".join(steps))
    whole = DIALECT.start(text, "test", CALL)
    broken: SwmlProgram = DIALECT.restore(text, "test", CALL, json.loads(json.dumps(whole.snapshot())))
    moment = 0

    def restart(program: SwmlProgram) -> SwmlProgram:
        nonlocal moment
        moment += 1
        if moment not in restarts:
            return program
        return DIALECT.restore(text, "test", CALL, json.loads(json.dumps(program.snapshot())))

    for outcome in (None, *outcomes):
        expected = whole.next(outcome)
        before = broken.snapshot()
        broken = restart(broken)
        assert broken.next(outcome) == expected
        assert DIALECT.restore(text, "test", CALL, before).next(outcome) == expected
        broken = restart(broken)
        assert broken.snapshot() == whole.snapshot()
        assert broken.variables == whole.variables


def changed(**changes: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that changes a snapshot."""
    return lambda snapshot: {**snapshot, **changes}


def moved(**changes: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that changes a snapshot's only frame."""
    return lambda snapshot: {**snapshot, "frames": [{**snapshot["frames"][0], **changes}]}


WRONG_SNAPSHOTS: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    ("empty", lambda _: {}, "a field is missing"),
    ("no secret", lambda snapshot: {key: snapshot[key] for key in snapshot if key != "secret"}, "a field is missing"),
    ("no frames", lambda snapshot: {key: snapshot[key] for key in snapshot if key != "frames"}, "a field is missing"),
    ("of another type", moved(at="1"), "a field is missing or of another type"),
    ("asking for nothing known", changed(asked="more"), "a field is missing or of another type"),
    ("with counts of another type", moved(jumps={"a": "1"}), "a field is missing or of another type"),
    ("with a result of another type", changed(results=[1]), "a result is of another type"),
    ("with documents of another type", changed(documents={}), "a field is missing or of another type"),
    ("with a document of another type", changed(documents=[[1]]), "a fetched document is of another type"),
    ("with a wrong document", changed(documents=[[1, "a: 1"]]), "a fetched document cannot be read any more"),
    ("with fetches of another type", changed(fetches="1"), "a field is missing or of another type"),
    ("of another call", changed(call="call-2"), "it was taken on another call"),
    ("in another section", moved(block="more"), "the document has no step more[1]"),
    ("in a block outside", moved(block="main", params=None), "main does not lie in what runs"),
    ("behind the end", moved(at=3), "the document has no step main[3]"),
    ("waiting at the end", moved(at=2), "the document has no step main[2]"),
    ("before the beginning", moved(at=-1), "the document has no step main[-1]"),
    ("waiting in nothing", changed(frames=[]), "nothing runs"),
]


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in WRONG_SNAPSHOTS])
def test_a_snapshot_that_does_not_fit_is_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]], message: str
) -> None:
    """A stored position that the document does not have is a DocumentError that says why."""
    text = document("sleep: 1, sleep: 2")
    program = DIALECT.start(text, "test", CALL)
    program.next(None)
    program.next(Done())
    stored = dict(program.snapshot())
    assert DIALECT.restore(text, "test", CALL, stored).snapshot() == stored
    with pytest.raises(DocumentError) as caught:
        DIALECT.restore(text, "test", CALL, change(stored))
    assert f"cannot go on from its stored position: {message}" in str(caught.value)


def test_a_wrong_document_neither_starts_nor_goes_on() -> None:
    """Both raise DocumentError with the document's problems."""
    with pytest.raises(DocumentError, match="missing: an object with at least the list"):
        DIALECT.start("a: 1", "test", CALL)
    with pytest.raises(DocumentError, match="missing: an object with at least the list"):
        DIALECT.restore("a: 1", "test", CALL, started("hangup: {}").snapshot())
