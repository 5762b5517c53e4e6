"""`fsrec recordings`, `webhooks` and `switches` beside a daemon that records calls."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from controller.console.key import key_file
from controller.softswitch.script import Tone
from tests.harness.switch import Switch
from tests.scenarios.daemon import PROJECT, TOKEN, Callbacks, Daemon, record_call
from tests.scenarios.operator import Operator, operator, plain

HOSTILE = "[red]x[/] \x1b]0;owned\x07\x1b[2J\u202egnp.exe"
TALK = (Tone(60.0),)


async def recorded(daemon: Daemon, switch: Switch, *, caller: str = "+4930123456", hold: bool = False) -> Operator:
    """An operator of a daemon that has recorded a call, or still records it."""
    daemon.say(record_call(daemon.receiver), {"sleep": 600_000 if hold else 300}, {"hangup": {}})
    made = await operator(daemon)
    call = await switch.call(script=TALK, caller_number=caller, caller_name=caller)
    if hold:
        await daemon.callbacks.wait("recording")
    else:
        await daemon.callbacks.wait("finished")
        await call.ended()
    return made


async def test_list_and_show(daemon: Daemon, switch: Switch) -> None:
    """A recorded call is found by each filter that fits it and by no other, and told to its end."""
    made = await recorded(daemon, switch)
    (row,) = (await made.fsrec("recordings", "list", "--json")).lines
    assert {row[key] for key in ("state", "account", "dialect", "switch")} == {"completed", "acme", "swml", "fs1"}
    assert row["called"] == "1001"
    assert row["duration"] > 0
    fits = ("--state", "failed", "--state", "completed", "--since", "1h", "--account", "acme", "--dialect", "swml")
    for text in (row["caller"][2:7], f"RE{row['id'].replace('-', '')}"):
        assert (await made.fsrec("recordings", "list", "--json", *fits, "--text", text)).lines == [row]
    for other in (["--until", "1h"], ["--live"]):
        found = await made.fsrec("recordings", "list", "--json", *other)
        assert (found.code, found.out) == (0, "")
    piped = await made.fsrec("recordings", "list")
    head, line = piped.out.splitlines()
    assert head.split()[:4] == ["ID", "STATE", "REQUESTED", "LENGTH"]
    assert line.split()[0] == row["id"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.split()[2])
    for name in (row["id"][:6].upper(), f"RE{row['id'].replace('-', '')}"):
        story = (await made.fsrec("recordings", "show", name, "--json")).json
        assert story["recording"] == row
        assert [step["state"] for step in story["history"]][-1] == "completed"
        assert story["webhooks"][0]["tried"][0]["status"] == 200
    text = (await made.fsrec("recordings", "show", row["id"])).out
    for words in (row["id"], "completed", "What happened", "Who was told", daemon.receiver.url("/status"), "200"):
        assert words in text


async def test_stop_pause_and_resume(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """What runs is paused, resumed and stopped by the beginning of its id; what is over is not: it says why."""
    made = await recorded(daemon, switch, hold=True)
    (row,) = (await made.fsrec("recordings", "list", "--live", "--json")).lines
    assert row["elapsed"] >= 0
    assert "RUNS" in (await made.fsrec("recordings", "list", "--live")).out
    for verb, more, state in (("pause", ("--behavior", "silence"), "paused"), ("resume", (), "recording")):
        done = await made.fsrec("recordings", verb, row["id"][:8], *more)
        assert done.code == 0, done.err
        await callbacks.wait(state)
    done = await made.fsrec("recordings", "stop", row["id"], "--json")
    assert (done.code, done.lines[0]["id"]) == (0, row["id"])
    await callbacks.wait("finished")
    again = await made.fsrec("recordings", "stop", row["id"], "ffffffff-ffff-4fff-bfff-ffffffffffff")
    assert again.code == 1
    first, second = again.err.splitlines()
    assert first.startswith(f"fsrec: {row['id']}: ")
    assert "ended" in first
    assert second == "fsrec: ffffffff-ffff-4fff-bfff-ffffffffffff: there is no such recording"


async def test_webhooks_are_replayed(daemon: Daemon, switch: Switch) -> None:
    """One that was given up is listed with its reason, shown with its attempt, and delivered by a replay."""
    daemon.receiver.plan("/status", 410)
    daemon.say(record_call(daemon.receiver), {"sleep": 200}, {"hangup": {}})
    made = await operator(daemon)
    await switch.call(script=TALK)
    await daemon.receiver.wait("/status", 1)
    async with asyncio.timeout(20):
        while not (dead := (await made.fsrec("webhooks", "list", "--state", "dead", "--json")).lines):
            await asyncio.sleep(0.05)
    shown = (await made.fsrec("webhooks", "show", dead[0]["id"][:8], "--json")).json
    assert [attempt["status"] for attempt in shown["tried"]] == [410]
    text = (await made.fsrec("webhooks", "show", dead[0]["id"])).out
    assert "410" in text
    assert shown["reason"] in text
    daemon.receiver.plan("/status", 500)
    failed = await made.fsrec("webhooks", "replay", dead[0]["id"], "--wait")
    assert failed.code == 1
    assert "500" in failed.err
    daemon.receiver.plan("/status", 200)
    done = await made.fsrec("webhooks", "replay", "--dead", "--account", "acme", "--since", "1h", "--wait", "--json")
    assert done.code == 0
    told = await made.fsrec("webhooks", "replay", dead[0]["id"], "--wait")
    assert (told.code, told.out) == (0, f"{dead[0]['id']}  delivered\n")
    nothing = await made.fsrec("webhooks", "replay", "--dead")
    assert (nothing.code, nothing.out) == (0, "0 of 0 begun anew\n")


async def test_switches_are_reconciled(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """The link is cut and made anew under a recording, which goes on; the command waits until it is served."""
    made = await recorded(daemon, switch, hold=True)
    (before,) = (await made.fsrec("switches", "list", "--json")).lines
    assert (before["state"], before["calls"], before["recordings"]) == ("serving", 1, 1)
    done = await made.fsrec("switches", "reconcile", "fs1")
    assert (done.code, done.out) == (0, "fs1  serving\n"), done.err
    (after,) = (await made.fsrec("switches", "list", "--json")).lines
    assert after["connected_at"] > before["connected_at"]
    assert (after["state"], after["recordings"]) == ("serving", 1)
    wrong = await made.fsrec("switches", "reconcile", "fs2")
    assert (wrong.code, wrong.err) == (1, "fs2: there is no switch fs2\n")


async def test_files_are_derived(daemon: Daemon, switch: Switch) -> None:
    """All that is complete gets its mp3; one that has none fails alone; the same again makes nothing anew."""
    made = await recorded(daemon, switch)
    (row,) = (await made.fsrec("recordings", "list", "--json")).lines
    for _ in range(2):
        done = await made.fsrec("recordings", "derive", "--format", "mp3", "--since", "1h")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("1 of 1 have their mp3, ")
    missing = "ffffffff-ffff-4fff-bfff-ffffffffffff"
    both = await made.fsrec("recordings", "derive", "--format", "mp3", missing, row["id"], "--json")
    assert both.code == 1
    assert both.err == f"{missing}: there is no such recording\n"
    assert both.lines[0]["size"] > 0


@pytest.mark.parametrize("switch", ["soft"], indirect=True)  # whose callers may say anything
async def test_hostile_texts_are_text(daemon: Daemon, switch: Switch) -> None:
    """A caller's escape sequences, markup and reversed text are shown escaped, on a terminal and elsewhere."""
    made = await recorded(daemon, switch, caller=HOSTILE)
    (row,) = (await made.fsrec("recordings", "list", "--json")).lines
    assert "[red]" in row["caller"]
    for arguments in (("list",), ("show", row["id"])):
        for shown in (await made.fsrec("recordings", *arguments), await made.on_terminal("recordings", *arguments)):
            text = plain(shown.out)
            assert "[red]x[/]" in text, text
            assert not set(text) & {"\x1b", "\x07", "\u202e"}, text


