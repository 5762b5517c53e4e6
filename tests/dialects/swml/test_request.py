"""`request`: what goes out, what may not, and what of an answer is left in the variables."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dialects.swml.scope import LONGEST_TEXT
from controller.documents.steps import AudioAt, Done, Failed, Outcome, Play, Request, Response, Step, Wait
from tests.dialects.swml.running import left, outcome_of, run
from tests.dialects.swml.sample import CALL, DIALECT, document

JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
STEPS: list[tuple[str, Request]] = [
    ("url: 'http://h/', method: GET", Request("GET", "http://h/", (), b"", connect=15.0, total=15.0)),
    ("url: 'https://u:p@h/a?b#c', method: DELETE", Request("DELETE", "https://u:p@h/a?b#c", (), b"", 15.0, 15.0)),
    ("url: 'http://h/', method: GET, timeout: 10", Request("GET", "http://h/", (), b"", 10.0, 10.0)),
    (
        "url: 'http://h/', method: GET, timeout: 10, connect_timeout: 2.5",
        Request("GET", "http://h/", (), b"", 2.5, 10.0),
    ),
    (
        "url: 'http://h/', method: GET, timeout: 1, connect_timeout: 5",
        Request("GET", "http://h/", (), b"", 1.0, 1.0),
    ),
    (
        "url: 'http://h/', method: POST, body: {pin: '1', é: [1, true, null]}",
        Request("POST", "http://h/", (JSON,), '{"pin": "1", "é": [1, true, null]}'.encode(), 15.0, 15.0),
    ),
    ("url: 'http://h/', method: PUT, body: {}", Request("PUT", "http://h/", (JSON,), b"{}", 15.0, 15.0)),
    ("url: 'http://h/', method: PUT, body: ''", Request("PUT", "http://h/", (), b"", 15.0, 15.0)),
    ("url: 'http://h/', method: PUT, body: a=b", Request("PUT", "http://h/", (FORM,), b"a=b", 15.0, 15.0)),
    ("url: 'http://h/', method: PUT, body: ' [1]'", Request("PUT", "http://h/", (JSON,), b" [1]", 15.0, 15.0)),
    (
        "url: 'http://h/', method: PUT, body: <a/>",
        Request("PUT", "http://h/", (("Content-Type", "application/xml"),), b"<a/>", 15.0, 15.0),
    ),
    (
        "url: 'http://h/', method: PUT, body: {a: 1}, headers: {content-type: text/x, X-N: 5, Accept: '*/*'}",
        Request(
            "PUT",
            "http://h/",
            (("content-type", "text/x"), ("X-N", "5"), ("Accept", "*/*")),
            b'{"a": 1}',
            15.0,
            15.0,
        ),
    ),
]


@pytest.mark.parametrize(("written", "step"), STEPS)
def test_a_request_is_a_step(written: str, step: Request) -> None:
    """URL, method, headers, body and timeouts as written; a type by the body's first character; 0 is 15 s."""
    assert DIALECT.start(document(f"request: {{{written}}}"), "test", CALL).next(None) == step


def test_variables_stand_in_all_of_it() -> None:
    """In URL, header values, body texts and numbers; objects keep their types in JSON."""
    steps, program, _ = run(
        """
        main:
          - set: {a: x, n: 5, o: {p: [1, null]}, yes: "true"}
          - request: {url: "https://h/${a}?n=${n + 1}", method: POST, timeout: "${n}", save_variables: "${yes}",
                      headers: {Authorization: "Bearer ${a}", X-N: "${n}"},
                      body: {a: "${a}-${n}", n: "${n}", o: "${o}", list: ["${n * 2}", "é"], const: 1.5}}
          - request: {url: "https://h/", method: POST, body: '{"a": "${a}"}'}
        """
    )
    first, second = steps
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert first.url == "https://h/x?n=6"
    assert first.headers == (("Authorization", "Bearer x"), ("X-N", "5"), JSON)
    assert json.loads(first.body) == {"a": "x-5", "n": 5, "o": {"p": [1, None]}, "list": [10, "é"], "const": 1.5}
    assert (first.connect, first.total) == (5.0, 5.0)
    assert second.body == b'{"a": "x"}'
    assert program.variables["request_response"] == {"title": "a title", "n": [1]}


