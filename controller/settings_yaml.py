"""YAML as settings need it: plain data, the line of every key, and every problem at once.

The text is composed into nodes and never constructed, so no tag can make an object. A scalar is text, or None where
it is empty, ``~`` or ``null``: what a value means is for the schema to say, so that ``password: 0123`` stays the
four characters that were written and ``name: no`` is no boolean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

Location = tuple[str | int, ...]
Data = str | dict[str, "Data"] | list["Data"] | None

MAX_NODES = 20_000
"""Values in one file, each alias counted where it is used: a few kilobytes of aliases could stand for gigabytes."""

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)(?=\{)|\{(?P<name>[^}]*)\})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp"))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: its line (from 1, 0 unknown), the place in the data, and what would be right."""

    line: int
    location: Location
    message: str


@dataclass(slots=True)
class Document:
    """What was read: the data, the line of each location, and what was wrong with it."""

    data: Data = None
    lines: dict[Location, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """Return the line of a location, or of the nearest thing around it that was written."""
        for end in range(len(location), -1, -1):
            if location[:end] in self.lines:
                return self.lines[location[:end]]
        return 0


def read(text: str, environ: Mapping[str, str]) -> Document:
    """Return the data of one YAML document with ``${NAME}`` replaced from ``environ``; ``$${`` stands for ``${``.

    Never raises: a file that can't be read at all is a document with one fault.
    """
    document = Document()
    line = 0
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            line = loader.line + 1
            loader.dispose()
        if node is not None:
            document.data = _Walk(document, environ).value(node, (), ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.faults.append(Fault(mark.line + 1 if mark else 0, (), f"no valid YAML: {_words(error)}"))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.faults.append(Fault(line, (), f"no valid YAML: character U+{_code(error):04X} is not allowed"))
    except RecursionError:
        document.faults.append(Fault(0, (), "no valid settings: nested too deeply"))
    except (ValueError, OverflowError):  # PyYAML's own int() and chr(), of a %YAML directive or a \U escape
        document.faults.append(Fault(line, (), "no valid YAML: a number or an escape (\\U…) that means nothing"))
    return document


def _words(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong, without the words that the file has there: they may be of a secret."""
    if isinstance(error, yaml.composer.ComposerError):
        if error.problem and "alias" in error.problem:
            return "an alias (*name) of what is named nowhere; quote a value that begins with *"
        if error.context and "anchor" in error.context:
            return "an anchor (&name) that is given twice; quote a value that begins with &"
    what = error.problem or error.context or "can't be parsed"
    return _printable(_QUOTED.sub(lambda match: match[0] if _tells(match[0]) else "what is written there", what))


def _tells(quoted: str) -> bool:
    """Whether what PyYAML quotes is a token's kind (`'<scalar>'`) or a single character, no more."""
    return len(quoted) <= 3 or quoted[1] == "<"


def _code(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


class _Walk:
    """One walk over the nodes; its methods return data and leave faults and lines in the document."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self._count = 0

    def value(self, node: yaml.Node, location: Location, around: tuple[int, ...]) -> Data:
        self._document.lines.setdefault(location, node.start_mark.line + 1)
        self._count += 1
        if self._count > MAX_NODES:
            if self._count == MAX_NODES + 1:
                self._fault(node, (), f"more than {MAX_NODES} values; settings need far fewer")
            return None
        if id(node) in around:
            self._fault(node, location, "an alias that contains itself")
            return None
        inside = (*around, id(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*location, index), inside) for index, item in enumerate(node.value)]
        return dict(self._pairs(node, location, inside))

    def _pairs(self, node: yaml.Node, location: Location, around: tuple[int, ...]) -> Iterator[tuple[str, Data]]:
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, location, "a key must be a word, not a list or mapping")
                continue
            key = key_node.value
            if key in first:
                self._fault(key_node, (*location, key), f"given twice; first on line {first[key]}")
                continue
            first[key] = line
            self._document.lines[*location, key] = line
            yield key, self.value(value_node, (*location, key), around)

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> str | None:
        if node.tag not in _PLAIN_TAGS:
            self._fault(node, location, "a tag (!name) has no meaning here; quote a value that begins with !")
            return None
        text = str(node.value)
        if node.style is None and text in _NULL:
            return None
        text = _VARIABLE.sub(lambda match: self._variable(match, node, location), text)
        odd = next((char for char in text if unicodedata.category(char) in {"Cc", "Cs"}), None)
        if odd is not None:
            self._fault(node, location, f"control character U+{ord(odd):04X} is not allowed in a setting")
            return None
        return text

    def _variable(self, match: re.Match[str], node: yaml.Node, location: Location) -> str:
        if match["escaped"]:
            return "$"
        name = match["name"]
        if not _NAME.fullmatch(name):
            self._fault(node, location, "${…} must name an environment variable; write $${ for a literal ${")
            return "unset"
        if name not in self._environ:
            self._fault(node, location, f"environment variable {name} is not set")
            return "unset"
        return self._environ[name]

    def _fault(self, node: yaml.Node, location: Location, message: str) -> None:
        self._document.faults.append(Fault(node.start_mark.line + 1, location, message))
