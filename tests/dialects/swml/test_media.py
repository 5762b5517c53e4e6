"""`record`, `play`, `prompt` and `send_digits`: their steps, what their outcomes leave, what variables do to them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from controller.documents.steps import (
    AudioAt,
    Done,
    End,
    Failed,
    Gather,
    Gathered,
    Outcome,
    Play,
    Quiet,
    Record,
    RecordingEnded,
    RecordingRefused,
    Ringing,
    SendDigits,
    Speech,
    StartRecording,
    Step,
    StopRecording,
    Wait,
)
from controller.recordings.model import Channels, EndReason, RecordingRequest, StatusTarget, Track
from tests.dialects.swml.running import URL, left, outcome_of, run
from tests.dialects.swml.sample import CALL, DIALECT, document

HI = (Speech("hi"),)
STEPS: list[tuple[str, Step]] = [
    ("play: {url: 'say:hi'}", Play(HI, gain=0.0, answer=True)),
    ("play: {url: 'say:hi', volume: -40, auto_answer: false}", Play(HI, gain=-40.0, answer=False)),
    (
        "play: {urls: ['https://h/a.mp3', 'say: hi', 'silence: 3.0', 'ring:10.0:us', 'ring:uk'], volume: 20}",
        Play((AudioAt("https://h/a.mp3"), Speech("hi"), Quiet(3.0), Ringing("us", 10.0), Ringing("uk")), gain=20.0),
    ),
    (
        "play: {url: 'say:hi', say_voice: Polly.Joanna, say_language: en-GB, say_gender: male}",
        Play((Speech("hi", "Polly.Joanna", "en-GB", "male"),)),
    ),
    (
        "prompt: {play: 'say:hi'}",
        Gather(HI, gain=0.0, most=1, terminators="", initial_timeout=5.0, digit_timeout=5.0),
    ),
    (
        (
            "prompt: {play: ['say:hi', 'silence:1'], volume: 1.5, max_digits: 10, terminators: '*#5a', "
            "digit_timeout: 2, initial_timeout: 0}"
        ),
        Gather((*HI, Quiet(1.0)), gain=1.5, most=10, terminators="*#5A", initial_timeout=0.0, digit_timeout=2.0),
    ),
    ("send_digits: {digits: 12wW#A}", SendDigits("12wW#A")),
]


@pytest.mark.parametrize(("written", "step"), STEPS)
def test_a_method_is_a_step(written: str, step: Step) -> None:
    """Each method asks for one neutral step, with every default that the reference gives it."""
    assert DIALECT.start(document(written), "test", CALL).next(None) == step


def recorded(written: str) -> RecordingRequest:
    """What a `record` asks for."""
    step = DIALECT.start(document(f"record: {{{written}}}"), "test", CALL).next(None)
    assert isinstance(step, Record)
    return step.request


def test_record_has_its_own_defaults() -> None:
    """They are the page's: the party's voice up to `#`, 4 s for its beginning, 5 s of silence after it."""
    request = recorded("")
    assert str(uuid.UUID(request.reference, version=4)) == request.reference
    assert request == RecordingRequest(
        channels=Channels.MONO,
        track=Track.INBOUND,
        format="wav",
        reference=request.reference,
        source="swml.record",
        beep=False,
        terminators="#",
        initial_timeout=4.0,
        end_silence_timeout=5.0,
        max_length=None,
        sensitivity=44.0,
        trim=False,
        status=None,
    )


PROPERTIES: list[tuple[str, str, object]] = [
    ("stereo: true", "channels", Channels.DUAL),
    ("format: mp4", "format", "mp4"),
    ("direction: listen", "track", Track.OUTBOUND),
    ("terminators: '12ab*'", "terminators", "12AB*"),
    ("terminators: ''", "terminators", ""),
    ("beep: true", "beep", True),
    ("input_sensitivity: 0", "sensitivity", 0.0),
    ("initial_timeout: 0", "initial_timeout", 0.0),
    ("end_silence_timeout: 2.5", "end_silence_timeout", 2.5),
    ("max_length: 60", "max_length", 60.0),
    ("status_url: 'https://h/s'", "status", StatusTarget("https://h/s", "POST", ())),
]


@pytest.mark.parametrize(("written", "field", "value"), PROPERTIES)
def test_a_property_is_a_wish(written: str, field: str, value: object) -> None:
    """Each property reaches the core's request in its terms, of `record` and of `record_call`."""
    assert getattr(recorded(written), field) == value
    step = DIALECT.start(document(f"record_call: {{{written}}}"), "test", CALL).next(None)
    assert isinstance(step, StartRecording)
    assert getattr(step.request, field) == value


