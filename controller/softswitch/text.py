"""FreeSWITCH's ways with text: truth, argument splitting, `{a=b}` blocks, url decoding."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote_to_bytes

_TRUE = frozenset({"yes", "on", "true", "t", "enabled", "active", "allow"})
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "s": " "}
_INTEGER = re.compile(r"[+-]?\d+$")


def is_true(value: str | None) -> bool:
    """switch_true: a word of assent or a non-zero integer."""
    if value is None:
        return False
    return value.lower() in _TRUE or (bool(_INTEGER.match(value)) and int(value) != 0)


def number(value: str | None) -> int:
    """C's atoi: the leading integer, else 0."""
    found = re.match(r"\s*([+-]?\d+)", value or "")
    return int(found.group(1)) if found else 0


def split_arguments(text: str, most: int, delimiter: str = " ") -> list[str]:
    r"""switch_separate_string: at most `most` fields, the last keeps the rest; single quotes and `\` protect."""
    fields: list[str] = []
    rest = text
    while rest and len(fields) < most:
        if delimiter == " ":
            rest = rest.lstrip(" ")
            if not rest:
                break
        if len(fields) == most - 1:
            fields.append(_cleaned(rest, delimiter))
            break
        end = _field_end(rest, delimiter)
        fields.append(_cleaned(rest[:end], delimiter))
        rest = rest[end + 1 :]
    return fields


def _field_end(text: str, delimiter: str) -> int:
    quoted = False
    index = 0
    while index < len(text):
        char = text[index]
        if char == "\\" and index + 1 < len(text):
            index += 2
            continue
        if char == "'" and (quoted or "'" in text[index + 1 :]):
            quoted = not quoted
        elif char == delimiter and not quoted:
            return index
        index += 1
    return len(text)


def _cleaned(field: str, delimiter: str) -> str:
    """cleanup_separated_string: pairs of quotes and escapes vanish, blanks at the ends are stripped."""
    if delimiter == " ":
        return _unquote(field)
    field, found, kept, index, quoted = field.lstrip(" "), "", 0, 0, False
    while index < len(field):
        char, after = field[index], field[index + 1 : index + 2]
        if char == "\\" and after and after in f"'\"\\nrts{delimiter}":
            found += _ESCAPED.get(after, after)
            kept, index = len(found), index + 1
        elif char == "'" and (quoted or "'" in field[index + 1 :]):
            quoted = not quoted
            kept = len(found) if quoted else kept
        else:
            found += char
            kept = len(found) if char != " " or quoted else kept
        index += 1
    return found[:kept] if kept else found


def _unquote(field: str) -> str:
    stripped = field.strip(" ")
    if len(stripped) >= 2 and stripped[0] == stripped[-1] == "'":
        stripped = stripped[1:-1]
    return re.sub(r"\\([ ',;\\])", r"\1", stripped)


def parse_block(text: str) -> tuple[dict[str, str], str]:
    """switch_event_create_brackets for a leading `{a=b,c=d}`: (variables, what follows). No block: ({}, text)."""
    body = text.lstrip(" ")
    if not body.startswith("{") or "}" not in body:
        return {}, text
    inner, rest = body[1:].split("}", 1)
    delimiter = ","
    if inner.startswith("^^") and len(inner) > 2:
        delimiter, inner = inner[2], inner[3:]
    variables: dict[str, str] = {}
    for pair in split_arguments(inner, 256, delimiter):
        name, equals, value = pair.partition("=")
        if equals and name.strip():
            variables[name.strip()] = _unquote(value)
    return variables, rest


def url_decode(text: str) -> str:
    """switch_url_decode: every `%XX` becomes its byte."""
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


class Variables:
    """Channel variables: names compare case-insensitively, a set variable moves to the end."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] = {}) -> None:
        self._values: dict[str, tuple[str, str]] = {}
        for name, value in values.items():
            self.set(name, value)

    def set(self, name: str, value: str | None) -> None:
        """Set; None or the empty string unsets."""
        self._values.pop(name.lower(), None)
        if value:
            self._values[name.lower()] = (name, value)

    def get(self, name: str) -> str | None:
        """Return the value, None when unset."""
        found = self._values.get(name.lower())
        return None if found is None else found[1]

    def items(self) -> Iterator[tuple[str, str]]:
        """Pairs of name and value in the order in which they were last set."""
        return iter(self._values.values())

    def as_dict(self) -> dict[str, str]:
        """Copy."""
        return dict(self._values.values())
