"""How recordings end, over the whole daemon, on the softswitch and live alike."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from controller.recordings.model import PauseBehavior
from controller.softswitch.script import Digits, Hangup, Script, Silence, Speech, Step, Tone
from tests.harness.switch import SCRIPT_LATENCY, Switch
from tests.scenarios.daemon import Daemon, late
from tests.scenarios.ending import FOREVER, NEAR, PRESS, VERBS, Told, recording

SKIP, SILENCE = PauseBehavior.SKIP, PauseBehavior.SILENCE
pytestmark = pytest.mark.parametrize("verb", VERBS)


@pytest.fixture
def told(daemon: Daemon) -> Told:
    return Told(daemon)


# --- digits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terminators", "others", "ends"), [("#", "12*", "#"), ("*5a", "#4B", "A")])
async def test_a_terminator_ends_it_and_other_digits_do_not(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str, terminators: str, others: str, ends: str
) -> None:
    """The file ends at the press of a terminator; the call goes on."""
    daemon.say(recording(verb, daemon, terminators=terminators), FOREVER)
    await daemon.start()
    script = (Tone(0.8), Digits(others), Tone(0.8, hz=600), Silence(0.2), Digits(ends), Tone(9, hz=900))
    call = await switch.call(script=script)
    end = await told.end()
    assert (end["state"], await told.reason()) == ("finished", "terminator")
    sound = await told.sound(end, tmp_path)
    first, second = sound.sounding()[:2]
    assert abs(sound.hz(0, first) - 440) < 10
    assert abs(sound.hz(0, second) - 600) < 10
    pressed = second.end + 0.2
    assert -0.05 < sound.seconds - pressed < PRESS + late(switch)
    assert call.alive
    assert told.states == ["recording", "finished"]


async def test_no_terminators_no_end(daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str) -> None:
    """Without terminators no digit ends it: it ends with the call."""
    daemon.say(recording(verb, daemon), FOREVER)
    await daemon.start()
    await switch.call(script=(Tone(0.5), Digits("#*0A"), Tone(0.5), Hangup()))
    end = await told.end()
    assert (end["state"], await told.reason()) == ("finished", "hangup")
    assert len((await told.sound(end, tmp_path)).sounding()) == 2


# --- silence --------------------------------------------------------------------------------------------------------


async def test_silence_after_speech_ends_it(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str
) -> None:
    """Pauses shorter than end_silence_timeout do not; the first that is as long does, and is in the file."""
    daemon.say(recording(verb, daemon, initial_timeout=3.0, end_silence_timeout=1.0), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Silence(0.8), Speech(0.8), Silence(0.6), Speech(0.5), Silence(9.0)))
    end = await told.end()
    assert (end["state"], await told.reason()) == ("finished", "end_silence")
    sound = await told.sound(end, tmp_path)
    first, second = sound.sounding()
    assert abs(first.seconds - 0.8) < NEAR
    assert abs(second.start - first.end - 0.6) < NEAR
    assert abs(sound.seconds - second.end - 1.0) < NEAR + late(switch)
    assert call.alive
    assert told.states == ["recording", "finished"]


async def test_no_speech_ends_it(daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str) -> None:
    """Nobody speaks within initial_timeout: no_input, with duration, size and a file of just that silence."""
    daemon.say(recording(verb, daemon, initial_timeout=1.5, end_silence_timeout=0.5), FOREVER)
    await daemon.start()
    call = await switch.call()
    end = await told.end()
    assert (end["state"], await told.reason()) == ("no_input", "no_input")
    assert abs(end["duration"] - 1.5) < NEAR + late(switch)
    sound = await told.sound(end, tmp_path)
    assert sound.sounding() == []
    assert call.alive
    assert told.states == ["recording", "no_input"]


async def test_silence_counts_only_after_speech(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str
) -> None:
    """Without initial_timeout, end_silence_timeout waits for speech however long."""
    daemon.say(recording(verb, daemon, end_silence_timeout=0.6), FOREVER)
    await daemon.start()
    await switch.call(script=(Silence(2.0), Speech(0.6), Silence(9.0)))
    end = await told.end()
    assert (end["state"], await told.reason()) == ("finished", "end_silence")
    (speech,) = (await told.sound(end, tmp_path)).sounding()
    assert 2.0 - SCRIPT_LATENCY < speech.start < 2.0 + 2 * SCRIPT_LATENCY + late(switch)
    assert abs(end["duration"] - speech.end - 0.6) < NEAR + late(switch)


@pytest.mark.parametrize(
    ("script", "state", "reason"),
    [
        ((Silence(1.0), Hangup()), "finished", "hangup"),
        ((Silence(0.4), Speech(0.6), Hangup()), "finished", "hangup"),
        ((Silence(0.4), Speech(0.5), Silence(0.5), Hangup()), "finished", "hangup"),
        ((Silence(2.6), Hangup()), "no_input", "no_input"),
    ],
    ids=["before speech", "in speech", "after speech", "after initial_timeout"],
)
async def test_a_hangup(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str, script: Script, state: str, reason: str
) -> None:
    """A hangup before or after speech is an end as any; after initial_timeout it changes nothing any more."""
    daemon.say(recording(verb, daemon, initial_timeout=2.0, end_silence_timeout=2.0), FOREVER)
    await daemon.start()
    call = await switch.call(script=script)
    end = await told.end()
    assert (end["state"], await told.reason()) == (state, reason)
    assert await call.ended() == "NORMAL_CLEARING"
    sound = await told.sound(end, tmp_path)
    assert len(sound.sounding()) == sum(isinstance(step, Speech) for step in script)
    await daemon.until(daemon.quiet)
    assert told.states == ["recording", state]


# --- pauses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behavior", [SKIP, SILENCE])
async def test_a_pause_is_no_silence_after_speech(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str, behavior: PauseBehavior
) -> None:
    """Paused in silence for longer than end_silence_timeout it goes on: what is said later is in the file, in place.

    Then the timeout counts again.
    """
    daemon.say(recording(verb, daemon, end_silence_timeout=1.0), FOREVER)
    await daemon.start()
    await switch.call(script=(Tone(1.0), Silence(3.5), Tone(1.0, hz=600), Silence(9.0)))
    began = await told.wait("recording")
    await asyncio.sleep(1.5)  # farther from the tone than a pause is looked for: all around it is digital silence
    await told.act(began, "pause", behavior=behavior.value)
    await asyncio.sleep(2.0)
    assert told.states == ["recording", "paused"]
    await told.act(began, "resume")
    end = await told.end()
    assert (end["state"], await told.reason()) == ("finished", "end_silence")
    assert told.states == ["recording", "paused", "recording", "finished"]
    sound = await told.sound(end, tmp_path)
    first, second = sound.sounding()
    assert abs(sound.hz(0, first) - 440) < 10
    assert abs(sound.hz(0, second) - 600) < 10
    assert abs(second.seconds - 1.0) < NEAR
    assert abs(sound.seconds - second.end - 1.0) < NEAR + late(switch)
    left_out = end["end_time"] - end["start_time"] - end["duration"]
    assert abs(left_out - (2.0 if behavior is SKIP else 0.0)) < NEAR + late(switch)
    assert abs(second.start - first.end - (3.5 - left_out)) < NEAR


@pytest.mark.parametrize("behavior", [SKIP, SILENCE])
async def test_a_pause_is_no_missing_input(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str, behavior: PauseBehavior
) -> None:
    """The time of a pause does not count towards initial_timeout; what is left of it does after the resume."""
    daemon.say(recording(verb, daemon, initial_timeout=1.5), FOREVER)
    await daemon.start()
    await switch.call()
    began = await told.wait("recording")
    await asyncio.sleep(0.5)
    await told.act(began, "pause", behavior=behavior.value)
    await asyncio.sleep(2.0)
    assert told.states == ["recording", "paused"]
    await told.act(began, "resume")
    end = await told.end()
    assert (end["state"], await told.reason()) == ("no_input", "no_input")
    expected = 1.5 if behavior is SKIP else 3.5
    assert abs(end["duration"] - expected) < 2 * NEAR + late(switch)
    assert abs((await told.sound(end, tmp_path)).seconds - end["duration"]) < 0.001


async def test_a_short_pause_does_not_shorten_the_silence(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str
) -> None:
    """A pause within the timeout: FreeSWITCH's timer runs out soon after the resume, the recording does not."""
    daemon.say(recording(verb, daemon, end_silence_timeout=1.5), FOREVER)
    await daemon.start()
    await switch.call(script=(Tone(0.8), Silence(9.0)))
    began = await told.wait("recording")
    await asyncio.sleep(1.0)
    await told.act(began, "pause", behavior=SILENCE.value)
    await asyncio.sleep(1.0)
    await told.act(began, "resume")
    resumed = time.time()
    end = await told.end()
    assert (end["state"], await told.reason()) == ("finished", "end_silence")
    assert abs(end["end_time"] - resumed - 1.5) < NEAR + late(switch)
    assert abs(end["end_time"] - end["start_time"] - end["duration"]) < NEAR
    assert len((await told.sound(end, tmp_path)).sounding()) == 1


