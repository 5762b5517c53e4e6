# ruff: noqa: E501 - a row is a document and what becomes of it, on one line
"""Variables and control flow: whole documents run to their end, with the real engine, restored at every point."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dialects.swml import progress
from controller.documents.steps import (
    Answer,
    Done,
    End,
    Evaluate,
    Evaluated,
    Evaluation,
    Request,
    StartRecording,
    StopRecording,
    Wait,
)
from controller.recordings.model import Channels, Track
from tests.dialects.swml.running import URL, left, outcome_of, run, slept
from tests.dialects.swml.sample import CALL, DIALECT


def setting(expression: str, **variables: Any) -> Any:
    """What `set` makes of one string."""
    first = f"- set: {json.dumps(variables)}\n  " if variables else ""
    return left(f"main:\n  {first}- set: {{found: {json.dumps(expression)}}}")["found"]


# --- substitution ---------------------------------------------------------------------------------------------------

SUBSTITUTED: list[tuple[str, dict[str, Any], Any]] = [
    ("plain", {}, "plain"),
    ("$5 {x} %", {}, "$5 {x} %"),
    ("${a}", {"a": 1}, 1),
    ("%{a}", {"a": "x"}, "x"),
    ("${ a }", {"a": 1}, 1),
    ("<${a}|%{b}>", {"a": 1, "b": True}, "<1|true>"),
    ("${vars.a}", {"a": [1, "b"]}, [1, "b"]),
    ("<${a}>", {"a": ["drill bit", "drill"]}, "<drill bit,drill>"),
    ("<${a}>", {"a": {"b": [1]}}, '<{"b":[1]}>'),
    ("<${a}>", {"a": 2.0}, "<2>"),
    ("<${a}>", {"a": 2.5}, "<2.5>"),
    ("<${a}>", {"a": None}, "<>"),
    ("${u.address.city}", {"u": {"address": {"city": "Seattle"}}}, "Seattle"),
    ("${e[1].name}", {"e": [{"name": "Alice"}, {"name": "Bob"}]}, "Bob"),
    ("<${e[9].name}${nothing}${a.b.c}>", {"e": [], "a": 1}, "<>"),
    ("${request_response_headers.content-type}", {"request_response_headers": {"content-type": "t"}}, "t"),
    ("${a-b}", {"a": 5, "b": 3}, 2),
    ("${call.from}", {}, "+15550100"),
    ("${from}", {}, "+15550100"),
    ("${from}", {"from": "mine"}, "mine"),
    ("${call.type} ${call.direction}", {}, "phone inbound"),
    ("${call.from.substring(0, 3)}", {}, "+15"),
    ("${(a.length)}", {"a": [1, 2]}, 2),
    ("<${a.length}>", {"a": [1, 2]}, "<>"),
    ("${vars.price * parseInt(vars.quantity)}", {"price": 5, "quantity": "3"}, 15),
    ('${total > 50 ? "with free shipping" : "plus shipping"}', {"total": 51}, "with free shipping"),
    ("${items.map(i => { return i + '}' }).join()}", {"items": ["a", "b"]}, "a},b}"),
    ("${a.replace(/[^0-9]/g, '').replace(/\\(/, '')}", {"a": "(12) 3"}, "123"),
    ("${`x${a}y`}", {"a": 1}, "x1y"),
    ("${true}", {}, True),
    ("${0.1 + 0.2}", {}, 0.30000000000000004),
    ("${[1, {a: 2}]}", {}, [1, {"a": 2}]),
    ("${undefined}", {}, None),
    ("${nothing}", {}, ""),
    ("${a.b}", {"a": {}}, ""),
    ("${a}", {"a": None}, None),
    ("<${a}>", {"a": 1e-7}, "<1e-7>"),
    ("<${a}>", {"a": -0.00000125}, "<-0.00000125>"),
    ("<${a}>", {"a": 1.5e300}, "<1.5e+300>"),
    ("<${a}>", {"a": {"b": [1.0, 1e-7, None, "é", True]}}, '<{"b":[1,1e-7,null,"é",true]}>'),
    ("${a++ / 2 /* it's */}", {"a": 5}, 2.5),
    ("${1 / 0}", {}, "Infinity"),
]


@pytest.mark.parametrize(("written", "variables", "value"), SUBSTITUTED)
def test_substitution(written: str, variables: dict[str, Any], value: Any) -> None:
    """Paths, expressions and text around them come to what the reference says, alone with their type."""
    found = setting(written, **variables)
    assert (found, type(found)) == (value, type(value))


HOSTILE = [
    "${system touch /tmp/x}",
    "${system(touch /tmp/x)}",
    "%{api uuid_kill x}",
    "${missing.toString()}",
    "${'a'.repeat(1e9)}",
    "${[..." + "'a'.repeat(1e7)]}",
    "${os.exec('ls')}",
    "${globalThis.constructor.constructor('return process')()}",
    "${'\\ud800'}",
]


@pytest.mark.parametrize("written", HOSTILE)
def test_what_cannot_be_evaluated_stays_text(written: str) -> None:
    """An expression that throws, or meets a limit, stays as it was written, and `script_error` says why."""
    variables = left(f"main:\n  - set: {{found: {json.dumps(written)}}}")
    assert variables["found"] == written
    error = json.loads(variables["script_error"])
    assert error["warning"] == "relay_script_js_eval_error"
    assert (error["section"], error["method"]) == ("main", "set")
    assert "found" in error["document"]


def test_a_value_is_never_read_for_placeholders_again() -> None:
    """What a caller supplies stays what it is, in every string and in conditions."""
    call = replace(CALL, info=replace(CALL.info, caller_number="${system id}%{vars.secret}"))
    steps, _, _ = run(
        """
        main:
          - set: {secret: s, a: "${call.from}", b: "x${a}"}
          - record_call: {control_id: "${b}"}
        """,
        call,
    )
    assert isinstance(steps[0], StartRecording)
    assert steps[0].request.reference == "x${system id}%{vars.secret}"


def test_no_expression_sees_or_leaves_anything_but_variables() -> None:
    """Prototypes changed by one expression are whole in the next, and names of objects are no variables."""
    body = """
    main:
      - set:
          a: "${(Array.prototype.map = 1, Object.prototype.polluted = 1, JSON.stringify = 1, 5)}"
          b: "${typeof polluted + typeof toString + typeof [].map}"
          c: "${(vars.a = 7, a)}"
      - set: {d: "${a}", e: "${typeof constructor}"}
    """
    variables = left(body)
    assert (variables["a"], variables["b"], variables["d"], variables["e"]) == (
        5,
        "undefinedundefinedfunction",
        5,
        "undefined",
    )


# --- values in methods ----------------------------------------------------------------------------------------------


def test_properties_take_their_values_from_variables() -> None:
    """Booleans, numbers and texts are what their variables are, numbers and booleans as text too."""
    steps, program, _ = run(
        """
        main:
          - set: {yes: true, no: "false", length: 5, text: "7.5", name: n, host: h, ms: 30}
          - record_call: {control_id: "a-${name}", stereo: "${yes}", max_length: "${length}",
                          status_url: "http://${host}/x?n=${name}"}
          - record_call: {control_id: "${length}", stereo: "${no}", max_length: "${text}"}
          - sleep: "${ms * 2}"
          - sleep: {duration: "%{ms}"}
          - stop_record_call: {control_id: "${record_control_id}"}
        """
    )
    first, second, *rest = steps
    assert isinstance(first, StartRecording)
    assert isinstance(second, StartRecording)
    assert first.request.reference == "a-n"
    assert (first.request.channel_count, first.request.max_length) == (2, 5.0)
    assert first.request.status is not None
    assert first.request.status.url == "http://h/x?n=n"
    assert (second.request.reference, second.request.channel_count, second.request.max_length) == ("5", 1, 7.5)
    assert rest == [Wait(0.06), Wait(0.03), StopRecording("5")]
    assert "script_error" not in program.variables


WRONG_VALUES = [
    ("record_call: {stereo: '${x}'}", {"x": "perhaps"}, 'stereo must be true or false; got "perhaps"'),
    ("record_call: {stereo: '${x}'}", {"x": 1}, "stereo must be true or false; got 1"),
    ("record_call: {stereo: '${x}'}", {}, 'stereo must be true or false; got ""'),
    ("record_call: {max_length: '${x}'}", {"x": 0}, "max_length must be a number above 0"),
    ("record_call: {max_length: '${x}'}", {"x": [1]}, "its variables gave a list"),
    ("record_call: {max_length: '${x}'}", {"x": {}}, "its variables gave an object"),
    ("record_call: {max_length: '${a b}'}", {}, 'got "${a b}"'),
    ("record_call: {status_url: '${x}'}", {"x": "file:///etc/passwd"}, "must be an http or https URL"),
    ("record_call: {status_url: 'http://h/${x}'}", {"x": "a\r\nX: y"}, "percent-encoded"),
    ("record_call: {control_id: 'a${x}'}", {"x": "\n"}, "printable"),
    ("record_call: {control_id: '${x}'}", {"x": "y" * 300}, "1 to 256 characters"),
    ("stop_record_call: {control_id: '${x}'}", {}, "1 to 256 characters; got 0"),
    (
        "record_call: {max_length: '${x}'}",
        {},
        'max_length must be a number above 0 and at most 86400 (seconds); got ""',
    ),
    ("record_call: {format: '${x}'}", {"x": "ogg"}, 'format must be "wav", "mp3" or "mp4"; got "ogg"'),
    ("record: {direction: '%{x}'}", {"x": "both"}, 'direction must be "speak" or "listen"; got "both"'),
    (
        "request: {url: 'http://h/', method: '${x}'}",
        {"x": "PATCH"},
        'method must be "GET", "POST", "PUT" or "DELETE"',
    ),
    ("answer: {max_duration: '${x}'}", {"x": 0}, "max_duration must be a whole number above 0"),
    ("sleep: '${x}'", {"x": 1.5}, "duration must be a whole number"),
]


@pytest.mark.parametrize(("step", "variables", "message"), WRONG_VALUES)
def test_a_wrong_value_fails_its_method_and_the_script_goes_on(
    step: str, variables: dict[str, Any], message: str
) -> None:
    """The method does not run, its result is failed, `script_error` says why, the next step comes."""
    steps, program, _ = run(f"main:\n  - set: {json.dumps(variables)}\n  - {step}\n  - sleep: 5\n")
    assert steps == [Wait(0.005)]
    method = step.partition(":")[0]
    if method != "sleep":
        assert program.variables[f"{method}_result"] == "failed"
    error = json.loads(program.variables["script_error"])
    assert error["warning"] == "relay_script_method_parameter_invalid_value"
    assert error["method"] == method
    assert message in error["message"]


def test_texts_of_few_values_may_come_of_variables() -> None:
    """What the schema has as plain text is judged once its variables are known."""
    steps, _, end = run(
        """
        main:
          - set: {f: mp3, d: listen, m: GET, r: busy, s: 60}
          - record_call: {format: "${f}", direction: "%{d}", stereo: "true", beep: "false"}
          - request: {url: "http://h/", method: "${m}"}
          - answer: {max_duration: "${s}"}
          - hangup: {reason: "${r}"}
        """
    )
    recording, asked, answer = steps
    assert isinstance(recording, StartRecording)
    assert isinstance(asked, Request)
    assert (recording.request.format, recording.request.track) == ("mp3", Track.OUTBOUND)
    assert (recording.request.channels, recording.request.beep) == (Channels.DUAL, False)
    assert (asked.method, answer, end) == ("GET", Answer(60.0), End("USER_BUSY"))


def test_a_wrong_reason_keeps_nobody_on_the_line() -> None:
    """A hangup whose reason its variables gave wrong is a hangup."""
    steps, _, end = run("main: [set: {r: tired}, hangup: {reason: '${r}'}, sleep: 5]")
    assert (steps, end) == ([], End("NORMAL_CLEARING"))


CONDITIONS: list[tuple[str, dict[str, Any], bool]] = [
    ("'${x}' == '1'", {"x": 1}, True),
    ('"a${x}b%{y}" == "a1b2"', {"x": 1, "y": "2"}, True),
    ("${prompt_value} == 1", {"prompt_value": "1"}, True),
    ("'${x}' == ''", {}, True),
    ("'${x.y.z}' == ''", {"x": {}}, True),
    ("'${x}' == ''", {"x": None}, True),
    ("'${x[1].y}'.length == 3", {"x": [1, {"y": "abc"}]}, True),
    ("typeof '${x}' == 'string'", {"x": 1}, True),
    ("'${x + 1}' == '2'", {"x": 1}, True),
    ("'${h}' == 't' && true", {"h": "') || ('"}, False),
    ("'${h}' == \"' + y + '\"", {"h": "' + y + '", "y": "s"}, True),
    ("'${request_response_headers.content-type}' == 't'", {"request_response_headers": {"content-type": "t"}}, True),
    ("`${x}` == '1' // it's\n", {"x": 1}, True),
    ("'it\\'s ${x}' == \"it's 1\"", {"x": 1}, True),
    ("'${x}' == '${x}' && 'a' == 'a'", {"x": "'"}, True),
]


@pytest.mark.parametrize(("when", "variables", "holds"), CONDITIONS)
def test_variables_in_conditions(when: str, variables: dict[str, Any], holds: bool) -> None:
    """In a quoted text a placeholder is its value as text, whatever is in it: it ends no quote and runs as nothing."""
    then = json.dumps([{"when": when, "then": [{"sleep": 1}]}, {"else": [{"sleep": 2}]}])
    assert slept(f"main: [set: {json.dumps(variables)}, cond: {then}]") == [1 if holds else 2]


def test_a_recordings_variables_are_usable_in_later_strings() -> None:
    """What record_call leaves (URL, result, control_id, start) stands in every later string."""
    variables = left(
        """
        main:
          - record_call: {control_id: a}
          - stop_record_call: {}
          - set: {said: "${record_call_url} ${record_call_result} ${record_control_id} ${record_call_start} %{call.call_state}",
                  ended: "${stop_record_call_result.toUpperCase()}"}
        """
    )
    assert variables["said"] == f"{URL} success a 1771539204530007 answered"
    assert variables["ended"] == "SUCCESS"


# --- flow -----------------------------------------------------------------------------------------------------------

FLOWS: list[tuple[str, str, list[int]]] = [
    ("set, each after the other", "main: [set: {a: 2, b: '${a * 3}', c: '${b + a}'}, sleep: '${c}']", [8]),
    ("unset", "main: [set: {a: 2}, unset: a, sleep: \"${a == '' ? 1 : 3}\", set: {b: '<${a}>'}]", []),
    (
        "unset many",
        "main: [set: {a: 2, b: 3}, unset: [a, vars.b], sleep: \"${typeof a == 'undefined' ? 1 : 3}\"]",
        [1],
    ),
    (
        "goto with max: its body runs once more",
        "main: [label: l, sleep: 1, goto: {label: l, max: 3}, sleep: 2]",
        [1] * 4 + [2],
    ),
    (
        "goto with a condition",
        "main: [set: {n: 0}, label: l, set: {n: '${n + 1}'}, sleep: '${n}', goto: {label: l, when: n < 3}]",
        [1, 2, 3],
    ),
    ("goto's max as a variable", "main: [set: {m: 2}, label: l, sleep: 1, goto: {label: l, max: '${m}'}]", [1, 1, 1]),
    ("goto's max of a wrong type", "main: [label: l, sleep: 1, goto: {label: l, max: '${m}'}, sleep: 2]", [1, 2]),
    ("goto forward", "main: [goto: {label: l}, sleep: 1, label: l, sleep: 2]", [2]),
    (
        "goto out of nested steps",
        "main: [label: l, sleep: 1, cond: [{when: 'true', then: [goto: {label: l, max: 2}, sleep: 3]}], sleep: 2]",
        [1, 1, 1, 3, 2],
    ),
    ("an endless goto ends", "main: [label: l, sleep: 1, goto: {label: l}, sleep: 2]", [1] * 33),
    (
        "cond: the first true one",
        "main: [cond: [{when: 1 > 2, then: [sleep: 1]}, {when: '2 > 1', then: [sleep: 2]}, {when: 'true', then: [sleep: 3]}], sleep: 4]",
        [2, 4],
    ),
    ("cond: else", "main: [cond: [{when: call.type == 'sip', then: [sleep: 1]}, {else: [sleep: 2]}]]", [2]),
    ("cond: when and else in one", "main: [cond: [{when: 'false', then: [sleep: 1], else: [sleep: 2]}]]", [2]),
    ("cond: none", "main: [cond: [{when: 'false', then: [sleep: 1]}], sleep: 4]", [4]),
    (
        "cond: an unknown name is not true",
        "main: [cond: [{when: 'nothing > 1', then: [sleep: 1]}, {else: [sleep: 2]}]]",
        [2],
    ),
    (
        "cond: JavaScript's truth",
        "main: [cond: [{when: \"''\", then: [sleep: 1]}, {when: '[]', then: [sleep: 2]}]]",
        [2],
    ),
    ("cond: as the reference's example", "main: [set: {v: '1'}, cond: [{when: '${v} == 1', then: [sleep: 1]}]]", [1]),
    ("cond: a boolean", "main: [cond: [{when: false, then: [sleep: 1]}, {when: true, then: [sleep: 2]}]]", [2]),
    (
        "switch: a number",
        "main: [set: {f: 5}, switch: {variable: f, case: {'5': [sleep: 1]}, default: [sleep: 2]}]",
        [1],
    ),
    (
        "switch: default",
        "main: [switch: {variable: call.type, case: {sip: [sleep: 1]}, default: [sleep: 2]}, sleep: 3]",
        [2, 3],
    ),
    ("switch: none", "main: [switch: {variable: nothing, case: {a: [sleep: 1]}}, sleep: 3]", [3]),
    ("execute", "main: [execute: {dest: s}, sleep: 2]\ns: [sleep: 1]", [1, 2]),
    (
        "execute with params",
        "main: [execute: {dest: s, params: {ms: 7}}, sleep: 2]\ns: [sleep: '${params.ms}']",
        [7, 2],
    ),
    (
        "params are restored",
        "main: [execute: {dest: s, params: {ms: 7}}]\ns: [execute: {dest: t}, sleep: '${params.ms}']\nt: [sleep: \"${params.ms ? 9 : 1}\"]",
        [1, 7],
    ),
    (
        "on_return and result",
        "main: [execute: {dest: s, on_return: [sleep: '${return_value}'], result: {case: {'5': [sleep: 1]}, default: [sleep: 2]}}, sleep: 3]\ns: [return: 5, sleep: 9]",
        [5, 1, 3],
    ),
    (
        "result as a cond",
        "main: [execute: {dest: s, result: [{when: return_value == 4, then: [sleep: 1]}, {when: return_value == 5, then: [sleep: 2]}]}, sleep: 3]\ns: [return: 5]",
        [2, 3],
    ),
    (
        "result: none of a cond",
        "main: [execute: {dest: s, result: [{when: 'false', then: [sleep: 1]}]}, sleep: 3]\ns: [return: 5]",
        [3],
    ),
    (
        "return from nested steps",
        "main: [execute: {dest: s}, sleep: 3]\ns: [cond: [{else: [return: 5]}], sleep: 9]",
        [3],
    ),
    ("return at the top ends the script", "main: [sleep: 1, return: 5, sleep: 2]", [1]),
    (
        "transfer never returns",
        "main: [execute: {dest: s}, sleep: 9]\ns: [transfer: {dest: t, params: {ms: 3}}, sleep: 9]\nt: [sleep: '${params.ms}']",
        [3],
    ),
    ("an endless transfer ends", "main: [sleep: 1, transfer: {dest: main}]", [1] * 33),
    (
        "a section by a variable",
        "main: [set: {where: s}, execute: {dest: '${where}'}, sleep: 2]\ns: [sleep: 1]",
        [1, 2],
    ),
    (
        "a section that a variable does not name",
        "main: [execute: {dest: '${where}x'}, transfer: {dest: '${where}'}, sleep: 2]",
        [2],
    ),
    (
        "a nested block is no section",
        "main: [cond: [{else: [set: {d: 'main[0].cond[0].else'}]}], execute: {dest: '${d}'}, sleep: 2]",
        [2],
    ),
    (
        "a document in a variable is no document",
        'main: [set: {d: \'{"sections":{"main":[{"sleep":9}]}}\'}, execute: {dest: \'${d}\'}, sleep: 2]',
        [2],
    ),
    (
        "an inline document",
        'main: [execute: {dest: \'{"sections":{"main":[{"execute":{"dest":"s"}},{"return":"${1+1}"}],"s":[{"sleep":1}]}}\'}, sleep: \'${return_value}\', execute: {dest: s}]\ns: [sleep: 3]',
        [1, 2, 3],
    ),
    ("hangup ends everything", "main: [execute: {dest: s}, sleep: 9]\ns: [sleep: 1, hangup: {}]", [1]),
]


@pytest.mark.parametrize(("body", "sleeps"), [row[1:] for row in FLOWS], ids=[row[0] for row in FLOWS])
def test_flow(body: str, sleeps: list[int]) -> None:
    """Each method moves the run as the reference says; every point of it can be restored."""
    assert slept(body) == sleeps


RETURNED: list[tuple[str, Any]] = [
    ("main: [execute: {dest: s, params: {a: 1, b: 2}}]\ns: [return: '${params.a+params.b}']", "12"),
    (
        "main: [execute: {dest: s, params: {a: 2, b: 3}}]\ns: [return: '${parseInt(params.a) + parseInt(params.b)}']",
        5,
    ),
    ("main: [execute: {dest: s}]\ns: [return: [{a: 1}, {b: 2}]]", [{"a": 1}, {"b": 2}]),
    ("main: [execute: {dest: s}]\ns: [return: hello]", "hello"),
    ("main: [set: {return_value: old}, execute: {dest: s}]\ns: [return: {}]", None),
    ("main: [set: {return_value: old}, execute: {dest: s}]\ns: [sleep: 1]", None),
    ("main: [execute: {dest: s}]\ns: [return: '${[1,2].map(a => a * 2)}']", [2, 4]),
]


@pytest.mark.parametrize(("body", "value"), RETURNED)
def test_return_value(body: str, value: Any) -> None:
    """`return_value` is what was returned, in its type; nothing where nothing was. Numbers are text in params."""
    assert left(body).get("return_value") == value


ERRORS: list[tuple[str, str, str, str]] = [
    (
        "main: [switch: {variable: f, case: {a: [sleep: 1]}}]",
        "relay_script_method_no_matching_condition",
        "switch",
        "main",
    ),
    ("main: [cond: [{when: a b, then: [sleep: 1]}]]", "relay_script_js_eval_error", "cond", "main"),
    ("main: [label: l, goto: {label: l}]", "relay_script_too_many_transfers", "goto", "main"),
    (
        "main: [transfer: {dest: s}]\ns: [transfer: {dest: main}]",
        "relay_script_too_many_transfers",
        "transfer",
        "main",
    ),
    ("main: [execute: {dest: main}]", "relay_script_nested_too_deep", "execute", "main"),
    (
        "main: [execute: {dest: s}]\ns: [execute: {dest: '${x}y'}]",
        "relay_script_section_parameter_undefined",
        "execute",
        "s",
    ),
    (
        "main: [set: {a: \"${'x'.repeat(60000)}\"}, return: '${a}${a}']",
        "relay_script_method_parameter_invalid_value",
        "return",
        "main",
    ),
]


@pytest.mark.parametrize(("body", "warning", "method", "section"), ERRORS)
def test_script_error(body: str, warning: str, method: str, section: str) -> None:
    """`script_error` is a JSON text of document, section, method, warning and message, under the reference's name."""
    error = json.loads(left(body)["script_error"])
    assert error.keys() == {"document", "section", "method", "warning", "message"}
    assert (error["warning"], error["method"], error["section"]) == (warning, method, section)


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_sections_that_call_each_other_twice_end() -> None:
    """A document whose run would double with each level is stopped by its moves, and nobody waits for it."""
    levels = 12
    sections = [f"s{n}: [execute: {{dest: s{n + 1}}}, execute: {{dest: s{n + 1}}}]" for n in range(levels)]
    text = "sections:\n  " + "\n  ".join(["main: [execute: {dest: s0}]", *sections, f"s{levels}: [set: {{a: 1}}]"])
    program = DIALECT.start(text, "test", CALL)
    step, turns = program.next(None), 0
    while step == Evaluate((), {}):
        step, turns = program.next(Evaluated(())), turns + 1
    assert step == End()
    assert turns >= progress.MAX_MOVES // progress.MAX_EFFORT - 1
    assert program.snapshot()["counts"][1] <= progress.MAX_MOVES + 2
    assert json.loads(program.variables["script_error"])["warning"] == "relay_script_internal_error"


