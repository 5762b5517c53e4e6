"""What the sounds of `switch.sounds` are to who hears them, on the embedded switch and on a real one."""

from __future__ import annotations

import asyncio
import uuid
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from controller.calls.ports import Sound as AnySound
from controller.calls.ports import SoundFile
from controller.documents.steps import Beep, Quiet, Ringing
from controller.documents.steps import Speech as Say
from controller.softswitch.script import Script, Silence
from controller.switch.commands import Answer, Joined, Playback, Source, Spoken, Tone, UuidSetvars
from controller.switch.sounds import SpeechSettings, source
from tests.harness.audio import Sound, read_wav
from tests.harness.esl import EslClient, Event, connected
from tests.harness.live import EVENTS
from tests.harness.switch import Call, Switch

pytest_plugins = ("tests.harness.fixtures",)

SPEECH = SpeechSettings()
CALLER: Script = [Silence(1.0)]
RECORDER = "{RECORD_PRE_BUFFER_FRAMES=0,RECORD_MIN_SEC=0,RECORD_STEREO=true,enable_file_write_buffering=8192}"
FRAME = 0.02
LATE = 0.2
"""Seconds by which a busy machine may tell an event late; what is heard is exact."""


@pytest_asyncio.fixture
async def ears(switch: Switch) -> AsyncIterator[EslClient]:
    """A raw connection past the proxy."""
    async with connected(switch.direct, *EVENTS, "CHANNEL_EXECUTE_COMPLETE") as client:
        yield client


async def answered(switch: Switch, client: EslClient, rate: int = 8000) -> Call:
    """A silent caller whose leg is taken over and answered."""
    call = await switch.call("1001", CALLER, rate=rate)
    with client.watch() as seen:
        await client.command(UuidSetvars.takeover(call.leg, uuid.uuid4().hex).packet())
        await client.command(Answer(call.leg, event_uuid=str(uuid.uuid4())).packet())
        await seen.named("CHANNEL_ANSWER", call.leg)
    return call


async def play(client: EslClient, leg: str, played: Source) -> str:
    """Queue a playback as the product does; its execution's id."""
    execution = str(uuid.uuid4())
    await client.command(Playback(leg, played, event_uuid=execution, event_lock=True).packet())
    return execution


def is_end(event: Event, execution: str) -> bool:
    return event["Event-Name"] == "CHANNEL_EXECUTE_COMPLETE" and event["Application-UUID"] == execution


def is_stop(event: Event, leg: str) -> bool:
    return event["Event-Name"] == "PLAYBACK_STOP" and event["Unique-ID"] == leg


def moment(event: Event) -> float:
    """When it happened, by the switch's clock."""
    return int(event["Event-Date-Timestamp"]) / 1e6


async def heard(switch: Switch, client: EslClient, played: Source, rate: int = 8000) -> tuple[str, float, Sound]:
    """Play to a caller: the response, the seconds from PLAYBACK_START to _STOP, and what was heard."""
    call = await answered(switch, client, rate)
    path = switch.recordings / f"{uuid.uuid4().hex}.wav"
    with client.watch() as seen:
        await client.execute(call.leg, "record_session", f"{path} +600 {RECORDER}")
        await seen.named("RECORD_START", call.leg)
        execution = await play(client, call.leg, played)
        end = await seen.wait(lambda event: is_end(event, execution), 30.0)
        response = end["Application-Response"]
        mine = [event for event in seen.events if event.get("Unique-ID") == call.leg]
        times = {event["Event-Name"]: moment(event) for event in mine}
    await call.hangup()
    await call.ended()
    return response, times.get("PLAYBACK_STOP", 0.0) - times.get("PLAYBACK_START", 0.0), read_wav(path)


