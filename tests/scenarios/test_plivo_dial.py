"""Plivo's Dial over the whole daemon: what is recorded of it, what is told of it, and what who answers gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.calls.events import CallReleased, CallResumed
from controller.softswitch.script import Digits, Silence, Tone
from tests.harness.audio import Interval, Sound
from tests.harness.esl import Event, connected
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Daemon, late
from tests.scenarios.plivo import ANSWERED, prepare, ready, record, sound
from tests.scenarios.test_dial import CALLEE, CALLER, EARLY, SHORT, SPEAKING, loud, near, nobody_left, strength

AT_ANSWER = {"startOnDialAnswer": "true"}
AFTERWARDS = "<Wait length='2'/><Hangup/>"


def dial(*numbers: str, **attributes: str) -> str:
    """A ``<Dial>`` of numbers, which ring together."""
    given = " ".join(f"{name}='{text}'" for name, text in attributes.items())
    return f"<Dial {given}>{''.join(f'<Number>{number}</Number>' for number in numbers)}</Dial>"


def none_of(found: Sound, channel: int, hz: float) -> bool:
    """Whether a channel holds nothing of a frequency, as far as there is any sound in it."""
    return all(not near(found.hz(channel, part), hz) for part in found.sounding(channel) if part.seconds > 0.1)


# --- startOnDialAnswer: "Start recording when B-leg answers" ----------------------------------------------------


async def test_nothing_from_before_the_answer(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """A callee that announces for a second in early media: none of that is in the file, which begins with the answer.

    The call goes on for two seconds when they have parted, and so does its recording.
    """
    prepare(daemon, record(daemon, **AT_ANSWER) + dial("2004", timeLimit="2") + AFTERWARDS)
    await daemon.start()
    call = await switch.call(script=SPEAKING)
    assert await call.ended(timeout=20) == "NORMAL_CLEARING"
    [told] = await ready(daemon)
    found = await sound(daemon, told, tmp_path / "got.wav")
    assert found.channels == 2
    assert near(found.hz(0, loud(found, 0)), CALLER)
    assert near(found.hz(1, loud(found, 1)), CALLEE)
    assert none_of(found, 1, EARLY)
    assert none_of(found, 0, EARLY)
    assert found.sounding(1)[0].start < 0.3
    assert abs(loud(found, 1).seconds + 0.1 - 2.0) < 0.3 + late(switch)
    assert abs(found.seconds - 4.0) < 0.4 + late(switch)


@pytest.mark.parametrize("callee", ["2003", "2006"], ids=["silent", "announcing"])
async def test_a_callee_that_never_answers(daemon: Daemon, switch: Switch, callee: str) -> None:
    """There is no recording of it: nothing is written, and nobody is told of any."""
    receiver = daemon.receiver
    prepare(
        daemon,
        record(daemon, **AT_ANSWER)
        + dial(callee, timeout="2", action=receiver.url("/after"), redirect="false")
        + AFTERWARDS,
    )
    await daemon.start()
    call = await switch.call(script=SPEAKING)
    assert await call.ended(timeout=20) == "NORMAL_CLEARING"
    [after] = await receiver.wait("/after")
    assert after.form["DialStatus"] == "no-answer"
    await daemon.until(daemon.quiet)
    assert receiver.to(ANSWERED) == []
    assert list(switch.recordings.rglob("*.wav")) == []


@pytest.mark.parametrize("way", ["two dials", "one dial"])
async def test_the_first_number_fails_and_the_second_answers(
    daemon: Daemon, switch: Switch, tmp_path: Path, way: str
) -> None:
    """It is started once, at the first answer, whoever failed before; under the id that was told at once."""
    receiver = daemon.receiver
    dials = dial("2002") + dial("2001") if way == "two dials" else dial("2002", "2001")
    told_at_once = {"action": receiver.url("/action"), "redirect": "false"}
    prepare(daemon, record(daemon, **AT_ANSWER, **told_at_once) + dials + dial("2001") + AFTERWARDS)
    await daemon.start()
    call = await switch.call(script=SPEAKING)
    assert await call.ended(timeout=25) == "NORMAL_CLEARING"
    [told] = await ready(daemon)
    [action] = receiver.to("/action")
    assert action.form["RecordingDuration"] == "-1"
    assert action.form["RecordingID"] == told.form["RecordingID"]
    assert action.form["RecordUrl"] == told.form["RecordUrl"]
    found = await sound(daemon, told, tmp_path / "got.wav")
    assert near(found.hz(0, loud(found, 0)), CALLER)
    spoken = [part for part in found.sounding(1) if part.seconds > 1.0]
    assert [near(found.hz(1, part), SHORT) for part in spoken] == [True, True], "both conversations are in it"
    assert spoken[0].start < 0.3
    assert abs(found.seconds - (2.0 + 1.0 + 2.0 + 2.0)) < 0.8 + 2 * late(switch)
    assert daemon.unfinished() == []


async def test_mono_has_both(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """ "Mono: Both parties on single channel"."""
    prepare(daemon, record(daemon, **AT_ANSWER, recordChannelType="mono") + dial("2001") + "<Hangup/>")
    await daemon.start()
    await switch.call(script=SPEAKING)
    [told] = await ready(daemon)
    found = await sound(daemon, told, tmp_path / "got.wav")
    assert found.channels == 1
    within = loud(found, 0)
    for hz in (CALLER, SHORT):
        assert strength(found, within, hz) > 20 * strength(found, within, 1300.0)


async def test_a_session_over_a_dial(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """ "Record the complete call in the background": what is announced too; in stereo each party on its channel."""
    prepare(daemon, record(daemon, recordSession="true") + dial("2004", timeLimit="2") + "<Hangup/>")
    await daemon.start()
    await switch.call(script=SPEAKING)
    [told] = await ready(daemon)
    found = await sound(daemon, told, tmp_path / "got.wav")
    assert found.channels == 2
    assert near(found.hz(0, loud(found, 0)), CALLER)
    early = found.sounding(1)[0]
    assert near(found.hz(1, Interval(early.start + 0.1, early.start + 0.8)), EARLY)
    assert near(found.hz(1, Interval(early.start + 1.5, early.start + 2.5)), CALLEE)


@pytest.mark.parametrize("lost", ["link", "daemon"])
async def test_what_is_lost_meanwhile(daemon: Daemon, switch: Switch, tmp_path: Path, lost: str) -> None:
    """Amid the conversation the link or the daemon goes and comes back: one recording, to the end of the call."""
    prepare(daemon, record(daemon, **AT_ANSWER) + dial("2000", timeLimit="4") + AFTERWARDS)
    await daemon.start()
    async with connected(switch.direct, "RECORD_START") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=SPEAKING)
            await watch.named("RECORD_START")
            await asyncio.sleep(0.5)
            if lost == "daemon":
                await daemon.stop()
                await daemon.start()
                await daemon.until(lambda: len(daemon.seen(CallResumed)) == 1)
            else:
                await switch.refuse_links()
                await switch.cut_links()
                await daemon.until(lambda: bool(daemon.problems()))
                await switch.refuse_links(False)
                await daemon.until(lambda: not daemon.problems())
            assert await call.ended(timeout=20) == "NORMAL_CLEARING"
            assert sum(event["Event-Name"] == "RECORD_START" for event in watch.events) == 1
    [told] = await ready(daemon)
    found = await sound(daemon, told, tmp_path / "got.wav")
    assert near(found.hz(1, loud(found, 1)), CALLEE)
    assert abs(found.seconds - 6.0) < 0.6 + 2 * late(switch)


async def test_a_leg_that_is_taken_away(daemon: Daemon, switch: Switch) -> None:
    """A transfer ends the conversation, which is told; the recording is the call's, and goes on to its end."""
    receiver = daemon.receiver
    prepare(daemon, record(daemon, **AT_ANSWER) + dial("2000", callbackUrl=receiver.url("/dial")))
    await daemon.start()
    async with connected(switch.direct, "RECORD_START") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=SPEAKING)
            await watch.named("RECORD_START")
            assert (await esl.api(f"uuid_transfer {call.leg} sleep:100000 inline")).startswith("+OK")
            await daemon.until(lambda: len(daemon.seen(CallReleased)) == 1)
            begun, over = await receiver.wait("/dial", 2)
            assert (begun.form["DialAction"], over.form["DialAction"]) == ("answer", "hangup")
            await asyncio.sleep(0.5)
            assert call.alive
            assert len(daemon.unfinished()) == 1
            await call.hangup()
    [told] = await ready(daemon)
    assert int(told.form["RecordingDurationMs"]) > 400


