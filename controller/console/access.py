"""Who a request of the console is of: by HTTP Basic, a Bearer token, or the cookie of one who signed in.

Failures are counted at the ``Door`` that the APIs have, so whoever tries on has the same few tries at all of them. A
browser sends cookies, and credentials that it was once asked for, with requests that other sites have it make: on
anything but a look the request must be our own pages', and with a cookie carry the token that only these know.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from aiohttp import web

from controller.console.ports import Viewer
from controller.console.sessions import LIFETIME, Session, Sessions
from controller.documents.dialect import Account
from controller.http.basic import DOOR, account_of, account_with
from controller.http.parameters import BadBody, of_body

CSRF_FIELD = "csrf"
"""The field of a form that has the session's token."""
CSRF_HEADER = "X-CSRF-Token"
"""The header that may have it instead."""
_LOOKS = frozenset({"GET", "HEAD"})


class CrossSite(Exception):
    """A request that changes something, and that another site may have had a browser make: it is not carried out."""


class Access:
    """The accounts that may look, and the operators' secrets (``http.console_token``, the key of this machine).

    ``base_url`` is where the world finds us: cookies are kept to TLS where that is https. ``clock`` is Unix time.
    """

    def __init__(
        self,
        accounts: Sequence[Account],
        operators: Sequence[str],
        base_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.accounts = tuple(account for account in accounts if account.token)
        self.base_url = base_url
        self._operators = tuple(secret for secret in operators if secret)
        self._sessions = Sessions({one.name: one.token for one in self.accounts}, self._operators, clock)
        parts = urlsplit(base_url)
        self._host = parts.netloc.lower()
        self._secure = parts.scheme == "https"
        self._cookie = "__Host-fsrec" if self._secure else "fsrec"

    # --- who it is ----------------------------------------------------------------------------------------------

    async def viewer(self, request: web.Request) -> Viewer | None:
        """Return whose request it is; see ``viewer_of``."""
        scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
        # Basic may be what a proxy before us asked for: who signed in here is who did.
        session = None if scheme == "bearer" else self.session(request)
        if session is not None:
            viewer: Viewer | None = session.viewer
        else:
            viewer = self._authorized(request) if scheme else None
        if viewer is not None and request.method not in _LOOKS:
            self.check_origin(request)
            if session is not None and not hmac.compare_digest(session.csrf.encode(), await _csrf(request)):
                raise CrossSite("the form is older than your session, or not ours; reload the page and try again")
        return viewer

    def session(self, request: web.Request) -> Session | None:
        """Return the session whose cookie a request has, if any."""
        return self._sessions.read(request.cookies.get(self._cookie, ""))

    def check_origin(self, request: web.Request) -> None:
        """Raise CrossSite where a browser says that another site's page makes the request.

        Sec-Fetch-Site, which no page can set, decides where it is there (over TLS, and on this machine). What says
        nothing of where it comes from is no browser's.
        """
        site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get("Origin")
        if site is not None:
            ours = site == "same-origin"
        else:
            ours = origin is None or _host_of(origin) in {request.host.lower(), self._host}
        if not ours:
            raise CrossSite("this did not come from a page of this console; open the console and try again")

    def _authorized(self, request: web.Request) -> Viewer | None:
        scheme, _, token = request.headers["Authorization"].partition(" ")
        if scheme.lower() == "bearer":
            return self._operator(request, token.strip())
        account = account_of(request, self.accounts)
        return None if account is None else Viewer(account.name)

    def _operator(self, request: web.Request, token: str) -> Viewer | None:
        failed = request.config_dict[DOOR].enter(request, b"")
        found = False
        for secret in self._operators:
            found |= hmac.compare_digest(secret.encode(), token.encode(errors="surrogateescape"))
        if not found:
            failed()
        return Viewer() if found else None

    # --- signing in and out -------------------------------------------------------------------------------------

    def sign_in(self, request: web.Request, name: str, token: str) -> str | None:
        """Return the cookie for an account's id and token, or for an operator's secret and no name; None: neither.

        Raises Throttled.
        """
        if not name:
            operator = self._operator(request, token)
            return None if operator is None else self._sessions.begin(operator, token)
        account = account_with(request, f"{name}:{token}".encode(), self.accounts)
        return None if account is None else self._sessions.begin(Viewer(account.name), account.token)

    def keep(self, response: web.StreamResponse, cookie: str) -> None:
        """Have the browser keep a session's cookie."""
        response.set_cookie(
            self._cookie, cookie, max_age=int(LIFETIME), path="/", secure=self._secure, httponly=True, samesite="Lax"
        )

    def sign_out(self, response: web.StreamResponse, session: Session) -> None:
        """End a session, and have the browser forget it."""
        self._sessions.end(session)
        response.del_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="Lax")


ACCESS = web.AppKey("access", Access)


async def viewer_of(request: web.Request) -> Viewer | None:
    """Return whose request it is, or None: it has no credentials, or wrong ones.

    Raises Throttled (http.basic): credentials are not looked at for a while. Raises CrossSite: it would change
    something, and nothing says that its sender meant it.
    """
    return await request.config_dict[ACCESS].viewer(request)


async def _csrf(request: web.Request) -> bytes:
    header = request.headers.get(CSRF_HEADER)
    if header is None:
        try:
            header = "".join((await of_body(request)).get(CSRF_FIELD, ()))
        except BadBody as bad:
            raise CrossSite(f"the form could not be read: {bad}") from bad
    return header.encode(errors="surrogateescape")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
