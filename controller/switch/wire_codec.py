"""ESL on the wire, without I/O: packets out as bytes, bytes in as frames and events.

The switch sends ``Name: value`` lines, an empty line, then ``Content-Length`` bytes if that header is there (spec
freeswitch 3.1). greenswitch decides by the frame's type whether a body follows, and so takes the body of a linger
notice for headers; here the header alone decides, for every type.

Outgoing text was already checked by whoever made it. It is checked again here, because one stray line break is a
command of someone else's choosing (DESIGN 4, 5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypedDict

import msgspec
import orjson

Event: TypeAlias = dict[str, Any]
"""One event as the switch serialised it: strings, or lists of strings for array headers, ``_body`` for a body."""

Headers: TypeAlias = Mapping[str, Collection[str]]
"""Of events of these names only these headers are read, Event-Name among them; of all others every one is."""

MAX_PACKET: Final = 65_536
"""Bytes of a packet, at most. The switch reads it a byte per system call, so a long one holds its connection."""

_EVENT_BEGIN: Final = re.compile(
    rb'Content-Length: (\d{1,9})(\nContent-Type: text/event-json\n\n)(?:\{"Event-Name":"([A-Z_]{1,64})")?'
)
_LENGTH: Final = re.compile(r"[0-9]{1,12}")
_BODY_HEADER: Final = re.compile(rb"^[ \t]*content-length[ \t]*:", re.IGNORECASE | re.MULTILINE)
_ARGUMENT: Final = re.compile(rb"^execute-app-arg: +([^ \n].{63,})\n?", re.MULTILINE)
_RELOADS: Final = (b"reload", b"unload")


class PacketRefused(ValueError):
    """Text that must not be sent as an ESL packet. The message never quotes the text: it may hold a password."""


class FrameError(Exception):
    """What the switch sent cannot be ESL, or is larger than we accept; the connection is of no further use."""


def encode_packet(text: str, *, kind: str = "packet") -> bytes:
    """Check one packet (command line and headers, no body, no closing empty line) and give its bytes, closed.

    A long argument of an application goes as the body, which the switch reads at once: each byte of a header takes it
    a system call and a yield (mod_event_socket.c, read_packet; seen: 1.5 ms for a ``record_session`` of 900 bytes).

    Raises PacketRefused for NUL, CR, an empty line, a Content-Length header (it would announce a body), more than
    MAX_PACKET bytes, text that UTF-8 cannot carry, and for the words which make the switch reload its event socket
    whatever the command was (mod_event_socket.c, parse_command: ASCII letters compared without case).
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise PacketRefused(f"{kind}: holds a lone surrogate, which UTF-8 cannot carry; replace it") from None
    if len(raw) > MAX_PACKET:
        raise PacketRefused(f"{kind}: {len(raw)} bytes, at most {MAX_PACKET} are sent; shorten its text")
    if b"\0" in raw or b"\r" in raw:
        raise PacketRefused(f"{kind}: holds NUL or CR; a packet is lines that end in LF alone")
    if not raw or raw.startswith(b"\n") or raw.endswith(b"\n") or b"\n\n" in raw:
        raise PacketRefused(f"{kind}: holds an empty line, which would end it early and begin another command")
    lowered = raw.lower()  # of bytes: ASCII letters only, as the switch compares
    if b"content-length" in lowered and _BODY_HEADER.search(raw):
        raise PacketRefused(f"{kind}: has a Content-Length header; no packet is given with a body")
    if b"mod_event_socket" in lowered and any(word in lowered for word in _RELOADS):
        raise PacketRefused(f"{kind}: names mod_event_socket and reload or unload; the switch would cut every client")
    return _closed(raw)


def _closed(packet: bytes) -> bytes:
    argument = _ARGUMENT.search(packet) if packet.startswith(b"sendmsg ") else None
    if argument is None or packet.count(b"\nexecute-app-arg:") > 1:
        return packet + b"\n\n"
    head = (packet[: argument.start()] + packet[argument.end() :]).removesuffix(b"\n")
    return b"%s\ncontent-type: text/plain\ncontent-length: %d\n\n%s" % (head, len(argument[1]), argument[1])


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest things read from a switch, in bytes: one header line, one block of headers, one body."""

    line: int = 16_384
    block: int = 65_536
    body: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """Anything that is no event: a reply, a notice, a request. Header names are as sent; `header` ignores case."""

    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None

    def header(self, name: str) -> str:
        """Value of a header, "" if absent; the core itself mixes the case of names."""
        if (value := self.headers.get(name)) is not None:
            return value
        lowered = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == lowered), "")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event whose body is no JSON object. Its frame was whole, so the connection goes on."""

    size: int
    error: str


Item: TypeAlias = Event | Frame | Unreadable