# --- what is told of it -----------------------------------------------------------------------------------------


async def conversation(switch: Switch, call_script: Any = SPEAKING) -> tuple[Call, Event]:
    """Have somebody call, and wait until who is dialled has answered; the call, and the dialled leg's event."""
    async with connected(switch.direct, "CHANNEL_ANSWER") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=call_script)
            answered = await watch.wait(
                lambda event: "variable_fsrec_dialler" in event and "Other-Leg-Unique-ID" in event
            )
    return call, answered


async def test_the_events_of_a_dial(daemon: Daemon, switch: Switch) -> None:
    """callbackUrl is told of the answer, of the digits that either side was waited for, of the end: in this order."""
    receiver = daemon.receiver
    attributes = {"callbackUrl": receiver.url("/dial"), "digitsMatch": "17,2", "digitsMatchBLeg": "*9"}
    prepare(daemon, dial("2000", **attributes) + "<Hangup/>")
    await daemon.start()
    script = (Silence(1.0), Digits("3172"), Tone(60.0, hz=CALLER))
    call, answered = await conversation(switch, script)
    callee = answered["Unique-ID"]
    await receiver.wait("/dial", 3)
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_recv_dtmf {callee} 9*9")).startswith("+OK")
        await receiver.wait("/dial", 4)
        await esl.api(f"uuid_kill {callee} USER_BUSY")
    assert await call.ended() == "NORMAL_CLEARING"
    told = [request.form for request in await receiver.wait("/dial", 5)]
    assert [one["Event"] for one in told] == ["DialAnswer", *["DialDigitsMatch"] * 3, "DialHangup"]
    assert [one.get("DialDigitsMatch") for one in told] == [None, "17", "2", "*9", None]
    assert {one["DialBLegUUID"] for one in told} == {callee}
    assert {one["DialBLegTo"] for one in told} == {"2000"}
    assert told[4]["DialBLegHangupCause"] == "USER_BUSY"
    assert len({request.header("webhook-id") for request in receiver.to("/dial")}) == 5


