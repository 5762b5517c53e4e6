"""What calls ask of the rooms around them: legs on the switch, a ledger, and who claims a parked leg."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.documents.call import Call, CallInfo
from controller.documents.dialect import Account, Dialect
from controller.documents.steps import Beep, Party, Quiet, Request, Response, Ringing, Speech
from controller.recordings.model import Delivery
from controller.recordings.ports import Along


@dataclass(frozen=True, slots=True)
class ParkedLeg:
    """A leg as it was parked or looked at: what the claim is decided by.

    ``marker`` is our call id where the leg is taken over already; ``account`` and ``document`` are the channel
    variables fsrec_account and fsrec_document, which win over routes (DESIGN section 8). ``parked`` says that nothing
    but park was executed on it: one of ours on which it was may be parked all the same. ``bridged`` is the leg that
    it dialled and was connected with last, ``bridge_cause`` how its last dialling ended; empty if not told.
    """

    switch: str
    leg: str
    at: float
    info: CallInfo
    core_uuid: str
    marker: str | None = None
    account: str | None = None
    document: str | None = None
    parked: bool = True
    bridged: str = ""
    bridge_cause: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who takes a leg: the account, and where its document lies; ``fallback`` is tried where that is refused.

    Both are paths or http(s) URLs; ``method`` (POST or GET) is how URLs are asked, ``dialect`` in whose way, empty
    for the vendor's own. ``hangup_url`` is told of the call's end, by the same method.
    """

    account: Account
    document: str
    fallback: str | None = None
    method: str = "POST"
    dialect: str = ""
    hangup_url: str | None = None


Claims = Callable[[ParkedLeg], Claim | None]


@dataclass(frozen=True, slots=True)
class SoundFile:
    """A sound file, by its path on the switch."""

    path: str


@dataclass(frozen=True, slots=True)
class Callee:
    """Somebody to dial, and the Unique-ID that the leg is to have: our id of it."""

    leg: str
    party: Party


Sound = SoundFile | Speech | Quiet | Ringing | Beep


@dataclass(frozen=True, slots=True)
class Question:
    """What who answers hears before being connected: by ``key`` within ``timeout`` seconds, else at its end."""

    sounds: tuple[Sound, ...]
    key: str = ""
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What is heard until somebody is connected.

    An answered leg hears ``sounds`` over and over, or nothing where there are none; None leaves what a leg hears to
    its own network, where it is not answered, else to the switch's dialplan. ``early`` says that a single callee's
    own early media is heard instead, as soon as it sends any. ``question`` is put to who answers, and no early media
    is heard then.
    """

    sounds: tuple[Sound, ...] | None = None
    early: bool = True
    question: Question | None = None


class AudioFailed(Exception):
    """A sound that cannot be had; the text says which and why."""


class Audio(Protocol):
    """Has the sounds that documents name, as files that a switch can play."""

    async def file(self, call: Call, url: str, gain: float) -> SoundFile:
        """Return what lies at a URL, ``gain`` dB louder, as a file on the call's switch. Raises AudioFailed.

        A recording of the call's account is played from its file: one that runs fails at once, one that has ended is
        waited for. The file stays until it is given to ``over``.
        """
        ...

    def over(self, call: Call, sound: SoundFile) -> None:
        """Let a file go whose play is over, or can no longer begin: once for each time that it was had."""
        ...


class Requests(Protocol):
    """Carries a document's own requests out."""

    async def send(self, request: Request) -> Response:
        """Return the answer, whatever its status. Raises FetchFailed."""
        ...


