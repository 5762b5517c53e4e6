"""The guarded connection: each hole of greenswitch has a test here that hangs or fails without its guard."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import gevent.socket
import pytest

from controller.switch.wire import Chunk, Marks, Target, Wire, WireClosed, WireRefused
from controller.switch.wire_codec import Frame, FrameReader, Item, Limits, encode_packet
from controller.switch.wire_guard import GuardedESL
from controller.switch.wire_thread import WireThread
from tests.switch.peer import Conn, Peer, Script, api, event, frame, notice, raw_event, reply

SECRET = "swordfish-7"


class Sink:
    """Receives, and lets a test wait for what it waits for."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.events = self.bytes = 0
        self.reason: str | None = None
        self.held_told: list[bool] = []
        self._news = asyncio.Event()

    def received(self, chunks: list[Chunk]) -> None:
        for items, events, size in chunks:
            self.items += items
            self.events += events
            self.bytes += size
        self._news.set()

    def ended(self, reason: str) -> None:
        assert self.reason is None, "ended twice"
        self.reason = reason
        self._news.set()

    def held(self, paused: bool, events: int) -> None:
        self.held_told.append(paused)
        self._news.set()

    async def until(self, fact: Callable[[], Any], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not fact():
                self._news.clear()
                await self._news.wait()

    async def end(self) -> str:
        await self.until(lambda: self.reason is not None)
        assert self.reason is not None
        return self.reason


@pytest.fixture
async def thread() -> AsyncIterator[WireThread]:
    thread = WireThread("test")
    yield thread
    await thread.close()
    assert not thread._thread.is_alive()


def target(
    port: int, *, connect: float = 5, auth: float = 5, host: str = "127.0.0.1", awake: tuple[float, float] = (0, 0)
) -> Target:
    return Target(host, port, SECRET, connect, auth, 0.002, 0.2, *awake)


@asynccontextmanager
async def opened(
    thread: WireThread,
    script: Script,
    *,
    limits: Limits | None = None,
    marks: Marks | None = None,
    awake: tuple[float, float] = (0, 0),
) -> AsyncIterator[tuple[Wire, Sink]]:
    """An authenticated wire to a peer that then plays `script`."""

    opened = asyncio.Event()

    async def play(conn: Conn) -> None:
        assert await conn.auth() == f"auth {SECRET}"
        await opened.wait()
        await script(conn)

    async with Peer(play) as peer:
        sink = Sink()
        wire = Wire(thread, target(peer.port, awake=awake), sink, limits=limits, marks=marks)
        await wire.open()
        opened.set()
        try:
            yield wire, sink
        finally:
            wire.close("test over")


def says(*parts: bytes) -> Script:
    """A script that says this and hangs up."""

    async def script(conn: Conn) -> None:
        await conn.send(*parts)

    return script


def says_and_stays(*parts: bytes) -> Script:
    async def script(conn: Conn) -> None:
        await conn.send(*parts)
        await conn.until_eof()

    return script


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((), "the switch closed the connection"),
        ((b"Content-Length: 100\nContent-Type: text/event-json\n\n{",), "inside a frame, 52 bytes into it"),
        ((b"Content-Type: api/resp",), "inside a frame, 22 bytes into it"),
        ((notice(),), "the switch disconnected us: Disconnected, goodbye. See you at ClueCon!"),
        ((notice(None),), "the switch disconnected us"),
        ((notice(b"The system is being shut down.\n"),), "disconnected us: The system is being shut down."),
        ((reply("+OK"),), "a reply with nothing waiting"),
        ((api("+OK"),), "a reply with nothing waiting"),
        ((b"no such thing\n\n",), "without a colon"),
        ((b"X: " + b"y" * 20_000,), "20003 bytes or more; at most 16384"),
    ],
)
async def test_every_end_is_told(thread: WireThread, parts: tuple[bytes, ...], reason: str) -> None:
    """Whatever ends a connection is told once, with a reason; the frames before it are delivered first."""
    async with opened(thread, says(event("A"), *parts)) as (_, sink):
        assert reason in await sink.end()
        assert sink.events == 1


