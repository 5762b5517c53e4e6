"""Another account's calls and recordings do not exist."""

from __future__ import annotations

import aiohttp

from controller.softswitch.script import Tone
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call


async def test_a_document_knows_its_account(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """A document from a file sees the ids of the account that its route names."""
    ids = "${call.project_id}|%{space_id}"
    daemon.say(record_call(daemon.receiver, ids), {"sleep": 200})
    await daemon.start()
    await switch.call(script=(Tone(30.0),))
    (end,) = await callbacks.ends(1)
    account = daemon.raw()["accounts"][0]
    assert end["control_id"] == f"{account['project_id']}|{account['space_id']}"


async def test_commands_of_another_account_find_nothing(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Rightly signed in as another account, a living call is not found, and its recording goes on untouched."""
    other = {
        "name": "other",
        "vendor": "signalwire",
        "project_id": "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c0ff",
        "api_token": "other-token",
    }
    daemon.changes = {"accounts": [*daemon.raw()["accounts"], other]}
    daemon.say(record_call(daemon.receiver), {"sleep": -1})
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    began = await callbacks.wait("recording")
    login = aiohttp.encode_basic_auth(other["project_id"], other["api_token"])
    async with aiohttp.ClientSession(headers={"Authorization": login}) as client:
        for command in ("pause", "resume", "stop"):
            body = {
                "id": began["call_id"],
                "command": f"calling.record.{command}",
                "params": {"control_id": "rec"},
            }
            async with client.post(f"{daemon.url}/api/calling/calls", json=body) as response:
                assert response.status == 404
    assert (await daemon.command(began["call_id"], "calling.record.pause", control_id="rec"))[0] == 200
    await callbacks.wait("paused")
    await call.hangup()
    await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "paused", "finished"]
