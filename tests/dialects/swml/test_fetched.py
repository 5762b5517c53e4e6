# ruff: noqa: E501 - a row is a document and what becomes of it, on one line
"""`execute` and `transfer` to URLs: what is asked, what becomes of what comes, and how it is bounded and stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controller.dialects.swml import library, machine
from controller.dialects.swml.program import SwmlProgram
from controller.documents.steps import (
    AudioAt,
    Done,
    End,
    Evaluate,
    Failed,
    Fetch,
    Fetched,
    Outcome,
    Play,
    Step,
    Wait,
)
from tests.dialects.swml.running import outcome_of, restored, run
from tests.dialects.swml.sample import ACCOUNT, CALL, DIALECT, document


def web(**pages: str) -> Callable[[Step], Outcome]:
    """A world in which `http://h/<name>` gives these pages, and nothing else."""

    def answer(step: Step) -> Outcome:
        if not isinstance(step, Fetch):
            return outcome_of(step)
        page = pages.get(step.url.removeprefix("http://h/"))
        return Failed("answered 404") if page is None else Fetched(page)

    return answer


def asked(steps: list[Step]) -> list[str]:
    """The URLs that a run asked, and the milliseconds that it slept, in turn."""
    named = [step for step in steps if isinstance(step, (Fetch, Wait))]
    return [step.url if isinstance(step, Fetch) else f"{(step.seconds or 0) * 1000:g}" for step in named]


RETURNS = "sections: {main: [sleep: 1, return: '${params.p + 1}']}"
FLOWS: list[tuple[str, str, dict[str, str], list[str]]] = [
    (
        "execute returns",
        "main: [execute: {dest: 'http://h/a', params: {p: 4}}, sleep: '${parseInt(return_value)}']",
        {"a": RETURNS},
        ["http://h/a", "1", "41"],
    ),
    (
        "on_return and result see what it returned",
        (
            "main: [execute: {dest: 'http://h/a', params: {p: 4}, on_return: [sleep: 5], "
            "result: {case: {'41': [sleep: 6]}, default: [sleep: 7]}}]"
        ),
        {"a": RETURNS},
        ["http://h/a", "1", "5", "6"],
    ),
    (
        "transfer never returns",
        "main: [transfer: {dest: 'http://h/a', params: {p: x}}, sleep: 9]",
        {"a": "sections: {main: [switch: {variable: params.p, case: {x: [sleep: 3]}}]}"},
        ["http://h/a", "3"],
    ),
    (
        "a URL made of variables",
        "main: [set: {host: h, all: 'http://h/b'}, execute: {dest: 'http://${host}/${1 + 1}'}, execute: {dest: '${all}'}]",
        {"2": "sections: {main: [sleep: 2]}", "b": '{"sections": {"main": [{"sleep": 3}]}}'},
        ["http://h/2", "2", "http://h/b", "3"],
    ),
    (
        "its sections and labels are its own",
        "main: [execute: {dest: 'http://h/a'}, execute: {dest: s}]\ns: [sleep: 9]",
        {"a": "sections: {main: [label: l, execute: {dest: s}, goto: {label: l, max: 1}], s: [sleep: 1]}"},
        ["http://h/a", "1", "1", "9"],
    ),
    (
        "a document in a document in a document, inline ones too",
        "main: [execute: {dest: 'http://h/a'}, sleep: 4]",
        {
            "a": "sections: {main: [execute: {dest: 'http://h/b'}, sleep: 3]}",
            "b": 'sections: {main: [execute: {dest: \'{"sections": {"main": [{"sleep": 1}]}}\'}, sleep: 2]}',
        },
        ["http://h/a", "http://h/b", "1", "2", "3", "4"],
    ),
    (
        "the same document within itself",
        "main: [execute: {dest: 'http://h/a', params: {p: 1}}]",
        {
            "a": (
                "sections: {main: [sleep: '${parseInt(params.p)}', cond: [{when: params.p < 3, then: [execute: "
                "{dest: 'http://h/a', params: {p: '${parseInt(params.p) + 1}'}}]}], sleep: '${parseInt(params.p) + 10}']}"
            )
        },
        ["http://h/a", "1", "http://h/a", "2", "http://h/a", "3", "13", "12", "11"],
    ),
    (
        "what cannot be had is passed over",
        "main: [execute: {dest: 'http://h/x'}, transfer: {dest: 'http://h/y'}, sleep: 1]",
        {},
        ["http://h/x", "http://h/y", "1"],
    ),
    ("a section's name is no URL", "main: [execute: {dest: httpx}, sleep: 1]\nhttpx: [sleep: 2]", {}, ["2", "1"]),
]


@pytest.mark.parametrize(("body", "pages", "expected"), [row[1:] for row in FLOWS], ids=[row[0] for row in FLOWS])
def test_flow(body: str, pages: dict[str, str], expected: list[str]) -> None:
    """A run goes through documents at URLs as through sections; each point of it can be restored."""
    assert asked(run(body, CALL, web(**pages))[0]) == expected


def test_what_is_asked() -> None:
    """The variables so far, the step's params with numbers as text, and the call as it is now."""
    text = document(
        "answer: {}, execute: {dest: 'http://u:p@h/a', params: {some_info: 12345, deep: {n: 1}, t: 'x${call.from}'}}"
    )
    program = DIALECT.start(text, "test", CALL)
    program.next(None)
    step = program.next(Done())
    assert step == Fetch(
        "http://u:p@h/a",
        {
            "call": {"call_state": "answered"},
            "vars": {"answer_result": "success"},
            "params": {"some_info": "12345", "deep": {"n": 1}, "t": "x+15550100"},
        },
        "POST",
    )
    assert isinstance(step, Fetch)
    request = DIALECT.fetch(CALL, ACCOUNT, step.method, step.url, step.given)
    body = json.loads(request.body)
    assert list(body) == ["call", "vars", "envs", "params"]
    assert (body["vars"], body["params"]) == (step.given["vars"], step.given["params"])
    assert body["call"] == {
        **json.loads(DIALECT.fetch(CALL, ACCOUNT, "POST", "http://h/").body)["call"],
        "call_state": "answered",
    }


