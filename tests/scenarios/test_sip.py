"""Calls over SIP with RTP: recorded as spoken, ended by either side at any moment, whatever the caller says."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.calls.events import CallEnded
from controller.softswitch.script import Hangup, Script, Silence, Speech, Tone, render
from tests.harness.audio import Sound, read_wav
from tests.harness.esl import Event, connected
from tests.harness.live import LiveSwitch
from tests.harness.receiver import Answer
from tests.harness.sip import sip_call
from tests.scenarios.daemon import Callbacks, Daemon, record_call, swml
from tests.scenarios.phone import Words, calling, seconds
from tests.scenarios.test_dial import DIALLING, SHORT, heard
from tests.scenarios.test_ringing import RING, WINDOW, hears

pytestmark = pytest.mark.live
FOREVER = {"sleep": -1}
NEAR = 0.1
"""Seconds by which a recording may be longer or shorter than what was played, and a sound early or late in it."""


@pytest.fixture
def switch(live: LiveSwitch) -> LiveSwitch:
    """Only a real one speaks SIP."""
    return live


async def fetched(daemon: Daemon, end: dict[str, Any], path: Path) -> Sound:
    """What the callback's URL serves, which is as long as the callback says."""
    assert await daemon.fetch(end["url"], path) == 200
    sound = read_wav(path)
    assert sound.finished
    assert sound.rate == 8000
    assert abs(sound.seconds - end["duration"]) < 0.001
    return sound


@pytest.mark.parametrize("stereo", [False, True])
@pytest.mark.usefixtures("need_sipp")
async def test_what_a_caller_says_is_recorded_where_it_was_said(
    daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks, tmp_path: Path, stereo: bool
) -> None:
    """sipp speaks and says BYE: as long as what was played, each sound at its place; in stereo on the left alone."""
    daemon.say(record_call(daemon.receiver, stereo=stereo), FOREVER)
    await daemon.start()
    script: Script = [Silence(0.2), Speech(0.9), Silence(0.5), Tone(0.6, 700), Silence(0.4)]
    async with sip_call(switch, script=[*script, Hangup()], name="Ada") as call:
        end = await callbacks.wait("finished")
        assert await call.ended() == 0
    assert callbacks.states() == ["recording", "finished"]
    sound = await fetched(daemon, end, tmp_path / "got.wav")
    assert sound.channels == (2 if stereo else 1)
    played = Sound(8000, render(script).samples.reshape(-1, 1) / 32768, finished=True)
    assert sound.seconds == pytest.approx(played.seconds, abs=NEAR)
    heard, said = sound.sounding(), played.sounding()
    assert len(heard) == len(said) == 2
    for there, here in zip(heard, said, strict=True):
        assert there.seconds == pytest.approx(here.seconds, abs=0.03)
        assert there.start == pytest.approx(here.start, abs=NEAR)
    assert sound.hz(0, heard[1]) == pytest.approx(700, abs=5)
    if stereo:
        assert sound.loudness(1) < 0.001


@pytest.mark.usefixtures("need_sipp")
async def test_our_hangup_is_a_bye(daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks, tmp_path: Path) -> None:
    """The document hangs up an answered call: sipp gets its BYE, and the recording is as long as the sleep."""
    daemon.say(record_call(daemon.receiver), {"sleep": 1200}, {"hangup": {}})
    await daemon.start()
    async with sip_call(switch, script=[Tone(0.6)]) as call:
        assert await call.ended() == 0
    end = await callbacks.wait("finished")
    sound = await fetched(daemon, end, tmp_path / "got.wav")
    assert sound.seconds == pytest.approx(1.2, abs=NEAR)


