"""SWML's variables and control flow on whole calls: what a document computes is what the switch does."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from controller.softswitch.script import Tone
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon

TALK = (Tone(30.0),)


def say(daemon: Daemon, **sections: list[dict[str, Any]]) -> None:
    """Write a document of several sections."""
    daemon.document.write_text(yaml.safe_dump({"version": "1.0.0", "sections": sections}, sort_keys=False))


async def test_a_document_computes_what_it_records(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """A loop records takes named and addressed by expressions; what a section returns chooses how the call ends."""
    status = daemon.receiver.url("/")
    say(
        daemon,
        main=[
            {"set": {"n": 0, "base": status, "path": "status"}},
            {"label": "again"},
            {"set": {"n": "${n + 1}"}},
            {"execute": {"dest": "take", "params": {"name": "take-${n}"}}},
            {"goto": {"label": "again", "when": "n < 3"}},
            {"switch": {"variable": "return_value.last", "case": {"take-3": [{"hangup": {"reason": "busy"}}]}}},
        ],
        take=[
            {"record_call": {"control_id": "%{params.name}", "stereo": "${n == 2}", "status_url": "${base}${path}"}},
            {"sleep": "${n * 100}"},
            {"cond": [{"when": "record_call_result == 'success'", "then": [{"stop_record_call": {}}]}]},
            {"return": {"last": "${record_control_id}", "url": "${record_call_url}"}},
        ],
    )
    await daemon.start()
    call = await switch.call(script=TALK)
    ends = await callbacks.ends(3)
    assert await call.ended() == "USER_BUSY"
    by_name = {end["control_id"]: end for end in ends}
    assert sorted(by_name) == ["take-1", "take-2", "take-3"]
    assert [by_name[name]["record"]["audio"]["stereo"] for name in sorted(by_name)] == [False, True, False]
    assert daemon.unfinished() == []


async def test_hostile_expressions_hurt_nobody(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Runaways, huge strings and commands are text at the end; the call and its recording are as any other."""
    hostile = {
        "time": "${/(a+)+$/.test('a'.repeat(40) + 'b')}",
        "memory": "${'x'.repeat(1e9)}",
        "command": "${system touch /tmp/fsrec-was-here}",
        "escape": "${[].constructor.constructor('return process.mainModule')()}",
        "thrown": "${(() => { throw {toString: () => /(a+)+$/.test('a'.repeat(40) + 'b')} })()}",
    }
    say(
        daemon,
        main=[
            {"set": hostile},
            {
                "record_call": {
                    "control_id": "${system id}|${time}|${memory}|${command}|${escape}|${(thrown.length) > 9}",
                    "status_url": daemon.receiver.url("/status"),
                }
            },
            {"sleep": 200},
            {"hangup": {"reason": "decline"}},
        ],
    )
    await daemon.start()
    call = await switch.call(script=TALK)
    (end,) = await callbacks.ends(1)
    assert await call.ended() == "CALL_REJECTED"
    texts = [hostile[name] for name in ("time", "memory", "command", "escape")]
    assert end["control_id"].split("|") == ["${system id}", *texts, "true"]
    assert end["state"] == "finished"


@pytest.mark.parametrize("daemon_is", ["there", "away"])
async def test_a_call_is_as_long_as_its_answer_allows(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, daemon_is: str
) -> None:
    """The switch itself ends it, daemon or none, counted from the answer; what was recorded is told."""
    say(
        daemon,
        main=[
            {"answer": {"max_duration": 2}},
            {"record_call": {"control_id": "rec", "status_url": daemon.receiver.url("/status")}},
            {"sleep": 1000},
            {"set": {"n": "${n || 1}"}},
            {"sleep": -1},
        ],
    )
    await daemon.spawn()
    call = await switch.call(script=TALK)
    await callbacks.wait("recording")
    if daemon_is == "away":
        await daemon.kill()
    assert await call.ended() == "ALLOTTED_TIMEOUT"
    if daemon_is == "away":
        await daemon.spawn()
    (end,) = await callbacks.ends(1)
    assert end["state"] == "finished"
    assert 0.9 < end["duration"] < 3.1  # the switch counts in whole seconds of its clock


async def test_a_killed_daemon_goes_on_in_the_middle_of_a_section(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """Frames, params, variables and loop counts are in the call's row: the section returns to where it was called."""
    callbacks.once = True
    say(
        daemon,
        main=[
            {"set": {"n": "${1 + 1}"}},
            {
                "execute": {
                    "dest": "take",
                    "params": {"p": "${n * 2}"},
                    "result": [{"when": "return_value == 'take-4 of 2'", "then": [{"hangup": {"reason": "busy"}}]}],
                }
            },
        ],
        take=[
            {
                "cond": [
                    {
                        "else": [
                            {
                                "record_call": {
                                    "control_id": "take-${params.p}",
                                    "status_url": daemon.receiver.url("/status"),
                                }
                            },
                            {"sleep": 3000},
                        ]
                    }
                ]
            },
            {"stop_record_call": {}},
            {"return": "${record_control_id + ' of ' + n}"},
        ],
    )
    await daemon.spawn()
    call = await switch.call(script=TALK)
    await callbacks.wait("recording", "take-4")
    await daemon.kill()
    await daemon.spawn()
    end = await callbacks.wait("finished", "take-4")
    assert end["duration"] > 2.0
    assert await call.ended() == "USER_BUSY"
