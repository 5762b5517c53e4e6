"""The steps that ask URLs: for anything, and for a document to go on with. Both are done again after a restart."""

from __future__ import annotations

from controller.calls.context import CallContext
from controller.calls.events import DocumentFetched, DocumentRefused
from controller.calls.source import SourceFailed
from controller.documents.call import Call
from controller.documents.fetch import FetchFailed, is_url, named
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
    call = context.call
    try:
        if step.url == call.fallback and not is_url(step.url):  # of the settings, never of a document
            return Fetched(await context.rooms.sources.files.read(step.url), step.url)
        return await ask(context, call, step)
    except SourceFailed as failure:
        return Failed(str(failure))


async def ask(context: CallContext, call: Call, step: Fetch) -> Fetched:
    """Return what a URL answers, asked about the call as it is given. Raises SourceFailed."""
    sources, clock = context.rooms.sources, context.rooms.clock
    began = clock()
    account = sources.account(call.account)
    dialect, url = context.dialect, named(step.url)
    try:
        found = await sources.fetched(step.url, step.method, call, account, dialect, step.given)
    except SourceFailed as failure:
        context.observe(DocumentRefused(call.id, url, str(failure), dialect.name, failure.trouble.value))
        raise
    context.observe(DocumentFetched(call.id, url, len(found.text), clock() - began, dialect.name))
    return found
