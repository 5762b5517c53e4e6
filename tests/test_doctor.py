"""fsrec doctor: each fault gives its finding and its fix; a sound set-up gives none, and nothing stays behind."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controller.doctor import Call, Finding, Level, examine, exit_code, media, probe, render, switches
from controller.settings import SwitchSettings
from controller.softswitch import Softswitch
from controller.switch import commands
from controller.switch.facts_sip import parse_rtp_timers
from controller.switch.link import Timings
from tests.doctor_fake import OTHER, PASSWORD, SIP, Answer, Fake, bad, dump, fake, leftovers, look, made
from tests.harness.live import LiveSwitch
from tests.switch.peer import Conn, Peer, frame


@pytest.fixture(autouse=True)
def _no_encoding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes processes at each examination; test_doctor_media has it, and the live ones."""

    async def left_out(*_: object) -> list[Finding]:
        return []

    if request.node.get_closest_marker("live") is None:
        monkeypatch.setattr(media, "encoders", left_out)
        monkeypatch.setattr(probe, "playing", left_out)


# A sound set-up


async def test_nothing_wrong(tmp_path: Path) -> None:
    """A sound set-up has only ok findings, exit code 0; no file and no leg of the trial stays behind."""
    async with fake(tmp_path) as (switch, settings):
        findings = await look(settings, heartbeat=5.0)
    assert [one for one in findings if one.level is not Level.OK] == []
    assert {one.subject for one in findings} >= {
        *("data_dir", "routes[0].document", "webhooks.allow_networks", "http.listen", "fs1 local_path"),
        *("fs1 link", "fs1 version", "fs1 modules", "fs1 core SQL", "fs1 recording", "fs1 heartbeat"),
    }
    assert exit_code(findings) == 0
    assert leftovers(tmp_path) == []
    leg = next(text for text in switch.heard if text.startswith("originate")).partition("origination_uuid=")[2][:36]
    assert f"uuid_kill {leg} NORMAL_CLEARING" in switch.heard
    assert "null/fsrec-doctor &playback(" in " ".join(switch.heard)


# The link


@pytest.mark.parametrize(
    ("options", "password", "words"),
    [({}, "wrong", "password"), ({"acl_refuses": True}, "pw", "apply-inbound-acl")],
)
async def test_refused(tmp_path: Path, options: dict[str, Any], password: str, words: str) -> None:
    """A wrong password and an ACL that refuses us are told apart, each with what to change; the secret isn't told."""
    async with softswitch(tmp_path, **options) as switch:
        found = bad(await look(made(tmp_path, switch.port, password=password)), "fs1 link")
    assert found.level is Level.PROBLEM
    assert words in found.what + found.fix
    assert "wrong" not in found.what + found.fix


