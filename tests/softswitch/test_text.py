"""FreeSWITCH's ways with text."""

import pytest

from controller.softswitch.text import (
    Variables,
    is_true,
    number,
    parse_block,
    split_arguments,
    url_decode,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("true", True),
        ("YES", True), ("on", True), ("t", True), ("enabled", True), ("active", True), ("allow", True),
        ("1", True),
        ("-1", True), ("42", True), ("0", False), ("", False), (None, False), ("no", False), ("y", False),
    ],
)  # fmt: skip
def test_truth(value: str | None, expected: bool) -> None:
    """switch_true: certain words, or an integer that is not zero."""
    assert is_true(value) is expected


@pytest.mark.parametrize(("value", "expected"), [("12abc", 12), ("-3", -3), (" 7", 7), ("x", 0), ("", 0), (None, 0)])
def test_number(value: str | None, expected: int) -> None:
    """C's atoi."""
    assert number(value) == expected


@pytest.mark.parametrize(
    ("text", "most", "fields"),
    [
        ("a b c", 5, ["a", "b", "c"]),
        ("a  b   c d", 3, ["a", "b", "c d"]),
        ("u start '/x/a b.wav' 0 {k=v}", 5, ["u", "start", "/x/a b.wav", "0", "{k=v}"]),
        ("u start /x/a\\ b.wav", 5, ["u", "start", "/x/a b.wav"]),
        ("it's one", 5, ["it's", "one"]),
        ("", 5, []),
        ("   ", 5, []),
    ],
)
def test_split(text: str, most: int, fields: list[str]) -> None:
    """switch_separate_string: the last field keeps the rest, quotes and backslashes protect blanks."""
    assert split_arguments(text, most) == fields


def test_split_at_another_delimiter() -> None:
    """Semicolons of uuid_setvar_multi; an escaped one is kept."""
    assert split_arguments("a=1;b=x\\;y;c=", 64, ";") == ["a=1", "b=x;y", "c="]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a=1,b=x=y}rest", ({"a": "1", "b": "x=y"}, "rest")),
        ("{^^:a=1:b=x,y}", ({"a": "1", "b": "x,y"}, "")),
        ("{a='1,2',b=3}", ({"a": "1,2", "b": "3"}, "")),
        ("{a}", ({}, "")),
        ("{a=1", ({}, "{a=1")),
        ("plain", ({}, "plain")),
        (" {a=1} ", ({"a": "1"}, " ")),
    ],
)
def test_block(text: str, expected: tuple[dict[str, str], str]) -> None:
    """`{a=b,…}`: other delimiters, quotes, no block."""
    assert parse_block(text) == expected


def test_url_decode_keeps_what_is_no_utf8() -> None:
    """%XX becomes its byte, whatever that is."""
    assert url_decode("a%20b%2C%C3%A9") == "a b,é"
    assert url_decode("%FF").encode("utf-8", "surrogateescape") == b"\xff"


def test_variables() -> None:
    """Names compare case-insensitively, the last set comes last, empty unsets, a copy is a copy."""
    variables = Variables({"One": "1", "two": "2"})
    variables.set("ONE", "uno")
    assert list(variables.items()) == [("two", "2"), ("ONE", "uno")]
    assert variables.get("one") == "uno"
    variables.set("two", "")
    copy = variables.as_dict()
    variables.set("one", None)
    assert (variables.get("two"), variables.get("one"), copy) == (None, None, {"ONE": "uno"})
