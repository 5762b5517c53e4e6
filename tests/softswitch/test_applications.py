"""Applications, commands sent to a leg, expansion (spec/freeswitch.md 2, 3.3, 4)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.softswitch import Leg, Silence, Softswitch, Speech
from controller.softswitch.sources import load
from tests.harness.lateness import lateness
from tests.softswitch.client import Client, eventually


def told(client: Client, leg: Leg, *names: str) -> list[tuple[str, ...]]:
    """(event, application or path) of the leg's events of those names."""
    return [
        (event["Event-Name"], event.get("Application-Data") or event.get("Playback-File-Path") or "")
        for event in client.events
        if event.get("Unique-ID") == leg.uuid and event["Event-Name"] in names
    ]


async def complete(client: Client, event_uuid: str) -> dict[str, Any]:
    return await client.event("CHANNEL_EXECUTE_COMPLETE", Application_UUID=event_uuid)


async def test_commands_nest(client: Client, soft_switch: Softswitch) -> None:
    """Two playbacks overlap: the second one is heard first to its end, and ends first."""
    leg = await soft_switch.call("1001", answered=True)
    outer, inner = "silence_stream://300", "silence_stream://100"
    await client.execute(leg, "playback", outer, Event_UUID="outer")
    await client.event("PLAYBACK_START", Playback_File_Path=outer)
    await client.execute(leg, "playback", inner, Event_UUID="inner")
    await complete(client, "outer")
    assert told(client, leg, "PLAYBACK_START", "PLAYBACK_STOP") == [
        ("PLAYBACK_START", outer), ("PLAYBACK_START", inner), ("PLAYBACK_STOP", inner), ("PLAYBACK_STOP", outer),
    ]  # fmt: skip
    whole = {event["Application-UUID"] for event in client.events if event.get("Application") == "playback"}
    assert whole == {"outer", "inner"}