def test_record_takes_no_control_id_and_not_both_directions() -> None:
    """The reference's page of `record` has neither."""
    found = DIALECT.check(document("record: {control_id: a, direction: both}"), "test")
    assert [(problem.where, problem.message.partition(";")[0]) for problem in found] == [
        ("main[0].record.control_id", "unknown"),
        ("main[0].record.direction", 'must be "speak" or "listen"'),
    ]


ENDED = RecordingEnded("recording-2", URL, EndReason.TERMINATOR, good=True, digit="#", seconds=2.5)
NO_PROMPT = {"prompt_value": "", "prompt_value_raw": "", "prompt_digit_terminator": ""}
VARIABLES: list[tuple[str, Outcome, dict[str, Any], str]] = [
    ("record: {}", ENDED, {"record_url": URL, "record_result": "success"}, "answered"),
    (
        "record: {}",
        replace(ENDED, reason=EndReason.NO_INPUT, good=False, digit=""),
        {"record_url": URL, "record_result": "failed"},
        "answered",
    ),
    ("record: {}", RecordingRefused("the limit is met"), {"record_result": "failed"}, "created"),
    ("record: {}", Failed("the switch is away"), {"record_result": "failed"}, "created"),
    ("record: {}", Done(), {"record_result": "failed"}, "created"),
    ("play: {url: 'say:x'}", Done(), {}, "answered"),
    ("play: {url: 'say:x', auto_answer: false}", Done(), {}, "created"),
    ("play: {url: 'say:x'}", Failed("no speech engine"), {}, "answered"),
    ("play: {url: 'say:x', auto_answer: false}", Failed("no speech engine"), {}, "created"),
    (
        "prompt: {play: 'say:x'}",
        Gathered("12", "#"),
        {
            "prompt_result": "match_digits",
            "prompt_value": "12",
            "prompt_value_raw": "12",
            "prompt_digit_terminator": "#",
        },
        "answered",
    ),
    ("prompt: {play: 'say:x'}", Gathered(""), {"prompt_result": "no_input", **NO_PROMPT}, "answered"),
    (
        "prompt: {play: 'say:x'}",
        Gathered("", "#"),
        {"prompt_result": "match_digits", **NO_PROMPT, "prompt_digit_terminator": "#"},
        "answered",
    ),
    ("prompt: {play: 'say:x'}", Failed("not answered"), {"prompt_result": "failed", **NO_PROMPT}, "created"),
    ("prompt: {play: 'say:x'}", Done(), {"prompt_result": "failed", **NO_PROMPT}, "created"),
    ("send_digits: {digits: '1'}", Done(), {"send_digits_result": "success"}, "created"),
    ("send_digits: {digits: '1'}", Failed("gone"), {"send_digits_result": "failed"}, "created"),
    ("send_digits: {digits: '1'}", Gathered("1"), {"send_digits_result": "failed"}, "created"),
]


@pytest.mark.parametrize(("written", "outcome", "variables", "state"), VARIABLES)
def test_an_outcome_sets_the_methods_variables_and_the_script_goes_on(
    written: str, outcome: Outcome, variables: dict[str, Any], state: str
) -> None:
    """Good or bad, the next step comes; what failed is told in `script_error` under the reference's name."""
    program = DIALECT.start(document(f"{written}, sleep: 7"), "test", CALL)
    program.next(None)
    assert program.next(outcome) == Wait(0.007)
    found = dict(program.variables)
    told = json.loads(found.pop("script_error", "null"))
    assert found == variables
    assert program.snapshot()["known"]["call_state"] == state
    if isinstance(outcome, (Failed, RecordingRefused)):
        method = written.partition(":")[0]
        assert told["warning"] == "relay_script_method_execute_failed"
        assert (told["method"], told["message"]) == (method, f'Method "{method}": {outcome.reason}')
    else:
        assert told is None


def test_each_recording_has_a_name_of_its_own() -> None:
    """Generated ones of `record` and `record_call` differ, and only the latter's is what a stop means."""
    steps, program, _ = run("main: [record: {}, record_call: {}, record: {}, stop_record_call: {}]")
    names = [step.request.reference for step in steps if isinstance(step, (Record, StartRecording))]
    assert len(set(names)) == 3
    assert program.variables["record_control_id"] == names[1]
    assert steps[-1] == StopRecording(names[1])


def test_a_failed_record_has_no_url() -> None:
    """After a refusal the caller is not played the recording before it: the play fails, the script goes on."""
    outcomes: Iterator[Outcome] = iter([ENDED, RecordingRefused("limit")])

    def answer(step: Step) -> Outcome:
        return next(outcomes) if isinstance(step, Record) else Done()

    program = DIALECT.start(document("record: {}, record: {}, play: {url: '${record_url}'}, sleep: 1"), "test", CALL)
    step = program.next(None)
    seen = [step]
    while not isinstance(step, (Wait, End)):
        step = program.next(answer(step))
        seen.append(step)
    assert [type(one).__name__ for one in seen] == ["Record", "Record", "Wait"]
    assert "record_url" not in program.variables
    assert json.loads(str(program.variables["script_error"]))["method"] == "play"