def left(body: str, pages: dict[str, str]) -> dict[str, Any]:
    """The last error of a run."""
    _, program, _ = run(body, CALL, web(**pages))
    error: dict[str, Any] = json.loads(program.variables["script_error"])
    return error


WRONG: list[tuple[str, dict[str, str], str, str]] = [
    ("'http://h/x'", {}, "relay_script_method_execute_failed", "answered 404"),
    ("'http://h/a'", {"a": "a: 1"}, "relay_script_parse_error", "missing: an object with at least the list `main`"),
    ("'http://h/a'", {"a": "\x00"}, "relay_script_parse_error", "a character that a document may not hold"),
    ("'http://h/a'", {"a": "<html>"}, "relay_script_parse_error", "a document is an object"),
    ("'http://h/a'", {"a": "sections: {main: [ai: {}]}"}, "relay_script_parse_error", "the method `ai` is not"),
    ("'http://h/a'", {"a": "x" * 300_000}, "relay_script_parse_error", "more than 262144 characters"),
    ("'http://${x}/'", {}, "relay_script_parse_error", "must be an http or https URL with a host"),
    ("'http://h/${\"a b\"}'", {}, "relay_script_parse_error", "percent-encoded"),
    ("'${\"relay:x\"}'", {}, "relay_script_section_parameter_undefined", 'no section "relay:x"'),
]


@pytest.mark.parametrize("method", ["execute", "transfer"])
@pytest.mark.parametrize(("dest", "pages", "warning", "message"), WRONG)
def test_what_cannot_be_gone_on_with_is_told_and_passed_over(
    method: str, dest: str, pages: dict[str, str], warning: str, message: str
) -> None:
    """The method fails with the reference's code, and the script goes on behind it, without a return value."""
    body = f"main: [set: {{return_value: old}}, {method}: {{dest: {dest}}}, sleep: 5]"
    steps, program, end = run(body, CALL, web(**pages))
    assert steps[-1] == Wait(0.005)
    assert end == End()
    error = json.loads(program.variables["script_error"])
    assert (error["warning"], error["method"], error["section"]) == (warning, method, "main")
    assert message in error["message"]
    assert ("return_value" in program.variables) == (method == "transfer")


def test_an_error_shows_the_document_that_it_is_in() -> None:
    """`script_error` quotes the fetched text, not the first one."""
    page = "sections: {main: [switch: {variable: nothing, case: {a: [sleep: 1]}}]}"
    error = left("main: [execute: {dest: 'http://h/a'}]", {"a": page})
    assert error["document"] == page
    assert error["warning"] == "relay_script_method_no_matching_condition"


def program_at(text: str, outcomes: list[Outcome]) -> tuple[SwmlProgram, Step | End]:
    """A program after these outcomes."""
    program = DIALECT.start(text, "test", CALL)
    step = program.next(None)
    for outcome in outcomes:
        step = program.next(outcome)
    return program, step


def test_a_restart_goes_on_with_the_very_same_text() -> None:
    """The fetched text is in the snapshot while it runs, nothing is asked anew, and it is forgotten when left."""
    text = document("execute: {dest: 'http://h/a'}, sleep: 9")
    page = "sections: {main: [sleep: 1, sleep: 2]}"
    program, step = program_at(text, [Fetched(page)])
    assert step == Wait(0.001)
    assert program.snapshot()["documents"] == [[1, page]]
    again = restored(program, text, CALL)
    assert again.next(None) == Wait(0.001)
    assert again.next(Done()) == Wait(0.002)
    assert again.next(Done()) == Wait(0.009)
    assert again.snapshot()["documents"] == []


