"""Schemathesis reads the service's own description, and drives a running daemon by it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.console.key import read_key
from controller.http.base import RequestFailed, RequestServed
from controller.http.throttle import Throttle
from controller.softswitch.script import Tone
from controller.telemetry import RecordingFinished
from tests.fuzz.profile import DEEP, long
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
from tests.scenarios.daemon import PROJECT, TOKEN, Daemon
from tests.scenarios.rest import AUTH, LAML, SID, TWILIO, Api, Line, Tenant, accounts, line, prepare

AUTH_ID, AUTH_TOKEN = "MA5F0C1E9A52F14B8E9A", "plivo-token"
PLIVO = Tenant("acme-plivo", AUTH_ID, AUTH_TOKEN, "", "1003")
EXAMPLES = 200 if DEEP else 1
LONG = ("--max-time", "600") if DEEP else ("--seed", "1")
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("response_headers_conformance", "unsupported_method", "ignored_auth", "positive_data_acceptance"),
    *("allow_header_conformance", "use_after_free"),
)
USUAL = ("2xx", "3xx", 401, 404, 408, 409, 429)
STANDING = {
    "^POST /(2010|api/laml).*Sid": 400,
    "^(DELETE|POST) /(v1|api/relay)": 422,
    "^POST /api/calling": 422,
}
"""What a request is answered that is right in itself, and does not fit how its recording or call is just then."""


def three_vendors(daemon: Daemon) -> None:
    """An account and a destination of each: 1001 is LaML's, 1002 Twilio's, 1003 Plivo's; each waits for long."""
    prepare(
        daemon, {"play": {"url": "silence:3600"}}, twiml='<Response><Say>a</Say><Pause length="3600"/></Response>'
    )
    document = daemon.directory / "plivo.xml"
    document.write_text('<Response><GetDigits timeout="3600"><Wait length="3600"/></GetDigits></Response>')
    plivo = {"name": "acme-plivo", "vendor": "plivo", "auth_id": AUTH_ID, "auth_token": AUTH_TOKEN}
    route = {"destination": "^1003$", "account": "acme-plivo", "document": str(document)}
    daemon.changes["accounts"] = [*accounts(), plivo]
    daemon.changes["routes"].append(route)