# --- variables in their values --------------------------------------------------------------------------------------


def test_voices_come_from_the_property_or_the_variable_of_its_name() -> None:
    """A variable stands for what is left out or empty, for `play` and `prompt` alike; an empty one for nothing."""
    steps, _, _ = run(
        """
        main:
          - play: {url: 'say:a'}
          - set: {say_voice: v, say_language: "${'d' + 'e'}", say_gender: ""}
          - play: {urls: ['say:b', 'silence:1'], say_voice: w, say_gender: '${say_voice}'}
          - prompt: {play: 'say:c', say_gender: male}
          - play: {url: 'say:d', say_voice: '${nobody}', say_language: '${say_gender}'}
          - unset: [say_voice, say_language, say_gender]
          - play: {url: 'say:e', say_voice: '${nobody}'}
        """
    )
    items = [step.items for step in steps if isinstance(step, (Play, Gather))]
    assert items == [
        (Speech("a"),),
        (Speech("b", "w", "de", "v"), Quiet(1.0)),
        (Speech("c", "v", "de", "male"),),
        (Speech("d", "v", "de"),),
        (Speech("e"),),
    ]


def test_values_take_what_their_variables_hold() -> None:
    """Texts, numbers, booleans and lists; a lone `${…}` of `prompt.play` may be a whole list."""
    steps, program, _ = run(
        """
        main:
          - set: {n: 3, v: "-2.5", no: "false", list: ["say:a", "ring:us"], s: 1.5, c: UK, t: "#"}
          - prompt: {play: "${list}", max_digits: "${n}", volume: "${v}", terminators: "*${t}", digit_timeout: "${s}"}
          - play: {urls: ["say:${n} of ${list}", "silence:${s}", "ring:${n}:${c}", "${list[1]}", "https://h/${n}.wav"],
                   auto_answer: "${no}", volume: "${n}"}
          - record: {stereo: "${no}", beep: "${!vars.x}", max_length: "${n}", initial_timeout: "${s}",
                     end_silence_timeout: "${0}", input_sensitivity: "${n}", terminators: "${t}"}
          - send_digits: {digits: "${n}w${t}"}
        """
    )
    assert steps[0] == Gather(
        (Speech("a"), Ringing("us")), gain=-2.5, most=3, terminators="*#", initial_timeout=5.0, digit_timeout=1.5
    )
    assert steps[1] == Play(
        (
            Speech("3 of say:a,ring:us"),
            Quiet(1.5),
            Ringing("uk", 3.0),
            Ringing("us"),
            AudioAt("https://h/3.wav"),
        ),
        gain=3.0,
        answer=False,
    )
    assert isinstance(steps[2], Record)
    request = steps[2].request
    assert (request.channels, request.beep, request.max_length, request.terminators) == (
        Channels.MONO,
        True,
        3.0,
        "#",
    )
    assert (request.initial_timeout, request.end_silence_timeout, request.sensitivity) == (1.5, 0.0, 3.0)
    assert steps[3] == SendDigits("3w#")
    assert "script_error" not in program.variables


WRONG_VALUES: list[tuple[str, dict[str, Any], str]] = [
    ("play: {url: '${record_url}'}", {}, "url must be a playable sound"),
    ("play: {url: '${record_url}'}", {"record_url": ""}, 'got ""'),
    ("play: {url: 'say:${x}'}", {}, "url must have something to say after `say:`; got nothing"),
    ("play: {url: 'say: ${x}'}", {"x": " \r\n\x00"}, "something to say"),
    ("play: {url: '${x}'}", {"x": "/etc/passwd"}, "url must be a playable sound"),
    ("play: {url: '${x}'}", {"x": {"a": 1}}, "url must be a playable sound"),
    ("play: {urls: ['say:a', 'ring:${x}']}", {"x": "xx"}, "urls [1] must ring as one of"),
    ("play: {url: 'http://h/${x}'}", {"x": "a\r\nX: y"}, "percent-encoded"),
    ("play: {url: '${system touch /tmp/x}'}", {}, 'got "${system touch /tmp/x}"'),
    ("play: {url: 'say:x', volume: '${x}'}", {"x": 41}, "volume must be a number at least -40 and at most 40"),
    ("play: {url: 'say:x', volume: '${x}'}", {"x": "1e1"}, "volume must be a number"),
    ("play: {url: 'say:x', auto_answer: '${x}'}", {"x": 1}, "auto_answer must be true or false"),
    ("play: {url: 'say:x'}", {"say_voice": "x" * 300}, "say_voice must have 1 to 256 characters"),
    ("play: {url: 'say:x'}", {"say_language": "en\r\nUS"}, "say_language must be printable"),
    ("prompt: {play: '${x}'}", {"x": []}, "play must be a playable sound"),
    ("prompt: {play: '${x}'}", {"x": ["ring:us"] * 101}, "1 to 100 of them; got 101"),
    ("prompt: {play: '${x}'}", {"x": ["ring:us", ""]}, "play [1] must be a playable sound"),
    ("prompt: {play: 'ring:us', max_digits: '${x}'}", {"x": 0}, "max_digits must be a whole number"),
    ("prompt: {play: 'ring:us', terminators: '${x}'}", {"x": "x"}, "terminators must be text of the digits"),
    ("send_digits: {digits: '${x}'}", {}, "digits must be text of the digits"),
    ("send_digits: {digits: '${x}'}", {"x": "1;2"}, "digits must be text of the digits"),
    ("record: {input_sensitivity: '${x}'}", {"x": 101}, "input_sensitivity must be a number"),
    ("record: {max_length: '${x}'}", {"x": 0}, "max_length must be a number above 0"),
    ("record: {terminators: '${x}'}", {"x": "x"}, "terminators must be text of the digits"),
]
RESULTS = {
    "record": {"record_result": "failed"},
    "prompt": {"prompt_result": "failed", **NO_PROMPT},
    "send_digits": {"send_digits_result": "failed"},
    "play": {},
}


