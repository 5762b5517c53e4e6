"""Whose a leg is when others touch it, the link breaks or the store is lost, by what the switch itself says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.calls.events import CallFailed, CallReleased, CallTaken, StepFailed
from controller.softswitch.script import Tone
from tests.harness.esl import connected
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call

FOREVER = {"sleep": -1}
CALLER = (Tone(60.0),)


async def taken(daemon: Daemon, switch: Switch) -> Call:
    """A call whose document is under way and whose leg is answered and marked."""
    call = await switch.call(script=CALLER)
    async with connected(switch.direct) as esl:
        async with asyncio.timeout(10):
            while await esl.api(f"uuid_getvar {call.leg} current_application") == "park":
                await asyncio.sleep(0.01)
        assert await esl.api(f"uuid_getvar {call.leg} fsrec_call") not in {"", "_undef_"}
    await daemon.until(lambda: len(daemon.seen(CallTaken)) == 1)
    return call


async def unlink(daemon: Daemon, switch: Switch) -> None:
    await switch.refuse_links()
    await switch.cut_links()
    await daemon.until(lambda: bool(daemon.problems()))


async def relink(daemon: Daemon, switch: Switch) -> None:
    await switch.refuse_links(False)
    await daemon.until(lambda: not daemon.problems())


@pytest.mark.parametrize("moment", ["before its end", "after its end"])
async def test_a_leg_that_others_take_while_the_link_is_away(daemon: Daemon, switch: Switch, moment: str) -> None:
    """It is not ours any more: its document, over or not by then, does not hang it up; its marker is taken off."""
    daemon.say({"answer": {}}, {"sleep": 2500}, {"hangup": {}})
    await daemon.start()
    call = await taken(daemon, switch)
    await unlink(daemon, switch)
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_transfer {call.leg} sleep:100000 inline")).startswith("+OK")
        if moment == "after its end":
            await asyncio.sleep(3)
        await relink(daemon, switch)
        await daemon.until(lambda: len(daemon.seen(CallReleased)) == 1)
        if moment == "before its end":
            await asyncio.sleep(3)
        assert call.alive
        assert await esl.api(f"uuid_getvar {call.leg} fsrec_call") in {"", "_undef_"}
    assert len(daemon.seen(CallTaken)) == 1
    assert daemon.seen(CallFailed) == []


@pytest.mark.parametrize("link", ["up", "away"])
async def test_a_leg_that_others_transfer_back(daemon: Daemon, switch: Switch, link: str) -> None:
    """It is parked anew, so its old document is over and its route's begins, whether that was seen or not."""
    daemon.say({"answer": {}}, FOREVER)
    await daemon.start()
    call = await taken(daemon, switch)
    if link == "away":
        await unlink(daemon, switch)
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_transfer {call.leg} 1001 XML fsrec")).startswith("+OK")
        if link == "away":
            async with asyncio.timeout(10):
                while await esl.api(f"uuid_getvar {call.leg} current_application") != "park":
                    await asyncio.sleep(0.01)
            await relink(daemon, switch)
        await daemon.until(lambda: len(daemon.seen(CallTaken)) == 2)
        second = daemon.seen(CallTaken)[1]
        async with asyncio.timeout(10):
            while await esl.api(f"uuid_getvar {call.leg} fsrec_call") != second.call.replace("-", ""):
                await asyncio.sleep(0.01)
    assert [released.call for released in daemon.seen(CallReleased)] == [daemon.seen(CallTaken)[0].call]
    assert call.alive
    assert daemon.seen(CallFailed) == []


async def test_a_leg_that_is_recorded_stays_ours_through_a_cut(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """Answered and recorded under park, the link cut and back: nobody took it, its document goes on to its end."""
    daemon.say(record_call(daemon.receiver), {"sleep": 2500}, {"hangup": {}})
    await daemon.start()
    call = await taken(daemon, switch)
    await callbacks.wait("recording")
    await unlink(daemon, switch)
    await relink(daemon, switch)
    assert await call.ended() == "NORMAL_CLEARING"
    assert (await callbacks.wait("finished"))["duration"] > 2
    assert daemon.seen(CallReleased) == []


async def test_a_link_that_goes_before_the_first_commands(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is durable, no command was sent: with the next link the leg is answered before it is recorded."""
    from controller.switch.legs import EslLegs

    first = EslLegs.take_over

    def cut(legs: EslLegs, name: str, leg: str, call: str) -> asyncio.Future[None]:
        monkeypatch.setattr(EslLegs, "take_over", first)
        legs.board.session(name).close("cut by the test")
        return first(legs, name, leg, call)

    monkeypatch.setattr(EslLegs, "take_over", cut)
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    async with connected(switch.direct, "CHANNEL_ANSWER", "RECORD_START") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=CALLER)
            await watch.named("RECORD_START", call.leg)
            order = [event["Event-Name"] for event in watch.events if event.get("Unique-ID") == call.leg]
    assert order == ["CHANNEL_ANSWER", "RECORD_START"]
    await callbacks.wait("recording")


async def test_a_marked_leg_whose_row_is_lost(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """Its hangup is disarmed and nobody knows its document: it is hung up, though what runs on it says answer."""
    daemon.say({"answer": {}}, FOREVER)
    await daemon.start()
    call = await taken(daemon, switch)
    await daemon.stop()
    daemon.changes = {"data_dir": str(tmp_path / "new")}
    await daemon.start()
    assert await call.ended() == "NORMAL_TEMPORARY_FAILURE"
    assert [failed.why for failed in daemon.seen(CallFailed)] == ["the leg is marked as ours and its call is unknown"]


async def test_steps_that_fail_are_told(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """One recording too many, a stop that finds nothing: what was refused and why, by the step's number."""
    daemon.changes = {"limits": {"recordings_per_call": 1, "min_free_disk": "1MiB"}}
    daemon.say(
        record_call(daemon.receiver, "a"),
        record_call(daemon.receiver, "b"),
        {"stop_record_call": {"control_id": "zzz"}},
        {"hangup": {}},
    )
    await daemon.start()
    call = await switch.call(script=CALLER)
    await call.ended()
    told = {(failed.number, failed.step): failed.why for failed in daemon.seen(StepFailed)}
    assert list(told) == [(2, "StartRecording"), (3, "StopRecording")]
    assert "recordings_per_call" in told[2, "StartRecording"]
    assert told[3, "StopRecording"] == "no recording is active under the name 'zzz'"
    await callbacks.wait("finished", "a")
