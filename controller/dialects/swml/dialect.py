"""SWML as the rest of fsrec sees it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from controller.dialects.swml import fetch, render, sign
from controller.dialects.swml.blocks import Document
from controller.dialects.swml.document import read
from controller.dialects.swml.program import BadSnapshot, SwmlProgram
from controller.documents.call import Call
from controller.documents.dialect import Account, DocumentError, Problem, RecordingsAlone
from controller.documents.fetch import DocumentRequest, Patience
from controller.recordings.model import Delivery, Notice, Recording

KEPT = 1_048_576
"""Characters of documents that are kept as they were read; what is read of one takes twenty times as much."""


class Documents:
    """The documents read last, by their text: many calls run the same ones. Threads may ask at the same time."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._read: OrderedDict[str, Document] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def read(self, text: str, source: str) -> Document:
        """Return a text's document, which nobody changes. Raises DocumentError."""
        with self._lock:
            known = self._read.get(text)
            if known is not None:
                self._read.move_to_end(text)
                return known
        document = read(text, source)
        with self._lock:
            if text not in self._read:
                self._size += len(text)
            self._read[text] = document
            while self._size > self._kept:
                self._size -= len(self._read.popitem(last=False)[0])
        return document


class SwmlDialect(RecordingsAlone):
    """Implements ``documents.dialect.Dialect``. ``public_url`` is where fsrec is reached from outside."""

    name = "swml"

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url.rstrip("/")
        self._documents = Documents()

    def patience(self, account: Account, url: str) -> Patience:  # noqa: ARG002 - it is the same for all
        """Return how long a document at a URL is waited for."""
        return fetch.PATIENCE

    def failed(self, url: str, problems: tuple[Problem, ...]) -> None:
        """Return nothing: a fallback is asked as the first document is."""

    def fetch(
        self,
        call: Call,
        account: Account,
        method: str,
        url: str,
        given: Mapping[str, Any] | None = None,
        *,
        turned: bool = False,  # noqa: ARG002 - no request by GET tells anything
    ) -> DocumentRequest:
        """Return the request that asks a URL for the document of a call."""
        return fetch.request(call, account, method, url, given or {})

    def check(self, text: str, source: str) -> tuple[Problem, ...]:
        """Return every problem of a document, none when it may run."""
        try:
            read(text, source)
        except DocumentError as error:
            return error.problems
        return ()

    def start(self, text: str, source: str, call: Call, account: Account | None = None) -> SwmlProgram:
        """Begin a document on a call of an account. Raises DocumentError."""
        return SwmlProgram(self._documents.read(text, source), call, account)

    def restore(self, text: str, source: str, call: Call, snapshot: Mapping[str, Any]) -> SwmlProgram:
        """Go on from a snapshot after a restart. Raises DocumentError."""
        document = self._documents.read(text, source)
        try:
            return SwmlProgram.restored(document, call, snapshot)
        except BadSnapshot as error:
            raise DocumentError(
                source, (Problem(0, "", f"cannot go on from its stored position: {error}"),)
            ) from None

    def recording_url(self, recording: Recording) -> str:
        """Return where the recording can be fetched once it is ready."""
        return render.recording_url(self._public_url, recording)

    def recording_of(self, url: str) -> str | None:
        """Return the id of the recording that a URL of ours means, None for other URLs."""
        return render.recording_of(self._public_url, url)

    def render(self, notice: Notice, account: Account) -> tuple[Delivery, ...]:
        """Return the callback of a notice; none where its receiver did not ask for it."""
        rendered = render.render(notice, account, self._public_url, self.name)
        return () if rendered is None else (rendered,)

    def sign(self, delivery: Delivery, account: Account, now: float) -> Mapping[str, str]:  # noqa: ARG002 - SignalWire's scheme has no time in it
        """Return the headers that sign one attempt; none where the account has no signing key."""
        if not account.signing_key:
            return {}
        return {sign.HEADER: sign.signature(account.signing_key, delivery.url, delivery.body)}
