"""controller/console/access.py, sessions.py: who a request is of, and what a browser is not to be had to do."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from controller.console.access import ACCESS, Access, CrossSite, viewer_of
from controller.console.ports import Viewer
from controller.documents.dialect import Account
from controller.http.basic import DOOR, Door, Throttled

ACME = Account("acme", "signalwire", "project-1", token="token-1")
OTHER = Account("other", "twilio", "AC1", token="token-2")
MUTE = Account("mute", "twilio", "AC9")
CONSOLE, KEY = "console-token-of-16", "key-of-this-machine"
OURS = {"Sec-Fetch-Site": "same-origin"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Console:
    """A daemon's access with these settings; a daemon of a cluster is another with the same."""

    now: float = 1_000_000.0
    accounts: tuple[Account, ...] = (ACME, OTHER, MUTE)
    operators: tuple[str, ...] = (CONSOLE, KEY)
    base_url: str = "https://rec.example.com/fsrec"
    app: web.Application = field(default_factory=web.Application)

    def __post_init__(self) -> None:
        self.access = Access(self.accounts, self.operators, self.base_url, lambda: self.now)
        self.app[ACCESS] = self.access
        self.app[DOOR] = Door()

    def request(self, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b"") -> Any:
        made = make_mocked_request(method, "/console/x", {"Host": "127.0.0.1:8080", **(headers or {})}, app=self.app)
        made.read = AsyncMock(return_value=body)  # type: ignore[method-assign]
        return made

    def signed_in(self, name: str, token: str) -> str:
        cookie = self.access.sign_in(self.request(), name, token)
        assert cookie is not None
        return cookie

    def with_cookie(self, cookie: str) -> dict[str, str]:
        response = web.Response()
        self.access.keep(response, cookie)
        (name,) = response.cookies
        return {"Cookie": f"{name}={cookie}"}

    async def viewer(self, *args: Any, **more: Any) -> Viewer | None:
        return await viewer_of(self.request(*args, **more))


@pytest.fixture
def console() -> Console:
    return Console()


CREDENTIALS: list[tuple[dict[str, str], Viewer | None]] = [
    ({}, None),
    (basic("project-1", "token-1"), Viewer("acme")),
    (basic("AC1", "token-2"), Viewer("other")),
    (basic("AC1", "token-1"), None),
    (basic("acme", "token-1"), None),
    (basic("AC9", ""), None),
    (basic("", ""), None),
    (basic("", CONSOLE), None),
    (basic("x", KEY), None),
    (bearer(CONSOLE), Viewer()),
    (bearer(KEY), Viewer()),
    (bearer(""), None),
    (bearer("token-1"), None),
    (bearer(CONSOLE + "x"), None),
    (bearer("ü"), None),
    ({"Authorization": "Digest x"}, None),
    ({"Authorization": CONSOLE}, None),
    ({"Cookie": "fsrec=x"}, None),
    ({"Cookie": "__Host-fsrec=" + "x" * 4000}, None),
    ({"Cookie": f"__Host-fsrec=.9999999999.{'a' * 22}.{'0' * 64}"}, None),
]


@pytest.mark.parametrize(("headers", "viewer"), CREDENTIALS)
async def test_who_it_is(console: Console, headers: dict[str, str], viewer: Viewer | None) -> None:
    """An account by its id and token, an operator by a token of theirs, and nobody by anything else."""
    assert await console.viewer("GET", headers) == viewer
    assert await console.viewer("POST", headers) == viewer  # no browser sent it


def test_a_console_without_tokens_lets_nobody_in() -> None:
    """An empty secret is no secret: an operator without one cannot be, nor an account."""
    console = Console(accounts=(MUTE,), operators=("", ""))
    for name, token in [("", ""), ("AC9", ""), ("mute", "")]:
        assert console.access.sign_in(console.request(), name, token) is None


