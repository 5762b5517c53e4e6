"""What a document may say: the reference's rows, and every refusal with its place and its remedy."""

import json
import pathlib
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dialects.swml.blocks import Cond, Instruction
from controller.dialects.swml.document import read
from controller.dialects.swml.methods import DOCUMENTED, METHODS
from controller.dialects.swml.problems import MAX_PROBLEMS
from controller.dialects.swml.rows import Served
from controller.documents.dialect import DocumentError, Problem
from tests.dialects.swml.sample import DIALECT, document

SAMPLES = pathlib.Path(__file__).parents[3] / "dialplans" / "documents"


SUPPORTED = (
    "answer, hangup, sleep, record, record_call, stop_record_call, play, prompt, send_digits, connect, request, set, "
    "unset, label, goto, cond, switch, execute, return, transfer"
)


def problems(text: str) -> list[tuple[int, str, str]]:
    """Every problem of a text as (line, where, message)."""
    return [(problem.line, problem.where, problem.message) for problem in DIALECT.check(text, "test")]


def first(steps: str) -> Instruction:
    """The first instruction of a document that may run."""
    return read(document(steps), "test").sections["main"][0]


def test_all_calling_methods_are_known_by_name() -> None:
    """The reference has 43; each that does not run yet is refused as such, by name and line."""
    assert len(DOCUMENTED) == 43
    assert ", ".join(METHODS) == SUPPORTED
    for name in DOCUMENTED - METHODS.keys():
        assert problems(f"sections:\n  main:\n    - {name}: {{}}\n") == [
            (
                3,
                "main[0]",
                f"the method `{name}` is not supported in this version; supported are {SUPPORTED}",
            )
        ]


PLAYED = METHODS["play"].defaults
ACCEPTED: list[tuple[str, str, dict[str, Any]]] = [
    ("answer: {}", "answer", {"max_duration": 14400}),
    ("answer: {max_duration: 60}", "answer", {"max_duration": 60}),
    ("answer: {max_duration: 86400}", "answer", {"max_duration": 86400}),
    ("hangup: {}", "hangup", {"reason": "hangup"}),
    ("hangup: {reason: busy}", "hangup", {"reason": "busy"}),
    ("hangup: {reason: decline}", "hangup", {"reason": "decline"}),
    ("sleep: 5000", "sleep", {"duration": 5000}),
    ("play: 'say:Hello'", "play", {**PLAYED, "url": "say:Hello"}),
    ("play: ['say:Hello', 'silence:1']", "play", {**PLAYED, "urls": ["say:Hello", "silence:1"]}),
    ("sleep: 5000.0", "sleep", {"duration": 5000}),
    ("sleep: -1", "sleep", {"duration": -1}),
    ("sleep: 0", "sleep", {"duration": 0}),
    ("sleep: {duration: 2147483647}", "sleep", {"duration": 2147483647}),
    ("stop_record_call: {}", "stop_record_call", {}),
    ("stop_record_call: {control_id: a}", "stop_record_call", {"control_id": "a"}),
]
RECORD_CALL_DEFAULTS = METHODS["record_call"].defaults
PROPERTIES = sorted({row.name for method in METHODS.values() for row in method.properties})
ACCEPTED_VALUES: list[tuple[str, Any]] = [
    ("control_id: on", "on"),
    ("control_id: 'two words, Ünïcödé 😀'", "two words, Ünïcödé 😀"),
    ("control_id: '$5 {x}'", "$5 {x}"),
    (f"control_id: {'x' * 256}", "x" * 256),
    ("stereo: true", True),
    ("format: wav", "wav"),
    ("direction: speak", "speak"),
    ("direction: listen", "listen"),
    ("direction: both", "both"),
    ("format: mp3", "mp3"),
    ("format: mp4", "mp4"),
    ("terminators: ''", ""),
    ("terminators: '0123456789ABCDabcd*#'", "0123456789ABCDabcd*#"),
    ("beep: false", False),
    ("beep: true", True),
    ("input_sensitivity: 44", 44.0),
    ("input_sensitivity: 0", 0.0),
    ("input_sensitivity: 100.0", 100.0),
    ("initial_timeout: 0", 0.0),
    ("initial_timeout: 4.5", 4.5),
    ("end_silence_timeout: 0.0", 0.0),
    ("end_silence_timeout: 86400", 86400.0),
    ("max_length: 0.001", 0.001),
    ("max_length: 86400", 86400.0),
    ("status_url: 'http://127.0.0.1:9000'", "http://127.0.0.1:9000"),
    (
        "status_url: 'HTTPS://u:p@[::1]:8443/a?b=c%20d&e=[f]#rc=3&rp=5xx,ct'",
        "HTTPS://u:p@[::1]:8443/a?b=c%20d&e=[f]#rc=3&rp=5xx,ct",
    ),
]


