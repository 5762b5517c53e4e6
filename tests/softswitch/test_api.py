"""API commands: replies to the letter, as a real switch gave them."""

import json

import pytest

from controller.softswitch import Softswitch
from controller.softswitch.api import uptime
from tests.softswitch.client import Client, connect, eventually, running

NO_CHANNEL = "-ERR No such channel!\n"
ORIGINATE = (
    "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] "
    "[<timeout_sec>]\n"
)


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("sched_hangup", "-USAGE: [+]<time> <uuid> [<cause>]\n"),
        ("sched_hangup +5 nope", NO_CHANNEL),
        ("sched_hangup +5", NO_CHANNEL),
        ("sched_del nope", "+OK Deleted: 0\n"),
        ("uuid_kill nope", NO_CHANNEL),
        ("uuid_kill", "-USAGE: <uuid> [cause]\n"),
        ("uuid_break nope", NO_CHANNEL),
        ("uuid_setvar nope a b", NO_CHANNEL),
        ("uuid_setvar_multi nope a=b", f"{NO_CHANNEL}-USAGE: <uuid> <var>=<value>;<var>=<value>...\n"),
        ("uuid_setvar_multi nope", "-USAGE: <uuid> <var>=<value>;<var>=<value>...\n"),
        ("uuid_getvar nope a", NO_CHANNEL),
        ("uuid_dump nope", NO_CHANNEL),
        ("uuid_exists", "false"),
        ("uuid_broadcast nope foo", "-ERR invalid uuid\n"),
        ("uuid_transfer nope 1", NO_CHANNEL),
        ("uuid_transfer", "-USAGE: <uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]\n"),
        ("uuid_park nope", NO_CHANNEL),
        ("uuid_park", NO_CHANNEL),
        ("uuid_answer nope", "-ERROR\n"),
        ("uuid_recv_dtmf nope 1", "-ERR Cannot locate session!\n"),
        ("uuid_send_dtmf nope 1", "-ERR Cannot locate session!\n"),
        ("module_exists mod_sndfile", "true"),
        ("module_exists nope", "false"),
        ("module_exists", "-ERR no reply\n"),
        ("global_getvar nope", "-ERR no reply\n"),
        ("global_setvar", "-USAGE: <var>=<value> [=<value2>]\n"),
        ("uuid_record", "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n"),
        ("uuid_buglist", "-USAGE: <uuid>\n"),
        ("uuid_buglist nope", "-ERR no reply\n"),
        ("originate", ORIGINATE),
        ("originate loopback/tone/default", ORIGINATE),
        ("originate user/foo &park()", "-ERR SUBSCRIBER_ABSENT\n"),
        ("originate sofia/gateway/x/1 &park()", "-ERR NO_ROUTE_DESTINATION\n"),
        ("originate loopback/nowhere/default &park()", "-ERR NO_ROUTE_DESTINATION\n"),
        ("originate loopback/busy/default &park()", "-ERR USER_BUSY\n"),
        ("show channels as json", '{"row_count": 0}\n'),
        ("show channels", "\n0 total.\n"),
        ("show channels count", "\n0 total.\n"),
        ("eval a  b", "a  b"),
        ("expand eval a", "a"),
        ("expand nosuch", "INVALID COMMAND!\n-ERR Cannot execute command\n"),
        ("version short", "1.11.2-dev\n"),
        ("version", "FreeSWITCH Version 1.11.2-dev (softswitch)\n"),
        ("hupall", "+OK hangup all channels with cause MANAGER_REQUEST\n"),
        ("nosuch", "-ERR nosuch Command not found!\n"),
    ],
)
async def test_replies(client: Client, command: str, reply: str) -> None:
    """Usage, unknown legs, nothing to say."""
    assert await client.api(command) == reply


async def test_show_usage_and_status(client: Client) -> None:
    """The longer ones begin as they should."""
    assert (await client.api("show")).startswith("-USAGE: codec|endpoint|application|api")
    assert "is ready" in await client.api("status")
    assert len(await client.api("create_uuid")) == 36


async def test_variables(client: Client, soft_switch: Softswitch) -> None:
    """Set as it stands, blanks and `${}` included; empty unsets; globals are seen; multi drops `${}` silently."""
    leg = await soft_switch.call("1001", caller_number="+15")
    api, uuid = client.api, leg.uuid
    assert await api(f"uuid_setvar {uuid} a one two ${{three}}") == "+OK\n"
    assert await api(f"uuid_getvar {uuid} A") == "one two ${three}"
    assert await api(f"uuid_setvar {uuid} a") == "+OK\n"
    assert await api(f"uuid_getvar {uuid} a") == "_undef_"
    assert await api(f"uuid_getvar {uuid} caller_id_number") == "+15"
    assert await api("global_setvar g=x") == "+OK"
    assert await api("global_getvar g") == "x"
    assert "g=x\n" in await api("global_getvar")
    assert await api(f"uuid_getvar {uuid} g") == "x"
    assert await api(f"uuid_setvar_multi {uuid} b=1;c=${{x}};d=2\\;3;=9") == "-ERR No variable specified\n+OK\n"
    assert await api(f"uuid_setvar_multi {uuid} =1") == (
        "-ERR No variable specified\n-USAGE: <uuid> <var>=<value>;<var>=<value>...\n"
    )
    assert (leg.variable("b"), leg.variable("c"), leg.variable("d")) == ("1", None, "2;3")


