"""JSON text → nodes, exactly as RFC 8259 has it, with line numbers (which no JSON parser of ours gives)."""

from __future__ import annotations

import re

import orjson

from controller.dialects.swml.nodes import Budget, Entry, Mapping, Node, Scalar, Sequence, Unreadable, number

_SPACE = re.compile(r"[ \t\r\n]+")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"true|false|null")
_WORDS = {"true": True, "false": False, "null": None}


def read(text: str) -> Node:
    """Return the tree of a JSON text. Raises Unreadable."""
    reader = _Reader(text)
    node = reader.value(0)
    reader.end()
    return node


class _Reader:
    """One pass over the text; ``_at`` only grows, and ``_line`` with it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._budget = Budget()

    def value(self, depth: int) -> Node:
        self._skip_space()
        line = self._line
        self._budget.spend(line, depth)
        match self._text[self._at : self._at + 1]:
            case "{":
                return self._object(line, depth)
            case "[":
                return self._array(line, depth)
            case '"':
                return Scalar(line, self._string())
        if word := _WORD.match(self._text, self._at):
            self._at = word.end()
            return Scalar(line, _WORDS[word[0]])
        if digits := _NUMBER.match(self._text, self._at):
            self._at = digits.end()
            return Scalar(line, number(digits[0], line))
        raise self._refusal("a value")

    def end(self) -> None:
        self._skip_space()
        if self._at < len(self._text):
            raise self._refusal("the end of the document")

    def _object(self, line: int, depth: int) -> Mapping:
        entries: list[Entry] = []
        self._at += 1
        if not self._take("}"):
            while True:
                self._skip_space()
                key_line = self._line
                self._budget.spend(key_line, depth)
                key = self._string()
                self._expect(":")
                entries.append(Entry(key_line, key, self.value(depth + 1)))
                if not self._take(","):
                    break
            self._expect("}")
        return Mapping(line, tuple(entries))

    def _array(self, line: int, depth: int) -> Sequence:
        items: list[Node] = []
        self._at += 1
        if not self._take("]"):
            items.append(self.value(depth + 1))
            while self._take(","):
                items.append(self.value(depth + 1))
            self._expect("]")
        return Sequence(line, tuple(items))

    def _string(self) -> str:
        token = _STRING.match(self._text, self._at)
        if token is None:
            raise self._refusal("a text in double quotes")
        self._at = token.end()
        try:
            value: str = orjson.loads(token[0])
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            raise Unreadable(self._line, "a text holds half a character (a lone surrogate)") from None
        return value

    def _skip_space(self) -> None:
        if space := _SPACE.match(self._text, self._at):
            self._line += space[0].count("\n")
            self._at = space.end()

    def _take(self, character: str) -> bool:
        self._skip_space()
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def _expect(self, character: str) -> None:
        if not self._take(character):
            raise self._refusal(f"`{character}`")

    def _refusal(self, wanted: str) -> Unreadable:
        found = self._text[self._at : self._at + 1]
        said = repr(found) if found else "the end"
        return Unreadable(self._line, f"not readable as JSON: expected {wanted}, found {said}")
