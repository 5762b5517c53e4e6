"""TwiML and LaML as the rest of fsrec sees them: one dialect, with requests and callbacks in the vendors' forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.dialects.twiml import fetch, render, sign
from controller.dialects.twiml.codes import UNREADABLE
from controller.dialects.twiml.document import read
from controller.dialects.twiml.program import NOT_FETCHED, BadSnapshot, TwimlProgram, Warn
from controller.documents.call import Call
from controller.documents.dialect import Account, DocumentError, Problem, RecordingsAlone
from controller.documents.events import DocumentWarned
from controller.documents.fetch import DocumentRequest, Patience, is_url, named, shown
from controller.recordings.model import Delivery, Notice, Recording

Observe = Callable[[object], None]


class TwimlDialect(RecordingsAlone):
    """Implements ``documents.dialect.Dialect``.

    ``public_url`` is where fsrec is reached from outside, ``accounts`` are all accounts by name, ``observe`` hears of
    warnings.
    """

    name = "twiml"

    def __init__(
        self, public_url: str, accounts: Mapping[str, Account] | None = None, observe: Observe = lambda _: None
    ) -> None:
        self._public_url = public_url.rstrip("/")
        self._accounts = accounts or {}
        self._observe = observe

    def patience(self, account: Account, url: str) -> Patience:
        """Return how long an account's vendor waits for a document at a URL, whose fragment may say otherwise."""
        return fetch.patience(account, url)

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
        return fetch.request(call, account, method, url, given or {}, turned=turned)

    def failed(self, url: str, problems: tuple[Problem, ...]) -> Mapping[str, Any]:
        """Return what the request for a fallback tells beside the call: ErrorCode and ErrorUrl, as Twilio's does."""
        code = (problems[0].code or UNREADABLE) if problems else NOT_FETCHED
        return {"ErrorCode": str(code), "ErrorUrl": shown(url)}

    def check(self, text: str, source: str) -> tuple[Problem, ...]:
        """Return every problem of a document, none when it may run."""
        try:
            read(text, source, _base(source))
        except DocumentError as error:
            return error.problems
        return ()

    def warnings(self, text: str, source: str) -> tuple[Problem, ...]:
        """Return what would not run as it is written, of a document that may run. Raises DocumentError."""
        return read(text, source, _base(source)).warnings

    def start(self, text: str, source: str, call: Call, account: Account | None = None) -> TwimlProgram:
        """Begin a document on a call of an account. Raises DocumentError."""
        base = _base(call.document)
        document = read(text, source, base)
        warn = self._warn_of(call)
        for warning in document.warnings:
            warn(warning)
        return TwimlProgram(document, call, account or self._accounts.get(call.account), base, warn)

    def restore(self, text: str, source: str, call: Call, snapshot: Mapping[str, Any]) -> TwimlProgram:
        """Go on from a snapshot after a restart. Raises DocumentError."""
        document = read(text, source, _base(call.document))
        account, warn = self._accounts.get(call.account), self._warn_of(call)
        try:
            return TwimlProgram.restored(document, call, account, snapshot, warn)
        except BadSnapshot as error:
            raise DocumentError(
                source, (Problem(0, "", f"cannot go on from its stored position: {error}"),)
            ) from None

    def recording_url(self, recording: Recording) -> str:
        """Return where the recording can be fetched once it is ready."""
        return render.recording_url(self._public_url, self._accounts.get(recording.owner.account), recording)

    def recording_of(self, url: str) -> str | None:
        """Return the id of the recording that a URL of ours means, None for other URLs."""
        return render.recording_of_url(self._public_url, url)

    def render(self, notice: Notice, account: Account) -> tuple[Delivery, ...]:
        """Return the callback of a notice; none where its receiver did not ask for it."""
        rendered = render.render(notice, account, self._public_url, self.name)
        return () if rendered is None else (rendered,)

    def sign(self, delivery: Delivery, account: Account, now: float) -> Mapping[str, str]:  # noqa: ARG002 - the scheme has no time in it
        """Return the header that signs one attempt."""
        return sign.headers(account, delivery.method, delivery.url, delivery.body)

    def _warn_of(self, call: Call) -> Warn:
        def warn(problem: Problem) -> None:
            self._observe(
                DocumentWarned(
                    call.id, named(call.document), problem.line, problem.where, problem.message, problem.code
                )
            )

        return warn


def _base(source: str) -> str:
    """Return the URL that a document's own are relative to, empty for a file."""
    return source if is_url(source) else ""