def test_expressions_that_meet_limits_are_counted() -> None:
    """After a number of them nothing more is evaluated for the call: what follows stays text."""
    entries = ", ".join(f"v{n}: '${{(1+{n})}}'" for n in range(progress.MAX_OVERRUNS + 2))
    program = DIALECT.start(f"sections: {{main: [set: {{{entries}}}]}}", "test", CALL)
    step = program.next(None)
    asked = 0
    while isinstance(step, Evaluate):
        asked += 1
        step = program.next(Evaluated((Evaluation(error="it took longer than 150 ms", overran=True),)))
    assert asked == progress.MAX_OVERRUNS
    assert program.variables["v11"] == "${(1+11)}"
    assert "met a limit" in json.loads(program.variables["script_error"])["message"]


def test_expressions_have_so_much_time_of_an_engine() -> None:
    """Each evaluation is told what is left; once it is used up nothing more is evaluated for the call."""
    program = DIALECT.start("sections: {main: [set: {a: '${1+1}', b: '${1+2}', c: '${1+3}'}]}", "test", CALL)
    first = program.next(None)
    assert isinstance(first, Evaluate)
    assert (first.overruns_left, first.seconds_left) == (progress.MAX_OVERRUNS, progress.MAX_ENGINE)
    second = program.next(Evaluated((Evaluation(2),), seconds=4.0))
    assert isinstance(second, Evaluate)
    assert second.seconds_left == progress.MAX_ENGINE - 4.0
    program.next(Evaluated((Evaluation(3),), seconds=7.0))
    assert program.variables["c"] == "${1+3}"
    assert "took more than 10 s" in json.loads(program.variables["script_error"])["message"]