@pytest.mark.parametrize(("step", "variables", "message"), WRONG_VALUES)
def test_a_wrong_value_fails_its_method_and_the_script_goes_on(
    step: str, variables: dict[str, Any], message: str
) -> None:
    """The method does not run, its results say failed, `script_error` says why, the next step comes."""
    steps, program, _ = run(f"main:\n  - set: {json.dumps(variables)}\n  - {step}\n  - sleep: 5\n")
    assert steps == [Wait(0.005)]
    error = json.loads(program.variables["script_error"])
    method = step.partition(":")[0]
    assert (error["warning"], error["method"]) == ("relay_script_method_parameter_invalid_value", method)
    assert message in error["message"]
    assert program.variables.items() >= RESULTS[method].items()


def test_a_callers_text_is_spoken_and_nothing_else() -> None:
    """What a caller is called is never a placeholder, a second item, or a command in the spoken text."""
    call = replace(CALL, info=replace(CALL.info, caller_number="${system id}\r\n%{vars.secret} say:x"))
    steps, _, _ = run("main: [set: {secret: s}, play: {urls: ['say:Hello ${call.from}', 'say:b']}]", call)
    assert steps == [Play((Speech("Hello ${system id} %{vars.secret} say:x"), Speech("b")))]


HOSTILE = ["${system touch /tmp/x}", "%{api uuid_kill x}", "${os.exec('ls')}", "${lua x.lua}"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_looks_like_a_switchs_command_stays_text(text: str) -> None:
    """In every string of every method: spoken as text, or refused where it cannot be a value."""
    steps, _, _ = run(
        f"""
        main:
          - play: {{url: {json.dumps("say:" + text)}, say_voice: {json.dumps(text)}}}
          - send_digits: {{digits: {json.dumps(text)}}}
          - record: {{terminators: {json.dumps(text)}, status_url: {json.dumps("http://h/" + text)}}}
          - record_call: {{control_id: {json.dumps(text)}}}
        """
    )
    assert steps[0] == Play((Speech(text, voice=text),))
    assert len(steps) == 2
    assert isinstance(steps[1], StartRecording)
    assert steps[1].request.reference == text


def test_a_menu_runs_as_the_references_example() -> None:
    """Prompt, switch on `prompt_value`, transfer back: digits decide where the call goes."""
    pressed = iter([Gathered("2"), Gathered("1")])

    def answer(step: Step) -> Outcome:
        return next(pressed) if isinstance(step, Gather) else outcome_of(step)

    text = document(
        "prompt: {play: 'say:Input a number'}, switch: {variable: prompt_value, default: "
        "[play: {url: \"say:You didn't press one\"}, transfer: {dest: main}], case: {'1': [play: {url: 'say:One'}]}}"
    )
    program = DIALECT.start(text, "test", CALL)
    step = program.next(None)
    said = []
    while isinstance(step, (Gather, Play)):
        said += [item.text for item in step.items if isinstance(item, Speech)]
        step = program.next(answer(step))
    assert said == ["Input a number", "You didn't press one", "Input a number", "One"]


def test_the_terminator_is_told() -> None:
    """`prompt_value` and `prompt_digit_terminator` stand in later strings."""
    body = """
    main:
      - prompt: {play: 'say:PIN number please', max_digits: 10, terminators: '*#5'}
      - set: {said: "${prompt_value} was terminated by ${prompt_digit_terminator}"}
    """
    assert left(body)["said"] == "12 was terminated by #"