def peak(sound: Sound) -> float:
    """The greatest sample of what the caller heard, of full scale."""
    return float(np.abs(sound.channel(1)).max())


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize(
    ("sound", "gain", "seconds", "parts", "hz", "level"),
    [
        (Beep(), 0.0, 0.5, [0.5], 1000, 0.313),
        (Beep(), 7.0, 0.5, [0.5], 1000, 0.698),
        (Beep(), -20.0, 0.5, [0.5], 1000, 0.033),
        (Ringing("uk"), 0.0, 3.0, [0.4, 0.4], None, 0.31),
        (Ringing("fr", 1.7), 0.0, 1.7, [1.5], 440, 0.313),
        (Quiet(0.7), 0.0, 0.7, [], None, 0.0),
        (Say(""), 0.0, 0.02, [], None, 0.0),
    ],
)
async def test_what_is_heard(
    switch: Switch,
    ears: EslClient,
    sound: AnySound,
    gain: float,
    seconds: float,
    parts: list[float],
    hz: int | None,
    level: float,
    rate: int,
) -> None:
    """Tones, rings and silence last as long as they should, at their pitch and level, at both rates."""
    response, lasted, recording = await heard(switch, ears, source(sound, gain, SPEECH), rate)
    assert response == "FILE PLAYED"
    assert recording.rate == rate
    assert lasted == pytest.approx(seconds, abs=LATE)
    intervals = recording.sounding(1)
    assert [interval.seconds for interval in intervals] == pytest.approx(parts, abs=2 * FRAME)
    assert peak(recording) == pytest.approx(level, abs=0.008)
    if hz is not None:
        assert recording.hz(1, intervals[0]) == pytest.approx(hz, abs=5)


async def test_ringing_of_many_rings_is_cut_to_the_length_asked_for(switch: Switch, ears: EslClient) -> None:
    """Where a script would be too long it is two, behind FreeSWITCH's quarter of a second: the length is right."""
    ring = Joined((Tone("%(100,100,440);loops=8"), Tone("%(50,0,440)")))
    response, lasted, recording = await heard(switch, ears, ring)
    assert response == "FILE PLAYED"
    assert lasted == pytest.approx(0.25 + 1.6 + 0.05, abs=LATE)
    sounds = recording.sounding(1, gap=0.05)
    assert len(sounds) == 9
    assert sounds[-1].seconds == pytest.approx(0.05, abs=FRAME)


@pytest.mark.parametrize(
    "text",
    ["Hello.", "It's don't can't! 'x' \\n, ${y} {rate=9} a|b @@ 100 % *1#", "héllo 日本", "One. " * 80],
)
async def test_speech_is_heard(switch: Switch, ears: EslClient, text: str) -> None:
    """Any text is played as speech, in one playback, and nothing of it is a command."""
    call = await answered(switch, ears)
    with ears.watch() as seen:
        execution = await play(ears, call.leg, source(Say(text), 0.0, SPEECH))
        await seen.named("PLAYBACK_START", call.leg)
        if len(text) > 60:
            await ears.api(f"uuid_break {call.leg}")
        end = await seen.wait(lambda event: is_end(event, execution), 30.0)
        stops = [event for event in seen.events if is_stop(event, call.leg)]
    assert end["Application-Response"] == "FILE PLAYED"
    assert [event["Playback-Status"] for event in stops] == ["break" if len(text) > 60 else "done"]
    assert call.alive


@pytest.mark.parametrize(
    "missing",
    [
        source(SoundFile("/nowhere/a.wav"), 0.0, SPEECH),
        Spoken("nosuch", "kal", "hello"),
        Spoken("flite", "nosuch", "hello"),
        Joined((Spoken("nosuch", "kal", "one"), Spoken("nosuch", "kal", "two"))),
    ],
)
async def test_what_is_not_there_is_told(switch: Switch, ears: EslClient, missing: Source) -> None:
    """A file, an engine or a voice that is missing is FILE NOT FOUND, nothing is heard, and the call goes on."""
    response, _, recording = await heard(switch, ears, missing)
    assert response == "FILE NOT FOUND"
    assert recording.sounding(1) == []


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("of_file", [8000, 16000, 44100])
async def test_files_of_any_rate(switch: Switch, ears: EslClient, of_file: int, channels: int, rate: int) -> None:
    """A file lasts as long as it is, at its pitch, whatever its rate and the leg's; channels are added up."""
    path = switch.recordings / "sound.wav"
    write(path, of_file, channels)
    response, lasted, recording = await heard(switch, ears, source(SoundFile(str(path)), 0.0, SPEECH), rate)
    assert response == "FILE PLAYED"
    assert lasted == pytest.approx(0.5, abs=LATE)
    [sound] = recording.sounding(1)
    assert sound.seconds == pytest.approx(0.5, abs=2 * FRAME)
    assert recording.hz(1, sound) == pytest.approx(500, abs=5)
    assert peak(recording) == pytest.approx(0.2 * channels, abs=0.02)