HEADERS = "an object of headers and their values (Accept, Authorization, Content-Type, Range or X-...)"
HEADER = "must be Accept, Authorization, Content-Type, Range or an X- header; got {}"
URL = "must be an http or https URL with a host; got {}"
SECONDS = "must be a number at least 0 and at most 600 (seconds, 0 for {}); got {}"
WRONG: list[tuple[str, list[tuple[str, str]]]] = [
    (
        "request: {}",
        [(".url", "missing: an http or https URL"), (".method", 'missing: "GET", "POST", "PUT" or "DELETE"')],
    ),
    ("request: GET", [("", 'must be an object of properties, as in `request: {}`; got "GET"')]),
    ("url: 'file:///etc/passwd', method: GET", [(".url", URL.format('"file:///etc/passwd"'))]),
    ("url: 'unix:/run/x.sock', method: GET", [(".url", URL.format('"unix:/run/x.sock"'))]),
    ("url: 'http://h/', method: get", [(".method", 'must be "GET", "POST", "PUT" or "DELETE"; got "get"')]),
    ("url: 'http://h/', method: PATCH", [(".method", 'must be "GET", "POST", "PUT" or "DELETE"; got "PATCH"')]),
    ("url: 'http://h/', method: GET, timeout: -1", [(".timeout", SECONDS.format(15, -1))]),
    (
        "url: 'http://h/', method: GET, connect_timeout: 601",
        [(".connect_timeout", SECONDS.format("timeout", 601))],
    ),
    ("url: 'http://h/', method: GET, body: 5", [(".body", "must be text or an object; got 5")]),
    ("url: 'http://h/', method: GET, body: [1]", [(".body", "must be text or an object; got a list")]),
    (
        f"url: 'http://h/', method: PUT, body: '{'x' * 65_537}'",
        [(".body", "must have at most 65536 characters; got 65537")],
    ),
    (
        f"url: 'http://h/', method: PUT, body: {{a: '{'x' * 65_530}'}}",
        [(".body", "must have at most 65536 characters; got 65539")],
    ),
    (
        "url: 'http://h/', method: PUT, body: {a: '${x'}",
        [(".body", '`${` without its `}` (or a quote or bracket in it is not closed); got "${x"')],
    ),
    ("url: 'http://h/', method: GET, headers: []", [(".headers", f"must be {HEADERS}; got a list")]),
    (
        "url: 'http://h/', method: GET, headers: {Host: h, Content-Length: 5, Cookie: c, 'X-a b': d, X-: e, X-f: []}",
        [
            (".headers.Host", HEADER.format('"Host"')),
            (".headers.Content-Length", HEADER.format('"Content-Length"')),
            (".headers.Cookie", HEADER.format('"Cookie"')),
            ('.headers["X-a b"]', HEADER.format('"X-a b"')),
            (".headers.X-", HEADER.format('"X-"')),
            (".headers.X-f", "must be text; got a list"),
        ],
    ),
    (
        'url: "http://h/", method: GET, headers: {X-A: "a\\r\\nHost: evil", X-B: "é", X-C: null}',
        [
            (".headers.X-A", 'must be printable ASCII on one line; got "a\\r\\nHost: evil"'),
            (".headers.X-B", 'must be printable ASCII on one line; got "\\u00e9"'),
            (".headers.X-C", "must be text; got null"),
        ],
    ),
    (
        "url: 'http://h/', method: GET, headers: {X-A: a, x-a: b, Accept: " + "y" * 4_097 + "}",
        [
            (".headers.x-a", "written twice; first on line 3"),
            (".headers.Accept", "must have at most 4096 characters; got 4097"),
        ],
    ),
    (
        "url: 'http://h/', method: GET, headers: {" + ", ".join(f"X-{n}: a" for n in range(33)) + "}",
        [(".headers", "must have at most 32 headers; got 33")],
    ),
]


@pytest.mark.parametrize(("step", "expected"), WRONG)
def test_wrong_requests(step: str, expected: list[tuple[str, str]]) -> None:
    """All that is wrong is told at once: where, on which line, what it must be and what it is."""
    written = step if step.startswith("request") else f"request: {{{step}}}"
    found = [(problem.line, problem.where, problem.message) for problem in DIALECT.check(document(written), "test")]
    assert found == [(3, f"main[0].request{where}", message) for where, message in expected]


ENCODED = [
    ("http://h/${x}", "a b", "http://h/a%20b"),
    ("http://h/?q=${x}&b=${x}", "Zoë \N{SNOWMAN}", "http://h/?q=Zo%C3%AB%20%E2%98%83&b=Zo%C3%AB%20%E2%98%83"),
    ("${x}", 'http://u:p@h/a%20b?c="<d>"\\#e|{}', "http://u:p@h/a%20b?c=%22%3Cd%3E%22%5C#e%7C%7B%7D"),
    ("${x}", "https://h/a%2fb?c=%C3%A9+d&e='1'", "https://h/a%2fb?c=%C3%A9+d&e='1'"),
]


