"""A daemon with an account of each vendor, calls of theirs that wait, and a client of its Recordings REST API."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from controller.softswitch.script import Script, Tone
from tests.harness.switch import Call as Caller
from tests.harness.switch import Switch
from tests.scenarios.daemon import KEY, PROJECT, SPACE, TOKEN, Daemon, swml

SID = "AC" + "5f0c1e9a52f14b8e9a3e0d3a52d1c0aa"
AUTH = "twilio-token"
TALK: Script = (Tone(120.0, 440.0),)
PREFIX = "/2010-04-01"
LAML_PREFIX = "/api/laml/2010-04-01"


@dataclass(frozen=True, slots=True)
class Tenant:
    """An account as its own client knows it; `destination` is answered by its document."""

    name: str
    identity: str
    token: str
    prefix: str
    destination: str


TWILIO = Tenant("acme-twilio", SID, AUTH, PREFIX, "1002")
LAML = Tenant("acme", PROJECT, TOKEN, LAML_PREFIX, "1001")
TENANTS = (TWILIO, LAML)


def accounts() -> list[dict[str, Any]]:
    """One account of each vendor."""
    laml = {"name": "acme", "vendor": "signalwire", "project_id": PROJECT, "space_id": SPACE}
    return [
        {**laml, "api_token": TOKEN, "signing_key": KEY},
        {"name": "acme-twilio", "vendor": "twilio", "account_sid": SID, "auth_token": AUTH},
    ]


WAITS = '<Response><Play digits="w"/><Pause length="120"/></Response>'
"""TwiML that answers and waits."""


def prepare(daemon: Daemon, *steps: dict[str, Any], twiml: str = WAITS, **changes: Any) -> None:
    """Give each account a destination: LaML's a document of SWML, which answers, does `steps` and waits."""
    documents = {TWILIO: daemon.directory / "waiting.xml", LAML: daemon.directory / "waiting.swml.yaml"}
    documents[TWILIO].write_text(twiml)
    documents[LAML].write_text(swml({"answer": {}}, *steps, {"play": {"url": "silence:60"}}))
    routes = [
        {"destination": f"^{one.destination}$", "account": one.name, "document": str(documents[one])}
        for one in TENANTS
    ]
    daemon.changes = {"accounts": accounts(), "routes": routes, **changes}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any


@dataclass(frozen=True, slots=True)
class Line:
    """A call that is up: the caller, and its sid in its account's spelling."""

    caller: Caller
    tenant: Tenant
    identity: str

    @property
    def sid(self) -> str:
        return self.identity if self.tenant is LAML else "CA" + self.identity.replace("-", "")


async def line(
    daemon: Daemon, switch: Switch, tenant: Tenant, *, answered: bool = True, script: Script = TALK
) -> Line:
    """Call a tenant's destination; returns when the daemon has the call in its store, and it is answered or not."""
    caller = await switch.call(tenant.destination, script)
    identity = ""

    def known() -> bool:
        nonlocal identity
        with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
            row = store.execute("SELECT id FROM calls WHERE leg = ?", (caller.leg,)).fetchone()
        identity = row[0] if row else ""
        app = daemon.app
        found = None if app is None or not identity else app.desk.find(identity)
        return found is not None and found.info.answered is answered

    await daemon.until(known)
    return Line(caller, tenant, identity)


@dataclass(slots=True)
class Api:
    """A client of one account; paths begin after the account's own."""

    daemon: Daemon
    tenant: Tenant
    token: str | None = None
    prefix: str = ""

    async def ask(
        self,
        method: str,
        path: str,
        fields: Any = None,
        *,
        json: Any = None,
        query: Any = None,
        headers: Mapping[str, str] | None = None,
        account: str = "",
        auth: bool = True,
    ) -> Answer:
        """One request: `fields` as a form, or `json`."""
        root = f"{self.prefix or self.tenant.prefix}/Accounts/{account or self.tenant.identity}"
        if path.startswith(("http://", PREFIX, LAML_PREFIX)):
            root = ""
        url = f"{'' if path.startswith('http') else self.daemon.url}{root}{path}"
        if query:
            url += "?" + urlencode(query, doseq=True)
        sent = dict(headers or {})
        if auth:
            word = self.tenant.token if self.token is None else self.token
            sent["Authorization"] = "Basic " + base64.b64encode(f"{self.tenant.identity}:{word}".encode()).decode()
        data = None
        if fields is not None:
            data = urlencode(fields, doseq=True)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        from yarl import URL

        async with (
            aiohttp.ClientSession() as client,
            client.request(method, URL(url, encoded=True), data=data, json=json, headers=sent) as response,
        ):
            body = await response.read()
            decoded = await response.json() if response.content_type == "application/json" else None
            return Answer(response.status, response.headers, body, decoded)

    async def create(self, line: Line, **fields: Any) -> Answer:
        return await self.ask("POST", f"/Calls/{line.sid}/Recordings.json", fields)

    async def update(self, line: Line, sid: str, **fields: Any) -> Answer:
        return await self.ask("POST", f"/Calls/{line.sid}/Recordings/{sid}.json", fields)

    async def fetch(self, sid: str) -> Answer:
        return await self.ask("GET", f"/Recordings/{sid}.json")

    async def until(self, sid: str, *words: str, timeout: float = 20.0) -> dict[str, Any]:
        """Fetch until the status is one of `words`, and media can be had where it is an end."""
        async with asyncio.timeout(timeout):
            while True:
                found = (await self.fetch(sid)).json
                if found["status"] in words and (found["duration"] or found["status"] in {"in-progress", "paused"}):
                    return dict(found)
                await asyncio.sleep(0.05)