async def test_dump(client: Client, soft_switch: Softswitch) -> None:
    """Four formats; json is exact, plain is raw."""
    leg = await soft_switch.call("1001", variables={"x": "a b\nc"})
    dump = json.loads(await client.api(f"uuid_dump {leg.uuid} json"))
    assert (dump["Event-Name"], dump["variable_x"], dump["Unique-ID"]) == ("CHANNEL_DATA", "a b\nc", leg.uuid)
    assert "variable_x: a%20b%0Ac\n" in await client.api(f"uuid_dump {leg.uuid}")
    assert "variable_x: [a b\nc]\n" in await client.api(f"uuid_dump {leg.uuid} plain")
    assert "<variable_x>a%20b%0Ac</variable_x>" in await client.api(f"uuid_dump {leg.uuid} xml")


async def test_show_channels_lags(client: Client, soft_switch: Softswitch) -> None:
    """A leg is listed a little after it came, and unlisted a little after it went."""
    leg = await soft_switch.call("1001", caller_number="+15")
    assert await client.api("show channels as json") == '{"row_count": 0}\n'
    await eventually(lambda: soft_switch.rows)
    listed = json.loads(await client.api("show channels as json"))
    assert listed["row_count"] == 1
    row = listed["rows"][0]
    assert (row["uuid"], row["dest"], row["cid_num"], row["callstate"]) == (leg.uuid, "1001", "+15", "RINGING")
    text = await client.api("show channels")
    assert text.startswith("uuid,direction,")
    assert text.endswith("\n\n1 total.\n")
    leg.hangup()
    await leg.wait_hangup()
    assert soft_switch.rows
    await eventually(lambda: not soft_switch.rows)


async def test_without_core_sql(tmp_path_factory: pytest.TempPathFactory) -> None:
    """-nosql: nothing can be shown."""
    async with running(tmp_path_factory.mktemp("x"), core_sql=False) as switch, connect(switch) as client:
        assert await client.api("show channels as json") == "-ERR SQL disabled, no data available!\n"


async def test_legs(client: Client, soft_switch: Softswitch) -> None:
    """exists, answer, digits, kill; a leg that is hanging up no longer exists."""
    leg = await soft_switch.call("1001")
    uuid = leg.uuid
    assert await client.api(f"uuid_exists {uuid}") == "true"
    assert await client.api(f"uuid_answer {uuid}") == "+OK\n"
    assert await client.api(f"uuid_send_dtmf {uuid} 12") == f"+OK {uuid} sent DTMF 12.\n"
    assert await client.api(f"uuid_recv_dtmf {uuid} 5@200") == f"+OK {uuid} received DTMF 5@200.\n"
    assert (await client.event("DTMF"))["DTMF-Source"] == "APP"
    assert await client.api(f"uuid_transfer {uuid} -bleg 1") == "-ERR\n"
    assert await client.api(f"uuid_kill {uuid} USER_BUSY") == "+OK\n"
    assert await client.api(f"uuid_exists {uuid}") == "false"
    assert await leg.wait_hangup() == "USER_BUSY"


async def test_scheduled_hangup(client: Client, soft_switch: Softswitch) -> None:
    """Relative, at once, absolute, cancelled."""
    now, soon, kept, absolute = [await soft_switch.call("1001") for _ in range(4)]
    assert await client.api(f"sched_hangup +0 {now.uuid} USER_BUSY") == "+OK\n"
    assert await client.api(f"sched_hangup +1 {soon.uuid}") == "+OK\n"
    assert await client.api(f"sched_hangup +1 {kept.uuid}") == "+OK\n"
    assert await client.api(f"sched_hangup 1000 {absolute.uuid} NO_ANSWER") == "+OK\n"
    assert await client.api(f"sched_del {kept.uuid}") == "+OK Deleted: 2\n"
    causes = [await leg.wait_hangup() for leg in (now, soon, absolute)]
    assert causes == ["USER_BUSY", "ALLOTTED_TIMEOUT", "NO_ANSWER"]
    assert not kept.hungup


async def test_broadcast(client: Client, soft_switch: Softswitch) -> None:
    """A file, or an application with its argument, queued for the leg."""
    leg = await soft_switch.call("1001", answered=True)
    assert await client.api(f"uuid_broadcast {leg.uuid} silence_stream://20 aleg") == "+OK Message sent\n"
    assert await client.api(f"uuid_broadcast {leg.uuid} set::a=b both") == "+OK Message sent\n"
    await eventually(lambda: leg.variable("a") == "b")
    assert "PLAYBACK_STOP" in client.names(leg)


async def test_hupall(client: Client, soft_switch: Softswitch) -> None:
    """Every leg ends."""
    leg = await soft_switch.call("1001")
    assert await client.api("hupall USER_BUSY") == "+OK hangup all channels with cause USER_BUSY\n"
    assert await leg.wait_hangup() == "USER_BUSY"


def test_uptime() -> None:
    """In FreeSWITCH's words."""
    assert uptime(90061.001) == ("0 years, 1 day, 1 hour, 1 minute, 1 second, 1 millisecond, 0 microseconds")
