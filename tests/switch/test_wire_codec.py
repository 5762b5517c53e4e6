"""Packets out and frames in, as tables and properties, in every chunking."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.switch.wire_codec import (
    MAX_PACKET,
    Frame,
    FrameReader,
    Item,
    Limits,
    PacketRefused,
    Unreadable,
    encode_packet,
)
from tests.switch.peer import api, event, frame, notice, raw_event, reply

# Packets out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("api a\0b", "NUL or CR"),
        ("api a\rb", "NUL or CR"),
        ("api a\r\nexit", "NUL or CR"),
        ("api a\n\napi b", "empty line"),
        ("\napi a", "empty line"),
        ("api a\n", "empty line"),
        ("", "empty line"),
        ("sendmsg x\ncontent-length: 5", "Content-Length"),
        ("sendmsg x\nContent-Length : 5", "Content-Length"),
        ("sendmsg x\nexecute-app-arg: flite|kal|please reload the mod_event_socket", "every client"),
        ("api RELOAD MOD_Event_Socket", "every client"),
        ("sendmsg mod_event_socket\nUnload: 1", "every client"),
        ("api " + "x" * MAX_PACKET, f"{MAX_PACKET + 4} bytes, at most {MAX_PACKET}"),
        ("api \ud800", "surrogate"),
    ],
)
def test_packet_refused(text: str, why: str) -> None:
    """No text that could end its packet, begin another, announce a body or reload the module passes the edge."""
    with pytest.raises(PacketRefused, match=re.escape(why)) as refused:
        encode_packet(text, kind="sendmsg speak")
    assert str(refused.value).startswith("sendmsg speak: ")


@pytest.mark.parametrize(
    "text",
    [
        "api version",
        "sendmsg x\na: b",
        "api reload mod_sofia",
        "api show mod_event_socket",
        "speak reloaD é\u2028 mod_event_\u017focket",
    ],
)
def test_packet_accepted(text: str) -> None:
    """What is no danger passes unchanged, closed by an empty line; only both words together reload."""
    assert encode_packet(text) == text.encode() + b"\n\n"


@given(st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_a_long_argument_is_the_body(argument: str) -> None:
    """The switch takes the same argument from a header and from a body of so many bytes: long ones go as this."""
    argument = f"a{argument}"
    asked = f"sendmsg x\ncall-command: execute\nexecute-app-arg: {argument}\nEvent-UUID: y"
    head, _, body = encode_packet(asked).partition(b"\n\n")
    if len(argument.encode()) < 64:
        assert (head, body) == (asked.encode(), b"")
    else:
        rest = f"content-type: text/plain\ncontent-length: {len(argument.encode())}"
        assert head == f"sendmsg x\ncall-command: execute\nEvent-UUID: y\n{rest}".encode()
        assert body == argument.encode()


@pytest.mark.parametrize(
    "text",
    [
        "api x\nexecute-app-arg: {}",
        "sendmsg x\n execute-app-arg: {}",
        "sendmsg x\nexecute-app-arg: {}\nexecute-app-arg: b",
        "sendmsg x\nexecute-app-arg: b\nexecute-app-arg: {}",
        "bgapi x {}",
    ],
)
def test_nothing_else_is_a_body(text: str) -> None:
    """An argument is one of a message to a leg alone, and of two the switch takes the first, from their headers."""
    asked = text.format("a" * 100)
    assert encode_packet(asked) == asked.encode() + b"\n\n"


@given(st.text(st.sampled_from("ab:\n\r\0 ") | st.characters()))
def test_packet_is_one_packet(text: str) -> None:
    """Whatever passes is one packet to the switch: one empty line, at its end, no CR, no NUL."""
    try:
        raw = encode_packet(text)
    except PacketRefused:
        return
    assert raw.index(b"\n\n") == len(raw) - 2
    assert not raw.startswith(b"\n")
    assert not {0, 13} & set(raw)


# Frames in


def read_all(reader: FrameReader, *pieces: bytes) -> list[Item]:
    return [item for piece in pieces for item in reader.feed(piece)]


EVENT_HEADER_SWAPPED = b'Content-Type: text/event-json\nContent-Length: 19\n\n{"Event-Name": "X"}'


def framed(kind: str, body: str | None = None, /, **headers: str) -> Frame:
    lengths = {} if body is None else {"Content-Length": str(len(body.encode()))}
    return Frame({"Content-Type": kind, **headers, **lengths}, body)


NESTED = "a\n\nContent-Length: 9\n\n"
STREAM: list[tuple[bytes, Item]] = [
    (frame({"Content-Type": "auth/request"}), framed("auth/request")),
    (reply("+OK"), framed("command/reply", **{"Reply-Text": "+OK"})),
    (b"\n" + reply("+OK café"), framed("command/reply", **{"Reply-Text": "+OK café"})),
    (reply("+OK", **{"Job-UUID": "a"}), framed("command/reply", **{"Reply-Text": "+OK", "Job-UUID": "a"})),
    (api("true"), framed("api/response", "true")),
    (api(NESTED), framed("api/response", NESTED)),
    (api(b"\xe9t\xe9"), Frame({"Content-Type": "api/response", "Content-Length": "3"}, "\ufffdt\ufffd")),
    (api(b""), framed("api/response", "")),
    (raw_event(b'{"a":["1","2"],"_body":"\\n\\n"}'), {"a": ["1", "2"], "_body": "\n\n"}),
    (raw_event(b'{"n":"M\xfcller"}'), {"n": "M\ufffdller"}),
    (raw_event('{"n":"Müller\u2028\u0085"}'.encode()), {"n": "Müller\u2028\u0085"}),
    (EVENT_HEADER_SWAPPED, {"Event-Name": "X"}),
    (raw_event(b"[1]"), Unreadable(3, "a JSON list, an object is expected")),
    (
        notice(b"bye\n", **{"Content-Disposition": "linger"}),
        framed("text/disconnect-notice", "bye\n", **{"Content-Disposition": "linger"}),
    ),
    (
        b"content-type: log/data\nContent-length: 2\n\nhi",
        Frame({"content-type": "log/data", "Content-length": "2"}, "hi"),
    ),
]


@given(
    st.lists(st.sampled_from(STREAM), max_size=12),
    st.lists(st.integers(min_value=0, max_value=2000), max_size=30),
)
def test_any_chunking_gives_the_same(parts: list[tuple[bytes, Item]], cuts: list[int]) -> None:
    """However the bytes are split, the same replies and events come out, in the same order."""
    data = b"".join(raw for raw, _ in parts)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = FrameReader()
    items = read_all(reader, *(data[a:b] for a, b in pairwise(edges)))
    assert items == [item for _, item in parts]
    assert reader.error is None
    assert reader.pending == 0


def test_byte_by_byte() -> None:
    """Fed one byte at a time, every frame comes out at its last byte and not before."""
    reader = FrameReader()
    for raw, item in STREAM:
        assert read_all(reader, *(raw[i : i + 1] for i in range(len(raw) - 1))) == []
        assert reader.feed(raw[-1:]) == [item]


SMALL = Limits(line=100, block=300, body=1000)


@pytest.mark.parametrize(
    ("data", "numbers"),
    [
        (b"X: " + b"y" * 98, ("header line", "101", "100")),
        (b"X: " + b"y" * 98 + b"\n\n", ("header line", "101", "100")),
        (b"A: b\n" * 61, ("header block", "305", "300")),
        (b"A: b\n" * 61 + b"\n", ("header block", "304", "300")),
        (b"Content-Type: api/response\nContent-Length: 1001\n\n", ("body", "1001", "1000")),
        (b"Content-Length: 1001\nContent-Type: text/event-json\n\n", ("body", "1001", "1000")),
        (b"Content-Length: 999999999999\n\n", ("body", "999999999999", "1000")),
    ],
)
def test_every_read_is_bounded(data: bytes, numbers: tuple[str, ...]) -> None:
    """What is beyond its limit ends reading with both numbers, whole or not; what came before counts."""
    reader = FrameReader(SMALL)
    assert reader.feed(api("x") + data) == [STREAM_X]
    for number in numbers:
        assert number in str(reader.error)
    assert reader.feed(api("x")) == []


STREAM_X = Frame({"Content-Type": "api/response", "Content-Length": "1"}, "x")


def test_limits_are_inclusive() -> None:
    """Exactly the limit passes."""
    reader = FrameReader(SMALL)
    assert len(reader.feed(b"X: " + b"y" * 97 + b"\n\n" + api("x" * 1000))) == 2
    assert reader.error is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\n\n", "without a colon"),
        (b"Content-Length: -1\n\n", "Content-Length '-1'"),
        (b"Content-Length: 1e3\n\n", "Content-Length '1e3'"),
        (b"Content-Length: 1234567890123\n\n", "Content-Length '1234567890123'"),
        ("Content-Length: ٣\n\n".encode(), "Content-Length"),
    ],
)
def test_not_esl(data: bytes, why: str) -> None:
    """What cannot be ESL is said to be so, never guessed at."""
    reader = FrameReader()
    assert reader.feed(data) == []
    assert why in str(reader.error)


@pytest.mark.parametrize("body", [b"{", b"", b'{"a":"\xff', b"[" * 5000, b'"x"', b"null", b"12"])
def test_unreadable_event_keeps_the_frame(body: bytes) -> None:
    """An event that is no JSON object is named as such, and the frame after it is read."""
    reader = FrameReader()
    unreadable, after = reader.feed(raw_event(body) + api("x"))
    assert isinstance(unreadable, Unreadable)
    assert unreadable.size == len(body)
    assert after == STREAM_X


def test_header_ignores_case() -> None:
    """The core mixes the case of header names; an absent header is an empty text."""
    assert Frame({"content-TYPE": "x"}).header("Content-Type") == "x"
    assert Frame({}).header("Content-Type") == ""


def test_first_of_equal_headers_counts() -> None:
    """A second header of a name cannot replace the first."""
    (item,) = FrameReader().feed(b"Reply-Text: +OK\nReply-Text: -ERR\n\n")
    assert isinstance(item, Frame)
    assert item.headers == {"Reply-Text": "+OK"}


@settings(max_examples=50)
@given(st.dictionaries(st.text(), st.text() | st.lists(st.text(), max_size=3), max_size=8))
def test_any_event_round_trips(fields: dict[str, Any]) -> None:
    """Whatever a caller put into an event comes out as it was, on either path of the reader."""
    try:
        body = json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    swapped = frame({"Content-Type": "text/event-json"}, body)
    assert FrameReader().feed(raw_event(body) + swapped) == [fields, fields]


# Headers that are kept

KEPT = {"RECORD_STOP": ("Event-Name", "Unique-ID", "Command", "n"), "DTMF": ("Event-Name", "DTMF-Digit")}


def kept(item: Item) -> Item:
    """What a reader with `KEPT` is to give of an event."""
    if not isinstance(item, dict) or (names := KEPT.get(str(item.get("Event-Name")))) is None:
        return item
    return {name: value for name, value in item.items() if name in names}


def test_of_an_event_those_headers_are_kept_that_are_asked_for() -> None:
    """Of names that are asked for in part; of all others, and of what is no event, all."""
    some = event("RECORD_STOP", Unique_ID="a", Record_File_Path="/a.wav", _body="x")
    other = event("CHANNEL_PARK", Unique_ID="a")
    items = FrameReader(headers=KEPT).feed(some + other + api("x"))
    assert items == [{"Event-Name": "RECORD_STOP", "Unique-ID": "a"}, *FrameReader().feed(other + api("x"))]


@pytest.mark.parametrize(
    "body",
    [
        rb'{"Event-Name":"DTMF","DTMF-Digit":"5","DTMF-Digit":["6"]}',
        rb'{"Event-Name":"RECORD_STOP","Comm\u0061nd":"x"}',
        rb'{"Event-Name":"RECORD_STOP","Command":null}',
        rb'{"Event-Name":"RECORD_STOP","Command":null,"Command":7}',
        rb'{"Event-Name":"RECORD_STOP","n":{"n":[1,true,1.5,{}]},"x":{"Command":"x"}}',
        b'{"Event-Name":"RECORD_STOP","n":"M\xfcller"}',
        rb'{"Event-Name":"RECORD_STOP","n":"M\u00fcller \ud83d\ude00 \n"}',
        rb'{"Event-Name":"RECORD_STOP_","x":"1"}',
        rb'{"Event-Name":"RECORD_STOP\u0020","x":"1"}',
        b'{"Event-Name":"RECORD_STOP","x":"' + b"y" * 70_000 + b'","n":"1"}',
        b'{"Event-Name":"RECORD_STOP","x":' + b"[" * 900 + b"]" * 900 + b',"n":"1"}',
    ],
)
def test_what_is_kept_is_what_it_was(body: bytes) -> None:
    """Keys that come twice, are written otherwise, hold no text: each is read as if all were kept."""
    (whole,) = FrameReader().feed(raw_event(body))
    assert isinstance(whole, dict)
    assert FrameReader(headers=KEPT).feed(raw_event(body)) == [kept(whole)]


@pytest.mark.parametrize("name", [b'"RECORD_STOP"', b'["DTMF"]', b'"X"', b"null"])
def test_an_event_of_two_names_is_kept_whole(name: bytes) -> None:
    """The last name is the one that counts, so nothing is left out by the first."""
    body = b'{"Event-Name":"DTMF","Unique-ID":"a","x":"1","Event-Name":' + name + b"}"
    assert FrameReader(headers=KEPT).feed(raw_event(body)) == FrameReader().feed(raw_event(body))


@pytest.mark.parametrize(
    "rest",
    [b"", b",", b"}x", b',"x":"\\q"}', b',"x":nul}', b',"x":"\x01"}', b',"x":' + b"[" * 100_000, b',"x":"\\ud800"}'],
)
def test_an_event_that_is_unreadable_is_so_where_nothing_of_that_is_kept(rest: bytes) -> None:
    """What is no JSON is found wherever it stands, and told as ever; the next event is read."""
    body, after = b'{"Event-Name":"RECORD_STOP"' + rest, event("RECORD_STOP", n="1")
    items = FrameReader(headers=KEPT).feed(raw_event(body) + after)
    assert items == [*FrameReader().feed(raw_event(body)), {"Event-Name": "RECORD_STOP", "n": "1"}]
    assert isinstance(items[0], Unreadable)


def test_a_name_that_the_body_does_not_hold_is_not_its_own() -> None:
    """Where the length ends before the name does, the event is unreadable, and what follows is another frame."""
    data = b'Content-Length: 2\nContent-Type: text/event-json\n\n{"Event-Name":"DTMF","x":"1"}\n\n' + api("x")
    items = FrameReader(headers=KEPT).feed(data)
    assert isinstance(items[0], Unreadable)
    assert items == FrameReader().feed(data)


@given(st.lists(st.integers(min_value=0, max_value=400), max_size=10))
def test_any_chunking_keeps_the_same(cuts: list[int]) -> None:
    """Also where a read ends within the name."""
    data = event("RECORD_STOP", n="1", x="2") + event("DTMF", x="2") + event("X", x="2")
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    items = read_all(FrameReader(headers=KEPT), *(data[a:b] for a, b in pairwise(edges)))
    assert items == [kept(item) for item in FrameReader().feed(data)]
