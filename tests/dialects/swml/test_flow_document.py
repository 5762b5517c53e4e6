# ruff: noqa: E501 - a row is a document and its problem, on one line
"""What is wrong with flow before anything runs: names that are nowhere, shapes, expressions that cannot be right."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dialects.swml.templates import Malformed, Path, Script, Template, condition, template
from tests.dialects.swml.sample import DIALECT

INLINE = '{"sections": {"main": [%s]}}'
BRANCHES = "must be a list of conditions, each an object of `when` and `then`, and at most one `else`; got {}"
DESTINATION = "must be a section's name, an http or https URL or an inline document; got {}"
NAME = "a variable has a name of letters, digits, _, - and $, none of call, envs, params and vars; got {}"

WRONG: list[tuple[str, str, str]] = [
    (
        "goto: {label: x}",
        "main[0].goto.label",
        'no label "x" in its list of steps, or one around it in the same section',
    ),
    ("goto: {}", "main[0].goto.label", "missing: text without variables"),
    (
        "goto: {label: '${x}'}",
        "main[0].goto.label",
        'must be text without variables: no variable may stand for it; got "${x}"',
    ),
    ("label: ''", "main[0].label", "must have 1 to 256 characters; got 0"),
    ("label: 1", "main[0].label", "must be text without variables; got 1: put it in quotes"),
    ("label: {}", "main[0].label", "must be text without variables; got an object"),
    (
        "goto: {label: l, max: 0}, label: l",
        "main[0].goto.max",
        "must be a whole number at least 1 and at most 100; got 0",
    ),
    (
        "goto: {label: l, max: 101}, label: l",
        "main[0].goto.max",
        "must be a whole number at least 1 and at most 100; got 101",
    ),
    ("goto: {label: l, when: ''}, label: l", "main[0].goto.when", 'an empty expression; got ""'),
    ("goto: {label: l, when: 5}, label: l", "main[0].goto.when", "must be a JavaScript condition, as text; got 5"),
    ("label: l, label: l", "main[1].label", 'a second label "l" in one list of steps'),
    (
        "cond: [{else: [label: l]}], goto: {label: l}",
        "main[1].goto.label",
        'no label "l" in its list of steps, or one around it in the same section',
    ),
    ("cond: {}", "main[0].cond", BRANCHES.format("an object")),
    ("cond: [5]", "main[0].cond[0]", "must be an object of `when` and `then`, or of `else` alone"),
    ("cond: [{}]", "main[0].cond[0]", "must be an object of `when` and `then`, or of `else` alone"),
    ("cond: [{when: a}]", "main[0].cond[0]", "must be an object of `when` and `then`, or of `else` alone"),
    ("cond: [{when: a, than: []}]", "main[0].cond[0]", "must be an object of `when` and `then`, or of `else` alone"),
    (
        "cond: [{when: 'a(', then: [hangup: {}]}]",
        "main[0].cond[0].when",
        'a quote or bracket of the expression is not closed; got "a("',
    ),
    (
        "cond: [{when: '/${a}/.test(b)', then: [hangup: {}]}]",
        "main[0].cond[0].when",
        'no variable may stand in a regular expression; got "/${a}/.test(b)"',
    ),
    (
        "cond: [{when: '${a == 1', then: [hangup: {}]}]",
        "main[0].cond[0].when",
        '`${` without its `}`; got "${a == 1"',
    ),
    ("cond: [{else: [hangup: {}]}, {when: a, then: [hangup: {}]}]", "main[0].cond[1]", "nothing can follow `else`"),
    ("cond: [{when: a, then: {hangup: {}}}]", "main[0].cond[0].then", "must be a list of steps; got an object"),
    (
        "cond: [{when: a, then: [{xyzzy: {}}]}]",
        "main[0].cond[0].then[0]",
        'unknown method "xyzzy"; supported are answer, hangup, sleep, record, record_call, stop_record_call, play, prompt, send_digits, connect, request, set, unset, label, goto, cond, switch, execute, return, transfer',
    ),
    (
        "switch: {case: {a: [hangup: {}]}}",
        "main[0].switch.variable",
        "missing: a variable's name or path, as in `call.type` or `return_value`",
    ),
    (
        "switch: {variable: a + b, case: {a: [hangup: {}]}}",
        "main[0].switch.variable",
        'must be a variable\'s name or path, as in `call.type` or `return_value`; got "a + b"',
    ),
    ("switch: {variable: a}", "main[0].switch.case", "missing: an object of lists of steps"),
    ("switch: {variable: a, case: []}", "main[0].switch.case", "must be an object of lists of steps; got a list"),
    ("switch: {variable: a, case: {b: 5}}", "main[0].switch.case.b", "must be a list of steps; got 5"),
    ("switch: []", "main[0].switch", "must be an object of properties, as in `switch: {}`; got a list"),
    ("execute: {dest: mian}", "main[0].execute.dest", 'no section "mian"; there are "main" (did you mean `main`?)'),
    ("execute: {}", "main[0].execute.dest", "missing: a section's name, an http or https URL or an inline document"),
    ("execute: {dest: 5}", "main[0].execute.dest", DESTINATION.format("5")),
    ("execute: {dest: ' '}", "main[0].execute.dest", DESTINATION.format('" "')),
    (
        "execute: {dest: 'https://'}",
        "main[0].execute.dest",
        'must be an http or https URL with a host; got "https://"',
    ),
    (
        "transfer: {dest: 'HTTP://a b/'}",
        "main[0].transfer.dest",
        'must be an http or https URL whose other characters are percent-encoded; got "HTTP://a b/"',
    ),
    (
        "transfer: {dest: 'relay:app'}",
        "main[0].transfer.dest",
        "relay: destinations are not supported in this version",
    ),
    (
        "transfer: {dest: '${x'}",
        "main[0].transfer.dest",
        '`${` without its `}` (or a quote or bracket in it is not closed); got "${x"',
    ),
    ("execute: {dest: main, params: []}", "main[0].execute.params", "must be an object; got a list"),
    (
        "execute: {dest: main, result: 5}",
        "main[0].execute.result",
        "must be an object as of `switch`, or a list as of `cond`; got 5",
    ),
    ("execute: {dest: main, result: {}}", "main[0].execute.result.case", "missing: an object of lists of steps"),
    (
        "execute: {dest: main, results: []}",
        "main[0].execute.results",
        "unknown; execute knows dest, params, meta, on_return, result (did you mean `result`?)",
    ),
    (
        f"execute: {{dest: '{INLINE % 5}'}}",
        "main[0].execute.dest: main[0]",
        "line 1 of the inline document: a step is an object with one key, its method, as in `hangup: {}`; got 5",
    ),
    (
        "execute: {dest: '{\"sections\": 5'}",
        "main[0].execute.dest",
        "line 1 of the inline document: not readable as JSON: expected `}`, found the end",
    ),
    ("set: 5", "main[0].set", "must be an object of variable names and values; got 5"),
    ("set: {'a b': 1}", "main[0].set", NAME.format('"a b"')),
    ("set: {call: 1}", "main[0].set", NAME.format('"call"')),
    ("set: {__proto__: 1}", "main[0].set", NAME.format('"__proto__"')),
    (
        "set: {a: '${x'}",
        "main[0].set.a",
        '`${` without its `}` (or a quote or bracket in it is not closed); got "${x"',
    ),
    ("set: {a: [{b: '${x]}'}]}", "main[0].set.a", '`]` closes nothing in the expression; got "${x]}"'),
    ("unset: 5", "main[0].unset", "must be a variable's name or a list of such names; got 5"),
    ("unset: []", "main[0].unset", "must be a variable's name or a list of such names; got a list"),
    ("unset: [a, 5]", "main[0].unset", "must be a variable's name or a list of such names; got a list"),
    ("unset: '${x}'", "main[0].unset", NAME.format('"${x}"')),
    (
        "return: '${while(1);}'",
        "main[0].return",
        '`while` is not part of SWML\'s expressions: no functions, loops, async or imports; got "${while(1);}"',
    ),
    (
        "return: '${" + "1" * 1024 + "}'",
        "main[0].return",
        'an expression has fewer than 1024 characters; got 1024; got "${' + "1" * 38 + '..."',
    ),
]


@pytest.mark.parametrize(("steps", "where", "message"), WRONG)
def test_wrong_flow(steps: str, where: str, message: str) -> None:
    """Each is one problem, with its line and place, before anything runs."""
    listed = "\n".join(f"    - {{{step}}}" for step in _split(steps))
    found = DIALECT.check(f"sections:\n  main:\n{listed}\n", "test")
    assert [(problem.where, problem.message) for problem in found] == [(where, message)]
    assert found[0].line == 3 + int(where[5])


def _split(steps: str) -> list[str]:
    """Split flow steps at the commas that are in no bracket or quote."""
    parts, depth, quoted = [""], 0, ""
    for character in steps:
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "'\"":
            quoted = character
        else:
            depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def test_inline_documents_in_each_other_are_bounded() -> None:
    """A text within a text within a text is refused beyond four, by name."""
    text = '{"sections": {"main": [{"hangup": {}}]}}'
    for _ in range(6):
        text = json.dumps({"sections": {"main": [{"execute": {"dest": text}}]}})
    (problem,) = DIALECT.check(text, "test")
    assert problem.message.endswith(
        "line 1 of the inline document: inline documents lie more than 4 deep in each other"
    )


def test_a_problem_of_an_inline_document_tells_its_line_there() -> None:
    """The line of the problem is the outer document's, as everywhere; the message has the inner one."""
    inner = '{\n "sections": {\n  "main": [\n   {"hangup": {"reason": "x"}}]}}'
    (problem,) = DIALECT.check(f"sections:\n  main:\n  - transfer: {{dest: {json.dumps(inner)}}}\n", "test")
    assert (problem.line, problem.where) == (3, "main[0].transfer.dest: main[0].hangup.reason")
    assert problem.message.startswith('line 4 of the inline document: must be "hangup", "busy" or "decline"')


