"""The Recordings REST API over the whole daemon: what applications of Twilio and of LaML do to calls that are up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.harness.audio import read_wav
from tests.harness.switch import Switch
from tests.scenarios.daemon import Daemon
from tests.scenarios.rest import LAML, TENANTS, TWILIO, Api, Tenant, line, prepare

each_tenant = pytest.mark.parametrize("tenant", TENANTS, ids=lambda one: one.name)
ENDED = {TWILIO: "completed", LAML: "stopped"}


@each_tenant
async def test_the_life_of_a_recording(daemon: Daemon, switch: Switch, tenant: Tenant, tmp_path: Path) -> None:
    """Created, paused, resumed, stopped, downloaded, deleted: each answer has the account's words and status."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, tenant), Api(daemon, tenant)
    made = await api.create(up, RecordingChannels="dual")
    assert made.status == (201 if tenant is TWILIO else 200), made.json
    sid = made.json["sid"]
    assert (made.json["status"], made.json["duration"], made.json["channels"]) == ("in-progress", None, 2)
    assert made.json["call_sid"] == up.sid
    assert (await api.ask("GET", f"/Recordings/{sid}.wav", auth=False)).status == 404
    busy = await api.ask("DELETE", f"/Recordings/{sid}.json")
    assert (busy.status, busy.json["code"]) == (409, 20009)
    await asyncio.sleep(1.5)  # this is what is recorded: what is shorter than a second is told as absent
    paused = await api.update(up, sid, Status="paused", PauseBehavior="skip")
    assert (paused.status, paused.json["status"]) == (200, "paused")
    resumed = await api.update(up, "Twilio.CURRENT", Status="in-progress")
    assert (resumed.status, resumed.json["status"]) == (200, "in-progress")
    stopped = await api.update(up, sid, Status="stopped")
    assert (stopped.status, stopped.json["status"]) == (200, "stopped")
    done = await api.until(sid, ENDED[tenant])
    assert done["duration"].isdigit()
    sound = await api.ask("GET", f"/Recordings/{sid}", auth=False)
    assert (sound.status, sound.headers["Content-Type"]) == (200, "audio/x-wav")
    (tmp_path / "got.wav").write_bytes(sound.body)
    assert read_wav(tmp_path / "got.wav").channels == 2
    part = await api.ask("GET", f"/Recordings/{sid}.wav", headers={"Range": "bytes=0-3"}, auth=False)
    assert (part.status, part.body) == (206, b"RIFF")
    assert (await api.ask("DELETE", f"/Recordings/{sid}.json")).status == 204
    gone = await api.fetch(sid)
    assert (gone.status, gone.json["code"], gone.json["status"]) == (404, 20404, 404)
    assert (await api.ask("GET", f"/Recordings/{sid}", auth=False)).status == 404
    assert (await api.ask("GET", "/Recordings.json")).json["recordings"] == []
    kept = await api.ask("GET", f"/Recordings/{sid}.json", query={"IncludeSoftDeleted": "true"})
    assert (kept.status, kept.json.get("status")) == ((200, "deleted") if tenant is TWILIO else (404, 404))
    assert list(switch.recordings.glob("*.wav")) == []