@pytest.mark.parametrize(("url", "x", "sent"), ENCODED)
def test_what_variables_put_into_a_url(url: str, x: str, sent: str) -> None:
    """A space or a letter of another alphabet is percent-encoded, what is encoded already stays; in `play` too."""
    set_x = f"main:\n  - set: {json.dumps({'x': x})}\n"
    steps, _, _ = run(f"{set_x}  - request: {{url: '{url}', method: GET}}\n  - play: {{url: '{url}'}}\n")
    request, play = steps
    assert isinstance(request, Request)
    assert isinstance(play, Play)
    assert (request.url, play.items) == (sent, (AudioAt(sent),))


WRONG_VALUES: list[tuple[str, dict[str, Any], str]] = [
    ("url: '${x}', method: GET", {"x": "file:///etc/passwd"}, "url must be an http or https URL"),
    ("url: 'http://h/${x}', method: GET", {"x": "a\nb"}, "percent-encoded"),
    ("url: 'http://${x}/', method: GET", {"x": "a b"}, "url must be an http or https URL"),
    ("url: 'http://${x}/', method: GET", {"x": "é"}, "percent-encoded"),
    (
        "url: 'http://h/', method: GET, headers: {X-A: '${x}'}",
        {"x": "a\r\nHost: b"},
        "headers must be printable ASCII",
    ),
    ("url: 'http://h/', method: GET, headers: {X-A: '${x}'}", {"x": "y" * 5_000}, "headers must have at most 4096"),
    ("url: 'http://h/', method: PUT, body: 'a${x}${x}'", {"x": "y" * 40_000}, "body a text of more than"),
    ("url: 'http://h/', method: PUT, body: {a: '${x}', b: '${x}'}", {"x": "y" * 40_000}, "body must have at most"),
    ("url: 'http://h/', method: GET, timeout: '${x}'", {"x": 601}, "timeout must be a number at least 0"),
]


@pytest.mark.parametrize(("step", "variables", "message"), WRONG_VALUES)
def test_a_wrong_value_fails_the_request_and_the_script_goes_on(
    step: str, variables: dict[str, Any], message: str
) -> None:
    """Nothing is asked, the results say failed, `script_error` says why, the next step comes."""
    steps, program, _ = run(f"main:\n  - set: {json.dumps(variables)}\n  - request: {{{step}}}\n  - sleep: 5\n")
    assert steps == [Wait(0.005)]
    assert (program.variables["request_result"], program.variables["return_value"]) == ("failed", "failed")
    assert message in json.loads(program.variables["script_error"])["message"]


def answered(outcome: Outcome, properties: str = "") -> dict[str, Any]:
    """What an answer leaves."""

    def answer(step: Step) -> Outcome:
        return outcome if isinstance(step, Request) else outcome_of(step)

    body = f"main: [request: {{url: 'https://u:secret@h/a?b=c', method: POST{properties}}}]"
    found = left(body, CALL, answer)
    found.pop("script_error", None)
    return found


ASKED = {"request_url": "https://h/a?b=c"}
GOOD = {"request_result": "success", "return_value": "success"}
BAD = {"request_result": "failed", "return_value": "failed"}
SAVE = ", save_variables: true"
EXAMPLE = '{ "status": "created", "time": "2 seconds ago", "number": { "home": "n/a" } }'
ANSWERS: list[tuple[Outcome, str, dict[str, Any]]] = [
    (
        Response(200, (("content-type", "text/plain"), (" X-Many ", " 5 ")), "hello"),
        "",
        {
            **ASKED,
            **GOOD,
            "request_response_code": 200,
            "request_response_headers": {"content-type": "text/plain", "x-many": "5"},
            "request_response_body": "hello",
        },
    ),
    (
        Response(201, (), EXAMPLE),
        SAVE,
        {
            **ASKED,
            **GOOD,
            "request_response_code": 201,
            "request_response_headers": {},
            "request_response_body": EXAMPLE,
            "request_response": {"status": "created", "time": "2 seconds ago", "number": {"home": "n/a"}},
        },
    ),
    (
        Response(404, (), '{"error": "none"}'),
        SAVE,
        {
            **ASKED,
            **BAD,
            "request_response_code": 404,
            "request_response_headers": {},
            "request_response_body": '{"error": "none"}',
            "request_response": {"error": "none"},
        },
    ),
    *(
        (
            Response(204, (), text),
            SAVE,
            {
                **ASKED,
                **GOOD,
                "request_response_code": 204,
                "request_response_headers": {},
                "request_response_body": text,
            },
        )
        for text in ("", "no JSON", "5", '"text"', "null", '{"a": NaN}', "[" * 2_000)
    ),
    (Failed("it took too long"), SAVE, {**ASKED, **BAD}),
    (Done(), SAVE, {**ASKED, **BAD}),
]