@pytest.mark.parametrize(
    ("name", "token", "viewer"),
    [
        ("", CONSOLE, Viewer()),
        ("", KEY, Viewer()),
        ("AC1", "token-2", Viewer("other")),
        ("", "token-2", None),
        ("AC1", CONSOLE, None),
        ("acme", "token-1", None),
    ],
)
async def test_signing_in(console: Console, name: str, token: str, viewer: Viewer | None) -> None:
    """What is right makes a session of its viewer, at this daemon and any that has the same settings."""
    cookie = console.access.sign_in(console.request(), name, token)
    assert (cookie is None) == (viewer is None)
    if cookie is not None:
        assert await console.viewer("GET", console.with_cookie(cookie)) == viewer
        assert await Console().viewer("GET", console.with_cookie(cookie)) == viewer


async def test_a_session_is_over_after_twelve_hours(console: Console) -> None:
    """To the second."""
    cookie = console.with_cookie(console.signed_in("", CONSOLE))
    console.now += 12 * 3600 - 1
    assert await console.viewer("GET", cookie) == Viewer()
    console.now += 1
    assert await console.viewer("GET", cookie) is None


@pytest.mark.parametrize(
    "changed",
    [
        Console(operators=("another-token-of-16",)),
        Console(accounts=(Account("acme", "signalwire", "project-1", token="renewed"), OTHER)),
        Console(accounts=(OTHER,)),
        Console(accounts=(Account("other", "signalwire", "project-1", token="token-1"),)),
    ],
)
async def test_a_changed_secret_ends_its_sessions(console: Console, changed: Console) -> None:
    """And so does an account that left, or that has another name now."""
    for name, token in [("", CONSOLE), ("project-1", "token-1")]:
        cookie = console.with_cookie(console.signed_in(name, token))
        viewer = await changed.viewer("GET", cookie)
        same = CONSOLE in changed.operators if not name else ACME in changed.accounts
        assert (viewer is not None) == same


async def test_a_cookie_is_taken_as_it_was_made(console: Console) -> None:
    """With any character of it another, it is no cookie of ours."""
    cookie = console.signed_in("project-1", "token-1")
    for place in range(len(cookie)):
        forged = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        assert await console.viewer("GET", console.with_cookie(forged)) is None


async def test_each_session_is_its_own(console: Console) -> None:
    """Signing in makes a new one whatever was there; signing out ends that one alone, here at once."""
    one, two = (console.signed_in("", CONSOLE) for _ in range(2))
    assert one != two
    session = console.access.session(console.request("GET", console.with_cookie(one)))
    assert session is not None
    response = web.Response()
    console.access.sign_out(response, session)
    assert response.cookies["__Host-fsrec"]["max-age"] in {0, "0"}
    assert await console.viewer("GET", console.with_cookie(one)) is None
    assert await console.viewer("GET", console.with_cookie(two)) == Viewer()


@pytest.mark.parametrize(
    ("base_url", "name", "secure"),
    [("https://rec.example.com", "__Host-fsrec", True), ("http://127.0.0.1:8080", "fsrec", False)],
)
def test_how_a_browser_keeps_the_cookie(base_url: str, name: str, secure: bool) -> None:
    """No script sees it, no other site's form sends it, and where there is TLS nothing else carries it."""
    console = Console(base_url=base_url)
    response = web.Response()
    console.access.keep(response, console.signed_in("", CONSOLE))
    kept: Mapping[str, Any] = response.cookies[name]
    assert {key: kept[key] for key in ("httponly", "samesite", "path", "domain", "max-age", "secure")} == {
        "httponly": True,
        "samesite": "Lax",
        "path": "/",
        "domain": "",
        "max-age": "43200",
        "secure": secure,
    }


def csrf_of(console: Console, cookie: str) -> str:
    session = console.access.session(console.request("GET", console.with_cookie(cookie)))
    assert session is not None
    return session.csrf