async def test_unreachable(tmp_path: Path) -> None:
    """A switch that is not there is told with where it was looked for; its directory is examined all the same."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    findings = await look(made(tmp_path, port))
    found = bad(findings, "fs1 link")
    assert found.level is Level.PROBLEM
    assert f"127.0.0.1:{port}" in found.fix
    assert "fs1 local_path" in {one.subject for one in findings}
    assert exit_code(findings) == 1


async def test_no_freeswitch(tmp_path: Path) -> None:
    """Something else that listens there is no switch."""

    async def serve(conn: Conn) -> None:
        await conn.send(frame({"Content-Type": "text/html"}, b"hello"))
        await conn.until_eof()

    async with Peer(serve) as peer:
        settings = made(tmp_path, peer.port)
        findings = await examine(settings, heartbeat=0, timings=Timings(connect=1.0, auth=0.2, reply=1.0))
    assert bad(findings, "fs1 link").level is Level.PROBLEM


async def test_link_breaks(tmp_path: Path) -> None:
    """A link that breaks during the examination is a finding, not an exception."""

    async def serve(conn: Conn) -> None:
        await conn.setup()
        await conn.packet()

    async with Peer(serve) as peer:
        findings = await look(made(tmp_path, peer.port), heartbeat=5.0)
    assert "ended early" in bad(findings, "fs1 link").what


async def test_same_switch_twice(tmp_path: Path) -> None:
    """Two names for one FreeSWITCH are found by its identity, whatever the addresses say."""
    switch = Fake(tmp_path / "recordings")
    async with Peer(switch.serve) as one, Peer(switch.serve) as two:
        settings = made(tmp_path, one.port)
        twin = settings.switches[0].model_copy(update={"name": "fs2", "port": two.port})
        findings = await look(settings.model_copy(update={"switches": (*settings.switches, twin)}))
    assert "same FreeSWITCH as fs1" in bad(findings, "fs2 link").what


# What the switch has


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("FreeSWITCH Version 1.10.6-release\n", "1.10.7 or newer"),
        ("FreeSWITCH Version 1.8.99\n", "1.10.7 or newer"),
        ("-ERR version Command not found!\n", "mod_commands"),
        ("Asterisk\n", "is it FreeSWITCH"),
    ],
)
async def test_version(tmp_path: Path, version: str, words: str) -> None:
    """A FreeSWITCH that is too old, or tells no version, is a problem."""
    async with fake(tmp_path, version=version) as (_, settings):
        found = bad(await look(settings), "fs1 version")
    assert (found.level, words in found.fix) == (Level.PROBLEM, True)


@pytest.mark.parametrize("version", ["1.10.7", "1.10.12-release", "1.11.0", "2.0.0"])
async def test_version_good(tmp_path: Path, version: str) -> None:
    """Versions are compared as numbers."""
    async with fake(tmp_path, version=f"FreeSWITCH Version {version}+git\n") as (_, settings):
        findings = await look(settings)
    assert (
        Finding(Level.OK, "fs1 version", f"Version {version.split('-', maxsplit=1)[0]} (1.10.7 or newer is needed)")
        in findings
    )


@pytest.mark.parametrize(
    ("module", "level"),
    [
        ("mod_commands", Level.PROBLEM),
        ("mod_dptools", Level.PROBLEM),
        ("mod_sndfile", Level.PROBLEM),
        ("mod_tone_stream", Level.WARNING),
        ("mod_flite", Level.WARNING),
        ("mod_loopback", Level.WARNING),
    ],
)
async def test_modules(tmp_path: Path, module: str, level: Level) -> None:
    """Each module that is missing is named with what it is for and how it is loaded."""
    async with fake(tmp_path, answers={f"module_exists {module}": "false"}) as (_, settings):
        findings = await look(settings)
    found = bad(findings, f"fs1 {module}")
    assert (found.level, f"load {module}" in found.fix) == (level, True)
    assert [one for one in findings if one.subject == "fs1 modules"]


@pytest.mark.parametrize(
    ("said", "subject", "words"),
    [
        ("-ERR module_exists Command not found!\n", "fs1 mod_commands", "load mod_commands"),
        ("-ERR permission denied\n", "fs1 API", "esl-allowed-api"),
    ],
)
async def test_no_api(tmp_path: Path, said: str, subject: str, words: str) -> None:
    """Without mod_commands, or the right to use it, that is said once and not once a module."""
    async with fake(tmp_path, answers={"module_exists": said}) as (_, settings):
        findings = await look(settings)
    found = bad(findings, subject)
    assert (found.level, words in found.fix) == (Level.PROBLEM, True)
    assert "fs1 mod_sndfile" not in {one.subject for one in findings}


@pytest.mark.parametrize(
    ("engine", "asked"), [("flite", ["mod_flite"]), ("tts_commandline", ["mod_tts_commandline"]), ("none", [])]
)
async def test_speech_engine(tmp_path: Path, engine: str, asked: list[str]) -> None:
    """The module of the configured engine is looked for, and no other; none is a choice."""
    known = ("mod_flite", "mod_tts_commandline")
    async with fake(tmp_path, answers={f"module_exists {name}": "false" for name in known}) as (switch, settings):
        speech = settings.speech.model_copy(update={"engine": engine})
        findings = await look(settings.model_copy(update={"speech": speech}))
    assert [text.split()[1] for text in switch.heard if text.split()[1] in known] == asked
    for name in asked:
        found = bad(findings, f"fs1 {name}")
        assert "say:" in found.what
        assert f'<load module="{name}"/> in modules.conf.xml' in found.fix
        assert f"freeswitch-{name.replace('_', '-')}" in found.fix


@pytest.mark.parametrize(
    ("setting", "warned"),
    [
        ('<param name="rtp-timer-name" value="soft"/>', False),
        ('<param name="rtp-timer-name" value="none"/>', True),
        ('<param name="rtp-ip" value="::1"/>', True),
    ],
)
async def test_sip_profiles(tmp_path: Path, setting: str, warned: bool) -> None:
    """A SIP profile without an RTP timer loses the time of a caller who sends nothing: told, with the line to add."""
    async with fake(tmp_path, answers={"xml_locate": SIP.format(setting)}) as (_, settings):
        findings = await look(settings)
    if not warned:
        assert "fs1 SIP" not in {one.subject for one in findings}
        return
    found = bad(findings, "fs1 SIP")
    assert (found.level, "internal" in found.what, 'rtp-timer-name" value="soft"' in found.fix) == (
        Level.WARNING,
        True,
        True,
    )


@pytest.mark.parametrize("said", ["can't find anything\n", "-ERR permission denied\n", "<configuration>"])
async def test_no_sip_configuration(tmp_path: Path, said: str) -> None:
    """A switch without SIP, or that tells nothing of it, is none the worse."""
    async with fake(tmp_path, answers={"xml_locate": said}) as (_, settings):
        assert "fs1 SIP" not in {one.subject for one in await look(settings)}


async def test_no_modules_at_all(tmp_path: Path) -> None:
    """No module is listed as present when none is."""
    async with fake(tmp_path, answers={"module_exists": "false"}) as (_, settings):
        assert "fs1 modules" not in {one.subject for one in await look(settings)}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("-ERR SQL disabled, no data available!\n", "-nosql"),
        ("-ERR permission denied\n", "esl-allowed-api"),
        ("x", "show"),
    ],
)
async def test_core_sql(tmp_path: Path, said: str, words: str) -> None:
    """Without its list of calls, a switch can't be reconciled with."""
    async with fake(tmp_path, answers={"show channels": said}) as (_, settings):
        found = bad(await look(settings), "fs1 core SQL")
    assert (found.level, words in found.fix) == (Level.PROBLEM, True)