EMPTY = [
    "sections: {main: []}",
    "sections: {main: [cond: []]}",
    "sections: {main: [cond: [{when: a, then: []}, {else: []}]]}",
    "sections: {main: [switch: {variable: a, case: {b: []}, default: []}]}",
    "sections: {main: [execute: {dest: more, on_return: [], result: []}], more: []}",
]


@pytest.mark.parametrize("text", EMPTY)
def test_lists_of_steps_may_be_empty(text: str) -> None:
    """SignalWire's schema has no least number of steps or branches."""
    assert DIALECT.check(text, "test") == ()


def test_conditions_may_lie_deep_in_each_other() -> None:
    """Fifteen conditions within each other are read, what is deeper than 64 is refused, whatever runs the reader."""
    steps: list[object] = [{"hangup": {}}]
    for depth in range(30):
        (*_, problem) = (None, *DIALECT.check(json.dumps({"sections": {"main": steps}}), "test"))
        assert (problem is None) == (depth <= 15), depth
        steps = [{"cond": [{"when": "a", "then": steps}]}]
    assert problem is not None
    assert problem.message == "lists and objects lie more than 64 deep in each other"


def test_many_wrong_names_are_told_at_the_cost_of_a_few() -> None:
    """Sections that are not there, among as many that are: each is told, the nearest is looked for within bounds."""
    sections: dict[str, object] = {f"section_{index}": [{"answer": {}}] for index in range(1800)}
    main = [{"execute": {"dest": f"sektion_{index}"}} for index in range(1800)]
    problems = DIALECT.check(json.dumps({"sections": {"main": main, **sections}}), "test")
    assert "did you mean `section_0`?" in problems[0].message
    assert problems[-1].message == "and 1750 more problems"


