"""What runs, as it changes: server-sent events for every page that looks (WHATWG HTML, section 9.2).

There is one poll of the store for each viewer (an account, or operators), however many pages look, and none while
nobody does: a change that this daemon makes is polled for at once, what others of a cluster do within a few seconds.
A stream is told what differs from what it was told last, so a slow one misses steps, never the truth, and needs no
queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson
from aiohttp import web

from controller.console.access import viewer_of
from controller.console.frame import EXPECTED, Frame, Problem, problem
from controller.console.ports import Live, Viewer
from controller.console.render import SAFE
from controller.http.base import EndlessResponse, error_response
from controller.recordings.model import Recording
from controller.recordings.ports import LedgerFailed

MOST_ROWS = 100
MOST_STREAMS = 200
MOST_OF_ONE = 50
"""Streams of one viewer at once; pages that nobody sees close theirs. As many of all are the operators' alone."""
RETRY = 3000
"""Milliseconds after which a browser connects again."""
STEADY = 2.0
"""Seconds by which two polls may differ on when a recording began: its age is counted by another machine's clock."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen, in seconds.

    Polls after a change (no sooner than the last one and ``changed``) and without one (``idle``), looks at the
    health, heartbeats, looks of a stream at its own session (``tick``). A client that takes nothing for ``patience``
    is let go.
    """

    changed: float = 0.4
    idle: float = 3.0
    health: float = 5.0
    heartbeat: float = 15.0
    tick: float = 1.0
    patience: float = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """One recording as its row shows it, for ``elapsed`` seconds so far; None: it has not begun.

    ``began``, in Unix time of this machine, is of one that goes on: its page counts by itself.
    """

    recording: Recording
    began: float | None
    elapsed: float | None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a viewer's page shows: its rows in order as HTML, how many run in all; ``stale``: the store is silent."""

    rows: Mapping[str, str] = field(default_factory=dict)
    total: int = 0
    stale: bool = False


@dataclass(slots=True)
class Audience:
    """The streams of one viewer, and what they are to show; ``shown`` are the rows of the last poll."""

    viewer: Viewer
    streams: int = 0
    scene: Scene | None = None
    shown: Mapping[str, Row] = field(default_factory=dict)


