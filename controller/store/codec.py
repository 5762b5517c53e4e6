"""Frozen dataclasses to JSON text and back, exactly: what is stored is the whole value (DESIGN section 6).

``decode(cls, encode(value)) == value`` for every dataclass made of the types below. A key that this version does not
know is ignored, so that a row written by a newer fsrec can still be read; a missing one takes the field's default.
Types: str, int, float, bool, None, enumerations, dataclasses, tuples, and mappings of JSON types.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import orjson

T = TypeVar("T")
_Read = Callable[[Any, str], Any]

_EXACT = " "
"""First character of text that only the standard library reads exactly (lone surrogates, integers over 64 bits)."""


class DecodeError(ValueError):
    """Stored text is not a value of the expected class; says where and what it found."""


def encode(value: object) -> str:
    """Return the JSON text of a dataclass instance or a tuple of JSON types."""
    try:
        return orjson.dumps(value, default=_plain).decode()
    except TypeError:
        return _EXACT + json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no stored form")


def decode(cls: type[T], text: str) -> T:
    """Return the value of class ``cls`` that ``text`` holds. Raises DecodeError."""
    read = _reader(cast("Any", cls))
    try:
        data = json.loads(text) if text.startswith(_EXACT) else orjson.loads(text)
        value: T = read(data, cls.__name__)
    except DecodeError:
        raise
    except (ValueError, RecursionError, OverflowError) as error:  # nested without end, a number beyond all floats
        raise DecodeError(f"{cls.__name__}: not JSON that can be read: {error}") from error
    return value


@cache
def _reader(hint: Any) -> _Read:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda data, _: data
    if hint is float:
        return _read_float
    if hint in {str, int, bool}:
        return _exactly(hint)
    if origin in {Union, types.UnionType}:
        return _optional(_reader(next(item for item in arguments if item is not type(None))))
    if origin is tuple:
        return _tuple(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return _read_mapping
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enumeration(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass(hint)
    raise TypeError(f"{hint!r} has no stored form")


def _wrong(where: str, expected: str, data: object) -> DecodeError:
    return DecodeError(f"{where}: expected {expected}, found {data!r:.80}")


def _read_float(data: Any, where: str) -> float:
    if data is None:  # what JSON has for a float that is no number
        return float("nan")
    if isinstance(data, bool) or not isinstance(data, float | int):
        raise _wrong(where, "a number", data)
    return float(data)


def _exactly(kind: type) -> _Read:
    def read(data: Any, where: str) -> Any:
        if type(data) is not kind:
            raise _wrong(where, kind.__name__, data)
        return data

    return read


def _optional(inner: _Read) -> _Read:
    return lambda data, where: None if data is None else inner(data, where)


def _tuple(arguments: tuple[Any, ...]) -> _Read:
    if arguments[1:] == (Ellipsis,):
        inner = _reader(arguments[0])

        def read(data: Any, where: str) -> Any:
            if not isinstance(data, list):
                raise _wrong(where, "a list", data)
            return tuple(inner(item, where) for item in data)

        return read
    parts = [_reader(argument) for argument in arguments]

    def read_fixed(data: Any, where: str) -> Any:
        if not isinstance(data, list) or len(data) != len(parts):
            raise _wrong(where, f"a list of {len(parts)}", data)
        return tuple(part(item, where) for part, item in zip(parts, data, strict=True))

    return read_fixed


def _read_mapping(data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise _wrong(where, "a mapping", data)
    return data


def _enumeration(kind: type[Enum]) -> _Read:
    members = {member.value: member for member in kind}

    def read(data: Any, where: str) -> Any:
        try:
            return members[data]
        except (KeyError, TypeError):
            raise _wrong(where, f"one of {', '.join(map(str, members))}", data) from None

    return read


def _dataclass(kind: type) -> _Read:
    hints = get_type_hints(kind)
    fields = [
        (
            field.name,
            _reader(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
    ]

    def read(data: Any, where: str) -> Any:
        if not isinstance(data, dict):
            raise _wrong(where, kind.__name__, data)
        values = {}
        for name, inner, required in fields:
            if name in data:
                values[name] = inner(data[name], f"{where}.{name}")
            elif required:
                raise DecodeError(f"{where}.{name}: missing")
        return kind(**values)

    return read
