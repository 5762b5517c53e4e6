"""Who may what over HTTP, on the whole daemon: other accounts' things, odd paths, failed logins, downloads, TLS."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from controller.http.app import build_app
from tests.harness import certificates
from tests.harness.switch import Switch
from tests.http.conftest import Answer
from tests.scenarios.daemon import Daemon
from tests.scenarios.tenants import (
    OWNERS,
    PROXIED,
    STRANGERS,
    Addresses,
    Tenant,
    Things,
    ask,
    login,
    prepare,
    rows,
    things,
)

ON_CALL = "{root}/Calls/{call}/Recordings"
REST = [
    ("GET", "{root}/Recordings.json"),
    ("GET", "{root}/Recordings/{finished}.json"),
    ("DELETE", "{root}/Recordings/{finished}.json"),
    ("DELETE", "{root}/Recordings/{running}.json"),
    ("GET", f"{ON_CALL}.json"),
    ("POST", f"{ON_CALL}.json"),
    ("GET", f"{ON_CALL}/{{running}}.json"),
    ("POST", f"{ON_CALL}/{{running}}.json"),
    ("POST", f"{ON_CALL}/Twilio.CURRENT.json"),
    ("DELETE", f"{ON_CALL}/{{finished}}.json"),
]
MEDIA = ["{root}/Recordings/{finished}", "{root}/Recordings/{finished}.wav", "{root}/Recordings/{finished}.mp3"]
PLIVO = [
    ("GET", "{root}/Recording/"),
    ("GET", "{root}/Recording/{finished}/"),
    ("DELETE", "{root}/Recording/{finished}/"),
    ("POST", "{root}/Call/{call}/Record/"),
    ("DELETE", "{root}/Call/{call}/Record/"),
    ("POST", "{root}/Transcription/{finished}/"),
    ("GET", "{root}/Transcription/{finished}/"),
    ("DELETE", "{root}/Transcription/{finished}/"),
]
PLIVO_MEDIA = ["{root}/Recording/{finished}.wav", "{root}/Recording/{finished}.mp3"]
DOWNLOAD = "/api/v1/recordings/{finished_id}/download"
RELAY = "/api/relay/rest/recordings"
CALLING = "/api/calling/calls"

ROUTES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "/2010-04-01/Accounts/{account}/{rest}": ("twilio", REST),
    "/api/laml/2010-04-01/Accounts/{account}/{rest}": ("signalwire", REST),
    "/v1/Account/{account}/{rest}": ("plivo", PLIVO),
    RELAY: ("signalwire", []),  # a list of one's own: below
    RELAY + "/{id}": ("signalwire", [(method, RELAY + "/{finished_id}") for method in ("GET", "DELETE")]),
    CALLING: ("signalwire", [("POST", CALLING)]),
    "/api/v1/recordings/{id}/download": ("", []),  # for whoever knows it, unless that is asked for: below
    "/healthz": ("", []),
    "/readyz": ("", []),
    "/metrics": ("", []),
    "/openapi.json": ("", []),
}
"""Each route that the daemon has: whose it is, and what may be asked of it that is somebody's."""


@pytest.fixture
def applications(monkeypatch: pytest.MonkeyPatch) -> list[web.Application]:
    """The applications that daemons build."""
    built: list[web.Application] = []

    def build(*args: Any, **options: Any) -> web.Application:
        built.append(build_app(*args, **options))
        return built[-1]

    monkeypatch.setattr("controller.composition.serving.build_app", build)
    return built


def body_of(path: str, mine: Things) -> dict[str, Any]:
    """What makes a request carry something out, were it the owner's."""
    if path == CALLING:
        params = {"control_id": mine.running}
        return {"body": {"id": mine.call, "command": "calling.record.stop", "params": params}}
    return {"form": {"Status": "stopped"}}


@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_what_others_own_does_not_exist(
    daemon: Daemon, switch: Switch, applications: list[web.Application]
) -> None:
    """Every route of the vendors, with everybody else's credentials and with none, under the owner's path and one's
    own: nothing is shown, nothing happens. The console's are below."""
    prepare(daemon, http=PROXIED)
    await daemon.start()
    address = Addresses()
    (application,) = applications
    served = {resource.canonical for resource in application.router.resources()}
    assert {path for path in served if path != "/" and not path.startswith("/console")} == set(ROUTES)
    owned = {one.vendor: await things(daemon, switch, one) for one in OWNERS}
    before = rows(daemon)
    everybody = (*OWNERS, *STRANGERS)
    for vendor, requests in ROUTES.values():
        for method, template in requests:
            mine = owned[vendor]
            path = mine.fill(template)
            others = [one for one in everybody if one is not mine.owner]
            for other in others:
                answer = await ask(daemon, method, path, {**address(), **other.login}, **body_of(path, mine))
                assert answer.status in {401, 404}, (other.name, method, path, answer)
                if other.vendor == vendor and "{root}" in template:
                    own = path.replace(mine.owner.root, other.root)
                    answer = await ask(daemon, method, own, {**address(), **other.login}, **body_of(path, mine))
                    listed = template.endswith(("/Recordings.json", "/Recording/")) and "Call" not in template
                    assert answer.status == (200 if listed else 404), (other.name, method, own, answer)
                    assert not listed or mine.owner.sid("RE", mine.finished) not in answer.body.decode()
            answer = await ask(daemon, method, path, {}, **body_of(path, mine))
            assert (answer.status, "Www-Authenticate" in answer.headers) == (401, True), (method, path)
    stranger = STRANGERS[0]
    relayed = await ask(daemon, "GET", RELAY, stranger.login)
    assert orjson.loads(relayed.body)["data"] == []
    assert rows(daemon) == before