class Hub:
    """All streams of a daemon."""

    def __init__(self, frame: Frame, pace: Pace | None = None) -> None:
        self._frame = frame
        self._operations = frame.operations
        self._pace = pace or Pace()
        self._audiences: dict[Viewer, Audience] = {}
        self._changed = asyncio.Event()
        self._news = asyncio.Event()
        self._banner = ""
        self._polling: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def streams(self) -> int:
        """How many look."""
        return sum(audience.streams for audience in self._audiences.values())

    def register(self, router: web.UrlDispatcher) -> None:
        """Add the route."""
        router.add_get("/console/events", self.events, allow_head=False)

    async def close(self, _: web.Application) -> None:
        """End every stream: a daemon that stops waits for none."""
        self._closed = True
        self._tell()
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    # --- one stream ---------------------------------------------------------------------------------------------

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Serve a stream until its client, its session, or the daemon ends."""
        try:
            viewer = await viewer_of(request)
        except EXPECTED as error:
            return _refused(problem(error))
        if viewer is None:
            return _refused(Problem(401, "", "sign in to see what runs"))
        mine = self._audiences.get(viewer)
        most = MOST_STREAMS if viewer.operator else MOST_STREAMS - MOST_OF_ONE
        if self._closed or self.streams >= most or (mine is not None and mine.streams >= MOST_OF_ONE):
            return _refused(Problem(503, "", "too many pages look at what runs; try again", 10))
        response = EndlessResponse(
            headers={**SAFE, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
        )
        with self._watching(viewer) as audience:
            try:
                await response.prepare(request)
                await self._stream(request, response, audience)
            except (ConnectionError, TimeoutError):  # gone, or it takes nothing
                _cut(request)
            except Exception:  # an error's answer has no place in a stream
                _cut(request)
                raise
        return response

    async def _stream(self, request: web.Request, response: web.StreamResponse, audience: Audience) -> None:
        loop = asyncio.get_running_loop()
        signed_in = self._frame.access.session(request) is not None
        told: Scene | None = None
        banner: str | None = None
        await self._send(response, f"retry: {RETRY}\n\n".encode())
        said = loop.time()
        while not self._closed and request.transport is not None and not request.transport.is_closing():
            if signed_in and self._frame.access.session(request) is None:
                await self._send(response, b"event: end\ndata: session\n\n")
                return
            if self._polling is not None and self._polling.done():
                self._polling.result()
            news, scene = self._news, audience.scene
            if scene is not None and (scene != told or banner != self._banner):
                await self._send(response, _message(told, scene, self._banner))
                told, banner, said = scene, self._banner, loop.time()
            elif loop.time() - said >= self._pace.heartbeat:
                await self._send(response, b":\n\n")
                said = loop.time()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), self._pace.tick)

    async def _send(self, response: web.StreamResponse, data: bytes) -> None:
        await asyncio.wait_for(response.write(data), self._pace.patience)

    @contextlib.contextmanager
    def _watching(self, viewer: Viewer) -> Iterator[Audience]:
        """Be one of a viewer's streams; the first of all begins the polling, the last ends it."""
        audience = self._audiences.setdefault(viewer, Audience(viewer))
        audience.streams += 1
        self._changed.set()
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll())
        try:
            yield audience
        finally:
            audience.streams -= 1
            if not audience.streams:
                del self._audiences[viewer]
            if not self._audiences and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    # --- what all of them see -----------------------------------------------------------------------------------

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        unsubscribe = self._operations.subscribe(self._changed.set)
        health_due = 0.0
        try:
            while True:
                self._changed.clear()
                if loop.time() >= health_due:
                    health_due = loop.time() + self._pace.health
                    await self._look_at_health()
                for audience in tuple(self._audiences.values()):
                    await self._look(audience)
                self._tell()
                await asyncio.sleep(self._pace.changed)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._pace.idle - self._pace.changed)
        finally:
            unsubscribe()

    async def _look_at_health(self) -> None:
        with contextlib.suppress(LedgerFailed):  # the rows say that the store is silent
            health = await self._operations.health()
            self._banner = self._frame.templates.text("banner.html", health=health)

    async def _look(self, audience: Audience) -> None:
        try:
            live = await self._operations.live(audience.viewer, MOST_ROWS)
        except LedgerFailed:
            before = audience.scene or Scene()
            audience.scene = Scene(before.rows, before.total, stale=True)
            return
        known, before = audience.shown, audience.scene or Scene()
        began = {identity: row.began for identity, row in known.items() if row.began is not None}
        shown = rows(live, began, time.time())
        audience.shown = {
            # While it goes on its page counts by itself: nothing of its row changes.
            row.recording.id: row if row.began is None else replace(row, elapsed=None)
            for row in shown
        }
        audience.scene = Scene(
            {
                identity: before.rows[identity] if known.get(identity) == row else self._drawn(row, audience.viewer)
                for identity, row in audience.shown.items()
            },
            live.total,
        )

    def _drawn(self, row: Row, viewer: Viewer) -> str:
        # The token of forms is each session's own; the page's script has it.
        return self._frame.templates.text("live_row.html", row=row, viewer=viewer, root="./", csrf="", csrf_field="")

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def rows(live: Live, began: Mapping[str, float], now: float) -> Sequence[Row]:
    """Return what runs as rows; ``began`` is what was told before, which holds unless it is far off."""
    found = []
    for running in live.running:
        recording, elapsed = running.recording, running.elapsed
        since = None if elapsed is None or recording.ended_at is not None else round(now - elapsed, 1)
        before = began.get(recording.id)
        if since is not None and before is not None and abs(since - before) <= STEADY:
            since = before
        found.append(Row(recording, since, elapsed))
    return found


def _message(told: Scene | None, scene: Scene, banner: str) -> bytes:
    known = told.rows if told is not None else {}
    changed = {identity: html for identity, html in scene.rows.items() if known.get(identity) != html}
    data = {
        "order": list(scene.rows),
        "rows": changed,
        "total": scene.total,
        "stale": scene.stale,
        "banner": banner,
        "now": time.time(),
    }
    return b"event: live\ndata: " + orjson.dumps(data) + b"\n\n"


def _refused(problem: Problem) -> web.Response:
    wait = {"Retry-After": str(problem.wait)} if problem.wait else {}
    return error_response(problem.status, problem.text, {**SAFE, **wait})
