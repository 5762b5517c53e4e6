"""A whole run's log, of a daemon of its own at level debug: no secret and no control character, whatever came."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import aiohttp
import pytest

from controller.cli import main
from controller.softswitch.script import Tone
from tests.harness.receiver import Answer
from tests.harness.switch import Switch
from tests.scenarios.daemon import KEY, PROJECT, TOKEN, Daemon, record_call, swml
from tests.scenarios.logged import clean
from tests.scenarios.rest import AUTH, SID, accounts

NASTY = "Eve\r\n2026-01-01T00:00:00Z [info] call.answered\x1b[2J\x07\x7f\x85\u2028\u2029\u202e\u200b\ufeff"
"""What writes lines of its own, or to a terminal, where it is printed as it is."""
PASSWORD, IN_QUERY, IN_HEADER, IN_BODY = "us3r-p@ssw0rd", "query-k3y", "header-k3y", "body-k3y"
GUESS, REDIRECTED, CALLBACK = "gu3ssed-token", "redirect-k3y", "callback-p4ss"
WORDS = {PASSWORD, IN_QUERY, IN_HEADER, IN_BODY, GUESS, REDIRECTED, CALLBACK}
"""Secrets that no settings name."""
ANSWER = "answer-w0rd"


def at(daemon: Daemon, path: str, user: str = "") -> str:
    """A receiver's URL with credentials in each place."""
    url = daemon.receiver.url(path)
    return url.replace("://", f"://{user}@" if user else "://") + f"?token={IN_QUERY}&x=1"


def prepare(daemon: Daemon, form: str) -> None:
    """Documents of files and URLs, good and bad, of two vendors, with secrets and control characters all over."""
    bad = daemon.directory / "bad.swml.json"
    bad.write_text(json.dumps({"sections": {"main": [{NASTY: {NASTY: NASTY}}, {"play": {"url": NASTY}}]}}))
    xml = daemon.directory / "bad.xml"
    xml.write_text(
        "<Response><Sa\u202ey>\u2028</Sa\u202ey><Play>http://u:us3r-p@h/?token=query-k3y</Play></Response>"
    )
    user = f"user:{PASSWORD}"
    routes: list[dict[str, Any]] = [
        {"destination": "^1001$", "account": "acme", "document": str(daemon.document)},
        {"destination": "^1002$", "account": "acme", "document": str(bad)},
        {"destination": "^1003$", "account": "acme-twilio", "document": str(xml)},
        {"destination": "^1004$", "account": "acme", "document": at(daemon, "/document", user)},
        {"destination": "^1005$", "account": "acme-twilio", "document": at(daemon, "/away", user)},
        {"destination": "^1006$", "account": "acme-twilio", "document": at(daemon, "/nasty.xml", user)},
    ]
    daemon.changes = {"accounts": accounts(), "routes": routes, "log": {"level": "debug", "format": form}}
    receiver = daemon.receiver
    redirect = f"http://x:{REDIRECTED}@10.0.0.1/?k={REDIRECTED}"
    receiver.plan("/document", Answer(200, swml({"answer": {}}, {"hangup": {}}).encode()))
    receiver.plan("/away", Answer(302, b"", {"Location": redirect}))
    receiver.plan("/nasty.xml", Answer(200, f"<Response><{ANSWER}\x1b/>".encode()))
    receiver.plan("/status", Answer(500, (ANSWER + NASTY).encode(), {"Retry-After": "\x85"}))
    receiver.plan("/nasty", Answer(200, NASTY.encode(), {"X-Word": ANSWER}))
    receiver.plan("/moved", Answer(302, b"", {"Location": redirect}))
    receiver.plan("/page.wav", Answer(200, (ANSWER + NASTY).encode()))
    key = IN_HEADER
    send = {"method": "POST", "headers": {"Authorization": f"Bearer {key}", "X-Key": key}}
    body = {"body": {"key": IN_BODY}}
    callback = at(daemon, "/status", f"cb:{CALLBACK}")
    steps: list[Any] = [
        {"record_call": {"control_id": "${call.from}", "status_url": callback}},
        {"set": {"who": "${call.from}" + NASTY}},
        {"request": {"url": at(daemon, "/nasty", user), **send, **body, "save_variables": True}},
        {"request": {"url": at(daemon, "/moved", user), **send, **body}},
        {"request": {"url": f"http://{user}@no-such-host.invalid/?k=query-k3y", **send, **body}},
        {"request": {"url": f"http://{user}@10.0.0.1/?k=query-k3y", **send, **body}},
        {"play": {"url": at(daemon, "/page.wav", user)}},
        {"play": {"url": "say:${who}"}},
        {"play": {"url": f"http://{user}@10.0.0.1/a.wav?k=query-k3y"}},
        {"connect": {"to": "${who}"}},
        record_call(daemon.receiver, "${who}", max_length=0.2),
        {"hangup": {}},
    ]
    daemon.document.write_text(json.dumps({"sections": {"main": steps}}))


