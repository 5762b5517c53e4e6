"""The pages that are looked at: what runs, what is finished, one recording's story, callbacks, switches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from controller.console import filters, player
from controller.console.frame import Frame
from controller.console.live import MOST_ROWS, rows
from controller.console.ports import NotAllowed, Story, Told, Viewer
from controller.recordings.model import Notice

PAGE = 50
"""Rows of a list's page."""
MOST_STEPS = 300
"""Lines of a story that are shown of what happened, and of who was told: an account may pause and resume all day.

A page is made while calls wait. The JSON of the same story has all of it.
"""
BEGINNING = 20
"""How many of these tell how it began, where some are left out."""
MOST_ATTEMPTS = 20
"""Attempts at a callback that a story shows, the newest."""


class Pages:
    """Reads what a page shows, and hands it to its template."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._operations = frame.operations

    def register(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        signed_in = self._frame.signed_in
        router.add_get("/", signed_in(self.live))
        router.add_get("/console/recordings", signed_in(self.recordings))
        router.add_get("/console/recordings/{id}", signed_in(self.recording))
        router.add_get("/console/callbacks", signed_in(self.callbacks))
        router.add_get("/console/callbacks/{id}", signed_in(self.callback))
        router.add_get("/console/switches", signed_in(self.switches))

    async def live(self, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        """Show what runs, as it is now; the stream of ``live`` keeps it true."""
        live = await self._operations.live(viewer, MOST_ROWS)
        health, now = await self._operations.health(), time.time()
        return self._page(
            request, viewer, "live.html", rows=rows(live, {}, now), total=live.total, health=health, now=now
        )

    async def recordings(self, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        """Show what is found, a page of it."""
        asked = filters.recordings(request.query)
        found = []
        if not asked.problems.keys() - {"before"}:
            found = list(await self._operations.search(viewer, asked.search, limit=PAGE + 1, before=asked.before))
        older = asked.older((found[PAGE - 1].requested_at, found[PAGE - 1].id)) if len(found) > PAGE else ""
        return self._page(
            request,
            viewer,
            "recordings.html",
            status=400 if asked.problems else 200,
            asked=asked,
            found=found[:PAGE],
            older=older,
            outcomes=filters.OUTCOMES,
            accounts=self._accounts(viewer),
        )

    async def recording(self, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        """Show one recording's whole story."""
        story = await self._operations.story(viewer, request.match_info["id"])
        shown = await player.context(self._operations, viewer, story.recording)
        return self._page(
            request,
            viewer,
            "recording.html",
            story=story,
            recording=story.recording,
            **abridged(story),
            **shown,
        )

    async def callbacks(self, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        """Show callbacks in one state, or in any."""
        state, before = filters.deliveries(request.query)
        found = list(await self._operations.deliveries(viewer, state, limit=PAGE + 1, before=before))
        older = filters.written((found[PAGE - 1].created_at, found[PAGE - 1].id)) if len(found) > PAGE else ""
        return self._page(
            request, viewer, "callbacks.html", state=state or "all", found=found[:PAGE], older=older, first=not before
        )

    async def callback(self, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        """Show one callback: what it says, and each attempt at it."""
        told = await self._operations.told(viewer, request.match_info["id"])
        body = told.row.delivery.body
        return self._page(request, viewer, "callback.html", told=told, body=body.decode(errors="replace"))

    async def switches(self, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        """Show the switches, to operators."""
        if not viewer.operator:
            raise NotAllowed
        health = await self._operations.health()
        return self._page(request, viewer, "switches.html", health=health, now=time.time())

    def _page(self, request: web.Request, viewer: Viewer, name: str, **values: Any) -> web.Response:
        return self._frame.templates.page(request, name, viewer, **values)

    def _accounts(self, viewer: Viewer) -> Sequence[str]:
        return sorted(one.name for one in self._frame.access.accounts) if viewer.operator else ()


def told_by(story: Story) -> tuple[Sequence[tuple[Notice, Sequence[Told]]], Sequence[Told]]:
    """Return each notice with its callbacks, and the callbacks of no notice (a transcription's)."""
    by_sequence: Mapping[int, list[Told]] = {notice.sequence: [] for notice in story.notices}
    others: list[Told] = []
    for told in story.told:
        by_sequence.get(told.row.sequence, others).append(told)
    return [(notice, by_sequence[notice.sequence]) for notice in story.notices], others


def abridged(story: Story) -> Mapping[str, Any]:
    """Return a story's lists as its page has lines for them, and how many entries are left out of each."""
    skipped = max(0, len(story.history) - MOST_STEPS)
    notices, others = told_by(story)
    newest = newest_of(notices)
    return {
        "history": [*story.history[:BEGINNING], *story.history[BEGINNING + skipped :]],
        "skipped": skipped,
        "beginning": BEGINNING,
        "notices": newest,
        "earlier": len(notices) - len(newest),
        "others": others[-PAGE:],
        "most_attempts": MOST_ATTEMPTS,
    }


def newest_of(notices: Sequence[tuple[Notice, Sequence[Told]]]) -> Sequence[tuple[Notice, Sequence[Told]]]:
    """Return as many of the newest notices, with all their callbacks, as a page has lines for."""
    lines = 0
    for place in range(len(notices) - 1, -1, -1):
        lines += 1 + sum(1 + min(MOST_ATTEMPTS, len(told.attempts)) for told in notices[place][1])
        if lines > MOST_STEPS:
            return notices[place + 1 :] or notices[place:]
    return notices