@pytest.mark.parametrize("by", ["hangup", "stop", "digit", "max_length"])
async def test_an_end_within_a_long_pause(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str, by: str
) -> None:
    """A recording whose file FreeSWITCH broke off in a pause ends as any: by what ended it, as long as it was."""
    limit = {"max_length": 2.5} if by == "max_length" else {}
    daemon.say(recording(verb, daemon, end_silence_timeout=0.6, terminators="#", **limit), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(0.8), Silence(9.0)))
    began = await told.wait("recording")
    clock = asyncio.get_running_loop().time
    since = clock()
    await asyncio.sleep(0.9)
    await told.act(began, "pause", behavior=SILENCE.value)
    await asyncio.sleep(1.6)
    lasted = 2.5 if by == "max_length" else clock() - since  # on a busy machine more than was slept
    match by:
        case "hangup":
            await call.hangup()
        case "stop":
            await told.act(began, "stop")
        case "digit":
            await call.press("#")
    end = await told.end()
    reason = {"stop": "api", "digit": "terminator"}.get(by, by)
    assert (end["state"], await told.reason()) == ("finished", reason)
    assert told.states == ["recording", "paused", "finished"]
    assert abs(end["duration"] - lasted) < 2 * NEAR + late(switch)
    assert abs(end["end_time"] - end["start_time"] - end["duration"]) < NEAR
    (tone,) = (await told.sound(end, tmp_path)).sounding()
    assert abs(tone.seconds - 0.8) < NEAR


