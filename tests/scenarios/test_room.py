"""Room on the disks: a recording for which there is none does not begin, and everybody who asked is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller.overload.disks import AHEAD, BYTES
from controller.softswitch.script import Tone
from tests.harness.switch import Switch
from tests.scenarios import plivo
from tests.scenarios.daemon import Callbacks, Daemon, record_call
from tests.scenarios.rest import LAML, TENANTS, Api, line, prepare
from tests.scenarios.test_refusals import small_disk

LONG = (Tone(60.0),)
NONE = {"min_free_disk": "900TiB"}
FOREVER = {"sleep": -1}


def full(daemon: Daemon) -> bool:
    return any("bytes are free" in problem for problem in daemon.problems())


async def test_rest_is_refused_in_its_own_shape(daemon: Daemon, switch: Switch) -> None:
    """LaML, Twilio and SignalWire's commands: 503 in the vendor's shape, with what is missing; nothing is listed."""
    prepare(daemon, limits=NONE)
    await daemon.start(ready=False)
    await daemon.until(lambda: full(daemon))
    for tenant in TENANTS:
        caller = await line(daemon, switch, tenant)
        api = Api(daemon, tenant)
        refused = await api.create(caller)
        assert (refused.status, refused.json["code"]) == (503, 20503)
        assert "No recording can be started now: " in refused.json["message"]
        assert "limits.min_free_disk" in refused.json["message"]
        assert (await api.ask("GET", "/Recordings.json")).json["recordings"] == []
        if tenant is LAML:
            status, answer = await daemon.command(
                caller.identity, "calling.record", control_id="r", record={"audio": {}}
            )
            assert (status, answer["errors"][0]["code"]) == (503, "no_room")
        await caller.caller.hangup()
    assert list(switch.recordings.glob("*.wav")) == []


DOCUMENTS = {
    "start": '<Start><Recording recordingStatusCallback="{url}" recordingStatusCallbackEvent="absent"/></Start>',
    "record": '<Record recordingStatusCallback="{url}" recordingStatusCallbackEvent="absent"/>',
}


@pytest.mark.parametrize("verb", list(DOCUMENTS))
async def test_twiml_is_told(daemon: Daemon, switch: Switch, verb: str) -> None:
    """An absent recording with an error code; the document goes on to its next verb."""
    document = DOCUMENTS[verb].format(url=daemon.receiver.url("/told"))
    prepare(daemon, twiml=f"<Response>{document}<Reject/></Response>", limits=NONE)
    await daemon.start(ready=False)
    await daemon.until(lambda: full(daemon))
    call = await switch.call("1002", LONG)
    (told,) = await daemon.receiver.wait("/told")
    assert told.form["RecordingStatus"] == "absent"
    assert told.form["ErrorCode"] != "0"
    await call.ended()
    assert daemon.unfinished() == []


async def test_plivo_is_told(daemon: Daemon, switch: Switch) -> None:
    """callbackUrl hears of a recording without length; the call goes on."""
    plivo.prepare(daemon, plivo.record(daemon) + "<Hangup reason='busy'/>", limits=NONE)
    await daemon.start(ready=False)
    await daemon.until(lambda: full(daemon))
    call = await switch.call("1001", LONG)
    (told,) = await plivo.ready(daemon)
    assert told.form["RecordingDuration"] == "0"
    await call.ended()


@pytest.mark.parametrize("switch", ["soft", pytest.param("live", marks=pytest.mark.live)], indirect=True)
async def test_a_small_disk_has_as_many_as_it_can_hold(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Of five calls in one breath three fit for ten minutes, the others are told; then there is room again."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    daemon.options["look_at_disks"] = 0.1
    each = round(AHEAD * BYTES)
    with small_disk(switch.recordings, f"{(3 * each + each // 2) >> 20}m"):
        await daemon.start()
        calls = await asyncio.gather(*(switch.call(script=LONG) for _ in range(5)))
        await daemon.receiver.wait(count=5)
        states = [params["state"] for params in callbacks.params()]
        assert sorted(states) == ["error"] * 2 + ["recording"] * 3
        assert all(call.alive for call in calls)
        await asyncio.gather(*(call.hangup() for call in calls))
        await callbacks.ends(5)
        await daemon.until(lambda: not daemon.problems())
        later = await switch.call(script=LONG)
        told: list[dict[str, Any]] = []

        def begun() -> bool:
            told[:] = callbacks.params()[8:]
            return bool(told)

        await daemon.until(begun)
        assert told[0]["state"] == "recording"
        await later.hangup()
        await callbacks.ends(6)
        await daemon.stop()
