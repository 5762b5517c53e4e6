"""connect: whom it dials, what is refused by name, and what it leaves."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from controller.dialects.swml.document import read
from controller.dialects.swml.methods import METHODS
from controller.dialects.swml.rows import Served
from controller.documents.dialect import DocumentError
from controller.documents.steps import (
    Dial,
    Dialled,
    DialStatus,
    Failed,
    Outcome,
    Party,
    PartyKind,
    Play,
    Speech,
    Step,
)
from tests.dialects.swml.running import left, outcome_of, run


def number(address: str, caller: str = "") -> Party:
    return Party(PartyKind.NUMBER, address, caller)


def sip(address: str, caller: str = "") -> Party:
    return Party(PartyKind.SIP, address, caller)


def document(value: str, *more: str) -> str:
    """The sections of a document."""
    return "main:\n" + "".join(f"  - {step}\n" for step in (f"connect: {value}", *more))


def with_outcome(outcome: Outcome) -> Callable[[Step], Outcome]:
    """Where all else goes well."""
    return lambda step: outcome if isinstance(step, Dial) else outcome_of(step)


STEPS: list[tuple[str, Dial]] = [
    ("{to: '+15551231234'}", Dial(((number("+15551231234"),),), 60.0, 14400.0, answer=True)),
    (
        "{to: 'sip:alice@example.com', from: '+15551112222', timeout: 20, max_duration: 60, answer_on_bridge: true}",
        Dial(((sip("sip:alice@example.com", "+15551112222"),),), 20.0, 60.0),
    ),
    (
        "{timeout: 20, serial: [{from: 'sip:chris@example.com', to: 'sip:alice@example.com'}, {to: '*97'}]}",
        Dial(((sip("sip:alice@example.com", "chris"),), (number("*97"),)), 20.0, 14400.0, answer=True),
    ),
    (
        "{from: '1', parallel: [{to: '+15551231234'}, {to: '+15553214321', from: '2'}]}",
        Dial(((number("+15551231234", "1"), number("+15553214321", "2")),), 60.0, 14400.0, answer=True),
    ),
    (
        "{serial_parallel: [[{to: '1'}, {to: '2'}], [{to: '3'}]]}",
        Dial(((number("1"), number("2")), (number("3"),)), 60.0, 14400.0, answer=True),
    ),
    (
        "{serial_parallel: [[{to: '%{call.to_number}'}, {to: 'sip:${call.to_number}@pbx'}]], timeout: '${1 + 1}'}",
        Dial(((number("1001"), sip("sip:1001@pbx")),), 2.0, 14400.0, answer=True),
    ),
]


@pytest.mark.parametrize(("value", "step"), STEPS)
def test_whom_it_dials(value: str, step: Dial) -> None:
    """One, one after another, at once, or both; each shown its own number, else the method's."""
    assert run(document(value))[0] == [step]


WRONG: list[tuple[str, str, str]] = [
    ("{}", "main[0].connect", "`to` or `serial` or `parallel` or `serial_parallel`; got neither"),
    ("{to: '1', parallel: [{to: '2'}]}", "main[0].connect", "got `to` and `parallel`"),
    ("{to: 1000}", "main[0].connect.to", "as text; got 1000"),
    ("{to: '1000,loopback/app=system:touch x'}", "main[0].connect.to", "must be a number"),
    ("{to: '[execute_on_answer=system touch x]1000'}", "main[0].connect.to", "must be a number"),
    ("{to: '1|2'}", "main[0].connect.to", "must be a number"),
    ("{to: 'queue:support'}", "main[0].connect.to", "`queue:` destinations are not supported"),
    ("{to: 'stream:wss://example.com/a'}", "main[0].connect.to", "`stream:` destinations are not supported"),
    ("{to: /public/test_room}", "main[0].connect.to", "resource addresses are not supported"),
    ("{to: '1', from: 'Ada <1>'}", "main[0].connect.from", "must be a number, or a SIP URI"),
    ("{to: '1', from: 'a,b=c'}", "main[0].connect.from", "must be a number, or a SIP URI"),
    ("{to: '1', timeout: 0}", "main[0].connect.timeout", "at least 1"),
    ("{to: '1', max_duration: 0}", "main[0].connect.max_duration", "at least 1"),
    ("{to: '1', encryption: mandatory}", "main[0].connect.encryption", "unless at its default"),
    ("{to: '1', webrtc_media: true}", "main[0].connect.webrtc_media", "unless at its default"),
    ("{to: '1', tiemout: 3}", "main[0].connect.tiemout", "did you mean `timeout`?"),
    ("{serial: []}", "main[0].connect.serial", "got an empty list"),
    ("{serial: ['1']}", "main[0].connect.serial[0]", "must be an object with `to`"),
    ("{serial: [{}]}", "main[0].connect.serial[0].to", "missing"),
    ("{serial: [{to: '1', timeout: 3}]}", "main[0].connect.serial[0].timeout", "not supported in this version"),
    ("{serial: [{to: '1', too: 3}]}", "main[0].connect.serial[0].too", "did you mean `to`?"),
    ("{serial: [{to: '1', from: 'a b'}]}", "main[0].connect.serial[0].from", "must be a number"),
    ("{parallel: {to: '1'}}", "main[0].connect.parallel", "got an object"),
    (f"{{parallel: [{', '.join(['{to: 1}'] * 11)}]}}", "main[0].connect.parallel", "at most 10"),
    ("{serial_parallel: [{to: '1'}]}", "main[0].connect.serial_parallel[0]", "got an object"),
    ("{serial_parallel: [[{to: 'x'}]]}", "main[0].connect.serial_parallel[0][0].to", "must be a number"),
    ("{to: '${a'}", "main[0].connect.to", "got"),
    *(
        (f"{{to: '1', {row.name}: x}}", f"main[0].connect.{row.name}", "not supported in this version: leave it out")
        for row in METHODS["connect"].properties
        if row.served is Served.NOT_YET
    ),
]