def test_an_evaluation_may_lack_its_last_results() -> None:
    """What the evaluator left out stays as it was written."""
    program = DIALECT.start("sections: {main: [set: {a: ['${1+1}', '${1+2}']}]}", "test", CALL)
    program.next(None)
    program.next(Evaluated((Evaluation(2),)))
    assert program.variables["a"] == [2, "${1+2}"]


def test_a_large_value_that_is_switched_on_is_effort() -> None:
    """A list that is made a text again and again lets others have their turn."""
    body = "main: [set: {a: '${Array(20000).fill(1)}'}, {}]".replace(
        "{}", ", ".join(["switch: {variable: a, case: {b: []}, default: []}"] * 8)
    )
    program = DIALECT.start(f"sections: {{{body}}}", "test", CALL)
    asked = program.next(None)
    turns = 0
    while isinstance(asked, Evaluate):
        turns += not asked.expressions
        asked = program.next(outcome_of(asked))
    assert turns > 0


LARGE = [
    ("a value", "main: [set: {a: '${\"x\".repeat(40000)}'}, set: {b: '${a}${a}'}]", {"b": None}),
    (
        "all values",
        "main: [set: {" + ", ".join(f"a{n}: '${{\"x\".repeat(60000)}}'" for n in range(6)) + "}]",
        {"a5": None},
    ),
    (
        "a replaced value",
        "main: [set: {a: 1}, set: {"
        + ", ".join(f"a{n}: '${{\"x\".repeat(60000)}}'" for n in range(4))
        + ", a: '${a0}'}]",
        {"a": 1},
    ),
    (
        "a value many times over",
        "main: [set: {a: '${\"x\".repeat(40000)}'}, set: {b: [" + "'${a}', " * 500 + "]}]",
        {"b": None},
    ),
    (
        "a list many times over",
        "main: [set: {a: '${[\"x\".repeat(40000)]}'}, set: {b: [" + "'${a}', " * 500 + "]}]",
        {"b": None},
    ),
    (
        "what is returned, beside all values",
        "main: [set: {"
        + ", ".join(f"a{n}: '${{\"x\".repeat(60000)}}'" for n in range(4))
        + "}, execute: {dest: s}]\n"
        "s: [return: '${a0}']",
        {"return_value": None},
    ),
    ("depth", 'main: [set: {a: \'${JSON.parse("[".repeat(40) + "]".repeat(40))}\'}]', {"a": None}),
    (
        "params",
        "main: [set: {x: '${\"x\".repeat(40000)}'}, execute: {dest: s, params: {x: '${x}', y: '${x}'}}]\ns: [set: {b: 1}]",
        {"b": None},
    ),
]


