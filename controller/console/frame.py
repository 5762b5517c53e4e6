"""What stands around every handler of the console: who asks, and a page of everything that goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from controller.console.access import Access, CrossSite, viewer_of
from controller.console.ports import NotAllowed, NotFound, Operations, Viewer
from controller.console.render import SAFE, Templates, to_sign_in, wants_json
from controller.http.base import error_response
from controller.http.basic import Throttled
from controller.http.parameters import BadBody
from controller.recordings.ports import LedgerFailed, MediaAway, NoRoom, NotPossible, SwitchAway

Handler = Callable[[web.Request, Viewer], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, for people: an HTTP status, what it is called, and what would be right."""

    status: int
    title: str
    text: str
    wait: int = 0


EXPECTED = (
    Throttled, CrossSite, NotFound, NotAllowed, NotPossible, SwitchAway, LedgerFailed, MediaAway, BadBody
)  # fmt: skip
"""What handlers may raise: all of it is told as a page, or, where our script asks, as JSON."""


def problem(error: Exception) -> Problem:
    """Return one of EXPECTED in words."""
    match error:
        case Throttled():
            text = f"Too many sign-ins failed from your address. Try again in {error.seconds} s."
            return Problem(429, "Too many tries", text, error.seconds)
        case CrossSite():
            return Problem(403, "Not carried out", _sentence(error))
        case NotFound():
            return Problem(404, "Not found", "There is nothing of this name, or it is not yours to see.")
        case NotAllowed():
            return Problem(403, "Operators only", "This is for operators: sign in with the console's token.")
        case NoRoom():
            return Problem(503, "Not now", _sentence(error), 10)
        case NotPossible():
            return Problem(409, "Not possible", _sentence(error))
        case SwitchAway():
            return Problem(503, "The switch is away", _sentence(error), 5)
        case MediaAway():
            return Problem(503, "The file is away", _sentence(error), 5)
        case BadBody():
            return Problem(error.status, "Not understood", _sentence(error))
    return Problem(503, "The store does not answer", "Nothing can be read or changed now; try again in a moment.", 1)


def _sentence(error: Exception) -> str:
    text = str(error).strip() or "It could not be done."
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


@dataclass(frozen=True, slots=True)
class Frame:
    """Makes handlers of aiohttp's of those that know who asks."""

    access: Access
    templates: Templates
    operations: Operations

    def signed_in(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return what asks ``handler`` for those who are somebody; all others sign in first."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                viewer = await viewer_of(request)
                if viewer is None:
                    return self.stranger(request)
                return await handler(request, viewer)
            except EXPECTED as error:
                return self.failed(request, problem(error))

        return answer

    def anybody(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return what asks ``handler`` for everybody."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except EXPECTED as error:
                return self.failed(request, problem(error))

        return answer

    def stranger(self, request: web.Request) -> web.Response:
        """Answer one who is nobody (any more)."""
        if wants_json(request):
            return error_response(401, "Your session has ended; sign in again.", SAFE)
        return to_sign_in(request)

    def failed(self, request: web.Request, problem: Problem) -> web.Response:
        """Answer what went wrong: as JSON where our script asks, else as a page."""
        wait = {"Retry-After": str(problem.wait)} if problem.wait else {}
        if wants_json(request):
            return error_response(problem.status, problem.text, {**SAFE, **wait})
        session = self.access.session(request)
        page = self.templates.page(
            request, "error.html", session.viewer if session else None, status=problem.status, problem=problem
        )
        page.headers.update(wait)
        return page