async def test_core_sql_of_the_softswitch(tmp_path: Path) -> None:
    """A switch that was started without core SQL is found out over a real exchange."""
    async with softswitch(tmp_path, core_sql=False) as switch:
        found = bad(await look(made(tmp_path, switch.port)), "fs1 core SQL")
    assert (found.level, "-nosql" in found.fix) == (Level.PROBLEM, True)


async def test_heartbeat(tmp_path: Path) -> None:
    """A switch without heartbeats would be dropped again and again."""
    async with fake(tmp_path, heartbeat=False) as (_, settings):
        found = bad(await look(settings, heartbeat=0.05), "fs1 heartbeat")
    assert (found.level, "event-heartbeat-interval" in found.fix) == (Level.WARNING, True)


async def test_heartbeat_of_a_broken_link(tmp_path: Path) -> None:
    """A link that breaks while a heartbeat is waited for says so instead of hanging."""
    switch = Fake(tmp_path / "recordings", heartbeat=False)

    async def serve(conn: Conn) -> None:
        serving = asyncio.ensure_future(switch.serve(conn))
        while not any(text.startswith("uuid_kill") for text in switch.heard):
            await asyncio.wait((serving,), timeout=0.01)
        serving.cancel()
        conn.writer.close()

    async with Peer(serve) as peer:
        findings = await look(made(tmp_path, peer.port), heartbeat=30.0)
    assert exit_code(findings) == 1