@pytest.mark.parametrize(("body", "expected"), [row[1:] for row in LARGE], ids=[row[0] for row in LARGE])
def test_variables_are_bounded(body: str, expected: dict[str, Any]) -> None:
    """What would be too large is not set, leaves what was there, and is told; the script goes on."""
    variables = left(body)
    assert {name: variables.get(name) for name in expected} == expected
    assert json.loads(variables["script_error"])["warning"] == "relay_script_method_parameter_invalid_value"


def test_a_variable_may_hold_a_whole_scope() -> None:
    """`${vars}` and its kin are what they were then: no variable holds itself, or changes with what it was set to."""
    body = (
        "main: [set: {a: 1, all: '${vars}', was: '${call}', all_again: ['${vars}']}, answer: {}, set: {n: '${(1)}'}]"
    )
    variables = left(body)
    assert variables["all"] == {"a": 1}
    assert variables["was"]["call_state"] == "created"
    assert variables["all_again"] == [{"a": 1, "all": {"a": 1}, "was": variables["was"]}]
    assert variables["n"] == 1


def test_an_outcome_of_another_kind_is_a_failure() -> None:
    """A program never raises on an outcome: one that fits no question fails the expression, or the step."""
    program = DIALECT.start("sections: {main: [set: {a: '${(1)}'}, answer: {}]}", "test", CALL)
    assert isinstance(program.next(None), Evaluate)
    program.next(Done())
    assert program.variables["a"] == "${(1)}"
    program.next(Evaluated(()))
    assert program.variables["answer_result"] == "failed"