class EventReader:
    """Bodies of events in, events out; of events of some names only the headers that are asked for.

    That is half of the work, or a third: of the 60 to 200 headers of an event 6 to 22 are read. The others are looked
    through, not kept; what is no JSON is found there as well.
    """

    def __init__(self, headers: Headers) -> None:
        self._known: dict[bytes | None, tuple[str, Callable[[memoryview], Event]]] = {
            name.encode(): (name, _decoder(name, kept)) for name, kept in headers.items()
        }

    def read(self, body: memoryview, begins_as: bytes | None = None) -> Event | Unreadable:
        """Read one event; ``begins_as`` is the name that it begins with, if it does as the core writes it.

        A name that comes again later is the one that counts. Nothing is taken for granted then, nor is it where the
        body can't be read: it may be no UTF-8 all the same.
        """
        if known := self._known.get(begins_as):
            name, decode = known
            try:
                event = decode(body)
            except (ValueError, msgspec.MsgspecError, RecursionError):
                return _whole(body)
            if event.get("Event-Name") == name:
                return event
        return _whole(body)


def _decoder(name: str, headers: Collection[str]) -> Callable[[memoryview], Event]:
    """Return what makes a dict of these headers, as they come: any may be missing, of another type, come twice."""
    shape: Any = TypedDict(name, dict.fromkeys(("Event-Name", *headers), Any), total=False)  # type: ignore[misc]
    decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(shape)
    return decoder.decode


class FrameReader:
    """Bytes of one connection in, in any chunks; items out, in order. Remembers how far it has looked.

    `error` is None until the stream turns out not to be ESL or too large; then nothing more is read.
    """

    def __init__(self, limits: Limits | None = None, headers: Headers | None = None) -> None:
        self.limits = limits or Limits()
        self._events = EventReader(headers or {})
        self.error: FrameError | None = None
        self._buffer = bytearray()
        self._searched = 0  # no empty line begins before this
        self._awaited = 0  # bytes the buffer must hold before looking again is of any use

    @property
    def pending(self) -> int:
        """Bytes of a frame that has begun and is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Item]:
        """Take bytes and give the items they complete, those before an error included."""
        items: list[Item] = []
        if self.error:
            return items
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._awaited:
            return items
        with memoryview(buffer) as view:
            try:
                done = self._take(buffer, view, items)
            except FrameError as error:
                self.error = error
                return items
        del buffer[:done]
        self._searched = max(0, self._searched - done)
        self._awaited = max(0, self._awaited - done)
        return items

    def _take(self, buffer: bytearray, view: memoryview, items: list[Item]) -> int:
        start, end = 0, len(buffer)
        match_event, max_body, read = _EVENT_BEGIN.match, self.limits.body, self._events.read
        while start < end:
            if header := match_event(buffer, start):
                # The one shape in which events come (mod_event_socket.c, read_packet), taken without a dict.
                body = header.end(2)
                stop = body + int(header[1])
                if stop - body > max_body:
                    raise FrameError(_too_large("body", stop - body, max_body))
                if stop > end:
                    self._awaited = stop
                    return start
                items.append(read(view[body:stop], header[3]))
                start = stop
                continue
            blank = buffer.find(b"\n\n", max(start, self._searched))
            if blank < 0:
                self._searched = max(start, end - 1)
                self._refuse_long(buffer, start, end)
                return start
            self._refuse_long(buffer, start, blank)
            headers = _headers(bytes(view[start:blank]))
            body = blank + 2
            length = _length(headers)
            if length is not None and length > max_body:
                raise FrameError(_too_large("body", length, max_body))
            stop = body + (length or 0)
            if stop > end:
                self._searched, self._awaited = blank, stop
                return start
            frame = Frame(headers, None if length is None else str(view[body:stop], "utf-8", "replace"))
            items.append(read(view[body:stop]) if frame.header("Content-Type") == "text/event-json" else frame)
            start = stop
        return start

    def _refuse_long(self, buffer: bytearray, start: int, stop: int) -> None:
        if stop - start > self.limits.block:
            raise FrameError(_too_large("header block", stop - start, self.limits.block))
        if stop - start > self.limits.line:
            longest = max(map(len, bytes(buffer[start:stop]).split(b"\n")))
            if longest > self.limits.line:
                raise FrameError(_too_large("header line", longest, self.limits.line))


def _too_large(what: str, size: int, limit: int) -> str:
    return f"the switch sent a {what} of {size} bytes or more; at most {limit} are read"


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\n"):
        if not line:  # an empty line before a frame ends nothing
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise FrameError(f"the switch sent a header line without a colon ({len(line)} characters); is this ESL?")
        headers.setdefault(name, value.strip(" "))
    return headers


def _length(headers: Mapping[str, str]) -> int | None:
    value = next((value for name, value in headers.items() if name.lower() == "content-length"), None)
    if value is None:
        return None
    if not _LENGTH.fullmatch(value):
        raise FrameError(f"the switch sent Content-Length {value[:20]!r}; a number of bytes is expected")
    return int(value)


def _whole(body: memoryview) -> Event | Unreadable:
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        # FreeSWITCH copies what callers send, UTF-8 or not; the framing is in bytes and unharmed.
        try:
            event = orjson.loads(str(body, "utf-8", "replace"))
        except orjson.JSONDecodeError as error:
            return Unreadable(len(body), str(error))
    if type(event) is not dict:
        return Unreadable(len(body), f"a JSON {type(event).__name__}, an object is expected")
    return event