def toml(value: Any) -> str:
    """A value as TOML writes it: that of JSON, except for objects."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(one)}" for name, one in value.items()) + "}"
    return json.dumps(value)


def configuration(known: dict[str, list[str]], lines: dict[str, Line], key: str) -> str:
    """How schemathesis is told who may, which calls are up, and some recordings there are."""
    may = {
        "twilio": {"username": SID, "password": AUTH},
        "laml": {"username": PROJECT, "password": TOKEN},
        "signalwire": {"username": PROJECT, "password": TOKEN},
        "plivo": {"username": AUTH_ID, "password": AUTH_TOKEN},
        "operator": {"bearer": key},
    }
    written = ["[auth.openapi]\n", *(f"{name} = {toml(one)}\n" for name, one in may.items())]
    for name, ids in known.items():
        written.append(f"[dictionaries.{name}]\nvalues = {json.dumps(ids)}\n")
    paths = {
        "^/2010-04-01/": {
            "path.AccountSid": SID,
            "path.CallSid": lines["twilio"].sid,
            "path.Sid": {"dictionary": "twilio", "probability": 0.7},
            "query.PageToken": f"PA{known['twilio'][0]}",
        },
        "^/api/laml/": {
            "path.AccountSid": PROJECT,
            "path.CallSid": lines["laml"].sid,
            "path.Sid": {"dictionary": "laml", "probability": 0.7},
            "query.PageToken": f"PA{known['laml'][0]}",
        },
        "^/v1/": {
            "path.auth_id": AUTH_ID,
            "path.call_uuid": lines["plivo"].identity,
            "path.recording_id": {"dictionary": "plivo", "probability": 0.7},
            "query.cursor": f"0-{known['plivo'][0]}",
        },
        "^/api/(relay|v1)/": {
            "path.id": {"dictionary": "laml", "probability": 0.7},
            "query.page_token": f"PA{known['laml'][0]}",
        },
        "^/console/api/recordings/": {"path.id": {"dictionary": "laml", "probability": 0.7}},
        "^/console/api/switches/": {"path.name": "fs2"},
    }
    for pattern, parameters in paths.items():
        written.append(
            f"[[operations]]\ninclude-path-regex = {json.dumps(pattern)}\nparameters = {toml(parameters)}\n"
        )
    for pattern, status in STANDING.items():
        accepted = {"positive_data_acceptance": {"expected-statuses": [*USUAL, status]}}
        written.append(f"[[operations]]\ninclude-name-regex = {json.dumps(pattern)}\nchecks = {toml(accepted)}\n")
    return "".join(written)


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema of a URL in a description."""
    if isinstance(node, dict):
        if node.get("format") == "uri":
            yield node
        for inner in node.values():
            yield from schemas(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from schemas(inner)


async def recorded(daemon: Daemon, lines: dict[str, Line]) -> dict[str, list[str]]:
    """Ids of recordings of each account, of which the first is complete and the other goes on."""
    known: dict[str, list[str]] = {}
    for name, tenant in (("twilio", TWILIO), ("laml", LAML)):
        api = Api(daemon, tenant)
        first = (await api.create(lines[name])).json["sid"]
        await api.update(lines[name], first, Status="stopped")
        await api.until(first, "completed", "stopped", "absent")
        known[name] = [first, (await api.create(lines[name])).json["sid"]]
    known["twilio"].append("Twilio.CURRENT")
    root = f"{daemon.url}/v1/Account/{AUTH_ID}"
    may = {"Authorization": aiohttp.encode_basic_auth(AUTH_ID, AUTH_TOKEN)}
    async with aiohttp.ClientSession(headers=may) as client:
        of_call = f"{root}/Call/{lines['plivo'].identity}/Record/"
        async with client.post(of_call, json={"file_format": "wav"}) as answer:
            assert answer.status == 202
            known["plivo"] = [(await answer.json())["recording_id"]]
        async with client.delete(of_call) as answer:
            assert answer.status == 204
        await daemon.until(lambda: len(daemon.seen(RecordingFinished)) >= 3)
        async with client.post(of_call, json={"file_format": "wav", "time_limit": 600}) as answer:
            known["plivo"].append((await answer.json())["recording_id"])
    return known


@long
@pytest.mark.timeout(600)  # 20 s where nobody else works; it is cut where it hangs, not where the machine is slow
async def test_the_service_is_what_it_says(
    soft: SoftSwitch, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is sent, right and wrong, with credentials and without: no 5xx, no status or shape but as described.

    URLs that are told lead to loopback or nowhere. Afterwards everything that was started ends as usual.
    """
    # Wrong logins are half of what is sent, all from one address; that these are limited is test_tenants' matter.
    monkeypatch.setattr(Throttle, "failed", lambda *_: None)
    daemon = Daemon(soft, tmp_path, receiver)
    three_vendors(daemon)
    await daemon.start()
    try:
        lines = {
            name: await line(daemon, soft, tenant, script=(Tone(3600.0, 440.0),))
            for name, tenant in (("twilio", TWILIO), ("laml", LAML), ("plivo", PLIVO))
        }
        known = await recorded(daemon, lines)
        async with aiohttp.ClientSession() as client, client.get(f"{daemon.url}/openapi.json") as answer:
            described = await answer.json()
        for schema in schemas(described):
            schema.clear()
            schema.update({"type": "string", "enum": [receiver.url("/told"), receiver.url("/told?a=b#rc=2")]})
        for command in described["paths"]["/api/calling/calls"]["post"]["requestBody"]["content"].values():
            for one in command["schema"]["oneOf"]:
                one["properties"]["id"] = {"type": "string", "enum": [lines["laml"].identity]}
        (tmp_path / "openapi.json").write_text(json.dumps(described))
        (tmp_path / "schemathesis.toml").write_text(configuration(known, lines, read_key(daemon.data)))
        said, status = await drive(daemon.url, tmp_path)
        assert status == 0, said
        assert daemon.seen(RequestFailed) == []
        assert {served.status for served in daemon.seen(RequestServed)} >= {200, 201, 204, 400, 401, 404, 405}
        assert not [served for served in daemon.seen(RequestServed) if served.status >= 500]
        for one in lines.values():
            await one.caller.hangup()
        await daemon.until(lambda: daemon.unfinished() == [])
    finally:
        await daemon.close()


async def drive(url: str, directory: Path) -> tuple[str, int]:
    """Run schemathesis, in a process of its own; what it says, and its exit status."""
    command = (
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "openapi.json"),
        *("--url", url, "--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES), *LONG),
        *("--continue-on-failure", "--no-color", "--request-timeout", "20", "--warnings", "off"),
        *("--suppress-health-check", "all"),
    )
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return re.sub(r"\n{3,}", "\n\n", said.decode(errors="replace"))[-20_000:], process.returncode
