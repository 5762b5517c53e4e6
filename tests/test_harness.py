"""The harness itself: what the tests trust must be trustworthy, on the embedded switch and on a real one."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import aiohttp
import numpy as np
import pytest
import pytest_asyncio

from controller.softswitch.script import Digits, Hangup, Script, Silence, Speech, Tone, render
from tests.harness.absent import absent
from tests.harness.audio import NotAudio, Sound, read_wav
from tests.harness.esl import Address, EslClient, EslError, Event, Watch, connected
from tests.harness.freeswitch import REPOSITORY, FreeSwitch
from tests.harness.live import EVENTS, LiveSwitch
from tests.harness.proxy import Proxy
from tests.harness.receiver import Answer, Receiver
from tests.harness.sip import SipRefused, sip_call, ulaw
from tests.harness.switch import SCRIPT_LATENCY, SWITCH_LOST, Call, Switch

pytest_plugins = ("tests.harness.fixtures",)

RECORDER = "{RECORD_PRE_BUFFER_FRAMES=0,RECORD_MIN_SEC=0,RECORD_STEREO=true,enable_file_write_buffering=8192}"


@pytest_asyncio.fixture
async def ears(switch: Switch) -> AsyncIterator[EslClient]:
    """A raw connection past the proxy."""
    async with connected(switch.direct, *EVENTS) as client:
        yield client


async def record(client: EslClient, leg: str, path: Path) -> None:
    """Take the leg over as the product does, and record it in stereo with the raw verb."""
    assert (await client.api(f"sched_del {leg}")).startswith("+OK")
    with client.watch() as seen:
        await client.execute(leg, "record_session", f"{path} +600 {RECORDER}")
        await client.execute(leg, "answer")
        await seen.named("RECORD_START", leg)


def at(event: Event) -> float:
    """When it happened, by the switch's clock."""
    return int(event["Event-Date-Timestamp"]) / 1e6


async def test_call_is_parked_unanswered_with_its_hangup_armed(switch: Switch, ears: EslClient) -> None:
    """A call comes by the shipped dialplan: its context, silence when idle, a hangup that sched_del cancels."""
    with ears.watch() as seen:
        call = await switch.call("1001", caller_name="Ada", variables={"fsrec_account": "acme"})
        parked = await seen.named("CHANNEL_PARK", call.leg)
    assert call.alive
    assert parked["Answer-State"] == "ringing"
    assert parked["Caller-Context"] == "fsrec"
    assert parked["Caller-Destination-Number"] == "1001"
    assert parked["Caller-Caller-ID-Name"] == "Ada"
    assert parked["Caller-Caller-ID-Number"] == "15551230000"
    assert parked["variable_send_silence_when_idle"] == "-1"
    assert parked["variable_fsrec_account"] == "acme"
    assert await ears.api(f"sched_del {call.leg}") == "+OK Deleted: 1"
    assert await ears.api(f"sched_del {call.leg}") == "+OK Deleted: 0"
    assert call.alive


async def test_recording_holds_what_the_caller_said(switch: Switch, ears: EslClient) -> None:
    """Script times come back out of a raw recording within a tenth of a second; the caller heard nothing."""
    script: Script = [Speech(0.6), Silence(0.4), Tone(0.5, 700), Silence(0.3), Hangup("USER_BUSY")]
    call = await switch.call("1001", script)
    path = switch.recordings / "heard.wav"
    await record(ears, call.leg, path)
    assert await call.ended() == "USER_BUSY"
    assert not call.alive
    sound = read_wav(path)
    speech, tone = sound.sounding(0)
    assert sound.channels == 2
    assert sound.finished
    assert speech.seconds == pytest.approx(0.6, abs=0.1)
    assert tone.start - speech.start == pytest.approx(1.0, abs=0.1)
    assert tone.seconds == pytest.approx(0.5, abs=0.1)
    assert sound.hz(0, tone) == pytest.approx(700, abs=10)
    assert sound.seconds - tone.end == pytest.approx(0.3, abs=0.1)
    assert not sound.sounding(1)


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_leg_has_the_rate_asked_for(switch: Switch, ears: EslClient, rate: int) -> None:
    """A leg's recording has the leg's rate, the caller's pitch and length, and the switch tells the rate."""
    with ears.watch() as seen:
        call = await switch.call("1001", [Tone(0.8, 600), Silence(0.3), Hangup()], rate=rate)
        parked = await seen.named("CHANNEL_PARK", call.leg)
        assert parked["Channel-Read-Codec-Rate"] == parked["variable_read_rate"] == str(rate)
        path = switch.recordings / "rate.wav"
        await record(ears, call.leg, path)
        stopped = await seen.named("RECORD_STOP", call.leg)
    await call.ended()
    sound = read_wav(path)
    assert sound.rate == rate
    assert int(stopped["variable_record_samples"]) == len(sound.samples)
    assert int(stopped["variable_record_ms"]) == pytest.approx(sound.seconds * 1000, abs=1)
    [tone] = sound.sounding()
    assert tone.seconds == pytest.approx(0.8, abs=0.05)
    assert sound.hz(within=tone) == pytest.approx(600, abs=5)