# Calls that are parked


CHANNELS = json.dumps({"row_count": 1, "rows": [{"uuid": OTHER, "created_epoch": "1795148179"}]})
TASKS = json.dumps(
    {"row_count": 1, "rows": [{"task_desc": "switch_ivr_schedule_hangup", "task_group": OTHER}, "odd", {}]}
)


@pytest.mark.parametrize(
    ("leg", "silence", "tasks", "expected"),
    [
        (dump(), "-1", TASKS, []),
        (dump(), "_undef_", TASKS, ["send_silence_when_idle"]),
        (dump(), "-1", '{"row_count": 0}', ["no hangup armed"]),
        (dump(), "400", '{"row_count": 0}', ["send_silence_when_idle", "no hangup armed"]),
        (dump(), "-1", "-ERR SQL disabled, no data available!", []),
        (dump(), "-1", "[]", []),
        (dump(variable_fsrec_call="0495cc91bd10458ba3b1e67a5c824afe"), "-1", '{"row_count": 0}', []),
        (dump(variable_fsrec_account="a", **{"Caller-Destination-Number": "7"}), "", TASKS, ["send_silence"]),
        (dump(**{"Caller-Destination-Number": "7"}), "", "", None),
        (dump(**{"Answer-State": "hangup"}), "", "", None),
        (dump(variable_current_application="playback"), "", "", None),
        ("-ERR No such channel!\n", "", "", None),
        ("junk", "", "", None),
    ],
)
async def test_parked_legs(tmp_path: Path, leg: str, silence: str, tasks: str, expected: list[str] | None) -> None:
    """Legs parked for us show what the dialplan did; others', leaving and vanished ones are not judged."""
    answers: dict[str, Answer] = {
        "show channels": CHANNELS,
        "show tasks": tasks,
        "uuid_dump": leg,
        f"uuid_getvar {OTHER} send_silence_when_idle": silence,
    }
    async with fake(tmp_path, answers=answers) as (_, settings):
        findings = [one for one in await look(settings) if one.subject == "fs1 dialplan"]
    if expected is None:
        assert findings == []
    elif not expected:
        assert [one.level for one in findings] == [Level.OK]
    else:
        assert [words in one.what for words, one in zip(expected, findings, strict=True)] == [True] * len(expected)
        assert all(one.fix for one in findings)


@pytest.mark.parametrize("later", [{"show tasks": TASKS}, {"uuid_dump": "-ERR No such channel!\n"}])
async def test_late_tables(tmp_path: Path, later: dict[str, Answer]) -> None:
    """A hangup that the switch's table shows a moment later, or a leg gone meanwhile, is no finding."""
    async with fake(tmp_path) as (switch, settings):

        def tasks(_: str) -> str:
            switch.answers.update(later)
            return '{"row_count": 0}'

        switch.answers |= {"show channels": CHANNELS, "uuid_dump": dump(), "uuid_getvar": "-1", "show tasks": tasks}
        findings = [one.level for one in await look(settings) if one.subject == "fs1 dialplan"]
    assert findings == [Level.OK]
    assert switch.answers.items() >= later.items()


# A recording on trial


async def test_not_writable_there(tmp_path: Path) -> None:
    """A directory that FreeSWITCH can't write is told with the command that mends it."""
    answers: dict[str, Answer] = {"uuid_record": "-ERR Cannot record session!\n"}
    async with fake(tmp_path, answers=answers) as (switch, settings):
        found = bad(await look(settings), "fs1 recording")
    assert (found.level, f"install -d -o freeswitch -g freeswitch -m 2770 {tmp_path}" in found.fix) == (
        Level.PROBLEM,
        True,
    )
    assert switch.heard[-1].startswith("uuid_kill")


