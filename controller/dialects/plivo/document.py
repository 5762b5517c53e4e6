"""Plivo XML → instructions, every one checked before anything runs; all problems are found at once.

What is unknown, or has a value that it cannot have, refuses the document, with its line; so does what Plivo has and
is not carried out here, by its name (DESIGN section 9). What runs, and not as one may think, is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from controller.dialects.plivo import values as written_values
from controller.dialects.plivo.values import BadValue
from controller.dialects.plivo.verbs import LATER, NOUNS, SOUNDS, VERBS
from controller.documents.addresses import NUMBER, NUMBER_RIGHT, SIP_URI, SIP_URI_RIGHT, bare_number
from controller.documents.attributes import LONGEST_SHOWN, Served, Value, Verb, cut, either, nearest, quoted
from controller.documents.dialect import DocumentError, Problem
from controller.documents.xml import PARTING, Element, Unreadable
from controller.documents.xml import read as read_xml

ROOT = "Response"

LONGEST_DOCUMENT = 102_400
"""Bytes of a document, as at Plivo (spec 3.3)."""

LONGEST_SPEECH = 4_096
"""Characters of one ``<Speak>``."""

MOST_NESTED = 1_000
"""Sounds of one prompt, each as often as it loops."""

MOST_HEARD = 100
"""Sounds of a Dial's documents, each as often as it loops: a switch plays so many as one."""

MOST_PARTIES = 20
"""Of one ``<Dial>``: so many legs ring at once."""

MOST_PROBLEMS = 50

_INAUDIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")
_SPEECH_MARKUP = frozenset(
    ("break", "cont", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w")
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """An element as written, or ``GetDigits.Speak``, ``Dial.Number``: its values, defaults filled in.

    ``text`` is its own text in one line, ``nested`` what lies in it. A ``Record`` of the background has a
    ``maxLength`` only where that is written: its default is for those of the foreground (DESIGN section 9).
    """

    verb: str
    line: int
    values: Mapping[str, Value]
    text: str = ""
    nested: tuple[Instruction, ...] = ()

    @property
    def whole_session(self) -> bool:
        """Whether it records the rest of the call. Such a recording includes the conversation of a Dial."""
        return self.verb == "Record" and bool(self.values["recordSession"])

    @property
    def at_answer(self) -> bool:
        """Whether it records from the answer of a later Dial on."""
        return self.verb == "Record" and bool(self.values["startOnDialAnswer"]) and not self.whole_session

    @property
    def replaces(self) -> bool:
        """Whether the document of its action takes the place of all that follows it."""
        return self.verb == "Redirect" or ("action" in self.values and bool(self.values["redirect"]))


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may run, and what its author is warned of."""

    instructions: tuple[Instruction, ...]
    warnings: tuple[Problem, ...] = ()


def read(text: str, source: str) -> Document:
    """Return a text's document. Raises DocumentError."""
    reader = _Reader()
    instructions = reader.document(_tree(text, source))
    return reader.result(instructions, source)


def read_sounds(text: str, source: str) -> Document:
    """Return a document of ``dialMusic`` or ``confirmSound``: sounds, all else in it is left out with a warning.

    Raises DocumentError.
    """
    reader = _Reader()
    root = _tree(text, source)
    for element in root.elements:
        if element.name not in SOUNDS:
            reader.warn(element, "", f"<{cut(element.name)}> is ignored here: {either(SOUNDS)} are heard")
    instructions = reader.document(replace(root, content=tuple(one for one in root.elements if one.name in SOUNDS)))
    return reader.result(instructions, source)


def _tree(text: str, source: str) -> Element:
    size = len(text.encode(errors="replace"))
    if size > LONGEST_DOCUMENT:
        raise DocumentError(source, (Problem(0, "", f"{size} bytes; a document may have {LONGEST_DOCUMENT}"),))
    try:
        return read_xml(text)
    except Unreadable as error:
        raise DocumentError(source, (Problem(error.line, "", str(error)),)) from None


@dataclass(slots=True)
class _Reader:
    """Walks a tree and collects what is wrong with it."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def result(self, instructions: tuple[Instruction, ...], source: str) -> Document:
        """Return the document. Raises DocumentError."""
        if self.problems:
            raise DocumentError(source, tuple(self.problems[:MOST_PROBLEMS]))
        return Document(instructions, tuple(self.warnings[:MOST_PROBLEMS]))

    def document(self, root: Element) -> tuple[Instruction, ...]:
        """Return the instructions of a whole document."""
        if root.name != ROOT:
            self._refuse(root, "", f"the document must be <{ROOT}>…</{ROOT}>; got {quoted(root.name)}")
            return ()
        self._attributes(root, Verb(ROOT), ROOT)
        self._stray(root, ROOT)
        found = []
        for element in root.elements:
            if len(self.problems) >= MOST_PROBLEMS:  # nobody reads more, and each costs time
                break
            instruction = self._verb(element)
            if instruction is not None:
                found.append(instruction)
        self._sequence(found)
        return tuple(found)

    def _verb(self, element: Element) -> Instruction | None:
        verb = VERBS.get(element.name)
        if verb is None:
            self._unknown(element)
            return None
        instruction = self._instruction(element, verb, verb.name)
        return instruction if self._means_something(instruction) else None

    def _instruction(self, element: Element, verb: Verb, where: str) -> Instruction:
        values = self._attributes(element, verb, where)
        background = values.get("recordSession") or values.get("startOnDialAnswer")
        if background and "maxLength" not in element.attributes:
            values.pop("maxLength", None)
        if verb.name == "Speak":
            return Instruction(where, element.line, values, self._speech(element, where))
        if not verb.text:
            self._stray(element, where)
        text = _one_line(element.own_text) if verb.text else ""
        if verb.name in {"Play", "Redirect"}:
            text = self._url(element, where, text)
        return Instruction(where, element.line, values, text, self._nested(element, verb))

    def _url(self, element: Element, where: str, text: str) -> str:
        try:
            return written_values.url(text)
        except BadValue as bad:
            self._refuse(element, where, f"its text {bad}")
            return ""

    def _nested(self, element: Element, verb: Verb) -> tuple[Instruction, ...]:
        found = []
        for inner in element.elements:
            if len(self.problems) >= MOST_PROBLEMS:
                break
            noun = NOUNS.get((verb.name, inner.name))
            if noun is None:
                right = f"only {_tags(verb.nested)} may lie" if verb.nested else "nothing may lie"
                message = f"{right} in <{verb.name}>; got {quoted(inner.name)}{nearest(inner.name, verb.nested)}"
                self._refuse(inner, verb.name, message)
            else:
                found.append(self._instruction(inner, noun, f"{verb.name}.{inner.name}"))
        return tuple(found)

    # --- attributes ----------------------------------------------------------------------------------------------

    def _attributes(self, element: Element, verb: Verb, where: str) -> dict[str, Value]:
        rows = verb.by_name
        values = {name: row.default for name, row in rows.items() if row.default is not None}
        for name, written in element.attributes.items():
            if len(self.problems) >= MOST_PROBLEMS:
                break
            at, row = f"{where}.{name[:LONGEST_SHOWN]}", rows.get(name)
            if row is None:
                if not name.startswith(("xml", "xsi:")):
                    self._refuse(element, at, f"no attribute of <{verb.name}>{nearest(name, rows)}")
                continue
            if row.served is Served.MOOT:
                continue
            if row.served is Served.REFUSED:
                if written.strip().lower() not in {"", str(row.default).lower()}:
                    self._refuse(element, at, f"not supported in this version; got {quoted(written)}")
                continue
            try:
                value = written_values.read(row, written)
            except BadValue as bad:
                self._refuse(element, at, str(bad))
                continue
            if value is not None:
                values[name] = value
        return values

    # --- texts and what elements mean ------------------------------------------------------------------------------

    def _speech(self, element: Element, where: str) -> str:
        for inner in element.walk():
            if inner is not element and inner.name not in _SPEECH_MARKUP and len(self.problems) < MOST_PROBLEMS:
                self._refuse(
                    inner, where, f"only text and speech markup may lie in <Speak>; got {quoted(inner.name)}"
                )
        if element.elements:
            self.warn(element, where, "speech markup is not supported in this version: its text alone is said")
        said = _one_line(element.words(PARTING))
        if len(said) > LONGEST_SPEECH:
            self.warn(element, where, f"{len(said)} characters; the first {LONGEST_SPEECH} are said")
        return said[:LONGEST_SPEECH]

    def _means_something(self, instruction: Instruction) -> bool:
        """Check what an element says as a whole; whether it is carried out."""
        match instruction.verb:
            case "Speak":
                return self._says(instruction)
            case "GetDigits":
                for inner in instruction.nested:
                    if inner.verb == "GetDigits.Speak":
                        self._says(inner)
            case "Dial":
                self._dials(instruction)
            case "Record":
                self._records(instruction)
        return True

    def _says(self, instruction: Instruction) -> bool:
        if not instruction.text:
            self.warn_of(instruction, "it has no text, so nothing is said")
            return False
        if not any(
            map(str.isalnum, instruction.text)
        ):  # a switch makes no sound of it, in no time: endless, it spins
            self.warn_of(instruction, "it has no letter and no digit, so nothing is said")
            return False
        return True

    def _records(self, instruction: Instruction) -> None:
        values = instruction.values
        if values["recordSession"] and values["startOnDialAnswer"]:
            self.warn_of(instruction, "both recordSession and startOnDialAnswer: the whole session is recorded")
        if "transcriptionUrl" in values and "transcriptionType" not in values:
            self.warn_of(instruction, 'transcriptionUrl without transcriptionType="auto": nothing is transcribed')

    def _dials(self, instruction: Instruction) -> None:
        if not instruction.nested:
            self._refuse_that(instruction, "it dials nobody: write <Number> or <User> in it")
        if len(instruction.nested) > MOST_PARTIES:
            self._refuse_that(instruction, f"at most {MOST_PARTIES} parties; got {len(instruction.nested)}")
        for inner in instruction.nested[:MOST_PARTIES]:
            self._dialled(instruction, inner)
        if "confirmKey" in instruction.values and "confirmSound" not in instruction.values:
            self.warn_of(instruction, "confirmKey without confirmSound: nobody is asked to confirm")

    def _dialled(self, dial: Instruction, party: Instruction) -> None:
        if party.verb == "Dial.User":
            if not SIP_URI.fullmatch(party.text):
                self._refuse_that(party, f"its text must be {SIP_URI_RIGHT}; got {quoted(party.text)}")
        elif not NUMBER.fullmatch(bare_number(party.text)):
            self._refuse_that(party, f"its text must be {NUMBER_RIGHT}; got {quoted(party.text)}")
        sent = len({*names(dial.values), *names(party.values)})
        if sent > written_values.MOST_HEADERS:
            self._refuse_that(party, f"sipHeaders: at most {written_values.MOST_HEADERS} with the Dial's; got {sent}")

    def _sequence(self, instructions: list[Instruction]) -> None:
        """Warn of background recordings whose document goes on otherwise than one may think."""
        for place, instruction in enumerate(instructions):
            if not (instruction.whole_session or instruction.at_answer):
                continue
            later = instructions[place + 1 :]
            if instruction.replaces and later:
                replaced = "its action is asked at once, and its document replaces what follows"
                self.warn_of(instruction, f'{replaced}: write redirect="false" to go on here')
            if instruction.at_answer:
                self._answer_comes(instruction, later)

    def _answer_comes(self, instruction: Instruction, later: Iterable[Instruction]) -> None:
        if instruction.replaces:
            return  # the Dial may be in that document
        for other in later:
            if other.verb == "Dial" or other.replaces:
                return
            if other.at_answer:
                self.warn_of(instruction, "another startOnDialAnswer follows before a Dial, and is recorded instead")
                return
        self.warn_of(instruction, "startOnDialAnswer, and no <Dial> follows: nothing is recorded")

    # --- what is said of it ------------------------------------------------------------------------------------

    def _unknown(self, element: Element) -> None:
        supported = ", ".join(VERBS)
        if element.name in LATER:
            said = "is not supported in this version"
        elif any(element.name == noun for _, noun in NOUNS):
            said = f"lies in {_tags(verb for verb, noun in NOUNS if noun == element.name)}"
        else:
            said = f"is no known element{nearest(element.name, VERBS)}"
        self._refuse(element, "", f"<{cut(element.name)}> {said}; supported are {supported}")

    def _stray(self, element: Element, where: str) -> None:
        text = element.own_text.strip()
        if text:
            self.warn(element, where, f"text means nothing here: {quoted(text)}")

    def _refuse(self, element: Element, where: str, message: str) -> None:
        self.problems.append(Problem(element.line, where, message))

    def _refuse_that(self, instruction: Instruction, message: str) -> None:
        self.problems.append(Problem(instruction.line, instruction.verb, message))

    def warn(self, element: Element, where: str, message: str) -> None:
        """Note what is not as it is written."""
        if len(self.warnings) < MOST_PROBLEMS:
            self.warnings.append(Problem(element.line, where, message))

    def warn_of(self, instruction: Instruction, message: str) -> None:
        """Note what of an instruction is not as one may think."""
        if len(self.warnings) < MOST_PROBLEMS:
            self.warnings.append(Problem(instruction.line, instruction.verb, message))


def names(values: Mapping[str, Value]) -> tuple[str, ...]:
    """Return the names of an element's SIP headers, in small letters."""
    sent = values.get("sipHeaders", ())
    assert isinstance(sent, tuple)  # noqa: S101 - as its row says
    return tuple(header.partition("=")[0].lower() for header in sent)


def _tags(elements: Iterable[str]) -> str:
    return either(f"<{name}>" for name in elements)


def _one_line(text: str) -> str:
    return _INAUDIBLE.sub(" ", text).strip()