@pytest.mark.parametrize(("step", "method", "values"), ACCEPTED)
def test_accepted_steps(step: str, method: str, values: dict[str, Any]) -> None:
    """A step becomes its method with all values, defaults filled in, integers and texts in their types."""
    instruction = first(step)
    assert (instruction.method, instruction.values) == (method, values)
    assert [type(value) for value in instruction.values.values()] == [type(value) for value in values.values()]


@pytest.mark.parametrize(("given_", "value"), ACCEPTED_VALUES)
def test_accepted_values_of_record_call(given_: str, value: Any) -> None:
    """Each value is taken in its row's type, over the defaults of all the others."""
    name = given_.partition(":")[0]
    values = first(f"record_call: {{{given_}}}").values
    assert values == RECORD_CALL_DEFAULTS | {name: value}
    assert type(values[name]) is type(value)


TEXT = "must be text; got {}: put it in quotes"
SENSITIVITY = "must be a number at least 0 and at most 100; got {}"
LENGTH = "must be a number above 0 and at most 86400 (seconds); got {}"
NOT_YET = "not supported in this version: leave it out"
TIMEOUT = "must be a number at least 0 and at most 86400 (seconds); got {}"
DURATION = "must be a whole number above 0 and at most 86400 (seconds); got {}"
UNCLOSED = '`${{` without its `}}` (or a quote or bracket in it is not closed); got "{}"'
FORBIDDEN = '`{}` is not part of SWML\'s expressions: no functions, loops, async or imports; got "{}"'
PRINTABLE = "must be printable text on one line; got {}"
URL = "must be an http or https URL with a host; got {}"
ENCODED = "must be an http or https URL whose other characters are percent-encoded; got {}"
SLEEP = "must be a whole number at least -1 and at most 2147483647 (milliseconds, or -1 for ever); got {}"

WRONG_VALUES = [
    ("control_id: 12", TEXT.format("12")),
    ("control_id: true", TEXT.format("true")),
    ("control_id: null", "must be text; got null"),
    ("control_id: []", "must be text; got a list"),
    ("control_id: ''", "must have 1 to 256 characters; got 0"),
    (f"control_id: {'x' * 257}", "must have 1 to 256 characters; got 257"),
    ('control_id: "a\\r\\nb"', PRINTABLE.format('"a\\r\\nb"')),
    ('control_id: "a\\0"', PRINTABLE.format('"a\\u0000"')),
    ('control_id: "\\u2028"', PRINTABLE.format('"\\u2028"')),
    ("control_id: 'a${vars.x'", UNCLOSED.format("a${vars.x")),
    ("control_id: '${a(}'", 'a quote or bracket of the expression is not closed; got "${a(}"'),
    ("control_id: '${}'", 'an empty expression; got "${}"'),
    ("control_id: '${(()=>{for(;;);})()}'", FORBIDDEN.format("for", "${(()=>{for(;;);})()}")),
    ("control_id: '${function(){}}'", FORBIDDEN.format("function", "${function(){}}")),
    ("stereo: yes", 'must be true or false; got "yes"'),
    ("stereo: 1", "must be true or false; got 1"),
    ("stereo: 'a${x}'", 'must be true or false or one ${…} and nothing else; got "a${x}"'),
    ("beep: '${x}!'", 'must be true or false or one ${…} and nothing else; got "${x}!"'),
    ("stereo: {}", "must be true or false; got an object"),
    ("format: ogg", 'must be "wav", "mp3" or "mp4"; got "ogg"'),
    ("format: 3", 'must be "wav", "mp3" or "mp4"; got 3'),
    ("format: '${x'", UNCLOSED.format("${x")),
    ("stereo: 'True'", 'must be true or false; got "True"'),
    ("stereo: ''", 'must be true or false; got ""'),
    ("direction: speek", 'must be "speak", "listen" or "both"; got "speek" (did you mean `speak`?)'),
    ("terminators: 'x'", 'must be text of the digits 0-9, A-D, * and #, at most 64 of them; got "x"'),
    ("terminators: 1", "must be text of the digits 0-9, A-D, * and #; got 1: put it in quotes"),
    ("beep: loud", 'must be true or false; got "loud"'),
    ("input_sensitivity: 101", SENSITIVITY.format("101")),
    ("input_sensitivity: high", SENSITIVITY.format('"high"')),
    ("input_sensitivity: -0.1", SENSITIVITY.format("-0.1")),
    ("input_sensitivity: 100.1", SENSITIVITY.format("100.1")),
    ("initial_timeout: -1", TIMEOUT.format("-1")),
    ("initial_timeout: 86400.5", TIMEOUT.format("86400.5")),
    ("end_silence_timeout: '3'", TIMEOUT.format('"3"')),
    ("end_silence_timeout: [3]", TIMEOUT.format("a list")),
    ("max_length: 0", LENGTH.format("0")),
    ("max_length: -5", LENGTH.format("-5")),
    ("max_length: 86400.5", LENGTH.format("86400.5")),
    ("max_length: 1:30", LENGTH.format('"1:30"')),
    ("max_length: true", LENGTH.format("true")),
    ("max_length: .nan", LENGTH.format('".nan"')),
    ("status_url: ftp://x/y", URL.format('"ftp://x/y"')),
    ("status_url: /relative", URL.format('"/relative"')),
    ("status_url: 'http://'", URL.format('"http://"')),
    ("status_url: 'http://[::1'", URL.format('"http://[::1"')),
    ("status_url: 'http://h:99999/'", URL.format('"http://h:99999/"')),
    ("status_url: 'http://h:0/'", URL.format('"http://h:0/"')),
    ("status_url: 'http://u:p@/'", URL.format('"http://u:p@/"')),
    ('status_url: "http://h/a\\r\\nX: y"', ENCODED.format('"http://h/a\\r\\nX: y"')),
    ('status_url: "http://h/\\0"', ENCODED.format('"http://h/\\u0000"')),
    ("status_url: 'http://h/a b'", ENCODED.format('"http://h/a b"')),
    ("status_url: 'http://h/é'", ENCODED.format('"http://h/\\u00e9"')),
    ("status_url: 'http://h\\@evil/'", ENCODED.format('"http://h\\\\@evil/"')),
    (f"status_url: 'http://h/{'a' * 2040}'", "must have at most 2048 characters; got 2049"),
    ("status_url: 'http://${x/'", UNCLOSED.format("http://${x/")),
]


