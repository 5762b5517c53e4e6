"""Plivo XML as the rest of fsrec sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.dialects.plivo import fetch, render, sign, tell, urls
from controller.dialects.plivo.document import read
from controller.dialects.plivo.program import PlivoProgram
from controller.dialects.plivo.state import BadSnapshot
from controller.documents.call import Call
from controller.documents.dialect import Account, DocumentError, Problem
from controller.documents.events import DocumentWarned
from controller.documents.fetch import DocumentRequest, Patience, named
from controller.documents.messages import Message
from controller.recordings.model import Delivery, Notice, Recording, Transcription

Observe = Callable[[object], None]


class PlivoDialect:
    """Implements ``documents.dialect.Dialect``.

    ``public_url`` is where fsrec is reached from outside, ``accounts`` are all accounts by name, ``observe`` hears of
    warnings.
    """

    name = "plivo"

    def __init__(
        self, public_url: str, accounts: Mapping[str, Account] | None = None, observe: Observe = lambda _: None
    ) -> None:
        self._public_url = public_url.rstrip("/")
        self._accounts = accounts or {}
        self._observe = observe

    def patience(self, account: Account, url: str) -> Patience:  # noqa: ARG002 - one vendor
        """Return how long Plivo waits for a document at a URL, whose fragment may say otherwise."""
        return fetch.patience(url)

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
        """Return the request that asks a URL for a document of a call."""
        return fetch.request(call, account, method, url, given, turned=turned)

    def failed(self, url: str, problems: tuple[Problem, ...]) -> None:
        """Return nothing: a fallback is told what the answer URL is, and not why it is asked."""

    def check(self, text: str, source: str) -> tuple[Problem, ...]:
        """Return every problem of a document, none when it may run."""
        try:
            read(text, source)
        except DocumentError as error:
            return error.problems
        return ()

    def warnings(self, text: str, source: str) -> tuple[Problem, ...]:
        """Return what is likely not meant as it is written, of a document that may run. Raises DocumentError."""
        return read(text, source).warnings

    def start(self, text: str, source: str, call: Call, account: Account | None = None) -> PlivoProgram:
        """Begin a document on a call of an account. Raises DocumentError."""
        document = read(text, source)
        warn = self._warn_of(call)
        for warning in document.warnings:
            warn(warning)
        return PlivoProgram(document, call, account or self._accounts.get(call.account), self._public_url, warn)

    def restore(self, text: str, source: str, call: Call, snapshot: Mapping[str, Any]) -> PlivoProgram:
        """Go on from a snapshot after a restart. Raises DocumentError."""
        document = read(text, source)
        account, warn = self._accounts.get(call.account), self._warn_of(call)
        try:
            return PlivoProgram.restored(document, call, account, snapshot, self._public_url, warn)
        except BadSnapshot as error:
            raise DocumentError(
                source, (Problem(0, "", f"cannot go on from its stored position: {error}"),)
            ) from None

    def recording_url(self, recording: Recording) -> str:
        """Return where the recording can be fetched once it is ready."""
        return urls.recording_url(self._public_url, self._accounts.get(recording.owner.account), recording)

    def recording_of(self, url: str) -> str | None:
        """Return the id of the recording that a URL of ours means, None for other URLs."""
        return urls.recording_of(self._public_url, url)

    def render(self, notice: Notice, account: Account) -> tuple[Delivery, ...]:
        """Return what a notice tells callbackUrl, and the action where the hangup ended it."""
        return render.render(notice, account, self._public_url, self.name)

    def tell(self, identity: str, message: Message, call: Call, account: Account) -> Delivery:
        """Return what is told of a call, under the id ``identity``."""
        return tell.tell(identity, message, call, account, self.name)

    def transcribed(self, transcription: Transcription, recording: Recording, account: Account) -> Delivery | None:
        """Return what transcriptionUrl is told of a transcription that is over; None where there is no such URL."""
        return render.transcribed(transcription, recording, account, self.name)

    def sign(self, delivery: Delivery, account: Account, now: float) -> Mapping[str, str]:  # noqa: ARG002 - a nonce, no time
        """Return the headers that sign one attempt, with a nonce of its own."""
        return sign.headers(account, delivery.method, delivery.url, delivery.body)

    def _warn_of(self, call: Call) -> Callable[[Problem], None]:
        def warn(problem: Problem) -> None:
            self._observe(
                DocumentWarned(
                    call.id, named(call.document), problem.line, problem.where, problem.message, problem.code
                )
            )

        return warn