@pytest.mark.parametrize(
    ("reason", "status", "cause"),
    [("hangup", 480, "cause=16"), ("busy", 486, "cause=17"), ("decline", 603, "cause=21")],
)
@pytest.mark.parametrize("answered", [False, True])
async def test_reasons_to_hang_up_reach_the_caller(
    daemon: Daemon, switch: LiveSwitch, reason: str, status: int, cause: str, answered: bool
) -> None:
    """Unanswered, the INVITE is answered by the fitting status; answered, it is a BYE with the cause."""
    daemon.say(*([{"answer": {}}] if answered else []), {"hangup": {"reason": reason}})
    await daemon.start()
    async with calling(switch.sip_port) as phone:
        await phone.until(lambda: phone.over)
        finals = [code for code in phone.answers if code >= 200]
    if answered:
        assert set(finals) == {200}
        assert cause in phone.reason.decode()
    else:
        assert finals == [status]
        assert phone.reason == b""


async def test_a_caller_who_gives_up_unanswered(daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks) -> None:
    """CANCEL while the document waits: 487, the call is over, and nothing was recorded or told."""
    daemon.say({"sleep": 20000}, record_call(daemon.receiver), FOREVER)
    await daemon.start()
    with switch.client.watch() as seen:
        async with calling(switch.sip_port) as phone:
            await seen.named("CHANNEL_PARK")
            await phone.hang_up()
            assert [code for code in phone.answers if code >= 200] == [487]
    await daemon.until(lambda: bool(daemon.seen(CallEnded)))
    assert [event.cause for event in daemon.seen(CallEnded)] == ["ORIGINATOR_CANCEL"]
    assert callbacks.states() == []
    assert list(switch.recordings.iterdir()) == []


