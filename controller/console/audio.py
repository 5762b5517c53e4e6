"""A recording's sound for its page: who may see it may hear it, whatever downloads need."""

from __future__ import annotations

from aiohttp import web

from controller.console.access import viewer_of
from controller.console.player import FORMATS
from controller.console.ports import NotFound, Operations
from controller.http.base import error_response
from controller.http.basic import Throttled
from controller.http.media import Downloads
from controller.recordings.ports import MediaAway, NotPossible


def register(router: web.UrlDispatcher, downloads: Downloads, operations: Operations) -> None:
    """Add GET and HEAD of ``/console/recordings/{id}/audio.wav`` and ``.mp3``, whole or in part."""

    async def audio(request: web.Request) -> web.StreamResponse:
        try:
            viewer = await viewer_of(request)
            if viewer is None:
                return error_response(401, "sign in to the console first")
            identity, form = request.match_info["id"], request.match_info["form"]
            recording, variant = await operations.audio(viewer, identity, form)
        except Throttled as throttled:
            return error_response(429, str(throttled), throttled.headers)
        except (NotFound, FileNotFoundError):
            return error_response(404, "there is no such recording, or it has no audio")
        except NotPossible as refusal:
            return error_response(409, str(refusal))
        except MediaAway as away:
            return error_response(503, str(away), {"Retry-After": "60"})
        return await downloads.serve(request, recording, variant)

    router.add_get(f"/console/recordings/{{id}}/audio.{{form:{'|'.join(FORMATS)}}}", audio)
