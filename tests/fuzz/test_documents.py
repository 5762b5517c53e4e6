"""Documents of anybody's: each is a program, or a refusal that says where and why; a program takes any outcome."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.dialects.swml import yaml_text
from controller.documents import steps
from controller.documents.call import Call, CallInfo
from controller.documents.dialect import Dialect, DocumentError, Problem, Program
from controller.documents.steps import End, Evaluate, Outcome, Step
from controller.recordings.model import RecordingRequest, StatusTarget
from controller.switch import commands_dial
from tests.dialects.plivo import sample as plivo
from tests.dialects.swml import sample as swml
from tests.dialects.twiml import sample as twiml
from tests.fuzz.documents import LANGUAGES, hostile, outcomes
from tests.fuzz.profile import fuzz
from tests.fuzz.texts import texts

DIALECTS: dict[str, tuple[Dialect, Call]] = {
    "swml": (swml.DIALECT, swml.CALL),
    "twiml": (twiml.dialect(), twiml.CALL),
    "plivo": (plivo.dialect(), plivo.CALL),
}
ACCOUNTS = {"swml": swml.ACCOUNT, "twiml": twiml.TWILIO, "plivo": plivo.PLIVO}
each_language = pytest.mark.parametrize("language", DIALECTS)
_UNHEARD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


# Reading


def judged(language: str, text: str) -> bool:
    """Whether a document may run; where not, each of its problems is one line that says where and why."""
    dialect, call = DIALECTS[language]
    problems = dialect.check(text, call.document)
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029") + 1
    for problem in problems:
        assert 0 <= problem.line <= lines
        assert problem.message
        assert len(str(problem)) < 2_000
        assert str(problem).isprintable(), str(problem)
    assert problems == refusals(lambda: dialect.start(text, call.document, call, ACCOUNTS[language]))
    return not problems


def refusals(work: Callable[[], object]) -> tuple[Problem, ...]:
    """The problems for which a document is refused."""
    try:
        work()
    except DocumentError as refused:
        return refused.problems
    return ()


@each_language
@fuzz(150)
@given(data=st.data())
def test_any_text_is_a_program_or_a_refusal(language: str, data: st.DataObject) -> None:
    """What is spoiled in a few places, and what never was a document."""
    judged(language, data.draw(hostile(language)))


@each_language
def test_what_is_made_from_the_tables_mostly_runs(language: str) -> None:
    """The generators of this file are worth their time: of their documents enough are accepted."""
    seen: list[bool] = []

    @fuzz(60)
    @given(LANGUAGES[language])
    def count(text: str) -> None:
        seen.append(judged(language, text))

    count()
    assert sum(seen) * 5 > len(seen)


def doing(step: dict[str, Any]) -> str:
    return json.dumps({"sections": {"main": [step]}})


def saying(text: str) -> str:
    return doing({"play": f"say:{text}"})


def within(element: str, text: str) -> str:
    return f"<Response>{element % text}</Response>"


DANGEROUS = {
    "depth of JSON": ("swml", '{"sections": ' + "[" * 100_000),
    "depth of YAML": ("swml", "- " * 30_000 + "x"),
    "depth of flow": ("swml", "[" * 100_000 + "\n"),
    "aliases": ("swml", "a: &a [x]\n" + "".join(f"{n}: &{n} [*a, *a]\n" for n in range(9))),
    "merge keys": ("swml", "sections: {main: [{<<: {play: 1}}]}"),
    "doubled keys": ("swml", '{"sections": {"main": []}, "sections": {"main": []}}'),
    "tags": ("swml", "sections: !!python/object/apply:os.system [ls]"),
    "numbers": ("swml", f"sections: {{main: [{{sleep: {'9' * 5_000}}}]}}"),
    "exponents": ("swml", '{"sections": {"main": [{"sleep": 1e999999999}]}}'),
    "directives": ("swml", f"%YAML 1.{'1' * 5_000}\n---\nsections: {{}}"),
    "escapes": ("swml", r'sections: {main: [{play: "say:\UFFFFFFFF"}]}'),
    "surrogates": ("swml", '{"sections": {"main": [{"play": "say:\\ud800"}]}}'),
    "a lone surrogate": ("swml", 'sections: {main: [{play: "say:\ud800"}]}'),
    "unclosed texts": ("swml", '{"a": "' + "\\" * 200_001),
    "unclosed placeholders": ("swml", saying("${" * 50_000)),
    "closed placeholders": ("swml", saying("${a}" * 50_000)),
    "quotes in placeholders": ("swml", saying("${'" * 20_000)),
    "a long condition": ("swml", doing({"cond": [{"when": "(" * 100_000, "then": []}]})),
    "a wide object": ("swml", doing({"set": {f"a{n}": n for n in range(20_000)}})),
    "many wrong keys": ("swml", json.dumps({f"sectionz{n}": n for n in range(20_000)})),
    "many sections": ("swml", json.dumps({"sections": {f"m{n}": [{"execute": "nowhere"}] for n in range(5_000)}})),
    "spaces": ("swml", " " * 250_000),
    "line ends": ("swml", "\n" * 250_000),
    "dashes": ("swml", "-\n" * 100_000),
    "colons": ("swml", ": " * 100_000),
    "a long key": ("swml", "a" * 200_000 + ": b"),
    "comments": ("swml", "# x\n" * 60_000),
    "a document type": ("twiml", '<!DOCTYPE a [<!ENTITY e "x">]><Response>&e;</Response>'),
    "external entities": ("plivo", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><Response/>'),
    "an encoding": ("twiml", '<?xml version="1.0" encoding="UTF-16"?><Response/>'),
    "an encoding nobody has": ("plivo", "<?xml version='1.0' encoding='%s'?><Response/>" % ("x" * 5_000)),
    "depth of XML": ("twiml", "<Response>" * 100_000),
    "width of XML": ("plivo", within("%s", "<Wait/>" * 100_000)),
    "as many as may be": ("plivo", within("%s", "<Wait/>" * 9_000)),
    "attributes": ("twiml", within("<Say %s/>", " ".join(f"a{n}='1'" for n in range(50_000)))),
    "a long attribute": ("plivo", within("<Record action='https://%s'/>", "a" * 900_000)),
    "a long text": ("twiml", within("<Say>%s</Say>", "a " * 500_000)),
    "much markup": ("plivo", within("<Speak>%s</Speak>", "<break/>x" * 9_000)),
    "nested markup": ("plivo", within("<Speak>%s</Speak>", "<p>" * 25 + "x" * 500_000 + "</p>" * 25)),
    "character references": ("twiml", within("<Say>%s</Say>", "&#233;" * 150_000)),
    "a forbidden reference": ("twiml", "<Response><Say>&#0;&#xD800;</Say></Response>"),
    "namespaces": ("plivo", '<x:Response xmlns:x="http://a"><x:Hangup/></x:Response>'),
    "CDATA": ("twiml", within("<Say>%s</Say>", "<![CDATA[" * 50_000)),
    "a space before": ("plivo", ' <?xml version="1.0"?><Response/>'),
    "two roots": ("twiml", "<Response/><Response/>"),
    "half a character": ("plivo", "<Response><Speak>\ud800</Speak></Response>"),
    "many numbers": ("twiml", within("<Dial>%s</Dial>", "<Number>1</Number>" * 9_000)),
    "many loops": ("twiml", within("%s", "<Play loop='1000'>a.wav</Play>" * 3_000)),
    "many digits matched": ("plivo", within("<Dial digitsMatch='%s'><Number>1</Number></Dial>", "1," * 100_000)),
    "many headers": ("plivo", within("<Dial sipHeaders='%s'><Number>1</Number></Dial>", "a=b," * 100_000)),
}  # fmt: skip
"""Inputs at which readers take time or memory beyond measure, or stop with an exception that they do not state."""


@pytest.mark.parametrize("what", DANGEROUS)
def test_dangerous_documents(what: str) -> None:
    """Judged in the suite's own time, whatever the answer."""
    judged(*DANGEROUS[what])