async def test_another_directory(tmp_path: Path) -> None:
    """Recordings that appear somewhere else mean that the two paths are not one directory."""
    async with fake(tmp_path, answers={"uuid_record": "+OK Success\n"}) as (_, settings):
        found = bad(await look(settings), "fs1 recording")
    assert (found.level, "one directory" in found.fix, "rm " in found.fix) == (Level.PROBLEM, True, True)


async def test_not_stopped(tmp_path: Path) -> None:
    """A recording that can't be stopped is a problem, and its file goes all the same."""
    async with fake(tmp_path) as (switch, settings):
        switch.answers["uuid_record"] = lambda text: (
            switch.record(text) if " start " in text else "-ERR Cannot stop record session!\n"
        )
        found = bad(await look(settings), "fs1 recording")
    assert (found.level, "could not be stopped" in found.what) == (Level.PROBLEM, True)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("raw", [b"", b"RIFF" + bytes(40), bytes(1000)])
async def test_no_audio(tmp_path: Path, raw: bytes) -> None:
    """A file that is no WAV with audio in it is not taken for a recording."""
    async with fake(tmp_path, wav=raw) as (_, settings):
        found = bad(await look(settings), "fs1 recording")
    assert (found.level, f"{len(raw)} bytes" in found.what) == (Level.PROBLEM, True)


async def test_file_goes_away(tmp_path: Path) -> None:
    """A recording that vanishes before it is read is told."""
    async with fake(tmp_path) as (switch, settings):

        def record(text: str) -> str:
            said = switch.record(text)
            if " stop " in text:
                (switch.directory / Path(text.split(" ")[3]).name).unlink()
            return said

        switch.answers["uuid_record"] = record
        found = bad(await look(settings), "fs1 recording")
    assert (found.level, "No such file" in found.what) == (Level.PROBLEM, True)


async def test_not_readable_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of FreeSWITCH's that we may not read is told with owner and mode, and the group to join."""

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    async with fake(tmp_path) as (_, settings):
        monkeypatch.setattr(Path, "read_bytes", refuse)
        found = bad(await look(settings), "fs1 recording")
    assert found.level is Level.PROBLEM
    assert "-rw" in found.what
    assert "usermod -aG" in found.fix
    assert "0750" in found.fix


