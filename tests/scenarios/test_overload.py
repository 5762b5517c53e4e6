"""Too much to do: given up in order, said by /readyz, taken back by itself; what runs goes on."""

from __future__ import annotations

import aiohttp

from controller.calls.events import CallTurnedAway
from controller.overload.admission import OverloadBegan, OverloadEnded
from controller.overload.levels import NEVER, Shed
from controller.softswitch.script import Tone
from controller.switch.link import ReadingHeld
from tests.harness.switch import Switch
from tests.scenarios.daemon import PROJECT, Callbacks, Daemon, record_call
from tests.scenarios.test_refusals import locked

FOREVER = {"sleep": -1}
LONG = (Tone(60.0),)


async def ready(daemon: Daemon) -> tuple[int, dict[str, object]]:
    async with aiohttp.ClientSession() as client, client.get(f"{daemon.url}/readyz") as response:
        return response.status, await response.json()


async def test_a_stalled_store(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """REST's starts, then calls are refused, each said; the recording runs on, its end is told when it can be."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    daemon.options["store_patience"] = 30.0
    await daemon.start()
    app = daemon.app
    assert app is not None
    age = next(signal for signal in app.admission.signals if signal.name == "store_age")
    assert tuple(age.bounds) == (2.0, 5.0, 10.0)
    age.bounds = (0.2, 0.6, 1.8)  # the same, in a tenth of the time
    first = await switch.call(script=LONG)
    began = await callbacks.wait("recording")
    async with locked(daemon):
        second = await switch.call(script=LONG)  # its row is the work that waits
        await daemon.until(lambda: app.admission.level >= Shed.STARTS)
        status, answer = await ready(daemon)
        assert (status, answer["status"]) == (503, "not ready")
        assert "the store has been stalled" in str(answer["problems"])
        refused, body = await daemon.command(began["call_id"], "calling.record", control_id="r", record={"audio": {}})
        assert (refused, body["errors"][0]["code"]) == (503, "no_room")
        await daemon.until(lambda: app.admission.level is Shed.CALLS)
        third = await switch.call(script=LONG)
        assert await third.ended() == "SWITCH_CONGESTION"
        assert "new calls are turned away" in str((await ready(daemon))[1]["problems"])
        await first.hangup()
        assert second.alive
    await daemon.until(lambda: not daemon.problems() and not app.degraded())
    end = await callbacks.wait("finished")
    assert end["recording_id"] == began["recording_id"]
    assert (await ready(daemon))[0] == 200
    assert [turned.leg for turned in daemon.seen(CallTurnedAway)] == [third.leg]
    assert [event.shed for event in daemon.seen(OverloadBegan) if event.signal == "store_age"][-1] == "calls"
    assert [event.signal for event in daemon.seen(OverloadEnded)] == ["store_age"]
    await daemon.receiver.wait(lambda r: r.json["params"]["call_id"] != began["call_id"])  # the second records
    await second.hangup()
    await callbacks.ends(2)
    assert daemon.unfinished() == []


async def test_a_store_that_refused_is_tried_by_itself(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Where every write was refused and nothing is left to write, it is found out that the store is back."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    daemon.options["store_patience"] = 0.1
    await daemon.start()
    app = daemon.app
    assert app is not None
    call = await switch.call(script=LONG)
    began = await callbacks.wait("recording")
    await daemon.until(daemon.quiet)
    async with locked(daemon):
        params = {"control_id": "r", "record": {"audio": {}}}
        status, answer = await daemon.command(began["call_id"], "calling.record", **params)
        assert (status, answer["errors"][0]["code"]) == (503, "store_unavailable")
        assert app.store.stalled > 0
        await daemon.until(lambda: bool(app.degraded()))
    await daemon.until(lambda: app.store.stalled == 0.0 and not app.degraded())
    await call.hangup()
    await callbacks.ends(1)


async def test_too_many_calls_are_said(daemon: Daemon, switch: Switch) -> None:
    """At limits.calls /readyz is 503 and says so; one place that is free is enough to be ready."""
    daemon.say({"answer": {}}, FOREVER)
    daemon.changes["limits"] = {"calls": 1, "min_free_disk": "1MiB"}
    await daemon.start()
    call = await switch.call()
    await daemon.until(lambda: bool(daemon.problems()))
    status, answer = await ready(daemon)
    assert status == 503
    assert answer["problems"] == ["1 calls live, as many as limits.calls allows: new calls are turned away"]
    await call.hangup()
    await daemon.until(lambda: not daemon.problems())
    assert (await ready(daemon))[0] == 200


async def test_what_waits_first(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Another format of a recording is 503 while extras are given up, and made when not; calls are served."""
    daemon.say(record_call(daemon.receiver), {"sleep": 500}, {"hangup": {}})
    await daemon.start()
    app = daemon.app
    assert app is not None
    backlog = next(signal for signal in app.admission.signals if signal.name == "store_backlog")
    bounds, backlog.bounds = backlog.bounds, (0, NEVER, NEVER)
    await daemon.until(lambda: app.admission.level is Shed.EXTRAS)
    await switch.call(script=LONG)
    end = await callbacks.wait("finished")
    mp3 = f"{daemon.url}/api/laml/2010-04-01/Accounts/{PROJECT}/Recordings/{end['recording_id']}.mp3"
    async with aiohttp.ClientSession() as client:
        async with client.get(mp3) as response:
            assert response.status == 503
        backlog.bounds = bounds
        await daemon.until(lambda: app.admission.level is Shed.NOTHING)
        async with client.get(mp3) as response:
            assert response.status == 200


async def test_a_switch_that_sends_too_fast(daemon: Daemon) -> None:
    """What its link tells of reading that is held reaches the admission: it is said of that switch."""
    await daemon.start()
    app = daemon.app
    assert app is not None
    app.telemetry.observe(ReadingHeld("fs1", True, 5000))
    await daemon.until(lambda: bool(app.admission.switch_problems()))
    assert "switch fs1: it has sent events faster than they are taken" in app.problems()[0]
    app.telemetry.observe(ReadingHeld("fs1", False, 100))
    await daemon.until(lambda: not app.problems())