async def test_eof_in_a_body_stops_reading(thread: WireThread) -> None:
    """EOF inside a body ends its greenlets; stock reads nothing, for ever, at full speed."""
    async with opened(thread, says(b"Content-Length: 100\n\nx")) as (wire, sink):
        greenlets = set(wire._esl._greenlets)
        assert len(greenlets) == 2
        await sink.end()
        async with asyncio.timeout(10):
            while not all(greenlet.dead for greenlet in greenlets):
                await asyncio.sleep(0)


@pytest.mark.parametrize("body", [b"Linger a while.\n" * 4, b"", None])
async def test_linger_notice(thread: WireThread, body: bytes | None) -> None:
    """A linger notice, with a body or not, ends nothing and hides nothing."""
    script = says_and_stays(notice(body, **{"Content-Disposition": "linger"}), event("A"))
    async with opened(thread, script) as (_, sink):
        await sink.until(lambda: sink.events)
        assert sink.reason is None


async def test_unknown_frames_are_passed_on(thread: WireThread) -> None:
    """Logs, plain events and requests nobody awaits are read whole and do no harm."""
    log = frame({"Content-Type": "log/data"}, b"a\n\nb")
    plain = frame({"Content-Type": "text/event-plain"}, b"Event-Name: A\n\n")
    request = frame({"Content-Type": "auth/request"})
    async with opened(thread, says_and_stays(log, plain, request, event("A"))) as (_, sink):
        await sink.until(lambda: sink.events)
        assert [type(item) for item in sink.items] == [Frame, Frame, dict]
        assert sink.items[-1]["Event-Name"] == "A"  # type: ignore[index]  # the line above says it is a dict


async def test_bytes_that_are_no_utf8(thread: WireThread) -> None:
    """Latin-1 in a reply's header, an api body and an event harms none of them."""

    async def script(conn: Conn) -> None:
        await conn.packet()
        await conn.send(b"Content-Type: command/reply\nReply-Text: +OK caf\xe9\n\n")
        await conn.send(api(b"caf\xe9"), raw_event(b'{"Event-Name":"caf\xe9"}'))
        await conn.until_eof()

    async with opened(thread, script) as (wire, sink):
        wire.write(encode_packet("api a") + encode_packet("api b"), 2)
        await sink.until(lambda: sink.events)
        first, second, third = sink.items
        assert isinstance(first, Frame)
        assert isinstance(second, Frame)
        assert (first.header("Reply-Text"), second.body, third) == (
            "+OK caf\ufffd",
            "caf\ufffd",
            {"Event-Name": "caf\ufffd"},
        )


async def test_a_partial_send_is_finished(thread: WireThread) -> None:
    """Megabytes in one write all arrive, whole and in order, at a peer that reads slowly; stock sends what fits."""
    count, size = 200, 60_000
    packets = [f"api {i} {'x' * size}" for i in range(count)]

    async def script(conn: Conn) -> None:
        for packet in packets:
            assert await conn.packet() == packet
            await conn.send(reply("+OK"))
        await conn.send(event("ALL_READ"))
        await conn.until_eof()

    async with opened(thread, script) as (wire, sink):
        wire.write(b"".join(map(encode_packet, packets)), count)
        await sink.until(lambda: sink.events)
        assert len(sink.items) == count + 1


@pytest.mark.parametrize("said", [b"", frame({"Content-Type": "auth/request"}), b"SSH-2.0-OpenSSH_9.2\r\n"])
async def test_silent_peer(thread: WireThread, said: bytes) -> None:
    """A peer that accepts and then falls silent, at either step, is given up in the time set, and let go of."""
    let_go = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.send(said)
        await conn.until_eof()
        let_go.set()

    async with Peer(script) as peer:
        wire = Wire(thread, target(peer.port, auth=0.05), Sink())
        with pytest.raises(WireClosed, match=r"said nothing like ESL within 0\.05 s"):
            await wire.open()
        async with asyncio.timeout(10):
            await let_go.wait()


