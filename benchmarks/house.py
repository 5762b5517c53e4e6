"""A daemon with an account of each vendor, whose callers are recorded and whose applications are told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from benchmarks.templates import CALLER, Templates, read
from tests.harness.receiver import Receiver
from tests.harness.switch import Switch
from tests.scenarios.daemon import PROJECT, SPACE, Daemon, record_call, swml
from tests.scenarios.plivo import AUTH_ID, AUTH_TOKEN
from tests.scenarios.rest import LAML, SID, TWILIO, accounts

PLIVO = ("acme-plivo", AUTH_ID, AUTH_TOKEN, "1003")
TOLD = "/status"
WAITS = '<Pause length="600"/>'


def house(switch: Switch, place: Path, receiver: Receiver, **changes: Any) -> Daemon:
    """Return a daemon that is not running: LaML's account answers 1001 by SWML, Twilio's 1002, Plivo's 1003."""
    place.mkdir(parents=True, exist_ok=True)
    daemon = Daemon(switch, place, receiver)
    name, identity, token, destination = PLIVO
    status = receiver.url(TOLD)
    told = f"callbackUrl='{status}' action='{receiver.url('/action')}'"
    recorded = f"recordSession='true' redirect='false' fileFormat='wav' {told}"
    documents = {
        (LAML.name, LAML.destination): ("sw.yaml", swml(record_call(receiver, path=TOLD), {"sleep": -1})),
        (TWILIO.name, TWILIO.destination): (
            "tw.xml",
            f'<Response><Start><Recording recordingStatusCallback="{status}"/></Start>{WAITS}</Response>',
        ),
        (name, destination): (
            "pl.xml",
            f"<Response><Record {recorded}/><Wait length='600'/></Response>",
        ),
    }
    routes = []
    for (account, number), (file, text) in documents.items():
        (place / file).write_text(text)
        routes.append({"destination": f"^{number}$", "account": account, "document": str(place / file)})
    plivo = {"name": name, "vendor": "plivo", "auth_id": identity, "auth_token": token}
    daemon.changes = {"accounts": [*accounts(), plivo], "routes": routes, **changes}
    return daemon


async def templates(switch: Switch, place: Path, receiver: Receiver) -> Templates:
    """Have one call of each vendor recorded, for two seconds, and return what the daemon stored of them."""
    daemon = house(switch, place, receiver)
    await daemon.start()
    try:
        numbers = [LAML.destination, TWILIO.destination, PLIVO[3]]
        calls = [await switch.call(number, caller_number=CALLER) for number in numbers]
        await asyncio.sleep(2.0)  # they are as long as recordings are that are told as present
        for call in calls:
            await call.hangup()
        app = daemon.app
        assert app is not None
        await daemon.until(lambda: not daemon.unfinished() and daemon.quiet() and app.desk.count == 0)
    finally:
        await daemon.close()
    return read(daemon.data / "fsrec.db", {PROJECT, SPACE, SID.removeprefix("AC")})
