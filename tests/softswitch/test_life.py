"""Legs' lives, the switch's death and return, and its faults."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from controller.softswitch import Digits, Hangup, Silence, Softswitch, Speech, serve
from tests.softswitch.client import PASSWORD, Client, connect, eventually, no_events_of, raw, running


async def test_a_call_is_parked_with_its_hangup_armed(client: Client, soft_switch: Softswitch) -> None:
    """Variables on it from the start, unanswered, the real order of events; sched_del disarms, once."""
    leg = await soft_switch.call("1001", leg="my-leg", caller_name="Ann", caller_number="+15", variables={"a": "b"})
    park = await client.event("CHANNEL_PARK")
    assert (leg.uuid, park["Unique-ID"], park["Answer-State"], park["variable_a"]) == (
        "my-leg",
        "my-leg",
        "ringing",
        "b",
    )
    assert (park["Caller-Caller-ID-Name"], park["Caller-Caller-ID-Number"]) == ("Ann", "+15")
    assert (park["Caller-Destination-Number"], park["Caller-Context"]) == ("1001", "fsrec")
    assert park["variable_send_silence_when_idle"] == "-1"
    assert client.names(leg) == [
        "CHANNEL_STATE", "CHANNEL_STATE", "CHANNEL_CREATE", "CHANNEL_CALLSTATE", "CHANNEL_STATE", "CHANNEL_STATE",
        "CHANNEL_EXECUTE", "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_EXECUTE", "CHANNEL_EXECUTE_COMPLETE",
        "CHANNEL_EXECUTE", "CHANNEL_PARK",
    ]  # fmt: skip
    newborn, grown = client.events[:2]
    assert ("Caller-Destination-Number" in newborn, "Caller-Destination-Number" in grown) == (False, True)
    assert await client.api("sched_del my-leg") == "+OK Deleted: 1\n"
    assert await client.api("sched_del my-leg") == "+OK Deleted: 0\n"
    with pytest.raises(ValueError, match="my-leg"):
        await soft_switch.call("1001", leg="my-leg")


async def test_the_armed_hangup(client: Client, soft_switch: Softswitch) -> None:
    """Nobody takes the call over: it is hung up with the dialplan's cause."""
    soft_switch.dialplan = (("sched_hangup", "+1 NORMAL_TEMPORARY_FAILURE"),)
    leg = await soft_switch.call("1001")
    assert await leg.wait_hangup() == "NORMAL_TEMPORARY_FAILURE"
    assert soft_switch.journal.hangups[0].cause == "NORMAL_TEMPORARY_FAILURE"
    assert leg.gone


async def test_the_script_begins_with_the_answer(client: Client, soft_switch: Softswitch) -> None:
    """An unanswered caller says and presses nothing; then digits are told one by one, then it hangs up."""
    leg = await soft_switch.call("1001", [Silence(0.1), Digits("1#"), Hangup("NORMAL_CLEARING")])
    await client.event("CHANNEL_PARK")
    with no_events_of(client, leg):
        await client.api("eval a fence")
    await client.api(f"uuid_answer {leg.uuid}")
    await client.event("CHANNEL_DESTROY")
    digits = [event for event in client.events if event["Event-Name"] == "DTMF"]
    assert [(event["DTMF-Digit"], event["DTMF-Source"]) for event in digits] == [("1", "RTP"), ("#", "RTP")]
    final = await client.event("CHANNEL_HANGUP_COMPLETE")
    assert (final["variable_digits_dialed"], final["variable_sip_hangup_disposition"]) == ("1#", "recv_bye")
    assert final["variable_hangup_cause_q850"] == "16"


