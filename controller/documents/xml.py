"""Hardened reading of XML documents, for every dialect that is written in XML.

Text → a tree of elements, each with its line. What a call's document has no use for and an attacker has is refused
by its name: document types, with them every entity beside XML's own five, processing instructions, encodings other
than UTF-8. Size, depth and the number of elements are bounded. The parser is expat, which says of each error where
it is; nothing outside the text is ever read.

White space before an XML declaration is an error, as it is for the vendors (12100, "a leading space") and for XML
itself; without a declaration it is none. A byte order mark at the beginning is dropped.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

MAX_BYTES = 1 << 20
"""Of a document, in UTF-8."""

MAX_DEPTH = 32
"""Elements within each other. TwiML and Plivo XML have three, speech markup some more."""

MAX_ELEMENTS = 10_000

PARTING = frozenset({"break", "p", "s"})
"""Speech markup that parts what is said before it, in it and behind it."""

_UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_BOM = "\ufeff"
_RIGHT = {
    4: "write & as &amp; and < as &lt;, and no control characters",
    7: "close each element that is opened, in order",
    8: "write each attribute once",
    9: "a document is one element, with nothing after it",
    14: "write characters that XML allows",
}
"""What would be right, by expat's number of the error."""


class Unreadable(Exception):
    """A text that is no document that is read; ``line`` counts from 1, 0 where there is none."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Text:
    """Characters between elements, as XML means them: entities replaced, CDATA unwrapped."""

    line: int
    value: str


@dataclass(frozen=True, slots=True)
class Element:
    """An element: attributes in their order, and what is in it, elements and texts."""

    line: int
    name: str
    attributes: Mapping[str, str]
    content: tuple[Element | Text, ...]

    @property
    def elements(self) -> tuple[Element, ...]:
        """The elements that lie directly in it."""
        return tuple(node for node in self.content if isinstance(node, Element))

    @property
    def own_text(self) -> str:
        """The text that lies directly in it."""
        return "".join(node.value for node in self.content if isinstance(node, Text))

    def words(self, apart: Container[str]) -> str:
        """Return all the text in it, with blanks around the elements ``apart`` within it, which part words."""
        inner = (
            node.value
            if isinstance(node, Text)
            else f" {node.words(apart)} "
            if node.name in apart
            else node.words(apart)
            for node in self.content
        )
        return "".join(inner)

    def walk(self) -> Iterator[Element]:
        """Give it and all elements within it, in document order."""
        yield self
        for element in self.elements:
            yield from element.walk()


def read(document: str | bytes) -> Element:
    """Return the root of a document. Raises Unreadable."""
    text = _decoded(document) if isinstance(document, bytes) else document
    text = text.removeprefix(_BOM)
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise Unreadable(line, "half of a surrogate pair: not a character") from None
    if len(raw) > MAX_BYTES:
        raise Unreadable(0, f"{len(raw)} bytes; a document may have {MAX_BYTES}")
    builder = _Builder()
    try:
        builder.parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise Unreadable(error.lineno, _words(error.code)) from None
    assert builder.root is not None  # noqa: S101 - expat refuses a text without an element
    return builder.root


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, "not UTF-8: write the document in UTF-8") from None


def _words(code: int) -> str:
    match code:
        case 17:
            return (
                "white space before the XML declaration: begin the document with <?xml, or leave the declaration out"
            )
        case 3:
            return "no element: the document is empty"
        case 11:
            right = "only &amp; &lt; &gt; &quot; &apos; and characters by number (&#233;) are read"
            return f"an entity that is not defined: {right}"
        case _:
            right = _RIGHT.get(code, "")
            return f"not readable as XML: {expat.ErrorString(code)}" + (f"; {right}" if right else "")


class _Open:
    """An element whose end has not come."""

    __slots__ = ("attributes", "content", "line", "name", "pieces", "text_line")

    def __init__(self, line: int, name: str, attributes: Mapping[str, str]) -> None:
        self.line = line
        self.name = name
        self.attributes = attributes
        self.content: list[Element | Text] = []
        self.pieces: list[str] = []
        self.text_line = 0

    def settle(self) -> None:
        """Join the pieces in which expat gave a text."""
        if self.pieces:
            self.content.append(Text(self.text_line, "".join(self.pieces)))
            self.pieces.clear()


class _Builder:
    """Hears expat and makes a tree; an Unreadable that it raises ends the parse."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[_Open] = []
        self._elements = 0
        self.parser: Any = expat.ParserCreate("UTF-8")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:  # noqa: ARG002 - expat's signature
        if version != "1.0":
            raise Unreadable(self._line, f"XML {version:.20}: only XML 1.0 is read")
        if encoding is not None and encoding.lower() not in _UTF8:
            raise Unreadable(self._line, f"encoding {encoding:.40}: write the document, and say so, in UTF-8")

    def _doctype(self, *_: object) -> None:
        raise Unreadable(self._line, "a document type (<!DOCTYPE …>) is not read, nor are entities: leave it out")

    def _instruction(self, target: str, _: str) -> None:
        raise Unreadable(self._line, f"a processing instruction (<?{target:.40} …?>) is not read: leave it out")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise Unreadable(self._line, f"more than {MAX_ELEMENTS} elements")
        if len(self._open) >= MAX_DEPTH:
            raise Unreadable(self._line, f"more than {MAX_DEPTH} elements within each other")
        if self._open:
            self._open[-1].settle()
        self._open.append(_Open(self._line, name, attributes))

    def _end(self, _: str) -> None:
        ended = self._open.pop()
        ended.settle()
        element = Element(ended.line, ended.name, ended.attributes, tuple(ended.content))
        if self._open:
            self._open[-1].content.append(element)
        else:
            self.root = element

    def _characters(self, data: str) -> None:
        here = self._open[-1]
        if not here.pieces:
            here.text_line = self._line
        here.pieces.append(data)

    @property
    def _line(self) -> int:
        line: int = self.parser.CurrentLineNumber
        return line