@pytest.mark.parametrize(("rate", "cause"), [(8000, "no-input-timeout"), (16000, "success-silence")])
async def test_levels_count_twice_at_twice_the_rate(switch: Switch, ears: EslClient, rate: int, cause: str) -> None:
    """A tone whose samples are 150 on the mean is below a threshold of 200 at 8 kHz, and above it at 16 kHz."""
    script: Script = [Tone(1.2, 500, level=150 * np.pi / 2 / 32767), Silence(2.0)]
    call = await switch.call("1001", script, rate=rate)
    block = RECORDER.replace("}", ",RECORD_INITIAL_TIMEOUT_MS=700,RECORD_FINAL_TIMEOUT_MS=500}").replace(
        "RECORD_STEREO=true", "RECORD_READ_ONLY=true,RECORD_SILENCE_THRESHOLD=200"
    )
    with ears.watch() as seen:
        await ears.execute(call.leg, "record_session", f"{switch.recordings}/level.wav +600 {block}")
        await ears.execute(call.leg, "answer")
        stopped = await seen.named("RECORD_STOP", call.leg)
    assert stopped["Record-Completion-Cause"] == cause


async def test_script_waits_for_the_answer(switch: Switch, ears: EslClient) -> None:
    """The script's clock starts at the answer, not at park: its digit comes that much after CHANNEL_ANSWER."""
    with ears.watch() as seen:
        call = await switch.call("1001", [Silence(0.3), Digits("5")])
        # A second watch of the same script, answered, has pressed its key before the unanswered one has begun.
        first = await switch.call("1002", [Digits("1")])
        await ears.execute(first.leg, "answer")
        await seen.named("DTMF", first.leg)
        await ears.execute(call.leg, "answer")
        answered = at(await seen.named("CHANNEL_ANSWER", call.leg))
        pressed = at(await seen.named("DTMF", call.leg))
    assert 0.3 - 0.05 <= pressed - answered <= 0.3 + 0.1 + SCRIPT_LATENCY


async def test_digits_arrive_in_order_at_their_times(switch: Switch, ears: EslClient) -> None:
    """Digits of the script become DTMF events a rendered distance apart; `press` sends more of them."""
    script: Script = [Silence(0.2), Digits("12#"), Silence(0.5), Digits("9")]
    call = await switch.call("1001", script)
    with ears.watch() as seen:
        await ears.execute(call.leg, "answer")
        nine = at(await seen.wait(lambda e: e.get("DTMF-Digit") == "9" and e.get("Unique-ID") == call.leg))
        one = at(seen.all("DTMF")[0])
        await call.press("*0")
        await seen.wait(lambda e: e.get("DTMF-Digit") == "0")
    assert [e["DTMF-Digit"] for e in seen.all("DTMF") if e["Unique-ID"] == call.leg] == [*"12#9*0"]
    offsets = {digit: offset for offset, digit in render(script).digits}
    assert nine - one == pytest.approx(offsets["9"] - offsets["1"], abs=0.1)


@pytest.mark.parametrize("cause", ["NORMAL_CLEARING", "USER_BUSY", "ORIGINATOR_CANCEL"])
async def test_caller_hangs_up(switch: Switch, cause: str) -> None:
    """The cause that the caller gives is the cause by which the leg ends."""
    call = await switch.call()
    await call.hangup(cause)
    assert await call.ended() == cause
    assert not call.alive