async def test_a_recording_behind_a_beep_begins_after_it(switch: Switch, ears: EslClient) -> None:
    """Queued at once: answer, beep, record_session; the recording starts in the next frame, without the beep."""
    call = await switch.call("1001", CALLER)
    path = switch.recordings / "behind.wav"
    with ears.watch() as seen:
        await ears.command(Answer(call.leg, event_uuid=str(uuid.uuid4())).packet())
        await play(ears, call.leg, source(Beep(), 0.0, SPEECH))
        await ears.execute(call.leg, "record_session", f"{path} +600 {RECORDER}")
        start = await seen.named("RECORD_START", call.leg)
        stop = await seen.named("PLAYBACK_STOP", call.leg)
        assert 0 <= moment(start) - moment(stop) <= LATE
        await ears.api(f"uuid_record {call.leg} stop {path}")
        await seen.named("RECORD_STOP", call.leg)
    if path.exists():  # one that is stopped in its first frame is deleted as empty
        assert read_wav(path).sounding(1) == []


async def test_digits_and_other_recordings_do_not_wait_for_a_playback(switch: Switch, ears: EslClient) -> None:
    """During an event-locked playback digits are told and uuid_record starts; uuid_break ends the playback."""
    call = await answered(switch, ears)
    with ears.watch() as seen:
        execution = await play(ears, call.leg, Tone("%(60000,0,500)"))
        await seen.named("PLAYBACK_START", call.leg)
        await call.press("5")
        assert (await seen.named("DTMF", call.leg))["DTMF-Digit"] == "5"
        assert (await ears.bgapi(f"uuid_record {call.leg} start {switch.recordings}/a.wav")).startswith("+OK")
        assert not any(is_end(event, execution) for event in seen.events)
        await ears.api(f"uuid_break {call.leg}")
        end = await seen.wait(lambda event: is_end(event, execution))
    assert end["Application-Response"] == "FILE PLAYED"


async def test_a_break_before_the_beginning_is_lost(switch: Switch, ears: EslClient) -> None:
    """What is queued and has not begun is not ended by uuid_break, nor is what is sent after it."""
    call = await answered(switch, ears)
    with ears.watch() as seen:
        first = await play(ears, call.leg, Tone("%(60000,0,500)"))
        second = await play(ears, call.leg, Tone("%(300,0,500)"))
        await seen.named("PLAYBACK_START", call.leg)
        await ears.api(f"uuid_break {call.leg}")
        await seen.wait(lambda event: is_end(event, first))
        await seen.wait(lambda event: is_end(event, second))
        stops = [event for event in seen.events if is_stop(event, call.leg)]
    assert [event["Playback-Status"] for event in stops] == ["break", "done"]
    assert moment(stops[1]) - moment(stops[0]) >= 0.3 - LATE


async def test_digits_that_we_send_are_not_the_partys(switch: Switch, ears: EslClient) -> None:
    """uuid_send_dtmf fires no DTMF event of the leg it sends from; the caller gets the digits, pauses kept."""
    call = await answered(switch, ears)
    with ears.watch() as seen:
        sent = await ears.bgapi(f"uuid_send_dtmf {call.leg} 12w#")
        assert sent == f"+OK {call.leg} sent DTMF 12w#."
        assert await ears.bgapi(f"uuid_send_dtmf {call.leg} {'1' * 100}") == "-ERR Operation failed"
        await call.press("9")
        assert (await seen.named("DTMF", call.leg))["DTMF-Digit"] == "9"
        told = [e["DTMF-Digit"] for e in seen.events if e["Event-Name"] == "DTMF" and e["Unique-ID"] == call.leg]
        assert told == ["9"]
    async with asyncio.timeout(5):
        while call.heard_digits != "12#":
            await asyncio.sleep(0.01)


def write(path: Path, rate: int, channels: int) -> None:
    """Half a second of 500 Hz at a fifth of full scale, the same on every channel."""
    samples = 0.2 * 32767 * np.sin(2 * np.pi * 500 * np.arange(rate // 2) / rate)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(np.repeat(samples.astype("<i2"), channels).tobytes())
