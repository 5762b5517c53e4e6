"""Events in their three texts, hostile values included."""

import json
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softswitch.events import Event, core_headers, url_encode

texts = st.text(st.characters(codec="utf-8"), max_size=40)


def frame_body(frame: bytes) -> bytes:
    head, body = frame.split(b"\n\n", 1)
    assert head.split(b"\n")[0] == b"Content-Length: %d" % len(body)
    return body


@given(texts.filter(lambda value: not value.startswith("ARRAY::")))
def test_json_is_exact(value: str) -> None:
    """What a caller sends arrives in JSON as it is, framed by its length in bytes."""
    event = Event("CUSTOM", [("Event-Name", "CUSTOM"), ("Caller-Caller-ID-Name", value)])
    assert json.loads(frame_body(event.frame("json")))["Caller-Caller-ID-Name"] == value


@given(texts)
def test_plain_values_cannot_break_a_line(value: str) -> None:
    """Plain has one line a header, whatever the value holds."""
    text = Event("CUSTOM", [("Event-Name", "CUSTOM"), ("X", value)]).plain()
    assert text.endswith("\n\n")
    assert len(text.split("\n")) == 4


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("a b", "a%20b"), ("", "_undef_"), ("evil%0AUA", "evil%0AUA"), ("\n", "%0A"), ("%0a", "%250a"),
        ("a:b;c", "a%3Ab%3Bc"), ("é", "%C3%A9"), ("\udcff", "%FF"), ("(x)!*'", "(x)!*'"), ("50%", "50%25"),
    ],
)  # fmt: skip
def test_url_encoding(value: str, encoded: str) -> None:
    """The set that FreeSWITCH encodes, and the passthrough that makes it irreversible."""
    assert url_encode(value) == encoded
    if value and value != "evil%0AUA" and "\udcff" not in value:
        assert unquote(encoded) == value


def test_arrays_duplicates_and_bytes() -> None:
    """ARRAY:: is a list in JSON, a repeated header a repeated key, bytes that are no UTF-8 come out as they were."""
    event = Event("X", [("Event-Name", "FAKE"), ("Event-Name", "X"), ("A", "ARRAY::a|:b"), ("B", "\udcff")])
    assert event.json().count('"Event-Name"') == 2
    assert '"A":["a","b"]' in event.json()
    assert b'"B":"\xff"' in event.frame("json")
    assert "A: ARRAY%3A%3Aa%7C%3Ab\n" in event.plain()
    assert event.get("event-name") == "FAKE"


def test_body() -> None:
    """A body has its own length: an inner header in plain, a string beside `_body` in JSON, an element in XML."""
    event = Event("BACKGROUND_JOB", [("Event-Name", "BACKGROUND_JOB")], "+OK é\n")
    assert event.plain().endswith("Content-Length: 7\n\n+OK é\n")
    assert json.loads(event.json()) == {"Event-Name": "BACKGROUND_JOB", "Content-Length": "7", "_body": "+OK é\n"}
    root = ElementTree.fromstring(event.xml())  # noqa: S314 (our own text)
    assert root.findtext("body") == "+OK é\n"


def test_xml() -> None:
    """XML is well-formed, values url-encoded."""
    event = Event("X", [("Event-Name", "X"), ("Name", "<&>")])
    root = ElementTree.fromstring(frame_body(event.frame("xml")))  # noqa: S314 (our own text)
    assert root.findtext("headers/Name") == "%3C%26%3E"


def test_core_headers() -> None:
    """Every event begins alike; the timestamp is in microseconds; a subclass comes first."""
    headers = core_headers("HEARTBEAT", core_uuid="c", hostname="h", sequence=7, now=1795148425.959676, subclass="s")
    assert headers[0] == ("Event-Subclass", "s")
    assert dict(headers)["Event-Date-Timestamp"] == "1795148425959676"
    assert dict(headers)["Event-Date-GMT"] == "Fri, 20 Nov 2026 04:20:25 GMT"
    assert headers[-1] == ("Event-Sequence", "7")