async def test_many_callers_hang_up_with_their_cause(switch: Switch, ears: EslClient) -> None:
    """Twenty scripts at once end in their own cause, and CHANNEL_HANGUP is the first that is told of each end."""
    with ears.watch() as seen:
        calls = await asyncio.gather(*(switch.call("1001", [Silence(0.2), Hangup("USER_BUSY")]) for _ in range(20)))
        for call in calls:
            await ears.execute(call.leg, "answer")
        assert {await call.ended() for call in calls} == {"USER_BUSY"}
        for call in calls:
            await seen.named("CHANNEL_HANGUP_COMPLETE", call.leg)
    ends = ("CHANNEL_HANGUP", "CHANNEL_UNPARK")
    for call in calls:
        told = [e["Event-Name"] for e in seen.events if e.get("Unique-ID") == call.leg and e["Event-Name"] in ends]
        assert told[0] == "CHANNEL_HANGUP"


async def test_switch_hangs_up(switch: Switch, ears: EslClient) -> None:
    """A leg killed on the switch's side ends for the caller, with that cause."""
    call = await switch.call("1001", [Speech(60)])
    await ears.execute(call.leg, "answer")
    await ears.api(f"uuid_kill {call.leg} CALL_REJECTED")
    assert await call.ended() == "CALL_REJECTED"


async def test_silent_caller_stays_on_the_line(switch: Switch, ears: EslClient) -> None:
    """After the last step the leg goes on reading silence: a recording grows past the script's end."""
    call = await switch.call("1001", [Tone(0.2, 500)])
    path = switch.recordings / "after.wav"
    await record(ears, call.leg, path)
    while read_wav(path).seconds < 0.8:
        assert call.alive
        await asyncio.sleep(0.02)
    await call.hangup()
    await call.ended()
    (tone,) = read_wav(path).sounding(0)
    assert tone.end < 0.2 + SCRIPT_LATENCY + 0.1


async def test_links_are_cut_and_refused_while_calls_go_on(switch: Switch) -> None:
    """A cut breaks every connection at `address` and no call; refused ones break until they are let in again."""
    call = await switch.call()
    client = await EslClient.connect(switch.address)
    await switch.cut_links()
    await asyncio.wait_for(client.closed.wait(), 5)
    await client.close()
    with pytest.raises(EslError):
        await client.api("status")
    assert call.alive
    await switch.refuse_links()
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await EslClient.connect(switch.address)
    await switch.refuse_links(False)
    async with connected(switch.address) as again:
        assert await again.api(f"uuid_exists {call.leg}") == "true"


async def test_killed_switch_loses_its_calls_and_comes_back(switch: Switch) -> None:
    """SIGKILL ends every call as SWITCH_LOST; the next life has the same address, another Core-UUID, no calls."""
    if not switch.abilities.kill:
        absent("an attached FreeSWITCH is not ours to kill")
    async with connected(switch.direct) as client:
        before = await client.api("global_getvar core_uuid")
    call = await switch.call()
    address = switch.address
    await switch.kill()
    assert await call.ended() == SWITCH_LOST
    assert not call.alive
    await switch.restart()
    assert switch.address == address
    async with connected(switch.address) as client:
        assert await client.api("global_getvar core_uuid") != before
        assert await client.api(f"uuid_exists {call.leg}") == "false"
        assert json.loads(await client.api("show channels as json"))["row_count"] == 0
    assert (await switch.call()).alive


async def test_wrong_password_is_refused(switch: Switch) -> None:
    """A password that isn't the switch's is refused by name, not by silence."""
    right = switch.direct
    with pytest.raises(EslError, match="invalid"):
        await EslClient.connect(Address(right.host, right.port, "ClueCon"))


