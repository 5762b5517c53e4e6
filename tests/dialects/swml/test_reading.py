"""JSON and YAML texts become one kind of tree, and hostile ones become one clear problem."""

import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dialects.swml import json_text, yaml_text
from controller.dialects.swml.document import parse
from controller.dialects.swml.nodes import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_NODES,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Unreadable,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
TREES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5), max_leaves=25
)


def plain(node: Node) -> object:
    """A tree without its lines; pairs stand for objects, so that their order and repetitions show."""
    match node:
        case Scalar():
            return (type(node.value).__name__, node.value)
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return tuple((entry.key, plain(entry.value)) for entry in node.entries)


def expected(value: object) -> object:
    """What ``plain`` gives of a value."""
    match value:
        case list():
            return [expected(item) for item in value]
        case dict():
            return tuple((key, expected(item)) for key, item in value.items())
        case _:
            return (type(value).__name__, value)


@settings(max_examples=300)
@given(TREES, st.sampled_from([None, 1, "\t", "  "]), st.booleans())
def test_json_is_read_exactly(value: object, indent: int | str | None, ascii_only: bool) -> None:
    """Whatever JSON says is read, in any layout and escaping, with its types."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert plain(json_text.read(text)) == expected(value)


WORDS = TEXTS.filter(lambda text: not text.startswith(tuple("0123456789+-.")))
"""Texts that PyYAML, of YAML 1.1, would not leave unquoted where YAML 1.2 sees a number (`1e3`)."""


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | NUMBERS | WORDS,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(WORDS, inner, max_size=5),
        max_leaves=25,
    )
)
def test_yaml_is_the_twin_of_json(value: object) -> None:
    """What PyYAML writes of a value is read as what JSON says of it, though the two schemas differ."""
    text = yaml.safe_dump(value, sort_keys=False)
    assert plain(yaml_text.read(text)) == expected(value) == plain(json_text.read(json.dumps(value)))


def strict(text: str) -> object:
    """What the standard library's parser reads, as ``plain`` would give it; ValueError where it is no JSON."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    def tagged(value: object) -> object:
        match value:
            case list():
                return [tagged(item) for item in value]
            case Pairs():
                return tuple((key, tagged(item)) for key, item in value.pairs)
            case _:
                return (type(value).__name__, value)

    return tagged(json.loads(text, parse_constant=refuse, object_pairs_hook=Pairs))


class Pairs:
    """An object as its text has it, repetitions included."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs


@settings(max_examples=600)
@given(
    TREES, st.sampled_from([None, 1]), st.integers(0), st.sampled_from([*'{}[]:,"\\ \n-+0.e', ""]), st.integers(0, 1)
)
def test_json_grammar_is_the_one_of_a_strict_parser(
    value: object, indent: int | None, at: int, put: str, taken: int
) -> None:
    """A JSON text with one character changed is read, or refused as no JSON, exactly as the standard library does."""
    text = json.dumps(value, indent=indent)
    at %= len(text) + 1
    text = text[:at] + put + text[at + taken :]
    try:
        meant = strict(text)
    except ValueError:
        with pytest.raises(Unreadable, match=r"not readable as JSON|lone surrogate|number"):
            json_text.read(text)
    else:
        try:
            assert plain(json_text.read(text)) == meant
        except Unreadable as limit:
            assert re.search("lone surrogate|number", str(limit))  # noqa: PT017 - a limit of ours, no difference in grammar


@given(st.text(max_size=80) | st.text("{}[]:,\"\\ \n-0.'#&*!|>?%@~\x00\x85a", max_size=60))
@settings(max_examples=1000)
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but Unreadable, whose line is one of the text's."""
    try:
        parse(text)
    except Unreadable as error:
        line = error.problem.line
    else:
        return
    assert 0 <= line <= len(re.findall("[\n\r\x85\u2028\u2029]", text)) + 2


