"""Legs that the switch makes: originate, bridge."""

from pathlib import Path

import numpy as np
import pytest

from controller.softswitch import Softswitch, Tone
from tests.softswitch.client import Client, eventually
from tests.softswitch.test_recording import EXACT, record, running_for, samples, stop


async def test_a_bridge_carries_sound_both_ways(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """In stereo the caller is left, the callee right; on the callee's leg they are swapped."""
    leg = await soft_switch.call("1001", [Tone(30, 1000.0)], answered=True, variables={"continue_on_fail": "true"})
    await client.execute(leg, "bridge", "{tagged=yes}loopback/tone/default", Event_UUID="b")
    bridged = await client.event("CHANNEL_BRIDGE")
    assert (bridged["Unique-ID"], bridged["Bridge-A-Unique-ID"]) == (leg.uuid, leg.uuid)
    callee = soft_switch.legs[bridged["Bridge-B-Unique-ID"]]
    assert (callee.variable("tagged"), callee.partner, leg.partner) == ("yes", leg, callee)
    assert bridged["Other-Leg-Unique-ID"] == callee.uuid
    for each, name in ((leg, "a"), (callee, "c")):
        await record(client, each, tmp_path / f"{name}.wav", f"{EXACT},RECORD_STEREO=true,RECORD_BRIDGE_REQ=true")
    await running_for(0.3)
    for each, name in ((leg, "a"), (callee, "c")):
        await stop(client, each, tmp_path / f"{name}.wav")
    for name, order in (("a", [1000, 440]), ("c", [440, 1000])):
        data = samples(tmp_path / f"{name}.wav")
        peaks = [int(np.abs(np.fft.rfft(column.astype(float))).argmax() * 8000 / len(data)) for column in data.T]
        assert all(abs(peak - hz) < 20 for peak, hz in zip(peaks, order, strict=True))
    callee.press("5")
    await client.event("DTMF", Unique_ID=callee.uuid)
    await client.api(f"uuid_break {leg.uuid}")
    await client.api(f"uuid_kill {callee.uuid}")
    await client.event("CHANNEL_UNBRIDGE")
    await client.event("CHANNEL_EXECUTE_COMPLETE", Application_UUID="b")
    assert not leg.hungup
    await eventually(lambda: list(soft_switch.legs) == [leg.uuid])
    assert not leg.heard.read(
        soft_switch.position(soft_switch.now()), soft_switch.position(soft_switch.now()) + 80
    ).any()


@pytest.mark.parametrize(
    ("variables", "dial", "cause", "status"),
    [
        ({}, "loopback/busy", "USER_BUSY", "BUSY"),
        ({}, "user/1001", "SUBSCRIBER_ABSENT", "CHANUNAVAIL"),
        ({"call_timeout": "1"}, "loopback/never", "NO_ANSWER", "NOANSWER"),
    ],
)
async def test_a_bridge_that_fails(
    client: Client, soft_switch: Softswitch, variables: dict[str, str], dial: str, cause: str, status: str
) -> None:
    """The caller is hung up with the callee's cause, unless continue_on_fail."""
    soft_switch.extensions["never"] = (("park", ""),)
    leg, patient = [
        await soft_switch.call("1001", answered=True, variables={**variables, **more})
        for more in ({}, {"continue_on_fail": "true"})
    ]
    await client.execute(patient, "bridge", dial, Event_UUID="b")
    await client.execute(leg, "bridge", dial)
    await client.event("CHANNEL_EXECUTE_COMPLETE", Application_UUID="b")
    assert (patient.variable("originate_disposition"), patient.variable("DIALSTATUS")) == (cause, status)
    assert not patient.hungup
    assert await leg.wait_hangup() == cause


async def test_hangups_around_a_bridge(client: Client, soft_switch: Softswitch) -> None:
    """While it rings the caller's end ends the callee; hangup_after_bridge ends the caller with the callee."""
    soft_switch.extensions["never"] = (("park", ""),)
    ringing = await soft_switch.call("1001", answered=True)
    await client.execute(ringing, "bridge", "loopback/never")
    await client.event("CHANNEL_ORIGINATE")
    ringing.hangup()
    await ringing.wait_hangup()
    await eventually(lambda: not soft_switch.legs)
    both = await soft_switch.call("1001", answered=True, variables={"hangup_after_bridge": "true"})
    await client.execute(both, "bridge", "loopback/park1")
    bridged = await client.event("CHANNEL_BRIDGE")
    soft_switch.legs[bridged["Bridge-B-Unique-ID"]].hangup()
    assert await both.wait_hangup() == "NORMAL_CLEARING"
    await eventually(lambda: not soft_switch.legs)


async def test_early_media(client: Client, soft_switch: Softswitch) -> None:
    """A callee with early media is bridged before it answers, and heard; originate returns then too."""
    leg = await soft_switch.call("1001", answered=True)
    await client.execute(leg, "bridge", "loopback/early")
    bridged = await client.event("CHANNEL_BRIDGE")
    callee = soft_switch.legs[bridged["Bridge-B-Unique-ID"]]
    assert (callee.answered, callee.early) == (False, True)
    assert (await client.api("originate loopback/early &park()")).startswith("+OK ")


async def test_transfers_of_a_bridge(client: Client, soft_switch: Softswitch) -> None:
    """-bleg sends the callee elsewhere, -both the two of them; breaking both reaches the callee."""
    leg = await soft_switch.call("1001", answered=True)
    await client.execute(leg, "bridge", "loopback/tone")
    bridged = await client.event("CHANNEL_BRIDGE")
    callee = soft_switch.legs[bridged["Bridge-B-Unique-ID"]]
    await client.execute(callee, "playback", "silence_stream://60000", Event_UUID="p")
    await client.event("PLAYBACK_START", Unique_ID=callee.uuid)
    await client.api(f"uuid_break {leg.uuid} both")
    await client.event("CHANNEL_EXECUTE_COMPLETE", Application_UUID="p")
    assert await client.api(f"uuid_broadcast {leg.uuid} set::x=1 bleg") == "+OK Message sent\n"
    await eventually(lambda: callee.variable("x") == "1")
    assert await client.api(f"uuid_transfer {leg.uuid} -both park1") == "+OK\n"
    await client.event("CHANNEL_PARK", Unique_ID=callee.uuid)
    await client.event("CHANNEL_PARK", count=2, Unique_ID=leg.uuid)
    assert not callee.hungup


async def test_originate_to_an_extension(client: Client, soft_switch: Softswitch) -> None:
    """Instead of an application, the leg can be sent to an extension."""
    reply = await client.api("originate {origination_uuid=mine,a=b}loopback/park1/default busy XML default")
    assert reply == "+OK mine\n"
    hangup = await client.event("CHANNEL_HANGUP", Unique_ID="mine")
    assert (hangup["Hangup-Cause"], hangup["variable_a"]) == ("USER_BUSY", "b")


async def test_the_parking_context(client: Client, soft_switch: Softswitch) -> None:
    """Every extension of the context fsrec is parked with its hangup armed, as the shipped dialplan does."""
    await client.command("bgapi originate loopback/anything/fsrec &park()")
    park = await client.event("CHANNEL_PARK")
    assert (park["Call-Direction"], park["Answer-State"]) == ("inbound", "ringing")
    assert await client.api(f"sched_del {park['Unique-ID']}") == "+OK Deleted: 1\n"


async def test_callees_ring_together(client: Client, soft_switch: Softswitch) -> None:
    """The first to answer is bridged under the id that it was given, the others lose; the caller is answered then."""
    soft_switch.extensions["late"] = (("sleep", "200"), ("answer", ""), ("park", ""))
    soft_switch.extensions["never"] = (("park", ""),)
    leg = await soft_switch.call("1001", variables={"continue_on_fail": "true"})
    one, two = "[origination_uuid=one,tag=1]loopback/never", "[origination_uuid=two,tag=2]loopback/late"
    dial = f"{{ignore_early_media=true}}{one},{two},loopback/busy,[tag=4]loopback/early"
    await client.execute(leg, "bridge", dial, Event_UUID="b")
    answered = await client.event("CHANNEL_ANSWER", Unique_ID="two")
    assert answered["variable_tag"] == "2"
    lost = await client.event("CHANNEL_HANGUP", Unique_ID="one")
    assert lost["Hangup-Cause"] == "LOSE_RACE"
    await client.event("CHANNEL_ANSWER", Unique_ID=leg.uuid)
    bridged = await client.event("CHANNEL_BRIDGE")
    assert bridged["Bridge-B-Unique-ID"] == "two"
    await client.api("uuid_kill two")
    over = await client.event("CHANNEL_EXECUTE_COMPLETE", Application_UUID="b")
    assert over["variable_last_bridge_to"] == "two"
    assert over["variable_originate_disposition"] == "SUCCESS"
    assert over["variable_bridge_hangup_cause"] == "NORMAL_CLEARING"
    assert not leg.hungup


@pytest.mark.parametrize(
    ("dial", "cause"),
    [
        ("{originate_timeout=1}loopback/never", "NO_ANSWER"),
        ("loopback/busy,loopback/busy", "USER_BUSY"),
        ("user/1,user/2", "SUBSCRIBER_ABSENT"),
        ("{ignore_early_media=true,originate_timeout=1}loopback/early", "NO_ANSWER"),
    ],
)
async def test_nobody_answers_a_bridge(client: Client, soft_switch: Softswitch, dial: str, cause: str) -> None:
    """Why is told with the end of the bridge; the leg stays."""
    soft_switch.extensions["never"] = (("park", ""),)
    leg = await soft_switch.call("1001", variables={"continue_on_fail": "true"})
    await client.execute(leg, "bridge", dial, Event_UUID="b")
    over = await client.event("CHANNEL_EXECUTE_COMPLETE", Application_UUID="b")
    assert (over["variable_originate_disposition"], over["Answer-State"]) == (cause, "early")
    assert not leg.hungup


async def test_a_callee_that_answers_after_its_early_media(client: Client, soft_switch: Softswitch) -> None:
    """Bridged at the early media, the caller is answered with it."""
    soft_switch.extensions["announces"] = (("pre_answer", ""), ("sleep", "300"), ("answer", ""), ("park", ""))
    leg = await soft_switch.call("1001")
    await client.execute(leg, "bridge", "loopback/announces")
    await client.event("CHANNEL_BRIDGE")
    assert not leg.answered
    await client.event("CHANNEL_ANSWER", Unique_ID=leg.uuid)
    assert leg.answered
