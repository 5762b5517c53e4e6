"""A daemon with two accounts of each vendor, calls of the first of each, and a client that sends a path as it is."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sqlite3
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from controller.recordings.model import EndReason
from controller.softswitch.script import Tone
from tests.harness.switch import Call as Caller
from tests.harness.switch import Switch
from tests.http.conftest import Answer
from tests.http.conftest import ask as ask_port
from tests.scenarios.daemon import Daemon, swml
from tests.scenarios.rest import WAITS

LONG_ENOUGH = 24_000
"""Bytes of a master: a second and a half, which no account tells as absent."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """An account; `destination` is answered by a document of its vendor's, which waits."""

    name: str
    vendor: str
    identity: str
    token: str
    destination: str = ""

    @property
    def login(self) -> dict[str, str]:
        return login(self.identity, self.token)

    @property
    def root(self) -> str:
        """Where its own REST API begins."""
        return {
            "twilio": f"/2010-04-01/Accounts/{self.identity}",
            "signalwire": f"/api/laml/2010-04-01/Accounts/{self.identity}",
            "plivo": f"/v1/Account/{self.identity}",
        }[self.vendor]

    def sid(self, kind: str, identity: str) -> str:
        """An id in its vendor's spelling; `kind` is Twilio's prefix."""
        return kind + identity.replace("-", "") if self.vendor == "twilio" else identity


def login(identity: str, token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{identity}:{token}".encode()).decode()}


OWNERS = (
    Tenant("sw", "signalwire", "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c101", "sw-s3cret-1", "1001"),
    Tenant("tw", "twilio", "AC" + "1" * 32, "tw-s3cret-1", "1002"),
    Tenant("pl", "plivo", "MA00000000000000000A", "pl-s3cret-1", "1003"),
)
STRANGERS = (
    Tenant("sw2", "signalwire", "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c102", "sw-s3cret-2"),
    Tenant("tw2", "twilio", "AC" + "2" * 32, "tw-s3cret-2"),
    Tenant("pl2", "plivo", "MA00000000000000000B", "pl-s3cret-2"),
)
_KEYS = {
    "signalwire": ("project_id", "api_token"),
    "twilio": ("account_sid", "auth_token"),
    "plivo": ("auth_id", "auth_token"),
}
_DOCUMENTS = {
    "signalwire": ("swml.yaml", swml({"answer": {}}, {"play": {"url": "silence:100"}})),
    "twilio": ("twilio.xml", WAITS),
    "plivo": ("plivo.xml", "<Response><GetDigits timeout='120'/></Response>"),
}


def accounts() -> list[dict[str, Any]]:
    """All of them, as the settings say them."""
    made = []
    for one in (*OWNERS, *STRANGERS):
        identity, token = _KEYS[one.vendor]
        made.append({"name": one.name, "vendor": one.vendor, identity: one.identity, token: one.token})
    return made


def prepare(daemon: Daemon, **changes: Any) -> None:
    """Give each owner its destination."""
    routes = []
    for one in OWNERS:
        name, text = _DOCUMENTS[one.vendor]
        path = daemon.directory / f"waiting.{name}"
        path.write_text(text)
        routes.append({"destination": f"^{one.destination}$", "account": one.name, "document": str(path)})
    daemon.changes = {"accounts": accounts(), "routes": routes, **changes}


async def ask(
    daemon: Daemon,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    *,
    body: object = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One request, its path as it is: a form, or JSON."""
    sent, data = dict(headers or {}), b""
    if form is not None:
        sent["Content-Type"], data = "application/x-www-form-urlencoded", urlencode(form).encode()
    elif body is not None:
        sent["Content-Type"], data = "application/json", orjson.dumps(body)
    port = int(daemon.url.rpartition(":")[2])
    return await ask_port(port, method, path, sent, data, tls)


@dataclass(slots=True)
class Addresses:
    """Another client each time, so that no failed login limits the next one; `PROXIED` lets it be believed."""

    last: int = field(default=0)

    def __call__(self) -> dict[str, str]:
        self.last += 1
        return {"X-Forwarded-For": f"198.18.{self.last // 256}.{self.last % 256}"}


PROXIED = {"listen": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1/32"]}


@dataclass(slots=True)
class Things:
    """What an owner has: a call that is up, a recording of it that runs, and one that is finished."""

    owner: Tenant
    caller: Caller
    call: str
    running: str
    finished: str

    def fill(self, template: str) -> str:
        """A path or text with the owner's things in it, in its vendor's spelling."""
        return template.format(
            root=self.owner.root,
            identity=self.owner.identity,
            call=self.owner.sid("CA", self.call),
            call_id=self.call,
            running=self.owner.sid("RE", self.running),
            running_id=self.running,
            finished=self.owner.sid("RE", self.finished),
            finished_id=self.finished,
        )


async def things(daemon: Daemon, switch: Switch, owner: Tenant, *, tls: ssl.SSLContext | None = None) -> Things:
    """Call an owner's destination and record the call, twice; the second one is stopped and ready."""
    caller = await switch.call(owner.destination, script=(Tone(120.0, 440.0),))
    found = ""

    def answered() -> bool:
        nonlocal found
        with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
            row = store.execute("SELECT id FROM calls WHERE leg = ?", (caller.leg,)).fetchone()
        found = row[0] if row else ""
        known = daemon.app.desk.find(found) if daemon.app is not None and found else None
        return known is not None and known.info.answered

    await daemon.until(answered)
    made = Things(owner, caller, found, "", "")
    made.running = await _create(daemon, made, tls)
    made.finished = await _create(daemon, made, tls)
    assert daemon.app is not None
    master = daemon.switch.recordings / f"{made.finished}.wav"
    await daemon.until(lambda: master.exists() and master.stat().st_size > LONG_ENOUGH)
    await daemon.app.recordings.stop(made.finished, EndReason.API)
    await daemon.until(lambda: _state(daemon, made.finished) == "completed")
    return made


async def _create(daemon: Daemon, made: Things, tls: ssl.SSLContext | None) -> str:
    path = "{root}/Call/{call}/Record/" if made.owner.vendor == "plivo" else "{root}/Calls/{call}/Recordings.json"
    before = set(_recordings(daemon))
    form = {"file_format": "wav", "time_limit": "90"} if made.owner.vendor == "plivo" else {}
    if made.owner.vendor == "plivo" and before:
        form["time_limit"] = str(90 + len(before))  # the same wish twice is one recording
    answer = await ask(daemon, "POST", made.fill(path), made.owner.login, form, tls=tls)
    assert answer.status in {200, 201, 202}, answer
    (new,) = set(_recordings(daemon)) - before
    async with asyncio.timeout(15):
        while _state(daemon, new) != "recording":
            await asyncio.sleep(0.02)
    return new


def _recordings(daemon: Daemon) -> list[str]:
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        return [row[0] for row in store.execute("SELECT id FROM recordings")]


def _state(daemon: Daemon, identity: str) -> str:
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        return str(store.execute("SELECT state FROM recordings WHERE id = ?", (identity,)).fetchone()[0])


def rows(daemon: Daemon) -> dict[str, tuple[str, object]]:
    """Each recording's state and when it was deleted."""
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        found = store.execute("SELECT id, state, deleted_at FROM recordings").fetchall()
    return {row[0]: (row[1], row[2]) for row in found}
