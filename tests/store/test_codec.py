"""Stored text is the whole value, exactly, and a stranger's text is refused with its place."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given

from controller.documents.call import Call
from controller.recordings.model import Delivery, Recording
from controller.store.codec import DecodeError, decode, encode
from tests.store.values import CALLS, RECORDINGS, call, delivery, recording


@given(RECORDINGS)
def test_recordings_come_back(value: Recording) -> None:
    """Any recording is decoded from its text as it was, lone surrogates and huge integers included."""
    assert decode(Recording, encode(value)) == value


@given(CALLS)
def test_calls_come_back(value: Call) -> None:
    """Any call is, with any JSON as its program's snapshot."""
    assert decode(Call, encode(value)) == value


def test_a_mapping_that_is_no_dict_is_stored() -> None:
    """A snapshot may be any mapping, in the exact form as well."""
    from types import MappingProxyType

    for text in ("plain", "\ud800"):
        value = call(program=MappingProxyType({"a": text}))
        assert decode(Call, encode(value)).program == {"a": text}


def test_unknown_keys_are_ignored() -> None:
    """A row written by a newer version is read as far as this one knows."""
    value = recording()
    text = encode(value)
    assert decode(Recording, text[:-1] + ',"colour":"red"}') == value
    assert decode(Recording, text.replace('"owner":{', '"owner":{"x":[1],')) == value


def test_missing_keys_take_their_default() -> None:
    """A row written by an older version is read; what has no default is named."""
    value = recording(revision=0)
    assert decode(Recording, encode(value).replace('"revision":0', '"gone":0')) == value
    with pytest.raises(DecodeError, match=r"Recording\.path: missing"):
        decode(Recording, encode(value).replace('"path":', '"gone":'))


def test_a_float_that_is_no_number_stays_readable() -> None:
    """A row is readable whatever arithmetic made of a time."""
    assert math.isnan(decode(Recording, encode(recording(requested_at=math.nan))).requested_at)
    assert decode(Recording, encode(recording(started_at=math.nan))).started_at is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"rate":8000', '"rate":"x"', r"Recording\.owner\.rate: expected int, found 'x'"),
        ('"rate":8000', '"rate":true', r"Recording\.owner\.rate: expected int"),
        ('"state":"requested"', '"state":"odd"', r"Recording\.state: expected one of requested, .*found 'odd'"),
        ('"state":"requested"', '"state":[]', r"Recording\.state: expected one of"),
        ('"requested_at":1000.0', '"requested_at":"1"', r"Recording\.requested_at: expected a number"),
        ('"requested_at":1000.0', '"requested_at":true', r"Recording\.requested_at: expected a number"),
        ('"pauses":[]', '"pauses":{}', r"Recording\.pauses: expected a list"),
        ('"pauses":[]', '"pauses":[1]', r"Recording\.pauses: expected Pause, found 1"),
        ("{", "[", r"Recording: not JSON"),
    ],
)
def test_wrong_text_is_refused_with_its_place(old: str, new: str, message: str) -> None:
    """Each wrong shape is named with its field and what was found."""
    text = encode(recording())
    assert old in text
    with pytest.raises(DecodeError, match=message):
        decode(Recording, text.replace(old, new, 1))


def test_wrong_mappings_and_fixed_tuples_are_refused() -> None:
    """A program must be a mapping, a header a pair."""
    with pytest.raises(DecodeError, match=r"Call\.program: expected a mapping"):
        decode(Call, encode(call()).replace('"program":{}', '"program":[]'))
    with pytest.raises(DecodeError, match="expected a list of 2"):
        decode(tuple[tuple[str, str], ...], '[["a"]]')


def test_what_has_no_stored_form_is_a_programming_error() -> None:
    """A field of an unknown type is refused when its class is first used, a foreign value when it is stored."""
    with pytest.raises(TypeError, match="no stored form"):
        decode(Delivery, "{}")
    with pytest.raises(TypeError, match="set has no stored form"):
        encode(replace(call(), program={"a": {1}}))
    with pytest.raises(TypeError):
        encode(delivery())


@dataclass(frozen=True)
class _Loose:
    anything: Any


def test_any_is_kept() -> None:
    """A field of any JSON type is kept as it is."""
    assert decode(_Loose, encode(_Loose([1, None, "x"]))) == _Loose([1, None, "x"])