async def knock(daemon: Daemon) -> None:
    """What clients do: guess, send control characters in each place, break off."""
    guess = GUESS
    odd = [
        f"GET /api/v1/recordings/{guess}%0d%0a%1b/download?token=query-k3y HTTP/1.1\r\nHost: x\r\n\r\n",
        f"G\x1bET /{guess}\x85 HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {guess}\x1b\x00\r\n\r\n",
        f"POST /api/calling/calls HTTP/1.1\r\nHost: x\r\nX-\u202e{guess}: {guess}\x85\r\n\r\n",
        f"{guess}\x1b]0;title\x07\r\n\r\n",
        f"\u2028{NASTY} /x HTTP/1.1\r\n\r\n",
    ]
    for sent in odd:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        writer.write(sent.encode("utf-8", "surrogateescape"))
        writer.write_eof()
        await reader.read(65_536)
        writer.close()
    for identity, password in ((PROJECT, guess), (SID, guess), (guess, TOKEN), (NASTY, guess), (PROJECT, TOKEN)):
        word = base64.b64encode(f"{identity}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {word}"}
        async with aiohttp.ClientSession(headers=headers) as client:
            for path in ("/api/calling/calls", f"/2010-04-01/Accounts/{SID}/Calls/{'CA' + '0' * 32}/Recordings.json"):
                body = {"id": NASTY, "command": NASTY, "params": {"control_id": NASTY}}
                async with client.post(daemon.url + path, json=body) as response:
                    assert response.status >= 400


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("switch", ["soft"], indirect=True)  # whose callers may say anything
async def test_a_whole_runs_log(daemon: Daemon, switch: Switch, form: str) -> None:
    """Hostile callers, documents, applications, receivers and clients; each line is one, and tells no secret."""
    prepare(daemon, form)
    await daemon.spawn()
    calls = [
        await switch.call(f"100{number}", script=(Tone(60.0),), caller_name=NASTY, caller_number=NASTY)
        for number in range(1, 7)
    ]
    calls.append(await switch.call(NASTY, caller_name=GUESS))
    await knock(daemon)
    await asyncio.gather(*(call.ended(60) for call in calls[:6]))
    await daemon.receiver.wait("/status", 3, timeout=30)
    assert await asyncio.to_thread(main, ["alive", "--config", str(daemon.directory / "fsrec.yaml")]) == 0
    assert daemon.process is not None
    daemon.process.terminate()
    assert await daemon.process.wait() == 0
    log = (daemon.directory / "daemon.log").read_text()
    signatures = {
        value
        for request in daemon.receiver.to()
        for name, value in request.headers.items()
        if name.lower().endswith("signature") or name.lower() == "authorization"
    }
    assert len(signatures) > 3
    login = base64.b64encode(f"{PROJECT}:{TOKEN}".encode()).decode()
    secrets = {*WORDS, *signatures, TOKEN, KEY, AUTH, switch.address.password, login}
    clean(log, secrets)
    lines = log.splitlines()
    assert len(lines) > 40
    if form == "json":
        events = {json.loads(line)["event"] for line in lines}
        wanted = {"document.refused", "step.failed", "request.refused", "request.served", "recording.changed"}
        assert wanted <= events, events
    else:
        assert [line for line in lines if line.startswith("2026-01-01")] == []