async def test_not_removable_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial's file that can't be removed is not forgotten."""

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    async with fake(tmp_path) as (_, settings):
        monkeypatch.setattr(Path, "unlink", refuse)
        found = bad(await look(settings), "fs1 recording")
    assert (found.level, f"rm {tmp_path}" in found.fix) == (Level.WARNING, True)


@pytest.mark.parametrize("said", ["-ERR CHAN_NOT_IMPLEMENTED\n", "-ERR permission denied\n"])
async def test_no_leg(tmp_path: Path, said: str) -> None:
    """Without a leg there is no trial, which is no fault of the set-up."""
    async with fake(tmp_path, answers={"originate": said}) as (_, settings):
        found = bad(await look(settings), "fs1 recording")
    assert (found.level, "mod_loopback" in found.fix) == (Level.WARNING, True)


async def test_jobs_refused(tmp_path: Path) -> None:
    """A switch that takes no job of ours is told, not raised."""
    async with fake(tmp_path, jobs=False) as (_, settings):
        found = bad(await look(settings), "fs1 recording")
    assert (found.level, "permission denied" in found.what) == (Level.WARNING, True)


async def test_switch_names_another_directory(tmp_path: Path) -> None:
    """The shipped configuration tells its directory; another one in fsrec.yaml is pointed out."""
    async with fake(tmp_path, answers={"global_getvar": "/srv/recordings"}) as (_, settings):
        found = bad(await look(settings), "fs1 switch_path")
    assert (found.level, "/srv/recordings" in found.what) == (Level.WARNING, True)
    async with fake(tmp_path, answers={"global_getvar": f"{tmp_path}/recordings/"}) as (_, settings):
        assert "fs1 switch_path" not in {one.subject for one in await look(settings)}


# A call on trial


def calling(**answers: Answer) -> dict[str, Answer]:
    return {
        "uuid_getvar": lambda command: OTHER if command.endswith("other_loopback_leg_uuid") else "-1",
        "uuid_dump": dump(),
        "show tasks": TASKS,
        **answers,
    }


async def test_call(tmp_path: Path) -> None:
    """A call through the dialplan that is parked and prepared is ok, and is hung up."""
    async with fake(tmp_path, answers=calling()) as (switch, settings):
        findings = [one for one in await look(settings, call=Call("1001", "inbound")) if one.subject == "fs1 call"]
    assert [one.level for one in findings] == [Level.OK]
    assert any("loopback/1001/inbound &playback" in text for text in switch.heard)
    assert switch.heard[-1].startswith("uuid_kill")


async def test_call_of_a_daemon(tmp_path: Path) -> None:
    """A call that a running daemon takes over shows that it does."""
    taken = dump(variable_fsrec_call="0495cc91bd10458ba3b1e67a5c824afe", variable_current_application="playback")
    async with fake(tmp_path, answers=calling(uuid_dump=taken)) as (_, settings):
        findings = await look(settings, call=Call("1001"))
    assert Finding(Level.OK, "fs1 call", "1001 was taken over by a running fsrec") in findings


async def test_call_unprepared(tmp_path: Path) -> None:
    """A dialplan that forgot something is found by the call, and nothing is called ok then."""
    answers = calling(**{"show tasks": '{"row_count": 0}'})
    async with fake(tmp_path, answers=answers) as (_, settings):
        findings = await look(settings, call=Call("1001"))
    assert "no hangup armed" in bad(findings, "fs1 dialplan").what
    assert "fs1 call" not in {one.subject for one in findings}


@pytest.mark.parametrize(
    "answers",
    [
        {"originate": lambda command: "-ERR NO_ROUTE_DESTINATION\n" if "loopback" in command else "+OK\n"},
        calling(uuid_dump=dump(variable_current_application="answer")),
        calling(uuid_dump="-ERR No such channel!\n"),
    ],
)
async def test_call_not_parked(tmp_path: Path, answers: dict[str, Answer]) -> None:
    """A context that doesn't park the call for us is a problem, with the dialplan to include."""
    async with fake(tmp_path, answers=answers) as (_, settings):
        found = bad(await look(settings, call=Call("1001", "inbound")), "fs1 call")
    assert (found.level, "dialplans/fsrec.xml" in found.fix, "inbound" in found.what) == (Level.PROBLEM, True, True)


async def test_call_of_nonsense(tmp_path: Path) -> None:
    """What is no number is never said to a switch."""
    async with fake(tmp_path) as (switch, settings):
        found = bad(await look(settings, call=Call("1001/app=system:x")), "fs1 call")
    assert found.level is Level.PROBLEM
    assert "system" not in " ".join(switch.heard)


# The table


def test_render() -> None:
    """The table has a line a finding, its fix below, long ones wrapped under themselves, and the counts."""
    findings = [
        Finding(Level.OK, "a", "fine"),
        Finding(Level.WARNING, "fs1 x", "word " * 12, "do this"),
        Finding(Level.PROBLEM, "a", "bad\r\nproblem  b  forged\x1b[2J", "mend"),
    ]
    assert render(findings, width=50).splitlines() == [
        "ok       a      fine",
        "warning  fs1 x  word word word word word word word",
        "                word word word word word",
        "                fix: do this",
        "problem  a      bad??problem  b  forged?[2J",
        "                fix: mend",
        "1 ok, 1 warning, 1 problem",
    ]
    assert render([]) == "0 ok, 0 warnings, 0 problems"


@pytest.mark.parametrize(
    ("levels", "code"), [([], 0), ([Level.OK, Level.WARNING], 0), ([Level.OK, Level.PROBLEM, Level.OK], 1)]
)
def test_exit_code(levels: list[Level], code: int) -> None:
    """Only problems make the command fail."""
    assert exit_code([Finding(level, "a", "b") for level in levels]) == code