@pytest.mark.parametrize("what", ["directives", "escapes", "a lone surrogate", "numbers", "depth of YAML"])
def test_dangerous_documents_without_libyaml(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML's own reader, which stands in for libyaml where that is missing, has bugs of its own."""
    import yaml

    monkeypatch.setattr(yaml_text, "_LOADER", yaml.SafeLoader)
    judged(*DANGEROUS[what])


# Running


def texts_of(value: Any) -> list[str]:
    """Every text in a step."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, (tuple, list)):
        return [text for item in value for text in texts_of(item)]
    if isinstance(value, dict):
        return [text for pair in value.items() for text in texts_of(list(pair))]
    if dataclasses.is_dataclass(value):
        return [text for field in dataclasses.fields(value) for text in texts_of(getattr(value, field.name))]
    return []


def seconds(value: float | None, least: float = 0.0) -> None:
    assert value is None or (math.isfinite(value) and value >= least), value


def target(told: StatusTarget | None) -> None:
    assert told is None or (told.url.startswith(("http://", "https://")) and told.method in {"GET", "POST"}), told
    assert told is None or not _UNHEARD.search(told.url)


def recording(request: RecordingRequest) -> None:
    seconds(request.initial_timeout)
    seconds(request.end_silence_timeout)
    seconds(request.max_length)
    assert request.max_length is None or request.max_length > 0
    assert 0 <= request.sensitivity <= 100
    assert re.fullmatch(r"[0-9A-Da-d*#]{0,64}", request.terminators), request.terminators
    assert request.format in {"wav", "mp3", "mp4"}
    target(request.status)
    target(request.at_hangup)


def sounds(items: tuple[steps.Item, ...]) -> None:
    for item in items:
        match item:
            case steps.AudioAt(url):
                assert re.match(r"https?://", url, re.IGNORECASE), url
                assert not _UNHEARD.search(url)
            case steps.Speech(text):
                assert text.strip()
                assert not re.search(r"[\x00-\x08\x0e-\x1f\ud800-\udfff]", text), text
            case steps.Quiet(length):
                seconds(length)
            case steps.Ringing(country, length):
                assert re.fullmatch(r"[a-z]{2}|us-old", country)
                seconds(length)


def dialled(party: steps.Party) -> None:
    """Whom a document names is hostile text still: what is dialled is a number or a SIP URI, or nobody is."""
    templates = commands_dial.Templates()
    number = party.kind is steps.PartyKind.NUMBER
    try:
        endpoint = templates.of_number(party.address) if number else templates.of_sip(party.address)
    except ValueError:
        return
    assert not re.search(r"[\s,|\[\]{}'\"\\$^]", endpoint)
    assert not number or re.fullmatch(r"sofia/gateway/carrier/\+?[0-9*#]{1,32}", endpoint)


def within_its_types(step: Step | End) -> None:
    """Every value of a step is one that its type says."""
    match step:
        case steps.Wait(length):
            seconds(length)
        case steps.Answer(length):
            seconds(length, 0.001)
        case steps.Limit(length):
            seconds(length)
        case steps.Play(items, gain):
            assert -40 <= gain <= 40
            sounds(items)
        case steps.Gather():
            sounds(step.items)
            assert step.most >= 1
            assert re.fullmatch(r"[0-9A-Da-d*#]{0,64}", step.terminators)
            seconds(step.initial_timeout)
            seconds(step.digit_timeout)
        case steps.SendDigits(digits):
            assert re.fullmatch(r"[0-9A-Da-d*#wW]{1,256}", digits), digits
        case steps.Record(request) | steps.StartRecording(request):
            recording(request)
        case steps.Dial():
            assert all(step.groups)
            assert step.timeout > 0
            seconds(step.limit, 1)
            target(step.status)
            sounds(step.music or ())
            sounds(step.confirmation.items if step.confirmation else ())
            if step.recording is not None:
                recording(step.recording.request)
            for group in step.groups:
                for party in group:
                    dialled(party)
        case steps.Request():
            assert step.method in {"GET", "POST", "PUT", "DELETE"}
            seconds(step.connect)
            seconds(step.total)
            assert not any(_UNHEARD.search(text) for text in texts_of(step.headers))
        case steps.Fetch():
            assert step.method in {"GET", "POST"}
            json.dumps(step.given)
        case steps.Tell(told, given):
            target(told)
            json.dumps(given)
        case Evaluate():
            json.dumps(step.scope)
        case End(cause):
            assert re.fullmatch(r"[A-Z_]+", cause)


def same(dialect: Dialect, text: str, call: Call, program: Program) -> Program:
    """The program as a restart finds it, its state having been JSON meanwhile."""
    return dialect.restore(text, "test", call, json.loads(json.dumps(program.snapshot())))


FALLBACKS = st.sampled_from((None, "https://app.example/fallback"))
callers = st.builds(
    lambda name, number, called: CallInfo(called, caller_name=name, caller_number=number), texts, texts, texts
)


@each_language
@fuzz(40)
@given(data=st.data())
def test_a_program_takes_any_outcomes(language: str, data: st.DataObject) -> None:
    """Whatever becomes of its steps, likely or not: it goes on or ends, and goes on as well when it is restored."""
    dialect, call = DIALECTS[language]
    text = data.draw(LANGUAGES[language])
    call = dataclasses.replace(
        call, info=data.draw(callers), fallback=data.draw(st.sampled_from((None, "https://f")))
    )
    try:
        program = dialect.start(text, "test", call, ACCOUNTS[language])
    except DocumentError:
        return
    outcome: Outcome | None = None
    likely = outcomes(LANGUAGES[language] | texts)
    for _ in range(12):
        twin = same(dialect, text, call, program)
        step = program.next(outcome)
        assert twin.next(outcome) == step
        assert twin.snapshot() == program.snapshot()
        within_its_types(step)
        if isinstance(step, End):
            break
        again = same(dialect, text, call, program)
        assert again.next(None) == step
        outcome = data.draw(likely)
        again.farewell(data.draw(st.none() | st.just(outcome)))


KEPT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
RUN = {
    "swml": "sections: {main: [{set: {a: 1}}, {execute: {dest: sub}}, {sleep: 5}], sub: [{sleep: 1}, {return: 2}]}",
    "twiml": '<Response><Gather numDigits="1"><Say>a</Say></Gather><Record/><Hangup/></Response>',
    "plivo": "<Response><GetDigits/><Dial dialMusic='https://a.example/'><Number>1</Number></Dial><Record/></Response>",
}


@each_language
@fuzz(150)
@given(data=st.data())
def test_a_stored_state_is_restored_or_refused(language: str, data: st.DataObject) -> None:
    """A row that another version wrote, or a bad disk: a program that runs, or DocumentError."""
    dialect, call = DIALECTS[language]
    program = dialect.start(RUN[language], "test", call, ACCOUNTS[language])
    for _ in range(data.draw(st.integers(0, 2))):
        program.next(steps.Done())
    state = json.loads(json.dumps(program.snapshot()))
    for _ in range(data.draw(st.integers(1, 2))):
        place: Any = state
        key: Any = data.draw(st.sampled_from(sorted(state)))
        while isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
            place = place[key]
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.integers(0, 4)) == 0:
            del place[key]
            break
        place[key] = data.draw(KEPT)
    try:
        again = dialect.restore(RUN[language], "test", call, state)
    except DocumentError:
        return
    for outcome in (None, steps.Done(), steps.Gathered("1"), steps.Done()):
        if isinstance(again.next(outcome), End):
            break


@pytest.mark.parametrize(
    "wrong", [{"sorry": True}, {"sounds": {"music": "<"}}, {"sounds": {"sound": [1]}}, {"at": 9}]
)
def test_a_stored_state_of_another_document_is_refused(wrong: dict[str, Any]) -> None:
    """What a Plivo document's state cannot be at that place of it; found by the test above."""
    dialect, call = DIALECTS["plivo"]
    state = dialect.start(RUN["plivo"], "test", call, plivo.PLIVO).snapshot()
    with pytest.raises(DocumentError):
        dialect.restore(RUN["plivo"], "test", call, {**state, **wrong})


@example("")
@fuzz(50)
@given(texts)
def test_a_snapshot_of_nothing_is_refused(text: str) -> None:
    """A state that has nothing of what a state has."""
    for dialect, call in DIALECTS.values():
        with pytest.raises(DocumentError):
            dialect.restore(RUN[dialect.name], "test", call, {text: text})