@pytest.mark.live
class TestLive:
    """What only a real FreeSWITCH can prove."""

    async def test_sip_caller_is_recorded(self, live: LiveSwitch, need_sipp: None) -> None:
        """A SIP call with RTP by sipp: parked, recorded as scripted within a tenth of a second, BYE."""
        path = live.recordings / "sip.wav"
        script: Script = [Speech(0.6), Silence(0.4), Tone(0.5, 700), Silence(0.3), Hangup()]
        async with sip_call(live, "1001", script, name="Ada") as call:
            assert call.parked["Caller-Context"] == "fsrec"
            assert call.parked["variable_send_silence_when_idle"] == "-1"
            with live.client.watch() as seen:
                await record(live.client, call.leg, path)
                await seen.named("CHANNEL_HANGUP_COMPLETE", call.leg)
            assert await call.ended() == 0
        sound = read_wav(path)
        speech, tone = sound.sounding(0)
        assert tone.start - speech.start == pytest.approx(1.0, abs=0.1)
        assert tone.seconds == pytest.approx(0.5, abs=0.1)
        assert sound.hz(0, tone) == pytest.approx(700, abs=10)

    async def test_sip_digits(self, live: LiveSwitch, need_sipp: None) -> None:
        """RFC 2833 digits from sipp arrive as DTMF events of source RTP, in order; the switch's BYE ends it."""
        if os.geteuid() != 0:
            absent("raw sockets: sipp sends digits as root only")
        async with sip_call(live, "1001", [Silence(0.1), Digits("4#"), Silence(0.1)]) as call:
            with live.client.watch() as seen:
                await live.client.execute(call.leg, "answer")
                await seen.wait(lambda e: e.get("DTMF-Digit") == "#")
            assert [(e["DTMF-Digit"], e["DTMF-Source"]) for e in seen.all("DTMF")] == [("4", "RTP"), ("#", "RTP")]
            await live.client.api(f"uuid_kill {call.leg}")
            assert await call.ended() == 0

    async def test_sip_caller_cannot_set_fsrec_variables(self, live: LiveSwitch, need_sipp: None) -> None:
        """Whatever header or parameter names fsrec_account, the channel variable stays unset."""
        names = ("fsrec_account", "variable_fsrec_account", "X-fsrec_account", "P-fsrec_account", "On-fsrec_account")
        headers = [
            f"{name}: evil" for name in (*names, "X-FS-Support", "X-variable_fsrec_account", "K-fsrec_account")
        ]
        parameters = ";fsrec_account=evil;variable_fsrec_account=evil"
        async with sip_call(
            live,
            headers=headers,
            uri_parameters=parameters,
            from_parameters=parameters,
            contact_parameters=parameters,
        ) as call:
            assert "evil" in "".join(call.parked.values()), "the attack must have arrived"
            ours = [name for name in call.parked if name.lower().startswith("variable_fsrec")]
            assert ours == []
            for name in ("fsrec_account", "fsrec_document"):
                assert await live.client.api(f"uuid_getvar {call.leg} {name}") == "_undef_"

    async def test_strangers_are_turned_away(self, live: LiveSwitch, need_sipp: None) -> None:
        """An address outside the access lists gets neither the event socket nor a SIP call."""
        if not live.abilities.kill:
            absent("an attached FreeSWITCH has its own access lists")
        proxy = Proxy(live.direct.host, live.direct.port, source="127.0.0.2")
        await proxy.start()
        with pytest.raises(EslError, match="text/rude-rejection"):
            await EslClient.connect(Address("127.0.0.1", proxy.port, live.direct.password))
        await proxy.stop()
        with pytest.raises(SipRefused, match="403"):
            async with sip_call(live, source="127.0.0.2"):
                pass

    async def test_hostile_text_is_not_said_to_originate(self, live: LiveSwitch) -> None:
        """Text that would change the originate command is refused by the harness, not mangled."""
        for text in ("a,b=c", "a'b", "a\nb", "${x}", "a}b"):
            with pytest.raises(ValueError, match="plain text only"):
                await live.call(variables={"fsrec_account": text})

    async def test_unattended_call_is_hung_up(self, freeswitch: FreeSwitch) -> None:
        """Nobody takes the call over: the armed hangup ends it, with a cause that carriers try elsewhere on."""
        if freeswitch.binary is None:
            absent("an attached FreeSWITCH has its own settings")
        server = FreeSwitch(freeswitch.binary, settings={"FSREC_UNATTENDED": "1"})
        try:
            async with LiveSwitch(server, "unattended") as switch:
                call = await switch.call()
                assert await call.ended() == "NORMAL_TEMPORARY_FAILURE"
        finally:
            server.stop()

    async def test_without_a_password_nobody_gets_in(self, freeswitch: FreeSwitch) -> None:
        """FSREC_ESL_PASSWORD empty: the well-known password, which that means elsewhere, is refused."""
        if freeswitch.binary is None:
            absent("an attached FreeSWITCH has its own settings")
        server = FreeSwitch(freeswitch.binary, settings={"FSREC_ESL_PASSWORD": ""})
        try:
            await asyncio.to_thread(server.spawn)
            for password in ("ClueCon", "", server.address.password):
                stranger = Address(server.address.host, server.address.port, password)
                with pytest.raises(EslError, match="invalid"):
                    await knock(stranger)
        finally:
            server.stop()