async def test_peer_that_never_accepts(thread: WireThread) -> None:
    """TCP itself is bounded: a host whose queue is full, so that no connection comes to be, is given up."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                fillers.append(filler)
            wire = Wire(thread, target(listener.getsockname()[1], connect=0.1), Sink())
            with pytest.raises(WireClosed, match=r"did not accept a connection within 0\.1 s"):
                await wire.open()
        finally:
            for filler in fillers:
                filler.close()


async def test_nobody_listens(thread: WireThread) -> None:
    """A refused connection says where it was refused."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(WireClosed, match=f"cannot connect to 127.0.0.1:{port}: Connection refused"):
            await Wire(thread, target(port), Sink()).open()


async def test_ipv6(thread: WireThread) -> None:
    """The vanilla configuration listens on ::, so an IPv6 address works; stock knows IPv4 only."""
    try:
        async with Peer(says(notice()), host="::1") as peer:
            with pytest.raises(WireClosed, match="disconnected us"):
                await Wire(thread, target(peer.port, host="::1"), Sink()).open()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")


async def test_what_a_hung_switch_has_not_taken_it_never_hears(thread: WireThread) -> None:
    """Commands that wait in our kernel when a connection ends would come when another daemon commands there."""
    ended, heard = asyncio.Event(), asyncio.Event()
    packet, count = encode_packet("api " + "x" * 60_000), 200

    async def script(conn: Conn) -> None:
        await ended.wait()
        assert len(await conn.until_eof()) < count * len(packet)
        assert conn.reset
        heard.set()

    async with opened(thread, script) as (wire, sink):
        wire.write(packet * count, count)
        await asyncio.sleep(0.2)  # what the kernels take they have taken long before
        wire.close("its lease has ended")
        await sink.end()
        ended.set()
        async with asyncio.timeout(10):
            await heard.wait()


async def test_wrong_password(thread: WireThread) -> None:
    """A refused password is final, says where it is set, never quotes it, and leaves neither socket nor greenlet."""
    let_go = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.auth("-ERR invalid")
        with contextlib.suppress(ConnectionError):
            await conn.send(notice())
        await conn.until_eof()
        let_go.set()

    async with Peer(script) as peer:
        wire = Wire(thread, target(peer.port), Sink())
        with pytest.raises(WireRefused, match="refused the password") as refused:
            await wire.open()
        assert "event_socket.conf.xml" in refused.value.fix
        assert SECRET not in f"{refused.value} {refused.value.fix} {refused.value!r}"
        async with asyncio.timeout(10):
            await let_go.wait()
        assert wire._esl._greenlets == set()


async def test_rude_rejection(thread: WireThread) -> None:
    """A refusal by ACL is final and names the list to change; its body is read."""
    rude = frame({"Content-Type": "text/rude-rejection"}, b"Access Denied, go away.\n")
    async with Peer(says(rude)) as peer:
        with pytest.raises(WireRefused, match="refused this machine's address") as refused:
            await Wire(thread, target(peer.port), Sink()).open()
        assert "apply-inbound-acl" in refused.value.fix


async def hangs_up_on_the_password(conn: Conn) -> None:
    await conn.send(frame({"Content-Type": "auth/request"}))
    await conn.packet()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (says(notice(b"The system is being shut down.\n")), "shut down"),
        (says(), "closed the connection"),
        (hangs_up_on_the_password, "closed the connection"),
        (says(frame({"Content-Type": "auth/request"}), frame({"Content-Type": "command/reply"})), "nothing waiting"),
    ],
)
async def test_end_before_authentication(thread: WireThread, script: Script, reason: str) -> None:
    """A connection that ends, or breaks the protocol, while we authenticate fails with that reason."""
    async with Peer(script) as peer:
        with pytest.raises(WireClosed, match=reason):
            await Wire(thread, target(peer.port), Sink()).open()


async def test_reply_without_text_to_the_password(thread: WireThread) -> None:
    """A reply to the password that lacks Reply-Text is a refusal, not a crash."""

    async def script(conn: Conn) -> None:
        await conn.send(frame({"Content-Type": "auth/request"}))
        await conn.packet()
        await conn.send(frame({"Content-Type": "command/reply"}))
        await conn.until_eof()

    async with Peer(script) as peer:
        with pytest.raises(WireRefused):
            await Wire(thread, target(peer.port), Sink()).open()


