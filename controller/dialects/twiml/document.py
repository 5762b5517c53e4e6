"""TwiML text → instructions, every one checked before anything runs; all problems are found at once.

A verb that is not carried out refuses the document, which then runs no part of itself; an attribute that is unknown,
or has a value that it cannot have, is a warning, and is as if it were not written (DESIGN section 9).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.dialects.twiml.codes import (
    BAD_NESTING,
    BAD_NUMBER,
    BAD_SIP_URI,
    BAD_URL,
    SCHEMA,
    UNREADABLE,
)
from controller.dialects.twiml.verbs import LATER, MOST_LOOPS, NOUNS, VERBS
from controller.documents.addresses import NUMBER, NUMBER_RIGHT, SIP_URI, SIP_URI_RIGHT, bare_number
from controller.documents.attributes import (
    LONGEST_SHOWN,
    Attribute,
    Kind,
    Served,
    Value,
    Verb,
    cut,
    either,
    nearest,
    quoted,
    value_of,
    wanted,
)
from controller.documents.dialect import DocumentError, Problem
from controller.documents.urls import BadUrl, resolve
from controller.documents.xml import PARTING, Element, Unreadable
from controller.documents.xml import read as read_xml

ROOT = "Response"
LONGEST_SPEECH = 4_096
"""Characters of one ``<Say>`` (spec 1.4)."""

MOST_NESTED = 1_000
"""Sounds of one ``<Gather>``, each as often as it loops."""

MOST_PARTIES = 10
"""Of one ``<Dial>``, as at Twilio."""

MOST_PROBLEMS = 50

NOWHERE = ""
"""The value of an action that is written, but that nobody can ask."""

_LONGEST_LIST = 1_000  # characters of an event list
_INAUDIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")
_LISTED = re.compile(r"[\s,\[\]'\"]+")
_SPEECH_MARKUP = frozenset(
    ("break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w", "mark", "voice")
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """A verb as written, or ``Start.Recording``, ``Stop.Recording``: its values, defaults filled in.

    ``text`` is its own text in one line, ``nested`` what lies in it.
    """

    verb: str
    line: int
    values: Mapping[str, Value]
    text: str = ""
    nested: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may run, and what its author is warned of."""

    instructions: tuple[Instruction, ...]
    warnings: tuple[Problem, ...] = ()


def read(text: str, source: str, base: str = "") -> Document:
    """Return a text's document; ``base`` is its URL, empty for a file. Raises DocumentError."""
    try:
        root = read_xml(text)
    except Unreadable as error:
        raise DocumentError(source, (Problem(error.line, "", str(error), UNREADABLE),)) from None
    reader = _Reader(base)
    instructions = reader.document(root)
    if reader.problems:
        raise DocumentError(source, tuple(reader.problems[:MOST_PROBLEMS]))
    return Document(instructions, tuple(reader.warnings[:MOST_PROBLEMS]))


