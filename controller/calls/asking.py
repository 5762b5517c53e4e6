"""The steps that ask URLs: for anything, and for a document to go on with. Both are done again after a restart."""

from __future__ import annotations

from controller.calls.context import CallContext
from controller.calls.events import DocumentFetched
from controller.calls.source import SourceFailed
from controller.documents.fetch import FetchFailed, named
from controller.documents.steps import Failed, Fetch, Fetched, Request, Response


async def request(context: CallContext, step: Request, *, resumed: bool) -> Response | Failed:
    """Carry a document's own request out, at least once."""
    await context.begin(resumed=resumed)
    try:
        return await context.rooms.requests.send(step)
    except FetchFailed as failure:
        return Failed(f"{named(step.url)}: {failure}")


async def fetch(context: CallContext, step: Fetch, *, resumed: bool) -> Fetched | Failed:
    """Fetch a document as the call's own dialect and account ask for it."""
    await context.begin(resumed=resumed)
    sources, call = context.rooms.sources, context.call
    began = context.rooms.clock()
    try:
        account = sources.account(call.account)
        text = await sources.fetched(step.url, step.method, call, account, context.dialect, step.given)
    except SourceFailed as failure:
        return Failed(str(failure))
    context.observe(DocumentFetched(call.id, named(step.url), len(text), context.rooms.clock() - began))
    return Fetched(text)