def test_the_same_text_is_kept_once() -> None:
    """A document that executes itself, and one that two URLs give, take their room once."""
    page = "sections: {main: [execute: {dest: 'http://h/b'}, sleep: 1]}"
    program, step = program_at(document("execute: {dest: 'http://h/a'}"), [Fetched(page), Fetched(page)])
    assert isinstance(step, Fetch)
    assert program.snapshot()["documents"] == [[1, page]]
    assert len(program.snapshot()["frames"]) == 3


def test_a_transfer_forgets_what_it_leaves() -> None:
    """However many documents lead to each other, one is kept; the 33rd transfer ends the script without asking."""
    text = document("transfer: {dest: 'http://h/0'}")
    program = DIALECT.start(text, "test", CALL)
    step, count = program.next(None), 0
    while isinstance(step, Fetch):
        assert len(program.snapshot()["documents"]) <= 1
        count += 1
        step = program.next(Fetched(f"sections: {{main: [transfer: {{dest: 'http://h/{count}'}}]}}"))
    assert step == End()
    assert count == machine.MAX_TRANSFERS
    assert json.loads(str(program.variables["script_error"]))["warning"] == "relay_script_too_many_transfers"


def test_documents_that_run_are_bounded_together() -> None:
    """One within another up to a number of characters; then the last one is refused and the script goes on."""
    filler = "x" * 100_000
    program = DIALECT.start(document("execute: {dest: 'http://h/0'}, sleep: 9"), "test", CALL)
    step, count = program.next(None), 0
    while not isinstance(step, Wait):
        if not isinstance(step, Fetch):
            step = program.next(Done())
            continue
        count += 1
        page = f"sections: {{main: [execute: {{dest: 'http://h/{count}', meta: {{m: '{filler}'}}}}, sleep: {count}]}}"
        step = program.next(Fetched(page))
        kept = sum(len(page) for _, page in program.snapshot()["documents"])
        assert kept <= library.MOST_FETCHED
    assert (step, count) == (Wait(0.002), 3)
    assert "together have more than 262144" in json.loads(str(program.variables["script_error"]))["message"]


def test_a_document_that_executes_itself_twice_ends() -> None:
    """Nesting is bounded, and so is how often a call asks anybody: nobody's server is flooded."""
    page = "sections: {main: [execute: {dest: 'http://h/a'}, execute: {dest: 'http://h/a'}]}"
    program = DIALECT.start(document("execute: {dest: 'http://h/a'}"), "test", CALL)
    step, count = program.next(None), 0
    while not isinstance(step, End):
        assert isinstance(step, (Fetch, Evaluate))
        count += isinstance(step, Fetch)
        step = program.next(Fetched(page) if isinstance(step, Fetch) else Done())
    assert count == machine.MAX_FETCHES


def test_an_outcome_of_another_kind_is_a_failure() -> None:
    """A program never raises on an outcome: what is no document is passed over."""
    program, step = program_at(document("execute: {dest: 'http://h/a'}, sleep: 1"), [Done()])
    assert step == Wait(0.001)
    assert "no document came" in json.loads(str(program.variables["script_error"]))["message"]


def test_the_first_document_may_be_restored_from_an_older_snapshot() -> None:
    """A snapshot that was stored before documents could be fetched has none."""
    text = document("sleep: 1, sleep: 2")
    program, _ = program_at(text, [])
    stored = {key: value for key, value in program.snapshot().items() if key not in {"documents", "fetches"}}
    assert DIALECT.restore(text, "test", CALL, stored).snapshot() == program.snapshot()


def test_the_references_example() -> None:
    """A subroutine plays what it was given; its document may come in YAML or JSON, whatever else it says."""
    page = json.dumps({"version": "1.0.0", "sections": {"main": [{"play": {"url": "${params.to_play}"}}]}})
    body = "main: [execute: {dest: 'http://h/a', params: {to_play: 'https://cdn.example.com/a.mp3'}}]"
    steps, _, _ = run(body, CALL, web(a=page))
    assert steps[1:] == [Play((AudioAt("https://cdn.example.com/a.mp3"),))]


def test_relay_destinations_are_refused_by_name() -> None:
    """The reference has them, and says that they are not implemented."""
    (problem,) = DIALECT.check(document("transfer: {dest: 'relay:app'}"), "test")
    assert problem.message == "relay: destinations are not supported in this version"


def test_the_accounts_ids_are_the_calls() -> None:
    """A program that was told its account has its ids in `call`, restored or not; they are empty otherwise."""
    text = document("set: {a: '${call.project_id} ${space_id}'}, sleep: 1")
    for account, expected in ((ACCOUNT, "project-1 space-1"), (None, " ")):
        program = DIALECT.start(text, "test", replace(CALL, account="acme"), account)
        again = restored(program, text, CALL)
        again.next(None)
        assert again.variables["a"] == expected
