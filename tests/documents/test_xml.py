"""Reading XML: what comes of it, with lines; what is refused, by its name and with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.documents.xml import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, PARTING, Element, Unreadable, read


def refused(document: str | bytes) -> tuple[int, str]:
    with pytest.raises(Unreadable) as caught:
        read(document)
    return caught.value.line, str(caught.value)


def test_elements_texts_and_their_lines() -> None:
    """Attributes in order, entities replaced, CDATA unwrapped, comments gone, each with its line."""
    root = read(
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response>\n  <!-- hello -->\n'
        '  <Say b="2" a="&quot;x&quot; &#233;">a &amp; b<![CDATA[ <c> ]]></Say>\n\n'
        "  <Gather>\n<Play/></Gather>\n</Response>\n"
    )
    assert (root.name, root.line) == ("Response", 2)
    say, gather = root.elements
    assert (say.line, list(say.attributes.items())) == (4, [("b", "2"), ("a", '"x" é')])
    assert (say.own_text, say.words(())) == ("a & b <c> ", "a & b <c> ")
    assert [(element.name, element.line) for element in gather.walk()] == [("Gather", 6), ("Play", 7)]


def test_text_of_elements_within() -> None:
    """What is said is all of an element's text, markup within it or not."""
    root = read("<Say>one <emphasis>two</emphasis> three</Say>")
    assert root.words(()) == "one two three"
    parted = read("<a>one<break/>two<p>three</p>fo<w>ur</w></a>")
    assert parted.words(PARTING).split() == ["one", "two", "three", "four"]
    assert root.own_text == "one  three"


@pytest.mark.parametrize(
    "document",
    [
        "\ufeff<Response/>",
        b"\xef\xbb\xbf<Response/>",
        "\n  <Response/>\n",
        '<?xml version="1.0"?><Response/>',
        "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<Response/>",
        '<?xml version="1.0" encoding="US-ASCII"?><Response/>',
    ],
)
def test_ways_to_begin(document: str | bytes) -> None:
    """A byte order mark, white space without a declaration, a declaration: all are one document."""
    assert read(document) == read("<Response/>") or read(document).name == "Response"


BOMB = '<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><Response>&b;</Response>'
OUTSIDE = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><Response>&x;</Response>'


@pytest.mark.parametrize(
    ("document", "line", "words"),
    [
        (' <?xml version="1.0"?><Response/>', 1, "white space before the XML declaration"),
        ('\n<?xml version="1.0"?><Response/>', 2, "white space before the XML declaration"),
        ("", 1, "the document is empty"),
        ("   \n ", 2, "the document is empty"),
        ("hello", 1, "not readable as XML"),
        ("<Response>\n<Say>", 2, "no"),
        ("<Response>\n<Say></Response>", 2, "close each element that is opened"),
        ("<Response>\n a & b</Response>", 2, "write & as &amp;"),
        ("<Response>&nbsp;</Response>", 1, "only &amp; &lt; &gt; &quot; &apos;"),
        ('<Response a="1"\n a="2"/>', 2, "write each attribute once"),
        ("<Response/>\n<Response/>", 2, "a document is one element"),
        ("<Response>\x00</Response>", 1, "no control characters"),
        ("<Response>&#0;</Response>", 1, "write characters that XML allows"),
        ("<Response>\ud800</Response>", 1, "half of a surrogate pair"),
        ("<a>\n\n<b x='\ud800'/></a>", 3, "half of a surrogate pair"),
        (b"<Response>\n\xe9</Response>", 2, "write the document in UTF-8"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><Response/>', 1, "encoding ISO-8859-1"),
        ('<?xml version="1.0" encoding="UTF-16"?><Response/>', 1, "encoding UTF-16"),
        ('<?xml version="1.1"?><Response/>', 1, "only XML 1.0 is read"),
        (f"\n{BOMB}", 2, "a document type (<!DOCTYPE …>) is not read"),
        (OUTSIDE, 1, "a document type (<!DOCTYPE …>) is not read"),
        ("<!DOCTYPE html>\n<Response/>", 1, "a document type (<!DOCTYPE …>) is not read"),
        ("<Response>\n<?php echo 1 ?></Response>", 2, "a processing instruction (<?php …?>)"),
        ('<?xml-stylesheet href="x"?><Response/>', 1, "a processing instruction (<?xml-stylesheet …?>)"),
        ("<a>" * (MAX_DEPTH + 1), 1, f"more than {MAX_DEPTH} elements within each other"),
        ("<a>" + "<b/>" * MAX_ELEMENTS + "</a>", 1, f"more than {MAX_ELEMENTS} elements"),
        ("<a>" + "é" * (MAX_BYTES // 2) + "</a>", 0, f"a document may have {MAX_BYTES}"),
    ],
)
def test_refused(document: str | bytes, line: int, words: str) -> None:
    """Each is refused with its line, and says what would be right."""
    at, message = refused(document)
    assert words in message
    assert at == line


def test_at_the_bounds() -> None:
    """What is just not too much is read."""
    assert len(read("<a>" + "<b/>" * (MAX_ELEMENTS - 1) + "</a>").elements) == MAX_ELEMENTS - 1
    assert len(list(read("<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH).walk())) == MAX_DEPTH
    assert len(read("<a>" + "x" * (MAX_BYTES - 7) + "</a>").words(())) == MAX_BYTES - 7


def lines_of_refusals(*documents: str | bytes) -> list[int]:
    """The line of each refusal; what is read has none."""
    found = []
    for document in documents:
        try:
            assert isinstance(read(document), Element)
        except Unreadable as error:
            found.append(error.line)
    return found


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes of any text, nor of it within an element."""
    most = text.count("\n") + text.count("\r") + 1
    lines = lines_of_refusals(text, f"<Response>{text}</Response>", f'<Response a="{text}"/>')
    assert all(0 <= line <= most for line in lines)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Nothing else comes of any bytes."""
    assert all(line >= 0 for line in lines_of_refusals(raw))
