"""Documents of the three languages, made from the tables that say what they may hold; and outcomes of their steps."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import yaml
from hypothesis import strategies as st

from controller.dialects.plivo import verbs as plivo
from controller.dialects.swml.messages import Wrong
from controller.dialects.swml.methods import METHODS
from controller.dialects.swml.nodes import Scalar
from controller.dialects.swml.rows import Kind, Property, Served
from controller.dialects.swml.values import judge
from controller.dialects.twiml import verbs as twiml
from controller.documents import steps
from controller.documents.attributes import Attribute, Verb, value_of
from controller.documents.attributes import Kind as Typed
from controller.documents.attributes import Served as Attributed
from controller.documents.steps import Outcome
from controller.recordings.model import EndReason, State
from tests.fuzz.texts import encodable, json_values, spoiled, texts, words

URL = "https://app.example/x?a=1"

# SWML

TEMPLATES = ("${a}", "${call.from}", "%{a.b[0]}", "${a > 1 ? 'x' : `y`}", "x ${a} y", "${params.p}", "${}", "${(")
SOUNDS = ("say:hello", "say: ${a}", URL, "silence:1.5", "ring:us", "ring:2:uk", "say:\u202e", "silence:1e9")
_BY_KIND: dict[Kind, tuple[Any, ...]] = {
    Kind.BOOLEAN: (True, False, "true", "${a}"),
    Kind.INTEGER: (0, 1, 5, -1, 1.0, 10**19, "${a}"),
    Kind.NUMBER: (0.0, 0.5, 5, -3.0, 1e300, "${a}"),
    Kind.TEXT: ("x", "busy", "mono", "GET", "POST", "skip", "both", "wav"),
    Kind.DIGITS: ("#", "*12", ""),
    Kind.TONES: ("1wW2", "ABCD"),
    Kind.URL: (URL, "https://u:p@a.example/", "${a}"),
    Kind.SOUND: SOUNDS,
    Kind.SOUNDS: ([SOUNDS[0], SOUNDS[3]], list(SOUNDS)),
    Kind.PROMPT: (*SOUNDS, list(SOUNDS[:4])),
    Kind.CALLEE: ("+15550100", "sip:a@b.example", "${a}"),
    Kind.CALLEES: ([{"to": "+15550100"}], [{"to": "sip:a@b.example", "from": "1"}]),
    Kind.CALLEE_GROUPS: ([[{"to": "1"}], [{"to": "2"}, {"to": "3"}]],),
    Kind.CALLER: ("+1555", "sip:a@b.example"),
    Kind.HEADERS: ({"X-A": "b"}, {"Accept": "${a}"}),
    Kind.BODY: ("x", {"a": ["${a}"]}, {"a": {"b": 1}}),
    Kind.NAME: ("top",),
    Kind.NAMES: ("a", ["a", "b"], "vars.a"),
    Kind.VARIABLE: ("a", "call.type", "return_value"),
    Kind.DESTINATION: ("main", "sub", "nowhere", URL),
    Kind.CONDITION: ("a > 1", "true", "${a} == '1'", "!(", "vars.a === undefined"),
    Kind.ANYTHING: (1, "x", None, {"a": "${a}"}, ["${a}"]),
    Kind.OBJECT: ({"p": 1}, {"p": "${a}"}),
    Kind.VARIABLES: ({"a": 1}, {"a": "${a}${a}"}, {"a": {"b": [1, "x"]}}, {"a": "${a + 1}"}),
}

_steps: st.SearchStrategy[list[Any]] = st.deferred(lambda: st.lists(_step, min_size=1, max_size=4))


def _value(prop: Property) -> st.SearchStrategy[Any]:
    good: st.SearchStrategy[Any]
    match prop.kind:
        case Kind.STEPS:
            good = _steps
        case Kind.CASES:
            good = st.dictionaries(st.sampled_from(("1", "x", "success")), _steps, min_size=1, max_size=2)
        case Kind.BRANCHES:
            branch = st.fixed_dictionaries({"when": st.sampled_from(_BY_KIND[Kind.CONDITION]), "then": _steps})
            good = st.lists(branch | st.fixed_dictionaries({"else": _steps}), min_size=1, max_size=3)
        case Kind.RESULT:
            good = st.fixed_dictionaries({"case": st.dictionaries(words, _steps, min_size=1, max_size=2)})
        case _:
            known = (*prop.choices, *_BY_KIND[prop.kind], *(() if prop.default is None else (prop.default,)))
            good = st.sampled_from([value for value in known if _right(prop, value)] or known)
            return st.integers(0, 60).flatmap(
                lambda dice: {7: st.sampled_from(known), 13: json_values}.get(dice, good)
            )
    return st.integers(0, 60).flatmap(lambda dice: json_values if dice == 13 else good)


def _right(prop: Property, value: Any) -> bool:
    """Whether a value is one that the property may be, as far as that is known of it alone."""
    if isinstance(value, (dict, list)) or prop.kind in {Kind.DESTINATION, Kind.CONDITION, Kind.ANYTHING, Kind.NAMES}:
        return value not in ("nowhere", "!(")
    try:
        judge(prop, Scalar(1, value))
    except Wrong:
        return prop.kind in {Kind.SOUND, Kind.PROMPT, Kind.CALLEE, Kind.BODY} and value != SOUNDS[-1]
    return "${}" not in str(value)


@st.composite
def _made(draw: st.DrawFn) -> Any:
    method = METHODS[draw(st.sampled_from(sorted(METHODS)))]
    if method.whole or (method.bare is not None and draw(st.booleans())):
        assert method.bare is not None
        return {method.name: draw(_value(method.bare))}
    chosen = {}
    one_of = draw(st.sampled_from(method.one_of)) if method.one_of else ""
    for prop in method.properties:
        often = 3 if prop.served is Served.FULLY else 80
        if prop.name in method.one_of:
            wanted = prop.name == one_of
        else:
            wanted = prop.required or draw(st.integers(0, often)) == often
        if wanted:
            chosen[prop.name] = draw(_value(prop))
    return {method.name: chosen}


_step: st.SearchStrategy[Any] = _made() | st.sampled_from(({"answer": {}}, {"sleep": 10}))


@st.composite
def _swml(draw: st.DrawFn) -> str:
    document = {"sections": {name: [{"label": "top"}, *draw(_steps)] for name in ("main", "sub")}}
    if draw(st.booleans()):
        document["version"] = "1.0.0"  # type: ignore[assignment]
    if draw(st.booleans()):
        return json.dumps(document, indent=draw(st.sampled_from((None, 1))), ensure_ascii=draw(st.booleans()))
    return str(yaml.safe_dump(json.loads(json.dumps(document)), allow_unicode=True, width=1000))


swml = _swml()

# TwiML and Plivo XML

_WRITTEN: dict[Typed, tuple[str, ...]] = {
    Typed.CHOICE: ("GET",),
    Typed.BOOLEAN: ("true", "false", "TRUE"),
    Typed.INTEGER: ("0", "1", "2", "60", "007", "-1", "999999999", "1.5"),
    Typed.KEYS: ("#", "", "1*#"),
    Typed.TONES: ("ww1", "1,2"),
    Typed.CALLER: ("+15550100", "alice"),
    Typed.TEXT: ("x", "en-US", "Polly.Joanna", "X-A=b,X-C=d", "1,2,3"),
    Typed.URL: (URL, "/rel", "rel?x=1", "http://", "mailto:a@b", ""),
    Typed.EVENTS: ("completed", "in-progress absent", "x"),
}
TEXTS = (
    "hello",
    "+15550100",
    "sip:a@b.example;x=1?X-H=v",
    URL,
    "/next",
    "",
    "  ",
    "a &amp; b &#233;",
    "<![CDATA[<x>]]>",
)


@st.composite
def _element(draw: st.DrawFn, verb: Verb, nouns: dict[tuple[str, str], Verb], depth: int = 0) -> str:
    attributes = []
    for row in verb.attributes:
        often = 3 if row.served is not Attributed.REFUSED else 60
        if draw(st.integers(0, often)) == often:
            attributes.append(f" {row.name}={quoteattr(draw(_attribute(row)))}")
    if draw(st.integers(0, 40)) == 13:
        attributes.append(f" {draw(st.sampled_from(('x', 'xml:lang', 'x:y', 'xmlns:x')))}={quoteattr(draw(_safe))}")
    inside = ""
    if verb.text and draw(st.integers(0, 5)):
        right = TEXTS[1:3] if verb.name in {"Number", "Sip", "User", "Dial"} else TEXTS[3:4]
        inside = draw(st.sampled_from(right) | st.sampled_from((*right, *TEXTS)) | _safe.map(escape))
    for _ in range(draw(st.integers(0, 2)) if verb.nested and depth < 3 else 0):
        name = draw(st.sampled_from(verb.nested))
        if (verb.name, name) in nouns:
            inside += draw(_element(nouns[verb.name, name], nouns, depth + 1))
    return f"<{verb.name}{''.join(attributes)}>{inside}</{verb.name}>"


def _attribute(row: Attribute) -> st.SearchStrategy[str]:
    known = (*row.choices, *_WRITTEN[row.kind])
    good = [text for text in known if row.kind not in {Typed.URL, Typed.EVENTS} and value_of(row, text) is not None]
    right = st.sampled_from(good or known[:1])
    return st.integers(0, 40).flatmap(lambda dice: {7: st.sampled_from(known), 13: _safe}.get(dice, right))


_safe = texts.map(encodable).map(lambda text: "".join(char for char in text if char in "\t\n" or char >= " "))


@st.composite
def _xml(draw: st.DrawFn, verbs: dict[str, Verb], nouns: dict[tuple[str, str], Verb]) -> str:
    names = draw(st.lists(st.sampled_from(sorted(verbs)), max_size=5))
    body = "\n".join(draw(_element(verbs[name], nouns)) for name in names)
    head = draw(st.sampled_from(("", '<?xml version="1.0" encoding="UTF-8"?>\n', "\ufeff", "<!-- a -->\n")))
    return f"{head}<Response>{body}</Response>"


twiml_documents = _xml(twiml.VERBS, twiml.NOUNS)
plivo_documents = _xml(plivo.VERBS, plivo.NOUNS)

LANGUAGES = {"swml": swml, "twiml": twiml_documents, "plivo": plivo_documents}
"""Documents that are mostly right."""


def hostile(language: str) -> st.SearchStrategy[str]:
    """Documents that are mostly right and spoiled somewhere, and texts that are none at all."""
    return spoiled(LANGUAGES[language]) | texts | st.builds(json.dumps, json_values)


# What becomes of steps

numbers = st.floats() | st.sampled_from((0.0, 1.0, 2.625, 1e18, -1.0))
digits = st.text("0123456789*#ABCD", max_size=5)
_parties = st.none() | st.builds(steps.Party, st.sampled_from(steps.PartyKind), texts)
_ids = st.sampled_from(("", "cccccccc-cccc-4ccc-8ccc-cccccccccccc"))
_moments = st.none() | st.sampled_from((0.0, 1_640_000_000.125, 4e9))
_seconds = st.none() | st.sampled_from((0.0, 0.4, 2.625, 86_400.0, 1e9))


def outcomes(following: st.SearchStrategy[str]) -> st.SearchStrategy[Outcome]:
    """Anything that a step may come to, whichever step it was; ``following`` are documents that are fetched."""
    evaluation = st.builds(steps.Evaluation, json_values, st.none() | texts, st.booleans())
    return st.one_of(
        st.builds(steps.Done),
        st.builds(steps.Failed, texts),
        st.builds(steps.RecordingRuns, _ids, st.just(URL), st.just(1_640_000_000.125)),
        st.builds(steps.RecordingRefused, texts),
        st.builds(
            steps.RecordingEnded, _ids, st.just(URL), st.sampled_from(EndReason), st.booleans(), digits, _seconds,
            st.sampled_from(State), _moments, _moments,
        ),
        st.builds(steps.Gathered, digits, st.sampled_from(("", "#"))),
        st.builds(
            steps.Dialled, st.sampled_from(steps.DialStatus), _parties, _ids, st.sampled_from((0.0, 12.4)), _ids,
            st.just(URL), texts, texts,
        ),
        st.builds(steps.Response, st.integers(100, 599), st.just((("content-type", "application/json"),)),
                  texts | st.builds(json.dumps, json_values)),
        st.builds(steps.Fetched, following, st.sampled_from(("", URL))),
        st.builds(steps.Evaluated, st.lists(evaluation, max_size=4).map(tuple), st.sampled_from((0.0, 1.0, 100.0))),
    )  # fmt: skip
