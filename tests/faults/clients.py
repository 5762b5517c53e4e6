"""Clients of the daemon's REST APIs: they ask for what a plan says, again where the daemon is away, like SDKs do."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.faults.documents import HASTE
from tests.faults.plan import Act, CallPlan

PROJECT, SPACE, TOKEN = "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001", "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c002", "api-token"
SID, SID_TOKEN = "AC5f0c1e9a52f14b8e9a3e0d3a52d1c0aa", "twilio-token"
AUTH_ID, AUTH_TOKEN = "MA5F0C1E9A52F14B8E9A", "plivo-token"

PATIENCE = 4.0
"""Seconds for which a client asks again."""

_STATUSES = {"pause": "paused", "resume": "in-progress", "stop": "stopped"}


@dataclass(slots=True)
class Client:
    """What one call's client does; ``accepted`` are the recordings whose start was answered as begun."""

    session: aiohttp.ClientSession
    url: str
    call: CallPlan
    marker: str
    status: str
    accepted: list[str] = field(default_factory=list)
    _sid: str = ""

    async def act(self, act: Act) -> None:
        """Ask for one thing."""
        kind = self.call.kind
        if kind == "swml_pause":
            params = (
                {"control_id": "a", "behavior": self.call.behavior} if act.what == "pause" else {"control_id": "a"}
            )
            body = {"id": str(uuid.UUID(self.marker)), "command": f"calling.record.{act.what}", "params": params}
            await self._ask("POST", "/api/calling/calls", (PROJECT, TOKEN), json=body)
        elif kind == "plivo_rest":
            path = f"/v1/Account/{AUTH_ID}/Call/{uuid.UUID(self.marker)}/Record/"
            wish = {"time_limit": 30, "file_format": self.call.form, "callback_url": f"{self.status}{HASTE}"}
            if act.what == "start":
                self._accept(await self._ask("POST", path, (AUTH_ID, AUTH_TOKEN), json=wish), "recording_id")
            else:
                await self._ask("DELETE", path, (AUTH_ID, AUTH_TOKEN))
        else:
            await self._recordings(act)

    async def _recordings(self, act: Act) -> None:
        laml = self.call.kind == "laml_rest"
        account, token = (PROJECT, TOKEN) if laml else (SID, SID_TOKEN)
        sid = str(uuid.UUID(self.marker)) if laml else f"CA{self.marker}"
        path = f"{'/api/laml' if laml else ''}/2010-04-01/Accounts/{account}/Calls/{sid}/Recordings"
        if act.what == "start":
            events = "in-progress completed absent"
            wish = {"RecordingStatusCallback": f"{self.status}{HASTE}", "RecordingStatusCallbackEvent": events}
            self._accept(await self._ask("POST", f"{path}.json", (account, token), data=wish), "sid")
        elif self._sid:
            wish = {"Status": _STATUSES[act.what]}
            if act.what == "pause":
                wish["PauseBehavior"] = self.call.behavior
            await self._ask("POST", f"{path}/{self._sid}.json", (account, token), data=wish)

    def _accept(self, answer: dict[str, Any] | None, name: str) -> None:
        if answer is not None:
            self._sid = str(answer[name])
            self.accepted.append(str(uuid.UUID(self._sid.removeprefix("RE"))))

    async def _ask(self, method: str, path: str, who: tuple[str, str], **body: Any) -> dict[str, Any] | None:
        """Return what a 2xx says; None where it was refused, or nobody answered for long."""
        deadline = time.monotonic() + PATIENCE
        timeout = aiohttp.ClientTimeout(12)
        while True:
            try:
                async with self.session.request(
                    method, self.url + path, auth=aiohttp.BasicAuth(*who), timeout=timeout, **body
                ) as response:
                    if response.status < 300:
                        return dict(await response.json()) if response.status != 204 else {}
                    if response.status < 500:
                        return None
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.4)
