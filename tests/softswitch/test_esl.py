"""The event socket: framing, authentication, subscriptions, filters, order, ends (spec/freeswitch.md 3)."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softswitch import Softswitch
from controller.softswitch.esl import GOODBYE
from controller.softswitch.events import Event
from controller.softswitch.subscription import Subscription
from tests.softswitch.client import Client, connect, eventually, raw, running


async def test_authentication(soft_switch: Softswitch) -> None:
    """auth/request, junk keeps the socket, the right password opens it."""
    async with raw(soft_switch) as client:
        assert (await client.read_frame()).kind == "auth/request"
        for junk, reply in (
            ("api status", "-ERR command not found"),
            ("nonsense", "-ERR command not found"),
            ("auth ClueCon", "+OK accepted"),
        ):
            client.send(junk)
            assert (await client.read_frame()).reply == reply
        client.send("api uuid_exists x")
        assert (await client.read_frame()).text == "false"


async def test_wrong_password(soft_switch: Softswitch) -> None:
    """-ERR invalid, the notice of 67 bytes, end of connection."""
    async with raw(soft_switch) as client:
        await client.read_frame()
        client.send("auth wrong")
        assert (await client.read_frame()).reply == "-ERR invalid"
        notice = await client.read_frame()
        assert (notice.kind, notice.text, len(notice.body)) == ("text/disconnect-notice", GOODBYE, 67)
        assert await client.reader.read() == b""


async def test_access_list(tmp_path: Path) -> None:
    """A refused address is told so and put out."""
    async with running(tmp_path, acl_refuses=True) as switch, raw(switch) as client:
        frame = await client.read_frame()
        assert (frame.kind, frame.text) == ("text/rude-rejection", "Access Denied, go away.\n")
        assert await client.reader.read() == b""


@pytest.mark.parametrize("command", ["exit", "exit now", "..."])
async def test_exit(soft_switch: Softswitch, command: str) -> None:
    """+OK bye, the notice, the end; also before authentication."""
    async with connect(soft_switch) as client:
        assert (await client.command(command)).reply == "+OK bye"
        assert (await client.next_reply()).text == GOODBYE
        await client.gone()
    async with raw(soft_switch) as client:
        await client.read_frame()
        client.send("exit")
        assert (await client.read_frame()).reply == "+OK bye"


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_commands_in_any_chunks(sizes: list[int]) -> None:
    """However the bytes arrive, the commands and replies are the same."""

    async def talk() -> list[str]:
        async with running(Path("/tmp")) as switch, raw(switch) as client:  # noqa: S108 (nothing is written)
            await client.read_frame()
            data = b"\r\n\nauth ClueCon\r\n\r\napi uuid_exists x\n\nsendevent CUSTOM\nEvent-Subclass: a\n"
            data += b"content-length: 4\n\n\n\nxxapi create_uuid x\n\nexit\n\n"
            at = 0
            while at < len(data):
                for size in sizes:
                    client.writer.write(data[at : at + size])
                    await client.writer.drain()
                    await asyncio.sleep(0)
                    at += size
            frames = [await client.read_frame() for _ in range(5)]
            return [frame.headers.get("Reply-Text", "")[:3] + frame.text[:5] for frame in frames]

    replies = asyncio.run(talk())
    assert replies[:3] == ["+OK", "false", "+OK"]
    assert len(replies[3]) == 5
    assert replies[4] == "+OK"


async def test_replies_in_order_and_before_their_events(client: Client) -> None:
    """Pipelined commands are answered first in, first out; an event comes after the reply of what caused it."""
    for number in range(20):
        client.send(f"api eval {number}")
    replies = [(await client.next_reply()).text for _ in range(20)]
    assert replies == [str(number) for number in range(20)]
    await client.command("api eval last")
    await client.event("API", API_Command_Argument="last")
    kinds = [(frame.kind, frame.text) for frame in client.frames]
    reply = next(i for i, (kind, text) in enumerate(kinds) if kind == "api/response" and text == "last")
    event = next(i for i, (kind, text) in enumerate(kinds) if kind == "text/event-json" and '"last"' in text)
    assert reply < event


async def test_an_unfinished_command_holds_events_back(client: Client, soft_switch: Softswitch) -> None:
    """No event is delivered while half a command lies in the buffer; the rest of it lets them go."""
    client.writer.write(b"api uuid_exi")
    await client.writer.drain()
    async with connect(soft_switch, "json CHANNEL_PARK") as other:
        leg = await soft_switch.call("1001")
        await other.event("CHANNEL_PARK")
        assert client.names(leg) == []
    client.writer.write(b"sts x\n\n")
    assert (await client.next_reply()).text == "false"
    await client.event("CHANNEL_PARK")


async def test_a_running_api_holds_its_connection(client: Client, soft_switch: Softswitch) -> None:
    """`originate` to somebody who doesn't answer blocks commands and events of its connection, not of others."""
    soft_switch.extensions["never"] = (("park", ""),)
    async with connect(soft_switch) as other:
        client.send("api originate {originate_timeout=1}loopback/never &park()")
        client.send("api eval after")
        await other.event("CHANNEL_PARK")
        assert await other.api("eval meanwhile") == "meanwhile"
        assert client.events == []
    assert (await client.next_reply()).text == "-ERR NO_ANSWER\n"
    assert (await client.next_reply()).text == "after"