@pytest.mark.parametrize(("outcome", "properties", "variables"), ANSWERS)
def test_what_an_answer_leaves(outcome: Outcome, properties: str, variables: dict[str, Any]) -> None:
    """The reference's variables; success is a status of 2xx."""
    assert answered(outcome, properties) == variables


@pytest.mark.parametrize(("outcome", "properties", "variables"), ANSWERS)
def test_nothing_stays_of_the_answer_before(outcome: Outcome, properties: str, variables: dict[str, Any]) -> None:
    """Apart from its fields, where the next request was not to save any."""
    text = document(
        "request: {url: 'http://h/', method: GET, save_variables: true}, "
        f"request: {{url: 'https://u:secret@h/a?b=c', method: POST{properties}}}, sleep: 1"
    )
    program = DIALECT.start(text, "test", CALL)
    program.next(None)
    program.next(Response(200, (("x", "y"),), '{"former": 1}'))
    assert program.next(outcome) == Wait(0.001)
    found = dict(program.variables)
    found.pop("script_error", None)
    assert found == (variables if properties else {**variables, "request_response": {"former": 1}})


def test_an_answers_variables_are_used_as_in_the_references_examples() -> None:
    """Fields, headers with their dashes and the status stand in later strings and conditions."""
    found = left(
        """
        main:
          - request: {url: 'http://h/', method: GET, save_variables: true, timeout: 10}
          - set: {said: "the title is: ${request_response.title}", type: "${request_response_headers.content-type}"}
          - switch: {variable: request_result, case: {success: [set: {good: true}]}}
          - cond: [{when: request_response_code == 200, then: [set: {ok: true}]}]
        """
    )
    assert (found["said"], found["type"], found["good"], found["ok"]) == (
        "the title is: a title",
        "application/json",
        True,
        True,
    )


BOUNDS: list[tuple[Response, str, dict[str, Any]]] = [
    (
        Response(200, tuple((f"x-{n}", "v") for n in range(100)), ""),
        "headers",
        {f"x-{n}": "v" for n in range(64)},
    ),
    (Response(200, (("a", "v" * 70_000), ("b", "w")), ""), "headers", {}),
    (Response(200, (), "x" * 70_000), "body", {}),
    (Response(200, (), "\x00" * 65_536), "body", {}),
    (Response(200, (), '"' * 65_536), "body", {}),
]


@pytest.mark.parametrize(("response", "of", "headers"), BOUNDS)
def test_what_is_kept_of_an_answer_is_bounded(response: Response, of: str, headers: dict[str, Any]) -> None:
    """64 headers, 64 kB of text, and no more than twice that in the call's row; what is kept is a beginning."""
    found = answered(response)
    if of == "headers":
        assert found["request_response_headers"] == headers
    body = found["request_response_body"]
    assert response.body.startswith(body)
    assert len(body) <= LONGEST_TEXT
    assert len(json.dumps(body)) <= 2 * LONGEST_TEXT
    if response.body:
        assert len(body) > 10_000


def test_an_answer_too_large_for_a_variable_is_told() -> None:
    """Its text is kept, its fields are not, and `script_error` says so."""

    def answer(step: Step) -> Outcome:
        whole = json.dumps({"a": "x" * 66_000})
        return Response(200, (), whole) if isinstance(step, Request) else outcome_of(step)

    found = left("main: [request: {url: 'http://h/', method: GET, save_variables: true}]", CALL, answer)
    assert found["request_result"] == "success"
    assert "request_response" not in found
    assert "longer than" in json.loads(found["script_error"])["message"]


@settings(max_examples=200)
@given(
    st.integers(100, 599),
    st.lists(st.tuples(st.text(max_size=10), st.text(max_size=10)), max_size=5),
    st.text() | st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists).map(json.dumps),
)
def test_any_answer_can_be_stored(status: int, headers: list[tuple[str, str]], body: str) -> None:
    """Whatever an answer says: its program's state is JSON, and restored it is the same."""
    text = document("request: {url: 'http://h/', method: GET, save_variables: true}, sleep: 1")
    program = DIALECT.start(text, "test", CALL)
    program.next(None)
    assert program.next(Response(status, tuple(headers), body)) == Wait(0.001)
    stored = json.loads(json.dumps(program.snapshot(), allow_nan=False))
    assert DIALECT.restore(text, "test", CALL, stored).snapshot() == stored
