"""`${…}` and `%{…}` in the strings of a document: told apart into paths and JavaScript when it is read.

A body that is a plain path (`call.from`, `items[0].name`) is looked up by us; anything else is JavaScript, evaluated
elsewhere. What is put in is never read for placeholders again: a caller's name stays a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 1024
"""SWML: an expression has fewer characters than this."""

_OPENING = re.compile(r"[$%]\{")
_PATH = re.compile(r"\s*(?:[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*|\[[0-9]{1,6}\])*)\s*\Z", re.ASCII)
_HEADER = re.compile(r"\s*(?:vars\.)?request_response_headers\.[A-Za-z0-9_-]+\s*\Z")
"""Header names have dashes; elsewhere a dash is a minus."""

_SEGMENT = re.compile(r"[^.\[\]\s]+")
_WORDS = frozenset({"true", "false", "null", "undefined", "NaN", "Infinity", "this"})
"""Bodies that look like a path and are values of JavaScript."""

_FORBIDDEN = re.compile(r"(?<![\w$.])(function|for|while|do|async|await|import|class)(?![\w$])", re.ASCII)
_BEFORE_REGEX = "(,=:[!&|?{};+-*%<>~^"
"""After these a slash begins a regular expression, otherwise it divides."""

_CLOSES = {")": "(", "]": "[", "}": "{"}


class Malformed(ValueError):
    """A string whose placeholders, or a condition that, cannot be right; the text says why."""


@dataclass(frozen=True, slots=True)
class Path:
    """A variable's name in steps; ``text`` is the placeholder as it was written."""

    text: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """JavaScript; ``text`` is the placeholder as it was written."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Template:
    """A string with placeholders. ``alone`` says that it is one placeholder and nothing else."""

    text: str
    parts: tuple[str | Path | Script, ...]

    @property
    def alone(self) -> bool:
        """Whether the string is one placeholder, so that it may keep its value's type."""
        return len(self.parts) == 1 and not isinstance(self.parts[0], str)

    @property
    def scripts(self) -> tuple[str, ...]:
        """The JavaScript sources in it, in their order."""
        return tuple(part.source for part in self.parts if isinstance(part, Script))


def template(text: str) -> str | Template:
    """Return ``text``, or what it becomes where it has placeholders. Raises Malformed."""
    parts: list[str | Path | Script] = []
    at = 0
    while found := _OPENING.search(text, at):
        if found.start() > at:
            parts.append(text[at : found.start()])
        end = _closing(text, found.end())
        if end is None:
            raise Malformed(f"`{found[0]}` without its `}}` (or a quote or bracket in it is not closed)")
        parts.append(_placeholder(text[found.start() : end + 1], text[found.end() : end]))
        at = end + 1
    if not parts:
        return text
    if at < len(text):
        parts.append(text[at:])
    return Template(text, tuple(parts))


def condition(text: str) -> str:
    """Return a bare condition's JavaScript. Raises Malformed.

    `${x}` in it means `(x)`; in a quoted text, what is there becomes a part of that text and of nothing else. The
    reference calls both inconsistent, and has an example of each. In backquotes it is JavaScript's own.
    """
    if len(text) >= 2 * LONGEST:
        raise Malformed(f"an expression has fewer than {LONGEST} characters; got {len(text)}")
    made: list[str] = []
    bare: list[str] = []  # the same, without what stands for placeholders in quoted texts
    opened: list[str] = []
    reader, at, began, joined = _Reader(), 0, 0, False
    while at < len(text):
        found = None if reader.escaped or reader.comment or reader.quote == "`" else _OPENING.match(text, at)
        if found is not None and reader.quote == "/":
            raise Malformed("no variable may stand in a regular expression")
        if found is not None and reader.quote:
            end = _closing(text, found.end())
            if end is None:
                raise Malformed(f"`{found[0]}` without its `}}`")
            made.append(f"{reader.quote}+{_as_text(text[found.end() : end])}+{reader.quote}")
            joined, at = True, end + 1
            continue
        was = reader.quote
        code = reader.read(text, at)
        character = text[at]
        if found is not None:
            opened.append("$")
            character = reader.before = "("
        elif code and character == "{":
            opened.append("{")
        elif code and character == "}" and opened and opened.pop() == "$":
            character = reader.before = ")"
        if reader.quote and not was:
            began = len(made)
        made.append(character)
        bare.append(character)
        if joined and not reader.quote:
            made[began], joined = f"({made[began]}", False
            made.append(")")
        at += 1 if found is None else 2
    if "$" in opened:
        raise Malformed("`${` without its `}`")
    check_script("".join(bare))
    return "".join(made)