async def test_subscriptions(soft_switch: Softswitch) -> None:
    """Additive; formats are the connection's, the last one wins; nixevent takes away; noevents ends all."""
    async with connect(soft_switch, None) as client:
        for command, reply in (
            ("event json", "-ERR no keywords supplied"),
            ("event plain NOT_ONE", "-ERR no keywords supplied"),
            ("event plain HEARTBEAT", "+OK event listener enabled plain"),
            ("event json CHANNEL_PARK NOT_ONE", "+OK event listener enabled json"),
            ("event json CHANNEL_CREATE CUSTOM one::two", "+OK event listener enabled json"),
            ("nixevent CHANNEL_CREATE", "+OK events nixed"),
            ("nixevent NOT_ONE", "-ERR no keywords supplied"),
        ):
            assert (await client.command(command)).reply == reply
        leg = await soft_switch.call("1001")
        await client.command("sendevent CUSTOM\nEvent-Subclass: three::four\nX: 1")
        await client.command("sendevent CUSTOM\nEvent-Subclass: one::two\nX: 2")
        await client.event("CUSTOM", X="2")
        assert client.names(leg) == ["CHANNEL_PARK"]
        assert [event.get("X") for event in client.events if event["Event-Name"] == "CUSTOM"] == ["2"]
        assert (await client.command("nixevent CUSTOM one::two")).reply == "+OK events nixed"
        assert (await client.command("noevents")).reply == "+OK no longer listening for events"
        assert (await client.command("noevents")).reply == "-ERR not listening for events"


async def test_all_covers_unknown_subclasses_until_nixed(soft_switch: Softswitch) -> None:
    """ALL hears every CUSTOM subclass, until the first nixevent."""
    async with connect(soft_switch) as client:
        await client.command("sendevent CUSTOM\nEvent-Subclass: new::one")
        await client.event("CUSTOM", Event_Subclass="new::one")
        await client.command("nixevent API")
        await client.command("sendevent CUSTOM\nEvent-Subclass: new::two")
        await client.command("sendevent MESSAGE\nX: fence")
        await client.event("MESSAGE", X="fence")
        assert len([event for event in client.events if event["Event-Name"] == "CUSTOM"]) == 1


@pytest.mark.parametrize("form", ["plain", "xml"])
async def test_other_formats(soft_switch: Softswitch, form: str) -> None:
    """A client gets the format that it asked for."""
    async with connect(soft_switch, f"{form} CHANNEL_PARK") as client:
        await soft_switch.call("1001", caller_name="a\r\nEvent-Name: HACK")
        await client.until(lambda: any(frame.kind == f"text/event-{form}" for frame in client.frames))
        text = client.frames[-1].text
        assert "a%0D%0AEvent-Name%3A%20HACK" in text
        assert "\nEvent-Name: HACK" not in text


