"""What a switch, or whoever answers in its place, may send: frames, halves of frames, lies about lengths."""

from __future__ import annotations

import asyncio
import contextlib
import json
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from controller.switch import facts
from controller.switch.facts_types import Forged, Unusable
from controller.switch.link import Link, LinkLost, LinkRefused, SwitchAddress, Timings
from controller.switch.wire import Wire, WireClosed
from controller.switch.wire_codec import Frame, FrameReader, Item, Limits, Unreadable
from controller.switch.wire_thread import WireThread
from tests.fuzz.profile import fuzz
from tests.fuzz.texts import HOSTILE, encodable, json_values, texts
from tests.switch.peer import Conn, Peer, event, frame, raw_event
from tests.switch.test_wire import Sink, target

LIMITS = Limits(line=200, block=600, body=2_000)

TYPES = (
    "text/event-json",
    "command/reply",
    "api/response",
    "auth/request",
    "text/disconnect-notice",
    "text/plain",
    "",
)
names = st.sampled_from(("Content-Type", "content-type", "Content-Length", "content-length", "Reply-Text", "X", ""))
values = st.sampled_from((*TYPES, "0", "5", "-1", "99999999999", "1 ", "x", "1\r", "٣")) | texts.map(encodable)
jsons = st.builds(lambda value: json.dumps(value).encode(), json_values)
bodies = jsons | st.binary(max_size=60)
frames = st.one_of(
    st.builds(frame, st.dictionaries(names, values, max_size=4), bodies),
    st.builds(frame, st.dictionaries(names, values, max_size=4)),
    st.builds(raw_event, bodies),
    st.builds(lambda kind: frame({"Content-Type": kind}), st.sampled_from(TYPES)),
    st.builds(lambda size, body: b"Content-Length: %d\nContent-Type: text/event-json\n\n" % size + body,
              st.integers(0, 3_000), bodies),
    st.sampled_from((b"\n", b"\n\n", b"\0", b"\r\n\r\n", b"x" * 250, b"a: b\n" * 150, b"\xff\xfe")),
    st.binary(max_size=40),
)  # fmt: skip
streams = st.lists(frames, max_size=6).map(b"".join)
GOOD = event("HEARTBEAT", Number="1")


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


def read(chunks: list[bytes]) -> tuple[list[Item], str, int]:
    """The items, the error and what is pending; never more than the limits allow is held."""
    reader, items = FrameReader(LIMITS), []
    largest = LIMITS.block + LIMITS.body + max(map(len, chunks), default=0)
    for chunk in chunks:
        items += reader.feed(chunk)
        assert reader.pending <= largest
    return items, str(reader.error or ""), reader.pending


@fuzz(250)
@given(streams, st.lists(st.integers(0, 5_000), max_size=12))
@example(b"x" * 5_000, list(range(0, 5_000, 100)))
def test_a_stream_reads_the_same_in_every_chunking(data: bytes, cuts: list[int]) -> None:
    """Items in order, up to the same error; it is told at the latest when all has come."""
    whole, error, pending = read([data])
    split = read(chunked(data, cuts))
    assert split[0] == whole
    assert bool(split[1]) is bool(error)
    assert error or split[2] == pending


@fuzz(200)
@given(streams)
def test_a_good_frame_after_a_bad_one_is_read_or_the_stream_has_ended(data: bytes) -> None:
    """Either the connection ends with a reason, or waits for the rest of a frame, or reads what follows."""
    reader = FrameReader(LIMITS)
    reader.feed(data)
    waiting = reader.pending
    items = reader.feed(GOOD)
    if reader.error:
        assert reader.feed(GOOD) == []
        assert reader.pending <= waiting + len(GOOD)
        assert str(reader.error).startswith("the switch sent")
    elif not waiting:
        assert items == [json.loads(GOOD.partition(b"\n\n")[2])]