def path(text: str) -> Path | None:
    """Return the variable that a name or path means, or None where it is neither."""
    if not (_PATH.match(text) or _HEADER.match(text)) or text.strip() in _WORDS:
        return None
    return Path(text, tuple(_SEGMENT.findall(text)))


def check_script(source: str) -> None:
    """Refuse what cannot be right whatever the variables are. Raises Malformed."""
    if not source.strip():
        raise Malformed("an empty expression")
    if len(source) >= LONGEST:
        raise Malformed(f"an expression has fewer than {LONGEST} characters; got {len(source)}")
    code = list(_code(source))
    opened: list[str] = []
    for _, character in code:
        if character in "([{":
            opened.append(character)
        elif character in _CLOSES and (not opened or opened.pop() != _CLOSES[character]):
            raise Malformed(f"`{character}` closes nothing in the expression")
    if opened or _open_quote(source):
        raise Malformed("a quote or bracket of the expression is not closed")
    bare = [" "] * len(source)
    for at, character in code:
        bare[at] = character
    if word := _FORBIDDEN.search("".join(bare)):
        raise Malformed(f"`{word[1]}` is not part of SWML's expressions: no functions, loops, async or imports")


def _placeholder(written: str, body: str) -> Path | Script:
    known = path(body)
    if known is not None:
        return Path(written, known.steps)
    check_script(body)
    return Script(written, body)


def _as_text(body: str) -> str:
    """Return the JavaScript of a placeholder's value as text: of a variable that is not there, an empty one."""
    known = path(body)
    if known is None:
        check_script(body)
        return f"(({body}\n)??'')"
    first, *rest = known.steps
    found = first + "".join(f"?.[{json.dumps(step)}]" for step in rest)
    return f"(typeof {first}==='undefined'?'':({found}??''))"


class _Reader:
    """Tells JavaScript's code from its quoted texts, regular expressions and comments, a character at a time.

    ``before`` is the last character of code that is no space.
    """

    def __init__(self) -> None:
        self.quote = ""
        self.comment = ""
        self.escaped = False
        self.before = "("
        self._steps = self._in_class = False
        self._began = 0

    def read(self, source: str, at: int) -> bool:
        """Take the next character, and tell whether it is code."""
        character = source[at]
        if self.comment:
            closed = source[at - 1 : at + 1] == "*/" and at > self._began + 2
            ends = character == "\n" if self.comment == "/" else closed
            self.comment = "" if ends else self.comment
        elif not self.quote:
            return self._code(source, at)
        elif self.escaped:
            self.escaped = False
        elif character == "\\":
            self.escaped = True
        elif self.quote == "/" and character in "[]":
            self._in_class = character == "["
        elif character == self.quote and not self._in_class:
            self.quote = ""
        return False

    def _code(self, source: str, at: int) -> bool:
        character = source[at]
        if character == "/" and source[at + 1 : at + 2] in {"/", "*"}:
            self.comment, self._began = source[at + 1], at
            return False
        if character in "'\"`" or (character == "/" and self.before in _BEFORE_REGEX and not self._steps):
            self.quote = character
        if not character.isspace():
            self._steps = character in "+-" and source[at - 1 : at] == character  # a slash after `++` divides
            self.before = character
        return not self.quote


def _code(source: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """Yield the characters that are in no quoted text, regular expression or comment, with their places."""
    reader = _Reader()
    for at in range(start, len(source)):
        if reader.read(source, at):
            yield at, source[at]


def _open_quote(source: str) -> bool:
    """Tell whether a quoted text is open at the end: a character on the next line would be in it."""
    return not any(at > len(source) for at, _ in _code(f"{source}\n;"))


def _closing(text: str, start: int) -> int | None:
    """Return where the placeholder whose body begins at ``start`` ends."""
    depth = 0
    for at, character in _code(text, start):
        if character == "{":
            depth += 1
        elif character == "}":
            if depth == 0:
                return at
            depth -= 1
    return None