@pytest.mark.parametrize(("given_", "message"), WRONG_VALUES)
def test_wrong_values_of_record_call(given_: str, message: str) -> None:
    """Each wrong value is one problem: its line, its path, what it must be and what it is."""
    name = given_.partition(":")[0]
    steps = f"{{answer: {{}}}}, {{record_call: {{{given_}}}}}"
    assert problems(document(steps)) == [(3, f"main[1].record_call.{name}", message)]


WRONG_STEPS = [
    ("answer: {max_duration: 0}", "main[0].answer.max_duration", DURATION.format("0")),
    ("answer: {max_duration: 86401}", "main[0].answer.max_duration", DURATION.format("86401")),
    ("answer: {max_duration: '60'}", "main[0].answer.max_duration", DURATION.format('"60"')),
    ("answer: {codecs: PCMU}", "main[0].answer.codecs", NOT_YET),
    ("answer: {username: u}", "main[0].answer.username", NOT_YET),
    ("answer: {password: p}", "main[0].answer.password", NOT_YET),
    (
        "hangup: {reason: bussy}",
        "main[0].hangup.reason",
        'must be "hangup", "busy" or "decline"; got "bussy" (did you mean `busy`?)',
    ),
    ("sleep: -2", "main[0].sleep", SLEEP.format("-2")),
    ("sleep: 1.5", "main[0].sleep", SLEEP.format("1.5")),
    ("sleep: 2147483648", "main[0].sleep", SLEEP.format("2147483648")),
    ("sleep: '5'", "main[0].sleep", SLEEP.format('"5"')),
    ("sleep: '${x'", "main[0].sleep", UNCLOSED.format("${x")),
    ("sleep: {duration: -3}", "main[0].sleep.duration", SLEEP.format("-3")),
    ("sleep: {}", "main[0].sleep.duration", "missing: " + SLEEP.removeprefix("must be ").removesuffix("; got {}")),
    (
        "sleep: null",
        "main[0].sleep",
        "must be an object of properties, as in `sleep: {}`, or the duration alone; got null",
    ),
    (
        "sleep: [5]",
        "main[0].sleep",
        "must be an object of properties, as in `sleep: {}`, or the duration alone; got a list",
    ),
    ("hangup: ", "main[0].hangup", "must be an object of properties, as in `hangup: {}`; got null"),
    ("hangup: busy", "main[0].hangup", 'must be an object of properties, as in `hangup: {}`; got "busy"'),
    ("stop_record_call: {id: x}", "main[0].stop_record_call.id", "unknown; stop_record_call knows control_id"),
    (
        "answer: {? 'a b\\n' : 1}",
        'main[0].answer["a b\\\\n"]',
        "unknown; answer knows max_duration, codecs, username, password",
    ),
    (
        "record_call: {control_id: a, control_id: b}",
        "main[0].record_call.control_id",
        "written twice; first on line 3",
    ),
    (
        "record_call: {sterio: true}",
        "main[0].record_call.sterio",
        (
            "unknown; record_call knows control_id, stereo, format, direction, terminators, beep, input_sensitivity, "
            "initial_timeout, end_silence_timeout, max_length, status_url (did you mean `stereo`?)"
        ),
    ),
    (
        "stop_call_record: {}",
        "main[0]",
        f'unknown method "stop_call_record" (did you mean `stop_record_call`?); supported are {SUPPORTED}',
    ),
    (
        "xyzzy: {}",
        "main[0]",
        f'unknown method "xyzzy"; supported are {SUPPORTED}',
    ),
    ("hangup", "main[0]", 'a step is an object with one key, its method, as in `hangup: {}`; got "hangup"'),
    ("[hangup]", "main[0]", "a step is an object with one key, its method, as in `hangup: {}`; got a list"),
    ("{}", "main[0]", "a step is an object with one key, its method, as in `hangup: {}`; got 0 keys"),
    (
        "{answer: {}, hangup: {}}",
        "main[0]",
        'a step is an object with one key, its method, as in `hangup: {}`; got 2 keys ("answer", "hangup")',
    ),
]