async def test_unexpected_error_while_reading(thread: WireThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody thought of ends the connection with its name; stock's reader dies and stays connected."""

    def broken(_self: FrameReader, _data: bytes) -> list[Item]:
        raise LookupError("of a new kind")

    async def script(conn: Conn) -> None:
        await conn.packet()
        await conn.send(event("A"))
        await conn.until_eof()

    async with opened(thread, script) as (wire, sink):
        monkeypatch.setattr(FrameReader, "feed", broken)
        wire.write(encode_packet("api a"), 1)
        assert await sink.end() == "reading failed: LookupError: of a new kind"


async def test_unexpected_error_while_connecting(thread: WireThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody thought of while connecting is a failure to connect, and is told."""

    def broken(_self: GuardedESL) -> None:
        raise LookupError("of a new kind")

    monkeypatch.setattr(GuardedESL, "authenticate", broken)
    async with Peer(says_and_stays(frame({"Content-Type": "auth/request"}))) as peer:
        with pytest.raises(WireClosed, match="connecting failed: LookupError: of a new kind"):
            await Wire(thread, target(peer.port), Sink()).open()


async def test_reset(thread: WireThread) -> None:
    """A reset is told as a broken connection."""

    async def script(conn: Conn) -> None:
        conn.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await conn.packet()

    async with opened(thread, script) as (wire, sink):
        wire.write(encode_packet("api a"), 1)
        assert "Connection reset" in await sink.end()


async def test_write_fails(thread: WireThread) -> None:
    """A write that fails while we don't read ends the connection: it is not the reader's business alone."""
    reset = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.send(event("A"), event("B"))
        await reset.wait()
        conn.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conn.writer.transport.abort()
        done.set()

    done = asyncio.Event()
    async with opened(thread, script, marks=Marks(high_events=0, low_events=0)) as (wire, sink):
        await sink.until(lambda: True in sink.held_told)
        reset.set()
        await done.wait()
        while sink.reason is None:
            wire.write(encode_packet("api a"), 1)
            await asyncio.sleep(0)
        assert "writing to the switch failed" in sink.reason


async def test_close_tells_once(thread: WireThread) -> None:
    """Closing from our side ends the connection with our reason, once, however often it is asked."""
    gone = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.until_eof()
        gone.set()

    async with opened(thread, script) as (wire, sink):
        wire.close("we had enough")
        wire.close("again")
        assert await sink.end() == "we had enough"
        async with asyncio.timeout(10):
            await gone.wait()
        wire.write(encode_packet("api a"), 1)  # harmless, as are:
        wire.hurry()
        wire.calm()


async def test_stop_is_close(thread: WireThread) -> None:
    """greenswitch's own stop() returns at once and ends the connection; stock may wait for ever."""
    async with opened(thread, says_and_stays()) as (wire, sink):
        thread.call(wire._esl.stop)
        assert await sink.end() == "the connection was stopped"


async def test_open_can_be_cancelled(thread: WireThread) -> None:
    """Giving up while connecting lets go of the socket."""
    accepted, gone = asyncio.Event(), asyncio.Event()

    async def script(conn: Conn) -> None:
        accepted.set()
        await conn.until_eof()
        gone.set()

    async with Peer(script) as peer:
        opening = asyncio.create_task(Wire(thread, target(peer.port), Sink()).open())
        await accepted.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        async with asyncio.timeout(10):
            await gone.wait()


async def test_closed_before_tcp(thread: WireThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed before TCP is up: open() fails with that reason, and the socket that comes to be is let go of."""
    gone = asyncio.Event()
    connect = gevent.socket.create_connection

    async def script(conn: Conn) -> None:
        await conn.until_eof()
        gone.set()

    async with Peer(script) as peer:
        wire = Wire(thread, target(peer.port), Sink())

        def slow(address: tuple[str, int]) -> gevent.socket.socket:
            wire._esl.finish(WireClosed("changed our mind"))
            return connect(address)

        monkeypatch.setattr(gevent.socket, "create_connection", slow)
        with pytest.raises(WireClosed, match="changed our mind"):
            await wire.open()
        async with asyncio.timeout(10):
            await gone.wait()


async def test_closed_thread() -> None:
    """After the thread has been closed nothing is run in it, and open() says so; closing again is harmless."""
    thread = WireThread("test")
    await thread.close()
    await thread.close()
    ran: list[int] = []
    assert not thread.call(ran.append, 1)
    with pytest.raises(WireClosed, match="the link is closed"):
        await Wire(thread, target(1), Sink()).open()
    assert ran == []


async def test_thread_close_ends_connections() -> None:
    """Closing the thread lets go of connections that nobody closed, finished or still connecting."""
    gone = [asyncio.Event(), asyncio.Event()]
    accepted = asyncio.Event()

    async def connected(conn: Conn) -> None:
        await conn.auth()
        await conn.until_eof()
        gone[0].set()

    async def mute(conn: Conn) -> None:
        accepted.set()
        await conn.until_eof()
        gone[1].set()

    thread = WireThread("test")
    async with Peer(connected, mute) as peer:
        first = Wire(thread, target(peer.port), Sink())
        await first.open()
        second = asyncio.create_task(Wire(thread, target(peer.port), Sink()).open())
        await accepted.wait()
        first.close("x")
        await thread.close()
        with pytest.raises(WireClosed, match="given up"):
            await second
        async with asyncio.timeout(10):
            await asyncio.gather(*(each.wait() for each in gone))


async def test_loop_gone(thread: WireThread, capfd: pytest.CaptureFixture[str]) -> None:
    """When the loop that it reported to has been closed, a connection ends by itself, without a word."""
    gone = asyncio.Event()
    left = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.auth()
        await left.wait()
        await conn.send(event("A"))
        await conn.until_eof()
        gone.set()

    async with Peer(script) as peer:

        async def elsewhere() -> None:
            await Wire(thread, target(peer.port), Sink()).open()

        other = threading.Thread(target=lambda: asyncio.run(elsewhere()))
        other.start()
        await asyncio.to_thread(other.join)
        left.set()
        async with asyncio.timeout(10):
            await gone.wait()
    assert capfd.readouterr().err == ""


# Marks


def flood(count: int) -> tuple[Script, asyncio.Event]:
    """Send so many numbered events, as fast as they are taken; the event is set when all were."""
    sent = asyncio.Event()
    padding = "x" * 2000

    async def script(conn: Conn) -> None:
        for number in range(count):
            await conn.send(event("FLOOD", Number=str(number), Padding=padding))
        sent.set()
        await conn.until_eof()

    return script, sent


MARKS = Marks(
    high_events=100, low_events=10, ceiling_events=1000, high_bytes=2**40, low_bytes=2**40, ceiling_bytes=2**40
)
COUNT = 20_000
"""Events of 2 kB: far more than socket buffers and one read past the mark can hold."""


async def test_high_mark_holds_and_low_mark_goes_on(thread: WireThread) -> None:
    """A reader that takes nothing stops the socket; taking lets it go on; every event comes, in order."""
    script, sent = flood(COUNT)
    async with opened(thread, script, marks=MARKS) as (wire, sink):
        await sink.until(lambda: sink.held_told == [True])
        at_hold = sink.events
        assert not sent.is_set()
        assert wire.untaken == at_hold > MARKS.high_events
        wire.taken(at_hold - MARKS.low_events - 1, 0)  # one above the low mark
        assert wire.paused
        wire.taken(1, 0)
        while sink.events < COUNT:
            await sink.until(lambda: wire.untaken or sink.events == COUNT)
            wire.taken(wire.untaken, 0)
        numbers = [int(item["Number"]) for item in sink.items if isinstance(item, dict)]
        assert numbers == list(range(COUNT))


async def test_byte_mark_holds(thread: WireThread) -> None:
    """Few but large events are held back by their bytes."""
    script, sent = flood(COUNT)
    marks = Marks(high_bytes=300_000, low_bytes=100_000)
    async with opened(thread, script, marks=marks) as (wire, sink):
        await sink.until(lambda: sink.held_told == [True])
        assert sink.bytes > marks.high_bytes
        assert sink.events < marks.high_events
        assert not sent.is_set()
        wire.taken(0, sink.bytes)
        await sink.until(lambda: False in sink.held_told)


async def test_awaited_reply_is_read_above_the_high_mark(thread: WireThread) -> None:
    """While a reply is awaited reading goes on: the reader may be waiting for it before it takes more events."""

    async def script(conn: Conn) -> None:
        for number in range(300):
            await conn.send(event("FLOOD", Number=str(number)))
        await conn.packet()
        for number in range(300):
            await conn.send(event("FLOOD", Number=str(number)))
        await conn.send(api("at last"))
        await conn.until_eof()

    async with opened(thread, script, marks=MARKS) as (wire, sink):
        await sink.until(lambda: sink.held_told == [True])
        wire.expect(1)
        wire.write(encode_packet("api a"), 1)
        await sink.until(lambda: any(isinstance(item, Frame) for item in sink.items))
        assert wire.untaken == 600


async def test_ceiling_holds_even_then(thread: WireThread) -> None:
    """Nothing awaited makes us read beyond the ceiling: memory has an end."""
    script, sent = flood(COUNT)
    async with opened(thread, script, marks=MARKS) as (wire, sink):
        wire.expect(1)
        await sink.until(lambda: sink.held_told and sink.held_told[-1] and sink.events > MARKS.ceiling_events)
        assert not sent.is_set()
        assert sink.events < COUNT


async def test_hurry_sends_line_breaks_until_calmed(thread: WireThread) -> None:
    """Hurrying sends line breaks between packets, never within one; calmed, it sends nothing more."""
    checked = asyncio.Event()

    async def script(conn: Conn) -> None:
        assert await conn.packet() == "api a\nb: c"
        await conn.send(api("x"))
        for _ in range(5):
            assert await conn.reader.readline() == b"\n"
        await conn.send(event("HURRIED"))
        assert await conn.packet() == "api b"
        await conn.send(api("y"))
        assert await conn.until_eof() == b""
        checked.set()

    async with opened(thread, script) as (wire, sink):
        wire.hurry()
        wire.hurry()  # prolongs the same
        wire.write(encode_packet("api a\nb: c"), 1)
        await sink.until(lambda: sink.events)
        wire.calm()
        wire.write(encode_packet("api b"), 1)
        await sink.until(lambda: len(sink.items) == 3)
        wire.close("done")
        async with asyncio.timeout(10):
            await checked.wait()


async def passed_through(thread: WireThread) -> None:
    """Wait until the hub has done what it was doing."""
    done = asyncio.Event()
    thread.call(asyncio.get_running_loop().call_soon_threadsafe, done.set)
    await done.wait()


async def test_hurry_ends_by_itself(thread: WireThread) -> None:
    """Whoever forgets to calm it down costs the switch a moment of line breaks, not a life of them."""
    async with opened(thread, says_and_stays()) as (wire, _):
        wire.hurry()
        async with asyncio.timeout(10):
            await passed_through(thread)
            while wire._esl._hurrying:
                await passed_through(thread)


async def is_awake(thread: WireThread, wire: Wire) -> bool:
    """Whether line breaks are sent, after all that was read."""
    await passed_through(thread)
    return wire._esl._waking


@pytest.mark.parametrize("idle", ["HEARTBEAT", "BACKGROUND_JOB"])
async def test_events_keep_the_switch_awake(thread: WireThread, idle: str) -> None:
    """After an event of a call line breaks are sent between packets, until none came for a while; after no other."""
    checked = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.send(event(idle))
        assert await conn.packet() == "api a"
        assert conn.line_breaks == 0
        await conn.send(api("x"), event("CHANNEL_PARK"))
        for _ in range(5):
            assert await conn.reader.readline() == b"\n"
        checked.set()
        assert await conn.packet() == "api b"
        await conn.send(api("y"))
        assert await conn.until_eof() == b""

    async with opened(thread, script, awake=(0.002, 0.2)) as (wire, sink):
        await sink.until(lambda: sink.events)
        assert not await is_awake(thread, wire)
        wire.write(encode_packet("api a"), 1)
        async with asyncio.timeout(10):
            await checked.wait()
            while await is_awake(thread, wire):
                await asyncio.sleep(0.01)
        wire.write(encode_packet("api b"), 1)
        await sink.until(lambda: len(sink.items) == 4)


def test_target_hides_the_password() -> None:
    """The password is in no repr."""
    assert SECRET not in repr(target(1))
