"""Signing in and out."""

from __future__ import annotations

from aiohttp import web

from controller.console.access import ACCESS
from controller.console.frame import Frame
from controller.console.ports import Viewer
from controller.console.render import elsewhere, own, redirect
from controller.http.basic import Throttled
from controller.http.parameters import of_body

WRONG = "That is not the id and token of an account, nor, without an id, the console's token."


def register(router: web.UrlDispatcher, frame: Frame, *, has_token: bool) -> None:
    """Add the routes; ``has_token``: the settings have a token for operators."""

    def page(request: web.Request, back: str, problem: str = "", status: int = 200, name: str = "") -> web.Response:
        return frame.templates.page(
            request,
            "sign_in.html",
            None,
            status=status,
            next=own(back),
            problem=problem,
            name=name,
            has_token=has_token,
            has_accounts=bool(frame.access.accounts),
            elsewhere=elsewhere(request, frame.access.base_url),
        )

    async def look(request: web.Request) -> web.StreamResponse:
        back = request.query.get("next", "/")
        if frame.access.session(request) is not None:
            return redirect(request, back)
        return page(request, back)

    async def sign_in(request: web.Request) -> web.StreamResponse:
        frame.access.check_origin(request)
        fields = {name: values[-1].strip() for name, values in (await of_body(request)).items()}
        name, back = fields.get("id", ""), fields.get("next", "/")
        try:
            cookie = frame.access.sign_in(request, name, fields.get("token", ""))
        except Throttled as throttled:
            answer = page(request, back, f"Too many tries. Try again in {throttled.seconds} s.", 429, name)
            answer.headers.update(throttled.headers)
            return answer
        if cookie is None:
            return page(request, back, WRONG, 403, name)
        answer = redirect(request, back)
        frame.access.keep(answer, cookie)
        return answer

    async def sign_out(request: web.Request, _: Viewer) -> web.StreamResponse:
        answer = redirect(request, "/console/sign-in")
        session = request.config_dict[ACCESS].session(request)
        if session is not None:
            frame.access.sign_out(answer, session)
        return answer

    router.add_get("/console/sign-in", frame.anybody(look))
    router.add_post("/console/sign-in", frame.anybody(sign_in))
    router.add_post("/console/sign-out", frame.signed_in(sign_out))