@pytest.mark.parametrize(("step", "where", "message"), WRONG_STEPS)
def test_wrong_steps(step: str, where: str, message: str) -> None:
    """Each wrong step is one problem with its place and what would be right."""
    assert problems(document(step)) == [(3, where, message)]


WRONG_DOCUMENTS = [
    ("a list", "[1]", 1, "", "a document is an object with `version` and `sections`; got a list"),
    ("a text", "hello", 1, "", 'a document is an object with `version` and `sections`; got "hello"'),
    ("no sections", "version: 1.0.0", 1, "sections", "missing: an object with at least the list `main`"),
    (
        "a number as version",
        "version: 1.0\nsections: {main: [hangup: {}]}",
        1,
        "version",
        'must be "1.0.0", or left out; got 1.0',
    ),
    (
        "another version",
        "version: 1.0.1\nsections: {main: [hangup: {}]}",
        1,
        "version",
        'must be "1.0.0", or left out; got "1.0.1"',
    ),
    ("sections as a list", "sections:\n  - main", 2, "sections", "must be an object of lists of steps; got a list"),
    (
        "no main",
        "sections:\n  mian: [hangup: {}]",
        2,
        "sections.main",
        "missing: the list of steps that a call begins with",
    ),
    ("main as an object", "sections:\n  main: {hangup: {}}", 2, "main", "must be a list of steps; got an object"),
    (
        "another key",
        "sections: {main: [hangup: {}]}\nsection: 1",
        2,
        "section",
        "unknown; only `version` and `sections` may be here (did you mean `sections`?)",
    ),
    (
        "a doubled main",
        "sections:\n  main: [hangup: {}]\n  main: [hangup: {}]",
        3,
        "sections.main",
        "written twice; first on line 2",
    ),
    ("unreadable", "a: *x", 1, "", "aliases (*name) are not part of SWML: write the value out"),
]


@pytest.mark.parametrize(
    ("text", "line", "where", "message"),
    [row[1:] for row in WRONG_DOCUMENTS],
    ids=[row[0] for row in WRONG_DOCUMENTS],
)
def test_wrong_documents(text: str, line: int, where: str, message: str) -> None:
    """Each wrong outline is one problem with its line."""
    assert problems(text) == [(line, where, message)]


@pytest.mark.parametrize("given_", ['control_id: "\\ud800"', 'status_url: "http://h/\\udfff"', '"\\udfff": 1'])
def test_half_a_character_is_refused(given_: str) -> None:
    """A lone surrogate, which no body could carry, is refused in YAML (by the reader or by the row) and in JSON."""
    assert problems(document(f"record_call: {{{given_}}}"))
    name, _, value = given_.partition(": ")
    key = name if name.startswith('"') else f'"{name}"'
    assert problems(f'{{"sections": {{"main": [{{"record_call": {{{key}: {value}}}}}]}}}}')