def test_nothing_is_kept_of_a_stream_that_has_ended() -> None:
    """Bytes after an error are not collected, however many come."""
    reader = FrameReader(LIMITS)
    assert reader.feed(b"no such thing\n\n") == []
    held = reader.pending
    for _ in range(10):
        reader.feed(b"x" * 1_000)
    assert reader.pending == held


# Over a connection


def _lingers(notice: Frame) -> bool:
    return notice.header("Content-Disposition") == "linger"


def reason_of(sent: bytes) -> str | None:
    """Why a connection ends that gets this; None: because the peer then closed it."""
    reader = FrameReader(LIMITS)
    for item in reader.feed(sent):
        kind = item.header("Content-Type") if isinstance(item, Frame) else ""
        if kind in {"command/reply", "api/response"}:
            return "a reply with nothing waiting"
        if kind == "text/disconnect-notice" and isinstance(item, Frame) and not _lingers(item):
            return "the switch disconnected us"
        if kind == "text/rude-rejection":
            return "refused this machine's address"
    return "the switch sent" if reader.error else None


@fuzz(40, shrink=False)
@given(streams, st.lists(st.integers(0, 5_000), max_size=4))
@example(frame({"Content-Type": "text/disconnect-notice"}, b"bye\x1b[2J\x00\xe2\x80\xae"), [])
async def test_a_connection_ends_once_with_its_reason(data: bytes, cuts: list[int]) -> None:
    """Whatever comes, in whatever pieces: all events before it are delivered, then the end is told, once."""

    opened = asyncio.Event()

    async def play(conn: Conn) -> None:
        await conn.auth()
        await opened.wait()
        for chunk in chunked(data, cuts):
            await conn.send(chunk)
            await asyncio.sleep(0)

    thread = WireThread("fuzz")
    try:
        async with asyncio.timeout(20), Peer(play) as peer:
            sink = Sink()
            wire = Wire(thread, target(peer.port), sink, limits=LIMITS)
            await wire.open()
            opened.set()
            told = await sink.end()
            expected = reason_of(data)
            assert (expected or "the switch closed the connection") in told
            if expected is None:
                before = FrameReader(LIMITS).feed(data)
                assert sink.events == sum(not isinstance(item, Frame) for item in before)
            assert all(char.isprintable() for char in told)
    finally:
        await thread.close()


@fuzz(40, shrink=False)
@given(streams, st.lists(st.integers(0, 5_000), max_size=4))
async def test_a_peer_that_speaks_no_esl_is_told_apart(data: bytes, cuts: list[int]) -> None:
    """From the first byte on: connecting ends, with one of the two errors that say why."""

    async def play(conn: Conn) -> None:
        for chunk in chunked(data, cuts):
            await conn.send(chunk)

    thread = WireThread("fuzz")
    try:
        async with asyncio.timeout(20), Peer(play) as peer:
            wire = Wire(thread, target(peer.port, auth=2), Sink(), limits=LIMITS)
            with contextlib.suppress(WireClosed):
                await wire.open()
            wire.close("over")
    finally:
        await thread.close()


@fuzz(30, shrink=False)
@given(st.lists(st.builds(raw_event, bodies) | streams, max_size=4).map(b"".join))
async def test_a_session_survives_or_ends_and_the_next_one_works(data: bytes) -> None:
    """A switch that lies in one session is served again in the next: the link itself never fails."""
    served = 0

    async def play(conn: Conn) -> None:
        nonlocal served
        await conn.setup()
        served += 1
        await conn.send(data if served == 1 else GOOD)
        if served > 1:
            await conn.until_eof()

    quick = Timings(backoff_first=0.001, backoff_cap=0.002, reply=2)
    async with asyncio.timeout(30), Peer(play) as peer:
        link = Link(SwitchAddress("fs1", "127.0.0.1", peer.port, "x"), events=("HEARTBEAT",), timings=quick)
        try:
            async with contextlib.aclosing(link.sessions()) as sessions:
                async for session in sessions:
                    with contextlib.suppress(LinkLost):
                        async for batch in session.events():
                            if served > 1 and any(one.get("Number") == "1" for one in batch):
                                return
        except LinkRefused as refused:  # "rude rejection" is final, and may be what was generated
            assert b"rude" in data, refused  # noqa: PT017
        finally:
            await link.close()