class Legs(Protocol):
    """Legs on their switches. A command is queued as soon as its method is called, in the order of the calls.

    The awaitables raise ``CommandFailed`` when the switch refuses and ``SwitchAway`` when the link is down or breaks.
    """

    def take_over(self, switch: str, leg: str, call: str) -> Awaitable[None]:
        """Disarm the dialplan's hangup, mark the leg as that call's, lock expansion (DESIGN section 4)."""
        ...

    def release(self, switch: str, leg: str, *, limited: bool = False) -> Awaitable[None]:
        """Take marker and lock off a leg that others took, and the limit where it is ``limited``."""
        ...

    def limit(self, switch: str, leg: str, seconds: float) -> Awaitable[None]:
        """Have the switch hang up (ALLOTTED_TIMEOUT) so many seconds from now; a later limit is instead of it.

        It stands without us: over a restart, and while there is no link.
        """
        ...

    def answer(self, switch: str, leg: str) -> Awaitable[None]:
        """Answer; CHANNEL_ANSWER follows."""
        ...

    def hang_up(self, switch: str, leg: str, cause: str) -> Awaitable[None]:
        """Hang up with a FreeSWITCH cause; a leg that is gone already is no failure."""
        ...

    def play(self, switch: str, leg: str, sound: Sound, *, gain: float, execution: str) -> Awaitable[None]:
        """Play one sound once what the leg was told before is over; what is told after it waits for its end.

        ``execution`` is a uuid4 of ours: the fact of its end (``CallDesk.executed``) carries it. Ringing and the beep
        are played ``gain`` dB louder, as far as the switch can; speech and a file are as they are.
        """
        ...

    def stop_playing(self, switch: str, leg: str) -> Awaitable[None]:
        """End what plays now; nothing if nothing does.

        What is queued and has not begun is not ended: whoever wants it ended asks again until its end is told.
        """
        ...

    def send_digits(self, switch: str, leg: str, digits: str) -> Awaitable[None]:
        """Send digits (0-9 * # A-D w W) to the leg's party; done when the switch has them, heard or not yet."""
        ...

    def undialable(self, party: Party) -> str:
        """Return why a party cannot be dialled, empty where it can: its address and headers are anybody's word."""
        ...

    def unplayable(self, sounds: Sequence[Sound]) -> str:
        """Return why sounds cannot be heard one after the other, empty where they can."""
        ...

    def dial(
        self,
        switch: str,
        leg: str,
        callees: Sequence[Callee],
        *,
        call: str,
        caller: str,
        caller_name: str = "",
        rings: float,
        execution: str,
        meanwhile: Meanwhile,
    ) -> Awaitable[None]:
        """Ring callees at once, from now on, and connect the leg with who answers first.

        The facts of the callees' legs and the end of it (``CallDesk.bridged``, with ``execution``, a uuid4 of ours)
        follow. Where nobody ends it, it rings for a while longer than ``rings`` seconds. ``call`` is who dials;
        ``caller`` the number that is shown and ``caller_name`` the name, empty for the leg's own. ``meanwhile`` is
        what is heard until somebody is connected (``CallDesk.talking``, where a question was put).
        """
        ...

    def forget_ring(self, switch: str, leg: str) -> Awaitable[None]:
        """Take off a leg what it was told to hear while it dialled."""
        ...

    def look(self, switch: str, leg: str) -> Awaitable[ParkedLeg | None]:
        """Return what a living leg is, or None for one that is gone."""
        ...

    def waiting(self, switch: str) -> Awaitable[Sequence[ParkedLeg]]:
        """Return the legs that are parked now, whoever parked them, and all that carry a marker of ours."""
        ...


class CallLedger(Protocol):
    """Where calls are kept. Writes return when durable and raise ``LedgerFailed``."""

    def save(self, call: Call, told: Sequence[Delivery] = ()) -> Awaitable[None]:
        """Store a call, and in the same transaction what is told of it; what is stored already is not told again."""
        ...

    def along(self, call: Call, told: Sequence[Delivery] = ()) -> Along:
        """Return the same as work for another room's transaction."""
        ...

    async def live(self, switch: str) -> Sequence[Call]:
        """Return every call of a switch that has not ended."""
        ...


VENDORS_OWN = {"signalwire": "swml", "twilio": "twiml"}
"""The dialect in which a vendor asks for documents unless its route says another; others have the vendor's name."""


@dataclass(frozen=True, slots=True)
class Languages:
    """The dialects by name, and how a document's kind is told by its content (DESIGN section 8)."""

    dialects: dict[str, Dialect]

    def of(self, text: str, vendor: str) -> Dialect | None:
        """Return the dialect of a document: Twilio's are TwiML, Plivo's Plivo XML; SignalWire's XML is TwiML too."""
        if vendor == "signalwire":
            return self.dialects.get("twiml" if text.lstrip("\ufeff \t\r\n").startswith("<") else "swml")
        return self.dialects.get(VENDORS_OWN.get(vendor, vendor))

    def asking(self, vendor: str, dialect: str = "") -> Dialect | None:
        """Return the dialect in which an account's documents are asked for: before they come, the vendor tells."""
        return self.dialects.get(dialect or VENDORS_OWN.get(vendor, vendor))