async def test_a_terminal_gets_a_table(daemon: Daemon, switch: Switch) -> None:
    """Coloured, ids short where it is narrow; without colours where NO_COLOR says so; no line wider than it is."""
    made = await recorded(daemon, switch)
    (row,) = (await made.fsrec("recordings", "list", "--json")).lines
    narrow = await made.on_terminal("recordings", "list", columns=90)
    assert "\x1b[32m" in narrow.out
    assert row["id"][:8] in narrow.out
    assert row["id"] not in narrow.out
    assert max(map(len, plain(narrow.out).splitlines())) <= 90
    wide = await made.on_terminal("recordings", "list", columns=160, NO_COLOR="1")
    assert row["id"] in wide.out
    assert "\x1b[32m" not in wide.out
    bar = await made.on_terminal("recordings", "derive", "--format", "mp3", "--all")
    assert "deriving mp3" in plain(bar.out)
    assert "1/1" in plain(bar.out)


async def test_who_may(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """An account sees its own by its token; wrong tokens see nothing, and are told which would be right."""
    made = await recorded(daemon, switch)
    remote = ("--url", daemon.url)
    mine = await made.fsrec(
        "recordings", "list", "--json", *remote, "--user", PROJECT, config=False, FSREC_TOKEN=TOKEN
    )
    assert len(mine.lines) == 1
    refused = await made.fsrec("switches", "list", *remote, "--user", PROJECT, "--token", TOKEN, config=False)
    assert refused.code == 1
    assert "only the operator" in refused.err
    for given in (("--user", PROJECT, "--token", "wrong"), ("--token", "wrong")):
        wrong = await made.fsrec("recordings", "list", *remote, *given, config=False)
        assert (wrong.code, wrong.out) == (1, "")
        assert "does not take this token" in wrong.err
    unnamed = await made.fsrec("recordings", "list", *remote, config=False)
    assert unnamed.code == 2
    assert "--token" in unnamed.err
    key_file(daemon.data).chmod(0o644)
    known = await made.fsrec("recordings", "list")
    assert known.code == 1
    assert "may be read by others than its owner" in known.err


async def test_nobody_is_there(daemon: Daemon, switch: Switch) -> None:
    """It is said where a daemon was looked for, and how one is started; settings that are none end with 78."""
    made = await operator(daemon)
    url = daemon.url
    await daemon.stop()
    gone = await made.fsrec("recordings", "list")
    assert gone.code == 1
    assert gone.err.startswith(f"fsrec: no daemon answers at {url}: ")
    assert f"fsrec run --config {made.config}" in gone.err
    key_file(daemon.data).unlink()
    assert "no daemon of these settings has run here yet" in (await made.fsrec("webhooks", "list")).err
    made.config.write_text("http: {listen: nonsense}\n")
    wrong = await made.fsrec("recordings", "list")
    assert wrong.code == 78
    assert f"{made.config}:1: http.listen" in wrong.err


async def test_the_daemons_secrets_need_not_be_known(daemon: Daemon, switch: Switch) -> None:
    """A settings file whose passwords come from the daemon's environment serves its operators without them."""
    made = await operator(daemon)
    text = made.config.read_text()
    made.config.write_text(text.replace(switch.address.password, "${FSREC_NOT_SET_HERE}"))
    assert (await made.fsrec("recordings", "list")).code == 0