async def knock(address: Address) -> None:
    """Connect as soon as somebody listens."""
    async with asyncio.timeout(30):
        while True:
            try:
                await (await EslClient.connect(address)).close()
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return


def test_shipped_configuration() -> None:
    """The shipped dialplan has one context, whose calls are armed and parked; the configuration opens no door."""
    context = ET.parse(REPOSITORY / "dialplans" / "fsrec.xml").getroot().findall("context")  # noqa: S314 - our own file
    assert [each.get("name") for each in context] == ["fsrec"]
    actions = [(a.get("application"), a.get("data")) for a in context[0].iter("action")]
    assert actions[0] == ("set", "send_silence_when_idle=-1")
    assert actions[1] == ("sched_hangup", "+$${fsrec_unattended} NORMAL_TEMPORARY_FAILURE")
    assert actions[-1] == ("park", None)
    assert "answer" not in {name for name, _ in actions}
    shipped = [p.read_text() for p in sorted((REPOSITORY / "freeswitch-conf").rglob("*.xml"))]
    assert shipped
    assert not any("0.0.0.0" in text or "ClueCon" in text for text in shipped)


# ---- ears


def write(path: Path, samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]], channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return path


def test_audio_finds_sounds_and_their_pitch(tmp_path: Path) -> None:
    """Intervals, gaps, pitch and loudness of each channel of a stereo file are what was put in."""
    left = render([Silence(0.5), Tone(1.0, 440), Silence(0.5), Speech(0.5)]).samples
    right = render([Tone(2.5, 1000)]).samples
    sound = read_wav(write(tmp_path / "a.wav", np.stack([left, right], axis=1), 2))
    assert (sound.channels, sound.seconds, sound.finished) == (2, 2.5, True)
    tone, speech = sound.sounding(0)
    assert (tone.start, tone.end) == pytest.approx((0.5, 1.5), abs=0.02)
    assert (speech.start, speech.end) == pytest.approx((2.0, 2.5), abs=0.06)
    assert [round(gap.seconds, 1) for gap in sound.silent(0)][:2] == [0.5, 0.5]
    assert sound.hz(0, tone) == pytest.approx(440, abs=2)
    assert sound.hz(1) == pytest.approx(1000, abs=2)
    assert sound.loudness(1) == pytest.approx(0.25 / np.sqrt(2), rel=0.01)
    assert sound.hz(0, sound.silent(0)[0]) == 0.0
    assert sound.silent(1) == []


@pytest.mark.parametrize("cut", [44, 45, 44 + 160, 44 + 1001])
def test_audio_reads_what_a_killed_switch_left(tmp_path: Path, cut: int) -> None:
    """A header with no lengths in it and data cut anywhere, even in mid-sample, gives every whole sample."""
    path = write(tmp_path / "a.wav", render([Tone(1.0, 440)]).samples)
    whole = bytearray(path.read_bytes())
    whole[4:8], whole[40:44] = struct.pack("<I", 8), struct.pack("<I", 0)
    path.write_bytes(whole[:cut])
    sound = read_wav(path)
    assert not sound.finished
    assert len(sound.samples) == (cut - 44) // 2


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\x00\x00\x00\x00WAVE", b"ID3" + bytes(60)])
def test_audio_refuses_what_is_no_wav(tmp_path: Path, data: bytes) -> None:
    """A file that is no PCM WAV is an error that names it, not silence."""
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(NotAudio, match=r"a\.wav"):
        read_wav(path)