EVENT = Event("X", [("Event-Name", "X"), ("Caller", "+15"), ("Who", "Alice")])


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ([], True),
        ([("Event-Name", "x")], True),
        ([("Event-Name", "Y")], False),
        ([("Event-Name", "Y"), ("who", "alice")], True),
        ([("Who", "alice"), ("Event-Name", "-X")], False),
        ([("Event-Name", "-Y")], False),
        ([("Event-Name", "-Y"), ("Who", "Alice")], True),
        ([("Caller", "+15")], False),
        ([("Caller", "/\\+15/")], True),
        ([("Who", "/^Al/")], True),
        ([("Who", "/(/")], False),
        ([("Who", "-/^Al/"), ("Event-Name", "X")], True),
        ([("Missing", "x")], False),
        ([("Who", "- + Alice")], True),
    ],
)
def test_filters(filters: list[tuple[str, str]], passes: bool) -> None:
    """Positives are ORed, negatives veto, negatives alone let nothing pass, signs are stripped (es:318)."""
    assert Subscription(filters=filters).passes(EVENT) is passes


async def test_filter_commands(client: Client) -> None:
    """Added, deleted by name, by value, altogether; the replies; jobs are filtered like everything."""
    for command, reply in (
        ("filter Event-Name HEARTBEAT", "+OK filter added. [Event-Name]=[HEARTBEAT]"),
        ("filter Who  x y", "+OK filter added. [Who]=[x y]"),
        ("filter delete Who x y", "+OK filter deleted. [Who][x y]"),
        ("filter Who", "-ERR invalid syntax"),
        ("filter", "-ERR command not found"),
    ):
        assert (await client.command(command)).reply == reply
    await client.command("bgapi status\nJob-UUID: unheard")
    await client.command("filter Event-Name BACKGROUND_JOB")
    await client.command("bgapi status\nJob-UUID: heard")
    await client.event("BACKGROUND_JOB", Job_UUID="heard")
    assert all(event.get("Job-UUID") != "unheard" for event in client.events)
    assert (await client.command("filter delete all")).reply == "+OK filter deleted. [all][]"
    await client.command("api status")
    await client.event("API")


async def test_jobs(client: Client) -> None:
    """The reply names the job twice; the event carries its output and argument, and no Unique-ID."""
    reply = await client.command("bgapi eval a b")
    job = reply.headers["Job-UUID"]
    assert reply.reply == f"+OK Job-UUID: {job}"
    event = await client.event("BACKGROUND_JOB", Job_UUID=job)
    assert (event["_body"], event["Job-Command"], event["Job-Command-Arg"]) == ("a b", "eval", "a b")
    await client.command("bgapi nosuch\nJob-UUID: mine")
    event = await client.event("BACKGROUND_JOB", Job_UUID="mine")
    assert event["_body"] == "-ERR nosuch Command not found!\n"
    assert "Unique-ID" not in event
    assert "Job-Command-Arg" not in event


async def test_sendevent_can_forge(client: Client) -> None:
    """Whoever has the socket can fire a RECORD_STOP: its headers precede the core's, Event-Name comes twice."""
    reply = await client.command("sendevent RECORD_STOP\nEvent-Name: FAKE\nUnique-ID: x\ncontent-length: 2\n\nhi")
    await client.until(lambda: any(b'"FAKE"' in frame.body for frame in client.frames))
    text = client.frames[-1].text
    assert text.index('"FAKE"') < text.index('"RECORD_STOP"')
    assert reply.reply.removeprefix("+OK ") in text
    assert json.loads(text)["_body"] == "hi"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("log", "+OK log level  [7]"), ("log 3", "+OK log level 3 [3]"), ("log foo", "-ERR invalid log level"),
        ("nolog", "-ERR not loging"), ("linger", "-ERR not controlling a session"),
        ("nolinger", "-ERR not controlling a session"), ("divert_events on", "-ERR not controlling a session."),
        ("sendmsg", "-ERR invalid session id []"), ("sendmsg nope", "-ERR invalid session id [nope]"),
        ("myevents nope json", "-ERR invalid uuid"), ("bogus", "-ERR command not found"),
    ],
)  # fmt: skip
async def test_other_replies(client: Client, command: str, reply: str) -> None:
    """What the real switch answered, to the letter."""
    assert (await client.command(command)).reply == reply


async def test_nolog_after_log(client: Client) -> None:
    """A client that logs can stop."""
    await client.command("log info")
    assert (await client.command("nolog")).reply == "+OK no longer logging"


async def test_myevents(soft_switch: Softswitch) -> None:
    """The events of one channel, RECORD_START not among them."""
    leg = await soft_switch.call("1001", answered=True)
    other = await soft_switch.call("1002")
    async with connect(soft_switch, None) as client:
        assert (await client.command(f"myevents {leg.uuid} json")).reply == "+OK Events Enabled"
        other.hangup()
        leg.hangup()
        await client.event("CHANNEL_DESTROY")
        assert client.names(other) == []