async def test_a_caller_may_speak_later(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """What is said by and by is recorded, keeps a recorder from ending for silence, and has its digits and hangup."""
    leg = await soft_switch.call("1001", answered=True)
    variables = "{RECORD_INITIAL_TIMEOUT_MS=400,RECORD_FINAL_TIMEOUT_MS=600,RECORD_PRE_BUFFER_FRAMES=0}"
    await client.api(f"uuid_record {leg.uuid} start {tmp_path}/a.wav 0 {variables}")
    leg.say([Speech(0.8), Digits("7"), Hangup()])
    assert await leg.wait_hangup() == "NORMAL_CLEARING"
    (recorded,) = soft_switch.journal.recordings
    assert recorded.reason == "hangup"
    assert 0.8 <= recorded.frames_written / recorded.rate < 1.5
    assert (await client.event("DTMF"))["DTMF-Digit"] == "7"


async def test_without_park_the_call_ends(soft_switch: Softswitch) -> None:
    """A dialplan that comes to its end hangs up."""
    leg = await soft_switch.call("1001", park=False)
    assert await leg.wait_hangup() == "NORMAL_CLEARING"
    leg.hangup()
    leg.press("1")
    leg.answer()
    assert not leg.answered


async def test_crash_and_restart(tmp_path: Path) -> None:
    """Sockets closed without a word, legs gone, headers unfinished; back on its port as another, without legs."""
    switch = Softswitch(directory=tmp_path)
    await switch.start()
    first, port = switch.core_uuid, switch.port
    leg = await switch.call("1001", [Speech(9)], answered=True)
    async with connect(switch) as client:
        path = tmp_path / "a.wav"
        await client.api(f"uuid_record {leg.uuid} start {path} 0 {{enable_file_write_buffering=1024}}")
        await eventually(lambda: path.stat().st_size > 44)
        heard = len(client.frames)
        await switch.crash()
        await client.gone()
        assert all(frame.kind != "text/disconnect-notice" for frame in client.frames[heard:])
    assert path.read_bytes()[40:44] == bytes(4)
    assert (leg.hungup, await leg.wait_hangup(), dict(switch.legs)) == (True, "NONE", {})
    assert switch.journal.recording(str(path)).reason == "crash"
    await switch.restart()
    try:
        assert switch.port == port
        assert switch.core_uuid != first
        async with connect(switch) as client:
            assert await client.api("show channels as json") == '{"row_count": 0}\n'
            await switch.call("1001")
            assert (await client.event("CHANNEL_PARK"))["Core-UUID"] == switch.core_uuid
            await switch.restart()
            await client.gone()
    finally:
        await switch.stop()


async def test_cut_links(client: Client, soft_switch: Softswitch) -> None:
    """Clients are cut; legs and recordings go on, and can be found again."""
    leg = await soft_switch.call("1001", answered=True)
    soft_switch.cut_links()
    await client.gone()
    async with connect(soft_switch) as again:
        assert await again.api(f"uuid_exists {leg.uuid}") == "true"


async def test_stop_without_argument_kills_the_switch(client: Client, soft_switch: Softswitch) -> None:
    """stop_record_session without a path: strcasecmp(NULL) in the real one."""
    leg = await soft_switch.call("1001", answered=True)
    client.send(f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: stop_record_session")
    await client.gone()
    await eventually(lambda: not soft_switch.legs)


async def test_serve(tmp_path: Path) -> None:
    """serve listens until it is cancelled, and ends in order."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    task = asyncio.create_task(serve(port, tmp_path, "secret"))

    async def greeted() -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        line = await reader.readline()
        writer.close()
        return line == b"Content-Type: auth/request\n"

    async with asyncio.timeout(10):
        while not await greeted():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await greeted()


# -- faults


async def test_lost_events_of_recordings(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """START or STOP may be lost; the recording itself is true."""
    leg = await soft_switch.call("1001", [Speech(9)], answered=True)
    soft_switch.faults.lose_record_start = True
    await client.api(f"uuid_record {leg.uuid} start {tmp_path}/a.wav")
    soft_switch.faults.lose_record_stop = True
    await client.api(f"uuid_record {leg.uuid} stop {tmp_path}/a.wav")
    await client.api("eval fence")
    await client.event("API", API_Command_Argument="fence")
    assert not {"RECORD_START", "RECORD_STOP", "MEDIA_BUG_STOP"} & set(client.names(leg))
    assert soft_switch.journal.recordings[0].reason == "stop"


async def test_refused_starts(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Every start fails; the foreground one hangs the leg up."""
    soft_switch.faults.refuse_starts = True
    leg = await soft_switch.call("1001", answered=True)
    assert await client.api(f"uuid_record {leg.uuid} start {tmp_path}/a.wav") == "-ERR Cannot record session!\n"
    await client.execute(leg, "record", f"{tmp_path}/a.wav")
    assert await leg.wait_hangup() == "DESTINATION_OUT_OF_ORDER"


async def test_zombie(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """HANGUP_COMPLETE, but neither RECORD_STOP nor DESTROY, and the leg stays listed."""
    leg = await soft_switch.call("1001", answered=True)
    await client.api(f"uuid_record {leg.uuid} start {tmp_path}/a.wav")
    soft_switch.faults.zombie = True
    leg.hangup()
    await client.event("CHANNEL_HANGUP_COMPLETE")
    assert await leg.wait_hangup() == "NORMAL_CLEARING"
    assert not {"RECORD_STOP", "CHANNEL_DESTROY"} & set(client.names(leg))
    assert leg.uuid in soft_switch.legs
    assert soft_switch.journal.recordings[0].reason == "lost"


async def test_slow_close(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Between the stop and its reply lie seconds, in which the recording is already unknown."""
    leg = await soft_switch.call("1001", [Speech(9)], answered=True)
    path = tmp_path / "a.wav"
    await client.api(f"uuid_record {leg.uuid} start {path}")
    soft_switch.faults.slow_close = 0.3
    client.send(f"api uuid_record {leg.uuid} stop {path}")
    async with connect(soft_switch) as other:
        await eventually(lambda: leg.recorders == [])
        assert await other.api(f"uuid_record {leg.uuid} stop {path}") == "-ERR Cannot stop record session!\n"
        assert "RECORD_STOP" not in other.names(leg)
        await other.event("RECORD_STOP")
    assert (await client.next_reply()).text == "+OK Success\n"


@pytest.mark.parametrize(
    ("variables", "cause", "size"),
    [
        ("enable_file_write_buffering=1024", "uri-failure", 3000),
        ("", "success-maxtime", 3000),
        ("RECORD_USE_THREAD=false,enable_file_write_buffering=1024", "uri-failure", 3000),
    ],
)
async def test_full_disk(
    client: Client, soft_switch: Softswitch, tmp_path: Path, variables: str, cause: str, size: int
) -> None:
    """A refused buffer is uri-failure with full record_ms, a refused rest is a success; the file is short."""
    soft_switch.faults.disk_full_after = 3000
    leg = await soft_switch.call("1001", [Speech(9)], answered=True)
    path = tmp_path / "a.wav"
    block = ",".join(filter(None, ["RECORD_PRE_BUFFER_FRAMES=0", variables]))
    await client.api(f"uuid_record {leg.uuid} start {path} 0 {{{block}}}")
    if "THREAD" not in variables:
        entry = soft_switch.journal.recording(str(path))
        due = entry.started_at + 0.5
        await eventually(lambda: soft_switch.at_wall_clock(due) <= soft_switch.now())
        await client.api(f"uuid_record {leg.uuid} stop {path}")
    told = await client.event("RECORD_STOP")
    assert told["Record-Completion-Cause"] == cause
    assert path.stat().st_size == 44 + size
    assert int(told["variable_record_samples"]) * 2 > size


async def test_full_disk_that_hangs_up(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """RECORD_HANGUP_ON_ERROR takes a refused buffer for a reason to hang up."""
    soft_switch.faults.disk_full_after = 1000
    leg = await soft_switch.call("1001", [Speech(9)], answered=True)
    block = "RECORD_PRE_BUFFER_FRAMES=0,enable_file_write_buffering=1024,RECORD_HANGUP_ON_ERROR=true"
    await client.api(f"uuid_record {leg.uuid} start {tmp_path}/a.wav 0 {{{block}}}")
    assert await leg.wait_hangup() == "DESTINATION_OUT_OF_ORDER"


async def test_jobs_that_are_never_told(client: Client, soft_switch: Softswitch) -> None:
    """The command runs, BACKGROUND_JOB does not come."""
    soft_switch.faults.job_never = True
    await client.command("bgapi global_setvar done=yes")
    await eventually(lambda: soft_switch.global_variables.get("done") == "yes")
    await client.api("eval fence")
    await client.event("API", API_Command_Argument="fence")
    assert all(event["Event-Name"] != "BACKGROUND_JOB" for event in client.events)


async def test_stalled_replies(client: Client, soft_switch: Softswitch) -> None:
    """Replies come, late."""
    soft_switch.faults.stall_replies = 0.1
    before = soft_switch.now()
    await client.command("noevents")
    await client.api("status")
    assert soft_switch.now() - before >= 0.2


async def test_split_and_dropped(tmp_path: Path) -> None:
    """Three bytes at a time all is the same; cut mid-frame, exactly so many bytes have come."""
    async with running(tmp_path) as switch:
        switch.faults.split_bytes = 3
        async with connect(switch) as client:
            await switch.call("1001")
            await client.event("CHANNEL_PARK")
        switch.faults.split_bytes = None
        switch.faults.drop_after_bytes = 60
        async with raw(switch) as client:
            client.send(f"auth {PASSWORD}")
            assert len(await client.reader.read()) <= 60
            assert client.reader.at_eof()


async def test_mute(tmp_path: Path) -> None:
    """The connection stands, and nothing is ever said, until the switch dies."""
    async with running(tmp_path) as switch:
        switch.faults.mute = True
        async with raw(switch) as client:
            client.send(f"auth {PASSWORD}")
            reading = asyncio.ensure_future(client.reader.read(1))
            await asyncio.sleep(0)
            assert not reading.done()
            await switch.crash()
            with pytest.raises(ConnectionResetError):
                await reading


async def test_linger_notice(soft_switch: Softswitch) -> None:
    """A notice that announces a linger does not end the connection."""
    soft_switch.faults.linger_notice = True
    async with connect(soft_switch, None) as client:
        notice = await client.next_reply()
        assert notice.headers["Content-Disposition"] == "linger"
        assert await client.api("eval on") == "on"


async def test_bytes_that_are_no_utf8(client: Client, soft_switch: Softswitch) -> None:
    """A header of every channel event holds bytes that no decoder takes; a caller's own do too."""
    soft_switch.faults.bad_utf8 = True
    await soft_switch.call(
        "1001",
        caller_name="\udcfe\r\nX: 1",
        variables={"sip_h_X-Ok!name": "ARRAY::a|:b", "channel_name": "sofia/x/y", "long": "v" * 9000},
    )
    park = await client.event("CHANNEL_PARK")
    frame = next(f for f in client.frames if b'"CHANNEL_PARK"' in f.body)
    assert b"\xff\xfe" in frame.body
    with pytest.raises(UnicodeDecodeError):
        json.loads(frame.body)
    assert park["Caller-Caller-ID-Name"] == "\udcfe\r\nX: 1"
    assert park["variable_sip_h_X-Ok!name"] == ["a", "b"]
    assert (park["Channel-Name"], len(park["variable_long"])) == ("sofia/x/y", 9000)
