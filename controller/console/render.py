"""What every page has: templates, headers, links that hold wherever a proxy puts the console, and flash messages.

Links are relative to the console's root, counted from the page's own depth: so a path prefix of ``public_url``, which
a proxy strips, needs no setting here, and the console answers on the daemon's own port as well.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from controller import __version__
from controller.console import words
from controller.console.access import ACCESS, CSRF_FIELD
from controller.console.assets import Assets
from controller.console.ports import Viewer
from controller.recordings.model import FINAL_STATES

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SAFE = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""Headers of all that the console answers.

No other site is told a referrer. With ``no-referrer`` browsers would say ``Origin: null`` of our own forms as well,
and where there is no TLS that is all that tells them from another site's.
"""
FLASH = "fsrec-flash"
_MOST_FLASH = 400
_OURS = re.compile(r"/(?:console/[!-\[\]-~]*)?(?:\?[!-\[\]-~]*)?")
_UP = re.compile(r"/(?:\.|%2e)", re.IGNORECASE)


class Templates:
    """Jinja with everything escaped, and nothing undefined taken for empty."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self._jinja = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._jinja.filters.update(words.FILTERS)
        self._jinja.globals.update(
            version=__version__, states=words.STATES, reasons=words.REASONS, finals=FINAL_STATES, asset=assets.path
        )

    def text(self, name: str, /, **values: Any) -> str:
        """Return a template's text."""
        return self._jinja.get_template(name).render(**values)

    def page(
        self, request: web.Request, name: str, viewer: Viewer | None, /, *, status: int = 200, **values: Any
    ) -> web.Response:
        """Return a page; ``values`` are the template's own."""
        session = request.config_dict[ACCESS].session(request)
        body = self.text(
            name,
            root=root_of(request),
            here=request.rel_url.raw_path_qs,
            viewer=viewer,
            csrf=session.csrf if session is not None else "",
            csrf_field=CSRF_FIELD,
            flash=_flash(request),
            **values,
        )
        response = web.Response(text=body, status=status, content_type="text/html", headers=SAFE)
        if FLASH in request.cookies:
            response.del_cookie(FLASH, path="/")
        return response


def root_of(request: web.Request) -> str:
    """Return what leads from a request's path to the console's root, as in ``../``."""
    return "../" * (request.rel_url.raw_path.count("/") - 1) or "./"


def own(path: str) -> str:
    """Return a path of the console's, as a form brings it back; ``/`` for whatever is none."""
    return path if len(path) <= 2048 and _OURS.fullmatch(path) and not _UP.search(path) else "/"


def redirect(request: web.Request, path: str) -> web.Response:
    """Return what has a browser get a path of the console's next; it is relative, as all links are."""
    return web.Response(status=303, headers={**SAFE, "Location": root_of(request) + own(path)[1:]})


def to_sign_in(request: web.Request) -> web.Response:
    """Return what leads to the sign-in page, and from there back to what was looked at."""
    path = request.rel_url.raw_path_qs if request.method in {"GET", "HEAD"} else "/"
    back = own(path)
    return redirect(request, "/console/sign-in" + ("" if back == "/" else f"?next={quote(back, safe='/')}"))


def wants_json(request: web.Request) -> bool:
    """Tell whether it is our script that asks, not a form."""
    return request.headers.get("Accept", "").startswith("application/json")


def tell(response: web.StreamResponse, text: str, *, bad: bool = False) -> None:
    """Have the next page show a message."""
    message = base64.urlsafe_b64encode(orjson.dumps([bad, words.capped(words.visible(text), _MOST_FLASH)])).decode()
    response.set_cookie(FLASH, message, max_age=60, path="/", httponly=True, samesite="Lax")


def _flash(request: web.Request) -> Mapping[str, Any] | None:
    """Return the message that the last answer left; what anybody else put there is text as well."""
    try:
        match orjson.loads(base64.urlsafe_b64decode(request.cookies.get(FLASH, "").encode())):
            case [bool(bad), str(text)]:
                return {"bad": bad, "text": words.capped(words.visible(text), _MOST_FLASH)}
    except (binascii.Error, ValueError):
        pass
    return None


def elsewhere(request: web.Request, base_url: str) -> str:
    """Return where to open the console, where cookies need TLS and another host was asked; else nothing."""
    parts = urlsplit(base_url)
    return base_url if parts.scheme == "https" and parts.netloc.lower() != request.host.lower() else ""