def test_empty_recording_has_no_sound(tmp_path: Path) -> None:
    """A finished WAV of length zero is finished, silent, and of no pitch."""
    sound: Sound = read_wav(write(tmp_path / "a.wav", np.zeros(0, np.int16)))
    assert (sound.finished, sound.seconds, sound.loudness(), sound.sounding(), sound.hz()) == (True, 0, 0, [], 0)


def test_ulaw_is_g711() -> None:
    """Known code words of G.711: zero, the smallest, and the largest of either sign."""
    values = np.array([0, -1, 4, 32767, -32768, 1000, -1000], np.int16)
    assert ulaw(values) == bytes([0xFF, 0x7F, 0xFE, 0x80, 0x00, 0xCE, 0x4E])


# ---- receiver


async def test_receiver_answers_by_plan_and_keeps_everything(receiver: Receiver) -> None:
    """Statuses in the planned order, the last one for good; each request kept with headers and body."""
    receiver.plan("/status", 500, Answer(503, b"later", {"Retry-After": "3"}), 204)
    async with aiohttp.ClientSession() as session:
        got = []
        for number in range(4):
            async with session.post(receiver.url("/status?a=b"), data={"n": str(number)}) as answer:
                got.append((answer.status, answer.headers.get("Retry-After")))
        async with session.post(receiver.url("/other"), json={"x": 1}, headers={"X-Sign": "abc"}) as answer:
            assert answer.status == 200
    assert got == [(500, None), (503, "3"), (204, None), (204, None)]
    assert [request.form["n"] for request in receiver.to("/status")] == ["0", "1", "2", "3"]
    (other,) = receiver.to(lambda request: request.header("x-sign") == "abc")
    assert (other.method, other.path, other.query, other.json) == ("POST", "/other", "", {"x": 1})
    assert len(receiver.to()) == 5


async def test_receiver_waits_for_facts(receiver: Receiver) -> None:
    """`wait` returns at the request it waits for, and otherwise says what came instead."""
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        waiting = group.create_task(receiver.wait("/done", 2))
        for path in ("/other", "/done", "/done"):
            await (await session.get(receiver.url(path))).release()
        assert [request.path for request in await waiting] == ["/done", "/done"]
    with pytest.raises(TimeoutError, match=r"2 of 3 requests .*GET /other"):
        await receiver.wait("/done", 3, timeout=0.01)


@pytest.mark.parametrize("answer", [Answer(close=True), Answer(hang=True)])
async def test_receiver_can_be_dead(answer: Answer) -> None:
    """A path that closes gives no status; one that hangs none either, until the receiver goes."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        async with Receiver() as receiver:
            receiver.plan("/dead", answer)
            asking = asyncio.create_task(session.get(receiver.url("/dead")))
            await receiver.wait("/dead")
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_receiver_can_be_slow(receiver: Receiver) -> None:
    """A delayed answer comes, after its delay."""
    receiver.plan("/slow", Answer(delay=0.1))
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with aiohttp.ClientSession() as session, session.get(receiver.url("/slow")) as answer:
        assert answer.status == 200
    assert loop.time() - began >= 0.09


# ---- ESL client


async def test_watch_says_what_it_heard_instead() -> None:
    """A wait that fails names the events that came; a wait on a lost link fails at once."""
    watch = Watch()
    watch.add({"Event-Name": "CHANNEL_PARK", "Unique-ID": "abcdefghij"})
    assert (await watch.named("CHANNEL_PARK", "abcdefghij"))["Unique-ID"] == "abcdefghij"
    with pytest.raises(TimeoutError, match="CHANNEL_PARK abcdefgh"):
        await watch.named("DTMF", timeout=0.01)
    watch.lose()
    with pytest.raises(EslError, match="connection lost"):
        await watch.named("DTMF")


async def test_call_interfaces_are_one(switch: Switch) -> None:
    """Both switches' calls keep the protocol that scenarios are written against."""
    call: Call = await switch.call()
    assert isinstance(call.leg, str)
    assert switch.recordings.is_dir()
    assert isinstance(switch.log(), str)
