"""What is done from a page: stop, pause, resume, replay, reconcile.

A form is answered with a way back and a message there, our script with JSON: what it changed on the page comes by the
stream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from controller.console.frame import EXPECTED, Frame, problem
from controller.console.ports import NotFound, Viewer
from controller.console.render import SAFE, redirect, tell, wants_json
from controller.http.base import error_response, json_response
from controller.http.parameters import of_body
from controller.recordings.model import PauseBehavior

MOST_REPLAYED = 50
"""Callbacks that one click replays: those of a page."""

Fields = Mapping[str, str]
Verb = Callable[[Viewer, str, Fields], Awaitable[str]]
"""Does it to the one named, and says in words what is true then."""


class Verbs:
    """The routes, each a POST."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._operations = frame.operations

    def register(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        for path, verb in {
            "/console/recordings/{id}/stop": self.stop,
            "/console/recordings/{id}/pause": self.pause,
            "/console/recordings/{id}/resume": self.resume,
            "/console/callbacks/{id}/replay": self.replay,
            "/console/switches/{id}/reconcile": self.reconcile,
        }.items():
            router.add_post(path, self._frame.signed_in(self._carried_out(verb)))
        router.add_post("/console/callbacks/replay", self._frame.signed_in(self.replay_all))

    def _carried_out(self, verb: Verb) -> Callable[[web.Request, Viewer], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request, viewer: Viewer) -> web.StreamResponse:
            fields = {name: values[-1] for name, values in (await of_body(request)).items()}
            try:
                said = await verb(viewer, request.match_info["id"], fields)
            except NotFound:
                raise
            except EXPECTED as error:
                return self._back(request, fields, problem(error).text, problem(error).status)
            return self._back(request, fields, said)

        return answer

    def _back(self, request: web.Request, fields: Fields, said: str, status: int = 200) -> web.Response:
        if wants_json(request):
            if status != 200:
                return error_response(status, said, SAFE)
            return json_response({"message": said}, headers=SAFE)
        back = redirect(request, fields.get("next", "/"))
        tell(back, said, bad=status != 200)
        return back

    async def stop(self, viewer: Viewer, identity: str, _: Fields) -> str:
        """Stop a recording."""
        await self._operations.stop(viewer, identity)
        return "The recording is being stopped."

    async def pause(self, viewer: Viewer, identity: str, fields: Fields) -> str:
        """Pause it: with silence in its place, where the form does not say that it is to be left out."""
        skip = fields.get("behavior") == PauseBehavior.SKIP
        await self._operations.pause(viewer, identity, PauseBehavior.SKIP if skip else PauseBehavior.SILENCE)
        return "The recording is being paused."

    async def resume(self, viewer: Viewer, identity: str, _: Fields) -> str:
        """Resume it."""
        await self._operations.resume(viewer, identity)
        return "The recording is being resumed."

    async def replay(self, viewer: Viewer, identity: str, _: Fields) -> str:
        """Send a callback again."""
        await self._operations.replay(viewer, identity)
        return "The callback is being sent again."

    async def reconcile(self, viewer: Viewer, switch: str, _: Fields) -> str:
        """Have a switch's link made anew."""
        await self._operations.reconcile(viewer, switch)
        return f"{switch} is being connected and reconciled anew."

    async def replay_all(self, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        """Send all callbacks that a page showed; what is gone meanwhile is left out."""
        body = await of_body(request)
        fields = {name: values[-1] for name, values in body.items()}
        begun, refused = 0, ""
        for identity in list(body.get("id", ()))[:MOST_REPLAYED]:
            try:
                await self._operations.replay(viewer, identity)
                begun += 1
            except EXPECTED as error:
                refused = problem(error).text
        said = f"{begun} callback{'' if begun == 1 else 's'} being sent again."
        if refused:
            return self._back(request, fields, f"{said} Not all: {refused}", 200 if begun else 409)
        return self._back(request, fields, said)