async def test_callers_who_hang_up_at_any_moment(
    daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """CANCEL or BYE at random moments around the answer and the recordings: every recording ends truly."""
    daemon.say(
        record_call(daemon.receiver, "whole"),
        {"sleep": 150},
        record_call(daemon.receiver, "part", stereo=True),
        {"sleep": 150},
        {"stop_record_call": {"control_id": "part"}},
        FOREVER,
    )
    await daemon.start()
    chance = random.Random(7)  # noqa: S311 - moments, not secrets

    async def one() -> None:
        async with calling(switch.sip_port) as phone:
            saying = asyncio.create_task(phone.say([Tone(2.0)]))
            await asyncio.sleep(chance.uniform(0.0, 0.6))
            await phone.hang_up()
            saying.cancel()

    for _ in range(4):
        await asyncio.gather(*(one() for _ in range(8)))
    await daemon.until(lambda: daemon.unfinished() == [], timeout=30)
    await daemon.until(daemon.quiet, timeout=30)
    by_recording: dict[str, list[dict[str, Any]]] = {}
    for params in callbacks.params():
        by_recording.setdefault(params["recording_id"], []).append(params)
    assert len(by_recording) > 30
    told = {tuple(params["state"] for params in story) for story in by_recording.values()}
    assert told <= {("recording", "finished"), ("error",), ("finished",)}
    assert ("recording", "finished") in told
    for recording, story in by_recording.items():
        path = switch.recordings / f"{recording}.wav"
        length = read_wav(path).seconds if path.exists() else 0.0
        assert abs(story[-1].get("duration", 0.0) - length) < 0.001


async def test_sound_that_stops_and_comes_back(
    daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """No RTP for a while, as behind a bad link: the recording runs on, and what comes later is at its place."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    async with calling(switch.sip_port) as phone:
        await callbacks.wait("recording")
        await phone.say([Tone(0.6, 500)])
        await asyncio.sleep(0.9)
        phone.skip(0.9)
        await phone.say([Tone(0.5, 900)])
    sound = await fetched(daemon, await callbacks.wait("finished"), tmp_path / "got.wav")
    before, after = sound.sounding()
    assert after.start - before.start == pytest.approx(1.5, abs=NEAR)
    assert sound.hz(0, before) == pytest.approx(500, abs=5)
    assert sound.hz(0, after) == pytest.approx(900, abs=5)
    assert after.seconds == pytest.approx(0.5, abs=NEAR)
    assert callbacks.states() == ["recording", "finished"]


async def test_sound_that_never_comes(
    daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """A caller who sends no packet at all is recorded all the same, as silence of the call's length."""
    daemon.say(record_call(daemon.receiver, stereo=True), {"sleep": 1000}, {"hangup": {}})
    await daemon.start()
    async with calling(switch.sip_port) as phone:
        await phone.until(lambda: phone.over)
    sound = await fetched(daemon, await callbacks.wait("finished"), tmp_path / "got.wav")
    assert sound.seconds == pytest.approx(1.0, abs=NEAR)
    assert sound.sounding(0) == sound.sounding(1) == []


async def test_digits_disturb_nothing(
    daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Every RFC 2833 digit within a recording and its document's sleep: heard by the switch, and of no effect."""
    daemon.say(record_call(daemon.receiver), {"sleep": 3600}, {"hangup": {}})
    await daemon.start()
    with switch.client.watch() as seen:
        async with calling(switch.sip_port) as phone:
            await callbacks.wait("recording")
            await phone.say([Tone(0.4, 500)])
            for digit in "0123456789*#":
                await phone.press(digit)
            await phone.say([Tone(0.4, 900)])
            await phone.until(lambda: phone.over)
        assert "".join(event["DTMF-Digit"] for event in seen.all("DTMF")) == "0123456789*#"
    sound = await fetched(daemon, await callbacks.wait("finished"), tmp_path / "got.wav")
    assert sound.seconds == pytest.approx(3.6, abs=NEAR)
    assert callbacks.states() == ["recording", "finished"]
    heard = sound.sounding()
    assert sound.hz(0, heard[0]) == pytest.approx(500, abs=5)
    assert sound.hz(0, heard[-1]) == pytest.approx(900, abs=5)
    assert heard[-1].start - heard[0].start == pytest.approx(0.4 + 12 * 8 * 0.02, abs=NEAR)


def hostile(touch: Path) -> dict[str, Words]:
    """Callers' words; what they would have the switch or the daemon do shows as `touch`, or as a wrong callback."""
    run = b"${system touch %s}" % str(touch).encode()
    quoted = run.replace(b"$", b"%24").replace(b"{", b"%7B").replace(b"}", b"%7D").replace(b" ", b"%20")
    lines = b"a%0D%0AEvent-Name:%20RECORD_STOP%0D%0ARecording-Variable-fsrec_recording:%20x%0D%0A%0D%0A"
    reload = b"please reload the mod_event_socket module, or unload mod_event_socket"
    return {
        "CR and LF in the name": Words(name=lines),
        "CR and LF in the user": Words(user=lines.replace(b":", b"%3A")),
        "CR and LF in the Call-ID": Words(call_id=lines.replace(b"%20", b"") + b"@x"),
        "CR and LF in headers": Words(headers=[b"X-Evil: " + lines, b"User-Agent: " + lines]),
        "a list for a name": Words(name=b"ARRAY::a|:b"),
        "a list for a user": Words(user=b"ARRAY%3A%3Aa%7C%3Ab"),
        "lists for headers": Words(headers=[b"X-Evil: ARRAY::a|:b", b"User-Agent: ARRAY::RECORD_STOP|:RECORD_START"]),
        "a list for a Call-ID": Words(call_id=b"ARRAY::a|:b"),
        "a command for a name": Words(name=run),
        "a command for a user": Words(user=quoted),
        "commands for headers": Words(headers=[b"X-Evil: " + run, b"User-Agent: " + run, b"Subject: " + run]),
        "a command for a Call-ID": Words(call_id=quoted + b"@x"),
        "a long name": Words(name=b"N" * 8192),
        "a long user": Words(user=b"1" * 8192),
        "long headers": Words(headers=[b"X-Evil: " + b"X" * 8192, b"User-Agent: " + b"U" * 8192]),
        "a long Call-ID": Words(call_id=b"c" * 8192),
        "a name that is no UTF-8": Words(name=b"\xff\xfe\xc3\x28\x80\xf0\x28"),
        "headers that are no UTF-8": Words(headers=[b"X-Evil: \xff\xfe\xc3\x28", b"User-Agent: \x80\xf8\xa1"]),
        "escapes for a terminal": Words(name=b"%1B[2J%1B]0;evil%07", headers=[b"X-Evil: \x1b[2J\xe2\x80\xae"]),
        "a channel's name": Words(headers=[b"X-FS-Channel-Name: fsrec/${system touch %s}" % str(touch).encode()]),
        "the words that reload": Words(name=reload, headers=[b"X-Evil: " + reload, b"User-Agent: " + reload]),
        "variables of ours": Words(
            headers=[
                b"X-fsrec_account: other",
                b"X-fsrec_document: /etc/passwd",
                b"X-variable_fsrec_call: 1",
                b"X-Recording-Variable-fsrec_recording: x",
                b"X-RECORD_STEREO: true",
            ]
        ),
        "names of headers": Words(headers=[b"X-Ok!name: 1", b"X-Event-Name: RECORD_STOP", b"P-Unique-ID: x"]),
    }


async def test_callers_words_are_only_words(
    daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Each hostile caller is recorded like any other: nothing run, nothing forged believed, logs a line an event."""
    touched = tmp_path / "touched"
    callers = hostile(touched)
    daemon.changes["log"] = {"level": "debug"}
    daemon.say(record_call(daemon.receiver), {"sleep": 800}, {"hangup": {}})
    await daemon.spawn()

    async def one(words: Words) -> None:
        async with calling(switch.sip_port, words) as phone:
            await phone.until(lambda: phone.answered)
            await phone.say([Tone(0.6)])
            await phone.until(lambda: phone.over)

    with switch.client.watch() as seen:
        await asyncio.gather(*(one(words) for words in callers.values()))
        ends = await callbacks.ends(len(callers))
    _must_have_arrived(seen.all("CHANNEL_PARK"))
    assert {end["state"] for end in ends} == {"finished"}
    assert callbacks.states().count("recording") == len(callers)
    for end in ends:
        assert end["duration"] == pytest.approx(0.8, abs=0.15)
        sound = await fetched(daemon, end, tmp_path / "got.wav")
        assert sound.channels == 1
        assert sum(interval.seconds for interval in sound.sounding()) > 0.3
    assert not touched.exists()
    assert not switch.client.closed.is_set(), "the event socket was reloaded"
    assert daemon.unfinished() == []
    for request in daemon.receiver.requests:
        assert request.body.isascii()
        assert not any(byte < 0x20 for byte in request.body)
        for word in (b"Evil", b"ARRAY", b"touch", b"mod_event_socket", b"Event-Name", b"NNNN"):
            assert word not in request.body + repr(request.headers).encode()
    log = (tmp_path / "daemon.log").read_bytes().decode()
    assert log.isprintable() or all(line.isprintable() for line in log.split("\n"))
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events.count("call.ended") == len(callers)
    assert not {"event.forged", "event.unusable", "event.unreadable", "call.failed"} & set(events)


def _must_have_arrived(parks: list[Event]) -> None:
    """The switch really passed these words on; else the scenario would prove nothing."""
    everything = repr(parks)
    assert r"a\r\nEvent-Name: RECORD_STOP\r\n" in everything
    assert any(isinstance(value, list) for park in parks for value in park.values())
    assert "system touch" in everything
    assert "X" * 8000 in everything
    assert "reload the mod_event_socket module" in everything
    assert any(park.get("Channel-Name", "").startswith("fsrec/") for park in parks)
    assert all("variable_fsrec_account" not in park for park in parks)


def test_a_script_is_as_long_as_its_parts() -> None:
    """What the length of a recording is judged by."""
    assert seconds([Silence(0.5), Tone(0.25)]) == pytest.approx(0.75)
    assert np.any(render([Tone(0.1)]).samples)


async def test_callers_words_are_strings_of_the_request(daemon: Daemon, switch: LiveSwitch, tmp_path: Path) -> None:
    """Each hostile caller's document is asked for by a request of the same fields, and given; nothing is run."""
    touched = tmp_path / "touched"
    callers = hostile(touched)
    receiver = daemon.receiver
    receiver.plan("/doc", Answer(200, swml({"hangup": {"reason": "busy"}}).encode()))
    daemon.changes["routes"] = [{"destination": "^1001$", "account": "acme", "document": receiver.url("/doc")}]
    await daemon.start()

    async def one(words: Words) -> None:
        fresh = replace(words, call_id=words.call_id and words.call_id + b"2")  # another test's is a call's still
        async with calling(switch.sip_port, fresh) as phone:
            await phone.until(lambda: phone.over)

    await asyncio.gather(*(one(words) for words in callers.values()))
    requests = await receiver.wait("/doc", len(callers))
    assert len(requests) == len(callers)
    for request in requests:
        call = request.json["call"]
        assert (call["to"], call["type"], call["headers"]) == ("1001", "phone", [])
        assert set(call) - {"from_number"} == set(requests[0].json["call"]) - {"from_number"}
        assert all(isinstance(value, str) for name, value in call.items() if name != "headers")
    assert not touched.exists()
    await daemon.until(lambda: len(daemon.seen(CallEnded)) == len(callers))


async def test_a_sip_uri_is_dialled(daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks, tmp_path: Path) -> None:
    """Over SIP and RTP, to this very switch, where the harness answers: the caller is left, who was dialled right."""
    daemon.changes = {"dial": {"sip": "sofia/internal/{uri}"}}
    uri = f"sip:2000@127.0.0.1:{switch.sip_port};transport=udp"
    daemon.say(record_call(daemon.receiver, stereo=True), {"connect": {"to": uri, "max_duration": 2}}, {"hangup": {}})
    await daemon.start()
    async with connected(switch.direct, "CHANNEL_PARK") as esl, calling(switch.sip_port) as phone:
        with esl.watch() as watch:
            parked = await watch.wait(lambda event: event.get("Caller-Destination-Number") == "2000")
        assert parked["Caller-Caller-ID-Number"] == "15551230000"
        await phone.until(lambda: phone.answered)
        talking = asyncio.create_task(phone.say((Tone(5.0, 1000),)))
        assert (await esl.api(f"uuid_transfer {parked['Unique-ID']} 2000 XML fsrec-harness")).startswith("+OK")
        await phone.until(lambda: phone.over)
        talking.cancel()
    sound = await fetched(daemon, await callbacks.wait("finished"), tmp_path / "got.wav")
    assert sound.hz(0) == pytest.approx(1000, abs=10)
    assert sound.hz(1, max(sound.sounding(1), key=lambda each: each.seconds)) == pytest.approx(600, abs=10)


async def test_a_sip_caller_hears_the_ring(
    daemon: Daemon, switch: LiveSwitch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Over RTP as well, of a callee on the same switch; and nothing of it once that has answered."""
    daemon.changes = dict(DIALLING)
    daemon.say(record_call(daemon.receiver, direction="listen"), {"connect": {"to": "2001"}}, {"hangup": {}})
    await daemon.start()
    async with calling(switch.sip_port) as phone:
        await phone.until(lambda: phone.answered)
        saying = asyncio.ensure_future(phone.say((Silence(8.0),)))
        end = await callbacks.wait("finished")
        saying.cancel()
    sound = await heard(daemon, end["url"], tmp_path / "got.wav")
    [ring], [callee] = hears(sound, *RING), hears(sound, SHORT)
    assert abs(ring.seconds - 1.0) < 0.3
    assert abs(callee.seconds - 2.0) < 0.3
    assert ring.end <= callee.start + WINDOW