# On switches


@asynccontextmanager
async def softswitch(tmp_path: Path, **options: Any) -> AsyncIterator[Softswitch]:
    switch = Softswitch(directory=tmp_path, password=PASSWORD, **options)
    await switch.start()
    try:
        yield switch
    finally:
        await switch.stop()


async def test_softswitch(tmp_path: Path) -> None:
    """Over a real exchange with the softswitch, a sound set-up has no problem, and a call is parked and hung up."""
    async with softswitch(tmp_path, heartbeat=0.1) as switch:
        findings = await look(made(tmp_path, switch.port), heartbeat=5.0, call=Call("1001"))
    assert [one for one in findings if one.level is Level.PROBLEM] == []
    assert Finding(Level.OK, "fs1 heartbeat", "comes") in findings
    assert Finding(Level.OK, "fs1 call", "1001 is parked, prepared as it should be") in findings
    assert [entry for entry in leftovers(tmp_path) if entry.name.startswith("fsrec-doctor")] == []


@pytest.mark.live
async def test_live(tmp_path: Path, live: LiveSwitch) -> None:
    """On a real FreeSWITCH with the shipped configuration nothing is a problem, and each trial is made."""
    address = live.direct
    settings = made(tmp_path, address.port, password=address.password)
    here = settings.switches[0].model_copy(
        update={"switch_path": str(live.recordings), "local_path": live.recordings}
    )
    settings = settings.model_copy(update={"switches": (here,)})
    findings = await examine(settings, call=Call("1001"), heartbeat=0, check=lambda text, source, vendor: ())
    assert [one for one in findings if one.level is Level.PROBLEM] == []
    assert {one.subject for one in findings if one.level is Level.WARNING} <= {"fs1 switch_path"}
    assert {"fs1 recording", "fs1 call", "fs1 modules", "fs1 playing", "speech", "encoders"} <= {
        one.subject for one in findings if one.level is Level.OK
    }
    assert list(live.recordings.iterdir()) == []


@pytest.mark.live
async def test_live_faults(tmp_path: Path, live: LiveSwitch) -> None:
    """On a real FreeSWITCH a wrong password and a directory that can't be made are told as what they are."""
    address = live.direct
    (tmp_path / "file").write_text("")
    settings = made(tmp_path, address.port, password="wrong")
    assert "password" in bad(await examine(settings, heartbeat=0), "fs1 link").fix
    settings = made(tmp_path, address.port, password=address.password)
    there = settings.switches[0].model_copy(update={"switch_path": f"{tmp_path}/file/recordings"})
    settings = settings.model_copy(update={"switches": (there,)})
    assert "install -d" in bad(await examine(settings, heartbeat=0), "fs1 recording").fix


@pytest.mark.live
async def test_live_speech(tmp_path: Path, live: LiveSwitch) -> None:
    """On a real FreeSWITCH an engine that is not loaded is told with the line that loads it."""
    address = live.direct
    settings = made(tmp_path, address.port, "speech: {engine: cepstral}\n", password=address.password)
    found = bad(await examine(settings, heartbeat=0), "fs1 mod_cepstral")
    assert (found.level, '<load module="mod_cepstral"/>' in found.fix) == (Level.WARNING, True)


@pytest.mark.live
async def test_live_sip_configuration(live: LiveSwitch) -> None:
    """A real FreeSWITCH tells what its profiles are set to; the one that is shipped has a timer."""
    address = live.direct
    switch = SwitchSettings.model_validate(
        {"name": "fs1", "port": address.port, "password": address.password, "switch_path": "/r", "local_path": "/r"}
    )
    async with switches.attached(switch) as session:
        assert parse_rtp_timers((await session.send(commands.SipConfiguration())).text) == {"internal": "soft"}