async def test_a_daemon_that_restarts_within_a_long_pause(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str
) -> None:
    """The next one knows that the recording is not over, though the switch has no recorder, and resumes it."""
    daemon.say(recording(verb, daemon, end_silence_timeout=0.6), FOREVER)
    await daemon.start()
    await switch.call(script=(Tone(0.8), Silence(9.0)))
    began = await told.wait("recording")
    await asyncio.sleep(0.9)
    await told.act(began, "pause", behavior=SKIP.value)
    await asyncio.sleep(1.5)
    await daemon.stop()
    daemon.events.clear()
    await daemon.start()
    assert told.states == ["recording", "paused"]
    await told.act(began, "resume")
    resumed = time.time()
    end = await told.end(moved=True)
    assert (end["state"], await told.reason()) == ("finished", "end_silence")
    assert told.states == ["recording", "paused", "recording", "finished"]
    assert abs(end["end_time"] - resumed - 0.6) < NEAR + late(switch)
    assert len((await told.sound(end, tmp_path)).sounding()) == 1


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("behavior", [None, SKIP, SILENCE])
async def test_max_length_counts_what_is_recorded(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str, behavior: PauseBehavior | None, rate: int
) -> None:
    """max_length within 0.1 s of the file's length: without a pause, with one that is left out, with one left in."""
    daemon.say(recording(verb, daemon, max_length=2.0), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(20.0),), rate=rate)
    began = await told.wait("recording")
    if behavior is not None:
        await asyncio.sleep(0.5)
        await told.act(began, "pause", behavior=behavior.value)
        await asyncio.sleep(0.7)
        await told.act(began, "resume")
    end = await told.end()
    assert (end["state"], await told.reason()) == ("finished", "max_length")
    assert abs(end["duration"] - 2.0) <= NEAR + late(switch)
    lasted = end["end_time"] - end["start_time"]
    assert abs(lasted - (2.7 if behavior is SKIP else 2.0)) < 2 * NEAR + late(switch)
    assert (await told.sound(end, tmp_path)).rate == rate
    assert call.alive


# --- sensitivity ----------------------------------------------------------------------------------------------------

FAINT = Tone(3.0, level=0.003)
"""A mean of 62 of 32768: a fifth of what FreeSWITCH takes for speech by itself."""


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize(
    ("sensitivity", "said", "heard"),
    [
        (0, Speech(3.0, level=0.9), False),
        (0, FAINT, False),
        (44, Speech(3.0), True),
        (44, FAINT, False),
        (44, Silence(3.0), False),
        (100, Speech(3.0), True),
        (100, FAINT, True),
    ],
    ids=["0-loud", "0-faint", "44-speech", "44-faint", "44-silence", "100-speech", "100-faint"],
)
async def test_what_counts_as_speech(
    daemon: Daemon, switch: Switch, told: Told, verb: str, rate: int, sensitivity: float, said: Step, heard: bool
) -> None:
    """0 hears nothing, 44 speech and no faint noise, 100 faint noise too, whatever the leg's rate."""
    daemon.say(recording(verb, daemon, initial_timeout=0.8, input_sensitivity=sensitivity), FOREVER)
    await daemon.start()
    call = await switch.call(script=(said,), rate=rate)
    began = await told.wait("recording")
    if heard:
        await asyncio.sleep(1.3)
        assert told.states == ["recording"]
        await told.act(began, "stop")
    end = await told.end()
    assert (end["state"], await told.reason()) == (("finished", "api") if heard else ("no_input", "no_input"))
    assert call.alive


async def test_speech_on_a_wide_leg_and_its_end(
    daemon: Daemon, switch: Switch, told: Told, tmp_path: Path, verb: str
) -> None:
    """At 16 kHz the file is of 16 kHz, and faint noise after speech ends it there as well."""
    daemon.say(recording(verb, daemon, end_silence_timeout=0.8), FOREVER)
    await daemon.start()
    await switch.call(script=(Speech(1.0), FAINT), rate=16000)
    end = await told.end()
    assert (end["state"], await told.reason()) == ("finished", "end_silence")
    sound = await told.sound(end, tmp_path)
    assert sound.rate == 16000
    (speech,) = sound.sounding(loud=0.01)
    assert abs(sound.seconds - speech.end - 0.8) < NEAR + late(switch)