@pytest.mark.parametrize(
    ("expressions", "message"),
    [
        (["${1+1}"] * 201, "has 201 expressions of 603 characters together; at most 200 of 65536"),
        (["${'" + "x" * 1000 + "'}"] * 66, "has 66 expressions of 66132 characters together; at most 200 of 65536"),
    ],
)
def test_one_value_has_so_much_javascript_at_most(expressions: list[str], message: str) -> None:
    """A list of thousands of expressions is refused by its place; as many entries of a `set` are evaluated in turn."""
    main = [{"set": {"x": 1, "y": expressions}}, {"execute": {"dest": "main", "params": {"p": expressions}}}]
    first, second = DIALECT.check(json.dumps({"sections": {"main": main}}), "test")
    assert (first.where, second.where) == ("main[0].set", "main[1].execute.params")
    assert message in first.message
    assert message in second.message
    entries = {f"x{n}": expression for n, expression in enumerate(expressions)}
    assert DIALECT.check(json.dumps({"sections": {"main": [{"set": entries}]}}), "test") == ()


def test_places_of_long_names_stay_apart() -> None:
    """Sections whose names begin alike for long are two sections; messages show little of them."""
    names = ["é" * 50 + end for end in "ab"]
    text = f"sections:\n  main: [execute: {{dest: {names[1]}}}]\n  {names[0]}: [sleep: 1]\n  {names[1]}: [sleep: 2]\n"
    assert DIALECT.check(text, "test") == ()


