"""The beginning of a call's document: read or fetched, with its fallback, or gone on with after a restart."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from controller.calls.commanding import report, unheard
from controller.calls.events import DocumentFetched, DocumentRefused
from controller.calls.living import Run
from controller.calls.ports import Claim
from controller.calls.rooms import Rooms
from controller.calls.runner import LARGE
from controller.calls.source import SourceFailed
from controller.documents.call import Call
from controller.documents.dialect import Account, Dialect, DocumentError, Problem, Program
from controller.documents.fetch import Trouble, is_url, named
from controller.recordings.ports import LedgerFailed, NotHeld
from controller.telemetry import Hook

_OWN_FAULT = "an error of fsrec's own"


class NotOpened(Exception):
    """A call whose document cannot begin or go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Begins documents."""

    rooms: Rooms
    observe: Hook
    _restoring: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def begin(self, run: Run, claim: Claim) -> tuple[Dialect, Program]:
        """Begin a call's document, or its fallback; ``run.call`` then says which. Raises NotOpened, NotHeld."""
        problems = []
        failed: tuple[str, tuple[Problem, ...]] | None = None
        for source in (claim.document, claim.fallback):
            if source is None:
                continue
            try:
                url, text = await self._had(run, claim, source, failed)
                run.call = replace(run.call, document=url, text=text, fallback=claim.fallback, method=claim.method)
                dialect = self._dialect(text, claim.account.vendor, named(url))
                run.call = replace(run.call, dialect=dialect.name)
                return dialect, await begun(dialect, run.call, claim.account)
            except (SourceFailed, DocumentError) as refusal:
                problems.append(str(refusal))
                failed = (source, refusal.problems if isinstance(refusal, DocumentError) else ())
                trouble = refusal.trouble if isinstance(refusal, SourceFailed) else Trouble.INVALID
                self._refused(run, claim, source, str(refusal), trouble)
            except NotHeld:
                raise
            except LedgerFailed as failure:
                raise NotOpened(f"the call could not be stored: {failure}") from None
            except Exception as error:  # whatever it is, the caller must not be left in silence for it
                problems.append(f"{named(source)}: {_OWN_FAULT}")
                self._refused(run, claim, source, problems[-1], Trouble.INTERNAL)
                report("a document could not be begun", error)
        raise NotOpened("; ".join(problems))

    async def begin_again(self, run: Run) -> tuple[Dialect, Program]:
        """Fetch the document of a call that ended with its daemon while it was fetched. Raises NotOpened."""
        call = run.call
        try:
            account = self.rooms.sources.account(call.account)
        except SourceFailed as failure:
            raise NotOpened(str(failure)) from None
        return await self.begin(run, Claim(account, call.document, call.fallback, call.method, call.dialect))

    async def restore(self, call: Call) -> tuple[Dialect, Program]:
        """Go on with a document where its row says it was. Raises NotOpened.

        One after the other, with the loop's turn between them: after a restart all calls go on at once.
        """
        dialect = self.rooms.sources.languages.dialects.get(call.dialect)
        if dialect is None or not call.program:
            raise NotOpened("the call's document had not begun")
        try:
            async with self._restoring:
                await asyncio.sleep(0)
                return dialect, await restored(dialect, call)
        except DocumentError as refusal:
            raise NotOpened(str(refusal)) from None
        except Exception as error:
            report("a document could not be gone on with", error)
            raise NotOpened(_OWN_FAULT) from None

    def tell_whose(self, run: Run) -> None:
        """Take a leg over whose runner is still to come."""
        if run.taken:
            return

        def told() -> None:
            if run.runner is not None:
                run.runner.arrived()
            else:
                run.call = replace(run.call, marked=True)

        run.taken = True
        unheard(self.rooms.legs.take_over(run.call.switch, run.call.leg, run.call.id), told)

    def _refused(self, run: Run, claim: Claim, source: str, why: str, trouble: Trouble) -> None:
        asking = self.rooms.sources.languages.asking(claim.account.vendor, run.call.dialect or claim.dialect)
        dialect = "" if asking is None else asking.name
        self.observe(DocumentRefused(run.call.id, named(source), why, dialect, trouble.value))

    async def _had(
        self, run: Run, claim: Claim, source: str, failed: tuple[str, tuple[Problem, ...]] | None
    ) -> tuple[str, str]:
        """Return a document's text, and before it where it lay in the end. Raises SourceFailed, LedgerFailed."""
        if is_url(source):
            return await self._fetch(run, claim, source, failed)
        return source, await self.rooms.sources.files.read(source)

    async def _fetch(
        self, run: Run, claim: Claim, url: str, failed: tuple[str, tuple[Problem, ...]] | None
    ) -> tuple[str, str]:
        """Return where a document lay in the end, and its text, while the leg waits as it is.

        ``failed`` is the document that it stands in for, and why. The call is ours before: its row says what to fetch
        anew after a restart, and the dialplan's hangup would come in the midst of it. Raises SourceFailed,
        LedgerFailed.
        """
        sources = self.rooms.sources
        dialect = sources.asking(claim.account, url, claim.dialect)
        if not run.fetching:
            run.call = run.call.changed(
                document=claim.document,
                fallback=claim.fallback,
                method=claim.method,
                text="",
                dialect=claim.dialect,
            )
            await self.rooms.ledger.save(run.call)
            run.fetching = True
            self.tell_whose(run)
        began = self.rooms.clock()
        given = None if failed is None else dialect.failed(*failed)
        found = await sources.fetched(url, claim.method, run.call, claim.account, dialect, given)
        took = self.rooms.clock() - began
        self.observe(DocumentFetched(run.call.id, named(url), len(found.text), took, dialect.name))
        return found.url, found.text

    def _dialect(self, text: str, vendor: str, source: str) -> Dialect:
        dialect = self.rooms.sources.languages.of(text, vendor)
        if dialect is None:
            raise SourceFailed(
                f"{source}: XML documents of {vendor} accounts are not supported in this version", Trouble.SETTINGS
            )
        return dialect


async def begun(dialect: Dialect, call: Call, account: Account) -> Program:
    """Begin a call's document. Raises DocumentError."""
    source = named(call.document)
    if len(call.text) < LARGE:
        return dialect.start(call.text, source, call, account)
    return await asyncio.to_thread(dialect.start, call.text, source, call, account)


async def restored(dialect: Dialect, call: Call) -> Program:
    """Go on with a call's document. Raises DocumentError."""
    source = named(call.document)
    if len(call.text) < LARGE:
        return dialect.restore(call.text, source, call, call.program)
    return await asyncio.to_thread(dialect.restore, call.text, source, call, call.program)
