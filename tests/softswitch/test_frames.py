"""What meets what within a leg's frame: breaks, hangups, digits, forged events, as seen on the real switch."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from controller.softswitch import Leg, Softswitch
from tests.softswitch.client import Client

TONE = "tone_stream://%(60000,0,440)"
EVENT = "00000000-0000-4000-8000-000000000001"


async def parked(switch: Softswitch) -> Leg:
    return await switch.call("1001", answered=True)


def message(leg: Leg, application: str, argument: str = "") -> str:
    return f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: {application}\nexecute-app-arg: {argument}"


async def playing(client: Client, leg: Leg, count: int) -> None:
    """Playbacks, each begun within the one before."""
    for number in range(count):
        await client.command(message(leg, "playback", TONE))
        await client.event("PLAYBACK_START", number + 1, Unique_ID=leg.uuid)


async def told(client: Client, commands: Sequence[str]) -> None:
    """Send commands in one go, so that all of them come within one frame or within two."""
    for command in commands:
        client.send(command)
    for _ in commands:
        await client.next_reply()


async def gone(client: Client, leg: Leg) -> list[str]:
    """The leg's events from its hangup on: their names, and Application-Response."""
    await client.event("CHANNEL_DESTROY", Unique_ID=leg.uuid)
    events = [event for event in client.events if event.get("Unique-ID") == leg.uuid]
    names = [
        f"{event['Event-Name']} {event.get('Application', '')} {event.get('Application-Response', '')}".strip()
        for event in events
    ]
    return names[names.index("CHANNEL_HANGUP") :]


@pytest.mark.parametrize("everything", ["", " all"])
async def test_a_break_goes_through_all_that_is_nested(
    soft_switch: Softswitch, client: Client, everything: str
) -> None:
    """Three playbacks within each other: one uuid_break ends them all."""
    leg = await parked(soft_switch)
    await playing(client, leg, 3)
    assert await client.api(f"uuid_break {leg.uuid}{everything}") == "+OK\n"
    last = await client.event("PLAYBACK_STOP", 3, Unique_ID=leg.uuid)
    assert last["Playback-Status"] == "break"


async def test_a_hangup_wins_over_a_break_of_the_same_frame(soft_switch: Softswitch, client: Client) -> None:
    """The playback sees the hangup first: `done`, not `break`."""
    leg = await parked(soft_switch)
    await playing(client, leg, 1)
    leg.break_out()
    leg.hang_up("NORMAL_CLEARING")
    stop = await client.event("PLAYBACK_STOP", Unique_ID=leg.uuid)
    assert stop["Playback-Status"] == "done"


async def test_a_hangup_is_noticed_by_the_innermost_playback_only(soft_switch: Softswitch, client: Client) -> None:
    """PLAYBACK ERROR where the frame was read, FILE PLAYED in what that was nested in."""
    leg = await parked(soft_switch)
    await playing(client, leg, 2)
    leg.hang_up("NORMAL_CLEARING")
    names = await gone(client, leg)
    assert [name for name in names if name.startswith("CHANNEL_EXECUTE_COMPLETE playback")] == [
        "CHANNEL_EXECUTE_COMPLETE playback PLAYBACK ERROR",
        "CHANNEL_EXECUTE_COMPLETE playback FILE PLAYED",
    ]


async def test_what_was_queued_at_a_parked_legs_hangup(soft_switch: Softswitch, client: Client) -> None:
    """Its commands are told as gone through, none runs but what may on a dead channel; one digit is taken."""
    leg = await parked(soft_switch)
    for application in ("playback", "set"):
        leg.queue_message([("call-command", "execute"), ("execute-app-name", application)], "")
    leg.press("12")
    leg.hang_up("NORMAL_CLEARING")
    names = await gone(client, leg)
    assert names[: names.index("CHANNEL_UNPARK")] == [
        "CHANNEL_HANGUP",
        "PRIVATE_COMMAND",
        "CHANNEL_EXECUTE set",
        "CHANNEL_EXECUTE_COMPLETE set _none_",
        "PRIVATE_COMMAND",
        "DTMF",
    ]


async def test_what_was_queued_at_a_hangup_within_a_playback(soft_switch: Softswitch, client: Client) -> None:
    """A break ends that frame's turn of commands: the rest is never told; a digit is still taken."""
    leg = await parked(soft_switch)
    await playing(client, leg, 1)
    leg.break_out()
    leg.queue_message([("call-command", "execute"), ("execute-app-name", "set")], "")
    leg.press("1")
    leg.hang_up("NORMAL_CLEARING")
    names = await gone(client, leg)
    assert names[: names.index("CHANNEL_UNPARK")] == [
        "CHANNEL_HANGUP",
        "PLAYBACK_STOP",
        "CHANNEL_EXECUTE_COMPLETE playback PLAYBACK ERROR",
        "PRIVATE_COMMAND",
        "DTMF",
    ]


async def test_a_digit_comes_before_the_commands_behind_a_break(soft_switch: Softswitch, client: Client) -> None:
    """A broken playback, a digit and a command: the command waits for the next frame."""
    leg = await parked(soft_switch)
    await playing(client, leg, 1)
    leg.break_out()
    leg.queue_message([("call-command", "execute"), ("execute-app-name", "set"), ("execute-app-arg", "a=b")], "")
    leg.press("1")
    await client.event("CHANNEL_EXECUTE_COMPLETE", Application_Data="a=b", Unique_ID=leg.uuid)
    names = client.names(leg)
    assert names.index("PLAYBACK_STOP") < names.index("DTMF") < len(names) - 1 - names[::-1].index("CHANNEL_EXECUTE")


async def test_commands_run_while_a_dial_rings(soft_switch: Softswitch, client: Client) -> None:
    """A recording starts on a leg whose bridge waits for its answer."""
    soft_switch.extensions["rings"] = (("sleep", "60000"),)
    leg = await parked(soft_switch)
    await client.command(message(leg, "bridge", "loopback/rings/default"))
    await client.event("CHANNEL_EXECUTE", Application="bridge", Unique_ID=leg.uuid)
    await client.command(message(leg, "record_session", f"{soft_switch.directory}/a.wav"))
    started = await client.event("RECORD_START", Unique_ID=leg.uuid)
    assert started["Channel-Call-State"] == "RING_WAIT"


async def test_a_sendevent_through_a_living_leg(soft_switch: Softswitch, client: Client) -> None:
    """The sender's headers and the leg's data, nothing of the core's; without a living leg the core's come behind."""
    leg = await parked(soft_switch)
    forged = f"sendevent RECORD_STOP\nEvent-Name: RECORD_STOP\nEvent-UUID: {EVENT}\nUnique-ID: "
    await told(client, [forged + leg.uuid, forged + EVENT])
    await client.until(lambda: sum(event["Event-Name"] == "RECORD_STOP" for event in client.events) == 2)
    raw = [frame.text for frame in client.frames if '"Command":"sendevent RECORD_STOP"' in frame.text]
    through = next(text for text in raw if leg.uuid in text)
    foreign = next(text for text in raw if leg.uuid not in text)
    assert "Core-UUID" not in json.loads(through)
    assert json.loads(through)["Channel-State"] == "CS_EXECUTE"
    assert foreign.count('"Event-Name"') == 2
    assert json.loads(foreign)["Core-UUID"] == soft_switch.core_uuid