@dataclass(slots=True)
class _Reader:
    """Walks a tree and collects what is wrong with it."""

    base: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def document(self, root: Element) -> tuple[Instruction, ...]:
        """Return the instructions of a whole document."""
        if root.name != ROOT:
            self._refuse(root, "", f"the document must be <{ROOT}>…</{ROOT}>; got {quoted(root.name)}")
            return ()
        self._leftovers(root, ROOT, {})
        self._stray(root, ROOT)
        found: list[Instruction] = []
        for element in root.elements:
            found += self._verb(element)
        return tuple(found)

    def _verb(self, element: Element) -> list[Instruction]:
        verb = VERBS.get(element.name)
        if verb is None:
            self._unknown(element)
            return []
        if verb.name in {"Start", "Stop"}:
            self._attributes(element, verb, verb.name)
            self._stray(element, verb.name)
            nested = self._nested(element, verb)
            if not element.elements:
                self._warn(element, verb.name, "it is empty: write <Recording/> in it")
            return [one for one in nested if self._stops(one)]
        instruction = self._instruction(element, verb, verb.name)
        return [instruction] if self._means_something(instruction) else []

    def _instruction(self, element: Element, verb: Verb, where: str) -> Instruction:
        values = self._attributes(element, verb, where)
        text = self._text(element, verb, where) if verb.text else ""
        if not verb.text:
            self._stray(element, where)
        nested = self._nested(element, verb) if verb.name != "Say" else ()
        return Instruction(where, element.line, values, text, nested)

    def _nested(self, element: Element, verb: Verb) -> tuple[Instruction, ...]:
        found = []
        for inner in element.elements:
            noun = NOUNS.get((verb.name, inner.name))
            if noun is not None:
                found.append(self._instruction(inner, noun, f"{verb.name}.{inner.name}"))
            elif inner.name in verb.refused:
                supported = either(f"<{name}>" for name in verb.nested)
                self._refuse(inner, verb.name, f"<{inner.name}> is not supported in this version: {supported}")
            elif len(self.problems) < MOST_PROBLEMS:
                code = BAD_NESTING if verb.name == "Dial" else SCHEMA
                right = (
                    f"only {either(f'<{name}>' for name in verb.nested)} may lie" if verb.nested else "nothing lies"
                )
                message = f"{right} in <{verb.name}>; got {quoted(inner.name)}{nearest(inner.name, verb.nested)}"
                self._refuse(inner, verb.name, message, code)
        return tuple(found)

    # --- attributes ----------------------------------------------------------------------------------------------

    def _attributes(self, element: Element, verb: Verb, where: str) -> dict[str, Value]:
        rows = verb.by_name
        values = {name: row.default for name, row in rows.items() if row.default is not None}
        for name, written in element.attributes.items():
            row = rows.get(name)
            if row is None or row.served is Served.MOOT:
                continue
            at = f"{where}.{name}"
            if row.served is Served.IGNORED:
                if not (row.kind is Kind.BOOLEAN and written.strip().lower() == str(row.default).lower()):
                    self._warn(element, at, "not supported in this version, so it is ignored")
                continue
            value = self._value(element, at, row, written)
            if value is not None:
                values[name] = value
        self._leftovers(element, where, rows)
        return values

    def _leftovers(self, element: Element, where: str, rows: Mapping[str, Attribute]) -> None:
        for name in element.attributes:
            if len(self.warnings) >= MOST_PROBLEMS:  # hints cost time, and nobody reads so many
                return
            if name not in rows and not name.startswith(("xml", "xsi:")):
                self._warn(
                    element, f"{where}.{name[:LONGEST_SHOWN]}", f"unknown, so it is ignored{nearest(name, rows)}"
                )

    def _value(self, element: Element, at: str, row: Attribute, written: str) -> Value | None:
        """Return what an attribute is, None where it is as if it were not written."""
        text = written.strip()
        match row.kind:
            case Kind.URL:
                return self._url(element, at, row, text)
            case Kind.EVENTS:
                return self._events(element, at, row, text)
            case Kind.CALLER | Kind.TEXT if not text:
                return None
        value = value_of(row, text)
        if value is None:
            instead = "none" if row.default is None else json.dumps(row.default)
            self._warn(element, at, f"must be {wanted(row)}; got {quoted(written)}, so it is {instead}", row.code)
        return value

    def _url(self, element: Element, at: str, row: Attribute, text: str) -> str | None:
        """Return a whole URL; one that cannot be asked leaves somebody untold, or is an action that is NOWHERE."""
        if not text:
            return None
        try:
            return resolve(self.base, text)
        except BadUrl as bad:
            action = row.name == "action"
            comes = "so it fails when it is to be asked" if action else "so nobody is told"
            self._warn(element, at, f"{bad}; got {quoted(text)}, {comes}", row.code)
            return NOWHERE if action else None

    def _events(self, element: Element, at: str, row: Attribute, text: str) -> tuple[str, ...] | None:
        """Return the events of a list as people write them: with spaces, commas, or as Python prints a list."""
        words = [word for word in _LISTED.split(text[:_LONGEST_LIST]) if word]
        known = tuple(dict.fromkeys(word.lower() for word in words if word.lower() in row.choices))
        for word in words:
            if word.lower() not in row.choices:
                self._warn(element, at, f"events are {either(row.choices)}; got {quoted(word)}", row.code)
        return known or None

    # --- texts and what verbs mean ---------------------------------------------------------------------------------

    def _text(self, element: Element, verb: Verb, where: str) -> str:
        if verb.name == "Say":
            for inner in element.elements:
                if inner.name not in _SPEECH_MARKUP and ":" not in inner.name:
                    self._refuse(inner, where, f"only text and speech markup lie in <Say>; got {quoted(inner.name)}")
            if element.elements:
                self._warn(element, where, "speech markup is not supported in this version: its text alone is said")
            said = _INAUDIBLE.sub(" ", element.words(PARTING)).strip()
            if len(said) > LONGEST_SPEECH:
                self._warn(element, where, f"{len(said)} characters; the first {LONGEST_SPEECH} are said")
            return said[:LONGEST_SPEECH]
        return _INAUDIBLE.sub(" ", element.own_text).strip()

    def _means_something(self, instruction: Instruction) -> bool:
        """Check what a verb says as a whole; whether it is carried out."""
        match instruction.verb:
            case "Say" if not instruction.text:
                self._warn_of(instruction, "it has no text, so nothing is said")
                return False
            case "Play":
                return self._plays(instruction)
            case "Gather":
                self._gathers(instruction)
            case "Record":
                self._asks(instruction)
            case "Dial":
                self._dials(instruction)
            case "Redirect":
                self._check_url(instruction)
        return True

    def _plays(self, instruction: Instruction) -> bool:
        if "digits" in instruction.values:
            return True
        if not instruction.text:
            self._warn_of(instruction, "it names nothing, so nothing is played")
            return False
        self._check_url(instruction)
        return True

    def _check_url(self, instruction: Instruction) -> None:
        try:
            resolve(self.base, instruction.text)
        except BadUrl as bad:
            self._refuse_that(instruction, f"{bad}; got {quoted(instruction.text)}", BAD_URL)

    def _gathers(self, instruction: Instruction) -> None:
        if "speech" in str(instruction.values["input"]).lower():
            self._refuse_that(instruction, 'input: speech is not supported in this version; "dtmf" is')
        elif str(instruction.values["input"]).lower() != "dtmf":
            self._warn_of(instruction, f'input: must be "dtmf"; got {quoted(str(instruction.values["input"]))}')
        for inner in instruction.nested:
            self._means_something(Instruction(inner.verb.rpartition(".")[2], inner.line, inner.values, inner.text))
        self._asks(instruction)

    def _asks(self, instruction: Instruction) -> None:
        """Warn where the default action would be to ask a file."""
        if "action" not in instruction.values and not self.base:
            message = "it has no action, and the document is a file that nobody can ask: the call ends after it"
            self._warn_of(instruction, message, BAD_URL)

    def _dials(self, instruction: Instruction) -> None:
        if instruction.nested and instruction.text:
            self._warn_of(instruction, "it has nouns, so its text is ignored", BAD_NESTING)
        if not instruction.nested and not instruction.text:
            self._warn_of(instruction, "nobody is named, so nobody is dialled", BAD_NUMBER)
        if len(instruction.nested) > MOST_PARTIES:
            message = f"at most {MOST_PARTIES} nouns; got {len(instruction.nested)}"
            self._refuse_that(instruction, message, BAD_NESTING)
        if not instruction.nested and instruction.text:
            self._dialled(Instruction("Dial.Number", instruction.line, {}, instruction.text), "Dial")
        for inner in instruction.nested:
            if inner.text:
                self._dialled(inner, inner.verb)
            else:
                code = BAD_SIP_URI if inner.verb.endswith("Sip") else BAD_NUMBER
                self._warn_of(inner, "it is empty, so nobody is dialled for it", code)

    def _dialled(self, noun: Instruction, where: str) -> None:
        """Warn of an address that cannot be dialled: the dialling of it fails, the document runs."""
        if noun.verb == "Dial.Sip":
            known, right, code = SIP_URI.fullmatch(noun.text), SIP_URI_RIGHT, BAD_SIP_URI
        else:
            known, right, code = NUMBER.fullmatch(bare_number(noun.text)), NUMBER_RIGHT, BAD_NUMBER
        if not known and len(self.warnings) < MOST_PROBLEMS:
            message = f"must be {right}; got {quoted(noun.text)}, so nobody is dialled for it"
            self.warnings.append(Problem(noun.line, where, message, code))

    def _stops(self, instruction: Instruction) -> bool:
        if instruction.verb == "Stop.Recording" and "name" not in instruction.values:
            self._warn_of(instruction, "it names no recording, so none is stopped: write its name")
            return False
        return True

    # --- what is said of it ------------------------------------------------------------------------------------

    def _unknown(self, element: Element) -> None:
        if len(self.problems) >= MOST_PROBLEMS:
            return
        supported = ", ".join(VERBS)
        said = "is no verb of its own here" if element.name in LATER else "is no known verb"
        hint = "" if element.name in LATER else nearest(element.name, VERBS)
        self._refuse(element, "", f"<{cut(element.name)}> {said}{hint}; supported are {supported}")

    def _stray(self, element: Element, where: str) -> None:
        text = element.own_text.strip()
        if text:
            self._warn(element, where, f"text means nothing here: {quoted(text)}")

    def _refuse(self, element: Element, where: str, message: str, code: int = SCHEMA) -> None:
        self.problems.append(Problem(element.line, where, message, code))

    def _refuse_that(self, instruction: Instruction, message: str, code: int = SCHEMA) -> None:
        self.problems.append(Problem(instruction.line, instruction.verb, message, code))

    def _warn(self, element: Element, where: str, message: str, code: int = SCHEMA) -> None:
        self.warnings.append(Problem(element.line, where, message, code or SCHEMA))

    def _warn_of(self, instruction: Instruction, message: str, code: int = SCHEMA) -> None:
        self.warnings.append(Problem(instruction.line, instruction.verb, message, code or SCHEMA))


def loops(instruction: Instruction) -> int:
    """Return how often a sound within a Gather is heard; endless ones end at a bound, as the digits end them."""
    return int(str(instruction.values["loop"])) or MOST_LOOPS