PARTS: list[tuple[str, str | tuple[object, ...]]] = [
    ("a", "a"),
    ("${a}", (Path("${a}", ("a",)),)),
    ("x %{ a.b[0] } y", ("x ", Path("%{ a.b[0] }", ("a", "b", "0")), " y")),
    ("${a}${b}", (Path("${a}", ("a",)), Path("${b}", ("b",)))),
    ("${a + '}'}", (Script("${a + '}'}", "a + '}'"),)),
    ("${a / b / {c: 1}.c}", (Script("${a / b / {c: 1}.c}", "a / b / {c: 1}.c"),)),
    ("${a.match(/[}/]/)}", (Script("${a.match(/[}/]/)}", "a.match(/[}/]/)"),)),
    ('${"\\"}"}', (Script('${"\\"}"}', '"\\"}"'),)),
    ("${a.for}", (Path("${a.for}", ("a", "for")),)),
    ("${b + a.for}", (Script("${b + a.for}", "b + a.for"),)),
    ("${'for while'}", (Script("${'for while'}", "'for while'"),)),
    ("${this}", (Script("${this}", "this"),)),
    ("${a++ / 2}", (Script("${a++ / 2}", "a++ / 2"),)),
    ("${a-- / b /c}", (Script("${a-- / b /c}", "a-- / b /c"),)),
    ("${a + /'/.source}", (Script("${a + /'/.source}", "a + /'/.source"),)),
    ("${a /* it's } */ + b}", (Script("${a /* it's } */ + b}", "a /* it's } */ + b"),)),
    ("${a /*/ ' */ + b}", (Script("${a /*/ ' */ + b}", "a /*/ ' */ + b"),)),
    ("${a // it's }\n + b}", (Script("${a // it's }\n + b}", "a // it's }\n + b"),)),
]


@pytest.mark.parametrize(("text", "parts"), PARTS)
def test_placeholders_end_where_their_braces_do(text: str, parts: str | tuple[object, ...]) -> None:
    """Braces in quotes, regular expressions and objects end no placeholder; words in them are no keywords."""
    found = template(text)
    assert (found.parts if isinstance(found, Template) else found) == parts


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("a == 1", "a == 1"),
        ("${a} == %{b.c}", "(a) == (b.c)"),
        ("${${a}}", "((a))"),
        ("${ {a: 1}.a } > 0", "( {a: 1}.a ) > 0"),
        ("${a} / 2 > ${b} /* it's */", "(a) / 2 > (b) /* it's */"),
        ("`<${a}>` == b", "`<${a}>` == b"),
        ("'\\${a}' == b", "'\\${a}' == b"),
    ],
)
def test_conditions(text: str, script: str) -> None:
    """A condition is JavaScript as it stands; a placeholder in it is the expression in it."""
    assert condition(text) == script


def test_a_condition_of_any_length_is_refused_at_once() -> None:
    """A long condition is measured as it was written, before its placeholders are looked at, each at its cost."""
    with pytest.raises(Malformed, match="fewer than 1024 characters; got 240000"):
        condition("${a}" * 60_000)


@settings(max_examples=300)
@given(st.text("ab.[]{}()$%'\"`/\\ 0-1,é\n", max_size=30))
def test_any_text_is_a_template_or_malformed(text: str) -> None:
    """Every text is read in one pass, and its parts are all of it."""
    for read in (template, condition):
        try:
            found = read(text)
        except Malformed:
            continue
        if isinstance(found, Template):
            assert "".join(part if isinstance(part, str) else part.text for part in found.parts) == text