async def test_the_outer_playback_waits(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """What is played stops for the nested one and goes on from there: as much is heard as there is."""
    leg = await soft_switch.call("1001", answered=True)
    await client.execute(leg, "playback", "tone_stream://%(300,0,500)", Event_UUID="outer")
    await client.event("PLAYBACK_START")
    began = soft_switch.position(soft_switch.now()) - 8000
    await client.execute(leg, "playback", "silence_stream://200")
    await complete(client, "outer")
    heard = leg.heard.read(began, soft_switch.position(soft_switch.now()))
    heard, whole = heard[heard != 0], load("tone_stream://%(300,0,500)", tmp_path).sound.read(0, 2400)
    assert np.array_equal(heard, whole[whole != 0][: len(heard)])
    assert len(heard) >= 0.8 * len(whole)


async def test_the_event_lock_makes_them_wait(client: Client, soft_switch: Softswitch) -> None:
    """With event-lock they run one after the other, in order."""
    leg = await soft_switch.call("1001", answered=True)
    for name, length in (("one", 150), ("two", 50)):
        await client.execute(leg, "playback", f"silence_stream://{length}", Event_UUID=name, event_lock="true")
    await complete(client, "two")
    order = [
        event["Application-UUID"] for event in client.events if event["Event-Name"] == "CHANNEL_EXECUTE_COMPLETE"
    ]
    assert order[-2:] == ["one", "two"]


async def test_an_unknown_application_hangs_up(client: Client, soft_switch: Softswitch) -> None:
    """DESTINATION_OUT_OF_ORDER, no CHANNEL_EXECUTE; what is queued is passed over, but for a few like `set`."""
    leg = await soft_switch.call("1001", answered=True)
    client.send(f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: nosuch\nEvent-UUID: a")
    for app, argument in (("playback", "silence_stream://20"), ("set", "a=b")):
        client.send(
            f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: {app}\nexecute-app-arg: {argument}"
            f"\nEvent-UUID: {app}"
        )
    assert await leg.wait_hangup() == "DESTINATION_OUT_OF_ORDER"
    await client.event("CHANNEL_DESTROY")
    ran = {event["Application-UUID"] for event in client.events if event["Event-Name"] == "CHANNEL_EXECUTE_COMPLETE"}
    assert not {"a", "playback"} & ran
    assert "set" in ran


async def test_recursion_has_an_end(client: Client, soft_switch: Softswitch) -> None:
    """The 33rd nested application is one too many."""
    leg = await soft_switch.call("1001", answered=True)
    for number in range(33):
        await client.execute(leg, "playback", f"silence_stream://{90000 + number}")
    assert await leg.wait_hangup() == "DESTINATION_OUT_OF_ORDER"


async def test_sendmsg_forms(client: Client, soft_switch: Softswitch) -> None:
    """An argument in the body, hangup with a cause, unknown commands told and without effect."""
    leg = await soft_switch.call("1001", answered=True)
    message = f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: set\ncontent-type: text/plain"
    assert (await client.command(f"{message}\ncontent-length: 7\nEvent-UUID: body\n\nx=a b c")).reply == "+OK"
    await complete(client, "body")
    assert leg.export()["x"] == "a b c"[:5]
    await client.command(f"sendmsg {leg.uuid}\ncall-command: unicast")
    private = await client.event("PRIVATE_COMMAND", call_command="unicast")
    assert next(iter(private)) == "Command"
    await client.command(f"sendmsg\nsession-id: {leg.uuid}\ncall-command: hangup\nhangup-cause: USER_BUSY")
    assert await leg.wait_hangup() == "USER_BUSY"


@pytest.mark.parametrize(
    ("loops", "argument", "times"), [("2", "silence_stream://520", 2), ("5", "silence_stream://20", 1)]
)
async def test_loops(client: Client, soft_switch: Softswitch, loops: str, argument: str, times: int) -> None:
    """Repeats end when the application took less than half a second."""
    leg = await soft_switch.call("1001", answered=True)
    await client.execute(leg, "playback", argument, loops=loops)
    await client.event("PRIVATE_COMMAND")
    assert client.names(leg).count("PLAYBACK_START") == times


async def test_a_second_park_is_refused(client: Client, soft_switch: Softswitch) -> None:
    """A leg under control is not parked again."""
    leg = await soft_switch.call("1001", answered=True)
    await client.execute(leg, "park", Event_UUID="again")
    await complete(client, "again")
    assert client.names(leg).count("CHANNEL_PARK") == 1


async def test_park_timeout(client: Client, soft_switch: Softswitch) -> None:
    """park_timeout=seconds:cause hangs up by itself."""
    leg = await soft_switch.call("1001", variables={"park_timeout": "0:NO_ANSWER"})
    assert await leg.wait_hangup() == "NO_ANSWER"


# -- digits


@pytest.mark.parametrize(
    ("terminators", "keys", "used"),
    [("", "1*", "*"), ("none", "1*#", None), ("any", "1", "1"), ("#5", "*5", "5")],
)
async def test_terminators(
    client: Client, soft_switch: Softswitch, terminators: str, keys: str, used: str | None
) -> None:
    """The default is `*`; any and none; the others are taken and ignored; each digit is told once."""
    leg = await soft_switch.call("1001", answered=True, variables={"playback_terminators": terminators})
    await client.execute(leg, "playback", "silence_stream://400", Event_UUID="p")
    await client.event("PLAYBACK_START")
    leg.press(keys)
    done = await complete(client, "p")
    assert done["Application-Response"] == "FILE PLAYED"
    stop = await client.event("PLAYBACK_STOP")
    assert stop["Playback-Status"] == ("done" if used is None else "break")
    assert leg.export().get("playback_terminator_used") == used
    assert [event["DTMF-Digit"] for event in client.events if event["Event-Name"] == "DTMF"] == list(keys)


async def test_digits_are_told_when_taken(client: Client, soft_switch: Softswitch) -> None:
    """Pressed in `sleep`, a digit ends it and waits; park takes it. sensitive_dtmf keeps it secret."""
    leg = await soft_switch.call("1001", answered=True)
    await client.execute(leg, "sleep", "60000", Event_UUID="s")
    await eventually(lambda: soft_switch.journal.executed[-1].application == "sleep")
    leg.press("7")
    await complete(client, "s")
    await client.event("DTMF", DTMF_Digit="7")
    names = client.names(leg)
    assert names.index("DTMF") > len(names) - 1 - names[::-1].index("CHANNEL_EXECUTE_COMPLETE")
    await client.api(f"uuid_setvar {leg.uuid} sensitive_dtmf true")
    leg.press("8")
    await client.api(f"uuid_setvar {leg.uuid} sensitive_dtmf")
    await eventually(lambda: not leg.has_keys)


async def test_sleep_that_eats_digits(client: Client, soft_switch: Softswitch) -> None:
    """sleep_eat_digits=true: digits are taken and it sleeps on; a break ends it."""
    leg = await soft_switch.call("1001", answered=True, variables={"sleep_eat_digits": "true"})
    await client.execute(leg, "sleep", "60000", Event_UUID="s")
    await eventually(lambda: soft_switch.journal.executed[-1].application == "sleep")
    leg.press("7")
    await client.event("DTMF")
    await client.api(f"uuid_break {leg.uuid}")
    await complete(client, "s")
    await client.execute(leg, "sleep", "40", Event_UUID="short")
    await complete(client, "short")
    await client.api(f"uuid_setvar {leg.uuid} sleep_eat_digits")
    await client.execute(leg, "sleep", "40", Event_UUID="plain")
    await complete(client, "plain")


# -- sound


async def test_break(client: Client, soft_switch: Softswitch) -> None:
    """uuid_break ends a playback; `all` forgets what is queued; a parked leg stays parked."""
    leg = await soft_switch.call("1001", answered=True)
    await client.execute(leg, "playback", "silence_stream://60000", Event_UUID="p", event_lock="true")
    await client.event("PLAYBACK_START")
    await client.execute(leg, "set", "never=1", Event_UUID="n")
    assert await client.api(f"uuid_break {leg.uuid} all both") == "+OK\n"
    assert (await complete(client, "p"))["Application-Response"] == "FILE PLAYED"
    await client.api(f"uuid_break {leg.uuid}")
    await client.execute(leg, "set", "after=1", Event_UUID="a")
    await complete(client, "a")
    assert "never" not in leg.export()
    assert "CHANNEL_UNPARK" not in client.names(leg)


async def test_playback_figures(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """A missing file has no PLAYBACK events; parameters ride in them; a seek starts later; hangup is an error."""
    leg = await soft_switch.call("1001", answered=True)
    await client.execute(leg, "playback", "/nowhere.wav", Event_UUID="missing")
    assert (await complete(client, "missing"))["Application-Response"] == "FILE NOT FOUND"
    assert "PLAYBACK_START" not in client.names(leg)
    await client.execute(leg, "playback", "{tag=x}tone_stream://%(200,0,440)@@1200", Event_UUID="seek")
    await complete(client, "seek")
    start, stop = await client.event("PLAYBACK_START"), await client.event("PLAYBACK_STOP")
    assert (start["tag"], stop["tag"], start["Playback-File-Type"]) == ("x", "x", "tone_stream")
    assert stop["variable_playback_last_offset_pos"] == "400"
    await client.execute(leg, "playback", "silence_stream://60000", Event_UUID="cut")
    await client.event("PLAYBACK_START", count=2)
    leg.hangup()
    assert (await complete(client, "cut"))["Application-Response"] == "PLAYBACK ERROR"
    assert (await client.event("PLAYBACK_STOP", count=2))["Playback-Status"] == "done"


async def test_speak_and_gentones(client: Client, soft_switch: Softswitch) -> None:
    """A known engine is heard for a time that depends on the text, without PLAYBACK events; an unknown one is not."""
    leg = await soft_switch.call("1001", answered=True)
    began = soft_switch.position(soft_switch.now())
    for number, (app, argument, sounding) in enumerate(
        [
            ("speak", "flite|kal|hi", True),
            ("speak", "nosuch|kal|hi", False),
            ("speak", "only text", False),
            ("gentones", "%(100,0,440)|2", True),
            ("gentones", "nothing", False),
        ]
    ):
        await client.execute(leg, app, argument, Event_UUID=str(number))
        await complete(client, str(number))
        now = soft_switch.position(soft_switch.now())
        assert bool(leg.heard.read(began, now).any()) is sounding
        began = now
    assert "PLAYBACK_START" not in client.names(leg)


async def test_media_applications_pre_answer(client: Client, soft_switch: Softswitch) -> None:
    """On a ringing leg `playback` gives early media before its CHANNEL_EXECUTE; answer and park don't need it."""
    leg = await soft_switch.call("1001")
    await client.execute(leg, "pre_answer", Event_UUID="0")
    await client.execute(leg, "playback", "silence_stream://20", Event_UUID="1")
    await complete(client, "1")
    names = client.names(leg)
    assert names.count("CHANNEL_PROGRESS_MEDIA") == 1
    await client.execute(leg, "answer", Event_UUID="2")
    assert (await complete(client, "2"))["Answer-State"] == "answered"


# -- variables and expansion


async def test_set_and_its_like(client: Client, soft_switch: Softswitch) -> None:
    """set, export, multiset, unset, and those that only pass."""
    leg = await soft_switch.call("1001", answered=True)
    for app, argument in (
        ("set", "a=1"),
        ("export", "b=2"),
        ("multiset", "c=3 d=4"),
        ("multiset", "^^;e=5 5;f=6"),
        ("unset", "a"),
        ("log", "INFO x"),
        ("eval", "x"),
    ):
        await client.execute(leg, app, argument, Event_UUID=argument)
        await complete(client, argument)
    assert {name: value for name, value in leg.export().items() if name in "abcdef"} == {
        "b": "2", "c": "3", "d": "4", "e": "5 5", "f": "6",
    }  # fmt: skip


async def test_expansion_is_seen(client: Client, soft_switch: Softswitch) -> None:
    """`${…}` is expanded and noted, `${system …}` noted and never run; the lock leaves the text as it is."""
    leg = await soft_switch.call("1001", answered=True, variables={"who": "Ann", "twice": "${who}"})
    text = "say ${who} ${twice} $${who} \\${who} ${caller_id_number} ${system(touch /tmp/x)} "
    text += "${eval ${who}} ${none} ${open"
    await client.execute(leg, "log", text, Event_UUID="1")
    done = await complete(client, "1")
    assert done["Application-Data"] == "say Ann Ann Ann ${who}   Ann  ${open"
    assert [entry.command for entry in soft_switch.journal.system] == ["touch /tmp/x"]
    assert "${who}" in [entry.text for entry in soft_switch.journal.expansions]
    seen = len(soft_switch.journal.expansions)
    await client.api(f"uuid_setvar {leg.uuid} app_disable_expand_variables true")
    await client.execute(leg, "log", text, Event_UUID="2")
    assert (await complete(client, "2"))["Application-Data"] == text
    assert len(soft_switch.journal.expansions) == seen
    await client.execute(leg, "set", "x=${system rm}", Event_UUID="3")
    await complete(client, "3")
    assert soft_switch.journal.system[-1].command == "rm"


async def test_system_is_never_run(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Shell commands land in the journal only."""
    leg = await soft_switch.call("1001", answered=True)
    await client.execute(leg, "system", f"touch {tmp_path}/x", Event_UUID="1")
    await complete(client, "1")
    await client.api(f"system touch {tmp_path}/y")
    assert [entry.command.split()[0] for entry in soft_switch.journal.system] == ["touch", "touch"]
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "y").exists()


async def test_hangup_and_sched_hangup(client: Client, soft_switch: Softswitch) -> None:
    """An unknown cause is NORMAL_CLEARING; +0 is at once; an absolute time is one; no argument is nothing."""
    one, two, three, four = [await soft_switch.call("1001") for _ in range(4)]
    await client.execute(one, "hangup", "NONSENSE")
    await client.execute(two, "sched_hangup", "+0 USER_BUSY")
    await client.execute(three, "sched_hangup", "100 NO_ANSWER")
    await client.execute(four, "sched_hangup", Event_UUID="4")
    await complete(client, "4")
    assert await one.wait_hangup() == "NORMAL_CLEARING"
    assert await two.wait_hangup() == "USER_BUSY"
    assert await three.wait_hangup() == "NO_ANSWER"
    assert not four.hungup


async def test_transfer(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """A transferred leg is unparked and goes on with another dialplan; its recording goes on too."""
    leg = await soft_switch.call("1001", [Speech(9)], answered=True)
    await client.api(f"uuid_record {leg.uuid} start {tmp_path}/a.wav")
    assert await client.api(f"uuid_transfer {leg.uuid} park1") == "+OK\n"
    await client.event("CHANNEL_PARK", count=2)
    assert client.names(leg).count("CHANNEL_UNPARK") == 1
    await client.api(f"uuid_park {leg.uuid}")
    await client.event("CHANNEL_PARK", count=3)
    assert "RECORD_STOP" not in client.names(leg)
    await client.execute(leg, "transfer", "busy")
    assert await leg.wait_hangup() == "USER_BUSY"
    assert soft_switch.journal.recordings[0].reason == "hangup"


# -- foreground recording


@pytest.mark.parametrize(
    ("argument", "keys", "reason"),
    [("", "1#*", "terminator"), (" 1", "", "limit"), (" 60 200 1", "", "silence"), ("", "", "break")],
)
async def test_record(
    client: Client, soft_switch: Softswitch, tmp_path: Path, argument: str, keys: str, reason: str
) -> None:
    """It blocks; digit, limit, silence or break end it; RECORD_STOP has no cause; nothing is discarded."""
    leg = await soft_switch.call("1001", [Speech(0.3), Silence(30)], answered=True)
    path = tmp_path / "a.wav"
    async with lateness() as late:
        await client.execute(leg, "record", f"{path}{argument}", Event_UUID="r")
        await client.event("RECORD_START")
        leg.press(keys)
        if reason == "break":
            await client.api(f"uuid_break {leg.uuid}")
        stop = await client.event("RECORD_STOP")
        await complete(client, "r")
    assert "Record-Completion-Cause" not in stop
    entry = soft_switch.journal.recording(str(path))
    assert (entry.reason, entry.foreground) == (reason, True)
    assert path.stat().st_size == 44 + 2 * entry.frames_written == 44 + 2 * int(stop["variable_record_samples"])
    assert stop["variable_silence_hits_exhausted"] == ("true" if reason == "silence" else "false")
    assert stop.get("variable_playback_terminator_used") == ("*" if reason == "terminator" else None)
    if reason == "limit":
        assert entry.frames_written <= (2 + late.worst) * 8000


async def test_record_and_hangup(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """A hangup is told first; a missing directory is not made: the leg is hung up instead."""
    leg = await soft_switch.call("1001", [Speech(9)], answered=True)
    await client.execute(leg, "record", "rel.wav")
    assert await leg.wait_hangup() == "DESTINATION_OUT_OF_ORDER"
    assert "RECORD_START" not in client.names(leg)
    leg = await soft_switch.call("1001", [Speech(9)], answered=True)
    await client.execute(leg, "record", f"{tmp_path}/a.wav")
    await client.event("RECORD_START")
    leg.hangup()
    await client.event("RECORD_STOP")
    names = client.names(leg)
    assert names.index("CHANNEL_HANGUP") < names.index("RECORD_STOP")
    assert soft_switch.journal.recordings[-1].reason == "hangup"
