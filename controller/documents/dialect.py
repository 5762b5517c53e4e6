"""What a dialect is to the rest of fsrec: a small surface, one implementation a folder under ``dialects/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from controller.documents.call import Call
from controller.documents.fetch import DocumentRequest, Patience
from controller.documents.messages import Message
from controller.documents.steps import End, Fetch, Outcome, Step, Tell
from controller.recordings.model import Delivery, Notice, Recording, Transcription

VENDORS = ("twilio", "signalwire", "plivo")
"""Whose accounts there are."""


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant as the dialects see it.

    ``identity`` is the vendor's public id (project_id, account_sid, auth_id), ``token`` the secret of its API,
    ``signing_key`` the secret that signs webhooks where the vendor has a separate one. Secrets stay out of reprs.
    ``absent_below`` (seconds) and ``absent_when_silent`` say when TwiML and LaML tell a recording as absent.
    ``price_per_minute`` is what its API says that a recording costs. ``main_token`` is the secret of the main account
    that this one is a part of, where it has another; ``older_signatures``: requests bear the vendor's older ones too.
    """

    name: str
    vendor: str
    identity: str
    space: str = ""
    token: str = field(default="", repr=False)
    signing_key: str = field(default="", repr=False)
    absent_below: float = 0.0
    absent_when_silent: bool = False
    price_per_minute: float = 0.0
    main_token: str = field(default="", repr=False)
    older_signatures: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a document: where (``line`` from 1, 0 unknown), what, and what would be right.

    ``code`` is the vendor's number of such errors, 0 where it has none.
    """

    line: int
    where: str
    message: str
    code: int = 0

    def __str__(self) -> str:
        """One line for people."""
        at = f"line {self.line}: " if self.line else ""
        number = f" (error {self.code})" if self.code else ""
        return f"{at}{self.where}: {self.message}{number}" if self.where else f"{at}{self.message}{number}"


class DocumentError(ValueError):
    """A document that is refused before anything runs, with every problem found at once."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{source}: " + "; ".join(str(problem) for problem in problems))
        self.source = source
        self.problems = problems


class Program(Protocol):
    """One run of a document, sans-IO."""

    session: str

    @property
    def refused(self) -> str:
        """Why the document that ``next`` was given last is not run, naming every problem; "" where it is."""
        ...

    def next(self, outcome: Outcome | None) -> Step | End:
        """Return what to do next; ``outcome`` is the former step's. Never raises on an outcome.

        None begins, and later repeats the step whose outcome is awaited: how a restored program goes on.
        """
        ...

    def farewell(self, outcome: Outcome | None) -> Fetch | Tell | None:
        """Return what is still to be asked or told, whatever it answers, when the leg ended within a step.

        ``outcome`` is what became of that step, as far as it is known. The run is over.
        """
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """Return the state in JSON types; ``Dialect.restore`` of it goes on identically."""
        ...


class Dialect(Protocol):
    """One vendor's language: asks for and reads documents, renders and signs notices."""

    name: str

    def patience(self, account: Account, url: str) -> Patience:
        """Return how long the vendor of an account waits for a document at a URL, which may have a say in it."""
        ...

    def fetch(
        self,
        call: Call,
        account: Account,
        method: str,
        url: str,
        given: Mapping[str, Any] | None = None,
        *,
        turned: bool = False,
    ) -> DocumentRequest:
        """Return the request, signed, that asks a URL for the document of a call.

        Each redirect that is followed asks anew, with the method and URL that it leads to. ``given`` is what
        a program's own ``Fetch`` tells, or ``failed``. ``turned`` is one by GET that a redirect made of a POST:
        it tells nothing of the call.
        """
        ...

    def failed(self, url: str, problems: tuple[Problem, ...]) -> Mapping[str, Any] | None:
        """Return what the request for a fallback tells (``given``) of the document that it stands in for.

        ``problems`` are those for which it was refused, none where it could not be had.
        """
        ...

    def check(self, text: str, source: str) -> tuple[Problem, ...]:
        """Return every problem of a document, none when it may run."""
        ...

    def start(self, text: str, source: str, call: Call, account: Account) -> Program:
        """Begin a document on a call of an account. Raises DocumentError."""
        ...

    def restore(self, text: str, source: str, call: Call, snapshot: Mapping[str, Any]) -> Program:
        """Go on from a snapshot after a restart. Raises DocumentError."""
        ...

    def recording_url(self, recording: Recording) -> str:
        """Return where the recording can be fetched once it is ready."""
        ...

    def recording_of(self, url: str) -> str | None:
        """Return the id of the recording that a URL of ours means, as ``recording_url`` gives it, or None."""
        ...

    def render(self, notice: Notice, account: Account) -> tuple[Delivery, ...]:
        """Return the callbacks of a notice, each with an id of its own; none where nobody asked for it."""
        ...

    def tell(self, identity: str, message: Message, call: Call, account: Account) -> Delivery | None:
        """Return what is told of a call, under the id ``identity``; None where the vendor has nothing of the kind."""
        ...

    def transcribed(self, transcription: Transcription, recording: Recording, account: Account) -> Delivery | None:
        """Return how a transcription that is over is told, under an id of its own; None where nobody asked for it."""
        ...

    def sign(self, delivery: Delivery, account: Account, now: float) -> Mapping[str, str]:
        """Return the headers that sign one attempt in the vendor's scheme."""
        ...


class RecordingsAlone:
    """The part of a dialect that tells of nothing but recordings: no document of it has more told."""

    def tell(self, identity: str, message: Message, call: Call, account: Account) -> Delivery | None:  # noqa: ARG002 - nothing of the kind
        """Return nothing."""
        return None

    def transcribed(
        self,
        transcription: Transcription,  # noqa: ARG002 - there are none
        recording: Recording,  # noqa: ARG002 - likewise
        account: Account,  # noqa: ARG002 - likewise
    ) -> Delivery | None:
        """Return nothing."""
        return None