# Facts

HEADERS = (
    *("Event-Name", "Event-Calling-File", "Event-Date-Timestamp", "Unique-ID", "Command", "Record-File-Path"),
    *("Recording-Variable-fsrec_recording", "DTMF-Digit", "DTMF-Duration", "Application", "Application-UUID"),
    *("Application-Response", "variable_fsrec_account", "variable_fsrec_document", "variable_fsrec_call"),
    *("Caller-Destination-Number", "Caller-Caller-ID-Name", "Answer-State", "Channel-State", "Hangup-Cause"),
    *("Bridge-B-Unique-ID", "Old-Unique-ID", "Channel-Read-Codec-Rate", "Caller-Channel-Created-Time", "Uptime-msec"),
    *("Record-Completion-Cause", "variable_originate_disposition", "variable_last_bridge_to", "Session-Count"),
)
FILES = sorted({file for kind in facts._KINDS.values() for file in kind.files})
genuine = st.fixed_dictionaries(
    {
        "Event-Name": st.sampled_from(sorted(facts._KINDS)),
        "Event-Calling-File": st.sampled_from(FILES),
        "Event-Date-Timestamp": st.sampled_from(("1771539204530007", "0", "9" * 18)),
        "Unique-ID": st.sampled_from(("5e0e1c8e-6d1c-4a4b-9f0f-0d2f6a3c7b11", *HOSTILE)),
        "Record-File-Path": st.sampled_from(("/r/a.wav", *HOSTILE)),
    }
)
mutated = st.builds(
    lambda good, bad: {**good, **bad}, genuine, st.dictionaries(st.sampled_from(HEADERS) | texts, json_values)
)


def seen_of(value: object) -> list[str]:
    """Every text in a fact."""
    if isinstance(value, str):
        return [value]
    slots = getattr(type(value), "__struct_fields__", ())
    return [text for name in slots for text in seen_of(getattr(value, name))]


@fuzz(300)
@given(mutated | json_values)
def test_any_json_is_a_fact_or_is_none(event: Any) -> None:
    """Headers that are missing, forged, of a wrong type or hostile: no exception, and no control character inside."""
    fact = facts.parse(event)
    if not isinstance(fact, Forged | Unusable) and fact is not None:
        assert all(
            char.isprintable() or char in " \u00a0" or ord(char) > 0xFF for text in seen_of(fact) for char in text
        )
    for text in seen_of(fact):
        assert len(text) <= 2_048
        assert not any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in text)


refusals = ("<media-bugs>", "-ERR no reply", "-ERR No such channel!", "{}", "[]", '{"row_count":1}')
replies = st.one_of(
    st.sampled_from(refusals),
    texts,
    st.builds(json.dumps, json_values | mutated),
    st.builds(lambda rows: json.dumps({"row_count": 1, "rows": rows}), json_values),
)


@fuzz(400)
@given(replies)
@example("<media-bugs>" + "  <function>session_record</function>\n" * 1_000)
def test_any_reply_is_read_or_refused_in_words(reply: str) -> None:
    """Of every API command: its value, or the one error that its reader states."""
    for reader in (facts.parse_buglist, facts.parse_channels, facts.parse_dump):
        said = ""
        try:
            reader(reply)
        except facts.ReplyError as error:
            said = str(error)
        assert said.isprintable()
        assert len(said) < 500


def test_an_unreadable_event_is_told_by_its_size() -> None:
    """Nesting without end is no event, and no exception."""
    (item,) = FrameReader().feed(raw_event(b"[" * 100_000))
    assert isinstance(item, Unreadable)
    assert item.size == 100_000
