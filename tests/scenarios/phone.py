"""A SIP phone made of bytes: says what sipp would not say, at moments that sipp does not know.

One call a phone, over UDP on loopback, PCMU. It takes what the switch answers; whatever it says is the test's.
"""

from __future__ import annotations

import asyncio
import re
import struct
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from controller.softswitch.script import Script, render
from tests.harness.sip import ulaw

FRAME = 160
"""Samples of a packet: 20 ms."""

_EVENT = 96
"""RTP payload type of the digits, as the offer says."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a caller chooses: raw bytes, put into the INVITE as they stand; `headers` are whole lines."""

    name: bytes = b"Ada"
    user: bytes = b"15551230000"
    destination: bytes = b"1001"
    headers: Sequence[bytes] = ()
    call_id: bytes = b""


@dataclass
class Phone:
    """`async with calling(…) as phone`. Waiting for what does not come raises TimeoutError."""

    port: int
    """The switch's."""

    words: Words
    answers: list[int] = field(default_factory=list)
    """Status codes of the INVITE's responses."""

    reason: bytes = b""
    """The Reason header of the switch's BYE."""

    _signalling: asyncio.DatagramTransport | None = None
    _media: asyncio.DatagramTransport | None = None
    _remote: tuple[str, int] | None = None
    _to: bytes = b""
    _contact: bytes = b""
    _cseq: int = 1
    _branch: bytes = b""
    _sequence: int = 0
    _timestamp: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _over: bool = False
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._call_id = self.words.call_id or uuid.uuid4().hex.encode()

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._signalling, _ = await loop.create_datagram_endpoint(
            lambda: _Ears(self._hear), local_addr=("127.0.0.1", 0), remote_addr=("127.0.0.1", self.port)
        )
        self._media, _ = await loop.create_datagram_endpoint(lambda: _Ears(None), local_addr=("127.0.0.1", 0))

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for transport in (self._signalling, self._media):
            if transport is not None:
                transport.close()

    # -- signalling

    @property
    def answered(self) -> bool:
        return 200 in self.answers

    @property
    def over(self) -> bool:
        """Whether the call was refused, or ended by either side."""
        return self._over

    def invite(self) -> None:
        """Begin the call."""
        assert self._media is not None
        port = self._media.get_extra_info("sockname")[1]
        body = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 {_EVENT}\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:{_EVENT} telephone-event/8000\r\n"
            f"a=fmtp:{_EVENT} 0-15\r\na=ptime:20\r\n"
        ).encode()
        more = [b"Contact: <sip:phone@" + self._here() + b">", *self.words.headers, b"Content-Type: application/sdp"]
        self._branch = self._new_branch()
        self._request(b"INVITE", self._uri(), self._branch, 1, b"", more, body)

    async def hang_up(self) -> None:
        """BYE when answered, CANCEL otherwise, or both where they cross; returns when the call is over."""
        if not self.answered and not self.over:
            self._request(b"CANCEL", self._uri(), self._branch, 1, b"")
            await self.until(lambda: self.over or self.answered)
        if not self.over:
            self._cseq += 1
            self._request(b"BYE", self._contact, self._new_branch(), self._cseq, self._to)
        await self.until(lambda: self.over)

    async def until(self, true: Any, timeout: float = 15.0) -> None:
        """Wait for a fact of the signalling."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(true)

    def _here(self) -> bytes:
        assert self._signalling is not None
        return b"127.0.0.1:%d" % self._signalling.get_extra_info("sockname")[1]

    def _uri(self) -> bytes:
        return b"sip:" + self.words.destination + b"@127.0.0.1:%d" % self.port

    def _new_branch(self) -> bytes:
        return b"z9hG4bK" + uuid.uuid4().hex.encode()

    def _request(
        self,
        method: bytes,
        uri: bytes,
        branch: bytes,
        cseq: int,
        to: bytes,
        more: Sequence[bytes] = (),
        body: bytes = b"",
    ) -> None:
        lines = [
            method + b" " + uri + b" SIP/2.0",
            b"Via: SIP/2.0/UDP " + self._here() + b";branch=" + branch,
            b"Max-Forwards: 70",
            b'From: "' + self.words.name + b'" <sip:' + self.words.user + b"@127.0.0.1>;tag=phone",
            b"To: " + (to or b"<" + self._uri() + b">"),
            b"Call-ID: " + self._call_id,
            b"CSeq: %d " % cseq + method,
            *more,
            b"Content-Length: %d" % len(body),
        ]
        self._send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def _send(self, packet: bytes) -> None:
        assert self._signalling is not None
        self._signalling.sendto(packet)

    def _hear(self, packet: bytes) -> None:
        head, _, body = packet.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if first.startswith(b"SIP/2.0 "):
            self._take_response(int(first.split()[1]), headers, body)
        elif first.startswith(b"BYE "):
            self.reason = headers.get(b"reason", b"")
            kept = (b"via", b"from", b"to", b"call-id", b"cseq")
            copied = [name + b": " + headers[name] for name in kept]
            self._send(b"\r\n".join([b"SIP/2.0 200 OK", *copied, b"Content-Length: 0"]) + b"\r\n\r\n")
            self._over = True
        self._tell()

    def _take_response(self, status: int, headers: dict[bytes, bytes], body: bytes) -> None:
        method = headers[b"cseq"].split()[1]
        if method == b"BYE" and status >= 200:
            self._over = True
        if method != b"INVITE":
            return
        self.answers.append(status)
        if status < 200:
            return
        if status < 300:
            self._to = headers[b"to"]
            found = re.search(rb"<([^>]+)>", headers[b"contact"])
            self._contact = found[1] if found else self._uri()
            if media := re.search(rb"m=audio (\d+)", body):
                self._remote = ("127.0.0.1", int(media[1]))
            self._request(b"ACK", self._contact, self._new_branch(), 1, self._to)
        else:
            self._request(b"ACK", self._uri(), self._branch, 1, headers[b"to"])
            self._over = True

    def _tell(self) -> None:
        async def tell() -> None:
            async with self._news:
                self._news.notify_all()

        task = asyncio.get_running_loop().create_task(tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- sound

    async def say(self, script: Script) -> None:
        """Send a script's sound, a packet each 20 ms; returns at its end. Then nothing is sent."""
        samples = render(script).samples
        count = len(samples) // FRAME
        words = ulaw(samples[: count * FRAME])
        await self._pace([words[n * FRAME : (n + 1) * FRAME] for n in range(count)])

    async def press(self, digit: str) -> None:
        """One digit by RFC 2833: 100 ms, its end told three times."""
        event = "0123456789*#ABCD".index(digit)
        parts = [struct.pack("!BBH", event, 10, FRAME * n) for n in range(1, 6)]
        parts += [struct.pack("!BBH", event, 0x80 | 10, FRAME * 5)] * 3
        base = self._timestamp
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, part in enumerate(parts):
            self._packet(part, _EVENT, base, marker=number == 0)
            await asyncio.sleep(max(0.0, began + (number + 1) * 0.02 - loop.time()))
        self._timestamp = base + FRAME * len(parts)

    async def _pace(self, packets: Sequence[bytes]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, words in enumerate(packets):
            self._packet(words, 0, self._timestamp, marker=number == 0)
            self._timestamp += FRAME
            await asyncio.sleep(max(0.0, began + (number + 1) * 0.02 - loop.time()))

    def skip(self, seconds: float) -> None:
        """Let the media clock run on while nothing is sent."""
        self._timestamp += round(seconds * 8000)

    def _packet(self, payload: bytes, kind: int, timestamp: int, *, marker: bool) -> None:
        assert self._media is not None
        self._sequence += 1
        head = struct.pack("!BBHII", 0x80, kind | (0x80 if marker else 0), self._sequence, timestamp, 0x5EED)
        if self._remote is not None and not self._media.is_closing():
            self._media.sendto(head + payload, self._remote)


class _Ears(asyncio.DatagramProtocol):
    def __init__(self, hear: Any) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._hear is not None:
            self._hear(data)

    def error_received(self, exc: Exception) -> None:
        """A port that the other side has closed already: nothing to do."""


@asynccontextmanager
async def calling(port: int, words: Words | None = None) -> AsyncIterator[Phone]:
    """A phone whose INVITE is on its way; it hangs up on leaving, if need be."""
    phone = Phone(port, words or Words())
    await phone.open()
    try:
        phone.invite()
        yield phone
        await phone.hang_up()
    finally:
        phone.close()


def seconds(script: Script) -> float:
    """How long a script's sound is."""
    samples: np.ndarray[tuple[int], np.dtype[np.int16]] = render(script).samples
    return len(samples) / 8000