PLAIN_WORDS = [
    # text in YAML, and what JSON would have had to say for the same
    ("1.0.0", "1.0.0"),
    ("on", "on"),
    ("Off", "Off"),
    ("yes", "yes"),
    ("NO", "NO"),
    ("y", "y"),
    ("1:30", "1:30"),
    ("1_000", "1_000"),
    ("0x1F", "0x1F"),
    ("0b11", "0b11"),
    ("0o17", "0o17"),
    ("2020-01-01", "2020-01-01"),
    (".inf", ".inf"),
    (".NaN", ".NaN"),
    ("=", "="),
    ("<<", "<<"),
    ("true", True),
    ("FALSE", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("0", 0),
    ("-7", -7),
    ("+5", 5),
    ("5.0", 5.0),
    ("5.", 5.0),
    (".5", 0.5),
    ("1e3", 1000.0),
    ("-1.5E-3", -0.0015),
    ("'010'", "010"),
    ('"true"', "true"),
    ('"\\u00e9\\/"', "é/"),
    ("| \n  two\n  lines\n", "two\nlines\n"),
]


@pytest.mark.parametrize(("written", "value"), PLAIN_WORDS)
def test_yaml_words_mean_what_json_would_say(written: str, value: object) -> None:
    """YAML 1.1's traps are texts; numbers are JSON's."""
    assert plain(yaml_text.read(f"- {written}\n")) == [expected(value)]


REFUSED = [
    ("empty", "", 1, "empty"),
    ("only a comment", "# nothing\n", 1, "empty"),
    ("leading zero", "a:\n  010", 2, "octal in YAML 1.1"),
    ("leading zero with sign", "a: -0_7", 1, "octal in YAML 1.1"),
    ("billion laughs", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", 1, "anchors"),
    ("an alias", "a: 1\nb: *a\n", 2, "aliases"),
    ("an anchored scalar", "a: 1\nb: &x 1\n", 2, "anchors"),
    ("an anchored object", "&x a: 1\n", 1, "anchors"),
    ("a python object", "a: !!python/object/apply:os.system [id]\n", 1, "tags"),
    ("a tagged object", "a: 1\nb: !!python/name:os.system {}\n", 2, "tags"),
    ("a harmless tag", "a: !!str 1\n", 1, "tags"),
    ("a non-specific tag", "a: ! 1\n", 1, "tags"),
    ("two documents", "a: 1\n---\nb: 1\n", 2, "second document"),
    ("a number as key", "a: 1\n1: 2\n", 2, "key must be text"),
    ("null as key", "a: 1\n~: 2\n", 2, "key must be text"),
    ("a list as key", "? [a]\n: 1\n", 1, "key must be text"),
    ("a NUL", "a: 1\nb: \0\n", 2, "may not hold"),
    ("a bell", "a: \x07", 1, "may not hold"),
    ("a lone surrogate", "a: \ud800", 1, "may not hold"),
    ("a tab as indentation", "a:\n\t b: 1\n", 2, "not readable as YAML"),
    ("an unclosed list", "a: [1,\nb", 2, "not readable as YAML"),
    ("too large a number", "a: 1e999", 1, "too large"),
    ("too long a number", "a: " + "9" * 41, 1, "41 characters"),
    ("broken JSON", '{"a": 1,\n"b": }', 2, "not readable as JSON: expected a value, found '}'"),
    ("JSON that ends early", '{"a": [1,\n2', 2, "not readable as JSON: expected `]`, found the end"),
    ("JSON with more behind it", '{"a": 1} {', 1, "not readable as JSON: expected the end of the document"),
    ("JSON with half a character", '{"a": "\\udc00"}', 1, "lone surrogate"),
    ("JSON with an unwritable one", '{"a": "\ud800"}', 1, "lone surrogate"),
    ("JSON with a raw line break", '{"a": "x\n', 1, "not readable as JSON"),
    ("a flow YAML broken later", '{a: 1, b: 2,\nc: "x', 2, "not readable as YAML"),
    ("JSON's NUL outside of a text", '{"a": \0}', 1, "not readable as JSON"),
    ("JSON's number too large", '{"a":\n1e999}', 2, "too large"),
]


@pytest.mark.parametrize(("text", "line", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused_texts(text: str, line: int, message: str) -> None:
    """Each of these is refused with its line and its reason."""
    with pytest.raises(Unreadable) as caught:
        parse(text)
    assert caught.value.problem.line == line
    assert message in caught.value.problem.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * (MAX_CHARACTERS + 1), f"at most {MAX_CHARACTERS}"),
        ("x" * 1_048_576, "1048576 characters"),
        ("[" * 100_000, f"more than {MAX_DEPTH} deep"),
        ("- " * 100_000, f"more than {MAX_DEPTH} deep"),
        ("a: " + "{b: " * 5_000, f"more than {MAX_DEPTH} deep"),
        ('{"a":' * 50_000, f"more than {MAX_DEPTH} deep"),
        ('{"a": ' + "[" * 100_000, f"more than {MAX_DEPTH} deep"),
        ("[" + "1," * 100_000, f"more than {MAX_NODES} values"),
        ('{"a": [' + "1," * 100_000, f"more than {MAX_NODES} values"),
        ("{" + ",".join(f'"k{i}": 1' for i in range(15_000)) + "}", f"more than {MAX_NODES} values"),
    ],
    ids=["characters", "MiB", "flow", "block", "maps", "json", "json lists", "wide", "json wide", "json keys"],
)
def test_limits(text: str, message: str) -> None:
    """Size, depth and count are refused as such, whatever would come later in the text."""
    with pytest.raises(Unreadable, match=message):
        parse(text)


@pytest.mark.parametrize("read", [json_text.read, yaml_text.read], ids=["json", "yaml"])
def test_every_node_knows_its_line(read: object) -> None:
    """Keys, values, lists and objects carry the line that they begin on, in both readers."""
    text = '{\n"a": [\n1,\n{"b":\n2}\n],\n\n"c": "x"}'
    assert callable(read)
    assert read(text) == json_text.read(text)
    root = json_text.read(text)
    assert isinstance(root, Mapping)
    first, second = root.entries
    assert (root.line, first.line, first.value.line, second.line, second.value.line) == (1, 2, 2, 8, 8)
    assert isinstance(first.value, Sequence)
    assert [item.line for item in first.value.items] == [3, 4]
    inner = first.value.items[1]
    assert isinstance(inner, Mapping)
    assert (inner.entries[0].line, inner.entries[0].value.line) == (4, 5)


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    """Editors put it there; JSON and YAML are read behind it."""
    assert parse('\ufeff{"a": 1}') == parse('{"a": 1}')
    assert parse("\ufeffa: 1") == parse("a: 1")


def test_flow_yaml_that_begins_like_json_is_yaml() -> None:
    """An unquoted key in braces is YAML; a quoted one is JSON, and held to it."""
    assert plain(parse("{version: 1.0.0, a: [on]}")) == (("version", ("str", "1.0.0")), ("a", [("str", "on")]))
    with pytest.raises(Unreadable, match="not readable as JSON"):
        parse('{"version": 1.0.0, a: [on]}')