@pytest.mark.parametrize("callee", ["2002", "2003", "2005"])
async def test_nobody_answers(daemon: Daemon, switch: Switch, callee: str) -> None:
    """There was no conversation to tell of; the action says why."""
    receiver = daemon.receiver
    told = {"callbackUrl": receiver.url("/dial"), "action": receiver.url("/after"), "redirect": "false"}
    prepare(daemon, dial(callee, timeout="2", **told) + "<Hangup/>")
    await daemon.start()
    call = await switch.call(script=SPEAKING)
    await call.ended(timeout=20)
    [after] = await receiver.wait("/after")
    assert after.form["DialHangupCause"] == ("NO_ANSWER" if callee == "2003" else "USER_BUSY")
    await daemon.until(daemon.quiet)
    assert receiver.to("/dial") == []


async def test_the_caller_hangs_up_amid_it(daemon: Daemon, switch: Switch) -> None:
    """The end of the conversation is told once, and so is the Dial's action, of a call that is over."""
    receiver = daemon.receiver
    told = {"callbackUrl": receiver.url("/dial"), "action": receiver.url("/after")}
    prepare(daemon, dial("2000", **told))
    await daemon.start()
    call, _ = await conversation(switch)
    await receiver.wait("/dial")
    await call.hangup()
    [after] = await receiver.wait("/after", timeout=20)
    assert (after.form["CallStatus"], after.form["DialStatus"]) == ("completed", "completed")
    begun, over = await receiver.wait("/dial", 2, timeout=20)
    assert (begun.form["Event"], over.form["Event"]) == ("DialAnswer", "DialHangup")
    assert over.form["DialBLegUUID"] == begun.form["DialBLegUUID"] == after.form["DialBLegUUID"]
    await daemon.until(daemon.quiet)
    assert len(receiver.to("/dial")) == 2
    async with connected(switch.direct) as esl:
        await nobody_left(esl)


# --- what who answers gets --------------------------------------------------------------------------------------


async def test_who_answers_is_sent_digits(daemon: Daemon, switch: Switch) -> None:
    """Number's sendDigits, once it is connected: the far end hears them, and nobody else does."""
    number = "<Dial><Number sendDigits='1w2#'>2000</Number></Dial><Hangup/>"
    prepare(daemon, number)
    await daemon.start()
    async with connected(switch.direct, "DTMF", "CHANNEL_ANSWER") as esl:
        with esl.watch() as watch:
            call = await switch.call(script=SPEAKING)
            await watch.wait(lambda event: event["Event-Name"] == "DTMF" and event["DTMF-Digit"] == "#")
            pressed = [event for event in watch.events if event["Event-Name"] == "DTMF"]
            answer = watch.events.index(next(event for event in watch.events if "variable_fsrec_dialler" in event))
            assert watch.events.index(pressed[0]) > answer
    assert [event["DTMF-Digit"] for event in pressed] == ["1", "2", "#"]
    assert len({event["Unique-ID"] for event in pressed}) == 1
    assert pressed[0]["Unique-ID"] != call.leg
    assert call.heard_digits == ""
    await call.hangup()