Change = Callable[[str, str], tuple[dict[str, str], bytes]]
FORGERIES: list[tuple[str, Change, bool]] = [
    ("a form", lambda mine, _: ({}, f"csrf={mine}".encode()), True),
    ("a form of our page", lambda mine, _: (OURS, f"csrf={mine}".encode()), True),
    ("a header", lambda mine, _: ({"X-CSRF-Token": mine}, b""), True),
    ("our origin", lambda mine, _: ({"Origin": "http://127.0.0.1:8080"}, f"csrf={mine}".encode()), True),
    ("the public origin", lambda mine, _: ({"Origin": "https://rec.example.com"}, f"csrf={mine}".encode()), True),
    ("no token", lambda *_: ({}, b""), False),
    ("no token, our page", lambda *_: (OURS, b"behavior=skip"), False),
    ("an empty token", lambda *_: (OURS, b"csrf="), False),
    ("another session's", lambda _, other: (OURS, f"csrf={other}".encode()), False),
    ("another's as header", lambda mine, other: ({"X-CSRF-Token": other}, f"csrf={mine}".encode()), False),
    ("twice", lambda mine, _: ({}, f"csrf={mine}&csrf={mine}".encode()), False),
    ("in the query", lambda *_: (OURS, b"x=y"), False),
    (
        "no form",
        lambda mine, _: ({"Content-Type": "multipart/form-data; boundary=x"}, f"csrf={mine}".encode()),
        False,
    ),
    ("not UTF-8", lambda *_: ({}, b"csrf=%ff"), False),
    ("another site", lambda mine, _: ({"Sec-Fetch-Site": "cross-site"}, f"csrf={mine}".encode()), False),
    ("a sister site", lambda mine, _: ({"Sec-Fetch-Site": "same-site"}, f"csrf={mine}".encode()), False),
    ("another origin", lambda mine, _: ({"Origin": "https://evil.example"}, f"csrf={mine}".encode()), False),
    ("another port", lambda mine, _: ({"Origin": "http://127.0.0.1:9999"}, f"csrf={mine}".encode()), False),
    ("a nameless origin", lambda mine, _: ({"Origin": "null"}, f"csrf={mine}".encode()), False),
    ("an unreadable origin", lambda mine, _: ({"Origin": "https://["}, f"csrf={mine}".encode()), False),
]


@pytest.mark.parametrize(("change", "let"), [row[1:] for row in FORGERIES], ids=[row[0] for row in FORGERIES])
async def test_what_may_change_something(console: Console, change: Change, let: bool) -> None:
    """A cookie alone changes nothing: the session's own token must be there, and the page ours."""
    cookie, other = (console.signed_in("", CONSOLE) for _ in range(2))
    headers, body = change(csrf_of(console, cookie), csrf_of(console, other))
    request = {**console.with_cookie(cookie), **headers}
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        if let:
            assert await console.viewer(method, request, body=body) == Viewer()
        else:
            with pytest.raises(CrossSite):
                await console.viewer(method, request, body=body)
    assert await console.viewer("GET", request) == Viewer()  # a look is a look


async def test_credentials_that_a_browser_keeps_change_nothing_for_another_site(console: Console) -> None:
    """It sends Basic by itself where it was once asked for it."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        with pytest.raises(CrossSite):
            await console.viewer("POST", {**basic("project-1", "token-1"), **headers})
    assert await console.viewer("POST", {**basic("project-1", "token-1"), **OURS}) == Viewer("acme")


async def test_a_proxy_that_has_a_password_of_its_own(console: Console) -> None:
    """What a browser sends to it with every request does not undo the sign-in here, nor is it a failure."""
    proxy = basic("everybody", "the proxy's")
    session = {**console.with_cookie(console.signed_in("", CONSOLE)), **proxy}
    for _ in range(20):
        assert await console.viewer("GET", session) == Viewer()
    assert await console.viewer("GET", {**session, **bearer(CONSOLE)}) == Viewer()
    with pytest.raises(CrossSite):
        await console.viewer("POST", {**session, **OURS})


@pytest.mark.parametrize("way", ["page", "bearer", "basic"])
async def test_trying_on_is_counted(console: Console, way: str) -> None:
    """Ten failures, by whichever way, and then what is right is not looked at either; an old cookie is no failure."""
    name = "AC1" if way == "basic" else ""

    async def attempt(token: str) -> object:
        if way == "page":
            return console.access.sign_in(console.request(), name, token)
        return await console.viewer("GET", basic(name, token) if way == "basic" else bearer(token))

    for _ in range(30):
        assert await console.viewer("GET", {"Cookie": "__Host-fsrec=.1.old.0"}) is None
    for _ in range(10):
        assert await attempt("wrong") is None
    with pytest.raises(Throttled):
        await attempt("token-2" if name else CONSOLE)
