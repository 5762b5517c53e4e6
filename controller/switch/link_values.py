"""What the link speaks in: addresses, commands, replies, times, errors, and what it tells telemetry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SwitchAddress:
    """Where a switch's event socket listens. The password is in no repr, log or error."""

    name: str
    host: str
    port: int
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if any(sign in self.password for sign in "\r\n\0"):
            raise ValueError(f"switch {self.name}: its password holds a line break or NUL; ESL cannot carry that")


class Command(Protocol):
    """What can be sent. `packet` is ESL text without the empty line that ends it; commands.py makes it."""

    @property
    def leg(self) -> str | None:
        """Unique-ID of the leg it is about, None for none."""
        ...

    def packet(self) -> str:
        """Print it."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """The switch's answer to one command. `ok` only means what the switch says: of a sendmsg, that it is queued.

    Attributes:
        ok: of `api`, that the text starts with neither -ERR nor -USAGE; else that it starts with +OK.
        text: Reply-Text, or the whole body of an api response, its line breaks included.
        headers: of the reply, as sent.

    """

    ok: bool
    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a bgapi job gave: whether that is success, its whole text, and when by the switch's clock (epoch, s)."""

    ok: bool
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Timings:
    """All of the link's times, in seconds.

    Attributes:
        connect: for TCP (name resolution included).
        auth: for the switch's request and its answer to the password together.
        reply: for any reply, unless the sender says otherwise.
        heartbeat_silence: without a byte; HEARTBEAT comes every 20 s.
        backoff_first, backoff_factor, backoff_cap: pause before reconnecting, what it grows by, at most.
        backoff_jitter: share of each pause that chance may take off it, 0 to 1.
        lived: a session this long makes the next pause the first one again.
        hurry_every: between line breaks in `Session.urgent`; 0 for never.
        hurry_for: how long one `Session.urgent` hurries at most.
        awake_every: between line breaks while there are calls, on a connection where nothing comes; 0 for never.
        awake_for: how long that goes on after an event that is neither a heartbeat nor the end of a job of ours.

    """

    connect: float = 5.0
    auth: float = 5.0
    reply: float = 10.0
    heartbeat_silence: float = 60.0
    backoff_first: float = 0.5
    backoff_factor: float = 2.0
    backoff_cap: float = 5.0
    backoff_jitter: float = 0.5
    lived: float = 30.0
    hurry_every: float = 0.002
    hurry_for: float = 1.0
    awake_every: float = 0.005
    awake_for: float = 1.0


class Lack(StrEnum):
    """Why a command or a job was given up.

    ``refused``: the switch said so; ``timeout``: it said nothing in time; ``lost``: its connection went; ``busy``:
    its turn on its leg did not come, so it was not sent.
    """

    REFUSED = "refused"
    TIMEOUT = "timeout"
    LOST = "lost"
    BUSY = "busy"


class LinkLost(Exception):
    """The connection is gone, or was not there; what was sent may or may not have happened. str() is the reason."""


class LinkRefused(Exception):
    """The switch will not have us: wrong password, or an ACL. Final; `fix` says what to change, and where."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}; {fix}")
        self.reason = reason
        self.fix = fix


class LegBusy(Exception):
    """A command waited for its turn on a leg until its deadline. It was not sent."""


class JobRefused(Exception):
    """The switch did not take a job; the text is its reply."""


class JobTimeout(Exception):
    """A job did not end in time. It may end yet; the connection goes on."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A session began."""

    switch: str
    core_uuid: str
    previous_core_uuid: str | None
    version: str


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A session ended."""

    switch: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """No session came of an attempt; the next one is `retry_in` seconds away."""

    switch: str
    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class CommandDone:
    """A reply came. `kind` is one of few: ``api uuid_exists``, ``bgapi uuid_record``, ``sendmsg record_session``."""

    switch: str
    kind: str
    seconds: float
    ok: bool


@dataclass(frozen=True, slots=True)
class JobDone:
    """A job's end was seen (ok or not), or given up (ok is None, for the reason `lack`). `kind` as in CommandDone."""

    switch: str
    kind: str
    seconds: float
    ok: bool | None
    lack: Lack | None = None


@dataclass(frozen=True, slots=True)
class CommandLost:
    """A command got no reply, for the reason `lack`. `kind` as in CommandDone; of a job JobDone tells it too."""

    switch: str
    kind: str
    lack: Lack


@dataclass(frozen=True, slots=True)
class EventsRead:
    """So many events, of so many bytes, reached the loop."""

    switch: str
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ReadingHeld:
    """Reading stopped at a mark (paused), or goes on; `untaken` events wait for the consumer."""

    switch: str
    paused: bool
    untaken: int


@dataclass(frozen=True, slots=True)
class EventUnreadable:
    """An event was no JSON object, so nobody can have it."""

    switch: str
    size: int
    error: str


@dataclass(frozen=True, slots=True)
class FrameIgnored:
    """The switch sent a frame of a kind that we never asked for."""

    switch: str
    content_type: str


Observe = Callable[[object], None]
"""Telemetry: is given the dataclasses above, in the loop's thread. What it raises is reported and goes no further."""


def kind_of(packet: str) -> str:
    """Name a packet's kind, from words that we choose: the verb, and the application or API command."""
    verb, _, rest = packet.partition("\n")[0].partition(" ")
    if verb == "sendmsg":
        return f"sendmsg {header_of(packet, 'execute-app-name') or header_of(packet, 'call-command')}"
    return f"{verb} {rest.split(' ')[0]}" if verb in {"api", "bgapi"} else verb


def header_of(packet: str, name: str) -> str:
    """Value of one of a packet's headers, "" if it has none of that name."""
    for line in packet.split("\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return ""
