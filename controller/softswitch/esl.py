"""One client of mod_event_socket, inbound mode: framing, subscriptions, commands (spec/freeswitch.md section 3).

Everything on a connection is done by one task, as FreeSWITCH does it by one thread: replies come in the order of
the commands, a reply precedes the events that the command caused, a running `api` and an unfinished command hold
the events back.
"""

import asyncio
import contextlib
import re
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.softswitch.events import NAMES, Event, Format, to_bytes
from controller.softswitch.subscription import Subscription
from controller.softswitch.text import number

if TYPE_CHECKING:
    from controller.softswitch.switch import Softswitch

GOODBYE = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
SHUTDOWN = "The system is being shut down.\n"
OVERRUN = "killed listener because of lost events\n"
REJECTION = "Access Denied, go away.\n"

_LARGEST_COMMAND = 10 * 1024 * 1024
_MOST_WAITING = 2 * _LARGEST_COMMAND
_MOST_OF_STRANGERS = 1024 * 1024
"""Bytes that were not yet carried out, before which, and without a password before which, a connection is cut."""
_LONGEST_REPLY = 511
_MISSES_BEFORE_KILL = 500
_END = re.compile(rb"\n\r?\n")
_LOG_LEVELS = ("CONSOLE", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG")


@dataclass(slots=True)
class Packet:
    """A command with its headers, in order, and body."""

    command: str
    headers: list[tuple[str, str]]
    body: str = ""

    def get(self, name: str) -> str | None:
        """Return the first value of a header, None when it is missing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Listener:
    """A connected client."""

    def __init__(self, switch: "Softswitch", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._switch = switch
        self._reader = reader
        self._writer = writer
        self._buffer = b""
        self._wake = asyncio.Event()
        self._eof = False
        self._closing = False
        self._farewell: str | None = None
        self._sent = 0
        self.number = next(switch.clients)
        self._authenticated = False
        self._queue: deque[Event] = deque()
        self._misses = 0
        self._log_level: int | None = None
        self.ended = asyncio.Event()
        self.lost_events = 0
        self.subscription = Subscription()

    # -- what the switch calls

    def offer(self, event: Event) -> None:
        """Queue an event that passes the filters; a full queue drops it, too many misses kill the client."""
        if self._closing or not self.subscription.passes(event):
            return
        if len(self._queue) >= self._switch.faults.queue_size:
            self.lost_events += 1
            self._misses += 1
            if self._misses > _MISSES_BEFORE_KILL:
                self.dismiss(OVERRUN)
            return
        self._misses = 0
        self._queue.append(event)
        self._wake.set()

    def dismiss(self, notice: str) -> None:
        """Close in order, with a disconnect notice; queued events are forgotten."""
        self._farewell = notice
        self._closing = True
        self._wake.set()

    def cut(self) -> None:
        """Close at once (RST): what was not yet sent is lost."""
        self._closing = True
        self._queue.clear()
        self._writer.transport.abort()
        self._wake.set()

    # -- the connection's one task

    async def run(self) -> None:
        """Serve until the client or the switch has had enough."""
        if self._switch.faults.mute:
            with contextlib.suppress(OSError):
                while await self._reader.read(4096):
                    pass
            await self._close()
            return
        feeding = asyncio.create_task(self._feed())
        try:
            await self._serve()
        except (OSError, _CutError):
            self._closing = True
        finally:
            feeding.cancel()
            await self._close()

    async def _serve(self) -> None:
        if self._switch.acl_refuses:
            await self._send_frame("text/rude-rejection", REJECTION)
            return
        await self._send(b"Content-Type: auth/request\n\n")
        while not self._closing:
            packet = self._next_packet()
            if packet is not None:
                await self._handle(packet)
            elif self._queue and not self._buffer:
                await self._deliver()
            elif self._eof:
                return
            else:
                self._wake.clear()
                await self._wake.wait()
        if self._farewell is not None:
            await self._send_frame("text/disconnect-notice", self._farewell)

    async def _close(self) -> None:
        self._closing = True
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        self.ended.set()

    async def _feed(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._reader.read(65536):
                self._buffer += data
                if len(self._buffer) > (_MOST_WAITING if self._authenticated else _MOST_OF_STRANGERS):
                    self.cut()
                    return
                self._wake.set()
        self._eof = True
        self._wake.set()

    def _next_packet(self) -> Packet | None:
        self._buffer = self._buffer.lstrip(b"\r\n")
        end = _END.search(self._buffer)
        if end is None:
            if len(self._buffer) < _LARGEST_COMMAND:
                return None
            head, rest = self._buffer, b""
        else:
            head, rest = self._buffer[: end.start()], self._buffer[end.end() :]
        lines = head.decode("utf-8", "surrogateescape").replace("\r", "").split("\n")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                headers.append((name, value.lstrip(" ")))
        packet = Packet(lines[0], headers)
        length = number(packet.get("content-length"))
        if length > len(rest):
            return None
        if length > 0:
            packet.body = rest[:length].split(b"\0")[0].decode("utf-8", "surrogateescape")
            rest = rest[length:]
        self._buffer = rest
        text = head.decode("utf-8", "surrogateescape")
        self._switch.note_command(f"{text}\n\n{packet.body}" if packet.body else text, self.number)
        return packet

    async def _deliver(self) -> None:
        faults = self._switch.faults
        if faults.split_bytes or faults.drop_after_bytes is not None:
            await self._send(self._queue.popleft().frame(self.subscription.form))
            return
        frames = []
        size = 0
        while self._queue and size < 65536:
            frames.append(self._queue.popleft().frame(self.subscription.form))
            size += len(frames[-1])
        await self._send(b"".join(frames))

    # -- writing

    async def _send(self, data: bytes) -> None:
        faults = self._switch.faults
        if faults.drop_after_bytes is not None and self._sent + len(data) > faults.drop_after_bytes:
            self._writer.write(data[: max(0, faults.drop_after_bytes - self._sent)])
            await self._writer.drain()
            raise _CutError
        self._sent += len(data)
        if faults.split_bytes:
            for start in range(0, len(data), faults.split_bytes):
                self._writer.write(data[start : start + faults.split_bytes])
                await self._writer.drain()
                await asyncio.sleep(0)
            return
        self._writer.write(data)
        await self._writer.drain()

    async def _send_frame(self, kind: str, text: str) -> None:
        payload = to_bytes(text)
        await self._send(b"Content-Type: %s\nContent-Length: %d\n\n%s" % (kind.encode(), len(payload), payload))

    async def _reply(self, text: str, *more: str) -> None:
        await self._stall()
        lines = "".join(f"{line}\n" for line in more)
        await self._send(to_bytes(f"Content-Type: command/reply\nReply-Text: {text[:_LONGEST_REPLY]}\n{lines}\n"))

    async def _stall(self) -> None:
        if self._switch.faults.stall_replies:
            await asyncio.sleep(self._switch.faults.stall_replies)

    # -- commands

    async def _handle(self, packet: Packet) -> None:
        text = "\n".join([packet.command, *(f"{name}: {value}" for name, value in packet.headers)])
        if "mod_event_socket" in text and ("reload" in text or "unload" in text):
            # es:1726: whatever the packet was, the module is reloaded in the background.
            await self._start_job(Packet("bgapi reload mod_event_socket", []))
            return
        command = packet.command
        if not self._authenticated:
            await self._authenticate(command)
            return
        for prefix, handler in _COMMANDS:
            if command.lower().startswith(prefix):
                await handler(self, packet)
                return
        await self._reply("-ERR command not found")

    async def _authenticate(self, command: str) -> None:
        if command.startswith(("exit", "...")):
            await self._exit(Packet(command, []))
        elif command.startswith("auth "):
            if command[5:] == self._switch.password:
                self._authenticated = True
                await self._reply("+OK accepted")
                if self._switch.faults.linger_notice:
                    await self._send(
                        b"Content-Type: text/disconnect-notice\nControlled-Session-UUID: none\n"
                        b"Content-Disposition: linger\nChannel-Name: none\nLinger-Time: 5\nContent-Length: 0\n\n"
                    )
            else:
                await self._reply("-ERR invalid")
                self.dismiss(GOODBYE)
        else:
            await self._reply("-ERR command not found")

    async def _exit(self, _packet: Packet) -> None:
        await self._reply("+OK bye")
        self.dismiss(GOODBYE)

    async def _api(self, packet: Packet) -> None:
        output = await self._switch.api(packet.command[4:])
        await self._stall()
        await self._send_frame("api/response", output or "-ERR no reply\n")

    async def _start_job(self, packet: Packet) -> None:
        job = packet.get("job-uuid") or str(uuid.uuid4())
        self._switch.spawn(self._switch.run_job(job, packet.command[6:]))
        await self._reply(f"+OK Job-UUID: {job}", f"Job-UUID: {job}")

    async def _event(self, packet: Packet) -> None:
        words = packet.command.split()[1:]
        form: Format | None = None
        if words and words[0].lower() in ("plain", "json", "xml"):
            form = {"plain": "plain", "json": "json", "xml": "xml"}[words.pop(0).lower()]  # type: ignore[assignment] # the three literals, spelt as asked for
        found = 0
        subscription = self.subscription
        custom = False
        for word in words:
            name = word.upper()
            if custom:
                subscription.subclasses.add(word.lower())
                found += 1
            elif name == "ALL":
                subscription.names |= NAMES
                subscription.all_subclasses = True
                found += 1
            elif name in NAMES:
                custom = name == "CUSTOM"
                subscription.names.add(name)
                found += 1
        if not found:
            await self._reply("-ERR no keywords supplied")
            return
        subscription.form = form or "plain"
        subscription.listening = True
        await self._reply(f"+OK event listener enabled {subscription.form}")

    async def _nixevent(self, packet: Packet) -> None:
        subscription = self.subscription
        found = 0
        custom = False
        for word in packet.command.split()[1:]:
            name = word.upper()
            if custom:
                subscription.subclasses.discard(word.lower())
                found += 1
            elif name in NAMES:
                custom = name == "CUSTOM"
                subscription.names.discard(name)
                # es: after the first nixevent, "ALL" covers only the subclasses known when it was given
                subscription.all_subclasses = False
                found += 1
        await self._reply("+OK events nixed" if found else "-ERR no keywords supplied")

    async def _noevents(self, _packet: Packet) -> None:
        was = self.subscription.listening
        self._queue.clear()
        self.subscription = Subscription(form=self.subscription.form, filters=self.subscription.filters)
        await self._reply("+OK no longer listening for events" if was else "-ERR not listening for events")

    async def _filter(self, packet: Packet) -> None:
        arguments = packet.command[6:].strip()
        name, _, value = arguments.partition(" ")
        filters = self.subscription.filters
        if name == "delete" and value:
            name, _, value = value.strip().partition(" ")
            if name.lower() == "all":
                filters.clear()
            else:
                filters[:] = [f for f in filters if f[0].lower() != name.lower() or (value and f[1] != value)]
            await self._reply(f"+OK filter deleted. [{name}][{value}]")
        elif name and value:
            filters.append((name, value.strip()))
            await self._reply(f"+OK filter added. [{name}]=[{value.strip()}]")
        else:
            await self._reply("-ERR invalid syntax")

    async def _sendmsg(self, packet: Packet) -> None:
        target = packet.command[7:].strip() or packet.get("session-id") or ""
        leg = self._switch.locate(target)
        if leg is None:
            await self._reply(f"-ERR invalid session id [{target}]")
        elif leg.queue_message([("Command", packet.command), *packet.headers], packet.body):
            await self._reply("+OK")
        else:
            # es:2209: the 257th outstanding command ends the connection, its reply is never sent
            self.dismiss(GOODBYE)

    async def _sendevent(self, packet: Packet) -> None:
        event_uuid = str(uuid.uuid4())
        name = packet.command[9:].strip()
        headers = [("Command", packet.command), *packet.headers, ("Event-UUID", event_uuid)]
        body = packet.body or None
        headers = [h for h in headers if h[0].lower() != "content-length"]
        kind = name if name in NAMES else "COMMAND"
        leg = self._switch.locate(packet.get("unique-id") or "")
        if leg is None:
            self._switch.fire_foreign(kind, headers, body)
        else:
            # es:2262: the leg's own thread fires it, at its next frame, and nothing of the core's is added
            self._switch.fire_through(leg, kind, headers, body)
        await self._reply(f"+OK {event_uuid}")

    async def _log(self, packet: Packet) -> None:
        given = packet.command[3:].strip()
        wanted = given.upper() or "DEBUG"
        if wanted.isdigit() and int(wanted) < len(_LOG_LEVELS):
            wanted = _LOG_LEVELS[int(wanted)]
        if wanted not in _LOG_LEVELS:
            await self._reply("-ERR invalid log level")
            return
        self._log_level = _LOG_LEVELS.index(wanted)
        await self._reply(f"+OK log level {given} [{self._log_level}]")

    async def _nolog(self, _packet: Packet) -> None:
        was, self._log_level = self._log_level, None
        await self._reply("-ERR not loging" if was is None else "+OK no longer logging")

    async def _needs_session(self, packet: Packet) -> None:
        stop = "." if packet.command.lower().startswith("divert") else ""
        await self._reply(f"-ERR not controlling a session{stop}")

    async def _myevents(self, packet: Packet) -> None:
        words = packet.command.split()[1:]
        if words and self._switch.locate(words[0]) is None and len(words) > 1:
            await self._reply("-ERR invalid uuid")
            return
        self.subscription.names |= {name for name in NAMES if name.startswith("CHANNEL_")} | {"DTMF", "CALL_UPDATE"}
        self.subscription.listening = True
        if "json" in packet.command.lower():
            self.subscription.form = "json"
        if words and self._switch.locate(words[0]) is not None:
            self.subscription.filters.append(("Unique-ID", words[0]))
        await self._reply("+OK Events Enabled")


class _CutError(Exception):
    """The fault that ends a connection in the middle of a frame."""


_Handler = Callable[[Listener, Packet], Awaitable[None]]
_COMMANDS: tuple[tuple[str, _Handler], ...] = (
    ("exit", Listener._exit),  # noqa: SLF001 (the table belongs to the class)
    ("...", Listener._exit),  # noqa: SLF001
    ("api ", Listener._api),  # noqa: SLF001
    ("bgapi ", Listener._start_job),  # noqa: SLF001
    ("sendmsg", Listener._sendmsg),  # noqa: SLF001
    ("sendevent", Listener._sendevent),  # noqa: SLF001
    ("event", Listener._event),  # noqa: SLF001
    ("nixevent", Listener._nixevent),  # noqa: SLF001
    ("noevents", Listener._noevents),  # noqa: SLF001
    ("myevents", Listener._myevents),  # noqa: SLF001
    ("filter ", Listener._filter),  # noqa: SLF001
    ("nolog", Listener._nolog),  # noqa: SLF001
    ("log", Listener._log),  # noqa: SLF001
    ("linger", Listener._needs_session),  # noqa: SLF001
    ("nolinger", Listener._needs_session),  # noqa: SLF001
    ("divert_events", Listener._needs_session),  # noqa: SLF001
)