@pytest.mark.parametrize(
    "command",
    [
        "bgapi reload mod_event_socket",
        "sendmsg x\ncall-command: execute\nexecute-app-arg: please reload the mod_event_socket module",
    ],
)
async def test_the_packet_that_reloads_the_module(soft_switch: Softswitch, command: str) -> None:
    """Two words anywhere in a packet: it is answered as a job and every client is closed."""
    async with connect(soft_switch) as bystander, connect(soft_switch) as client:
        assert (await client.command(command)).reply.startswith("+OK Job-UUID: ")
        await client.gone()
        await bystander.gone()


async def test_the_257th_command_ends_the_connection(soft_switch: Softswitch) -> None:
    """256 commands may wait on a leg; the next is never answered: the client gets the notice."""
    leg = await soft_switch.call("1001")
    async with connect(soft_switch, None) as client:
        await client.execute(leg, "playback", "silence_stream://100000", event_lock="true")
        await eventually(lambda: len(soft_switch.journal.executed) > 3)
        message = f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: a=b"
        for _ in range(257):
            client.send(message)
        for _ in range(256):
            assert (await client.next_reply()).reply == "+OK"
        assert (await client.next_reply()).kind == "text/disconnect-notice"
        await client.gone()
    assert leg.uuid in soft_switch.legs


async def test_a_client_that_does_not_read(soft_switch: Softswitch) -> None:
    """Its queue is bounded: events are dropped, then it is killed with a notice; others hear everything."""
    soft_switch.faults.queue_size = 50
    async with raw(soft_switch) as deaf, connect(soft_switch, "json CUSTOM a") as client:
        await deaf.read_frame()
        deaf.writer.write(b"auth ClueCon\n\nevent plain CUSTOM a\n\n")
        await eventually(lambda: len(soft_switch.journal.commands) >= 4)
        padding = "x" * 60000
        soft_switch.faults.queue_size = 50
        for number in range(900):
            await client.command(f"sendevent CUSTOM\nEvent-Subclass: a\nNumber: {number}\nPad: {padding}")
        await client.event("CUSTOM", Number="899")
        numbers = []
        while (frame := await deaf.read_frame()).kind != "text/disconnect-notice":
            if frame.kind == "text/event-plain":
                numbers.append(int(frame.text.split("Number: ")[1].split("\n")[0]))
        assert frame.text == "killed listener because of lost events\n"
        assert 0 < len(numbers) < 900
        assert len(client.events) == 900


async def test_heartbeat(tmp_path: Path) -> None:
    """It comes by itself, and not when the fault says so."""
    async with running(tmp_path, heartbeat=0.02) as switch, connect(switch, "json HEARTBEAT") as client:
        event = await client.event("HEARTBEAT", count=2)
        assert (event["Event-Info"], event["Session-Count"], event["Core-UUID"]) == (
            "System Ready",
            "0",
            switch.core_uuid,
        )
        switch.faults.stop_heartbeats = True
        due = switch.beats
        await eventually(lambda: switch.beats >= due + 3)
        await client.api("status")
        assert len(client.events) <= due


async def test_stop_tells_everybody(tmp_path: Path) -> None:
    """An orderly end: legs hung up, clients told."""
    switch = Softswitch(directory=tmp_path)
    await switch.start()
    leg = await switch.call("1001", answered=True)
    async with connect(switch) as client:
        await switch.stop()
        notice = await client.next_reply()
        assert notice.text == "The system is being shut down.\n"
        assert await leg.wait_hangup() == "SYSTEM_SHUTDOWN"
        assert "CHANNEL_HANGUP" in client.names(leg)
        await client.gone()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", switch.port)


@pytest.mark.parametrize("sent", [b"a" * 65_536, b"auth x\nContent-Length: 999999999\n\n" + b"a" * 65_000])
async def test_a_stranger_is_not_listened_to_for_ever(soft_switch: Softswitch, sent: bytes) -> None:
    """Without the password, what has no end is cut off after a megabyte, before it fills the memory."""
    _, writer = await asyncio.open_connection("127.0.0.1", soft_switch.port)

    async def send() -> None:
        for _ in range(1000):
            writer.write(sent if not writer.transport.get_write_buffer_size() else b"a" * 65_536)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(send(), 20)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