# --- any document, restored anywhere --------------------------------------------------------------------------------

SIMPLE: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"sleep": 1},
        {"set": {"a": "${(a || 0) + 1}", "b": ["x${a}", {"c": "${b}"}]}},
        {"set": {"a": 1}},
        {"set": {"a": "${vars}", "b": "${call}"}},
        {"unset": ["a", "b"]},
        {"sleep": "${a}"},
        {"record_call": {"control_id": "${a}", "stereo": "${b}"}},
        {"record_call": {}},
        {"record_call": {"beep": True, "terminators": "#", "initial_timeout": "${a}", "input_sensitivity": "${a}"}},
        {"stop_record_call": {}},
        {"record": {"max_length": 5}},
        {"record": {"direction": "listen", "end_silence_timeout": "${a}"}},
        {"play": {"url": "say:${a} ${(b)}"}},
        {"play": {"urls": ["silence:1", "${record_url}", "https://example.com/${a}.wav"], "volume": "${a}"}},
        {"prompt": {"play": ["ring:us", "say:${b}"], "max_digits": "${a}", "terminators": "#"}},
        {"send_digits": {"digits": "${a}w"}},
        {"request": {"url": "https://example.com/${a}", "method": "POST", "body": {"a": "${b}"}}},
        {"request": {"url": "https://example.com/", "method": "GET", "save_variables": "${a == 1}"}},
        {"set": {"a": "${request_response_code}", "b": "${request_response}"}},
        {"execute": {"dest": "https://example.com/${a}", "params": {"p": "${a}"}}},
        {"execute": {"dest": "https://example.com/wrong"}},
        {"transfer": {"dest": "https://example.com/next"}},
        {"goto": {"label": "top", "when": "a < 4", "max": 3}},
        {"goto": {"label": "top"}},
        {"execute": {"dest": "sub", "params": {"p": "${a}"}}},
        {"execute": {"dest": "${b}"}},
        {"transfer": {"dest": "sub"}},
        {"return": "${[a, params.p]}"},
    ]
)