def test_all_problems_are_told_at_once_in_the_order_of_lines() -> None:
    """A document's author mends it in one go, and the error says it all."""
    steps = "    - denoise: {}\n    - record_call:\n        format: ogg\n        beap: true\n"
    text = f"sections:\n  main:\n{steps}version: 2\n"
    with pytest.raises(DocumentError) as caught:
        read(text, "menu.yaml")
    assert [(problem.line, problem.where) for problem in caught.value.problems] == [
        (3, "main[0]"),
        (5, "main[1].record_call.format"),
        (6, "main[1].record_call.beap"),
        (7, "version"),
    ]
    assert str(caught.value).startswith("menu.yaml: line 3: main[0]: the method `denoise` is not supported")


def test_problems_are_counted_beyond_a_number() -> None:
    """A hostile document does not fill the log."""
    found = DIALECT.check("sections: {main: [" + "{x: {}}, " * 3000 + "]}", "test")
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1] == Problem(0, "", f"and {3000 - MAX_PROBLEMS} more problems")


def test_problems_show_little_of_a_hostile_text() -> None:
    """Whatever a document says, each of its problems is one short printable line."""
    hostile = "x" * 5_000 + "\r\n\x1b[2J"
    text = json.dumps({hostile: 1, "version": hostile, "sections": {hostile: [{hostile: {}}, hostile]}})
    for problem in DIALECT.check(text, "test"):
        assert len(str(problem)) < 400
        assert str(problem).isprintable()


SEED_EXAMPLES = [
    # the examples of the two reference pages
    ("Start an MP3 recording of the call", [{"record_call": {"format": "mp3"}}]),
    (
        "Record both sides of the conversation",
        [
            {"record_call": {"beep": True, "terminators": "#"}},
            {"play": {"urls": ["say:Leave your message now", "silence:10"]}},
            {"stop_record_call": {}},
            {"play": {"urls": ["say:Playing back", "${record_call_url}"]}},
        ],
    ),
    (
        "Record only the speaker's side",
        [
            {"record_call": {"beep": True, "direction": "speak"}},
            {"play": {"urls": ["say:Leave your message now", "silence:10"]}},
            {"stop_record_call": {}},
            {"play": {"urls": ["say:Playing back", "${record_call_url}"]}},
        ],
    ),
    (
        "Record some audio and play it back",
        [
            {"play": {"url": "say:Start speaking after the beep. Press hash to end recording."}},
            {"record": {"end_silence_timeout": 3, "beep": True}},
            {"play": {"url": "say:Recording ${record_result}. Playing back recording:"}},
            {"play": {"url": "${record_url}"}},
        ],
    ),
]


@pytest.mark.parametrize("steps", [row[1] for row in SEED_EXAMPLES], ids=[row[0] for row in SEED_EXAMPLES])
def test_the_reference_s_examples(steps: list[dict[str, Any]]) -> None:
    """As YAML and as JSON alike, the examples may run."""
    whole = {"version": "1.0.0", "sections": {"main": steps}}
    for text in (json.dumps(whole, indent=2), yaml.safe_dump(whole, sort_keys=False)):
        assert DIALECT.check(text, "test") == ()


def test_the_samples_are_twins_that_run() -> None:
    """The shipped YAML sample and its JSON twin are valid and say the same."""
    texts = [(SAMPLES / f"record_call.swml.{kind}").read_text() for kind in ("yaml", "json")]
    assert [DIALECT.check(text, "sample") for text in texts] == [(), ()]
    twins = [read(text, "sample").sections for text in texts]
    steps = [[(step.method, step.values) for step in twin["main"]] for twin in twins]
    assert steps[0] == steps[1]
    assert [name for name, _ in steps[0]] == ["answer", "record_call", "sleep", "stop_record_call", "hangup"]


@settings(max_examples=300)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=10)
        | st.sampled_from(["1.0.0", "wav", "${x}", "http://h/", "busy", "say:x", "ring:us", "GET", "silence:1"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.text(max_size=5) | st.sampled_from(["version", "sections", "main", *METHODS, *PROPERTIES]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_tree_is_a_document_or_is_refused(value: Any) -> None:
    """Any JSON whatever gives a document whose every value is of its row's type, or problems; never another error."""
    for whole in (
        value,
        {"sections": {"main": value}},
        *({"sections": {"main": [{method: value}]}} for method in METHODS),
    ):
        try:
            sections = read(json.dumps(whole), "test").sections
        except DocumentError as error:
            found = error.problems
            assert found
            continue
        for step in sections["main"]:
            for name, given_ in step.values.items():
                row = METHODS[step.method].property(name)
                assert row is not None
                if isinstance(given_, (dict, list, tuple, Cond)):
                    continue
                assert row.served is Served.FULLY