@pytest.mark.parametrize(("value", "where", "message"), WRONG)
def test_what_is_refused(value: str, where: str, message: str) -> None:
    """By name and place, before anything runs."""
    with pytest.raises(DocumentError) as caught:
        read("sections:\n" + textwrap.indent(document(value), "  "), "test")
    [problem] = caught.value.problems
    assert (problem.line, problem.where) == (3, where)
    assert message in problem.message


OUTCOMES: list[tuple[Outcome, dict[str, Any]]] = [
    (
        Dialled(DialStatus.ANSWERED, number("1"), "leg", 3.0),
        {"connect_result": "connected", "return_value": "connected"},
    ),
    *(
        (
            Dialled(status, reason="UNALLOCATED_NUMBER"),
            {"connect_result": "failed", "return_value": "failed", "connect_failed_reason": reason},
        )
        for status, reason in (
            (DialStatus.BUSY, "busy"),
            (DialStatus.NO_ANSWER, "no_answer"),
            (DialStatus.CANCELED, "cancel"),
            (DialStatus.FAILED, "UNALLOCATED_NUMBER"),
        )
    ),
    (
        Failed("no"),
        {"connect_result": "failed", "return_value": "failed", "connect_failed_reason": "nobody was dialled"},
    ),
]


@pytest.mark.parametrize(("outcome", "expected"), OUTCOMES)
def test_what_it_leaves(outcome: Outcome, expected: dict[str, Any]) -> None:
    """connect_result, the same in return_value, and why nobody was connected."""
    found = left(document("{to: '1'}"), outcome_of=with_outcome(outcome))
    assert {name: value for name, value in found.items() if name != "script_error"} == expected


RESULTS = {
    "switch": "{case: {connected: [{play: {url: 'say:good'}}]}, default: [{play: {url: 'say:bad'}}]}",
    "cond": "[{when: connect_result == 'connected', then: [{play: {url: 'say:good'}}]},"
    " {else: [{play: {url: 'say:bad'}}]}]",
}


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize(("status", "said"), [(DialStatus.ANSWERED, "good"), (DialStatus.BUSY, "bad")])
def test_the_result_is_acted_on(kind: str, status: DialStatus, said: str) -> None:
    """When they have parted; then the steps behind it follow."""
    text = document(f"{{to: '1', result: {RESULTS[kind]}}}", "play: {url: 'say:after'}")
    steps, _, _ = run(text, outcome_of=with_outcome(Dialled(status, reason="x")))
    assert [type(step) for step in steps] == [Dial, Play, Play]
    spoken = [step.items[0] for step in steps if isinstance(step, Play)]
    assert spoken == [Speech(said), Speech("after")]


def test_a_hostile_variable_dials_nobody() -> None:
    """What a variable gives is judged as what is written: the method fails, its result is acted on."""
    text = document(
        f"{{to: '${{hostile}}', result: {RESULTS['switch']}}}",
    ).replace("main:\n", "main:\n  - set: {hostile: '1000,loopback/app=system:touch x'}\n")
    steps, program, _ = run(text)
    assert [type(step) for step in steps] == [Play]
    assert program.variables["connect_result"] == "failed"
    assert "must be a number" in program.variables["script_error"]
