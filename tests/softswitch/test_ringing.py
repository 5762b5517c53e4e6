"""What a bridge has heard while it rings, as a real switch does it: ringback and confirmation."""

from __future__ import annotations

import numpy as np
import pytest

from controller.softswitch import Leg, Softswitch
from tests.softswitch.client import Client, eventually
from tests.softswitch.test_recording import running_for

NEVER, ANSWERS = (("park", ""),), (("answer", ""), ("park", ""))
KEY = "group_confirm_key=5,group_confirm_file='tone_stream://%(200,0,800)'"


def hz(soft_switch: Softswitch, leg: Leg) -> float:
    """What was heard in the last tenth of a second; 0.0 for silence."""
    end = soft_switch.position(soft_switch.now())
    found = leg.heard.read(end - 800, end)
    return float(np.abs(np.fft.rfft(found)).argmax() * 10) if found.any() else 0.0


@pytest.mark.parametrize(
    ("variables", "block", "answered", "heard"),
    [
        ({"transfer_ringback": "%(500,0,350)"}, "instant_ringback=true", True, 350.0),
        ({"transfer_ringback": "file_string://tone_stream://%(700,0,350)"}, "instant_ringback=true", True, 350.0),
        ({"transfer_ringback": "%(500,0,350)"}, "instant_ringback=true", False, 0.0),
        ({"transfer_ringback": "%(500,0,350)"}, "a=b", True, 0.0),
        ({"transfer_ringback": "/none.wav"}, "instant_ringback=true", True, 0.0),
        ({"transfer_ringback": "silence:-1", "ringback": "%(500,0,350)"}, "instant_ringback=true", True, 0.0),
        ({"ringback": "%(500,0,350)"}, "instant_ringback=true", False, 350.0),
    ],
    ids=["a tone", "joined", "not answered", "nobody rings", "missing", "silence", "before the answer"],
)
async def test_ringback(
    client: Client,
    soft_switch: Softswitch,
    variables: dict[str, str],
    block: str,
    answered: bool,
    heard: float,
) -> None:
    """An answered leg's transfer_ringback wins over ringback, is heard over and over, and ends with the ringing."""
    soft_switch.extensions["never"] = NEVER
    leg = await soft_switch.call("1001", answered=answered, variables={"continue_on_fail": "true", **variables})
    await client.execute(leg, "bridge", f"{{{block}}}loopback/never", Event_UUID="b")
    await running_for(1.0)
    found = hz(soft_switch, leg)
    assert abs(found - heard) < 20
    callee = next(uuid for uuid in soft_switch.legs if uuid != leg.uuid)
    await client.api(f"uuid_kill {callee}")
    await client.event("CHANNEL_EXECUTE_COMPLETE", Application_UUID="b")
    await running_for(0.2)
    assert hz(soft_switch, leg) == 0.0


async def test_ringback_begins_when_a_callee_rings(client: Client, soft_switch: Softswitch) -> None:
    """Without instant_ringback it waits for that."""
    soft_switch.extensions["rings"] = (("ring_ready", ""), ("park", ""))
    leg = await soft_switch.call("1001", answered=True, variables={"transfer_ringback": "%(5000,0,350)"})
    await client.execute(leg, "bridge", "loopback/rings")
    await eventually(lambda: abs(hz(soft_switch, leg) - 350.0) < 20)


async def asked(client: Client, soft_switch: Softswitch, block: str = KEY) -> tuple[Leg, Leg]:
    """A leg whose callee has answered and is asked."""
    soft_switch.extensions["answers"] = ANSWERS
    leg = await soft_switch.call("1001", answered=True, variables={"continue_on_fail": "true"})
    await client.execute(leg, "bridge", f"{{{block}}}loopback/answers", Event_UUID="b")
    started = await client.event("PLAYBACK_START")
    callee = soft_switch.legs[started["Unique-ID"]]
    assert callee.answered
    assert leg.partner is None
    return leg, callee


async def test_the_key_connects(client: Client, soft_switch: Softswitch) -> None:
    """A wrong one has it played again, the right one is connected."""
    leg, callee = await asked(client, soft_switch)
    await eventually(lambda: abs(hz(soft_switch, callee) - 800.0) < 20)
    await client.event("PLAYBACK_STOP")
    callee.press("7")
    await client.event("PLAYBACK_START", count=2, Unique_ID=callee.uuid)
    callee.press("5")
    bridged = await client.event("CHANNEL_BRIDGE")
    assert (bridged["Unique-ID"], bridged["Bridge-B-Unique-ID"]) == (leg.uuid, callee.uuid)


@pytest.mark.parametrize(
    ("file", "cause"),
    [("tone_stream://%(100,0,800)", "ALLOTTED_TIMEOUT"), ("/none.wav", "DESTINATION_OUT_OF_ORDER")],
)
async def test_who_is_not_connected(client: Client, soft_switch: Softswitch, file: str, cause: str) -> None:
    """Whose time is over, and who could not be asked, is hung up."""
    soft_switch.extensions["answers"] = ANSWERS
    leg = await soft_switch.call("1001", answered=True, variables={"continue_on_fail": "true"})
    block = f"group_confirm_key=5,group_confirm_file='{file}',group_confirm_timeout=1"
    await client.execute(leg, "bridge", f"{{{block}}}loopback/answers", Event_UUID="b")
    await client.event("CHANNEL_EXECUTE_COMPLETE", Application_UUID="b")
    assert leg.variable("originate_disposition") == cause
    assert not [event for event in client.events if event["Event-Name"] == "CHANNEL_BRIDGE"]


async def test_exec_connects_at_its_end(client: Client, soft_switch: Softswitch) -> None:
    """An application is executed on the callee's leg, then everybody is connected; from the leg's variables too."""
    soft_switch.extensions["answers"] = ANSWERS
    variables = {"group_confirm_key": "exec", "group_confirm_file": "playback tone_stream://%(300,0,800)"}
    leg = await soft_switch.call("1001", answered=True, variables=variables)
    await client.execute(leg, "bridge", "loopback/answers")
    done = await client.event("CHANNEL_EXECUTE_COMPLETE", Application="playback")
    bridged = await client.event("CHANNEL_BRIDGE")
    assert done["Unique-ID"] == bridged["Bridge-B-Unique-ID"]


async def test_the_dialler_goes_while_somebody_is_asked(client: Client, soft_switch: Softswitch) -> None:
    """Nobody is left."""
    leg, _ = await asked(client, soft_switch)
    leg.hangup()
    await leg.wait_hangup()
    await eventually(lambda: not soft_switch.legs)