OPEN = {"/", "/console", "/console/", "/console/sign-in", "/console/static/{name}", "/console/{rest}"}
"""What the console has for everybody: the way to its sign-in page, and what that needs."""


@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_the_console_shows_nobody_what_others_own(
    daemon: Daemon, switch: Switch, applications: list[web.Application]
) -> None:
    """Every route of it: one without credentials is sent to sign in, and a recording of others does not exist."""
    prepare(daemon, http=PROXIED)
    await daemon.start()
    address = Addresses()
    owner = next(one for one in OWNERS if one.vendor == "signalwire")
    mine, before = await things(daemon, switch, owner), rows(daemon)
    assert daemon.app is not None
    link = daemon.app.board.session("fs1")
    (application,) = applications
    asked = {
        (route.method, route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/console") and route.method != "*"
    }
    assert len(asked) > 30
    for method, template in sorted(asked):
        path = (
            re.sub(r"\{id\}", mine.fill("{finished_id}"), template).replace("{form}", "wav").replace("{name}", "fs1")
        )
        if template not in OPEN:
            nobody = await ask(daemon, method, path, address())
            assert nobody.status in {303, 401, 403}, (method, path, nobody)
            assert nobody.status != 303 or "/sign-in" in nobody.headers["Location"], (method, path, nobody)
        if "{id}" in template:
            for other in (one for one in (*OWNERS, *STRANGERS) if one is not owner):
                answer = await ask(daemon, method, path, {**address(), **other.login})
                told = {303} if method == "POST" and "/api/" not in path else set()  # leads to a page that tells why
                assert answer.status in {400, 401, 403, 404} | told, (other.name, method, path, answer)
    assert rows(daemon) == before
    assert daemon.app.board.session("fs1") is link


HOSTILE = [
    "..",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "%252e%252e%252f%252e%252e%252fetc%252fpasswd",
    "..%5c..%5cetc%5cpasswd",
    "....//....//etc/passwd",
    "%c0%ae%c0%ae/etc/passwd",
    "%00",
    "ID%00",
    "ID%0a",
    "ID%0d%0aX-Injected:%201",
    "ID/..",
    "ID/../../x",
    "%20ID",
    "ID%20",
    "IDID",
    "a" * 5000,
    "%f0%9f%92%a9",
    "%ff%fe",
    "%u002e",
    "%",
    "';DROP%20TABLE%20recordings;--",
    "%e2%80%ae",
    "*",
    "-",
    "~root",
    "file:%2f%2f%2fetc%2fpasswd",
]


@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_ids_that_are_none(daemon: Daemon, switch: Switch) -> None:
    """In each place of each path where an id or account stands: not found or refused, in one piece, for its owner."""
    prepare(daemon)
    await daemon.start()
    owned = [await things(daemon, switch, one) for one in OWNERS]
    before = rows(daemon)
    tried = 0
    for mine in owned:
        templates = {
            "twilio": [path for _, path in REST] + MEDIA,
            "signalwire": [path for _, path in REST] + MEDIA + [DOWNLOAD, RELAY + "/{finished_id}"],
            "plivo": [path for _, path in PLIVO] + PLIVO_MEDIA,
        }[mine.owner.vendor]
        for template in templates:
            for place in re.findall(r"\{(\w+)\}", template):
                for text in HOSTILE:
                    known = mine.fill(f"{{{place}}}")
                    bad = text.replace("ID", known.rpartition("/")[2])
                    spoilt = known.rpartition("/")[0] + "/" + bad if place == "root" else bad
                    path = mine.fill(template.replace(f"{{{place}}}", "\0")).replace("\0", spoilt)
                    for method in ("GET", "DELETE"):
                        answer = await ask(daemon, method, path, mine.owner.login)
                        assert 400 <= answer.status < 500, (method, path, answer)
                        assert "X-Injected" not in answer.headers
                        assert b"root:" not in answer.body
                        tried += 1
    assert tried > 1500
    assert rows(daemon) == before
    assert daemon.problems() == []


def refused(answer: Answer, vendor: str) -> str:
    """What the account's own client shows of an error."""
    body = orjson.loads(answer.body)
    if vendor == "plivo":
        assert set(body) == {"api_id", "error"}
        return str(body["error"])
    assert (body["code"], body["status"]) == (20429, 429)
    return str(body["message"])


@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_failed_logins_are_limited(daemon: Daemon, switch: Switch) -> None:
    """After ten the right token is refused too, in the account's own shape, with when to come again; nobody else is
    locked out, and a client that a trusted proxy speaks for is a client of its own."""
    prepare(daemon, http=PROXIED, media={"require_auth": True})
    await daemon.start()
    lists = {"twilio": "/Recordings.json", "signalwire": "/Recordings.json", "plivo": "/Recording/"}
    for one in OWNERS:
        path = one.root + lists[one.vendor]
        attacker = {"X-Forwarded-For": "1.2.3.4, 198.51.100.7"}
        for number in range(10):
            wrong = login(one.identity, f"guess-{number}")
            assert (await ask(daemon, "GET", path, {**attacker, **wrong})).status == 401
        limited = await ask(daemon, "GET", path, {**attacker, **one.login})
        assert limited.status == 429
        assert "try again in" in refused(limited, one.vendor)
        assert 1 <= int(limited.headers["Retry-After"]) <= 6
        moved = {"X-Forwarded-For": "9.9.9.9, 198.51.100.7"}  # what a client writes itself moves it nowhere
        assert (await ask(daemon, "GET", path, {**moved, **one.login})).status == 429
        elsewhere = {"X-Forwarded-For": "198.51.100.8"}
        assert (await ask(daemon, "GET", path, {**elsewhere, **one.login})).status == 200
    sw = OWNERS[0]
    for path in (CALLING, RELAY):
        method = "POST" if path == CALLING else "GET"
        answer = await ask(daemon, method, path, {**attacker, **sw.login}, body={} if method == "POST" else None)
        assert answer.status == 429
        assert answer.headers["Retry-After"]
        assert orjson.loads(answer.body)["errors"][0]["code"] == "too_many_requests"
    unknown = "/api/v1/recordings/11111111-1111-4111-8111-111111111111/download"
    assert (await ask(daemon, "GET", unknown, {**attacker, **sw.login})).status == 429


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_downloads(daemon: Daemon, switch: Switch, required: bool) -> None:
    """A recording's URL is enough, or, where the settings say so, its account's credentials are needed for each of
    its URLs: 401 without, 404 for others, and what was told of it is what can be fetched."""
    prepare(daemon, http=PROXIED, media={"require_auth": required})
    await daemon.start()
    address = Addresses()
    for one in OWNERS:
        mine = await things(daemon, switch, one)
        urls = {"plivo": PLIVO_MEDIA}.get(one.vendor, MEDIA)
        for template in (*urls, DOWNLOAD):
            path = mine.fill(template)
            for method in ("GET", "HEAD"):
                got = await ask(daemon, method, path, one.login)
                assert (got.status, method == "HEAD" or len(got.body) > 100) == (200, True), (path, got)
                anonymous = await ask(daemon, method, path)
                assert anonymous.status == (401 if required else 200), path
                assert ("Www-Authenticate" in anonymous.headers) is required
                wrong = await ask(daemon, method, path, {**address(), **login(one.identity, "wrong")})
                assert wrong.status == (401 if required else 200), path
                for other in (*STRANGERS, *OWNERS):
                    if other is not one:
                        there = await ask(daemon, method, path, {**address(), **other.login})
                        known = other.vendor in {"twilio", "signalwire"} and one.vendor != "plivo"
                        known = known or other.vendor == one.vendor or template == DOWNLOAD
                        assert there.status == (200 if not required else 404 if known else 401), (other, path)
            nothing = path.replace(mine.finished[-4:], "0000")
            assert (await ask(daemon, "GET", nothing)).status == (401 if required else 404)
        for path in ("/metrics", "/readyz", "/openapi.json"):  # for everybody, and about nobody
            told = (await ask(daemon, "GET", path)).body.decode()
            assert len(told) > 40
            for word in (
                one.identity,
                one.token,
                mine.call,
                mine.running,
                mine.finished,
                f'"{one.name}"',
                mine.caller.leg,
            ):
                assert word not in told, (path, word)


@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_the_daemon_speaks_tls(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """With a certificate in the settings: URLs of recordings are https, and are fetched over it and no other way."""
    pair = certificates.made(tmp_path)
    prepare(
        daemon,
        http={"listen": "127.0.0.1:0", "tls_certificate": str(pair.certificate), "tls_key": str(pair.key)},
    )
    await daemon.start()
    assert daemon.url.startswith("https://127.0.0.1:")
    trust = ssl.create_default_context(cafile=str(pair.certificate))
    trust.check_hostname = False
    plivo: Tenant = OWNERS[2]
    mine = await things(daemon, switch, plivo, tls=trust)
    shown = await ask(daemon, "GET", mine.fill("{root}/Recording/{finished}/"), plivo.login, tls=trust)
    url = orjson.loads(shown.body)["recording_url"]
    assert url.startswith(daemon.url)
    assert (await ask(daemon, "GET", url.removeprefix(daemon.url), tls=trust)).status == 200
    with pytest.raises((IndexError, ConnectionError)):  # no answer at all
        await ask(daemon, "GET", "/healthz")