def nested(steps: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Steps that hold others."""
    block = st.lists(steps, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda a, b: {"cond": [{"when": "a > 1", "then": a}, {"else": b}]}, block, block),
        st.builds(lambda a, b: {"switch": {"variable": "a", "case": {"1": a}, "default": b}}, block, block),
        st.builds(lambda a: {"execute": {"dest": "sub", "on_return": a, "result": {"case": {"1": a}}}}, block),
    )


STEPS = st.recursive(SIMPLE, nested, max_leaves=5)


@settings(max_examples=60)
@given(st.lists(STEPS, min_size=1, max_size=5), st.lists(SIMPLE, min_size=1, max_size=3))
def test_any_document_ends_and_can_be_restored_anywhere(main: list[Any], sub: list[Any]) -> None:
    """Whatever flows are put together, the run ends, and a restored twin does the same at each of its points."""
    top = {"label": "top"}
    body = f"main: {json.dumps([top, *main])}\nsub: {json.dumps([top, *sub])}"
    assert run(body)[2] == End()


def test_the_call_scope_of_a_sip_leg() -> None:
    """A leg whose destination is no number is of type sip; an answered one says so."""
    info = replace(CALL.info, destination="alice", answered=True)
    variables = left(
        "main: [set: {a: '${call.type} ${call.call_state} ${call.from_number}'}]", replace(CALL, info=info)
    )
    assert variables["a"] == "sip answered "
